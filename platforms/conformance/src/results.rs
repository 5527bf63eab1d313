//! Results of the API as values of cases, with the names that every binding has.

use crate::case::Value;
use crate::steps::record;
use jazz_storage_core::api::{
    BackupResult, Bytes, Damage, Durability, EventKind, KnownState, LibraryVersion, LockRefusal, LockResult,
    LostSession, RepairReport, SessionCounter, StorageEvent, StorageStats, TaskProgress, VerifyReport,
};

impl From<()> for Value {
    fn from((): ()) -> Self {
        Self::Nothing
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(Vec::from(bytes).into())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nothing, Into::into)
    }
}

/// Lists and records of the API, by the fields that they have.
macro_rules! records {
    ($($name:ident { $($rust:ident: $field:ident),* $(,)? })*) => {
        $(impl From<$name> for Value {
            fn from($name { $($rust),* }: $name) -> Self {
                record! { $($field: $rust),* }
            }
        })*
    };
}

macro_rules! choices {
    ($($name:ident { $($choice:ident: $text:literal),* })*) => {
        $(impl From<$name> for Value {
            fn from(choice: $name) -> Self {
                match choice {
                    $($name::$choice => $text.into()),*
                }
            }
        })*
    };
}

macro_rules! lists {
    ($($name:ty),*) => {
        $(impl From<Vec<$name>> for Value {
            fn from(values: Vec<$name>) -> Self {
                Self::List(values.into_iter().map(Self::from).collect())
            }
        })*
    };
}

lists! { String, Damage, LostSession, KnownState, SessionCounter }

choices! {
    Durability { Relaxed: "relaxed", Strict: "strict", Memory: "memory" }
    LockRefusal { NotDue: "not_due", LockHeld: "lock_held" }
    EventKind { WritesRefused: "writes_refused", Stalled: "stalled", Resumed: "resumed" }
}

records! {
    LibraryVersion { package: package, abi: abi }
    TaskProgress { done: done, total: total }
    SessionCounter { session: session, count: count }
    KnownState { id: id, header: header, sessions: sessions }
    LockResult { acquired: acquired, reason: reason, last_processed_offset: lastProcessedOffset }
    BackupResult { files: files, bytes: bytes }
    Damage { file: file, offset: offset, detail: detail, co_values: coValues }
    LostSession { co_value: coValue, session: session, kept: kept, lost: lost }
    VerifyReport {
        bytes: bytes, records: records, rows: rows, co_values: coValues, transactions: transactions,
        damage: damage,
    }
    RepairReport {
        damage: damage, lost: lost, co_values: coValues, co_values_lost: coValuesLost, lost_ids: lostIds,
        set_aside: setAside,
    }
    StorageStats {
        path: path, durability: durability, format_version: formatVersion, co_values: coValues,
        records_written: recordsWritten, bytes_written: bytesWritten, bytes_rewritten: bytesRewritten,
        syncs: syncs, checkpoints: checkpoints, merges: merges, replayed_records: replayedRecords,
        discarded_bytes: discardedBytes, delta_rows: deltaRows, layers: layers, runs: runs, run_rows: runRows,
        run_bytes: runBytes, segments: segments, log_bytes: logBytes, dead_bytes: deadBytes,
        cache_bytes: cacheBytes, resident_bytes: residentBytes, write_failure: writeFailure,
        stalled: stalled,
    }
}

impl From<StorageEvent> for Value {
    fn from(StorageEvent { kind, code, message }: StorageEvent) -> Self {
        record! { kind: kind, code: code.map(|code| code.as_str()), message: message }
    }
}
