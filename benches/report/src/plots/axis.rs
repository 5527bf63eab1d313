//! Logarithmic axes: where they begin and end, and at which numbers they have lines.

use std::ops::Range;

/// The numbers of a logarithmic axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LogAxis {
    /// From where to where, which is a little beyond the values.
    pub(super) range: Range<f64>,
    /// Where it has a line and a number.
    pub(super) numbers: Vec<f64>,
    /// Where it has only a line.
    pub(super) between: Vec<f64>,
}

/// Numbers of an axis are at least this far apart, as parts of all of it.
const APART: f64 = 0.045;

impl LogAxis {
    /// An axis that shows all values, which are greater than 0; `None` without any.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite() && *value > 0.0).collect();
        let low = values.iter().copied().reduce(f64::min)?;
        let high = values.iter().copied().reduce(f64::max)?;
        // At least half a decade, so that small differences do not look large.
        let widen = (10f64.sqrt() / (high / low)).sqrt().max(1.0);
        let (low, high) = (low / widen, high * widen);
        let margin = (high / low).powf(0.04);
        Some(Self::over(low / margin..high * margin))
    }

    /// An axis that shows all values and has numbers at powers of ten only.
    pub(super) fn of_powers(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut axis = Self::of(values)?;
        axis.numbers.retain(|number| (number.log10() - number.log10().round()).abs() < 1e-9);
        Some(axis)
    }

    /// An axis from here to there.
    pub(super) fn over(range: Range<f64>) -> Self {
        let decades = (range.end / range.start).log10();
        let first = range.start.log10().floor() as i32;
        let last = range.end.log10().ceil() as i32;
        let steps = |factors: &[f64]| -> Vec<f64> {
            let all = (first..=last).flat_map(|exponent| {
                factors.iter().map(move |factor| factor * 10f64.powi(exponent)).collect::<Vec<_>>()
            });
            all.filter(|number| range.contains(number)).collect()
        };
        let fits = |factors: &&&[f64]| match factors.len() {
            // The closest neighbours are 1 and 2, or 5 and 10.
            3 => 2f64.log10() / decades >= APART,
            _ => true,
        };
        let choices: [&[f64]; 2] = [&[1.0, 2.0, 5.0], &[1.0]];
        let numbers = choices.iter().find(fits).map(|factors| steps(factors)).unwrap_or_default();
        let between =
            if decades > 5.0 { Vec::new() } else { steps(&[2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]) };
        Self { range, numbers, between }
    }
}

/// A number of an axis, short: `20 k`, `1 M`.
pub(super) fn short(value: f64, unit: &str) -> String {
    let (size, prefix) = match value {
        value if value >= 0.999e9 => (1e9, "G"),
        value if value >= 0.999e6 => (1e6, "M"),
        value if value >= 0.999e3 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let number = value / size;
    let decimals = if number >= 0.999 { 0 } else { (-number.log10()).ceil().max(0.0) as usize };
    let both = format!("{number:.decimals$} {prefix}{unit}");
    both.trim_end().to_owned()
}

/// A time in milliseconds as the number of an axis: `20 µs`.
pub(super) fn time(milliseconds: f64) -> String {
    let (size, unit) = match milliseconds {
        ms if ms >= 0.999e3 => (1e3, "s"),
        ms if ms >= 0.999 => (1.0, "ms"),
        ms if ms >= 0.999e-3 => (1e-3, "µs"),
        _ => (1e-6, "ns"),
    };
    short(milliseconds / size, unit)
}

/// Bytes as the number of an axis, in powers of ten as the axis is: `20 MB`.
pub(super) fn bytes(count: f64) -> String {
    short(count, "B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_shows_all_values_and_numbers_within() {
        let axis = LogAxis::of([3.0, 12.0, 4500.0]).unwrap();
        assert!(axis.range.start < 3.0 && axis.range.end > 4500.0);
        assert_eq!(axis.numbers, [5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0]);
        assert!(axis.numbers.iter().all(|number| axis.range.contains(number)));
    }

    #[test]
    fn many_decades_have_their_powers_only() {
        let axis = LogAxis::of([3.5, 3e8]).unwrap();
        assert_eq!(axis.numbers, [10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8]);
        assert!(axis.between.is_empty());
    }

    #[test]
    fn powers_only_are_powers_only() {
        assert_eq!(LogAxis::of_powers([1e3, 1e5]).unwrap().numbers, [1e3, 1e4, 1e5]);
    }

    #[test]
    fn one_value_has_room_around_it_and_none_has_no_axis() {
        let axis = LogAxis::of([100.0]).unwrap();
        assert!(axis.range.end / axis.range.start > 3.0);
        assert_eq!(LogAxis::of([0.0, f64::NAN]), None);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([short(2e4, ""), short(0.2, ""), short(1e6, "/s")], ["20 k", "0.2", "1 M/s"]);
        assert_eq!([time(0.02), time(1e3), time(5e-4), time(10.0)], ["20 µs", "1 s", "500 ns", "10 ms"]);
        assert_eq!(bytes(5e7), "50 MB");
    }
}
