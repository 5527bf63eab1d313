//! Where a copy of a store goes: a directory that becomes a store, or an archive in one file.
//!
//! Invariants:
//! - what was interrupted is never taken for a whole copy: a directory holds the file [`INCOMPLETE`], durably before
//!   anything else and until everything else is durable, with which it is not opened; an archive gets its name last, and
//!   has no trailer before;
//! - nothing that exists is replaced;
//! - a target that is dropped unfinished removes what it wrote.

use crate::engine::{is_store_file, manifest};
use crate::error::{Error, Result};
use crate::file::{FileHandle, FileIO, OpenMode};
use crate::format::archive::{EntryHead, EntryKind, Header, TRAILER_LEN, Trailer};
use crate::format::checksum;
use crate::format::manifest::{Manifest, SLOTS};
use crate::order::sort_by_key;
use std::path::PathBuf;

/// Marks a directory to which a store is being copied.
pub const INCOMPLETE: &str = "INCOMPLETE";

/// Written in pieces of about this size, in bytes.
const WRITE_BYTES: usize = 1 << 20;

/// Takes the files of a store, one after another.
pub(super) trait Sink {
    fn begin(&mut self, head: EntryHead) -> Result<()>;
    fn write(&mut self, bytes: &[u8]) -> Result<()>;
    fn end(&mut self) -> Result<()>;
    /// Completes the copy, durably.
    fn finish(self, manifest: &Manifest) -> Result<()>;
}

fn out_of_turn() -> Error {
    Error::Internal("a file was written to that was not begun".to_owned())
}

/// A new store.
pub(super) struct Directory<'a, G: FileIO> {
    io: &'a G,
    file: Option<(G::Handle, u64)>,
    done: bool,
}

impl<'a, G: FileIO> Directory<'a, G> {
    /// Takes an empty or absent directory.
    pub(super) fn create(io: &'a G) -> Result<Self> {
        io.create_dir()?;
        if !io.list()?.is_empty() {
            return Err(Error::TargetExists { path: io.path().to_path_buf() });
        }
        let mut directory =
            Self { io, file: Some((io.open(INCOMPLETE, OpenMode::CreateNew)?, 0)), done: false };
        directory.write(b"A store is being copied to this directory, or that was interrupted.\n")?;
        directory.end()?;
        io.sync_dir()?;
        Ok(directory)
    }
}

impl<G: FileIO> Sink for Directory<'_, G> {
    fn begin(&mut self, head: EntryHead) -> Result<()> {
        self.file = Some((self.io.open(&head.kind.name(), OpenMode::CreateNew)?, 0));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let (handle, end) = self.file.as_mut().ok_or_else(out_of_turn)?;
        handle.write_at(bytes, *end)?;
        *end += bytes.len() as u64;
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.file.take().ok_or_else(out_of_turn)?.0.sync()
    }

    fn finish(mut self, manifest: &Manifest) -> Result<()> {
        self.io.sync_dir()?;
        let mut manifest = manifest.clone();
        // Once for each slot.
        manifest::publish(self.io, &mut manifest)?;
        manifest::publish(self.io, &mut manifest)?;
        self.io.remove(INCOMPLETE)?;
        self.io.sync_dir()?;
        self.done = true;
        Ok(())
    }
}

impl<G: FileIO> Drop for Directory<'_, G> {
    fn drop(&mut self) {
        self.file = None;
        if !self.done {
            clear(self.io);
        }
    }
}

/// Removes what was copied to a directory. The mark goes last, so that what is left when this is interrupted is not opened.
pub(super) fn clear<G: FileIO>(io: &G) {
    let mut names = io.list().unwrap_or_default();
    names.retain(|name| is_store_file(name));
    sort_by_key(&mut names, |name| !SLOTS.contains(&name.as_str()));
    let mut removed = names.iter().map(|name| io.remove(name)).fold(Ok(()), Result::and);
    removed = removed.and_then(|()| io.sync_dir());
    if removed.is_ok() && io.exists(INCOMPLETE).unwrap_or(false) {
        let _ = io.remove(INCOMPLETE).and_then(|()| io.sync_dir());
    }
}

/// An archive.
pub(super) struct Archive<'a, G: FileIO> {
    io: &'a G,
    name: &'a str,
    /// Its name until it is complete.
    temporary: String,
    handle: Option<G::Handle>,
    /// Not written yet.
    buffer: Vec<u8>,
    written: u64,
    /// Of everything in the file, and of the bytes of the current entry.
    checksum: u32,
    entry_checksum: u32,
    entries: u32,
}

impl<'a, G: FileIO> Archive<'a, G> {
    /// Begins an archive beside its final name, which is free.
    pub(super) fn create(io: &'a G, name: &'a str, header: &Header) -> Result<Self> {
        io.create_dir()?;
        if io.exists(name)? {
            return Err(Error::TargetExists { path: io.path().join(name) });
        }
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|e| Error::Internal(format!("no random numbers: {e}")))?;
        let temporary = format!("{name}.{:08x}.partial", u32::from_le_bytes(random));
        let handle = io.open(&temporary, OpenMode::CreateNew)?;
        let mut archive = Self {
            io,
            name,
            temporary,
            handle: Some(handle),
            buffer: Vec::with_capacity(2 * WRITE_BYTES),
            written: 0,
            checksum: 0,
            entry_checksum: 0,
            entries: 0,
        };
        archive.put(&header.encode())?;
        Ok(archive)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.checksum = checksum::crc32c_append(self.checksum, bytes);
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= WRITE_BYTES { self.drain() } else { Ok(()) }
    }

    fn drain(&mut self) -> Result<()> {
        self.handle.as_ref().ok_or_else(out_of_turn)?.write_at(&self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.io.path().join(self.name)
    }

    /// Gives the complete file its name, if that is still free.
    fn publish(&mut self) -> Result<()> {
        // Closed, as some systems do not rename open files.
        self.handle = None;
        // Taking the name first makes sure that nobody else has it: renaming by itself replaces.
        if self.io.exists(self.name)? {
            return Err(Error::TargetExists { path: self.path() });
        }
        self.io.open(self.name, OpenMode::CreateNew)?;
        if let Err(e) = self.io.rename(&self.temporary, self.name) {
            let _ = self.io.remove(self.name);
            return Err(e);
        }
        self.temporary.clear();
        let synced = self.io.sync_dir();
        if synced.is_err() {
            let _ = self.io.remove(self.name);
        }
        synced
    }
}

impl<G: FileIO> Sink for Archive<'_, G> {
    fn begin(&mut self, head: EntryHead) -> Result<()> {
        self.entries += 1;
        self.entry_checksum = 0;
        self.put(&head.encode())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.entry_checksum = checksum::crc32c_append(self.entry_checksum, bytes);
        self.put(bytes)
    }

    fn end(&mut self) -> Result<()> {
        self.put(&self.entry_checksum.to_le_bytes())
    }

    fn finish(mut self, manifest: &Manifest) -> Result<()> {
        let bytes = manifest.encode();
        self.begin(EntryHead { kind: EntryKind::Manifest, len: bytes.len() as u64 })?;
        self.write(&bytes)?;
        self.end()?;
        let archive_len = self.written + (self.buffer.len() + TRAILER_LEN) as u64;
        let trailer = Trailer { entries: self.entries, checksum: self.checksum, archive_len };
        self.put(&trailer.encode())?;
        self.drain()?;
        self.handle.as_ref().ok_or_else(out_of_turn)?.sync()?;
        self.publish()
    }
}

impl<G: FileIO> Drop for Archive<'_, G> {
    fn drop(&mut self) {
        self.handle = None;
        if !self.temporary.is_empty() {
            let _ = self.io.remove(&self.temporary).and_then(|()| self.io.sync_dir());
        }
    }
}
