//! Fuzzing of the engine's formats and of whole stores, with cargo-fuzz (libFuzzer) on the stable toolchain.
//!
//! Targets and what they check are in `storage-core/fuzz`. cargo-fuzz is installed by cargo into `.tools`, in one version.
//! Inputs that a long run found worth keeping stay in `storage-core/fuzz/corpus`; the suite begins anew each time, from
//! seeds that the target itself writes.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::{Outcome, cargo_path, command, output, root, run as run_command, rustc_path, say};
use crate::tools::crates::Program;

/// The manifest of the targets' workspace, from the root.
pub(crate) const MANIFEST: &str = "storage-core/fuzz/Cargo.toml";

const FOLDER: &str = "storage-core/fuzz";
const CARGO_FUZZ: Program = Program { package: "cargo-fuzz", name: "cargo-fuzz", version: "0.13.2" };
const TARGETS: [&str; 6] = ["record", "manifest", "run", "wire", "store", "file"];

/// Seconds for each target: in the suite, and of the task unless it is told otherwise.
const SUITE_SECONDS: u32 = 4;
const TASK_SECONDS: u32 = 60;

/// How much of the end of a target's output is shown when it fails without saying why.
const LINES_SHOWN: usize = 40;

/// How the targets are run.
struct Fuzzing {
    sanitizer: &'static str,
    seconds: u32,
    /// Whether to show how it is going, and to keep the inputs found.
    long: bool,
    seed: Option<u32>,
}

/// The suite: every target for a few seconds.
pub(crate) fn suite() -> Outcome<()> {
    if cfg!(windows) {
        say!("libFuzzer is used on Linux and macOS only: nothing is fuzzed here");
        return Ok(());
    }
    all(&TARGETS, &Fuzzing { sanitizer: prepare()?, seconds: SUITE_SECONDS, long: false, seed: seed()? })
}

/// The task: `[TARGET] [--seconds N] [--input FILE]`.
pub(crate) fn task(arguments: &[String]) -> Outcome<()> {
    let (mut targets, mut seconds, mut input) = (Vec::new(), TASK_SECONDS, None);
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(argument) = rest.next() {
        match argument {
            "--seconds" => {
                let number = rest.next().and_then(|number| number.parse().ok());
                seconds = number.filter(|number| *number > 0).ok_or("--seconds needs a number above 0")?;
            }
            "--input" => input = Some(rest.next().ok_or("--input needs a file")?),
            name if TARGETS.contains(&name) => targets.push(name),
            unknown => {
                return Err(format!(
                    "fuzz does not know {unknown:?}: it takes {}, --seconds N and --input FILE",
                    TARGETS.join(", ")
                ));
            }
        }
    }
    if cfg!(windows) {
        return Err("libFuzzer is used on Linux and macOS only".to_owned());
    }
    let fuzzing = Fuzzing { sanitizer: prepare()?, seconds, long: true, seed: seed()? };
    match (input, targets.as_slice()) {
        (None, []) => all(&TARGETS, &fuzzing),
        (None, some) => all(some, &fuzzing),
        (Some(file), [target]) => {
            let file = fs::canonicalize(file).map_err(|error| format!("cannot find {file}: {error}"))?;
            run_command(fuzzing.of(target, &[&file]), "")
        }
        (Some(_), _) => Err("--input needs the name of the target that the file is for".to_owned()),
    }
}

/// `JAZZ_FUZZ_SEED`, by which a run is repeated; libFuzzer prints the one that it chose.
fn seed() -> Outcome<Option<u32>> {
    let Some(seed) = std::env::var_os("JAZZ_FUZZ_SEED") else { return Ok(None) };
    let number = seed.to_str().and_then(|seed| seed.parse().ok());
    number.map(Some).ok_or_else(|| format!("JAZZ_FUZZ_SEED is {}, not a number", seed.display()))
}

/// Installs cargo-fuzz unless it is there, and builds the targets. Gives the sanitizer they are built with.
fn prepare() -> Outcome<&'static str> {
    ensure()?;
    let sanitizer = if has_address_sanitizer()? {
        "address"
    } else {
        say!("this toolchain has no AddressSanitizer for this platform: fuzzing without it");
        "none"
    };
    // cargo-fuzz has no `--locked`.
    let metadata =
        ["metadata", "--locked", "--format-version", "1", "--no-deps", "--manifest-path", MANIFEST];
    output(command(cargo_path(), &metadata), "install Rust (with rustup)")?;
    run_command(cargo_fuzz_on("build", sanitizer), "install Rust (with rustup)")?;
    Ok(sanitizer)
}

/// The version of cargo-fuzz, if it is installed.
pub(crate) fn find() -> Outcome<String> {
    CARGO_FUZZ.find()
}

/// Installs cargo-fuzz unless it is there.
pub(crate) fn ensure() -> Outcome<()> {
    CARGO_FUZZ.ensure()
}

/// cargo-fuzz with a subcommand, on our targets.
fn cargo_fuzz_on(subcommand: &str, sanitizer: &str) -> Command {
    // In few units, as is the default, compiling takes longer than the suite fuzzes.
    let arguments = [subcommand, "--fuzz-dir", FOLDER, "--sanitizer", sanitizer, "--codegen-units", "16"];
    let mut command = command(CARGO_FUZZ.path(), &arguments);
    // Instrumentation is for nightly compilers only, unless a stable one is told to act as one.
    command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Dwarnings");
    command
}

/// Whether the compiler brings the runtime of AddressSanitizer for this platform.
fn has_address_sanitizer() -> Outcome<bool> {
    let folder = output(command(rustc_path(), &["--print", "target-libdir"]), "install Rust (with rustup)")?;
    let entries = fs::read_dir(&folder).map_err(|error| format!("cannot list {folder}: {error}"))?;
    Ok(entries.flatten().any(|entry| entry.file_name().to_string_lossy().contains("_rt.asan")))
}

fn all(targets: &[&str], fuzzing: &Fuzzing) -> Outcome<()> {
    let (mut total, mut failed) = (0, Vec::new());
    for target in targets {
        match fuzzing.fuzz(target) {
            Ok(executions) => {
                say!("fuzz {target:<10} {executions:>12} executions in {} seconds", fuzzing.seconds);
                total += executions;
            }
            Err(reason) => {
                say!("fuzz {target:<10} FAILED: {reason}");
                failed.push(*target);
            }
        }
    }
    say!("fuzz {:<10} {total:>12} executions, sanitizer: {}", "total", fuzzing.sanitizer);
    match failed.as_slice() {
        [] => Ok(()),
        [first, ..] => Err(format!(
            "found something in {}: `cargo xtask fuzz {first} --input FILE` runs one input again",
            failed.join(", ")
        )),
    }
}

impl Fuzzing {
    /// The command that runs a target on these files or folders.
    fn of(&self, target: &str, inputs: &[&Path]) -> Command {
        let mut command = cargo_fuzz_on("run", self.sanitizer);
        command.arg(target).args(inputs);
        command
    }

    /// Fuzzes a target and gives the number of executions.
    fn fuzz(&self, target: &str) -> Outcome<u64> {
        let seeds = empty(&root().join("target/xtask/fuzz/seeds").join(target))?;
        let mut seeding = self.of(target, &[]);
        let seeding = output_of(seeding.env("JAZZ_FUZZ_SEEDS", &seeds))?;
        if !seeding.succeeded {
            return Err(format!("its seeds could not be made:\n{}", seeding.shown()));
        }
        let corpus = if self.long {
            let kept = root().join(FOLDER).join("corpus").join(target);
            fs::create_dir_all(&kept).map_err(|error| format!("cannot make {}: {error}", kept.display()))?;
            kept
        } else {
            empty(&root().join("target/xtask/fuzz/corpus").join(target))?
        };
        let mut command = self.of(target, &[&corpus, &seeds]);
        command.args(["--", "-print_final_stats=1", "-timeout=20", "-rss_limit_mb=2048"]);
        command.arg(format!("-max_total_time={}", self.seconds));
        if let Some(seed) = self.seed {
            command.arg(format!("-seed={seed}"));
        }
        let run = output_of_with(&mut command, |line| {
            if self.long && line.starts_with('#') && line.contains("pulse") {
                say!("{target}: {line}");
            }
        })?;
        match run.executions {
            Some(executions) if run.succeeded => Ok(executions),
            _ => Err(run.shown()),
        }
    }
}

/// An empty folder.
fn empty(folder: &Path) -> Outcome<PathBuf> {
    let failed = |error| format!("cannot empty {}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(failed)?;
    }
    fs::create_dir_all(folder).map_err(failed)?;
    Ok(folder.to_owned())
}

/// What a target said.
struct Said {
    succeeded: bool,
    executions: Option<u64>,
    /// What it failed of, where its input is, and how to repeat it.
    telling: Vec<String>,
    last: VecDeque<String>,
}

impl Said {
    fn shown(&self) -> String {
        let lines: Vec<&String> =
            if self.telling.len() > 1 { self.telling.iter().collect() } else { self.last.iter().collect() };
        lines.into_iter().fold("\n".to_owned(), |shown, line| shown + "  " + line + "\n")
    }
}

/// Whether a line says what happened, or, if the one before began to, goes on with it.
fn tells(line: &str, before: Option<&String>) -> bool {
    // The input in Base64 is all that is left of it where the machine is not.
    let marks = ["panicked at", "ERROR: ", "SUMMARY: ", "Test unit written to", "Base64: ", "INFO: Seed:"];
    marks.iter().any(|mark| line.contains(mark))
        || before.is_some_and(|before| before.contains("panicked at"))
}

fn output_of(command: &mut Command) -> Outcome<Said> {
    output_of_with(command, |_| ())
}

/// Runs a target to its end, reading the lines that it writes to standard error.
fn output_of_with(command: &mut Command, each: impl Fn(&str)) -> Outcome<Said> {
    let failed = |error| format!("cargo-fuzz could not be run: {error}");
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(failed)?;
    let (mut executions, mut telling, mut last) = (None, Vec::new(), VecDeque::new());
    if let Some(stderr) = child.stderr.take() {
        // Inputs are shown as they are, which need not be UTF-8.
        for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            each(&line);
            executions = executed(&line).or(executions);
            if tells(&line, last.back()) {
                telling.push(line.clone());
            }
            last.push_back(line);
            if last.len() > LINES_SHOWN {
                last.pop_front();
            }
        }
    }
    let succeeded = child.wait().map_err(failed)?.success();
    Ok(Said { succeeded, executions, telling, last })
}

/// The number of executions, if this is the line that tells it.
fn executed(line: &str) -> Option<u64> {
    line.strip_prefix("stat::number_of_executed_units:")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_targets_are_those_of_the_manifest() {
        let manifest = fs::read_to_string(root().join(MANIFEST)).unwrap();
        let bins = manifest.split("[[bin]]").skip(1).map(|bin| {
            let name = bin.lines().find_map(|line| line.strip_prefix("name = ")).unwrap();
            name.trim_matches('"')
        });
        assert_eq!(bins.collect::<Vec<_>>(), TARGETS);
    }

    #[test]
    fn executions_are_read_from_the_statistics() {
        assert_eq!(executed("stat::number_of_executed_units: 183239"), Some(183_239));
        assert_eq!(executed("stat::average_exec_per_sec:     30539"), None);
    }
}
