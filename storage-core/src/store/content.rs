//! Whole messages: what a binding stores and loads, and what that means in rows.
//!
//! [`ContentStore`] is the interface; the functions here implement it over any [`StorageBackend`], one row operation at a
//! time. They are the specification of the faster, native implementation: both must give the same answers.
//!
//! Invariants:
//! - a message's sessions are stored in one transaction, after its header (rule W-8); a session with a gap is left out
//!   whole (W-3), one without anything new stays as it is, its signature included (W-4);
//! - a loaded CoValue is bounded by the counters read first (L-14), and each of its pieces ends where a signature is
//!   valid (L-4, L-11). Whether the session's end is such a place is decided by the index of the last chunk signature,
//!   not by comparing texts of signatures: the two agree for real signatures, and the index is right for any.

use super::rows::{
    CoValueId, CoValueRowId, SessionId, SessionUpdate, Signature, StoredSessionRow, TransactionRow, TxIndex,
};
use super::traits::{StorageBackend, StorageTransaction};
use crate::error::{Error, Result};
use crate::format::tx;
use crate::format::wire::{self, ContentMessage, LoadedWriter, SessionContent};

pub use crate::format::wire::StoreStatus;

/// What became of a content message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOutcome {
    /// How it went.
    pub status: StoreStatus,
    /// The stored counter of each session of the message, in its order; none if the header was missing.
    pub counters: Vec<TxIndex>,
}

impl StoreOutcome {
    /// Whether all is stored and each session stands exactly where the message ends: the answer is then *nothing*
    /// (design.md, section 3.2).
    pub fn is_exact(&self, message: &ContentMessage<'_>) -> bool {
        let ends = message.sessions.iter().map(SessionContent::end);
        self.status == StoreStatus::Stored && ends.eq(self.counters.iter().copied())
    }

    /// The bytes of the answer to `message`, if it is not *nothing*.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn encode(&self, message: &ContentMessage<'_>) -> Result<Option<Vec<u8>>> {
        if self.is_exact(message) {
            return Ok(None);
        }
        wire::encode_outcome(self.status, &self.counters).map(Some)
    }
}

/// A CoValue as one load gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedCoValue {
    /// The header, JSON text.
    pub header: Vec<u8>,
    /// The sessions in the order in which they were first stored (rule O-1).
    pub sessions: Vec<LoadedSession>,
}

/// A session of a [`LoadedCoValue`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedSession {
    /// The session's id.
    pub session: SessionId,
    /// The number of transactions stored.
    pub counter: TxIndex,
    /// Whether it has at least one chunk signature.
    pub has_chunk_signature: bool,
    /// Its pieces, contiguous from 0 to the counter.
    pub pieces: Vec<Piece>,
}

/// A piece of a [`LoadedSession`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The index of its first transaction.
    pub after: TxIndex,
    /// The number of its transactions, at least 1.
    pub count: TxIndex,
    /// Its content, unless it was left out.
    pub content: Option<PieceContent>,
}

/// The content of a piece: the signature valid after its last transaction, and the transactions (design.md, section 2.2).
pub type PieceContent = (Signature, Vec<u8>);

impl LoadedCoValue {
    /// The bytes of the answer (design.md, section 3.4).
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut writer = LoadedWriter::new(&self.header)?;
        for session in &self.sessions {
            writer.session(session.session.as_bytes(), session.counter, session.has_chunk_signature)?;
            for piece in &session.pieces {
                match &piece.content {
                    Some((signature, txs)) => {
                        writer.piece(piece.after, piece.count, signature.as_bytes(), |out| {
                            out.extend_from_slice(txs);
                            Ok(())
                        })?;
                    }
                    None => writer.piece_left_out(piece.after, piece.count)?,
                }
            }
        }
        writer.finish()
    }
}

/// A store, one whole message at a time.
pub trait ContentStore: Send + Sync {
    /// Stores a message (rules W-1 to W-12, D-2).
    fn store(&self, message: &ContentMessage<'_>) -> Result<StoreOutcome>;

    /// Stores messages in order, up to the first that is not stored whole, or fails. Gives what became of those that were
    /// handled, as many as that is; what was stored of them is durable as one by one.
    ///
    /// # Errors
    /// The failure of the first message. A later one that fails is only not handled: given first, it tells why.
    fn store_all(&self, messages: &[ContentMessage<'_>]) -> Result<Vec<StoreOutcome>> {
        let mut outcomes = Vec::with_capacity(messages.len());
        for message in messages {
            match self.store(message) {
                Ok(outcome) => outcomes.push(outcome),
                Err(e) if outcomes.is_empty() => return Err(e),
                Err(_) => break,
            }
            if outcomes.last().is_some_and(|outcome| outcome.status != StoreStatus::Stored) {
                break;
            }
        }
        Ok(outcomes)
    }

    /// Loads a CoValue, or nothing if it is not stored.
    ///
    /// Pieces are visited session by session. One is left out if it is not the first of its session, ends with a chunk
    /// signature, and the pieces given so far have `budget` bytes of transactions or more: 0 leaves out all it can,
    /// `u64::MAX` nothing. What comes behind a session's last chunk signature is always there, as it may have grown into
    /// another piece before it is asked for; chunk signatures stay.
    fn load(&self, id: &[u8], budget: u64) -> Result<Option<LoadedCoValue>>;

    /// The transactions of a session from `after` on: `count` of them, and those after them up to the next place where a
    /// signature is kept, which is a chunk signature or the session's end. So it gives exactly the piece that a load left
    /// out (rule L-14). Nothing if the range is not stored (any more).
    fn load_piece(&self, id: &[u8], session: &[u8], after: TxIndex, count: TxIndex) -> Result<Option<Piece>>;
}

/// Any [`StorageBackend`] as a [`ContentStore`], by its row operations.
///
/// ```
/// use jazz_storage_core::format::wire::{OwnedMessage, decode_message};
/// use jazz_storage_core::store::content::{ContentStore, RowContent};
/// use jazz_storage_core::store::model::ModelStorage;
/// let store = RowContent(ModelStorage::new());
/// let header = Some(b"{}".to_vec());
/// let bytes = OwnedMessage { id: b"co_zA".to_vec(), header, ..OwnedMessage::default() }.encode()?;
/// let message = decode_message(&bytes)?;
/// assert!(store.store(&message)?.is_exact(&message));
/// assert!(store.load(b"co_zA", 0)?.is_some());
/// # Ok::<(), jazz_storage_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct RowContent<B>(pub B);

impl<B: StorageBackend> ContentStore for RowContent<B> {
    fn store(&self, message: &ContentMessage<'_>) -> Result<StoreOutcome> {
        store_by_rows(&self.0, message)
    }

    fn load(&self, id: &[u8], budget: u64) -> Result<Option<LoadedCoValue>> {
        load_by_rows(&self.0, id, budget)
    }

    fn load_piece(&self, id: &[u8], session: &[u8], after: TxIndex, count: TxIndex) -> Result<Option<Piece>> {
        load_piece_by_rows(&self.0, id, session, after, count)
    }
}

/// [`ContentStore::store`] in row operations.
///
/// # Errors
/// Those of the row operations.
pub fn store_by_rows(backend: &impl StorageBackend, message: &ContentMessage<'_>) -> Result<StoreOutcome> {
    let id = CoValueId::new(message.id);
    let Some(covalue) = backend.upsert_covalue(&id, message.header)? else {
        return Ok(StoreOutcome { status: StoreStatus::HeaderMissing, counters: Vec::new() });
    };
    backend.transaction(|rows| {
        let mut status = StoreStatus::Stored;
        let mut counters = Vec::with_capacity(message.sessions.len());
        for content in &message.sessions {
            let session = SessionId::new(content.session);
            // The delete is queued even if its session has a gap: the caller says that it is valid, not that it is new.
            if message.delete_is_valid && session.is_delete() {
                rows.mark_covalue_deleted(&id)?;
            }
            let present = rows.get_single_session(covalue, &session)?;
            let stored = present.as_ref().map_or(0, |row| row.last_idx);
            if content.after > stored {
                status = StoreStatus::Gap;
                counters.push(stored);
            } else if content.end() <= stored {
                counters.push(stored);
            } else {
                append(rows, covalue, present.as_ref(), session, content, message.chunk_threshold)?;
                counters.push(content.end());
            }
        }
        Ok(StoreOutcome { status, counters })
    })
}

/// Appends what is past the session's counter, which is neither before nor at the end of `content`.
fn append(
    rows: &mut dyn StorageTransaction,
    covalue: CoValueRowId,
    present: Option<&StoredSessionRow>,
    session_id: SessionId,
    content: &SessionContent<'_>,
    chunk_threshold: f64,
) -> Result<()> {
    let (stored, bytes_so_far) = present.map_or((0, 0), |row| (row.last_idx, row.bytes_since_last_signature));
    let mut new = Vec::new();
    let count = content.end() - stored;
    tx::cut(content.txs, stored - content.after, count, &mut new)?;
    let bytes = u64::from(bytes_so_far).saturating_add(tx::walk(&new, count)?.units);
    // Numbers of this size are exact in an f64, and JavaScript compares them as such.
    let is_chunk = bytes as f64 > chunk_threshold;
    let last_signature = Signature::new(content.last_signature);
    let update = SessionUpdate {
        covalue,
        session_id,
        last_idx: content.end(),
        last_signature: last_signature.clone(),
        bytes_since_last_signature: if is_chunk { 0 } else { u32::try_from(bytes).unwrap_or(u32::MAX) },
    };
    let session = rows.add_session_update(&update)?;
    for (idx, tx) in (stored..).zip(tx::split(&new, count)?) {
        rows.add_transaction(session, idx, &tx)?;
    }
    if is_chunk {
        rows.add_signature_after(session, content.end() - 1, &last_signature)?;
    }
    Ok(())
}

/// [`ContentStore::load`] in row operations. A snapshot as long as nobody erases the CoValue meanwhile.
///
/// # Errors
/// Those of the row operations.
pub fn load_by_rows(backend: &impl StorageBackend, id: &[u8], budget: u64) -> Result<Option<LoadedCoValue>> {
    let Some(covalue) = backend.get_covalue(&CoValueId::new(id))? else {
        return Ok(None);
    };
    let mut given = 0u64;
    let mut sessions = Vec::new();
    for row in backend.get_covalue_sessions(covalue.row_id)? {
        let chunks = backend.get_signatures(row.row_id, 0)?;
        let mut ends: Vec<(TxIndex, Signature)> = chunks
            .into_iter()
            .filter(|chunk| chunk.idx < row.last_idx)
            .map(|chunk| (chunk.idx + 1, chunk.signature))
            .collect();
        let has_chunk_signature = !ends.is_empty();
        let open = ends.last().is_none_or(|(end, _)| *end != row.last_idx);
        if open {
            ends.push((row.last_idx, row.last_signature.clone()));
        }
        let mut pieces = Vec::with_capacity(ends.len());
        let mut after = 0;
        for (end, signature) in ends {
            let count = end - after;
            let content = if after == 0 || given < budget || (open && end == row.last_idx) {
                let txs = read(backend, &row, after, count)?;
                given = given.saturating_add(txs.len() as u64);
                Some((signature, txs))
            } else {
                None
            };
            pieces.push(Piece { after, count, content });
            after = end;
        }
        sessions.push(LoadedSession {
            session: row.session_id,
            counter: row.last_idx,
            has_chunk_signature,
            pieces,
        });
    }
    Ok(Some(LoadedCoValue { header: covalue.header, sessions }))
}

/// [`ContentStore::load_piece`] in row operations.
///
/// # Errors
/// Those of the row operations.
pub fn load_piece_by_rows(
    backend: &impl StorageBackend,
    id: &[u8],
    session: &[u8],
    after: TxIndex,
    count: TxIndex,
) -> Result<Option<Piece>> {
    let Some(covalue) = backend.get_covalue(&CoValueId::new(id))? else {
        return Ok(None);
    };
    let sessions = backend.get_covalue_sessions(covalue.row_id)?;
    let row = sessions.into_iter().find(|row| row.session_id.as_bytes() == session);
    let end = after.checked_add(count).filter(|_| count > 0);
    let (Some(row), Some(end)) = (row, end) else {
        return Ok(None);
    };
    if end > row.last_idx {
        return Ok(None);
    }
    let chunk = backend.get_signatures(row.row_id, end - 1)?.into_iter().next();
    let (end, signature) = match chunk.filter(|chunk| chunk.idx < row.last_idx) {
        Some(chunk) => (chunk.idx + 1, chunk.signature),
        None => (row.last_idx, row.last_signature.clone()),
    };
    let count = end - after;
    Ok(Some(Piece { after, count, content: Some((signature, read(backend, &row, after, count)?)) }))
}

fn read(
    backend: &impl StorageBackend,
    row: &StoredSessionRow,
    after: TxIndex,
    count: TxIndex,
) -> Result<Vec<u8>> {
    let txs: Vec<TransactionRow> =
        backend.get_new_transactions_in_session(row.row_id, after, after + (count - 1))?;
    if !txs.iter().map(|tx| tx.idx).eq(after..after + count) {
        let session = &row.session_id;
        return Err(Error::Internal(format!(
            "transactions {after} to {} of {session:?} are not stored",
            after + count
        )));
    }
    let txs: Vec<Vec<u8>> = txs.into_iter().map(|tx| tx.tx).collect();
    let mut piece = Vec::new();
    tx::join(&txs, &mut piece)?;
    Ok(piece)
}
