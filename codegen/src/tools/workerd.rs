//! workerd, the runtime of Cloudflare Workers, and miniflare, which runs it: npm's packages, in the versions of the lock file
//! beside the tests that use them.
//!
//! They are not among the workspace's packages, as nothing else needs their 165 MB.

use std::fs;
use std::path::PathBuf;

use crate::node;
use crate::process::{Outcome, root};
use crate::tools::ahead;

/// The tests, from the root.
pub(crate) const FOLDER: &str = "npm/jazz-native-storage/test/workerd";

/// The version of miniflare that is there, if it is that of the lock file.
pub(crate) fn find() -> Outcome<String> {
    let wanted = lock()?;
    if fs::read(stamp()).is_ok_and(|installed| installed == wanted) {
        let text = String::from_utf8_lossy(&wanted).into_owned();
        return Ok(version(&text, "miniflare").unwrap_or_default().to_owned());
    }
    Err("is not installed: run `cargo xtask setup workerd`, which fetches 50 MB".to_owned())
}

/// Installs what is in the lock file, unless it is there.
pub(crate) fn ensure() -> Outcome<()> {
    ahead::wait();
    if find().is_ok() {
        return Ok(());
    }
    let wanted = lock()?;
    node::install_locked(&root().join(FOLDER))?;
    fs::write(stamp(), wanted).map_err(|error| format!("cannot write {}: {error}", stamp().display()))
}

fn lock() -> Outcome<Vec<u8>> {
    let lock = root().join(FOLDER).join("package-lock.json");
    fs::read(&lock).map_err(|error| format!("cannot read {}: {error}", lock.display()))
}

fn stamp() -> PathBuf {
    root().join(FOLDER).join("node_modules/.installed-package-lock.json")
}

/// The version of a package in the text of a lock file.
fn version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let (_, entry) = lock.split_once(&format!("\"node_modules/{package}\": {{"))?;
    let (_, rest) = entry.split_once("\"version\": \"")?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_the_lock_file() {
        let lock = String::from_utf8(lock().unwrap()).unwrap();
        assert!(version(&lock, "miniflare").unwrap().starts_with("4."));
        assert_eq!(version(&lock, "mini"), None);
    }
}
