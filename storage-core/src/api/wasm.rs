//! What wasm-bindgen cannot know: how bytes, errors and listeners cross to JavaScript.
//!
//! - A byte argument is copied into the memory of the module, a result out of it.
//! - There is one thread. A call that does not block does its work at once, and its promise is settled when it returns.
//! - An error is a JavaScript `Error` whose `code` is the stable code of the engine's error.
//! - "Nothing" is `undefined`.
//! - A listener is called in a microtask, when no call into the module is under way.

use super::bytes::{Bytes, Lent};
use super::listener::{EventListener, ProgressListener, StorageEvent, TaskProgress};
use crate::error::Error;
use js_sys::{Function, Reflect};
use std::cell::RefCell;
use std::collections::HashMap;
use wasm_bindgen::convert::{FromWasmAbi, IntoWasmAbi, OptionIntoWasmAbi};
use wasm_bindgen::describe::WasmDescribe;
use wasm_bindgen::prelude::*;

macro_rules! as_uint8array {
    ($type:ty) => {
        impl WasmDescribe for $type {
            fn describe() {
                Vec::<u8>::describe();
            }
        }

        impl IntoWasmAbi for $type {
            type Abi = <Vec<u8> as IntoWasmAbi>::Abi;

            fn into_abi(self) -> Self::Abi {
                Vec::from(self).into_abi()
            }
        }

        impl OptionIntoWasmAbi for $type {
            fn none() -> Self::Abi {
                <Vec<u8> as OptionIntoWasmAbi>::none()
            }
        }
    };
}

as_uint8array!(Bytes);
as_uint8array!(Lent);

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
    #[wasm_bindgen(js_name = queueMicrotask)]
    fn queue_microtask(function: &JsValue);

    /// A function that listens to how far an operation has come.
    #[wasm_bindgen(typescript_type = "(progress: TaskProgress) => void")]
    pub type ProgressFunction;

    /// A function that listens to what happens to a store.
    #[wasm_bindgen(typescript_type = "(event: StorageEvent) => void")]
    pub type EventFunction;
}

thread_local! {
    /// The functions that listen, by number: they belong to the thread that they were given on, listeners to any.
    static FUNCTIONS: RefCell<HashMap<u32, Function>> = RefCell::default();
}

/// The number of a JavaScript function that listens.
struct Listener(u32);

impl Listener {
    fn new(function: Function) -> Self {
        FUNCTIONS.with_borrow_mut(|functions| {
            let number = functions.keys().max().map_or(0, |last| last.wrapping_add(1));
            functions.insert(number, function);
            Self(number)
        })
    }

    fn call(&self, value: JsValue) {
        if let Some(function) = FUNCTIONS.with_borrow(|functions| functions.get(&self.0).cloned()) {
            // Not from a future of this module: what the function throws would end all of them. So it is the platform's
            // affair, as what event listeners throw is.
            queue_microtask(function.bind1(&JsValue::UNDEFINED, &value).as_ref());
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // At the end of the thread its functions are gone already.
        let _ = FUNCTIONS.try_with(|functions| functions.borrow_mut().remove(&self.0));
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
                Box::new(Listener::new(unsafe { Function::from_abi(abi) }))
            }
        }
    };
}

from_function!(Box<dyn ProgressListener>, ProgressFunction);
from_function!(Box<dyn EventListener>, EventFunction);
