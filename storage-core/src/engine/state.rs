//! What an open engine holds, and how it is read.
//!
//! The newest layer of the index is the delta; while one is written out it lies *frozen* between the delta and the
//! layers on disk, and is read like them. Readers take all of it as one consistent state under the index's lock, and
//! read files without it.

use super::cache::ReadCache;
use super::delta::{Delta, Rows};
use super::latch::Latch;
use super::layers::Layers;
use super::maintenance::Maintenance;
use super::observer::Observers;
use super::part::Numbers;
use super::recent::Recent;
use super::segment::Segment;
use super::staged::Staged;
use super::sync::Syncer;
use super::worker::Bell;
use super::{EngineOptions, EngineStats, GroupRows, KeyRows, Schema};
use crate::error::Result;
use crate::file::FileIO;
use crate::format::row::{Group, Key, Value};
use crate::format::{HashKey, Lsn, SegmentId, StoreId};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Where the log goes on after a delta was frozen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    pub(super) segment: SegmentId,
    /// The number of the segment's first record.
    pub(super) lsn: Lsn,
    /// Bytes of it that are durable from the beginning.
    pub(super) durable: u64,
}

/// A delta that is being written out.
pub(super) struct Frozen<D: Delta> {
    pub(super) delta: D,
    pub(super) rows: u64,
    /// CoValues created in it, and how many before.
    pub(super) created: Vec<Group>,
    pub(super) created_before: u64,
    /// Bytes of large records among those it indexes.
    pub(super) large: u64,
    /// The log after it.
    pub(super) next: Position,
}

/// What readers see.
pub(super) struct Index<F: FileIO, D: Delta> {
    pub(super) delta: D,
    /// Rows in the delta.
    pub(super) rows: u64,
    /// CoValues created in the delta, and how many before.
    pub(super) created: Vec<Group>,
    pub(super) created_before: u64,
    pub(super) frozen: Option<Arc<Frozen<D>>>,
    pub(super) layers: Arc<Layers<F>>,
}

/// What writers have.
pub(super) struct Log<F: FileIO> {
    pub(super) active: Arc<Segment<F>>,
    /// Where the next record goes.
    pub(super) end: u64,
    /// Where the active segment's records begin to be more than the manifest, or the segment's creation, vouches for.
    pub(super) marked: u64,
    pub(super) next: Lsn,
    /// Rows in the delta.
    pub(super) rows: u64,
    /// Bytes of large records that the delta indexes.
    pub(super) large: u64,
    pub(super) recent: Recent,
    /// Where the zeros end that were written ahead of the log.
    pub(super) prepared: u64,
    /// The record under construction.
    pub(super) buffer: Vec<u8>,
    pub(super) staged: Staged,
    pub(super) closed: bool,
}

/// An open store.
pub(super) struct Core<F: FileIO, S: Schema, D: Delta> {
    pub(super) io: Arc<F>,
    pub(super) schema: S,
    pub(super) options: EngineOptions,
    pub(super) identity: (StoreId, HashKey),
    pub(super) maintenance: Mutex<Maintenance<F, D>>,
    pub(super) bell: Bell,
    pub(super) log: Mutex<Log<F>>,
    pub(super) index: RwLock<Index<F, D>>,
    pub(super) numbers: Arc<Numbers>,
    /// See [`EngineOptions::prepare_bytes`].
    pub(super) prepare_bytes: AtomicU64,
    /// Counts what is read and written, so that merging can tell whether anybody else is at work.
    pub(super) calls: AtomicU64,
    /// What is to be merged was left over when the store was closed.
    pub(super) resumed: AtomicBool,
    /// The reserve was given up.
    pub(super) spent: AtomicBool,
    pub(super) cache: Arc<ReadCache>,
    pub(super) observers: Arc<Observers>,
    pub(super) latch: Arc<Latch>,
    pub(super) syncer: Arc<Syncer<F>>,
    pub(super) counters: Mutex<EngineStats>,
    pub(super) _lock: F::Lock,
}

impl<F: FileIO, S: Schema, D: Delta> Core<F, S, D> {
    pub(super) fn maintenance(&self) -> MutexGuard<'_, Maintenance<F, D>> {
        self.maintenance.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn log(&self) -> MutexGuard<'_, Log<F>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn index(&self) -> RwLockReadGuard<'_, Index<F, D>> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn index_mut(&self) -> RwLockWriteGuard<'_, Index<F, D>> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn count(&self, change: impl FnOnce(&mut EngineStats)) {
        change(&mut self.counters.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The store is being used.
    pub(super) fn called(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// See [`super::Engine::group`].
    pub(super) fn group(&self, group: Group, wanted: Rows) -> Result<GroupRows<F>> {
        self.called();
        let mut out = Vec::new();
        let (frozen, layers) = {
            let index = self.index();
            let mut rows = Vec::new();
            if index.rows > 0 {
                index.delta.group(group, wanted, &mut rows)?;
            }
            if !rows.is_empty() {
                out.push(rows);
            }
            (index.frozen.clone(), Arc::clone(&index.layers))
        };
        if let Some(frozen) = frozen {
            let mut rows = Vec::new();
            frozen.delta.group(group, wanted, &mut rows)?;
            if !rows.is_empty() {
                out.push(rows);
            }
        }
        layers.group(group, wanted, &mut out)?;
        Ok((out, layers))
    }

    /// See [`super::Engine::created`].
    pub(super) fn created(&self, skip: u64, limit: u64) -> Result<Vec<Group>> {
        let end = skip.saturating_add(limit);
        let part = |list: &[Group], before: u64| -> Vec<Group> {
            let from = skip.saturating_sub(before);
            let to = end.saturating_sub(before).min(list.len() as u64);
            list.get(from as usize..to as usize).unwrap_or_default().to_vec()
        };
        let (recent, frozen, layers) = {
            let index = self.index();
            (part(&index.created, index.created_before), index.frozen.clone(), Arc::clone(&index.layers))
        };
        let mut out = Vec::new();
        layers.created(skip, limit, &mut out)?;
        if let Some(frozen) = frozen {
            out.extend(part(&frozen.created, frozen.created_before));
        }
        out.extend(recent);
        Ok(out)
    }

    /// See [`super::Engine::rows`].
    pub(super) fn rows(&self, keys: &[Key]) -> Result<KeyRows<F>> {
        self.called();
        let (mut rows, frozen, layers): (Vec<Vec<Value>>, _, _) = {
            let index = self.index();
            (
                keys.iter().map(|key| index.delta.get(key).into_iter().collect()).collect(),
                index.frozen.clone(),
                Arc::clone(&index.layers),
            )
        };
        for (key, values) in keys.iter().zip(&mut rows) {
            values.extend(frozen.as_ref().and_then(|frozen| frozen.delta.get(key)));
            values.extend(layers.get_all(key)?);
        }
        Ok((rows, layers))
    }

    /// See [`super::Engine::created_count`].
    pub(super) fn created_count(&self) -> u64 {
        let index = self.index();
        index.created_before + index.created.len() as u64
    }

    /// See [`super::Engine::stats`].
    pub(super) fn stats(&self) -> Result<EngineStats> {
        let mut stats = self.counters.lock().unwrap_or_else(PoisonError::into_inner).clone();
        stats.syncs += self.syncer.count();
        {
            let maintenance = self.maintenance();
            for usage in maintenance.usage().values() {
                stats.segments += 1;
                stats.log_bytes += usage.len;
                stats.dead_bytes += usage.dead();
            }
            stats.stalled = maintenance.stalled().map(ToString::to_string);
            for entry in &maintenance.sealed {
                stats.segments += 1;
                stats.log_bytes += entry.len;
            }
        }
        let log_end = self.log().end;
        stats.segments += 1;
        stats.log_bytes += log_end;
        let index = self.index();
        stats.delta_rows = index.rows + index.frozen.as_ref().map_or(0, |frozen| frozen.rows);
        stats.layers = index.layers.layers.len() as u64;
        for part in index.layers.parts() {
            stats.runs += 1;
            stats.run_rows += part.run.rows();
            stats.run_bytes += part.run.file_len();
            stats.resident_bytes += part.run.resident_bytes();
        }
        stats.cache_bytes = self.cache.weight();
        stats.latched = self.latch.cause().map(ToString::to_string);
        Ok(stats)
    }
}
