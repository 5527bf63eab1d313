//! What wasm-bindgen cannot know: how bytes, errors and listeners cross to JavaScript.
//!
//! - A byte argument is copied into the memory of the module, a result out of it.
//! - There is one thread. A call that does not block does its work in a microtask, in the order of calls; so it can be
//!   cancelled, by who does so before anything else. What takes long is done in slices, so that others are answered
//!   meanwhile: when, the host may say (`setTurns`).
//! - An error is a JavaScript `Error` whose `code` is the stable code of the engine's error.
//! - "Nothing" is `undefined`.
//! - A listener is called in a microtask, when no call into the module is under way.

use super::bytes::{Bytes, Lent};
use super::listener::{EventListener, ProgressListener, StorageEvent, TaskProgress};
use crate::engine::slices::slice;
use crate::error::{Error, Result};
use js_sys::{Function, Promise, Reflect};
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use wasm_bindgen::convert::{FromWasmAbi, IntoWasmAbi, OptionIntoWasmAbi};
use wasm_bindgen::describe::WasmDescribe;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

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

/// A promise of what an operation gives, which is done in a microtask. One future for all operations, as a type for each
/// would be a copy of all that futures are made of.
pub(super) fn promised(operation: impl FnOnce() -> Result<JsValue, Error> + 'static) -> Promise {
    settled_later(Box::new(operation))
}

fn settled_later(operation: Operation) -> Promise {
    let mut operation = Some(operation);
    future_to_promise(poll_fn(move |_| {
        // A future that is ready is not polled again.
        let result = operation.take().map_or(Ok(JsValue::UNDEFINED), |operation| operation());
        Poll::Ready(result.map_err(JsValue::from))
    }))
}

type Operation = Box<dyn FnOnce() -> Result<JsValue, Error>>;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = queueMicrotask)]
    fn queue_microtask(function: &JsValue);

    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(function: &Function);

    /// A function that gives a promise of the next turn.
    #[wasm_bindgen(typescript_type = "() => Promise<void>")]
    pub type TurnFunction;

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

thread_local! {
    static TURNS: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Bytes of work in a slice: about a millisecond.
const SLICE_WORK: u64 = 256 * 1024;

/// Says when the next slice of what takes long may be done: when the promise that this gives is settled. Without it that is
/// after a timeout of 0.
#[wasm_bindgen(js_name = setTurns)]
#[allow(unreachable_pub, reason = "exported to JavaScript")]
pub fn set_turns(turns: TurnFunction) {
    TURNS.set(Some(turns.unchecked_into()));
}

/// Runs an operation in slices, each in a turn of its own.
pub(super) async fn in_slices<T>(operation: impl Future<Output = Result<T>>) -> Result<T> {
    let mut operation = pin!(operation);
    loop {
        let turns = TURNS.with_borrow(Clone::clone);
        let turn = match turns.map(|turns| turns.call0(&JsValue::UNDEFINED)) {
            Some(Ok(turn)) => Promise::resolve(&turn),
            Some(Err(_)) | None => Promise::new(&mut |resolve, _| set_timeout(&resolve)),
        };
        // One that is rejected is no reason to leave the operation where it is.
        let _ = wasm_bindgen_futures::JsFuture::from(turn).await;
        if let Poll::Ready(result) = slice(operation.as_mut(), SLICE_WORK) {
            return result;
        }
    }
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
