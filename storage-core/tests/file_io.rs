//! The contract of `FileIO`, one list of checks for every implementation, and what only a real directory can show.

// Helpers of tests are tests, but the linter only sees functions marked as such.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jazz_storage_core::error::{Error, ErrorCode, LockHolder};
use jazz_storage_core::file::{FaultFileIO, FileHandle, FileIO, InMemoryFileIO, OpenMode, StdFileIO};
use jazz_storage_file_suite::{code, content, for_each_check};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;

/// Runs every check over a fresh directory of each implementation. That of the injector of faults, which injects none here,
/// is there from the start.
macro_rules! for_each_file_io {
    (any: [$($any:ident),+ $(,)?], fresh: [$($fresh:ident),+ $(,)?], paths: [$($paths:ident),+ $(,)?] $(,)?) => {
        mod std_fs {
            $(#[test]
            fn $any() {
                let parent = tempfile::tempdir().unwrap();
                jazz_storage_file_suite::$any(&super::StdFileIO::new(parent.path().join("store")));
            })+
            $(#[test]
            fn $fresh() {
                let parent = tempfile::tempdir().unwrap();
                jazz_storage_file_suite::$fresh(&super::StdFileIO::new(parent.path().join("store")));
            })+
            $(#[test]
            fn $paths() {
                let parent = tempfile::tempdir().unwrap();
                jazz_storage_file_suite::$paths(parent.path());
            })+
        }
        mod memory {
            $(#[test]
            fn $any() {
                jazz_storage_file_suite::$any(&super::InMemoryFileIO::new());
            })+
            $(#[test]
            fn $fresh() {
                jazz_storage_file_suite::$fresh(&super::InMemoryFileIO::new());
            })+
        }
        mod fault {
            $(#[test]
            fn $any() {
                jazz_storage_file_suite::$any(&super::FaultFileIO::new());
            })+
        }
    };
}

for_each_check!(for_each_file_io);

/// Not in the list, as WebAssembly has no threads.
#[test]
fn one_handle_serves_several_threads() {
    let parent = tempfile::tempdir().unwrap();
    several_threads(&StdFileIO::new(parent.path().join("store")));
    several_threads(&InMemoryFileIO::new());
    several_threads(&FaultFileIO::new());
}

fn several_threads(io: &impl FileIO) {
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

/// Files of a file system that is written over in place, whichever the temporary directory is on.
#[cfg(target_os = "linux")]
mod in_memory {
    use super::{FileHandle, FileIO, OpenMode, StdFileIO, content};

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir_in("/dev/shm").unwrap()
    }

    /// Write calls that this thread has made.
    fn writes() -> u64 {
        let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        io.lines().find_map(|line| line.strip_prefix("syscw: ")).unwrap().parse().unwrap()
    }

    #[test]
    fn overwrites_are_writes() {
        let parent = directory();
        jazz_storage_file_suite::advised_overwrites_are_writes(&StdFileIO::new(parent.path().join("store")));
    }

    #[test]
    fn small_overwrites_are_no_calls() {
        let parent = directory();
        let file = StdFileIO::new(parent.path()).open("a", OpenMode::CreateNew).unwrap();
        assert!(file.overwrites_in_memory());
        file.write_at(&[0; 100_000], 0).unwrap();
        let calls = |len: usize, offsets: std::ops::Range<u64>| {
            let before = writes();
            for n in offsets {
                file.write_at(&vec![n as u8; len], 50_000 + n * len as u64).unwrap();
            }
            writes() - before
        };
        assert_eq!(calls(100, 0..100), 100, "nobody has said so");
        file.will_overwrite(50_000..100_000);
        assert_eq!(calls(100, 0..500), 0);
        file.sync().unwrap();
        assert_eq!(calls(100, 0..500), 0, "after a sync too");
        assert_eq!(calls(100, 499..501), 1, "behind the end");
        assert_eq!(calls(20_000, 0..2), 2, "large ones");
        file.truncate(60_000).unwrap();
        assert_eq!(calls(100, 0..10), 10, "a file that was shortened");
        assert_eq!(content(&file)[50_000..51_000], std::array::from_fn::<u8, 1_000, _>(|n| (n / 100) as u8));
    }
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
