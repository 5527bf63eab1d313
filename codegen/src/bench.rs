//! `cargo xtask bench`: the suites of benchmarks one after the other, then the report on what they measured.
//!
//! Results go to `benches/results`, which git ignores. Only a report on full runs of all suites goes to
//! `benches/REPORT.md` and README.md; any other one goes to `target/xtask/bench`, so that none of them can be taken for it.

use crate::node;
use crate::process::{Outcome, cargo};
use crate::suites::BENCHES;

/// Where the suites put their results, from the root.
const RESULTS: &str = "benches/results";
/// The results of a quick run of the suite `engine`, which writes none unless told to.
const QUICK_ENGINE: &str = "benches/results/engine-quick.json";
/// Where a report goes that is not the one in `benches`.
const ELSEWHERE: &str = "target/xtask/bench";

/// What to measure, and with what.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    is_quick: bool,
    is_report_only: bool,
    /// The only suite, if not all of them.
    only: Option<&'static str>,
    /// Arguments for the suites.
    rest: Vec<String>,
}

impl Plan {
    fn of(arguments: &[String]) -> Outcome<Self> {
        let mut plan = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let only = match argument.as_str() {
                "--quick" => {
                    plan.is_quick = true;
                    continue;
                }
                "--report-only" => {
                    plan.is_report_only = true;
                    continue;
                }
                "--rounds" | "--seed" | "--dir" => {
                    let value = rest.next().ok_or_else(|| format!("{argument} needs a value"))?;
                    plan.rest.extend([argument.clone(), value.clone()]);
                    continue;
                }
                "--js-only" => "js",
                "--engine-only" => "engine",
                _ => {
                    return Err(format!(
                        "bench does not know {argument:?}: it takes --quick, --js-only, --engine-only, --report-only, \
                         --rounds N, --seed N and --dir PATH. The suites by themselves take more: \
                         `node benches/js/run.mjs --help`, `cargo run --manifest-path {BENCHES} --bin compare -- --help`"
                    ));
                }
            };
            if plan.only.replace(only).is_some_and(|other| other != only) {
                return Err("--js-only and --engine-only leave nothing to measure".to_owned());
            }
        }
        if plan.is_report_only && !plan.rest.is_empty() {
            return Err(format!("--report-only measures nothing, so it takes no {}", plan.rest[0]));
        }
        Ok(plan)
    }

    fn measures(&self, suite: &str) -> bool {
        !self.is_report_only && self.only.is_none_or(|only| only == suite)
    }

    /// The arguments of the report.
    fn report(&self) -> Vec<&str> {
        let mut arguments = vec!["--newest", RESULTS];
        if self.is_quick {
            arguments.push("--allow-quick");
        }
        if let Some(only) = self.only {
            arguments.extend(["--suites", only]);
        }
        match self.is_quick || self.only.is_some() {
            true => arguments.extend(["--out", ELSEWHERE]),
            false => arguments.extend(["--out", "benches", "--headline", "README.md"]),
        }
        arguments
    }
}

/// Measures what the arguments say and writes the report.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let plan = Plan::of(arguments)?;
    let quick = plan.is_quick.then(|| "--quick".to_owned());
    let arguments: Vec<String> = quick.into_iter().chain(plan.rest.iter().cloned()).collect();
    // Nothing is compiled between measurements: the machine is to be idle.
    if plan.measures("engine") {
        cargo(&["build", "--release", "--locked", "--manifest-path", BENCHES, "--bin", "compare"])?;
    }
    if plan.measures("js") {
        node::bench(&arguments)?;
    }
    if plan.measures("engine") {
        let mut all =
            vec!["run", "--release", "--locked", "--manifest-path", BENCHES, "--bin", "compare", "--"];
        all.extend(arguments.iter().map(String::as_str));
        if plan.is_quick {
            all.extend(["--json", QUICK_ENGINE]);
        }
        cargo(&all)?;
    }
    report(&plan.report())
}

/// Makes a report of what the suite `js` has just measured in its small size.
pub(crate) fn check() -> Outcome<()> {
    report(&["--newest", RESULTS, "--suites", "js", "--allow-quick", "--out", ELSEWHERE])
}

fn report(arguments: &[&str]) -> Outcome<()> {
    let mut all =
        vec!["run", "--quiet", "--locked", "--profile=tool", "--package", "jazz-storage-bench-report", "--"];
    all.extend(arguments);
    cargo(&all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(arguments: &[&str]) -> Outcome<Plan> {
        Plan::of(&arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn only_full_runs_of_all_suites_are_published() {
        let is_published = |arguments: &[&str]| plan(arguments).unwrap().report().contains(&"README.md");
        assert!(is_published(&[]));
        assert!(is_published(&["--rounds", "5"]));
        assert!(is_published(&["--report-only"]));
        for elsewhere in
            [&["--quick"][..], &["--js-only"], &["--engine-only"], &["--report-only", "--js-only"]]
        {
            assert!(!is_published(elsewhere), "{elsewhere:?}");
            assert!(plan(elsewhere).unwrap().report().contains(&ELSEWHERE));
        }
    }

    #[test]
    fn a_plan_measures_what_it_says() {
        let measures = |arguments: &[&str]| {
            let plan = plan(arguments).unwrap();
            (plan.measures("js"), plan.measures("engine"))
        };
        assert_eq!(measures(&[]), (true, true));
        assert_eq!(measures(&["--quick", "--js-only"]), (true, false));
        assert_eq!(measures(&["--engine-only"]), (false, true));
        assert_eq!(measures(&["--report-only"]), (false, false));
        assert_eq!(plan(&["--seed", "7"]).unwrap().rest, ["--seed", "7"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for arguments in [
            &["--js-only", "--engine-only"][..],
            &["--fast"],
            &["--rounds"],
            &["--report-only", "--seed", "2"],
        ] {
            assert!(plan(arguments).is_err(), "{arguments:?}");
        }
    }
}
