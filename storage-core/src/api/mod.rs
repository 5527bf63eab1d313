//! The API that the platform bindings expose: one method per operation of Jazz's `StorageAPI`, bytes in and out
//! (docs/design.md, section 3).
//!
//! Invariants:
//! - each call is complete in itself: it takes effect wholly or, with an error, not at all;
//! - handles on one path share one engine in this process, and the strictest durability asked for by any of them;
//! - a closed handle opens its store again at the next call, as a Jazz node may use its storage after closing it.

mod backing;
mod backup;
mod health;
mod options;
mod registry;
mod task;

pub use backup::{BackupPlace, BackupResult, restore_backup};
pub use health::{Damage, LostSession, RepairReport, VerifyReport, repair};
pub use options::{Durability, LockRefusal, LockResult, OpenOptions, StorageStats};
pub use task::Task;

use crate::error::{Error, Result};
use crate::format::wire;
use crate::store::queued::{Lanes, guarded};
use crate::store::rows::{CoValueId, LockOutcome, LockTiming, PeerId, SessionId, SyncStateUpdate};
use backing::{Backing, Ticket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use crate::store::queued::Lane;

/// A handle on a store. Clones are the same handle.
///
/// ```
/// use jazz_storage_core::api::{Durability, NativeStorage, OpenOptions};
/// let storage = NativeStorage::open(OpenOptions { durability: Durability::Memory, ..OpenOptions::default() })?;
/// assert_eq!(storage.covalue_count()?, 0.0);
/// assert_eq!(storage.load(b"co_zUnknown", 1e6)?, None);
/// # Ok::<(), jazz_storage_core::Error>(())
/// ```
#[derive(Clone)]
pub struct NativeStorage {
    handle: Arc<Handle>,
    /// Where a change leaves what waits until it is durable. Without it, a change waits itself.
    deferred: Option<Arc<Mutex<Option<Ticket>>>>,
}

struct Handle {
    options: OpenOptions,
    open: Mutex<Option<Arc<dyn Backing>>>,
    lanes: Lanes,
    /// Whether jobs of the write lane complete on the lane for completions, on which they keep their order.
    completes_apart: AtomicBool,
}

impl Handle {
    fn open(&self) -> MutexGuard<'_, Option<Arc<dyn Backing>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(backing) = self.open().take() {
            // Whatever fails here is in the log, which the next opening replays.
            let _ = registry::release(&self.options, backing);
        }
    }
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

fn id_list(ids: &[CoValueId]) -> Result<Vec<u8>> {
    wire::encode_ids(ids.iter().map(CoValueId::as_bytes))
}

/// A number of JavaScript's as a count of something: what is no number, or negative, is 0.
fn count(number: f64) -> u64 {
    number as u64
}

impl NativeStorage {
    /// Opens a store, creating it if the directory is empty or absent.
    ///
    /// # Errors
    /// [`Error::InvalidOption`], [`Error::Locked`] with the holder's process id, [`Error::NotADirectory`],
    /// [`Error::PermissionDenied`], [`Error::ForeignDirectory`], [`Error::NewerFormat`], [`Error::Corrupt`],
    /// [`Error::DiskFull`], [`Error::Io`].
    pub fn open(options: OpenOptions) -> Result<Self> {
        options.validate()?;
        let backing = registry::acquire(&options)?;
        let lanes = Lanes::new("jazz-storage");
        let open = Mutex::new(Some(backing));
        let handle = Handle { options, open, lanes, completes_apart: AtomicBool::new(false) };
        Ok(Self { handle: Arc::new(handle), deferred: None })
    }

    /// Runs what changes the store.
    fn change<T>(&self, operation: impl FnOnce(&dyn Backing) -> Result<T>) -> Result<T> {
        let backing = self.backing()?;
        let result = operation(&*backing)?;
        match (backing.ticket(), &self.deferred) {
            (Some(ticket), Some(slot)) => *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(ticket),
            (Some(ticket), None) => ticket()?,
            (None, _) => {}
        }
        Ok(result)
    }

    fn backing(&self) -> Result<Arc<dyn Backing>> {
        let mut open = self.handle.open();
        if let Some(backing) = open.as_ref() {
            return Ok(Arc::clone(backing));
        }
        let backing = registry::acquire(&self.handle.options)?;
        Ok(Arc::clone(open.insert(backing)))
    }

    /// Stores a content message (section 3.1), all of it or nothing. Gives nothing if every session of the message now
    /// stands where the message ends, else the outcome (section 3.2).
    pub fn store(&self, message: &[u8]) -> Result<Option<Vec<u8>>> {
        let message = wire::decode_message(message)?;
        self.change(|backing| backing.store(&message))?.encode(&message)
    }

    /// Stores messages in order, stopping after the first that is not wholly stored (section 3.3).
    pub fn store_batch(&self, batch: &[u8]) -> Result<Vec<u8>> {
        let messages = wire::decode_batch(batch)?;
        self.change(|backing| backing.store_batch(&messages))
    }

    /// Loads a CoValue (section 3.4); nothing if it is not stored. Pieces after each session's first one are left out
    /// once the content amounts to `byte_budget` bytes.
    pub fn load(&self, id: &[u8], byte_budget: f64) -> Result<Option<Vec<u8>>> {
        self.backing()?.load_encoded(checked(id, "CoValue id")?, count(byte_budget))
    }

    /// Loads several CoValues, given as a list of ids: `u32` count, then for each `u32` length and what
    /// [`NativeStorage::load`] gives, length 0 for one that is not stored.
    pub fn load_many(&self, ids: &[u8], byte_budget: f64) -> Result<Vec<u8>> {
        let backing = self.backing()?;
        let mut budget = count(byte_budget);
        let mut answers = Vec::new();
        for id in wire::decode_ids(ids)? {
            let answer = backing.load_encoded(checked(id, "CoValue id")?, budget)?;
            budget = budget.saturating_sub(answer.as_ref().map_or(0, Vec::len) as u64);
            answers.push(answer);
        }
        wire::encode_answers(&answers)
    }

    /// Loads the transactions of a session from `after` on, `count` of them or, where no signature stands there, up to
    /// the next one: `u32` count, `str16` signature, `u32` bytes, transactions. Nothing if they are not stored (any more).
    pub fn load_piece(&self, id: &[u8], session: &[u8], after: u32, count: u32) -> Result<Option<Vec<u8>>> {
        let id = checked(id, "CoValue id")?;
        let piece = self.backing()?.load_piece(id, checked(session, "session id")?, after, count)?;
        let content = piece.and_then(|piece| Some((piece.count, piece.content?)));
        content
            .map(|(count, (signature, txs))| {
                wire::encode_piece(count, signature.as_bytes(), |out| {
                    out.extend_from_slice(&txs);
                    Ok(())
                })
            })
            .transpose()
    }

    /// The counters of a CoValue (section 3.5); nothing if it is not stored.
    pub fn known_state(&self, id: &[u8]) -> Result<Option<Vec<u8>>> {
        let state = self.backing()?.known_state(&covalue_id(id)?)?;
        state
            .map(|state| wire::encode_known_state(state.sessions.iter().map(|(id, n)| (id.as_bytes(), *n))))
            .transpose()
    }

    /// The ids of the CoValues that wait to be erased.
    pub fn pending_deletions(&self) -> Result<Vec<u8>> {
        id_list(&self.backing()?.pending_deletions()?)
    }

    /// Erases all sessions of a CoValue but its delete sessions. False if it is not stored.
    pub fn erase(&self, id: &[u8]) -> Result<bool> {
        let id = covalue_id(id)?;
        self.change(|backing| backing.erase(&id))
    }

    /// At most `limit` ids in the order in which the CoValues were first stored, after skipping `offset` of them.
    pub fn covalue_ids(&self, limit: u32, offset: f64) -> Result<Vec<u8>> {
        id_list(&self.backing()?.covalue_ids(limit, count(offset))?)
    }

    /// How many CoValues are stored, erased ones included.
    pub fn covalue_count(&self) -> Result<f64> {
        Ok(self.backing()?.covalue_count()? as f64)
    }

    /// Changes the set of (CoValue, peer) pairs that are not synced (section 3.5), all updates together.
    pub fn track_sync_state(&self, updates: &[u8]) -> Result<()> {
        let updates: Vec<SyncStateUpdate> = wire::decode_sync_updates(updates)?
            .into_iter()
            .map(|update| SyncStateUpdate {
                id: CoValueId::new(update.id),
                peer: PeerId::new(update.peer),
                synced: update.synced,
            })
            .collect();
        self.change(|backing| backing.track_sync_state(&updates))
    }

    /// The ids of the CoValues with at least one peer they are not synced to.
    pub fn unsynced_ids(&self) -> Result<Vec<u8>> {
        id_list(&self.backing()?.unsynced_ids()?)
    }

    /// Forgets all peers of a CoValue.
    pub fn stop_tracking(&self, id: &[u8]) -> Result<()> {
        let id = covalue_id(id)?;
        self.change(|backing| backing.stop_tracking(&id))
    }

    /// Takes the reconciliation lock of a peer for a session, if it is due and not held by another one. Times are
    /// milliseconds of `Date.now()`.
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
    pub fn renew_lock(&self, session: &[u8], peer: &[u8], offset: f64) -> Result<()> {
        let (peer, session) = (checked(peer, "peer id")?, session_id(session)?);
        self.change(|backing| backing.renew_lock(peer, &session, offset))
    }

    /// Records that the run of the lock's holder is complete. Does nothing for another session.
    pub fn release_lock(&self, session: &[u8], peer: &[u8], now: f64) -> Result<()> {
        let (peer, session) = (checked(peer, "peer id")?, session_id(session)?);
        self.change(|backing| backing.release_lock(peer, &session, now))
    }

    /// Makes everything stored so far survive a power cut.
    pub fn flush(&self) -> Result<()> {
        self.backing()?.flush()
    }

    /// Writes everything out, merges all layers of the index and rewrites what is mostly dead, so that nothing that was
    /// erased is left on disk. Loads and stores go on meanwhile.
    pub fn compact(&self) -> Result<()> {
        self.backing()?.compact()
    }

    /// Compares every checksum, and every row of the index with the log. Loads and stores go on meanwhile.
    ///
    /// # Errors
    /// [`Error::Cancelled`], and failures to read. Damage is in the report.
    pub fn verify(&self, task: &Task) -> Result<VerifyReport> {
        self.backing()?.verify(task)
    }

    /// Copies the store as it is now to a file that does not exist, or to a directory that is empty or absent. Everything
    /// stored before is in the copy; loads and stores go on meanwhile.
    ///
    /// # Errors
    /// [`Error::TargetExists`], [`Error::Corrupt`] for damage in the store, [`Error::Cancelled`], [`Error::InvalidOption`],
    /// [`Error::DiskFull`], [`Error::Io`] and others of the file system. Nothing is left of the copy then.
    pub fn backup(&self, target: &BackupPlace, task: &Task) -> Result<BackupResult> {
        self.backing()?.backup(target, task)
    }

    /// Counters and sizes at this moment.
    pub fn stats(&self) -> Result<StorageStats> {
        let backing = self.backing()?;
        StorageStats::new(
            &self.handle.options,
            backing.durability(),
            backing.covalue_count()?,
            backing.stats()?,
        )
    }

    /// Makes everything durable and lets go of the store: when the last handle on the path in this process does, other
    /// processes can open it. A later call opens it again. A store in memory stays as it is.
    pub fn close(&self) -> Result<()> {
        if self.handle.options.durability == Durability::Memory {
            return Ok(());
        }
        let backing = self.handle.open().take();
        backing.map_or(Ok(()), |backing| registry::release(&self.handle.options, backing))
    }

    /// Runs an operation on one of this handle's threads, after those submitted to the same lane before, and hands its
    /// result to `complete` on one of them, in the same order, when what it did is durable.
    pub fn submit<T: Send + 'static>(
        &self,
        lane: Lane,
        operation: impl FnOnce(&Self) -> Result<T> + Send + 'static,
        complete: impl FnOnce(Result<T>) + Send + 'static,
    ) {
        let deferred = (lane == Lane::Write).then(Arc::default);
        let storage = Self { handle: Arc::clone(&self.handle), deferred };
        let job = move || {
            let result = guarded(|| operation(&storage));
            if lane == Lane::Write { storage.complete(result, complete) } else { complete(result) }
        };
        self.handle.lanes.submit(lane, Box::new(job));
    }

    /// Hands on the result of a job of the write lane when what it did is durable. The next job does not wait for that, so
    /// that one sync serves all that were done before it.
    fn complete<T: Send + 'static>(
        &self,
        result: Result<T>,
        complete: impl FnOnce(Result<T>) + Send + 'static,
    ) {
        let slot =
            self.deferred.as_ref().map(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner).take());
        let ticket = slot.flatten();
        if ticket.is_none() && !self.handle.completes_apart.load(Ordering::Relaxed) {
            return complete(result);
        }
        self.handle.completes_apart.store(true, Ordering::Relaxed);
        let wait = move || {
            complete(result.and_then(|done| ticket.map_or(Ok(()), |durable| durable()).map(|()| done)))
        };
        self.handle.lanes.submit(Lane::Completion, Box::new(wait));
    }
}

#[cfg(test)]
mod tests;
