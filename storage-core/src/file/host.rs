//! [`FileIO`] over a file system that the host of a WebAssembly module provides: there is none yet.
//!
//! Stores with a path are refused with an error of kind [`io::ErrorKind::Unsupported`]; stores in memory are not concerned.

use super::{FileHandle, FileIO, OpenMode};
use crate::error::{Error, Result};
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};

/// A directory of the host.
#[derive(Debug, Clone)]
pub struct HostFileIO {
    path: PathBuf,
}

impl HostFileIO {
    /// The directory of this name.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn refuse<T>(&self, operation: &'static str) -> Result<T> {
        Err(Error::from_io(operation, &self.path, io::ErrorKind::Unsupported.into()))
    }

    /// The directory's path, the same however the directory is named.
    pub fn real_path(&self) -> Result<PathBuf> {
        self.refuse("resolve")
    }

    /// Whether there is something at the path.
    pub fn is_there(&self) -> bool {
        false
    }

    /// Removes the directory if it is empty.
    pub fn remove_dir(&self) -> Result<()> {
        self.refuse("remove")
    }
}

impl FileIO for HostFileIO {
    type Handle = HostFile;
    type Lock = Infallible;

    fn path(&self) -> &Path {
        &self.path
    }
    fn create_dir(&self) -> Result<()> {
        self.refuse("create")
    }
    fn exists(&self, _name: &str) -> Result<bool> {
        self.refuse("look for a file in")
    }
    fn list(&self) -> Result<Vec<String>> {
        self.refuse("list")
    }
    fn open(&self, _name: &str, _mode: OpenMode) -> Result<HostFile> {
        self.refuse("open a file in")
    }
    fn rename(&self, _from: &str, _to: &str) -> Result<()> {
        self.refuse("rename a file in")
    }
    fn remove(&self, _name: &str) -> Result<()> {
        self.refuse("remove a file from")
    }
    fn sync_dir(&self) -> Result<()> {
        self.refuse("sync")
    }
    fn lock(&self) -> Result<Infallible> {
        self.refuse("lock")
    }
}

/// An open file of the host. There is none, as none can be opened.
#[derive(Debug)]
pub struct HostFile(Infallible);

impl FileHandle for HostFile {
    fn read_at(&self, _buf: &mut [u8], _offset: u64) -> Result<usize> {
        match self.0 {}
    }
    fn write_at(&self, _buf: &[u8], _offset: u64) -> Result<()> {
        match self.0 {}
    }
    fn flush(&self) -> Result<()> {
        match self.0 {}
    }
    fn sync(&self) -> Result<()> {
        match self.0 {}
    }
    fn len(&self) -> Result<u64> {
        match self.0 {}
    }
    fn truncate(&self, _len: u64) -> Result<()> {
        match self.0 {}
    }
}
