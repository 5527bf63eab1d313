//! Online backup: a copy of the store as it was at one moment, while stores, loads and maintenance go on.
//!
//! A *picture* of the store is taken under the locks: its manifest, the files that this names, and how far the log goes.
//! All of it is immutable from then on, and a file is not removed while the picture holds it. Then the files are copied
//! without any lock and checked as they pass, so that damage is reported and not copied.
//!
//! In the copy the log goes on in a segment of its own, which holds nothing yet. So every record copied lies in a sealed
//! segment, where a bad one is never taken for a torn write.
//!
//! Memory: one buffer for reading and one for writing, of 1 MiB each, whatever the store holds.

mod check;
mod restore;
mod target;

pub use restore::{Source, discard, restore};
pub use target::INCOMPLETE;

use super::delta::Delta;
use super::layers::Layers;
use super::run::RunFile;
use super::slices::{at_once, pause};
use super::state::Core;
use super::{Engine, Schema};
use crate::error::{Error, Result};
use crate::file::{FileHandle, FileIO, OpenMode};
use crate::format::archive::{EntryHead, EntryKind, Header};
use crate::format::manifest::Manifest;
use crate::format::record::{SEGMENT_HEADER, SegmentHeader};
use crate::format::{FORMAT_VERSION, Lsn, RunId, SegmentId};
use crate::order::gathered;
use check::{Bad, Check, Records, SealedParts};
use std::collections::BTreeMap;
use std::sync::Arc;
use target::{Archive, Directory, Sink};

/// Read in pieces of this size, in bytes.
const READ_BYTES: usize = 1 << 20;

/// Told how many bytes are done, and how many there are in all. False ends the operation with [`Error::Cancelled`].
pub type OnProgress<'a> = dyn FnMut(u64, u64) -> bool + 'a;

/// Where a backup goes.
#[derive(Debug)]
pub enum Target<'a, G: FileIO> {
    /// To a directory, which must be empty or absent and becomes a store.
    Directory(&'a G),
    /// To an archive of this name in a directory. It must not exist.
    File(&'a G, &'a str),
}

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Files of the store, without the manifest.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A store as it is at one moment.
struct Picture<F: FileIO> {
    io: Arc<F>,
    manifest: Manifest,
    /// Keeps the files from being removed.
    _layers: Option<Arc<Layers<F>>>,
    runs: BTreeMap<RunId, Arc<RunFile<F>>>,
    /// Segments and packs, and how many bytes of each.
    segments: BTreeMap<SegmentId, u64>,
    /// Where the log goes on in the copy.
    next: Option<SegmentHeader>,
}

impl<F: FileIO, S: Schema, D: Delta> Engine<F, S, D> {
    /// Copies the store as it is now: everything whose storing has returned is in the copy. Others go on meanwhile.
    ///
    /// # Errors
    /// [`Error::TargetExists`]; [`Error::Corrupt`] with file and offset of damage that was met; [`Error::Cancelled`];
    /// those of the file systems. The target is then as it was before.
    pub fn backup<G: FileIO>(&self, target: Target<'_, G>, progress: &mut OnProgress<'_>) -> Result<Copied> {
        at_once(self.backup_in_slices(target, progress))
    }

    /// The same, with pauses.
    ///
    /// # Errors
    /// Those of [`Engine::backup`].
    pub async fn backup_in_slices<G: FileIO>(
        &self,
        target: Target<'_, G>,
        progress: &mut OnProgress<'_>,
    ) -> Result<Copied> {
        self.core.picture()?.copy_to(target, progress).await
    }
}

impl<F: FileIO, S: Schema, D: Delta> Core<F, S, D> {
    fn picture(&self) -> Result<Picture<F>> {
        let maintenance = self.maintenance();
        let log = self.log();
        let layers = Arc::clone(&self.index().layers);
        let mut manifest = maintenance.manifest.clone();
        let parts = manifest.parts().flat_map(|part| &part.segments).map(|entry| (entry.id, entry.len));
        let mut segments: BTreeMap<SegmentId, u64> = gathered(parts);
        segments.extend(maintenance.sealed.iter().map(|entry| (entry.id, entry.len)));
        segments.insert(log.active.id(), log.end);
        let next = SegmentHeader {
            id: log.active.id().next(),
            store: manifest.store,
            hash_key: manifest.hash_key,
            first_lsn: log.next,
        };
        drop(log);
        drop(maintenance);
        if let Some(len) = segments.get(&manifest.replay_from) {
            manifest.replay_durable = *len;
        }
        let runs = gathered(layers.parts().map(|part| (part.run.id(), Arc::clone(&part.run))));
        Ok(Picture {
            io: Arc::clone(&self.io),
            manifest,
            _layers: Some(layers),
            runs,
            segments,
            next: Some(next),
        })
    }
}

impl<F: FileIO> Picture<F> {
    fn copied(&self) -> Copied {
        let runs = self.runs.values().map(|run| run.file_len());
        let segments = self.segments.values().copied();
        let next = self.next.map(|_| u64::from(SEGMENT_HEADER));
        let (mut files, mut bytes) = (0, 0);
        for len in runs.chain(segments).chain(next) {
            files += 1;
            bytes += len;
        }
        Copied { files, bytes }
    }

    async fn copy_to<G: FileIO>(
        &self,
        target: Target<'_, G>,
        progress: &mut OnProgress<'_>,
    ) -> Result<Copied> {
        let copied = self.copied();
        match target {
            Target::Directory(io) => self.copy(Directory::create(io)?, progress).await?,
            Target::File(io, name) => {
                let entries = u32::try_from(copied.files + 1)
                    .map_err(|_| Error::Internal("a store has too many files".to_owned()))?;
                let header = Header { store: self.manifest.store, entries, bytes: copied.bytes };
                self.copy(Archive::create(io, name, &header)?, progress).await?;
            }
        }
        Ok(copied)
    }

    async fn copy<T: Sink>(&self, sink: T, progress: &mut OnProgress<'_>) -> Result<()> {
        let mut copy = Copy { io: &*self.io, sink, progress, done: 0, total: self.copied().bytes };
        for (id, run) in &self.runs {
            copy.file(EntryKind::Run(*id), run.file_len(), &mut SealedParts::new(run.sealed_parts())).await?;
        }
        // The records of the log have consecutive numbers, over all segments from the replay position on.
        let mut expected = self.manifest.replay_lsn;
        for (id, len) in &self.segments {
            let mut check = Records::new(*id, self.manifest.store, *len);
            copy.file(EntryKind::Segment(*id), *len, &mut check).await?;
            if !id.is_pack() && *id >= self.manifest.replay_from {
                let (first, next) = check.numbers();
                copy.continues(*id, expected, first)?;
                expected = next;
            }
        }
        if let Some(next) = &self.next {
            copy.continues(next.id, expected, next.first_lsn)?;
            copy.whole(EntryKind::Segment(next.id), &next.encode())?;
        }
        copy.report()?;
        copy.sink.finish(&self.manifest)
    }
}

/// A copy under way.
struct Copy<'a, 'p, F: FileIO, T: Sink> {
    io: &'a F,
    sink: T,
    progress: &'a mut OnProgress<'p>,
    done: u64,
    total: u64,
}

impl<F: FileIO, T: Sink> Copy<'_, '_, F, T> {
    fn report(&mut self) -> Result<()> {
        if (self.progress)(self.done, self.total) { Ok(()) } else { Err(Error::Cancelled) }
    }

    fn corrupt(&self, kind: EntryKind, bad: Bad) -> Error {
        let path = self.io.path().join(kind.name());
        match bad.newer {
            Some(found) => Error::NewerFormat { path, found, supported: FORMAT_VERSION },
            None => Error::corrupt(path, bad.offset, bad.detail),
        }
    }

    fn continues(&self, id: SegmentId, expected: Lsn, first: Lsn) -> Result<()> {
        if first == expected {
            return Ok(());
        }
        let detail = format!("it begins with record {}, where {} belongs", first.0, expected.0);
        Err(self.corrupt(EntryKind::Segment(id), Bad { offset: 0, detail, newer: None }))
    }

    /// Writes a small file.
    fn whole(&mut self, kind: EntryKind, bytes: &[u8]) -> Result<()> {
        self.sink.begin(EntryHead { kind, len: bytes.len() as u64 })?;
        self.sink.write(bytes)?;
        self.done += bytes.len() as u64;
        self.sink.end()
    }

    /// Copies the first `len` bytes of a file, which `check` passes.
    async fn file(&mut self, kind: EntryKind, len: u64, check: &mut dyn Check) -> Result<()> {
        let name = kind.name();
        let missing = |offset| Bad { offset, detail: "the file ends too early".to_owned(), newer: None };
        if !self.io.exists(&name)? {
            return Err(self.corrupt(kind, Bad { detail: "the file is missing".to_owned(), ..missing(0) }));
        }
        let handle = self.io.open(&name, OpenMode::Read)?;
        self.sink.begin(EntryHead { kind, len })?;
        let mut buffer = vec![0; READ_BYTES.min(len as usize)];
        let mut offset = 0;
        while offset < len {
            self.report()?;
            let piece = buffer.len().min((len - offset) as usize);
            let piece = buffer.get_mut(..piece).unwrap_or_default();
            if read_full(&handle, piece, offset)? < piece.len() {
                return Err(self.corrupt(kind, missing(handle.len()?.min(len))));
            }
            check.feed(piece).map_err(|bad| self.corrupt(kind, bad))?;
            self.sink.write(piece)?;
            offset += piece.len() as u64;
            self.done += piece.len() as u64;
            pause(piece.len() as u64).await;
        }
        check.finish().map_err(|bad| self.corrupt(kind, bad))?;
        self.sink.end()
    }
}

/// Reads until the buffer is full or the file ends.
fn read_full<H: FileHandle>(handle: &H, buffer: &mut [u8], offset: u64) -> Result<usize> {
    let mut got = 0;
    while let Some(rest) = buffer.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match handle.read_at(rest, offset + got as u64)? {
            0 => break,
            more => got += more,
        }
    }
    Ok(got)
}
