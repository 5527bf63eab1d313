//! The tools that the bindings need beyond Rust and Node: one family to a file, each found and installed on its own.
//!
//! `find` says which version is there, or what is missing and how to get it, and installs nothing. `ensure` installs what
//! is missing, in one version, into `.tools` or by the package manager of the system. What is in `.tools` is whole: it is
//! made beside its place and takes it when it is done.

pub(crate) mod apt;
pub(crate) mod crates;
pub(crate) mod wasm;
