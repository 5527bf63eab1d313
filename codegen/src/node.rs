//! What runs on Node: npm's packages, the addon, the TypeScript package, its checks, the demo and the benchmark.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Outcome, command, output, root, run, say};
use crate::tools::newer_node;

const GET_NODE: &str = "install Node.js 20.19 or later, with npm";

const LOCK: &str = "package-lock.json";

/// The JavaScript benchmark, from the root.
const BENCH: &str = "benches/js/run.mjs";

/// Where the TypeScript package lives, from the root.
pub(crate) const PACKAGE: &str = "npm/jazz-native-storage";

/// Installs npm's packages unless exactly those of `package-lock.json` are there.
///
/// By `npm install --no-save`, which keeps to the lock file as `npm ci` does, but does not refuse one that lacks the
/// optional packages of platforms other than the one it was written on.
pub(crate) fn ensure_modules() -> Outcome<()> {
    ensure_modules_in(&root())
}

/// The same for a project outside the workspace, which has a lock file of its own.
fn ensure_modules_in(project: &Path) -> Outcome<()> {
    let lock = project.join(LOCK);
    let wanted = fs::read(&lock)
        .map_err(|error| format!("cannot read {} ({error}): run `npm install`", lock.display()))?;
    let stamp = project.join("node_modules/.installed-package-lock.json");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let mut install =
        command(script("npm"), &["install", "--no-save", "--no-fund", "--no-audit", "--loglevel=error"]);
    // It acts as in the folder, whatever script of the workspace this program has been started by.
    install.current_dir(project);
    run(install, GET_NODE)?;
    fs::write(&stamp, wanted).map_err(|error| format!("cannot write {}: {error}", stamp.display()))
}

/// Installs the packages of a project outside the workspace, and among them ours as it is published.
pub(crate) fn ensure_outside(project: &str) -> Outcome<()> {
    let project = root().join(project);
    ensure_modules_in(&project)?;
    let packed = root().join("target/xtask/packed");
    let package = project.join("node_modules/jazz-native-storage");
    for folder in [&packed, &package] {
        if folder.exists() {
            fs::remove_dir_all(folder)
                .map_err(|error| format!("cannot remove {}: {error}", folder.display()))?;
        }
        fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    let mut pack = command(script("npm"), &["pack", "--silent", "--pack-destination"]);
    pack.arg(&packed).current_dir(root().join(PACKAGE));
    run(pack, GET_NODE)?;
    let tarball = fs::read_dir(&packed)
        .ok()
        .and_then(|mut entries| entries.next()?.ok())
        .ok_or_else(|| format!("npm has packed nothing to {}", packed.display()))?;
    let mut unpack = command("tar", &["--strip-components=1", "-xzf"]);
    unpack.arg(tarball.path()).arg("-C").arg(&package);
    run(unpack, "install tar")
}

/// Runs a script of a project outside the workspace.
pub(crate) fn outside_script(project: &str, name: &str) -> Outcome<()> {
    let mut script = command(script("npm"), &["run", "--silent", name]);
    script.current_dir(root().join(project));
    run(script, GET_NODE)
}

/// Installs a package of npm's, such as `name@1.2.3`, and what it needs, into a folder of its own outside the workspace's.
pub(crate) fn install_into(folder: &Path, package: &str) -> Outcome<()> {
    write(&folder.join("package.json"), "{ \"private\": true }\n")?;
    let mut install = command(script("npm"), &["install", "--prefix"]);
    install.arg(folder).args(["--ignore-scripts", "--no-fund", "--no-audit", "--loglevel=error", package]);
    install.current_dir(folder);
    run(install, GET_NODE)
}

/// Installs exactly the packages of the lock file in a folder outside the workspace.
pub(crate) fn install_locked(folder: &Path) -> Outcome<()> {
    let mut install = command(script("npm"), &["ci", "--no-workspaces", "--prefix"]);
    install.arg(folder).args(["--ignore-scripts", "--no-fund", "--no-audit", "--loglevel=error"]);
    install.current_dir(folder);
    run(install, GET_NODE)
}

/// Whether npm's packages have been installed at all.
pub(crate) fn has_modules() -> bool {
    modules().join(".installed-package-lock.json").exists()
}

/// Builds the addon in release mode, to where the package looks for it first; for this platform, unless `more` names
/// another in arguments of `napi build`.
pub(crate) fn build_addon(more: &[String]) -> Outcome<()> {
    ensure_modules()?;
    let package_json = format!("{PACKAGE}/package.json");
    let native = format!("{PACKAGE}/native");
    let mut arguments = vec!["build", "--platform", "--release", "--no-const-enum", "--no-js"];
    arguments.extend(["--manifest-path", "platforms/napi/Cargo.toml", "--package-json-path", &package_json]);
    arguments.extend(["--output-dir", &native, "--dts", "binding.d.ts"]);
    arguments.extend(more.iter().map(String::as_str));
    tool("napi", &arguments)
}

/// Compiles the TypeScript package to JavaScript and declarations.
pub(crate) fn build_package() -> Outcome<()> {
    ensure_modules()?;
    tool("tsc", &["--project", &format!("{PACKAGE}/tsconfig.build.json")])?;
    // What needs no separate files is made of the WebAssembly module, which not every suite builds.
    let module = root().join(PACKAGE).join("dist/wasm/jazz_native_storage_wasm_bg.wasm");
    if module.exists() {
        node(&[&format!("{PACKAGE}/embed.mjs")])?;
    }
    // What every published package carries, kept once in the repository.
    for name in ["README.md", "LICENSE"] {
        let copied = fs::copy(root().join(name), root().join(PACKAGE).join(name));
        copied.map_err(|error| format!("cannot copy {name} into {PACKAGE}: {error}"))?;
    }
    Ok(())
}

/// Type-checks every TypeScript project of the workspace, the faces of the bindings against each other among them.
pub(crate) fn type_check() -> Outcome<()> {
    for project in typescript_projects()? {
        tool("tsc", &["--noEmit", "--project", &project])?;
    }
    Ok(())
}

/// The TypeScript projects of the workspace's packages, by the paths of their configurations.
fn typescript_projects() -> Outcome<Vec<String>> {
    let mut projects = vec![format!("{PACKAGE}/tsconfig.json")];
    let mut folders = vec!["npm/conformance".to_owned(), "benches/js".to_owned()];
    let examples = root().join("examples");
    let entries =
        fs::read_dir(&examples).map_err(|error| format!("cannot list {}: {error}", examples.display()))?;
    for entry in entries {
        let entry = entry.map_err(|error| format!("cannot list {}: {error}", examples.display()))?;
        folders.push(format!("examples/{}", entry.file_name().to_string_lossy()));
    }
    folders.sort();
    projects.extend(
        folders
            .into_iter()
            .map(|folder| format!("{folder}/tsconfig.json"))
            .filter(|project| root().join(project).exists())
            // Those outside the workspace check their types themselves, where their packages are installed.
            .filter(|project| !root().join(project).with_file_name(LOCK).exists()),
    );
    Ok(projects)
}

/// Runs the Node demo on a fresh build.
pub(crate) fn demo(arguments: &[String]) -> Outcome<()> {
    built("examples/node/demo.mjs", arguments)
}

/// Runs the JavaScript benchmark on a fresh build.
pub(crate) fn bench(arguments: &[String]) -> Outcome<()> {
    built(BENCH, &with_newer_node(arguments))
}

/// Runs the JavaScript benchmark in a small size, on what is built.
pub(crate) fn quick_bench() -> Outcome<()> {
    let arguments = with_newer_node(&["--quick".to_owned()]);
    let all: Vec<&str> = std::iter::once(BENCH).chain(arguments.iter().map(String::as_str)).collect();
    node(&all)
}

/// These arguments of the benchmark, and where a Node with SQLite in it is. Without one the benchmark says what it skips.
fn with_newer_node(arguments: &[String]) -> Vec<String> {
    if let Err(reason) = newer_node::ensure() {
        say!("node:sqlite cannot be measured: {reason}");
    }
    [newer_node::arguments().as_slice(), arguments].concat()
}

/// Kills processes that store, round after round, on a fresh build.
pub(crate) fn kill_rounds(arguments: &[String]) -> Outcome<()> {
    built("npm/jazz-native-storage/test/kill/rounds.mjs", arguments)
}

/// Runs a JavaScript file on a fresh build of the addon and the package.
pub(crate) fn built(file: &str, arguments: &[String]) -> Outcome<()> {
    build_addon(&[])?;
    build_package()?;
    let mut all = vec![file];
    all.extend(arguments.iter().map(String::as_str));
    node(&all)
}

/// Runs a script of a workspace's package.
pub(crate) fn npm_script(workspace: &str, name: &str) -> Outcome<()> {
    run(command(script("npm"), &["run", "--silent", name, "--workspace", workspace]), GET_NODE)
}

/// Runs a program that one of npm's packages brings.
pub(crate) fn tool(name: &str, arguments: &[&str]) -> Outcome<()> {
    run(tool_command(name, arguments), "run `cargo xtask setup`")
}

/// The command that runs a program that one of npm's packages brings.
pub(crate) fn tool_command(name: &str, arguments: &[&str]) -> Command {
    command(modules().join(".bin").join(script(name)), arguments)
}

/// Whether one of npm's packages has brought this program.
pub(crate) fn has_tool(name: &str) -> bool {
    modules().join(".bin").join(script(name)).exists()
}

/// Runs a JavaScript file.
pub(crate) fn node(arguments: &[&str]) -> Outcome<()> {
    run(command("node", arguments), GET_NODE)
}

/// The version of Node, as it prints it.
pub(crate) fn node_version() -> Outcome<String> {
    output(command("node", &["--version"]), GET_NODE)
}

/// The version of npm, as it prints it.
pub(crate) fn npm_version() -> Outcome<String> {
    output(command(script("npm"), &["--version"]), GET_NODE)
}

/// The built addons, by file name.
pub(crate) fn built_addons() -> Vec<String> {
    let entries = fs::read_dir(root().join(PACKAGE).join("native"));
    let names =
        entries.into_iter().flatten().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".node")).collect()
}

/// Writes a file, making the folders it needs.
pub(crate) fn write(path: &Path, text: &str) -> Outcome<()> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, text))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn modules() -> PathBuf {
    root().join("node_modules")
}

/// npm and the programs of its packages are batch files on Windows, which are only found by their full names there.
fn script(name: &str) -> PathBuf {
    if cfg!(windows) { PathBuf::from(format!("{name}.cmd")) } else { PathBuf::from(name) }
}
