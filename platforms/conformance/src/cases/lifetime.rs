//! Durability levels, reopening, handles on one path, many operations at once.

use crate::bytes::Bytes;
use crate::case::FileOp::{Absent, Exists, Remove};
use crate::case::Value;
use crate::forms::{append, create, ids, known, loaded};
use crate::steps::*;
use jazz_storage_core::format::FORMAT_VERSION;

const DURABILITY: &str = "durability levels and stats";
const REOPENING: &str = "reopening";
const SHARING: &str = "concurrent handles on one path";
const AT_ONCE: &str = "many operations at once";

fn message(id: &str) -> crate::forms::Message {
    create(id).session("s_session_z1", 0, &["[1]"])
}

fn message_loaded() -> Bytes {
    loaded().session("s_session_z1", &["[1]"]).encode()
}

pub(crate) fn durability() -> Cases {
    vec![
        case!(
            DURABILITY,
            "at level strict each store waits for a sync",
            open_with("a", record! { path: path("store"), durability: "strict" }),
            store("a", &message("co_zA")),
            stats("a", record! { durability: "strict", syncs: at_least(1.0), recordsWritten: at_least(1.0) }),
            store("a", &message("co_zB")),
            stats("a", record! { syncs: at_least(2.0), coValues: 2.0 }),
        ),
        case!(
            DURABILITY,
            "relaxed is what a store is if nothing is said, and flushing syncs it",
            open("a", "store"),
            stats(
                "a",
                record! { durability: "relaxed", syncs: 0.0, formatVersion: f64::from(FORMAT_VERSION) }
            ),
            store("a", &message("co_zA")),
            flush("a"),
            stats(
                "a",
                record! { syncs: at_least(1.0), bytesWritten: at_least(1.0), logBytes: at_least(1.0) }
            ),
        ),
        case!(
            DURABILITY,
            "a store in memory goes on after closing",
            memory("a"),
            store("a", &message("co_zA")),
            flush("a"),
            close("a"),
            close("a"),
            load("a", "co_zA").gives(message_loaded()),
            stats("a", record! { path: Value::Nothing, durability: "memory", coValues: 1.0 }),
        ),
        case!(
            DURABILITY,
            "statistics are numbers, and nothing where there is nothing",
            memory("a"),
            stats(
                "a",
                record! {
                    coValues: 0.0, recordsWritten: 0.0, checkpoints: 0.0, merges: 0.0, replayedRecords: at_least(0.0),
                    discardedBytes: 0.0, bytesRewritten: 0.0, deltaRows: at_least(0.0), layers: 0.0, runs: 0.0,
                    runRows: 0.0, runBytes: 0.0, segments: at_least(1.0), deadBytes: 0.0, cacheBytes: at_least(0.0),
                    residentBytes: at_least(0.0), writeFailure: Value::Nothing, stalled: Value::Nothing,
                },
            ),
            store("a", &message("co_zA")),
            stats("a", record! { recordsWritten: 1.0, coValues: 1.0, deltaRows: at_least(2.0) }),
        ),
    ]
}

pub(crate) fn reopening() -> Cases {
    vec![
        case!(
            REOPENING,
            "a closed store opens by itself at the next call, again and again",
            open("a", "store"),
            store("a", &message("co_zA")),
            close("a"),
            close("a"),
            load("a", "co_zA").gives(message_loaded()),
            close("a"),
            store("a", &append("co_zA").session("s_session_z1", 1, &["[2]"])),
            close("a"),
            known_state("a", "co_zA").gives(known(&[("s_session_z1", 2)])),
        ),
        case!(
            REOPENING,
            "another handle finds everything after closing",
            open("a", "store"),
            store("a", &message("co_zA")),
            store("a", &message("co_zB").session("s_session_z2", 0, &["[2]"])),
            close("a"),
            open("b", "store"),
            load("b", "co_zA").gives(message_loaded()),
            known_state("b", "co_zB").gives(known(&[("s_session_z1", 1), ("s_session_z2", 1)])),
            stats("b", record! { coValues: 2.0, recordsWritten: 0.0, discardedBytes: 0.0 }),
        ),
        case!(
            REOPENING,
            "a handle that is let go of without closing loses nothing",
            open("a", "store"),
            store("a", &message("co_zA")),
            let_go("a"),
            open("b", "store"),
            load("b", "co_zA").gives(message_loaded()),
            store("b", &message("co_zB")),
            let_go("b"),
            open("c", "store"),
            co_value_count("c", 2.0),
        ),
        case!(
            REOPENING,
            "ten times reopened, a session is whole",
            open("a", "store"),
            store("a", &message("co_zA")),
            close("a"),
            store("a", &append("co_zA").session("s_session_z1", 1, &["[2]"])),
            close("a"),
            store("a", &append("co_zA").session("s_session_z1", 2, &["[3]"])),
            close("a"),
            store("a", &append("co_zA").session("s_session_z1", 3, &["[4]"])),
            close("a"),
            store("a", &append("co_zA").session("s_session_z1", 4, &["[5]"])),
            close("a"),
            load("a", "co_zA")
                .gives(loaded().session("s_session_z1", &["[1]", "[2]", "[3]", "[4]", "[5]"]).encode()),
            compact("a"),
            close("a"),
            load("a", "co_zA")
                .gives(loaded().session("s_session_z1", &["[1]", "[2]", "[3]", "[4]", "[5]"]).encode()),
        ),
        case!(
            REOPENING,
            "a removed store is a new one",
            open("a", "store"),
            store("a", &message("co_zA")),
            close("a"),
            file(Remove("store")),
            file(Absent("store")),
            open("b", "store"),
            file(Exists("store")),
            load("b", "co_zA").nothing(),
        ),
    ]
}

pub(crate) fn sharing() -> Cases {
    vec![
        case!(
            SHARING,
            "handles on one path are one store",
            open("a", "store"),
            open("b", "store"),
            open("c", "store/."),
            store("a", &message("co_zA")),
            store("b", &append("co_zA").session("s_session_z1", 1, &["[2]"])),
            load("c", "co_zA").gives(loaded().session("s_session_z1", &["[1]", "[2]"]).encode()),
            co_value_count("a", 1.0),
        ),
        case!(
            SHARING,
            "a handle goes on when another is closed",
            open("a", "store"),
            open("b", "store"),
            store("a", &message("co_zA")),
            close("a"),
            load("b", "co_zA").gives(message_loaded()),
            store("b", &message("co_zB")),
            co_value_count("a", 2.0),
            close("b"),
            co_value_count("a", 2.0),
        ),
        case!(
            SHARING,
            "the strictest level that any handle asks for is that of all",
            open("a", "store"),
            stats("a", record! { durability: "relaxed" }),
            open_with("b", record! { path: path("store"), durability: "strict" }),
            stats("a", record! { durability: "strict" }),
            store("a", &message("co_zA")),
            stats("b", record! { syncs: at_least(1.0) }),
        ),
        case!(
            SHARING,
            "locks and sync states are seen by all handles",
            open("a", "store"),
            open("b", "store"),
            try_acquire_lock("a", "session1", "peer", 1e12).gives(record! { acquired: true }),
            try_acquire_lock("b", "session2", "peer", 1e12)
                .gives(record! { acquired: false, reason: "lock_held" }),
            update_sync_states("a", &[("co_zA", "peer", false)]),
            unsynced_ids("b").gives(ids(&["co_zA"])),
        ),
    ]
}

pub(crate) fn at_once() -> Cases {
    let names =
        ["co_z00", "co_z01", "co_z02", "co_z03", "co_z04", "co_z05", "co_z06", "co_z07", "co_z08", "co_z09"];
    let stores = |on| names.iter().map(|id| store(on, &message(id))).collect::<Vec<_>>();
    let loads = |on| names.iter().map(move |id| load(on, *id).gives(message_loaded()));
    vec![
        case!(
            AT_ONCE,
            "stores that do not wait for each other are all carried out",
            memory("a"),
            all(stores("a")),
            co_value_count("a", 10.0),
            all(loads("a").collect()),
        ),
        case!(
            AT_ONCE,
            "many handles are opened at once and share a store",
            all(["a", "b", "c", "d", "e", "f", "g", "h"].map(|handle| open(handle, "store")).to_vec()),
            store("a", &message("co_zA")),
            all(["a", "b", "c", "d", "e", "f", "g", "h"]
                .map(|handle| load(handle, "co_zA").gives(message_loaded()))
                .to_vec()),
            all(["a", "b", "c", "d", "e", "f", "g", "h"].map(close).to_vec()),
            load("h", "co_zA").gives(message_loaded()),
        ),
        case!(
            AT_ONCE,
            "two handles store at once at level strict, and everything is there after closing",
            open_with("a", record! { path: path("store"), durability: "strict" }),
            open("b", "store"),
            all(stores("a")
                .into_iter()
                .chain(["co_zX", "co_zY", "co_zZ"].map(|id| store("b", &message(id))))
                .collect()),
            all(vec![close("a"), close("b")]),
            co_value_count("a", 13.0),
            all(loads("b").collect()),
        ),
        case!(
            AT_ONCE,
            "an error among others is that of its call alone",
            memory("a"),
            store("a", &message("co_zA")),
            all(vec![
                load("a", "co_zA").gives(message_loaded()),
                load("a", "").fails("EMPTY_ID"),
                store_bytes("a", Bytes::from([9])).fails("MALFORMED"),
                store("a", &message("co_zB")),
                known_state("a", "co_zUnknown").nothing(),
                erase("a", "co_zUnknown").gives(false),
                load("a", "co_zA").gives(message_loaded()),
            ]),
            co_value_count("a", 2.0),
        ),
        case!(
            AT_ONCE,
            "loads and stores go on beside upkeep",
            open("a", "store"),
            task("t"),
            task("u"),
            all(stores("a")),
            all(vec![compact("a"), verify("a", "t").gives(record! { damage: list![] })]
                .into_iter()
                .chain(loads("a"))
                .chain([store("a", &message("co_zA")), flush("a")])
                .chain([backup("a", record! { file: path("a.jazzbak") }, "u")
                    .gives(record! { files: at_least(1.0) })])
                .collect()),
            co_value_count("a", 11.0),
        ),
    ]
}
