//! What a power cut leaves of the changes that were not synced.
//!
//! A change reaches the medium in parts: a write in sectors, and apart from them the length to which it grew the file;
//! a truncation, a new name and a removed one as one part each; a rename as the new name, which may be there before the
//! old one is gone, but not the other way round. Bytes of a sector that a write did not touch keep what they held.

use super::disk::{Change, Disk, NameChange, put, resize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Writes are torn at multiples of this, in bytes.
pub(super) const SECTOR: usize = 512;
/// Or, as often, at multiples of this: what file systems and drives today write at a time.
const PAGE: usize = 4096;

/// What becomes of everything that was not synced when the power was cut. The numbers are seeds: the same one chooses the
/// same again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// It is all there, as after the death of a process.
    Nothing,
    /// It is all gone.
    Everything,
    /// All new, renamed and removed names are there, but no bytes that were written since a sync.
    Data,
    /// All bytes are there that were written to files whose names were synced, but no change of the names.
    Names,
    /// The oldest changes are there, up to some point in the middle of one, in the order in which they were made.
    Tail(u64),
    /// As [`Loss::Tail`], but each file, and the names, lose a tail of their own.
    Tails(u64),
    /// Some sectors of some changes are there, others not, as if written in any order. Names come and go likewise.
    Some(u64),
    /// Everything is there but some sectors of the last change.
    Last(u64),
    /// As [`Loss::Some`], and some sectors hold bytes that nobody wrote.
    Garbage(u64),
}

impl Loss {
    fn seed(self) -> u64 {
        match self {
            Self::Nothing | Self::Everything | Self::Data | Self::Names => 0,
            Self::Tail(seed) | Self::Tails(seed) | Self::Some(seed) => seed,
            Self::Last(seed) | Self::Garbage(seed) => seed,
        }
    }
}

/// A small generator with replayable seeds (Steele, Lea, Flood: SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.next() as u8).take(len).collect()
    }
}

/// What reaches the medium whole or not at all.
#[derive(Clone, Copy)]
enum Part<'a> {
    Sector { file: usize, offset: u64, bytes: &'a [u8] },
    Grow { file: usize, len: u64 },
    Truncate { file: usize, len: u64 },
    Link(&'a str, usize),
    Unlink(&'a str),
}

/// A change that was not synced.
#[derive(Clone, Copy)]
enum Item<'a> {
    Data(usize, &'a Change),
    Name(&'a NameChange),
}

impl<'a> Item<'a> {
    /// The parts, in the order in which they are applied. `unit` is where a write is torn.
    fn parts(self, unit: usize) -> Vec<Part<'a>> {
        match self {
            Item::Data(file, Change::Truncate(len)) => vec![Part::Truncate { file, len: *len }],
            Item::Data(file, Change::Write { offset, bytes }) => {
                let (mut at, mut rest, mut out) = (*offset, &bytes[..], Vec::new());
                while !rest.is_empty() {
                    let room = unit - (at as usize % unit);
                    let (bytes, after) = rest.split_at(room.min(rest.len()));
                    out.push(Part::Sector { file, offset: at, bytes });
                    at += bytes.len() as u64;
                    rest = after;
                }
                out.push(Part::Grow { file, len: at });
                out
            }
            Item::Name(NameChange::Link(name, file)) => vec![Part::Link(name, *file)],
            Item::Name(NameChange::Unlink(name)) => vec![Part::Unlink(name)],
            Item::Name(NameChange::Rename(from, to, file)) => vec![Part::Link(to, *file), Part::Unlink(from)],
        }
    }
}

/// The medium after the cut.
struct Medium {
    files: Vec<Arc<Vec<u8>>>,
    names: BTreeMap<String, usize>,
}

impl Medium {
    fn apply(&mut self, part: Part<'_>) {
        match part {
            Part::Sector { file, offset, bytes } => {
                self.files.get_mut(file).into_iter().for_each(|file| put(file, offset, bytes));
            }
            Part::Grow { file, len } => {
                let shorter = self.files.get_mut(file).filter(|file| (file.len() as u64) < len);
                shorter.into_iter().for_each(|file| resize(file, len));
            }
            Part::Truncate { file, len } => {
                self.files.get_mut(file).into_iter().for_each(|file| resize(file, len));
            }
            Part::Link(name, file) => {
                self.names.insert(name.to_owned(), file);
            }
            Part::Unlink(name) => {
                self.names.remove(name);
            }
        }
    }

    fn apply_all(&mut self, item: Item<'_>) {
        item.parts(PAGE).into_iter().for_each(|part| self.apply(part));
    }

    /// Applies the first parts of these changes, up to a random one.
    fn apply_some_first<'a>(&mut self, items: impl Iterator<Item = Item<'a>>, random: &mut Random) {
        let unit = unit(random);
        let parts: Vec<_> = items.flat_map(|item| item.parts(unit)).collect();
        let keep = random.below(parts.len() + 1);
        parts.into_iter().take(keep).for_each(|part| self.apply(part));
    }

    /// Applies some parts of a change and leaves others out. `odds` of 8 arrive; if `garbage` is possible, some of those
    /// that do not were caught in the middle.
    fn apply_some(
        &mut self,
        item: Item<'_>,
        (unit, odds, garbage): (usize, usize, bool),
        random: &mut Random,
    ) {
        for part in item.parts(unit) {
            if random.below(8) < odds {
                self.apply(part);
                continue;
            }
            match part {
                Part::Sector { file, offset, bytes } if garbage && random.below(2) == 0 => {
                    let bytes = &random.bytes(bytes.len());
                    self.apply(Part::Sector { file, offset, bytes });
                }
                // The old name stays if the new one did not come.
                Part::Link(..) if matches!(item, Item::Name(NameChange::Rename(..))) => break,
                _ => {}
            }
        }
    }
}

fn unit(random: &mut Random) -> usize {
    if random.below(2) == 0 { SECTOR } else { PAGE }
}

/// The disk as a power cut leaves it, with everything that is left durable.
pub(super) fn after_cut(disk: &Disk, loss: Loss) -> Disk {
    let random = &mut Random(loss.seed());
    let (data, names) = (data_of(disk), names_of(disk));
    let mut all = [&data[..], &names[..]].concat();
    all.sort_by_key(|(order, _)| *order);
    let items = all.iter().map(|(_, item)| *item);
    let mut medium = Medium {
        files: disk.files.iter().map(|file| Arc::clone(&file.durable)).collect(),
        names: disk.durable_names.clone(),
    };
    match loss {
        Loss::Everything => {}
        Loss::Nothing => {
            medium.files = disk.files.iter().map(|file| Arc::clone(&file.current)).collect();
            medium.names = disk.names.clone();
        }
        Loss::Data => medium.names = disk.names.clone(),
        Loss::Names => medium.files = disk.files.iter().map(|file| Arc::clone(&file.current)).collect(),
        Loss::Tail(_) => medium.apply_some_first(items, random),
        Loss::Tails(_) => {
            medium.apply_some_first(names.iter().map(|(_, item)| *item), random);
            for number in 0..disk.files.len() {
                let of_file = |item: &Item<'_>| matches!(item, Item::Data(file, _) if *file == number);
                medium.apply_some_first(data.iter().map(|(_, item)| *item).filter(of_file), random);
            }
        }
        Loss::Some(_) | Loss::Garbage(_) => {
            let odds = [1, 4, 5, 7][random.below(4)];
            let how = (unit(random), odds, matches!(loss, Loss::Garbage(_)));
            items.for_each(|item| medium.apply_some(item, how, random));
        }
        Loss::Last(_) => {
            let mut items: Vec<_> = items.collect();
            let last = items.pop();
            items.into_iter().for_each(|item| medium.apply_all(item));
            if let Some(last) = last {
                medium.apply_some(last, (SECTOR, 4, random.below(2) == 0), random);
            }
        }
    }
    let mut left = Disk::durable(medium.names.into_iter().filter_map(|(name, number)| {
        let bytes = medium.files.get(number).map(Arc::clone);
        bytes.map(|bytes| (name, bytes))
    }));
    left.capacity = disk.capacity;
    left
}

fn data_of(disk: &Disk) -> Vec<(u64, Item<'_>)> {
    let files = disk.files.iter().enumerate();
    files
        .flat_map(|(number, file)| {
            file.pending.iter().map(move |(order, change)| (*order, Item::Data(number, change)))
        })
        .collect()
}

fn names_of(disk: &Disk) -> Vec<(u64, Item<'_>)> {
    disk.pending_names.iter().map(|(order, change)| (*order, Item::Name(change))).collect()
}
