//! Entries: what the body of a record consists of (design.md section 4.3).
//!
//! An entry is `kind u8 | len u32 | len bytes`. Entries of one record take effect together or not at all.

use super::Ordinal;
use super::bytes::{Cursor, PutBytes};
use super::row::{Group, Tag};

/// A CoValue comes into being.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Create<'a> {
    /// The keyed hash of its id.
    pub group: Group,
    /// Its place in the order of creation.
    pub ordinal: Ordinal,
    /// Its id.
    pub id: &'a [u8],
    /// Its header, JSON text.
    pub header: &'a [u8],
}

/// Transactions are appended to a session.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Append<'a> {
    /// The keyed hash of the CoValue's id.
    pub group: Group,
    /// The session's number within the CoValue.
    pub slot: u32,
    /// The keyed hash of the session's id.
    pub tag: Tag,
    /// Whether the signature is a chunk signature: loads are cut after this piece.
    pub chunk_signature: bool,
    /// Whether the session is a delete session, which survives erasure.
    pub delete_session: bool,
    /// The index of the first transaction.
    pub start: u32,
    /// The number of transactions.
    pub count: u32,
    /// UTF-16 units of changes since the last chunk signature, after this piece.
    pub bytes_since: u32,
    /// The signature valid after the last transaction.
    pub signature: &'a [u8],
    /// The session's id: present in the piece with `start` 0.
    pub session_id: Option<&'a [u8]>,
    /// Orders sessions by when they were first stored; in packs, in the piece with `start` 0. In the log the place of the
    /// record says it.
    pub created: Option<u64>,
    /// The transactions (design.md section 2.2).
    pub txs: &'a [u8],
}

/// One session emptied by an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasedSession {
    /// Its number within the CoValue.
    pub slot: u32,
    /// The keyed hash of its id.
    pub tag: Tag,
}

/// One entry of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry<'a> {
    /// See [`Create`].
    Create(Create<'a>),
    /// See [`Append`].
    Append(Append<'a>),
    /// The CoValue of this id waits to be erased.
    DeleteMark {
        /// Its id.
        id: &'a [u8],
    },
    /// All sessions of the CoValue but its delete sessions are emptied, its deletion is done.
    Erase {
        /// The keyed hash of its id.
        group: Group,
        /// Its id.
        id: &'a [u8],
        /// Whether it is stored at all; if not, it only leaves the queue.
        stored: bool,
        /// The sessions emptied.
        sessions: Vec<ErasedSession>,
    },
    /// A (CoValue, peer) pair is synced or not.
    Sync {
        /// The CoValue's id.
        id: &'a [u8],
        /// The peer's id.
        peer: &'a [u8],
        /// Whether it is synced.
        synced: bool,
    },
    /// All pairs of the CoValue are dropped.
    Untrack {
        /// The CoValue's id.
        id: &'a [u8],
    },
    /// The record of a reconciliation lock.
    Lock {
        /// The lock's key.
        key: &'a [u8],
        /// The session that took it last.
        holder: &'a [u8],
        /// When it was taken, in milliseconds of `Date.now()`.
        acquired_at: f64,
        /// When its run was completed, if it was.
        released_at: Option<f64>,
        /// How far the run has come.
        offset: f64,
    },
}

const CREATE: u8 = 1;
const APPEND: u8 = 2;
const DELETE_MARK: u8 = 3;
const ERASE: u8 = 4;
const SYNC: u8 = 5;
const UNTRACK: u8 = 6;
const LOCK: u8 = 7;

const APPEND_CHUNK: u8 = 1;
const APPEND_ID: u8 = 2;
const APPEND_DELETE: u8 = 4;
const APPEND_CREATED: u8 = 8;

impl Entry<'_> {
    /// Appends the entry to a record's body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let kind = match self {
            Self::Create(_) => CREATE,
            Self::Append(_) => APPEND,
            Self::DeleteMark { .. } => DELETE_MARK,
            Self::Erase { .. } => ERASE,
            Self::Sync { .. } => SYNC,
            Self::Untrack { .. } => UNTRACK,
            Self::Lock { .. } => LOCK,
        };
        out.put_u8(kind);
        let at = out.len();
        out.put_u32(0);
        match self {
            Self::Create(create) => {
                out.extend_from_slice(&create.group.0);
                out.put_u64(create.ordinal.0);
                out.put_short(create.id);
                out.put_blob(create.header);
            }
            Self::Append(append) => encode_append(append, out),
            Self::DeleteMark { id } | Self::Untrack { id } => out.put_short(id),
            Self::Erase { group, id, stored, sessions } => {
                out.extend_from_slice(&group.0);
                out.put_u8(u8::from(*stored));
                out.put_short(id);
                for session in sessions {
                    out.put_u32(session.slot);
                    out.put_u64(session.tag.0);
                }
            }
            Self::Sync { id, peer, synced } => {
                out.put_short(id);
                out.put_short(peer);
                out.put_u8(u8::from(*synced));
            }
            Self::Lock { key, holder, acquired_at, released_at, offset } => {
                out.put_short(key);
                out.put_short(holder);
                out.put_f64(*acquired_at);
                out.put_u8(u8::from(released_at.is_some()));
                out.put_f64(released_at.unwrap_or(0.0));
                out.put_f64(*offset);
            }
        }
        let len = (out.len() - at - 4) as u32;
        super::bytes::put_at(out, at, &len.to_le_bytes());
    }
}

fn encode_append(append: &Append<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&append.group.0);
    out.put_u32(append.slot);
    out.put_u64(append.tag.0);
    let mut flags = 0;
    if append.chunk_signature {
        flags |= APPEND_CHUNK;
    }
    if append.session_id.is_some() {
        flags |= APPEND_ID;
    }
    if append.delete_session {
        flags |= APPEND_DELETE;
    }
    if append.created.is_some() {
        flags |= APPEND_CREATED;
    }
    out.put_u8(flags);
    out.put_u32(append.start);
    out.put_u32(append.count);
    out.put_u32(append.bytes_since);
    out.put_short(append.signature);
    if let Some(id) = append.session_id {
        out.put_short(id);
    }
    if let Some(created) = append.created {
        out.put_u64(created);
    }
    out.put_blob(append.txs);
}

/// The entries of a record's body, in order. Stops with `Err` at bytes that are no entry.
pub fn entries(body: &[u8]) -> impl Iterator<Item = Result<Entry<'_>, BadEntry>> {
    entries_with_offsets(body).map(|entry| entry.map(|(_, entry)| entry))
}

/// The entries of a record's body, each with the offset at which [`entry_at`] finds it again.
pub fn entries_with_offsets(body: &[u8]) -> impl Iterator<Item = Result<(usize, Entry<'_>), BadEntry>> {
    let mut cursor = Cursor::new(body);
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed || cursor.is_empty() {
            return None;
        }
        let offset = body.len() - cursor.rest().len();
        let entry = next(&mut cursor);
        failed = entry.is_none();
        Some(entry.map(|entry| (offset, entry)).ok_or(BadEntry))
    })
}

/// The entry at an offset of a record's body.
pub fn entry_at(body: &[u8], offset: usize) -> Result<Entry<'_>, BadEntry> {
    body.get(offset..).and_then(|rest| next(&mut Cursor::new(rest))).ok_or(BadEntry)
}

/// A record with a good checksum whose body is not a sequence of entries: written by a bug or by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadEntry;

fn next<'a>(cursor: &mut Cursor<'a>) -> Option<Entry<'a>> {
    let kind = cursor.u8()?;
    let mut c = Cursor::new(cursor.blob()?);
    let entry = match kind {
        CREATE => Entry::Create(Create {
            group: Group(c.array()?),
            ordinal: Ordinal(c.u64()?),
            id: c.short()?,
            header: c.blob()?,
        }),
        APPEND => Entry::Append(decode_append(&mut c)?),
        DELETE_MARK => Entry::DeleteMark { id: c.short()? },
        ERASE => {
            let group = Group(c.array()?);
            let stored = c.u8()? != 0;
            let id = c.short()?;
            let mut sessions = Vec::new();
            while !c.is_empty() {
                sessions.push(ErasedSession { slot: c.u32()?, tag: Tag(c.u64()?) });
            }
            Entry::Erase { group, id, stored, sessions }
        }
        SYNC => Entry::Sync { id: c.short()?, peer: c.short()?, synced: c.u8()? != 0 },
        UNTRACK => Entry::Untrack { id: c.short()? },
        LOCK => {
            let (key, holder, acquired_at) = (c.short()?, c.short()?, c.f64()?);
            let (released, at, offset) = (c.u8()? != 0, c.f64()?, c.f64()?);
            Entry::Lock { key, holder, acquired_at, released_at: released.then_some(at), offset }
        }
        _ => return None,
    };
    c.is_empty().then_some(entry)
}

fn decode_append<'a>(c: &mut Cursor<'a>) -> Option<Append<'a>> {
    let group = Group(c.array()?);
    let (slot, tag, flags) = (c.u32()?, Tag(c.u64()?), c.u8()?);
    let (start, count, bytes_since) = (c.u32()?, c.u32()?, c.u32()?);
    start.checked_add(count)?;
    let signature = c.short()?;
    let session_id = if flags & APPEND_ID != 0 { Some(c.short()?) } else { None };
    let created = if flags & APPEND_CREATED != 0 { Some(c.u64()?) } else { None };
    Some(Append {
        group,
        slot,
        tag,
        chunk_signature: flags & APPEND_CHUNK != 0,
        delete_session: flags & APPEND_DELETE != 0,
        start,
        count,
        bytes_since,
        signature,
        session_id,
        created,
        txs: c.blob()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn samples() -> Vec<Entry<'static>> {
        vec![
            Entry::Create(Create { group: Group([1; 16]), ordinal: Ordinal(4), id: b"co_zA", header: b"{}" }),
            Entry::Append(Append {
                group: Group([2; 16]),
                slot: 3,
                tag: Tag(4),
                chunk_signature: true,
                delete_session: false,
                start: 0,
                count: 2,
                bytes_since: 6,
                signature: b"sig",
                session_id: Some(b"s"),
                created: Some(77),
                txs: b"transactions",
            }),
            Entry::DeleteMark { id: b"co_zB" },
            Entry::Erase {
                group: Group([3; 16]),
                id: b"co_zB",
                stored: true,
                sessions: vec![ErasedSession { slot: 1, tag: Tag(2) }],
            },
            Entry::Sync { id: b"co_zB", peer: b"p", synced: true },
            Entry::Untrack { id: b"co_zB" },
            Entry::Lock { key: b"k", holder: b"h", acquired_at: 1.5, released_at: None, offset: 7.0 },
        ]
    }

    #[test]
    fn round_trip() {
        let mut body = Vec::new();
        for entry in samples() {
            entry.encode(&mut body);
        }
        let got: Result<Vec<_>, _> = entries(&body).collect();
        assert_eq!(got, Ok(samples()));
    }

    proptest! {
        #[test]
        fn any_bytes_give_entries_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = entries(&bytes).count();
        }

        #[test]
        fn mutated_entries_never_panic(at in 0usize..400, to in any::<u8>()) {
            let mut body = Vec::new();
            for entry in samples() {
                entry.encode(&mut body);
            }
            let at = at % body.len();
            body[at] = to;
            let _ = entries(&body).count();
        }
    }
}
