//! Byte strings as they cross a binding: `Uint8Array` in JavaScript, `ByteArray` in Kotlin, `Data` in Swift.
//!
//! ```
//! let bytes = jazz_storage_core::api::Bytes::from(vec![1, 2]);
//! assert_eq!(bytes[..], [1, 2]);
//! ```

use std::ops::Deref;

/// Bytes that leave the engine. What they mean is the business of docs/design.md, section 3.
///
/// A type of its own, as generators would make a list of numbers of a `Vec<u8>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes(Vec<u8>);

#[cfg(feature = "uniffi")]
uniffi::custom_newtype!(Bytes, Vec<u8>);

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<Bytes> for Vec<u8> {
    fn from(Bytes(bytes): Bytes) -> Self {
        bytes
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
