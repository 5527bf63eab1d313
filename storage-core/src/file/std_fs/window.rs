//! A window onto bytes that a file has already: writing over them is copying into the system's page cache, without a
//! system call, which takes a fraction of the time where writes are small.
//!
//! What is copied is what a `write` of the same bytes would have left there: it outlives the process, other reads see it, and
//! the next sync makes it durable. What differs is failing, as a copy has no result. So there is a window only
//! - on file systems that write over a file's bytes where they are, so that no room can be lacking: the ext family, and
//!   memory;
//! - where the system can be asked to have the pages ready and says if it cannot (`MADV_POPULATE_WRITE`, Linux 5.14): when
//!   the window is made, and again after each sync, which takes them away. If it cannot, there is no window any more, and a
//!   `write` meets the failure.
//!
//! Invariants:
//! - the file is at least as long as its window reaches: whoever shortens it closes the window before;
//! - bytes are copied in by pointer only. No reference to the window's memory is ever made, as the system and other handles
//!   read it too.

#![allow(unsafe_code)]

#[cfg(test)]
mod tests;

use std::ffi::c_void;
use std::fs::File;
use std::ops::Range;
use std::ptr::{self, NonNull};

use rustix::mm::{Advice, MapFlags, ProtFlags};

/// How much is made ready at a time after a sync, in bytes. All that is made ready the next sync writes.
const STEP: usize = 16 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Window {
    map: NonNull<c_void>,
    len: usize,
    /// Where in the file it begins.
    offset: u64,
    /// Up to where in the window the system has the pages ready, from where it is written to next.
    ready: usize,
}

// SAFETY: the memory is the system's and valid from any thread until it is unmapped, which only dropping does; writing to it
// takes `&mut self`.
unsafe impl Send for Window {}

impl Window {
    /// Whether there may be windows onto this file.
    pub(super) fn is_apt(file: &File) -> bool {
        // Numbers from statfs(2): of ext2, ext3 and ext4, and of tmpfs.
        rustix::fs::fstatfs(file).is_ok_and(|system| matches!(system.f_type, 0xef53 | 0x0102_1994))
    }

    /// A window onto these bytes of a file, which it must have already. None if the system gives none.
    pub(super) fn new(file: &File, bytes: Range<u64>) -> Option<Self> {
        let page = rustix::param::page_size() as u64;
        let offset = bytes.start - bytes.start % page;
        let len = usize::try_from(bytes.end.checked_sub(offset)?).ok().filter(|len| *len > 0)?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        if refused(Call::Map) {
            return None;
        }
        // SAFETY: no address is asked for, so the system gives one at which nothing lies.
        let map = unsafe { rustix::mm::mmap(ptr::null_mut(), len, access, MapFlags::SHARED, file, offset) };
        let mut window = Self { map: NonNull::new(map.ok()?)?, len, offset, ready: 0 };
        window.make_ready(0, len).then_some(window)
    }

    /// A sync has taken the pages away.
    pub(super) fn was_synced(&mut self) {
        self.ready = 0;
    }

    /// Has the system have the pages of these bytes of the window ready to be written to. False if it cannot.
    fn make_ready(&mut self, from: usize, to: usize) -> bool {
        if refused(Call::Populate) {
            return false;
        }
        let from = from - from % rustix::param::page_size();
        // SAFETY: these bytes of the map are in it, as `to` is at most its length and `from` less, and the advice changes
        // nothing that they hold.
        let done = unsafe {
            let start = self.map.as_ptr().cast::<u8>().add(from);
            rustix::mm::madvise(start.cast(), to - from, Advice::LinuxPopulateWrite)
        };
        self.ready = to;
        done.is_ok()
    }

    /// Writes these bytes of the file, if they all are in the window. An error if they could be written no more.
    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) -> Result<bool, NotReady> {
        let place = offset.checked_sub(self.offset).and_then(|at| usize::try_from(at).ok());
        let range = place.and_then(|at| Some((at, at.checked_add(bytes.len())?)));
        let Some((at, end)) = range.filter(|(_, end)| *end <= self.len) else { return Ok(false) };
        if end > self.ready && !self.make_ready(at, end.saturating_add(STEP).min(self.len)) {
            return Err(NotReady);
        }
        // SAFETY: these bytes of the map were just found to be in it, the file has them (see the module), and `bytes` is not
        // of it, as nobody has a reference to its memory.
        unsafe {
            let to = self.map.as_ptr().cast::<u8>().add(at);
            ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
        Ok(true)
    }
}

/// What the system is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    /// A window.
    Map,
    /// Its pages, ready to be written to.
    Populate,
}

/// Whether a test has the system refuse this: it cannot be made to.
#[cfg(test)]
fn refused(call: Call) -> bool {
    tests::refused(call)
}

#[cfg(not(test))]
const fn refused(_: Call) -> bool {
    false
}

/// The system does not have the pages ready to be written to.
#[derive(Debug)]
pub(super) struct NotReady;

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: this is the memory of the map, all of it, and nobody knows of it but this.
        let unmapped = unsafe { rustix::mm::munmap(self.map.as_ptr(), self.len) };
        debug_assert!(unmapped.is_ok());
    }
}
