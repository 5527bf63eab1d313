//! What no store can go below: the bytes of each message at the end of a file, by one system call, at `power` with a sync
//! after it. It keeps no index, checks nothing and cannot read.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use jazz_storage_bench::native::Native;
use jazz_storage_bench::trace::{Message, Transaction};
use jazz_storage_bench::{Level, Loaded, Result, Store};

/// A file that is appended to.
pub struct Floor {
    file: File,
    level: Level,
}

const CANNOT: &str = "bytes at the end of a file cannot be asked for a CoValue";

impl Store for Floor {
    const NAME: &'static str = "append to a file";
    const LEVELS: &'static [Level] = &[Level::Process, Level::Power];
    type Prepared = Vec<u8>;
    type Raw = ();
    type Piece = ();

    fn form(transaction: &Transaction) -> Result<Vec<u8>> {
        Native::form(transaction)
    }

    fn prepare(message: &Message) -> Result<Vec<u8>> {
        Native::prepare(message)
    }

    fn open(directory: &Path, level: Level) -> Result<Self> {
        let file = File::options().append(true).create(true).open(directory.join("messages"))?;
        Ok(Self { file, level })
    }

    fn close(self) -> Result<()> {
        Ok(self.file.sync_all()?)
    }

    fn store(&mut self, message: &Vec<u8>) -> Result<()> {
        self.file.write_all(message)?;
        if self.level == Level::Power {
            self.file.sync_data()?;
        }
        Ok(())
    }

    fn load(&self, _: &str) -> Result<()> {
        Err(CANNOT.into())
    }

    fn known_state(&self, _: &str) -> Result<u64> {
        Err(CANNOT.into())
    }

    fn scan(&self, _: &str, _: &str, _: u32) -> Result<()> {
        Err(CANNOT.into())
    }

    fn compact(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn decode((): &()) -> Result<Loaded> {
        Err(CANNOT.into())
    }

    fn decode_piece((): &()) -> Result<Vec<Vec<u8>>> {
        Err(CANNOT.into())
    }
}
