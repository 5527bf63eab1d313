//! Cases through the model of a store (`jazz_storage_core::store::model`): it shares no code with the engine, and confirms
//! what the cases expect of everything that is stored and loaded.

use crate::case::{Call, Case, Expected, FileOp, Op, Value};
use jazz_storage_core::Result;
use jazz_storage_core::format::wire;
use jazz_storage_core::store::rows::{
    CoValueId, LockOutcome, LockTiming, PeerId, SessionId, SyncStateUpdate,
};
use jazz_storage_core::store::{ContentStore, ModelStorage, StorageBackend};
use std::collections::HashMap;
use std::rc::Rc;

/// Compares what a case expects with what the model says, up to the first step that the model has no part in: damage,
/// repair and what comes from backups.
pub(crate) fn agrees(case: &Case) -> std::result::Result<(), String> {
    let mut stores = Stores::default();
    for (n, op) in case.ops.iter().enumerate() {
        let calls = match op {
            Op::Call(call) => std::slice::from_ref(call),
            Op::All(calls) => calls,
            Op::File(
                FileOp::MakeDirectory(_) | FileOp::Exists(_) | FileOp::Absent(_) | FileOp::Lists(..),
            ) => &[],
            Op::File(_) => return Ok(()),
        };
        for call in calls {
            if matches!(call.name, "restoreBackup" | "repair") {
                return Ok(());
            }
            let disagrees = |why: String| format!("{}: {}, step {n}: the model {why}", case.topic, case.name);
            stores.call(call).map_err(disagrees)?;
        }
    }
    Ok(())
}

/// The models behind the handles of a case; handles on one path share one.
#[derive(Default)]
struct Stores {
    handles: HashMap<&'static str, Rc<ModelStorage>>,
    paths: HashMap<String, Rc<ModelStorage>>,
    /// By handle, whether all was stored of what was last given to it to be.
    wholes: HashMap<&'static str, bool>,
}

impl Stores {
    fn call(&mut self, call: &Call) -> std::result::Result<(), String> {
        let whole = self.wholes.entry(call.on.unwrap_or_default()).or_insert(true);
        // What is refused changes nothing, and is refused before it would reach a model.
        if matches!(call.expected, Expected::Fails(..)) {
            *whole &= !matches!(call.name, "store" | "storeBatch");
            return Ok(());
        }
        if call.name == "open" {
            let path = match call.with.first() {
                Some(Value::Record(fields)) => fields.iter().find_map(|(name, value)| match value {
                    Value::Path(path) if *name == "path" => Some(path.trim_end_matches("/.").to_owned()),
                    _ => None,
                }),
                _ => None,
            };
            let model = path.map(|path| Rc::clone(self.paths.entry(path).or_default()));
            self.handles.insert(call.makes.unwrap_or_default(), model.unwrap_or_default());
            return Ok(());
        }
        let Some(model) = call.on.and_then(|on| self.handles.get(on)) else { return Ok(()) };
        match (said(model, call, whole), &call.expected) {
            (Ok(None), _) | (Ok(Some(_)), Expected::Success) => Ok(()),
            (Ok(Some(said)), Expected::Gives(expected)) if is_same(&said, expected) => Ok(()),
            (Ok(Some(said)), _) => Err(format!("gives {} for {}", said.json(), call.name)),
            (Err(error), _) => Err(format!("fails at {}: {error}", call.name)),
        }
    }
}

/// What the model says; nothing where it has nothing to say. `whole`: whether all was stored of what was last given to be.
fn said(model: &ModelStorage, call: &Call, whole: &mut bool) -> Result<Option<Value>> {
    let bytes = |n: usize| match call.with.get(n) {
        Some(Value::Bytes(bytes)) => bytes.bytes(),
        _ => Vec::new(),
    };
    let number = |n: usize| match call.with.get(n) {
        Some(Value::Number(number)) => *number,
        _ => 0.0,
    };
    let id = |n| CoValueId::new(bytes(n));
    let session = |n| SessionId::new(bytes(n));
    let load = |id: &[u8], budget| model.load(id, budget)?.map(|loaded| loaded.encode()).transpose();
    let ids = |ids: Vec<CoValueId>| wire::encode_ids(ids.iter().map(CoValueId::as_bytes)).map(raw);
    Ok(Some(match call.name {
        "store" => {
            let bytes = bytes(0);
            let message = wire::decode_message(&bytes)?;
            let outcome = model.store(&message)?;
            *whole = outcome.status == wire::StoreStatus::Stored;
            outcome.encode(&message)?.map_or(Value::Nothing, raw)
        }
        "storeBatch" => {
            let bytes = bytes(0);
            let mut answers = Vec::new();
            let batch = wire::decode_batch(&bytes)?;
            let handled = if batch.follows && !*whole { &[] } else { batch.messages.as_slice() };
            *whole |= !handled.is_empty() || !batch.follows;
            for message in handled {
                let outcome = model.store(message)?;
                answers.push(outcome.encode(message)?);
                *whole = outcome.status == wire::StoreStatus::Stored;
                if !*whole {
                    break;
                }
            }
            raw(wire::encode_answers(&answers)?)
        }
        "load" => load(&bytes(0), number(1) as u64)?.map_or(Value::Nothing, raw),
        "loadMany" => {
            let mut budget = number(1) as u64;
            let mut answers = Vec::new();
            for id in wire::decode_ids(&bytes(0))? {
                let answer = load(id, budget)?;
                budget = budget.saturating_sub(answer.as_ref().map_or(0, Vec::len) as u64);
                answers.push(answer);
            }
            raw(wire::encode_answers(&answers)?)
        }
        "loadPiece" => {
            let (after, count) = (number(2) as u32, number(3) as u32);
            let piece = model.load_piece(&bytes(0), &bytes(1), after, count)?;
            let content = piece.and_then(|piece| Some((piece.count, piece.content?)));
            let encoded = content.map(|(count, (signature, txs))| {
                wire::encode_piece(count, signature.as_bytes(), txs.len(), |out| {
                    out.extend(txs);
                    Ok(())
                })
            });
            encoded.transpose()?.map_or(Value::Nothing, raw)
        }
        "knownState" => {
            let state = model.get_known_state(&id(0))?;
            let encoded = state.map(|state| {
                wire::encode_known_state(state.sessions.iter().map(|(id, count)| (id.as_bytes(), *count)))
            });
            encoded.transpose()?.map_or(Value::Nothing, raw)
        }
        "pendingDeletions" => ids(model.pending_deletions()?)?,
        "erase" => model.erase_covalue_but_keep_tombstone(&id(0))?.into(),
        "coValueIds" => ids(model.covalue_ids(number(0) as u32, number(1) as u64)?)?,
        "coValueCount" => Value::Number(model.covalue_count()? as f64),
        "trackSyncState" => {
            let bytes = bytes(0);
            let updates = wire::decode_sync_updates(&bytes)?;
            let updates = updates.iter().map(|update| sync_state(update.id, update.peer, update.synced));
            model.track_sync_state(&updates.collect::<Vec<_>>())?.into()
        }
        "updateSyncStates" => {
            let Some(Value::List(updates)) = call.with.first() else { return Ok(None) };
            let updates = updates.iter().filter_map(|update| match update {
                Value::Record(fields) => match &fields[..] {
                    [(_, Value::Text(id)), (_, Value::Text(peer)), (_, Value::Bool(synced))] => {
                        Some(sync_state(id.as_bytes(), peer.as_bytes(), *synced))
                    }
                    _ => None,
                },
                _ => None,
            });
            model.track_sync_state(&updates.collect::<Vec<_>>())?.into()
        }
        "unsyncedIds" => ids(model.unsynced_ids()?)?,
        "stopTracking" => model.stop_tracking_sync_state(&id(0))?.into(),
        "tryAcquireLock" => {
            let timing = LockTiming { now: number(2), ttl: number(3), interval: number(4) };
            let refused = |reason: &str| (false, Value::from(reason), 0.0);
            let (acquired, reason, offset) = match model.try_acquire_lock(&bytes(1), &session(0), timing)? {
                LockOutcome::Acquired { last_processed_offset } => {
                    (true, Value::Nothing, last_processed_offset)
                }
                LockOutcome::NotDue => refused("not_due"),
                LockOutcome::Held => refused("lock_held"),
            };
            Value::Record(vec![
                ("acquired", acquired.into()),
                ("reason", reason),
                ("lastProcessedOffset", offset.into()),
            ])
        }
        "renewLock" => model.renew_lock(&bytes(1), &session(0), number(2))?.into(),
        "releaseLock" => model.release_lock(&bytes(1), &session(0), number(2))?.into(),
        _ => return Ok(None),
    }))
}

fn raw(bytes: Vec<u8>) -> Value {
    Value::Bytes(bytes.into())
}

fn sync_state(id: &[u8], peer: &[u8], synced: bool) -> SyncStateUpdate {
    SyncStateUpdate { id: CoValueId::new(id), peer: PeerId::new(peer), synced }
}

/// Whether the model says what is expected.
fn is_same(said: &Value, expected: &Value) -> bool {
    match (said, expected) {
        (Value::Bytes(said), Value::Bytes(expected)) => said.bytes() == expected.bytes(),
        (Value::Record(said), Value::Record(expected)) => expected.iter().all(|(name, expected)| {
            said.iter().any(|(field, said)| field == name && is_same(said, expected))
        }),
        _ => said.json() == expected.json(),
    }
}
