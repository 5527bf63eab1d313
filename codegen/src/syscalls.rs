//! The suite that watches system calls: it needs strace, so it applies to Linux only.

use crate::node;
use crate::process::{Outcome, command, output, run};
use crate::suites::SKIPPED;

const CHECK: &str = "npm/jazz-native-storage/test/syscalls/check.mjs";
const READER_TEST: &str = "npm/jazz-native-storage/test/syscalls/trace.test.mjs";
const GET_STRACE: &str = "install strace with your package manager";

/// Watches the system calls of a program that stores; installs strace first if it is missing and may be installed.
pub(crate) fn check() -> Outcome<()> {
    if !cfg!(target_os = "linux") {
        println!("This suite applies to Linux only: its tool, strace, exists nowhere else. Nothing was run.");
        return Ok(());
    }
    if version().is_err() {
        install().map_err(|reason| format!("{SKIPPED}{reason}"))?;
    }
    // Containers may forbid it.
    output(command("strace", &["-o", "/dev/null", "true"]), GET_STRACE)
        .map_err(|reason| format!("{SKIPPED}no process may be traced here: {reason}"))?;
    node::node(&["--test", READER_TEST])?;
    node::node(&[CHECK])
}

/// The version of strace.
pub(crate) fn version() -> Outcome<String> {
    let text = output(command("strace", &["--version"]), GET_STRACE)?;
    Ok(text.lines().next().unwrap_or_default().trim_start_matches("strace -- version ").to_owned())
}

fn install() -> Outcome<()> {
    let root = output(command("id", &["-u"]), "")? == "0";
    let apt_get = |arguments: &[&str]| {
        let mut all = if root { vec![] } else { vec!["-n", "apt-get"] };
        all.extend_from_slice(arguments);
        run(command(if root { "apt-get" } else { "sudo" }, &all), GET_STRACE)
    };
    let installed = apt_get(&["update", "-qq"]).and_then(|()| apt_get(&["install", "-y", "-qq", "strace"]));
    installed.map_err(|reason| format!("strace is missing and cannot be installed ({reason}): {GET_STRACE}"))
}
