//! Finding one's way in a run: what was measured where, and what it is compared with.
//!
//! Everything is compared with its *baseline*, which is ours: the one that the result file names, else the first of the
//! same level that was measured at the same place. What is at the level `none` is compared with ours in memory; where that
//! was not measured, with ours at the level `process`, and such a comparison is flagged, as it is not one of equals.

use crate::results::{Kind, Latencies, Level, Measurement, Metric, Peer, Run};
use crate::stats::{Ratio, advantage};

/// Where peers are measured side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The workload's name.
    pub workload: &'a str,
    /// What was done.
    pub phase: &'a str,
    /// What was measured; nothing for distributions.
    pub metric: Option<Metric>,
    /// Of a series: how many CoValues were stored.
    pub at: Option<u64>,
}

/// What is found in a run of a peer at a place.
pub trait Found: Sized + 'static {
    /// All of a run.
    fn all(run: &Run) -> &[Self];
    /// Where it is.
    fn place(&self) -> Place<'_>;
    /// The peer's name.
    fn peer(&self) -> &str;
    /// The baseline that the file names.
    fn against(&self) -> Option<&str>;
}

impl Found for Measurement {
    fn all(run: &Run) -> &[Self] {
        &run.measurements
    }

    fn place(&self) -> Place<'_> {
        Place { workload: &self.workload, phase: &self.phase, metric: Some(self.metric), at: self.at }
    }

    fn peer(&self) -> &str {
        &self.peer
    }

    fn against(&self) -> Option<&str> {
        self.against.as_deref()
    }
}

impl Found for Latencies {
    fn all(run: &Run) -> &[Self] {
        &run.latencies
    }

    fn place(&self) -> Place<'_> {
        Place { workload: &self.workload, phase: &self.phase, metric: None, at: self.at }
    }

    fn peer(&self) -> &str {
        &self.peer
    }

    fn against(&self) -> Option<&str> {
        self.against.as_deref()
    }
}

/// Ours, to which something is compared.
#[derive(Debug)]
pub struct Opponent<'a, T> {
    /// Ours.
    pub peer: &'a Peer,
    /// What was found of it.
    pub found: &'a T,
    /// Whether it survives more than what is compared with it.
    pub is_flagged: bool,
}

impl Run {
    /// The peers of a level: ours, others, floors, and each kind in the order of the file.
    pub fn peers_at(&self, level: Level) -> Vec<&Peer> {
        let of = |kind| self.peers.iter().filter(move |peer| peer.kind == kind && peer.level == level);
        of(Kind::Ours).chain(of(Kind::Peer)).chain(of(Kind::Floor)).collect()
    }

    /// A peer by its name.
    pub fn peer(&self, name: &str) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.name == name)
    }

    /// What was found of a peer at a place.
    pub fn found<T: Found>(&self, place: Place<'_>, peer: &str) -> Option<&T> {
        T::all(self).iter().find(|found| found.peer() == peer && found.place() == place)
    }

    /// What was measured of a peer at a place.
    pub fn measured(&self, place: Place<'_>, peer: &str) -> Option<&Measurement> {
        self.found(place, peer)
    }

    /// Every place at which something was found, in the order of the file.
    pub fn places<T: Found>(&self) -> Vec<Place<'_>> {
        unique(T::all(self).iter().map(T::place))
    }

    /// Those of ours to which something is compared: its baseline first, then others that have the same one.
    pub fn opponents<T: Found>(&self, of: &T) -> Vec<Opponent<'_, T>> {
        let Some(level) = self.peer(of.peer()).map(|peer| peer.level) else { return Vec::new() };
        let mut is_flagged = false;
        let mut ours = self.ours(of.place(), level);
        if level == Level::None && ours.is_empty() {
            is_flagged = true;
            ours = self.ours(of.place(), Level::Process);
        }
        // One that is compared with another than itself is no baseline.
        let is_free = |found: &T| found.against().is_none_or(|name| name == found.peer());
        let Some(default) = ours.iter().find(|(_, found)| is_free(found)).map(|(peer, _)| peer.name.as_str())
        else {
            return Vec::new();
        };
        let baseline = of.against().unwrap_or(default);
        let mut opponents: Vec<_> = ours
            .into_iter()
            .filter(|(peer, found)| peer.name == baseline || found.against().unwrap_or(default) == baseline)
            .map(|(peer, found)| Opponent { peer, found, is_flagged })
            .collect();
        opponents.sort_by_key(|opponent| opponent.peer.name != baseline);
        // Nothing of the baseline itself: there is nothing to compare with.
        if opponents.first().is_none_or(|first| first.peer.name != baseline) {
            opponents.clear();
        }
        opponents
    }

    fn ours<'a, T: Found>(&'a self, place: Place<'_>, level: Level) -> Vec<(&'a Peer, &'a T)> {
        let ours = self.peers.iter().filter(|peer| peer.kind == Kind::Ours && peer.level == level);
        ours.filter_map(|peer| Some((peer, self.found(place, &peer.name)?))).collect()
    }

    /// Ours to which something is compared.
    pub fn baseline<T: Found>(&self, of: &T) -> Option<Opponent<'_, T>> {
        self.opponents(of).into_iter().next()
    }

    /// The first of ours of a level at a place that is compared with nothing else.
    pub fn first_of_ours<T: Found>(&self, place: Place<'_>, level: Level) -> Option<&T> {
        let ours = self.ours::<T>(place, level);
        let first = ours.iter().find(|(peer, found)| found.against().is_none_or(|name| name == peer.name));
        first.map(|(_, found)| *found)
    }

    /// How many times the baseline is better than what was measured.
    pub fn advantage_over(&self, theirs: &Measurement) -> Option<Ratio> {
        let ours = self.baseline(theirs)?.found;
        advantage(&ours.each(), &theirs.each(), theirs.metric.more_is_better())
    }

    /// What the report calls a workload.
    pub fn title_of<'a>(&'a self, workload: &'a str) -> &'a str {
        let found = self.workloads.iter().find(|known| known.name == workload);
        found.map_or(workload, |known| &known.title)
    }
}

/// Each item once, where it came first.
pub fn unique<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}

/// What is done, in the order of the report, and what the report calls it. Others follow, by their names.
const PHASES: &[(&str, &str)] = &[
    ("fill", "fill"),
    ("fill-close", "open, fill, close"),
    ("store", "store"),
    ("store-close", "open, store, close"),
    ("store-alone", "store, 1 in flight"),
    ("store-64", "store, 64 in flight"),
    ("close", "close"),
    ("close-after-store", "close after storing"),
    ("open", "open"),
    ("open-cold", "open, cold"),
    ("load", "load, fresh process"),
    ("load-warm", "load, warm"),
    ("load-cold", "load, cold"),
    ("load-clustered", "load, clustered, fresh process"),
    ("load-clustered-warm", "load, clustered, warm"),
    ("load-clustered-cold", "load, clustered, cold"),
    ("known", "known state"),
    ("known-warm", "known state, warm"),
    ("scan", "scan"),
    ("scan-warm", "scan, warm"),
    ("mixed", "mixed"),
    ("compact", "compact"),
];

/// What the report shows of distributions: what a user waits for. The rest is in the result files.
pub fn shows_latencies(place: Place<'_>) -> bool {
    let shown = ["store", "store-alone", "store-64", "load", "load-cold", "mixed"];
    shown.contains(&place.phase) && (place.at.is_none() || place.phase == "store")
}

/// What the report calls a phase.
pub fn phase_title(phase: &str) -> &str {
    PHASES.iter().find(|(name, _)| *name == phase).map_or(phase, |(_, title)| title)
}

/// Sorts phases into the order of the report.
pub fn in_order(mut phases: Vec<&str>) -> Vec<&str> {
    phases.sort_by_key(|phase| PHASES.iter().position(|(name, _)| name == phase).unwrap_or(PHASES.len()));
    phases
}
