//! Whole messages, natively: one record for a store, one read of the records needed for a load.

use super::BfTreeStorage;
use super::group::SessionView;
use super::lookup::{Place, StoreWrite};
use super::read::{Part, locations};
use crate::engine::Durability;
use crate::engine::delta::Delta;
use crate::error::{Error, Result};
use crate::file::FileIO;
use crate::format::Ordinal;
use crate::format::entry::{Append, Create, Entry};
use crate::format::tx;
use crate::format::wire::{
    ContentMessage, LoadedWriter, SessionContent, StoreStatus, decode_loaded, encode_piece,
};
use crate::store::content::{ContentStore, LoadedCoValue, LoadedSession, Piece, StoreOutcome};
use crate::store::rows::{SessionId, Signature, TxIndex};
use std::collections::HashMap;

/// A CoValue of at most so many bytes is read in one go, a larger one piece by piece: what was read last is then still in the
/// processor's caches when it is copied, and in memory only once.
const READ_WHOLE: u64 = 64 * 1024;

/// What a message adds to one session.
struct Addition<'m> {
    content: &'m SessionContent<'m>,
    place: Place,
}

impl<F: FileIO, D: Delta> BfTreeStorage<F, D> {
    /// Stores the first of these messages as one change, up to the first that is not stored whole, at most `most`. Gives what
    /// became of those that were handled, and why the next one was not, if that is a failure.
    fn store_group(&self, messages: &[ContentMessage<'_>], most: usize) -> (Vec<StoreOutcome>, Result<()>) {
        let mut write = match self.engine.write() {
            Ok(write) => write,
            Err(e) => return (Vec::new(), Err(e)),
        };
        // With each, how many records there are when it is stored.
        let mut outcomes: Vec<(StoreOutcome, u64)> = Vec::with_capacity(messages.len().min(most));
        let mut stored = Ok(());
        for message in messages.iter().take(most) {
            match self.store_message(message, &mut write, most > 1) {
                Ok(outcome) => outcomes.push((outcome, write.made())),
                Err(e) => stored = Err(e),
            }
            let whole = outcomes.last().is_some_and(|(last, _)| last.status == StoreStatus::Stored);
            if stored.is_err() || !whole || write.is_due() {
                break;
            }
        }
        let stored = stored.and(write.commit());
        let (made, written) = (outcomes.len(), write.written());
        outcomes.retain(|(_, records)| *records <= written);
        for message in messages.get(outcomes.len()..made).unwrap_or_default() {
            self.verified.remove(&self.engine.schema().group(message.id));
        }
        let stored = stored.and(write.finish(Durability::Relaxed));
        (outcomes.into_iter().map(|(outcome, _)| outcome).collect(), stored)
    }

    /// See [`ContentStore::store`].
    fn store_message(
        &self,
        message: &ContentMessage<'_>,
        write: &mut StoreWrite<'_, F, D>,
        in_batch: bool,
    ) -> Result<StoreOutcome> {
        let group = self.engine.schema().group(message.id);
        let mut places: Vec<Place> = Vec::with_capacity(message.sessions.len());
        let mut taken = HashMap::new();
        for content in &message.sessions {
            let place = self.place(write, group, content.session, &taken);
            let place = place.map_err(|e| e.concerning(message.id))?;
            if message.sessions.len() > 1 {
                taken.insert(place.slot, place.tag);
            }
            places.push(place);
        }
        // A session that is stored belongs to a CoValue that is: that its row was found by 128 bits of the one's keyed hash
        // and 96 of the other's leaves no doubt of either id. Only else is the CoValue's row needed.
        let delete =
            message.delete_is_valid && message.sessions.iter().any(|s| s.session.last() == Some(&b'$'));
        let known = places.iter().any(|p| p.head.is_some()) && !delete;
        let row = if known { None } else { self.covalue_row(write, group, message.id)? };
        if !known && row.is_none() {
            let Some(header) = message.header else {
                return Ok(StoreOutcome { status: StoreStatus::HeaderMissing, counters: Vec::new() });
            };
            let ordinal = Ordinal(write.created_count());
            Entry::Create(Create { group, ordinal, id: message.id, header }).encode(write.body());
        }
        if delete
            && !row.is_some_and(|row| row.erased)
            && !self.engine.schema().small().pending_deletions.contains(message.id)
        {
            Entry::DeleteMark { id: message.id }.encode(write.body());
            // What is erased is deleted first, so that must be possible on a full disk. In a batch, which would have room made
            // for others by this, it comes again by itself.
            let only = message.sessions.iter().all(|s| s.session.last() == Some(&b'$'));
            if only && row.is_some() && !in_batch {
                write.make_urgent();
            }
        }
        let mut status = StoreStatus::Stored;
        let mut counters = Vec::with_capacity(places.len());
        for (content, place) in message.sessions.iter().zip(places) {
            let stored = place.count();
            if content.after > stored {
                status = StoreStatus::Gap;
            }
            if content.after > stored || content.end() <= stored {
                counters.push(stored);
                continue;
            }
            counters.push(content.end());
            let addition = Addition { content, place };
            addition.encode(group, message.chunk_threshold, write.body())?;
        }
        if !write.is_empty() {
            // The queue of deletions is no row.
            if in_batch && !delete {
                write.stage()?
            } else {
                write.append().map(drop)?
            }
            if !known {
                self.verified.insert(group, ());
            }
        }
        Ok(StoreOutcome { status, counters })
    }

    /// Loads a CoValue in the form in which it crosses a binding (design.md section 3.4).
    ///
    /// Which pieces are there: see [`ContentStore::load`].
    ///
    /// # Errors
    /// [`Error::Corrupt`], naming the CoValue, if what is stored of it is damaged.
    pub fn load_encoded(&self, id: &[u8], budget: u64) -> Result<Option<Vec<u8>>> {
        self.read_encoded(id, budget).map_err(|e| e.concerning(id))
    }

    fn read_encoded(&self, id: &[u8], budget: u64) -> Result<Option<Vec<u8>>> {
        let Some(snapshot) = self.snapshot(id)? else { return Ok(None) };
        let sessions = snapshot.view.stored_sessions();
        let mut wanted = vec![snapshot.created];
        let mut room = Room { budget, given: 0 };
        for session in &sessions {
            for (after, end) in pieces(session).filter(|piece| room.includes(session, *piece)) {
                wanted.extend(locations(session, after, end));
            }
        }
        if room.given > READ_WHOLE {
            wanted.truncate(1);
        }
        let mut records = snapshot.read(wanted)?;
        let Some(header) = snapshot.header(&records, id)? else { return Ok(None) };
        let mut out = LoadedWriter::with_capacity(header, room.given as usize)?;
        let mut room = Room { budget, given: 0 };
        for session in &sessions {
            for (after, end) in pieces(session) {
                if !room.includes(session, (after, end)) {
                    out.piece_left_out(after, end - after)?;
                    continue;
                }
                if !locations(session, after, end).all(|location| records.has(location)) {
                    snapshot.will_read(session, after);
                    // Let go of first, so that the memory is used again.
                    drop(records);
                    records = snapshot.read(locations(session, after, end).collect())?;
                }
                if after == 0 {
                    let name = records.session_id(session)?;
                    out.session(name, session.count, session.has_chunk_signature())?;
                }
                let parts = records.parts(session, after, end)?;
                let signature = parts.last().map_or(&[][..], |part| part.append.signature);
                out.piece(after, end - after, signature, |bytes| {
                    parts.iter().try_for_each(|p| p.write(bytes))
                })?;
            }
        }
        out.finish().map(Some)
    }
}

impl Addition<'_> {
    /// Appends the entry for what is new in this session.
    fn encode(&self, group: crate::format::row::Group, threshold: f64, body: &mut Vec<u8>) -> Result<()> {
        let Self { content, place } = self;
        let (start, count) = (place.count(), content.end() - place.count());
        let (mut cut, mut txs, mut units) = (Vec::new(), content.txs, content.units);
        if start > content.after {
            tx::cut(content.txs, start - content.after, count, &mut cut)?;
            units = tx::walk(&cut, count)?.units;
            txs = &cut;
        }
        let since = u64::from(place.bytes_since()).saturating_add(units);
        // Numbers of this size are exact in an f64, and JavaScript compares them as such.
        let chunk_signature = since as f64 > threshold;
        Entry::Append(Append {
            group,
            slot: place.slot,
            tag: place.tag,
            chunk_signature,
            delete_session: content.session.last() == Some(&b'$'),
            start,
            count,
            bytes_since: if chunk_signature { 0 } else { u32::try_from(since).unwrap_or(u32::MAX) },
            signature: content.last_signature,
            session_id: (start == 0).then_some(content.session),
            created: None,
            txs,
        })
        .encode(body);
        Ok(())
    }
}

/// Whether all of these messages are stored whole.
fn stored_whole(outcomes: &[StoreOutcome]) -> bool {
    outcomes.iter().all(|outcome| outcome.status == StoreStatus::Stored)
}

/// The pieces of a session, from an index to another: cut after each chunk signature.
fn pieces(session: &SessionView) -> impl Iterator<Item = (TxIndex, TxIndex)> {
    let mut after = 0;
    session.spans_in(0, session.count).filter_map(move |(extent, end)| {
        let cut = extent.chunk_signature || end == session.count;
        cut.then(|| (std::mem::replace(&mut after, end), end))
    })
}

/// What a load gives of the pieces that it meets, one after the other.
struct Room {
    budget: u64,
    /// Bytes of the records of those that it gave.
    given: u64,
}

impl Room {
    /// Whether it gives the next one (see [`ContentStore::load`]).
    fn includes(&mut self, session: &SessionView, (after, end): (TxIndex, TxIndex)) -> bool {
        let open = || session.extents.last().is_some_and(|extent| !extent.chunk_signature);
        let includes = after == 0 || self.given < self.budget || (end == session.count && open());
        if includes {
            self.given += locations(session, after, end).map(|l| u64::from(l.len)).sum::<u64>();
        }
        includes
    }
}

impl<F: FileIO, D: Delta> ContentStore for BfTreeStorage<F, D> {
    fn store(&self, message: &ContentMessage<'_>) -> Result<StoreOutcome> {
        let mut write = self.engine.write()?;
        let outcome = self.store_message(message, &mut write, false)?;
        write.finish(self.durability())?;
        Ok(outcome)
    }

    fn store_all(&self, messages: &[ContentMessage<'_>]) -> Result<Vec<StoreOutcome>> {
        let mut outcomes = Vec::with_capacity(messages.len());
        let mut most = usize::MAX;
        while let Some(rest) = messages.get(outcomes.len()..).filter(|rest| !rest.is_empty()) {
            let (handled, stored) = self.store_group(rest, most);
            let (any, whole) = (!handled.is_empty(), stored_whole(&handled));
            outcomes.extend(handled);
            match stored {
                Ok(()) if whole => {}
                // Those before it are stored, and their callers have to hear so.
                Err(_) if any => break,
                // Together they may need room that there is for some of them.
                Err(Error::DiskFull { .. }) if most > 1 => most = 1,
                Err(e) if outcomes.is_empty() => return Err(e),
                Ok(()) | Err(_) => break,
            }
        }
        if self.durability() == Durability::Strict {
            self.engine.flush()?;
        }
        Ok(outcomes)
    }

    fn load(&self, id: &[u8], budget: u64) -> Result<Option<LoadedCoValue>> {
        let Some(bytes) = self.load_encoded(id, budget)? else { return Ok(None) };
        let loaded = decode_loaded(&bytes)?;
        let sessions = loaded.sessions.into_iter().map(|session| LoadedSession {
            session: SessionId::new(session.session),
            counter: session.counter,
            has_chunk_signature: session.has_chunk_signature,
            pieces: session
                .pieces
                .into_iter()
                .map(|piece| Piece {
                    after: piece.after,
                    count: piece.count,
                    content: piece.content.map(|(signature, txs)| (Signature::new(signature), txs)),
                })
                .collect(),
        });
        Ok(Some(LoadedCoValue { header: loaded.header, sessions: sessions.collect() }))
    }

    fn load_piece(&self, id: &[u8], session: &[u8], after: TxIndex, count: TxIndex) -> Result<Option<Piece>> {
        let piece = |count, signature: &[u8], parts: &[Part<'_>]| {
            let mut txs = Vec::new();
            parts.iter().try_for_each(|part| part.write(&mut txs))?;
            Ok(Piece { after, count, content: Some((Signature::new(signature), txs)) })
        };
        self.read_piece(id, session, after, count, piece).map_err(|e| e.concerning(id))
    }
}

impl<F: FileIO, D: Delta> BfTreeStorage<F, D> {
    /// [`ContentStore::load_piece`] in the form in which it crosses a binding (design.md section 3.4).
    ///
    /// # Errors
    /// [`Error::Corrupt`], naming the CoValue, if what is stored of it is damaged.
    pub fn load_piece_encoded(
        &self,
        id: &[u8],
        session: &[u8],
        after: TxIndex,
        count: TxIndex,
    ) -> Result<Option<Vec<u8>>> {
        let encode = |count, signature: &[u8], parts: &[Part<'_>]| {
            let size = parts.iter().map(|part| part.append.txs.len()).sum();
            encode_piece(count, signature, size, |out| parts.iter().try_for_each(|part| part.write(out)))
        };
        self.read_piece(id, session, after, count, encode).map_err(|e| e.concerning(id))
    }

    /// Gives `each` the number of transactions of a piece, its signature, and where its transactions are.
    fn read_piece<T>(
        &self,
        id: &[u8],
        session: &[u8],
        after: TxIndex,
        count: TxIndex,
        each: impl FnOnce(TxIndex, &[u8], &[Part<'_>]) -> Result<T>,
    ) -> Result<Option<T>> {
        let Some(snapshot) = self.snapshot(id)? else { return Ok(None) };
        let end = after.checked_add(count).filter(|_| count > 0);
        let (Some(session), Some(end)) = (self.find_session(&snapshot.view, session), end) else {
            return Ok(None);
        };
        // Up to where a load would cut now: other signatures go when the store is packed.
        let Some((_, end)) = pieces(session).find(|(_, piece_end)| *piece_end >= end) else {
            return Ok(None);
        };
        snapshot.will_read(session, after);
        let records = snapshot.read(locations(session, after, end).collect())?;
        let parts = records.parts(session, after, end)?;
        let signature = parts.last().and_then(Part::signature);
        let signature =
            signature.ok_or_else(|| Error::Internal("a piece ends without a signature".to_owned()))?;
        each(end - after, signature, &parts).map(Some)
    }
}
