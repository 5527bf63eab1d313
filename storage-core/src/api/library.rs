//! What a package that loads this library can ask it before anything else.

use crate::error::{Error, ErrorCode, LockHolder, Result};
use crate::format::numbers::ABI_VERSION;
use jazz_storage_macros::record;
use std::sync::Arc;

/// The versions of this library.
#[record(returned)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibraryVersion {
    /// The version of the package it belongs to, e.g. `0.1.0`.
    pub package: String,
    /// The version of everything that crosses the boundary. Raised by any change that a package built for an older one
    /// would trip over.
    pub abi: u32,
}

/// The versions of this library. A package that loads it compares them with its own.
#[cfg_attr(feature = "uniffi", uniffi::export)]
#[cfg_attr(target_family = "wasm", wasm_bindgen::prelude::wasm_bindgen(js_name = "libraryVersion"))]
#[cfg_attr(feature = "napi", napi_derive::napi)]
pub fn library_version() -> LibraryVersion {
    LibraryVersion { package: env!("CARGO_PKG_VERSION").to_owned(), abi: ABI_VERSION }
}

/// Fails with a sample of the error of a code, so that it can be seen what an app would meet, also with errors that are hard
/// to come by.
///
/// # Errors
/// Always, with that code.
#[cfg_attr(feature = "uniffi", uniffi::export)]
#[cfg_attr(target_family = "wasm", wasm_bindgen::prelude::wasm_bindgen(js_name = "throwError"))]
#[cfg_attr(feature = "napi", napi_derive::napi)]
pub fn throw_error(code: ErrorCode) -> Result<()> {
    let path = || "sample".into();
    Err(match code {
        ErrorCode::Io => Error::from_io("sample", "sample", std::io::ErrorKind::Other.into()),
        ErrorCode::DiskFull => Error::DiskFull { path: path() },
        ErrorCode::NotADirectory => Error::NotADirectory { path: path() },
        ErrorCode::PermissionDenied => Error::PermissionDenied { operation: "sample", path: path() },
        ErrorCode::Locked => Error::Locked { path: path(), holder: LockHolder::Unknown },
        ErrorCode::NewerFormat => {
            let supported = crate::format::FORMAT_VERSION;
            Error::NewerFormat { path: path(), found: supported + 1, supported }
        }
        ErrorCode::ForeignDirectory => Error::ForeignDirectory { path: path(), found: "sample".to_owned() },
        ErrorCode::Corrupt => Error::corrupt("sample", 0, "sample"),
        ErrorCode::Malformed => Error::Malformed("sample".to_owned()),
        ErrorCode::EmptyId => Error::EmptyId("sample"),
        ErrorCode::TooLarge => Error::TooLarge { what: "sample", size: 2, limit: 1 },
        ErrorCode::InvalidCommit => Error::InvalidCommit("sample".to_owned()),
        ErrorCode::InvalidOption => Error::InvalidOption { option: "sample", detail: "sample".to_owned() },
        ErrorCode::Latched => Error::Latched { cause: Arc::new(Error::DiskFull { path: path() }) },
        ErrorCode::TargetExists => Error::TargetExists { path: path() },
        ErrorCode::NotABackup => Error::NotABackup { path: path(), detail: "sample" },
        ErrorCode::Cancelled => Error::Cancelled,
        ErrorCode::HashCollision => Error::HashCollision,
        ErrorCode::Internal => Error::Internal("sample".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_of_a_code_has_it() {
        for &code in ErrorCode::ALL {
            assert_eq!(throw_error(code).unwrap_err().code(), code);
        }
    }
}
