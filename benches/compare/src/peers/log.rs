//! The simplest thing that can work: an append-only file of checksummed records, one to a message, and a `BTreeMap` in
//! memory that says where they lie.
//!
//! It is written for this comparison. The map has an entry for every message and is made by reading the whole file when it
//! is opened, so opening and memory grow with what is stored; nothing is ever given back. `process` is one system call to
//! a message, `power` a sync after it.
//!
//! A record: `u32` bytes of the body, `u32` crc32c of it; the body: CoValue id and session id and signature as `bytes16`,
//! `u32` transactions, `u32` size of their changes, `u32` bytes of the header, or 0, and the header, the transactions.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use jazz_storage_bench::native::Native;
use jazz_storage_bench::trace::{Message, Transaction};
use jazz_storage_bench::{CHUNK_THRESHOLD, Level, Loaded, LoadedSession, Result, Store};
use jazz_storage_core::format::tx::split;

use crate::bytes::{Reader as Bytes, put_bytes16, put_u32};
use crate::model::{New, Prepared};

const HEAD_BYTES: usize = 8;
const FILE: &str = "messages.log";

/// An open file with its map.
pub struct Log {
    file: File,
    /// Where the next record begins.
    end: u64,
    level: Level,
    values: Values,
}

/// Where a record's body lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) len: u32,
}

/// The CoValues of some records, by id.
pub(super) type Values = BTreeMap<Box<[u8]>, Value>;

/// A CoValue: which records hold it.
#[derive(Debug, Default)]
pub(super) struct Value {
    /// The record that has the header.
    header: Option<Place>,
    sessions: Vec<Session>,
}

#[derive(Debug)]
struct Session {
    id: Box<[u8]>,
    counter: u32,
    units: u32,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    /// How many transactions there are up to its end.
    end: u32,
    /// Whether its signature is a chunk signature.
    ends_chunk: bool,
    place: Place,
}

/// A body, taken apart.
pub(super) struct Body<'a> {
    id: &'a [u8],
    session: &'a [u8],
    signature: &'a [u8],
    count: u32,
    units: u32,
    header: &'a [u8],
    transactions: &'a [u8],
}

impl<'a> Body<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut bytes = Bytes::new(bytes);
        let (id, session, signature) = (bytes.bytes16()?, bytes.bytes16()?, bytes.bytes16()?);
        let (count, units, header_len) = (bytes.u32()?, bytes.u32()?, bytes.u32()?);
        let header = bytes.take(header_len as usize)?;
        Ok(Self { id, session, signature, count, units, header, transactions: bytes.rest() })
    }

    fn append_to(&self, out: &mut Vec<u8>) -> Result<()> {
        put_bytes16(out, self.id)?;
        put_bytes16(out, self.session)?;
        put_bytes16(out, self.signature)?;
        put_u32(out, self.count);
        put_u32(out, self.units);
        put_u32(out, u32::try_from(self.header.len())?);
        out.extend_from_slice(self.header);
        out.extend_from_slice(self.transactions);
        Ok(())
    }
}

/// A loaded CoValue: the bodies of its records.
pub struct Raw {
    header: Vec<u8>,
    sessions: Vec<RawSession>,
}

struct RawSession {
    id: Box<[u8]>,
    pieces: Vec<(Piece, Vec<u8>)>,
}

/// What a scan found: bodies, of which the first may begin before.
pub struct RawPiece {
    /// How many transactions of the first are not asked for.
    skip: usize,
    bodies: Vec<Vec<u8>>,
}

impl Value {
    /// The places of its records, session by session.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.sessions.iter().flat_map(|session| &session.pieces).map(|piece| piece.place)
    }

    /// The sum of its counters.
    pub(super) fn counter(&self) -> u64 {
        self.sessions.iter().map(|session| u64::from(session.counter)).sum()
    }

    /// All of it, from the bodies of its records.
    pub(super) fn load(&self, body: impl Fn(Place) -> Result<Vec<u8>>) -> Result<Raw> {
        let mut header = Vec::new();
        let mut sessions = Vec::with_capacity(self.sessions.len());
        for session in &self.sessions {
            let mut pieces = Vec::with_capacity(session.pieces.len());
            for piece in &session.pieces {
                let body = body(piece.place)?;
                if self.header.is_some_and(|place| place.offset == piece.place.offset) {
                    header = Body::read(&body)?.header.to_vec();
                }
                pieces.push((*piece, body));
            }
            sessions.push(RawSession { id: session.id.clone(), pieces });
        }
        Ok(Raw { header, sessions })
    }

    /// A session from a transaction on, as [`Store::scan`] has it, from the bodies of its records.
    pub(super) fn scan(
        &self,
        session: &str,
        after: u32,
        body: impl Fn(Place) -> Result<Vec<u8>>,
    ) -> Result<RawPiece> {
        let found = self.sessions.iter().find(|one| *one.id == *session.as_bytes());
        let pieces = &found.ok_or_else(|| format!("there is no session {session}"))?.pieces;
        let first = pieces.partition_point(|piece| piece.end <= after);
        let begin = first.checked_sub(1).and_then(|before| pieces.get(before)).map_or(0, |piece| piece.end);
        let mut bodies = Vec::new();
        for piece in pieces.iter().skip(first) {
            bodies.push(body(piece.place)?);
            if piece.ends_chunk {
                break;
            }
        }
        Ok(RawPiece { skip: (after - begin) as usize, bodies })
    }
}

impl Log {
    /// Enters a record into the map.
    pub(super) fn enter(values: &mut Values, body: &Body<'_>, place: Place) {
        if !values.contains_key(body.id) {
            values.insert(body.id.into(), Value::default());
        }
        let Some(value) = values.get_mut(body.id) else { return };
        if !body.header.is_empty() {
            value.header = Some(place);
        }
        let position = value.sessions.iter().position(|session| *session.id == *body.session);
        let position = position.unwrap_or_else(|| {
            let id = body.session.into();
            value.sessions.push(Session { id, counter: 0, units: 0, pieces: Vec::new() });
            value.sessions.len() - 1
        });
        let Some(session) = value.sessions.get_mut(position) else { return };
        session.counter += body.count;
        session.units += body.units;
        let ends_chunk = session.units > CHUNK_THRESHOLD;
        if ends_chunk {
            session.units = 0;
        }
        session.pieces.push(Piece { end: session.counter, ends_chunk, place });
    }

    /// Removes the file of one that is closed.
    pub(super) fn remove(directory: &Path) -> Result<()> {
        Ok(std::fs::remove_file(directory.join(FILE))?)
    }

    /// What is stored.
    pub(super) fn values(&self) -> &Values {
        &self.values
    }

    /// Reads a body and checks it.
    pub(super) fn body(&self, place: Place) -> Result<Vec<u8>> {
        let mut record = vec![0; HEAD_BYTES + place.len as usize];
        read_at(&self.file, &mut record, place.offset - HEAD_BYTES as u64)?;
        let body = record.split_off(HEAD_BYTES);
        let mut head = Bytes::new(&record);
        if head.u32()? != place.len || head.u32()? != crc32c::crc32c(&body) {
            return Err(format!("the record at {} is damaged", place.offset).into());
        }
        Ok(body)
    }

    fn value(&self, id: &str) -> Result<&Value> {
        Ok(self.values.get(id.as_bytes()).ok_or_else(|| format!("{id} is not stored"))?)
    }
}

/// Reads all of these bytes.
#[cfg(unix)]
pub(super) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// Reads all of these bytes.
#[cfg(windows)]
pub(super) fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[read..];
        offset += read as u64;
    }
    Ok(())
}

/// Reads every record of a file; how many bytes the whole ones have. What follows them was not written to its end.
fn replay(file: &File, mut each: impl FnMut(&Body<'_>, Place)) -> Result<u64> {
    let len = file.metadata()?.len();
    let mut file = BufReader::with_capacity(1 << 20, file);
    let (mut end, mut body) = (0, Vec::new());
    loop {
        let mut head = [0; HEAD_BYTES];
        let body_offset = end + HEAD_BYTES as u64;
        if body_offset > len {
            return Ok(end);
        }
        file.read_exact(&mut head)?;
        let mut head = Bytes::new(&head);
        let (body_len, sum) = (head.u32()?, head.u32()?);
        if body_offset + u64::from(body_len) > len {
            return Ok(end);
        }
        body.resize(body_len as usize, 0);
        file.read_exact(&mut body)?;
        if crc32c::crc32c(&body) != sum {
            return Ok(end);
        }
        each(&Body::read(&body)?, Place { offset: body_offset, len: body_len });
        end = body_offset + u64::from(body_len);
    }
}

impl Store for Log {
    const NAME: &'static str = "BTreeMap and file";
    const LEVELS: &'static [Level] = &[Level::Process, Level::Power];
    type Prepared = Prepared;
    type Raw = Raw;
    type Piece = RawPiece;

    fn form(transaction: &Transaction) -> Result<Vec<u8>> {
        Native::form(transaction)
    }

    fn prepare(message: &Message) -> Result<Prepared> {
        Prepared::new(message)
    }

    fn open(directory: &Path, level: Level) -> Result<Self> {
        let path = directory.join(FILE);
        let file = File::options().read(true).append(true).create(true).open(path)?;
        let mut values = BTreeMap::new();
        let end = replay(&file, |body, place| Self::enter(&mut values, body, place))?;
        file.set_len(end)?;
        Ok(Self { file, end, level, values })
    }

    fn close(self) -> Result<()> {
        Ok(self.file.sync_all()?)
    }

    fn store(&mut self, message: &Prepared) -> Result<()> {
        let value = self.values.get(message.id.as_slice());
        let header = match (value, &message.header) {
            (Some(_), _) => &[],
            (None, Some(header)) => header.as_slice(),
            (None, None) => return Err("a message without a header is the first of its CoValue".into()),
        };
        let session = value.and_then(|value| value.sessions.iter().find(|one| *one.id == *message.session));
        let counter = session.map_or(0, |session| session.counter);
        let Some(New { count, units, transactions }) = message.new_to(counter)? else { return Ok(()) };
        let body = Body {
            id: &message.id,
            session: &message.session,
            signature: &message.signature,
            count,
            units,
            header,
            transactions: &transactions,
        };
        let mut record = vec![0; HEAD_BYTES];
        body.append_to(&mut record)?;
        let (head, bytes) = record.split_at_mut(HEAD_BYTES);
        let len = u32::try_from(bytes.len())?;
        head[..4].copy_from_slice(&len.to_le_bytes());
        head[4..].copy_from_slice(&crc32c::crc32c(bytes).to_le_bytes());
        self.file.write_all(&record)?;
        if self.level == Level::Power {
            self.file.sync_data()?;
        }
        Self::enter(&mut self.values, &body, Place { offset: self.end + HEAD_BYTES as u64, len });
        self.end += record.len() as u64;
        Ok(())
    }

    fn load(&self, id: &str) -> Result<Raw> {
        self.value(id)?.load(|place| self.body(place))
    }

    fn known_state(&self, id: &str) -> Result<u64> {
        Ok(self.value(id)?.counter())
    }

    fn scan(&self, id: &str, session: &str, after: u32) -> Result<RawPiece> {
        self.value(id)?.scan(session, after, |place| self.body(place))
    }

    fn compact(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn decode(raw: &Raw) -> Result<Loaded> {
        let sessions = raw.sessions.iter().map(|session| {
            let (mut signatures, mut transactions) = (Vec::new(), Vec::new());
            for (position, (piece, body)) in session.pieces.iter().enumerate() {
                let body = Body::read(body)?;
                transactions.extend(split(body.transactions, body.count)?);
                if piece.ends_chunk || position + 1 == session.pieces.len() {
                    signatures.push((piece.end, String::from_utf8(body.signature.to_vec())?));
                }
            }
            Ok(LoadedSession { id: String::from_utf8(session.id.to_vec())?, signatures, transactions })
        });
        Ok(Loaded {
            header: String::from_utf8(raw.header.clone())?,
            sessions: sessions.collect::<Result<_>>()?,
        })
    }

    fn decode_piece(piece: &RawPiece) -> Result<Vec<Vec<u8>>> {
        let mut transactions = Vec::new();
        for body in &piece.bodies {
            let body = Body::read(body)?;
            transactions.extend(split(body.transactions, body.count)?);
        }
        transactions.drain(..piece.skip);
        Ok(transactions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jazz_storage_bench::trace::small;
    use jazz_storage_bench::verify::compare;

    #[test]
    fn a_record_that_was_not_written_to_its_end_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let mut trace = small(40, 1);
        let mut log = Log::open(directory.path(), Level::Process).unwrap();
        for message in &trace.messages {
            log.store(&Log::prepare(message).unwrap()).unwrap();
        }
        let end = log.end;
        log.close().unwrap();
        let file = File::options().write(true).open(directory.path().join(FILE)).unwrap();
        file.set_len(end - 1).unwrap();
        let last = trace.messages.pop().unwrap();
        trace.ids.retain(|id| *id != last.id || last.header.is_none());
        let mut log = Log::open(directory.path(), Level::Process).unwrap();
        compare(&log, &trace).unwrap();
        log.store(&Log::prepare(&last).unwrap()).unwrap();
        assert_eq!(log.end, end);
    }

    #[test]
    fn damage_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let trace = small(1, 1);
        let mut log = Log::open(directory.path(), Level::Process).unwrap();
        log.store(&Log::prepare(&trace.messages[0]).unwrap()).unwrap();
        let path = directory.path().join(FILE);
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(log.load(&trace.ids[0]).is_err());
    }
}
