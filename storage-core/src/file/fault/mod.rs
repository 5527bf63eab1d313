//! [`FileIO`] that fails and crashes on demand: keeps what was written apart from what was made durable.
//!
//! Every operation that changes something is counted. After a chosen one the process "dies": nothing more succeeds. Then
//! [`FaultFileIO::restarted`] gives the directory as a power cut may leave it: what was synced is there, of everything
//! since any part may be missing or torn at a sector's border, in any order, as the [`Loss`] says. With
//! [`FaultFileIO::keep_history`] one run gives the directory after each of its operations, and so every crash of it.
//!
//! Or one call fails with a chosen error, or all from it on, and the process lives on; those that change nothing have a
//! count of their own. Or the disk has a capacity, and is full when the files reach it.
//!
//! The medium is as weak as docs/design.md, section 8.1, allows: a file's bytes need a sync of the file, names need one of
//! the directory.

mod disk;
mod loss;
#[cfg(test)]
mod tests;

pub use loss::Loss;

use super::memory::InMemoryFileIO;
use super::{FileHandle, FileIO, OpenMode, check_name, this_process};
use crate::error::{Error, Result};
use disk::Disk;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a call fails while the process lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// An error of the device; nothing was done.
    Device,
    /// An error of the device after half of the bytes were written.
    HalfWritten,
    /// No space is left; half of the bytes were written.
    DiskFull,
    /// A read gives half of the bytes and no error, against the contract of [`FileHandle::read_at`]. Any other call
    /// fails as with [`Failure::Device`].
    ShortRead,
}

/// How many calls there were of each kind, failed ones included, and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FaultStats {
    /// Bytes of all files.
    pub bytes: u64,
    /// The most bytes there were at any time.
    pub peak_bytes: u64,
    /// Bytes given to writes that completed.
    pub bytes_written: u64,
    /// Bytes given back by reads.
    pub bytes_read: u64,
    /// Writes.
    pub writes: u64,
    /// Syncs of a file.
    pub syncs: u64,
    /// Syncs of the directory.
    pub dir_syncs: u64,
    /// Truncations and extensions.
    pub truncates: u64,
    /// Files created.
    pub creates: u64,
    /// Renames.
    pub renames: u64,
    /// Removals.
    pub removes: u64,
    /// Reads.
    pub reads: u64,
    /// Advice on what will be read.
    pub advice: u64,
    /// Bytes of that advice.
    pub bytes_advised: u64,
    /// Existing files opened.
    pub opens: u64,
    /// Lists of the directory.
    pub lists: u64,
    /// Questions for existence and length, flushes, and the locks and the creation of the directory.
    pub others: u64,
}

/// When calls of one kind of count fail.
#[derive(Debug, Clone, Copy)]
struct Plan {
    at: u64,
    and_all_after: bool,
    failure: Failure,
}

impl Plan {
    fn failure(plan: Option<Self>, count: u64) -> Option<Failure> {
        plan.filter(|plan| plan.at == count || plan.and_all_after && plan.at < count).map(|plan| plan.failure)
    }
}

#[derive(Debug, Default)]
struct State {
    disk: Disk,
    operations: u64,
    queries: u64,
    crash_after: Option<u64>,
    fail: Option<Plan>,
    fail_query: Option<Plan>,
    locked: bool,
    reads_fail: bool,
    /// The number of operations before the first entry, and the disk before each operation from that on.
    history: Option<(u64, Vec<Disk>)>,
    stats: FaultStats,
}

impl State {
    fn has_crashed(&self) -> bool {
        self.crash_after.is_some_and(|at| self.operations >= at)
    }
}

/// See the module's documentation. Clones are the same directory.
#[derive(Debug, Clone)]
pub struct FaultFileIO {
    state: Arc<Mutex<State>>,
    path: PathBuf,
}

impl Default for FaultFileIO {
    fn default() -> Self {
        Self { state: Arc::default(), path: PathBuf::from("(faulty)") }
    }
}

impl FaultFileIO {
    /// An empty directory in which nothing fails yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn of(disk: Disk) -> Self {
        let io = Self::new();
        io.state().disk = disk;
        io
    }

    /// A directory with these contents, all durable.
    pub fn from_image(image: &InMemoryFileIO) -> Result<Self> {
        let mut files = Vec::new();
        for name in image.list()? {
            let handle = image.open(&name, OpenMode::Read)?;
            let mut bytes = vec![0; handle.len()? as usize];
            let got = handle.read_at(&mut bytes, 0)?;
            bytes.truncate(got);
            files.push((name, Arc::new(bytes)));
        }
        Ok(Self::of(Disk::durable(files)))
    }

    /// The process dies after this many further changing operations.
    pub fn crash_after(&self, operations: u64) {
        let mut state = self.state();
        state.crash_after = Some(state.operations + operations);
    }

    /// The operation after this many further changing ones fails.
    pub fn fail_after(&self, operations: u64, failure: Failure) {
        let mut state = self.state();
        state.fail = Some(Plan { at: state.operations + operations, and_all_after: false, failure });
    }

    /// All operations after this many further changing ones fail.
    pub fn fail_from(&self, operations: u64, failure: Failure) {
        let mut state = self.state();
        state.fail = Some(Plan { at: state.operations + operations, and_all_after: true, failure });
    }

    /// The call after this many further ones that change nothing fails: reads, openings, lists, questions for existence
    /// and length, flushes, locks.
    pub fn fail_query_after(&self, queries: u64, failure: Failure) {
        let mut state = self.state();
        state.fail_query = Some(Plan { at: state.queries + queries, and_all_after: false, failure });
    }

    /// Nothing fails any more, but what crashed stays so.
    pub fn heal(&self) {
        let mut state = self.state();
        (state.fail, state.fail_query, state.reads_fail) = (None, None, false);
    }

    /// Whether all reads fail from now on.
    pub fn fail_reads(&self, fail: bool) {
        self.state().reads_fail = fail;
    }

    /// How many bytes all files together may have. What would need more fails for want of space, a write after the part
    /// that fits; what is there can be overwritten. Removing and cutting files gives room at once, extending one takes
    /// it. On a full disk nothing can be created.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().disk.capacity = bytes;
    }

    /// How many changing operations there were.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// How many calls there were that change nothing.
    pub fn queries(&self) -> u64 {
        self.state().queries
    }

    /// Whether the process died.
    pub fn has_crashed(&self) -> bool {
        self.state().has_crashed()
    }

    /// Counts and sizes since this directory was made.
    pub fn stats(&self) -> FaultStats {
        let state = self.state();
        let (bytes, peak_bytes) = state.disk.used();
        FaultStats { bytes, peak_bytes, ..state.stats }
    }

    /// Keeps, from now on, the directory as it is before each operation, for [`FaultFileIO::after`].
    pub fn keep_history(&self) {
        let mut state = self.state();
        state.history = Some((state.operations, Vec::new()));
    }

    /// Another directory: this one as it was after so many operations, with all that was not synced then. Nothing if that
    /// was before its history or is still to come.
    pub fn after(&self, operations: u64) -> Option<Self> {
        let state = self.state();
        if operations == state.operations {
            return Some(Self::of(state.disk.clone()));
        }
        let (first, disks) = state.history.as_ref()?;
        let place = usize::try_from(operations.checked_sub(*first)?).ok()?;
        disks.get(place).cloned().map(Self::of)
    }

    /// Another directory: this one as a power cut at this moment may leave it. What was not changed since is shared.
    pub fn restarted(&self, loss: Loss) -> Self {
        Self::of(loss::after_cut(&self.state().disk, loss))
    }

    /// The directory as a power cut at this moment may leave it.
    pub fn image(&self, loss: Loss) -> Result<InMemoryFileIO> {
        let left = loss::after_cut(&self.state().disk, loss);
        let image = InMemoryFileIO::new();
        image.create_dir()?;
        for (name, number) in &left.names {
            let Some(file) = left.files.get(*number) else { continue };
            image.open(name, OpenMode::CreateNew)?.write_at(&file.current, 0)?;
        }
        Ok(image)
    }

    /// A hash of all names and contents, to tell different directories apart within one process.
    pub fn digest(&self) -> u64 {
        let state = self.state();
        let mut hasher = DefaultHasher::new();
        for (name, number) in &state.disk.names {
            (name, state.disk.files.get(*number).map(|file| &file.current)).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, operation: &'static str, name: &str, kind: io::ErrorKind) -> Error {
        Error::from_io(operation, self.path.join(name), kind.into())
    }

    /// Counts a changing operation, and gives the state to make the change in, or how it fails.
    fn change(
        &self,
        operation: &'static str,
        name: &str,
        count: impl FnOnce(&mut FaultStats),
    ) -> Result<(MutexGuard<'_, State>, Option<Failure>)> {
        let mut guard = self.state();
        let state = &mut *guard;
        if state.has_crashed() {
            return Err(self.error(operation, name, io::ErrorKind::BrokenPipe));
        }
        if let Some((_, disks)) = &mut state.history {
            disks.push(state.disk.clone());
        }
        let failure = Plan::failure(state.fail, state.operations);
        state.operations += 1;
        count(&mut state.stats);
        match failure {
            Some(Failure::Device | Failure::ShortRead) => {
                Err(self.error(operation, name, io::ErrorKind::Other))
            }
            failure => Ok((guard, failure)),
        }
    }

    /// For operations that cannot be done by half.
    fn whole(
        &self,
        operation: &'static str,
        name: &str,
        count: impl FnOnce(&mut FaultStats),
    ) -> Result<MutexGuard<'_, State>> {
        match self.change(operation, name, count)? {
            (state, None) => Ok(state),
            (_, Some(Failure::DiskFull)) => Err(self.error(operation, name, io::ErrorKind::StorageFull)),
            (_, Some(_)) => Err(self.error(operation, name, io::ErrorKind::Other)),
        }
    }

    /// Counts a call that changes nothing. Gives the state, and whether the call is to do half of its work.
    fn query(
        &self,
        operation: &'static str,
        name: &str,
        count: impl FnOnce(&mut FaultStats),
    ) -> Result<(MutexGuard<'_, State>, bool)> {
        let mut state = self.state();
        if state.has_crashed() {
            return Err(self.error(operation, name, io::ErrorKind::BrokenPipe));
        }
        let failure = Plan::failure(state.fail_query, state.queries);
        state.queries += 1;
        count(&mut state.stats);
        match failure {
            None => Ok((state, false)),
            Some(Failure::ShortRead) if operation == "read" => Ok((state, true)),
            Some(_) => Err(self.error(operation, name, io::ErrorKind::Other)),
        }
    }
}

impl FileIO for FaultFileIO {
    type Handle = FaultHandle;
    type Lock = FaultLock;

    fn path(&self) -> &Path {
        &self.path
    }

    fn create_dir(&self) -> Result<()> {
        self.query("create", "", |stats| stats.others += 1).map(|_| ())
    }

    fn exists(&self, name: &str) -> Result<bool> {
        check_name(name)?;
        let (state, _) = self.query("find", name, |stats| stats.others += 1)?;
        Ok(state.disk.names.contains_key(name))
    }

    fn list(&self) -> Result<Vec<String>> {
        let (state, _) = self.query("list", "", |stats| stats.lists += 1)?;
        Ok(state.disk.names.keys().cloned().collect())
    }

    fn open(&self, name: &str, mode: OpenMode) -> Result<FaultHandle> {
        check_name(name)?;
        let mut state = if mode != OpenMode::CreateNew {
            self.query("open", name, |stats| stats.opens += 1)?.0
        } else if self.state().disk.names.contains_key(name) {
            // Nothing would change, so it is not counted as a change.
            return Err(self.error("create", name, io::ErrorKind::AlreadyExists));
        } else {
            self.whole("create", name, |stats| stats.creates += 1)?
        };
        let number = match mode {
            OpenMode::CreateNew => {
                state.disk.create(name).map_err(|kind| self.error("create", name, kind))?
            }
            OpenMode::Read | OpenMode::ReadWrite => {
                let number = state.disk.names.get(name).copied();
                number.ok_or_else(|| self.error("open", name, io::ErrorKind::NotFound))?
            }
        };
        state.disk.opened(number);
        drop(state);
        Ok(FaultHandle { io: self.clone(), name: name.to_owned(), number, writable: mode != OpenMode::Read })
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        check_name(from)?;
        check_name(to)?;
        let mut state = self.whole("rename", from, |stats| stats.renames += 1)?;
        state.disk.rename(from, to).map_err(|kind| self.error("rename", from, kind))
    }

    fn remove(&self, name: &str) -> Result<()> {
        check_name(name)?;
        let mut state = self.whole("remove", name, |stats| stats.removes += 1)?;
        state.disk.remove(name).map_err(|kind| self.error("remove", name, kind))
    }

    fn sync_dir(&self) -> Result<()> {
        self.whole("sync", "", |stats| stats.dir_syncs += 1)?.disk.sync_dir();
        Ok(())
    }

    fn lock(&self) -> Result<FaultLock> {
        let (mut state, _) = self.query("lock", "", |stats| stats.others += 1)?;
        if std::mem::replace(&mut state.locked, true) {
            return Err(Error::Locked { path: self.path.clone(), holder: this_process() });
        }
        drop(state);
        Ok(FaultLock(self.clone()))
    }
}

/// Holds the directory.
#[derive(Debug)]
pub struct FaultLock(FaultFileIO);

impl Drop for FaultLock {
    fn drop(&mut self) {
        self.0.state().locked = false;
    }
}

/// An open file of a [`FaultFileIO`].
#[derive(Debug)]
pub struct FaultHandle {
    io: FaultFileIO,
    name: String,
    number: usize,
    writable: bool,
}

impl Drop for FaultHandle {
    fn drop(&mut self) {
        self.io.state().disk.closed(self.number);
    }
}

impl FaultHandle {
    fn check_writable(&self, operation: &'static str) -> Result<()> {
        let path = || self.io.path.join(&self.name);
        if self.writable { Ok(()) } else { Err(Error::PermissionDenied { operation, path: path() }) }
    }

    fn current(&self, state: &State) -> Arc<Vec<u8>> {
        state.disk.files.get(self.number).map(|file| Arc::clone(&file.current)).unwrap_or_default()
    }
}

impl FileHandle for FaultHandle {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let (mut state, half) = self.io.query("read", &self.name, |stats| stats.reads += 1)?;
        if state.reads_fail {
            return Err(self.io.error("read", &self.name, io::ErrorKind::Other));
        }
        let wanted = if half { buf.len() / 2 } else { buf.len() };
        let current = self.current(&state);
        let from = usize::try_from(offset).ok().and_then(|at| current.get(at..)).unwrap_or_default();
        let n = from.len().min(wanted);
        if let (Some(to), Some(from)) = (buf.get_mut(..n), from.get(..n)) {
            to.copy_from_slice(from);
        }
        state.stats.bytes_read += n as u64;
        Ok(n)
    }

    fn will_read(&self, bytes: Range<u64>) {
        let stats = &mut self.io.state().stats;
        stats.advice += 1;
        stats.bytes_advised += bytes.end.saturating_sub(bytes.start);
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        self.check_writable("write")?;
        let (mut state, failure) = self.io.change("write", &self.name, |stats| stats.writes += 1)?;
        let wanted = if failure.is_some() { buf.len() / 2 } else { buf.len() };
        let written = state.disk.write(self.number, buf.get(..wanted).unwrap_or_default(), offset);
        let kind = match (written, failure) {
            (Ok(()), None) => {
                state.stats.bytes_written += buf.len() as u64;
                return Ok(());
            }
            (Err(kind), _) => kind,
            (Ok(()), Some(Failure::DiskFull)) => io::ErrorKind::StorageFull,
            (Ok(()), Some(_)) => io::ErrorKind::Other,
        };
        Err(self.io.error("write", &self.name, kind))
    }

    fn flush(&self) -> Result<()> {
        self.io.query("flush", &self.name, |stats| stats.others += 1).map(|_| ())
    }

    fn sync(&self) -> Result<()> {
        let mut state = self.io.whole("sync", &self.name, |stats| stats.syncs += 1)?;
        state.disk.sync(self.number);
        Ok(())
    }

    fn len(&self) -> Result<u64> {
        let (state, _) = self.io.query("measure", &self.name, |stats| stats.others += 1)?;
        Ok(self.current(&state).len() as u64)
    }

    fn truncate(&self, len: u64) -> Result<()> {
        self.check_writable("truncate")?;
        let mut state = self.io.whole("truncate", &self.name, |stats| stats.truncates += 1)?;
        state.disk.truncate(self.number, len).map_err(|kind| self.io.error("truncate", &self.name, kind))
    }
}
