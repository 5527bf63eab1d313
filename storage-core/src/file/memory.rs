//! [`FileIO`] in memory: for the durability level `memory`, and for tests.
//!
//! Invariants:
//! - it behaves as a directory of a Unix system does: clones share the files, a removed or replaced file lives on for
//!   those who have it open, errors are those of `StdFileIO`;
//! - a file is never locked while the directory is, so no order of locks can matter;
//! - all files of a bounded directory together, those that were removed and are still open among them, never take more
//!   than the bound: what would exceed it fails as on a full disk.

mod contents;

use super::{FileHandle, FileIO, OpenMode, check_name, this_process};
use crate::error::{Error, Result};
use contents::{Contents, Room};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

type Data = Arc<RwLock<Contents>>;

/// How the paths begin of what is in bounded memory. No path that an application gave does so, as those are made absolute.
const BOUNDED: &str = "(memory, maxBytes ";

/// Whether a path is that of a file in bounded memory.
pub(crate) fn is_bounded(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.starts_with(BOUNDED))
}

#[derive(Debug, Default)]
struct Directory {
    created: bool,
    locked: bool,
    files: BTreeMap<String, Data>,
}

/// A directory in memory. Clones are the same directory; it is gone with the last of them.
///
/// ```
/// use jazz_storage_core::file::{FileHandle, FileIO, InMemoryFileIO, OpenMode};
/// let io = InMemoryFileIO::new();
/// io.create_dir()?;
/// io.open("notes", OpenMode::CreateNew)?.write_at(b"hello", 0)?;
/// let mut text = [0; 5];
/// assert_eq!(io.clone().open("notes", OpenMode::Read)?.read_at(&mut text, 0)?, 5);
/// # Ok::<(), jazz_storage_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct InMemoryFileIO {
    path: PathBuf,
    directory: Arc<Mutex<Directory>>,
    room: Arc<Room>,
}

impl Default for InMemoryFileIO {
    fn default() -> Self {
        Self::new()
    }
}

impl InMemoryFileIO {
    /// A new directory that nobody else has.
    pub fn new() -> Self {
        Self {
            path: PathBuf::from("(memory)"),
            directory: Arc::default(),
            room: Arc::new(Room::new(u64::MAX)),
        }
    }

    /// A new directory that nobody else has, whose files together take at most so many bytes of memory.
    pub fn bounded(max_bytes: u64) -> Self {
        let path = PathBuf::from(format!("{BOUNDED}{max_bytes})"));
        Self { path, room: Arc::new(Room::new(max_bytes)), ..Self::new() }
    }

    /// A panic while the directory was held left it as it was: each change of it is one assignment.
    fn directory(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, operation: &'static str, name: &str, kind: io::ErrorKind) -> Error {
        Error::from_io(operation, self.path.join(name), kind.into())
    }
}

impl FileIO for InMemoryFileIO {
    type Handle = MemoryFile;
    type Lock = MemoryLock;

    fn path(&self) -> &Path {
        &self.path
    }

    fn create_dir(&self) -> Result<()> {
        self.directory().created = true;
        Ok(())
    }

    fn exists(&self, name: &str) -> Result<bool> {
        check_name(name)?;
        Ok(self.directory().files.contains_key(name))
    }

    fn list(&self) -> Result<Vec<String>> {
        let directory = self.directory();
        if !directory.created {
            return Err(self.error("list", "", io::ErrorKind::NotFound));
        }
        Ok(directory.files.keys().cloned().collect())
    }

    fn open(&self, name: &str, mode: OpenMode) -> Result<MemoryFile> {
        check_name(name)?;
        let mut directory = self.directory();
        let present = directory.files.get(name).cloned();
        let data = match (mode, present) {
            (OpenMode::CreateNew, Some(_)) => {
                return Err(self.error("create", name, io::ErrorKind::AlreadyExists));
            }
            (OpenMode::CreateNew, None) if !directory.created => {
                return Err(self.error("create", name, io::ErrorKind::NotFound));
            }
            (OpenMode::CreateNew, None) => {
                let data = Data::new(RwLock::new(Contents::new(&self.room)));
                directory.files.insert(name.to_owned(), Arc::clone(&data));
                data
            }
            (_, Some(data)) => data,
            (_, None) => return Err(self.error("open", name, io::ErrorKind::NotFound)),
        };
        Ok(MemoryFile { data, path: self.path.join(name).into(), writable: mode != OpenMode::Read })
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        check_name(from)?;
        check_name(to)?;
        let mut directory = self.directory();
        match directory.files.remove(from) {
            Some(data) => {
                directory.files.insert(to.to_owned(), data);
                Ok(())
            }
            None => Err(self.error("rename", from, io::ErrorKind::NotFound)),
        }
    }

    fn remove(&self, name: &str) -> Result<()> {
        check_name(name)?;
        match self.directory().files.remove(name) {
            Some(_) => Ok(()),
            None => Err(self.error("remove", name, io::ErrorKind::NotFound)),
        }
    }

    fn sync_dir(&self) -> Result<()> {
        if self.directory().created { Ok(()) } else { Err(self.error("sync", "", io::ErrorKind::NotFound)) }
    }

    fn lock(&self) -> Result<MemoryLock> {
        let mut directory = self.directory();
        if !directory.created {
            return Err(self.error("open", "LOCK", io::ErrorKind::NotFound));
        }
        if directory.locked {
            return Err(Error::Locked { path: self.path.clone(), holder: this_process() });
        }
        directory.locked = true;
        Ok(MemoryLock { directory: Arc::clone(&self.directory) })
    }
}

/// The directory is the holder's until this is dropped.
#[derive(Debug)]
pub struct MemoryLock {
    directory: Arc<Mutex<Directory>>,
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner).locked = false;
    }
}

/// An open file in memory.
#[derive(Debug)]
pub struct MemoryFile {
    data: Data,
    path: Arc<Path>,
    writable: bool,
}

impl MemoryFile {
    fn read(&self) -> RwLockReadGuard<'_, Contents> {
        self.data.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, operation: &'static str) -> Result<RwLockWriteGuard<'_, Contents>> {
        if !self.writable {
            return Err(Error::PermissionDenied { operation, path: self.path.to_path_buf() });
        }
        Ok(self.data.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn full(&self) -> Error {
        Error::DiskFull { path: self.path.to_path_buf() }
    }
}

impl FileHandle for MemoryFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        Ok(self.read().read(buf, offset))
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        self.write("write")?.write(buf, offset).ok_or_else(|| self.full())
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn len(&self) -> Result<u64> {
        Ok(self.read().len() as u64)
    }

    fn truncate(&self, len: u64) -> Result<()> {
        self.write("truncate")?.set_len(len).ok_or_else(|| self.full())
    }
}
