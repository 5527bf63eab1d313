//! Tables of peers and what was measured of them.

use crate::format;
use crate::markdown::{Table, escape};
use crate::results::{Kind, Level, Measurement, Metric, Peer, Run};
use crate::stats::summary;
use crate::view::Place;

/// A column: its heading, and what it shows.
pub(super) type Column<'a> = (String, Place<'a>);

/// A row for each peer of a level of which something was measured or should have been; nothing if there is none.
pub(super) fn peers(run: &Run, level: Level, columns: &[Column<'_>]) -> Option<String> {
    let has = |peer: &Peer, place: Place<'_>| run.measured(place, &peer.name).is_some();
    let columns: Vec<&Column<'_>> = columns
        .iter()
        .filter(|(_, place)| run.peers_at(level).iter().any(|peer| has(peer, *place)))
        .collect();
    if columns.is_empty() {
        return None;
    }
    let headings = columns.iter().map(|(heading, _)| heading.as_str());
    let mut table = Table::new(std::iter::once("").chain(headings));
    for peer in run.peers_at(level) {
        let cells: Vec<String> = columns.iter().map(|(_, place)| cell(run, peer, *place)).collect();
        if cells.iter().all(String::is_empty) {
            continue;
        }
        let mut row = vec![name(run, peer, columns.iter().map(|(_, place)| *place))];
        row.extend(cells);
        table.row(&row);
    }
    Some(table.finish())
}

/// The peer's title, and what it is compared with if that is not the first of ours.
fn name<'a>(run: &Run, peer: &Peer, places: impl Iterator<Item = Place<'a>>) -> String {
    let title = escape(&peer.title);
    let title = match peer.kind {
        Kind::Ours => format!("**{title}**"),
        Kind::Peer => title,
        Kind::Floor => format!("*{title}*"),
    };
    let first = run.peers.iter().find(|ours| ours.kind == Kind::Ours && ours.level == peer.level);
    let others = places.filter_map(|place| {
        let baseline = run.baseline(run.measured(place, &peer.name)?)?.peer;
        let is_other = first.is_some_and(|first| first.name != baseline.name) && baseline.name != peer.name;
        is_other.then(|| escape(&baseline.title))
    });
    let others = crate::view::unique(others);
    match others.as_slice() {
        [] => title,
        others => format!("{title}<br>to {}", others.join("; ")),
    }
}

fn cell(run: &Run, peer: &Peer, place: Place<'_>) -> String {
    let Some(found) = run.measured(place, &peer.name) else {
        let failed = run.failures.iter().any(|failure| {
            failure.peer == peer.name
                && failure.workload == place.workload
                && failure.phase.as_ref().is_none_or(|phase| phase == place.phase)
        });
        return if failed { "failed".to_owned() } else { String::new() };
    };
    let shown = value(found);
    let baseline = run.baseline(found);
    match (run.advantage_over(found), baseline) {
        (Some(ratio), Some(baseline)) if baseline.peer.name != peer.name => {
            let flag = if baseline.is_flagged { " ⚑" } else { "" };
            format!("{shown}<br>{}{flag}", format::ratio(ratio))
        }
        _ => shown,
    }
}

/// The least and the median of a measurement; of rates the greatest.
fn value(found: &Measurement) -> String {
    let each = found.each();
    let mut summary = summary(&each);
    if found.metric.more_is_better() {
        summary.min = summary.max;
    }
    format::min_and_median(found.metric, summary, each.len())
}

/// What the heading of a table says of a metric.
pub(super) fn heading(metric: Metric) -> &'static str {
    match metric {
        Metric::Cpu => "CPU of one operation",
        Metric::Wall => "time of one operation",
        Metric::PeakMemory => "peak memory, above that at the start",
        Metric::Disk => "disk after closing",
        Metric::Syncs => "syncs for each operation",
        Metric::Writes => "system calls that write, for each operation",
        Metric::Rate => "operations per second (greatest · median)",
    }
}
