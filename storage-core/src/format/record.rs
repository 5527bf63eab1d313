//! Segments and records: the frame of the log (design.md section 4).
//!
//! A record is valid only in the segment and at the position in the log it was written for: its checksum covers the
//! segment's number and the record's own, so recycled, copied or zeroed space never reads as a record.

use super::bytes::{Cursor, PutBytes, put_at};
use super::checksum;
use super::{FORMAT_VERSION, HashKey, Lsn, SegmentId, StoreId};

/// Bytes of a segment's header.
pub const SEGMENT_HEADER: u32 = 64;
/// Bytes of a record's header.
pub const RECORD_HEADER: u32 = 24;
/// Records start at multiples of this.
pub const RECORD_ALIGN: u32 = 8;
/// The largest body of a record, in bytes.
pub const MAX_BODY: u32 = 1 << 30;

const SEGMENT_MAGIC: [u8; 8] = *b"JAZZSEG\0";

/// What a record is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// One atomic change: a sequence of entries.
    Commit,
    /// The whole small state (sync state, queue of deletions, locks) as entries; what was before it counts no more.
    Snapshot,
    /// Entries of one CoValue rewritten in a pack. Its number is its place in the pack, from 1.
    Pack,
}

impl RecordKind {
    fn code(self) -> u8 {
        match self {
            Self::Commit => 1,
            Self::Snapshot => 2,
            Self::Pack => 3,
        }
    }
    fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Commit),
            2 => Some(Self::Snapshot),
            3 => Some(Self::Pack),
            _ => None,
        }
    }
}

/// A record's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader {
    /// Bytes of the body.
    pub body_len: u32,
    /// The checksum as stored.
    pub crc: u32,
    /// The record's number.
    pub lsn: Lsn,
    /// How many bytes of the segment were known to be durable when the record was written. A damaged record before
    /// such an offset cannot be a torn tail.
    pub synced: u32,
    /// What it is for.
    pub kind: RecordKind,
}

/// Why bytes are not the record that should be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRecord {
    /// Fewer bytes than a header or the body need, not all of them zero.
    Short,
    /// Zeros where a header should be, or as many of them as there are bytes left: space that was never written.
    Blank,
    /// A length or kind that no record has.
    Header,
    /// The checksum does not fit.
    Checksum,
}

impl RecordHeader {
    /// Decodes a header. Whether the record is whole is known only after [`verify`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
        let mut c = Cursor::new(bytes);
        let (Some(body_len), Some(crc), Some(lsn), Some(synced), Some(kind), Some(tail)) =
            (c.u32(), c.u32(), c.u64(), c.u32(), c.u8(), c.array::<3>())
        else {
            let blank = !bytes.is_empty() && bytes.iter().all(|byte| *byte == 0);
            return Err(if blank { BadRecord::Blank } else { BadRecord::Short });
        };
        if body_len == 0 && crc == 0 && lsn == 0 && kind == 0 {
            return Err(BadRecord::Blank);
        }
        let kind = RecordKind::from_code(kind).ok_or(BadRecord::Header)?;
        if body_len > MAX_BODY || tail != [0; 3] {
            return Err(BadRecord::Header);
        }
        Ok(Self { body_len, crc, lsn: Lsn(lsn), synced, kind })
    }

    /// Header and body, in bytes, without padding.
    pub fn record_len(&self) -> u32 {
        RECORD_HEADER + self.body_len
    }
}

/// The offset of the next record, given where one ends.
pub fn align(end: u64) -> u64 {
    end.next_multiple_of(u64::from(RECORD_ALIGN))
}

/// The checksum of the record with this header, of whose body no byte was added yet: [`checksum::crc32c_append`] adds them.
pub fn checksum_of_header(segment: SegmentId, header: &[u8]) -> u32 {
    // In one piece, as each costs about as much as all of them.
    let mut summed = [0; RECORD_HEADER as usize];
    put_at(&mut summed, 0, &segment.0.to_le_bytes());
    put_at(&mut summed, 4, header.get(..4).unwrap_or_default());
    put_at(&mut summed, 8, header.get(8..RECORD_HEADER as usize).unwrap_or_default());
    checksum::crc32c(&summed)
}

fn checksum(segment: SegmentId, header: &[u8], body: &[u8]) -> u32 {
    checksum::crc32c_append(checksum_of_header(segment, header), body)
}

/// Starts a record in an empty buffer: leaves room for the header that [`finish`] fills in.
pub fn start(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.resize(RECORD_HEADER as usize, 0);
}

/// Completes the record in `buffer` (begun with [`start`], body appended) and pads it. Gives its length without padding,
/// or nothing if the body is larger than [`MAX_BODY`].
pub fn finish(
    buffer: &mut Vec<u8>,
    segment: SegmentId,
    lsn: Lsn,
    synced: u32,
    kind: RecordKind,
) -> Option<u32> {
    let len = u32::try_from(buffer.len()).ok().filter(|&len| len <= RECORD_HEADER + MAX_BODY)?;
    let (header, body) = buffer.split_first_chunk_mut::<{ RECORD_HEADER as usize }>()?;
    let body_len = len.checked_sub(RECORD_HEADER)?;
    put_at(header, 0, &body_len.to_le_bytes());
    put_at(header, 8, &lsn.0.to_le_bytes());
    put_at(header, 16, &synced.to_le_bytes());
    put_at(header, 20, &[kind.code(), 0, 0, 0]);
    let crc = checksum(segment, header, body);
    put_at(header, 4, &crc.to_le_bytes());
    buffer.resize(usize::try_from(align(u64::from(len))).ok()?, 0);
    Some(len)
}

/// Checks the record at the start of `bytes` and gives its header and body.
pub fn verify(bytes: &[u8], segment: SegmentId) -> Result<(RecordHeader, &[u8]), BadRecord> {
    let header = RecordHeader::decode(bytes)?;
    let body = bytes.get(RECORD_HEADER as usize..header.record_len() as usize).ok_or(BadRecord::Short)?;
    if checksum(segment, bytes, body) != header.crc {
        return Err(BadRecord::Checksum);
    }
    Ok((header, body))
}

/// A segment's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The segment's number.
    pub id: SegmentId,
    /// The store it belongs to.
    pub store: StoreId,
    /// The secret the store hashes ids with; here so that an index can be rebuilt from segments alone.
    pub hash_key: HashKey,
    /// The number of its first record.
    pub first_lsn: Lsn,
}

/// Why bytes are not a segment's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadHeader {
    /// Not a header of this format, or damaged.
    Damaged,
    /// Written by a later version.
    Newer(u32),
}

impl SegmentHeader {
    /// The header's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEGMENT_HEADER as usize);
        out.extend_from_slice(&SEGMENT_MAGIC);
        out.put_u32(FORMAT_VERSION);
        out.put_u32(self.id.0);
        out.extend_from_slice(&self.store.0);
        out.extend_from_slice(&self.hash_key.0);
        out.put_u64(self.first_lsn.0);
        out.put_u32(0);
        let crc = checksum::crc32c(&out);
        out.put_u32(crc);
        out
    }

    /// Decodes and checks a header.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        Self::fields(bytes).ok_or(BadHeader::Damaged)?
    }

    fn fields(bytes: &[u8]) -> Option<Result<Self, BadHeader>> {
        let header = bytes.get(..SEGMENT_HEADER as usize)?;
        let (checked, crc) = header.split_last_chunk::<4>()?;
        let mut c = Cursor::new(checked);
        if c.array()? != SEGMENT_MAGIC || checksum::crc32c(checked) != u32::from_le_bytes(*crc) {
            return None;
        }
        let version = c.u32()?;
        if version > FORMAT_VERSION {
            return Some(Err(BadHeader::Newer(version)));
        }
        Some(Ok(Self {
            id: SegmentId(c.u32()?),
            store: StoreId(c.array()?),
            hash_key: HashKey(c.array()?),
            first_lsn: Lsn(c.u64()?),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(segment: u32, lsn: u64, body: &[u8]) -> Vec<u8> {
        let mut buffer = Vec::new();
        start(&mut buffer);
        buffer.extend_from_slice(body);
        finish(&mut buffer, SegmentId(segment), Lsn(lsn), 7, RecordKind::Commit).unwrap();
        buffer
    }

    #[test]
    fn round_trip_and_padding() {
        for n in 0..40 {
            let body = vec![0xa5; n];
            let bytes = record(3, 9, &body);
            assert_eq!(bytes.len() % 8, 0);
            let (header, got) = verify(&bytes, SegmentId(3)).unwrap();
            assert_eq!((header.lsn, header.synced, got), (Lsn(9), 7, &body[..]));
        }
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let bytes = record(3, 9, b"some body");
        let len = (RECORD_HEADER as usize) + 9;
        for bit in 0..len * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&bad, SegmentId(3)).is_err(), "bit {bit}");
        }
        assert_eq!(verify(&bytes, SegmentId(4)), Err(BadRecord::Checksum));
        for zeros in 1..=64 {
            assert_eq!(verify(&vec![0; zeros], SegmentId(3)), Err(BadRecord::Blank), "{zeros}");
        }
        assert_eq!(verify(&[], SegmentId(3)), Err(BadRecord::Short));
        for cut in 0..len {
            assert!(verify(&bytes[..cut], SegmentId(3)).is_err());
        }
    }

    #[test]
    fn segment_header_round_trip_damage_and_newer_version() {
        let header = SegmentHeader {
            id: SegmentId(5),
            store: StoreId([1; 16]),
            hash_key: HashKey([2; 16]),
            first_lsn: Lsn(77),
        };
        let bytes = header.encode();
        assert_eq!(bytes.len(), SEGMENT_HEADER as usize);
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        for i in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[i] ^= 0x10;
            assert_eq!(SegmentHeader::decode(&bad), Err(BadHeader::Damaged), "byte {i}");
        }
        let mut newer = bytes.clone();
        newer[8] = FORMAT_VERSION as u8 + 1;
        let crc = checksum::crc32c(&newer[..60]);
        newer[60..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&newer), Err(BadHeader::Newer(FORMAT_VERSION + 1)));
    }
}
