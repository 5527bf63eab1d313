//! The tools that the bindings need beyond Rust and Node: one family to a file, each found and installed on its own.
//!
//! `find` says which version is there, or what is missing and how to get it, and installs nothing. `ensure` installs what
//! is missing, in one version, into `.tools` or by the package manager of the system, once nothing else is being installed
//! (`ahead`). What is in `.tools` is whole: it is made beside its place and takes it when it is done.

pub(crate) mod ahead;
pub(crate) mod apt;
pub(crate) mod browsers;
pub(crate) mod crates;
pub(crate) mod kotlin;
pub(crate) mod newer_node;
pub(crate) mod swift;
pub(crate) mod ubrn;
pub(crate) mod uniffi;
pub(crate) mod wasm;
pub(crate) mod workerd;

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::{Outcome, root};

/// The file in a folder of `.tools` that names the version it holds.
const STAMP: &str = ".version";

/// A folder of `.tools` that holds one version of something.
struct Folder {
    name: &'static str,
    version: &'static str,
}

impl Folder {
    fn path(&self) -> PathBuf {
        root().join(".tools").join(self.name)
    }

    /// Whether it is there, whole and in this version.
    fn is_there(&self) -> bool {
        fs::read_to_string(self.path().join(STAMP)).is_ok_and(|version| version == self.version)
    }

    /// Makes it, unless it is there. `fill` is given an empty folder, which takes the place when it has been filled.
    fn ensure(&self, fill: impl FnOnce(&Path) -> Outcome<()>) -> Outcome<()> {
        ahead::wait();
        if self.is_there() {
            return Ok(());
        }
        let (place, new) = (self.path(), self.path().with_extension("new"));
        remove(&new)?;
        let failed = |error| format!("cannot make {}: {error}", place.display());
        fs::create_dir_all(&new).map_err(failed)?;
        fill(&new).map_err(|reason| {
            let Folder { name, version } = self;
            let found = fs::read_to_string(place.join(STAMP)).unwrap_or_else(|_| "none".to_owned());
            format!("{name} {version} is needed, {found} is in .tools, and it cannot be installed: {reason}")
        })?;
        fs::write(new.join(STAMP), self.version).map_err(failed)?;
        remove(&place)?;
        fs::rename(&new, &place).map_err(failed)
    }
}

/// Removes a folder and what is in it, if it is there; but nothing that is only mounted in it.
fn remove(folder: &Path) -> Outcome<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    if let Some(mount) = mounted_in(&mounts, folder) {
        return Err(format!(
            "{mount} is mounted in {}, which is to be removed: unmount it",
            folder.display()
        ));
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// The first place in a folder at which something is mounted, of a list such as `/proc/self/mounts`.
fn mounted_in<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    places.into_iter().find(|place| Path::new(place).starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted_in_a_folder_is_noticed() {
        let mounts = "proc /proc proc rw 0 0\n/dev/vda /home/a/.tools/swift.new/work ext4 rw 0 0\n";
        assert_eq!(
            mounted_in(mounts, Path::new("/home/a/.tools/swift.new")),
            Some("/home/a/.tools/swift.new/work")
        );
        assert_eq!(mounted_in(mounts, Path::new("/home/a/.tools/swift")), None);
    }

    #[test]
    fn a_folder_is_there_only_once_it_has_been_filled() {
        let folder = Folder { name: "xtask-test", version: "2" };
        let outcome = folder.ensure(|new| {
            fs::write(new.join("half"), "").unwrap();
            Err("broken off".to_owned())
        });
        let reason = outcome.unwrap_err();
        assert!(reason.contains("xtask-test 2 is needed") && reason.ends_with("broken off"), "{reason}");
        assert!(!folder.is_there());
        folder
            .ensure(|new| {
                assert!(!new.join("half").exists());
                fs::write(new.join("file"), "").map_err(|error| error.to_string())
            })
            .unwrap();
        assert!(folder.is_there() && folder.path().join("file").exists());
        folder.ensure(|_| Err("made again".to_owned())).unwrap();
        let next = Folder { name: "xtask-test", version: "3" };
        assert!(!next.is_there());
        let reason = next.ensure(|_| Err("no".to_owned())).unwrap_err();
        assert!(reason.contains("xtask-test 3 is needed, 2 is in .tools"), "{reason}");
        next.ensure(|_| Ok(())).unwrap();
        assert!(next.is_there() && !next.path().join("file").exists());
        remove(&next.path()).unwrap();
    }
}
