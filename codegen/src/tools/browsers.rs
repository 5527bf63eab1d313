//! Browsers: Chromium and Firefox, as they are installed, or Debian's.
//!
//! `CHROME_PATH` and `FIREFOX_PATH` name others. Those that tests download are not used: they come from elsewhere, and are
//! not what users have.

use std::path::PathBuf;
use std::process::Command;

use crate::process::{Outcome, command, output};
use crate::tools::{ahead, apt};

/// A browser that tests can start.
pub(crate) struct Browser {
    /// What the tests call it.
    pub(crate) name: &'static str,
    /// The variable of the environment that names its program.
    variable: &'static str,
    /// Its programs, in `PATH` or where systems put them.
    programs: &'static [&'static str],
    package: &'static str,
}

pub(crate) const CHROMIUM: Browser = Browser {
    name: "chromium",
    variable: "CHROME_PATH",
    programs: &[
        "chromium",
        "google-chrome",
        "chromium-browser",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "C:/Program Files/Google/Chrome/Application/chrome.exe",
    ],
    package: "chromium",
};

pub(crate) const FIREFOX: Browser = Browser {
    name: "firefox",
    variable: "FIREFOX_PATH",
    programs: &[
        "firefox-esr",
        "firefox",
        "/Applications/Firefox.app/Contents/MacOS/firefox",
        "C:/Program Files/Mozilla Firefox/firefox.exe",
    ],
    package: "firefox-esr",
};

impl Browser {
    /// Its version.
    pub(crate) fn find(&self) -> Outcome<String> {
        let version = output(command(self.program()?, &["--version"]), "")?;
        Ok(version.lines().next().unwrap_or_default().trim().to_owned())
    }

    /// Installs it, unless it is there.
    pub(crate) fn ensure(&self) -> Outcome<()> {
        ahead::wait();
        let Err(reason) = self.program() else { return Ok(()) };
        if !cfg!(target_os = "linux") {
            return Err(reason);
        }
        let installed = apt::install(&[self.package]).and_then(|()| self.program());
        installed.map(|_| ()).map_err(|debian| format!("{reason}; nor is Debian's to be had: {debian}"))
    }

    /// Tells a program where it is.
    pub(crate) fn tell(&self, program: &mut Command) -> Outcome<()> {
        program.env(self.variable, self.program()?);
        Ok(())
    }

    fn program(&self) -> Outcome<PathBuf> {
        let named = std::env::var_os(self.variable).map(PathBuf::from);
        let usual = self.programs.iter().flat_map(|program| in_path(program));
        let runs = |path: &PathBuf| output(command(path, &["--version"]), "").is_ok();
        named.into_iter().chain(usual).find(runs).ok_or_else(|| {
            format!("{} is missing: install it, or name its program by {}", self.name, self.variable)
        })
    }
}

/// The programs by which tests drive WebKitGTK on a display that nobody sees, and Debian's packages of them.
const WEBKIT: [(&str, &str); 2] = [("WebKitWebDriver", "webkit2gtk-driver"), ("xvfb-run", "xvfb")];

/// Where WebKitGTK is.
pub(crate) fn find_webkit() -> Outcome<String> {
    let missing = WEBKIT.iter().find(|(program, _)| in_path(program).is_empty());
    match missing {
        Some((program, package)) => Err(format!("{program} is missing: install Debian's {package}")),
        None => Ok("WebKitGTK by WebKitWebDriver".to_owned()),
    }
}

/// Installs WebKitGTK with its driver, unless they are there.
pub(crate) fn ensure_webkit() -> Outcome<()> {
    ahead::wait();
    let Err(reason) = find_webkit() else { return Ok(()) };
    if !cfg!(target_os = "linux") {
        return Err(reason);
    }
    // xvfb-run needs it, and Debian only recommends it.
    let packages: Vec<_> = WEBKIT.iter().map(|(_, package)| *package).chain(["xauth"]).collect();
    let installed = apt::install(&packages).and_then(|()| find_webkit());
    installed.map(|_| ()).map_err(|debian| format!("{reason}; nor is Debian's to be had: {debian}"))
}

/// Where a program may be: in the folders of `PATH`, or where it says.
fn in_path(program: &str) -> Vec<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).map(|folder| folder.join(program)).filter(|path| path.exists()).collect()
}
