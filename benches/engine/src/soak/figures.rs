//! Figures: named numbers with a unit, as a table for people and as JSON for programs.

use serde::{Deserialize, Serialize};

use crate::Result;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unit {
    Count,
    Bytes,
    Seconds,
    PerSecond,
    Ratio,
}

/// A number with its name; none if it could not be measured here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Figure {
    name: String,
    value: Option<f64>,
    unit: Unit,
}

/// Figures in the order in which they are shown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Figures(Vec<Figure>);

impl Figures {
    fn put(&mut self, name: &str, value: Option<f64>, unit: Unit) {
        self.0.push(Figure { name: name.to_owned(), value, unit });
    }

    pub(super) fn count(&mut self, name: &str, value: f64) {
        self.put(name, Some(value), Unit::Count);
    }

    pub(super) fn bytes(&mut self, name: &str, value: impl Into<Option<u64>>) {
        self.put(name, value.into().map(|bytes| bytes as f64), Unit::Bytes);
    }

    pub(super) fn seconds(&mut self, name: &str, value: f64) {
        self.put(name, Some(value), Unit::Seconds);
    }

    pub(super) fn per_second(&mut self, name: &str, value: f64) {
        self.put(name, Some(value), Unit::PerSecond);
    }

    pub(super) fn ratio(&mut self, name: &str, value: impl Into<Option<f64>>) {
        self.put(name, value.into(), Unit::Ratio);
    }

    /// Those of a group of measurements: the least, the median and the greatest.
    pub(super) fn spread(&mut self, name: &str, values: &[f64], unit: Unit) {
        for (which, value) in [("median", median(values)), ("least", least(values)), ("most", most(values))] {
            self.put(&format!("{name}, {which}"), value, unit);
        }
    }

    /// The figure of this name; none if it could not be measured.
    ///
    /// # Errors
    /// There is no figure of this name.
    pub(super) fn find(&self, name: &str) -> Result<Option<f64>> {
        let figure = self.0.iter().find(|figure| figure.name == name);
        Ok(figure.ok_or_else(|| format!("there is no figure {name:?}"))?.value)
    }

    /// The figure of this name.
    ///
    /// # Errors
    /// There is none, or it could not be measured.
    pub(super) fn get(&self, name: &str) -> Result<f64> {
        self.find(name)?.ok_or_else(|| format!("{name:?} could not be measured").into())
    }

    /// Prints a table.
    pub(super) fn print(&self) {
        for Figure { name, value, unit } in &self.0 {
            println!(
                "  {name:<58} {:>16}",
                value.map_or("not measured".to_owned(), |value| shown(value, *unit))
            );
        }
    }
}

fn least(values: &[f64]) -> Option<f64> {
    values.iter().copied().reduce(f64::min)
}

fn most(values: &[f64]) -> Option<f64> {
    values.iter().copied().reduce(f64::max)
}

/// The middle one, or the mean of the two in the middle.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { upper } else { f64::midpoint(sorted[middle - 1], upper) })
}

/// A number with its unit, short enough to be read.
pub(super) fn shown(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Count => thousands(value),
        Unit::PerSecond => format!("{}/s", thousands(value)),
        Unit::Ratio => format!("{value:.2}"),
        Unit::Bytes if value < 1e6 => format!("{:.1} KB", value / 1e3),
        Unit::Bytes => format!("{:.1} MB", value / 1e6),
        Unit::Seconds if value < 1e-3 => format!("{:.1} µs", value * 1e6),
        Unit::Seconds if value < 1.0 => format!("{:.2} ms", value * 1e3),
        Unit::Seconds => format!("{value:.2} s"),
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_back_from_json_and_are_found_by_name() {
        let mut figures = Figures::default();
        figures.count("messages", 1_234_567.0);
        figures.bytes("peak memory", None);
        let text = serde_json::to_string(&figures).unwrap();
        let back: Figures = serde_json::from_str(&text).unwrap();
        assert_eq!(back, figures);
        assert_eq!(back.get("messages").unwrap(), 1_234_567.0);
        assert_eq!(back.find("peak memory").unwrap(), None);
        assert!(back.get("peak memory").is_err() && back.find("nothing").is_err());
    }

    #[test]
    fn numbers_are_shown_with_their_unit() {
        assert_eq!(shown(1_234_567.0, Unit::Count), "1,234,567");
        assert_eq!(shown(123.4, Unit::PerSecond), "123/s");
        assert_eq!(shown(2_500_000.0, Unit::Bytes), "2.5 MB");
        assert_eq!(shown(0.002_5, Unit::Seconds), "2.50 ms");
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}
