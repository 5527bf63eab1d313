//! The reserve: a file of zeros, given up when the disk is full so that erasing and compacting, which free room in the
//! end, can go on; made again when there is room. As long as it is *spent*, other changes are refused, so that what it
//! gave is left to these.

use super::Schema;
use super::delta::Delta;
use super::state::Core;
use crate::error::{Error, Result};
use crate::file::{FileHandle, FileIO, OpenMode};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The reserve's file.
pub const RESERVE_FILE: &str = "RESERVE";

/// Written in pieces of this size, in bytes.
const WRITE_BYTES: u64 = 256 * 1024;
/// What is left of it, at least, when the store is closed, in bytes.
const REST_BYTES: u64 = 64 * 1024;

impl<F: FileIO, S: Schema, D: Delta> Core<F, S, D> {
    /// Gives the reserve up. False if there was none.
    pub(super) fn release_reserve(&self) -> bool {
        if self.options.reserve_bytes == 0 {
            return false;
        }
        self.spent.store(true, Ordering::Relaxed);
        self.io.exists(RESERVE_FILE).unwrap_or(false) && self.io.remove(RESERVE_FILE).is_ok()
    }

    /// Refuses what is not to take the room that the reserve gave.
    pub(super) fn check_reserve(&self) -> Result<()> {
        if self.spent.load(Ordering::Relaxed) && !self.renew_reserve() {
            self.latch.check()?;
            return Err(Error::DiskFull { path: self.io.path().join(RESERVE_FILE) });
        }
        Ok(())
    }

    /// Makes the reserve if it is not there or has become too small. False if there is no room for it.
    pub(super) fn renew_reserve(&self) -> bool {
        if self.options.reserve_bytes == 0 {
            return true;
        }
        match self.write_reserve(self.wanted_reserve()) {
            // One that there is no room for, or for more of it, is tried again later.
            Ok(()) | Err(Error::DiskFull { .. }) => {}
            Err(e) => {
                self.latch.set(e);
                return false;
            }
        }
        let has = self.io.open(RESERVE_FILE, OpenMode::Read).and_then(|file| file.len()).unwrap_or(0);
        // One that was given up is there again when it is whole; one that was at rest lasts until it can be made whole.
        let is_spent = self.spent.load(Ordering::Relaxed);
        let is_there = has >= if is_spent { self.options.reserve_bytes } else { self.least_reserve() };
        self.spent.store(!is_there, Ordering::Relaxed);
        is_there
    }

    /// Makes of the reserve what a store that is closed should have: a part in 128 of it, and no more than any open store has
    /// at least. That is enough to erase when it is opened again on a full disk; the next part makes up for what is lacking.
    /// Nothing follows from a failure.
    pub(super) fn rest_reserve(&self) {
        let (least, most) = (self.least_reserve(), self.options.reserve_bytes);
        if most == 0 || self.spent.load(Ordering::Relaxed) {
            return;
        }
        let all: u64 = self.index().layers.layers.iter().map(|layer| layer.bytes()).sum();
        let wanted = (all / 128).clamp(least, most);
        let rested = self.write_reserve(wanted).and_then(|()| {
            let file = self.io.open(RESERVE_FILE, OpenMode::ReadWrite)?;
            if file.len()? > wanted { file.truncate(wanted) } else { Ok(()) }
        });
        drop(rested);
    }

    /// What the smallest store has of it when it is closed.
    fn least_reserve(&self) -> u64 {
        REST_BYTES.min(self.options.reserve_bytes)
    }

    /// What gives room back is the rewriting of a part: its run, and what is in use of one of its packs. So a sixteenth of
    /// the store, but not more than that can be.
    fn wanted_reserve(&self) -> u64 {
        let layers = Arc::clone(&self.index().layers);
        let all: u64 = layers.layers.iter().map(|layer| layer.bytes()).sum();
        let largest = layers.parts().map(|part| part.entry.file_len).max().unwrap_or(0);
        let least = self.options.reserve_bytes;
        (all / 16).clamp(least, least.max(2 * self.options.segment_bytes + largest))
    }

    fn write_reserve(&self, bytes: u64) -> Result<()> {
        let is_new = !self.io.exists(RESERVE_FILE)?;
        let mode = if is_new { OpenMode::CreateNew } else { OpenMode::ReadWrite };
        let handle = self.io.open(RESERVE_FILE, mode)?;
        let zeros = vec![0; WRITE_BYTES.min(bytes) as usize];
        let mut at = handle.len()?;
        while at < bytes {
            let part = WRITE_BYTES.min(bytes - at);
            handle.write_at(zeros.get(..part as usize).unwrap_or_default(), at)?;
            at += part;
        }
        Ok(())
    }
}
