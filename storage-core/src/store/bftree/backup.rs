//! Backups of a store, and stores from backups.

use super::{BfTreeStorage, StoreOptions};
use crate::engine::MaintainedBy;
use crate::engine::backup::{self, Copied, OnProgress, Source, Target};
use crate::engine::delta::Delta;
use crate::error::Result;
use crate::file::FileIO;

impl<F: FileIO, D: Delta> BfTreeStorage<F, D> {
    /// Copies the store as it is now; loads and stores go on meanwhile. See [`crate::engine::Engine::backup`].
    ///
    /// # Errors
    /// Those of [`crate::engine::Engine::backup`].
    pub fn backup<G: FileIO>(&self, target: Target<'_, G>, progress: &mut OnProgress<'_>) -> Result<Copied> {
        self.engine.backup(target, progress)
    }

    /// The same, with pauses (see [`crate::engine::slices`]).
    ///
    /// # Errors
    /// Those of [`crate::engine::Engine::backup`].
    pub async fn backup_in_slices<G: FileIO>(
        &self,
        target: Target<'_, G>,
        progress: &mut OnProgress<'_>,
    ) -> Result<Copied> {
        self.engine.backup_in_slices(target, progress).await
    }

    /// Makes a store of a backup in `io`'s directory, which must be empty or absent, and opens and closes it to see that
    /// it is one.
    ///
    /// # Errors
    /// Those of [`backup::restore`] and of opening. The directory is then empty.
    pub fn restore<B: FileIO>(
        source: Source<B>,
        io: F,
        options: StoreOptions,
        progress: &mut OnProgress<'_>,
    ) -> Result<Copied>
    where
        F: Clone,
    {
        let copied = backup::restore(source, &io, progress)?;
        let mut options = options;
        options.engine.background_sync = false;
        options.engine.maintained_by = MaintainedBy::Commits;
        let opened = Self::open(io.clone(), options).and_then(|store| store.close());
        if let Err(e) = opened {
            backup::discard(&io);
            return Err(e);
        }
        Ok(copied)
    }
}
