//! What the machine has, what it lacks, and what each thing is for.

use crate::node;
use crate::process::{Outcome, cargo_path, command, output, run};
use crate::syscalls;

struct Finding {
    tool: &'static str,
    found: Outcome<String>,
    unlocks: &'static str,
    /// Without it `cargo xtask test` cannot pass.
    required: bool,
}

/// Prints the findings; `Ok(false)` if something is missing that the tests need.
pub(crate) fn report() -> Outcome<bool> {
    let findings = findings();
    for Finding { tool, found, unlocks, required } in &findings {
        match found {
            Ok(version) => println!("ok       {tool:<14} {version:<24} {unlocks}"),
            Err(reason) => {
                println!("{}  {tool:<14} {unlocks}", if *required { "MISSING" } else { "absent " });
                println!("         {:<14} {reason}", "");
            }
        }
    }
    Ok(findings.iter().all(|finding| finding.found.is_ok() || !finding.required))
}

/// Installs what is missing and needs no decision: Rust's components and npm's packages.
pub(crate) fn setup() -> Outcome<()> {
    for (component, found) in [("rustfmt", cargo_tool("fmt")), ("clippy", cargo_tool("clippy"))] {
        if found.is_err() {
            let add = command("rustup", &["component", "add", component]);
            run(add, "install Rust with rustup, or this component with your package manager")?;
        }
    }
    at_least("Node.js", node::node_version(), (20, 19))?;
    node::ensure_modules()
}

fn findings() -> Vec<Finding> {
    let rust = output(command(cargo_path(), &["--version"]), "install Rust 1.89 or later (with rustup)");
    let compiler = if cfg!(windows) {
        output(command("where", &["cl"]), "install the Visual Studio Build Tools with C++")
    } else {
        output(command("c++", &["-dumpversion"]), "install g++ or clang")
    };
    let python =
        output(command(if cfg!(windows) { "python" } else { "python3" }, &["--version"]), "install Python 3");
    let modules = match node::has_modules() {
        true => Ok("installed".to_owned()),
        false => Err("run `cargo xtask setup`".to_owned()),
    };
    let addons = node::built_addons();
    let addon = match addons.first() {
        Some(name) => Ok(name.trim_start_matches("jazz-native-storage.").to_owned()),
        None => Err("run `cargo xtask build`".to_owned()),
    };
    let finding = |tool, found, unlocks, required| Finding { tool, found, unlocks, required };
    vec![
        finding("cargo", at_least("Rust", rust, (1, 89)), "the engine, its bindings and this program", true),
        finding("rustfmt", cargo_tool("fmt"), "suite rustfmt, task format", true),
        finding("clippy", cargo_tool("clippy"), "suite clippy", true),
        finding(
            "node",
            at_least("Node.js", node::node_version(), (20, 19)),
            "everything in TypeScript",
            true,
        ),
        finding("npm", node::npm_version(), "npm's packages, the demo, the benchmark", true),
        finding("npm packages", modules, "everything in TypeScript (installed when first needed)", false),
        finding("addon", addon, "running anything on Node (built when first needed)", false),
        finding(
            "C++ compiler",
            compiler,
            "SQLite for the comparisons, where it has no ready-made addon",
            false,
        ),
        finding(
            "strace",
            if cfg!(target_os = "linux") { syscalls::version() } else { Err("for Linux only".to_owned()) },
            "suite syscalls (installed when first needed, where that is allowed)",
            false,
        ),
        finding("python", python, "as the C++ compiler", false),
    ]
}

fn cargo_tool(name: &str) -> Outcome<String> {
    output(command(cargo_path(), &[name, "--version"]), "run `cargo xtask setup`")
}

/// `found` if the first two numbers in it are a version of at least `wanted`.
fn at_least(tool: &str, found: Outcome<String>, wanted: (u32, u32)) -> Outcome<String> {
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
    fn versions_are_compared_as_numbers() {
        assert!(at_least("x", Ok("v20.9.0".into()), (20, 19)).is_err());
        assert!(at_least("x", Ok("v20.19.0".into()), (20, 19)).is_ok());
        assert!(at_least("x", Ok("v22.0.0".into()), (20, 19)).is_ok());
        assert!(at_least("x", Ok("unknown".into()), (1, 0)).is_err());
    }
}
