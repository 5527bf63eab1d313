//! The one cache of what is read: blocks of runs and chunks of the log, bounded by bytes.
//!
//! Both are immutable, so nothing is ever invalidated. The exception, a chunk at the end of the log that was read while
//! a write to it failed and was taken back, is seen by its records' checksums and read again.

use crate::format::{RunId, SegmentId};
use std::sync::Arc;

/// Bytes of a chunk of the log.
pub const CHUNK_BYTES: u64 = 16 * 1024;

/// Cached bytes.
pub type Shared = Arc<Vec<u8>>;

/// What is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheKey {
    /// A verified block of a run, by number.
    Block(RunId, u32),
    /// A whole chunk of a segment, by number. Its records are verified at each use.
    Chunk(SegmentId, u32),
}

/// Entries weigh their bytes, and a little for themselves.
#[derive(Debug, Clone, Copy)]
pub struct Weight;

impl quick_cache::Weighter<CacheKey, Shared> for Weight {
    fn weight(&self, _: &CacheKey, bytes: &Shared) -> u64 {
        bytes.len() as u64 + 96
    }
}

/// The cache.
pub type ReadCache = quick_cache::sync::Cache<CacheKey, Shared, Weight>;

/// A cache of at most `bytes` bytes.
pub fn read_cache(bytes: u64) -> ReadCache {
    // What is allocated at first; a large cache grows into its size.
    let items = (bytes / CHUNK_BYTES).clamp(16, 4096) as usize;
    ReadCache::with_weighter(items, bytes, Weight)
}
