//! Random operations: how they look, how to make them, how to run one on the model and on a store.
//!
//! Names come from small alphabets, so that cases meet. Positions are relative to what is stored when an operation runs,
//! so that a sequence stays meaningful when the shrinker takes operations out of it.

use super::Subject;
use super::compare::{
    Answer, answer, apart, apart_content, compare_all, compare_budgeted, legible, without_slot,
};
use super::fields;
use jazz_storage_core::error::{Error, Result};
use jazz_storage_core::format::tx::Fields;
use jazz_storage_core::format::wire::{
    OwnedMessage, OwnedSession, StoreStatus, decode_message, decode_outcome,
};
use jazz_storage_core::store::content::{ContentStore, PieceContent, StoreOutcome};
use jazz_storage_core::store::model::ModelStorage;
use jazz_storage_core::store::rows::{
    CoValueId, CoValueRowId, LockTiming, SessionId, SessionUpdate, Signature, SyncStateUpdate,
};
use jazz_storage_core::store::traits::{StorageBackend, StorageTransaction};
use proptest::prelude::*;

const IDS: [&str; 4] = ["co_zA", "co_zB", "co_zC", "co_zé"];
const SESSIONS: [&str; 6] =
    ["co_z1_session_z1", "co_z1_session_z2", "co_z2_session_zé", "s", "co_z1_session_d1$", "$"];
const PEERS: [&str; 3] = ["server", "any", "peer_é"];
const KEYS: [&str; 3] = ["key_z1", "key_z2", ""];
const CHANGES: [&[u8]; 6] = [
    b"",
    b"[1]",
    b"encrypted_U4QnrSH3u38Dm",
    "é€𝄞".as_bytes(),
    b"lone \xed\xa0\x80",
    b"forty characters of a transaction's text.",
];
const THRESHOLDS: [f64; 6] = [0.0, -1.0, 10.0, 60.0, 102_400.0, f64::INFINITY];

/// All ids that operations use.
pub fn all_ids() -> Vec<CoValueId> {
    IDS.iter().map(|id| CoValueId::from(*id)).collect()
}

/// A transaction, by numbers into the alphabets.
#[derive(Debug, Clone, Copy)]
pub struct TxSpec {
    shape: u8,
    key: usize,
    changes: usize,
    meta: bool,
}

/// A session of a message.
#[derive(Debug, Clone)]
pub struct SessionSpec {
    session: usize,
    /// Where it begins, relative to the stored counter.
    after: i32,
    /// Whether the signature is one that other messages have as well.
    common_signature: bool,
    txs: Vec<TxSpec>,
}

/// A deliberate mistake of a row-level transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    CounterTooHigh,
    CounterTooLow,
    CounterZero,
    TxMissing,
    TxTwice,
    TxMalformed,
    SignatureBefore,
    SignaturePast,
    SignatureOther,
    NoUpdate,
}

/// A step of a row-level transaction.
#[derive(Debug, Clone)]
pub enum Step {
    Append {
        id: usize,
        session: usize,
        txs: Vec<TxSpec>,
        signatures: Vec<u8>,
        bytes: u32,
        mistake: Option<Mistake>,
    },
    Look {
        id: usize,
        session: usize,
    },
    Mark {
        id: usize,
    },
    Erase {
        id: usize,
    },
    EraseUnknown,
    Lock {
        peer: usize,
        session: usize,
    },
}

/// An operation.
#[derive(Debug, Clone)]
pub enum Op {
    Store { id: usize, header: bool, delete_is_valid: bool, threshold: usize, sessions: Vec<SessionSpec> },
    Load { id: usize, budget: u64 },
    LoadPiece { id: usize, session: usize, after: u32, count: u32 },
    Upsert { id: usize, header: bool },
    Rows { steps: Vec<Step>, fail: bool },
    Erase { id: usize },
    EraseUnknown,
    Ids { limit: u32, offset: u64 },
    Track { updates: Vec<(usize, usize, bool)> },
    Untrack { id: usize },
    Acquire { peer: usize, session: usize, ttl: u8, interval: u8 },
    Renew { peer: usize, session: usize, offset: u8 },
    Release { peer: usize, session: usize },
    EmptyId,
    Checkpoint,
    Reopen,
    Kill,
}

fn tx_spec() -> impl Strategy<Value = TxSpec> {
    (0u8..5, 0..KEYS.len(), 0..CHANGES.len(), prop::bool::weighted(0.2))
        .prop_map(|(shape, key, changes, meta)| TxSpec { shape, key, changes, meta })
}

fn txs() -> impl Strategy<Value = Vec<TxSpec>> {
    prop_oneof![
        1 => Just(Vec::new()),
        6 => prop::collection::vec(tx_spec(), 1..3),
        3 => prop::collection::vec(tx_spec(), 1..8),
    ]
}

fn session_spec() -> impl Strategy<Value = SessionSpec> {
    let after = prop_oneof![6 => Just(0), 3 => -4..0i32, 1 => 1..3i32, 1 => Just(i32::MIN)];
    (0..SESSIONS.len(), after, prop::bool::weighted(0.2), txs()).prop_map(
        |(session, after, common_signature, txs)| SessionSpec { session, after, common_signature, txs },
    )
}

fn step() -> impl Strategy<Value = Step> {
    use Mistake::*;
    let mistake = prop::option::weighted(
        0.1,
        prop::sample::select(vec![
            CounterTooHigh,
            CounterTooLow,
            CounterZero,
            TxMissing,
            TxTwice,
            TxMalformed,
            SignatureBefore,
            SignaturePast,
            SignatureOther,
            NoUpdate,
        ]),
    );
    let signatures = prop::collection::vec(0u8..8, 0..3);
    let append = (0..IDS.len(), 0..SESSIONS.len(), txs(), signatures, 0u32..100, mistake);
    prop_oneof![
        10 => append.prop_map(|(id, session, txs, signatures, bytes, mistake)| {
            Step::Append { id, session, txs, signatures, bytes, mistake }
        }),
        2 => (0..IDS.len(), 0..SESSIONS.len()).prop_map(|(id, session)| Step::Look { id, session }),
        1 => (0..IDS.len()).prop_map(|id| Step::Mark { id }),
        1 => (0..IDS.len()).prop_map(|id| Step::Erase { id }),
        1 => (0..PEERS.len(), 0..SESSIONS.len()).prop_map(|(peer, session)| Step::Lock { peer, session }),
    ]
}

/// Any operation.
pub fn op() -> impl Strategy<Value = Op> {
    let (id, session, peer) = (0..IDS.len(), 0..SESSIONS.len(), 0..PEERS.len());
    let sessions = prop::collection::vec(session_spec(), 0..4);
    let store = (id.clone(), prop::bool::weighted(0.7), any::<bool>(), 0..THRESHOLDS.len(), sessions);
    let update = (id.clone(), peer.clone(), any::<bool>());
    prop_oneof![
        30 => store.prop_map(|(id, header, delete_is_valid, threshold, sessions)| {
            Op::Store { id, header, delete_is_valid, threshold, sessions }
        }),
        4 => (id.clone(), prop_oneof![Just(0), 1u64..400, Just(u64::MAX)])
            .prop_map(|(id, budget)| Op::Load { id, budget }),
        4 => (id.clone(), session.clone(), 0u32..12, 0u32..6)
            .prop_map(|(id, session, after, count)| Op::LoadPiece { id, session, after, count }),
        2 => (id.clone(), any::<bool>()).prop_map(|(id, header)| Op::Upsert { id, header }),
        10 => (prop::collection::vec(step(), 0..5), prop::bool::weighted(0.1))
            .prop_map(|(steps, fail)| Op::Rows { steps, fail }),
        3 => id.clone().prop_map(|id| Op::Erase { id }),
        1 => Just(Op::EraseUnknown),
        1 => (0u32..6, 0u64..6).prop_map(|(limit, offset)| Op::Ids { limit, offset }),
        3 => prop::collection::vec(update, 0..4).prop_map(|updates| Op::Track { updates }),
        1 => id.prop_map(|id| Op::Untrack { id }),
        3 => (peer.clone(), session.clone(), 0u8..4, 0u8..4)
            .prop_map(|(peer, session, ttl, interval)| Op::Acquire { peer, session, ttl, interval }),
        2 => (peer.clone(), session.clone(), 1u8..9)
            .prop_map(|(peer, session, offset)| Op::Renew { peer, session, offset }),
        2 => (peer, session).prop_map(|(peer, session)| Op::Release { peer, session }),
        1 => Just(Op::EmptyId),
        2 => Just(Op::Checkpoint),
        2 => Just(Op::Reopen),
        2 => Just(Op::Kill),
    ]
}

impl TxSpec {
    fn bytes(self, made_at: f64) -> Vec<u8> {
        let sorted = self.shape % 2 == 1;
        let (key_used, changes) = (KEYS[self.key].as_bytes(), CHANGES[self.changes]);
        let meta = self.meta.then_some(CHANGES[self.changes / 2]);
        let json = [changes, b"#", made_at.to_string().as_bytes()].concat();
        fields(match self.shape {
            0 => Fields::Verbatim { units: self.key as u32 * 20, json: &json },
            1 | 2 => Fields::Private { sorted, made_at, key_used, changes, meta },
            _ => Fields::Trusting { sorted, made_at, changes, meta },
        })
    }
}

fn bytes_of(txs: &[TxSpec], moment: u64) -> Vec<Vec<u8>> {
    txs.iter().enumerate().map(|(n, tx)| tx.bytes((moment * 1000 + n as u64) as f64)).collect()
}

/// A model and a store with the same history.
pub struct Pair<S> {
    pub model: ModelStorage,
    pub real: S,
    /// Counts operations; makes what they write distinct, and is the clock of the locks.
    moment: u64,
}

impl<S: Subject> Pair<S> {
    pub fn create() -> Self {
        Self { model: ModelStorage::new(), real: S::create(), moment: 0 }
    }

    fn counter(&self, id: usize, session: usize) -> u32 {
        let known = self.model.get_known_state(&IDS[id].into()).unwrap();
        let sessions = known.map(|known| known.sessions).unwrap_or_default();
        sessions
            .iter()
            .find(|(stored, _)| stored.as_bytes() == SESSIONS[session].as_bytes())
            .map_or(0, |s| s.1)
    }

    fn message(
        &self,
        id: usize,
        header: bool,
        delete_is_valid: bool,
        threshold: f64,
        specs: &[SessionSpec],
    ) -> OwnedMessage {
        let mut sessions: Vec<OwnedSession> = Vec::new();
        for spec in specs {
            let session = SESSIONS[spec.session].as_bytes().to_vec();
            if sessions.iter().any(|other| other.session == session) {
                continue;
            }
            let counter = self.counter(id, spec.session);
            let last_signature = match spec.common_signature {
                true => b"signature_zCommon".to_vec(),
                false => format!("signature_z{}_{}", self.moment, spec.session).into_bytes(),
            };
            sessions.push(OwnedSession {
                session,
                after: counter.saturating_add_signed(spec.after),
                last_signature,
                txs: bytes_of(&spec.txs, self.moment * 10 + spec.session as u64),
            });
        }
        // Never the same header twice: a stored one must not be replaced.
        let header = header.then(|| format!(r#"{{"n":{}}}"#, self.moment).into_bytes());
        OwnedMessage { id: IDS[id].into(), header, delete_is_valid, chunk_threshold: threshold, sessions }
    }

    /// Runs an operation on both and compares the answers, then everything else.
    pub fn run(&mut self, op: &Op) {
        self.moment += 1;
        let moment = self.moment;
        let (model, real) = (&self.model, self.real.store());
        match op {
            Op::Store { id, header, delete_is_valid, threshold, sessions } => {
                let message = self.message(*id, *header, *delete_is_valid, THRESHOLDS[*threshold], sessions);
                let expected = store(model, &message);
                assert_eq!(expected, store(real, &message), "{message:?}");
            }
            Op::Load { id, budget } => {
                let id = IDS[*id].as_bytes();
                match (model.load(id, *budget).unwrap(), real.load(id, *budget).unwrap()) {
                    (Some(expected), Some(real)) if matches!(*budget, 0 | u64::MAX) => {
                        assert_eq!(apart(&expected), apart(&real), "budget {budget}");
                    }
                    (Some(expected), Some(real)) => compare_budgeted(&expected, &real, *budget),
                    (expected, real) => assert_eq!(expected, real),
                }
            }
            Op::LoadPiece { id, session, after, count } => self.load_piece(*id, *session, *after, *count),
            Op::Upsert { id, header } => {
                let id = CoValueId::from(IDS[*id]);
                let header = header.then(|| format!(r#"{{"n":{moment}}}"#).into_bytes());
                let expected = answer(model.upsert_covalue(&id, header.as_deref()));
                assert_eq!(expected, answer(real.upsert_covalue(&id, header.as_deref())));
            }
            Op::Rows { steps, fail } => {
                let expected = answer(rows(model, steps, *fail, moment));
                assert_eq!(expected, answer(rows(real, steps, *fail, moment)));
            }
            Op::Erase { id } => {
                let id = CoValueId::from(IDS[*id]);
                let expected = answer(model.erase_covalue_but_keep_tombstone(&id));
                assert_eq!(expected, answer(real.erase_covalue_but_keep_tombstone(&id)));
            }
            Op::EraseUnknown => {
                let erase =
                    |rows: &mut dyn StorageTransaction| rows.delete_covalue_content(CoValueRowId(1_000_000));
                assert_eq!(answer(model.transaction(erase)), answer(real.transaction(erase)));
            }
            Op::Ids { limit, offset } => {
                assert_eq!(
                    answer(model.covalue_ids(*limit, *offset)),
                    answer(real.covalue_ids(*limit, *offset))
                );
            }
            Op::Track { updates } => {
                let updates = updates.iter().map(|(id, peer, synced)| SyncStateUpdate {
                    id: IDS[*id].into(),
                    peer: PEERS[*peer].into(),
                    synced: *synced,
                });
                let updates: Vec<SyncStateUpdate> = updates.collect();
                assert_eq!(answer(model.track_sync_state(&updates)), answer(real.track_sync_state(&updates)));
            }
            Op::Untrack { id } => {
                let id = CoValueId::from(IDS[*id]);
                assert_eq!(
                    answer(model.stop_tracking_sync_state(&id)),
                    answer(real.stop_tracking_sync_state(&id))
                );
            }
            Op::Acquire { peer, session, ttl, interval } => {
                let (key, session) = (PEERS[*peer].as_bytes(), SessionId::from(SESSIONS[*session]));
                let span = |n: u8| f64::from(n) * 4.0;
                let timing = LockTiming { now: moment as f64, ttl: span(*ttl), interval: span(*interval) };
                let expected = answer(model.try_acquire_lock(key, &session, timing));
                assert_eq!(expected, answer(real.try_acquire_lock(key, &session, timing)));
            }
            Op::Renew { peer, session, offset } => {
                let (key, session) = (PEERS[*peer].as_bytes(), SessionId::from(SESSIONS[*session]));
                let expected = answer(model.renew_lock(key, &session, f64::from(*offset)));
                assert_eq!(expected, answer(real.renew_lock(key, &session, f64::from(*offset))));
            }
            Op::Release { peer, session } => {
                let (key, session) = (PEERS[*peer].as_bytes(), SessionId::from(SESSIONS[*session]));
                let expected = answer(model.release_lock(key, &session, moment as f64));
                assert_eq!(expected, answer(real.release_lock(key, &session, moment as f64)));
            }
            Op::EmptyId => empty_ids(model, real),
            Op::Checkpoint => self.real.checkpoint(),
            Op::Reopen => self.real.reopen(),
            Op::Kill => self.real.kill(),
        }
        self.compare();
    }

    /// Compares all of both, locks included.
    pub fn compare(&self) {
        compare_all(&self.model, self.real.store(), &all_ids());
        let locks = |rows: &mut dyn StorageTransaction| -> Result<Vec<_>> {
            PEERS.iter().map(|peer| rows.get_lock(peer.as_bytes())).collect()
        };
        assert_eq!(self.model.transaction(locks).unwrap(), self.real.store().transaction(locks).unwrap());
    }

    fn load_piece(&self, id: usize, session: usize, after: u32, count: u32) {
        let (id, counter, session) = (IDS[id], self.counter(id, session), SESSIONS[session]);
        let load = |store: &dyn ContentStore| -> Option<PieceContent> {
            store.load_piece(id.as_bytes(), session.as_bytes(), after, count).unwrap()
        };
        match (load(&self.model), load(self.real.store())) {
            (Some(expected), Some(real)) => {
                assert_eq!(apart_content(&expected, count), apart_content(&real, count));
            }
            // A store may still know a signature in the midst of a session, which rows do not keep.
            (None, Some(real)) => {
                assert!(count > 0 && after + count <= counter, "{after}+{count} of {counter}");
                let loaded = apart(&self.model.load(id.as_bytes(), u64::MAX).unwrap().unwrap());
                let stored = loaded
                    .sessions
                    .into_iter()
                    .find(|stored| stored.0 == legible(session.as_bytes()))
                    .unwrap();
                let txs: Vec<String> = stored.3.into_iter().flat_map(|piece| piece.2.unwrap().1).collect();
                assert_eq!(apart_content(&real, count).1[..], txs[after as usize..(after + count) as usize]);
            }
            (expected, real) => assert_eq!(expected, real, "{id} {session} {after}+{count}"),
        }
    }
}

/// Stores a message by its bytes, and checks that the answer's bytes say what the outcome does.
fn store(store: &impl ContentStore, message: &OwnedMessage) -> Answer<StoreOutcome> {
    let bytes = message.encode().unwrap();
    let message = decode_message(&bytes).unwrap();
    let outcome = answer(store.store(&message))?;
    match outcome.encode(&message).unwrap() {
        None => {
            assert_eq!(outcome.status, StoreStatus::Stored);
            assert!(
                outcome.counters.iter().copied().eq(message.sessions.iter().map(|session| session.end()))
            );
        }
        Some(bytes) => {
            assert_eq!(decode_outcome(&bytes).unwrap(), (outcome.status, outcome.counters.clone()));
        }
    }
    Ok(outcome)
}

/// Runs the steps of a row-level transaction and gives what it saw.
fn rows(store: &impl StorageBackend, steps: &[Step], fail: bool, moment: u64) -> Result<Vec<String>> {
    let covalues: Vec<CoValueRowId> = IDS
        .iter()
        .map(|id| store.get_covalue(&(*id).into()).unwrap().map_or(CoValueRowId(77), |row| row.row_id))
        .collect();
    store.transaction(|rows| {
        let mut seen = Vec::new();
        for (n, step) in steps.iter().enumerate() {
            match step {
                Step::Append { id, session, txs, signatures, bytes, mistake } => {
                    let txs = bytes_of(txs, moment * 100 + n as u64);
                    append(rows, covalues[*id], SESSIONS[*session], &txs, signatures, *bytes, *mistake)?;
                }
                Step::Look { id, session } => {
                    let row = rows.get_single_session(covalues[*id], &SESSIONS[*session].into())?;
                    seen.push(format!("{:?}", row.map(without_slot)));
                }
                Step::Mark { id } => rows.mark_covalue_deleted(&IDS[*id].into())?,
                Step::Erase { id } => rows.delete_covalue_content(covalues[*id])?,
                Step::EraseUnknown => rows.delete_covalue_content(CoValueRowId(1_000_000))?,
                Step::Lock { peer, session } => {
                    let row = rows.get_lock(PEERS[*peer].as_bytes())?;
                    seen.push(format!("{row:?}"));
                    let timing = LockTiming { now: moment as f64, ttl: 0.0, interval: 0.0 };
                    let session = SESSIONS[*session].into();
                    let taken = jazz_storage_core::store::rows::ReconciliationLockRow::try_acquire(
                        row.as_ref(),
                        &session,
                        timing,
                    );
                    if let Some(row) = taken.1 {
                        rows.put_lock(PEERS[*peer].as_bytes(), &row)?;
                    }
                }
            }
        }
        // An error of the caller's own, which no store makes.
        if fail {
            Err(Error::InvalidOption { option: "test", detail: "on purpose".into() })
        } else {
            Ok(seen)
        }
    })
}

fn append(
    rows: &mut dyn StorageTransaction,
    covalue: CoValueRowId,
    session: &str,
    txs: &[Vec<u8>],
    signatures: &[u8],
    bytes: u32,
    mistake: Option<Mistake>,
) -> Result<()> {
    let session_id = SessionId::from(session);
    let present = rows.get_single_session(covalue, &session_id)?;
    let before = present.as_ref().map_or(0, |row| row.last_idx);
    let after = before + txs.len() as u32;
    let last_idx = match mistake {
        Some(Mistake::CounterTooHigh) => after + 1,
        Some(Mistake::CounterTooLow) => after.saturating_sub(1),
        Some(Mistake::CounterZero) => 0,
        _ => after,
    };
    let update = SessionUpdate {
        covalue,
        session_id,
        last_idx,
        last_signature: Signature::new(format!("signature_zRow{before}_{bytes}")),
        bytes_since_last_signature: bytes,
    };
    let row = match (mistake, present) {
        (Some(Mistake::NoUpdate), Some(present)) => present.row_id,
        _ => rows.add_session_update(&update)?,
    };
    for (n, (idx, tx)) in (before..).zip(txs).enumerate() {
        match mistake {
            Some(Mistake::TxMissing) if n == 0 => continue,
            Some(Mistake::TxTwice) => rows.add_transaction(row, idx, tx)?,
            Some(Mistake::TxMalformed) => return rows.add_transaction(row, idx, &tx[1..]),
            _ => {}
        }
        rows.add_transaction(row, idx, tx)?;
    }
    for signature in signatures {
        let idx = match mistake {
            Some(Mistake::SignatureBefore) if before > 0 => before - 1,
            Some(Mistake::SignaturePast) => after,
            _ if txs.is_empty() => continue,
            _ => before + u32::from(*signature) % txs.len() as u32,
        };
        let other = mistake == Some(Mistake::SignatureOther) || idx + 1 != last_idx;
        let signature =
            if other { &Signature::new(format!("signature_zChunk{idx}")) } else { &update.last_signature };
        rows.add_signature_after(row, idx, signature)?;
    }
    Ok(())
}

fn empty_ids<A: StorageBackend, B: StorageBackend>(model: &A, real: &B) {
    let empty = CoValueId::from("");
    assert_eq!(
        answer(model.upsert_covalue(&empty, Some(b"{}"))),
        answer(real.upsert_covalue(&empty, Some(b"{}")))
    );
    assert_eq!(answer(model.get_covalue(&empty)), answer(real.get_covalue(&empty)));
    assert_eq!(answer(model.get_known_state(&empty)), answer(real.get_known_state(&empty)));
    for (id, peer) in [("", "server"), ("co_zA", "")] {
        let updates = [SyncStateUpdate { id: id.into(), peer: peer.into(), synced: false }];
        assert_eq!(answer(model.track_sync_state(&updates)), answer(real.track_sync_state(&updates)));
    }
}
