//! Group commit under a scheduler that tries out orders of events (shuttle): [`super::sync`] compiled once more, over
//! primitives of the scheduler.
//!
//! The medium here tells when a sync began and ended, so that the tests can say what a sync covers. Time does not pass:
//! a wait with a timeout ends at any moment, or, where a test says so, never. A thread that nobody wakes is a deadlock,
//! which the scheduler reports.
//!
//! `JAZZ_SYNC_SCHEDULES` (how many orders each test tries) and `JAZZ_SYNC_SEED` choose other runs; a failure prints its
//! seed, and shuttle prints the schedule, which `shuttle::replay` runs again.

#[path = "sync.rs"]
#[allow(clippy::duplicate_mod, dead_code, unreachable_pub)]
mod sync;

use super::segment::{self, Segment};
use crate::error::{Error, Result};
use crate::file::{FileHandle, FileIO, OpenMode};
use crate::format::{Lsn, SegmentId};
use latch::Latch;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::thread;
use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use sync::Syncer;

/// The primitives of [`super::primitives`], made of the scheduler's.
mod primitives {
    use shuttle::rand::{Rng, thread_rng};
    use std::ops::{Deref, DerefMut};
    use std::sync::{LockResult, PoisonError};
    use std::time::Duration;

    #[derive(Debug)]
    pub(super) struct Mutex<T>(shuttle::sync::Mutex<T>);

    #[derive(Debug)]
    pub(super) struct MutexGuard<'a, T> {
        mutex: &'a Mutex<T>,
        guard: shuttle::sync::MutexGuard<'a, T>,
    }

    impl<T> Mutex<T> {
        pub(super) fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }
        pub(super) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
            let guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(MutexGuard { mutex: self, guard })
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;
        fn deref(&self) -> &T {
            &self.guard
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.guard
        }
    }

    #[derive(Debug)]
    pub(super) struct Condvar(shuttle::sync::Condvar);

    impl Condvar {
        pub(super) fn new() -> Self {
            Self(shuttle::sync::Condvar::new())
        }
        pub(super) fn notify_all(&self) {
            self.0.notify_all();
        }
        /// Wakes without reason now and then, as a condition variable may.
        pub(super) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
            let MutexGuard { mutex, guard } = guard;
            if super::timeouts() && thread_rng().gen_ratio(1, 8) {
                drop(guard);
                return mutex.lock();
            }
            let guard = self.0.wait(guard).unwrap_or_else(PoisonError::into_inner);
            Ok(MutexGuard { mutex, guard })
        }
        /// Ends at any moment, whether or not anybody notified it; or never by itself.
        pub(super) fn wait_timeout_while<'a, T>(
            &self,
            mut guard: MutexGuard<'a, T>,
            _: Duration,
            mut condition: impl FnMut(&mut T) -> bool,
        ) -> LockResult<(MutexGuard<'a, T>, bool)> {
            while condition(&mut guard) {
                if !super::timeouts() {
                    guard = self.wait(guard).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
                if thread_rng().gen_ratio(1, 4) {
                    return Ok((guard, true));
                }
                let mutex = guard.mutex;
                drop(guard);
                shuttle::thread::yield_now();
                guard = mutex.lock().unwrap_or_else(PoisonError::into_inner);
            }
            Ok((guard, false))
        }
    }
}

/// The latch, at each use of which other threads may come first.
mod latch {
    use crate::engine::latch;
    use crate::error::{Error, Result};
    use std::sync::Arc;

    #[derive(Debug, Default)]
    pub(super) struct Latch(latch::Latch);

    impl Latch {
        pub(super) fn check(&self) -> Result<()> {
            shuttle::thread::yield_now();
            self.0.check()
        }
        pub(super) fn cause(&self) -> Option<&Arc<Error>> {
            self.0.cause()
        }
        pub(super) fn set(&self, error: Error) -> Error {
            shuttle::thread::yield_now();
            self.0.set(error)
        }
    }
}

thread_local! {
    /// Whether timeouts come in the test that runs on this thread.
    static TIMEOUTS: Cell<bool> = const { Cell::new(true) };
}

fn timeouts() -> bool {
    TIMEOUTS.get()
}

/// A medium whose only operation is the sync, and which fails one of them for good.
#[derive(Debug)]
struct Medium {
    /// Which sync fails, from 1.
    fails: Option<u32>,
    begun: AtomicU32,
    ended: AtomicU32,
    failed: AtomicBool,
    running: AtomicBool,
}

/// An open file: how much of it is written and how much a completed sync covers.
#[derive(Debug, Clone)]
struct File {
    medium: Arc<Medium>,
    written: Arc<AtomicU64>,
    durable: Arc<AtomicU64>,
}

fn unused<T>() -> Result<T> {
    Err(Error::Internal("not used by syncs".to_owned()))
}

impl FileHandle for File {
    fn sync(&self) -> Result<()> {
        let medium = &self.medium;
        assert!(!medium.failed.load(SeqCst), "a sync is tried after one failed");
        assert!(!medium.running.swap(true, SeqCst), "two syncs run at once");
        let number = medium.begun.fetch_add(1, SeqCst) + 1;
        // What is written after this moment may miss the sync.
        let covered = self.written.load(SeqCst);
        thread::yield_now();
        medium.running.store(false, SeqCst);
        if medium.fails == Some(number) {
            medium.failed.store(true, SeqCst);
            return Err(Error::from_io("sync", "file", io::ErrorKind::Other.into()));
        }
        self.durable.fetch_max(covered, SeqCst);
        medium.ended.fetch_add(1, SeqCst);
        Ok(())
    }
    fn read_at(&self, _: &mut [u8], _: u64) -> Result<usize> {
        unused()
    }
    fn write_at(&self, _: &[u8], _: u64) -> Result<()> {
        unused()
    }
    fn flush(&self) -> Result<()> {
        unused()
    }
    fn len(&self) -> Result<u64> {
        unused()
    }
    fn truncate(&self, _: u64) -> Result<()> {
        unused()
    }
}

impl FileIO for Medium {
    type Handle = File;
    type Lock = ();
    fn path(&self) -> &Path {
        Path::new("(medium)")
    }
    fn create_dir(&self) -> Result<()> {
        unused()
    }
    fn exists(&self, _: &str) -> Result<bool> {
        unused()
    }
    fn list(&self) -> Result<Vec<String>> {
        unused()
    }
    fn open(&self, _: &str, _: OpenMode) -> Result<File> {
        unused()
    }
    fn rename(&self, _: &str, _: &str) -> Result<()> {
        unused()
    }
    fn remove(&self, _: &str) -> Result<()> {
        unused()
    }
    fn sync_dir(&self) -> Result<()> {
        unused()
    }
    fn lock(&self) -> Result<()> {
        unused()
    }
}

/// The log as the engine keeps it, but for the bytes.
struct Log {
    file: File,
    segment: SegmentId,
    end: u64,
    next: Lsn,
    /// The last durable length told of this segment.
    told: u64,
}

struct Store {
    medium: Arc<Medium>,
    latch: Arc<Latch>,
    syncer: Arc<Syncer<Medium>>,
    log: shuttle::sync::Mutex<Log>,
}

/// Bytes at the start of each segment.
const HEADER: u64 = 64;
/// At so many bytes that wait, the background thread syncs at once.
const SYNC_BYTES: u64 = 1 << 20;

/// A record that was written.
struct Written {
    lsn: Lsn,
    file: File,
    end: u64,
}

impl Written {
    /// Whether a sync covered it that began after it was written.
    fn is_durable(&self) -> bool {
        self.file.durable.load(SeqCst) >= self.end
    }
}

impl Store {
    fn new(fails: Option<u32>) -> Arc<Self> {
        let medium = Arc::new(Medium {
            fails,
            begun: AtomicU32::new(0),
            ended: AtomicU32::new(0),
            failed: AtomicBool::new(false),
            running: AtomicBool::new(false),
        });
        let latch = Arc::new(Latch::default());
        let syncer = Syncer::new(Arc::clone(&latch), SYNC_BYTES);
        let file = new_file(&medium);
        let segment = SegmentId(1);
        syncer.switch(Segment::opened(&medium, segment, file.clone()), HEADER, Lsn(0));
        let log = Log { file, segment, end: HEADER, next: Lsn(1), told: HEADER };
        Arc::new(Self { medium, latch, syncer, log: shuttle::sync::Mutex::new(log) })
    }

    /// Writes a record of this many bytes, unless the store is latched.
    fn write(&self, bytes: u64) -> Result<Written> {
        let mut log = self.log.lock().unwrap();
        self.check_told(&mut log);
        self.latch.check()?;
        log.end += bytes;
        log.file.written.store(log.end, SeqCst);
        let lsn = log.next;
        log.next = lsn.next();
        self.syncer.wrote(lsn, log.end);
        Ok(Written { lsn, file: log.file.clone(), end: log.end })
    }

    /// The durable length told only grows, and is never more than a sync covered.
    fn check_told(&self, log: &mut Log) {
        let told = self.syncer.synced_len();
        assert!(told >= log.told, "the durable length fell from {} to {told}", log.told);
        let durable = log.file.durable.load(SeqCst);
        assert!(told <= durable, "{told} bytes are said to be durable, {durable} are");
        log.told = told;
    }

    /// Goes on in a new segment, as a checkpoint does.
    fn switch(&self) -> Result<()> {
        let mut log = self.log.lock().unwrap();
        self.check_told(&mut log);
        self.syncer.flush()?;
        assert_eq!(
            log.file.durable.load(SeqCst),
            log.end,
            "a segment is left only when all of it is durable"
        );
        log.segment = log.segment.next();
        log.file = new_file(&self.medium);
        (log.end, log.told) = (HEADER, HEADER);
        let lsn = log.next;
        log.next = lsn.next();
        self.syncer.switch(Segment::opened(&self.medium, log.segment, log.file.clone()), HEADER, lsn);
        Ok(())
    }

    /// Writes and waits as a strict store does. Whether it is acknowledged.
    fn store(&self) -> bool {
        let Ok(written) = self.write(8) else { return false };
        let waited = self.syncer.wait(written.lsn);
        assert!(waited.is_err() || written.is_durable(), "acknowledged before a sync covered it");
        waited.is_ok()
    }

    fn begun(&self) -> u32 {
        self.medium.begun.load(SeqCst)
    }
}

fn new_file(medium: &Arc<Medium>) -> File {
    let len = || Arc::new(AtomicU64::new(HEADER));
    File { medium: Arc::clone(medium), written: len(), durable: len() }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Runs `test` in many orders of events: half of them chosen step by step, half by priorities that change at few places,
/// which finds what needs one thread to be very late.
fn orders(test: impl Fn() + Send + Sync + 'static) {
    let (schedules, seed) = (setting("JAZZ_SYNC_SCHEDULES", 10_000), setting("JAZZ_SYNC_SEED", 1));
    let half = usize::try_from(schedules.div_ceil(2)).unwrap();
    let test = Arc::new(test);
    let run = |scheduler: Box<dyn Scheduler + Send>| {
        let test = Arc::clone(&test);
        shuttle::Runner::new(scheduler, shuttle::Config::new()).run(move || test());
    };
    let all = || {
        run(Box::new(RandomScheduler::new_from_seed(seed, half)));
        run(Box::new(PctScheduler::new_from_seed(seed, 3, half)));
    };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(all)) {
        eprintln!("JAZZ_SYNC_SEED={seed} JAZZ_SYNC_SCHEDULES={schedules}");
        resume_unwind(panic);
    }
}

fn spawn<T: Send + 'static>(
    store: &Arc<Store>,
    work: impl FnOnce(&Store) -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    let store = Arc::clone(store);
    thread::spawn(move || work(&store))
}

const WRITERS: u32 = 4;

#[test]
fn who_waits_is_acknowledged_by_a_sync_that_began_after_the_write_and_syncs_are_shared() {
    static FEWEST: AtomicU32 = AtomicU32::new(u32::MAX);
    orders(|| {
        let store = Store::new(None);
        let writers: Vec<_> = (0..WRITERS).map(|_| spawn(&store, |store| assert!(store.store()))).collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        assert!(store.begun() <= WRITERS, "{} syncs for {WRITERS} writers", store.begun());
        assert_eq!(store.syncer.count(), u64::from(store.begun()));
        FEWEST.fetch_min(store.begun(), SeqCst);
    });
    // Writers who come while one sync runs are served by the next one together.
    assert!(FEWEST.load(SeqCst) <= 2, "in no order did more than two writers share a sync");
}

#[test]
fn a_failed_sync_latches_is_never_tried_again_and_nobody_is_acknowledged_or_left_waiting() {
    static REFUSED: AtomicU32 = AtomicU32::new(0);
    orders(|| {
        let store = Store::new(Some(2));
        let syncer = Arc::clone(&store.syncer);
        let background = thread::spawn(move || syncer.run());
        let writers: Vec<_> =
            (0..WRITERS).map(|_| spawn(&store, |store| (store.store(), store.store()))).collect();
        let refused = writers.into_iter().map(|writer| writer.join().unwrap()).filter(|stored| !stored.1);
        REFUSED.fetch_add(u32::try_from(refused.count()).unwrap(), SeqCst);
        if store.medium.failed.load(SeqCst) {
            // The medium refuses a third sync by itself: here is who would ask for it.
            assert!(store.latch.cause().is_some(), "a failed sync latches");
            assert_eq!(store.medium.ended.load(SeqCst), 1);
            assert!(!store.store(), "nothing is acknowledged after a failed sync");
        }
        store.syncer.stop();
        background.join().unwrap();
    });
    assert!(REFUSED.load(SeqCst) > 0, "the sync that fails was reached");
}

#[test]
fn writers_a_checkpoint_a_flush_and_the_background_thread_never_wait_for_each_other_in_vain() {
    orders(|| {
        let store = Store::new(None);
        let syncer = Arc::clone(&store.syncer);
        let background = thread::spawn(move || syncer.run());
        let mut threads = vec![
            spawn(&store, |store| assert!(store.store() && store.store())),
            spawn(&store, |store| {
                let written = store.write(8).unwrap();
                store.syncer.flush().unwrap();
                assert!(written.is_durable(), "a flush covers what was written before it");
            }),
            spawn(&store, |store| store.switch().and_then(|()| store.write(8)).map(|_| ()).unwrap()),
        ];
        threads.push(spawn(&store, |store| {
            (0..4).for_each(|_| store.check_told(&mut store.log.lock().unwrap()))
        }));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        store.syncer.stop();
        background.join().unwrap();
        store.syncer.flush().unwrap();
        let mut log = store.log.lock().unwrap();
        store.check_told(&mut log);
        assert_eq!(log.told, log.end, "after a flush all is known to be durable");
    });
}

#[test]
fn the_background_thread_syncs_what_nobody_waits_for() {
    orders(|| {
        let store = Store::new(None);
        let syncer = Arc::clone(&store.syncer);
        let background = thread::spawn(move || syncer.run());
        for _ in 0..3 {
            let written = store.write(8).unwrap();
            // If the thread slept through the write, this would never end, which the scheduler reports.
            while !written.is_durable() {
                thread::yield_now();
            }
        }
        store.syncer.stop();
        background.join().unwrap();
    });
}

#[test]
fn the_background_thread_does_not_wait_for_its_interval_once_much_is_written() {
    orders(|| {
        TIMEOUTS.set(false);
        let store = Store::new(None);
        let syncer = Arc::clone(&store.syncer);
        let background = thread::spawn(move || syncer.run());
        let small = store.write(8).unwrap();
        let large = store.write(SYNC_BYTES).unwrap();
        while !large.is_durable() {
            thread::yield_now();
        }
        assert!(small.is_durable());
        store.write(8).unwrap();
        store.syncer.stop();
        background.join().unwrap();
    });
}
