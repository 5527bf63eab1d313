//! The runner: what Criterion cannot measure. `compare --help` says how it is called.
//!
//! Invariants:
//! - everything that is measured runs in a process of its own ([`acts`]), so that its memory and its CPU time are its own;
//! - the peers take turns in everything that is done, and change places from round to round;
//! - whatever was stored is compared with what is loaded; a run fails if content differs, never because of a speed.

mod acts;
mod measure;
mod options;
mod process;
mod results;
mod scale;
mod table;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jazz_storage_bench::Result;
use jazz_storage_bench::probe::{Machine, is_in_memory};

use crate::contestants::{Contestant, chosen};
use crate::workloads::{WORKLOADS, Workload};
use acts::{Act, Call};
use measure::{Answer, settle};
use options::Options;
use process::{Calls, Outcome};
use results::{Failure, Results};
use scale::Decade;

/// What is done with the store of a workload, in this order.
const ACTS: &[Act] = &[
    Act::Store,
    Act::Load,
    Act::Known,
    Act::Scan,
    Act::LoadCold,
    Act::Compact,
    Act::LoadClustered,
    Act::LoadClusteredCold,
];

/// A thing that takes longer is given up. SQLite takes two minutes to be filled with a million CoValues.
const LIMIT: Duration = Duration::from_secs(300);
/// The largest size of `scale` that every round comes to; beyond it there is one round, which stores and loads more often.
const SCALE_EVERY_ROUND: u32 = 100_000;
/// Messages of which the system calls are counted.
const WATCHED: usize = 500;

/// A run under way.
struct Run<'a> {
    options: &'a Options,
    contestants: &'a [Contestant],
    scratch: PathBuf,
    calls: Calls,
    results: Results,
    /// Workloads and peers of which nothing more is asked from a size on: 0 unless it was too much at a size of `scale`.
    given_up: HashMap<(String, String), u32>,
}

/// Does what the command line says. False if something was wrong, which has been reported.
///
/// # Errors
/// The command line is wrong, or the directory cannot be written to.
pub fn run(arguments: &[String]) -> Result<bool> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        print!("{}", options::HELP);
        for one in chosen(&[])? {
            println!("  {:<16} {:<36} {}", one.name, one.title, one.note);
        }
        return Ok(true);
    }
    let options = Options::parse(arguments)?;
    if let Some(call) = &options.call {
        println!("{}", serde_json::to_string(&acts::answer(&serde_json::from_str(call)?)?)?);
        return Ok(true);
    }
    let contestants = chosen(&options.peers)?;
    if let Some(name) = options.workloads.iter().find(|name| *name != "scale") {
        Workload::find(name)?;
    }
    let directory = options.directory.clone().unwrap_or_else(default_directory);
    fs::create_dir_all(&directory)?;
    let scratch = tempfile::Builder::new().prefix("jazz-compare-").tempdir_in(&directory)?;
    let machine = Machine::describe(&directory);
    machine.print(&directory);
    println!("seed {}, {} rounds, {} peers", options.seed(), options.rounds(), contestants.len());
    let mut run = Run {
        options: &options,
        contestants: &contestants,
        scratch: scratch.path().to_path_buf(),
        calls: Calls::new(scratch.path()),
        results: Results::default(),
        given_up: HashMap::new(),
    };
    for workload in WORKLOADS.iter().filter(|workload| options.wants(workload.name)) {
        run.workload(workload)?;
    }
    if options.wants("scale") {
        run.scale()?;
    }
    let results = run.results;
    let tables = table::tables(&results, &contestants);
    if !options.quick {
        print!("{tables}");
    }
    let file = options.json.clone().or_else(|| (!options.quick).then(results::default_file));
    if let Some(file) = file {
        let after = Machine::describe(&directory).load;
        let document = results.document(&options, &contestants, &machine, after);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&file, format!("{document:#}\n"))?;
        println!("\nfigures: {}", file.display());
    }
    println!();
    results.verified().iter().for_each(|text| println!("compared: {text}"));
    let wrong: Vec<&Failure> = results.failures.iter().filter(|failure| failure.is_wrong).collect();
    for Failure { peer, workload, reason, .. } in &wrong {
        println!("WRONG: {peer}, {workload}: {reason} (seed {})", options.seed());
    }
    Ok(wrong.is_empty())
}

impl Run<'_> {
    /// The peers in the order of this round.
    fn in_turn(&self, round: usize) -> Vec<Contestant> {
        let mut turn = self.contestants.to_vec();
        let places = turn.len().max(1);
        turn.rotate_left(round * (1 + places / self.options.rounds().max(1)) % places);
        turn
    }

    fn store(&self, one: &Contestant) -> PathBuf {
        self.scratch.join(&one.name)
    }

    /// A new directory for everyone.
    fn make_stores(&self) -> Result<()> {
        self.contestants.iter().try_for_each(|one| Ok(fs::create_dir(self.store(one))?))
    }

    fn remove_stores(&self) -> Result<()> {
        self.contestants.iter().try_for_each(|one| Ok(fs::remove_dir_all(self.store(one))?))
    }

    fn is_given_up(&self, workload: &str, one: &Contestant, size: u32) -> bool {
        self.given_up.get(&(workload.to_owned(), one.name.clone())).is_some_and(|&from| size >= from)
    }

    /// Notes why nothing more is asked of a peer.
    fn give_up(&mut self, call: &Call, reason: String, is_wrong: bool) {
        // What was too much at a size is not at a smaller one, in rounds to come.
        let from = if is_wrong { 0 } else { call.decades.last().map_or(0, |last| last.size) };
        self.given_up.insert((call.workload.clone(), call.peer.clone()), from);
        let phase = Some(format!("{:?}", call.act).to_lowercase());
        let (peer, workload) = (call.peer.clone(), call.workload.clone());
        self.results.fail(Failure { peer, workload, phase, reason, is_wrong });
    }

    /// Has a thing done; none if it failed.
    fn done(&mut self, call: &Call) -> Result<Option<Answer>> {
        if !self.options.quick {
            settle();
        }
        match self.calls.call(call, LIMIT)? {
            Outcome::Done(answer) => Ok(Some(answer)),
            Outcome::Failed(reason) => {
                self.give_up(call, reason, true);
                Ok(None)
            }
            Outcome::TooLong => {
                self.give_up(call, format!("given up after {} seconds", LIMIT.as_secs()), false);
                Ok(None)
            }
        }
    }

    fn call(&self, act: Act, workload: &Workload, one: &Contestant) -> Call {
        Call {
            act,
            peer: one.name.clone(),
            workload: workload.name.to_owned(),
            messages: workload.messages(self.options.quick, one.level),
            seed: self.options.seed(),
            store: self.store(one),
            decades: Vec::new(),
            samples: 0,
        }
    }

    fn workload(&mut self, workload: &Workload) -> Result<()> {
        let begun = Instant::now();
        let acts = if workload.name == "mixed" { &[Act::Mixed][..] } else { ACTS };
        for round in 0..self.options.rounds() {
            self.make_stores()?;
            for &act in acts {
                for one in self.in_turn(round) {
                    let applies = match act {
                        Act::Store => true,
                        Act::Mixed => one.reads,
                        Act::Compact | Act::LoadClustered | Act::LoadClusteredCold if one.gathers => true,
                        _ => one.reads && one.keeps,
                    };
                    if applies && !self.is_given_up(workload.name, &one, 0) {
                        let call = self.call(act, workload, &one);
                        // What only prepares for loads is no figure.
                        let counts = !one.gathers || !matches!(act, Act::Store | Act::Compact);
                        if let Some(answer) = self.done(&call)?.filter(|_| counts) {
                            self.results.take(workload.name, &one.name, None, answer);
                        }
                    }
                }
            }
            self.remove_stores()?;
        }
        if workload.name == "small" {
            self.system_calls(workload)?;
        }
        println!("{}: {:.0} seconds", workload.name, begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// Counts the syncs and writes of storing, in a small run of its own.
    fn system_calls(&mut self, workload: &Workload) -> Result<()> {
        self.make_stores()?;
        for one in self.contestants.iter().filter(|one| !one.gathers) {
            let mut call = self.call(Act::Store, workload, one);
            call.messages = call.messages.min(WATCHED);
            let Some(counted) = self.calls.watch(&call)? else {
                self.results.fail(Failure {
                    peer: one.name.clone(),
                    workload: workload.name.to_owned(),
                    phase: Some("store-close".to_owned()),
                    reason: "system calls were not counted: strace is not there, or may not watch".to_owned(),
                    is_wrong: false,
                });
                continue;
            };
            let figure = |metric: &str, value| measure::Figure {
                phase: "store-close".to_owned(),
                metric: metric.to_owned(),
                unit: "calls".to_owned(),
                operations: call.messages as u64,
                value,
            };
            let figures = vec![figure("syncs", counted.syncs), figure("writes", counted.writes)];
            self.results.take(workload.name, &one.name, None, Answer { figures, ..Answer::default() });
        }
        self.remove_stores()
    }

    /// See [`scale`].
    fn scale(&mut self) -> Result<()> {
        let begun = Instant::now();
        for round in 0..self.options.rounds() {
            self.make_stores()?;
            let mut decades: Vec<Decade> = Vec::new();
            for size in self.options.decades() {
                let turns = if size <= SCALE_EVERY_ROUND { 1 } else { self.options.rounds() as u32 };
                if round > 0 && turns > 1 {
                    break;
                }
                // One peer after the other, so that nothing others write comes between filling a store and reading it.
                for one in self.in_turn(round) {
                    decades.push(Decade { size, turns: 0 });
                    self.scale_step(Act::ScaleFill, &decades, &one)?;
                    for turn in 0..turns {
                        if let Some(last) = decades.last_mut() {
                            last.turns = turn;
                        }
                        self.scale_step(Act::ScaleRead, &decades, &one)?;
                        self.scale_step(Act::ScaleStore, &decades, &one)?;
                    }
                    decades.pop();
                }
                decades.push(Decade { size, turns });
            }
            self.remove_stores()?;
        }
        println!("scale: {:.0} seconds", begun.elapsed().as_secs_f64());
        Ok(())
    }

    fn scale_step(&mut self, act: Act, decades: &[Decade], one: &Contestant) -> Result<()> {
        let size = decades.last().map_or(0, |last| last.size);
        let applies = one.keeps
            && !one.gathers
            && (one.reads || act != Act::ScaleRead)
            && !self.is_given_up("scale", one, size);
        // With a sync to each message it is the syncs that are measured, at any size.
        if !applies || one.level == jazz_storage_bench::Level::Power {
            return Ok(());
        }
        let call = Call {
            act,
            peer: one.name.clone(),
            workload: "scale".to_owned(),
            messages: 0,
            seed: self.options.seed(),
            store: self.store(one),
            decades: decades.to_vec(),
            samples: if self.options.quick { 100 } else { 10_000 },
        };
        if let Some(answer) = self.done(&call)? {
            self.results.take("scale", &one.name, Some(size), answer);
        }
        Ok(())
    }
}

/// The system's directory for temporary files, unless it lies in memory: then the current one.
fn default_directory() -> PathBuf {
    let temporary = std::env::temp_dir();
    if is_in_memory(&temporary) { Path::new(".").to_path_buf() } else { temporary }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_at_a_size_goes_on_at_smaller_ones_and_what_is_wrong_does_not() {
        let options = Options::default();
        let contestants = chosen(&["sqlite-process".to_owned(), "redb-none".to_owned()]).unwrap();
        let mut run = Run {
            options: &options,
            contestants: &contestants,
            scratch: PathBuf::new(),
            calls: Calls::new(Path::new("")),
            results: Results::default(),
            given_up: HashMap::new(),
        };
        let call = |peer: &Contestant| Call {
            act: Act::ScaleFill,
            peer: peer.name.clone(),
            workload: "scale".to_owned(),
            messages: 0,
            seed: 1,
            store: PathBuf::new(),
            decades: [1_000, 10_000].map(|size| Decade { size, turns: 0 }).into(),
            samples: 0,
        };
        let [sqlite, redb] = contestants.as_slice() else { panic!("two were chosen") };
        run.give_up(&call(sqlite), "too long".to_owned(), false);
        run.give_up(&call(redb), "damaged".to_owned(), true);
        let is_given_up = |one, size| run.is_given_up("scale", one, size);
        assert!(!is_given_up(sqlite, 1_000) && is_given_up(sqlite, 10_000) && is_given_up(sqlite, 100_000));
        assert!(is_given_up(redb, 1_000) && !run.is_given_up("small", redb, 0));
    }
}
