//! The figures as tables for people: of each workload and phase the peers, those of one level beside each other, with how
//! many times as long as the native storage each takes.

use std::fmt::Write;

use jazz_storage_bench::Level;

use super::results::{Key, Results, Series};
use crate::contestants::{Contestant, Kind, level_name};

/// All phases in the order in which they are shown, with what they tell.
const PHASES: &[(&str, &str)] = &[
    ("fill", "filling up to this size, per message"),
    ("store", "storing, per message"),
    ("store-close", "opening, storing and closing, per message"),
    ("mixed", "stores, loads and known states in turn, per operation"),
    ("open", "opening"),
    ("load", "loading in a fresh process, per CoValue"),
    ("load-warm", "loading again, per CoValue"),
    ("open-cold", "opening, files not in the page cache"),
    ("load-cold", "loading, files not in the page cache, per CoValue"),
    ("compact", "compacting"),
    ("load-clustered", "loading in a fresh process once compacted, per CoValue"),
    ("load-clustered-warm", "loading again once compacted, per CoValue"),
    ("load-clustered-cold", "loading once compacted, files not in the page cache, per CoValue"),
    ("known", "known state in a fresh process"),
    ("known-warm", "known state again"),
    ("scan", "scanning a session in a fresh process, per scan"),
    ("scan-warm", "scanning a session again, per scan"),
];

/// The middle one, or the mean of the two in the middle.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(*sorted.get(sorted.len() / 2 - 1)?, upper))
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// A workload at a size, and everything that was measured of it.
struct Group<'a> {
    results: &'a Results,
    workload: &'a str,
    at: Option<u32>,
}

impl Group<'_> {
    fn series(&self, phase: &str, metric: &str, peer: &str) -> Option<&Series> {
        self.results.series.get(&Key {
            workload: self.workload.to_owned(),
            phase: phase.to_owned(),
            metric: metric.to_owned(),
            at: self.at,
            peer: peer.to_owned(),
        })
    }

    /// Microseconds per operation, of each round.
    fn each(&self, phase: &str, metric: &str, peer: &str) -> Option<Vec<f64>> {
        let series = self.series(phase, metric, peer)?;
        Some(series.values.iter().map(|value| value * 1e3 / series.operations.max(1) as f64).collect())
    }

    fn megabytes(&self, phase: &str, metric: &str, peer: &str) -> Option<f64> {
        Some(median(&self.series(phase, metric, peer)?.values)? / 1e6)
    }

    fn row(&self, out: &mut String, phase: &str, one: &Contestant, ours: Option<&[f64]>) {
        let Some(each) = self.each(phase, "wall", &one.name) else { return };
        let Some(middle) = median(&each) else { return };
        let cpu = self.each(phase, "cpu", &one.name).and_then(|each| median(&each));
        let _ = write!(
            out,
            "    {:<36} {:>10} {:>23} {:>10}",
            one.title,
            shown(middle),
            format!("{} … {}", shown(least(&each)), shown(most(&each))),
            cpu.map_or_else(String::new, shown),
        );
        let ratios = ours.filter(|_| one.kind != Kind::Ours).and_then(|ours| {
            let rounds: Vec<f64> = each.iter().zip(ours).map(|(peer, ours)| peer / ours).collect();
            Some((middle / median(ours)?, least(&rounds), most(&rounds)))
        });
        let ratios = ratios.map_or_else(String::new, |(middle, least, most)| {
            format!("{middle:.2} ({least:.2} … {most:.2})")
        });
        let memory = self.megabytes(phase, "peakMemory", &one.name);
        let disk = self.megabytes(phase, "disk", &one.name);
        let shown_bytes = |bytes: Option<f64>| bytes.map_or_else(String::new, |bytes| format!("{bytes:.1}"));
        let line = format!("{ratios:>23} {:>9} {:>9}", shown_bytes(memory), shown_bytes(disk));
        let _ = writeln!(out, " {}", line.trim_end());
    }

    fn phase(&self, out: &mut String, phase: &str, about: &str, contestants: &[Contestant]) {
        if !contestants.iter().any(|one| self.series(phase, "wall", &one.name).is_some()) {
            return;
        }
        let _ = writeln!(
            out,
            "\n  {about} [{phase}]\n    {:<36} {:>10} {:>23} {:>10} {:>23} {:>9} {:>9}",
            "", "µs", "rounds", "CPU µs", "times as long as ours", "peak MB", "disk MB"
        );
        for level in [Level::None, Level::Process, Level::Power] {
            let of_level: Vec<&Contestant> = contestants.iter().filter(|one| one.level == level).collect();
            if !of_level.iter().any(|one| self.series(phase, "wall", &one.name).is_some()) {
                continue;
            }
            let _ = writeln!(out, "   survives {}:", survives(level));
            // What is read lies in the same files at every level, and of our store in memory there are none.
            let native = |level| {
                let ours = contestants.iter().find(|one| one.kind == Kind::Ours && one.level == level)?;
                self.each(phase, "wall", &ours.name)
            };
            let ours = native(level).or_else(|| native(Level::Process).filter(|_| is_reading(phase)));
            for one in of_level {
                self.row(out, phase, one, ours.as_deref());
            }
        }
    }

    fn system_calls(&self, out: &mut String, contestants: &[Contestant]) {
        let counted = contestants.iter().filter_map(|one| {
            let per_message = |metric| {
                let series = self.series("store-close", metric, &one.name)?;
                Some(median(&series.values)? / series.operations.max(1) as f64)
            };
            Some((one, per_message("syncs")?, per_message("writes")?))
        });
        let mut lines = counted.peekable();
        if lines.peek().is_none() {
            return;
        }
        let _ = writeln!(out, "\n  system calls per message, opening and closing included [store-close]");
        let _ = writeln!(out, "    {:<36} {:>10} {:>10} {:>10}", "", "syncs", "writes", "survives");
        for (one, syncs, writes) in lines {
            let _ = writeln!(
                out,
                "    {:<36} {syncs:>10.3} {writes:>10.3} {:>10}",
                one.title,
                level_name(one.level)
            );
        }
    }
}

fn is_reading(phase: &str) -> bool {
    ["load", "known", "scan"].iter().any(|reading| phase.starts_with(reading))
}

fn survives(level: Level) -> &'static str {
    match level {
        Level::None => "nothing",
        Level::Process => "the end of the process",
        Level::Power => "a power cut",
    }
}

fn shown(microseconds: f64) -> String {
    match microseconds {
        small if small < 100.0 => format!("{small:.2}"),
        large => format!("{large:.0}"),
    }
}

/// All tables.
pub(super) fn tables(results: &Results, contestants: &[Contestant]) -> String {
    let mut groups: Vec<(&str, Option<u32>)> =
        results.series.keys().map(|key| (key.workload.as_str(), key.at)).collect();
    groups.dedup();
    groups.sort_unstable();
    groups.dedup();
    let mut out = String::new();
    for (workload, at) in groups {
        let at_text = at.map_or_else(String::new, |at| format!(", {at} CoValues"));
        let _ = writeln!(out, "\n━━ {workload}{at_text}");
        let group = Group { results, workload, at };
        for (phase, about) in PHASES {
            group.phase(&mut out, phase, about, contestants);
        }
        group.system_calls(&mut out, contestants);
    }
    if !results.failures.is_empty() {
        let _ = writeln!(out, "\n━━ not measured");
        for failure in &results.failures {
            let phase = failure.phase.as_deref().map_or_else(String::new, |phase| format!(", {phase}"));
            let _ = writeln!(out, "  {}, {}{phase}: {}", failure.peer, failure.workload, failure.reason);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::measure::{Answer, Figure};
    use super::*;
    use crate::contestants::all;

    #[test]
    fn ratios_are_of_one_level_and_name_their_spread() {
        let mut results = Results::default();
        for (peer, values) in [
            ("native-process", [10.0, 20.0, 30.0]),
            ("sqlite-process", [40.0, 40.0, 40.0]),
            ("sqlite-power", [90.0, 90.0, 90.0]),
        ] {
            for value in values {
                let figure = Figure {
                    phase: "store".into(),
                    metric: "wall".into(),
                    unit: "ms".into(),
                    operations: 1_000,
                    value,
                };
                results.take("small", peer, None, Answer { figures: vec![figure], ..Answer::default() });
            }
        }
        let text = tables(&results, &all());
        let line = |title: &str| text.lines().find(|line| line.contains(title)).unwrap().to_owned();
        assert!(line("SQLite, synchronous NORMAL").contains("2.00 (1.33 … 4.00)"), "{text}");
        assert!(line("Jazz Native Storage, relaxed").contains("10.00 … 30.00"), "{text}");
        assert!(!line("SQLite, synchronous FULL").contains('('), "{text}");
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}
