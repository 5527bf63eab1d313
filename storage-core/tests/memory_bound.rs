//! Stores in memory with a bound (`maxBytes`): they end as on a full disk, and go on when there is room again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod workload;

use jazz_storage_core::api::{Bytes, Durability, NativeStorage, OpenOptions};
use jazz_storage_core::{Error, ErrorCode, Result};
use std::thread;
use std::time::{Duration, Instant};
use workload::{Part, content};

const MIB: u64 = 1 << 20;

fn bounded(max_bytes: u64) -> NativeStorage {
    let options = OpenOptions {
        durability: Some(Durability::Memory),
        max_bytes: Some(max_bytes as f64),
        ..OpenOptions::default()
    };
    NativeStorage::open(options).unwrap()
}

fn put(storage: &NativeStorage, id: usize, size: usize) -> Result<()> {
    let bytes = content(id, &[Part { session: 1, after: 0, count: 1, size }], false);
    storage.store(&bytes).map(|_| ())
}

/// Stores CoValues until there is no room, and gives how many there are.
fn fill(storage: &NativeStorage, from: usize, size: usize, max_bytes: u64) -> usize {
    for id in from.. {
        if let Err(error) = put(storage, id, size) {
            assert_full(&error, max_bytes);
            return id;
        }
    }
    unreachable!()
}

/// Stores a deletion, for which there is room as soon as a merge in the background has given back what it took of the reserve.
fn delete(storage: &NativeStorage, mark: &[u8]) -> Option<Bytes> {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        match storage.store(mark) {
            Err(error) if error.code() == ErrorCode::DiskFull && Instant::now() < patience => {
                thread::sleep(Duration::from_millis(5));
            }
            result => return result.unwrap(),
        }
    }
}

fn assert_full(error: &Error, max_bytes: u64) {
    assert_eq!(error.code(), ErrorCode::DiskFull, "{error}");
    let message = error.to_string();
    for part in [format!("maxBytes {max_bytes}"), "erase CoValues and compact, or raise maxBytes".to_owned()]
    {
        assert!(message.contains(&part), "{message}");
    }
}

fn is_stored(storage: &NativeStorage, id: usize) -> bool {
    storage.load(format!("co_z{id}").as_bytes(), 0.0).unwrap().is_some()
}

#[test]
fn a_full_store_keeps_all_and_has_room_again_after_erasing() {
    for (max_bytes, size) in [(MIB, 3_000), (4 * MIB, 3_000), (8 * MIB, 100_000)] {
        let storage = bounded(max_bytes);
        let mut stored = fill(&storage, 0, size, max_bytes);
        assert!(
            stored * size > max_bytes as usize / 2,
            "only {stored} CoValues of {size} fit into {max_bytes}"
        );
        let mut gone = 0;
        for round in 0..3 {
            let what = format!("{max_bytes} bytes, CoValues of {size}, round {round}");
            assert!((gone..stored).all(|id| is_stored(&storage, id)), "{what}");
            // The oldest go, as Jazz deletes: marked first, and erased later.
            let erased = (stored - gone) / 2;
            for id in gone..gone + erased {
                let mark = content(id, &[Part { session: 9, after: 0, count: 1, size: 10 }], true);
                assert!(delete(&storage, &mark).is_none(), "{what}: co_z{id}");
            }
            for id in gone..gone + erased {
                assert!(storage.erase(format!("co_z{id}").as_bytes()).unwrap(), "{what}: co_z{id}");
            }
            gone += erased;
            // Not everything can be put in order without room, but what matters is given back.
            if let Err(error) = storage.compact() {
                assert_full(&error, max_bytes);
            }
            let more = fill(&storage, stored, size, max_bytes);
            assert!(more - stored > erased / 2, "{what}: {erased} were erased, {} fit again", more - stored);
            stored = more;
        }
    }
}

#[test]
fn what_is_larger_than_the_bound_changes_nothing() {
    let storage = bounded(MIB);
    put(&storage, 0, 1_000).unwrap();
    assert_full(&put(&storage, 1, 2 * MIB as usize).unwrap_err(), MIB);
    put(&storage, 2, 1_000).unwrap();
    assert_eq!([0, 1, 2].map(|id| is_stored(&storage, id)), [true, false, true]);
    assert_eq!(storage.stats().unwrap().write_failure, None);
}

#[test]
fn a_bound_is_for_a_store_in_memory_and_in_range() {
    let directory = std::env::temp_dir().join("jazz-storage-never").display().to_string();
    let in_files = || OpenOptions { path: Some(directory.clone()), ..OpenOptions::default() };
    let in_memory = || OpenOptions { durability: Some(Durability::Memory), ..OpenOptions::default() };
    for (options, max_bytes, saying) in [
        (in_files(), MIB as f64, "in memory"),
        (in_memory(), MIB as f64 - 1.0, "between"),
        (in_memory(), (64u64 << 30) as f64 + 1.0, "between"),
        (in_memory(), 2_000_000.5, "whole number"),
        (in_memory(), f64::NAN, "whole number"),
        (in_memory(), f64::INFINITY, "whole number"),
        (in_memory(), -1.0, "between"),
    ] {
        let refused = NativeStorage::open(OpenOptions { max_bytes: Some(max_bytes), ..options });
        let error = refused.err().unwrap();
        assert!(matches!(&error, Error::InvalidOption { option: "maxBytes", .. }), "{max_bytes}: {error}");
        assert!(error.to_string().contains(saying), "{max_bytes}: {error}");
    }
    assert!(!std::path::Path::new(&directory).exists());
}
