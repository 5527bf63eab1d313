//! Bytes as expressions, so that a value of ten megabytes takes a line.
//!
//! In JSON an expression is `{"$bytes": [part, …]}`. A part is a string, of which the first character says what it is
//! (`x` hexadecimal digits, `'` ASCII text, `#4` the current number in four decimal digits), an array (how many times,
//! then the parts that are repeated) or an object (`from`, `to`, and `of`: parts, once for each number of the range).

use crate::json::Json;
use std::ops::Range;

/// An expression.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bytes(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Raw(Vec<u8>),
    Repeated(usize, Bytes),
    Each(Range<usize>, Bytes),
    /// The current number, in so many decimal digits.
    Number(usize),
}

/// Runs of ASCII from this length on are written as text.
const TEXT_LEN: usize = 3;

impl Bytes {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// These bytes, many times.
    pub(crate) fn repeated(times: usize, bytes: impl Into<Self>) -> Self {
        Self(vec![Part::Repeated(times, bytes.into())])
    }

    /// These bytes for each number of a range.
    pub(crate) fn each(numbers: Range<usize>, bytes: impl Into<Self>) -> Self {
        Self(vec![Part::Each(numbers, bytes.into())])
    }

    /// Inside of [`Bytes::each`], the current number in so many decimal digits.
    pub(crate) fn number(digits: usize) -> Self {
        Self(vec![Part::Number(digits)])
    }

    /// The same with more behind it.
    pub(crate) fn and(mut self, more: impl Into<Self>) -> Self {
        for part in more.into().0 {
            match (self.0.last_mut(), part) {
                (Some(Part::Raw(last)), Part::Raw(bytes)) => last.extend(bytes),
                (_, part) => self.0.push(part),
            }
        }
        self
    }

    pub(crate) fn len(&self) -> usize {
        let len = |part: &Part| match part {
            Part::Raw(bytes) => bytes.len(),
            Part::Repeated(times, bytes) => times * bytes.len(),
            Part::Each(numbers, bytes) => numbers.len() * bytes.len(),
            Part::Number(digits) => *digits,
        };
        self.0.iter().map(len).sum()
    }

    pub(crate) fn is_ascii(&self) -> bool {
        self.0.iter().all(|part| match part {
            Part::Raw(bytes) => bytes.is_ascii(),
            Part::Repeated(_, bytes) | Part::Each(_, bytes) => bytes.is_ascii(),
            Part::Number(_) => true,
        })
    }

    /// What the expression stands for.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len());
        self.append_to(&mut out, 0);
        out
    }

    fn append_to(&self, out: &mut Vec<u8>, number: usize) {
        for part in &self.0 {
            match part {
                Part::Raw(bytes) => out.extend_from_slice(bytes),
                Part::Repeated(times, bytes) => {
                    let mut once = Vec::new();
                    bytes.append_to(&mut once, number);
                    out.extend(once.repeat(*times));
                }
                Part::Each(numbers, bytes) => {
                    numbers.clone().for_each(|number| bytes.append_to(out, number));
                }
                Part::Number(digits) => out.extend(format!("{number:0digits$}").into_bytes()),
            }
        }
    }

    pub(crate) fn json(&self) -> Json {
        Json::record([("$bytes", self.parts())])
    }

    fn parts(&self) -> Json {
        Json::List(self.0.iter().flat_map(Part::json).collect())
    }
}

impl Part {
    fn json(&self) -> Vec<Json> {
        match self {
            Self::Raw(bytes) => raw(bytes),
            Self::Repeated(times, bytes) => {
                let parts = bytes.0.iter().flat_map(Self::json);
                vec![Json::List(std::iter::once(Json::Number(*times as f64)).chain(parts).collect())]
            }
            Self::Each(numbers, bytes) => vec![Json::record([
                ("from", Json::Number(numbers.start as f64)),
                ("to", Json::Number(numbers.end as f64)),
                ("of", bytes.parts()),
            ])],
            Self::Number(digits) => vec![Json::text(format!("#{digits}"))],
        }
    }
}

/// Bytes as texts where they can be read, and as hexadecimal digits elsewhere.
fn raw(bytes: &[u8]) -> Vec<Json> {
    let is_legible = |byte: &u8| (b' '..=b'~').contains(byte);
    let mut parts = Vec::new();
    let mut hex = String::new();
    for run in bytes.chunk_by(|a, b| is_legible(a) == is_legible(b)) {
        if run.len() >= TEXT_LEN && run.iter().all(is_legible) {
            if !hex.is_empty() {
                parts.push(Json::text(format!("x{}", std::mem::take(&mut hex))));
            }
            parts.push(Json::text(format!("'{}", String::from_utf8_lossy(run))));
        } else {
            hex.extend(run.iter().map(|byte| format!("{byte:02x}")));
        }
    }
    if !hex.is_empty() {
        parts.push(Json::text(format!("x{hex}")));
    }
    parts
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self::from(bytes.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for Bytes {
    fn from(bytes: &[u8; N]) -> Self {
        Self::from(bytes.to_vec())
    }
}

impl<const N: usize> From<[u8; N]> for Bytes {
    fn from(bytes: [u8; N]) -> Self {
        Self::from(bytes.to_vec())
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        if bytes.is_empty() { Self::new() } else { Self(vec![Part::Raw(bytes)]) }
    }
}

impl From<&Bytes> for Bytes {
    fn from(bytes: &Bytes) -> Self {
        bytes.clone()
    }
}

impl FromIterator<Bytes> for Bytes {
    fn from_iter<I: IntoIterator<Item = Bytes>>(parts: I) -> Self {
        parts.into_iter().fold(Self::new(), Self::and)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_stand_for_their_bytes_and_say_their_length() {
        let session = Bytes::from("s_").and(Bytes::number(3)).and(b"\xff");
        let all = Bytes::from("a").and("bcd").and(Bytes::repeated(3, "xy")).and(Bytes::each(9..11, session));
        assert_eq!(all.bytes(), b"abcdxyxyxys_009\xffs_010\xff");
        assert_eq!((all.len(), all.is_ascii()), (all.bytes().len(), false));
        let expected = r##"{"$bytes":["'abcd",[3,"x7879"],{"from":9,"to":11,"of":["x735f","#3","xff"]}]}"##;
        assert_eq!(all.json().to_string(), expected);
    }
}
