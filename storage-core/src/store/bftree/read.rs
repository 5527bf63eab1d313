//! Reading CoValues and pieces of sessions: which records are needed, and what of them.

use super::BfTreeStorage;
use super::group::{GroupView, SessionView};
use super::lookup::create_entry;
use super::schema::bad_entry;
use crate::engine::delta::{Delta, Rows};
use crate::engine::layers::Layers;
use crate::engine::segment::RecordBytes;
use crate::error::{Error, Result};
use crate::file::FileIO;
use crate::format::Location;
use crate::format::entry::{Append, Entry, entries_with_offsets, entry_at};
use crate::format::row::Group;
use crate::format::tx;
use crate::order::sort;
use crate::store::rows::SessionId;
use std::sync::Arc;

/// The index's state of a CoValue and the layers it belongs to.
pub(super) struct Snapshot<F: FileIO> {
    pub(super) group: Group,
    pub(super) view: GroupView,
    pub(super) created: Location,
    layers: Arc<Layers<F>>,
}

/// Records of one CoValue that were read together.
pub(super) struct Records {
    group: Group,
    /// Where they lie, sorted.
    locations: Vec<Location>,
    /// Each of them.
    records: Vec<RecordBytes>,
    /// Where each appended piece of the CoValue is: its slot, its start, the record's place in `records`, the entry's
    /// offset. Sorted.
    appends: Vec<(u32, u32, usize, usize)>,
}

/// A run of transactions, as stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    /// What the record says.
    pub(super) append: Append<'a>,
    /// The transactions of it that are wanted, as indexes in the session.
    pub(super) from: u32,
    /// The end of them.
    pub(super) to: u32,
}

impl<F: FileIO, D: Delta> BfTreeStorage<F, D> {
    /// The index's state of a CoValue; nothing if it is not stored.
    pub(super) fn snapshot(&self, id: &[u8]) -> Result<Option<Snapshot<F>>> {
        self.snapshot_of(id, Rows::All)
    }

    /// The same of some rows only. Those that are not all tell where sessions stand and where they begin, and not where what
    /// comes between lies.
    pub(super) fn snapshot_of(&self, id: &[u8], rows: Rows) -> Result<Option<Snapshot<F>>> {
        let group = self.engine.schema().group(id);
        let (rows, layers) = self.engine.group(group, rows)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let view = GroupView::read(&rows);
        Ok(view.created.map(|(_, created)| Snapshot { group, view, created, layers }))
    }

    /// The ids of sessions of a CoValue.
    pub(super) fn session_ids(
        &self,
        snapshot: &Snapshot<F>,
        sessions: &[&SessionView],
    ) -> Result<Vec<SessionId>> {
        let known: Vec<_> = sessions.iter().map(|s| self.names.get(&(s.slot, s.tag))).collect();
        let unknown = sessions.iter().zip(&known).filter(|(_, known)| known.is_none());
        let firsts: Vec<_> = unknown.filter_map(|(s, _)| s.extents.first().map(|e| e.location)).collect();
        if firsts.is_empty() {
            return Ok(known.into_iter().flatten().collect());
        }
        let records = snapshot.read(firsts)?;
        sessions
            .iter()
            .zip(known)
            .map(|(session, known)| known.map_or_else(|| self.session_id(session, &records), Ok))
            .collect()
    }

    /// The id of a session, given the record of its first transactions. It is remembered: one session writes to many
    /// CoValues.
    fn session_id(&self, session: &SessionView, records: &Records) -> Result<SessionId> {
        let id = SessionId::new(records.session_id(session)?);
        self.names.insert((session.slot, session.tag), id.clone());
        Ok(id)
    }

    /// The stored session of this id.
    pub(super) fn find_session<'v>(&self, view: &'v GroupView, id: &[u8]) -> Option<&'v SessionView> {
        let (_, tag) = self.engine.schema().session(id);
        view.sessions.iter().find(|s| s.tag == tag && s.count > 0)
    }
}

/// Bytes of records that are asked for before they are read: enough for the device to be busy all the time.
const AHEAD: u64 = 8 << 20;

impl<F: FileIO> Snapshot<F> {
    /// Has the system have the records ready that a session is read on from, if they are large.
    pub(super) fn will_read(&self, session: &SessionView, from: u32) {
        let mut asked = 0;
        for location in locations(session, from, session.count) {
            if asked >= AHEAD || !self.layers.will_read(location) {
                break;
            }
            asked += u64::from(location.len);
        }
    }

    /// Reads the records at these locations.
    pub(super) fn read(&self, mut locations: Vec<Location>) -> Result<Records> {
        sort(&mut locations);
        locations.dedup();
        let records = self.layers.read(&locations)?;
        let mut appends = Vec::with_capacity(records.len());
        for (place, record) in records.iter().enumerate() {
            for entry in entries_with_offsets(record.body()) {
                match entry.map_err(bad_entry)? {
                    (offset, Entry::Append(append)) if append.group == self.group => {
                        appends.push((append.slot, append.start, place, offset));
                    }
                    _ => {}
                }
            }
        }
        sort(&mut appends);
        Ok(Records { group: self.group, locations, records, appends })
    }

    /// The header in the record that created the CoValue, if the record is that of `id`.
    pub(super) fn header<'r>(&self, records: &'r Records, id: &[u8]) -> Result<Option<&'r [u8]>> {
        let body = records.body(self.created)?;
        Ok(create_entry(body, self.group)?.filter(|create| create.id == id).map(|create| create.header))
    }
}

impl Records {
    /// Whether the record at this location is one of them.
    pub(super) fn has(&self, location: Location) -> bool {
        self.locations.binary_search(&location).is_ok()
    }

    fn body(&self, location: Location) -> Result<&[u8]> {
        let found = self.locations.binary_search(&location).ok();
        let record = found.and_then(|place| self.records.get(place));
        record.map(RecordBytes::body).ok_or_else(|| Error::Internal("a record was not read".to_owned()))
    }

    /// The first part of a session.
    fn first(&self, session: &SessionView) -> Result<Append<'_>> {
        let extent = session.extents.first().ok_or_else(|| missing(self.group, session, 0))?;
        self.append(session, extent.location, extent.start)
    }

    /// The id of a session.
    pub(super) fn session_id(&self, session: &SessionView) -> Result<&[u8]> {
        self.first(session)?.session_id.ok_or_else(|| missing(self.group, session, 0))
    }

    /// What the record at `location` says of the session from `start` on. An erased past of the same session may have
    /// begun at the same place in another record.
    fn append(&self, session: &SessionView, location: Location, start: u32) -> Result<Append<'_>> {
        let from = self.appends.partition_point(|(slot, at, ..)| (*slot, *at) < (session.slot, start));
        for (slot, at, place, offset) in self.appends.get(from..).unwrap_or_default() {
            if (*slot, *at) != (session.slot, start) {
                break;
            }
            let is_there = self.locations.get(*place) == Some(&location);
            let Some(record) = self.records.get(*place).filter(|_| is_there) else { continue };
            if let Entry::Append(append) = entry_at(record.body(), *offset).map_err(bad_entry)? {
                return Ok(append);
            }
        }
        Err(missing(self.group, session, start))
    }

    /// The parts that make up the transactions `from..to` of a session, in order and without gaps.
    pub(super) fn parts(&self, session: &SessionView, from: u32, to: u32) -> Result<Vec<Part<'_>>> {
        let mut parts = Vec::new();
        let mut next = from;
        for (extent, end) in session.spans_in(from, to) {
            if extent.start > next {
                return Err(missing(self.group, session, next));
            }
            let append = self.append(session, extent.location, extent.start)?;
            if append.start + append.count < end {
                return Err(missing(self.group, session, append.start + append.count));
            }
            let end = end.min(to);
            parts.push(Part { append, from: next, to: end });
            next = end;
        }
        if next < to { Err(missing(self.group, session, next)) } else { Ok(parts) }
    }
}

impl Part<'_> {
    /// Appends the wanted transactions as a piece of their own.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<()> {
        if self.from == self.append.start && self.to == self.append.start + self.append.count {
            out.extend_from_slice(self.append.txs);
            return Ok(());
        }
        tx::cut(self.append.txs, self.from - self.append.start, self.to - self.from, out)
            .map_err(|e| Error::Internal(format!("a stored piece cannot be cut: {e}")))
    }

    /// The signature, if it is the one valid at the end of this part.
    pub(super) fn signature(&self) -> Option<&[u8]> {
        (self.to == self.append.start + self.append.count).then_some(self.append.signature)
    }
}

/// The locations of the records that hold the transactions `from..to` of a session.
pub(super) fn locations(session: &SessionView, from: u32, to: u32) -> impl Iterator<Item = Location> {
    session.spans_in(from, to).map(|(e, _)| e.location)
}

fn missing(group: Group, session: &SessionView, at: u32) -> Error {
    Error::Internal(format!(
        "transaction {at} of session {:x} of CoValue {:032x} is not where the index says",
        session.tag.0,
        u128::from_be_bytes(group.0)
    ))
}
