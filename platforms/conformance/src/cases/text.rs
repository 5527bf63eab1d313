//! Strings of every kind: Unicode, lone surrogates, NUL.

use crate::bytes::Bytes;
use crate::forms::{append, create, ids, loaded, loaded_with, piece, trusting};
use crate::steps::*;

const TOPIC: &str = "strings";

/// A high and a low surrogate alone, as WTF-8 has them.
const HIGH: &[u8] = b"\xed\xa0\xbd";
const LOW: &[u8] = b"\xed\xb0\x80";

pub(crate) fn cases() -> Cases {
    let many = "co_z\u{e9}\u{df}\u{3a9}\u{5d0}\u{7a7a}\u{1f600}\u{10ffff}e\u{301}";
    let odd = Bytes::from("co_z").and(HIGH).and("x").and(LOW);
    let nul = Bytes::from(b"co_z\0A\0");
    let longest = Bytes::repeated(0x7fff, "i");
    let session_of = |text: &Bytes| Bytes::from("s_").and(text);
    let whole = |text: &Bytes| create(text).piece(session_of(text), 0, text, 1, trusting(text));
    let whole_loaded = |text: &Bytes| {
        let pieces = vec![(0, 1, Some((text.clone(), trusting(text))))];
        loaded().pieces(session_of(text), 1, false, pieces).encode()
    };
    let as_it_is = |name, text: Bytes| crate::case::Case {
        topic: TOPIC,
        name,
        ops: vec![
            memory("a").into(),
            store("a", &whole(&text)).into(),
            load("a", &text).gives(whole_loaded(&text)).into(),
            load_piece("a", &text, session_of(&text), 0.0, 1.0)
                .gives(piece(1, &text, trusting(&text)))
                .into(),
            known_state("a", &text).gives(Bytes::new().u32(1).str16(session_of(&text)).u32(1)).into(),
            co_value_ids("a", 1.0, 0.0).gives(Bytes::new().u32(1).str16(&text)).into(),
            track_sync_state("a", Bytes::new().u32(1).str16(&text).str16(&text).u8(0)).nothing().into(),
            unsynced_ids("a").gives(Bytes::new().u32(1).str16(&text)).into(),
            stop_tracking("a", &text).nothing().into(),
            unsynced_ids("a").gives(ids(&[])).into(),
            erase("a", &text).gives(true).into(),
        ],
    };
    vec![
        as_it_is("characters of every length in UTF-8 come back everywhere", Bytes::from(many)),
        as_it_is("lone surrogates come back everywhere", odd.clone()),
        as_it_is("NUL characters come back everywhere", nul.clone()),
        case!(
            TOPIC,
            "a header of any characters comes back",
            memory("a"),
            store("a", &append("co_zA").header(Bytes::from(many).and(HIGH).and([0]))),
            load("a", "co_zA").gives(loaded_with(Bytes::from(many).and(HIGH).and([0])).encode()),
        ),
        case!(
            TOPIC,
            "ids that differ in one character are two",
            memory("a"),
            store("a", &create("co_z\u{e9}").session("s_session_z1", 0, &["[1]"])),
            store("a", &create("co_ze\u{301}").session("s_session_z1", 0, &["[2]"])),
            store("a", &create("co_zE\u{301}").session("s_session_z1", 0, &["[3]"])),
            co_value_count("a", 3.0),
            load("a", "co_z\u{e9}").gives(loaded().session("s_session_z1", &["[1]"]).encode()),
            load("a", "co_ze\u{301}").gives(loaded().session("s_session_z1", &["[2]"]).encode()),
        ),
        case!(
            TOPIC,
            "objects have the same characters",
            memory("a"),
            store("a", &create(many).session(many, 0, &["[1]"])),
            known_states("a", &[many]).gives(list![record! {
                id: many,
                header: true,
                sessions: list![record! { session: many, count: 1.0 }],
            }]),
            update_sync_states("a", &[(many, many, false)]).nothing(),
            unsynced_ids("a").gives(ids(&[many])),
        ),
        case!(
            TOPIC,
            "what objects cannot hold of a session's id is replaced there",
            memory("a"),
            store(
                "a",
                &create("co_zA").piece(Bytes::from("s_").and(HIGH), 0, "signature_z1", 1, trusting("[1]"))
            ),
            known_states("a", &["co_zA"]).gives(list![record! {
                id: "co_zA",
                header: true,
                sessions: list![record! { session: "s_\u{fffd}\u{fffd}\u{fffd}", count: 1.0 }],
            }]),
        ),
        case!(
            TOPIC,
            "the longest id there can be is one",
            memory("a"),
            store("a", &create(&longest).piece(&longest, 0, &longest, 1, trusting("[1]"))),
            load("a", &longest).gives({
                let pieces = vec![(0, 1, Some((longest.clone(), trusting("[1]"))))];
                loaded().pieces(&longest, 1, false, pieces).encode()
            }),
            known_state("a", &longest).gives(Bytes::new().u32(1).str16(&longest).u32(1)),
        ),
        case!(
            TOPIC,
            "odd strings survive closing",
            open("a", "store"),
            store("a", &whole(&odd)),
            store("a", &whole(&nul)),
            close("a"),
            open("b", "store"),
            load("b", &odd).gives(whole_loaded(&odd)),
            load("b", &nul).gives(whole_loaded(&nul)),
            co_value_ids("b", 9.0, 0.0).gives(Bytes::new().u32(2).str16(&odd).str16(&nul)),
        ),
    ]
}
