//! The targets.

use super::{Measure, Role, Target};
use crate::results::Level::{Power, Process};
use crate::results::Metric::{self, Cpu, Disk, PeakMemory, Wall};
use crate::results::{Level, Suite};

use Role::{ShippedSqlite, Sqlite};

type Names = &'static [&'static str];

const EACH: Names = &[];
const STORE: Names = &["store"];
const LOAD: Names = &["load"];
const KNOWN: Names = &["known"];
const STORES: Names = &["store", "store-alone", "store-64"];
const SCALE: Names = &["scale"];
const MILLION: u64 = 1_000_000;

/// Every target, in the order of the report.
pub const TARGETS: &[Target] = &[
    app(STORE, &["small"], Sqlite, 6.0),
    app(STORE, &["small"], ShippedSqlite, 12.0),
    app(STORE, &["hot"], Sqlite, 6.0),
    app(STORE, &["hot"], ShippedSqlite, 12.0),
    app(STORE, &["bulk"], Sqlite, 5.0),
    app(STORE, &["bulk"], ShippedSqlite, 12.0),
    app(STORE, &["files"], Sqlite, 3.5),
    app(STORE, &["files"], ShippedSqlite, 3.5),
    app(LOAD, &["small"], Sqlite, 4.0),
    app(LOAD, &["small"], ShippedSqlite, 8.0),
    app(LOAD, &["bulk"], Sqlite, 2.5),
    app(LOAD, &["bulk"], ShippedSqlite, 2.5),
    app(LOAD, &["files"], Sqlite, 2.5),
    app(LOAD, &["files"], ShippedSqlite, 2.5),
    app(KNOWN, &["small"], Sqlite, 4.0),
    app(KNOWN, &["small"], ShippedSqlite, 8.0),
    Target {
        suite: Some(Suite::Js),
        says: "strict, against SQLite FULL",
        workloads: EACH,
        phases: &["store-alone"],
        measure: times(Wall, Power, Sqlite, 1.5),
    },
    Target {
        suite: Some(Suite::Js),
        says: "strict, against SQLite FULL",
        workloads: EACH,
        phases: &["store-64"],
        measure: times(Wall, Power, Sqlite, 15.0),
    },
    Target {
        suite: Some(Suite::Js),
        says: "disk after closing, SQLite's over ours",
        workloads: EACH,
        phases: EACH,
        measure: times(Disk, Process, Sqlite, 1.0),
    },
    Target {
        suite: Some(Suite::Js),
        says: "peak memory, SQLite's over ours",
        workloads: EACH,
        phases: EACH,
        measure: times(PeakMemory, Process, Sqlite, 1.0),
    },
    Target {
        suite: None,
        says: "opening with 10⁶ entries",
        workloads: SCALE,
        phases: &["open"],
        measure: Measure::Time { at: MILLION, at_most: 10.0 },
    },
    Target {
        suite: None,
        says: "rate with 10⁶ CoValues over that with 10⁴",
        workloads: SCALE,
        phases: STORE,
        measure: Measure::Keeps { from: 10_000, to: MILLION, at_least: Some(0.6) },
    },
    Target {
        suite: None,
        says: "rate with 10⁶ CoValues over that with 10⁴, falling less than SQLite's",
        workloads: SCALE,
        phases: STORE,
        measure: Measure::Keeps { from: 10_000, to: MILLION, at_least: None },
    },
    engine("stores of one transaction", &["small", "hot"], STORE, times(Cpu, Process, Sqlite, 11.0)),
    engine("stores of 200 transactions", &["bulk"], STORE, times(Cpu, Process, Sqlite, 10.0)),
    engine("warm loads", EACH, &["load-warm"], times(Cpu, Process, Sqlite, 3.0)),
    engine("warm loads, clustered", EACH, &["load-clustered-warm"], times(Cpu, Process, Sqlite, 8.0)),
    // CPU time would leave out the waiting for the disk.
    engine("cold loads", EACH, &["load-cold"], times(Wall, Process, Sqlite, 2.0)),
    engine("cold loads, clustered", EACH, &["load-clustered-cold"], times(Wall, Process, Sqlite, 7.0)),
    engine("longest store", EACH, STORE, Measure::Longest { at_most: 30.0 }),
    engine("ahead of every peer of equal durability", EACH, STORES, Measure::AheadOfAll { metric: Wall }),
    engine(
        "ahead of every peer of equal durability",
        EACH,
        &["load-clustered", "load-clustered-warm"],
        Measure::AheadOfAll { metric: Wall },
    ),
    engine("over an append alone", EACH, STORES, Measure::OverFloor { metric: Cpu, at_most: 2.0 }),
    engine("over an append alone", EACH, STORES, Measure::OverFloor { metric: Wall, at_most: 2.0 }),
];

/// CPU time of a message or CoValue in an app.
const fn app(phases: Names, workloads: Names, peer: Role, at_least: f64) -> Target {
    let says = match peer {
        Sqlite => "against SQLite, statements cached",
        ShippedSqlite => "against SQLite as cojson ships it",
    };
    Target { suite: Some(Suite::Js), says, workloads, phases, measure: times(Cpu, Process, peer, at_least) }
}

/// Of the engine alone; what is said of SQLite means its level NORMAL.
const fn engine(says: &'static str, workloads: Names, phases: Names, measure: Measure) -> Target {
    Target { suite: Some(Suite::Engine), says, workloads, phases, measure }
}

const fn times(metric: Metric, level: Level, peer: Role, at_least: f64) -> Measure {
    Measure::Times { metric, level, peer, at_least }
}
