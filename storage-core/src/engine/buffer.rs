//! Memory for what is read. It is used again: of large reads, as an allocator gives much of it back to the system at once and
//! has to get it again, page by page, which takes longer than reading does; of index blocks, as these are read most.

use std::ops::{Deref, RangeInclusive};
use std::sync::{Arc, Mutex, PoisonError};

/// The memory of the buffer that was given up last.
#[derive(Debug)]
pub struct Spare {
    /// Buffers of fewer bytes are left to the allocator, of more bytes are not kept.
    kept: RangeInclusive<usize>,
    memory: Mutex<Vec<u8>>,
}

impl Spare {
    /// Memory for buffers of so many bytes.
    pub fn new(kept: RangeInclusive<usize>) -> Arc<Self> {
        Arc::new(Self { kept, memory: Mutex::default() })
    }

    fn swap(&self, bytes: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner), bytes)
    }
}

/// Bytes that were read.
#[derive(Debug)]
pub struct Buffer {
    /// At least `len` bytes; those behind are of an earlier use.
    bytes: Vec<u8>,
    len: usize,
    /// Where the memory goes.
    spare: Option<Arc<Spare>>,
}

impl Buffer {
    /// Reads at most `len` bytes with `read`, which is given room for them and says how many there were. What that room
    /// holds before has no meaning.
    pub fn fill<E>(
        len: usize,
        spare: Option<&Arc<Spare>>,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<Self, E> {
        let spare = spare.filter(|spare| spare.kept.contains(&len));
        let mut bytes = spare.map_or_else(Vec::new, |spare| spare.swap(Vec::new()));
        if bytes.len() < len {
            bytes.resize(len, 0);
        }
        let mut buffer = Self { bytes, len, spare: spare.map(Arc::clone) };
        let got = read(buffer.bytes.get_mut(..len).unwrap_or_default())?;
        buffer.len = got.min(len);
        Ok(buffer)
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(spare) = &self.spare {
            drop(spare.swap(std::mem::take(&mut self.bytes)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: usize = 32 * 1024;
    const KEPT: usize = 1 << 20;

    fn spare() -> Arc<Spare> {
        Spare::new(SMALL + 1..=KEPT)
    }

    fn read(spare: &Arc<Spare>, len: usize, byte: u8, got: usize) -> Buffer {
        let fill = |room: &mut [u8]| {
            assert_eq!(room.len(), len);
            room[..got].fill(byte);
            Ok::<_, ()>(got)
        };
        Buffer::fill(len, Some(spare), fill).unwrap()
    }

    #[test]
    fn a_buffer_has_what_was_read_and_nothing_of_an_earlier_use() {
        let spare = spare();
        for (n, len) in
            [100, SMALL, SMALL + 1, 3 * SMALL, KEPT, KEPT + 1, 2 * SMALL, 10].into_iter().enumerate()
        {
            let buffer = read(&spare, len, n as u8 + 1, len - 1);
            assert_eq!(buffer.len(), len - 1);
            assert!(buffer.iter().all(|byte| *byte == n as u8 + 1));
        }
    }

    #[test]
    fn buffers_in_use_at_once_have_memory_of_their_own() {
        let spare = spare();
        let first = read(&spare, 2 * SMALL, 1, 2 * SMALL);
        let second = read(&spare, 2 * SMALL, 2, 2 * SMALL);
        assert!(first.iter().all(|byte| *byte == 1) && second.iter().all(|byte| *byte == 2));
    }
}
