//! Jazz Native Storage for Node.js: [`jazz_storage_core::api`] as a Node-API addon.
//!
//! There is nothing here: the API is annotated where it is written, and feature `napi` of the engine's crate makes an addon
//! of it.

pub use jazz_storage_core::api::*;
