//! Where cargo put the source of `bf-tree`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAME: &str = "bf-tree";

/// The version that the edits are about.
pub(crate) const VERSION: &str = "0.5.7";

/// The folder of the package.
pub(crate) fn find() -> Result<PathBuf, String> {
    match in_registry() {
        Some(folder) => Ok(folder),
        None => by_metadata(),
    }
}

/// Where cargo unpacks what it fetches from a registry, whichever that is.
fn in_registry() -> Option<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(env::home_dir()?.join(".cargo")))?;
    let registries = home.join("registry/src").read_dir().ok()?;
    let folders = registries.filter_map(|entry| Some(entry.ok()?.path().join(format!("{NAME}-{VERSION}"))));
    // The file is written when a package is unpacked completely.
    folders.filter(|folder| folder.join(".cargo-ok").is_file()).min()
}

/// Elsewhere, say in a vendored folder, cargo itself must tell. Not `--offline`: where packages of other targets were
/// never fetched, that fails.
fn by_metadata() -> Result<PathBuf, String> {
    let cargo = env::var_os("CARGO").ok_or("CARGO is not set")?;
    let host = env::var("HOST").map_err(|error| format!("HOST: {error}"))?;
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &host])
        .current_dir(env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR is not set")?)
        .output()
        .map_err(|error| format!("cargo metadata cannot be run: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
        return Err(format!("cargo metadata, asked where {NAME} is, failed: {said}"));
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata gave something else than JSON: {error}"))?;
    let mut packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .find(|package| package["name"] == NAME && package["version"] == VERSION)
        .and_then(|package| Path::new(package["manifest_path"].as_str()?).parent())
        .map(Path::to_owned)
        .ok_or_else(|| format!("cargo metadata does not know {NAME} {VERSION}"))
}
