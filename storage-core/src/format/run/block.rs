//! Blocks of rows, the part of a run that is read to look something up.
//!
//! `number of rows | number of restarts | rows | offsets of restarts | checksum`. Of a row's key stands what the row before
//! does not share, of its value what is not zero. *Restarts* are rows whose key is whole.

use super::{seal, unseal};
use crate::format::bytes::{Cursor, PutBytes};
use crate::format::row::{KEY_LEN, Key, VALUE_LEN, Value, number};

/// Rows from one restart to the next at least, unless it stands within a group. Where a group begins a whole key costs next
/// to nothing, as groups are hashes; and to look one up is to read on from a restart.
const LEAST_PER_RESTART: usize = 3;
/// Rows from one restart to the next at most: of a large group.
const MOST_PER_RESTART: usize = 16;
const BITMAP: usize = VALUE_LEN / 8;
/// Bytes of a block beside rows and restarts: the numbers of both, and the checksum.
pub(super) const BLOCK_HEADER: usize = 8;
/// Builds one block from rows in ascending order.
#[derive(Debug, Default)]
pub struct BlockBuilder {
    rows: Vec<u8>,
    restarts: Vec<u16>,
    count: usize,
    /// Rows since the last restart, its own included.
    since: usize,
    last: Option<Key>,
    first: Option<Key>,
}

impl BlockBuilder {
    /// Adds the next row.
    pub fn push(&mut self, key: &Key, value: &Value) {
        let same = |last: &Key| last.group() == key.group();
        let rows = |last: &Key| if same(last) { MOST_PER_RESTART } else { LEAST_PER_RESTART };
        let shared = match &self.last {
            Some(last) if self.since < rows(last) => {
                last.0.iter().zip(&key.0).take_while(|(a, b)| a == b).count()
            }
            _ => {
                self.restarts.push(self.rows.len() as u16);
                self.since = 0;
                0
            }
        };
        self.since += 1;
        self.rows.put_u8(shared as u8);
        self.rows.extend_from_slice(key.0.get(shared..).unwrap_or_default());
        let mut bitmap = [0u8; BITMAP];
        for (byte, bits) in value.chunks(8).zip(&mut bitmap) {
            *bits = byte.iter().enumerate().fold(0, |m, (i, b)| m | (u8::from(*b != 0) << i));
        }
        self.rows.extend_from_slice(&bitmap);
        self.rows.extend(value.iter().filter(|b| **b != 0));
        self.first.get_or_insert(*key);
        self.last = Some(*key);
        self.count += 1;
    }
    /// Bytes the block would have now.
    pub fn len(&self) -> usize {
        BLOCK_HEADER + self.rows.len() + 2 * self.restarts.len()
    }
    /// Whether no row was added.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
    /// The first key and the block's bytes; the builder is empty afterwards. Nothing if there are no rows.
    pub fn finish(&mut self) -> Option<(Key, Vec<u8>)> {
        let first = self.first.take()?;
        let mut out = Vec::with_capacity(self.len());
        out.put_u16(self.count as u16);
        out.put_u16(self.restarts.len() as u16);
        out.extend_from_slice(&self.rows);
        for restart in &self.restarts {
            out.put_u16(*restart);
        }
        seal(&mut out);
        *self = Self::default();
        Some((first, out))
    }
}

/// A block whose checksum was verified.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    rows: &'a [u8],
    restarts: &'a [u8],
    count: usize,
}

impl<'a> Block<'a> {
    /// Checks a block's bytes.
    pub fn verify(bytes: &'a [u8]) -> Option<Self> {
        Self::trusted(unseal(bytes).map(|_| bytes)?)
    }
    /// Takes the bytes of a block that was verified before.
    pub fn trusted(bytes: &'a [u8]) -> Option<Self> {
        let (body, _) = bytes.split_last_chunk::<4>()?;
        let mut c = Cursor::new(body);
        let (count, restarts) = (usize::from(c.u16()?), usize::from(c.u16()?));
        let at = c.rest().len().checked_sub(2 * restarts)?;
        let (rows, restarts) = c.rest().split_at_checked(at)?;
        Some(Self { rows, restarts, count })
    }
    /// All rows from the first whose key is at least `from`, which is looked for where it is to be expected if the rows lie
    /// before `end`. Ends early at bytes that are no row.
    pub fn rows_from(&self, from: &Key, end: Option<&Key>) -> BlockRows<'a> {
        let restarts = self.restarts.len() / 2;
        // The last restart whose key is not greater than `from`: near that place it is found in fewer lines of memory than
        // by halving, and as many steps as there are restarts are few.
        let mut low = match (self.restart_key(0), end) {
            (Some(first), Some(end)) => from.expected_place(&first, end, restarts),
            _ => restarts / 2,
        };
        while low > 0 && self.restart_key(low).is_none_or(|key| key > *from) {
            low -= 1;
        }
        while low + 1 < restarts && self.restart_key(low + 1).is_some_and(|key| key <= *from) {
            low += 1;
        }
        let mut rows = BlockRows {
            rest: self.restart(low).and_then(|at| self.rows.get(at..)).unwrap_or_default(),
            key: [0; 2 * KEY_LEN],
            // Not more than that, whatever follows them; how many rows stand before a restart is not written down.
            left: self.count,
            pending: None,
        };
        let wanted = number(&from.0);
        while let Some(packed) = rows.advance() {
            if number(rows.key()) >= wanted {
                rows.pending = Some(packed);
                break;
            }
        }
        rows
    }
    fn restart(&self, i: usize) -> Option<usize> {
        self.restarts.get(2 * i..)?.first_chunk().map(|b| usize::from(u16::from_le_bytes(*b)))
    }
    fn restart_key(&self, i: usize) -> Option<Key> {
        let bytes = self.rows.get(self.restart(i)? + 1..)?;
        bytes.first_chunk().copied().map(Key)
    }
}

/// The rows of a block in ascending order.
#[derive(Debug)]
pub struct BlockRows<'a> {
    rest: &'a [u8],
    /// The key, and room behind it: copying more than it lacks, but always as much, takes a fraction of the time.
    key: [u8; 2 * KEY_LEN],
    left: usize,
    /// The row that the key is of, if it was not given yet.
    pending: Option<Packed<'a>>,
}

#[derive(Debug, Clone, Copy)]
struct Packed<'a> {
    bitmap: [u8; BITMAP],
    bytes: &'a [u8],
}

impl Packed<'_> {
    fn unpack(&self) -> Value {
        let mut value = [0; VALUE_LEN];
        let mut rest = self.bytes;
        for (slots, mut bits) in value.chunks_exact_mut(8).zip(self.bitmap) {
            while bits != 0 {
                let Some((byte, after)) = rest.split_first() else { return value };
                if let Some(slot) = slots.get_mut(bits.trailing_zeros() as usize) {
                    *slot = *byte;
                }
                rest = after;
                bits &= bits - 1;
            }
        }
        value
    }
}

/// How many bits are set: by words, as counting byte by byte takes as long as all else of passing over a row.
fn ones(bitmap: &[u8; BITMAP]) -> usize {
    let (words, rest) = bitmap.as_chunks::<4>();
    debug_assert!(rest.is_empty());
    words.iter().map(|word| u32::from_le_bytes(*word).count_ones() as usize).sum()
}

impl<'a> BlockRows<'a> {
    fn key(&self) -> &[u8; KEY_LEN] {
        self.key.first_chunk().unwrap_or(&[0; KEY_LEN])
    }

    /// Moves on to the next row.
    fn advance(&mut self) -> Option<Packed<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (shared, rest) = self.rest.split_first()?;
        let shared = usize::from(*shared);
        let lacking = KEY_LEN.checked_sub(shared)?;
        match (self.key.get_mut(shared..shared + KEY_LEN), rest.first_chunk::<KEY_LEN>()) {
            (Some(key), Some(bytes)) => key.copy_from_slice(bytes),
            _ => self.key.get_mut(shared..KEY_LEN)?.copy_from_slice(rest.get(..lacking)?),
        }
        let (bitmap, rest) = rest.get(lacking..)?.split_first_chunk::<BITMAP>()?;
        let (bytes, rest) = rest.split_at_checked(ones(bitmap))?;
        self.rest = rest;
        Some(Packed { bitmap: *bitmap, bytes })
    }
}

impl Iterator for BlockRows<'_> {
    type Item = (Key, Value);
    fn next(&mut self) -> Option<Self::Item> {
        let packed = match self.pending.take() {
            Some(packed) => packed,
            None => self.advance()?,
        };
        Some((Key(*self.key()), packed.unpack()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::row::Group;
    use crate::format::run::tests::group;

    fn rows(n: u64) -> Vec<(Key, Value)> {
        let mut rows: Vec<_> = (0..n)
            .map(|i| {
                let mut value = [0; VALUE_LEN];
                value[(i as usize * 7) % VALUE_LEN] = i as u8;
                value[3] = 1;
                (Key::new(group(i / 3), (i % 3) as u32, i as u32), value)
            })
            .collect();
        rows.sort();
        rows
    }

    #[test]
    fn blocks_give_back_their_rows_from_any_key() {
        for n in [1, 2, 15, 16, 17, 100] {
            let rows = rows(n);
            let mut builder = BlockBuilder::default();
            for (key, value) in &rows {
                builder.push(key, value);
            }
            let (first, bytes) = builder.finish().unwrap();
            assert_eq!(first, rows[0].0);
            assert!(builder.is_empty() && builder.finish().is_none());
            let block = Block::verify(&bytes).unwrap();
            for (i, (key, _)) in rows.iter().enumerate() {
                assert_eq!(block.rows_from(key, None).collect::<Vec<_>>(), rows[i..]);
                assert_eq!(
                    block.rows_from(key, rows.last().map(|(last, _)| last)).collect::<Vec<_>>(),
                    rows[i..]
                );
            }
            assert_eq!(block.rows_from(&Key([0; KEY_LEN]), None).count(), rows.len());
            assert_eq!(block.rows_from(&Key([255; KEY_LEN]), None).count(), 0);
            for i in 0..bytes.len() {
                let mut bad = bytes.clone();
                bad[i] ^= 1;
                assert!(Block::verify(&bad).is_none());
            }
        }
    }

    #[test]
    fn a_block_has_no_more_rows_than_it_says() {
        let mut builder = BlockBuilder::default();
        rows(5).iter().for_each(|(key, value)| builder.push(key, value));
        let (_, mut bytes) = builder.finish().unwrap();
        bytes.truncate(bytes.len() - 4);
        bytes[0] = 4;
        seal(&mut bytes);
        assert_eq!(Block::verify(&bytes).unwrap().rows_from(&Key([0; KEY_LEN]), None).count(), 4);
    }

    #[test]
    fn restarts_stand_where_groups_begin_and_in_large_groups() {
        let restarts = |keys: &[Key]| {
            let mut builder = BlockBuilder::default();
            keys.iter().for_each(|key| builder.push(key, &[7; VALUE_LEN]));
            let (_, bytes) = builder.finish().unwrap();
            let block = Block::verify(&bytes).unwrap();
            (0..block.restarts.len() / 2).map(|i| block.restart_key(i).unwrap()).collect::<Vec<_>>()
        };
        let groups = |count: u8, rows: u32| {
            let key = move |group, slot| Key::new(Group([group; 16]), slot, 0);
            (0..count).flat_map(|group| (0..rows).map(move |slot| key(group, slot))).collect::<Vec<_>>()
        };
        let numbers = |keys: Vec<Key>| keys.iter().map(|key| key.group().0[0]).collect::<Vec<_>>();
        assert_eq!(numbers(restarts(&groups(9, 1))), [0, 3, 6]);
        assert_eq!(numbers(restarts(&groups(9, 2))), [0, 2, 4, 6, 8]);
        assert_eq!(numbers(restarts(&groups(5, 5))), [0, 1, 2, 3, 4]);
        let slots = restarts(&groups(1, 40)).iter().map(Key::slot).collect::<Vec<_>>();
        assert_eq!(slots, [0, 16, 32]);
    }
}
