//! The section of a suite: what it stores, and for each level of durability what was measured.

use std::fmt::Write;

use super::FOLDER;
use super::tables::{Column, heading, peers};
use crate::format;
use crate::losses::percentile;
use crate::markdown::{Table, escape, folded};
use crate::plots::{Plot, Subject, latency_name};
use crate::results::{Amount, Kind, Latencies, Level, Metric, Peer, Run, Suite, Workload};
use crate::stats::{advantage, best};
use crate::view::{Place, in_order, phase_title, shows_latencies, unique};

const PHASES_OF_STORES: [&str; 3] = ["store", "store-alone", "store-64"];

/// The whole section.
pub(super) fn section(run: &Run, plots: &[Plot]) -> String {
    let plots: Vec<&Plot> = plots.iter().filter(|plot| plot.suite == run.suite).collect();
    let mut text = match run.suite {
        Suite::Js => "## Suite `js`: what an app gets\n\n",
        Suite::Engine => "## Suite `engine`: the engine alone\n\n",
        Suite::Browser => "## Suite `browser`: what an app gets in a browser\n\n",
    }
    .to_owned();
    text.push_str(&workloads(run));
    text.push_str(&notes(run));
    for level in Level::ALL {
        // Floors alone are shown beside ours, below.
        let compares = |peer: &Peer| peer.level == level && peer.kind != Kind::Floor;
        if run.measurements.iter().any(|found| run.peer(&found.peer).is_some_and(compares)) {
            text.push_str(&of_level(run, level, &plots));
        }
    }
    text.push_str(&floors(run));
    text
}

fn workloads(run: &Run) -> String {
    let mut table =
        Table::new(["workload", "messages", "transactions", "CoValues", "bytes given", "bytes a message"]);
    for workload in &run.workloads {
        let Workload { name, title, messages, transactions, values, payload_bytes, at_power } = workload;
        let mut row = |title: String, [messages, transactions, values]: [u64; 3], bytes: Option<u64>| {
            let bytes = bytes.map(|bytes| bytes as f64);
            let each = bytes.filter(|_| messages > 0).map(|bytes| bytes / messages as f64);
            let known = |bytes: Option<f64>| bytes.map(format::bytes).unwrap_or_default();
            let [messages, transactions, values] =
                [messages, transactions, values].map(|count| format::whole(count as f64));
            table.row(&[title, messages, transactions, values, known(bytes), known(each)]);
        };
        let title = format!("`{name}`: {}", escape(title));
        row(title, [*messages, *transactions, *values], *payload_bytes);
        if let Some(Amount { messages, transactions, values, payload_bytes }) = at_power {
            row(format!("`{name}` at `power`"), [*messages, *transactions, *values], *payload_bytes);
        }
    }
    table.finish()
}

fn notes(run: &Run) -> String {
    let mut text = String::new();
    for peer in &run.peers {
        if let Some(note) = &peer.note {
            let _ = writeln!(text, "- {}: {}", escape(&peer.title), escape(note));
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn of_level(run: &Run, level: Level, plots: &[&Plot]) -> String {
    let title = match level {
        Level::None => "surviving nothing",
        Level::Process => "surviving a crash of the process",
        Level::Power => "surviving a power cut",
    };
    let mut text = format!("### `{}`, level `{}`: {title}\n\n", run.suite, level.name());
    let plot = |subject: Subject| -> String {
        let of = plots.iter().filter(|plot| plot.level == level && plot.subject == subject);
        of.map(|plot| image(plot)).collect()
    };
    text.push_str(&plot(Subject::Throughput));
    for workload in &run.workloads {
        text.push_str(&of_workload(run, level, &workload.name));
    }
    let latencies = latencies(run, level, plots);
    if !latencies.is_empty() {
        let _ =
            write!(text, "#### Latencies ({}, {})\n\n{}", run.suite, level.name(), plot(Subject::Latency));
        text.push_str(&latencies);
    }
    let counted = [Metric::Disk, Metric::PeakMemory, Metric::Syncs, Metric::Writes];
    let counted: String = counted.into_iter().map(|metric| across_workloads(run, level, metric)).collect();
    if !counted.is_empty() {
        let _ =
            write!(text, "#### Disk, memory, system calls ({}, {})\n\n{counted}", run.suite, level.name());
    }
    let series = series(run, level);
    if !series.is_empty() {
        let _ = write!(text, "#### As data grows ({}, {})\n\n", run.suite, level.name());
        text.push_str(&plot(Subject::Cost));
        text.push_str(&plot(Subject::Size));
        text.push_str(&folded("The figures", &series));
    }
    text
}

fn image(plot: &Plot) -> String {
    format!("![{}]({FOLDER}/{})\n\n", escape(&plot.title), plot.name)
}

/// The phases of a workload at a level in which a metric was measured, not as a series.
fn columns<'a>(run: &'a Run, workload: &'a str, metric: Metric) -> Vec<Place<'a>> {
    let found = run
        .measurements
        .iter()
        .filter(|found| found.workload == workload && found.metric == metric && found.at.is_none());
    let phases = in_order(unique(found.map(|found| found.phase.as_str())));
    phases.into_iter().map(|phase| Place { workload, phase, metric: Some(metric), at: None }).collect()
}

fn of_workload(run: &Run, level: Level, workload: &str) -> String {
    // What waits for syncs is about time.
    let metrics = match level {
        Level::Power => [Metric::Wall, Metric::Cpu, Metric::Rate],
        _ => [Metric::Cpu, Metric::Wall, Metric::Rate],
    };
    let mut text = String::new();
    for metric in metrics {
        let columns: Vec<Column<'_>> = columns(run, workload, metric)
            .into_iter()
            .map(|place| (phase_title(place.phase).to_owned(), place))
            .collect();
        let Some(table) = peers(run, level, &columns) else { continue };
        if text.is_empty() {
            let title = escape(run.title_of(workload));
            let _ = write!(
                text,
                "#### {title} ({}, {})\n\n{}:\n\n{table}",
                run.suite,
                level.name(),
                heading(metric)
            );
        } else {
            text.push_str(&folded(heading(metric), &table));
        }
    }
    text
}

/// A metric of all workloads and phases.
fn across_workloads(run: &Run, level: Level, metric: Metric) -> String {
    let places = run.workloads.iter().flat_map(|workload| columns(run, &workload.name, metric));
    let columns: Vec<Column<'_>> =
        places.map(|place| (format!("`{}`: {}", place.workload, phase_title(place.phase)), place)).collect();
    let Some(table) = peers(run, level, &columns) else { return String::new() };
    let title = heading(metric);
    format!("{}{}:\n\n{table}", title[..1].to_uppercase(), &title[1..])
}

fn latencies(run: &Run, level: Level, plots: &[&Plot]) -> String {
    let mut text = String::new();
    for place in run.places::<Latencies>().into_iter().filter(|place| shows_latencies(*place)) {
        let of = |peer: &str| run.found::<Latencies>(place, peer);
        let peers = run.peers_at(level).into_iter();
        let found: Vec<_> = peers.filter_map(|peer| Some((peer, of(&peer.name)?))).collect();
        let mut parts: Vec<f64> =
            found.iter().flat_map(|(_, found)| &found.percentiles).map(|(part, _)| *part).collect();
        parts.sort_by(f64::total_cmp);
        parts.dedup();
        if parts.is_empty() {
            continue;
        }
        let mut headings = vec![String::new(), "operations".to_owned()];
        headings.extend(parts.iter().map(|part| percentile(*part)));
        let mut table = Table::new(headings);
        for (peer, found) in found {
            let title = escape(&peer.title);
            let title = if peer.kind == Kind::Ours { format!("**{title}**") } else { title };
            let mut row = vec![title, format::whole(found.count as f64)];
            row.extend(parts.iter().map(|part| {
                let found = found.percentiles.iter().find(|(of, _)| of == part);
                found.map(|(_, time)| format::microseconds(*time)).unwrap_or_default()
            }));
            table.row(&row);
        }
        let at = place.at.map(|at| format!(", {} CoValues", format::size(at))).unwrap_or_default();
        let title = format!("{}: {}{at}", escape(run.title_of(place.workload)), phase_title(place.phase));
        let name = latency_name(run, level, place);
        let image = plots
            .iter()
            .find(|plot| plot.name == name && place.at.is_none())
            .map(|plot| image(plot))
            .unwrap_or_default();
        // What a user waits for is shown at once.
        if PHASES_OF_STORES.contains(&place.phase) && place.at.is_none() {
            let _ = write!(text, "{image}{}", folded(&title, &table.finish()));
        } else {
            text.push_str(&folded(&title, &format!("{image}{}", table.finish())));
        }
    }
    text
}

/// What was measured with a growing number of CoValues.
fn series(run: &Run, level: Level) -> String {
    let places: Vec<Place<'_>> =
        run.places::<crate::results::Measurement>().into_iter().filter(|place| place.at.is_some()).collect();
    let mut text = String::new();
    for workload in unique(places.iter().map(|place| place.workload)) {
        let of_workload = || places.iter().filter(move |place| place.workload == workload);
        for phase in in_order(unique(of_workload().map(|place| place.phase))) {
            let of_phase = || of_workload().filter(move |place| place.phase == phase);
            for metric in unique(of_phase().filter_map(|place| place.metric)) {
                let mut columns: Vec<Column<'_>> = of_phase()
                    .filter(|place| place.metric == Some(metric))
                    .map(|place| (format::size(place.at.unwrap_or_default()), *place))
                    .collect();
                columns.sort_by_key(|(_, place)| place.at);
                if let Some(table) = peers(run, level, &columns) {
                    let _ = write!(
                        text,
                        "{}: {}, by CoValues stored:\n\n{table}",
                        phase_title(phase),
                        heading(metric)
                    );
                }
            }
        }
    }
    text
}

/// How far ours is from what cannot be beaten.
fn floors(run: &Run) -> String {
    let mut table =
        Table::new(["phase", "floor", "CPU: floor", "ours", "ours to floor", "time: ours to floor"]);
    let mut is_empty = true;
    let phases = in_order(unique(run.measurements.iter().map(|found| found.phase.as_str())));
    for workload in &run.workloads {
        for &phase in &phases {
            for floor in run.peers.iter().filter(|peer| peer.kind == Kind::Floor) {
                let of = |metric| {
                    let place = Place { workload: &workload.name, phase, metric: Some(metric), at: None };
                    let theirs = run.measured(place, &floor.name)?;
                    let ours = run.baseline(theirs)?;
                    let ratio = advantage(&ours.found.each(), &theirs.each(), false)?.inverse();
                    Some((
                        best(&theirs.each(), false),
                        best(&ours.found.each(), false),
                        ratio,
                        ours.is_flagged,
                    ))
                };
                let (cpu, wall) = (of(Metric::Cpu), of(Metric::Wall));
                if cpu.is_none() && wall.is_none() {
                    continue;
                }
                is_empty = false;
                let flagged = cpu.or(wall).is_some_and(|(.., is_flagged)| is_flagged);
                let flag = if flagged { " ⚑" } else { "" };
                let ratio = |found: Option<(f64, f64, _, bool)>| {
                    found.map_or_else(|| "–".to_owned(), |(_, _, ratio, _)| format::ratio(ratio))
                };
                let time = |time: Option<f64>| {
                    time.map_or_else(|| "–".to_owned(), |time| format::value(Metric::Cpu, time))
                };
                table.row(&[
                    format!("`{}`: {}", workload.name, phase_title(phase)),
                    format!("{}{flag}", escape(&floor.title)),
                    time(cpu.map(|(floor, ..)| floor)),
                    time(cpu.map(|(_, ours, ..)| ours)),
                    ratio(cpu),
                    ratio(wall),
                ]);
            }
        }
    }
    if is_empty {
        return String::new();
    }
    format!("### `{}`: how far it is from the floors\n\n{}", run.suite, table.finish())
}
