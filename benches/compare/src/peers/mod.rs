//! The stores that are compared with jazz-storage-core. Each module says what its levels mean there, and what was chosen
//! where the library leaves a choice. Caches, sizes and background threads are those that each library has by itself.

pub mod bftree;
pub mod fjall;
pub mod floor;
pub mod gathered;
pub mod lmdb;
pub mod log;
pub mod redb;
#[cfg(feature = "rocksdb")]
pub mod rocksdb;
