//! fjall: a log-structured merge tree with a journal.
//!
//! `process` is what it does by itself: the journal is handed to the operating system with every batch
//! (`PersistMode::Buffer`). `power` syncs it with every batch (`SyncData`). `none` leaves it in the process's buffer
//! (`manual_journal_persist`). Values of a kilobyte or more lie apart from the keys, as its documentation advises for large
//! ones.

use std::path::Path;

use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, OwnedWriteBatch as WriteBatch,
    PersistMode,
};
use jazz_storage_bench::{Level, Result};

use crate::ordered::{self, Ordered};

/// An open database.
pub struct Fjall {
    database: Database,
    keyspace: Keyspace,
    level: Level,
}

/// What is committed, and a batch of changes to it.
pub struct Batch<'a> {
    keyspace: &'a Keyspace,
    batch: WriteBatch,
}

impl ordered::Reader for Keyspace {
    fn get<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> Result<T>) -> Result<Option<T>> {
        Keyspace::get(self, key)?.map(|value| read(&value)).transpose()
    }

    fn range(
        &self,
        from: &[u8],
        end: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Result<bool>,
    ) -> Result<()> {
        for pair in Keyspace::range(self, from..end) {
            let (key, value) = pair.into_inner()?;
            if !each(&key, &value)? {
                break;
            }
        }
        Ok(())
    }
}

impl ordered::Reader for Batch<'_> {
    fn get<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> Result<T>) -> Result<Option<T>> {
        ordered::Reader::get(self.keyspace, key, read)
    }

    fn range(&self, from: &[u8], end: &[u8], each: impl FnMut(&[u8], &[u8]) -> Result<bool>) -> Result<()> {
        ordered::Reader::range(self.keyspace, from, end, each)
    }
}

impl ordered::Writer for Batch<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.batch.insert(self.keyspace, key, value);
        Ok(())
    }
}

impl Ordered for Fjall {
    const NAME: &'static str = "fjall";
    const LEVELS: &'static [Level] = &[Level::None, Level::Process, Level::Power];
    type Reader<'a> = Keyspace;
    type Writer<'a> = Batch<'a>;

    fn open(directory: &Path, level: Level) -> Result<Self> {
        let database = Database::builder(directory).manual_journal_persist(level == Level::None).open()?;
        let options =
            || KeyspaceCreateOptions::default().with_kv_separation(Some(KvSeparationOptions::default()));
        let keyspace = database.keyspace("covalues", options)?;
        Ok(Self { database, keyspace, level })
    }

    fn close(self) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }

    fn read<T>(&self, with: impl FnOnce(&Self::Reader<'_>) -> Result<T>) -> Result<T> {
        with(&self.keyspace)
    }

    fn write(&mut self, change: impl FnOnce(&mut Self::Writer<'_>) -> Result<()>) -> Result<()> {
        let batch = self.database.batch().durability(match self.level {
            Level::None => None,
            Level::Process => Some(PersistMode::Buffer),
            Level::Power => Some(PersistMode::SyncData),
        });
        let mut batch = Batch { keyspace: &self.keyspace, batch };
        change(&mut batch)?;
        Ok(batch.batch.commit()?)
    }

    fn compact(&mut self) -> Result<bool> {
        self.keyspace.rotate_memtable_and_wait()?;
        self.keyspace.major_compact()?;
        Ok(true)
    }
}
