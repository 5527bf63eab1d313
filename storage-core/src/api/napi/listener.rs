//! JavaScript functions as listeners. They are called on the event loop, and do not keep it alive.

use crate::api::listener::{EventListener, ProgressListener, StorageEvent, TaskProgress};
use napi::bindgen_prelude::{
    FromNapiValue, Function, Result, ToNapiValue, TypeName, Unknown, ValueType, sys,
};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};

/// A function of one argument.
struct Listener<T: ToNapiValue + 'static>(
    ThreadsafeFunction<T, Unknown<'static>, T, napi::Status, false, true>,
);

impl<T: ToNapiValue + Send + 'static> Listener<T> {
    /// # Safety
    ///
    /// `value` must be of `env`, which must belong to the calling thread.
    unsafe fn new(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: by contract.
        let function = unsafe { Function::<T, Unknown<'static>>::from_napi_value(env, value)? };
        let listener = function.build_threadsafe_function().weak::<true>().build()?;
        Ok(Self(listener))
    }

    /// Calls it some time. What cannot be delivered any more, as the environment ends, concerns nobody.
    fn call(&self, value: T) {
        self.0.call(value, ThreadsafeFunctionCallMode::NonBlocking);
    }
}

impl ProgressListener for Listener<TaskProgress> {
    fn on_progress(&self, progress: TaskProgress) {
        self.call(progress);
    }
}

impl EventListener for Listener<StorageEvent> {
    fn on_event(&self, event: StorageEvent) {
        self.call(event);
    }
}

macro_rules! from_function {
    ($listener:ty, $value:ty) => {
        impl TypeName for $listener {
            fn type_name() -> &'static str {
                "Function"
            }

            fn value_type() -> ValueType {
                ValueType::Function
            }
        }

        impl napi::bindgen_prelude::ValidateNapiValue for $listener {}

        impl FromNapiValue for $listener {
            unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
                // SAFETY: napi converts an argument of a call in its environment, on its thread.
                Ok(Box::new(unsafe { Listener::<$value>::new(env, value)? }))
            }
        }
    };
}

from_function!(Box<dyn ProgressListener>, TaskProgress);
from_function!(Box<dyn EventListener>, StorageEvent);
