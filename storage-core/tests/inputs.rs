//! The inputs of the fuzz target `store`, at random: without a fuzzer's instruments many times as many of them are tried.
//!
//! `JAZZ_INPUTS_SEED` and `JAZZ_INPUTS_SECONDS` make others and more; a failure prints the seed of the input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/random.rs"]
#[allow(dead_code, unreachable_pub)]
mod random;
#[path = "../fuzz/src/store.rs"]
#[allow(dead_code, missing_docs, unreachable_pub)]
mod store;

use random::Random;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

/// As in the fuzz crate, of which the module is.
fn choose(data: &[u8], ways: u8) -> Option<(u8, &[u8])> {
    data.split_first().map(|(way, rest)| (way % ways, rest))
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

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
