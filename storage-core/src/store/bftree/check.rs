//! Checking a CoValue: does the log hold what the index says, and what can be kept of it if not; and making its rows anew
//! from the records of packs and segments, if the index itself is damaged.
//!
//! What is kept is what a node can go on from: a session up to its last good piece, which ends with a signature. A CoValue
//! whose creation cannot be read has no header and is lost as a whole. Whatever is lost is reported, so that it can be
//! fetched from peers again.

use super::group::{GroupView, SessionView};
use super::lookup::create_entry;
use super::schema::CoValueSchema;
use crate::engine::check::{Checked, Fault, Lost, Records};
use crate::engine::delta::Row;
use crate::engine::segment::RecordBytes;
use crate::error::{Error, Result};
use crate::format::entry::{Append, Entry, ErasedSession, entries};
use crate::format::row::{CoValueRow, Extent, Group, HeadRow, Key, SpillRow, Tag};
use crate::format::tx;
use crate::format::{Location, Ordinal};
use std::collections::BTreeMap;

/// What a record says of one CoValue, without its content.
#[derive(Debug, Clone)]
pub struct Outline {
    location: Location,
    age: Age,
    says: Says,
}

#[derive(Debug, Clone)]
enum Says {
    Created(Ordinal),
    Appended(Piece),
    Erased { whole: bool, sessions: Vec<ErasedSession> },
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    slot: u32,
    tag: Tag,
    start: u32,
    count: u32,
    bytes_since: u32,
    created: Option<u64>,
    chunk_signature: bool,
    delete_session: bool,
}

/// The pieces of a session by their starts.
type Pieces = BTreeMap<u32, (Piece, Location, Age)>;

/// The record read last.
struct Reader<'r> {
    records: &'r mut dyn Records,
    current: Option<(Location, Result<RecordBytes, Error>)>,
    read: u64,
}

impl Reader<'_> {
    /// A record; damage is an inner error, any other failure an outer one.
    fn record(&mut self, location: Location) -> Result<Result<&RecordBytes, Error>> {
        if self.current.as_ref().is_none_or(|(l, _)| *l != location) {
            let record = match self.records.record(location) {
                Ok(record) => Ok(record),
                Err(e @ Error::Corrupt { .. }) => Err(e),
                Err(e) => return Err(e),
            };
            self.read += 1;
            self.current = Some((location, record));
        }
        match &self.current {
            Some((_, Ok(record))) => Ok(Ok(record)),
            Some((_, Err(e))) => Ok(Err(e.clone())),
            None => Err(Error::Internal("a record was not read".to_owned())),
        }
    }
}

/// What is wrong, in words.
fn detail(error: Error) -> String {
    match error {
        Error::Corrupt { detail, .. } => detail,
        e => e.to_string(),
    }
}

impl CoValueSchema {
    /// See [`crate::engine::Schema::check`].
    pub(super) fn check_group(
        &self,
        layers: &[Vec<Row>],
        renumber: &dyn Fn(Ordinal) -> Ordinal,
        records: &mut dyn Records,
        out: &mut Vec<Row>,
    ) -> Result<Checked> {
        let mut checked = Checked::default();
        let Some(group) = layers.iter().flatten().next().map(|(key, _)| key.group()) else {
            return Ok(checked);
        };
        let mut view = GroupView::read(layers);
        let mut reader = Reader { records, current: None, read: 0 };
        match view.created {
            Some((ordinal, location)) => match self.check_creation(group, location, &mut reader)? {
                Ok(id) => {
                    checked.id = Some(id);
                    checked.created = Some(ordinal);
                }
                Err(fault) => {
                    checked.id = self.salvage_id(group, location, &mut reader);
                    checked.faults.push(fault);
                }
            },
            // Rows of a CoValue whose own row is gone.
            None if view.sessions.iter().any(|s| s.count > 0) => checked.faults.push(Fault {
                location: view.sessions.iter().flat_map(|s| &s.extents).map(|e| e.location).next(),
                detail: "the index has no row of the CoValue itself".to_owned(),
            }),
            None => {}
        }
        for session in &mut view.sessions {
            self.check_session(group, session, checked.created.is_some(), &mut reader, &mut checked)?;
        }
        checked.records = reader.read;
        view.created = view.created.filter(|_| checked.created.is_some());
        if let Some((ordinal, _)) = &mut view.created {
            *ordinal = renumber(*ordinal);
            view.write(group, true, out);
        }
        Ok(checked)
    }

    /// The id in the record that creates a CoValue.
    fn check_creation(
        &self,
        group: Group,
        location: Location,
        reader: &mut Reader<'_>,
    ) -> Result<Result<Vec<u8>, Fault>> {
        let fault = |detail: String| Fault { location: Some(location), detail };
        Ok(match reader.record(location)? {
            Ok(record) => match create_entry(record.body(), group) {
                Ok(Some(create)) if self.group(create.id) == group => Ok(create.id.to_vec()),
                _ => Err(fault("the record does not create the CoValue that the index names".to_owned())),
            },
            Err(e) => Err(fault(detail(e))),
        })
    }

    /// The id of a CoValue in a damaged record: if it has the right hash, it is the id.
    fn salvage_id(&self, group: Group, location: Location, reader: &mut Reader<'_>) -> Option<Vec<u8>> {
        let bytes = reader.records.raw(location).ok()?;
        let body = bytes.get(crate::format::record::RECORD_HEADER as usize..)?;
        entries(body).map_while(std::result::Result::ok).find_map(|entry| match entry {
            Entry::Create(create) if self.group(create.id) == group => Some(create.id.to_vec()),
            _ => None,
        })
    }

    /// Checks a session piece by piece, and cuts it before the first one that is not as the index says.
    fn check_session(
        &self,
        group: Group,
        session: &mut SessionView,
        stored: bool,
        reader: &mut Reader<'_>,
        checked: &mut Checked,
    ) -> Result<()> {
        let count = session.count;
        let (mut id, mut good, mut bytes_since) = (None, 0, session.bytes_since);
        let ends: Vec<u32> =
            session.extents.iter().skip(1).map(|e| e.start).chain(std::iter::once(count)).collect();
        let mut end_of_good = 0;
        for (extent, end) in session.extents.iter().zip(ends) {
            let verdict = match reader.record(extent.location)? {
                Ok(record) => self.check_piece(group, session, extent, end_of_good..end, record.body()),
                Err(e) => Err(detail(e)),
            };
            match verdict {
                Ok((piece_id, since)) => {
                    id = id.or(piece_id);
                    good += 1;
                    end_of_good = end;
                    bytes_since = since;
                    checked.transactions += u64::from(end - extent.start);
                }
                Err(detail) => {
                    checked.faults.push(Fault { location: Some(extent.location), detail });
                    break;
                }
            }
        }
        let kept = if stored { end_of_good } else { 0 };
        if session.extents.is_empty() && count > 0 {
            let detail = "the index names no record of a session".to_owned();
            checked.faults.push(Fault { location: None, detail });
        }
        if kept < count {
            checked.lost.push(Lost { session: id, kept, lost: count - kept });
            session.extents.truncate(if stored { good } else { 0 });
            session.count = kept;
            session.bytes_since = if kept > 0 { bytes_since } else { 0 };
        }
        Ok(())
    }

    /// What a record says of a piece: the session's id if it is there, and the size since the last chunk signature.
    fn check_piece(
        &self,
        group: Group,
        session: &SessionView,
        extent: &Extent,
        span: std::ops::Range<u32>,
        body: &[u8],
    ) -> std::result::Result<(Option<Vec<u8>>, u32), String> {
        if extent.start != span.start {
            return Err(format!("transactions {} to {} are in no record", span.start, extent.start));
        }
        let mut found: Option<Append<'_>> = None;
        for entry in entries(body) {
            match entry {
                Ok(Entry::Append(a))
                    if a.group == group && a.slot == session.slot && a.start == extent.start =>
                {
                    found = Some(a);
                }
                Ok(_) => {}
                Err(_) => return Err("the record is not a sequence of entries".to_owned()),
            }
        }
        let Some(append) = found else {
            return Err(format!("the record has no transaction {} of the session", extent.start));
        };
        if append.tag != session.tag {
            return Err("the record is of another session than the index says".to_owned());
        }
        if append.start + append.count != span.end {
            return Err(format!("the record ends before transaction {} of the session", span.end));
        }
        if append.chunk_signature != extent.chunk_signature {
            return Err("record and index do not agree on a chunk signature".to_owned());
        }
        tx::walk(append.txs, append.count).map_err(|e| format!("transactions are malformed: {e}"))?;
        if let Some(id) = append.session_id {
            if self.session(id).1 != append.tag {
                return Err("the session's id does not have its hash".to_owned());
            }
        } else if append.start == 0 {
            return Err("the first record of a session has no session id".to_owned());
        }
        Ok((append.session_id.map(<[u8]>::to_vec), append.bytes_since))
    }

    /// See [`crate::engine::Schema::outline`].
    pub(super) fn outline_record(location: Location, lsn: u64, body: &[u8]) -> Vec<(Group, Outline)> {
        let mut out = Vec::new();
        let age = Age::new(location, lsn);
        for (position, entry) in (0u64..).zip(entries(body).map_while(std::result::Result::ok)) {
            match entry {
                Entry::Create(create) => {
                    out.push((create.group, Outline { location, age, says: Says::Created(create.ordinal) }));
                }
                Entry::Append(a) => {
                    let in_log = (lsn << 16) | position.min(0xffff);
                    let created = a.session_id.map(|_| a.created.unwrap_or(in_log));
                    let piece = Piece {
                        slot: a.slot,
                        tag: a.tag,
                        start: a.start,
                        count: a.count,
                        bytes_since: a.bytes_since,
                        created,
                        chunk_signature: a.chunk_signature,
                        delete_session: a.delete_session,
                    };
                    out.push((a.group, Outline { location, age, says: Says::Appended(piece) }));
                }
                Entry::Erase { group, stored, sessions, .. } => {
                    out.push((
                        group,
                        Outline { location, age, says: Says::Erased { whole: stored, sessions } },
                    ));
                }
                _ => {}
            }
        }
        out
    }
}

/// Orders records by when they were written: those of the log by their numbers, and a pack after all of the log that it has,
/// and after packs of lower numbers that have as much. Where something was erased, all that counts is in one pack, written at
/// once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Age {
    /// For a pack, the number of the first record of the log that is newer.
    lsn: u64,
    newer: bool,
    pack: u32,
}

impl Age {
    fn new(location: Location, lsn: u64) -> Self {
        if location.segment.is_pack() {
            Self { lsn, newer: false, pack: location.segment.0 }
        } else {
            Self { lsn, newer: true, pack: 0 }
        }
    }
}

/// See [`crate::engine::Schema::rows`]: of several records of one piece the one of the newest file counts; where something
/// was erased, only what was written since.
pub(super) fn rows_of(group: Group, outlines: &[Outline], out: &mut Vec<Row>) {
    let erased = outlines.iter().filter(|o| matches!(o.says, Says::Erased { .. }));
    let since = erased.map(|o| o.age).max();
    // Creation is not undone by erasure.
    let counts = |outline: &&Outline| {
        matches!(outline.says, Says::Created(_)) || since.is_none_or(|since| outline.age >= since)
    };
    let mut row = CoValueRow { erased: false, created: None };
    let mut created = None;
    let mut heads: BTreeMap<u32, (HeadRow, Pieces)> = BTreeMap::new();
    for outline in outlines.iter().filter(counts) {
        match &outline.says {
            Says::Created(ordinal) => {
                if created.is_none_or(|age| age < outline.age) {
                    created = Some(outline.age);
                    row.created = Some((*ordinal, outline.location));
                }
            }
            Says::Appended(piece) => {
                let (head, pieces) =
                    heads.entry(piece.slot).or_insert_with(|| (HeadRow::new(piece.tag), BTreeMap::new()));
                head.created = piece.created.unwrap_or(head.created);
                head.delete_session = piece.delete_session;
                let place = pieces.entry(piece.start).or_insert((*piece, outline.location, outline.age));
                if place.2 < outline.age {
                    *place = (*piece, outline.location, outline.age);
                }
            }
            Says::Erased { whole, sessions } => {
                row.erased |= whole;
                for session in sessions {
                    let (head, _) = heads
                        .entry(session.slot)
                        .or_insert_with(|| (HeadRow::new(session.tag), BTreeMap::new()));
                    head.reset = true;
                }
            }
        }
    }
    if row.created.is_some() || row.erased {
        out.push((Key::first(group), row.encode()));
    }
    for (slot, (mut head, pieces)) in heads {
        let mut spills = Vec::new();
        let mut end = None;
        for (piece, location, _) in pieces.into_values() {
            // A piece that another one covers: pieces are joined when they are rewritten.
            if end.is_some_and(|end| piece.start < end) {
                continue;
            }
            end = Some(piece.start + piece.count);
            head.count = piece.start + piece.count;
            head.bytes_since = piece.bytes_since;
            let extent = Extent { location, start: piece.start, chunk_signature: piece.chunk_signature };
            if let Some(full) = head.push(extent) {
                spills.push(SpillRow::new(head.epoch, &full));
            }
        }
        out.push((Key::new(group, slot, 0), head.encode()));
        out.extend(spills.iter().map(|s| (Key::new(group, slot, s.index()), s.encode())));
    }
}
