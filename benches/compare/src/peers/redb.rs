//! redb: a copy-on-write B-tree in one file.
//!
//! `power` is `Durability::Immediate`, one sync per commit. `none` is `Durability::None`: commits are lost with the process
//! unless one that is durable follows, so every thousandth is, as they also free no pages. It has nothing in between: there
//! is no commit that survives a crash of the process and does not sync.

use std::path::Path;

use jazz_storage_bench::{Level, Result};
use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, Table, TableDefinition};

use crate::ordered::{self, Ordered};

type Bytes = &'static [u8];

const TABLE: TableDefinition<'static, Bytes, Bytes> = TableDefinition::new("covalues");
/// At `none`, one commit in so many is durable.
const DURABLE_EVERY: u32 = 1_000;

/// An open database.
pub struct Redb {
    database: Database,
    level: Level,
    /// Commits since the last durable one.
    volatile: u32,
}

fn get<T>(
    table: &impl ReadableTable<Bytes, Bytes>,
    key: &[u8],
    read: impl FnOnce(&[u8]) -> Result<T>,
) -> Result<Option<T>> {
    table.get(key)?.map(|value| read(value.value())).transpose()
}

fn range(
    table: &impl ReadableTable<Bytes, Bytes>,
    from: &[u8],
    end: &[u8],
    mut each: impl FnMut(&[u8], &[u8]) -> Result<bool>,
) -> Result<()> {
    for pair in table.range(from..end)? {
        let (key, value) = pair?;
        if !each(key.value(), value.value())? {
            break;
        }
    }
    Ok(())
}

impl ordered::Reader for ReadOnlyTable<Bytes, Bytes> {
    fn get<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> Result<T>) -> Result<Option<T>> {
        get(self, key, read)
    }

    fn range(&self, from: &[u8], end: &[u8], each: impl FnMut(&[u8], &[u8]) -> Result<bool>) -> Result<()> {
        range(self, from, end, each)
    }
}

impl ordered::Reader for Table<'_, Bytes, Bytes> {
    fn get<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> Result<T>) -> Result<Option<T>> {
        get(self, key, read)
    }

    fn range(&self, from: &[u8], end: &[u8], each: impl FnMut(&[u8], &[u8]) -> Result<bool>) -> Result<()> {
        range(self, from, end, each)
    }
}

impl ordered::Writer for Table<'_, Bytes, Bytes> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.insert(key, value)?;
        Ok(())
    }
}

impl Redb {
    fn commit(
        &self,
        durability: Durability,
        change: impl FnOnce(&mut Table<'_, Bytes, Bytes>) -> Result<()>,
    ) -> Result<()> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(durability)?;
        let mut table = transaction.open_table(TABLE)?;
        // Dropped without a commit, the transaction leaves nothing.
        change(&mut table)?;
        drop(table);
        Ok(transaction.commit()?)
    }
}

impl Ordered for Redb {
    const NAME: &'static str = "redb";
    const LEVELS: &'static [Level] = &[Level::None, Level::Power];
    type Reader<'a> = ReadOnlyTable<Bytes, Bytes>;
    type Writer<'a> = Table<'a, Bytes, Bytes>;

    fn open(directory: &Path, level: Level) -> Result<Self> {
        let path = directory.join("store.redb");
        let is_new = !path.exists();
        let store = Self { database: Database::create(path)?, level, volatile: 0 };
        if is_new {
            // Makes the table, without which none can be read.
            store.commit(Durability::Immediate, |_| Ok(()))?;
        }
        Ok(store)
    }

    fn close(self) -> Result<()> {
        if self.volatile > 0 {
            self.commit(Durability::Immediate, |_| Ok(()))?;
        }
        Ok(self.database.close()?)
    }

    fn read<T>(&self, with: impl FnOnce(&Self::Reader<'_>) -> Result<T>) -> Result<T> {
        with(&self.database.begin_read()?.open_table(TABLE)?)
    }

    fn write(&mut self, change: impl FnOnce(&mut Self::Writer<'_>) -> Result<()>) -> Result<()> {
        let durable = self.level == Level::Power || self.volatile + 1 >= DURABLE_EVERY;
        self.commit(if durable { Durability::Immediate } else { Durability::None }, change)?;
        self.volatile = if durable { 0 } else { self.volatile + 1 };
        Ok(())
    }

    fn compact(&mut self) -> Result<bool> {
        while self.database.compact()? {}
        Ok(true)
    }
}
