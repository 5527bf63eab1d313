//! Stores with tiny thresholds on a file system that can be killed at any moment, and the states of maintenance that they
//! were seen in: what the operations are for is counted, so that a test can tell that it happened.

use super::{Met, Subject, Upkeep, upkeep};
use jazz_storage_core::engine::{EngineOptions, MaintainedBy, manifest};
use jazz_storage_core::file::{FaultFileIO, FileIO, Loss};
use jazz_storage_core::format::SegmentId;
use jazz_storage_core::format::manifest::Manifest;
use jazz_storage_core::store::bftree::{BfTreeStorage, StoreOptions};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

/// Thresholds of a store.
pub trait Thresholds: 'static {
    /// The options.
    fn engine() -> EngineOptions;
}

/// Everything happens every few operations, and in the operations themselves.
pub fn tiny() -> EngineOptions {
    EngineOptions {
        checkpoint_rows: 6,
        segment_bytes: 2048,
        cache_bytes: 4096,
        buffer_bytes: 4096,
        reserve_bytes: 0,
        prepare_bytes: 0,
        large_bytes: 150,
        fanout: 3,
        max_layers: 5,
        background_sync: false,
        maintained_by: MaintainedBy::Commits,
        patience: Duration::ZERO,
    }
}

macro_rules! thresholds {
    ($($(#[$doc:meta])* $name:ident = $engine:expr;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub struct $name;
            impl Thresholds for $name {
                fn engine() -> EngineOptions {
                    $engine
                }
            }
        )+
    };
}

thresholds! {
    /// Slices of a few rows: a merge has as many as there are CoValues.
    ///
    /// Fewer zeros are written ahead than a record's header has bytes, and sealed segments end in them.
    Sliced = EngineOptions {
        checkpoint_rows: 1,
        segment_bytes: 256,
        prepare_bytes: 16,
        large_bytes: 1,
        fanout: 2,
        max_layers: 8,
        ..tiny()
    };
    /// A delta of a few rows in a long segment: layers stay of one size, and merges are of four.
    Long = EngineOptions { checkpoint_rows: 3, segment_bytes: 1 << 20, prepare_bytes: 4096, large_bytes: 1, fanout: 4, max_layers: 9, ..tiny() };
    /// A short segment whose rows would fit the delta many times; more layers than are merged with their records.
    Short = EngineOptions { checkpoint_rows: 1000, segment_bytes: 700, prepare_bytes: 104, fanout: 4, max_layers: 2, ..tiny() };
    /// Maintained by slices between the operations, and by writers that find the delta full.
    Called = EngineOptions { checkpoint_rows: 2, segment_bytes: 512, large_bytes: 1, fanout: 2, max_layers: 4, maintained_by: MaintainedBy::Caller, ..tiny() };
    /// Maintenance in its thread, while the operations go on.
    Threads = EngineOptions {
        checkpoint_rows: 2,
        segment_bytes: 512,
        prepare_bytes: 100,
        large_bytes: 1,
        fanout: 2,
        max_layers: 4,
        background_sync: true,
        maintained_by: MaintainedBy::Thread,
        ..tiny()
    };
}

/// A store with thresholds `T`.
pub struct Faulty<T> {
    open: Option<(FaultFileIO, BfTreeStorage<FaultFileIO>)>,
    /// The merge that the last opening found.
    found: Option<Manifest>,
    /// Counters of the engine when it was seen last.
    merges: u64,
    met: Met,
    thresholds: PhantomData<T>,
}

impl<T: Thresholds> Faulty<T> {
    fn on(io: FaultFileIO) -> (FaultFileIO, BfTreeStorage<FaultFileIO>) {
        let options = StoreOptions { engine: T::engine(), ..StoreOptions::default() };
        let store = BfTreeStorage::open(io.clone(), options).expect("the store can be opened");
        (io, store)
    }

    fn io(&self) -> &FaultFileIO {
        &self.open.as_ref().expect("it is open").0
    }

    fn manifest(io: &FaultFileIO) -> Manifest {
        match manifest::load(io).expect("the slots can be read") {
            manifest::Found::Valid(manifest) => manifest,
            _ => panic!("an open store has a manifest"),
        }
    }

    fn see(&mut self, kind: &str) {
        *self.met.entry(format!("seen: {kind}")).or_default() += 1;
    }

    /// Opens what is in `io`, and notes in what state it was left.
    fn open(&mut self, io: FaultFileIO) {
        let left = Self::manifest(&io);
        let names = io.list().expect("the files can be listed");
        let log = names.iter().filter_map(|name| SegmentId::from_file_name(name));
        if log.filter(|id| !id.is_pack() && *id >= left.replay_from).count() > 1 {
            self.see("opened while a delta was written out");
        }
        if left.merge.is_some() {
            self.see("opened in the middle of a merge");
        }
        self.found = left.merge.is_some().then_some(left);
        self.merges = 0;
        self.open = Some(Self::on(io));
        if self.store().stats().unwrap().replayed > 1 {
            self.see("opened with records to replay");
        }
    }
}

impl<T: Thresholds> Subject for Faulty<T> {
    type Store = BfTreeStorage<FaultFileIO>;

    fn create() -> Self {
        let open = Some(Self::on(FaultFileIO::new()));
        Self { open, found: None, merges: 0, met: BTreeMap::new(), thresholds: PhantomData }
    }

    fn store(&self) -> &Self::Store {
        &self.open.as_ref().expect("it is open").1
    }

    fn reopen(&mut self) {
        let Some((io, store)) = self.open.take() else { return };
        store.close().expect("it can be closed");
        drop(store);
        self.open(io);
    }

    fn kill(&mut self) {
        // One consistent moment, whatever the threads do.
        let left = self.io().restarted(Loss::Nothing);
        self.open = None;
        self.open(left);
    }

    fn upkeep(&mut self, what: Upkeep) {
        let (layers, before) = (Self::manifest(self.io()), self.store().stats().unwrap());
        upkeep(self.store(), what).expect("nothing fails");
        let (after, stats) = (Self::manifest(self.io()), self.store().stats().unwrap());
        if what == Upkeep::Compact && T::engine().maintained_by != MaintainedBy::Thread {
            assert!(after.layers.len() <= 1 && after.merge.is_none(), "compacted: {after:?}");
            // Slices beyond those of the one merge of everything are of parts that were rewritten once more.
            let slices = stats.merges - before.merges;
            if layers.merge.is_none() && slices > after.parts().count() as u64 {
                self.see("parts rewritten");
            }
        }
    }

    fn interrupt(&mut self, what: Upkeep, operations: u64) {
        self.io().crash_after(operations);
        let outcome = upkeep(self.store(), what);
        if !self.io().has_crashed() {
            // Less was to be done.
            outcome.expect("nothing fails");
        }
        self.kill();
    }

    fn observe(&mut self) {
        let (now, merges) = (Self::manifest(self.io()), self.store().stats().unwrap().merges);
        if now.merge.is_some() {
            self.see("a merge under way");
        }
        if now.layers.iter().any(|layer| layer.parts.len() > 1) {
            self.see("a layer of several parts");
        }
        let files: Vec<_> = now.parts().flat_map(|part| &part.segments).map(|segment| segment.id).collect();
        if files.iter().any(|id| !id.is_pack()) {
            self.see("rows that point into the log of a delta written out");
        }
        if files.iter().enumerate().any(|(n, id)| files[..n].contains(id)) {
            self.see("a pack that parts share");
        }
        let resumed = self.found.as_ref().and_then(|found| found.merge).is_some_and(|found| {
            let groups_went_on = now.merge.is_none_or(|merge| merge.next > found.next);
            merges > self.merges && groups_went_on
        });
        if resumed {
            self.found = None;
            self.see("a merge gone on with after opening");
        }
        self.merges = merges;
    }

    fn seen(&self) -> Met {
        self.met.clone()
    }
}
