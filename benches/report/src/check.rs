//! What a run has to keep beyond the types of its fields.
//!
//! After [`run`] every measurement and distribution refers to a workload and a peer of the run, is the only one of its
//! place, has values that are numbers of at least 0, and figures of one operation exist. [`together`] holds for the runs
//! of one report.

use std::collections::HashSet;
use std::fmt::Display;

use crate::error::{Error, Result};
use crate::results::{Kind, Latencies, Measurement, Run};

/// Checks a run alone; `file` is its name in errors.
pub fn run(file: &str, run: &Run) -> Result<()> {
    let check = Check { file, run };
    check.that(!run.date.is_empty(), "date", "is empty")?;
    check.that(run.commit.as_deref() != Some(""), "commit", "is empty")?;
    check.that(run.rounds > 0, "rounds", "is 0")?;
    check.unique("workloads", run.workloads.iter().map(|workload| &workload.name))?;
    check.unique("peers", run.peers.iter().map(|peer| &peer.name))?;
    check.that(!run.measurements.is_empty(), "measurements", "has nothing in it")?;
    for (index, measurement) in run.measurements.iter().enumerate() {
        check.measurement(&format!("measurements[{index}]"), measurement)?;
    }
    let place = |m: &Measurement| format!("{}/{}/{}/{:?}/{:?}", m.workload, m.phase, m.peer, m.metric, m.at);
    check.unique("measurements", run.measurements.iter().map(place))?;
    for (index, latencies) in run.latencies.iter().enumerate() {
        check.latencies(&format!("latencies[{index}]"), latencies)?;
    }
    let place = |l: &Latencies| format!("{}/{}/{}/{:?}", l.workload, l.phase, l.peer, l.at);
    check.unique("latencies", run.latencies.iter().map(place))
}

/// Checks runs that are to be in one report.
pub fn together(runs: &[(String, Run)], allow_quick: bool) -> Result<()> {
    for (index, (file, run)) in runs.iter().enumerate() {
        if run.quick && !allow_quick {
            return Err(Error::Quick { file: file.clone() });
        }
        for (first, other) in &runs[..index] {
            if other.suite == run.suite {
                return Err(Error::Twice {
                    file: file.clone(),
                    first: first.clone(),
                    suite: run.suite.to_string(),
                });
            }
            if other.commit != run.commit {
                return Err(Error::Commits {
                    file: file.clone(),
                    commit: commit(run),
                    first: first.clone(),
                    other: commit(other),
                });
            }
        }
    }
    Ok(())
}

fn commit(run: &Run) -> String {
    run.commit.clone().unwrap_or_else(|| "no commit".to_owned())
}

struct Check<'a> {
    file: &'a str,
    run: &'a Run,
}

impl Check<'_> {
    fn that(&self, holds: bool, field: &str, reason: impl Display) -> Result<()> {
        if holds {
            return Ok(());
        }
        Err(Error::Field { file: self.file.to_owned(), field: field.to_owned(), reason: reason.to_string() })
    }

    fn unique<T: std::hash::Hash + Eq + Display>(
        &self,
        field: &str,
        names: impl Iterator<Item = T>,
    ) -> Result<()> {
        let mut seen = HashSet::new();
        for (index, name) in names.enumerate() {
            let reason = format!("is there a second time: {name}");
            self.that(seen.insert(name), &format!("{field}[{index}]"), reason)?;
        }
        Ok(())
    }

    fn names(&self, field: &str, workload: &str, peer: &str) -> Result<()> {
        let known = self.run.workloads.iter().any(|known| known.name == workload);
        self.that(known, &format!("{field}.workload"), format!("{workload:?} is not among the workloads"))?;
        let known = self.run.peers.iter().any(|known| known.name == peer);
        self.that(known, &format!("{field}.peer"), format!("{peer:?} is not among the peers"))
    }

    fn against(&self, field: &str, against: Option<&str>) -> Result<()> {
        let Some(name) = against else { return Ok(()) };
        let is_ours = self.run.peer(name).is_some_and(|peer| peer.kind == Kind::Ours);
        self.that(is_ours, &format!("{field}.against"), format!("{name:?} is none of ours among the peers"))
    }

    fn measurement(&self, field: &str, measurement: &Measurement) -> Result<()> {
        let Measurement { workload, phase, peer, metric, unit, operations, values, at: _, against } =
            measurement;
        self.names(field, workload, peer)?;
        self.against(field, against.as_deref())?;
        self.that(!phase.is_empty(), &format!("{field}.phase"), "is empty")?;
        let units = metric.units();
        let reason = format!("is {unit:?} where it is {:?}", units.join(" or "));
        self.that(units.contains(&unit.as_str()), &format!("{field}.unit"), reason)?;
        self.that(*operations > 0, &format!("{field}.operations"), "is 0")?;
        let (found, rounds) = (values.len(), self.run.rounds);
        self.that(
            (1..=rounds).contains(&found),
            &format!("{field}.values"),
            format!("has {found} values of {rounds} rounds"),
        )?;
        for (index, &value) in values.iter().enumerate() {
            self.that(
                value.is_finite() && value >= 0.0,
                &format!("{field}.values[{index}]"),
                format!("is {value}"),
            )?;
        }
        Ok(())
    }

    fn latencies(&self, field: &str, latencies: &Latencies) -> Result<()> {
        let Latencies { workload, phase, peer, unit, count, percentiles, at: _, against } = latencies;
        self.names(field, workload, peer)?;
        self.against(field, against.as_deref())?;
        self.that(!phase.is_empty(), &format!("{field}.phase"), "is empty")?;
        self.that(unit == "us", &format!("{field}.unit"), format!("is {unit:?} where it is \"us\""))?;
        self.that(*count > 0, &format!("{field}.count"), "is 0")?;
        self.that(!percentiles.is_empty(), &format!("{field}.percentiles"), "has nothing in it")?;
        let (mut part, mut time) = (0.0, 0.0);
        for (index, &(at, value)) in percentiles.iter().enumerate() {
            let rising = at > part && at <= 100.0 && value >= time && value.is_finite();
            let reason = format!("[{at}, {value}] does not rise, or is out of range");
            self.that(rising, &format!("{field}.percentiles[{index}]"), reason)?;
            (part, time) = (at, value);
        }
        Ok(())
    }
}
