//! The immutable layers of the index and the segments their rows point into: one consistent version, replaced as a
//! whole when a manifest is published.
//!
//! A layer is a row of parts by ranges of groups. While layers are being merged, the layer under construction has the
//! groups before some border, and the merged layers those from it on: each row is in one of them.

use super::cache::ReadCache;
use super::delta::{Row, Rows};
use super::read_ahead;
use super::run::RunFile;
use super::segment::{RecordBytes, Segment, Span};
use crate::error::{Error, Result};
use crate::file::FileIO;
use crate::format::manifest::{FIRST_GROUP, Manifest, PartEntry};
use crate::format::row::{Group, Key, Value};
use crate::format::run::Filter;
use crate::format::{Location, Ordinal, RunId, SegmentId};
use crate::order::{gathered, sort_by_key};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A part of a layer.
pub struct Part<F: FileIO> {
    /// The part as the manifest names it.
    pub entry: PartEntry,
    /// Its run.
    pub run: Arc<RunFile<F>>,
    /// The run's filter: most lookups of a store that has many layers need nothing else of them.
    filter: Filter,
}

impl<F: FileIO> Part<F> {
    fn new(entry: &PartEntry, run: &Arc<RunFile<F>>) -> Self {
        Self { entry: entry.clone(), run: Arc::clone(run), filter: run.filter().clone() }
    }
}

/// A layer of the index.
pub struct Layer<F: FileIO> {
    /// Its parts, in the order of their groups.
    pub parts: Vec<Part<F>>,
    /// Groups before this one are in the layer under construction.
    pub from: Group,
}

impl<F: FileIO> Layer<F> {
    /// The run that has the rows of a group, if there are any in this layer.
    pub fn run(&self, group: Group) -> Option<&Arc<RunFile<F>>> {
        self.part(group).map(|part| &part.run)
    }

    fn part(&self, group: Group) -> Option<&Part<F>> {
        if group < self.from {
            return None;
        }
        let at = self.parts.partition_point(|part| part.entry.high < group);
        self.parts.get(at).filter(|part| part.entry.low <= group)
    }

    /// Rows of its parts.
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.run.rows()).sum()
    }

    /// Bytes of its runs, and of the records their rows point to.
    pub fn bytes(&self) -> u64 {
        let live = |entry: &PartEntry| entry.segments.iter().map(|segment| segment.live).sum::<u64>();
        self.parts.iter().map(|part| part.entry.file_len + live(&part.entry)).sum()
    }
}

/// A list of CoValues in the order of their creation: the first one's place, how many, and the run that has the list.
type OrderList<F> = (Ordinal, u64, Arc<RunFile<F>>);

/// Files opened since the last version.
pub struct Opened<F: FileIO> {
    /// Runs.
    pub runs: Vec<Arc<RunFile<F>>>,
    /// Packs, or segments of the log.
    pub segments: Vec<Arc<Segment<F>>>,
}

impl<F: FileIO> Default for Opened<F> {
    fn default() -> Self {
        Self { runs: Vec::new(), segments: Vec::new() }
    }
}

/// Files that a newer version does not have any more.
pub struct Dropped<F: FileIO> {
    /// Runs.
    pub runs: Vec<Arc<RunFile<F>>>,
    /// Segments and packs.
    pub segments: Vec<Arc<Segment<F>>>,
}

impl<F: FileIO> Default for Dropped<F> {
    fn default() -> Self {
        Self { runs: Vec::new(), segments: Vec::new() }
    }
}

impl<F: FileIO> Dropped<F> {
    /// Adds others.
    pub fn extend(&mut self, others: Self) {
        self.runs.extend(others.runs);
        self.segments.extend(others.segments);
    }
}

/// Layers, oldest first, and all segments.
pub struct Layers<F: FileIO> {
    /// The layers, oldest first.
    pub layers: Vec<Layer<F>>,
    /// All segments of the store, packs included.
    pub segments: BTreeMap<SegmentId, Arc<Segment<F>>>,
    order: Vec<OrderList<F>>,
    /// What was read of them.
    pub cache: Arc<ReadCache>,
}

impl<F: FileIO> Layers<F> {
    /// No layers and no segments.
    pub fn new(cache: Arc<ReadCache>) -> Self {
        Self { layers: Vec::new(), segments: BTreeMap::new(), order: Vec::new(), cache }
    }

    /// The version with more segments.
    pub fn with_segments(&self, more: impl IntoIterator<Item = Arc<Segment<F>>>) -> Self {
        let mut segments = self.segments.clone();
        segments.extend(more.into_iter().map(|segment| (segment.id(), segment)));
        let layer = |layer: &Layer<F>| Layer {
            parts: layer.parts.iter().map(|part| Part::new(&part.entry, &part.run)).collect(),
            from: layer.from,
        };
        Self {
            layers: self.layers.iter().map(layer).collect(),
            segments,
            order: self.order.clone(),
            cache: Arc::clone(&self.cache),
        }
    }

    /// The version that a manifest describes, of what this one has and what was opened since; and what it lacks.
    pub fn replaced(&self, manifest: &Manifest, opened: Opened<F>) -> Result<(Self, Dropped<F>)> {
        let mut runs: BTreeMap<RunId, Arc<RunFile<F>>> =
            gathered(opened.runs.into_iter().map(|run| (run.id(), run)));
        for part in self.layers.iter().flat_map(|layer| &layer.parts) {
            runs.insert(part.run.id(), Arc::clone(&part.run));
        }
        let mut segments = self.segments.clone();
        segments.extend(opened.segments.into_iter().map(|segment| (segment.id(), segment)));
        let mut next = Self::new(Arc::clone(&self.cache));
        for (place, entry) in manifest.layers.iter().enumerate() {
            let merged = manifest.merge.filter(|merge| {
                let output = merge.output as usize;
                (output + 1..=output + merge.inputs as usize).contains(&place)
            });
            let mut layer = Layer { parts: Vec::new(), from: merged.map_or(FIRST_GROUP, |merge| merge.next) };
            for entry in &entry.parts {
                let missing = || Error::Internal(format!("{} is not open", entry.run.file_name()));
                let run = runs.get(&entry.run).ok_or_else(missing)?;
                for segment in &entry.segments {
                    if let Some(segment) = segments.get(&segment.id) {
                        next.segments.insert(segment.id(), Arc::clone(segment));
                    }
                }
                let (first, count) = run.order();
                if count > 0 {
                    next.order.push((first, count, Arc::clone(run)));
                }
                layer.parts.push(Part::new(entry, run));
            }
            next.layers.push(layer);
        }
        sort_by_key(&mut next.order, |(first, ..)| *first);
        next.cache.index_takes(next.parts().map(|part| part.entry.file_len).sum());
        // The log from the replay position on belongs to the store whatever the parts name.
        let log = |id: SegmentId| !id.is_pack() && id >= manifest.replay_from;
        for (id, segment) in &segments {
            if log(*id) {
                next.segments.insert(*id, Arc::clone(segment));
            }
        }
        let named: Vec<RunId> = manifest.parts().map(|part| part.run).collect();
        let dropped = Dropped {
            runs: runs.into_values().filter(|run| !named.contains(&run.id())).collect(),
            segments: segments
                .into_values()
                .filter(|segment| !next.segments.contains_key(&segment.id()))
                .collect(),
        };
        Ok((next, dropped))
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// All parts, oldest layer first.
    pub fn parts(&self) -> impl Iterator<Item = &Part<F>> {
        self.layers.iter().flat_map(|layer| &layer.parts)
    }

    /// The runs that may have rows of a group, newest first. All filters are asked before any run is read: in a large store
    /// each has to come from memory, and so they come at once.
    fn runs(&self, group: Group) -> impl Iterator<Item = &Arc<RunFile<F>>> {
        self.layers.rchunks(u64::BITS as usize).flat_map(move |layers| {
            let mut may = 0u64;
            for (place, layer) in layers.iter().enumerate() {
                let has = layer.part(group).is_some_and(|part| part.filter.may_contain(group));
                may |= u64::from(has) << place;
            }
            std::iter::from_fn(move || {
                let newest = may.checked_ilog2()?;
                may &= !(1 << newest);
                layers.get(newest as usize)?.run(group)
            })
        })
    }

    /// The newest row of a key.
    pub fn get(&self, key: &Key) -> Result<Option<Value>> {
        for run in self.runs(key.group()) {
            if let Some(value) = run.get(key, &self.cache)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// All rows of a key, newest first.
    pub fn get_all(&self, key: &Key) -> Result<Vec<Value>> {
        let rows = self.runs(key.group()).map(|run| run.get(key, &self.cache));
        rows.filter_map(Result::transpose).collect()
    }

    /// The rows of a group in each layer that has any, newest layer first.
    pub fn group(&self, group: Group, wanted: Rows, out: &mut Vec<Vec<Row>>) -> Result<()> {
        for run in self.runs(group) {
            let mut rows = Vec::new();
            run.group(group, wanted, &self.cache, &mut rows)?;
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

    /// The records at these locations, in the same order. Neighbours in a file, given one after the other, are read
    /// together.
    pub fn read(&self, mut locations: &[Location]) -> Result<Vec<RecordBytes>> {
        let mut records = Vec::with_capacity(locations.len());
        while let Some((span, rest)) = Span::split_off(locations) {
            if let Some(segment) = span.segment() {
                self.segment(segment)?.records(&span, &self.cache, &mut records)?;
            }
            locations = rest;
        }
        Ok(records)
    }

    /// Says that the record at this location will be read soon. False if it is too small for that to be of use.
    pub fn will_read(&self, location: Location) -> bool {
        let is_large = u64::from(location.len) >= read_ahead::LARGE;
        if let Some(segment) = self.segments.get(&location.segment).filter(|_| is_large) {
            segment.will_read(location);
        }
        is_large
    }

    /// The groups in the order of their creation, as far as the layers know: at most `limit` from `skip` on.
    pub fn created(&self, skip: u64, limit: u64, out: &mut Vec<Group>) -> Result<()> {
        let (mut at, end) = (skip, skip.saturating_add(limit));
        for (Ordinal(first), count, run) in &self.order {
            if at < end && at >= *first && at < first + count {
                let before = out.len();
                run.created(at - first, end - at, out)?;
                at += (out.len() - before) as u64;
            }
        }
        Ok(())
    }
}
