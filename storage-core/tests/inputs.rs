//! The inputs of the fuzz target `store`, at random: without a fuzzer's instruments more of them are tried in a time, and
//! those that the suite tries are always the same.
//!
//! `JAZZ_INPUTS_SEED` and `JAZZ_INPUTS_SECONDS` make others and more, most by far in an optimised build; a failure prints
//! the seed of the input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// The comparison of the fuzz target is the one in `support`.
#![allow(clippy::duplicate_mod)]

#[path = "../fuzz/src/store.rs"]
#[allow(dead_code, missing_docs, unreachable_pub)]
mod store;
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};
use support::random::{Random, setting};

#[test]
fn random_operations_agree_with_the_model() {
    let (mut seed, seconds) = (setting("JAZZ_INPUTS_SEED", 1), setting("JAZZ_INPUTS_SECONDS", 4));
    let (begun, mut inputs) = (Instant::now(), 0);
    // A machine that is slow tries a few all the same.
    while inputs < 100 || begun.elapsed() < Duration::from_secs(seconds) {
        let mut random = Random(seed);
        let len = 50 + random.below(700) as usize;
        let input = random.bytes(len);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| store::check(&input))) {
            eprintln!("JAZZ_INPUTS_SEED={seed}: failed at input {inputs}");
            resume_unwind(panic);
        }
        inputs += 1;
        seed += 1;
    }
    println!("{inputs} inputs");
}
