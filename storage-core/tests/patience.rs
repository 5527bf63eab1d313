//! What was left to be merged when a store was closed waits while the store is used, but is done in the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use jazz_storage_core::engine::{EngineOptions, MaintainedBy};
use jazz_storage_core::file::InMemoryFileIO;
use jazz_storage_core::store::rows::CoValueId;
use jazz_storage_core::store::{BfTreeStorage, StorageBackend, StoreOptions};
use std::time::{Duration, Instant};
use support::subjects::tiny;

type Store = BfTreeStorage<InMemoryFileIO>;

/// Without calls for so long, merging goes on.
const MOMENT: Duration = Duration::from_millis(100);
/// Nothing here takes so long.
const LONG: Duration = Duration::from_secs(60);

fn open(io: &InMemoryFileIO, engine: EngineOptions) -> Store {
    Store::open(io.clone(), StoreOptions { engine, ..StoreOptions::default() }).unwrap()
}

fn id(n: u32) -> CoValueId {
    CoValueId::new(format!("co_z{n}"))
}

/// A closed store of many layers, as by options under which these are not merged.
fn unmerged() -> InMemoryFileIO {
    let io = InMemoryFileIO::new();
    let store = open(&io, EngineOptions { fanout: 100, max_layers: 100, ..tiny() });
    for n in 0..60 {
        store.upsert_covalue(&id(n), Some(b"{}")).unwrap();
    }
    store.close().unwrap();
    io
}

fn resumed(patience: Duration, max_layers: usize) -> Store {
    let engine = EngineOptions { max_layers, maintained_by: MaintainedBy::Thread, patience, ..tiny() };
    open(&unmerged(), engine)
}

/// How many layers there are at first.
fn layers() -> usize {
    let store = open(&unmerged(), EngineOptions { fanout: 100, max_layers: 100, ..tiny() });
    let layers = store.stats().unwrap().layers as usize;
    assert!(layers > 6, "{layers}");
    layers
}

/// Uses the store for some time. Gives the longest time between two calls.
fn used(store: &Store, time: Duration) -> Duration {
    let begun = Instant::now();
    let (mut last, mut longest) = (begun, Duration::ZERO);
    while begun.elapsed() < time {
        assert!(store.get_covalue(&id(7)).unwrap().is_some());
        let now = Instant::now();
        longest = longest.max(now - last);
        last = now;
    }
    longest
}

fn merges(store: &Store) -> u64 {
    store.stats().unwrap().merges
}

#[test]
fn merging_left_over_waits_for_a_moment_without_use() {
    // With twice as many layers as there should be as well.
    for max_layers in [100, layers().div_ceil(2)] {
        waits_for_a_moment(max_layers);
    }
}

fn waits_for_a_moment(max_layers: usize) {
    for _ in 0..20 {
        let store = resumed(LONG, max_layers);
        let longest = used(&store, 4 * MOMENT);
        let while_used = merges(&store);
        let begun = Instant::now();
        while merges(&store) == 0 {
            assert!(begun.elapsed() < LONG / 2, "it does not go on when the store is not used");
            std::thread::sleep(MOMENT / 10);
        }
        // On a busy machine this thread may have been the one that waited.
        if longest < MOMENT / 2 {
            assert_eq!(while_used, 0, "it did not wait");
            return;
        }
    }
    panic!("the machine is too busy to see anything");
}

#[test]
fn merging_left_over_does_not_wait_without_patience_or_when_it_is_over_or_with_too_many_layers() {
    let too_many = (layers() - 1) / 2;
    for (patience, max_layers) in [(Duration::ZERO, 100), (MOMENT, 100), (LONG, too_many)] {
        let store = resumed(patience, max_layers);
        let begun = Instant::now();
        while merges(&store) == 0 {
            assert!(begun.elapsed() < LONG / 2, "patience of {patience:?}: it waits for ever");
            used(&store, MOMENT / 10);
        }
    }
}
