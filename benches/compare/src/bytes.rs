//! The little that the peers' rows and records are written and read with. All numbers are little-endian.

use jazz_storage_bench::Result;

/// Appends a number.
pub fn put_u32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Appends up to 65,535 bytes with their length before them.
///
/// # Errors
/// There are more.
pub fn put_bytes16(out: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    out.extend_from_slice(&u16::try_from(bytes.len())?.to_le_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// Reads what was appended.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Begins at the first of these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk().ok_or("the bytes end too early")?;
        self.0 = rest;
        Ok(*chunk)
    }

    /// A number.
    ///
    /// # Errors
    /// The bytes end too early.
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.chunk()?))
    }

    /// Bytes with their length before them.
    ///
    /// # Errors
    /// The bytes end too early.
    pub fn bytes16(&mut self) -> Result<&'a [u8]> {
        let len = u16::from_le_bytes(self.chunk()?);
        self.take(len.into())
    }

    /// So many bytes.
    ///
    /// # Errors
    /// The bytes end too early.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or("the bytes end too early")?;
        self.0 = rest;
        Ok(bytes)
    }

    /// All that follows.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }
}
