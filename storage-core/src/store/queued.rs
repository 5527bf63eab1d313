//! Storage off the caller's thread: a queue of jobs, and [`StorageBackendAsync`] over any [`StorageBackend`].
//!
//! Invariants:
//! - each lane has one thread, started by its first job, and runs its jobs one after another in the order of submission;
//!   so operations that change the store, all in one lane, take effect in the order of the calls;
//! - an operation is submitted when its method is called, not when its future is first polled, and is carried out even if
//!   the future is dropped;
//! - a panic ends one job, never a thread; whoever waits for it gets an error;
//! - dropping the queue waits until all submitted jobs are done, except on the queue's own threads, which cannot wait for
//!   themselves and end on their own.

use super::rows::{
    CoValueId, CoValueRowId, KnownState, LockOutcome, LockTiming, SessionId, SessionRowId, SignatureAfterRow,
    StoredCoValueRow, StoredSessionRow, SyncStateUpdate, TransactionRow, TxIndex,
};
use super::traits::{StorageBackend, StorageBackendAsync, StorageTransaction};
use crate::error::{Error, Result};
use futures_channel::oneshot;
use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// Which of the queue's threads runs a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// For what changes the store, or must come after what does.
    Write,
    /// For what only reads. It may run before writes submitted earlier.
    Read,
    /// For what takes long and holds up nobody else: compacting, backups.
    Upkeep,
    /// For handing on results that wait for a sync.
    Completion,
}

/// Something to run on a thread of the queue.
pub type Job = Box<dyn FnOnce() + Send>;

/// The queue: a thread for each lane.
///
/// ```
/// use jazz_storage_core::store::queued::{Lane, Lanes};
/// let (sender, receiver) = std::sync::mpsc::channel();
/// let lanes = Lanes::new("docs");
/// lanes.submit(Lane::Write, Box::new(move || { sender.send(1).ok(); }));
/// drop(lanes);
/// assert_eq!(receiver.recv(), Ok(1));
/// ```
#[derive(Debug)]
pub struct Lanes {
    write: Worker,
    read: Worker,
    upkeep: Worker,
    // After the others, whose jobs submit to it while the queue is dropped.
    completion: Worker,
}

impl Lanes {
    /// A queue without threads yet. They will be named after `name`, for debuggers.
    pub fn new(name: &str) -> Self {
        let worker = |lane: &str| Worker::new(format!("{name}-{lane}"));
        Self {
            write: worker("write"),
            read: worker("read"),
            upkeep: worker("upkeep"),
            completion: worker("done"),
        }
    }

    /// Runs `job` after all jobs submitted to the lane before.
    ///
    /// Where no thread can be started (a browser, a process at its limit), it runs before this returns.
    pub fn submit(&self, lane: Lane, job: Job) {
        self.worker(lane).submit(job);
    }

    /// How many jobs of a lane are not done, one that runs included.
    pub fn unfinished(&self, lane: Lane) -> usize {
        self.worker(lane).unfinished.load(Ordering::SeqCst)
    }

    fn worker(&self, lane: Lane) -> &Worker {
        match lane {
            Lane::Write => &self.write,
            Lane::Read => &self.read,
            Lane::Upkeep => &self.upkeep,
            Lane::Completion => &self.completion,
        }
    }
}

/// One lane.
#[derive(Debug)]
struct Worker {
    name: String,
    running: Mutex<Option<Running>>,
    unfinished: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Running {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
}

impl Worker {
    fn new(name: String) -> Self {
        Self { name, running: Mutex::new(None), unfinished: Arc::default() }
    }

    fn submit(&self, job: Job) {
        self.unfinished.fetch_add(1, Ordering::SeqCst);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_none() {
            *running = self.start().ok();
        }
        let refused = match &*running {
            Some(running) => running.jobs.send(job).err().map(|refused| refused.0),
            None => Some(job),
        };
        // Not under the lock: the job may submit others.
        drop(running);
        if let Some(job) = refused {
            run(job, &self.unfinished);
        }
    }

    fn start(&self) -> std::io::Result<Running> {
        let (jobs, receiver): (_, Receiver<Job>) = channel();
        let unfinished = Arc::clone(&self.unfinished);
        let work = move || receiver.into_iter().for_each(|job| run(job, &unfinished));
        let thread = thread::Builder::new().name(self.name.clone()).spawn(work)?;
        Ok(Running { jobs, thread })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(Running { jobs, thread }) = running.take() {
            drop(jobs);
            if thread.thread().id() != thread::current().id() {
                // Its jobs' panics are caught, so it has none of its own to report.
                thread.join().ok();
            }
        }
    }
}

/// Runs a job; a panic in it has been printed by the panic hook and concerns nobody else.
fn run(job: Job, unfinished: &AtomicUsize) {
    catch_unwind(AssertUnwindSafe(job)).ok();
    unfinished.fetch_sub(1, Ordering::SeqCst);
}

/// Runs an operation; a panic in it becomes an error.
///
/// # Errors
/// Those of the operation; [`Error::Internal`] with the panic's message.
pub fn guarded<T>(operation: impl FnOnce() -> Result<T>) -> Result<T> {
    // Nothing to catch: a panic is the end of whatever runs this.
    if cfg!(panic = "abort") {
        return operation();
    }
    // Storages keep their invariants through panics (they latch, or change nothing), so observing one after is sound.
    catch_unwind(AssertUnwindSafe(operation)).unwrap_or_else(|panic| {
        let message = panic_message(&*panic);
        Err(Error::Internal(format!("an operation panicked: {message}")))
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// A [`StorageBackend`] whose operations run on two threads of its own. The futures work with any executor.
#[derive(Debug)]
pub struct Queued<B> {
    backend: Arc<B>,
    lanes: Lanes,
}

impl<B: StorageBackend + 'static> Queued<B> {
    /// Runs the operations of a storage, which others may use as well.
    pub fn new(backend: Arc<B>) -> Self {
        Self { backend, lanes: Lanes::new("jazz-storage") }
    }

    /// The storage, for synchronous calls. They do not wait for operations queued before.
    pub fn backend(&self) -> &Arc<B> {
        &self.backend
    }

    fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        operation: impl FnOnce(&B) -> Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T>> + Send {
        let (sender, receiver) = oneshot::channel();
        let backend = Arc::clone(&self.backend);
        self.lanes.submit(
            lane,
            Box::new(move || {
                let result = guarded(|| operation(&backend));
                // Released first, so that who has the result may find itself the only holder.
                drop(backend);
                // Nobody may be waiting any more; the operation counts all the same.
                sender.send(result).ok();
            }),
        );
        async move {
            // Only a job that was never run drops its sender, and the lanes run all.
            receiver.await.unwrap_or_else(|_| Err(Error::Internal("an operation was dropped".into())))
        }
    }
}

impl<B: StorageBackend + 'static> StorageBackendAsync for Queued<B> {
    fn get_covalue(&self, id: CoValueId) -> impl Future<Output = Result<Option<StoredCoValueRow>>> + Send {
        self.run(Lane::Read, move |backend| backend.get_covalue(&id))
    }

    fn upsert_covalue(
        &self,
        id: CoValueId,
        header: Option<Vec<u8>>,
    ) -> impl Future<Output = Result<Option<CoValueRowId>>> + Send {
        self.run(Lane::Write, move |backend| backend.upsert_covalue(&id, header.as_deref()))
    }

    fn get_covalue_sessions(
        &self,
        covalue: CoValueRowId,
    ) -> impl Future<Output = Result<Vec<StoredSessionRow>>> + Send {
        self.run(Lane::Read, move |backend| backend.get_covalue_sessions(covalue))
    }

    fn get_new_transactions_in_session(
        &self,
        session: SessionRowId,
        from: TxIndex,
        to: TxIndex,
    ) -> impl Future<Output = Result<Vec<TransactionRow>>> + Send {
        self.run(Lane::Read, move |backend| backend.get_new_transactions_in_session(session, from, to))
    }

    fn get_signatures(
        &self,
        session: SessionRowId,
        from: TxIndex,
    ) -> impl Future<Output = Result<Vec<SignatureAfterRow>>> + Send {
        self.run(Lane::Read, move |backend| backend.get_signatures(session, from))
    }

    fn transaction<T: Send + 'static>(
        &self,
        operations: impl FnOnce(&mut dyn StorageTransaction) -> Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T>> + Send {
        self.run(Lane::Write, move |backend| backend.transaction(operations))
    }

    fn track_sync_state(&self, updates: Vec<SyncStateUpdate>) -> impl Future<Output = Result<()>> + Send {
        self.run(Lane::Write, move |backend| backend.track_sync_state(&updates))
    }

    fn unsynced_ids(&self) -> impl Future<Output = Result<Vec<CoValueId>>> + Send {
        self.run(Lane::Read, |backend| backend.unsynced_ids())
    }

    fn stop_tracking_sync_state(&self, id: CoValueId) -> impl Future<Output = Result<()>> + Send {
        self.run(Lane::Write, move |backend| backend.stop_tracking_sync_state(&id))
    }

    fn pending_deletions(&self) -> impl Future<Output = Result<Vec<CoValueId>>> + Send {
        self.run(Lane::Read, |backend| backend.pending_deletions())
    }

    fn erase_covalue_but_keep_tombstone(&self, id: CoValueId) -> impl Future<Output = Result<bool>> + Send {
        self.run(Lane::Write, move |backend| backend.erase_covalue_but_keep_tombstone(&id))
    }

    fn get_known_state(&self, id: CoValueId) -> impl Future<Output = Result<Option<KnownState>>> + Send {
        self.run(Lane::Read, move |backend| backend.get_known_state(&id))
    }

    fn covalue_ids(&self, limit: u32, offset: u64) -> impl Future<Output = Result<Vec<CoValueId>>> + Send {
        self.run(Lane::Read, move |backend| backend.covalue_ids(limit, offset))
    }

    fn covalue_count(&self) -> impl Future<Output = Result<u64>> + Send {
        self.run(Lane::Read, |backend| backend.covalue_count())
    }

    fn try_acquire_lock(
        &self,
        key: Vec<u8>,
        session: SessionId,
        timing: LockTiming,
    ) -> impl Future<Output = Result<LockOutcome>> + Send {
        self.run(Lane::Write, move |backend| backend.try_acquire_lock(&key, &session, timing))
    }

    fn renew_lock(
        &self,
        key: Vec<u8>,
        session: SessionId,
        offset: f64,
    ) -> impl Future<Output = Result<()>> + Send {
        self.run(Lane::Write, move |backend| backend.renew_lock(&key, &session, offset))
    }

    fn release_lock(
        &self,
        key: Vec<u8>,
        session: SessionId,
        now: f64,
    ) -> impl Future<Output = Result<()>> + Send {
        self.run(Lane::Write, move |backend| backend.release_lock(&key, &session, now))
    }
}

#[cfg(test)]
mod tests;
