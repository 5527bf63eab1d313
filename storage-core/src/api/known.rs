//! Known states and sync states as objects, for callers for whom the price of a crossing does not matter.

use crate::store::rows;
use jazz_storage_macros::record;

/// How many transactions of a session are stored.
#[record(returned)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionCounter {
    /// The session's id.
    pub session: String,
    /// Its transactions.
    pub count: u32,
}

/// What is stored of a CoValue.
#[record(returned)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownState {
    /// The CoValue's id.
    pub id: String,
    /// Whether it is stored: then its header is.
    pub header: bool,
    /// Its sessions, in the order in which they were first stored.
    pub sessions: Vec<SessionCounter>,
}

impl KnownState {
    pub(super) fn new(id: String, stored: Option<rows::KnownState>) -> Self {
        let header = stored.is_some();
        let sessions = stored.into_iter().flat_map(|state| state.sessions).map(|(session, count)| {
            SessionCounter { session: String::from_utf8_lossy(session.as_bytes()).into_owned(), count }
        });
        Self { id, header, sessions: sessions.collect() }
    }
}

/// Whether a CoValue is synced to a peer.
#[record(given)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncStateUpdate {
    /// The CoValue's id.
    pub co_value: String,
    /// The peer's id.
    pub peer: String,
    /// Whether it is.
    pub synced: bool,
}
