//! What the system tells of this process, this machine and a directory.
//!
//! Memory, bytes written and the file system are read from `/proc`; where there is none they are not measured.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Serialize;

use crate::Result;

/// The number behind a word at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Bytes of memory of this process.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Resident now.
    pub now: u64,
    /// The most that was resident since the process began.
    pub peak: u64,
}

impl Memory {
    /// None where there is no `/proc`.
    pub fn measure() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let bytes = |name| field(&status, name).map(|kilobytes| kilobytes * 1024);
        Some(Self { now: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
    }
}

/// Bytes that this process has written so far.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    /// By system calls.
    pub called: u64,
    /// In pages that go, or would go, to the device: each page again when it is written again after it went there.
    pub pages: u64,
}

impl Written {
    /// None where there is no `/proc`.
    pub fn measure() -> Option<Self> {
        let io = fs::read_to_string("/proc/self/io").ok()?;
        Some(Self { called: field(&io, "wchar:")?, pages: field(&io, "write_bytes:")? })
    }

    /// What was written since then.
    pub fn since(self, before: Self) -> Self {
        Self { called: self.called - before.called, pages: self.pages - before.pages }
    }
}

/// What measurements were made on.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// The operating system and the architecture.
    pub system: String,
    /// How many there are for this process.
    pub processors: usize,
    /// What they are called.
    pub processor: Option<String>,
    /// In bytes.
    pub memory: Option<u64>,
    /// How many processes wanted to run, on the average of the last minute.
    pub load: Option<f64>,
    /// The type of the file system in which the stores lie.
    pub file_system: Option<String>,
}

impl Machine {
    /// Asks the system; what it does not tell is none.
    pub fn describe(directory: &Path) -> Self {
        let read = |path| fs::read_to_string(path).ok();
        let model = read("/proc/cpuinfo").and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
        Self {
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            processor: model,
            memory: read("/proc/meminfo").and_then(|text| Some(field(&text, "MemTotal:")? * 1024)),
            load: read("/proc/loadavg").and_then(|text| text.split_whitespace().next()?.parse().ok()),
            file_system: file_system(directory),
        }
    }

    /// For people, with a warning if measuring makes little sense here.
    pub fn print(&self, directory: &Path) {
        let unknown = || "not known".to_owned();
        println!(
            "{}, {} processors, {}",
            self.system,
            self.processors,
            self.processor.clone().unwrap_or_else(unknown)
        );
        let memory = self.memory.map_or_else(unknown, |bytes| format!("{:.1} GB", bytes as f64 / 1e9));
        let load = self.load.map_or_else(unknown, |load| load.to_string());
        println!("memory {memory}, load average {load}");
        let file_system = self.file_system.clone().unwrap_or_else(unknown);
        println!("stores in {}, file system {file_system}", directory.display());
        if is_in_memory(directory) {
            println!("WARNING: {file_system} keeps files in memory: syncs cost nothing there; give --dir");
        }
        if self.load.is_some_and(|load| load > self.processors as f64 / 2.0) {
            println!("WARNING: the machine is busy, which makes figures of speed worthless");
        }
    }
}

/// The type of the file system in which a directory lies.
fn file_system(directory: &Path) -> Option<String> {
    let directory = fs::canonicalize(directory).ok()?;
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let mount = |line: &str| {
        let mut words = line.split(' ').skip(1);
        let at = words.next()?.to_owned();
        Some((at, words.next()?.to_owned()))
    };
    // The last of those mounted at the same place hides the others.
    let at = mounts.lines().filter_map(mount).filter(|(at, _)| directory.starts_with(at));
    at.max_by_key(|(at, _)| at.len()).map(|(_, kind)| kind)
}

/// Whether a directory lies in a file system that has no device.
pub fn is_in_memory(directory: &Path) -> bool {
    file_system(directory).is_some_and(|kind| kind == "tmpfs" || kind == "ramfs")
}

/// The bytes of all files in a directory. One that is removed while they are counted has none.
///
/// # Errors
/// The directory cannot be read.
pub fn disk_bytes(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        bytes += entry?.metadata().map_or(0, |metadata| metadata.len());
    }
    Ok(bytes)
}

/// Watches the size of a directory against the bytes of content that live in it, every few milliseconds.
#[derive(Debug)]
pub struct DiskWatch {
    live: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<(u64, u64)>>,
}

/// What a [`DiskWatch`] saw.
#[derive(Debug, Clone, Copy)]
pub struct DiskPeak {
    /// The most bytes in the directory.
    pub bytes: u64,
    /// The most bytes in the directory over the content that lived there at that moment, once a quarter of what lives at
    /// the end was there.
    pub over_live: f64,
}

impl DiskWatch {
    /// Watches until [`DiskWatch::finish`].
    pub fn start(directory: &Path) -> Self {
        const EVERY: Duration = Duration::from_millis(10);
        let (live, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let directory = directory.to_path_buf();
        let thread = {
            let (live, stop) = (Arc::clone(&live), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut seen = Vec::new();
                loop {
                    let last = stop.load(Ordering::Relaxed);
                    let living = live.load(Ordering::Relaxed);
                    if let Ok(bytes) = disk_bytes(&directory) {
                        seen.push((living, bytes));
                    }
                    if last {
                        return seen;
                    }
                    std::thread::sleep(EVERY);
                }
            })
        };
        Self { live, stop, thread }
    }

    /// Content that lives from now on.
    pub fn lives(&self, bytes: u64) {
        self.live.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What was seen.
    ///
    /// # Errors
    /// The thread that watched panicked.
    pub fn finish(self) -> Result<DiskPeak> {
        self.stop.store(true, Ordering::Relaxed);
        let seen = self.thread.join().map_err(|_| "the thread that watches the disk panicked")?;
        let live = self.live.load(Ordering::Relaxed);
        let counts = seen.iter().filter(|&&(living, _)| living > 0 && living >= live / 4);
        Ok(DiskPeak {
            bytes: seen.iter().map(|&(_, bytes)| bytes).max().unwrap_or(0),
            over_live: counts.map(|&(living, bytes)| bytes as f64 / living as f64).fold(0.0, f64::max),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "rchar: 5\nwchar: 77\nwrite_bytes: 4096\nVmHWM:\t  12 kB\n";
        assert_eq!(field(text, "wchar:"), Some(77));
        assert_eq!(field(text, "VmHWM:"), Some(12));
        assert_eq!(field(text, "nothing:"), None);
    }

    #[test]
    fn the_watch_sees_what_was_there_for_a_while_only() {
        let directory = tempfile::tempdir().unwrap();
        let watch = DiskWatch::start(directory.path());
        watch.lives(1_000);
        fs::write(directory.path().join("large"), vec![0; 5_000]).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        fs::remove_file(directory.path().join("large")).unwrap();
        fs::write(directory.path().join("small"), vec![0; 1_200]).unwrap();
        let peak = watch.finish().unwrap();
        assert_eq!((peak.bytes, peak.over_live), (5_000, 5.0));
        assert_eq!(disk_bytes(directory.path()).unwrap(), 1_200);
    }
}
