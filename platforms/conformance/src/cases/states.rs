//! Known states, sync states, locks, and the list of ids.

use crate::bytes::Bytes;
use crate::forms::{append, create, ids as id_list, known as known_bytes, sync_updates};
use crate::steps::*;

const KNOWN: &str = "known states";
const SYNC: &str = "sync states";
const LOCKS: &str = "locks";
const IDS: &str = "ids and count";

pub(crate) fn known() -> Cases {
    let session = |session: &str, count: f64| record! { session: session, count: count };
    vec![
        case!(
            KNOWN,
            "a known state has the counters of all sessions",
            memory("a"),
            store(
                "a",
                &create("co_zA").session("s_session_z2", 0, &["[1]", "[2]"]).session(
                    "s_session_z1",
                    0,
                    &["[1]"]
                )
            ),
            known_state("a", "co_zA").gives(known_bytes(&[("s_session_z2", 2), ("s_session_z1", 1)])),
            store("a", &append("co_zA").session("s_session_z1", 1, &["[2]", "[3]"])),
            known_state("a", "co_zA").gives(known_bytes(&[("s_session_z2", 2), ("s_session_z1", 3)])),
            known_state("a", "co_zB").nothing(),
        ),
        case!(
            KNOWN,
            "known states are given as objects too, in the order of the ids",
            memory("a"),
            store(
                "a",
                &create("co_zA").session("s_session_z2", 0, &["[1]", "[2]"]).session(
                    "s_session_z1",
                    0,
                    &["[1]"]
                )
            ),
            store("a", &create("co_zB")),
            known_states("a", &["co_zB", "co_zUnknown", "co_zA"]).gives(list![
                record! { id: "co_zB", header: true, sessions: list![] },
                record! { id: "co_zUnknown", header: false, sessions: list![] },
                record! {
                    id: "co_zA",
                    header: true,
                    sessions: list![session("s_session_z2", 2.0), session("s_session_z1", 1.0)],
                },
            ]),
            known_states("a", &[]).gives(list![]),
            known_states("a", &["co_zA", ""]).fails("EMPTY_ID"),
        ),
        case!(
            KNOWN,
            "known states are the same after reopening",
            open("a", "store"),
            store("a", &create("co_zA").session("s_session_z1", 0, &["[1]", "[2]"])),
            close("a"),
            known_state("a", "co_zA").gives(known_bytes(&[("s_session_z1", 2)])),
            close("a"),
            known_states("a", &["co_zA"]).gives(list![
                record! { id: "co_zA", header: true, sessions: list![session("s_session_z1", 2.0)] }
            ]),
        ),
    ]
}

pub(crate) fn sync() -> Cases {
    vec![
        case!(
            SYNC,
            "what is not synced to some peer is listed once",
            memory("a"),
            track_sync_state(
                "a",
                sync_updates(&[
                    ("co_zB", "peer1", false),
                    ("co_zA", "peer1", false),
                    ("co_zA", "peer2", false)
                ]),
            )
            .nothing(),
            unsynced_ids("a").gives(id_list(&["co_zA", "co_zB"])),
            track_sync_state("a", sync_updates(&[("co_zA", "peer1", true)])).nothing(),
            unsynced_ids("a").gives(id_list(&["co_zA", "co_zB"])),
            track_sync_state("a", sync_updates(&[("co_zA", "peer2", true)])).nothing(),
            unsynced_ids("a").gives(id_list(&["co_zB"])),
            co_value_count("a", 0.0),
        ),
        case!(
            SYNC,
            "of two updates of a pair the later one counts",
            memory("a"),
            track_sync_state("a", sync_updates(&[("co_zA", "peer", false), ("co_zA", "peer", true)]))
                .nothing(),
            unsynced_ids("a").gives(id_list(&[])),
            track_sync_state("a", sync_updates(&[("co_zA", "peer", true), ("co_zA", "peer", false)]))
                .nothing(),
            unsynced_ids("a").gives(id_list(&["co_zA"])),
        ),
        case!(
            SYNC,
            "updates are given as objects too",
            memory("a"),
            update_sync_states(
                "a",
                &[("co_zA", "peer1", false), ("co_zB", "peer1", false), ("co_zA", "peer1", true)]
            )
            .nothing(),
            unsynced_ids("a").gives(id_list(&["co_zB"])),
            update_sync_states("a", &[]).nothing(),
            update_sync_states("a", &[("co_zB", "peer1", true), ("co_zC", "", true)]).fails("EMPTY_ID"),
            update_sync_states("a", &[("", "peer1", true)]).fails("EMPTY_ID"),
            unsynced_ids("a").gives(id_list(&["co_zB"])),
        ),
        case!(
            SYNC,
            "a CoValue that is not tracked any more is not listed",
            memory("a"),
            track_sync_state(
                "a",
                sync_updates(&[
                    ("co_zA", "peer1", false),
                    ("co_zA", "peer2", false),
                    ("co_zB", "peer1", false)
                ]),
            ),
            stop_tracking("a", "co_zA").nothing(),
            stop_tracking("a", "co_zUnknown").nothing(),
            unsynced_ids("a").gives(id_list(&["co_zB"])),
        ),
        case!(
            SYNC,
            "malformed updates change nothing",
            memory("a"),
            track_sync_state("a", sync_updates(&[("co_zA", "peer", false)])),
            track_sync_state("a", sync_updates(&[("co_zB", "peer", false)]).and([1])).fails("MALFORMED"),
            track_sync_state("a", Bytes::from([1, 0, 0, 0, 9])).fails("MALFORMED"),
            track_sync_state("a", Bytes::new()).fails("MALFORMED"),
            track_sync_state("a", sync_updates(&[("co_zB", "peer", false), ("", "peer", false)]))
                .fails("EMPTY_ID"),
            track_sync_state("a", sync_updates(&[("co_zB", "peer", false), ("co_zC", "", false)]))
                .fails("EMPTY_ID"),
            unsynced_ids("a").gives(id_list(&["co_zA"])),
        ),
        case!(
            SYNC,
            "sync states survive closing",
            open("a", "store"),
            update_sync_states("a", &[("co_zA", "peer", false), ("co_zB", "peer", false)]),
            close("a"),
            open("b", "store"),
            unsynced_ids("b").gives(id_list(&["co_zA", "co_zB"])),
            stop_tracking("b", "co_zB"),
            close("b"),
            unsynced_ids("b").gives(id_list(&["co_zA"])),
        ),
    ]
}

pub(crate) fn locks() -> Cases {
    let acquired = |offset: f64| record! { acquired: true, reason: crate::case::Value::Nothing, lastProcessedOffset: offset };
    let refused = |reason: &str| record! { acquired: false, reason: reason, lastProcessedOffset: 0.0 };
    vec![
        case!(
            LOCKS,
            "a lock is held by one session at a time",
            memory("a"),
            try_acquire_lock("a", "session1", "peer", 1e12).gives(acquired(0.0)),
            try_acquire_lock("a", "session2", "peer", 1e12 + 1000.0).gives(refused("lock_held")),
            try_acquire_lock("a", "session2", "another peer", 1e12 + 1000.0).gives(acquired(0.0)),
            try_acquire_lock("a", "session1", "peer", 1e12 + 1000.0).gives(acquired(0.0)),
        ),
        case!(
            LOCKS,
            "a lock runs out, and the next one goes on where it stood",
            memory("a"),
            try_acquire_lock("a", "session1", "peer", 1e12).gives(acquired(0.0)),
            renew_lock("a", "session1", "peer", 500.0).nothing(),
            renew_lock("a", "session2", "peer", 9000.0).nothing(),
            try_acquire_lock("a", "session2", "peer", 1e12 + 1001.0).gives(acquired(500.0)),
            renew_lock("a", "session1", "peer", 600.0).nothing(),
            try_acquire_lock("a", "session2", "peer", 1e12 + 1002.0).gives(acquired(500.0)),
        ),
        case!(
            LOCKS,
            "after a complete run the next one is due when the interval is over",
            memory("a"),
            try_acquire_lock("a", "session1", "peer", 1e12).gives(acquired(0.0)),
            renew_lock("a", "session1", "peer", 500.0).nothing(),
            release_lock("a", "session2", "peer", 1e12 + 10.0).nothing(),
            try_acquire_lock("a", "session2", "peer", 1e12 + 11.0).gives(refused("lock_held")),
            release_lock("a", "session1", "peer", 1e12 + 100.0).nothing(),
            try_acquire_lock("a", "session1", "peer", 1e12 + 10_099.0).gives(refused("not_due")),
            try_acquire_lock("a", "session2", "peer", 1e12 + 10_100.0).gives(acquired(0.0)),
        ),
        case!(
            LOCKS,
            "what nobody holds is neither renewed nor released",
            memory("a"),
            renew_lock("a", "session1", "peer", 5.0).nothing(),
            release_lock("a", "session1", "peer", 1e12).nothing(),
            try_acquire_lock("a", "session1", "peer", 1e12).gives(acquired(0.0)),
        ),
        case!(
            LOCKS,
            "a lock needs a session and a peer",
            memory("a"),
            try_acquire_lock("a", "", "peer", 1e12).fails("EMPTY_ID"),
            try_acquire_lock("a", "session1", "", 1e12).fails("EMPTY_ID"),
            renew_lock("a", "", "peer", 1.0).fails("EMPTY_ID"),
            renew_lock("a", "session1", "", 1.0).fails("EMPTY_ID"),
            release_lock("a", "", "peer", 1.0).fails("EMPTY_ID"),
            release_lock("a", "session1", "", 1.0).fails("EMPTY_ID"),
        ),
        case!(
            LOCKS,
            "locks survive closing",
            open("a", "store"),
            try_acquire_lock("a", "session1", "peer", 1e12 + 0.25).gives(acquired(0.0)),
            renew_lock("a", "session1", "peer", 12.5),
            close("a"),
            open("b", "store"),
            try_acquire_lock("b", "session2", "peer", 1e12 + 1000.25).gives(refused("lock_held")),
            try_acquire_lock("b", "session2", "peer", 1e12 + 1000.5).gives(acquired(12.5)),
        ),
    ]
}

pub(crate) fn ids() -> Cases {
    vec![
        case!(
            IDS,
            "ids are listed in the order in which they were first stored, part by part",
            memory("a"),
            store("a", &create("co_zC")),
            store("a", &create("co_zA")),
            store("a", &create("co_zB")),
            store("a", &create("co_zC")),
            co_value_count("a", 3.0),
            co_value_ids("a", 10.0, 0.0).gives(id_list(&["co_zC", "co_zA", "co_zB"])),
            co_value_ids("a", 2.0, 0.0).gives(id_list(&["co_zC", "co_zA"])),
            co_value_ids("a", 2.0, 2.0).gives(id_list(&["co_zB"])),
            co_value_ids("a", 2.0, 3.0).gives(id_list(&[])),
            co_value_ids("a", 0.0, 0.0).gives(id_list(&[])),
        ),
        case!(
            IDS,
            "numbers beyond all lists, and none at all, are taken as they are meant",
            memory("a"),
            store("a", &create("co_zA")),
            store("a", &create("co_zB")),
            co_value_ids("a", 1e15, 0.0).gives(id_list(&["co_zA", "co_zB"])),
            co_value_ids("a", f64::INFINITY, 1.0).gives(id_list(&["co_zB"])),
            co_value_ids("a", 10.0, 1e15).gives(id_list(&[])),
            co_value_ids("a", 10.0, f64::INFINITY).gives(id_list(&[])),
            co_value_ids("a", -1.0, 0.0).gives(id_list(&[])),
            co_value_ids("a", f64::NAN, 0.0).gives(id_list(&[])),
            co_value_ids("a", 10.0, -1.0).gives(id_list(&["co_zA", "co_zB"])),
            co_value_ids("a", 10.0, f64::NAN).gives(id_list(&["co_zA", "co_zB"])),
        ),
        case!(
            IDS,
            "the order of ids is the same after reopening and compacting",
            open("a", "store"),
            store("a", &create("co_zC")),
            store("a", &create("co_zA")),
            close("a"),
            store("a", &create("co_zB")),
            compact("a"),
            co_value_ids("a", 10.0, 0.0).gives(id_list(&["co_zC", "co_zA", "co_zB"])),
            co_value_count("a", 3.0),
        ),
    ]
}
