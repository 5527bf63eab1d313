//! The report of the benchmarks: result files in, benches/REPORT.md, its plots and the headline of README.md out.
//!
//! A report is a function of its result files ([`Report::of`]): the same files give the same bytes. It has no number of its
//! own but the targets.

pub mod check;
pub mod choose;
mod error;
pub mod format;
pub mod headline;
pub mod losses;
pub mod markdown;
pub mod plots;
mod report;
pub mod results;
pub mod stats;
pub mod targets;
pub mod view;

use std::fs;
use std::path::{Path, PathBuf};

pub use error::{Error, Result};
use results::{Run, file_name, parse};

/// A report, before it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The text, in Markdown.
    pub text: String,
    /// The block for README.md, in Markdown.
    pub headline: String,
    /// Plots and result files, by the names they have in the report's folder.
    pub files: Vec<(String, String)>,
}

/// A result file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its name in errors.
    pub name: String,
    /// What is in it.
    pub text: String,
}

impl Report {
    /// The report on these result files; `link` leads to it from where the headline is.
    ///
    /// # Errors
    ///
    /// A file that is not of the documented form, of a quick run unless these are allowed, of a suite that another one is of
    /// already, or of another commit.
    pub fn of(inputs: &[Input], allow_quick: bool, link: &str) -> Result<Self> {
        let mut runs = Vec::new();
        for Input { name, text } in inputs {
            let run = parse(name, text)?;
            check::run(name, &run)?;
            runs.push((name.clone(), run));
        }
        check::together(&runs, allow_quick)?;
        let mut all: Vec<(&Run, &str)> =
            runs.iter().zip(inputs).map(|((_, run), input)| (run, input.text.as_str())).collect();
        all.sort_by_key(|(run, _)| run.suite);
        let runs: Vec<&Run> = all.iter().map(|(run, _)| *run).collect();
        let plots = plots::draw(&runs)?;
        let (text, headline) = report::write(&runs, &plots, link);
        let mut files: Vec<(String, String)> =
            all.iter().map(|(run, text)| (format!("{}.json", run.suite), (*text).to_owned())).collect();
        files.extend(plots.into_iter().map(|plot| (plot.name, plot.svg)));
        Ok(Self { text, headline, files })
    }

    /// Writes `REPORT.md` and the folder `report` beside it; plots that are in it from an earlier report and not of this
    /// one are removed.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn write(&self, directory: &Path) -> Result<PathBuf> {
        let folder = directory.join(report::FOLDER);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Write { path, source }
        };
        fs::create_dir_all(&folder).map_err(failed(&folder))?;
        for entry in fs::read_dir(&folder).map_err(failed(&folder))? {
            let path = entry.map_err(failed(&folder))?.path();
            if path.extension().is_some_and(|extension| extension == "svg") {
                fs::remove_file(&path).map_err(failed(&path))?;
            }
        }
        for (name, text) in &self.files {
            let path = folder.join(name);
            fs::write(&path, text).map_err(failed(&path))?;
        }
        let path = directory.join("REPORT.md");
        fs::write(&path, &self.text).map_err(failed(&path))?;
        Ok(path)
    }
}

/// Reads result files.
///
/// # Errors
///
/// What the system says.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Input>> {
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path);
        let text = text.map_err(|source| Error::Read { path: path.clone(), source })?;
        Ok(Input { name: file_name(path), text })
    };
    paths.iter().map(read).collect()
}
