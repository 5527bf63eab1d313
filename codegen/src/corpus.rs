//! The corpus of stores that every later build must open (`storage-core/tests/corpus`).

use crate::process::{Outcome, cargo};

/// Writes the corpus of the present format version; refuses if there is one.
pub(crate) fn write() -> Outcome<()> {
    let test = "write_the_corpus_of_the_present_format_version";
    cargo(&["test", "-p", "jazz-storage-core", "--test", "corpus", "--", "--ignored", "--exact", test])
}
