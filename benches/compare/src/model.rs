//! CoValues in a store of ordered keys: the layout that all peers of that kind share.
//!
//! One keyspace, in which everything of a CoValue lies together: a load is one scan, and what a message changes lies on as
//! few pages as there can be. The keys of a CoValue, by its id and
//! - `0`: its header;
//! - `1`, a session's id: the session's row, which holds its counter, units since the last chunk signature (rule W-7) and
//!   last signature, and its number among the sessions (rule O-1);
//! - `2`, a session's number, the index of a last transaction: a piece, which is what one message added, as one value. It
//!   holds the chunk signature if one stands there (rule W-6). As the key names the last of them, one seek finds the piece
//!   in which any transaction lies.
//!
//! Transactions have the compact form in which they cross the native storage's binding, not the larger JSON.
//!
//! Invariants: a message is stored in one transaction of the store, after the stored counter was read; the session's row is
//! written last, and nothing past its counter is given out (rule L-14).

use std::borrow::Cow;
use std::path::Path;

use jazz_storage_bench::native::Native;
use jazz_storage_bench::trace::{Message, Transaction};
use jazz_storage_bench::{CHUNK_THRESHOLD, Level, Loaded, LoadedSession, Result, Store};
use jazz_storage_core::format::tx::{cut, join, split, walk};

use crate::bytes::{Reader as Bytes, put_bytes16, put_u32};
use crate::ordered::{Ordered, Reader, Writer};

const HEADER: u8 = 0;
const SESSION: u8 = 1;
const PIECE: u8 = 2;
/// Behind the last key of a CoValue.
const END: u8 = 3;

/// A [`Store`] in a store of ordered keys.
pub struct Jazz<K>(K);

/// A message's parts as the peers take them, its transactions as one value.
pub struct Prepared {
    pub(crate) id: Vec<u8>,
    pub(crate) header: Option<Vec<u8>>,
    pub(crate) session: Vec<u8>,
    pub(crate) after: u32,
    pub(crate) count: u32,
    pub(crate) signature: Vec<u8>,
    /// The size of the changes, by which sessions are cut into chunks.
    pub(crate) units: u32,
    pub(crate) transactions: Vec<u8>,
}

/// What of a message is not stored yet.
pub(crate) struct New<'a> {
    pub(crate) count: u32,
    pub(crate) units: u32,
    pub(crate) transactions: Cow<'a, [u8]>,
}

impl Prepared {
    /// A message's parts.
    ///
    /// # Errors
    /// A transaction has no compact form.
    pub fn new(message: &Message) -> Result<Self> {
        let forms = message.transactions.iter().map(Native::form).collect::<Result<Vec<_>>>()?;
        let mut transactions = Vec::new();
        join(&forms, &mut transactions)?;
        let units = message.transactions.iter().map(|one| one.changes.len()).sum::<usize>();
        Ok(Self {
            id: message.id.clone().into(),
            header: message.header.clone().map(Into::into),
            session: message.session.clone().into(),
            after: message.after,
            count: u32::try_from(message.transactions.len())?,
            signature: message.signature.clone().into(),
            units: u32::try_from(units)?,
            transactions,
        })
    }

    /// What is new to a session with this counter; none if nothing is (rule W-4).
    ///
    /// # Errors
    /// The message begins past the counter (rule W-3).
    pub(crate) fn new_to(&self, counter: u32) -> Result<Option<New<'_>>> {
        let known = counter.checked_sub(self.after);
        let known = known.ok_or_else(|| format!("the session stands at {counter}, before {}", self.after))?;
        let count = self.count.saturating_sub(known);
        if count == 0 {
            return Ok(None);
        }
        if known == 0 {
            return Ok(Some(New { count, units: self.units, transactions: (&self.transactions).into() }));
        }
        let mut rest = Vec::new();
        cut(&self.transactions, known, count, &mut rest)?;
        let units = u32::try_from(walk(&rest, count)?.units)?;
        Ok(Some(New { count, units, transactions: rest.into() }))
    }
}

/// A session as its row tells of it.
#[derive(Debug, Clone, Copy)]
struct Row<'a> {
    number: u32,
    counter: u32,
    units: u32,
    signature: &'a [u8],
}

impl<'a> Row<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut bytes = Bytes::new(bytes);
        Ok(Self {
            number: bytes.u32()?,
            counter: bytes.u32()?,
            units: bytes.u32()?,
            signature: bytes.bytes16()?,
        })
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(14 + self.signature.len());
        put_u32(&mut out, self.number);
        put_u32(&mut out, self.counter);
        put_u32(&mut out, self.units);
        put_bytes16(&mut out, self.signature)?;
        Ok(out)
    }
}

/// A piece as it was read: `u32` count, chunk signature or nothing as `bytes16`, transactions.
#[derive(Debug, Default)]
struct RawPiece {
    last: u32,
    value: Vec<u8>,
}

impl RawPiece {
    fn parts(&self) -> Result<(u32, &[u8], &[u8])> {
        let mut bytes = Bytes::new(&self.value);
        Ok((bytes.u32()?, bytes.bytes16()?, bytes.rest()))
    }
}

/// A loaded CoValue: the values of its rows.
#[derive(Debug, Default)]
pub struct Raw {
    header: Vec<u8>,
    sessions: Vec<RawSession>,
}

#[derive(Debug)]
struct RawSession {
    id: Vec<u8>,
    number: u32,
    counter: u32,
    signature: Vec<u8>,
    pieces: Vec<RawPiece>,
}

/// What a scan found: pieces, of which the first may begin before.
#[derive(Debug)]
pub struct Piece {
    after: u32,
    pieces: Vec<RawPiece>,
}

fn key(id: &[u8], kind: u8, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(id.len() + 1 + rest.len());
    key.extend_from_slice(id);
    key.push(kind);
    key.extend_from_slice(rest);
    key
}

/// The key of the piece with this last transaction, big-endian so that keys are in order.
fn piece_key(id: &[u8], number: u32, last: u32) -> Vec<u8> {
    let mut rest = [0; 8];
    rest[..4].copy_from_slice(&number.to_be_bytes());
    rest[4..].copy_from_slice(&last.to_be_bytes());
    key(id, PIECE, &rest)
}

/// What a key of a piece says behind the CoValue's id and the kind: session's number, last transaction, and whether it is
/// a part of a value that is too large to be in one.
fn piece_place(key: &[u8]) -> Result<(u32, u32, bool)> {
    let number = key.first_chunk().ok_or("the key of a piece is too short")?;
    let last = key.get(4..).and_then(<[u8]>::first_chunk).ok_or("the key of a piece is too short")?;
    Ok((u32::from_be_bytes(*number), u32::from_be_bytes(*last), key.len() > 8))
}

impl<K: Ordered> Jazz<K> {
    /// Writes a piece; in parts if the store cannot hold it in one.
    fn put_piece(writer: &mut K::Writer<'_>, key: &[u8], value: &[u8]) -> Result<()> {
        if value.len() <= K::LARGEST_VALUE {
            return writer.put(key, value);
        }
        for (part, bytes) in (0u16..).zip(value.chunks(K::LARGEST_VALUE)) {
            let mut key = key.to_vec();
            if part > 0 {
                key.extend_from_slice(&part.to_be_bytes());
            }
            writer.put(&key, bytes)?;
        }
        Ok(())
    }

    fn change(writer: &mut K::Writer<'_>, message: &Prepared) -> Result<()> {
        let session_key = key(&message.id, SESSION, &message.session);
        let row = writer
            .get(&session_key, |bytes| Row::read(bytes).map(|row| (row.number, row.counter, row.units)))?;
        let (number, counter, units) = match row {
            Some(row) => row,
            None => (Self::begin_session(writer, message)?, 0, 0),
        };
        let Some(New { count, units: new_units, transactions }) = message.new_to(counter)? else {
            return Ok(());
        };
        let units = units + new_units;
        let ends_chunk = units > CHUNK_THRESHOLD;
        let mut piece = Vec::with_capacity(6 + message.signature.len() + transactions.len());
        put_u32(&mut piece, count);
        put_bytes16(&mut piece, if ends_chunk { &message.signature } else { &[] })?;
        piece.extend_from_slice(&transactions);
        let end = counter + count;
        Self::put_piece(writer, &piece_key(&message.id, number, end - 1), &piece)?;
        let units = if ends_chunk { 0 } else { units };
        writer.put(&session_key, &Row { number, counter: end, units, signature: &message.signature }.bytes()?)
    }

    /// The number of a session that is not there yet. Writes the header if the CoValue is not there either.
    fn begin_session(writer: &mut K::Writer<'_>, message: &Prepared) -> Result<u32> {
        let header_key = key(&message.id, HEADER, &[]);
        if writer.get(&header_key, |_| Ok(()))?.is_some() {
            let mut number = 0;
            writer.range(&key(&message.id, SESSION, &[]), &key(&message.id, PIECE, &[]), |_, _| {
                number += 1;
                Ok(true)
            })?;
            return Ok(number);
        }
        let header = message.header.as_ref();
        let header = header.ok_or("a message without a header is the first of its CoValue")?;
        writer.put(&header_key, header)?;
        Ok(0)
    }
}

impl Raw {
    /// Takes in a pair of the CoValue whose id has this length. They come in the order of their keys.
    fn take(&mut self, id_len: usize, key: &[u8], value: &[u8]) -> Result<()> {
        let (kind, rest) = key.get(id_len..).and_then(<[u8]>::split_first).ok_or("a key is too short")?;
        match *kind {
            HEADER => self.header = value.to_vec(),
            SESSION => {
                let Row { number, counter, signature, .. } = Row::read(value)?;
                self.sessions.push(RawSession {
                    id: rest.to_vec(),
                    number,
                    counter,
                    signature: signature.to_vec(),
                    pieces: Vec::new(),
                });
            }
            _ => {
                let (number, last, is_part) = piece_place(rest)?;
                let session = self.sessions.iter_mut().find(|session| session.number == number);
                let session = session.ok_or("a piece has no session")?;
                take_piece(&mut session.pieces, session.counter, last, is_part, value)?;
            }
        }
        Ok(())
    }
}

/// Takes in a piece or a part of one, unless it lies past the session's counter.
fn take_piece(
    pieces: &mut Vec<RawPiece>,
    counter: u32,
    last: u32,
    is_part: bool,
    value: &[u8],
) -> Result<()> {
    if last >= counter {
        return Ok(());
    }
    if is_part {
        let piece = pieces.last_mut().filter(|piece| piece.last == last);
        piece.ok_or("a part of a piece comes first")?.value.extend_from_slice(value);
    } else {
        pieces.push(RawPiece { last, value: value.to_vec() });
    }
    Ok(())
}

impl<K: Ordered> Store for Jazz<K> {
    const NAME: &'static str = K::NAME;
    const LEVELS: &'static [Level] = K::LEVELS;
    type Prepared = Prepared;
    type Raw = Raw;
    type Piece = Piece;

    fn form(transaction: &Transaction) -> Result<Vec<u8>> {
        Native::form(transaction)
    }

    fn prepare(message: &Message) -> Result<Prepared> {
        Prepared::new(message)
    }

    fn open(directory: &Path, level: Level) -> Result<Self> {
        if !K::LEVELS.contains(&level) {
            return Err(format!("{} has no level {level:?}", K::NAME).into());
        }
        Ok(Self(K::open(directory, level)?))
    }

    fn close(self) -> Result<()> {
        self.0.close()
    }

    fn store(&mut self, message: &Prepared) -> Result<()> {
        self.0.write(|writer| Self::change(writer, message))
    }

    fn load(&self, id: &str) -> Result<Raw> {
        let id = id.as_bytes();
        let mut raw = Raw::default();
        self.0.read(|reader| {
            reader.range(&key(id, HEADER, &[]), &key(id, END, &[]), |key, value| {
                raw.take(id.len(), key, value)?;
                Ok(true)
            })
        })?;
        if raw.header.is_empty() {
            return Err(format!("{} is not stored", String::from_utf8_lossy(id)).into());
        }
        raw.sessions.sort_by_key(|session| session.number);
        Ok(raw)
    }

    fn known_state(&self, id: &str) -> Result<u64> {
        let id = id.as_bytes();
        let mut sum = 0;
        self.0.read(|reader| {
            reader.range(&key(id, SESSION, &[]), &key(id, PIECE, &[]), |_, value| {
                sum += u64::from(Row::read(value)?.counter);
                Ok(true)
            })
        })?;
        Ok(sum)
    }

    fn scan(&self, id: &str, session: &str, after: u32) -> Result<Piece> {
        let id = id.as_bytes();
        let mut pieces = Vec::new();
        self.0.read(|reader| {
            let row = reader.get(&key(id, SESSION, session.as_bytes()), |bytes| {
                Row::read(bytes).map(|row| (row.number, row.counter))
            })?;
            let (number, counter) = row.ok_or_else(|| format!("{session} is not stored"))?;
            let mut end = None;
            reader.range(&piece_key(id, number, after), &piece_key(id, number, u32::MAX), |key, value| {
                let rest = key.get(id.len() + 1..).ok_or("a key is too short")?;
                let (_, last, is_part) = piece_place(rest)?;
                if end.is_some_and(|end| last > end) || last >= counter {
                    return Ok(false);
                }
                take_piece(&mut pieces, counter, last, is_part, value)?;
                if !is_part && !Bytes::new(value.get(4..).unwrap_or_default()).bytes16()?.is_empty() {
                    end = Some(last);
                }
                // Where nothing is in parts, what follows the end need not be looked at.
                Ok(end.is_none() || K::LARGEST_VALUE != usize::MAX)
            })
        })?;
        Ok(Piece { after, pieces })
    }

    fn compact(&mut self) -> Result<bool> {
        self.0.compact()
    }

    fn decode(raw: &Raw) -> Result<Loaded> {
        let sessions = raw.sessions.iter().map(|session| {
            let (mut signatures, mut transactions) = (Vec::new(), Vec::new());
            for piece in &session.pieces {
                let (count, signature, bytes) = piece.parts()?;
                transactions.extend(split(bytes, count)?);
                if !signature.is_empty() {
                    signatures.push((piece.last + 1, String::from_utf8(signature.to_vec())?));
                }
            }
            let last = String::from_utf8(session.signature.clone())?;
            if signatures.last().is_none_or(|(_, signature)| *signature != last) {
                signatures.push((session.counter, last));
            }
            Ok(LoadedSession { id: String::from_utf8(session.id.clone())?, signatures, transactions })
        });
        Ok(Loaded {
            header: String::from_utf8(raw.header.clone())?,
            sessions: sessions.collect::<Result<_>>()?,
        })
    }

    fn decode_piece(piece: &Piece) -> Result<Vec<Vec<u8>>> {
        let mut transactions = Vec::new();
        let mut skip = None;
        for piece_of_it in &piece.pieces {
            let (count, _, bytes) = piece_of_it.parts()?;
            skip.get_or_insert(piece.after.saturating_sub(piece_of_it.last + 1 - count));
            transactions.extend(split(bytes, count)?);
        }
        transactions.drain(..skip.unwrap_or(0) as usize);
        Ok(transactions)
    }
}
