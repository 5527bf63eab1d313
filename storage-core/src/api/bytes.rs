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

/// An answer for who reads it before the next one of this kind, on the same thread, comes: it crosses as `u32` how many
/// bytes it has, and these; what follows them has no meaning.
///
/// By Node-API it is given in the same array again and again, as it takes longer to make one than to fill it, and what is
/// made has to be collected. Elsewhere it has memory of its own.
///
/// ```
/// use jazz_storage_core::api::{Bytes, Lent};
/// let lent = Lent::from(Bytes::from(vec![1, 2]));
/// assert_eq!(lent[..], [1, 2]);
/// assert_eq!(Vec::from(lent), [2, 0, 0, 0, 1, 2]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lent(Vec<u8>);

#[cfg(feature = "uniffi")]
uniffi::custom_type!(Lent, Vec<u8>, {
    lower: |lent| lent.into(),
    // The macro asks for both ways; an answer is only given.
    try_lift: |bytes| Ok(Lent(bytes)),
});

impl Lent {
    /// What crosses before the bytes: how many there are.
    pub(super) fn head(&self) -> [u8; 4] {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX).to_le_bytes()
    }
}

impl From<Bytes> for Lent {
    fn from(Bytes(bytes): Bytes) -> Self {
        Self(bytes)
    }
}

impl From<Lent> for Vec<u8> {
    /// As it crosses.
    fn from(lent: Lent) -> Self {
        [&lent.head()[..], &lent].concat()
    }
}

impl Deref for Lent {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
