//! The bytes of a file in memory, and the room that files share.
//!
//! Invariants:
//! - the bytes are in chunks of [`CHUNK`], of which only the last may be shorter: a file that grows copies nothing but its
//!   first bytes, and what a removed file leaves is of use to any other, even where memory is never given back;
//! - what the chunks take is taken from the room before it is allocated, and given back with them;
//! - what fails changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// In bytes.
const CHUNK: usize = 64 * 1024;
/// What the smallest file takes, in bytes.
const LEAST: usize = 256;

/// How much memory files may take, and do.
#[derive(Debug)]
pub(super) struct Room {
    limit: u64,
    taken: AtomicU64,
}

impl Room {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, taken: AtomicU64::new(0) }
    }

    fn take(&self, bytes: usize) -> Option<()> {
        let after = |taken: u64| taken.checked_add(bytes as u64).filter(|all| *all <= self.limit);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after).ok().map(drop)
    }

    fn give_back(&self, bytes: usize) {
        self.taken.fetch_sub(bytes as u64, Ordering::Relaxed);
    }
}

/// The bytes of one file.
#[derive(Debug)]
pub(super) struct Contents {
    chunks: Vec<Vec<u8>>,
    room: Arc<Room>,
}

impl Drop for Contents {
    fn drop(&mut self) {
        self.cut(0);
    }
}

impl Contents {
    pub(super) fn new(room: &Arc<Room>) -> Self {
        Self { chunks: Vec::new(), room: Arc::clone(room) }
    }

    pub(super) fn len(&self) -> usize {
        let whole = self.chunks.len().saturating_sub(1) * CHUNK;
        whole + self.chunks.last().map_or(0, Vec::len)
    }

    /// Reads what there is at `offset`, as far as `buf` has room for it, and gives how many bytes that were.
    pub(super) fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let Ok(offset) = usize::try_from(offset) else { return 0 };
        let mut done = 0;
        while let Some(to) = buf.get_mut(done..).filter(|to| !to.is_empty()) {
            let (chunk, within) = place(offset.saturating_add(done));
            let from = self.chunks.get(chunk).and_then(|chunk| chunk.get(within..)).unwrap_or_default();
            let read = from.len().min(to.len());
            if read == 0 {
                break;
            }
            if let (Some(to), Some(from)) = (to.get_mut(..read), from.get(..read)) {
                to.copy_from_slice(from);
            }
            done += read;
        }
        done
    }

    /// Writes at `offset`, growing the file if it ends before; none if there is no room for that.
    pub(super) fn write(&mut self, buf: &[u8], offset: u64) -> Option<()> {
        if buf.is_empty() {
            return Some(());
        }
        let len = self.len();
        let start = usize::try_from(offset).ok()?;
        start.checked_add(buf.len())?;
        let (over, behind) = buf.split_at(len.saturating_sub(start).min(buf.len()));
        // First what may fail. Between the end of the file and `start` there are zeros.
        let hole = start.saturating_sub(len);
        if self.append_zeros(hole).and_then(|()| self.append(behind)).is_none() {
            self.cut(len);
            return None;
        }
        let mut done = 0;
        while let Some(from) = over.get(done..).filter(|from| !from.is_empty()) {
            let (chunk, within) = place(start + done);
            let to = self.chunks.get_mut(chunk)?.get_mut(within..)?;
            let written = to.len().min(from.len());
            to.get_mut(..written)?.copy_from_slice(from.get(..written)?);
            done += written;
        }
        Some(())
    }

    /// Cuts the file or extends it with zeros; none if there is no room for that.
    pub(super) fn set_len(&mut self, len: u64) -> Option<()> {
        let (old, len) = (self.len(), usize::try_from(len).ok()?);
        if len <= old {
            self.cut(len);
            return Some(());
        }
        let grown = self.append_zeros(len - old);
        if grown.is_none() {
            self.cut(old);
        }
        grown
    }

    /// Appends bytes; only some of them if there is no room for all.
    fn append(&mut self, mut bytes: &[u8]) -> Option<()> {
        while !bytes.is_empty() {
            let (chunk, room) = self.last_with_room(bytes.len())?;
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            chunk.extend_from_slice(now);
            bytes = later;
        }
        Some(())
    }

    /// Appends so many zeros; only some of them if there is no room for all.
    fn append_zeros(&mut self, mut count: usize) -> Option<()> {
        while count > 0 {
            let (chunk, room) = self.last_with_room(count)?;
            let now = room.min(count);
            chunk.resize(chunk.len() + now, 0);
            count -= now;
        }
        Some(())
    }

    /// The last chunk, which is not full, and for how many bytes more it has memory: for `wanted` if it may have as many.
    fn last_with_room(&mut self, wanted: usize) -> Option<(&mut Vec<u8>, usize)> {
        if self.chunks.last().is_none_or(|last| last.len() == CHUNK) {
            self.chunks.try_reserve(1).ok()?;
            self.chunks.push(Vec::new());
        }
        let last = self.chunks.last_mut()?;
        let (len, had) = (last.len(), last.capacity());
        if len == had {
            let doubled = len.saturating_add(wanted).max(2 * had).clamp(LEAST, CHUNK);
            self.room.take(doubled - had)?;
            if last.try_reserve_exact(doubled - len).is_err() {
                self.room.give_back(doubled - had);
                return None;
            }
        }
        let room = last.capacity() - len;
        Some((last, room))
    }

    /// Cuts the file to at most `len` bytes.
    fn cut(&mut self, len: usize) {
        let kept = len.div_ceil(CHUNK);
        for dropped in self.chunks.drain(kept.min(self.chunks.len())..) {
            self.room.give_back(dropped.capacity());
        }
        if let Some(last) = self.chunks.get_mut(kept.wrapping_sub(1)) {
            let had = last.capacity();
            last.truncate(len - (kept - 1) * CHUNK);
            last.shrink_to(last.len().next_power_of_two().max(LEAST));
            self.room.give_back(had - last.capacity());
        }
    }
}

/// In which chunk a byte is, and where in it.
fn place(offset: usize) -> (usize, usize) {
    (offset / CHUNK, offset % CHUNK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(limit: u64) -> (Contents, Arc<Room>) {
        let room = Arc::new(Room::new(limit));
        (Contents::new(&room), room)
    }

    fn taken(room: &Room) -> u64 {
        room.taken.load(Ordering::Relaxed)
    }

    fn all(contents: &Contents) -> Vec<u8> {
        let mut bytes = vec![7; contents.len() + 1];
        let read = contents.read(&mut bytes, 0);
        bytes.truncate(read);
        bytes
    }

    #[test]
    fn any_sequence_of_changes_is_that_of_a_vector() {
        let (mut contents, room) = contents(u64::MAX);
        let mut expected: Vec<u8> = Vec::new();
        // Sizes around those of chunks, from a fixed sequence of numbers.
        let mut state = 1u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for step in 0..400u32 {
            let offset = random(4 * CHUNK);
            let bytes = vec![step as u8; [1, 300, CHUNK, CHUNK + 1, 2 * CHUNK][random(5)]];
            if step % 5 == 4 {
                contents.set_len(offset as u64).unwrap();
                expected.resize(offset, 0);
            } else {
                let offset = if step % 2 == 0 { expected.len() } else { offset };
                contents.write(&bytes, offset as u64).unwrap();
                expected.resize(expected.len().max(offset + bytes.len()), 0);
                expected[offset..offset + bytes.len()].copy_from_slice(&bytes);
            }
            assert!(all(&contents) == expected, "step {step}");
            assert!(taken(&room) >= expected.len() as u64, "step {step}");
            assert!(taken(&room) < (expected.len() + CHUNK) as u64, "step {step}");
        }
        drop(contents);
        assert_eq!(taken(&room), 0);
    }

    #[test]
    fn what_has_no_room_changes_nothing_and_takes_nothing() {
        let limit = 3 * CHUNK as u64;
        let (mut one, room) = contents(limit);
        let mut other = Contents::new(&room);
        one.write(&[1; 2 * CHUNK], 0).unwrap();
        other.write(&[2; 10], 0).unwrap();
        let before = taken(&room);
        for offset in [0, 10, CHUNK as u64, 5 * CHUNK as u64] {
            assert_eq!(other.write(&[3; CHUNK + 1], offset), None, "{offset}");
        }
        assert_eq!(other.set_len(limit), None);
        assert_eq!(other.write(b"x", u64::MAX), None);
        assert_eq!((all(&other), taken(&room)), (vec![2; 10], before));
        // Writing over what is there needs no room, and what is given back is room for others.
        one.write(&[4; 2 * CHUNK], 0).unwrap();
        one.set_len(1).unwrap();
        other.write(&[3; CHUNK + 1], 10).unwrap();
        assert_eq!((one.len(), other.len()), (1, CHUNK + 11));
        assert!(taken(&room) <= limit);
    }
}
