//! A change of the store: reads for deciding, a record, its effect on the index; and several of them in a batch, whose records
//! are written together.
//!
//! Back-pressure: a change begins only when the delta has room. A writer that finds it full helps to write the delta
//! before it out, so that memory stays bounded without a writer ever waiting for a merge.

use super::delta::Delta;
use super::segment::RecordBytes;
use super::staged::Staged;
use super::state::{Core, Index, Log};
use super::{Applied, ApplyError, Durability, Engine, IndexWriter, Schema};
use crate::error::{Error, Result};
use crate::file::{FileHandle, FileIO, SMALL_WRITE};
use crate::format::record::{self, MAX_BODY, RecordKind};
use crate::format::row::{Key, Value};
use crate::format::{Location, Lsn};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

/// A buffer larger than this is not kept for the next record, in bytes.
const KEEP_BUFFER: usize = 1 << 20;
/// A segment is never longer than this, as offsets have 32 bits, in bytes.
const SEGMENT_LIMIT: u64 = 1 << 31;
/// Nothing is written ahead for a write larger than this, in bytes: what it writes would be written twice, which costs more.
const LARGE_WRITE: usize = 64 * 1024;
/// What is written ahead where writing over it is cheaper than writing behind it, in bytes.
const OVERWRITE_BYTES: u64 = 256 * 1024;
/// How much is staged at most, in bytes.
const STAGED_BYTES: usize = 256 * 1024;
/// What is written ahead of the log, at a time.
const ZEROS: &[u8] = &[0; 64 * 1024];

/// One change of the store: reads for deciding, records, and their effect on the index.
pub struct Write<'a, F: FileIO, S: Schema, D: Delta> {
    engine: &'a Engine<F, S, D>,
    log: MutexGuard<'a, Log<F>>,
    /// Of what this change wrote: the number of the last record, how many records, and bytes of them.
    last: Option<Lsn>,
    records: u64,
    bytes: u64,
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
        Ok(Self { engine, log, last: None, records: 0, bytes: 0, urgent: false, appending: false })
    }

    /// What this change writes frees room in the end, so it may use what is reserved for that.
    pub fn make_urgent(&mut self) {
        self.urgent = true;
    }

    /// The delta's row of a key, or the one that is to come there.
    pub fn delta_row(&mut self, key: &Key) -> Option<Value> {
        if let Some(value) = self.log.staged.rows.get(key) {
            return Some(*value);
        }
        if let Some(known) = self.log.recent.get(key) {
            if known.is_none() {
                // A row of its group that comes first would leave it in doubt.
                self.log.recent.keep(key, None);
            }
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

    /// Reads records; before that, writes what is staged, as they may be there.
    pub fn read(&mut self, locations: &[Location]) -> Result<Vec<RecordBytes>> {
        self.commit()?;
        let layers = Arc::clone(&self.engine.core.index().layers);
        layers.read(locations)
    }

    /// How many CoValues were created, those included that are staged.
    pub fn created_count(&self) -> u64 {
        self.engine.core.created_count() + self.log.staged.created.len() as u64
    }

    /// The body of the record under construction: the schema's entries are appended to it.
    pub fn body(&mut self) -> &mut Vec<u8> {
        &mut self.log.buffer
    }

    /// Whether the record under construction has no entries.
    pub fn is_empty(&self) -> bool {
        self.log.buffer.len() <= record::RECORD_HEADER as usize
    }

    /// Appends the record to the log and applies it to the index, after what is staged. The next record can then be
    /// constructed.
    pub fn append(&mut self) -> Result<Location> {
        self.commit()?;
        let core = &self.engine.core;
        let log = &mut *self.log;
        core.check_writable(self.urgent)?;
        let (lsn, offset) = (log.next, log.end);
        let location = core.seal(log, lsn, offset)?;
        self.appending = true;
        let record = std::mem::take(&mut log.buffer);
        let written = core.write_log(log, &record, (lsn, 1), self.urgent);
        log.buffer = record;
        written.inspect_err(|_| self.appending = false)?;
        let body = log.buffer.get(record::RECORD_HEADER as usize..location.len as usize).unwrap_or_default();
        let applied = {
            let mut index = core.index_mut();
            let Index { delta, rows, created, .. } = &mut *index;
            let recent = Some(&mut log.recent);
            let mut writer = IndexWriter { delta, rows, created, recent, staged: None };
            let applied =
                core.schema.apply(Applied { lsn, kind: RecordKind::Commit, location, body }, &mut writer);
            log.rows = index.rows;
            applied
        };
        // The log and the index disagree now.
        applied.map_err(|e| core.latch.set(not_applied(e)))?;
        if location.len >= core.options.large_bytes {
            log.large += u64::from(location.len);
        }
        record::start(&mut log.buffer);
        self.wrote(lsn, 1, u64::from(location.len));
        Ok(location)
    }

    /// Records up to this one are in the log and the index.
    fn wrote(&mut self, last: Lsn, records: u64, bytes: u64) {
        self.last = Some(last);
        self.records += records;
        self.bytes += bytes;
        self.appending = false;
    }

    /// As [`Self::append`], but the record may be written later, together with others: by [`Self::commit`], and whatever
    /// else needs it in the log. Until then only this change sees it; dropped before, it never was. It must do nothing but
    /// to rows of the index.
    pub fn stage(&mut self) -> Result<()> {
        let size = self.log.buffer.len();
        if size > SMALL_WRITE {
            return self.append().map(drop);
        }
        if self.log.staged.bytes.len() + size > STAGED_BYTES {
            self.commit()?;
        }
        let core = &self.engine.core;
        let log = &mut *self.log;
        let lsn = log.staged.last.map_or(log.next, Lsn::next);
        let location = core.seal(log, lsn, log.end + log.staged.bytes.len() as u64)?;
        let body = log.buffer.get(record::RECORD_HEADER as usize..location.len as usize).unwrap_or_default();
        let index = core.index();
        let Staged { bytes, records, last, rows, fresh, created } = &mut log.staged;
        let mut writer = IndexWriter {
            delta: &index.delta,
            rows: fresh,
            created,
            recent: Some(&mut log.recent),
            staged: Some(rows),
        };
        let applied =
            core.schema.apply(Applied { lsn, kind: RecordKind::Commit, location, body }, &mut writer);
        applied.map_err(|e| core.latch.set(not_applied(e)))?;
        bytes.extend_from_slice(&log.buffer);
        *records += 1;
        *last = Some(lsn);
        record::start(&mut log.buffer);
        Ok(())
    }

    /// How many records of this change are in the log.
    pub fn written(&self) -> u64 {
        self.records
    }

    /// How many records this change has made, those included that are staged.
    pub fn made(&self) -> u64 {
        self.records + self.log.staged.records
    }

    /// Whether the delta is to be written out, so that this change should come to its end.
    pub fn is_due(&self) -> bool {
        self.engine.core.is_due(&self.log)
    }

    /// Writes what is staged to the log and applies it to the index: all of it, or, if this fails, nothing.
    pub fn commit(&mut self) -> Result<()> {
        let Some(lsn) = self.log.staged.last else { return Ok(()) };
        let core = &self.engine.core;
        let log = &mut *self.log;
        let mut staged = std::mem::take(&mut log.staged);
        self.appending = true;
        let written = core
            .check_writable(self.urgent)
            .and_then(|()| core.write_log(log, &staged.bytes, (lsn, staged.records), self.urgent));
        let applied = written.map(|()| {
            let mut index = core.index_mut();
            let index = &mut *index;
            index.rows += staged.fresh;
            index.created.append(&mut staged.created);
            log.rows = index.rows;
            staged.rows.iter().try_for_each(|(key, value)| {
                log.recent.keep(key, Some(*value));
                index.delta.put(key, value)
            })
        });
        let (len, records) = (staged.bytes.len() as u64, staged.records);
        staged.clear(STAGED_BYTES);
        log.staged = staged;
        let applied = applied.inspect_err(|_| self.appending = false)?;
        // If not, the log and the index disagree now.
        applied.map_err(|e| core.latch.set(e))?;
        self.wrote(lsn, records, len);
        Ok(())
    }

    /// Ends the change: lets other writers go on, sees to maintenance that is due, and returns when the change is as
    /// durable as asked.
    pub fn finish(mut self, durability: Durability) -> Result<()> {
        self.commit()?;
        let (engine, written) = (self.engine, self.bytes);
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
        // Of a record that panicked on its way there may be rows only.
        self.log.staged.clear(STAGED_BYTES);
    }
}

/// Why a record that was just made could not be applied.
fn not_applied(error: ApplyError) -> Error {
    match error {
        ApplyError::Index(error) => error,
        ApplyError::Record(_) => Error::Internal("a record just made is invalid".to_owned()),
    }
}

impl<F: FileIO, S: Schema, D: Delta> Core<F, S, D> {
    /// Whether the delta is to be written out. The snapshot with which a segment begins does not count: if it were longer
    /// than a segment should be, each new segment would have to be sealed at once.
    ///
    /// While the disk is full, what was erased is to give its room back before the reserve is used up.
    pub(super) fn is_due(&self, log: &Log<F>) -> bool {
        let end = log.end + log.staged.bytes.len() as u64;
        let grown = end.saturating_sub(log.marked);
        let is_spent = self.spent.load(Ordering::Relaxed);
        log.rows + log.staged.fresh >= self.options.checkpoint_rows
            || (is_spent && grown >= (self.options.reserve_bytes / 8).max(1))
            || grown >= self.options.segment_bytes
            || end >= SEGMENT_LIMIT
    }

    /// Whether no change may begin before the delta is written out.
    pub(super) fn is_full(&self, log: &Log<F>) -> bool {
        log.rows >= self.options.checkpoint_rows.saturating_mul(2)
            || log.end.saturating_sub(log.marked) >= self.options.segment_bytes.saturating_mul(2)
            || log.end >= SEGMENT_LIMIT
    }

    fn check_writable(&self, urgent: bool) -> Result<()> {
        self.latch.check()?;
        if urgent { Ok(()) } else { self.check_reserve() }
    }

    /// Completes the record in the log's buffer, which will be at this offset.
    fn seal(&self, log: &mut Log<F>, lsn: Lsn, offset: u64) -> Result<Location> {
        let (segment, size) = (log.active.id(), log.buffer.len() as u64);
        let synced = u32::try_from(self.syncer.synced_len()).unwrap_or(u32::MAX);
        let too_large = || Error::TooLarge { what: "message", size, limit: u64::from(MAX_BODY) };
        let len = record::finish(&mut log.buffer, segment, lsn, synced, RecordKind::Commit)
            .ok_or_else(too_large)?;
        let offset = u32::try_from(offset).map_err(|_| too_large())?;
        Ok(Location { segment, offset, len })
    }

    /// Writes records to the end of the log; of the last one, the number, and how many they are.
    fn write_log(
        &self,
        log: &mut Log<F>,
        bytes: &[u8],
        (last, records): (Lsn, u64),
        urgent: bool,
    ) -> Result<()> {
        let mut written = self.write_at_end(log, bytes);
        if urgent && matches!(written, Err(Error::DiskFull { .. })) && self.release_reserve() {
            written = self.write_at_end(log, bytes);
        }
        written?;
        log.end += bytes.len() as u64;
        log.next = last.next();
        self.syncer.wrote(last, log.end);
        self.count(|c| {
            c.records += records;
            c.bytes_written += bytes.len() as u64;
        });
        Ok(())
    }

    /// Writes zeros ahead of the log, if the write at its end would make the file longer. A sync then has the record to
    /// write, and not also the file's length and where its new blocks are: where each commit is synced this takes a third
    /// off. Elsewhere it is done if small writes then need no call of the system. Recovery takes zeros for the end of the log.
    fn prepare(&self, log: &mut Log<F>, len: usize) -> Result<()> {
        let (offset, end) = (log.end, log.end + len as u64);
        if end <= log.prepared || len > LARGE_WRITE {
            return Ok(());
        }
        let handle = log.active.handle()?;
        let for_syncs = self.prepare_bytes.load(Ordering::Relaxed);
        let in_memory = for_syncs == 0 && handle.overwrites_in_memory();
        let step = if in_memory { OVERWRITE_BYTES } else { for_syncs };
        if step == 0 || (in_memory && len > SMALL_WRITE) {
            return Ok(());
        }
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
        if in_memory {
            handle.will_overwrite(offset..log.prepared);
        }
        Ok(())
    }

    fn write_at_end(&self, log: &mut Log<F>, bytes: &[u8]) -> Result<()> {
        self.prepare(log, bytes.len())?;
        let handle = log.active.handle()?;
        let written = handle.write_at(bytes, log.end).and_then(|()| handle.flush());
        let Err(e) = written else { return Ok(()) };
        // Out of space is no reason to stop for good, if what was written can be taken back. So are zeros that were written
        // ahead.
        log.prepared = 0;
        let undone = matches!(e, Error::DiskFull { .. }) && handle.truncate(log.end).is_ok();
        Err(if undone { e } else { self.latch.set(e) })
    }
}
