//! What a soak is asked for.

use std::path::PathBuf;

use crate::Result;

/// The command line. Numbers that are not given have a default for each scenario, and a tiny one with `--quick`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// The scenarios; all of them if there is none.
    pub(super) scenarios: Vec<String>,
    pub(super) quick: bool,
    pub(super) messages: Option<u64>,
    pub(super) rows: Option<u64>,
    pub(super) size: Option<u64>,
    pub(super) largest: Option<u64>,
    pub(super) cache: Option<u64>,
    pub(super) segment: Option<u64>,
    pub(super) delta: Option<u64>,
    pub(super) buffer: Option<u64>,
    pub(super) rounds: Option<u64>,
    pub(super) in_flight: Option<u64>,
    pub(super) seed: Option<u64>,
    pub(super) directory: Option<PathBuf>,
    pub(super) json: Option<PathBuf>,
    /// Only this part of a scenario, in this process, on this store: how a soak calls itself.
    pub(super) phase: Option<Call>,
}

/// A phase and the directory of its store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) scenario: String,
    pub(super) phase: String,
    pub(super) store: PathBuf,
}

/// What `--help` says of them.
pub(super) const HELP: &str = "\
  --quick            tiny sizes: does everything work? Says nothing about speed
  --dir DIRECTORY    where the stores are put, on a real disk (default: the system's directory for temporary files)
  --json FILE        write the raw figures
  --seed N           of the data (default: 1)
  --messages N       writes: one-transaction messages; strict: messages of one after the other
  --rows N           open: rows in the index
  --size BYTES       bounded, erase: bytes of content (K, M and G may follow)
  --largest BYTES    bounded: bytes of the largest CoValue
  --cache BYTES      the store's cache
  --delta BYTES      size at which the delta is written out
  --buffer BYTES     the store's buffers for reading
  --segment BYTES    size at which a segment of the log is sealed
  --rounds N         strict: rounds, in which the contestants take turns
  --in-flight N      strict: threads that store at the same time
";

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let Some(name) = argument.strip_prefix("--") else {
                options.scenarios.push(argument.clone());
                continue;
            };
            if name == "quick" {
                options.quick = true;
                continue;
            }
            let mut text = || rest.next().ok_or_else(|| format!("{argument} needs a value"));
            let number = match name {
                "dir" => {
                    options.directory = Some(text()?.into());
                    continue;
                }
                "json" => {
                    options.json = Some(text()?.into());
                    continue;
                }
                "phase" => {
                    let (scenario, phase) = (text()?.clone(), text()?.clone());
                    options.phase = Some(Call { scenario, phase, store: text()?.into() });
                    continue;
                }
                "messages" => &mut options.messages,
                "rows" => &mut options.rows,
                "size" => &mut options.size,
                "largest" => &mut options.largest,
                "cache" => &mut options.cache,
                "segment" => &mut options.segment,
                "delta" => &mut options.delta,
                "buffer" => &mut options.buffer,
                "rounds" => &mut options.rounds,
                "in-flight" => &mut options.in_flight,
                "seed" => &mut options.seed,
                _ => return Err(format!("there is no option {argument}: see --help").into()),
            };
            *number = Some(parse_number(text()?)?);
        }
        Ok(options)
    }

    /// A number as it was given, or else one of the defaults.
    pub(super) fn or(&self, given: Option<u64>, full: u64, quick: u64) -> u64 {
        given.unwrap_or(if self.quick { quick } else { full })
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed.unwrap_or(1)
    }
}

/// A number that K, M or G may follow, powers of 1024.
fn parse_number(text: &str) -> Result<u64> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K') => (&text[..text.len() - 1], 10),
        Some(b'M') => (&text[..text.len() - 1], 20),
        Some(b'G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    number.ok_or_else(|| format!("{text:?} is not a number such as 2000 or 256M").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options> {
        Options::parse(&text.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read() {
        let options =
            parse("writes --messages 5 open --cache 2M --quick --dir /x --phase open fill /y").unwrap();
        assert_eq!(options.scenarios, ["writes", "open"]);
        assert_eq!((options.messages, options.cache, options.quick), (Some(5), Some(2 << 20), true));
        assert_eq!(options.directory, Some("/x".into()));
        assert_eq!(options.phase.unwrap().store, PathBuf::from("/y"));
        assert_eq!(parse("--seed 9").unwrap().or(None, 10, 1), 10);
        assert_eq!(parse("--quick").unwrap().or(Some(7), 10, 1), 7);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in
            [("--rows", "--rows"), ("--rows x", "\"x\""), ("--frows 1", "--frows"), ("--size 1T", "1T")]
        {
            assert!(parse(text).unwrap_err().to_string().contains(named), "{text}");
        }
        assert!(parse("--size 99999999999G").is_err());
    }
}
