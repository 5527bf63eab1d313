//! What the engine benchmarks share: deterministic traces in the shape of Jazz's content messages ([`trace`]), the two
//! stores that take them ([`native`], [`sqlite`]), and the check that both give back what a trace holds ([`verify`]).
//!
//! Both sides begin and end at the same point: a message arrives in the form in which the store takes it (the binding's
//! bytes, the text of SQLite's rows), and a loaded CoValue is complete in memory, undecoded. So the cost of JavaScript's
//! conversions is on neither side; `benches/js` measures with it.
//!
//! [`soak`] is another thing: long runs that measure space, memory and stalls, and check what they stored.

pub mod native;
pub mod soak;
pub mod sqlite;
pub mod trace;
pub mod verify;

use std::path::Path;

use trace::{Message, Transaction};

/// Anything that fails ends the benchmark.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// `MAX_RECOMMENDED_TX_SIZE` of cojson: units of changes after which a session gets a chunk signature (rule W-6).
pub const CHUNK_THRESHOLD: u32 = 100 * 1024;

/// A CoValue as it was given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// JSON text.
    pub header: String,
    /// In the order in which they were first stored.
    pub sessions: Vec<LoadedSession>,
}

/// A session of a [`Loaded`] CoValue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedSession {
    /// The session's id.
    pub id: String,
    /// The signature after each piece of the session, with the number of transactions up to there.
    pub signatures: Vec<(u32, String)>,
    /// Each transaction, as [`Store::form`] gives it.
    pub transactions: Vec<Vec<u8>>,
}

/// A store under measurement.
pub trait Store: Sized {
    /// What the results call it.
    const NAME: &'static str;

    /// A message in the form in which the store takes it.
    type Prepared;

    /// What a load gives, complete but undecoded.
    type Raw;

    /// A transaction as the store keeps it, by itself.
    fn form(transaction: &Transaction) -> Result<Vec<u8>>;

    /// Brings a message into the form in which the store takes it.
    fn prepare(message: &Message) -> Result<Self::Prepared>;

    /// Opens the store in a directory, creating it if there is none.
    fn open(directory: &Path) -> Result<Self>;

    /// Closes the store; everything is in its files afterwards.
    fn close(self) -> Result<()>;

    /// Stores a message.
    fn store(&mut self, message: &Self::Prepared) -> Result<()>;

    /// Loads a CoValue with all its content.
    fn load(&self, id: &str) -> Result<Self::Raw>;

    /// The sum of a CoValue's counters.
    fn known_state(&self, id: &str) -> Result<u64>;

    /// What a load gave, decoded.
    fn decode(raw: &Self::Raw) -> Result<Loaded>;
}
