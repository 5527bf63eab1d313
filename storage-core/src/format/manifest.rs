//! The manifest: what a store consists of (design.md section 7), as bytes.
//!
//! Two files hold it in turn; the valid one of the higher generation counts. Format version 1 knew neither parts nor an
//! unfinished merge: what it says is read as layers of one part each.

use super::bytes::{Cursor, PutBytes};
use super::checksum;
use super::row::Group;
use super::{FORMAT_VERSION, Generation, HashKey, Lsn, Ordinal, RunId, SegmentId, StoreId};

/// The files of the two slots.
pub const SLOTS: [&str; 2] = ["MANIFEST-0", "MANIFEST-1"];

const MAGIC: [u8; 8] = *b"JAZZMAN\0";
const HEADER: usize = 28;
/// The first version with parts.
const PARTS_VERSION: u32 = 2;

/// The first group there can be.
pub const FIRST_GROUP: Group = Group([0; 16]);
/// The last group there can be.
pub const LAST_GROUP: Group = Group([0xff; 16]);

/// A part of a layer: a run that holds all of the layer's rows from `low` to `high`, and what its rows point into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartEntry {
    /// The run.
    pub run: RunId,
    /// The length of its file.
    pub file_len: u64,
    /// The first group it may hold.
    pub low: Group,
    /// The last group it may hold.
    pub high: Group,
    /// The files its rows point into; another part may name the same.
    pub segments: Vec<SegmentEntry>,
}

/// A layer of the index: parts in the order of their groups, which do not overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LayerEntry {
    /// The parts.
    pub parts: Vec<PartEntry>,
}

/// A sealed segment or a pack, as a part uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentEntry {
    /// The segment.
    pub id: SegmentId,
    /// Its length in bytes.
    pub len: u64,
    /// Bytes of it that rows of the part point to, as far as it is known: what was erased since the part was written may
    /// be taken off or not. It decides what is worth rewriting, and nothing else.
    pub live: u64,
}

/// A merge that is done up to some group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergeEntry {
    /// The place of the layer under construction among the layers.
    pub output: u32,
    /// How many of the layers after it are being merged.
    pub inputs: u32,
    /// The first group that is not merged yet: the layer under construction has those before it, the inputs those from
    /// it on.
    pub next: Group,
}

/// What a store consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Grows by one with each publication.
    pub generation: Generation,
    /// The store's identity.
    pub store: StoreId,
    /// The secret with which ids are hashed.
    pub hash_key: HashKey,
    /// The segment where replay begins. The log goes on in the segments numbered after it, as far as they exist.
    pub replay_from: SegmentId,
    /// The number of the first record there.
    pub replay_lsn: Lsn,
    /// How many bytes of that segment were durable when the manifest was published.
    pub replay_durable: u64,
    /// How many CoValues had been created before.
    pub covalues: Ordinal,
    /// The number of the next run.
    pub next_run: RunId,
    /// The number of the next pack.
    pub next_pack: SegmentId,
    /// The layers, oldest first.
    pub layers: Vec<LayerEntry>,
    /// The merge under way.
    pub merge: Option<MergeEntry>,
}

/// Why bytes are not a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadManifest {
    /// Torn or damaged.
    Damaged,
    /// Written by a later version.
    Newer(u32),
}

impl Manifest {
    /// The slot that this generation is written to.
    pub fn slot(&self) -> &'static str {
        if self.generation.0.is_multiple_of(2) { SLOTS[0] } else { SLOTS[1] }
    }

    /// All parts, layer by layer.
    pub fn parts(&self) -> impl Iterator<Item = &PartEntry> {
        self.layers.iter().flat_map(|layer| &layer.parts)
    }

    /// The manifest's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend_from_slice(&self.store.0);
        body.extend_from_slice(&self.hash_key.0);
        body.put_u32(self.replay_from.0);
        body.put_u64(self.replay_lsn.0);
        body.put_u64(self.replay_durable);
        body.put_u64(self.covalues.0);
        body.put_u32(self.next_run.0);
        body.put_u32(self.next_pack.0);
        body.put_u32(self.layers.len() as u32);
        for layer in &self.layers {
            body.put_u32(layer.parts.len() as u32);
            for part in &layer.parts {
                body.put_u32(part.run.0);
                body.put_u64(part.file_len);
                body.extend_from_slice(&part.low.0);
                body.extend_from_slice(&part.high.0);
                body.put_u32(part.segments.len() as u32);
                for segment in &part.segments {
                    body.put_u32(segment.id.0);
                    body.put_u64(segment.len);
                    body.put_u64(segment.live);
                }
            }
        }
        body.put_u8(u8::from(self.merge.is_some()));
        if let Some(merge) = &self.merge {
            body.put_u32(merge.output);
            body.put_u32(merge.inputs);
            body.extend_from_slice(&merge.next.0);
        }
        let mut out = Vec::with_capacity(HEADER + body.len());
        out.extend_from_slice(&MAGIC);
        out.put_u32(FORMAT_VERSION);
        out.put_u32(body.len() as u32);
        out.put_u64(self.generation.0);
        let crc = checksum::crc32c_append(checksum::crc32c(&out), &body);
        out.put_u32(crc);
        out.extend_from_slice(&body);
        out
    }

    /// Decodes and checks a manifest. Bytes after it (of an older, longer one) are ignored.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadManifest> {
        Self::fields(bytes).unwrap_or(Err(BadManifest::Damaged))
    }

    fn fields(bytes: &[u8]) -> Option<Result<Self, BadManifest>> {
        let mut c = Cursor::new(bytes);
        if c.array()? != MAGIC {
            return None;
        }
        let (version, len, generation, crc) = (c.u32()?, c.u32()?, c.u64()?, c.u32()?);
        let body = c.take(usize::try_from(len).ok()?)?;
        if checksum::crc32c_append(checksum::crc32c(bytes.get(..HEADER - 4)?), body) != crc {
            return None;
        }
        if version > FORMAT_VERSION {
            return Some(Err(BadManifest::Newer(version)));
        }
        if version == 0 {
            return None;
        }
        let mut c = Cursor::new(body);
        let mut manifest = Self {
            generation: Generation(generation),
            store: StoreId(c.array()?),
            hash_key: HashKey(c.array()?),
            replay_from: SegmentId(c.u32()?),
            replay_lsn: Lsn(c.u64()?),
            replay_durable: c.u64()?,
            covalues: Ordinal(c.u64()?),
            next_run: RunId(c.u32()?),
            next_pack: SegmentId::FIRST_PACK,
            layers: Vec::new(),
            merge: None,
        };
        if version < PARTS_VERSION {
            manifest.read_runs(&mut c)?;
        } else {
            manifest.read_layers(&mut c)?;
        }
        (c.is_empty() && manifest.is_consistent()).then_some(Ok(manifest))
    }

    /// The runs of version 1: each is a layer.
    fn read_runs(&mut self, c: &mut Cursor<'_>) -> Option<()> {
        for _ in 0..c.u32()? {
            let (run, file_len, count) = (RunId(c.u32()?), c.u64()?, c.u32()?);
            let mut segments = Vec::new();
            for _ in 0..count {
                let (id, len) = (SegmentId(c.u32()?), c.u64()?);
                self.next_pack = self.next_pack.max(SegmentId(id.0.checked_add(1)?));
                segments.push(SegmentEntry { id, len, live: len });
            }
            let part = PartEntry { run, file_len, low: FIRST_GROUP, high: LAST_GROUP, segments };
            self.layers.push(LayerEntry { parts: vec![part] });
        }
        Some(())
    }

    fn read_layers(&mut self, c: &mut Cursor<'_>) -> Option<()> {
        self.next_pack = SegmentId(c.u32()?);
        for _ in 0..c.u32()? {
            let mut layer = LayerEntry::default();
            for _ in 0..c.u32()? {
                let (run, file_len) = (RunId(c.u32()?), c.u64()?);
                let (low, high, count) = (Group(c.array()?), Group(c.array()?), c.u32()?);
                let mut segments = Vec::new();
                for _ in 0..count {
                    let (id, len, live) = (SegmentId(c.u32()?), c.u64()?, c.u64()?);
                    segments.push(SegmentEntry { id, len, live });
                }
                layer.parts.push(PartEntry { run, file_len, low, high, segments });
            }
            self.layers.push(layer);
        }
        if c.u8()? != 0 {
            let (output, inputs) = (c.u32()?, c.u32()?);
            self.merge = Some(MergeEntry { output, inputs, next: Group(c.array()?) });
        }
        Some(())
    }

    /// Whether the parts of each layer ascend without overlap, and the merge names layers that exist.
    fn is_consistent(&self) -> bool {
        let ascends = |layer: &LayerEntry| {
            layer.parts.iter().all(|part| part.low <= part.high)
                && layer.parts.windows(2).all(|pair| matches!(pair, [a, b] if a.high < b.low))
        };
        let named = self.merge.is_none_or(|merge| {
            u64::from(merge.output) + u64::from(merge.inputs) < self.layers.len() as u64 && merge.inputs > 0
        });
        self.next_pack.is_pack() && self.layers.iter().all(ascends) && named
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Manifest {
        let segment = |id, len, live| SegmentEntry { id: SegmentId(id), len, live };
        let part = |run, low, high| PartEntry {
            run: RunId(run),
            file_len: 1_000,
            low: Group([low; 16]),
            high: Group([high; 16]),
            segments: vec![segment(1, 99, 80), segment(1 << 31, 8, 0)],
        };
        Manifest {
            generation: Generation(5),
            store: StoreId([1; 16]),
            hash_key: HashKey([2; 16]),
            replay_from: SegmentId(3),
            replay_lsn: Lsn(4),
            replay_durable: 64,
            covalues: Ordinal(6),
            next_run: RunId(7),
            next_pack: SegmentId((1 << 31) + 9),
            layers: vec![
                LayerEntry { parts: vec![part(2, 0, 7), part(3, 8, 90)] },
                LayerEntry { parts: vec![part(5, 0, 255)] },
            ],
            merge: Some(MergeEntry { output: 0, inputs: 1, next: Group([91; 16]) }),
        }
    }

    /// The bytes with another body under a right checksum.
    fn sealed(version: u32, body: &[u8]) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.put_u32(version);
        out.put_u32(body.len() as u32);
        out.put_u64(5);
        let crc = checksum::crc32c_append(checksum::crc32c(&out), body);
        out.put_u32(crc);
        out.extend_from_slice(body);
        out
    }

    #[test]
    fn round_trip_trailing_bytes_and_damage() {
        for manifest in [sample(), Manifest { merge: None, layers: Vec::new(), ..sample() }] {
            let mut bytes = manifest.encode();
            let len = bytes.len();
            bytes.extend_from_slice(b"rest of an older manifest");
            assert_eq!(Manifest::decode(&bytes), Ok(manifest));
            for i in 0..len {
                let mut bad = bytes.clone();
                bad[i] ^= 4;
                assert_eq!(Manifest::decode(&bad), Err(BadManifest::Damaged), "byte {i}");
                assert_eq!(Manifest::decode(&bytes[..i]), Err(BadManifest::Damaged));
            }
        }
    }

    #[test]
    fn a_newer_version_is_told_apart_from_damage() {
        let body = sample().encode()[HEADER..].to_vec();
        let newer = sealed(FORMAT_VERSION + 1, &body);
        assert_eq!(Manifest::decode(&newer), Err(BadManifest::Newer(FORMAT_VERSION + 1)));
    }

    #[test]
    fn runs_of_version_1_are_layers() {
        let mut body = vec![1; 16];
        body.extend_from_slice(&[2; 16]);
        body.put_u32(3);
        body.put_u64(4);
        body.put_u64(64);
        body.put_u64(6);
        body.put_u32(7);
        body.put_u32(1);
        body.put_u32(2);
        body.put_u64(1_000);
        body.put_u32(1);
        body.put_u32((1 << 31) + 4);
        body.put_u64(77);
        let manifest = Manifest::decode(&sealed(1, &body)).unwrap();
        assert_eq!(manifest.next_pack, SegmentId((1 << 31) + 5));
        let [part] = &manifest.layers[0].parts[..] else { panic!("{manifest:?}") };
        assert_eq!((part.run, part.low, part.high), (RunId(2), FIRST_GROUP, LAST_GROUP));
        assert_eq!(part.segments, [SegmentEntry { id: SegmentId((1 << 31) + 4), len: 77, live: 77 }]);
        assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
        // The last number there is has none after it (found by fuzzing).
        let last = body.len() - 12;
        body[last..last + 4].fill(0xff);
        assert_eq!(Manifest::decode(&sealed(1, &body)), Err(BadManifest::Damaged));
    }

    #[test]
    fn contradictions_under_a_right_checksum_are_damage() {
        let mut overlap = sample();
        overlap.layers[0].parts[1].low = Group([7; 16]);
        let mut merge = sample();
        merge.merge = Some(MergeEntry { output: 1, inputs: 1, next: FIRST_GROUP });
        let mut pack = sample();
        pack.next_pack = SegmentId(3);
        for bad in [overlap, merge, pack] {
            assert_eq!(Manifest::decode(&bad.encode()), Err(BadManifest::Damaged), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Manifest::decode(&bytes);
            for version in [1, FORMAT_VERSION] {
                let _ = Manifest::decode(&sealed(version, &bytes));
            }
        }
    }
}
