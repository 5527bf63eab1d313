//! What wasm-bindgen cannot know: how bytes, errors and listeners cross to JavaScript.
//!
//! - A byte argument is copied into the memory of the module, a result out of it.
//! - There is one thread. A call that does not block does its work at once, and its promise is settled when it returns.
//! - An error is a JavaScript `Error` whose `code` is the stable code of the engine's error.
//! - "Nothing" is `undefined`.
//! - A listener is called in a microtask, when no call into the module is under way.

use super::bytes::Bytes;
use super::listener::{EventListener, ProgressListener, StorageEvent, TaskProgress};
use crate::error::Error;
use js_sys::{Function, Reflect};
use wasm_bindgen::convert::{FromWasmAbi, IntoWasmAbi, OptionIntoWasmAbi};
use wasm_bindgen::describe::WasmDescribe;
use wasm_bindgen::prelude::*;

impl WasmDescribe for Bytes {
    fn describe() {
        Vec::<u8>::describe();
    }
}

impl IntoWasmAbi for Bytes {
    type Abi = <Vec<u8> as IntoWasmAbi>::Abi;

    fn into_abi(self) -> Self::Abi {
        Vec::from(self).into_abi()
    }
}

impl OptionIntoWasmAbi for Bytes {
    fn none() -> Self::Abi {
        <Vec<u8> as OptionIntoWasmAbi>::none()
    }
}

impl From<Bytes> for JsValue {
    fn from(bytes: Bytes) -> Self {
        js_sys::Uint8Array::from(&*bytes).into()
    }
}

impl From<Error> for JsValue {
    fn from(error: Error) -> Self {
        let thrown = js_sys::Error::new(&error.to_string());
        // Setting a property of a new object cannot fail.
        let _ = Reflect::set(&thrown, &"code".into(), &error.code().as_str().into());
        thrown.into()
    }
}

#[wasm_bindgen]
extern "C" {
    /// A function that listens to how far an operation has come.
    #[wasm_bindgen(typescript_type = "(progress: TaskProgress) => void")]
    pub type ProgressFunction;

    /// A function that listens to what happens to a store.
    #[wasm_bindgen(typescript_type = "(event: StorageEvent) => void")]
    pub type EventFunction;
}

/// A JavaScript function that listens.
struct Listener(Function);

// SAFETY: a module without threads has one thread, so that nothing is ever sent to or shared with another one. Those with
// threads (target feature `atomics`) are refused below.
unsafe impl Send for Listener {}
// SAFETY: as above.
unsafe impl Sync for Listener {}

#[cfg(target_feature = "atomics")]
compile_error!("a module with threads must not share JavaScript functions between them");

impl Listener {
    fn call(&self, value: JsValue) {
        let function = self.0.clone();
        wasm_bindgen_futures::spawn_local(async move {
            // What a listener throws is its own affair, as it is with event listeners of the platform.
            if let Err(thrown) = function.call1(&JsValue::UNDEFINED, &value) {
                wasm_bindgen::throw_val(thrown);
            }
        });
    }
}

impl ProgressListener for Listener {
    fn on_progress(&self, progress: TaskProgress) {
        self.call(progress.into());
    }
}

impl EventListener for Listener {
    fn on_event(&self, event: StorageEvent) {
        self.call(event.into());
    }
}

macro_rules! from_function {
    ($listener:ty, $function:ty) => {
        impl WasmDescribe for $listener {
            fn describe() {
                <$function>::describe();
            }
        }

        impl FromWasmAbi for $listener {
            type Abi = <Function as FromWasmAbi>::Abi;

            unsafe fn from_abi(abi: Self::Abi) -> Self {
                // SAFETY: by contract, which is that of a function.
                Box::new(Listener(unsafe { Function::from_abi(abi) }))
            }
        }
    };
}

from_function!(Box<dyn ProgressListener>, ProgressFunction);
from_function!(Box<dyn EventListener>, EventFunction);
