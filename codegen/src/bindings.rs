//! The suites of the bindings other than the addon's own, and the cases that all bindings have to pass, each in the language
//! or on the platform that it is for.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::generate::{KOTLIN, SWIFT, build_library, build_wasm};
use crate::node;
use crate::process::{Outcome, cargo, command, root, run, say};
use crate::suites::or_skipped;
use crate::tools::{browsers, kotlin, swift, wasm, workerd};

const RUNNERS: &str = "platforms/conformance/runners";
const CASES: &str = "platforms/conformance/cases.json";

/// The tests in browsers.
const WEB_TESTS: [&str; 6] = ["suites", "trouble", "fallback", "tabs", "inspector", "kill"];

/// The benchmark in browsers.
const WEB_BENCH: &str = "benches/js/web.mjs";

/// Where what is compiled for these suites goes.
const BUILT: &str = "target/xtask/bindings";

/// Runs the cases through the engine, and writes them or, with `--check`, compares them.
pub(crate) fn cases(task: &str) -> Outcome<()> {
    cargo(&["run", "--quiet", "--locked", "--package", "jazz-native-storage-conformance", "--", task])
}

/// The cases through the addon.
pub(crate) fn cases_node() -> Outcome<()> {
    let addon = node::built_addons().into_iter().next().ok_or("no addon is built")?;
    let addon = format!("{}/native/{addon}", node::PACKAGE);
    node::node(&[&format!("{RUNNERS}/node.mjs"), "--binding", "napi", &addon])
}

/// The cases through the WebAssembly module, on Node.
pub(crate) fn cases_wasm() -> Outcome<()> {
    or_skipped(wasm::ensure())?;
    build_wasm()?;
    node::node(&[&format!("{RUNNERS}/node.mjs"), "--binding", "wasm", &format!("{RUNNERS}/wasm-on-node.mjs")])
}

/// Everything in browsers.
pub(crate) fn web() -> Outcome<()> {
    ensure_web()?;
    or_skipped(browsers::ensure_webkit())?;
    build_file_suite()?;
    // One file after the other: there may be two processors, and browsers have many processes.
    let mut tests = command("node", &["--test", "--test-concurrency=1"]);
    tests.args(WEB_TESTS.map(|name| format!("npm/jazz-native-storage/test/web/{name}.test.mjs")));
    run_in_browsers(tests)?;
    run_in_browsers(command("node", &[WEB_BENCH, "--quick", "--browsers", "chromium"]))
}

/// The example for browsers, built with the package as it is published.
pub(crate) fn example_react() -> Outcome<()> {
    const EXAMPLE: &str = "examples/react-vite";
    ensure_web()?;
    node::ensure_outside(EXAMPLE)?;
    node::outside_script(EXAMPLE, "build")?;
    run_in_browsers(command("node", &["--test", &format!("{EXAMPLE}/test/app.test.mjs")]))
}

/// Builds what runs in browsers, once there are browsers.
fn ensure_web() -> Outcome<()> {
    or_skipped(wasm::ensure())?;
    or_skipped(browsers::CHROMIUM.ensure())?;
    or_skipped(browsers::FIREFOX.ensure())?;
    build_wasm()?;
    node::build_package()
}

/// Measures in browsers, on a fresh build; a report of a full run goes to `benches/WEB.md`.
pub(crate) fn bench_web(arguments: &[String]) -> Outcome<()> {
    build_wasm()?;
    node::build_package()?;
    let mut bench = command("node", &[WEB_BENCH]);
    if arguments.is_empty() {
        bench.args(["--out", "benches/WEB.md"]);
    }
    bench.args(arguments);
    run_in_browsers(bench)
}

fn run_in_browsers(mut program: Command) -> Outcome<()> {
    browsers::CHROMIUM.tell(&mut program)?;
    browsers::FIREFOX.tell(&mut program)?;
    run(program, "install Node.js")
}

/// Everything in workerd.
pub(crate) fn workerd() -> Outcome<()> {
    or_skipped(wasm::ensure())?;
    or_skipped(workerd::ensure())?;
    build_wasm()?;
    node::build_package()?;
    // One file after the other, as for browsers.
    let mut tests = vec!["--test".to_owned(), "--test-concurrency=1".to_owned()];
    tests.extend(["workerd", "example"].map(|name| format!("{}/{name}.test.mjs", workerd::FOLDER)));
    node::node(&tests.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The checks of `FileIO` as a WebAssembly module.
fn build_file_suite() -> Outcome<()> {
    let module = wasm::cargo_build("jazz-storage-file-suite", "wasm", &[])?;
    wasm::wasm_bindgen(&module, &root().join("target/wasm/file-suite"), &["--target", "web"])
}

/// What the WebAssembly module adds: a host's file system, and everything inline.
pub(crate) fn wasm_host() -> Outcome<()> {
    or_skipped(wasm::ensure())?;
    build_wasm()?;
    node::node(&["platforms/wasm/test/size.mjs"])?;
    build_file_suite()?;
    node::node(&["--test", "platforms/wasm/test/host.test.mjs"])
}

/// The cases through the binding for Kotlin, on a Java virtual machine.
pub(crate) fn cases_kotlin() -> Outcome<()> {
    or_skipped(kotlin::ensure())?;
    let library = build_library()?;
    let jar = built("cases.jar")?;
    let mut sources = sources(KOTLIN, "kt")?;
    sources.push(root().join(RUNNERS).join("Main.kt"));
    kotlin::compile(&sources, &jar)?;
    run(kotlin::java(&jar, "MainKt", &[CASES], folder_of(&library))?, "run `cargo xtask setup kotlin`")
}

/// The cases through the binding for Swift.
pub(crate) fn cases_swift() -> Outcome<()> {
    if cfg!(windows) {
        say!("This suite applies to Apple's systems and to Linux, which stands for them. Nothing was run.");
        return Ok(());
    }
    or_skipped(swift::ensure())?;
    let library = build_library()?;
    let program = built("cases-swift")?;
    let mut sources = sources(&format!("{SWIFT}/JazzNativeStorage"), "swift")?;
    sources.push(root().join(RUNNERS).join("main.swift"));
    let headers = root().join(SWIFT).join("JazzNativeStorageFFI");
    let headers = headers.display();
    let module_map = format!("-fmodule-map-file={headers}/module.modulemap");
    let libraries = folder_of(&library).display().to_string();
    let arguments =
        ["-O", "-I", &headers.to_string(), "-Xcc", &module_map, "-L", &libraries, "-ljazz_native_storage"];
    let search = ["-Xlinker", "-rpath", "-Xlinker", &libraries];
    swift::compile(&sources, &program, &[&arguments[..], &search].concat())?;
    run(swift::run_command(&program, &[CASES])?, "run `cargo xtask setup swift`")
}

fn built(name: &str) -> Outcome<PathBuf> {
    let folder = root().join(BUILT);
    std::fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    Ok(folder.join(name))
}

/// The sources of a language in a folder.
fn sources(folder: &str, extension: &str) -> Outcome<Vec<PathBuf>> {
    let folder = root().join(folder);
    let entries = std::fs::read_dir(&folder)
        .map_err(|error| format!("cannot list {} ({error}): run `cargo xtask codegen`", folder.display()))?;
    let mut sources: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    sources.retain(|path| path.extension().is_some_and(|found| found == extension));
    sources.sort();
    Ok(sources)
}

fn folder_of(library: &Path) -> &Path {
    library.parent().unwrap_or(library)
}
