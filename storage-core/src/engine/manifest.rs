//! Loading and publishing the manifest: two slots, written in turn, so that a torn write leaves the other one.

use crate::error::{Error, Result};
use crate::file::{FileHandle, FileIO, OpenMode};
use crate::format::manifest::{BadManifest, Manifest, SLOTS};
use crate::format::{FORMAT_VERSION, Generation};

/// What is wrong with a slot that is not valid while the other one is.
pub const DAMAGED_SLOT: &str = "the manifest does not have its checksum; the other one serves";

/// What the two slots hold.
pub enum Found {
    /// The newest valid manifest.
    Valid(Manifest),
    /// No slot exists.
    Nothing,
    /// Slots exist, but none is valid. Names one of them.
    Damaged(&'static str),
}

/// Reads a slot; nothing if there is no such file.
pub fn read<F: FileIO>(io: &F, slot: &str) -> Result<Option<Result<Manifest, BadManifest>>> {
    if !io.exists(slot)? {
        return Ok(None);
    }
    let handle = io.open(slot, OpenMode::Read)?;
    let mut bytes = vec![0; usize::try_from(handle.len()?).unwrap_or(usize::MAX)];
    let got = handle.read_at(&mut bytes, 0)?;
    bytes.truncate(got);
    Ok(Some(Manifest::decode(&bytes)))
}

/// Reads both slots.
pub fn load<F: FileIO>(io: &F) -> Result<Found> {
    let mut best: Option<Manifest> = None;
    let mut damaged = None;
    for slot in SLOTS {
        let Some(read) = read(io, slot)? else { continue };
        match read {
            Ok(manifest) if best.as_ref().is_none_or(|b| b.generation < manifest.generation) => {
                best = Some(manifest)
            }
            Ok(_) => {}
            Err(BadManifest::Newer(found)) => {
                let path = io.path().join(slot);
                return Err(Error::NewerFormat { path, found, supported: FORMAT_VERSION });
            }
            Err(BadManifest::Damaged) => damaged = Some(slot),
        }
    }
    Ok(match (best, damaged) {
        (Some(manifest), _) => Found::Valid(manifest),
        (None, Some(slot)) => Found::Damaged(slot),
        (None, None) => Found::Nothing,
    })
}

/// Publishes `manifest` as the next generation: everything it names must be durable already. When this returns, it is
/// durable itself.
pub fn publish<F: FileIO>(io: &F, manifest: &mut Manifest) -> Result<()> {
    let mut next = manifest.clone();
    next.generation = Generation(manifest.generation.0.saturating_add(1));
    let slot = next.slot();
    let created = !io.exists(slot)?;
    let handle = io.open(slot, if created { OpenMode::CreateNew } else { OpenMode::ReadWrite })?;
    let bytes = next.encode();
    handle.write_at(&bytes, 0)?;
    handle.truncate(bytes.len() as u64)?;
    handle.sync()?;
    if created {
        io.sync_dir()?;
    }
    *manifest = next;
    Ok(())
}
