//! What erasing gives back: the size on disk over what lives, before and after half of the CoValues are erased.

use std::time::Instant;

use super::figures::{Figures, Unit};
use super::options::Options;
use super::phase::Phase;
use super::store::{Settings, check, check_erased, compact, open, store};
use super::{Run, Scenario};
use crate::data::{Interleaved, Shape, Values, content_bytes};
use crate::native::Native;
use crate::probe::disk_bytes;
use crate::{Result, Store};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "erase",
    about: "disk over live content after half of the CoValues were erased, and after compacting",
    run,
    phases: &[
        ("store", fill),
        ("erase", erase),
        ("compact", |phase| compact(phase, Settings::of(phase.options))),
        ("load", load),
    ],
};

fn dataset(options: &Options) -> (Values, u32) {
    let size = options.or(options.size, 512 << 20, 24 << 20);
    let values = Values::new(options.seed(), Shape::Mixture { largest: size / 16 });
    let count = values.amounting_to(size);
    (values, count)
}

const OVER_LIVE: &str = "disk over live content";

/// Bytes on disk over bytes of content once compacted.
const COMPACTED_OVER_LIVE: f64 = 1.3;

/// Every other one, the largest among them.
fn is_erased(value: u32) -> bool {
    value.is_multiple_of(2)
}

fn run(run: &mut Run) -> Result<()> {
    let directory = run.store("store")?;
    let stored = run.phase("store", &directory)?;
    run.show("store", &stored);
    let mut erased = run.phase("erase", &directory)?;
    let live = stored.get("content that is to stay")?;
    erased.ratio("disk over live content before", stored.get("disk")? / live);
    erased.ratio(OVER_LIVE, erased.get("disk")? / live);
    run.show("erase half", &erased);
    let mut compacted = run.phase("compact", &directory)?;
    compacted.ratio(OVER_LIVE, compacted.get("disk")? / live);
    run.show("compact", &compacted);
    run.at_most(&compacted, OVER_LIVE, COMPACTED_OVER_LIVE, Unit::Ratio)?;
    let loaded = run.phase("load", &directory)?;
    run.show("load everything and compare", &loaded);
    Ok(())
}

fn fill(phase: &Phase) -> Result<Figures> {
    let (values, count) = dataset(phase.options);
    let storage = open(phase.store, Settings::of(phase.options))?;
    let (mut content, mut staying) = (0, 0);
    for step in Interleaved::new(&values, count) {
        let message = values.message(step);
        store(&storage, &Native::prepare(&message)?)?;
        content += content_bytes(&message);
        // Of what is erased, the header stays.
        staying += if is_erased(step.value) {
            message.header.as_ref().map_or(0, String::len) as u64
        } else {
            content_bytes(&message)
        };
    }
    storage.close()?;
    let disk = disk_bytes(phase.store)?;
    let mut figures = Figures::default();
    figures.count("CoValues", f64::from(count));
    figures.bytes("content", content);
    figures.bytes("content that is to stay", staying);
    figures.bytes("disk", disk);
    figures.ratio("disk over content", disk as f64 / content as f64);
    Ok(figures)
}

fn erase(phase: &Phase) -> Result<Figures> {
    let (values, count) = dataset(phase.options);
    let storage = open(phase.store, Settings::of(phase.options))?;
    let begun = Instant::now();
    let mut erased = 0;
    for value in (0..count).filter(|&value| is_erased(value)) {
        if !storage.erase(values.id(value).as_bytes())? {
            return Err(format!("CoValue {value} is not stored").into());
        }
        erased += 1;
    }
    let erasing = begun.elapsed();
    let begun = Instant::now();
    storage.close()?;
    let mut figures = Figures::default();
    figures.count("CoValues erased", f64::from(erased));
    figures.seconds("erasing", erasing.as_secs_f64());
    figures.seconds("closing", begun.elapsed().as_secs_f64());
    figures.bytes("disk", disk_bytes(phase.store)?);
    Ok(figures)
}

fn load(phase: &Phase) -> Result<Figures> {
    let (values, count) = dataset(phase.options);
    let storage = open(phase.store, Settings::of(phase.options))?;
    let mut bytes = 0;
    for value in 0..count {
        if is_erased(value) {
            check_erased(&storage, &values, value)?;
        } else {
            bytes += check(&storage, &values, value, values.transactions(value))?;
        }
    }
    storage.close()?;
    let mut figures = Figures::default();
    figures.count("CoValues compared", f64::from(count));
    figures.bytes("transactions of those that stayed", bytes);
    Ok(figures)
}
