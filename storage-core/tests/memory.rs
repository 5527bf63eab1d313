//! Memory is bounded by the options, not by what is stored: each byte that is allocated is counted.
//!
//! One test in a binary of its own, as an allocator is the whole process's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jazz_storage_core::engine::EngineOptions;
use jazz_storage_core::file::StdFileIO;
use jazz_storage_core::format::tx::Fields;
use jazz_storage_core::format::wire::{OwnedMessage, OwnedSession, decode_message};
use jazz_storage_core::store::{BfTreeStorage, ContentStore, StorageBackend, StoreOptions};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The system's allocator, counting.
struct Counting;

static NOW: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);

/// The tree's table of pages: address space that a tree takes as soon as it is made, of which it touches as much as it has
/// pages (`MappingTable` in bf-tree 0.5.7). It is counted apart, by the number of trees there are.
const PAGE_TABLE: usize = 25_165_824;
static TREES: AtomicU64 = AtomicU64::new(0);
static MOST_TREES: AtomicU64 = AtomicU64::new(0);

fn count(added: usize, taken: usize) {
    if added == PAGE_TABLE {
        MOST_TREES.fetch_max(TREES.fetch_add(1, Relaxed) + 1, Relaxed);
    }
    if taken == PAGE_TABLE {
        TREES.fetch_sub(1, Relaxed);
    }
    let [added, taken] = [added, taken].map(|size| if size == PAGE_TABLE { 0 } else { size });
    let now = NOW.fetch_add(added as u64, Relaxed) + added as u64;
    PEAK.fetch_max(now, Relaxed);
    NOW.fetch_sub(taken as u64, Relaxed);
}

// SAFETY: every call is passed on to the system's allocator as it is; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may exist for a moment.
        count(size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const KIB: u64 = 1024;
/// Rows of the delta: as many as fit these bytes in the tree, at about three times a row's 80 bytes.
const DELTA_BYTES: u64 = 256 * KIB;
const ROW_BYTES: u64 = 240;
const CACHE_BYTES: u64 = 256 * KIB;
const BUFFER_BYTES: u64 = 256 * KIB;
/// The largest message.
const LARGEST: u64 = 256 * KIB;
/// Write buffers of a part and its pack, the window in which a log is read through, two empty trees.
const BASE: u64 = 4 * 256 * KIB + 1024 * KIB + 2 * 512 * KIB;

fn options() -> StoreOptions {
    let engine = EngineOptions {
        checkpoint_rows: DELTA_BYTES / ROW_BYTES,
        segment_bytes: 512 * KIB,
        cache_bytes: CACHE_BYTES,
        buffer_bytes: BUFFER_BYTES,
        reserve_bytes: 0,
        ..EngineOptions::default()
    };
    StoreOptions { engine, ..StoreOptions::default() }
}

/// Runs a part of the test and gives the most bytes there were beyond those before.
fn peak<T>(what: &str, bound: u64, work: impl FnOnce() -> T) -> T {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = work();
    let used = PEAK.load(Relaxed) - before;
    println!(
        "{what}: {} KiB of {} KiB, {} left",
        used / KIB,
        bound / KIB,
        NOW.load(Relaxed).saturating_sub(before) / KIB
    );
    assert!(used <= bound, "{what}: {used} bytes of {bound}");
    result
}

fn message(covalue: u64, after: u32, sizes: &[usize]) -> OwnedMessage {
    let txs = (after..).zip(sizes).map(|(n, size)| {
        let changes: Vec<u8> = (0..*size).map(|i| b'a' + ((i * 7 + n as usize) % 26) as u8).collect();
        let (key_used, made_at) = (&b"key_z"[..], f64::from(n));
        let mut out = Vec::new();
        let fields = Fields::Private { sorted: true, made_at, key_used, changes: &changes, meta: None };
        fields.append_to(&mut out).unwrap();
        out
    });
    OwnedMessage {
        id: format!("co_z{covalue}").into_bytes(),
        header: Some(b"{}".to_vec()),
        delete_is_valid: false,
        chunk_threshold: 102_400.0,
        sessions: vec![OwnedSession {
            session: format!("co_z{covalue}_session_z").into_bytes(),
            after,
            last_signature: vec![b's'; 64],
            txs: txs.collect(),
        }],
    }
}

#[test]
fn memory_is_bounded_by_the_options() {
    // While a delta is written out the next one fills, and both may be twice as long as they should be.
    let bound = BASE + 4 * DELTA_BYTES + CACHE_BYTES + BUFFER_BYTES + 3 * LARGEST;
    let directory = tempfile::tempdir().unwrap();
    let io = || StdFileIO::new(directory.path().join("store"));
    let total = 20 * (DELTA_BYTES + CACHE_BYTES + BUFFER_BYTES);
    let covalues = 2_000;
    let mut counters = vec![0u32; covalues];
    let whole = NOW.load(Relaxed);
    let store = peak("opening", BASE, || BfTreeStorage::open(io(), options()).unwrap());
    let put = |store: &BfTreeStorage<StdFileIO>, covalue: u64, after: u32, sizes: &[usize]| {
        let bytes = message(covalue, after, sizes).encode().unwrap();
        let message = decode_message(&bytes).unwrap();
        assert!(store.store(&message).unwrap().is_exact(&message));
    };
    peak("storing", bound, || {
        let (mut stored, mut n) = (0, 0usize);
        while stored < total {
            let covalue = n * 7_919 % covalues;
            let size = if n.is_multiple_of(500) { 60_000 } else { 600 };
            put(&store, covalue as u64, counters[covalue], &[size]);
            counters[covalue] += 1;
            stored += size as u64;
            n += 1;
        }
    });
    // One CoValue as large as all that, in messages of a size.
    let large = 1_000_000;
    peak("storing a large CoValue", bound, || {
        for n in 0..(total / LARGEST) as u32 {
            put(&store, large, 2 * n, &[LARGEST as usize / 2 - 100; 2]);
        }
    });
    peak("settling", bound, || store.settle().unwrap());
    let load_all = |store: &BfTreeStorage<StdFileIO>| {
        for (covalue, counter) in counters.iter().enumerate().filter(|(_, counter)| **counter > 0) {
            let loaded = store.load(format!("co_z{covalue}").as_bytes(), u64::MAX).unwrap().unwrap();
            assert_eq!(loaded.sessions[0].counter, *counter);
        }
    };
    let stream = |store: &BfTreeStorage<StdFileIO>| {
        let id = format!("co_z{large}");
        let loaded = store.load(id.as_bytes(), 0).unwrap().unwrap();
        let session = &loaded.sessions[0];
        let mut bytes = 0;
        for piece in &session.pieces {
            let id = id.as_bytes();
            let piece = store.load_piece(id, session.session.as_bytes(), piece.after, piece.count).unwrap();
            bytes += piece.unwrap().content.unwrap().1.len() as u64;
        }
        assert!(bytes >= total * 9 / 10, "{bytes} of {total}");
    };
    peak("loading", bound, || load_all(&store));
    peak("streaming", bound, || stream(&store));
    peak("compacting", bound, || store.compact().unwrap());
    peak("listing", bound, || assert_eq!(store.covalue_ids(u32::MAX, 0).unwrap().len(), covalues + 1));
    // Everything that is held at rest, indexes and filters included.
    let stats = store.stats().unwrap();
    let held = NOW.load(Relaxed) - whole;
    println!(
        "held: {} KiB, resident {} KiB, cache {} KiB",
        held / KIB,
        stats.resident_bytes / KIB,
        stats.cache_bytes / KIB
    );
    assert!(held <= bound + stats.resident_bytes, "{held} bytes");
    drop(store);
    let store = peak("opening again", bound, || BfTreeStorage::open(io(), options()).unwrap());
    peak("loading again", bound, || load_all(&store));
    peak("streaming again", bound, || stream(&store));
    drop(store);
    let left = NOW.load(Relaxed).saturating_sub(whole);
    // The delta, the one that is written out, and the one that takes its place.
    let trees = (1..=3).contains(&MOST_TREES.load(Relaxed)) && TREES.load(Relaxed) == 0;
    assert!(trees, "trees: {MOST_TREES:?} at once, {TREES:?} left");
    assert!(left <= 64 * KIB, "{left} bytes are left when all is closed");
}
