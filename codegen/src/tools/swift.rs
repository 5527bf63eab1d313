//! Swift: what compiles and runs the bindings of UniFFI for Apple's systems, on Linux too.
//!
//! `swiftc` of `PATH`; else, on Linux and for root, Debian 13's, in `.tools/swift`: a folder with the compiler and what it
//! needs, which its commands see as the root of the file system. They also see, for writing and under the same paths, the
//! workspace, the folder for temporary files and cargo's target directory, and nothing else. All that is mounted for this
//! is mounted in a namespace of the command's own, so that nothing stays mounted, however it ends.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::doctor::at_least;
use crate::process::{Outcome, command, output, root, run};
use crate::tools::{Folder, apt};

/// Named after what it is made of.
const ROOT: Folder = Folder { name: "swift", version: "trixie swiftlang,libc6-dev,libstdc++-14-dev" };

const SWIFTC: &str = "swiftc";
const OLDEST: (u32, u32) = (6, 0);
const GET_SWIFT: &str = "install Swift 6 or later, such that swiftc is in PATH";
const GET_UTIL_LINUX: &str = "install util-linux";

/// Runs a command in another root, given that, the working directory, the folders to be seen, `--` and the command.
const ENTER: &str = "codegen/scripts/enter-root.sh";

/// The version that is there, or how to get it.
pub(crate) fn find() -> Outcome<String> {
    match in_path() {
        Ok(version) => Ok(version),
        Err(_) if ROOT.is_there() => {
            may_mount()?;
            version(inside(Path::new(SWIFTC), &["--version"]))
        }
        Err(reason) if cfg!(target_os = "linux") => Err(format!(
            "{reason}; or, as root, run `cargo xtask setup swift`, which fetches 0.5 GB and takes 2.4 GB"
        )),
        Err(reason) => Err(reason),
    }
}

/// Installs Swift unless it is there.
pub(crate) fn ensure() -> Outcome<()> {
    let Err(reason) = in_path() else { return Ok(()) };
    if !cfg!(target_os = "linux") {
        return Err(reason);
    }
    may_mount().map_err(|no| format!("{reason}; ours cannot be used: {no}"))?;
    ROOT.ensure(unpack)?;
    find().map(|_| ())
}

/// Compiles Swift to a program. `arguments` are swiftc's, with paths from the root of the workspace or absolute ones.
pub(crate) fn compile(sources: &[PathBuf], program: &Path, arguments: &[&str]) -> Outcome<()> {
    let mut compile = run_command(Path::new(SWIFTC), arguments)?;
    compile.arg("-o").arg(program).args(sources);
    run(compile, GET_SWIFT)
}

/// The command that runs a compiled program, where the libraries of Swift are.
pub(crate) fn run_command(program: &Path, arguments: &[&str]) -> Outcome<Command> {
    if in_path().is_ok() {
        return Ok(command(program, arguments));
    }
    find()?;
    Ok(inside(program, arguments))
}

/// The version of swiftc in `PATH`.
fn in_path() -> Outcome<String> {
    version(command(SWIFTC, &["--version"]))
}

fn version(command: Command) -> Outcome<String> {
    let printed = output(command, GET_SWIFT)?;
    at_least("Swift", Ok(version_in(&printed).unwrap_or(&printed).to_owned()), OLDEST)
}

/// The version in a text such as `Swift version 6.0.3 (swift-6.0.3-RELEASE)`.
fn version_in(text: &str) -> Option<&str> {
    text.split_once("version ")?.1.split_whitespace().next()
}

/// Fails, and says why, unless this process may make what commands in our root need.
fn may_mount() -> Outcome<()> {
    if output(command("id", &["-u"]), "")? != "0" {
        return Err("only root may change the root of a file system".to_owned());
    }
    output(command("unshare", &["--mount", "true"]), GET_UTIL_LINUX).map(|_| ()).map_err(|reason| {
        format!("nothing may be mounted here, as in a container without CAP_SYS_ADMIN: {reason}")
    })
}

/// Unpacks Debian's packages into a folder. None of them is set up, which a compiler does not need.
fn unpack(folder: &Path) -> Outcome<()> {
    if output(command("mmdebstrap", &["--version"]), "").is_err() {
        apt::install(&["mmdebstrap", "debian-archive-keyring"])
            .map_err(|reason| format!("mmdebstrap cannot be installed ({reason}): {GET_SWIFT}"))?;
    }
    let (suite, packages) = ROOT.version.split_once(' ').unwrap_or_default();
    let mut unpack =
        command("unshare", &["--mount", "mmdebstrap", "--variant=extract", "--format=directory"]);
    unpack.args(["--aptopt=APT::Install-Recommends \"false\"", &format!("--include={packages}"), suite]);
    unpack.arg(folder);
    run(unpack, GET_UTIL_LINUX)?;
    // They are a package's that is not needed otherwise.
    for name in ["bin", "lib", "lib64", "sbin"] {
        link(&Path::new("usr").join(name), &folder.join(name))?;
    }
    Ok(())
}

fn link(to: &Path, from: &Path) -> Outcome<()> {
    #[cfg(unix)]
    let linked = std::os::unix::fs::symlink(to, from);
    #[cfg(not(unix))]
    let linked: std::io::Result<()> = Err(std::io::ErrorKind::Unsupported.into());
    linked.map_err(|error| format!("cannot make {} a link to {}: {error}", from.display(), to.display()))
}

/// The command that runs a program in our root.
fn inside(program: &Path, arguments: &[&str]) -> Command {
    let mut inside = command("unshare", &["--mount", "sh", "-eu"]);
    inside.arg(root().join(ENTER)).arg(ROOT.path()).arg(root()).args(seen());
    inside.arg("--").arg(program).args(arguments);
    inside
}

/// The folders that commands in our root see, an outer one before one in it, so that none hides another.
fn seen() -> Vec<PathBuf> {
    let mut seen = vec![root(), std::env::temp_dir()];
    seen.extend(std::env::var_os("CARGO_TARGET_DIR").map(|folder| root().join(folder)));
    seen.retain(|folder| folder.exists());
    seen.sort();
    seen.dedup();
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_swift_are_found_in_what_it_prints() {
        assert_eq!(version_in("Swift version 6.0.3 (swift-6.0.3-RELEASE)\nTarget: x"), Some("6.0.3"));
        let apple = "Apple Swift version 6.1.2 (swiftlang-6.1.2.1.2 clang-1700.0.13.5)\nTarget: x";
        assert_eq!(version_in(apple), Some("6.1.2"));
        assert_eq!(version_in("not Swift"), None);
    }
}
