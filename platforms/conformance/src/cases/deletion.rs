//! Deletions and erasure.

use crate::forms::{append, create, gap, ids, known, loaded};
use crate::steps::*;

const TOPIC: &str = "deletion and erasure";

/// A delete session: its id ends in a dollar sign.
const DELETE: &str = "s_session_zDelete$";

pub(crate) fn cases() -> Cases {
    let deleted = || create("co_zA").session("s_session_z1", 0, &["[1]", "[2]"]);
    let delete = || append("co_zA").session(DELETE, 0, &["[\"delete\"]"]).deleting();
    vec![
        case!(
            TOPIC,
            "a valid delete waits to be erased",
            memory("a"),
            store("a", &deleted()),
            pending_deletions("a").gives(ids(&[])),
            store("a", &delete()),
            pending_deletions("a").gives(ids(&["co_zA"])),
            known_state("a", "co_zA").gives(known(&[("s_session_z1", 2), (DELETE, 1)])),
        ),
        case!(
            TOPIC,
            "erasing leaves header and delete sessions",
            memory("a"),
            store("a", &deleted()),
            store("a", &delete()),
            erase("a", "co_zA").gives(true),
            pending_deletions("a").gives(ids(&[])),
            load("a", "co_zA").gives(loaded().session(DELETE, &["[\"delete\"]"]).encode()),
            known_state("a", "co_zA").gives(known(&[(DELETE, 1)])),
            load_piece("a", "co_zA", "s_session_z1", 0.0, 1.0).nothing(),
            co_value_count("a", 1.0),
            co_value_ids("a", 9.0, 0.0).gives(ids(&["co_zA"])),
            erase("a", "co_zA").gives(true),
        ),
        case!(
            TOPIC,
            "what is not stored is not erased",
            memory("a"),
            erase("a", "co_zUnknown").gives(false),
            co_value_count("a", 0.0),
        ),
        case!(
            TOPIC,
            "a delete that is not valid, and another session, are no deletions",
            memory("a"),
            store("a", &deleted().session(DELETE, 0, &["[\"delete\"]"])),
            store("a", &create("co_zB").session("s_session_z1", 0, &["[1]"]).deleting()),
            pending_deletions("a").gives(ids(&[])),
        ),
        case!(
            TOPIC,
            "a valid delete behind a gap waits all the same",
            memory("a"),
            store("a", &deleted()),
            store("a", &append("co_zA").session(DELETE, 3, &["[\"delete\"]"]).deleting()).gives(gap(&[0])),
            pending_deletions("a").gives(ids(&["co_zA"])),
        ),
        case!(
            TOPIC,
            "deletions are listed by their ids, and each waits for itself",
            memory("a"),
            store("a", &create("co_zB").session(DELETE, 0, &["[]"]).deleting()),
            store("a", &create("co_zA").session(DELETE, 0, &["[]"]).deleting()),
            pending_deletions("a").gives(ids(&["co_zA", "co_zB"])),
            erase("a", "co_zA").gives(true),
            pending_deletions("a").gives(ids(&["co_zB"])),
        ),
        case!(
            TOPIC,
            "an erased session begins anew",
            memory("a"),
            store("a", &deleted()),
            erase("a", "co_zA").gives(true),
            load("a", "co_zA").gives(loaded().encode()),
            store("a", &append("co_zA").session("s_session_z1", 2, &["[3]"])).gives(gap(&[0])),
            store("a", &append("co_zA").session("s_session_z1", 0, &["[9]"])),
            load("a", "co_zA").gives(loaded().session("s_session_z1", &["[9]"]).encode()),
        ),
        case!(
            TOPIC,
            "an erasure survives closing and compacting, and a later delete does not wait again",
            open("a", "store"),
            store("a", &deleted()),
            store("a", &create("co_zB").session(DELETE, 0, &["[]"]).deleting()),
            store("a", &delete()),
            erase("a", "co_zA").gives(true),
            close("a"),
            open("b", "store"),
            pending_deletions("b").gives(ids(&["co_zB"])),
            load("b", "co_zA").gives(loaded().session(DELETE, &["[\"delete\"]"]).encode()),
            compact("b"),
            load("b", "co_zA").gives(loaded().session(DELETE, &["[\"delete\"]"]).encode()),
            store("b", &append("co_zA").session(DELETE, 1, &["[\"again\"]"]).deleting()),
            pending_deletions("b").gives(ids(&["co_zB"])),
        ),
    ]
}
