//! What a process measures of itself, and how it tells it to the one that called it.

use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use jazz_storage_bench::Result;
use jazz_storage_bench::histogram::Histogram;
use jazz_storage_bench::probe::Memory;
use serde::{Deserialize, Serialize};

/// What a process found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) figures: Vec<Figure>,
    pub(super) latencies: Vec<(String, Histogram)>,
    /// CoValues that were compared with what was stored.
    pub(super) verified: usize,
    /// Phases that could not be measured, and why.
    pub(super) absent: Vec<(String, String)>,
}

/// A number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Figure {
    pub(super) phase: String,
    pub(super) metric: String,
    pub(super) unit: String,
    pub(super) operations: u64,
    pub(super) value: f64,
}

/// Time that has passed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Time {
    pub(super) wall: Duration,
    /// Of all threads, in the program and in the system. None where it cannot be measured.
    pub(super) cpu: Option<Duration>,
}

/// A moment from which time is measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    wall: Instant,
    cpu: Option<Duration>,
}

#[cfg(unix)]
fn cpu_time(clock: rustix::time::ClockId) -> Option<Duration> {
    let time = rustix::time::clock_gettime(clock);
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

/// Of all threads.
fn process_cpu() -> Option<Duration> {
    #[cfg(unix)]
    return cpu_time(rustix::time::ClockId::ProcessCPUTime);
    #[cfg(not(unix))]
    None
}

/// Of this thread.
fn thread_cpu() -> Option<Duration> {
    #[cfg(unix)]
    return cpu_time(rustix::time::ClockId::ThreadCPUTime);
    #[cfg(not(unix))]
    None
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { cpu: process_cpu(), wall: Instant::now() }
    }

    /// The time since then, the clock going on.
    pub(super) fn read(&self) -> Time {
        let wall = self.wall.elapsed();
        let cpu = process_cpu().zip(self.cpu).map(|(now, then)| now.saturating_sub(then));
        Time { wall, cpu }
    }
}

/// A clock that stands still while something is done that is not measured. What other threads do meanwhile counts as CPU
/// time, as it is done for the store.
pub(super) struct Pausing {
    clock: Clock,
    wall_off: Duration,
    cpu_off: Duration,
}

impl Pausing {
    pub(super) fn start() -> Self {
        Self { clock: Clock::start(), wall_off: Duration::ZERO, cpu_off: Duration::ZERO }
    }

    pub(super) fn without<T>(&mut self, unmeasured: impl FnOnce() -> T) -> T {
        let (wall, cpu) = (Instant::now(), thread_cpu());
        let done = unmeasured();
        self.wall_off += wall.elapsed();
        self.cpu_off += thread_cpu().zip(cpu).map_or(Duration::ZERO, |(now, then)| now.saturating_sub(then));
        done
    }

    pub(super) fn read(&self) -> Time {
        let Time { wall, cpu } = self.clock.read();
        Time { wall: wall - self.wall_off, cpu: cpu.map(|cpu| cpu.saturating_sub(self.cpu_off)) }
    }
}

/// Takes the time of one call after the other, each beginning where the one before ended.
pub(super) struct Laps {
    last: Instant,
    pub(super) histogram: Histogram,
}

impl Laps {
    pub(super) fn start() -> Self {
        Self { last: Instant::now(), histogram: Histogram::new() }
    }

    /// A call has ended.
    pub(super) fn lap(&mut self) {
        let now = Instant::now();
        self.histogram.add(now - self.last);
        self.last = now;
    }

    /// What has passed since the last call was none.
    pub(super) fn resume(&mut self) {
        self.last = Instant::now();
    }
}

/// Resident memory when something begins.
pub(super) struct MemoryBefore(Option<u64>);

impl MemoryBefore {
    /// Has the system forget earlier peaks, so that what was resident before does not hide what comes. Where it cannot,
    /// the peak is that of the whole process.
    pub(super) fn note() -> Self {
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        Self(Memory::measure().map(|memory| memory.now))
    }

    /// The most bytes that were resident since then beyond those that were.
    pub(super) fn peak(&self) -> Option<u64> {
        Some(Memory::measure()?.peak.saturating_sub(self.0?))
    }
}

impl Answer {
    fn put(&mut self, phase: &str, metric: &str, unit: &str, operations: usize, value: f64) {
        self.figures.push(Figure {
            phase: phase.to_owned(),
            metric: metric.to_owned(),
            unit: unit.to_owned(),
            operations: operations as u64,
            value,
        });
    }

    /// How long so many operations took together.
    pub(super) fn time(&mut self, phase: &str, operations: usize, time: Time) {
        self.put(phase, "wall", "ms", operations, time.wall.as_secs_f64() * 1e3);
        if let Some(cpu) = time.cpu {
            self.put(phase, "cpu", "ms", operations, cpu.as_secs_f64() * 1e3);
        }
    }

    pub(super) fn peak_memory(&mut self, phase: &str, operations: usize, before: &MemoryBefore) {
        if let Some(bytes) = before.peak() {
            self.put(phase, "peakMemory", "bytes", operations, bytes as f64);
        }
    }

    /// The disk that the files in a directory take.
    pub(super) fn disk(&mut self, phase: &str, operations: usize, directory: &Path) -> Result<()> {
        self.put(phase, "disk", "bytes", operations, disk_bytes(directory)? as f64);
        Ok(())
    }

    pub(super) fn latencies(&mut self, phase: &str, laps: Laps) {
        self.latencies.push((phase.to_owned(), laps.histogram));
    }
}

/// The disk that all files below a directory take: the blocks that they have, of which a file with holes has fewer than
/// its length says and one with room reserved has more. Where the system does not tell them it is the length.
pub(super) fn disk_bytes(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { disk_bytes(&entry.path())? } else { file_bytes(&metadata) };
    }
    Ok(bytes)
}

#[cfg(unix)]
fn file_bytes(metadata: &std::fs::Metadata) -> u64 {
    const BLOCK: u64 = 512;
    std::os::unix::fs::MetadataExt::blocks(metadata) * BLOCK
}

#[cfg(not(unix))]
fn file_bytes(metadata: &std::fs::Metadata) -> u64 {
    metadata.len()
}

/// Has the system drop all files below a directory from its page cache.
///
/// # Errors
/// It cannot be asked to.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn drop_from_cache(directory: &Path) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            drop_from_cache(&entry.path())?;
            continue;
        }
        let file = std::fs::File::open(entry.path())?;
        // What is not written out yet is not dropped.
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    Ok(())
}

/// As on Linux.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn drop_from_cache(_: &Path) -> Result<()> {
    Err("only Linux can be asked to drop files from its page cache".into())
}

/// Reads all files below a directory from their beginning, as many bytes as they take on disk: a memory map's file may have
/// gigabytes of nothing behind these.
pub(super) fn read_through(directory: &Path) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            read_through(&entry.path())?;
        } else {
            let file = std::fs::File::open(entry.path())?;
            std::io::copy(&mut file.take(file_bytes(&metadata)), &mut std::io::sink())?;
        }
    }
    Ok(())
}

/// Bytes that this process had the device read so far. None where there is no `/proc`.
pub(super) fn device_reads() -> Option<u64> {
    let io = std::fs::read_to_string("/proc/self/io").ok()?;
    io.lines().find_map(|line| line.strip_prefix("read_bytes:")?.trim().parse().ok())
}

/// Has the system write out what others have left to be written, so that it does not burden what comes next.
pub(super) fn settle() {
    #[cfg(unix)]
    rustix::fs::sync();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_in_a_pause_is_not_measured() {
        let mut clock = Pausing::start();
        clock.without(|| std::thread::sleep(Duration::from_millis(30)));
        assert!(clock.read().wall < Duration::from_millis(25));
    }

    #[test]
    fn a_file_with_a_hole_takes_what_it_has() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("below")).unwrap();
        let file = std::fs::File::create(directory.path().join("below/file")).unwrap();
        file.set_len(1 << 30).unwrap();
        std::fs::write(directory.path().join("full"), vec![7; 100_000]).unwrap();
        let bytes = disk_bytes(directory.path()).unwrap();
        if cfg!(target_os = "linux") {
            assert!((100_000..1 << 20).contains(&bytes), "{bytes}");
        }
    }

    #[test]
    fn memory_that_was_given_back_is_part_of_the_peak() {
        let before = MemoryBefore::note();
        let large = vec![1_u8; 256 << 20];
        assert_eq!(large.iter().step_by(4_096).map(|&byte| u64::from(byte)).sum::<u64>(), 64 << 10);
        drop(large);
        assert!(before.peak().is_none_or(|peak| peak > 200 << 20));
    }
}
