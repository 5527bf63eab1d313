//! Row-level transactions: operations are collected, checked against the contract of
//! [`StorageTransaction`](crate::store::StorageTransaction), and written as one record.

use super::BfTreeStorage;
use super::lookup::{Place, StoreWrite};
use super::schema::lock_entry;
use crate::engine::delta::Delta;
use crate::error::{Error, Result};
use crate::file::FileIO;
use crate::format::entry::{Append, Entry, ErasedSession};
use crate::format::row::{Group, Tag};
use crate::format::text::MAX_STR16;
use crate::format::tx;
use crate::order::sort_by_key;
use crate::store::rows::{
    CoValueId, CoValueRowId, ReconciliationLockRow, SessionId, SessionRowId, SessionUpdate, Signature,
    StoredSessionRow, TxIndex,
};
use crate::store::traits::StorageTransaction;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Refuses an id that is empty or too long to be stored.
pub(super) fn check_id(id: &[u8], what: &'static str) -> Result<()> {
    match id.len() {
        0 => Err(Error::EmptyId(what)),
        len if len > MAX_STR16 => Err(Error::TooLarge { what, size: len as u64, limit: MAX_STR16 as u64 }),
        _ => Ok(()),
    }
}

/// What a transaction does to one session.
struct Change {
    /// How many changes of the CoValue came before.
    order: u32,
    place: Place,
    session_id: SessionId,
    /// The counter before.
    before: TxIndex,
    update: Option<SessionUpdate>,
    txs: BTreeMap<TxIndex, Vec<u8>>,
    signatures: BTreeMap<TxIndex, Signature>,
}

/// A CoValue named in a transaction.
struct Named {
    id: CoValueId,
    group: Group,
    /// Sessions emptied in this transaction.
    erased: Option<Vec<ErasedSession>>,
    changes: BTreeMap<u32, Change>,
    /// Changes begun, those undone by an erasure included.
    begun: u32,
}

pub(super) struct Transaction<'s, 'w, F: FileIO, D: Delta> {
    store: &'s BfTreeStorage<F, D>,
    write: &'w mut StoreWrite<'s, F, D>,
    covalues: BTreeMap<CoValueRowId, Named>,
    marked: BTreeSet<CoValueId>,
    locks: BTreeMap<Vec<u8>, ReconciliationLockRow>,
}

impl<'s, 'w, F: FileIO, D: Delta> Transaction<'s, 'w, F, D> {
    pub(super) fn new(store: &'s BfTreeStorage<F, D>, write: &'w mut StoreWrite<'s, F, D>) -> Self {
        Self { store, write, covalues: BTreeMap::new(), marked: BTreeSet::new(), locks: BTreeMap::new() }
    }

    fn named(&mut self, row: CoValueRowId) -> Result<&mut Named> {
        if !self.covalues.contains_key(&row) {
            let unknown = || Error::InvalidCommit(format!("there is no CoValue with row number {}", row.0));
            let id = self.store.id_of_row(row)?.ok_or_else(unknown)?;
            let group = self.store.engine.schema().group(id.as_bytes());
            self.covalues.insert(row, Named { id, group, erased: None, changes: BTreeMap::new(), begun: 0 });
        }
        self.covalues.get_mut(&row).ok_or_else(|| Error::Internal("a CoValue just named is not".to_owned()))
    }

    /// Where a session is; as if not stored if this transaction erased it.
    fn find(&mut self, covalue: CoValueRowId, session: &SessionId) -> Result<Place> {
        let (store, group) = (self.store, self.named(covalue)?.group);
        let named = self.named(covalue)?;
        let taken: HashMap<u32, Tag> = named.changes.values().map(|c| (c.place.slot, c.place.tag)).collect();
        let erased = named.erased.is_some() && !session.is_delete();
        let mut place = store.place(self.write, group, session.as_bytes(), &taken)?;
        if erased {
            place.head = None;
        }
        Ok(place)
    }

    fn change(&mut self, session: SessionRowId) -> Result<&mut Change> {
        let changes = &mut self.named(session.covalue)?.changes;
        changes
            .get_mut(&session.slot)
            .ok_or_else(|| Error::InvalidCommit(format!("{session:?} was not updated in this transaction")))
    }

    /// Checks everything and appends the entries to the record.
    pub(super) fn encode(self) -> Result<()> {
        let Self { store, write, covalues, marked, locks } = self;
        for id in &marked {
            let erased_now = covalues.values().any(|c| c.id == *id && c.erased.is_some());
            let pending = store.engine.schema().small().pending_deletions.contains(id);
            let group = store.engine.schema().group(id.as_bytes());
            let done = store.covalue_row(write, group, id.as_bytes())?.is_some_and(|row| row.erased);
            if !erased_now && !pending && !done {
                Entry::DeleteMark { id: id.as_bytes() }.encode(write.body());
            }
        }
        for named in covalues.values() {
            if let Some(sessions) = &named.erased {
                let (group, id) = (named.group, named.id.as_bytes());
                Entry::Erase { group, id, stored: true, sessions: sessions.clone() }.encode(write.body());
            }
            // A session's place in the order of sessions is that of its entry.
            let mut changes: Vec<&Change> = named.changes.values().collect();
            sort_by_key(&mut changes, |change| change.order);
            for change in changes {
                change.encode(named.group, write.body())?;
            }
        }
        for (key, row) in &locks {
            lock_entry(key, row).encode(write.body());
        }
        Ok(())
    }
}

impl Change {
    fn refuse<T>(&self, detail: &str) -> Result<T> {
        Err(Error::InvalidCommit(format!("{:?}: {detail}", self.session_id)))
    }

    fn encode(&self, group: Group, body: &mut Vec<u8>) -> Result<()> {
        let Some(update) = &self.update else {
            return self.refuse("transactions were added without updating the session");
        };
        if update.last_idx == 0 {
            return self.refuse("a session has at least one transaction");
        }
        if update.last_idx <= self.before {
            return self.refuse("its counter does not grow");
        }
        if !self.txs.keys().copied().eq(self.before..update.last_idx) {
            return self.refuse("its new transactions are not those up to its new counter");
        }
        if !self.signatures.keys().all(|idx| self.txs.contains_key(idx)) {
            return self.refuse("a chunk signature is not at a new transaction");
        }
        // A piece ends at each chunk signature, and at the end.
        let mut ends: Vec<(TxIndex, &Signature, bool)> =
            self.signatures.iter().map(|(idx, signature)| (idx + 1, signature, true)).collect();
        if ends.last().is_none_or(|(end, ..)| *end != update.last_idx) {
            ends.push((update.last_idx, &update.last_signature, false));
        } else if self.signatures.values().next_back() != Some(&update.last_signature) {
            return self.refuse("its last signature is not the chunk signature at the same place");
        }
        let mut start = self.before;
        for (end, signature, chunk_signature) in ends {
            let piece: Vec<&Vec<u8>> = self.txs.range(start..end).map(|(_, tx)| tx).collect();
            let mut txs = Vec::new();
            tx::join(&piece, &mut txs)?;
            Entry::Append(Append {
                group,
                slot: self.place.slot,
                tag: self.place.tag,
                chunk_signature,
                delete_session: self.session_id.is_delete(),
                start,
                count: end - start,
                bytes_since: update.bytes_since_last_signature,
                signature: signature.as_bytes(),
                session_id: (start == 0).then_some(self.session_id.as_bytes()),
                created: None,
                txs: &txs,
            })
            .encode(body);
            start = end;
        }
        Ok(())
    }
}

impl<F: FileIO, D: Delta> StorageTransaction for Transaction<'_, '_, F, D> {
    fn get_single_session(
        &mut self,
        covalue: CoValueRowId,
        session: &SessionId,
    ) -> Result<Option<StoredSessionRow>> {
        if self.store.id_of_row(covalue)?.is_none() {
            return Ok(None);
        }
        let place = self.find(covalue, session)?;
        let row_id = SessionRowId { covalue, slot: place.slot };
        let update = self.named(covalue)?.changes.get(&place.slot).and_then(|c| c.update.as_ref());
        if let Some(update) = update {
            return Ok(Some(StoredSessionRow {
                row_id,
                session_id: session.clone(),
                last_idx: update.last_idx,
                last_signature: update.last_signature.clone(),
                bytes_since_last_signature: update.bytes_since_last_signature,
            }));
        }
        if place.count() == 0 {
            return Ok(None);
        }
        let id = self.named(covalue)?.id.clone();
        let rows = self.store.session_rows(covalue, &id)?;
        Ok(rows.into_iter().find(|row| row.row_id == row_id))
    }

    fn mark_covalue_deleted(&mut self, id: &CoValueId) -> Result<()> {
        check_id(id.as_bytes(), "CoValue id")?;
        self.marked.insert(id.clone());
        Ok(())
    }

    fn add_session_update(&mut self, update: &SessionUpdate) -> Result<SessionRowId> {
        let id = &update.session_id;
        check_id(id.as_bytes(), "session id")?;
        let place = self.find(update.covalue, id)?;
        let named = self.named(update.covalue)?;
        let order = named.begun;
        named.begun += 1;
        let change = named.changes.entry(place.slot).or_insert_with(|| Change {
            order,
            place,
            session_id: id.clone(),
            before: place.count(),
            update: None,
            txs: BTreeMap::new(),
            signatures: BTreeMap::new(),
        });
        change.update = Some(update.clone());
        Ok(SessionRowId { covalue: update.covalue, slot: place.slot })
    }

    fn add_transaction(&mut self, session: SessionRowId, idx: TxIndex, tx: &[u8]) -> Result<()> {
        tx::walk(tx, 1)?;
        match self.change(session)?.txs.insert(idx, tx.to_vec()) {
            None => Ok(()),
            Some(_) => Err(Error::InvalidCommit(format!("transaction {idx} is added twice"))),
        }
    }

    fn add_signature_after(
        &mut self,
        session: SessionRowId,
        idx: TxIndex,
        signature: &Signature,
    ) -> Result<()> {
        self.change(session)?.signatures.insert(idx, signature.clone());
        Ok(())
    }

    fn delete_covalue_content(&mut self, covalue: CoValueRowId) -> Result<()> {
        let id = self.named(covalue)?.id.clone();
        let sessions = self.store.erasable(&id)?;
        let named = self.named(covalue)?;
        named.changes.retain(|_, change| change.session_id.is_delete());
        named.erased.get_or_insert(sessions);
        Ok(())
    }

    fn get_lock(&mut self, key: &[u8]) -> Result<Option<ReconciliationLockRow>> {
        let stored = || self.store.engine.schema().small().locks.get(key).cloned();
        Ok(self.locks.get(key).cloned().or_else(stored))
    }

    fn put_lock(&mut self, key: &[u8], row: &ReconciliationLockRow) -> Result<()> {
        check_id(key, "lock key")?;
        self.locks.insert(key.to_vec(), row.clone());
        Ok(())
    }
}
