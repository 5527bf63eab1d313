//! jazz-storage-core (a log with a bf-tree index, relaxed) against SQLite (cojson's tables and statements, prepared once,
//! WAL, NORMAL), each on the same deterministic trace, whose contents both have been checked to give back.
//!
//! `load, caches of the process empty` reopens the store for each sample; the system's page cache stays warm.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use jazz_storage_bench::native::Native;
use jazz_storage_bench::sqlite::Sqlite;
use jazz_storage_bench::trace::{Trace, bulk, edits};
use jazz_storage_bench::verify::verify;
use jazz_storage_bench::{Level, Result, Store};
use tempfile::{TempDir, tempdir};

/// What a finished store survives, on both sides: the end of the process.
const LEVEL: Level = Level::Process;

type Group<'a> = BenchmarkGroup<'a, criterion::measurement::WallTime>;

fn bftree_vs_sqlite(criterion: &mut Criterion) {
    for trace in [edits(5_000, 1), bulk(50, 200, 10, 2)] {
        must(check::<Native>(&trace));
        must(check::<Sqlite>(&trace));
        let messages = Throughput::Elements(elements(trace.messages.len()));
        let values = Throughput::Elements(elements(trace.ids.len()));
        let name = &trace.name;
        let both = [
            (format!("store {name}"), messages.clone(), Measure::Store { closing: false }),
            (format!("store {name} and close"), messages, Measure::Store { closing: true }),
            (format!("load, warm, {name}"), Throughput::Elements(1), Measure::LoadWarm),
            (format!("load, caches of the process empty, {name}"), values, Measure::LoadCold),
            (format!("known state, {name}"), Throughput::Elements(1), Measure::KnownState),
        ];
        for (title, throughput, measure) in both {
            let mut group = criterion.benchmark_group(title);
            group.sample_size(10).throughput(throughput);
            must(run::<Native>(&mut group, &trace, measure));
            must(run::<Sqlite>(&mut group, &trace, measure));
            group.finish();
        }
    }
}

#[derive(Clone, Copy)]
enum Measure {
    Store { closing: bool },
    LoadWarm,
    LoadCold,
    KnownState,
}

fn run<S: Store>(group: &mut Group<'_>, trace: &Trace, measure: Measure) -> Result<()> {
    match measure {
        Measure::Store { closing } => store::<S>(group, trace, closing),
        Measure::LoadWarm => one_by_one::<S, _>(group, trace, |store, id| store.load(id)),
        Measure::LoadCold => load_cold::<S>(group, trace),
        Measure::KnownState => one_by_one::<S, _>(group, trace, |store, id| store.known_state(id)),
    }
}

fn check<S: Store>(trace: &Trace) -> Result<()> {
    verify::<S>(trace, tempdir()?.path(), LEVEL)
}

fn prepared<S: Store>(trace: &Trace) -> Result<Vec<S::Prepared>> {
    trace.messages.iter().map(S::prepare).collect()
}

/// A closed store that holds the trace.
fn filled<S: Store>(trace: &Trace) -> Result<TempDir> {
    let directory = tempdir()?;
    let mut store = S::open(directory.path(), LEVEL)?;
    for message in &prepared::<S>(trace)? {
        store.store(message)?;
    }
    store.close()?;
    Ok(directory)
}

/// All messages into a new store.
fn store<S: Store>(group: &mut Group<'_>, trace: &Trace, closing: bool) -> Result<()> {
    let messages = prepared::<S>(trace)?;
    group.bench_function(S::NAME, |bencher| {
        bencher.iter_custom(|rounds| (0..rounds).map(|_| must(store_once::<S>(&messages, closing))).sum());
    });
    Ok(())
}

fn store_once<S: Store>(messages: &[S::Prepared], closing: bool) -> Result<Duration> {
    let directory = tempdir()?;
    let mut store = S::open(directory.path(), LEVEL)?;
    let start = Instant::now();
    for message in messages {
        store.store(message)?;
    }
    let stored = start.elapsed();
    store.close()?;
    Ok(if closing { start.elapsed() } else { stored })
}

/// One CoValue after the other, from a store that has read all of them before.
fn one_by_one<S: Store, T>(
    group: &mut Group<'_>,
    trace: &Trace,
    read: impl Fn(&S, &str) -> Result<T>,
) -> Result<()> {
    let directory = filled::<S>(trace)?;
    let store = S::open(directory.path(), LEVEL)?;
    for id in &trace.ids {
        read(&store, id)?;
    }
    let mut ids = trace.ids.iter().cycle();
    group.bench_function(S::NAME, |bencher| {
        bencher.iter(|| ids.next().map(|id| black_box(must(read(&store, id)))));
    });
    store.close()
}

/// All CoValues, from a store that was opened for it.
fn load_cold<S: Store>(group: &mut Group<'_>, trace: &Trace) -> Result<()> {
    let directory = filled::<S>(trace)?;
    group.bench_function(S::NAME, |bencher| {
        bencher.iter_custom(|rounds| {
            (0..rounds).map(|_| must(load_once::<S>(directory.path(), &trace.ids))).sum()
        });
    });
    Ok(())
}

fn load_once<S: Store>(directory: &Path, ids: &[String]) -> Result<Duration> {
    let store = S::open(directory, LEVEL)?;
    let start = Instant::now();
    for id in ids {
        black_box(store.load(id)?);
    }
    let loaded = start.elapsed();
    store.close()?;
    Ok(loaded)
}

fn elements(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Ends the benchmark with the cause of a failure, which Criterion has no way to be told of.
fn must<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| {
        eprintln!("the benchmark failed: {error}");
        std::process::exit(1);
    })
}

criterion_group!(benches, bftree_vs_sqlite);
criterion_main!(benches);
