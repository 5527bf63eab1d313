//! The model: a store in plain collections, to compare real ones with.
//!
//! It keeps nothing outside this process and is as slow as it is simple: a transaction copies the whole state, changes the
//! copy, checks it, and puts it in the place of the old one. That makes atomicity and rollback evident, and a snapshot is
//! a clone. Row numbers of CoValues are 1, 2, 3, …; a session's slot is the number of sessions created before it in its
//! CoValue. Slots mean nothing to callers, and other stores number theirs differently.

use super::content::{self, ContentStore, LoadedCoValue, Piece, StoreOutcome};
use super::rows::{
    CoValueId, CoValueRowId, DeletionStatus, KnownState, PeerId, ReconciliationLockRow, SessionId,
    SessionRowId, SessionUpdate, Signature, SignatureAfterRow, StoredCoValueRow, StoredSessionRow,
    SyncStateUpdate, TransactionRow, TxIndex,
};
use super::traits::{StorageBackend, StorageTransaction};
use crate::error::{Error, Result};
use crate::format::text::MAX_STR16;
use crate::format::tx;
use crate::format::wire::ContentMessage;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A store in memory. A clone is a snapshot: it shares nothing.
#[derive(Debug, Default)]
pub struct ModelStorage {
    state: Mutex<State>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct State {
    /// Row number `n` is at index `n - 1`.
    covalues: Vec<CoValue>,
    deletions: BTreeMap<CoValueId, DeletionStatus>,
    unsynced: BTreeSet<(CoValueId, PeerId)>,
    locks: BTreeMap<Vec<u8>, ReconciliationLockRow>,
}

#[derive(Debug, Clone, PartialEq)]
struct CoValue {
    id: CoValueId,
    header: Vec<u8>,
    sessions_created: u32,
    sessions: Vec<Session>,
}

#[derive(Debug, Clone, PartialEq)]
struct Session {
    row: StoredSessionRow,
    txs: BTreeMap<TxIndex, Vec<u8>>,
    signatures: BTreeMap<TxIndex, Signature>,
}

impl State {
    fn covalue(&self, row: CoValueRowId) -> Option<&CoValue> {
        let index = usize::try_from(row.0.checked_sub(1)?).ok()?;
        self.covalues.get(index)
    }

    fn covalue_mut(&mut self, row: CoValueRowId) -> Result<&mut CoValue> {
        let index = row.0.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        index
            .and_then(|index| self.covalues.get_mut(index))
            .ok_or_else(|| Error::InvalidCommit(format!("there is no CoValue with row number {}", row.0)))
    }

    fn find(&self, id: &CoValueId) -> Option<(CoValueRowId, &CoValue)> {
        (1..).map(CoValueRowId).zip(&self.covalues).find(|(_, covalue)| covalue.id == *id)
    }

    fn session(&self, row: SessionRowId) -> Option<&Session> {
        self.covalue(row.covalue)?.sessions.iter().find(|session| session.row.row_id == row)
    }

    fn session_mut(&mut self, row: SessionRowId) -> Result<&mut Session> {
        let sessions = &mut self.covalue_mut(row.covalue)?.sessions;
        sessions
            .iter_mut()
            .find(|session| session.row.row_id == row)
            .ok_or_else(|| Error::InvalidCommit(format!("there is no session with row number {row:?}")))
    }

    fn erase(&mut self, row: CoValueRowId) -> Result<()> {
        let covalue = self.covalue_mut(row)?;
        covalue.sessions.retain(|session| session.row.session_id.is_delete());
        let id = covalue.id.clone();
        self.deletions.insert(id, DeletionStatus::Done);
        Ok(())
    }
}

impl Clone for ModelStorage {
    fn clone(&self) -> Self {
        Self { state: Mutex::new(self.state().clone()) }
    }
}

impl PartialEq for ModelStorage {
    fn eq(&self, other: &Self) -> bool {
        // Cloned, so that comparing a model with itself does not wait for itself.
        let state = self.state().clone();
        state == *other.state()
    }
}

impl ModelStorage {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A panic in a transaction leaves the state as it was, as it works on a copy.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut state = self.state();
        let mut changed = state.clone();
        let result = change(&mut changed)?;
        *state = changed;
        Ok(result)
    }
}

fn check_id(id: &[u8], what: &'static str) -> Result<()> {
    match id.len() {
        0 => Err(Error::EmptyId(what)),
        len if len > MAX_STR16 => Err(Error::TooLarge { what, size: len as u64, limit: MAX_STR16 as u64 }),
        _ => Ok(()),
    }
}

impl StorageBackend for ModelStorage {
    fn get_covalue(&self, id: &CoValueId) -> Result<Option<StoredCoValueRow>> {
        Ok(self.state().find(id).map(|(row_id, covalue)| StoredCoValueRow {
            row_id,
            id: covalue.id.clone(),
            header: covalue.header.clone(),
        }))
    }

    fn upsert_covalue(&self, id: &CoValueId, header: Option<&[u8]>) -> Result<Option<CoValueRowId>> {
        check_id(id.as_bytes(), "CoValue id")?;
        self.change(|state| {
            if let Some((row_id, _)) = state.find(id) {
                return Ok(Some(row_id));
            }
            let Some(header) = header else { return Ok(None) };
            state.covalues.push(CoValue {
                id: id.clone(),
                header: header.to_vec(),
                sessions_created: 0,
                sessions: Vec::new(),
            });
            Ok(Some(CoValueRowId(state.covalues.len() as u64)))
        })
    }

    fn get_covalue_sessions(&self, covalue: CoValueRowId) -> Result<Vec<StoredSessionRow>> {
        let state = self.state();
        let sessions = state.covalue(covalue).map(|covalue| &covalue.sessions[..]).unwrap_or_default();
        Ok(sessions.iter().map(|session| session.row.clone()).collect())
    }

    fn get_new_transactions_in_session(
        &self,
        session: SessionRowId,
        from: TxIndex,
        to: TxIndex,
    ) -> Result<Vec<TransactionRow>> {
        let state = self.state();
        let Some(session) = state.session(session).filter(|_| from <= to) else {
            return Ok(Vec::new());
        };
        Ok(session.txs.range(from..=to).map(|(&idx, tx)| TransactionRow { idx, tx: tx.clone() }).collect())
    }

    fn get_signatures(&self, session: SessionRowId, from: TxIndex) -> Result<Vec<SignatureAfterRow>> {
        let state = self.state();
        let Some(session) = state.session(session) else {
            return Ok(Vec::new());
        };
        let signatures = session.signatures.range(from..);
        Ok(signatures
            .map(|(&idx, signature)| SignatureAfterRow { idx, signature: signature.clone() })
            .collect())
    }

    fn transaction<T>(&self, operations: impl FnOnce(&mut dyn StorageTransaction) -> Result<T>) -> Result<T> {
        self.change(|state| {
            let mut transaction = ModelTransaction { state, added: BTreeMap::new() };
            let result = operations(&mut transaction)?;
            transaction.commit()?;
            Ok(result)
        })
    }

    fn track_sync_state(&self, updates: &[SyncStateUpdate]) -> Result<()> {
        self.change(|state| {
            for update in updates {
                check_id(update.id.as_bytes(), "CoValue id")?;
                check_id(update.peer.as_bytes(), "peer id")?;
                let pair = (update.id.clone(), update.peer.clone());
                if update.synced {
                    state.unsynced.remove(&pair);
                } else {
                    state.unsynced.insert(pair);
                }
            }
            Ok(())
        })
    }

    fn unsynced_ids(&self) -> Result<Vec<CoValueId>> {
        let mut ids: Vec<CoValueId> = self.state().unsynced.iter().map(|(id, _)| id.clone()).collect();
        ids.dedup();
        Ok(ids)
    }

    fn stop_tracking_sync_state(&self, id: &CoValueId) -> Result<()> {
        self.state().unsynced.retain(|(tracked, _)| tracked != id);
        Ok(())
    }

    fn pending_deletions(&self) -> Result<Vec<CoValueId>> {
        let state = self.state();
        let pending = state.deletions.iter().filter(|(_, status)| **status == DeletionStatus::Pending);
        Ok(pending.map(|(id, _)| id.clone()).collect())
    }

    fn erase_covalue_but_keep_tombstone(&self, id: &CoValueId) -> Result<bool> {
        self.change(|state| match state.find(id).map(|(row, _)| row) {
            Some(row) => state.erase(row).map(|()| true),
            None => {
                state.deletions.remove(id);
                Ok(false)
            }
        })
    }

    fn get_known_state(&self, id: &CoValueId) -> Result<Option<KnownState>> {
        Ok(self.state().find(id).map(|(_, covalue)| KnownState {
            sessions: covalue
                .sessions
                .iter()
                .map(|session| (session.row.session_id.clone(), session.row.last_idx))
                .collect(),
        }))
    }

    fn covalue_ids(&self, limit: u32, offset: u64) -> Result<Vec<CoValueId>> {
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let state = self.state();
        Ok(state.covalues.iter().skip(skipped).take(limit).map(|covalue| covalue.id.clone()).collect())
    }

    fn covalue_count(&self) -> Result<u64> {
        Ok(self.state().covalues.len() as u64)
    }
}

impl ContentStore for ModelStorage {
    fn store(&self, message: &ContentMessage<'_>) -> Result<StoreOutcome> {
        content::store_by_rows(self, message)
    }

    fn load(&self, id: &[u8], budget: u64) -> Result<Option<LoadedCoValue>> {
        content::load_by_rows(self, id, budget)
    }

    fn load_piece(&self, id: &[u8], session: &[u8], after: TxIndex, count: TxIndex) -> Result<Option<Piece>> {
        content::load_piece_by_rows(self, id, session, after, count)
    }
}

/// What a transaction did to a session's content.
#[derive(Debug, Default)]
struct Added {
    /// The counter before.
    before: TxIndex,
    txs: BTreeSet<TxIndex>,
    signatures: BTreeSet<TxIndex>,
}

struct ModelTransaction<'a> {
    state: &'a mut State,
    added: BTreeMap<SessionRowId, Added>,
}

impl ModelTransaction<'_> {
    fn added(&mut self, session: SessionRowId) -> Result<&mut Added> {
        self.added.get_mut(&session).ok_or_else(|| {
            Error::InvalidCommit(format!("{session:?} was not updated before in this transaction"))
        })
    }

    /// Checks the contract of the trait.
    fn commit(self) -> Result<()> {
        let refuse = |session: &Session, detail: &str| {
            Err(Error::InvalidCommit(format!("{:?}: {detail}", session.row.session_id)))
        };
        for (row, added) in self.added {
            let Some(session) = self.state.session(row) else { continue };
            let after = session.row.last_idx;
            if after == 0 {
                return refuse(session, "a session has at least one transaction");
            }
            if after <= added.before {
                return refuse(session, "its counter does not grow");
            }
            if !added.txs.iter().copied().eq(added.before..after) {
                return refuse(session, "its new transactions are not those up to its new counter");
            }
            if !added.signatures.is_subset(&added.txs) {
                return refuse(session, "a chunk signature is not at a new transaction");
            }
            let at_end = session.signatures.get(&(after - 1));
            if at_end.is_some_and(|signature| *signature != session.row.last_signature) {
                return refuse(session, "its last signature is not the chunk signature at the same place");
            }
        }
        Ok(())
    }
}

impl StorageTransaction for ModelTransaction<'_> {
    fn get_single_session(
        &mut self,
        covalue: CoValueRowId,
        session: &SessionId,
    ) -> Result<Option<StoredSessionRow>> {
        let sessions = self.state.covalue(covalue).map(|covalue| &covalue.sessions[..]).unwrap_or_default();
        Ok(sessions.iter().map(|stored| &stored.row).find(|row| row.session_id == *session).cloned())
    }

    fn mark_covalue_deleted(&mut self, id: &CoValueId) -> Result<()> {
        check_id(id.as_bytes(), "CoValue id")?;
        self.state.deletions.entry(id.clone()).or_insert(DeletionStatus::Pending);
        Ok(())
    }

    fn add_session_update(&mut self, update: &SessionUpdate) -> Result<SessionRowId> {
        check_id(update.session_id.as_bytes(), "session id")?;
        let covalue = self.state.covalue_mut(update.covalue)?;
        let present = covalue.sessions.iter().position(|session| session.row.session_id == update.session_id);
        let row_id = match present.and_then(|index| covalue.sessions.get(index)) {
            Some(session) => session.row.row_id,
            None => {
                let row_id = SessionRowId { covalue: update.covalue, slot: covalue.sessions_created };
                covalue.sessions_created += 1;
                covalue.sessions.push(Session {
                    row: StoredSessionRow {
                        row_id,
                        session_id: update.session_id.clone(),
                        last_idx: 0,
                        last_signature: update.last_signature.clone(),
                        bytes_since_last_signature: 0,
                    },
                    txs: BTreeMap::new(),
                    signatures: BTreeMap::new(),
                });
                row_id
            }
        };
        let row = &mut self.state.session_mut(row_id)?.row;
        let before = row.last_idx;
        self.added.entry(row_id).or_insert_with(|| Added { before, ..Added::default() });
        row.last_idx = update.last_idx;
        row.last_signature = update.last_signature.clone();
        row.bytes_since_last_signature = update.bytes_since_last_signature;
        Ok(row_id)
    }

    fn add_transaction(&mut self, session: SessionRowId, idx: TxIndex, tx: &[u8]) -> Result<()> {
        tx::walk(tx, 1)?;
        if !self.added(session)?.txs.insert(idx) {
            return Err(Error::InvalidCommit(format!("transaction {idx} is added twice")));
        }
        self.state.session_mut(session)?.txs.insert(idx, tx.to_vec());
        Ok(())
    }

    fn add_signature_after(
        &mut self,
        session: SessionRowId,
        idx: TxIndex,
        signature: &Signature,
    ) -> Result<()> {
        self.added(session)?.signatures.insert(idx);
        self.state.session_mut(session)?.signatures.insert(idx, signature.clone());
        Ok(())
    }

    fn delete_covalue_content(&mut self, covalue: CoValueRowId) -> Result<()> {
        self.state.erase(covalue)
    }

    fn get_lock(&mut self, key: &[u8]) -> Result<Option<ReconciliationLockRow>> {
        Ok(self.state.locks.get(key).cloned())
    }

    fn put_lock(&mut self, key: &[u8], row: &ReconciliationLockRow) -> Result<()> {
        self.state.locks.insert(key.to_vec(), row.clone());
        Ok(())
    }
}
