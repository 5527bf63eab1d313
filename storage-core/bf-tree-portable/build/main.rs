//! Copies the source of `bf-tree` that cargo fetched to `OUT_DIR/bf-tree`, and edits the copy (`edits.rs`).
//!
//! Every edit must match exactly as often as it says, so that an upstream that changed ends the build with the edit's
//! name, and is never half edited.

mod edits;
mod source;

use edits::{Edit, EDITS};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The text of each file, by its path in the source folder with `/` between folders.
type Files = BTreeMap<String, String>;

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-env-changed=CARGO_HOME");
    match make() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("cargo::error={message}");
            ExitCode::FAILURE
        }
    }
}

fn make() -> Result<(), String> {
    let source = source::find()?.join("src");
    let mut files = Files::new();
    read(&source, "", &mut files)?;
    for edit in EDITS {
        apply(edit, &mut files)?;
    }
    let out = std::env::var_os("OUT_DIR").map(PathBuf::from).ok_or("OUT_DIR is not set")?.join("bf-tree");
    for (name, text) in files {
        let path = out.join(name);
        let folder = path.parent().unwrap_or(&out);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    }
    Ok(())
}

/// Reads all Rust files below a folder. Some of upstream's lines end in CR LF: all end in LF afterwards, so that an edit
/// can span lines.
fn read(folder: &Path, prefix: &str, files: &mut Files) -> Result<(), String> {
    let fail = |error| format!("{} cannot be read: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if path.is_dir() {
            read(&path, &format!("{prefix}{name}/"), files)?;
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).map_err(fail)?;
            files.insert(format!("{prefix}{name}"), text.replace("\r\n", "\n"));
        }
    }
    Ok(())
}

fn apply(edit: &Edit, files: &mut Files) -> Result<(), String> {
    let mut found = 0;
    for (name, text) in files {
        if edit.file == edits::EVERY || edit.file == name {
            found += text.matches(edit.find).count();
            *text = text.replace(edit.find, edit.replace);
        }
    }
    if found == edit.times {
        return Ok(());
    }
    Err(format!(
        "bf-tree {} is not the source that build/edits.rs is about: the edit \"{}\" matches {found} times in {}, \
         not {} times",
        source::VERSION,
        edit.why,
        edit.file,
        edit.times
    ))
}
