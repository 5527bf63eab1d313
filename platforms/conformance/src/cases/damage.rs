//! Damage and repair. A store on disk is damaged where it is known what lies there: once it was compacted, a large session
//! takes up nearly all of the only pack of its store.

use crate::bytes::Bytes;
use crate::case::FileOp::{Absent, Cut, Exists, Flip, Remove};
use crate::case::{Case, Op};
use crate::forms::{Message, append, create, ids, known, loaded, signature, trusting};
use crate::steps::*;

const TOPIC: &str = "damage and repair";

/// Bytes of a transaction that is a chunk by itself, and a record in a pack.
const CHUNK_LEN: usize = 140_000;
/// A place in the pack that lies in the third of them, whatever else comes first.
const IN_THE_THIRD: u64 = 350_000;

fn chunk(n: usize) -> Bytes {
    let head = format!("[{n},\"");
    trusting(Bytes::from(head.as_str()).and(Bytes::repeated(CHUNK_LEN, "x")).and("\"]"))
}

/// The messages that store four chunks, one after the other.
fn chunks() -> [Message; 4] {
    [0, 1, 2, 3].map(|n| {
        let message = if n == 0 { create("co_zLarge") } else { append("co_zLarge") };
        message.piece("s_session_z1", n, signature(n + 1), 1, chunk(n))
    })
}

fn small() -> Message {
    create("co_zSmall").session("s_session_z1", 0, &["[1]"])
}

fn small_loaded() -> Bytes {
    loaded().session("s_session_z1", &["[1]"]).encode()
}

/// The large session up to a chunk.
fn large_loaded(count: usize) -> Bytes {
    let piece = |n| (n, 1, Some((signature(n + 1), chunk(n))));
    loaded().pieces("s_session_z1", count, true, (0..count).map(piece).collect()).encode()
}

pub(crate) fn cases() -> Cases {
    let case = |name, damage: Vec<Op>, more: Vec<Op>| {
        let mut ops = vec![open("a", "store").into(), store("a", &small()).into()];
        ops.extend(chunks().map(|message| Op::from(store("a", &message))));
        ops.push(compact("a").into());
        ops.push(close("a").into());
        ops.extend(damage);
        ops.extend(more);
        Case { topic: TOPIC, name, ops }
    };
    let damage = || record! { coValues: list!["co_zLarge"], file: says("pack-"), offset: at_least(0.0) };
    vec![
        case(
            "damage is told with the CoValue that it is in, and the others are served",
            vec![file(Flip("store/pack-*.dat", IN_THE_THIRD))],
            vec![
                open("b", "store").into(),
                load("b", "co_zLarge").fails_saying("CORRUPT", "co_zLarge").into(),
                load("b", "co_zLarge").fails_saying("CORRUPT", "pack-").into(),
                load("b", "co_zSmall").gives(small_loaded()).into(),
                known_state("b", "co_zLarge").gives(known(&[("s_session_z1", 4)])).into(),
                load_many("b", ids(&["co_zSmall", "co_zLarge"]), EVERYTHING).fails("CORRUPT").into(),
                load_piece("b", "co_zLarge", "s_session_z1", 2.0, 1.0).fails("CORRUPT").into(),
                load_piece("b", "co_zLarge", "s_session_z1", 3.0, 1.0)
                    .gives(crate::forms::piece(1, signature(4), chunk(3)))
                    .into(),
                load_up_to("b", "co_zLarge", 0.0).into(),
            ],
        ),
        case(
            "a verification finds damage, and a backup does not copy it",
            vec![file(Flip("store/pack-*.dat", IN_THE_THIRD))],
            vec![
                open("b", "store").into(),
                task("t").into(),
                verify("b", "t").gives(record! { damage: list![damage()], transactions: at_least(3.0) }).into(),
                backup("b", record! { file: path("a.jazzbak") }, "t").fails_saying("CORRUPT", "pack-").into(),
                file(Absent("a.jazzbak")),
            ],
        ),
        case(
            "a repaired store has a session up to the last good signature, and goes on there",
            vec![file(Flip("store/pack-*.dat", IN_THE_THIRD))],
            vec![
                task("t").into(),
                repair(path("store"), "t")
                    .gives(record! {
                        damage: list![damage()],
                        lost: list![record! { coValue: "co_zLarge", session: "s_session_z1", kept: 2.0, lost: 2.0 }],
                        coValues: 2.0, coValuesLost: 0.0, lostIds: list![], setAside: says("damaged-"),
                    })
                    .into(),
                file(Exists("store/damaged-*.bin")),
                open("b", "store").into(),
                load("b", "co_zLarge").gives(large_loaded(2)).into(),
                load("b", "co_zSmall").gives(small_loaded()).into(),
                task("u").into(),
                verify("b", "u").gives(record! { damage: list![], coValues: 2.0, transactions: 3.0 }).into(),
                store("b", &chunks().into_iter().nth(2).unwrap_or_else(small)).into(),
                store("b", &chunks().into_iter().nth(3).unwrap_or_else(small)).into(),
                load("b", "co_zLarge").gives(large_loaded(4)).into(),
            ],
        ),
        case(
            "a store without its manifests is refused, and found again by a repair",
            vec![file(Remove("store/MANIFEST-*")), file(Remove("store/MANIFEST-*"))],
            vec![
                open("b", "store").fails("CORRUPT").into(),
                task("t").into(),
                repair(path("store"), "t")
                    .gives(record! { lost: list![], coValues: 2.0, coValuesLost: 0.0 })
                    .into(),
                open("c", "store").into(),
                load("c", "co_zLarge").gives(large_loaded(4)).into(),
                load("c", "co_zSmall").gives(small_loaded()).into(),
            ],
        ),
        case(
            "a pack that was cut off is damage",
            vec![file(Cut("store/pack-*.dat", IN_THE_THIRD))],
            vec![
                open("b", "store").into(),
                load("b", "co_zLarge").fails("CORRUPT").into(),
                close("b").into(),
                task("t").into(),
                repair(path("store"), "t")
                    .gives(record! { coValues: at_least(1.0), coValuesLost: at_least(0.0) })
                    .into(),
            ],
        ),
    ]
}
