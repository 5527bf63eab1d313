//! Random operations on a store and on the model: both must give the same answers throughout, over closing, killing,
//! checkpoints, merges and compactions, whole ones and interrupted ones.
//!
//! `JAZZ_PROPERTY_OPERATIONS` and `JAZZ_PROPERTY_SEED` make the long runs longer and other; each failure prints its seed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use support::ops::{Op, op};
use support::pair::Pair;
use support::random::setting;
use support::subjects::{Called, Faulty, Long, Short, Sliced, Threads};
use support::{Busy, Met, Model, Subject, Usual};

/// How many operations of the long run go to one store.
const OPERATIONS_PER_STORE: u64 = 150;

/// Runs one long sequence of operations, reproducible by its seed. Gives the kinds of answers and states met.
fn long_run<S: Subject>(operations: u64) -> Met {
    let operations = setting("JAZZ_PROPERTY_OPERATIONS", operations);
    let seed = setting("JAZZ_PROPERTY_SEED", 1);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let operation = op();
    let mut met = Met::new();
    let mut pair = Pair::<S>::create();
    for n in 0..operations {
        if n % OPERATIONS_PER_STORE == 0 {
            met = std::mem::replace(&mut pair, Pair::create()).met_with(met);
        }
        let op = operation.new_tree(&mut runner).expect("nothing is filtered").current();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| {
            pair.run(&op);
            // Comparing everything is dear once much is stored.
            if n % 4 == 0 {
                pair.compare();
            }
        })) {
            eprintln!("JAZZ_PROPERTY_SEED={seed}: failed at operation {n}: {op:?}");
            resume_unwind(panic);
        }
    }
    pair.met_with(met)
}

/// A long run that must meet these kinds of answers and states.
fn long_run_meets<S: Subject>(operations: u64, kinds: &[&str]) {
    let met = long_run::<S>(operations);
    for kind in kinds {
        assert!(met.contains_key(*kind), "never met {kind:?}, only {met:#?}");
    }
}

/// Operations, printed one a line even where everything else is printed field by field.
struct Ops(Vec<Op>);

impl fmt::Debug for Ops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|op| writeln!(f, "\n  {op:?}"))
    }
}

fn ops() -> impl Strategy<Value = Ops> {
    prop::collection::vec(op(), 1..40).prop_map(Ops)
}

fn agree<S: Subject>(ops: &Ops) {
    let mut pair = Pair::<S>::create();
    for op in &ops.0 {
        pair.run(op);
        pair.compare();
    }
}

#[test]
fn a_busy_store_agrees_with_the_model() {
    long_run::<Busy>(600);
}

#[test]
fn a_usual_store_agrees_with_the_model() {
    long_run::<Usual>(600);
}

/// What stores with tiny thresholds get into, whichever they are.
const UPKEEP: [&str; 3] = [
    "seen: a merge under way",
    "seen: opened in the middle of a merge",
    "seen: a merge gone on with after opening",
];

#[test]
fn a_store_of_small_slices_agrees_with_the_model() {
    let kinds = [
        "seen: a layer of several parts",
        "seen: a pack that parts share",
        "seen: parts rewritten",
        "seen: opened with records to replay",
        "seen: opened while a delta was written out",
    ];
    long_run_meets::<Faulty<Sliced>>(1_200, &[&UPKEEP[..], &kinds].concat());
}

#[test]
fn a_store_of_long_segments_agrees_with_the_model() {
    long_run_meets::<Faulty<Long>>(1_200, &UPKEEP);
}

#[test]
fn a_store_of_short_segments_agrees_with_the_model() {
    let kinds = ["seen: opened while a delta was written out"];
    long_run_meets::<Faulty<Short>>(1_200, &kinds);
}

#[test]
fn a_store_that_its_caller_maintains_agrees_with_the_model() {
    long_run_meets::<Faulty<Called>>(1_200, &UPKEEP);
}

#[test]
fn a_store_with_a_maintenance_thread_agrees_with_the_model() {
    // The thread is rarely met in the middle of a merge.
    let kinds = [
        "seen: a layer of several parts",
        "seen: opened with records to replay",
        "seen: opened while a delta was written out",
    ];
    long_run_meets::<Faulty<Threads>>(1_200, &kinds);
}

/// Two models agree whatever they do: this is about the operations, which must not fail by themselves and must meet the
/// cases that they are for.
#[test]
fn the_model_agrees_with_itself_on_all_kinds_of_answers() {
    let kinds = [
        "store: Ok(Stored)",
        "store: Ok(HeaderMissing)",
        "store: Ok(Gap)",
        "together: all handled: true",
        "together: all handled: false",
        "load: some later pieces given: true",
        "load: some later pieces given: false",
        "piece: true",
        "piece: false",
        "rows: Ok(())",
        "rows: Err(InvalidCommit)",
        "rows: Err(Malformed)",
        "rows: Err(InvalidOption)",
        "erase: Ok(true)",
        "erase: Ok(false)",
        "lock: acquired, at an offset: true",
        "lock: acquired, at an offset: false",
        "lock: Ok(NotDue)",
        "lock: Ok(Held)",
    ];
    long_run_meets::<Model>(4_000, &kinds);
}

proptest! {
    #![proptest_config(Config { cases: 16, max_shrink_iters: 5_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_busy_store_agrees_in_short(ops in ops()) {
        agree::<Busy>(&ops);
    }

    #[test]
    fn a_usual_store_agrees_in_short(ops in ops()) {
        agree::<Usual>(&ops);
    }

    #[test]
    fn a_store_of_small_slices_agrees_in_short(ops in ops()) {
        agree::<Faulty<Sliced>>(&ops);
    }
}
