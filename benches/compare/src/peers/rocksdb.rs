//! RocksDB: a log-structured merge tree with a write-ahead log.
//!
//! `process` is what it does by itself: the log is handed to the operating system with every batch. `power` syncs it with
//! every batch. `none` has no log at all: what is in memory is lost with the process until it is flushed. With LZ4, bloom
//! filters, and values of four kilobytes or more apart from the keys.

use std::path::Path;

use jazz_storage_bench::{Level, Result};
use rocksdb::{
    BlockBasedOptions, DB, DBCompressionType, DBRawIteratorWithThreadMode, Options, ReadOptions, WriteBatch,
    WriteOptions,
};

use crate::ordered::{self, Ordered};

const SEPARATE_BYTES: u64 = 4 << 10;

/// An open database.
pub struct Rocks {
    database: DB,
    level: Level,
}

/// What is committed, and a batch of changes to it.
pub struct Batch<'a> {
    database: &'a DB,
    batch: WriteBatch,
}

impl ordered::Reader for DB {
    fn get<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> Result<T>) -> Result<Option<T>> {
        self.get_pinned(key)?.map(|value| read(&value)).transpose()
    }

    fn range(
        &self,
        from: &[u8],
        end: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Result<bool>,
    ) -> Result<()> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(end);
        let mut pairs: DBRawIteratorWithThreadMode<'_, DB> = self.raw_iterator_opt(options);
        pairs.seek(from);
        while let Some((key, value)) = pairs.item() {
            if !each(key, value)? {
                break;
            }
            pairs.next();
        }
        Ok(pairs.status()?)
    }
}

impl ordered::Reader for Batch<'_> {
    fn get<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> Result<T>) -> Result<Option<T>> {
        ordered::Reader::get(self.database, key, read)
    }

    fn range(&self, from: &[u8], end: &[u8], each: impl FnMut(&[u8], &[u8]) -> Result<bool>) -> Result<()> {
        ordered::Reader::range(self.database, from, end, each)
    }
}

impl ordered::Writer for Batch<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.batch.put(key, value);
        Ok(())
    }
}

impl Ordered for Rocks {
    const NAME: &'static str = "RocksDB";
    const LEVELS: &'static [Level] = &[Level::None, Level::Process, Level::Power];
    type Reader<'a> = DB;
    type Writer<'a> = Batch<'a>;

    fn open(directory: &Path, level: Level) -> Result<Self> {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_bloom_filter(10.0, false);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&blocks);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_enable_blob_files(true);
        options.set_min_blob_size(SEPARATE_BYTES);
        options.set_enable_blob_gc(true);
        Ok(Self { database: DB::open(&options, directory)?, level })
    }

    fn close(self) -> Result<()> {
        match self.level {
            Level::None => self.database.flush()?,
            Level::Process | Level::Power => self.database.flush_wal(true)?,
        }
        Ok(())
    }

    fn read<T>(&self, with: impl FnOnce(&Self::Reader<'_>) -> Result<T>) -> Result<T> {
        with(&self.database)
    }

    fn write(&mut self, change: impl FnOnce(&mut Self::Writer<'_>) -> Result<()>) -> Result<()> {
        let mut batch = Batch { database: &self.database, batch: WriteBatch::default() };
        change(&mut batch)?;
        let mut options = WriteOptions::default();
        match self.level {
            Level::None => options.disable_wal(true),
            Level::Process => {}
            Level::Power => options.set_sync(true),
        }
        Ok(self.database.write_opt(batch.batch, &options)?)
    }

    fn compact(&mut self) -> Result<bool> {
        self.database.flush()?;
        self.database.compact_range(None::<&[u8]>, None::<&[u8]>);
        Ok(true)
    }
}
