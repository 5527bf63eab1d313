//! The immutable layers of the index and the segments their rows point into: one consistent version, replaced as a
//! whole when a checkpoint is published.

use super::cache::ReadCache;
use super::delta::Row;
use super::run::RunFile;
use super::segment::{RecordBytes, Segment};
use crate::error::{Error, Result};
use crate::file::FileIO;
use crate::format::row::{Group, Key, Value};
use crate::format::{Location, Ordinal, SegmentId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Runs, oldest first, and all segments.
pub struct Layers<F: FileIO> {
    /// The runs, oldest first.
    pub runs: Vec<Arc<RunFile<F>>>,
    /// All segments of the store.
    pub segments: BTreeMap<SegmentId, Arc<Segment<F>>>,
    /// What was read of them.
    pub cache: Arc<ReadCache>,
}

impl<F: FileIO> Clone for Layers<F> {
    fn clone(&self) -> Self {
        Self { runs: self.runs.clone(), segments: self.segments.clone(), cache: Arc::clone(&self.cache) }
    }
}

impl<F: FileIO> Layers<F> {
    /// The newest row of a key among the runs.
    pub fn get(&self, key: &Key) -> Result<Option<Value>> {
        for run in self.runs.iter().rev() {
            if let Some(value) = run.get(key, &self.cache)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// All rows of a key among the runs, newest first.
    pub fn get_all(&self, key: &Key) -> Result<Vec<Value>> {
        let rows = self.runs.iter().rev().map(|run| run.get(key, &self.cache));
        rows.filter_map(Result::transpose).collect()
    }

    /// The rows of a group in each run that has any, newest run first.
    pub fn group(&self, group: Group, out: &mut Vec<Vec<Row>>) -> Result<()> {
        for run in self.runs.iter().rev() {
            let mut rows = Vec::new();
            run.group(group, &self.cache, &mut rows)?;
            if !rows.is_empty() {
                out.push(rows);
            }
        }
        Ok(())
    }

    /// A segment that the index names.
    pub fn segment(&self, id: SegmentId) -> Result<&Arc<Segment<F>>> {
        self.segments.get(&id).ok_or_else(|| {
            Error::Internal(format!("the index names {}, which is not part of the store", id.file_name()))
        })
    }

    /// The records at these locations, in the same order.
    pub fn read(&self, locations: &[Location]) -> Result<Vec<RecordBytes>> {
        locations
            .iter()
            .map(|location| self.segment(location.segment)?.record(*location, &self.cache))
            .collect()
    }

    /// The groups in the order of their creation, as far as the runs know: at most `limit` from `skip` on.
    pub fn created(&self, skip: u64, limit: u64, out: &mut Vec<Group>) -> Result<()> {
        let (mut at, end) = (skip, skip.saturating_add(limit));
        for run in &self.runs {
            let (Ordinal(first), count) = run.order();
            if at < end && at >= first && at < first + count {
                let before = out.len();
                run.created(at - first, end - at, out)?;
                at += (out.len() - before) as u64;
            }
        }
        Ok(())
    }
}
