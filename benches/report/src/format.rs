//! How figures are written: three significant digits, with the unit that keeps them short.

use crate::results::Metric;
use crate::stats::{Ratio, Summary};

/// A number of three significant digits, without an exponent.
pub fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor() as i32;
    // What rounds up to another digit must not show one more.
    let rounded = format!("{:.2e}", value.abs()).parse().unwrap_or(value.abs());
    let magnitude = if rounded >= 10f64.powi(magnitude + 1) { magnitude + 1 } else { magnitude };
    let decimals = usize::try_from((2 - magnitude).max(0)).unwrap_or(0);
    if decimals > 0 { format!("{value:.decimals$}") } else { whole(value) }
}

/// A whole number with commas between thousands.
pub fn whole(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if value < 0.0 && digits != "0" { format!("-{grouped}") } else { grouped }
}

/// A unit, and how many of the metric's own are one of it.
type Scale = (f64, &'static str);

const TIMES: &[Scale] = &[(1e-6, "ns"), (1e-3, "µs"), (1.0, "ms"), (1e3, "s")];
const BYTES: &[Scale] = &[(1.0, "B"), (1024.0, "KiB"), (1_048_576.0, "MiB"), (1_073_741_824.0, "GiB")];
const RATES: &[Scale] = &[(1.0, "/s"), (1e3, "k/s"), (1e6, "M/s")];
const COUNTS: &[Scale] = &[(1.0, "")];

fn scales(metric: Metric) -> &'static [Scale] {
    match metric {
        Metric::Cpu | Metric::Wall => TIMES,
        Metric::PeakMemory | Metric::Disk => BYTES,
        Metric::Rate => RATES,
        Metric::Syncs | Metric::Writes => COUNTS,
    }
}

fn scale(metric: Metric, value: f64) -> Scale {
    let scales = scales(metric);
    let largest = scales.iter().rev().find(|(size, _)| value >= *size);
    *largest.or(scales.first()).unwrap_or(&(1.0, ""))
}

/// A value of a metric, with its unit.
pub fn value(metric: Metric, value: f64) -> String {
    let (size, unit) = scale(metric, value);
    with_unit(&number(value / size), unit)
}

/// The least and the middle of rounds in one unit; one number if there was one round.
pub fn min_and_median(metric: Metric, summary: Summary, rounds: usize) -> String {
    let (size, unit) = scale(metric, summary.min);
    let least = number(summary.min / size);
    if rounds == 1 {
        return with_unit(&least, unit);
    }
    with_unit(&format!("{least} · {}", number(summary.median / size)), unit)
}

fn with_unit(number: &str, unit: &str) -> String {
    match unit {
        "" => number.to_owned(),
        unit => format!("{number}\u{a0}{unit}"),
    }
}

/// Microseconds of a distribution, with the unit that fits.
pub fn microseconds(time: f64) -> String {
    value(Metric::Wall, time / 1e3)
}

/// Bytes, with the unit that fits.
pub fn bytes(count: f64) -> String {
    value(Metric::Disk, count)
}

/// How many times.
pub fn times(value: f64) -> String {
    format!("{}×", number(value))
}

/// How many times, with the spread over the rounds.
pub fn ratio(ratio: Ratio) -> String {
    match ratio.spread {
        None => times(ratio.value),
        Some((low, high)) => format!("{} ({}–{})", times(ratio.value), number(low), number(high)),
    }
}

/// How many CoValues, of which powers of ten are written as such.
pub fn size(at: u64) -> String {
    let exponent = at.checked_ilog10().unwrap_or(0);
    if exponent >= 3 && 10u64.pow(exponent) == at {
        format!("10{}", superscript(exponent))
    } else {
        whole(at as f64)
    }
}

fn superscript(number: u32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digits = number.to_string();
    digits.chars().filter_map(|digit| DIGITS.get(digit.to_digit(10)? as usize)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let cases = [
            (0.0, "0"),
            (0.01234, "0.0123"),
            (0.9996, "1.00"),
            (1.0, "1.00"),
            (9.996, "10.0"),
            (12.345, "12.3"),
            (99.96, "100"),
            (123.4, "123"),
            (1234567.0, "1,234,567"),
        ];
        for (value, wanted) in cases {
            assert_eq!(number(value), wanted);
        }
    }

    #[test]
    fn values_have_the_unit_that_fits() {
        assert_eq!(value(Metric::Wall, 0.000_25), "250\u{a0}ns");
        assert_eq!(value(Metric::Cpu, 0.0123), "12.3\u{a0}µs");
        assert_eq!(value(Metric::Cpu, 1500.0), "1.50\u{a0}s");
        assert_eq!(value(Metric::Disk, 3.0 * 1_048_576.0), "3.00\u{a0}MiB");
        assert_eq!(value(Metric::Syncs, 0.015), "0.0150");
        assert_eq!(value(Metric::PeakMemory, 0.0), "0\u{a0}B");
        let summary = Summary { min: 0.9, median: 1.1, max: 2.0 };
        assert_eq!(min_and_median(Metric::Wall, summary, 3), "900 · 1,100\u{a0}µs");
        assert_eq!(min_and_median(Metric::Wall, summary, 1), "900\u{a0}µs");
    }

    #[test]
    fn ratios_show_their_spread() {
        assert_eq!(ratio(Ratio { value: 3.21, spread: Some((2.5, 12.25)) }), "3.21× (2.50–12.2)");
        assert_eq!(ratio(Ratio { value: 3.21, spread: None }), "3.21×");
    }

    #[test]
    fn sizes_are_powers_of_ten_if_they_are() {
        assert_eq!([size(1000), size(1_000_000), size(20_000), size(1)], ["10³", "10⁶", "20,000", "1"]);
    }
}
