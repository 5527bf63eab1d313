//! What bf-tree, in the version that is used, does and does not do: the ground of the rules of docs/design.md, section
//! 5.4, by which `engine/delta/bftree.rs` uses it.
//!
//! Two tests consist of this: `bftree_rules.rs` over upstream's crate, `bftree_portable.rs` over `bf-tree-portable`, which
//! the engine has. What `bf_tree` and `BfTreeDelta` are is said there.
//!
//! Used by the rules it agrees with a map, over many operations and with readers in several threads. Each rule has a test
//! that shows what happens otherwise, **as it is today**. When one of those fails after an upgrade, the fault may be gone:
//! the message names the rule to review, nothing else is wrong.
//!
//! Left out, as it cannot be shown cheaply or safely from outside: that its write-ahead log is never synced (needs a trace
//! of system calls), that errors of its files are panics (in threads of its own as well), and that a scan over very many
//! deleted keys overflows the stack (depends on how the compiler optimizes).
//!
//! `JAZZ_BFTREE_OPERATIONS` and `JAZZ_BFTREE_SEED` make the comparison longer and other; a failure prints its seed.

mod delta;
#[path = "../support/random.rs"]
mod random;

use crate::BfTreeDelta;
use bf_tree::{BfTree, Config, LeafInsertResult, LeafReadResult, ScanReturnField, StorageBackend};
use jazz_storage_core::format::row::{KEY_LEN, VALUE_LEN};
use random::{Random, scatter, setting};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Child, Command, Stdio};
use std::sync::{RwLock, mpsc};
use std::thread;
use std::time::Duration;

const ROW: usize = KEY_LEN + VALUE_LEN;

type Key = [u8; KEY_LEN];
type Value = [u8; VALUE_LEN];

/// What a failed test of a rule means.
fn review(rule: &str) -> String {
    format!("bf-tree does not behave as it did: review in docs/design.md, section 5.4, the rule: {rule}")
}

fn value(random: &mut Random) -> Value {
    let mut value = [0; VALUE_LEN];
    value.copy_from_slice(&random.bytes(VALUE_LEN));
    value
}

/// A key of the form of the index's: a group of 16 bytes, which the rows of one CoValue share, and two numbers.
fn key(group: u64, slot: u32, index: u32) -> Key {
    let mut key = [0; KEY_LEN];
    key[..8].copy_from_slice(&group.to_be_bytes());
    key[16..20].copy_from_slice(&slot.to_be_bytes());
    key[20..].copy_from_slice(&index.to_be_bytes());
    key
}

fn first(group: u64) -> Key {
    key(group, 0, 0)
}

fn last(group: u64) -> Key {
    key(group, u32::MAX, u32::MAX)
}

fn tree(config: Config) -> BfTree {
    BfTree::with_config(config, None).expect("a valid configuration")
}

fn insert(tree: &BfTree, key: &[u8], value: &[u8]) {
    assert_eq!(tree.insert(key, value), LeafInsertResult::Success);
}

fn get(tree: &BfTree, key: &Key) -> Option<Value> {
    let mut value = [0; VALUE_LEN];
    match tree.read(key, &mut value) {
        LeafReadResult::Found(len) => {
            assert_eq!(len as usize, VALUE_LEN);
            Some(value)
        }
        LeafReadResult::NotFound => None,
        other => panic!("{other:?} where nothing was deleted"),
    }
}

fn scan(tree: &BfTree, from: &Key, to: &Key) -> Vec<(Key, Value)> {
    let mut scan = tree.scan_with_end_key(from, to, ScanReturnField::KeyAndValue).expect("a valid range");
    let (mut rows, mut row) = (Vec::new(), [0; ROW]);
    while let Some(lengths) = scan.next(&mut row) {
        assert_eq!(lengths, (KEY_LEN, VALUE_LEN));
        let (key, value) = row.split_first_chunk().unwrap();
        rows.push((*key, value.try_into().unwrap()));
    }
    rows
}

fn scan_of(model: &BTreeMap<Key, Value>, from: Key, to: Key) -> Vec<(Key, Value)> {
    model.range(from..=to).map(|(key, value)| (*key, *value)).collect()
}

/// One tree from empty to as many rows as a delta has at a checkpoint. Gives the number of operations.
fn one_delta(random: &mut Random, most: u64) -> u64 {
    let (tree, mut model) = (tree(BfTreeDelta::config()), BTreeMap::new());
    // Real groups are hashes. Neighbours and few groups with many rows strain other parts of a tree.
    let (groups, hashed) = (1 + random.below(20_000), random.below(4) > 0);
    let (slots, rows) = (1 + random.below(4) as u32, 1_000 + random.below(63_000) as usize);
    let group_of = |n: u64| if hashed { scatter(n) } else { n };
    let mut operations = 0;
    while model.len() < rows && operations < most {
        operations += 1;
        let group = group_of(random.below(groups));
        let key = key(group, random.below(slots.into()) as u32, random.below(64) as u32);
        match random.below(16) {
            0..=9 => {
                let value = value(random);
                insert(&tree, &key, &value);
                model.insert(key, value);
            }
            10..=12 => assert_eq!(get(&tree, &key), model.get(&key).copied(), "{key:?}"),
            13 | 14 => {
                assert_eq!(
                    scan(&tree, &first(group), &last(group)),
                    scan_of(&model, first(group), last(group)),
                    "group {group}"
                );
            }
            _ if random.below(500) == 0 => {
                let (from, to) = (first(group), last(group_of(random.below(groups)).max(group)));
                assert_eq!(scan(&tree, &from, &to), scan_of(&model, from, to), "{from:?} to {to:?}");
            }
            _ => {}
        }
        // A space of keys smaller than the rows wanted is full at some time.
        if model.len() as u64 == groups * u64::from(slots) * 64 {
            break;
        }
    }
    let all = ([0; KEY_LEN], [0xff; KEY_LEN]);
    assert_eq!(scan(&tree, &all.0, &all.1), scan_of(&model, all.0, all.1), "all rows");
    for (key, value) in &model {
        assert_eq!(get(&tree, key).as_ref(), Some(value), "{key:?}");
    }
    operations
}

#[test]
fn used_by_the_rules_it_agrees_with_a_map() {
    let (operations, seed) = (setting("JAZZ_BFTREE_OPERATIONS", 400_000), setting("JAZZ_BFTREE_SEED", 1));
    let (mut done, mut trees) = (0, 0);
    while done < operations {
        let mut random = Random(seed.wrapping_add(trees));
        match catch_unwind(AssertUnwindSafe(|| one_delta(&mut random, operations - done))) {
            Ok(operations) => done += operations,
            Err(panic) => {
                eprintln!("JAZZ_BFTREE_SEED={} fails in its first tree", seed.wrapping_add(trees));
                resume_unwind(panic);
            }
        }
        trees += 1;
    }
    println!("{done} operations on {trees} trees");
}

#[test]
fn readers_in_several_threads_and_a_writer_that_excludes_them_agree_with_a_map() {
    const GROUPS: u64 = 300;
    const READERS: u64 = 3;
    let seed = setting("JAZZ_BFTREE_SEED", 1);
    let writes = setting("JAZZ_BFTREE_OPERATIONS", 400_000) / 200;
    let tree = tree(BfTreeDelta::config());
    // As the engine's index: one lock over the delta, and here over what is expected of it.
    let model = RwLock::new(BTreeMap::new());
    let (finished, compared) = (RwLock::new(false), RwLock::new(0u64));
    thread::scope(|scope| {
        for reader in 0..READERS {
            let (tree, model, finished, compared) = (&tree, &model, &finished, &compared);
            scope.spawn(move || {
                let mut random = Random(seed.wrapping_mul(31) + reader);
                let mut mine = 0;
                while !*finished.read().unwrap() {
                    let model = model.read().unwrap();
                    let group = scatter(random.below(GROUPS));
                    let key = key(group, random.below(3) as u32, random.below(64) as u32);
                    assert_eq!(get(tree, &key), model.get(&key).copied(), "JAZZ_BFTREE_SEED={seed}");
                    assert_eq!(
                        scan(tree, &first(group), &last(group)),
                        scan_of(&model, first(group), last(group)),
                        "JAZZ_BFTREE_SEED={seed}"
                    );
                    mine += 1;
                }
                *compared.write().unwrap() += mine;
            });
        }
        let written = catch_unwind(AssertUnwindSafe(|| {
            let mut random = Random(seed);
            for n in 0..writes {
                let mut model = model.write().unwrap();
                for _ in 0..1 + random.below(20) {
                    let key =
                        key(scatter(random.below(GROUPS)), random.below(3) as u32, random.below(64) as u32);
                    let value = value(&mut random);
                    insert(&tree, &key, &value);
                    model.insert(key, value);
                }
                drop(model);
                // Readers come between only if they are let.
                if n % 4 == 0 {
                    thread::yield_now();
                }
            }
        }));
        *finished.write().unwrap() = true;
        written.unwrap_or_else(|panic| resume_unwind(panic));
    });
    let all = ([0; KEY_LEN], [0xff; KEY_LEN]);
    assert_eq!(scan(&tree, &all.0, &all.1), scan_of(&model.read().unwrap(), all.0, all.1));
    assert!(*compared.read().unwrap() > READERS, "the readers read beside the writer");
}

/// Counts the bytes that each thread has allocated and not freed, so that the memory of a tree can be told from that of
/// the tests beside it.
struct Counting;

thread_local! {
    static HELD: Cell<i64> = const { Cell::new(0) };
}

fn count(bytes: i64) {
    // A thread that ends frees after its counter is gone.
    let _ = HELD.try_with(|held| held.set(held.get() + bytes));
}

// SAFETY: each method hands its arguments to the system's allocator unchanged and gives back what that gives; counting
// neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn held() -> i64 {
    HELD.get()
}

/// Memory of a tree, beyond what an empty one reserves, after 20,000 rows were written once, and after many times.
fn memory_over_rounds(length: impl Fn(usize) -> usize) -> (i64, i64) {
    let mut config = BfTreeDelta::config();
    config.cb_min_record_size(KEY_LEN + length(0).min(VALUE_LEN));
    let tree = tree(config);
    let before = held();
    let mut after_first = 0;
    for round in 0..16 {
        let value = vec![1; length(round)];
        (0..20_000).for_each(|n| insert(&tree, &key(scatter(n), 0, 0), &value));
        if round == 0 {
            after_first = held() - before;
        }
    }
    (after_first, held() - before)
}

#[test]
fn rule_values_of_one_size_as_growing_ones_never_reuse_their_space() {
    let (first, last) = memory_over_rounds(|_| VALUE_LEN);
    let rows = 20_000 * ROW as i64;
    println!("fixed: {first} bytes, then {last}, for {rows} of rows");
    assert!(
        last < 2 * rows && last < first + first / 4,
        "writing rows again takes memory: {first}, then {last} bytes"
    );
    let (first, last) = memory_over_rounds(|round| 60 + 2 * round);
    println!("growing: {first} bytes, then {last}, for {rows} of rows");
    let rule = review("values have one fixed size");
    assert!(last > 4 * rows, "{rule} (growing values took {last} bytes for {rows} of rows)");
}

#[test]
fn rule_each_tree_reserves_tens_of_megabytes_so_there_is_one() {
    let before = held();
    let tree = tree(BfTreeDelta::config());
    let reserved = held() - before;
    drop(tree);
    let rule = review("one in-memory tree per delta");
    assert!(reserved > 16 << 20, "{rule} (an empty tree reserves {reserved} bytes)");
}

#[test]
fn rule_no_deletes_and_no_snapshots_as_deleted_keys_come_back() {
    const KEYS: u64 = 60_000;
    let directory = tempfile::tempdir().unwrap();
    let snapshot = directory.path().join("snapshot");
    // bf-tree's own defaults, but for the length of keys: it is not our settings that do it. With pages in memory, which
    // take rows at once in bf-tree-portable, no key was seen to come back there.
    let mut config = Config::default();
    config.storage_backend(StorageBackend::Std).file_path(directory.path().join("file"));
    config.cb_max_key_len(KEY_LEN).use_snapshot(true);
    let before = tree(config);
    let key = |n| key(scatter(n), 0, 0);
    let deleted = || (0..KEYS).step_by(2).map(key);
    let present =
        |tree: &BfTree, key: &Key| matches!(tree.read(key, &mut [0; VALUE_LEN]), LeafReadResult::Found(_));
    (0..KEYS).for_each(|n| insert(&before, &key(n), &[1; VALUE_LEN]));
    deleted().for_each(|key| before.delete(&key));
    assert!(!deleted().any(|key| present(&before, &key)));
    before.cpr_snapshot(&snapshot);
    drop(before);
    let after = BfTree::new_from_cpr_snapshot(&snapshot, false, None, None, None).unwrap();
    assert!(!deleted().any(|key| present(&after, &key)));
    (KEYS..2 * KEYS).for_each(|n| insert(&after, &key(n), &[2; VALUE_LEN]));
    let back = deleted().filter(|key| present(&after, key)).count();
    println!("{back} of {} deleted keys came back", KEYS / 2);
    assert!(back > 0, "{}", review("no deletes, no snapshots (none of the deleted keys came back)"));
}

#[test]
fn rule_none_of_its_files_as_one_that_was_closed_opens_empty() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = BfTreeDelta::config();
    config.storage_backend(StorageBackend::Std).file_path(directory.path().join("file"));
    let closed = tree(config.clone());
    (0..20_000).for_each(|n| insert(&closed, &key(n, 0, 0), &[1; VALUE_LEN]));
    drop(closed);
    let opened = tree(config);
    let found = (0..20_000).filter(|n| get(&opened, &key(*n, 0, 0)).is_some()).count();
    assert_eq!(found, 0, "{}", review("none of its files"));
}

#[test]
fn rule_none_of_its_files_as_damage_in_a_snapshot_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let snapshot = directory.path().join("snapshot");
    let mut config = BfTreeDelta::config();
    config.use_snapshot(true);
    let before = tree(config);
    insert(&before, &key(1, 0, 0), &[0xa5; VALUE_LEN]);
    before.cpr_snapshot(&snapshot);
    drop(before);
    let mut bytes = std::fs::read(&snapshot).unwrap();
    let at = bytes.windows(VALUE_LEN).position(|window| window == [0xa5; VALUE_LEN]).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&snapshot, &bytes).unwrap();
    let served = BfTree::new_from_cpr_snapshot(&snapshot, false, None, None, None)
        .is_ok_and(|tree| get(&tree, &key(1, 0, 0)).is_some_and(|value| value != [0xa5; VALUE_LEN]));
    assert!(served, "{}", review("no snapshots (damage in one is noticed)"));
}

#[test]
fn rule_buffers_are_long_enough_as_a_short_one_panics() {
    let tree = tree(BfTreeDelta::config());
    insert(&tree, &key(1, 0, 0), &[1; VALUE_LEN]);
    let panics = |work: &dyn Fn()| catch_unwind(AssertUnwindSafe(work)).is_err();
    let read = panics(&|| {
        tree.read(&key(1, 0, 0), &mut [0; VALUE_LEN - 1]);
    });
    assert!(read, "{}", review("buffers are always long enough (reads)"));
    let scanned = panics(&|| {
        let scan = tree.scan_with_end_key(&first(1), &last(1), ScanReturnField::KeyAndValue);
        scan.unwrap().next(&mut [0; ROW - 1]);
    });
    assert!(scanned, "{}", review("buffers are always long enough (scans)"));
}

#[test]
fn rule_sizes_beyond_the_limits_are_refused() {
    let tree = tree(BfTreeDelta::config());
    let refused =
        |key: &[u8], value: &[u8]| matches!(tree.insert(key, value), LeafInsertResult::InvalidKV(_));
    let rule = review("fixed-size keys and values only (the limits refuse others)");
    assert!(refused(&[1; KEY_LEN + 1], &[1; VALUE_LEN - 1]), "{rule}: a longer key");
    assert!(refused(&[1; KEY_LEN], &[1; VALUE_LEN + 1]), "{rule}: a longer value");
    assert!(refused(&[1; KEY_LEN], &[1; VALUE_LEN - 1]), "{rule}: a shorter value");
    assert!(refused(&[], &[1; ROW]), "{rule}: no key");
    assert!(refused(&[1; ROW], &[]), "{rule}: no value");
    let all = scan(&tree, &[0; KEY_LEN], &[0xff; KEY_LEN]);
    assert_eq!(all, [], "a refused row is not stored");
    let mut value = [0; VALUE_LEN];
    assert_eq!(tree.read(&[1; KEY_LEN + 1], &mut value), LeafReadResult::InvalidKey, "{rule}");
    assert!(tree.scan_with_end_key(&first(2), &first(1), ScanReturnField::Key).is_err(), "{rule}");

    let valid = |change: &dyn Fn(&mut Config)| {
        let mut config = BfTreeDelta::config();
        change(&mut config);
        config.validate().is_ok()
    };
    let long =
        |key: usize| move |config: &mut Config| _ = config.cb_max_key_len(key).cb_max_record_size(4096);
    assert!(valid(&long(2020)) && !valid(&long(2021)), "{rule}: the longest key");
    let large =
        |row: usize| move |config: &mut Config| _ = config.leaf_page_size(32 << 10).cb_max_record_size(row);
    assert!(valid(&large(15 << 10)) && !valid(&large(17 << 10)), "{rule}: the largest row");
    assert!(!valid(&|config| _ = config.cb_min_record_size(1)), "{rule}: the smallest row");
}

#[test]
fn rule_a_scan_includes_its_end_key() {
    let tree = tree(BfTreeDelta::config());
    (0..10).for_each(|n| insert(&tree, &key(n, 0, 0), &[1; VALUE_LEN]));
    let keys = |from, to| scan(&tree, &key(from, 0, 0), &key(to, 0, 0)).into_iter().map(|(key, _)| key);
    let rule = review("a scan's end key is included (the last key of a group is its end)");
    assert!(keys(2, 5).eq((2..=5).map(|n| key(n, 0, 0))), "{rule}");
    assert!(keys(7, 7).eq([key(7, 0, 0)]), "{rule}");
}

/// Runs `work` on a thread that is given up if it does not end.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(Duration::from_secs(20)).ok()
}

#[test]
fn rule_readers_and_writers_exclude_each_other_as_a_scan_is_no_snapshot() {
    let seen = in_time(|| {
        let tree = tree(BfTreeDelta::config());
        (0..2_000).for_each(|n| insert(&tree, &key(n, 0, 0), &[1; VALUE_LEN]));
        let (mut row, mut rows) = ([0; ROW], 0);
        let mut scan =
            tree.scan_with_end_key(&first(0), &last(u64::MAX), ScanReturnField::KeyAndValue).unwrap();
        while scan.next(&mut row).is_some() {
            rows += 1;
            if rows == 1 {
                // Far from the leaf on which the scan stands.
                insert(&tree, &key(u64::MAX, 0, 0), &[2; VALUE_LEN]);
            }
        }
        rows
    });
    let rule = review("readers and writers exclude each other (a scan sees what is written meanwhile)");
    assert_eq!(seen, Some(2_001), "{rule}");
}

/// Tells the test below, run again in a process of its own, to lock itself out or not.
const CHILD: &str = "JAZZ_BFTREE_CHILD";

fn child(mode: &str) -> Child {
    let name = "bftree::rule_a_scan_is_drained_first_as_a_write_beside_it_waits_for_ever";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture"]).env(CHILD, mode);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.ends_with("the scan has begun")), "the child runs");
    child
}

#[test]
fn rule_a_scan_is_drained_first_as_a_write_beside_it_waits_for_ever() {
    if let Ok(mode) = std::env::var(CHILD) {
        let tree = tree(BfTreeDelta::config());
        (0..10).for_each(|n| insert(&tree, &key(n, 0, 0), &[1; VALUE_LEN]));
        let mut scan = tree.scan_with_end_key(&first(0), &last(9), ScanReturnField::KeyAndValue).unwrap();
        assert!(scan.next(&mut [0; ROW]).is_some());
        println!("the scan has begun");
        let _open = (mode == "open").then_some(scan);
        insert(&tree, &key(5, 0, 0), &[2; VALUE_LEN]);
        return;
    }
    // The same with the scan closed ends at once, so that it is the scan that matters.
    assert!(child("closed").wait().unwrap().success());
    let mut open = child("open");
    thread::sleep(Duration::from_millis(1_500));
    let ended = open.try_wait().unwrap();
    open.kill().unwrap();
    open.wait().unwrap();
    assert_eq!(ended, None, "{}", review("a scan is drained before anything else touches the tree"));
}
