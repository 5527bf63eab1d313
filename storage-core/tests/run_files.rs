//! Runs whose parts have their checksums but do not fit each other: written by a bug or by hand, found by fuzzing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jazz_storage_core::engine::cache::ReadCache;
use jazz_storage_core::engine::delta::Rows;
use jazz_storage_core::engine::run::{RunFile, RunWriter};
use jazz_storage_core::error::ErrorCode;
use jazz_storage_core::file::{FileHandle, FileIO, InMemoryFileIO, OpenMode};
use jazz_storage_core::format::row::{Group, Key, VALUE_LEN};
use jazz_storage_core::format::run::{FOOTER_LEN, Footer, decode_block_index, encode_block_index};
use jazz_storage_core::format::{Lsn, Ordinal, RunId, StoreId};

const RUN: RunId = RunId(3);
const STORE: StoreId = StoreId([9; 16]);

/// A directory with a run of several blocks and order pages, and its length.
fn written() -> (InMemoryFileIO, u64) {
    let io = InMemoryFileIO::new();
    io.create_dir().unwrap();
    let groups: Vec<Group> = (0..300u16).map(|n| Group(u128::from(n).to_be_bytes())).collect();
    let mut writer = RunWriter::create(&io, RUN, STORE, Lsn(7)).unwrap();
    for group in &groups {
        writer.push(&Key::first(*group), &[7; VALUE_LEN]).unwrap();
    }
    let len = {
        let order = (Ordinal(0), groups.len() as u64);
        let list = &mut |skip: u64, limit: u64| {
            Ok(groups.iter().skip(skip as usize).take(limit as usize).copied().collect())
        };
        writer.finish(order, list).unwrap()
    };
    (io, len)
}

#[test]
fn heads_are_read_past_what_long_sessions_spill_over_many_blocks() {
    let io = InMemoryFileIO::new();
    io.create_dir().unwrap();
    let group = |n: u8| Group([n; 16]);
    let mut writer = RunWriter::create(&io, RUN, STORE, Lsn(7)).unwrap();
    let (mut heads, mut all) = (Vec::new(), 0);
    for n in 1..=3 {
        // A session without spills, those with one, two and very many, and one in the last slot there is.
        for (slot, spills) in [(0, 0), (1, 0), (7, 1), (8, 2), (9, 3_000), (u32::MAX, 900)] {
            for index in 0..=spills {
                let key = Key::new(group(n), slot, index * 5);
                writer.push(&key, &[n; VALUE_LEN]).unwrap();
                all += 1;
                if index < 2 {
                    heads.push(key);
                }
            }
        }
    }
    let len = writer.finish((Ordinal(0), 0), &mut |_, _| Ok(Vec::new())).unwrap();
    let run = RunFile::open(&io, RUN, len, STORE).unwrap();
    let cache = ReadCache::new(1 << 20);
    let read = |wanted| {
        let mut rows = Vec::new();
        (1..=3).for_each(|n| run.group(group(n), wanted, &cache, &mut rows).unwrap());
        rows.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!((read(Rows::All).len(), read(Rows::Heads)), (all, heads));
}

fn read(io: &InMemoryFileIO, from: u64, to: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
    let file = io.open(&RUN.file_name(), OpenMode::Read).unwrap();
    assert_eq!(file.read_at(&mut bytes, from).unwrap(), bytes.len());
    bytes
}

fn write(io: &InMemoryFileIO, bytes: &[u8], at: u64) {
    io.open(&RUN.file_name(), OpenMode::ReadWrite).unwrap().write_at(bytes, at).unwrap();
}

fn footer(io: &InMemoryFileIO, len: u64) -> (u64, Footer) {
    let at = len - FOOTER_LEN as u64;
    (at, Footer::decode(&read(io, at, len)).unwrap())
}

fn is_corrupt(io: &InMemoryFileIO, len: u64) -> bool {
    matches!(RunFile::open(io, RUN, len, STORE), Err(error) if error.code() == ErrorCode::Corrupt)
}

#[test]
fn a_block_index_that_does_not_fit_the_blocks_is_damage() {
    let (io, len) = written();
    let (_, footer) = footer(&io, len);
    let index = read(&io, footer.index_offset, footer.filter_offset);
    let blocks = decode_block_index(&index).unwrap();
    assert!(blocks.len() > 2 && RunFile::open(&io, RUN, len, STORE).is_ok());
    // The longest length there is would be four gigabytes of memory at the first read.
    for (n, len_told, offset_told) in
        [(1, u32::MAX, 0), (0, 0, 0), (1, blocks[1].len, 1), (2, blocks[2].len, 1 << 63)]
    {
        let mut blocks = blocks.clone();
        (blocks[n].len, blocks[n].offset) = (len_told, blocks[n].offset.wrapping_add(offset_told));
        write(&io, &encode_block_index(&blocks), footer.index_offset);
        assert!(is_corrupt(&io, len), "block {n}: {len_told} bytes, {offset_told} later");
    }
    write(&io, &index, footer.index_offset);
    assert!(RunFile::open(&io, RUN, len, STORE).is_ok());
}

#[test]
fn a_footer_that_tells_of_more_order_entries_than_there_are_is_damage() {
    let (io, len) = written();
    let (at, footer) = footer(&io, len);
    assert_eq!(footer.order_count, 300);
    for order_count in [0, 299, 301, u64::MAX / 2, u64::MAX] {
        write(&io, &Footer { order_count, ..footer }.encode(), at);
        assert!(is_corrupt(&io, len), "{order_count} entries");
    }
}
