//! Reading fixed-width fields from untrusted bytes without panics, and writing them.

/// A position in a byte slice. Each read gives nothing if too few bytes are left, and then moves nowhere.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
    /// The bytes not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(head)
    }
    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }
    /// A `u8`.
    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[b]| b)
    }
    /// A `u16`.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }
    /// A `u32`.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
    /// A `u64`.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
    /// An `f64`.
    pub fn f64(&mut self) -> Option<f64> {
        self.array().map(f64::from_le_bytes)
    }
    /// A byte string with a `u32` length.
    pub fn blob(&mut self) -> Option<&'a [u8]> {
        let mut ahead = self.clone();
        let len = ahead.u32()?;
        let bytes = ahead.take(usize::try_from(len).ok()?)?;
        *self = ahead;
        Some(bytes)
    }
    /// A byte string with a `u16` length.
    pub fn short(&mut self) -> Option<&'a [u8]> {
        let mut ahead = self.clone();
        let len = ahead.u16()?;
        let bytes = ahead.take(usize::from(len))?;
        *self = ahead;
        Some(bytes)
    }
}

/// Appending fields to a buffer.
pub trait PutBytes {
    /// Appends a `u8`.
    fn put_u8(&mut self, value: u8);
    /// Appends a `u16`.
    fn put_u16(&mut self, value: u16);
    /// Appends a `u32`.
    fn put_u32(&mut self, value: u32);
    /// Appends a `u64`.
    fn put_u64(&mut self, value: u64);
    /// Appends an `f64`.
    fn put_f64(&mut self, value: f64);
    /// Appends a byte string with a `u32` length. Lengths past `u32::MAX` are cut by no caller: records are smaller.
    fn put_blob(&mut self, bytes: &[u8]);
    /// Appends a byte string with a `u16` length; callers have checked it (ids are at most 32,767 bytes).
    fn put_short(&mut self, bytes: &[u8]);
}

impl PutBytes for Vec<u8> {
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }
    fn put_u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    fn put_f64(&mut self, value: f64) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    fn put_blob(&mut self, bytes: &[u8]) {
        debug_assert!(u32::try_from(bytes.len()).is_ok());
        self.put_u32(bytes.len() as u32);
        self.extend_from_slice(bytes);
    }
    fn put_short(&mut self, bytes: &[u8]) {
        debug_assert!(u16::try_from(bytes.len()).is_ok());
        self.put_u16(bytes.len() as u16);
        self.extend_from_slice(bytes);
    }
}

/// Reads a `u32` at a fixed offset of a fixed-size row, 0 past its end (rows are always long enough).
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b))
}

/// Reads a `u64` at a fixed offset of a fixed-size row, 0 past its end.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b))
}

/// Writes bytes at a fixed offset of a fixed-size row.
pub(crate) fn put_at(bytes: &mut [u8], at: usize, field: &[u8]) {
    if let Some(slot) = bytes.get_mut(at..at + field.len()) {
        slot.copy_from_slice(field);
    } else {
        debug_assert!(false, "field outside of its row");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_was_written_and_never_past_the_end() {
        let mut out = Vec::new();
        out.put_u8(1);
        out.put_u16(2);
        out.put_u32(3);
        out.put_u64(4);
        out.put_f64(-0.5);
        out.put_short(b"ab");
        out.put_blob(b"cde");
        let mut c = Cursor::new(&out);
        assert_eq!(
            (c.u8(), c.u16(), c.u32(), c.u64(), c.f64()),
            (Some(1), Some(2), Some(3), Some(4), Some(-0.5))
        );
        assert_eq!((c.short(), c.blob(), c.u8()), (Some(&b"ab"[..]), Some(&b"cde"[..]), None));
        assert!(c.is_empty());
        for cut in 0..out.len() {
            let mut c = Cursor::new(&out[..cut]);
            while c.u64().is_some() {}
            let before = c.rest().len();
            assert!(c.blob().is_none() || c.rest().len() < before);
        }
    }
}
