//! Power cuts and failing devices: at every write, sync, creation and removal of a workload with checkpoints and merges.
//!
//! After each the store must hold the state after some number of steps: at least those that were acknowledged as
//! durable, at most those begun. The state is compared with the model's after as many steps.

#![allow(clippy::unwrap_used, clippy::panic)]

mod workload;

use jazz_storage_core::engine::delta::BfTreeDelta;
use jazz_storage_core::engine::{Durability, EngineOptions};
use jazz_storage_core::file::{Failure, FaultFileIO, FileIO, InMemoryFileIO, Loss};
use jazz_storage_core::store::{BfTreeStorage, ModelStorage, StoreOptions};
use jazz_storage_core::{ErrorCode, Result};
use workload::{contents, step};

const STEPS: usize = 66;
/// Steps after which everything is made durable, at the level that does not do so by itself.
const FLUSH_EVERY: usize = 10;

fn options(durability: Durability) -> StoreOptions {
    let engine = EngineOptions {
        checkpoint_rows: 12,
        fanout: 2,
        max_layers: 4,
        reserve_bytes: 0,
        background_sync: false,
        background_maintenance: false,
        ..EngineOptions::default()
    };
    StoreOptions { durability, engine }
}

fn open<F: FileIO>(io: F, durability: Durability) -> Result<BfTreeStorage<F, BfTreeDelta>> {
    BfTreeStorage::open(io, options(durability))
}

/// The model's contents after each number of steps.
fn expected() -> Vec<Vec<String>> {
    let model = ModelStorage::new();
    let mut states = vec![contents(&model)];
    for n in 0..STEPS {
        step(&model, n).unwrap();
        states.push(contents(&model));
    }
    states
}

/// How far a run came before it failed.
struct Progress {
    /// Steps that completed.
    done: usize,
    /// Steps that were acknowledged as durable.
    durable: usize,
    /// Steps begun.
    begun: usize,
}

/// Runs the workload from step `from` on until something fails.
fn run<F: FileIO>(storage: &BfTreeStorage<F, BfTreeDelta>, from: usize, durability: Durability) -> Progress {
    let mut progress = Progress { done: from, durable: from, begun: from };
    for n in from..STEPS {
        progress.begun = n + 1;
        if step(storage, n).is_err() {
            break;
        }
        progress.done = n + 1;
        if durability == Durability::Strict {
            progress.durable = n + 1;
        } else if n % FLUSH_EVERY == FLUSH_EVERY - 1 {
            if storage.flush().is_err() {
                break;
            }
            progress.durable = n + 1;
        }
    }
    progress
}

/// The number of steps whose outcome the store holds, which must be one of `allowed`.
fn steps_held(
    image: InMemoryFileIO,
    allowed: std::ops::RangeInclusive<usize>,
    context: &str,
) -> (usize, FaultFileIO) {
    let io = FaultFileIO::from_image(&image).unwrap();
    let storage = open(io.clone(), Durability::Strict).unwrap_or_else(|e| panic!("{context}: {e}"));
    let got = contents(&storage);
    drop(storage);
    let expected = expected_states();
    let held = allowed.clone().rev().find(|n| expected.get(*n) == Some(&got));
    let elsewhere = || expected.iter().position(|state| *state == got);
    let held = held
        .unwrap_or_else(|| panic!("{context}: {allowed:?} allowed, found the state after {:?}", elsewhere()));
    (held, io)
}

fn expected_states() -> &'static [Vec<String>] {
    static STATES: std::sync::OnceLock<Vec<Vec<String>>> = std::sync::OnceLock::new();
    STATES.get_or_init(expected)
}

/// Crashes at operation `at` (counted from the opening), in every way of losing what was not synced.
fn crash_at(at: u64, durability: Durability, seeds: u64) -> Option<u64> {
    let io = FaultFileIO::new();
    io.crash_after(at);
    let progress = match open(io.clone(), durability) {
        Ok(storage) => run(&storage, 0, durability),
        Err(_) => Progress { done: 0, durable: 0, begun: 0 },
    };
    if !io.has_crashed() {
        return None;
    }
    let mut states = 0;
    let some = (0..seeds).flat_map(|seed| [Loss::Tail(seed * 31 + at), Loss::Some(seed * 17 + at)]);
    for loss in [Loss::Nothing, Loss::Everything].into_iter().chain(some) {
        let least = if loss == Loss::Nothing { progress.done } else { progress.durable };
        let context = format!("{durability:?}, crash after operation {at}, losing {loss:?}");
        let (held, io) = steps_held(io.image(loss).unwrap(), least..=progress.begun, &context);
        states += 1;
        // The store goes on from there, and survives another crash.
        if at.is_multiple_of(7) {
            io.crash_after(at % 23);
            let Ok(storage) = open(io.clone(), Durability::Strict) else { continue };
            let again = run(&storage, held, Durability::Strict);
            drop(storage);
            let context = format!("{context}, then again after {} operations", at % 23);
            steps_held(io.image(loss).unwrap(), again.durable..=again.begun, &context);
            states += 1;
        }
    }
    Some(states)
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_that_was_acknowledged_as_durable() {
    let mut states = 0;
    for durability in [Durability::Strict, Durability::Relaxed] {
        let mut at = 0;
        while let Some(more) = crash_at(at, durability, 2) {
            states += more;
            at += 1;
        }
        assert!(at > 100, "the workload has only {at} operations");
    }
    println!("{states} crash states");
    assert!(states > 1_000, "only {states} crash states");
}

#[test]
fn a_failing_operation_is_a_typed_error_and_a_reopened_store_holds_what_was_acknowledged() {
    for failure in [Failure::Device, Failure::HalfWritten, Failure::DiskFull] {
        for at in 0.. {
            let io = FaultFileIO::new();
            let context = format!("{failure:?} at operation {at}");
            let storage = match open(io.clone(), Durability::Strict) {
                Ok(storage) => storage,
                Err(_) => unreachable!("{context}: nothing fails yet"),
            };
            let opened = io.operations();
            io.fail_after(at, failure);
            let progress = run(&storage, 0, Durability::Strict);
            if io.operations() <= opened + at {
                assert!(at > 100, "the workload has only {at} operations");
                break;
            }
            if progress.begun > progress.done {
                let again = step(&storage, progress.done).err().map(|e| e.code());
                match failure {
                    // A full disk does not end the store, unless what was written could not be taken back.
                    Failure::DiskFull => {
                        assert!(matches!(again, None | Some(ErrorCode::Latched)), "{context}")
                    }
                    _ => assert_eq!(again, Some(ErrorCode::Latched), "{context}"),
                }
            }
            drop(storage);
            let most = progress.begun.max(progress.done + 1).min(STEPS);
            steps_held(io.image(Loss::Everything).unwrap(), progress.done..=most, &context);
        }
    }
}

#[test]
fn an_opening_that_fails_leaves_a_store_that_opens() {
    for failure in [Failure::Device, Failure::HalfWritten, Failure::DiskFull] {
        for at in 0.. {
            let io = FaultFileIO::new();
            io.fail_after(at, failure);
            let failed = open(io.clone(), Durability::Strict).err();
            if failed.is_none() {
                assert!(at > 3);
                break;
            }
            for loss in [Loss::Nothing, Loss::Everything, Loss::Some(at)] {
                steps_held(io.image(loss).unwrap(), 0..=0, &format!("{failure:?} at operation {at}"));
            }
        }
    }
}
