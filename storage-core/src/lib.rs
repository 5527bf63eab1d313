//! The storage engine of Jazz Native Storage.
//!
//! Layers, from the bottom: [`file`] (where bytes live), [`format`] (what they mean), [`engine`] (log, index,
//! checkpoint, recovery), [`store`] (CoValues, sessions, tombstones, sync state, locks), [`api`] (what the platform
//! bindings expose). Each uses only those below it. `docs/design.md` in the repository is the contract: bytes,
//! protocols and invariants.

// tsify would rather have records wrapped in a type of its own, as a conversion that fails leaks what the call was given
// before. A conversion fails only if the package hands over what its own types forbid.
#![cfg_attr(target_family = "wasm", allow(deprecated))]

#[cfg(feature = "uniffi")]
uniffi::setup_scaffolding!("jazz_storage");

// Upstream's source with a few edits: for platforms where upstream's crate does not compile, and without two system calls
// for each write elsewhere.
extern crate bf_tree_portable as bf_tree;

pub mod api;
pub mod engine;
pub mod error;
pub mod file;
pub mod format;
mod order;
pub mod store;

pub use error::{Error, ErrorCode, Result};
