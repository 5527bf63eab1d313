//! [`FileIO`] over the host or in memory, whichever a store is in.
//!
//! The engine is compiled for every kind of `FileIO` it is used with. Of a module that is loaded over a network that would be
//! half, so that WebAssembly has this one kind, which tells the two apart at each call.

use super::host::{HostFile, HostFileIO, HostLock};
use super::memory::{InMemoryFileIO, MemoryFile, MemoryLock};
use super::{FileHandle, FileIO, OpenMode};
use crate::error::{Error, Result};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A directory of the host, or one in memory.
#[derive(Debug, Clone)]
pub enum EitherFileIO {
    /// Of the host.
    Host(HostFileIO),
    /// In memory.
    Memory(InMemoryFileIO),
}

impl EitherFileIO {
    /// The directory of the host at `path`, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::Host(HostFileIO::new(path))
    }

    /// See [`HostFileIO::real_path`]. A directory in memory has no path.
    pub fn real_path(&self) -> Result<PathBuf> {
        match self {
            Self::Host(io) => io.real_path(),
            Self::Memory(io) => Err(Error::from_io("resolve", io.path(), io::ErrorKind::Unsupported.into())),
        }
    }

    /// Whether there is something at the path.
    pub fn is_there(&self) -> bool {
        matches!(self, Self::Host(io) if io.is_there())
    }

    /// Removes the directory if it is empty.
    pub fn remove_dir(&self) -> Result<()> {
        match self {
            Self::Host(io) => io.remove_dir(),
            Self::Memory(io) => Err(Error::from_io("remove", io.path(), io::ErrorKind::Unsupported.into())),
        }
    }
}

/// Hands a call on to the one that is there.
macro_rules! either {
    ($self:ident, $inner:ident => $call:expr) => {
        match $self {
            Self::Host($inner) => $call,
            Self::Memory($inner) => $call,
        }
    };
}

impl FileIO for EitherFileIO {
    type Handle = EitherFile;
    type Lock = EitherLock;

    fn path(&self) -> &Path {
        either!(self, io => io.path())
    }

    fn create_dir(&self) -> Result<()> {
        either!(self, io => io.create_dir())
    }

    fn exists(&self, name: &str) -> Result<bool> {
        either!(self, io => io.exists(name))
    }

    fn list(&self) -> Result<Vec<String>> {
        either!(self, io => io.list())
    }

    fn open(&self, name: &str, mode: OpenMode) -> Result<EitherFile> {
        Ok(match self {
            Self::Host(io) => EitherFile::Host(io.open(name, mode)?),
            Self::Memory(io) => EitherFile::Memory(io.open(name, mode)?),
        })
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        either!(self, io => io.rename(from, to))
    }

    fn remove(&self, name: &str) -> Result<()> {
        either!(self, io => io.remove(name))
    }

    fn sync_dir(&self) -> Result<()> {
        either!(self, io => io.sync_dir())
    }

    fn lock(&self) -> Result<EitherLock> {
        Ok(match self {
            Self::Host(io) => EitherLock::Host(io.lock()?),
            Self::Memory(io) => EitherLock::Memory(io.lock()?),
        })
    }
}

/// The directory is the holder's until this is dropped.
#[derive(Debug)]
pub enum EitherLock {
    /// Of the host.
    Host(HostLock),
    /// In memory.
    Memory(MemoryLock),
}

/// An open file of the host, or one in memory.
#[derive(Debug)]
pub enum EitherFile {
    /// Of the host.
    Host(HostFile),
    /// In memory.
    Memory(MemoryFile),
}

// All methods, those with a default included: what a kind of file does instead must not be lost here.
impl FileHandle for EitherFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        either!(self, file => file.read_at(buf, offset))
    }

    fn will_read(&self, bytes: Range<u64>) {
        either!(self, file => file.will_read(bytes));
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        either!(self, file => file.write_at(buf, offset))
    }

    fn overwrites_in_memory(&self) -> bool {
        either!(self, file => file.overwrites_in_memory())
    }

    fn will_overwrite(&self, bytes: Range<u64>) {
        either!(self, file => file.will_overwrite(bytes));
    }

    fn flush(&self) -> Result<()> {
        either!(self, file => file.flush())
    }

    fn sync(&self) -> Result<()> {
        either!(self, file => file.sync())
    }

    fn len(&self) -> Result<u64> {
        either!(self, file => file.len())
    }

    fn is_empty(&self) -> Result<bool> {
        either!(self, file => file.is_empty())
    }

    fn truncate(&self, len: u64) -> Result<()> {
        either!(self, file => file.truncate(len))
    }
}
