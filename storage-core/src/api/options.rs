//! Options, statistics and results of the API: plain records of numbers, strings and booleans.

use crate::engine::{self, EngineOptions, EngineStats, MaintainedBy, PREPARE_BYTES};
use crate::error::{Error, Result};
use crate::format::row::{KEY_LEN, VALUE_LEN};
use crate::store::StoreOptions;
use jazz_storage_macros::{choice, record};

/// What a completed operation promises.
#[choice(lower)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// It survives a crash or kill of the app. A power cut or a crash of the operating system may lose about the last
    /// second, but never damages what was stored before.
    #[default]
    Relaxed,
    /// It survives power loss.
    Strict,
    /// It lives as long as the process.
    Memory,
}

impl From<engine::Durability> for Durability {
    fn from(level: engine::Durability) -> Self {
        match level {
            engine::Durability::Relaxed => Self::Relaxed,
            engine::Durability::Strict => Self::Strict,
            engine::Durability::Memory => Self::Memory,
        }
    }
}

/// How to open a store. All may be left out but the path, and that for a store in memory.
#[record(given)]
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// The store's directory; it is created if absent. None only for a store in memory.
    pub path: Option<String>,
    /// What a completed operation promises. None: `relaxed`.
    pub durability: Option<Durability>,
    /// Only in memory: bytes that what is stored may take, an eighth of them in reserve: 1 MiB to 64 GiB. What would exceed it
    /// fails with `DISK_FULL`; loads, erasing and compacting go on. What the engine works with is not in it: `cache_bytes`,
    /// `buffer_bytes`, and about four times `delta_bytes`. None: as much as there is.
    pub max_bytes: Option<f64>,
    /// Bytes of index blocks and pieces of the log kept in memory: 64 KiB to 4 GiB. None: 16 MiB, on phones and in
    /// browsers 4 MiB.
    pub cache_bytes: Option<f64>,
    /// Bytes at which a segment of the log is sealed: 64 KiB to 1 GiB. None: 32 MiB, on phones and in browsers 8 MiB, and at most
    /// a sixteenth of `max_bytes`.
    pub segment_bytes: Option<f64>,
    /// Bytes of index rows in memory at which these are written out: 16 KiB to 256 MiB. While that goes on there may be
    /// twice as many. None: 6 MiB, on phones and in browsers 2 MiB.
    pub delta_bytes: Option<f64>,
    /// Bytes read ahead while layers of the index are merged: 256 KiB to 1 GiB. None: 8 MiB, on phones and in browsers
    /// 1 MiB.
    pub buffer_bytes: Option<f64>,
    /// Whether the caller writes the index out and merges its layers, by `maintain`, when it has nothing else to do. None: a
    /// thread does so, or, where there are none, each store a slice of it.
    pub caller_maintains: Option<bool>,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// How many rows have so many bytes.
fn rows(bytes: u64) -> u64 {
    bytes / (KEY_LEN + VALUE_LEN) as u64
}

/// How the engine works where nothing is said of it: what a phone or a browser can spare is less than what a desktop or a
/// server can.
pub(super) fn platform_defaults() -> EngineOptions {
    let small = cfg!(any(target_os = "android", target_os = "ios", target_family = "wasm"));
    let sized = |usual: u64, little: u64| if small { little } else { usual };
    EngineOptions {
        checkpoint_rows: rows(sized(6 * MIB, 2 * MIB)),
        segment_bytes: sized(32 * MIB, 8 * MIB),
        cache_bytes: sized(16 * MIB, 4 * MIB),
        buffer_bytes: sized(8 * MIB, MIB),
        reserve_bytes: sized(MIB, 256 * KIB),
        background_sync: !cfg!(target_family = "wasm"),
        maintained_by: if cfg!(target_family = "wasm") {
            MaintainedBy::Commits
        } else {
            MaintainedBy::Thread
        },
        ..EngineOptions::default()
    }
}

/// The same for a store in memory that may take so many bytes. What gives room back takes some first, for files to come in the
/// place of others, and has nothing but the reserve then: so files are small parts of all, and the reserve is larger.
fn bounded_defaults(max_bytes: u64) -> EngineOptions {
    let defaults = platform_defaults();
    EngineOptions {
        segment_bytes: defaults.segment_bytes.min(max_bytes / 16),
        reserve_bytes: max_bytes / 8,
        ..defaults
    }
}

/// Refuses what cannot be a path.
pub(super) fn check_path(option: &'static str, path: &str) -> Result<()> {
    let invalid = |detail: &str| Err(Error::InvalidOption { option, detail: detail.to_owned() });
    if path.is_empty() {
        return invalid("is empty");
    }
    if path.contains('\0') { invalid("contains a NUL character") } else { Ok(()) }
}

fn in_range(option: &'static str, value: Option<f64>, low: u64, high: u64) -> Result<()> {
    let invalid = |detail| Err(Error::InvalidOption { option, detail });
    match value {
        Some(value) if !value.is_finite() || value.fract() != 0.0 => {
            invalid(format!("{value} is not a whole number of bytes"))
        }
        Some(value) if value < low as f64 || value > high as f64 => {
            invalid(format!("{value} is not between {low} and {high} bytes"))
        }
        _ => Ok(()),
    }
}

/// An option that was in range, so that its conversion is exact; or what it is without one.
fn bytes(value: Option<f64>, default: u64) -> u64 {
    value.map_or(default, |value| value as u64)
}

impl OpenOptions {
    /// What a completed operation promises.
    pub(super) fn level(&self) -> Durability {
        self.durability.unwrap_or_default()
    }

    /// Checks the ranges of all options.
    pub(super) fn validate(&self) -> Result<()> {
        let invalid = |detail: &str| Err(Error::InvalidOption { option: "path", detail: detail.to_owned() });
        match (&self.path, self.level()) {
            (None, Durability::Memory) => {}
            (Some(_), Durability::Memory) => {
                return invalid("a store with durability \"memory\" has no path");
            }
            (None, _) => return invalid("missing: give the directory of the store"),
            (Some(path), _) => check_path("path", path)?,
        }
        if self.max_bytes.is_some() && self.level() != Durability::Memory {
            let detail = "bounds a store in memory, not one in files".to_owned();
            return Err(Error::InvalidOption { option: "maxBytes", detail });
        }
        in_range("maxBytes", self.max_bytes, MIB, 64 * GIB)?;
        in_range("cacheBytes", self.cache_bytes, 64 * KIB, 4 * GIB)?;
        in_range("segmentBytes", self.segment_bytes, 64 * KIB, GIB)?;
        in_range("deltaBytes", self.delta_bytes, 16 * KIB, 256 * MIB)?;
        in_range("bufferBytes", self.buffer_bytes, 256 * KIB, GIB)
    }

    /// What a store in memory may take, in bytes.
    pub(super) fn max_bytes(&self) -> Option<u64> {
        self.max_bytes.map(|bytes| bytes as u64)
    }

    /// The same for the store, which leaves it to its handles to wait for what makes an operation durable.
    pub(super) fn store_options(&self) -> StoreOptions {
        let defaults = self.max_bytes().map_or_else(platform_defaults, bounded_defaults);
        let durability = match self.level() {
            Durability::Memory => engine::Durability::Memory,
            Durability::Relaxed | Durability::Strict => engine::Durability::Relaxed,
        };
        StoreOptions {
            durability,
            engine: EngineOptions {
                cache_bytes: bytes(self.cache_bytes, defaults.cache_bytes),
                segment_bytes: bytes(self.segment_bytes, defaults.segment_bytes),
                checkpoint_rows: self
                    .delta_bytes
                    .map_or(defaults.checkpoint_rows, |bytes| rows(bytes as u64)),
                background_sync: defaults.background_sync && self.level() == Durability::Relaxed,
                buffer_bytes: bytes(self.buffer_bytes, defaults.buffer_bytes),
                maintained_by: match self.caller_maintains {
                    Some(true) => MaintainedBy::Caller,
                    Some(false) | None => defaults.maintained_by,
                },
                prepare_bytes: if self.level() == Durability::Strict { PREPARE_BYTES } else { 0 },
                ..defaults
            },
        }
    }
}

/// Why a reconciliation lock was refused.
#[choice(lower)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockRefusal {
    /// A run was completed too recently.
    NotDue,
    /// Another session holds it.
    LockHeld,
}

/// The answer to an attempt to take a reconciliation lock.
#[record(returned)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LockResult {
    /// Whether the caller holds it now.
    pub acquired: bool,
    /// Why not, if not.
    pub reason: Option<LockRefusal>,
    /// Where to go on, if it was taken; else 0.
    pub last_processed_offset: f64,
}

/// Counters and sizes of an open store; sizes are in bytes. Counters begin at 0 when the store is opened.
#[record(returned)]
#[derive(Debug, Clone, PartialEq)]
pub struct StorageStats {
    /// The directory of the store; none in memory.
    pub path: Option<String>,
    /// What a completed operation promises: the strictest level asked for by any handle in this process.
    pub durability: Durability,
    /// The version of the format the store is written in.
    pub format_version: u32,
    /// CoValues stored, erased ones included.
    pub co_values: f64,
    /// Records written to the log: one per message stored.
    pub records_written: f64,
    /// Bytes written to the log.
    pub bytes_written: f64,
    /// Bytes written once more by writing out the index, merging and compacting.
    pub bytes_rewritten: f64,
    /// Syncs of the log to the device.
    pub syncs: f64,
    /// Times the index was written out.
    pub checkpoints: f64,
    /// Slices of layers merged.
    pub merges: f64,
    /// Records read back from the log at opening.
    pub replayed_records: f64,
    /// Bytes found after the end of the log at opening and dropped: a write that did not complete.
    pub discarded_bytes: f64,
    /// Rows of the index in memory.
    pub delta_rows: f64,
    /// Immutable layers of the index.
    pub layers: u32,
    /// Files of these layers.
    pub runs: u32,
    /// Rows in them.
    pub run_rows: f64,
    /// Bytes of them on disk.
    pub run_bytes: f64,
    /// Segments of the log.
    pub segments: u32,
    /// Bytes of the log on disk.
    pub log_bytes: f64,
    /// How many of these are known not to be needed any more: compacting gives most of them back.
    pub dead_bytes: f64,
    /// Bytes of index blocks and pieces of the log in memory.
    pub cache_bytes: f64,
    /// Bytes of filters and block indexes in memory.
    pub resident_bytes: f64,
    /// Why writes are refused, if they are: the first failure of the device.
    pub write_failure: Option<String>,
    /// Why merging and compacting do not go on, if they do not: no room, or damage. Stores and loads do go on.
    pub stalled: Option<String>,
}

impl StorageStats {
    pub(super) fn new(
        options: &OpenOptions,
        durability: engine::Durability,
        covalues: u64,
        stats: EngineStats,
    ) -> Result<Self> {
        let small =
            |n: u64| u32::try_from(n).map_err(|_| Error::Internal(format!("{n} does not fit into 32 bits")));
        Ok(Self {
            path: options.path.clone(),
            durability: durability.into(),
            format_version: crate::format::FORMAT_VERSION,
            co_values: covalues as f64,
            records_written: stats.records as f64,
            bytes_written: stats.bytes_written as f64,
            bytes_rewritten: stats.bytes_rewritten as f64,
            syncs: stats.syncs as f64,
            checkpoints: stats.checkpoints as f64,
            merges: stats.merges as f64,
            replayed_records: stats.replayed as f64,
            discarded_bytes: stats.discarded as f64,
            delta_rows: stats.delta_rows as f64,
            layers: small(stats.layers)?,
            runs: small(stats.runs)?,
            run_rows: stats.run_rows as f64,
            run_bytes: stats.run_bytes as f64,
            segments: small(stats.segments)?,
            log_bytes: stats.log_bytes as f64,
            dead_bytes: stats.dead_bytes as f64,
            cache_bytes: stats.cache_bytes as f64,
            resident_bytes: stats.resident_bytes as f64,
            write_failure: stats.latched,
            stalled: stats.stalled,
        })
    }
}
