//! What comes last: what is lost, what could not be measured, and what was verified.

use std::fmt::Write;

use crate::format;
use crate::losses::Loss;
use crate::markdown::{Table, escape, folded};
use crate::results::Run;
use crate::view::{phase_title, unique};

/// Every measurement in which a peer is better, of so many.
pub(super) fn losses(losses: &[Loss], comparisons: usize) -> String {
    let mut text = "## What we lose\n\n".to_owned();
    let (variants, baselines): (Vec<&Loss>, Vec<&Loss>) = losses.iter().partition(|loss| loss.is_variant);
    let _ = writeln!(
        text,
        "Every measurement and percentile in which a peer is better than ours of its level: {} of {comparisons}. They stand \
         together by peer and what was done, the greatest difference first; with how many times the peer is better, and \
         in brackets that of single rounds. With ~, the peer is not better in every round. ⚑: ours survives more.\n",
        baselines.len()
    );
    if baselines.is_empty() {
        return text;
    }
    text.push_str(&table(&baselines, false));
    if !variants.is_empty() {
        let title = format!("Where a peer is better than another variant of ours: {}", variants.len());
        text.push_str(&folded(&title, &table(&variants, true)));
    }
    text
}

/// Losses by peer and what was done. They come the greatest first, so that each group stands where its greatest belongs.
fn table(losses: &[&Loss], of_variants: bool) -> String {
    let headings =
        ["suite, level", "of", "the peer", "figures: by how much, and theirs to ours", "latencies"];
    let mut table = match of_variants {
        true => Table::of_text(headings.into_iter().chain(["ours"])),
        false => Table::of_text(headings),
    };
    let key = |loss: &Loss| {
        (loss.suite, loss.level, loss.place.clone(), loss.theirs.0.clone(), loss.ours.0.clone())
    };
    for group in unique(losses.iter().map(|loss| key(loss))) {
        let of_group = || losses.iter().filter(|loss| key(loss) == group);
        let by = |loss: &Loss| {
            let doubt = if loss.is_in_every_round() { "" } else { " ~" };
            let by = loss.by.map_or_else(|| "it has none".to_owned(), format::ratio);
            format!("{} {by}{doubt}", loss.what)
        };
        let figures: Vec<String> = of_group()
            .filter(|loss| !loss.is_latency)
            .map(|loss| format!("{}: {} to {}", by(loss), loss.theirs.1, loss.ours.1))
            .collect();
        let latencies: Vec<String> = of_group().filter(|loss| loss.is_latency).map(|loss| by(loss)).collect();
        let flag = if of_group().any(|loss| loss.is_flagged) { " ⚑" } else { "" };
        let (suite, level, place, theirs, ours) = &group;
        table.row(&[
            format!("{suite}, {}{flag}", level.name()),
            escape(place),
            escape(theirs),
            figures.join("<br>"),
            latencies.join(", "),
            escape(ours),
        ]);
    }
    table.finish()
}

/// What could not be measured.
pub(super) fn failures(runs: &[&Run]) -> String {
    let mut text = "## What could not be measured\n\n".to_owned();
    if runs.iter().all(|run| run.failures.is_empty()) {
        text.push_str("Nothing failed, and no peer was left out.\n\n");
        return text;
    }
    let mut table = Table::of_text(["suite", "peer", "of", "why"]);
    for run in runs {
        for failure in &run.failures {
            let title = run.peer(&failure.peer).map_or(&failure.peer, |peer| &peer.title);
            let phase = failure.phase.as_deref().map(|phase| format!(": {}", phase_title(phase)));
            table.row(&[
                run.suite.to_string(),
                escape(title),
                escape(&format!("{}{}", run.title_of(&failure.workload), phase.unwrap_or_default())),
                escape(&failure.reason),
            ]);
        }
    }
    text.push_str(&table.finish());
    text
}

/// What was compared with what.
pub(super) fn verified(runs: &[&Run]) -> String {
    let mut text = "## What was verified\n\n".to_owned();
    for run in runs {
        for line in &run.verified {
            let _ = writeln!(text, "- `{}`: {}", run.suite, escape(line));
        }
    }
    text.push('\n');
    text
}
