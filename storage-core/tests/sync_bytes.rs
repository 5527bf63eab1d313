//! At `relaxed` what was written waits a second for a sync in the background, but no longer when half a segment waits, or
//! 16 MiB.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use jazz_storage_core::engine::EngineOptions;
use jazz_storage_core::file::InMemoryFileIO;
use jazz_storage_core::store::rows::CoValueId;
use jazz_storage_core::store::{BfTreeStorage, StorageBackend, StoreOptions};
use std::time::{Duration, Instant};
use support::subjects::tiny;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// How long little waits, by design.md.
const INTERVAL: Duration = Duration::from_secs(1);
/// On a busy machine any thread may come late, so that only one of so many attempts has to show it.
const ATTEMPTS: usize = 20;

/// How long after the first write the store syncs, given that about so many bytes are written at once.
fn time_to_sync(segment_bytes: u64, bytes: u64) -> Duration {
    let engine = EngineOptions {
        segment_bytes,
        checkpoint_rows: 1_000_000,
        large_bytes: 1 << 20,
        background_sync: true,
        ..tiny()
    };
    let options = StoreOptions { engine, ..StoreOptions::default() };
    let store = BfTreeStorage::<_>::open(InMemoryFileIO::new(), options).unwrap();
    let syncs = || store.stats().unwrap().syncs;
    let before = syncs();
    // A header of a 16th of all.
    let header = vec![b'x'; (bytes / 16) as usize];
    let begun = Instant::now();
    for n in 0..16 {
        store.upsert_covalue(&CoValueId::new(format!("co_z{n}")), Some(&header)).unwrap();
    }
    while syncs() == before {
        assert!(begun.elapsed() < 60 * INTERVAL, "it never syncs");
        std::thread::sleep(INTERVAL / 200);
    }
    begun.elapsed()
}

fn at_once(segment_bytes: u64, bytes: u64) {
    let soon = (0..ATTEMPTS).any(|_| time_to_sync(segment_bytes, bytes) < INTERVAL / 2);
    assert!(soon, "{bytes} bytes wait, of segments of {segment_bytes}");
}

fn later(segment_bytes: u64, bytes: u64) {
    let time = time_to_sync(segment_bytes, bytes);
    assert!(time >= INTERVAL, "{bytes} bytes of segments of {segment_bytes} wait for {time:?}");
}

#[test]
fn half_a_segment_is_synced_at_once() {
    at_once(256 * KIB, 140 * KIB);
    later(256 * KIB, 110 * KIB);
}

#[test]
fn of_a_long_segment_16_mib_are_synced_at_once() {
    at_once(64 * MIB, 17 * MIB);
    later(64 * MIB, 15 * MIB);
}
