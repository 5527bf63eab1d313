//! The immutable layers of the index and the segments their rows point into: one consistent version, replaced as a
//! whole when a checkpoint is published.

use super::delta::Row;
use super::run::{BlockCache, RunFile};
use super::segment::{RecordBytes, Segment, read_records};
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
}

impl<F: FileIO> Clone for Layers<F> {
    fn clone(&self) -> Self {
        Self { runs: self.runs.clone(), segments: self.segments.clone() }
    }
}

impl<F: FileIO> Layers<F> {
    /// The newest row of a key among the runs.
    pub fn get(&self, key: &Key, cache: &BlockCache) -> Result<Option<Value>> {
        for run in self.runs.iter().rev() {
            if let Some(value) = run.get(key, cache)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// All rows of a key among the runs, newest first.
    pub fn get_all(&self, key: &Key, cache: &BlockCache) -> Result<Vec<Value>> {
        let rows = self.runs.iter().rev().map(|run| run.get(key, cache));
        rows.filter_map(Result::transpose).collect()
    }

    /// The rows of a group in each run that has any, newest run first.
    pub fn group(&self, group: Group, cache: &BlockCache, out: &mut Vec<Vec<Row>>) -> Result<()> {
        for run in self.runs.iter().rev() {
            let mut rows = Vec::new();
            run.group(group, cache, &mut rows)?;
            if !rows.is_empty() {
                out.push(rows);
            }
        }
        Ok(())
    }

    fn segment(&self, id: SegmentId) -> Result<&Arc<Segment<F>>> {
        self.segments.get(&id).ok_or_else(|| {
            Error::Internal(format!("the index names {}, which is not part of the store", id.file_name()))
        })
    }

    /// The records at these locations, in the same order. Neighbours are read together.
    pub fn read(&self, locations: &[Location]) -> Result<Vec<RecordBytes>> {
        if let [only] = locations {
            return read_records(self.segment(only.segment)?, locations);
        }
        let mut order: Vec<usize> = (0..locations.len()).collect();
        order.sort_unstable_by_key(|i| locations.get(*i));
        let mut out: Vec<Option<RecordBytes>> = locations.iter().map(|_| None).collect();
        let sorted: Vec<Location> = order.iter().filter_map(|i| locations.get(*i).copied()).collect();
        let mut places = order.into_iter();
        for batch in sorted.chunk_by(|a, b| a.segment == b.segment) {
            let Some(first) = batch.first() else { continue };
            for (record, place) in
                read_records(self.segment(first.segment)?, batch)?.into_iter().zip(&mut places)
            {
                if let Some(slot) = out.get_mut(place) {
                    *slot = Some(record);
                }
            }
        }
        let all: Option<Vec<_>> = out.into_iter().collect();
        all.ok_or_else(|| Error::Internal("a record was not read".to_owned()))
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
