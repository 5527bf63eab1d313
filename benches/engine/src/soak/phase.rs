//! Phases: parts of a scenario that run in processes of their own. A phase prints its figures as one line of JSON, and
//! ends, or is killed once it has said that it wants to be.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::figures::Figures;
use super::options::Options;
use super::{Part, Run};
use crate::Result;
use crate::probe::{Memory, Written};

/// A phase in its own process.
pub(super) struct Phase<'a> {
    pub(super) options: &'a Options,
    /// The directory of its store.
    pub(super) store: &'a Path,
    begun: Instant,
    memory: Option<Memory>,
    written: Option<Written>,
}

impl Phase<'_> {
    /// What this process has written since it began.
    pub(super) fn written(&self) -> Option<Written> {
        Some(Written::measure()?.since(self.written?))
    }

    /// Tells the figures to the process that called, with those that every phase has.
    fn tell(&self, mut figures: Figures) -> Result<()> {
        figures.seconds("time of the whole phase", self.begun.elapsed().as_secs_f64());
        let peak = Memory::measure().map(|memory| memory.peak);
        figures.bytes("peak memory of the process", peak);
        let before = self.memory.as_ref().map(|memory| memory.now);
        figures.bytes(PEAK_MEMORY, peak.zip(before).map(|(peak, before)| peak - before));
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&figures)?)?;
        Ok(out.flush()?)
    }

    /// Tells the figures and waits for the end, which is to come in the midst of things.
    pub(super) fn be_killed(&self, figures: Figures) -> Result<Figures> {
        self.tell(figures)?;
        // The process that called holds the other end, so this returns only when it has died itself.
        let _ = std::io::stdin().read(&mut [0]);
        std::process::abort()
    }
}

/// Peak memory without what the process had when it began: that of the store and of this program's checks.
pub(super) const PEAK_MEMORY: &str = "peak memory beyond that of an idle process";

/// Runs a phase in this process, which was started for it.
pub(super) fn answer(options: &Options, store: &Path, run: Part) -> Result<()> {
    let (memory, written) = (Memory::measure(), Written::measure());
    let phase = Phase { options, store, begun: Instant::now(), memory, written };
    let figures = run(&phase)?;
    phase.tell(figures)
}

impl Run<'_> {
    /// Makes a command run a phase of this scenario on the store in a directory.
    fn call(&self, mut command: Command, phase: &str, store: &Path) -> Command {
        command.args(self.arguments).arg("--phase").args([self.scenario, phase]).arg(store);
        command
    }

    fn start(&self, phase: &str, store: &Path) -> Result<(Child, Figures)> {
        let mut command = self.call(Command::new(std::env::current_exe()?), phase, store);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        if line.is_empty() {
            return Err(format!("the phase {phase} failed ({})", child.wait()?).into());
        }
        Ok((child, serde_json::from_str(&line)?))
    }

    /// Runs a phase to its end.
    pub(super) fn phase(&self, phase: &str, store: &Path) -> Result<Figures> {
        let (mut child, figures) = self.start(phase, store)?;
        let status = child.wait()?;
        if status.success() {
            Ok(figures)
        } else {
            Err(format!("the phase {phase} failed ({status})").into())
        }
    }

    /// Runs a phase that asks to be killed, and does so.
    pub(super) fn killed_phase(&self, phase: &str, store: &Path) -> Result<Figures> {
        let (mut child, figures) = self.start(phase, store)?;
        child.kill()?;
        child.wait()?;
        Ok(figures)
    }

    /// How often a phase syncs a file, counted by `strace`. None if that is not there, or may not watch.
    pub(super) fn syncs_by_strace(&self, phase: &str, store: &Path) -> Result<Option<f64>> {
        const SYNCS: &str = "fsync,fdatasync,sync_file_range,msync";
        let summary: PathBuf = self.scratch.join("strace.txt");
        let mut strace = Command::new("strace");
        // Stopping at other system calls too would slow the threads down so much that fewer share a sync.
        strace
            .args(["-f", "--seccomp-bpf", "-c", "-o"])
            .arg(&summary)
            .args(["-e", &format!("trace={SYNCS}")]);
        strace.arg(std::env::current_exe()?);
        let mut command = self.call(strace, phase, store);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if !command.status().is_ok_and(|status| status.success()) {
            return Ok(None);
        }
        Ok(Some(calls(&std::fs::read_to_string(summary)?, SYNCS)))
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
    #[test]
    fn calls_are_counted_from_a_summary() {
        let summary = "% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 90.00    0.001000          10       210           fdatasync
 10.00    0.000100          10         7         2 fsync
------ ----------- ----------- --------- --------- ----------------
100.00    0.001100          10       217         2 total
";
        assert_eq!(super::calls(summary, "fsync,fdatasync"), 217.0);
        assert_eq!(super::calls(summary, "fsync"), 7.0);
    }
}
