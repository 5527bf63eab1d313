//! What is said of a backup, or of a store that is being backed up, that is damaged.

use super::workload::random::{Random, setting};
use super::workload::{assert_same, contents, copy, read_file, step, write_file};
use super::{
    ARCHIVE, Store, anyway, archive, filled, plain, restored, to_archive, to_directory, try_restored,
};
use jazz_storage_core::engine::backup::{Source, Target};
use jazz_storage_core::file::{FileHandle, FileIO, InMemoryFileIO, OpenMode};
use jazz_storage_core::format::archive::{ENTRY_LEN, HEADER_LEN};
use jazz_storage_core::format::manifest::SLOTS;
use jazz_storage_core::{Error, ErrorCode};

#[test]
fn damage_anywhere_in_an_archive_is_found() {
    let (source, _) = filled(InMemoryFileIO::new());
    let io = to_archive(&source);
    let whole = read_file(&io, ARCHIVE);
    let (seed, points) = (setting("JAZZ_BACKUP_SEED", 1), setting("JAZZ_BACKUP_POINTS", 600) as usize);
    let mut random = Random(seed);
    let refused = |bytes: &[u8], context: &str| {
        let io = InMemoryFileIO::new();
        io.create_dir().unwrap();
        write_file(&io, ARCHIVE, bytes);
        let error =
            try_restored(archive(&io), plain()).err().unwrap_or_else(|| panic!("{context} was not found"));
        let typed = matches!(error.code(), ErrorCode::Corrupt | ErrorCode::NotABackup);
        assert!(typed && error.to_string().contains(ARCHIVE), "{context}: {error}");
        error
    };
    let edges = (0..HEADER_LEN + ENTRY_LEN).chain(whole.len() - 200..whole.len());
    let rest: Vec<usize> = (0..points).map(|_| random.place(whole.len())).collect();
    for at in edges.chain(rest) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << random.place(8);
        refused(&bytes, &format!("byte {at} (JAZZ_BACKUP_SEED={seed})"));
    }
    for _ in 0..points / 4 {
        let len = random.place(whole.len());
        refused(&whole[..len], &format!("cut to {len} bytes (JAZZ_BACKUP_SEED={seed})"));
    }
    let longer = [&whole[..], b"more"].concat();
    refused(&longer, "bytes after the end");
    let two = refused(&[&whole[..], &whole[..]].concat(), "two archives");
    assert_eq!(two.code(), ErrorCode::Corrupt);
    // A piece in the middle that is gone, or that stands there twice.
    for _ in 0..points / 8 {
        let (from, len) = (random.place(whole.len()), 1 + random.place(300));
        let to = (from + len).min(whole.len());
        refused(&[&whole[..from], &whole[to..]].concat(), "a piece gone");
        refused(&[&whole[..to], &whole[from..]].concat(), "a piece twice");
    }
}

#[test]
fn damage_in_the_store_is_reported_and_not_copied() {
    let io = InMemoryFileIO::new();
    let (source, expected) = filled(io.clone());
    source.checkpoint().unwrap();
    step(&source, 0).unwrap();
    let model_and_more = contents(&source);
    assert_ne!(model_and_more, expected);
    let image = copy(&io);
    let (seed, points) = (setting("JAZZ_BACKUP_SEED", 1), setting("JAZZ_BACKUP_POINTS", 600));
    let mut random = Random(seed);
    let names: Vec<String> = image.list().unwrap().into_iter().filter(|name| name.contains('.')).collect();
    assert!(["run-", "pack-", "segment-"].iter().all(|kind| names.iter().any(|name| name.starts_with(kind))));
    let (mut found, mut harmless) = (0, 0);
    for _ in 0..points {
        let name = &names[random.place(names.len())];
        let whole = read_file(&image, name);
        let at = random.place(whole.len());
        let handle = io.open(name, OpenMode::ReadWrite).unwrap();
        handle.write_at(&[whole[at] ^ (1 << random.place(8))], at as u64).unwrap();
        let target = InMemoryFileIO::new();
        let result = source.backup(Target::Directory(&target), &mut anyway());
        handle.write_at(&whole, 0).unwrap();
        let context = format!("byte {at} of {name} (JAZZ_BACKUP_SEED={seed}): {result:?}");
        match result {
            Ok(_) => {
                harmless += 1;
                let copy = Store::open(target, plain()).expect(&context);
                assert_same(&contents(&copy), &model_and_more, &context);
            }
            Err(Error::Corrupt { path, offset, .. }) => {
                found += 1;
                assert!(path.ends_with(name) && offset <= at as u64, "{context}");
                assert_eq!(target.list().unwrap(), Vec::<String>::new(), "{context}");
            }
            Err(e) => panic!("{context}: {e}"),
        }
    }
    println!("{found} found, {harmless} harmless");
    assert!(found > 20 * harmless, "{found} found, {harmless} harmless");
    for name in &names {
        let whole = read_file(&image, name);
        let handle = io.open(name, OpenMode::ReadWrite).unwrap();
        handle.truncate(whole.len() as u64 - 8).unwrap();
        let cut = source.backup(Target::Directory(&InMemoryFileIO::new()), &mut anyway());
        assert!(matches!(&cut, Err(Error::Corrupt { path, .. }) if path.ends_with(name)), "{name}: {cut:?}");
        handle.write_at(&whole, 0).unwrap();
    }
    assert_same(&contents(&restored(archive(&to_archive(&source)))), &model_and_more, "undamaged again");
}

#[test]
fn a_damaged_directory_is_not_restored() {
    let (source, expected) = filled(InMemoryFileIO::new());
    let image = to_directory(&source);
    let mut random = Random(setting("JAZZ_BACKUP_SEED", 1));
    let names = image.list().unwrap();
    for _ in 0..setting("JAZZ_BACKUP_POINTS", 600) / 2 {
        let io = copy(&image);
        let name = &names[random.place(names.len())];
        let mut bytes = read_file(&io, name);
        let at = random.place(bytes.len());
        bytes[at] ^= 1 << random.place(8);
        write_file(&io, name, &bytes);
        match try_restored(Source::Directory(io), plain()) {
            // The other slot of the manifest, or padding.
            Ok(store) => assert_same(&contents(&store), &expected, name),
            Err(e) => assert!(e.code() == ErrorCode::Corrupt && e.to_string().contains(name), "{name}: {e}"),
        }
    }
    for name in names.iter().filter(|name| !SLOTS.contains(&name.as_str())) {
        let io = copy(&image);
        io.remove(name).unwrap();
        let result = try_restored(Source::Directory(io), plain());
        // But for the last, empty segment.
        let last = names.iter().filter(|name| name.starts_with("segment-")).max() == Some(name);
        assert_eq!(result.is_ok(), last, "{name}");
    }
}
