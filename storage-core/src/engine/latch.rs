//! The latch: after the first failed write or sync nobody knows what is on disk, so the store refuses further writes
//! until it is opened anew, which reads what is there. Reads go on.

use super::observer::Observers;
use crate::error::{Error, Result};
use std::sync::{Arc, OnceLock};

/// Set once, by the first failure, of which observers are told.
#[derive(Debug, Default)]
pub struct Latch {
    cause: OnceLock<Arc<Error>>,
    observers: Arc<Observers>,
}

impl Latch {
    /// A latch that tells these.
    pub fn new(observers: Arc<Observers>) -> Self {
        Self { cause: OnceLock::new(), observers }
    }

    /// Refuses with the first failure, if there was one.
    pub fn check(&self) -> Result<()> {
        self.cause().map_or(Ok(()), |cause| Err(Error::Latched { cause: Arc::clone(cause) }))
    }

    /// The first failure.
    pub fn cause(&self) -> Option<&Arc<Error>> {
        self.cause.get()
    }

    /// Latches with this failure, unless an earlier one did, and gives it back.
    pub fn set(&self, error: Error) -> Error {
        if self.cause.set(Arc::new(error.clone())).is_ok() {
            self.observers.latched(&error);
        }
        error
    }
}
