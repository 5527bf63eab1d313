//! A file of the operating system: the input is a sequence of operations, of which some open windows to write through without
//! a system call, and the model is the bytes that the file should have.

use jazz_storage_core::file::{FileHandle, FileIO, OpenMode, StdFileIO};
use std::path::PathBuf;
use std::sync::LazyLock;

/// Bytes of an operation: which one, an offset and a length.
const OPERATION: usize = 5;
/// The file is not made longer.
const LONGEST: usize = 1 << 17;

/// The directory of this process's files: in memory where there is such a file system, as most are not written over in place.
static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
    parent.join(format!("jazz-storage-fuzz-{}", std::process::id()))
});

/// Does these operations on a new file and compares it with the model after each.
pub fn check(data: &[u8]) {
    let io = StdFileIO::new(&*DIRECTORY);
    io.create_dir().expect("the directory can be made");
    let file = io.open("file", OpenMode::CreateNew).expect("it is new");
    io.remove("file").expect("it was just made");
    io.remove_dir().expect("nothing else is in it");
    let mut model = Vec::new();
    for (n, operation) in data.chunks_exact(OPERATION).enumerate() {
        let [which, offset_low, offset_high, len_low, len_high] = *operation else { continue };
        let number = |low, high| usize::from(u16::from_le_bytes([low, high]));
        let (offset, len) = (number(offset_low, offset_high), number(len_low, len_high));
        let range = offset as u64..(offset + len) as u64;
        match which % 8 {
            0..=3 => {
                // Mostly small, and often where the file ends.
                let len = if which & 64 == 0 { len % 512 } else { len };
                let offset = if which & 128 == 0 { model.len().min(LONGEST - len) } else { offset };
                let bytes = vec![n as u8 ^ which; len];
                file.write_at(&bytes, offset as u64).expect("there is room");
                if len > 0 {
                    model.resize(model.len().max(offset + len), 0);
                    model[offset..offset + len].copy_from_slice(&bytes);
                }
            }
            4 | 5 => file.will_overwrite(range),
            6 => file.sync().expect("it can be synced"),
            _ => {
                file.truncate(offset as u64).expect("there is room");
                model.resize(offset, 0);
            }
        }
        let mut bytes = vec![0; model.len() + 1];
        let got = file.read_at(&mut bytes, 0).expect("it can be read");
        assert!(bytes[..got] == model[..], "after operation {n}");
    }
}

/// Valid inputs: windows in every state that they have, written through, beside and beyond.
pub(crate) fn operations() -> Vec<Vec<u8>> {
    let operation = |which: u8, offset: u16, len: u16| {
        let ([a, b], [c, d]) = (offset.to_le_bytes(), len.to_le_bytes());
        [which, a, b, c, d]
    };
    let (write, large, window, sync, cut) = (128, 128 + 64, 4, 6, 7);
    [
        vec![
            (large, 0, 60_000),
            (window, 0, 60_000),
            (write, 0, 300),
            (write, 300, 200),
            (write, 59_900, 200),
        ],
        vec![(large, 9, 9_000), (window, 9, 9_000), (sync, 0, 0), (write, 4_000, 500), (write, 8_999, 10)],
        vec![(large, 0, 30_000), (window, 100, 20_000), (cut, 500, 0), (write, 400, 300), (window, 0, 700)],
        vec![(window, 0, 100), (write, 0, 100), (window, 50, 100), (window, 50, 50), (write, 40, 60)],
    ]
    .into_iter()
    .map(|operations| {
        operations.into_iter().flat_map(|(which, offset, len)| operation(which, offset, len)).collect()
    })
    .collect()
}
