//! As data grows: what an operation costs, and what the store takes, over the number of CoValues.

use super::axis::{LogAxis, bytes, short, time};
use super::frame::{Canvas, WIDTH, heading, legend, legend_height, svg};
use super::lines::{Panel, panel};
use super::style::Styles;
use super::{Plot, Subject};
use crate::error::Result;
use crate::format;
use crate::results::{Level, Measurement, Metric, Run};
use crate::stats::{best, summary};
use crate::view::{Place, in_order, phase_title, unique};

const PANEL: u32 = 270;
const TOP: u32 = 34;

/// The phases of which costs are plotted; of the others there are tables.
const COSTS: [&str; 6] = ["fill", "store", "open", "load", "known", "scan"];

/// The plots of a level's series.
pub(super) fn draw(run: &Run, level: Level, styles: &Styles) -> Result<Vec<Plot>> {
    let mut plots = Vec::new();
    let series = run.measurements.iter().filter(|found| found.at.is_some());
    for workload in unique(series.map(|found| found.workload.as_str())) {
        let kinds = [
            (
                Subject::Cost,
                "cost",
                "cost as data grows",
                [Metric::Wall, Metric::Cpu, Metric::Rate].as_slice(),
            ),
            (Subject::Size, "size", "size as data grows", &[Metric::Disk, Metric::PeakMemory]),
        ];
        for (subject, word, title, metrics) in kinds {
            let title = format!("{workload}: {title}, level {}", level.name());
            let name = format!("{}-{}-{word}-{workload}.svg", run.suite, level.name());
            let places = places(run, level, workload, metrics);
            let shown: Vec<_> = places.into_iter().filter_map(|at| shown(run, level, at, styles)).collect();
            if let Some(svg) = draw_panels(run, level, styles, &name, &title, &shown)? {
                plots.push(Plot { suite: run.suite, level, subject, name, title, svg });
            }
        }
    }
    Ok(plots)
}

/// The phases and metrics of a workload's series, phase by phase. Only one metric of time for each phase: the first.
fn places<'a>(run: &'a Run, level: Level, workload: &'a str, metrics: &[Metric]) -> Vec<Place<'a>> {
    let is_shown = |found: &&Measurement| {
        found.workload == workload
            && found.at.is_some()
            && run.peer(&found.peer).is_some_and(|peer| peer.level == level)
    };
    let found: Vec<&Measurement> = run.measurements.iter().filter(is_shown).collect();
    let mut places = Vec::new();
    let phases = in_order(unique(found.iter().map(|found| found.phase.as_str()))).into_iter();
    for phase in phases.filter(|phase| !metrics.contains(&Metric::Wall) || COSTS.contains(phase)) {
        let has =
            |metric: &&Metric| found.iter().any(|found| found.phase == phase && found.metric == **metric);
        let of_phase = metrics.iter().filter(has).copied();
        let most = if metrics.contains(&Metric::Wall) { 1 } else { metrics.len() };
        let place = |metric| Place { workload, phase, metric: Some(metric), at: None };
        places.extend(of_phase.take(most).map(place));
    }
    places
}

/// What a panel shows, and the peers in it.
struct Shown<'a> {
    panel: Panel<'a>,
    peers: Vec<&'a str>,
}

fn shown<'a>(run: &'a Run, level: Level, place: Place<'a>, styles: &Styles) -> Option<Shown<'a>> {
    let metric = place.metric?;
    let mut peers = Vec::new();
    let mut series = Vec::new();
    for peer in run.peers_at(level) {
        let of_peer = run.measurements.iter().filter(|found| {
            let (workload, phase) = (found.workload.as_str(), found.phase.as_str());
            found.peer == peer.name && (workload, phase) == (place.workload, place.phase)
        });
        let at_sizes = of_peer.filter(|found| found.metric == metric);
        let points = at_sizes.filter_map(|found| {
            let value = match metric {
                Metric::Disk | Metric::PeakMemory => summary(&found.each()).median,
                _ => best(&found.each(), metric.more_is_better()),
            };
            Some((found.at? as f64, value))
        });
        // Of 0 there is no logarithm.
        let mut points: Vec<(f64, f64)> = points.filter(|(at, value)| *at > 0.0 && *value > 0.0).collect();
        points.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        if !points.is_empty() {
            peers.push(peer.name.as_str());
            series.push((styles.style(run, peer), points));
        }
    }
    let all = || series.iter().flat_map(|(_, points)| points);
    let x = LogAxis::of_powers(all().map(|(at, _)| *at))?;
    let y = LogAxis::of(all().map(|(_, value)| *value))?;
    let (what, y_number): (&str, &dyn Fn(f64) -> String) = match metric {
        Metric::Wall => ("time of an operation, best round", &time),
        Metric::Cpu => ("CPU time of an operation, best round", &time),
        Metric::Rate => ("operations per second, best round", &rate),
        Metric::Disk => ("disk, median", &bytes),
        _ => ("peak memory, median", &bytes),
    };
    let title = format!("{}: {what}", phase_title(place.phase));
    let panel = Panel { title, x_title: "CoValues stored", x, x_number: &count, y, y_number, series };
    Some(Shown { panel, peers })
}

fn rate(value: f64) -> String {
    short(value, "/s")
}

fn count(value: f64) -> String {
    if value < 999.5 { short(value, "") } else { format::size(value.round() as u64) }
}

fn draw_panels(
    run: &Run,
    level: Level,
    styles: &Styles,
    name: &str,
    title: &str,
    shown: &[Shown<'_>],
) -> Result<Option<String>> {
    let entries =
        styles.legend(run, level, |peer| shown.iter().any(|shown| shown.peers.contains(&peer.name.as_str())));
    if entries.is_empty() {
        return Ok(None);
    }
    let rows = u32::try_from(shown.len().div_ceil(2)).unwrap_or(1);
    let below = TOP + rows * PANEL;
    let draw = |canvas: &Canvas<'_>| {
        heading(canvas, title)?;
        for (index, Shown { panel: shown, .. }) in shown.iter().enumerate() {
            let (row, column) = (index as u32 / 2, index as u32 % 2);
            let (top, left) = (TOP + row * PANEL, column * WIDTH / 2);
            let bottom = below + legend_height(entries.len()) + 6 - top - PANEL;
            panel(&canvas.clone().margin(top, bottom, left, WIDTH - left - WIDTH / 2), shown)?;
        }
        legend(canvas, below, entries.iter().map(|(peer, style)| (peer.title.as_str(), *style)))
    };
    svg(name, below + legend_height(entries.len()) + 6, draw).map(Some)
}
