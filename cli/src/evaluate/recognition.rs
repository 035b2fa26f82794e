//! Decides which embeddings are compared with which, and counts what comes of it: with one enrolled
//! shot, with three, and by attempts as the vault makes them. It opens no picture.

use std::ops::Range;

use vultus_vision::Embedding;

use super::dataset::Dataset;
use super::extract::cores;
use super::statistics::Outcomes;

/// The most comparisons of an attempt, and how many must agree: the vault's `MOST_COMPARISONS` and
/// `NEEDED_AGREEMENTS`.
const MOST_COMPARISONS: usize = 5;
pub(super) const NEEDED_AGREEMENTS: usize = 2;
/// Shots of a template.
const SHOTS: usize = 3;

/// None where a face was not acquired.
pub(super) fn score(a: Option<&Embedding>, b: Option<&Embedding>) -> Option<f32> {
    Some(a?.cosine(b?))
}

/// Adds up what each row counts, on all cores. Counts do not depend on the order.
fn count(rows: usize, row: impl Fn(usize, &mut Outcomes) + Sync) -> Outcomes {
    let (row, workers) = (&row, cores());
    let share = move |first: usize| {
        let mut counted = Outcomes::default();
        (first..rows).step_by(workers).for_each(|place| row(place, &mut counted));
        counted
    };
    let mut all = Outcomes::default();
    std::thread::scope(|scope| {
        let shares: Vec<_> = (0..workers).map(|first| scope.spawn(move || share(first))).collect();
        for counted in shares {
            all.merge(&counted.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
    });
    all
}

/// Every picture against every other, each standing for its person.
pub(super) fn one_shot(dataset: &Dataset, faces: &[Option<Embedding>]) -> Outcomes {
    let people = dataset.identities.iter().enumerate();
    let owned: Vec<(usize, Option<&Embedding>)> = people
        .flat_map(|(owner, pictures)| faces[pictures.clone()].iter().map(move |face| (owner, face.as_ref())))
        .collect();
    count(owned.len(), |first, counted| {
        let (owner, face) = owned[first];
        for &(other, second) in &owned[first + 1..] {
            let scores = if owner == other { &mut counted.genuine } else { &mut counted.impostor };
            scores.record(score(face, second));
        }
    })
}

/// A person's template, and the places of the pictures that it was not made from.
pub(super) struct Enrolment {
    /// None where there are too few faces to make one from.
    pub template: Option<Embedding>,
    probes: Vec<usize>,
}

impl Enrolment {
    /// From the first three faces found.
    fn of(pictures: Range<usize>, faces: &[Option<Embedding>]) -> Self {
        let found = pictures.clone().filter(|&place| faces[place].is_some());
        let shots: Vec<usize> = found.take(SHOTS).collect();
        let probes = pictures.filter(|place| !shots.contains(place)).collect();
        // A mean takes embeddings of its own, and these are still needed.
        let copies =
            shots.iter().filter_map(|&place| Embedding::normalised(*faces[place].as_ref()?.numbers()));
        let copies: Vec<Embedding> = copies.collect();
        let template = if copies.len() == SHOTS { Embedding::mean(&copies) } else { None };
        Self { template, probes }
    }
}

/// Everybody who has at least `extra` pictures beyond the enrolled shots.
pub(super) fn enrol(dataset: &Dataset, faces: &[Option<Embedding>], extra: usize) -> Vec<Enrolment> {
    let identities = dataset.identities.iter().filter(|pictures| pictures.len() >= SHOTS + extra);
    identities.map(|pictures| Enrolment::of(pictures.clone(), faces)).collect()
}

/// Every group of probes against every template. A group's score decides like its single scores would.
fn against_templates(
    enrolments: &[Enrolment],
    faces: &[Option<Embedding>],
    groups: impl Fn(&Enrolment) -> Vec<&[usize]> + Sync,
    group_score: impl Fn(&[Option<f32>]) -> Option<f32> + Sync,
) -> Outcomes {
    count(enrolments.len(), |own, counted| {
        for group in groups(&enrolments[own]) {
            for (other, enrolment) in enrolments.iter().enumerate() {
                let template = enrolment.template.as_ref();
                let scores: Vec<_> =
                    group.iter().map(|&probe| score(faces[probe].as_ref(), template)).collect();
                if other == own {
                    counted.genuine.record(group_score(&scores));
                } else if template.is_some() {
                    counted.impostor.record(group_score(&scores));
                }
            }
        }
    })
}

/// Every single probe against every template.
pub(super) fn three_shots(enrolments: &[Enrolment], faces: &[Option<Embedding>]) -> Outcomes {
    against_templates(enrolments, faces, |e| e.probes.chunks(1).collect(), |scores| scores[0])
}

/// Attempts of consecutive probes, none in two of them, against every template.
pub(super) fn attempts(enrolments: &[Enrolment], faces: &[Option<Embedding>]) -> Outcomes {
    against_templates(enrolments, faces, |e| attempts_of(&e.probes), attempt_score)
}

/// What is left over and too short to be accepted is no attempt: a person would still be looking.
fn attempts_of(probes: &[usize]) -> Vec<&[usize]> {
    probes.chunks(MOST_COMPARISONS).filter(|attempt| attempt.len() >= NEEDED_AGREEMENTS).collect()
}

/// An attempt is accepted when its second comparison agrees, so that at any threshold it does what its
/// second highest score does. None where fewer were made.
fn attempt_score(scores: &[Option<f32>]) -> Option<f32> {
    let mut found: Vec<f32> = scores.iter().copied().flatten().collect();
    found.sort_by(|a, b| b.total_cmp(a));
    found.get(NEEDED_AGREEMENTS - 1).copied()
}

#[cfg(test)]
mod tests {
    use vultus_vision::embed::LENGTH;

    use super::super::statistics::{Scores, bin_of};
    use super::*;

    /// A face at an angle (degrees) in one plane, so that cosines are those of differences.
    fn face(degrees: f32) -> Option<Embedding> {
        let mut numbers = [0.0; LENGTH];
        (numbers[0], numbers[1]) = (degrees.to_radians().cos(), degrees.to_radians().sin());
        Embedding::normalised(numbers)
    }

    fn dataset(sizes: &[usize]) -> Dataset {
        let mut identities = Vec::new();
        let mut first = 0;
        for size in sizes {
            identities.push(first..first + size);
            first += size;
        }
        Dataset { pictures: vec!["x.jpg".into(); first], identities, folds: None }
    }

    fn matches(outcomes: &Outcomes) -> [(u64, u64); 2] {
        let of = |scores: &Scores| (scores.matches(bin_of(0.6)), scores.total());
        [of(&outcomes.genuine), of(&outcomes.impostor)]
    }

    #[test]
    fn one_shot_compares_every_picture_with_every_other() {
        // A cosine of 0.6 is 53 degrees: so near are Ann's first two, Bob's two, and Bob's second to
        // each of Ann's first two.
        let faces = [face(0.0), face(10.0), None, face(90.0), face(40.0)];
        let outcomes = one_shot(&dataset(&[3, 2]), &faces);
        assert_eq!(matches(&outcomes), [(2, 4), (2, 6)]);
    }

    #[test]
    fn a_template_is_made_from_the_first_three_faces_found() {
        let faces = [face(0.0), None, face(10.0), face(20.0), face(80.0)];
        let enrolments = enrol(&dataset(&[5]), &faces, 1);
        assert_eq!(enrolments[0].probes, [1, 4]);
        let template = enrolments[0].template.as_ref();
        assert!(score(template, face(10.0).as_ref()).unwrap() > 0.9999);
        // What is not found is a false non-match, as is what lies 70 degrees off.
        assert_eq!(matches(&three_shots(&enrolments, &faces)), [(0, 2), (0, 0)]);
        assert!(enrol(&dataset(&[5]), &faces, 3).is_empty());
    }

    #[test]
    fn nobody_is_compared_with_a_template_that_was_not_made() {
        let faces = [face(0.0), face(0.0), face(0.0), face(5.0), face(0.0), face(0.0), None, None];
        let enrolments = enrol(&dataset(&[4, 4]), &faces, 1);
        assert!(enrolments[1].template.is_none());
        // Ann's probe matches; Bob's two fail, and are two impostors to Ann.
        assert_eq!(matches(&three_shots(&enrolments, &faces)), [(1, 3), (0, 2)]);
    }

    #[test]
    fn attempts_are_of_up_to_five_distinct_pictures_and_no_fewer_than_two() {
        let probes: Vec<usize> = (0..12).collect();
        let lengths = |probes: &[usize]| {
            attempts_of(probes).iter().map(|attempt| attempt.len()).collect::<Vec<usize>>()
        };
        assert_eq!(lengths(&probes), [5, 5, 2]);
        assert_eq!(lengths(&probes[..11]), [5, 5]);
        assert!(lengths(&probes[..1]).is_empty());
    }

    #[test]
    fn an_attempt_is_accepted_when_two_of_five_agree() {
        for (scores, accepted) in [
            (vec![Some(0.7f32), Some(0.7)], true),
            (vec![Some(0.1), Some(0.1), Some(0.1), Some(0.61), Some(0.9)], true),
            (vec![Some(0.9), Some(0.1), Some(0.1), Some(0.1), Some(0.1)], false),
            (vec![Some(0.9), None, None, None, Some(0.7)], true),
            (vec![Some(0.9), None, None], false),
        ] {
            let agreed = scores.iter().flatten().filter(|&&s| s >= 0.6).count() >= NEEDED_AGREEMENTS;
            assert_eq!(agreed, accepted);
            assert_eq!(attempt_score(&scores).is_some_and(|s| s >= 0.6), accepted, "{scores:?}");
        }
    }

    #[test]
    fn attempts_go_against_every_template() {
        // Two people at right angles; Ann's fourth and fifth picture look like Bob.
        let ann = [face(0.0), face(0.0), face(0.0), face(90.0), face(88.0)];
        let bob = [face(90.0), face(90.0), face(90.0), face(90.0), face(91.0)];
        let faces: Vec<_> = ann.into_iter().chain(bob).collect();
        let outcomes = attempts(&enrol(&dataset(&[5, 5]), &faces, NEEDED_AGREEMENTS), &faces);
        assert_eq!(matches(&outcomes), [(1, 2), (1, 2)]);
    }
}
