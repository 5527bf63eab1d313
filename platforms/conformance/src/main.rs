//! The cases that every binding has to pass, as data: `cases.json` in this directory, which README.md describes.
//!
//! Everything in it comes from here. What the cases expect is written out by hand and encoded by `forms.rs`, not recorded
//! from the engine. The engine's model confirms what can be confirmed by it, and every case is run through the Rust API in
//! both forms before the file is written.

mod bytes;
mod case;
mod cases;
#[cfg(test)]
mod coverage;
mod files;
mod forms;
mod handles;
mod json;
mod model;
mod results;
mod run;
mod steps;

use run::Form;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
jazz-native-storage-conformance [write | --check]

Runs every case through the Rust API and the model, then writes cases.json, or compares it with --check.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let finish = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => None,
        ["write"] => Some(write as fn(&Path, &str) -> Result<(), String>),
        ["--check"] => Some(compare as fn(&Path, &str) -> Result<(), String>),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let cases = cases::all();
    if !check(&cases) {
        return ExitCode::FAILURE;
    }
    match finish.map(|finish| finish(&file(), &case::write(&cases))) {
        Some(Err(why)) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Where the cases lie.
fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases.json")
}

fn write(file: &Path, cases: &str) -> Result<(), String> {
    std::fs::write(file, cases).map_err(|e| format!("cannot write {}: {e}", file.display()))
}

fn compare(file: &Path, cases: &str) -> Result<(), String> {
    // Where git makes line ends of two characters, it is the same file.
    let present = std::fs::read_to_string(file).unwrap_or_default().replace("\r\n", "\n");
    if present == cases {
        return Ok(());
    }
    Err(format!("{} is not what the cases say: run `cargo xtask codegen`", file.display()))
}

/// Runs all cases, and ends with a line as every runner does.
fn check(cases: &[case::Case]) -> bool {
    let mut failed = 0;
    for case in cases {
        let mut results = vec![run::run(case, Form::Blocking), run::run(case, Form::NonBlocking)];
        if let Err(why) = model::agrees(case) {
            results.push(Err(why));
        }
        for why in results.into_iter().filter_map(Result::err) {
            eprintln!("{why}");
            failed += 1;
        }
    }
    let runs = cases.len() * 2;
    let passed = runs.saturating_sub(failed);
    println!("binding conformance: rust: {runs} cases, {passed} passed, {failed} failed, 0 not applicable");
    failed == 0
}
