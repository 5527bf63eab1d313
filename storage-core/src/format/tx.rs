//! Transactions (design.md, section 2.2): one form for the binding and the log.
//!
//! Invariants:
//! - a *piece* is a run of consecutive transactions of one session; the first private transaction of a piece carries its
//!   key, so a piece needs nothing around it, and two pieces written one after the other are one piece again;
//! - whatever [`walk`] accepted, [`skip`], [`cut`] and [`split`] understand; they trust the text inside, which was checked
//!   once on the way in, and read only what lies between the lengths;
//! - no function here panics or allocates in proportion to a number it was merely told, whatever the bytes.

use super::numbers::{
    TX_HAS_META, TX_PRIVATE, TX_PRIVATE_FIRST, TX_SAME_KEY, TX_SHAPE_MASK, TX_TRUSTING, TX_TRUSTING_FIRST,
    TX_VERBATIM,
};
pub use super::text::FormatError;
use super::text::{Read, Reader, Text, put_str16, put_str32, to_usize};
use std::ops::Range;

const KNOWN_BITS: u8 = TX_SHAPE_MASK | TX_HAS_META | TX_SAME_KEY;

/// The fewest bytes a transaction takes: kind, `size` and the head of an empty text.
const MIN_TX_BYTES: usize = 9;

/// Whether the key of a private transaction stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    /// Not a private transaction, or one kept verbatim.
    None,
    /// It is that of an earlier transaction.
    LeftOut,
    /// It is here: a `str16`, head included.
    Here(Range<usize>),
}

/// One transaction as it lies in the bytes.
struct Parts<'a> {
    range: Range<usize>,
    key: Key,
    key_text: Option<Text<'a>>,
    /// The changes, or the whole JSON text.
    main: Text<'a>,
    meta: Option<Text<'a>>,
    /// Written out only where it cannot be derived.
    units: Option<u32>,
}

impl<'a> Parts<'a> {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Read<Self> {
        let start = reader.at();
        let kind = reader.u8()?;
        let refuse = |detail| Err(FormatError { detail, at: start });
        if kind & !KNOWN_BITS != 0 {
            return refuse("a transaction has an unknown flag");
        }
        let private = match kind & TX_SHAPE_MASK {
            TX_VERBATIM if kind != TX_VERBATIM => return refuse("a verbatim transaction has a flag"),
            TX_VERBATIM => {
                let units = reader.u32()?;
                let main = reader.str32()?;
                let range = start..reader.at();
                return Ok(Self {
                    range,
                    key: Key::None,
                    key_text: None,
                    main,
                    meta: None,
                    units: Some(units),
                });
            }
            TX_PRIVATE | TX_PRIVATE_FIRST => true,
            TX_TRUSTING | TX_TRUSTING_FIRST => false,
            _ => return refuse("a transaction has an unknown shape"),
        };
        if !private && kind & TX_SAME_KEY != 0 {
            return refuse("a transaction without a key refers to one");
        }
        reader.take(size_of::<f64>())?;
        let key_start = reader.at();
        let (key, key_text) = match (private, kind & TX_SAME_KEY == 0) {
            (false, _) => (Key::None, None),
            (true, false) => (Key::LeftOut, None),
            (true, true) => {
                let text = reader.str16()?;
                (Key::Here(key_start..reader.at()), Some(text))
            }
        };
        let main = reader.str32()?;
        let meta = if kind & TX_HAS_META == 0 { None } else { Some(reader.str32()?) };
        Ok(Self { range: start..reader.at(), key, key_text, main, meta, units: None })
    }

    /// Checks the texts and gives the length of the changes in UTF-16 units.
    #[inline]
    fn check(&self) -> Read<u64> {
        if let Some(key) = self.key_text {
            key.checked()?;
        }
        if let Some(meta) = self.meta {
            meta.checked()?;
        }
        let units = self.main.units()?;
        Ok(self.units.map_or(units, u64::from))
    }
}

/// What [`walk`] learned of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Walk {
    /// The length of all changes in UTF-16 units.
    pub units: u64,
}

/// Checks that `bytes` are a piece of exactly `count` transactions.
///
/// # Errors
/// Names the first thing that is not of the documented form.
pub fn walk(bytes: &[u8], count: u32) -> Result<Walk, FormatError> {
    let mut reader = Reader::new(bytes);
    let mut units = 0u64;
    let mut has_key = false;
    for _ in 0..count {
        let tx = Parts::read(&mut reader)?;
        match tx.key {
            Key::Here(_) => has_key = true,
            Key::LeftOut if !has_key => return no_key(tx.range.start),
            Key::LeftOut | Key::None => {}
        }
        // Cannot overflow: a transaction of 9 bytes claims at most 2^32 units, and no slice holds 2^35 bytes of them.
        units = units.saturating_add(tx.check()?);
    }
    reader.finish()?;
    Ok(Walk { units })
}

fn no_key<T>(at: usize) -> Read<T> {
    Err(FormatError { detail: "the first private transaction of a piece does not carry its key", at })
}

/// Passes over the first `n` transactions of a piece: the byte offset after them, and where the key in force there lies
/// (a `str16`, head included), if one is.
///
/// # Errors
/// The piece has fewer transactions, or is malformed. Texts are not checked again.
pub fn skip(bytes: &[u8], n: u32) -> Result<(usize, Option<Range<usize>>), FormatError> {
    let mut reader = Reader::new(bytes);
    let key = pass(&mut reader, n)?;
    Ok((reader.at(), key))
}

fn pass(reader: &mut Reader<'_>, n: u32) -> Read<Option<Range<usize>>> {
    let mut key = None;
    for _ in 0..n {
        if let Key::Here(range) = Parts::read(reader)?.key {
            key = Some(range);
        }
    }
    Ok(key)
}

/// Appends the transactions from index `from`, `count` of them, as a piece of their own.
///
/// # Errors
/// The piece has fewer transactions, or is malformed; `out` is then as it was. Texts are not checked again.
pub fn cut(bytes: &[u8], from: u32, count: u32, out: &mut Vec<u8>) -> Result<(), FormatError> {
    let mut reader = Reader::new(bytes);
    let key = pass(&mut reader, from)?;
    let start = reader.at();
    for done in 1..=count {
        let tx = Parts::read(&mut reader)?;
        match tx.key {
            Key::None => {}
            Key::Here(_) => {
                pass(&mut reader, count - done)?;
                break;
            }
            Key::LeftOut => {
                let Some(key) = key.and_then(|key| bytes.get(key)) else { return no_key(tx.range.start) };
                pass(&mut reader, count - done)?;
                let end = reader.at();
                let (before, rest) = range(bytes, start..tx.range.start, tx.range.start..end)?;
                out.reserve(end - start + key.len());
                out.extend_from_slice(before);
                return with_key(rest, key, out);
            }
        }
    }
    let (whole, _) = range(bytes, start..reader.at(), 0..0)?;
    out.extend_from_slice(whole);
    Ok(())
}

fn range(bytes: &[u8], first: Range<usize>, second: Range<usize>) -> Read<(&[u8], &[u8])> {
    let at = first.start;
    bytes.get(first).zip(bytes.get(second)).ok_or(FormatError { detail: "the bytes end too early", at })
}

/// Appends transactions of which the first has left out its key, with that key.
fn with_key(txs: &[u8], key: &[u8], out: &mut Vec<u8>) -> Read<()> {
    let Some(([kind, made_at @ ..], rest)) = txs.split_first_chunk::<9>() else {
        return Err(FormatError { detail: "the bytes end too early", at: 0 });
    };
    out.push(kind & !TX_SAME_KEY);
    out.extend_from_slice(made_at);
    out.extend_from_slice(key);
    out.extend_from_slice(rest);
    Ok(())
}

/// Takes a piece of exactly `count` transactions apart, each complete in itself.
///
/// # Errors
/// The bytes are not a piece of that many transactions. Texts are not checked again.
pub fn split(bytes: &[u8], count: u32) -> Result<Vec<Vec<u8>>, FormatError> {
    let mut txs = Vec::with_capacity(to_usize(count).min(bytes.len() / MIN_TX_BYTES));
    let mut reader = Reader::new(bytes);
    let mut key: Option<&[u8]> = None;
    for _ in 0..count {
        let tx = Parts::read(&mut reader)?;
        let (whole, _) = range(bytes, tx.range.clone(), 0..0)?;
        match (tx.key, key) {
            (Key::LeftOut, None) => return no_key(tx.range.start),
            (Key::LeftOut, Some(key)) => {
                let mut complete = Vec::with_capacity(whole.len() + key.len());
                with_key(whole, key, &mut complete)?;
                txs.push(complete);
                continue;
            }
            (Key::Here(here), _) => key = bytes.get(here),
            (Key::None, _) => {}
        }
        txs.push(whole.to_vec());
    }
    reader.finish()?;
    Ok(txs)
}

/// Appends transactions, each complete in itself, as one piece: the inverse of [`split`]. A key equal to the one in force
/// is left out.
///
/// # Errors
/// One of them is not a transaction complete in itself; `out` is then as it was. Texts are not checked again.
pub fn join<T: AsRef<[u8]>>(txs: &[T], out: &mut Vec<u8>) -> Result<(), FormatError> {
    let before = out.len();
    let result = append_all(txs, out);
    if result.is_err() {
        out.truncate(before);
    }
    result
}

fn append_all<T: AsRef<[u8]>>(txs: &[T], out: &mut Vec<u8>) -> Read<()> {
    let mut in_force: Option<&[u8]> = None;
    for tx in txs {
        let bytes = tx.as_ref();
        let mut reader = Reader::new(bytes);
        let parts = Parts::read(&mut reader)?;
        reader.finish()?;
        match parts.key {
            Key::LeftOut => return no_key(0),
            Key::None => out.extend_from_slice(bytes),
            Key::Here(here) => {
                let (key, head) = range(bytes, here.clone(), 0..here.start)?;
                if in_force == Some(key) {
                    let (rest, _) = range(bytes, here.end..bytes.len(), 0..0)?;
                    let at = out.len();
                    out.extend_from_slice(head);
                    if let Some(kind) = out.get_mut(at) {
                        *kind |= TX_SAME_KEY;
                    }
                    out.extend_from_slice(rest);
                } else {
                    in_force = Some(key);
                    out.extend_from_slice(bytes);
                }
            }
        }
    }
    Ok(())
}

/// A transaction by its fields, for those who write one: a client that is not JavaScript, a test, a benchmark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fields<'a> {
    /// Anything, as JSON text.
    Verbatim {
        /// The length of its changes in UTF-16 units.
        units: u32,
        /// The transaction.
        json: &'a [u8],
    },
    /// A private transaction.
    Private {
        /// Whether the fields come back in alphabetical order (shape 1, else 3).
        sorted: bool,
        /// Milliseconds.
        made_at: f64,
        /// The id of the key.
        key_used: &'a [u8],
        /// The encrypted changes.
        changes: &'a [u8],
        /// The encrypted meta data.
        meta: Option<&'a [u8]>,
    },
    /// A trusting transaction.
    Trusting {
        /// Whether the fields come back in alphabetical order (shape 2, else 4).
        sorted: bool,
        /// Milliseconds.
        made_at: f64,
        /// The changes, as JSON text.
        changes: &'a [u8],
        /// The meta data, as JSON text.
        meta: Option<&'a [u8]>,
    },
}

impl Fields<'_> {
    /// Appends the transaction, complete in itself. The texts must be WTF-8; that is checked where they are stored.
    ///
    /// # Errors
    /// A text is too long for its head; `out` may then end in a part of the transaction.
    ///
    /// ```
    /// use jazz_storage_core::format::tx::{Fields, walk};
    /// let mut piece = Vec::new();
    /// Fields::Trusting { sorted: true, made_at: 1.0, changes: b"[1]", meta: None }.append_to(&mut piece)?;
    /// assert_eq!(walk(&piece, 1)?.units, 3);
    /// # Ok::<(), jazz_storage_core::Error>(())
    /// ```
    pub fn append_to(&self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let (shape, made_at, key, changes, meta) = match *self {
            Self::Verbatim { units, json } => {
                out.push(TX_VERBATIM);
                out.extend_from_slice(&units.to_le_bytes());
                return put_str32(out, json);
            }
            Self::Private { sorted, made_at, key_used, changes, meta } => {
                (if sorted { TX_PRIVATE } else { TX_PRIVATE_FIRST }, made_at, Some(key_used), changes, meta)
            }
            Self::Trusting { sorted, made_at, changes, meta } => {
                (if sorted { TX_TRUSTING } else { TX_TRUSTING_FIRST }, made_at, None, changes, meta)
            }
        };
        out.push(if meta.is_some() { shape | TX_HAS_META } else { shape });
        out.extend_from_slice(&made_at.to_le_bytes());
        if let Some(key) = key {
            put_str16(out, key)?;
        }
        put_str32(out, changes)?;
        meta.map_or(Ok(()), |meta| put_str32(out, meta))
    }
}

#[cfg(test)]
mod tests;
