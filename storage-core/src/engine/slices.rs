//! Long operations in slices, where there is one thread and others want to be answered meanwhile.
//!
//! Such an operation is an `async fn` that says at its [`pause`]s how much it has done since the last one, and holds no lock
//! there. It is run [`at_once`], where pauses are none, or a [`slice`] at a time by who has something else to do in between.
//!
//! ```
//! use jazz_storage_core::engine::slices::{at_once, pause, slice};
//! use std::pin::pin;
//! use std::task::Poll;
//! let operation = || async {
//!     pause(5).await;
//!     pause(5).await;
//!     Ok::<_, jazz_storage_core::Error>(7)
//! };
//! assert_eq!(at_once(operation())?, 7);
//! let mut operation = pin!(operation());
//! assert!(slice(operation.as_mut(), 6).is_pending());
//! assert!(matches!(slice(operation.as_mut(), 6), Poll::Ready(Ok(7))));
//! # Ok::<(), jazz_storage_core::Error>(())
//! ```

use crate::error::{Error, Result};
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

thread_local! {
    /// Bytes of work that are left of the slice under way; nothing if what runs does not pause.
    static LEFT: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Sets what is left as long as it lives: slices may be within others, and end by a panic.
struct Within(Option<u64>);

impl Within {
    fn new(left: Option<u64>) -> Self {
        Self(LEFT.replace(left))
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        LEFT.set(self.0);
    }
}

/// Ends the slice under way, if it has done its work: `work` bytes more than at the last pause.
pub async fn pause(work: u64) {
    let Some(left) = LEFT.get() else { return };
    LEFT.set(Some(left.saturating_sub(work)));
    if work < left {
        return;
    }
    let mut paused = false;
    poll_fn(|_| if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Does the next `work` bytes of an operation, and a little more.
pub fn slice<T>(operation: Pin<&mut impl Future<Output = Result<T>>>, work: u64) -> Poll<Result<T>> {
    let _within = Within::new(Some(work));
    operation.poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs an operation to its end.
///
/// # Errors
/// Those of the operation.
pub fn at_once<T>(operation: impl Future<Output = Result<T>>) -> Result<T> {
    let _within = Within::new(None);
    match pin!(operation).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => {
            Err(Error::Internal("an operation waited for something else than its turn".to_owned()))
        }
    }
}
