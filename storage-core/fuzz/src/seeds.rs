//! Seeds: valid bytes of every form, each behind the byte that chooses what a target does with it.

use crate::{file, manifest, record, run};
use jazz_storage_core::engine::run::RunWriter;
use jazz_storage_core::file::{FileHandle, FileIO, InMemoryFileIO, OpenMode};
use jazz_storage_core::format::entry::{Append, Create, Entry, ErasedSession};
use jazz_storage_core::format::manifest::{LayerEntry, Manifest, MergeEntry, PartEntry, SegmentEntry};
use jazz_storage_core::format::record::{RecordKind, SegmentHeader, finish, start};
use jazz_storage_core::format::row::{Extent, Group, HeadRow, Key, Tag};
use jazz_storage_core::format::run::unseal;
use jazz_storage_core::format::tx::{Fields, join};
use jazz_storage_core::format::wire::{
    LoadedWriter, OwnedMessage, OwnedSession, StoreStatus, SyncUpdate, encode_answers, encode_ids,
    encode_known_state, encode_outcome, encode_piece, encode_sync_updates,
};
use jazz_storage_core::format::{Generation, HashKey, Location, Lsn, Ordinal, RunId, SegmentId, StoreId};

/// The seeds of a target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "record" => records(),
        "manifest" => manifests(),
        "run" => runs(),
        "wire" => messages(),
        "store" => operations(),
        "file" => file::operations(),
        unknown => panic!("there is no target {unknown}"),
    }
}

/// A seed: the way, then the bytes.
fn seed(way: u8, bytes: &[u8]) -> Vec<u8> {
    [&[way], bytes].concat()
}

/// Transactions of every shape, each complete in itself.
fn transactions() -> Vec<Vec<u8>> {
    let text = "é€𝄞".as_bytes();
    let private = |sorted, made_at, key_used, changes, meta| Fields::Private {
        sorted,
        made_at,
        key_used,
        changes,
        meta,
    };
    let trusting = |sorted, changes, meta| Fields::Trusting { sorted, made_at: 9.0, changes, meta };
    let fields = [
        Fields::Verbatim { units: 4, json: b"{\"changes\":[]}" },
        private(true, 1.0, b"key_z1", b"encrypted_U1", None),
        private(true, 2.0, b"key_z1", text, Some(b"meta")),
        private(false, 3.0, b"key_z1", b"encrypted_U2", None),
        private(true, 4.0, b"key_z2", b"lone \xed\xa0\x80", None),
        trusting(true, b"[1]", None),
        trusting(false, text, Some(b"{}")),
    ];
    let bytes = fields.iter().map(|fields| {
        let mut out = Vec::new();
        fields.append_to(&mut out).expect("short texts");
        out
    });
    bytes.collect()
}

fn piece() -> (u32, Vec<u8>) {
    let txs = transactions();
    let mut piece = Vec::new();
    join(&txs, &mut piece).expect("transactions");
    (txs.len() as u32, piece)
}

fn records() -> Vec<Vec<u8>> {
    let (count, txs) = piece();
    let append = |start, chunk_signature, session_id| {
        Entry::Append(Append {
            group: Group([2; 16]),
            slot: 3,
            tag: Tag(4),
            chunk_signature,
            delete_session: false,
            start,
            count,
            bytes_since: 6,
            signature: b"signature_z1",
            session_id,
            created: Some(7),
            txs: &txs,
        })
    };
    let id = &b"co_zA"[..];
    let lock = |released_at| Entry::Lock {
        key: b"key",
        holder: b"holder",
        acquired_at: 1.5,
        released_at,
        offset: 7.0,
    };
    let entries = [
        Entry::Create(Create { group: Group([2; 16]), ordinal: Ordinal(4), id, header: b"{}" }),
        append(0, false, Some(&b"co_zA_session_z1"[..])),
        append(count, true, None),
        Entry::DeleteMark { id },
        Entry::Erase {
            group: Group([2; 16]),
            id,
            stored: true,
            sessions: vec![ErasedSession { slot: 1, tag: Tag(2) }; 2],
        },
        Entry::Sync { id, peer: b"peer", synced: true },
        Entry::Untrack { id },
        lock(None),
        lock(Some(2.5)),
    ];
    let bodies = entries.iter().map(|entry| {
        let mut body = Vec::new();
        entry.encode(&mut body);
        body
    });
    let mut bodies: Vec<Vec<u8>> = bodies.collect();
    bodies.push(bodies.concat());
    let mut seeds = Vec::new();
    for (body, kind) in
        bodies.iter().zip([RecordKind::Commit, RecordKind::Snapshot, RecordKind::Pack].iter().cycle())
    {
        let mut bytes = Vec::new();
        start(&mut bytes);
        bytes.extend_from_slice(body);
        finish(&mut bytes, record::SEGMENT, Lsn(9), 128, *kind).expect("a small record");
        seeds.push(seed(0, &bytes));
        seeds.push(seed(1, body));
    }
    let header = SegmentHeader {
        id: record::SEGMENT,
        store: StoreId([1; 16]),
        hash_key: HashKey([2; 16]),
        first_lsn: Lsn(9),
    };
    assert_eq!(
        record::sealed_header(&header.encode()),
        header.encode(),
        "headers have the form put right here"
    );
    seeds.push(seed(2, &header.encode()));
    seeds.push(seed(3, &[&count.to_le_bytes()[..], &txs].concat()));
    seeds
}

fn manifests() -> Vec<Vec<u8>> {
    let part = |n: u32, segments: u32| PartEntry {
        run: RunId(n),
        file_len: 4096,
        low: Group([n as u8; 16]),
        high: Group([n as u8 + 1; 16]),
        segments: (0..segments).map(|n| SegmentEntry { id: SegmentId(n), len: 99, live: 70 }).collect(),
    };
    let layer = |parts: &[PartEntry]| LayerEntry { parts: parts.to_vec() };
    let merge = MergeEntry { output: 0, inputs: 1, next: Group([9; 16]) };
    let manifests = [
        (vec![], None),
        (vec![layer(&[part(1, 0)])], None),
        (vec![layer(&[part(1, 1), part(4, 3)]), layer(&[part(2, 3)]), layer(&[part(4, 2)])], Some(merge)),
    ];
    let manifests = manifests.map(|(layers, merge)| {
        let manifest = Manifest {
            generation: Generation(5),
            store: StoreId([1; 16]),
            hash_key: HashKey([2; 16]),
            replay_from: SegmentId(3),
            replay_lsn: Lsn(4),
            replay_durable: 64,
            covalues: Ordinal(6),
            next_run: RunId(7),
            next_pack: SegmentId::FIRST_PACK,
            layers,
            merge,
        };
        let bytes = manifest.encode();
        assert_eq!(manifest::sealed(&bytes), bytes, "manifests have the form put right here");
        bytes
    });
    manifests.iter().flat_map(|bytes| [seed(0, bytes), seed(1, bytes)]).collect()
}

fn group(n: u64) -> Group {
    let mut group = [0; 16];
    group[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    group[8..].copy_from_slice(&n.wrapping_mul(0xc2b2_ae3d_27d4_eb4f).to_be_bytes());
    Group(group)
}

/// The file of a run of so many groups, of which some were created in it.
fn run_file(groups: u64, created: u64) -> Vec<u8> {
    let io = InMemoryFileIO::new();
    io.create_dir().expect("a directory in memory");
    let mut order: Vec<Group> = (0..groups).map(group).collect();
    order.sort_unstable();
    let mut writer = RunWriter::create(&io, run::RUN, run::STORE, Lsn(7)).expect("a file in memory");
    for group in &order {
        for slot in 0..3 {
            let mut head = HeadRow::new(Tag(u64::from(slot)));
            let location = Location { segment: SegmentId(1), offset: 64, len: 200 };
            head.push(Extent { location, start: 0, chunk_signature: slot == 1 });
            writer.push(&Key::new(*group, slot, 0), &head.encode()).expect("a file in memory");
        }
    }
    order.truncate(created as usize);
    let list = &mut |skip: u64, limit: u64| {
        Ok(order.iter().skip(skip as usize).take(limit as usize).copied().collect())
    };
    let len = writer.finish((Ordinal(40), created), list).expect("a file in memory");
    let mut bytes = vec![0; len as usize];
    let file = io.open(&run::RUN.file_name(), OpenMode::Read).expect("it was written");
    assert_eq!(file.read_at(&mut bytes, 0).expect("a file in memory"), bytes.len());
    bytes
}

fn runs() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (groups, created) in [(1, 0), (1, 1), (40, 40), (60, 7), (300, 300)] {
        let file = run_file(groups, created);
        let mut sealed = file.clone();
        run::seal_file(&mut sealed);
        assert_eq!(sealed, file, "runs have the form put right here");
        seeds.extend([seed(4, &file), seed(5, &file)]);
    }
    // The parts, where a small file has them: one block, one page, the index of one block, the filter.
    let file = run_file(1, 1);
    let mut rest = &file[..file.len() - 128];
    let mut parts: Vec<&[u8]> = Vec::new();
    for len in [64 + 4, 36 + 4, 16 + 4] {
        let (before, part) = rest.split_at(rest.len() - len);
        parts.push(part);
        rest = before;
    }
    parts.push(rest);
    for (part, way) in parts.into_iter().zip([3, 1, 2, 0]) {
        seeds.push(seed(way, unseal(part).expect("a part of a run has its checksum")));
    }
    seeds
}

fn messages() -> Vec<Vec<u8>> {
    let (count, txs) = piece();
    let session = |name: &str, after, txs: &[Vec<u8>]| OwnedSession {
        session: name.into(),
        after,
        last_signature: b"signature_z1".to_vec(),
        txs: txs.to_vec(),
    };
    let all = transactions();
    let message = |id: &str, header: bool, chunk_threshold, sessions| OwnedMessage {
        id: id.into(),
        header: header.then(|| b"{\"type\":\"comap\"}".to_vec()),
        delete_is_valid: header,
        chunk_threshold,
        sessions,
    };
    let messages = [
        message("co_zA", true, 102_400.0, vec![]),
        message("co_zA", true, 10.0, vec![session("co_zA_session_z1", 0, &all), session("é$", 0, &all[..2])]),
        message("co_zA", false, f64::INFINITY, vec![session("co_zA_session_z1", 7, &all[1..3])]),
    ];
    let messages = messages.map(|message| message.encode().expect("a short message"));
    let batch = messages.iter().fold((messages.len() as u32).to_le_bytes().to_vec(), |mut batch, message| {
        batch.extend_from_slice(&(message.len() as u32).to_le_bytes());
        batch.extend_from_slice(message);
        batch
    });
    let copy = |out: &mut Vec<u8>| {
        out.extend_from_slice(&txs);
        Ok(())
    };
    let loaded = || {
        let mut writer = LoadedWriter::new(b"{}")?;
        writer.session(b"co_zA_session_z1", 2 * count, true)?;
        writer.piece(0, count, b"signature_z1", copy)?;
        writer.piece_left_out(count, count)?;
        writer.session("é".as_bytes(), count, false)?;
        writer.piece(0, count, b"signature_z2", copy)?;
        writer.finish()
    };
    let updates = [true, false].map(|synced| SyncUpdate { id: b"co_zA", peer: b"peer", synced });
    let ids: [&[u8]; 2] = [b"co_zA", "é".as_bytes()];
    let mut seeds: Vec<Vec<u8>> = messages.iter().map(|message| seed(0, message)).collect();
    seeds.push(seed(1, &batch));
    for (way, bytes) in [
        (2, encode_ids(ids)),
        (3, encode_outcome(StoreStatus::Gap, &[1, 2, 3])),
        (3, encode_outcome(StoreStatus::HeaderMissing, &[])),
        (4, loaded()),
        (5, encode_sync_updates(&updates)),
        (6, encode_known_state(ids.map(|id| (id, 7)))),
        (7, encode_answers(&[None, Some(vec![1, 2, 3])])),
        (8, encode_piece(count, b"signature_z1", 0, copy)),
    ] {
        seeds.push(seed(way, &bytes.expect("short messages")));
    }
    seeds
}

/// Bytes from which sequences of several lengths begin.
fn operations() -> Vec<Vec<u8>> {
    let chance = chance(4 << 10);
    let delta = [0, 1, 1, 1, 1, 1];
    let lengths = [200, 50, 100, 200, 400, 800];
    delta.iter().zip(lengths).map(|(delta, len)| seed(*delta, &chance[len..2 * len])).collect()
}

/// Bytes of chance, always the same (Steele, Lea, Flood: SplitMix64).
fn chance(len: usize) -> Vec<u8> {
    let words = (1u64..).map(|n| {
        let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ (n >> 31)
    });
    words.flat_map(u64::to_le_bytes).take(len).collect()
}
