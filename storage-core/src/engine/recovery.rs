//! Opening: the newest valid manifest, the runs it names, and replay of the log from its replay position.
//!
//! The log is a chain: it goes on in the next-numbered segment as long as that exists with a valid header whose first
//! record follows the last one before. So it is whole even if only the older manifest slot can be read.
//!
//! A bad record ends the log only where a torn write can be the cause: in the last segment, with no later record that
//! says that this place had been made durable. Anywhere else it is damage, which is reported and never cut away.

use super::backup::INCOMPLETE;
use super::cache::ReadCache;
use super::checkpoint::create_segment;
use super::delta::Delta;
use super::latch::Latch;
use super::layers::{Layers, Opened};
use super::maintenance::Maintenance;
use super::manifest::{self, Found};
use super::observer::Observers;
use super::part::Numbers;
use super::recent::Recent;
use super::reserve::RESERVE_FILE;
use super::run::RunFile;
use super::segment::{Scanner, Segment, describe};
use super::staged::Staged;
use super::state::{Core, Index, Log};
use super::sync::Syncer;
use super::worker::Bell;
use super::{
    Applied, ApplyError, Engine, EngineOptions, EngineStats, IndexWriter, MaintainedBy, MakeSchema, Schema,
    is_store_file,
};
use crate::error::{Error, Result};
use crate::file::{FileHandle, FileIO, OpenMode};
use crate::format::manifest::{Manifest, SLOTS, SegmentEntry};
use crate::format::record::{BadHeader, BadRecord, SEGMENT_HEADER, SegmentHeader};
use crate::format::{FORMAT_VERSION, Generation, HashKey, Lsn, Ordinal, RunId, SegmentId, StoreId};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

impl<F: FileIO, S: Schema, D: Delta> Engine<F, S, D> {
    /// Opens the store in `io`'s directory, creating it if the directory is empty or absent.
    pub fn open(io: F, options: EngineOptions, make_schema: MakeSchema<'_, S>) -> Result<Self> {
        let io = Arc::new(io);
        io.create_dir()?;
        refuse_foreign(&*io)?;
        let lock = io.lock()?;
        let manifest = match manifest::load(&*io)? {
            Found::Valid(manifest) => manifest,
            Found::Nothing => create(&io, None)?,
            Found::Damaged(slot) => create(&io, Some(slot))?,
        };
        let schema = make_schema(manifest.hash_key);
        let cache = Arc::new(ReadCache::new(options.cache_bytes));
        let mut opened = Opened::default();
        for part in manifest.parts() {
            let run = RunFile::open(&*io, part.run, part.file_len, manifest.store)?;
            opened.runs.push(Arc::new(run));
            opened.segments.extend(part.segments.iter().map(|segment| Segment::existing(&io, segment.id)));
        }
        let delta = D::create()?;
        let (mut rows, mut created, mut recent) = (0, Vec::new(), Recent::new());
        let writer = IndexWriter {
            delta: &delta,
            rows: &mut rows,
            created: &mut created,
            recent: Some(&mut recent),
            staged: None,
        };
        let replayed = Replay {
            io: &io,
            manifest: &manifest,
            schema: &schema,
            writer,
            large_bytes: options.large_bytes,
            large: 0,
            discarded: 0,
        }
        .run()?;
        opened.segments.extend(replayed.segments.iter().map(Arc::clone));
        let (layers, _) = Layers::new(Arc::clone(&cache)).replaced(&manifest, opened)?;
        // If only the process had died, what was read need not be durable yet, and everything that follows relies on it.
        for segment in &replayed.segments {
            segment.handle()?.sync()?;
        }
        io.open(manifest.slot(), OpenMode::ReadWrite)?.sync()?;
        io.sync_dir()?;
        remove_leftovers(&*io, &manifest, &layers)?;
        let observers = Arc::new(Observers::default());
        let latch = Arc::new(Latch::new(Arc::clone(&observers)));
        let syncer = Syncer::new(Arc::clone(&latch), options.segment_bytes / 2);
        let active = replayed.active;
        syncer.switch(Arc::clone(&active), replayed.end, Lsn(replayed.next.0.saturating_sub(1)));
        let sync_thread = options.background_sync.then(|| {
            let syncer = Arc::clone(&syncer);
            std::thread::Builder::new().name("jazz-storage-sync".to_owned()).spawn(move || syncer.run())
        });
        let sync_thread = sync_thread
            .transpose()
            .map_err(|e| Error::from_io("starting the sync thread for", io.path().to_path_buf(), e))?;
        let created_before = manifest.covalues.0;
        let log = Log {
            marked: if active.id() == manifest.replay_from { manifest.replay_durable } else { 0 },
            active,
            end: replayed.end,
            next: replayed.next,
            rows,
            large: replayed.large,
            recent,
            prepared: 0,
            buffer: Vec::new(),
            staged: Staged::default(),
            closed: false,
        };
        let index = Index { delta, rows, created, created_before, frozen: None, layers: Arc::new(layers) };
        // A store that has had a reserve and lacks it gave it up.
        let spent = options.reserve_bytes > 0 && created_before > 0 && !io.exists(RESERVE_FILE)?;
        let core = Core {
            calls: AtomicU64::new(0),
            resumed: AtomicBool::new(false),
            spent: AtomicBool::new(spent),
            prepare_bytes: AtomicU64::new(options.prepare_bytes),
            identity: (manifest.store, manifest.hash_key),
            numbers: Arc::new(Numbers::new(manifest.next_run, manifest.next_pack)),
            maintenance: Mutex::new(Maintenance::new(manifest, replayed.sealed)),
            bell: Bell::default(),
            io,
            schema,
            log: Mutex::new(log),
            index: RwLock::new(index),
            cache,
            observers,
            latch,
            syncer,
            counters: Mutex::new(EngineStats {
                replayed: replayed.records,
                discarded: replayed.discarded,
                ..EngineStats::default()
            }),
            options,
            _lock: lock,
        };
        let engine = Self { core: Arc::new(core), sync_thread, maintenance_thread: Mutex::new(None) };
        engine.resume();
        Ok(engine)
    }

    /// Goes on with what maintenance had not finished when the store was left.
    fn resume(&self) {
        let core = &self.core;
        let due = core.is_due(&core.log()) || core.next_merge(&mut core.maintenance()).is_some();
        if due && core.options.maintained_by == MaintainedBy::Thread {
            core.resumed.store(true, Ordering::Relaxed);
            self.wake();
        }
    }
}

/// A directory with files, none of which is a store's, is somebody else's. Hidden files do not count. One to which a copy
/// was not completed does not hold all of a store.
pub(super) fn refuse_foreign<F: FileIO>(io: &F) -> Result<()> {
    let names = io.list()?;
    if names.iter().any(|name| name == INCOMPLETE) {
        let detail = "copying a store to it was interrupted: remove it and copy again";
        return Err(Error::NotABackup { path: io.path().to_path_buf(), detail });
    }
    if names.iter().any(|name| is_store_file(name)) {
        return Ok(());
    }
    match names.into_iter().find(|name| !name.starts_with('.')) {
        Some(found) => Err(Error::ForeignDirectory { path: io.path().to_path_buf(), found }),
        None => Ok(()),
    }
}

/// Creates a store where none is. What an interrupted creation left is replaced; a log that holds records without a
/// manifest is not: its manifest was lost.
fn create<F: FileIO>(io: &Arc<F>, damaged_slot: Option<&str>) -> Result<Manifest> {
    for name in io.list()? {
        let holds_data = match (SegmentId::from_file_name(&name), RunId::from_file_name(&name)) {
            (Some(id), _) => holds_records(&Segment::existing(io, id))?,
            (None, run) => run.is_some(),
        };
        if holds_data {
            let path = io.path().join(damaged_slot.unwrap_or(SLOTS[0]));
            let detail = format!("no valid manifest, but {name} holds data");
            return Err(Error::corrupt(path, 0, detail));
        }
    }
    let mut random = [0u8; 32];
    getrandom::fill(&mut random).map_err(|e| Error::Internal(format!("no random numbers: {e}")))?;
    let (store, key) = random.split_at(16);
    let id = |half: &[u8]| half.first_chunk().copied().unwrap_or_default();
    let header = SegmentHeader {
        id: SegmentId(1),
        store: StoreId(id(store)),
        hash_key: HashKey(id(key)),
        first_lsn: Lsn(1),
    };
    create_segment(&**io, &header)?;
    let mut manifest = Manifest {
        generation: Generation(0),
        store: header.store,
        hash_key: header.hash_key,
        replay_from: header.id,
        replay_lsn: header.first_lsn,
        replay_durable: u64::from(SEGMENT_HEADER),
        covalues: Ordinal(0),
        next_run: RunId(1),
        next_pack: SegmentId::FIRST_PACK,
        layers: Vec::new(),
        merge: None,
    };
    manifest::publish(&**io, &mut manifest)?;
    Ok(manifest)
}

/// Whether a segment holds at least one valid record, whatever its header says.
fn holds_records<F: FileIO>(segment: &Arc<Segment<F>>) -> Result<bool> {
    let mut scanner = Scanner::new(segment, u64::from(SEGMENT_HEADER))?;
    if scanner.advance()?.is_ok() {
        return Ok(true);
    }
    Ok(scanner.look_ahead()?.records > 0)
}

/// Removes files that the manifest does not name: of checkpoints that did not complete, or replaced by one that did.
fn remove_leftovers<F: FileIO>(io: &F, manifest: &Manifest, layers: &Layers<F>) -> Result<()> {
    for name in io.list()? {
        let unnamed_run =
            RunId::from_file_name(&name).is_some_and(|id| manifest.parts().all(|part| part.run != id));
        let unnamed_segment = SegmentId::from_file_name(&name).is_some_and(|id| {
            (id.is_pack() || id < manifest.replay_from) && !layers.segments.contains_key(&id)
        });
        if unnamed_run || unnamed_segment {
            io.remove(&name)?;
        }
    }
    Ok(())
}

struct Replay<'a, F: FileIO, S: Schema, D: Delta> {
    io: &'a Arc<F>,
    manifest: &'a Manifest,
    schema: &'a S,
    writer: IndexWriter<'a, D>,
    /// See [`EngineOptions::large_bytes`].
    large_bytes: u32,
    large: u64,
    discarded: u64,
}

/// What replay found.
struct Replayed<F: FileIO> {
    /// All segments from the replay position on.
    segments: Vec<Arc<Segment<F>>>,
    /// Those before the active one.
    sealed: Vec<SegmentEntry>,
    active: Arc<Segment<F>>,
    end: u64,
    next: Lsn,
    records: u64,
    /// Bytes of large records.
    large: u64,
    /// Bytes after the end that were dropped.
    discarded: u64,
}

impl<F: FileIO, S: Schema, D: Delta> Replay<'_, F, S, D> {
    fn run(mut self) -> Result<Replayed<F>> {
        let first = self.manifest.replay_from;
        let mut active = self.segment(first, self.manifest.replay_lsn)?.ok_or_else(|| {
            let detail = "the segment in which the log begins is missing or has no valid header";
            Error::corrupt(self.io.path().join(first.file_name()), 0, detail)
        })?;
        let (mut segments, mut sealed) = (vec![Arc::clone(&active)], Vec::new());
        let (mut next, mut records) = (self.manifest.replay_lsn, 0);
        loop {
            let successor = self.successor(active.id().next())?;
            let end = self.segment_records(&active, &mut next, &mut records, successor.is_some())?;
            let Some((segment, header)) = successor else {
                let (large, discarded) = (self.large, self.discarded);
                return Ok(Replayed { segments, sealed, active, end, next, records, large, discarded });
            };
            if header.first_lsn != next {
                let detail =
                    format!("records {} to {} are missing", next.0, header.first_lsn.0.saturating_sub(1));
                return Err(active.corrupt(end, detail));
            }
            sealed.push(SegmentEntry { id: active.id(), len: end, live: 0 });
            segments.push(Arc::clone(&segment));
            active = segment;
        }
    }

    /// The segment of this number, if its file exists and its header is valid and of this store.
    fn segment(&self, id: SegmentId, first_lsn: Lsn) -> Result<Option<Arc<Segment<F>>>> {
        Ok(self.successor(id)?.filter(|(_, h)| h.first_lsn == first_lsn).map(|(segment, _)| segment))
    }

    /// The segment of this number and its header. One without a valid header is the remains of a creation that did not
    /// complete, and is removed, unless it holds records.
    fn successor(&self, id: SegmentId) -> Result<Option<(Arc<Segment<F>>, SegmentHeader)>> {
        if !self.io.exists(&id.file_name())? {
            return Ok(None);
        }
        let segment = Segment::existing(self.io, id);
        let bytes = segment.start()?;
        match SegmentHeader::decode(&bytes) {
            Ok(header) if header.id == id && header.store == self.manifest.store => {
                Ok(Some((segment, header)))
            }
            Ok(_) => Err(segment.corrupt(0, "the segment belongs to another store")),
            Err(BadHeader::Newer(found)) => {
                let path = self.io.path().join(id.file_name());
                Err(Error::NewerFormat { path, found, supported: FORMAT_VERSION })
            }
            Err(BadHeader::Damaged) if holds_records(&segment)? => {
                Err(segment.corrupt(0, "the segment's header is damaged"))
            }
            Err(BadHeader::Damaged) => {
                drop(segment);
                self.io.remove(&id.file_name())?;
                Ok(None)
            }
        }
    }

    /// Applies the records of one segment. Gives where they end.
    fn segment_records(
        &mut self,
        segment: &Arc<Segment<F>>,
        next: &mut Lsn,
        records: &mut u64,
        sealed: bool,
    ) -> Result<u64> {
        let mut scanner = Scanner::new(segment, u64::from(SEGMENT_HEADER))?;
        loop {
            let offset = scanner.offset();
            let bad = match scanner.advance()? {
                Ok(record) if record.header.lsn == *next => {
                    let applied = Applied {
                        lsn: *next,
                        kind: record.header.kind,
                        location: record.location,
                        body: record.body,
                    };
                    self.schema.apply(applied, &mut self.writer).map_err(|e| match e {
                        ApplyError::Index(e) => e,
                        ApplyError::Record(_) => {
                            segment.corrupt(offset, "the record is not one of this version's")
                        }
                    })?;
                    if record.location.len >= self.large_bytes {
                        self.large += u64::from(record.location.len);
                    }
                    *next = next.next();
                    *records += 1;
                    continue;
                }
                Ok(record) => {
                    let detail = format!("record {} where {} belongs", record.header.lsn.0, next.0);
                    return Err(segment.corrupt(offset, detail));
                }
                Err(bad) => bad,
            };
            let ahead = scanner.look_ahead()?;
            // What the manifest, or a later record, says was durable here was not torn by a crash. The records of a
            // sealed segment end where the next one's begin; the caller compares the numbers.
            let durable =
                if segment.id() == self.manifest.replay_from { self.manifest.replay_durable } else { 0 };
            let unexpected = if sealed {
                !matches!(bad, BadRecord::Blank) && offset < scanner.file_len() || ahead.records > 0
            } else {
                durable > offset || (ahead.synced > offset && ahead.last > *next)
            };
            if unexpected {
                return Err(segment.corrupt(offset, describe(bad)));
            }
            if !sealed && offset < scanner.file_len() {
                // A write that did not complete. Nothing after it was acknowledged as durable.
                if bad != BadRecord::Blank {
                    self.discarded += scanner.file_len() - offset;
                }
                segment.handle()?.truncate(offset)?;
            }
            return Ok(offset);
        }
    }
}
