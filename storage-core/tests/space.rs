//! What a store takes on disk, and what it reads and writes there: erased data leaves it, room is given back, no file is
//! left over, an opening and a load read little, and little is written more than once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use jazz_storage_core::engine::{EngineOptions, manifest};
use jazz_storage_core::error::ErrorCode;
use jazz_storage_core::file::{FaultFileIO, FileHandle, FileIO, OpenMode};
use jazz_storage_core::format::SegmentId;
use jazz_storage_core::format::manifest::Manifest;
use jazz_storage_core::format::wire::{OwnedMessage, OwnedSession, decode_message};
use jazz_storage_core::store::{BfTreeStorage, ContentStore, StorageBackend, StoreOptions};
use std::collections::{BTreeMap, BTreeSet};
use support::random::Random;
use support::subjects::tiny;
use support::{ends, private_tx};

/// A pack is rewritten by itself from so many dead bytes on (`LEAST_DEAD` in `engine/maintenance.rs`).
const LEAST_DEAD: u64 = 64 * 1024;
/// Bytes of a segment's header, a pack's included.
const HEADER: u64 = 64;

fn small() -> EngineOptions {
    EngineOptions {
        checkpoint_rows: 200,
        segment_bytes: 32 << 10,
        cache_bytes: 64 << 10,
        large_bytes: 64 << 10,
        fanout: 4,
        max_layers: 8,
        ..tiny()
    }
}

/// A store, and what was stored in it.
struct Shelf {
    io: FaultFileIO,
    options: EngineOptions,
    store: BfTreeStorage<FaultFileIO>,
    /// CoValues with the counters of their sessions and the bytes of their content.
    covalues: BTreeMap<u64, Content>,
    stored: u64,
    chunk_threshold: f64,
}

#[derive(Default)]
struct Content {
    counters: BTreeMap<u64, u32>,
    bytes: u64,
}

fn open(io: &FaultFileIO, engine: &EngineOptions) -> BfTreeStorage<FaultFileIO> {
    BfTreeStorage::open(io.clone(), StoreOptions { engine: engine.clone(), ..StoreOptions::default() })
        .unwrap()
}

impl Shelf {
    fn new(options: EngineOptions) -> Self {
        let io = FaultFileIO::new();
        Self {
            store: open(&io, &options),
            io,
            options,
            covalues: BTreeMap::new(),
            stored: 0,
            chunk_threshold: 102_400.0,
        }
    }

    fn try_store(&mut self, covalue: u64, session: u64, txs: &[Vec<u8>]) -> jazz_storage_core::Result<()> {
        let content = self.covalues.entry(covalue).or_default();
        let counter = content.counters.entry(session).or_default();
        let message = OwnedMessage {
            id: format!("co_z{covalue}").into_bytes(),
            header: Some(b"{}".to_vec()),
            delete_is_valid: false,
            chunk_threshold: self.chunk_threshold,
            sessions: vec![OwnedSession {
                session: format!("co_z{session}_session_z").into_bytes(),
                after: *counter,
                last_signature: vec![b's'; 64],
                txs: txs.to_vec(),
            }],
        };
        let bytes = message.encode().unwrap();
        self.store.store(&decode_message(&bytes).unwrap())?;
        *counter += txs.len() as u32;
        let size = txs.iter().map(|tx| tx.len() as u64).sum::<u64>();
        content.bytes += size;
        self.stored += size;
        Ok(())
    }

    /// Stores a transaction of about `size` random letters.
    fn put(&mut self, random: &mut Random, covalue: u64, session: u64, size: usize) {
        let tx = private_tx(random.below(1 << 30) as u32, "key_z", &letters(random, size));
        self.try_store(covalue, session, &[tx]).unwrap();
    }

    fn erase(&mut self, covalue: u64) {
        self.store.erase_covalue_but_keep_tombstone(&format!("co_z{covalue}").as_str().into()).unwrap();
        if let Some(content) = self.covalues.get_mut(&covalue) {
            *content = Content::default();
        }
    }

    fn reopen(&mut self) {
        self.store.close().unwrap();
        self.reopen_as_it_is();
    }

    fn reopen_as_it_is(&mut self) {
        // The old one must be gone before the new one takes the lock.
        let parked = open(&FaultFileIO::new(), &self.options);
        drop(std::mem::replace(&mut self.store, parked));
        self.store = open(&self.io, &self.options);
    }

    fn manifest(&self) -> Manifest {
        match manifest::load(&self.io).unwrap() {
            manifest::Found::Valid(manifest) => manifest,
            _ => panic!("there is no manifest"),
        }
    }

    /// The files, with their lengths.
    fn files(&self) -> BTreeMap<String, u64> {
        let len = |name: &String| self.io.open(name, OpenMode::Read).unwrap().len().unwrap();
        self.io.list().unwrap().into_iter().map(|name| (name.clone(), len(&name))).collect()
    }

    fn pack_bytes(&self) -> u64 {
        let is_pack = |name: &str| SegmentId::from_file_name(name).is_some_and(SegmentId::is_pack);
        self.files().iter().filter(|(name, _)| is_pack(name)).map(|(_, len)| len).sum()
    }

    /// Bytes of content that is stored and not erased.
    fn live(&self) -> u64 {
        self.covalues.values().map(|content| content.bytes).sum()
    }

    /// What the records of packs take beside the content: at most a record for each CoValue and each 128 KiB, and in it an
    /// entry for each session with its id and signature.
    fn overhead(&self) -> u64 {
        let of = |content: &Content| 128 + 256 * content.counters.len() as u64;
        self.covalues.values().map(of).sum()
    }

    /// Every file is one that the store has use for.
    fn check_no_file_is_left_over(&self) {
        let manifest = self.manifest();
        let mut known: BTreeSet<String> =
            ["LOCK", "OWNER", "RESERVE", "MANIFEST-0", "MANIFEST-1"].map(str::to_owned).into();
        known.extend(manifest.parts().map(|part| part.run.file_name()));
        known.extend(manifest.parts().flat_map(|part| &part.segments).map(|s| s.id.file_name()));
        let files = self.files();
        // The log from the replay position on; at rest that is one segment.
        let log: Vec<&String> = files
            .keys()
            .filter(|name| {
                SegmentId::from_file_name(name).is_some_and(|id| !id.is_pack() && id >= manifest.replay_from)
            })
            .collect();
        assert_eq!(log, [&manifest.replay_from.file_name()]);
        let left: Vec<&String> =
            files.keys().filter(|name| !known.contains(*name) && !log.contains(name)).collect();
        assert!(left.is_empty(), "left over: {left:?}");
        let missing: Vec<_> =
            manifest.parts().filter(|p| files.get(&p.run.file_name()) != Some(&p.file_len)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    fn holds(&self, needle: &[u8]) -> Option<String> {
        self.io.list().unwrap().into_iter().find(|name| {
            let file = self.io.open(name, OpenMode::Read).unwrap();
            let mut bytes = vec![0; file.len().unwrap() as usize];
            file.read_at(&mut bytes, 0).unwrap();
            bytes.windows(needle.len()).any(|window| window == needle)
        })
    }
}

fn letters(random: &mut Random, size: usize) -> String {
    random.bytes(size).into_iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

/// (a) Whatever else is in the files that hold it, and however little of them it is.
#[test]
fn what_was_erased_is_in_no_file_after_compacting() {
    for others in [0, 3, 100] {
        for (settled, scattered) in [(false, false), (false, true), (true, false), (true, true)] {
            let (mut shelf, mut random) = (Shelf::new(small()), Random(others));
            for n in 0..others {
                shelf.put(&mut random, n, 0, 2_000);
            }
            let needle = |n: u32| format!("NEEDLE{n:04}NEEDLE");
            for n in 0..4 {
                let tx = private_tx(n, "key_z", &needle(n));
                shelf.try_store(1_000, 0, &[tx]).unwrap();
                if scattered {
                    shelf.store.checkpoint().unwrap();
                    shelf.put(&mut random, 0, 0, 100);
                }
            }
            for n in 0..others {
                shelf.put(&mut random, n, 1, 100);
            }
            if settled {
                shelf.store.compact().unwrap();
            }
            assert!(shelf.holds(needle(0).as_bytes()).is_some(), "the search finds what is there");
            shelf.erase(1_000);
            shelf.store.compact().unwrap();
            for n in 0..4 {
                let found = shelf.holds(needle(n).as_bytes());
                assert_eq!(found, None, "{others} others, settled: {settled}, scattered: {scattered}");
            }
            shelf.check_no_file_is_left_over();
        }
    }
}

/// (b) At rest packs take at most twice what is live in them and a constant; compacted, little more than that.
#[test]
fn room_is_given_back() {
    for seed in 0..6 {
        let (mut shelf, mut random) = (Shelf::new(small()), Random(seed));
        for round in 0..12 {
            for _ in 0..150 {
                let covalue = random.below(60);
                let size = if random.below(20) == 0 { 6_000 } else { 20 + random.below(400) as usize };
                let session = random.below(3);
                shelf.put(&mut random, covalue, session, size);
            }
            for _ in 0..random.below(25) {
                let covalue = random.below(60);
                shelf.erase(covalue);
            }
            shelf.store.settle().unwrap();
            let (packs, live) = (shelf.pack_bytes(), shelf.live() + shelf.overhead());
            // What erasures in the delta and the layers not merged yet made void is not known, or not worth it, for each
            // of the layers that there can be.
            let constant = shelf.options.max_layers as u64 * (LEAST_DEAD + 2 * shelf.options.segment_bytes);
            assert!(packs <= 2 * live + constant, "seed {seed}, round {round}: packs {packs}, live {live}");
            shelf.check_no_file_is_left_over();
        }
        shelf.store.compact().unwrap();
        shelf.check_no_file_is_left_over();
        let manifest = shelf.manifest();
        let index: u64 = manifest.parts().map(|part| part.file_len).sum();
        let rest: u64 =
            2 * 8192 + HEADER * (manifest.parts().flat_map(|part| &part.segments).count() as u64 + 2);
        let (disk, live) = (shelf.io.stats().bytes, shelf.live() + shelf.overhead());
        assert!(
            disk as f64 <= 1.15 * live as f64 + (index + rest) as f64,
            "seed {seed}: disk {disk}, live {live} of {}, index {index}",
            shelf.stored
        );
    }
}

/// What was rewritten once is not again before something changes: CoValues with something erased, which are moved whole,
/// were moved to and fro between two packs for ever.
#[test]
fn settling_comes_to_an_end() {
    for seed in 0..20 {
        let (mut shelf, mut random) = (Shelf::new(small()), Random(seed));
        for round in 0..10 {
            for _ in 0..150 {
                let covalue = random.below(60);
                let size = if random.below(20) == 0 { 6_000 } else { 20 + random.below(400) as usize };
                shelf.put(&mut random, covalue, round % 3, size);
            }
            for n in 0..60 {
                if round == 0 || random.below(5) == 0 {
                    shelf.erase(n);
                }
            }
            shelf.store.checkpoint().unwrap();
            shelf = ends("settle", move || {
                shelf.store.settle().unwrap();
                shelf
            });
            let rewritten = shelf.store.stats().unwrap().bytes_rewritten;
            shelf.store.settle().unwrap();
            assert_eq!(shelf.store.stats().unwrap().bytes_rewritten, rewritten, "nothing is due any more");
        }
    }
}

/// (c) Also of jobs that failed for want of room, once there is room again.
#[test]
fn no_file_is_left_over() {
    for seed in 0..10 {
        let options = EngineOptions { reserve_bytes: 4096 * (seed % 2), ..small() };
        let (mut shelf, mut random) = (Shelf::new(options), Random(seed));
        let mut full = 0;
        for round in 0..10 {
            let room = shelf.io.stats().bytes + random.below(60_000);
            shelf.io.set_capacity(Some(room));
            for _ in 0..80 {
                let (covalue, session) = (random.below(40), random.below(2));
                let text = letters(&mut random, 300);
                if let Err(error) = shelf.try_store(covalue, session, &[private_tx(round, "key_z", &text)]) {
                    assert_eq!(error.code(), ErrorCode::DiskFull);
                    full += 1;
                }
            }
            full += u32::from(shelf.store.settle().is_err()) + u32::from(shelf.store.compact().is_err());
            shelf.io.set_capacity(None);
            match random.below(3) {
                0 => shelf.store.settle().unwrap(),
                1 => shelf.store.compact().unwrap(),
                _ => shelf.reopen(),
            }
            shelf.store.settle().unwrap();
            shelf.check_no_file_is_left_over();
            assert_eq!(shelf.store.stats().unwrap().stalled, None);
        }
        assert!(full > 0, "the disk was never full");
        for (covalue, content) in &shelf.covalues {
            let known = shelf.store.get_known_state(&format!("co_z{covalue}").as_str().into()).unwrap();
            let counters: u32 = known.map_or(0, |known| known.sessions.iter().map(|s| s.1).sum());
            assert_eq!(counters, content.counters.values().sum::<u32>(), "co_z{covalue}");
        }
    }
}

/// (d) Of rows only the filters and block indexes are read, and of the log its tail.
#[test]
fn opening_reads_no_rows() {
    let mut calls = Vec::new();
    for covalues in [200, 4_000] {
        let mut shelf =
            Shelf::new(EngineOptions { checkpoint_rows: 2_000, segment_bytes: 1 << 20, ..small() });
        let mut random = Random(covalues);
        for n in 0..covalues {
            shelf.put(&mut random, n, 0, 300);
        }
        shelf.store.compact().unwrap();
        shelf.reopen();
        let resident = shelf.store.stats().unwrap().resident_bytes;
        let before = shelf.io.stats();
        shelf.reopen_as_it_is();
        let after = shelf.io.stats();
        let parts = shelf.manifest().parts().count() as u64;
        let (reads, bytes) = (after.reads - before.reads, after.bytes_read - before.bytes_read);
        // Manifests, a footer for each part, the header and snapshot of the active segment.
        let rest = 2 * 8192 + 256 * parts + 4096;
        assert!(bytes <= resident + rest, "{covalues} CoValues: {bytes} bytes, resident {resident}");
        assert!(shelf.io.stats().bytes > 300 * covalues);
        calls.push((reads - 3 * parts, after.opens - before.opens - parts));
        assert_eq!(shelf.store.covalue_count().unwrap(), covalues);
    }
    assert_eq!(calls[0], calls[1], "reads and opened files beside those of each part");
}

/// (d) What is read here and there of a store that was just opened is asked for in large parts, each once.
#[test]
fn small_reads_of_a_cold_store_are_read_ahead() {
    const COVALUES: u64 = 3_000;
    const PART: u64 = 256 << 10;
    let mut shelf = Shelf::new(EngineOptions { checkpoint_rows: 2_000, segment_bytes: 1 << 20, ..small() });
    let mut random = Random(8);
    for n in 0..COVALUES {
        shelf.put(&mut random, n, 0, 700);
    }
    shelf.store.compact().unwrap();
    let ids: Vec<String> = (0..COVALUES).map(|n| format!("co_z{n}")).collect();
    let load_all = |shelf: &Shelf| {
        ids.iter().for_each(|id| assert!(shelf.store.load(id.as_bytes(), u64::MAX).unwrap().is_some()));
        shelf.io.stats()
    };
    shelf.reopen();
    let opened = shelf.io.stats();
    for id in &ids {
        assert!(shelf.store.get_known_state(&id.as_str().into()).unwrap().is_some());
    }
    let known = shelf.io.stats();
    let loaded = load_all(&shelf);
    assert!(loaded.reads - known.reads >= COVALUES, "the cache is too large to see anything");
    // Known states are of the runs alone; loads then read the packs. Of the last part of a file there may be one read.
    let manifest = shelf.manifest();
    let runs: Vec<u64> = manifest.parts().map(|part| part.file_len).collect();
    let packs: Vec<u64> = manifest.parts().flat_map(|part| &part.segments).map(|pack| pack.len).collect();
    let whole = |lens: &[u64]| lens.iter().map(|len| len / PART).sum::<u64>();
    let all = |lens: &[u64]| lens.iter().map(|len| len.div_ceil(PART)).sum::<u64>();
    for (lens, asked, least) in [
        (&runs, known.advice - opened.advice, 1),
        (&packs, loaded.advice - known.advice, whole(&packs).max(8)),
    ] {
        assert!((least..=all(lens)).contains(&asked), "{asked} times for files of {lens:?} bytes");
    }
    assert_eq!(loaded.bytes_advised, loaded.advice * PART);
    assert_eq!(load_all(&shelf).advice, loaded.advice, "asked for twice");
}

/// (d) Large records stay where they were written, among those of others; loading a CoValue asks for all of its own at first.
#[test]
fn large_records_in_segments_of_the_log_are_asked_for_before_they_are_read() {
    const RECORDS: u64 = 20;
    const SIZE: usize = 70_000;
    let mut shelf = Shelf::new(EngineOptions { segment_bytes: 1 << 20, ..small() });
    let mut random = Random(8);
    for n in 0..RECORDS {
        shelf.put(&mut random, 1, 0, SIZE);
        shelf.put(&mut random, 100 + n, 0, SIZE);
    }
    shelf.store.checkpoint().unwrap();
    assert!(shelf.pack_bytes() < SIZE as u64, "they are in packs");
    let (id, session) = (b"co_z1", b"co_z0_session_z");
    let loads: [&dyn Fn(&Shelf) -> bool; 2] = [
        &|shelf| shelf.store.load(id, u64::MAX).unwrap().is_some(),
        // Its first piece only: the others are read soon.
        &|shelf| shelf.store.load_piece(id, session, 0, 1).unwrap().is_some(),
    ];
    for load in loads {
        shelf.reopen();
        let opened = shelf.io.stats();
        assert!(load(&shelf));
        let loaded = shelf.io.stats();
        let asked = loaded.advice - opened.advice;
        // Beside them parts of files of which a second small read was made.
        assert!((RECORDS..RECORDS + 5).contains(&asked), "{asked} times for {RECORDS} records");
        let bytes = loaded.bytes_advised - opened.bytes_advised;
        assert!(bytes >= RECORDS * SIZE as u64, "{bytes} bytes");
        assert!(load(&shelf));
        assert!(shelf.io.stats().advice - loaded.advice < 5, "asked for twice");
    }
}

/// (d) A large CoValue is read once, however many pieces it is given in.
#[test]
fn of_a_large_covalue_each_byte_is_read_once() {
    let mut shelf = Shelf::new(EngineOptions { segment_bytes: 4 << 20, ..small() });
    let mut random = Random(9);
    // Pieces end at chunk signatures; compacted, many of them are in one record.
    shelf.chunk_threshold = 2_000.0;
    for _ in 0..200 {
        shelf.put(&mut random, 1, 1, 3_000);
    }
    for compacted in [false, true] {
        if compacted {
            shelf.store.compact().unwrap();
        }
        shelf.reopen();
        let before = shelf.io.stats();
        let loaded = shelf.store.load(b"co_z1", u64::MAX).unwrap().unwrap();
        assert_eq!(loaded.sessions.iter().map(|s| s.counter).sum::<u32>(), 200);
        assert!(loaded.sessions.iter().map(|s| s.pieces.len()).sum::<usize>() >= 100);
        let read = shelf.io.stats().bytes_read - before.bytes_read;
        let content = shelf.covalues[&1].bytes;
        assert!(read >= content && read < content + content / 16, "{read} bytes read for {content}");
    }
}

/// (e) Checkpoints scatter a CoValue; merging gathers it.
#[test]
fn a_scattered_covalue_is_read_in_few_reads() {
    let mut shelf = Shelf::new(small());
    let mut random = Random(5);
    for n in 0..60 {
        for covalue in 0..40 {
            shelf.put(&mut random, covalue, n % 3, 40);
        }
        shelf.store.checkpoint().unwrap();
    }
    let cold = |shelf: &mut Shelf| -> u64 {
        shelf.reopen();
        let mut most = 0;
        for covalue in 0..40 {
            shelf.reopen_as_it_is();
            let before = shelf.io.stats().reads;
            let loaded = shelf.store.load(format!("co_z{covalue}").as_bytes(), u64::MAX).unwrap().unwrap();
            assert_eq!(loaded.sessions.iter().map(|s| s.counter).sum::<u32>(), 60);
            most = most.max(shelf.io.stats().reads - before);
        }
        most
    };
    let layers = |shelf: &Shelf| shelf.manifest().layers.len() as u64;
    shelf.store.settle().unwrap();
    let reads = cold(&mut shelf);
    // For each layer an index block or two, and a chunk or two of a pack.
    assert!(reads <= 4 * layers(&shelf), "{reads} reads of {} layers", layers(&shelf));
    shelf.store.compact().unwrap();
    let reads = cold(&mut shelf);
    assert!(reads <= 4, "{reads} reads after compacting");
}

/// (f) Bytes written for each byte of small messages, log, packs, index and manifests together.
#[test]
fn little_is_written_more_than_once() {
    let options = EngineOptions { checkpoint_rows: 2_000, segment_bytes: 256 << 10, ..small() };
    let (mut shelf, mut random) = (Shelf::new(options), Random(6));
    for _ in 0..20_000 {
        let (covalue, session) = (random.below(2_000), random.below(2));
        shelf.put(&mut random, covalue, session, 100);
    }
    shelf.store.settle().unwrap();
    let written = shelf.io.stats().bytes_written;
    let times = written as f64 / shelf.stored as f64;
    // Once to the log, once by the checkpoint, and once for each level of merging: the logarithm, to the base of the
    // fanout, of how many checkpoints there are. Signature, ids and rows are
    // twice as much as the content.
    let checkpoints = shelf.store.stats().unwrap().checkpoints as f64;
    let levels = 2.0 + checkpoints.log(shelf.options.fanout as f64).ceil();
    println!(
        "{times:.2} bytes written for each stored, {checkpoints} checkpoints, bound {:.2}",
        3.0 * levels
    );
    assert!(times <= 3.0 * levels, "{times:.2} bytes written for each stored, {checkpoints} checkpoints");
}

/// (f) Large records stay in the log's segments, as part of the store, until too much around them goes.
#[test]
fn large_records_are_written_once() {
    let options = EngineOptions { segment_bytes: 256 << 10, large_bytes: 1_500, ..small() };
    let (mut shelf, mut random) = (Shelf::new(options), Random(8));
    for n in 0..600 {
        shelf.put(&mut random, n % 12, 0, 2_000);
        if n % 10 == 0 {
            shelf.put(&mut random, 1_000 + n, 0, 50);
        }
    }
    shelf.store.settle().unwrap();
    let times = shelf.io.stats().bytes_written as f64 / shelf.stored as f64;
    assert!(times < 1.4, "{times:.2} bytes written for each stored");
    shelf.check_no_file_is_left_over();
    let data = |shelf: &Shelf| -> u64 {
        let files = shelf.files();
        files.iter().filter(|(name, _)| SegmentId::from_file_name(name).is_some()).map(|(_, len)| len).sum()
    };
    let before = data(&shelf);
    let check = |shelf: &Shelf, after: &str| {
        for (id, content) in &shelf.covalues {
            let loaded = shelf.store.load(format!("co_z{id}").as_bytes(), u64::MAX).unwrap();
            let stored: u32 = content.counters.values().sum();
            let got: u32 = loaded.unwrap().sessions.iter().map(|session| session.counter).sum();
            assert_eq!(got, stored, "of co_z{id} after {after}");
        }
    };
    check(&shelf, "settling");
    (0..10).for_each(|id| shelf.erase(id));
    shelf.store.checkpoint().unwrap();
    shelf.store.settle().unwrap();
    check(&shelf, "erasing");
    assert!(data(&shelf) < before / 2, "{} of {before} bytes after erasing five of six", data(&shelf));
    shelf.reopen();
    check(&shelf, "opening again");
    shelf.store.compact().unwrap();
    check(&shelf, "compacting");
    let segments = shelf.files().into_keys().filter(|name| name.starts_with("segment-")).count();
    assert_eq!(segments, 1, "all that stayed in the log was gathered");
    let (disk, live) = (data(&shelf), shelf.live() + shelf.overhead());
    assert!(disk < live + live / 8, "{disk} bytes for {live} after compacting");
    shelf.check_no_file_is_left_over();
}

/// Compacting goes slice by slice, and gives room back as it goes.
#[test]
fn compacting_needs_little_room() {
    let options = EngineOptions { checkpoint_rows: 100, segment_bytes: 16 << 10, ..small() };
    let (mut shelf, mut random) = (Shelf::new(options), Random(7));
    let covalues = 1_000;
    for _ in 0..6 {
        for n in 0..covalues {
            shelf.put(&mut random, n, 0, 400);
        }
        shelf.store.compact().unwrap();
    }
    // Another piece for most CoValues: each slice has something that is scattered.
    for n in (0..covalues).filter(|n| n % 8 != 0) {
        shelf.put(&mut random, n, 1, 40);
    }
    shelf.store.settle().unwrap();
    let left = shelf.io.restarted(jazz_storage_core::file::Loss::Nothing);
    let store = open(&left, &shelf.options);
    let merges = store.stats().unwrap().merges;
    store.compact().unwrap();
    let slices = store.stats().unwrap().merges - merges;
    let live = shelf.live() + shelf.overhead();
    let (peak, now) = (left.stats().peak_bytes, left.stats().bytes);
    println!("{slices} slices, live {live}, peak {peak}, then {now}");
    // A slice is the 32nd part of what is merged, and not all of that is rewritten.
    assert!((12..=64).contains(&slices), "{slices} slices");
    assert!(peak as f64 <= 1.5 * live as f64, "peak {peak}, live {live}");
}
