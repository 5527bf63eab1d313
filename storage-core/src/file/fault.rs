//! [`FileIO`] that fails and crashes on demand: keeps what was written apart from what was made durable.
//!
//! Every operation that changes something is counted. After a chosen one the process "dies": nothing more succeeds. Then
//! [`FaultFileIO::image`] gives the directory as a power cut may leave it: what was synced is there, of everything since
//! any part may be missing or torn at a sector's border, in any order, as the [`Loss`] says. Or one operation fails with
//! a chosen error and the process lives on.
//!
//! The medium is as weak as docs/design.md, section 8, allows: a file's bytes need a sync of the file, names need one of
//! the directory.

use super::memory::InMemoryFileIO;
use super::{FileHandle, FileIO, OpenMode};
use crate::error::{Error, LockHolder, Result};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Writes are torn at multiples of this, in bytes.
const SECTOR: usize = 512;

/// What becomes of everything that was not synced when the power was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It is all there, as after the death of a process.
    Nothing,
    /// It is all gone.
    Everything,
    /// The oldest changes are there, up to some point in the middle of one.
    Tail(u64),
    /// Some sectors of some changes are there, others not, as if written in any order. Names come and go likewise.
    Some(u64),
}

/// How one operation fails while the process lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// An error of the device; nothing was done.
    Device,
    /// An error of the device after half of the bytes were written.
    HalfWritten,
    /// No space is left; half of the bytes were written.
    DiskFull,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Truncate(u64),
}

#[derive(Debug, Default)]
struct File {
    current: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Link(String, usize),
    Unlink(String),
}

#[derive(Debug, Default)]
struct State {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<NameChange>,
    operations: u64,
    crash_after: Option<u64>,
    fail: Option<(u64, Failure)>,
    locked: bool,
    reads_fail: bool,
}

/// See the module's documentation. Clones are the same directory.
#[derive(Debug, Clone)]
pub struct FaultFileIO {
    state: Arc<Mutex<State>>,
    path: PathBuf,
}

impl Default for FaultFileIO {
    fn default() -> Self {
        Self { state: Arc::default(), path: PathBuf::from("(faulty)") }
    }
}

/// A small generator with replayable seeds (Steele, Lea, Flood: SplitMix64).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, bytes: new } => {
            let at = *offset as usize;
            let end = at + new.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            if let Some(place) = bytes.get_mut(at..end) {
                place.copy_from_slice(new);
            }
        }
        Change::Truncate(len) => bytes.resize(*len as usize, 0),
    }
}

/// The parts of a change that can reach the medium independently.
fn sectors(change: &Change) -> Vec<Change> {
    let Change::Write { offset, bytes } = change else { return vec![change.clone()] };
    let mut out = Vec::new();
    let (mut at, mut rest) = (*offset, &bytes[..]);
    while !rest.is_empty() {
        let room = SECTOR - (at as usize % SECTOR);
        let (part, after) = rest.split_at(room.min(rest.len()));
        out.push(Change::Write { offset: at, bytes: part.to_vec() });
        at += part.len() as u64;
        rest = after;
    }
    out
}

/// The changes that survive.
fn survivors<T: Clone>(pending: &[T], parts: impl Fn(&T) -> Vec<T>, loss: Loss, seed: &mut u64) -> Vec<T> {
    match loss {
        Loss::Nothing => pending.to_vec(),
        Loss::Everything => Vec::new(),
        Loss::Tail(_) => {
            let all: Vec<T> = pending.iter().flat_map(parts).collect();
            let keep = random(seed) as usize % (all.len() + 1);
            all.into_iter().take(keep).collect()
        }
        Loss::Some(_) => pending.iter().flat_map(parts).filter(|_| !random(seed).is_multiple_of(3)).collect(),
    }
}

impl FaultFileIO {
    /// An empty directory in which nothing fails yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A directory with these contents, all durable.
    pub fn from_image(image: &InMemoryFileIO) -> Result<Self> {
        let io = Self::new();
        {
            let mut state = io.state();
            for name in image.list()? {
                let handle = image.open(&name, OpenMode::Read)?;
                let mut bytes = vec![0; handle.len()? as usize];
                let got = handle.read_at(&mut bytes, 0)?;
                bytes.truncate(got);
                let number = state.files.len();
                state.files.push(File { current: bytes.clone(), durable: bytes, pending: Vec::new() });
                state.names.insert(name.clone(), number);
                state.durable_names.insert(name, number);
            }
        }
        Ok(io)
    }

    /// The process dies after this many further changing operations.
    pub fn crash_after(&self, operations: u64) {
        let mut state = self.state();
        state.crash_after = Some(state.operations + operations);
    }

    /// The operation after this many further changing ones fails.
    pub fn fail_after(&self, operations: u64, failure: Failure) {
        let mut state = self.state();
        state.fail = Some((state.operations + operations, failure));
    }

    /// Whether all reads fail from now on.
    pub fn fail_reads(&self, fail: bool) {
        self.state().reads_fail = fail;
    }

    /// How many changing operations there were.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Whether the process died.
    pub fn has_crashed(&self) -> bool {
        let state = self.state();
        state.crash_after.is_some_and(|at| state.operations >= at)
    }

    /// The directory as a power cut at this moment may leave it.
    pub fn image(&self, loss: Loss) -> Result<InMemoryFileIO> {
        let mut seed = match loss {
            Loss::Tail(seed) | Loss::Some(seed) => seed,
            Loss::Nothing | Loss::Everything => 0,
        };
        let state = self.state();
        let mut names = state.durable_names.clone();
        for change in survivors(&state.pending_names, |c| vec![c.clone()], loss, &mut seed) {
            match change {
                NameChange::Link(name, file) => names.insert(name, file),
                NameChange::Unlink(name) => names.remove(&name),
            };
        }
        let image = InMemoryFileIO::new();
        image.create_dir()?;
        for (name, number) in names {
            let Some(file) = state.files.get(number) else { continue };
            let mut bytes = file.durable.clone();
            for change in survivors(&file.pending, sectors, loss, &mut seed) {
                apply(&mut bytes, &change);
            }
            image.open(&name, OpenMode::CreateNew)?.write_at(&bytes, 0)?;
        }
        Ok(image)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, operation: &'static str, name: &str, kind: io::ErrorKind) -> Error {
        Error::from_io(operation, self.path.join(name), kind.into())
    }

    /// Counts a changing operation, and gives the state to make the change in, or how it fails.
    fn change(
        &self,
        operation: &'static str,
        name: &str,
    ) -> Result<(MutexGuard<'_, State>, Option<Failure>)> {
        let mut state = self.state();
        if state.crash_after.is_some_and(|at| state.operations >= at) {
            return Err(self.error(operation, name, io::ErrorKind::BrokenPipe));
        }
        let failure = state.fail.filter(|(at, _)| *at == state.operations).map(|(_, failure)| failure);
        state.operations += 1;
        match failure {
            Some(Failure::Device) => Err(self.error(operation, name, io::ErrorKind::Other)),
            failure => Ok((state, failure)),
        }
    }

    /// For operations that cannot be done by half.
    fn whole(&self, operation: &'static str, name: &str) -> Result<MutexGuard<'_, State>> {
        match self.change(operation, name)? {
            (state, None) => Ok(state),
            (_, Some(Failure::DiskFull)) => Err(self.error(operation, name, io::ErrorKind::StorageFull)),
            (_, Some(_)) => Err(self.error(operation, name, io::ErrorKind::Other)),
        }
    }
}

impl FileIO for FaultFileIO {
    type Handle = FaultHandle;
    type Lock = FaultLock;

    fn path(&self) -> &Path {
        &self.path
    }
    fn create_dir(&self) -> Result<()> {
        Ok(())
    }
    fn exists(&self, name: &str) -> Result<bool> {
        Ok(self.state().names.contains_key(name))
    }
    fn list(&self) -> Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }
    fn open(&self, name: &str, mode: OpenMode) -> Result<FaultHandle> {
        let present = self.state().names.get(name).copied();
        let number = match (present, mode) {
            (Some(number), OpenMode::Read | OpenMode::ReadWrite) => number,
            (Some(_), OpenMode::CreateNew) => {
                return Err(self.error("create", name, io::ErrorKind::AlreadyExists));
            }
            (None, OpenMode::CreateNew) => {
                let mut state = self.whole("create", name)?;
                let number = state.files.len();
                state.files.push(File::default());
                state.names.insert(name.to_owned(), number);
                state.pending_names.push(NameChange::Link(name.to_owned(), number));
                number
            }
            (None, _) => return Err(self.error("open", name, io::ErrorKind::NotFound)),
        };
        Ok(FaultHandle { io: self.clone(), name: name.to_owned(), number })
    }
    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let mut state = self.whole("rename", from)?;
        let number =
            state.names.remove(from).ok_or_else(|| self.error("rename", from, io::ErrorKind::NotFound))?;
        state.names.insert(to.to_owned(), number);
        state.pending_names.push(NameChange::Link(to.to_owned(), number));
        state.pending_names.push(NameChange::Unlink(from.to_owned()));
        Ok(())
    }
    fn remove(&self, name: &str) -> Result<()> {
        let mut state = self.whole("remove", name)?;
        state.names.remove(name).ok_or_else(|| self.error("remove", name, io::ErrorKind::NotFound))?;
        state.pending_names.push(NameChange::Unlink(name.to_owned()));
        Ok(())
    }
    fn sync_dir(&self) -> Result<()> {
        let mut state = self.whole("sync", "")?;
        state.pending_names.clear();
        state.durable_names = state.names.clone();
        Ok(())
    }
    fn lock(&self) -> Result<FaultLock> {
        let mut state = self.state();
        if std::mem::replace(&mut state.locked, true) {
            return Err(Error::Locked {
                path: self.path.clone(),
                holder: LockHolder::Process(std::process::id()),
            });
        }
        Ok(FaultLock(self.clone()))
    }
}

/// Holds the directory.
#[derive(Debug)]
pub struct FaultLock(FaultFileIO);

impl Drop for FaultLock {
    fn drop(&mut self) {
        self.0.state().locked = false;
    }
}

/// An open file of a [`FaultFileIO`].
#[derive(Debug)]
pub struct FaultHandle {
    io: FaultFileIO,
    name: String,
    number: usize,
}

impl FaultHandle {
    fn file<T>(&self, state: &mut State, with: impl FnOnce(&mut File) -> T) -> Result<T> {
        let file = state.files.get_mut(self.number);
        file.map(with).ok_or_else(|| self.io.error("find", &self.name, io::ErrorKind::NotFound))
    }
}

impl FileHandle for FaultHandle {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let mut state = self.io.state();
        if state.reads_fail {
            return Err(self.io.error("read", &self.name, io::ErrorKind::Other));
        }
        self.file(&mut state, |file| {
            let from = file.current.get(offset as usize..).unwrap_or_default();
            let n = from.len().min(buf.len());
            if let (Some(to), Some(from)) = (buf.get_mut(..n), from.get(..n)) {
                to.copy_from_slice(from);
            }
            n
        })
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        let (mut state, failure) = self.io.change("write", &self.name)?;
        let written = if failure.is_some() { buf.len() / 2 } else { buf.len() };
        let change = Change::Write { offset, bytes: buf.get(..written).unwrap_or_default().to_vec() };
        self.file(&mut state, |file| {
            apply(&mut file.current, &change);
            file.pending.push(change);
        })?;
        match failure {
            None => Ok(()),
            Some(Failure::DiskFull) => Err(self.io.error("write", &self.name, io::ErrorKind::StorageFull)),
            Some(_) => Err(self.io.error("write", &self.name, io::ErrorKind::Other)),
        }
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        let mut state = self.io.whole("sync", &self.name)?;
        self.file(&mut state, |file| {
            file.pending.clear();
            file.durable = file.current.clone();
        })
    }

    fn len(&self) -> Result<u64> {
        self.file(&mut self.io.state(), |file| file.current.len() as u64)
    }

    fn truncate(&self, len: u64) -> Result<()> {
        let mut state = self.io.whole("truncate", &self.name)?;
        self.file(&mut state, |file| {
            apply(&mut file.current, &Change::Truncate(len));
            file.pending.push(Change::Truncate(len));
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(io: &impl FileIO, name: &str) -> Option<Vec<u8>> {
        let handle = io.open(name, OpenMode::Read).ok()?;
        let mut bytes = vec![0; handle.len().unwrap() as usize];
        handle.read_at(&mut bytes, 0).unwrap();
        Some(bytes)
    }

    #[test]
    fn what_is_synced_stays_and_the_rest_may_go() {
        let io = FaultFileIO::new();
        let file = io.open("a", OpenMode::CreateNew).unwrap();
        file.write_at(b"kept", 0).unwrap();
        file.sync().unwrap();
        assert_eq!(read(&io.image(Loss::Everything).unwrap(), "a"), None, "the name was not synced");
        io.sync_dir().unwrap();
        file.write_at(b" lost", 4).unwrap();
        assert_eq!(read(&io.image(Loss::Everything).unwrap(), "a"), Some(b"kept".to_vec()));
        assert_eq!(read(&io.image(Loss::Nothing).unwrap(), "a"), Some(b"kept lost".to_vec()));
    }

    #[test]
    fn writes_are_torn_at_sectors_and_reordered() {
        let io = FaultFileIO::new();
        let file = io.open("a", OpenMode::CreateNew).unwrap();
        io.sync_dir().unwrap();
        file.write_at(&[7; 4 * SECTOR], 0).unwrap();
        let lens: std::collections::BTreeSet<_> =
            (0..50).map(|seed| read(&io.image(Loss::Tail(seed)).unwrap(), "a").unwrap().len()).collect();
        assert_eq!(lens.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4].map(|n| n * SECTOR));
        let holes =
            (0..50).filter(|seed| read(&io.image(Loss::Some(*seed)).unwrap(), "a").unwrap().contains(&0));
        assert!(holes.count() > 5);
    }

    #[test]
    fn the_chosen_operation_fails_or_is_the_last() {
        let io = FaultFileIO::new();
        let file = io.open("a", OpenMode::CreateNew).unwrap();
        io.fail_after(1, Failure::DiskFull);
        file.write_at(b"1234", 0).unwrap();
        assert!(matches!(file.write_at(b"5678", 4), Err(Error::DiskFull { .. })));
        assert_eq!(read(&io, "a"), Some(b"123456".to_vec()));
        file.truncate(4).unwrap();
        io.crash_after(1);
        file.write_at(b"x", 0).unwrap();
        assert!(io.has_crashed() && file.sync().is_err() && io.remove("a").is_err());
    }
}
