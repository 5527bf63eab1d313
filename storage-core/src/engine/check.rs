//! Verifying an open store: every checksum of every file, and every row of the index against the log. Stores and loads go
//! on meanwhile; each CoValue is looked at as one consistent state.

use super::delta::{Delta, Row, Rows};
use super::layers::Layers;
use super::manifest;
use super::merge::LayerScan;
use super::part::Windows;
use super::run::RunFile;
use super::salvage::note;
use super::segment::{RecordBytes, Scanner, Segment, describe};
use super::slices::{self, pause};
use super::state::Core;
use super::{Engine, Schema};
use crate::error::{Error, Result};
use crate::file::{FileHandle, FileIO};
use crate::format::manifest::SLOTS;
use crate::format::record::{BadRecord, SEGMENT_HEADER, SegmentHeader};
use crate::format::row::{Group, Key};
use crate::format::{Location, Ordinal};
use std::sync::Arc;

/// The segments' progress is told each time so many bytes were read.
const TOLD_BYTES: u64 = 64 * 1024;
/// What a block of a run, and a group without its records, count for between pauses, in bytes.
const BLOCK_WORK: u64 = 16 * 1024;
const GROUP_WORK: u64 = 4 * 1024;

/// Told how many bytes of how many are done; false to stop.
pub type OnProgress<'p> = &'p mut dyn FnMut(Progress) -> bool;

/// How far a long operation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Bytes done.
    pub done: u64,
    /// Bytes in all, as far as that is known.
    pub total: u64,
}

/// Where records are read from while groups are checked.
pub trait Records {
    /// A verified record.
    fn record(&mut self, location: Location) -> Result<RecordBytes>;
    /// The bytes where a record should be, whatever they are.
    fn raw(&mut self, location: Location) -> Result<Vec<u8>>;
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The record, if it is one.
    pub location: Option<Location>,
    /// What is wrong.
    pub detail: String,
}

/// A session of which not everything can be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The session's id, if it is known.
    pub session: Option<Vec<u8>>,
    /// Transactions kept.
    pub kept: u32,
    /// Transactions lost.
    pub lost: u32,
}

/// What was found of a group.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// The CoValue's id, if it is known.
    pub id: Option<Vec<u8>>,
    /// The CoValue's place in the order of creation, if it can be kept.
    pub created: Option<Ordinal>,
    /// Records looked at.
    pub records: u64,
    /// Transactions that are as they should be.
    pub transactions: u64,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// What cannot be kept.
    pub lost: Vec<Lost>,
}

/// Damage in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file's name in the store's directory.
    pub file: String,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// What is wrong.
    pub detail: String,
    /// The ids of the CoValues concerned, as far as they are known.
    pub covalues: Vec<Vec<u8>>,
}

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Bytes read of files.
    pub bytes: u64,
    /// Records whose checksum was compared, those not needed any more included.
    pub records: u64,
    /// Rows of the index on disk.
    pub rows: u64,
    /// CoValues looked at.
    pub covalues: u64,
    /// Transactions that are where the index says.
    pub transactions: u64,
    /// What is wrong.
    pub damage: Vec<Damage>,
}

/// Records through read-ahead windows, past the cache.
pub(super) struct Uncached<F: FileIO> {
    pub(super) layers: Arc<Layers<F>>,
    pub(super) windows: Windows,
    /// Bytes of the records that were asked for.
    pub(super) read: u64,
}

impl<F: FileIO> Records for Uncached<F> {
    fn record(&mut self, location: Location) -> Result<RecordBytes> {
        self.read += u64::from(location.len);
        let segment = self.layers.segment(location.segment)?;
        self.windows.record(segment, location)
    }
    fn raw(&mut self, location: Location) -> Result<Vec<u8>> {
        let segment = self.layers.segment(location.segment)?;
        Ok(segment.read_up_to(u64::from(location.offset), location.len as usize)?.to_vec())
    }
}

/// The work of a verification.
struct Verification<'a, 'p, F: FileIO, S: Schema, D: Delta> {
    core: &'a Core<F, S, D>,
    layers: Arc<Layers<F>>,
    report: Verified,
    progress: Progress,
    on_progress: OnProgress<'p>,
}

impl<F: FileIO, S: Schema, D: Delta> Engine<F, S, D> {
    /// Verifies everything that is stored.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if `on_progress` says so, and failures to read. Damage is no error: it is in the report.
    pub fn verify(&self, on_progress: OnProgress<'_>) -> Result<Verified> {
        slices::at_once(self.verify_in_slices(on_progress))
    }

    /// The same, with pauses.
    ///
    /// # Errors
    /// Those of [`Engine::verify`].
    pub async fn verify_in_slices(&self, on_progress: OnProgress<'_>) -> Result<Verified> {
        // What is only in the delta is checked through the log's records, which are all in files.
        let (layers, end) = {
            let log = self.core.log();
            (Arc::clone(&self.core.index().layers), log.end)
        };
        let runs: u64 = layers.parts().map(|part| part.entry.file_len).sum();
        let mut work = Verification {
            core: &self.core,
            report: Verified::default(),
            progress: Progress { done: 0, total: 2 * runs + 2 * self.core.stats()?.log_bytes },
            on_progress,
            layers,
        };
        work.slots()?;
        work.runs().await?;
        work.segments(end).await?;
        work.groups().await?;
        Ok(work.report)
    }
}

impl<F: FileIO, S: Schema, D: Delta> Verification<'_, '_, F, S, D> {
    fn advance(&mut self, bytes: u64) -> Result<()> {
        self.progress.done = (self.progress.done + bytes).min(self.progress.total);
        if (self.on_progress)(self.progress) { Ok(()) } else { Err(Error::Cancelled) }
    }

    /// Damage goes to the report, other failures are the caller's.
    fn note(&mut self, error: Error, covalues: Vec<Vec<u8>>) -> Result<()> {
        if covalues.is_empty() {
            return note(&mut self.report.damage, &error, None);
        }
        covalues.iter().try_for_each(|id| note(&mut self.report.damage, &error, Some(id)))
    }

    fn slots(&mut self) -> Result<()> {
        // Not while one is being written.
        let maintenance = self.core.maintenance();
        let slots: Vec<_> = SLOTS.iter().map(|slot| (slot, manifest::read(&*self.core.io, slot))).collect();
        drop(maintenance);
        for (slot, read) in slots {
            if let Some(Err(_)) = read? {
                let error = Error::corrupt(self.core.io.path().join(slot), 0, manifest::DAMAGED_SLOT);
                self.note(error, Vec::new())?;
            }
        }
        Ok(())
    }

    async fn runs(&mut self) -> Result<()> {
        let layers = Arc::clone(&self.layers);
        for part in layers.parts() {
            let entry = &part.entry;
            // From the file: what is resident was verified when it was read.
            let opened = RunFile::open(&*self.core.io, entry.run, entry.file_len, self.core.identity.0);
            let run = match opened {
                Ok(run) => Arc::new(run),
                Err(e) => {
                    self.note(e, Vec::new())?;
                    continue;
                }
            };
            let mut scan = run.scan(Group([0; 16]));
            let mut last: Option<Key> = None;
            loop {
                pause(BLOCK_WORK).await;
                match scan.advance_block() {
                    Ok(Some((offset, rows))) => {
                        let keys = || rows.iter().map(|(key, _)| *key);
                        let ascending = last.into_iter().chain(keys()).is_sorted_by(|a, b| a < b);
                        let inside = keys().all(|key| entry.low <= key.group() && key.group() <= entry.high);
                        if !ascending || !inside {
                            self.note(
                                run.corrupt(offset, "rows are not in order, or not of this part"),
                                vec![],
                            )?;
                        }
                        self.report.rows += rows.len() as u64;
                        last = rows.last().map(|(key, _)| *key).or(last);
                    }
                    Ok(None) => break,
                    Err(e) => self.note(e, Vec::new())?,
                }
            }
            let mut listed = Vec::new();
            if let Err(e) = run.created(0, u64::MAX, &mut listed) {
                self.note(e, Vec::new())?;
            }
            self.report.bytes += entry.file_len;
            self.advance(entry.file_len)?;
        }
        Ok(())
    }

    async fn segments(&mut self, end: u64) -> Result<()> {
        let active = self.layers.segments.keys().rev().find(|id| !id.is_pack()).copied();
        let all: Vec<Arc<Segment<F>>> = self.layers.segments.values().map(Arc::clone).collect();
        for segment in all {
            let scanned = self.segment(&segment, (Some(segment.id()) == active).then_some(end)).await;
            scanned.or_else(|e| self.note(e, Vec::new()))?;
        }
        Ok(())
    }

    async fn segment(&mut self, segment: &Arc<Segment<F>>, end: Option<u64>) -> Result<()> {
        let header = segment.read_up_to(0, SEGMENT_HEADER as usize)?;
        let valid = SegmentHeader::decode(&header);
        if !valid.is_ok_and(|header| header.id == segment.id() && header.store == self.core.identity.0) {
            self.note(segment.corrupt(0, "the segment's header is damaged"), Vec::new())?;
        }
        let mut scanner = Scanner::new(segment, u64::from(SEGMENT_HEADER))?;
        let end = end.unwrap_or(scanner.file_len()).min(scanner.file_len());
        let mut told = u64::from(SEGMENT_HEADER);
        while scanner.offset() < end {
            let offset = scanner.offset();
            match scanner.advance()?.err() {
                None => self.report.records += 1,
                // The log may end in zeros that were never written to.
                Some(BadRecord::Blank) if scanner.is_blank_from(offset)? => break,
                Some(bad) => {
                    self.note(segment.corrupt(offset, describe(bad)), Vec::new())?;
                    if !scanner.resync()? {
                        break;
                    }
                }
            }
            if scanner.offset() - told > TOLD_BYTES {
                self.advance(scanner.offset() - told)?;
                pause(scanner.offset() - told).await;
                told = scanner.offset();
            }
        }
        self.report.bytes += end;
        self.advance(end.saturating_sub(told))
    }

    /// Compares the rows of every group with the log.
    async fn groups(&mut self) -> Result<()> {
        let limit = self.core.options.buffer_bytes;
        let mut groups = Groups::new(&self.layers)?;
        let mut reader: Option<Uncached<F>> = None;
        while let Some(group) = groups.next(self.core)? {
            let (rows, layers) = match self.core.group(group, Rows::All) {
                Ok(found) => found,
                Err(e) => {
                    self.note(e, Vec::new())?;
                    continue;
                }
            };
            if reader.as_ref().is_none_or(|reader| !Arc::ptr_eq(&reader.layers, &layers)) {
                reader = Some(Uncached { layers, windows: Windows::new(limit), read: 0 });
            }
            let Some(records) = &mut reader else { continue };
            let before = records.read;
            let checked = self.core.schema.check(&rows, &|ordinal| ordinal, records, &mut Vec::new())?;
            let read = records.read - before;
            self.report.covalues += u64::from(checked.created.is_some());
            self.report.transactions += checked.transactions;
            let ids: Vec<Vec<u8>> = checked.id.into_iter().collect();
            for fault in checked.faults {
                let error = match fault.location {
                    Some(at) => {
                        records.layers.segment(at.segment)?.corrupt(u64::from(at.offset), fault.detail)
                    }
                    None => Error::corrupt(self.core.io.path().join(SLOTS[0]), 0, fault.detail),
                };
                self.note(error, ids.clone())?;
            }
            if groups.seen.is_multiple_of(256) {
                self.advance(0)?;
            }
            pause(GROUP_WORK + read).await;
        }
        let left = self.progress.total - self.progress.done;
        self.advance(left)
    }
}

/// The groups of an open store in order: those on disk when it began, and those in memory as it comes to them.
struct Groups<F: FileIO> {
    scans: Vec<LayerScan<F>>,
    next: Option<Group>,
    seen: u64,
}

impl<F: FileIO> Groups<F> {
    fn new(layers: &Layers<F>) -> Result<Self> {
        // A damaged block was reported before; the groups in it cannot be told.
        let scans = layers.layers.iter().map(|layer| LayerScan::tolerant(layer, layer.from));
        Ok(Self { scans: scans.collect::<Result<_>>()?, next: Some(Group([0; 16])), seen: 0 })
    }

    fn next<S: Schema, D: Delta>(&mut self, core: &Core<F, S, D>) -> Result<Option<Group>> {
        let Some(from) = self.next else { return Ok(None) };
        let mut found: Option<Group> = None;
        for scan in &mut self.scans {
            while scan.group().is_some_and(|group| group < from) {
                scan.advance()?;
            }
            found = [found, scan.group()].into_iter().flatten().min();
        }
        let first = |rows: Vec<Row>| rows.first().map(|(key, _)| key.group());
        {
            let index = core.index();
            found = [found, first(index.delta.rows_from(&Key::first(from), 1)?)].into_iter().flatten().min();
            if let Some(frozen) = &index.frozen {
                let frozen = first(frozen.delta.rows_from(&Key::first(from), 1)?);
                found = [found, frozen].into_iter().flatten().min();
            }
        }
        self.next = found.and_then(Group::next);
        self.seen += 1;
        Ok(found)
    }
}

impl<F: FileIO> Scanner<F> {
    /// Whether there are only zeros from an offset on.
    fn is_blank_from(&self, offset: u64) -> Result<bool> {
        let mut at = offset;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let got = self.handle()?.read_at(&mut buffer, at)?;
            if got == 0 {
                return Ok(true);
            }
            if buffer.get(..got).unwrap_or_default().iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at += got as u64;
        }
    }
}
