//! `cargo xtask crash`: the long form of the tests of power cuts, failing calls, full disks and damage.
//!
//! The tests read how much they are to try from the environment; here is the one place that sets it. They run in release
//! mode and print what they tried.

use crate::process::{Outcome, cargo_path, command, run};
use crate::soak::LONG_PROFILE;

/// What is tried unless the command line says otherwise.
const STATES: u64 = 20_000;
const DAMAGE: u64 = 20_000;
/// More than there are.
const ALL_POINTS: u64 = u64::MAX >> 1;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Options {
    states: u64,
    points: u64,
    damage: u64,
    seed: u64,
    only: Option<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut options = Self { states: STATES, points: ALL_POINTS, damage: DAMAGE, seed: 1, only: None };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let value = rest.next().ok_or_else(|| format!("{argument} needs a value"))?;
            let number =
                || value.parse::<u64>().map_err(|_| format!("{argument} takes a number, not {value:?}"));
            match argument.as_str() {
                "--states" => options.states = number()?,
                "--points" => options.points = number()?,
                "--damage" => options.damage = number()?,
                "--seed" => options.seed = number()?,
                "--only" => options.only = Some(value.clone()),
                unknown => {
                    return Err(format!(
                        "crash does not know {unknown:?}: it takes --states, --points, --damage and --seed with a \
                         number, and --only with what a failure printed"
                    ));
                }
            }
        }
        Ok(options)
    }

    /// The tests to run and what they find in the environment.
    fn environment(&self) -> (Vec<&'static str>, Vec<(&'static str, String)>) {
        if let Some(only) = &self.only {
            // Only damage names a file.
            let damage =
                ["/segment-", "/pack-", "/run-", "/MANIFEST-"].iter().any(|file| only.contains(file));
            let (test, name) =
                if damage { ("damage", "JAZZ_DAMAGE_ONLY") } else { ("crash", "JAZZ_CRASH_ONLY") };
            return (vec![test], vec![(name, only.clone())]);
        }
        let numbers = [
            ("JAZZ_CRASH_STATES", self.states),
            ("JAZZ_CRASH_POINTS", self.points),
            ("JAZZ_CRASH_SEED", self.seed),
            ("JAZZ_DAMAGE_ROUNDS", self.damage),
            ("JAZZ_DAMAGE_SEED", self.seed),
        ];
        (vec!["crash", "damage"], numbers.map(|(name, number)| (name, number.to_string())).to_vec())
    }
}

/// Runs the tests at length.
pub(crate) fn crash(arguments: &[String]) -> Outcome<()> {
    let options = Options::parse(arguments)?;
    let (tests, environment) = options.environment();
    let mut all = vec!["test", LONG_PROFILE, "--locked", "--package", "jazz-storage-core"];
    all.extend(tests.iter().flat_map(|test| ["--test", test]));
    all.extend(["--no-fail-fast", "--", "--nocapture"]);
    let mut cargo = command(cargo_path(), &all);
    for (name, value) in environment {
        println!("{name}={value}");
        cargo.env(name, value);
    }
    run(cargo, "install Rust (with rustup)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Outcome<Options> {
        Options::parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn numbers_reach_the_tests() {
        let (tests, environment) = parse("--states 7 --damage 9 --seed 3").unwrap().environment();
        assert_eq!(tests, ["crash", "damage"]);
        for expected in [("JAZZ_CRASH_STATES", "7"), ("JAZZ_DAMAGE_ROUNDS", "9"), ("JAZZ_CRASH_SEED", "3")] {
            assert!(environment.contains(&(expected.0, expected.1.to_owned())), "{environment:?}");
        }
    }

    #[test]
    fn one_case_goes_to_the_test_it_is_of() {
        let of = |case: &str| parse(&format!("--only {case}")).unwrap().environment();
        let (tests, environment) = of("open/pack-80000000.dat/Delete");
        assert_eq!((tests, environment[0].0), (vec!["damage"], "JAZZ_DAMAGE_ONLY"));
        let (tests, environment) = of("run-strict/12/Nothing/3/Tail(4)");
        assert_eq!((tests, environment[0].0), (vec!["crash"], "JAZZ_CRASH_ONLY"));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (text, expected) in [("--state 3", "--state"), ("--seed", "value"), ("--seed x", "number")] {
            assert!(parse(text).unwrap_err().contains(expected));
        }
    }
}
