//! What comes first: what the report is, the targets, where it was measured, and how to read it.

use std::fmt::Write;

use crate::format;
use crate::markdown::{Table, escape};
use crate::results::Run;
use crate::targets::{Line, Verdict, score};
use crate::view::unique;

/// The heading.
pub(super) fn title(runs: &[&Run]) -> String {
    let mut text =
        "<!-- Written by cargo xtask bench; do not edit. -->\n\n# What the benchmarks measured\n\n"
            .to_owned();
    if runs.iter().any(|run| run.quick) {
        text.push_str(
            "**These are quick runs, which only try whether everything works. Their figures say nothing about \
             speed.**\n\n",
        );
    }
    if runs.iter().any(|run| run.commit.as_ref().is_some_and(|commit| commit.ends_with("-dirty"))) {
        text.push_str("**The tree had changes that are in no commit when this was measured.**\n\n");
    }
    text
}

/// What was promised, and what became of it.
pub(super) fn targets(lines: &[Line]) -> String {
    let (reached, measured, unknown) = score(lines);
    let mut text = format!("## Targets\n\n{reached} of {measured} that were measured are reached");
    let _ = match unknown {
        0 => writeln!(text, ".\n"),
        _ => writeln!(text, "; {unknown} were not measured.\n"),
    };
    let mut table = Table::of_text(["suite", "of", "target", "wanted", "measured", ""]);
    for line in lines {
        let verdict = match line.verdict {
            Verdict::Reached => "reached",
            Verdict::Missed => "**not reached**",
            Verdict::NotMeasured => "not measured",
        };
        let suite = line.suite.map_or("any", |suite| suite.name());
        let measured = match line.verdict {
            Verdict::NotMeasured => "–".to_owned(),
            _ => escape(&line.measured),
        };
        table.row(&[suite, &line.place, &line.says, &line.wanted, &measured, verdict]);
    }
    text.push_str(&table.finish());
    text.push_str(
        "Ratios of targets are of the best rounds; brackets show the least and the greatest ratio of single rounds.\n\n",
    );
    text
}

/// On what, with which versions, and how to do it again.
pub(super) fn machines(runs: &[&Run]) -> String {
    let mut text = "## Where and how it was measured\n\n".to_owned();
    let mut headings = vec!["".to_owned()];
    headings.extend(runs.iter().map(|run| format!("suite `{}`", run.suite)));
    let mut table = Table::of_text(headings);
    let mut row = |name: &str, of: &dyn Fn(&Run) -> String| {
        let mut cells = vec![name.to_owned()];
        cells.extend(runs.iter().map(|run| escape(&of(run))));
        table.row(&cells);
    };
    let known = |text: Option<String>| text.unwrap_or_else(|| "not known".to_owned());
    row("processor", &|run| {
        format!("{}, {} of them", known(run.machine.cpu.clone()), run.machine.processors)
    });
    row("memory", &|run| known(run.machine.memory_bytes.map(|bytes| format::bytes(bytes as f64))));
    row("system", &|run| run.machine.system.clone());
    row("file system of the stores", &|run| known(run.machine.file_system.clone()));
    row("load average before, after", &|run| {
        let load = |load: Option<f64>| known(load.map(|load| format!("{load:.2}")));
        format!("{}, {}", load(run.machine.load_before), load(run.machine.load_after))
    });
    row("date", &|run| run.date.clone());
    row("commit", &|run| known(run.commit.clone()));
    row("rounds", &|run| run.rounds.to_string());
    row("seed", &|run| run.seed.to_string());
    let names = unique(runs.iter().flat_map(|run| run.versions.keys()));
    for name in names {
        row(&escape(name), &|run| run.versions.get(name).cloned().unwrap_or_default());
    }
    text.push_str(&table.finish());
    text.push_str("Results as they were written: ");
    let files: Vec<String> =
        runs.iter().map(|run| format!("[{0}/{1}.json]({0}/{1}.json)", super::FOLDER, run.suite)).collect();
    let _ = writeln!(text, "{}. To measure again, on a machine that does nothing else:\n", files.join(", "));
    text.push_str(
        "```sh\ncargo xtask bench                 # everything, then this report\ncargo xtask bench --report-only   \
         # the report anew, of the newest results\n```\n\n",
    );
    text
}

/// How the tables are read.
pub(super) const READING: &str = "\
## How to read it

A store at the level `process` survives a crash or kill of the process once it is finished (SQLite with NORMAL, ours with \
`relaxed`).\\
One at the level `power` survives a power cut as well (SQLite with FULL, ours with `strict`); one at `none` survives \
nothing.

- Peers are compared at equal level only. What is at `none` is compared with ours at `process` where ours was not measured in \
memory; such lines are flagged with ⚑.
- A cell has the least and the median of the rounds, for one operation (a message stored, a CoValue loaded). Below is how \
many times ours that is, by the best round of both, and in brackets the least and the greatest of single rounds: more than \
1 means that ours is better.
- A row that is compared with another one of ours than the first says so.
- Floors are no storages: they do the least that one would have to do, and give nothing back.
- CPU is that of all threads, in user mode and in the system.

";
