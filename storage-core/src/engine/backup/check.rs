//! Checking a file's bytes as they pass, piece by piece, with memory that does not depend on the file: a copy must not
//! spread damage.

use crate::format::checksum;
use crate::format::record::{
    self, BadHeader, BadRecord, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, SegmentHeader,
};
use crate::format::{Lsn, SegmentId, StoreId};

/// What is wrong, and where in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) offset: u64,
    pub(super) detail: String,
    /// The file is of this later version.
    pub(super) newer: Option<u32>,
}

impl Bad {
    fn at(offset: u64, detail: impl Into<String>) -> Self {
        Self { offset, detail: detail.into(), newer: None }
    }
}

/// Told the bytes of a file in order, once each.
pub(super) trait Check {
    fn feed(&mut self, bytes: &[u8]) -> Result<(), Bad>;
    /// The file ends here.
    fn finish(&mut self) -> Result<(), Bad>;
}

/// What the checksum of bytes is if they end in their own checksum, least significant byte first.
const RESIDUE: u32 = 0x4867_4bc7;

/// Checks a file of parts that each end in a checksum of their own.
pub(super) struct SealedParts<'a> {
    parts: Box<dyn Iterator<Item = (u64, u64)> + 'a>,
    /// Where the current part began, how much of it is still to come, and the checksum so far.
    start: u64,
    left: u64,
    crc: u32,
    offset: u64,
}

impl<'a> SealedParts<'a> {
    pub(super) fn new(parts: impl Iterator<Item = (u64, u64)> + 'a) -> Self {
        Self { parts: Box::new(parts), start: 0, left: 0, crc: 0, offset: 0 }
    }
}

impl Check for SealedParts<'_> {
    fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Bad> {
        while !bytes.is_empty() {
            if self.left == 0 {
                match self.parts.next() {
                    Some((offset, len)) if offset == self.offset && len > 0 => {
                        (self.start, self.left, self.crc) = (offset, len, 0);
                    }
                    _ => return Err(Bad::at(self.offset, "the parts of the file do not follow each other")),
                }
            }
            let (part, rest) = bytes.split_at(bytes.len().min(self.left as usize));
            self.crc = checksum::crc32c_append(self.crc, part);
            self.left -= part.len() as u64;
            self.offset += part.len() as u64;
            bytes = rest;
            if self.left == 0 && self.crc != RESIDUE {
                return Err(Bad::at(self.start, "a part of the index does not have its checksum"));
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Bad> {
        if self.left > 0 || self.parts.next().is_some() {
            return Err(Bad::at(self.offset, "the file is cut off"));
        }
        Ok(())
    }
}

/// What comes next in a file of records.
enum Awaiting {
    FileHeader,
    RecordHeader,
    Body { crc: u32, left: u64, expected: u32 },
    Padding { left: u64 },
}

/// Checks a segment or a pack, of which all bytes belong to records.
pub(super) struct Records {
    id: SegmentId,
    store: StoreId,
    len: u64,
    offset: u64,
    /// Where the current record began.
    start: u64,
    gathered: Vec<u8>,
    awaiting: Awaiting,
    first: Lsn,
    next: Lsn,
}

impl Records {
    /// For a file of `len` bytes.
    pub(super) fn new(id: SegmentId, store: StoreId, len: u64) -> Self {
        Self {
            id,
            store,
            len,
            offset: 0,
            start: 0,
            gathered: Vec::new(),
            awaiting: Awaiting::FileHeader,
            first: Lsn(0),
            next: Lsn(0),
        }
    }

    /// The number of the first record, and of the one that comes after the last.
    pub(super) fn numbers(&self) -> (Lsn, Lsn) {
        (self.first, self.next)
    }

    fn bad(&self, detail: impl Into<String>) -> Bad {
        Bad::at(self.start, detail)
    }

    /// Moves bytes to those gathered. Gives them when they are `len`.
    fn gather(&mut self, bytes: &mut &[u8], len: u32) -> Option<Vec<u8>> {
        let missing = (len as usize).saturating_sub(self.gathered.len());
        let taken = self.take(bytes, missing as u64);
        self.gathered.extend_from_slice(taken);
        (self.gathered.len() == len as usize).then(|| std::mem::take(&mut self.gathered))
    }

    /// The next `limit` bytes, or as many as there are.
    fn take<'b>(&mut self, bytes: &mut &'b [u8], limit: u64) -> &'b [u8] {
        let (taken, rest) = bytes.split_at((bytes.len() as u64).min(limit) as usize);
        *bytes = rest;
        self.offset += taken.len() as u64;
        taken
    }

    fn file_header(&mut self, bytes: &[u8]) -> Result<(), Bad> {
        let header = SegmentHeader::decode(bytes).map_err(|bad| match bad {
            BadHeader::Damaged => self.bad("the file's header is damaged"),
            BadHeader::Newer(version) => Bad { newer: Some(version), ..self.bad("a later version") },
        })?;
        if header.id != self.id || header.store != self.store {
            return Err(self.bad("the file belongs to another store, or has another's name"));
        }
        (self.first, self.next) = (header.first_lsn, header.first_lsn);
        self.awaiting = Awaiting::RecordHeader;
        self.start = self.offset;
        Ok(())
    }

    fn record_header(&mut self, bytes: &[u8]) -> Result<(), Bad> {
        let header =
            RecordHeader::decode(bytes).map_err(|bad| self.bad(crate::engine::segment::describe(bad)))?;
        if header.lsn != self.next {
            return Err(self.bad(format!("record {} where {} belongs", header.lsn.0, self.next.0)));
        }
        if self.start + u64::from(header.record_len()) > self.len {
            return Err(self.bad("the record is cut off"));
        }
        let crc = record::checksum_of_header(self.id, bytes);
        self.awaiting = Awaiting::Body { crc, left: u64::from(header.body_len), expected: header.crc };
        Ok(())
    }

    /// Ends the record if all of it was there.
    fn body(&mut self, crc: u32, left: u64, expected: u32) -> Result<(), Bad> {
        if left > 0 {
            self.awaiting = Awaiting::Body { crc, left, expected };
            return Ok(());
        }
        if crc != expected {
            return Err(self.bad(crate::engine::segment::describe(BadRecord::Checksum)));
        }
        self.next = self.next.next();
        self.awaiting = Awaiting::Padding { left: record::align(self.offset) - self.offset };
        Ok(())
    }
}

impl Check for Records {
    fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Bad> {
        loop {
            match self.awaiting {
                Awaiting::Body { crc, left, expected } => {
                    let part = self.take(&mut bytes, left);
                    let crc = checksum::crc32c_append(crc, part);
                    self.body(crc, left - part.len() as u64, expected)?;
                }
                Awaiting::Padding { left } => {
                    let left = left - self.take(&mut bytes, left).len() as u64;
                    self.awaiting = Awaiting::Padding { left };
                    if left == 0 {
                        self.awaiting = Awaiting::RecordHeader;
                        self.start = self.offset;
                    }
                }
                Awaiting::FileHeader => {
                    if let Some(header) = self.gather(&mut bytes, SEGMENT_HEADER) {
                        self.file_header(&header)?;
                    }
                }
                Awaiting::RecordHeader => {
                    if let Some(header) = self.gather(&mut bytes, RECORD_HEADER) {
                        self.record_header(&header)?;
                        // A record may have no body.
                        continue;
                    }
                }
            }
            if bytes.is_empty() {
                return Ok(());
            }
        }
    }

    fn finish(&mut self) -> Result<(), Bad> {
        let ends = match self.awaiting {
            Awaiting::RecordHeader => self.gathered.is_empty(),
            Awaiting::Padding { .. } => true,
            Awaiting::FileHeader | Awaiting::Body { .. } => false,
        };
        if ends { Ok(()) } else { Err(self.bad("the record is cut off")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::HashKey;
    use crate::format::record::RecordKind;
    use crate::format::run::seal;

    const STORE: StoreId = StoreId([4; 16]);

    fn segment(bodies: &[usize]) -> Vec<u8> {
        let id = SegmentId(7);
        let header = SegmentHeader { id, store: STORE, hash_key: HashKey([1; 16]), first_lsn: Lsn(40) };
        let mut out = header.encode();
        for (n, len) in bodies.iter().enumerate() {
            let mut buffer = Vec::new();
            record::start(&mut buffer);
            buffer.resize(buffer.len() + len, 0xa5);
            record::finish(&mut buffer, id, Lsn(40 + n as u64), 0, RecordKind::Commit).unwrap();
            out.extend_from_slice(&buffer);
        }
        out
    }

    fn run(check: &mut impl Check, bytes: &[u8], step: usize) -> Result<(), Bad> {
        bytes.chunks(step).try_for_each(|chunk| check.feed(chunk))?;
        check.finish()
    }

    #[test]
    fn records_are_followed_however_they_are_cut() {
        let bytes = segment(&[0, 5, 300, 8, 0]);
        for step in [1, 3, 8, 24, 64, 100, 10_000] {
            let mut check = Records::new(SegmentId(7), STORE, bytes.len() as u64);
            assert_eq!(run(&mut check, &bytes, step), Ok(()), "by {step}");
            assert_eq!(check.numbers(), (Lsn(40), Lsn(45)));
        }
    }

    #[test]
    fn every_damaged_byte_is_told_with_the_place_of_its_record() {
        let bytes = segment(&[0, 5, 300]);
        let ends = [64, 88, 120, bytes.len()];
        for at in 0..bytes.len() {
            // Padding belongs to nothing.
            if (64 + 24 + 24 + 5..120).contains(&at) || at >= 120 + 24 + 300 {
                continue;
            }
            let mut bad = bytes.clone();
            bad[at] ^= 0x20;
            let mut check = Records::new(SegmentId(7), STORE, bad.len() as u64);
            let error = run(&mut check, &bad, 50).unwrap_err();
            let start = ends.iter().rev().find(|end| **end <= at).copied().unwrap_or(0);
            assert_eq!(error.offset, start as u64, "byte {at}: {}", error.detail);
        }
        for cut in 0..bytes.len() {
            let mut check = Records::new(SegmentId(7), STORE, cut as u64);
            let between = [64, 88].contains(&cut) || (117..=120).contains(&cut) || cut >= 120 + 324;
            assert_eq!(run(&mut check, &bytes[..cut], 50).is_ok(), between, "cut to {cut}");
        }
    }

    #[test]
    fn sealed_parts_are_checked_one_by_one() {
        let (mut bytes, mut parts) = (Vec::new(), Vec::new());
        for len in [1, 90, 4_000] {
            let mut part = vec![len as u8; len];
            seal(&mut part);
            parts.push((bytes.len() as u64, part.len() as u64));
            bytes.extend_from_slice(&part);
        }
        for step in [1, 7, 100, 9_000] {
            assert_eq!(run(&mut SealedParts::new(parts.iter().copied()), &bytes, step), Ok(()));
        }
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            let error = run(&mut SealedParts::new(parts.iter().copied()), &bad, 64).unwrap_err();
            let start = parts.iter().rev().find(|(start, _)| *start <= at as u64).unwrap().0;
            assert_eq!(error.offset, start, "byte {at}");
        }
        assert!(run(&mut SealedParts::new(parts.iter().copied()), &bytes[..100], 64).is_err());
        assert!(run(&mut SealedParts::new(parts.iter().copied().skip(1)), &bytes, 64).is_err());
    }
}
