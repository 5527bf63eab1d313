//! Opening stores, and what is refused at opening.

use crate::bytes::Bytes;
use crate::case::FileOp::{Absent, Exists, Lists, MakeDirectory, Write};
use crate::forms::{Message, crc, create, ids, loaded, signature, trusting};
use crate::steps::*;
use jazz_storage_core::format::FORMAT_VERSION;

const TOPIC: &str = "opening";

/// A manifest as the next format version would have it: nothing of it is known but what says so.
fn newer_manifest() -> Bytes {
    let body = [0; 64];
    let head =
        Bytes::from(b"JAZZMAN\0").u32(FORMAT_VERSION as usize + 1).u32(body.len()).and(2u64.to_le_bytes());
    let checksum = crc(&head.clone().and(body).bytes());
    head.and(checksum.to_le_bytes()).and(body)
}

/// A message of more than 1 MiB.
fn large() -> Message {
    let changes = Bytes::repeated(1 << 21, "x");
    create("co_zLarge").piece("s_session_z1", 0, signature(1), 1, trusting(changes))
}

pub(crate) fn cases() -> Cases {
    let kib = 1024.0;
    vec![
        case!(
            TOPIC,
            "a new store in memory is empty",
            memory("a"),
            co_value_count("a", 0.0),
            co_value_ids("a", 10.0, 0.0).gives(ids(&[])),
            load("a", "co_zA").nothing(),
            known_state("a", "co_zA").nothing(),
            unsynced_ids("a").gives(ids(&[])),
            pending_deletions("a").gives(ids(&[])),
            stats("a", record! { coValues: 0.0, durability: "memory" }),
        ),
        case!(
            TOPIC,
            "two stores in memory have nothing to do with each other",
            memory("a"),
            memory("b"),
            store("a", &create("co_zA").session("s_session_z1", 0, &["[1]"])),
            co_value_count("a", 1.0),
            co_value_count("b", 0.0),
            load("b", "co_zA").nothing(),
        ),
        case!(
            TOPIC,
            "a directory is made with those above it, and is a store then",
            open("a", "above/store"),
            file(Exists("above/store")),
            stats("a", record! { path: path("above/store"), durability: "relaxed", coValues: 0.0 }),
            close("a"),
            file(Exists("above/store/MANIFEST-*")),
        ),
        case!(
            TOPIC,
            "an empty directory becomes a store",
            file(MakeDirectory("store")),
            open("a", "store"),
            store("a", &create("co_zA")),
            close("a"),
            open("b", "store"),
            co_value_count("b", 1.0),
        ),
        case!(
            TOPIC,
            "all options can be given",
            open_with(
                "a",
                record! {
                    path: path("store"), durability: "strict", cacheBytes: 64.0 * kib, segmentBytes: 64.0 * kib,
                    deltaBytes: 16.0 * kib, bufferBytes: 256.0 * kib,
                },
            ),
            store("a", &create("co_zA").session("s_session_z1", 0, &["[1]"])),
            stats("a", record! { path: path("store"), durability: "strict", coValues: 1.0 }),
        ),
        case!(
            TOPIC,
            "a path of any characters is a path",
            open("a", "caf\u{e9} \u{7a7a} \u{1f3b7} #%&+"),
            store("a", &create("co_zA")),
            close("a"),
            open("b", "caf\u{e9} \u{7a7a} \u{1f3b7} #%&+"),
            co_value_count("b", 1.0),
            stats("b", record! { path: path("caf\u{e9} \u{7a7a} \u{1f3b7} #%&+") }),
        ),
        case!(
            TOPIC,
            "a file is no directory",
            file(Write("file", Bytes::from("text"))),
            open("a", "file").fails_saying("NOT_A_DIRECTORY", "file"),
            open("a", "file/store").fails("NOT_A_DIRECTORY"),
        ),
        case!(
            TOPIC,
            "a directory with something else in it is refused and left as it is",
            file(MakeDirectory("photos")),
            file(Write("photos/holiday.jpg", Bytes::from("text"))),
            open("a", "photos").fails_saying("FOREIGN_DIRECTORY", "holiday.jpg"),
            file(Lists("photos", vec!["holiday.jpg"])),
        ),
        case!(
            TOPIC,
            "a store of a later version is refused and left as it is",
            file(MakeDirectory("store")),
            file(Write("store/MANIFEST-0", newer_manifest())),
            open("a", "store").fails_saying("NEWER_FORMAT", &(FORMAT_VERSION + 1).to_string()),
            file(Exists("store/MANIFEST-0")),
            file(Absent("store/MANIFEST-1")),
        ),
        case!(
            TOPIC,
            "a name that is too long is a failure of the file system",
            open("a", &"n".repeat(300)).fails("IO"),
        ),
        case!(
            TOPIC,
            "a store needs a path, unless it is in memory",
            open_with("a", record! {}).fails_saying("INVALID_OPTION", "path"),
            open_with("a", record! { durability: "relaxed" }).fails_saying("INVALID_OPTION", "path"),
            open_with("a", record! { durability: "strict" }).fails_saying("INVALID_OPTION", "path"),
            open_with("a", record! { path: "never", durability: "memory" })
                .fails_saying("INVALID_OPTION", "path"),
            open_with("a", record! { path: "" }).fails_saying("INVALID_OPTION", "path"),
            open_with("a", record! { path: "ne\0ver" }).fails_saying("INVALID_OPTION", "path"),
        ),
        case!(
            TOPIC,
            "numbers out of their range are refused with the name of the option",
            open_with("a", record! { durability: "memory", cacheBytes: 64.0 * kib - 1.0 })
                .fails_saying("INVALID_OPTION", "cacheBytes"),
            open_with("a", record! { durability: "memory", cacheBytes: f64::NAN })
                .fails_saying("INVALID_OPTION", "cacheBytes"),
            open_with("a", record! { durability: "memory", segmentBytes: f64::INFINITY })
                .fails_saying("INVALID_OPTION", "segmentBytes"),
            open_with("a", record! { durability: "memory", segmentBytes: -1.0 })
                .fails_saying("INVALID_OPTION", "segmentBytes"),
            open_with("a", record! { durability: "memory", deltaBytes: 16.0 * kib + 0.5 })
                .fails_saying("INVALID_OPTION", "deltaBytes"),
            open_with("a", record! { durability: "memory", deltaBytes: f64::NEG_INFINITY })
                .fails_saying("INVALID_OPTION", "deltaBytes"),
            open_with("a", record! { durability: "memory", bufferBytes: 1e18 })
                .fails_saying("INVALID_OPTION", "bufferBytes"),
            open_with("a", record! { durability: "memory", maxBytes: 1024.0 * kib - 1.0 })
                .fails_saying("INVALID_OPTION", "maxBytes"),
            open_with("a", record! { durability: "memory", maxBytes: 1e18 })
                .fails_saying("INVALID_OPTION", "maxBytes"),
        ),
        case!(
            TOPIC,
            "a bound is for a store in memory only",
            open_with("a", record! { path: path("store"), maxBytes: 1024.0 * kib })
                .fails_saying("INVALID_OPTION", "maxBytes"),
            file(Absent("store")),
        ),
        case!(
            TOPIC,
            "what does not fit into a store with a bound is refused, and everything else is there",
            open_with("a", record! { durability: "memory", maxBytes: 1024.0 * kib }),
            memory("b"),
            store("a", &create("co_zA").session("s_session_z1", 0, &["[1]"])),
            store("a", &large()).fails_saying("DISK_FULL", "maxBytes 1048576"),
            // It is the bound of one store.
            store("b", &large()),
            load("a", "co_zLarge").nothing(),
            load("a", "co_zA").gives(loaded().session("s_session_z1", &["[1]"]).encode()),
            store("a", &create("co_zB").session("s_session_z1", 0, &["[1]"])),
            erase("a", "co_zA").gives(true),
            compact("a"),
            co_value_count("a", 2.0),
        ),
        case!(
            TOPIC,
            "an option that is refused leaves no directory behind",
            open_with("a", record! { path: path("store"), cacheBytes: 0.0 }).fails("INVALID_OPTION"),
            file(Absent("store")),
        ),
    ]
}
