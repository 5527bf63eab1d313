//! What runs in a process of its own: one thing done with one store.
//!
//! Invariant: whatever is loaded was compared with what was stored, after the time was taken.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use jazz_storage_bench::trace::{Random, Trace};
use jazz_storage_bench::verify::compare;
use jazz_storage_bench::{Result, Store};
use serde::{Deserialize, Serialize};

use super::measure::{Answer, Clock, Laps, MemoryBefore, device_reads, drop_from_cache, read_through};
use super::scale::{self, Decade};
use crate::contestants::{Contestant, Visit, chosen};
use crate::workloads::Workload;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Act {
    /// Stores everything in a new store, and closes it. One that keeps nothing is read from before it is closed.
    Store,
    /// Opens it and loads everything, once and again.
    Load,
    /// Asks for every known state, once and again.
    Known,
    /// Scans sessions from places within.
    Scan,
    /// As `Load`, with the files dropped from the page cache.
    LoadCold,
    /// Has it put its files in order.
    Compact,
    /// As `Load`, after `Compact`.
    LoadClustered,
    /// As `LoadCold`, after `Compact`.
    LoadClusteredCold,
    /// Stores, loads and asks for known states in turn, in a new store.
    Mixed,
    /// See [`scale`].
    ScaleFill,
    /// See [`scale`].
    ScaleRead,
    /// See [`scale`].
    ScaleStore,
}

/// A thing to do, as it is handed to the process that does it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) act: Act,
    pub(super) peer: String,
    pub(super) workload: String,
    /// How many messages the workload has.
    pub(super) messages: usize,
    pub(super) seed: u64,
    /// The directory of the store.
    pub(super) store: PathBuf,
    /// Of `scale`: its sizes up to the one that is measured.
    pub(super) decades: Vec<Decade>,
    /// Of `scale`: stores and loads that are measured.
    pub(super) samples: u32,
}

/// Does it in this process.
pub(super) fn answer(call: &Call) -> Result<Answer> {
    let contestants = chosen(std::slice::from_ref(&call.peer))?;
    contestants.first().ok_or("no peer is named")?.with(Doing(call))
}

struct Doing<'a>(&'a Call);

impl Visit for Doing<'_> {
    type Output = Answer;

    fn visit<S: Store>(self, contestant: &Contestant) -> Result<Answer> {
        let call = self.0;
        match call.act {
            Act::ScaleFill => return scale::fill::<S>(call, contestant),
            Act::ScaleRead => return scale::read::<S>(call, contestant),
            Act::ScaleStore => return scale::store::<S>(call, contestant),
            _ => {}
        }
        let trace = Workload::find(&call.workload)?.trace(call.messages, call.seed);
        let doing = Doings {
            contestant,
            trace: &trace,
            store: &call.store,
            seed: call.seed,
            answer: Answer::default(),
        };
        match call.act {
            Act::Store => doing.store::<S>(),
            Act::Load => doing.load::<S>("load", "load-warm"),
            Act::Known => doing.known::<S>(),
            Act::Scan => doing.scan::<S>(),
            Act::LoadCold => doing.load_cold::<S>("load-cold"),
            Act::Compact => doing.compact::<S>(),
            Act::LoadClustered => doing.load::<S>("load-clustered", "load-clustered-warm"),
            Act::LoadClusteredCold => doing.load_cold::<S>("load-clustered-cold"),
            _ => doing.mixed::<S>(),
        }
    }
}

struct Doings<'a> {
    contestant: &'a Contestant,
    trace: &'a Trace,
    store: &'a Path,
    seed: u64,
    answer: Answer,
}

/// At least so many calls when what was read before is read again.
const WARM_CALLS: usize = 400;
/// Scans, once and again.
const SCANS: usize = 400;

impl Doings<'_> {
    fn open<S: Store>(&self) -> Result<S> {
        S::open(self.store, self.contestant.level)
    }

    fn store<S: Store>(mut self) -> Result<Answer> {
        let messages = self.trace.messages.iter().map(S::prepare).collect::<Result<Vec<_>>>()?;
        let memory = MemoryBefore::note();
        let all = Clock::start();
        let mut store: S = self.open()?;
        let storing = Clock::start();
        let mut laps = Laps::start();
        for message in &messages {
            store.store(message)?;
            laps.lap();
        }
        self.answer.time("store", messages.len(), storing.read());
        self.answer.latencies("store", laps);
        if !self.contestant.keeps {
            self.again(&store, "load-warm", &self.trace.ids, |store, id| store.load(id))?;
            self.again(&store, "known-warm", &self.trace.ids, |store, id| store.known_state(id))?;
            self.again(&store, "scan-warm", &self.places(), |store, (id, session, after)| {
                store.scan(id, session, *after)
            })?;
            self.answer.peak_memory("store", messages.len(), &memory);
            self.answer.verified = compare(&store, self.trace)?;
            store.close()?;
            return Ok(self.answer);
        }
        let closing = Clock::start();
        store.close()?;
        self.answer.time("close", 1, closing.read());
        self.answer.time("store-close", messages.len(), all.read());
        self.answer.peak_memory("store-close", messages.len(), &memory);
        self.answer.disk("store-close", messages.len(), self.store)?;
        Ok(self.answer)
    }

    /// Reads each of these once.
    fn once<S, T, R>(
        &mut self,
        store: &S,
        phase: &str,
        of: &[T],
        read: impl Fn(&S, &T) -> Result<R>,
    ) -> Result<()> {
        let clock = Clock::start();
        let mut laps = Laps::start();
        for one in of {
            std::hint::black_box(read(store, one)?);
            laps.lap();
        }
        self.answer.time(phase, of.len(), clock.read());
        self.answer.latencies(phase, laps);
        Ok(())
    }

    /// Reads each of these as often as makes enough calls.
    fn again<S, T: Clone, R>(
        &mut self,
        store: &S,
        phase: &str,
        of: &[T],
        read: impl Fn(&S, &T) -> Result<R>,
    ) -> Result<()> {
        for one in of {
            std::hint::black_box(read(store, one)?);
        }
        let times = WARM_CALLS.div_ceil(of.len().max(1));
        let many: Vec<T> = of.iter().cycle().take(of.len() * times).cloned().collect();
        self.once(store, phase, &many, read)
    }

    fn load<S: Store>(mut self, phase: &str, warm: &str) -> Result<Answer> {
        let memory = MemoryBefore::note();
        let opening = Clock::start();
        let store: S = self.open()?;
        let opened = opening.read();
        self.once(&store, phase, &self.trace.ids, |store, id| store.load(id))?;
        self.answer.peak_memory(phase, self.trace.ids.len(), &memory);
        if phase == "load" {
            self.answer.time("open", 1, opened);
        }
        self.again(&store, warm, &self.trace.ids, |store, id| store.load(id))?;
        self.answer.verified = compare(&store, self.trace)?;
        store.close()?;
        Ok(self.answer)
    }

    fn load_cold<S: Store>(mut self, phase: &str) -> Result<Answer> {
        let absent =
            |reason: String| Answer { absent: vec![(phase.to_owned(), reason)], ..Answer::default() };
        if let Err(error) = drop_from_cache(self.store) {
            return Ok(absent(error.to_string()));
        }
        let read_before = device_reads();
        let opening = Clock::start();
        let store: S = self.open()?;
        let opened = opening.read();
        self.once(&store, phase, &self.trace.ids, |store, id| store.load(id))?;
        let was_read = device_reads().zip(read_before).is_some_and(|(now, before)| now > before);
        if phase == "load-cold" {
            self.answer.time("open-cold", 1, opened);
        }
        store.close()?;
        if !was_read {
            return Ok(absent("nothing was read from the device: the files were not dropped".to_owned()));
        }
        Ok(self.answer)
    }

    fn known<S: Store>(mut self) -> Result<Answer> {
        let store: S = self.open()?;
        self.once(&store, "known", &self.trace.ids, |store, id| store.known_state(id))?;
        self.again(&store, "known-warm", &self.trace.ids, |store, id| store.known_state(id))?;
        store.close()?;
        Ok(self.answer)
    }

    /// Places in sessions, chosen by the seed: a CoValue, a session and the index of a transaction.
    fn places(&self) -> Vec<(String, String, u32)> {
        let mut random = Random(self.seed ^ 0x5ca7);
        let place = |_| {
            let message = self.trace.messages.get(random.below(self.trace.messages.len()))?;
            let within = u32::try_from(random.below(message.transactions.len())).ok()?;
            Some((message.id.clone(), message.session.clone(), message.after + within))
        };
        (0..SCANS).filter_map(place).collect()
    }

    fn scan<S: Store>(mut self) -> Result<Answer> {
        let places = self.places();
        let store: S = self.open()?;
        let scan = |store: &S, (id, session, after): &(String, String, u32)| store.scan(id, session, *after);
        self.once(&store, "scan", &places, scan)?;
        self.again(&store, "scan-warm", &places, scan)?;
        store.close()?;
        Ok(self.answer)
    }

    fn compact<S: Store>(mut self) -> Result<Answer> {
        // What cold loads read here and there came into the page cache page by page, and copying it from there takes twice as
        // long. What is not written anew is to lie there as if it had been read or written through.
        if drop_from_cache(self.store).is_ok() {
            read_through(self.store)?;
        }
        let memory = MemoryBefore::note();
        let mut store: S = self.open()?;
        let clock = Clock::start();
        let has = store.compact()?;
        let time = clock.read();
        store.close()?;
        if has {
            self.answer.time("compact", 1, time);
            self.answer.peak_memory("compact", 1, &memory);
            self.answer.disk("compact", 1, self.store)?;
        } else {
            self.answer.absent.push(("compact".to_owned(), "it offers no compaction".to_owned()));
        }
        Ok(self.answer)
    }

    fn mixed<S: Store>(mut self) -> Result<Answer> {
        let messages = self.trace.messages.iter().map(S::prepare).collect::<Result<Vec<_>>>()?;
        // The CoValues there are after each message.
        let (mut seen, mut ids) = (HashSet::new(), Vec::new());
        let mut known_after = Vec::with_capacity(messages.len());
        for message in &self.trace.messages {
            if seen.insert(&message.id) {
                ids.push(message.id.as_str());
            }
            known_after.push(ids.len());
        }
        let mut random = Random(self.seed ^ 0x313ed);
        let memory = MemoryBefore::note();
        let mut store: S = self.open()?;
        let (mut stored, mut operations) = (0, 0);
        let clock = Clock::start();
        let mut laps = Laps::start();
        while let Some(message) = messages.get(stored) {
            let known = stored.checked_sub(1).and_then(|last| known_after.get(last)).copied().unwrap_or(0);
            let chosen = ids.get(random.below(known)).copied().unwrap_or_default();
            match random.below(100) {
                70..95 if known > 0 && self.contestant.reads => {
                    std::hint::black_box(store.load(chosen)?);
                }
                95.. if known > 0 && self.contestant.reads => {
                    std::hint::black_box(store.known_state(chosen)?);
                }
                _ => {
                    store.store(message)?;
                    stored += 1;
                }
            }
            operations += 1;
            laps.lap();
        }
        self.answer.time("mixed", operations, clock.read());
        self.answer.latencies("mixed", laps);
        self.answer.peak_memory("mixed", operations, &memory);
        if self.contestant.keeps {
            store.close()?;
            store = self.open()?;
        }
        self.answer.verified = compare(&store, self.trace)?;
        store.close()?;
        Ok(self.answer)
    }
}
