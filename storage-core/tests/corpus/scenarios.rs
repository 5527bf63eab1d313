//! The stores of the corpus, as the operations that make them.
//!
//! Each is done on a store and on the model, whose answers are what is expected of the store for ever. A scenario may be
//! changed as long as no corpus of the present format version is committed; the next version gets what stands here then.
// `pub` is how the parts of the test see each other.
#![allow(unreachable_pub)]

use super::said::Said;
use super::support::{copy, fields, unthreaded};
use jazz_storage_core::engine::EngineStats;
use jazz_storage_core::file::{FileHandle, FileIO, InMemoryFileIO, OpenMode};
use jazz_storage_core::format::tx::Fields;
use jazz_storage_core::format::wire::{OwnedMessage, OwnedSession, StoreStatus, decode_message};
use jazz_storage_core::store::rows::{
    CoValueId, LockTiming, SessionId, SessionUpdate, Signature, SyncStateUpdate,
};
use jazz_storage_core::store::{BfTreeStorage, ContentStore, ModelStorage, StorageBackend};

pub type Store = BfTreeStorage<InMemoryFileIO>;

/// Opens a store that works when it is told to only.
pub fn open(io: InMemoryFileIO) -> Store {
    Store::open(io, unthreaded()).unwrap()
}

/// A store of the corpus.
pub struct Scenario {
    pub name: &'static str,
    /// Makes it, and gives its files.
    pub make: fn(&mut Both) -> InMemoryFileIO,
    /// Whether a store just opened is of the kind that this is about, going by its statistics.
    pub is_of_its_kind: fn(&EngineStats) -> bool,
}

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "empty",
        make: |both| both.closed(),
        is_of_its_kind: |stats| stats.runs == 0 && stats.replayed == 0,
    },
    Scenario {
        name: "killed-before-any-checkpoint",
        make: |both| {
            (0..25).for_each(|n| both.step(n));
            both.killed()
        },
        is_of_its_kind: |stats| stats.runs == 0 && stats.replayed >= 25,
    },
    Scenario {
        name: "closed",
        make: |both| {
            (0..25).for_each(|n| both.step(n));
            both.closed()
        },
        is_of_its_kind: |stats| stats.runs > 0 && stats.run_rows > 0 && stats.replayed <= 1,
    },
    Scenario {
        name: "runs-and-a-tail",
        make: |both| {
            for n in 0..120 {
                both.step(n);
                if n % 30 == 25 {
                    both.checkpoint();
                }
            }
            both.killed()
        },
        is_of_its_kind: |stats| stats.runs > 0 && stats.run_rows > 0 && stats.replayed > 1,
    },
    Scenario {
        name: "many-checkpoints",
        make: |both| {
            for n in 0..121 {
                both.step(n);
                if n % 11 == 7 {
                    both.checkpoint();
                }
            }
            both.killed()
        },
        is_of_its_kind: |stats| stats.runs > 0 && stats.replayed > 1,
    },
    Scenario {
        name: "checkpoint-interrupted",
        make: interrupted,
        is_of_its_kind: |stats| stats.segments > 1 && stats.runs == 1 && stats.replayed > 30,
    },
    Scenario { name: "erased", make: erased, is_of_its_kind: |stats| stats.runs > 0 && stats.replayed > 1 },
    Scenario { name: "texts", make: texts, is_of_its_kind: |stats| stats.runs > 0 && stats.replayed > 1 },
    Scenario {
        name: "sync-state-and-locks",
        make: small_state,
        is_of_its_kind: |stats| stats.runs > 0 && stats.replayed > 1,
    },
    Scenario {
        name: "older-manifest-slot-missing",
        make: |both| {
            both.some_runs();
            let files = both.killed();
            files.remove(&manifest_slot(&files, true)).unwrap();
            files
        },
        is_of_its_kind: |stats| stats.runs > 0,
    },
    Scenario {
        name: "newer-manifest-slot-missing",
        make: |both| {
            both.some_runs();
            let files = both.killed();
            files.remove(&manifest_slot(&files, false)).unwrap();
            files
        },
        is_of_its_kind: |stats| stats.runs > 0,
    },
    Scenario {
        name: "torn-tail",
        make: torn,
        is_of_its_kind: |stats| stats.discarded > 0 && stats.replayed > 1,
    },
];

/// A store and the model, to which the same is done.
pub struct Both {
    files: InMemoryFileIO,
    store: Option<Store>,
    pub model: ModelStorage,
}

impl Both {
    pub fn new() -> Self {
        let files = InMemoryFileIO::new();
        Self { store: Some(open(files.clone())), files, model: ModelStorage::new() }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("it is open")
    }

    /// The files as a killed process leaves them.
    fn killed(&self) -> InMemoryFileIO {
        copy(&self.files)
    }

    /// The files as closing leaves them.
    fn closed(&mut self) -> InMemoryFileIO {
        drop(self.store.take());
        copy(&self.files)
    }

    fn checkpoint(&self) {
        self.store().checkpoint().unwrap();
    }

    fn message(&self, message: &OwnedMessage) {
        put(self.store(), message);
        put(&self.model, message);
    }

    fn erase(&self, id: &str) {
        let id = CoValueId::from(id);
        let erased = self.store().erase_covalue_but_keep_tombstone(&id).unwrap();
        assert_eq!(erased, self.model.erase_covalue_but_keep_tombstone(&id).unwrap());
    }

    fn track(&self, updates: &[(&str, &str, bool)]) {
        track(self.store(), updates);
        track(&self.model, updates);
    }

    fn step(&self, n: u32) {
        step(self.store(), n);
        step(&self.model, n);
    }

    fn some_runs(&self) {
        for n in 0..40 {
            self.step(n);
            if n == 15 || n == 30 {
                self.checkpoint();
            }
        }
    }

    /// Everything the model says.
    pub fn said(&self) -> Said {
        Said::by(&self.model, || self.model.clone())
    }
}

fn put(store: &impl ContentStore, message: &OwnedMessage) {
    let bytes = message.encode().unwrap();
    let outcome = store.store(&decode_message(&bytes).unwrap()).unwrap();
    assert_eq!(outcome.status, StoreStatus::Stored, "{message:?}");
}

fn track(store: &impl StorageBackend, updates: &[(&str, &str, bool)]) {
    let updates = updates.iter().map(|(id, peer, synced)| SyncStateUpdate {
        id: (*id).into(),
        peer: (*peer).into(),
        synced: *synced,
    });
    store.track_sync_state(&updates.collect::<Vec<_>>()).unwrap();
}

fn message(id: &str, threshold: f64, sessions: Vec<OwnedSession>) -> OwnedMessage {
    let header = format!(r#"{{"type":"comap","ruleset":{{"type":"ownedByGroup"}},"uniqueness":"{id}"}}"#);
    OwnedMessage {
        id: id.into(),
        header: Some(header.into_bytes()),
        delete_is_valid: sessions.iter().any(|session| session.session.ends_with(b"$")),
        chunk_threshold: threshold,
        sessions,
    }
}

/// The piece of a session from `after` on, transactions of about `len` bytes.
fn session(id: &str, session: &str, after: u32, count: u32, len: usize) -> OwnedSession {
    let tx = |n: u32| {
        let text = format!("{id} {session} {n} ");
        let changes = text.bytes().cycle().take(len.max(text.len())).collect::<Vec<_>>();
        match n % 3 {
            0 => fields(Fields::Trusting {
                sorted: true,
                made_at: f64::from(n),
                changes: &changes,
                meta: None,
            }),
            kind => fields(Fields::Private {
                sorted: true,
                made_at: f64::from(n),
                key_used: if kind == 1 { b"key_z1" } else { b"key_z2" },
                changes: &changes,
                meta: None,
            }),
        }
    };
    OwnedSession {
        session: session.into(),
        after,
        last_signature: format!("signature_z{id}/{session}/{}", after + count).into_bytes(),
        txs: (after..after + count).map(tx).collect(),
    }
}

/// How many transactions of a session are stored.
fn counter(store: &impl StorageBackend, id: &str, session: &str) -> u32 {
    let known = store.get_known_state(&id.into()).unwrap().map_or_else(Vec::new, |known| known.sessions);
    known.into_iter().find(|(found, _)| found.as_bytes() == session.as_bytes()).map_or(0, |found| found.1)
}

fn append<S: StorageBackend + ContentStore>(store: &S, id: &str, name: &str, count: u32, len: usize) {
    let content = session(id, name, counter(store, id, name), count, len);
    put(store, &message(id, 200.0, vec![content]));
}

/// The `n`-th operation of a mixed workload.
fn step<S: StorageBackend + ContentStore>(store: &S, n: u32) {
    let id = format!("co_z{}", n * n % 9);
    let name = format!("co_zAccount_session_z{}", n % 4);
    match n % 13 {
        5 => track(store, &[(&id, "server", n.is_multiple_of(2)), (&id, "peer_zOther", n.is_multiple_of(3))]),
        9 if n > 20 => {
            append(store, &id, "co_zAccount_session_d1$", 1, 30);
            store.erase_covalue_but_keep_tombstone(&id.as_str().into()).unwrap();
        }
        11 => {
            let timing = LockTiming { now: f64::from(n) * 1000.0, ttl: 10.0, interval: 10.0 };
            store.try_acquire_lock(b"server", &SessionId::from(name.as_str()), timing).unwrap();
        }
        // Some of a size that has a record of its own in a pack, most small.
        7 => append(store, &id, &name, 2, 1800),
        _ => append(store, &id, &name, 1 + n % 3, 40),
    }
}

fn erased(both: &mut Both) -> InMemoryFileIO {
    let delete = |id: &str| message(id, 100.0, vec![session(id, "co_zAdmin_session_d1$", 0, 1, 20)]);
    for n in 0..8 {
        let id = format!("co_zErased{n}");
        for after in [0, 3, 6] {
            let sessions = ["co_zA_session_z1", "co_zB_session_z1"];
            both.message(&message(&id, 100.0, sessions.map(|name| session(&id, name, after, 3, 40)).into()));
        }
    }
    both.message(&delete("co_zErased0"));
    both.erase("co_zErased0");
    // One without a delete session.
    both.erase("co_zErased1");
    both.message(&delete("co_zErased2"));
    both.message(&delete("co_zErased3"));
    both.checkpoint();
    both.erase("co_zErased2");
    both.message(&delete("co_zErased4"));
    both.erase("co_zErased4");
    both.erase("co_zErased7");
    // Written to after it was erased, in another layer and in the same.
    for id in ["co_zErased1", "co_zErased7"] {
        both.message(&message(id, 100.0, vec![session(id, "co_zA_session_z1", 0, 4, 40)]));
        both.message(&message(id, 100.0, vec![session(id, "co_zC_session_z1", 0, 1, 40)]));
    }
    both.checkpoint();
    both.message(&delete("co_zErased5"));
    both.erase("co_zErased5");
    both.message(&delete("co_zErased6"));
    both.message(&message("co_zErased7", 100.0, vec![session("co_zErased7", "co_zA_session_z1", 4, 2, 40)]));
    // Unknown to the store: it leaves the queue.
    both.erase("co_zUnknown");
    both.killed()
}

fn texts(both: &mut Both) -> InMemoryFileIO {
    let texts: [&[u8]; 7] = [
        b"",
        b"plain",
        "é€𝄞 mixed with ASCII".as_bytes(),
        b"lone \xed\xa0\x80 high",
        b"\xed\xb0\x80 lone low",
        b"\"quotes\" \\ and \x00\x01\x7f",
        "𝄞𝄞𝄞".as_bytes(),
    ];
    let mut shapes = Vec::new();
    for (n, changes) in (0u32..).zip(texts) {
        let made_at = [0.0, -1.5, 1_700_000_000_123.0, f64::from(n) * 1e-9][n as usize % 4];
        for meta in [None, Some(texts[(n as usize + 3) % 7])] {
            for sorted in [true, false] {
                let keys: [&[u8]; 2] = ["key_zé".as_bytes(), b"key_z1"];
                for key_used in keys {
                    shapes.push(fields(Fields::Private { sorted, made_at, key_used, changes, meta }));
                }
                shapes.push(fields(Fields::Trusting { sorted, made_at, changes, meta }));
            }
        }
        let json = [br#"{"privacy":"unknown","x":""#, changes, br#""}"#].concat();
        shapes.push(fields(Fields::Verbatim { units: n * 7, json: &json }));
    }
    let ids: [&[u8]; 5] =
        [b"co_zPlain", "co_zé".as_bytes(), b"co_z\xed\xa0\x80", "𝄞".as_bytes(), b" spaces and \n newline"];
    for (n, id) in ids.into_iter().enumerate() {
        for (after, piece) in (0u32..).step_by(8).zip(shapes.chunks(8)) {
            let content = |name: &[u8], signature: &[u8]| OwnedSession {
                session: name.to_vec(),
                after,
                last_signature: signature.to_vec(),
                txs: piece.to_vec(),
            };
            let sessions = match n {
                0 => vec![content(b"s", b""), content("séssion".as_bytes(), "signature_é".as_bytes())],
                1 => vec![content(b"\xed\xa0\x80$", b"\xed\xb0\x80")],
                // The others are small.
                _ if after == 0 => vec![content(id, id)],
                _ => continue,
            };
            let header = [br#"{"text":""#, id, br#""}"#].concat();
            let threshold = [50.0, f64::INFINITY, -1.0][n % 3];
            both.message(&OwnedMessage { header: Some(header), ..message_of(id, threshold, sessions) });
            if after == 24 {
                both.checkpoint();
            }
        }
    }
    both.killed()
}

fn message_of(id: &[u8], chunk_threshold: f64, sessions: Vec<OwnedSession>) -> OwnedMessage {
    OwnedMessage { id: id.to_vec(), chunk_threshold, sessions, ..OwnedMessage::default() }
}

/// Sync state, deletions and locks, in snapshots and in records after them; row-level transactions.
fn small_state(both: &mut Both) -> InMemoryFileIO {
    for n in 0..6u32 {
        let id = format!("co_zState{n}");
        both.message(&message(&id, 100.0, vec![session(&id, "co_zA_session_z1", 0, 2, 40)]));
        both.track(&[
            (&id, "server", false),
            (&id, "peer_zOther", n.is_multiple_of(2)),
            (&id, "peer_é", n.is_multiple_of(3)),
        ]);
    }
    both.track(&[("co_zNeverStored", "peer_é", false)]);
    queue(both.store(), &["co_zState4", "co_zNeverStored"]);
    queue(&both.model, &["co_zState4", "co_zNeverStored"]);
    for (key, holder, now) in [("server", "co_zA_session_z1", 5.0), ("peer_é", "séssion", 1e12 + 0.5)] {
        let (holder, timing) = (SessionId::from(holder), LockTiming { now, ttl: 1.0, interval: 1.0 });
        lock(both.store(), key, &holder, timing);
        lock(&both.model, key, &holder, timing);
    }
    several_signatures(both.store());
    several_signatures(&both.model);
    both.checkpoint();
    both.track(&[("co_zState0", "server", true), ("co_zState1", "server", true)]);
    both.store().stop_tracking_sync_state(&"co_zState3".into()).unwrap();
    both.model.stop_tracking_sync_state(&"co_zState3".into()).unwrap();
    both.erase("co_zState4");
    let (key, holder) = (b"server", SessionId::from("co_zA_session_z1"));
    both.store().release_lock(key, &holder, 7.25).unwrap();
    both.model.release_lock(key, &holder, 7.25).unwrap();
    both.killed()
}

fn queue(store: &impl StorageBackend, ids: &[&str]) {
    store.transaction(|rows| ids.iter().try_for_each(|id| rows.mark_covalue_deleted(&(*id).into()))).unwrap();
}

fn lock(store: &impl StorageBackend, key: &str, holder: &SessionId, timing: LockTiming) {
    store.try_acquire_lock(key.as_bytes(), holder, timing).unwrap();
    store.renew_lock(key.as_bytes(), holder, timing.now / 2.0).unwrap();
}

/// Several chunk signatures within one record, which content messages do not make.
fn several_signatures(store: &impl StorageBackend) {
    let row = store.get_covalue(&"co_zState5".into()).unwrap().unwrap().row_id;
    let done = store.transaction(|rows| {
        for name in ["co_zRow_session_z1", "co_zRow_session_z2"] {
            let slot = rows.add_session_update(&SessionUpdate {
                covalue: row,
                session_id: name.into(),
                last_idx: 7,
                last_signature: Signature::from("signature_zLast"),
                bytes_since_last_signature: 33,
            })?;
            for (idx, tx) in (0..).zip(session("co_zState5", name, 0, 7, 40).txs) {
                rows.add_transaction(slot, idx, &tx)?;
            }
            for idx in [1, 3, 4] {
                rows.add_signature_after(slot, idx, &Signature::new(format!("signature_zAfter{idx}")))?;
            }
        }
        Ok(())
    });
    done.unwrap();
}

/// A checkpoint that went as far as its files but not to the manifest: the log goes on over two segments, and there is a
/// run that no manifest names.
fn interrupted(both: &mut Both) -> InMemoryFileIO {
    (0..10).for_each(|n| both.step(n));
    both.checkpoint();
    (10..35).for_each(|n| both.step(n));
    let files = both.killed();
    both.checkpoint();
    (35..45).for_each(|n| both.step(n));
    let after = both.killed();
    let before = files.list().unwrap();
    let new = after.list().unwrap().into_iter().filter(|name| !before.contains(name));
    let new: Vec<String> = new.collect();
    assert!(["segment-", "run-"].iter().all(|kind| new.iter().any(|name| name.starts_with(kind))), "{new:?}");
    for name in new {
        let from = after.open(&name, OpenMode::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(from.len().unwrap()).unwrap()];
        from.read_at(&mut bytes, 0).unwrap();
        files.open(&name, OpenMode::CreateNew).unwrap().write_at(&bytes, 0).unwrap();
    }
    files
}

/// The last write was under way when the power went.
fn torn(both: &mut Both) -> InMemoryFileIO {
    both.some_runs();
    let len = |files: &InMemoryFileIO, name: &str| files.open(name, OpenMode::Read).unwrap().len().unwrap();
    let active = both.files.list().unwrap().into_iter().filter(|name| name.starts_with("segment-")).max();
    let active = active.expect("there is a segment");
    let before = len(&both.files, &active);
    put(both.store(), &message("co_zTorn", 100.0, vec![session("co_zTorn", "s", 0, 9, 100)]));
    let files = both.killed();
    let after = len(&files, &active);
    assert!(after > before + 800);
    files.open(&active, OpenMode::ReadWrite).unwrap().truncate(before + (after - before) / 2).unwrap();
    files
}

/// The slot of the manifest with the lower generation, or the higher one.
fn manifest_slot(files: &InMemoryFileIO, older: bool) -> String {
    let generation = |name: &str| {
        let mut bytes = [0; 8];
        files.open(name, OpenMode::Read).unwrap().read_at(&mut bytes, 16).unwrap();
        u64::from_le_bytes(bytes)
    };
    let [even, odd] = ["MANIFEST-0", "MANIFEST-1"].map(|name| (generation(name), name.to_owned()));
    if older { even.min(odd).1 } else { even.max(odd).1 }
}

/// Goes on with a store: some of everything, for the `n`-th time.
pub fn go_on<S: StorageBackend + ContentStore>(store: &S, n: u32) {
    let ids = store.covalue_ids(u32::MAX, 0).unwrap();
    for (place, id) in (0u32..).zip(ids) {
        // Ids of the corpus are not all UTF-8.
        let id = id.as_bytes();
        let known = store.get_known_state(&CoValueId::new(id)).unwrap().unwrap().sessions;
        let present = known.iter().map(|(name, count)| (name.as_bytes().to_vec(), *count));
        let name = format!("co_zMore_session_z{n}").into_bytes();
        let mut sessions = Vec::new();
        for (name, after) in present.chain([(name, 0)]).filter(|(name, _)| !name.ends_with(b"$")) {
            let piece = session("co_zMore", "more", after, 1 + place % 3, 60);
            sessions.push(OwnedSession { session: name, ..piece });
        }
        if (place + n).is_multiple_of(3) {
            put(store, &message_of(id, 150.0, sessions));
        }
        if (place + n) % 11 == 5 {
            store.erase_covalue_but_keep_tombstone(&CoValueId::new(id)).unwrap();
        }
    }
    let id = format!("co_zMore{n}");
    put(store, &message(&id, 100.0, vec![session(&id, "co_zA_session_z1", 0, 3, 50)]));
    put(store, &message("co_zMore0", 100.0, vec![session("co_zMore0", &format!("co_zD{n}$"), 0, 1, 9)]));
    track(store, &[(&id, "server", false), ("co_zMore0", "server", n.is_multiple_of(2))]);
    let timing = LockTiming { now: 2e12 + f64::from(n), ttl: 0.5, interval: 0.5 };
    store.try_acquire_lock(b"server", &SessionId::from("co_zMore_session_z1"), timing).unwrap();
}
