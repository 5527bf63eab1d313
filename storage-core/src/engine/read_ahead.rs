//! Reading ahead. A store that was just opened on a cold disk is read here and there, a few kilobytes at a time, and each
//! such read waits for the device: what lies next to each other in a file is of CoValues that have nothing to do with each
//! other. Where a part of a file is read a second time, the system is asked for all of that part, which takes about as long
//! as a few small reads do. Who reads large records one after the other asks for those that come next, as they need not
//! follow on each other.
//!
//! Invariants:
//! - a part, or a large record, is asked for once in the life of its file's handle, so a file that is in memory already costs
//!   one call for each of them;
//! - a part is asked for only after two reads of it, so what is read in vain takes at most a constant factor of what these
//!   reads took;
//! - it is advice: nothing depends on whether it is taken.

use crate::file::FileHandle;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Bytes of a part: on an SSD read in about the time of three or four small reads.
const PART: u64 = 256 * 1024;
/// The small read of a part with which all of it is asked for.
const ASKING: u8 = 2;
/// Reads of so many bytes are not small.
pub(super) const LARGE: u64 = 32 * 1024;

/// What was read of a file.
#[derive(Debug)]
pub(super) struct ReadAhead {
    /// Small reads of each part, up to [`ASKING`]. Two at once may count as one or both ask: it is advice.
    parts: Box<[AtomicU8]>,
    /// Whether the large record was asked for that begins in each range of [`LARGE`] bytes, of which there is one at most.
    large: Box<[AtomicBool]>,
}

impl ReadAhead {
    /// For a file of so many bytes that may not be in memory. What is appended to it later is.
    pub(super) fn new(len: u64) -> Self {
        Self {
            parts: (0..len.div_ceil(PART)).map(|_| AtomicU8::new(0)).collect(),
            large: (0..len.div_ceil(LARGE)).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    /// For a file that was just created: it is in memory.
    pub(super) fn none() -> Self {
        Self::new(0)
    }

    /// Asks the system for what is worth it, before so many bytes of the file are read at `offset`.
    pub(super) fn will_read(&self, file: &impl FileHandle, offset: u64, len: u64) {
        if let Some(bytes) = self.before_reading(offset, len) {
            file.will_read(bytes);
        }
    }

    /// Which bytes to ask the system for before so many are read at `offset`.
    fn before_reading(&self, offset: u64, len: u64) -> Option<Range<u64>> {
        if len >= LARGE {
            return None;
        }
        let n = offset / PART;
        let part = self.parts.get(n as usize)?;
        let reads = part.load(Ordering::Relaxed) + 1;
        if reads > ASKING {
            return None;
        }
        part.store(reads, Ordering::Relaxed);
        (reads == ASKING).then_some(n * PART..(n + 1) * PART)
    }

    /// Which bytes to ask the system for if so many at `offset` will be read soon.
    pub(super) fn before_it_is_due(&self, offset: u64, len: u64) -> Option<Range<u64>> {
        let asked = self.large.get((offset / LARGE) as usize)?;
        (len >= LARGE && !asked.swap(true, Ordering::Relaxed)).then_some(offset..offset + len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_record_is_asked_for_once() {
        let ahead = ReadAhead::new(4 * LARGE);
        for offset in [0, LARGE + 8, 2 * LARGE + 16] {
            assert_eq!(ahead.before_it_is_due(offset, LARGE - 1), None, "it is small");
            assert_eq!(ahead.before_it_is_due(offset, LARGE), Some(offset..offset + LARGE));
            assert_eq!(ahead.before_it_is_due(offset, LARGE), None);
        }
        assert_eq!(ahead.before_it_is_due(4 * LARGE, LARGE), None, "it was written since");
        assert_eq!(ReadAhead::none().before_it_is_due(0, LARGE), None);
    }

    #[test]
    fn a_part_is_asked_for_once_and_with_its_second_small_read() {
        let ahead = ReadAhead::new(2 * PART + 1);
        assert_eq!(ahead.before_reading(PART - 1, 4096), None);
        assert_eq!(ahead.before_reading(PART, 4096), None, "another part");
        assert_eq!(ahead.before_reading(0, 4096), Some(0..PART));
        for _ in 0..1_000 {
            assert_eq!(ahead.before_reading(0, 4096), None);
        }
        assert_eq!(ahead.before_reading(2 * PART, 1), None);
        assert_eq!(
            ahead.before_reading(2 * PART, 1),
            Some(2 * PART..3 * PART),
            "also where the file ends in it"
        );
    }

    #[test]
    fn large_reads_and_what_is_written_later_ask_for_nothing() {
        let ahead = ReadAhead::new(PART);
        for _ in 0..3 {
            assert_eq!(ahead.before_reading(0, LARGE), None);
            assert_eq!(ahead.before_reading(PART, 4096), None);
            assert_eq!(ReadAhead::none().before_reading(0, 4096), None);
        }
        assert_eq!(ahead.before_reading(0, 4096), None);
        assert_eq!(ahead.before_reading(0, 4096), Some(0..PART));
    }
}
