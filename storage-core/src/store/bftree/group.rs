//! One CoValue's rows from all layers of the index, put together; and written out again as the rows of one layer.

use crate::engine::delta::Row;
use crate::format::row::{CoValueRow, Extent, Group, HeadRow, Key, SPILL_EXTENTS, SpillRow, Tag};
use crate::format::{Location, Ordinal};
use crate::order::{sort, sort_by_key};

/// A session as the index knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SessionView {
    /// Its number within the CoValue.
    pub(super) slot: u32,
    /// The keyed hash of its id.
    pub(super) tag: Tag,
    /// Transactions stored; 0 for an erased session.
    pub(super) count: u32,
    /// UTF-16 units of changes since the last chunk signature.
    pub(super) bytes_since: u32,
    /// Orders sessions by when they were first stored.
    pub(super) created: u64,
    /// Whether it is a delete session.
    pub(super) delete_session: bool,
    /// Where its transactions lie, in order.
    pub(super) extents: Vec<Extent>,
    /// Whether rows of still older layers are void.
    pub(super) reset: bool,
    epoch: u32,
}

impl SessionView {
    /// A session of which nothing is known yet.
    fn new(slot: u32) -> Self {
        Self {
            slot,
            tag: Tag(0),
            count: 0,
            bytes_since: 0,
            created: 0,
            delete_session: false,
            extents: Vec::new(),
            reset: false,
            epoch: 0,
        }
    }

    /// Whether a load cuts the session into pieces.
    pub(super) fn has_chunk_signature(&self) -> bool {
        self.extents.iter().any(|e| e.chunk_signature)
    }

    /// The extents that hold transactions of `from..to`, each with the index after its last transaction.
    pub(super) fn spans_in(&self, from: u32, to: u32) -> impl Iterator<Item = (&Extent, u32)> {
        let first = self.extents.partition_point(|e| e.start <= from).saturating_sub(1);
        let extents = self.extents.get(first..).unwrap_or_default();
        let ends = extents.iter().skip(1).map(|e| e.start).chain(std::iter::once(self.count));
        extents.iter().zip(ends).take_while(move |(e, _)| e.start < to)
    }
}

/// A CoValue as the index knows it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct GroupView {
    /// Whether its content was erased.
    pub(super) erased: bool,
    /// Its place in the order of creation and the record with its header. Nothing: it is not stored.
    pub(super) created: Option<(Ordinal, Location)>,
    /// Its sessions by slot, erased ones included.
    pub(super) sessions: Vec<SessionView>,
}

/// The slot after this one, when it is taken by another session. Slot 0 is the CoValue's own.
pub(super) fn next_slot(slot: u32) -> u32 {
    slot.checked_add(1).unwrap_or(1)
}

impl GroupView {
    /// Puts the rows of several layers together, newest layer first.
    pub(super) fn read<L: AsRef<[Row]>>(layers: &[L]) -> Self {
        let mut view = Self::default();
        for layer in layers.iter().rev() {
            for rows in layer.as_ref().chunk_by(|a, b| a.0.slot() == b.0.slot()) {
                let Some(((key, value), spills)) = rows.split_first() else { continue };
                if let Some(row) = CoValueRow::decode(value) {
                    view.erased |= row.erased;
                    view.created = row.created.or(view.created);
                } else if let Some(head) = HeadRow::decode(value) {
                    view.continue_session(key.slot(), &head, spills);
                }
            }
        }
        view
    }

    /// Adds what a newer layer has of a session.
    fn continue_session(&mut self, slot: u32, head: &HeadRow, spills: &[Row]) {
        let at = match self.sessions.binary_search_by_key(&slot, |session| session.slot) {
            Ok(at) => at,
            Err(at) => {
                self.sessions.insert(at, SessionView::new(slot));
                at
            }
        };
        let Some(session) = self.sessions.get_mut(at) else { return };
        if head.reset {
            *session = SessionView { reset: true, ..SessionView::new(slot) };
        }
        session.tag = head.tag;
        session.count = head.count;
        session.bytes_since = head.bytes_since;
        session.delete_session = head.delete_session;
        session.epoch = head.epoch;
        if head.created != 0 {
            session.created = head.created;
        }
        for (_, value) in spills {
            if let Some(spill) = SpillRow::decode(value).filter(|s| s.epoch == head.epoch) {
                session.extents.extend_from_slice(spill.extents());
            }
        }
        session.extents.extend_from_slice(head.extents());
    }

    /// The records that it points to, each once, in the order of their places.
    pub(super) fn locations(&self) -> Vec<Location> {
        let created = self.created.iter().map(|(_, location)| *location);
        let extents = self.sessions.iter().flat_map(|s| &s.extents).map(|e| e.location);
        let mut all: Vec<Location> = created.chain(extents).collect();
        sort(&mut all);
        all.dedup();
        all
    }

    /// Whether something of it was erased in these layers.
    pub(super) fn has_erased(&self) -> bool {
        self.erased || self.sessions.iter().any(|s| s.reset)
    }

    /// The sessions that have transactions, in the order in which they were first stored.
    pub(super) fn stored_sessions(&self) -> Vec<&SessionView> {
        let mut sessions: Vec<_> = self.sessions.iter().filter(|s| s.count > 0).collect();
        sort_by_key(&mut sessions, |s| (s.created, s.slot));
        sessions
    }

    /// Writes the rows of one layer. `oldest`: no older layer is left, so what only voids older rows goes.
    pub(super) fn write(&self, group: Group, oldest: bool, out: &mut Vec<Row>) {
        if self.created.is_some() || self.erased {
            let row = CoValueRow { erased: self.erased, created: self.created };
            out.push((Key::first(group), row.encode()));
        }
        // An erased session that another one was placed behind stays, or the other would not be found.
        let mut kept = Vec::new();
        let mut behind = None;
        for session in self.sessions.iter().rev() {
            if !oldest || session.count > 0 || behind == Some(next_slot(session.slot)) {
                behind = Some(session.slot);
                kept.push(session);
            }
        }
        for session in kept.into_iter().rev() {
            let mut head = HeadRow::new(session.tag);
            head.reset = session.reset && !oldest;
            head.delete_session = session.delete_session;
            head.count = session.count;
            head.bytes_since = session.bytes_since;
            head.epoch = session.epoch;
            head.created = session.created;
            let mut spills = Vec::new();
            for extent in &session.extents {
                if let Some(full) = head.push(*extent) {
                    spills.push(SpillRow::new(session.epoch, &full));
                }
            }
            debug_assert!(spills.iter().all(|s| s.extents().len() == SPILL_EXTENTS));
            out.push((Key::new(group, session.slot, 0), head.encode()));
            out.extend(spills.iter().map(|s| (Key::new(group, session.slot, s.index()), s.encode())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::SegmentId;

    const GROUP: Group = Group([1; 16]);

    fn extent(start: u32) -> Extent {
        let location = Location { segment: SegmentId(start + 1), offset: 64, len: 99 };
        Extent { location, start, chunk_signature: false }
    }

    fn fragment(slot: u32, from: u32, to: u32, change: impl FnOnce(&mut HeadRow)) -> Vec<Row> {
        let mut head = HeadRow::new(Tag(slot.into()));
        head.count = to;
        change(&mut head);
        let mut rows = Vec::new();
        for start in from..to {
            if let Some(full) = head.push(extent(start)) {
                let spill = SpillRow::new(head.epoch, &full);
                rows.push((Key::new(GROUP, slot, spill.index()), spill.encode()));
            }
        }
        rows.insert(0, (Key::new(GROUP, slot, 0), head.encode()));
        rows
    }

    fn starts(view: &GroupView, slot: u32) -> Vec<u32> {
        let session = view.sessions.iter().find(|s| s.slot == slot).unwrap();
        session.extents.iter().map(|e| e.start).collect()
    }

    #[test]
    fn fragments_of_several_layers_make_one_session_and_survive_a_merge() {
        let layers =
            [fragment(7, 13, 20, |_| {}), fragment(7, 6, 13, |_| {}), fragment(7, 0, 6, |h| h.created = 55)];
        let view = GroupView::read(&layers);
        assert_eq!(starts(&view, 7), (0..20).collect::<Vec<_>>());
        assert_eq!((view.sessions[0].count, view.sessions[0].created), (20, 55));
        let mut rows = Vec::new();
        view.write(GROUP, true, &mut rows);
        assert!(rows.is_sorted_by_key(|(key, _)| *key));
        assert_eq!(GroupView::read(&[rows]), view);
    }

    #[test]
    fn a_reset_voids_older_rows_and_stale_spills_and_goes_with_the_oldest_layer() {
        let old = fragment(7, 0, 12, |_| {});
        let erased = fragment(7, 0, 0, |h| (h.reset, h.epoch) = (true, 9));
        assert_eq!(GroupView::read(&[erased.clone(), old.clone()]).stored_sessions().len(), 0);
        // In the delta nothing is deleted: spill rows of before the erasure lie beside the new head.
        let mut stale = fragment(7, 0, 2, |h| (h.reset, h.epoch) = (true, 9));
        stale.extend(old.iter().skip(1).copied());
        let view = GroupView::read(&[stale, old]);
        assert_eq!(starts(&view, 7), [0, 1]);
        let (mut kept, mut dropped) = (Vec::new(), Vec::new());
        GroupView::read(std::slice::from_ref(&erased)).write(GROUP, false, &mut kept);
        GroupView::read(&[erased]).write(GROUP, true, &mut dropped);
        assert_eq!((kept.len(), dropped.len()), (1, 0));
    }

    #[test]
    fn an_erased_session_stays_while_another_was_placed_behind_it() {
        let mut layer = fragment(7, 0, 0, |h| h.reset = true);
        layer.extend(fragment(8, 0, 0, |h| h.reset = true));
        layer.extend(fragment(9, 0, 1, |h| h.delete_session = true));
        layer.extend(fragment(20, 0, 0, |h| h.reset = true));
        let mut rows = Vec::new();
        GroupView::read(&[layer]).write(GROUP, true, &mut rows);
        assert_eq!(rows.iter().map(|(key, _)| key.slot()).collect::<Vec<_>>(), [7, 8, 9]);
    }
}
