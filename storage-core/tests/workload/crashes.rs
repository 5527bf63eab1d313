//! Crashes a workload at each of its operations, opens what is left, and compares it with what it must be; goes on from
//! there and crashes that as well, its opening included.
//!
//! One run of a workload gives all its crashes, as the directory after each operation is kept. A [`Case`] names one of
//! them, and can be repeated by itself. Directories that were met before are not opened again.

use super::script::{Step, Store, Workload, everything, open};
use jazz_storage_core::Result;
use jazz_storage_core::file::{FaultFileIO, FileHandle, FileIO, Loss, OpenMode};
use jazz_storage_core::store::StoreOptions;
use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// Steps that a store makes that goes on after a crash.
const FURTHER_STEPS: usize = 6;

/// A crash after so many operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    pub at: u64,
    pub loss: Loss,
}

/// A crash of a workload, and perhaps another one after that, counted from the second opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    pub workload: String,
    pub first: Crash,
    pub second: Option<Crash>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{:?}", self.workload, self.first.at, self.first.loss)?;
        self.second.map_or(Ok(()), |second| write!(f, "/{}/{:?}", second.at, second.loss))
    }
}

impl Case {
    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let workload = parts.next()?.to_owned();
        let mut crashes = Vec::new();
        while let Some(at) = parts.next() {
            crashes.push(Crash { at: at.parse().ok()?, loss: loss(parts.next()?)? });
        }
        let mut crashes = crashes.into_iter();
        let case = Self { workload, first: crashes.next()?, second: crashes.next() };
        crashes.next().is_none().then_some(case)
    }
}

/// Every way of losing, with this seed.
pub fn losses(seed: u64) -> [Loss; 9] {
    [
        Loss::Nothing,
        Loss::Everything,
        Loss::Data,
        Loss::Names,
        Loss::Tail(seed),
        Loss::Tails(seed),
        Loss::Some(seed),
        Loss::Last(seed),
        Loss::Garbage(seed),
    ]
}

fn loss(text: &str) -> Option<Loss> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let seed = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    losses(seed).into_iter().find(|loss| format!("{loss:?}") == text)
}

/// How far a run of steps had come after each number of operations.
pub struct Run {
    pub io: FaultFileIO,
    /// Operations when the run was ready for its first step, and after each completed one.
    pub marks: Vec<u64>,
    from: usize,
    /// Steps known to be durable before it was ready.
    floor: usize,
}

impl Run {
    /// Steps begun, completed and known to be durable, counted from the start of the script, after so many operations.
    fn progress(&self, workload: &Workload, at: u64) -> (usize, usize, usize) {
        let completed = self.marks.iter().skip(1).filter(|mark| **mark <= at).count();
        let done = self.from + completed;
        let ready = self.marks.first().is_some_and(|mark| *mark <= at);
        let begun = if ready { (done + workload.together(done)).min(workload.script.len()) } else { done };
        let of_run = workload.script.get(self.from..done).unwrap_or_default();
        let flushed = of_run.iter().rposition(Step::is_flush).map_or(self.from, |n| self.from + n + 1);
        let durable = match (ready, workload.is_strict()) {
            (false, _) => self.floor,
            (true, true) => done,
            (true, false) => flushed,
        };
        (begun, done, durable)
    }

    /// The numbers of steps whose outcome may be found after a crash.
    fn allowed(&self, workload: &Workload, crash: Crash) -> RangeInclusive<usize> {
        let (begun, done, durable) = self.progress(workload, crash.at);
        let least = if crash.loss == Loss::Nothing { done } else { durable };
        least..=begun
    }
}

/// Makes steps on a store that is opened in `io`, keeping what every crash of it leaves. All of them must succeed.
pub fn run(io: FaultFileIO, workload: &Workload, steps: std::ops::Range<usize>) -> Result<Run> {
    io.keep_history();
    let mut storage = Some(open(io.clone(), &workload.options)?);
    let mut run = Run { marks: vec![io.operations()], io, from: steps.start, floor: steps.start };
    let mut n = steps.start;
    while n < steps.end {
        let made = workload.make(n, steps.end, &mut storage, &run.io)?;
        run.marks.extend(std::iter::repeat_n(run.io.operations(), made));
        n += made;
    }
    Ok(run)
}

/// Makes one step. The store is gone if it could not be opened again.
pub fn make(
    step: &Step,
    storage: &mut Option<Store>,
    io: &FaultFileIO,
    options: &StoreOptions,
) -> Result<()> {
    match (step, &*storage) {
        (Step::Reopen, _) => {
            let closed = storage.take().map(|storage| storage.close());
            closed.transpose()?;
            *storage = Some(open(io.clone(), options)?);
            Ok(())
        }
        (_, None) => panic!("the store is not open"),
        (Step::Upkeep(upkeep), Some(storage)) => (upkeep.run)(storage),
        (step, Some(storage)) => step.apply(storage),
    }
}

/// What was tried and what went wrong.
pub struct Crasher {
    pub workloads: Vec<Workload>,
    runs: Vec<Run>,
    /// The steps whose outcome a directory holds, by its digest.
    met: HashMap<(usize, u64), Vec<usize>>,
    pub crashes: u64,
    pub failures: Vec<String>,
}

impl Crasher {
    /// Runs all workloads once.
    pub fn new(workloads: Vec<Workload>) -> Self {
        let runs = workloads.iter().map(|workload| {
            let run = run(FaultFileIO::new(), workload, 0..workload.script.len());
            run.unwrap_or_else(|e| panic!("{}: {e}", workload.name))
        });
        let runs = runs.collect();
        Self { runs, workloads, met: HashMap::new(), crashes: 0, failures: Vec::new() }
    }

    /// Different directories that were opened.
    pub fn states(&self) -> u64 {
        self.met.len() as u64
    }

    /// Operations of each workload.
    pub fn operations(&self) -> Vec<u64> {
        self.runs.iter().map(|run| run.io.operations()).collect()
    }

    fn workload(&self, name: &str) -> usize {
        let found = self.workloads.iter().position(|workload| workload.name == name);
        found.unwrap_or_else(|| panic!("there is no workload {name}"))
    }

    /// Tries one case.
    pub fn case(&mut self, case: &Case) {
        let n = self.workload(&case.workload);
        let Some(left) = self.crash_first(n, case.first) else { return };
        if let Some(second) = case.second {
            self.crash_again(n, case.first, &left, |_, _| Some(second.loss), Some(second.at));
        }
    }

    /// Crashes a workload once. Gives the directory and the number of steps it holds, unless that is wrong.
    pub fn crash_first(&mut self, n: usize, crash: Crash) -> Option<(FaultFileIO, usize)> {
        let (run, workload) = (&self.runs[n], &self.workloads[n]);
        let left = run.io.after(crash.at)?.restarted(crash.loss);
        let allowed = run.allowed(workload, crash);
        let case = Case { workload: workload.name.clone(), first: crash, second: None };
        let held = self.check(n, &left, allowed, &case)?;
        Some((left, held))
    }

    /// Opens what a first crash left, goes on from there, and crashes after each operation of that, or after one of them.
    /// If the first crash lost nothing, it was the process that died and not the power, so what was not synced may still
    /// be lost in the second.
    pub fn crash_again(
        &mut self,
        n: usize,
        first: Crash,
        (left, held): &(FaultFileIO, usize),
        loss: impl Fn(u64, u64) -> Option<Loss>,
        only: Option<u64>,
    ) {
        let workload = &self.workloads[n];
        let mut case = Case { workload: workload.name.clone(), first, second: None };
        let killed = (first.loss == Loss::Nothing).then(|| self.runs[n].io.after(first.at)).flatten();
        let floor = killed.as_ref().map(|_| self.runs[n].progress(workload, first.at).2);
        let io = killed.unwrap_or_else(|| left.restarted(Loss::Nothing));
        let steps = *held..(held + FURTHER_STEPS).min(workload.script.len());
        let again = catch_unwind(AssertUnwindSafe(|| run(io, workload, steps)));
        let again = match again {
            Ok(Ok(again)) => Run { floor: floor.unwrap_or(again.floor), ..again },
            Ok(Err(e)) => return self.fail(&case, left, &format!("going on: {e}")),
            Err(_) => return self.fail(&case, left, "going on: a panic"),
        };
        let last = again.io.operations();
        for at in 0..=last {
            let Some(loss) = loss(at, last).filter(|_| only.is_none_or(|only| only == at)) else { continue };
            let crash = Crash { at, loss };
            let Some(after) = again.io.after(at) else { continue };
            case.second = Some(crash);
            let allowed = again.allowed(&self.workloads[n], crash);
            self.check(n, &after.restarted(loss), allowed, &case);
        }
    }

    /// Compares what a directory holds. Gives the number of steps.
    fn check(
        &mut self,
        n: usize,
        left: &FaultFileIO,
        allowed: RangeInclusive<usize>,
        case: &Case,
    ) -> Option<usize> {
        self.crashes += 1;
        let key = (n, left.digest());
        if !self.met.contains_key(&key) {
            let workload = &self.workloads[n];
            let found = catch_unwind(AssertUnwindSafe(|| held(left, workload)));
            match found {
                Ok(Ok(steps)) => self.met.insert(key, steps),
                Ok(Err(wrong)) => {
                    self.fail(case, left, &wrong);
                    return None;
                }
                Err(_) => {
                    self.fail(case, left, "a panic");
                    return None;
                }
            };
        }
        let steps = self.met.get(&key)?;
        let held = steps.iter().rev().find(|steps| allowed.contains(steps)).copied();
        if held.is_none() {
            let wrong = format!("{allowed:?} steps allowed, found the state after {steps:?}");
            self.fail(case, left, &wrong);
        }
        held
    }

    /// Notes a failure, and keeps the directory for looking into.
    fn fail(&mut self, case: &Case, left: &FaultFileIO, wrong: &str) {
        let directory =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("crash").join(format!("{}", self.failures.len()));
        let _ = std::fs::remove_dir_all(&directory);
        let kept = std::fs::create_dir_all(&directory).is_ok() && keep(left, &directory);
        let kept = if kept { format!(" (kept in {})", directory.display()) } else { String::new() };
        let message = format!("JAZZ_CRASH_ONLY='{case}': {wrong}{kept}");
        eprintln!("{message}");
        self.failures.push(message);
    }
}

/// Writes a directory's files into a real one.
fn keep(io: &FaultFileIO, directory: &std::path::Path) -> bool {
    let keep = |name: &String| -> Option<()> {
        let file = io.open(name, OpenMode::Read).ok()?;
        let mut bytes = vec![0; file.len().ok()? as usize];
        file.read_at(&mut bytes, 0).ok()?;
        std::fs::write(directory.join(name), bytes).ok()
    };
    io.list().is_ok_and(|names| names.iter().all(|name| keep(name).is_some()))
}

/// The numbers of steps after which a workload's store says what the one in this directory does; or what is wrong.
fn held(left: &FaultFileIO, workload: &Workload) -> Result<Vec<usize>, String> {
    let io = left.restarted(Loss::Nothing);
    let storage = open(io.clone(), &workload.options).map_err(|e| format!("opening: {e}"))?;
    let got = everything(&storage).map_err(|e| format!("reading: {e}"))?;
    // Closing would only cost time.
    io.crash_after(0);
    let same = |(_, state): &(usize, &Vec<String>)| **state == got;
    let steps: Vec<_> = workload.states.iter().enumerate().filter(same).map(|(n, _)| n).collect();
    if !steps.is_empty() {
        return Ok(steps);
    }
    let nearest =
        workload.states.iter().max_by_key(|state| state.iter().filter(|line| got.contains(line)).count());
    let odd: Vec<_> = got.iter().filter(|line| nearest.is_some_and(|state| !state.contains(line))).collect();
    Err(format!("no number of steps leads to this state; odd are {odd:?}"))
}
