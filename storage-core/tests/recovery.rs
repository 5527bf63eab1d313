//! Recovery: what a store holds after its process died at any moment, and what it says of damaged files.
//!
//! A crash is a copy of the files at that moment, opened as a new store. Bytes are then cut, zeroed or flipped in the
//! copies.

#![allow(clippy::unwrap_used, clippy::panic)]

mod workload;

use jazz_storage_core::engine::{Durability, EngineOptions};
use jazz_storage_core::engine::{
    MaintainedBy,
    delta::{BTreeDelta, BfTreeDelta, Delta},
};
use jazz_storage_core::file::{FileIO, InMemoryFileIO};
use jazz_storage_core::format::record::{RecordHeader, SEGMENT_HEADER};
use jazz_storage_core::store::rows::CoValueId;
use jazz_storage_core::store::{BfTreeStorage, ContentStore, ModelStorage, StorageBackend, StoreOptions};
use jazz_storage_core::{Error, Result};
use workload::{assert_same, contents, copy, message, read_file, step, store, write_file};

type Store<D = BfTreeDelta> = BfTreeStorage<InMemoryFileIO, D>;

fn options(checkpoint_rows: u64, fanout: usize) -> StoreOptions {
    let engine = EngineOptions {
        checkpoint_rows,
        fanout,
        reserve_bytes: 0,
        background_sync: false,
        maintained_by: MaintainedBy::Commits,
        ..EngineOptions::default()
    };
    StoreOptions { durability: Durability::Relaxed, engine }
}

fn open(io: &InMemoryFileIO) -> Result<Store> {
    Store::open(io.clone(), options(1_000_000, 8))
}

#[test]
fn a_crash_after_any_step_loses_nothing_and_the_store_goes_on() {
    fn run<D: Delta>(options: &StoreOptions) {
        let (io, model) = (InMemoryFileIO::new(), ModelStorage::new());
        let storage = Store::<D>::open(io.clone(), options.clone()).unwrap();
        for n in 0..220 {
            step(&storage, n).unwrap();
            step(&model, n).unwrap();
            let crashed = copy(&io);
            let reopened = Store::<D>::open(crashed.clone(), options.clone()).unwrap();
            assert_same(&contents(&reopened), &contents(&model), &format!("after step {n}"));
            if n % 20 == 0 {
                let further = model.clone();
                for n in n + 1..n + 15 {
                    step(&reopened, n).unwrap();
                    step(&further, n).unwrap();
                }
                drop(reopened);
                let again = Store::<D>::open(crashed, options.clone()).unwrap();
                assert_same(&contents(&again), &contents(&further), &format!("going on after step {n}"));
            }
        }
    }
    for (rows, runs) in [(1_000_000, 8), (12, 100), (12, 2)] {
        run::<BfTreeDelta>(&options(rows, runs));
        run::<BTreeDelta>(&options(rows, runs));
    }
}

#[test]
fn zeros_written_ahead_of_the_log_are_its_end() {
    let mut prepared = options(1_000_000, 8);
    prepared.durability = Durability::Strict;
    prepared.engine.prepare_bytes = 1 << 16;
    let (io, model, name) = (InMemoryFileIO::new(), ModelStorage::new(), "segment-00000001.log");
    let storage = Store::<BfTreeDelta>::open(io.clone(), prepared.clone()).unwrap();
    let mut lengths = Vec::new();
    for n in 0..40 {
        step(&storage, n).unwrap();
        step(&model, n).unwrap();
        lengths.push(read_file(&io, name).len());
        let crashed = copy(&io);
        let reopened = Store::<BfTreeDelta>::open(crashed.clone(), prepared.clone()).unwrap();
        assert_eq!(reopened.stats().unwrap().discarded, 0, "after step {n}");
        assert_same(&contents(&reopened), &contents(&model), &format!("after step {n}"));
        let verified = reopened.verify(&mut |_| true).unwrap();
        assert!(verified.damage.is_empty(), "after step {n}");
    }
    lengths.dedup();
    assert!(lengths.len() <= 3, "a commit makes the file longer: {lengths:?}");
    // In the next segment as well, and this one is sealed with its zeros.
    storage.checkpoint().unwrap();
    step(&storage, 40).unwrap();
    step(&model, 40).unwrap();
    assert_same(&contents(&open(&copy(&io)).unwrap()), &contents(&model), "after a checkpoint");
}

#[test]
fn any_number_of_zeros_ends_a_segment_also_one_that_was_sealed() {
    let (io, name, next) = (InMemoryFileIO::new(), "segment-00000001.log", "segment-00000002.log");
    let storage = open(&io).unwrap();
    for n in 0..20 {
        step(&storage, n).unwrap();
    }
    let (expected, active) = (contents(&storage), copy(&io));
    storage.checkpoint().unwrap();
    // The process dies after the log went on in the next segment, and before a manifest said so.
    let sealed = copy(&active);
    write_file(&sealed, next, &read_file(&io, next));
    for (crashed, what) in [(active, "active"), (sealed, "sealed")] {
        let records = read_file(&crashed, name);
        for zeros in 0..=100 {
            let (context, left) = (format!("{what}, {zeros} zeros"), copy(&crashed));
            write_file(&left, name, &[&records[..], &vec![0; zeros]].concat());
            let repaired = Store::<BfTreeDelta>::repair(copy(&left), options(1_000_000, 8), &mut |_| true);
            assert!(repaired.unwrap().damage.is_empty(), "{context}");
            let reopened = open(&left).unwrap_or_else(|e| panic!("{context}: {e}"));
            assert_eq!(reopened.stats().unwrap().discarded, 0, "{context}");
            assert_same(&contents(&reopened), &expected, &context);
            assert!(reopened.verify(&mut |_| true).unwrap().damage.is_empty(), "{context}");
        }
    }
}

#[test]
fn a_write_torn_anywhere_is_as_if_it_had_not_begun() {
    let io = InMemoryFileIO::new();
    let storage = open(&io).unwrap();
    store(&storage, &message(1, 1, 0, 2));
    let (before, name) = (contents(&storage), "segment-00000001.log");
    let end = read_file(&io, name).len();
    store(&storage, &message(1, 1, 2, 3));
    let whole = read_file(&io, name);
    let cases = (end..whole.len()).flat_map(|cut| {
        let (mut zeroed, mut garbage) = (whole.clone(), whole.clone());
        zeroed[cut..].fill(0);
        garbage[cut..].fill(0xa5);
        [whole[..cut].to_vec(), zeroed, garbage]
    });
    let intact = contents(&storage);
    for (n, bytes) in cases.enumerate() {
        let copy = copy(&io);
        write_file(&copy, name, &bytes);
        let reopened = open(&copy).unwrap();
        let got = contents(&reopened);
        // Padding after the record may be torn without harm.
        let only_padding =
            bytes.len() >= whole.len() && record_end(&whole, end) <= first_difference(&bytes, &whole);
        let only_padding =
            only_padding || (bytes.len() < whole.len() && bytes.len() >= record_end(&whole, end));
        assert_eq!(got, if only_padding { intact.clone() } else { before.clone() }, "case {n}");
        if !only_padding {
            store(&reopened, &message(1, 1, 2, 1));
            store(&reopened, &message(2, 1, 0, 1));
            let expected = contents(&reopened);
            drop(reopened);
            assert_eq!(contents(&open(&copy).unwrap()), expected, "case {n}, going on");
        }
    }
}

fn record_end(bytes: &[u8], at: usize) -> usize {
    at + RecordHeader::decode(&bytes[at..]).unwrap().record_len() as usize
}

fn first_difference(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(a.len())
}

fn corrupt(result: Result<impl Sized>) -> (String, u64) {
    match result.err() {
        Some(Error::Corrupt { path, offset, .. }) => {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), offset)
        }
        other => panic!("expected damage to be reported, got {other:?}"),
    }
}

#[test]
fn damage_before_a_place_known_to_be_durable_is_reported_not_cut_away() {
    let io = InMemoryFileIO::new();
    let storage = open(&io).unwrap();
    let name = "segment-00000001.log";
    store(&storage, &message(1, 1, 0, 2));
    let second = read_file(&io, name).len();
    store(&storage, &message(1, 1, 2, 1));
    storage.flush().unwrap();
    store(&storage, &message(1, 1, 3, 1));
    let bytes = read_file(&io, name);
    for offset in SEGMENT_HEADER as usize..record_end(&bytes, second) {
        let copy = copy(&io);
        let mut bad = bytes.clone();
        bad[offset] ^= 0x20;
        write_file(&copy, name, &bad);
        let first_end = record_end(&bytes, SEGMENT_HEADER as usize);
        if (first_end..second).contains(&offset) {
            open(&copy).unwrap();
            continue;
        }
        let at = if offset < second { SEGMENT_HEADER as usize } else { second };
        assert_eq!(corrupt(open(&copy)), (name.to_owned(), at as u64), "byte {offset}");
        assert_eq!(read_file(&copy, name), bad, "a damaged file is left as it is");
    }
}

/// A store with two runs, one of them owning two segments' worth of records, and an active segment with records.
fn with_runs() -> (InMemoryFileIO, Store, Vec<String>) {
    let io = InMemoryFileIO::new();
    let storage = open(&io).unwrap();
    for n in 0..60 {
        step(&storage, n).unwrap();
        if n == 20 || n == 40 {
            storage.checkpoint().unwrap();
        }
    }
    let expected = contents(&storage);
    (io, storage, expected)
}

#[test]
fn the_older_manifest_slot_serves_if_the_newer_one_is_lost_or_damaged() {
    let (io, _storage, expected) = with_runs();
    for newest in ["MANIFEST-0", "MANIFEST-1"] {
        let whole = read_file(&io, newest);
        for cut in 0..whole.len() {
            let copy = copy(&io);
            write_file(&copy, newest, &whole[..cut]);
            assert_same(&contents(&open(&copy).unwrap()), &expected, &format!("{newest} cut at {cut}"));
        }
        let copy = copy(&io);
        copy.remove(newest).unwrap();
        assert_same(&contents(&open(&copy).unwrap()), &expected, &format!("{newest} removed"));
    }
    let copy = copy(&io);
    copy.remove("MANIFEST-0").unwrap();
    copy.remove("MANIFEST-1").unwrap();
    assert_eq!(corrupt(open(&copy)).0, "MANIFEST-0");
    write_file(&copy, "MANIFEST-1", b"not a manifest");
    assert_eq!(corrupt(open(&copy)).0, "MANIFEST-1");
}

#[test]
fn any_flipped_byte_is_reported_or_harmless_and_never_gives_wrong_data() {
    let (io, storage, expected) = with_runs();
    drop(storage);
    let names: Vec<_> = io.list().unwrap().into_iter().filter(|n| n != "LOCK" && n != "OWNER").collect();
    assert!(names.iter().filter(|n| n.starts_with("run-")).count() >= 3);
    let (mut reported, mut harmless) = (0, 0);
    for name in names {
        let whole = read_file(&io, &name);
        // Every byte of small files, a spread of those of large ones.
        for at in (0..whole.len()).step_by((whole.len() / 600).max(1)) {
            let copy = copy(&io);
            let mut bad = whole.clone();
            bad[at] ^= 1 << (at % 8);
            write_file(&copy, &name, &bad);
            let got = open(&copy).and_then(|storage| {
                let ids = storage.covalue_ids(u32::MAX, 0)?;
                for id in &ids {
                    storage.load(id.as_bytes(), u64::MAX)?;
                }
                Ok(storage)
            });
            match got {
                Ok(storage) => {
                    assert_same(&contents(&storage), &expected, &format!("{name} byte {at}"));
                    harmless += 1;
                }
                Err(e) => {
                    assert!(matches!(e, Error::Corrupt { .. }), "{name} byte {at}: {e}");
                    reported += 1;
                }
            }
        }
    }
    assert!(reported > 500 && harmless > 0, "{reported} reported, {harmless} harmless");
}

#[test]
fn a_checkpoint_packs_what_is_stored_and_lets_the_segment_and_erased_data_go() {
    let io = InMemoryFileIO::new();
    let storage = open(&io).unwrap();
    // Two CoValues in turns, so that neither lies in one piece in the log; then one of them is erased.
    for n in 0..50 {
        store(&storage, &message(1, 1, n, 1));
        store(&storage, &message(2, 1, n, 1));
    }
    storage.erase_covalue_but_keep_tombstone(&CoValueId::from("co_z2")).unwrap();
    let expected = contents(&storage);
    storage.checkpoint().unwrap();
    assert_same(&contents(&storage), &expected, "after the checkpoint");
    let files = |prefix: &str| -> Vec<String> {
        io.list().unwrap().into_iter().filter(|name| name.starts_with(prefix)).collect()
    };
    assert_eq!(files("segment-"), ["segment-00000002.log"]);
    assert_eq!(files("pack-"), ["pack-80000000.dat"]);
    let pack = read_file(&io, "pack-80000000.dat");
    let find = |needle: &[u8]| pack.windows(needle.len()).filter(|window| *window == needle).count();
    assert_eq!(find(b"[\"1 1 49\"]"), 1);
    assert_eq!(find(b"[\"2 1 49\"]"), 0, "erased data is not written again");
    // Chunk signatures stay, about one for each 100 units of changes, and the last one; the others go.
    let kept = find(b"signature_z1/1/");
    assert!((2..15).contains(&kept), "{kept} signatures for 50 messages");
    drop(storage);
    assert_same(&contents(&open(&io).unwrap()), &expected, "after reopening");
}

#[test]
fn missing_files_are_reported() {
    let (io, storage, _) = with_runs();
    drop(storage);
    for name in io.list().unwrap() {
        if !name.starts_with("run-") && !name.starts_with("segment-") {
            continue;
        }
        let copy = copy(&io);
        copy.remove(&name).unwrap();
        let got = open(&copy).and_then(|storage| {
            let ids = storage.covalue_ids(u32::MAX, 0)?;
            ids.iter().try_for_each(|id| storage.load(id.as_bytes(), u64::MAX).map(|_| ()))
        });
        assert!(got.is_err(), "{name} is missing and nobody noticed");
    }
}

#[test]
fn a_later_format_version_is_refused_with_both_versions() {
    let (io, storage, _) = with_runs();
    drop(storage);
    for slot in ["MANIFEST-0", "MANIFEST-1"] {
        let copy = copy(&io);
        let mut bytes = read_file(&copy, slot);
        bytes[8..12].copy_from_slice(&7u32.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..24]), &bytes[28..]);
        bytes[24..28].copy_from_slice(&crc.to_le_bytes());
        write_file(&copy, slot, &bytes);
        match open(&copy).err() {
            Some(Error::NewerFormat { found: 7, supported: 2, path }) => assert!(path.ends_with(slot)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_interrupted_creation_is_begun_anew() {
    let io = InMemoryFileIO::new();
    drop(open(&io).unwrap());
    let whole = read_file(&io, "MANIFEST-1");
    for cut in [0, 1, 28, whole.len() - 1] {
        let copy = copy(&io);
        write_file(&copy, "MANIFEST-1", &whole[..cut]);
        let storage = open(&copy).unwrap();
        store(&storage, &message(1, 1, 0, 1));
        drop(storage);
        assert_eq!(open(&copy).unwrap().covalue_count().unwrap(), 1);
    }
}

#[test]
fn a_second_opening_is_refused_while_the_first_lives() {
    let io = InMemoryFileIO::new();
    let storage = open(&io).unwrap();
    assert!(matches!(open(&io).err(), Some(Error::Locked { .. })));
    drop(storage);
    open(&io).unwrap();
}
