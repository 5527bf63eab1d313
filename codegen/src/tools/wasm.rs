//! WebAssembly: crates compiled for `wasm32-unknown-unknown`, and what makes modules of them.
//!
//! The standard library for the target is rustup's. Where that cannot be had, it is compiled from the source that Debian
//! packages, with the compiler of the same package (`rustc-web`), as cargo does it for its unstable `build-std`.
//! `wasm-bindgen` works only with a program of the very version of the crate, so the version is that of `Cargo.lock`.
//! `wasm-opt` is npm's, in the version of `package-lock.json`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::doctor::at_least;
use crate::node;
use crate::process::{Outcome, cargo_path, command, output, root, run, rustc_path, say};
use crate::tools::crates::Program;
use crate::tools::{ahead, apt};

const TARGET: &str = "wasm32-unknown-unknown";
const GET_TARGET: &str =
    "run `rustup target add wasm32-unknown-unknown`, or on Debian `cargo xtask setup wasm`";
const GET_RUST: &str = "install Rust (with rustup)";

/// Debian's compiler, and the packages that bring it with the source of its standard library.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];

/// A target directory of its own, so that the native build stays warm.
const TARGET_DIR: &str = "target/wasm";

/// Where the standard library for the target comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Library {
    /// It came with the toolchain.
    Toolchain,
    /// It is compiled from Debian's source, by Debian's compiler.
    Debian,
}

/// What is there, or the first thing that is not.
pub(crate) fn find() -> Outcome<String> {
    let library = match library()? {
        Library::Toolchain => "",
        Library::Debian => ", with Debian's library",
    };
    let version = bindgen_version()?;
    bindgen(&version)?;
    if !node::has_tool("wasm-opt") {
        return Err("npm's package binaryen is missing: run `cargo xtask setup`".to_owned());
    }
    Ok(format!("wasm-bindgen {version}{library}"))
}

/// Installs what is missing.
pub(crate) fn ensure() -> Outcome<()> {
    ensure_library()?;
    let version = bindgen_version()?;
    if bindgen(&version).is_err() {
        program(&version).ensure()?;
    }
    node::ensure_modules()
}

/// Compiles a package of the workspace as a `cdylib`, in this profile of cargo's and with these further arguments, and gives
/// the path of its module.
pub(crate) fn cargo_build(package: &str, profile: &str, arguments: &[&str]) -> Outcome<PathBuf> {
    build_with(library()?, package, profile, arguments)
}

/// Makes JavaScript and declarations of a module, and the module that belongs to them, in `out_dir`.
pub(crate) fn wasm_bindgen(module: &Path, out_dir: &Path, arguments: &[&str]) -> Outcome<()> {
    let mut bindgen = command(bindgen(&bindgen_version()?)?, arguments);
    bindgen.arg("--out-dir").arg(out_dir).arg(module);
    run(bindgen, "run `cargo xtask setup wasm`")
}

/// Optimizes a module, in place, as these arguments of `wasm-opt` say.
pub(crate) fn wasm_opt(module: &Path, arguments: &[&str]) -> Outcome<()> {
    let mut optimize = node::tool_command("wasm-opt", arguments);
    optimize.arg("-o").arg(module).arg(module);
    run(optimize, "run `cargo xtask setup wasm`")
}

fn build_with(library: Library, package: &str, profile: &str, arguments: &[&str]) -> Outcome<PathBuf> {
    let mut build = command(cargo_path(), &["build", "--locked", "--target", TARGET, "--profile", profile]);
    build.args(["--package", package, "--target-dir", TARGET_DIR]).args(arguments);
    if library == Library::Debian {
        build.args(["-Z", "build-std=std,panic_abort"]);
        build.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
        // Debian's compiler brings no linker for this target.
        build.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", rust_lld()?);
    }
    run(build, GET_RUST)?;
    let folder = if profile == "dev" { "debug" } else { profile };
    let module = root().join(TARGET_DIR).join(TARGET).join(folder);
    let module = module.join(format!("{}.wasm", package.replace('-', "_")));
    if module.exists() {
        Ok(module)
    } else {
        Err(format!("{package} has compiled, but not to {}: is it a cdylib?", module.display()))
    }
}

/// The standard library that is there.
fn library() -> Outcome<Library> {
    if has_target()? {
        Ok(Library::Toolchain)
    } else if has_debian() {
        Ok(Library::Debian)
    } else {
        Err(format!("Rust's standard library for WebAssembly is missing: {GET_TARGET}"))
    }
}

fn ensure_library() -> Outcome<()> {
    ahead::wait();
    if library().is_ok() {
        return Ok(());
    }
    // It is of no use if it is not rustup's cargo that runs this program.
    let added = run(command("rustup", &["target", "add", TARGET]), GET_RUST).and_then(|()| library());
    let Err(reason) = added else { return Ok(()) };
    if !cfg!(target_os = "linux") {
        return Err(reason);
    }
    say!("{reason}: trying Debian's packages");
    let installed = apt::install(&DEBIAN_PACKAGES).and_then(|()| library());
    installed.map(|_| ()).map_err(|debian| format!("{reason}; nor are Debian's packages to be had: {debian}"))
}

/// Whether the toolchain has the standard library for the target, whoever has put it there.
fn has_target() -> Outcome<bool> {
    let folder = output(command(rustc_path(), &["--print", "target-libdir", "--target", TARGET]), GET_RUST)?;
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.any(|name| name.starts_with("libstd-") && name.ends_with(".rlib")))
}

/// Whether Debian's compiler is there, new enough, and with the source of its library.
fn has_debian() -> bool {
    let version = output(command(DEBIAN_RUSTC, &["--version"]), "");
    let source = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";
    at_least("rustc", version, (1, 89)).is_ok() && Path::new(source).exists()
}

/// The linker that comes with rustup's toolchains.
fn rust_lld() -> Outcome<PathBuf> {
    let folder = output(command(rustc_path(), &["--print", "target-libdir"]), GET_RUST)?;
    let linker = Path::new(&folder).with_file_name("bin").join("rust-lld");
    match linker.exists() {
        true => Ok(linker),
        false => Err(format!("the toolchain has no {}: {GET_RUST}", linker.display())),
    }
}

/// wasm-bindgen's program in this version: that of `PATH`, else the one that we have installed.
fn bindgen(version: &str) -> Outcome<PathBuf> {
    let program = program(version);
    let in_path = PathBuf::from(program.name);
    if program.is_at(&in_path) { Ok(in_path) } else { program.find().map(|_| program.path()) }
}

fn program(version: &str) -> Program<'_> {
    Program { package: "wasm-bindgen-cli", name: "wasm-bindgen", version }
}

/// The version of the crate wasm-bindgen that the workspace is compiled with.
fn bindgen_version() -> Outcome<String> {
    let lock = fs::read_to_string(root().join("Cargo.lock"))
        .map_err(|error| format!("cannot read Cargo.lock ({error})"))?;
    locked(&lock, "wasm-bindgen")
        .map(str::to_owned)
        .ok_or_else(|| "Cargo.lock has no wasm-bindgen".to_owned())
}

/// The version of a crate in the text of a `Cargo.lock`.
fn locked<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let mut lines =
        lock.lines().skip_while(|line| line.strip_prefix("name = ") != Some(&format!("\"{name}\"")));
    lines.nth(1)?.strip_prefix("version = ").map(|version| version.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_the_lock_file() {
        let lock = "[[package]]\nname = \"wasm-bindgen-macro\"\nversion = \"0.2.1\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\nsource = \"x\"\n";
        assert_eq!(locked(lock, "wasm-bindgen"), Some("0.2.130"));
        assert_eq!(locked(lock, "wasm"), None);
    }
}
