//! Results to come as promises. They keep the event loop alive until they are settled.

use super::error::rejection;
use crate::api::Pending;
use napi::bindgen_prelude::{Env, Result, ToNapiValue, sys};

impl<T: ToNapiValue + Send + 'static> ToNapiValue for Pending<T> {
    unsafe fn to_napi_value(env: sys::napi_env, pending: Self) -> Result<sys::napi_value> {
        let env = Env::from_raw(env);
        let (deferred, promise) = env.create_deferred()?;
        pending
            .then(move |result| deferred.resolve(move |env| result.map_err(|error| rejection(env, error))));
        // SAFETY: the promise was made in this environment, on its thread.
        unsafe { ToNapiValue::to_napi_value(env.raw(), promise) }
    }
}
