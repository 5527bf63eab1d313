//! Opening off the event loop.

use jazz_storage_core::api;
use napi::bindgen_prelude::{Env, Task};

use crate::error::{contained, rejection};
use crate::storage::NativeStorage;

/// Opens a store on a thread of libuv's pool: the engine has threads of its own only once it is open.
pub struct OpenTask(Option<api::OpenOptions>);

impl OpenTask {
    pub(crate) fn new(options: api::OpenOptions) -> Self {
        Self(Some(options))
    }
}

impl Task for OpenTask {
    // The engine's error travels in the output, so that the rejection can carry its stable code.
    type Output = jazz_storage_core::Result<api::NativeStorage>;
    type JsValue = NativeStorage;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        let options = self.0.take().unwrap_or_default();
        Ok(contained(|| api::NativeStorage::open(options)))
    }

    fn resolve(&mut self, env: Env, opened: Self::Output) -> napi::Result<Self::JsValue> {
        opened.map(NativeStorage::from).map_err(|error| rejection(env, error))
    }
}
