//! The API that the platform bindings expose (docs/design.md, section 3), annotated once for all of them.
//!
//! [`NativeStorage`] holds the operations; what they are given and give are plain records of numbers, strings and
//! booleans, and [`Bytes`] where it is a matter of speed. The generators are chosen by the features `napi` and `uniffi`
//! and by the target family `wasm`; without any of them this is the API for Rust.

mod backing;
mod backup;
mod bytes;
mod handle;
mod health;
mod known;
mod library;
mod listener;
#[cfg(feature = "napi")]
mod napi;
mod options;
mod pending;
mod registry;
mod storage;
mod task;
#[cfg(target_family = "wasm")]
mod wasm;

pub use backup::{BackupLocation, BackupResult, restore_backup, restore_backup_async};
pub use bytes::{Bytes, Lent};
pub use health::{Damage, LostSession, RepairReport, VerifyReport, repair, repair_async};
pub use known::{KnownState, SessionCounter, SyncStateUpdate};
pub use library::{LibraryVersion, library_version, throw_error};
pub use listener::{EventKind, EventListener, ProgressListener, StorageEvent, TaskProgress};
pub use options::{Durability, LockRefusal, LockResult, OpenOptions, StorageStats};
pub use pending::Pending;
pub use storage::NativeStorage;
pub use task::StorageTask;

#[cfg(test)]
mod tests;
