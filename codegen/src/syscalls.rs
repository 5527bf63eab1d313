//! The suite that watches system calls: it needs strace, so it applies to Linux only.

use crate::node;
use crate::process::{Outcome, command, output, say};
use crate::suites::or_skipped;
use crate::tools::apt;

const CHECK: &str = "npm/jazz-native-storage/test/syscalls/check.mjs";
const READER_TEST: &str = "npm/jazz-native-storage/test/syscalls/trace.test.mjs";
const GET_STRACE: &str = "install strace with your package manager";

/// Watches the system calls of a program that stores; installs strace first if it is missing and may be installed.
pub(crate) fn check() -> Outcome<()> {
    if !cfg!(target_os = "linux") {
        say!("This suite applies to Linux only: its tool, strace, exists nowhere else. Nothing was run.");
        return Ok(());
    }
    or_skipped(ensure())?;
    // Containers may forbid it.
    let traced = output(command("strace", &["-o", "/dev/null", "true"]), GET_STRACE);
    or_skipped(traced.map_err(|reason| format!("no process may be traced here: {reason}")))?;
    node::node(&["--test", READER_TEST])?;
    node::node(&[CHECK])
}

/// The version of strace.
pub(crate) fn version() -> Outcome<String> {
    let text = output(command("strace", &["--version"]), GET_STRACE)?;
    Ok(text.lines().next().unwrap_or_default().trim_start_matches("strace -- version ").to_owned())
}

/// Installs strace unless it is there.
pub(crate) fn ensure() -> Outcome<()> {
    if version().is_ok() {
        return Ok(());
    }
    apt::install(&["strace"])
        .map_err(|reason| format!("strace is missing and cannot be installed ({reason}): {GET_STRACE}"))
}
