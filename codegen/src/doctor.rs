//! What the machine has, what it lacks, and what each thing is for.

use std::time::Instant;

use crate::fuzz;
use crate::node;
use crate::process::{Outcome, cargo_path, command, output, run};
use crate::syscalls;
use crate::tools::{browsers, kotlin, newer_node, swift, ubrn, wasm, workerd};

/// Something that the machine has or lacks.
struct Part {
    name: &'static str,
    unlocks: &'static str,
    /// Without it `cargo xtask test` cannot pass.
    required: bool,
    /// Its version, or what is missing and how to get it.
    find: fn() -> Outcome<String>,
    /// Puts it there; for what can be installed without asking.
    install: Option<fn() -> Outcome<()>>,
}

const PARTS: &[Part] = &[
    Part {
        name: "cargo",
        unlocks: "the engine, its bindings and this program",
        required: true,
        find: || {
            let rust =
                output(command(cargo_path(), &["--version"]), "install Rust 1.89 or later (with rustup)");
            at_least("Rust", rust, (1, 89))
        },
        install: None,
    },
    Part {
        name: "rustfmt",
        unlocks: "suite rustfmt, task format",
        required: true,
        find: || cargo_tool("fmt"),
        install: Some(|| add_component("rustfmt")),
    },
    Part {
        name: "clippy",
        unlocks: "suite clippy",
        required: true,
        find: || cargo_tool("clippy"),
        install: Some(|| add_component("clippy")),
    },
    Part {
        name: "node",
        unlocks: "everything in TypeScript",
        required: true,
        find: || at_least("Node.js", node::node_version(), (20, 19)),
        install: None,
    },
    Part {
        name: "npm",
        unlocks: "npm's packages, the demo, the benchmark",
        required: true,
        find: node::npm_version,
        install: None,
    },
    Part {
        name: "packages",
        unlocks: "npm's packages: everything in TypeScript (installed when first needed)",
        required: false,
        find: || match node::has_modules() {
            true => Ok("installed".to_owned()),
            false => Err("run `cargo xtask setup`".to_owned()),
        },
        install: Some(node::ensure_modules),
    },
    Part {
        name: "addon",
        unlocks: "running anything on Node (built when first needed)",
        required: false,
        find: || match node::built_addons().first() {
            Some(name) => Ok(name.trim_start_matches("jazz-native-storage.").to_owned()),
            None => Err("run `cargo xtask build`".to_owned()),
        },
        install: None,
    },
    Part {
        name: "C++ compiler",
        unlocks: "SQLite for the comparisons, where it has no ready-made addon",
        required: false,
        find: || match cfg!(windows) {
            true => output(command("where", &["cl"]), "install the Visual Studio Build Tools with C++"),
            false => output(command("c++", &["-dumpversion"]), "install g++ or clang"),
        },
        install: None,
    },
    Part {
        name: "python",
        unlocks: "as the C++ compiler",
        required: false,
        find: || {
            let python = if cfg!(windows) { "python" } else { "python3" };
            output(command(python, &["--version"]), "install Python 3")
        },
        install: None,
    },
    Part {
        name: "strace",
        unlocks: "suite syscalls (installed when first needed, where that is allowed)",
        required: false,
        find: || match cfg!(target_os = "linux") {
            true => syscalls::version(),
            false => Err("for Linux only".to_owned()),
        },
        install: if cfg!(target_os = "linux") { Some(syscalls::ensure) } else { None },
    },
    Part {
        name: "cargo-fuzz",
        unlocks: "suite and task fuzz (installed when first needed)",
        required: false,
        find: || match cfg!(windows) {
            true => Err("for Linux and macOS only".to_owned()),
            false => fuzz::find(),
        },
        install: if cfg!(windows) { None } else { Some(fuzz::ensure) },
    },
    Part {
        name: "wasm",
        unlocks: "the binding for browsers and Workers (installed when first needed)",
        required: false,
        find: wasm::find,
        install: Some(wasm::ensure),
    },
    Part {
        name: "chromium",
        unlocks: "suite web, which runs stores in browsers (installed when first needed)",
        required: false,
        find: || browsers::CHROMIUM.find(),
        install: Some(|| browsers::CHROMIUM.ensure()),
    },
    Part {
        name: "firefox",
        unlocks: "as chromium",
        required: false,
        find: || browsers::FIREFOX.find(),
        install: Some(|| browsers::FIREFOX.ensure()),
    },
    Part {
        name: "webkit",
        unlocks: "as chromium",
        required: false,
        find: browsers::find_webkit,
        install: Some(browsers::ensure_webkit),
    },
    Part {
        name: "kotlin",
        unlocks: "running the binding for Android, on a Java virtual machine (installed when first needed)",
        required: false,
        find: kotlin::find,
        install: Some(kotlin::ensure),
    },
    Part {
        name: "swift",
        unlocks: "running the binding for Apple's systems, on Linux too (installed when first needed)",
        required: false,
        find: swift::find,
        install: if cfg!(target_os = "linux") { Some(swift::ensure) } else { None },
    },
    Part {
        name: "ubrn",
        unlocks: "the binding for React Native (installed when first needed)",
        required: false,
        find: ubrn::find,
        install: Some(ubrn::ensure),
    },
    Part {
        name: "workerd",
        unlocks: "running the WebAssembly module as Cloudflare Workers do (installed when first needed)",
        required: false,
        find: workerd::find,
        install: Some(workerd::ensure),
    },
    Part {
        name: "newer-node",
        unlocks: "comparing with node:sqlite, where this Node has none (installed when first needed)",
        required: false,
        find: newer_node::find,
        install: Some(newer_node::ensure),
    },
];

/// Prints what is there and what is not; `Ok(false)` if something is missing that the tests need.
pub(crate) fn report() -> Outcome<bool> {
    let mut complete = true;
    for Part { name, unlocks, required, find, .. } in PARTS {
        match find() {
            Ok(version) => println!("ok       {name:<14} {version:<24} {unlocks}"),
            Err(reason) => {
                complete &= !required;
                println!("{}  {name:<14} {unlocks}", if *required { "MISSING" } else { "absent " });
                println!("         {:<14} {reason}", "");
            }
        }
    }
    Ok(complete)
}

/// Installs what is missing of the named parts, or of all, as far as it can be installed without asking; then reports.
///
/// `Ok(false)` if something is still missing that the tests need, or that was named.
pub(crate) fn setup(names: &[String]) -> Outcome<bool> {
    let parts = select(names)?;
    let mut failed = Vec::new();
    for (name, find, install) in parts {
        if find().is_ok() {
            continue;
        }
        println!("━━ {name}");
        let begun = Instant::now();
        match install() {
            Ok(()) => println!("{name}: installed in {:.0} seconds", begun.elapsed().as_secs_f64()),
            Err(reason) => {
                println!("{name}: {reason}");
                failed.push((name, reason));
            }
        }
    }
    let complete = report()?;
    if !failed.is_empty() {
        println!("\nnot installed:");
    }
    for (name, reason) in &failed {
        println!("  {name:<14} {reason}");
    }
    Ok(complete && (names.is_empty() || failed.is_empty()))
}

type Installable = (&'static str, fn() -> Outcome<String>, fn() -> Outcome<()>);

/// The named parts, or all, of those that can be installed.
fn select(names: &[String]) -> Outcome<Vec<Installable>> {
    let parts = PARTS.iter().filter_map(|part| Some((part.name, part.find, part.install?)));
    let parts: Vec<Installable> = parts.collect();
    if let Some(unknown) = names.iter().find(|name| !parts.iter().any(|part| part.0 == name.as_str())) {
        let known: Vec<_> = parts.iter().map(|part| part.0).collect();
        return Err(format!("setup does not know {unknown:?}: it installs {}", known.join(", ")));
    }
    Ok(parts.into_iter().filter(|part| names.is_empty() || names.iter().any(|name| name == part.0)).collect())
}

fn add_component(name: &str) -> Outcome<()> {
    let add = command("rustup", &["component", "add", name]);
    run(add, "install Rust with rustup, or this component with your package manager")
}

fn cargo_tool(name: &str) -> Outcome<String> {
    output(command(cargo_path(), &[name, "--version"]), "run `cargo xtask setup`")
}

/// `found` if the first two numbers in it are a version of at least `wanted`.
pub(crate) fn at_least(tool: &str, found: Outcome<String>, wanted: (u32, u32)) -> Outcome<String> {
    let found = found?;
    match version(&found) {
        Some(version) if version >= wanted => Ok(found),
        _ => Err(format!("{tool} is {found}, {}.{} or later is needed: update it", wanted.0, wanted.1)),
    }
}

/// The first two numbers of the first dotted version in a text such as `cargo 1.95.0 (f2d3ce0bd 2026-03-21)`.
fn version(text: &str) -> Option<(u32, u32)> {
    text.split_whitespace().find_map(|word| {
        let mut numbers = word.trim_start_matches('v').split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_tools_print() {
        assert_eq!(version("cargo 1.95.0 (f2d3ce0bd 2026-03-21)"), Some((1, 95)));
        assert_eq!(version("v20.20.2"), Some((20, 20)));
        assert_eq!(version("nothing of the kind"), None);
    }

    #[test]
    fn parts_are_installed_by_name() {
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            select(&names).map(|parts| parts.iter().map(|part| part.0).collect::<Vec<_>>())
        };
        assert_eq!(names(&["wasm", "rustfmt"]).unwrap(), ["rustfmt", "wasm"]);
        assert!(names(&[]).unwrap().contains(&"packages"));
        assert!(names(&["node"]).unwrap_err().contains("it installs rustfmt"));
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(at_least("x", Ok("v20.9.0".into()), (20, 19)).is_err());
        assert!(at_least("x", Ok("v20.19.0".into()), (20, 19)).is_ok());
        assert!(at_least("x", Ok("v22.0.0".into()), (20, 19)).is_ok());
        assert!(at_least("x", Ok("unknown".into()), (1, 0)).is_err());
    }
}
