//! Records, segment headers, entries and the transactions in them.

use crate::memory::in_proportion;
use crate::{choose, tx};
use jazz_storage_core::format::entry::{Entry, entries, entries_with_offsets, entry_at};
use jazz_storage_core::format::record::{self, RecordHeader, RecordKind, SEGMENT_HEADER, SegmentHeader};
use jazz_storage_core::format::{Lsn, SegmentId};

/// The segment that records here are made for.
pub const SEGMENT: SegmentId = SegmentId(7);

/// The whole input is a record, a body without a frame, a segment's header without a checksum, or a piece.
pub fn check(data: &[u8]) {
    match choose(data, 4) {
        Some((0, bytes)) => as_record(bytes),
        Some((1, bytes)) => as_body(bytes),
        Some((2, bytes)) => as_header(bytes),
        Some((3, bytes)) => {
            if let Some((count, piece)) = bytes.split_first_chunk() {
                tx::check(piece, u32::from_le_bytes(*count));
            }
        }
        _ => {}
    }
}

fn as_record(bytes: &[u8]) {
    let header = RecordHeader::decode(bytes);
    let verified = in_proportion(bytes.len(), || record::verify(bytes, SEGMENT));
    if let Ok((of_record, body)) = verified {
        assert_eq!(header, Ok(of_record));
        assert_eq!(body.len(), of_record.body_len as usize);
        as_body(body);
    }
}

fn as_body(body: &[u8]) {
    let mut bytes = Vec::new();
    record::start(&mut bytes);
    bytes.extend_from_slice(body);
    let len =
        record::finish(&mut bytes, SEGMENT, Lsn(3), 64, RecordKind::Commit).expect("it is small enough");
    let (header, framed) = record::verify(&bytes, SEGMENT).expect("it was just made");
    assert_eq!((header.record_len(), framed), (len, body));

    let read: Vec<_> = in_proportion(body.len(), || entries_with_offsets(body).collect());
    let good = read.iter().take_while(|entry| entry.is_ok()).count();
    assert!(read.len() <= good + 1, "nothing is read behind what is no entry");
    for (offset, entry) in read.iter().flatten() {
        let mut again = Vec::new();
        entry.encode(&mut again);
        // Bytes are compared, as a NaN is not equal to itself; twice, as flags that nobody knows are not written again.
        let reread = entries(&again).next().expect("an entry was written").expect("as one that can be read");
        let mut twice = Vec::new();
        reread.encode(&mut twice);
        assert_eq!(again, twice);
        let mut found = Vec::new();
        entry_at(body, *offset).expect("an entry is found by its offset").encode(&mut found);
        assert_eq!(again, found);
        if let Entry::Append(append) = entry {
            tx::check(append.txs, append.count);
        }
    }
}

fn as_header(bytes: &[u8]) {
    let _ = SegmentHeader::decode(bytes);
    let Some(header) = bytes.get(..SEGMENT_HEADER as usize) else { return };
    if let Ok(decoded) = SegmentHeader::decode(&sealed_header(header)) {
        assert_eq!(SegmentHeader::decode(&decoded.encode()), Ok(decoded));
    }
}

/// A segment's header with the right checksum.
pub fn sealed_header(bytes: &[u8]) -> Vec<u8> {
    let mut header = bytes.to_vec();
    let (checked, crc) = header.split_last_chunk_mut().expect("a header is longer than its checksum");
    *crc = crc32c::crc32c(checked).to_le_bytes();
    header
}
