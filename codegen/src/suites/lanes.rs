//! All suites, in two lanes: those that compile much Rust for the tests, and the others.
//!
//! - In each lane one suite runs at a time, the first in order of those whose needs have run.
//! - What a suite prints goes to a file of its own, and is printed when it has ended.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Done, Suite, Verdict, run_one};
use crate::process::{Outcome, logging, root};
use crate::tools::ahead;

/// The suites of the first lane.
const RUST: &[&str] = &[
    "rustfmt",
    "clippy",
    "cases",
    "cargo-test",
    "bench-lint",
    "bench-check",
    "fuzz",
    "cases-kotlin",
    "cases-swift",
];

/// Where what suites print goes, from the root.
const LOGS: &str = "target/xtask/suites";

#[derive(Default)]
struct Progress {
    done: Mutex<Vec<Done>>,
    more: Condvar,
}

/// Runs these suites, and gives them in the same order.
pub(super) fn run(suites: Vec<&'static Suite>) -> Vec<Done> {
    let progress = Progress::default();
    let is_first = |suite: &&'static Suite| RUST.contains(&suite.name);
    let (first, second): (VecDeque<_>, VecDeque<_>) = suites.iter().copied().partition(is_first);
    thread::scope(|scope| {
        scope.spawn(|| lane(first, &progress));
        scope.spawn(|| lane(second, &progress));
    });
    let mut done = progress.done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|done| suites.iter().position(|suite| suite.name == done.suite.name));
    done
}

fn lane(mut suites: VecDeque<&'static Suite>, progress: &Progress) {
    while !suites.is_empty() {
        let (suite, before) = next(&mut suites, progress);
        println!("━━ {} begins: {}", suite.name, suite.proves);
        let finished = match log_of(suite) {
            Ok((path, log)) => {
                let finished = logging(log, || run_one(suite, &before));
                show(&finished, &path);
                finished
            }
            Err(reason) => Done { suite, verdict: Verdict::Failed(reason), time: Duration::ZERO },
        };
        // All suites need all tools, which are installed once npm's packages are there, as some of the tools need them.
        if suite.name == "modules" && matches!(finished.verdict, Verdict::Passed) {
            ahead::begin().unwrap_or_else(|reason| println!("{reason}"));
        }
        progress.done.lock().unwrap_or_else(PoisonError::into_inner).push(finished);
        progress.more.notify_all();
    }
}

/// Takes the first suite whose needs have run, with all that have; waits until there is one.
fn next(suites: &mut VecDeque<&'static Suite>, progress: &Progress) -> (&'static Suite, Vec<Done>) {
    let mut done = progress.done.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let has_run = |need: &&str| done.iter().any(|done| done.suite.name == *need);
        let ready = suites.iter().position(|suite| suite.needs.iter().all(has_run));
        if let Some(suite) = ready.and_then(|ready| suites.remove(ready)) {
            return (suite, done.clone());
        }
        done = progress.more.wait(done).unwrap_or_else(PoisonError::into_inner);
    }
}

fn log_of(suite: &Suite) -> Outcome<(PathBuf, File)> {
    let path = root().join(LOGS).join(format!("{}.log", suite.name));
    let failed = |error| format!("cannot write {}: {error}", path.display());
    fs::create_dir_all(path.with_file_name("")).map_err(failed)?;
    let log = File::create(&path).map_err(failed)?;
    Ok((path, log))
}

/// Prints what a suite has printed, in one go.
fn show(Done { suite, time, .. }: &Done, log: &PathBuf) {
    let mut out = io::stdout().lock();
    let head = format!("\n━━ {}, after {:.0} seconds: {}\n", suite.name, time.as_secs_f64(), suite.proves);
    // The file has it, whatever becomes of the copy.
    let shown = out.write_all(head.as_bytes()).and_then(|()| io::copy(&mut File::open(log)?, &mut out));
    let _ = shown.and_then(|_| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suites::SUITES;

    #[test]
    fn the_first_lane_has_suites_that_there_are() {
        for name in RUST {
            assert!(SUITES.iter().any(|suite| suite.name == *name), "{name}");
        }
    }

    #[test]
    fn a_suite_waits_for_what_it_needs_in_the_other_lane_and_is_skipped_if_that_fails() {
        const FAILS: Suite = Suite {
            name: "clippy",
            proves: "",
            needs: &[],
            run: || {
                thread::sleep(Duration::from_millis(200));
                Err("no".to_owned())
            },
        };
        const NEEDS: Suite = Suite { name: "needs", proves: "", needs: &["clippy"], run: || Ok(()) };
        const PASSES: Suite = Suite { name: "passes", proves: "", needs: &[], run: || Ok(()) };
        let suites: &'static [Suite] = Box::leak(Box::new([FAILS, NEEDS, PASSES]));
        let done = run(suites.iter().collect());
        let names: Vec<_> = done.iter().map(|done| done.suite.name).collect();
        assert_eq!(names, ["clippy", "needs", "passes"]);
        assert!(matches!(done[0].verdict, Verdict::Failed(_)));
        assert!(matches!(done[1].verdict, Verdict::Skipped(_)));
        assert!(matches!(done[2].verdict, Verdict::Passed));
        assert!(done[0].time >= Duration::from_millis(200));
    }
}
