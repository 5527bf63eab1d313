//! Verifying and repairing: the engine's reports as plain records.

use super::options::{check_path, platform_defaults};
use super::pending::{Pending, detached};
use super::task::StorageTask;
use crate::engine::check::{Damage as EngineDamage, Progress, Verified};
use crate::engine::repair::Repaired;
use crate::error::Result;
use crate::file::NativeFileIO;
use crate::store::queued::guarded;
use crate::store::{BfTreeStorage, StoreOptions};
use jazz_storage_macros::{operation, record};

/// Damage in a file of a store.
#[record(returned)]
#[derive(Debug, Clone, PartialEq)]
pub struct Damage {
    /// The file's name in the store's directory.
    pub file: String,
    /// Where in the file, in bytes.
    pub offset: f64,
    /// What is wrong.
    pub detail: String,
    /// The ids of the CoValues concerned, as far as they are known.
    pub co_values: Vec<String>,
}

/// What a verification found.
#[record(returned)]
#[derive(Debug, Clone, PartialEq)]
pub struct VerifyReport {
    /// Bytes of files that were read.
    pub bytes: f64,
    /// Records whose checksum was compared, those not needed any more included.
    pub records: f64,
    /// Rows of the index on disk.
    pub rows: f64,
    /// CoValues that were looked at, damaged ones included.
    pub co_values: f64,
    /// Transactions that are where the index says.
    pub transactions: f64,
    /// What is wrong; nothing in an intact store.
    pub damage: Vec<Damage>,
}

/// A session of which a repair could not keep everything.
#[record(returned)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostSession {
    /// The CoValue's id, if it is known.
    pub co_value: Option<String>,
    /// The session's id, if it is known.
    pub session: Option<String>,
    /// Transactions that are still there: those up to the last good signature.
    pub kept: u32,
    /// Transactions that are not.
    pub lost: u32,
}

/// What a repair found and did.
#[record(returned)]
#[derive(Debug, Clone, PartialEq)]
pub struct RepairReport {
    /// What was damaged; nothing if the store was intact.
    pub damage: Vec<Damage>,
    /// Sessions that are shorter now.
    pub lost: Vec<LostSession>,
    /// CoValues kept.
    pub co_values: f64,
    /// CoValues lost as a whole, those included whose ids are not known.
    pub co_values_lost: f64,
    /// Their ids, as far as they are known.
    pub lost_ids: Vec<String>,
    /// The file in the store's directory to which damaged bytes were copied, if there were any.
    pub set_aside: Option<String>,
}

fn text(id: Vec<u8>) -> String {
    String::from_utf8_lossy(&id).into_owned()
}

impl From<EngineDamage> for Damage {
    fn from(damage: EngineDamage) -> Self {
        Self {
            file: damage.file,
            offset: damage.offset as f64,
            detail: damage.detail,
            co_values: damage.covalues.into_iter().map(text).collect(),
        }
    }
}

impl From<Verified> for VerifyReport {
    fn from(report: Verified) -> Self {
        Self {
            bytes: report.bytes as f64,
            records: report.records as f64,
            rows: report.rows as f64,
            co_values: report.covalues as f64,
            transactions: report.transactions as f64,
            damage: report.damage.into_iter().map(Damage::from).collect(),
        }
    }
}

impl From<Repaired> for RepairReport {
    fn from(report: Repaired) -> Self {
        let lost = report.lost.into_iter().map(|entry| LostSession {
            co_value: entry.covalue.map(text),
            session: entry.lost.session.map(text),
            kept: entry.lost.kept,
            lost: entry.lost.lost,
        });
        Self {
            damage: report.damage.into_iter().map(Damage::from).collect(),
            lost: lost.collect(),
            co_values: report.covalues as f64,
            co_values_lost: report.covalues_lost.len() as f64,
            lost_ids: report.covalues_lost.into_iter().flatten().map(text).collect(),
            set_aside: report.set_aside,
        }
    }
}

/// The callback of an operation that a task watches.
pub(super) fn watched(task: &StorageTask) -> impl FnMut(Progress) -> bool + '_ {
    |progress| task.step(progress.done, progress.total)
}

/// Repairs a store that nobody has open: afterwards it opens, and holds everything that can be kept. The report says what
/// is missing; a node gets it again from its peers, as its known states say so too.
///
/// # Errors
/// [`crate::Error::Locked`], [`crate::Error::ForeignDirectory`], [`crate::Error::NewerFormat`],
/// [`crate::Error::Cancelled`], [`crate::Error::Corrupt`] if nothing is there that could be repaired,
/// [`crate::Error::InvalidOption`], [`crate::Error::DiskFull`], [`crate::Error::Io`]. The store is then as it was.
#[operation]
pub fn repair(path: String, task: &StorageTask) -> Result<RepairReport> {
    check_path("path", &path)?;
    let options = StoreOptions { engine: platform_defaults(), ..StoreOptions::default() };
    let report = BfTreeStorage::<NativeFileIO>::repair(NativeFileIO::new(path), options, &mut watched(task))?;
    Ok(report.into())
}
