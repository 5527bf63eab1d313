//! Maintenance: writing deltas out, merging layers, rewriting what is mostly dead, removing files.
//!
//! All of it is cut into small steps, taken by whoever has time: the background thread where there is one, each commit
//! where there is none, a writer that finds the delta full, and the caller of `compact`. A step holds the maintenance
//! lock, so there is one flush and one merge at most, and only here is a manifest published, always made from the
//! current one. A flush goes first: it never waits for more than one step of a merge.
//!
//! Failures: a full disk ends the job, whose files are removed, and it is tried again later, first with the reserve and
//! without rewriting anything. Damage met in the index ends merging until the store is opened anew; damaged records are
//! left where they are. Anything else latches the store.

use super::Schema;
use super::checkpoint::Flush;
use super::delta::Delta;
use super::layers::{Dropped, Opened};
use super::manifest;
use super::merge::{Merge, Target};
use super::part::{Rewriting, record_bytes};
use super::reserve::RESERVE_FILE;
use super::run::RunFile;
use super::segment::Segment;
use super::slices::pause;
use super::state::{Core, Index};
use crate::error::{Error, Result};
use crate::file::FileIO;
use crate::format::manifest::{Manifest, PartEntry, SegmentEntry};
use crate::format::{RunId, SegmentId};
use crate::order::gathered;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes of work in one step: about a millisecond.
pub(super) const STEP_WORK: u64 = 256 * 1024;
/// Steps to let pass after the disk was full.
const PAUSE_STEPS: u32 = 64;
/// A pack with less than this part of its bytes in use is rewritten by itself.
const REWRITE_BELOW: f64 = 0.5;
/// A pack with less than this part of its bytes in use is rewritten when its part is merged.
pub(super) const MERGE_BELOW: f64 = 0.75;
/// A pack with less than this part of its bytes in use is rewritten by `compact`: any, as what is not in use may be what
/// was erased.
const COMPACT_BELOW: f64 = 1.0;
/// A pack with fewer bytes not in use than this is not worth a job of its own.
const LEAST_DEAD: u64 = 64 * 1024;

/// The bytes of a segment or pack, and how many of them rows point to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    pub(super) len: u64,
    live: u64,
}

impl Usage {
    pub(super) fn dead(&self) -> u64 {
        record_bytes(self.len).saturating_sub(self.live)
    }
    fn is_below(&self, part: f64) -> bool {
        (self.live as f64) < record_bytes(self.len) as f64 * part
    }
}

/// What a call of `compact` has still to do.
struct Compacting {
    /// All layers have been merged into one.
    merged: bool,
    /// Parts that came of it: rewriting them once more would change nothing.
    rewritten: BTreeSet<RunId>,
}

/// The state of maintenance.
pub(super) struct Maintenance<F: FileIO, D: Delta> {
    pub(super) manifest: Manifest,
    /// Segments of the log before the active one that the manifest does not know as sealed yet.
    pub(super) sealed: Vec<SegmentEntry>,
    flush: Option<Flush<F, D>>,
    merge: Option<Merge<F>>,
    compacting: Option<Compacting>,
    /// Files that no manifest slot names any more, but perhaps a reader has open.
    retired_runs: Vec<Arc<RunFile<F>>>,
    retired_segments: Vec<Arc<Segment<F>>>,
    /// Files that the slot written next may name until then, as writing it failed before.
    abandoned: Dropped<F>,
    /// Steps to let pass, as the disk was full.
    pause: u32,
    full: Option<Error>,
    /// Nothing is to be merged until something else is published or asked for.
    resting: bool,
    /// Damage met while merging.
    damage: Option<Error>,
    /// Packs that were to be rewritten, but hold damaged records, which stay.
    stuck: BTreeSet<SegmentId>,
    closed: bool,
}

impl<F: FileIO, D: Delta> Maintenance<F, D> {
    pub(super) fn new(manifest: Manifest, sealed: Vec<SegmentEntry>) -> Self {
        Self {
            manifest,
            sealed,
            flush: None,
            merge: None,
            compacting: None,
            retired_runs: Vec::new(),
            retired_segments: Vec::new(),
            abandoned: Dropped::default(),
            pause: 0,
            full: None,
            resting: false,
            damage: None,
            stuck: BTreeSet::new(),
            closed: false,
        }
    }

    /// Whether the disk was full lately, so that nothing is to be rewritten that can be left where it is.
    pub(super) fn is_short_of_room(&self) -> bool {
        self.full.is_some()
    }

    /// Why maintenance does not go on.
    pub(super) fn stalled(&self) -> Option<&Error> {
        self.damage.as_ref().or(self.full.as_ref())
    }

    /// A part was rewritten, to get rid of its packs that are mostly dead.
    pub(super) fn was_rewritten(&mut self, part: &PartEntry, rewriting: &Rewriting) {
        let left = part.segments.iter().map(|segment| segment.id).filter(|id| rewriting.packs.contains(id));
        self.stuck.extend(left);
        if let Some(compacting) = &mut self.compacting {
            compacting.rewritten.insert(part.run);
        }
    }

    /// The files that parts name, and how many bytes of each are in use.
    pub(super) fn usage(&self) -> BTreeMap<SegmentId, Usage> {
        let mut usage: BTreeMap<SegmentId, Usage> = BTreeMap::new();
        for segment in self.manifest.parts().flat_map(|part| &part.segments) {
            let entry = usage.entry(segment.id).or_default();
            entry.len = segment.len;
            entry.live += segment.live;
        }
        usage
    }
}

/// A change of what the store consists of.
pub(super) struct Change<F: FileIO, E: FnOnce(&mut Manifest)> {
    pub(super) edit: E,
    pub(super) opened: Opened<F>,
    /// The frozen delta is among the layers now.
    pub(super) flushed: bool,
}

/// What a step of maintenance leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing is due.
    Idle,
    /// There may be more to do.
    More,
    /// There is more to do, but no room for it.
    Paused,
}

impl<F: FileIO, S: Schema, D: Delta> Core<F, S, D> {
    /// Does about `work` bytes of what is due.
    pub(super) fn step(&self, m: &mut Maintenance<F, D>, work: u64) -> Result<Step> {
        let step = self.unobserved_step(m, work);
        // A full disk may not be the end of it: the next step may get on with less room.
        let rests = m.damage.is_some() || m.pause > 0 || m.stalled().is_none();
        if rests {
            self.observers.stalled(m.stalled());
        }
        step
    }

    fn unobserved_step(&self, m: &mut Maintenance<F, D>, work: u64) -> Result<Step> {
        if m.closed || self.latch.cause().is_some() {
            return Ok(Step::Idle);
        }
        self.remove_retired(m);
        if m.pause > 0 {
            m.pause -= 1;
            return Ok(Step::Paused);
        }
        let flushing = m.flush.is_some() || self.index().frozen.is_some();
        let due = flushing || self.is_due(&self.log());
        let outcome = if due { self.flush_step(m, work) } else { self.merge_step(m, work) };
        self.judge(m, outcome, due)
    }

    /// What a failed step means.
    fn judge(&self, m: &mut Maintenance<F, D>, outcome: Result<Step>, flushing: bool) -> Result<Step> {
        match outcome {
            Ok(step) => Ok(step),
            // A sync that fails latches, whatever the cause.
            Err(e) if self.latch.cause().is_some() => Err(e),
            Err(e @ Error::DiskFull { .. }) => {
                // It is tried again at once: with less to write, and if that is what has to be written, or what gives room
                // back, with the reserve to write it to.
                let first = m.full.is_none();
                m.full = Some(e.clone());
                let released = (flushing || !first) && self.release_reserve();
                if first || released {
                    return Ok(Step::More);
                }
                m.pause = PAUSE_STEPS;
                m.compacting = None;
                Err(e)
            }
            Err(e @ Error::Corrupt { .. }) if !flushing => {
                m.damage = Some(e.clone());
                m.compacting = None;
                Err(e)
            }
            Err(e) => Err(self.latch.set(e)),
        }
    }

    /// Whether what is due is merging that can wait: as long as there are not too many layers, and nobody needs what it gives
    /// back. More layers than there should be cost a lookup less than merging beside it does.
    pub(super) fn can_wait(&self, m: &Maintenance<F, D>) -> bool {
        let index = self.index();
        let few = index.layers.layers.len() <= self.options.max_layers.saturating_mul(2);
        let flushing = m.flush.is_some() || index.frozen.is_some();
        drop(index);
        let needed = m.compacting.is_some() || m.is_short_of_room() || self.spent.load(Ordering::Relaxed);
        few && !flushing && !needed && !self.is_due(&self.log())
    }

    fn flush_step(&self, m: &mut Maintenance<F, D>, work: u64) -> Result<Step> {
        let frozen = self.index().frozen.clone();
        let job = match (m.flush.take(), frozen) {
            (Some(job), _) => job,
            (None, Some(frozen)) => self.begin_flush(m, frozen)?,
            (None, None) => {
                self.freeze(m)?;
                return Ok(Step::More);
            }
        };
        m.flush = self.flush_some(m, job, work)?;
        if m.flush.is_none() {
            m.full = None;
            // The store has grown, and the reserve with it.
            if !self.spent.load(Ordering::Relaxed) && !self.log().closed {
                let _ = self.renew_reserve();
            }
        }
        Ok(Step::More)
    }

    fn merge_step(&self, m: &mut Maintenance<F, D>, work: u64) -> Result<Step> {
        let rests = m.resting && m.full.is_none() && !self.spent.load(Ordering::Relaxed);
        if m.damage.is_some() || rests {
            return Ok(Step::Idle);
        }
        if self.spent.load(Ordering::Relaxed) && !m.is_short_of_room() {
            // What the reserve gave is not for this.
            m.merge = None;
            m.full = Some(Error::DiskFull { path: self.io.path().join(RESERVE_FILE) });
        }
        let mut job = match m.merge.take() {
            Some(job) => job,
            None => match self.next_merge(m) {
                Some((target, rewriting)) => {
                    let below = if m.compacting.is_some() { COMPACT_BELOW } else { MERGE_BELOW };
                    self.begin_merge(m, target, rewriting, below)?
                }
                None => {
                    self.publish_again(m)?;
                    m.full = None;
                    if self.spent.load(Ordering::Relaxed) {
                        let _ = self.renew_reserve();
                    }
                    m.resting = true;
                    return Ok(Step::Idle);
                }
            },
        };
        if m.manifest.layers.len() > self.options.max_layers {
            job.hurry();
        }
        m.merge = self.merge_some(m, job, work)?;
        Ok(Step::More)
    }

    /// What is to be merged next.
    pub(super) fn next_merge(&self, m: &mut Maintenance<F, D>) -> Option<(Target, Rewriting)> {
        let layers = Arc::clone(&self.index().layers);
        let count = layers.layers.len();
        let usage = m.usage();
        let below = |part: f64| -> BTreeSet<SegmentId> {
            let below = usage.iter().filter(|(_, usage)| usage.is_below(part)).map(|(id, _)| *id);
            gathered(below.filter(|id| !m.stuck.contains(id)))
        };
        let all = |first, inputs, part| {
            Some((Target::Layers { first, inputs }, Rewriting { packs: below(part), ..Rewriting::default() }))
        };
        if m.manifest.merge.is_some() {
            if m.is_short_of_room() {
                let rewriting = Rewriting { keep_all: true, ..Rewriting::default() };
                return Some((Target::Layers { first: 0, inputs: 0 }, rewriting));
            }
            let part = if m.compacting.is_some() { COMPACT_BELOW } else { MERGE_BELOW };
            return all(0, 0, part);
        }
        if let Some(cheapest) = m.is_short_of_room().then(|| self.cheapest_part(m, &usage)).flatten() {
            return Some(cheapest);
        }
        if let Some(compacting) = &mut m.compacting {
            if !compacting.merged {
                compacting.merged = true;
                if count > 1 {
                    return all(0, count, COMPACT_BELOW);
                }
            }
            let mut packs = below(COMPACT_BELOW);
            // Segments of the log are in no order: what stayed there is gathered as well.
            packs.extend(usage.keys().filter(|id| !id.is_pack() && !m.stuck.contains(id)));
            let part = m.manifest.layers.iter().enumerate().find_map(|(layer, entry)| {
                let part = entry.parts.iter().find(|part| {
                    !compacting.rewritten.contains(&part.run)
                        && part.segments.iter().any(|segment| packs.contains(&segment.id))
                })?;
                Some((layer, part))
            });
            if let Some((layer, part)) = part {
                // All of it: what is gathered from its other packs would leave these with something not in use.
                let packs = gathered(part.segments.iter().map(|segment| segment.id));
                let target = Target::Part { layer, run: part.run };
                return Some((target, Rewriting { packs, ..Rewriting::default() }));
            }
            m.compacting = None;
        }
        if count > self.options.max_layers {
            // Many small ones at once: the newest half.
            let first = count / 2;
            let rewriting = Rewriting { keep_all: true, ..Rewriting::default() };
            return Some((Target::Layers { first, inputs: count - first }, rewriting));
        }
        if let Some(first) = self.tier(&layers.layers.iter().map(|layer| layer.bytes()).collect::<Vec<_>>()) {
            return all(first, count - first, MERGE_BELOW);
        }
        self.worst_part(m, &usage)
    }

    /// The oldest of the newest layers that are of about one size, if they are enough to be merged: as many as the fan-out,
    /// and together almost so many times as large as the largest of them. So each byte is rewritten about once for each
    /// time that the store grows by the fan-out.
    fn tier(&self, sizes: &[u64]) -> Option<usize> {
        let fanout = self.options.fanout.max(2);
        let (mut sum, mut largest) = (0u64, 0u64);
        sizes.iter().enumerate().rev().find_map(|(place, bytes)| {
            sum += bytes;
            largest = largest.max(*bytes);
            let enough = sizes.len() - place >= fanout;
            (enough && sum >= largest.saturating_mul(fanout as u64 - 1)).then_some(place)
        })
    }

    /// The part that names the pack with fewest bytes in use, if it gives back more room than it needs: what can be done
    /// when there is next to none.
    fn cheapest_part(
        &self,
        m: &Maintenance<F, D>,
        usage: &BTreeMap<SegmentId, Usage>,
    ) -> Option<(Target, Rewriting)> {
        let worth = usage.iter().filter(|(id, usage)| usage.is_below(MERGE_BELOW) && !m.stuck.contains(id));
        let (cheapest, _) = worth.min_by_key(|(_, usage)| usage.live)?;
        rewriting(m, *cheapest)
    }

    /// The part that names the pack with most bytes not in use, if these are too many.
    fn worst_part(
        &self,
        m: &Maintenance<F, D>,
        usage: &BTreeMap<SegmentId, Usage>,
    ) -> Option<(Target, Rewriting)> {
        let (worst, _) = usage
            .iter()
            .filter(|(id, usage)| {
                usage.is_below(REWRITE_BELOW) && usage.dead() >= LEAST_DEAD && !m.stuck.contains(id)
            })
            .max_by_key(|(_, usage)| usage.dead())?;
        rewriting(m, *worst)
    }

    /// Publishes a change of what the store consists of: everything it names is durable. Then readers see it.
    pub(super) fn publish<E: FnOnce(&mut Manifest)>(
        &self,
        m: &mut Maintenance<F, D>,
        change: Change<F, E>,
    ) -> Result<()> {
        m.resting = false;
        let mut next = m.manifest.clone();
        (change.edit)(&mut next);
        (next.next_run, next.next_pack) = self.numbers.next();
        let old = Arc::clone(&self.index().layers);
        let Opened { runs, segments } = &change.opened;
        let new = Dropped { runs: runs.clone(), segments: segments.clone() };
        let (layers, dropped) = old.replaced(&next, change.opened)?;
        drop(old);
        if let Err(e) = manifest::publish(&*self.io, &mut next) {
            m.abandoned.extend(new);
            return Err(e);
        }
        drop(new);
        m.manifest = next;
        self.retire_abandoned(m);
        {
            let mut index = self.index_mut();
            let Index { layers: current, frozen, .. } = &mut *index;
            *current = Arc::new(layers);
            if change.flushed {
                *frozen = None;
            }
        }
        m.abandoned.extend(dropped);
        self.publish_again(m)
    }

    /// Publishes the same manifest again if the other slot may name files that it does not: then they can go.
    fn publish_again(&self, m: &mut Maintenance<F, D>) -> Result<()> {
        if m.abandoned.runs.is_empty() && m.abandoned.segments.is_empty() {
            return Ok(());
        }
        manifest::publish(&*self.io, &mut m.manifest)?;
        self.retire_abandoned(m);
        self.remove_retired(m);
        Ok(())
    }

    /// Both slots are without them now.
    fn retire_abandoned(&self, m: &mut Maintenance<F, D>) {
        let Dropped { runs, segments } = std::mem::take(&mut m.abandoned);
        m.retired_runs.extend(runs);
        m.retired_segments.extend(segments);
    }

    /// Removes the files that no slot of the manifest names, as soon as nobody reads them. One that cannot be removed now
    /// is removed when the store is opened.
    fn remove_retired(&self, m: &mut Maintenance<F, D>) {
        let remove = |name: String| {
            let _ = self.io.remove(&name);
        };
        m.retired_runs.retain(|run| {
            let unused = Arc::strong_count(run) == 1;
            unused.then(|| remove(run.id().file_name()));
            !unused
        });
        m.retired_segments.retain(|segment| {
            let unused = Arc::strong_count(segment) == 1;
            unused.then(|| remove(segment.id().file_name()));
            !unused
        });
    }

    /// Writes out what is frozen, for a writer that found no room in the delta.
    pub(super) fn relieve(&self) -> Result<()> {
        let mut m = self.maintenance();
        if m.closed {
            return Ok(());
        }
        self.latch.check()?;
        // Whether there is room again can only be told by trying; if there is none, the writer is told so.
        m.pause = 0;
        self.step(&mut m, STEP_WORK).map(|_| ())
    }

    /// Writes the delta out now, and with it all that was committed before.
    pub(super) fn checkpoint(&self) -> Result<()> {
        self.latch.check()?;
        let mut m = self.maintenance();
        m.pause = 0;
        // What is frozen may be older than the delta.
        self.flush_frozen(&mut m)?;
        let log = self.log();
        let dirty = log.end > log.marked;
        drop(log);
        if dirty { self.flush_delta(&mut m) } else { Ok(()) }
    }

    /// Freezes the delta and writes it out.
    fn flush_delta(&self, m: &mut Maintenance<F, D>) -> Result<()> {
        while self.index().frozen.is_none() {
            // What failed for want of room is tried again with the reserve.
            let outcome = self.freeze(m).map(|()| Step::More);
            self.judge(m, outcome, true)?;
        }
        self.flush_frozen(m)
    }

    fn flush_frozen(&self, m: &mut Maintenance<F, D>) -> Result<()> {
        while self.index().frozen.is_some() {
            let outcome = self.flush_step(m, u64::MAX);
            self.judge(m, outcome, true)?;
        }
        Ok(())
    }

    /// See [`super::Engine::settle`].
    pub(super) fn settle(&self) -> Result<()> {
        loop {
            self.latch.check()?;
            let mut m = self.maintenance();
            m.pause = 0;
            if self.step(&mut m, STEP_WORK)? == Step::Idle {
                return Ok(());
            }
        }
    }

    /// See [`super::Engine::compact`].
    pub(super) async fn compact(&self) -> Result<()> {
        self.checkpoint()?;
        {
            let mut m = self.maintenance();
            // What was damaged may have been repaired, or have been a passing failure to read.
            m.damage = None;
            m.pause = 0;
            m.resting = false;
            m.compacting = Some(Compacting { merged: false, rewritten: BTreeSet::new() });
        }
        // The lock is let go between steps, so that writers and the thread go on.
        while self.compact_step()? == Step::More {
            pause(STEP_WORK).await;
        }
        Ok(())
    }

    fn compact_step(&self) -> Result<Step> {
        let mut m = self.maintenance();
        // Nobody goes on with what the thread, or another caller, met the end of.
        self.latch.check()?;
        if m.closed {
            return Err(Error::Cancelled);
        }
        let ended = |m: &Maintenance<F, D>| m.stalled().map_or(Ok(Step::Idle), |e| Err(e.clone()));
        if m.compacting.is_none() && m.merge.is_none() {
            return ended(&m);
        }
        match self.step(&mut m, STEP_WORK)? {
            Step::More => {}
            Step::Paused => m.pause = 0,
            // Nothing more will be done: damage was met.
            Step::Idle => {
                m.compacting = None;
                self.latch.check()?;
                return ended(&m);
            }
        }
        Ok(Step::More)
    }

    /// See [`super::Engine::close`].
    pub(super) fn close(&self) -> Result<()> {
        let mut m = self.maintenance();
        let mut log = self.log();
        if std::mem::replace(&mut log.closed, true) || self.latch.cause().is_some() {
            m.closed = true;
            return Ok(());
        }
        let dirty = log.end > log.marked;
        drop(log);
        m.merge = None;
        m.pause = 0;
        let closed = self.close_files(&mut m, dirty);
        m.closed = true;
        closed
    }

    fn close_files(&self, m: &mut Maintenance<F, D>, dirty: bool) -> Result<()> {
        self.syncer.flush()?;
        self.flush_frozen(m)?;
        if dirty {
            self.flush_delta(m)?;
        }
        self.remove_retired(m);
        self.rest_reserve();
        Ok(())
    }
}

/// The part that names a pack, to be rewritten without it.
fn rewriting<F: FileIO, D: Delta>(m: &Maintenance<F, D>, pack: SegmentId) -> Option<(Target, Rewriting)> {
    let named = m.manifest.layers.iter().enumerate().find_map(|(layer, entry)| {
        let part = entry.parts.iter().find(|part| part.segments.iter().any(|s| s.id == pack))?;
        Some((layer, part.run))
    });
    let (layer, run) = named?;
    let rewriting = Rewriting { packs: gathered([pack]), ..Rewriting::default() };
    Some((Target::Part { layer, run }, rewriting))
}
