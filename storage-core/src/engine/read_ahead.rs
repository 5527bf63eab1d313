//! Reading ahead. A store that was just opened on a cold disk is read here and there, a few kilobytes at a time, and each
//! such read waits for the device: what lies next to each other in a file is of CoValues that have nothing to do with each
//! other. Where a part of a file is read a second time, the system is asked for all of that part, which takes about as long
//! as a few small reads do. Large reads are left alone: the system notices by itself that one follows on another.
//!
//! Invariants:
//! - a part is asked for once in the life of its file's handle, so a file that is in memory already costs one call for each
//!   part of it;
//! - a part is asked for only after two reads of it, so what is read in vain takes at most a constant factor of what these
//!   reads took;
//! - it is advice: nothing depends on whether it is taken.

use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};

/// Bytes of a part: on an SSD read in about the time of three or four small reads.
const PART: u64 = 256 * 1024;
/// The small read of a part with which all of it is asked for.
const ASKING: u8 = 2;
/// Reads of so many bytes are not small.
const LARGE: u64 = 32 * 1024;

/// What was read of a file.
#[derive(Debug)]
pub(super) struct ReadAhead {
    /// Small reads of each part, up to [`ASKING`]. Two at once may count as one or both ask: it is advice.
    parts: Box<[AtomicU8]>,
}

impl ReadAhead {
    /// For a file of so many bytes that may not be in memory. What is appended to it later is.
    pub(super) fn new(len: u64) -> Self {
        Self { parts: (0..len.div_ceil(PART)).map(|_| AtomicU8::new(0)).collect() }
    }

    /// For a file that was just created: it is in memory.
    pub(super) fn none() -> Self {
        Self::new(0)
    }

    /// Which bytes to ask the system for before so many are read at `offset`.
    pub(super) fn before_reading(&self, offset: u64, len: u64) -> Option<Range<u64>> {
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
