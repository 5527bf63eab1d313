//! Power cuts: after every write, sync, truncation, creation, renaming and removal of scripted workloads, losing, tearing
//! and reordering what was not synced; and again while the store recovers and goes on. And calls that fail, each one in
//! each way; and disks that are full, at each size.
//!
//! After a power cut the store must hold the state after some number of steps: at least those that were acknowledged as
//! durable, at most those begun. `JAZZ_CRASH_STATES` says how many different directories to try, `JAZZ_CRASH_POINTS` how
//! many failing calls and full disks, `JAZZ_CRASH_SEED` chooses them, `JAZZ_CRASH_ONLY` repeats one that failed.
//! `cargo xtask crash` is the long form.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod workload;

use jazz_storage_core::file::Loss;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;
use workload::crashes::{Case, Crash, Crasher, losses};
use workload::failures::{Calls, WAYS, Way, calls, capacities, fail_once, fill};
use workload::random::{Random, setting};
use workload::script::{Workload, workloads};

/// Crashes every workload after each operation, in one way of losing each, then in random ways, and every so often goes
/// on from there and crashes again after each operation. Ends when there were as many states, each operation having had
/// its crash.
fn crash_all(crasher: &mut Crasher, wanted: u64, seed: u64) {
    let mut random = Random(seed);
    let operations = crasher.operations();
    let every: Vec<(usize, u64)> =
        operations.iter().enumerate().flat_map(|(n, count)| (0..=*count).map(move |at| (n, at))).collect();
    let ways = losses(0).len();
    for round in 0.. {
        let before = crasher.states();
        for (place, (n, at)) in every.iter().enumerate() {
            // The first rounds give each operation each way, in an order of its own.
            let way = (place + round * 4 + seed as usize) % ways;
            let first = Crash { at: *at, loss: losses(random.next() % 1_000_000)[way] };
            let left = crasher.crash_first(*n, first);
            if crasher.failures.len() >= 20 {
                return;
            }
            if random.place(every.len() / 20) != 0 {
                continue;
            }
            let killed = Crash { at: *at, loss: Loss::Nothing };
            let killed = crasher.crash_first(*n, killed).map(|left| (killed, left));
            for (first, left) in left.map(|left| (first, left)).into_iter().chain(killed) {
                let seed = random.next() % 1_000_000;
                let way = |at: u64, _| Some(losses(seed + at)[(seed + at) as usize % ways]);
                crasher.crash_again(*n, first, &left, way, None);
            }
        }
        if crasher.states() >= wanted || crasher.states() == before {
            return;
        }
    }
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_that_was_acknowledged_as_durable() {
    let begun = Instant::now();
    let mut crasher = Crasher::new(workloads());
    if let Some(only) = only() {
        let of_points = ["/Operations/", "/Queries/", "/full/"].iter().any(|kind| only.contains(kind));
        let case = Case::parse(&only);
        assert!(case.is_some() || of_points, "JAZZ_CRASH_ONLY is what a failure printed, not {only:?}");
        case.iter().for_each(|case| crasher.case(case));
        assert!(case.is_none() || crasher.crashes > 0, "the workload has no such operation");
    } else {
        let (wanted, seed) = (setting("JAZZ_CRASH_STATES", 1_500), setting("JAZZ_CRASH_SEED", 1));
        crash_all(&mut crasher, wanted, seed);
        println!(
            "{} crash states in {} crashes of {} workloads with {} operations, {} failures, {:.1} s \
             (JAZZ_CRASH_SEED={seed})",
            crasher.states(),
            crasher.crashes,
            crasher.workloads.len(),
            crasher.operations().iter().sum::<u64>(),
            crasher.failures.len(),
            begun.elapsed().as_secs_f64(),
        );
        assert!(
            crasher.states() >= wanted || !crasher.failures.is_empty(),
            "only {} states",
            crasher.states()
        );
    }
    assert!(
        crasher.failures.is_empty(),
        "{} failures, the first: {}",
        crasher.failures.len(),
        crasher.failures[0]
    );
}

/// What is to be repeated, if only that is: as a failure printed it.
fn only() -> Option<String> {
    std::env::var("JAZZ_CRASH_ONLY").ok()
}

/// A point at which something fails: how it is printed, and how it is tried. That gives whether the failure was noticed.
type Point<'a> = (String, Box<dyn Fn() -> Result<bool, String> + 'a>);

/// Tries as many of these points as are wanted, all of them in the long form.
fn try_points(what: &str, mut points: Vec<Point<'_>>) {
    let (begun, all) = (Instant::now(), points.len());
    let (wanted, seed) = (setting("JAZZ_CRASH_POINTS", 400), setting("JAZZ_CRASH_SEED", 1));
    match only() {
        Some(only) => {
            // A point is looked for among those of its kind.
            let kinds: Vec<_> =
                ["/Operations/", "/Queries/", "/full/"].into_iter().filter(|k| only.contains(k)).collect();
            let of_kind = points.iter().any(|(name, _)| kinds.iter().any(|kind| name.contains(kind)));
            points.retain(|(name, _)| *name == only);
            assert!(!of_kind || !points.is_empty(), "there is no point {only:?}");
        }
        None => {
            let mut random = Random(seed);
            for place in (1..all).rev() {
                points.swap(place, random.place(place + 1));
            }
            points.truncate(usize::try_from(wanted).unwrap());
        }
    }
    let (mut noticed, mut failures) = (0, Vec::new());
    for (name, point) in &points {
        let outcome = catch_unwind(AssertUnwindSafe(point)).unwrap_or_else(|_| Err("a panic".to_owned()));
        match outcome {
            Ok(was_noticed) => noticed += u64::from(was_noticed),
            Err(wrong) => {
                eprintln!("JAZZ_CRASH_ONLY='{name}': {wrong}");
                failures.push(format!("{name}: {wrong}"));
            }
        }
    }
    println!(
        "{what}: {} of {all} points, {noticed} of them met by a step, {} failures, {:.1} s (JAZZ_CRASH_SEED={seed})",
        points.len(),
        failures.len(),
        begun.elapsed().as_secs_f64(),
    );
    assert!(failures.is_empty(), "{} failures, the first: {}", failures.len(), failures[0]);
    assert!(only().is_some() || noticed > points.len() as u64 / 4, "only {noticed} points did anything");
}

#[test]
fn a_call_that_fails_is_a_typed_error_and_a_reopened_store_holds_what_was_acknowledged() {
    let workloads = workloads();
    let of = |workload| -> Vec<Point<'_>> {
        let workload: &Workload = workload;
        let (operations, queries) = calls(workload);
        let ways = WAYS.into_iter().flat_map(|way| {
            let count = if way.calls == Calls::Operations { operations } else { queries };
            (0..count).map(move |at| (way, at))
        });
        let point = |(way, at): (Way, u64)| -> Point<'_> {
            let lasting = if way.lasting { "Lasting" } else { "" };
            let name = format!("{}/{:?}/{lasting}{:?}/{at}", workload.name, way.calls, way.failure);
            (name, Box::new(move || fail_once(workload, way, at).map(|met| met.is_some())))
        };
        ways.map(point).collect()
    };
    try_points("failing calls", workloads.iter().flat_map(of).collect());
}

#[test]
fn a_full_disk_refuses_cleanly_keeps_everything_readable_and_goes_on_when_there_is_room() {
    let workloads = workloads();
    let of = |workload| -> Vec<Point<'_>> {
        let workload: &Workload = workload;
        let point = |capacity| -> Point<'_> {
            (format!("{}/full/{capacity}", workload.name), Box::new(move || fill(workload, capacity)))
        };
        // Sizes differ a little from run to run, as the store's hash key does, so any can be repeated.
        let asked = only().and_then(|only| only.rsplit('/').next()?.parse().ok());
        let mut all = capacities(workload);
        all.extend(asked.filter(|asked| !all.contains(asked)));
        all.into_iter().map(point).collect()
    };
    try_points("full disks", workloads.iter().flat_map(of).collect());
}

/// What was done already is answered without being done again; the answer promises the same.
#[test]
fn a_case_is_read_as_it_is_printed() {
    for loss in losses(7) {
        let first = Crash { at: 3, loss };
        for second in [None, Some(Crash { at: 40, loss: Loss::Some(1) })] {
            let case = Case { workload: "store-strict".to_owned(), first, second };
            assert_eq!(Case::parse(&case.to_string()), Some(case));
        }
    }
}
