//! What is stored: traces of messages by name and size.

use jazz_storage_bench::data::content_bytes;
use jazz_storage_bench::trace::{Trace, bulk, edits, files, hot, small};
use jazz_storage_bench::{Level, Result};
use serde::Serialize;

/// Transactions in a message of `bulk`.
const BULK: usize = 200;

/// Messages of one kind.
#[derive(Debug)]
pub struct Workload {
    /// What results and options call it.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// How many messages there are.
    sizes: Sizes,
    trace: fn(messages: usize, seed: u64) -> Trace,
}

/// Messages of a workload. A sync to each makes them slow, so that there are fewer at the level `power`.
#[derive(Debug)]
struct Sizes {
    usual: usize,
    power: usize,
    quick: usize,
}

/// All of them.
pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "small",
        title: "many small CoValues, messages of one transaction",
        sizes: Sizes { usual: 20_000, power: 1_000, quick: 200 },
        trace: small,
    },
    Workload {
        name: "hot",
        title: "four hot CoValues of two sessions, messages of one transaction",
        sizes: Sizes { usual: 20_000, power: 1_000, quick: 1_200 },
        trace: hot,
    },
    Workload {
        name: "bulk",
        title: "messages of 200 transactions",
        sizes: Sizes { usual: 300, power: 100, quick: 12 },
        trace: |messages, seed| bulk(messages, BULK, messages.div_ceil(10), seed),
    },
    Workload {
        name: "files",
        title: "files in messages of one transaction of 150 KB",
        sizes: Sizes { usual: 160, power: 64, quick: 8 },
        trace: files,
    },
    Workload {
        name: "mixed",
        title: "70 % stores, 25 % loads, 5 % known states; a quarter of the messages begins a CoValue, a quarter goes to six",
        sizes: Sizes { usual: 20_000, power: 1_000, quick: 200 },
        trace: edits,
    },
];

/// How much a workload is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Amount {
    messages: u64,
    transactions: u64,
    values: u64,
    /// Headers and transactions, as they cross the native storage's binding.
    payload_bytes: u64,
}

impl Workload {
    /// The workload of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn find(name: &str) -> Result<&'static Self> {
        let found = WORKLOADS.iter().find(|workload| workload.name == name);
        Ok(found.ok_or_else(|| format!("there is no workload {name:?}: see --help"))?)
    }

    /// How many messages there are at a level.
    pub fn messages(&self, quick: bool, level: Level) -> usize {
        match level {
            _ if quick => self.sizes.quick,
            Level::Power => self.sizes.power,
            Level::None | Level::Process => self.sizes.usual,
        }
    }

    /// So many messages; the same for the same seed.
    pub fn trace(&self, messages: usize, seed: u64) -> Trace {
        (self.trace)(messages, seed)
    }

    /// How much so many messages are.
    pub fn amount(&self, messages: usize, seed: u64) -> Amount {
        let trace = self.trace(messages, seed);
        let sum = |of: fn(&jazz_storage_bench::trace::Message) -> u64| trace.messages.iter().map(of).sum();
        Amount {
            messages: messages as u64,
            transactions: sum(|message| message.transactions.len() as u64),
            values: trace.ids.len() as u64,
            payload_bytes: sum(content_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jazz_storage_bench::native::Native;
    use jazz_storage_bench::verify::expected;

    #[test]
    fn quick_ones_have_what_makes_them_hard_too() {
        for name in ["hot", "bulk", "files"] {
            let workload = Workload::find(name).unwrap();
            let trace = workload.trace(workload.messages(true, Level::Process), 1);
            let values = expected::<Native>(&trace.messages).unwrap();
            let has_chunks =
                values.values().flat_map(|value| &value.sessions).any(|one| one.signatures.len() > 1);
            // Sessions of `hot` become that long only in its full size.
            assert_eq!(has_chunks, name != "hot", "{name}");
        }
        assert!(Workload::find("nothing").is_err());
    }

    #[test]
    fn an_amount_is_that_of_the_trace() {
        let amount = Workload::find("bulk").unwrap().amount(20, 1);
        assert_eq!((amount.messages, amount.transactions, amount.values), (20, 4_000, 2));
        assert!((4_000 * 150..4_000 * 250).contains(&amount.payload_bytes));
    }
}
