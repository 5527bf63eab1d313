use super::loss::SECTOR;
use super::*;
use std::collections::BTreeSet;

fn read(io: &impl FileIO, name: &str) -> Option<Vec<u8>> {
    let handle = io.open(name, OpenMode::Read).ok()?;
    let mut bytes = vec![0; handle.len().unwrap() as usize];
    handle.read_at(&mut bytes, 0).unwrap();
    Some(bytes)
}

fn create(io: &FaultFileIO, name: &str) -> FaultHandle {
    io.open(name, OpenMode::CreateNew).unwrap()
}

/// What different losses leave of a directory, in the form that `see` gives it.
fn outcomes<T: Ord>(io: &FaultFileIO, loss: fn(u64) -> Loss, see: impl Fn(&FaultFileIO) -> T) -> BTreeSet<T> {
    (0..300).map(|seed| see(&io.restarted(loss(seed)))).collect()
}

#[test]
fn what_is_synced_stays_and_the_rest_may_go() {
    let io = FaultFileIO::new();
    let file = create(&io, "a");
    file.write_at(b"kept", 0).unwrap();
    file.sync().unwrap();
    assert_eq!(read(&io.image(Loss::Everything).unwrap(), "a"), None, "the name was not synced");
    io.sync_dir().unwrap();
    file.write_at(b" lost", 4).unwrap();
    assert_eq!(read(&io.image(Loss::Everything).unwrap(), "a"), Some(b"kept".to_vec()));
    assert_eq!(read(&io.image(Loss::Nothing).unwrap(), "a"), Some(b"kept lost".to_vec()));
    let again = FaultFileIO::from_image(&io.image(Loss::Nothing).unwrap()).unwrap();
    assert_eq!(read(&again.restarted(Loss::Everything), "a"), Some(b"kept lost".to_vec()));
    assert_eq!(again.digest(), io.digest());
    assert_ne!(again.digest(), io.restarted(Loss::Everything).digest());
}

#[test]
fn writes_are_torn_at_sectors_and_reordered() {
    let io = FaultFileIO::new();
    let file = create(&io, "a");
    io.sync_dir().unwrap();
    file.write_at(&[7; 4 * SECTOR], 0).unwrap();
    let lens = outcomes(&io, Loss::Tail, |io| read(io, "a").unwrap().len());
    assert_eq!(lens.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4].map(|n| n * SECTOR));
    // Any of the sectors may be there or not, and the length may be there without any.
    let sectors = |io: &FaultFileIO| read(io, "a").unwrap().chunks(SECTOR).map(|s| s[0]).collect::<Vec<_>>();
    let seen = outcomes(&io, Loss::Some, sectors);
    for expected in [vec![], vec![0, 0, 0, 0], vec![0, 7], vec![7, 0, 7, 0], vec![0, 0, 0, 7], vec![7; 4]] {
        assert!(seen.contains(&expected), "{expected:?} is not among {seen:?}");
    }
    // Writes of whole pages are also reordered as such.
    file.write_at(&[8; 64 * SECTOR], 0).unwrap();
    let pages = |io: &FaultFileIO| {
        let bytes = read(io, "a").unwrap();
        bytes.chunks(8 * SECTOR).all(|page| page.iter().all(|byte| *byte == page[0])) && bytes.contains(&8)
    };
    assert!(outcomes(&io, Loss::Some, pages).contains(&true));
}

#[test]
fn a_truncation_may_come_before_the_writes_that_went_before_it() {
    let io = FaultFileIO::new();
    let file = create(&io, "a");
    file.write_at(b"old old old", 0).unwrap();
    file.sync().unwrap();
    io.sync_dir().unwrap();
    file.write_at(b"new", 0).unwrap();
    file.truncate(7).unwrap();
    file.write_at(b"end", 8).unwrap();
    let seen = outcomes(&io, Loss::Some, |io| read(io, "a").unwrap());
    let expected: [&[u8]; 8] = [
        b"old old old",
        b"new old old",
        b"old old",
        b"new old",
        b"old old end",
        b"old old\0\0\0\0",
        b"new old\0end",
        b"old old\0end",
    ];
    for bytes in expected {
        assert!(seen.contains(bytes), "{:?} is not among {seen:?}", String::from_utf8_lossy(bytes));
    }
    assert!(outcomes(&io, Loss::Tail, |io| read(io, "a").unwrap()).len() == 4, "no more than in order");
}

#[test]
fn files_and_names_are_reordered_against_each_other() {
    let io = FaultFileIO::new();
    let (a, b) = (create(&io, "a"), create(&io, "b"));
    io.sync_dir().unwrap();
    a.write_at(b"1", 0).unwrap();
    b.write_at(b"2", 0).unwrap();
    io.remove("a").unwrap();
    let c = create(&io, "c");
    c.write_at(b"3", 0).unwrap();
    let see = |io: &FaultFileIO| ["a", "b", "c"].map(|name| read(io, name).map(|bytes| bytes.len()));
    let (gone, empty, full) = (None, Some(0), Some(1));
    let seen = outcomes(&io, Loss::Some, see);
    for expected in [[gone, empty, gone], [full, full, full], [empty, full, empty], [gone, full, empty]] {
        assert!(seen.contains(&expected), "{expected:?} is not among {seen:?}");
    }
    let in_order = outcomes(&io, Loss::Tail, see);
    assert!(!in_order.contains(&[empty, full, gone]) && in_order.contains(&[full, full, gone]));
    assert!(outcomes(&io, Loss::Tails, see).contains(&[empty, full, gone]));
    assert_eq!(see(&io.restarted(Loss::Data)), [gone, empty, empty]);
    assert_eq!(see(&io.restarted(Loss::Names)), [full, full, gone]);
}

#[test]
fn a_renamed_file_has_one_of_its_names_or_both() {
    let io = FaultFileIO::new();
    let file = create(&io, "a");
    file.write_at(b"x", 0).unwrap();
    file.sync().unwrap();
    io.sync_dir().unwrap();
    io.rename("a", "b").unwrap();
    for loss in [Loss::Some, Loss::Tail, Loss::Tails, Loss::Garbage, Loss::Last] {
        let seen = outcomes(&io, loss, |io| io.list().unwrap().concat());
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["a", "ab", "b"]);
    }
    assert_eq!(io.list().unwrap(), ["b"]);
}

#[test]
fn the_last_write_alone_is_torn_inside_a_page() {
    let io = FaultFileIO::new();
    let (a, b) = (create(&io, "a"), create(&io, "b"));
    a.write_at(&[1; 4096], 0).unwrap();
    b.write_at(&[2; 4096], 0).unwrap();
    let seen = outcomes(&io, Loss::Last, |io| {
        assert_eq!(read(io, "a"), Some(vec![1; 4096]));
        read(io, "b").unwrap().chunks(SECTOR).map(|sector| sector[0] == 2).collect::<Vec<_>>()
    });
    assert!(seen.len() > 100, "{} of 256 ways", seen.len());
}

#[test]
fn garbage_lies_only_where_something_was_written() {
    let io = FaultFileIO::new();
    let file = create(&io, "a");
    file.write_at(&[1; 2048], 0).unwrap();
    file.sync().unwrap();
    io.sync_dir().unwrap();
    file.write_at(&[2; 700], 1000).unwrap();
    let garbage = outcomes(&io, Loss::Garbage, |io| {
        let bytes = read(io, "a").unwrap();
        assert!(bytes[..1000].iter().chain(&bytes[1700..]).all(|byte| *byte == 1));
        bytes.iter().any(|byte| *byte > 2)
    });
    assert_eq!(garbage.len(), 2);
}

#[test]
fn the_same_seed_loses_the_same() {
    let io = FaultFileIO::new();
    create(&io, "a").write_at(&[1; 40_000], 0).unwrap();
    for loss in [Loss::Some(5), Loss::Tail(5), Loss::Tails(5), Loss::Garbage(5), Loss::Last(5)] {
        assert_eq!(io.restarted(loss).digest(), io.restarted(loss).digest());
    }
}

#[test]
fn the_chosen_operation_fails_or_is_the_last() {
    let io = FaultFileIO::new();
    let file = create(&io, "a");
    io.fail_after(1, Failure::DiskFull);
    file.write_at(b"1234", 0).unwrap();
    assert!(matches!(file.write_at(b"5678", 4), Err(Error::DiskFull { .. })));
    assert_eq!(read(&io, "a"), Some(b"123456".to_vec()));
    file.truncate(4).unwrap();
    io.fail_from(1, Failure::Device);
    file.sync().unwrap();
    assert!(file.sync().is_err() && file.sync().is_err() && io.remove("a").is_err());
    io.heal();
    io.crash_after(1);
    file.write_at(b"x", 0).unwrap();
    assert!(io.has_crashed() && file.sync().is_err() && io.remove("a").is_err());
    assert!(file.len().is_err() && io.list().is_err());
}

#[test]
fn every_call_that_changes_nothing_can_fail_by_itself() {
    let io = FaultFileIO::new();
    let file = create(&io, "a");
    file.write_at(b"1234", 0).unwrap();
    let calls: [(&str, &dyn Fn() -> Result<()>); 8] = [
        ("exists", &|| io.exists("a").map(|_| ())),
        ("list", &|| io.list().map(|_| ())),
        ("open", &|| io.open("a", OpenMode::Read).map(|_| ())),
        ("read", &|| file.read_at(&mut [0; 4], 0).map(|_| ())),
        ("flush", &|| file.flush()),
        ("len", &|| file.len().map(|_| ())),
        ("create", &|| io.create_dir()),
        ("lock", &|| io.lock().map(|_| ())),
    ];
    for at in 0..calls.len() {
        let before = (io.queries(), io.operations());
        io.fail_query_after(at as u64, Failure::Device);
        for (n, (name, call)) in calls.iter().enumerate() {
            assert_eq!(call().is_err(), n == at, "{name} at {at}");
        }
        assert_eq!((io.queries(), io.operations()), (before.0 + calls.len() as u64, before.1));
    }
    io.fail_query_after(0, Failure::ShortRead);
    assert_eq!(file.read_at(&mut [0; 4], 0).unwrap(), 2);
    assert_eq!(file.read_at(&mut [0; 4], 0).unwrap(), 4);
}

#[test]
fn a_full_disk_takes_what_fits_and_goes_on_when_there_is_room() {
    let full = |outcome: Result<()>| matches!(outcome, Err(Error::DiskFull { .. }));
    let io = FaultFileIO::new();
    io.set_capacity(Some(10));
    let (a, b) = (create(&io, "a"), create(&io, "b"));
    a.write_at(b"12345678", 0).unwrap();
    assert!(full(b.write_at(b"abcdef", 0)));
    assert_eq!(read(&io, "b"), Some(b"ab".to_vec()), "what fits");
    assert!(full(io.open("c", OpenMode::CreateNew).map(|_| ())), "no room for a name");
    assert!(full(b.truncate(3)) && full(b.write_at(b"x", 5)));
    a.write_at(b"87654321", 0).unwrap();
    assert!(full(a.write_at(b"xyz", 6)), "the part that overwrites is written");
    assert_eq!(read(&io, "a"), Some(b"876543xy".to_vec()));
    a.truncate(4).unwrap();
    b.write_at(b"abcdef", 0).unwrap();
    b.truncate(0).unwrap();
    b.truncate(6).unwrap();
    assert_eq!(read(&io, "b"), Some(vec![0; 6]), "room kept");
    io.remove("a").unwrap();
    assert_eq!(io.stats().bytes, 6);
    a.write_at(&[0; 100], 0).unwrap();
    create(&io, "c").write_at(b"1234", 0).unwrap();
    io.rename("c", "b").unwrap();
    assert_eq!((io.stats().bytes, io.stats().peak_bytes), (4, 10));
    io.set_capacity(None);
    io.open("b", OpenMode::ReadWrite).unwrap().write_at(&[1; 100], 0).unwrap();
}

#[test]
fn history_gives_the_directory_after_each_operation() {
    let io = FaultFileIO::new();
    let file = create(&io, "a");
    io.keep_history();
    for byte in 0..5 {
        file.write_at(&[byte], u64::from(byte)).unwrap();
        if byte == 2 {
            file.sync().unwrap();
        }
    }
    io.sync_dir().unwrap();
    assert!(io.after(0).is_none() && io.after(8).is_some() && io.after(9).is_none());
    let lens = |loss| -> Vec<Option<usize>> {
        let lens = (1..=8).map(|at| read(&io.after(at).unwrap().restarted(loss), "a").map(|b| b.len()));
        lens.collect()
    };
    let some = |lens: [usize; 8]| lens.map(Some).to_vec();
    assert_eq!(lens(Loss::Nothing), some([0, 1, 2, 3, 3, 4, 5, 5]));
    let mut durable = [None; 8];
    durable[7] = Some(3);
    assert_eq!(lens(Loss::Everything), durable);
}

#[test]
fn calls_and_bytes_are_counted() {
    let io = FaultFileIO::new();
    let file = create(&io, "a");
    file.write_at(b"12345", 0).unwrap();
    file.write_at(b"12345", 5).unwrap();
    file.truncate(3).unwrap();
    file.sync().unwrap();
    file.will_read(0..7);
    io.sync_dir().unwrap();
    assert_eq!(read(&io, "a"), Some(b"123".to_vec()));
    io.list().unwrap();
    io.rename("a", "b").unwrap();
    io.remove("b").unwrap();
    let expected = FaultStats {
        bytes: 0,
        peak_bytes: 10,
        bytes_written: 10,
        bytes_read: 3,
        writes: 2,
        syncs: 1,
        dir_syncs: 1,
        truncates: 1,
        creates: 1,
        renames: 1,
        removes: 1,
        reads: 1,
        advice: 1,
        bytes_advised: 7,
        opens: 1,
        lists: 1,
        others: 1,
    };
    assert_eq!(io.stats(), expected);
}
