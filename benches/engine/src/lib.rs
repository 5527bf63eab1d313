//! What the engine benchmarks share: deterministic traces in the shape of Jazz's content messages ([`trace`]), the two
//! stores that take them ([`native`], [`sqlite`]), and the check that both give back what a trace holds ([`verify`]).
//! `benches/compare` adds more stores, and a runner that measures what Criterion cannot; [`data`] makes what is too much
//! to be kept, [`histogram`] and [`probe`] are what long runs measure with.
//!
//! Both sides begin and end at the same point: a message arrives in the form in which the store takes it (the binding's
//! bytes, the text of SQLite's rows), and a loaded CoValue is complete in memory, undecoded. So the cost of JavaScript's
//! conversions is on neither side; `benches/js` measures with it.
//!
//! [`soak`] is another thing: long runs that measure space, memory and stalls, and check what they stored.

pub mod data;
pub mod histogram;
pub mod native;
pub mod probe;
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

/// What a store that has finished survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing: it is in the memory of this process until something else writes it out.
    None,
    /// A crash or kill of the process: the operating system has it.
    Process,
    /// A power cut: it is synced to the device.
    Power,
}

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

    /// The levels at which it can be opened, the weakest first.
    const LEVELS: &'static [Level];

    /// A message in the form in which the store takes it.
    type Prepared;

    /// What a load gives, complete but undecoded.
    type Raw;

    /// What a scan gives, complete but undecoded.
    type Piece;

    /// A transaction as the store keeps it, by itself.
    fn form(transaction: &Transaction) -> Result<Vec<u8>>;

    /// Brings a message into the form in which the store takes it.
    fn prepare(message: &Message) -> Result<Self::Prepared>;

    /// Opens the store in a directory at one of its levels, creating it if there is none.
    fn open(directory: &Path, level: Level) -> Result<Self>;

    /// Closes the store; everything is in its files afterwards.
    fn close(self) -> Result<()>;

    /// Stores a message, all of it or nothing. What the session has of it already is left out (rule W-4).
    ///
    /// # Errors
    /// Those of the store; the CoValue is unknown and the message has no header; the message begins past the session's
    /// counter. Nothing is stored then.
    fn store(&mut self, message: &Self::Prepared) -> Result<()>;

    /// Loads a CoValue with all its content.
    fn load(&self, id: &str) -> Result<Self::Raw>;

    /// The sum of a CoValue's counters.
    fn known_state(&self, id: &str) -> Result<u64>;

    /// Loads the transactions of a session from the one at this index on, up to the next signature that is kept: the rest
    /// of a chunk, or of the session.
    fn scan(&self, id: &str, session: &str, after: u32) -> Result<Self::Piece>;

    /// Has the store put its files in order, as far as it offers that. False if it does not.
    fn compact(&mut self) -> Result<bool>;

    /// What a load gave, decoded.
    fn decode(raw: &Self::Raw) -> Result<Loaded>;

    /// What a scan gave, decoded: each transaction as [`Store::form`] gives it.
    fn decode_piece(piece: &Self::Piece) -> Result<Vec<Vec<u8>>>;
}
