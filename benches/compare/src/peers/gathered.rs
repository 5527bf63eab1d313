//! What no load of a CoValue that lies in one piece can go below: its bytes, by one system call.
//!
//! Messages are appended to a [`Log`]; compacting writes the records of each CoValue one after the other, in the order of
//! creation, and drops the log. From then on nothing can be stored. A load is a look into a map in memory and one read of
//! exactly the bytes that the CoValue has; nothing is checked.
//!
//! A record: `u32` bytes of the body, the body. Of the file `gathered.index` for each CoValue: its id as `bytes16`, `u32`
//! bytes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use jazz_storage_bench::trace::{Message, Transaction};
use jazz_storage_bench::{Level, Loaded, Result, Store};

use super::log::{self, Body, Log, Place, Value, Values, read_at};
use crate::bytes::{Reader, put_bytes16, put_u32};
use crate::model::Prepared;

const RECORDS: &str = "gathered";
const INDEX: &str = "gathered.index";
const CANNOT: &str = "what was gathered can only be loaded";

/// A log, or the file that was made of it.
pub struct Gathered {
    directory: PathBuf,
    files: Files,
}

/// Where each CoValue lies.
type Places = HashMap<Box<[u8]>, Place>;

enum Files {
    Log(Box<Log>),
    Gathered(File, Places),
}

/// A loaded CoValue: what the log gives, or the bytes of its records.
pub enum Raw {
    /// From the log.
    Log(log::Raw),
    /// From the file that was made of it.
    Gathered(Vec<u8>),
}

/// Opens the file that was made of a log, if it is there.
fn open_gathered(directory: &Path) -> Result<Option<Files>> {
    let index = match std::fs::read(directory.join(INDEX)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        index => index?,
    };
    let (mut places, mut offset, mut rest) = (HashMap::new(), 0, Reader::new(&index));
    while !rest.rest().is_empty() {
        let (id, len) = (rest.bytes16()?, rest.u32()?);
        places.insert(id.into(), Place { offset, len });
        offset += u64::from(len);
    }
    Ok(Some(Files::Gathered(File::open(directory.join(RECORDS))?, places)))
}

/// Writes what a log holds, CoValue by CoValue.
fn gather(log: &Log, directory: &Path) -> Result<()> {
    let mut values: Vec<(&[u8], &Value)> = log.values().iter().map(|(id, value)| (&**id, value)).collect();
    values.sort_by_key(|(_, value)| value.places().map(|place| place.offset).min());
    let mut file = BufWriter::with_capacity(1 << 20, File::create_new(directory.join(RECORDS))?);
    let mut index = Vec::new();
    for (id, value) in values {
        let mut len = 0;
        for place in value.places() {
            file.write_all(&place.len.to_le_bytes())?;
            file.write_all(&log.body(place)?)?;
            len += 4 + place.len;
        }
        put_bytes16(&mut index, id)?;
        put_u32(&mut index, len);
    }
    file.into_inner()?.sync_all()?;
    Ok(std::fs::write(directory.join(INDEX), index)?)
}

/// The bytes of a CoValue's records.
fn read(file: &File, places: &Places, id: &str) -> Result<Vec<u8>> {
    let place = places.get(id.as_bytes()).ok_or_else(|| format!("{id} is not stored"))?;
    let mut records = vec![0; place.len as usize];
    read_at(file, &mut records, place.offset)?;
    Ok(records)
}

/// The CoValue whose records these are.
fn value(records: &[u8]) -> Result<Value> {
    let (mut values, mut rest) = (Values::new(), Reader::new(records));
    while !rest.rest().is_empty() {
        let len = rest.u32()?;
        let offset = (records.len() - rest.rest().len()) as u64;
        Log::enter(&mut values, &Body::read(rest.take(len as usize)?)?, Place { offset, len });
    }
    Ok(values.pop_first().ok_or("a CoValue has no records")?.1)
}

/// A body within records.
fn body(records: &[u8], place: Place) -> Result<Vec<u8>> {
    let from = records.get(usize::try_from(place.offset)?..).unwrap_or_default();
    Ok(Reader::new(from).take(place.len as usize)?.to_vec())
}

impl Store for Gathered {
    const NAME: &'static str = "read from a file";
    const LEVELS: &'static [Level] = &[Level::Process, Level::Power];
    type Prepared = Prepared;
    type Raw = Raw;
    type Piece = log::RawPiece;

    fn form(transaction: &Transaction) -> Result<Vec<u8>> {
        Log::form(transaction)
    }

    fn prepare(message: &Message) -> Result<Prepared> {
        Log::prepare(message)
    }

    fn open(directory: &Path, level: Level) -> Result<Self> {
        let files = match open_gathered(directory)? {
            Some(files) => files,
            None => Files::Log(Box::new(Log::open(directory, level)?)),
        };
        Ok(Self { directory: directory.to_owned(), files })
    }

    fn close(self) -> Result<()> {
        match self.files {
            Files::Log(log) => log.close(),
            Files::Gathered(..) => Ok(()),
        }
    }

    fn store(&mut self, message: &Prepared) -> Result<()> {
        match &mut self.files {
            Files::Log(log) => log.store(message),
            Files::Gathered(..) => Err(CANNOT.into()),
        }
    }

    fn load(&self, id: &str) -> Result<Raw> {
        match &self.files {
            Files::Log(log) => Ok(Raw::Log(log.load(id)?)),
            Files::Gathered(file, places) => Ok(Raw::Gathered(read(file, places, id)?)),
        }
    }

    fn known_state(&self, id: &str) -> Result<u64> {
        match &self.files {
            Files::Log(log) => log.known_state(id),
            Files::Gathered(file, places) => Ok(value(&read(file, places, id)?)?.counter()),
        }
    }

    fn scan(&self, id: &str, session: &str, after: u32) -> Result<log::RawPiece> {
        match &self.files {
            Files::Log(log) => log.scan(id, session, after),
            Files::Gathered(file, places) => {
                let records = read(file, places, id)?;
                value(&records)?.scan(session, after, |place| body(&records, place))
            }
        }
    }

    fn compact(&mut self) -> Result<bool> {
        if let Files::Log(log) = &self.files {
            gather(log, &self.directory)?;
            self.files = open_gathered(&self.directory)?.ok_or("what was gathered is not there")?;
            Log::remove(&self.directory)?;
        }
        Ok(true)
    }

    fn decode(raw: &Raw) -> Result<Loaded> {
        match raw {
            Raw::Log(raw) => Log::decode(raw),
            Raw::Gathered(records) => Log::decode(&value(records)?.load(|place| body(records, place))?),
        }
    }

    fn decode_piece(piece: &log::RawPiece) -> Result<Vec<Vec<u8>>> {
        Log::decode_piece(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jazz_storage_bench::trace::{bulk, edits, files, hot};
    use jazz_storage_bench::verify::compare;

    #[test]
    fn what_is_gathered_is_what_was_stored_and_each_covalue_lies_in_one_piece() {
        for trace in [edits(600, 1), hot(600, 1), bulk(24, 200, 2, 1), files(16, 1)] {
            let directory = tempfile::tempdir().unwrap();
            let mut store = Gathered::open(directory.path(), Level::Process).unwrap();
            for message in &trace.messages {
                store.store(&Gathered::prepare(message).unwrap()).unwrap();
            }
            compare(&store, &trace).unwrap();
            assert!(store.compact().unwrap());
            compare(&store, &trace).unwrap();
            store.close().unwrap();
            let store = Gathered::open(directory.path(), Level::Process).unwrap();
            assert_eq!(compare(&store, &trace).unwrap(), trace.ids.len());
            let Files::Gathered(file, places) = &store.files else { panic!("it is not gathered") };
            let bytes: u64 = places.values().map(|place| u64::from(place.len)).sum();
            assert_eq!(bytes, file.metadata().unwrap().len());
            let is_log = |name: std::io::Result<std::fs::DirEntry>| {
                !name.unwrap().file_name().to_string_lossy().starts_with(RECORDS)
            };
            assert!(!std::fs::read_dir(directory.path()).unwrap().any(is_log));
        }
    }
}
