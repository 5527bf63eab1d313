//! What repair reads beside good runs: rows made anew from the records of packs and segments, what the files of a store
//! tell if no manifest does, and the file for what is damaged.

use super::Schema;
use super::check::Damage;
use super::delta::Row;
use super::segment::{Scanner, Segment, describe};
use crate::error::{Error, Result};
use crate::file::{FileHandle, FileIO, OpenMode};
use crate::format::bytes::PutBytes;
use crate::format::manifest::{FIRST_GROUP, LAST_GROUP, LayerEntry, Manifest, PartEntry, SegmentEntry};
use crate::format::record::{SEGMENT_HEADER, SegmentHeader};
use crate::format::row::Group;
use crate::format::{Generation, Lsn, Ordinal, RunId, SegmentId};
use crate::order::sort_by_key;
use std::collections::BTreeMap;
use std::sync::Arc;

const ASIDE_PREFIX: &str = "damaged-";
const ASIDE_SUFFIX: &str = ".bin";
const ASIDE_MAGIC: &[u8; 8] = b"JAZZDMG\0";
/// Of a damaged place so many bytes are set aside at most: the file may be damaged to its end.
const ASIDE_LIMIT: u64 = 16 << 20;

/// Whether a file of this name holds what a repair set aside.
pub(super) fn is_aside(name: &str) -> bool {
    let number = name.strip_prefix(ASIDE_PREFIX).and_then(|rest| rest.strip_suffix(ASIDE_SUFFIX));
    number.is_some_and(|digits| digits.len() == 8 && u32::from_str_radix(digits, 16).is_ok())
}

/// The damaged bytes of a store, on their way to a file of their own: for each place the name of the file (`u16` length,
/// bytes), the offset (`u64`), and the bytes (`u32` length, bytes).
#[derive(Default)]
pub(super) struct Aside<H> {
    file: Option<(String, H)>,
    end: u64,
    places: Vec<(SegmentId, u64)>,
}

impl<H: FileHandle> Aside<H> {
    pub(super) fn new() -> Self {
        Self { file: None, end: 0, places: Vec::new() }
    }

    /// Copies `len` bytes at `offset` of a file, unless they were before.
    pub(super) fn add<F: FileIO<Handle = H>>(
        &mut self,
        io: &F,
        segment: &Segment<F>,
        offset: u64,
        len: u64,
    ) -> Result<()> {
        let place = (segment.id(), offset);
        if self.places.contains(&place) {
            return Ok(());
        }
        self.places.push(place);
        let bytes = match segment.read_up_to(offset, len.min(ASIDE_LIMIT) as usize) {
            Err(Error::Corrupt { .. }) => return Ok(()),
            other => other?,
        };
        if self.file.is_none() {
            let names = io.list()?;
            let free = (1..=u32::MAX).map(|n| format!("{ASIDE_PREFIX}{n:08x}{ASIDE_SUFFIX}"));
            let name = free.into_iter().find(|name| !names.contains(name)).unwrap_or_default();
            let handle = io.open(&name, OpenMode::CreateNew)?;
            handle.write_at(ASIDE_MAGIC, 0)?;
            self.end = ASIDE_MAGIC.len() as u64;
            self.file = Some((name, handle));
        }
        let mut out = Vec::new();
        out.put_short(segment.id().file_name().as_bytes());
        out.put_u64(offset);
        out.put_blob(&bytes);
        if let Some((_, handle)) = &self.file {
            handle.write_at(&out, self.end)?;
            self.end += out.len() as u64;
        }
        Ok(())
    }

    /// Makes the file durable, if there is one, and gives its name.
    pub(super) fn finish(self) -> Result<Option<String>> {
        let Some((name, handle)) = self.file else { return Ok(None) };
        handle.sync()?;
        Ok(Some(name))
    }
}

/// The store that files make which no manifest names: all packs are one part, whose run is to be rebuilt, and the log
/// begins with the first segment.
pub(super) fn files_in<F: FileIO>(io: &Arc<F>) -> Result<Manifest> {
    let mut found: Option<SegmentHeader> = None;
    let (mut packs, mut log, mut next_run) = (Vec::new(), Vec::new(), RunId(1));
    for name in io.list()? {
        if let Some(run) = RunId::from_file_name(&name) {
            next_run = next_run.max(run.next());
        }
        let Some(id) = SegmentId::from_file_name(&name) else { continue };
        let segment = Segment::existing(io, id);
        let header = SegmentHeader::decode(&segment.read_up_to(0, SEGMENT_HEADER as usize)?);
        let entry = SegmentEntry { id, len: segment.len()?, live: segment.len()? };
        match header {
            Ok(header) if found.is_none_or(|found| found.store == header.store) => {
                found = Some(header);
            }
            // Nobody knows whose it is; its records carry its number only.
            Ok(_) => continue,
            Err(_) => {}
        }
        if id.is_pack() { packs.push(entry) } else { log.push(entry) }
    }
    let Some(header) = found else {
        let detail = "no manifest, and no segment or pack with a valid header: there is nothing to repair";
        return Err(Error::corrupt(io.path(), 0, detail));
    };
    sort_by_key(&mut packs, |entry| entry.id);
    sort_by_key(&mut log, |entry| entry.id);
    let next_pack = packs.last().map_or(SegmentId::FIRST_PACK, |entry| entry.id.next());
    let replay_from = log.first().map_or(SegmentId(1), |entry| entry.id);
    // The log may be in the packs already, so it is looked at together with them.
    packs.extend(log);
    let part = PartEntry { run: next_run, file_len: 0, low: FIRST_GROUP, high: LAST_GROUP, segments: packs };
    Ok(Manifest {
        generation: Generation(0),
        store: header.store,
        hash_key: header.hash_key,
        replay_from,
        replay_lsn: Lsn(1),
        replay_durable: 0,
        covalues: Ordinal(0),
        next_run: next_run.next(),
        next_pack,
        layers: vec![LayerEntry { parts: vec![part] }],
        merge: None,
    })
}

/// The records of one file that belong to a range of groups, group by group.
struct Records<F: FileIO, S: Schema> {
    segment: Arc<Segment<F>>,
    /// Of a pack, the first record of the log that it does not have.
    as_of: Option<Lsn>,
    scanner: Option<Scanner<F>>,
    /// What was read ahead: of a pack the groups at hand, of a log segment everything.
    groups: BTreeMap<Group, Vec<S::Outline>>,
}

/// A damaged place.
type Place<F> = (Arc<Segment<F>>, u64, u64, &'static str);

/// Rows of a part made from the records of the files it names.
pub(super) struct Rebuilt<F: FileIO, S: Schema> {
    files: Vec<Records<F, S>>,
    low: Group,
    high: Group,
    /// Damage met: the file, offset and length, and what is wrong.
    pub(super) damage: Vec<Place<F>>,
}

impl<F: FileIO, S: Schema> Rebuilt<F, S> {
    pub(super) fn new(segments: Vec<Arc<Segment<F>>>, low: Group, high: Group) -> Result<Self> {
        let mut rebuilt = Self { files: Vec::new(), low, high, damage: Vec::new() };
        for segment in segments {
            // A file that is missing has been reported by whoever needed it.
            let scanner = match Scanner::new(&segment, u64::from(SEGMENT_HEADER)) {
                Err(Error::Corrupt { .. }) => {
                    rebuilt.damage.push((segment, 0, 0, "the file is missing"));
                    continue;
                }
                other => Some(other?),
            };
            // Whether the header is damaged is for others to say.
            let header = SegmentHeader::decode(&segment.start()?);
            let as_of = header.map_or(Lsn(1), |header| header.first_lsn);
            let as_of = segment.id().is_pack().then_some(as_of);
            rebuilt.files.push(Records { segment, as_of, scanner, groups: BTreeMap::new() });
        }
        for file in 0..rebuilt.files.len() {
            rebuilt.read_ahead(file)?;
        }
        Ok(rebuilt)
    }

    /// Reads a pack on until two groups are known, so that the first of them is complete; a log segment to its end.
    fn read_ahead(&mut self, file: usize) -> Result<()> {
        let Some(records) = self.files.get_mut(file) else { return Ok(()) };
        let segment = Arc::clone(&records.segment);
        while let Some(scanner) = &mut records.scanner {
            if segment.id().is_pack() && records.groups.len() >= 2 {
                return Ok(());
            }
            if scanner.offset() >= scanner.file_len() {
                records.scanner = None;
                break;
            }
            let offset = scanner.offset();
            let bad = match scanner.advance()? {
                Ok(scanned) => {
                    let lsn = records.as_of.unwrap_or(scanned.header.lsn);
                    for (group, outline) in S::outline(scanned.location, lsn, scanned.body) {
                        if self.low <= group && group <= self.high {
                            records.groups.entry(group).or_default().push(outline);
                        }
                    }
                    continue;
                }
                Err(bad) => bad,
            };
            let more = scanner.resync()?;
            let len = scanner.offset() - offset;
            // A log segment may end in a torn write, or in zeros.
            if more || segment.id().is_pack() {
                self.damage.push((Arc::clone(&segment), offset, len, describe(bad)));
            }
        }
        Ok(())
    }

    /// The next group.
    pub(super) fn group(&self) -> Option<Group> {
        self.files.iter().filter_map(|records| records.groups.keys().next().copied()).min()
    }

    /// The rows of this group, if it is next.
    pub(super) fn take_group(&mut self, group: Group) -> Result<Vec<Row>> {
        let mut outlines = Vec::new();
        for file in 0..self.files.len() {
            let taken = self.files.get_mut(file).and_then(|records| records.groups.remove(&group));
            if let Some(taken) = taken {
                outlines.extend(taken);
                self.read_ahead(file)?;
            }
        }
        let mut rows = Vec::new();
        if !outlines.is_empty() {
            S::rows(group, &outlines, &mut rows);
        }
        Ok(rows)
    }
}

/// Adds damage to a list, each place once, with the CoValues concerned.
pub(super) fn note(list: &mut Vec<Damage>, error: &Error, covalue: Option<&[u8]>) -> Result<()> {
    let Error::Corrupt { path, offset, detail, .. } = error else { return Err(error.clone()) };
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let at = list.iter().position(|damage| damage.file == file && damage.offset == *offset);
    let place = at.unwrap_or(list.len());
    if at.is_none() {
        list.push(Damage { file, offset: *offset, detail: detail.clone(), covalues: Vec::new() });
    }
    if let (Some(damage), Some(id)) = (list.get_mut(place), covalue)
        && !damage.covalues.iter().any(|known| known == id)
    {
        damage.covalues.push(id.to_vec());
    }
    Ok(())
}
