//! bf-tree 0.5.7 as the whole store, with the content in it: the library that jazz-storage-core keeps its newest index
//! rows in, put to the use that it is not put to there.
//!
//! It reaches `none`. Its write-ahead log is never synced, every write waits for a thread that flushes it once in a
//! millisecond, and nothing public reads it back: `BfTree::recovery` is documented as incomplete. So the tree is kept with
//! snapshots, one when it is closed, which writes all of it. A value has at most [`LARGEST_VALUE`] bytes, so larger ones are
//! cut. It has no transactions: that the session's row is written last makes a message visible at once. I/O errors are
//! panics of the library. As it changes the file that it was opened from, it is opened from a copy.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use bf_tree::{BfTree, Config, LeafInsertResult, LeafReadResult, ScanReturnField, StorageBackend};
use jazz_storage_bench::{Level, Result};

use crate::ordered::{self, Ordered};

/// A session id and a CoValue id are shorter together.
const LARGEST_KEY: usize = 128;
/// What fits beside a key into a record, of which two have to fit into a leaf with its fences.
const LARGEST_VALUE: usize = 14 << 10;
/// The largest there are.
const LEAF_BYTES: usize = 32 << 10;
/// What the tree works on while it is open.
const WORKING_FILE: &str = "tree";
/// As it is by itself.
const BUFFER_BYTES: usize = 32 << 20;
/// Less than any pair here has.
const SMALLEST_RECORD: usize = 16;

/// An open tree.
pub struct Bftree {
    tree: BfTree,
    directory: PathBuf,
    /// The number of the snapshot that it was opened from; 0 if it is new.
    snapshot: u32,
    /// Whether something was put into it since.
    is_changed: bool,
    buffer: RefCell<Vec<u8>>,
}

impl Bftree {
    fn snapshot_path(directory: &Path, number: u32) -> PathBuf {
        directory.join(format!("{number}.snapshot"))
    }
}

impl ordered::Reader for Bftree {
    fn get<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> Result<T>) -> Result<Option<T>> {
        let mut buffer = self.buffer.borrow_mut();
        match self.tree.read(key, &mut buffer) {
            LeafReadResult::Found(len) => {
                read(buffer.get(..len as usize).ok_or("a value is too long")?).map(Some)
            }
            LeafReadResult::NotFound | LeafReadResult::Deleted => Ok(None),
            LeafReadResult::InvalidKey => Err("bf-tree refused a key".into()),
        }
    }

    fn range(
        &self,
        from: &[u8],
        end: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Result<bool>,
    ) -> Result<()> {
        let scan = self.tree.scan_with_end_key(from, end, ScanReturnField::KeyAndValue);
        let mut scan = scan.map_err(|error| format!("bf-tree refused a scan: {error:?}"))?;
        let mut buffer = self.buffer.borrow_mut();
        while let Some((key_len, value_len)) = scan.next(&mut buffer) {
            let (key, rest) = buffer.split_at_checked(key_len).ok_or("a key is too long")?;
            let value = rest.get(..value_len).ok_or("a value is too long")?;
            // Its own end is one that is still shown.
            if key >= end || !each(key, value)? {
                break;
            }
        }
        Ok(())
    }
}

impl ordered::Writer for Bftree {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.is_changed = true;
        match self.tree.insert(key, value) {
            LeafInsertResult::Success => Ok(()),
            LeafInsertResult::InvalidKV(why) => Err(format!("bf-tree refused a pair: {why}").into()),
        }
    }
}

impl Ordered for Bftree {
    const NAME: &'static str = "bf-tree";
    const LEVELS: &'static [Level] = &[Level::None];
    const LARGEST_VALUE: usize = LARGEST_VALUE;
    type Reader<'a> = Self;
    type Writer<'a> = Self;

    fn open(directory: &Path, _: Level) -> Result<Self> {
        let mut snapshot = 0;
        for entry in fs::read_dir(directory)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".snapshot")?.parse().ok());
            snapshot = snapshot.max(number.unwrap_or(0));
        }
        let path = directory.join(WORKING_FILE);
        let tree = if snapshot > 0 {
            fs::copy(Self::snapshot_path(directory, snapshot), &path)?;
            BfTree::new_from_cpr_snapshot(path, true, None, None, None)
        } else {
            let mut config = Config::new(path, BUFFER_BYTES);
            config
                .storage_backend(StorageBackend::Std)
                .use_snapshot(true)
                .leaf_page_size(LEAF_BYTES)
                .cb_max_key_len(LARGEST_KEY)
                .cb_min_record_size(SMALLEST_RECORD)
                .cb_max_record_size(LARGEST_KEY + LARGEST_VALUE);
            BfTree::with_config(config, None)
        };
        let tree = tree.map_err(|error| format!("bf-tree cannot be opened: {error:?}"))?;
        let buffer = RefCell::new(vec![0; LARGEST_KEY + LARGEST_VALUE]);
        Ok(Self { tree, directory: directory.to_path_buf(), snapshot, is_changed: false, buffer })
    }

    fn close(self) -> Result<()> {
        let Self { tree, directory, snapshot, is_changed, .. } = self;
        if is_changed {
            tree.cpr_snapshot(Self::snapshot_path(&directory, snapshot + 1));
        }
        drop(tree);
        fs::remove_file(directory.join(WORKING_FILE))?;
        if is_changed && snapshot > 0 {
            fs::remove_file(Self::snapshot_path(&directory, snapshot))?;
        }
        Ok(())
    }

    fn read<T>(&self, with: impl FnOnce(&Self::Reader<'_>) -> Result<T>) -> Result<T> {
        with(self)
    }

    fn write(&mut self, change: impl FnOnce(&mut Self::Writer<'_>) -> Result<()>) -> Result<()> {
        change(self)
    }

    fn compact(&mut self) -> Result<bool> {
        Ok(false)
    }
}
