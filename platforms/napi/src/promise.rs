//! Promises settled from the engine's threads, or from a thread for one operation that belongs to no store.

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

/// Runs `operation` on a thread of its own and returns the promise of what `convert` makes of its result, as [`promise`].
pub(crate) fn detached<'env, T, J>(
    env: &'env Env,
    operation: impl FnOnce() -> jazz_storage_core::Result<T> + Send + 'static,
    convert: fn(T) -> J,
) -> napi::Result<Object<'env>>
where
    T: Send + 'static,
    J: ToNapiValue + 'static,
{
    let (deferred, promise) = env.create_deferred()?;
    let work = move || {
        let result = contained(operation);
        deferred.resolve(move |env| result.map(convert).map_err(|error| rejection(env, error)));
    };
    match std::thread::Builder::new().name("jazz-storage-upkeep".to_owned()).spawn(work) {
        Ok(_) => Ok(promise),
        Err(error) => Err(napi::Error::from_reason(format!("no thread can be started: {error}"))),
    }
}
