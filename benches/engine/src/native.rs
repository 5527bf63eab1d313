//! jazz-storage-core through the API of the bindings, at the level `relaxed`: a finished store survives a crash of the
//! process, as in SQLite with a write-ahead log and synchronous NORMAL.

use std::path::Path;

use jazz_storage_core::api::{NativeStorage, OpenOptions};
use jazz_storage_core::format::tx::{Fields, split};
use jazz_storage_core::format::wire::{OwnedMessage, OwnedSession, decode_known_state, decode_loaded};

use crate::trace::{Message, Transaction};
use crate::{CHUNK_THRESHOLD, Loaded, LoadedSession, Result, Store};

/// More than any CoValue of a trace has, so that no piece is left out.
const EVERYTHING: f64 = 1e12;

/// An open store of jazz-storage-core.
pub struct Native {
    storage: NativeStorage,
}

impl Store for Native {
    const NAME: &'static str = "native";
    type Prepared = Vec<u8>;
    type Raw = Vec<u8>;

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

    fn open(directory: &Path) -> Result<Self> {
        let path = directory.to_str().ok_or("the directory's name is not UTF-8")?.to_owned();
        let storage = NativeStorage::open(OpenOptions { path: Some(path), ..OpenOptions::default() })?;
        Ok(Self { storage })
    }

    fn close(self) -> Result<()> {
        Ok(self.storage.close()?)
    }

    fn store(&mut self, message: &Vec<u8>) -> Result<()> {
        match self.storage.store(message)? {
            None => Ok(()),
            Some(outcome) => Err(format!("a message was not stored whole: {outcome:?}").into()),
        }
    }

    fn load(&self, id: &str) -> Result<Vec<u8>> {
        Ok(self.storage.load(id.as_bytes(), EVERYTHING)?.ok_or_else(|| format!("{id} is not stored"))?.into())
    }

    fn known_state(&self, id: &str) -> Result<u64> {
        let bytes = self.storage.known_state(id.as_bytes())?.ok_or_else(|| format!("{id} is not stored"))?;
        Ok(decode_known_state(&bytes)?.iter().map(|&(_, counter)| u64::from(counter)).sum())
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
