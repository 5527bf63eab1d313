//! A backup reads and writes a store of 64 MiB once, in pieces of at most 1 MiB and 2 MiB, whatever the sizes of its files
//! and records.

#![allow(clippy::unwrap_used)]

mod workload;

use jazz_storage_core::Result;
use jazz_storage_core::engine::backup::{Source, Target};
use jazz_storage_core::file::{FileHandle, FileIO, OpenMode, StdFileIO};
use jazz_storage_core::store::{BfTreeStorage, StoreOptions};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use workload::{Part, content, contents, store};

/// The largest read and write, and the bytes of all of them.
#[derive(Debug, Default)]
struct Sizes {
    largest_read: AtomicU64,
    largest_write: AtomicU64,
    read: AtomicU64,
    written: AtomicU64,
}

impl Sizes {
    fn forget(&self) {
        for size in [&self.largest_read, &self.largest_write, &self.read, &self.written] {
            size.store(0, Ordering::Relaxed);
        }
    }
    fn largest(&self) -> (u64, u64) {
        (self.largest_read.load(Ordering::Relaxed), self.largest_write.load(Ordering::Relaxed))
    }
    fn total(&self) -> (u64, u64) {
        (self.read.load(Ordering::Relaxed), self.written.load(Ordering::Relaxed))
    }
}

/// A directory whose reads and writes are measured.
#[derive(Debug, Clone)]
struct Measured {
    io: StdFileIO,
    sizes: Arc<Sizes>,
}

impl Measured {
    fn new(path: &Path) -> Self {
        Self { io: StdFileIO::new(path), sizes: Arc::default() }
    }
}

struct File {
    file: <StdFileIO as FileIO>::Handle,
    sizes: Arc<Sizes>,
}

impl FileIO for Measured {
    type Handle = File;
    type Lock = <StdFileIO as FileIO>::Lock;

    fn path(&self) -> &Path {
        self.io.path()
    }
    fn create_dir(&self) -> Result<()> {
        self.io.create_dir()
    }
    fn exists(&self, name: &str) -> Result<bool> {
        self.io.exists(name)
    }
    fn list(&self) -> Result<Vec<String>> {
        self.io.list()
    }
    fn open(&self, name: &str, mode: OpenMode) -> Result<File> {
        Ok(File { file: self.io.open(name, mode)?, sizes: Arc::clone(&self.sizes) })
    }
    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.io.rename(from, to)
    }
    fn remove(&self, name: &str) -> Result<()> {
        self.io.remove(name)
    }
    fn sync_dir(&self) -> Result<()> {
        self.io.sync_dir()
    }
    fn lock(&self) -> Result<Self::Lock> {
        self.io.lock()
    }
}

impl FileHandle for File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.sizes.largest_read.fetch_max(buf.len() as u64, Ordering::Relaxed);
        self.sizes.read.fetch_add(buf.len() as u64, Ordering::Relaxed);
        self.file.read_at(buf, offset)
    }
    fn write_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        self.sizes.largest_write.fetch_max(buf.len() as u64, Ordering::Relaxed);
        self.sizes.written.fetch_add(buf.len() as u64, Ordering::Relaxed);
        self.file.write_at(buf, offset)
    }
    fn flush(&self) -> Result<()> {
        self.file.flush()
    }
    fn sync(&self) -> Result<()> {
        self.file.sync()
    }
    fn len(&self) -> Result<u64> {
        self.file.len()
    }
    fn truncate(&self, len: u64) -> Result<()> {
        self.file.truncate(len)
    }
}

#[test]
fn a_backup_reads_and_writes_a_large_store_once_in_small_pieces() {
    const MIB: u64 = 1 << 20;
    let folder = tempfile::tempdir().unwrap();
    let io = Measured::new(&folder.path().join("store"));
    let source = BfTreeStorage::<_>::open(io.clone(), StoreOptions::default()).unwrap();
    for id in 0..8 {
        // A record of 6 MiB, then one of 2 MiB.
        let (first, second) = ((0, 6 << 20), (1, 2 << 20));
        for (after, size) in [first, second] {
            store(&source, &content(id, &[Part { session: 0, after, count: 1, size }], false));
        }
    }
    source.settle().unwrap();
    let target = Measured::new(&folder.path().join("backups"));
    io.sizes.forget();
    let copied = source.backup(Target::File(&target, "one"), &mut |_, _| true).unwrap();
    assert!(copied.bytes >= 64 * MIB, "{copied:?}");
    let ((read, _), (_, written)) = (io.sizes.total(), target.sizes.total());
    assert!(io.sizes.largest().0 <= MIB && target.sizes.largest().1 <= 2 * MIB, "{io:?} {target:?}");
    assert!(read <= copied.bytes + MIB && written <= copied.bytes + MIB, "{copied:?}: {read}, {written}");

    let restored = Measured::new(&folder.path().join("restored"));
    target.sizes.forget();
    let archive = Source::File(target.clone(), "one".to_owned());
    let expected = contents(&source);
    let again =
        BfTreeStorage::<_>::restore(archive, restored.clone(), StoreOptions::default(), &mut |_, _| true);
    assert_eq!(again.unwrap(), copied);
    assert!(target.sizes.largest().0 <= MIB && target.sizes.total().0 <= copied.bytes + MIB, "{target:?}");
    let store = BfTreeStorage::<_>::open(restored, StoreOptions::default()).unwrap();
    assert_eq!(contents(&store), expected);
}
