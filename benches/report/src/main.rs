//! The command that writes the report: `cargo xtask bench` runs it.

use std::path::PathBuf;
use std::process::ExitCode;

use jazz_storage_bench_report::results::{Suite, file_name};
use jazz_storage_bench_report::{Report, choose, headline, read};

const USAGE: &str = "\
jazz-storage-bench-report --out DIR [OPTIONS] [FILE...]

Writes DIR/REPORT.md and DIR/report of the result files.

  --newest DIR     take the newest run of each suite in DIR instead of named files
  --suites NAMES   which (js,engine unless told; browser is added if there is a run of the same commit)
  --headline FILE  put the headline between the markers of FILE
  --link PATH      the report's path from there (benches/REPORT.md unless told)
  --allow-quick    take quick runs, too
";

#[derive(Debug, Default)]
struct Options {
    out: Option<PathBuf>,
    newest: Option<PathBuf>,
    suites: Vec<Suite>,
    headline: Option<PathBuf>,
    link: Option<String>,
    allow_quick: bool,
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match options(&arguments).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("report: {message}");
            ExitCode::FAILURE
        }
    }
}

fn options(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().cloned().ok_or_else(|| format!("{argument} needs a value\n\n{USAGE}"));
        match argument.as_str() {
            "--out" => options.out = Some(value()?.into()),
            "--newest" => options.newest = Some(value()?.into()),
            "--suites" => options.suites = suites(&value()?)?,
            "--headline" => options.headline = Some(value()?.into()),
            "--link" => options.link = Some(value()?),
            "--allow-quick" => options.allow_quick = true,
            unknown if unknown.starts_with('-') => {
                return Err(format!("there is no option {unknown}\n\n{USAGE}"));
            }
            file => options.files.push(file.into()),
        }
    }
    Ok(options)
}

fn suites(names: &str) -> Result<Vec<Suite>, String> {
    let of = |name: &str| Suite::ALL.into_iter().find(|suite| suite.name() == name);
    names.split(',').map(|name| of(name).ok_or_else(|| format!("there is no suite {name:?}"))).collect()
}

fn run(options: &Options) -> Result<(), String> {
    let Some(out) = &options.out else { return Err(format!("--out is needed\n\n{USAGE}")) };
    let files = match &options.newest {
        None => options.files.clone(),
        Some(directory) => {
            let (wanted, optional): (&[_], &[_]) = match options.suites.as_slice() {
                [] => (&[Suite::Js, Suite::Engine], &[Suite::Browser]),
                named => (named, &[]),
            };
            choose::newest(directory, wanted, optional, options.allow_quick)
                .map_err(|error| error.to_string())?
        }
    };
    if files.is_empty() {
        return Err(format!("there are no result files\n\n{USAGE}"));
    }
    let link = options.link.as_deref().unwrap_or("benches/REPORT.md");
    let written = read(&files).and_then(|inputs| {
        let report = Report::of(&inputs, options.allow_quick, link)?;
        let path = report.write(out)?;
        if let Some(text) = &options.headline {
            headline::insert(text, &report.headline)?;
        }
        Ok(path)
    });
    let path = written.map_err(|error| error.to_string())?;
    let names: Vec<String> = files.iter().map(|file| file_name(file)).collect();
    println!("{} is the report on {}", path.display(), names.join(", "));
    Ok(())
}
