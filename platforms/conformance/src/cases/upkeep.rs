//! Compacting, verifying, backups.

use crate::bytes::Bytes;
use crate::case::FileOp::{Absent, Exists, Flip, Lists, MakeDirectory, Write};
use crate::case::Value;
use crate::forms::{Message, crc, create, ids, known, loaded};
use crate::steps::*;

const TOPIC: &str = "upkeep";

fn message(id: &str) -> Message {
    create(id).session("s_session_z1", 0, &["[1]", "[2]"])
}

fn message_loaded() -> Bytes {
    loaded().session("s_session_z1", &["[1]", "[2]"]).encode()
}

fn copied() -> Value {
    record! { files: at_least(1.0), bytes: at_least(1.0) }
}

/// The header of a backup that a later version made.
fn newer_backup() -> Bytes {
    let head = Bytes::from(b"JAZZBAK\0").u32(2).and([0; 48]);
    let checksum = crc(&head.bytes());
    head.and(checksum.to_le_bytes())
}

pub(crate) fn cases() -> Cases {
    let archive = || record! { file: path("backups/a.jazzbak") };
    let folder = || record! { directory: path("backups/a") };
    vec![
        case!(
            TOPIC,
            "an intact store has no damage, and what it holds is counted",
            memory("a"),
            store("a", &message("co_zA")),
            store("a", &message("co_zB")),
            task("t"),
            verify("a", "t").gives(record! {
                damage: list![], coValues: 2.0, transactions: 4.0, bytes: at_least(1.0), records: at_least(2.0),
                rows: at_least(0.0),
            }),
        ),
        case!(
            TOPIC,
            "compacting changes no answer",
            open("a", "store"),
            store("a", &message("co_zA")),
            store("a", &message("co_zB")),
            close("a"),
            store("a", &message("co_zC")),
            erase("a", "co_zB").gives(true),
            compact("a"),
            stats("a", record! { layers: 1.0, checkpoints: at_least(1.0), deadBytes: 0.0, stalled: Value::Nothing }),
            load("a", "co_zA").gives(message_loaded()),
            load("a", "co_zB").gives(loaded().encode()),
            co_value_ids("a", 9.0, 0.0).gives(ids(&["co_zA", "co_zB", "co_zC"])),
            compact("a"),
            load("a", "co_zC").gives(message_loaded()),
        ),
        case!(
            TOPIC,
            "a store that its caller maintains is written out when it is told to be",
            open_with("a", record! { path: path("store"), deltaBytes: 16.0 * 1024.0, callerMaintains: true }),
            all((0..200).map(|n| store("a", &message(&format!("co_z{n}")))).collect()),
            stats("a", record! { checkpoints: 0.0, layers: 0.0 }),
            maintain("a", 1.0).gives(true),
            maintain("a", 1e9).gives(true),
            maintain("a", 1e9).gives(false),
            stats("a", record! { checkpoints: 1.0, layers: 1.0 }),
            maintain("a", -1.0).gives(false),
            load("a", "co_z7").gives(message_loaded()),
        ),
        case!(
            TOPIC,
            "a backup in one file becomes a store again",
            open("a", "store"),
            store("a", &message("co_zA")),
            update_sync_states("a", &[("co_zA", "peer", false)]),
            task("t"),
            backup("a", archive(), "t").gives(copied()),
            store("a", &message("co_zB")),
            file(Lists("backups", vec!["a.jazzbak"])),
            task("u"),
            restore_backup(archive(), path("restored"), "u").gives(copied()),
            open("b", "restored"),
            load("b", "co_zA").gives(message_loaded()),
            unsynced_ids("b").gives(ids(&["co_zA"])),
            co_value_count("b", 1.0),
            store("b", &message("co_zC")),
            co_value_count("a", 2.0),
        ),
        case!(
            TOPIC,
            "a backup in a directory is a store by itself, and becomes another",
            open("a", "store"),
            store("a", &message("co_zA")),
            task("t"),
            backup("a", folder(), "t").gives(copied()),
            task("u"),
            restore_backup(folder(), path("restored"), "u").gives(copied()),
            open("b", "restored"),
            load("b", "co_zA").gives(message_loaded()),
            open("c", "backups/a"),
            known_state("c", "co_zA").gives(known(&[("s_session_z1", 2)])),
        ),
        case!(
            TOPIC,
            "a store in memory can be kept as a backup",
            memory("a"),
            store("a", &message("co_zA")),
            task("t"),
            backup("a", archive(), "t").gives(copied()),
            task("u"),
            restore_backup(archive(), path("restored"), "u"),
            open("b", "restored"),
            load("b", "co_zA").gives(message_loaded()),
        ),
        case!(
            TOPIC,
            "a task that is cancelled before ends what it watches, and nothing is left of that",
            open("a", "store"),
            store("a", &message("co_zA")),
            task("t"),
            cancel("t"),
            backup("a", archive(), "t").fails("CANCELLED"),
            file(Absent("backups/a.jazzbak")),
            task("u"),
            cancel("u"),
            backup("a", folder(), "u").fails("CANCELLED"),
            file(Absent("backups/a")),
            task("v"),
            cancel("v"),
            verify("a", "v").fails("CANCELLED"),
            task("w"),
            backup("a", archive(), "w").gives(copied()),
            task("x"),
            cancel("x"),
            restore_backup(archive(), path("restored"), "x").fails("CANCELLED"),
            file(Absent("restored")),
            close("a"),
            task("y"),
            cancel("y"),
            repair(path("store"), "y").fails("CANCELLED"),
            load("a", "co_zA").gives(message_loaded()),
        ),
        case!(
            TOPIC,
            "nothing is written over by a backup or by restoring one",
            open("a", "store"),
            store("a", &message("co_zA")),
            file(Write("file", Bytes::from("text"))),
            file(MakeDirectory("full")),
            file(Write("full/file", Bytes::from("text"))),
            task("t"),
            backup("a", record! { file: path("file") }, "t").fails_saying("TARGET_EXISTS", "file"),
            backup("a", record! { directory: path("full") }, "t").fails_saying("TARGET_EXISTS", "full"),
            backup("a", archive(), "t"),
            restore_backup(archive(), path("full"), "t").fails_saying("TARGET_EXISTS", "full"),
            file(Lists("full", vec!["file"])),
        ),
        case!(
            TOPIC,
            "what is no backup is not restored",
            file(Write("file", Bytes::from("text"))),
            file(MakeDirectory("folder")),
            task("t"),
            restore_backup(record! { file: path("file") }, path("restored"), "t").fails_saying("NOT_A_BACKUP", "file"),
            restore_backup(record! { directory: path("folder") }, path("restored"), "t")
                .fails_saying("NOT_A_BACKUP", "folder"),
            restore_backup(record! { file: path("absent") }, path("restored"), "t").fails_saying("IO", "absent"),
            file(Absent("restored")),
        ),
        case!(
            TOPIC,
            "a backup of a later version is refused",
            file(Write("newer.jazzbak", newer_backup())),
            task("t"),
            restore_backup(record! { file: path("newer.jazzbak") }, path("restored"), "t")
                .fails_saying("NEWER_FORMAT", "newer.jazzbak"),
            file(Absent("restored")),
        ),
        case!(
            TOPIC,
            "damage in a backup is found when it is restored",
            open("a", "store"),
            store("a", &message("co_zA")),
            task("t"),
            backup("a", archive(), "t"),
            file(Flip("backups/a.jazzbak", 200)),
            restore_backup(archive(), path("restored"), "t").fails_saying("CORRUPT", "a.jazzbak"),
            file(Absent("restored")),
        ),
        case!(
            TOPIC,
            "a store that is open is neither restored from nor repaired",
            open("a", "store"),
            store("a", &message("co_zA")),
            task("t"),
            restore_backup(record! { directory: path("store") }, path("restored"), "t").fails_saying("LOCKED", "store"),
            repair(path("store"), "t").fails_saying("LOCKED", "store"),
            load("a", "co_zA").gives(message_loaded()),
            file(Absent("restored")),
        ),
        case!(
            TOPIC,
            "a backup has one place",
            memory("a"),
            task("t"),
            backup("a", record! {}, "t").fails_saying("INVALID_OPTION", "target"),
            backup("a", record! { file: "a", directory: "b" }, "t").fails_saying("INVALID_OPTION", "target"),
            backup("a", record! { file: "" }, "t").fails_saying("INVALID_OPTION", "target"),
            backup("a", record! { directory: "a\0b" }, "t").fails_saying("INVALID_OPTION", "target"),
            restore_backup(record! {}, Value::from("never"), "t").fails_saying("INVALID_OPTION", "from"),
            restore_backup(record! { file: "a" }, Value::from(""), "t").fails_saying("INVALID_OPTION", "path"),
            repair(Value::from(""), "t").fails_saying("INVALID_OPTION", "path"),
        ),
        case!(
            TOPIC,
            "an intact store is repaired to what it was",
            open("a", "store"),
            store("a", &message("co_zA")),
            close("a"),
            task("t"),
            repair(path("store"), "t").gives(record! {
                damage: list![], lost: list![], coValues: 1.0, coValuesLost: 0.0, lostIds: list![],
                setAside: Value::Nothing,
            }),
            load("a", "co_zA").gives(message_loaded()),
            file(Exists("store/MANIFEST-*")),
        ),
        case!(
            TOPIC,
            "what is not there is not repaired",
            task("t"),
            repair(path("absent"), "t").fails_saying("IO", "absent"),
            file(Absent("absent")),
        ),
    ]
}
