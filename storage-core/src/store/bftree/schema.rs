//! What records and rows mean: CoValues, sessions, deletions, sync state and locks.
//!
//! [`CoValueSchema::apply`] is the one place where a record takes effect, at commit and at replay alike. The *small
//! state* (sync state, queue of deletions, locks) lives in memory and is carried through checkpoints by snapshots.

use super::group::GroupView;
use crate::engine::check::{Checked, Records};
use crate::engine::delta::{Delta, Row};
use crate::engine::{Applied, ApplyError, IndexWriter, Packer, Schema};
use crate::format::entry::{Append, BadEntry, Entry, entries};
use crate::format::record::RecordKind;
use crate::format::row::{CoValueRow, Extent, Group, HeadRow, Key, SpillRow, Tag};
use crate::format::{HashKey, Location, Lsn, Ordinal};
use crate::order::gathered;
use crate::store::rows::{CoValueId, PeerId, ReconciliationLockRow, SessionId};
use siphasher::sip128::SipHasher13;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What is small enough to live in memory.
#[derive(Debug, Default)]
pub struct SmallState {
    /// CoValues with the peers they are not synced to; never an empty set.
    pub unsynced: BTreeMap<CoValueId, BTreeSet<PeerId>>,
    /// CoValues waiting to be erased.
    pub pending_deletions: BTreeSet<CoValueId>,
    /// Reconciliation locks.
    pub locks: BTreeMap<Vec<u8>, ReconciliationLockRow>,
}

/// The schema of a store of CoValues.
pub struct CoValueSchema {
    key: HashKey,
    small: RwLock<SmallState>,
}

impl CoValueSchema {
    /// A schema that hashes ids with this secret.
    pub fn new(key: HashKey) -> Self {
        Self { key, small: RwLock::default() }
    }

    /// The small state.
    pub fn small(&self) -> RwLockReadGuard<'_, SmallState> {
        self.small.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn small_mut(&self) -> RwLockWriteGuard<'_, SmallState> {
        self.small.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn hash(&self, bytes: &[u8]) -> u128 {
        SipHasher13::new_with_key(&self.key.0).hash(bytes).as_u128()
    }

    /// The group of a CoValue.
    pub fn group(&self, id: &[u8]) -> Group {
        Group(self.hash(id).to_le_bytes())
    }

    /// The first slot to look for a session in, and its tag.
    pub fn session(&self, id: &[u8]) -> (u32, Tag) {
        let hash = self.hash(id);
        (((hash >> 96) as u32).max(1), Tag(hash as u64))
    }
}

impl SmallState {
    fn apply(&mut self, entry: &Entry<'_>) {
        match entry {
            Entry::DeleteMark { id } => {
                self.pending_deletions.insert(CoValueId::new(id));
            }
            Entry::Erase { id, .. } => {
                self.pending_deletions.remove(*id);
            }
            Entry::Sync { id, peer, synced: false } => {
                self.unsynced.entry(CoValueId::new(id)).or_default().insert(PeerId::new(peer));
            }
            Entry::Sync { id, peer, synced: true } => {
                if let Some(peers) = self.unsynced.get_mut(*id) {
                    peers.remove(*peer);
                    if peers.is_empty() {
                        self.unsynced.remove(*id);
                    }
                }
            }
            Entry::Untrack { id } => {
                self.unsynced.remove(*id);
            }
            Entry::Lock { key, holder, acquired_at, released_at, offset } => {
                let row = ReconciliationLockRow {
                    holder: SessionId::new(holder),
                    acquired_at: *acquired_at,
                    released_at: *released_at,
                    last_processed_offset: *offset,
                };
                self.locks.insert(key.to_vec(), row);
            }
            Entry::Create(_) | Entry::Append(_) => {}
        }
    }
}

/// The entry that sets a lock's record.
pub fn lock_entry<'a>(key: &'a [u8], row: &'a ReconciliationLockRow) -> Entry<'a> {
    Entry::Lock {
        key,
        holder: row.holder.as_bytes(),
        acquired_at: row.acquired_at,
        released_at: row.released_at,
        offset: row.last_processed_offset,
    }
}

fn apply_append<D: Delta>(
    append: &Append<'_>,
    record: Applied<'_>,
    position: u64,
    index: &mut IndexWriter<'_, D>,
) -> Result<(), ApplyError> {
    let key = Key::new(append.group, append.slot, 0);
    let present = index.get(&key).and_then(|value| HeadRow::decode(&value));
    let mut head = present.unwrap_or_else(|| HeadRow::new(append.tag));
    if append.session_id.is_some() {
        head.created = (record.lsn.0 << 16) | position.min(0xffff);
    }
    head.delete_session = append.delete_session;
    head.count = append.start.saturating_add(append.count);
    head.bytes_since = append.bytes_since;
    let extent =
        Extent { location: record.location, start: append.start, chunk_signature: append.chunk_signature };
    // The spill row comes before the head, so that no extent is ever out of sight.
    if let Some(full) = head.push(extent) {
        let spill = SpillRow::new(head.epoch, &full);
        index.put(&Key::new(append.group, append.slot, spill.index()), &spill.encode(), true)?;
    }
    index.put(&key, &head.encode(), present.is_none())?;
    Ok(())
}

fn apply_erase<D: Delta>(
    group: Group,
    sessions: &[crate::format::entry::ErasedSession],
    lsn: Lsn,
    index: &mut IndexWriter<'_, D>,
) -> Result<(), ApplyError> {
    for session in sessions {
        let key = Key::new(group, session.slot, 0);
        let fresh = index.get(&key).is_none();
        let mut head = HeadRow::new(session.tag);
        head.reset = true;
        head.epoch = lsn.0 as u32;
        index.put(&key, &head.encode(), fresh)?;
    }
    let key = Key::first(group);
    let present = index.get(&key).and_then(|value| CoValueRow::decode(&value));
    let row = CoValueRow { erased: true, created: present.and_then(|row| row.created) };
    index.put(&key, &row.encode(), present.is_none())?;
    Ok(())
}

impl Schema for CoValueSchema {
    fn apply<D: Delta>(&self, record: Applied<'_>, index: &mut IndexWriter<'_, D>) -> Result<(), ApplyError> {
        let mut small = None;
        if record.kind == RecordKind::Snapshot {
            **small.insert(self.small_mut()) = SmallState::default();
        }
        for (position, entry) in (0u64..).zip(entries(record.body)) {
            let entry: Entry<'_> = entry?;
            match &entry {
                Entry::Create(create) => {
                    let row = CoValueRow { erased: false, created: Some((create.ordinal, record.location)) };
                    index.put(&Key::first(create.group), &row.encode(), true)?;
                    index.created(create.group);
                }
                Entry::Append(append) => apply_append(append, record, position, index)?,
                Entry::Erase { group, stored: true, sessions, .. } => {
                    apply_erase(*group, sessions, record.lsn, index)?;
                    small.get_or_insert_with(|| self.small_mut()).apply(&entry);
                }
                _ => small.get_or_insert_with(|| self.small_mut()).apply(&entry),
            }
        }
        Ok(())
    }

    fn snapshot(&self, body: &mut Vec<u8>) {
        let small = self.small();
        for id in &small.pending_deletions {
            Entry::DeleteMark { id: id.as_bytes() }.encode(body);
        }
        for (id, peers) in &small.unsynced {
            for peer in peers {
                Entry::Sync { id: id.as_bytes(), peer: peer.as_bytes(), synced: false }.encode(body);
            }
        }
        for (key, row) in &small.locks {
            lock_entry(key, row).encode(body);
        }
    }

    fn pack(
        &self,
        layers: &[Vec<Row>],
        oldest: bool,
        records: &mut dyn Packer,
        out: &mut Vec<Row>,
    ) -> crate::Result<()> {
        super::pack::pack_group(layers, oldest, records, out)
    }

    fn check(
        &self,
        layers: &[Vec<Row>],
        renumber: &dyn Fn(Ordinal) -> Ordinal,
        records: &mut dyn Records,
        out: &mut Vec<Row>,
    ) -> crate::Result<Checked> {
        self.check_group(layers, renumber, records, out)
    }

    type Outline = super::check::Outline;

    fn outline(location: Location, lsn: Lsn, body: &[u8]) -> Vec<(Group, Self::Outline)> {
        Self::outline_record(location, lsn.0, body)
    }

    fn rows(group: Group, outlines: &[Self::Outline], out: &mut Vec<Row>) {
        super::check::rows_of(group, outlines, out);
    }

    fn voids(&self, rows: &[Row]) -> bool {
        rows.iter().any(|(_, value)| HeadRow::decode(value).is_some_and(|head| head.reset))
    }

    fn without_void(&self, rows: Vec<Row>, newer: &[Vec<Row>]) -> Vec<Row> {
        let heads = newer.iter().flatten().filter_map(|(key, value)| Some((key, HeadRow::decode(value)?)));
        let void: BTreeMap<u32, Tag> =
            gathered(heads.filter(|(_, head)| head.reset).map(|(key, head)| (key.slot(), head.tag)));
        let rows = rows.into_iter().filter_map(|(key, value)| match void.get(&key.slot()) {
            None => Some((key, value)),
            Some(tag) => HeadRow::decode(&value).map(|_| {
                let mut head = HeadRow::new(*tag);
                head.reset = true;
                (key, head.encode())
            }),
        });
        rows.collect()
    }

    fn locations(&self, layers: &[Vec<Row>]) -> Vec<Location> {
        GroupView::read(layers).locations()
    }
}

/// A record whose body is not a sequence of entries.
pub fn bad_entry(_: BadEntry) -> crate::Error {
    crate::Error::Internal("a stored record is not a sequence of entries".to_owned())
}
