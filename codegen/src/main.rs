//! `cargo xtask`: one entrance to building, testing, measuring and setting up the workspace.
//!
//! Works from a clean clone with Rust and Node alone: whatever else is needed is npm's to install, and is installed when
//! `package-lock.json` asks for something else than what is there (`node.rs`).

mod bench;
mod bindings;
mod corpus;
mod crash;
mod doctor;
mod fuzz;
mod generate;
mod node;
mod process;
mod snippets;
mod soak;
mod suites;
mod syscalls;
#[allow(dead_code, reason = "the bindings that use all of it come next")]
mod tools;

use std::process::ExitCode;

use process::Outcome;

const USAGE: &str = "\
cargo xtask <task>

  setup [NAME...]       install what is missing of what can be installed without asking, or the named parts of it
  doctor                say what is there, what is missing and what it is needed for
  build                 build the addon of this platform and the TypeScript package
  addon [ARGS...]       build the addon only, passing arguments such as --target on to napi
  package               build the TypeScript package only
  web                   build the TypeScript package with the WebAssembly module, for browsers
  codegen [--check]     write what the generators make of the API for every language, or compare it
  test [--list]         run every suite, or list them
       [--only NAME]    run one suite and what it needs (may be given several times)
  demo [ARGS...]        build, then run the Node demo
  bench                 measure against other storages, then write benches/REPORT.md
        [--quick]       does everything work? The report goes to target/xtask/bench
        [--js-only]     one suite only; its report goes there, too (also --engine-only)
        [--report-only] the report anew, of the newest results
        [--rounds N] [--seed N] [--dir PATH]
  bench-boundary [ARGS...]  measure what a call costs through the addon and through WebAssembly
  bench-web [ARGS...]   measure against IndexedDB in browsers (--help tells more)
  bench-engine [ARGS...]  measure the engine alone against SQLite and other stores (Criterion)
  bench-compare [ARGS...]  measure it against other stores in processes of their own (--help tells more)
  corpus                write the stores that later builds must open, once per format version
  crash [--states N]    power cuts, failing calls, full disks and damage, at length
        [--points N] [--damage N] [--seed S] [--only CASE]
  soak [NAME] [ARGS...]  long runs: stalls, space, memory, openings, strict (soak --help names them)
  fuzz [TARGET]         fuzz one target or all (Linux and macOS)
       [--seconds N]    for each target
       [--input FILE]   run the target on one input, such as one that a run has found
  lint                  formatting and lints of Rust and TypeScript, changing nothing
  format                format Rust and TypeScript
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a task; `Ok(false)` if it ran and something in it failed that has been reported already.
fn run(arguments: &[String]) -> Outcome<bool> {
    let Some((task, rest)) = arguments.split_first() else {
        print!("{USAGE}");
        return Ok(false);
    };
    match task.as_str() {
        "setup" => doctor::setup(rest),
        "doctor" => doctor::report(),
        "build" => node::build_addon(&[]).and_then(|()| node::build_package()).map(|()| true),
        "addon" => node::build_addon(rest).map(|()| true),
        "codegen" => generate::task(rest).map(|()| true),
        "package" => node::build_package().map(|()| true),
        "web" => generate::build_wasm().and_then(|_| node::build_package()).map(|()| true),
        "test" => test(rest),
        "demo" => node::demo(rest).map(|()| true),
        "bench" => bench::run(rest).map(|()| true),
        "bench-boundary" => generate::bench_boundary(rest).map(|()| true),
        "bench-web" => bindings::bench_web(rest).map(|()| true),
        "bench-engine" => bench_engine(rest).map(|()| true),
        "bench-compare" => bench_compare(rest).map(|()| true),
        "corpus" => corpus::write().map(|()| true),
        "crash" => crash::crash(rest).map(|()| true),
        "soak" => soak::run(rest).map(|()| true),
        "fuzz" => fuzz::task(rest).map(|()| true),
        "lint" => suites::run(&suites::select(suites::LINTS)?),
        "format" => format().map(|()| true),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(true)
        }
        unknown => Err(format!("there is no task {unknown:?}\n\n{USAGE}")),
    }
}

fn test(arguments: &[String]) -> Outcome<bool> {
    let mut only = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--list" => {
                suites::list();
                return Ok(true);
            }
            "--only" => {
                only.push(rest.next().ok_or("--only needs the name of a suite (see --list)")?.as_str());
            }
            unknown => {
                return Err(format!("test does not know {unknown:?}: it takes --list and --only NAME"));
            }
        }
    }
    suites::run(&suites::select(&only)?)
}

fn bench_engine(arguments: &[String]) -> Outcome<()> {
    let mut all = vec!["bench", "--locked", "--manifest-path", suites::BENCHES, "--workspace"];
    all.extend(["--features", suites::CRITERION, "--"]);
    all.extend(arguments.iter().map(String::as_str));
    process::cargo(&all)
}

fn bench_compare(arguments: &[String]) -> Outcome<()> {
    let mut all =
        vec!["run", "--release", "--locked", "--manifest-path", suites::BENCHES, "--bin", "compare", "--"];
    all.extend(arguments.iter().map(String::as_str));
    process::cargo(&all)
}

fn format() -> Outcome<()> {
    process::cargo(&["fmt", "--all"])?;
    process::cargo(&["fmt", "--manifest-path", suites::BENCHES, "--all"])?;
    process::cargo(&["fmt", "--manifest-path", fuzz::MANIFEST])?;
    node::ensure_modules()?;
    node::tool("biome", &["check", "--write", "."])
}
