//! Round trips, and refusal of everything else.

use super::*;
use crate::error::ErrorCode;
use crate::format::tx::Fields;
use proptest::prelude::*;

fn tx(key: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let fields = Fields::Private { sorted: true, made_at: 1.5, key_used: key, changes, meta: None };
    fields.append_to(&mut out).unwrap();
    out
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    "[a-c€𝄞]{0,4}".prop_map(String::into_bytes)
}

fn id_text() -> impl Strategy<Value = Vec<u8>> {
    "[a-c€]{1,3}".prop_map(String::into_bytes)
}

prop_compose! {
    fn message()(
        id in id_text(),
        header in proptest::option::of(id_text()),
        delete_is_valid in any::<bool>(),
        chunk_threshold in prop_oneof![Just(102_400.0), Just(f64::INFINITY), Just(-1.0)],
        sessions in proptest::collection::btree_map(
            id_text(),
            (0u32..1000, text(), proptest::collection::vec((text(), text()), 0..4)),
            0..20,
        ),
    ) -> OwnedMessage {
        let sessions = sessions.into_iter().map(|(session, (after, last_signature, txs))| OwnedSession {
            session,
            after,
            last_signature,
            txs: txs.iter().map(|(key, changes)| tx(key, changes)).collect(),
        });
        OwnedMessage { id, header, delete_is_valid, chunk_threshold, sessions: sessions.collect() }
    }
}

fn owned(message: &ContentMessage<'_>) -> OwnedMessage {
    OwnedMessage {
        id: message.id.to_vec(),
        header: message.header.map(<[u8]>::to_vec),
        delete_is_valid: message.delete_is_valid,
        chunk_threshold: message.chunk_threshold,
        sessions: message
            .sessions
            .iter()
            .map(|session| OwnedSession {
                session: session.session.to_vec(),
                after: session.after,
                last_signature: session.last_signature.to_vec(),
                txs: tx::split(session.txs, session.tx_count).unwrap(),
            })
            .collect(),
    }
}

proptest! {
    #[test]
    fn messages_round_trip_and_no_part_of_one_is_one(message in message()) {
        let bytes = message.encode().unwrap();
        let decoded = decode_message(&bytes).unwrap();
        prop_assert_eq!(owned(&decoded), message);
        for session in &decoded.sessions {
            prop_assert_eq!(session.units, tx::walk(session.txs, session.tx_count).unwrap().units);
        }
        for end in 0..bytes.len() {
            prop_assert_eq!(decode_message(&bytes[..end]).unwrap_err().code(), ErrorCode::Malformed);
        }
        let longer = [&bytes[..], &[0]].concat();
        prop_assert_eq!(decode_message(&longer).unwrap_err().code(), ErrorCode::Malformed);
        let mut batch = [&2u32.to_le_bytes()[..], &(bytes.len() as u32).to_le_bytes(), &bytes,
            &(bytes.len() as u32).to_le_bytes(), &bytes].concat();
        prop_assert_eq!(decode_batch(&batch).unwrap(), Batch { follows: false, messages: vec![decoded.clone(), decoded.clone()] });
        batch[3] |= 0x80;
        prop_assert_eq!(decode_batch(&batch).unwrap(), Batch { follows: true, messages: vec![decoded.clone(), decoded] });
        prop_assert!(decode_batch(&batch[..batch.len() - 1]).is_err());
    }

    #[test]
    fn changed_messages_are_refused_or_have_one_form(
        message in message(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = message.encode().unwrap();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(decoded) = decode_message(&bytes) {
            // Writers may repeat a key that could be left out; everything else has one form.
            let again = owned(&decoded).encode().unwrap();
            prop_assert!(again.len() <= bytes.len());
            prop_assert_eq!(owned(&decode_message(&again).unwrap()), owned(&decoded));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let versioned = [&[FORM_VERSION, 0][..], &bytes].concat();
        let _ = (decode_message(&bytes), decode_message(&versioned), decode_batch(&bytes), decode_outcome(&bytes));
        let _ = (decode_loaded(&bytes), decode_loaded(&versioned), decode_answers(&bytes), decode_ids(&bytes));
        let _ = (decode_known_state(&bytes), decode_sync_updates(&bytes), decode_piece(&bytes));
    }

    #[test]
    fn loaded_covalues_round_trip(
        header in text(),
        sessions in proptest::collection::vec(
            (id_text(), any::<u32>(), any::<bool>(),
                proptest::collection::vec((any::<u32>(), proptest::option::of(text()), 0u32..3), 0..4)),
            0..4,
        ),
    ) {
        let loaded = OwnedLoaded {
            header,
            sessions: sessions.into_iter().map(|(session, counter, has_chunk_signature, pieces)| OwnedLoadedSession {
                session,
                counter,
                has_chunk_signature,
                pieces: pieces.into_iter().map(|(after, signature, count)| OwnedPiece {
                    after,
                    count,
                    content: signature.map(|signature| (signature, tx(b"k", b"c").repeat(count as usize))),
                }).collect(),
            }).collect(),
        };
        let mut writer = LoadedWriter::new(&loaded.header).unwrap();
        for session in &loaded.sessions {
            writer.session(&session.session, session.counter, session.has_chunk_signature).unwrap();
            for piece in &session.pieces {
                match &piece.content {
                    None => writer.piece_left_out(piece.after, piece.count).unwrap(),
                    Some((signature, txs)) => writer
                        .piece(piece.after, piece.count, signature, |out| { out.extend_from_slice(txs); Ok(()) })
                        .unwrap(),
                }
            }
        }
        let bytes = writer.finish().unwrap();
        prop_assert_eq!(decode_loaded(&bytes).unwrap(), loaded);
        prop_assert!(decode_loaded(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn lists_round_trip(
        entries in proptest::collection::vec((id_text(), id_text(), any::<u32>(), any::<bool>()), 0..5),
    ) {
        let ids: Vec<&[u8]> = entries.iter().map(|(id, ..)| &id[..]).collect();
        let bytes = encode_ids(ids.iter().copied()).unwrap();
        prop_assert_eq!(decode_ids(&bytes).unwrap(), ids);
        let known: Vec<(&[u8], u32)> = entries.iter().map(|(id, _, counter, _)| (&id[..], *counter)).collect();
        let bytes = encode_known_state(known.iter().copied()).unwrap();
        prop_assert_eq!(decode_known_state(&bytes).unwrap(), known);
        let updates: Vec<SyncUpdate<'_>> =
            entries.iter().map(|(id, peer, _, synced)| SyncUpdate { id, peer, synced: *synced }).collect();
        let bytes = encode_sync_updates(&updates).unwrap();
        prop_assert_eq!(decode_sync_updates(&bytes).unwrap(), updates);
        let answers: Vec<Option<Vec<u8>>> =
            entries.iter().map(|(id, _, _, nothing)| (!nothing).then(|| id.clone())).collect();
        let bytes = encode_answers(&answers).unwrap();
        let expected: Vec<Option<&[u8]>> = answers.iter().map(Option::as_deref).collect();
        prop_assert_eq!(decode_answers(&bytes).unwrap(), expected);
        let counters: Vec<u32> = entries.iter().map(|(_, _, counter, _)| *counter).collect();
        for status in [StoreStatus::Stored, StoreStatus::Gap] {
            let bytes = encode_outcome(status, &counters).unwrap();
            prop_assert_eq!(decode_outcome(&bytes).unwrap(), (status, counters.clone()));
        }
        let bytes = encode_outcome(StoreStatus::HeaderMissing, &counters).unwrap();
        prop_assert_eq!(decode_outcome(&bytes).unwrap(), (StoreStatus::HeaderMissing, vec![]));
    }
}

fn example() -> OwnedMessage {
    OwnedMessage {
        id: b"co_zA".to_vec(),
        header: Some(b"{}".to_vec()),
        delete_is_valid: false,
        chunk_threshold: 102_400.0,
        sessions: vec![OwnedSession {
            session: b"s".to_vec(),
            after: 3,
            last_signature: b"sig".to_vec(),
            txs: vec![tx(b"key_z1", b"abc"), tx(b"key_z1", b"defg")],
        }],
    }
}

fn refusal(message: &OwnedMessage) -> Error {
    decode_message(&message.encode().unwrap()).unwrap_err()
}

#[test]
fn the_parts_of_a_message() {
    let bytes = example().encode().unwrap();
    let message = decode_message(&bytes).unwrap();
    assert_eq!(
        (message.id, message.header, message.chunk_threshold),
        (&b"co_zA"[..], Some(&b"{}"[..]), 102_400.0)
    );
    let session = message.sessions[0];
    assert_eq!((session.after, session.tx_count, session.units, session.end()), (3, 2, 7, 5));
    assert_eq!(session.txs.len(), 2 * tx(b"key_z1", b"abc").len() + 1 - (2 + "key_z1".len()));
}

#[test]
fn messages_that_make_no_sense_are_refused_by_name() {
    let change = |change: fn(&mut OwnedMessage)| {
        let mut message = example();
        change(&mut message);
        refusal(&message)
    };
    assert!(matches!(change(|m| m.id.clear()), Error::EmptyId("CoValue id")));
    assert!(matches!(change(|m| m.sessions[0].session.clear()), Error::EmptyId("session id")));
    assert!(matches!(
        change(|m| m.sessions[0].after = u32::MAX - 1),
        Error::TooLarge { size: 0x1_0000_0000, .. }
    ));
    assert_eq!(change(|m| m.header = Some(vec![])).code(), ErrorCode::Malformed);
    assert_eq!(change(|m| m.chunk_threshold = f64::NAN).code(), ErrorCode::Malformed);
    assert_eq!(change(|m| m.id = b"\xff".to_vec()).code(), ErrorCode::Malformed);
    for copies in [1, 2, 40] {
        let mut message = example();
        for n in 0..copies {
            message
                .sessions
                .push(OwnedSession { session: format!("t{n}").into_bytes(), ..Default::default() });
        }
        message.sessions[copies].session = b"s".to_vec();
        let text = refusal(&message).to_string();
        assert!(text.contains("names a session twice"), "{text}");
    }
    let mut message = example();
    message.sessions[0].after = u32::MAX - 2;
    let bytes = message.encode().unwrap();
    assert_eq!(decode_message(&bytes).unwrap().sessions[0].end(), u32::MAX);
    for (at, byte, detail) in [(0, 2, "unknown version"), (1, 4, "unknown flag")] {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        let text = decode_message(&bytes).unwrap_err().to_string();
        assert!(text.contains(detail), "{text}");
    }
}

#[test]
fn ids_have_a_limit() {
    let message = OwnedMessage { id: vec![b'a'; 32_768], ..example() };
    assert_eq!(message.encode().unwrap_err().code(), ErrorCode::Malformed);
    let message = OwnedMessage { id: vec![b'a'; 32_767], ..example() };
    assert_eq!(decode_message(&message.encode().unwrap()).unwrap().id.len(), 32_767);
}

#[test]
fn lists_refuse_what_has_no_meaning() {
    assert!(matches!(decode_ids(&encode_ids([&b""[..]]).unwrap()), Err(Error::EmptyId(_))));
    let update = encode_sync_updates(&[SyncUpdate { id: b"a", peer: b"p", synced: true }]).unwrap();
    let mut changed = update.clone();
    *changed.last_mut().unwrap() = 2;
    assert_eq!(decode_sync_updates(&changed).unwrap_err().code(), ErrorCode::Malformed);
    assert!(LoadedWriter::new(b"{}").unwrap().piece_left_out(0, 1).is_err());
}
