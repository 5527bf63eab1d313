//! A store behind an object, so that one API serves stores on every kind of file system.

use super::backup::{self, BackupLocation, BackupResult};
use super::health::{VerifyReport, watched};
use super::options::OpenOptions;
use super::task::StorageTask;
use crate::engine::delta::{BfTreeDelta, Delta};
use crate::engine::observer::Observer;
use crate::engine::{Durability, EngineStats};
use crate::error::Result;
use crate::file::FileIO;
use crate::format::wire::ContentMessage;
use crate::store::bftree::BfTreeStorage;
use crate::store::content::{ContentStore, StoreOutcome};
use crate::store::rows::{CoValueId, KnownState, LockOutcome, LockTiming, SessionId, SyncStateUpdate};
use crate::store::traits::StorageBackend;
use std::pin::Pin;
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};

/// The operations of a store, without generics.
pub(super) trait Backing: Send + Sync {
    fn store(&self, message: &ContentMessage<'_>) -> Result<StoreOutcome>;
    fn store_batch(&self, messages: &[ContentMessage<'_>]) -> Result<Vec<StoreOutcome>>;
    fn load_encoded(&self, id: &[u8], budget: u64) -> Result<Option<Vec<u8>>>;
    fn load_piece_encoded(
        &self,
        id: &[u8],
        session: &[u8],
        after: u32,
        count: u32,
    ) -> Result<Option<Vec<u8>>>;
    fn known_state(&self, id: &CoValueId) -> Result<Option<KnownState>>;
    fn known_state_encoded(&self, id: &[u8]) -> Result<Option<Vec<u8>>>;
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
    fn maintain(&self, work: u64) -> Result<bool>;
    fn compact(&self) -> Sliced<'_, ()>;
    fn verify<'a>(&'a self, task: &'a StorageTask) -> Sliced<'a, VerifyReport>;
    fn backup<'a>(&'a self, target: &'a BackupLocation, task: &'a StorageTask) -> Sliced<'a, BackupResult>;
    fn stats(&self) -> Result<EngineStats>;
    fn close(&self) -> Result<()>;
    fn is_in_place(&self) -> bool;
    fn observe(&self, observer: Weak<dyn Observer>);
    fn durability(&self) -> Durability;
    fn make_strict(&self);
    /// What waits until all that was done so far is as durable as a completed operation must be. None: it is.
    fn ticket(&self) -> Option<Ticket>;
}

/// An operation with pauses (see [`crate::engine::slices`]).
pub(super) type Sliced<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// See [`Backing::ticket`].
pub(super) type Ticket = Box<dyn FnOnce() -> Result<()> + Send>;

/// A store as its handles share it. Its operations return when they survive the end of the process; handles see to the rest
/// with [`Backing::ticket`].
pub(super) struct Shared<F: FileIO, D: Delta = BfTreeDelta> {
    store: BfTreeStorage<F, D>,
    /// Set when one of those who share the store asked for [`Durability::Strict`].
    strict: AtomicBool,
}

impl<F: FileIO> Shared<F> {
    /// Opens the store.
    pub(super) fn open(io: F, options: &OpenOptions) -> Result<Self> {
        let strict = AtomicBool::new(options.level() == super::Durability::Strict);
        Ok(Self { store: BfTreeStorage::open(io, options.store_options())?, strict })
    }
}

impl<F: FileIO, D: Delta> Backing for Shared<F, D> {
    fn store(&self, message: &ContentMessage<'_>) -> Result<StoreOutcome> {
        ContentStore::store(&self.store, message)
    }
    fn store_batch(&self, messages: &[ContentMessage<'_>]) -> Result<Vec<StoreOutcome>> {
        self.store.store_all(messages)
    }
    fn load_encoded(&self, id: &[u8], budget: u64) -> Result<Option<Vec<u8>>> {
        self.store.load_encoded(id, budget)
    }
    fn load_piece_encoded(
        &self,
        id: &[u8],
        session: &[u8],
        after: u32,
        count: u32,
    ) -> Result<Option<Vec<u8>>> {
        self.store.load_piece_encoded(id, session, after, count)
    }
    fn known_state(&self, id: &CoValueId) -> Result<Option<KnownState>> {
        self.store.get_known_state(id)
    }
    fn known_state_encoded(&self, id: &[u8]) -> Result<Option<Vec<u8>>> {
        self.store.known_state_encoded(id)
    }
    fn pending_deletions(&self) -> Result<Vec<CoValueId>> {
        self.store.pending_deletions()
    }
    fn erase(&self, id: &CoValueId) -> Result<bool> {
        self.store.erase_covalue_but_keep_tombstone(id)
    }
    fn covalue_ids(&self, limit: u32, offset: u64) -> Result<Vec<CoValueId>> {
        self.store.covalue_ids(limit, offset)
    }
    fn covalue_count(&self) -> Result<u64> {
        self.store.covalue_count()
    }
    fn track_sync_state(&self, updates: &[SyncStateUpdate]) -> Result<()> {
        self.store.track_sync_state(updates)
    }
    fn unsynced_ids(&self) -> Result<Vec<CoValueId>> {
        self.store.unsynced_ids()
    }
    fn stop_tracking(&self, id: &CoValueId) -> Result<()> {
        self.store.stop_tracking_sync_state(id)
    }
    fn try_acquire_lock(&self, key: &[u8], session: &SessionId, timing: LockTiming) -> Result<LockOutcome> {
        self.store.try_acquire_lock(key, session, timing)
    }
    fn renew_lock(&self, key: &[u8], session: &SessionId, offset: f64) -> Result<()> {
        self.store.renew_lock(key, session, offset)
    }
    fn release_lock(&self, key: &[u8], session: &SessionId, now: f64) -> Result<()> {
        self.store.release_lock(key, session, now)
    }
    fn flush(&self) -> Result<()> {
        self.store.flush()
    }
    fn maintain(&self, work: u64) -> Result<bool> {
        self.store.maintain(work)
    }
    fn compact(&self) -> Sliced<'_, ()> {
        Box::pin(self.store.compact_in_slices())
    }
    fn verify<'a>(&'a self, task: &'a StorageTask) -> Sliced<'a, VerifyReport> {
        Box::pin(async { self.store.verify_in_slices(&mut watched(task)).await.map(VerifyReport::from) })
    }
    fn backup<'a>(&'a self, target: &'a BackupLocation, task: &'a StorageTask) -> Sliced<'a, BackupResult> {
        Box::pin(backup::backup(&self.store, target, task))
    }
    fn stats(&self) -> Result<EngineStats> {
        self.store.stats()
    }
    fn close(&self) -> Result<()> {
        self.store.close()
    }
    fn is_in_place(&self) -> bool {
        self.store.is_in_place()
    }
    fn observe(&self, observer: Weak<dyn Observer>) {
        self.store.observe(observer);
    }
    fn durability(&self) -> Durability {
        if self.strict.load(Ordering::Relaxed) { Durability::Strict } else { self.store.durability() }
    }
    fn make_strict(&self) {
        self.strict.store(true, Ordering::Relaxed);
        self.store.expect_syncs();
    }
    fn ticket(&self) -> Option<Ticket> {
        self.strict.load(Ordering::Relaxed).then(|| Box::new(self.store.ticket()) as Ticket)
    }
}
