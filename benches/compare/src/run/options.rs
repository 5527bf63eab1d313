//! What the runner is asked for.

use std::path::PathBuf;

use jazz_storage_bench::Result;

/// The command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) quick: bool,
    /// Names of stores, with or without a level; all of them if there is none.
    pub(super) peers: Vec<String>,
    /// Names of workloads; all of them if there is none.
    pub(super) workloads: Vec<String>,
    pub(super) rounds: Option<usize>,
    pub(super) seed: Option<u64>,
    pub(super) directory: Option<PathBuf>,
    pub(super) scale_max: Option<u32>,
    /// Where the figures go.
    pub(super) json: Option<PathBuf>,
    /// Only this, in this process: how the runner calls itself. JSON text.
    pub(super) call: Option<String>,
}

/// What `--help` says of them.
pub(super) const HELP: &str = "\
compare [OPTIONS]: jazz-storage-core against other stores

  --quick            tiny sizes: does everything work? Says nothing about speed
  --peers A,B        only these, by name (sqlite-power) or by store (sqlite); no native storage unless it is named
  --workloads A,B    only these: small, hot, bulk, files, mixed, scale
  --rounds N         rounds, in which the peers take turns (default: 3)
  --seed N           of the data (default: 1)
  --dir DIRECTORY    where the stores are put, on a real disk (default: the system's directory for temporary files)
  --scale-max N      the most CoValues of the workload scale (default: 1000000)
  --json FILE        write the figures there (default: benches/results/engine-DATE.json; with --quick nowhere)

The peers:
";

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if argument == "--quick" {
                options.quick = true;
                continue;
            }
            let mut text = || rest.next().cloned().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--peers" => options.peers = list(&text()?),
                "--workloads" => options.workloads = list(&text()?),
                "--rounds" => options.rounds = Some(number(argument, &text()?)?),
                "--seed" => options.seed = Some(number(argument, &text()?)?),
                "--dir" => options.directory = Some(text()?.into()),
                "--scale-max" => options.scale_max = Some(number(argument, &text()?)?),
                "--json" => options.json = Some(text()?.into()),
                "--call" => options.call = Some(text()?),
                _ => return Err(format!("there is no option {argument}: see --help").into()),
            }
        }
        if options.rounds == Some(0) {
            return Err("--rounds needs at least one".into());
        }
        Ok(options)
    }

    pub(super) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 3 })
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed.unwrap_or(1)
    }

    /// The sizes of the workload `scale`: each ten times the one before.
    pub(super) fn decades(&self) -> Vec<u32> {
        let (first, most) = if self.quick { (100, 1_000) } else { (1_000, 1_000_000) };
        let most = self.scale_max.unwrap_or(most);
        std::iter::successors(Some(first), |at: &u32| at.checked_mul(10))
            .take_while(|&at| at <= most)
            .collect()
    }

    /// Whether a workload is asked for.
    pub(super) fn wants(&self, workload: &str) -> bool {
        self.workloads.is_empty() || self.workloads.iter().any(|name| name == workload)
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| format!("{option} takes a number, not {text:?}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options> {
        Options::parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read() {
        let options = parse("--peers sqlite,redb-power --rounds 5 --scale-max 20000 --dir /x").unwrap();
        assert_eq!((options.peers.len(), options.rounds(), options.seed()), (2, 5, 1));
        assert_eq!(options.decades(), [1_000, 10_000]);
        assert_eq!(options.directory, Some("/x".into()));
        assert!(options.wants("small") && !parse("--workloads hot").unwrap().wants("small"));
        assert_eq!(parse("--quick").unwrap().decades(), [100, 1_000]);
        assert_eq!(parse("").unwrap().decades().last(), Some(&1_000_000));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in
            [("--rounds", "--rounds"), ("--seed x", "\"x\""), ("--fast", "--fast"), ("--rounds 0", "one")]
        {
            assert!(parse(text).unwrap_err().to_string().contains(named), "{text}");
        }
    }
}
