//! The reserve: a file of zeros, given up when the disk is full so that erasing and compacting, which free room in the
//! end, can go on; made again when there is room.

use super::Schema;
use super::delta::Delta;
use super::state::Core;
use crate::error::Result;
use crate::file::{FileHandle, FileIO, OpenMode};

/// The reserve's file.
pub const RESERVE_FILE: &str = "RESERVE";

/// Written in pieces of this size, in bytes.
const WRITE_BYTES: u64 = 256 * 1024;

impl<F: FileIO, S: Schema, D: Delta> Core<F, S, D> {
    /// Gives the reserve up. False if there was none.
    pub(super) fn release_reserve(&self) -> bool {
        self.io.exists(RESERVE_FILE).unwrap_or(false) && self.io.remove(RESERVE_FILE).is_ok()
    }

    /// Makes the reserve if it is not there. If there is no room for it, it is tried again after the next checkpoint.
    pub(super) fn renew_reserve(&self) {
        let bytes = self.options.reserve_bytes;
        if bytes == 0 || self.io.exists(RESERVE_FILE).unwrap_or(true) {
            return;
        }
        if self.write_reserve(bytes).is_err() {
            let _ = self.io.remove(RESERVE_FILE);
        }
    }

    fn write_reserve(&self, bytes: u64) -> Result<()> {
        let handle = self.io.open(RESERVE_FILE, OpenMode::CreateNew)?;
        let zeros = vec![0; WRITE_BYTES.min(bytes) as usize];
        let mut at = 0;
        while at < bytes {
            let part = WRITE_BYTES.min(bytes - at);
            handle.write_at(zeros.get(..part as usize).unwrap_or_default(), at)?;
            at += part;
        }
        Ok(())
    }
}
