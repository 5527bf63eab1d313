//! Shared by the tests over whole stores: the stores under test, and random operations on them.
// Each test binary uses its part of this module, and `pub` is how its parts see each other.
#![allow(dead_code, unreachable_pub)]

pub mod compare;
pub mod ops;
pub mod pair;
pub mod random;
pub mod subjects;

use jazz_storage_core::Result;
use jazz_storage_core::engine::{EngineOptions, MaintainedBy};
use jazz_storage_core::file::{FileHandle, FileIO, InMemoryFileIO, OpenMode};
use jazz_storage_core::format::tx::Fields;
use jazz_storage_core::store::bftree::{BfTreeStorage, StoreOptions};
use jazz_storage_core::store::content::ContentStore;
use jazz_storage_core::store::model::ModelStorage;
use jazz_storage_core::store::traits::StorageBackend;
use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::Duration;

/// The kinds of answers and states met, and how often.
pub type Met = BTreeMap<String, u64>;

/// What a store can be told to do now that it otherwise does when it is due. It changes nothing that it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upkeep {
    Checkpoint,
    Settle,
    Compact,
    /// A slice of what is due, as by who maintains a store.
    Slice,
}

/// A store that a test can close, open again and kill.
pub trait Subject {
    /// The store.
    type Store: StorageBackend + ContentStore;
    /// An empty store.
    fn create() -> Self;
    /// The store, open.
    fn store(&self) -> &Self::Store;
    /// Closes and opens it.
    fn reopen(&mut self);
    /// Opens what a killed process would have left.
    fn kill(&mut self);
    /// Does now what the store otherwise does in the background.
    fn upkeep(&mut self, what: Upkeep);
    /// Begins to do so, is killed after this many changes of files, and opened with what they were.
    fn interrupt(&mut self, what: Upkeep, _operations: u64) {
        self.upkeep(what);
        self.kill();
    }
    /// Writes out what is in memory.
    fn checkpoint(&mut self) {
        self.upkeep(Upkeep::Checkpoint);
    }
    /// Looks at the state of its maintenance.
    fn observe(&mut self) {}
    /// The states it was seen in.
    fn seen(&self) -> Met {
        Met::new()
    }
}

/// The model by itself. Against another model it tests the tests.
#[derive(Debug, Default)]
pub struct Model(ModelStorage);

impl Subject for Model {
    type Store = ModelStorage;

    fn create() -> Self {
        Self::default()
    }

    fn store(&self) -> &ModelStorage {
        &self.0
    }

    fn reopen(&mut self) {
        self.0 = self.0.clone();
    }

    fn kill(&mut self) {
        self.reopen();
    }

    fn upkeep(&mut self, _: Upkeep) {}
}

/// The real store in memory, which checkpoints every few operations, and seals segments and merges runs as often.
pub struct Busy(Option<Real>);

/// The real store in memory with its usual thresholds: it checkpoints when told to.
pub struct Usual(Option<Real>);

struct Real {
    io: InMemoryFileIO,
    options: StoreOptions,
    store: BfTreeStorage<InMemoryFileIO>,
}

impl Real {
    fn open(io: InMemoryFileIO, options: StoreOptions) -> Self {
        let store = BfTreeStorage::open(io.clone(), options.clone()).expect("the store can be opened");
        Self { io, options, store }
    }

    fn reopen(self) -> Self {
        let Self { io, options, store } = self;
        drop(store);
        Self::open(io, options)
    }

    fn kill(self) -> Self {
        // Nothing runs in the background but syncs, so between operations the files are what a killed process leaves.
        let left = copy(&self.io);
        Self::open(left, self.options)
    }
}

/// Gives what `call` gives, and fails if it takes longer than anything here can.
pub fn ends<T: Send + 'static>(what: &str, call: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(call()));
    told.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|_| panic!("{what} does not come to an end"))
}

/// The same files in another directory.
pub fn copy(io: &InMemoryFileIO) -> InMemoryFileIO {
    let copy = InMemoryFileIO::new();
    copy.create_dir().unwrap();
    for name in io.list().unwrap() {
        let from = io.open(&name, OpenMode::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(from.len().unwrap()).unwrap()];
        assert_eq!(from.read_at(&mut bytes, 0).unwrap(), bytes.len());
        copy.open(&name, OpenMode::CreateNew).unwrap().write_at(&bytes, 0).unwrap();
    }
    copy
}

/// Has the store do what it is told to.
pub fn upkeep<F: FileIO>(store: &BfTreeStorage<F>, what: Upkeep) -> Result<()> {
    match what {
        Upkeep::Checkpoint => store.checkpoint(),
        Upkeep::Settle => store.settle(),
        Upkeep::Compact => store.compact(),
        Upkeep::Slice => store.maintain(300).map(drop),
    }
}

macro_rules! real_subject {
    ($name:ident, $options:expr) => {
        impl $name {
            /// The store's directory.
            pub fn io(&self) -> &InMemoryFileIO {
                &self.0.as_ref().expect("it is open").io
            }
        }

        impl Subject for $name {
            type Store = BfTreeStorage<InMemoryFileIO>;

            fn create() -> Self {
                Self(Some(Real::open(InMemoryFileIO::new(), $options)))
            }

            fn store(&self) -> &Self::Store {
                &self.0.as_ref().expect("it is open").store
            }

            fn reopen(&mut self) {
                self.0 = self.0.take().map(Real::reopen);
            }

            fn kill(&mut self) {
                self.0 = self.0.take().map(Real::kill);
            }

            fn upkeep(&mut self, what: Upkeep) {
                upkeep(self.store(), what).expect("nothing fails");
            }
        }
    };
}

real_subject!(Busy, StoreOptions { engine: subjects::tiny(), ..StoreOptions::default() });
real_subject!(Usual, unthreaded());

/// The usual options, but nothing runs in the background: what is copied of the directory is one state.
pub fn unthreaded() -> StoreOptions {
    let engine = EngineOptions {
        background_sync: false,
        maintained_by: MaintainedBy::Commits,
        ..EngineOptions::default()
    };
    StoreOptions { engine, ..StoreOptions::default() }
}

/// A private transaction with the given changes, told from others by its time.
pub fn private_tx(made_at: u32, key_used: &str, changes: &str) -> Vec<u8> {
    fields(Fields::Private {
        sorted: true,
        made_at: made_at.into(),
        key_used: key_used.as_bytes(),
        changes: changes.as_bytes(),
        meta: None,
    })
}

/// The bytes of a transaction.
pub fn fields(fields: Fields<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    fields.append_to(&mut out).unwrap();
    out
}
