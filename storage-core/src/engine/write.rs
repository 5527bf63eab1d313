//! A change of the store: reads for deciding, one record, its effect on the index.
//!
//! Back-pressure: a change begins only when the delta has room. A writer that finds it full helps to write the delta
//! before it out, so that memory stays bounded without a writer ever waiting for a merge.

use super::delta::Delta;
use super::segment::RecordBytes;
use super::state::{Core, Index, Log};
use super::{Applied, ApplyError, Durability, Engine, IndexWriter, Schema};
use crate::error::{Error, Result};
use crate::file::{FileHandle, FileIO};
use crate::format::record::{self, MAX_BODY, RecordKind};
use crate::format::row::{Key, Value};
use crate::format::{Location, Lsn};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

/// A buffer larger than this is not kept for the next record, in bytes.
const KEEP_BUFFER: usize = 1 << 20;
/// A segment is never longer than this, as offsets have 32 bits, in bytes.
const SEGMENT_LIMIT: u64 = 1 << 31;
/// Nothing is written ahead for a record larger than this, in bytes: it would be written twice, which costs more.
const LARGE_RECORD: usize = 16 * 1024;
/// What is written ahead of the log, at a time.
const ZEROS: &[u8] = &[0; 64 * 1024];

/// One change of the store: reads for deciding, one record, its effect on the index.
pub struct Write<'a, F: FileIO, S: Schema, D: Delta> {
    engine: &'a Engine<F, S, D>,
    log: MutexGuard<'a, Log<F>>,
    last: Option<Lsn>,
    written: u64,
    /// Room may be taken from the reserve.
    urgent: bool,
    /// A record is on its way from the log to the index.
    appending: bool,
}

impl<'a, F: FileIO, S: Schema, D: Delta> Write<'a, F, S, D> {
    /// See [`Engine::write`].
    pub(super) fn begin(engine: &'a Engine<F, S, D>) -> Result<Self> {
        let core = &engine.core;
        core.called();
        core.latch.check()?;
        let mut log = core.log();
        // One that was closed is not written out any more, so a full delta stays full.
        while !log.closed && core.is_full(&log) {
            drop(log);
            core.relieve()?;
            log = core.log();
        }
        if log.closed {
            return Err(Error::Internal("the engine is closed".to_owned()));
        }
        record::start(&mut log.buffer);
        Ok(Self { engine, log, last: None, written: 0, urgent: false, appending: false })
    }

    /// What this change writes frees room in the end, so it may use what is reserved for that.
    pub fn make_urgent(&mut self) {
        self.urgent = true;
    }

    /// The delta's row of a key.
    pub fn delta_row(&mut self, key: &Key) -> Option<Value> {
        if let Some(known) = self.log.recent.get(key) {
            return known;
        }
        let known = self.engine.core.index().delta.get(key);
        self.log.recent.keep(key, known);
        known
    }

    /// The newest row of a key in the layers before the delta.
    pub fn older_row(&self, key: &Key) -> Result<Option<Value>> {
        let (frozen, layers) = {
            let index = self.engine.core.index();
            if index.frozen.is_none() && index.layers.is_empty() {
                return Ok(None);
            }
            (index.frozen.as_ref().and_then(|frozen| frozen.delta.get(key)), Arc::clone(&index.layers))
        };
        match frozen {
            Some(value) => Ok(Some(value)),
            None => layers.get(key),
        }
    }

    /// All rows of a key in the layers before the delta, newest first.
    pub fn older_rows(&self, key: &Key) -> Result<Vec<Value>> {
        let (frozen, layers) = {
            let index = self.engine.core.index();
            (index.frozen.as_ref().and_then(|frozen| frozen.delta.get(key)), Arc::clone(&index.layers))
        };
        let mut rows: Vec<Value> = frozen.into_iter().collect();
        rows.extend(layers.get_all(key)?);
        Ok(rows)
    }

    /// Reads records.
    pub fn read(&self, locations: &[Location]) -> Result<Vec<RecordBytes>> {
        let layers = Arc::clone(&self.engine.core.index().layers);
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
        let core = &self.engine.core;
        self.appending = true;
        let log = &mut *self.log;
        let appended = core.append_record(log, self.urgent);
        let (location, lsn) = appended.inspect_err(|_| self.appending = false)?;
        let body = log.buffer.get(record::RECORD_HEADER as usize..location.len as usize).unwrap_or_default();
        let applied = {
            let mut index = core.index_mut();
            let Index { delta, rows, created, .. } = &mut *index;
            let mut writer = IndexWriter { delta, rows, created, recent: Some(&mut log.recent) };
            let applied =
                core.schema.apply(Applied { lsn, kind: RecordKind::Commit, location, body }, &mut writer);
            log.rows = index.rows;
            applied
        };
        if let Err(e) = applied {
            // The log and the index disagree now.
            let error = match e {
                ApplyError::Index(error) => error,
                ApplyError::Record(_) => Error::Internal("a record just written is invalid".to_owned()),
            };
            return Err(core.latch.set(error));
        }
        self.last = Some(lsn);
        self.written += u64::from(location.len);
        self.appending = false;
        record::start(&mut log.buffer);
        Ok(location)
    }

    /// Ends the change: lets other writers go on, sees to maintenance that is due, and returns when the change is as
    /// durable as asked.
    pub fn finish(mut self, durability: Durability) -> Result<()> {
        let (engine, written) = (self.engine, self.written);
        let Some(lsn) = self.last else {
            // Nothing was left to do, but what had done it need not be durable yet.
            drop(self);
            return if durability == Durability::Strict { engine.flush() } else { Ok(()) };
        };
        let due = engine.core.is_due(&self.log);
        if self.log.buffer.capacity() > KEEP_BUFFER {
            self.log.buffer = Vec::new();
        }
        drop(self);
        // The change is in the log whatever happens here. What fails for good has latched the store.
        engine.maintain_after(written, due);
        match durability {
            Durability::Strict => engine.core.syncer.wait(lsn),
            Durability::Relaxed | Durability::Memory => Ok(()),
        }
    }
}

impl<F: FileIO, S: Schema, D: Delta> Drop for Write<'_, F, S, D> {
    fn drop(&mut self) {
        // A panic between log and index would leave them apart.
        if self.appending && std::thread::panicking() {
            self.engine.core.latch.set(Error::Internal("a write panicked".to_owned()));
        }
    }
}

impl<F: FileIO, S: Schema, D: Delta> Core<F, S, D> {
    /// Whether the delta is to be written out. The snapshot with which a segment begins does not count: if it were longer
    /// than a segment should be, each new segment would have to be sealed at once.
    ///
    /// While the disk is full, what was erased is to give its room back before the reserve is used up.
    pub(super) fn is_due(&self, log: &Log<F>) -> bool {
        let grown = log.end.saturating_sub(log.marked);
        let is_spent = self.spent.load(Ordering::Relaxed);
        log.rows >= self.options.checkpoint_rows
            || (is_spent && grown >= (self.options.reserve_bytes / 8).max(1))
            || grown >= self.options.segment_bytes
            || log.end >= SEGMENT_LIMIT
    }

    /// Whether no change may begin before the delta is written out.
    pub(super) fn is_full(&self, log: &Log<F>) -> bool {
        log.rows >= self.options.checkpoint_rows.saturating_mul(2)
            || log.end.saturating_sub(log.marked) >= self.options.segment_bytes.saturating_mul(2)
            || log.end >= SEGMENT_LIMIT
    }

    /// Completes the record in the log's buffer and writes it.
    fn append_record(&self, log: &mut Log<F>, urgent: bool) -> Result<(Location, Lsn)> {
        self.latch.check()?;
        if !urgent {
            self.check_reserve()?;
        }
        let (segment, lsn, offset) = (log.active.id(), log.next, log.end);
        let size = log.buffer.len() as u64;
        let synced = u32::try_from(self.syncer.synced_len()).unwrap_or(u32::MAX);
        let too_large = || Error::TooLarge { what: "message", size, limit: u64::from(MAX_BODY) };
        let len = record::finish(&mut log.buffer, segment, lsn, synced, RecordKind::Commit)
            .ok_or_else(too_large)?;
        let at = u32::try_from(offset).map_err(|_| too_large())?;
        let mut written = self.write_record(log, offset);
        if urgent && matches!(written, Err(Error::DiskFull { .. })) && self.release_reserve() {
            written = self.write_record(log, offset);
        }
        written?;
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

    /// Writes zeros ahead of the log, if the record at its end would make the file longer. A sync then has the record to
    /// write, and not also the file's length and where its new blocks are: where each commit is synced this takes a third
    /// off. Recovery takes zeros for the end of the log.
    fn prepare(&self, log: &mut Log<F>, offset: u64) -> Result<()> {
        let step = self.prepare_bytes.load(Ordering::Relaxed);
        let end = offset + log.buffer.len() as u64;
        if step == 0 || end <= log.prepared || log.buffer.len() > LARGE_RECORD {
            return Ok(());
        }
        let handle = log.active.handle()?;
        let mut at = log.prepared.max(offset);
        log.prepared = end + step;
        while at < log.prepared {
            let zeros = ZEROS.get(..(log.prepared - at) as usize).unwrap_or(ZEROS);
            if let Err(e) = handle.write_at(zeros, at) {
                // Without them it goes as well. This segment is not tried again.
                log.prepared = u64::MAX;
                let undone = matches!(e, Error::DiskFull { .. }) && handle.truncate(offset).is_ok();
                return if undone { Ok(()) } else { Err(self.latch.set(e)) };
            }
            at += zeros.len() as u64;
        }
        Ok(())
    }

    fn write_record(&self, log: &mut Log<F>, offset: u64) -> Result<()> {
        self.prepare(log, offset)?;
        let handle = log.active.handle()?;
        let written = handle.write_at(&log.buffer, offset).and_then(|()| handle.flush());
        let Err(e) = written else { return Ok(()) };
        // Out of space is no reason to stop for good, if what was written of the record can be taken back. So are zeros
        // that were written ahead.
        log.prepared = 0;
        let undone = matches!(e, Error::DiskFull { .. }) && handle.truncate(offset).is_ok();
        Err(if undone { e } else { self.latch.set(e) })
    }
}
