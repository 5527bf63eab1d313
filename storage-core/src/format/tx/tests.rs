//! Property tests of the transaction form against plain restatements of it.

use super::super::text::{MAX_STR16, utf16_len};
use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Owned {
    Verbatim(u32, Vec<u8>),
    Private(bool, f64, Vec<u8>, Vec<u8>, Option<Vec<u8>>),
    Trusting(bool, f64, Vec<u8>, Option<Vec<u8>>),
}

impl Owned {
    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let fields = match self {
            Self::Verbatim(units, json) => Fields::Verbatim { units: *units, json },
            Self::Private(sorted, made_at, key_used, changes, meta) => Fields::Private {
                sorted: *sorted,
                made_at: *made_at,
                key_used,
                changes,
                meta: meta.as_deref(),
            },
            Self::Trusting(sorted, made_at, changes, meta) => {
                Fields::Trusting { sorted: *sorted, made_at: *made_at, changes, meta: meta.as_deref() }
            }
        };
        fields.append_to(&mut out).unwrap();
        out
    }

    fn units(&self) -> u64 {
        match self {
            Self::Verbatim(units, _) => u64::from(*units),
            Self::Private(_, _, _, changes, _) | Self::Trusting(_, _, changes, _) => {
                reference_units(changes).unwrap()
            }
        }
    }
}

/// Decodes code point by code point, unlike the code under test.
fn reference_units(bytes: &[u8]) -> Option<u64> {
    let mut units = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let lead = bytes[at];
        let (len, min) = match lead {
            0..=0x7f => (1, 0),
            0xc0..=0xdf => (2, 0x80),
            0xe0..=0xef => (3, 0x800),
            0xf0..=0xf7 => (4, 0x1_0000),
            _ => return None,
        };
        let mut code = u32::from(lead) & [0x7f, 0x1f, 0x0f, 0x07][len - 1];
        for i in 1..len {
            let byte = *bytes.get(at + i)?;
            if byte & 0xc0 != 0x80 {
                return None;
            }
            code = code << 6 | u32::from(byte & 0x3f);
        }
        if code < min || code > 0x10_ffff {
            return None;
        }
        if code >= 0x1_0000 {
            units.extend([(0xd800, true), (0xdc00, true)]);
        } else {
            if units.last().is_some_and(|&(unit, paired)| !paired && (0xd800..0xdc00).contains(&unit))
                && (0xdc00..0xe000).contains(&code)
            {
                return None;
            }
            units.push((code, false));
        }
        at += len;
    }
    Some(units.len() as u64)
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        8 => "[a-z]{0,6}".prop_map(String::into_bytes),
        2 => "\\PC{0,3}".prop_map(String::into_bytes),
        1 => Just("𝄞".as_bytes().to_vec()),
        // Low surrogates, then high ones: never a pair within one part or across parts separated by a letter.
        1 => Just(b"\xed\xb0\x80\xed\xa0\x80a".to_vec()),
    ];
    proptest::collection::vec(part, 0..4).prop_map(|parts| parts.concat())
}

fn tx() -> impl Strategy<Value = Owned> {
    let key = prop_oneof![Just(b"key_zA".to_vec()), Just(b"key_zB".to_vec()), text()];
    let meta = || proptest::option::of(text());
    prop_oneof![
        1 => (any::<u32>(), text()).prop_map(|(units, json)| Owned::Verbatim(units, json)),
        4 => (any::<bool>(), any::<f64>(), key, text(), meta())
            .prop_map(|(s, t, k, c, m)| Owned::Private(s, t, k, c, m)),
        2 => (any::<bool>(), any::<f64>(), text(), meta()).prop_map(|(s, t, c, m)| Owned::Trusting(s, t, c, m)),
    ]
}

proptest! {
    #[test]
    fn split_undoes_join_and_cut_agrees(txs in proptest::collection::vec(tx(), 0..12)) {
        let alone: Vec<Vec<u8>> = txs.iter().map(Owned::bytes).collect();
        let count = u32::try_from(alone.len()).unwrap();
        let mut piece = Vec::new();
        join(&alone, &mut piece).unwrap();
        prop_assert_eq!(walk(&piece, count).unwrap().units, txs.iter().map(Owned::units).sum::<u64>());
        prop_assert!(walk(&piece, count + 1).is_err());
        prop_assert_eq!(split(&piece, count).unwrap(), alone.clone());
        for from in 0..=count {
            for len in 0..=count - from {
                let mut out = b"kept".to_vec();
                cut(&piece, from, len, &mut out).unwrap();
                let expected = &alone[from as usize..(from + len) as usize];
                prop_assert_eq!(walk(&out[4..], len).map(|w| w.units).ok(),
                    Some(txs[from as usize..(from + len) as usize].iter().map(Owned::units).sum()));
                prop_assert_eq!(split(&out[4..], len).unwrap(), expected);
                // A cut of a joined piece is as short as joining the part itself.
                let mut joined = Vec::new();
                join(expected, &mut joined).unwrap();
                prop_assert_eq!(&out[4..], &joined[..]);
            }
            let mut out = b"kept".to_vec();
            prop_assert!(cut(&piece, from, count - from + 1, &mut out).is_err());
            prop_assert_eq!(&out[..], b"kept");
            let (at, key) = skip(&piece, from).unwrap();
            let mut head = Vec::new();
            cut(&piece, 0, from, &mut head).unwrap();
            prop_assert_eq!(at, head.len());
            let last_key = txs[..from as usize].iter().rev().find_map(|tx| match tx {
                Owned::Private(_, _, key, _, _) => Some(key.clone()),
                _ => None,
            });
            prop_assert_eq!(key.map(|range| piece[range][2..].to_vec()), last_key);
        }
    }

    #[test]
    fn pieces_in_a_row_are_a_piece(a in proptest::collection::vec(tx(), 0..5), b in proptest::collection::vec(tx(), 0..5)) {
        let (a, b): (Vec<_>, Vec<_>) = (a.iter().map(Owned::bytes).collect(), b.iter().map(Owned::bytes).collect());
        let mut both = Vec::new();
        join(&a, &mut both).unwrap();
        join(&b, &mut both).unwrap();
        let count = u32::try_from(a.len() + b.len()).unwrap();
        prop_assert!(walk(&both, count).is_ok());
        prop_assert_eq!(split(&both, count).unwrap(), [a, b].concat());
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), count in 0u32..6, n in 0u32..6) {
        let _ = (walk(&bytes, count), skip(&bytes, n), split(&bytes, count), utf16_len(&bytes));
        let _ = cut(&bytes, n, count, &mut Vec::new());
        let _ = join(&[&bytes], &mut Vec::new());
        let _ = split(&bytes, u32::MAX);
    }

    #[test]
    fn what_walk_accepts_the_others_understand(
        txs in proptest::collection::vec(tx(), 1..6),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        drop in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let alone: Vec<Vec<u8>> = txs.iter().map(Owned::bytes).collect();
        let mut piece = Vec::new();
        join(&alone, &mut piece).unwrap();
        for (at, byte) in edits {
            let at = at.index(piece.len());
            piece[at] = byte;
        }
        if let Some(at) = drop {
            piece.truncate(at.index(piece.len() + 1));
        }
        let count = u32::try_from(alone.len()).unwrap();
        if walk(&piece, count).is_ok() {
            let parts = split(&piece, count).unwrap();
            for part in &parts {
                prop_assert!(walk(part, 1).is_ok());
            }
            for from in 0..=count {
                let mut out = Vec::new();
                cut(&piece, from, count - from, &mut out).unwrap();
                prop_assert!(walk(&out, count - from).is_ok());
            }
            let mut joined = Vec::new();
            join(&parts, &mut joined).unwrap();
            prop_assert!(joined.len() <= piece.len());
        } else {
            let _ = (split(&piece, count), skip(&piece, count), cut(&piece, 1, count, &mut Vec::new()));
        }
    }

    #[test]
    fn utf16_len_agrees_with_a_plain_decoder(parts in proptest::collection::vec(prop_oneof![
        Just(b"a".to_vec()), Just("é".as_bytes().to_vec()), Just("€".as_bytes().to_vec()),
        Just("𝄞".as_bytes().to_vec()), Just(b"\xed\xa0\xbd".to_vec()), Just(b"\xed\xb8\x80".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..4),
    ], 0..6)) {
        let bytes = parts.concat();
        prop_assert_eq!(utf16_len(&bytes).ok(), reference_units(&bytes));
    }
}

fn refused(bytes: &[u8], count: u32) -> &'static str {
    walk(bytes, count).unwrap_err().detail
}

#[test]
fn flags_and_shapes_are_exact() {
    let tx = Owned::Private(true, 1.0, b"k".to_vec(), b"abc".to_vec(), None).bytes();
    assert_eq!(walk(&tx, 1).unwrap().units, 3);
    for (kind, detail) in [
        (0x41, "a transaction has an unknown flag"),
        (0x81, "a transaction has an unknown flag"),
        (0x05, "a transaction has an unknown shape"),
        (0x10, "a verbatim transaction has a flag"),
        (0x22, "a transaction without a key refers to one"),
    ] {
        let mut changed = tx.clone();
        changed[0] = kind;
        assert_eq!(refused(&changed, 1), detail);
    }
    let mut same_key = tx.clone();
    same_key[0] |= TX_SAME_KEY;
    same_key.drain(9..12);
    assert_eq!(refused(&same_key, 1), "the first private transaction of a piece does not carry its key");
    assert_eq!(walk(&[tx.clone(), same_key.clone()].concat(), 2).unwrap().units, 6);
    assert!(join(&[same_key], &mut Vec::new()).is_err());
    let mut marked = tx.clone();
    marked[10] |= 0x80;
    assert_eq!(refused(&marked, 1), "an ASCII text is marked as not ASCII");
    let mut unmarked = tx.clone();
    unmarked[16] = 0xc3;
    assert_eq!(refused(&unmarked, 1), "a text that is not ASCII is marked as ASCII");
    assert_eq!(refused(&[tx.clone(), vec![0]].concat(), 1), "bytes follow the end");
    assert_eq!(refused(&tx[..tx.len() - 1], 1), "the bytes end too early");
    assert_eq!(walk(&[], 0).unwrap().units, 0);
}

#[test]
fn a_pair_of_surrogates_has_one_form() {
    assert_eq!(utf16_len(b"\xed\xa0\xbd\xed\xb8\x80").unwrap_err().at, 3);
    assert_eq!(utf16_len(b"\xed\xa0\xbda\xed\xb8\x80"), Ok(3));
    assert_eq!(utf16_len(b"\xed\xb8\x80\xed\xa0\xbd"), Ok(2));
    assert_eq!(utf16_len("😀".as_bytes()), Ok(2));
}

#[test]
fn lengths_at_the_limit() {
    let mut out = Vec::new();
    assert!(put_str16(&mut out, &vec![b'a'; MAX_STR16]).is_ok());
    assert!(put_str16(&mut out, &vec![b'a'; MAX_STR16 + 1]).is_err());
}
