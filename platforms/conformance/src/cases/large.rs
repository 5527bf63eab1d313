//! Large values, long sessions, many sessions, many CoValues.

use crate::bytes::Bytes;
use crate::forms::{answers, append, create, loaded, loaded_with, piece, signature, trusting};
use crate::steps::*;

const TOPIC: &str = "large values";

const MIB: usize = 1 << 20;

/// A value of so many megabytes, of which no part looks like another.
fn large(megabytes: usize) -> Bytes {
    Bytes::from("[\"").and(Bytes::each(0..megabytes * MIB / 8, Bytes::number(8))).and("\"]")
}

pub(crate) fn cases() -> Cases {
    let one = large(1);
    let ten = large(10);
    let not_ascii = Bytes::repeated(MIB, "\u{1f3b7}");
    let content = |changes: &Bytes| Some((signature(1), trusting(changes)));
    let chunked =
        |changes: &Bytes| loaded().pieces("s_session_z1", 1, true, vec![(0, 1, content(changes))]).encode();
    let whole =
        |id: &str, changes: &Bytes| create(id).piece("s_session_z1", 0, signature(1), 1, trusting(changes));
    let txs = |numbers: std::ops::Range<usize>| {
        Bytes::each(numbers, trusting(Bytes::from("[").and(Bytes::number(4)).and("]")))
    };
    let numbered = |form: fn(Bytes, Bytes) -> Bytes, count: usize| {
        Bytes::each(0..count, form(Bytes::from("s_session_z").and(Bytes::number(3)), trusting("[1]")))
    };
    let sent = numbered(|id, tx| Bytes::new().str16(id).u32(0).str16("signature_z1").u32(1).sized(tx), 500);
    let given = numbered(
        |id, tx| {
            let session = Bytes::new().str16(id).u32(1).u8(0).u32(1);
            session.u32(0).u32(1).u8(1).str16("signature_z1").sized(tx)
        },
        500,
    );
    let counters = numbered(|id, _| Bytes::new().str16(id).u32(1), 500);
    let thousand = Bytes::new().u32(1000).and(Bytes::each(0..1000, {
        Bytes::new().sized(
            create(Bytes::from("co_z").and(Bytes::number(4))).session("s_session_z1", 0, &["[1]"]).encode(),
        )
    }));
    let thousand_ids = Bytes::new()
        .u32(1000)
        .and(Bytes::each(0..1000, Bytes::new().str16(Bytes::from("co_z").and(Bytes::number(4)))));
    let thousand_loaded = Bytes::new()
        .u32(1000)
        .and(Bytes::repeated(1000, Bytes::new().sized(loaded().session("s_session_z1", &["[1]"]).encode())));
    vec![
        case!(
            TOPIC,
            "a value of a megabyte comes back",
            memory("a"),
            store("a", &whole("co_zA", &one)),
            load("a", "co_zA").gives(chunked(&one)),
            load_up_to("a", "co_zA", 0.0).gives(chunked(&one)),
            load_many("a", crate::forms::ids(&["co_zA", "co_zA"]), EVERYTHING)
                .gives(answers([chunked(&one), chunked(&one)])),
            load_piece("a", "co_zA", "s_session_z1", 0.0, 1.0).gives(piece(1, signature(1), trusting(&one))),
        ),
        case!(
            TOPIC,
            "a value of ten megabytes comes back, also after closing",
            open("a", "store"),
            store("a", &whole("co_zA", &ten)),
            load("a", "co_zA").gives(chunked(&ten)),
            close("a"),
            load("a", "co_zA").gives(chunked(&ten)),
            stats("a", record! { coValues: 1.0 }),
        ),
        case!(
            TOPIC,
            "a value of four megabytes beyond ASCII comes back",
            memory("a"),
            store("a", &whole("co_zA", &not_ascii)),
            load("a", "co_zA").gives(chunked(&not_ascii)),
        ),
        case!(
            TOPIC,
            "a header of a megabyte comes back",
            memory("a"),
            store("a", &append("co_zA").header(&one)),
            load("a", "co_zA").gives(loaded_with(&one).encode()),
        ),
        case!(
            TOPIC,
            "a session of 2,000 transactions comes back, stored in two parts",
            memory("a"),
            store("a", &create("co_zA").piece("s_session_z1", 0, "signature_z1500", 1500, txs(0..1500))),
            store("a", &append("co_zA").piece("s_session_z1", 1500, "signature_z2000", 500, txs(1500..2000))),
            load("a", "co_zA").gives({
                let pieces = vec![(0, 2000, Some((Bytes::from("signature_z2000"), txs(0..2000))))];
                loaded().pieces("s_session_z1", 2000, false, pieces).encode()
            }),
            load_piece("a", "co_zA", "s_session_z1", 1999.0, 1.0).gives(piece(
                1,
                "signature_z2000",
                txs(1999..2000)
            )),
            known_state("a", "co_zA").gives(crate::forms::known(&[("s_session_z1", 2000)])),
        ),
        case!(
            TOPIC,
            "500 sessions of one CoValue come back in their order, also after closing",
            open("a", "store"),
            store("a", &create("co_zA").sessions(500, sent)),
            load("a", "co_zA").gives(loaded().sessions(500, given.clone()).encode()),
            close("a"),
            load("a", "co_zA").gives(loaded().sessions(500, given).encode()),
            known_state("a", "co_zA").gives(Bytes::new().u32(500).and(counters)),
        ),
        case!(
            TOPIC,
            "a thousand CoValues are stored in one batch, listed and loaded, also after closing",
            open("a", "store"),
            store_batch("a", thousand).gives(Bytes::new().u32(1000).and(Bytes::repeated(1000, [0, 0, 0, 0]))),
            close("a"),
            co_value_count("a", 1000.0),
            co_value_ids("a", 1000.0, 0.0).gives(thousand_ids.clone()),
            load_many("a", thousand_ids, EVERYTHING).gives(thousand_loaded),
        ),
    ]
}
