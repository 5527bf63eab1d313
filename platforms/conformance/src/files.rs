//! What a runner does to files by itself.

use std::fs;
use std::path::{Path, PathBuf};

type Done<T = ()> = Result<T, String>;

fn told<T>(result: std::io::Result<T>, path: &Path) -> Done<T> {
    result.map_err(|e| format!("{}: {e}", path.display()))
}

/// The names in a directory, in order.
pub(crate) fn names(directory: &Path) -> Done<Vec<String>> {
    let mut names = Vec::new();
    for entry in told(fs::read_dir(directory), directory)? {
        names.push(told(entry, directory)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The path of a case, of which the last component may have a `*`.
pub(crate) fn resolve(directory: &Path, path: &str) -> Done<PathBuf> {
    let Some((start, end)) = path.split_once('*') else { return Ok(directory.join(path)) };
    let (folder, start) = start.rsplit_once('/').unwrap_or(("", start));
    let folder = directory.join(folder);
    let first = names(&folder)?.into_iter().find(|name| name.starts_with(start) && name.ends_with(end));
    first.map(|name| folder.join(name)).ok_or_else(|| format!("there is no {path}"))
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Done {
    told(fs::write(path, bytes), path)
}

pub(crate) fn flip(path: &Path, at: u64) -> Done {
    let mut bytes = told(fs::read(path), path)?;
    let byte = usize::try_from(at).ok().and_then(|at| bytes.get_mut(at));
    *byte.ok_or_else(|| format!("{} ends before {at}", path.display()))? ^= 0xff;
    write(path, &bytes)
}

pub(crate) fn cut(path: &Path, len: u64) -> Done {
    let file = told(fs::OpenOptions::new().write(true).open(path), path)?;
    told(file.set_len(len), path)
}

pub(crate) fn remove(path: &Path) -> Done {
    told(if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }, path)
}

pub(crate) fn make_directory(path: &Path) -> Done {
    told(fs::create_dir_all(path), path)
}
