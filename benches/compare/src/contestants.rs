//! Who takes part: every store at every level it has, with what it can do.

use jazz_storage_bench::native::Native;
use jazz_storage_bench::sqlite::Sqlite;
use jazz_storage_bench::{Level, Result, Store};
use serde::Serialize;

use crate::model::Jazz;
use crate::peers::{
    bftree::Bftree, fjall::Fjall, floor::Floor, gathered::Gathered, lmdb::Lmdb, log::Log, redb::Redb,
};

/// What a contestant is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// jazz-storage-core.
    Ours,
    /// Another store that does the same.
    Peer,
    /// What no store can go below; it does not do the same.
    Floor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Native,
    Sqlite,
    Redb,
    Fjall,
    Lmdb,
    LmdbMap,
    #[cfg(feature = "rocksdb")]
    Rocksdb,
    Bftree,
    Log,
    Floor,
    Gathered,
}

/// A store at one of its levels.
#[derive(Debug, Clone, Serialize)]
pub struct Contestant {
    /// What results and options call it: the store and the level.
    pub name: String,
    /// What people call it.
    pub title: &'static str,
    /// What a finished store survives.
    pub level: Level,
    /// What it is there for.
    pub kind: Kind,
    /// What is to be known beside its figures.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub note: &'static str,
    /// Whether it can give anything back.
    #[serde(skip)]
    pub reads: bool,
    /// Whether it is there only to be loaded from once it is compacted.
    #[serde(skip)]
    pub gathers: bool,
    /// Whether anything is left when it is closed.
    #[serde(skip)]
    pub keeps: bool,
    #[serde(skip)]
    which: Which,
}

/// Something that is done with any store.
pub trait Visit {
    /// What comes of it.
    type Output;

    /// Does it with the store of this contestant.
    ///
    /// # Errors
    /// Those of what is done.
    fn visit<S: Store>(self, contestant: &Contestant) -> Result<Self::Output>;
}

impl Contestant {
    /// Does something with its store.
    ///
    /// # Errors
    /// Those of what is done.
    pub fn with<V: Visit>(&self, visit: V) -> Result<V::Output> {
        match self.which {
            Which::Native => visit.visit::<Native>(self),
            Which::Sqlite => visit.visit::<Sqlite>(self),
            Which::Redb => visit.visit::<Jazz<Redb>>(self),
            Which::Fjall => visit.visit::<Jazz<Fjall>>(self),
            Which::Lmdb => visit.visit::<Jazz<Lmdb<false>>>(self),
            Which::LmdbMap => visit.visit::<Jazz<Lmdb<true>>>(self),
            #[cfg(feature = "rocksdb")]
            Which::Rocksdb => visit.visit::<Jazz<crate::peers::rocksdb::Rocks>>(self),
            Which::Bftree => visit.visit::<Jazz<Bftree>>(self),
            Which::Log => visit.visit::<Log>(self),
            Which::Floor => visit.visit::<Floor>(self),
            Which::Gathered => visit.visit::<Gathered>(self),
        }
    }

    /// The store's name without the level.
    pub fn store(&self) -> &str {
        self.name.rsplit_once('-').map_or(self.name.as_str(), |(store, _)| store)
    }
}

/// A row of the list: the store, the level, the title, the note.
type Entry = (Which, Level, &'static str, &'static str);

const SQLITE: &str = "cojson's tables and statements, prepared once; write-ahead log";
const LMDB_NOSYNC: &str = "a power cut may damage the whole file";
const LMDB_MAP: &str = "a power cut may damage the whole file, and so may a stray pointer of the program";
const REDB_NONE: &str =
    "one commit in 1,000 is durable; it has no level that survives a crash without a sync";
const BFTREE: &str =
    "the content is in the tree; kept by a snapshot when it is closed, as its own log cannot be read back";
const LOG: &str = "all of the index is in memory, made by reading the file; nothing is ever given back";
const FLOOR: &str = "keeps no index, checks nothing, cannot read";
const GATHERED: &str = "one call to a CoValue, all of which lies in one piece; the index is in memory, nothing is checked, nor can more be stored";

const ENTRIES: &[Entry] = &[
    (Which::Native, Level::None, "Jazz Native Storage, memory", "nothing is left when it is closed"),
    (Which::Native, Level::Process, "Jazz Native Storage, relaxed", ""),
    (Which::Native, Level::Power, "Jazz Native Storage, strict", ""),
    (Which::Sqlite, Level::Process, "SQLite, synchronous NORMAL", SQLITE),
    (Which::Sqlite, Level::Power, "SQLite, synchronous FULL", SQLITE),
    (Which::Redb, Level::None, "redb, Durability::None", REDB_NONE),
    (Which::Redb, Level::Power, "redb, Durability::Immediate", ""),
    (Which::Fjall, Level::None, "fjall, journal left in the process", ""),
    (Which::Fjall, Level::Process, "fjall, PersistMode::Buffer", ""),
    (Which::Fjall, Level::Power, "fjall, PersistMode::SyncData", ""),
    (Which::Lmdb, Level::Process, "LMDB, NOSYNC", LMDB_NOSYNC),
    (Which::LmdbMap, Level::Process, "LMDB, NOSYNC, WRITEMAP", LMDB_MAP),
    (Which::Lmdb, Level::Power, "LMDB", ""),
    #[cfg(feature = "rocksdb")]
    (Which::Rocksdb, Level::None, "RocksDB, without a log", ""),
    #[cfg(feature = "rocksdb")]
    (Which::Rocksdb, Level::Process, "RocksDB, log not synced", ""),
    #[cfg(feature = "rocksdb")]
    (Which::Rocksdb, Level::Power, "RocksDB, log synced", ""),
    (Which::Bftree, Level::None, "bf-tree by itself", BFTREE),
    (Which::Log, Level::Process, "BTreeMap and file", LOG),
    (Which::Log, Level::Power, "BTreeMap and file, fdatasync", LOG),
    (Which::Floor, Level::Process, "append to a file", FLOOR),
    (Which::Floor, Level::Power, "append to a file, fdatasync", FLOOR),
    (Which::Gathered, Level::Process, "read from a file", GATHERED),
    (Which::Gathered, Level::Power, "read from a file, stored with fdatasync", GATHERED),
];

/// All of them, ours first.
pub fn all() -> Vec<Contestant> {
    ENTRIES
        .iter()
        .map(|&(which, level, title, note)| {
            let (store, kind) = match which {
                Which::Native => ("native", Kind::Ours),
                Which::Sqlite => ("sqlite", Kind::Peer),
                Which::Redb => ("redb", Kind::Peer),
                Which::Fjall => ("fjall", Kind::Peer),
                Which::Lmdb => ("lmdb", Kind::Peer),
                Which::LmdbMap => ("lmdb-map", Kind::Peer),
                #[cfg(feature = "rocksdb")]
                Which::Rocksdb => ("rocksdb", Kind::Peer),
                Which::Bftree => ("bf-tree", Kind::Peer),
                Which::Log => ("log", Kind::Peer),
                Which::Floor => ("append", Kind::Floor),
                Which::Gathered => ("read", Kind::Floor),
            };
            Contestant {
                name: format!("{store}-{}", level_name(level)),
                title,
                level,
                kind,
                note,
                reads: !matches!(which, Which::Floor | Which::Gathered),
                gathers: which == Which::Gathered,
                keeps: which != Which::Native || level != Level::None,
                which,
            }
        })
        .collect()
}

/// A level's name in results.
pub fn level_name(level: Level) -> &'static str {
    match level {
        Level::None => "none",
        Level::Process => "process",
        Level::Power => "power",
    }
}

/// Those whose name or store's name is in the list; all for an empty one.
///
/// # Errors
/// A name fits none of them.
pub fn chosen(names: &[String]) -> Result<Vec<Contestant>> {
    let fits = |one: &Contestant, name: &String| one.name == *name || one.store() == name;
    let all = all();
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|one| fits(one, name))) {
        let known: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        return Err(format!("there is no peer {unknown:?}; there are {}", known.join(", ")).into());
    }
    Ok(all.into_iter().filter(|one| names.is_empty() || names.iter().any(|name| fits(one, name))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jazz_storage_bench::trace::{Trace, bulk, edits, files, hot, small};
    use jazz_storage_bench::verify::{check_rules, compare, verify};

    struct GivesBack<'a>(&'a [Trace]);

    impl Visit for GivesBack<'_> {
        type Output = ();

        fn visit<S: Store>(self, contestant: &Contestant) -> Result<()> {
            for trace in self.0 {
                verify::<S>(trace, tempfile::tempdir()?.path(), contestant.level)?;
            }
            Ok(())
        }
    }

    #[test]
    fn every_store_gives_back_what_it_was_given_once_it_is_opened_again() {
        let traces = [edits(600, 1), small(300, 1), hot(600, 1), bulk(24, 200, 2, 1), files(16, 1)];
        for contestant in all().iter().filter(|one| one.reads && one.keeps) {
            contestant
                .with(GivesBack(&traces))
                .unwrap_or_else(|error| panic!("{}: {error}", contestant.name));
        }
    }

    struct KeepsRules;

    impl Visit for KeepsRules {
        type Output = ();

        fn visit<S: Store>(self, contestant: &Contestant) -> Result<()> {
            check_rules::<S>(tempfile::tempdir()?.path(), contestant.level)
        }
    }

    #[test]
    fn every_store_leaves_out_what_is_there_and_refuses_what_leaves_a_gap() {
        for contestant in all().iter().filter(|one| one.reads) {
            contestant.with(KeepsRules).unwrap_or_else(|error| panic!("{}: {error}", contestant.name));
        }
    }

    /// Stores in parts, between which the store is closed, opened, and where it can be, compacted.
    struct GoesOn;

    impl Visit for GoesOn {
        type Output = ();

        fn visit<S: Store>(self, contestant: &Contestant) -> Result<()> {
            let directory = tempfile::tempdir()?;
            let trace = bulk(30, 200, 3, 7);
            for part in trace.messages.chunks(10) {
                let mut store = S::open(directory.path(), contestant.level)?;
                for message in part {
                    store.store(&S::prepare(message)?)?;
                }
                store.compact()?;
                store.close()?;
            }
            let store = S::open(directory.path(), contestant.level)?;
            compare(&store, &trace)?;
            store.close()
        }
    }

    #[test]
    fn every_store_goes_on_where_it_stood_and_keeps_chunk_signatures_when_it_is_compacted() {
        for contestant in all().iter().filter(|one| one.reads && one.keeps) {
            contestant.with(GoesOn).unwrap_or_else(|error| panic!("{}: {error}", contestant.name));
        }
    }

    struct Differs;

    impl Visit for Differs {
        type Output = ();

        fn visit<S: Store>(self, contestant: &Contestant) -> Result<()> {
            let directory = tempfile::tempdir()?;
            let mut trace = files(10, 1);
            let mut store = S::open(directory.path(), contestant.level)?;
            for message in &trace.messages {
                store.store(&S::prepare(message)?)?;
            }
            compare(&store, &trace)?;
            trace.messages[4].signature.push('x');
            assert!(compare(&store, &trace).unwrap_err().to_string().contains("its signatures"));
            trace.messages[4].signature.pop();
            trace.messages[9].transactions[0].changes.replace_range(140_000..140_001, "~");
            assert!(compare(&store, &trace).unwrap_err().to_string().contains("its transactions"));
            store.close()
        }
    }

    #[test]
    fn a_difference_is_found_in_every_store() {
        for contestant in all().iter().filter(|one| one.reads) {
            contestant.with(Differs).unwrap_or_else(|error| panic!("{}: {error}", contestant.name));
        }
    }

    #[test]
    fn names_are_unique_and_found_with_and_without_the_level() {
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            chosen(&names).map(|chosen| chosen.into_iter().map(|one| one.name).collect::<Vec<_>>())
        };
        let all = names(&[]).unwrap();
        assert!(all.iter().enumerate().all(|(place, name)| !all[..place].contains(name)));
        assert_eq!(names(&["redb", "bf-tree-none"]).unwrap(), ["redb-none", "redb-power", "bf-tree-none"]);
        assert!(names(&["sqlite-none"]).unwrap_err().to_string().contains("sqlite-process"));
    }
}
