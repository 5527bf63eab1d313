//! What the data model ([`crate::model`]) needs of a store of ordered keys, and no more: so that each peer's module says
//! only how that store is opened, read and written by someone who knows it.

use std::path::Path;

use jazz_storage_bench::{Level, Result};

/// A view of the store that does not change while it is looked at.
pub trait Reader {
    /// What `read` makes of the value of a key.
    ///
    /// # Errors
    /// Those of the store and of `read`.
    fn get<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> Result<T>) -> Result<Option<T>>;

    /// Shows the pairs from `from` on and before `end`, in the order of their keys, until `each` says false.
    ///
    /// # Errors
    /// Those of the store and of `each`.
    fn range(&self, from: &[u8], end: &[u8], each: impl FnMut(&[u8], &[u8]) -> Result<bool>) -> Result<()>;
}

/// Changes that are made together. What it reads may be as it was before them.
pub trait Writer: Reader {
    /// Sets the value of a key.
    ///
    /// # Errors
    /// Those of the store.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()>;
}

/// A store of ordered keys.
pub trait Ordered: Sized {
    /// What the results call it.
    const NAME: &'static str;

    /// The levels at which it can be opened, the weakest first.
    const LEVELS: &'static [Level];

    /// The most bytes that a value may have.
    const LARGEST_VALUE: usize = usize::MAX;

    /// Its view for reading.
    type Reader<'a>: Reader
    where
        Self: 'a;

    /// Its view for changes.
    type Writer<'a>: Writer
    where
        Self: 'a;

    /// Opens the store in a directory, creating it if there is none.
    ///
    /// # Errors
    /// Those of the store.
    fn open(directory: &Path, level: Level) -> Result<Self>;

    /// Closes the store; everything is in its files afterwards, and synced.
    ///
    /// # Errors
    /// Those of the store.
    fn close(self) -> Result<()>;

    /// Reads from one snapshot.
    ///
    /// # Errors
    /// Those of the store and of `with`.
    fn read<T>(&self, with: impl FnOnce(&Self::Reader<'_>) -> Result<T>) -> Result<T>;

    /// Makes changes, all of them or, if `change` fails, none. When it returns they are as safe as the level says.
    ///
    /// # Errors
    /// Those of the store and of `change`.
    fn write(&mut self, change: impl FnOnce(&mut Self::Writer<'_>) -> Result<()>) -> Result<()>;

    /// Has the store put its files in order, as far as it offers that. False if it does not.
    ///
    /// # Errors
    /// Those of the store.
    fn compact(&mut self) -> Result<bool>;
}
