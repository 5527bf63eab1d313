//! Errors of the engine as JavaScript errors with a stable `code`.

use crate::error::{Error, ErrorCode};
use napi::bindgen_prelude::{Env, JsError};

impl AsRef<str> for ErrorCode {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// What a method that blocks throws.
impl From<Error> for JsError<ErrorCode> {
    fn from(error: Error) -> Self {
        napi::Error::new(error.code(), error.to_string()).into()
    }
}

/// The error that a promise is rejected with.
///
/// Promises reject with napi's own status codes, which cannot carry ours, so the JavaScript error is made here and handed
/// on by reference. Must be called on the thread of `env`.
pub(super) fn rejection(env: Env, error: Error) -> napi::Error {
    JsError::<ErrorCode>::from(error).into_unknown(env).into()
}
