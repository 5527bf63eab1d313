//! The store that a soak works on, and the check that it gives back what it was given.

use std::path::Path;
use std::time::Instant;

use jazz_storage_core::api::{Durability, NativeStorage, OpenOptions};
use jazz_storage_core::format::tx::split;
use jazz_storage_core::format::wire::{OwnedPiece, decode_loaded, decode_piece};

use super::figures::Figures;
use super::options::Options;
use super::phase::Phase;
use crate::data::Values;
use crate::native::Native;
use crate::probe::disk_bytes;
use crate::{Result, Store};

/// How a store is opened: what a scenario sets of the options that there are. None is the store's own default.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Settings {
    pub(super) strict: bool,
    pub(super) cache: Option<u64>,
    pub(super) segment: Option<u64>,
    pub(super) delta: Option<u64>,
    pub(super) buffer: Option<u64>,
}

impl Settings {
    /// Those of the command line.
    pub(super) fn of(options: &Options) -> Self {
        Self {
            strict: false,
            cache: options.cache,
            segment: options.segment,
            delta: options.delta,
            buffer: options.buffer,
        }
    }
}

/// Opens the store in a directory. The one place where options become the engine's.
pub(super) fn open(directory: &Path, settings: Settings) -> Result<NativeStorage> {
    Ok(NativeStorage::open(OpenOptions {
        path: Some(directory.to_str().ok_or("the directory's name is not UTF-8")?.to_owned()),
        durability: Some(if settings.strict { Durability::Strict } else { Durability::Relaxed }),
        cache_bytes: settings.cache.map(|bytes| bytes as f64),
        segment_bytes: settings.segment.map(|bytes| bytes as f64),
        delta_bytes: settings.delta.map(|bytes| bytes as f64),
        buffer_bytes: settings.buffer.map(|bytes| bytes as f64),
        ..OpenOptions::default()
    })?)
}

/// Stores a message, which has to be stored whole.
pub(super) fn store(storage: &NativeStorage, message: &[u8]) -> Result<()> {
    match storage.store(message)? {
        None => Ok(()),
        Some(outcome) => Err(format!("a message was not stored whole: {outcome:?}").into()),
    }
}

/// A phase that compacts the store, with nothing else to do.
pub(super) fn compact(phase: &Phase, settings: Settings) -> Result<Figures> {
    let storage = open(phase.store, settings)?;
    let before = disk_bytes(phase.store)?;
    let begun = Instant::now();
    storage.compact()?;
    let time = begun.elapsed();
    storage.close()?;
    let mut figures = Figures::default();
    figures.bytes("disk before", before);
    figures.seconds("compacting", time.as_secs_f64());
    figures.bytes("disk", disk_bytes(phase.store)?);
    Ok(figures)
}

/// Bytes of content that a load gives at once; the rest is loaded piece by piece.
const BUDGET: f64 = (1 << 20) as f64;

/// Loads a CoValue, streaming what is large, and compares it with the one of this number, of which the first `count`
/// transactions were stored. Gives the bytes of its transactions.
///
/// # Errors
/// Names the CoValue that is not as it was stored, and the place in it.
pub(super) fn check(storage: &NativeStorage, values: &Values, value: u32, count: u32) -> Result<u64> {
    let id = values.id(value);
    let wrong = |what: &str| format!("CoValue {value} ({id}): {what}");
    let bytes = storage.load(id.as_bytes(), BUDGET)?.ok_or_else(|| wrong("is not stored"))?;
    let loaded = decode_loaded(&bytes)?;
    drop(bytes);
    if loaded.header != values.header(value).as_bytes() {
        return Err(wrong("has another header").into());
    }
    let [session] = <[_; 1]>::try_from(loaded.sessions).map_err(|_| wrong("has not one session"))?;
    if session.session != values.session(value).as_bytes() || session.counter != count {
        return Err(wrong("has another session, or one of another length").into());
    }
    let mut at = 0;
    let mut bytes = 0;
    for OwnedPiece { after, count, content } in session.pieces {
        let end = after + count;
        let mut content = content.map(|(signature, transactions)| (count, signature, transactions));
        while at < end {
            let (count, signature, transactions) = match content.take() {
                Some(content) => content,
                None => {
                    let piece = storage.load_piece(id.as_bytes(), &session.session, at, end - at)?;
                    decode_piece(&piece.ok_or_else(|| wrong("has lost a piece"))?)?
                }
            };
            compare(values, value, at, &split(&transactions, count)?)?;
            at += count;
            bytes += transactions.len() as u64;
            if signature != values.signature(value, at).as_bytes() {
                return Err(wrong(&format!("has another signature after {at} transactions")).into());
            }
        }
    }
    if at == count {
        Ok(bytes)
    } else {
        Err(wrong(&format!("ends after {at} of {count} transactions")).into())
    }
}

fn compare(values: &Values, value: u32, from: u32, transactions: &[Vec<u8>]) -> Result<()> {
    for (index, transaction) in (from..).zip(transactions) {
        if Native::form(&values.transaction(value, index))? != *transaction {
            return Err(format!("CoValue {value}: transaction {index} is not the one that was stored").into());
        }
    }
    Ok(())
}

/// Checks that nothing but its header is left of a CoValue.
///
/// # Errors
/// Names the CoValue if it is not stored, or has a session.
pub(super) fn check_erased(storage: &NativeStorage, values: &Values, value: u32) -> Result<()> {
    let id = values.id(value);
    let bytes = storage
        .load(id.as_bytes(), BUDGET)?
        .ok_or_else(|| format!("CoValue {value} ({id}) is not stored"))?;
    let loaded = decode_loaded(&bytes)?;
    if loaded.header != values.header(value).as_bytes() || !loaded.sessions.is_empty() {
        return Err(format!("CoValue {value} ({id}) is not as an erased one has to be").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Interleaved, Shape, Step};

    #[test]
    fn what_is_stored_is_found_the_same_and_a_difference_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let values = Values::new(1, Shape::Mixture { largest: 3_000_000 });
        let count = values.amounting_to(10_000_000);
        assert!(count > 10);
        let storage = open(directory.path(), Settings::default()).unwrap();
        for step in Interleaved::new(&values, count) {
            store(&storage, &Native::prepare(&values.message(step)).unwrap()).unwrap();
        }
        for value in 0..count {
            check(&storage, &values, value, values.transactions(value)).unwrap();
        }
        assert!(
            check(&storage, &values, 0, values.transactions(0)).unwrap() > 2 << 20,
            "more than the budget"
        );
        let error =
            |values: &Values, value, count| check(&storage, values, value, count).unwrap_err().to_string();
        assert!(error(&values, count, 1).contains("not stored"));
        assert!(error(&values, 3, values.transactions(3) + 1).contains("length"));

        let other = Values::new(2, Shape::Mixture { largest: 3_000_000 });
        let mut mixed = values.message(Step { value: count, after: 0, count: 4 });
        mixed.transactions[2] = other.transaction(count, 2);
        store(&storage, &Native::prepare(&mixed).unwrap()).unwrap();
        assert!(error(&values, count, 4).contains("transaction 2"));

        assert!(check_erased(&storage, &values, 2).is_err());
        assert!(storage.erase(values.id(2).as_bytes()).unwrap());
        check_erased(&storage, &values, 2).unwrap();
        assert!(check(&storage, &values, 2, 4).is_err());
    }
}
