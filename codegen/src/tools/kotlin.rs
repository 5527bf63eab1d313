//! Kotlin on a Java virtual machine: what compiles and runs the bindings of UniFFI where there is no Android.
//!
//! The compiler is that of `kotlinc` in `PATH`, else npm's package of it in `.tools`. Either is run by its jar, so that
//! both are used alike, and brings the coroutines that the bindings need. JNA, by which they reach the library, and
//! Gson, with which the tests read JSON, are Debian's, or those that `JNA_JAR` and `GSON_JAR` name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::node;
use crate::process::{Outcome, command, output, run};
use crate::tools::{Folder, apt};

const NPM: Folder = Folder { name: "kotlin", version: "2.4.20" };
const NPM_PACKAGE: &str = "kotlin-compiler";

const GET_JAVA: &str = "install a Java virtual machine, 11 or later";
const OLDEST_JAVA: u32 = 11;

/// What the compiler needs beside its own jar, from the same folder.
const COMPILER_JARS: [&str; 5] = [
    "kotlin-stdlib.jar",
    "kotlin-script-runtime.jar",
    "kotlin-reflect.jar",
    "annotations-13.0.jar",
    COROUTINES_JAR,
];
const COROUTINES_JAR: &str = "kotlinx-coroutines-core-jvm.jar";

/// A library of Java's.
struct Library {
    name: &'static str,
    /// The variable that names another jar.
    variable: &'static str,
    /// Debian's jar, and the package that brings it.
    jar: &'static str,
    package: &'static str,
}

const JNA: Library =
    Library { name: "JNA", variable: "JNA_JAR", jar: "/usr/share/java/jna.jar", package: "libjna-java" };
const GSON: Library = Library {
    name: "Gson",
    variable: "GSON_JAR",
    jar: "/usr/share/java/gson.jar",
    package: "libgoogle-gson-java",
};

/// What is there, or the first thing that is not.
pub(crate) fn find() -> Outcome<String> {
    let java = java_version()?;
    let compiler = compiler()?;
    JNA.find()?;
    GSON.find()?;
    Ok(format!("{}, Java {java}", compiler.version))
}

/// Installs what is missing.
pub(crate) fn ensure() -> Outcome<()> {
    if java_version().is_err() {
        apt::install(&["default-jre-headless"]).map_err(|reason| format!("{GET_JAVA} ({reason})"))?;
        java_version()?;
    }
    if compiler().is_err() {
        let package = format!("{NPM_PACKAGE}@{}", NPM.version);
        NPM.ensure(|folder| node::install_into(folder, &package))?;
        compiler()?;
    }
    JNA.ensure()?;
    GSON.ensure()
}

/// Compiles Kotlin to a jar, with coroutines, JNA and Gson at hand.
pub(crate) fn compile(sources: &[PathBuf], jar: &Path) -> Outcome<()> {
    let compiler = compiler()?;
    let mut jars = vec![compiler.lib.join("kotlin-compiler.jar")];
    jars.extend(COMPILER_JARS.iter().map(|name| compiler.lib.join(name)));
    let mut compile = command("java", &["-cp"]);
    compile.arg(class_path(jars)?).arg("org.jetbrains.kotlin.cli.jvm.K2JVMCompiler");
    compile.args(["-no-stdlib", "-no-reflect", "-cp"]).arg(class_path(compiler.libraries()?)?);
    compile.arg("-d").arg(jar).args(sources);
    run(compile, GET_JAVA)
}

/// The command that runs a class of a jar, with the libraries that it was compiled with. JNA looks for native libraries
/// in `native`.
pub(crate) fn java(jar: &Path, main_class: &str, arguments: &[&str], native: &Path) -> Outcome<Command> {
    let mut jars = vec![jar.to_owned()];
    jars.extend(compiler()?.libraries()?);
    let mut java = command("java", &["-cp"]);
    java.arg(class_path(jars)?).arg(format!("-Djna.library.path={}", native.display()));
    java.arg(main_class).args(arguments);
    Ok(java)
}

struct Compiler {
    version: String,
    /// The folder of its jars.
    lib: PathBuf,
}

impl Compiler {
    /// The compiler of which this is the folder, if it is one of version 2.
    fn at(home: &Path) -> Option<Compiler> {
        let build = fs::read_to_string(home.join("build.txt")).ok()?;
        let (lib, version) = (home.join("lib"), second_version(&build)?);
        let whole = COMPILER_JARS.iter().chain(&["kotlin-compiler.jar"]).all(|jar| lib.join(jar).exists());
        whole.then(|| Compiler { version: version.to_owned(), lib })
    }

    /// What compiled programs need.
    fn libraries(&self) -> Outcome<Vec<PathBuf>> {
        let own = ["kotlin-stdlib.jar", COROUTINES_JAR].map(|name| self.lib.join(name));
        Ok([own.as_slice(), &[JNA.find()?, GSON.find()?]].concat())
    }
}

/// The compiler of `PATH`, else ours.
fn compiler() -> Outcome<Compiler> {
    if let Some(compiler) = compiler_in_path() {
        return Ok(compiler);
    }
    let ours = Compiler::at(&NPM.path().join("node_modules").join(NPM_PACKAGE));
    ours.filter(|_| NPM.is_there()).ok_or_else(|| {
        "no Kotlin compiler: install kotlinc 2, or run `cargo xtask setup kotlin`, which fetches 90 MB"
            .to_owned()
    })
}

/// The compiler that `kotlinc` of `PATH` belongs to.
fn compiler_in_path() -> Option<Compiler> {
    let name = if cfg!(windows) { "kotlinc.bat" } else { "kotlinc" };
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).find_map(|folder| {
        let program = fs::canonicalize(folder.join(name)).ok()?;
        let home = program.parent()?.parent()?;
        // Homebrew's `kotlinc` is a script that starts the one in `libexec`.
        Compiler::at(home).or_else(|| Compiler::at(&home.join("libexec")))
    })
}

impl Library {
    fn find(&self) -> Outcome<PathBuf> {
        let Library { name, variable, jar, package } = self;
        match std::env::var_os(variable).map(PathBuf::from) {
            Some(path) if path.exists() => Ok(path),
            Some(path) => Err(format!("{variable} is {}, which is not there", path.display())),
            None if Path::new(jar).exists() => Ok(PathBuf::from(jar)),
            None => Err(format!("no {name}: install {package} (Debian), or set {variable} to its jar")),
        }
    }

    fn ensure(&self) -> Outcome<()> {
        let Err(missing) = self.find() else { return Ok(()) };
        if std::env::var_os(self.variable).is_some() {
            return Err(missing);
        }
        apt::install(&[self.package]).map_err(|reason| format!("{missing} ({reason})"))?;
        self.find().map(|_| ())
    }
}

fn java_version() -> Outcome<String> {
    let printed = output(command("java", &["--version"]), GET_JAVA)?;
    match java_major(&printed) {
        Some((version, major)) if major >= OLDEST_JAVA => Ok(version.to_owned()),
        _ => Err(format!("`java --version` says {printed:?}: {GET_JAVA}")),
    }
}

/// The version, and the first number of it, in a text such as `openjdk 17.0.15 2025-04-15`.
fn java_major(text: &str) -> Option<(&str, u32)> {
    text.split_whitespace().find_map(|word| {
        let major = word.split(['.', '-', '+']).next()?;
        Some((word, major.parse().ok()?))
    })
}

/// The version in the `build.txt` of a compiler, such as `2.1.0-release-394`, if its first number is 2.
fn second_version(build: &str) -> Option<&str> {
    let version = build.trim().split('-').next()?;
    version.starts_with("2.").then_some(version)
}

fn class_path(jars: Vec<PathBuf>) -> Outcome<std::ffi::OsString> {
    std::env::join_paths(jars).map_err(|error| format!("a path cannot be part of a class path: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_java_are_found_in_what_it_prints() {
        assert_eq!(java_major("openjdk 17.0.15 2025-04-15\nOpenJDK Runtime …"), Some(("17.0.15", 17)));
        assert_eq!(java_major("openjdk 21 2023-09-19"), Some(("21", 21)));
        assert_eq!(java_major("java 25-ea 2025-09-16"), Some(("25-ea", 25)));
        assert_eq!(java_major("none"), None);
    }

    #[test]
    fn only_a_second_kotlin_is_one() {
        assert_eq!(second_version("2.1.0-release-394"), Some("2.1.0"));
        assert_eq!(second_version("2.4.20\n"), Some("2.4.20"));
        assert_eq!(second_version("1.9.24-release-822"), None);
    }
}
