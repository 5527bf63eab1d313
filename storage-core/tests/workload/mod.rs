//! A small workload with every kind of record, and everything a store says of its content in comparable form. Shared by
//! the tests of recovery and of crashes.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub)]

use jazz_storage_core::Result;
use jazz_storage_core::format::tx::Fields;
use jazz_storage_core::format::wire::{OwnedMessage, OwnedSession, decode_message};
use jazz_storage_core::store::content::StoreStatus;
use jazz_storage_core::store::rows::{CoValueId, PeerId, SyncStateUpdate};
use jazz_storage_core::store::{ContentStore, StorageBackend};

pub fn message(id: usize, session: usize, after: u32, count: u32) -> Vec<u8> {
    let tx = |n: u32| {
        let changes = format!("[\"{id} {session} {n}\"]");
        let mut tx = Vec::new();
        Fields::Trusting { sorted: true, made_at: f64::from(n), changes: changes.as_bytes(), meta: None }
            .append_to(&mut tx)
            .unwrap();
        tx
    };
    OwnedMessage {
        id: format!("co_z{id}").into_bytes(),
        header: Some(format!("{{\"n\":{id}}}").into_bytes()),
        delete_is_valid: false,
        chunk_threshold: 100.0,
        sessions: vec![OwnedSession {
            session: format!("co_zMe_session_z{session}{}", if session == 9 { "$" } else { "" }).into_bytes(),
            after,
            last_signature: format!("signature_z{id}/{session}/{}", after + count).into_bytes(),
            txs: (after..after + count).map(tx).collect(),
        }],
    }
    .encode()
    .unwrap()
}

#[allow(dead_code)]
pub fn store(storage: &impl ContentStore, bytes: &[u8]) {
    let outcome = storage.store(&decode_message(bytes).unwrap()).unwrap();
    assert_eq!(outcome.status, StoreStatus::Stored);
}

/// Everything a store says of its content, in comparable form.
pub fn contents<S: StorageBackend + ContentStore>(storage: &S) -> Vec<String> {
    let mut out =
        vec![format!("{:?} {:?}", storage.unsynced_ids().unwrap(), storage.pending_deletions().unwrap())];
    for id in storage.covalue_ids(u32::MAX, 0).unwrap() {
        let row = storage.get_covalue(&id).unwrap().unwrap();
        let state = storage.get_known_state(&id).unwrap().unwrap();
        out.push(format!("{id:?} {:?} {:?}", String::from_utf8_lossy(&row.header), state.sessions));
        for session in storage.get_covalue_sessions(row.row_id).unwrap() {
            let txs = storage.get_new_transactions_in_session(session.row_id, 0, u32::MAX).unwrap();
            let signatures = storage.get_signatures(session.row_id, 0).unwrap();
            out.push(format!("{:?} {:?} {txs:?} {signatures:?}", session.session_id, session.last_signature));
        }
    }
    out
}

/// Compares contents line by line, so that a failure shows the first difference only.
#[allow(dead_code)]
pub fn assert_same(got: &[String], expected: &[String], context: &str) {
    for (got, expected) in got.iter().zip(expected) {
        assert_eq!(got, expected, "{context}");
    }
    assert_eq!(got.get(expected.len()..), Some(&[][..]), "{context}");
}

/// A workload with every kind of record, step by step.
pub fn step<S: StorageBackend + ContentStore>(storage: &S, n: usize) -> Result<()> {
    let (id, session) = (n % 7, n % 3);
    let key = CoValueId::new(format!("co_z{id}"));
    match n % 11 {
        9 => {
            let updates =
                [SyncStateUpdate { id: key, peer: PeerId::from("peer"), synced: n.is_multiple_of(2) }];
            storage.track_sync_state(&updates)
        }
        10 => storage.erase_covalue_but_keep_tombstone(&key).map(|_| ()),
        _ => {
            let state = storage.get_known_state(&key)?;
            let name = format!("co_zMe_session_z{session}");
            let after = state
                .and_then(|s| s.sessions.into_iter().find(|(id, _)| id.as_bytes() == name.as_bytes()))
                .map_or(0, |(_, count)| count);
            let bytes = message(id, session, after, 1 + n as u32 % 4);
            let outcome = storage.store(&decode_message(&bytes)?)?;
            assert_eq!(outcome.status, StoreStatus::Stored);
            Ok(())
        }
    }
}
