//! The engine: an append-only log of records, an index over it, background maintenance and recovery. It knows keys, rows
//! and records; what they mean is told to it by a [`Schema`].
//!
//! Invariants (docs/design.md, section 9, names their tests):
//! - a record is in the log before any row names it, and a row is visible only together with its record's other rows;
//! - what a record does to the index is a function of the record and of the delta alone, so that replay does again
//!   exactly what the commit did;
//! - readers see the state after some whole number of records, whatever maintenance does meanwhile;
//! - the first failed write or sync latches the store ([`latch`]).
//!
//! Locks are taken in the order maintenance, log, index.

pub mod backup;
pub mod buffer;
pub mod cache;
pub mod check;
#[cfg(test)]
mod checked;
pub mod checkpoint;
pub mod delta;
pub mod latch;
pub mod layers;
pub mod maintenance;
pub mod manifest;
pub mod merge;
pub mod observer;
pub mod part;
mod primitives;
mod read_ahead;
mod recent;
pub mod recovery;
pub mod repair;
pub mod reserve;
pub mod run;
pub mod salvage;
pub mod segment;
pub mod slices;
mod staged;
mod state;
pub mod sync;
mod worker;
mod write;

use crate::error::{Error, Result};
use crate::file::FileIO;
use crate::format::entry::BadEntry;
use crate::format::record::RecordKind;
use crate::format::row::{Group, Key, Value};
use crate::format::{HashKey, Location, Lsn, Ordinal, RunId};
use check::{Checked, Records};
use delta::{Delta, Row, Rows};
use layers::Layers;
use observer::Observer;
use recent::Recent;
use segment::RecordBytes;
use staged::StagedRows;
use state::Core;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

pub use write::Write;

/// What a completed commit promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Survives the end of the process, however it ends. A power cut may lose the last second, but corrupts nothing.
    #[default]
    Relaxed,
    /// Survives a power cut.
    Strict,
    /// Lives as long as the process.
    Memory,
}

/// How an engine works. The defaults suit a server or desktop.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Rows in the delta at which it is written out as a part. Twice as many may be in memory while that goes on.
    pub checkpoint_rows: u64,
    /// Bytes of log at which a segment is sealed and the delta written out.
    pub segment_bytes: u64,
    /// Bytes of the cache of index blocks and pieces of the log.
    pub cache_bytes: u64,
    /// Bytes to read ahead while parts are merged.
    pub buffer_bytes: u64,
    /// Bytes of disk kept at least for erasing and compacting when there is no other room left; a sixteenth of a larger
    /// store.
    pub reserve_bytes: u64,
    /// Bytes of zeros that are written ahead of the log, so that a sync need not write down its growth; 0 for none.
    pub prepare_bytes: u64,
    /// A record of at least so many bytes is read in one go wherever it lies, so it stays where it was written first, if not
    /// too much around it goes.
    pub large_bytes: u32,
    /// Layers of about one size that are merged into one.
    pub fanout: usize,
    /// Layers above which they are merged without rewriting what they point to.
    pub max_layers: usize,
    /// Whether a thread syncs in the background.
    pub background_sync: bool,
    /// Who writes deltas out and merges.
    pub maintained_by: MaintainedBy,
    /// How long a thread puts off what was left to be merged when the store was closed, for a moment without use.
    pub patience: Duration,
}

/// Who does maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaintainedBy {
    /// A thread of the engine's own.
    Thread,
    /// Each commit does a slice of it.
    Commits,
    /// The caller, by [`Engine::maintain`], when it has nothing else to do. A writer that finds the delta full does what it
    /// must.
    Caller,
}

/// What [`EngineOptions::prepare_bytes`] should be where each commit is synced.
pub const PREPARE_BYTES: u64 = 1 << 20;

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            checkpoint_rows: 64_000,
            segment_bytes: 32 << 20,
            cache_bytes: 16 << 20,
            buffer_bytes: 8 << 20,
            reserve_bytes: 1 << 20,
            prepare_bytes: 0,
            large_bytes: 64 << 10,
            fanout: 4,
            max_layers: 12,
            background_sync: true,
            maintained_by: MaintainedBy::Thread,
            patience: Duration::from_secs(2),
        }
    }
}

/// A record as it is applied to the index: when it is committed, and again when the log is replayed.
#[derive(Debug, Clone, Copy)]
pub struct Applied<'a> {
    /// The record's number.
    pub lsn: Lsn,
    /// What it is for.
    pub kind: RecordKind,
    /// Where it lies.
    pub location: Location,
    /// Its body.
    pub body: &'a [u8],
}

/// What rows and records mean.
pub trait Schema: Send + Sync + 'static {
    /// Does to the index, and to the small state that the schema keeps in memory, what the record says.
    fn apply<D: Delta>(&self, record: Applied<'_>, index: &mut IndexWriter<'_, D>) -> Result<(), ApplyError>;
    /// The body of a [`RecordKind::Snapshot`]: the small state.
    fn snapshot(&self, body: &mut Vec<u8>);
    /// Combines the rows that layers hold of one group, newest layer first, into those of one layer, in order; and moves
    /// what they point to next to each other, as far as `records` says that it is to be moved. `oldest`: no older layer
    /// is left, so what only voids older rows can go.
    fn pack(
        &self,
        layers: &[Vec<Row>],
        oldest: bool,
        records: &mut dyn Packer,
        out: &mut Vec<Row>,
    ) -> Result<()>;
    /// Compares the rows that layers hold of one group, newest layer first, with the log. Gives what is wrong, and in `out`
    /// the rows of one layer that say no more than what can be kept, with the place that `renumber` gives in the order of
    /// creation.
    fn check(
        &self,
        layers: &[Vec<Row>],
        renumber: &dyn Fn(Ordinal) -> Ordinal,
        records: &mut dyn Records,
        out: &mut Vec<Row>,
    ) -> Result<Checked>;
    /// What a record says of a group, without its content.
    type Outline: Clone + Send;
    /// What a record says of each group in it. `lsn`: its number, or if it is in a pack, that of the first record of the log
    /// that the pack does not have.
    fn outline(location: Location, lsn: Lsn, body: &[u8]) -> Vec<(Group, Self::Outline)>;
    /// The rows of a group, made from what records say of it.
    fn rows(group: Group, outlines: &[Self::Outline], out: &mut Vec<Row>);
    /// Whether rows of a group make rows of older layers void.
    fn voids(&self, rows: &[Row]) -> bool;
    /// Replaces the rows of one layer, of a group, that rows of `newer` layers make void by rows that say so.
    fn without_void(&self, rows: Vec<Row>, newer: &[Vec<Row>]) -> Vec<Row>;
    /// The records that rows of a group point to, newest layer first, each once.
    fn locations(&self, layers: &[Vec<Row>]) -> Vec<Location>;
}

/// What becomes of a record while its group is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is left where it is.
    Stays,
    /// It must be written anew.
    Goes,
    /// It is written anew if the group is scattered over several files otherwise.
    Either,
}

/// Where records are read from and written to while a group is packed.
pub trait Packer {
    /// The records at these locations.
    fn read(&mut self, locations: &[Location]) -> Result<Vec<RecordBytes>>;
    /// Writes a record with this body.
    fn write(&mut self, body: &[u8]) -> Result<Location>;
    /// The group goes on pointing to this record. Called once for each.
    fn keep(&mut self, location: Location);
    /// Whether any record may be written anew.
    fn moves(&self) -> bool;
    /// What to do with a record.
    fn fate(&self, location: Location) -> Fate;
}

/// Why a record could not be applied.
#[derive(Debug)]
pub enum ApplyError {
    /// Its body is not what the schema writes.
    Record(BadEntry),
    /// The index failed.
    Index(Error),
}

impl From<BadEntry> for ApplyError {
    fn from(bad: BadEntry) -> Self {
        Self::Record(bad)
    }
}

impl From<Error> for ApplyError {
    fn from(error: Error) -> Self {
        Self::Index(error)
    }
}

/// The delta while a record is applied to it.
pub struct IndexWriter<'a, D: Delta> {
    delta: &'a D,
    rows: &'a mut u64,
    created: &'a mut Vec<Group>,
    recent: Option<&'a mut Recent>,
    /// Where rows go instead of the delta, if the record is not written yet.
    staged: Option<&'a mut StagedRows>,
}

impl<D: Delta> IndexWriter<'_, D> {
    /// The delta's row of a key.
    pub fn get(&self, key: &Key) -> Option<Value> {
        let staged = self.staged.as_ref().and_then(|staged| staged.get(key));
        if let Some(value) = staged {
            return Some(*value);
        }
        let kept = self.recent.as_ref().and_then(|recent| recent.get(key));
        kept.unwrap_or_else(|| self.delta.get(key))
    }
    /// Writes a row. `fresh`: the delta has none of this key yet.
    pub fn put(&mut self, key: &Key, value: &Value, fresh: bool) -> Result<()> {
        *self.rows += u64::from(fresh);
        if let Some(staged) = &mut self.staged {
            staged.insert(*key, *value);
            return Ok(());
        }
        self.delta.put(key, value)?;
        if let Some(recent) = &mut self.recent {
            recent.keep(key, Some(*value));
        }
        Ok(())
    }
    /// Adds to the list of CoValues in the order of creation.
    pub fn created(&mut self, group: Group) {
        self.created.push(group);
    }
}

/// The rows of a group in each layer, newest first, and the layers they belong to.
pub type GroupRows<F> = (Vec<Vec<Row>>, Arc<Layers<F>>);

/// The rows of several keys, each newest first, and the layers they belong to.
pub type KeyRows<F> = (Vec<Vec<Value>>, Arc<Layers<F>>);

/// Counters of an engine, for statistics.
#[derive(Debug, Clone, Default)]
pub struct EngineStats {
    /// Records appended since opening.
    pub records: u64,
    /// Bytes appended to the log since opening.
    pub bytes_written: u64,
    /// Bytes of parts and packs written since opening.
    pub bytes_rewritten: u64,
    /// Completed syncs of the log since opening.
    pub syncs: u64,
    /// Deltas written out since opening.
    pub checkpoints: u64,
    /// Slices of merges published since opening.
    pub merges: u64,
    /// Records replayed when the store was opened.
    pub replayed: u64,
    /// Bytes found after the end of the log when the store was opened, and dropped.
    pub discarded: u64,
    /// Rows in memory: in the delta, and in the one being written out.
    pub delta_rows: u64,
    /// Layers.
    pub layers: u64,
    /// Parts of layers.
    pub runs: u64,
    /// Rows in parts.
    pub run_rows: u64,
    /// Bytes of run files.
    pub run_bytes: u64,
    /// Segments of the log, and packs.
    pub segments: u64,
    /// Bytes of them.
    pub log_bytes: u64,
    /// Bytes of packs that are known not to be needed any more.
    pub dead_bytes: u64,
    /// Bytes in the cache of index blocks and pieces of the log.
    pub cache_bytes: u64,
    /// Bytes of filters and block indexes in memory.
    pub resident_bytes: u64,
    /// Why writes are refused, if they are.
    pub latched: Option<String>,
    /// Why maintenance does not go on, if it does not: no room, or damage that it met.
    pub stalled: Option<String>,
}

/// A store's log and index.
pub struct Engine<F: FileIO, S: Schema, D: Delta> {
    core: Arc<Core<F, S, D>>,
    sync_thread: Option<JoinHandle<()>>,
    maintenance_thread: Mutex<Option<JoinHandle<()>>>,
}

impl<F: FileIO, S: Schema, D: Delta> Engine<F, S, D> {
    /// What the records mean.
    pub fn schema(&self) -> &S {
        &self.core.schema
    }

    /// The file system the store is on.
    pub fn io(&self) -> &Arc<F> {
        &self.core.io
    }

    /// The rows of a group in each layer, newest first, and the layers, as one consistent state.
    pub fn group(&self, group: Group, wanted: Rows) -> Result<GroupRows<F>> {
        self.core.group(group, wanted)
    }

    /// Up to `limit` groups in the order of their creation, from `skip` on.
    pub fn created(&self, skip: u64, limit: u64) -> Result<Vec<Group>> {
        self.core.created(skip, limit)
    }

    /// The rows of each key, newest first, and the layers they belong to, as one consistent state.
    pub fn rows(&self, keys: &[Key]) -> Result<KeyRows<F>> {
        self.core.rows(keys)
    }

    /// How many CoValues were created.
    pub fn created_count(&self) -> u64 {
        self.core.created_count()
    }

    /// Starts a change of the store. Other writers wait until it is finished.
    pub fn write(&self) -> Result<Write<'_, F, S, D>> {
        Write::begin(self)
    }

    /// Makes everything committed so far survive a power cut.
    pub fn flush(&self) -> Result<()> {
        self.core.syncer.flush()
    }

    /// Gives what waits until everything committed so far survives a power cut. It does not keep the store open.
    pub fn ticket(&self) -> impl FnOnce() -> Result<()> + Send + use<F, S, D> {
        let syncer = Arc::clone(&self.core.syncer);
        let written = syncer.written();
        move || syncer.wait(written)
    }

    /// Tells an observer of what happens to the store, for as long as it lives; first of what is so already.
    pub fn observe(&self, observer: Weak<dyn Observer>) {
        self.core.observers.add(observer);
    }

    /// Prepares the log for commits that are synced one by one, from now on.
    pub fn expect_syncs(&self) {
        self.core.prepare_bytes.store(PREPARE_BYTES, Ordering::Relaxed);
    }

    /// Writes the delta out as a part now.
    pub fn checkpoint(&self) -> Result<()> {
        self.core.checkpoint()
    }

    /// Does what maintenance is due, to the end.
    pub fn settle(&self) -> Result<()> {
        self.core.settle()
    }

    /// Merges all layers into one and rewrites what is mostly dead, so that nothing that was erased is left on disk.
    pub fn compact(&self) -> Result<()> {
        slices::at_once(self.compact_in_slices())
    }

    /// The same, with pauses.
    pub async fn compact_in_slices(&self) -> Result<()> {
        self.core.compact().await
    }

    /// Does about `work` bytes of what is due, and tells whether more is.
    ///
    /// # Errors
    /// A failure that has latched the store.
    pub fn maintain(&self, work: u64) -> Result<bool> {
        let step = self.core.step(&mut self.core.maintenance(), work)?;
        Ok(matches!(step, maintenance::Step::More))
    }

    /// Counters and sizes at this moment.
    pub fn stats(&self) -> Result<EngineStats> {
        self.core.stats()
    }

    /// Ends the background threads, makes everything durable and writes the delta out, so that the next opening has
    /// next to nothing to replay, and the manifest vouches for all of the log. The store stays readable; writes are
    /// refused.
    pub fn close(&self) -> Result<()> {
        self.core.syncer.stop();
        self.core.bell.stop();
        self.core.close()
    }
}

impl<F: FileIO, S: Schema, D: Delta> Drop for Engine<F, S, D> {
    fn drop(&mut self) {
        // What cannot be written out now is in the log, which the next opening replays.
        let _ = self.close();
        let maintenance =
            self.maintenance_thread.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        for thread in [self.sync_thread.take(), maintenance.take()].into_iter().flatten() {
            let _ = thread.join();
        }
    }
}

/// The names of files that are a store's.
pub fn is_store_file(name: &str) -> bool {
    matches!(name, "LOCK" | "OWNER" | reserve::RESERVE_FILE)
        || salvage::is_aside(name)
        || crate::format::manifest::SLOTS.contains(&name)
        || crate::format::SegmentId::from_file_name(name).is_some()
        || RunId::from_file_name(name).is_some()
}

/// The secret with which a store hashes ids: known before the schema can be made.
pub type MakeSchema<'a, S> = &'a dyn Fn(HashKey) -> S;
