//! Watching and ending a long operation from another thread. Clones of a task are the same task.
//!
//! ```
//! use jazz_storage_core::api::{TaskProgress, StorageTask};
//! let task = StorageTask::new();
//! assert_eq!(task.progress(), TaskProgress { done: 0.0, total: 0.0 });
//! assert!(task.step(1, 2));
//! task.cancel();
//! assert!(!task.step(2, 2));
//! assert_eq!(task.progress(), TaskProgress { done: 2.0, total: 2.0 });
//! ```

use super::listener::{ProgressListener, TaskProgress};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A long operation, to be given to it when it begins: how far it has come, and a way to end it.
#[cfg_attr(feature = "uniffi", derive(uniffi::Object))]
#[cfg_attr(target_family = "wasm", wasm_bindgen::prelude::wasm_bindgen)]
#[cfg_attr(feature = "napi", napi_derive::napi)]
#[derive(Debug, Clone, Default)]
pub struct StorageTask {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    done: AtomicU64,
    total: AtomicU64,
    cancelled: AtomicBool,
    told: Mutex<Option<Told>>,
}

/// Who is told of the progress.
struct Told {
    listener: Box<dyn ProgressListener>,
    /// The hundredth of the whole that was told last.
    hundredth: Option<u64>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { done, total, cancelled, .. } = self;
        f.debug_struct("State")
            .field("done", done)
            .field("total", total)
            .field("cancelled", cancelled)
            .finish_non_exhaustive()
    }
}

#[cfg_attr(feature = "uniffi", uniffi::export)]
#[cfg_attr(target_family = "wasm", wasm_bindgen::prelude::wasm_bindgen)]
#[cfg_attr(feature = "napi", napi_derive::napi)]
impl StorageTask {
    /// A task for one operation.
    #[cfg_attr(feature = "napi", napi(constructor))]
    #[cfg_attr(target_family = "wasm", wasm_bindgen(constructor))]
    #[cfg_attr(feature = "uniffi", uniffi::constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// How far the operation has come.
    #[cfg_attr(feature = "napi", napi)]
    pub fn progress(&self) -> TaskProgress {
        let State { done, total, .. } = &*self.state;
        TaskProgress {
            done: done.load(Ordering::Relaxed) as f64,
            total: total.load(Ordering::Relaxed) as f64,
        }
    }

    /// Ends the operation soon: it fails with `CANCELLED`, unless it is complete by then.
    #[cfg_attr(feature = "napi", napi)]
    pub fn cancel(&self) {
        self.state.cancelled.store(true, Ordering::Relaxed);
    }

    /// Tells a listener how far the operation has come, at each hundredth of the whole and at its end. It takes the place
    /// of one given before.
    #[cfg_attr(feature = "napi", napi(ts_args_type = "listener: (progress: TaskProgress) => void"))]
    #[cfg_attr(target_family = "wasm", wasm_bindgen(js_name = "onProgress"))]
    pub fn on_progress(&self, listener: Box<dyn ProgressListener>) {
        *self.told() = Some(Told { listener, hundredth: None });
    }
}

impl StorageTask {
    fn told(&self) -> MutexGuard<'_, Option<Told>> {
        self.state.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how far the operation has come. False if it is to end.
    pub fn step(&self, done: u64, total: u64) -> bool {
        self.state.done.store(done, Ordering::Relaxed);
        self.state.total.store(total, Ordering::Relaxed);
        if let Some(told) = &mut *self.told() {
            let hundredth = (u128::from(done) * 100).checked_div(u128::from(total)).map(|part| part as u64);
            if hundredth.is_some() && hundredth != told.hundredth {
                told.hundredth = hundredth;
                told.listener.on_progress(TaskProgress { done: done as f64, total: total as f64 });
            }
        }
        !self.state.cancelled.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    struct Sent(Mutex<Sender<f64>>);

    impl ProgressListener for Sent {
        fn on_progress(&self, progress: TaskProgress) {
            self.0.lock().unwrap().send(progress.done).unwrap();
        }
    }

    #[test]
    fn a_listener_is_told_at_each_hundredth_and_at_the_end() {
        let (sender, receiver) = channel();
        let task = StorageTask::new();
        task.on_progress(Box::new(Sent(Mutex::new(sender))));
        assert!(task.step(0, 0));
        for done in 0..=100_000 {
            assert!(task.step(done, 100_000));
        }
        let told: Vec<f64> = receiver.try_iter().collect();
        assert_eq!(told, (0..=100).map(|hundredth| f64::from(hundredth) * 1000.0).collect::<Vec<_>>());
    }
}
