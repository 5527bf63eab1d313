//! Log segments: files of complete, checksummed records. What is written once is never changed.

use super::buffer::{Buffer, Spare};
use super::cache::{CacheKey, ReadCache, SPAN_BYTES, Shared};
use super::read_ahead::ReadAhead;
use crate::error::{Error, Result};
use crate::file::{FileHandle, FileIO, OpenMode};
use crate::format::record::{self, BadRecord, RECORD_HEADER, RecordHeader, SEGMENT_HEADER};
use crate::format::{Location, Lsn, SegmentId};
use std::sync::{Arc, OnceLock};

/// How much is read at a time when a segment is read through.
const SCAN_WINDOW: usize = 1 << 20;

/// A segment; its file is opened at the first use.
pub struct Segment<F: FileIO> {
    io: Arc<F>,
    id: SegmentId,
    file: OnceLock<(F::Handle, ReadAhead)>,
}

impl<F: FileIO> Segment<F> {
    /// A segment whose file exists.
    pub fn existing(io: &Arc<F>, id: SegmentId) -> Arc<Self> {
        Arc::new(Self { io: Arc::clone(io), id, file: OnceLock::new() })
    }

    /// A segment whose file was just created, and is open.
    pub fn opened(io: &Arc<F>, id: SegmentId, handle: F::Handle) -> Arc<Self> {
        Arc::new(Self { io: Arc::clone(io), id, file: OnceLock::from((handle, ReadAhead::none())) })
    }

    /// The segment's number.
    pub fn id(&self) -> SegmentId {
        self.id
    }

    /// The open file.
    pub fn handle(&self) -> Result<&F::Handle> {
        self.file().map(|(handle, _)| handle)
    }

    fn file(&self) -> Result<&(F::Handle, ReadAhead)> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let name = self.id.file_name();
        if !self.io.exists(&name)? {
            return Err(self.corrupt(0, "the file is missing"));
        }
        let mode = if self.id.is_pack() { OpenMode::Read } else { OpenMode::ReadWrite };
        let handle = self.io.open(&name, mode)?;
        let ahead = ReadAhead::new(handle.len()?);
        Ok(self.file.get_or_init(|| (handle, ahead)))
    }

    /// The length of the file, in bytes.
    pub fn len(&self) -> Result<u64> {
        self.handle()?.len()
    }

    /// Whether the file has no bytes.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The bytes of the header, or what the file has of it.
    pub fn start(&self) -> Result<Vec<u8>> {
        let len = self.len()?.min(u64::from(SEGMENT_HEADER));
        let mut bytes = vec![0; len as usize];
        let got = self.handle()?.read_at(&mut bytes, 0)?;
        self.check_complete(got, bytes.len())?;
        Ok(bytes)
    }

    /// A read that gives less than the file is long is a failure, not the end of the log: that would be cut off there.
    fn check_complete(&self, got: usize, wanted: usize) -> Result<()> {
        if got >= wanted {
            return Ok(());
        }
        let path = self.io.path().join(self.id.file_name());
        Err(Error::from_io("read", path, std::io::ErrorKind::UnexpectedEof.into()))
    }

    /// The error for damage at an offset.
    pub fn corrupt(&self, offset: u64, detail: impl Into<String>) -> Error {
        Error::corrupt(self.io.path().join(self.id.file_name()), offset, detail)
    }

    /// Reads `len` bytes at `offset`; fewer are damage, as nothing names bytes that were not written.
    fn read(&self, offset: u64, len: usize, spare: Option<&Arc<Spare>>) -> Result<Buffer> {
        let handle = self.handle()?;
        let buffer = Buffer::fill(len, spare, |room| handle.read_at(room, offset))?;
        if buffer.len() < len {
            let lacking = len - buffer.len();
            return Err(self.corrupt(offset, format!("the file ends {lacking} bytes too early")));
        }
        Ok(buffer)
    }

    fn check<'a>(&self, bytes: &'a [u8], offset: u64) -> Result<(RecordHeader, &'a [u8])> {
        record::verify(bytes, self.id).map_err(|bad| self.corrupt(offset, describe(bad)))
    }
}

/// What is wrong with a record, in words.
pub fn describe(bad: BadRecord) -> &'static str {
    match bad {
        BadRecord::Short => "the record is cut off",
        BadRecord::Blank => "zeros in place of a record",
        BadRecord::Header => "the record's header is invalid",
        BadRecord::Checksum => "the record does not have its checksum",
    }
}

/// A verified record.
pub struct RecordBytes {
    bytes: Shared,
    body: std::ops::Range<usize>,
}

impl RecordBytes {
    /// The record's body.
    pub fn body(&self) -> &[u8] {
        self.bytes.get(self.body.clone()).unwrap_or_default()
    }
}

/// Records of one file that lie so close together that they are read in one go.
pub struct Span<'l> {
    locations: &'l [Location],
    /// Bytes from the first record's beginning to the last one's end.
    len: usize,
}

impl<'l> Span<'l> {
    /// Bytes between two records that are rather read than skipped: a read costs about as much as copying 8 KiB.
    const GAP: u64 = 4 * 1024;
    /// Bytes after which another read begins.
    const LEN: u64 = 256 * 1024;

    /// The longest span that these locations begin with, and those after it. They are in the order of the file.
    pub fn split_off(locations: &'l [Location]) -> Option<(Self, &'l [Location])> {
        let first = locations.first()?;
        let start = u64::from(first.offset);
        let end = |location: &Location| u64::from(location.offset) + u64::from(location.len);
        let joined = locations.windows(2).take_while(|pair| {
            let [a, b] = pair else { return false };
            b.segment == first.segment
                && u64::from(b.offset) <= end(a) + Self::GAP
                && u64::from(b.offset) >= u64::from(a.offset)
                && end(b) <= start + Self::LEN
        });
        let (locations, rest) = locations.split_at_checked(1 + joined.count())?;
        let len = locations.iter().map(end).max().unwrap_or(start) - start;
        Some((Self { locations, len: len as usize }, rest))
    }

    /// The file.
    pub fn segment(&self) -> Option<SegmentId> {
        self.locations.first().map(|location| location.segment)
    }
}

impl<F: FileIO> Segment<F> {
    /// Reads and verifies the records of a span of this segment, appended to `out`: small spans through the cache.
    pub fn records(&self, span: &Span<'_>, cache: &ReadCache, out: &mut Vec<RecordBytes>) -> Result<()> {
        let Some(base) = span.locations.first().map(|location| location.offset) else { return Ok(()) };
        let key = CacheKey::Span(self.id, base);
        let keep = span.len <= SPAN_BYTES;
        let cached = if keep { cache.get(&key).filter(|bytes| bytes.len() >= span.len) } else { None };
        if let Some(bytes) = cached {
            let before = out.len();
            if self.records_in(&bytes, base, span.locations, out).is_ok() {
                return Ok(());
            }
            out.truncate(before);
            cache.remove(&key);
        }
        let (handle, ahead) = self.file()?;
        ahead.will_read(handle, u64::from(base), span.len as u64);
        let bytes = Arc::new(self.read(u64::from(base), span.len, Some(&cache.spare))?);
        self.records_in(&bytes, base, span.locations, out)?;
        if keep {
            cache.insert_if_read_before(key, &bytes);
        }
        Ok(())
    }

    /// Asks the system for a large record that will be read soon. Advice: what fails is for reading to tell.
    pub fn will_read(&self, location: Location) {
        let Ok((handle, ahead)) = self.file() else { return };
        if let Some(bytes) = ahead.before_it_is_due(u64::from(location.offset), u64::from(location.len)) {
            handle.will_read(bytes);
        }
    }

    /// Verifies records in bytes of the file that begin at `base`.
    fn records_in(
        &self,
        bytes: &Shared,
        base: u32,
        locations: &[Location],
        out: &mut Vec<RecordBytes>,
    ) -> Result<()> {
        locations.iter().try_for_each(|location| {
            out.push(self.record_in(bytes, u64::from(base), *location)?);
            Ok(())
        })
    }

    /// Reads and verifies a record from the file.
    pub fn record_uncached(&self, location: Location) -> Result<RecordBytes> {
        let bytes = self.read(u64::from(location.offset), location.len as usize, None)?;
        let (_, body) = self.check(&bytes, u64::from(location.offset))?;
        let from = RECORD_HEADER as usize;
        Ok(RecordBytes { body: from..from + body.len(), bytes: Arc::new(bytes) })
    }

    /// Verifies a record in bytes of the file that begin at `base`.
    pub fn record_in(&self, bytes: &Shared, base: u64, location: Location) -> Result<RecordBytes> {
        let at = u64::from(location.offset).saturating_sub(base) as usize;
        let record = bytes.get(at..at + location.len as usize).unwrap_or_default();
        let (_, body) = self.check(record, u64::from(location.offset))?;
        let from = at + RECORD_HEADER as usize;
        Ok(RecordBytes { body: from..from + body.len(), bytes: Arc::clone(bytes) })
    }

    /// Up to `len` bytes at `offset`; fewer where the file ends.
    pub fn read_up_to(&self, offset: u64, len: usize) -> Result<Buffer> {
        let handle = self.handle()?;
        Buffer::fill(len, None, |room| handle.read_at(room, offset))
    }
}

/// Reads a segment through from an offset, record by record.
pub struct Scanner<F: FileIO> {
    segment: Arc<Segment<F>>,
    buffer: Vec<u8>,
    /// Offset in the file of the first byte in the buffer.
    base: u64,
    offset: u64,
    len: u64,
}

/// A record met by a [`Scanner`].
pub struct Scanned<'b> {
    /// Its header.
    pub header: RecordHeader,
    /// Its body.
    pub body: &'b [u8],
    /// Where it lies.
    pub location: Location,
}

impl<F: FileIO> Scanner<F> {
    /// Starts at an offset.
    pub fn new(segment: &Arc<Segment<F>>, offset: u64) -> Result<Self> {
        let len = segment.handle()?.len()?;
        Ok(Self { segment: Arc::clone(segment), buffer: Vec::new(), base: offset, offset, len })
    }

    /// Where the next record begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The length of the file.
    pub fn file_len(&self) -> u64 {
        self.len
    }

    /// The open file.
    pub(super) fn handle(&self) -> Result<&F::Handle> {
        self.segment.handle()
    }

    /// Moves on from a bad record to the next place where a valid one begins; false if there is none.
    pub fn resync(&mut self) -> Result<bool> {
        let mut offset = record::align(self.offset + 1);
        while offset + u64::from(RECORD_HEADER) <= self.len {
            if self.is_valid_at(offset)?.is_some() {
                self.offset = offset;
                return Ok(true);
            }
            offset += u64::from(record::RECORD_ALIGN);
        }
        self.offset = self.len;
        Ok(false)
    }

    /// The header of the valid record at an offset, if there is one.
    fn is_valid_at(&mut self, offset: u64) -> Result<Option<RecordHeader>> {
        let (id, file_len) = (self.segment.id, self.len);
        let Ok(header) = RecordHeader::decode(self.fill(offset, RECORD_HEADER as usize)?) else {
            return Ok(None);
        };
        if offset + u64::from(header.record_len()) > file_len {
            return Ok(None);
        }
        let valid = record::verify(self.fill(offset, header.record_len() as usize)?, id).is_ok();
        Ok(valid.then_some(header))
    }

    /// At least `need` bytes from `offset` on, or what the file has.
    fn fill(&mut self, offset: u64, need: usize) -> Result<&[u8]> {
        let at = offset.checked_sub(self.base).map(|at| at as usize);
        let have = at.and_then(|at| self.buffer.len().checked_sub(at)).unwrap_or(0);
        if at.is_none() || have < need {
            let want = need.max(SCAN_WINDOW).min(self.len.saturating_sub(offset) as usize);
            self.buffer.resize(want, 0);
            let got = self.segment.handle()?.read_at(&mut self.buffer, offset)?;
            self.buffer.truncate(got);
            self.segment.check_complete(got, want)?;
            self.base = offset;
        }
        Ok(self.buffer.get((offset - self.base) as usize..).unwrap_or_default())
    }

    /// The record at the current offset, which moves past it; or what is wrong there.
    pub fn advance(&mut self) -> Result<Result<Scanned<'_>, BadRecord>> {
        let offset = self.offset;
        let len = match RecordHeader::decode(self.fill(offset, RECORD_HEADER as usize)?) {
            Ok(header) if offset + u64::from(header.record_len()) <= self.len => header.record_len(),
            Ok(_) => return Ok(Err(BadRecord::Short)),
            Err(bad) => return Ok(Err(bad)),
        };
        let id = self.segment.id;
        let end = record::align(offset + u64::from(len));
        let bytes = self.fill(offset, len as usize)?;
        if let Err(bad) = record::verify(bytes, id) {
            return Ok(Err(bad));
        }
        self.offset = end;
        let bytes = self.fill(offset, len as usize)?;
        Ok(record::verify(bytes, id).map(|(header, body)| Scanned {
            header,
            body,
            location: Location { segment: id, offset: offset as u32, len },
        }))
    }

    /// What valid records there are after a bad one at the current offset: looks at every place where one could begin.
    pub fn look_ahead(&mut self) -> Result<Ahead> {
        let step = u64::from(record::RECORD_ALIGN);
        let mut ahead = Ahead::default();
        let mut offset = record::align(self.offset + 1);
        while offset + u64::from(RECORD_HEADER) <= self.len {
            let mut next = offset + step;
            if let Some(header) = self.is_valid_at(offset)? {
                ahead.records += 1;
                ahead.last = ahead.last.max(header.lsn);
                ahead.synced = ahead.synced.max(u64::from(header.synced));
                next = record::align(offset + u64::from(header.record_len()));
            }
            offset = next;
        }
        Ok(ahead)
    }
}

/// The valid records after a bad one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ahead {
    /// How many there are.
    pub records: u64,
    /// The highest number among them.
    pub last: Lsn,
    /// How much of the segment they say was durable when they were written.
    pub synced: u64,
}
