//! Merging layers, slice by slice of their groups.
//!
//! The rows of the layers become those of one layer; records of groups that are scattered over several packs, or that
//! lie in packs with much that is not needed any more, are rewritten next to each other. Each slice becomes a part of the
//! layer under construction, is published by itself, and lets go of the parts of the merged layers that lie before its
//! end. So a merge needs room for one slice and one part of each layer, goes on where it was after a crash, and never
//! makes a store or a checkpoint wait.
//!
//! A single part is rewritten in the same way, in one slice, in its place.

use super::Schema;
use super::checkpoint::ROW_WORK;
use super::delta::{Delta, Row, Rows};
use super::layers::{Layer, Layers, Opened};
use super::maintenance::{Change, Maintenance};
use super::part::{Finished, PartWriter, Rewriting, record_bytes};
use super::run::{RunFile, RunScan};
use super::state::Core;
use crate::error::{Error, Result};
use crate::file::FileIO;
use crate::format::manifest::{FIRST_GROUP, LAST_GROUP, LayerEntry, Manifest, MergeEntry};
use crate::format::record;
use crate::format::row::Group;
use crate::format::{Ordinal, RunId, SegmentId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What a merge would leave in the packs there are, if only the groups that are scattered were moved. Known beforehand, it
/// decides which packs are rewritten as a whole, so that no merge leaves packs that are mostly dead.
struct Plan<F: FileIO> {
    scans: Vec<LayerScan<F>>,
    left: BTreeMap<SegmentId, u64>,
    /// Packs of which less than this part would be left are rewritten.
    below: f64,
}

/// What is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// `inputs` layers from place `first` on, to one layer in their place.
    Layers { first: usize, inputs: usize },
    /// One part of the layer at a place.
    Part { layer: usize, run: RunId },
}

/// A merge under way.
pub(super) struct Merge<F: FileIO> {
    target: Target,
    /// One for each layer merged, newest first.
    scans: Vec<LayerScan<F>>,
    layers: Arc<Layers<F>>,
    rewriting: Rewriting,
    plan: Option<Plan<F>>,
    /// No older layer is left.
    oldest: bool,
    /// The groups that remain.
    low: Group,
    high: Group,
    writer: Option<PartWriter<F>>,
    /// A slice ends when it has so many bytes or rows.
    slice_bytes: u64,
    slice_rows: u64,
}

/// The rows of a layer in order.
pub(super) struct LayerScan<F: FileIO> {
    parts: VecDeque<Arc<RunFile<F>>>,
    scan: Option<RunScan<F>>,
    head: Option<Row>,
    from: Group,
    /// Damaged blocks are passed over.
    tolerant: bool,
}

impl<F: FileIO> LayerScan<F> {
    fn new(layer: &Layer<F>, from: Group, only: Option<RunId>) -> Result<Self> {
        let wanted = layer.parts.iter().filter(|part| part.entry.high >= from);
        let wanted = wanted.filter(|part| only.is_none_or(|run| run == part.entry.run));
        let parts = wanted.map(|part| Arc::clone(&part.run)).collect();
        let mut scan = Self { parts, scan: None, head: None, from, tolerant: false };
        scan.advance()?;
        Ok(scan)
    }

    /// All rows from a group on that are in blocks which are not damaged.
    pub(super) fn tolerant(layer: &Layer<F>, from: Group) -> Result<Self> {
        let parts = layer.parts.iter().map(|part| Arc::clone(&part.run)).collect();
        let mut scan = Self { parts, scan: None, head: None, from, tolerant: true };
        scan.advance()?;
        Ok(scan)
    }

    /// The next row's group.
    pub(super) fn group(&self) -> Option<Group> {
        self.head.map(|(key, _)| key.group())
    }

    /// Goes on to the next row.
    pub(super) fn advance(&mut self) -> Result<()> {
        loop {
            if let Some(scan) = &mut self.scan {
                self.head = match scan.advance() {
                    Err(Error::Corrupt { .. }) if self.tolerant => continue,
                    other => other?,
                };
                if self.head.is_some() {
                    return Ok(());
                }
            }
            match self.parts.pop_front() {
                Some(run) => self.scan = Some(run.scan(self.from)),
                None => {
                    self.scan = None;
                    self.head = None;
                    return Ok(());
                }
            }
        }
    }

    /// The rows of this group, if they are next.
    pub(super) fn take_group(&mut self, group: Group) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        while let Some(row) = self.head.filter(|(key, _)| key.group() == group) {
            rows.push(row);
            self.advance()?;
        }
        Ok(rows)
    }
}

impl<F: FileIO> Merge<F> {
    /// The next group.
    fn group(&self) -> Option<Group> {
        self.scans.iter().filter_map(LayerScan::group).min()
    }

    /// The places of the layers merged; that of the layer under construction is not among them.
    fn inputs(target: Target, manifest: &Manifest) -> std::ops::Range<usize> {
        match (target, manifest.merge) {
            (_, Some(merge)) => {
                let first = merge.output as usize + 1;
                first..first + merge.inputs as usize
            }
            (Target::Layers { first, inputs }, None) => first..first + inputs,
            (Target::Part { layer, .. }, None) => layer..layer + 1,
        }
    }

    /// Leave records where they are from here on, as there are too many layers.
    pub(super) fn hurry(&mut self) {
        self.plan = None;
        self.rewriting.keep_all = true;
        if let Some(writer) = &mut self.writer {
            writer.keep_all();
        }
    }
}

impl<F: FileIO, S: Schema, D: Delta> Core<F, S, D> {
    /// Begins a merge, or goes on with the one that the manifest says is under way.
    pub(super) fn begin_merge(
        &self,
        m: &Maintenance<F, D>,
        target: Target,
        mut rewriting: Rewriting,
        below: f64,
    ) -> Result<Merge<F>> {
        let layers = Arc::clone(&self.index().layers);
        let places = Merge::<F>::inputs(target, &m.manifest);
        // Slices that were written before the store was opened again belong to the same layer.
        let output = m.manifest.merge.and_then(|merge| layers.layers.get(merge.output as usize));
        let layers_merged = layers.layers.get(places.clone()).unwrap_or_default().iter().chain(output);
        let as_of = layers_merged.flat_map(|layer| &layer.parts).map(|part| part.run.as_of()).max();
        rewriting.as_of = as_of.unwrap_or_default();
        let low = m.manifest.merge.map_or(FIRST_GROUP, |merge| merge.next);
        let (only, low, high) = match target {
            Target::Part { layer, run } => {
                let parts = layers.layers.get(layer).map(|layer| &layer.parts);
                let part = parts.and_then(|parts| parts.iter().find(|part| part.entry.run == run));
                let part = part.ok_or_else(|| Error::Internal("a part to rewrite is gone".to_owned()))?;
                (Some(run), part.entry.low, part.entry.high)
            }
            Target::Layers { .. } => (None, low, LAST_GROUP),
        };
        let inputs = layers.layers.get(places.clone()).unwrap_or_default();
        let oldest = match m.manifest.merge {
            Some(merge) => merge.output == 0,
            None => places.start == 0,
        };
        let (bytes, rows) = inputs.iter().fold((0, 0), |(b, r), layer| (b + layer.bytes(), r + layer.rows()));
        let scan =
            || inputs.iter().rev().map(|layer| LayerScan::new(layer, low, only)).collect::<Result<_>>();
        let whole = only.is_some();
        let plan = match target {
            Target::Layers { .. } if !rewriting.keep_all => {
                Some(Plan { scans: scan()?, left: BTreeMap::new(), below })
            }
            _ => None,
        };
        Ok(Merge {
            target,
            scans: scan()?,
            plan,
            layers,
            rewriting,
            oldest,
            low,
            high,
            writer: None,
            slice_bytes: if whole { u64::MAX } else { (2 * self.options.segment_bytes).max(bytes / 32) },
            slice_rows: if whole { u64::MAX } else { (4 * self.options.checkpoint_rows).max(rows / 32) },
        })
    }

    /// Merges about `work` bytes. Gives the job back if there is more to do.
    pub(super) fn merge_some(
        &self,
        m: &mut Maintenance<F, D>,
        mut job: Merge<F>,
        work: u64,
    ) -> Result<Option<Merge<F>>> {
        let mut done = 0;
        if let Some(plan) = job.plan.take() {
            job.plan = self.plan_some(plan, &mut job.rewriting, &job.layers, work)?;
            return Ok(Some(job));
        }
        let mut out = Vec::new();
        while let Some(group) = job.group() {
            if done >= work {
                return Ok(Some(job));
            }
            let mut writer = match job.writer.take() {
                Some(writer) => writer,
                None => {
                    let rewriting = job.rewriting.clone();
                    let (io, layers, options) = (&self.io, &job.layers, &self.options);
                    PartWriter::create(io, layers, self.identity, &self.numbers, rewriting, options)?
                }
            };
            let mut layers = Vec::with_capacity(job.scans.len());
            for scan in &mut job.scans {
                let rows = scan.take_group(group)?;
                if !rows.is_empty() {
                    done += rows.len() as u64 * ROW_WORK;
                    layers.push(rows);
                }
            }
            if let Target::Part { layer, .. } = job.target {
                layers = self.without_void(&job.layers, layer, group, layers)?;
            }
            let before = writer.moved();
            out.clear();
            self.pack(&layers, job.oldest, &mut writer, &mut out)?;
            writer.push_all(&out)?;
            done += writer.moved() - before;
            let full = writer.moved() >= job.slice_bytes || writer.rows() >= job.slice_rows;
            job.writer = Some(writer);
            if let Some(next) = job.group().filter(|_| full) {
                self.publish_slice(m, &mut job, next)?;
            }
        }
        self.finish_merge(m, job).map(|()| None)
    }

    /// Plans about `work` bytes of a merge. Gives the plan back if it is not complete.
    fn plan_some(
        &self,
        mut plan: Plan<F>,
        rewriting: &mut Rewriting,
        layers: &Layers<F>,
        work: u64,
    ) -> Result<Option<Plan<F>>> {
        let mut done = 0;
        while let Some(group) = plan.scans.iter().filter_map(LayerScan::group).min() {
            if done >= work {
                return Ok(Some(plan));
            }
            let mut rows = Vec::with_capacity(plan.scans.len());
            for scan in &mut plan.scans {
                let of_layer = scan.take_group(group)?;
                done += of_layer.len() as u64 * ROW_WORK;
                rows.push(of_layer);
            }
            let records = self.schema.locations(&rows);
            let large = self.options.large_bytes;
            let loose = records.iter().filter(|record| record.len < large).map(|record| record.segment);
            let first = loose.clone().next();
            let scattered = loose.clone().any(|segment| Some(segment) != first);
            for record in records {
                if record.len >= large || !scattered {
                    *plan.left.entry(record.segment).or_default() += record::align(u64::from(record.len));
                }
            }
        }
        for segment in layers.parts().flat_map(|part| &part.entry.segments) {
            // A pack that layers point to which are not merged is judged by what they leave of it, which is not known here.
            let left = plan.left.get(&segment.id).map(|left| *left as f64);
            if left.is_some_and(|left| left < record_bytes(segment.len) as f64 * plan.below) {
                rewriting.packs.insert(segment.id);
            }
        }
        Ok(None)
    }

    /// Rows of a part without what newer layers make void: so what was erased goes when its pack is rewritten, and need
    /// not wait until the layers are merged.
    fn without_void(
        &self,
        layers: &Layers<F>,
        place: usize,
        group: Group,
        rows: Vec<Vec<Row>>,
    ) -> Result<Vec<Vec<Row>>> {
        let mut newer = Vec::new();
        let runs = layers.layers.iter().skip(place + 1).rev().filter_map(|layer| layer.run(group));
        for run in runs.filter(|run| run.filter().may_contain(group)) {
            let mut found = Vec::new();
            run.group(group, Rows::All, &self.cache, &mut found)?;
            if self.schema.voids(&found) {
                newer.push(found);
            }
        }
        if newer.is_empty() {
            return Ok(rows);
        }
        Ok(rows.into_iter().map(|rows| self.schema.without_void(rows, &newer)).collect())
    }

    /// Publishes what was merged before `next`.
    fn publish_slice(&self, m: &mut Maintenance<F, D>, job: &mut Merge<F>, next: Group) -> Result<()> {
        let Some(writer) = job.writer.take() else { return Ok(()) };
        let moved = writer.moved();
        let high = next.previous().unwrap_or(FIRST_GROUP);
        let Finished { entry, run, packs } =
            writer.finish((job.low, high), (Ordinal(0), 0), &mut |_, _| Ok(Vec::new()))?;
        self.count(|c| {
            c.bytes_rewritten += moved + entry.file_len;
            c.merges += 1;
        });
        let places = Merge::<F>::inputs(job.target, &m.manifest);
        let edit = |manifest: &mut Manifest| {
            let (output, inputs) = match manifest.merge {
                Some(merge) => (merge.output as usize, merge.inputs),
                None => {
                    manifest.layers.insert(places.start, LayerEntry::default());
                    (places.start, places.len() as u32)
                }
            };
            manifest.merge = Some(MergeEntry { output: output as u32, inputs, next });
            if let Some(layer) = manifest.layers.get_mut(output) {
                layer.parts.push(entry);
            }
            for layer in manifest.layers.iter_mut().skip(output + 1).take(inputs as usize) {
                // The last part has the list of the CoValues created, which goes with the last slice.
                let last = layer.parts.last().map(|part| part.run);
                layer.parts.retain(|part| part.high >= next || Some(part.run) == last);
            }
        };
        self.publish(
            m,
            Change { edit, opened: Opened { runs: vec![run], segments: packs }, flushed: false },
        )?;
        job.low = next;
        job.layers = Arc::clone(&self.index().layers);
        Ok(())
    }

    /// Publishes the last slice: the merged layers go.
    fn finish_merge(&self, m: &mut Maintenance<F, D>, mut job: Merge<F>) -> Result<()> {
        let places = Merge::<F>::inputs(job.target, &m.manifest);
        let layers = Arc::clone(&self.index().layers);
        let inputs = layers.layers.get(places.clone()).unwrap_or_default();
        let only = match job.target {
            Target::Part { run, .. } => Some(run),
            Target::Layers { .. } => None,
        };
        let parts = inputs.iter().flat_map(|layer| &layer.parts);
        let parts = parts.filter(|part| only.is_none_or(|run| run == part.entry.run));
        let lists = parts.map(|part| part.run.order()).filter(|(_, count)| *count > 0);
        let (mut first, mut count) = (None::<Ordinal>, 0);
        for (start, n) in lists {
            first = Some(first.map_or(start, |first| first.min(start)));
            count += n;
        }
        let first = first.unwrap_or_default();
        let list = &mut |skip: u64, limit: u64| {
            let mut out = Vec::new();
            layers.created(first.0 + skip, limit, &mut out)?;
            Ok(out)
        };
        let writer = match job.writer.take() {
            Some(writer) => writer,
            // Only the list of CoValues is left, of layers without rows.
            None => PartWriter::create(
                &self.io,
                &job.layers,
                self.identity,
                &self.numbers,
                Rewriting { as_of: job.rewriting.as_of, ..Rewriting::default() },
                &self.options,
            )?,
        };
        let moved = writer.moved();
        let Finished { entry, run, packs } = writer.finish((job.low, job.high), (first, count), list)?;
        self.count(|c| {
            c.bytes_rewritten += moved + entry.file_len;
            c.merges += 1;
        });
        if only.is_some() {
            m.was_rewritten(&entry, &job.rewriting);
        }
        let edit = |manifest: &mut Manifest| {
            if let Target::Part { layer, run } = job.target {
                let parts = manifest.layers.get_mut(layer).map(|layer| &mut layer.parts);
                if let Some(part) = parts.and_then(|parts| parts.iter_mut().find(|part| part.run == run)) {
                    *part = entry;
                }
                return;
            }
            manifest.layers.drain(places.clone());
            match manifest.merge.take() {
                Some(merge) => {
                    if let Some(layer) = manifest.layers.get_mut(merge.output as usize) {
                        layer.parts.push(entry);
                    }
                }
                None => manifest.layers.insert(places.start, LayerEntry { parts: vec![entry] }),
            }
        };
        // The job's own hold on what it read would keep the files from being removed.
        job.scans.clear();
        drop(job.layers);
        drop(layers);
        self.publish(m, Change { edit, opened: Opened { runs: vec![run], segments: packs }, flushed: false })
    }
}
