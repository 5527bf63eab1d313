//! Everything a store says, as a value and as the text that stands beside each store of the corpus.
//!
//! What a store does not say outright is found by asking copies of it: which peers a CoValue is not synced with, by
//! taking all other peers away; which deletions are done, by queueing every CoValue for erasure.
// `pub` is how the parts of the test see each other.
#![allow(unreachable_pub)]

use super::support::compare::legible;
use jazz_storage_core::store::rows::{
    CoValueId, PeerId, ReconciliationLockRow, SessionUpdate, SignatureAfterRow, StoredSessionRow,
    SyncStateUpdate, TransactionRow,
};
use jazz_storage_core::store::{ContentStore, ModelStorage, StorageBackend, StorageTransaction};
use std::fmt;

/// The peers and the keys of locks that the corpus uses, those of all versions together: a store is asked about these.
pub const PEERS: [&str; 3] = ["server", "peer_zOther", "peer_é"];
pub const LOCKS: [&str; 3] = ["server", "peer_é", "never taken"];

/// A session: its row, and what is stored of it.
pub type SaidSession = (StoredSessionRow, Vec<TransactionRow>, Vec<SignatureAfterRow>);

/// A CoValue.
pub struct SaidCoValue {
    pub id: CoValueId,
    row: u64,
    header: Vec<u8>,
    known: Vec<String>,
    pub sessions: Vec<SaidSession>,
}

/// Everything a store says.
pub struct Said {
    /// In the order of creation.
    pub covalues: Vec<SaidCoValue>,
    unsynced: Vec<CoValueId>,
    /// For each of [`PEERS`] those not synced with it.
    unsynced_with: Vec<(&'static str, Vec<CoValueId>)>,
    pending: Vec<CoValueId>,
    erased: Vec<CoValueId>,
    locks: Vec<(&'static str, ReconciliationLockRow)>,
}

impl Said {
    /// Asks `store`, and copies of it for what changes them.
    pub fn by<S: StorageBackend + ContentStore>(store: &S, copy: impl Fn() -> S) -> Self {
        let covalues: Vec<_> =
            store.covalue_ids(u32::MAX, 0).unwrap().into_iter().map(|id| covalue(store, id)).collect();
        assert_eq!(store.covalue_count().unwrap(), covalues.len() as u64);
        let locks = store.transaction(|rows| {
            let mut locks = Vec::new();
            for key in LOCKS {
                locks.extend(rows.get_lock(key.as_bytes())?.map(|row| (key, row)));
            }
            Ok(locks)
        });
        let unsynced = store.unsynced_ids().unwrap();
        let unsynced_with = PEERS.map(|peer| (peer, unsynced_with(&copy(), &unsynced, peer))).to_vec();
        let for_sure: Vec<_> = unsynced_with.iter().flat_map(|(_, ids)| ids).collect();
        assert!(unsynced.iter().all(|id| for_sure.contains(&id)), "a peer is not among those asked about");
        let probe = copy();
        let ids = covalues.iter().map(|covalue| &covalue.id);
        probe.transaction(|rows| ids.clone().try_for_each(|id| rows.mark_covalue_deleted(id))).unwrap();
        let queued = probe.pending_deletions().unwrap();
        let erased = ids.filter(|id| !queued.contains(id)).cloned().collect();
        Self {
            unsynced,
            unsynced_with,
            pending: store.pending_deletions().unwrap(),
            erased,
            locks: locks.unwrap(),
            covalues,
        }
    }

    /// A model that says the same.
    pub fn model(&self) -> ModelStorage {
        let model = ModelStorage::new();
        for covalue in &self.covalues {
            let row = model.upsert_covalue(&covalue.id, Some(&covalue.header)).unwrap().unwrap();
            if self.erased.contains(&covalue.id) {
                model.erase_covalue_but_keep_tombstone(&covalue.id).unwrap();
            }
            let store_sessions = |rows: &mut dyn StorageTransaction| {
                for (session, txs, signatures) in &covalue.sessions {
                    let slot = rows.add_session_update(&SessionUpdate {
                        covalue: row,
                        session_id: session.session_id.clone(),
                        last_idx: session.last_idx,
                        last_signature: session.last_signature.clone(),
                        bytes_since_last_signature: session.bytes_since_last_signature,
                    })?;
                    txs.iter().try_for_each(|tx| rows.add_transaction(slot, tx.idx, &tx.tx))?;
                    signatures
                        .iter()
                        .try_for_each(|s| rows.add_signature_after(slot, s.idx, &s.signature))?;
                }
                Ok(())
            };
            model.transaction(store_sessions).unwrap();
        }
        for (peer, ids) in &self.unsynced_with {
            let update =
                |id: &CoValueId| SyncStateUpdate { id: id.clone(), peer: PeerId::from(*peer), synced: false };
            model.track_sync_state(&ids.iter().map(update).collect::<Vec<_>>()).unwrap();
        }
        let rest = model.transaction(|rows| {
            self.pending.iter().try_for_each(|id| rows.mark_covalue_deleted(id))?;
            self.locks.iter().try_for_each(|(key, row)| rows.put_lock(key.as_bytes(), row))
        });
        rest.unwrap();
        model
    }
}

fn covalue<S: StorageBackend>(store: &S, id: CoValueId) -> SaidCoValue {
    let row = store.get_covalue(&id).unwrap().unwrap();
    assert_eq!(row.id, id);
    let known = store.get_known_state(&id).unwrap().unwrap().sessions;
    let sessions = store.get_covalue_sessions(row.row_id).unwrap().into_iter().map(|session| {
        let txs = store.get_new_transactions_in_session(session.row_id, 0, u32::MAX).unwrap();
        let signatures = store.get_signatures(session.row_id, 0).unwrap();
        (session, txs, signatures)
    });
    let known = known.into_iter().map(|(id, count)| format!("{} {count}", legible(id.as_bytes()))).collect();
    SaidCoValue { row: row.row_id.0, header: row.header, known, sessions: sessions.collect(), id }
}

/// Those of `ids` that `copy` still holds to be unsynced once all other peers are synced.
fn unsynced_with(copy: &impl StorageBackend, ids: &[CoValueId], peer: &str) -> Vec<CoValueId> {
    let others = PEERS.into_iter().filter(|other| *other != peer);
    let updates: Vec<_> = others
        .flat_map(|other| {
            ids.iter().map(|id| SyncStateUpdate { id: id.clone(), peer: other.into(), synced: true })
        })
        .collect();
    copy.track_sync_state(&updates).unwrap();
    copy.unsynced_ids().unwrap()
}

/// One thing a line, bytes that are not printable ASCII escaped.
impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "CoValues: {}", self.covalues.len())?;
        for covalue in &self.covalues {
            writeln!(f, "{} {}", covalue.row, legible(covalue.id.as_bytes()))?;
            writeln!(f, "  header {}", legible(&covalue.header))?;
            covalue.known.iter().try_for_each(|known| writeln!(f, "  known {known}"))?;
            for (session, txs, signatures) in &covalue.sessions {
                let (id, last) =
                    (legible(session.session_id.as_bytes()), legible(session.last_signature.as_bytes()));
                let units = session.bytes_since_last_signature;
                writeln!(f, "  session {id}: {}, signature {last}, units {units}", session.last_idx)?;
                txs.iter().try_for_each(|tx| writeln!(f, "    {} {}", tx.idx, legible(&tx.tx)))?;
                for signature in signatures {
                    let text = legible(signature.signature.as_bytes());
                    writeln!(f, "    after {} {text}", signature.idx)?;
                }
            }
        }
        let list = |f: &mut fmt::Formatter<'_>, what: &str, ids: &[CoValueId]| {
            ids.iter().try_for_each(|id| writeln!(f, "{what} {}", legible(id.as_bytes())))
        };
        list(f, "unsynced", &self.unsynced)?;
        for (peer, ids) in &self.unsynced_with {
            list(f, &format!("unsynced with {}:", legible(peer.as_bytes())), ids)?;
        }
        list(f, "pending deletion", &self.pending)?;
        list(f, "erased", &self.erased)?;
        for (key, row) in &self.locks {
            let (key, holder) = (legible(key.as_bytes()), legible(row.holder.as_bytes()));
            let (acquired, released) = (row.acquired_at, row.released_at);
            writeln!(
                f,
                "lock {key}: {holder}, acquired {acquired}, released {released:?}, offset {}",
                row.last_processed_offset
            )?;
        }
        Ok(())
    }
}
