//! What we lose: every measurement in which a peer is better than ours of its level.
//!
//! Each of ours that ran in the same circumstances is compared, not only the baseline, so that a variant that loses is not hidden by one that wins.
//! Floors are no peers: nothing can beat them.

use crate::format;
use crate::results::{Kind, Latencies, Level, Measurement, Metric, Peer, Run, Suite};
use crate::stats::{Ratio, advantage, best};
use crate::view::{Found, Opponent, Place, phase_title};

/// A measurement in which a peer is better.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// The suite that measured it.
    pub suite: Suite,
    /// The peer's level.
    pub level: Level,
    /// Workload, phase and size.
    pub place: String,
    /// What was measured.
    pub what: String,
    /// Whether it is a percentile of a distribution.
    pub is_latency: bool,
    /// Ours, and its figure.
    pub ours: (String, String),
    /// The peer, and its figure.
    pub theirs: (String, String),
    /// How many times the peer is better; nothing if its figure is 0.
    pub by: Option<Ratio>,
    /// Whether ours survives more.
    pub is_flagged: bool,
    /// Whether ours is another one than the baseline, which may be better than the peer.
    pub is_variant: bool,
}

impl Loss {
    /// Whether the peer was better in every round, where there were several.
    pub fn is_in_every_round(&self) -> bool {
        self.by.and_then(|by| by.spread).is_none_or(|(low, _)| low > 1.0)
    }
}

/// All losses of the runs, the greatest first.
pub fn losses(runs: &[&Run]) -> Vec<Loss> {
    let mut found: Vec<Loss> = Vec::new();
    for run in runs {
        for (peer, theirs) in of_peers(run, &run.measurements) {
            let ours = run.opponents(theirs).into_iter().enumerate();
            found.extend(ours.filter_map(|ours| measured(run, ours, peer, theirs)));
        }
        for (peer, theirs) in of_peers(run, &run.latencies) {
            let ours = run.opponents(theirs).into_iter().enumerate();
            found.extend(ours.flat_map(|ours| timed(run, ours, peer, theirs)));
        }
    }
    let factor = |loss: &Loss| loss.by.map_or(f64::INFINITY, |by| by.value);
    found.sort_by(|a, b| factor(b).total_cmp(&factor(a)));
    found
}

/// How many figures of peers are compared with their baseline: what losses are among.
pub fn comparisons(runs: &[&Run]) -> usize {
    let of_run = |run: &&Run| {
        let measured = of_peers(run, &run.measurements).filter(|(_, theirs)| run.baseline(*theirs).is_some());
        let timed = of_peers(run, &run.latencies)
            .filter_map(|(_, theirs)| run.baseline(theirs).map(|ours| both(ours.found, theirs).count()));
        measured.count() + timed.sum::<usize>()
    };
    runs.iter().map(of_run).sum()
}

fn of_peers<'a, T: Found>(run: &'a Run, all: &'a [T]) -> impl Iterator<Item = (&'a Peer, &'a T)> {
    let known = all.iter().filter_map(|found| Some((run.peer(found.peer())?, found)));
    known.filter(|(peer, _)| peer.kind == Kind::Peer)
}

fn measured(
    run: &Run,
    (index, ours): (usize, Opponent<'_, Measurement>),
    peer: &Peer,
    theirs: &Measurement,
) -> Option<Loss> {
    let metric = theirs.metric;
    let more = metric.more_is_better();
    let (our_values, their_values) = (ours.found.each(), theirs.each());
    let (our_best, their_best) = (best(&our_values, more), best(&their_values, more));
    let is_loss = if more { their_best > our_best } else { their_best < our_best };
    is_loss.then(|| Loss {
        suite: run.suite,
        level: peer.level,
        place: place(theirs.place()),
        what: metric.title().to_owned(),
        is_latency: false,
        ours: (ours.peer.title.clone(), format::value(metric, our_best)),
        theirs: (peer.title.clone(), format::value(metric, their_best)),
        by: advantage(&our_values, &their_values, more).map(Ratio::inverse),
        is_flagged: ours.is_flagged,
        is_variant: index > 0,
    })
}

/// The percentiles that both have: per cent, ours, theirs.
fn both<'a>(ours: &'a Latencies, theirs: &'a Latencies) -> impl Iterator<Item = (f64, f64, f64)> + 'a {
    theirs.percentiles.iter().filter_map(|&(part, their_time)| {
        let same = ours.percentiles.iter().find(|(ours, _)| *ours == part);
        same.map(|&(_, our_time)| (part, our_time, their_time))
    })
}

fn timed(
    run: &Run,
    (index, ours): (usize, Opponent<'_, Latencies>),
    peer: &Peer,
    theirs: &Latencies,
) -> Vec<Loss> {
    let lost = both(ours.found, theirs).filter(|(_, our_time, their_time)| their_time < our_time);
    lost.map(|(part, our_time, their_time)| Loss {
        suite: run.suite,
        level: peer.level,
        place: place(theirs.place()),
        what: percentile(part),
        is_latency: true,
        ours: (ours.peer.title.clone(), format::value(Metric::Wall, our_time / 1e3)),
        theirs: (peer.title.clone(), format::value(Metric::Wall, their_time / 1e3)),
        by: advantage(&[our_time], &[their_time], false).map(Ratio::inverse),
        is_flagged: ours.is_flagged,
        is_variant: index > 0,
    })
    .collect()
}

/// What the report calls a percentile.
pub fn percentile(part: f64) -> String {
    if part == 100.0 { "longest".to_owned() } else { format!("p{part}") }
}

fn place(place: Place<'_>) -> String {
    let Place { workload, phase, at, .. } = place;
    let stored = at.map(|at| format!(" with {} CoValues", format::size(at))).unwrap_or_default();
    format!("{workload}: {}{stored}", phase_title(phase))
}
