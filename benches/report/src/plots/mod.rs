//! The plots of a report, as SVG.
//!
//! Drawn on white, so that they can be read on a dark page as well. A peer has one colour and marker in all of them
//! (`style.rs`). Equals are shown together: every plot is of one level of durability.

mod axis;
mod frame;
mod latency;
mod lines;
mod scale;
mod style;
mod throughput;

use crate::error::{Error, Result};
use crate::results::{Level, Run, Suite};
use crate::view::Place;

pub use style::Styles;

/// A plot, and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plot {
    /// The suite whose section it is in.
    pub suite: Suite,
    /// The level that it shows.
    pub level: Level,
    /// What it shows.
    pub subject: Subject,
    /// The file's name.
    pub name: String,
    /// For those who do not see it.
    pub title: String,
    /// The file.
    pub svg: String,
}

/// What a plot shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Operations per second.
    Throughput,
    /// How single operations are distributed.
    Latency,
    /// What an operation costs as data grows.
    Cost,
    /// Disk and memory as data grows.
    Size,
}

/// Every plot that the runs have data for.
pub fn draw(runs: &[&Run]) -> Result<Vec<Plot>> {
    let styles = Styles::of(runs);
    let mut plots = Vec::new();
    for run in runs {
        for level in Level::ALL {
            plots.extend(throughput::draw(run, level, &styles)?);
            plots.extend(latency::draw(run, level, &styles)?);
            plots.extend(scale::draw(run, level, &styles)?);
        }
    }
    Ok(plots)
}

/// The name of the plot of distributions at a place, if there is one.
pub(crate) fn latency_name(run: &Run, level: Level, place: Place<'_>) -> String {
    latency::name(run, level, place)
}

/// Makes plotters' errors those of a plot.
fn failed<E: std::fmt::Display>(plot: &str) -> impl Fn(E) -> Error + '_ {
    move |error| Error::Plot { plot: plot.to_owned(), reason: error.to_string() }
}
