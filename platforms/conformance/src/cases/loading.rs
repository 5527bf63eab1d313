//! Loading: pieces, budgets, many at once.

use crate::bytes::Bytes;
use crate::forms::{Message, answers, append, create, ids, loaded, piece, signature, trusting};
use crate::steps::*;

const TOPIC: &str = "loading and pieces";

/// A message that makes a chunk: each transaction alone is above the threshold.
fn chunk(message: Message, session: &str, after: usize, changes: &[&str]) -> Message {
    message.threshold(2.0).session(session, after, changes)
}

fn txs(changes: &[&str]) -> Bytes {
    changes.iter().map(|changes| trusting(*changes)).collect()
}

fn content(end: usize, changes: &[&str]) -> Option<(Bytes, Bytes)> {
    Some((signature(end), txs(changes)))
}

/// Bytes of a long transaction. A store may count a little more of each piece than its transactions against a budget, so
/// budgets of these cases lie half of this from where it makes a difference.
const LONG: usize = 4_000;

fn long(letter: &str) -> Bytes {
    trusting(Bytes::repeated(LONG, letter))
}

fn long_chunk(message: Message, session: &str, after: usize, letter: &str) -> Message {
    message.threshold(2.0).piece(session, after, signature(after + 1), 1, long(letter))
}

fn long_content(end: usize, letter: &str) -> Option<(Bytes, Bytes)> {
    Some((signature(end), long(letter)))
}

pub(crate) fn cases() -> Cases {
    let chunks = || {
        [
            store("a", &chunk(create("co_zA"), "s_session_z1", 0, &["[1]", "[2]"])),
            store("a", &chunk(append("co_zA"), "s_session_z1", 2, &["[3]"])),
            store("a", &append("co_zA").session("s_session_z1", 3, &["[4]"])),
        ]
    };
    let [first, second, third] = chunks();
    let [first_again, second_again, third_again] = chunks();
    let [first_third, second_third, third_third] = chunks();
    let whole = loaded()
        .pieces(
            "s_session_z1",
            4,
            true,
            vec![
                (0, 2, content(2, &["[1]", "[2]"])),
                (2, 1, content(3, &["[3]"])),
                (3, 1, content(4, &["[4]"])),
            ],
        )
        .encode();
    let first_pieces = loaded()
        .pieces(
            "s_session_z1",
            4,
            true,
            vec![(0, 2, content(2, &["[1]", "[2]"])), (2, 1, None), (3, 1, content(4, &["[4]"]))],
        )
        .encode();
    let small = loaded().session("s_session_z1", &["[1]"]).encode();
    vec![
        case!(
            TOPIC,
            "a session is cut where a chunk ends",
            memory("a"),
            first,
            second,
            third,
            load("a", "co_zA").gives(whole.clone()),
            load_up_to("a", "co_zA", f64::INFINITY).gives(whole.clone()),
        ),
        case!(
            TOPIC,
            "with a small budget further pieces are left out, and loaded one by one",
            memory("a"),
            first_again,
            second_again,
            third_again,
            load_up_to("a", "co_zA", 0.0).gives(first_pieces.clone()),
            load_up_to("a", "co_zA", 1.0).gives(first_pieces.clone()),
            load_up_to("a", "co_zA", -1.0).gives(first_pieces.clone()),
            load_up_to("a", "co_zA", f64::NAN).gives(first_pieces.clone()),
            load_piece("a", "co_zA", "s_session_z1", 2.0, 1.0).gives(piece(1, signature(3), txs(&["[3]"]))),
            load_piece("a", "co_zA", "s_session_z1", 3.0, 1.0).gives(piece(1, signature(4), txs(&["[4]"]))),
        ),
        case!(
            TOPIC,
            "a piece goes on to where a signature stands",
            memory("a"),
            first_third,
            second_third,
            third_third,
            store("a", &append("co_zA").session("s_session_z1", 4, &["[5]"])),
            load_piece("a", "co_zA", "s_session_z1", 0.0, 1.0).gives(piece(
                2,
                signature(2),
                txs(&["[1]", "[2]"])
            )),
            load_piece("a", "co_zA", "s_session_z1", 1.0, 1.0).gives(piece(1, signature(2), txs(&["[2]"]))),
            load_piece("a", "co_zA", "s_session_z1", 3.0, 1.0).gives(piece(
                2,
                signature(5),
                txs(&["[4]", "[5]"])
            )),
            load_piece("a", "co_zA", "s_session_z1", 0.0, 5.0).gives(piece(
                5,
                signature(5),
                txs(&["[1]", "[2]", "[3]", "[4]", "[5]"])
            )),
        ),
        case!(
            TOPIC,
            "a piece that is not there is nothing",
            memory("a"),
            store("a", &create("co_zA").session("s_session_z1", 0, &["[1]", "[2]"])),
            load_piece("a", "co_zA", "s_session_z1", 1.0, 2.0).nothing(),
            load_piece("a", "co_zA", "s_session_z1", 2.0, 1.0).nothing(),
            load_piece("a", "co_zA", "s_session_z1", 0.0, 0.0).nothing(),
            load_piece("a", "co_zA", "s_session_z1", 4_294_967_295.0, 4_294_967_295.0).nothing(),
            load_piece("a", "co_zA", "s_session_z2", 0.0, 1.0).nothing(),
            load_piece("a", "co_zB", "s_session_z1", 0.0, 1.0).nothing(),
        ),
        case!(
            TOPIC,
            "each session has its first piece, whatever the budget, and further ones up to it",
            memory("a"),
            store("a", &long_chunk(create("co_zA"), "s_session_z1", 0, "a")),
            store("a", &long_chunk(append("co_zA"), "s_session_z1", 1, "b")),
            store("a", &long_chunk(append("co_zA"), "s_session_z2", 0, "c")),
            store("a", &long_chunk(append("co_zA"), "s_session_z2", 1, "d")),
            load_up_to("a", "co_zA", 0.0).gives(
                loaded()
                    .pieces("s_session_z1", 2, true, vec![(0, 1, long_content(1, "a")), (1, 1, None)])
                    .pieces("s_session_z2", 2, true, vec![(0, 1, long_content(1, "c")), (1, 1, None)])
                    .encode(),
            ),
            load_up_to("a", "co_zA", 1.5 * LONG as f64).gives(
                loaded()
                    .pieces(
                        "s_session_z1",
                        2,
                        true,
                        vec![(0, 1, long_content(1, "a")), (1, 1, long_content(2, "b"))],
                    )
                    .pieces("s_session_z2", 2, true, vec![(0, 1, long_content(1, "c")), (1, 1, None)])
                    .encode(),
            ),
        ),
        case!(
            TOPIC,
            "a chunk ends at the transaction that goes beyond the threshold",
            memory("a"),
            store("a", &create("co_zA").threshold(6.0).session("s_session_z1", 0, &["[1]"])),
            store("a", &append("co_zA").threshold(6.0).session("s_session_z1", 1, &["[2]"])),
            store("a", &append("co_zA").threshold(6.0).session("s_session_z1", 2, &["[3]"])),
            store("a", &append("co_zA").threshold(6.0).session("s_session_z1", 3, &["[4]"])),
            load("a", "co_zA").gives(
                loaded()
                    .pieces(
                        "s_session_z1",
                        4,
                        true,
                        vec![(0, 3, content(3, &["[1]", "[2]", "[3]"])), (3, 1, content(4, &["[4]"]))],
                    )
                    .encode(),
            ),
        ),
        case!(
            TOPIC,
            "many are loaded at once, in the order of the ids",
            memory("a"),
            store("a", &create("co_zA").session("s_session_z1", 0, &["[1]"])),
            store("a", &create("co_zB")),
            load_many("a", ids(&["co_zB", "co_zUnknown", "co_zA", "co_zB"]), EVERYTHING).gives(answers([
                loaded().encode(),
                Bytes::new(),
                small,
                loaded().encode(),
            ])),
            load_many("a", ids(&[]), EVERYTHING).gives(answers([])),
        ),
        case!(
            TOPIC,
            "a budget is that of all that are loaded at once",
            memory("a"),
            store("a", &long_chunk(create("co_zA"), "s_session_z1", 0, "a")),
            store("a", &long_chunk(append("co_zA"), "s_session_z1", 1, "b")),
            load_many("a", ids(&["co_zA", "co_zA"]), 1.5 * LONG as f64).gives(answers([
                loaded()
                    .pieces(
                        "s_session_z1",
                        2,
                        true,
                        vec![(0, 1, long_content(1, "a")), (1, 1, long_content(2, "b"))],
                    )
                    .encode(),
                loaded()
                    .pieces("s_session_z1", 2, true, vec![(0, 1, long_content(1, "a")), (1, 1, None)])
                    .encode(),
            ])),
        ),
    ]
}
