//! Memory for what is read. That of large reads is used again by the same thread: an allocator gives much of it back to the
//! system at once and has to get it again, page by page, which takes longer than reading does.

use std::cell::Cell;
use std::ops::Deref;

/// Buffers of at most so many bytes are left to the allocator.
const SMALL: usize = 32 * 1024;
/// A buffer of more bytes is not kept.
const KEPT: usize = 1 << 20;

thread_local! {
    /// The memory of the last large buffer of this thread.
    static LAST: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Bytes that were read, or are about to be.
#[derive(Debug)]
pub struct Buffer {
    /// At least `len` bytes; those behind are of an earlier use.
    bytes: Vec<u8>,
    len: usize,
}

impl Buffer {
    /// Reads at most `len` bytes with `read`, which is given room for them and says how many there were. What that room
    /// holds before has no meaning.
    pub fn fill<E>(len: usize, read: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<Self, E> {
        let mut bytes = if len > SMALL { LAST.take() } else { Vec::new() };
        if bytes.len() < len {
            bytes.resize(len, 0);
        }
        let mut buffer = Self { bytes, len };
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
        if (SMALL + 1..=KEPT).contains(&self.bytes.len()) {
            let bytes = std::mem::take(&mut self.bytes);
            // A thread that ends has nothing to keep any more.
            let _ = LAST.try_with(|last| last.set(bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(len: usize, byte: u8, got: usize) -> Buffer {
        let fill = |room: &mut [u8]| {
            assert_eq!(room.len(), len);
            room[..got].fill(byte);
            Ok::<_, ()>(got)
        };
        Buffer::fill(len, fill).unwrap()
    }

    #[test]
    fn a_buffer_has_what_was_read_and_nothing_of_an_earlier_use() {
        for (n, len) in
            [100, SMALL, SMALL + 1, 3 * SMALL, KEPT, KEPT + 1, 2 * SMALL, 10].into_iter().enumerate()
        {
            let buffer = read(len, n as u8 + 1, len - 1);
            assert_eq!(buffer.len(), len - 1);
            assert!(buffer.iter().all(|byte| *byte == n as u8 + 1));
        }
    }

    #[test]
    fn buffers_in_use_at_once_have_memory_of_their_own() {
        let first = read(2 * SMALL, 1, 2 * SMALL);
        let second = read(2 * SMALL, 2, 2 * SMALL);
        assert!(first.iter().all(|byte| *byte == 1) && second.iter().all(|byte| *byte == 2));
    }
}
