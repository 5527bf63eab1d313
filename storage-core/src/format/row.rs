//! Index rows: fixed-size keys and values (design.md section 5).
//!
//! A key is `group (16) | slot u32 BE | index u32 BE`. Slot 0 is the CoValue's own row; a session's slot has its head
//! row at index 0 and spill rows at 1 + the first transaction of their first extent. All rows of a CoValue are
//! neighbours.
//!
//! Rows are *fragments*: a row in a newer layer of the index adds to the rows of older layers, unless its head says
//! [`HeadRow::reset`], which voids them. A spill row counts only together with the head of its own layer and epoch.

use super::bytes::{put_at, u32_at, u64_at};
use super::{Location, Ordinal, SegmentId};
use std::cmp::Ordering;

/// Bytes of a key.
pub const KEY_LEN: usize = 24;
/// Bytes of a value.
pub const VALUE_LEN: usize = 96;
/// Extents in a head row.
pub const HEAD_EXTENTS: usize = 4;
/// Extents in a spill row.
pub const SPILL_EXTENTS: usize = 5;

/// A row's value.
pub type Value = [u8; VALUE_LEN];

/// The keyed 128-bit hash of a CoValue's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Group(pub [u8; 16]);

/// As the bytes, but as numbers, for the same reason as keys.
impl Ord for Group {
    fn cmp(&self, other: &Self) -> Ordering {
        u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
    }
}

impl PartialOrd for Group {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Group {
    /// The group after this one, in the order of the index.
    pub fn next(self) -> Option<Self> {
        u128::from_be_bytes(self.0).checked_add(1).map(|n| Self(n.to_be_bytes()))
    }
    /// The group before this one.
    pub fn previous(self) -> Option<Self> {
        u128::from_be_bytes(self.0).checked_sub(1).map(|n| Self(n.to_be_bytes()))
    }
}

/// The keyed 64-bit hash of a session's id; with the slot, which is another part of that hash, it identifies the
/// session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u64);

/// A row's key. Keys sort as their bytes do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(pub [u8; KEY_LEN]);

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        number(&self.0).cmp(&number(&other.0))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A key as a number, by which it sorts the same: comparing bytes is a call of a function that knows no length.
pub fn number(key: &[u8; KEY_LEN]) -> (u128, u64) {
    let group = key.first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes));
    (group, key.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)))
}

impl Key {
    /// The key of a row.
    pub fn new(group: Group, slot: u32, index: u32) -> Self {
        let mut key = [0; KEY_LEN];
        put_at(&mut key, 0, &group.0);
        put_at(&mut key, 16, &slot.to_be_bytes());
        put_at(&mut key, 20, &index.to_be_bytes());
        Self(key)
    }
    /// The first key of a group.
    pub fn first(group: Group) -> Self {
        Self::new(group, 0, 0)
    }
    /// The last key of a group.
    pub fn last(group: Group) -> Self {
        Self::new(group, u32::MAX, u32::MAX)
    }
    /// The first key of the slot after this one's, if there is another.
    pub fn next_slot(&self) -> Option<Self> {
        Some(Self::new(self.group(), self.slot().checked_add(1)?, 0))
    }
    /// The group.
    pub fn group(&self) -> Group {
        Group(self.0.first_chunk().copied().unwrap_or_default())
    }
    /// The slot.
    pub fn slot(&self) -> u32 {
        u32_at(&self.0, 16).swap_bytes()
    }
    /// The index.
    pub fn index(&self) -> u32 {
        u32_at(&self.0, 20).swap_bytes()
    }
    /// Where among `places` that begin with `low` and end before `high` this key is to be expected: groups are hashes, so
    /// they are spread evenly.
    pub fn expected_place(&self, low: &Self, high: &Self, places: usize) -> usize {
        let head = |key: &Self| key.0.first_chunk().map_or(0, |head| u64::from_be_bytes(*head));
        let (way, all) = (head(self).saturating_sub(head(low)), head(high).saturating_sub(head(low)));
        let place = (way as f64 / all.max(1) as f64 * places as f64) as usize;
        place.min(places.saturating_sub(1))
    }
}

/// Where a run of consecutive transactions of one session lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// The record that holds it.
    pub location: Location,
    /// The index of its first transaction.
    pub start: u32,
    /// Whether a chunk signature stands after its last transaction.
    pub chunk_signature: bool,
}

const EXTENT_LEN: usize = 16;
const CHUNK_BIT: u32 = 1 << 31;

impl Extent {
    fn put(&self, value: &mut Value, at: usize) {
        let len = self.location.len | if self.chunk_signature { CHUNK_BIT } else { 0 };
        put_at(value, at, &self.location.segment.0.to_le_bytes());
        put_at(value, at + 4, &self.location.offset.to_le_bytes());
        put_at(value, at + 8, &self.start.to_le_bytes());
        put_at(value, at + 12, &len.to_le_bytes());
    }
    fn get(value: &Value, at: usize) -> Self {
        let len = u32_at(value, at + 12);
        Self {
            location: Location {
                segment: SegmentId(u32_at(value, at)),
                offset: u32_at(value, at + 4),
                len: len & !CHUNK_BIT,
            },
            start: u32_at(value, at + 8),
            chunk_signature: len & CHUNK_BIT != 0,
        }
    }
}

/// A session's head row: its counters, and its newest extents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadRow {
    /// Whether rows of older layers are void: the session was erased since.
    pub reset: bool,
    /// Whether the session has at least one chunk signature in this fragment.
    pub has_chunk_signature: bool,
    /// Whether the session is a delete session.
    pub delete_session: bool,
    /// The number of transactions stored; 0 for an erased session.
    pub count: u32,
    /// UTF-16 units of changes since the last chunk signature.
    pub bytes_since: u32,
    /// Tells the spill rows of this head from those of an erased past in the same layer.
    pub epoch: u32,
    /// The keyed hash of the session's id.
    pub tag: Tag,
    /// Orders sessions by when they were first stored: number of the record, then position in it. 0 in a fragment that
    /// continues an older one.
    pub created: u64,
    extents: [Extent; HEAD_EXTENTS],
    len: u8,
}

const KIND_HEAD: u8 = 1;
const KIND_SPILL: u8 = 2;
const KIND_COVALUE: u8 = 3;
const HEAD_RESET: u8 = 1;
const HEAD_CHUNK: u8 = 2;
const HEAD_DELETE: u8 = 4;
const HEAD_FIXED: usize = 32;
const SPILL_FIXED: usize = 8;

impl HeadRow {
    /// A head without extents.
    pub fn new(tag: Tag) -> Self {
        Self {
            reset: false,
            has_chunk_signature: false,
            delete_session: false,
            count: 0,
            bytes_since: 0,
            epoch: 0,
            tag,
            created: 0,
            extents: [Extent::default(); HEAD_EXTENTS],
            len: 0,
        }
    }
    /// The extents, oldest first.
    pub fn extents(&self) -> &[Extent] {
        self.extents.get(..usize::from(self.len)).unwrap_or_default()
    }
    /// Adds the newest extent. If the row is full, it is emptied and all its extents and the new one are given back, to
    /// be written as a spill row before this head.
    pub fn push(&mut self, extent: Extent) -> Option<[Extent; SPILL_EXTENTS]> {
        self.has_chunk_signature |= extent.chunk_signature;
        if let Some(slot) = self.extents.get_mut(usize::from(self.len)) {
            *slot = extent;
            self.len += 1;
            return None;
        }
        let mut full = [extent; SPILL_EXTENTS];
        for (to, from) in full.iter_mut().zip(self.extents) {
            *to = from;
        }
        self.len = 0;
        Some(full)
    }
    /// The row's bytes.
    pub fn encode(&self) -> Value {
        let mut value = [0; VALUE_LEN];
        let mut flags = 0;
        for (set, bit) in [
            (self.reset, HEAD_RESET),
            (self.has_chunk_signature, HEAD_CHUNK),
            (self.delete_session, HEAD_DELETE),
        ] {
            if set {
                flags |= bit;
            }
        }
        put_at(&mut value, 0, &[KIND_HEAD, flags, self.len]);
        put_at(&mut value, 4, &self.count.to_le_bytes());
        put_at(&mut value, 8, &self.bytes_since.to_le_bytes());
        put_at(&mut value, 12, &self.epoch.to_le_bytes());
        put_at(&mut value, 16, &self.tag.0.to_le_bytes());
        put_at(&mut value, 24, &self.created.to_le_bytes());
        for (i, extent) in self.extents().iter().enumerate() {
            extent.put(&mut value, HEAD_FIXED + i * EXTENT_LEN);
        }
        value
    }
    /// Decodes a head row; nothing if the value is of another kind.
    pub fn decode(value: &Value) -> Option<Self> {
        let [kind, flags, len, ..] = *value;
        if kind != KIND_HEAD || usize::from(len) > HEAD_EXTENTS {
            return None;
        }
        let mut extents = [Extent::default(); HEAD_EXTENTS];
        for (i, extent) in extents.iter_mut().take(usize::from(len)).enumerate() {
            *extent = Extent::get(value, HEAD_FIXED + i * EXTENT_LEN);
        }
        Some(Self {
            reset: flags & HEAD_RESET != 0,
            has_chunk_signature: flags & HEAD_CHUNK != 0,
            delete_session: flags & HEAD_DELETE != 0,
            count: u32_at(value, 4),
            bytes_since: u32_at(value, 8),
            epoch: u32_at(value, 12),
            tag: Tag(u64_at(value, 16)),
            created: u64_at(value, 24),
            extents,
            len,
        })
    }
}

/// A spill row: extents that did not fit into the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpillRow {
    /// The epoch of the head it belongs to.
    pub epoch: u32,
    extents: [Extent; SPILL_EXTENTS],
    len: u8,
}

impl SpillRow {
    /// A row of up to [`SPILL_EXTENTS`] extents, oldest first; further ones are left out.
    pub fn new(epoch: u32, extents: &[Extent]) -> Self {
        let mut row = Self { epoch, extents: [Extent::default(); SPILL_EXTENTS], len: 0 };
        for (to, from) in row.extents.iter_mut().zip(extents) {
            *to = *from;
            row.len += 1;
        }
        row
    }
    /// The index under which the row is kept: 1 + the start of its first extent.
    pub fn index(&self) -> u32 {
        self.extents().first().map_or(1, |e| e.start.saturating_add(1))
    }
    /// The extents, oldest first.
    pub fn extents(&self) -> &[Extent] {
        self.extents.get(..usize::from(self.len)).unwrap_or_default()
    }
    /// The row's bytes.
    pub fn encode(&self) -> Value {
        let mut value = [0; VALUE_LEN];
        put_at(&mut value, 0, &[KIND_SPILL, 0, self.len]);
        put_at(&mut value, 4, &self.epoch.to_le_bytes());
        for (i, extent) in self.extents().iter().enumerate() {
            extent.put(&mut value, SPILL_FIXED + i * EXTENT_LEN);
        }
        value
    }
    /// Decodes a spill row; nothing if the value is of another kind.
    pub fn decode(value: &Value) -> Option<Self> {
        let [kind, _, len, ..] = *value;
        if kind != KIND_SPILL || usize::from(len) > SPILL_EXTENTS {
            return None;
        }
        let mut extents = [Extent::default(); SPILL_EXTENTS];
        for (i, extent) in extents.iter_mut().take(usize::from(len)).enumerate() {
            *extent = Extent::get(value, SPILL_FIXED + i * EXTENT_LEN);
        }
        Some(Self { epoch: u32_at(value, 4), extents, len })
    }
}

/// The CoValue's own row. A fragment that only says that the CoValue was erased has no `created`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoValueRow {
    /// Whether its content was erased (its deletion is done).
    pub erased: bool,
    /// Its place in the order of creation and the record that holds its header.
    pub created: Option<(Ordinal, Location)>,
}

const COVALUE_ERASED: u8 = 1;
const COVALUE_CREATED: u8 = 2;

impl CoValueRow {
    /// The row's bytes.
    pub fn encode(&self) -> Value {
        let mut value = [0; VALUE_LEN];
        let mut flags = if self.erased { COVALUE_ERASED } else { 0 };
        if let Some((ordinal, location)) = self.created {
            flags |= COVALUE_CREATED;
            put_at(&mut value, 8, &ordinal.0.to_le_bytes());
            Extent { location, start: 0, chunk_signature: false }.put(&mut value, 16);
        }
        put_at(&mut value, 0, &[KIND_COVALUE, flags]);
        value
    }
    /// Decodes a CoValue's row; nothing if the value is of another kind.
    pub fn decode(value: &Value) -> Option<Self> {
        let [kind, flags, ..] = *value;
        if kind != KIND_COVALUE {
            return None;
        }
        let created = (flags & COVALUE_CREATED != 0)
            .then(|| (Ordinal(u64_at(value, 8)), Extent::get(value, 16).location));
        Some(Self { erased: flags & COVALUE_ERASED != 0, created })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(n: u32) -> Extent {
        let location = Location { segment: SegmentId(n), offset: n * 8, len: 100 + n };
        Extent { location, start: n, chunk_signature: n % 2 == 1 }
    }

    #[test]
    fn keys_sort_as_their_numbers() {
        let group = Group([7; 16]);
        let mut last = Key::first(group);
        for (slot, index) in [(0, 1), (1, 0), (1, 255), (1, 256), (2, 0), (256, 0), (u32::MAX, u32::MAX)] {
            let key = Key::new(group, slot, index);
            assert!(key > last && key <= Key::last(group));
            assert_eq!((key.group(), key.slot(), key.index()), (group, slot, index));
            last = key;
        }
    }

    #[test]
    fn keys_sort_as_their_bytes_and_are_expected_where_they_are() {
        let key = |n: u64| {
            Key(std::array::from_fn(|i| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (i % 8 * 8)) as u8))
        };
        let mut keys: Vec<Key> = (0..999).map(key).collect();
        keys.sort();
        assert!(keys.is_sorted_by_key(|key| key.0));
        let (first, last) = (keys[0], keys[998]);
        for (n, key) in keys.iter().enumerate() {
            assert!(key.expected_place(&first, &last, keys.len()).abs_diff(n) < 60);
            // Whatever the places are said to lie between.
            assert!(key.expected_place(&last, &first, 3) < 3 && key.expected_place(&last, key, 3) < 3);
            assert_eq!(key.expected_place(&first, &last, 0), 0);
        }
    }

    #[test]
    fn a_full_head_spills_all_its_extents_and_the_new_one() {
        let mut head = HeadRow::new(Tag(9));
        for n in 0..4 {
            assert_eq!(head.push(extent(n)), None);
        }
        assert_eq!(HeadRow::decode(&head.encode()), Some(head));
        let spilled = head.push(extent(4)).unwrap();
        assert_eq!(spilled, [0, 1, 2, 3, 4].map(extent));
        assert!(head.extents().is_empty() && head.has_chunk_signature);
        let row = SpillRow::new(3, &spilled);
        assert_eq!((row.index(), SpillRow::decode(&row.encode())), (1, Some(row)));
        assert_eq!(HeadRow::decode(&row.encode()), None);
        assert_eq!(SpillRow::decode(&head.encode()), None);
    }

    #[test]
    fn covalue_rows_round_trip() {
        for row in [
            CoValueRow { erased: true, created: None },
            CoValueRow { erased: false, created: Some((Ordinal(1 << 40), extent(3).location)) },
        ] {
            assert_eq!(CoValueRow::decode(&row.encode()), Some(row));
        }
    }
}
