//! The rules of whole messages, one by one, with expectations written out: on the model and on the real store, calm and busy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use jazz_storage_core::error::ErrorCode;
use jazz_storage_core::format::tx::{self, Fields};
use jazz_storage_core::format::wire::{OwnedMessage, OwnedSession, StoreStatus, decode_message};
use jazz_storage_core::store::content::{ContentStore, LoadedCoValue, Piece, StoreOutcome};
use jazz_storage_core::store::content::{load_by_rows, load_piece_by_rows, store_by_rows};
use jazz_storage_core::store::rows::{CoValueId, SessionId, SessionUpdate, StoredSessionRow};
use jazz_storage_core::store::traits::StorageBackend;
use support::{Busy, Model, Subject, Usual, fields, private_tx};

macro_rules! for_each_store {
    ($($rule:ident),+ $(,)?) => {
        for_each_store!(@ model Model $($rule)+);
        for_each_store!(@ usual Usual $($rule)+);
        for_each_store!(@ busy Busy $($rule)+);
    };
    (@ $module:ident $subject:ident $($rule:ident)+) => {
        mod $module {
            $(#[test]
            fn $rule() {
                super::$rule(&mut <super::$subject as super::Subject>::create());
            })+
        }
    };
}

for_each_store!(
    w1_a_header_creates_and_is_never_replaced,
    w2_without_header_nothing_is_stored,
    w3_a_gap_skips_its_session_only,
    w4_stale_messages_change_nothing,
    w4_overlaps_append_what_is_new,
    w5_a_header_alone_is_a_covalue,
    w6_chunk_signatures_above_the_threshold,
    w6_sizes_are_utf16_units,
    w7_the_byte_count_survives_reopening,
    w10_transactions_and_headers_come_back_exactly,
    l1_unknown_ids_give_nothing,
    l11_pieces_end_at_chunk_signatures,
    l11_the_end_is_a_piece_unless_a_chunk_ends_there,
    a_budget_leaves_out_later_pieces,
    load_piece_gives_what_load_left_out,
    o1_sessions_come_in_the_order_of_their_first_store,
    d2_only_valid_deletes_are_queued,
    d5_erasure_keeps_header_and_delete_sessions,
    after_an_erasure_sessions_begin_anew,
    a_refused_transaction_leaves_no_trace,
    ids_and_count,
    many_sessions_and_a_large_transaction,
);

const ID: &str = "co_zA";
const HEADER: &[u8] = br#"{"type":"comap","n":"0"}"#;
const BIG: f64 = 102_400.0;

fn message(header: bool, threshold: f64, sessions: &[(&str, u32, &str, &[Vec<u8>])]) -> OwnedMessage {
    OwnedMessage {
        id: ID.into(),
        header: header.then(|| HEADER.to_vec()),
        delete_is_valid: false,
        chunk_threshold: threshold,
        sessions: sessions
            .iter()
            .map(|(session, after, signature, txs)| OwnedSession {
                session: session.as_bytes().to_vec(),
                after: *after,
                last_signature: signature.as_bytes().to_vec(),
                txs: txs.to_vec(),
            })
            .collect(),
    }
}

fn send(store: &impl ContentStore, message: &OwnedMessage) -> StoreOutcome {
    store.store(&decode_message(&message.encode().unwrap()).unwrap()).unwrap()
}

fn stored(counters: &[u32]) -> StoreOutcome {
    StoreOutcome { status: StoreStatus::Stored, counters: counters.to_vec() }
}

/// Transactions numbered from `from`, each of `size` units.
fn txs(from: u32, count: u32, size: usize) -> Vec<Vec<u8>> {
    (from..from + count).map(|n| private_tx(n, "key_z1", &"x".repeat(size))).collect()
}

fn row(store: &impl StorageBackend, session: &str) -> Option<StoredSessionRow> {
    let covalue = store.get_covalue(&ID.into()).unwrap()?;
    let sessions = store.get_covalue_sessions(covalue.row_id).unwrap();
    sessions.into_iter().find(|row| row.session_id == SessionId::from(session))
}

fn load(store: &impl ContentStore) -> LoadedCoValue {
    store.load(ID.as_bytes(), u64::MAX).unwrap().expect("it is stored")
}

/// Pieces as (after, count, signature).
fn pieces(loaded: &LoadedCoValue, session: &str) -> Vec<(u32, u32, Option<String>)> {
    let found = loaded.sessions.iter().find(|found| found.session == SessionId::from(session));
    let pieces = &found.expect("the session is stored").pieces;
    let signature = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    pieces.iter().map(|p| (p.after, p.count, p.content.as_ref().map(|c| signature(c.0.as_bytes())))).collect()
}

fn all_txs(loaded: &LoadedCoValue, session: &str) -> Vec<Vec<u8>> {
    let found = loaded.sessions.iter().find(|found| found.session == SessionId::from(session)).unwrap();
    let contents = found.pieces.iter().map(|piece| (piece.content.as_ref().unwrap(), piece.count));
    contents.flat_map(|((_, txs), count)| tx::split(txs, count).unwrap()).collect()
}

fn piece(after: u32, count: u32, signature: &str) -> (u32, u32, Option<String>) {
    (after, count, Some(signature.to_owned()))
}

fn w1_a_header_creates_and_is_never_replaced(subject: &mut impl Subject) {
    let store = subject.store();
    assert_eq!(send(store, &message(true, BIG, &[("s", 0, "sig1", &txs(0, 1, 5))])), stored(&[1]));
    let other = OwnedMessage {
        header: Some(b"{}".to_vec()),
        ..message(false, BIG, &[("s", 1, "sig2", &txs(1, 1, 5))])
    };
    assert_eq!(send(store, &other), stored(&[2]));
    assert_eq!(load(store).header, HEADER);
    assert_eq!(store.covalue_count().unwrap(), 1);
    subject.reopen();
    assert_eq!(load(subject.store()).header, HEADER);
}

fn w2_without_header_nothing_is_stored(subject: &mut impl Subject) {
    let store = subject.store();
    let outcome = send(store, &message(false, BIG, &[("s", 0, "sig", &txs(0, 1, 5))]));
    assert_eq!(outcome, StoreOutcome { status: StoreStatus::HeaderMissing, counters: vec![] });
    assert!(
        store.get_covalue(&ID.into()).unwrap().is_none() && store.load(ID.as_bytes(), 0).unwrap().is_none()
    );
    let delete =
        OwnedMessage { delete_is_valid: true, ..message(false, BIG, &[("d$", 0, "sig", &txs(0, 1, 5))]) };
    assert_eq!(send(store, &delete).status, StoreStatus::HeaderMissing);
    assert_eq!(store.pending_deletions().unwrap(), []);
    assert_eq!(store.covalue_count().unwrap(), 0);
}

fn w3_a_gap_skips_its_session_only(subject: &mut impl Subject) {
    let store = subject.store();
    let sessions: [(&str, u32, &str, &[Vec<u8>]); 3] = [
        ("a", 0, "sigA", &txs(0, 2, 5)),
        ("gap", 1, "sigGap", &txs(10, 2, 5)),
        ("b", 0, "sigB", &txs(20, 1, 5)),
    ];
    let outcome = send(store, &message(true, BIG, &sessions));
    assert_eq!(outcome, StoreOutcome { status: StoreStatus::Gap, counters: vec![2, 0, 1] });
    let known = store.get_known_state(&ID.into()).unwrap().unwrap();
    assert_eq!(known.sessions, [("a".into(), 2), ("b".into(), 1)]);
    // Even a gap without transactions is one.
    let outcome = send(store, &message(false, BIG, &[("a", 3, "sig", &[])]));
    assert_eq!(outcome, StoreOutcome { status: StoreStatus::Gap, counters: vec![2] });
}

fn w4_stale_messages_change_nothing(subject: &mut impl Subject) {
    let store = subject.store();
    send(store, &message(true, BIG, &[("s", 0, "sig3", &txs(0, 3, 5))]));
    let before = load(store);
    assert_eq!(send(store, &message(true, BIG, &[("s", 0, "stale", &txs(0, 3, 5))])), stored(&[3]));
    assert_eq!(send(store, &message(true, 0.0, &[("s", 1, "stale", &txs(1, 1, 5))])), stored(&[3]));
    assert_eq!(send(store, &message(false, BIG, &[("s", 3, "stale", &[])])), stored(&[3]));
    assert_eq!(send(store, &message(false, BIG, &[("new", 0, "none", &[])])), stored(&[0]));
    assert_eq!(load(store), before);
    assert_eq!(row(store, "s").unwrap().last_signature.as_bytes(), b"sig3");
    assert_eq!(row(store, "new"), None);
}

fn w4_overlaps_append_what_is_new(subject: &mut impl Subject) {
    let store = subject.store();
    let all = txs(0, 5, 7);
    send(store, &message(true, BIG, &[("s", 0, "sig3", &all[..3])]));
    assert_eq!(send(store, &message(true, BIG, &[("s", 1, "sig5", &all[1..])])), stored(&[5]));
    let loaded = load(store);
    assert_eq!(all_txs(&loaded, "s"), all);
    assert_eq!(pieces(&loaded, "s"), [piece(0, 5, "sig5")]);
    assert_eq!(
        row(store, "s").unwrap().bytes_since_last_signature,
        35,
        "overlapping transactions count once"
    );
}

fn w5_a_header_alone_is_a_covalue(subject: &mut impl Subject) {
    let store = subject.store();
    assert_eq!(send(store, &message(true, BIG, &[])), stored(&[]));
    assert_eq!(load(store), LoadedCoValue { header: HEADER.to_vec(), sessions: vec![] });
    assert_eq!(store.get_known_state(&ID.into()).unwrap().unwrap().sessions, []);
}

fn w6_chunk_signatures_above_the_threshold(subject: &mut impl Subject) {
    let store = subject.store();
    // 10 + 10 is not above 20; one more unit is.
    send(store, &message(true, 20.0, &[("s", 0, "sig1", &txs(0, 1, 10))]));
    send(store, &message(true, 20.0, &[("s", 1, "sig2", &txs(1, 1, 10))]));
    assert_eq!(row(store, "s").unwrap().bytes_since_last_signature, 20);
    let slot = row(store, "s").unwrap().row_id;
    assert_eq!(store.get_signatures(slot, 0).unwrap(), []);
    // One append gives at most one chunk signature, at its end.
    send(store, &message(true, 20.0, &[("s", 2, "sig6", &txs(2, 4, 50))]));
    assert_eq!(row(store, "s").unwrap().bytes_since_last_signature, 0);
    let signatures = store.get_signatures(slot, 0).unwrap();
    assert_eq!(
        signatures.iter().map(|row| (row.idx, row.signature.as_bytes())).collect::<Vec<_>>(),
        [(5, &b"sig6"[..])]
    );
    send(store, &message(true, 20.0, &[("s", 6, "sig7", &txs(6, 1, 3))]));
    assert_eq!(row(store, "s").unwrap().bytes_since_last_signature, 3);
}

fn w6_sizes_are_utf16_units(subject: &mut impl Subject) {
    let store = subject.store();
    let verbatim = fields(Fields::Verbatim { units: 1000, json: b"{}" });
    let trusting = Fields::Trusting {
        sorted: false,
        made_at: 1.0,
        changes: "€𝄞".as_bytes(),
        meta: Some(b"[\"not counted\"]"),
    };
    let lone = fields(Fields::Trusting { sorted: true, made_at: 1.0, changes: b"\xed\xa0\x80", meta: None });
    send(store, &message(true, BIG, &[("s", 0, "sig", &[verbatim, fields(trusting), lone])]));
    assert_eq!(row(store, "s").unwrap().bytes_since_last_signature, 1000 + 3 + 1);
}

fn w7_the_byte_count_survives_reopening(subject: &mut impl Subject) {
    send(subject.store(), &message(true, 20.0, &[("s", 0, "sig1", &txs(0, 1, 15))]));
    subject.reopen();
    assert_eq!(row(subject.store(), "s").unwrap().bytes_since_last_signature, 15);
    subject.kill();
    send(subject.store(), &message(true, 20.0, &[("s", 1, "sig2", &txs(1, 1, 6))]));
    assert_eq!(row(subject.store(), "s").unwrap().bytes_since_last_signature, 0);
    assert_eq!(pieces(&load(subject.store()), "s"), [piece(0, 2, "sig2")]);
}

fn w10_transactions_and_headers_come_back_exactly(subject: &mut impl Subject) {
    let changes = "é€𝄞\u{0}\"\\".as_bytes();
    let mut all = vec![
        fields(Fields::Verbatim {
            units: 3,
            json: b"{\"privacy\":\"trusting\",\"unknown\":[1],\"changes\":\"[]\"}",
        }),
        fields(Fields::Verbatim { units: 0, json: b"\xed\xb0\x80 lone" }),
    ];
    for sorted in [true, false] {
        for meta in [None, Some(changes)] {
            for made_at in [0.0, -0.0, 1.5, 1e300, f64::MAX] {
                all.push(fields(Fields::Private {
                    sorted,
                    made_at,
                    key_used: "kéy".as_bytes(),
                    changes,
                    meta,
                }));
                all.push(fields(Fields::Private { sorted, made_at, key_used: b"", changes: b"", meta }));
                all.push(fields(Fields::Trusting { sorted, made_at, changes, meta }));
            }
        }
    }
    let header = "{\"z\":1,\"a\":\"é\\ud800\"}".as_bytes();
    let mut first = message(false, BIG, &[("sé", 0, "sigé", &all[..20])]);
    first.header = Some(header.to_vec());
    send(subject.store(), &first);
    send(subject.store(), &message(false, BIG, &[("sé", 20, "sigé", &all[20..])]));
    for reopen in [false, true] {
        if reopen {
            subject.reopen();
        }
        let loaded = load(subject.store());
        assert_eq!(loaded.header, header);
        assert_eq!(all_txs(&loaded, "sé"), all);
    }
}

fn l1_unknown_ids_give_nothing(subject: &mut impl Subject) {
    let store = subject.store();
    send(store, &message(true, BIG, &[("s", 0, "sig", &txs(0, 1, 5))]));
    assert_eq!(store.load(b"co_zUnknown", u64::MAX).unwrap(), None);
    assert_eq!(store.load_piece(b"co_zUnknown", b"s", 0, 1).unwrap(), None);
    assert_eq!(store.get_known_state(&"co_zUnknown".into()).unwrap(), None);
    assert!(!store.erase_covalue_but_keep_tombstone(&"co_zUnknown".into()).unwrap());
}

/// 73 + 73 + 54, as 200 transactions of 1.4 kB come in messages of 100 kB.
fn three_pieces(store: &impl ContentStore) -> Vec<Vec<u8>> {
    let all = txs(0, 200, 1_410);
    send(
        store,
        &message(true, BIG, &[("s", 0, "sig73", &all[..73]), ("small", 0, "sigSmall", &txs(900, 1, 5))]),
    );
    send(store, &message(true, BIG, &[("s", 73, "sig146", &all[73..146])]));
    send(store, &message(true, BIG, &[("s", 146, "sig200", &all[146..])]));
    all
}

fn l11_pieces_end_at_chunk_signatures(subject: &mut impl Subject) {
    let all = three_pieces(subject.store());
    subject.checkpoint();
    let loaded = load(subject.store());
    assert_eq!(
        pieces(&loaded, "s"),
        [piece(0, 73, "sig73"), piece(73, 73, "sig146"), piece(146, 54, "sig200")]
    );
    assert_eq!(pieces(&loaded, "small"), [piece(0, 1, "sigSmall")]);
    assert_eq!(all_txs(&loaded, "s"), all);
    let flags: Vec<bool> = loaded.sessions.iter().map(|session| session.has_chunk_signature).collect();
    assert_eq!(flags, [true, false]);
}

fn l11_the_end_is_a_piece_unless_a_chunk_ends_there(subject: &mut impl Subject) {
    let store = subject.store();
    // The same text of signature everywhere: the cut is decided by the index.
    send(store, &message(true, 0.0, &[("s", 0, "same", &txs(0, 2, 5))]));
    assert_eq!(pieces(&load(store), "s"), [piece(0, 2, "same")]);
    send(store, &message(true, BIG, &[("s", 2, "same", &txs(2, 2, 5))]));
    assert_eq!(pieces(&load(store), "s"), [piece(0, 2, "same"), piece(2, 2, "same")]);
    send(store, &message(true, BIG, &[("s", 4, "last", &txs(4, 1, 5))]));
    assert_eq!(pieces(&load(store), "s"), [piece(0, 2, "same"), piece(2, 3, "last")]);
    send(store, &message(true, 0.0, &[("s", 5, "chunk", &txs(5, 1, 5))]));
    assert_eq!(pieces(&load(store), "s"), [piece(0, 2, "same"), piece(2, 4, "chunk")]);
}

fn a_budget_leaves_out_later_pieces(subject: &mut impl Subject) {
    let store = subject.store();
    three_pieces(store);
    let given = |budget| {
        let loaded = store.load(ID.as_bytes(), budget).unwrap().unwrap();
        pieces(&loaded, "small")
            .into_iter()
            .chain(pieces(&loaded, "s"))
            .map(|piece| piece.2.is_some())
            .collect::<Vec<_>>()
    };
    // What comes behind the last chunk signature is there in any case: it may grow.
    assert_eq!(given(0), [true, true, false, true]);
    assert_eq!(given(1), [true, true, false, true]);
    assert_eq!(given(120_000), [true, true, true, true]);
    send(store, &message(false, 0.0, &[("s", 200, "sig201", &txs(200, 1, 5))]));
    assert_eq!(given(0), [true, true, false, false]);
    assert_eq!(given(120_000), [true, true, true, false]);
    assert_eq!(given(u64::MAX), [true, true, true, true]);
}

/// Signature and transactions of a piece that has its content.
fn apart(piece: Piece) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (signature, txs) = piece.content.unwrap();
    (signature.as_bytes().to_vec(), tx::split(&txs, piece.count).unwrap())
}

fn load_piece_gives_what_load_left_out(subject: &mut impl Subject) {
    let all = three_pieces(subject.store());
    subject.checkpoint();
    let store = subject.store();
    let piece = |after: u32, count: u32| {
        let content = store.load_piece(ID.as_bytes(), b"s", after, count).unwrap();
        content.map(apart)
    };
    assert_eq!(piece(73, 73), Some((b"sig146".to_vec(), all[73..146].to_vec())));
    assert_eq!(piece(146, 54), Some((b"sig200".to_vec(), all[146..].to_vec())));
    assert_eq!(piece(10, 63), Some((b"sig73".to_vec(), all[10..73].to_vec())));
    assert_eq!(piece(10, 3), Some((b"sig73".to_vec(), all[10..73].to_vec())), "up to the next signature");
    assert_eq!(piece(150, 1), Some((b"sig200".to_vec(), all[150..].to_vec())));
    for (after, count) in [(146, 55), (200, 1), (0, 0), (u32::MAX, 2), (0, 201)] {
        assert_eq!(piece(after, count), None, "{after}+{count}");
    }
    assert_eq!(store.load_piece(ID.as_bytes(), b"unknown", 0, 1).unwrap(), None);
    store.erase_covalue_but_keep_tombstone(&ID.into()).unwrap();
    assert_eq!(piece(73, 73), None, "erased");
}

fn o1_sessions_come_in_the_order_of_their_first_store(subject: &mut impl Subject) {
    let names = ["z", "a", "m", "é", "b", "0", "long name of a session"];
    let first: Vec<_> = names.iter().take(4).map(|name| (*name, 0, "sig", txs(0, 1, 5))).collect();
    let first: Vec<(&str, u32, &str, &[Vec<u8>])> =
        first.iter().map(|(n, a, s, t)| (*n, *a, *s, &t[..])).collect();
    send(subject.store(), &message(true, BIG, &first));
    subject.checkpoint();
    for name in names.iter().rev() {
        let more = [(*name, 0, "sig", &txs(0, 2, 5)[..])];
        send(subject.store(), &message(true, BIG, &more));
    }
    let expected = ["z", "a", "m", "é", "long name of a session", "0", "b"];
    for reopen in [false, true] {
        if reopen {
            subject.reopen();
        }
        let loaded = load(subject.store());
        let order: Vec<&[u8]> = loaded.sessions.iter().map(|session| session.session.as_bytes()).collect();
        assert_eq!(order, expected.map(str::as_bytes));
        let known = subject.store().get_known_state(&ID.into()).unwrap().unwrap();
        assert!(known.sessions.iter().map(|(id, _)| id.as_bytes()).eq(order));
    }
}

fn d2_only_valid_deletes_are_queued(subject: &mut impl Subject) {
    let store = subject.store();
    let delete = message(true, BIG, &[("d$", 0, "sig", &txs(0, 1, 5))]);
    assert_eq!(send(store, &delete), stored(&[1]));
    assert_eq!(store.pending_deletions().unwrap(), [], "nobody said it was valid");
    let other =
        OwnedMessage { delete_is_valid: true, ..message(true, BIG, &[("s", 0, "sig", &txs(0, 1, 5))]) };
    send(store, &other);
    assert_eq!(store.pending_deletions().unwrap(), [], "no delete session");
    let valid = OwnedMessage { delete_is_valid: true, ..delete };
    send(store, &valid);
    send(store, &valid);
    assert_eq!(store.pending_deletions().unwrap(), [CoValueId::from(ID)]);
    subject.kill();
    assert_eq!(subject.store().pending_deletions().unwrap(), [CoValueId::from(ID)]);
    assert!(subject.store().erase_covalue_but_keep_tombstone(&ID.into()).unwrap());
    send(subject.store(), &valid);
    assert_eq!(subject.store().pending_deletions().unwrap(), [], "what is erased is not queued again (D-3)");
    subject.reopen();
    send(subject.store(), &valid);
    assert_eq!(subject.store().pending_deletions().unwrap(), []);
}

fn d5_erasure_keeps_header_and_delete_sessions(subject: &mut impl Subject) {
    three_pieces(subject.store());
    send(
        subject.store(),
        &message(false, 0.0, &[("d$", 0, "sigD", &txs(0, 2, 5)), ("$", 0, "sigE", &txs(0, 1, 5))]),
    );
    assert!(subject.store().erase_covalue_but_keep_tombstone(&ID.into()).unwrap());
    for step in 0..4 {
        match step {
            1 => subject.kill(),
            2 => subject.checkpoint(),
            3 => subject.reopen(),
            _ => {}
        }
        let store = subject.store();
        let loaded = load(store);
        assert_eq!(loaded.header, HEADER);
        assert_eq!(loaded.sessions.len(), 2);
        assert_eq!(pieces(&loaded, "d$"), [piece(0, 2, "sigD")]);
        assert_eq!(pieces(&loaded, "$"), [piece(0, 1, "sigE")]);
        let known = store.get_known_state(&ID.into()).unwrap().unwrap();
        assert_eq!(known.sessions, [("d$".into(), 2), ("$".into(), 1)]);
        assert_eq!(row(store, "s"), None);
        assert_eq!((store.covalue_count().unwrap(), store.covalue_ids(9, 0).unwrap()), (1, vec![ID.into()]));
    }
}

fn after_an_erasure_sessions_begin_anew(subject: &mut impl Subject) {
    three_pieces(subject.store());
    subject.checkpoint();
    subject.store().erase_covalue_but_keep_tombstone(&ID.into()).unwrap();
    // A late message must not be put after what is gone.
    let late = message(false, BIG, &[("s", 200, "late", &txs(200, 1, 5))]);
    assert_eq!(send(subject.store(), &late), StoreOutcome { status: StoreStatus::Gap, counters: vec![0] });
    subject.reopen();
    assert_eq!(send(subject.store(), &late), StoreOutcome { status: StoreStatus::Gap, counters: vec![0] });
    assert_eq!(send(subject.store(), &message(false, BIG, &[("s", 0, "new", &txs(0, 2, 5))])), stored(&[2]));
    let loaded = load(subject.store());
    assert_eq!(pieces(&loaded, "s"), [piece(0, 2, "new")]);
    assert_eq!(row(subject.store(), "s").unwrap().bytes_since_last_signature, 10);
    subject.reopen();
    assert_eq!(load(subject.store()), loaded);
}

fn a_refused_transaction_leaves_no_trace(subject: &mut impl Subject) {
    let store = subject.store();
    send(store, &message(true, BIG, &[("s", 0, "sig1", &txs(0, 1, 5))]));
    let before = load(store);
    let covalue = store.get_covalue(&ID.into()).unwrap().unwrap().row_id;
    let update = |session: &str, last_idx| SessionUpdate {
        covalue,
        session_id: session.into(),
        last_idx,
        last_signature: "sig".into(),
        bytes_since_last_signature: 0,
    };
    let refused = store.transaction(|rows| {
        let other = rows.add_session_update(&update("other", 1))?;
        rows.add_transaction(other, 0, &txs(0, 1, 5)[0])?;
        rows.mark_covalue_deleted(&ID.into())?;
        let session = rows.add_session_update(&update("s", 3))?;
        assert_eq!(
            rows.get_single_session(covalue, &"s".into())?.unwrap().last_idx,
            3,
            "it sees its own changes"
        );
        // Leaves out the transaction at 1.
        rows.add_transaction(session, 2, &txs(2, 1, 5)[0])
    });
    assert_eq!(refused.unwrap_err().code(), ErrorCode::InvalidCommit);
    assert_eq!((load(store), store.pending_deletions().unwrap()), (before, vec![]));
    // The same session can be written afterwards (rule W-9).
    assert_eq!(send(store, &message(false, BIG, &[("s", 1, "sig3", &txs(1, 2, 5))])), stored(&[3]));
}

fn ids_and_count(subject: &mut impl Subject) {
    let ids: Vec<String> = (0..25).map(|n| format!("co_z{}", (n * 7) % 25)).collect();
    for id in &ids {
        let message = OwnedMessage { id: id.clone().into_bytes(), ..message(true, BIG, &[]) };
        send(subject.store(), &message);
        send(subject.store(), &message);
    }
    subject.store().erase_covalue_but_keep_tombstone(&ids[3][..].into()).unwrap();
    for _ in 0..2 {
        let mut paged = Vec::new();
        while let page = subject.store().covalue_ids(4, paged.len() as u64).unwrap()
            && !page.is_empty()
        {
            assert!(page.len() == 4 || paged.len() + page.len() == 25, "pages are full (I-3)");
            paged.extend(page);
        }
        assert_eq!(paged, ids.iter().map(|id| CoValueId::from(&id[..])).collect::<Vec<_>>());
        assert_eq!(subject.store().covalue_count().unwrap(), 25);
        assert_eq!(subject.store().covalue_ids(0, 0).unwrap(), []);
        assert_eq!(subject.store().covalue_ids(u32::MAX, u64::MAX).unwrap(), []);
        subject.reopen();
    }
}

fn many_sessions_and_a_large_transaction(subject: &mut impl Subject) {
    let large = txs(0, 1, 3_000_000);
    let one = txs(0, 1, 5);
    let names: Vec<String> = (0..500).map(|n| format!("co_z{n}_session_z{n}")).collect();
    let mut sessions: Vec<(&str, u32, &str, &[Vec<u8>])> =
        names.iter().map(|name| (&name[..], 0, "sig", &one[..])).collect();
    sessions.push(("large", 0, "sigLarge", &large));
    assert_eq!(send(subject.store(), &message(true, BIG, &sessions)), stored(&[1; 501]));
    subject.reopen();
    let loaded = load(subject.store());
    let order = loaded.sessions.iter().map(|session| session.session.as_bytes());
    assert!(order.eq(sessions.iter().map(|session| session.0.as_bytes())));
    assert_eq!(all_txs(&loaded, "large"), large);
    assert!(loaded.sessions.last().unwrap().has_chunk_signature);
}

/// Between a load and the reading of the piece that it left out, the session grows (rules L-14 and Q-6): it is that piece
/// still, and what the load gave of the session's end is not part of another.
fn a_piece_left_out_stays_there_when_its_session_grows<S: Subject>() {
    let mut subject = S::create();
    let all = three_pieces(subject.store());
    let loaded = subject.store().load(ID.as_bytes(), 0).unwrap().unwrap();
    assert_eq!(pieces(&loaded, "s"), [piece(0, 73, "sig73"), (73, 73, None), piece(146, 54, "sig200")]);
    for n in 0..12 {
        send(subject.store(), &message(false, BIG, &[("s", 200 + n, "later", &txs(200 + n, 1, 5))]));
        match n {
            4 => subject.checkpoint(),
            8 => subject.reopen(),
            _ => {}
        }
        let left_out =
            subject.store().load_piece(ID.as_bytes(), b"s", 73, 73).unwrap().expect("it is stored");
        assert_eq!(apart(left_out), (b"sig146".to_vec(), all[73..146].to_vec()));
        let end = subject.store().load_piece(ID.as_bytes(), b"s", 146, 54).unwrap().expect("it is stored");
        let expected: Vec<_> = all[146..].iter().cloned().chain(txs(200, n + 1, 5)).collect();
        assert_eq!(apart(end), (b"later".to_vec(), expected), "another piece by now");
    }
}

#[test]
fn a_piece_left_out_by_a_usual_store_stays_there() {
    a_piece_left_out_stays_there_when_its_session_grows::<Usual>();
}

#[test]
fn a_piece_left_out_by_a_busy_store_stays_there() {
    a_piece_left_out_stays_there_when_its_session_grows::<Busy>();
}

/// The functions over rows are a store of their own: what they write the native store reads, and the reverse.
#[test]
fn native_and_row_operations_mix() {
    let mut subject = Busy::create();
    let all = txs(0, 6, 8);
    for (n, tx) in (0u32..).zip(all.chunks(1)) {
        let bytes = message(true, 12.0, &[("s", n, &format!("sig{n}"), tx)]).encode().unwrap();
        let message = decode_message(&bytes).unwrap();
        let outcome = match n % 2 {
            0 => subject.store().store(&message).unwrap(),
            _ => store_by_rows(subject.store(), &message).unwrap(),
        };
        assert_eq!(outcome, stored(&[n + 1]));
        if n == 3 {
            subject.checkpoint();
        }
    }
    let expected = [piece(0, 2, "sig1"), piece(2, 2, "sig3"), piece(4, 2, "sig5")];
    let native = load(subject.store());
    let by_rows = load_by_rows(subject.store(), ID.as_bytes(), u64::MAX).unwrap().unwrap();
    for loaded in [&native, &by_rows] {
        assert_eq!(pieces(loaded, "s"), expected);
        assert_eq!(all_txs(loaded, "s"), all);
    }
    let by_rows = load_piece_by_rows(subject.store(), ID.as_bytes(), b"s", 2, 2).unwrap().unwrap();
    let native = subject.store().load_piece(ID.as_bytes(), b"s", 2, 2).unwrap().unwrap();
    assert_eq!(apart(by_rows), apart(native));
}
