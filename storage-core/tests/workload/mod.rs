//! A small workload with every kind of record, and everything a store says of its content in comparable form. Shared by
//! the tests of recovery, of crashes and of damage.

// Each test binary uses its part of this module.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, dead_code)]

pub mod crashes;
pub mod failures;
#[path = "../support/random.rs"]
pub mod random;
pub mod script;

use jazz_storage_core::Result;
use jazz_storage_core::file::{FileHandle, FileIO, InMemoryFileIO, OpenMode};
use jazz_storage_core::format::tx::Fields;
use jazz_storage_core::format::wire::{OwnedMessage, OwnedSession, decode_message};
use jazz_storage_core::store::content::StoreStatus;
use jazz_storage_core::store::rows::{CoValueId, PeerId, SyncStateUpdate};
use jazz_storage_core::store::{ContentStore, StorageBackend};

/// All bytes of a file.
pub fn read_file(io: &InMemoryFileIO, name: &str) -> Vec<u8> {
    let handle = io.open(name, OpenMode::Read).unwrap();
    let mut bytes = vec![0; handle.len().unwrap() as usize];
    handle.read_at(&mut bytes, 0).unwrap();
    bytes
}

/// Makes a file of these bytes, in place of what is there.
pub fn write_file(io: &InMemoryFileIO, name: &str, bytes: &[u8]) {
    if io.exists(name).unwrap() {
        io.remove(name).unwrap();
    }
    io.open(name, OpenMode::CreateNew).unwrap().write_at(bytes, 0).unwrap();
}

/// The same files in another directory, as a process that was killed leaves them.
pub fn copy(io: &InMemoryFileIO) -> InMemoryFileIO {
    let copy = InMemoryFileIO::new();
    copy.create_dir().unwrap();
    for name in io.list().unwrap() {
        write_file(&copy, &name, &read_file(io, &name));
    }
    copy
}

/// The id of a session; that of number 9 is a delete session.
pub fn session_id(session: usize) -> String {
    format!("co_zMe_session_z{session}{}", if session == 9 { "$" } else { "" })
}

/// What a session gets: `count` transactions after the first `after`, of about `size` bytes each.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    pub session: usize,
    pub after: u32,
    pub count: u32,
    pub size: usize,
}

/// A message, whose content is a function of the arguments.
pub fn content(id: usize, parts: &[Part], delete_is_valid: bool) -> Vec<u8> {
    let tx = |session: usize, n: u32, size: usize| {
        let start = format!("[\"{id} {session} {n}");
        let filling: String = start.chars().cycle().skip(1).take(size.saturating_sub(start.len())).collect();
        let filling = filling.replace('"', "'");
        let changes = format!("{start}{filling}\"]");
        let mut tx = Vec::new();
        Fields::Trusting { sorted: true, made_at: f64::from(n), changes: changes.as_bytes(), meta: None }
            .append_to(&mut tx)
            .unwrap();
        tx
    };
    let session = |part: &Part| OwnedSession {
        session: session_id(part.session).into_bytes(),
        after: part.after,
        last_signature: format!("signature_z{id}/{}/{}", part.session, part.after + part.count).into_bytes(),
        txs: (part.after..part.after + part.count).map(|n| tx(part.session, n, part.size)).collect(),
    };
    OwnedMessage {
        id: format!("co_z{id}").into_bytes(),
        header: Some(format!("{{\"n\":{id}}}").into_bytes()),
        delete_is_valid,
        chunk_threshold: 100.0,
        sessions: parts.iter().map(session).collect(),
    }
    .encode()
    .unwrap()
}

/// A message of one session with small transactions.
pub fn message(id: usize, session: usize, after: u32, count: u32) -> Vec<u8> {
    content(id, &[Part { session, after, count, size: 0 }], false)
}

pub fn store(storage: &impl ContentStore, bytes: &[u8]) {
    let outcome = storage.store(&decode_message(bytes).unwrap()).unwrap();
    assert_eq!(outcome.status, StoreStatus::Stored);
}

/// Everything a store says of its content, in comparable form.
pub fn contents<S: StorageBackend + ContentStore>(storage: &S) -> Vec<String> {
    try_contents(storage).unwrap()
}

/// See [`contents`]; or how a read failed.
pub fn try_contents<S: StorageBackend + ContentStore>(storage: &S) -> Result<Vec<String>> {
    let mut out = vec![small_state(storage)?];
    for id in storage.covalue_ids(u32::MAX, 0)? {
        out.extend(covalue(storage, &id)?);
    }
    Ok(out)
}

/// What waits for syncing and for erasure.
pub fn small_state<S: StorageBackend>(storage: &S) -> Result<String> {
    Ok(format!("{:?} {:?}", storage.unsynced_ids()?, storage.pending_deletions()?))
}

/// All that a store says of a CoValue.
pub fn covalue<S: StorageBackend>(storage: &S, id: &CoValueId) -> Result<Vec<String>> {
    let Some(row) = storage.get_covalue(id)? else { return Ok(vec![format!("{id:?} missing")]) };
    let state = storage.get_known_state(id)?.map(|state| state.sessions);
    let mut out = vec![format!("{id:?} {:?} {state:?}", String::from_utf8_lossy(&row.header))];
    for session in storage.get_covalue_sessions(row.row_id)? {
        let txs = storage.get_new_transactions_in_session(session.row_id, 0, u32::MAX)?;
        let txs: Vec<_> = txs.iter().map(|row| (row.idx, short(&row.tx))).collect();
        let signatures = storage.get_signatures(session.row_id, 0)?;
        out.push(format!("{:?} {:?} {txs:?} {signatures:?}", session.session_id, session.last_signature));
    }
    Ok(out)
}

/// Bytes as a text that is short and still tells others apart.
fn short(bytes: &[u8]) -> String {
    let start = String::from_utf8_lossy(bytes.get(..bytes.len().min(40)).unwrap_or_default()).into_owned();
    format!("{start} {}:{:08x}", bytes.len(), crc32c::crc32c(bytes))
}

/// The lock that the workloads take, which only a transaction can read.
pub fn lock_row<S: StorageBackend>(storage: &S) -> Result<String> {
    storage.transaction(|rows| rows.get_lock(b"reconcile")).map(|row| format!("{row:?}"))
}

/// Compares contents line by line, so that a failure shows the first difference only.
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
            let name = session_id(session);
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
