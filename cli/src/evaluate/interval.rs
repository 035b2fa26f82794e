//! Says how sure a measured rate or mean is. It knows nothing of what was measured.

use serde::Serialize;
use statrs::distribution::{Beta, ContinuousCDF};

/// Half of what a 95 % interval leaves out.
const TAIL: f64 = 0.025;

/// A rate, 0 to 1, with its 95 % Clopper-Pearson interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Proportion {
    pub events: u64,
    pub trials: u64,
    pub rate: f64,
    pub lower: f64,
    pub upper: f64,
}

impl Proportion {
    /// None of no trials.
    pub fn of(events: u64, trials: u64) -> Option<Self> {
        if trials == 0 {
            return None;
        }
        let (lower, upper) = clopper_pearson(events, trials);
        Some(Self { events, trials, rate: events as f64 / trials as f64, lower, upper })
    }
}

/// The exact 95 % interval of a binomial proportion. `events` is not over `trials`.
pub fn clopper_pearson(events: u64, trials: u64) -> (f64, f64) {
    let others = trials - events;
    let lower = if events == 0 { 0.0 } else { beta_quantile(TAIL, events, others + 1) };
    let upper = if others == 0 { 1.0 } else { beta_quantile(1.0 - TAIL, events + 1, others) };
    (lower, upper)
}

/// The inverse of the beta distribution's CDF, by bisection: the crate's own inverse does not end where
/// a few events are among tens of millions of trials, which is what an FMR rests on.
fn beta_quantile(probability: f64, a: u64, b: u64) -> f64 {
    let beta = Beta::new(a as f64, b as f64).expect("both shapes are 1 or more");
    let (mut low, mut high) = (0.0, 1.0);
    loop {
        let middle = (low + high) / 2.0;
        if middle <= low || middle >= high {
            return high;
        }
        if beta.cdf(middle) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// The mean, and its standard error from the spread (n - 1) of several. None of fewer than two.
pub fn mean_and_standard_error(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < 2 {
        return None;
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (count - 1.0);
    Some((mean, (variance / count).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64, tolerance: f64) {
        assert!((a - b).abs() <= tolerance, "{a} is not {b}");
    }

    #[test]
    fn intervals_are_the_published_ones() {
        for (events, trials, lower, upper) in [
            (0, 10, 0.0, 0.3085),
            (10, 10, 0.6915, 1.0),
            (5, 100, 0.0164, 0.1128),
            (2, 415, 0.0006, 0.0173),
            (1, 1, 0.025, 1.0),
        ] {
            let (low, high) = clopper_pearson(events, trials);
            near(low, lower, 5e-5);
            near(high, upper, 5e-5);
        }
        assert_eq!(Proportion::of(0, 0), None);
    }

    #[test]
    fn intervals_hold_among_tens_of_millions() {
        // Reference: the binomial tail, summed.
        let (low, high) = clopper_pearson(3, 29_600_000);
        near(low, 2.090_109e-8, 1e-13);
        near(high, 2.961_916e-7, 1e-12);
        let (low, high) = clopper_pearson(296_000, 29_600_000);
        near(low, 0.009_964_187, 1e-9);
        near(high, 0.010_035_909, 1e-9);
    }

    #[test]
    fn the_standard_error_is_that_of_the_mean() {
        let (mean, error) = mean_and_standard_error(&[0.9, 1.0, 0.8]).unwrap();
        near(mean, 0.9, 1e-12);
        near(error, 0.1 / 3f64.sqrt(), 1e-12);
        assert_eq!(mean_and_standard_error(&[1.0]), None);
    }
}
