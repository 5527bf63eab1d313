//! The latch: after the first failed write or sync nobody knows what is on disk, so the store refuses further writes
//! until it is opened anew, which reads what is there. Reads go on.

use crate::error::{Error, Result};
use std::sync::{Arc, OnceLock};

/// Set once, by the first failure.
#[derive(Debug, Default)]
pub struct Latch(OnceLock<Arc<Error>>);

impl Latch {
    /// Refuses with the first failure, if there was one.
    pub fn check(&self) -> Result<()> {
        self.cause().map_or(Ok(()), |cause| Err(Error::Latched { cause: Arc::clone(cause) }))
    }

    /// The first failure.
    pub fn cause(&self) -> Option<&Arc<Error>> {
        self.0.get()
    }

    /// Latches with this failure, unless an earlier one did, and gives it back.
    pub fn set(&self, error: Error) -> Error {
        let _ = self.0.set(Arc::new(error.clone()));
        error
    }
}
