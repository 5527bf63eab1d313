//! The contract of `FileIO`, one list of checks for every implementation, and what only a real directory can show.

// Helpers of tests are tests, but the linter only sees functions marked as such.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jazz_storage_core::error::{Error, ErrorCode, LockHolder};
use jazz_storage_core::file::{FaultFileIO, FileHandle, FileIO, InMemoryFileIO, OpenMode, StdFileIO};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;

/// Runs every check over a fresh directory of each implementation.
macro_rules! for_each_file_io {
    ($($check:ident),+ $(,)?) => {
        mod std_fs {
            $(#[test]
            fn $check() {
                let parent = tempfile::tempdir().unwrap();
                super::$check(&super::StdFileIO::new(parent.path().join("store")));
            })+
        }
        mod memory {
            $(#[test]
            fn $check() {
                super::$check(&super::InMemoryFileIO::new());
            })+
        }
    };
}

for_each_file_io!(
    nothing_works_before_the_directory_exists,
    modes_of_opening,
    reads_and_writes_are_complete_at_any_offset,
    names_appear_and_disappear,
    removed_files_stay_readable,
    names_are_plain,
    read_only_handles_refuse_changes,
    one_lock_at_a_time,
    one_handle_serves_several_threads,
);

/// The injector of faults, while it injects none. Its directory is there from the start.
#[test]
fn the_injector_of_faults_keeps_the_contract_too() {
    let checks: [fn(&FaultFileIO); 8] = [
        modes_of_opening,
        reads_and_writes_are_complete_at_any_offset,
        names_appear_and_disappear,
        removed_files_stay_readable,
        names_are_plain,
        read_only_handles_refuse_changes,
        one_lock_at_a_time,
        one_handle_serves_several_threads,
    ];
    checks.iter().for_each(|check| check(&FaultFileIO::new()));
}

fn code<T>(result: Result<T, Error>) -> ErrorCode {
    result.err().expect("an error").code()
}

fn content(file: &impl FileHandle) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap() + 1];
    let read = file.read_at(&mut bytes, 0).unwrap();
    bytes.truncate(read);
    bytes
}

fn sorted(io: &impl FileIO) -> Vec<String> {
    let mut names = io.list().unwrap();
    names.sort();
    names
}

fn nothing_works_before_the_directory_exists(io: &impl FileIO) {
    assert_eq!(code(io.list()), ErrorCode::Io);
    assert_eq!(code(io.open("a", OpenMode::CreateNew)), ErrorCode::Io);
    assert_eq!(code(io.open("a", OpenMode::Read)), ErrorCode::Io);
    assert_eq!(code(io.sync_dir()), ErrorCode::Io);
    assert_eq!(code(io.lock()), ErrorCode::Io);
    assert!(!io.exists("a").unwrap());
    io.create_dir().unwrap();
    io.create_dir().unwrap();
    assert_eq!(io.list().unwrap(), Vec::<String>::new());
    io.sync_dir().unwrap();
}

fn modes_of_opening(io: &impl FileIO) {
    io.create_dir().unwrap();
    assert_eq!(code(io.open("a", OpenMode::Read)), ErrorCode::Io);
    assert_eq!(code(io.open("a", OpenMode::ReadWrite)), ErrorCode::Io);
    io.open("a", OpenMode::CreateNew).unwrap().write_at(b"abc", 0).unwrap();
    let error = io.open("a", OpenMode::CreateNew).err().expect("it exists");
    assert!(error.to_string().contains("create failed on"), "{error}");
    let writer = io.open("a", OpenMode::ReadWrite).unwrap();
    let reader = io.open("a", OpenMode::Read).unwrap();
    writer.write_at(b"B", 1).unwrap();
    writer.flush().unwrap();
    writer.sync().unwrap();
    assert_eq!(content(&reader), b"aBc");
}

fn reads_and_writes_are_complete_at_any_offset(io: &impl FileIO) {
    io.create_dir().unwrap();
    let file = io.open("a", OpenMode::CreateNew).unwrap();
    assert!(file.is_empty().unwrap());
    file.write_at(b"", 10).unwrap();
    assert_eq!(file.len().unwrap(), 0, "writing nothing does not grow a file");
    file.write_at(b"xyz", 4).unwrap();
    assert_eq!(content(&file), b"\0\0\0\0xyz");
    file.write_at(b"12345", 2).unwrap();
    assert_eq!(content(&file), b"\0\x0012345");
    let mut buf = [9; 4];
    assert_eq!(file.read_at(&mut buf, 5).unwrap(), 2);
    assert_eq!(buf, [b'4', b'5', 9, 9]);
    assert_eq!(file.read_at(&mut buf, 7).unwrap(), 0);
    assert_eq!(file.read_at(&mut buf, 1 << 40).unwrap(), 0);
    assert_eq!(file.read_at(&mut [], 0).unwrap(), 0);
    file.truncate(3).unwrap();
    file.truncate(5).unwrap();
    assert_eq!(content(&file), b"\0\x001\0\0");
    let big: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
    file.write_at(&big, 5).unwrap();
    assert_eq!(&content(&file)[5..], big);
}

fn names_appear_and_disappear(io: &impl FileIO) {
    io.create_dir().unwrap();
    for name in ["a", "b"] {
        io.open(name, OpenMode::CreateNew).unwrap().write_at(name.as_bytes(), 0).unwrap();
    }
    assert_eq!(sorted(io), ["a", "b"]);
    io.rename("a", "b").unwrap();
    assert_eq!(sorted(io), ["b"]);
    assert_eq!(content(&io.open("b", OpenMode::Read).unwrap()), b"a");
    io.rename("b", "b").unwrap();
    assert!(io.exists("b").unwrap() && !io.exists("a").unwrap());
    io.remove("b").unwrap();
    assert_eq!(code(io.remove("b")), ErrorCode::Io);
    assert_eq!(code(io.rename("b", "c")), ErrorCode::Io);
    assert_eq!(sorted(io), Vec::<String>::new());
}

fn removed_files_stay_readable(io: &impl FileIO) {
    io.create_dir().unwrap();
    let file = io.open("a", OpenMode::CreateNew).unwrap();
    file.write_at(b"abc", 0).unwrap();
    io.remove("a").unwrap();
    let new = io.open("a", OpenMode::CreateNew).unwrap();
    file.write_at(b"d", 3).unwrap();
    assert_eq!((content(&file), content(&new)), (b"abcd".to_vec(), vec![]));
}

fn names_are_plain(io: &impl FileIO) {
    io.create_dir().unwrap();
    for name in ["", ".", "..", "a/b", "../a", "a\\b", "c:", "a\0b", "/"] {
        assert_eq!(code(io.open(name, OpenMode::CreateNew)), ErrorCode::Internal, "{name:?}");
        assert_eq!(code(io.exists(name)), ErrorCode::Internal, "{name:?}");
        assert_eq!(code(io.remove(name)), ErrorCode::Internal, "{name:?}");
        assert_eq!(code(io.rename(name, "a")), ErrorCode::Internal, "{name:?}");
        assert_eq!(code(io.rename("a", name)), ErrorCode::Internal, "{name:?}");
    }
    assert_eq!(sorted(io), Vec::<String>::new());
}

fn read_only_handles_refuse_changes(io: &impl FileIO) {
    io.create_dir().unwrap();
    io.open("a", OpenMode::CreateNew).unwrap().write_at(b"abc", 0).unwrap();
    let file = io.open("a", OpenMode::Read).unwrap();
    assert_eq!(code(file.write_at(b"x", 0)), ErrorCode::PermissionDenied);
    assert_eq!(code(file.truncate(0)), ErrorCode::PermissionDenied);
    assert_eq!(content(&file), b"abc");
}

fn one_lock_at_a_time<F: FileIO>(io: &F) {
    io.create_dir().unwrap();
    let lock = io.lock().unwrap();
    match io.lock().err().expect("the directory is taken") {
        Error::Locked { path, holder } => {
            assert_eq!(path, io.path());
            assert_eq!(holder, LockHolder::Process(std::process::id()));
        }
        other => panic!("{other}"),
    }
    drop(lock);
    drop(io.lock().unwrap());
    io.lock().unwrap();
}

fn one_handle_serves_several_threads(io: &impl FileIO) {
    io.create_dir().unwrap();
    let file = io.open("a", OpenMode::CreateNew).unwrap();
    thread::scope(|scope| {
        for n in 0..4u8 {
            let file = &file;
            scope.spawn(move || {
                for block in 0..64u64 {
                    let at = (block * 4 + u64::from(n)) * 100;
                    file.write_at(&[n + 1; 100], at).unwrap();
                    let mut back = [0; 100];
                    assert_eq!(file.read_at(&mut back, at).unwrap(), 100);
                    assert_eq!(back, [n + 1; 100]);
                }
            });
        }
    });
    for (n, block) in content(&file).chunks(100).enumerate() {
        assert_eq!(block, [(n % 4) as u8 + 1; 100]);
    }
}

#[test]
fn clones_of_a_directory_in_memory_are_one_directory() {
    let io = InMemoryFileIO::new();
    io.create_dir().unwrap();
    let other = io.clone();
    other.open("a", OpenMode::CreateNew).unwrap().write_at(b"abc", 0).unwrap();
    assert_eq!(content(&io.open("a", OpenMode::Read).unwrap()), b"abc");
    let lock = io.lock().unwrap();
    assert_eq!(code(other.lock()), ErrorCode::Locked);
    drop(lock);
    assert_eq!(code(InMemoryFileIO::new().list()), ErrorCode::Io, "others are others");
}

#[test]
fn a_file_in_the_place_of_a_directory_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    std::fs::write(&file, b"").unwrap();
    for path in [file.clone(), file.join("store"), file.join("deep").join("store")] {
        match StdFileIO::new(path).create_dir() {
            Err(Error::NotADirectory { path }) => assert_eq!(path, file),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn parents_are_created() {
    let parent = tempfile::tempdir().unwrap();
    let io = StdFileIO::new(parent.path().join("some").join("deep").join("store"));
    io.create_dir().unwrap();
    assert!(io.path().is_dir());
    io.lock().unwrap();
}

#[cfg(unix)]
#[test]
fn a_refused_directory_is_a_typed_error() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let closed = parent.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser is refused nothing in an ordinary directory, but nobody creates one in the kernel's.
    let path = if std::fs::read_dir(&closed).is_ok() { "/sys".into() } else { closed.clone() };
    let refused = StdFileIO::new(path.join("store")).create_dir();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    let error = refused.expect_err("no directory can be created there");
    assert_eq!(error.code(), ErrorCode::PermissionDenied, "{error}");
}

#[test]
fn files_of_a_lock_do_not_disturb_it() {
    let parent = tempfile::tempdir().unwrap();
    let io = StdFileIO::new(parent.path());
    drop(io.lock().unwrap());
    assert_eq!(io.list().unwrap(), ["LOCK"], "the lock's file is never removed");
    let _lock = io.lock().unwrap();
    std::fs::write(parent.path().join("OWNER"), b"nonsense").unwrap();
    assert!(matches!(io.lock(), Err(Error::Locked { holder: LockHolder::Unknown, .. })));
    std::fs::remove_file(parent.path().join("OWNER")).unwrap();
    assert!(matches!(io.lock(), Err(Error::Locked { holder: LockHolder::Unknown, .. })));
}

const DIRECTORY_OF_CHILD: &str = "JAZZ_TEST_DIRECTORY_TO_LOCK";

/// Not a test: the process that the next test starts and kills.
#[test]
#[ignore = "run by a_killed_process_leaves_no_lock"]
fn hold_a_lock_until_killed() {
    let directory = std::env::var_os(DIRECTORY_OF_CHILD).expect("run by another test");
    let _lock = StdFileIO::new(directory).lock().unwrap();
    println!("\nlocked");
    thread::park();
}

#[test]
fn a_killed_process_leaves_no_lock() {
    let parent = tempfile::tempdir().unwrap();
    let io = StdFileIO::new(parent.path());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["hold_a_lock_until_killed", "--exact", "--ignored", "--nocapture"])
        .env(DIRECTORY_OF_CHILD, parent.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap() == "locked"), "the child took the lock");
    let refused = io.lock();
    let pid = child.id();
    child.kill().unwrap();
    child.wait().unwrap();
    match refused.expect_err("the child holds it") {
        Error::Locked { holder, .. } => assert_eq!(holder, LockHolder::Process(pid)),
        other => panic!("{other}"),
    }
    drop(io.lock().unwrap());
}
