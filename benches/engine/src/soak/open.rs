//! How long an opening takes: after a clean close, whatever the size of the index, and with a full tail to replay.

use std::time::Instant;

use jazz_storage_core::api::NativeStorage;

use super::figures::{Figures, Unit};
use super::options::Options;
use super::phase::Phase;
use super::store::{Settings, check, open, store};
use super::{Run, Scenario};
use crate::data::{Shape, Step, Values};
use crate::native::Native;
use crate::{Result, Store};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "open",
    about: "opening with a large index after a clean close, and with a full tail to replay",
    run,
    phases: &[("fill", fill), ("clean", clean), ("tail", tail), ("replay", replay), ("load", load)],
};

const OPENINGS: usize = 21;
const REPLAYS: usize = 5;
/// How often the size of the delta is looked at.
const EVERY: u32 = 16;

fn rows(options: &Options) -> u64 {
    options.or(options.rows, 1_000_000, 70_000)
}

fn run(run: &mut Run) -> Result<()> {
    let directory = run.store("store")?;
    let filled = run.phase("fill", &directory)?;
    run.show("a store with a large index", &filled);
    run.at_least(&filled, "rows in the index", rows(run.options) as f64, Unit::Count)?;
    let opened = run.phase("clean", &directory)?;
    run.show("openings after a clean close", &opened);
    // The record with which every segment begins.
    run.at_most(&opened, "records replayed", 1.0, Unit::Count)?;

    let tail = run.killed_phase("tail", &directory)?;
    run.show("stores until just before a checkpoint, then kill", &tail);
    let mut times = Vec::new();
    let mut replays = Figures::default();
    for round in 0..REPLAYS {
        let replay = run.killed_phase("replay", &directory)?;
        times.push(replay.get("opening")?);
        run.keep(&format!("replay, round {round}"), &replay);
        replays = replay;
    }
    let mut figures = Figures::default();
    figures.spread("opening", &times, Unit::Seconds);
    for name in ["records replayed", "rows in the delta", "bytes discarded"] {
        figures.count(name, replays.get(name)?);
    }
    run.show("openings with a full tail", &figures);
    run.at_least(&figures, "records replayed", tail.get("records of the tail")?, Unit::Count)?;
    run.at_most(&figures, "bytes discarded", 0.0, Unit::Bytes)?;
    let loaded = run.phase("load", &directory)?;
    run.show("load everything and compare", &loaded);
    run.at_least(&loaded, "CoValues loaded and compared", tail.get("CoValues")?, Unit::Count)
}

/// Stores the CoValue of this number: two rows of the index.
fn add(storage: &NativeStorage, values: &Values, value: u32) -> Result<()> {
    store(storage, &Native::prepare(&values.message(Step { value, after: 0, count: 1 }))?)
}

fn values(phase: &Phase) -> Values {
    Values::new(phase.options.seed(), Shape::Small)
}

fn fill(phase: &Phase) -> Result<Figures> {
    let values = values(phase);
    let storage = open(phase.store, Settings::of(phase.options))?;
    let count = u32::try_from(rows(phase.options).div_ceil(2))?;
    for value in 0..count {
        add(&storage, &values, value)?;
    }
    storage.close()?;
    let stats = storage.stats()?;
    let mut figures = Figures::default();
    figures.count("CoValues", stats.co_values);
    figures.count("rows in the index", stats.run_rows + stats.delta_rows);
    figures.count("runs", f64::from(stats.runs));
    figures.bytes("runs on disk", stats.run_bytes as u64);
    figures.bytes("filters and block indexes in memory", stats.resident_bytes as u64);
    storage.close()?;
    Ok(figures)
}

fn clean(phase: &Phase) -> Result<Figures> {
    let (mut times, mut replayed) = (Vec::new(), 0.0_f64);
    for _ in 0..OPENINGS {
        let begun = Instant::now();
        let storage = open(phase.store, Settings::of(phase.options))?;
        times.push(begun.elapsed().as_secs_f64());
        replayed = replayed.max(storage.stats()?.replayed_records);
        storage.close()?;
    }
    let mut figures = Figures::default();
    figures.seconds("the first opening of the process", times[0]);
    figures.spread("opening", &times, Unit::Seconds);
    figures.count("openings", times.len() as f64);
    figures.count("records replayed", replayed);
    Ok(figures)
}

/// Stores until the delta is about as large as it gets, which is first found out by letting it get there.
fn tail(phase: &Phase) -> Result<Figures> {
    let values = values(phase);
    let storage = open(phase.store, Settings::of(phase.options))?;
    let mut value = storage.co_value_count()? as u32;
    let mut grow = |until: &dyn Fn(f64, f64) -> bool| -> Result<f64> {
        let mut before = storage.stats()?.delta_rows;
        loop {
            for _ in 0..EVERY {
                add(&storage, &values, value)?;
                value += 1;
            }
            let now = storage.stats()?.delta_rows;
            if until(before, now) {
                return Ok(before);
            }
            before = now;
        }
    };
    let full = grow(&|before, now| now < before)?;
    // As near as one can come without meeting it.
    let margin = f64::from(4 * EVERY);
    grow(&|_, now| now >= full - margin)?;
    let stats = storage.stats()?;
    let mut figures = Figures::default();
    figures.count("CoValues", stats.co_values);
    figures.count("rows in the delta at a checkpoint", full);
    figures.count("rows in the delta when killed", stats.delta_rows);
    figures.count("records of the tail", (stats.delta_rows / 2.0).floor());
    phase.be_killed(figures)
}

fn replay(phase: &Phase) -> Result<Figures> {
    let begun = Instant::now();
    let storage = open(phase.store, Settings::of(phase.options))?;
    let time = begun.elapsed().as_secs_f64();
    let stats = storage.stats()?;
    let mut figures = Figures::default();
    figures.seconds("opening", time);
    figures.count("records replayed", stats.replayed_records);
    figures.count("rows in the delta", stats.delta_rows);
    figures.bytes("bytes discarded", stats.discarded_bytes as u64);
    // So that nothing is written out, and the next one finds the same tail.
    phase.be_killed(figures)
}

fn load(phase: &Phase) -> Result<Figures> {
    let values = values(phase);
    let storage = open(phase.store, Settings::of(phase.options))?;
    let count = storage.co_value_count()? as u32;
    for value in 0..count {
        check(&storage, &values, value, 1)?;
    }
    let mut figures = Figures::default();
    figures.count("CoValues loaded and compared", f64::from(count));
    storage.close()?;
    Ok(figures)
}
