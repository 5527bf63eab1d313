//! Backups: what is in one that is made while others store and maintenance is under way, what is left of one that was
//! interrupted or cancelled, and, in `backup/damage.rs`, what is said of one that is damaged.
//!
//! `JAZZ_BACKUP_POINTS` says how many places to damage and how many ways to interrupt, `JAZZ_BACKUP_SEED` chooses them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "backup/damage.rs"]
mod damage;
mod workload;

use jazz_storage_core::engine::slices::slice;
use jazz_storage_core::engine::{Durability, EngineOptions};
use jazz_storage_core::engine::{
    MaintainedBy,
    backup::{Copied, INCOMPLETE, Source, Target},
};
use jazz_storage_core::file::{Failure, FaultFileIO, FileIO, InMemoryFileIO};
use jazz_storage_core::format::archive::HEADER_LEN;
use jazz_storage_core::format::manifest::{Manifest, SLOTS};
use jazz_storage_core::format::run::seal;
use jazz_storage_core::store::rows::CoValueId;
use jazz_storage_core::store::{BfTreeStorage, ModelStorage, StorageBackend, StoreOptions};
use jazz_storage_core::{Error, ErrorCode, Result};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;
use workload::crashes::losses;
use workload::random::{Random, setting};
use workload::{assert_same, contents, message, read_file, step, store, try_contents, write_file};

type Store<F = InMemoryFileIO> = BfTreeStorage<F>;

const ARCHIVE: &str = "store.jazzbak";

fn options(checkpoint_rows: u64, fanout: usize) -> StoreOptions {
    let engine = EngineOptions {
        checkpoint_rows,
        fanout,
        max_layers: 2 * fanout,
        segment_bytes: 64 << 10,
        cache_bytes: 64 << 10,
        buffer_bytes: 64 << 10,
        reserve_bytes: 0,
        prepare_bytes: 0,
        large_bytes: 100,
        background_sync: false,
        maintained_by: MaintainedBy::Commits,
        patience: Duration::ZERO,
    };
    StoreOptions { durability: Durability::Relaxed, engine }
}

fn plain() -> StoreOptions {
    options(1_000_000, 8)
}

fn anyway() -> impl FnMut(u64, u64) -> bool {
    |_, _| true
}

fn to_directory<F: FileIO>(store: &Store<F>) -> InMemoryFileIO {
    let io = InMemoryFileIO::new();
    store.backup(Target::Directory(&io), &mut anyway()).unwrap();
    io
}

fn to_archive<F: FileIO>(store: &Store<F>) -> InMemoryFileIO {
    let io = InMemoryFileIO::new();
    store.backup(Target::File(&io, ARCHIVE), &mut anyway()).unwrap();
    io
}

fn archive(io: &InMemoryFileIO) -> Source<InMemoryFileIO> {
    Source::File(io.clone(), ARCHIVE.to_owned())
}

/// A store from a backup, open; or why there is none, and then nothing is left.
fn try_restored(source: Source<InMemoryFileIO>, options: StoreOptions) -> Result<Store> {
    let io = InMemoryFileIO::new();
    let restored = Store::restore(source, io.clone(), options.clone(), &mut anyway());
    if restored.is_err() {
        assert_eq!(io.list().unwrap_or_default(), Vec::<String>::new(), "{restored:?} left something");
    }
    restored.and_then(|_| Store::open(io, options))
}

fn restored(source: Source<InMemoryFileIO>) -> Store {
    try_restored(source, plain()).unwrap()
}

/// The newest manifest in a directory.
fn manifest(io: &InMemoryFileIO) -> Manifest {
    let slots = SLOTS.iter().map(|slot| Manifest::decode(&read_file(io, slot)).unwrap());
    slots.max_by_key(|manifest| manifest.generation).unwrap()
}

/// A store with everything that there can be: layers, packs, sealed segments, a tail of the log.
fn filled<F: FileIO>(io: F) -> (Store<F>, Vec<String>) {
    let store = Store::open(io, options(12, 3)).unwrap();
    let model = ModelStorage::new();
    for n in 0..90 {
        step(&store, n).unwrap();
        step(&model, n).unwrap();
    }
    (store, contents(&model))
}

#[test]
fn a_backup_after_each_step_of_flushes_and_merges_is_the_store_at_that_moment() {
    let source = Store::open(InMemoryFileIO::new(), options(10, 2)).unwrap();
    let model = ModelStorage::new();
    let (mut flushing, mut merging) = (0, 0);
    for n in 0..110 {
        // Work done in small pieces leaves flushes and merges half done after most steps.
        step(&source, n).unwrap();
        step(&model, n).unwrap();
        for id in 100 + 2 * n..102 + 2 * n {
            store(&source, &message(id, 0, 0, 2));
            store(&model, &message(id, 0, 0, 2));
        }
        let before = source.stats().unwrap();
        let (directory, archived) = (to_directory(&source), to_archive(&source));
        assert_eq!(source.stats().unwrap().layers, before.layers, "a backup changed the store");
        let copied = manifest(&directory);
        merging += u32::from(copied.merge.is_some());
        let log = directory.list().unwrap().iter().filter(|name| name.starts_with("segment-")).count();
        flushing += u32::from(log > 2);
        let expected = contents(&model);
        let opened = Store::open(directory, plain()).unwrap();
        assert_same(&contents(&opened), &expected, &format!("directory after step {n}"));
        assert_same(&contents(&restored(archive(&archived))), &expected, &format!("archive after step {n}"));
    }
    println!("{flushing} backups during a flush, {merging} during a merge");
    assert!(flushing > 5 && merging > 5, "{flushing} backups during a flush, {merging} during a merge");
}

/// Does `work` bytes of an operation at a time, and something else in between. Gives how often that was.
fn between<T>(
    operation: impl Future<Output = Result<T>>,
    work: u64,
    mut other: impl FnMut(usize),
) -> (usize, Result<T>) {
    let mut operation = pin!(operation);
    for slices in 0.. {
        match slice(operation.as_mut(), work) {
            Poll::Ready(result) => return (slices, result),
            Poll::Pending => other(slices),
        }
    }
    unreachable!("an operation ends")
}

#[test]
fn what_takes_long_is_done_in_slices_while_others_store_on_the_same_thread() {
    let (source, before) = filled(InMemoryFileIO::new());
    let model = ModelStorage::new();
    (0..90).for_each(|n| step(&model, n).unwrap());
    let mut next = 1000;
    let mut stored = |_| {
        store(&source, &message(next, 0, 0, 2));
        store(&model, &message(next, 0, 0, 2));
        next += 1;
    };
    let io = InMemoryFileIO::new();
    let mut each = anyway();
    let (slices, copied) =
        between(source.backup_in_slices(Target::File(&io, ARCHIVE), &mut each), 1, &mut stored);
    copied.unwrap();
    assert!(slices > 3, "{slices} slices of backing up");
    assert_same(&contents(&restored(archive(&io))), &before, "as it was when the backup began");

    let mut progress = |_| true;
    let (slices, verified) = between(source.verify_in_slices(&mut progress), 6 << 10, &mut stored);
    assert_eq!(verified.unwrap().damage, []);
    assert!(slices > 4, "{slices} slices of verifying");

    let (slices, compacted) = between(source.compact_in_slices(), 1, &mut stored);
    compacted.unwrap();
    // A step merges more than this store holds.
    assert!(slices > 0, "compacting never paused");
    assert_same(&contents(&source), &contents(&model), "with all that was stored meanwhile");

    // One that is ended leaves nothing, however far it has come.
    let ended = InMemoryFileIO::new();
    let mut each = anyway();
    {
        let mut backup = pin!(source.backup_in_slices(Target::File(&ended, ARCHIVE), &mut each));
        assert!(slice(backup.as_mut(), 1).is_pending());
    }
    assert_eq!(ended.list().unwrap(), Vec::<String>::new());
}

/// Sets a flag when it goes.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The transactions of the only session of a CoValue.
fn transactions<S: StorageBackend>(storage: &S, id: usize) -> Vec<Vec<u8>> {
    let covalue = storage.get_covalue(&CoValueId::new(format!("co_z{id}"))).unwrap().unwrap();
    let session = storage.get_covalue_sessions(covalue.row_id).unwrap()[0].row_id;
    let rows = storage.get_new_transactions_in_session(session, 0, u32::MAX).unwrap();
    rows.into_iter().map(|row| row.tx).collect()
}

#[test]
fn a_backup_while_others_store_holds_what_had_been_stored_before_and_a_consistent_rest() {
    const WRITERS: usize = 3;
    let options = StoreOptions {
        engine: EngineOptions {
            checkpoint_rows: 40,
            fanout: 2,
            segment_bytes: 64 << 10,
            patience: Duration::ZERO,
            ..EngineOptions::default()
        },
        ..StoreOptions::default()
    };
    let source = Store::open(InMemoryFileIO::new(), options).unwrap();
    let stop = AtomicBool::new(false);
    let stored: [AtomicU32; WRITERS] = Default::default();
    // Each writer stores in turns to two CoValues of its own: at any moment the first has as many as the second, or one more.
    let write = |writer: usize| {
        let mut n = 0;
        while !stop.load(Ordering::Relaxed) {
            store(&source, &message(10 * writer, 0, n, 1));
            stored[writer].fetch_add(1, Ordering::SeqCst);
            store(&source, &message(10 * writer + 1, 0, n, 1));
            stored[writer].fetch_add(1, Ordering::SeqCst);
            n += 1;
        }
    };
    std::thread::scope(|scope| {
        // However this ends, as the writers are waited for.
        let _stopping = SetAtEnd(&stop);
        for writer in 0..WRITERS {
            scope.spawn(move || write(writer));
        }
        let mut round = 0;
        while round < 10 || source.stats().unwrap().merges < 2 {
            round += 1;
            let before = stored.each_ref().map(|count| count.load(Ordering::SeqCst));
            let copy = if round % 2 == 0 {
                Store::open(to_directory(&source), plain()).unwrap()
            } else {
                restored(archive(&to_archive(&source)))
            };
            let after = stored.each_ref().map(|count| count.load(Ordering::SeqCst));
            for writer in 0..WRITERS {
                let count = |id: usize| -> u32 {
                    let state = copy.get_known_state(&CoValueId::new(format!("co_z{id}"))).unwrap();
                    state.map_or(0, |state| state.sessions[0].1)
                };
                let (first, second) = (count(10 * writer), count(10 * writer + 1));
                assert!(first == second || first == second + 1, "{first} and {second}");
                let total = first + second;
                // One more may have been stored than was counted.
                assert!(
                    before[writer] <= total && total <= after[writer] + 1,
                    "{before:?} {total} {after:?}"
                );
                for (id, count) in
                    [(10 * writer, first), (10 * writer + 1, second)].into_iter().filter(|(_, n)| *n > 0)
                {
                    let model = ModelStorage::new();
                    store(&model, &message(id, 0, 0, count));
                    assert_eq!(transactions(&copy, id), transactions(&model, id), "{id}");
                }
            }
        }
    });
}

#[test]
fn a_restored_store_goes_on_as_the_one_that_was_backed_up() {
    let options = options(12, 3);
    let source = Store::open(InMemoryFileIO::new(), options.clone()).unwrap();
    let model = ModelStorage::new();
    for n in 0..60 {
        step(&source, n).unwrap();
        step(&model, n).unwrap();
    }
    let (directory, archived) = (to_directory(&source), to_archive(&source));
    for (name, from) in [("directory", Source::Directory(directory)), ("archive", archive(&archived))] {
        let io = InMemoryFileIO::new();
        Store::restore(from, io.clone(), options.clone(), &mut anyway()).unwrap();
        let model = model.clone();
        for part in 0..4 {
            let store = Store::open(io.clone(), options.clone()).unwrap();
            for n in 60 + part * 20..80 + part * 20 {
                step(&store, n).unwrap();
                step(&model, n).unwrap();
            }
            if part == 2 {
                store.compact().unwrap();
            }
            assert_same(&contents(&store), &contents(&model), &format!("{name}, part {part}"));
            // A backup of a restored store is one as well.
            assert_same(&contents(&restored(archive(&to_archive(&store)))), &contents(&model), name);
        }
    }
}

#[test]
fn compacting_a_restored_store_erases_what_was_in_the_copied_log() {
    let source = Store::open(InMemoryFileIO::new(), plain()).unwrap();
    store(
        &source,
        &workload::content(1, &[workload::Part { session: 0, after: 0, count: 1, size: 40 }], false),
    );
    source.erase_covalue_but_keep_tombstone(&CoValueId::from("co_z1")).unwrap();
    let io = to_directory(&source);
    let holds = |io: &InMemoryFileIO| {
        let names = io.list().unwrap();
        names.iter().any(|name| read_file(io, name).windows(6).any(|bytes| bytes == b"[\"1 0 "))
    };
    assert!(holds(&io), "the log is copied as it is");
    Store::open(io.clone(), plain()).unwrap().compact().unwrap();
    assert!(!holds(&io));
}

#[test]
fn only_what_is_free_is_written_to_and_only_a_backup_is_restored() {
    let (source, _) = filled(InMemoryFileIO::new());
    let io = to_archive(&source);
    let before = read_file(&io, ARCHIVE);
    let again = source.backup(Target::File(&io, ARCHIVE), &mut anyway());
    assert!(matches!(&again, Err(Error::TargetExists { path }) if path.ends_with(ARCHIVE)), "{again:?}");
    assert_eq!(read_file(&io, ARCHIVE), before);
    assert_eq!(io.list().unwrap(), [ARCHIVE]);
    let into = source.backup(Target::Directory(&io), &mut anyway());
    assert!(matches!(&into, Err(Error::TargetExists { path }) if path == io.path()), "{into:?}");
    let over = Store::restore(archive(&io), io.clone(), plain(), &mut anyway());
    assert_eq!(over.unwrap_err().code(), ErrorCode::TargetExists);
    assert_eq!(io.list().unwrap(), [ARCHIVE]);

    let code = |source| try_restored(source, plain()).err().map(|e| e.code());
    assert_eq!(code(Source::File(io.clone(), "other".to_owned())), Some(ErrorCode::Io));
    assert_eq!(code(Source::Directory(io.clone())), Some(ErrorCode::NotABackup));
    write_file(&io, "text", b"hello, this is a text file and no archive of anything at all, but long enough");
    assert_eq!(code(Source::File(io.clone(), "text".to_owned())), Some(ErrorCode::NotABackup));
    write_file(&io, ARCHIVE, &[]);
    assert_eq!(code(archive(&io)), Some(ErrorCode::NotABackup));
    let mut newer = before;
    newer[8] += 1;
    let mut header = newer[..HEADER_LEN - 4].to_vec();
    seal(&mut header);
    newer[..HEADER_LEN].copy_from_slice(&header);
    write_file(&io, ARCHIVE, &newer);
    assert_eq!(code(archive(&io)), Some(ErrorCode::NewerFormat));
}

#[test]
fn a_directory_is_restored_without_being_changed_and_not_while_it_is_open() {
    let (source, expected) = filled(InMemoryFileIO::new());
    let directory = to_directory(&source);
    let files = |io: &InMemoryFileIO| -> Vec<_> {
        io.list().unwrap().into_iter().map(|name| (name.clone(), read_file(io, &name))).collect()
    };
    let before = files(&directory);
    assert!(before.iter().all(|(name, _)| name != INCOMPLETE));
    assert_same(&contents(&restored(Source::Directory(directory.clone()))), &expected, "restored");
    assert_eq!(files(&directory), before);
    let open = Store::open(directory.clone(), plain()).unwrap();
    write_file(&directory, "LOCK", &[]);
    let locked = try_restored(Source::Directory(directory.clone()), plain()).err().unwrap();
    assert_eq!(locked.code(), ErrorCode::Locked);
    drop(open);
    assert_same(&contents(&restored(Source::Directory(directory))), &expected, "restored after it was open");
}

#[test]
fn progress_is_told_and_a_backup_or_restore_can_be_cancelled_at_any_time() {
    let (source, _) = filled(InMemoryFileIO::new());
    let archived = to_archive(&source);
    let directory = to_directory(&source);
    let io = InMemoryFileIO::new();
    type Operation<'a> = Box<dyn Fn(&mut dyn FnMut(u64, u64) -> bool) -> Result<Copied> + 'a>;
    let operations: [(&str, Operation<'_>); 4] = [
        ("backup to a directory", Box::new(|each| source.backup(Target::Directory(&io), each))),
        ("backup to a file", Box::new(|each| source.backup(Target::File(&io, ARCHIVE), each))),
        ("restore a file", Box::new(|each| Store::restore(archive(&archived), io.clone(), plain(), each))),
        (
            "restore a directory",
            Box::new(|each| Store::restore(Source::Directory(directory.clone()), io.clone(), plain(), each)),
        ),
    ];
    for (name, operation) in &operations {
        let mut told = Vec::new();
        let copied = operation(&mut |done, total| {
            told.push((done, total));
            true
        });
        let copied = copied.unwrap();
        assert!(copied.files > 4, "{name}: {copied:?}");
        assert!(told.is_sorted() && told.len() as u64 >= copied.files, "{name}: {told:?}");
        assert_eq!(told.last(), Some(&(copied.bytes, copied.bytes)), "{name}");
        assert!(told.iter().all(|(_, total)| *total == copied.bytes), "{name}");
        for at in 0..told.len() {
            io.list().unwrap().iter().for_each(|file| io.remove(file).unwrap());
            let mut count = 0;
            let cancelled = operation(&mut |_, _| {
                count += 1;
                count <= at
            });
            assert_eq!(cancelled.unwrap_err().code(), ErrorCode::Cancelled, "{name} at {at}");
            assert_eq!(io.list().unwrap(), Vec::<String>::new(), "{name} at {at}");
        }
    }
}

/// Something that writes to a directory in which everything can fail.
type Writing<'a> = (&'static str, Box<dyn Fn(&FaultFileIO) -> Result<Copied> + 'a>);

fn writings<'a>(source: &'a Store, archived: &'a InMemoryFileIO) -> [Writing<'a>; 3] {
    [
        ("directory", Box::new(|io| source.backup(Target::Directory(io), &mut anyway()))),
        ("file", Box::new(|io| source.backup(Target::File(io, ARCHIVE), &mut anyway()))),
        ("restore", Box::new(|io| Store::restore(archive(archived), io.clone(), plain(), &mut anyway()))),
    ]
}

#[test]
fn an_interrupted_backup_or_restore_is_refused_or_absent_or_whole() {
    let (source, expected) = filled(InMemoryFileIO::new());
    let archived = to_archive(&source);
    let (seed, points) = (setting("JAZZ_BACKUP_SEED", 1), setting("JAZZ_BACKUP_POINTS", 600));
    for (name, write) in &writings(&source, &archived) {
        let io = FaultFileIO::new();
        io.keep_history();
        write(&io).unwrap();
        let mut random = Random(seed);
        let (mut whole, mut refused, mut absent) = (0, 0, 0);
        for at in 0..=io.operations() {
            let left = io.after(at).unwrap();
            for loss in losses(random.next()) {
                // All ends, and as many of the rest as are wanted.
                if io.operations() - at > 12 && random.next() % (io.operations() * 9) > points {
                    continue;
                }
                let context = format!("{name} cut after {at} operations, {loss:?} (JAZZ_BACKUP_SEED={seed})");
                let left = left.restarted(loss);
                let names = left.list().unwrap_or_default();
                let store = if *name == "file" {
                    if !names.iter().any(|name| name == ARCHIVE) {
                        absent += 1;
                        continue;
                    }
                    let to = InMemoryFileIO::new();
                    let from = Source::File(left, ARCHIVE.to_owned());
                    let opened = Store::restore(from, to.clone(), plain(), &mut anyway());
                    opened.map(|_| contents(&Store::open(to, plain()).unwrap()))
                } else {
                    if names.is_empty() {
                        absent += 1;
                        continue;
                    }
                    Store::open(left, plain()).map(|store| contents(&store))
                };
                match store {
                    Ok(got) => {
                        assert_same(&got, &expected, &context);
                        whole += 1;
                    }
                    Err(Error::NotABackup { .. } | Error::Corrupt { .. }) => refused += 1,
                    Err(e) => panic!("{context}: {e}"),
                }
            }
        }
        println!("{name}: {} operations; {whole} whole, {refused} refused, {absent} absent", io.operations());
        assert!(whole > 5 && absent > 5 && refused > 2, "{name}: {whole} {refused} {absent}");
    }
}

#[test]
fn a_backup_or_restore_that_fails_leaves_nothing() {
    let (source, expected) = filled(InMemoryFileIO::new());
    let archived = to_archive(&source);
    for (name, write) in &writings(&source, &archived) {
        let io = FaultFileIO::new();
        write(&io).unwrap();
        for at in 0..io.operations() {
            for failure in [Failure::Device, Failure::HalfWritten, Failure::DiskFull] {
                let target = FaultFileIO::new();
                target.fail_after(at, failure);
                let failed = write(&target);
                let context = format!("{name}, {failure:?} at operation {at}: {failed:?}");
                // Some is done when the restored store is closed, and what fails there is not needed.
                if *name == "restore" && failed.is_ok() {
                    let store = Store::open(target, plain()).unwrap();
                    assert_same(&contents(&store), &expected, &context);
                    continue;
                }
                let code = failed.expect_err(&context).code();
                let expected = if failure == Failure::DiskFull { ErrorCode::DiskFull } else { ErrorCode::Io };
                assert_eq!(code, expected, "{context}");
                assert_eq!(target.list().unwrap_or_default(), Vec::<String>::new(), "{context}");
            }
        }
    }
}

#[test]
fn reads_that_fail_are_errors_and_leave_nothing() {
    let io = FaultFileIO::new();
    let (source, expected) = filled(io.clone());
    let queries = io.queries();
    to_archive(&source);
    for at in 0..io.queries() - queries {
        for failure in [Failure::Device, Failure::ShortRead] {
            io.fail_query_after(at, failure);
            let target = InMemoryFileIO::new();
            let result = source.backup(Target::File(&target, ARCHIVE), &mut anyway());
            io.heal();
            match result {
                Ok(_) => assert_same(&contents(&restored(archive(&target))), &expected, "after a short read"),
                Err(e) => {
                    assert_eq!(e.code(), ErrorCode::Io, "{failure:?} at {at}: {e}");
                    assert_eq!(target.list().unwrap_or_default(), Vec::<String>::new());
                }
            }
        }
    }
    assert_eq!(try_contents(&source).unwrap(), expected);
}
