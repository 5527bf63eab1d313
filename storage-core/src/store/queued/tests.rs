//! The queue by itself, over the model, and over the store.

use super::*;
use crate::error::ErrorCode;
use crate::file::InMemoryFileIO;
use crate::format::tx::Fields;
use crate::store::bftree::{BfTreeStorage, StoreOptions};
use crate::store::model::ModelStorage;
use crate::store::rows::{SessionUpdate, Signature};
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The least of executors: nothing of the queue may need more.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        thread::park();
    }
}

fn queued() -> Queued<ModelStorage> {
    Queued::new(Arc::new(ModelStorage::new()))
}

fn queued_store() -> Queued<BfTreeStorage<InMemoryFileIO>> {
    Queued::new(Arc::new(BfTreeStorage::open(InMemoryFileIO::new(), StoreOptions::default()).unwrap()))
}

#[test]
fn jobs_run_in_order_on_one_thread_per_lane() {
    let (sender, receiver) = mpsc::channel();
    let lanes = Lanes::new("test");
    for n in 0..200 {
        for lane in [Lane::Write, Lane::Read] {
            let sender = sender.clone();
            let job = move || sender.send((lane == Lane::Write, n, thread::current().id())).unwrap();
            lanes.submit(lane, Box::new(job));
        }
    }
    drop((lanes, sender));
    let ran: Vec<_> = receiver.into_iter().collect();
    assert_eq!(ran.len(), 400, "dropping the lanes drained them");
    let mut threads = BTreeSet::new();
    for write in [true, false] {
        let lane: Vec<_> = ran.iter().filter(|job| job.0 == write).collect();
        assert!(lane.iter().map(|job| job.1).eq(0..200));
        assert!(lane.iter().all(|job| job.2 == lane[0].2));
        threads.insert(format!("{:?}", lane[0].2));
    }
    assert_eq!(threads.len(), 2);
}

#[test]
fn reads_do_not_wait_for_writes() {
    let lanes = Lanes::new("test");
    let (open, gate) = mpsc::channel::<()>();
    lanes.submit(Lane::Write, Box::new(move || gate.recv().unwrap()));
    let (sender, receiver) = mpsc::channel();
    lanes.submit(Lane::Read, Box::new(move || sender.send(()).unwrap()));
    receiver.recv_timeout(Duration::from_secs(30)).expect("the read ran while the write was under way");
    open.send(()).unwrap();
}

#[test]
fn a_panic_ends_the_job_and_not_the_lane() {
    let lanes = Lanes::new("test");
    lanes.submit(Lane::Write, Box::new(|| panic!("on purpose")));
    let (sender, receiver) = mpsc::channel();
    lanes.submit(Lane::Write, Box::new(move || sender.send(()).unwrap()));
    receiver.recv_timeout(Duration::from_secs(30)).expect("the lane goes on");
    panic_in_a_transaction(&queued());
    panic_in_a_transaction(&queued_store());
}

fn panic_in_a_transaction(store: &impl StorageBackendAsync) {
    let id = CoValueId::from("co_zA");
    let error = wait(store.transaction(|_| -> Result<()> { panic!("on purpose, {}", 2) })).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Internal);
    assert!(error.to_string().contains("on purpose, 2"), "{error}");
    assert_eq!(wait(store.upsert_covalue(id, Some(b"{}".to_vec()))).unwrap(), Some(CoValueRowId(1)));
}

#[test]
fn the_last_handle_may_be_dropped_on_a_lane() {
    let (sender, receiver) = mpsc::channel();
    let lanes = Arc::new(Lanes::new("test"));
    let held = Arc::clone(&lanes);
    let (open, gate) = mpsc::channel::<()>();
    lanes.submit(
        Lane::Write,
        Box::new(move || {
            gate.recv().unwrap();
            drop(held);
            sender.send(()).unwrap();
        }),
    );
    drop(lanes);
    open.send(()).unwrap();
    receiver.recv_timeout(Duration::from_secs(30)).expect("the lane did not wait for itself");
}

#[test]
fn operations_take_effect_in_the_order_of_the_calls_even_if_nobody_waits() {
    let store = queued();
    for n in 0..50 {
        drop(store.upsert_covalue(CoValueId::new(format!("co_z{n}")), Some(b"{}".to_vec())));
    }
    // The last write to end is the last one queued.
    assert_eq!(wait(store.upsert_covalue(CoValueId::from("co_z49"), None)).unwrap(), Some(CoValueRowId(50)));
    let ids = wait(store.covalue_ids(100, 0)).unwrap();
    assert_eq!(ids, (0..50).map(|n| CoValueId::new(format!("co_z{n}"))).collect::<Vec<_>>());
    assert_eq!(wait(store.covalue_count()).unwrap(), 50);
}

#[test]
fn every_operation_reaches_the_storage() {
    every_operation(&queued());
    every_operation(&queued_store());
}

fn every_operation(store: &impl StorageBackendAsync) {
    let id = CoValueId::from("co_zA");
    let session_id = SessionId::from("co_zB_session_z1");
    let signature = Signature::from("signature_z1");
    let row = wait(store.upsert_covalue(id.clone(), Some(b"{}".to_vec()))).unwrap().unwrap();
    assert_eq!(wait(store.get_covalue(id.clone())).unwrap().unwrap().row_id, row);
    let mut tx = Vec::new();
    Fields::Trusting { sorted: true, made_at: 1.0, changes: b"[]", meta: None }.append_to(&mut tx).unwrap();
    let update = SessionUpdate {
        covalue: row,
        session_id: session_id.clone(),
        last_idx: 1,
        last_signature: signature.clone(),
        bytes_since_last_signature: 0,
    };
    let (deleted, stored_tx, chunk) = (id.clone(), tx.clone(), signature.clone());
    let session = wait(store.transaction(move |rows| {
        let session = rows.add_session_update(&update)?;
        rows.add_transaction(session, 0, &stored_tx)?;
        rows.add_signature_after(session, 0, &chunk)?;
        rows.mark_covalue_deleted(&deleted)?;
        Ok(session)
    }))
    .unwrap();
    assert_eq!(wait(store.get_covalue_sessions(row)).unwrap()[0].session_id, session_id);
    let expected = vec![TransactionRow { idx: 0, tx }];
    assert_eq!(wait(store.get_new_transactions_in_session(session, 0, 0)).unwrap(), expected);
    assert_eq!(wait(store.get_signatures(session, 0)).unwrap(), [SignatureAfterRow { idx: 0, signature }]);
    let known = KnownState { sessions: vec![(session_id.clone(), 1)] };
    assert_eq!(wait(store.get_known_state(id.clone())).unwrap(), Some(known));
    assert_eq!(wait(store.pending_deletions()).unwrap(), std::slice::from_ref(&id));
    assert!(wait(store.erase_covalue_but_keep_tombstone(id.clone())).unwrap());
    assert_eq!(wait(store.get_known_state(id.clone())).unwrap(), Some(KnownState { sessions: vec![] }));
    let update = SyncStateUpdate { id: id.clone(), peer: "peer".into(), synced: false };
    wait(store.track_sync_state(vec![update])).unwrap();
    assert_eq!(wait(store.unsynced_ids()).unwrap(), std::slice::from_ref(&id));
    wait(store.stop_tracking_sync_state(id)).unwrap();
    assert_eq!(wait(store.unsynced_ids()).unwrap(), []);
    let timing = LockTiming { now: 10.0, ttl: 5.0, interval: 7.0 };
    let acquire = || wait(store.try_acquire_lock(b"peer".to_vec(), session_id.clone(), timing)).unwrap();
    assert_eq!(acquire(), LockOutcome::Acquired { last_processed_offset: 0.0 });
    wait(store.renew_lock(b"peer".to_vec(), session_id.clone(), 3.0)).unwrap();
    assert_eq!(acquire(), LockOutcome::Acquired { last_processed_offset: 3.0 });
    wait(store.release_lock(b"peer".to_vec(), session_id.clone(), 9.0)).unwrap();
    assert_eq!(acquire(), LockOutcome::NotDue);
}
