//! Whole stores: the input is a sequence of operations, a few bytes each, run on the real store and on the model.

#[path = "../../tests/support/compare.rs"]
#[allow(dead_code, missing_docs)]
mod compare;

use compare::{answer, apart, apart_content, compare_all};
use jazz_storage_core::engine::delta::{BTreeDelta, BfTreeDelta, Delta};
use jazz_storage_core::engine::{EngineOptions, MaintainedBy};
use jazz_storage_core::file::{FileHandle, FileIO, InMemoryFileIO, OpenMode};
use jazz_storage_core::format::tx::Fields;
use jazz_storage_core::format::wire::{OwnedMessage, OwnedSession, decode_message};
use jazz_storage_core::store::bftree::{BfTreeStorage, StoreOptions};
use jazz_storage_core::store::content::{ContentStore, StoreOutcome, StoreStatus};
use jazz_storage_core::store::model::ModelStorage;
use jazz_storage_core::store::rows::{CoValueId, SyncStateUpdate};
use jazz_storage_core::store::traits::StorageBackend;
use std::time::Duration;

const IDS: [&str; 3] = ["co_zA", "co_zB", "co_zé"];
const SESSIONS: [&str; 5] = ["co_z1_session_z1", "co_z1_session_z2", "é", "co_z1_session_d1$", "$"];
const KEYS: [&[u8]; 3] = [b"key_z1", b"key_z2", b""];
const CHANGES: [&[u8]; 4] = [b"", b"[1]", "é€𝄞".as_bytes(), b"forty characters of a transaction's text."];
const THRESHOLDS: [f64; 4] = [0.0, 30.0, 102_400.0, f64::INFINITY];
const PEERS: [&str; 2] = ["server", "any"];

/// The most operations on one store.
const MOST_OPERATIONS: usize = 40;

/// What is left of the input; zeros behind its end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }
    fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }
    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// A store that checkpoints, seals segments and merges runs every few operations.
fn open<D: Delta>(io: &InMemoryFileIO) -> BfTreeStorage<InMemoryFileIO, D> {
    let engine = EngineOptions {
        checkpoint_rows: 6,
        segment_bytes: 2048,
        cache_bytes: 4096,
        buffer_bytes: 4096,
        prepare_bytes: 256,
        large_bytes: 120,
        reserve_bytes: 0,
        fanout: 2,
        max_layers: 4,
        background_sync: false,
        maintained_by: MaintainedBy::Commits,
        patience: Duration::ZERO,
    };
    BfTreeStorage::open(io.clone(), StoreOptions { engine, ..StoreOptions::default() })
        .expect("the store opens")
}

struct Pair<D: Delta> {
    model: ModelStorage,
    io: InMemoryFileIO,
    real: Option<BfTreeStorage<InMemoryFileIO, D>>,
    /// Counts operations, and tells apart what they write.
    moment: u32,
}

/// Runs the operations on the store and on the model, which must agree. Mostly with a map as the delta: it takes a bf-tree
/// longer to reserve its memory than the map to do everything.
pub fn check(data: &[u8]) {
    let Some((way, operations)) = data.split_first() else { return };
    if way % 64 == 0 { run::<BfTreeDelta>(operations) } else { run::<BTreeDelta>(operations) }
}

fn run<D: Delta>(operations: &[u8]) {
    let mut input = Input(operations);
    let io = InMemoryFileIO::new();
    let mut pair = Pair::<D> { model: ModelStorage::new(), real: Some(open(&io)), io, moment: 0 };
    for _ in 0..MOST_OPERATIONS {
        if input.0.is_empty() {
            break;
        }
        pair.moment += 1;
        pair.run(&mut input);
    }
    let ids = IDS.map(CoValueId::from);
    compare_all(&pair.model, pair.real(), &ids);
    pair.reopen();
    compare_all(&pair.model, pair.real(), &ids);
}

impl<D: Delta> Pair<D> {
    fn real(&self) -> &BfTreeStorage<InMemoryFileIO, D> {
        self.real.as_ref().expect("it is open")
    }

    fn reopen(&mut self) {
        self.real = None;
        self.real = Some(open(&self.io));
    }

    /// Goes on with the files that a killed process would have left: nothing runs between operations.
    fn kill(&mut self) {
        let left = InMemoryFileIO::new();
        left.create_dir().expect("a directory in memory");
        for name in self.io.list().expect("the store's files") {
            let from = self.io.open(&name, OpenMode::Read).expect("a listed file");
            let mut bytes = vec![0; from.len().expect("a file in memory") as usize];
            let read = from.read_at(&mut bytes, 0).expect("a file in memory");
            assert_eq!(read, bytes.len());
            let to = left.open(&name, OpenMode::CreateNew).expect("a new file");
            to.write_at(&bytes, 0).expect("room for the file");
        }
        self.io = left;
        self.reopen();
    }

    fn run(&mut self, input: &mut Input<'_>) {
        let operation = input.below(16);
        let id = input.of(&IDS);
        let covalue = CoValueId::from(id);
        match operation {
            0..=4 => {
                let bytes = self.message(id, input);
                let message = decode_message(&bytes).expect("a good message");
                assert_eq!(
                    answer(self.model.store(&message)),
                    answer(self.real().store(&message)),
                    "{message:?}"
                );
            }
            5..=6 => self.store_all(input),
            7 => match input.below(3) {
                0 => self.real().checkpoint().expect("a checkpoint"),
                1 => self.real().settle().expect("maintenance"),
                _ => self.real().compact().expect("a compaction"),
            },
            8 => self.reopen(),
            9 => self.kill(),
            10 => {
                let erased = answer(self.model.erase_covalue_but_keep_tombstone(&covalue));
                assert_eq!(erased, answer(self.real().erase_covalue_but_keep_tombstone(&covalue)));
            }
            11 => {
                let budget = input.of(&[0, u64::MAX]);
                let loads = [self.model.load(id.as_bytes(), budget), self.real().load(id.as_bytes(), budget)];
                let [expected, real] = loads.map(|load| load.expect("a load").as_ref().map(apart));
                assert_eq!(expected, real);
            }
            12 => {
                let session = input.of(&SESSIONS).as_bytes();
                let (after, count) = (u32::from(input.byte() % 16), u32::from(input.byte() % 16));
                let load = |store: &dyn ContentStore| {
                    let piece = store.load_piece(id.as_bytes(), session, after, count).expect("a load");
                    piece.map(|piece| {
                        let content = piece.content.expect("a piece asked for has its content");
                        (piece.after, piece.count, apart_content(&content, piece.count))
                    })
                };
                assert_eq!(load(&self.model), load(self.real()));
            }
            13 => {
                let header = (input.byte() % 2 == 1).then(|| format!(r#"{{"n":{}}}"#, self.moment));
                let header = header.as_ref().map(String::as_bytes);
                let created = answer(self.model.upsert_covalue(&covalue, header));
                assert_eq!(created, answer(self.real().upsert_covalue(&covalue, header)));
            }
            14 => {
                let update = SyncStateUpdate {
                    id: covalue,
                    peer: input.of(&PEERS).into(),
                    synced: input.byte() % 2 == 1,
                };
                let tracked = answer(self.model.track_sync_state(std::slice::from_ref(&update)));
                assert_eq!(tracked, answer(self.real().track_sync_state(&[update])));
            }
            _ => {
                let stopped = answer(self.model.stop_tracking_sync_state(&covalue));
                assert_eq!(stopped, answer(self.real().stop_tracking_sync_state(&covalue)));
            }
        }
    }

    /// Stores messages in the model one by one, each made to go on after those before it, and in the store together.
    fn store_all(&mut self, input: &mut Input<'_>) {
        let (mut messages, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..2 + input.below(6) {
            self.moment += 1;
            let bytes = self.message(input.of(&IDS), input);
            if expected.last().is_none_or(|last: &StoreOutcome| last.status == StoreStatus::Stored) {
                let message = decode_message(&bytes).expect("a good message");
                expected.push(self.model.store(&message).expect("the model stores it"));
            }
            messages.push(bytes);
        }
        let messages: Vec<_> =
            messages.iter().map(|bytes| decode_message(bytes).expect("a good message")).collect();
        assert_eq!(expected, self.real().store_all(&messages).expect("they are stored"), "{messages:?}");
    }

    fn message(&self, id: &str, input: &mut Input<'_>) -> Vec<u8> {
        let [flags, count] = [input.byte(), input.byte()];
        let mut sessions: Vec<OwnedSession> = Vec::new();
        for _ in 0..count % 3 {
            let session = input.of(&SESSIONS).as_bytes().to_vec();
            if sessions.iter().any(|other| other.session == session) {
                continue;
            }
            let known = self.model.get_known_state(&id.into()).expect("a known state");
            let stored = known.map(|known| known.sessions).unwrap_or_default();
            let counter =
                stored.iter().find(|(name, _)| name.as_bytes() == session).map_or(0, |(_, count)| *count);
            let [before, length] = [input.byte(), input.byte()];
            sessions.push(OwnedSession {
                session,
                // Mostly where the session ends, sometimes before or, which leaves a gap, behind.
                after: match before % 16 {
                    0..=9 => counter,
                    10..=14 => counter.saturating_sub(u32::from(before >> 4)),
                    _ => counter + u32::from(before >> 4),
                },
                last_signature: format!("signature_z{}", if before < 224 { self.moment } else { 0 })
                    .into_bytes(),
                txs: (0..length % 7).map(|n| transaction(self.moment * 100 + u32::from(n), input)).collect(),
            });
        }
        let message = OwnedMessage {
            id: id.into(),
            header: (flags & 3 != 0).then(|| format!(r#"{{"n":{}}}"#, self.moment).into_bytes()),
            delete_is_valid: flags & 4 != 0,
            chunk_threshold: THRESHOLDS[usize::from(flags >> 3) % THRESHOLDS.len()],
            sessions,
        };
        message.encode().expect("a short message")
    }
}

fn transaction(made_at: u32, input: &mut Input<'_>) -> Vec<u8> {
    let [shape, text] = [input.byte(), input.byte()];
    let (sorted, made_at) = (shape & 8 == 0, f64::from(made_at));
    let changes = CHANGES[usize::from(text) % CHANGES.len()];
    let meta = (shape & 16 != 0).then_some(&b"meta"[..]);
    let key_used = KEYS[usize::from(text >> 4) % KEYS.len()];
    let fields = match shape % 5 {
        0 => Fields::Verbatim { units: u32::from(text), json: changes },
        1..=3 => Fields::Private { sorted, made_at, key_used, changes, meta },
        _ => Fields::Trusting { sorted, made_at, changes, meta },
    };
    let mut out = Vec::new();
    fields.append_to(&mut out).expect("short texts");
    out
}
