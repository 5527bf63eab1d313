//! Bad input: nothing is stored of it.

use crate::bytes::Bytes;
use crate::forms::{Message, append, create, ids, loaded, private, trusting};
use crate::steps::*;

const TOPIC: &str = "bad input";

pub(crate) fn cases() -> Cases {
    let good = || create("co_zA").session("s_session_z1", 0, &["[1]"]);
    let bytes = || good().encode().bytes();
    let cut = |len: usize| Bytes::from(bytes().get(..len).unwrap_or_default());
    let with = |at: usize, value: u8| {
        let mut bytes = bytes();
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value;
        }
        Bytes::from(bytes)
    };
    let session =
        |id: &str, count: usize, txs: Bytes| create("co_zA").piece(id, 0, "signature_z1", count, txs);
    let malformed = |message: &Message| store("a", message).fails("MALFORMED");
    let too_long = || Bytes::repeated(0x8000, "i");
    vec![
        case!(
            TOPIC,
            "a message that ends too early is refused, wherever it ends",
            memory("a"),
            store_bytes("a", Bytes::new()).fails("MALFORMED"),
            store_bytes("a", cut(1)).fails("MALFORMED"),
            store_bytes("a", cut(5)).fails("MALFORMED"),
            store_bytes("a", cut(12)).fails("MALFORMED"),
            store_bytes("a", cut(16)).fails("MALFORMED"),
            store_bytes("a", cut(bytes().len() / 2)).fails("MALFORMED"),
            store_bytes("a", cut(bytes().len() - 1)).fails_saying("MALFORMED", "nothing was stored"),
            co_value_count("a", 0.0),
            store("a", &good()),
            co_value_count("a", 1.0),
        ),
        case!(
            TOPIC,
            "a message is refused for what it has too much",
            memory("a"),
            store_bytes("a", good().encode().and([0])).fails("MALFORMED"),
            store_bytes("a", with(0, 2)).fails("MALFORMED"),
            store_bytes("a", with(1, 1 | 4)).fails("MALFORMED"),
            malformed(&good().session("s_session_z1", 0, &["[1]"])),
            malformed(&session("s_session_z1", 1, trusting("[1]").and([0]))),
            malformed(&session("s_session_z1", 2, trusting("[1]"))),
            malformed(&session("s_session_z1", 0, trusting("[1]"))),
            co_value_count("a", 0.0),
        ),
        case!(
            TOPIC,
            "a message is refused for a part that has no meaning",
            memory("a"),
            malformed(&good().threshold(f64::NAN)),
            malformed(&append("co_zA").header("")),
            malformed(&session("s_session_z1", 1, Bytes::new().u8(5).f64(1.0).str32("[1]"))),
            malformed(&session("s_session_z1", 1, Bytes::new().u8(0x42).f64(1.0).str32("[1]"))),
            malformed(&session("s_session_z1", 1, Bytes::new().u8(0x22).f64(1.0).str32("[1]"))),
            malformed(&session("s_session_z1", 1, Bytes::new().u8(0x10).u32(1).str32("[1]"))),
            malformed(&session("s_session_z1", 1, Bytes::new().u8(0x21).f64(1.0).str32("encrypted_U1"))),
            co_value_count("a", 0.0),
            store("a", &session("s_session_z1", 1, private("key_z1", "encrypted_U1"))),
            co_value_count("a", 1.0),
        ),
        case!(
            TOPIC,
            "a text is WTF-8, and says of itself whether it is ASCII",
            memory("a"),
            // The head of the id says that it is not ASCII, which it is; and the other way round.
            store_bytes("a", with(11, 0x80)).fails("MALFORMED"),
            store_bytes("a", with(12, 0xc3)).fails("MALFORMED"),
            malformed(&create(b"co_z\xff")),
            malformed(&create(b"co_z\xc3")),
            malformed(&create(b"co_z\xed\xa0\xbd\xed\xb0\x80")),
            malformed(&append("co_zA").header(b"\xc0\x80")),
            malformed(&session("s_session_z1", 1, trusting(b"\xf8\x88\x80\x80\x80"))),
            co_value_count("a", 0.0),
        ),
        case!(
            TOPIC,
            "ids have at least one character",
            memory("a"),
            store("a", &create("")).fails("EMPTY_ID"),
            store("a", &create("co_zA").session("", 0, &["[1]"])).fails("EMPTY_ID"),
            load("a", "").fails_saying("EMPTY_ID", "CoValue id"),
            load_piece("a", "", "s_session_z1", 0.0, 1.0).fails_saying("EMPTY_ID", "CoValue id"),
            load_piece("a", "co_zA", "", 0.0, 1.0).fails_saying("EMPTY_ID", "session id"),
            load_many("a", ids(&["co_zA", ""]), EVERYTHING).fails("EMPTY_ID"),
            known_state("a", "").fails("EMPTY_ID"),
            erase("a", "").fails("EMPTY_ID"),
            stop_tracking("a", "").fails("EMPTY_ID"),
            co_value_count("a", 0.0),
        ),
        case!(
            TOPIC,
            "ids have an end",
            memory("a"),
            load("a", too_long()).fails_saying("TOO_LARGE", "32767"),
            load_piece("a", "co_zA", too_long(), 0.0, 1.0).fails("TOO_LARGE"),
            known_state("a", too_long()).fails("TOO_LARGE"),
            erase("a", too_long()).fails("TOO_LARGE"),
            stop_tracking("a", too_long()).fails("TOO_LARGE"),
            co_value_count("a", 0.0),
        ),
        case!(
            TOPIC,
            "a session has at most as many transactions as can be counted",
            memory("a"),
            store(
                "a",
                &create("co_zA").piece("s_session_z1", u32::MAX as usize, "signature_z1", 1, trusting("[1]"))
            )
            .fails("TOO_LARGE"),
            co_value_count("a", 0.0),
        ),
        case!(
            TOPIC,
            "a list of ids is read to its end, and not beyond",
            memory("a"),
            store("a", &good()),
            load_many("a", ids(&["co_zA"]).and([0]), EVERYTHING).fails("MALFORMED"),
            load_many("a", Bytes::new().u32(2).str16("co_zA"), EVERYTHING).fails("MALFORMED"),
            load_many("a", Bytes::new().u32(u32::MAX as usize), EVERYTHING).fails("MALFORMED"),
            load_many("a", Bytes::new(), EVERYTHING).fails("MALFORMED"),
        ),
        case!(
            TOPIC,
            "what was refused leaves what is stored as it was",
            open("a", "store"),
            store("a", &good()),
            store_bytes("a", append("co_zA").session("s_session_z1", 1, &["[2]"]).encode().and([0]))
                .fails("MALFORMED"),
            store("a", &append("co_zA").session("s_session_z1", 1, &["[2]"]).session("", 0, &["[1]"]))
                .fails("EMPTY_ID"),
            load("a", "co_zA").gives(loaded().session("s_session_z1", &["[1]"]).encode()),
            close("a"),
            load("a", "co_zA").gives(loaded().session("s_session_z1", &["[1]"]).encode()),
        ),
    ]
}
