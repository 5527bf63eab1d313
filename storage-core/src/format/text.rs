//! Strings (design.md, section 2.1), and reading of bytes that nobody has checked yet.
//!
//! Invariants:
//! - a string has exactly one form: WTF-8 without split surrogate pairs, and a head that says exactly whether it is ASCII;
//! - a [`Text`] gives out its bytes only through a check of them, so that none is forgotten; who needs lengths alone, as
//!   for bytes that were checked before they were stored, does not pay for one.

use super::numbers::{STR16_MAX, STR16_NOT_ASCII, STR32_MAX, STR32_NOT_ASCII};
use crate::error::Error;

/// Bytes that do not have the documented form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{detail} (at byte {at})")]
pub struct FormatError {
    /// What is wrong.
    pub detail: &'static str,
    /// Where, counted from the start of the bytes given.
    pub at: usize,
}

impl From<FormatError> for Error {
    fn from(error: FormatError) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// The result of reading a form.
pub(crate) type Read<T> = Result<T, FormatError>;

/// The largest length of a `str16`, in bytes.
pub const MAX_STR16: usize = STR16_MAX as usize;
/// The largest length of a `str32`, in bytes.
pub const MAX_STR32: usize = STR32_MAX as usize;

/// A position in bytes that are being read.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A string as it was read: its bytes and what its head says of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    bytes: &'a [u8],
    ascii: bool,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn fail<T>(&self, detail: &'static str) -> Read<T> {
        Err(FormatError { detail, at: self.at })
    }

    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        let end = self.at.checked_add(len);
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(taken) => {
                self.at += len;
                Ok(taken)
            }
            None => self.fail("the bytes end too early"),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        match self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<N>) {
            Some(taken) => {
                self.at += N;
                Ok(*taken)
            }
            None => self.fail("the bytes end too early"),
        }
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Read<u8> {
        self.array().map(u8::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Read<u16> {
        self.array().map(u16::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Read<u32> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline]
    pub(crate) fn f64(&mut self) -> Read<f64> {
        self.array().map(f64::from_le_bytes)
    }

    #[inline]
    pub(crate) fn str16(&mut self) -> Read<Text<'a>> {
        let head = self.u16()?;
        let at = self.at;
        let bytes = self.take(usize::from(head & !STR16_NOT_ASCII))?;
        Ok(Text { bytes, ascii: head & STR16_NOT_ASCII == 0, at })
    }

    #[inline]
    pub(crate) fn str32(&mut self) -> Read<Text<'a>> {
        let head = self.u32()?;
        let at = self.at;
        let bytes = self.take(to_usize(head & !STR32_NOT_ASCII))?;
        Ok(Text { bytes, ascii: head & STR32_NOT_ASCII == 0, at })
    }

    /// Refuses bytes after the end of what was read.
    pub(crate) fn finish(&self) -> Read<()> {
        if self.at == self.bytes.len() { Ok(()) } else { self.fail("bytes follow the end") }
    }
}

impl<'a> Text<'a> {
    /// Checks that the text is WTF-8 and that its head says correctly whether it is ASCII, and gives the bytes.
    pub(crate) fn checked(self) -> Read<&'a [u8]> {
        self.units().map(|_| self.bytes)
    }

    /// Checks as [`Text::checked`] and gives the length in UTF-16 units.
    #[inline]
    pub(crate) fn units(self) -> Read<u64> {
        if self.ascii {
            return if is_ascii(self.bytes) {
                Ok(self.bytes.len() as u64)
            } else {
                Err(FormatError { detail: "a text that is not ASCII is marked as ASCII", at: self.at })
            };
        }
        if is_ascii(self.bytes) {
            return Err(FormatError { detail: "an ASCII text is marked as not ASCII", at: self.at });
        }
        utf16_len(self.bytes).map_err(|error| FormatError { at: self.at + error.at, ..error })
    }
}

/// Whether all bytes are ASCII. The standard library looks at the last ones, up to 63, one by one, which is most of the time
/// that the texts of a small transaction take.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    let (lines, rest) = bytes.as_chunks::<64>();
    let (words, _) = rest.as_chunks::<8>();
    let Some(last) = bytes.last_chunk::<8>() else { return bytes.iter().all(u8::is_ascii) };
    let all = words.iter().fold(u64::from_le_bytes(*last), |all, word| all | u64::from_le_bytes(*word));
    all & 0x8080_8080_8080_8080 == 0 && lines.as_flattened().is_ascii()
}

/// Lossless where the crate compiles: pointers have at least 32 bits on every target with an allocator of use.
pub(crate) const fn to_usize(value: u32) -> usize {
    value as usize
}

/// The length of a WTF-8 string in UTF-16 units.
///
/// # Errors
/// The bytes are not WTF-8, or hold a surrogate pair as two code points: that string has another, canonical form, and a
/// second form of one string would make two ids of one.
///
/// ```
/// use jazz_storage_core::format::text::utf16_len;
/// assert_eq!(utf16_len("aé𝄞".as_bytes()), Ok(4));
/// assert_eq!(utf16_len(b"\xed\xa0\x80"), Ok(1));
/// assert!(utf16_len(b"\xff").is_err());
/// ```
pub fn utf16_len(bytes: &[u8]) -> Result<u64, FormatError> {
    if is_ascii(bytes) {
        return Ok(bytes.len() as u64);
    }
    let mut units = 0u64;
    let mut rest = bytes;
    let mut after_high = false;
    loop {
        let (text, error) = match std::str::from_utf8(rest) {
            Ok(text) => (text.as_bytes(), None),
            Err(error) => rest
                .split_at_checked(error.valid_up_to())
                .map_or((rest, Some(rest)), |(good, bad)| (good, Some(bad))),
        };
        // A code point of four bytes is two units, any other is one: continuation bytes count nothing.
        units +=
            text.iter().map(|&byte| u64::from(byte & 0xc0 != 0x80) + u64::from(byte >= 0xf0)).sum::<u64>();
        let Some(bad) = error else { return Ok(units) };
        let at = bytes.len() - bad.len();
        let Some(([0xed, second @ 0xa0..=0xbf, 0x80..=0xbf], next)) = bad.split_first_chunk::<3>() else {
            return Err(FormatError { detail: "the text is not WTF-8", at });
        };
        let low = *second >= 0xb0;
        if low && after_high && text.is_empty() {
            return Err(FormatError { detail: "a surrogate pair is written as two surrogates", at });
        }
        units += 1;
        after_high = !low;
        rest = next;
    }
}

/// Appends a `str16`.
///
/// # Errors
/// The text is longer than [`MAX_STR16`].
pub fn put_str16(out: &mut Vec<u8>, text: &[u8]) -> Result<(), FormatError> {
    let len = u16::try_from(text.len()).ok().filter(|len| len & STR16_NOT_ASCII == 0);
    let len = len.ok_or(FormatError { detail: "the text is longer than 32767 bytes", at: out.len() })?;
    let head = if is_ascii(text) { len } else { len | STR16_NOT_ASCII };
    out.extend_from_slice(&head.to_le_bytes());
    out.extend_from_slice(text);
    Ok(())
}

/// Appends a `str32`.
///
/// # Errors
/// The text is longer than [`MAX_STR32`].
pub fn put_str32(out: &mut Vec<u8>, text: &[u8]) -> Result<(), FormatError> {
    let len = u32::try_from(text.len()).ok().filter(|len| len & STR32_NOT_ASCII == 0);
    let len = len.ok_or(FormatError { detail: "the text is longer than 2147483647 bytes", at: out.len() })?;
    let head = if is_ascii(text) { len } else { len | STR32_NOT_ASCII };
    out.extend_from_slice(&head.to_le_bytes());
    out.extend_from_slice(text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_outside_ascii_is_seen_wherever_it_stands() {
        for len in 0..100 {
            let mut bytes = vec![0x7f; len];
            assert!(is_ascii(&bytes), "{len}");
            for at in 0..len {
                bytes[at] = 0x80;
                assert!(!is_ascii(&bytes), "{at} of {len}");
                bytes[at] = 0x7f;
            }
        }
    }
}
