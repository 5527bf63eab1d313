//! The delta: the mutable newest layer of the index, behind a trait of five methods.

mod bftree;

pub use bftree::BfTreeDelta;

use crate::error::Result;
use crate::format::row::{Group, Key, Value};
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

/// A row of the index.
pub type Row = (Key, Value);

/// Which rows of a group are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// All of them.
    All,
    /// Of each slot the head and the first spill row: where each session stands and where it begins, however long it is.
    Heads,
}

impl Rows {
    /// Whether what follows a row is to be passed over up to the next slot.
    pub fn end_at(self, key: &Key) -> bool {
        self == Self::Heads && key.index() != 0
    }

    /// Reads a group by `part`, which reads from a key on, and gives the key it ended at by [`end_at`](Self::end_at), if it
    /// did: then it is asked again, for the next slot.
    pub fn of(group: Group, mut part: impl FnMut(&Key) -> Result<Option<Key>>) -> Result<()> {
        let mut from = Some(Key::first(group));
        while let Some(first) = from {
            from = part(&first)?.and_then(|end| end.next_slot());
        }
        Ok(())
    }
}

/// A mutable ordered map of rows. Callers make sure that no write runs beside a read or another write.
pub trait Delta: Send + Sync + Sized + 'static {
    /// An empty delta.
    fn create() -> Result<Self>;
    /// The row of this key.
    fn get(&self, key: &Key) -> Option<Value>;
    /// Writes a row, replacing one of the same key.
    fn put(&self, key: &Key, value: &Value) -> Result<()>;
    /// The rows of a group in order, appended to `out`.
    fn group(&self, group: Group, rows: Rows, out: &mut Vec<Row>) -> Result<()>;
    /// Up to `limit` rows in order, from the first whose key is at least `first`.
    fn rows_from(&self, first: &Key, limit: usize) -> Result<Vec<Row>>;
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
    fn group(&self, group: Group, wanted: Rows, out: &mut Vec<Row>) -> Result<()> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        Rows::of(group, |first| {
            for (key, value) in rows.range(first..=&Key::last(group)) {
                out.push((*key, *value));
                if wanted.end_at(key) {
                    return Ok(Some(*key));
                }
            }
            Ok(None)
        })
    }
    fn rows_from(&self, first: &Key, limit: usize) -> Result<Vec<Row>> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        Ok(rows.range(*first..).take(limit).map(|(k, v)| (*k, *v)).collect())
    }
}
