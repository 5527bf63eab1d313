//! Runs: the parts by themselves, and whole files as the engine opens and reads them.

use crate::choose;
use crate::memory::in_proportion;
use jazz_storage_core::engine::cache::ReadCache;
use jazz_storage_core::engine::delta::Rows;
use jazz_storage_core::engine::run::RunFile;
use jazz_storage_core::file::{FileHandle, FileIO, InMemoryFileIO, OpenMode};
use jazz_storage_core::format::FORMAT_VERSION;
use jazz_storage_core::format::row::{Group, KEY_LEN, Key};
use jazz_storage_core::format::run::{
    Block, FOOTER_LEN, Filter, Footer, decode_block_index, decode_order_page, encode_block_index,
    encode_order_page, order_page_span, seal,
};
use jazz_storage_core::format::{RunId, StoreId};
use std::sync::Arc;

/// The run and the store that files here are made for.
pub const RUN: RunId = RunId(5);
/// See [`RUN`].
pub const STORE: StoreId = StoreId([6; 16]);

/// The input is a part without its checksum, or a file as it is or with all checksums put right.
pub fn check(data: &[u8]) {
    match choose(data, 6) {
        Some((0, bytes)) => as_block(&sealed(bytes)),
        Some((1, bytes)) => {
            if let Some(blocks) = in_proportion(bytes.len(), || decode_block_index(&sealed(bytes))) {
                assert_eq!(encode_block_index(&blocks), sealed(bytes));
            }
        }
        Some((2, bytes)) => {
            if let Some(groups) = in_proportion(bytes.len(), || decode_order_page(&sealed(bytes))) {
                assert_eq!(encode_order_page(&groups), sealed(bytes));
            }
        }
        Some((3, bytes)) => {
            if let Some(filter) = in_proportion(bytes.len(), || Filter::decode(&sealed(bytes))) {
                bytes.chunks_exact(16).for_each(|group| _ = filter.may_contain(group_of(group)));
                assert_eq!(filter.encode(), sealed(bytes));
            }
        }
        Some((4, bytes)) => as_file(bytes),
        Some((_, bytes)) => {
            let mut bytes = bytes.to_vec();
            seal_file(&mut bytes);
            as_file(&bytes);
        }
        None => {}
    }
}

fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    seal(&mut bytes);
    bytes
}

fn group_of(bytes: &[u8]) -> Group {
    Group(bytes.first_chunk().copied().unwrap_or_default())
}

fn as_block(bytes: &[u8]) {
    let Some(block) = Block::verify(bytes) else { return };
    let told = bytes.first_chunk().map_or(0, |count| usize::from(u16::from_le_bytes(*count)));
    let keys = bytes.windows(KEY_LEN).step_by(11).filter_map(|key| key.first_chunk()).map(|key| Key(*key));
    for key in [Key([0; KEY_LEN]), Key([0xff; KEY_LEN])].into_iter().chain(keys) {
        for end in [None, Some(&key), Some(&Key([0xff; KEY_LEN]))] {
            let rows = block.rows_from(&key, end).count();
            assert!(rows <= told, "{rows} rows of a block that says it has {told}");
        }
    }
}

/// Puts right what the fuzzer would hardly find: the footer's frame, and the checksum of each part, wherever the footer
/// and the block index say that it lies.
pub fn seal_file(bytes: &mut [u8]) {
    let Some(footer_at) = bytes.len().checked_sub(FOOTER_LEN) else { return };
    let field = |bytes: &[u8], n: usize| {
        let at = footer_at + 32 + 8 * n;
        u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
    };
    let head = [&b"JAZZRUN\0"[..], &FORMAT_VERSION.to_le_bytes(), &RUN.0.to_le_bytes(), &STORE.0].concat();
    bytes[footer_at..footer_at + head.len()].copy_from_slice(&head);
    let at = footer_at + 32 + 8 * 7;
    bytes[at..at + 8].copy_from_slice(&(footer_at as u64).to_le_bytes());

    let [order, count, index, filter] = [2, 3, 5, 6].map(|n| field(bytes, n));
    let pages = count.div_ceil(255).min(1 + bytes.len() as u64 / 20);
    for page in 0..pages {
        let (at, len) = order_page_span(page, count);
        seal_at(bytes, order.saturating_add(at), len);
    }
    let entries = part(bytes, index, filter.saturating_sub(index)).unwrap_or_default().to_vec();
    for entry in entries.chunks_exact(KEY_LEN + 12) {
        let at = u64::from_le_bytes(entry[KEY_LEN..KEY_LEN + 8].try_into().expect("8 bytes"));
        let len = u32::from_le_bytes(entry[KEY_LEN + 8..].try_into().expect("4 bytes"));
        seal_at(bytes, at, len.into());
    }
    seal_at(bytes, index, filter.saturating_sub(index));
    seal_at(bytes, filter, (footer_at as u64).saturating_sub(filter));
    seal_at(bytes, footer_at as u64, FOOTER_LEN as u64);
}

fn part(bytes: &mut [u8], at: u64, len: u64) -> Option<&mut [u8]> {
    let (at, end) = (usize::try_from(at).ok()?, usize::try_from(at.checked_add(len)?).ok()?);
    bytes.get_mut(at..end)
}

fn seal_at(bytes: &mut [u8], at: u64, len: u64) {
    if let Some((body, crc)) = part(bytes, at, len).and_then(|part| part.split_last_chunk_mut()) {
        *crc = crc32c::crc32c(body).to_le_bytes();
    }
}

fn as_file(bytes: &[u8]) {
    let footer = bytes.len().checked_sub(FOOTER_LEN).and_then(|at| Footer::decode(&bytes[at..]));
    if let Some(footer) = footer {
        assert_eq!(Footer::decode(&footer.encode()), Some(footer));
    }
    let io = InMemoryFileIO::new();
    io.create_dir().expect("a directory in memory");
    let file = io.open(&RUN.file_name(), OpenMode::CreateNew).expect("a file in memory");
    file.write_at(bytes, 0).expect("room for the file");
    let len = bytes.len();
    let opened = in_proportion(len, || RunFile::open(&io, RUN, len as u64, STORE));
    let Ok(run) = opened.map(Arc::new) else { return };
    assert!(footer.is_some(), "a run without a footer was opened");

    let cache = ReadCache::new(64 << 10);
    // Opening made room for the cache itself.
    in_proportion(len + (64 << 10), || {
        let mut scan = run.scan(Group([0; 16]));
        let (mut rows, mut groups) = (Vec::new(), Vec::new());
        // Any number of entries of the block index may name the same block.
        while let Ok(Some((key, _))) = scan.advance() {
            if rows.len() == 64 {
                break;
            }
            rows.push(key);
        }
        for key in rows.iter().chain(&[Key([0; KEY_LEN]), Key([0xff; KEY_LEN])]) {
            let _ = run.get(key, &cache);
            if !groups.contains(&key.group()) && groups.len() < 8 {
                groups.push(key.group());
            }
        }
        for group in groups {
            let mut out = Vec::new();
            let _ = run.group(group, Rows::All, &cache, &mut out);
            let _ = run.group(group, Rows::Heads, &cache, &mut out);
            assert!(out.iter().all(|(key, _)| key.group() == group));
        }
        let (_, count) = run.order();
        for (skip, limit) in
            [(0, u64::MAX), (1, 3), (count / 2, 300), (count.saturating_sub(1), 2), (count, 1)]
        {
            let mut out = Vec::new();
            if run.created(skip, limit, &mut out).is_ok() {
                assert_eq!(out.len() as u64, count.saturating_sub(skip).min(limit));
            }
        }
        let _ = (run.rows(), run.file_len(), run.resident_bytes());
    });
}
