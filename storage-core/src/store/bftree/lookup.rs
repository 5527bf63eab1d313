//! Finding sessions and CoValues by their ids while a change is being made.

use super::BfTreeStorage;
use super::group::next_slot;
use super::schema::{CoValueSchema, bad_entry};
use crate::engine::Write;
use crate::engine::delta::Delta;
use crate::error::{Error, Result};
use crate::file::FileIO;
use crate::format::entry::{Create, Entry, entries};
use crate::format::row::{CoValueRow, Group, HeadRow, Key, Tag};
use std::collections::HashMap;

/// A change of this store.
pub(super) type StoreWrite<'a, F, D> = Write<'a, F, CoValueSchema, D>;

/// Where a session is, or would be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Its number within the CoValue.
    pub(super) slot: u32,
    /// The keyed hash of its id.
    pub(super) tag: Tag,
    /// Its newest head row, if it has one.
    pub(super) head: Option<HeadRow>,
}

impl Place {
    /// The number of transactions stored.
    pub(super) fn count(&self) -> u32 {
        self.head.map_or(0, |head| head.count)
    }
    /// UTF-16 units of changes since the last chunk signature.
    pub(super) fn bytes_since(&self) -> u32 {
        self.head.map_or(0, |head| head.bytes_since)
    }
}

impl<F: FileIO, D: Delta> BfTreeStorage<F, D> {
    /// Looks a session up: at the slot its hash gives, and behind it as long as other sessions are there. `taken` are
    /// slots given to others in this change.
    pub(super) fn place(
        &self,
        write: &mut StoreWrite<'_, F, D>,
        group: Group,
        session: &[u8],
        taken: &HashMap<u32, Tag>,
    ) -> Result<Place> {
        let (mut slot, tag) = self.engine.schema().session(session);
        loop {
            let key = Key::new(group, slot, 0);
            let value = match write.delta_row(&key) {
                Some(value) => Some(value),
                None => write.older_row(&key)?,
            };
            let head = match value {
                Some(value) => Some(HeadRow::decode(&value).ok_or_else(|| {
                    Error::Internal("a head row of the index is of another kind".to_owned())
                })?),
                None => None,
            };
            let occupant = head.map(|head| head.tag).or_else(|| taken.get(&slot).copied());
            if occupant.is_none_or(|other| other == tag) {
                return Ok(Place { slot, tag, head });
            }
            slot = next_slot(slot);
        }
    }

    /// The CoValue's row, all layers put together, if it is stored. The first time in this process its id is compared
    /// with that in the log.
    pub(super) fn covalue_row(
        &self,
        write: &mut StoreWrite<'_, F, D>,
        group: Group,
        id: &[u8],
    ) -> Result<Option<CoValueRow>> {
        let key = Key::first(group);
        let decode = |value| CoValueRow::decode(&value);
        let mut row = write.delta_row(&key).and_then(decode);
        if row.is_none_or(|row| row.created.is_none()) {
            // Newer rows may only say that it was erased.
            for older in write.older_rows(&key)?.into_iter().filter_map(decode) {
                let erased = older.erased || row.is_some_and(|row| row.erased);
                row = Some(CoValueRow { erased, created: row.and_then(|row| row.created).or(older.created) });
            }
        }
        let Some((row, (_, location))) = row.and_then(|row| Some((row, row.created?))) else {
            return Ok(None);
        };
        if self.verified.get(&group).is_none() {
            let record = write.read(&[location])?;
            let stored = record.first().map(|r| create_entry(r.body(), group)).transpose()?.flatten();
            if stored.is_none_or(|create| create.id != id) {
                return Err(Error::HashCollision);
            }
            self.verified.insert(group, ());
        }
        Ok(Some(row))
    }
}

/// The entry in a record that creates this CoValue.
pub(super) fn create_entry(body: &[u8], group: Group) -> Result<Option<Create<'_>>> {
    for entry in entries(body) {
        match entry.map_err(bad_entry)? {
            Entry::Create(create) if create.group == group => return Ok(Some(create)),
            _ => {}
        }
    }
    Ok(None)
}
