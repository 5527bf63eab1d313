//! Loaded CoValues and single pieces (design.md, section 3.4).

use super::{Count, patch, put_sized, version};
use crate::error::{Error, Result};
use crate::format::numbers::{FORM_VERSION, PIECE_HAS_CONTENT, PIECE_LEFT_OUT, SESSION_HAS_CHUNK_SIGNATURE};
use crate::format::text::{Reader, put_str16, put_str32, to_usize};
use crate::format::tx;

/// Writes a loaded CoValue (section 3.4) from front to back: a session, its pieces, the next session.
///
/// ```
/// use jazz_storage_core::format::wire::{LoadedWriter, decode_loaded};
/// let mut writer = LoadedWriter::new(b"{}")?;
/// writer.session(b"co_zA_session_z1", 0, false)?;
/// writer.piece(0, 0, b"signature_z1", |_txs| Ok(()))?;
/// let loaded = decode_loaded(&writer.finish()?)?;
/// assert_eq!(loaded.sessions[0].session, b"co_zA_session_z1");
/// # Ok::<(), jazz_storage_core::Error>(())
/// ```
#[derive(Debug)]
pub struct LoadedWriter {
    out: Vec<u8>,
    sessions: Count,
    pieces: Option<Count>,
}

impl LoadedWriter {
    /// Starts with the header, JSON text.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the header is too long for a `str32`.
    pub fn new(header: &[u8]) -> Result<Self> {
        Self::with_capacity(header, 0)
    }

    /// Starts with the header, JSON text, and with room for pieces of about so many bytes.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the header is too long for a `str32`.
    pub fn with_capacity(header: &[u8], pieces: usize) -> Result<Self> {
        let mut out = Vec::with_capacity(header.len() + pieces + 256);
        out.push(FORM_VERSION);
        put_str32(&mut out, header)?;
        let sessions = Count::leave_free(&mut out);
        Ok(Self { out, sessions, pieces: None })
    }

    /// Begins the next session, with its counter and whether it has a chunk signature.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the id is too long for a `str16`.
    pub fn session(&mut self, session: &[u8], counter: u32, has_chunk_signature: bool) -> Result<()> {
        self.end_session()?;
        put_str16(&mut self.out, session)?;
        self.out.extend_from_slice(&counter.to_le_bytes());
        self.out.push(if has_chunk_signature { SESSION_HAS_CHUNK_SIGNATURE } else { 0 });
        self.sessions.value += 1;
        self.pieces = Some(Count::leave_free(&mut self.out));
        Ok(())
    }

    fn begin_piece(&mut self, after: u32, count: u32, state: u8) -> Result<()> {
        match &mut self.pieces {
            Some(pieces) => pieces.value += 1,
            None => return Err(Error::Internal("a piece outside of any session".into())),
        }
        self.out.extend_from_slice(&after.to_le_bytes());
        self.out.extend_from_slice(&count.to_le_bytes());
        self.out.push(state);
        Ok(())
    }

    /// Adds a piece of the session begun last; `write` appends its transactions, which must be a piece of `count`.
    ///
    /// # Errors
    /// Those of `write`; [`Error::Malformed`] if the signature is too long; [`Error::Internal`] before any session.
    pub fn piece(
        &mut self,
        after: u32,
        count: u32,
        signature: &[u8],
        write: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        self.begin_piece(after, count, PIECE_HAS_CONTENT)?;
        put_str16(&mut self.out, signature)?;
        put_sized(&mut self.out, write)
    }

    /// Adds a piece of the session begun last without its content.
    ///
    /// # Errors
    /// [`Error::Internal`] before any session.
    pub fn piece_left_out(&mut self, after: u32, count: u32) -> Result<()> {
        self.begin_piece(after, count, PIECE_LEFT_OUT)
    }

    /// The number of bytes written so far.
    pub fn size(&self) -> usize {
        self.out.len()
    }

    fn end_session(&mut self) -> Result<()> {
        match self.pieces.take() {
            Some(pieces) => patch(&mut self.out, pieces.at, pieces.value),
            None => Ok(()),
        }
    }

    /// The finished bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.end_session()?;
        patch(&mut self.out, self.sessions.at, self.sessions.value)?;
        Ok(self.out)
    }
}

/// A loaded CoValue as a receiver of its bytes sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedLoaded {
    /// The header, JSON text.
    pub header: Vec<u8>,
    /// The sessions in the order in which they were first stored.
    pub sessions: Vec<OwnedLoadedSession>,
}

/// A session of an [`OwnedLoaded`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedLoadedSession {
    /// The session's id.
    pub session: Vec<u8>,
    /// The number of transactions stored.
    pub counter: u32,
    /// Whether it has at least one chunk signature.
    pub has_chunk_signature: bool,
    /// Its pieces, contiguous.
    pub pieces: Vec<OwnedPiece>,
}

/// A piece of an [`OwnedLoadedSession`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedPiece {
    /// The index of its first transaction.
    pub after: u32,
    /// The number of its transactions.
    pub count: u32,
    /// Signature and transactions, unless left out.
    pub content: Option<(Vec<u8>, Vec<u8>)>,
}

/// Reads and checks a loaded CoValue.
///
/// # Errors
/// [`Error::Malformed`] with the place.
pub fn decode_loaded(bytes: &[u8]) -> Result<OwnedLoaded> {
    let mut reader = Reader::new(bytes);
    version(&mut reader)?;
    let header = reader.str32()?.checked()?.to_vec();
    let mut sessions = Vec::new();
    for _ in 0..reader.u32()? {
        let session = reader.str16()?.checked()?.to_vec();
        let counter = reader.u32()?;
        let flags = reader.u8()?;
        if flags & !SESSION_HAS_CHUNK_SIGNATURE != 0 {
            reader.fail("a session has an unknown flag")?;
        }
        let mut pieces = Vec::new();
        for _ in 0..reader.u32()? {
            let (after, count) = (reader.u32()?, reader.u32()?);
            let content = match reader.u8()? {
                PIECE_LEFT_OUT => None,
                PIECE_HAS_CONTENT => Some(piece_content(&mut reader, count)?),
                _ => return Ok(reader.fail("a piece has an unknown state")?),
            };
            pieces.push(OwnedPiece { after, count, content });
        }
        let has_chunk_signature = flags & SESSION_HAS_CHUNK_SIGNATURE != 0;
        sessions.push(OwnedLoadedSession { session, counter, has_chunk_signature, pieces });
    }
    reader.finish()?;
    Ok(OwnedLoaded { header, sessions })
}

fn piece_content(reader: &mut Reader<'_>, count: u32) -> Result<(Vec<u8>, Vec<u8>)> {
    let signature = reader.str16()?.checked()?.to_vec();
    let len = reader.u32()?;
    let start = reader.at();
    let txs = reader.take(to_usize(len))?;
    tx::walk(txs, count).map_err(|error| tx::FormatError { at: start + error.at, ..error })?;
    Ok((signature, txs.to_vec()))
}

/// Encodes the answer of `loadPiece` (section 3.4): the count, the signature, and the transactions that `write` appends, of
/// about `size` bytes.
///
/// # Errors
/// Those of `write`; [`Error::Malformed`] if the signature is too long, [`Error::TooLarge`].
pub fn encode_piece(
    count: u32,
    signature: &[u8],
    size: usize,
    write: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(signature.len() + size + 16);
    out.extend_from_slice(&count.to_le_bytes());
    put_str16(&mut out, signature)?;
    put_sized(&mut out, write)?;
    Ok(out)
}

/// Reads and checks the answer of `loadPiece`: count, signature and transactions.
///
/// # Errors
/// [`Error::Malformed`].
pub fn decode_piece(bytes: &[u8]) -> Result<(u32, Vec<u8>, Vec<u8>)> {
    let mut reader = Reader::new(bytes);
    let count = reader.u32()?;
    let (signature, txs) = piece_content(&mut reader, count)?;
    reader.finish()?;
    Ok((count, signature, txs))
}
