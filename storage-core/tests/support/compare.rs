//! What two stores of the same history must agree on, in a form without what they may differ in: slots, and where a
//! piece repeats a key.

use jazz_storage_core::error::{ErrorCode, Result};
use jazz_storage_core::format::tx;
use jazz_storage_core::format::wire::decode_loaded;
use jazz_storage_core::store::content::{ContentStore, LoadedCoValue, PieceContent, load_by_rows};
use jazz_storage_core::store::rows::{CoValueId, StoredSessionRow};
use jazz_storage_core::store::traits::StorageBackend;

/// The outcome of an operation: errors by their code.
pub type Answer<T> = Result<T, ErrorCode>;

/// Bytes in a form that is exact and can be read in a failure's message.
pub fn legible(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// An outcome with its error reduced to the code.
pub fn answer<T>(result: Result<T>) -> Answer<T> {
    result.map_err(|error| error.code())
}

/// A piece with its transactions apart: first index, count, signature, transactions.
pub type ApartPiece = (u32, u32, Option<(String, Vec<String>)>);

/// A session with its pieces apart: id, counter, whether it has chunk signatures, pieces.
pub type ApartSession = (String, u32, bool, Vec<ApartPiece>);

/// A loaded CoValue with everything taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apart {
    pub header: String,
    pub sessions: Vec<ApartSession>,
}

/// Takes a piece's content apart, checking that it is a well-formed piece of `count`.
pub fn apart_content((signature, txs): &PieceContent, count: u32) -> (String, Vec<String>) {
    tx::walk(txs, count).expect("a loaded piece is well-formed");
    let txs = tx::split(txs, count).expect("what walk accepts can be split");
    (legible(signature.as_bytes()), txs.iter().map(|tx| legible(tx)).collect())
}

/// Takes a loaded CoValue apart, checking on the way what holds for every load, and that its bytes say the same.
pub fn apart(loaded: &LoadedCoValue) -> Apart {
    let sessions = loaded.sessions.iter().map(|session| {
        let mut next = 0;
        let pieces = session.pieces.iter().map(|piece| {
            assert_eq!(piece.after, next, "pieces are contiguous: {loaded:?}");
            assert!(piece.count > 0, "no piece is empty: {loaded:?}");
            assert!(piece.after > 0 || piece.content.is_some(), "a first piece is given: {loaded:?}");
            next = piece.after + piece.count;
            (
                piece.after,
                piece.count,
                piece.content.as_ref().map(|content| apart_content(content, piece.count)),
            )
        });
        let pieces: Vec<ApartPiece> = pieces.collect();
        assert_eq!(next, session.counter, "pieces end at the counter: {loaded:?}");
        assert!(session.has_chunk_signature || pieces.len() == 1, "only chunk signatures cut: {loaded:?}");
        (legible(session.session.as_bytes()), session.counter, session.has_chunk_signature, pieces)
    });
    let apart = Apart { header: legible(&loaded.header), sessions: sessions.collect() };

    let decoded = decode_loaded(&loaded.encode().expect("it can be encoded")).expect("it can be decoded");
    assert_eq!(decoded.header, loaded.header);
    assert_eq!(decoded.sessions.len(), loaded.sessions.len());
    for (decoded, session) in decoded.sessions.iter().zip(&loaded.sessions) {
        assert_eq!(decoded.session, session.session.as_bytes());
        assert_eq!(decoded.counter, session.counter);
        assert_eq!(decoded.has_chunk_signature, session.has_chunk_signature);
        assert_eq!(decoded.pieces.len(), session.pieces.len());
        for (decoded, piece) in decoded.pieces.iter().zip(&session.pieces) {
            assert_eq!((decoded.after, decoded.count), (piece.after, piece.count));
            let content = piece.content.as_ref().map(|(signature, txs)| (signature.as_bytes(), &txs[..]));
            assert_eq!(decoded.content.as_ref().map(|(signature, txs)| (&signature[..], &txs[..])), content);
        }
    }
    apart
}

/// Compares two loads under a byte budget. Where a budget ends may differ by the bytes of repeated keys, so: what both
/// give must agree, and neither may go on after it once left out a piece, but with the end of a session.
pub fn compare_budgeted(expected: &LoadedCoValue, real: &LoadedCoValue, budget: u64) {
    let (mut expected, mut real) = (apart(expected), apart(real));
    for loaded in [&expected, &real] {
        let later = loaded.sessions.iter().flat_map(|session| {
            let (_, all_but_last) = session.3.split_last().expect("a session has a piece");
            all_but_last.iter().skip(1)
        });
        assert!(later.map(|piece| piece.2.is_none()).is_sorted(), "budget {budget}: {loaded:?}");
    }
    let pieces = |loaded: &mut Apart, keep: &[bool]| {
        let pieces = loaded.sessions.iter_mut().flat_map(|session| &mut session.3);
        pieces.zip(keep).filter(|(_, keep)| !**keep).for_each(|(piece, _)| piece.2 = None);
    };
    let given = |loaded: &Apart| -> Vec<bool> {
        loaded.sessions.iter().flat_map(|session| &session.3).map(|piece| piece.2.is_some()).collect()
    };
    let both: Vec<bool> = given(&expected).iter().zip(given(&real)).map(|(a, b)| *a && b).collect();
    pieces(&mut expected, &both);
    pieces(&mut real, &both);
    assert_eq!(expected, real, "budget {budget}");
}

/// A session's row without its number.
pub fn without_slot(row: StoredSessionRow) -> (String, u32, String, u32) {
    (
        legible(row.session_id.as_bytes()),
        row.last_idx,
        legible(row.last_signature.as_bytes()),
        row.bytes_since_last_signature,
    )
}

/// A session's row, transactions and chunk signatures, read by row operations.
type SessionRows = ((String, u32, String, u32), Vec<(u32, String)>, Vec<(u32, String)>);

/// Everything the row operations tell about a CoValue.
fn rows(store: &impl StorageBackend, id: &CoValueId) -> Option<(u64, String, Vec<SessionRows>)> {
    let row = store.get_covalue(id).unwrap()?;
    assert_eq!(row.id, *id);
    let sessions = store.get_covalue_sessions(row.row_id).unwrap().into_iter().map(|session| {
        assert_eq!(session.row_id.covalue, row.row_id);
        let txs = store.get_new_transactions_in_session(session.row_id, 0, u32::MAX).unwrap();
        let last =
            store.get_new_transactions_in_session(session.row_id, session.last_idx - 1, session.last_idx);
        assert_eq!(last.unwrap()[..], txs[txs.len() - 1..], "a range of one at the end");
        let signatures = store.get_signatures(session.row_id, 0).unwrap();
        if let Some(last) = signatures.last() {
            let from_there = store.get_signatures(session.row_id, last.idx).unwrap();
            assert_eq!(
                from_there[..],
                signatures[signatures.len() - 1..],
                "signatures from an index on include it"
            );
            assert_eq!(store.get_signatures(session.row_id, last.idx + 1).unwrap(), []);
        }
        (
            without_slot(session),
            txs.into_iter().map(|tx| (tx.idx, legible(&tx.tx))).collect(),
            signatures.into_iter().map(|row| (row.idx, legible(row.signature.as_bytes()))).collect(),
        )
    });
    Some((row.row_id.0, legible(&row.header), sessions.collect()))
}

/// All that a store says, as far as it concerns these ids.
pub fn everything(store: &impl StorageBackend, ids: &[CoValueId]) -> String {
    let covalues: Vec<_> = ids.iter().map(|id| rows(store, id)).collect();
    let lists = [store.covalue_ids(u32::MAX, 0), store.pending_deletions(), store.unsynced_ids()];
    format!("{covalues:?} {:?}", lists.map(Result::unwrap))
}

/// Compares all of two stores, as far as it concerns these ids.
pub fn compare_all<A, B>(expected: &A, real: &B, ids: &[CoValueId])
where
    A: StorageBackend + ContentStore,
    B: StorageBackend + ContentStore,
{
    for id in ids {
        assert_eq!(expected.get_known_state(id).unwrap(), real.get_known_state(id).unwrap(), "{id:?}");
        assert_eq!(rows(expected, id), rows(real, id), "{id:?}");
        let loads = [
            expected.load(id.as_bytes(), u64::MAX),
            real.load(id.as_bytes(), u64::MAX),
            load_by_rows(real, id.as_bytes(), u64::MAX),
        ];
        let [expected, real, real_by_rows] = loads.map(|load| load.unwrap().as_ref().map(apart));
        assert_eq!(expected, real, "{id:?}");
        assert_eq!(expected, real_by_rows, "{id:?}");
    }
    assert_eq!(expected.covalue_ids(u32::MAX, 0).unwrap(), real.covalue_ids(u32::MAX, 0).unwrap());
    assert_eq!(expected.covalue_count().unwrap(), real.covalue_count().unwrap());
    assert_eq!(expected.pending_deletions().unwrap(), real.pending_deletions().unwrap());
    assert_eq!(expected.unsynced_ids().unwrap(), real.unsynced_ids().unwrap());
}
