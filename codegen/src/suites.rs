//! The suites of `cargo xtask test`: what they run, what they need, and the report.
//!
//! A suite runs after those it needs; if one of these did not pass, it is skipped. With `CI` set a skipped suite counts
//! as a failure of the run, so that nothing goes unnoticed there. The last line is `N passed, N failed, N skipped`.

mod lanes;

use std::time::{Duration, Instant};

use crate::bench;
use crate::bindings;
use crate::fuzz;
use crate::generate;
use crate::node;
use crate::process::{Outcome, cargo, say};
use crate::snippets;
use crate::syscalls;
use crate::tools::{ahead, uniffi};

struct Suite {
    name: &'static str,
    /// What passing it means.
    proves: &'static str,
    /// The suites that must have passed before.
    needs: &'static [&'static str],
    run: fn() -> Outcome<()>,
}

/// The benchmarks in Rust: a workspace of their own, as they compile the stores that the engine is compared with.
pub(crate) const BENCHES: &str = "benches/Cargo.toml";

/// The features of the benchmarks that Criterion runs.
pub(crate) const CRITERION: &str = "jazz-storage-bench/criterion,jazz-storage-compare/criterion";

/// The suites of `cargo xtask lint`.
pub(crate) const LINTS: &[&str] = &["rustfmt", "clippy", "biome"];

/// In the order in which they run: the quick ones that find most, and what others wait for, first.
const SUITES: &[Suite] = &[
    Suite {
        name: "rustfmt",
        proves: "Rust is formatted",
        needs: &[],
        run: || {
            cargo(&["fmt", "--all", "--check"])?;
            cargo(&["fmt", "--manifest-path", BENCHES, "--all", "--check"])?;
            cargo(&["fmt", "--manifest-path", fuzz::MANIFEST, "--check"])
        },
    },
    Suite {
        name: "modules",
        proves: "npm's packages are those of package-lock.json",
        needs: &[],
        run: node::ensure_modules,
    },
    Suite {
        name: "biome",
        proves: "TypeScript, JavaScript and JSON are formatted and free of lints",
        needs: &["modules"],
        run: || node::tool("biome", &["ci", "."]),
    },
    Suite {
        name: "clippy",
        proves: "Rust compiles without a warning of the compiler or of clippy, with all features",
        needs: &[],
        run: || {
            cargo(&[
                "clippy",
                "--workspace",
                "--exclude",
                uniffi::PACKAGE,
                "--all-targets",
                "--all-features",
                "--locked",
                "--",
                "-D",
                "warnings",
            ])
        },
    },
    Suite {
        name: "cases",
        proves: "the cases for bindings are what they are made from, and the engine passes them",
        needs: &[],
        run: || bindings::cases("--check"),
    },
    Suite {
        name: "cargo-test",
        proves: "Rust unit, property and documentation tests pass",
        needs: &[],
        run: || cargo(&["test", "--workspace", "--exclude", uniffi::PACKAGE, "--all-features", "--locked"]),
    },
    Suite {
        name: "bench-lint",
        proves: "the benchmarks in Rust, a workspace of their own, compile without a warning",
        needs: &[],
        run: || {
            cargo(&[
                "clippy",
                "--manifest-path",
                BENCHES,
                "--workspace",
                "--all-targets",
                "--features",
                CRITERION,
                "--locked",
                "--",
                "-D",
                "warnings",
            ])
        },
    },
    Suite {
        name: "bench-check",
        proves: "in a tiny size: the soak keeps every content and every bound, and the stores that the engine is compared with give back what they are given",
        needs: &["bench-lint"],
        run: || cargo(&["test", "--manifest-path", BENCHES, "--workspace", "--lib", "--tests", "--locked"]),
    },
    Suite {
        name: "fuzz",
        proves: "mutated records, manifests, runs, messages and operations give errors or values, never panics",
        needs: &[],
        run: fuzz::suite,
    },
    Suite {
        name: "addon",
        proves: "the addon for this platform builds in release mode",
        needs: &["modules"],
        run: || node::build_addon(&[]),
    },
    Suite {
        name: "codegen",
        proves: "the generated files are what the generators make of the API, for every language",
        needs: &["addon"],
        run: generate::suite,
    },
    Suite {
        name: "package",
        proves: "the TypeScript package compiles",
        needs: &["modules"],
        run: node::build_package,
    },
    Suite {
        name: "types",
        proves: "all TypeScript type-checks: sources, tests, examples, benchmarks, and the faces of all bindings against one interface",
        needs: &["addon", "package"],
        run: node::type_check,
    },
    Suite {
        name: "binding",
        proves: "the addon keeps lifetimes, threads, promises and errors right",
        needs: &["addon"],
        run: || node::node(&["--test", "platforms/napi/test/binding.test.mjs"]),
    },
    Suite {
        name: "wasm-host",
        proves: "the WebAssembly module is no larger than it may be, and keeps stores on a host's file system as the engine does natively",
        needs: &["addon", "package"],
        run: bindings::wasm_host,
    },
    Suite {
        name: "cases-node",
        proves: "the addon passes the cases for bindings",
        needs: &["addon", "modules", "cases"],
        run: bindings::cases_node,
    },
    Suite {
        name: "cases-wasm",
        proves: "the WebAssembly module passes the cases for bindings, on Node",
        needs: &["cases", "package"],
        run: bindings::cases_wasm,
    },
    Suite {
        name: "cases-kotlin",
        proves: "the binding for Kotlin passes the cases for bindings, on a Java virtual machine",
        needs: &["cases"],
        run: bindings::cases_kotlin,
    },
    Suite {
        name: "cases-swift",
        proves: "the binding for Swift passes the cases for bindings",
        needs: &["cases"],
        run: bindings::cases_swift,
    },
    Suite {
        name: "snippets",
        proves: "the TypeScript in README.md type-checks against the built package",
        needs: &["package"],
        run: snippets::check,
    },
    Suite {
        name: "vitest",
        proves: "the TypeScript tests pass on the built addon",
        needs: &["addon", "package"],
        run: || node::npm_script(node::PACKAGE, "test"),
    },
    Suite {
        name: "syscalls",
        proves: "on Linux: at the level strict nothing is done before it is synced, and what waits shares syncs; at relaxed, messages need next to no calls",
        needs: &["addon", "package"],
        run: syscalls::check,
    },
    Suite {
        name: "web",
        proves: "in Chromium and Firefox: files, cases and stores in the private file system, tabs, crashes, kills and quotas, what IndexedDB has, the inspector, and archives from and to Node; there and in WebKitGTK: fallbacks",
        needs: &["addon", "cases"],
        run: bindings::web,
    },
    Suite {
        name: "example-react",
        proves: "in Chromium and Firefox: an app of jazz-tools, built by Vite with the package as it is published, keeps what is entered",
        needs: &["modules"],
        run: bindings::example_react,
    },
    Suite {
        name: "workerd",
        proves: "in the runtime of Cloudflare Workers: cases, the tests of the storage, the bound, and the example",
        needs: &["modules", "cases"],
        run: bindings::workerd,
    },
    Suite {
        name: "tarball",
        proves: "the packages as they are published load and work without the checkout",
        needs: &["addon", "package"],
        run: || {
            // Some of what is published is made of the WebAssembly module.
            generate::build_wasm()?;
            node::build_package()?;
            node::node(&["codegen/scripts/check-tarball.mjs"])
        },
    },
    Suite {
        name: "conformance",
        proves: "cojson's own tests pass on this storage, in both flavours",
        needs: &["addon", "package"],
        run: || node::node(&["npm/conformance/run.mjs"]),
    },
    Suite {
        name: "demo",
        proves: "the demo stores and reloads a real node's data, in a small size, and notices what is wrong",
        needs: &["addon", "package"],
        run: || {
            node::npm_script("examples/node", "test")?;
            node::node(&["examples/node/demo.mjs", "--quick"])
        },
    },
    Suite {
        name: "bench",
        proves: "the benchmarks run and both sides of them hold the same data, in a small size",
        needs: &["addon", "package"],
        run: || {
            node::npm_script("benches/js", "test")?;
            node::quick_bench()?;
            node::node(&["benches/js/boundary.mjs", "--quick"])
        },
    },
    Suite {
        name: "bench-report",
        proves: "a report can be made of what the benchmark in JavaScript has just measured",
        needs: &["bench"],
        run: bench::check,
    },
];

/// How the reason begins of a suite that fails only because the machine cannot run it: it counts as skipped.
const SKIPPED: &str = "skipped: ";

#[derive(Clone)]
enum Verdict {
    Passed,
    Failed(String),
    Skipped(String),
}

/// A suite that has run, or was skipped.
#[derive(Clone)]
struct Done {
    suite: &'static Suite,
    verdict: Verdict,
    time: Duration,
}

/// The same outcome, a failure of it meaning that the machine cannot run the suite.
pub(crate) fn or_skipped<T>(outcome: Outcome<T>) -> Outcome<T> {
    outcome.map_err(|reason| format!("{SKIPPED}{reason}"))
}

/// Prints the names of all suites and what they prove.
pub(crate) fn list() {
    for suite in SUITES {
        println!("{:<13} {}", suite.name, suite.proves);
    }
}

/// The positions of the named suites and of what they need, in running order; all of them for an empty list.
pub(crate) fn select(names: &[&str]) -> Outcome<Vec<usize>> {
    let mut wanted: Vec<&str> =
        if names.is_empty() { SUITES.iter().map(|suite| suite.name).collect() } else { names.to_vec() };
    let mut chosen = Vec::new();
    while let Some(name) = wanted.pop() {
        let position = SUITES
            .iter()
            .position(|suite| suite.name == name)
            .ok_or_else(|| format!("there is no suite {name:?}: `cargo xtask test --list` names them"))?;
        if !chosen.contains(&position) {
            chosen.push(position);
            wanted.extend(SUITES[position].needs);
        }
    }
    chosen.sort_unstable();
    Ok(chosen)
}

/// Runs the suites at these positions and reports; `Ok(false)` if one failed, or was skipped with `CI` set.
///
/// All of them run in two lanes side by side, each of which would leave one of two processors idle for much of its time.
pub(crate) fn run(positions: &[usize]) -> Outcome<bool> {
    let start = Instant::now();
    let is_all = positions.len() == SUITES.len();
    let suites = positions.iter().filter_map(|&position| SUITES.get(position)).collect();
    let done = if is_all { lanes::run(suites) } else { one_by_one(suites) };
    ahead::wait();
    Ok(report(&done, start.elapsed()))
}

fn one_by_one(suites: Vec<&'static Suite>) -> Vec<Done> {
    let mut done: Vec<Done> = Vec::new();
    for suite in suites {
        println!("\n━━ {}: {}", suite.name, suite.proves);
        done.push(run_one(suite, &done));
    }
    done
}

/// Runs a suite, if those that it needs have passed.
fn run_one(suite: &'static Suite, done: &[Done]) -> Done {
    let begun = Instant::now();
    let verdict = match unmet(suite, done) {
        Some(reason) => Verdict::Skipped(reason),
        None => verdict((suite.run)()),
    };
    if let Verdict::Failed(reason) | Verdict::Skipped(reason) = &verdict {
        say!("{}: {reason}", suite.name);
    }
    Done { suite, verdict, time: begun.elapsed() }
}

fn verdict(outcome: Outcome<()>) -> Verdict {
    match outcome {
        Ok(()) => Verdict::Passed,
        Err(reason) => match reason.strip_prefix(SKIPPED) {
            Some(reason) => Verdict::Skipped(reason.to_owned()),
            None => Verdict::Failed(reason),
        },
    }
}

/// Which suite that this one needs has not passed.
fn unmet(suite: &Suite, done: &[Done]) -> Option<String> {
    let passed = |name: &str| {
        done.iter().any(|done| done.suite.name == name && matches!(done.verdict, Verdict::Passed))
    };
    suite.needs.iter().find(|name| !passed(name)).map(|name| format!("needs {name}, which did not pass"))
}

fn report(done: &[Done], total: Duration) -> bool {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    println!("\n{:<13} {:<8} {:>8}", "suite", "result", "seconds");
    for Done { suite, verdict, time } in done {
        let (count, word, detail) = match verdict {
            Verdict::Passed => (&mut passed, "passed", ""),
            Verdict::Failed(reason) => (&mut failed, "FAILED", reason.as_str()),
            Verdict::Skipped(reason) => (&mut skipped, "skipped", reason.as_str()),
        };
        *count += 1;
        println!("{:<13} {word:<8} {:>8.1}  {detail}", suite.name, time.as_secs_f64());
    }
    println!("{:<13} {:<8} {:>8.1}", "total", "", total.as_secs_f64());
    let in_ci = std::env::var_os("CI").is_some_and(|value| value != "false" && !value.is_empty());
    if in_ci && skipped > 0 {
        println!("CI is set: a skipped suite fails the run");
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    failed == 0 && !(in_ci && skipped > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_needs_come_before() {
        for (position, suite) in SUITES.iter().enumerate() {
            assert_eq!(SUITES.iter().position(|other| other.name == suite.name), Some(position));
            for need in suite.needs {
                assert!(
                    SUITES[..position].iter().any(|earlier| earlier.name == *need),
                    "{} needs {need}",
                    suite.name
                );
            }
        }
    }

    #[test]
    fn selecting_one_brings_what_it_needs() {
        let names: Vec<_> =
            select(&["vitest"]).unwrap().into_iter().map(|position| SUITES[position].name).collect();
        assert_eq!(names, ["modules", "addon", "package", "vitest"]);
        assert_eq!(select(&[]).unwrap().len(), SUITES.len());
        assert!(select(&["nothing"]).unwrap_err().contains("nothing"));
    }

    #[test]
    fn a_suite_is_skipped_unless_all_it_needs_has_passed() {
        let suite = |name| SUITES.iter().find(|suite| suite.name == name).unwrap();
        let done = |name, verdict| Done { suite: suite(name), verdict, time: Duration::ZERO };
        let passed = |name| done(name, Verdict::Passed);
        let failed = |name| done(name, Verdict::Failed("no".into()));
        assert_eq!(unmet(suite("vitest"), &[passed("addon"), passed("package")]), None);
        assert!(unmet(suite("vitest"), &[failed("addon"), passed("package")]).unwrap().contains("addon"));
        assert!(unmet(suite("vitest"), &[passed("addon")]).unwrap().contains("package"));
    }

    #[test]
    fn a_suite_that_cannot_run_here_is_skipped_and_any_other_failure_is_one() {
        assert!(matches!(verdict(Ok(())), Verdict::Passed));
        assert!(matches!(verdict(Err("broken".into())), Verdict::Failed(reason) if reason == "broken"));
        let skipped = verdict(or_skipped(Err("no tool".into())));
        assert!(matches!(skipped, Verdict::Skipped(reason) if reason == "no tool"));
    }
}
