//! Running other programs from the root of the workspace.
//!
//! What they print is shown, or goes to a file where several run side by side: that is decided for each thread.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

thread_local! {
    static LOG: RefCell<Option<File>> = const { RefCell::new(None) };
}

/// Does something with everything that it prints, and that its programs print, going to a file.
pub(crate) fn logging<T>(log: File, work: impl FnOnce() -> T) -> T {
    LOG.set(Some(log));
    let result = work();
    LOG.set(None);
    result
}

/// Prints a line, as `println!` does.
macro_rules! say {
    ($($text:tt)*) => { $crate::process::print(&format!($($text)*)) };
}
pub(crate) use say;

pub(crate) fn print(line: &str) {
    LOG.with_borrow_mut(|log| match log {
        // A log that cannot be written does not fail what it tells of.
        Some(log) => drop(writeln!(log, "{line}")),
        None => println!("{line}"),
    });
}

/// Has a program print where we do.
fn redirect(command: &mut Command) -> io::Result<()> {
    LOG.with_borrow(|log| {
        if let Some(log) = log {
            command.stdout(log.try_clone()?).stderr(log.try_clone()?);
        }
        Ok(())
    })
}

/// A value, or what went wrong and what to do about it.
pub(crate) type Outcome<T> = Result<T, String>;

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    // `cargo run` says where this crate lies now. Where it was compiled may be another checkout, if the two share a
    // target directory.
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let manifest = Path::new(&manifest);
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// A command that runs in the root. `program` is a path, or a name looked up in `PATH`.
pub(crate) fn command(program: impl AsRef<Path>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program.as_ref());
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command to its end with its output shown; fails unless it succeeds.
pub(crate) fn run(mut command: Command, missing: &str) -> Outcome<()> {
    let shown = shown(&command);
    say!("$ {shown}");
    match redirect(&mut command).and_then(|()| command.status()) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` failed ({status})")),
        Err(error) => Err(unstartable(&shown, &error, missing)),
    }
}

/// Runs a command to its end and gives what it printed on standard output, trimmed.
pub(crate) fn output(mut command: Command, missing: &str) -> Outcome<String> {
    let shown = shown(&command);
    match command.output() {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(output) => {
            let reason = String::from_utf8_lossy(&output.stderr);
            Err(format!("`{shown}` failed ({}): {}", output.status, reason.trim()))
        }
        Err(error) => Err(unstartable(&shown, &error, missing)),
    }
}

/// Runs cargo, the same one that runs this program.
pub(crate) fn cargo(arguments: &[&str]) -> Outcome<()> {
    run(command(cargo_path(), arguments), "install Rust (with rustup)")
}

/// The cargo that runs this program, else that of `PATH`.
pub(crate) fn cargo_path() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// The compiler beside the cargo that runs this program, else that of `PATH`.
pub(crate) fn rustc_path() -> PathBuf {
    let beside = cargo_path().with_file_name(format!("rustc{}", std::env::consts::EXE_SUFFIX));
    if beside.exists() { beside } else { PathBuf::from("rustc") }
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or(command.get_program());
    let mut shown = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        shown.push(' ');
        shown.push_str(&argument.to_string_lossy());
    }
    shown
}

fn unstartable(shown: &str, error: &io::Error, missing: &str) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        format!("`{shown}` could not be started, the program is not there: {missing}")
    } else {
        format!("`{shown}` could not be started: {error}")
    }
}
