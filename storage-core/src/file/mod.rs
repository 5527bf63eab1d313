//! Where bytes live: one directory of files behind [`FileIO`].
//!
//! The engine does all its I/O through this trait, so the same engine runs on a native directory (`StdFileIO`), in memory
//! ([`InMemoryFileIO`]), under an injector of faults, and on a browser's private file system. A `FileIO` is one
//! directory: names are plain file names, never paths.
//!
//! Assumptions about the medium (design.md, section 8.1): a completed [`FileHandle::sync`] makes the file's bytes and
//! length durable; a completed [`FileIO::sync_dir`] makes created, renamed and removed names durable; anything else may
//! be lost, torn at sector borders or reordered by a power cut.

#[cfg(target_family = "wasm")]
mod either;
mod fault;
#[cfg(target_family = "wasm")]
mod host;
mod memory;
#[cfg(not(target_family = "wasm"))]
mod std_fs;

#[cfg(target_family = "wasm")]
pub use either::{EitherFile, EitherFileIO, EitherLock};
pub use fault::{Failure, FaultFileIO, FaultStats, Loss};
#[cfg(target_family = "wasm")]
pub use host::{Host, HostFileIO, set_host};
pub use memory::InMemoryFileIO;
pub(crate) use memory::is_bounded;
#[cfg(not(target_family = "wasm"))]
pub use std_fs::StdFileIO;

use crate::error::{Error, LockHolder, Result};
use std::ops::Range;
use std::path::Path;

/// Where the stores are that an application names by a path. Beside [`FileIO`] it has a few functions of its own about
/// the directory itself.
#[cfg(not(target_family = "wasm"))]
pub type NativeFileIO = StdFileIO;

/// Where the stores are that an application names by a path. Beside [`FileIO`] it has a few functions of its own about
/// the directory itself.
#[cfg(target_family = "wasm")]
pub type NativeFileIO = EitherFileIO;

/// A new directory in memory, for a store without a path, which may take so many bytes.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn in_memory(max_bytes: Option<u64>) -> InMemoryFileIO {
    max_bytes.map_or_else(InMemoryFileIO::new, InMemoryFileIO::bounded)
}

/// A new directory in memory, for a store without a path, which may take so many bytes.
#[cfg(target_family = "wasm")]
pub(crate) fn in_memory(max_bytes: Option<u64>) -> NativeFileIO {
    EitherFileIO::Memory(max_bytes.map_or_else(InMemoryFileIO::new, InMemoryFileIO::bounded))
}

/// How [`FileIO::open`] treats a missing or existing file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// The file must exist; it is opened for reading only.
    Read,
    /// The file must exist; it is opened for reading and writing.
    ReadWrite,
    /// The file must not exist; it is created, empty, for reading and writing.
    CreateNew,
}

/// One directory of files.
pub trait FileIO: Send + Sync + 'static {
    /// An open file.
    type Handle: FileHandle;
    /// Held as long as this process owns the directory; released by dropping it.
    type Lock: Send + Sync + 'static;

    /// The directory's path or name, for error messages.
    fn path(&self) -> &Path;
    /// Creates the directory and its parents if absent.
    fn create_dir(&self) -> Result<()>;
    /// Whether a file of this name exists.
    fn exists(&self, name: &str) -> Result<bool>;
    /// The names of all files and folders in the directory, in no particular order.
    fn list(&self) -> Result<Vec<String>>;
    /// Opens a file.
    fn open(&self, name: &str, mode: OpenMode) -> Result<Self::Handle>;
    /// Renames a file, replacing one of the new name.
    fn rename(&self, from: &str, to: &str) -> Result<()>;
    /// Removes a file. A missing file is an error of kind `Io`.
    fn remove(&self, name: &str) -> Result<()>;
    /// Makes created, renamed and removed names durable.
    fn sync_dir(&self) -> Result<()>;
    /// Takes the directory for this process, or fails with [`crate::Error::Locked`] naming the holder.
    fn lock(&self) -> Result<Self::Lock>;
}

/// An open file. Reads and writes name their offset, so one handle serves several threads.
pub trait FileHandle: Send + Sync + 'static {
    /// Reads up to `buf.len()` bytes at `offset`; fewer only at the end of the file. Gives the number read.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize>;
    /// Advice that these bytes will be read soon, also past the end of the file. It may be ignored, as it is here, and
    /// never fails.
    fn will_read(&self, bytes: Range<u64>) {
        let _ = bytes;
    }
    /// Writes all of `buf` at `offset`, growing the file if it ends before.
    fn write_at(&self, buf: &[u8], offset: u64) -> Result<()>;
    /// Whether writing over bytes that the file has can be much cheaper than writing behind its end, for who tells by
    /// [`Self::will_overwrite`] where.
    fn overwrites_in_memory(&self) -> bool {
        false
    }
    /// Advice that small writes will go over these bytes, which the file has already. It may be ignored, as it is here, and
    /// never fails.
    fn will_overwrite(&self, bytes: Range<u64>) {
        let _ = bytes;
    }
    /// Hands buffered bytes to the operating system, so that they survive this process. Cheap where writes are unbuffered.
    fn flush(&self) -> Result<()>;
    /// Makes everything written so far durable against power loss.
    fn sync(&self) -> Result<()>;
    /// The file's length in bytes.
    fn len(&self) -> Result<u64>;
    /// Whether the file has no bytes.
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts or extends (with zeros) the file to `len` bytes.
    fn truncate(&self, len: u64) -> Result<()>;
}

/// What a write of more bytes takes is mostly copying them; of fewer, mostly the call of the system. So smaller ones are
/// written over in memory, where that can be, and records up to this size wait for one call with others.
pub(crate) const SMALL_WRITE: usize = 16 * 1024;

/// Refuses names that could lead out of the directory or mean something else on another system.
fn check_name(name: &str) -> Result<()> {
    let plain = !matches!(name, "" | "." | "..") && !name.contains(['/', '\\', ':', '\0']);
    if plain { Ok(()) } else { Err(Error::Internal(format!("{name:?} is not a plain file name"))) }
}

/// This process as the holder of a lock. In WebAssembly there are none, and asking for the id panics.
pub(crate) fn this_process() -> LockHolder {
    if cfg!(target_family = "wasm") { LockHolder::Unknown } else { LockHolder::Process(std::process::id()) }
}
