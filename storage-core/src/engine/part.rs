//! Writing a part of a layer: a run, and the packs with what was rewritten for it.
//!
//! A pack is a file of records like a log segment, but not part of the log: it holds the pieces of CoValues next to each
//! other, in the order of the index, so that a CoValue is read in one go. It is written whole and made durable before a
//! manifest names it. Records that are not worth rewriting stay where they are; the part then names their file as well.
//!
//! Memory is bounded by the read buffers given, one write buffer for run and pack each, and one record.

use super::cache::Shared;
use super::layers::Layers;
use super::run::{RunFile, RunWriter};
use super::segment::{RecordBytes, Segment};
use super::{EngineOptions, Fate, Packer};
use crate::error::{Error, Result};
use crate::file::{FileHandle, FileIO, OpenMode};
use crate::format::manifest::{PartEntry, SegmentEntry};
use crate::format::record::{self, RecordKind, SEGMENT_HEADER, SegmentHeader};
use crate::format::row::Group;
use crate::format::{HashKey, Location, Lsn, Ordinal, RunId, SegmentId, StoreId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Written in pieces of this size, in bytes.
const WRITE_BYTES: usize = 256 * 1024;
/// A pack that has reached this size is followed by another one, as offsets have 32 bits.
const PACK_LIMIT: u64 = 1 << 30;
/// Bytes read ahead in a pack.
const WINDOW_BYTES: usize = 256 * 1024;

/// The numbers for new runs and packs: never given twice while a process lives, as what is cached goes by them.
#[derive(Debug)]
pub struct Numbers {
    run: AtomicU32,
    pack: AtomicU32,
}

impl Numbers {
    /// Goes on where the manifest stands.
    pub fn new(run: RunId, pack: SegmentId) -> Self {
        Self { run: AtomicU32::new(run.0), pack: AtomicU32::new(pack.0) }
    }
    /// A number for a run.
    pub fn run(&self) -> RunId {
        RunId(self.run.fetch_add(1, Ordering::Relaxed))
    }
    fn pack(&self) -> SegmentId {
        SegmentId(self.pack.fetch_add(1, Ordering::Relaxed))
    }
    /// The numbers that come next.
    pub fn next(&self) -> (RunId, SegmentId) {
        (RunId(self.run.load(Ordering::Relaxed)), SegmentId(self.pack.load(Ordering::Relaxed)))
    }
}

/// What to rewrite.
#[derive(Debug, Clone, Default)]
pub struct Rewriting {
    /// Leave all records where they are, log segments included: only rows are written.
    pub keep_all: bool,
    /// Files that shall have nothing of this part any more.
    pub packs: BTreeSet<SegmentId>,
    /// Leave all records of other files where they are.
    pub keep_others: bool,
    /// Of the log the part has what comes before this record: its packs are newer than that, and older than what follows.
    pub as_of: Lsn,
}

/// A durable part, as the manifest names it and as it is read.
pub struct Finished<F: FileIO> {
    /// For the manifest.
    pub entry: PartEntry,
    /// Its run.
    pub run: Arc<RunFile<F>>,
    /// Its new packs.
    pub packs: Vec<Arc<Segment<F>>>,
}

/// A pack being written.
struct Pack<F: FileIO> {
    id: SegmentId,
    handle: F::Handle,
    buffer: Vec<u8>,
    written: u64,
    next: Lsn,
}

impl<F: FileIO> Pack<F> {
    fn end(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn drain(&mut self) -> Result<()> {
        self.handle.write_at(&self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Bytes of packs read ahead, the ones used last kept.
pub(super) struct Windows {
    limit: usize,
    windows: VecDeque<(SegmentId, u64, Shared)>,
}

impl Windows {
    /// Windows that take about so many bytes in all.
    pub(super) fn new(bytes: u64) -> Self {
        Self { limit: (bytes as usize / WINDOW_BYTES).max(1), windows: VecDeque::new() }
    }

    /// Reads and verifies a record.
    pub(super) fn record<F: FileIO>(
        &mut self,
        segment: &Segment<F>,
        location: Location,
    ) -> Result<RecordBytes> {
        // The log is read in the order of the index, which is none for it.
        if !location.segment.is_pack() || location.len as usize > WINDOW_BYTES {
            return segment.record_uncached(location);
        }
        let (bytes, base) = self.get(segment, location)?;
        segment.record_in(&bytes, base, location)
    }

    /// Bytes that hold the record, and the offset of the first of them.
    fn get<F: FileIO>(&mut self, segment: &Segment<F>, location: Location) -> Result<(Shared, u64)> {
        let (from, len) = (u64::from(location.offset), u64::from(location.len));
        let holds = |(id, base, bytes): &(SegmentId, u64, Shared)| {
            *id == location.segment && *base <= from && from + len <= base + bytes.len() as u64
        };
        let found = self.windows.iter().position(holds).and_then(|at| self.windows.remove(at));
        if let Some(window) = found {
            let found = (Arc::clone(&window.2), window.1);
            self.windows.push_front(window);
            return Ok(found);
        }
        let bytes = Arc::new(segment.read_up_to(from, WINDOW_BYTES.max(location.len as usize))?);
        // One window a pack: they are read forward.
        self.windows.retain(|(id, ..)| *id != location.segment);
        self.windows.push_front((location.segment, from, Arc::clone(&bytes)));
        self.windows.truncate(self.limit);
        Ok((bytes, from))
    }
}

/// Writes one part. Nothing counts until a manifest names it; dropping it unfinished removes its files.
pub struct PartWriter<F: FileIO> {
    io: Arc<F>,
    store: StoreId,
    hash_key: HashKey,
    numbers: Arc<Numbers>,
    layers: Arc<Layers<F>>,
    rewriting: Rewriting,
    windows: Windows,
    large_bytes: u32,
    run: Option<RunWriter<F>>,
    run_id: RunId,
    pack: Option<Pack<F>>,
    packs: Vec<(SegmentEntry, Arc<Segment<F>>)>,
    record: Vec<u8>,
    /// Bytes that rows of this part point to, by file.
    live: BTreeMap<SegmentId, u64>,
    moved: u64,
    rows: u64,
    done: bool,
}

impl<F: FileIO> PartWriter<F> {
    /// Begins a part of a store. What its rows point to is read from `layers`. Of the options count those about large records
    /// and reading ahead.
    pub fn create(
        io: &Arc<F>,
        layers: &Arc<Layers<F>>,
        identity: (StoreId, HashKey),
        numbers: &Arc<Numbers>,
        rewriting: Rewriting,
        options: &EngineOptions,
    ) -> Result<Self> {
        let run_id = numbers.run();
        let run = RunWriter::create(&**io, run_id, identity.0, rewriting.as_of)?;
        Ok(Self {
            io: Arc::clone(io),
            store: identity.0,
            hash_key: identity.1,
            numbers: Arc::clone(numbers),
            layers: Arc::clone(layers),
            rewriting,
            windows: Windows::new(options.buffer_bytes),
            large_bytes: options.large_bytes,
            run: Some(run),
            run_id,
            pack: None,
            packs: Vec::new(),
            record: Vec::new(),
            live: BTreeMap::new(),
            moved: 0,
            rows: 0,
            done: false,
        })
    }

    /// Adds rows in ascending order.
    pub fn push_all(&mut self, rows: &[super::delta::Row]) -> Result<()> {
        self.rows += rows.len() as u64;
        match &mut self.run {
            Some(run) => run.push_all(rows),
            None => Err(Error::Internal("a part was added to after it was finished".to_owned())),
        }
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes rewritten so far.
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// Leave all records where they are from here on.
    pub fn keep_all(&mut self) {
        self.rewriting.keep_all = true;
    }

    fn begin_pack(&mut self) -> Result<Pack<F>> {
        let header = SegmentHeader {
            id: self.numbers.pack(),
            store: self.store,
            hash_key: self.hash_key,
            first_lsn: self.rewriting.as_of.max(Lsn(1)),
        };
        let name = header.id.file_name();
        if self.io.exists(&name)? {
            self.io.remove(&name)?;
        }
        let handle = self.io.open(&name, OpenMode::CreateNew)?;
        Ok(Pack { id: header.id, handle, buffer: header.encode(), written: 0, next: header.first_lsn })
    }

    fn end_pack(&mut self) -> Result<()> {
        let Some(pack) = &mut self.pack else { return Ok(()) };
        pack.drain()?;
        pack.handle.sync()?;
        if let Some(pack) = self.pack.take() {
            let entry = SegmentEntry { id: pack.id, len: pack.written, live: 0 };
            self.packs.push((entry, Segment::opened(&self.io, pack.id, pack.handle)));
        }
        Ok(())
    }

    /// Completes the part, with the list of the CoValues created in it, and makes it durable.
    pub fn finish(
        mut self,
        (low, high): (Group, Group),
        order: (Ordinal, u64),
        list: &mut dyn FnMut(u64, u64) -> Result<Vec<Group>>,
    ) -> Result<Finished<F>> {
        self.end_pack()?;
        let run = self.run.take().ok_or_else(|| Error::Internal("a part was finished twice".to_owned()))?;
        let file_len = run.finish(order, list)?;
        self.io.sync_dir()?;
        let run = Arc::new(RunFile::open(&*self.io, self.run_id, file_len, self.store)?);
        let mut segments = Vec::new();
        for (id, live) in &self.live {
            let written = self.packs.iter().find(|(entry, _)| entry.id == *id).map(|(entry, _)| entry.len);
            let len = written.map_or_else(|| self.layers.segment(*id)?.len(), Ok)?;
            segments.push(SegmentEntry { id: *id, len, live: *live });
        }
        self.done = true;
        let packs = self.packs.drain(..).map(|(_, segment)| segment).collect();
        Ok(Finished { entry: PartEntry { run: self.run_id, file_len, low, high, segments }, run, packs })
    }
}

impl<F: FileIO> Drop for PartWriter<F> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        // What was written of it may be what fills the disk. What cannot be removed now is when the store is opened.
        self.run = None;
        let unfinished = self.pack.take().map(|pack| pack.id);
        let packs: Vec<SegmentId> =
            unfinished.into_iter().chain(self.packs.drain(..).map(|(entry, _)| entry.id)).collect();
        for id in packs {
            let _ = self.io.remove(&id.file_name());
        }
        let _ = self.io.remove(&self.run_id.file_name());
    }
}

impl<F: FileIO> Packer for PartWriter<F> {
    fn read(&mut self, locations: &[Location]) -> Result<Vec<RecordBytes>> {
        let read = |location: &Location| {
            let segment = self.layers.segment(location.segment)?;
            self.windows.record(segment, *location)
        };
        locations.iter().map(read).collect()
    }

    fn write(&mut self, body: &[u8]) -> Result<Location> {
        if self.pack.as_ref().is_some_and(|pack| pack.end() >= PACK_LIMIT) {
            self.end_pack()?;
        }
        let mut pack = match self.pack.take() {
            Some(pack) => pack,
            None => self.begin_pack()?,
        };
        let offset = pack.end();
        let too_large = || Error::Internal("a record is larger than a pack holds".to_owned());
        record::start(&mut self.record);
        self.record.extend_from_slice(body);
        let len = record::finish(&mut self.record, pack.id, pack.next, 0, RecordKind::Pack);
        let (id, next) = (pack.id, pack.next.next());
        pack.next = next;
        pack.buffer.extend_from_slice(&self.record);
        if self.record.capacity() > 4 * WRITE_BYTES {
            self.record = Vec::new();
        }
        let drained = if pack.buffer.len() >= WRITE_BYTES { pack.drain() } else { Ok(()) };
        if pack.buffer.capacity() > 4 * WRITE_BYTES && pack.buffer.is_empty() {
            pack.buffer = Vec::new();
        }
        self.pack = Some(pack);
        drained?;
        let location = Location {
            segment: id,
            offset: u32::try_from(offset).map_err(|_| too_large())?,
            len: len.ok_or_else(too_large)?,
        };
        let bytes = record::align(u64::from(location.len));
        self.moved += bytes;
        *self.live.entry(id).or_default() += bytes;
        Ok(location)
    }

    fn keep(&mut self, location: Location) {
        *self.live.entry(location.segment).or_default() += record::align(u64::from(location.len));
    }

    fn moves(&self) -> bool {
        !self.rewriting.keep_all && !self.rewriting.keep_others
    }

    fn fate(&self, location: Location) -> Fate {
        if self.rewriting.keep_all {
            Fate::Stays
        } else if self.rewriting.packs.contains(&location.segment) {
            Fate::Goes
        } else if self.rewriting.keep_others || location.len >= self.large_bytes {
            Fate::Stays
        } else if !location.segment.is_pack() {
            Fate::Goes
        } else {
            Fate::Either
        }
    }
}

/// Bytes of a pack or segment that records can take.
pub fn record_bytes(len: u64) -> u64 {
    len.saturating_sub(u64::from(SEGMENT_HEADER))
}
