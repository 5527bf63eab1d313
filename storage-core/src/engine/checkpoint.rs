//! Checkpoints: the delta becomes a run, what it points to a pack, the log goes on in a new segment, and the manifest says
//! so. When there are too many runs they are merged into one.
//!
//! Order of events, each step durable before the next: seal the active segment; create the next one, beginning with a
//! snapshot of the small state; write run and pack; publish the manifest; let readers see it; publish it again, so that
//! neither slot names what was replaced; remove that. A crash anywhere leaves the manifest before or after, and a log that
//! reaches from its replay position to the end.

use super::delta::{Delta, Row};
use super::layers::Layers;
use super::manifest;
use super::pack::PackWriter;
use super::run::{RunFile, RunScan, RunWriter};
use super::segment::Segment;
use super::{Engine, Log, Schema};
use crate::error::{Error, Result};
use crate::file::{FileHandle, FileIO, OpenMode};
use crate::format::manifest::{RunEntry, SegmentEntry};
use crate::format::record::{self, RecordKind, SEGMENT_HEADER, SegmentHeader};
use crate::format::row::Group;
use crate::format::{Lsn, Ordinal, SegmentId};
use std::sync::Arc;

impl<F: FileIO, S: Schema, D: Delta> Engine<F, S, D> {
    /// Writes the delta out as a run now.
    pub fn checkpoint(&self) -> Result<()> {
        self.latch.check()?;
        self.checkpoint_log(&mut self.log())
    }

    /// See [`Engine::checkpoint`]. Out of space puts the next attempt off; any other failure latches the store.
    pub(super) fn checkpoint_log(&self, log: &mut Log<F>) -> Result<()> {
        let outcome = self.try_checkpoint(log);
        if let Err(e) = outcome {
            log.checkpoint_at = self.index().rows + self.options.checkpoint_rows.div_ceil(4);
            log.segment_limit = log.end.saturating_add(self.options.segment_bytes.div_ceil(4)).min(1 << 31);
            return Err(match e {
                Error::DiskFull { .. } | Error::Latched { .. } => e,
                e => self.latch.set(e),
            });
        }
        log.checkpoint_at = self.options.checkpoint_rows;
        log.segment_limit = self.options.segment_bytes;
        Ok(())
    }

    fn try_checkpoint(&self, log: &mut Log<F>) -> Result<()> {
        if log.end > log.marked {
            self.rotate(log)?;
        }
        if log.sealed.is_empty() {
            return Ok(());
        }
        self.write_delta(log)?;
        if self.index().layers.runs.len() > self.options.max_runs {
            self.merge_runs(log)?;
        }
        self.remove_retired(log)
    }

    /// Seals the active segment and goes on in the next one.
    fn rotate(&self, log: &mut Log<F>) -> Result<()> {
        self.syncer.flush()?;
        let id = log.active.id().next();
        let header = SegmentHeader {
            id,
            store: log.manifest.store,
            hash_key: log.manifest.hash_key,
            first_lsn: log.next,
        };
        record::start(&mut log.buffer);
        self.schema.snapshot(&mut log.buffer);
        let lsn = log.next;
        record::finish(&mut log.buffer, id, lsn, SEGMENT_HEADER, RecordKind::Snapshot)
            .ok_or_else(|| Error::Internal("the small state is larger than a record".to_owned()))?;
        let mut bytes = header.encode();
        bytes.append(&mut log.buffer);
        let handle = create_segment(&*self.io, &header, &bytes)?;
        let segment = Segment::opened(&self.io, id, handle);
        {
            let mut index = self.index_mut();
            let mut layers = Layers::clone(&index.layers);
            layers.segments.insert(id, Arc::clone(&segment));
            index.layers = Arc::new(layers);
        }
        log.sealed.push(SegmentEntry { id: log.active.id(), len: log.end });
        log.active = Arc::clone(&segment);
        log.end = bytes.len() as u64;
        log.marked = log.end;
        log.next = lsn.next();
        self.syncer.switch(segment, log.end, lsn);
        self.count(|c| c.bytes_written += bytes.len() as u64);
        Ok(())
    }

    /// Writes the delta as a run, and what it points to as a pack that the run owns; publishes both, and lets the segments
    /// sealed since the last run go.
    fn write_delta(&self, log: &mut Log<F>) -> Result<()> {
        let (rows, created, layers) = {
            let index = self.index();
            (index.delta.rows()?, index.created.clone(), Arc::clone(&index.layers))
        };
        let before = log.manifest.covalues;
        let oldest = log.manifest.runs.is_empty();
        let header = SegmentHeader {
            id: next_pack(&layers),
            store: log.manifest.store,
            hash_key: log.manifest.hash_key,
            first_lsn: Lsn(1),
        };
        let packed = || {
            let mut pack = PackWriter::create(&self.io, &layers, &log.sealed, header)?;
            let run = self.write_run(log, before, &created, |writer| {
                let mut packed = Vec::new();
                for group in rows.chunk_by(|a, b| a.0.group() == b.0.group()) {
                    packed.clear();
                    self.schema.pack(group, oldest, &mut pack, &mut packed)?;
                    writer.push_all(&packed)?;
                }
                Ok(())
            })?;
            Ok((pack.finish()?, run))
        };
        let (pack, run) = packed().inspect_err(|_: &Error| {
            // What was written of it may be what fills the disk.
            let _ = self.io.remove(&header.id.file_name());
        })?;
        self.io.sync_dir()?;
        let mut next = log.manifest.clone();
        let segments = pack.iter().map(|(entry, _)| *entry).collect();
        next.runs.push(RunEntry { id: run.id(), file_len: run.file_len(), segments });
        next.next_run = run.id().next();
        next.replay_from = log.active.id();
        next.replay_lsn = first_lsn(log)?;
        next.replay_durable = log.marked;
        next.covalues = Ordinal(before.0 + created.len() as u64);
        manifest::publish(&*self.io, &mut next)?;
        log.manifest = next;
        let delta = D::create()?;
        let mut index = self.index_mut();
        let mut layers = Layers::clone(&index.layers);
        layers.runs.push(run);
        layers.segments.extend(pack.map(|(entry, segment)| (entry.id, segment)));
        for entry in log.sealed.drain(..) {
            log.retired.segments.extend(layers.segments.remove(&entry.id));
        }
        index.layers = Arc::new(layers);
        index.delta = delta;
        index.rows = 0;
        index.created_before = log.manifest.covalues.0;
        index.created.clear();
        drop(index);
        self.count(|c| c.checkpoints += 1);
        Ok(())
    }

    /// Writes a run of the next number, which `rows` fills, and opens it. What was written of one that failed is removed,
    /// as it may be what fills the disk.
    fn write_run(
        &self,
        log: &Log<F>,
        order_first: Ordinal,
        order: &[Group],
        rows: impl FnOnce(&mut RunWriter<'_, F>) -> Result<()>,
    ) -> Result<Arc<RunFile<F>>> {
        let (id, store) = (log.manifest.next_run, log.manifest.store);
        let write = || {
            let mut writer = RunWriter::create(&*self.io, id, store)?;
            rows(&mut writer)?;
            let file_len = writer.finish(order_first, order)?;
            RunFile::open(&*self.io, id, file_len, store)
        };
        write().map(Arc::new).inspect_err(|_| {
            let _ = self.io.remove(&id.file_name());
        })
    }

    /// Merges all runs into one. Their rows change places, their segments only the owner.
    fn merge_runs(&self, log: &mut Log<F>) -> Result<()> {
        let old = Arc::clone(&self.index().layers);
        let mut created = Vec::new();
        old.created(0, u64::MAX, &mut created)?;
        let run = self.write_run(log, Ordinal(0), &created, |writer| {
            let mut scans = Vec::new();
            for run in old.runs.iter().rev() {
                scans.push(Peek::new(run.scan())?);
            }
            let mut merged = Vec::new();
            while let Some(group) = scans.iter().filter_map(|s| s.head.map(|(key, _)| key.group())).min() {
                let mut layers = Vec::new();
                for scan in &mut scans {
                    let rows = scan.take_group(group)?;
                    if !rows.is_empty() {
                        layers.push(rows);
                    }
                }
                merged.clear();
                self.schema.merge(&layers, true, &mut merged);
                writer.push_all(&merged)?;
            }
            Ok(())
        })?;
        let (id, file_len) = (run.id(), run.file_len());
        let mut next = log.manifest.clone();
        let segments = next.runs.drain(..).flat_map(|r| r.segments).collect();
        next.runs.push(RunEntry { id, file_len, segments });
        next.next_run = id.next();
        manifest::publish(&*self.io, &mut next)?;
        log.manifest = next;
        let mut index = self.index_mut();
        let mut layers = Layers::clone(&index.layers);
        layers.runs = vec![run];
        index.layers = Arc::new(layers);
        drop(index);
        log.retired.runs.extend(old.runs.iter().cloned());
        Ok(())
    }

    /// Removes the files that the newest manifest does not name, once the other slot holds the same and nobody reads them.
    fn remove_retired(&self, log: &mut Log<F>) -> Result<()> {
        if log.retired.runs.is_empty() && log.retired.segments.is_empty() {
            return Ok(());
        }
        manifest::publish(&*self.io, &mut log.manifest)?;
        // One that cannot be removed now is removed when the store is opened.
        log.retired.runs.retain(|run| {
            let unused = Arc::strong_count(run) == 1;
            unused.then(|| self.io.remove(&run.id().file_name()));
            !unused
        });
        log.retired.segments.retain(|segment| {
            let unused = Arc::strong_count(segment) == 1;
            unused.then(|| self.io.remove(&segment.id().file_name()));
            !unused
        });
        Ok(())
    }
}

/// The number of the next pack.
fn next_pack<F: FileIO>(layers: &Layers<F>) -> SegmentId {
    let last = layers.segments.keys().next_back().copied().filter(|id| id.is_pack());
    last.map_or(SegmentId::FIRST_PACK, SegmentId::next)
}

/// The number of the first record in the active segment, which begins with a snapshot.
fn first_lsn<F: FileIO>(log: &Log<F>) -> Result<Lsn> {
    let mut header = vec![0; SEGMENT_HEADER as usize];
    log.active.handle()?.read_at(&mut header, 0)?;
    SegmentHeader::decode(&header)
        .map(|h| h.first_lsn)
        .map_err(|_| log.active.corrupt(0, "the segment's header is not what was written"))
}

/// Creates a segment's file with its first bytes, durably. A file left over by an attempt that was never part of the
/// log is replaced.
pub(super) fn create_segment<F: FileIO>(io: &F, header: &SegmentHeader, bytes: &[u8]) -> Result<F::Handle> {
    let name = header.id.file_name();
    if io.exists(&name)? {
        io.remove(&name)?;
    }
    let handle = io.open(&name, OpenMode::CreateNew)?;
    if let Err(e) = handle.write_at(bytes, 0).and_then(|()| handle.sync()).and_then(|()| io.sync_dir()) {
        // The log goes on in the segment before, so this one must not be there when it is replayed. If it cannot be
        // removed, that error stands: unlike a full disk it latches the store.
        drop(handle);
        io.remove(&name)?;
        return Err(e);
    }
    Ok(handle)
}

/// A scan with the next row at hand.
struct Peek<F: FileIO> {
    scan: RunScan<F>,
    head: Option<Row>,
}

impl<F: FileIO> Peek<F> {
    fn new(mut scan: RunScan<F>) -> Result<Self> {
        let head = scan.advance()?;
        Ok(Self { scan, head })
    }

    /// The rows of this group, if they are next.
    fn take_group(&mut self, group: Group) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        while let Some(row) = self.head.filter(|(key, _)| key.group() == group) {
            rows.push(row);
            self.head = self.scan.advance()?;
        }
        Ok(rows)
    }
}
