//! Errors of the engine, and panics, as JavaScript errors with a stable `code`.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jazz_storage_core::{Error, ErrorCode};
use napi::bindgen_prelude::{Env, JsError};

/// The `code` of a thrown error.
#[derive(Debug, Clone, Copy)]
pub struct Code(ErrorCode);

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        self.0.as_str()
    }
}

/// What a synchronous method throws.
pub(crate) type Thrown = napi::Error<Code>;

/// Runs an operation of the engine, turning a panic in it into [`Error::Internal`].
///
/// The engine's locks recover or latch by themselves, so going on after a panic is theirs to allow or refuse; a
/// process that ends because of one CoValue is what must not happen.
pub(crate) fn contained<T>(operation: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(operation)) {
        Ok(result) => result,
        Err(payload) => Err(Error::Internal(panic_message(payload.as_ref()))),
    }
}

/// Runs an operation and gives what a synchronous method returns or throws.
pub(crate) fn inline<T>(operation: impl FnOnce() -> Result<T, Error>) -> Result<T, Thrown> {
    contained(operation).map_err(thrown)
}

/// The error that a synchronous method throws for an error of the engine.
pub(crate) fn thrown(error: Error) -> Thrown {
    napi::Error::new(Code(error.code()), error.to_string())
}

/// The error that a promise is rejected with.
///
/// Promises reject with napi's own status codes, which cannot carry ours, so the JavaScript error is made here and
/// handed on by reference. Must be called on the thread of `env`.
pub(crate) fn rejection(env: Env, error: Error) -> napi::Error {
    JsError::from(thrown(error)).into_unknown(env).into()
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text =
        payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
    format!("panic: {}", text.unwrap_or("of unknown kind"))
}
