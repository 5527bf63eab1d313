//! LMDB, through heed: a copy-on-write B-tree in a memory map.
//!
//! `power` is what it does by itself, syncs with every commit. `process` is `MDB_NOSYNC`: commits are with the operating
//! system and survive the end of the process; a power cut may damage the whole file, which none of the others risks at that
//! level. The file is written to by system calls, or, with `MDB_WRITEMAP`, through the map: that saves the calls, and a
//! stray pointer of the program can damage what was stored.

use std::fs;
use std::path::{Path, PathBuf};

use heed::types::Bytes;
use heed::{CompactionOption, Database, Env, RoTxn, RwTxn, WithTls};
use jazz_storage_bench::{Level, Result};

use crate::ordered::{self, Ordered};

/// More than any run stores; it is address space, not memory.
const MAP_BYTES: usize = 64 << 30;

/// An open environment, which writes through the map or by system calls.
pub struct Lmdb<const THROUGH_MAP: bool> {
    /// None only while it is being compacted.
    open: Option<Open>,
    directory: PathBuf,
    level: Level,
}

struct Open {
    env: Env<WithTls>,
    database: Database<Bytes, Bytes>,
}

/// A read transaction.
pub struct Snapshot<'a> {
    database: Database<Bytes, Bytes>,
    transaction: RoTxn<'a, WithTls>,
}

/// A write transaction.
pub struct Change<'a> {
    database: Database<Bytes, Bytes>,
    transaction: RwTxn<'a>,
}

/// The only place where an environment is opened.
#[allow(unsafe_code, reason = "a file that is mapped into memory can be changed by others")]
fn open_env(directory: &Path, level: Level, through_map: bool) -> Result<Env<WithTls>> {
    let mut options = heed::EnvOpenOptions::new();
    options.map_size(MAP_BYTES);
    if level == Level::Process {
        // SAFETY: NO_SYNC is called unsafe for what a crash of the system can do to the file, which `power` is there to
        // prevent. It has no effect on memory.
        unsafe { options.flags(heed::EnvFlags::NO_SYNC) };
    }
    if through_map {
        // SAFETY: WRITE_MAP is called unsafe for what stray pointers of the program can do to the file. No pointer into the
        // map is written through here: heed gives out shared slices that live as long as their transaction.
        unsafe { options.flags(heed::EnvFlags::WRITE_MAP) };
    }
    // SAFETY: the directory is one that a measurement or a test has made for itself, so nothing else changes the file, and
    // locking is left on.
    Ok(unsafe { options.open(directory)? })
}

impl Open {
    fn new(directory: &Path, level: Level, through_map: bool) -> Result<Self> {
        let env = open_env(directory, level, through_map)?;
        let mut transaction = env.write_txn()?;
        let database = env.create_database(&mut transaction, None)?;
        transaction.commit()?;
        Ok(Self { env, database })
    }

    fn close(self) -> Result<()> {
        self.env.force_sync()?;
        self.env.prepare_for_closing().wait();
        Ok(())
    }
}

impl<const THROUGH_MAP: bool> Lmdb<THROUGH_MAP> {
    fn get_open(&self) -> Result<&Open> {
        Ok(self.open.as_ref().ok_or("the environment is closed, as compacting it failed")?)
    }
}

fn get<T>(
    database: Database<Bytes, Bytes>,
    transaction: &RoTxn<'_>,
    key: &[u8],
    read: impl FnOnce(&[u8]) -> Result<T>,
) -> Result<Option<T>> {
    database.get(transaction, key)?.map(read).transpose()
}

fn range(
    database: Database<Bytes, Bytes>,
    transaction: &RoTxn<'_>,
    from: &[u8],
    end: &[u8],
    mut each: impl FnMut(&[u8], &[u8]) -> Result<bool>,
) -> Result<()> {
    use std::ops::Bound::{Excluded, Included};
    for pair in database.range(transaction, &(Included(from), Excluded(end)))? {
        let (key, value) = pair?;
        if !each(key, value)? {
            break;
        }
    }
    Ok(())
}

impl ordered::Reader for Snapshot<'_> {
    fn get<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> Result<T>) -> Result<Option<T>> {
        get(self.database, &self.transaction, key, read)
    }

    fn range(&self, from: &[u8], end: &[u8], each: impl FnMut(&[u8], &[u8]) -> Result<bool>) -> Result<()> {
        range(self.database, &self.transaction, from, end, each)
    }
}

impl ordered::Reader for Change<'_> {
    fn get<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> Result<T>) -> Result<Option<T>> {
        get(self.database, &self.transaction, key, read)
    }

    fn range(&self, from: &[u8], end: &[u8], each: impl FnMut(&[u8], &[u8]) -> Result<bool>) -> Result<()> {
        range(self.database, &self.transaction, from, end, each)
    }
}

impl ordered::Writer for Change<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.database.put(&mut self.transaction, key, value)?)
    }
}

impl<const THROUGH_MAP: bool> Ordered for Lmdb<THROUGH_MAP> {
    const NAME: &'static str = if THROUGH_MAP { "LMDB, WRITEMAP" } else { "LMDB" };
    const LEVELS: &'static [Level] = &[Level::Process, Level::Power];
    type Reader<'a> = Snapshot<'a>;
    type Writer<'a> = Change<'a>;

    fn open(directory: &Path, level: Level) -> Result<Self> {
        let open = Some(Open::new(directory, level, THROUGH_MAP)?);
        Ok(Self { open, directory: directory.to_path_buf(), level })
    }

    fn close(self) -> Result<()> {
        self.open.map_or(Ok(()), Open::close)
    }

    fn read<T>(&self, with: impl FnOnce(&Self::Reader<'_>) -> Result<T>) -> Result<T> {
        let open = self.get_open()?;
        with(&Snapshot { database: open.database, transaction: open.env.read_txn()? })
    }

    fn write(&mut self, change: impl FnOnce(&mut Self::Writer<'_>) -> Result<()>) -> Result<()> {
        let open = self.get_open()?;
        let mut transaction = Change { database: open.database, transaction: open.env.write_txn()? };
        // Dropped without a commit, the transaction leaves nothing.
        change(&mut transaction)?;
        Ok(transaction.transaction.commit()?)
    }

    /// Copies what is in use and puts the copy in the place of the file.
    fn compact(&mut self) -> Result<bool> {
        let Some(open) = self.open.take() else { return Ok(false) };
        let copy = self.directory.join("copy.mdb");
        open.env.copy_to_path(&copy, CompactionOption::Enabled)?.sync_all()?;
        open.close()?;
        fs::rename(copy, self.directory.join("data.mdb"))?;
        self.open = Some(Open::new(&self.directory, self.level, THROUGH_MAP)?);
        Ok(true)
    }
}
