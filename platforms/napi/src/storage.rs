//! Class `NativeStorage`: every operation twice, inline and queued, but for those that take long, which are queued only.
//!
//! The section numbers are those of `docs/design.md`. Twins that read one CoValue take the engine's read lane; all
//! others take its write lane, which keeps the order of the calls. What takes long has a lane of its own.

use jazz_storage_core::api::{self, Lane};
use napi::bindgen_prelude::{AsyncTask, Env, Object};
use napi_derive::napi;

use crate::bytes::Bytes;
use crate::error::{Thrown, inline, thrown};
use crate::health::VerifyReport;
use crate::open::OpenTask;
use crate::promise::promise;
use crate::records::{LockResult, OpenOptions, StorageStats};
use crate::upkeep::{BackupLocation, BackupResult, Task};

/// A handle on a store.
#[napi]
pub struct NativeStorage {
    storage: api::NativeStorage,
}

impl From<api::NativeStorage> for NativeStorage {
    fn from(storage: api::NativeStorage) -> Self {
        Self { storage }
    }
}

#[napi]
impl NativeStorage {
    /// Opens a store, creating it where there is none. Handles on one path share one engine.
    #[napi(factory)]
    pub fn open(options: OpenOptions) -> Result<Self, Thrown> {
        inline(|| api::NativeStorage::open(options.try_into()?)).map(Self::from)
    }

    /// As `open`, off the event loop.
    #[napi(ts_return_type = "Promise<NativeStorage>")]
    pub fn open_async(options: OpenOptions) -> Result<AsyncTask<OpenTask>, Thrown> {
        options.try_into().map(|options| AsyncTask::new(OpenTask::new(options))).map_err(thrown)
    }

    /// Stores a content message (3.1). `null` when all of it was stored, else the outcome (3.2).
    #[napi(ts_return_type = "Uint8Array | null")]
    pub fn store(&self, message: &[u8]) -> Result<Option<Bytes>, Thrown> {
        inline(|| self.storage.store(message)).map(|bytes| bytes.map(Bytes::from))
    }

    /// As `store`, off the event loop.
    #[napi(ts_return_type = "Promise<Uint8Array | null>")]
    pub fn store_async<'env>(&self, env: &'env Env, message: &[u8]) -> napi::Result<Object<'env>> {
        let message = message.to_vec();
        promise(
            env,
            &self.storage,
            Lane::Write,
            move |storage| storage.store(&message),
            |bytes| bytes.map(Bytes::from),
        )
    }

    /// Stores the messages of a batch in order, up to the first that needs a correction (3.3).
    #[napi(ts_return_type = "Uint8Array")]
    pub fn store_batch(&self, batch: &[u8]) -> Result<Bytes, Thrown> {
        inline(|| self.storage.store_batch(batch)).map(Bytes::from)
    }

    /// As `storeBatch`, off the event loop.
    #[napi(ts_return_type = "Promise<Uint8Array>")]
    pub fn store_batch_async<'env>(&self, env: &'env Env, batch: &[u8]) -> napi::Result<Object<'env>> {
        let batch = batch.to_vec();
        promise(env, &self.storage, Lane::Write, move |storage| storage.store_batch(&batch), Bytes::from)
    }

    /// A CoValue as one snapshot (3.4), `null` if unknown. Content beyond the budget (bytes) is left to `loadPiece`.
    #[napi(ts_return_type = "Uint8Array | null")]
    pub fn load(&self, id: &[u8], byte_budget: f64) -> Result<Option<Bytes>, Thrown> {
        inline(|| self.storage.load(id, byte_budget)).map(|bytes| bytes.map(Bytes::from))
    }

    /// As `load`, off the event loop.
    #[napi(ts_return_type = "Promise<Uint8Array | null>")]
    pub fn load_async<'env>(
        &self,
        env: &'env Env,
        id: &[u8],
        byte_budget: f64,
    ) -> napi::Result<Object<'env>> {
        let id = id.to_vec();
        promise(
            env,
            &self.storage,
            Lane::Read,
            move |storage| storage.load(&id, byte_budget),
            |bytes| bytes.map(Bytes::from),
        )
    }

    /// Several CoValues (ids as a list, 3.5): `u32` count, then per id `u32` length (0: unknown) and the CoValue (3.4).
    #[napi(ts_return_type = "Uint8Array")]
    pub fn load_many(&self, ids: &[u8], byte_budget: f64) -> Result<Bytes, Thrown> {
        inline(|| self.storage.load_many(ids, byte_budget)).map(Bytes::from)
    }

    /// As `loadMany`, off the event loop.
    #[napi(ts_return_type = "Promise<Uint8Array>")]
    pub fn load_many_async<'env>(
        &self,
        env: &'env Env,
        ids: &[u8],
        byte_budget: f64,
    ) -> napi::Result<Object<'env>> {
        let ids = ids.to_vec();
        promise(
            env,
            &self.storage,
            Lane::Read,
            move |storage| storage.load_many(&ids, byte_budget),
            Bytes::from,
        )
    }

    /// A piece that `load` left out (3.4); `null` if it is not stored any more.
    #[napi(ts_return_type = "Uint8Array | null")]
    pub fn load_piece(
        &self,
        id: &[u8],
        session: &[u8],
        after: u32,
        count: u32,
    ) -> Result<Option<Bytes>, Thrown> {
        inline(|| self.storage.load_piece(id, session, after, count)).map(|bytes| bytes.map(Bytes::from))
    }

    /// As `loadPiece`, off the event loop.
    #[napi(ts_return_type = "Promise<Uint8Array | null>")]
    pub fn load_piece_async<'env>(
        &self,
        env: &'env Env,
        id: &[u8],
        session: &[u8],
        after: u32,
        count: u32,
    ) -> napi::Result<Object<'env>> {
        let id = id.to_vec();
        let session = session.to_vec();
        promise(
            env,
            &self.storage,
            Lane::Read,
            move |storage| storage.load_piece(&id, &session, after, count),
            |bytes| bytes.map(Bytes::from),
        )
    }

    /// The stored counters of a CoValue (3.5), `null` if unknown.
    #[napi(ts_return_type = "Uint8Array | null")]
    pub fn known_state(&self, id: &[u8]) -> Result<Option<Bytes>, Thrown> {
        inline(|| self.storage.known_state(id)).map(|bytes| bytes.map(Bytes::from))
    }

    /// As `knownState`, off the event loop.
    #[napi(ts_return_type = "Promise<Uint8Array | null>")]
    pub fn known_state_async<'env>(&self, env: &'env Env, id: &[u8]) -> napi::Result<Object<'env>> {
        let id = id.to_vec();
        promise(
            env,
            &self.storage,
            Lane::Read,
            move |storage| storage.known_state(&id),
            |bytes| bytes.map(Bytes::from),
        )
    }

    /// The ids queued for erasure (3.5).
    #[napi(ts_return_type = "Uint8Array")]
    pub fn pending_deletions(&self) -> Result<Bytes, Thrown> {
        inline(|| self.storage.pending_deletions()).map(Bytes::from)
    }

    /// As `pendingDeletions`, off the event loop.
    #[napi(ts_return_type = "Promise<Uint8Array>")]
    pub fn pending_deletions_async<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        promise(env, &self.storage, Lane::Write, |storage| storage.pending_deletions(), Bytes::from)
    }

    /// Erases the content of a CoValue but for its tombstone. `false` for an unknown id.
    #[napi]
    pub fn erase(&self, id: &[u8]) -> Result<bool, Thrown> {
        inline(|| self.storage.erase(id))
    }

    /// As `erase`, off the event loop.
    #[napi(ts_return_type = "Promise<boolean>")]
    pub fn erase_async<'env>(&self, env: &'env Env, id: &[u8]) -> napi::Result<Object<'env>> {
        let id = id.to_vec();
        promise(env, &self.storage, Lane::Write, move |storage| storage.erase(&id), |known| known)
    }

    /// A page of the stored ids (3.5), in the order in which they were first stored.
    ///
    /// A limit beyond 32 bits means that limit: the conversion saturates.
    #[napi(js_name = "coValueIds", ts_return_type = "Uint8Array")]
    pub fn covalue_ids(&self, limit: f64, offset: f64) -> Result<Bytes, Thrown> {
        inline(|| self.storage.covalue_ids(limit as u32, offset)).map(Bytes::from)
    }

    /// As `coValueIds`, off the event loop.
    #[napi(js_name = "coValueIdsAsync", ts_return_type = "Promise<Uint8Array>")]
    pub fn covalue_ids_async<'env>(
        &self,
        env: &'env Env,
        limit: f64,
        offset: f64,
    ) -> napi::Result<Object<'env>> {
        promise(
            env,
            &self.storage,
            Lane::Write,
            move |storage| storage.covalue_ids(limit as u32, offset),
            Bytes::from,
        )
    }

    /// How many CoValues are stored, erased ones included.
    #[napi(js_name = "coValueCount")]
    pub fn covalue_count(&self) -> Result<f64, Thrown> {
        inline(|| self.storage.covalue_count())
    }

    /// As `coValueCount`, off the event loop.
    #[napi(js_name = "coValueCountAsync", ts_return_type = "Promise<number>")]
    pub fn covalue_count_async<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        promise(env, &self.storage, Lane::Write, |storage| storage.covalue_count(), |count| count)
    }

    /// Records what is synced with which peer (3.5).
    #[napi]
    pub fn track_sync_state(&self, updates: &[u8]) -> Result<(), Thrown> {
        inline(|| self.storage.track_sync_state(updates))
    }

    /// As `trackSyncState`, off the event loop.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn track_sync_state_async<'env>(&self, env: &'env Env, updates: &[u8]) -> napi::Result<Object<'env>> {
        let updates = updates.to_vec();
        promise(env, &self.storage, Lane::Write, move |storage| storage.track_sync_state(&updates), |()| ())
    }

    /// The ids with something to sync (3.5).
    #[napi(ts_return_type = "Uint8Array")]
    pub fn unsynced_ids(&self) -> Result<Bytes, Thrown> {
        inline(|| self.storage.unsynced_ids()).map(Bytes::from)
    }

    /// As `unsyncedIds`, off the event loop.
    #[napi(ts_return_type = "Promise<Uint8Array>")]
    pub fn unsynced_ids_async<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        promise(env, &self.storage, Lane::Write, |storage| storage.unsynced_ids(), Bytes::from)
    }

    /// Forgets the sync state of a CoValue.
    #[napi]
    pub fn stop_tracking(&self, id: &[u8]) -> Result<(), Thrown> {
        inline(|| self.storage.stop_tracking(id))
    }

    /// As `stopTracking`, off the event loop.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn stop_tracking_async<'env>(&self, env: &'env Env, id: &[u8]) -> napi::Result<Object<'env>> {
        let id = id.to_vec();
        promise(env, &self.storage, Lane::Write, move |storage| storage.stop_tracking(&id), |()| ())
    }

    /// Takes a peer's reconciliation lock for a session if that is allowed now. Times in milliseconds.
    #[napi]
    pub fn try_acquire_lock(
        &self,
        session: &[u8],
        peer: &[u8],
        now: f64,
        ttl: f64,
        interval: f64,
    ) -> Result<LockResult, Thrown> {
        inline(|| self.storage.try_acquire_lock(session, peer, now, ttl, interval)).map(LockResult::from)
    }

    /// As `tryAcquireLock`, off the event loop.
    #[napi(ts_return_type = "Promise<LockResult>")]
    pub fn try_acquire_lock_async<'env>(
        &self,
        env: &'env Env,
        session: &[u8],
        peer: &[u8],
        now: f64,
        ttl: f64,
        interval: f64,
    ) -> napi::Result<Object<'env>> {
        let session = session.to_vec();
        let peer = peer.to_vec();
        promise(
            env,
            &self.storage,
            Lane::Write,
            move |storage| storage.try_acquire_lock(&session, &peer, now, ttl, interval),
            LockResult::from,
        )
    }

    /// Records how far the holder's run of reconciliation has come.
    #[napi]
    pub fn renew_lock(&self, session: &[u8], peer: &[u8], offset: f64) -> Result<(), Thrown> {
        inline(|| self.storage.renew_lock(session, peer, offset))
    }

    /// As `renewLock`, off the event loop.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn renew_lock_async<'env>(
        &self,
        env: &'env Env,
        session: &[u8],
        peer: &[u8],
        offset: f64,
    ) -> napi::Result<Object<'env>> {
        let session = session.to_vec();
        let peer = peer.to_vec();
        promise(
            env,
            &self.storage,
            Lane::Write,
            move |storage| storage.renew_lock(&session, &peer, offset),
            |()| (),
        )
    }

    /// Ends the holder's run of reconciliation. `now` in milliseconds.
    #[napi]
    pub fn release_lock(&self, session: &[u8], peer: &[u8], now: f64) -> Result<(), Thrown> {
        inline(|| self.storage.release_lock(session, peer, now))
    }

    /// As `releaseLock`, off the event loop.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn release_lock_async<'env>(
        &self,
        env: &'env Env,
        session: &[u8],
        peer: &[u8],
        now: f64,
    ) -> napi::Result<Object<'env>> {
        let session = session.to_vec();
        let peer = peer.to_vec();
        promise(
            env,
            &self.storage,
            Lane::Write,
            move |storage| storage.release_lock(&session, &peer, now),
            |()| (),
        )
    }

    /// Makes everything stored so far survive a loss of power.
    #[napi]
    pub fn flush(&self) -> Result<(), Thrown> {
        inline(|| self.storage.flush())
    }

    /// As `flush`, off the event loop.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn flush_async<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        promise(env, &self.storage, Lane::Write, |storage| storage.flush(), |()| ())
    }

    /// Merges all layers of the index and rewrites what is mostly dead, off the event loop and beside all others.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn compact_async<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        promise(env, &self.storage, Lane::Upkeep, |storage| storage.compact(), |()| ())
    }

    /// A task for one operation.
    #[napi]
    pub fn task(&self) -> Task {
        Task::default()
    }

    /// Copies the store as it is now, off the event loop and beside all others.
    #[napi(ts_return_type = "Promise<BackupResult>")]
    pub fn backup_async<'env>(
        &self,
        env: &'env Env,
        target: BackupLocation,
        task: &Task,
    ) -> napi::Result<Object<'env>> {
        let task = task.task.clone();
        promise(
            env,
            &self.storage,
            Lane::Upkeep,
            move |storage| storage.backup(&target.place("target")?, &task),
            BackupResult::from,
        )
    }

    /// Compares every checksum, and every row of the index with the log, off the event loop and beside all others.
    #[napi(ts_return_type = "Promise<VerifyReport>")]
    pub fn verify_async<'env>(&self, env: &'env Env, task: &Task) -> napi::Result<Object<'env>> {
        let task = task.task.clone();
        promise(env, &self.storage, Lane::Upkeep, move |storage| storage.verify(&task), VerifyReport::from)
    }

    /// What the store holds and how it is doing.
    #[napi]
    pub fn stats(&self) -> Result<StorageStats, Thrown> {
        inline(|| self.storage.stats()).map(StorageStats::from)
    }

    /// As `stats`, off the event loop.
    #[napi(ts_return_type = "Promise<StorageStats>")]
    pub fn stats_async<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        promise(env, &self.storage, Lane::Write, |storage| storage.stats(), StorageStats::from)
    }

    /// Flushes and lets go of the directory with the last handle on it. A later call opens it again.
    #[napi]
    pub fn close(&self) -> Result<(), Thrown> {
        inline(|| self.storage.close())
    }

    /// As `close`, off the event loop.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close_async<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        promise(env, &self.storage, Lane::Write, |storage| storage.close(), |()| ())
    }
}
