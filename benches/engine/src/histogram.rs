//! Durations of very many calls in little memory.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Buckets that a doubling of the duration is cut into: what is told of a bucket is at most an eighth too long.
const PER_DOUBLING: usize = 8;

/// Durations counted in buckets of nanoseconds, each an eighth wider than the one before. The longest is exact.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Sparse", into = "Sparse")]
pub struct Histogram {
    buckets: [u64; 64 * PER_DOUBLING],
    calls: u64,
    total: Duration,
    longest: Duration,
}

/// A histogram without its empty buckets, as processes hand it to each other.
#[derive(Serialize, Deserialize)]
struct Sparse {
    /// The number of each bucket, and the calls in it.
    buckets: Vec<(usize, u64)>,
    total: Duration,
    longest: Duration,
}

impl From<Histogram> for Sparse {
    fn from(histogram: Histogram) -> Self {
        let buckets = histogram.buckets.into_iter().enumerate().filter(|&(_, calls)| calls > 0).collect();
        Self { buckets, total: histogram.total, longest: histogram.longest }
    }
}

impl From<Sparse> for Histogram {
    fn from(sparse: Sparse) -> Self {
        let mut histogram = Self { total: sparse.total, longest: sparse.longest, ..Self::new() };
        for (number, calls) in sparse.buckets {
            if let Some(bucket) = histogram.buckets.get_mut(number) {
                *bucket += calls;
                histogram.calls += calls;
            }
        }
        histogram
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// One that has counted nothing.
    pub fn new() -> Self {
        Self { buckets: [0; 64 * PER_DOUBLING], calls: 0, total: Duration::ZERO, longest: Duration::ZERO }
    }

    /// Counts a call.
    pub fn add(&mut self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get_mut(bucket(nanoseconds)) {
            *bucket += 1;
        }
        self.calls += 1;
        self.total += duration;
        self.longest = self.longest.max(duration);
    }

    /// Counts all calls of another one as well.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, calls) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket += calls;
        }
        self.calls += other.calls;
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// How many calls were counted.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// All of them together.
    pub fn total(&self) -> Duration {
        self.total
    }

    /// The longest of them, exactly.
    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// The duration, in seconds, that this part of the calls does not exceed.
    pub fn quantile(&self, part: f64) -> f64 {
        let wanted = (self.calls as f64 * part).ceil();
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if *count > 0 && seen as f64 >= wanted {
                return (upper_bound(index) / 1e9).min(self.longest.as_secs_f64());
            }
        }
        self.longest.as_secs_f64()
    }
}

fn bucket(nanoseconds: u64) -> usize {
    let doublings = nanoseconds.max(1).ilog2();
    // The three bits behind the first.
    let fraction = ((u128::from(nanoseconds.max(1)) << 3) >> doublings) & 7;
    doublings as usize * PER_DOUBLING + fraction as usize
}

/// Where a bucket ends, in nanoseconds.
fn upper_bound(bucket: usize) -> f64 {
    let (doublings, fraction) = (bucket / PER_DOUBLING, bucket % PER_DOUBLING);
    (doublings as f64).exp2() * (1.0 + (fraction + 1) as f64 / PER_DOUBLING as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_an_eighth_and_the_longest_is_exact() {
        let mut histogram = Histogram::new();
        for microseconds in 1..=10_000 {
            histogram.add(Duration::from_micros(microseconds));
        }
        for (part, exact) in [(0.5, 5e-3), (0.99, 9.9e-3), (0.999, 9.99e-3)] {
            let told = histogram.quantile(part);
            assert!(told >= exact && told <= exact * 1.126, "{part}: {told} for {exact}");
        }
        assert_eq!(histogram.longest(), Duration::from_millis(10));
        assert_eq!(histogram.quantile(1.0), 10e-3);
        assert_eq!(histogram.total(), Duration::from_micros(50_005_000));
    }

    #[test]
    fn a_histogram_comes_back_from_json_and_takes_in_another() {
        let mut one = Histogram::new();
        one.add(Duration::from_micros(5));
        let mut other = Histogram::new();
        (1..=3).for_each(|milliseconds| other.add(Duration::from_millis(milliseconds)));
        let text = serde_json::to_string(&other).unwrap();
        one.merge(&serde_json::from_str(&text).unwrap());
        assert_eq!((one.calls(), one.total()), (4, Duration::from_micros(6_005)));
        assert_eq!((one.quantile(1.0), one.longest()), (3e-3, Duration::from_millis(3)));
        assert!(one.quantile(0.25) < 6e-6);
    }

    #[test]
    fn every_duration_has_a_bucket_that_ends_behind_it() {
        for shift in 0..64 {
            for nanoseconds in [1u64 << shift, (1 << shift) + (1 << shift) / 3, u64::MAX >> (63 - shift)] {
                let end = upper_bound(bucket(nanoseconds));
                assert!(
                    end >= nanoseconds as f64 && end <= nanoseconds.max(1) as f64 * 2.01,
                    "{nanoseconds}"
                );
            }
        }
    }
}
