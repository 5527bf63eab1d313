//! A backup in one file (design.md section 7.1): a header, the store's files one after another, the manifest, a trailer.
//!
//! Each file has its checksum behind it, and the trailer has that of everything before it. Nothing that was cut off has a
//! trailer at its end, so a backup that was interrupted is never taken for a whole one.

use super::bytes::{Cursor, PutBytes};
use super::run::{seal, unseal};
use super::{RunId, SegmentId, StoreId};

/// The newest version of the archive that this build writes, and the newest it reads. The files within have the format
/// version that they carry themselves.
pub const ARCHIVE_VERSION: u32 = 1;
/// Bytes of the header.
pub const HEADER_LEN: usize = 64;
/// Bytes of the head of an entry.
pub const ENTRY_LEN: usize = 32;
/// Bytes of the checksum behind the bytes of an entry.
pub const CHECKSUM_LEN: usize = 4;
/// Bytes of the trailer.
pub const TRAILER_LEN: usize = 32;
/// The largest manifest that is read, in bytes.
pub const MAX_MANIFEST: u64 = 256 << 20;

const MAGIC: [u8; 8] = *b"JAZZBAK\0";
const ENTRY_MAGIC: [u8; 4] = *b"FILE";
const TRAILER_MAGIC: [u8; 8] = *b"JAZZEND\0";

/// What an archive begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The store that was backed up.
    pub store: StoreId,
    /// Entries, the manifest's included.
    pub entries: u32,
    /// Bytes of all of them together, without heads and checksums.
    pub bytes: u64,
}

/// Why bytes are not an archive's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadHeader {
    /// Something else than an archive.
    Foreign,
    /// Damaged, or cut off.
    Damaged,
    /// Written by a later version.
    Newer(u32),
}

impl Header {
    /// The header's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_LEN);
        out.extend_from_slice(&MAGIC);
        out.put_u32(ARCHIVE_VERSION);
        out.put_u32(self.entries);
        out.extend_from_slice(&self.store.0);
        out.put_u64(self.bytes);
        out.resize(HEADER_LEN - 4, 0);
        seal(&mut out);
        out
    }

    /// Decodes and checks a header.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        if bytes.get(..MAGIC.len()) != Some(&MAGIC[..]) {
            return Err(BadHeader::Foreign);
        }
        let body = bytes.get(..HEADER_LEN).and_then(unseal).ok_or(BadHeader::Damaged)?;
        Self::fields(body).ok_or(BadHeader::Damaged)?
    }

    fn fields(body: &[u8]) -> Option<Result<Self, BadHeader>> {
        let mut c = Cursor::new(body);
        c.take(MAGIC.len())?;
        let version = c.u32()?;
        if version > ARCHIVE_VERSION {
            return Some(Err(BadHeader::Newer(version)));
        }
        let entries = c.u32()?;
        Some(Ok(Self { store: StoreId(c.array()?), entries, bytes: c.u64()? }))
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A run.
    Run(RunId),
    /// A segment of the log, or a pack.
    Segment(SegmentId),
    /// The manifest: the last entry.
    Manifest,
}

impl EntryKind {
    fn code(self) -> (u32, u32) {
        match self {
            Self::Run(id) => (1, id.0),
            Self::Segment(id) => (2, id.0),
            Self::Manifest => (3, 0),
        }
    }

    fn from_code(kind: u32, number: u32) -> Option<Self> {
        match kind {
            1 => Some(Self::Run(RunId(number))),
            2 => Some(Self::Segment(SegmentId(number))),
            3 => (number == 0).then_some(Self::Manifest),
            _ => None,
        }
    }

    /// The name of the file in a store, or what stands for it in messages.
    pub fn name(self) -> String {
        match self {
            Self::Run(id) => id.file_name(),
            Self::Segment(id) => id.file_name(),
            Self::Manifest => "the manifest".to_owned(),
        }
    }
}

/// The head of an entry: its bytes follow, then their checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryHead {
    /// What it is.
    pub kind: EntryKind,
    /// How many bytes it has.
    pub len: u64,
}

impl EntryHead {
    /// The head's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, number) = self.kind.code();
        let mut out = Vec::with_capacity(ENTRY_LEN);
        out.extend_from_slice(&ENTRY_MAGIC);
        out.put_u32(kind);
        out.put_u32(number);
        out.put_u64(self.len);
        out.resize(ENTRY_LEN - 4, 0);
        seal(&mut out);
        out
    }

    /// Decodes and checks a head.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut c = Cursor::new(bytes.get(..ENTRY_LEN).and_then(unseal)?);
        if c.array()? != ENTRY_MAGIC {
            return None;
        }
        let kind = EntryKind::from_code(c.u32()?, c.u32()?)?;
        Some(Self { kind, len: c.u64()? })
    }
}

/// What an archive ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// Entries.
    pub entries: u32,
    /// The checksum of all bytes before the trailer.
    pub checksum: u32,
    /// The length of the archive, trailer included.
    pub archive_len: u64,
}

impl Trailer {
    /// The trailer's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(TRAILER_LEN);
        out.extend_from_slice(&TRAILER_MAGIC);
        out.put_u32(self.entries);
        out.put_u32(self.checksum);
        out.put_u64(self.archive_len);
        out.resize(TRAILER_LEN - 4, 0);
        seal(&mut out);
        out
    }

    /// Decodes and checks a trailer.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut c = Cursor::new(bytes.get(..TRAILER_LEN).and_then(unseal)?);
        if c.array()? != TRAILER_MAGIC {
            return None;
        }
        Some(Self { entries: c.u32()?, checksum: c.u32()?, archive_len: c.u64()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn round_trip_and_every_flipped_bit_is_seen() {
        let header = Header { store: StoreId([7; 16]), entries: 9, bytes: 1 << 40 };
        let head = EntryHead { kind: EntryKind::Segment(SegmentId(1 << 31)), len: 77 };
        let trailer = Trailer { entries: 9, checksum: 5, archive_len: 1 << 41 };
        let (a, b, c) = (header.encode(), head.encode(), trailer.encode());
        assert_eq!((a.len(), b.len(), c.len()), (HEADER_LEN, ENTRY_LEN, TRAILER_LEN));
        assert_eq!(Header::decode(&a), Ok(header));
        assert_eq!(EntryHead::decode(&b), Some(head));
        assert_eq!(Trailer::decode(&c), Some(trailer));
        let flipped = |bytes: &[u8], bit: usize| {
            let mut bad = bytes.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            bad
        };
        for bit in 0..HEADER_LEN * 8 {
            assert!(Header::decode(&flipped(&a, bit)).is_err(), "bit {bit}");
        }
        for bit in 0..ENTRY_LEN * 8 {
            assert_eq!(EntryHead::decode(&flipped(&b, bit)), None, "bit {bit}");
        }
        for bit in 0..TRAILER_LEN * 8 {
            assert_eq!(Trailer::decode(&flipped(&c, bit)), None, "bit {bit}");
        }
    }

    #[test]
    fn foreign_newer_and_damaged_archives_are_told_apart() {
        let mut bytes = Header { store: StoreId([7; 16]), entries: 9, bytes: 1 }.encode();
        assert_eq!(Header::decode(b"SQLite format 3\0"), Err(BadHeader::Foreign));
        assert_eq!(Header::decode(&bytes[..HEADER_LEN - 1]), Err(BadHeader::Damaged));
        bytes[8] += 1;
        assert_eq!(Header::decode(&bytes), Err(BadHeader::Damaged));
        bytes.truncate(HEADER_LEN - 4);
        seal(&mut bytes);
        assert_eq!(Header::decode(&bytes), Err(BadHeader::Newer(ARCHIVE_VERSION + 1)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (Header::decode(&bytes), EntryHead::decode(&bytes), Trailer::decode(&bytes));
            seal(&mut bytes);
            let _ = (Header::decode(&bytes), EntryHead::decode(&bytes), Trailer::decode(&bytes));
        }
    }
}
