//! Log segments: files of complete, checksummed records. What is written once is never changed.

use crate::error::{Error, Result};
use crate::file::{FileHandle, FileIO, OpenMode};
use crate::format::record::{self, BadRecord, RECORD_HEADER, RecordHeader};
use crate::format::{Location, Lsn, SegmentId};
use std::sync::{Arc, OnceLock};

/// How much is read at a time when a segment is read through.
const SCAN_WINDOW: usize = 1 << 20;
/// Records closer than this are read in one go.
const READ_GAP: u64 = 4 * 1024;
/// At most this much is read in one go, unless one record is larger.
const READ_SPAN: u64 = 1 << 20;

/// A segment; its file is opened at the first use.
pub struct Segment<F: FileIO> {
    io: Arc<F>,
    id: SegmentId,
    handle: OnceLock<F::Handle>,
}

impl<F: FileIO> Segment<F> {
    /// A segment whose file exists.
    pub fn existing(io: &Arc<F>, id: SegmentId) -> Arc<Self> {
        Arc::new(Self { io: Arc::clone(io), id, handle: OnceLock::new() })
    }

    /// A segment whose file is open already.
    pub fn opened(io: &Arc<F>, id: SegmentId, handle: F::Handle) -> Arc<Self> {
        Arc::new(Self { io: Arc::clone(io), id, handle: OnceLock::from(handle) })
    }

    /// The segment's number.
    pub fn id(&self) -> SegmentId {
        self.id
    }

    /// The open file.
    pub fn handle(&self) -> Result<&F::Handle> {
        if let Some(handle) = self.handle.get() {
            return Ok(handle);
        }
        let opened = self.io.open(&self.id.file_name(), OpenMode::ReadWrite)?;
        Ok(self.handle.get_or_init(|| opened))
    }

    /// The error for damage at an offset.
    pub fn corrupt(&self, offset: u64, detail: impl Into<String>) -> Error {
        Error::Corrupt { path: self.io.path().join(self.id.file_name()), offset, detail: detail.into() }
    }

    /// Reads `len` bytes at `offset`; fewer are damage, as nothing names bytes that were not written.
    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        let mut buffer = vec![0; len];
        let got = self.handle()?.read_at(&mut buffer, offset)?;
        if got < len {
            return Err(self.corrupt(offset, format!("the file ends {} bytes too early", len - got)));
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

/// Bytes of a segment that hold one or more verified records.
pub struct RecordBytes {
    bytes: Arc<Vec<u8>>,
    body: std::ops::Range<usize>,
}

impl RecordBytes {
    /// The record's body.
    pub fn body(&self) -> &[u8] {
        self.bytes.get(self.body.clone()).unwrap_or_default()
    }
}

/// Reads and verifies records. `locations` are of one segment and in ascending order; neighbours are read together.
pub fn read_records<F: FileIO>(segment: &Segment<F>, locations: &[Location]) -> Result<Vec<RecordBytes>> {
    let mut out = Vec::with_capacity(locations.len());
    let mut rest = locations;
    while let Some(first) = rest.first() {
        let begin = u64::from(first.offset);
        let mut end = begin + u64::from(first.len);
        let mut n = 1;
        while let Some(next) = rest.get(n) {
            let next_end = u64::from(next.offset) + u64::from(next.len);
            if u64::from(next.offset) > end + READ_GAP || next_end - begin > READ_SPAN {
                break;
            }
            end = end.max(next_end);
            n += 1;
        }
        let (batch, after) = rest.split_at(n);
        rest = after;
        let bytes = Arc::new(segment.read(begin, (end - begin) as usize)?);
        for location in batch {
            let at = (u64::from(location.offset) - begin) as usize;
            let record = bytes.get(at..at + location.len as usize).unwrap_or_default();
            let (_, body) = segment.check(record, u64::from(location.offset))?;
            let from = at + RECORD_HEADER as usize;
            out.push(RecordBytes { body: from..from + body.len(), bytes: Arc::clone(&bytes) });
        }
    }
    Ok(out)
}

/// Reads a segment through from an offset, record by record.
pub struct Scanner<'a, F: FileIO> {
    segment: &'a Segment<F>,
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

impl<'a, F: FileIO> Scanner<'a, F> {
    /// Starts at an offset.
    pub fn new(segment: &'a Segment<F>, offset: u64) -> Result<Self> {
        let len = segment.handle()?.len()?;
        Ok(Self { segment, buffer: Vec::new(), base: offset, offset, len })
    }

    /// Where the next record begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The length of the file.
    pub fn file_len(&self) -> u64 {
        self.len
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
            let (id, file_len) = (self.segment.id, self.len);
            let mut next = offset + step;
            if let Ok(header) = RecordHeader::decode(self.fill(offset, RECORD_HEADER as usize)?) {
                let end = offset + u64::from(header.record_len());
                if end <= file_len
                    && record::verify(self.fill(offset, header.record_len() as usize)?, id).is_ok()
                {
                    ahead.records += 1;
                    ahead.last = ahead.last.max(header.lsn);
                    ahead.synced = ahead.synced.max(u64::from(header.synced));
                    next = record::align(end);
                }
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
