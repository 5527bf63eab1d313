//! What a [`super::FaultFileIO`] holds: the directory as the process sees it, and apart from it what is durable.
//!
//! Invariants:
//! - contents are shared until they change, so a copy of a disk costs a pointer per file;
//! - `durable` with `pending` applied in order gives `current`, for each file and for the names;
//! - `used` is the sum of the lengths of all files that have a name.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;

/// A change of a file's bytes that was not synced.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { offset: u64, bytes: Arc<[u8]> },
    Truncate(u64),
}

/// A change of the names that was not synced.
#[derive(Debug, Clone)]
pub(super) enum NameChange {
    Link(String, usize),
    Unlink(String),
    /// From, to, and the file.
    Rename(String, String, usize),
}

#[derive(Debug, Clone, Default)]
pub(super) struct File {
    pub(super) current: Arc<Vec<u8>>,
    pub(super) durable: Arc<Vec<u8>>,
    /// Each with its place in the order of all changes of the disk.
    pub(super) pending: Vec<(u64, Change)>,
    /// Whether it has a name, and how many have it open.
    pub(super) named: bool,
    pub(super) handles: usize,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    /// A file's number is its place here, which is never given to another.
    pub(super) files: Vec<File>,
    pub(super) names: BTreeMap<String, usize>,
    pub(super) durable_names: BTreeMap<String, usize>,
    pub(super) pending_names: Vec<(u64, NameChange)>,
    changes: u64,
    used: u64,
    peak: u64,
    pub(super) capacity: Option<u64>,
}

/// Puts bytes into a file, which grows if it ends before.
pub(super) fn put(file: &mut Arc<Vec<u8>>, offset: u64, bytes: &[u8]) {
    let (at, end) = (offset as usize, offset as usize + bytes.len());
    let file = Arc::make_mut(file);
    if file.len() < end {
        file.resize(end, 0);
    }
    if let Some(place) = file.get_mut(at..end) {
        place.copy_from_slice(bytes);
    }
}

pub(super) fn resize(file: &mut Arc<Vec<u8>>, len: u64) {
    Arc::make_mut(file).resize(len as usize, 0);
}

pub(super) fn apply(file: &mut Arc<Vec<u8>>, change: &Change) {
    match change {
        Change::Write { offset, bytes } => put(file, *offset, bytes),
        Change::Truncate(len) => resize(file, *len),
    }
}

impl Disk {
    /// A disk on which all of this is durable.
    pub(super) fn durable(files: impl IntoIterator<Item = (String, Arc<Vec<u8>>)>) -> Self {
        let mut disk = Self::default();
        for (name, bytes) in files {
            let number = disk.files.len();
            disk.used += bytes.len() as u64;
            let (current, durable) = (Arc::clone(&bytes), bytes);
            disk.files.push(File { current, durable, named: true, ..File::default() });
            disk.names.insert(name, number);
        }
        disk.durable_names = disk.names.clone();
        disk.peak = disk.used;
        disk
    }

    /// The bytes of all files that have a name, and the most there were at any time.
    pub(super) fn used(&self) -> (u64, u64) {
        (self.used, self.peak)
    }

    fn count(&mut self) -> u64 {
        self.changes += 1;
        self.changes
    }

    fn set_used(&mut self, used: u64) {
        self.used = used;
        self.peak = self.peak.max(used);
    }

    fn len(&self, number: usize) -> u64 {
        self.files.get(number).map_or(0, |file| file.current.len() as u64)
    }

    /// How far a file may grow. One without a name takes no room.
    fn limit(&self, number: usize) -> u64 {
        let named = self.files.get(number).is_some_and(|file| file.named);
        let capacity = self.capacity.filter(|_| named);
        let room = capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(self.used));
        self.len(number).saturating_add(room)
    }

    /// Makes a change of a file that fits.
    fn change(&mut self, number: usize, change: Change) {
        let (order, before) = (self.count(), self.len(number));
        let Some(file) = self.files.get_mut(number) else { return };
        apply(&mut file.current, &change);
        file.pending.push((order, change));
        if file.named {
            let after = file.current.len() as u64;
            self.set_used(self.used - before + after);
        }
    }

    /// Writes, or as much of it as there is room for.
    pub(super) fn write(&mut self, number: usize, bytes: &[u8], offset: u64) -> Result<(), ErrorKind> {
        if bytes.is_empty() {
            return Ok(());
        }
        let limit = self.limit(number);
        let fits = limit.saturating_sub(offset).min(bytes.len() as u64) as usize;
        let (part, rest) = bytes.split_at(fits);
        if !part.is_empty() {
            self.change(number, Change::Write { offset, bytes: part.into() });
        }
        if rest.is_empty() { Ok(()) } else { Err(ErrorKind::StorageFull) }
    }

    /// Cuts or extends a file. An extension takes room, even though nothing was written there.
    pub(super) fn truncate(&mut self, number: usize, len: u64) -> Result<(), ErrorKind> {
        if len > self.len(number) && len > self.limit(number) {
            return Err(ErrorKind::StorageFull);
        }
        self.change(number, Change::Truncate(len));
        Ok(())
    }

    pub(super) fn sync(&mut self, number: usize) {
        let Some(file) = self.files.get_mut(number) else { return };
        for (_, change) in file.pending.drain(..) {
            apply(&mut file.durable, &change);
        }
    }

    /// Creates a file. A full disk has no room for a name either.
    pub(super) fn create(&mut self, name: &str) -> Result<usize, ErrorKind> {
        if self.names.contains_key(name) {
            return Err(ErrorKind::AlreadyExists);
        }
        if self.capacity.is_some_and(|capacity| self.used >= capacity) {
            return Err(ErrorKind::StorageFull);
        }
        let (order, number) = (self.count(), self.files.len());
        self.files.push(File { named: true, ..File::default() });
        self.names.insert(name.to_owned(), number);
        self.pending_names.push((order, NameChange::Link(name.to_owned(), number)));
        Ok(number)
    }

    /// The file lost its name.
    fn unnamed(&mut self, number: usize) {
        self.set_used(self.used - self.len(number));
        if let Some(file) = self.files.get_mut(number) {
            file.named = false;
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> Result<(), ErrorKind> {
        let number = self.names.remove(name).ok_or(ErrorKind::NotFound)?;
        let order = self.count();
        self.pending_names.push((order, NameChange::Unlink(name.to_owned())));
        self.unnamed(number);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<(), ErrorKind> {
        let number = *self.names.get(from).ok_or(ErrorKind::NotFound)?;
        if from == to {
            return Ok(());
        }
        self.names.remove(from);
        if let Some(replaced) = self.names.insert(to.to_owned(), number) {
            self.unnamed(replaced);
        }
        let order = self.count();
        self.pending_names.push((order, NameChange::Rename(from.to_owned(), to.to_owned(), number)));
        Ok(())
    }

    pub(super) fn sync_dir(&mut self) {
        self.pending_names.clear();
        self.durable_names = self.names.clone();
        for number in 0..self.files.len() {
            self.free(number);
        }
    }

    pub(super) fn opened(&mut self, number: usize) {
        if let Some(file) = self.files.get_mut(number) {
            file.handles += 1;
        }
    }

    pub(super) fn closed(&mut self, number: usize) {
        if let Some(file) = self.files.get_mut(number) {
            file.handles = file.handles.saturating_sub(1);
        }
        // Names that may come back keep their files.
        if self.pending_names.is_empty() {
            self.free(number);
        }
    }

    /// Lets the contents of a file go that nobody can reach any more.
    fn free(&mut self, number: usize) {
        if let Some(file) = self.files.get_mut(number).filter(|file| !file.named && file.handles == 0) {
            *file = File::default();
        }
    }
}
