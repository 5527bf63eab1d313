//! Promises settled from the engine's threads.

use jazz_storage_core::api::{Lane, NativeStorage};
use napi::bindgen_prelude::{Env, Object, ToNapiValue};

use crate::error::{contained, rejection};

/// Queues `operation` on the engine's threads and returns the promise of what `convert` makes of its result.
///
/// `convert` runs on the JavaScript thread. The promise keeps the event loop alive until it is settled.
pub(crate) fn promise<'env, T, J>(
    env: &'env Env,
    storage: &NativeStorage,
    lane: Lane,
    operation: impl FnOnce(&NativeStorage) -> jazz_storage_core::Result<T> + Send + 'static,
    convert: fn(T) -> J,
) -> napi::Result<Object<'env>>
where
    T: Send + 'static,
    J: ToNapiValue + 'static,
{
    let (deferred, promise) = env.create_deferred()?;
    storage.submit(
        lane,
        move |storage| contained(|| operation(storage)),
        move |result| {
            deferred.resolve(move |env| result.map(convert).map_err(|error| rejection(env, error)));
        },
    );
    Ok(promise)
}
