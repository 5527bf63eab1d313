//! The workload `scale`: what becomes of a store that grows.
//!
//! It is filled with CoValues of one small message each, up to 1,000, 10,000 and so on. At each size 10,000 messages are
//! stored to CoValues of it chosen at random, and 2,000 such are loaded by a process that has just opened it. Where filling
//! takes so long that only one round comes to a size, that is done several times in a row, with other CoValues each time.
//! Messages are made when they are needed, in a pause of the clock, so that a million of them take no memory.

use std::collections::HashMap;

use jazz_storage_bench::data::{Shape, Step, Values};
use jazz_storage_bench::trace::{Message, Random};
use jazz_storage_bench::verify::{compare_value, expected};
use jazz_storage_bench::{Result, Store};
use serde::{Deserialize, Serialize};

use super::acts::Call;
use super::measure::{Answer, Clock, Laps, MemoryBefore, Pausing};
use crate::contestants::Contestant;

/// Messages that are made at a time.
const BATCH: usize = 2_000;

/// A size to which the store is filled.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Decade {
    /// How many CoValues.
    pub(super) size: u32,
    /// How often messages were stored to them so far.
    pub(super) turns: u32,
}

/// The messages that are stored at a size beside those that fill it, when so often some were stored to it before.
fn extras(call: &Call, size: u32, turn: u32) -> impl Iterator<Item = u32> {
    let mut random = Random(call.seed ^ (u64::from(size) << 8) ^ (u64::from(turn) << 40));
    (0..call.samples).map(move |_| random.below(size as usize) as u32)
}

/// How many transactions the CoValues have that have more than one.
fn counters(call: &Call) -> HashMap<u32, u32> {
    let mut counters = HashMap::new();
    for &Decade { size, turns } in &call.decades {
        for value in (0..turns).flat_map(|turn| extras(call, size, turn)) {
            *counters.entry(value).or_insert(1) += 1;
        }
    }
    counters
}

fn values(call: &Call) -> Values {
    Values::new(call.seed, Shape::Small)
}

fn last(call: &Call) -> Result<Decade> {
    Ok(*call.decades.last().ok_or("no size is named")?)
}

/// Stores all steps, the making of their messages left out of the time.
fn store_all<S: Store>(
    store: &mut S,
    values: &Values,
    steps: &mut impl Iterator<Item = Step>,
    clock: &mut Pausing,
    laps: &mut Laps,
) -> Result<usize> {
    let mut stored = 0;
    loop {
        let batch: Vec<S::Prepared> = clock.without(|| {
            steps.by_ref().take(BATCH).map(|step| S::prepare(&values.message(step))).collect::<Result<_>>()
        })?;
        if batch.is_empty() {
            return Ok(stored);
        }
        stored += batch.len();
        laps.resume();
        for message in &batch {
            store.store(message)?;
            laps.lap();
        }
        clock.without(|| drop(batch));
    }
}

/// Fills the store from the size before up to the last one.
pub(super) fn fill<S: Store>(call: &Call, contestant: &Contestant) -> Result<Answer> {
    let size = last(call)?.size;
    let from = call.decades.iter().rev().nth(1).map_or(0, |before| before.size);
    let mut answer = Answer::default();
    let values = values(call);
    let memory = MemoryBefore::note();
    let mut store = S::open(&call.store, contestant.level)?;
    let (mut clock, mut laps) = (Pausing::start(), Laps::start());
    let mut steps = (from..size).map(|value| Step { value, after: 0, count: 1 });
    let stored = store_all(&mut store, &values, &mut steps, &mut clock, &mut laps)?;
    answer.time("fill", stored, clock.read());
    answer.latencies("fill", laps);
    let closing = Clock::start();
    store.close()?;
    answer.time("close", 1, closing.read());
    answer.time("fill-close", stored, clock.read());
    answer.peak_memory("fill", stored, &memory);
    answer.disk("fill", stored, &call.store)?;
    Ok(answer)
}

/// Opens the store and loads CoValues at random.
pub(super) fn read<S: Store>(call: &Call, contestant: &Contestant) -> Result<Answer> {
    let size = last(call)?.size;
    let mut answer = Answer::default();
    let values = values(call);
    let mut random = Random(call.seed ^ 0x10ad);
    let chosen: Vec<u32> = (0..call.samples / 5).map(|_| random.below(size as usize) as u32).collect();
    let ids: Vec<String> = chosen.iter().map(|&value| values.id(value)).collect();
    let memory = MemoryBefore::note();
    let opening = Clock::start();
    let store = S::open(&call.store, contestant.level)?;
    answer.time("open", 1, opening.read());
    let (clock, mut laps) = (Clock::start(), Laps::start());
    for id in &ids {
        std::hint::black_box(store.load(id)?);
        laps.lap();
    }
    answer.time("load", ids.len(), clock.read());
    answer.latencies("load", laps);
    answer.peak_memory("load", ids.len(), &memory);
    let counters = counters(call);
    for &value in &chosen {
        let message = |after| values.message(Step { value, after, count: 1 });
        let messages: Vec<Message> = (0..counters.get(&value).copied().unwrap_or(1)).map(message).collect();
        let expected = expected::<S>(&messages)?;
        for (id, value) in &expected {
            compare_value(&store, id, value)?;
        }
    }
    answer.verified = chosen.len();
    store.close()?;
    Ok(answer)
}

/// Stores messages to CoValues at random.
pub(super) fn store<S: Store>(call: &Call, contestant: &Contestant) -> Result<Answer> {
    let Decade { size, turns } = last(call)?;
    let mut answer = Answer::default();
    let values = values(call);
    let mut counters = counters(call);
    let memory = MemoryBefore::note();
    let mut store = S::open(&call.store, contestant.level)?;
    let (mut clock, mut laps) = (Pausing::start(), Laps::start());
    let mut steps = extras(call, size, turns).map(|value| {
        let counter = counters.entry(value).or_insert(1);
        let after = *counter;
        *counter += 1;
        Step { value, after, count: 1 }
    });
    let stored = store_all(&mut store, &values, &mut steps, &mut clock, &mut laps)?;
    answer.time("store", stored, clock.read());
    answer.latencies("store", laps);
    let closing = Clock::start();
    store.close()?;
    answer.time("close-after-store", 1, closing.read());
    answer.time("store-close", stored, clock.read());
    answer.peak_memory("store-close", stored, &memory);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestants::chosen;
    use crate::run::acts::Act;
    use jazz_storage_bench::native::Native;

    #[test]
    fn messages_are_stored_several_times_at_a_size_and_each_time_to_other_covalues() {
        let directory = tempfile::tempdir().unwrap();
        let contestants = chosen(&["native-process".to_owned()]).unwrap();
        let mut call = Call {
            act: Act::ScaleFill,
            peer: "native-process".to_owned(),
            workload: "scale".to_owned(),
            messages: 0,
            seed: 1,
            store: directory.path().to_owned(),
            decades: Vec::new(),
            samples: 40,
        };
        for (before, size, new) in [(None, 20, 20), (Some(Decade { size: 20, turns: 3 }), 60, 40)] {
            for turns in 0..3 {
                call.decades = before.into_iter().chain([Decade { size, turns }]).collect();
                if turns == 0 {
                    assert_eq!(fill::<Native>(&call, &contestants[0]).unwrap().figures[0].operations, new);
                }
                // It compares what it loads.
                assert_eq!(read::<Native>(&call, &contestants[0]).unwrap().verified, 8);
                let stored = store::<Native>(&call, &contestants[0]).unwrap();
                assert_eq!(stored.figures[0].operations, 40);
            }
            let chosen = |turn| extras(&call, size, turn).collect::<Vec<_>>();
            assert_ne!(chosen(0), chosen(1));
        }
    }
}
