//! Repair: makes a store that opens, and holds all that can be kept, of one that is damaged.
//!
//! 1. The manifest, or, if both slots are lost, what the files themselves tell. Parts whose run is damaged get their rows
//!    from the records of the files they name; all other parts keep theirs.
//! 2. The log is replayed from the replay position on, past what is damaged in it.
//! 3. All rows are compared with the log, and what cannot be kept is taken out: sessions end at their last good
//!    signature. This is done twice: once to learn which CoValues there are, as their places in the order of creation
//!    must be without gaps, and once to write the rows as one new layer. What can be kept of a damaged file is moved to a
//!    new one; all other records stay where they are.
//! 4. Damaged records are copied to a file of their own; the log goes on in a new segment; the manifest is published.
//!
//! Nothing the store had is changed before the manifest is published, so an interrupted repair is begun anew.

use super::cache::ReadCache;
use super::check::{Checked, Damage, Lost, OnProgress, Progress, Uncached};
use super::checkpoint::create_file;
use super::delta::{Delta, Row, Rows};
use super::layers::{Layers, Opened};
use super::manifest::{self, Found};
use super::merge::LayerScan;
use super::part::{Numbers, PartWriter, Rewriting, Windows};
use super::recovery::refuse_foreign;
use super::run::RunFile;
use super::salvage::{Aside, Rebuilt, files_in, note};
use super::segment::{Scanner, Segment, describe};
use super::{Applied, Engine, EngineOptions, IndexWriter, MakeSchema, Schema};
use crate::error::{Error, Result};
use crate::file::{FileHandle, FileIO};
use crate::format::manifest::{FIRST_GROUP, LAST_GROUP, LayerEntry, Manifest, PartEntry, SLOTS};
use crate::format::record::{self, BadRecord, RecordKind, SEGMENT_HEADER, SegmentHeader};
use crate::format::row::{Group, Key};
use crate::format::{Lsn, Ordinal, RunId, SegmentId};
use crate::order::sort;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Rows of a part that repair writes.
const PART_ROWS: u64 = 1 << 20;

/// Something that a repair could not keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostContent {
    /// The CoValue's id, if it is known.
    pub covalue: Option<Vec<u8>>,
    /// What is lost of a session.
    pub lost: Lost,
}

/// What a repair found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    /// What was damaged.
    pub damage: Vec<Damage>,
    /// What is not in the store any more, session by session.
    pub lost: Vec<LostContent>,
    /// CoValues kept.
    pub covalues: u64,
    /// CoValues lost as a whole: their ids, as far as they are known.
    pub covalues_lost: Vec<Option<Vec<u8>>>,
    /// The file to which the damaged records were copied, if there were any.
    pub set_aside: Option<String>,
}

struct Repair<'p, F: FileIO, S: Schema, D: Delta> {
    io: Arc<F>,
    options: EngineOptions,
    manifest: Manifest,
    schema: S,
    layers: Arc<Layers<F>>,
    /// Parts whose run is damaged, with the place of their layer.
    bad: Vec<(usize, PartEntry)>,
    /// Segments and packs in which something is damaged.
    damaged: BTreeSet<SegmentId>,
    delta: D,
    next_lsn: Lsn,
    next_segment: SegmentId,
    report: Repaired,
    aside: Aside<F::Handle>,
    progress: Progress,
    on_progress: OnProgress<'p>,
}

/// The rows of all groups in order, newest layer first.
struct Groups<F: FileIO, S: Schema> {
    next: Option<Group>,
    sources: Vec<Source<F, S>>,
}

enum Source<F: FileIO, S: Schema> {
    Layer(LayerScan<F>),
    Rebuilt(Rebuilt<F, S>),
}

impl<F: FileIO, S: Schema> Source<F, S> {
    fn group(&self) -> Option<Group> {
        match self {
            Self::Layer(scan) => scan.group(),
            Self::Rebuilt(rebuilt) => rebuilt.group(),
        }
    }
    fn take_group(&mut self, group: Group) -> Result<Vec<Row>> {
        match self {
            Self::Layer(scan) => scan.take_group(group),
            Self::Rebuilt(rebuilt) => rebuilt.take_group(group),
        }
    }
}

impl<F: FileIO, S: Schema> Groups<F, S> {
    fn next<D: Delta>(&mut self, delta: &D) -> Result<Option<(Group, Vec<Vec<Row>>)>> {
        let Some(from) = self.next else { return Ok(None) };
        let in_delta = delta.rows_from(&Key::first(from), 1)?.first().map(|(key, _)| key.group());
        let others = self.sources.iter().filter_map(Source::group);
        let Some(group) = others.chain(in_delta).min() else { return Ok(None) };
        let mut layers = Vec::new();
        let mut rows = Vec::new();
        delta.group(group, Rows::All, &mut rows)?;
        layers.push(rows);
        for source in &mut self.sources {
            layers.push(source.take_group(group)?);
        }
        layers.retain(|rows| !rows.is_empty());
        self.next = group.next();
        Ok(Some((group, layers)))
    }
}

impl<F: FileIO, S: Schema, D: Delta> Engine<F, S, D> {
    /// Repairs the store in `io`'s directory, which nobody may have open.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::NewerFormat`], [`Error::Cancelled`], [`Error::Corrupt`] if nothing is there that could
    /// be repaired, and failures to read or write.
    pub fn repair(
        io: F,
        options: EngineOptions,
        make_schema: MakeSchema<'_, S>,
        on_progress: OnProgress<'_>,
    ) -> Result<Repaired> {
        let io = Arc::new(io);
        refuse_foreign(&*io)?;
        let is_part =
            |name: &String| SLOTS.contains(&name.as_str()) || SegmentId::from_file_name(name).is_some();
        if !io.list()?.iter().any(is_part) {
            return Err(Error::corrupt(io.path(), 0, "there is nothing of a store to repair"));
        }
        let _lock = io.lock()?;
        let mut report = Repaired::default();
        let found = manifest::load(&*io)?;
        let lost = !matches!(found, Found::Valid(_));
        let manifest = match found {
            Found::Valid(manifest) => {
                for slot in SLOTS {
                    if matches!(manifest::read(&*io, slot)?, Some(Err(_))) {
                        let error = Error::corrupt(io.path().join(slot), 0, manifest::DAMAGED_SLOT);
                        note(&mut report.damage, &error, None)?;
                    }
                }
                manifest
            }
            Found::Nothing | Found::Damaged(_) => {
                let files = files_in(&io)?;
                let error = Error::corrupt(io.path().join(SLOTS[0]), 0, "there is no valid manifest");
                note(&mut report.damage, &error, None)?;
                files
            }
        };
        let mut repair: Repair<'_, F, S, D> = Repair {
            schema: make_schema(manifest.hash_key),
            layers: Arc::new(Layers::new(Arc::new(ReadCache::new(options.cache_bytes)))),
            bad: Vec::new(),
            damaged: BTreeSet::new(),
            delta: D::create()?,
            next_lsn: manifest.replay_lsn,
            next_segment: manifest.replay_from,
            report,
            aside: Aside::new(),
            progress: Progress::default(),
            on_progress,
            io,
            options,
            manifest,
        };
        repair.open_parts(lost)?;
        repair.scan_files()?;
        repair.replay()?;
        if lost {
            // What the log says of the index is in the part that is rebuilt.
            repair.delta = D::create()?;
        }
        repair.rewrite()
    }
}

impl<F: FileIO, S: Schema, D: Delta> Repair<'_, F, S, D> {
    fn note(&mut self, error: &Error) -> Result<()> {
        note(&mut self.report.damage, error, None)
    }

    fn advance(&mut self, bytes: u64) -> Result<()> {
        self.progress.done = (self.progress.done + bytes).min(self.progress.total);
        if (self.on_progress)(self.progress) { Ok(()) } else { Err(Error::Cancelled) }
    }

    /// Opens the parts that the manifest names; those that are damaged anywhere are to be rebuilt.
    fn open_parts(&mut self, without_runs: bool) -> Result<()> {
        let mut opened = Opened::default();
        let mut good = self.manifest.clone();
        for (place, layer) in good.layers.iter_mut().enumerate() {
            let mut parts = Vec::new();
            for part in std::mem::take(&mut layer.parts) {
                for segment in &part.segments {
                    opened.segments.push(Segment::existing(&self.io, segment.id));
                    // Each group is looked at twice.
                    self.progress.total += 2 * segment.live;
                }
                if without_runs {
                    self.bad.push((place, part));
                    continue;
                }
                let run = RunFile::open(&*self.io, part.run, part.file_len, self.manifest.store);
                let whole = run.and_then(|run| {
                    let run = Arc::new(run);
                    read_through(&run).map(|()| run)
                });
                match whole {
                    Ok(run) => {
                        opened.runs.push(run);
                        parts.push(part);
                    }
                    Err(e) => {
                        note(&mut self.report.damage, &e, None)?;
                        self.bad.push((place, part));
                    }
                }
            }
            layer.parts = parts;
        }
        // Also those that only damaged parts name.
        let segments = opened.segments.clone();
        let (layers, _) = self.layers.replaced(&good, opened)?;
        self.layers = Arc::new(layers.with_segments(segments));
        Ok(())
    }

    /// Looks for damage in all files that parts name, also in what is not needed any more.
    fn scan_files(&mut self) -> Result<()> {
        let files: Vec<Arc<Segment<F>>> = self.layers.segments.values().map(Arc::clone).collect();
        for segment in files {
            match self.scan_file(&segment) {
                Err(e @ Error::Corrupt { .. }) => {
                    self.damaged.insert(segment.id());
                    self.note(&e)?;
                }
                other => other?,
            }
        }
        Ok(())
    }

    fn scan_file(&mut self, segment: &Arc<Segment<F>>) -> Result<()> {
        self.check_header(segment)?;
        let mut scanner = Scanner::new(segment, u64::from(SEGMENT_HEADER))?;
        while scanner.offset() < scanner.file_len() {
            let offset = scanner.offset();
            let Some(bad) = scanner.advance()?.err() else { continue };
            let more = scanner.resync()?;
            // A log segment may end in zeros that were never written to.
            if more || segment.id().is_pack() || bad != BadRecord::Blank {
                self.damaged(segment, offset, scanner.offset() - offset, describe(bad))?;
            }
        }
        Ok(())
    }

    fn check_header(&mut self, segment: &Arc<Segment<F>>) -> Result<()> {
        let header = SegmentHeader::decode(&segment.start()?);
        if header.is_ok_and(|h| h.id == segment.id() && h.store == self.manifest.store) {
            return Ok(());
        }
        self.damaged.insert(segment.id());
        self.note(&segment.corrupt(0, "the segment's header is damaged"))
    }

    /// Notes damage and copies it.
    fn damaged(&mut self, segment: &Segment<F>, offset: u64, len: u64, detail: &str) -> Result<()> {
        self.damaged.insert(segment.id());
        self.note(&segment.corrupt(offset, detail))?;
        self.aside.add(&*self.io, segment, offset, len)
    }

    /// Replays the log, past what is damaged in it.
    fn replay(&mut self) -> Result<()> {
        let mut ids: Vec<SegmentId> =
            self.io.list()?.iter().filter_map(|name| SegmentId::from_file_name(name)).collect();
        ids.retain(|id| !id.is_pack() && *id >= self.manifest.replay_from);
        sort(&mut ids);
        if ids.first() != Some(&self.manifest.replay_from) {
            let path = self.io.path().join(self.manifest.replay_from.file_name());
            self.note(&Error::corrupt(path, 0, "the segment in which the log begins is missing"))?;
        }
        let last = ids.last().copied();
        for id in ids {
            let segment = Segment::existing(&self.io, id);
            self.next_segment = id.next();
            self.replay_segment(&segment, Some(id) == last)?;
            self.layers = Arc::new(self.layers.with_segments([segment]));
        }
        Ok(())
    }

    fn replay_segment(&mut self, segment: &Arc<Segment<F>>, active: bool) -> Result<()> {
        match SegmentHeader::decode(&segment.start()?) {
            Ok(header) if header.store != self.manifest.store => {
                return self.note(&segment.corrupt(0, "the segment belongs to another store"));
            }
            _ => self.check_header(segment)?,
        }
        let mut scanner = Scanner::new(segment, u64::from(SEGMENT_HEADER))?;
        let (mut rows, mut created) = (0, Vec::new());
        while scanner.offset() < scanner.file_len() {
            let offset = scanner.offset();
            let bad = match scanner.advance()? {
                Ok(scanned) => {
                    let lsn = scanned.header.lsn;
                    let (kind, location, body) = (scanned.header.kind, scanned.location, scanned.body);
                    let mut writer = IndexWriter {
                        delta: &self.delta,
                        rows: &mut rows,
                        created: &mut created,
                        recent: None,
                        staged: None,
                    };
                    let applied = Applied { lsn, kind, location, body };
                    if lsn >= self.next_lsn && self.schema.apply(applied, &mut writer).is_ok() {
                        self.next_lsn = lsn.next();
                    } else {
                        self.note(&segment.corrupt(offset, "a record that does not belong here"))?;
                    }
                    continue;
                }
                Err(bad) => bad,
            };
            let more = scanner.resync()?;
            // The log ends in a write that was torn, or in zeros; anything else is damage.
            let durable = segment.id() == self.manifest.replay_from && offset < self.manifest.replay_durable;
            if more || durable || !(active || bad == BadRecord::Blank) {
                self.damaged(segment, offset, scanner.offset() - offset, describe(bad))?;
            }
        }
        Ok(())
    }

    fn groups(&mut self) -> Result<Groups<F, S>> {
        let mut sources = Vec::new();
        let layers = Arc::clone(&self.layers);
        for (place, layer) in layers.layers.iter().enumerate().rev() {
            sources.push(Source::Layer(LayerScan::tolerant(layer, layer.from)?));
            for (_, part) in self.bad.iter().filter(|(at, _)| *at == place) {
                let segments = part.segments.iter().map(|segment| layers.segment(segment.id).map(Arc::clone));
                let segments = segments.collect::<Result<Vec<_>>>()?;
                sources.push(Source::Rebuilt(Rebuilt::new(segments, part.low.max(layer.from), part.high)?));
            }
        }
        Ok(Groups { next: Some(FIRST_GROUP), sources })
    }

    /// What was found while rows were rebuilt.
    fn note_rebuilt(&mut self, groups: Groups<F, S>) -> Result<()> {
        for source in groups.sources {
            let Source::Rebuilt(rebuilt) = source else { continue };
            for (segment, offset, len, detail) in rebuilt.damage {
                self.damaged(&segment, offset, len, detail)?;
            }
        }
        Ok(())
    }

    fn records(&self) -> Uncached<F> {
        Uncached {
            layers: Arc::clone(&self.layers),
            windows: Windows::new(self.options.buffer_bytes),
            read: 0,
        }
    }

    fn rewrite(mut self) -> Result<Repaired> {
        let mut survivors = self.survivors()?;
        sort(&mut survivors);
        self.report.covalues = survivors.len() as u64;
        let (run, pack) = (self.manifest.next_run, self.manifest.next_pack);
        let on_disk = self.io.list()?;
        let run =
            on_disk.iter().filter_map(|n| RunId::from_file_name(n)).map(RunId::next).fold(run, Ord::max);
        let packs = on_disk.iter().filter_map(|n| SegmentId::from_file_name(n)).filter(|id| id.is_pack());
        let pack = packs.map(SegmentId::next).fold(pack, Ord::max);
        let numbers = Arc::new(Numbers::new(run, pack));
        let parts = self.write_parts(&survivors, &numbers)?;
        let segment = self.begin_log()?;
        let aside = std::mem::replace(&mut self.aside, Aside::new());
        self.report.set_aside = aside.finish()?;
        self.io.sync_dir()?;
        let mut next = self.manifest.clone();
        next.layers = if parts.is_empty() { Vec::new() } else { vec![LayerEntry { parts }] };
        next.merge = None;
        next.replay_from = self.next_segment;
        next.replay_lsn = self.next_lsn;
        next.replay_durable = segment;
        next.covalues = Ordinal(survivors.len() as u64);
        (next.next_run, next.next_pack) = numbers.next();
        // Both slots, so that neither names what was damaged.
        manifest::publish(&*self.io, &mut next)?;
        manifest::publish(&*self.io, &mut next)?;
        Ok(self.report)
    }

    /// The CoValues that can be kept, by their places in the order of creation; notes what cannot.
    fn survivors(&mut self) -> Result<Vec<(Ordinal, Group)>> {
        let mut groups = self.groups()?;
        let mut records = self.records();
        let mut survivors = Vec::new();
        while let Some((group, layers)) = groups.next(&self.delta)? {
            let checked = self.schema.check(&layers, &|ordinal| ordinal, &mut records, &mut Vec::new())?;
            survivors.extend(checked.created.map(|ordinal| (ordinal, group)));
            self.note_checked(checked)?;
            if survivors.len().is_multiple_of(256) {
                self.advance(0)?;
            }
        }
        self.note_rebuilt(groups)?;
        let half = self.progress.total / 2;
        self.advance(half)?;
        Ok(survivors)
    }

    fn note_checked(&mut self, checked: Checked) -> Result<()> {
        for fault in &checked.faults {
            let Some(location) = fault.location else {
                let error = Error::corrupt(self.io.path().join(SLOTS[0]), 0, fault.detail.clone());
                note(&mut self.report.damage, &error, checked.id.as_deref())?;
                continue;
            };
            let segment = Arc::clone(self.layers.segment(location.segment)?);
            let error = segment.corrupt(u64::from(location.offset), fault.detail.clone());
            note(&mut self.report.damage, &error, checked.id.as_deref())?;
            self.damaged.insert(location.segment);
            self.aside.add(&*self.io, &segment, u64::from(location.offset), u64::from(location.len))?;
        }
        if checked.created.is_none() && (!checked.faults.is_empty() || !checked.lost.is_empty()) {
            self.report.covalues_lost.push(checked.id.clone());
        }
        let covalue = checked.id;
        let lost = checked.lost.into_iter().map(|lost| LostContent { covalue: covalue.clone(), lost });
        self.report.lost.extend(lost);
        Ok(())
    }

    /// Writes the rows that are kept as the parts of one layer.
    fn write_parts(
        &mut self,
        survivors: &[(Ordinal, Group)],
        numbers: &Arc<Numbers>,
    ) -> Result<Vec<PartEntry>> {
        let rank = |ordinal: Ordinal| {
            let at = survivors.partition_point(|(other, _)| *other < ordinal);
            Ordinal(at as u64)
        };
        let identity = (self.manifest.store, self.manifest.hash_key);
        let mut groups = self.groups()?;
        let mut records = self.records();
        let (mut parts, mut writer, mut low) = (Vec::new(), None::<PartWriter<F>>, FIRST_GROUP);
        while let Some((group, layers)) = groups.next(&self.delta)? {
            let mut out = Vec::new();
            self.schema.check(&layers, &rank, &mut records, &mut out)?;
            if out.is_empty() {
                continue;
            }
            if let Some(full) = writer.take_if(|writer| writer.rows() >= PART_ROWS) {
                let high = group.previous().unwrap_or(FIRST_GROUP);
                let finished = full.finish((low, high), (Ordinal(0), 0), &mut |_, _| Ok(Vec::new()))?;
                parts.push(finished.entry);
                low = group;
            }
            let mut into = match writer.take() {
                Some(writer) => writer,
                None => {
                    let packs = self.damaged.clone();
                    let rewriting =
                        Rewriting { keep_others: true, packs, as_of: self.next_lsn, ..Rewriting::default() };
                    PartWriter::create(&self.io, &self.layers, identity, numbers, rewriting, &self.options)?
                }
            };
            let mut rows = Vec::new();
            self.schema.pack(&[out], true, &mut into, &mut rows)?;
            into.push_all(&rows)?;
            writer = Some(into);
            if numbers.next().0.0.is_multiple_of(256) {
                self.advance(0)?;
            }
        }
        if let Some(last) = writer {
            let list = &mut |skip: u64, limit: u64| {
                let list = survivors.iter().skip(skip as usize).take(limit as usize);
                Ok(list.map(|(_, group)| *group).collect())
            };
            let order = (Ordinal(0), survivors.len() as u64);
            parts.push(last.finish((low, LAST_GROUP), order, list)?.entry);
        }
        let left = self.progress.total - self.progress.done;
        self.advance(left)?;
        Ok(parts)
    }

    /// Begins the segment in which the log goes on. Gives its length.
    fn begin_log(&mut self) -> Result<u64> {
        let id = self.next_segment;
        let (store, hash_key) = (self.manifest.store, self.manifest.hash_key);
        let mut bytes = SegmentHeader { id, store, hash_key, first_lsn: self.next_lsn }.encode();
        let mut snapshot = Vec::new();
        record::start(&mut snapshot);
        self.schema.snapshot(&mut snapshot);
        record::finish(&mut snapshot, id, self.next_lsn, SEGMENT_HEADER, RecordKind::Snapshot)
            .ok_or_else(|| Error::Internal("the small state is larger than a record".to_owned()))?;
        bytes.append(&mut snapshot);
        let handle = create_file(&*self.io, id)?;
        handle.write_at(&bytes, 0)?;
        handle.sync()?;
        Ok(bytes.len() as u64)
    }
}

/// Reads all blocks of a run and its list of CoValues.
fn read_through<F: FileIO>(run: &Arc<RunFile<F>>) -> Result<()> {
    let mut scan = run.scan(FIRST_GROUP);
    while scan.advance_block()?.is_some() {}
    run.created(0, u64::MAX, &mut Vec::new())
}
