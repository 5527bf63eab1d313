//! The text of benches/REPORT.md.
//!
//! Every number in it is of the result files, or derived from them.

mod end;
mod start;
mod suite;
mod tables;

use crate::headline;
use crate::losses::{comparisons, losses};
use crate::plots::Plot;
use crate::results::Run;
use crate::targets;

/// The folder of plots and result files, from where the report lies.
pub(crate) const FOLDER: &str = "report";

/// The report, and its headline for a text from which `link` leads to it.
pub(crate) fn write(runs: &[&Run], plots: &[Plot], link: &str) -> (String, String) {
    let lines = targets::judge(runs);
    let (losses, comparisons) = (losses(runs), comparisons(runs));
    let mut text = start::title(runs);
    text.push_str("## Headline\n\n");
    text.push_str(&headline::text(runs, &lines, &losses, comparisons));
    text.push('\n');
    text.push_str(&start::targets(&lines));
    text.push_str(&start::machines(runs));
    text.push_str(start::READING);
    for run in runs {
        text.push_str(&suite::section(run, plots));
    }
    text.push_str(&end::losses(&losses, comparisons));
    text.push_str(&end::failures(runs));
    text.push_str(&end::verified(runs));
    (format!("{}\n", text.trim_end()), headline::block(runs, &lines, &losses, comparisons, link))
}
