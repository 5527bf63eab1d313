//! The figures of all rounds, and the file that they are written to, whose form all suites of benchmarks share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use jazz_storage_bench::histogram::Histogram;
use jazz_storage_bench::probe::Machine;
use jazz_storage_bench::{Level, sqlite};
use serde_json::{Value, json};

use super::measure::{Answer, Figure};
use super::options::Options;
use crate::contestants::Contestant;
use crate::workloads::WORKLOADS;

/// Which figure it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) workload: String,
    pub(super) phase: String,
    pub(super) metric: String,
    /// How many CoValues were stored, where that is what a series is about.
    pub(super) at: Option<u32>,
    pub(super) peer: String,
}

/// A figure, of every round one.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) unit: String,
    pub(super) operations: u64,
    pub(super) values: Vec<f64>,
}

/// Something that could not be measured, or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) peer: String,
    pub(super) workload: String,
    pub(super) phase: Option<String>,
    pub(super) reason: String,
    /// Whether something is wrong, not only absent.
    pub(super) is_wrong: bool,
}

/// All figures so far.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) series: BTreeMap<Key, Series>,
    latencies: BTreeMap<Key, Histogram>,
    pub(super) failures: Vec<Failure>,
    /// CoValues that were compared with what was stored, by workload.
    pub(super) verified: BTreeMap<String, usize>,
}

impl Results {
    /// Takes in what a process found.
    pub(super) fn take(&mut self, workload: &str, peer: &str, at: Option<u32>, answer: Answer) {
        let key = |phase: &str, metric: &str| Key {
            workload: workload.to_owned(),
            phase: phase.to_owned(),
            metric: metric.to_owned(),
            at,
            peer: peer.to_owned(),
        };
        for Figure { phase, metric, unit, operations, value } in answer.figures {
            let series = self.series.entry(key(&phase, &metric));
            series.or_insert(Series { unit, operations, values: Vec::new() }).values.push(value);
        }
        for (phase, histogram) in answer.latencies {
            self.latencies.entry(key(&phase, "")).or_default().merge(&histogram);
        }
        if answer.verified > 0 {
            *self.verified.entry(workload.to_owned()).or_default() += answer.verified;
        }
        for (phase, reason) in answer.absent {
            self.fail(Failure {
                peer: peer.to_owned(),
                workload: workload.to_owned(),
                phase: Some(phase),
                reason,
                is_wrong: false,
            });
        }
    }

    /// Notes a failure, once.
    pub(super) fn fail(&mut self, failure: Failure) {
        if !self.failures.contains(&failure) {
            self.failures.push(failure);
        }
    }

    /// The document of this run.
    pub(super) fn document(
        &self,
        options: &Options,
        contestants: &[Contestant],
        machine: &Machine,
        load_after: Option<f64>,
    ) -> Value {
        let measurements: Vec<Value> = self
            .series
            .iter()
            .map(|(key, series)| {
                let mut one = json!({
                    "workload": key.workload, "phase": key.phase, "peer": key.peer, "metric": key.metric,
                    "unit": series.unit, "operations": series.operations, "values": series.values,
                });
                put_at(&mut one, key.at);
                one
            })
            .collect();
        let latencies: Vec<Value> = self
            .latencies
            .iter()
            .map(|(key, histogram)| {
                let percentile = |percent: f64| (percent, histogram.quantile(percent / 100.0) * 1e6);
                let percentiles: Vec<_> = [50.0, 90.0, 99.0, 99.9, 99.99, 100.0].map(percentile).into();
                let mut one = json!({
                    "workload": key.workload, "phase": key.phase, "peer": key.peer, "unit": "us",
                    "count": histogram.calls(), "percentiles": percentiles,
                });
                put_at(&mut one, key.at);
                one
            })
            .collect();
        let failures: Vec<Value> = self
            .failures
            .iter()
            .map(|failure| {
                let mut one =
                    json!({ "peer": failure.peer, "workload": failure.workload, "reason": failure.reason });
                if let Some(phase) = &failure.phase {
                    one["phase"] = json!(phase);
                }
                one
            })
            .collect();
        json!({
            "schema": 1, "suite": "engine", "date": now().0, "commit": commit(), "quick": options.quick,
            "machine": {
                "cpu": machine.processor, "processors": machine.processors, "memoryBytes": machine.memory,
                "system": machine.system, "fileSystem": machine.file_system,
                "loadBefore": machine.load, "loadAfter": load_after,
            },
            "versions": versions(), "seed": options.seed(), "rounds": options.rounds(),
            "workloads": workloads(options), "peers": contestants,
            "measurements": measurements, "latencies": latencies, "failures": failures,
            "verified": self.verified(),
        })
    }

    /// What was compared with what.
    pub(super) fn verified(&self) -> Vec<String> {
        self.verified
            .iter()
            .map(|(workload, count)| {
                format!("{workload}: {count} CoValues, as loaded and as scanned, with what was stored, over all peers and rounds")
            })
            .collect()
    }
}

fn put_at(one: &mut Value, at: Option<u32>) {
    if let Some(at) = at {
        one["at"] = json!(at);
    }
}

fn workloads(options: &Options) -> Vec<Value> {
    let wanted = WORKLOADS.iter().filter(|workload| options.wants(workload.name));
    let mut all: Vec<Value> = wanted
        .map(|workload| {
            let amount =
                |level| json!(workload.amount(workload.messages(options.quick, level), options.seed()));
            let mut one = amount(Level::Process);
            one["name"] = json!(workload.name);
            one["title"] = json!(workload.title);
            one["atPower"] = amount(Level::Power);
            one
        })
        .collect();
    if let Some(most) = options.decades().last().filter(|_| options.wants("scale")) {
        all.push(json!({
            "name": "scale", "title": "a growing store of small CoValues",
            "messages": most, "transactions": most, "values": most, "payloadBytes": null,
        }));
    }
    all
}

/// The versions of the compiler and of every store's crate, as the lock file has them.
fn versions() -> Value {
    const CRATES: &[&str] = &[
        "bf-tree",
        "fjall",
        "heed",
        "lmdb-master-sys",
        "lsm-tree",
        "redb",
        "rocksdb",
        "librocksdb-sys",
        "rusqlite",
    ];
    let lock = include_str!("../../../Cargo.lock");
    let mut versions = BTreeMap::new();
    let mut name = "";
    for line in lock.lines() {
        if let Some(text) = line.strip_prefix("name = ") {
            name = text.trim_matches('"');
        } else if let Some(version) = line.strip_prefix("version = ").filter(|_| CRATES.contains(&name)) {
            versions.insert(name, version.trim_matches('"').to_owned());
        }
    }
    let rustc = output("rustc", &["--version"]);
    versions.insert("rustc", rustc.map_or_else(|| "not known".to_owned(), |text| text.replace("rustc ", "")));
    versions.insert("sqlite", sqlite::version().to_owned());
    versions.insert("jazz-storage-core", env!("CARGO_PKG_VERSION").to_owned());
    json!(versions)
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).current_dir(benches()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The commit that is measured, with `-dirty` if the tree has changes.
fn commit() -> Option<String> {
    let commit = output("git", &["rev-parse", "HEAD"])?;
    let dirty = !output("git", &["status", "--porcelain"])?.is_empty();
    Some(if dirty { format!("{commit}-dirty") } else { commit })
}

/// The directory of all benchmarks.
fn benches() -> PathBuf {
    // As `cargo run` says; the checkout may have moved since it was compiled.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let package = Path::new(&package);
    package.parent().unwrap_or(package).to_path_buf()
}

/// Where the figures of a run go unless it is said.
pub(super) fn default_file() -> PathBuf {
    benches().join("results").join(format!("engine-{}.json", now().1))
}

/// The time, by ISO 8601, and the same as a part of a file's name.
fn now() -> (String, String) {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    (
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"),
        format!("{year:04}-{month:02}-{day:02}T{hour:02}{minute:02}{second:02}"),
    )
}

/// Year, month and day of so many days after the first of 1970.
fn date(days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| {
        u64::from(year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)))
    };
    let (mut year, mut left) = (1970, days);
    while left >= 365 + leap(year) {
        left -= 365 + leap(year);
        year += 1;
    }
    let lengths = [31, 28 + leap(year), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(11_017), (2000, 3, 1));
        assert_eq!(date(20_453), (2025, 12, 31));
    }

    #[test]
    fn every_store_has_a_version() {
        let versions = versions();
        for name in ["redb", "fjall", "heed", "bf-tree", "rusqlite", "sqlite", "lmdb-master-sys", "rocksdb"] {
            assert!(
                versions[name].as_str().is_some_and(|version| version.contains('.')),
                "{name}: {versions}"
            );
        }
    }

    #[test]
    fn a_document_has_what_was_taken_in() {
        let figure = |value| Figure {
            phase: "store".into(),
            metric: "wall".into(),
            unit: "ms".into(),
            operations: 5,
            value,
        };
        let mut results = Results::default();
        for value in [3.0, 4.0] {
            let absent = vec![("compact".to_owned(), "none".to_owned())];
            let answer = Answer { figures: vec![figure(value)], verified: 2, absent, ..Answer::default() };
            results.take("small", "redb-power", Some(1_000), answer);
        }
        let machine = Machine::describe(Path::new("."));
        let document = results.document(&Options::default(), &[], &machine, None);
        assert_eq!(document["measurements"][0]["values"], json!([3.0, 4.0]));
        assert_eq!(document["measurements"][0]["at"], json!(1_000));
        assert_eq!(document["failures"].as_array().map(Vec::len), Some(1));
        assert!(document["verified"][0].as_str().unwrap().contains("4 CoValues"));
        assert_eq!(document["workloads"].as_array().map(Vec::len), Some(WORKLOADS.len() + 1));
    }
}
