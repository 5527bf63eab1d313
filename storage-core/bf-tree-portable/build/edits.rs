//! What is changed in upstream's source, and why. `docs/bf-tree-upstream.md` has those of use to others as patches.

/// A text that is replaced wherever it stands in a file, or in [`EVERY`] file.
pub(crate) struct Edit {
    /// Named when upstream's source is not as expected.
    pub(crate) why: &'static str,
    pub(crate) file: &'static str,
    pub(crate) times: usize,
    pub(crate) find: &'static str,
    pub(crate) replace: &'static str,
}

pub(crate) const EVERY: &str = "every file";

pub(crate) const EDITS: &[Edit] = &[
    // What makes a copy of the source a crate of another name.
    Edit {
        why: "the README is not part of the copy",
        file: "lib.rs",
        times: 1,
        find: "#![doc = include_str!(\"../README.md\")]\n",
        replace: "",
    },
    Edit {
        why: "macros are the crate's own: exported ones cannot be named by path from an included file",
        file: "lib.rs",
        times: 5,
        find: "#[macro_export]\n",
        replace: "",
    },
    Edit {
        why: "macros are named by path, as upstream's modules do",
        file: "lib.rs",
        times: 1,
        find: "            return Err(TreeError::Locked);\n        }\n    };\n}\n",
        replace: "            return Err(TreeError::Locked);\n        }\n    };\n}\n
pub(crate) use {check_parent, counter, histogram, info, timer};\n",
    },
    Edit {
        why: "no tests: upstream's need packages of their own",
        file: EVERY,
        times: 16,
        find: "#[cfg(test)]",
        replace: "#[cfg(any())]",
    },
    Edit {
        why: "no tests without shuttle either",
        file: EVERY,
        times: 17,
        find: "all(test, not(feature = \"shuttle\"))",
        replace: "any()",
    },
    // Linux has backends that Android has not. Without them the tests on Linux run the code that Android runs.
    Edit {
        why: "no backends of Linux alone (fs)",
        file: "fs/mod.rs",
        times: 6,
        find: "target_os = \"linux\"",
        replace: "any()",
    },
    Edit {
        why: "no backends of Linux alone (storage)",
        file: "storage.rs",
        times: 6,
        find: "target_os = \"linux\"",
        replace: "any()",
    },
    Edit {
        why: "no backends of Linux alone (config)",
        file: "config.rs",
        times: 4,
        find: "target_os = \"linux\"",
        replace: "any()",
    },
    // Waiting.
    Edit {
        why: "no futexes of upstream's own",
        file: "utils/atomic_wait.rs",
        times: 3,
        find: "#[cfg(all(target_os = ",
        replace: "#[cfg(all(any(), target_os = ",
    },
    Edit {
        why: "futexes for every system with threads, called when somebody waits; none where there is one thread",
        file: "utils/atomic_wait.rs",
        times: 1,
        find: "/// If the value is `value`, wait until woken up.\n",
        replace: "\
/// Waking is a system call, two of them for each write to the tree: it is spared as long as nobody waits.
///
/// Either the one who wakes sees that somebody is counted, or the one who waits sees that the value has changed: each
/// writes first and reads behind a fence.
#[cfg(not(target_family = \"wasm\"))]
mod platform {
    use core::sync::atomic::{fence, AtomicU32, AtomicUsize, Ordering};

    static WAITING: AtomicUsize = AtomicUsize::new(0);

    #[inline]
    pub fn wait(atomic: &AtomicU32, value: u32) {
        WAITING.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        ::atomic_wait::wait(atomic, value);
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }

    #[inline]
    fn nobody_waits() -> bool {
        fence(Ordering::SeqCst);
        WAITING.load(Ordering::Relaxed) == 0
    }

    #[inline]
    pub fn wake_one(ptr: *const AtomicU32) {
        if !nobody_waits() {
            ::atomic_wait::wake_one(ptr);
        }
    }

    #[inline]
    pub fn wake_all(ptr: *const AtomicU32) {
        if !nobody_waits() {
            ::atomic_wait::wake_all(ptr);
        }
    }
}

/// Nobody else is there to wait for.
#[cfg(target_family = \"wasm\")]
mod platform {
    use core::sync::atomic::AtomicU32;

    #[inline]
    pub fn wait(_: &AtomicU32, _: u32) {}

    #[inline]
    pub fn wake_one(_: *const AtomicU32) {}

    #[inline]
    pub fn wake_all(_: *const AtomicU32) {}
}

/// If the value is `value`, wait until woken up.
",
    },
    // Files.
    Edit {
        why: "files only where reads and writes have a position (module)",
        file: "fs/mod.rs",
        times: 1,
        find: "mod std_vfs;\n",
        replace: "#[cfg(any(unix, windows))]\nmod std_vfs;\n",
    },
    Edit {
        why: "files only where reads and writes have a position (name)",
        file: "fs/mod.rs",
        times: 1,
        find: "pub(crate) use std_vfs::StdVfs;\n",
        replace: "#[cfg(any(unix, windows))]\npub(crate) use std_vfs::StdVfs;\n",
    },
    Edit {
        why: "files only where reads and writes have a position (import)",
        file: "storage.rs",
        times: 1,
        find: "fs::{MemoryVfs, StdVfs, VfsImpl},\n",
        replace: "fs::{MemoryVfs, VfsImpl},\n",
    },
    Edit {
        why: "files only where reads and writes have a position (choice)",
        file: "storage.rs",
        times: 1,
        find: "        StorageBackend::Std => Arc::new(StdVfs::open(path.as_ref())),\n",
        replace: "
        #[cfg(any(unix, windows))]
        StorageBackend::Std => Arc::new(crate::fs::StdVfs::open(path.as_ref())),

        #[cfg(not(any(unix, windows)))]
        StorageBackend::Std => panic!(\"there are no files for bf-tree on this platform\"),
",
    },
    // Words of 32 bits.
    Edit {
        why: "a leaf has the same layout where 64-bit numbers are aligned to 4 bytes (Android on x86)",
        file: "nodes/leaf_node.rs",
        times: 1,
        find: "pub(crate) struct MiniPageNextLevel {\n",
        replace: "#[repr(align(8))]\npub(crate) struct MiniPageNextLevel {\n",
    },
    Edit {
        why: "a record's header has the same layout with words of 32 bits (field)",
        file: "wal/mod.rs",
        times: 1,
        find: "    pub log_len: usize,\n",
        replace: "    pub log_len: u64,\n",
    },
    Edit {
        why: "a record's header has the same layout with words of 32 bits (writing)",
        file: "wal/mod.rs",
        times: 1,
        find: "            log_len,\n",
        replace: "            log_len: log_len as u64,\n",
    },
    Edit {
        why: "a record's header has the same layout with words of 32 bits (reading)",
        file: "wal/mod.rs",
        times: 1,
        find: "usize::from_le_bytes(buffer[0..8].try_into().unwrap())",
        replace: "u64::from_le_bytes(buffer[0..8].try_into().unwrap()) as usize",
    },
    Edit {
        why: "a record's header has the same layout with words of 32 bits (use)",
        file: "wal/mod.rs",
        times: 1,
        find: "header.log_len - LogHeader::size()",
        replace: "header.log_len as usize - LogHeader::size()",
    },
    // Memory.
    Edit {
        why: "a table of 2^20 pages is address space elsewhere, but memory in WebAssembly",
        file: "utils/mapping_table.rs",
        times: 1,
        find: "const DEFAULT_RECORD_PER_BATCH: usize = 1024 * 1024;\n",
        replace: "\
const DEFAULT_RECORD_PER_BATCH: usize =
    if cfg!(target_family = \"wasm\") { 16 * 1024 } else { 1024 * 1024 };
",
    },
    // Pages in memory.
    Edit {
        why: "a page in memory is read and written where it is (trait)",
        file: "fs/mod.rs",
        times: 1,
        find: "    fn write(&self, offset: usize, buf: &[u8]);\n",
        replace: "    fn write(&self, offset: usize, buf: &[u8]);

    /// Where the page of this offset lies in memory, if it does: it stays there until it is deallocated.
    fn page(&self, _offset: usize) -> Option<*mut u8> {
        None
    }
",
    },
    Edit {
        why: "a page in memory is read and written where it is (storage)",
        file: "fs/memory_vfs.rs",
        times: 1,
        find: "    fn flush(&self) {\n",
        replace: "    fn page(&self, offset: usize) -> Option<*mut u8> {
        Some(offset as *mut u8)
    }

    fn flush(&self) {
",
    },
    Edit {
        why: "a page in memory is read and written where it is (buffer)",
        file: "mini_page_op.rs",
        times: 1,
        find: "struct TmpBuffer {\n    is_dirty: bool,\n",
        replace: "struct TmpBuffer {\n    /// No buffer, but the page itself, which its lock guards.\n    is_page: bool,\n    is_dirty: bool,\n",
    },
    Edit {
        why: "a page in memory is read and written where it is (loading)",
        file: "mini_page_op.rs",
        times: 1,
        find: "impl TmpBuffer {\n",
        replace: "\
impl TmpBuffer {
    fn load(file: &dyn VfsImpl, offset: usize, size: usize) -> Self {
        match file.page(offset) {
            Some(ptr) => Self {
                is_page: true,
                is_dirty: false,
                size,
                ptr,
            },
            None => {
                let mut buffer = Self::new(size);
                file.read(offset, buffer.as_u8_slice_mut());
                buffer
            }
        }
    }

",
    },
    Edit {
        why: "a page in memory is read and written where it is (copies)",
        file: "mini_page_op.rs",
        times: 1,
        find: "        Self {\n            is_dirty: false,\n            size,\n            ptr: buffer,\n",
        replace: "        Self {\n            is_page: false,\n            is_dirty: false,\n            size,\n            ptr: buffer,\n",
    },
    Edit {
        why: "a page in memory is read and written where it is (dropping)",
        file: "mini_page_op.rs",
        times: 1,
        find: "    fn drop(&mut self) {\n        let layout = ",
        replace: "    fn drop(&mut self) {\n        if self.is_page {\n            return;\n        }\n        let layout = ",
    },
    Edit {
        why: "a page in memory is read and written where it is (writing back)",
        file: "mini_page_op.rs",
        times: 1,
        find: "            if b.is_dirty {\n",
        replace: "            if b.is_dirty && !b.is_page {\n",
    },
    Edit {
        why: "a page in memory is read and written where it is (use)",
        file: "mini_page_op.rs",
        times: 3,
        find: "                let mut buffer = TmpBuffer::new(self.tmp_buffer_size);
                let slice = buffer.as_u8_slice_mut();
                self.file_handle.read(offset, slice);
",
        replace: "                let buffer = TmpBuffer::load(self.file_handle, offset, self.tmp_buffer_size);\n",
    },
    Edit {
        why: "a page in memory takes rows itself: a mini page spares reading and writing it, which costs nothing here",
        file: "mini_page_op.rs",
        times: 1,
        find: "                let mini_page_size = LeafNode::get_chain_size_hint(
                    key.len(),
                    value.len(),
                    mini_page_size_classes,
                    *cache_only,
                );
",
        replace: "                // A full one gets a mini page, with which it is split.
                if op_type == OpType::Insert
                    && self.file_handle.page(offset).is_some()
                    && self.load_base_page_mut().insert(
                        key,
                        value,
                        op_type,
                        storage.config.max_fence_len,
                    )
                {
                    return Ok(());
                }

                let mini_page_size = LeafNode::get_chain_size_hint(
                    key.len(),
                    value.len(),
                    mini_page_size_classes,
                    *cache_only,
                );
",
    },
    Edit {
        why: "a full page in memory is split at once",
        file: "mini_page_op.rs",
        times: 1,
        find: "                let insert_success = mini_page_ref.insert(key, value, op_type, 0);
                assert!(insert_success);
                counter!(InsertCreatedMiniPage);

                info!(
                    base_id = self.pid.raw(),
                    \"finished creating mini page for base\"
                );
                Ok(())
",
        replace: "                let insert_success = mini_page_ref.insert(key, value, op_type, 0);
                assert!(insert_success);
                counter!(InsertCreatedMiniPage);

                info!(
                    base_id = self.pid.raw(),
                    \"finished creating mini page for base\"
                );
                if op_type == OpType::Insert && self.file_handle.page(offset).is_some() {
                    drop(mini_page_guard);
                    drop(snapshot_guard);
                    self.merge_mini_page_and_dealloc(
                        mini_page_ref,
                        storage,
                        parent.expect(\"parent must exists here\"),
                    )?;
                }
                Ok(())
",
    },
    Edit {
        why: "the first bytes of keys are compared as numbers (function)",
        file: "nodes/mod.rs",
        times: 1,
        find: "pub(crate) const FENCE_KEY_CNT: usize = 2;\n",
        replace: "\
pub(crate) const FENCE_KEY_CNT: usize = 2;

/// As `cmp` of slices, without its call where both have as many bytes as can be.
#[inline(always)]
pub(crate) fn compare_starts<const N: usize>(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    let number = |bytes: [u8; N]| bytes.into_iter().fold(0u32, |all, byte| all << 8 | byte as u32);
    match (a.try_into(), b.try_into()) {
        (Ok(a), Ok(b)) => number(a).cmp(&number(b)),
        _ => a.cmp(b),
    }
}
",
    },
    Edit {
        why: "the first bytes of keys are compared as numbers (leaves)",
        file: "nodes/leaf_node.rs",
        times: 2,
        find: "prefix_key.cmp(search_key_prefix)",
        replace: "super::compare_starts::<PREVIEW_SIZE>(prefix_key, search_key_prefix)",
    },
    Edit {
        why: "the first bytes of keys are compared as numbers (inner nodes)",
        file: "nodes/inner_node.rs",
        times: 2,
        find: "prefix_key.cmp(search_key_prefix)",
        replace: "super::compare_starts::<{ InnerKVMeta::KEY_LOOK_AHEAD_SIZE }>(prefix_key, search_key_prefix)",
    },
    Edit {
        why: "the first bytes of keys are compared as numbers (where a key would be, to insert it)",
        file: "nodes/leaf_node.rs",
        times: 1,
        find: "pos_key.cmp(search_key_postfix) == Ordering::Equal",
        replace: "self.key_cmp(pos_meta, key) == Ordering::Equal",
    },
    Edit {
        why: "the first bytes of keys are compared as numbers (where a key would be, to read it)",
        file: "nodes/leaf_node.rs",
        times: 1,
        find: "        let cmp = target_key.cmp(input_post_key);\n",
        replace: "        let cmp = self.key_cmp(kv_meta, search_key);\n",
    },
];
