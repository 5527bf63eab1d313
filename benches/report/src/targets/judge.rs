//! Judges a target by what was measured.
//!
//! Where a file names the baseline of a measurement, the target is judged against that one.

use super::{Line, Measure, Role, Target, Verdict};
use crate::format;
use crate::results::{Kind, Latencies, Level, Measurement, Metric, Peer, Run, Suite};
use crate::stats::{Ratio, advantage, best, summary};
use crate::view::{Place, in_order, phase_title, unique};

/// Levels at which equals are compared.
const EQUALS: [Level; 2] = [Level::Process, Level::Power];

/// What was found: as text, and whether it is what is wanted.
type Found = (String, bool);

/// A target's lines: one for each run, workload and phase that it speaks of.
pub(super) fn lines(target: &Target, runs: &[&Run]) -> Vec<Line> {
    let of_suite = runs.iter().filter(|run| target.suite.is_none_or(|suite| suite == run.suite));
    let mut lines: Vec<Line> = of_suite.flat_map(|run| in_run(target, run)).collect();
    // Where any suite may tell, one that says nothing is no gap.
    if target.suite.is_none() {
        lines.retain(|line| line.verdict != Verdict::NotMeasured);
    }
    if lines.is_empty() {
        lines.push(line(target, target.suite, place(target.workloads, target.phases), None));
    }
    lines
}

fn in_run(target: &Target, run: &Run) -> Vec<Line> {
    let (metric, in_series) = match target.measure {
        Measure::Times { metric, .. } | Measure::AheadOfAll { metric } => (Some(metric), false),
        Measure::OverFloor { metric, .. } => (Some(metric), false),
        Measure::Time { .. } | Measure::Keeps { .. } => (None, true),
        Measure::Longest { .. } => (None, false),
    };
    let measured = |workload: &str, phase: &str| match target.measure {
        Measure::Longest { .. } => {
            run.places::<Latencies>().contains(&Place { workload, phase, metric: None, at: None })
        }
        _ => run.measurements.iter().any(|found| {
            found.workload == workload
                && found.phase == phase
                && metric.is_none_or(|metric| metric == found.metric)
                && found.at.is_some() == in_series
        }),
    };
    let workloads: Vec<&str> = match target.workloads {
        [] => run.workloads.iter().map(|workload| workload.name.as_str()).collect(),
        named => named.to_vec(),
    };
    let mut lines = Vec::new();
    for workload in workloads {
        let phases = match target.phases {
            [] => in_order(unique(run.measurements.iter().map(|found| found.phase.as_str()))),
            named => named.to_vec(),
        };
        for phase in phases {
            if measured(workload, phase) || !target.workloads.is_empty() {
                lines.extend(at_place(target, run, workload, phase));
            }
        }
    }
    // One that speaks of whatever was measured says nothing about the rest.
    if target.workloads.is_empty() || target.phases.is_empty() {
        lines.retain(|line| line.verdict != Verdict::NotMeasured);
    }
    lines
}

fn at_place(target: &Target, run: &Run, workload: &str, phase: &str) -> Vec<Line> {
    let one = |found: Option<Found>| vec![line(target, Some(run.suite), place(&[workload], &[phase]), found)];
    let by_level = |judge: &dyn Fn(Level) -> Option<Found>| {
        let found = EQUALS.iter().filter_map(|&level| Some((level, judge(level)?)));
        let lines = found.map(|(level, found)| {
            let place = format!("{}, {}", place(&[workload], &[phase]), level.name());
            line(target, Some(run.suite), place, Some(found))
        });
        lines.collect()
    };
    let place = |metric, at| Place { workload, phase, metric: Some(metric), at };
    match target.measure {
        Measure::Times { metric, level, peer, at_least } => {
            one(times(run, place(metric, None), level, peer, at_least))
        }
        Measure::AheadOfAll { metric } => by_level(&|level| ahead(run, place(metric, None), level)),
        Measure::OverFloor { metric, at_most } => {
            by_level(&|level| over_floor(run, place(metric, None), level, at_most))
        }
        Measure::Time { at, at_most } => one(time(run, place(Metric::Wall, Some(at)), at_most)),
        Measure::Longest { at_most } => {
            one(longest(run, Place { workload, phase, metric: None, at: None }, at_most))
        }
        Measure::Keeps { from, to, at_least } => {
            one(keeps(run, place(Metric::Wall, None), (from, to), at_least))
        }
    }
}

fn line(target: &Target, suite: Option<Suite>, place: String, found: Option<Found>) -> Line {
    let (measured, verdict) = match found {
        None => ("not measured".to_owned(), Verdict::NotMeasured),
        Some((measured, true)) => (measured, Verdict::Reached),
        Some((measured, false)) => (measured, Verdict::Missed),
    };
    Line { suite, says: target.says.to_owned(), place, wanted: wanted(target.measure), measured, verdict }
}

fn wanted(measure: Measure) -> String {
    match measure {
        Measure::Times { metric, at_least, .. } => format!("{}, at least {at_least}×", metric.title()),
        Measure::AheadOfAll { metric } => format!("{}, more than 1×", metric.title()),
        Measure::OverFloor { metric, at_most } => format!("{}, at most {at_most}×", metric.title()),
        Measure::Time { at_most, .. } | Measure::Longest { at_most } => format!("at most {at_most} ms"),
        Measure::Keeps { at_least: Some(part), .. } => format!("at least {part}"),
        Measure::Keeps { at_least: None, .. } => "at least SQLite's".to_owned(),
    }
}

fn place(workloads: &[&str], phases: &[&str]) -> String {
    let phases: Vec<&str> = phases.iter().map(|phase| phase_title(phase)).collect();
    match (workloads, phases.as_slice()) {
        ([], phases) => phases.join(" / "),
        (workloads, []) => workloads.join(" / "),
        (workloads, phases) => format!("{}: {}", workloads.join(" / "), phases.join(" / ")),
    }
}

fn times(run: &Run, place: Place<'_>, level: Level, role: Role, at_least: f64) -> Option<Found> {
    let metric = place.metric?;
    let theirs = run.measured(place, &role.of(run, level)?.name)?;
    let ours = run.baseline(theirs)?.found;
    let more = metric.more_is_better();
    let ratio = advantage(&ours.each(), &theirs.each(), more);
    let (our_best, their_best) = (best(&ours.each(), more), best(&theirs.each(), more));
    // By product: nothing at all of ours is at most theirs as well, and has no ratio.
    let is_reached = if more { our_best >= their_best * at_least } else { our_best * at_least <= their_best };
    let shown = |value| format::value(metric, value);
    let mut shown =
        ratio.map_or_else(|| format!("{} to {}", shown(our_best), shown(their_best)), format::ratio);
    if !is_reached {
        shown += &floor_there(run, place, theirs);
    }
    Some((shown, is_reached))
}

/// Where the fastest floor is, to be said of what is missed: whether it could be reached at all.
fn floor_there(run: &Run, place: Place<'_>, theirs: &Measurement) -> String {
    let floor = floor_over(run, place, theirs);
    floor.map_or_else(String::new, |(peer, floor)| {
        format!("; *{}* is at {}×", peer.title, format::number(floor))
    })
}

/// The fastest floor at a peer's place and level, and how many times faster than the peer it is.
fn floor_over<'a>(run: &'a Run, place: Place<'a>, theirs: &Measurement) -> Option<(&'a Peer, f64)> {
    let level = run.peer(&theirs.peer)?.level;
    let is_time = matches!(theirs.metric, Metric::Cpu | Metric::Wall);
    let floors = of_kind(run, place, level, Kind::Floor).filter(|_| is_time);
    let ratios = floors
        .filter_map(|(peer, floor)| Some((peer, advantage(&floor.each(), &theirs.each(), false)?.value)));
    ratios.max_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// The measurements of a kind of peers of a level at a place.
fn of_kind<'a>(
    run: &'a Run,
    place: Place<'a>,
    level: Level,
    kind: Kind,
) -> impl Iterator<Item = (&'a Peer, &'a Measurement)> {
    let peers = run.peers_at(level).into_iter().filter(move |peer| peer.kind == kind);
    peers.filter_map(move |peer| Some((peer, run.measured(place, &peer.name)?)))
}

fn ahead(run: &Run, place: Place<'_>, level: Level) -> Option<Found> {
    let ratios = of_kind(run, place, level, Kind::Peer)
        .filter_map(|(peer, theirs)| Some((peer, theirs, run.advantage_over(theirs)?)));
    let (closest, theirs, ratio) = ratios.min_by(|(.., a), (.., b)| a.value.total_cmp(&b.value))?;
    let mut shown = format!("{}, {}", format::ratio(ratio), closest.title);
    if ratio.value <= 1.0 {
        shown += &floor_there(run, place, theirs);
    }
    Some((shown, ratio.value > 1.0))
}

/// Ours over the floor: the way round in which less is better.
fn over_floor(run: &Run, place: Place<'_>, level: Level, at_most: f64) -> Option<Found> {
    let ratios = of_kind(run, place, level, Kind::Floor)
        .filter(|(floor, _)| floor.name.contains("append"))
        .filter_map(|(_, floor)| Some(run.advantage_over(floor)?.inverse()));
    let ratio = ratios.max_by(|a, b| a.value.total_cmp(&b.value))?;
    Some((format::ratio(ratio), ratio.value <= at_most))
}

fn time(run: &Run, place: Place<'_>, at_most: f64) -> Option<Found> {
    let median = summary(&run.first_of_ours::<Measurement>(place, Level::Process)?.each()).median;
    Some((format!("{}, median", format::value(Metric::Wall, median)), median <= at_most))
}

fn longest(run: &Run, place: Place<'_>, at_most: f64) -> Option<Found> {
    let ours = run.first_of_ours::<Latencies>(place, Level::Process)?;
    let longest = ours.percentiles.iter().find(|(part, _)| *part == 100.0)?.1 / 1e3;
    let shown = format!("{} of {}", format::value(Metric::Wall, longest), format::whole(ours.count as f64));
    Some((shown, longest <= at_most))
}

fn keeps(run: &Run, place: Place<'_>, (from, to): (u64, u64), at_least: Option<f64>) -> Option<Found> {
    let part = |peer: &str| {
        let rate = |at| rate(run, Place { at: Some(at), ..place }, peer);
        advantage(&rate(to)?, &rate(from)?, true)
    };
    let ours = run.peers_at(Level::Process).into_iter().find(|peer| peer.kind == Kind::Ours)?;
    let ours = part(&ours.name)?;
    match at_least {
        Some(at_least) => Some((plain(ours), ours.value >= at_least)),
        None => {
            let sqlite = part(&Role::Sqlite.of(run, Level::Process)?.name)?;
            Some((format!("{} to {}", plain(ours), plain(sqlite)), ours.value >= sqlite.value))
        }
    }
}

/// The rate of each round: as measured, or of the time that one operation took.
fn rate(run: &Run, place: Place<'_>, peer: &str) -> Option<Vec<f64>> {
    let of = |metric| run.measured(Place { metric: Some(metric), ..place }, peer);
    of(Metric::Rate).map(Measurement::each).or_else(|| {
        let times = of(Metric::Wall)?.each();
        Some(times.iter().map(|time| 1e3 / time).collect())
    })
}

fn plain(ratio: Ratio) -> String {
    let Ratio { value, spread } = ratio;
    let shown = format::number(value);
    match spread {
        None => shown,
        Some((low, high)) => format!("{shown} ({}–{})", format::number(low), format::number(high)),
    }
}
