//! [`FileIO`] in memory: for the durability level `memory`, and for tests.
//!
//! Invariants:
//! - it behaves as a directory of a Unix system does: clones share the files, a removed or replaced file lives on for
//!   those who have it open, errors are those of `StdFileIO`;
//! - a file is never locked while the directory is, so no order of locks can matter.

use super::{FileHandle, FileIO, OpenMode, check_name, this_process};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

type Data = Arc<RwLock<Vec<u8>>>;

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
}

impl Default for InMemoryFileIO {
    fn default() -> Self {
        Self::new()
    }
}

impl InMemoryFileIO {
    /// A new directory that nobody else has.
    pub fn new() -> Self {
        Self { path: PathBuf::from("(memory)"), directory: Arc::default() }
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
                let data = Data::default();
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
    fn read(&self) -> RwLockReadGuard<'_, Vec<u8>> {
        self.data.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, operation: &'static str) -> Result<RwLockWriteGuard<'_, Vec<u8>>> {
        if !self.writable {
            return Err(Error::PermissionDenied { operation, path: self.path.to_path_buf() });
        }
        Ok(self.data.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Grows `data` to at least `len` bytes; too little memory is a full disk.
    fn grow(&self, data: &mut Vec<u8>, len: u64) -> Result<()> {
        let full = || Error::DiskFull { path: self.path.to_path_buf() };
        let len = usize::try_from(len).map_err(|_| full())?;
        let more = len.saturating_sub(data.len());
        data.try_reserve(more).map_err(|_| full())?;
        data.resize(data.len() + more, 0);
        Ok(())
    }
}

impl FileHandle for MemoryFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let data = self.read();
        let from = usize::try_from(offset).ok().and_then(|offset| data.get(offset..)).unwrap_or_default();
        let read = from.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..read), from.get(..read)) {
            to.copy_from_slice(from);
        }
        Ok(read)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        let mut data = self.write("write")?;
        if buf.is_empty() {
            return Ok(());
        }
        // An append, the usual case, copies without first filling with zeros.
        if offset == data.len() as u64 {
            let reserved = data.try_reserve(buf.len());
            reserved.map_err(|_| Error::DiskFull { path: self.path.to_path_buf() })?;
            data.extend_from_slice(buf);
            return Ok(());
        }
        let end = offset.saturating_add(buf.len() as u64);
        self.grow(&mut data, end)?;
        let range = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
        match range.and_then(|(start, end)| data.get_mut(start..end)) {
            Some(to) => {
                to.copy_from_slice(buf);
                Ok(())
            }
            None => Err(Error::DiskFull { path: self.path.to_path_buf() }),
        }
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
        let mut data = self.write("truncate")?;
        match usize::try_from(len) {
            Ok(len) if len <= data.len() => {
                data.truncate(len);
                Ok(())
            }
            _ => self.grow(&mut data, len),
        }
    }
}
