//! What it costs that a finished store survives a power cut: the level `strict` against SQLite with synchronous FULL, one
//! store at a time and many at once, with syncs per message.
//!
//! All take the same messages. Many at once are threads that each store one message after the other. As a connection of
//! SQLite has one transaction at a time, there are two answers of SQLite to that: the threads take turns, as they have to
//! if each is to know that its message is safe; or one thread stores as many messages in one transaction, which is no
//! answer to anyone who waits for one of them, but the least that SQLite can do with.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Barrier, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::figures::{Figures, Unit, median};
use super::options::Options;
use super::phase::Phase;
use super::store::{Settings, check, open, store};
use super::{Run, Scenario};
use crate::data::{Edits, Shape, Values};
use crate::native::Native;
use crate::sqlite::{Sqlite, Synchronous};
use crate::{Result, Store};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "strict",
    about: "strict against SQLite FULL, alone and with many in flight, with syncs per message",
    run,
    phases: &[
        ("native-alone", |phase| native(phase, &alone(phase.options))),
        ("sqlite-alone", |phase| sqlite(phase, &alone(phase.options), Turns::Each)),
        ("native-many", |phase| native(phase, &many(phase.options))),
        ("sqlite-many", |phase| sqlite(phase, &many(phase.options), Turns::Each)),
        ("sqlite-together", |phase| sqlite(phase, &many(phase.options), Turns::Together)),
    ],
};

/// What is set against each other.
struct Contest {
    about: &'static str,
    /// The phase of each, the native storage first, and what it is called.
    between: &'static [(&'static str, &'static str)],
    /// The least and the most syncs per message that the native storage may need. With fewer than one, alone, it would not
    /// be durable; with one each, those in flight would not share them.
    syncs: (f64, f64),
}

const CONTESTS: &[Contest] = &[
    Contest {
        about: "alone",
        between: &[("native-alone", "native"), ("sqlite-alone", "SQLite")],
        syncs: (1.0, 1.1),
    },
    Contest {
        about: "many in flight",
        between: &[
            ("native-many", "native"),
            ("sqlite-many", "SQLite, taking turns"),
            ("sqlite-together", "SQLite, one transaction for all"),
        ],
        syncs: (0.0, 0.5),
    },
];

const RATE: &str = "messages per second";
const SYNCS: &str = "syncs per message, by the store's own count";

/// The messages of one thread.
struct Load {
    values: Values,
    seed: u64,
    messages: u64,
}

fn load(options: &Options, thread: u64, messages: u64) -> Load {
    let seed = options.seed() + (thread << 32);
    Load { values: Values::new(seed, Shape::Small), seed, messages }
}

fn alone(options: &Options) -> Vec<Load> {
    vec![load(options, 0, options.or(options.messages, 2_000, 100))]
}

fn many(options: &Options) -> Vec<Load> {
    let threads = options.or(options.in_flight, 64, 32);
    let messages = options.or(options.messages, 2_000, 100);
    // As many messages as alone for every eight threads, so that it takes a while.
    (0..threads).map(|thread| load(options, thread, messages.div_ceil(8))).collect()
}

impl Load {
    fn prepared<S: Store>(&self) -> Result<Vec<S::Prepared>> {
        Edits::new(self.seed, self.messages).map(|step| S::prepare(&self.values.message(step))).collect()
    }

    fn counters(&self) -> impl Iterator<Item = (u32, u32)> {
        (0..).zip(Edits::new(self.seed, self.messages).counters())
    }
}

fn run(run: &mut Run) -> Result<()> {
    let mut figures = Figures::default();
    figures.seconds("an append of 512 bytes and its sync, median", sync_time(&run.scratch)?);
    run.show("the device", &figures);
    CONTESTS.iter().try_for_each(|contest| contest.hold(run))
}

impl Contest {
    fn hold(&self, run: &mut Run) -> Result<()> {
        let rounds = run.options.or(run.options.rounds, 5, 2);
        let mut rates = vec![Vec::new(); self.between.len()];
        let mut last = vec![Figures::default(); self.between.len()];
        for round in 0..rounds as usize {
            for place in 0..self.between.len() {
                // They change places, as what one leaves behind may burden the next.
                let which = (place + round) % self.between.len();
                let (phase, _) = self.between[which];
                let measured = on_new_store(run, |run, store| run.phase(phase, store))?;
                run.keep(&format!("{phase}, round {round}"), &measured);
                rates[which].push(measured.get(RATE)?);
                last[which] = measured;
            }
        }
        let mut figures = Figures::default();
        figures.count("messages", last[0].get("messages")?);
        for (&(phase, name), rates) in self.between.iter().zip(&rates) {
            figures.spread(&format!("{name}: {RATE}"), rates, Unit::PerSecond);
            let counted = on_new_store(run, |run, store| run.syncs_by_strace(phase, store))?;
            let per_message =
                counted.zip(last[0].find("messages")?).map(|(syncs, messages)| syncs / messages);
            figures.ratio(&format!("{name}: syncs per message, by strace"), per_message);
        }
        figures.ratio(SYNCS, last[0].get(SYNCS)?);
        for (&(_, name), others) in self.between.iter().zip(&rates).skip(1) {
            let medians = median(&rates[0]).zip(median(others)).map(|(native, other)| native / other);
            figures.ratio(&format!("native over {name}: medians"), medians);
            let each: Vec<f64> = rates[0].iter().zip(others).map(|(native, other)| native / other).collect();
            figures.spread(&format!("native over {name}: rounds"), &each, Unit::Ratio);
        }
        run.show(&format!("{}, {rounds} rounds", self.about), &figures);
        let (least, most) = self.syncs;
        run.at_least(&figures, SYNCS, least, Unit::Ratio)?;
        run.at_most(&figures, SYNCS, most, Unit::Ratio)
    }
}

/// Does something with a new store, which is removed afterwards.
fn on_new_store<T>(run: &Run, with: impl FnOnce(&Run, &Path) -> Result<T>) -> Result<T> {
    let store = run.store("store")?;
    let done = with(run, &store)?;
    std::fs::remove_dir_all(store)?;
    Ok(done)
}

/// How long the device takes, in seconds: the median of many.
fn sync_time(directory: &Path) -> Result<f64> {
    let mut file = File::create(directory.join("sync"))?;
    let mut times = Vec::new();
    for _ in 0..200 {
        file.write_all(&[7; 512])?;
        let begun = Instant::now();
        file.sync_data()?;
        times.push(begun.elapsed().as_secs_f64());
    }
    Ok(median(&times).ok_or("nothing was measured")?)
}

/// Has each of the lists stored by a thread of its own; how long all of them take.
fn in_threads<P: Sync>(lists: &[Vec<P>], store: impl Fn(&P) -> Result<()> + Sync) -> Result<Duration> {
    let start = Barrier::new(lists.len() + 1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = lists
            .iter()
            .map(|list| {
                scope.spawn(|| {
                    start.wait();
                    list.iter().try_for_each(&store).map_err(|error| error.to_string())
                })
            })
            .collect();
        start.wait();
        let begun = Instant::now();
        for thread in threads {
            thread.join().map_err(|_| "a thread that stores panicked")??;
        }
        Ok(begun.elapsed())
    })
}

fn figures(messages: usize, time: Duration) -> Figures {
    let mut figures = Figures::default();
    figures.count("messages", messages as f64);
    figures.seconds("time", time.as_secs_f64());
    figures.per_second(RATE, messages as f64 / time.as_secs_f64());
    figures
}

fn native(phase: &Phase, loads: &[Load]) -> Result<Figures> {
    let settings = Settings { strict: true, ..Settings::of(phase.options) };
    let lists = loads.iter().map(Load::prepared::<Native>).collect::<Result<Vec<_>>>()?;
    let messages = lists.iter().map(Vec::len).sum();
    let storage = open(phase.store, settings)?;
    let before = storage.stats()?.syncs;
    let time = in_threads(&lists, |message| store(&storage, message))?;
    let syncs = storage.stats()?.syncs - before;
    storage.close()?;
    for load in loads {
        for (value, counter) in load.counters() {
            check(&storage, &load.values, value, counter)?;
        }
    }
    storage.close()?;
    let mut figures = figures(messages, time);
    figures.ratio(SYNCS, syncs / messages as f64);
    Ok(figures)
}

/// How SQLite deals with many.
#[derive(Clone, Copy)]
enum Turns {
    /// One message after the other, each as cojson stores it.
    Each,
    /// One message of every thread in one transaction.
    Together,
}

fn sqlite(phase: &Phase, loads: &[Load], turns: Turns) -> Result<Figures> {
    let mut lists = loads.iter().map(Load::prepared::<Sqlite>).collect::<Result<Vec<_>>>()?;
    let messages = lists.iter().map(Vec::len).sum();
    let mut database = Sqlite::open_with(phase.store, Synchronous::Full)?;
    let time = match turns {
        Turns::Each => {
            let shared = Mutex::new(&mut database);
            in_threads(&lists, |message| {
                shared.lock().unwrap_or_else(PoisonError::into_inner).store(message)
            })?
        }
        Turns::Together => {
            let mut lists: Vec<_> = lists.iter_mut().map(|list| list.drain(..)).collect();
            let batches = std::iter::from_fn(|| {
                let batch: Vec<_> = lists.iter_mut().filter_map(Iterator::next).collect();
                (!batch.is_empty()).then_some(batch)
            });
            let batches: Vec<_> = batches.collect();
            let begun = Instant::now();
            for batch in &batches {
                database.store_together(batch)?;
            }
            begun.elapsed()
        }
    };
    database.close()?;
    let database = Sqlite::open_with(phase.store, Synchronous::Full)?;
    for load in loads {
        for (value, counter) in load.counters() {
            compare(&database, &load.values, value, counter)?;
        }
    }
    database.close()?;
    Ok(figures(messages, time))
}

/// As [`check`], for SQLite.
fn compare(database: &Sqlite, values: &Values, value: u32, count: u32) -> Result<()> {
    let loaded = Sqlite::decode(&database.load(&values.id(value))?)?;
    let transactions = (0..count)
        .map(|index| Sqlite::form(&values.transaction(value, index)))
        .collect::<Result<Vec<_>>>()?;
    let session = loaded.sessions.first().ok_or("a CoValue has no session")?;
    let signature = session.signatures.last().ok_or("a session has no signature")?;
    let same = loaded.header == values.header(value)
        && session.id == values.session(value)
        && session.transactions == transactions
        && *signature == (count, values.signature(value, count));
    if same { Ok(()) } else { Err(format!("SQLite: CoValue {value} is not what was stored").into()) }
}
