//! Statistics of rounds. Values are costs or rates of one operation, one of each round, and at least one.

/// The least, the middle and the greatest of the rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// The least.
    pub min: f64,
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The greatest.
    pub max: f64,
}

/// Summarizes rounds; of none it is not a number.
pub fn summary(values: &[f64]) -> Summary {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    let last = sorted.len().saturating_sub(1);
    Summary { min: at(0), median: f64::midpoint(at(last / 2), at(sorted.len() / 2)), max: at(last) }
}

/// The best of the rounds.
pub fn best(values: &[f64], more_is_better: bool) -> f64 {
    let Summary { min, max, .. } = summary(values);
    if more_is_better { max } else { min }
}

/// How many times one is better than another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// Of the best rounds of both.
    pub value: f64,
    /// The least and the greatest of single rounds, if there were several and as many of both. `value` is never outside
    /// of them.
    pub spread: Option<(f64, f64)>,
}

/// How many times `ours` is better than `theirs`: more than 1 if it is. Nothing if one of them is 0.
pub fn advantage(ours: &[f64], theirs: &[f64], more_is_better: bool) -> Option<Ratio> {
    let times = |ours: f64, theirs: f64| if more_is_better { ours / theirs } else { theirs / ours };
    let value = times(best(ours, more_is_better), best(theirs, more_is_better));
    let rounds: Vec<f64> = ours.iter().zip(theirs).map(|(&ours, &theirs)| times(ours, theirs)).collect();
    let comparable = ours.len() == theirs.len() && ours.len() > 1;
    let Summary { min, max, .. } = summary(&rounds);
    let spread = (comparable && min.is_finite() && max.is_finite()).then_some((min, max));
    (value.is_finite() && value > 0.0).then_some(Ratio { value, spread })
}

impl Ratio {
    /// The other way round: how many times the other one is better.
    pub fn inverse(self) -> Self {
        let spread = self.spread.filter(|(low, _)| *low > 0.0).map(|(low, high)| (high.recip(), low.recip()));
        Self { value: self.value.recip(), spread }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(summary(&[3.0, 1.0, 2.0]), Summary { min: 1.0, median: 2.0, max: 3.0 });
        assert_eq!(summary(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(summary(&[7.0]), Summary { min: 7.0, median: 7.0, max: 7.0 });
    }

    #[test]
    fn a_ratio_is_of_the_best_rounds_and_its_spread_of_single_ones() {
        let ratio = advantage(&[2.0, 4.0], &[12.0, 8.0], false).unwrap();
        assert_eq!(ratio, Ratio { value: 4.0, spread: Some((2.0, 6.0)) });
        let rates = advantage(&[100.0, 50.0], &[10.0, 25.0], true).unwrap();
        assert_eq!(rates, Ratio { value: 4.0, spread: Some((2.0, 10.0)) });
    }

    #[test]
    fn a_ratio_lies_within_its_spread() {
        let rounds = [[1.0, 7.0, 3.0], [5.0, 2.0, 9.0], [4.0, 4.0, 4.5], [0.5, 80.0, 0.75]];
        for ours in rounds {
            for theirs in rounds {
                for more_is_better in [false, true] {
                    let ratio = advantage(&ours, &theirs, more_is_better).unwrap();
                    let (low, high) = ratio.spread.unwrap();
                    assert!((low..=high).contains(&ratio.value), "{ours:?} {theirs:?}: {ratio:?}");
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_compared_has_no_ratio_or_no_spread() {
        assert_eq!(advantage(&[0.0], &[1.0], false), None);
        assert_eq!(advantage(&[1.0], &[0.0], false), None);
        assert_eq!(advantage(&[1.0], &[2.0], false), Some(Ratio { value: 2.0, spread: None }));
        assert_eq!(advantage(&[1.0, 1.0], &[2.0], false).unwrap().spread, None);
    }

    #[test]
    fn an_inverse_turns_the_spread_too() {
        let ratio = Ratio { value: 0.5, spread: Some((0.25, 2.0)) };
        assert_eq!(ratio.inverse(), Ratio { value: 2.0, spread: Some((0.5, 4.0)) });
    }
}
