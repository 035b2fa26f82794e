//! Turns scores into error rates with intervals, and withholds a rate that the scores cannot carry. It
//! never sees a picture or a face.

use serde::Serialize;

use super::interval::Proportion;

/// Bins of a histogram of cosines: 1/10000 wide, from -1; the last holds what is 1.
pub const BINS: usize = 20_001;
const BINS_PER_UNIT: i32 = 10_000;

/// The false match rates at which thresholds are sought, as one in so many impostor comparisons.
pub const FMR_ONE_IN: [u64; 3] = [100, 1_000, 10_000];

/// Where a score lies, 0 to [`BINS`] - 1. A score is at or over a bin's threshold exactly if its own
/// bin is not below.
pub fn bin_of(cosine: f32) -> usize {
    let place = (f64::from(cosine) + 1.0) * f64::from(BINS_PER_UNIT);
    // Rounding takes the cosine of equal embeddings a little over 1.
    (place as usize).min(BINS - 1)
}

/// The least cosine of a bin. For [`BINS`], a threshold that no score reaches.
pub fn threshold_of(bin: usize) -> f64 {
    f64::from(bin as i32 - BINS_PER_UNIT) / f64::from(BINS_PER_UNIT)
}

/// A histogram of cosines, and how many comparisons had no score because a face was not acquired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scores {
    bins: Vec<u64>,
    unscored: u64,
}

impl Default for Scores {
    fn default() -> Self {
        Self { bins: vec![0; BINS], unscored: 0 }
    }
}

impl Scores {
    /// Counts one comparison; None where it could not be made.
    pub fn record(&mut self, cosine: Option<f32>) {
        match cosine {
            Some(cosine) => self.bins[bin_of(cosine)] += 1,
            None => self.unscored += 1,
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (own, more) in self.bins.iter_mut().zip(&other.bins) {
            *own += more;
        }
        self.unscored += other.unscored;
    }

    /// All comparisons, with those that could not be made.
    pub fn total(&self) -> u64 {
        self.bins.iter().sum::<u64>() + self.unscored
    }

    /// Comparisons that match at a bin's threshold.
    pub fn matches(&self, bin: usize) -> u64 {
        self.bins.iter().skip(bin).sum()
    }

    /// Comparisons that were made and do not match.
    fn rejections(&self, bin: usize) -> u64 {
        self.bins.iter().take(bin).sum()
    }
}

/// What the comparisons of one protocol came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    pub genuine: Scores,
    pub impostor: Scores,
}

impl Outcomes {
    pub fn merge(&mut self, other: &Self) {
        self.genuine.merge(&other.genuine);
        self.impostor.merge(&other.impostor);
    }

    pub fn at(&self, bin: usize) -> AtThreshold {
        let (genuine, impostor) = (self.genuine.total(), self.impostor.total());
        AtThreshold {
            threshold: threshold_of(bin),
            fmr: Proportion::of(self.impostor.matches(bin), impostor),
            fnmr: Proportion::of(genuine - self.genuine.matches(bin), genuine),
        }
    }

    /// The lowest threshold at which no more than one in so many impostor comparisons matches. None
    /// where there are fewer of them than that: not one false match would be allowed, and none seen
    /// would say little.
    pub fn bin_at_fmr(&self, one_in: u64) -> Option<usize> {
        let total = self.impostor.total();
        if total < one_in {
            return None;
        }
        let allowed = total / one_in;
        let (mut bin, mut matches) = (BINS, 0);
        while bin > 0 && matches + self.impostor.bins[bin - 1] <= allowed {
            bin -= 1;
            matches += self.impostor.bins[bin];
        }
        Some(bin)
    }

    /// Comparisons decided rightly at a bin's threshold; those that could not be made are wrong.
    pub fn right(&self, bin: usize) -> u64 {
        self.genuine.matches(bin) + self.impostor.rejections(bin)
    }

    /// The threshold that decides most comparisons rightly; of several, the middle one, which is the
    /// least bound to these very scores.
    pub fn best_bin(&self) -> usize {
        let mut right = self.right(0);
        let (mut most, mut best) = (right, vec![0]);
        for (bin, (genuine, impostor)) in self.genuine.bins.iter().zip(&self.impostor.bins).enumerate() {
            // One bin up, its genuine scores no longer match and its impostor scores are rejected.
            right = right + impostor - genuine;
            if right > most {
                most = right;
                best.clear();
            }
            if right == most {
                best.push(bin + 1);
            }
        }
        best[best.len() / 2]
    }
}

/// The error rates at one threshold (a cosine). None where there was nothing to compare.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AtThreshold {
    pub threshold: f64,
    pub fmr: Option<Proportion>,
    pub fnmr: Option<Proportion>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(of: &[(f32, u64)], unscored: u64) -> Scores {
        let mut scores = Scores { unscored, ..Scores::default() };
        for &(cosine, times) in of {
            scores.bins[bin_of(cosine)] += times;
        }
        scores
    }

    #[test]
    fn bins_and_thresholds_agree() {
        for (cosine, bin) in [(-1.0, 0), (0.0, 10_000), (0.60005, 16_000), (0.59995, 15_999), (1.0, 20_000)] {
            assert_eq!(bin_of(cosine), bin);
        }
        assert_eq!(bin_of(1.000_000_1), BINS - 1);
        assert_eq!(bin_of(-1.000_000_1), 0);
        assert_eq!(threshold_of(16_000), 0.6);
        assert!(threshold_of(BINS) > 1.0);
    }

    /// 100 impostor comparisons, of which one in 100 may match: the threshold is one bin over 0.3.
    fn made_up() -> Outcomes {
        Outcomes {
            genuine: scores(&[(0.20005, 1), (0.30005, 1), (0.40005, 1), (0.90005, 1)], 1),
            impostor: scores(&[(0.10005, 96), (0.30005, 1), (0.50005, 1)], 2),
        }
    }

    #[test]
    fn the_threshold_at_an_fmr_is_the_lowest_that_keeps_it() {
        let outcomes = made_up();
        let bin = outcomes.bin_at_fmr(100).unwrap();
        assert_eq!(bin, 13_001);
        let at = outcomes.at(bin);
        assert_eq!(at.threshold, 0.3001);
        let (fmr, fnmr) = (at.fmr.unwrap(), at.fnmr.unwrap());
        assert_eq!((fmr.events, fmr.trials), (1, 100));
        // 0.20005 and 0.30005 lie below, and one face was not found.
        assert_eq!((fnmr.events, fnmr.trials), (3, 5));
    }

    #[test]
    fn too_few_comparisons_give_no_threshold() {
        assert_eq!(made_up().bin_at_fmr(101), None);
        assert_eq!(Outcomes::default().at(0).fnmr, None);
    }

    #[test]
    fn identical_impostors_leave_a_threshold_that_nothing_reaches() {
        let outcomes = Outcomes { genuine: scores(&[(1.0, 1)], 0), impostor: scores(&[(1.0, 100)], 0) };
        assert_eq!(outcomes.bin_at_fmr(100), Some(BINS));
        assert_eq!(outcomes.at(BINS).fnmr.unwrap().events, 1);
    }

    #[test]
    fn the_best_threshold_is_in_the_middle_of_the_best() {
        let outcomes = Outcomes {
            genuine: scores(&[(0.50005, 10)], 1),
            impostor: scores(&[(0.10005, 9), (0.60005, 1)], 0),
        };
        // Bins 11001 to 15000 all decide 19 of 21 rightly.
        let best = outcomes.best_bin();
        assert_eq!(best, 13_001);
        assert_eq!(outcomes.right(best), 19);
        assert_eq!((outcomes.right(11_000), outcomes.right(15_001)), (10, 9));
    }

    #[test]
    fn merging_adds_up() {
        let mut twice = made_up();
        twice.merge(&made_up());
        assert_eq!((twice.genuine.total(), twice.impostor.total()), (10, 200));
        assert_eq!(twice.impostor.matches(0), 196);
    }
}
