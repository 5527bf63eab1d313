//! Running random operations on the model and on a store, and comparing all that they answer.

use super::compare::{Answer, answer, apart, apart_content, compare_all, compare_budgeted, without_slot};
use super::ops::{
    CHANGES, IDS, KEYS, MessageSpec, Mistake, Op, PEERS, SESSIONS, Step, THRESHOLDS, TxSpec, all_ids,
};
use super::{Met, Subject, fields};
use jazz_storage_core::error::{Error, Result};
use jazz_storage_core::format::tx::Fields;
use jazz_storage_core::format::wire::{
    OwnedMessage, OwnedSession, StoreStatus, decode_message, decode_outcome,
};
use jazz_storage_core::store::content::{ContentStore, StoreOutcome};
use jazz_storage_core::store::model::ModelStorage;
use jazz_storage_core::store::rows::{
    CoValueId, CoValueRowId, LockOutcome, LockTiming, SessionId, SessionUpdate, Signature, SyncStateUpdate,
};
use jazz_storage_core::store::traits::{StorageBackend, StorageTransaction};

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
    /// The kinds of answers met, so that a test can tell that the operations reach what they are for.
    met: Met,
}

impl<S: Subject> Pair<S> {
    pub fn create() -> Self {
        Self { model: ModelStorage::new(), real: S::create(), moment: 0, met: Met::new() }
    }

    /// The kinds of answers met, together with others.
    pub fn met_with(self, mut others: Met) -> Met {
        for (kind, times) in self.met.into_iter().chain(self.real.seen()) {
            *others.entry(kind).or_default() += times;
        }
        others
    }

    fn counter(&self, id: usize, session: usize) -> u32 {
        let known = self.model.get_known_state(&IDS[id].into()).unwrap();
        let sessions = known.map(|known| known.sessions).unwrap_or_default();
        sessions
            .iter()
            .find(|(stored, _)| stored.as_bytes() == SESSIONS[session].as_bytes())
            .map_or(0, |s| s.1)
    }

    fn message(&self, spec: &MessageSpec) -> OwnedMessage {
        let MessageSpec { id, header, delete_is_valid, threshold, sessions: specs } = spec;
        let mut sessions: Vec<OwnedSession> = Vec::new();
        for spec in specs {
            let session = SESSIONS[spec.session].as_bytes().to_vec();
            if sessions.iter().any(|other| other.session == session) {
                continue;
            }
            let counter = self.counter(*id, spec.session);
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
        OwnedMessage {
            id: IDS[*id].into(),
            header,
            delete_is_valid: *delete_is_valid,
            chunk_threshold: THRESHOLDS[*threshold],
            sessions,
        }
    }

    /// Stores messages in the model one by one, each made to go on after those before it, and in the store together. Shows
    /// `between` the model after each, and gives how many were handled.
    fn store_all(&mut self, specs: &[MessageSpec], between: &mut dyn FnMut(&ModelStorage)) -> usize {
        let (mut messages, mut expected) = (Vec::new(), Vec::new());
        for spec in specs {
            self.moment += 1;
            let message = self.message(spec);
            if expected.last().is_none_or(|last: &StoreOutcome| last.status == StoreStatus::Stored) {
                expected.push(store(&self.model, &message).expect("a good message"));
                between(&self.model);
            }
            messages.push(message.encode().unwrap());
        }
        let messages: Vec<_> = messages.iter().map(|bytes| decode_message(bytes).unwrap()).collect();
        let outcomes = self.real.store().store_all(&messages).unwrap();
        assert_eq!(expected, outcomes, "{messages:?}");
        outcomes.len()
    }

    /// Runs an operation on both and compares the answers.
    pub fn run(&mut self, op: &Op) {
        self.run_seeing(op, &mut |_| {});
    }

    /// As [`Self::run`], and shows the model's states on the way to what the operation leaves.
    pub fn run_seeing(&mut self, op: &Op, between: &mut dyn FnMut(&ModelStorage)) {
        self.moment += 1;
        let moment = self.moment;
        let mut met = Vec::new();
        let (model, real) = (&self.model, self.real.store());
        match op {
            Op::Store(spec) => {
                let message = self.message(spec);
                let expected = store(model, &message);
                assert_eq!(expected, store(real, &message), "{message:?}");
                met.push(format!("store: {:?}", expected.map(|outcome| outcome.status)));
            }
            Op::StoreAll(specs) => {
                met.push(format!("together: all handled: {}", self.store_all(specs, between) == specs.len()));
            }
            Op::Load { id, budget } => {
                let id = IDS[*id].as_bytes();
                match (model.load(id, *budget).unwrap(), real.load(id, *budget).unwrap()) {
                    (Some(expected), Some(real)) if matches!(*budget, 0 | u64::MAX) => {
                        assert_eq!(apart(&expected), apart(&real), "budget {budget}");
                    }
                    (Some(expected), Some(real)) => {
                        compare_budgeted(&expected, &real, *budget);
                        let pieces = || expected.sessions.iter().flat_map(|session| &session.pieces);
                        if pieces().any(|piece| piece.content.is_none()) {
                            let some = pieces().any(|piece| piece.after > 0 && piece.content.is_some());
                            met.push(format!("load: some later pieces given: {some}"));
                        }
                    }
                    (expected, real) => assert_eq!(expected, real),
                }
            }
            Op::LoadPiece { id, session, piece, later, longer } => {
                met.push(format!("piece: {}", self.load_piece(*id, *session, *piece, *later, *longer)));
            }
            Op::Upsert { id, header } => {
                let id = CoValueId::from(IDS[*id]);
                let header = header.then(|| format!(r#"{{"n":{moment}}}"#).into_bytes());
                let expected = answer(model.upsert_covalue(&id, header.as_deref()));
                assert_eq!(expected, answer(real.upsert_covalue(&id, header.as_deref())));
            }
            Op::Rows { steps, fail } => {
                let expected = answer(rows(model, steps, *fail, moment));
                assert_eq!(expected, answer(rows(real, steps, *fail, moment)));
                met.push(format!("rows: {:?}", expected.map(|_| ())));
            }
            Op::Erase { id } => {
                let id = CoValueId::from(IDS[*id]);
                let expected = answer(model.erase_covalue_but_keep_tombstone(&id));
                assert_eq!(expected, answer(real.erase_covalue_but_keep_tombstone(&id)));
                met.push(format!("erase: {expected:?}"));
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
                let span = |n: u8| f64::from(n) * 20.0;
                let timing = LockTiming { now: moment as f64, ttl: span(*ttl), interval: span(*interval) };
                let expected = answer(model.try_acquire_lock(key, &session, timing));
                assert_eq!(expected, answer(real.try_acquire_lock(key, &session, timing)));
                let offset = matches!(expected, Ok(LockOutcome::Acquired { last_processed_offset }) if last_processed_offset != 0.0);
                met.push(match expected {
                    Ok(LockOutcome::Acquired { .. }) => format!("lock: acquired, at an offset: {offset}"),
                    other => format!("lock: {other:?}"),
                });
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
            Op::Upkeep(what) => self.real.upkeep(*what),
            Op::Interrupt(what, operations) => self.real.interrupt(*what, *operations),
            Op::Reopen => self.real.reopen(),
            Op::Kill => self.real.kill(),
        }
        self.real.observe();
        for kind in met {
            *self.met.entry(kind).or_default() += 1;
        }
    }

    /// Compares all that is stored in both, locks included.
    pub fn compare(&self) {
        compare_all(&self.model, self.real.store(), &all_ids());
        let locks = |rows: &mut dyn StorageTransaction| -> Result<Vec<_>> {
            PEERS.iter().map(|peer| rows.get_lock(peer.as_bytes())).collect()
        };
        assert_eq!(self.model.transaction(locks).unwrap(), self.real.store().transaction(locks).unwrap());
    }

    /// Compares one piece; whether there was one.
    fn load_piece(&self, id: usize, session: usize, piece: usize, later: u32, longer: u32) -> bool {
        let (id, session) = (IDS[id], SESSIONS[session]);
        let loaded = self.model.load(id.as_bytes(), 0).unwrap();
        let sessions = loaded.map(|loaded| loaded.sessions).unwrap_or_default();
        let pieces = sessions.into_iter().find(|found| found.session == SessionId::from(session));
        let piece = pieces.and_then(|found| found.pieces.get(piece % found.pieces.len()).cloned());
        let (after, count) = piece.map_or((0, 1), |piece| (piece.after, piece.count));
        let (after, count) = (after + later, count.saturating_sub(later) + longer);
        let load = |store: &dyn ContentStore| {
            let piece = store.load_piece(id.as_bytes(), session.as_bytes(), after, count).unwrap();
            piece.map(|piece| (piece.after, piece.count, apart_content(&piece.content.unwrap(), piece.count)))
        };
        let (expected, real) = (load(&self.model), load(self.real.store()));
        assert_eq!(expected, real, "{id} {session} {after}+{count}");
        real.is_some()
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
