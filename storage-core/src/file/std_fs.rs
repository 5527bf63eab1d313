//! [`FileIO`] over a directory of the operating system.
//!
//! Invariants:
//! - reads and writes are positioned, complete and retried when a signal interrupts them, so a handle has no position to
//!   share and a short write is never taken for a whole one;
//! - what a completed `sync` promises is durable: on Linux `fdatasync`, which writes the length with the bytes; elsewhere
//!   `sync_all`, which on Apple systems is `F_FULLFSYNC` and so reaches past the drive's cache;
//! - the lock is the operating system's lock on the file `LOCK`. It ends with the process however that ends, hence the
//!   file is never removed: removing it would let two processes lock two files of one name;
//! - the holder's process id stands in a file of its own, `OWNER`, as Windows keeps others from reading a locked file.
//!   It is there for the error message only and decides nothing.

#[cfg(target_os = "linux")]
mod window;

use super::{FileHandle, FileIO, OpenMode, check_name};
use crate::error::{Error, LockHolder, Result};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(target_os = "linux")]
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

const LOCK_FILE: &str = "LOCK";
const OWNER_FILE: &str = "OWNER";

/// A directory of the operating system.
///
/// ```
/// use jazz_storage_core::file::{FileHandle, FileIO, OpenMode, StdFileIO};
/// let parent = tempfile::tempdir().expect("a temporary directory");
/// let io = StdFileIO::new(parent.path().join("store"));
/// io.create_dir()?;
/// let file = io.open("notes", OpenMode::CreateNew)?;
/// file.write_at(b"hello", 0)?;
/// file.sync()?;
/// assert_eq!(io.list()?, ["notes"]);
/// # Ok::<(), jazz_storage_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct StdFileIO {
    path: PathBuf,
}

impl StdFileIO {
    /// The directory at `path`, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The directory's path, the same however the directory is named: links are resolved. It must exist.
    pub fn real_path(&self) -> Result<PathBuf> {
        fs::canonicalize(&self.path).map_err(|error| Error::from_io("resolve", &self.path, error))
    }

    /// Whether there is something at the path.
    pub fn is_there(&self) -> bool {
        self.path.exists()
    }

    /// Removes the directory if it is empty.
    pub fn remove_dir(&self) -> Result<()> {
        fs::remove_dir(&self.path).map_err(|error| Error::from_io("remove", &self.path, error))
    }

    fn file(&self, name: &str) -> Result<PathBuf> {
        check_name(name)?;
        Ok(self.path.join(name))
    }
}

impl FileIO for StdFileIO {
    type Handle = StdFile;
    type Lock = StdLock;

    fn path(&self) -> &Path {
        &self.path
    }

    fn create_dir(&self) -> Result<()> {
        // `is_dir` is false where a parent may not be searched; creating then says so.
        if self.path.is_dir() {
            return Ok(());
        }
        let missing: Vec<&Path> = self.path.ancestors().take_while(|path| is_missing(path)).collect();
        if let Err(error) = fs::create_dir_all(&self.path) {
            // Systems differ in what they call this, so look: is there a file where a directory should be?
            let file = self.path.ancestors().find(|path| path.exists() && !path.is_dir());
            return Err(match file {
                Some(file) => Error::NotADirectory { path: file.to_owned() },
                None => Error::from_io("create", &self.path, error),
            });
        }
        // The new names stand in the parents, and a store must not vanish with its directory at a power cut.
        for created in missing {
            sync_directory(parent_of(created))?;
        }
        Ok(())
    }

    fn exists(&self, name: &str) -> Result<bool> {
        let path = self.file(name)?;
        path.try_exists().map_err(|error| Error::from_io("look for", path, error))
    }

    fn list(&self) -> Result<Vec<String>> {
        let fail = |error| Error::from_io("list", &self.path, error);
        fs::read_dir(&self.path)
            .map_err(fail)?
            // A name that is not Unicode is none of ours; an approximation will do to call it foreign.
            .map(|entry| Ok(entry.map_err(fail)?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn open(&self, name: &str, mode: OpenMode) -> Result<StdFile> {
        let path = self.file(name)?;
        let writable = mode != OpenMode::Read;
        let create = mode == OpenMode::CreateNew;
        let file = OpenOptions::new().read(true).write(writable).create_new(create).open(&path);
        match file {
            Ok(file) => Ok(StdFile { file, path: path.into(), writable, over: Over::default() }),
            Err(error) => Err(Error::from_io(if create { "create" } else { "open" }, path, error)),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let (from, to) = (self.file(from)?, self.file(to)?);
        fs::rename(&from, to).map_err(|error| Error::from_io("rename", from, error))
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.file(name)?;
        fs::remove_file(&path).map_err(|error| Error::from_io("remove", path, error))
    }

    fn sync_dir(&self) -> Result<()> {
        sync_directory(&self.path)
    }

    fn lock(&self) -> Result<StdLock> {
        let path = self.path.join(LOCK_FILE);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| Error::from_io("open", &path, error))?;
        let owner = self.path.join(OWNER_FILE);
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked { path: self.path.clone(), holder: read_owner(&owner) });
            }
            Err(TryLockError::Error(error)) => return Err(Error::from_io("lock", path, error)),
        }
        // If this fails, say for want of space, others are told "another process": no reason not to open.
        fs::write(&owner, std::process::id().to_string()).ok();
        Ok(StdLock { _file: file, owner })
    }
}

fn is_missing(path: &Path) -> bool {
    !path.as_os_str().is_empty() && matches!(path.try_exists(), Ok(false))
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Windows has no such call: its file systems log changes of names themselves.
fn sync_directory(path: &Path) -> Result<()> {
    if cfg!(unix) {
        let fail = |error| Error::from_io("sync", path, error);
        File::open(path).map_err(fail)?.sync_all().map_err(fail)?;
    }
    Ok(())
}

fn read_owner(path: &Path) -> LockHolder {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim().parse().map_or(LockHolder::Unknown, LockHolder::Process)
}

/// The directory is this process's until this is dropped.
#[derive(Debug)]
pub struct StdLock {
    _file: File,
    owner: PathBuf,
}

impl Drop for StdLock {
    fn drop(&mut self) {
        // Still under the lock, so that it cannot be the next holder's. If it stays, it is overwritten by that one.
        fs::remove_file(&self.owner).ok();
    }
}

/// An open file of the operating system.
#[derive(Debug)]
pub struct StdFile {
    file: File,
    path: Arc<Path>,
    writable: bool,
    over: Over,
}

impl StdFile {
    fn fail(&self, operation: &'static str, error: io::Error) -> Error {
        Error::from_io(operation, &*self.path, error)
    }

    /// Systems disagree about what a write through a read-only handle is; here it is one thing.
    fn check_writable(&self, operation: &'static str) -> Result<()> {
        if self.writable {
            Ok(())
        } else {
            Err(Error::PermissionDenied { operation, path: self.path.to_path_buf() })
        }
    }
}

impl FileHandle for StdFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match positioned::read(&self.file, rest, offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fail("read", error)),
            }
        }
        Ok(done)
    }

    fn will_read(&self, bytes: Range<u64>) {
        advice::will_read(&self.file, bytes.start, bytes.end.saturating_sub(bytes.start));
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        self.check_writable("write")?;
        if self.over.write(buf, offset) {
            return Ok(());
        }
        let mut done = 0;
        while let Some(rest) = buf.get(done..).filter(|rest| !rest.is_empty()) {
            match positioned::write(&self.file, rest, offset.saturating_add(done as u64)) {
                Ok(0) => return Err(self.fail("write", io::ErrorKind::WriteZero.into())),
                Ok(written) => done += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fail("write", error)),
            }
        }
        Ok(())
    }

    fn overwrites_in_memory(&self) -> bool {
        self.writable && self.over.is_apt(&self.file)
    }

    fn will_overwrite(&self, bytes: Range<u64>) {
        if self.overwrites_in_memory() {
            self.over.open(&self.file, bytes);
        }
    }

    fn flush(&self) -> Result<()> {
        // Nothing is buffered in this process.
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        let synced = if cfg!(target_os = "linux") { self.file.sync_data() } else { self.file.sync_all() };
        self.over.was_synced();
        synced.map_err(|error| self.fail("sync", error))
    }

    fn len(&self) -> Result<u64> {
        self.file.metadata().map(|metadata| metadata.len()).map_err(|error| self.fail("measure", error))
    }

    fn truncate(&self, len: u64) -> Result<()> {
        self.check_writable("truncate")?;
        self.over.close();
        self.file.set_len(len).map_err(|error| self.fail("truncate", error))
    }
}

/// What of a file is written over in memory (see [`window`]).
#[cfg(target_os = "linux")]
#[derive(Debug, Default)]
struct Over {
    is_apt: OnceLock<bool>,
    /// The system gave no window, so it is not asked for another one.
    was_refused: AtomicBool,
    window: Mutex<Option<window::Window>>,
    /// A sync has taken the window's pages away.
    was_synced: AtomicBool,
}

#[cfg(target_os = "linux")]
impl Over {
    fn window(&self) -> MutexGuard<'_, Option<window::Window>> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_apt(&self, file: &File) -> bool {
        *self.is_apt.get_or_init(|| window::Window::is_apt(file)) && !self.was_refused.load(Ordering::Relaxed)
    }

    fn open(&self, file: &File, bytes: Range<u64>) {
        let mut window = self.window();
        // Let go of first, so that there are never two.
        *window = None;
        if !bytes.is_empty() && file.metadata().is_ok_and(|file| file.len() >= bytes.end) {
            *window = window::Window::new(file, bytes);
            self.was_refused.store(window.is_none(), Ordering::Relaxed);
        }
    }

    fn write(&self, bytes: &[u8], offset: u64) -> bool {
        if bytes.len() > super::SMALL_WRITE {
            return false;
        }
        let mut place = self.window();
        let Some(window) = place.as_mut() else { return false };
        if self.was_synced.load(Ordering::Relaxed) {
            self.was_synced.store(false, Ordering::Relaxed);
            window.was_synced();
        }
        window.write(bytes, offset).unwrap_or_else(|window::NotReady| {
            // The system's write will tell why.
            *place = None;
            false
        })
    }

    fn was_synced(&self) {
        self.was_synced.store(true, Ordering::Relaxed);
    }

    fn close(&self) {
        *self.window() = None;
    }
}

/// Elsewhere all writes are the system's.
#[cfg(not(target_os = "linux"))]
#[derive(Debug, Default)]
struct Over;

#[cfg(not(target_os = "linux"))]
impl Over {
    fn is_apt(&self, _: &File) -> bool {
        false
    }
    fn open(&self, _: &File, _: Range<u64>) {}
    fn write(&self, _: &[u8], _: u64) -> bool {
        false
    }
    fn was_synced(&self) {}
    fn close(&self) {}
}

#[cfg(unix)]
mod positioned {
    use std::fs::File;
    use std::io::Result;
    use std::os::unix::fs::FileExt;

    pub(super) fn read(file: &File, buf: &mut [u8], offset: u64) -> Result<usize> {
        file.read_at(buf, offset)
    }

    pub(super) fn write(file: &File, buf: &[u8], offset: u64) -> Result<usize> {
        file.write_at(buf, offset)
    }
}

#[cfg(windows)]
mod positioned {
    use std::fs::File;
    use std::io::Result;
    use std::os::windows::fs::FileExt;

    pub(super) fn read(file: &File, buf: &mut [u8], offset: u64) -> Result<usize> {
        file.seek_read(buf, offset)
    }

    pub(super) fn write(file: &File, buf: &[u8], offset: u64) -> Result<usize> {
        file.seek_write(buf, offset)
    }
}

/// Telling the system what will be read. If it does not listen, that is no failure.
mod advice {
    use std::fs::File;

    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn will_read(file: &File, offset: u64, len: u64) {
        let len = std::num::NonZeroU64::new(len);
        rustix::fs::fadvise(file, offset, len, rustix::fs::Advice::WillNeed).ok();
    }

    #[cfg(target_vendor = "apple")]
    pub(super) fn will_read(file: &File, offset: u64, len: u64) {
        rustix::fs::fcntl_rdadvise(file, offset, len).ok();
    }

    /// Windows has no such call, and in WebAssembly files are the host's.
    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    pub(super) fn will_read(_: &File, _: u64, _: u64) {}
}
