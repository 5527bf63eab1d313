//! SQLite as cojson's storage for Node uses it: its tables, and its statements in its order for storing and loading, with
//! a write-ahead log and, unless asked for FULL, synchronous NORMAL. Statements are prepared once and kept.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::trace::{Message, Transaction};
use crate::{CHUNK_THRESHOLD, Level, Loaded, LoadedSession, Result, Store};

/// More than there are statements here.
const STATEMENTS: usize = 32;

/// cojson's tables for CoValues; it has others, which storing and loading do not touch.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS coValues (
        rowID INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        header TEXT NOT NULL UNIQUE
    );
    CREATE INDEX IF NOT EXISTS coValuesByID ON coValues (id);
    CREATE TABLE IF NOT EXISTS sessions (
        rowID INTEGER PRIMARY KEY,
        coValue INTEGER NOT NULL,
        sessionID TEXT NOT NULL,
        lastIdx INTEGER,
        lastSignature TEXT,
        bytesSinceLastSignature INTEGER,
        UNIQUE (sessionID, coValue)
    );
    CREATE INDEX IF NOT EXISTS sessionsByCoValue ON sessions (coValue);
    CREATE TABLE IF NOT EXISTS transactions (
        ses INTEGER, idx INTEGER, tx TEXT NOT NULL, PRIMARY KEY (ses, idx)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS signatureAfter (
        ses INTEGER, idx INTEGER, signature TEXT NOT NULL, PRIMARY KEY (ses, idx)
    ) WITHOUT ROWID;
";

const VALUE_BY_ID: &str = "SELECT rowID FROM coValues WHERE id = ?";
const INSERT_VALUE: &str =
    "INSERT INTO coValues (id, header) VALUES (?, ?) ON CONFLICT(id) DO NOTHING RETURNING rowID";
const SESSION: &str = "SELECT * FROM sessions WHERE coValue = ? AND sessionID = ?";
const PUT_SESSION: &str = "INSERT INTO sessions
    (coValue, sessionID, lastIdx, lastSignature, bytesSinceLastSignature) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT(coValue, sessionID) DO UPDATE SET lastIdx = excluded.lastIdx,
    lastSignature = excluded.lastSignature, bytesSinceLastSignature = excluded.bytesSinceLastSignature
    RETURNING rowID";
const INSERT_SIGNATURE: &str = "INSERT INTO signatureAfter (ses, idx, signature) VALUES (?, ?, ?)";
const INSERT_TRANSACTION: &str = "INSERT INTO transactions (ses, idx, tx) VALUES (?, ?, ?)";
const WHOLE_VALUE: &str = "SELECT * FROM coValues WHERE id = ?";
const ALL_SESSIONS: &str = "SELECT * FROM sessions WHERE coValue = ?";
const SIGNATURES: &str = "SELECT * FROM signatureAfter WHERE ses = ? AND idx >= 0";
const TRANSACTIONS: &str = "SELECT * FROM transactions WHERE ses = ? AND idx >= ? AND idx <= ?";
const NEXT_SIGNATURE: &str = "SELECT * FROM signatureAfter WHERE ses = ? AND idx >= ? LIMIT 1";
const COUNTERS: &str = "SELECT sessionID, lastIdx FROM sessions WHERE coValue = ?";

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synchronous {
    /// The end of the process: the write-ahead log is synced only when it is copied into the database.
    Normal,
    /// A power cut: the write-ahead log is synced with every commit.
    Full,
}

/// An open database.
pub struct Sqlite {
    connection: Connection,
}

/// A content message with its transactions as the text of rows.
pub struct Prepared {
    id: String,
    header: Option<String>,
    session: String,
    after: u32,
    signature: String,
    /// Each with the size of its changes, by which sessions are cut into chunks.
    transactions: Vec<(String, u32)>,
}

/// A row of `sessions`.
struct SessionRow {
    row: i64,
    id: String,
    counter: u32,
    signature: String,
    units: u32,
}

/// A loaded CoValue: the texts of its rows.
pub struct Raw {
    header: String,
    sessions: Vec<RawSession>,
}

struct RawSession {
    id: String,
    pieces: Vec<RawPiece>,
}

struct RawPiece {
    end: u32,
    signature: String,
    transactions: Vec<String>,
}

impl SessionRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            row: row.get("rowID")?,
            id: row.get("sessionID")?,
            counter: row.get("lastIdx")?,
            signature: row.get("lastSignature")?,
            units: row.get("bytesSinceLastSignature")?,
        })
    }
}

/// The version of SQLite that is compiled in.
pub fn version() -> &'static str {
    rusqlite::version()
}

impl Sqlite {
    /// Opens the database in a directory, creating it if there is none.
    ///
    /// # Errors
    /// Those of SQLite, and a file system that has no write-ahead log.
    pub fn open_with(directory: &Path, synchronous: Synchronous) -> Result<Self> {
        let connection = Connection::open(directory.join("jazz.db"))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if mode != "wal" {
            return Err(format!("the journal mode is {mode}, not wal").into());
        }
        connection.execute_batch(match synchronous {
            Synchronous::Normal => "PRAGMA synchronous = NORMAL",
            Synchronous::Full => "PRAGMA synchronous = FULL",
        })?;
        connection.execute_batch(TABLES)?;
        Ok(Self { connection })
    }

    /// Stores messages in one transaction, which cojson does not do: the fewest syncs that SQLite can do with.
    ///
    /// # Errors
    /// Those of SQLite, and a message that does not begin where its session stands.
    pub fn store_together(&mut self, messages: &[Prepared]) -> Result<()> {
        self.connection.prepare_cached("BEGIN")?.execute([])?;
        for message in messages {
            let value = self.upsert_value(message)?;
            self.store_session(value, message)?;
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    fn value_row(&self, id: &str) -> Result<Option<i64>> {
        let mut statement = self.connection.prepare_cached(VALUE_BY_ID)?;
        Ok(statement.query_row([id], |row| row.get(0)).optional()?)
    }

    /// Finds the CoValue's row, or makes it, in a step of its own.
    fn upsert_value(&self, message: &Prepared) -> Result<i64> {
        if let Some(header) = &message.header {
            let mut insert = self.connection.prepare_cached(INSERT_VALUE)?;
            let inserted = insert.query_row([&message.id, header], |row| row.get::<_, i64>(0)).optional()?;
            if let Some(row) = inserted {
                return Ok(row);
            }
        }
        Ok(self.value_row(&message.id)?.ok_or("a message without a header is the first of its CoValue")?)
    }

    fn store_session(&self, value: i64, message: &Prepared) -> Result<()> {
        let known = self
            .connection
            .prepare_cached(SESSION)?
            .query_row(params![value, message.session], SessionRow::read)
            .optional()?;
        let counter = known.as_ref().map_or(0, |session| session.counter);
        // What is there already is left out (rule W-4), and no gap is left (rule W-3).
        let new = counter.checked_sub(message.after).and_then(|known| usize::try_from(known).ok());
        let new = new.ok_or_else(|| format!("the session stands at {counter}, before {}", message.after))?;
        let new = message.transactions.get(new..).filter(|new| !new.is_empty());
        let Some(new) = new else { return Ok(()) };
        let end = counter + u32::try_from(new.len())?;
        let units =
            known.map_or(0, |session| session.units) + new.iter().map(|(_, units)| units).sum::<u32>();
        let chunk_ends = units > CHUNK_THRESHOLD;
        let row: i64 = self.connection.prepare_cached(PUT_SESSION)?.query_row(
            params![value, message.session, end, message.signature, if chunk_ends { 0 } else { units }],
            |row| row.get(0),
        )?;
        if chunk_ends {
            self.connection.prepare_cached(INSERT_SIGNATURE)?.execute(params![
                row,
                end - 1,
                message.signature
            ])?;
        }
        let mut insert = self.connection.prepare_cached(INSERT_TRANSACTION)?;
        for (index, transaction) in (counter..).zip(new.iter().map(|(text, _)| text)) {
            insert.execute(params![row, index, transaction])?;
        }
        Ok(())
    }

    /// The session cut after each chunk signature, and at its end.
    fn pieces(&self, session: SessionRow) -> Result<RawSession> {
        let mut statement = self.connection.prepare_cached(SIGNATURES)?;
        let mut ends = statement
            .query_map([session.row], |row| Ok((row.get::<_, u32>("idx")?, row.get("signature")?)))?
            .collect::<rusqlite::Result<Vec<(u32, String)>>>()?;
        if ends.last().is_none_or(|(_, signature)| *signature != session.signature) {
            ends.push((session.counter - 1, session.signature));
        }
        let mut statement = self.connection.prepare_cached(TRANSACTIONS)?;
        let mut pieces = Vec::with_capacity(ends.len());
        let mut start = 0;
        for (last, signature) in ends {
            let transactions = statement
                .query_map(params![session.row, start, last], |row| row.get("tx"))?
                .collect::<rusqlite::Result<Vec<String>>>()?;
            start = last + 1;
            pieces.push(RawPiece { end: start, signature, transactions });
        }
        Ok(RawSession { id: session.id, pieces })
    }
}

impl Store for Sqlite {
    const NAME: &'static str = "SQLite";
    /// Synchronous NORMAL and FULL.
    const LEVELS: &'static [Level] = &[Level::Process, Level::Power];
    type Prepared = Prepared;
    type Raw = Raw;
    type Piece = Vec<String>;

    fn form(transaction: &Transaction) -> Result<Vec<u8>> {
        Ok(transaction.json().into_bytes())
    }

    fn prepare(message: &Message) -> Result<Prepared> {
        let row =
            |transaction: &Transaction| Ok((transaction.json(), u32::try_from(transaction.changes.len())?));
        Ok(Prepared {
            id: message.id.clone(),
            header: message.header.clone(),
            session: message.session.clone(),
            after: message.after,
            signature: message.signature.clone(),
            transactions: message.transactions.iter().map(row).collect::<Result<_>>()?,
        })
    }

    fn open(directory: &Path, level: Level) -> Result<Self> {
        match level {
            Level::None => Err("SQLite in a file survives the end of the process at every level".into()),
            Level::Process => Self::open_with(directory, Synchronous::Normal),
            Level::Power => Self::open_with(directory, Synchronous::Full),
        }
    }

    fn close(self) -> Result<()> {
        self.connection.close().map_err(|(_, error)| error.into())
    }

    fn store(&mut self, message: &Prepared) -> Result<()> {
        let value = self.upsert_value(message)?;
        self.connection.prepare_cached("BEGIN")?.execute([])?;
        if let Err(error) = self.store_session(value, message) {
            self.connection.prepare_cached("ROLLBACK")?.execute([])?;
            return Err(error);
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    fn load(&self, id: &str) -> Result<Raw> {
        let (value, header): (i64, String) = self
            .connection
            .prepare_cached(WHOLE_VALUE)?
            .query_row([id], |row| Ok((row.get("rowID")?, row.get("header")?)))?;
        let mut statement = self.connection.prepare_cached(ALL_SESSIONS)?;
        let sessions =
            statement.query_map([value], SessionRow::read)?.collect::<rusqlite::Result<Vec<_>>>()?;
        let sessions = sessions.into_iter().map(|session| self.pieces(session)).collect::<Result<_>>()?;
        Ok(Raw { header, sessions })
    }

    fn known_state(&self, id: &str) -> Result<u64> {
        let value = self.value_row(id)?.ok_or_else(|| format!("{id} is not stored"))?;
        let mut statement = self.connection.prepare_cached(COUNTERS)?;
        let counters = statement
            .query_map([value], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<Vec<(String, u32)>>>()?;
        Ok(counters.iter().map(|&(_, counter)| u64::from(counter)).sum())
    }

    fn scan(&self, id: &str, session: &str, after: u32) -> Result<Vec<String>> {
        let value = self.value_row(id)?.ok_or_else(|| format!("{id} is not stored"))?;
        let row =
            self.connection.prepare_cached(SESSION)?.query_row(params![value, session], SessionRow::read)?;
        let mut statement = self.connection.prepare_cached(NEXT_SIGNATURE)?;
        let chunk: Option<u32> =
            statement.query_row(params![row.row, after], |row| row.get("idx")).optional()?;
        let last = chunk.unwrap_or(row.counter - 1);
        let mut statement = self.connection.prepare_cached(TRANSACTIONS)?;
        let transactions = statement.query_map(params![row.row, after, last], |row| row.get("tx"))?;
        Ok(transactions.collect::<rusqlite::Result<_>>()?)
    }

    fn compact(&mut self) -> Result<bool> {
        self.connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(true)
    }

    fn decode_piece(piece: &Vec<String>) -> Result<Vec<Vec<u8>>> {
        Ok(piece.iter().map(|text| text.clone().into_bytes()).collect())
    }

    fn decode(raw: &Raw) -> Result<Loaded> {
        let sessions = raw.sessions.iter().map(|session| LoadedSession {
            id: session.id.clone(),
            signatures: session.pieces.iter().map(|piece| (piece.end, piece.signature.clone())).collect(),
            transactions: session
                .pieces
                .iter()
                .flat_map(|piece| &piece.transactions)
                .map(|text| text.clone().into_bytes())
                .collect(),
        });
        Ok(Loaded { header: raw.header.clone(), sessions: sessions.collect() })
    }
}
