//! Jazz Native Storage for Kotlin, Swift and React Native: [`jazz_storage_core::api`] as a C library for UniFFI.
//!
//! There is nothing here: the API is annotated where it is written, and feature `uniffi` of the engine's crate makes a
//! library of it.

jazz_storage_core::uniffi_reexport_scaffolding!();

pub use jazz_storage_core::api::*;
