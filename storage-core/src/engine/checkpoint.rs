//! Checkpoints: the delta becomes a part of a new layer, and the log goes on in a new segment.
//!
//! Order of events, each step durable before the next: the active segment is sealed and the next one begins with a
//! snapshot of the small state, while the delta is *frozen* and an empty one takes its place; the frozen delta is written
//! out, group by group, while stores and loads go on; the manifest is published; readers see it. A crash anywhere leaves
//! the manifest before or after, and a log that reaches from its replay position to the end.

use super::delta::{Delta, Row, Rows};
use super::layers::{Layers, Opened};
use super::maintenance::{Change, MERGE_BELOW, Maintenance};
use super::part::{PartWriter, Rewriting, record_bytes};
use super::segment::RecordBytes;
use super::segment::Segment;
use super::state::{Core, Frozen, Position};
use super::{Fate, Packer, Schema};
use crate::error::{Error, Result};
use crate::file::{FileHandle, FileIO, OpenMode};
use crate::format::manifest::{FIRST_GROUP, LAST_GROUP, LayerEntry, Manifest, SegmentEntry};
use crate::format::record::{self, RecordKind, SEGMENT_HEADER, SegmentHeader};
use crate::format::row::{Group, Key};
use crate::format::{Location, Ordinal, SegmentId};
use crate::order::gathered;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows read from the frozen delta at a time.
const ROWS_AT_A_TIME: usize = 256;
/// What a row counts as work beside the bytes it moves, in bytes.
pub(super) const ROW_WORK: u64 = 64;

/// A frozen delta on its way to disk.
pub(super) struct Flush<F: FileIO, D: Delta> {
    frozen: Arc<Frozen<D>>,
    writer: PartWriter<F>,
    layers: Arc<Layers<F>>,
    /// The first group that is not written yet; none when all are.
    next: Option<Group>,
    /// Bytes that rows of this delta make void, by the file they are in.
    dead: BTreeMap<SegmentId, u64>,
}

impl<F: FileIO, S: Schema, D: Delta> Core<F, S, D> {
    /// Seals the active segment and freezes the delta. The log goes on in the next segment.
    ///
    /// What takes time is done before writers are made to wait: they wait for two syncs of little.
    pub(super) fn freeze(&self, m: &mut Maintenance<F, D>) -> Result<()> {
        let id = self.log().active.id().next();
        let handle = create_file(&*self.io, id)?;
        let switched = self.io.sync_dir().and_then(|()| self.syncer.flush()).and_then(|()| {
            let delta = D::create()?;
            self.switch(m, id, handle, delta)
        });
        switched.inspect_err(|_| {
            // The log goes on in the segment before, so this one must not be there when it is replayed.
            if let Err(e) = self.io.remove(&id.file_name()) {
                self.latch.set(e);
            }
        })
    }

    fn switch(&self, m: &mut Maintenance<F, D>, id: SegmentId, handle: F::Handle, delta: D) -> Result<()> {
        let mut log = self.log();
        self.syncer.flush()?;
        let (store, hash_key) = self.identity;
        let lsn = log.next;
        let header = SegmentHeader { id, store, hash_key, first_lsn: lsn };
        record::start(&mut log.buffer);
        self.schema.snapshot(&mut log.buffer);
        record::finish(&mut log.buffer, id, lsn, SEGMENT_HEADER, RecordKind::Snapshot)
            .ok_or_else(|| Error::Internal("the small state is larger than a record".to_owned()))?;
        let mut bytes = header.encode();
        bytes.append(&mut log.buffer);
        handle.write_at(&bytes, 0)?;
        handle.sync()?;
        let segment = Segment::opened(&self.io, id, handle);
        let durable = bytes.len() as u64;
        m.sealed.push(SegmentEntry { id: log.active.id(), len: log.end, live: 0 });
        {
            let mut index = self.index_mut();
            index.layers = Arc::new(index.layers.with_segments([Arc::clone(&segment)]));
            let created = std::mem::take(&mut index.created);
            let frozen = Frozen {
                delta: std::mem::replace(&mut index.delta, delta),
                rows: std::mem::take(&mut index.rows),
                created_before: index.created_before,
                created,
                large: std::mem::take(&mut log.large),
                next: Position { segment: id, lsn, durable },
            };
            index.created_before += frozen.created.len() as u64;
            index.frozen = Some(Arc::new(frozen));
        }
        log.active = Arc::clone(&segment);
        log.end = durable;
        log.marked = durable;
        log.next = lsn.next();
        log.rows = 0;
        log.recent.clear();
        log.prepared = 0;
        self.syncer.switch(segment, durable, lsn);
        self.count(|c| c.bytes_written += durable);
        Ok(())
    }

    /// Begins to write out the frozen delta.
    pub(super) fn begin_flush(&self, m: &Maintenance<F, D>, frozen: Arc<Frozen<D>>) -> Result<Flush<F, D>> {
        let layers = Arc::clone(&self.index().layers);
        let sealed = || m.sealed.iter().filter(|entry| entry.id < frozen.next.segment);
        let bytes: u64 = sealed().map(|entry| record_bytes(entry.len)).sum();
        let as_of = frozen.next.lsn;
        let mut rewriting = Rewriting { keep_all: m.is_short_of_room(), as_of, ..Rewriting::default() };
        // Large records stay in the log if a merge would leave it alone then: moved, they would be written twice for nothing.
        if (frozen.large as f64) < bytes as f64 * MERGE_BELOW {
            rewriting.packs = gathered(sealed().map(|entry| entry.id));
        } else {
            sealed().try_for_each(|entry| trim(layers.segment(entry.id)?, entry.len))?;
        }
        let (io, numbers, options) = (&self.io, &self.numbers, &self.options);
        let writer = PartWriter::create(io, &layers, self.identity, numbers, rewriting, options)?;
        Ok(Flush { frozen, writer, layers, next: Some(FIRST_GROUP), dead: BTreeMap::new() })
    }

    /// Writes about `work` bytes of a frozen delta out. Gives the job back if there is more to do.
    pub(super) fn flush_some(
        &self,
        m: &mut Maintenance<F, D>,
        mut job: Flush<F, D>,
        work: u64,
    ) -> Result<Option<Flush<F, D>>> {
        let oldest = job.layers.is_empty();
        let mut done = 0;
        let mut out = Vec::new();
        while let Some(next) = job.next.filter(|_| done < work) {
            let rows = job.frozen.delta.rows_from(&Key::first(next), ROWS_AT_A_TIME)?;
            let full = rows.len() == ROWS_AT_A_TIME;
            let mut groups: Vec<Vec<Row>> =
                rows.chunk_by(|a, b| a.0.group() == b.0.group()).map(<[Row]>::to_vec).collect();
            // The last group may have more rows than were read.
            let last = groups.last().and_then(|rows| rows.first()).map(|(key, _)| key.group());
            if let (Some(rows), Some(group), true) = (groups.last_mut(), last, full) {
                rows.clear();
                job.frozen.delta.group(group, Rows::All, rows)?;
            }
            job.next = last.filter(|_| full).and_then(Group::next);
            for rows in groups {
                let before = job.writer.moved();
                self.count_void(&mut job, &rows)?;
                done += rows.len() as u64 * ROW_WORK;
                out.clear();
                self.pack(&[rows], oldest, &mut job.writer, &mut out)?;
                job.writer.push_all(&out)?;
                done += job.writer.moved() - before;
            }
        }
        if job.next.is_some() {
            return Ok(Some(job));
        }
        self.finish_flush(m, job).map(|()| None)
    }

    /// Packs a group; one with a damaged record is left where it is, for reads to report and for repair.
    pub(super) fn pack(
        &self,
        layers: &[Vec<Row>],
        oldest: bool,
        writer: &mut PartWriter<F>,
        out: &mut Vec<Row>,
    ) -> Result<()> {
        match self.schema.pack(layers, oldest, writer, out) {
            Err(Error::Corrupt { .. }) => {
                out.clear();
                self.schema.pack(layers, oldest, &mut Staying(writer), out)
            }
            other => other,
        }
    }

    /// Counts what rows of the delta make void in older layers: all records of the group, as those that still count hold
    /// something that does not, or are small.
    fn count_void(&self, job: &mut Flush<F, D>, rows: &[Row]) -> Result<()> {
        let Some((key, _)) = rows.first().filter(|_| self.schema.voids(rows)) else { return Ok(()) };
        let mut layers = Vec::new();
        match job.layers.group(key.group(), Rows::All, &mut layers) {
            // The count decides what is worth rewriting, nothing else.
            Err(Error::Corrupt { .. }) => return Ok(()),
            other => other?,
        }
        for location in self.schema.locations(&layers) {
            *job.dead.entry(location.segment).or_default() += record::align(u64::from(location.len));
        }
        Ok(())
    }

    fn finish_flush(&self, m: &mut Maintenance<F, D>, job: Flush<F, D>) -> Result<()> {
        let Flush { frozen, writer, dead, layers, .. } = job;
        // Its hold on what it read would keep the files from being removed.
        drop(layers);
        let created = frozen.created.len() as u64;
        let mut opened = Opened::default();
        let mut entry = None;
        if frozen.rows > 0 {
            let list = &mut |skip: u64, limit: u64| {
                let list = frozen.created.iter().skip(skip as usize).take(limit as usize);
                Ok(list.copied().collect())
            };
            let order = (Ordinal(frozen.created_before), created);
            let moved = writer.moved();
            let finished = writer.finish((FIRST_GROUP, LAST_GROUP), order, list)?;
            self.count(|c| c.bytes_rewritten += moved + finished.entry.file_len);
            entry = Some(finished.entry);
            opened = Opened { runs: vec![finished.run], segments: finished.packs };
        }
        let covalues = frozen.created_before + created;
        let next = frozen.next;
        let edit = |manifest: &mut Manifest| {
            for part in manifest.layers.iter_mut().flat_map(|layer| &mut layer.parts) {
                for segment in &mut part.segments {
                    let void = dead.get(&segment.id).copied().unwrap_or(0);
                    segment.live = segment.live.saturating_sub(void);
                }
            }
            manifest.layers.extend(entry.map(|part| LayerEntry { parts: vec![part] }));
            manifest.replay_from = next.segment;
            manifest.replay_lsn = next.lsn;
            manifest.replay_durable = next.durable;
            manifest.covalues = Ordinal(covalues);
        };
        m.sealed.retain(|sealed| sealed.id >= next.segment);
        self.publish(m, Change { edit, opened, flushed: true })?;
        self.count(|c| c.checkpoints += 1);
        Ok(())
    }
}

/// Cuts off what was written ahead of the log in a segment that will be part of the store.
fn trim<F: FileIO>(segment: &Segment<F>, len: u64) -> Result<()> {
    let handle = segment.handle()?;
    if handle.len()? > len {
        handle.truncate(len)?;
        handle.sync()?;
    }
    Ok(())
}

/// A writer of parts that is told to leave all records of a group where they are.
struct Staying<'a, F: FileIO>(&'a mut PartWriter<F>);

impl<F: FileIO> Packer for Staying<'_, F> {
    fn read(&mut self, locations: &[Location]) -> Result<Vec<RecordBytes>> {
        self.0.read(locations)
    }
    fn write(&mut self, body: &[u8]) -> Result<Location> {
        self.0.write(body)
    }
    fn keep(&mut self, location: Location) {
        self.0.keep(location);
    }
    fn moves(&self) -> bool {
        false
    }
    fn fate(&self, _: Location) -> Fate {
        Fate::Stays
    }
}

/// Creates the file of a segment. One left over by an attempt that was never part of the log is replaced.
pub(super) fn create_file<F: FileIO>(io: &F, id: SegmentId) -> Result<F::Handle> {
    let name = id.file_name();
    if io.exists(&name)? {
        io.remove(&name)?;
    }
    io.open(&name, OpenMode::CreateNew)
}

/// Creates a segment's file with its first bytes, durably.
pub(super) fn create_segment<F: FileIO>(io: &F, header: &SegmentHeader) -> Result<()> {
    let handle = create_file(io, header.id)?;
    handle.write_at(&header.encode(), 0)?;
    handle.sync()?;
    io.sync_dir()
}
