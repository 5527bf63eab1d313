//! Many threads on one store: writers, readers, erasures, compactions, and maintenance in the background.
//!
//! All content follows from names and numbers, so each load can be checked by itself: it must be the state after some
//! number of each writer's messages, not before those acknowledged when it began and not after those begun when it ended,
//! with exactly the transactions and signatures that belong there. A message adds to two sessions at once, which no load
//! may see apart; an erasure takes all of a CoValue or nothing.
//!
//! `JAZZ_THREADS_SECONDS` and `JAZZ_THREADS_SEED` make it longer and other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use jazz_storage_core::engine::{EngineOptions, MaintainedBy};
use jazz_storage_core::file::{FileIO, InMemoryFileIO, StdFileIO};
use jazz_storage_core::format::tx;
use jazz_storage_core::format::wire::{OwnedMessage, OwnedSession, StoreStatus, decode_message};
use jazz_storage_core::store::content::{LoadedCoValue, Piece};
use jazz_storage_core::store::rows::CoValueId;
use jazz_storage_core::store::{BfTreeStorage, ContentStore, StorageBackend, StoreOptions};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use support::compare::apart;
use support::private_tx;
use support::random::{Random, setting};
use support::subjects::tiny;

const WRITERS: usize = 3;
const READERS: usize = 3;
/// CoValues of an epoch that all writers write to. Each writer has another one to itself, which it erases in the end.
const SHARED: usize = 3;
const SLOTS: usize = SHARED + WRITERS;
/// Messages of each writer to each CoValue of an epoch.
const MESSAGES: u32 = 40;
/// More epochs than there is time for.
const EPOCHS: usize = 5_000;
/// How long a round on one store takes at most.
const ROUND: Duration = Duration::from_secs(10);
/// Nothing takes so long.
const DEADLOCK: Duration = Duration::from_secs(120);

/// How far a writer has come with a CoValue, in messages.
#[derive(Default)]
struct Progress {
    begun: AtomicU32,
    done: AtomicU32,
    erasing: AtomicBool,
    erased: AtomicBool,
}

/// A CoValue, by its epoch and its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Name {
    epoch: usize,
    slot: usize,
}

impl Name {
    fn id(self) -> CoValueId {
        CoValueId::new(format!("co_z{}_{}", self.epoch, self.slot))
    }
    fn header(self) -> Vec<u8> {
        format!(r#"{{"epoch":{},"slot":{}}}"#, self.epoch, self.slot).into_bytes()
    }
    /// A message to it.
    fn message(self, delete_is_valid: bool, sessions: Vec<OwnedSession>) -> Vec<u8> {
        let (id, header) = (self.id().as_bytes().to_vec(), Some(self.header()));
        OwnedMessage { id, header, delete_is_valid, chunk_threshold: 100.0, sessions }.encode().unwrap()
    }
    /// Whether this writer writes to it.
    fn is_of(self, writer: usize) -> bool {
        self.slot < SHARED || self.slot == SHARED + writer
    }
    fn tx(self, writer: usize, session: usize, n: u32) -> Vec<u8> {
        let long = if (n as usize + self.slot).is_multiple_of(37) { 3_000 } else { n as usize % 50 };
        let changes = format!("{}_{}_{writer}_{session}_{n}_{}", self.epoch, self.slot, "x".repeat(long));
        private_tx(n, &format!("key_{writer}"), &changes)
    }
    fn signature(self, writer: usize, session: usize, count: u32) -> Vec<u8> {
        format!("signature_{}_{}_{writer}_{session}_{count}", self.epoch, self.slot).into_bytes()
    }
}

fn session_id(writer: usize, session: usize) -> Vec<u8> {
    format!("co_w{writer}_session_z{session}").into_bytes()
}

fn delete_session(writer: usize) -> Vec<u8> {
    format!("co_w{writer}_session_d$").into_bytes()
}

/// Transactions of each session after so many messages.
fn count(messages: u32) -> u32 {
    (0..messages).map(|n| 1 + n % 3).sum()
}

/// After how many messages a session has so many transactions.
fn messages(counter: u32) -> u32 {
    let found = (0..=MESSAGES).find(|n| count(*n) == counter);
    found.unwrap_or_else(|| panic!("no number of messages has {counter} transactions"))
}

struct World<F: FileIO> {
    store: BfTreeStorage<F>,
    progress: Vec<Progress>,
    /// Epochs that some writer has begun.
    epochs: AtomicU32,
    stop: AtomicBool,
}

/// What a reader has seen of a CoValue, so that nothing ever goes back.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    messages: [u32; WRITERS],
    erased: bool,
}

impl<F: FileIO> World<F> {
    fn progress(&self, name: Name, writer: usize) -> &Progress {
        &self.progress[(name.epoch * SLOTS + name.slot) * WRITERS + writer]
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Stores messages, several of them together.
    fn store(&self, messages: &[Vec<u8>]) {
        let messages: Vec<_> = messages.iter().map(|bytes| decode_message(bytes).unwrap()).collect();
        let outcomes = match &messages[..] {
            [message] => vec![self.store.store(message).unwrap()],
            messages => self.store.store_all(messages).unwrap(),
        };
        assert_eq!(outcomes.len(), messages.len());
        for (outcome, message) in outcomes.iter().zip(&messages) {
            assert_eq!(outcome.status, StoreStatus::Stored);
            assert!(outcome.is_exact(message), "{outcome:?}");
        }
    }

    fn write(&self, writer: usize) {
        for epoch in 0..EPOCHS {
            self.epochs.fetch_max(epoch as u32 + 1, Ordering::SeqCst);
            let names = (0..SLOTS).map(|slot| Name { epoch, slot });
            let names: Vec<Name> = names.filter(|name| name.is_of(writer)).collect();
            for n in 0..MESSAGES {
                for names in names.chunks(if n % 2 == 0 { 1 } else { names.len() }) {
                    if self.stopped() {
                        return;
                    }
                    let (from, to) = (count(n), count(n + 1));
                    let content = |name: &Name| {
                        let sessions = (0..2).map(|session| OwnedSession {
                            session: session_id(writer, session),
                            after: from,
                            last_signature: name.signature(writer, session, to),
                            txs: (from..to).map(|n| name.tx(writer, session, n)).collect(),
                        });
                        name.message(false, sessions.collect())
                    };
                    let of_each = || names.iter().map(|name| self.progress(*name, writer));
                    of_each().for_each(|progress| progress.begun.store(n + 1, Ordering::SeqCst));
                    self.store(&names.iter().map(content).collect::<Vec<_>>());
                    of_each().for_each(|progress| progress.done.store(n + 1, Ordering::SeqCst));
                }
            }
            let own = Name { epoch, slot: SHARED + writer };
            let delete = OwnedSession {
                session: delete_session(writer),
                after: 0,
                last_signature: b"signature_delete".to_vec(),
                txs: vec![private_tx(0, "key", "delete")],
            };
            let progress = self.progress(own, writer);
            progress.erasing.store(true, Ordering::SeqCst);
            self.store(&[own.message(true, vec![delete])]);
            assert!(self.store.erase_covalue_but_keep_tombstone(&own.id()).unwrap());
            progress.erased.store(true, Ordering::SeqCst);
        }
    }

    /// What was acknowledged, and so must be seen from now on.
    fn acknowledged(&self, name: Name, mut seen: Seen) -> Seen {
        for (writer, messages) in seen.messages.iter_mut().enumerate() {
            let progress = self.progress(name, writer);
            *messages = (*messages).max(progress.done.load(Ordering::SeqCst));
            seen.erased |= progress.erased.load(Ordering::SeqCst);
        }
        seen
    }

    /// Takes counters as one state, not older than `least` and not newer than what was begun. `text` tells about it.
    fn state(
        &self,
        name: Name,
        least: Seen,
        counter: impl Fn(&[u8]) -> u32,
        text: &dyn Fn() -> String,
    ) -> Seen {
        let mut state = least;
        let own = name.slot.checked_sub(SHARED);
        let deleting = own.is_some_and(|writer| counter(&delete_session(writer)) > 0);
        if let Some(writer) = own.filter(|_| deleting) {
            assert!(self.progress(name, writer).erasing.load(Ordering::SeqCst), "{name:?}: {}", text());
            state.erased |= counter(&session_id(writer, 0)) == 0;
        }
        for writer in (0..WRITERS).filter(|writer| name.is_of(*writer)) {
            let [first, second] = [0, 1].map(|session| counter(&session_id(writer, session)));
            assert_eq!(first, second, "{name:?}: half of a message of writer {writer}: {}", text());
            if state.erased {
                assert_eq!(first, 0, "{name:?}: what was erased is there (again): {}", text());
                continue;
            }
            let seen = messages(first);
            let least = least.messages[writer];
            let most = self.progress(name, writer).begun.load(Ordering::SeqCst);
            assert!(
                (least..=most).contains(&seen),
                "{name:?}: writer {writer}: {seen} of {least} to {most}: {}",
                text()
            );
            state.messages[writer] = seen;
        }
        if least.erased {
            assert!(deleting, "{name:?}: the tombstone is gone: {}", text());
        }
        state
    }

    fn check_piece(&self, name: Name, session: &[u8], piece: &Piece) {
        let Some((signature, txs)) = &piece.content else { return };
        let txs = tx::split(txs, piece.count).unwrap();
        let whose = (0..WRITERS).flat_map(|w| [(w, 0), (w, 1)]).find(|(w, s)| session_id(*w, *s) == session);
        let Some((writer, number)) = whose else {
            assert_eq!((piece.after, &txs[..]), (0, &[private_tx(0, "key", "delete")][..]));
            return;
        };
        let end = piece.after + piece.count;
        assert_eq!(
            signature.as_bytes(),
            name.signature(writer, number, end),
            "{name:?}: {}..{end}",
            piece.after
        );
        for (n, tx) in (piece.after..).zip(txs) {
            assert_eq!(tx, name.tx(writer, number, n), "{name:?}: transaction {n} of {writer} {number}");
        }
    }

    fn check_load(&self, name: Name, least: Seen, loaded: &LoadedCoValue) -> Seen {
        assert_eq!(loaded.header, name.header());
        apart(loaded);
        let counter =
            |id: &[u8]| loaded.sessions.iter().find(|s| s.session.as_bytes() == id).map_or(0, |s| s.counter);
        let state = self.state(name, least, counter, &|| format!("{loaded:?}"));
        for session in &loaded.sessions {
            for piece in &session.pieces {
                self.check_piece(name, session.session.as_bytes(), piece);
            }
        }
        state
    }

    /// Loads the pieces that a load left out, and checks them.
    fn load_pieces(&self, name: Name, loaded: &LoadedCoValue, random: &mut Random) {
        for session in &loaded.sessions {
            let left_out = session.pieces.iter().filter(|piece| piece.content.is_none());
            for piece in left_out.filter(|_| random.below(3) == 0) {
                let id = name.id();
                let session = session.session.as_bytes();
                let got = self.store.load_piece(id.as_bytes(), session, piece.after, piece.count).unwrap();
                let Some(got) = got else {
                    // Only erasing takes a piece away.
                    assert!(name.slot >= SHARED, "{name:?}: {piece:?} is gone");
                    assert!(self.progress(name, name.slot - SHARED).erasing.load(Ordering::SeqCst));
                    continue;
                };
                assert_eq!(got.after, piece.after);
                assert_eq!(got.count, piece.count);
                self.check_piece(name, session, &got);
            }
        }
    }

    fn read(&self, seed: u64) {
        let mut random = Random(seed);
        let mut seen: HashMap<Name, Seen> = HashMap::new();
        let mut ids: Vec<CoValueId> = Vec::new();
        while !self.stopped() {
            let epochs = self.epochs.load(Ordering::SeqCst) as usize;
            if epochs == 0 {
                continue;
            }
            // The newest epochs most of the time.
            let back = if random.below(4) == 0 { random.below(epochs as u64) } else { random.below(2) };
            let epoch = (epochs - 1).saturating_sub(back as usize);
            let name = Name { epoch, slot: random.below(SLOTS as u64) as usize };
            let id = name.id();
            let before = seen.get(&name).copied().unwrap_or_default();
            let least = self.acknowledged(name, before);
            let must_be = least.erased || least.messages.iter().any(|messages| *messages > 0);
            let state = match random.below(8) {
                0 => {
                    let known = self.store.get_known_state(&id).unwrap();
                    assert!(known.is_some() || !must_be, "{name:?} is not known");
                    known.map(|known| {
                        let counter = |id: &[u8]| {
                            known.sessions.iter().find(|s| s.0.as_bytes() == id).map_or(0, |s| s.1)
                        };
                        self.state(name, least, counter, &|| format!("{known:?}"))
                    })
                }
                1 => {
                    // The order of creation only grows, whatever maintenance does.
                    let now = self.store.covalue_ids(u32::MAX, 0).unwrap();
                    assert!(now.starts_with(&ids), "the list of ids changed before its end");
                    assert!(!must_be || now.contains(&id), "{name:?} is not listed");
                    ids = now;
                    None
                }
                kind => {
                    let budget = [0, 500, 4_000, u64::MAX][kind as usize % 4];
                    let loaded = self.store.load(id.as_bytes(), budget).unwrap();
                    assert!(loaded.is_some() || !must_be, "{name:?} is not there");
                    loaded.map(|loaded| {
                        let state = self.check_load(name, least, &loaded);
                        self.load_pieces(name, &loaded, &mut random);
                        state
                    })
                }
            };
            if let Some(state) = state {
                seen.insert(name, state);
            }
        }
    }

    fn upkeep(&self, seed: u64) {
        let mut random = Random(seed);
        while !self.stopped() {
            match random.below(4) {
                0 => self.store.checkpoint().unwrap(),
                1 => self.store.settle().unwrap(),
                2 => self.store.compact().unwrap(),
                _ => drop(self.store.stats().unwrap()),
            }
            std::thread::sleep(Duration::from_millis(random.below(20)));
        }
    }

    /// Everything at rest is what was acknowledged.
    fn compare(&self) -> usize {
        let epochs = self.epochs.load(Ordering::SeqCst) as usize;
        let mut ids = Vec::new();
        for name in (0..epochs).flat_map(|epoch| (0..SLOTS).map(move |slot| Name { epoch, slot })) {
            let least = self.acknowledged(name, Seen::default());
            match self.store.load(name.id().as_bytes(), u64::MAX).unwrap() {
                Some(loaded) => {
                    let state = self.check_load(name, least, &loaded);
                    assert_eq!(state.erased, least.erased, "{name:?}");
                    assert!(least.erased || state.messages == least.messages, "{name:?}");
                    ids.push(name.id());
                }
                None => assert!(!least.erased && least.messages == [0; WRITERS], "{name:?} is gone"),
            }
        }
        let mut listed = self.store.covalue_ids(u32::MAX, 0).unwrap();
        listed.sort();
        ids.sort();
        assert_eq!(listed, ids);
        assert_eq!(self.store.pending_deletions().unwrap(), []);
        ids.len()
    }
}

/// Lets the others stop if a thread ends by a panic.
struct StopOnPanic<'a>(&'a AtomicBool);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}

fn options(random: &mut Random) -> StoreOptions {
    let engine = EngineOptions {
        checkpoint_rows: [8, 60, 300][random.below(3) as usize],
        segment_bytes: [2_000, 16_000, 64_000][random.below(3) as usize],
        cache_bytes: 64 << 10,
        buffer_bytes: 64 << 10,
        fanout: 2 + random.below(3) as usize,
        max_layers: 6 + random.below(4) as usize,
        background_sync: true,
        maintained_by: if random.below(4) == 0 { MaintainedBy::Commits } else { MaintainedBy::Thread },
        ..tiny()
    };
    StoreOptions { engine, ..StoreOptions::default() }
}

/// What a thread does.
type Work<F> = Box<dyn FnOnce(&World<F>) + Send>;

/// One round on an empty store. `directory` gives the same directory each time.
fn round<F: FileIO>(directory: impl Fn() -> F, time: Duration, seed: u64) {
    let mut random = Random(seed);
    let options = options(&mut random);
    println!("a round of {time:?}, seed {seed}: {:?}", options.engine);
    let open = || BfTreeStorage::open(directory(), options.clone()).unwrap();
    let progress = || (0..EPOCHS * SLOTS * WRITERS).map(|_| Progress::default()).collect();
    let (epochs, stop) = (AtomicU32::new(0), AtomicBool::new(false));
    let mut world = Arc::new(World { store: open(), progress: progress(), epochs, stop });
    let (tell, ended) = mpsc::channel::<()>();
    let start = |work: Work<F>| {
        let (world, tell) = (Arc::clone(&world), tell.clone());
        std::thread::spawn(move || {
            let stop = StopOnPanic(&world.stop);
            work(&world);
            drop(stop);
            drop(world);
            drop(tell);
        })
    };
    let mut threads = Vec::new();
    for writer in 0..WRITERS {
        threads.push(start(Box::new(move |world| world.write(writer))));
    }
    for _ in 0..READERS {
        let seed = random.next();
        threads.push(start(Box::new(move |world| world.read(seed))));
    }
    let seed = random.next();
    threads.push(start(Box::new(move |world| world.upkeep(seed))));
    drop(tell);
    let begun = Instant::now();
    while begun.elapsed() < time && !world.stopped() {
        std::thread::sleep(Duration::from_millis(20));
    }
    world.stop.store(true, Ordering::SeqCst);
    // The channel closes when all threads have ended.
    let waited = ended.recv_timeout(DEADLOCK);
    assert_eq!(waited, Err(mpsc::RecvTimeoutError::Disconnected), "a deadlock: threads do not end");
    for thread in threads {
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }
    let covalues = world.compare();
    let stats = world.store.stats().unwrap();
    println!(
        "{covalues} CoValues, {} records, {} checkpoints, {} slices merged",
        stats.records, stats.checkpoints, stats.merges
    );
    assert!(stats.checkpoints > 0 && stats.merges > 0, "{stats:?}");
    // Closed and opened again, all is the same; and once more when all of it was merged.
    let closed = Arc::get_mut(&mut world).expect("all threads have ended");
    closed.store.close().unwrap();
    let World { progress, epochs, stop, store } = Arc::into_inner(world).expect("all threads have ended");
    drop(store);
    let world = World { store: open(), progress, epochs, stop };
    assert_eq!(world.compare(), covalues);
    world.store.compact().unwrap();
    assert_eq!(world.compare(), covalues);
}

fn rounds<F: FileIO, D: Fn() -> F>(mut directory: impl FnMut() -> D) {
    let (seconds, seed) = (setting("JAZZ_THREADS_SECONDS", 2), setting("JAZZ_THREADS_SEED", 1));
    let (begun, all) = (Instant::now(), Duration::from_secs(seconds));
    let mut seeds = Random(seed);
    // At least two rounds, so that more than one set of options is met.
    while let Some(left) = all.checked_sub(begun.elapsed()) {
        let time = left.min(ROUND).min(all / 2).max(Duration::from_millis(200));
        let seed = seeds.next();
        let result =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| round(directory(), time, seed)));
        if let Err(panic) = result {
            eprintln!(
                "JAZZ_THREADS_SEED={}: failed in the round of seed {seed}",
                setting("JAZZ_THREADS_SEED", 1)
            );
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn threads_in_memory_see_consistent_states() {
    rounds(|| {
        let io = InMemoryFileIO::new();
        move || io.clone()
    });
}

#[test]
fn threads_on_disk_see_consistent_states() {
    rounds(|| {
        let directory = tempfile::tempdir().unwrap();
        move || StdFileIO::new(directory.path().join("store"))
    });
}
