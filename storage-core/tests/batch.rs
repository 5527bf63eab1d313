//! Messages given together: one write for many, of which only the batch itself knows until it is done, and which is done
//! as far as there is room.
#![allow(clippy::unwrap_used, clippy::panic)]

mod workload;

use jazz_storage_core::ErrorCode;
use jazz_storage_core::engine::{Durability, Engine, EngineOptions};
use jazz_storage_core::engine::{MaintainedBy, delta::BfTreeDelta};
use jazz_storage_core::file::FaultFileIO;
use jazz_storage_core::format::Ordinal;
use jazz_storage_core::format::entry::{Create, Entry, entries};
use jazz_storage_core::format::row::{CoValueRow, Group, Key};
use jazz_storage_core::format::wire::decode_message;
use jazz_storage_core::store::bftree::schema::CoValueSchema;
use jazz_storage_core::store::content::StoreStatus;
use jazz_storage_core::store::{BfTreeStorage, ContentStore, StoreOptions};
use workload::{contents, message};

type Store = BfTreeStorage<FaultFileIO>;

fn engine_options() -> EngineOptions {
    EngineOptions {
        reserve_bytes: 0,
        background_sync: false,
        maintained_by: MaintainedBy::Commits,
        ..EngineOptions::default()
    }
}

fn open(io: &FaultFileIO, durability: Durability) -> Store {
    Store::open(io.clone(), StoreOptions { durability, engine: engine_options() }).unwrap()
}

/// Stores messages together; how many were stored.
fn store_all(store: &Store, messages: &[Vec<u8>]) -> jazz_storage_core::Result<usize> {
    let messages: Vec<_> = messages.iter().map(|bytes| decode_message(bytes).unwrap()).collect();
    let outcomes = store.store_all(&messages)?;
    assert!(outcomes.iter().all(|outcome| outcome.status == StoreStatus::Stored));
    Ok(outcomes.len())
}

/// New CoValues, and after each the next message of one that grows.
fn mixed(count: u32) -> Vec<Vec<u8>> {
    (0..count).flat_map(|n| [message(100 + n as usize, 1, 0, 1), message(7, 2, n, 1)]).collect()
}

#[test]
fn a_batch_is_one_write_and_one_sync() {
    for (durability, syncs) in [(Durability::Relaxed, 0), (Durability::Strict, 1)] {
        let io = FaultFileIO::new();
        let store = open(&io, durability);
        let before = (io.operations(), store.stats().unwrap());
        assert_eq!(store_all(&store, &mixed(40)).unwrap(), 80);
        let after = store.stats().unwrap();
        assert_eq!(io.operations() - before.0, 1 + syncs);
        assert_eq!((after.records - before.1.records, after.syncs - before.1.syncs), (80, syncs));
        let one_by_one = open(&FaultFileIO::new(), durability);
        mixed(40).iter().for_each(|bytes| workload::store(&one_by_one, bytes));
        let said = contents(&store);
        assert_eq!(said, contents(&one_by_one));
        drop(store);
        assert_eq!(contents(&open(&io, durability)), said);
    }
}

#[test]
fn of_a_batch_that_does_not_fit_is_stored_what_fits() {
    let messages = mixed(40);
    let mut parts = Vec::new();
    for room in (0..=15_000).step_by(500) {
        let io = FaultFileIO::new();
        let store = open(&io, Durability::Relaxed);
        io.set_capacity(Some(io.stats().bytes + room));
        let stored = match store_all(&store, &messages) {
            Ok(stored) => stored,
            Err(e) => {
                assert_eq!(e.code(), ErrorCode::DiskFull);
                0
            }
        };
        parts.push(stored);
        let same = open(&FaultFileIO::new(), Durability::Relaxed);
        messages[..stored].iter().for_each(|bytes| workload::store(&same, bytes));
        assert_eq!(contents(&store), contents(&same));
        if stored < messages.len() {
            let refused = store_all(&store, &messages[stored..]).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::DiskFull);
        }
        io.set_capacity(None);
        assert_eq!(store_all(&store, &messages[stored..]).unwrap(), messages.len() - stored);
    }
    // None, some and all of them, and never less for more room.
    assert!(parts.is_sorted() && parts[0] == 0 && parts[4] > 0 && parts[4] < 80, "{parts:?}");
    assert_eq!(parts.last(), Some(&80));
}

/// A change of the engine itself, with records that create CoValues.
#[test]
fn what_is_staged_is_in_the_log_before_it_is_read_and_nowhere_if_it_is_dropped() {
    type Native = Engine<FaultFileIO, CoValueSchema, BfTreeDelta>;
    let io = FaultFileIO::new();
    let engine = Native::open(io.clone(), engine_options(), &CoValueSchema::new).unwrap();
    let create = |id: &str, ordinal: u64, body: &mut Vec<u8>| {
        let group = engine.schema().group(id.as_bytes());
        let create = Create { group, ordinal: Ordinal(ordinal), id: id.as_bytes(), header: b"{}" };
        Entry::Create(create).encode(body);
        group
    };
    let operations = io.operations();
    let dropped: Vec<Group> = {
        let mut write = engine.write().unwrap();
        let stage = |n: u64| {
            let group = create(&format!("co_zDropped{n}"), write.created_count(), write.body());
            write.stage().unwrap();
            assert_eq!((write.made(), write.written(), write.created_count()), (n + 1, 0, n + 1));
            assert!(write.delta_row(&Key::first(group)).is_some());
            group
        };
        (0..3).map(stage).collect()
    };
    assert_eq!((io.operations(), engine.created_count()), (operations, 0));
    let mut write = engine.write().unwrap();
    assert_eq!((write.made(), write.created_count()), (0, 0));
    assert!(dropped.iter().all(|group| write.delta_row(&Key::first(*group)).is_none()));
    let group = create("co_zKept", 0, write.body());
    write.stage().unwrap();
    let row = write.delta_row(&Key::first(group)).unwrap();
    let (_, location) = CoValueRow::decode(&row).unwrap().created.unwrap();
    assert_eq!(write.written(), 0);
    let record = write.read(&[location]).unwrap();
    let read = entries(record[0].body()).next().unwrap().unwrap();
    assert!(matches!(read, Entry::Create(create) if create.id == b"co_zKept"));
    assert_eq!((write.made(), write.written(), engine.created_count()), (1, 1, 1));
    write.finish(Durability::Relaxed).unwrap();
    assert_eq!(io.operations(), operations + 1);
    assert_eq!(engine.created(0, 9).unwrap(), [group]);
}
