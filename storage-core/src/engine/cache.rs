//! The one cache of what is read: blocks of runs and spans of the log and of packs, bounded by bytes.
//!
//! All of it is immutable, so nothing is ever invalidated. The exception, bytes at the end of the log that were read while
//! a write to it failed and was taken back, is seen by its records' checksums and read again.
//!
//! Both are kept when they are read for the second time, so reading through a store neither fills the cache nor pays for
//! doing so: a span serves one CoValue, and most are loaded once and then live in the application's memory; and of an index
//! much larger than the cache a block is mostly gone before it is wanted again. But an index that takes no more than half of the
//! cache is kept as it is read, as each of its blocks serves some 20 CoValues.

use super::buffer::{Buffer, Spare};
use super::run::BLOCK_BYTES;
use crate::format::{RunId, SegmentId};
use quick_cache::sync::DefaultLifecycle;
use rustc_hash::FxBuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The largest span that is kept, in bytes.
pub const SPAN_BYTES: usize = 32 * 1024;
/// The largest span whose memory is used again, in bytes.
const LARGE_SPAN: usize = 1 << 20;
/// The smallest block whose memory is used again, in bytes: kept in the cache, it holds that of a block of the usual size.
const SMALL_BLOCK: usize = BLOCK_BYTES / 2;
/// For so many bytes of the cache a key is remembered as read once: about as many as there is room for of what is kept, or
/// reading a little less than that again and again would keep nothing. Later keys take the places of earlier ones.
const BYTES_A_KEY: u64 = 1024;

/// Cached bytes.
pub type Shared = Arc<Buffer>;

/// What is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheKey {
    /// A verified block of a run, by number.
    Block(RunId, u32),
    /// Bytes of a segment or pack from an offset on. Its records are verified at each use.
    Span(SegmentId, u32),
}

/// Entries weigh their bytes, and a little for themselves.
#[derive(Debug, Clone, Copy)]
struct Weight;

impl quick_cache::Weighter<CacheKey, Shared> for Weight {
    fn weight(&self, _: &CacheKey, bytes: &Shared) -> u64 {
        bytes.len() as u64 + 96
    }
}

/// The cache.
pub struct ReadCache {
    entries: quick_cache::sync::Cache<CacheKey, Shared, Weight, FxBuildHasher>,
    /// Fingerprints of what was read, by another part of its hash.
    read_once: Vec<AtomicU32>,
    /// How much the index may take to be kept as it is read, in bytes.
    small_index: u64,
    /// Whether it takes no more.
    index_is_small: AtomicBool,
    /// Memory for spans that are too large to be kept.
    pub(super) spare: Arc<Spare>,
    /// Memory for blocks.
    pub(super) spare_block: Arc<Spare>,
}

impl ReadCache {
    /// A cache of at most `bytes` bytes.
    pub fn new(bytes: u64) -> Self {
        /// What is allocated at first, in entries of this size; a large cache grows into its size.
        const ENTRY: u64 = 16 * 1024;
        let items = (bytes / ENTRY).clamp(16, 4096) as usize;
        let remembered = (bytes / BYTES_A_KEY).clamp(16, 1 << 16) as usize;
        Self {
            entries: quick_cache::sync::Cache::with(
                items,
                bytes,
                Weight,
                FxBuildHasher,
                DefaultLifecycle::default(),
            ),
            read_once: (0..remembered).map(|_| AtomicU32::new(0)).collect(),
            small_index: bytes / 2,
            index_is_small: AtomicBool::new(false),
            spare: Spare::new(SPAN_BYTES + 1..=LARGE_SPAN),
            spare_block: Spare::new(SMALL_BLOCK..=2 * BLOCK_BYTES),
        }
    }

    /// What is kept under this key.
    pub fn get(&self, key: &CacheKey) -> Option<Shared> {
        self.entries.get(key)
    }

    /// Tells how many bytes the index takes from now on.
    pub fn index_takes(&self, bytes: u64) {
        self.index_is_small.store(bytes <= self.small_index, Ordering::Relaxed);
    }

    /// Keeps a block, of a large index when it is read for the second time.
    pub fn insert_block(&self, run: RunId, block: u32, bytes: &Shared) {
        let key = CacheKey::Block(run, block);
        if self.index_is_small.load(Ordering::Relaxed) {
            self.entries.insert(key, Arc::clone(bytes));
        } else {
            self.insert_if_read_before(key, bytes);
        }
    }

    /// Keeps what is read for the second time, and drops other things if need be.
    pub fn insert_if_read_before(&self, key: CacheKey, bytes: &Shared) {
        // Fibonacci hashing: the multiplication spreads the number over the upper bits. Blocks and spans have factors of
        // their own. No fingerprint is 0, that of nothing.
        let number = |file: u32, place: u32| (u64::from(file) << 32) | u64::from(place);
        let hash = match key {
            CacheKey::Block(run, block) => number(run.0, block).wrapping_mul(0xd1b5_4a32_d192_ed03),
            CacheKey::Span(segment, offset) => number(segment.0, offset).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        };
        let fingerprint = (hash >> 8) as u32 | 1;
        let place = (u128::from(hash) * self.read_once.len() as u128) >> 64;
        let place = self.read_once.get(place as usize);
        if place.is_some_and(|place| place.swap(fingerprint, Ordering::Relaxed) == fingerprint) {
            self.entries.insert(key, Arc::clone(bytes));
        }
    }

    /// Drops what is kept under this key.
    pub fn remove(&self, key: &CacheKey) {
        self.entries.remove(key);
    }

    /// Bytes kept.
    pub fn weight(&self) -> u64 {
        self.entries.weight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_for_the_second_time_is_kept() {
        let cache = ReadCache::new(1 << 20);
        let bytes = Arc::new(Buffer::fill(100, None, |room| Ok::<_, ()>(room.len())).unwrap());
        let key = CacheKey::Span(SegmentId(3), 64);
        cache.insert_if_read_before(key, &bytes);
        assert!(cache.get(&key).is_none());
        cache.insert_if_read_before(key, &bytes);
        assert!(cache.get(&key).is_some());
        // Reading through a store leaves no trace.
        for offset in 0..100_000 {
            cache.insert_if_read_before(CacheKey::Span(SegmentId(4), offset * 8), &bytes);
            cache.insert_if_read_before(CacheKey::Block(RunId(4), offset), &bytes);
        }
        assert_eq!(cache.weight(), 196);
    }

    #[test]
    fn blocks_of_a_small_index_are_kept_at_once() {
        let cache = ReadCache::new(1 << 20);
        let bytes = Arc::new(Buffer::fill(2_000, None, |room| Ok::<_, ()>(room.len())).unwrap());
        let read = |block| {
            cache.insert_block(RunId(4), block, &bytes);
            cache.get(&CacheKey::Block(RunId(4), block)).is_some()
        };
        assert!(!read(1), "how large the index is was not told");
        cache.index_takes(512 << 10);
        assert!(read(2));
        cache.index_takes((512 << 10) + 1);
        assert!(!read(3) && read(3));
    }

    #[test]
    fn most_is_kept_of_what_is_read_again_and_again_if_there_is_room_for_it() {
        let cache = ReadCache::new(16 << 20);
        let bytes = Arc::new(Buffer::fill(1_300, None, |room| Ok::<_, ()>(room.len())).unwrap());
        let mut found = 0;
        for _ in 0..3 {
            found = 0;
            for n in 0..10_000 {
                let key = CacheKey::Span(SegmentId(3), n * 1_304);
                match cache.get(&key) {
                    Some(_) => found += 1,
                    None => cache.insert_if_read_before(key, &bytes),
                }
            }
        }
        assert!(found > 5_000, "{found}");
    }
}
