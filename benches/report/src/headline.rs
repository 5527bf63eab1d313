//! The headline: a handful of ratios, in the report and in README.md.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::error::{Error, Result};
use crate::format;
use crate::losses::Loss;
use crate::markdown::{Table, escape};
use crate::results::{Kind, Level, Metric, Run, Suite};
use crate::targets::{Line, Role, score};
use crate::view::{Place, unique};

/// Where the headline begins in README.md.
pub const BEGIN: &str = "<!-- bench: written by cargo xtask bench -->";
/// Where it ends.
pub const END: &str = "<!-- bench: end -->";

/// A line of the headline; left out if it was not measured.
struct Head {
    suite: Suite,
    says: &'static str,
    workload: &'static str,
    phase: &'static str,
    metric: Metric,
    level: Level,
}

const fn head(
    suite: Suite,
    says: &'static str,
    (workload, phase): (&'static str, &'static str),
    metric: Metric,
) -> Head {
    Head { suite, says, workload, phase, metric, level: Level::Process }
}

const HEADS: &[Head] = &[
    head(Suite::Js, "store a small message", ("small", "store"), Metric::Cpu),
    head(Suite::Js, "store a message of 300 transactions", ("bulk", "store"), Metric::Cpu),
    head(Suite::Js, "load a small CoValue", ("small", "load"), Metric::Cpu),
    head(Suite::Js, "load a file", ("files", "load"), Metric::Cpu),
    head(Suite::Js, "known state", ("small", "known"), Metric::Cpu),
    Head {
        level: Level::Power,
        ..head(
            Suite::Js,
            "store surviving a power cut, 64 in flight (time)",
            ("small", "store-64"),
            Metric::Wall,
        )
    },
    head(Suite::Engine, "the engine alone: store a small message", ("small", "store"), Metric::Cpu),
    head(
        Suite::Engine,
        "the engine alone: load a compacted CoValue",
        ("small", "load-clustered-warm"),
        Metric::Cpu,
    ),
];

/// The table of the headline, and what was reached and lost.
pub fn text(runs: &[&Run], lines: &[Line], losses: &[Loss], comparisons: usize) -> String {
    let mut table = Table::new([
        "CPU of one operation",
        "native",
        "SQLite",
        "SQLite as cojson ships it",
        "the closest peer",
    ]);
    for head in HEADS {
        runs.iter().filter(|run| run.suite == head.suite).filter_map(|run| row(run, head)).for_each(
            |cells| {
                table.row(&cells);
            },
        );
    }
    let mut text = table.finish();
    let _ = writeln!(
        text,
        "How many times the CPU of the native storage each needs, at equal durability: best rounds, in brackets all \
         rounds.\n"
    );
    let (reached, measured, unknown) = score(lines);
    let _ = write!(text, "Of {measured} targets that were measured, {reached} are reached");
    if unknown > 0 {
        let _ = write!(text, ", and {unknown} were not measured");
    }
    let lost = losses.iter().filter(|loss| !loss.is_variant).count();
    let _ =
        writeln!(text, ". In {lost} of {comparisons} comparisons a peer is better than the native storage.");
    text
}

fn row(run: &Run, head: &Head) -> Option<Vec<String>> {
    let Head { suite: _, says, workload, phase, metric, level } = *head;
    let place = Place { workload, phase, metric: Some(metric), at: None };
    let ratio = |peer: &str| run.advantage_over(run.measured(place, peer)?);
    let shown = |role: Role| {
        let ratio = role.of(run, level).and_then(|peer| ratio(&peer.name));
        ratio.map_or_else(|| "–".to_owned(), format::ratio)
    };
    let peers = run.peers_at(level).into_iter().filter(|peer| peer.kind == Kind::Peer);
    let ratios = peers.filter_map(|peer| Some((peer, ratio(&peer.name)?)));
    let (closest, factor) = ratios.min_by(|(_, a), (_, b)| a.value.total_cmp(&b.value))?;
    let theirs = run.measured(place, &closest.name)?;
    let ours = crate::stats::best(&run.baseline(theirs)?.found.each(), metric.more_is_better());
    Some(vec![
        says.to_owned(),
        format::value(metric, ours),
        shown(Role::Sqlite),
        shown(Role::ShippedSqlite),
        format!("{}, {}", format::ratio(factor), escape(&closest.title)),
    ])
}

/// The part of README.md, of which `link` leads to the report.
pub fn block(runs: &[&Run], lines: &[Line], losses: &[Loss], comparisons: usize, link: &str) -> String {
    let mut text = "## How fast it is\n\n".to_owned();
    text.push_str(&text_without_gap(&self::text(runs, lines, losses, comparisons)));
    let machines = unique(runs.iter().map(|run| {
        let machine = &run.machine;
        let cpu = machine.cpu.as_deref().unwrap_or("processors that are not known");
        format!("{cpu}, {} processors, {}", machine.processors, machine.system)
    }));
    let dates = unique(runs.iter().map(|run| run.date.split('T').next().unwrap_or(&run.date)));
    let _ = writeln!(
        text,
        "\nMeasured on {} ({}). Everything that was measured, what is lost among it, the versions, and how to measure \
         again: [{link}]({link}).",
        dates.join(", "),
        escape(&machines.join("; ")),
    );
    text
}

fn text_without_gap(text: &str) -> String {
    format!("{}\n", text.trim_end())
}

/// Puts the block between the markers of a text.
pub fn insert(path: &Path, block: &str) -> Result<()> {
    let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let text = between(&text, block).map_err(|marker| Error::Marker { path: path.to_owned(), marker })?;
    fs::write(path, text).map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// The text with the block between its markers, or the marker that is not there once.
fn between(text: &str, block: &str) -> std::result::Result<String, &'static str> {
    let once = |marker| match text.matches(marker).count() {
        1 => text.find(marker).ok_or(marker),
        _ => Err(marker),
    };
    let (begin, end) = (once(BEGIN)? + BEGIN.len(), once(END)?);
    let (Some(before), Some(after)) = (text.get(..begin), text.get(end..).filter(|_| begin <= end)) else {
        return Err(END);
    };
    Ok(format!("{before}\n{}\n{after}", block.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_takes_the_place_of_the_one_before() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = between(&text, "new\n").unwrap();
        assert_eq!(new, format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert_eq!(between(&new, "new\n").unwrap(), new);
    }

    #[test]
    fn markers_have_to_be_there_once_and_in_order() {
        assert_eq!(between("text", "new"), Err(BEGIN));
        assert_eq!(between(&format!("{BEGIN}\n"), "new"), Err(END));
        assert_eq!(between(&format!("{BEGIN}{BEGIN}{END}"), "new"), Err(BEGIN));
        assert_eq!(between(&format!("{END}{BEGIN}"), "new"), Err(END));
    }
}
