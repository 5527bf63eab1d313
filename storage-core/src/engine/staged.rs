//! Records of a batch that wait to be written together: their bytes, and what they will do to the index.
//!
//! One write of many small records costs hardly more than one of a single record, and that call is a third to a half of what
//! a small store costs the engine. But a row may be seen only when its record is in the log. So the rows wait here,
//! where only the batch itself sees them, and go to the index when the bytes are written; or nowhere, if that fails.
//!
//! Invariant: everything here is about the records after the log's end, in the order of their numbers, and under the lock of
//! the log. Outside of a [`super::Write`] nothing is staged.

use crate::format::Lsn;
use crate::format::row::{Group, Key, Value};
use std::collections::BTreeMap;

/// Rows that the index does not have yet.
pub(super) type StagedRows = BTreeMap<Key, Value>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Staged {
    /// The records, as they will be in the log.
    pub(super) bytes: Vec<u8>,
    /// How many there are.
    pub(super) records: u64,
    /// The number of the last one.
    pub(super) last: Option<Lsn>,
    pub(super) rows: StagedRows,
    /// How many of the rows have keys that the delta does not have.
    pub(super) fresh: u64,
    /// CoValues that they create, in order.
    pub(super) created: Vec<Group>,
}

impl Staged {
    /// Forgets everything but the memory, of which it keeps so many bytes at most.
    pub(super) fn clear(&mut self, keep: usize) {
        self.bytes.clear();
        self.bytes.shrink_to(keep);
        self.records = 0;
        self.last = None;
        self.rows.clear();
        self.fresh = 0;
        self.created.clear();
    }
}
