use super::*;
use crate::api::backing::{Backing, Shared};
use crate::error::{Error, ErrorCode, Result};
use crate::format::numbers::BATCH_FOLLOWS;
use crate::format::tx::Fields;
use crate::format::wire::{
    self, OwnedMessage, OwnedSession, StoreStatus, decode_answers, decode_ids, decode_loaded, decode_outcome,
};
use crate::store::queued::Lane;
use crate::store::rows::{self, CoValueId, PeerId};
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// The result of what does not block.
fn settled<T: Send + 'static>(pending: Pending<T>) -> Result<T> {
    let (sender, receiver) = channel();
    pending.then(move |result| sender.send(result).unwrap());
    receiver.recv_timeout(Duration::from_secs(60)).unwrap()
}

fn options(path: &std::path::Path) -> OpenOptions {
    OpenOptions { path: Some(path.to_str().unwrap().to_owned()), ..OpenOptions::default() }
}

fn message(id: &str, session: &str, after: u32, changes: &[&str]) -> Vec<u8> {
    let tx = |change: &&str| {
        let mut tx = Vec::new();
        let fields = Fields::Trusting { sorted: true, made_at: 1.0, changes: change.as_bytes(), meta: None };
        fields.append_to(&mut tx).unwrap();
        tx
    };
    OwnedMessage {
        id: id.into(),
        header: Some(br#"{"type":"comap"}"#.to_vec()),
        delete_is_valid: false,
        chunk_threshold: 100.0,
        sessions: vec![OwnedSession {
            session: session.into(),
            after,
            last_signature: format!("signature_z{}", after as usize + changes.len()).into_bytes(),
            txs: changes.iter().map(tx).collect(),
        }],
    }
    .encode()
    .unwrap()
}

#[test]
fn stores_loads_and_reopens() {
    let dir = tempfile::tempdir().unwrap();
    let storage = NativeStorage::open(options(dir.path())).unwrap();
    assert_eq!(storage.store(&message("co_zA", "s_session_z1", 0, &["[1]", "[2]"])).unwrap(), None);
    assert_eq!(storage.store(&message("co_zA", "s_session_z1", 2, &["[3]"])).unwrap(), None);
    let gap = storage.store(&message("co_zA", "s_session_z1", 9, &["[4]"])).unwrap().unwrap();
    assert_eq!(decode_outcome(&gap).unwrap(), (StoreStatus::Gap, vec![3]));
    let before = storage.load(b"co_zA", 1e9).unwrap().unwrap();
    storage.close().unwrap();
    assert_eq!(storage.load(b"co_zA", 1e9).unwrap().unwrap(), before);
    assert_eq!(storage.stats().unwrap().replayed_records, 1.0, "a closed store replays only its snapshot");
    let loaded = decode_loaded(&before).unwrap();
    assert_eq!(loaded.header, br#"{"type":"comap"}"#);
    assert_eq!((loaded.sessions[0].counter, loaded.sessions[0].pieces.len()), (3, 1));
    let (signature, _) = loaded.sessions[0].pieces[0].content.clone().unwrap();
    assert_eq!(signature, b"signature_z3");
}

#[test]
fn a_batch_stops_where_a_correction_is_needed_or_a_message_fails() {
    let dir = tempfile::tempdir().unwrap();
    let storage = NativeStorage::open(options(dir.path())).unwrap();
    let batch = |messages: &[Vec<u8>]| {
        let mut out = (messages.len() as u32).to_le_bytes().to_vec();
        for m in messages {
            out.extend((m.len() as u32).to_le_bytes());
            out.extend(m);
        }
        out
    };
    let good = |n: u32| message("co_zA", "s", n, &["[]"]);
    let answer = storage.store_batch(&batch(&[good(0), good(1), good(5), good(2)])).unwrap();
    let answers = decode_answers(&answer).unwrap();
    assert_eq!(answers.len(), 3);
    assert!(answers[0].is_none() && answers[1].is_none());
    assert_eq!(decode_outcome(answers[2].unwrap()).unwrap(), (StoreStatus::Gap, vec![2]));
}

#[test]
fn handles_on_one_path_share_one_engine_and_the_strictest_level() {
    let dir = tempfile::tempdir().unwrap();
    let first = NativeStorage::open(options(dir.path())).unwrap();
    let strict = OpenOptions { durability: Some(Durability::Strict), ..options(&dir.path().join(".")) };
    let second = NativeStorage::open(strict).unwrap();
    first.store(&message("co_zA", "s", 0, &["[]"])).unwrap();
    assert!(second.load(b"co_zA", 0.0).unwrap().is_some());
    let before = second.stats().unwrap();
    assert_eq!((before.durability, before.co_values), (Durability::Strict, 1.0));
    first.store(&message("co_zB", "s", 0, &["[]"])).unwrap();
    assert!(second.stats().unwrap().syncs > before.syncs);
    first.close().unwrap();
    second.store(&message("co_zC", "s", 0, &["[]"])).unwrap();
    assert_eq!(first.co_value_count().unwrap(), 3.0);
}

#[test]
fn a_store_whose_directory_was_removed_is_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let old = NativeStorage::open(options(&path)).unwrap();
    old.store(&message("co_zA", "s", 0, &["[]"])).unwrap();
    std::fs::remove_dir_all(&path).unwrap();
    let new = NativeStorage::open(options(&path)).unwrap();
    assert_eq!(new.co_value_count().unwrap(), 0.0);
}

#[test]
fn bad_input_is_a_typed_error_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let code = |options: OpenOptions| NativeStorage::open(options).err().unwrap().code().as_str();
    assert_eq!(code(OpenOptions::default()), "INVALID_OPTION");
    assert_eq!(code(options(std::path::Path::new(""))), "INVALID_OPTION");
    assert_eq!(code(OpenOptions { cache_bytes: Some(1.0), ..options(dir.path()) }), "INVALID_OPTION");
    let file = dir.path().join("file");
    std::fs::write(&file, b"x").unwrap();
    assert_eq!(code(options(&file)), "NOT_A_DIRECTORY");
    assert_eq!(code(options(&file.join("below"))), "NOT_A_DIRECTORY");
    assert_eq!(code(options(dir.path())), "FOREIGN_DIRECTORY");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was added to a foreign directory");

    let storage = NativeStorage::open(options(&dir.path().join("store"))).unwrap();
    storage.store(&message("co_zA", "s", 0, &["[]"])).unwrap();
    let before = (storage.load(b"co_zA", 1e9).unwrap(), storage.co_value_count().unwrap());
    let good = message("co_zB", "s", 0, &["[]"]);
    for cut in 0..good.len() {
        assert_eq!(storage.store(&good[..cut]).unwrap_err().code().as_str(), "MALFORMED", "cut at {cut}");
    }
    assert_eq!(storage.store(&message("", "s", 0, &[])).unwrap_err().code().as_str(), "EMPTY_ID");
    assert_eq!(storage.load(b"", 0.0).unwrap_err().code().as_str(), "EMPTY_ID");
    assert_eq!((storage.load(b"co_zA", 1e9).unwrap(), storage.co_value_count().unwrap()), before);
    assert_eq!(storage.known_state(b"co_zUnknown").unwrap(), None);
    assert!(!storage.erase(b"co_zUnknown").unwrap());
}

#[test]
fn submitted_operations_keep_their_order_and_report_their_results() {
    let storage =
        NativeStorage::open(OpenOptions { durability: Some(Durability::Memory), ..OpenOptions::default() })
            .unwrap();
    let (sender, results) = channel();
    for n in 0..50 {
        let (sender, bytes) = (sender.clone(), message("co_zA", "s", n, &["[]"]));
        storage.store_async(&bytes).then(move |r| sender.send(r.map(|o| (n, o.is_none()))).unwrap());
    }
    let got: Vec<_> = results.iter().take(50).map(Result::unwrap).collect();
    assert_eq!(got, (0..50).map(|n| (n, true)).collect::<Vec<_>>());
    let ids = storage.co_value_ids(10.0, 0.0).unwrap();
    assert_eq!(decode_ids(&ids).unwrap(), [b"co_zA"]);
}

#[test]
fn ten_thousand_sessions_and_a_transaction_of_100_megabytes_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let storage = NativeStorage::open(options(dir.path())).unwrap();
    let tx = |changes: &[u8]| {
        let mut tx = Vec::new();
        Fields::Trusting { sorted: true, made_at: 1.0, changes, meta: None }.append_to(&mut tx).unwrap();
        tx
    };
    let session = |n: usize| OwnedSession {
        session: format!("co_zMe_session_z{n}").into_bytes(),
        after: 0,
        last_signature: format!("signature_z{n}").into_bytes(),
        txs: vec![tx(b"[]")],
    };
    let wide = OwnedMessage {
        id: b"co_zWide".to_vec(),
        header: Some(b"{}".to_vec()),
        delete_is_valid: false,
        chunk_threshold: 1e5,
        sessions: (0..10_000).map(session).collect(),
    };
    assert_eq!(storage.store(&wide.encode().unwrap()).unwrap(), None);
    let large = OwnedMessage {
        id: b"co_zLarge".to_vec(),
        sessions: vec![OwnedSession { txs: vec![tx(&vec![b'x'; 100 << 20])], ..session(0) }],
        ..wide.clone()
    };
    assert_eq!(storage.store(&large.encode().unwrap()).unwrap(), None);
    storage.close().unwrap();
    let loaded = decode_loaded(&storage.load(b"co_zWide", 1e9).unwrap().unwrap()).unwrap();
    assert_eq!(loaded.sessions.len(), 10_000);
    for (n, session) in loaded.sessions.iter().enumerate() {
        assert_eq!(session.session, format!("co_zMe_session_z{n}").into_bytes(), "sessions keep their order");
    }
    let loaded = decode_loaded(&storage.load(b"co_zLarge", 0.0).unwrap().unwrap()).unwrap();
    let (_, txs) = loaded.sessions[0].pieces[0].content.clone().unwrap();
    assert_eq!(txs, large.sessions[0].txs[0]);
}

#[test]
fn options_of_memory_are_checked_and_reach_the_engine() {
    let set = |delta_bytes, buffer_bytes| OpenOptions {
        durability: Some(Durability::Memory),
        delta_bytes,
        buffer_bytes,
        ..OpenOptions::default()
    };
    let (kib, mib) = (1024.0, 1024.0 * 1024.0);
    for (option, options) in [
        ("deltaBytes", set(Some(16.0 * kib - 1.0), None)),
        ("deltaBytes", set(Some(256.0 * mib + 1.0), None)),
        ("deltaBytes", set(Some(-1.0), None)),
        ("deltaBytes", set(Some(20_000.5), None)),
        ("deltaBytes", set(Some(f64::NAN), None)),
        ("bufferBytes", set(None, Some(f64::INFINITY))),
        ("bufferBytes", set(None, Some(256.0 * kib - 1.0))),
        ("bufferBytes", set(None, Some(1024.0 * mib + 1.0))),
    ] {
        let refused = NativeStorage::open(options).err();
        assert!(
            matches!(&refused, Some(Error::InvalidOption { option: o, .. }) if *o == option),
            "{refused:?}"
        );
    }
    let engine = set(Some(16.0 * kib), Some(256.0 * kib)).store_options().engine;
    assert_eq!((engine.checkpoint_rows, engine.buffer_bytes), (16 * 1024 / 120, 256 * 1024));
    let storage = NativeStorage::open(set(Some(16.0 * kib), Some(256.0 * kib))).unwrap();
    for n in 0..400 {
        storage.store(&message(&format!("co_z{n}"), "s", 0, &["[]"])).unwrap();
        assert!(storage.stats().unwrap().delta_rows <= 4.0 * 136.0 + 4.0);
    }
    storage.compact().unwrap();
    let stats = storage.stats().unwrap();
    assert!(stats.checkpoints >= 2.0 && stats.merges >= 1.0 && stats.bytes_rewritten > 0.0, "{stats:?}");
    assert_eq!((stats.layers, stats.stalled, stats.dead_bytes), (1, None, 0.0));
}

#[test]
fn backups_by_path_are_made_restored_and_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let storage = NativeStorage::open(options(&dir.path().join("store"))).unwrap();
    storage.store(&message("co_zA", "s", 0, &["[1]"])).unwrap();
    let loaded = storage.load(b"co_zA", 1e9).unwrap();
    let places = [BackupLocation::file(at("backups/a.jazzbak")), BackupLocation::directory(at("backups/a"))];
    for (n, place) in places.iter().enumerate() {
        let task = StorageTask::default();
        task.cancel();
        assert_eq!(storage.backup(place.clone(), &task).unwrap_err().code(), ErrorCode::Cancelled);
        assert_eq!(std::fs::read_dir(at("backups")).unwrap().count(), n, "nothing is left of it");
        let task = StorageTask::default();
        let made = storage.backup(place.clone(), &task).unwrap();
        assert_eq!(task.progress(), TaskProgress { done: made.bytes, total: made.bytes });
        assert_eq!(storage.backup(place.clone(), &task).unwrap_err().code(), ErrorCode::TargetExists);

        let to = at(&format!("restored-{n}"));
        let task = StorageTask::default();
        task.cancel();
        assert_eq!(
            restore_backup(place.clone(), to.clone(), &task).unwrap_err().code(),
            ErrorCode::Cancelled
        );
        assert!(!std::path::Path::new(&to).exists(), "the directory was not there before");
        restore_backup(place.clone(), to.clone(), &StorageTask::default()).unwrap();
        let over = restore_backup(place.clone(), to.clone(), &StorageTask::default());
        assert_eq!(over.unwrap_err().code(), ErrorCode::TargetExists);
        let restored = NativeStorage::open(options(std::path::Path::new(&to))).unwrap();
        assert_eq!(restored.load(b"co_zA", 1e9).unwrap(), loaded);
        restored.store(&message("co_zA", "s", 1, &["[2]"])).unwrap();
    }
    // The store that was copied, which is open, and things that are no backups.
    let code = |place: BackupLocation| {
        restore_backup(place, at("other"), &StorageTask::default()).unwrap_err().code()
    };
    assert_eq!(code(BackupLocation::directory(at("store"))), ErrorCode::Locked);
    assert_eq!(code(BackupLocation::directory(at("backups"))), ErrorCode::NotABackup);
    assert_eq!(code(BackupLocation::file(at("store/MANIFEST-1"))), ErrorCode::NotABackup);
    assert_eq!(code(BackupLocation::file(at("nothing"))), ErrorCode::Io);
    let both = BackupLocation { directory: Some(at("other")), ..BackupLocation::file(at("other")) };
    for place in [
        BackupLocation::file(""),
        BackupLocation::file(at("a:b")),
        BackupLocation::directory("\0"),
        BackupLocation::default(),
        both,
    ] {
        assert_eq!(code(place.clone()), ErrorCode::InvalidOption);
        assert_eq!(
            storage.backup(place, &StorageTask::default()).unwrap_err().code(),
            ErrorCode::InvalidOption
        );
    }
    assert!(!std::path::Path::new(&at("other")).exists());
}

#[test]
fn upkeep_does_not_hold_up_stores() {
    let storage =
        NativeStorage::open(OpenOptions { durability: Some(Durability::Memory), ..OpenOptions::default() })
            .unwrap();
    let (begun, ready) = channel::<()>();
    let wait = move |_: &NativeStorage| {
        // Ends only when the store that is submitted after it is done.
        ready.recv_timeout(Duration::from_secs(20)).map_err(|_| Error::Internal("held up".into()))
    };
    let finished = storage.queue(Lane::Upkeep, wait);
    settled(storage.store_async(&message("co_zA", "s", 0, &["[1]"]))).unwrap();
    begun.send(()).unwrap();
    settled(finished).unwrap();
}

#[test]
fn changes_submitted_together_share_syncs_and_complete_in_order_when_they_are_durable() {
    const STORES: usize = 200;
    let dir = tempfile::tempdir().unwrap();
    let strict = OpenOptions { durability: Some(Durability::Strict), ..options(dir.path()) };
    let storage = NativeStorage::open(strict.clone()).unwrap();
    let (sender, receiver) = channel();
    for n in 0..STORES {
        let (bytes, sender) = (message(&format!("co_z{n}"), "s", 0, &["[1]"]), sender.clone());
        storage.store_async(&bytes).then(move |stored| sender.send((n, stored.is_ok())).unwrap());
    }
    let stats = storage.stats_async();
    // What comes after closing waits for nothing, and still completes last.
    storage.close_async().then(move |done| sender.send((STORES, done.is_ok())).unwrap());
    let done: Vec<(usize, bool)> = receiver.iter().collect();
    assert_eq!(done, (0..=STORES).map(|n| (n, true)).collect::<Vec<_>>());
    let syncs = settled(stats).unwrap().syncs;
    assert!(syncs < STORES as f64 / 2.0, "{syncs} syncs");
    let alone = NativeStorage::open(strict).unwrap();
    for n in 0..10 {
        alone.store(&message("co_zAlone", "s", n, &["[1]"])).unwrap();
        assert_eq!(alone.stats().unwrap().syncs, f64::from(n + 1), "a call by itself waits for its sync");
    }
}

#[test]
fn a_change_that_none_is_queued_behind_wakes_no_other_thread_for_its_sync() {
    let dir = tempfile::tempdir().unwrap();
    let strict = OpenOptions { durability: Some(Durability::Strict), ..options(dir.path()) };
    let storage = NativeStorage::open(strict).unwrap();
    for n in 0..20 {
        let (sender, receiver) = channel();
        storage.store_async(&message("co_zA", "s", n, &["[1]"])).then(move |stored| {
            let thread = std::thread::current().name().map(str::to_owned);
            sender.send((stored.is_ok(), thread)).unwrap();
        });
        let (stored, thread) = receiver.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(stored);
        // On this one, if it was done before anybody asked.
        assert_ne!(thread.as_deref(), Some("jazz-storage-done"));
        assert_eq!(settled(storage.stats_async()).unwrap().syncs, f64::from(n + 1));
    }
}

/// A batch that follows needs what came before it to be stored, and that is so before it is synced.
#[test]
fn a_batch_that_follows_is_stored_before_the_sync_of_the_one_before_it_and_fails_with_it() {
    use crate::file::{Failure, FaultFileIO, Loss};
    let strict = OpenOptions { durability: Some(Durability::Strict), ..OpenOptions::default() };
    let batch = |id: &str, follows: u32| {
        let messages = vec![Some(message(id, "s", 0, &["[1]"])), Some(message(id, "s", 1, &["[2]"]))];
        let mut bytes = wire::encode_answers(&messages).unwrap();
        bytes[3] |= (follows >> 24) as u8;
        bytes
    };
    let io = FaultFileIO::new();
    let store = Shared::open(io.clone(), &strict).unwrap();
    let storage = NativeStorage::over(strict.clone(), std::sync::Arc::new(store));
    // Until it is let go on, nothing is synced.
    let (go_on, gate) = channel::<()>();
    let held = storage.queue(Lane::Completion, move |_| {
        gate.recv().unwrap();
        Ok(())
    });
    let first = storage.store_batch_async(&batch("co_z1", 0));
    let second = storage.store_batch_async(&batch("co_z2", BATCH_FOLLOWS));
    let begun = std::time::Instant::now();
    while storage.known_state(b"co_z2").unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the second one waits for the sync of the first");
        std::thread::yield_now();
    }
    assert_eq!(io.stats().syncs, syncs_of_opening(&strict));
    io.fail_after(0, Failure::Device);
    go_on.send(()).unwrap();
    settled(held).unwrap();
    assert_eq!(settled(first).unwrap_err().code(), ErrorCode::Io);
    assert!(matches!(settled(second), Err(Error::Latched { cause }) if cause.code() == ErrorCode::Io));
    // What comes now follows on something that was stored, and is refused all the same.
    let third = settled(storage.store_batch_async(&batch("co_z3", BATCH_FOLLOWS)));
    assert_eq!(third.unwrap_err().code(), ErrorCode::Latched);
    let mut found = std::collections::BTreeSet::new();
    let losses = (0..6).flat_map(|n| [Loss::Some(n), Loss::Tail(n)]);
    for loss in [Loss::Nothing, Loss::Everything].into_iter().chain(losses) {
        let reopened = Shared::open(io.restarted(loss), &strict).unwrap();
        let counts = ["co_z1", "co_z2", "co_z3"].map(|id| {
            let known = reopened.known_state(&CoValueId::from(id)).unwrap();
            known.map_or(0, |known| known.sessions[0].1)
        });
        assert!([[0, 0, 0], [1, 0, 0], [2, 0, 0], [2, 1, 0], [2, 2, 0]].contains(&counts), "{counts:?}");
        found.insert(counts);
    }
    assert!(found.contains(&[0, 0, 0]) && found.contains(&[2, 2, 0]), "{found:?}");
}

/// How many syncs opening a new store takes.
fn syncs_of_opening(options: &OpenOptions) -> u64 {
    let io = crate::file::FaultFileIO::new();
    let _store = Shared::open(io.clone(), options).unwrap();
    io.stats().syncs
}

/// What was done already is answered without being done again; the answer promises the same.
#[test]
fn what_is_answered_as_stored_is_durable_even_if_an_earlier_call_stored_it() {
    use crate::file::{FaultFileIO, Loss};
    let bytes = message("co_zA", "s_session_z1", 0, &["[1]"]);
    let key = CoValueId::from("co_zA");
    type Answer<'a> = (&'a str, &'a dyn Fn(&dyn Backing));
    let answers: [Answer<'_>; 3] = [
        ("store", &|store| {
            store.store(&wire::decode_message(&bytes).unwrap()).unwrap();
        }),
        ("untrack", &|store| store.stop_tracking(&key).unwrap()),
        ("erase", &|store| assert!(store.erase(&key).unwrap())),
    ];
    let strict = OpenOptions { durability: Some(Durability::Strict), ..OpenOptions::default() };
    for (what, answer) in answers {
        let io = FaultFileIO::new();
        let shared = Shared::open(io.clone(), &OpenOptions::default()).unwrap();
        shared.store(&wire::decode_message(&bytes).unwrap()).unwrap();
        let peer = PeerId::from("peer");
        shared.track_sync_state(&[rows::SyncStateUpdate { id: key.clone(), peer, synced: false }]).unwrap();
        shared.stop_tracking(&key).unwrap();
        if what == "erase" {
            shared.erase(&key).unwrap();
        }
        shared.make_strict();
        answer(&shared);
        shared.ticket().unwrap()().unwrap();
        let reopened = Shared::open(io.restarted(Loss::Everything), &strict).unwrap();
        let everything = |store: &dyn Backing| {
            (store.load_encoded(b"co_zA", u64::MAX).unwrap(), store.unsynced_ids().unwrap())
        };
        assert_eq!(everything(&reopened), everything(&shared), "{what}");
    }
}

#[test]
fn a_store_is_verified_and_a_damaged_one_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap().to_owned();
    let storage = NativeStorage::open(options(dir.path())).unwrap();
    for n in 0..20 {
        storage.store(&message("co_zA", "s_session_z1", n, &[&format!("[\"needle {n}\"]")])).unwrap();
    }
    storage.store(&message("co_zB", "s_session_z1", 0, &["[1]"])).unwrap();
    assert_eq!(storage.verify(&StorageTask::default()).unwrap().damage, []);
    assert_eq!(repair(path.clone(), &StorageTask::default()).unwrap_err().code(), ErrorCode::Locked);
    storage.close().unwrap();
    let pack = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let pack = pack.into_iter().find(|path| path.extension().is_some_and(|e| e == "dat")).unwrap();
    let mut bytes = std::fs::read(&pack).unwrap();
    let at = bytes.windows(9).position(|window| window == b"needle 15").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&pack, bytes).unwrap();
    let report = NativeStorage::open(options(dir.path())).unwrap().verify(&StorageTask::default()).unwrap();
    let [damage] = &report.damage[..] else { panic!("{report:?}") };
    assert_eq!(damage.co_values, ["co_zA"]);
    assert!(pack.ends_with(&damage.file));
    let storage = NativeStorage::open(options(dir.path())).unwrap();
    let refused = storage.load(b"co_zA", 1e9).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Corrupt);
    assert!(refused.to_string().contains("co_zA") && refused.to_string().contains(&damage.file), "{refused}");
    drop(storage);

    let task = StorageTask::default();
    task.cancel();
    assert_eq!(repair(path.clone(), &task).unwrap_err().code(), ErrorCode::Cancelled);
    let report = repair(path.clone(), &StorageTask::default()).unwrap();
    assert_eq!(report.damage.len(), 1);
    let [lost] = &report.lost[..] else { panic!("{report:?}") };
    assert_eq!(lost.co_value.as_deref(), Some("co_zA"));
    assert_eq!(lost.kept + lost.lost, 20);
    assert!(dir.path().join(report.set_aside.unwrap()).exists());
    let storage = NativeStorage::open(options(dir.path())).unwrap();
    assert!(storage.load(b"co_zB", 1e9).unwrap().is_some());
    assert_eq!(storage.verify(&StorageTask::default()).unwrap().damage, []);
    // What is missing is stored again, from where the store says that it stands.
    let known = storage.known_state(b"co_zA").unwrap();
    let stands =
        known.map_or(0, |known| wire::decode_known_state(&known).unwrap().first().map_or(0, |s| s.1));
    assert_eq!(stands, lost.kept);
    assert_eq!(storage.store(&message("co_zA", "s_session_z1", stands, &["[2]"])).unwrap(), None);
    assert_eq!(
        repair(dir.path().join("nothing").display().to_string(), &StorageTask::default()).unwrap_err().code(),
        ErrorCode::Io
    );
}

#[test]
fn known_states_and_sync_states_cross_as_objects_too() {
    let dir = tempfile::tempdir().unwrap();
    let storage = NativeStorage::open(options(dir.path())).unwrap();
    storage.store(&message("co_zA", "s1", 0, &["[]", "[]"])).unwrap();
    storage.store(&message("co_zA", "s2", 0, &["[]"])).unwrap();
    let states = storage.known_states(vec!["co_zA".into(), "co_zUnknown".into()]).unwrap();
    let counter = |session: &str, count| SessionCounter { session: session.into(), count };
    let sessions = vec![counter("s1", 2), counter("s2", 1)];
    assert_eq!(states[0], KnownState { id: "co_zA".into(), header: true, sessions });
    assert_eq!(states[1], KnownState { id: "co_zUnknown".into(), header: false, sessions: vec![] });
    assert_eq!(storage.known_states(vec![String::new()]).unwrap_err().code(), ErrorCode::EmptyId);

    let update = |peer: &str, synced| SyncStateUpdate { co_value: "co_zA".into(), peer: peer.into(), synced };
    storage.update_sync_states(vec![update("p1", false), update("p2", false), update("p1", true)]).unwrap();
    assert_eq!(decode_ids(&storage.unsynced_ids().unwrap()).unwrap(), [b"co_zA"]);
    let refused = storage.update_sync_states(vec![update("p2", true), update("", true)]);
    assert_eq!(refused.unwrap_err().code(), ErrorCode::EmptyId);
    assert_eq!(decode_ids(&storage.unsynced_ids().unwrap()).unwrap(), [b"co_zA"], "nothing was changed");
    storage.update_sync_states(vec![update("p2", true)]).unwrap();
    assert_eq!(decode_ids(&storage.unsynced_ids().unwrap()).unwrap(), [b"" as &[u8]; 0]);
}

struct Told(Mutex<Sender<StorageEvent>>);

impl EventListener for Told {
    fn on_event(&self, event: StorageEvent) {
        self.0.lock().unwrap().send(event).unwrap();
    }
}

#[test]
fn a_listener_is_told_of_damage_that_stops_merging_and_another_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let storage = NativeStorage::open(options(dir.path())).unwrap();
    for n in 0..20 {
        storage.store(&message("co_zA", "s_session_z1", n, &["[]"])).unwrap();
    }
    storage.close().unwrap();
    let run = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let run = run.into_iter().find(|path| path.extension().is_some_and(|e| e == "idx")).unwrap();
    let mut bytes = std::fs::read(&run).unwrap();
    bytes[10] ^= 1;
    std::fs::write(&run, bytes).unwrap();

    let (sender, receiver) = channel();
    storage.on_event(Box::new(Told(Mutex::new(sender)))).unwrap();
    storage.store(&message("co_zB", "s_session_z1", 0, &["[]"])).unwrap();
    assert_eq!(storage.compact().unwrap_err().code(), ErrorCode::Corrupt);
    let event = receiver.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!((event.kind, event.code), (EventKind::Stalled, Some(ErrorCode::Corrupt)));
    assert_eq!(event.message, storage.stats().unwrap().stalled);
    let (sender, late) = channel();
    let other = NativeStorage::open(options(dir.path())).unwrap();
    other.on_event(Box::new(Told(Mutex::new(sender)))).unwrap();
    assert_eq!(late.recv_timeout(Duration::from_secs(60)).unwrap(), event);
    assert!(receiver.try_recv().is_err(), "each is told once");
}
