//! Making a store of a backup: an archive, or a directory that a backup made.
//!
//! The archive's trailer is read first, so that one that was cut off is refused before anything is written; every
//! checksum is compared on the way, and the manifest comes last.

use super::target::{Directory, INCOMPLETE, Sink, clear};
use super::{Copied, OnProgress, Picture, READ_BYTES, Target, read_full};
use crate::engine::manifest::{self, Found};
use crate::engine::run::RunFile;
use crate::engine::slices::at_once;
use crate::error::{Error, Result};
use crate::file::{FileHandle, FileIO, OpenMode};
use crate::format::archive::{
    ARCHIVE_VERSION, BadHeader, CHECKSUM_LEN, ENTRY_LEN, EntryHead, EntryKind, HEADER_LEN, Header,
    MAX_MANIFEST, TRAILER_LEN, Trailer,
};
use crate::format::checksum;
use crate::format::manifest::{BadManifest, Manifest};
use crate::format::{FORMAT_VERSION, SegmentId};
use crate::order::gathered;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// A backup.
#[derive(Debug)]
pub enum Source<F: FileIO> {
    /// A directory. Nothing in it is changed.
    Directory(F),
    /// The archive of this name in a directory.
    File(F, String),
}

/// Makes a store of a backup, in a directory that is empty or absent.
///
/// # Errors
/// [`Error::TargetExists`]; [`Error::NotABackup`]; [`Error::NewerFormat`]; [`Error::Corrupt`] with file and offset;
/// [`Error::Locked`] if the backup is open as a store; [`Error::Cancelled`]; those of the file systems. The directory is
/// then empty.
pub fn restore<F: FileIO, G: FileIO>(
    source: Source<F>,
    to: &G,
    progress: &mut OnProgress<'_>,
) -> Result<Copied> {
    match source {
        Source::Directory(io) => from_directory(io, to, progress),
        Source::File(io, name) => Reader::open(&io, &name)?.restore(to, progress),
    }
}

/// Empties a directory that was restored to, but turned out not to be a store.
pub fn discard<G: FileIO>(io: &G) {
    clear(io);
}

fn from_directory<F: FileIO, G: FileIO>(io: F, to: &G, progress: &mut OnProgress<'_>) -> Result<Copied> {
    let not = |detail| Error::NotABackup { path: io.path().to_path_buf(), detail };
    let names = io.list()?;
    if names.iter().any(|name| name == INCOMPLETE) {
        return Err(not("it was interrupted"));
    }
    // Where no store was ever opened there is nobody to keep out, and the backup stays byte for byte as it is.
    let lock = if names.iter().any(|name| name == "LOCK") { Some(io.lock()?) } else { None };
    let manifest = match manifest::load(&io)? {
        Found::Valid(manifest) => manifest,
        Found::Nothing => return Err(not("there is no store in it")),
        Found::Damaged(slot) => {
            let detail = "no valid manifest".to_owned();
            return Err(Error::corrupt(io.path().join(slot), 0, detail));
        }
    };
    let io = Arc::new(io);
    let mut runs = BTreeMap::new();
    for part in manifest.parts() {
        runs.insert(part.run, Arc::new(RunFile::open(&*io, part.run, part.file_len, manifest.store)?));
    }
    let parts = manifest.parts().flat_map(|part| &part.segments).map(|entry| (entry.id, entry.len));
    let mut segments: BTreeMap<SegmentId, u64> = gathered(parts);
    let mut id = manifest.replay_from;
    while io.exists(&id.file_name())? {
        segments.insert(id, io.open(&id.file_name(), OpenMode::Read)?.len()?);
        id = id.next();
    }
    let picture = Picture { io, manifest, _layers: None, runs, segments, next: None };
    let copied = at_once(picture.copy_to(Target::Directory(to), progress));
    drop(lock);
    copied
}

/// An archive that is read from the beginning to the end.
struct Reader<F: FileIO> {
    handle: F::Handle,
    path: PathBuf,
    header: Header,
    trailer: Trailer,
    offset: u64,
    /// Of everything before `offset`.
    checksum: u32,
}

impl<F: FileIO> Reader<F> {
    fn open(io: &F, name: &str) -> Result<Self> {
        let path = io.path().join(name);
        let handle = io.open(name, OpenMode::Read)?;
        let len = handle.len()?;
        let mut start = vec![0; HEADER_LEN];
        let got = read_full(&handle, &mut start, 0)?;
        start.truncate(got);
        let header = Header::decode(&start).map_err(|bad| match bad {
            BadHeader::Foreign => {
                Error::NotABackup { path: path.clone(), detail: "it does not begin as one" }
            }
            BadHeader::Newer(found) => {
                Error::NewerFormat { path: path.clone(), found, supported: ARCHIVE_VERSION }
            }
            BadHeader::Damaged => corrupt(&path, 0, "the header is damaged"),
        })?;
        let trailer_at = len.saturating_sub(TRAILER_LEN as u64);
        let mut end = vec![0; TRAILER_LEN];
        read_full(&handle, &mut end, trailer_at)?;
        let trailer = Trailer::decode(&end)
            .filter(|trailer| trailer.archive_len == len && trailer.entries == header.entries)
            .ok_or_else(|| corrupt(&path, trailer_at, "the archive is cut off, or its trailer is damaged"))?;
        let checksum = checksum::crc32c(&start);
        Ok(Self { handle, path, header, trailer, offset: HEADER_LEN as u64, checksum })
    }

    fn corrupt(&self, detail: impl Into<String>) -> Error {
        corrupt(&self.path, self.offset, detail)
    }

    /// The next bytes.
    fn read(&mut self, buffer: &mut [u8]) -> Result<()> {
        if read_full(&self.handle, buffer, self.offset)? < buffer.len() {
            return Err(self.corrupt("the archive is cut off"));
        }
        self.offset += buffer.len() as u64;
        self.checksum = checksum::crc32c_append(self.checksum, buffer);
        Ok(())
    }

    fn entry(&mut self) -> Result<EntryHead> {
        let mut bytes = vec![0; ENTRY_LEN];
        let at = self.offset;
        self.read(&mut bytes)?;
        let head = EntryHead::decode(&bytes)
            .ok_or_else(|| corrupt(&self.path, at, "the head of an entry is damaged"))?;
        let end = self.offset.checked_add(head.len).and_then(|end| end.checked_add(CHECKSUM_LEN as u64));
        let fits = end.is_some_and(|end| end + TRAILER_LEN as u64 <= self.trailer.archive_len);
        if fits { Ok(head) } else { Err(corrupt(&self.path, at, "an entry is longer than the archive")) }
    }

    /// Gives the bytes of an entry to `each`, piece by piece, and compares their checksum.
    fn bytes(&mut self, head: EntryHead, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let (start, mut left, mut checksum) = (self.offset, head.len, 0);
        let mut buffer = vec![0; READ_BYTES.min(head.len as usize)];
        while left > 0 {
            let piece = buffer.len().min(left as usize);
            let piece = buffer.get_mut(..piece).unwrap_or_default();
            self.read(piece)?;
            checksum = checksum::crc32c_append(checksum, piece);
            left -= piece.len() as u64;
            each(piece)?;
        }
        let mut expected = [0; CHECKSUM_LEN];
        self.read(&mut expected)?;
        if checksum != u32::from_le_bytes(expected) {
            let detail = format!("{} does not have its checksum", head.kind.name());
            return Err(corrupt(&self.path, start, detail));
        }
        Ok(())
    }

    fn restore<G: FileIO>(mut self, to: &G, progress: &mut OnProgress<'_>) -> Result<Copied> {
        let mut sink = Directory::create(to)?;
        let mut copied = Copied { files: 0, bytes: 0 };
        let mut seen = BTreeSet::new();
        let total = self.header.bytes;
        for n in 1..=self.header.entries {
            let head = self.entry()?;
            let last = n == self.header.entries;
            if !seen.insert(head.kind) || last != (head.kind == EntryKind::Manifest) {
                return Err(self.corrupt("the entries are not those of a backup"));
            }
            if last {
                let manifest = self.manifest(head)?;
                self.end()?;
                if !progress(copied.bytes, total) {
                    return Err(Error::Cancelled);
                }
                sink.finish(&manifest)?;
                return Ok(copied);
            }
            sink.begin(head)?;
            self.bytes(head, &mut |piece| {
                if !progress(copied.bytes, total) {
                    return Err(Error::Cancelled);
                }
                copied.bytes += piece.len() as u64;
                sink.write(piece)
            })?;
            sink.end()?;
            copied.files += 1;
        }
        Err(self.corrupt("there is no manifest in it"))
    }

    fn manifest(&mut self, head: EntryHead) -> Result<Manifest> {
        if head.len > MAX_MANIFEST {
            return Err(self.corrupt("the manifest is too large"));
        }
        let start = self.offset;
        let mut bytes = Vec::new();
        self.bytes(head, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        match Manifest::decode(&bytes) {
            Ok(manifest) if manifest.store == self.header.store => Ok(manifest),
            Ok(_) => Err(corrupt(&self.path, start, "the manifest is of another store")),
            Err(BadManifest::Damaged) => Err(corrupt(&self.path, start, "the manifest is damaged")),
            Err(BadManifest::Newer(found)) => {
                Err(Error::NewerFormat { path: self.path.clone(), found, supported: FORMAT_VERSION })
            }
        }
    }

    /// The trailer is to come next, with the checksum of everything before.
    fn end(&self) -> Result<()> {
        if self.offset + TRAILER_LEN as u64 != self.trailer.archive_len {
            return Err(self.corrupt("there are bytes between the last entry and the trailer"));
        }
        if self.checksum != self.trailer.checksum {
            return Err(self.corrupt("the archive does not have its checksum"));
        }
        Ok(())
    }
}

fn corrupt(path: &std::path::Path, offset: u64, detail: impl Into<String>) -> Error {
    Error::corrupt(path, offset, detail)
}
