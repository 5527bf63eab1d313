//! Packing a CoValue: its pieces are put together, session by session, into few records that lie next to each other.
//!
//! Chunk signatures stay where they are, as loads are cut there; of the other signatures only a session's last one stays,
//! and those where a long piece was cut. What an erasure emptied is not written again.

use super::group::{GroupView, SessionView};
use super::schema::bad_entry;
use crate::engine::Packer;
use crate::engine::delta::Row;
use crate::engine::segment::RecordBytes;
use crate::error::{Error, Result};
use crate::format::Location;
use crate::format::entry::{Append, Create, Entry, entries_with_offsets, entry_at};
use crate::format::row::{Extent, Group};

/// A record is ended when its body has this many bytes.
const RECORD_BYTES: usize = 128 * 1024;
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
    /// The first record written: the one with the CoValue's creation, which is encoded before all else.
    first: Option<Location>,
}

impl Output<'_> {
    /// Writes the body as a record.
    fn flush(&mut self) -> Result<()> {
        let location = self.records.write(&self.body)?;
        self.body.clear();
        self.first.get_or_insert(location);
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
            self.pieces.sort_unstable();
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
#[derive(Default)]
struct Joined {
    start: u32,
    count: u32,
    txs: Vec<u8>,
    signature: Vec<u8>,
    session_id: Option<Vec<u8>>,
}

/// See [`crate::engine::Schema::pack`].
pub(super) fn pack_group(
    rows: &[Row],
    oldest: bool,
    records: &mut dyn Packer,
    out: &mut Vec<Row>,
) -> Result<()> {
    let Some(group) = rows.first().map(|(key, _)| key.group()) else { return Ok(()) };
    let mut view = GroupView::read(&[rows]);
    // In the order in which they were first stored, so that a load reads on.
    let mut order: Vec<usize> = (0..view.sessions.len()).collect();
    order.sort_by_key(|i| view.sessions.get(*i).map(|s| (s.created, s.slot)));
    let mut output = Output {
        records,
        body: Vec::new(),
        pending: Vec::new(),
        extents: view.sessions.iter().map(|_| Vec::new()).collect(),
        first: None,
    };
    let mut source = Source::default();
    if let Some((ordinal, location)) = view.created {
        let record = output.records.read(&[location])?;
        let body = record.first().map(|r| r.body()).unwrap_or_default();
        let create = super::lookup::create_entry(body, group)?
            .ok_or_else(|| Error::Internal("the record of a CoValue does not create it".to_owned()))?;
        Entry::Create(Create { ordinal, ..create }).encode(&mut output.body);
        let content: u64 =
            view.sessions.iter().flat_map(|s| &s.extents).map(|e| u64::from(e.location.len)).sum();
        if content > SEPARATE_BYTES {
            output.flush()?;
        }
    }
    for place in order {
        if let Some(session) = view.sessions.get(place) {
            pack_session(group, session, place, &mut source, &mut output)?;
        }
    }
    if !output.body.is_empty() {
        output.flush()?;
    }
    for (session, extents) in view.sessions.iter_mut().zip(output.extents) {
        session.extents = extents;
    }
    view.created = view.created.zip(output.first).map(|((ordinal, _), location)| (ordinal, location));
    view.write(group, oldest, out);
    Ok(())
}

fn pack_session(
    group: Group,
    session: &SessionView,
    place: usize,
    source: &mut Source,
    output: &mut Output<'_>,
) -> Result<()> {
    let mut joined: Option<Joined> = None;
    for extent in &session.extents {
        let append = source.piece(output.records, group, session.slot, extent)?;
        let piece = joined.get_or_insert_with(|| Joined { start: append.start, ..Joined::default() });
        if piece.start + piece.count != append.start {
            return Err(Error::Internal("the pieces of a session do not follow each other".to_owned()));
        }
        piece.count += append.count;
        piece.txs.extend_from_slice(append.txs);
        append.signature.clone_into(&mut piece.signature);
        if piece.session_id.is_none() {
            piece.session_id = append.session_id.map(<[u8]>::to_vec);
        }
        let last = piece.start + piece.count == session.count;
        if extent.chunk_signature || last || piece.txs.len() >= RECORD_BYTES {
            if let Some(piece) = joined.take() {
                let bytes_since = if last { session.bytes_since } else { 0 };
                piece.encode(group, session, extent.chunk_signature, bytes_since, &mut output.body);
                output.pending.push((place, piece.start, extent.chunk_signature));
            }
            if output.body.len() >= RECORD_BYTES {
                output.flush()?;
            }
        }
    }
    match joined {
        None => Ok(()),
        Some(_) => Err(Error::Internal("the pieces of a session end before its counter".to_owned())),
    }
}

impl Joined {
    fn encode(
        &self,
        group: Group,
        session: &SessionView,
        chunk_signature: bool,
        bytes_since: u32,
        body: &mut Vec<u8>,
    ) {
        Entry::Append(Append {
            group,
            slot: session.slot,
            tag: session.tag,
            chunk_signature,
            delete_session: session.delete_session,
            start: self.start,
            count: self.count,
            bytes_since,
            signature: &self.signature,
            session_id: self.session_id.as_deref(),
            txs: &self.txs,
        })
        .encode(body);
    }
}
