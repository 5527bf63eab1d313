//! Memory that does not grow with the data: a dataset many times larger than everything the store may keep in memory,
//! of CoValues of many sizes, among them one that is larger than that alone.

use std::time::Instant;

use super::figures::{Figures, Unit};
use super::options::Options;
use super::phase::{PEAK_MEMORY, Phase};
use super::store::{Settings, check, compact, open, store};
use super::{Run, Scenario};
use crate::data::{Interleaved, Shape, Values, content_bytes};
use crate::histogram::Histogram;
use crate::native::Native;
use crate::probe::disk_bytes;
use crate::{Result, Store};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "bounded",
    about: "peak memory of storing, loading and compacting gigabytes, with a CoValue of hundreds of megabytes",
    run,
    phases: &[("store", fill), ("load", load), ("compact", |phase| compact(phase, settings(phase.options)))],
};

const MIB: u64 = 1 << 20;

fn settings(options: &Options) -> Settings {
    Settings {
        cache: Some(options.or(options.cache, 16 * MIB, MIB)),
        delta: Some(options.or(options.delta, 8 * MIB, MIB)),
        ..Settings::of(options)
    }
}

/// The most memory beyond that of an idle process: the cache, and what all the rest is allowed, which is two deltas in
/// memory (one that is being written out, one that takes what comes), buffers, and the few megabytes of this program.
fn limit(options: &Options) -> f64 {
    const REST: u64 = 64 * MIB;
    (settings(options).cache.unwrap_or(0) + REST) as f64
}

fn dataset(options: &Options) -> (Values, u32) {
    let largest = options.or(options.largest, 256 * MIB, 12 * MIB);
    let values = Values::new(options.seed(), Shape::Mixture { largest });
    let count = values.amounting_to(options.or(options.size, 2048 * MIB, 100 * MIB));
    (values, count)
}

fn run(run: &mut Run) -> Result<()> {
    let directory = run.store("store")?;
    for (phase, title) in [
        ("store", "store"),
        ("load", "load everything and compare"),
        ("compact", "compact"),
        ("load", "load everything and compare, once compacted"),
    ] {
        let figures = run.phase(phase, &directory)?;
        run.show(title, &figures);
        run.at_most(&figures, PEAK_MEMORY, limit(run.options), Unit::Bytes)?;
    }
    Ok(())
}

fn fill(phase: &Phase) -> Result<Figures> {
    let (values, count) = dataset(phase.options);
    let storage = open(phase.store, settings(phase.options))?;
    let mut calls = Histogram::new();
    let (mut content, mut messages) = (0, 0);
    for step in Interleaved::new(&values, count) {
        let message = values.message(step);
        let prepared = Native::prepare(&message)?;
        let before = Instant::now();
        store(&storage, &prepared)?;
        calls.add(before.elapsed());
        content += content_bytes(&message);
        messages += 1;
    }
    let stats = storage.stats()?;
    storage.close()?;
    let mut figures = Figures::default();
    figures.bytes("content", content);
    figures.count("CoValues", f64::from(count));
    figures.count("messages", f64::from(messages));
    figures.bytes("largest CoValue, about", u64::from(values.transactions(0)) * 20_000);
    figures.seconds("time in stores", calls.total().as_secs_f64());
    figures.seconds("longest stall of a store", calls.longest().as_secs_f64());
    figures.bytes("cache before closing", stats.cache_bytes as u64);
    figures.bytes("filters and block indexes in memory", stats.resident_bytes as u64);
    figures.bytes("disk after closing", disk_bytes(phase.store)?);
    Ok(figures)
}

fn load(phase: &Phase) -> Result<Figures> {
    let (values, count) = dataset(phase.options);
    let storage = open(phase.store, settings(phase.options))?;
    let mut bytes = 0;
    for value in 0..count {
        bytes += check(&storage, &values, value, values.transactions(value))?;
    }
    let stats = storage.stats()?;
    storage.close()?;
    let mut figures = Figures::default();
    figures.count("CoValues loaded and compared", f64::from(count));
    figures.bytes("their transactions", bytes);
    figures.bytes("cache", stats.cache_bytes as u64);
    figures.bytes("filters and block indexes in memory", stats.resident_bytes as u64);
    Ok(figures)
}
