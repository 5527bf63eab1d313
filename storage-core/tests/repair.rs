//! Verifying and repairing: an intact store has nothing wrong, also while it is written to; whatever is damaged is found,
//! with the CoValues concerned; and a repaired store opens, has nothing wrong, holds of every session what it had up to
//! some signature, and says what it does not hold any more.
//!
//! `JAZZ_REPAIR_ROUNDS` and `JAZZ_REPAIR_SEED` make more and other rounds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod workload;

use jazz_storage_core::engine::repair::Repaired;
use jazz_storage_core::engine::{Durability, EngineOptions};
use jazz_storage_core::engine::{MaintainedBy, check::Verified};
use jazz_storage_core::file::{FaultFileIO, FileIO, InMemoryFileIO, Loss};
use jazz_storage_core::store::rows::{CoValueId, SessionId};
use jazz_storage_core::store::{BfTreeStorage, ContentStore, StorageBackend, StoreOptions};
use jazz_storage_core::{Error, Result};
use std::collections::BTreeMap;
use workload::random::{Random, setting};
use workload::{Part, content as content_of, copy, message, read_file, step, store, write_file};

type Store<F = InMemoryFileIO> = BfTreeStorage<F>;

fn options() -> StoreOptions {
    let engine = EngineOptions {
        checkpoint_rows: 1_000_000,
        reserve_bytes: 0,
        background_sync: false,
        maintained_by: MaintainedBy::Commits,
        ..EngineOptions::default()
    };
    StoreOptions { durability: Durability::Relaxed, engine }
}

fn verify<F: FileIO>(storage: &Store<F>) -> Verified {
    storage.verify(&mut |_| true).unwrap()
}

fn repair(io: &InMemoryFileIO) -> Result<Repaired> {
    Store::<InMemoryFileIO>::repair(io.clone(), options(), &mut |_| true)
}

/// A session: its transactions, and the signatures that are known by the number of transactions before them.
type Session = (Vec<Vec<u8>>, BTreeMap<u32, Vec<u8>>);

/// What a store holds: header and sessions by id, in order.
type Content = Vec<(CoValueId, Vec<u8>, Vec<(SessionId, Session)>)>;

fn content<F: FileIO>(storage: &Store<F>) -> Content {
    let ids = storage.covalue_ids(u32::MAX, 0).unwrap();
    assert_eq!(ids.len() as u64, storage.covalue_count().unwrap());
    let covalue = |(place, id): (usize, CoValueId)| {
        let row = storage.get_covalue(&id).unwrap().unwrap();
        assert_eq!(row.row_id.0, place as u64 + 1, "row numbers are places in the order of creation");
        let sessions = storage.get_covalue_sessions(row.row_id).unwrap().into_iter().map(|session| {
            let txs = storage.get_new_transactions_in_session(session.row_id, 0, u32::MAX).unwrap();
            assert_eq!(txs.len(), session.last_idx as usize);
            let chunks = storage.get_signatures(session.row_id, 0).unwrap();
            let mut signatures: BTreeMap<u32, Vec<u8>> =
                chunks.into_iter().map(|c| (c.idx + 1, c.signature.as_bytes().to_vec())).collect();
            signatures.insert(session.last_idx, session.last_signature.as_bytes().to_vec());
            (session.session_id, (txs.into_iter().map(|tx| tx.tx).collect(), signatures))
        });
        let sessions = sessions.collect();
        // Also as a node loads it.
        storage.load(id.as_bytes(), u64::MAX).unwrap().unwrap();
        (id, row.header, sessions)
    };
    ids.into_iter().enumerate().map(covalue).collect()
}

/// A store with layers, packs, an active segment with records of every kind, and something erased.
fn sample() -> (InMemoryFileIO, Content, String) {
    sample_of(options())
}

/// As [`sample`], but segments of the log are part of its layers, beside packs: of all records only those stay there that something erased is not in.
fn sample_with_segments() -> (InMemoryFileIO, Content, String) {
    let mut options = options();
    options.engine.large_bytes = 1;
    let sample = sample_of(options);
    let count = |kind: &str| sample.0.list().unwrap().iter().filter(|name| name.starts_with(kind)).count();
    assert!(count("segment-") > 3 && count("pack-") > 0, "{:?}", sample.0.list().unwrap());
    sample
}

fn sample_of(options: StoreOptions) -> (InMemoryFileIO, Content, String) {
    let io = InMemoryFileIO::new();
    let storage = Store::open(io.clone(), options).unwrap();
    for n in 0..130 {
        step(&storage, n).unwrap();
        if n % 30 == 29 {
            storage.checkpoint().unwrap();
        }
    }
    // A session in many records, of which several lie in one pack.
    for n in 0..40 {
        store(&storage, &message(20, 1, n, 1));
        if n == 25 {
            storage.checkpoint().unwrap();
        }
    }
    storage.flush().unwrap();
    let content = content(&storage);
    let small = format!("{:?} {:?}", storage.unsynced_ids().unwrap(), storage.pending_deletions().unwrap());
    let io = copy(&io);
    drop(storage);
    (io, content, small)
}

#[test]
fn an_intact_store_has_nothing_wrong_and_repairing_it_changes_nothing() {
    nothing_is_wrong(sample());
    nothing_is_wrong(sample_with_segments());
}

fn nothing_is_wrong((io, expected, small): (InMemoryFileIO, Content, String)) {
    let storage = Store::open(copy(&io), options()).unwrap();
    let mut last = 0;
    let report = storage
        .verify(&mut |progress| {
            assert!(progress.done >= last && progress.done <= progress.total);
            last = progress.done;
            true
        })
        .unwrap();
    assert_eq!(report.damage, []);
    assert_eq!(report.covalues, expected.len() as u64);
    let transactions: usize = expected.iter().flat_map(|(.., s)| s).map(|(_, (txs, _))| txs.len()).sum();
    assert_eq!(report.transactions, transactions as u64);
    assert!(report.records > 20 && report.rows > 20 && report.bytes > 5_000 && last > 0, "{report:?}");

    let repaired = copy(&io);
    let report = repair(&repaired).unwrap();
    assert_eq!((report.damage, report.lost, report.set_aside), (vec![], vec![], None));
    assert_eq!(report.covalues, expected.len() as u64);
    let storage = Store::open(repaired, options()).unwrap();
    assert_eq!(content(&storage), expected);
    assert_eq!(
        format!("{:?} {:?}", storage.unsynced_ids().unwrap(), storage.pending_deletions().unwrap()),
        small
    );
    assert_eq!(verify(&storage).damage, []);
    // It goes on, and so do its numbers.
    store(&storage, &message(77, 1, 0, 2));
    storage.compact().unwrap();
    assert_eq!(content(&storage).len(), expected.len() + 1);
    assert_eq!(verify(&storage).damage, []);
}

#[test]
fn a_store_is_verified_while_it_is_written_to() {
    let engine = EngineOptions { checkpoint_rows: 40, ..EngineOptions::default() };
    let options = StoreOptions { durability: Durability::Relaxed, engine };
    let storage = Store::open(InMemoryFileIO::new(), options).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..2_000 {
                step(&storage, n).unwrap();
            }
        });
        let mut verified = 0;
        while !writer.is_finished() || verified == 0 {
            assert_eq!(verify(&storage).damage, []);
            verified += 1;
        }
        writer.join().unwrap();
    });
    assert_eq!(verify(&storage).damage, []);
}

#[test]
fn a_verification_and_a_repair_can_be_cancelled() {
    let (io, expected, _) = sample();
    let storage = Store::open(io.clone(), options()).unwrap();
    assert!(matches!(storage.verify(&mut |_| false), Err(Error::Cancelled)));
    drop(storage);
    let cancelled = Store::<InMemoryFileIO>::repair(io.clone(), options(), &mut |_| false);
    assert!(matches!(cancelled, Err(Error::Cancelled)));
    assert_eq!(content(&Store::open(io, options()).unwrap()), expected);
}

/// Compares what a repaired store holds with what it had, and the report with the difference.
///
/// `tail`: the end of the log was damaged, where records may be taken for a write that was torn.
fn compare(expected: &Content, got: &Content, report: &Repaired, tail: bool, context: &str) {
    let excused = tail || !report.damage.is_empty();
    let mut lost = 0;
    let mut rest = got.iter();
    for (id, header, sessions) in expected {
        let Some((_, got_header, got_sessions)) = got.iter().find(|(other, ..)| other == id) else {
            let named = report.covalues_lost.iter().flatten().any(|lost| lost == id.as_bytes());
            assert!(named || report.covalues_lost.contains(&None) || excused, "{context}: {id:?} is gone");
            lost += sessions.len();
            continue;
        };
        // What is left is in the order of creation.
        assert!(rest.any(|(other, ..)| other == id), "{context}: {id:?} is out of order");
        assert_eq!(header, got_header, "{context}: {id:?}");
        let mut after = got_sessions.iter();
        for (session, (txs, signatures)) in sessions {
            let found = got_sessions.iter().find(|(other, _)| other == session);
            let kept = found.map_or(0, |(_, (txs, _))| txs.len());
            if let Some((_, (got_txs, got_signatures))) = found {
                assert!(after.any(|(other, _)| other == session), "{context}: {session:?} is out of order");
                assert_eq!(got_txs[..], txs[..kept], "{context}: {id:?} {session:?}");
                for (count, signature) in got_signatures {
                    let known = signatures.get(count);
                    assert!(known.is_none_or(|known| known == signature), "{context}: {id:?} {session:?}");
                }
            }
            if kept < txs.len() {
                let told = report.lost.iter().any(|entry| {
                    entry.covalue.as_deref() == Some(id.as_bytes())
                        && entry.lost.kept as usize == kept
                        && entry.lost.kept + entry.lost.lost == txs.len() as u32
                });
                // What was only in the log is not in the index, so nobody knows what is missing.
                assert!(told || excused, "{context}: {id:?} {session:?}: {report:?}");
                lost += 1;
            }
        }
    }
    assert!(got.iter().all(|(id, ..)| expected.iter().any(|(other, ..)| other == id)), "{context}");
    assert!(lost == 0 || excused, "{context}: {report:?}");
}

/// Damages a store, and repairs it.
fn round(io: &InMemoryFileIO, expected: &Content, name: &str, bytes: Option<&[u8]>, context: &str) -> bool {
    let damaged = copy(io);
    match bytes {
        Some(bytes) => write_file(&damaged, name, bytes),
        None => damaged.remove(name).unwrap(),
    }
    // What a verification of the damaged store says.
    let found = Store::open(copy(&damaged), options()).map(|storage| verify(&storage).damage);
    let report = repair(&damaged).unwrap_or_else(|e| panic!("{context}: {e}"));
    let storage = Store::open(damaged.clone(), options()).unwrap_or_else(|e| panic!("{context}: {e}"));
    let got = content(&storage);
    let last_segment = io.list().unwrap().into_iter().filter(|name| name.starts_with("segment-")).max();
    compare(expected, &got, &report, last_segment.as_deref() == Some(name), context);
    let whole = got == *expected;
    match found {
        // Records of the log that were cut off at opening are gone without being damage.
        Ok(damage) if damage.is_empty() => {}
        Ok(damage) => assert!(!report.damage.is_empty(), "{context}: {damage:?}"),
        Err(e) => {
            assert!(matches!(e, Error::Corrupt { .. }), "{context}: {e}");
            assert!(!report.damage.is_empty(), "{context}: {e}, but {report:?}");
        }
    }
    let again = verify(&storage);
    let index =
        again.damage.iter().find(|damage| damage.file.starts_with("run-") || !damage.covalues.is_empty());
    assert_eq!(index, None, "{context}: after the repair");
    // It goes on: the node stores again what is missing, and something new.
    store(&storage, &message(78, 1, 0, 2));
    storage.compact().unwrap();
    let after = content(&storage);
    assert_eq!(after[..got.len()], got[..], "{context}: after going on");
    // What was damaged and is not needed goes with the next compaction.
    assert_eq!(verify(&storage).damage, [], "{context}: after compacting");
    drop(storage);
    assert_eq!(content(&Store::open(damaged, options()).unwrap()), after, "{context}: reopened");
    whole
}

#[test]
fn whatever_is_damaged_is_found_and_repaired_to_the_last_good_signatures() {
    whatever_is_damaged(sample());
}

#[test]
fn whatever_is_damaged_beside_segments_that_were_kept_is_found_and_repaired() {
    whatever_is_damaged(sample_with_segments());
}

fn whatever_is_damaged((io, expected, _): (InMemoryFileIO, Content, String)) {
    let (rounds, seed) = (setting("JAZZ_REPAIR_ROUNDS", 300), setting("JAZZ_REPAIR_SEED", 1));
    let mut random = Random(seed);
    let names: Vec<String> = io.list().unwrap().into_iter().filter(|n| n != "LOCK" && n != "OWNER").collect();
    let (mut whole, mut kinds) = (0, BTreeMap::<String, u64>::new());
    for n in 0..rounds {
        let name = &names[random.place(names.len())];
        let mut bytes = read_file(&io, name);
        let at = random.place(bytes.len());
        let len = 1 + random.place((bytes.len() - at).min(600));
        let what = match random.place(5) {
            0 | 1 => {
                bytes[at] ^= 1 << (n % 8);
                "flipped"
            }
            2 => {
                bytes[at..at + len].fill(0);
                "zeroed"
            }
            3 => {
                bytes.truncate(at);
                "cut"
            }
            _ => {
                let noise: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
                bytes[at..at + len].copy_from_slice(&noise);
                "noise"
            }
        };
        let context = format!("JAZZ_REPAIR_SEED={seed}, round {n}: {name} {what} at {at} ({len})");
        whole += u64::from(round(&io, &expected, name, Some(&bytes), &context));
        *kinds.entry(name.split('-').next().unwrap_or_default().to_owned()).or_default() += 1;
    }
    println!("{rounds} repairs, {whole} of them without any loss, {kinds:?} (JAZZ_REPAIR_SEED={seed})");
    for name in &names {
        round(&io, &expected, name, None, &format!("{name} removed"));
    }
    assert!(whole > rounds / 5 && (rounds < 50 || whole < rounds), "{whole} of {rounds} without loss");
}

#[test]
fn without_manifests_and_runs_everything_is_made_anew_from_the_log() {
    everything_is_made_anew(sample());
    everything_is_made_anew(sample_with_segments());
}

fn everything_is_made_anew((io, expected, small): (InMemoryFileIO, Content, String)) {
    for name in io.list().unwrap() {
        if name.starts_with("run-") || name.starts_with("MANIFEST") {
            io.remove(&name).unwrap();
        }
    }
    assert!(matches!(Store::open(copy(&io), options()).err(), Some(Error::Corrupt { .. })));
    let report = repair(&io).unwrap();
    assert_eq!(report.lost, []);
    let storage = Store::open(io, options()).unwrap();
    assert_eq!(content(&storage), expected);
    assert_eq!(
        format!("{:?} {:?}", storage.unsynced_ids().unwrap(), storage.pending_deletions().unwrap()),
        small
    );
    assert_eq!(verify(&storage).damage, []);
}

/// Of a segment that was kept it is known what is older and what is newer than the packs, though all of it was in the log.
#[test]
fn what_was_erased_stays_erased_and_what_came_after_is_kept_whatever_is_made_anew_from_a_kept_segment() {
    let mut options = options();
    options.engine.large_bytes = 1000;
    let large = |id| content_of(id, &[Part { session: 1, after: 0, count: 1, size: 4000 }], false);
    let erase = |storage: &Store, id: &str| {
        assert!(storage.erase_covalue_but_keep_tombstone(&CoValueId::from(id)).unwrap());
    };
    for erased_later in [true, false] {
        let io = InMemoryFileIO::new();
        let storage = Store::open(io.clone(), options.clone()).unwrap();
        (1..4).for_each(|id| store(&storage, &large(id)));
        if erased_later {
            storage.checkpoint().unwrap();
        }
        erase(&storage, "co_z1");
        if !erased_later {
            storage.checkpoint().unwrap();
        }
        store(&storage, &message(1, 2, 0, 1));
        storage.checkpoint().unwrap();
        let segments = io.list().unwrap().iter().filter(|name| name.starts_with("segment-")).count();
        assert_eq!(segments, 2, "one kept and the active one");
        let expected = content(&storage);
        assert_eq!(expected[0].2.len(), 1, "what was erased is gone");
        for manifests in [true, false] {
            let damaged = copy(&io);
            for name in io.list().unwrap() {
                if name.starts_with("run-") || (!manifests && name.starts_with("MANIFEST")) {
                    damaged.remove(&name).unwrap();
                }
            }
            assert_eq!(repair(&damaged).unwrap().lost, []);
            let repaired = content(&Store::open(damaged, options.clone()).unwrap());
            assert_eq!(repaired, expected, "erased later: {erased_later}, manifests: {manifests}");
        }
    }
}

#[test]
fn a_repair_interrupted_by_a_power_cut_at_any_operation_is_begun_anew() {
    let (io, expected, _) = sample();
    let pack = io.list().unwrap().into_iter().find(|name| name.starts_with("pack-")).unwrap();
    let mut bytes = read_file(&io, &pack);
    let at = bytes.len() / 2;
    bytes[at] ^= 4;
    write_file(&io, &pack, &bytes);
    let run = io.list().unwrap().into_iter().find(|name| name.starts_with("run-")).unwrap();
    io.remove(&run).unwrap();
    for at in 0.. {
        let faulty = FaultFileIO::from_image(&io).unwrap();
        faulty.crash_after(at);
        let outcome = Store::<FaultFileIO>::repair(faulty.clone(), options(), &mut |_| true);
        for loss in [Loss::Nothing, Loss::Everything, Loss::Some(at), Loss::Tail(at)] {
            let left = faulty.image(loss).unwrap();
            let report = repair(&left).unwrap_or_else(|e| panic!("crash at {at}, {loss:?}: {e}"));
            let storage = Store::open(left, options()).unwrap();
            let got = content(&storage);
            // If the first repair was complete, the second finds nothing wrong any more.
            if !report.damage.is_empty() {
                compare(&expected, &got, &report, false, &format!("crash at {at}, {loss:?}"));
            }
            assert!(got.len() + 1 >= expected.len());
        }
        if outcome.is_ok() && !faulty.has_crashed() {
            assert!(at > 8, "only {at} operations");
            break;
        }
    }
}
