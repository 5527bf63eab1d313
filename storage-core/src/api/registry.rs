//! The open stores of this process: handles on one path share one engine.
//!
//! A path has one entry, whose lock is held while its store is being opened or closed, so that nobody meets a store that
//! is half closed. Paths are compared after resolving links.

use super::backing::{Backing, Shared};
use super::options::{Durability, OpenOptions};
use crate::error::{Error, LockHolder, Result};
use crate::file::{FileIO, NativeFileIO, in_memory, this_process};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

type Entry = Arc<Mutex<Option<Weak<dyn Backing>>>>;

static STORES: LazyLock<Mutex<HashMap<PathBuf, Entry>>> = LazyLock::new(Mutex::default);

/// How long, and how often, to wait for a store that this process is still closing on another thread.
const OWN_LOCK_WAIT: Duration = Duration::from_millis(5);
const OWN_LOCK_TRIES: u32 = 400;

fn entry(path: &Path) -> Entry {
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(stores.entry(path.to_path_buf()).or_default())
}

/// The directory of a store by its real path; it is created if absent.
fn real_path(path: &str) -> Result<PathBuf> {
    let io = NativeFileIO::new(path);
    io.create_dir()?;
    io.real_path()
}

/// The store of these options: the one already open on the path, or one opened now.
pub(super) fn acquire(options: &OpenOptions) -> Result<Arc<dyn Backing>> {
    let Some(path) = &options.path else {
        return Ok(Arc::new(Shared::open(in_memory(options.max_bytes()), options)?));
    };
    let path = real_path(path)?;
    let entry = entry(&path);
    let mut slot = entry.lock().unwrap_or_else(PoisonError::into_inner);
    // A store whose directory was removed is not the one at this path any more.
    let shared = slot.as_ref().and_then(Weak::upgrade).filter(|shared| shared.is_in_place());
    if let Some(shared) = shared {
        if options.level() == Durability::Strict {
            shared.make_strict();
        }
        return Ok(shared);
    }
    let mut tries = 0;
    let opened: Arc<dyn Backing> = loop {
        match Shared::open(NativeFileIO::new(&path), options) {
            Ok(store) => break Arc::new(store),
            // Never so in WebAssembly, which has neither process ids nor a way to sleep.
            Err(Error::Locked { holder: holder @ LockHolder::Process(_), .. })
                if holder == this_process() && tries < OWN_LOCK_TRIES =>
            {
                // An operation on another thread of this process still holds the store that was closed here.
                tries += 1;
                std::thread::sleep(OWN_LOCK_WAIT);
            }
            Err(e) => return Err(e),
        }
    };
    *slot = Some(Arc::downgrade(&opened));
    Ok(opened)
}

/// Lets go of a store. The last to do so closes it.
pub(super) fn release(options: &OpenOptions, backing: Arc<dyn Backing>) -> Result<()> {
    let path = options.path.as_ref().and_then(|path| NativeFileIO::new(path).real_path().ok());
    let Some(path) = path else {
        return backing.close();
    };
    let entry = entry(&path);
    let _slot = entry.lock().unwrap_or_else(PoisonError::into_inner);
    if Arc::strong_count(&backing) == 1 {
        let closed = backing.close();
        drop(backing);
        return closed;
    }
    // Others go on with it; what this handle stored shall be as durable as if it had closed it.
    backing.flush()
}
