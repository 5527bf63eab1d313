//! Runs: immutable sorted files of index rows (design.md section 6), as bytes.
//!
//! `blocks | order pages | block index | filter | footer`, each under its own checksum.

mod block;

use block::BLOCK_HEADER;
pub use block::{Block, BlockBuilder, BlockRows};

use super::bytes::{Cursor, PutBytes};
use super::checksum;
use super::row::{Group, KEY_LEN, Key};
use super::{FORMAT_VERSION, Lsn, Ordinal, RunId, StoreId};
use std::sync::Arc;

/// Bytes of the footer, the last bytes of the file.
pub const FOOTER_LEN: usize = 128;
/// Order entries in a page.
pub const ORDER_PER_PAGE: usize = 255;
/// Bytes of an order entry.
pub const ORDER_ENTRY: usize = 16;
/// Bytes of an entry of the block index.
pub const BLOCK_ENTRY: usize = KEY_LEN + 12;

const MAGIC: [u8; 8] = *b"JAZZRUN\0";

/// Appends the checksum of all of `bytes` to them.
pub fn seal(bytes: &mut Vec<u8>) {
    let crc = checksum::crc32c(bytes);
    bytes.put_u32(crc);
}

/// The bytes under a checksum made by [`seal`], if it fits.
pub fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    (checksum::crc32c(body) == u32::from_le_bytes(*crc)).then_some(body)
}

/// Where a block lies, and its first key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockEntry {
    /// The first key in the block.
    pub first: Key,
    /// The block's offset in the file.
    pub offset: u64,
    /// The block's length, checksum included.
    pub len: u32,
}

/// The bytes of a block index.
pub fn encode_block_index(blocks: &[BlockEntry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(blocks.len() * BLOCK_ENTRY + 4);
    for block in blocks {
        out.extend_from_slice(&block.first.0);
        out.put_u64(block.offset);
        out.put_u32(block.len);
    }
    seal(&mut out);
    out
}

/// Decodes and checks a block index.
pub fn decode_block_index(bytes: &[u8]) -> Option<Vec<BlockEntry>> {
    let mut c = Cursor::new(unseal(bytes)?);
    let mut blocks = Vec::with_capacity(c.rest().len() / BLOCK_ENTRY);
    while !c.is_empty() {
        blocks.push(BlockEntry { first: Key(c.array()?), offset: c.u64()?, len: c.u32()? });
    }
    Some(blocks)
}

/// Whether blocks follow each other from the start of the file to `end`. A checksum alone does not say so, and who reads
/// a block makes room for the length that its entry tells.
pub fn blocks_follow(blocks: &[BlockEntry], end: u64) -> bool {
    let next = |at: u64, block: &BlockEntry| {
        (block.offset == at && block.len >= BLOCK_HEADER as u32)
            .then(|| at.checked_add(u64::from(block.len)))?
    };
    blocks.iter().try_fold(0, next) == Some(end) && blocks.is_sorted_by(|a, b| a.first < b.first)
}

/// A page of the list of groups in the order of creation.
pub fn encode_order_page(groups: &[Group]) -> Vec<u8> {
    let mut out = Vec::with_capacity(groups.len() * ORDER_ENTRY + 4);
    for group in groups {
        out.extend_from_slice(&group.0);
    }
    seal(&mut out);
    out
}

/// Decodes and checks a page of the order list.
pub fn decode_order_page(bytes: &[u8]) -> Option<Vec<Group>> {
    let mut c = Cursor::new(unseal(bytes)?);
    let mut out = Vec::with_capacity(c.rest().len() / ORDER_ENTRY);
    while !c.is_empty() {
        out.push(Group(c.array()?));
    }
    Some(out)
}

/// The bytes of an order list of `count` entries, all its pages together.
fn order_bytes(count: u64) -> Option<u64> {
    let pages = count.div_ceil(ORDER_PER_PAGE as u64);
    count.checked_mul(ORDER_ENTRY as u64)?.checked_add(pages.checked_mul(4)?)
}

/// Where page `page` of an order list of `count` entries lies, relative to the list's start: offset and length.
pub fn order_page_span(page: u64, count: u64) -> (u64, u64) {
    let full = (ORDER_PER_PAGE * ORDER_ENTRY + 4) as u64;
    let entries = count.saturating_sub(page * ORDER_PER_PAGE as u64).min(ORDER_PER_PAGE as u64);
    (page * full, entries * ORDER_ENTRY as u64 + 4)
}

/// A blocked Bloom filter over groups: each group sets [`FILTER_PROBES`] bits of one 64-byte line. Groups are keyed
/// hashes already, so their own bits choose line and probes (Putze, Sanders, Singler: "Cache-, Hash- and
/// Space-Efficient Bloom Filters", 2007).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Shared with the parts of layers, which have it at hand.
    lines: Arc<[u8]>,
}

const FILTER_LINE: usize = 64;
const FILTER_PROBES: u32 = 6;
const FILTER_BITS_PER_GROUP: usize = 10;

impl Filter {
    /// An empty filter for `groups` groups.
    pub fn new(groups: usize) -> Self {
        let lines = (groups * FILTER_BITS_PER_GROUP).div_ceil(FILTER_LINE * 8).max(1);
        Self { lines: Arc::from(vec![0; lines * FILTER_LINE]) }
    }
    /// Adds a group.
    pub fn insert(&mut self, group: Group) {
        let (line, mut probes) = self.probe(group);
        let lines = Arc::make_mut(&mut self.lines);
        for _ in 0..FILTER_PROBES {
            let bit = (probes & 511) as usize;
            probes >>= 9;
            if let Some(byte) = lines.get_mut(line + bit / 8) {
                *byte |= 1 << (bit % 8);
            }
        }
    }
    /// Whether the group may have been added; false is certain.
    pub fn may_contain(&self, group: Group) -> bool {
        let (line, mut probes) = self.probe(group);
        let line = self.lines.get(line..).and_then(<[u8]>::first_chunk).unwrap_or(&[0; FILTER_LINE]);
        // Without a branch on what is in the line: half of them would be guessed wrong, and each only known to be when the
        // line has come from memory. So the lines of several filters come at once.
        let mut all = 1;
        for _ in 0..FILTER_PROBES {
            let bit = (probes & 511) as usize;
            probes >>= 9;
            all &= line.get(bit / 8).map_or(0, |byte| byte >> (bit % 8));
        }
        all != 0
    }
    fn probe(&self, group: Group) -> (usize, u64) {
        let hash = u128::from_le_bytes(group.0);
        let lines = (self.lines.len() / FILTER_LINE) as u64;
        // The high half scaled to the number of lines; the low half gives the probes.
        let line = ((u128::from((hash >> 64) as u64) * u128::from(lines)) >> 64) as usize;
        (line * FILTER_LINE, hash as u64)
    }
    /// The filter's bytes, under a checksum.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.lines.to_vec();
        seal(&mut out);
        out
    }
    /// Decodes and checks a filter.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let lines = unseal(bytes)?;
        let fits = !lines.is_empty() && lines.len().is_multiple_of(FILTER_LINE);
        fits.then(|| Self { lines: Arc::from(lines) })
    }
}

/// Where the parts of a run lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footer {
    /// The run's number.
    pub id: RunId,
    /// The store it belongs to.
    pub store: StoreId,
    /// The number of rows.
    pub rows: u64,
    /// The number of groups.
    pub groups: u64,
    /// Offset of the order list; blocks end here.
    pub order_offset: u64,
    /// Entries in the order list.
    pub order_count: u64,
    /// The ordinal of its first entry.
    pub order_first: Ordinal,
    /// Offset of the block index.
    pub index_offset: u64,
    /// Offset of the filter; the block index ends here.
    pub filter_offset: u64,
    /// Offset of the footer; the filter ends here.
    pub footer_offset: u64,
    /// Of the log its rows have what comes before this record; 0 in a run of an earlier build, which does not say.
    pub as_of: Lsn,
}

impl Footer {
    /// The footer's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FOOTER_LEN);
        out.extend_from_slice(&MAGIC);
        out.put_u32(FORMAT_VERSION);
        out.put_u32(self.id.0);
        out.extend_from_slice(&self.store.0);
        for field in [
            self.rows,
            self.groups,
            self.order_offset,
            self.order_count,
            self.order_first.0,
            self.index_offset,
            self.filter_offset,
            self.footer_offset,
            self.as_of.0,
        ] {
            out.put_u64(field);
        }
        out.resize(FOOTER_LEN - 4, 0);
        seal(&mut out);
        out
    }
    /// The version of a footer that a later build wrote.
    pub fn newer_version(bytes: &[u8]) -> Option<u32> {
        let mut c = Cursor::new(unseal(bytes)?);
        (c.array()? == MAGIC).then(|| c.u32()).flatten().filter(|version| *version > FORMAT_VERSION)
    }
    /// Decodes and checks a footer, that its parts follow each other, and that the order list has the length it needs.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut c = Cursor::new(unseal(bytes)?);
        if bytes.len() != FOOTER_LEN || c.array()? != MAGIC || c.u32()? > FORMAT_VERSION {
            return None;
        }
        let footer = Self {
            id: RunId(c.u32()?),
            store: StoreId(c.array()?),
            rows: c.u64()?,
            groups: c.u64()?,
            order_offset: c.u64()?,
            order_count: c.u64()?,
            order_first: Ordinal(c.u64()?),
            index_offset: c.u64()?,
            filter_offset: c.u64()?,
            footer_offset: c.u64()?,
            as_of: Lsn(c.u64()?),
        };
        let ordered = footer.order_offset <= footer.index_offset
            && footer.index_offset <= footer.filter_offset
            && footer.filter_offset <= footer.footer_offset;
        let order = footer.index_offset.checked_sub(footer.order_offset);
        (ordered && order == order_bytes(footer.order_count)).then_some(footer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(super) fn group(n: u64) -> Group {
        let mut g = [0; 16];
        g[..8].copy_from_slice(&(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes());
        g[8..].copy_from_slice(&(n.wrapping_mul(0xc2b2_ae3d_27d4_eb4f) ^ 0x5555).to_be_bytes());
        Group(g)
    }

    #[test]
    fn the_filter_has_no_false_negatives_and_few_false_positives() {
        let mut filter = Filter::new(10_000);
        (0..10_000).for_each(|n| filter.insert(group(n)));
        let filter = Filter::decode(&filter.encode()).unwrap();
        assert!((0..10_000).all(|n| filter.may_contain(group(n))));
        let wrong = (10_000..110_000).filter(|n| filter.may_contain(group(*n))).count();
        assert!(wrong < 3_000, "{wrong} of 100,000");
    }

    #[test]
    fn order_pages_footer_and_block_index_round_trip() {
        let page: Vec<_> = (0..ORDER_PER_PAGE as u64).map(group).collect();
        let bytes = encode_order_page(&page);
        assert_eq!(order_page_span(0, 1_000), (0, bytes.len() as u64));
        assert_eq!(order_page_span(3, 1_000), (3 * bytes.len() as u64, (1_000 - 765) * 16 + 4));
        assert_eq!(order_page_span(2, 1_000), (2 * bytes.len() as u64, 255 * 16 + 4));
        assert_eq!(decode_order_page(&bytes), Some(page));
        let blocks = vec![BlockEntry { first: Key([3; KEY_LEN]), offset: 1 << 33, len: 9 }; 3];
        assert_eq!(decode_block_index(&encode_block_index(&blocks)), Some(blocks));
        let footer = Footer {
            id: RunId(1),
            store: StoreId([4; 16]),
            rows: 5,
            groups: 6,
            order_offset: 7,
            order_count: 8,
            order_first: Ordinal(9),
            index_offset: 7 + (8 * 16 + 4),
            filter_offset: 200,
            footer_offset: 300,
            as_of: Lsn(10),
        };
        let bytes = footer.encode();
        assert_eq!((bytes.len(), Footer::decode(&bytes)), (FOOTER_LEN, Some(footer)));
        assert_eq!(Footer::newer_version(&bytes), None);
        let mut newer = bytes[..FOOTER_LEN - 4].to_vec();
        newer[8..12].copy_from_slice(&(FORMAT_VERSION + 1).to_le_bytes());
        seal(&mut newer);
        assert_eq!((Footer::decode(&newer), Footer::newer_version(&newer)), (None, Some(FORMAT_VERSION + 1)));
        // Sealed, but about an order list that is not there.
        for order_count in [0, 7, 9, 256, u64::MAX / 16, u64::MAX] {
            assert_eq!(Footer::decode(&Footer { order_count, ..footer }.encode()), None, "{order_count}");
        }
        let long =
            Footer { order_count: 256, index_offset: 7 + (256 * 16 + 8), filter_offset: 9_000, ..footer };
        let long = Footer { footer_offset: 9_001, ..long };
        assert_eq!(Footer::decode(&long.encode()), Some(long), "two pages");
    }

    #[test]
    fn blocks_follow_each_other_up_to_the_order_list() {
        let block = |first: u8, offset, len| BlockEntry { first: Key([first; KEY_LEN]), offset, len };
        assert!(blocks_follow(&[], 0));
        assert!(blocks_follow(&[block(1, 0, 40), block(2, 40, 50)], 90));
        for (blocks, end) in [
            (vec![], 90),
            (vec![block(1, 0, 40), block(2, 40, 50)], 91),
            (vec![block(1, 0, 40), block(2, 41, 49)], 90),
            (vec![block(2, 0, 40), block(1, 40, 50)], 90),
            (vec![block(1, 0, 40), block(1, 40, 50)], 90),
            (vec![block(1, 0, 40), block(2, 0, 40)], 40),
            (vec![block(1, 0, 0), block(2, 0, 90)], 90),
            (vec![block(1, 0, u32::MAX)], 90),
            (vec![block(1, u64::MAX, 90)], 89),
        ] {
            assert!(!blocks_follow(&blocks, end), "{blocks:?} up to {end}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut sealed = bytes.clone();
            seal(&mut sealed);
            if let Some(block) = Block::verify(&sealed) {
                let _ = block.rows_from(&Key([9; KEY_LEN]), None).count();
            }
            let _ = decode_block_index(&sealed);
            let _ = decode_order_page(&sealed);
            let _ = Filter::decode(&sealed).map(|f| f.may_contain(group(1)));
            let _ = Footer::decode(&sealed);
        }
    }
}
