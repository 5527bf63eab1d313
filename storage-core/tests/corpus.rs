//! Stores that earlier builds wrote: `corpus/v<format version>/<name>/` holds the files of a store, and `expected.txt`
//! what it has to say, which the model said that got the same operations. Every build opens all of them.
//!
//! `cargo xtask corpus` writes the corpus of the present format version, once: what is committed is never written again.
//! Ids of stores and hash keys are random, so another run gives other bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "corpus/said.rs"]
mod said;
#[path = "corpus/scenarios.rs"]
mod scenarios;
mod support;

use jazz_storage_core::file::{FileHandle, FileIO, InMemoryFileIO, OpenMode};
use jazz_storage_core::format::FORMAT_VERSION;
use jazz_storage_core::store::content::load_by_rows;
use jazz_storage_core::store::{ContentStore, StoreOptions};
use jazz_storage_core::{Error, Result};
use said::Said;
use scenarios::{Both, SCENARIOS, Scenario, Store, go_on, open};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use support::compare::{apart, legible};
use support::copy;

const EXPECTED: &str = "expected.txt";
/// The most that a store and its `expected.txt` may take, so that a corpus stays small.
const MAX_STORE_BYTES: usize = 100 << 10;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn folder_of(version: u32) -> PathBuf {
    corpus().join(format!("v{version}"))
}

/// The committed versions, oldest first.
fn versions() -> Vec<u32> {
    let names =
        fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut versions: Vec<u32> =
        names.filter_map(|name| name.strip_prefix('v').map(|digits| digits.parse().unwrap())).collect();
    versions.sort_unstable();
    versions
}

/// A committed store.
struct Committed {
    /// For messages: version and name.
    title: String,
    name: String,
    files: BTreeMap<String, Vec<u8>>,
    expected: String,
}

impl Committed {
    fn read(version: u32, folder: &Path) -> Self {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            files.insert(entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
        }
        let expected = files.remove(EXPECTED).unwrap_or_else(|| panic!("{folder:?} has no {EXPECTED}"));
        let expected = String::from_utf8(expected).unwrap();
        Self { title: format!("v{version}/{name}"), name, files, expected }
    }

    /// A directory with these files.
    fn directory(&self) -> InMemoryFileIO {
        let io = InMemoryFileIO::new();
        io.create_dir().unwrap();
        for (name, bytes) in &self.files {
            io.open(name, OpenMode::CreateNew).unwrap().write_at(bytes, 0).unwrap();
        }
        io
    }
}

fn committed(version: u32) -> Vec<Committed> {
    let folder = folder_of(version);
    let mut folders: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders.iter().map(|folder| Committed::read(version, folder)).collect()
}

fn all_committed() -> Vec<Committed> {
    versions().into_iter().flat_map(committed).collect()
}

/// The files of a directory, except those by which a process holds it.
fn files(io: &InMemoryFileIO) -> BTreeMap<String, Vec<u8>> {
    let names = io.list().unwrap().into_iter().filter(|name| name != "LOCK" && name != "OWNER");
    let read = |name: String| {
        let file = io.open(&name, OpenMode::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
        (name, bytes)
    };
    names.map(read).collect()
}

/// Everything that a store on these files says, loads of whole CoValues included.
fn said(store: &Store, io: &InMemoryFileIO) -> Said {
    let said = Said::by(store, || open(copy(io)));
    for covalue in &said.covalues {
        let id = covalue.id.as_bytes();
        let [loaded, by_rows] = [store.load(id, u64::MAX), load_by_rows(store, id, u64::MAX)]
            .map(|loaded| apart(&loaded.unwrap().expect("it is stored")));
        assert_eq!(loaded, by_rows, "{}", legible(id));
    }
    said
}

/// Compares line by line, so that a failure shows the first difference only.
fn assert_same(got: &Said, expected: &str, context: &str) {
    let got = got.to_string();
    let mut lines = expected.lines();
    for (number, got) in got.lines().enumerate() {
        assert_eq!(Some(got), lines.next(), "{context}, line {}", number + 1);
    }
    assert_eq!(lines.next(), None, "{context}: the store says less");
}

#[test]
fn there_is_a_corpus_of_every_format_version_with_every_kind_of_store() {
    let all: Vec<u32> = (1..=FORMAT_VERSION).collect();
    assert_eq!(versions(), all, "`cargo xtask corpus` writes that of the present format version");
    for version in all {
        let stores = committed(version);
        assert!(stores.len() >= 12, "v{version} has {} stores", stores.len());
        for store in &stores {
            let size = store.expected.len() + store.files.values().map(Vec::len).sum::<usize>();
            assert!(size <= MAX_STORE_BYTES, "{} has {size} bytes", store.title);
            assert!(store.files.keys().all(|name| name != "LOCK" && name != "OWNER"), "{}", store.title);
        }
        if version == FORMAT_VERSION {
            let mut names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
            names.sort_unstable();
            assert_eq!(stores.iter().map(|store| store.name.as_str()).collect::<Vec<_>>(), names);
        }
        let kinds = |prefix: &str| {
            stores.iter().flat_map(|s| s.files.keys()).filter(|name| name.starts_with(prefix)).count()
        };
        for prefix in ["MANIFEST-", "segment-", "run-", "pack-"] {
            assert!(kinds(prefix) > 0, "v{version} has no file {prefix}*: are they ignored by git?");
        }
    }
}

#[test]
fn every_committed_store_says_what_it_said_and_goes_on() {
    for store in all_committed() {
        let title = &store.title;
        let io = store.directory();
        let opened = open(io.clone());
        if let Some(scenario) = SCENARIOS.iter().find(|scenario| scenario.name == store.name) {
            let stats = opened.stats().unwrap();
            assert!((scenario.is_of_its_kind)(&stats), "{title} is not of its kind: {stats:?}");
        }
        let first = said(&opened, &io);
        assert_same(&first, &store.expected, title);

        let model = first.model();
        let expected = || Said::by(&model, || model.clone()).to_string();
        assert_same(&first, &expected(), &format!("{title}: the model made of it"));
        // More checkpoints than there may be runs, so that those of the corpus get merged.
        let mut opened = opened;
        for n in 0..10 {
            go_on(&opened, n);
            go_on(&model, n);
            opened.checkpoint().unwrap();
            if n % 3 == 2 {
                drop(opened);
                opened = open(io.clone());
            }
            if n % 3 != 0 {
                assert_same(&said(&opened, &io), &expected(), &format!("{title}, gone on {n} times"));
            }
        }
        go_on(&opened, 10);
        go_on(&model, 10);
        assert_same(&said(&open(copy(&io)), &io), &expected(), &format!("{title}, killed"));
        opened.close().unwrap();
        drop(opened);
        assert_same(&said(&open(io.clone()), &io), &expected(), &format!("{title}, closed and opened"));
    }
}

#[test]
fn a_committed_store_can_be_closed_at_once_and_opened_again() {
    for store in all_committed() {
        let io = store.directory();
        open(io.clone()).close().unwrap();
        assert_same(&said(&open(io.clone()), &io), &store.expected, &store.title);
    }
}

/// The same file as the next format version would have it: its version, and the checksum over that.
fn of_the_next_version(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let newer = (FORMAT_VERSION + 1).to_le_bytes();
    if name.starts_with("MANIFEST-") {
        bytes[8..12].copy_from_slice(&newer);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..24]), &bytes[28..]);
        bytes[24..28].copy_from_slice(&crc.to_le_bytes());
    } else if name.starts_with("run-") {
        let footer = bytes.len() - 128;
        let end = bytes.len() - 4;
        bytes[footer + 8..footer + 12].copy_from_slice(&newer);
        let crc = crc32c::crc32c(&bytes[footer..end]);
        bytes[end..].copy_from_slice(&crc.to_le_bytes());
    } else {
        bytes[8..12].copy_from_slice(&newer);
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    }
    bytes
}

#[test]
fn stores_of_the_next_version_are_refused_and_left_as_they_are() {
    for store in committed(FORMAT_VERSION) {
        let names: Vec<&String> = store.files.keys().collect();
        let last_segment = *names.iter().filter(|name| name.starts_with("segment-")).max().unwrap();
        let slots = names.iter().filter(|name| name.starts_with("MANIFEST-"));
        // As the next version leaves them, and as it would if it were killed amid the first change of each kind.
        let mut cases: Vec<Vec<&String>> = vec![names.clone(), vec![last_segment]];
        cases.extend(slots.map(|slot| vec![*slot]));
        for case in cases {
            let io = store.directory();
            for name in &case {
                let newer = of_the_next_version(name, &store.files[*name]);
                io.remove(name).unwrap();
                io.open(name, OpenMode::CreateNew).unwrap().write_at(&newer, 0).unwrap();
            }
            let before = files(&io);
            let refused: Result<Store> = Store::open(io.clone(), StoreOptions::default());
            match refused.err() {
                Some(Error::NewerFormat { found, supported, .. }) => {
                    assert_eq!((found, supported), (FORMAT_VERSION + 1, FORMAT_VERSION));
                }
                other => panic!("{}, {case:?}: {other:?}", store.title),
            }
            assert!(files(&io) == before, "{}, {case:?}: the files have changed", store.title);
        }
    }
}

/// The scenarios as they stand make stores that the present code reads: the next corpus can be written from them.
#[test]
fn every_scenario_makes_a_store_that_says_what_the_model_does() {
    for scenario in SCENARIOS {
        let (io, expected) = make(scenario);
        let store = open(io.clone());
        let stats = store.stats().unwrap();
        assert!((scenario.is_of_its_kind)(&stats), "{}: {stats:?}", scenario.name);
        assert_same(&said(&store, &io), &expected, scenario.name);
    }
}

/// The files of a scenario's store, and what the model says.
fn make(scenario: &Scenario) -> (InMemoryFileIO, String) {
    let mut both = Both::new();
    let io = (scenario.make)(&mut both);
    (io, both.said().to_string())
}

#[test]
#[ignore = "writes into the repository: `cargo xtask corpus`"]
fn write_the_corpus_of_the_present_format_version() {
    let folder = folder_of(FORMAT_VERSION);
    assert!(
        !folder.exists(),
        "{folder:?} is committed and for ever: only a new format version gets a new corpus"
    );
    for scenario in SCENARIOS {
        let (io, expected) = make(scenario);
        let folder = folder.join(scenario.name);
        fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in files(&io) {
            fs::write(folder.join(name), bytes).unwrap();
        }
        fs::write(folder.join(EXPECTED), expected).unwrap();
    }
}
