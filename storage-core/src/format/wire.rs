//! Messages across the binding (design.md, section 3).
//!
//! Invariants:
//! - [`decode_message`] reads each byte of a message once and refuses everything that is not of the documented form, so
//!   what lies behind it handles well-formed messages only;
//! - nothing is allocated in proportion to a count that the bytes merely claim;
//! - every encoder has a decoder here that reads it back, and the other way round.

mod loaded;

pub use loaded::{
    LoadedWriter, OwnedLoaded, OwnedLoadedSession, OwnedPiece, decode_loaded, decode_piece, encode_piece,
};

use super::numbers::{
    BATCH_FOLLOWS, FORM_VERSION, MESSAGE_DELETE_IS_VALID, MESSAGE_HAS_HEADER, OUTCOME_GAP,
    OUTCOME_HEADER_MISSING, OUTCOME_STORED,
};
use super::text::{Reader, Text, put_str16, put_str32, to_usize};
use super::tx;
use crate::error::{Error, Result};
use std::collections::HashSet;

/// The fewest bytes that a session of a content message takes: two empty strings and three numbers.
const MIN_SESSION_BYTES: usize = 16;
/// Up to this many sessions, looking for a duplicate among all before is cheaper than hashing.
const FEW_SESSIONS: usize = 16;

/// A content message (section 3.1), borrowed from the bytes it came in.
#[derive(Debug, Clone, PartialEq)]
pub struct ContentMessage<'a> {
    /// The CoValue's id, not empty.
    pub id: &'a [u8],
    /// The header as JSON text, if the message has one.
    pub header: Option<&'a [u8]>,
    /// Whether a delete session in this message queues the CoValue for erasure (rule D-2).
    pub delete_is_valid: bool,
    /// The size above which a chunk signature is recorded, in UTF-16 units (rule W-6). Not NaN.
    pub chunk_threshold: f64,
    /// The sessions, none twice.
    pub sessions: Vec<SessionContent<'a>>,
}

/// What a content message says of one session.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SessionContent<'a> {
    /// The session's id, not empty.
    pub session: &'a [u8],
    /// The index of the first transaction. `after + tx_count` does not overflow.
    pub after: u32,
    /// The signature valid after the last transaction.
    pub last_signature: &'a [u8],
    /// The number of transactions, perhaps none.
    pub tx_count: u32,
    /// The transactions: a well-formed piece (section 2.2).
    pub txs: &'a [u8],
    /// The length of all changes in UTF-16 units.
    pub units: u64,
}

impl SessionContent<'_> {
    /// The counter at which the session stands once all of this is stored.
    pub fn end(&self) -> u32 {
        self.after.saturating_add(self.tx_count)
    }
}

/// A text that is an id and so may not be empty.
fn id<'a>(text: Text<'a>, what: &'static str) -> Result<&'a [u8]> {
    let bytes = text.checked()?;
    if bytes.is_empty() { Err(Error::EmptyId(what)) } else { Ok(bytes) }
}

/// Reads and checks a content message.
///
/// # Errors
/// [`Error::Malformed`] with the place, [`Error::EmptyId`] for an empty CoValue or session id, [`Error::TooLarge`] if a
/// session would have more than `u32::MAX` transactions.
pub fn decode_message(bytes: &[u8]) -> Result<ContentMessage<'_>> {
    let mut reader = Reader::new(bytes);
    version(&mut reader)?;
    let flags = reader.u8()?;
    if flags & !(MESSAGE_HAS_HEADER | MESSAGE_DELETE_IS_VALID) != 0 {
        reader.fail("the message has an unknown flag")?;
    }
    let chunk_threshold = reader.f64()?;
    if chunk_threshold.is_nan() {
        reader.fail("the chunk threshold is not a number")?;
    }
    let covalue = id(reader.str16()?, "CoValue id")?;
    let header = if flags & MESSAGE_HAS_HEADER == 0 { None } else { Some(reader.str32()?.checked()?) };
    if header.is_some_and(<[u8]>::is_empty) {
        reader.fail("the header is empty")?;
    }
    let count = to_usize(reader.u32()?);
    let mut sessions = Vec::with_capacity(count.min(bytes.len() / MIN_SESSION_BYTES));
    for _ in 0..count {
        sessions.push(session(&mut reader)?);
    }
    reader.finish()?;
    if has_duplicates(&sessions) {
        reader.fail("the message names a session twice")?;
    }
    Ok(ContentMessage {
        id: covalue,
        header,
        delete_is_valid: flags & MESSAGE_DELETE_IS_VALID != 0,
        chunk_threshold,
        sessions,
    })
}

fn version(reader: &mut Reader<'_>) -> Result<()> {
    if reader.u8()? == FORM_VERSION { Ok(()) } else { Ok(reader.fail("unknown version of the message")?) }
}

fn session<'a>(reader: &mut Reader<'a>) -> Result<SessionContent<'a>> {
    let session = id(reader.str16()?, "session id")?;
    let after = reader.u32()?;
    let last_signature = reader.str16()?.checked()?;
    let tx_count = reader.u32()?;
    let len = reader.u32()?;
    if after.checked_add(tx_count).is_none() {
        return Err(Error::TooLarge {
            what: "session (counted in transactions)",
            size: u64::from(after) + u64::from(tx_count),
            limit: u64::from(u32::MAX),
        });
    }
    let start = reader.at();
    let txs = reader.take(to_usize(len))?;
    let walk = tx::walk(txs, tx_count).map_err(|error| tx::FormatError { at: start + error.at, ..error })?;
    Ok(SessionContent { session, after, last_signature, tx_count, txs, units: walk.units })
}

fn has_duplicates(sessions: &[SessionContent<'_>]) -> bool {
    if sessions.len() <= FEW_SESSIONS {
        let mut rest = sessions;
        while let Some((first, others)) = rest.split_first() {
            if others.iter().any(|other| other.session == first.session) {
                return true;
            }
            rest = others;
        }
        return false;
    }
    let mut seen = HashSet::with_capacity(sessions.len());
    !sessions.iter().all(|session| seen.insert(session.session))
}

/// A batch of content messages, borrowed from the bytes it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch<'a> {
    /// Whether it is stored only if all of what came before it was stored.
    pub follows: bool,
    /// The messages, in order.
    pub messages: Vec<ContentMessage<'a>>,
}

/// Reads and checks a batch of content messages (section 3.3): all of them before any is stored.
///
/// # Errors
/// Those of [`decode_message`].
pub fn decode_batch(bytes: &[u8]) -> Result<Batch<'_>> {
    let mut reader = Reader::new(bytes);
    let head = reader.u32()?;
    let count = to_usize(head & !BATCH_FOLLOWS);
    let mut messages = Vec::with_capacity(count.min(bytes.len() / 4));
    for _ in 0..count {
        let len = reader.u32()?;
        messages.push(decode_message(reader.take(to_usize(len))?)?);
    }
    reader.finish()?;
    Ok(Batch { follows: head & BATCH_FOLLOWS != 0, messages })
}

/// A content message that owns its parts, for those who make one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OwnedMessage {
    /// See [`ContentMessage::id`].
    pub id: Vec<u8>,
    /// See [`ContentMessage::header`].
    pub header: Option<Vec<u8>>,
    /// See [`ContentMessage::delete_is_valid`].
    pub delete_is_valid: bool,
    /// See [`ContentMessage::chunk_threshold`].
    pub chunk_threshold: f64,
    /// See [`ContentMessage::sessions`].
    pub sessions: Vec<OwnedSession>,
}

/// A session of an [`OwnedMessage`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnedSession {
    /// See [`SessionContent::session`].
    pub session: Vec<u8>,
    /// See [`SessionContent::after`].
    pub after: u32,
    /// See [`SessionContent::last_signature`].
    pub last_signature: Vec<u8>,
    /// The transactions, each complete in itself.
    pub txs: Vec<Vec<u8>>,
}

impl OwnedMessage {
    /// The message's bytes.
    ///
    /// # Errors
    /// A text or list is too long, or a transaction is malformed. That the message makes sense is for
    /// [`decode_message`] to check.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let flag = |set, flag| if set { flag } else { 0 };
        let flags = flag(self.header.is_some(), MESSAGE_HAS_HEADER)
            | flag(self.delete_is_valid, MESSAGE_DELETE_IS_VALID);
        let mut out = vec![FORM_VERSION, flags];
        out.extend_from_slice(&self.chunk_threshold.to_le_bytes());
        put_str16(&mut out, &self.id)?;
        if let Some(header) = &self.header {
            put_str32(&mut out, header)?;
        }
        put_len(&mut out, self.sessions.len())?;
        for session in &self.sessions {
            put_str16(&mut out, &session.session)?;
            out.extend_from_slice(&session.after.to_le_bytes());
            put_str16(&mut out, &session.last_signature)?;
            put_len(&mut out, session.txs.len())?;
            put_sized(&mut out, |out| Ok(tx::join(&session.txs, out)?))?;
        }
        Ok(out)
    }
}

/// Appends a length or count.
fn put_len(out: &mut Vec<u8>, len: usize) -> Result<()> {
    let len = u32::try_from(len).map_err(|_| too_large(len))?;
    out.extend_from_slice(&len.to_le_bytes());
    Ok(())
}

fn too_large(size: usize) -> Error {
    Error::TooLarge { what: "message", size: size as u64, limit: u64::from(u32::MAX) }
}

/// Sets the number at `at`, for which four bytes were left free.
fn patch(out: &mut [u8], at: usize, value: usize) -> Result<()> {
    let value = u32::try_from(value).map_err(|_| too_large(value))?;
    match out.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        Some(free) => *free = value.to_le_bytes(),
        None => return Err(Error::Internal("a length has no place in its message".into())),
    }
    Ok(())
}

/// Appends what `write` appends, with its length in bytes before it.
fn put_sized(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out)?;
    let len = out.len() - at - 4;
    patch(out, at, len)
}

/// A count whose place was left free.
#[derive(Debug, Clone, Copy)]
struct Count {
    at: usize,
    value: usize,
}

impl Count {
    fn leave_free(out: &mut Vec<u8>) -> Self {
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        Self { at, value: 0 }
    }
}

/// What became of a content message (section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreStatus {
    /// Everything is stored.
    Stored,
    /// The CoValue is unknown and the message has no header: nothing is stored.
    HeaderMissing,
    /// At least one session of the message begins past its stored counter; the others are stored.
    Gap,
}

/// Encodes an outcome that is not *nothing*. The counters are left out where the header was missing.
pub fn encode_outcome(status: StoreStatus, counters: &[u32]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(5 + 4 * counters.len());
    match status {
        StoreStatus::Stored => out.push(OUTCOME_STORED),
        StoreStatus::HeaderMissing => {
            out.push(OUTCOME_HEADER_MISSING);
            return Ok(out);
        }
        StoreStatus::Gap => out.push(OUTCOME_GAP),
    }
    put_len(&mut out, counters.len())?;
    for counter in counters {
        out.extend_from_slice(&counter.to_le_bytes());
    }
    Ok(out)
}

/// Reads what [`encode_outcome`] wrote.
///
/// # Errors
/// [`Error::Malformed`].
pub fn decode_outcome(bytes: &[u8]) -> Result<(StoreStatus, Vec<u32>)> {
    let mut reader = Reader::new(bytes);
    let status = match reader.u8()? {
        OUTCOME_STORED => StoreStatus::Stored,
        OUTCOME_HEADER_MISSING => StoreStatus::HeaderMissing,
        OUTCOME_GAP => StoreStatus::Gap,
        _ => return Ok(reader.fail("unknown status")?),
    };
    let mut counters = Vec::new();
    if status != StoreStatus::HeaderMissing {
        for _ in 0..reader.u32()? {
            counters.push(reader.u32()?);
        }
    }
    reader.finish()?;
    Ok((status, counters))
}

/// Encodes a list of answers of which each may be *nothing*, with length 0: the answer to a batch (section 3.3), and to a
/// load of several CoValues (section 3.5).
///
/// # Errors
/// [`Error::TooLarge`].
pub fn encode_answers(answers: &[Option<Vec<u8>>]) -> Result<Vec<u8>> {
    let bytes: usize = answers.iter().map(|answer| 4 + answer.as_ref().map_or(0, Vec::len)).sum();
    let mut out = Vec::with_capacity(4 + bytes);
    put_len(&mut out, answers.len())?;
    for answer in answers {
        let answer = answer.as_deref().unwrap_or_default();
        put_len(&mut out, answer.len())?;
        out.extend_from_slice(answer);
    }
    Ok(out)
}

/// Reads what [`encode_answers`] wrote.
///
/// # Errors
/// [`Error::Malformed`].
pub fn decode_answers(bytes: &[u8]) -> Result<Vec<Option<&[u8]>>> {
    let mut reader = Reader::new(bytes);
    let mut answers = Vec::new();
    for _ in 0..reader.u32()? {
        let len = reader.u32()?;
        let answer = reader.take(to_usize(len))?;
        answers.push((!answer.is_empty()).then_some(answer));
    }
    reader.finish()?;
    Ok(answers)
}

/// Encodes a known state (section 3.5).
///
/// # Errors
/// [`Error::Malformed`] if an id is too long for a `str16`.
pub fn encode_known_state<'a>(sessions: impl IntoIterator<Item = (&'a [u8], u32)>) -> Result<Vec<u8>> {
    // Of one session, as most are, with room to spare.
    let mut out = Vec::with_capacity(128);
    let mut count = Count::leave_free(&mut out);
    for (session, counter) in sessions {
        put_str16(&mut out, session)?;
        out.extend_from_slice(&counter.to_le_bytes());
        count.value += 1;
    }
    patch(&mut out, count.at, count.value)?;
    Ok(out)
}

/// Reads what [`encode_known_state`] wrote.
///
/// # Errors
/// [`Error::Malformed`].
pub fn decode_known_state(bytes: &[u8]) -> Result<Vec<(&[u8], u32)>> {
    let mut reader = Reader::new(bytes);
    let mut sessions = Vec::new();
    for _ in 0..reader.u32()? {
        sessions.push((reader.str16()?.checked()?, reader.u32()?));
    }
    reader.finish()?;
    Ok(sessions)
}

/// Encodes a list of ids (section 3.5).
///
/// # Errors
/// [`Error::Malformed`] if an id is too long for a `str16`.
pub fn encode_ids<'a>(ids: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut count = Count::leave_free(&mut out);
    for id in ids {
        put_str16(&mut out, id)?;
        count.value += 1;
    }
    patch(&mut out, count.at, count.value)?;
    Ok(out)
}

/// Reads a list of ids.
///
/// # Errors
/// [`Error::Malformed`], [`Error::EmptyId`].
pub fn decode_ids(bytes: &[u8]) -> Result<Vec<&[u8]>> {
    let mut reader = Reader::new(bytes);
    let mut ids = Vec::new();
    for _ in 0..reader.u32()? {
        ids.push(id(reader.str16()?, "CoValue id")?);
    }
    reader.finish()?;
    Ok(ids)
}

/// A change of the sync state of one CoValue with one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncUpdate<'a> {
    /// The CoValue's id, not empty.
    pub id: &'a [u8],
    /// The peer's id, not empty.
    pub peer: &'a [u8],
    /// Whether it is synced now.
    pub synced: bool,
}

/// Encodes sync-state updates (section 3.5).
///
/// # Errors
/// [`Error::Malformed`] if an id is too long for a `str16`, [`Error::TooLarge`].
pub fn encode_sync_updates(updates: &[SyncUpdate<'_>]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    put_len(&mut out, updates.len())?;
    for update in updates {
        put_str16(&mut out, update.id)?;
        put_str16(&mut out, update.peer)?;
        out.push(u8::from(update.synced));
    }
    Ok(out)
}

/// Reads sync-state updates.
///
/// # Errors
/// [`Error::Malformed`], [`Error::EmptyId`].
pub fn decode_sync_updates(bytes: &[u8]) -> Result<Vec<SyncUpdate<'_>>> {
    let mut reader = Reader::new(bytes);
    let mut updates = Vec::new();
    for _ in 0..reader.u32()? {
        let covalue = id(reader.str16()?, "CoValue id")?;
        let peer = id(reader.str16()?, "peer id")?;
        let synced = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return Ok(reader.fail("synced is neither 0 nor 1")?),
        };
        updates.push(SyncUpdate { id: covalue, peer, synced });
    }
    reader.finish()?;
    Ok(updates)
}

#[cfg(test)]
mod tests;
