//! Storing messages: corrections, headers, transactions of every form, batches.

use crate::bytes::Bytes;
use crate::forms::{
    HEADER, answers, append, batch, create, following, gap, header_missing, known, loaded, loaded_with,
    private, signature, stored, trusting,
};
use crate::steps::*;

const STORING: &str = "storing and corrections";
const BATCHES: &str = "batches";

pub(crate) fn cases() -> Cases {
    let first = create("co_zA").session("s_session_z1", 0, &["[1]", "[2]"]);
    let private_txs =
        private("key_z1", "encrypted_U1").and(Bytes::new().u8(0x21).f64(2.0).str32("encrypted_U2"));
    let other_order = Bytes::new().u8(0x23).f64(2.5).str32("encrypted_U3");
    let with_meta = Bytes::new().u8(0x12).f64(3.0).str32("[4]").str32("{\"m\":1}");
    let other_order_with_meta = Bytes::new().u8(0x14).f64(-0.0).str32("[5]").str32("{}");
    let private_with_meta = Bytes::new().u8(0x11).f64(1e300).str16("key_z2").str32("encrypted_U6").str32("m");
    let verbatim = Bytes::new().u8(0).u32(7).str32("{\"unknown\":[null,true],\"changes\":\"[7]\"}");
    let every_form: Bytes =
        [private_txs, other_order, with_meta, other_order_with_meta, private_with_meta, verbatim]
            .into_iter()
            .collect();
    vec![
        case!(
            STORING,
            "what is stored comes back, and nothing else",
            memory("a"),
            store("a", &first),
            load("a", "co_zA").gives(loaded().session("s_session_z1", &["[1]", "[2]"]).encode()),
            load("a", "co_zB").nothing(),
            co_value_count("a", 1.0),
        ),
        case!(
            STORING,
            "a session grows by what is behind its end",
            memory("a"),
            store("a", &first),
            store("a", &append("co_zA").session("s_session_z1", 2, &["[3]"])),
            store("a", &append("co_zA").session("s_session_z1", 3, &["[4]", "[5]"])),
            load("a", "co_zA")
                .gives(loaded().session("s_session_z1", &["[1]", "[2]", "[3]", "[4]", "[5]"]).encode()),
            stats("a", record! { recordsWritten: at_least(3.0) }),
        ),
        case!(
            STORING,
            "without a header nothing is stored of a CoValue that is not known",
            memory("a"),
            store("a", &append("co_zA").session("s_session_z1", 0, &["[1]"])).gives(header_missing()),
            co_value_count("a", 0.0),
            load("a", "co_zA").nothing(),
        ),
        case!(
            STORING,
            "a header alone makes a CoValue, and the first one stays",
            memory("a"),
            store("a", &create("co_zA")),
            load("a", "co_zA").gives(loaded().encode()),
            known_state("a", "co_zA").gives(known(&[])),
            store("a", &append("co_zA").header("{\"another\":true}").session("s_session_z1", 0, &["[1]"])),
            load("a", "co_zA").gives(loaded().session("s_session_z1", &["[1]"]).encode()),
        ),
        case!(
            STORING,
            "a message behind a gap is not stored, and the answer says where the session stands",
            memory("a"),
            store("a", &first),
            store("a", &append("co_zA").session("s_session_z1", 3, &["[4]"])).gives(gap(&[2])),
            store("a", &append("co_zA").session("s_session_z2", 1, &["[2]"])).gives(gap(&[0])),
            known_state("a", "co_zA").gives(known(&[("s_session_z1", 2)])),
        ),
        case!(
            STORING,
            "a gap in one session does not keep the others out",
            memory("a"),
            store("a", &first),
            store(
                "a",
                &append("co_zA")
                    .session("s_session_z1", 2, &["[3]"])
                    .session("s_session_z2", 5, &["[6]"])
                    .session("s_session_z3", 0, &["[1]"]),
            )
            .gives(gap(&[3, 0, 1])),
            known_state("a", "co_zA").gives(known(&[("s_session_z1", 3), ("s_session_z3", 1)])),
        ),
        case!(
            STORING,
            "what is stored already is skipped",
            memory("a"),
            store("a", &first),
            store("a", &first),
            store("a", &append("co_zA").session("s_session_z1", 1, &["[2]", "[3]"])),
            load("a", "co_zA").gives(loaded().session("s_session_z1", &["[1]", "[2]", "[3]"]).encode()),
        ),
        case!(
            STORING,
            "an old message is answered with where the session stands",
            memory("a"),
            store("a", &create("co_zA").session("s_session_z1", 0, &["[1]", "[2]", "[3]"])),
            store("a", &append("co_zA").session("s_session_z1", 0, &["[1]"])).gives(stored(&[3])),
            store(
                "a",
                &append("co_zA").session("s_session_z1", 1, &["[2]"]).session("s_session_z2", 0, &["[1]"]),
            )
            .gives(stored(&[3, 1])),
            load("a", "co_zA").gives(
                loaded()
                    .session("s_session_z1", &["[1]", "[2]", "[3]"])
                    .session("s_session_z2", &["[1]"])
                    .encode(),
            ),
        ),
        case!(
            STORING,
            "a session without transactions is not stored",
            memory("a"),
            store("a", &create("co_zA").session("s_session_z1", 0, &[])),
            known_state("a", "co_zA").gives(known(&[])),
            store("a", &append("co_zA").session("s_session_z1", 1, &[])).gives(gap(&[0])),
        ),
        case!(
            STORING,
            "sessions come back in the order in which they were first stored",
            memory("a"),
            store(
                "a",
                &create("co_zA").session("s_session_z3", 0, &["[3]"]).session("s_session_z1", 0, &["[1]"])
            ),
            store(
                "a",
                &append("co_zA").session("s_session_z2", 0, &["[2]"]).session("s_session_z3", 1, &["[4]"])
            ),
            load("a", "co_zA").gives(
                loaded()
                    .session("s_session_z3", &["[3]", "[4]"])
                    .session("s_session_z1", &["[1]"])
                    .session("s_session_z2", &["[2]"])
                    .encode(),
            ),
        ),
        case!(
            STORING,
            "transactions of every form come back byte for byte",
            memory("a"),
            store("a", &create("co_zA").piece("s_session_z1", 0, "signature_z7", 7, &every_form)),
            load("a", "co_zA").gives(
                loaded()
                    .pieces(
                        "s_session_z1",
                        7,
                        false,
                        vec![(0, 7, Some((Bytes::from("signature_z7"), every_form)))]
                    )
                    .encode(),
            ),
        ),
        case!(
            STORING,
            "an empty text is a text",
            memory("a"),
            store("a", &create("co_zA").piece("s_session_z1", 0, "", 1, trusting(""))),
            load("a", "co_zA").gives(
                loaded()
                    .pieces("s_session_z1", 1, false, vec![(0, 1, Some((Bytes::new(), trusting(""))))])
                    .encode(),
            ),
        ),
        case!(
            STORING,
            "the last signature is that of what was stored last",
            memory("a"),
            store("a", &create("co_zA").piece("s_session_z1", 0, "signature_zFirst", 1, trusting("[1]"))),
            store("a", &append("co_zA").piece("s_session_z1", 0, "signature_zOld", 1, trusting("[1]"))),
            store("a", &append("co_zA").piece("s_session_z1", 1, "signature_zLast", 1, trusting("[2]"))),
            load("a", "co_zA").gives({
                let txs = trusting("[1]").and(trusting("[2]"));
                let pieces = vec![(0, 2, Some((Bytes::from("signature_zLast"), txs)))];
                loaded().pieces("s_session_z1", 2, false, pieces).encode()
            }),
        ),
        case!(
            STORING,
            "a header is any text",
            memory("a"),
            store("a", &append("co_zA").header(" not even JSON ")),
            load("a", "co_zA").gives(loaded_with(" not even JSON ").encode()),
            store("a", &append("co_zB").header(HEADER)),
            load("a", "co_zB").gives(loaded().encode()),
        ),
    ]
}

pub(crate) fn batches() -> Cases {
    let one = |id: &str, after| {
        let message = if after == 0 { create(id) } else { append(id) };
        message.session("s_session_z1", after, &["[1]"])
    };
    let none = Bytes::new;
    let spoilt = Bytes::new().u32(2).sized(one("co_zA", 0).encode()).sized([9]);
    vec![
        case!(
            BATCHES,
            "a batch is stored in order",
            memory("a"),
            store_batch("a", batch(&[one("co_zA", 0), one("co_zB", 0), one("co_zA", 1)])).gives(answers([
                none(),
                none(),
                none()
            ])),
            known_state("a", "co_zA").gives(known(&[("s_session_z1", 2)])),
            co_value_count("a", 2.0),
        ),
        case!(
            BATCHES,
            "a batch stops after the first message that is not wholly stored",
            memory("a"),
            store_batch("a", batch(&[one("co_zA", 0), one("co_zA", 5), one("co_zA", 1)]))
                .gives(answers([none(), gap(&[1])])),
            known_state("a", "co_zA").gives(known(&[("s_session_z1", 1)])),
            store_batch("a", batch(&[append("co_zB").session("s_session_z1", 0, &["[1]"]), one("co_zC", 0)]))
                .gives(answers([header_missing()])),
            co_value_count("a", 1.0),
        ),
        case!(
            BATCHES,
            "a session that stands further does not stop a batch",
            memory("a"),
            store("a", &create("co_zA").session("s_session_z1", 0, &["[1]", "[2]", "[3]"])),
            store_batch("a", batch(&[one("co_zA", 0), one("co_zB", 0)]))
                .gives(answers([stored(&[3]), none()])),
            co_value_count("a", 2.0),
        ),
        case!(
            BATCHES,
            "a batch that follows is stored if all before it was",
            memory("a"),
            store_batch("a", following(&[one("co_zA", 0)])).gives(answers([none()])),
            store_batch("a", following(&[one("co_zA", 1), one("co_zA", 5)]))
                .gives(answers([none(), gap(&[2])])),
            store_batch("a", following(&[one("co_zB", 0)])).gives(answers([])),
            store_batch("a", following(&[one("co_zB", 0)])).gives(answers([])),
            co_value_count("a", 1.0),
            store_batch("a", batch(&[one("co_zA", 2)])).gives(answers([none()])),
            store_batch("a", following(&[one("co_zB", 0)])).gives(answers([none()])),
            store("a", &one("co_zB", 5)).gives(gap(&[1])),
            store_batch("a", following(&[one("co_zC", 0)])).gives(answers([])),
            store("a", &one("co_zB", 1)),
            store_batch("a", following(&[one("co_zC", 0)])).gives(answers([none()])),
            store_batch("a", spoilt.clone()).fails("MALFORMED"),
            store_batch("a", following(&[one("co_zD", 0)])).gives(answers([])),
            store_batch("a", following(&[])).gives(answers([])),
            co_value_count("a", 3.0),
        ),
        case!(
            BATCHES,
            "an empty batch is answered",
            memory("a"),
            store_batch("a", batch(&[])).gives(answers([]))
        ),
        case!(
            BATCHES,
            "nothing is stored of a batch with a malformed message",
            memory("a"),
            store_batch("a", spoilt).fails("MALFORMED"),
            store_batch("a", Bytes::from([1])).fails("MALFORMED"),
            store_batch("a", batch(&[one("co_zA", 0)]).and([0])).fails("MALFORMED"),
            co_value_count("a", 0.0),
        ),
        case!(
            BATCHES,
            "a batch survives closing",
            open("a", "store"),
            store_batch("a", batch(&[one("co_zA", 0), one("co_zB", 0)])).gives(answers([none(), none()])),
            close("a"),
            open("b", "store"),
            load_many("b", crate::forms::ids(&["co_zB", "co_zA"]), EVERYTHING).gives(answers([
                loaded().session("s_session_z1", &["[1]"]).encode(),
                loaded().session("s_session_z1", &["[1]"]).encode(),
            ])),
            known_state("b", "co_zA").gives(known(&[("s_session_z1", 1)])),
            load("b", "co_zA").gives(
                loaded()
                    .pieces("s_session_z1", 1, false, vec![(0, 1, Some((signature(1), trusting("[1]"))))])
                    .encode(),
            ),
        ),
    ]
}
