//! CoValues, sessions, tombstones, sync state and locks.
//!
//! [`StorageBackend`] has the row operations of cojson's database clients, [`ContentStore`] the whole-message ones that
//! the bindings use. [`BfTreeStorage`] is the store; [`ModelStorage`] is the oracle its tests compare it with.

pub mod bftree;
pub mod content;
pub mod model;
pub mod queued;
pub mod rows;
pub mod traits;

pub use bftree::{BfTreeStorage, StoreOptions};
pub use content::ContentStore;
pub use model::ModelStorage;
pub use queued::Queued;
pub use traits::{StorageBackend, StorageBackendAsync, StorageTransaction};
