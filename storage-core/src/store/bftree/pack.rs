//! Packing a CoValue: the rows of several layers become those of one, and its pieces are put together, session by session,
//! into few records that lie next to each other.
//!
//! Chunk signatures stay where they are, as loads are cut there; of the other signatures only a session's last one stays,
//! and those where a long piece was cut. What an erasure emptied is not written again.
//!
//! Packs tell by themselves what the rows that point to them say, so that rows can be made anew from them: a record's
//! pieces carry their session's place in the order of sessions, and a CoValue with something erased is moved whole,
//! behind an entry that says what was erased.

use super::group::{GroupView, SessionView};
use super::schema::bad_entry;
use crate::engine::delta::Row;
use crate::engine::segment::RecordBytes;
use crate::engine::{Fate, Packer};
use crate::error::{Error, Result};
use crate::format::Location;
use crate::format::entry::{Append, Create, Entry, ErasedSession, entries_with_offsets, entry_at};
use crate::format::row::{Extent, Group};
use crate::order::{gathered, sort, sort_by_key};
use std::collections::BTreeSet;

/// A record is ended when its body has this many bytes. A piece that a chunk signature ends mostly has more, so that no two
/// of them share a record.
const RECORD_BYTES: usize = 64 * 1024;
/// A piece is ended where a message ended when it has this many bytes.
const PIECE_BYTES: usize = 128 * 1024;
/// The creation of a CoValue whose content has more bytes than this has a record of its own, so that its id and header
/// can be read without the content.
const SEPARATE_BYTES: u64 = 4 * 1024;

/// Where the pieces of a CoValue go.
struct Output<'p> {
    records: &'p mut dyn Packer,
    body: Vec<u8>,
    /// Pieces in the body: the place of their session, their start, whether a chunk signature ends them.
    pending: Vec<(usize, u32, bool)>,
    extents: Vec<Vec<Extent>>,
    /// The creation is in the body.
    creates: bool,
    /// The record with the creation.
    created: Option<Location>,
}

impl Output<'_> {
    /// Writes the body as a record, if there is anything in it.
    fn flush(&mut self) -> Result<()> {
        if self.body.is_empty() {
            return Ok(());
        }
        let location = self.records.write(&self.body)?;
        self.body.clear();
        if std::mem::take(&mut self.creates) {
            self.created = Some(location);
        }
        for (session, start, chunk_signature) in self.pending.drain(..) {
            if let Some(extents) = self.extents.get_mut(session) {
                extents.push(Extent { location, start, chunk_signature });
            }
        }
        Ok(())
    }
}

/// The record read last, with the places of its pieces: one record may hold pieces of many sessions.
#[derive(Default)]
struct Source {
    current: Option<(Location, RecordBytes)>,
    /// Slot, start and offset of each piece of the CoValue in it, sorted.
    pieces: Vec<(u32, u32, usize)>,
}

impl Source {
    /// The piece of a session that begins at `start`, in the record at `location`.
    fn piece(
        &mut self,
        records: &mut dyn Packer,
        group: Group,
        slot: u32,
        extent: &Extent,
    ) -> Result<Append<'_>> {
        if self.current.as_ref().is_none_or(|(location, _)| *location != extent.location) {
            self.current = None;
            let record = records.read(&[extent.location])?.pop();
            let record = record.ok_or_else(|| Error::Internal("a record was not read".to_owned()))?;
            self.pieces.clear();
            for entry in entries_with_offsets(record.body()) {
                match entry.map_err(bad_entry)? {
                    (offset, Entry::Append(append)) if append.group == group => {
                        self.pieces.push((append.slot, append.start, offset));
                    }
                    _ => {}
                }
            }
            sort(&mut self.pieces);
            self.current = Some((extent.location, record));
        }
        let wanted = (slot, extent.start);
        let found = self.pieces.binary_search_by_key(&wanted, |(slot, start, _)| (*slot, *start)).ok();
        let offset = found.and_then(|i| self.pieces.get(i)).map(|(.., offset)| *offset);
        match (offset, &self.current) {
            (Some(offset), Some((_, record))) => match entry_at(record.body(), offset).map_err(bad_entry)? {
                Entry::Append(append) => Ok(append),
                _ => Err(Error::Internal("an entry changed while it was read".to_owned())),
            },
            _ => Err(Error::Internal("a record does not hold the piece that the index names".to_owned())),
        }
    }
}

/// Pieces of a session on their way into one.
struct Joined {
    start: u32,
    count: u32,
    txs: Vec<u8>,
    signature: Vec<u8>,
    session_id: Option<Vec<u8>>,
    bytes_since: u32,
    chunk_signature: bool,
}

/// The records of a CoValue that are moved.
struct Moving {
    records: BTreeSet<Location>,
}

impl Moving {
    /// Decides record by record: those that must go, and if the others would lie in several files, these as well.
    fn new(group: Group, view: &GroupView, records: &mut dyn Packer) -> Result<Self> {
        let all = view.locations();
        let fates: Vec<Fate> = all.iter().map(|location| records.fate(*location)).collect();
        let goes = fates.contains(&Fate::Goes);
        let loose = || all.iter().zip(&fates).filter(|(_, fate)| **fate == Fate::Either);
        let files: BTreeSet<_> = gathered(loose().map(|(location, _)| location.segment));
        let scattered = files.len() + usize::from(goes) > 1;
        // Of a CoValue with something erased, records that count must not lie beside some that do not. One that is in
        // order already stays, or each rewriting of a part would leave the packs behind that the one before had made.
        let whole = view.has_erased()
            && records.moves()
            && (goes || scattered || !is_in_order(group, view, &all, records)?);
        let moves = |fate: Fate| match fate {
            Fate::Goes => true,
            Fate::Either => scattered || whole,
            Fate::Stays => whole,
        };
        let moved = all.iter().zip(&fates).filter(|(_, fate)| moves(**fate)).map(|(l, _)| *l);
        Ok(Self { records: gathered(moved) })
    }

    fn includes(&self, location: Location) -> bool {
        self.records.contains(&location)
    }
}

/// Whether the records of a CoValue with something erased hold nothing of it that does not count, and say what was erased.
fn is_in_order(group: Group, view: &GroupView, all: &[Location], records: &mut dyn Packer) -> Result<bool> {
    let mut told = all.is_empty();
    for location in all {
        for record in records.read(&[*location])? {
            for entry in entries_with_offsets(record.body()) {
                match entry.map_err(bad_entry)?.1 {
                    Entry::Append(append) if append.group == group => {
                        let session = view.sessions.iter().find(|session| session.slot == append.slot);
                        let mut extents = session.iter().flat_map(|session| &session.extents);
                        if !extents.any(|e| e.start == append.start && e.location == *location) {
                            return Ok(false);
                        }
                    }
                    Entry::Erase { group: of, stored, sessions, .. } if of == group => {
                        let listed = |session: &SessionView| sessions.iter().any(|s| s.slot == session.slot);
                        told |= stored == view.erased
                            && view.sessions.iter().filter(|session| session.reset).all(listed);
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(told)
}

/// See [`crate::engine::Schema::pack`].
pub(super) fn pack_group(
    layers: &[Vec<Row>],
    oldest: bool,
    records: &mut dyn Packer,
    out: &mut Vec<Row>,
) -> Result<()> {
    let Some(group) = layers.iter().flatten().next().map(|(key, _)| key.group()) else { return Ok(()) };
    let mut view = GroupView::read(layers);
    let moving = Moving::new(group, &view, records)?;
    for location in view.locations() {
        if !moving.includes(location) {
            records.keep(location);
        }
    }
    if !moving.records.is_empty() {
        move_records(group, &mut view, &moving, records)?;
    }
    view.write(group, oldest, out);
    Ok(())
}

/// Writes the records that are moved anew, and has the view point to them.
fn move_records(group: Group, view: &mut GroupView, moving: &Moving, records: &mut dyn Packer) -> Result<()> {
    // In the order in which they were first stored, so that a load reads on.
    let mut order: Vec<usize> = (0..view.sessions.len()).collect();
    sort_by_key(&mut order, |i| view.sessions.get(*i).map(|s| (s.created, s.slot)));
    let mut output = Output {
        records,
        body: Vec::new(),
        pending: Vec::new(),
        extents: view.sessions.iter().map(|_| Vec::new()).collect(),
        creates: false,
        created: None,
    };
    let mut source = Source::default();
    if let Some((ordinal, location)) = view.created.filter(|(_, location)| moving.includes(*location)) {
        let record = output.records.read(&[location])?;
        let body = record.first().map(|r| r.body()).unwrap_or_default();
        let create = super::lookup::create_entry(body, group)?
            .ok_or_else(|| Error::Internal("the record of a CoValue does not create it".to_owned()))?;
        Entry::Create(Create { ordinal, ..create }).encode(&mut output.body);
        output.creates = true;
    }
    if view.has_erased() {
        let reset = view.sessions.iter().filter(|s| s.reset);
        let sessions = reset.map(|s| ErasedSession { slot: s.slot, tag: s.tag }).collect();
        Entry::Erase { group, id: b"", stored: view.erased, sessions }.encode(&mut output.body);
    }
    let content = moving.records.iter().map(|location| u64::from(location.len)).sum::<u64>();
    if content > SEPARATE_BYTES {
        output.flush()?;
    }
    for place in order {
        if let Some(session) = view.sessions.get(place) {
            pack_session(group, session, place, moving, &mut source, &mut output)?;
        }
    }
    output.flush()?;
    for (session, mut extents) in view.sessions.iter_mut().zip(output.extents) {
        sort_by_key(&mut extents, |extent| extent.start);
        session.extents = extents;
    }
    if let Some(location) = output.created {
        view.created = view.created.map(|(ordinal, _)| (ordinal, location));
    }
    Ok(())
}

fn pack_session(
    group: Group,
    session: &SessionView,
    place: usize,
    moving: &Moving,
    source: &mut Source,
    output: &mut Output<'_>,
) -> Result<()> {
    let mut joined: Option<Joined> = None;
    let ends = session.extents.iter().skip(1).map(|e| e.start).chain([session.count]);
    for (extent, end) in session.extents.iter().zip(ends) {
        if !moving.includes(extent.location) {
            if let Some(piece) = joined.take() {
                piece.put(group, session, place, output)?;
            }
            if let Some(extents) = output.extents.get_mut(place) {
                extents.push(*extent);
            }
            continue;
        }
        let append = source.piece(output.records, group, session.slot, extent)?;
        let piece = joined.get_or_insert_with(|| Joined {
            start: append.start,
            count: 0,
            txs: Vec::new(),
            signature: Vec::new(),
            session_id: None,
            bytes_since: 0,
            chunk_signature: false,
        });
        if piece.start + piece.count != append.start {
            return Err(Error::Internal("the pieces of a session do not follow each other".to_owned()));
        }
        piece.count += append.count;
        piece.txs.extend_from_slice(append.txs);
        piece.bytes_since = append.bytes_since;
        piece.chunk_signature = extent.chunk_signature;
        append.signature.clone_into(&mut piece.signature);
        if piece.session_id.is_none() {
            piece.session_id = append.session_id.map(<[u8]>::to_vec);
        }
        if piece.start + piece.count != end {
            return Err(Error::Internal("a piece of a session does not end where the index says".to_owned()));
        }
        let ends = extent.chunk_signature || piece.txs.len() >= PIECE_BYTES;
        if let Some(piece) = joined.take_if(|_| ends) {
            piece.put(group, session, place, output)?;
        }
    }
    match joined {
        Some(piece) => piece.put(group, session, place, output),
        None => Ok(()),
    }
}

impl Joined {
    /// Adds the piece to the record being written, which ends when it is long enough.
    fn put(self, group: Group, session: &SessionView, place: usize, output: &mut Output<'_>) -> Result<()> {
        Entry::Append(Append {
            group,
            slot: session.slot,
            tag: session.tag,
            chunk_signature: self.chunk_signature,
            delete_session: session.delete_session,
            start: self.start,
            count: self.count,
            bytes_since: self.bytes_since,
            signature: &self.signature,
            session_id: self.session_id.as_deref(),
            created: (self.start == 0).then_some(session.created),
            txs: &self.txs,
        })
        .encode(&mut output.body);
        output.pending.push((place, self.start, self.chunk_signature));
        if output.body.len() >= RECORD_BYTES { output.flush() } else { Ok(()) }
    }
}
