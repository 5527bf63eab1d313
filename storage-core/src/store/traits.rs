//! The row-level interface of a store: every operation of cojson's `DBClientInterfaceSync`/`Async` and
//! `DBTransactionInterfaceSync`/`Async`.
//!
//! Contract of a transaction, checked at commit ([`crate::Error::InvalidCommit`], nothing changes):
//! - a session's counter only grows, and the transactions added to it are exactly those from its old counter up to,
//!   but not including, its new one;
//! - a chunk signature is added only at the index of a transaction added in the same transaction;
//! - a session has at least one transaction, and is updated before anything is added to it;
//! - a chunk signature at a session's new end is its last signature.
//!
//! Hence a transaction past a session's counter cannot be stored (rule W-9), and none is ever served (rule L-14).

use super::rows::{
    CoValueId, CoValueRowId, KnownState, LockOutcome, LockTiming, ReconciliationLockRow, SessionId,
    SessionRowId, SessionUpdate, Signature, SignatureAfterRow, StoredCoValueRow, StoredSessionRow,
    SyncStateUpdate, TransactionRow, TxIndex,
};
use crate::error::Result;
use std::future::Future;

/// The operations inside one atomic transaction. They see the transaction's own changes.
pub trait StorageTransaction {
    /// The session's row, if it is stored.
    fn get_single_session(
        &mut self,
        covalue: CoValueRowId,
        session: &SessionId,
    ) -> Result<Option<StoredSessionRow>>;
    /// Queues the CoValue for erasure. Queueing twice is harmless; an erased one stays erased (rule D-3).
    fn mark_covalue_deleted(&mut self, id: &CoValueId) -> Result<()>;
    /// Creates or updates a session's row.
    fn add_session_update(&mut self, update: &SessionUpdate) -> Result<SessionRowId>;
    /// Adds a transaction, given in the form of design.md section 2.2 and complete in itself.
    fn add_transaction(&mut self, session: SessionRowId, idx: TxIndex, tx: &[u8]) -> Result<()>;
    /// Records the signature valid after the transaction at `idx`.
    fn add_signature_after(
        &mut self,
        session: SessionRowId,
        idx: TxIndex,
        signature: &Signature,
    ) -> Result<()>;
    /// Erases all sessions of the CoValue but its delete sessions, and marks the deletion as done.
    fn delete_covalue_content(&mut self, covalue: CoValueRowId) -> Result<()>;
    /// The record of a reconciliation lock.
    fn get_lock(&mut self, key: &[u8]) -> Result<Option<ReconciliationLockRow>>;
    /// Sets the record of a reconciliation lock.
    fn put_lock(&mut self, key: &[u8], row: &ReconciliationLockRow) -> Result<()>;
}

/// A store, one row operation at a time.
pub trait StorageBackend: Send + Sync {
    /// The CoValue's row, if it is stored.
    fn get_covalue(&self, id: &CoValueId) -> Result<Option<StoredCoValueRow>>;
    /// The CoValue's row number, creating it if it is absent and a header (JSON text) is given. The header of a stored
    /// CoValue is never replaced. Nothing if it is absent and no header is given.
    fn upsert_covalue(&self, id: &CoValueId, header: Option<&[u8]>) -> Result<Option<CoValueRowId>>;
    /// The sessions of a CoValue in the order in which they were first stored.
    fn get_covalue_sessions(&self, covalue: CoValueRowId) -> Result<Vec<StoredSessionRow>>;
    /// The transactions of a session from `from` to `to`, both included, never past its counter.
    fn get_new_transactions_in_session(
        &self,
        session: SessionRowId,
        from: TxIndex,
        to: TxIndex,
    ) -> Result<Vec<TransactionRow>>;
    /// The chunk signatures of a session from index `from` on.
    fn get_signatures(&self, session: SessionRowId, from: TxIndex) -> Result<Vec<SignatureAfterRow>>;
    /// Runs `operations` as one atomic transaction: all of them are stored, or, if the closure or the commit fails, none.
    fn transaction<T>(&self, operations: impl FnOnce(&mut dyn StorageTransaction) -> Result<T>) -> Result<T>;
    /// Changes the set of (CoValue, peer) pairs that are not synced, all updates atomically.
    fn track_sync_state(&self, updates: &[SyncStateUpdate]) -> Result<()>;
    /// The CoValues with at least one peer they are not synced to, each once, sorted by id.
    fn unsynced_ids(&self) -> Result<Vec<CoValueId>>;
    /// Removes all pairs of a CoValue.
    fn stop_tracking_sync_state(&self, id: &CoValueId) -> Result<()>;
    /// The CoValues queued for erasure, sorted by id.
    fn pending_deletions(&self) -> Result<Vec<CoValueId>>;
    /// Erases all sessions of a CoValue but its delete sessions and marks its deletion done, atomically. False if the
    /// CoValue is not stored; it then leaves the queue.
    fn erase_covalue_but_keep_tombstone(&self, id: &CoValueId) -> Result<bool>;
    /// What is stored of a CoValue, without reading transactions.
    fn get_known_state(&self, id: &CoValueId) -> Result<Option<KnownState>>;
    /// Stored ids in the order in which they were first stored: at most `limit`, after skipping `offset`.
    fn covalue_ids(&self, limit: u32, offset: u64) -> Result<Vec<CoValueId>>;
    /// How many CoValues are stored, erased ones included.
    fn covalue_count(&self) -> Result<u64>;
    /// Takes the reconciliation lock of `key` for `session`, or says why not, in one atomic step.
    fn try_acquire_lock(&self, key: &[u8], session: &SessionId, timing: LockTiming) -> Result<LockOutcome> {
        self.transaction(|tx| {
            let present = tx.get_lock(key)?;
            let (outcome, row) = ReconciliationLockRow::try_acquire(present.as_ref(), session, timing);
            if let Some(row) = row {
                tx.put_lock(key, &row)?;
            }
            Ok(outcome)
        })
    }
    /// Records how far the holder's run has come.
    fn renew_lock(&self, key: &[u8], session: &SessionId, offset: f64) -> Result<()> {
        self.transaction(|tx| match tx.get_lock(key)?.and_then(|row| row.renewed(session, offset)) {
            Some(row) => tx.put_lock(key, &row),
            None => Ok(()),
        })
    }
    /// Records that the holder's run is complete.
    fn release_lock(&self, key: &[u8], session: &SessionId, now: f64) -> Result<()> {
        self.transaction(|tx| match tx.get_lock(key)?.and_then(|row| row.released(session, now)) {
            Some(row) => tx.put_lock(key, &row),
            None => Ok(()),
        })
    }
}

/// [`StorageBackend`] whose operations run off the caller's thread. Operations of one handle that change the store take
/// effect in the order of the calls.
pub trait StorageBackendAsync: Send + Sync {
    /// See [`StorageBackend::get_covalue`].
    fn get_covalue(&self, id: CoValueId) -> impl Future<Output = Result<Option<StoredCoValueRow>>> + Send;
    /// See [`StorageBackend::upsert_covalue`].
    fn upsert_covalue(
        &self,
        id: CoValueId,
        header: Option<Vec<u8>>,
    ) -> impl Future<Output = Result<Option<CoValueRowId>>> + Send;
    /// See [`StorageBackend::get_covalue_sessions`].
    fn get_covalue_sessions(
        &self,
        covalue: CoValueRowId,
    ) -> impl Future<Output = Result<Vec<StoredSessionRow>>> + Send;
    /// See [`StorageBackend::get_new_transactions_in_session`].
    fn get_new_transactions_in_session(
        &self,
        session: SessionRowId,
        from: TxIndex,
        to: TxIndex,
    ) -> impl Future<Output = Result<Vec<TransactionRow>>> + Send;
    /// See [`StorageBackend::get_signatures`].
    fn get_signatures(
        &self,
        session: SessionRowId,
        from: TxIndex,
    ) -> impl Future<Output = Result<Vec<SignatureAfterRow>>> + Send;
    /// See [`StorageBackend::transaction`].
    fn transaction<T: Send + 'static>(
        &self,
        operations: impl FnOnce(&mut dyn StorageTransaction) -> Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T>> + Send;
    /// See [`StorageBackend::track_sync_state`].
    fn track_sync_state(&self, updates: Vec<SyncStateUpdate>) -> impl Future<Output = Result<()>> + Send;
    /// See [`StorageBackend::unsynced_ids`].
    fn unsynced_ids(&self) -> impl Future<Output = Result<Vec<CoValueId>>> + Send;
    /// See [`StorageBackend::stop_tracking_sync_state`].
    fn stop_tracking_sync_state(&self, id: CoValueId) -> impl Future<Output = Result<()>> + Send;
    /// See [`StorageBackend::pending_deletions`].
    fn pending_deletions(&self) -> impl Future<Output = Result<Vec<CoValueId>>> + Send;
    /// See [`StorageBackend::erase_covalue_but_keep_tombstone`].
    fn erase_covalue_but_keep_tombstone(&self, id: CoValueId) -> impl Future<Output = Result<bool>> + Send;
    /// See [`StorageBackend::get_known_state`].
    fn get_known_state(&self, id: CoValueId) -> impl Future<Output = Result<Option<KnownState>>> + Send;
    /// See [`StorageBackend::covalue_ids`].
    fn covalue_ids(&self, limit: u32, offset: u64) -> impl Future<Output = Result<Vec<CoValueId>>> + Send;
    /// See [`StorageBackend::covalue_count`].
    fn covalue_count(&self) -> impl Future<Output = Result<u64>> + Send;
    /// See [`StorageBackend::try_acquire_lock`].
    fn try_acquire_lock(
        &self,
        key: Vec<u8>,
        session: SessionId,
        timing: LockTiming,
    ) -> impl Future<Output = Result<LockOutcome>> + Send;
    /// See [`StorageBackend::renew_lock`].
    fn renew_lock(
        &self,
        key: Vec<u8>,
        session: SessionId,
        offset: f64,
    ) -> impl Future<Output = Result<()>> + Send;
    /// See [`StorageBackend::release_lock`].
    fn release_lock(
        &self,
        key: Vec<u8>,
        session: SessionId,
        now: f64,
    ) -> impl Future<Output = Result<()>> + Send;
}
