//! Backups by paths.

use super::options::{check_path, platform_defaults};
use super::pending::{Pending, detached};
use super::task::StorageTask;
use crate::engine::backup::{Copied, Source, Target};
use crate::engine::delta::Delta;
use crate::engine::slices::at_once;
use crate::error::{Error, Result};
use crate::file::{FileIO, NativeFileIO};
use crate::store::queued::guarded;
use crate::store::{BfTreeStorage, StoreOptions};
use jazz_storage_macros::{operation, record};
use std::path::Path;

/// Where a backup is: one of both.
#[record(given)]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackupLocation {
    /// A file, an archive.
    pub file: Option<String>,
    /// A directory, a store.
    pub directory: Option<String>,
}

/// The same, one of both by its type.
enum Place<'a> {
    File(&'a str),
    Directory(&'a str),
}

impl BackupLocation {
    /// An archive in one file.
    pub fn file(path: impl Into<String>) -> Self {
        Self { file: Some(path.into()), directory: None }
    }

    /// A directory that can be opened as a store.
    pub fn directory(path: impl Into<String>) -> Self {
        Self { file: None, directory: Some(path.into()) }
    }

    fn place(&self, option: &'static str) -> Result<Place<'_>> {
        match (&self.file, &self.directory) {
            (Some(file), None) => Ok(Place::File(file)),
            (None, Some(directory)) => Ok(Place::Directory(directory)),
            _ => {
                Err(Error::InvalidOption { option, detail: "must have either file or directory".to_owned() })
            }
        }
    }
}

/// What was copied.
#[record(returned)]
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
fn apart(option: &'static str, path: &str) -> Result<(NativeFileIO, String)> {
    check_path(option, path)?;
    let path = Path::new(path);
    let name = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.contains([':', '\\']));
    let name = name.ok_or_else(|| Error::InvalidOption {
        option,
        detail: format!("{} does not end in a file name without colons and backslashes", path.display()),
    })?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok((NativeFileIO::new(parent.unwrap_or(Path::new("."))), name.to_owned()))
}

/// Runs what makes a directory, which does not stay if that fails and it was not there before.
async fn making<T>(path: &str, make: impl AsyncFnOnce(NativeFileIO) -> Result<T>) -> Result<T> {
    let io = NativeFileIO::new(path);
    let absent = !io.is_there();
    make(io.clone()).await.inspect_err(|_| {
        if absent {
            // It stays if something else was put there meanwhile.
            let _ = io.remove_dir();
        }
    })
}

/// See [`super::NativeStorage::backup`].
pub(super) async fn backup<F: FileIO, D: Delta>(
    store: &BfTreeStorage<F, D>,
    target: &BackupLocation,
    task: &StorageTask,
) -> Result<BackupResult> {
    let each = &mut |done, total| task.step(done, total);
    let copied = match target.place("target")? {
        Place::File(path) => {
            let (io, name) = apart("target", path)?;
            store.backup_in_slices(Target::File(&io, &name), each).await?
        }
        Place::Directory(path) => {
            check_path("target", path)?;
            making(path, async |io| store.backup_in_slices(Target::Directory(&io), each).await).await?
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
#[operation]
pub fn restore_backup(from: BackupLocation, path: String, task: &StorageTask) -> Result<BackupResult> {
    check_path("path", &path)?;
    let source = match from.place("from")? {
        Place::File(path) => {
            let (io, name) = apart("from", path)?;
            Source::File(io, name)
        }
        Place::Directory(path) => {
            check_path("from", path)?;
            Source::Directory(NativeFileIO::new(path))
        }
    };
    let options = StoreOptions { engine: platform_defaults(), ..StoreOptions::default() };
    let each = &mut |done, total| task.step(done, total);
    let copied = at_once(making(&path, async |io| BfTreeStorage::<_>::restore(source, io, options, each)))?;
    Ok(copied.into())
}
