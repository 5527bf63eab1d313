//! The delta over bf-tree: the only module that knows the crate.
//!
//! Invariants kept here, since bf-tree 0.5.7 breaks where they are not (docs/design.md, section 5.4): keys and values
//! have one fixed size; nothing is ever deleted; nothing is persisted by the tree; a scan is drained into memory before
//! anything else touches the tree; buffers are always long enough.
//!
//! `bf_tree` is `bf-tree-portable`, upstream's source with edits (docs/design.md, section 5.4). A test compiles this file again
//! over the crate that upstream published.

use crate::engine::delta::{Delta, Row, Rows};
use crate::error::{Error, Result};
use crate::format::row::{Group, KEY_LEN, Key, VALUE_LEN, Value};
use bf_tree::{
    BfTree, LeafInsertResult, LeafReadResult, ScanIter, ScanIterError, ScanReturnField, StorageBackend,
};

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

    /// Appends rows up to the last one, or up to one that `wanted` ends at, whose key it gives.
    fn drain(
        scan: Result<ScanIter<'_, '_>, ScanIterError>,
        wanted: Rows,
        out: &mut Vec<Row>,
    ) -> Result<Option<Key>> {
        let mut scan = scan.map_err(|e| Error::Internal(format!("bf-tree refused a scan: {e:?}")))?;
        let mut buffer = [0u8; ROW_BYTES];
        while let Some(lengths) = scan.next(&mut buffer) {
            let row = buffer.split_first_chunk::<KEY_LEN>().and_then(|(key, value)| {
                (lengths == (KEY_LEN, VALUE_LEN))
                    .then(|| value.first_chunk::<VALUE_LEN>().map(|v| (Key(*key), *v)))?
            });
            let row =
                row.ok_or_else(|| Error::Internal(format!("bf-tree gave a row of {lengths:?} bytes")))?;
            out.push(row);
            if wanted.end_at(&row.0) {
                return Ok(Some(row.0));
            }
        }
        Ok(None)
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

    fn group(&self, group: Group, rows: Rows, out: &mut Vec<Row>) -> Result<()> {
        let last = Key::last(group);
        Rows::of(group, |first| {
            let scan = self.tree.scan_with_end_key(&first.0, &last.0, ScanReturnField::KeyAndValue);
            Self::drain(scan, rows, out)
        })
    }

    fn rows_from(&self, first: &Key, limit: usize) -> Result<Vec<Row>> {
        let mut out = Vec::new();
        if limit > 0 {
            let scan = self.tree.scan_with_count(&first.0, limit, ScanReturnField::KeyAndValue);
            Self::drain(scan, Rows::All, &mut out)?;
        }
        Ok(out)
    }
}
