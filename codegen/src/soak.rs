//! `cargo xtask soak`: long runs that measure, or that try to break something. Each is a row of [`SOAKS`].

use crate::node;
use crate::process::{Outcome, cargo};
use crate::suites::ENGINE_BENCH;

/// A kind of long run.
struct Soak {
    name: &'static str,
    about: &'static str,
    /// Given its name and the arguments behind it.
    run: fn(&str, &[String]) -> Outcome<()>,
}

const SOAKS: &[Soak] = &[
    Soak {
        name: "writes",
        about: "one-transaction messages: rate, stalls, bytes written, disk",
        run: engine,
    },
    Soak { name: "open", about: "openings with a large index, and with a full tail to replay", run: engine },
    Soak { name: "bounded", about: "peak memory for a dataset of gigabytes", run: engine },
    Soak { name: "erase", about: "disk over live content after half was erased", run: engine },
    Soak {
        name: "strict",
        about: "the level strict against SQLite FULL, with syncs per message",
        run: engine,
    },
    Soak {
        name: "kill",
        about: "processes that store are killed, and what they leave is compared with what they acknowledged",
        run: kill,
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
    (soak.run)(name, rest)
}

/// Kills processes that store and looks at what they leave.
fn kill(_: &str, arguments: &[String]) -> Outcome<()> {
    let mut all = arguments.to_vec();
    if !all.iter().any(|argument| argument.starts_with("--rounds")) {
        all.extend(["--rounds".to_owned(), "1000".to_owned()]);
    }
    node::kill_rounds(&all)
}

/// A scenario of `benches/engine`.
fn engine(name: &str, rest: &[String]) -> Outcome<()> {
    let mut arguments = vec![name.to_owned()];
    arguments.extend_from_slice(rest);
    in_release(&arguments)
}

fn in_release(arguments: &[String]) -> Outcome<()> {
    let mut all =
        vec!["run", "--release", "--locked", "--manifest-path", ENGINE_BENCH, "--bin", "soak", "--"];
    all.extend(arguments.iter().map(String::as_str));
    cargo(&all)
}

/// All scenarios of `benches/engine` in a tiny size, and the tests of what they measure with. Not in release mode, which
/// takes far longer to build than this takes to run.
pub(crate) fn check() -> Outcome<()> {
    cargo(&["test", "--manifest-path", ENGINE_BENCH, "--lib", "--locked"])?;
    cargo(&["run", "--manifest-path", ENGINE_BENCH, "--bin", "soak", "--locked", "--", "--quick"])
}
