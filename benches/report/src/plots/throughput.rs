//! Operations per second: for each phase a plot with a row for each peer, grouped by workload.

use plotters::prelude::{BindKeyPoints, ChartBuilder, IntoLogRange};
use plotters::style::{Color, IntoFont};

use super::axis::{LogAxis, short};
use super::frame::{Align, Canvas, Drawn, WIDTH, band, heading, line, mark, svg, write};
use super::style::{FINE_GRID, GRID, INK, Style, Styles};
use super::{Plot, Subject};
use crate::error::Result;
use crate::format;
use crate::results::{Kind, Level, Metric, Run};
use crate::stats::{Summary, summary};
use crate::view::{Place, in_order, phase_title, unique};

const TOP: u32 = 34;
const ROW: u32 = 20;
const NAMES: u32 = 250;
const FIGURES: u32 = 86;
const NUMBERS: u32 = 48;

/// The phases that have a plot; of the others there are tables.
const PHASES: [&str; 9] = [
    "store",
    "store-alone",
    "store-64",
    "load",
    "load-warm",
    "load-cold",
    "load-clustered-warm",
    "known",
    "mixed",
];

/// The plots of a level, one for each phase that is about operations of the same kind.
pub(super) fn draw(run: &Run, level: Level, styles: &Styles) -> Result<Vec<Plot>> {
    let phases = unique(run.measurements.iter().map(|found| found.phase.as_str()));
    let phases = in_order(phases).into_iter();
    let phases = phases.filter(|phase| PHASES.contains(phase));
    phases.filter_map(|phase| draw_phase(run, level, phase, styles).transpose()).collect()
}

/// A line of the plot.
enum Row<'a> {
    Workload(String),
    Peer(&'a str, Style, Summary),
}

fn draw_phase(run: &Run, level: Level, phase: &str, styles: &Styles) -> Result<Option<Plot>> {
    let mut rows = Vec::new();
    let mut are_compared = false;
    for workload in &run.workloads {
        let place = Place { workload: &workload.name, phase, metric: None, at: None };
        let measured = run.peers_at(level).into_iter();
        let measured: Vec<_> =
            measured.filter_map(|peer| Some((peer, summary(&rates(run, place, &peer.name)?)))).collect();
        if measured.is_empty() {
            continue;
        }
        are_compared |= measured.iter().any(|(peer, _)| peer.kind == Kind::Peer);
        rows.push(Row::Workload(format!("{}: {}", workload.name, workload.title)));
        let peers = measured.into_iter();
        rows.extend(peers.map(|(peer, rate)| Row::Peer(&peer.title, styles.style(run, peer), rate)));
    }
    let rates = rows.iter().flat_map(|row| match row {
        Row::Workload(_) => vec![],
        Row::Peer(_, _, Summary { min, max, .. }) => vec![*min, *max],
    });
    let (Some(axis), true) = (LogAxis::of(rates), are_compared) else { return Ok(None) };
    let title = format!("{}, level {}", phase_title(phase), level.name());
    let name = format!("{}-{}-{phase}.svg", run.suite, level.name());
    let height = TOP + u32::try_from(rows.len()).unwrap_or(0) * ROW + NUMBERS;
    let svg = svg(&name, height, |canvas| draw_rows(canvas, &title, &axis, &rows))?;
    let title = format!("Operations per second. {title}");
    Ok(Some(Plot { suite: run.suite, level, subject: Subject::Throughput, name, title, svg }))
}

/// Operations per second of each round.
fn rates(run: &Run, place: Place<'_>, peer: &str) -> Option<Vec<f64>> {
    let of = |metric| run.measured(Place { metric: Some(metric), ..place }, peer);
    match of(Metric::Rate) {
        Some(rates) => Some(rates.values.clone()),
        None => of(Metric::Wall).map(|times| times.each().iter().map(|time| 1e3 / time).collect()),
    }
}

fn draw_rows(canvas: &Canvas<'_>, title: &str, axis: &LogAxis, rows: &[Row<'_>]) -> Drawn {
    heading(canvas, title)?;
    let height = rows.len() as f64;
    let mut chart = ChartBuilder::on(canvas)
        .margin_top(TOP)
        .margin_left(NAMES)
        .margin_right(FIGURES)
        .x_label_area_size(NUMBERS)
        .build_cartesian_2d(
            axis.range
                .clone()
                .log_scale()
                .with_key_points(axis.numbers.clone())
                .with_light_points(axis.between.clone()),
            height..0.0,
        )?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .bold_line_style(GRID.stroke_width(1))
        .light_line_style(FINE_GRID.stroke_width(1))
        .axis_style(INK.stroke_width(1))
        .label_style(("sans-serif", 12).into_font().color(&INK))
        .axis_desc_style(("sans-serif", 12).into_font().color(&INK))
        .x_labels(axis.numbers.len() + 1)
        .x_label_formatter(&|value| short(*value, ""))
        .x_desc("operations per second; a dot for the best round, a line over all rounds")
        .draw()?;
    let (names, figures) = (NAMES as i32, (WIDTH - FIGURES) as i32);
    for (index, row) in rows.iter().enumerate() {
        let at = |rate: f64| chart.backend_coord(&(rate, index as f64 + 0.5));
        let middle = at(axis.range.start).1;
        match row {
            Row::Workload(title) => {
                let half = ROW as i32 / 2 - 1;
                band(canvas, (0, middle - half), (WIDTH as i32, middle + half))?;
                write(canvas, title, (14, middle), 13, INK, Align::Left)?;
            }
            Row::Peer(name, style, Summary { min, max, .. }) => {
                write(canvas, name, (names - 10, middle), 13, INK, Align::Right)?;
                line(canvas, vec![at(*min), at(*max)], style.color, 2)?;
                mark(canvas, at(*max), *style)?;
                let best = format::value(Metric::Rate, *max);
                write(canvas, &best, (figures + 10, middle), 12, INK, Align::Left)?;
            }
        }
    }
    Ok(())
}
