//! Measures how many of given pairs are decided rightly, by a threshold chosen on other pairs. It says
//! nothing of false match rates: a pairs file has too few impostors for those.

use serde::Serialize;
use vultus_vision::Embedding;

use super::dataset::Pair;
use super::interval::mean_and_standard_error;
use super::recognition::score;
use super::statistics::{Outcomes, threshold_of};

/// Accuracy on given pairs. For each fold, the threshold is the one that does best on the others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairAccuracy {
    pub pairs: u64,
    /// The mean over folds, 0 to 1.
    pub accuracy: f64,
    /// Of that mean, from the spread of the folds.
    pub standard_error: f64,
    pub folds: Vec<Fold>,
}

/// One held-out fold: the cosine chosen on the others, and the share that it decides rightly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fold {
    pub threshold: f64,
    pub accuracy: f64,
}

/// The accuracy on a pairs file's folds, of which there are two or more.
pub(super) fn pair_accuracy(folds: &[Vec<Pair>], faces: &[Option<Embedding>]) -> Option<PairAccuracy> {
    let scored: Vec<Outcomes> = folds.iter().map(|fold| outcomes_of(fold, faces)).collect();
    let mut results = Vec::with_capacity(folds.len());
    for (held_out, own) in scored.iter().enumerate() {
        let mut others = Outcomes::default();
        scored.iter().enumerate().filter(|(i, _)| *i != held_out).for_each(|(_, o)| others.merge(o));
        let bin = others.best_bin();
        let pairs = own.genuine.total() + own.impostor.total();
        results.push(Fold { threshold: threshold_of(bin), accuracy: own.right(bin) as f64 / pairs as f64 });
    }
    let accuracies: Vec<f64> = results.iter().map(|fold| fold.accuracy).collect();
    let (accuracy, standard_error) = mean_and_standard_error(&accuracies)?;
    let pairs = folds.iter().map(|fold| fold.len() as u64).sum();
    Some(PairAccuracy { pairs, accuracy, standard_error, folds: results })
}

fn outcomes_of(pairs: &[Pair], faces: &[Option<Embedding>]) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for pair in pairs {
        let scores = if pair.genuine { &mut outcomes.genuine } else { &mut outcomes.impostor };
        scores.record(score(faces[pair.first].as_ref(), faces[pair.second].as_ref()));
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use vultus_vision::embed::LENGTH;

    use super::*;

    fn face(numbers: [f32; 2]) -> Option<Embedding> {
        let mut all = [0.0; LENGTH];
        all[..2].copy_from_slice(&numbers);
        Embedding::normalised(all)
    }

    #[test]
    fn a_fold_is_judged_by_the_threshold_of_the_others() {
        let faces = [face([1.0, 0.0]), face([1.0, 0.1]), face([0.0, 1.0]), None];
        let pair = |second, genuine| Pair { first: 0, second, genuine };
        let good = vec![pair(1, true), pair(2, false)];
        let failed = vec![pair(1, true), pair(3, false)];
        let accuracy = pair_accuracy(&[good.clone(), good.clone(), failed], &faces).unwrap();
        assert_eq!(accuracy.folds.iter().map(|f| f.accuracy).collect::<Vec<_>>(), [1.0, 1.0, 0.5]);
        assert_eq!(accuracy.pairs, 6);
        assert!(pair_accuracy(&[good], &faces).is_none());
    }
}
