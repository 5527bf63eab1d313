//! A store behind an object, so that one API serves stores on every kind of file system.

use super::backup::{self, BackupPlace, BackupResult};
use super::task::Task;
use crate::engine::delta::Delta;
use crate::engine::{Durability, EngineStats};
use crate::error::Result;
use crate::file::FileIO;
use crate::format::wire::{self, ContentMessage};
use crate::store::bftree::BfTreeStorage;
use crate::store::content::{ContentStore, Piece, StoreOutcome, StoreStatus};
use crate::store::rows::{CoValueId, KnownState, LockOutcome, LockTiming, SessionId, SyncStateUpdate};
use crate::store::traits::StorageBackend;

/// The operations of a store, without generics.
pub(super) trait Backing: Send + Sync {
    fn store(&self, message: &ContentMessage<'_>) -> Result<StoreOutcome>;
    fn store_batch(&self, messages: &[ContentMessage<'_>]) -> Result<Vec<u8>>;
    fn load_encoded(&self, id: &[u8], budget: u64) -> Result<Option<Vec<u8>>>;
    fn load_piece(&self, id: &[u8], session: &[u8], after: u32, count: u32) -> Result<Option<Piece>>;
    fn known_state(&self, id: &CoValueId) -> Result<Option<KnownState>>;
    fn pending_deletions(&self) -> Result<Vec<CoValueId>>;
    fn erase(&self, id: &CoValueId) -> Result<bool>;
    fn covalue_ids(&self, limit: u32, offset: u64) -> Result<Vec<CoValueId>>;
    fn covalue_count(&self) -> Result<u64>;
    fn track_sync_state(&self, updates: &[SyncStateUpdate]) -> Result<()>;
    fn unsynced_ids(&self) -> Result<Vec<CoValueId>>;
    fn stop_tracking(&self, id: &CoValueId) -> Result<()>;
    fn try_acquire_lock(&self, key: &[u8], session: &SessionId, timing: LockTiming) -> Result<LockOutcome>;
    fn renew_lock(&self, key: &[u8], session: &SessionId, offset: f64) -> Result<()>;
    fn release_lock(&self, key: &[u8], session: &SessionId, now: f64) -> Result<()>;
    fn flush(&self) -> Result<()>;
    fn compact(&self) -> Result<()>;
    fn backup(&self, target: &BackupPlace, task: &Task) -> Result<BackupResult>;
    fn stats(&self) -> Result<EngineStats>;
    fn close(&self) -> Result<()>;
    fn is_in_place(&self) -> bool;
    fn durability(&self) -> Durability;
    fn make_strict(&self);
}

impl<F: FileIO, D: Delta> Backing for BfTreeStorage<F, D> {
    fn store(&self, message: &ContentMessage<'_>) -> Result<StoreOutcome> {
        ContentStore::store(self, message)
    }
    fn store_batch(&self, messages: &[ContentMessage<'_>]) -> Result<Vec<u8>> {
        let mut answers = Vec::with_capacity(messages.len());
        self.store_all(messages, |message, outcome| {
            answers.push(outcome.encode(message)?);
            Ok(outcome.status == StoreStatus::Stored)
        })?;
        wire::encode_answers(&answers)
    }
    fn load_encoded(&self, id: &[u8], budget: u64) -> Result<Option<Vec<u8>>> {
        Self::load_encoded(self, id, budget)
    }
    fn load_piece(&self, id: &[u8], session: &[u8], after: u32, count: u32) -> Result<Option<Piece>> {
        ContentStore::load_piece(self, id, session, after, count)
    }
    fn known_state(&self, id: &CoValueId) -> Result<Option<KnownState>> {
        self.get_known_state(id)
    }
    fn pending_deletions(&self) -> Result<Vec<CoValueId>> {
        StorageBackend::pending_deletions(self)
    }
    fn erase(&self, id: &CoValueId) -> Result<bool> {
        self.erase_covalue_but_keep_tombstone(id)
    }
    fn covalue_ids(&self, limit: u32, offset: u64) -> Result<Vec<CoValueId>> {
        StorageBackend::covalue_ids(self, limit, offset)
    }
    fn covalue_count(&self) -> Result<u64> {
        StorageBackend::covalue_count(self)
    }
    fn track_sync_state(&self, updates: &[SyncStateUpdate]) -> Result<()> {
        StorageBackend::track_sync_state(self, updates)
    }
    fn unsynced_ids(&self) -> Result<Vec<CoValueId>> {
        StorageBackend::unsynced_ids(self)
    }
    fn stop_tracking(&self, id: &CoValueId) -> Result<()> {
        self.stop_tracking_sync_state(id)
    }
    fn try_acquire_lock(&self, key: &[u8], session: &SessionId, timing: LockTiming) -> Result<LockOutcome> {
        StorageBackend::try_acquire_lock(self, key, session, timing)
    }
    fn renew_lock(&self, key: &[u8], session: &SessionId, offset: f64) -> Result<()> {
        StorageBackend::renew_lock(self, key, session, offset)
    }
    fn release_lock(&self, key: &[u8], session: &SessionId, now: f64) -> Result<()> {
        StorageBackend::release_lock(self, key, session, now)
    }
    fn flush(&self) -> Result<()> {
        Self::flush(self)
    }
    fn compact(&self) -> Result<()> {
        Self::compact(self)
    }
    fn backup(&self, target: &BackupPlace, task: &Task) -> Result<BackupResult> {
        backup::backup(self, target, task)
    }
    fn stats(&self) -> Result<EngineStats> {
        Self::stats(self)
    }
    fn close(&self) -> Result<()> {
        Self::close(self)
    }
    fn is_in_place(&self) -> bool {
        Self::is_in_place(self)
    }
    fn durability(&self) -> Durability {
        Self::durability(self)
    }
    fn make_strict(&self) {
        Self::make_strict(self);
    }
}
