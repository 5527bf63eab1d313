//! The form of an operation that does not block.

use crate::error::{Error, Result};
use crate::store::queued::guarded;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The result of an operation that has begun elsewhere: a future, and in JavaScript a promise.
///
/// Invariants:
/// - the operation was queued before this was made, and is carried out even if this is dropped;
/// - the result is given once, to whoever asked last: the future's waker, or the callback of [`Pending::then`];
/// - the callback runs on the thread that has the result, or on the caller's if there is a result already.
///
/// ```
/// use jazz_storage_core::api::{Durability, NativeStorage, OpenOptions};
/// let options = OpenOptions { durability: Some(Durability::Memory), ..OpenOptions::default() };
/// let storage = NativeStorage::open(options)?;
/// let (sender, receiver) = std::sync::mpsc::channel();
/// storage.co_value_count_async().then(move |count| { sender.send(count).ok(); });
/// assert_eq!(receiver.recv().unwrap()?, 0.0);
/// # Ok::<(), jazz_storage_core::Error>(())
/// ```
#[must_use = "errors are found in the result only"]
#[derive(Debug)]
pub struct Pending<T>(Arc<Slot<T>>);

/// The end of a [`Pending`] that gives it its result. Dropped without one, it gives an error.
#[derive(Debug)]
pub(super) struct Settle<T>(Option<Arc<Slot<T>>>);

#[derive(Debug)]
struct Slot<T>(Mutex<State<T>>);

enum State<T> {
    /// Nobody has asked.
    Running,
    /// Someone polls.
    Polled(Waker),
    /// Someone wants to be called.
    Called(Box<dyn FnOnce(Result<T>) + Send>),
    Settled(Result<T>),
    /// The result was given.
    Done,
}

impl<T> std::fmt::Debug for State<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Running | Self::Polled(_) | Self::Called(_) => "running",
            Self::Settled(_) => "settled",
            Self::Done => "done",
        })
    }
}

impl<T> Slot<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, result: Result<T>) {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Done) {
            State::Called(call) => {
                drop(state);
                call(result);
            }
            State::Polled(waker) => {
                *state = State::Settled(result);
                drop(state);
                waker.wake();
            }
            State::Running => *state = State::Settled(result),
            State::Settled(_) | State::Done => {}
        }
    }
}

impl<T> Pending<T> {
    pub(super) fn new() -> (Self, Settle<T>) {
        let slot = Arc::new(Slot(Mutex::new(State::Running)));
        (Self(Arc::clone(&slot)), Settle(Some(slot)))
    }

    /// Hands the result to `call` when it is there.
    pub fn then(self, call: impl FnOnce(Result<T>) + Send + 'static) {
        let mut state = self.0.state();
        match std::mem::replace(&mut *state, State::Done) {
            State::Settled(result) => {
                drop(state);
                call(result);
            }
            State::Running | State::Polled(_) => *state = State::Called(Box::new(call)),
            // Unreachable: both consume this.
            State::Called(_) | State::Done => {}
        }
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let mut state = self.0.state();
        match std::mem::replace(&mut *state, State::Done) {
            State::Settled(result) => Poll::Ready(result),
            State::Done => Poll::Ready(Err(Error::Internal("a result was asked for twice".to_owned()))),
            State::Running | State::Polled(_) | State::Called(_) => {
                *state = State::Polled(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Settle<T> {
    pub(super) fn settle(mut self, result: Result<T>) {
        if let Some(slot) = self.0.take() {
            slot.settle(result);
        }
    }
}

impl<T> Drop for Settle<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            slot.settle(Err(Error::Internal("an operation was dropped".to_owned())));
        }
    }
}

/// Runs an operation on a thread of its own; where there can be none, before this returns.
pub(super) fn detached<T: Send + 'static>(
    operation: impl FnOnce() -> Result<T> + Send + 'static,
) -> Pending<T> {
    let (pending, settle) = Pending::new();
    // Shared, as a thread that cannot be started would take it along.
    let work = Arc::new(Mutex::new(Some(move || settle.settle(guarded(operation)))));
    let run = {
        let work = Arc::clone(&work);
        move || {
            let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(work) = work {
                work();
            }
        }
    };
    if std::thread::Builder::new().name("jazz-storage-upkeep".to_owned()).spawn(run.clone()).is_err() {
        run();
    }
    pending
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    fn poll<T>(pending: &mut Pending<T>) -> Poll<Result<T>> {
        Pin::new(pending).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_future_gives_the_result_once() {
        let (mut pending, settle) = Pending::new();
        assert!(poll(&mut pending).is_pending());
        settle.settle(Ok(1));
        assert!(matches!(poll(&mut pending), Poll::Ready(Ok(1))));
        assert!(matches!(poll(&mut pending), Poll::Ready(Err(Error::Internal(_)))));
    }

    #[test]
    fn a_callback_gets_the_result_before_or_after_it_is_there() {
        for early in [true, false] {
            let (sender, receiver) = channel();
            let (pending, settle) = Pending::new();
            let call = move |result: Result<i32>| sender.send(result.unwrap()).unwrap();
            if early {
                pending.then(call);
                settle.settle(Ok(2));
            } else {
                settle.settle(Ok(2));
                pending.then(call);
            }
            assert_eq!(receiver.try_recv(), Ok(2));
        }
    }

    #[test]
    fn an_operation_that_was_dropped_is_an_error() {
        let (mut pending, settle) = Pending::<()>::new();
        drop(settle);
        assert!(matches!(poll(&mut pending), Poll::Ready(Err(Error::Internal(_)))));
    }
}
