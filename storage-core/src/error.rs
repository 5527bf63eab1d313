//! Typed errors. Each says what happened, to which file or CoValue, and what the user can do; each has a stable
//! [`ErrorCode`] that reaches every language binding unchanged.

use crate::file::is_bounded;
use jazz_storage_macros::choice;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The result of a storage operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in the storage.
///
/// Errors are cheap to clone, so that the first failed write can be reported again by every later one
/// ([`Error::Latched`]).
#[derive(Debug, Clone, thiserror::Error)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Error), uniffi(flat_error, name = "StorageError"))]
#[non_exhaustive]
pub enum Error {
    /// An operation of the file system failed.
    #[error("{operation} failed on {path}: {source}", path = path.display())]
    Io {
        /// What was being done, e.g. `write`.
        operation: &'static str,
        /// The file or directory it was done to.
        path: PathBuf,
        /// The cause.
        source: Arc<io::Error>,
    },
    /// There is no room left on the device, in the quota, or in memory with a bound. Everything acknowledged is intact.
    #[error(
        "no space left while writing {path}: {remedy}; nothing acknowledged was lost",
        path = path.display(), remedy = more_space(path)
    )]
    DiskFull {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// The path exists and is not a directory.
    #[error("{path} is not a directory: a store is a directory, choose another path", path = path.display())]
    NotADirectory {
        /// The path given.
        path: PathBuf,
    },
    /// The operating system refused access.
    #[error("permission denied for {path}: the process may not {operation} it", path = path.display())]
    PermissionDenied {
        /// What was being done.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
    },
    /// Another process has the store open.
    #[error("the store at {path} is in use by {holder}: close it there, or open another path", path = path.display())]
    Locked {
        /// The directory of the store.
        path: PathBuf,
        /// Who holds it.
        holder: LockHolder,
    },
    /// The store was written by a later version of this library.
    #[error("{path} has format version {found}, this build reads up to {supported}: update jazz-native-storage", path = path.display())]
    NewerFormat {
        /// The file that carries the version.
        path: PathBuf,
        /// Its format version.
        found: u32,
        /// The newest version this build knows.
        supported: u32,
    },
    /// The directory holds files that are not a store's.
    #[error("{path} is not a Jazz store: it holds {found:?}; choose an empty or new directory", path = path.display())]
    ForeignDirectory {
        /// The directory.
        path: PathBuf,
        /// One of the files found in it.
        found: String,
    },
    /// Bytes on disk do not have their checksum or contradict each other.
    #[error(
        "damaged data in {path} at offset {offset}{concerned}: {detail}; the rest of the store stays readable, and a \
         repair tells what is lost",
        path = path.display(), concerned = concerned(covalue.as_deref())
    )]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// Where in the file, in bytes.
        offset: u64,
        /// What is wrong.
        detail: String,
        /// The CoValue that was being read.
        covalue: Option<String>,
    },
    /// Bytes given to the storage are not a message of the documented form. Nothing was changed.
    #[error("malformed message: {0}; nothing was stored")]
    Malformed(String),
    /// An empty id was given.
    #[error("empty {0}: ids have at least one character")]
    EmptyId(&'static str),
    /// A value is larger than the storage can hold.
    #[error("{what} of {size} bytes is larger than the limit of {limit} bytes; nothing was stored")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A row-level transaction would leave a session with gaps or go back in time. Nothing was changed.
    #[error("inconsistent transaction: {0}; nothing was stored")]
    InvalidCommit(String),
    /// An option has a value out of its range.
    #[error("option {option}: {detail}")]
    InvalidOption {
        /// The option's name, as the user writes it.
        option: &'static str,
        /// What is wrong and what is allowed.
        detail: String,
    },
    /// An earlier write or sync failed, so what is on disk is not known; reads go on, writes are refused.
    #[error("writes are refused since an earlier failure ({cause}): close and reopen the store")]
    Latched {
        /// The failure that latched the store.
        cause: Arc<Error>,
    },
    /// Something exists where a backup, or a store restored from one, was to be made. It was left as it is.
    #[error("{path} exists already: give a new file, or an empty or new directory; nothing was changed", path = path.display())]
    TargetExists {
        /// The file or directory.
        path: PathBuf,
    },
    /// A file or directory is not a backup, or one that was not completed.
    #[error("{path} is not a complete backup: {detail}", path = path.display())]
    NotABackup {
        /// The file or directory.
        path: PathBuf,
        /// Why it is not.
        detail: &'static str,
    },
    /// Whoever began the operation ended it before it was complete.
    #[error("cancelled before it was complete; nothing of it is left")]
    Cancelled,
    /// Two different ids have the same keyed 128-bit hash.
    #[error("hash collision between two ids in one store; nothing was stored")]
    HashCollision,
    /// A rule of this library's own was broken: a bug to report.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}

/// What to do where there is no room for a file.
fn more_space(path: &Path) -> &'static str {
    if is_bounded(path) { "erase CoValues and compact, or raise maxBytes" } else { "free some space" }
}

fn concerned(covalue: Option<&str>) -> String {
    covalue.map(|id| format!(" ({id})")).unwrap_or_default()
}

/// Who holds a store's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockHolder {
    /// The process with this id.
    Process(u32),
    /// A process that did not leave its id.
    Unknown,
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(pid) => write!(f, "process {pid}"),
            Self::Unknown => f.write_str("another process"),
        }
    }
}

macro_rules! error_codes {
    ($($variant:ident = $code:literal: $doc:literal,)*) => {
        /// The stable code of an [`Error`], the same string in every binding.
        #[choice(upper)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $(#[doc = $doc] $variant,)*
        }

        impl ErrorCode {
            /// All codes there are.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code as it crosses a binding.
            ///
            /// ```
            /// assert_eq!(jazz_storage_core::ErrorCode::DiskFull.as_str(), "DISK_FULL");
            /// ```
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)*
                }
            }

            /// What it means, in a sentence.
            pub fn documentation(self) -> &'static str {
                match self {
                    $(Self::$variant => $doc,)*
                }
            }
        }
    };
}

error_codes! {
    Io = "IO": "Another failure of the file system.",
    DiskFull = "DISK_FULL": "No room left; nothing that was acknowledged is lost.",
    NotADirectory = "NOT_A_DIRECTORY": "The path, or a parent of it, is a file.",
    PermissionDenied = "PERMISSION_DENIED": "The system refuses access.",
    Locked = "LOCKED": "Another process has the store open.",
    NewerFormat = "NEWER_FORMAT": "A later version of this library wrote the store.",
    ForeignDirectory = "FOREIGN_DIRECTORY": "The directory holds something else than a store.",
    Corrupt = "CORRUPT": "Bytes on disk do not have their checksum; the rest stays readable.",
    Malformed = "MALFORMED": "A message is not of the documented form; nothing was stored.",
    EmptyId = "EMPTY_ID": "An empty id was given.",
    TooLarge = "TOO_LARGE": "An id, or a message, is beyond its limit; nothing was stored.",
    InvalidCommit = "INVALID_COMMIT": "A transaction of rows would leave a gap; nothing was stored.",
    InvalidOption = "INVALID_OPTION": "An option is unknown or has a value out of its range.",
    Latched = "LATCHED": "Writes are refused since a write or sync failed; close and open again.",
    TargetExists = "TARGET_EXISTS": "Something is where a backup, or a store restored from one, was to be made; it was left as it is.",
    NotABackup = "NOT_A_BACKUP": "The file or directory is no backup, or one that was not completed.",
    Cancelled = "CANCELLED": "Whoever began the operation ended it; nothing is left of it.",
    HashCollision = "HASH_COLLISION": "Two ids of one store have the same 128-bit hash; nothing was stored.",
    Internal = "INTERNAL": "A defect of this library: please report it.",
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Io { .. } => ErrorCode::Io,
            Self::DiskFull { .. } => ErrorCode::DiskFull,
            Self::NotADirectory { .. } => ErrorCode::NotADirectory,
            Self::PermissionDenied { .. } => ErrorCode::PermissionDenied,
            Self::Locked { .. } => ErrorCode::Locked,
            Self::NewerFormat { .. } => ErrorCode::NewerFormat,
            Self::ForeignDirectory { .. } => ErrorCode::ForeignDirectory,
            Self::Corrupt { .. } => ErrorCode::Corrupt,
            Self::Malformed(_) => ErrorCode::Malformed,
            Self::EmptyId(_) => ErrorCode::EmptyId,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::InvalidCommit(_) => ErrorCode::InvalidCommit,
            Self::InvalidOption { .. } => ErrorCode::InvalidOption,
            Self::Latched { .. } => ErrorCode::Latched,
            Self::TargetExists { .. } => ErrorCode::TargetExists,
            Self::NotABackup { .. } => ErrorCode::NotABackup,
            Self::Cancelled => ErrorCode::Cancelled,
            Self::HashCollision => ErrorCode::HashCollision,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }

    /// Damage in a file.
    pub fn corrupt(path: impl Into<PathBuf>, offset: u64, detail: impl Into<String>) -> Self {
        Self::Corrupt { path: path.into(), offset, detail: detail.into(), covalue: None }
    }

    /// The same error, saying which CoValue was being read, if that matters to it.
    #[must_use]
    pub fn concerning(self, id: &[u8]) -> Self {
        match self {
            Self::Corrupt { path, offset, detail, covalue: None } => Self::Corrupt {
                path,
                offset,
                detail,
                covalue: Some(String::from_utf8_lossy(id).into_owned()),
            },
            other => other,
        }
    }

    /// Classifies an error of the operating system.
    pub fn from_io(operation: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::DiskFull { path }
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::PermissionDenied { operation, path }
            }
            io::ErrorKind::NotADirectory => Self::NotADirectory { path },
            _ => Self::Io { operation, path, source: Arc::new(source) },
        }
    }
}
