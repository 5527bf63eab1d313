//! The result files that a report is made of: the newest run of each suite.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::results::{Suite, file_name};

/// What is looked at before a file is read as a whole.
#[derive(Deserialize)]
struct Head {
    suite: Suite,
    date: String,
    commit: Option<String>,
    quick: bool,
}

/// The newest run of each wanted suite in a directory. Quick ones count only where they are allowed.
///
/// A suite that is only `optional` is left out unless its newest run is of the same commit as the wanted ones.
pub fn newest(
    directory: &Path,
    wanted: &[Suite],
    optional: &[Suite],
    allow_quick: bool,
) -> Result<Vec<PathBuf>> {
    let heads = heads(directory)?;
    let of = |suite: Suite| {
        let runs = heads.iter().filter(|(_, head)| head.suite == suite && (allow_quick || !head.quick));
        runs.max_by(|(a, one), (b, other)| (&one.date, a).cmp(&(&other.date, b)))
    };
    let mut chosen = Vec::new();
    let mut commit = None;
    for &suite in wanted {
        let missing = || Error::Missing { directory: directory.to_owned(), suite: suite.to_string() };
        let (path, head) = of(suite).ok_or_else(missing)?;
        commit = Some(&head.commit);
        chosen.push(path.clone());
    }
    for &suite in optional {
        chosen
            .extend(of(suite).filter(|(_, head)| Some(&head.commit) == commit).map(|(path, _)| path.clone()));
    }
    Ok(chosen)
}

/// The result files of a directory. What else is there is none of a run of this form, and passed over.
fn heads(directory: &Path) -> Result<Vec<(PathBuf, Head)>> {
    let failed = |source| Error::Read { path: directory.to_owned(), source };
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        match serde_json::from_str(&text) {
            Ok(head) => found.push((path, head)),
            // What says by its name that it is a run must not be passed over for an older one.
            Err(error) if Suite::ALL.iter().any(|suite| is_of(&path, *suite)) => {
                let (file, field) = (file_name(&path), "the whole".to_owned());
                return Err(Error::Field { file, field, reason: error.to_string() });
            }
            Err(_) => {}
        }
    }
    Ok(found)
}

fn is_of(path: &Path, suite: Suite) -> bool {
    file_name(path).strip_prefix(suite.name()).is_some_and(|rest| rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(directory: &Path, name: &str, suite: &str, date: &str, commit: &str, quick: bool) {
        let text = format!(r#"{{"suite":"{suite}","date":"{date}","commit":"{commit}","quick":{quick}}}"#);
        fs::write(directory.join(name), text).unwrap();
    }

    fn names(chosen: Result<Vec<PathBuf>>) -> Vec<String> {
        chosen.unwrap().iter().map(|path| file_name(path)).collect()
    }

    #[test]
    fn the_newest_run_of_each_suite_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        put(at, "js-1.json", "js", "2026-01-01T00:00:00Z", "a", false);
        put(at, "js-2.json", "js", "2026-01-03T00:00:00Z", "b", false);
        put(at, "js-3.json", "js", "2026-01-04T00:00:00Z", "b", true);
        put(at, "engine-1.json", "engine", "2026-01-02T00:00:00Z", "b", false);
        put(at, "browser-1.json", "browser", "2026-01-02T00:00:00Z", "a", false);
        fs::write(at.join("notes.json"), "[]").unwrap();

        let both = [Suite::Js, Suite::Engine];
        let found = names(newest(at, &both, &[Suite::Browser], false));
        assert_eq!(found, ["js-2.json", "engine-1.json"], "the browser's is of another commit");
        assert_eq!(names(newest(at, &[Suite::Js], &[], true)), ["js-3.json"]);
        put(at, "browser-2.json", "browser", "2026-01-05T00:00:00Z", "b", false);
        assert_eq!(names(newest(at, &both, &[Suite::Browser], false)).len(), 3);

        fs::write(at.join("js-4.json"), "{").unwrap();
        let error = newest(at, &both, &[], false).unwrap_err().to_string();
        assert!(error.starts_with("js-4.json: "), "{error}");
    }

    #[test]
    fn a_suite_without_runs_is_missing() {
        let directory = tempfile::tempdir().unwrap();
        put(directory.path(), "js-1.json", "js", "2026-01-01T00:00:00Z", "a", true);
        let error = newest(directory.path(), &[Suite::Js], &[], false).unwrap_err().to_string();
        assert!(error.contains("no results of the suite js"), "{error}");
        assert!(newest(&directory.path().join("none"), &[Suite::Js], &[], false).is_err());
    }
}
