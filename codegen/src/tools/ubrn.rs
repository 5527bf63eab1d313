//! uniffi-bindgen-react-native (`ubrn`): the generator of the React Native bindings.
//!
//! npm carries it as source, with what generated code includes and imports. It is compiled once, into `.tools/ubrn`; its own
//! launcher would leave all that the compiler writes there, and ask cargo each time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::node;
use crate::process::{Outcome, cargo_path, command, run};
use crate::tools::{Folder, remove};

const FOLDER: Folder = Folder { name: "ubrn", version: "0.31.0-5" };
const PACKAGE: &str = "uniffi-bindgen-react-native";

/// The version that is there, or how to get it.
pub(crate) fn find() -> Outcome<String> {
    match FOLDER.is_there() {
        true => Ok(FOLDER.version.to_owned()),
        false => Err(format!(
            "{PACKAGE} {} is not in .tools: run `cargo xtask setup ubrn`, which compiles it for minutes",
            FOLDER.version
        )),
    }
}

/// Installs it unless it is there.
pub(crate) fn ensure() -> Outcome<()> {
    FOLDER.ensure(|folder| {
        node::install_into(folder, &format!("{PACKAGE}@{}", FOLDER.version))?;
        let target = folder.join("target");
        let mut build = command(cargo_path(), &["build", "--manifest-path"]);
        build.arg(in_modules(folder).join("crates/ubrn_cli/Cargo.toml"));
        build.args(["--bin", PACKAGE]).arg("--target-dir").arg(&target);
        build.env("CARGO_INCREMENTAL", "0");
        build.env("CARGO_PROFILE_DEV_DEBUG", "false").env("CARGO_PROFILE_DEV_STRIP", "symbols");
        run(build, "install Rust (with rustup)")?;
        let built = target.join("debug").join(PACKAGE).with_extension(std::env::consts::EXE_EXTENSION);
        fs::rename(&built, program_in(folder))
            .map_err(|error| format!("cannot move {}: {error}", built.display()))?;
        remove(&target)
    })
}

/// Generates TypeScript and C++ of a compiled library.
pub(crate) fn generate(library: &Path, ts_dir: &Path, cpp_dir: &Path) -> Outcome<()> {
    let mut generate = ubrn(&["generate", "jsi", "bindings", "--library", "--no-format"])?;
    generate.arg("--ts-dir").arg(ts_dir).arg("--cpp-dir").arg(cpp_dir).arg(library);
    run(generate, "run `cargo xtask setup ubrn`")
}

/// The command that runs the generator.
pub(crate) fn ubrn(arguments: &[&str]) -> Outcome<Command> {
    find()?;
    Ok(command(program_in(&FOLDER.path()), arguments))
}

/// The folder of npm's package, with the C++ and TypeScript that generated code needs.
pub(crate) fn package() -> Outcome<PathBuf> {
    find()?;
    Ok(in_modules(&FOLDER.path()))
}

fn in_modules(folder: &Path) -> PathBuf {
    folder.join("node_modules").join(PACKAGE)
}

fn program_in(folder: &Path) -> PathBuf {
    folder.join("ubrn").with_extension(std::env::consts::EXE_EXTENSION)
}
