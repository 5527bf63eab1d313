//! The contract of [`FileIO`], one list of checks for every implementation.
//!
//! Natively the engine's tests run them (`tests/file_io.rs`). Compiled to WebAssembly this is a module with which Node runs
//! them over `HostFileIO` (`platforms/wasm/test/host.test.mjs`).

// This is a test, but the linter only sees functions marked as such.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(target_family = "wasm")]
pub mod wasm;

use jazz_storage_core::error::{Error, ErrorCode, LockHolder};
use jazz_storage_core::file::{FileHandle, FileIO, NativeFileIO, OpenMode};
use std::path::Path;

/// Calls a macro with the names of all checks: `any` take a directory, whether it exists or not; `fresh` one that does not
/// exist yet; `paths` the path of an empty directory of the platform's file system.
#[macro_export]
macro_rules! for_each_check {
    ($then:ident) => {
        $then! {
            any: [
                modes_of_opening,
                reads_and_writes_are_complete_at_any_offset,
                advised_overwrites_are_writes,
                names_appear_and_disappear,
                removed_files_stay_readable,
                names_are_plain,
                read_only_handles_refuse_changes,
                one_lock_at_a_time,
            ],
            fresh: [nothing_works_before_the_directory_exists],
            paths: [
                a_file_in_the_place_of_a_directory_is_named,
                parents_are_created,
                the_directory_of_many_names_is_one,
                what_stands_in_owner_disturbs_no_lock,
            ],
        }
    };
}

/// This process as the holder of a lock.
fn this_process() -> LockHolder {
    #[cfg(target_family = "wasm")]
    return LockHolder::Process(wasm::process_id());
    #[cfg(not(target_family = "wasm"))]
    LockHolder::Process(std::process::id())
}

/// The code of an error.
pub fn code<T>(result: Result<T, Error>) -> ErrorCode {
    result.err().expect("an error").code()
}

/// All bytes of a file.
pub fn content(file: &impl FileHandle) -> Vec<u8> {
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

/// Creating it twice is creating it once.
pub fn nothing_works_before_the_directory_exists(io: &impl FileIO) {
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

/// What exists, and what does not; two handles on one file.
pub fn modes_of_opening(io: &impl FileIO) {
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

/// Also beyond the end, of nothing, and of more than a system writes at once.
pub fn reads_and_writes_are_complete_at_any_offset(io: &impl FileIO) {
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
    for advised in [0..0, 0..10, 1_000_000..u64::MAX, u64::MAX..u64::MAX] {
        file.will_read(advised);
    }
    assert_eq!(&content(&file)[5..], big, "advice changes nothing");
}

/// Whoever reads, and whatever becomes of the file meanwhile.
pub fn advised_overwrites_are_writes(io: &impl FileIO) {
    io.create_dir().unwrap();
    let file = io.open("a", OpenMode::CreateNew).unwrap();
    let other = io.open("a", OpenMode::ReadWrite).unwrap();
    let mut expected = Vec::new();
    let mut write = |bytes: &[u8], offset: usize| {
        file.write_at(bytes, offset as u64).unwrap();
        if expected.len() < offset + bytes.len() {
            expected.resize(offset + bytes.len(), 0);
        }
        expected[offset..offset + bytes.len()].copy_from_slice(bytes);
        assert!(content(&file) == expected && content(&other) == expected, "{} at {offset}", bytes.len());
    };
    write(&[1; 5_000], 0);
    // Of bytes that the file has not, nothing is to be made.
    file.will_overwrite(5_000..6_000);
    write(b"behind the end", 5_000);
    write(&[0; 60_000], 5_014);
    file.will_overwrite(5_014..65_014);
    for n in 0..300_usize {
        write(&vec![n as u8; n % 200 + 1], 5_014 + n * 200);
        if n % 100 == 50 {
            file.sync().unwrap();
        }
    }
    for offset in [0, 4_000, 5_013, 64_990, 65_014, 65_100] {
        write(&[9; 100], offset);
    }
    write(&[8; 50_000], 3_000);
    file.will_overwrite(0..10);
    write(&[7; 10], 0);
    write(&[6; 10], 5);
    for advised in [0..0, 7..7, u64::MAX..u64::MAX, 9..u64::MAX] {
        file.will_overwrite(advised);
    }
    write(&[5; 10], 2);
    file.will_overwrite(0..60_000);
    file.truncate(100).unwrap();
    file.write_at(&[4; 10], 300).unwrap();
    let shortened = content(&file);
    assert!(shortened.len() == 310 && shortened == content(&other));
    assert_eq!((shortened[0], shortened[99], shortened[100], shortened[309]), (7, 9, 0, 4));
    let reader = io.open("a", OpenMode::Read).unwrap();
    assert!(!reader.overwrites_in_memory());
    reader.will_overwrite(0..310);
    assert_eq!(code(reader.write_at(b"x", 0)), ErrorCode::PermissionDenied);
}

/// By creating, renaming and removing.
pub fn names_appear_and_disappear(io: &impl FileIO) {
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

/// And writable, by those who have them open.
pub fn removed_files_stay_readable(io: &impl FileIO) {
    io.create_dir().unwrap();
    let file = io.open("a", OpenMode::CreateNew).unwrap();
    file.write_at(b"abc", 0).unwrap();
    io.remove("a").unwrap();
    let new = io.open("a", OpenMode::CreateNew).unwrap();
    file.write_at(b"d", 3).unwrap();
    assert_eq!((content(&file), content(&new)), (b"abcd".to_vec(), vec![]));
}

/// A name that could lead out of the directory is a defect of the caller's.
pub fn names_are_plain(io: &impl FileIO) {
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

/// With one code, whatever the system says.
pub fn read_only_handles_refuse_changes(io: &impl FileIO) {
    io.create_dir().unwrap();
    io.open("a", OpenMode::CreateNew).unwrap().write_at(b"abc", 0).unwrap();
    let file = io.open("a", OpenMode::Read).unwrap();
    assert_eq!(code(file.write_at(b"x", 0)), ErrorCode::PermissionDenied);
    assert_eq!(code(file.truncate(0)), ErrorCode::PermissionDenied);
    assert_eq!(content(&file), b"abc");
}

/// Also in one process; and the refusal names it.
pub fn one_lock_at_a_time<F: FileIO>(io: &F) {
    io.create_dir().unwrap();
    let lock = io.lock().unwrap();
    match io.lock().err().expect("the directory is taken") {
        Error::Locked { path, holder } => {
            assert_eq!(path, io.path());
            assert_eq!(holder, this_process());
        }
        other => panic!("{other}"),
    }
    drop(lock);
    drop(io.lock().unwrap());
    io.lock().unwrap();
}

fn write(io: &impl FileIO, name: &str, bytes: &[u8]) {
    let file = io.open(name, OpenMode::CreateNew).unwrap();
    file.write_at(bytes, 0).unwrap();
}

/// Also where the parent of the directory is not one.
pub fn a_file_in_the_place_of_a_directory_is_named(parent: &Path) {
    write(&NativeFileIO::new(parent), "file", b"");
    let file = parent.join("file");
    for path in [file.clone(), file.join("store"), file.join("deep").join("store")] {
        match NativeFileIO::new(path).create_dir() {
            Err(Error::NotADirectory { path }) => assert_eq!(path, file),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(code(NativeFileIO::new(&file).list()), ErrorCode::NotADirectory);
}

/// And they are ordinary directories, removed when they are empty.
pub fn parents_are_created(parent: &Path) {
    let some = NativeFileIO::new(parent.join("some"));
    let io = NativeFileIO::new(some.path().join("deep").join("store"));
    assert!(!io.is_there());
    io.create_dir().unwrap();
    assert!(io.is_there());
    io.lock().unwrap();
    assert_eq!(some.list().unwrap(), ["deep"]);
    assert_eq!(code(some.remove_dir()), ErrorCode::Io);
    io.remove("LOCK").unwrap();
    io.remove_dir().unwrap();
    assert!(!io.is_there());
}

/// Whatever the path to it.
pub fn the_directory_of_many_names_is_one(parent: &Path) {
    let io = NativeFileIO::new(parent.join("store"));
    assert_eq!(code(io.real_path()), ErrorCode::Io);
    io.create_dir().unwrap();
    let real = io.real_path().unwrap();
    let detour = NativeFileIO::new(parent.join("store").join("..").join(".").join("store"));
    assert_eq!(detour.real_path().unwrap(), real);
    let _lock = io.lock().unwrap();
    assert_eq!(code(detour.lock()), ErrorCode::Locked);
}

/// It is there for a message only.
pub fn what_stands_in_owner_disturbs_no_lock(parent: &Path) {
    let io = NativeFileIO::new(parent);
    drop(io.lock().unwrap());
    assert_eq!(io.list().unwrap(), ["LOCK"], "the lock's file is never removed");
    let _lock = io.lock().unwrap();
    io.remove("OWNER").unwrap();
    assert!(matches!(io.lock(), Err(Error::Locked { holder: LockHolder::Unknown, .. })));
    write(&io, "OWNER", b"nonsense");
    assert!(matches!(io.lock(), Err(Error::Locked { holder: LockHolder::Unknown, .. })));
}
