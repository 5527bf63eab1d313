//! Pure encoding and decoding of everything that is stored or crosses a binding. No I/O, no state.
//!
//! Every integer is little-endian and of fixed width, except in index keys, whose numbers are big-endian so that keys
//! sort as their numbers do. docs/design.md has the byte tables.

pub mod archive;
pub mod bytes;
pub mod checksum;
pub mod entry;
pub mod manifest;
pub mod numbers;
pub mod record;
pub mod row;
pub mod run;
pub mod text;
pub mod tx;
pub mod wire;

use std::fmt;

/// The newest format version this build writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 2;

/// The number of a log record: 1 for the first one of a store, growing by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl Lsn {
    /// The number after this one. The last one has none, and stands for itself: no store gets there.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The number of a file of records: a log segment, growing by one, or, from [`SegmentId::FIRST_PACK`] on, a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SegmentId(pub u32);

impl SegmentId {
    /// Numbers from here on are packs: records rewritten in the order of the index, which are not part of the log.
    pub const FIRST_PACK: Self = Self(1 << 31);

    /// Whether this is a pack.
    pub fn is_pack(self) -> bool {
        self >= Self::FIRST_PACK
    }
    /// The number after this one. The last one has none, and stands for itself: no store gets there.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
    /// The file name of the segment.
    pub fn file_name(self) -> String {
        if self.is_pack() {
            format!("pack-{:08x}.dat", self.0)
        } else {
            format!("segment-{:08x}.log", self.0)
        }
    }
    /// The segment whose file has this name.
    pub fn from_file_name(name: &str) -> Option<Self> {
        let segment = parse_name(name, "segment-", ".log").map(Self).filter(|id| !id.is_pack());
        segment.or_else(|| parse_name(name, "pack-", ".dat").map(Self).filter(|id| id.is_pack()))
    }
}

/// The number of an index run: growing by one, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RunId(pub u32);

impl RunId {
    /// The number after this one. The last one has none, and stands for itself: no store gets there.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
    /// The file name of the run.
    pub fn file_name(self) -> String {
        format!("run-{:08x}.idx", self.0)
    }
    /// The run whose file has this name.
    pub fn from_file_name(name: &str) -> Option<Self> {
        parse_name(name, "run-", ".idx").map(Self)
    }
}

fn parse_name(name: &str, prefix: &str, suffix: &str) -> Option<u32> {
    let digits = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
    (digits.len() == 8).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// The generation of a manifest: growing by one with each publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u64);

/// Where a CoValue stands in the order of creation, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ordinal(pub u64);

/// Where a record lies: its segment, its offset there, and its length with its header but without padding, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Location {
    /// The segment.
    pub segment: SegmentId,
    /// The offset of the record's header.
    pub offset: u32,
    /// Header and body, in bytes.
    pub len: u32,
}

/// The identity of a store: random, made once. Its files carry it, so that no file of another store is taken for one
/// of this store's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StoreId(pub [u8; 16]);

/// The secret with which a store hashes ids, so that nobody can choose ids that collide.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashKey(pub [u8; 16]);

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreId({:032x})", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_round_trip_and_foreign_names_are_none() {
        assert_eq!(SegmentId::from_file_name(&SegmentId(0xabc).file_name()), Some(SegmentId(0xabc)));
        assert_eq!(RunId::from_file_name(&RunId(7).file_name()), Some(RunId(7)));
        let pack = SegmentId(SegmentId::FIRST_PACK.0 + 5);
        assert_eq!(SegmentId::from_file_name(&pack.file_name()), Some(pack));
        for name in [
            "segment-1.log",
            "segment-80000000.log",
            "pack-00000001.dat",
            "segment-0000000g.log",
            "run-00000001.log",
            "segment-00000001.log~",
            "",
        ] {
            assert_eq!(SegmentId::from_file_name(name), None, "{name}");
            assert_eq!(RunId::from_file_name(name), None, "{name}");
        }
    }
}
