//! Watching and ending a long operation from another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How far a long operation has come, and whether it is to end. Clones are the same task.
///
/// ```
/// let task = jazz_storage_core::api::Task::default();
/// assert_eq!(task.progress(), (0.0, 0.0));
/// task.cancel();
/// assert!(!task.step(1, 2));
/// assert_eq!(task.progress(), (1.0, 2.0));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Task(Arc<State>);

#[derive(Debug, Default)]
struct State {
    done: AtomicU64,
    total: AtomicU64,
    cancelled: AtomicBool,
}

impl Task {
    /// Bytes done, and bytes in all; nothing in all before it is known.
    pub fn progress(&self) -> (f64, f64) {
        let State { done, total, .. } = &*self.0;
        (done.load(Ordering::Relaxed) as f64, total.load(Ordering::Relaxed) as f64)
    }

    /// Ends the operation soon, with [`crate::Error::Cancelled`], unless it is complete by then.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }

    /// Notes how far the operation has come. False if it is to end.
    pub fn step(&self, done: u64, total: u64) -> bool {
        self.0.done.store(done, Ordering::Relaxed);
        self.0.total.store(total, Ordering::Relaxed);
        !self.0.cancelled.load(Ordering::Relaxed)
    }
}
