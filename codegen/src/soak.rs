//! `cargo xtask soak`: long forms of tests that the suites run for seconds.

use crate::node;
use crate::process::Outcome;

const USAGE: &str = "cargo xtask soak kill [--rounds N] [--seed N]";

/// Runs the long form that is named first, with the arguments that follow.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    match arguments.split_first() {
        Some((name, rest)) if name == "kill" => kill(rest),
        _ => Err(format!("there is no such soak: {USAGE}")),
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
