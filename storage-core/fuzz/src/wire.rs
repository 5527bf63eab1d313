//! Messages across the binding.

use crate::choose;
use crate::memory::in_proportion;
use jazz_storage_core::error::ErrorCode;
use jazz_storage_core::format::tx;
use jazz_storage_core::format::wire::{
    ContentMessage, LoadedWriter, OwnedLoaded, OwnedMessage, OwnedSession, decode_answers, decode_batch,
    decode_ids, decode_known_state, decode_loaded, decode_message, decode_outcome, decode_piece,
    decode_sync_updates, encode_answers, encode_ids, encode_known_state, encode_outcome, encode_piece,
    encode_sync_updates,
};
use jazz_storage_core::store::content::{ContentStore, StoreStatus};
use jazz_storage_core::store::model::ModelStorage;

/// The first byte of the input says what the others are.
pub fn check(data: &[u8]) {
    let Some((way, bytes)) = choose(data, 9) else { return };
    let len = bytes.len();
    match way {
        0 => {
            if let Ok(message) = in_proportion(len, || decode_message(bytes)) {
                as_message(&message, bytes);
            }
        }
        1 => {
            if let Ok(batch) = in_proportion(len, || decode_batch(bytes)) {
                stored(&batch.messages);
            }
        }
        2 => {
            if let Ok(ids) = in_proportion(len, || decode_ids(bytes)) {
                assert_eq!(encode_ids(ids).expect("they were read"), bytes);
            }
        }
        3 => {
            if let Ok((status, counters)) = in_proportion(len, || decode_outcome(bytes)) {
                assert_eq!(encode_outcome(status, &counters).expect("it was read"), bytes);
            }
        }
        4 => {
            if let Ok(loaded) = in_proportion(len, || decode_loaded(bytes)) {
                assert_eq!(written(&loaded), bytes);
            }
        }
        5 => {
            if let Ok(updates) = in_proportion(len, || decode_sync_updates(bytes)) {
                assert_eq!(encode_sync_updates(&updates).expect("they were read"), bytes);
            }
        }
        6 => {
            if let Ok(sessions) = in_proportion(len, || decode_known_state(bytes)) {
                assert_eq!(encode_known_state(sessions).expect("it was read"), bytes);
            }
        }
        7 => {
            if let Ok(answers) = in_proportion(len, || decode_answers(bytes)) {
                let answers: Vec<_> = answers.into_iter().map(|answer| answer.map(<[u8]>::to_vec)).collect();
                assert_eq!(encode_answers(&answers).expect("they were read"), bytes);
            }
        }
        _ => {
            if let Ok((count, signature, txs)) = in_proportion(len, || decode_piece(bytes)) {
                assert!(crate::tx::check(&txs, count), "a piece that was accepted is one");
                let write = |out: &mut Vec<u8>| {
                    out.extend_from_slice(&txs);
                    Ok(())
                };
                assert_eq!(encode_piece(count, &signature, 0, write).expect("it was read"), bytes);
            }
        }
    }
}

fn as_message(message: &ContentMessage<'_>, bytes: &[u8]) {
    let sessions = message.sessions.iter().map(|session| {
        assert!(
            crate::tx::check(session.txs, session.tx_count),
            "transactions that were accepted are a piece"
        );
        OwnedSession {
            session: session.session.to_vec(),
            after: session.after,
            last_signature: session.last_signature.to_vec(),
            txs: tx::split(session.txs, session.tx_count).expect("a piece"),
        }
    });
    let owned = OwnedMessage {
        id: message.id.to_vec(),
        header: message.header.map(<[u8]>::to_vec),
        delete_is_valid: message.delete_is_valid,
        chunk_threshold: message.chunk_threshold,
        sessions: sessions.collect(),
    };
    // Where a key was repeated it is left out now; after that nothing changes any more.
    let again = owned.encode().expect("what was read can be written");
    assert!(again.len() <= bytes.len());
    let reread = decode_message(&again).expect("what was written can be read");
    assert_eq!((reread.id, reread.header), (message.id, message.header));
    assert_eq!(reread.sessions.len(), message.sessions.len());
    for (a, b) in reread.sessions.iter().zip(&message.sessions) {
        assert_eq!((a.session, a.after, a.last_signature), (b.session, b.after, b.last_signature));
        assert_eq!((a.tx_count, a.units, a.end()), (b.tx_count, b.units, b.end()));
        assert_eq!(tx::split(a.txs, a.tx_count), tx::split(b.txs, b.tx_count));
    }
    stored(std::slice::from_ref(message));
}

/// What was accepted can be stored, or is refused by a typed error; what is stored can be loaded.
fn stored(messages: &[ContentMessage<'_>]) {
    let store = ModelStorage::new();
    for message in messages {
        match store.store(message) {
            Ok(outcome) => {
                let answer = outcome.encode(message).expect("an outcome can be written");
                if let Some(answer) = answer {
                    let decoded = decode_outcome(&answer).expect("and read");
                    assert_eq!(decoded, (outcome.status, outcome.counters.clone()));
                }
                let loaded = store.load(message.id, u64::MAX).expect("the model is whole");
                assert_eq!(loaded.is_none(), outcome.status == StoreStatus::HeaderMissing);
                if let Some(loaded) = loaded {
                    let bytes = loaded.encode().expect("what is stored can be written");
                    assert_eq!(written(&decode_loaded(&bytes).expect("and read")), bytes);
                }
            }
            Err(error) => assert_ne!(error.code(), ErrorCode::Internal, "{error}"),
        }
    }
}

fn written(loaded: &OwnedLoaded) -> Vec<u8> {
    let mut writer = LoadedWriter::new(&loaded.header).expect("a header that was read");
    for session in &loaded.sessions {
        let begun = writer.session(&session.session, session.counter, session.has_chunk_signature);
        begun.expect("a session that was read");
        for piece in &session.pieces {
            let done = match &piece.content {
                Some((signature, txs)) => writer.piece(piece.after, piece.count, signature, |out| {
                    out.extend_from_slice(txs);
                    Ok(())
                }),
                None => writer.piece_left_out(piece.after, piece.count),
            };
            done.expect("a piece that was read");
        }
    }
    writer.finish().expect("it was read")
}
