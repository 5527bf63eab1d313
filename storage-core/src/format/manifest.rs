//! The manifest: what a store consists of (design.md section 7), as bytes.
//!
//! Two files hold it in turn; the valid one of the higher generation counts.

use super::bytes::{Cursor, PutBytes};
use super::{FORMAT_VERSION, Generation, HashKey, Lsn, Ordinal, RunId, SegmentId, StoreId};

/// The files of the two slots.
pub const SLOTS: [&str; 2] = ["MANIFEST-0", "MANIFEST-1"];

const MAGIC: [u8; 8] = *b"JAZZMAN\0";
const HEADER: usize = 28;

/// A run and the segments that only its rows point into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEntry {
    /// The run.
    pub id: RunId,
    /// The length of its file.
    pub file_len: u64,
    /// Its segments.
    pub segments: Vec<SegmentEntry>,
}

/// A sealed segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentEntry {
    /// The segment.
    pub id: SegmentId,
    /// Its length when it was sealed.
    pub len: u64,
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
    /// The runs, oldest first.
    pub runs: Vec<RunEntry>,
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
        body.put_u32(self.runs.len() as u32);
        for run in &self.runs {
            body.put_u32(run.id.0);
            body.put_u64(run.file_len);
            body.put_u32(run.segments.len() as u32);
            for segment in &run.segments {
                body.put_u32(segment.id.0);
                body.put_u64(segment.len);
            }
        }
        let mut out = Vec::with_capacity(HEADER + body.len());
        out.extend_from_slice(&MAGIC);
        out.put_u32(FORMAT_VERSION);
        out.put_u32(body.len() as u32);
        out.put_u64(self.generation.0);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&out), &body);
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
        if crc32c::crc32c_append(crc32c::crc32c(bytes.get(..HEADER - 4)?), body) != crc {
            return None;
        }
        if version > FORMAT_VERSION {
            return Some(Err(BadManifest::Newer(version)));
        }
        let mut c = Cursor::new(body);
        let (store, hash_key) = (StoreId(c.array()?), HashKey(c.array()?));
        let (replay_from, replay_lsn, replay_durable) = (SegmentId(c.u32()?), Lsn(c.u64()?), c.u64()?);
        let (covalues, next_run, count) = (Ordinal(c.u64()?), RunId(c.u32()?), c.u32()?);
        let mut runs = Vec::new();
        for _ in 0..count {
            let (id, file_len, count) = (RunId(c.u32()?), c.u64()?, c.u32()?);
            let mut segments = Vec::new();
            for _ in 0..count {
                segments.push(SegmentEntry { id: SegmentId(c.u32()?), len: c.u64()? });
            }
            runs.push(RunEntry { id, file_len, segments });
        }
        let generation = Generation(generation);
        c.is_empty().then_some(Ok(Self {
            generation,
            store,
            hash_key,
            replay_from,
            replay_lsn,
            replay_durable,
            covalues,
            next_run,
            runs,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Manifest {
        let segments =
            vec![SegmentEntry { id: SegmentId(1), len: 99 }, SegmentEntry { id: SegmentId(2), len: 8 }];
        Manifest {
            generation: Generation(5),
            store: StoreId([1; 16]),
            hash_key: HashKey([2; 16]),
            replay_from: SegmentId(3),
            replay_lsn: Lsn(4),
            replay_durable: 64,
            covalues: Ordinal(6),
            next_run: RunId(7),
            runs: vec![RunEntry { id: RunId(2), file_len: 1_000, segments }],
        }
    }

    #[test]
    fn round_trip_trailing_bytes_and_damage() {
        let manifest = sample();
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

    #[test]
    fn a_newer_version_is_told_apart_from_damage() {
        let mut bytes = sample().encode();
        bytes[8] = FORMAT_VERSION as u8 + 1;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..24]), &bytes[28..]);
        bytes[24..28].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Manifest::decode(&bytes), Err(BadManifest::Newer(FORMAT_VERSION + 1)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Manifest::decode(&bytes);
        }
    }
}
