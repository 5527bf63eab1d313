//! What can be wrong with results, or keep a report from being written.

use std::io;
use std::path::PathBuf;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or directory cannot be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A result file is not of the documented form.
    #[error("{file}: {field}: {reason}")]
    Field {
        /// The result file.
        file: String,
        /// Where in it, as `measurements[3].peer`.
        field: String,
        /// What is wrong there.
        reason: String,
    },
    /// A result file is of a form that this report does not read.
    #[error("{file}: schema: results of form {found}, where {wanted} is read: measure again", wanted = crate::results::SCHEMA)]
    Schema {
        /// The result file.
        file: String,
        /// The form it says it has.
        found: u64,
    },
    /// A result file of a run that only tried whether everything works.
    #[error(
        "{file}: quick: a quick run says nothing about speed: measure in full, or allow it with --allow-quick"
    )]
    Quick {
        /// The result file.
        file: String,
    },
    /// Two runs of one suite.
    #[error("{file}: suite: {first} is a run of the suite {suite} already")]
    Twice {
        /// The second result file.
        file: String,
        /// The first one.
        first: String,
        /// The suite of both.
        suite: String,
    },
    /// Runs that did not measure the same code.
    #[error("{file}: commit: it measured {commit}, and {first} measured {other}: measure both at one commit")]
    Commits {
        /// A result file.
        file: String,
        /// Its commit.
        commit: String,
        /// Another result file.
        first: String,
        /// The commit of that one.
        other: String,
    },
    /// There is no run to report on.
    #[error("{}: no results of the suite {suite}: run `cargo xtask bench` first", directory.display())]
    Missing {
        /// Where results were looked for.
        directory: PathBuf,
        /// The suite.
        suite: String,
    },
    /// A plot could not be drawn.
    #[error("{plot}: cannot be drawn: {reason}")]
    Plot {
        /// The plot's file name.
        plot: String,
        /// What plotters said.
        reason: String,
    },
    /// The text that a headline belongs into has no place for it.
    #[error("{}: has no line {marker:?} (once, and the end after the beginning)", path.display())]
    Marker {
        /// The text's file.
        path: PathBuf,
        /// The line that is looked for.
        marker: &'static str,
    },
}

/// A value, or why there is no report.
pub type Result<T> = std::result::Result<T, Error>;
