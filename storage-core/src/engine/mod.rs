//! The engine: an append-only log of records, an index over it, checkpoints and recovery. It knows keys, rows and
//! records; what they mean is told to it by a [`Schema`].
//!
//! Invariants (docs/design.md, section 9, names their tests):
//! - a record is in the log before any row names it, and a row is visible only together with its record's other rows;
//! - what a record does to the index is a function of the record and of the delta alone, so that replay does again
//!   exactly what the commit did;
//! - readers see the state after some whole number of records;
//! - the first failed write or sync latches the store ([`latch`]).

pub mod cache;
pub mod checkpoint;
pub mod delta;
pub mod latch;
pub mod layers;
pub mod manifest;
pub mod pack;
pub mod recovery;
pub mod run;
pub mod segment;
pub mod sync;

use crate::error::{Error, Result};
use crate::file::{FileHandle, FileIO};
use crate::format::entry::BadEntry;
use crate::format::manifest::{Manifest, SegmentEntry};
use crate::format::record::{self, MAX_BODY, RecordKind};
use crate::format::row::{Group, Key, Value};
use crate::format::{HashKey, Location, Lsn, RunId};
use cache::ReadCache;
use delta::{Delta, Row};
use latch::Latch;
use layers::Layers;
use run::RunFile;
use segment::{RecordBytes, Segment};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;
use sync::Syncer;

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
    /// Rows in the delta at which it is written out as a run.
    pub checkpoint_rows: u64,
    /// Bytes of log at which a segment is sealed and the delta written out.
    pub segment_bytes: u64,
    /// Bytes of the cache of index blocks and pieces of the log.
    pub cache_bytes: u64,
    /// Runs above which all are merged into one.
    pub max_runs: usize,
    /// Whether a thread syncs in the background.
    pub background_sync: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            checkpoint_rows: 64_000,
            segment_bytes: 32 << 20,
            cache_bytes: 16 << 20,
            max_runs: 8,
            background_sync: true,
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
    /// Rewrites what one group's rows in the delta point to, next to each other, and gives the rows that point there.
    /// `oldest` is as for [`Schema::merge`].
    fn pack(&self, rows: &[Row], oldest: bool, records: &mut dyn Packer, out: &mut Vec<Row>) -> Result<()>;
    /// Combines the rows that several layers hold of one group, newest layer first, into those of one layer, in order.
    /// `oldest`: no older layer is left, so what only voids older rows can go.
    fn merge(&self, layers: &[Vec<Row>], oldest: bool, out: &mut Vec<Row>);
}

/// Where records are read from and written to while a group is packed.
pub trait Packer {
    /// The records at these locations.
    fn read(&mut self, locations: &[Location]) -> Result<Vec<RecordBytes>>;
    /// Writes a record with this body.
    fn write(&mut self, body: &[u8]) -> Result<Location>;
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
}

impl<D: Delta> IndexWriter<'_, D> {
    /// The delta's row of a key.
    pub fn get(&self, key: &Key) -> Option<Value> {
        self.delta.get(key)
    }
    /// Writes a row. `fresh`: the delta has none of this key yet.
    pub fn put(&mut self, key: &Key, value: &Value, fresh: bool) -> Result<()> {
        self.delta.put(key, value)?;
        *self.rows += u64::from(fresh);
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

/// What readers see.
struct Index<F: FileIO, D: Delta> {
    delta: D,
    /// Rows in the delta.
    rows: u64,
    /// CoValues created since the runs, and how many before.
    created: Vec<Group>,
    created_before: u64,
    layers: Arc<Layers<F>>,
}

/// Files to be removed.
struct Retired<F: FileIO> {
    runs: Vec<Arc<RunFile<F>>>,
    segments: Vec<Arc<Segment<F>>>,
}

/// What writers have.
struct Log<F: FileIO> {
    active: Arc<Segment<F>>,
    /// Where the next record goes.
    end: u64,
    /// Up to where the manifest says the active segment is durable; 0 if it does not name that segment.
    marked: u64,
    next: Lsn,
    /// Segments sealed since the last run.
    sealed: Vec<SegmentEntry>,
    manifest: Manifest,
    /// Rows at which the next checkpoint is tried; put off after one failed for want of space.
    checkpoint_at: u64,
    segment_limit: u64,
    /// Files that no manifest slot names any more, but perhaps a reader has open.
    retired: Retired<F>,
    buffer: Vec<u8>,
    closed: bool,
}

/// Counters of an engine, for statistics.
#[derive(Debug, Clone, Default)]
pub struct EngineStats {
    /// Records appended since opening.
    pub records: u64,
    /// Bytes appended since opening.
    pub bytes_written: u64,
    /// Completed syncs of the log since opening.
    pub syncs: u64,
    /// Checkpoints since opening.
    pub checkpoints: u64,
    /// Records replayed when the store was opened.
    pub replayed: u64,
    /// Bytes found after the end of the log when the store was opened, and dropped.
    pub discarded: u64,
    /// Rows in the delta.
    pub delta_rows: u64,
    /// Runs.
    pub runs: u64,
    /// Rows in runs.
    pub run_rows: u64,
    /// Bytes of run files.
    pub run_bytes: u64,
    /// Log segments.
    pub segments: u64,
    /// Bytes of log segments.
    pub log_bytes: u64,
    /// Bytes in the cache of index blocks and pieces of the log.
    pub cache_bytes: u64,
    /// Bytes of filters and block indexes in memory.
    pub resident_bytes: u64,
    /// Why writes are refused, if they are.
    pub latched: Option<String>,
}

/// A store's log and index.
pub struct Engine<F: FileIO, S: Schema, D: Delta> {
    io: Arc<F>,
    schema: S,
    options: EngineOptions,
    log: Mutex<Log<F>>,
    index: RwLock<Index<F, D>>,
    cache: Arc<ReadCache>,
    latch: Arc<Latch>,
    syncer: Arc<Syncer<F>>,
    background: Option<JoinHandle<()>>,
    counters: Mutex<EngineStats>,
    _lock: F::Lock,
}

impl<F: FileIO, S: Schema, D: Delta> Engine<F, S, D> {
    fn log(&self) -> MutexGuard<'_, Log<F>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn index(&self) -> RwLockReadGuard<'_, Index<F, D>> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }
    fn index_mut(&self) -> RwLockWriteGuard<'_, Index<F, D>> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
    fn count(&self, change: impl FnOnce(&mut EngineStats)) {
        change(&mut self.counters.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What the records mean.
    pub fn schema(&self) -> &S {
        &self.schema
    }

    /// The file system the store is on.
    pub fn io(&self) -> &Arc<F> {
        &self.io
    }

    /// The rows of a group in each layer, newest first, and the layers, as one consistent state.
    pub fn group(&self, group: Group) -> Result<GroupRows<F>> {
        let mut out = Vec::new();
        let layers = {
            let index = self.index();
            let mut rows = Vec::new();
            index.delta.group(group, &mut rows)?;
            if !rows.is_empty() {
                out.push(rows);
            }
            Arc::clone(&index.layers)
        };
        layers.group(group, &mut out)?;
        Ok((out, layers))
    }

    /// Up to `limit` groups in the order of their creation, from `skip` on.
    pub fn created(&self, skip: u64, limit: u64) -> Result<Vec<Group>> {
        let mut out = Vec::new();
        let (recent, layers) = {
            let index = self.index();
            let from = skip.saturating_sub(index.created_before);
            let missing = index.created_before.saturating_sub(skip).min(limit);
            let recent: Vec<Group> =
                index.created.iter().skip(from as usize).take((limit - missing) as usize).copied().collect();
            (recent, Arc::clone(&index.layers))
        };
        layers.created(skip, limit, &mut out)?;
        out.extend(recent);
        Ok(out)
    }

    /// The rows of each key, newest first, and the layers they belong to, as one consistent state.
    pub fn rows(&self, keys: &[Key]) -> Result<KeyRows<F>> {
        let (mut rows, layers): (Vec<Vec<Value>>, _) = {
            let index = self.index();
            (
                keys.iter().map(|key| index.delta.get(key).into_iter().collect()).collect(),
                Arc::clone(&index.layers),
            )
        };
        for (key, values) in keys.iter().zip(&mut rows) {
            values.extend(layers.get_all(key)?);
        }
        Ok((rows, layers))
    }

    /// How many CoValues were created.
    pub fn created_count(&self) -> u64 {
        let index = self.index();
        index.created_before + index.created.len() as u64
    }

    /// Starts a change of the store. Other writers wait until it is finished.
    pub fn write(&self) -> Result<Write<'_, F, S, D>> {
        self.latch.check()?;
        let mut log = self.log();
        if log.closed {
            return Err(Error::Internal("the engine is closed".to_owned()));
        }
        record::start(&mut log.buffer);
        Ok(Write { engine: self, log, last: None, appending: false })
    }

    /// Makes everything committed so far survive a power cut.
    pub fn flush(&self) -> Result<()> {
        self.syncer.flush()
    }

    /// Counters and sizes at this moment.
    pub fn stats(&self) -> Result<EngineStats> {
        let mut stats = self.counters.lock().unwrap_or_else(PoisonError::into_inner).clone();
        stats.syncs += self.syncer.count();
        let (log_end, sealed): (u64, Vec<SegmentEntry>) = {
            let log = self.log();
            let runs = log.manifest.runs.iter().flat_map(|r| r.segments.iter().copied());
            (log.end, runs.chain(log.sealed.iter().copied()).collect())
        };
        stats.segments = sealed.len() as u64 + 1;
        stats.log_bytes = log_end + sealed.iter().map(|s| s.len).sum::<u64>();
        let index = self.index();
        stats.delta_rows = index.rows;
        stats.runs = index.layers.runs.len() as u64;
        for run in &index.layers.runs {
            stats.run_rows += run.rows();
            stats.run_bytes += run.file_len();
            stats.resident_bytes += run.resident_bytes();
        }
        stats.cache_bytes = self.cache.weight();
        stats.latched = self.latch.cause().map(ToString::to_string);
        Ok(stats)
    }

    /// Ends the background thread, makes everything durable and writes the delta out, so that the next opening has
    /// nothing to replay, and the manifest vouches for all of the log. The store stays readable; writes are refused.
    pub fn close(&self) -> Result<()> {
        self.syncer.stop();
        let mut log = self.log();
        if std::mem::replace(&mut log.closed, true) || self.latch.cause().is_some() {
            return Ok(());
        }
        self.syncer.flush()?;
        if log.end > log.marked { self.checkpoint_log(&mut log) } else { Ok(()) }
    }
}

impl<F: FileIO, S: Schema, D: Delta> Drop for Engine<F, S, D> {
    fn drop(&mut self) {
        // What cannot be written out now is in the log, which the next opening replays.
        let _ = self.close();
        if let Some(thread) = self.background.take() {
            let _ = thread.join();
        }
    }
}

/// One change of the store: reads for deciding, one record, its effect on the index.
pub struct Write<'a, F: FileIO, S: Schema, D: Delta> {
    engine: &'a Engine<F, S, D>,
    log: MutexGuard<'a, Log<F>>,
    last: Option<Lsn>,
    /// A record is on its way from the log to the index.
    appending: bool,
}

impl<F: FileIO, S: Schema, D: Delta> Write<'_, F, S, D> {
    /// The delta's row of a key.
    pub fn delta_row(&self, key: &Key) -> Option<Value> {
        self.engine.index().delta.get(key)
    }

    /// The newest row of a key among the runs.
    pub fn run_row(&self, key: &Key) -> Result<Option<Value>> {
        let layers = Arc::clone(&self.engine.index().layers);
        if layers.runs.is_empty() {
            return Ok(None);
        }
        layers.get(key)
    }

    /// All rows of a key among the runs, newest first.
    pub fn run_rows(&self, key: &Key) -> Result<Vec<Value>> {
        let layers = Arc::clone(&self.engine.index().layers);
        layers.get_all(key)
    }

    /// Reads records.
    pub fn read(&self, locations: &[Location]) -> Result<Vec<RecordBytes>> {
        let layers = Arc::clone(&self.engine.index().layers);
        layers.read(locations)
    }

    /// The number the next record will have.
    pub fn next_lsn(&self) -> Lsn {
        self.log.next
    }

    /// The body of the record under construction: the schema's entries are appended to it.
    pub fn body(&mut self) -> &mut Vec<u8> {
        &mut self.log.buffer
    }

    /// Whether the record under construction has no entries.
    pub fn is_empty(&self) -> bool {
        self.log.buffer.len() <= record::RECORD_HEADER as usize
    }

    /// Appends the record to the log and applies it to the index. The next record can then be constructed.
    pub fn append(&mut self) -> Result<Location> {
        let engine = self.engine;
        self.appending = true;
        let log = &mut *self.log;
        let appended = engine.append_record(log, RecordKind::Commit);
        let (location, lsn) = appended.inspect_err(|_| self.appending = false)?;
        let body = log.buffer.get(record::RECORD_HEADER as usize..location.len as usize).unwrap_or_default();
        let applied = {
            let mut index = engine.index_mut();
            let Index { delta, rows, created, .. } = &mut *index;
            let mut writer = IndexWriter { delta, rows, created };
            engine.schema.apply(Applied { lsn, kind: RecordKind::Commit, location, body }, &mut writer)
        };
        if let Err(e) = applied {
            // The log and the index disagree now.
            let error = match e {
                ApplyError::Index(error) => error,
                ApplyError::Record(_) => Error::Internal("a record just written is invalid".to_owned()),
            };
            return Err(engine.latch.set(error));
        }
        self.last = Some(lsn);
        self.appending = false;
        record::start(&mut self.log.buffer);
        Ok(location)
    }

    /// Ends the change: checkpoints if it is time, lets other writers go on, and returns when the change is as durable
    /// as asked.
    pub fn finish(mut self, durability: Durability) -> Result<()> {
        let Some(lsn) = self.last else { return Ok(()) };
        let engine = self.engine;
        if engine.index().rows >= self.log.checkpoint_at || self.log.end >= self.log.segment_limit {
            // The change is in the log whatever happens here. What fails for good has latched the store.
            let _ = engine.checkpoint_log(&mut self.log);
        }
        if self.log.buffer.capacity() > 4 << 20 {
            self.log.buffer = Vec::new();
        }
        drop(self);
        match durability {
            Durability::Strict => engine.syncer.wait(lsn),
            Durability::Relaxed | Durability::Memory => Ok(()),
        }
    }
}

impl<F: FileIO, S: Schema, D: Delta> Drop for Write<'_, F, S, D> {
    fn drop(&mut self) {
        // A panic between log and index would leave them apart.
        if self.appending && std::thread::panicking() {
            self.engine.latch.set(Error::Internal("a write panicked".to_owned()));
        }
    }
}

impl<F: FileIO, S: Schema, D: Delta> Engine<F, S, D> {
    /// Completes the record in the log's buffer and writes it.
    fn append_record(&self, log: &mut Log<F>, kind: RecordKind) -> Result<(Location, Lsn)> {
        self.latch.check()?;
        let (segment, lsn, offset) = (log.active.id(), log.next, log.end);
        let size = log.buffer.len() as u64;
        let synced = u32::try_from(self.syncer.synced_len()).unwrap_or(u32::MAX);
        let too_large = || Error::TooLarge { what: "message", size, limit: u64::from(MAX_BODY) };
        let len = record::finish(&mut log.buffer, segment, lsn, synced, kind).ok_or_else(too_large)?;
        let at = u32::try_from(offset).map_err(|_| too_large())?;
        let handle = log.active.handle()?;
        if let Err(e) = handle.write_at(&log.buffer, offset).and_then(|()| handle.flush()) {
            // Out of space is no reason to stop for good, if what was written of the record can be taken back.
            let undone = matches!(e, Error::DiskFull { .. })
                && log.active.handle().and_then(|h| h.truncate(offset)).is_ok();
            return Err(if undone { e } else { self.latch.set(e) });
        }
        log.end = offset + log.buffer.len() as u64;
        log.next = lsn.next();
        self.syncer.wrote(lsn, log.end);
        let written = log.buffer.len() as u64;
        self.count(|c| {
            c.records += 1;
            c.bytes_written += written;
        });
        Ok((Location { segment, offset: at, len }, lsn))
    }
}

/// The names of files that are a store's.
pub fn is_store_file(name: &str) -> bool {
    matches!(name, "LOCK" | "OWNER")
        || crate::format::manifest::SLOTS.contains(&name)
        || crate::format::SegmentId::from_file_name(name).is_some()
        || RunId::from_file_name(name).is_some()
}

/// The secret with which a store hashes ids: known before the schema can be made.
pub type MakeSchema<'a, S> = &'a dyn Fn(HashKey) -> S;
