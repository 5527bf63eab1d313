//! The byte forms of docs/design.md, sections 2 and 3, written out once more: what is expected of the engine must not come
//! from the engine.

use crate::bytes::Bytes;

/// Appends to a form.
impl Bytes {
    pub(crate) fn u8(self, value: u8) -> Self {
        self.and([value])
    }

    pub(crate) fn u32(self, value: usize) -> Self {
        self.and((value as u32).to_le_bytes())
    }

    pub(crate) fn f64(self, value: f64) -> Self {
        self.and(value.to_le_bytes())
    }

    pub(crate) fn str16(self, text: impl Into<Self>) -> Self {
        let text = text.into();
        let flag = if text.is_ascii() { 0 } else { 1 << 15 };
        self.and((text.len() as u16 | flag).to_le_bytes()).and(text)
    }

    pub(crate) fn str32(self, text: impl Into<Self>) -> Self {
        let text = text.into();
        let flag = if text.is_ascii() { 0 } else { 1 << 31 };
        self.and((text.len() as u32 | flag).to_le_bytes()).and(text)
    }

    /// Bytes behind their length.
    pub(crate) fn sized(self, bytes: impl Into<Self>) -> Self {
        let bytes = bytes.into();
        self.u32(bytes.len()).and(bytes)
    }
}

fn form() -> Bytes {
    Bytes::new()
}

/// A trusting transaction as cojson makes them: shape 2.
pub(crate) fn trusting(changes: impl Into<Bytes>) -> Bytes {
    form().u8(2).f64(1_700_000_000_000.0).str32(changes)
}

/// A private one with the key that it was encrypted with: shape 1.
pub(crate) fn private(key: &str, changes: impl Into<Bytes>) -> Bytes {
    form().u8(1).f64(1_700_000_000_000.0).str16(key).str32(changes)
}

/// The header of every CoValue that needs no other.
pub(crate) const HEADER: &str = r#"{"type":"comap","ruleset":{"type":"unsafeAllowAll"},"meta":null}"#;

/// The size of a chunk that no message of the cases reaches unless it means to.
const CHUNK: f64 = 102_400.0;

/// A content message (section 3.1).
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: Bytes,
    header: Option<Bytes>,
    delete_is_valid: bool,
    threshold: f64,
    sessions: Vec<Session>,
    /// Sessions that are one expression.
    more: (usize, Bytes),
}

#[derive(Debug, Clone)]
struct Session {
    id: Bytes,
    after: usize,
    signature: Bytes,
    count: usize,
    txs: Bytes,
}

impl Session {
    fn encode(&self) -> Bytes {
        let head = form().str16(&self.id).u32(self.after).str16(&self.signature);
        head.u32(self.count).sized(&self.txs)
    }
}

/// A message with the usual header and no session.
pub(crate) fn create(id: impl Into<Bytes>) -> Message {
    append(id).header(HEADER)
}

/// A message without header and sessions.
pub(crate) fn append(id: impl Into<Bytes>) -> Message {
    Message {
        id: id.into(),
        header: None,
        delete_is_valid: false,
        threshold: CHUNK,
        sessions: Vec::new(),
        more: (0, Bytes::new()),
    }
}

impl Message {
    pub(crate) fn header(self, header: impl Into<Bytes>) -> Self {
        Self { header: Some(header.into()), ..self }
    }

    pub(crate) fn deleting(self) -> Self {
        Self { delete_is_valid: true, ..self }
    }

    pub(crate) fn threshold(self, threshold: f64) -> Self {
        Self { threshold, ..self }
    }

    /// With a session of trusting transactions, whose signature is that of its end.
    pub(crate) fn session(self, id: impl Into<Bytes>, after: usize, changes: &[&str]) -> Self {
        let txs: Bytes = changes.iter().map(|changes| trusting(*changes)).collect();
        self.piece(id, after, signature(after + changes.len()), changes.len(), txs)
    }

    /// With a session of `count` transactions, in bytes.
    pub(crate) fn piece(
        mut self,
        id: impl Into<Bytes>,
        after: usize,
        signature: impl Into<Bytes>,
        count: usize,
        txs: impl Into<Bytes>,
    ) -> Self {
        let (id, signature, txs) = (id.into(), signature.into(), txs.into());
        self.sessions.push(Session { id, after, signature, count, txs });
        self
    }

    /// With many sessions more, in bytes.
    pub(crate) fn sessions(self, count: usize, sessions: Bytes) -> Self {
        Self { more: (count, sessions), ..self }
    }

    pub(crate) fn encode(&self) -> Bytes {
        let flags = u8::from(self.header.is_some()) | u8::from(self.delete_is_valid) << 1;
        let mut out = form().u8(1).u8(flags).f64(self.threshold).str16(&self.id);
        if let Some(header) = &self.header {
            out = out.str32(header);
        }
        let sessions: Bytes = self.sessions.iter().map(Session::encode).collect();
        out.u32(self.sessions.len() + self.more.0).and(sessions).and(&self.more.1)
    }
}

/// What stands for the signature of a session that has so many transactions.
pub(crate) fn signature(end: usize) -> Bytes {
    Bytes::from(format!("signature_z{end}").as_str())
}

/// A batch (section 3.3).
pub(crate) fn batch(messages: &[Message]) -> Bytes {
    answers(messages.iter().map(Message::encode))
}

/// A batch that is stored only if all of what came before it was (section 3.3).
pub(crate) fn following(messages: &[Message]) -> Bytes {
    list(1 << 31, messages.iter().map(Message::encode))
}

/// A list of answers: none is of length 0 (sections 3.3 and 3.5).
pub(crate) fn answers(answers: impl IntoIterator<Item = Bytes>) -> Bytes {
    list(0, answers)
}

/// A list of byte strings behind their count, of which some bits are flags.
fn list(flags: usize, list: impl IntoIterator<Item = Bytes>) -> Bytes {
    let list: Vec<Bytes> = list.into_iter().map(|bytes| form().sized(bytes)).collect();
    form().u32(flags | list.len()).and(list.into_iter().collect::<Bytes>())
}

/// Outcomes (section 3.2).
pub(crate) fn stored(counters: &[usize]) -> Bytes {
    outcome(0, counters)
}

pub(crate) fn header_missing() -> Bytes {
    form().u8(1)
}

pub(crate) fn gap(counters: &[usize]) -> Bytes {
    outcome(2, counters)
}

fn outcome(status: u8, counters: &[usize]) -> Bytes {
    counters.iter().fold(form().u8(status).u32(counters.len()), |out, counter| out.u32(*counter))
}

/// A list of ids (section 3.5).
pub(crate) fn ids(ids: &[&str]) -> Bytes {
    ids.iter().fold(form().u32(ids.len()), |out, id| out.str16(*id))
}

/// A known state (section 3.5).
pub(crate) fn known(sessions: &[(&str, usize)]) -> Bytes {
    sessions.iter().fold(form().u32(sessions.len()), |out, (id, count)| out.str16(*id).u32(*count))
}

/// Sync-state updates (section 3.5): id, peer, and whether it is synced.
pub(crate) fn sync_updates(updates: &[(&str, &str, bool)]) -> Bytes {
    updates.iter().fold(form().u32(updates.len()), |out, (id, peer, synced)| {
        out.str16(*id).str16(*peer).u8(u8::from(*synced))
    })
}

/// A loaded CoValue (section 3.4).
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    header: Bytes,
    sessions: Vec<Bytes>,
    more: (usize, Bytes),
}

/// One with the usual header, and no session yet.
pub(crate) fn loaded() -> Loaded {
    loaded_with(HEADER)
}

pub(crate) fn loaded_with(header: impl Into<Bytes>) -> Loaded {
    Loaded { header: header.into(), sessions: Vec::new(), more: (0, Bytes::new()) }
}

/// A piece of a loaded session: `after`, `count`, and signature and transactions unless they are left out.
pub(crate) type Piece = (usize, usize, Option<(Bytes, Bytes)>);

impl Loaded {
    /// With a session of trusting transactions and without chunk signature.
    pub(crate) fn session(self, id: impl Into<Bytes>, changes: &[&str]) -> Self {
        let txs: Bytes = changes.iter().map(|changes| trusting(*changes)).collect();
        let end = changes.len();
        self.pieces(id, end, false, vec![(0, end, Some((signature(end), txs)))])
    }

    /// With a session of these pieces.
    pub(crate) fn pieces(
        mut self,
        id: impl Into<Bytes>,
        counter: usize,
        chunked: bool,
        pieces: Vec<Piece>,
    ) -> Self {
        let mut out = form().str16(id).u32(counter).u8(u8::from(chunked)).u32(pieces.len());
        for (after, count, content) in pieces {
            out = out.u32(after).u32(count).u8(u8::from(content.is_some()));
            if let Some((signature, txs)) = content {
                out = out.str16(signature).sized(txs);
            }
        }
        self.sessions.push(out);
        self
    }

    /// With many sessions more, in bytes.
    pub(crate) fn sessions(self, count: usize, sessions: Bytes) -> Self {
        Self { more: (count, sessions), ..self }
    }

    pub(crate) fn encode(&self) -> Bytes {
        let sessions: Bytes = self.sessions.iter().cloned().collect();
        let head = form().u8(1).str32(&self.header).u32(self.sessions.len() + self.more.0);
        head.and(sessions).and(&self.more.1)
    }
}

/// What `loadPiece` gives (section 3.4).
pub(crate) fn piece(count: usize, signature: impl Into<Bytes>, txs: impl Into<Bytes>) -> Bytes {
    form().u32(count).str16(signature).sized(txs)
}

/// The checksum of the files, CRC-32C.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    const REVERSED_POLYNOMIAL: u32 = 0x82f6_3b78;
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ REVERSED_POLYNOMIAL } else { crc >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc_32c() {
        assert_eq!(crc(b"123456789"), 0xe306_9283, "the check value of the algorithm");
    }
}
