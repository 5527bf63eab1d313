//! Manifests.

use crate::choose;
use crate::memory::in_proportion;
use jazz_storage_core::format::manifest::Manifest;

/// Where the checksum lies that covers the bytes before it and the body behind it, and where the body's length does.
const CRC_AT: usize = 24;
const LENGTH_AT: usize = 12;

/// The input is a manifest as it is, or with its length and checksum put right.
pub fn check(data: &[u8]) {
    match choose(data, 2) {
        Some((0, bytes)) => decoded(bytes),
        Some((_, bytes)) => decoded(&sealed(bytes)),
        None => {}
    }
}

fn decoded(bytes: &[u8]) {
    let Ok(manifest) = in_proportion(bytes.len(), || Manifest::decode(bytes)) else { return };
    let again = manifest.encode();
    assert_eq!(Manifest::decode(&again).as_ref(), Ok(&manifest));
    // Version 1 said less of a run.
    let longer = if bytes.get(8) == Some(&1) { 4 } else { 1 };
    assert!(again.len() <= longer * bytes.len() + 64, "nothing is read that was not there");
    let _ = manifest.slot();
}

/// The manifest's bytes with the length and checksum that fit.
pub fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(body) = bytes.len().checked_sub(CRC_AT + 4) {
        bytes[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&(body as u32).to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..CRC_AT]), &bytes[CRC_AT + 4..]);
        bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    }
    bytes
}
