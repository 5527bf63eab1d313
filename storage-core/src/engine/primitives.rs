//! What threads of the engine wait on, named in one place, so that a test can compile [`super::sync`] once more over a
//! scheduler that tries out orders of events (`checked.rs`).

pub(super) use std::sync::{Condvar, Mutex, MutexGuard};
