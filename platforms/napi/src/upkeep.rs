//! Operations that take long: compacting, backups, and stores made from these. They have a thread of their own, and are
//! watched by asking a [`Task`], so that nothing calls into JavaScript while they run.

use jazz_storage_core::api::{self, BackupPlace};
use jazz_storage_core::{Error, Result};
use napi::bindgen_prelude::{Env, Object};
use napi_derive::napi;

use crate::promise::detached;
use crate::records::Progress;

/// A long operation, to be given to it when it begins: how far it has come, and a way to end it.
#[napi]
#[derive(Default)]
pub struct Task {
    pub(crate) task: api::Task,
}

#[napi]
impl Task {
    /// A task for one operation.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// How far the operation has come.
    #[napi]
    pub fn progress(&self) -> Progress {
        let (done, total) = self.task.progress();
        Progress { done, total }
    }

    /// Ends the operation soon: it fails with `CANCELLED`, unless it is complete by then.
    #[napi]
    pub fn cancel(&self) {
        self.task.cancel();
    }
}

/// Where a backup is: one of both.
#[napi(object, object_to_js = false)]
#[derive(Debug)]
pub struct BackupLocation {
    /// A file, an archive.
    pub file: Option<String>,
    /// A directory, a store.
    pub directory: Option<String>,
}

impl BackupLocation {
    pub(crate) fn place(self, option: &'static str) -> Result<BackupPlace> {
        match (self.file, self.directory) {
            (Some(file), None) => Ok(BackupPlace::File(file)),
            (None, Some(directory)) => Ok(BackupPlace::Directory(directory)),
            _ => {
                Err(Error::InvalidOption { option, detail: "must have either file or directory".to_owned() })
            }
        }
    }
}

/// What was copied.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct BackupResult {
    /// Files of the store.
    pub files: f64,
    /// Their bytes.
    pub bytes: f64,
}

impl From<api::BackupResult> for BackupResult {
    fn from(result: api::BackupResult) -> Self {
        Self { files: result.files, bytes: result.bytes }
    }
}

/// Makes a store of a backup, off the event loop.
#[napi(ts_return_type = "Promise<BackupResult>")]
pub fn restore_backup_async<'env>(
    env: &'env Env,
    from: BackupLocation,
    path: String,
    task: &Task,
) -> napi::Result<Object<'env>> {
    let task = task.task.clone();
    detached(env, move || api::restore_backup(&from.place("from")?, &path, &task), BackupResult::from)
}
