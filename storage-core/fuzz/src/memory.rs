//! How much memory a decoder takes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts the bytes that each thread holds, and the most it held.
struct Counting;

thread_local! {
    static HELD: Cell<i64> = const { Cell::new(0) };
    static MOST: Cell<i64> = const { Cell::new(0) };
}

fn count(bytes: i64) {
    // A thread that ends frees after its counters are gone.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        MOST.try_with(|most| most.set(most.get().max(held.get())))
    });
}

// SAFETY: each method hands its arguments to the system's allocator unchanged and gives back what that gives; counting
// neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What decoding may take for each byte given: the structs that small fields become are larger than these.
const PER_BYTE: usize = 32;
/// What it may take beside that.
const FIXED: usize = 16 * 1024;

/// Runs `work`, which may take memory in proportion to `bytes`.
pub fn in_proportion<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    within(FIXED + PER_BYTE * bytes, work)
}

/// Runs `work`, which may take `limit` bytes of memory at once.
pub fn within<T>(limit: usize, work: impl FnOnce() -> T) -> T {
    let before = HELD.get();
    MOST.set(before);
    let result = work();
    let taken = MOST.get() - before;
    assert!(taken <= limit as i64, "{taken} bytes of memory were taken, {limit} are in proportion");
    result
}
