//! The reports of verifying and repairing, and repairing itself, which needs no open store.

use jazz_storage_core::api;
use napi::bindgen_prelude::{Env, Object};
use napi_derive::napi;

use crate::promise::detached;
use crate::upkeep::Task;

/// Damage in a file of a store.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
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
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct VerifyReport {
    /// Bytes of files that were read.
    pub bytes: f64,
    /// Records whose checksum was compared, those not needed any more included.
    pub records: f64,
    /// Rows of the index on disk.
    pub rows: f64,
    /// CoValues that are as they should be.
    pub co_values: f64,
    /// Transactions that are where the index says.
    pub transactions: f64,
    /// What is wrong; nothing in an intact store.
    pub damage: Vec<Damage>,
}

/// A session of which a repair could not keep everything.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
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
#[napi(object, object_from_js = false)]
#[derive(Debug)]
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

impl From<api::Damage> for Damage {
    fn from(damage: api::Damage) -> Self {
        let api::Damage { file, offset, detail, covalues } = damage;
        Self { file, offset, detail, co_values: covalues }
    }
}

impl From<api::VerifyReport> for VerifyReport {
    fn from(report: api::VerifyReport) -> Self {
        Self {
            bytes: report.bytes,
            records: report.records,
            rows: report.rows,
            co_values: report.covalues,
            transactions: report.transactions,
            damage: report.damage.into_iter().map(Damage::from).collect(),
        }
    }
}

impl From<api::RepairReport> for RepairReport {
    fn from(report: api::RepairReport) -> Self {
        let lost = report.lost.into_iter().map(|lost| LostSession {
            co_value: lost.covalue,
            session: lost.session,
            kept: lost.kept,
            lost: lost.lost,
        });
        Self {
            damage: report.damage.into_iter().map(Damage::from).collect(),
            lost: lost.collect(),
            co_values: report.covalues,
            co_values_lost: report.covalues_lost,
            lost_ids: report.lost_ids,
            set_aside: report.set_aside,
        }
    }
}

/// Repairs a store that nobody has open, off the event loop.
#[napi(ts_return_type = "Promise<RepairReport>")]
pub fn repair_async<'env>(env: &'env Env, path: String, task: &Task) -> napi::Result<Object<'env>> {
    let task = task.task.clone();
    detached(env, move || api::repair(&path, &task), RepairReport::from)
}
