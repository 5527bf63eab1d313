//! The row operations of [`StorageBackend`], and what erases a CoValue.

use super::BfTreeStorage;
use super::group::SessionView;
use super::lookup::create_entry;
use super::read::locations;
use super::transaction::{Transaction, check_id};
use crate::engine::delta::{Delta, Rows};
use crate::error::{Error, Result};
use crate::file::FileIO;
use crate::format::entry::{Create, Entry, ErasedSession};
use crate::format::row::{CoValueRow, Group, Key};
use crate::format::tx;
use crate::format::wire;
use crate::format::{Location, Ordinal};
use crate::store::rows::{
    CoValueId, CoValueRowId, KnownState, SessionId, SessionRowId, Signature, SignatureAfterRow,
    StoredCoValueRow, StoredSessionRow, SyncStateUpdate, TransactionRow, TxIndex,
};
use crate::store::traits::{StorageBackend, StorageTransaction};

impl<F: FileIO, D: Delta> BfTreeStorage<F, D> {
    /// The ids of the CoValues created at these places in the order of creation.
    fn created_ids(&self, offset: u64, limit: u64) -> Result<Vec<CoValueId>> {
        let groups = self.engine.created(offset, limit)?;
        let keys: Vec<Key> = groups.iter().map(|group| Key::first(*group)).collect();
        let (rows, layers) = self.engine.rows(&keys)?;
        let no_record = || Error::Internal("the list of CoValues names one that is not stored".to_owned());
        let locations: Option<Vec<Location>> = rows
            .iter()
            .map(|values| values.iter().filter_map(CoValueRow::decode).find_map(|row| row.created))
            .map(|created| created.map(|(_, location)| location))
            .collect();
        // One by one: each record holds on to the piece of the file it lies in, which is much more than an id.
        let id = |(group, location): (&Group, Location)| {
            let record = layers.read(&[location])?.pop().ok_or_else(no_record)?;
            let create = create_entry(record.body(), *group)?.ok_or_else(no_record)?;
            Ok(CoValueId::new(create.id))
        };
        groups.iter().zip(locations.ok_or_else(no_record)?).map(id).collect()
    }

    /// The id of the CoValue with this row number.
    pub(super) fn id_of_row(&self, row: CoValueRowId) -> Result<Option<CoValueId>> {
        let Some(ordinal) = row.0.checked_sub(1) else { return Ok(None) };
        Ok(self.created_ids(ordinal, 1)?.pop())
    }

    /// The rows of all stored sessions of a CoValue.
    pub(super) fn session_rows(
        &self,
        covalue: CoValueRowId,
        id: &CoValueId,
    ) -> Result<Vec<StoredSessionRow>> {
        let Some(snapshot) = self.snapshot(id.as_bytes())? else { return Ok(Vec::new()) };
        let sessions = snapshot.view.stored_sessions();
        let ids = self.session_ids(&snapshot, &sessions)?;
        let lasts = sessions.iter().filter_map(|s| s.extents.last().map(|e| e.location)).collect();
        let records = snapshot.read(lasts)?;
        sessions
            .iter()
            .zip(ids)
            .map(|(session, session_id)| {
                let parts = records.parts(session, session.count - 1, session.count)?;
                let signature = parts.last().and_then(|part| part.signature()).map(Signature::new);
                Ok(StoredSessionRow {
                    row_id: SessionRowId { covalue, slot: session.slot },
                    session_id,
                    last_idx: session.count,
                    last_signature: signature
                        .ok_or_else(|| Error::Internal("a session's last signature is missing".to_owned()))?,
                    bytes_since_last_signature: session.bytes_since,
                })
            })
            .collect()
    }

    /// The sessions that an erasure of the CoValue empties.
    pub(super) fn erasable(&self, id: &CoValueId) -> Result<Vec<ErasedSession>> {
        let Some(snapshot) = self.snapshot(id.as_bytes())? else { return Ok(Vec::new()) };
        let sessions = snapshot.view.sessions.iter().filter(|s| !s.delete_session && s.count > 0);
        Ok(sessions.map(|s| ErasedSession { slot: s.slot, tag: s.tag }).collect())
    }

    /// Gives `each` the ids of a CoValue's sessions and the sessions. Answered by the index alone, but for names of sessions not
    /// met yet. That its rows are those of this id is as certain as 128 bits of a keyed hash make it; a store, and a load,
    /// compare the id.
    fn known<T>(
        &self,
        id: &[u8],
        each: impl FnOnce(Vec<SessionId>, Vec<&SessionView>) -> Result<T>,
    ) -> Result<Option<T>> {
        let Some(snapshot) = self.snapshot_of(id, Rows::Heads)? else { return Ok(None) };
        let sessions = snapshot.view.stored_sessions();
        each(self.session_ids(&snapshot, &sessions)?, sessions).map(Some)
    }

    fn known_state(&self, id: &[u8]) -> Result<Option<KnownState>> {
        self.known(id, |ids, sessions| {
            Ok(KnownState { sessions: ids.into_iter().zip(sessions.iter().map(|s| s.count)).collect() })
        })
    }

    /// A known state in the form in which it crosses a binding (design.md section 3.5).
    ///
    /// # Errors
    /// [`Error::Corrupt`], naming the CoValue, if what is stored of it is damaged.
    pub fn known_state_encoded(&self, id: &[u8]) -> Result<Option<Vec<u8>>> {
        let encode = |ids: Vec<SessionId>, sessions: Vec<&SessionView>| {
            wire::encode_known_state(
                ids.iter().map(SessionId::as_bytes).zip(sessions.iter().map(|s| s.count)),
            )
        };
        self.known(id, encode).map_err(|e| e.concerning(id))
    }

    /// Writes entries as one record.
    fn commit(&self, entries: &[Entry<'_>]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut write = self.engine.write()?;
        entries.iter().for_each(|entry| entry.encode(write.body()));
        write.append()?;
        write.finish(self.durability())
    }
}

impl<F: FileIO, D: Delta> StorageBackend for BfTreeStorage<F, D> {
    fn get_covalue(&self, id: &CoValueId) -> Result<Option<StoredCoValueRow>> {
        let Some(snapshot) = self.snapshot(id.as_bytes())? else { return Ok(None) };
        let records = snapshot.read(vec![snapshot.created])?;
        let ordinal = snapshot.view.created.map_or(0, |(ordinal, _)| ordinal.0);
        Ok(snapshot.header(&records, id.as_bytes())?.map(|header| StoredCoValueRow {
            row_id: CoValueRowId(ordinal + 1),
            id: id.clone(),
            header: header.to_vec(),
        }))
    }

    fn upsert_covalue(&self, id: &CoValueId, header: Option<&[u8]>) -> Result<Option<CoValueRowId>> {
        check_id(id.as_bytes(), "CoValue id")?;
        let group = self.engine.schema().group(id.as_bytes());
        let mut write = self.engine.write()?;
        if let Some(row) = self.covalue_row(&mut write, group, id.as_bytes())? {
            write.finish(self.durability())?;
            return Ok(row.created.map(|(ordinal, _)| CoValueRowId(ordinal.0 + 1)));
        }
        let Some(header) = header else { return Ok(None) };
        let ordinal = Ordinal(self.engine.created_count());
        Entry::Create(Create { group, ordinal, id: id.as_bytes(), header }).encode(write.body());
        write.append()?;
        self.verified.insert(group, ());
        write.finish(self.durability())?;
        Ok(Some(CoValueRowId(ordinal.0 + 1)))
    }

    fn get_covalue_sessions(&self, covalue: CoValueRowId) -> Result<Vec<StoredSessionRow>> {
        self.id_of_row(covalue)?.map_or(Ok(Vec::new()), |id| self.session_rows(covalue, &id))
    }

    fn get_new_transactions_in_session(
        &self,
        session: SessionRowId,
        from: TxIndex,
        to: TxIndex,
    ) -> Result<Vec<TransactionRow>> {
        let Some(id) = self.id_of_row(session.covalue)? else { return Ok(Vec::new()) };
        let Some(snapshot) = self.snapshot(id.as_bytes())? else { return Ok(Vec::new()) };
        let Some(view) = snapshot.view.sessions.iter().find(|s| s.slot == session.slot) else {
            return Ok(Vec::new());
        };
        let end = view.count.min(to.saturating_add(1));
        if from >= end {
            return Ok(Vec::new());
        }
        let records = snapshot.read(locations(view, from, end).collect())?;
        let mut out = Vec::with_capacity((end - from) as usize);
        for part in records.parts(view, from, end)? {
            let mut txs = Vec::new();
            part.write(&mut txs)?;
            let split = tx::split(&txs, part.to - part.from)?;
            out.extend((part.from..).zip(split).map(|(idx, tx)| TransactionRow { idx, tx }));
        }
        Ok(out)
    }

    fn get_signatures(&self, session: SessionRowId, from: TxIndex) -> Result<Vec<SignatureAfterRow>> {
        let Some(id) = self.id_of_row(session.covalue)? else { return Ok(Vec::new()) };
        let Some(snapshot) = self.snapshot(id.as_bytes())? else { return Ok(Vec::new()) };
        let Some(view) = snapshot.view.sessions.iter().find(|s| s.slot == session.slot) else {
            return Ok(Vec::new());
        };
        let chunks: Vec<_> = view
            .spans_in(from, view.count)
            .filter(|(extent, end)| extent.chunk_signature && *end > from)
            .map(|(extent, end)| (extent.location, end))
            .collect();
        let records = snapshot.read(chunks.iter().map(|(location, _)| *location).collect())?;
        chunks
            .iter()
            .map(|(_, end)| {
                let parts = records.parts(view, end - 1, *end)?;
                let signature = parts.last().and_then(|part| part.signature()).map(Signature::new);
                signature
                    .map(|signature| SignatureAfterRow { idx: end - 1, signature })
                    .ok_or_else(|| Error::Internal("a chunk signature is missing".to_owned()))
            })
            .collect()
    }

    fn transaction<T>(&self, operations: impl FnOnce(&mut dyn StorageTransaction) -> Result<T>) -> Result<T> {
        let mut write = self.engine.write()?;
        let mut transaction = Transaction::new(self, &mut write);
        let result = operations(&mut transaction)?;
        transaction.encode()?;
        if !write.is_empty() {
            write.append()?;
        }
        write.finish(self.durability())?;
        Ok(result)
    }

    fn track_sync_state(&self, updates: &[SyncStateUpdate]) -> Result<()> {
        for update in updates {
            check_id(update.id.as_bytes(), "CoValue id")?;
            check_id(update.peer.as_bytes(), "peer id")?;
        }
        let entries: Vec<Entry<'_>> = updates
            .iter()
            .map(|u| Entry::Sync { id: u.id.as_bytes(), peer: u.peer.as_bytes(), synced: u.synced })
            .collect();
        self.commit(&entries)
    }

    fn unsynced_ids(&self) -> Result<Vec<CoValueId>> {
        Ok(self.engine.schema().small().unsynced.keys().cloned().collect())
    }

    fn stop_tracking_sync_state(&self, id: &CoValueId) -> Result<()> {
        if !self.engine.schema().small().unsynced.contains_key(id) {
            return self.engine.write()?.finish(self.durability());
        }
        self.commit(&[Entry::Untrack { id: id.as_bytes() }])
    }

    fn pending_deletions(&self) -> Result<Vec<CoValueId>> {
        Ok(self.engine.schema().small().pending_deletions.iter().cloned().collect())
    }

    fn erase_covalue_but_keep_tombstone(&self, id: &CoValueId) -> Result<bool> {
        let group = self.engine.schema().group(id.as_bytes());
        let mut write = self.engine.write()?;
        let stored = self.covalue_row(&mut write, group, id.as_bytes())?;
        let pending = self.engine.schema().small().pending_deletions.contains(id);
        let sessions = if stored.is_some() { self.erasable(id)? } else { Vec::new() };
        let done = stored.is_none_or(|row| row.erased) && sessions.is_empty() && !pending;
        if !done {
            write.make_urgent();
            let entry = Entry::Erase { group, id: id.as_bytes(), stored: stored.is_some(), sessions };
            entry.encode(write.body());
            write.append()?;
        }
        write.finish(self.durability())?;
        Ok(stored.is_some())
    }

    fn get_known_state(&self, id: &CoValueId) -> Result<Option<KnownState>> {
        self.known_state(id.as_bytes()).map_err(|e| e.concerning(id.as_bytes()))
    }

    fn covalue_ids(&self, limit: u32, offset: u64) -> Result<Vec<CoValueId>> {
        self.created_ids(offset, u64::from(limit))
    }

    fn covalue_count(&self) -> Result<u64> {
        Ok(self.engine.created_count())
    }
}
