//! [`FileIO`] over a file system that the host of a WebAssembly module provides in JavaScript: Node's, or a browser's
//! private one.
//!
//! The host is an object with the methods of [`Host`], which is given to [`set_host`] once. The package documents them in
//! `src/host/host.ts`. Without a host, stores with a path are refused; stores in memory are not concerned.
//!
//! Invariants:
//! - files and locks are numbers that the host hands out, so that nothing of JavaScript's is kept where threads could
//!   share it;
//! - bytes are read and written where they are: the host gets a view of the module's memory, valid during the call. That
//!   memory does not grow meanwhile, as a host must not call into the module;
//! - reads and writes are repeated until they are complete, as those of `StdFileIO` are;
//! - what the host throws is classified as the same failure of an operating system is (see [`KINDS`]).

use super::{FileHandle, FileIO, OpenMode, check_name};
use crate::error::{Error, LockHolder, Result};
use js_sys::Reflect;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// A file system in JavaScript.
    #[wasm_bindgen(typescript_type = "object")]
    pub type Host;

    #[wasm_bindgen(method, catch, js_name = realPath)]
    fn real_path(this: &Host, path: &str) -> Result<String, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn entry(this: &Host, path: &str) -> Result<Option<String>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn list(this: &Host, path: &str) -> Result<Vec<String>, JsValue>;
    #[wasm_bindgen(method, catch, js_name = createDirectory)]
    fn create_directory(this: &Host, path: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = removeDirectory)]
    fn remove_directory(this: &Host, path: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = syncDirectory)]
    fn sync_directory(this: &Host, path: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn rename(this: &Host, from: &str, to: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn remove(this: &Host, path: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn open(this: &Host, path: &str, mode: u32) -> Result<u32, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn close(this: &Host, file: u32) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn read(this: &Host, file: u32, bytes: &mut [u8], offset: f64) -> Result<f64, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn write(this: &Host, file: u32, bytes: &[u8], offset: f64) -> Result<f64, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn size(this: &Host, file: u32) -> Result<f64, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn truncate(this: &Host, file: u32, size: f64) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn sync(this: &Host, file: u32) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn lock(this: &Host, path: &str) -> Result<Option<u32>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn holder(this: &Host, path: &str) -> Result<Option<u32>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn unlock(this: &Host, lock: u32) -> Result<(), JsValue>;
}

thread_local! {
    static HOST: OnceCell<Host> = const { OnceCell::new() };
}

/// Gives the module its file system, before the first store with a path is opened. It stays the same from then on, as files
/// may be open.
///
/// # Errors
/// [`Error::Internal`] if another one was given before.
#[wasm_bindgen(js_name = setHost)]
pub fn set_host(host: Host) -> Result<()> {
    HOST.with(|slot| {
        let given: &JsValue = slot.get_or_init(|| host.clone().unchecked_into());
        let is_same = *given == JsValue::from(host);
        if is_same { Ok(()) } else { Err(Error::Internal("the module has another host already".to_owned())) }
    })
}

/// Calls a method of the host.
fn ask<T>(method: impl FnOnce(&Host) -> Result<T, JsValue>) -> io::Result<T> {
    HOST.with(|host| match host.get() {
        Some(host) => method(host).map_err(|thrown| failure(&thrown)),
        None => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "stores in files need a file system of the host, and none was given; a store with durability \"memory\" \
             needs none",
        )),
    })
}

/// What a host's exceptions are: by their `code`, as Node's have it, or by their `name`, which is what browsers' go by.
/// Those that are not here are of kind `Other`. How kinds become errors of the storage is said at [`Error::from_io`].
const KINDS: &[(&[&str], io::ErrorKind)] = &[
    (&["ENOENT", "NotFoundError"], io::ErrorKind::NotFound),
    (&["EEXIST"], io::ErrorKind::AlreadyExists),
    (&["EACCES", "EPERM", "NotAllowedError", "SecurityError"], io::ErrorKind::PermissionDenied),
    (&["EROFS"], io::ErrorKind::ReadOnlyFilesystem),
    (&["ENOSPC"], io::ErrorKind::StorageFull),
    (&["EDQUOT", "QuotaExceededError"], io::ErrorKind::QuotaExceeded),
    (&["EFBIG"], io::ErrorKind::FileTooLarge),
    (&["ENOTDIR", "TypeMismatchError"], io::ErrorKind::NotADirectory),
    (&["EISDIR"], io::ErrorKind::IsADirectory),
    (&["ENOTEMPTY", "InvalidModificationError"], io::ErrorKind::DirectoryNotEmpty),
    (&["ENAMETOOLONG"], io::ErrorKind::InvalidFilename),
    (&["EBUSY", "NoModificationAllowedError"], io::ErrorKind::ResourceBusy),
    (&["EINTR"], io::ErrorKind::Interrupted),
];

fn failure(thrown: &JsValue) -> io::Error {
    let text = |property: &str| Reflect::get(thrown, &property.into()).ok().and_then(|text| text.as_string());
    let of = |name: String| KINDS.iter().find(|(names, _)| names.contains(&name.as_str()));
    let kind = text("code").and_then(of).or_else(|| text("name").and_then(of));
    let kind = kind.map_or(io::ErrorKind::Other, |(_, kind)| *kind);
    io::Error::new(
        kind,
        text("message").unwrap_or_else(|| "the file system of the host threw no error".to_owned()),
    )
}

/// A number of bytes that the host has given, at most `limit`.
fn count(number: f64, limit: u64) -> io::Result<u64> {
    if number >= 0.0 && number <= limit as f64 && number.fract() == 0.0 {
        return Ok(number as u64);
    }
    let text = format!("the file system of the host gave {number} as a number of bytes");
    Err(io::Error::new(io::ErrorKind::InvalidData, text))
}

/// The largest offset in a file: up to there numbers of JavaScript's are exact.
const MAX_OFFSET: u64 = (1 << 53) - 1;

/// An offset, or a size, as JavaScript has it.
fn number(offset: u64) -> io::Result<f64> {
    if offset <= MAX_OFFSET { Ok(offset as f64) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// A path as JavaScript has it. Ours are made of strings.
fn text(path: &Path) -> Cow<'_, str> {
    path.to_string_lossy()
}

/// What is at a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    Directory,
    /// Anything else.
    File,
}

fn entry(path: &Path) -> io::Result<Option<Entry>> {
    let entry = ask(|host| host.entry(&text(path)))?;
    Ok(entry.map(|entry| if entry == "directory" { Entry::Directory } else { Entry::File }))
}

fn sync_directory(path: &Path) -> Result<()> {
    ask(|host| host.sync_directory(&text(path))).map_err(|error| Error::from_io("sync", path, error))
}

/// A directory of the host.
#[derive(Debug, Clone)]
pub struct HostFileIO {
    path: PathBuf,
}

impl HostFileIO {
    /// The directory at `path`, which need not exist yet. Names in it are parted by `/` on all systems.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The directory's path, the same however the directory is named: links are resolved. It must exist.
    pub fn real_path(&self) -> Result<PathBuf> {
        match ask(|host| host.real_path(&text(&self.path))) {
            Ok(path) => Ok(path.into()),
            Err(error) => Err(self.fail("resolve", error)),
        }
    }

    /// Whether there is something at the path.
    pub fn is_there(&self) -> bool {
        matches!(entry(&self.path), Ok(Some(_)))
    }

    /// Removes the directory if it is empty.
    pub fn remove_dir(&self) -> Result<()> {
        ask(|host| host.remove_directory(&text(&self.path))).map_err(|error| self.fail("remove", error))
    }

    fn file(&self, name: &str) -> Result<PathBuf> {
        check_name(name)?;
        Ok(self.path.join(name))
    }

    fn fail(&self, operation: &'static str, error: io::Error) -> Error {
        Error::from_io(operation, &self.path, error)
    }
}

impl FileIO for HostFileIO {
    type Handle = HostFile;
    type Lock = HostLock;

    fn path(&self) -> &Path {
        &self.path
    }

    fn create_dir(&self) -> Result<()> {
        // Where it cannot be told what is there, creating says why.
        if matches!(entry(&self.path), Ok(Some(Entry::Directory))) {
            return Ok(());
        }
        let is_missing = |path: &&Path| !path.as_os_str().is_empty() && matches!(entry(path), Ok(None));
        let missing: Vec<&Path> = self.path.ancestors().take_while(is_missing).collect();
        if let Err(error) = ask(|host| host.create_directory(&text(&self.path))) {
            // Systems differ in what they call this, so look: is there a file where a directory should be?
            let is_file = |path: &&Path| matches!(entry(path), Ok(Some(Entry::File)));
            return Err(match self.path.ancestors().find(is_file) {
                Some(file) => Error::NotADirectory { path: file.to_owned() },
                None => self.fail("create", error),
            });
        }
        // The new names stand in the parents, and a store must not vanish with its directory at a power cut.
        for created in missing {
            let parent = created.parent().filter(|parent| !parent.as_os_str().is_empty());
            sync_directory(parent.unwrap_or(Path::new(".")))?;
        }
        Ok(())
    }

    fn exists(&self, name: &str) -> Result<bool> {
        let path = self.file(name)?;
        match entry(&path) {
            Ok(entry) => Ok(entry.is_some()),
            Err(error) => Err(Error::from_io("look for", path, error)),
        }
    }

    fn list(&self) -> Result<Vec<String>> {
        ask(|host| host.list(&text(&self.path))).map_err(|error| self.fail("list", error))
    }

    fn open(&self, name: &str, mode: OpenMode) -> Result<HostFile> {
        let path = self.file(name)?;
        let (number, operation) = match mode {
            OpenMode::Read => (0, "open"),
            OpenMode::ReadWrite => (1, "open"),
            OpenMode::CreateNew => (2, "create"),
        };
        match ask(|host| host.open(&text(&path), number)) {
            Ok(file) => Ok(HostFile { file, path: path.into(), writable: mode != OpenMode::Read }),
            Err(error) => Err(Error::from_io(operation, path, error)),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let (from, to) = (self.file(from)?, self.file(to)?);
        ask(|host| host.rename(&text(&from), &text(&to)))
            .map_err(|error| Error::from_io("rename", from, error))
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.file(name)?;
        ask(|host| host.remove(&text(&path))).map_err(|error| Error::from_io("remove", path, error))
    }

    fn sync_dir(&self) -> Result<()> {
        sync_directory(&self.path)
    }

    fn lock(&self) -> Result<HostLock> {
        let path = text(&self.path);
        match ask(|host| host.lock(&path)) {
            Ok(Some(lock)) => Ok(HostLock(lock)),
            Ok(None) => {
                let holder = ask(|host| host.holder(&path)).ok().flatten();
                let holder = holder.map_or(LockHolder::Unknown, LockHolder::Process);
                Err(Error::Locked { path: self.path.clone(), holder })
            }
            Err(error) => Err(self.fail("lock", error)),
        }
    }
}

/// The directory is this instance's until this is dropped.
#[derive(Debug)]
pub struct HostLock(u32);

impl Drop for HostLock {
    fn drop(&mut self) {
        // Nobody could do anything about a failure; the lock ends with the process at the latest.
        let _ = ask(|host| host.unlock(self.0));
    }
}

/// An open file of the host.
#[derive(Debug)]
pub struct HostFile {
    file: u32,
    path: Arc<Path>,
    writable: bool,
}

impl HostFile {
    fn fail(&self, operation: &'static str, error: io::Error) -> Error {
        Error::from_io(operation, &*self.path, error)
    }

    /// Hosts need not keep apart what a file was opened for.
    fn check_writable(&self, operation: &'static str) -> Result<()> {
        if self.writable {
            Ok(())
        } else {
            Err(Error::PermissionDenied { operation, path: self.path.to_path_buf() })
        }
    }

    fn read_some(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let at = number(offset)?;
        let read = ask(|host| host.read(self.file, buf, at))?;
        count(read, buf.len() as u64).map(|read| read as usize)
    }

    fn write_some(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let at = number(offset)?;
        let written = ask(|host| host.write(self.file, buf, at))?;
        count(written, buf.len() as u64).map(|written| written as usize)
    }
}

impl Drop for HostFile {
    fn drop(&mut self) {
        // What had to be durable was synced before.
        let _ = ask(|host| host.close(self.file));
    }
}

impl FileHandle for HostFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read_some(rest, offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fail("read", error)),
            }
        }
        Ok(done)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        self.check_writable("write")?;
        let mut done = 0;
        while let Some(rest) = buf.get(done..).filter(|rest| !rest.is_empty()) {
            match self.write_some(rest, offset.saturating_add(done as u64)) {
                Ok(0) => return Err(self.fail("write", io::ErrorKind::WriteZero.into())),
                Ok(written) => done += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fail("write", error)),
            }
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        // What the host has written is out of the module, and survives it.
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        ask(|host| host.sync(self.file)).map_err(|error| self.fail("sync", error))
    }

    fn len(&self) -> Result<u64> {
        let size = ask(|host| host.size(self.file)).and_then(|size| count(size, MAX_OFFSET));
        size.map_err(|error| self.fail("measure", error))
    }

    fn truncate(&self, len: u64) -> Result<()> {
        self.check_writable("truncate")?;
        let truncated = number(len).and_then(|size| ask(|host| host.truncate(self.file, size)));
        truncated.map_err(|error| self.fail("truncate", error))
    }
}
