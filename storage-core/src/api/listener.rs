//! What the storage tells by itself: how far a long operation has come, and that a store has changed its condition.
//!
//! A listener is an object with one method in Kotlin and Swift, and a function in JavaScript. It is called on a thread of
//! the storage's, one call after another; in JavaScript on the event loop, for which it does not keep the process alive.

use crate::engine::observer::Event;
use crate::error::ErrorCode;
use jazz_storage_macros::{choice, record};

/// How far a long operation has come, in bytes.
#[record(returned)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TaskProgress {
    /// Done.
    pub done: f64,
    /// In all; 0 before it is known.
    pub total: f64,
}

/// Is told how far a long operation has come.
#[cfg_attr(feature = "uniffi", uniffi::export(callback_interface))]
pub trait ProgressListener: Send + Sync {
    /// The operation has come further by a hundredth of the whole, or has reached its end.
    fn on_progress(&self, progress: TaskProgress);
}

/// What happened to a store.
#[choice(lower)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Writes are refused from now on, as a write or sync failed. Close the store and open it again.
    WritesRefused,
    /// Merging and compacting do not go on: no room, or damage. Stores and loads do go on.
    Stalled,
    /// Merging and compacting go on again.
    Resumed,
}

/// Something that happened to a store without a call that could have told it.
#[record(returned)]
#[derive(Debug, Clone, PartialEq)]
pub struct StorageEvent {
    /// What happened.
    pub kind: EventKind,
    /// The code of the error that is the cause, if there is one.
    pub code: Option<ErrorCode>,
    /// What the error says.
    pub message: Option<String>,
}

/// Is told what happens to a store.
#[cfg_attr(feature = "uniffi", uniffi::export(callback_interface))]
pub trait EventListener: Send + Sync {
    /// Something happened.
    fn on_event(&self, event: StorageEvent);
}

impl From<&Event> for StorageEvent {
    fn from(event: &Event) -> Self {
        let (kind, cause) = match event {
            Event::Latched(cause) => (EventKind::WritesRefused, Some(cause)),
            Event::Stalled(cause) => (EventKind::Stalled, Some(cause)),
            Event::Resumed => (EventKind::Resumed, None),
        };
        Self { kind, code: cause.map(|cause| cause.code()), message: cause.map(ToString::to_string) }
    }
}
