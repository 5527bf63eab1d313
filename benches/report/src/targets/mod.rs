//! What was promised, and whether a report's runs keep it.
//!
//! [`table::TARGETS`] is the one place in which targets stand. A target that speaks of several workloads is judged for
//! each; one of which nothing was measured is shown as such, never as reached.

mod judge;
mod table;

use crate::results::{Level, Metric, Run, Suite};

pub use table::TARGETS;

/// Something that was promised.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The suite that has to show it; any that measured it, if there is none.
    pub suite: Option<Suite>,
    /// What it says.
    pub says: &'static str,
    /// Of which workloads; each of which it was measured, if there are none.
    pub workloads: &'static [&'static str],
    /// Of which phases; each of which it was measured, if there are none.
    pub phases: &'static [&'static str],
    /// How it is judged.
    pub measure: Measure,
}

/// How a target is judged.
#[derive(Debug, Clone, Copy)]
pub enum Measure {
    /// A peer's best round over our best one.
    Times {
        /// Of what.
        metric: Metric,
        /// Of both.
        level: Level,
        /// The peer.
        peer: Role,
        /// The least that is wanted.
        at_least: f64,
    },
    /// The best round of every peer of ours' level over our best one.
    AheadOfAll {
        /// Of what.
        metric: Metric,
    },
    /// Our best round over that of the floor.
    OverFloor {
        /// Of what.
        metric: Metric,
        /// The most that is wanted.
        at_most: f64,
    },
    /// The median time of one operation with so many CoValues stored.
    Time {
        /// The number of CoValues.
        at: u64,
        /// The most that is wanted, in milliseconds.
        at_most: f64,
    },
    /// The longest time of one operation.
    Longest {
        /// The most that is wanted, in milliseconds.
        at_most: f64,
    },
    /// The rate with `to` CoValues stored over that with `from`.
    Keeps {
        /// The smaller number of CoValues.
        from: u64,
        /// The larger number of CoValues.
        to: u64,
        /// The least that is wanted; as much as SQLite, if there is none.
        at_least: Option<f64>,
    },
}

/// Which peer a target speaks of. Names of peers begin with their family: see `benches/README.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// SQLite, as fast as it can be.
    Sqlite,
    /// SQLite as cojson ships it, with statements prepared per call.
    ShippedSqlite,
}

impl Role {
    /// The peer of a run in this role.
    pub fn of(self, run: &Run, level: Level) -> Option<&crate::results::Peer> {
        run.peers_at(level).into_iter().find(|peer| {
            peer.kind == crate::results::Kind::Peer
                && peer.family() == "sqlite"
                && peer.name.contains("shipped") == (self == Self::ShippedSqlite)
        })
    }
}

/// What became of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept.
    Reached,
    /// It is not.
    Missed,
    /// Nothing tells.
    NotMeasured,
}

/// A target, or the part of it that speaks of one workload and phase.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The suite that measured it.
    pub suite: Option<Suite>,
    /// What was promised.
    pub says: String,
    /// Where it was measured.
    pub place: String,
    /// What is wanted.
    pub wanted: String,
    /// What was measured.
    pub measured: String,
    /// What became of it.
    pub verdict: Verdict,
}

/// Judges every target by the runs.
pub fn judge(runs: &[&Run]) -> Vec<Line> {
    TARGETS.iter().flat_map(|target| judge::lines(target, runs)).collect()
}

/// How many targets are kept, of how many that were measured, and how many were not measured.
pub fn score(lines: &[Line]) -> (usize, usize, usize) {
    let count = |verdict| lines.iter().filter(|line| line.verdict == verdict).count();
    let (reached, missed) = (count(Verdict::Reached), count(Verdict::Missed));
    (reached, reached + missed, count(Verdict::NotMeasured))
}
