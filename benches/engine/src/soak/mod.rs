//! Long runs of the engine, which measure what a benchmark of speed does not: stalls, bytes written, disk, memory,
//! openings, and what a sync costs. `cargo xtask soak --help` says how they are called.
//!
//! Invariants:
//! - each phase that is measured runs in a process of its own, so that its peak memory is its own;
//! - whatever was stored is read back and compared;
//! - a run fails if content differs or a bound is broken; bounds are about content, space and memory, never about speed.

mod bounded;
mod erase;
mod figures;
mod open;
mod options;
mod phase;
mod store;
mod strict;
mod writes;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::Result;
use crate::probe::{self, Machine};
use figures::{Figures, Unit, shown};
use options::Options;
use phase::Phase;

/// One question to the engine, and how it is answered.
struct Scenario {
    name: &'static str,
    about: &'static str,
    /// Calls its phases, and says what follows from their figures.
    run: fn(&mut Run) -> Result<()>,
    /// What runs in processes of their own.
    phases: &'static [(&'static str, Part)],
}

/// What a phase does and finds.
type Part = fn(&Phase) -> Result<Figures>;

/// In the order in which they run: the one that measures syncs first, as what the others leave to be written back makes
/// them slow.
const SCENARIOS: &[Scenario] =
    &[strict::SCENARIO, writes::SCENARIO, open::SCENARIO, bounded::SCENARIO, erase::SCENARIO];

/// A scenario under way.
struct Run<'a> {
    options: &'a Options,
    /// The command line, with which phases are called.
    arguments: &'a [String],
    scenario: &'static str,
    /// Where stores can be put; it is removed afterwards.
    scratch: PathBuf,
    /// All figures so far, as they are written to a file.
    log: &'a mut Vec<serde_json::Value>,
    /// What was not as it has to be.
    broken: Vec<String>,
}

impl Run<'_> {
    /// A new directory for a store.
    fn store(&self, name: &str) -> Result<PathBuf> {
        let directory = self.scratch.join(name);
        fs::create_dir(&directory)?;
        Ok(directory)
    }

    /// Shows figures, and keeps them for the file.
    fn show(&mut self, title: &str, figures: &Figures) {
        println!("\n{}: {title}", self.scenario);
        figures.print();
        self.keep(title, figures);
    }

    /// Keeps figures for the file.
    fn keep(&mut self, title: &str, figures: &Figures) {
        self.log.push(json!({ "scenario": self.scenario, "title": title, "figures": figures }));
    }

    /// Demands that a figure is at most so much. One that cannot be measured here is not judged.
    fn at_most(&mut self, figures: &Figures, name: &str, limit: f64, unit: Unit) -> Result<()> {
        let value = figures.find(name)?;
        let outcome = match value {
            None => "not measured, not judged",
            Some(value) if value <= limit => "kept",
            Some(_) => "BROKEN",
        };
        println!("  bound: {name} at most {}: {outcome}", shown(limit, unit));
        if let Some(value) = value.filter(|&value| value > limit) {
            let (value, limit) = (shown(value, unit), shown(limit, unit));
            self.broken.push(format!("{}: {name} is {value}, more than {limit}", self.scenario));
        }
        Ok(())
    }

    /// Demands that a figure is at least so much.
    fn at_least(&mut self, figures: &Figures, name: &str, limit: f64, unit: Unit) -> Result<()> {
        let value = figures.get(name)?;
        let (shown, least) = (shown(value, unit), shown(limit, unit));
        println!("  bound: {name} at least {least}: {}", if value >= limit { "kept" } else { "BROKEN" });
        if value < limit {
            self.broken.push(format!("{}: {name} is {shown}, less than {least}", self.scenario));
        }
        Ok(())
    }
}

/// Does what the command line says. False if something was not as it has to be, which has been reported.
///
/// # Errors
/// The command line is wrong, the store failed, or content differs from what was stored.
pub fn run(arguments: &[String]) -> Result<bool> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        help();
        return Ok(true);
    }
    let options = Options::parse(arguments)?;
    if let Some(call) = &options.phase {
        let scenario = find(&call.scenario)?;
        let phase = scenario.phases.iter().find(|(name, _)| *name == call.phase);
        let (_, phase) = phase.ok_or_else(|| format!("{} has no phase {:?}", call.scenario, call.phase))?;
        phase::answer(&options, &call.store, *phase)?;
        return Ok(true);
    }
    let chosen = match options.scenarios.as_slice() {
        [] => SCENARIOS.iter().collect(),
        names => names.iter().map(|name| find(name)).collect::<Result<Vec<_>>>()?,
    };
    let directory = options.directory.clone().unwrap_or_else(default_directory);
    fs::create_dir_all(&directory)?;
    let machine = Machine::describe(&directory);
    machine.print(&directory);
    println!("seed {}", options.seed());
    let (mut log, mut broken) = (Vec::new(), Vec::new());
    for scenario in chosen {
        let scratch = tempfile::Builder::new().prefix("jazz-soak-").tempdir_in(&directory)?;
        let mut run = Run {
            options: &options,
            arguments,
            scenario: scenario.name,
            scratch: scratch.path().to_path_buf(),
            log: &mut log,
            broken: Vec::new(),
        };
        println!("\n━━ {}: {}", scenario.name, scenario.about);
        // One scenario that fails leaves the others to be tried.
        if let Err(error) = (scenario.run)(&mut run) {
            run.broken.push(format!("{}: {error}", scenario.name));
        }
        broken.append(&mut run.broken);
    }
    if let Some(file) = &options.json {
        let all = json!({ "arguments": arguments, "machine": machine, "results": log, "broken": broken });
        fs::write(file, format!("{all:#}\n"))?;
    }
    println!();
    for reason in &broken {
        println!("NOT AS IT HAS TO BE: {reason} (seed {})", options.seed());
    }
    if broken.is_empty() {
        println!("all content was as it was stored, and every bound was kept");
    }
    Ok(broken.is_empty())
}

fn find(name: &str) -> Result<&'static Scenario> {
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name);
    Ok(scenario.ok_or_else(|| format!("there is no scenario {name:?}: see --help"))?)
}

fn help() {
    println!("soak [SCENARIO...] [OPTIONS]: without a scenario, all of them\n");
    for Scenario { name, about, .. } in SCENARIOS {
        println!("  {name:<18} {about}");
    }
    println!("\n{}", options::HELP);
}

/// The system's directory for temporary files, unless it lies in memory: then the current one.
fn default_directory() -> PathBuf {
    let temporary = std::env::temp_dir();
    if probe::is_in_memory(&temporary) { Path::new(".").to_path_buf() } else { temporary }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_bound_is_reported_and_a_kept_one_is_not() {
        let mut log = Vec::new();
        let options = Options::default();
        let mut run = Run {
            options: &options,
            arguments: &[],
            scenario: "test",
            scratch: PathBuf::new(),
            log: &mut log,
            broken: Vec::new(),
        };
        let mut figures = Figures::default();
        figures.count("five", 5.0);
        figures.bytes("unknown", None);
        run.at_most(&figures, "five", 5.0, Unit::Count).unwrap();
        run.at_least(&figures, "five", 5.0, Unit::Count).unwrap();
        run.at_most(&figures, "unknown", 1.0, Unit::Bytes).unwrap();
        assert!(run.broken.is_empty());
        run.at_most(&figures, "five", 4.9, Unit::Count).unwrap();
        run.at_least(&figures, "five", 5.1, Unit::Count).unwrap();
        assert_eq!(run.broken.len(), 2);
        assert!(run.at_least(&figures, "unknown", 1.0, Unit::Bytes).is_err());
        assert!(run.at_most(&figures, "nothing", 1.0, Unit::Count).is_err());
    }

    #[test]
    fn scenarios_and_their_phases_have_names_of_their_own() {
        for (position, scenario) in SCENARIOS.iter().enumerate() {
            let first = SCENARIOS.iter().position(|other| other.name == scenario.name);
            assert_eq!(first, Some(position));
            assert_eq!(find(scenario.name).unwrap().about, scenario.about);
            for (place, (name, _)) in scenario.phases.iter().enumerate() {
                assert_eq!(scenario.phases.iter().position(|(other, _)| other == name), Some(place));
            }
        }
        assert!(find("nothing").is_err());
    }
}
