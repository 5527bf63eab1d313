//! The store: CoValues in the engine's log, found through its index.
//!
//! A content message becomes one record, so all of it is stored or nothing. What a store needs to know beforehand are the
//! counters of the sessions it names: one index row each.

mod backup;
mod check;
mod group;
mod lookup;
mod messages;
mod pack;
mod read;
mod rows;
pub mod schema;
mod transaction;

use crate::engine::check::{OnProgress, Verified};
use crate::engine::delta::{BfTreeDelta, Delta};
use crate::engine::observer::Observer;
use crate::engine::repair::Repaired;
use crate::engine::{Durability, Engine, EngineOptions, EngineStats};
use crate::error::Result;
use crate::file::FileIO;
use crate::format::row::{Group, Tag};
use crate::store::rows::SessionId;
use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle};
use rustc_hash::FxBuildHasher;
use schema::CoValueSchema;
use std::sync::Weak;

/// How a store works.
#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    /// What a completed operation promises.
    pub durability: Durability,
    /// The engine's options.
    pub engine: EngineOptions,
}

/// One session id is kept in memory for so many bytes of cache, so that known states are answered from the index alone.
const CACHE_PER_NAME: u64 = 512;

/// What is allocated at first for a cache of names; it grows into its size.
const FIRST_NAMES: usize = 256;

/// A cache of so many entries. What is asked for are keyed hashes, so that it need not be hashed well.
type Names<K, V> = Cache<K, V, UnitWeighter, FxBuildHasher>;

fn names_cache<K: Eq + std::hash::Hash, V: Clone>(entries: usize) -> Names<K, V> {
    let first = FIRST_NAMES.min(entries);
    Cache::with(first, entries as u64, UnitWeighter, FxBuildHasher, DefaultLifecycle::default())
}

/// A store of CoValues on a bf-tree index.
pub struct BfTreeStorage<F: FileIO, D: Delta = BfTreeDelta> {
    engine: Engine<F, CoValueSchema, D>,
    durability: Durability,
    /// Names of sessions by slot and tag, which are 96 bits of a keyed hash.
    names: Names<(u32, Tag), SessionId>,
    verified: Names<Group, ()>,
}

impl<F: FileIO, D: Delta> BfTreeStorage<F, D> {
    /// Opens the store in `io`'s directory, creating it if the directory is empty or absent.
    ///
    /// # Errors
    /// [`crate::Error::Locked`] if another process has it open; [`crate::Error::ForeignDirectory`],
    /// [`crate::Error::NewerFormat`], [`crate::Error::Corrupt`] and the errors of the file system.
    pub fn open(io: F, options: StoreOptions) -> Result<Self> {
        let mut engine = options.engine;
        engine.background_sync &= options.durability == Durability::Relaxed;
        // Caches of names grow and shrink with the cache of blocks, of which they take about a tenth.
        let scale = (engine.cache_bytes / CACHE_PER_NAME).clamp(1_024, 32 * 1024) as usize;
        Ok(Self {
            engine: Engine::open(io, engine, &CoValueSchema::new)?,
            durability: options.durability,
            names: names_cache(scale),
            verified: names_cache(2 * scale),
        })
    }

    /// Writes the delta of the index out as a run now.
    pub fn checkpoint(&self) -> Result<()> {
        self.engine.checkpoint()
    }

    /// Does what maintenance is due, to the end: deltas are written out, layers merged, packs rewritten.
    pub fn settle(&self) -> Result<()> {
        self.engine.settle()
    }

    /// Does about `work` bytes of what maintenance is due, and tells whether more is.
    ///
    /// # Errors
    /// A failure that has latched the store.
    pub fn maintain(&self, work: u64) -> Result<bool> {
        self.engine.maintain(work)
    }

    /// Writes everything out, merges all layers of the index into one and rewrites what is mostly dead, so that nothing
    /// that was erased is left on disk. Loads and stores go on meanwhile.
    pub fn compact(&self) -> Result<()> {
        self.engine.compact()
    }

    /// The same, with pauses (see [`crate::engine::slices`]).
    pub async fn compact_in_slices(&self) -> Result<()> {
        self.engine.compact_in_slices().await
    }

    /// Verifies every checksum, and every row of the index against the log. Loads and stores go on meanwhile.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`] if `on_progress` gives false, and failures to read. Damage is in the report.
    pub fn verify(&self, on_progress: OnProgress<'_>) -> Result<Verified> {
        self.engine.verify(on_progress)
    }

    /// The same, with pauses.
    ///
    /// # Errors
    /// Those of [`BfTreeStorage::verify`].
    pub async fn verify_in_slices(&self, on_progress: OnProgress<'_>) -> Result<Verified> {
        self.engine.verify_in_slices(on_progress).await
    }

    /// Makes a store that opens, and holds all that can be kept, of one that is damaged: indexes are made anew, damaged
    /// records are set aside in a file, and sessions end at their last good signature, so that a node can fetch the rest
    /// again. The report says what is missing. Nobody may have the store open.
    ///
    /// # Errors
    /// [`crate::Error::Locked`], [`crate::Error::NewerFormat`], [`crate::Error::Cancelled`] if `on_progress` gives false,
    /// [`crate::Error::Corrupt`] if nothing is there that could be repaired, and failures to read or write.
    pub fn repair(io: F, options: StoreOptions, on_progress: OnProgress<'_>) -> Result<Repaired> {
        Engine::<F, CoValueSchema, D>::repair(io, options.engine, &CoValueSchema::new, on_progress)
    }

    /// Makes everything stored so far survive a power cut.
    pub fn flush(&self) -> Result<()> {
        self.engine.flush()
    }

    /// Prepares for operations that are made durable one by one, from now on.
    pub fn expect_syncs(&self) {
        self.engine.expect_syncs();
    }

    /// Gives what waits until everything stored so far survives a power cut. It does not keep the store open.
    pub fn ticket(&self) -> impl FnOnce() -> Result<()> + Send + use<F, D> {
        self.engine.ticket()
    }

    /// Tells an observer of what happens to the store, for as long as it lives; first of what is so already.
    pub fn observe(&self, observer: Weak<dyn Observer>) {
        self.engine.observe(observer);
    }

    /// Counters and sizes at this moment.
    pub fn stats(&self) -> Result<EngineStats> {
        self.engine.stats()
    }

    /// Makes everything durable and readies the store for a fast next opening. Writes are refused from now on.
    pub fn close(&self) -> Result<()> {
        self.engine.close()
    }

    /// Whether the store's directory still is where it was opened: its lock file exists.
    pub fn is_in_place(&self) -> bool {
        self.engine.io().exists("LOCK").unwrap_or(false)
    }

    /// What a completed operation promises.
    pub fn durability(&self) -> Durability {
        self.durability
    }
}
