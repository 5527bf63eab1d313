//! What is read of the index. For a store, a lookup in the delta costs as much as the write to the log, so each row is looked
//! up once at most, whether it is there or not; a known state reads no more of long sessions than of short ones; and a small
//! index is read from its file once.
#![allow(clippy::unwrap_used)]

mod workload;

use jazz_storage_core::Result;
use jazz_storage_core::engine::{Durability, EngineOptions};
use jazz_storage_core::engine::{
    MaintainedBy,
    delta::{BTreeDelta, Delta, Row, Rows},
};
use jazz_storage_core::file::InMemoryFileIO;
use jazz_storage_core::format::row::{Group, Key, Value};
use jazz_storage_core::format::wire::{decode_message, encode_known_state};
use jazz_storage_core::store::{BfTreeStorage, ContentStore, StoreOptions};
use std::cell::Cell;
use workload::{message, store};

thread_local! {
    /// Lookups by this thread.
    static LOOKUPS: Cell<u64> = const { Cell::new(0) };
    /// Rows of groups read by this thread.
    static ROWS: Cell<usize> = const { Cell::new(0) };
}

/// A delta that counts lookups of single rows, and rows read otherwise.
struct Counting(BTreeDelta);

impl Delta for Counting {
    fn create() -> Result<Self> {
        BTreeDelta::create().map(Self)
    }
    fn get(&self, key: &Key) -> Option<Value> {
        LOOKUPS.set(LOOKUPS.get() + 1);
        self.0.get(key)
    }
    fn put(&self, key: &Key, value: &Value) -> Result<()> {
        self.0.put(key, value)
    }
    fn group(&self, group: Group, rows: Rows, out: &mut Vec<Row>) -> Result<()> {
        let before = out.len();
        self.0.group(group, rows, out)?;
        ROWS.set(ROWS.get() + out.len() - before);
        Ok(())
    }
    fn rows_from(&self, first: &Key, limit: usize) -> Result<Vec<Row>> {
        self.0.rows_from(first, limit)
    }
}

type Store = BfTreeStorage<InMemoryFileIO, Counting>;

const COVALUES: usize = 16;
/// Keys are hashed, and two of so few rarely meet in one place of what is remembered.
const BY_CHANCE: u64 = 6;

fn open() -> Store {
    open_with(EngineOptions::default().cache_bytes)
}

fn open_with(cache_bytes: u64) -> Store {
    let engine = EngineOptions {
        background_sync: false,
        maintained_by: MaintainedBy::Commits,
        cache_bytes,
        ..EngineOptions::default()
    };
    Store::open(InMemoryFileIO::new(), StoreOptions { durability: Durability::Relaxed, engine }).unwrap()
}

/// Lookups in the delta while something is done.
fn lookups(work: impl FnOnce()) -> u64 {
    let before = LOOKUPS.get();
    work();
    LOOKUPS.get() - before
}

/// Messages for as many CoValues, together or one by one.
fn store_in_all(storage: &Store, together: bool, of: impl Fn(usize) -> Vec<u8>) {
    let bytes: Vec<_> = (0..COVALUES).map(of).collect();
    if together {
        let messages: Vec<_> = bytes.iter().map(|bytes| decode_message(bytes).unwrap()).collect();
        assert_eq!(storage.store_all(&messages).unwrap().len(), COVALUES);
    } else {
        bytes.iter().for_each(|bytes| store(storage, bytes));
    }
}

#[test]
fn a_row_is_looked_up_once_at_most_whether_it_is_there_or_not() {
    for together in [false, true] {
        let storage = open();
        let new = lookups(|| store_in_all(&storage, together, |id| message(id, 1, 0, 1)));
        assert!(new <= BY_CHANCE, "{new} lookups for {COVALUES} new CoValues, together: {together}");
        // Of a CoValue that is there, a session may be.
        let once = COVALUES as u64..=COVALUES as u64 + BY_CHANCE;
        let session = lookups(|| store_in_all(&storage, together, |id| message(id, 2, 0, 1)));
        assert!(
            once.contains(&session),
            "{session} lookups for {COVALUES} new sessions, together: {together}"
        );
        let growing = lookups(|| store_in_all(&storage, together, |id| message(id, 2, 1, 1)));
        assert!(growing <= BY_CHANCE, "{growing} lookups for {COVALUES} that grow, together: {together}");
    }
}

#[test]
fn a_known_state_reads_as_many_rows_however_long_a_session_is() {
    let storage = open();
    let names = [1, 2].map(|session| session_of(&message(1, session, 0, 1)));
    for after in 0..1_000 {
        [1, 2].iter().for_each(|session| store(&storage, &message(1, *session, after, 1)));
    }
    let expected = encode_known_state(names.iter().map(|name| (name.as_slice(), 1_000))).unwrap();
    ROWS.set(0);
    let id = decode_message(&message(1, 1, 0, 1)).unwrap().id.to_vec();
    assert_eq!(storage.known_state_encoded(&id).unwrap(), Some(expected));
    // Of the CoValue one row, and of each session two.
    assert_eq!(ROWS.get(), 5);
}

#[test]
fn an_index_is_kept_as_it_is_read_if_it_takes_up_to_half_of_the_cache() {
    let id = decode_message(&message(1, 1, 0, 1)).unwrap().id.to_vec();
    for (cache_bytes, is_kept) in [(64 << 10, true), (2 << 10, false)] {
        let storage = open_with(cache_bytes);
        store_in_all(&storage, false, |id| message(id, 1, 0, 1));
        storage.checkpoint().unwrap();
        let kept = || storage.stats().unwrap().cache_bytes;
        assert_eq!(kept(), 0);
        storage.known_state_encoded(&id).unwrap().unwrap();
        assert_eq!(kept() > 0, is_kept, "of a cache of {cache_bytes} bytes");
    }
}

fn session_of(message: &[u8]) -> Vec<u8> {
    decode_message(message).unwrap().sessions.first().map(|content| content.session.to_vec()).unwrap()
}
