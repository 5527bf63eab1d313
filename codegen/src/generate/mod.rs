//! `cargo xtask codegen`: what the generators make of the API, for every language.
//!
//! The API is annotated in `storage-core/src/api` alone. Each generator reads what its attributes left in a compiled
//! library: napi in the addon's declarations, wasm-bindgen in the module, UniFFI in the shared library. What they write is
//! committed, so that a change of the API shows in a diff what it is in every language.

mod definitions;
mod face;
mod files;
mod react_native;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::bindings;
use crate::node;
use crate::process::{Outcome, cargo, root, say};
use crate::suites::or_skipped;
use crate::tools::{ubrn, uniffi, wasm};
use files::{Files, HEAD};

const UNIFFI: &str = "jazz-native-storage-uniffi";
const TYPESCRIPT: &str = "npm/jazz-native-storage/src/generated";
pub(crate) const KOTLIN: &str = "android/src/main/kotlin/tools/jazz/storage";
pub(crate) const SWIFT: &str = "ios/Sources";

/// Generates everything, and writes it or, with `--check`, compares it.
pub(crate) fn task(arguments: &[String]) -> Outcome<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let is_check = match arguments[..] {
        [] => false,
        ["--check"] => true,
        _ => return Err("codegen takes nothing but --check".to_owned()),
    };
    let files = generate()?;
    if is_check {
        check(&files)?;
        bindings::cases("--check")
    } else {
        write(&files)?;
        // Not among the files, as they are run through the API before they are written.
        bindings::cases("write")
    }
}

fn write(files: &Files) -> Outcome<()> {
    let written = files.write()?;
    for path in &written {
        say!("wrote {}", path.display());
    }
    say!("{} files have changed", written.len());
    Ok(())
}

fn check(files: &Files) -> Outcome<()> {
    let stale = files.differences()?;
    if stale.is_empty() {
        say!("all generated files are as the API has them");
        return Ok(());
    }
    let names: Vec<String> = stale.iter().map(|path| format!("  {}", path.display())).collect();
    Err(format!("generated files are stale: run `cargo xtask codegen` and commit\n{}", names.join("\n")))
}

fn generate() -> Outcome<Files> {
    // All tools first, so that none is missed when others have worked for minutes.
    wasm::ensure()?;
    ubrn::ensure()?;
    let mut files = Files::default();
    let staging = root().join("target/xtask/generated");
    if staging.exists() {
        fs::remove_dir_all(&staging)
            .map_err(|error| format!("cannot empty {}: {error}", staging.display()))?;
    }
    let definitions = definitions::read()?;
    files.add(Path::new(TYPESCRIPT).join("definitions.ts"), definitions.typescript(HEAD));
    files.add(Path::new(KOTLIN).join("Definitions.kt"), definitions.kotlin(HEAD));
    files.add(Path::new(SWIFT).join("JazzNativeStorage/Definitions.swift"), definitions.swift(HEAD));

    node::build_addon(&[])?;
    let declarations = root().join(node::PACKAGE).join("native/binding.d.ts");
    let declarations = fs::read_to_string(&declarations)
        .map_err(|error| format!("napi has not written {}: {error}", declarations.display()))?;
    let face = face::parse(&declarations)?;
    files.add(Path::new(TYPESCRIPT).join("native.ts"), face.typescript(HEAD));
    files.add(Path::new(TYPESCRIPT).join("react-native.ts"), react_native::typescript(&face, HEAD)?);

    let built = build_wasm()?;
    let declarations = built.join("jazz_native_storage_wasm.d.ts");
    let declarations = fs::read_to_string(&declarations)
        .map_err(|error| format!("wasm-bindgen has not written {}: {error}", declarations.display()))?;
    files.add(Path::new(TYPESCRIPT).join("wasm.d.ts"), format!("{HEAD}{}", wasm_face(&declarations)?));

    let library = build_library()?;
    let kotlin = staging.join("kotlin");
    uniffi::generate(&library, "kotlin", &kotlin)?;
    let generated = kotlin.join("tools/jazz/storage/jazz_storage.kt");
    files.add_file(Path::new(KOTLIN).join("JazzNativeStorage.kt"), &generated)?;
    let swift = staging.join("swift");
    uniffi::generate(&library, "swift", &swift)?;
    for (from, to) in [
        ("JazzNativeStorage.swift", "JazzNativeStorage/JazzNativeStorage.swift"),
        ("JazzNativeStorageFFI.h", "JazzNativeStorageFFI/JazzNativeStorageFFI.h"),
        ("JazzNativeStorageFFI.modulemap", "JazzNativeStorageFFI/module.modulemap"),
    ] {
        files.add_file(Path::new(SWIFT).join(to), &swift.join(from))?;
    }
    let typescript = staging.join("react-native");
    ubrn::generate(&library, &typescript, &staging.join("cpp"))?;
    for name in ["jazz_storage.ts", "jazz_storage-ffi.ts"] {
        files.add_file(Path::new(TYPESCRIPT).join("react-native").join(name), &typescript.join(name))?;
    }
    Ok(files)
}

/// Of what wasm-bindgen declares, what is the API; the rest is how a module is loaded, with names that differ by compiler.
fn wasm_face(declarations: &str) -> Outcome<&str> {
    let end = declarations.find("\nexport type InitInput");
    let end = end.ok_or(
        "wasm-bindgen's declarations are not of the form that is known (codegen/src/generate/mod.rs)",
    )?;
    Ok(declarations.get(..=end).unwrap_or(declarations))
}

/// Fails if what is committed is not what the generators make of the API. The cases for bindings are a suite of their own.
pub(crate) fn suite() -> Outcome<()> {
    or_skipped(wasm::ensure())?;
    or_skipped(ubrn::ensure())?;
    check(&generate()?)
}

/// Measures the boundary, on a fresh build of every binding.
pub(crate) fn bench_boundary(arguments: &[String]) -> Outcome<()> {
    build_wasm()?;
    cargo(&["build", "--locked", "--package", UNIFFI, "--release"])?;
    node::built("benches/js/boundary.mjs", arguments)
}

/// Builds the WebAssembly module with its JavaScript, to where the package looks for it, and gives that folder.
pub(crate) fn build_wasm() -> Outcome<PathBuf> {
    // Several suites need it, and optimizing it takes longer than compiling does when nothing has changed.
    static BUILT: OnceLock<Outcome<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(|| wasm::ensure().and_then(|()| compile_wasm())).clone()
}

fn compile_wasm() -> Outcome<PathBuf> {
    let module = wasm::cargo_build("jazz-native-storage-wasm", "wasm", &[])?;
    let built = root().join(node::PACKAGE).join("dist/wasm");
    wasm::wasm_bindgen(&module, &built, &["--target", "web"])?;
    wasm::wasm_opt(
        &built.join("jazz_native_storage_wasm_bg.wasm"),
        &["-O3", "--strip-debug", "--strip-producers"],
    )?;
    Ok(built)
}

/// Builds the library for UniFFI as tests need it, where nobody waits for it to be optimized, and gives its path.
pub(crate) fn build_library() -> Outcome<PathBuf> {
    cargo(&["build", "--locked", "--package", UNIFFI])?;
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    Ok(root().join("target/debug").join(format!("{prefix}jazz_native_storage{suffix}")))
}
