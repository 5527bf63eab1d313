//! All stores by Criterion, each on the same deterministic traces, whose contents each has been checked to give back.
//!
//! Those of one level are in one group. Reading is measured of the stores that are filled at the level `process`, or at the
//! weakest that a store has, since what is read lies in the same files at every level; storing at all levels. What is
//! `reopened` is opened anew for each sample; the system's page cache stays warm.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use jazz_storage_bench::trace::{Random, Trace};
use jazz_storage_bench::verify::verify;
use jazz_storage_bench::{Level, Result, Store};
use jazz_storage_compare::contestants::{Contestant, Visit, all, level_name};
use jazz_storage_compare::workloads::WORKLOADS;
use tempfile::{TempDir, tempdir};

type Group<'a> = BenchmarkGroup<'a, criterion::measurement::WallTime>;

/// One part in so many of the runner's messages, as a sample stores all of them.
const PART: usize = 10;
const SEED: u64 = 1;
const WARM_UP: Duration = Duration::from_millis(300);
const MEASUREMENT: Duration = Duration::from_secs(1);

/// What is measured.
const STORING: &[(&str, Measure)] =
    &[("store", Measure::Store { closing: false }), ("store and close", Measure::Store { closing: true })];
const READING: &[(&str, Measure)] = &[
    ("load, warm", Measure::Load { compacted: false }),
    ("load, warm, compacted", Measure::Load { compacted: true }),
    ("load, reopened", Measure::LoadReopened),
    ("known state", Measure::KnownState),
    ("scan of a session", Measure::Scan),
];

#[derive(Clone, Copy)]
enum Measure {
    Store { closing: bool },
    Load { compacted: bool },
    LoadReopened,
    KnownState,
    Scan,
    Mixed,
}

fn peers(criterion: &mut Criterion) {
    for workload in WORKLOADS {
        let trace = |level| workload.trace(workload.messages(false, level).div_ceil(PART), SEED);
        let (usual, power) = (trace(Level::Process), trace(Level::Power));
        if workload.name == "mixed" {
            group(criterion, "mixed", workload.name, &usual, Measure::Mixed, Level::Process);
            continue;
        }
        for &(title, measure) in STORING {
            group(criterion, title, workload.name, &usual, measure, Level::None);
            group(criterion, title, workload.name, &usual, measure, Level::Process);
            group(criterion, title, workload.name, &power, measure, Level::Power);
        }
        for &(title, measure) in READING {
            group(criterion, title, workload.name, &usual, measure, Level::Process);
        }
    }
}

/// Whether a store is read from at this level: at `process`, or at the weakest it has if it lacks that.
fn is_read_at(contestant: &Contestant, all: &[Contestant]) -> bool {
    let has_process = all.iter().any(|one| one.store() == contestant.store() && one.level == Level::Process);
    let weakest = all.iter().find(|one| one.store() == contestant.store());
    let level = if has_process { Some(Level::Process) } else { weakest.map(|one| one.level) };
    contestant.reads && level == Some(contestant.level)
}

fn group(
    criterion: &mut Criterion,
    title: &str,
    workload: &str,
    trace: &Trace,
    measure: Measure,
    level: Level,
) {
    let all = all();
    let stores = matches!(measure, Measure::Store { .. });
    let level_text = if stores { format!(", {}", level_name(level)) } else { String::new() };
    let mut group = criterion.benchmark_group(format!("{title}, {workload}{level_text}"));
    group.sample_size(10).warm_up_time(WARM_UP).measurement_time(MEASUREMENT);
    group.throughput(match measure {
        Measure::Store { .. } | Measure::Mixed => Throughput::Elements(elements(trace.messages.len())),
        Measure::LoadReopened => Throughput::Elements(elements(trace.ids.len())),
        Measure::Load { .. } | Measure::KnownState | Measure::Scan => Throughput::Elements(1),
    });
    for contestant in &all {
        if if stores { contestant.level == level } else { is_read_at(contestant, &all) } {
            must(contestant.with(Run { group: &mut group, trace, measure }));
        }
    }
    group.finish();
}

/// A measurement of one store.
struct Run<'a, 'b> {
    group: &'a mut Group<'b>,
    trace: &'a Trace,
    measure: Measure,
}

impl Visit for Run<'_, '_> {
    type Output = ();

    fn visit<S: Store>(self, contestant: &Contestant) -> Result<()> {
        let Self { group, trace, measure } = self;
        let level = contestant.level;
        if contestant.reads && contestant.keeps {
            verify::<S>(trace, tempdir()?.path(), level)?;
        }
        match measure {
            Measure::Store { closing } => store::<S>(group, trace, contestant, closing),
            Measure::Load { compacted } => {
                one_by_one::<S, _, _>(group, trace, contestant, compacted, &trace.ids, |store, id| {
                    store.load(id)
                })
            }
            Measure::KnownState => {
                one_by_one::<S, _, _>(group, trace, contestant, false, &trace.ids, |store, id| {
                    store.known_state(id)
                })
            }
            Measure::Scan => {
                let places = places(trace);
                one_by_one::<S, _, _>(
                    group,
                    trace,
                    contestant,
                    false,
                    &places,
                    |store, (id, session, after)| store.scan(id, session, *after),
                )
            }
            Measure::LoadReopened => load_reopened::<S>(group, trace, contestant),
            Measure::Mixed => mixed::<S>(group, trace, contestant),
        }
    }
}

fn prepared<S: Store>(trace: &Trace) -> Result<Vec<S::Prepared>> {
    trace.messages.iter().map(S::prepare).collect()
}

/// A closed store that holds the trace, compacted if it is wanted; none if it offers no compaction.
fn filled<S: Store>(trace: &Trace, level: Level, compacted: bool) -> Result<Option<TempDir>> {
    let directory = tempdir()?;
    let mut store = S::open(directory.path(), level)?;
    for message in &prepared::<S>(trace)? {
        store.store(message)?;
    }
    let has = !compacted || store.compact()?;
    store.close()?;
    Ok(has.then_some(directory))
}

/// All messages into a new store.
fn store<S: Store>(
    group: &mut Group<'_>,
    trace: &Trace,
    contestant: &Contestant,
    closing: bool,
) -> Result<()> {
    // What is not kept is not closed either: there is nothing to write.
    if closing && !contestant.keeps {
        return Ok(());
    }
    let messages = prepared::<S>(trace)?;
    group.bench_function(contestant.title, |bencher| {
        bencher.iter_custom(|rounds| {
            (0..rounds).map(|_| must(store_once::<S>(&messages, contestant.level, closing))).sum()
        });
    });
    Ok(())
}

fn store_once<S: Store>(messages: &[S::Prepared], level: Level, closing: bool) -> Result<Duration> {
    let directory = tempdir()?;
    let mut store = S::open(directory.path(), level)?;
    let start = Instant::now();
    for message in messages {
        store.store(message)?;
    }
    let stored = start.elapsed();
    store.close()?;
    Ok(if closing { start.elapsed() } else { stored })
}

/// One after the other, from a store that has read all of them before.
fn one_by_one<S: Store, A, T>(
    group: &mut Group<'_>,
    trace: &Trace,
    contestant: &Contestant,
    compacted: bool,
    of: &[A],
    read: impl Fn(&S, &A) -> Result<T>,
) -> Result<()> {
    let Some(directory) = filled::<S>(trace, contestant.level, compacted)? else { return Ok(()) };
    let store = S::open(directory.path(), contestant.level)?;
    for one in of {
        read(&store, one)?;
    }
    let mut next = of.iter().cycle();
    group.bench_function(contestant.title, |bencher| {
        bencher.iter(|| next.next().map(|one| black_box(must(read(&store, one)))));
    });
    store.close()
}

/// All CoValues, from a store that was opened for it.
fn load_reopened<S: Store>(group: &mut Group<'_>, trace: &Trace, contestant: &Contestant) -> Result<()> {
    let level = contestant.level;
    let Some(directory) = filled::<S>(trace, level, false)? else { return Ok(()) };
    group.bench_function(contestant.title, |bencher| {
        bencher.iter_custom(|rounds| {
            (0..rounds).map(|_| must(load_once::<S>(directory.path(), level, &trace.ids))).sum()
        });
    });
    Ok(())
}

fn load_once<S: Store>(directory: &Path, level: Level, ids: &[String]) -> Result<Duration> {
    let store = S::open(directory, level)?;
    let start = Instant::now();
    for id in ids {
        black_box(store.load(id)?);
    }
    let loaded = start.elapsed();
    store.close()?;
    Ok(loaded)
}

/// Transactions within sessions, in the middle of a message or at its beginning.
fn places(trace: &Trace) -> Vec<(&str, &str, u32)> {
    let mut random = Random(SEED);
    let mut place = |message: &jazz_storage_bench::trace::Message| {
        u32::try_from(random.below(message.transactions.len())).unwrap_or(0) + message.after
    };
    trace.messages.iter().map(|one| (one.id.as_str(), one.session.as_str(), place(one))).collect()
}

/// To seven messages stored there are two and a half loads and half a known state, of CoValues that are there by then.
fn mixed<S: Store>(group: &mut Group<'_>, trace: &Trace, contestant: &Contestant) -> Result<()> {
    let messages = prepared::<S>(trace)?;
    group.bench_function(contestant.title, |bencher| {
        bencher.iter_custom(|rounds| {
            (0..rounds).map(|_| must(mixed_once::<S>(&messages, trace, contestant.level))).sum()
        });
    });
    Ok(())
}

fn mixed_once<S: Store>(messages: &[S::Prepared], trace: &Trace, level: Level) -> Result<Duration> {
    let directory = tempdir()?;
    let mut store = S::open(directory.path(), level)?;
    let mut random = Random(SEED);
    let start = Instant::now();
    for (stored, message) in messages.iter().enumerate() {
        store.store(message)?;
        let Some(known) = trace.messages.get(random.below(stored + 1)) else { continue };
        match random.below(70) {
            0..25 => drop(black_box(store.load(&known.id)?)),
            25..30 => {
                black_box(store.known_state(&known.id)?);
            }
            _ => {}
        }
    }
    let done = start.elapsed();
    store.close()?;
    Ok(done)
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

criterion_group!(benches, peers);
criterion_main!(benches);
