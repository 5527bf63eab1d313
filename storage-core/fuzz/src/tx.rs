//! Pieces of transactions.

use crate::memory::in_proportion;
use jazz_storage_core::format::tx;

/// Does to a piece whatever is done to pieces. Whether it is one.
pub fn check(bytes: &[u8], count: u32) -> bool {
    let len = bytes.len();
    let walked = in_proportion(len, || tx::walk(bytes, count));
    let middle = count / 2;
    let cut = |from, count| {
        let mut out = Vec::new();
        // A key that was left out is put in front.
        let result = in_proportion(len, || tx::cut(bytes, from, count, &mut out));
        assert!(result.is_ok() || out.is_empty(), "a cut that fails leaves its output alone");
        result.map(|()| out)
    };
    let (head, tail) = (cut(0, middle), cut(middle, count - middle));
    // Taken apart, each transaction has its own copy of the key.
    let split = crate::memory::within((16 << 10) + 32 * len + len * len / 8, || tx::split(bytes, count));
    let Ok(walked) = walked else { return false };

    let (head, tail) = (head.expect("a piece has a first half"), tail.expect("a piece has a second half"));
    let units = |piece: &[u8], count| tx::walk(piece, count).expect("a half is a piece").units;
    assert_eq!(units(&head, middle) + units(&tail, count - middle), walked.units);
    assert_eq!(tx::walk(&[head, tail].concat(), count).map(|walk| walk.units), Ok(walked.units));
    assert_eq!(tx::skip(bytes, count).map(|(end, _)| end), Ok(len));

    let split = split.expect("a piece can be taken apart");
    assert!(split.iter().all(|tx| tx::walk(tx, 1).is_ok()), "each is complete in itself");
    let mut joined = Vec::new();
    tx::join(&split, &mut joined).expect("and put together again");
    assert!(joined.len() <= len, "with no key twice in a row");
    assert_eq!(tx::walk(&joined, count).map(|walk| walk.units), Ok(walked.units));
    assert_eq!(tx::split(&joined, count).as_ref(), Ok(&split));
    true
}
