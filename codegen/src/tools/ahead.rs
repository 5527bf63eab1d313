//! Installing tools beside the first suites, which need none of them: on a fresh machine both take minutes, and what a suite
//! leaves of the processors while it runs, and the time that downloads take, would be lost.
//!
//! Another process of this program does it, so that what it prints can go to a file. Whoever is about to install something
//! waits until it has ended, and then finds it there, or tries again and says why not.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::process::{Outcome, command, root};

/// Where it prints, from the root.
const LOG: &str = "target/xtask/setup.log";

static RUNNING: Mutex<Option<Child>> = Mutex::new(None);

/// Begins to install what is missing, as `cargo xtask setup` does.
pub(crate) fn begin() -> Outcome<()> {
    let program = std::env::current_exe().map_err(|error| format!("cannot tell what runs: {error}"))?;
    println!("Tools that are missing are installed meanwhile: see {LOG}.");
    start(command(program, &["setup"]), LOG)
}

fn start(mut setup: Command, log: &str) -> Outcome<()> {
    let path = root().join(log);
    let failed = |error| format!("cannot write {}: {error}", path.display());
    fs::create_dir_all(path.with_file_name("")).map_err(failed)?;
    let log = File::create(&path).map_err(failed)?;
    setup.stdin(Stdio::null()).stderr(log.try_clone().map_err(failed)?).stdout(log);
    let child = setup.spawn().map_err(|error| format!("cannot begin to install tools: {error}"))?;
    wait();
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
    Ok(())
}

/// Returns when nothing is being installed.
pub(crate) fn wait() {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(mut child) = running.take() {
        // Whether it has worked is seen by looking for what it was to install.
        let _ = child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_finds_what_was_installed() {
        let file = root().join("target/xtask/ahead-test");
        let _ = fs::remove_file(&file);
        let script = format!("setTimeout(() => require('fs').writeFileSync({file:?}, ''), 500)");
        start(command("node", &["-e", &script]), "target/xtask/ahead-test.log").unwrap();
        assert!(!file.exists());
        wait();
        assert!(file.exists());
        fs::remove_file(&file).unwrap();
    }
}
