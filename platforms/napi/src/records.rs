//! The few objects that cross the boundary as objects: options, lock results, statistics.

use jazz_storage_core::Error;
use jazz_storage_core::api;

/// How to open a store.
#[napi_derive::napi(object, object_to_js = false)]
#[derive(Debug, Default)]
pub struct OpenOptions {
    /// The directory of the store; none with durability `memory`.
    pub path: Option<String>,
    /// What an acknowledged store survives: `relaxed` (the default), `strict` or `memory`.
    #[napi(ts_type = "\"relaxed\" | \"strict\" | \"memory\"")]
    pub durability: Option<String>,
    /// Size in bytes of the cache for blocks of the index.
    pub cache_bytes: Option<f64>,
    /// Size in bytes at which a segment of the log is sealed.
    pub segment_bytes: Option<f64>,
    /// Bytes of index rows in memory at which these are written out.
    pub delta_bytes: Option<f64>,
    /// Bytes read ahead while layers of the index are merged.
    pub buffer_bytes: Option<f64>,
}

impl TryFrom<OpenOptions> for api::OpenOptions {
    type Error = Error;

    fn try_from(options: OpenOptions) -> Result<Self, Error> {
        Ok(Self {
            path: options.path,
            durability: durability(options.durability.as_deref())?,
            cache_bytes: byte_count("cacheBytes", options.cache_bytes)?,
            segment_bytes: byte_count("segmentBytes", options.segment_bytes)?,
            delta_bytes: byte_count("deltaBytes", options.delta_bytes)?,
            buffer_bytes: byte_count("bufferBytes", options.buffer_bytes)?,
        })
    }
}

fn durability(name: Option<&str>) -> Result<api::Durability, Error> {
    let Some(name) = name else { return Ok(api::Durability::default()) };
    let levels = [api::Durability::Relaxed, api::Durability::Strict, api::Durability::Memory];
    levels.into_iter().find(|&level| durability_name(level) == name).ok_or_else(|| Error::InvalidOption {
        option: "durability",
        detail: format!("{name:?} is none of \"relaxed\", \"strict\", \"memory\""),
    })
}

fn durability_name(level: api::Durability) -> &'static str {
    match level {
        api::Durability::Relaxed => "relaxed",
        api::Durability::Strict => "strict",
        api::Durability::Memory => "memory",
    }
}

/// A JavaScript number as a count of bytes.
fn byte_count(option: &'static str, value: Option<f64>) -> Result<Option<u64>, Error> {
    /// The largest integer that every smaller one is exact beside: `Number.MAX_SAFE_INTEGER`.
    const MAX_EXACT: f64 = 9_007_199_254_740_991.0;
    match value {
        None => Ok(None),
        // In range and whole, so the conversion is exact.
        Some(number) if (0.0..=MAX_EXACT).contains(&number) && number.fract() == 0.0 => {
            Ok(Some(number as u64))
        }
        Some(number) => {
            Err(Error::InvalidOption { option, detail: format!("{number} is not a whole number of bytes") })
        }
    }
}

/// The answer to an attempt to take a reconciliation lock (rules ).
#[napi_derive::napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct LockResult {
    /// The caller holds the lock now.
    pub acquired: bool,
    /// Why not: `not_due` (released too short a time ago) or `lock_held` (by another session).
    #[napi(ts_type = "\"not_due\" | \"lock_held\"")]
    pub reason: Option<&'static str>,
    /// Where an interrupted run of reconciliation is to be taken up.
    pub last_processed_offset: f64,
}

impl From<api::LockResult> for LockResult {
    fn from(result: api::LockResult) -> Self {
        let reason = result.reason.map(|refusal| match refusal {
            api::LockRefusal::NotDue => "not_due",
            api::LockRefusal::LockHeld => "lock_held",
        });
        Self { acquired: result.acquired, reason, last_processed_offset: result.last_processed_offset }
    }
}

/// How far a long operation has come, in bytes.
#[napi_derive::napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct Progress {
    /// Done.
    pub done: f64,
    /// In all; 0 before it is known.
    pub total: f64,
}

/// Counters and sizes of an open store, in bytes where they are sizes. Counters begin at 0 when the store is opened.
#[napi_derive::napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct StorageStats {
    /// The directory of the store; none in memory.
    pub path: Option<String>,
    /// What a completed operation promises: the strictest level asked for by any handle in this process.
    #[napi(ts_type = "\"relaxed\" | \"strict\" | \"memory\"")]
    pub durability: &'static str,
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
    /// Bytes of index blocks in memory.
    pub cache_bytes: f64,
    /// Bytes of filters and block indexes in memory.
    pub resident_bytes: f64,
    /// Why writes are refused, if they are: the first failure of the device.
    pub write_failure: Option<String>,
    /// Why merging and compacting do not go on, if they do not: no room, or damage. Stores and loads do go on.
    pub stalled: Option<String>,
}

impl From<api::StorageStats> for StorageStats {
    fn from(stats: api::StorageStats) -> Self {
        Self {
            path: stats.path,
            durability: durability_name(stats.durability),
            format_version: stats.format_version,
            co_values: stats.co_values,
            records_written: stats.records_written,
            bytes_written: stats.bytes_written,
            bytes_rewritten: stats.bytes_rewritten,
            syncs: stats.syncs,
            checkpoints: stats.checkpoints,
            merges: stats.merges,
            replayed_records: stats.replayed_records,
            discarded_bytes: stats.discarded_bytes,
            delta_rows: stats.delta_rows,
            layers: stats.layers,
            runs: stats.runs,
            run_rows: stats.run_rows,
            run_bytes: stats.run_bytes,
            segments: stats.segments,
            log_bytes: stats.log_bytes,
            dead_bytes: stats.dead_bytes,
            cache_bytes: stats.cache_bytes,
            resident_bytes: stats.resident_bytes,
            write_failure: stats.write_failure,
            stalled: stats.stalled,
        }
    }
}
