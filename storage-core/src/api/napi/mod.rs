//! What napi-derive cannot know: how bytes, errors, results to come and listeners cross Node-API.
//!
//! - A byte argument of a call that blocks is borrowed for the length of the call.
//! - A call that does not block gives a promise, which is settled from the engine's threads. No thread is made for a call,
//!   and nothing waits on the event loop.
//! - An error is a JavaScript `Error` whose `code` is the stable code of the engine's error.
//! - "Nothing" is `null`.

mod bytes;
mod error;
mod listener;
mod promise;
