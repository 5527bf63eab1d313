//! jazz-storage-core against other embedded stores, each with the layout and the statements that someone who knows it
//! would give it for CoValues: the same messages in, the same content out, at equal durability.
//!
//! [`peers`] are the stores, [`contestants`] their list with what each can do. [`run`] is the runner, `benches/peers.rs` the
//! benchmarks by Criterion. Traces, the native storage, SQLite and the check of contents are those of `benches/engine`.

pub mod bytes;
pub mod contestants;
pub mod model;
pub mod ordered;
pub mod peers;
pub mod run;
pub mod workloads;
