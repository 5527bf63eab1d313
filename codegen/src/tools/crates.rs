//! Programs that cargo compiles from crates, each in one version, into `.tools/bin`.
//!
//! Cargo puts a program there once it is compiled, so what is there is whole.

use std::path::{Path, PathBuf};

use crate::process::{Outcome, cargo_path, command, output, root, run, say};
use crate::tools::ahead;

/// A program of a published crate.
pub(crate) struct Program<'a> {
    /// The crate.
    pub(crate) package: &'a str,
    /// The program, by the name of its file.
    pub(crate) name: &'a str,
    /// The one version that is used.
    pub(crate) version: &'a str,
}

impl Program<'_> {
    /// Where it is, or will be.
    pub(crate) fn path(&self) -> PathBuf {
        root().join(".tools/bin").join(format!("{}{}", self.name, std::env::consts::EXE_SUFFIX))
    }

    /// Its version, if it is installed in the one that is wanted.
    pub(crate) fn find(&self) -> Outcome<String> {
        let Program { name, version, .. } = self;
        if self.is_at(&self.path()) {
            Ok((*version).to_owned())
        } else {
            Err(format!("{name} {version} is not in .tools: run `cargo xtask setup`"))
        }
    }

    /// Installs it unless it is there.
    pub(crate) fn ensure(&self) -> Outcome<()> {
        ahead::wait();
        if self.is_at(&self.path()) {
            return Ok(());
        }
        // With the dependencies that it was published with; with the latest fitting ones where a registry's mirror lacks one
        // of them.
        let installed = self.install(&["--locked"]).or_else(|reason| {
            say!("{reason}: trying other versions of its dependencies");
            self.install(&[])
        });
        installed.map_err(|reason| {
            let Program { package, name, version } = self;
            let found = output(command(self.path(), &["--version"]), "").unwrap_or_else(|_| "none".to_owned());
            format!(
                "{name} {version} is needed, and {found} is there: install it with `cargo install {package} --version \
                 ={version} --root .tools` ({reason})"
            )
        })
    }

    fn install(&self, arguments: &[&str]) -> Outcome<()> {
        let version = format!("={}", self.version);
        let mut install = command(cargo_path(), &["install", "--root", ".tools", "--force", self.package]);
        install.args(["--bin", self.name, "--version", &version]).args(arguments);
        // They run for a second, and take twice as long to compile with optimization.
        install.arg("--debug").env("CARGO_PROFILE_DEV_DEBUG", "false");
        // It compiles in a folder of its own, which it removes afterwards.
        install.env_remove("CARGO_TARGET_DIR");
        run(install, "install Rust (with rustup)")
    }

    /// Whether the program at this path, or of this name in `PATH`, has the version that is wanted.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        output(command(path, &["--version"]), "").is_ok_and(|printed| names(&printed, self.version))
    }
}

/// Whether what a program prints for `--version` names exactly this version.
fn names(printed: &str, version: &str) -> bool {
    printed.split_whitespace().any(|word| word.trim_start_matches('v') == version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_version_counts() {
        assert!(names("wasm-bindgen 0.2.130", "0.2.130"));
        assert!(names("cargo-fuzz 0.13.2 (a1b2c3)", "0.13.2"));
        assert!(!names("wasm-bindgen 0.2.13", "0.2.130"));
        assert!(!names("wasm-bindgen 0.2.130", "0.2.13"));
    }
}
