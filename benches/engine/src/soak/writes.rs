//! What a great many one-transaction messages cost: time, stalls, bytes written, disk.

use std::time::Instant;

use super::figures::{Figures, Unit};
use super::options::Options;
use super::phase::Phase;
use super::store::{Settings, check, open, store};
use super::{Run, Scenario};
use crate::data::{Edits, Shape, Values, content_bytes};
use crate::histogram::Histogram;
use crate::native::Native;
use crate::probe::{DiskWatch, disk_bytes};
use crate::{Result, Store};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "writes",
    about: "one-transaction messages: rate, stalls, write amplification, disk",
    run,
    phases: &[("store", fill), ("load", load)],
};

/// Bytes on disk over bytes of content, at any time and after closing, and bytes written over those given.
const PEAK_OVER_LIVE: f64 = 4.0;
const CLOSED_OVER_LIVE: f64 = 2.5;
const AMPLIFICATION: f64 = 4.0;

fn messages(options: &Options) -> u64 {
    options.or(options.messages, 1_000_000, 40_000)
}

fn run(run: &mut Run) -> Result<()> {
    let directory = run.store("store")?;
    let stored = run.phase("store", &directory)?;
    run.show("store", &stored);
    run.at_most(&stored, "written by system calls over messages given", AMPLIFICATION, Unit::Ratio)?;
    run.at_most(&stored, "most disk over live content at a time", PEAK_OVER_LIVE, Unit::Ratio)?;
    run.at_most(&stored, "disk after closing over live content", CLOSED_OVER_LIVE, Unit::Ratio)?;
    let loaded = run.phase("load", &directory)?;
    run.show("load everything and compare", &loaded);
    Ok(())
}

fn fill(phase: &Phase) -> Result<Figures> {
    let messages = messages(phase.options);
    let values = Values::new(phase.options.seed(), Shape::Small);
    let storage = open(phase.store, Settings::of(phase.options))?;
    let watch = DiskWatch::start(phase.store);
    let mut calls = Histogram::new();
    let (mut given, mut content) = (0, 0);
    let begun = Instant::now();
    for step in Edits::new(phase.options.seed(), messages) {
        let message = values.message(step);
        let prepared = Native::prepare(&message)?;
        let before = Instant::now();
        store(&storage, &prepared)?;
        calls.add(before.elapsed());
        given += prepared.len() as u64;
        content += content_bytes(&message);
        watch.lives(content_bytes(&message));
    }
    let all = begun.elapsed();
    let stats = storage.stats()?;
    let before = Instant::now();
    storage.close()?;
    let closing = before.elapsed();
    let peak = watch.finish()?;
    let closed = disk_bytes(phase.store)?;
    let written = phase.written();

    let ratio = |bytes: u64, over: u64| bytes as f64 / over as f64;
    let mut figures = Figures::default();
    figures.count("messages", messages as f64);
    figures.bytes("messages given", given);
    figures.bytes("their content, all of it live", content);
    figures.per_second("messages per second of storing", messages as f64 / calls.total().as_secs_f64());
    figures.seconds("time in stores", calls.total().as_secs_f64());
    figures.seconds("time between stores, in which messages are made", (all - calls.total()).as_secs_f64());
    figures.seconds("a store, median", calls.quantile(0.5));
    figures.seconds("a store, 99 %", calls.quantile(0.99));
    figures.seconds("a store, 99.9 %", calls.quantile(0.999));
    figures.seconds("longest stall of a store", calls.longest().as_secs_f64());
    figures.seconds("closing", closing.as_secs_f64());
    figures.count("checkpoints before closing", stats.checkpoints);
    figures.count("runs before closing", f64::from(stats.runs));
    figures.bytes("written by system calls", written.map(|written| written.called));
    figures.bytes("written in pages", written.map(|written| written.pages));
    figures.bytes("written to the log, by the store's own count", stats.bytes_written as u64);
    figures.ratio(
        "written by system calls over messages given",
        written.map(|written| ratio(written.called, given)),
    );
    figures
        .ratio("written by system calls over content", written.map(|written| ratio(written.called, content)));
    figures.ratio("written in pages over messages given", written.map(|written| ratio(written.pages, given)));
    figures.bytes("peak disk", peak.bytes);
    figures.ratio("peak disk over live content at the end", ratio(peak.bytes, content));
    figures.ratio("most disk over live content at a time", peak.over_live);
    figures.bytes("disk after closing", closed);
    figures.ratio("disk after closing over live content", ratio(closed, content));
    Ok(figures)
}

fn load(phase: &Phase) -> Result<Figures> {
    let values = Values::new(phase.options.seed(), Shape::Small);
    let counters = Edits::new(phase.options.seed(), messages(phase.options)).counters();
    let storage = open(phase.store, Settings::of(phase.options))?;
    if storage.co_value_count()? != counters.len() as f64 {
        return Err(
            format!("{} CoValues are stored, not {}", storage.co_value_count()?, counters.len()).into()
        );
    }
    let begun = Instant::now();
    for (value, &counter) in (0..).zip(&counters) {
        check(&storage, &values, value, counter)?;
    }
    let mut figures = Figures::default();
    figures.count("CoValues loaded and compared", counters.len() as f64);
    figures.seconds("time, most of it this program's", begun.elapsed().as_secs_f64());
    storage.close()?;
    Ok(figures)
}
