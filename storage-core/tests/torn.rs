//! What a power cut may do to the end of the log: the store opens with the state after some earlier operation, whole, and
//! goes on from there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use jazz_storage_core::file::{FileHandle, FileIO, InMemoryFileIO, OpenMode};
use jazz_storage_core::store::bftree::BfTreeStorage;
use jazz_storage_core::store::traits::StorageBackend;
use proptest::prelude::*;
use proptest::test_runner::Config;
use support::compare::everything;
use support::ops::{Op, all_ids, op};
use support::pair::Pair;
use support::{Subject, Usual};
use support::{copy, unthreaded};

/// The newest segment of the log, and its length.
fn tail(io: &InMemoryFileIO) -> (String, usize) {
    let names = io.list().unwrap().into_iter().filter(|name| name.starts_with("segment-"));
    let name = names.max().expect("a store has a segment");
    let len = io.open(&name, OpenMode::Read).unwrap().len().unwrap();
    (name, usize::try_from(len).unwrap())
}

/// How the bytes past the tear look.
#[derive(Debug, Clone, Copy)]
enum Past {
    Missing,
    Zero,
    Garbage,
}

fn tear(io: &InMemoryFileIO, name: &str, from: usize, end: usize, past: Past) -> InMemoryFileIO {
    let torn = copy(io);
    let file = torn.open(name, OpenMode::ReadWrite).unwrap();
    match past {
        Past::Missing => file.truncate(from as u64).unwrap(),
        Past::Zero => file.write_at(&vec![0; end - from], from as u64).unwrap(),
        Past::Garbage => {
            let mut bytes = vec![0; end - from];
            file.read_at(&mut bytes, from as u64).unwrap();
            bytes.iter_mut().for_each(|byte| *byte ^= 0xa5);
            file.write_at(&bytes, from as u64).unwrap();
        }
    }
    torn
}

fn open(io: InMemoryFileIO) -> BfTreeStorage<InMemoryFileIO> {
    BfTreeStorage::open(io, unthreaded()).expect("a torn store can be opened")
}

proptest! {
    #![proptest_config(Config { cases: 12, max_shrink_iters: 500, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_torn_end_of_the_log_leaves_an_earlier_state(
        ops in prop::collection::vec(op(), 10..40),
        tears in prop::collection::vec((any::<prop::sample::Index>(), 0usize..3), 40),
    ) {
        let ids = all_ids();
        let mut pair = Pair::<Usual>::create();
        // The states since the log's tail was last made durable, and the tail then.
        let mut states = vec![everything(pair.real.store(), &ids)];
        let mut durable = tail(pair.real.io());
        for (op, (at, past)) in ops.iter().zip(tears) {
            pair.run_seeing(op, &mut |model| states.push(everything(model, &ids)));
            let (name, end) = tail(pair.real.io());
            if matches!(op, Op::Upkeep(_) | Op::Interrupt(..) | Op::Reopen | Op::Kill) || name != durable.0 {
                states.clear();
                durable = (name.clone(), end);
            }
            states.push(everything(pair.real.store(), &ids));
            if end == durable.1 {
                continue;
            }
            let from = durable.1 + at.index(end - durable.1);
            let past = [Past::Missing, Past::Zero, Past::Garbage][past];
            let torn = tear(pair.real.io(), &name, from, end, past);
            let store = open(torn.clone());
            let found = everything(&store, &ids);
            let known = states.contains(&found);
            prop_assert!(known, "torn at {from} of {end} ({past:?}): {found}");
            // What is stored after the tear is there after the next crash, beside what survived this one.
            store.upsert_covalue(&"co_zAfter".into(), Some(b"{}")).unwrap();
            let after = everything(&store, &ids);
            let killed = open(copy(&torn));
            prop_assert_eq!(everything(&killed, &ids), after);
            prop_assert!(killed.get_covalue(&"co_zAfter".into()).unwrap().is_some());
        }
    }
}
