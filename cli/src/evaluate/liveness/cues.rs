//! Says how well each cue tells attacks from living persons: over all bounds at once, and at bounds that are
//! set on one half of the presentations and tried on the other. It sets no bound of the product.

use serde::Serialize;
use sha2::{Digest, Sha256};
use vultus_vision::liveness::Cue;
use vultus_vision::liveness::decision::BOUNDS;

use super::figures::{Judge, KindRate, Rates, Response, Verdict, attack_kinds};
use super::measure::Measured;
use crate::evaluate::interval::Proportion;

/// The most bona fide presentations that a bound may refuse: one in so many.
const BPCER_ONE_IN: [u64; 2] = [100, 20];

const TOO_FEW: &str = "too few bona fide presentations in the half that sets the bound";
const NO_BOUND: &str = "the cue did not run on enough bona fide presentations to set a bound";

/// What a cue said of one presentation, for ordering: what could not run convicts nobody, and what is no
/// number is beyond any bound, as in the product's decision.
pub fn suspicion(measured: &Measured, cue: Cue) -> f64 {
    let said = measured.readings().into_iter().find(|reading| reading.cue == cue).and_then(|r| r.suspicion);
    match said {
        None => f64::NEG_INFINITY,
        Some(s) if s.0.is_nan() => f64::INFINITY,
        Some(s) => f64::from(s.0),
    }
}

/// Where a presentation belongs by its name, so that it stays there whatever is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    /// Sets bounds.
    Even,
    /// Tries them.
    Odd,
}

impl Half {
    fn of(name: &str) -> Self {
        let odd = Sha256::digest(name.as_bytes()).last().is_some_and(|byte| byte & 1 == 1);
        if odd { Self::Odd } else { Self::Even }
    }
}

/// All about one cue.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CueFigures {
    pub cue: &'static str,
    /// At the product's bound.
    pub at_bound: Rates,
    /// How many bona fide presentations it could run on, of all of them.
    pub ran: Option<Proportion>,
    pub kinds: Vec<OnKind>,
    pub at_bpcer: Vec<AtBpcer>,
}

/// A cue before one kind of attack.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OnKind {
    pub kind: String,
    /// How many of them it could run on.
    pub ran: Option<Proportion>,
    /// The chance that an attack looks more suspicious than a bona fide presentation, ties halved: 0.5 is
    /// none.
    pub auc: Option<f64>,
}

/// A cue at the least bound that refuses no more than `bpcer` of the even half's bona fide presentations.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AtBpcer {
    pub bpcer: f64,
    /// The most suspicion that is let pass; None where there is too little to set it by.
    pub bound: Option<f64>,
    /// What it does to the odd half.
    pub bpcer_odd: Option<Proportion>,
    pub apcer_odd: Vec<KindRate>,
    /// Why there is no bound.
    pub withheld: Option<&'static str>,
}

/// Each cue of a colour camera, in the product's order.
pub fn figures(responses: &[Response<'_>]) -> Vec<CueFigures> {
    BOUNDS.iter().map(|(cue, _)| CueFigures::of(*cue, responses)).collect()
}

impl CueFigures {
    fn of(cue: Cue, responses: &[Response<'_>]) -> Self {
        let bona_fide = scores(cue, responses, |r| r.is_bona_fide());
        let kinds = attack_kinds(responses).into_iter().map(|kind| {
            let attacks = scores(cue, responses, |r| r.kind == kind);
            OnKind { kind: kind.to_owned(), ran: ran(&attacks), auc: auc(&bona_fide, &attacks) }
        });
        Self {
            cue: cue.word(),
            at_bound: Rates::of(Judge::Cue(cue), responses),
            ran: ran(&bona_fide),
            kinds: kinds.collect(),
            at_bpcer: BPCER_ONE_IN.iter().map(|&one_in| AtBpcer::of(cue, responses, one_in)).collect(),
        }
    }
}

/// The suspicions of some presentations, least first.
pub fn scores(cue: Cue, responses: &[Response<'_>], is_meant: impl Fn(&Response<'_>) -> bool) -> Vec<f64> {
    let meant = responses.iter().filter(|response| is_meant(response));
    let mut scores: Vec<f64> = meant.map(|response| suspicion(response.measured, cue)).collect();
    scores.sort_by(f64::total_cmp);
    scores
}

fn ran(scores: &[f64]) -> Option<Proportion> {
    let ran = scores.iter().filter(|score| **score > f64::NEG_INFINITY).count();
    Proportion::of(ran as u64, scores.len() as u64)
}

/// Both least first. None where one of them has none.
fn auc(bona_fide: &[f64], attacks: &[f64]) -> Option<f64> {
    if bona_fide.is_empty() || attacks.is_empty() {
        return None;
    }
    let halves = |attack: &f64| {
        let below = bona_fide.partition_point(|score| score < attack);
        below + bona_fide.partition_point(|score| score <= attack)
    };
    let won: usize = attacks.iter().map(halves).sum();
    Some(won as f64 / (2.0 * bona_fide.len() as f64 * attacks.len() as f64))
}

impl AtBpcer {
    fn of(cue: Cue, responses: &[Response<'_>], one_in: u64) -> Self {
        let bpcer = 1.0 / one_in as f64;
        let even = scores(cue, responses, |r| r.is_bona_fide() && Half::of(r.name) == Half::Even);
        match bound(&even, one_in) {
            Ok(bound) => Self::tried(cue, responses, bpcer, bound),
            Err(why) => {
                Self { bpcer, bound: None, bpcer_odd: None, apcer_odd: Vec::new(), withheld: Some(why) }
            }
        }
    }

    fn tried(cue: Cue, responses: &[Response<'_>], bpcer: f64, bound: f64) -> Self {
        let odd: Vec<Response<'_>> =
            responses.iter().copied().filter(|response| Half::of(response.name) == Half::Odd).collect();
        let rates = Rates::by(cue.word(), &odd, |response| {
            let beyond = suspicion(response.measured, cue) > bound;
            Some(if beyond { Verdict::Attack } else { Verdict::BonaFide })
        });
        Self { bpcer, bound: Some(bound), bpcer_odd: rates.bpcer, apcer_odd: rates.apcer, withheld: None }
    }
}

/// The least suspicion to let pass of such, least first, so that no more than one in so many is beyond.
fn bound(bona_fide: &[f64], one_in: u64) -> Result<f64, &'static str> {
    let allowed = bona_fide.len() as u64 / one_in;
    // Where not one may be refused, that none was says little.
    if allowed == 0 {
        return Err(TOO_FEW);
    }
    let place = bona_fide.len() - 1 - allowed as usize;
    bona_fide.get(place).copied().filter(|bound| bound.is_finite()).ok_or(NO_BOUND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::liveness::figures::tests::{film, response};

    #[test]
    fn the_area_counts_ties_by_half() {
        assert_eq!(auc(&[1.0, 2.0], &[3.0, 4.0]), Some(1.0));
        assert_eq!(auc(&[3.0, 4.0], &[1.0, 2.0]), Some(0.0));
        assert_eq!(auc(&[1.0, 2.0], &[2.0]), Some(0.75));
        assert_eq!(auc(&[f64::NEG_INFINITY; 2], &[f64::NEG_INFINITY; 3]), Some(0.5));
        assert_eq!(auc(&[1.0], &[f64::INFINITY]), Some(1.0));
        assert_eq!((auc(&[], &[1.0]), auc(&[1.0], &[])), (None, None));
    }

    #[test]
    fn a_bound_refuses_no_more_than_it_may() {
        let scores: Vec<f64> = (0..40).map(f64::from).collect();
        assert_eq!(bound(&scores, 20), Ok(37.0));
        assert_eq!(scores.iter().filter(|s| **s > 37.0).count(), 2);
        assert_eq!(bound(&scores, 100), Err(TOO_FEW));
        let ties = [vec![0.0; 10], vec![5.0; 10]].concat();
        assert_eq!(bound(&ties, 20), Ok(5.0));
        assert_eq!(bound(&[f64::NEG_INFINITY; 20], 20), Err(NO_BOUND));
        assert_eq!(bound(&[f64::INFINITY; 20], 20), Err(NO_BOUND));
        assert_eq!(bound(&[], 20), Err(TOO_FEW));
    }

    #[test]
    fn halves_follow_from_names_alone() {
        // By sha256sum: they end in 37, 74 and a8.
        assert_eq!(Half::of("bona-fide/a.y4m"), Half::Odd);
        assert_eq!(Half::of("bona-fide/b.y4m"), Half::Even);
        assert_eq!(Half::of("bona-fide/c.y4m"), Half::Even);
    }

    /// Bona fide presentations 0 to 199 with as much suspicion, and attacks with 1000 and with none.
    #[test]
    fn bounds_are_set_on_one_half_and_tried_on_the_other() {
        let measured: Vec<_> = (0..200).map(|n| film(&[(Cue::Gamut, n as f32)])).collect();
        let names: Vec<String> = (0..200).map(|n| format!("bona-fide/{n}")).collect();
        let (loud, silent) = (film(&[(Cue::Gamut, 1000.0)]), film(&[]));
        let attacks: Vec<String> = (0..40).map(|n| format!("print/{n}")).collect();
        let mut all: Vec<Response<'_>> = names.iter().zip(&measured).map(|(n, m)| response(n, m)).collect();
        all.extend(attacks.iter().map(|name| response(name, &loud)));
        all.extend(attacks.iter().map(|name| response(name, &silent)));
        let figures = CueFigures::of(Cue::Gamut, &all);
        assert_eq!(figures.kinds[0].auc, Some(0.5));
        assert_eq!(figures.kinds[0].ran.map(|p| (p.events, p.trials)), Some((40, 80)));
        let odd = |names: &[String]| names.iter().filter(|n| Half::of(n) == Half::Odd).count() as u64;
        let at = &figures.at_bpcer[1];
        assert_eq!(at.bpcer, 0.05);
        let (apcer, bpcer) = (&at.apcer_odd[0].apcer, at.bpcer_odd.unwrap());
        // Those of which the cue says nothing get in, and no other.
        assert_eq!((apcer.events, apcer.trials), (odd(&attacks), 2 * odd(&attacks)));
        assert_eq!(bpcer.trials, odd(&names));
        let bound = at.bound.unwrap();
        let refused = names.iter().zip(&measured).filter(|(name, measured)| {
            Half::of(name) == Half::Odd && suspicion(measured, Cue::Gamut) > bound
        });
        assert_eq!(bpcer.events, refused.count() as u64);
    }

    #[test]
    fn few_presentations_carry_no_bound() {
        let one = film(&[(Cue::Gamut, 1.0)]);
        let figures = CueFigures::of(Cue::Gamut, &[response("bona-fide/1", &one), response("a/1", &one)]);
        let withheld: Vec<_> = figures.at_bpcer.iter().map(|at| (at.bound, at.withheld)).collect();
        assert_eq!(withheld, [(None, Some(TOO_FEW)); 2]);
        assert_eq!(figures.kinds[0].auc, Some(0.5));
    }
}
