//! Calling this program again for one thing to do, so that its memory and its time are its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use jazz_storage_bench::Result;

use super::acts::Call;
use super::measure::Answer;

/// What became of a call.
pub(super) enum Outcome {
    Done(Answer),
    /// It failed, for this reason.
    Failed(String),
    /// It was ended, as it took too long.
    TooLong,
}

/// Syncs and writes that a call made.
pub(super) struct SystemCalls {
    pub(super) syncs: f64,
    pub(super) writes: f64,
}

const SYNCS: &str = "fsync,fdatasync,sync_file_range,msync";
const WRITES: &str = "write,pwrite64,writev,pwritev,pwritev2";

/// Where a call's output goes meanwhile.
pub(super) struct Calls {
    scratch: PathBuf,
}

impl Calls {
    pub(super) fn new(scratch: &Path) -> Self {
        Self { scratch: scratch.to_path_buf() }
    }

    /// Has it done, for no longer than the limit.
    pub(super) fn call(&self, call: &Call, limit: Duration) -> Result<Outcome> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--call").arg(serde_json::to_string(call)?);
        let (out, errors) = (self.scratch.join("out"), self.scratch.join("errors"));
        command.stdin(Stdio::null()).stdout(File::create(&out)?).stderr(File::create(&errors)?);
        let Some(status) = run(command, limit)? else { return Ok(Outcome::TooLong) };
        if status.success() {
            return Ok(Outcome::Done(serde_json::from_str(&fs::read_to_string(out)?)?));
        }
        let errors = String::from_utf8_lossy(&fs::read(errors)?).into_owned();
        let reason = errors.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        Ok(Outcome::Failed(format!("{reason} ({status})")))
    }

    /// Has it done under `strace`. None if that is not there, or may not watch.
    pub(super) fn watch(&self, call: &Call) -> Result<Option<SystemCalls>> {
        let summary = self.scratch.join("strace");
        let mut command = Command::new("strace");
        command.args(["-f", "--seccomp-bpf", "-c", "-o"]).arg(&summary);
        command.args(["-e", &format!("trace={SYNCS},{WRITES}")]).arg(std::env::current_exe()?);
        command.arg("--call").arg(serde_json::to_string(call)?);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if !command.status().is_ok_and(|status| status.success()) {
            return Ok(None);
        }
        let summary = fs::read_to_string(summary)?;
        // One write is the answer of the process.
        Ok(Some(SystemCalls { syncs: calls(&summary, SYNCS), writes: calls(&summary, WRITES) - 1.0 }))
    }
}

/// Runs a command; none if it had to be ended.
fn run(mut command: Command, limit: Duration) -> Result<Option<ExitStatus>> {
    const LOOK: Duration = Duration::from_millis(2);
    let begun = Instant::now();
    let mut child = command.spawn()?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begun.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(LOOK);
    }
}

/// The calls of these system calls together, as a summary of `strace -c` counts them. Its columns: % time, seconds,
/// usecs/call, calls, errors if there are any, syscall.
fn calls(summary: &str, names: &str) -> f64 {
    let count = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, calls) = (words.last()?, words.get(3)?);
        names.split(',').any(|wanted| wanted == *name).then(|| calls.parse::<f64>().ok())?
    };
    summary.lines().filter_map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_from_a_summary() {
        let summary = "% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 90.00    0.001000          10       210           fdatasync
 10.00    0.000100          10         7         2 write
------ ----------- ----------- --------- --------- ----------------
100.00    0.001100          10       217         2 total
";
        assert_eq!((calls(summary, SYNCS), calls(summary, WRITES)), (210.0, 7.0));
    }

    #[cfg(unix)]
    #[test]
    fn what_takes_too_long_is_ended() {
        let mut sleep = Command::new("sleep");
        sleep.arg("60");
        let begun = Instant::now();
        assert!(run(sleep, Duration::from_millis(50)).unwrap().is_none());
        assert!(begun.elapsed() < Duration::from_secs(30));
        assert!(run(Command::new("true"), Duration::from_secs(60)).unwrap().unwrap().success());
    }
}
