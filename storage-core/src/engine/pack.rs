//! Packs: what a run's rows point to, rewritten in the order of the index, so that a CoValue is read in one go.
//!
//! A pack is a file of records like a log segment, but not part of the log: it is written whole, made durable, and named
//! by the manifest together with the run that points into it. The segments it replaces go when no slot names them.

use super::Packer;
use super::cache::Shared;
use super::layers::Layers;
use super::segment::{RecordBytes, Segment};
use crate::error::{Error, Result};
use crate::file::{FileHandle, FileIO, OpenMode};
use crate::format::manifest::SegmentEntry;
use crate::format::record::{self, RecordKind, SegmentHeader};
use crate::format::{Location, Lsn, SegmentId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Written in pieces of this size, in bytes.
const WRITE_BYTES: usize = 1 << 20;
/// Segments up to this size are read whole while they are packed, larger ones record by record.
const IMAGE_BYTES: u64 = 64 << 20;

/// A durable pack, as the manifest names it and as it is read.
pub type Finished<F> = (SegmentEntry, Arc<Segment<F>>);

/// Packs the records of the segments sealed since the last run.
pub struct PackWriter<'a, F: FileIO> {
    io: &'a Arc<F>,
    layers: &'a Layers<F>,
    /// The segments being packed, read whole.
    images: BTreeMap<SegmentId, Shared>,
    header: SegmentHeader,
    handle: F::Handle,
    buffer: Vec<u8>,
    record: Vec<u8>,
    written: u64,
    next: Lsn,
}

impl<'a, F: FileIO> PackWriter<'a, F> {
    /// Creates the pack `header.id`. One left over by an earlier attempt is replaced.
    pub fn create(
        io: &'a Arc<F>,
        layers: &'a Layers<F>,
        sealed: &[SegmentEntry],
        header: SegmentHeader,
    ) -> Result<Self> {
        let mut images = BTreeMap::new();
        for entry in sealed.iter().filter(|entry| entry.len <= IMAGE_BYTES) {
            if let Some(segment) = layers.segments.get(&entry.id) {
                images.insert(entry.id, Arc::new(segment.image(entry.len)?));
            }
        }
        let name = header.id.file_name();
        if io.exists(&name)? {
            io.remove(&name)?;
        }
        let handle = io.open(&name, OpenMode::CreateNew)?;
        let buffer = header.encode();
        Ok(Self { io, layers, images, header, handle, buffer, record: Vec::new(), written: 0, next: Lsn(1) })
    }

    fn drain(&mut self) -> Result<()> {
        self.handle.write_at(&self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Makes the pack durable. Its name is with the next sync of the directory. Nothing if it holds no record.
    pub fn finish(mut self) -> Result<Option<Finished<F>>> {
        let id = self.header.id;
        if self.next == Lsn(1) {
            drop(self.handle);
            self.io.remove(&id.file_name())?;
            return Ok(None);
        }
        self.drain()?;
        self.handle.sync()?;
        let entry = SegmentEntry { id, len: self.written };
        Ok(Some((entry, Segment::opened(self.io, id, self.handle))))
    }
}

impl<F: FileIO> Packer for PackWriter<'_, F> {
    fn read(&mut self, locations: &[Location]) -> Result<Vec<RecordBytes>> {
        let read = |location: &Location| {
            let segment = self.layers.segment(location.segment)?;
            match self.images.get(&location.segment) {
                Some(image) => segment.record_in(image, *location),
                None => segment.record_uncached(*location),
            }
        };
        locations.iter().map(read).collect()
    }

    fn write(&mut self, body: &[u8]) -> Result<Location> {
        let offset = self.written + self.buffer.len() as u64;
        let too_large = || Error::Internal("a pack is larger than offsets reach".to_owned());
        record::start(&mut self.record);
        self.record.extend_from_slice(body);
        let id = self.header.id;
        let len =
            record::finish(&mut self.record, id, self.next, 0, RecordKind::Pack).ok_or_else(too_large)?;
        self.next = self.next.next();
        self.buffer.extend_from_slice(&self.record);
        if self.buffer.len() >= WRITE_BYTES {
            self.drain()?;
        }
        Ok(Location { segment: id, offset: u32::try_from(offset).map_err(|_| too_large())?, len })
    }
}
