//! A full disk: deleting what is not needed gives room back, with nothing to begin with but the reserve.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod workload;

use jazz_storage_core::engine::{Durability, EngineOptions, MaintainedBy};
use jazz_storage_core::file::FaultFileIO;
use jazz_storage_core::format::wire::decode_message;
use jazz_storage_core::store::rows::CoValueId;
use jazz_storage_core::store::{BfTreeStorage, ContentStore, StorageBackend, StoreOptions};
use jazz_storage_core::{ErrorCode, Result};
use workload::{Part, content, try_contents};

type Store = BfTreeStorage<FaultFileIO>;

const RESERVE: u64 = 256 << 10;
const CAPACITY: u64 = 2 << 20;

fn options(background: bool) -> StoreOptions {
    let engine = EngineOptions {
        checkpoint_rows: 400,
        segment_bytes: 128 << 10,
        cache_bytes: 64 << 10,
        buffer_bytes: 256 << 10,
        reserve_bytes: RESERVE,
        background_sync: false,
        maintained_by: if background { MaintainedBy::Thread } else { MaintainedBy::Commits },
        ..EngineOptions::default()
    };
    StoreOptions { durability: Durability::Strict, engine }
}

/// Stores a CoValue of about 3 KB.
fn put(storage: &Store, id: usize, after: u32) -> Result<()> {
    let bytes = content(id, &[Part { session: 1, after, count: 1, size: 3_000 }], false);
    storage.store(&decode_message(&bytes)?).map(|_| ())
}

/// Stores CoValues until there is no room, and gives how many there are.
fn fill(storage: &Store, from: usize) -> usize {
    for id in from.. {
        if let Err(e) = put(storage, id, 0) {
            assert_eq!(e.code(), ErrorCode::DiskFull, "{e}");
            return id;
        }
    }
    unreachable!()
}

#[test]
fn erasing_gives_room_back_when_the_disk_is_full() {
    for background in [false, true] {
        let io = FaultFileIO::new();
        let storage = Store::open(io.clone(), options(background)).unwrap();
        io.set_capacity(Some(CAPACITY));
        let mut stored = fill(&storage, 0);
        assert!(stored > 100, "only {stored} CoValues fit");
        let mut gone = 0;
        for round in 0..4 {
            // The oldest go, so whole packs are not needed any more.
            let end = gone + (stored - gone) / 2;
            for id in gone..end {
                let erased = storage.erase_covalue_but_keep_tombstone(&CoValueId::new(format!("co_z{id}")));
                assert!(erased.unwrap(), "co_z{id}");
            }
            gone = end;
            // Not everything can be put in order without room, but what matters is given back.
            if let Err(e) = storage.compact() {
                assert_eq!(e.code(), ErrorCode::DiskFull, "background {background}, round {round}: {e}");
            }
            let before = try_contents(&storage).unwrap();
            let more = fill(&storage, stored);
            assert!(
                more > stored + 50,
                "background {background}, round {round}: {} fit again",
                more - stored
            );
            stored = more;
            assert_eq!(try_contents(&storage).unwrap()[..before.len()][1..], before[1..]);
        }
        let expected = try_contents(&storage).unwrap();
        drop(storage);
        io.set_capacity(None);
        let storage = Store::open(io, options(false)).unwrap();
        assert_eq!(try_contents(&storage).unwrap(), expected);
        assert_eq!(storage.verify(&mut |_| true).unwrap().damage, []);
    }
}
