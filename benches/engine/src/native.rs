//! jazz-storage-core through the API of the bindings, with the options it has by itself.

use std::path::Path;

use jazz_storage_core::api::{Durability, NativeStorage, OpenOptions};
use jazz_storage_core::format::tx::{Fields, split};
use jazz_storage_core::format::wire::{
    OwnedMessage, OwnedSession, StoreStatus, decode_known_state, decode_loaded, decode_outcome, decode_piece,
};

use crate::trace::{Message, Transaction};
use crate::{CHUNK_THRESHOLD, Level, Loaded, LoadedSession, Result, Store};

/// More than any CoValue of a trace has, so that no piece is left out.
const EVERYTHING: f64 = 1e12;

/// An open store of jazz-storage-core.
pub struct Native {
    storage: NativeStorage,
}

impl Store for Native {
    const NAME: &'static str = "native";
    /// `memory`, of which nothing is left when it is closed, `relaxed` and `strict`.
    const LEVELS: &'static [Level] = &[Level::None, Level::Process, Level::Power];
    type Prepared = Vec<u8>;
    type Raw = Vec<u8>;
    type Piece = Vec<u8>;

    fn form(transaction: &Transaction) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        Fields::Private {
            sorted: true,
            made_at: f64::from(transaction.made_at),
            key_used: transaction.key.as_bytes(),
            changes: transaction.changes.as_bytes(),
            meta: None,
        }
        .append_to(&mut bytes)?;
        Ok(bytes)
    }

    fn prepare(message: &Message) -> Result<Vec<u8>> {
        let owned = OwnedMessage {
            id: message.id.clone().into(),
            header: message.header.clone().map(Into::into),
            delete_is_valid: false,
            chunk_threshold: f64::from(CHUNK_THRESHOLD),
            sessions: vec![OwnedSession {
                session: message.session.clone().into(),
                after: message.after,
                last_signature: message.signature.clone().into(),
                txs: message.transactions.iter().map(Self::form).collect::<Result<_>>()?,
            }],
        };
        Ok(owned.encode()?)
    }

    fn open(directory: &Path, level: Level) -> Result<Self> {
        let path = directory.to_str().ok_or("the directory's name is not UTF-8")?.to_owned();
        let (path, durability) = match level {
            Level::None => (None, Durability::Memory),
            Level::Process => (Some(path), Durability::Relaxed),
            Level::Power => (Some(path), Durability::Strict),
        };
        let options = OpenOptions { path, durability: Some(durability), ..OpenOptions::default() };
        let storage = NativeStorage::open(options)?;
        Ok(Self { storage })
    }

    fn close(self) -> Result<()> {
        Ok(self.storage.close()?)
    }

    fn store(&mut self, message: &Vec<u8>) -> Result<()> {
        match self.storage.store(message)? {
            None => Ok(()),
            Some(outcome) => match decode_outcome(&outcome)? {
                // All of it, and more, is there already.
                (StoreStatus::Stored, _) => Ok(()),
                (status, _) => Err(format!("a message was not stored whole: {status:?}").into()),
            },
        }
    }

    fn load(&self, id: &str) -> Result<Vec<u8>> {
        Ok(self.storage.load(id.as_bytes(), EVERYTHING)?.ok_or_else(|| format!("{id} is not stored"))?.into())
    }

    fn known_state(&self, id: &str) -> Result<u64> {
        let bytes = self.storage.known_state(id.as_bytes())?.ok_or_else(|| format!("{id} is not stored"))?;
        Ok(decode_known_state(&bytes)?.iter().map(|&(_, counter)| u64::from(counter)).sum())
    }

    fn scan(&self, id: &str, session: &str, after: u32) -> Result<Vec<u8>> {
        let piece = self.storage.load_piece(id.as_bytes(), session.as_bytes(), after, 1)?;
        Ok(piece.ok_or_else(|| format!("{session} of {id} has no transaction {after}"))?.into())
    }

    fn compact(&mut self) -> Result<bool> {
        self.storage.compact()?;
        Ok(true)
    }

    fn decode_piece(piece: &Vec<u8>) -> Result<Vec<Vec<u8>>> {
        let (count, _, transactions) = decode_piece(piece)?;
        Ok(split(&transactions, count)?)
    }

    fn decode(raw: &Vec<u8>) -> Result<Loaded> {
        let loaded = decode_loaded(raw)?;
        let mut sessions = Vec::new();
        for session in loaded.sessions {
            let (mut signatures, mut transactions) = (Vec::new(), Vec::new());
            for piece in session.pieces {
                let (signature, bytes) = piece.content.ok_or("a piece was left out")?;
                signatures.push((piece.after + piece.count, String::from_utf8(signature)?));
                transactions.extend(split(&bytes, piece.count)?);
            }
            sessions.push(LoadedSession {
                id: String::from_utf8(session.session)?,
                signatures,
                transactions,
            });
        }
        Ok(Loaded { header: String::from_utf8(loaded.header)?, sessions })
    }
}
