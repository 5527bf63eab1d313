//! The steps of cases, by short names.

use crate::bytes::Bytes;
use crate::case::{Call, Case, Expected, FileOp, Op, Value};
use crate::forms::Message;

/// A case of these steps.
macro_rules! case {
    ($topic:expr, $name:literal, $($step:expr),+ $(,)?) => {
        $crate::case::Case { topic: $topic, name: $name, ops: vec![$($crate::case::Op::from($step)),+] }
    };
}
pub(crate) use case;

/// A list of values.
macro_rules! list {
    ($($value:expr),* $(,)?) => { $crate::case::Value::List(vec![$($crate::case::Value::from($value)),*]) };
}
pub(crate) use list;

/// Named values.
macro_rules! record {
    ($($name:ident: $value:expr),* $(,)?) => {
        $crate::case::Value::Record(vec![$((stringify!($name), $crate::case::Value::from($value))),*])
    };
}
pub(crate) use record;

pub(crate) fn path(path: &str) -> Value {
    Value::Path(path.to_owned())
}

pub(crate) fn at_least(least: f64) -> Value {
    Value::AtLeast(least)
}

pub(crate) fn says(text: &str) -> Value {
    Value::Says(text.to_owned())
}

/// Bytes of a text.
pub(crate) fn text(text: &str) -> Value {
    Value::Bytes(text.into())
}

fn call(name: &'static str, on: &'static str, with: Vec<Value>) -> Call {
    Call { name, on: Some(on), makes: None, with, expected: Expected::Success }
}

/// A call that is not on a handle.
fn free(name: &'static str, with: Vec<Value>) -> Call {
    Call { name, on: None, makes: None, with, expected: Expected::Success }
}

/// Several calls of which none waits for another.
pub(crate) fn all(calls: Vec<Call>) -> Op {
    Op::All(calls)
}

pub(crate) fn open_with(makes: &'static str, options: Value) -> Call {
    free("open", vec![options]).makes(makes)
}

/// Opens a store in a directory.
pub(crate) fn open(makes: &'static str, directory: &str) -> Call {
    open_with(makes, record! { path: path(directory) })
}

/// Opens a store in memory.
pub(crate) fn memory(makes: &'static str) -> Call {
    open_with(makes, record! { durability: "memory" })
}

/// Stores a message that is wholly new, unless something else is expected.
pub(crate) fn store(on: &'static str, message: &Message) -> Call {
    store_bytes(on, message.encode()).nothing()
}

pub(crate) fn store_bytes(on: &'static str, bytes: Bytes) -> Call {
    call("store", on, vec![bytes.into()])
}

pub(crate) fn store_batch(on: &'static str, batch: Bytes) -> Call {
    call("storeBatch", on, vec![batch.into()])
}

/// A budget that is enough for all cases.
pub(crate) const EVERYTHING: f64 = 1e9;

pub(crate) fn load(on: &'static str, id: impl Into<Bytes>) -> Call {
    load_up_to(on, id, EVERYTHING)
}

pub(crate) fn load_up_to(on: &'static str, id: impl Into<Bytes>, budget: f64) -> Call {
    call("load", on, vec![id.into().into(), budget.into()])
}

pub(crate) fn load_many(on: &'static str, ids: Bytes, budget: f64) -> Call {
    call("loadMany", on, vec![ids.into(), budget.into()])
}

pub(crate) fn load_piece(
    on: &'static str,
    id: impl Into<Bytes>,
    session: impl Into<Bytes>,
    after: f64,
    count: f64,
) -> Call {
    call("loadPiece", on, vec![id.into().into(), session.into().into(), after.into(), count.into()])
}

pub(crate) fn known_state(on: &'static str, id: impl Into<Bytes>) -> Call {
    call("knownState", on, vec![id.into().into()])
}

pub(crate) fn known_states(on: &'static str, ids: &[&str]) -> Call {
    call("knownStates", on, vec![ids.iter().map(|id| Value::from(*id)).collect::<Vec<_>>().into()])
}

pub(crate) fn pending_deletions(on: &'static str) -> Call {
    call("pendingDeletions", on, vec![])
}

pub(crate) fn erase(on: &'static str, id: impl Into<Bytes>) -> Call {
    call("erase", on, vec![id.into().into()])
}

pub(crate) fn co_value_ids(on: &'static str, limit: f64, offset: f64) -> Call {
    call("coValueIds", on, vec![limit.into(), offset.into()])
}

pub(crate) fn co_value_count(on: &'static str, count: f64) -> Call {
    call("coValueCount", on, vec![]).gives(count)
}

pub(crate) fn track_sync_state(on: &'static str, updates: Bytes) -> Call {
    call("trackSyncState", on, vec![updates.into()])
}

pub(crate) fn update_sync_states(on: &'static str, updates: &[(&str, &str, bool)]) -> Call {
    let updates = updates
        .iter()
        .map(|(id, peer, synced)| record! { coValue: *id, peer: *peer, synced: *synced })
        .collect::<Vec<_>>();
    call("updateSyncStates", on, vec![updates.into()])
}

pub(crate) fn unsynced_ids(on: &'static str) -> Call {
    call("unsyncedIds", on, vec![])
}

pub(crate) fn stop_tracking(on: &'static str, id: impl Into<Bytes>) -> Call {
    call("stopTracking", on, vec![id.into().into()])
}

/// `session` tries to take the lock of `peer` at `now`; it lasts 1,000 ms, and is due every 10,000.
pub(crate) fn try_acquire_lock(on: &'static str, session: &str, peer: &str, now: f64) -> Call {
    let with = vec![text(session), text(peer), now.into(), 1_000.0.into(), 10_000.0.into()];
    call("tryAcquireLock", on, with)
}

pub(crate) fn renew_lock(on: &'static str, session: &str, peer: &str, offset: f64) -> Call {
    call("renewLock", on, vec![text(session), text(peer), offset.into()])
}

pub(crate) fn release_lock(on: &'static str, session: &str, peer: &str, now: f64) -> Call {
    call("releaseLock", on, vec![text(session), text(peer), now.into()])
}

pub(crate) fn flush(on: &'static str) -> Call {
    call("flush", on, vec![]).nothing()
}

pub(crate) fn maintain(on: &'static str, work: f64) -> Call {
    call("maintain", on, vec![work.into()])
}

pub(crate) fn compact(on: &'static str) -> Call {
    call("compact", on, vec![]).nothing()
}

pub(crate) fn verify(on: &'static str, task: &'static str) -> Call {
    call("verify", on, vec![Value::Task(task)])
}

pub(crate) fn backup(on: &'static str, target: Value, task: &'static str) -> Call {
    call("backup", on, vec![target, Value::Task(task)])
}

pub(crate) fn restore_backup(from: Value, directory: Value, task: &'static str) -> Call {
    free("restoreBackup", vec![from, directory, Value::Task(task)])
}

pub(crate) fn repair(directory: Value, task: &'static str) -> Call {
    free("repair", vec![directory, Value::Task(task)])
}

pub(crate) fn stats(on: &'static str, expected: Value) -> Call {
    call("stats", on, vec![]).gives(expected)
}

pub(crate) fn close(on: &'static str) -> Call {
    call("close", on, vec![]).nothing()
}

/// Lets go of a handle, as far as the language can.
pub(crate) fn let_go(on: &'static str) -> Call {
    call("drop", on, vec![])
}

pub(crate) fn task(makes: &'static str) -> Call {
    free("newTask", vec![]).makes(makes)
}

pub(crate) fn cancel(on: &'static str) -> Call {
    call("cancel", on, vec![])
}

pub(crate) fn progress(on: &'static str, expected: Value) -> Call {
    call("progress", on, vec![]).gives(expected)
}

pub(crate) fn on_progress(on: &'static str, makes: &'static str) -> Call {
    call("onProgress", on, vec![]).makes(makes)
}

pub(crate) fn on_event(on: &'static str, makes: &'static str) -> Call {
    call("onEvent", on, vec![]).makes(makes)
}

/// What a listener was told, once it was told this: how often (`times`), the last (`last`), and whether that was the end
/// of an operation (`complete`).
pub(crate) fn told(on: &'static str, expected: Value) -> Call {
    call("told", on, vec![]).gives(expected)
}

pub(crate) fn library_version() -> Call {
    free("libraryVersion", vec![])
}

pub(crate) fn throw_error(code: &'static str) -> Call {
    free("throwError", vec![code.into()]).fails(code)
}

pub(crate) fn file(op: FileOp) -> Op {
    Op::File(op)
}

/// Cases of a topic.
pub(crate) type Cases = Vec<Case>;
