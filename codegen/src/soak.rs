//! `cargo xtask soak`: long runs that measure, or long forms of tests that are short in `cargo xtask test`. Each is a row
//! of [`SOAKS`].

use crate::node;
use crate::process::{Outcome, cargo, cargo_path, command, run as run_command};
use crate::suites::BENCHES;

/// The profile in which tests run at length: fast code that is compiled quickly.
pub(crate) const LONG_PROFILE: &str = "--profile=long";

/// What runs.
enum Kind {
    /// A scenario of `benches/engine`, which takes the rest of the arguments.
    Scenario,
    /// Processes that are killed, which take the rest of the arguments.
    Kill,
    /// Tests of storage-core, told by the environment for how long to go on.
    Test {
        /// The arguments of `cargo test`.
        tests: &'static [&'static str],
        variable: &'static str,
        /// Its value unless another one is given.
        long: u64,
    },
}

struct Soak {
    name: &'static str,
    about: &'static str,
    kind: Kind,
}

const SOAKS: &[Soak] = &[
    Soak {
        name: "writes",
        about: "one-transaction messages: rate, stalls, bytes written, disk",
        kind: Kind::Scenario,
    },
    Soak {
        name: "open",
        about: "openings with a large index, and with a full tail to replay",
        kind: Kind::Scenario,
    },
    Soak { name: "bounded", about: "peak memory for a dataset of gigabytes", kind: Kind::Scenario },
    Soak { name: "erase", about: "disk over live content after half was erased", kind: Kind::Scenario },
    Soak {
        name: "strict",
        about: "the level strict against SQLite FULL, with syncs per message",
        kind: Kind::Scenario,
    },
    Soak {
        name: "kill",
        about: "processes that store are killed, and what they leave is compared with what they acknowledged",
        kind: Kind::Kill,
    },
    Soak {
        name: "property",
        about: "random operations on six kinds of stores and the model [N operations for each kind]",
        kind: Kind::Test {
            tests: &["--test", "property"],
            variable: "JAZZ_PROPERTY_OPERATIONS",
            long: 200_000,
        },
    },
    Soak {
        name: "threads",
        about: "stores, loads, erasures and compactions in many threads at once [N seconds]",
        kind: Kind::Test { tests: &["--test", "threads"], variable: "JAZZ_THREADS_SECONDS", long: 300 },
    },
    Soak {
        name: "repair",
        about: "damaged stores are verified and repaired [N rounds]",
        kind: Kind::Test { tests: &["--test", "repair"], variable: "JAZZ_REPAIR_ROUNDS", long: 50_000 },
    },
    Soak {
        name: "bftree",
        about: "random operations on bf-tree itself and a map [N operations]",
        kind: Kind::Test {
            tests: &["--test", "bftree_rules"],
            variable: "JAZZ_BFTREE_OPERATIONS",
            long: 65_000_000,
        },
    },
    Soak {
        name: "sync",
        about: "group commit in many orders of events [N orders]",
        kind: Kind::Test { tests: &["--lib", "checked"], variable: "JAZZ_SYNC_SCHEDULES", long: 1_000_000 },
    },
];

/// Runs the soak that the first argument names; without a name, all that `benches/engine` has.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let Some((name, rest)) = arguments.split_first().filter(|(first, _)| !first.starts_with('-')) else {
        if arguments.iter().any(|argument| argument == "--help") {
            SOAKS.iter().for_each(|Soak { name, about, .. }| println!("  {name:<10} {about}"));
        }
        return in_release(arguments);
    };
    let soak = SOAKS.iter().find(|soak| soak.name == name);
    let soak =
        soak.ok_or_else(|| format!("there is no soak {name:?}: `cargo xtask soak --help` names them"))?;
    match &soak.kind {
        Kind::Scenario => in_release(arguments),
        Kind::Kill => kill(rest),
        Kind::Test { tests, variable, long } => {
            let amount = match rest {
                [] => *long,
                [amount] => amount.parse().map_err(|_| format!("{name} takes a number, not {amount:?}"))?,
                _ => return Err(format!("{name} takes one number: how much to do")),
            };
            test(tests, variable, amount)
        }
    }
}

/// Kills processes that store and looks at what they leave.
fn kill(arguments: &[String]) -> Outcome<()> {
    let mut all = arguments.to_vec();
    if !all.iter().any(|argument| argument.starts_with("--rounds")) {
        all.extend(["--rounds".to_owned(), "1000".to_owned()]);
    }
    node::kill_rounds(&all)
}

fn test(tests: &[&str], variable: &str, amount: u64) -> Outcome<()> {
    println!("{variable}={amount}");
    let mut command =
        command(cargo_path(), &["test", LONG_PROFILE, "--locked", "--package", "jazz-storage-core"]);
    command.args(tests).args(["--", "--nocapture"]).env(variable, amount.to_string());
    run_command(command, "install Rust (with rustup)")
}

fn in_release(arguments: &[String]) -> Outcome<()> {
    let mut all = vec!["run", "--release", "--locked", "--manifest-path", BENCHES, "--bin", "soak", "--"];
    all.extend(arguments.iter().map(String::as_str));
    cargo(&all)
}
