//! Distributions: how long operations take, over the part of all that take no longer.
//!
//! From left to right each step leaves a tenth of the operations, as in histograms of high dynamic range: what matters of
//! a distribution are the few operations that take long.

use super::axis::{LogAxis, time};
use super::frame::{Canvas, heading, legend, legend_height, svg};
use super::lines::{Panel, panel};
use super::style::Styles;
use super::{Plot, Subject};
use crate::error::Result;
use crate::losses::percentile;
use crate::results::{Kind, Latencies, Level, Run};
use crate::view::{Place, phase_title, shows_latencies};

const HEIGHT: u32 = 320;
const TOP: u32 = 34;

/// The name of the plot of a place, if there is one.
pub(super) fn name(run: &Run, level: Level, place: Place<'_>) -> String {
    let Place { workload, phase, .. } = place;
    format!("{}-{}-latency-{workload}-{phase}.svg", run.suite, level.name())
}

/// The plots of a level's distributions, one for each workload and phase.
pub(super) fn draw(run: &Run, level: Level, styles: &Styles) -> Result<Vec<Plot>> {
    // Of a series and of what survives nothing there are tables.
    let is_shown = |place: &Place<'_>| shows_latencies(*place) && place.at.is_none() && level != Level::None;
    run.places::<Latencies>()
        .into_iter()
        .filter(is_shown)
        .filter_map(|place| draw_place(run, level, place, styles).transpose())
        .collect()
}

fn draw_place(run: &Run, level: Level, place: Place<'_>, styles: &Styles) -> Result<Option<Plot>> {
    let of = |peer: &str| run.found::<Latencies>(place, peer);
    let entries = styles.legend(run, level, |peer| of(&peer.name).is_some());
    if !entries.iter().any(|(peer, _)| peer.kind == Kind::Peer) {
        return Ok(None);
    }
    let percentiles = entries.iter().filter_map(|(peer, _)| of(&peer.name)).flat_map(|all| &all.percentiles);
    let percentiles: Vec<(f64, f64)> = percentiles.copied().collect();
    let Some(y) = LogAxis::of(percentiles.iter().map(|(_, time)| time / 1e3)) else { return Ok(None) };
    let (parts, longest) = parts(&percentiles);

    let title = format!("{}: {}, level {}", place.workload, phase_title(place.phase), level.name());
    let name = name(run, level, place);
    let number = |odds: f64| {
        let closest = parts.iter().min_by(|(_, a), (_, b)| (a - odds).abs().total_cmp(&(b - odds).abs()));
        closest.map(|(part, _)| percentile(*part)).unwrap_or_default()
    };
    let series = entries.iter().filter_map(|(peer, style)| {
        let points = of(&peer.name)?.percentiles.iter();
        // Of 0 there is no logarithm.
        let points = points.filter(|(_, time)| *time > 0.0);
        Some((*style, points.map(|(part, time)| (odds(*part).unwrap_or(longest), time / 1e3)).collect()))
    });
    let shown = Panel {
        title: "time of an operation".to_owned(),
        x_title: "part of the operations that take no longer",
        x: LogAxis {
            range: 1.6..longest * 1.6,
            numbers: parts.iter().map(|(_, odds)| *odds).collect(),
            between: Vec::new(),
        },
        x_number: &number,
        y,
        y_number: &time,
        series: series.collect(),
    };
    let below = TOP + HEIGHT;
    let draw = |canvas: &Canvas<'_>| {
        heading(canvas, &title)?;
        panel(&canvas.clone().margin(TOP, legend_height(entries.len()) + 6, 0, 0), &shown)?;
        legend(canvas, below, entries.iter().map(|(peer, style)| (peer.title.as_str(), *style)))
    };
    let svg = svg(&name, below + legend_height(entries.len()) + 6, draw)?;
    let title = format!("Latencies. {title}");
    Ok(Some(Plot { suite: run.suite, level, subject: Subject::Latency, name, title, svg }))
}

/// One in how many operations takes longer; of the longest there is none.
fn odds(part: f64) -> Option<f64> {
    (part < 100.0).then(|| 100.0 / (100.0 - part))
}

/// The percentiles from left to right, each with its place; and the place of the longest.
fn parts(percentiles: &[(f64, f64)]) -> (Vec<(f64, f64)>, f64) {
    let mut parts: Vec<f64> = percentiles.iter().map(|(part, _)| *part).collect();
    parts.sort_by(f64::total_cmp);
    parts.dedup();
    let longest = parts.iter().filter_map(|part| odds(*part)).fold(2.0, f64::max) * 10.0;
    (parts.into_iter().map(|part| (part, odds(part).unwrap_or(longest))).collect(), longest)
}
