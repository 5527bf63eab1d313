//! Damage at rest: bytes flipped, zeroed, exchanged, repeated, cut off or added, and files removed, in every kind of file
//! of a store.
//!
//! What comes of it must be one of: an error with code `CORRUPT` that names a file of the store, at opening or at reading
//! what was damaged, everything else staying right; or nothing, all content being there; or, in the last records of the
//! log, of which nothing says that they were durable, the state before them. Never wrong content, another error or a
//! panic; and none of it changes when the store goes on.
//!
//! `JAZZ_DAMAGE_ROUNDS` and `JAZZ_DAMAGE_SEED` make more and other rounds, `JAZZ_DAMAGE_ONLY` repeats one that failed.
//! `cargo xtask crash --damage N` is the long form.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod workload;

use jazz_storage_core::engine::Durability;
use jazz_storage_core::file::{FaultFileIO, FileHandle, FileIO, Loss, OpenMode};
use jazz_storage_core::format::SegmentId;
use jazz_storage_core::format::record::{self, RecordHeader, SEGMENT_HEADER};
use jazz_storage_core::format::wire::decode_message;
use jazz_storage_core::store::content::{LoadedCoValue, LoadedSession};
use jazz_storage_core::store::rows::CoValueId;
use jazz_storage_core::store::{ContentStore, StorageBackend, StoreOptions};
use jazz_storage_core::{Error, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;
use workload::random::{Random, setting};
use workload::script::{CHECKPOINT, Step, Store, open, options};
use workload::{covalue, lock_row, message, small_state};

/// Everything that a store says, and each CoValue as it is loaded.
#[derive(Debug, Clone, PartialEq)]
struct State {
    small: String,
    lock: String,
    ids: Vec<CoValueId>,
    covalues: BTreeMap<Vec<u8>, (Vec<String>, Option<LoadedCoValue>)>,
}

impl State {
    fn of(storage: &Store) -> Result<Self> {
        let ids = storage.covalue_ids(u32::MAX, 0)?;
        let read = |id: &CoValueId| Ok((id.as_bytes().to_vec(), read(storage, id)?));
        Ok(Self {
            small: small_state(storage)?,
            lock: lock_row(storage)?,
            covalues: ids.iter().map(read).collect::<Result<_>>()?,
            ids,
        })
    }
}

/// A CoValue in both ways in which it can be read.
fn read(storage: &Store, id: &CoValueId) -> Result<(Vec<String>, Option<LoadedCoValue>)> {
    Ok((covalue(storage, id)?, storage.load(id.as_bytes(), u64::MAX)?))
}

/// An undamaged store.
#[derive(Clone)]
struct Base {
    name: &'static str,
    io: FaultFileIO,
    state: State,
    active: String,
    /// The state after each number of records in the active segment, of which no manifest says that they are durable.
    earlier: Vec<(usize, State)>,
    /// How many of its records a manifest says are durable.
    vouched: usize,
    options: StoreOptions,
}

/// The files are to be those of the script: no segment of the log is kept.
fn store_options() -> StoreOptions {
    keeping(u32::MAX)
}

/// With records of so many bytes staying in the log.
fn keeping(large_bytes: u32) -> StoreOptions {
    let mut options = options(Durability::Relaxed, 1_000_000, 8);
    options.engine.large_bytes = large_bytes;
    options
}

fn bytes_of(io: &FaultFileIO, name: &str) -> Vec<u8> {
    let file = io.open(name, OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
    bytes
}

fn segments(io: &FaultFileIO) -> Vec<String> {
    let mut names: Vec<_> = io.list().unwrap().into_iter().filter(|n| n.starts_with("segment-")).collect();
    names.sort();
    names
}

/// The places of the records with which a segment begins, and their headers.
fn records(bytes: &[u8], segment: SegmentId) -> Vec<(usize, usize, RecordHeader)> {
    let (mut out, mut at) = (Vec::new(), SEGMENT_HEADER as usize);
    while let Some((header, _)) = bytes.get(at..).and_then(|bytes| {
        let len = RecordHeader::decode(bytes).ok()?.record_len() as usize;
        record::verify(bytes.get(..len)?, segment).ok()
    }) {
        let end = at + header.record_len() as usize;
        out.push((at, end, header));
        at = record::align(end as u64) as usize;
    }
    out
}

/// A store with several runs and packs, small state, and records in the active segment of which only the last is not
/// known to be durable.
fn script() -> Vec<Step> {
    let checkpoint = Step::Upkeep(CHECKPOINT);
    let mut steps = Vec::new();
    for n in 0..60 {
        steps.push(match n % 10 {
            3 => Step::Track { id: n % 7, peer: n % 2, synced: false },
            5 => Step::Lock { session: n % 3, now: n as u32, release: false },
            7 if n % 20 == 7 => Step::Delete { id: n % 6 },
            9 if n % 20 == 9 => Step::Erase { id: (n + 4) % 6 },
            _ => {
                let sessions: &[usize] = if n % 3 == 0 { &[0, 1] } else { &[2] };
                Step::Store { id: n % 6 + n / 20, sessions, count: 1 + n as u32 % 3, size: n % 4 * 400 }
            }
        });
        if n % 15 == 14 {
            steps.push(checkpoint.clone());
        }
    }
    steps
}

/// Makes steps, keeping the state after each number of records in the active segment.
fn go_on(storage: &Store, io: &FaultFileIO, steps: &[Step], earlier: &mut Vec<(usize, State)>) {
    for step in steps {
        step.apply(storage).unwrap();
        // So that each record says that all before it are durable.
        storage.flush().unwrap();
        let active = segments(io).pop().unwrap();
        let segment = SegmentId::from_file_name(&active).unwrap();
        earlier.push((records(&bytes_of(io, &active), segment).len(), State::of(storage).unwrap()));
    }
}

fn further_steps() -> Vec<Step> {
    let store = |n: usize| Step::Store { id: n, sessions: &[0, 3], count: 2, size: 100 * n };
    vec![store(1), Step::Track { id: 3, peer: 5, synced: false }, store(2), store(11), store(4), store(12)]
}

impl Base {
    fn new(name: &'static str, io: FaultFileIO, earlier: Vec<(usize, State)>, vouched: usize) -> Self {
        let state = State::of(&open(io.restarted(Loss::Nothing), &store_options()).unwrap()).unwrap();
        let options = store_options();
        Self { name, active: segments(&io).pop().unwrap(), io, state, earlier, vouched, options }
    }

    /// All of them: closed; left open, with records after the last checkpoint; and with a segment that was sealed by a
    /// checkpoint which did not complete, and records after that; with one manifest only; and with segments of the log that
    /// were kept for what is in them.
    fn all() -> Vec<Self> {
        let io = FaultFileIO::new();
        let mut storage = Some(open(io.clone(), &store_options()).unwrap());
        for step in script() {
            workload::crashes::make(&step, &mut storage, &io, &store_options()).unwrap();
        }
        let (mut storage, mut earlier) = (storage.unwrap(), Vec::new());
        earlier.push((1, State::of(&storage).unwrap()));
        go_on(&storage, &io, &further_steps(), &mut earlier);
        let open_one = Self::new("open", io.restarted(Loss::Nothing), earlier, 1);

        io.keep_history();
        let before = io.operations();
        storage.checkpoint().unwrap();
        let sealed = (before..io.operations()).filter_map(|at| io.after(at));
        let sealed = sealed.map(|io| io.restarted(Loss::Nothing)).find(|io| {
            let names = segments(io);
            let last = |name: &String| records(&bytes_of(io, name), SegmentId::from_file_name(name).unwrap());
            names.len() == 2 && names.last().is_some_and(|name| last(name).len() == 1)
        });
        storage.close().unwrap();
        let closed = Self::new("closed", io.restarted(Loss::Nothing), Vec::new(), 1);

        let io = sealed.expect("a checkpoint seals a segment before the manifest says so");
        storage = open(io.clone(), &store_options()).unwrap();
        let mut earlier = vec![(0, State::of(&storage).unwrap()), (1, State::of(&storage).unwrap())];
        go_on(&storage, &io, &further_steps(), &mut earlier);
        let sealed = Self::new("sealed", io.restarted(Loss::Nothing), earlier, 0);
        assert_eq!(segments(&sealed.io).len(), 2);
        io.crash_after(0);

        let io = open_one.io.restarted(Loss::Nothing);
        io.remove("MANIFEST-0").unwrap();
        let one_slot = Self { name: "one-slot", io, ..open_one.clone() };
        vec![open_one, closed, sealed, one_slot, Self::with_kept_segments()]
    }

    fn with_kept_segments() -> Self {
        let (io, options) = (FaultFileIO::new(), keeping(1));
        let mut storage = Some(open(io.clone(), &options).unwrap());
        for step in script() {
            workload::crashes::make(&step, &mut storage, &io, &options).unwrap();
        }
        storage.unwrap().close().unwrap();
        let kept = Self { options, ..Self::new("kept", io.restarted(Loss::Nothing), Vec::new(), 1) };
        assert!(segments(&kept.io).len() > 3, "{:?}", segments(&kept.io));
        kept
    }

    fn kind(&self, file: &str) -> &'static str {
        match file {
            file if file == self.active => "active segment",
            file if file.starts_with("segment-") && self.name == "kept" => "kept segment",
            file if file.starts_with("segment-") => "sealed segment",
            file if file.starts_with("pack-") => "pack",
            file if file.starts_with("run-") => "run",
            file if file.starts_with("MANIFEST") => "manifest",
            _ => "other",
        }
    }

    /// The states that may be found: the whole one, and if what was damaged is the end of the log the one before it.
    fn allowed(&self, file: &str, damaged: Option<&[u8]>) -> Vec<&State> {
        let mut allowed = vec![&self.state];
        let whole = bytes_of(&self.io, file);
        if file != self.active {
            return allowed;
        }
        // A file that nothing names yet is not missed.
        let damaged = damaged.unwrap_or_default();
        let segment = SegmentId::from_file_name(file).unwrap();
        let records = |bytes: &[u8]| records(bytes, segment);
        let intact = records(damaged).iter().zip(records(&whole)).filter(|(a, b)| **a == *b).count();
        let end = records(&whole).get(intact).map_or(whole.len(), |record| record.0);
        // Any later record says what was durable before it.
        let claims = (end..damaged.len()).step_by(8).any(|at| {
            let header = damaged.get(at..).and_then(|bytes| {
                let len = RecordHeader::decode(bytes).ok()?.record_len() as usize;
                record::verify(bytes.get(..len)?, segment).ok()
            });
            header.is_some_and(|(header, _)| header.synced as usize > end)
        });
        if intact >= self.vouched && !claims {
            let earlier = self.earlier.iter().rfind(|(count, _)| *count <= intact);
            allowed.extend(earlier.map(|(_, state)| state));
        }
        allowed
    }
}

/// What is done to a file. Ranges are given by start and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Flip(usize, u8),
    Truncate(usize),
    Zero(usize, usize),
    /// Exchanges two ranges of this length.
    Swap(usize, usize, usize),
    /// Puts a copy of a range behind it.
    Repeat(usize, usize),
    /// Puts a copy of a range over what is at another place.
    Copy(usize, usize, usize),
    /// Adds bytes at the end.
    Append(usize),
    Delete,
}

impl Damage {
    fn random(len: usize, random: &mut Random) -> Self {
        // The ends of a file matter most.
        let place = |random: &mut Random| match random.place(4) {
            0 => random.place(len.min(160)),
            1 => len.saturating_sub(1 + random.place(len.min(160))),
            _ => random.place(len),
        };
        let range = |at: usize, random: &mut Random| {
            let longest = if random.place(2) == 0 { 64 } else { 6_000 };
            1 + random.place((len.saturating_sub(at)).min(longest))
        };
        let at = place(random);
        let other = place(random);
        let size = range(at.max(other), random);
        match random.place(16) {
            0..5 => Self::Flip(at, 1 << random.place(8)),
            5..8 => Self::Truncate(at),
            8 | 9 => Self::Zero(at, range(at, random)),
            10 | 11 => Self::Swap(at.min(other), at.max(other), size.min(at.abs_diff(other))),
            12 => Self::Repeat(at, range(at, random)),
            13 => Self::Copy(at, other, size),
            14 => Self::Append(1 + random.place(5_000)),
            _ => Self::Delete,
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Flip(..) => "flip",
            Self::Truncate(..) => "truncate",
            Self::Zero(..) => "zero",
            Self::Swap(..) => "swap",
            Self::Repeat(..) => "repeat",
            Self::Copy(..) => "copy",
            Self::Append(..) => "append",
            Self::Delete => "delete",
        }
    }

    /// The damaged file; nothing if it is gone.
    fn apply(self, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
        match self {
            Self::Flip(at, bit) => bytes[at] ^= bit,
            Self::Truncate(len) => bytes.truncate(len),
            Self::Zero(at, len) => bytes[at..at + len].fill(0),
            Self::Swap(a, b, len) => (0..len).for_each(|n| bytes.swap(a + n, b + n)),
            Self::Repeat(at, len) => {
                let copy = bytes[at..at + len].to_vec();
                bytes.splice(at + len..at + len, copy);
            }
            Self::Copy(from, to, len) => bytes.copy_within(from..from + len, to),
            Self::Append(len) => {
                let mut random = Random(len as u64);
                bytes.extend((0..len).map(|_| random.next() as u8));
            }
            Self::Delete => return None,
        }
        Some(bytes)
    }

    /// Reads what is printed of it.
    fn parse(text: &str) -> Option<Self> {
        let (kind, numbers) = text.split_once('(').unwrap_or((text, ""));
        let numbers: Vec<usize> =
            numbers.trim_end_matches(')').split(", ").filter_map(|number| number.parse().ok()).collect();
        Some(match (kind, numbers.as_slice()) {
            ("Flip", [at, bit]) => Self::Flip(*at, u8::try_from(*bit).ok()?),
            ("Truncate", [len]) => Self::Truncate(*len),
            ("Zero", [at, len]) => Self::Zero(*at, *len),
            ("Swap", [a, b, len]) => Self::Swap(*a, *b, *len),
            ("Repeat", [at, len]) => Self::Repeat(*at, *len),
            ("Copy", [from, to, len]) => Self::Copy(*from, *to, *len),
            ("Append", [len]) => Self::Append(*len),
            ("Delete", []) => Self::Delete,
            _ => return None,
        })
    }
}

/// What came of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// The store does not open and says why.
    AtOpening,
    /// It opens, and so many CoValues cannot be read and say why, or lists.
    AtReading(usize),
    /// All content is there.
    Harmless,
    /// The end of the log, not known to have been durable, is gone.
    Earlier,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtOpening => "at opening",
            Self::AtReading(_) => "at reading",
            Self::Harmless => "harmless",
            Self::Earlier => "earlier state",
        })
    }
}

/// Whether an error says that a file of the store is damaged.
fn check_error(base: &Base, error: &Error, when: &str) -> Result<(), String> {
    match error {
        Error::Latched { cause } => check_error(base, cause, when),
        Error::Corrupt { path, .. } => {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let known = base.io.exists(&name).is_ok_and(|exists| exists) || name.starts_with("MANIFEST-");
            if known { Ok(()) } else { Err(format!("{when}: names {name:?}, which the store does not have")) }
        }
        other => Err(format!("{when}: {:?}: {other}", other.code())),
    }
}

/// Reads a store, of which some is perhaps damaged, and compares what can be read with one of these states.
fn compare(base: &Base, storage: &Store, allowed: &[&State], when: &str) -> Result<Outcome, String> {
    let (mut damaged, mut unreadable) = (false, 0);
    let mut wrong: Vec<Option<String>> = vec![None; allowed.len()];
    let mut note = |what: &str, same: &dyn Fn(&State) -> bool| {
        for (wrong, state) in wrong.iter_mut().zip(allowed) {
            if !same(state) {
                wrong.get_or_insert_with(|| what.to_owned());
            }
        }
    };
    let mut or_damaged = |error: Error| {
        damaged = true;
        check_error(base, &error, when)
    };
    match small_state(storage) {
        Ok(small) => note("the small state", &|state| state.small == small),
        Err(e) => or_damaged(e)?,
    }
    match lock_row(storage) {
        Ok(lock) => note("the lock", &|state| state.lock == lock),
        Err(e) => or_damaged(e)?,
    }
    match storage.covalue_ids(u32::MAX, 0) {
        // What was stored after the damage comes last.
        Ok(ids) => {
            note("the list of ids", &|state| ids.starts_with(&state.ids) && ids.len() <= state.ids.len() + 1)
        }
        Err(e) => or_damaged(e)?,
    }
    for id in &base.state.ids {
        match read(storage, id) {
            Ok((rows, loaded)) => {
                note(&format!("{id:?}"), &|state| match state.covalues.get(id.as_bytes()) {
                    Some(expected) => expected.0 == rows && same_load(expected.1.as_ref(), loaded.as_ref()),
                    None => loaded.is_none() && rows.iter().all(|line| line.ends_with("missing")),
                })
            }
            Err(e) => {
                unreadable += 1;
                or_damaged(e)?;
            }
        }
    }
    match wrong.iter().position(Option::is_none) {
        None => Err(format!("{when}: wrong are {wrong:?}")),
        Some(_) if damaged => Ok(Outcome::AtReading(unreadable)),
        Some(0) => Ok(Outcome::Harmless),
        Some(_) => Ok(Outcome::Earlier),
    }
}

/// Whether two loads give the same. Their transactions may be cut into other pieces once the store is packed.
fn same_load(a: Option<&LoadedCoValue>, b: Option<&LoadedCoValue>) -> bool {
    let whole = |session: &LoadedSession| {
        let pieces: Vec<_> =
            session.pieces.iter().map(|piece| piece.content.clone().expect("all of it")).collect();
        let last = pieces.last().map(|(signature, _)| signature.clone());
        let txs: Vec<u8> = pieces.into_iter().flat_map(|(_, txs)| txs).collect();
        (session.session.clone(), session.counter, last, txs)
    };
    let all = |loaded: &LoadedCoValue| -> Vec<_> { loaded.sessions.iter().map(whole).collect() };
    match (a, b) {
        (Some(a), Some(b)) => a == b || a.header == b.header && all(a) == all(b),
        (None, None) => true,
        _ => false,
    }
}

/// Damages a file, opens the store, compares it, goes on, and compares it again.
fn round(base: &Base, file: &str, damage: Damage) -> Result<Outcome, String> {
    let damaged = damage.apply(bytes_of(&base.io, file));
    let io = base.io.restarted(Loss::Nothing);
    io.remove(file).unwrap();
    if let Some(bytes) = &damaged {
        io.open(file, OpenMode::CreateNew).unwrap().write_at(bytes, 0).unwrap();
    }
    let allowed = base.allowed(file, damaged.as_deref());
    let io = io.restarted(Loss::Nothing);
    let storage = match open(io.clone(), &base.options) {
        Ok(storage) => storage,
        Err(e) => return check_error(base, &e, "opening").map(|()| Outcome::AtOpening),
    };
    let outcome = compare(base, &storage, &allowed, "reading")?;
    // Going on must not turn damage into wrong content, nor hide it.
    let new = message(99, 0, 0, 2);
    let stored = storage.store(&decode_message(&new).unwrap()).and_then(|_| storage.flush());
    if let Err(e) = &stored {
        check_error(base, e, "storing")?;
    }
    if let Err(e) = storage.checkpoint() {
        check_error(base, &e, "a checkpoint")?;
    }
    drop(storage);
    let storage = match open(io.clone(), &base.options) {
        Ok(storage) => storage,
        Err(e) => return check_error(base, &e, "opening again").map(|()| outcome),
    };
    let allowed = match outcome {
        Outcome::Harmless => vec![&base.state],
        Outcome::Earlier => allowed.into_iter().skip(1).collect(),
        Outcome::AtOpening | Outcome::AtReading(_) => allowed,
    };
    compare(base, &storage, &allowed, "reading again")?;
    if stored.is_ok() {
        let id = CoValueId::from("co_z99");
        match storage.get_known_state(&id) {
            Ok(state) if state.as_ref().is_some_and(|state| state.sessions.len() == 1) => {}
            Ok(state) => return Err(format!("what was stored after the damage is gone: {state:?}")),
            Err(e) => check_error(base, &e, "reading what was stored after the damage")?,
        }
    }
    Ok(outcome)
}

#[test]
fn damage_is_reported_or_harmless_and_never_gives_wrong_content() {
    let begun = Instant::now();
    let (rounds, seed) = (setting("JAZZ_DAMAGE_ROUNDS", 400), setting("JAZZ_DAMAGE_SEED", 1));
    let bases = Base::all();
    let mut random = Random(seed);
    let mut plan = Vec::new();
    for n in 0..rounds {
        let base = &bases[n as usize % bases.len()];
        let files = base.io.list().unwrap();
        let kinds: std::collections::BTreeSet<_> = files.iter().map(|file| base.kind(file)).collect();
        let kind = *kinds.iter().nth(random.place(kinds.len())).unwrap();
        let files: Vec<_> = files.iter().filter(|file| base.kind(file) == kind).collect();
        let file = files[random.place(files.len())];
        let whole = bytes_of(&base.io, file);
        // Some damage does nothing, such as zeroing zeros.
        let mut damage = std::iter::repeat_with(|| Damage::random(whole.len(), &mut random));
        let damage = damage.find(|damage| damage.apply(whole.clone()).as_ref() != Some(&whole)).unwrap();
        plan.push((base, file.clone(), damage));
    }
    if let Ok(only) = std::env::var("JAZZ_DAMAGE_ONLY") {
        let parts: Vec<_> = only.split('/').collect();
        let base = bases.iter().find(|base| base.name == parts[0]).expect("a base");
        plan = vec![(base, parts[1].to_owned(), Damage::parse(parts[2]).expect("damage as it is printed"))];
    }
    let (mut counts, mut failures) = (BTreeMap::<_, BTreeMap<_, u64>>::new(), Vec::new());
    for (base, file, damage) in &plan {
        let outcome = catch_unwind(AssertUnwindSafe(|| round(base, file, *damage)));
        match outcome.unwrap_or_else(|_| Err("a panic".to_owned())) {
            Ok(outcome) => {
                if let (Outcome::AtReading(unreadable), "pack" | "kept segment", Damage::Flip(..)) =
                    (outcome, base.kind(file), damage)
                    && unreadable > 1
                {
                    failures
                        .push(format!("{}/{file}/{damage:?}: {unreadable} CoValues for one byte", base.name));
                }
                let of_kind = counts.entry(base.kind(file)).or_default();
                *of_kind.entry(outcome.to_string()).or_default() += 1;
                *counts.entry("any, by damage").or_default().entry(damage.kind().to_owned()).or_default() +=
                    1;
            }
            Err(wrong) => {
                failures.push(format!("JAZZ_DAMAGE_ONLY='{}/{file}/{damage:?}': {wrong}", base.name))
            }
        }
    }
    failures.iter().for_each(|failure| eprintln!("{failure}"));
    println!(
        "{} rounds of damage, {} failures, {:.1} s (JAZZ_DAMAGE_SEED={seed})",
        plan.len(),
        failures.len(),
        begun.elapsed().as_secs_f64()
    );
    for (kind, outcomes) in &counts {
        println!("  {kind}: {outcomes:?}");
    }
    assert!(failures.is_empty(), "{} failures, the first: {}", failures.len(), failures[0]);
    if plan.len() >= 200 {
        for kind in ["active segment", "sealed segment", "kept segment", "pack", "run", "manifest"] {
            let met: u64 = counts.get(kind).into_iter().flat_map(BTreeMap::values).sum();
            assert!(met > 10, "only {met} rounds in a {kind}");
        }
        let noticed = |outcome: &str| counts.values().filter_map(|of| of.get(outcome)).sum::<u64>();
        for outcome in ["at opening", "at reading", "harmless", "earlier state"] {
            assert!(noticed(outcome) > 0, "nothing came out as {outcome}");
        }
    }
}

#[test]
fn damage_is_read_as_it_is_printed() {
    let mut random = Random(3);
    for _ in 0..200 {
        let damage = Damage::random(5_000, &mut random);
        assert_eq!(Damage::parse(&format!("{damage:?}")), Some(damage));
    }
}
