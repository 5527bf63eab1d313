//! The operations of a store: one method per operation of Jazz's `StorageAPI`, and what the engine offers beyond it.
//!
//! Each is written and annotated once. [`operations`] makes two forms of it, one that blocks and one that does not, for
//! every binding; section numbers are those of docs/design.md.
//!
//! Invariants:
//! - each call is complete in itself: it takes effect wholly or, with an error, not at all;
//! - what changes the store, or must come after what does, is queued on one lane and takes effect in the order of calls;
//! - a panic is an error with the code `INTERNAL`, never the end of the process.
//!
//! ```
//! use jazz_storage_core::api::{Durability, NativeStorage, OpenOptions};
//! let options = OpenOptions { durability: Some(Durability::Memory), ..OpenOptions::default() };
//! let storage = NativeStorage::open(options)?;
//! assert_eq!(storage.co_value_count()?, 0.0);
//! assert_eq!(storage.load(b"co_zUnknown", 1e6)?, None);
//! # Ok::<(), jazz_storage_core::Error>(())
//! ```

use super::backup::{BackupLocation, BackupResult};
use super::bytes::{Bytes, Lent};
use super::handle::{Deferred, Handle};
use super::health::VerifyReport;
use super::known::{KnownState, SyncStateUpdate};
use super::listener::EventListener;
use super::options::{LockRefusal, LockResult, OpenOptions, StorageStats};
use super::pending::{Pending, detached};
use super::task::StorageTask;
use crate::engine::slices::at_once;
use crate::error::{Error, Result};
use crate::format::wire::{self, Batch, StoreStatus};
use crate::store::content::StoreOutcome;
use crate::store::queued::{Lane, guarded};
use crate::store::rows::{self, CoValueId, LockOutcome, LockTiming, PeerId, SessionId};
use jazz_storage_macros::operations;
use std::sync::Arc;

/// A handle on a store. Handles on one path, in one process, share one engine.
#[cfg_attr(feature = "uniffi", derive(uniffi::Object))]
#[cfg_attr(target_family = "wasm", wasm_bindgen::prelude::wasm_bindgen)]
#[cfg_attr(feature = "napi", napi_derive::napi)]
#[derive(Clone)]
pub struct NativeStorage {
    pub(super) handle: Arc<Handle>,
    /// Where a change leaves what waits until it is durable. Without it, a change waits itself.
    pub(super) deferred: Option<Deferred>,
}

/// An id as it crosses a binding: not empty, and short enough to be stored.
fn covalue_id(id: &[u8]) -> Result<CoValueId> {
    checked(id, "CoValue id").map(CoValueId::new)
}

fn session_id(id: &[u8]) -> Result<SessionId> {
    checked(id, "session id").map(SessionId::new)
}

fn checked<'a>(id: &'a [u8], what: &'static str) -> Result<&'a [u8]> {
    let limit = crate::format::text::MAX_STR16;
    match id.len() {
        0 => Err(Error::EmptyId(what)),
        len if len > limit => Err(Error::TooLarge { what, size: len as u64, limit: limit as u64 }),
        _ => Ok(id),
    }
}

fn id_list(ids: &[CoValueId]) -> Result<Bytes> {
    wire::encode_ids(ids.iter().map(CoValueId::as_bytes)).map(Bytes::from)
}

/// A number of JavaScript's as a count of something: what is no number, or negative, is 0.
fn count(number: f64) -> u64 {
    number as u64
}

/// What takes long, with pauses. Where there is one thread, the forms that do not block are made of these.
impl NativeStorage {
    async fn compact_in_slices(&self) -> Result<()> {
        self.backing()?.compact().await
    }

    async fn verify_in_slices(&self, task: &StorageTask) -> Result<VerifyReport> {
        self.backing()?.verify(task).await
    }

    async fn backup_in_slices(&self, target: BackupLocation, task: &StorageTask) -> Result<BackupResult> {
        self.backing()?.backup(&target, task).await
    }
}

#[operations]
impl NativeStorage {
    /// Opens a store, creating it if the directory is empty or absent.
    ///
    /// # Errors
    /// `INVALID_OPTION`, `LOCKED` with the holder's process id, `NOT_A_DIRECTORY`, `PERMISSION_DENIED`,
    /// `FOREIGN_DIRECTORY`, `NEWER_FORMAT`, `CORRUPT`, `DISK_FULL`, `IO`.
    #[lane(Own)]
    pub fn open(options: OpenOptions) -> Result<NativeStorage> {
        Self::open_with(options)
    }

    /// Stores a content message (section 3.1), all of it or nothing. Gives nothing if every session of the message now
    /// stands where the message ends, else the outcome (section 3.2).
    #[lane(Write)]
    pub fn store(&self, message: &[u8]) -> Result<Option<Bytes>> {
        let chain = self.chain();
        let message = wire::decode_message(message)?;
        let outcome = self.change(|backing| backing.store(&message))?;
        chain.end(outcome.status == StoreStatus::Stored);
        Ok(outcome.encode(&message)?.map(Bytes::from))
    }

    /// Stores messages in order, stopping after the first that is not wholly stored; none, if the batch says so and what was
    /// stored before it through this object was not stored wholly (section 3.3).
    #[lane(Write)]
    pub fn store_batch(&self, batch: &[u8]) -> Result<Bytes> {
        let chain = self.chain();
        let Batch { follows, messages } = wire::decode_batch(batch)?;
        if follows && !chain.is_whole {
            return wire::encode_answers(&[]).map(Bytes::from);
        }
        let outcomes = self.change(|backing| backing.store_batch(&messages))?;
        let is_whole = |outcome: &StoreOutcome| outcome.status == StoreStatus::Stored;
        chain.end(outcomes.len() == messages.len() && outcomes.iter().all(is_whole));
        let answers: Result<Vec<_>> =
            messages.iter().zip(&outcomes).map(|(message, outcome)| outcome.encode(message)).collect();
        wire::encode_answers(&answers?).map(Bytes::from)
    }

    /// Loads a CoValue as one snapshot (section 3.4); nothing if it is not stored. Pieces that end with a chunk signature
    /// are left to `loadPiece` once the content amounts to `byteBudget` bytes, but for each session's first one.
    #[lane(Read)]
    pub fn load(&self, id: &[u8], byte_budget: f64) -> Result<Option<Bytes>> {
        let loaded = self.backing()?.load_encoded(checked(id, "CoValue id")?, count(byte_budget))?;
        Ok(loaded.map(Bytes::from))
    }

    /// Loads several CoValues, given as a list of ids (section 3.5): `u32` count, then for each `u32` length and what
    /// `load` gives, length 0 for one that is not stored.
    #[lane(Read)]
    pub fn load_many(&self, ids: &[u8], byte_budget: f64) -> Result<Bytes> {
        let backing = self.backing()?;
        let mut budget = count(byte_budget);
        let mut answers = Vec::new();
        for id in wire::decode_ids(ids)? {
            let answer = backing.load_encoded(checked(id, "CoValue id")?, budget)?;
            budget = budget.saturating_sub(answer.as_ref().map_or(0, Vec::len) as u64);
            answers.push(answer);
        }
        wire::encode_answers(&answers).map(Bytes::from)
    }

    /// Loads the transactions of a session from `after` on, `count` of them or, where no signature stands there, up to
    /// the next one: `u32` count, `str16` signature, `u32` bytes, transactions. Nothing if they are not stored (any more).
    #[lane(Read)]
    pub fn load_piece(&self, id: &[u8], session: &[u8], after: u32, count: u32) -> Result<Option<Bytes>> {
        let id = checked(id, "CoValue id")?;
        let session = checked(session, "session id")?;
        Ok(self.backing()?.load_piece_encoded(id, session, after, count)?.map(Bytes::from))
    }

    /// The counters of a CoValue (section 3.5); nothing if it is not stored.
    #[lane(Read)]
    pub fn known_state(&self, id: &[u8]) -> Result<Option<Bytes>> {
        let state = self.backing()?.known_state_encoded(checked(id, "CoValue id")?)?;
        Ok(state.map(Bytes::from))
    }

    /// As `load`, for who reads the answer before asking for another one that is lent: `u32` how many bytes, these, and
    /// what has no meaning.
    pub fn load_lent(&self, id: &[u8], byte_budget: f64) -> Result<Option<Lent>> {
        Ok(self.load(id, byte_budget)?.map(Lent::from))
    }

    /// As `loadPiece`, lent as by `loadLent`.
    pub fn load_piece_lent(&self, id: &[u8], session: &[u8], after: u32, count: u32) -> Result<Option<Lent>> {
        Ok(self.load_piece(id, session, after, count)?.map(Lent::from))
    }

    /// As `knownState`, lent as by `loadLent`.
    pub fn known_state_lent(&self, id: &[u8]) -> Result<Option<Lent>> {
        Ok(self.known_state(id)?.map(Lent::from))
    }

    /// The counters of several CoValues as objects, in the order of the ids: for callers who would rather not decode.
    /// Characters of session ids that UTF-16 cannot pair are replaced.
    #[lane(Read)]
    pub fn known_states(&self, ids: Vec<String>) -> Result<Vec<KnownState>> {
        let backing = self.backing()?;
        let state = |id: String| {
            let stored = backing.known_state(&covalue_id(id.as_bytes())?)?;
            Ok(KnownState::new(id, stored))
        };
        ids.into_iter().map(state).collect()
    }

    /// The ids of the CoValues that wait to be erased (section 3.5).
    #[lane(Write)]
    pub fn pending_deletions(&self) -> Result<Bytes> {
        id_list(&self.backing()?.pending_deletions()?)
    }

    /// Erases all sessions of a CoValue but its delete sessions. False if it is not stored.
    #[lane(Write)]
    pub fn erase(&self, id: &[u8]) -> Result<bool> {
        let id = covalue_id(id)?;
        self.change(|backing| backing.erase(&id))
    }

    /// At most `limit` ids (section 3.5) in the order in which the CoValues were first stored, after skipping `offset` of
    /// them. A limit beyond 32 bits means that limit.
    #[lane(Write)]
    pub fn co_value_ids(&self, limit: f64, offset: f64) -> Result<Bytes> {
        id_list(&self.backing()?.covalue_ids(limit as u32, count(offset))?)
    }

    /// How many CoValues are stored, erased ones included.
    #[lane(Write)]
    pub fn co_value_count(&self) -> Result<f64> {
        Ok(self.backing()?.covalue_count()? as f64)
    }

    /// Changes the set of (CoValue, peer) pairs that are not synced (section 3.5), all updates together.
    #[lane(Write)]
    pub fn track_sync_state(&self, updates: &[u8]) -> Result<()> {
        let updates = wire::decode_sync_updates(updates)?.into_iter().map(|update| rows::SyncStateUpdate {
            id: CoValueId::new(update.id),
            peer: PeerId::new(update.peer),
            synced: update.synced,
        });
        let updates: Vec<rows::SyncStateUpdate> = updates.collect();
        self.change(|backing| backing.track_sync_state(&updates))
    }

    /// The same with objects: for callers who would rather not encode.
    #[lane(Write)]
    pub fn update_sync_states(&self, updates: Vec<SyncStateUpdate>) -> Result<()> {
        let update = |SyncStateUpdate { co_value, peer, synced }: SyncStateUpdate| {
            let id = covalue_id(co_value.as_bytes())?;
            Ok(rows::SyncStateUpdate { id, peer: PeerId::new(checked(peer.as_bytes(), "peer id")?), synced })
        };
        let updates = updates.into_iter().map(update).collect::<Result<Vec<rows::SyncStateUpdate>>>()?;
        self.change(|backing| backing.track_sync_state(&updates))
    }

    /// The ids (section 3.5) of the CoValues with at least one peer they are not synced to.
    #[lane(Write)]
    pub fn unsynced_ids(&self) -> Result<Bytes> {
        id_list(&self.backing()?.unsynced_ids()?)
    }

    /// Forgets all peers of a CoValue.
    #[lane(Write)]
    pub fn stop_tracking(&self, id: &[u8]) -> Result<()> {
        let id = covalue_id(id)?;
        self.change(|backing| backing.stop_tracking(&id))
    }

    /// Takes the reconciliation lock of a peer for a session, if it is due and not held by another one. Times are
    /// milliseconds of `Date.now()`.
    #[lane(Write)]
    pub fn try_acquire_lock(
        &self,
        session: &[u8],
        peer: &[u8],
        now: f64,
        ttl: f64,
        interval: f64,
    ) -> Result<LockResult> {
        let timing = LockTiming { now, ttl, interval };
        let (peer, session) = (checked(peer, "peer id")?, session_id(session)?);
        let outcome = self.change(|backing| backing.try_acquire_lock(peer, &session, timing))?;
        let refused =
            |reason| LockResult { acquired: false, reason: Some(reason), last_processed_offset: 0.0 };
        Ok(match outcome {
            LockOutcome::Acquired { last_processed_offset } => {
                LockResult { acquired: true, reason: None, last_processed_offset }
            }
            LockOutcome::NotDue => refused(LockRefusal::NotDue),
            LockOutcome::Held => refused(LockRefusal::LockHeld),
        })
    }

    /// Records how far the lock's holder has come. Does nothing for another session.
    #[lane(Write)]
    pub fn renew_lock(&self, session: &[u8], peer: &[u8], offset: f64) -> Result<()> {
        let (peer, session) = (checked(peer, "peer id")?, session_id(session)?);
        self.change(|backing| backing.renew_lock(peer, &session, offset))
    }

    /// Records that the run of the lock's holder is complete, at `now` in milliseconds. Does nothing for another session.
    #[lane(Write)]
    pub fn release_lock(&self, session: &[u8], peer: &[u8], now: f64) -> Result<()> {
        let (peer, session) = (checked(peer, "peer id")?, session_id(session)?);
        self.change(|backing| backing.release_lock(peer, &session, now))
    }

    /// Makes everything stored so far survive a power cut.
    #[lane(Write)]
    pub fn flush(&self) -> Result<()> {
        self.backing()?.flush()
    }

    /// Does about `work` bytes of what is due of writing the index out and merging its layers, and tells whether more is. For
    /// a store that its callers maintain (see `OpenOptions`); with others it does no harm.
    #[lane(Write)]
    pub fn maintain(&self, work: f64) -> Result<bool> {
        // What is no number of bytes is none.
        self.backing()?.maintain(work as u64)
    }

    /// Writes everything out, merges all layers of the index and rewrites what is mostly dead, so that nothing that was
    /// erased is left on disk. Loads and stores go on meanwhile.
    #[lane(Upkeep, only)]
    pub fn compact(&self) -> Result<()> {
        at_once(self.compact_in_slices())
    }

    /// Compares every checksum, and every row of the index with the log. Loads and stores go on meanwhile. Damage is in the
    /// report.
    ///
    /// # Errors
    /// `CANCELLED`, and failures to read.
    #[lane(Upkeep, only)]
    pub fn verify(&self, task: &StorageTask) -> Result<VerifyReport> {
        at_once(self.verify_in_slices(task))
    }

    /// Copies the store as it is now to a file that does not exist, or to a directory that is empty or absent. Everything
    /// stored before is in the copy; loads and stores go on meanwhile.
    ///
    /// # Errors
    /// `TARGET_EXISTS`, `CORRUPT` for damage in the store, `CANCELLED`, `INVALID_OPTION`, `DISK_FULL`, `IO` and others of
    /// the file system. Nothing is left of the copy then.
    #[lane(Upkeep, only)]
    pub fn backup(&self, target: BackupLocation, task: &StorageTask) -> Result<BackupResult> {
        at_once(self.backup_in_slices(target, task))
    }

    /// Counters and sizes at this moment.
    #[lane(Write)]
    pub fn stats(&self) -> Result<StorageStats> {
        let backing = self.backing()?;
        let options = &self.handle.options;
        StorageStats::new(options, backing.durability(), backing.covalue_count()?, backing.stats()?)
    }

    /// A task for one operation, as the constructor of `StorageTask` makes it.
    pub fn task(&self) -> Result<StorageTask> {
        Ok(StorageTask::new())
    }

    /// Tells a listener what happens to the store, as long as this handle lives, and first what is so already.
    #[cfg_attr(feature = "napi", napi(ts_args_type = "listener: (event: StorageEvent) => void"))]
    pub fn on_event(&self, listener: Box<dyn EventListener>) -> Result<()> {
        self.listen(Arc::from(listener))
    }

    /// Makes everything durable and lets go of the store: when the last handle on the path in this process does, other
    /// processes can open it. A later call opens it again. A store in memory stays as it is.
    #[lane(Write)]
    pub fn close(&self) -> Result<()> {
        self.release()
    }
}
