//! Group commit: who needs a record durable waits for a sync that covers it, and all who wait share one.
//!
//! Invariants:
//! - a record counts as durable only after a sync that began after it was written has completed;
//! - a failed sync latches the store and is never tried again: the operating system may have dropped the pages;
//! - nobody waits for what nobody will do.
//!
//! `checked.rs` compiles this file a second time, over primitives that try out orders of events.

use super::latch::Latch;
use super::primitives::{Condvar, Mutex, MutexGuard};
use super::segment::Segment;
use crate::error::Result;
use crate::file::{FileHandle, FileIO};
use crate::format::Lsn;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Unsynced bytes at which the background sync does not wait for its interval, at most. A sync beside a writer costs both of
/// them: every 4 MiB, where much is stored at once, made that take a third longer.
pub(super) const SYNC_BYTES: u64 = 16 << 20;
/// How long written records may wait for the background sync.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

struct State<F: FileIO> {
    /// The active segment.
    segment: Option<Arc<Segment<F>>>,
    written: Lsn,
    /// Bytes of the active segment written, and known to be durable.
    written_len: u64,
    synced_len: u64,
    synced: Lsn,
    running: bool,
    stop: bool,
    syncs: u64,
}

/// The syncs of one store.
pub struct Syncer<F: FileIO> {
    state: Mutex<State<F>>,
    changed: Condvar,
    latch: Arc<Latch>,
    /// Unsynced bytes at which the background sync does not wait for its interval.
    sync_bytes: u64,
}

impl<F: FileIO> Syncer<F> {
    /// A syncer for a store whose log ends, durably, before the next record written. In the background it syncs at once when
    /// so many bytes are waiting, or [`SYNC_BYTES`].
    pub fn new(latch: Arc<Latch>, sync_bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                segment: None,
                written: Lsn(0),
                written_len: 0,
                synced_len: 0,
                synced: Lsn(0),
                running: false,
                stop: false,
                syncs: 0,
            }),
            changed: Condvar::new(),
            latch,
            sync_bytes: sync_bytes.min(SYNC_BYTES),
        })
    }

    fn state(&self) -> MutexGuard<'_, State<F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log goes on in another segment, of which `len` bytes are durable; all records up to `lsn` are.
    pub fn switch(&self, segment: Arc<Segment<F>>, len: u64, lsn: Lsn) {
        let mut state = self.state();
        state.segment = Some(segment);
        state.written_len = len;
        state.synced_len = len;
        state.written = state.written.max(lsn);
        state.synced = state.synced.max(lsn);
        self.changed.notify_all();
    }

    /// A record was written, up to `len` in the active segment.
    pub fn wrote(&self, lsn: Lsn, len: u64) {
        let mut state = self.state();
        let was_clean = state.written == state.synced;
        state.written = lsn;
        state.written_len = len;
        if was_clean || state.written_len - state.synced_len >= self.sync_bytes {
            self.changed.notify_all();
        }
    }

    /// The last record that was written.
    pub fn written(&self) -> Lsn {
        self.state().written
    }

    /// How many bytes of the active segment are known to be durable.
    pub fn synced_len(&self) -> u64 {
        self.state().synced_len
    }

    /// How many syncs there were.
    pub fn count(&self) -> u64 {
        self.state().syncs
    }

    /// Returns when the record `lsn` and all before it are durable.
    pub fn wait(&self, lsn: Lsn) -> Result<()> {
        let mut state = self.state();
        loop {
            if state.synced >= lsn {
                return Ok(());
            }
            self.latch.check()?;
            if state.running {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.running = true;
            let (segment, written, len) = (state.segment.clone(), state.written, state.written_len);
            drop(state);
            let outcome = segment.as_ref().map_or(Ok(()), |s| s.handle()?.sync());
            state = self.state();
            state.running = false;
            state.syncs += 1;
            if outcome.is_ok() {
                state.synced = state.synced.max(written);
                let current = state.segment.as_ref().map(|s| s.id());
                if segment.is_some_and(|s| Some(s.id()) == current) {
                    state.synced_len = state.synced_len.max(len);
                }
            }
            self.changed.notify_all();
            if let Err(e) = outcome {
                return Err(self.latch.set(e));
            }
        }
    }

    /// Makes everything written so far durable.
    pub fn flush(&self) -> Result<()> {
        let written = self.state().written;
        self.wait(written)
    }

    /// Syncs in the background until [`Syncer::stop`]: at most [`SYNC_INTERVAL`] after a record was written, at once
    /// when enough bytes are waiting. An error latches the store, where the next write meets it.
    pub fn run(&self) {
        let mut state = self.state();
        while !state.stop && self.latch.check().is_ok() {
            if state.written == state.synced {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (waited, _) = self
                .changed
                .wait_timeout_while(state, SYNC_INTERVAL, |s| {
                    !s.stop && s.written != s.synced && s.written_len - s.synced_len < self.sync_bytes
                })
                .unwrap_or_else(PoisonError::into_inner);
            state = waited;
            if state.stop || state.written == state.synced {
                continue;
            }
            let written = state.written;
            drop(state);
            // The latch keeps the error.
            let _ = self.wait(written);
            state = self.state();
        }
    }

    /// Ends [`Syncer::run`].
    pub fn stop(&self) {
        self.state().stop = true;
        self.changed.notify_all();
    }
}
