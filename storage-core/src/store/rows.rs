//! The rows of the store, as cojson's database clients see them.
//!
//! Ids, signatures and keys are opaque bytes (WTF-8 of the JavaScript string, design.md section 2.1); indexes count
//! transactions from 0; counters are the number of transactions stored.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

macro_rules! byte_string {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<[u8]>);

        impl $name {
            /// Wraps the WTF-8 bytes of a JavaScript string.
            pub fn new(bytes: impl AsRef<[u8]>) -> Self {
                Self(Arc::from(bytes.as_ref()))
            }
            /// The bytes.
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }
        impl Borrow<[u8]> for $name {
            fn borrow(&self) -> &[u8] {
                &self.0
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($what, "({})"), String::from_utf8_lossy(&self.0))
            }
        }
    };
}

byte_string!(
    /// The id of a CoValue, `co_z…`.
    CoValueId,
    "CoValueId"
);
byte_string!(
    /// The id of a session, `…_session_z…`; a delete session's ends in `$`.
    SessionId,
    "SessionId"
);
byte_string!(
    /// A signature, `signature_z…`.
    Signature,
    "Signature"
);
byte_string!(
    /// The id of a sync peer.
    PeerId,
    "PeerId"
);

impl SessionId {
    /// Whether this is a delete session: such sessions survive erasure.
    pub fn is_delete(&self) -> bool {
        self.as_bytes().last() == Some(&b'$')
    }
}

/// The row number of a CoValue: 1 for the first one stored, growing by one, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoValueRowId(pub u64);

/// The row number of a session. Valid as long as the session is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionRowId {
    /// The CoValue it belongs to.
    pub covalue: CoValueRowId,
    /// Its number within the CoValue.
    pub slot: u32,
}

/// A position in a session: the index of a transaction, or a count of transactions.
pub type TxIndex = u32;

/// A stored CoValue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCoValueRow {
    /// Its row number.
    pub row_id: CoValueRowId,
    /// Its id.
    pub id: CoValueId,
    /// Its header as the JSON text it was stored with.
    pub header: Vec<u8>,
}

/// What a session's row is set to: the update of [`StorageTransaction::add_session_update`](super::StorageTransaction).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionUpdate {
    /// The CoValue the session belongs to.
    pub covalue: CoValueRowId,
    /// The session's id.
    pub session_id: SessionId,
    /// The number of transactions stored, at least 1.
    pub last_idx: TxIndex,
    /// The signature valid after the last of them.
    pub last_signature: Signature,
    /// UTF-16 units of changes since the last chunk signature.
    pub bytes_since_last_signature: u32,
}

/// A stored session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSessionRow {
    /// Its row number.
    pub row_id: SessionRowId,
    /// The session's id.
    pub session_id: SessionId,
    /// The number of transactions stored.
    pub last_idx: TxIndex,
    /// The signature valid after the last of them.
    pub last_signature: Signature,
    /// UTF-16 units of changes since the last chunk signature.
    pub bytes_since_last_signature: u32,
}

/// A stored transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionRow {
    /// Its index in the session.
    pub idx: TxIndex,
    /// The transaction in the form of design.md section 2.2, complete in itself (flag `0x20` unset).
    pub tx: Vec<u8>,
}

/// A chunk signature: the signature valid after the transaction at `idx`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureAfterRow {
    /// The index of the last transaction it covers.
    pub idx: TxIndex,
    /// The signature.
    pub signature: Signature,
}

/// One change of the set of (CoValue, peer) pairs that are not synced yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncStateUpdate {
    /// The CoValue; it need not be stored.
    pub id: CoValueId,
    /// The peer.
    pub peer: PeerId,
    /// True removes the pair, false adds it.
    pub synced: bool,
}

/// Where a CoValue stands in the queue of deletions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletionStatus {
    /// Waiting to be erased.
    Pending,
    /// Erased: header and delete sessions are what is left.
    Done,
}

/// What is stored of a CoValue, by counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownState {
    /// Its sessions in the order in which they were first stored, with the number of transactions stored.
    pub sessions: Vec<(SessionId, TxIndex)>,
}

/// The record of a reconciliation lock. Times are JavaScript's `Date.now()`, milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct ReconciliationLockRow {
    /// The session that took it last.
    pub holder: SessionId,
    /// When it was taken.
    pub acquired_at: f64,
    /// When the run it guarded was completed, if it was.
    pub released_at: Option<f64>,
    /// How far the run has come.
    pub last_processed_offset: f64,
}

/// The times that decide about a reconciliation lock, in milliseconds, as configured at the time of the call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LockTiming {
    /// Now, from `Date.now()`.
    pub now: f64,
    /// How long a lock that is not released keeps others out.
    pub ttl: f64,
    /// How long after a completed run the next one is due.
    pub interval: f64,
}

/// The answer to an attempt to take a reconciliation lock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LockOutcome {
    /// Taken; the run goes on at this offset.
    Acquired {
        /// Where to go on.
        last_processed_offset: f64,
    },
    /// A run was completed less than the interval ago.
    NotDue,
    /// Another session holds it.
    Held,
}

impl ReconciliationLockRow {
    /// Decides an attempt to take the lock (rules ), given its present record: the answer, and the record to
    /// store if it is taken.
    pub fn try_acquire(
        present: Option<&Self>,
        session: &SessionId,
        timing: LockTiming,
    ) -> (LockOutcome, Option<Self>) {
        let mut offset = 0.0;
        if let Some(row) = present {
            match row.released_at {
                // A release time of 0 counts as none, as it does upstream.
                Some(released) if released != 0.0 => {
                    if timing.now - released < timing.interval {
                        return (LockOutcome::NotDue, None);
                    }
                }
                _ => {
                    if row.holder != *session && row.acquired_at + timing.ttl >= timing.now {
                        return (LockOutcome::Held, None);
                    }
                    offset = row.last_processed_offset;
                }
            }
        }
        let row = Self {
            holder: session.clone(),
            acquired_at: timing.now,
            released_at: None,
            last_processed_offset: offset,
        };
        (LockOutcome::Acquired { last_processed_offset: offset }, Some(row))
    }

    /// The record after `session` renews the lock at `offset`, or nothing if it may not (rule R-6).
    pub fn renewed(&self, session: &SessionId, offset: f64) -> Option<Self> {
        let held = self.holder == *session && self.released_at.is_none_or(|t| t == 0.0);
        held.then(|| Self { last_processed_offset: offset, ..self.clone() })
    }

    /// The record after `session` releases the lock at `now`, or nothing if it may not (rule R-7).
    pub fn released(&self, session: &SessionId, now: f64) -> Option<Self> {
        (self.holder == *session).then(|| Self {
            released_at: Some(now),
            last_processed_offset: 0.0,
            ..self.clone()
        })
    }
}
