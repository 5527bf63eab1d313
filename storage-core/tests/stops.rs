//! Calls come to an end, whatever stands in their way: each of these went on for ever once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use jazz_storage_core::engine::{EngineOptions, MaintainedBy};
use jazz_storage_core::error::ErrorCode;
use jazz_storage_core::file::{Failure, FaultFileIO};
use jazz_storage_core::store::rows::{CoValueId, PeerId, SyncStateUpdate};
use jazz_storage_core::store::{BfTreeStorage, StorageBackend, StoreOptions};
use std::time::Duration;
use support::ends;
use support::subjects::tiny;

type Store = BfTreeStorage<FaultFileIO>;

fn open(io: &FaultFileIO, engine: EngineOptions) -> Store {
    Store::open(io.clone(), StoreOptions { engine, ..StoreOptions::default() }).unwrap()
}

fn create(store: &Store, n: u32) -> jazz_storage_core::Result<()> {
    store.upsert_covalue(&CoValueId::new(format!("co_z{n}")), Some(b"{}")).map(|_| ())
}

/// Each segment begins with a snapshot of the small state. It alone is no reason to begin the next one.
#[test]
fn settling_ends_if_the_small_state_is_longer_than_a_segment() {
    let io = FaultFileIO::new();
    let store = open(&io, EngineOptions { checkpoint_rows: 1_000, segment_bytes: 256, ..tiny() });
    let peers = (0..40).map(|n| SyncStateUpdate {
        id: "co_zA".into(),
        peer: PeerId::new(format!("peer{n}")),
        synced: false,
    });
    store.track_sync_state(&peers.collect::<Vec<_>>()).unwrap();
    let store = ends("settle", move || store.settle().map(|()| store)).unwrap();
    let before = store.stats().unwrap().checkpoints;
    for n in 0..40 {
        create(&store, n).unwrap();
    }
    let store = ends("settle", move || store.settle().map(|()| store)).unwrap();
    let checkpoints = store.stats().unwrap().checkpoints - before;
    assert!((5..40).contains(&checkpoints), "{checkpoints} checkpoints of about 60 bytes a message");
}

/// The delta stays full then, so a writer must not wait for room in it.
#[test]
fn a_store_that_could_not_be_written_out_when_it_was_closed_refuses_writes() {
    let io = FaultFileIO::new();
    let store = open(&io, tiny());
    let mut n = 0;
    while store.stats().unwrap().delta_rows < 2 * tiny().checkpoint_rows {
        // There is room for the record, but not for what maintenance does after it.
        io.fail_from(1, Failure::DiskFull);
        create(&store, n).unwrap();
        n += 1;
    }
    io.heal();
    io.set_capacity(Some(io.stats().bytes));
    assert_eq!(create(&store, n).unwrap_err().code(), ErrorCode::DiskFull);
    assert_eq!(store.close().unwrap_err().code(), ErrorCode::DiskFull);
    let refused = ends("a store after close", move || create(&store, n).unwrap_err());
    assert!(refused.to_string().contains("closed"), "{refused}");
}

/// What closes or latches the store meanwhile ends a compaction as well.
#[test]
fn compacting_ends_when_the_store_is_closed_or_fails_meanwhile() {
    for round in 0..60u64 {
        let io = FaultFileIO::new();
        let store = open(&io, EngineOptions { maintained_by: MaintainedBy::Thread, fanout: 2, ..tiny() });
        for n in 0..30 {
            create(&store, n).unwrap();
        }
        if round % 2 == 0 {
            io.fail_from(round / 2, Failure::Device);
        }
        ends("compact, or close", move || {
            std::thread::scope(|scope| {
                scope.spawn(|| store.compact());
                scope.spawn(|| store.compact());
                scope.spawn(|| {
                    std::thread::sleep(Duration::from_micros(20 * round));
                    store.close()
                });
            });
        });
    }
}
