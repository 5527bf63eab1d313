//! Backups by paths.

use super::Task;
use super::options::{check_path, platform_defaults};
use crate::engine::backup::{Copied, Source, Target};
use crate::engine::delta::Delta;
use crate::error::{Error, Result};
use crate::file::{FileIO, StdFileIO};
use crate::store::{BfTreeStorage, StoreOptions};
use std::path::Path;

/// Where a backup is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupPlace {
    /// A file, an archive.
    File(String),
    /// A directory, a store.
    Directory(String),
}

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackupResult {
    /// Files of the store.
    pub files: f64,
    /// Their bytes.
    pub bytes: f64,
}

impl From<Copied> for BackupResult {
    fn from(copied: Copied) -> Self {
        Self { files: copied.files as f64, bytes: copied.bytes as f64 }
    }
}

/// The directory of a file, and its name there.
fn apart(option: &'static str, path: &str) -> Result<(StdFileIO, String)> {
    check_path(option, path)?;
    let path = Path::new(path);
    let name = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.contains([':', '\\']));
    let name = name.ok_or_else(|| Error::InvalidOption {
        option,
        detail: format!("{} does not end in a file name without colons and backslashes", path.display()),
    })?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok((StdFileIO::new(parent.unwrap_or(Path::new("."))), name.to_owned()))
}

/// Runs what makes a directory, which does not stay if that fails and it was not there before.
fn making<T>(path: &str, make: impl FnOnce(StdFileIO) -> Result<T>) -> Result<T> {
    let absent = !Path::new(path).exists();
    make(StdFileIO::new(path)).inspect_err(|_| {
        if absent {
            // It stays if something else was put there meanwhile.
            let _ = std::fs::remove_dir(path);
        }
    })
}

/// See [`super::NativeStorage::backup`].
pub(super) fn backup<F: FileIO, D: Delta>(
    store: &BfTreeStorage<F, D>,
    target: &BackupPlace,
    task: &Task,
) -> Result<BackupResult> {
    let each = &mut |done, total| task.step(done, total);
    let copied = match target {
        BackupPlace::File(path) => {
            let (io, name) = apart("target", path)?;
            store.backup(Target::File(&io, &name), each)?
        }
        BackupPlace::Directory(path) => {
            check_path("target", path)?;
            making(path, |io| store.backup(Target::Directory(&io), each))?
        }
    };
    Ok(copied.into())
}

/// Makes a store of a backup, in a directory that is empty or absent, checks all of it, and opens and closes it once.
///
/// # Errors
/// [`Error::TargetExists`], [`Error::NotABackup`], [`Error::NewerFormat`], [`Error::Corrupt`], [`Error::Cancelled`],
/// [`Error::Locked`], [`Error::InvalidOption`], [`Error::DiskFull`], [`Error::Io`] and others of the file system. The
/// directory is then as it was.
pub fn restore_backup(from: &BackupPlace, path: &str, task: &Task) -> Result<BackupResult> {
    check_path("path", path)?;
    let source = match from {
        BackupPlace::File(path) => {
            let (io, name) = apart("from", path)?;
            Source::File(io, name)
        }
        BackupPlace::Directory(path) => {
            check_path("from", path)?;
            Source::Directory(StdFileIO::new(path))
        }
    };
    let options = StoreOptions { engine: platform_defaults(), ..StoreOptions::default() };
    let each = &mut |done, total| task.step(done, total);
    let copied = making(path, |io| BfTreeStorage::<_>::restore(source, io, options, each))?;
    Ok(copied.into())
}
