//! The delta: the mutable newest layer of the index, behind a trait of five methods.
//!
//! Invariants kept by this module, since bf-tree 0.5.7 breaks where they are not (docs/design.md, section 5.4): keys and
//! values have one fixed size; nothing is ever deleted; nothing is persisted by the tree; a scan is drained into memory
//! before anything else touches the tree; buffers are always long enough.

use crate::error::{Error, Result};
use crate::format::row::{Group, KEY_LEN, Key, VALUE_LEN, Value};
use bf_tree::{
    BfTree, LeafInsertResult, LeafReadResult, ScanIter, ScanIterError, ScanReturnField, StorageBackend,
};
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

/// A row of the index.
pub type Row = (Key, Value);

/// A mutable ordered map of rows. Callers make sure that no write runs beside a read or another write.
pub trait Delta: Send + Sync + Sized + 'static {
    /// An empty delta.
    fn create() -> Result<Self>;
    /// The row of this key.
    fn get(&self, key: &Key) -> Option<Value>;
    /// Writes a row, replacing one of the same key.
    fn put(&self, key: &Key, value: &Value) -> Result<()>;
    /// All rows of a group in order, appended to `out`.
    fn group(&self, group: Group, out: &mut Vec<Row>) -> Result<()>;
    /// Up to `limit` rows in order, from the first whose key is at least `first`.
    fn rows_from(&self, first: &Key, limit: usize) -> Result<Vec<Row>>;
}

/// The delta used in production: one in-memory bf-tree.
pub struct BfTreeDelta {
    tree: BfTree,
}

// Settings that keep the tree's memory near its data's: measured in docs/design.md, section 5.4.
const LEAF_BYTES: usize = 16 * 1024;
const BUFFER_BYTES: usize = 256 * 1024;
const ROW_BYTES: usize = KEY_LEN + VALUE_LEN;

impl BfTreeDelta {
    /// How the tree is used, for the tests of bf-tree itself as well.
    pub fn config() -> bf_tree::Config {
        let mut config = bf_tree::Config::default();
        config
            .storage_backend(StorageBackend::Memory)
            .cb_size_byte(BUFFER_BYTES)
            .leaf_page_size(LEAF_BYTES)
            .cb_max_key_len(KEY_LEN)
            .cb_min_record_size(ROW_BYTES)
            .cb_max_record_size(ROW_BYTES)
            .read_promotion_rate(0)
            .scan_promotion_rate(0)
            .read_record_cache(false);
        config
    }

    fn drain(scan: Result<ScanIter<'_, '_>, ScanIterError>, out: &mut Vec<Row>) -> Result<()> {
        let mut scan = scan.map_err(|e| Error::Internal(format!("bf-tree refused a scan: {e:?}")))?;
        let mut buffer = [0u8; ROW_BYTES];
        while let Some(lengths) = scan.next(&mut buffer) {
            let row = buffer.split_first_chunk::<KEY_LEN>().and_then(|(key, value)| {
                (lengths == (KEY_LEN, VALUE_LEN))
                    .then(|| value.first_chunk::<VALUE_LEN>().map(|v| (Key(*key), *v)))?
            });
            out.push(row.ok_or_else(|| Error::Internal(format!("bf-tree gave a row of {lengths:?} bytes")))?);
        }
        Ok(())
    }
}

impl Delta for BfTreeDelta {
    fn create() -> Result<Self> {
        let tree = BfTree::with_config(Self::config(), None)
            .map_err(|e| Error::Internal(format!("bf-tree refused its configuration: {e:?}")))?;
        Ok(Self { tree })
    }

    fn get(&self, key: &Key) -> Option<Value> {
        let mut value = [0; VALUE_LEN];
        match self.tree.read(&key.0, &mut value) {
            LeafReadResult::Found(_) => Some(value),
            _ => None,
        }
    }

    fn put(&self, key: &Key, value: &Value) -> Result<()> {
        match self.tree.insert(&key.0, value) {
            LeafInsertResult::Success => Ok(()),
            LeafInsertResult::InvalidKV(why) => Err(Error::Internal(format!("bf-tree refused a row: {why}"))),
        }
    }

    fn group(&self, group: Group, out: &mut Vec<Row>) -> Result<()> {
        let (first, last) = (Key::first(group), Key::last(group));
        let scan = self.tree.scan_with_end_key(&first.0, &last.0, ScanReturnField::KeyAndValue);
        Self::drain(scan, out)
    }

    fn rows_from(&self, first: &Key, limit: usize) -> Result<Vec<Row>> {
        let mut out = Vec::new();
        if limit > 0 {
            let scan = self.tree.scan_with_count(&first.0, limit, ScanReturnField::KeyAndValue);
            Self::drain(scan, &mut out)?;
        }
        Ok(out)
    }
}

/// The same by the standard library's map: the yardstick in tests and benchmarks.
#[derive(Default)]
pub struct BTreeDelta {
    rows: RwLock<BTreeMap<Key, Value>>,
}

impl Delta for BTreeDelta {
    fn create() -> Result<Self> {
        Ok(Self::default())
    }
    fn get(&self, key: &Key) -> Option<Value> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }
    fn put(&self, key: &Key, value: &Value) -> Result<()> {
        self.rows.write().unwrap_or_else(PoisonError::into_inner).insert(*key, *value);
        Ok(())
    }
    fn group(&self, group: Group, out: &mut Vec<Row>) -> Result<()> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        out.extend(rows.range(Key::first(group)..=Key::last(group)).map(|(k, v)| (*k, *v)));
        Ok(())
    }
    fn rows_from(&self, first: &Key, limit: usize) -> Result<Vec<Row>> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        Ok(rows.range(*first..).take(limit).map(|(k, v)| (*k, *v)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator of its own, so that a failing seed can be replayed anywhere (Steele, Lea, Flood: SplitMix64).
    fn splitmix(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[test]
    fn bf_tree_agrees_with_the_model_on_random_rows() {
        for seed in 0..4u64 {
            let (tree, model) = (BfTreeDelta::create().unwrap(), BTreeDelta::create().unwrap());
            let mut state = seed;
            for step in 0..30_000u64 {
                let n = splitmix(&mut state);
                let mut group = [0; 16];
                group[..8].copy_from_slice(&(n % 997).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
                let group = Group(group);
                let key = Key::new(group, (n >> 20) as u32 % 3, (n >> 30) as u32 % 40);
                match n >> 60 {
                    0..=9 => {
                        let value = [(step % 251) as u8; VALUE_LEN];
                        tree.put(&key, &value).unwrap();
                        model.put(&key, &value).unwrap();
                    }
                    10..=13 => assert_eq!(tree.get(&key), model.get(&key), "seed {seed} step {step}"),
                    _ => {
                        let (mut a, mut b) = (Vec::new(), Vec::new());
                        tree.group(group, &mut a).unwrap();
                        model.group(group, &mut b).unwrap();
                        assert_eq!(a, b, "seed {seed} step {step}");
                    }
                }
            }
            for limit in [0, 1, 100, usize::MAX >> 1] {
                let from = Key::new(Group([128; 16]), 1, 7);
                for first in [Key([0; KEY_LEN]), from] {
                    let rows = tree.rows_from(&first, limit).unwrap();
                    assert_eq!(rows, model.rows_from(&first, limit).unwrap(), "seed {seed} limit {limit}");
                }
            }
        }
    }
}
