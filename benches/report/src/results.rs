//! Result files: one JSON object per run of a suite, as `benches/README.md` describes it.
//!
//! Reading refuses fields that are unknown, missing or of another type; what the types do not say, `check.rs` does.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};

/// The version of the form that is read.
pub const SCHEMA: u64 = 1;

/// What is measured together, by one program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// What an app gets: through cojson's `StorageAPI`, in Node.js.
    Js,
    /// The engine alone, without JavaScript.
    Engine,
    /// What an app gets in a browser.
    Browser,
}

impl Suite {
    /// Every suite, in the order of the report.
    pub const ALL: [Self; 3] = [Self::Js, Self::Engine, Self::Browser];

    /// Its name, as in result files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Js => "js",
            Self::Engine => "engine",
            Self::Browser => "browser",
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What a finished store survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing: it is in memory.
    None,
    /// A crash or kill of the process.
    Process,
    /// A power cut.
    Power,
}

impl Level {
    /// Every level, in the order of the report.
    pub const ALL: [Self; 3] = [Self::Process, Self::Power, Self::None];

    /// Its name, as in result files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Process => "process",
            Self::Power => "power",
        }
    }
}

/// What a peer is to the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// This engine.
    Ours,
    /// Another storage.
    Peer,
    /// What cannot be beaten: the least that any storage of the kind would have to do.
    Floor,
}

/// What a measurement tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Metric {
    /// CPU time of all threads, in user mode and in the system.
    Cpu,
    /// Time.
    Wall,
    /// Bytes resident at most, less those at the start.
    PeakMemory,
    /// Bytes of files after closing.
    Disk,
    /// System calls that sync.
    Syncs,
    /// System calls that write.
    Writes,
    /// Operations per second.
    Rate,
}

impl Metric {
    /// What its unit may be called in result files.
    pub const fn units(self) -> &'static [&'static str] {
        match self {
            Self::Cpu | Self::Wall => &["ms"],
            Self::PeakMemory | Self::Disk => &["bytes"],
            Self::Syncs | Self::Writes => &["count", "calls"],
            Self::Rate => &["1/s"],
        }
    }

    /// Whether it is of all operations together, so that what one takes is a part of it.
    pub const fn is_total(self) -> bool {
        matches!(self, Self::Cpu | Self::Wall | Self::Syncs | Self::Writes)
    }

    /// Whether more of it is better.
    pub const fn more_is_better(self) -> bool {
        matches!(self, Self::Rate)
    }

    /// What the report calls it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Wall => "wall",
            Self::PeakMemory => "peak memory",
            Self::Disk => "disk",
            Self::Syncs => "syncs",
            Self::Writes => "writes",
            Self::Rate => "rate",
        }
    }
}

/// A run of a suite.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Run {
    /// The form of the file.
    pub schema: u64,
    /// What was measured.
    pub suite: Suite,
    /// When, as ISO 8601.
    pub date: String,
    /// Git's commit, with `-dirty` if the tree had changes; nothing if it was measured outside of git.
    pub commit: Option<String>,
    /// Whether it only tried that everything works.
    pub quick: bool,
    /// Where it ran.
    pub machine: Machine,
    /// Versions by name.
    pub versions: BTreeMap<String, String>,
    /// Where the generator of data and orders began.
    pub seed: u64,
    /// How often everything was measured.
    pub rounds: usize,
    /// What was stored and loaded.
    pub workloads: Vec<Workload>,
    /// What was compared.
    pub peers: Vec<Peer>,
    /// What was measured.
    pub measurements: Vec<Measurement>,
    /// How long single operations took.
    pub latencies: Vec<Latencies>,
    /// What could not be measured.
    pub failures: Vec<Failure>,
    /// What was compared with what, and how many of it.
    pub verified: Vec<String>,
}

/// The machine of a run. What the system does not tell is absent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Machine {
    /// The model of its processors.
    pub cpu: Option<String>,
    /// How many of them can be used.
    pub processors: u64,
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
    /// Operating system, version and architecture.
    pub system: String,
    /// The type of the file system that the stores are on.
    pub file_system: Option<String>,
    /// Load average before the run.
    pub load_before: Option<f64>,
    /// Load average after the run.
    pub load_after: Option<f64>,
}

/// Data that is stored and loaded.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workload {
    /// By which measurements refer to it.
    pub name: String,
    /// What the report calls it.
    pub title: String,
    /// Content messages.
    pub messages: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// CoValues.
    pub values: u64,
    /// Bytes given to be stored, where they were counted.
    pub payload_bytes: Option<u64>,
    /// How much it is at the level `power`, if it is less there.
    pub at_power: Option<Amount>,
}

/// How much a workload is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Amount {
    /// Content messages.
    pub messages: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// CoValues.
    pub values: u64,
    /// Bytes given to be stored.
    pub payload_bytes: Option<u64>,
}

/// A storage that is compared, at one level of durability.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Peer {
    /// By which measurements refer to it: a family, or a family, `-` and a variant.
    pub name: String,
    /// What the report calls it.
    pub title: String,
    /// What a finished store of it survives.
    pub level: Level,
    /// What it is to the comparison.
    pub kind: Kind,
    /// What has to be known to judge its figures.
    pub note: Option<String>,
}

impl Peer {
    /// What variants of one storage have in common: the name up to the first `-`.
    pub fn family(&self) -> &str {
        self.name.split('-').next().unwrap_or(&self.name)
    }
}

/// A figure of each round.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Measurement {
    /// The workload's name.
    pub workload: String,
    /// What was done.
    pub phase: String,
    /// The peer's name.
    pub peer: String,
    /// What the values are.
    pub metric: Metric,
    /// Of what.
    pub unit: String,
    /// How many operations they are of.
    pub operations: u64,
    /// One of each round.
    pub values: Vec<f64>,
    /// Of a series: how many CoValues were stored.
    pub at: Option<u64>,
    /// Ours that it is compared with, if not the first of its level: where the first ran in other circumstances.
    pub against: Option<String>,
}

impl Measurement {
    /// The value of each round: of one operation, if the metric is of all together.
    pub fn each(&self) -> Vec<f64> {
        let parts = if self.metric.is_total() { self.operations as f64 } else { 1.0 };
        self.values.iter().map(|value| value / parts).collect()
    }
}

/// How long single operations took.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Latencies {
    /// The workload's name.
    pub workload: String,
    /// What was done.
    pub phase: String,
    /// The peer's name.
    pub peer: String,
    /// Of the percentiles: `us`.
    pub unit: String,
    /// How many operations were timed.
    pub count: u64,
    /// Pairs: per cent, and what so many operations took at most.
    pub percentiles: Vec<(f64, f64)>,
    /// Of a series: how many CoValues were stored.
    pub at: Option<u64>,
    /// Ours that it is compared with, if not the first of its level: where the first ran in other circumstances.
    pub against: Option<String>,
}

/// What could not be measured.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failure {
    /// The peer's name; it need not be among the peers if it could not be measured at all.
    pub peer: String,
    /// The workload's name.
    pub workload: String,
    /// What was done; everything, if absent.
    pub phase: Option<String>,
    /// Why.
    pub reason: String,
}

#[derive(Deserialize)]
struct Form {
    schema: u64,
}

/// The run of a result file's text, of which `file` is the name in errors.
pub fn parse(file: &str, text: &str) -> Result<Run> {
    // Of another version everything else may be different, too.
    let form: Form = deserialize(file, text)?;
    if form.schema != SCHEMA {
        return Err(Error::Schema { file: file.to_owned(), found: form.schema });
    }
    deserialize(file, text)
}

fn deserialize<'a, T: Deserialize<'a>>(file: &str, text: &'a str) -> Result<T> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        // An error that is of no field is one of the whole.
        let field = if path == "." { "the whole".to_owned() } else { path };
        Error::Field { file: file.to_owned(), field, reason: error.into_inner().to_string() }
    })?;
    json.end().map_err(|error| Error::Field {
        file: file.to_owned(),
        field: "the end".to_owned(),
        reason: error.to_string(),
    })?;
    Ok(value)
}

/// The name of a result file in errors: without the folders, which say where somebody keeps the checkout.
pub fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
