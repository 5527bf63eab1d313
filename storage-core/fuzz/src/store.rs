//! Whole stores: the input's bytes take the place of chance in the random operations of the property tests.

#[path = "../../tests/support/mod.rs"]
mod support;

use crate::seeds;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::sync::OnceLock;
use support::Busy;
use support::ops::op;
use support::pair::Pair;

/// The bytes that an operation uses, about.
const BYTES_PER_OPERATION: usize = 48;
/// The most operations on one store.
const MOST_OPERATIONS: usize = 24;

/// More bytes of chance than the operations on one store use.
fn chance() -> &'static [u8] {
    static CHANCE: OnceLock<Vec<u8>> = OnceLock::new();
    CHANCE.get_or_init(|| seeds::chance(128 << 10))
}

/// Runs the operations on the store and on the model, which must agree.
pub fn check(data: &[u8]) {
    let operations = data.len().div_ceil(BYTES_PER_OPERATION).min(MOST_OPERATIONS);
    // Behind its end an input would go on with zeros, of which a choice among three is never made.
    let bytes = [data, chance()].concat();
    let rng = TestRng::from_seed(RngAlgorithm::PassThrough, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let operation = op();
    let mut pair = Pair::<Busy>::create();
    for _ in 0..operations {
        let op = operation.new_tree(&mut runner).expect("nothing is filtered").current();
        pair.run(&op);
    }
    pair.compare();
}
