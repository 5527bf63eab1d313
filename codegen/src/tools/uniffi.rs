//! UniFFI's generator of Kotlin and Swift: a program of the workspace, so that it is of the very version of the crate that
//! the library was compiled with.

use std::path::Path;

use crate::process::{Outcome, cargo_path, command, run};

/// The package of the program. It is one line, and takes minutes to compile for tests or lints, so these leave it out.
pub(crate) const PACKAGE: &str = "uniffi-bindgen-cli";

/// Generates the bindings of a compiled library in `language` (`kotlin` or `swift`).
pub(crate) fn generate(library: &Path, language: &str, out_dir: &Path) -> Outcome<()> {
    // Compiled without optimization: that takes four minutes less than it saves.
    let mut generate = command(cargo_path(), &["run", "--quiet", "--locked", "--profile", "tool"]);
    generate.args(["--package", PACKAGE, "--", "generate"]);
    generate.arg("--library").arg(library).args(["--language", language, "--no-format"]);
    generate.arg("--out-dir").arg(out_dir);
    run(generate, "install Rust (with rustup)")
}
