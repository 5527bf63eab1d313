//! What comes last: what is lost, what could not be measured, and what was verified.

use std::fmt::Write;

use crate::format;
use crate::losses::Loss;
use crate::markdown::{Table, escape, folded};
use crate::results::Run;
use crate::view::phase_title;

/// Every measurement in which a peer is better.
pub(super) fn losses(losses: &[Loss]) -> String {
    let mut text = "## What we lose\n\n".to_owned();
    if losses.is_empty() {
        text.push_str("In none of the measurements a peer is better than ours of its level.\n\n");
        return text;
    }
    let (variants, baselines): (Vec<&Loss>, Vec<&Loss>) = losses.iter().partition(|loss| loss.is_variant);
    let _ = writeln!(
        text,
        "Every measurement in which a peer is better than ours of its level, the greatest difference first: {}. The \
         ratio is of the best rounds; with ~, the peer is not better in every round. ⚑: ours survives more.\n",
        baselines.len()
    );
    text.push_str(&table(&baselines));
    if !variants.is_empty() {
        let title = format!("Where a peer is better than another variant of ours: {}", variants.len());
        text.push_str(&folded(&title, &table(&variants)));
    }
    text
}

fn table(losses: &[&Loss]) -> String {
    let mut table =
        Table::of_text(["suite, level", "of", "what", "ours", "the peer", "the peer is better by"]);
    for loss in losses {
        let flag = if loss.is_flagged { " ⚑" } else { "" };
        let doubt = if loss.is_in_every_round() { "" } else { " ~" };
        let by = loss.by.map_or_else(|| "it has none".to_owned(), format::ratio);
        table.row(&[
            format!("{}, {}", loss.suite, loss.level.name()),
            escape(&loss.place),
            loss.what.clone(),
            format!("{}: {}", escape(&loss.ours.0), loss.ours.1),
            format!("{}: {}", escape(&loss.theirs.0), loss.theirs.1),
            format!("{by}{doubt}{flag}"),
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
