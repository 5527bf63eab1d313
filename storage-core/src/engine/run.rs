//! Runs on disk: immutable sorted layers of the index. Filter and block index are resident, blocks are read on demand
//! into a bounded cache. Every byte is checked before it is used.

use super::buffer::{Buffer, Spare};
use super::cache::{CacheKey, ReadCache, Shared};
use super::delta::{Row, Rows};
use super::read_ahead::ReadAhead;
use crate::error::{Error, Result};
use crate::file::{FileHandle, FileIO, OpenMode};
use crate::format::row::{Group, Key, Value};
use crate::format::run::{
    self, Block, BlockBuilder, BlockEntry, FOOTER_LEN, Filter, Footer, ORDER_PER_PAGE, order_page_span,
};
use crate::format::{FORMAT_VERSION, Lsn, Ordinal, RunId, StoreId};
use std::path::PathBuf;
use std::sync::Arc;

/// Blocks are closed at this size, in bytes.
pub(super) const BLOCK_BYTES: usize = 2 * 1024;
/// Written in pieces of this size, in bytes.
const WRITE_BYTES: usize = 256 * 1024;

/// An open run.
pub struct RunFile<F: FileIO> {
    handle: F::Handle,
    ahead: ReadAhead,
    path: PathBuf,
    footer: Footer,
    file_len: u64,
    blocks: Vec<BlockEntry>,
    filter: Filter,
}

impl<F: FileIO> RunFile<F> {
    /// Opens a run and checks footer, filter and block index.
    pub fn open(io: &F, id: RunId, file_len: u64, store: StoreId) -> Result<Self> {
        let name = id.file_name();
        let path = io.path().join(&name);
        let corrupt = |offset: u64, detail: &str| Error::corrupt(path.clone(), offset, detail);
        if !io.exists(&name)? {
            return Err(corrupt(0, "the file is missing"));
        }
        let handle = io.open(&name, OpenMode::Read)?;
        let actual = handle.len()?;
        let footer_at =
            file_len.checked_sub(FOOTER_LEN as u64).filter(|_| actual == file_len).ok_or_else(|| {
                corrupt(0, &format!("the file has {actual} bytes, the manifest says {file_len}"))
            })?;
        let read = |offset: u64, len: u64| -> Result<Vec<u8>> {
            let mut buffer = vec![0; len as usize];
            let got = handle.read_at(&mut buffer, offset)?;
            buffer.truncate(got);
            Ok(buffer)
        };
        let bytes = read(footer_at, FOOTER_LEN as u64)?;
        if let Some(found) = Footer::newer_version(&bytes) {
            return Err(Error::NewerFormat { path, found, supported: FORMAT_VERSION });
        }
        let footer = Footer::decode(&bytes)
            .filter(|f| f.id == id && f.store == store && f.footer_offset == footer_at)
            .ok_or_else(|| corrupt(footer_at, "the footer is invalid"))?;
        let blocks =
            run::decode_block_index(&read(footer.index_offset, footer.filter_offset - footer.index_offset)?)
                .ok_or_else(|| corrupt(footer.index_offset, "the block index does not have its checksum"))?;
        if !run::blocks_follow(&blocks, footer.order_offset) {
            return Err(corrupt(footer.index_offset, "the block index does not fit the blocks"));
        }
        let filter =
            Filter::decode(&read(footer.filter_offset, footer.footer_offset - footer.filter_offset)?)
                .ok_or_else(|| corrupt(footer.filter_offset, "the filter does not have its checksum"))?;
        Ok(Self { ahead: ReadAhead::new(file_len), handle, path, footer, file_len, blocks, filter })
    }

    /// The run's number.
    pub fn id(&self) -> RunId {
        self.footer.id
    }
    /// The number of rows.
    pub fn rows(&self) -> u64 {
        self.footer.rows
    }
    /// Of the log its rows have what comes before this record; 0 if that is not known.
    pub fn as_of(&self) -> Lsn {
        self.footer.as_of
    }
    /// The length of the file, in bytes.
    pub fn file_len(&self) -> u64 {
        self.file_len
    }
    /// Ordinals of the CoValues created in this run: the first, and how many.
    pub fn order(&self) -> (Ordinal, u64) {
        (self.footer.order_first, self.footer.order_count)
    }
    /// Bytes held in memory by filter and block index.
    pub fn resident_bytes(&self) -> u64 {
        (self.footer.footer_offset - self.footer.index_offset).saturating_add(128)
    }

    /// The error for damage at an offset.
    pub(super) fn corrupt(&self, offset: u64, detail: &str) -> Error {
        Error::corrupt(self.path.clone(), offset, detail)
    }

    fn read(&self, offset: u64, len: u64, spare: Option<&Arc<Spare>>) -> Result<Buffer> {
        let buffer = Buffer::fill(len as usize, spare, |room| self.handle.read_at(room, offset))?;
        if (buffer.len() as u64) < len {
            return Err(self.corrupt(offset, "the file is cut off"));
        }
        Ok(buffer)
    }

    fn block(&self, n: usize, entry: &BlockEntry, cache: Option<&ReadCache>) -> Result<Shared> {
        let key = CacheKey::Block(self.footer.id, n as u32);
        if let Some(block) = cache.and_then(|c| c.get(&key)) {
            return Ok(block);
        }
        if cache.is_some() {
            self.ahead.will_read(&self.handle, entry.offset, u64::from(entry.len));
        }
        let spare = cache.map(|cache| &cache.spare_block);
        let bytes = Arc::new(self.read(entry.offset, u64::from(entry.len), spare)?);
        Block::verify(&bytes)
            .ok_or_else(|| self.corrupt(entry.offset, "an index block does not have its checksum"))?;
        if let Some(cache) = cache {
            cache.insert_block(self.footer.id, n as u32, &bytes);
        }
        Ok(bytes)
    }

    /// The key before which the rows of a block lie, if there is another.
    fn end(&self, n: usize) -> Option<&Key> {
        self.blocks.get(n + 1).map(|next| &next.first)
    }

    /// The block in which a key would be.
    fn find(&self, key: &Key) -> usize {
        // Near where a key is to be expected it is found in few steps, and in few lines of memory, however many blocks there
        // are.
        let (Some(first), Some(last)) = (self.blocks.first(), self.blocks.last()) else { return 0 };
        let guess = key.expected_place(&first.first, &last.first, self.blocks.len());
        let before = |n: usize| self.blocks.get(n).is_some_and(|block| block.first <= *key);
        let (mut from, mut to, mut step) = (guess, guess, 1);
        while from > 0 && !before(from) {
            from = from.saturating_sub(step);
            step *= 2;
        }
        step = 1;
        while before(to) {
            to += step;
            step *= 2;
        }
        let range = self.blocks.get(from..to.min(self.blocks.len())).unwrap_or_default();
        (from + range.partition_point(|block| block.first <= *key)).saturating_sub(1)
    }

    /// Tells of groups whether it may have rows of them.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The row of a key. Asks no filter.
    pub fn get(&self, key: &Key, cache: &ReadCache) -> Result<Option<Value>> {
        let n = self.find(key);
        let Some(entry) = self.blocks.get(n) else { return Ok(None) };
        let bytes = self.block(n, entry, Some(cache))?;
        let row = Block::trusted(&bytes).and_then(|block| block.rows_from(key, self.end(n)).next());
        Ok(row.filter(|(k, _)| k == key).map(|(_, value)| value))
    }

    /// The rows of a group in order, appended to `out`. Asks no filter.
    pub fn group(&self, group: Group, wanted: Rows, cache: &ReadCache, out: &mut Vec<Row>) -> Result<()> {
        Rows::of(group, |first| self.rows_from(first, wanted, cache, out))
    }

    /// Appends the rows of a key's group from that key on, up to the last one, or up to one that `wanted` ends at, whose key
    /// it gives.
    fn rows_from(
        &self,
        first: &Key,
        wanted: Rows,
        cache: &ReadCache,
        out: &mut Vec<Row>,
    ) -> Result<Option<Key>> {
        let group = first.group();
        let start = self.find(first);
        for (n, entry) in self.blocks.iter().enumerate().skip(start) {
            if n > start && entry.first.group() > group {
                break;
            }
            let bytes = self.block(n, entry, Some(cache))?;
            let Some(block) = Block::trusted(&bytes) else { continue };
            for (key, value) in block.rows_from(first, self.end(n)) {
                if key.group() != group {
                    return Ok(None);
                }
                out.push((key, value));
                if wanted.end_at(&key) {
                    return Ok(Some(key));
                }
            }
        }
        Ok(None)
    }

    /// All rows from a group on in order, block by block, past the cache.
    pub fn scan(self: &Arc<Self>, from: Group) -> RunScan<F> {
        let next = self.find(&Key::first(from));
        RunScan { run: Arc::clone(self), from: Key::first(from), next, rows: Vec::new().into_iter() }
    }

    /// The parts of the file that each end in a checksum of their own: offset and length, in the order of the file. They
    /// leave nothing out.
    pub fn sealed_parts(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let Footer { order_offset, order_count, index_offset, filter_offset, footer_offset, .. } =
            self.footer;
        let blocks = self.blocks.iter().map(|block| (block.offset, u64::from(block.len)));
        let pages = (0..order_count.div_ceil(ORDER_PER_PAGE as u64)).map(move |page| {
            let (offset, len) = order_page_span(page, order_count);
            (order_offset + offset, len)
        });
        let rest = [
            (index_offset, filter_offset - index_offset),
            (filter_offset, footer_offset - filter_offset),
            (footer_offset, FOOTER_LEN as u64),
        ];
        blocks.chain(pages).chain(rest)
    }

    /// Up to `limit` groups created in this run, in that order, from `skip` on.
    pub fn created(&self, skip: u64, limit: u64, out: &mut Vec<Group>) -> Result<()> {
        let count = self.footer.order_count;
        let end = count.min(skip.saturating_add(limit));
        let mut at = skip;
        while at < end {
            let page = at / ORDER_PER_PAGE as u64;
            let (offset, len) = order_page_span(page, count);
            let offset = self.footer.order_offset + offset;
            let entries = run::decode_order_page(&self.read(offset, len, None)?)
                .ok_or_else(|| self.corrupt(offset, "a page of the order list does not have its checksum"))?;
            let from = (at % ORDER_PER_PAGE as u64) as usize;
            let take = (end - at) as usize;
            let before = out.len();
            out.extend(entries.iter().skip(from).take(take));
            let got = (out.len() - before) as u64;
            if got == 0 {
                return Err(self.corrupt(offset, "a page of the order list is too short"));
            }
            at += got;
        }
        Ok(())
    }
}

/// The rows of a run in order.
pub struct RunScan<F: FileIO> {
    run: Arc<RunFile<F>>,
    from: Key,
    next: usize,
    rows: std::vec::IntoIter<Row>,
}

impl<F: FileIO> RunScan<F> {
    /// The next row.
    pub fn advance(&mut self) -> Result<Option<Row>> {
        loop {
            if let Some(row) = self.rows.next() {
                return Ok(Some(row));
            }
            match self.advance_block()? {
                Some((_, rows)) => self.rows = rows.into_iter(),
                None => return Ok(None),
            }
        }
    }

    /// The rows of the next block and its offset. After an error the block is passed over.
    pub fn advance_block(&mut self) -> Result<Option<(u64, Vec<Row>)>> {
        let Some(entry) = self.run.blocks.get(self.next) else { return Ok(None) };
        self.next += 1;
        let bytes = self.run.block(self.next - 1, entry, None)?;
        let rows =
            Block::trusted(&bytes).map(|b| b.rows_from(&self.from, None).collect()).unwrap_or_default();
        Ok(Some((entry.offset, rows)))
    }
}

/// Writes a run, row by row. Nothing counts until the manifest names the finished file.
pub struct RunWriter<F: FileIO> {
    handle: F::Handle,
    id: RunId,
    store: StoreId,
    as_of: Lsn,
    buffer: Vec<u8>,
    written: u64,
    builder: BlockBuilder,
    blocks: Vec<BlockEntry>,
    groups: Vec<Group>,
    rows: u64,
}

impl<F: FileIO> RunWriter<F> {
    /// Creates the file, for rows that have what comes before a record of the log. One left over by an earlier attempt is
    /// replaced.
    pub fn create(io: &F, id: RunId, store: StoreId, as_of: Lsn) -> Result<Self> {
        let name = id.file_name();
        if io.exists(&name)? {
            io.remove(&name)?;
        }
        Ok(Self {
            handle: io.open(&name, OpenMode::CreateNew)?,
            id,
            store,
            as_of,
            buffer: Vec::with_capacity(WRITE_BYTES + BLOCK_BYTES),
            written: 0,
            builder: BlockBuilder::default(),
            blocks: Vec::new(),
            groups: Vec::new(),
            rows: 0,
        })
    }

    fn emit(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= WRITE_BYTES {
            self.drain()?;
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<()> {
        self.handle.write_at(&self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn close_block(&mut self) -> Result<()> {
        let offset = self.position();
        if let Some((first, bytes)) = self.builder.finish() {
            self.blocks.push(BlockEntry { first, offset, len: bytes.len() as u32 });
            self.emit(&bytes)?;
        }
        Ok(())
    }

    /// Adds the next row; keys ascend.
    pub fn push(&mut self, key: &Key, value: &Value) -> Result<()> {
        if self.groups.last() != Some(&key.group()) {
            self.groups.push(key.group());
        }
        self.builder.push(key, value);
        self.rows += 1;
        if self.builder.len() >= BLOCK_BYTES { self.close_block() } else { Ok(()) }
    }

    /// Adds rows in ascending order.
    pub fn push_all(&mut self, rows: &[Row]) -> Result<()> {
        rows.iter().try_for_each(|(key, value)| self.push(key, value))
    }

    /// Completes the file with the list of the CoValues created in it, which `list` gives from some place on, and makes it
    /// durable; its name is with the next sync of the directory. Gives its length.
    pub fn finish(
        mut self,
        (order_first, order_count): (Ordinal, u64),
        list: &mut dyn FnMut(u64, u64) -> Result<Vec<Group>>,
    ) -> Result<u64> {
        self.close_block()?;
        let order_offset = self.position();
        let mut listed = 0;
        while listed < order_count {
            let page = list(listed, (ORDER_PER_PAGE as u64).min(order_count - listed))?;
            // A page that is not full must be the last one.
            if page.len() < ORDER_PER_PAGE && listed + (page.len() as u64) < order_count {
                return Err(Error::Internal("the list of CoValues is shorter than their number".to_owned()));
            }
            listed += page.len() as u64;
            self.emit(&run::encode_order_page(&page))?;
        }
        let index_offset = self.position();
        let index = run::encode_block_index(&self.blocks);
        self.emit(&index)?;
        let filter_offset = self.position();
        let mut filter = Filter::new(self.groups.len());
        self.groups.iter().for_each(|g| filter.insert(*g));
        self.emit(&filter.encode())?;
        let footer = Footer {
            id: self.id,
            store: self.store,
            rows: self.rows,
            groups: self.groups.len() as u64,
            order_offset,
            order_count,
            order_first,
            index_offset,
            filter_offset,
            footer_offset: self.position(),
            as_of: self.as_of,
        };
        self.emit(&footer.encode())?;
        self.drain()?;
        self.handle.sync()?;
        Ok(self.written)
    }
}
