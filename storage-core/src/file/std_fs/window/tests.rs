//! What becomes of writes where the system gives no window or takes its pages away. Windows are opened here on any file system:
//! all that map files can show it.

use super::*;
use crate::error::ErrorCode;
use crate::file::std_fs::{Over, StdFile, StdFileIO};
use crate::file::{FileHandle, FileIO, OpenMode};
use std::cell::Cell;
use std::fs::OpenOptions;
use std::path::Path;

thread_local! {
    static REFUSED: Cell<Option<Call>> = const { Cell::new(None) };
    /// How often the system was asked for pages, on this thread.
    static POPULATED: Cell<u32> = const { Cell::new(0) };
}

pub(super) fn refused(call: Call) -> bool {
    if call == Call::Populate {
        POPULATED.set(POPULATED.get() + 1);
    }
    REFUSED.get() == Some(call)
}

/// As long as it lives, the system refuses this on this thread.
struct Refusing;

impl Refusing {
    fn all(call: Call) -> Self {
        REFUSED.set(Some(call));
        Self
    }
}

impl Drop for Refusing {
    fn drop(&mut self) {
        REFUSED.set(None);
    }
}

const LEN: usize = 64 * 1024;

fn file(directory: &Path) -> StdFile {
    let file = StdFileIO::new(directory).open("log", OpenMode::CreateNew).unwrap();
    file.write_at(&[0; LEN], 0).unwrap();
    file
}

/// A file of which all is written over in memory, on a device that has no room for anything else.
fn on_a_full_device(file: &StdFile) -> StdFile {
    let full = OpenOptions::new().read(true).write(true).open("/dev/full").unwrap();
    let over = Over::default();
    over.open(&file.file, 0..LEN as u64);
    StdFile { file: full, path: Path::new("full").into(), writable: true, over }
}

fn has_window(file: &StdFile) -> bool {
    file.over.window().is_some()
}

fn read(file: &StdFile, offset: u64) -> [u8; 4] {
    let mut bytes = [0; 4];
    assert_eq!(file.read_at(&mut bytes, offset).unwrap(), 4);
    bytes
}

#[test]
fn where_the_system_gives_no_window_writes_are_its_own_and_it_is_not_asked_again() {
    let directory = tempfile::tempdir().unwrap();
    for call in [Call::Map, Call::Populate] {
        let refusing = Refusing::all(call);
        let directory = directory.path().join(format!("{call:?}"));
        std::fs::create_dir(&directory).unwrap();
        let file = file(&directory);
        file.over.open(&file.file, 0..LEN as u64);
        assert!(!has_window(&file), "{call:?}");
        assert!(!file.overwrites_in_memory(), "{call:?}");
        file.write_at(b"over", 100).unwrap();
        assert_eq!(read(&file, 100), *b"over");
        drop(refusing);
        file.will_overwrite(0..LEN as u64);
        assert!(!has_window(&file), "{call:?}: asked again");
    }
}

#[test]
fn when_the_system_takes_the_pages_away_a_write_follows_and_its_error_is_a_value() {
    let directory = tempfile::tempdir().unwrap();
    let file = file(directory.path());
    let full = on_a_full_device(&file);
    full.write_at(b"copy", 8).unwrap();
    assert_eq!(read(&file, 8), *b"copy", "it was copied: the device takes no writes");
    assert_eq!(full.write_at(&[1; LEN / 2], 8).unwrap_err().code(), ErrorCode::DiskFull, "it is large");
    full.over.was_synced();
    let refusing = Refusing::all(Call::Populate);
    assert_eq!(full.write_at(b"lost", 8).unwrap_err().code(), ErrorCode::DiskFull);
    assert_eq!(read(&file, 8), *b"copy");
    drop(refusing);
    assert!(!has_window(&full), "there is none any more");
    assert_eq!(full.write_at(b"lost", 8).unwrap_err().code(), ErrorCode::DiskFull);

    file.over.open(&file.file, 0..LEN as u64);
    file.sync().unwrap();
    let _refusing = Refusing::all(Call::Populate);
    file.write_at(b"goes", 8).unwrap();
    assert!(!has_window(&file));
    assert_eq!(read(&file, 8), *b"goes", "by the system's write");
}

#[test]
fn pages_are_asked_for_when_a_window_is_made_and_after_each_sync_a_few_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let file = file(directory.path());
    let asked = |work: &dyn Fn()| {
        let before = POPULATED.get();
        work();
        POPULATED.get() - before
    };
    assert_eq!(asked(&|| file.over.open(&file.file, 0..LEN as u64)), 1);
    let all = || (0..LEN as u64 / 512).for_each(|n| file.write_at(&[1; 512], n * 512).unwrap());
    assert_eq!(asked(&all), 0);
    file.sync().unwrap();
    let again = asked(&all);
    assert!((2..=(LEN / STEP) as u32).contains(&again), "{again} times");
    assert_eq!(asked(&all), 0);
    // What reaches past the window is the system's.
    file.write_at(&[2; 512], LEN as u64 - 100).unwrap();
    assert!(has_window(&file) && file.len().unwrap() > LEN as u64);
    // Before a file is cut off its window is gone.
    file.truncate(0).unwrap();
    assert!(!has_window(&file));
}
