//! Jazz Native Storage as WebAssembly: [`jazz_storage_core::api`] for wasm-bindgen.
//!
//! There is nothing here: the API is annotated where it is written, and the target family `wasm` makes a module of it.

pub use jazz_storage_core::api::*;
