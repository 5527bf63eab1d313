//! Workloads for crashes and failures: scripted steps, and the state that each number of them must leave.
//!
//! This is the one place that knows how a store is opened ([`open`]), with which options ([`options`]), and what can be
//! done to one beside storing ([`UPKEEP`]): each entry there gets a workload of its own.

use super::crashes::make;
use super::{Part, content, lock_row, session_id, try_contents};
use jazz_storage_core::Result;
use jazz_storage_core::engine::{Durability, EngineOptions};
use jazz_storage_core::engine::{MaintainedBy, delta::BfTreeDelta};
use jazz_storage_core::file::FaultFileIO;
use jazz_storage_core::format::wire::decode_message;
use jazz_storage_core::store::content::StoreStatus;
use jazz_storage_core::store::rows::{CoValueId, LockTiming, PeerId, SessionId, SyncStateUpdate};
use jazz_storage_core::store::{BfTreeStorage, ContentStore, ModelStorage, StorageBackend, StoreOptions};
use std::collections::BTreeMap;
use std::time::Duration;

/// The store under test.
pub type Store = BfTreeStorage<FaultFileIO, BfTreeDelta>;

pub fn open(io: FaultFileIO, options: &StoreOptions) -> Result<Store> {
    Store::open(io, options.clone())
}

/// Everything that is maintenance happens inside the step that causes it, so that each run makes the same operations.
pub fn options(durability: Durability, checkpoint_rows: u64, fanout: usize) -> StoreOptions {
    let engine = EngineOptions {
        checkpoint_rows,
        fanout,
        max_layers: 2 * fanout,
        segment_bytes: 64 << 10,
        cache_bytes: 64 << 10,
        buffer_bytes: 64 << 10,
        reserve_bytes: 8 << 10,
        prepare_bytes: if durability == Durability::Strict { 1 << 10 } else { 0 },
        large_bytes: 256,
        background_sync: false,
        maintained_by: MaintainedBy::Commits,
        patience: Duration::ZERO,
    };
    StoreOptions { durability, engine }
}

/// Something done to a store that changes nothing it says.
#[derive(Debug, Clone, Copy)]
pub struct Upkeep {
    pub name: &'static str,
    /// Whether everything before it is durable when it returns, at any level.
    pub flushes: bool,
    pub run: fn(&Store) -> Result<()>,
}

const FLUSH: Upkeep = Upkeep { name: "flush", flushes: true, run: |store| store.flush() };
pub const CHECKPOINT: Upkeep = Upkeep { name: "checkpoint", flushes: true, run: |store| store.checkpoint() };
const SETTLE: Upkeep = Upkeep { name: "settle", flushes: false, run: |store| store.settle() };
const COMPACT: Upkeep = Upkeep { name: "compact", flushes: true, run: |store| store.compact() };

/// What can be done to a store beside storing. A workload for each entry does it every few steps.
pub const UPKEEP: &[Upkeep] = &[FLUSH, CHECKPOINT, SETTLE, COMPACT];

/// One step.
#[derive(Debug, Clone)]
pub enum Step {
    /// Stores in each of these sessions `count` transactions of about `size` bytes, as one message.
    Store { id: usize, sessions: &'static [usize], count: u32, size: usize },
    /// Stores a delete session, which queues the CoValue for erasure.
    Delete { id: usize },
    /// Erases what a CoValue has.
    Erase { id: usize },
    /// Notes whether a CoValue is synced to a peer.
    Track { id: usize, peer: usize, synced: bool },
    /// Forgets about all peers of a CoValue.
    Untrack { id: usize },
    /// Takes the lock, or lets it go.
    Lock { session: usize, now: u32, release: bool },
    /// Closes and opens the store.
    Reopen,
    /// See [`UPKEEP`].
    Upkeep(Upkeep),
}

impl Step {
    /// Whether all steps up to this one are durable when it returns, at any level.
    pub fn is_flush(&self) -> bool {
        matches!(self, Self::Reopen | Self::Upkeep(Upkeep { flushes: true, .. }))
    }

    /// Does what can be done to any store; [`Step::Reopen`] and [`Step::Upkeep`] are the caller's.
    pub fn apply<S: StorageBackend + ContentStore>(&self, storage: &S) -> Result<()> {
        let key = |id: &usize| CoValueId::new(format!("co_z{id}"));
        match self {
            Self::Store { .. } | Self::Delete { .. } => {
                let messages = messages(storage, std::slice::from_ref(self))?;
                let outcome = storage.store(&decode_message(&messages[0])?)?;
                assert_eq!(outcome.status, StoreStatus::Stored);
                Ok(())
            }
            Self::Erase { id } => storage.erase_covalue_but_keep_tombstone(&key(id)).map(|_| ()),
            Self::Track { id, peer, synced } => {
                let peer = PeerId::new(format!("peer{peer}"));
                storage.track_sync_state(&[SyncStateUpdate { id: key(id), peer, synced: *synced }])
            }
            Self::Untrack { id } => storage.stop_tracking_sync_state(&key(id)),
            Self::Lock { session, now, release } => {
                let (session, now) = (SessionId::new(session_id(*session)), f64::from(*now));
                if *release {
                    return storage.release_lock(b"reconcile", &session, now);
                }
                let timing = LockTiming { now, ttl: 5.0, interval: 1.0 };
                storage.try_acquire_lock(b"reconcile", &session, timing).map(|_| ())
            }
            Self::Reopen | Self::Upkeep(_) => Ok(()),
        }
    }
}

/// The messages of steps that store some, each of which goes on where the store stands after those before it.
fn messages<S: StorageBackend>(storage: &S, steps: &[Step]) -> Result<Vec<Vec<u8>>> {
    let mut counts: BTreeMap<(usize, usize), u32> = BTreeMap::new();
    let mut messages = Vec::new();
    for step in steps {
        let (id, sessions, count, size) = match step {
            Step::Store { id, sessions, count, size } => (*id, *sessions, *count, *size),
            Step::Delete { id } => (*id, &[9][..], 1, 0),
            other => panic!("{other:?} stores no message"),
        };
        let known = storage.get_known_state(&CoValueId::new(format!("co_z{id}")))?;
        let known = known.map(|known| known.sessions).unwrap_or_default();
        let parts = sessions.iter().map(|session| {
            let name = session_id(*session);
            let stored = known.iter().find(|(id, _)| id.as_bytes() == name.as_bytes()).map_or(0, |(_, n)| *n);
            let after = counts.get(&(id, *session)).copied().unwrap_or(stored);
            counts.insert((id, *session), after + count);
            Part { session: *session, after, count, size }
        });
        messages.push(content(id, &parts.collect::<Vec<_>>(), matches!(step, Step::Delete { .. })));
    }
    Ok(messages)
}

/// Everything a store says, the lock included.
pub fn everything<S: StorageBackend + ContentStore>(storage: &S) -> Result<Vec<String>> {
    let mut out = try_contents(storage)?;
    out.push(lock_row(storage)?);
    Ok(out)
}

/// A script, how its store is opened, and what it must say after each number of steps.
pub struct Workload {
    pub name: String,
    pub options: StoreOptions,
    pub script: Vec<Step>,
    pub states: Vec<Vec<String>>,
    /// How many messages one after the other are given to the store together.
    batch: usize,
}

impl Workload {
    fn new(
        name: &str,
        durability: Durability,
        (rows, fanout, batch): (u64, usize, usize),
        script: &[Step],
    ) -> Self {
        let model = ModelStorage::new();
        let mut states = vec![everything(&model).unwrap()];
        for step in script {
            step.apply(&model).unwrap();
            states.push(everything(&model).unwrap());
        }
        let name = format!("{name}-{}", if durability == Durability::Strict { "strict" } else { "relaxed" });
        Self { name, options: options(durability, rows, fanout), script: script.to_vec(), states, batch }
    }

    /// How many steps are made together, from the `n`th on.
    pub fn together(&self, n: usize) -> usize {
        let end = (n - n % self.batch + self.batch).min(self.script.len());
        let is_message = |step: &&Step| matches!(step, Step::Store { .. } | Step::Delete { .. });
        self.script.get(n..end).unwrap_or_default().iter().take_while(is_message).count().max(1)
    }

    /// Makes the `n`th step, or it and those that go with it, before `until`. Gives how many were made: at least one. The
    /// store is gone if it could not be opened again.
    pub fn make(
        &self,
        n: usize,
        until: usize,
        storage: &mut Option<Store>,
        io: &FaultFileIO,
    ) -> Result<usize> {
        let steps = &self.script[n..until.min(n + self.together(n))];
        let (Some(store), true) = (&*storage, steps.len() > 1) else {
            return make(&steps[0], storage, io, &self.options).map(|()| 1);
        };
        let messages = messages(store, steps)?;
        let messages: Result<Vec<_>> = messages.iter().map(|bytes| decode_message(bytes)).collect();
        let outcomes = store.store_all(&messages?)?;
        assert!(!outcomes.is_empty() && outcomes.iter().all(|outcome| outcome.status == StoreStatus::Stored));
        Ok(outcomes.len())
    }

    /// The state after all steps.
    pub fn last(&self) -> &[String] {
        self.states.last().unwrap()
    }

    /// Whether a completed step survives a power cut.
    pub fn is_strict(&self) -> bool {
        self.options.durability == Durability::Strict
    }
}

/// A step that stores something: of all sizes up to several pages, in one session or in several.
fn some_store(n: usize) -> Step {
    const SESSIONS: [&[usize]; 4] = [&[0], &[1], &[0, 2], &[2, 1, 3]];
    const SIZES: [usize; 6] = [10, 60, 30, 700, 10, 2_500];
    Step::Store { id: n % 5, sessions: SESSIONS[n % 4], count: 1 + n as u32 % 3, size: SIZES[n % 6] }
}

/// Puts a step after every so many.
fn every(count: usize, step: &Step, steps: Vec<Step>) -> Vec<Step> {
    let with = |(n, other)| if n % count == count - 1 { vec![other, step.clone()] } else { vec![other] };
    steps.into_iter().enumerate().flat_map(with).collect()
}

fn stores(count: usize) -> Vec<Step> {
    (0..count).map(some_store).collect()
}

/// Deletions, erasures, and stores to what was erased.
fn erasures() -> Vec<Step> {
    (0..36)
        .map(|n| match n % 9 {
            3 => Step::Delete { id: n % 5 },
            5 | 8 => Step::Erase { id: (n + 3) % 5 },
            _ => some_store(n),
        })
        .collect()
}

/// Sync state and the lock, over a few stores.
fn small_things() -> Vec<Step> {
    (0..40)
        .map(|n| match n % 8 {
            0 | 5 => some_store(n),
            1 | 2 => Step::Track { id: n % 7, peer: n % 3, synced: false },
            3 => Step::Track { id: (n + 2) % 7, peer: (n + 1) % 3, synced: true },
            4 => Step::Lock { session: n % 3, now: n as u32, release: false },
            6 => Step::Lock { session: (n - 2) % 3, now: n as u32, release: true },
            _ => Step::Untrack { id: n % 7 },
        })
        .collect()
}

/// All workloads, at both levels.
pub fn workloads() -> Vec<Workload> {
    let flushed = |steps| every(8, &Step::Upkeep(FLUSH), steps);
    let mut all = Vec::new();
    for level in [Durability::Strict, Durability::Relaxed] {
        let mut add = |name: &str, rows, fanout, script: Vec<Step>| {
            let batch = if name.ends_with("batches") { 7 } else { 1 };
            all.push(Workload::new(name, level, (rows, fanout, batch), &script));
        };
        add("store", 1_000_000, 8, flushed(stores(30)));
        add("batches", 1_000_000, 8, flushed(stores(30)));
        add("merge-batches", 12, 2, flushed(stores(40)));
        add("erase-batches", 10, 2, flushed(erasures()));
        add("run", 12, 100, flushed(stores(36)));
        add("merge", 8, 2, flushed(stores(40)));
        add("erase", 1_000_000, 8, every(7, &Step::Upkeep(CHECKPOINT), erasures()));
        add("erase-merge", 10, 1, flushed(erasures()));
        add("small", 16, 2, flushed(small_things()));
        add("reopen", 20, 2, every(5, &Step::Reopen, stores(25)));
        for upkeep in UPKEEP {
            let rows = if upkeep.name == "settle" { 6 } else { 1_000_000 };
            let script = every(4, &Step::Upkeep(*upkeep), erasures());
            add(&format!("every-{}", upkeep.name), rows, 2, script);
        }
    }
    all
}
