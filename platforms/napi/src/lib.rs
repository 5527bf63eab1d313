//! Jazz Native Storage for Node.js: class `NativeStorage` around [`jazz_storage_core::api`].
//!
//! Thin by intent. Each method is one crossing with bytes both ways (`docs/design.md`, section 3); what the bytes mean
//! is the business of the engine below and of the TypeScript package above.
//!
//! - A synchronous method borrows its byte arguments for the length of the call and runs the operation inline.
//! - Its twin `…Async` copies them, queues the operation on the engine's own threads and settles a promise from there
//!   (`promise.rs`). No thread is made for a call, and nothing waits on the event loop.
//! - What takes long has no synchronous form (`upkeep.rs`).
//! - An error is a JavaScript `Error` whose `code` is the stable code of the engine's error; a panic is one with the
//!   code `INTERNAL` and never ends the process (`error.rs`).
//! - "Nothing" is `null`.

mod bytes;
mod error;
mod health;
mod open;
mod promise;
mod records;
mod storage;
mod upkeep;

pub use health::{Damage, LostSession, RepairReport, VerifyReport, repair_async};
pub use open::OpenTask;
pub use records::{LockResult, OpenOptions, Progress, StorageStats};
pub use storage::NativeStorage;
pub use upkeep::{BackupLocation, BackupResult, Task, restore_backup_async};

/// The version of this library. The package that loads it compares it with its own.
#[napi_derive::napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
