//! Turns what presentations came to into the error rates of ISO/IEC 30107-3. A rate is of the presentations
//! to which the judge responded; non-responses are counted apart. It sees no picture.

use serde::Serialize;
use vultus_vision::liveness::decision::{self, Assessment};
use vultus_vision::liveness::{Cue, Reading};

use super::folder::{BONA_FIDE, Presentation};
use super::measure::Measured;
use super::work::Outcome;
use crate::evaluate::interval::Proportion;

/// One presentation to which there was a response.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    pub name: &'a str,
    pub kind: &'a str,
    pub measured: &'a Measured,
}

impl Response<'_> {
    pub fn is_bona_fide(&self) -> bool {
        self.kind == BONA_FIDE
    }
}

/// All of those that were measured and showed a face.
pub fn responses<'a>(presentations: &'a [Presentation], outcomes: &'a [Outcome]) -> Vec<Response<'a>> {
    let measured = presentations.iter().zip(outcomes).filter_map(|(shown, outcome)| match outcome {
        Outcome::Measured(record) => Some((shown, &record.measured)),
        Outcome::Unreadable(_) => None,
    });
    let responded = measured.filter(|(_, measured)| measured.responded());
    responded.map(|(shown, measured)| Response { name: &shown.name, kind: &shown.kind, measured }).collect()
}

/// The kinds of attack among them, in order, each once.
pub fn attack_kinds<'a>(responses: &[Response<'a>]) -> Vec<&'a str> {
    let mut kinds: Vec<&str> = responses.iter().filter(|r| !r.is_bona_fide()).map(|r| r.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// What tells attacks from living persons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// One cue at the product's bound.
    Cue(Cue),
    /// All cues at the product's bounds: its passive decision.
    Cues,
    /// Whether the film is of one piece. Single pictures are not judged.
    Continuity,
    /// Whether all that was asked was done. Where nothing was asked, nothing is judged.
    Actions,
    /// All of these: an attack is what any of them calls one.
    Together,
}

/// What a judge says of one presentation.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    BonaFide,
    Attack,
}

impl Verdict {
    fn attack_if(attack: bool) -> Self {
        if attack { Self::Attack } else { Self::BonaFide }
    }
}

impl Judge {
    pub fn word(self) -> &'static str {
        match self {
            Self::Cue(cue) => cue.word(),
            Self::Cues => "cues-together",
            Self::Continuity => "continuity",
            Self::Actions => "actions",
            Self::Together => "all-together",
        }
    }

    /// None where it has nothing to judge by.
    fn verdict(self, measured: &Measured) -> Option<Verdict> {
        match self {
            Self::Cue(cue) => {
                let own: Vec<Reading> = measured.readings().into_iter().filter(|r| r.cue == cue).collect();
                Some(by_bounds(&own))
            }
            Self::Cues => Some(by_bounds(&measured.readings())),
            Self::Continuity => (measured.frames > 1).then(|| Verdict::attack_if(measured.failure.is_some())),
            Self::Actions => {
                (measured.asked > 0).then(|| Verdict::attack_if(measured.answered < measured.asked))
            }
            Self::Together => {
                let all = [Self::Cues, Self::Continuity, Self::Actions];
                all.into_iter().filter_map(|judge| judge.verdict(measured)).max()
            }
        }
    }
}

fn by_bounds(readings: &[Reading]) -> Verdict {
    match decision::assess(readings) {
        Assessment::Attack(_) => Verdict::Attack,
        Assessment::Unsuspicious(_) => Verdict::BonaFide,
    }
}

/// The share of one kind of attack that was taken for bona fide.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KindRate {
    pub kind: String,
    pub apcer: Proportion,
}

/// The mean of the largest APCER and of BPCER, with the means of the ends of their intervals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Acer {
    pub rate: f64,
    pub lower: f64,
    pub upper: f64,
}

/// The error rates of one judge. None where there is nothing to rate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rates {
    pub judge: &'static str,
    pub bpcer: Option<Proportion>,
    pub apcer: Vec<KindRate>,
    /// Of the kind that gets in most often.
    pub apcer_max: Option<KindRate>,
    pub acer: Option<Acer>,
}

impl Rates {
    pub fn of(judge: Judge, responses: &[Response<'_>]) -> Self {
        Self::by(judge.word(), responses, |response| judge.verdict(response.measured))
    }

    pub fn by(
        judge: &'static str,
        responses: &[Response<'_>],
        verdict: impl Fn(&Response<'_>) -> Option<Verdict>,
    ) -> Self {
        let wrong = |is_shown: &dyn Fn(&Response<'_>) -> bool, error: Verdict| {
            let verdicts = responses.iter().filter(|r| is_shown(r)).filter_map(&verdict);
            let (mut errors, mut trials) = (0, 0);
            verdicts.for_each(|said| (errors, trials) = (errors + u64::from(said == error), trials + 1));
            Proportion::of(errors, trials)
        };
        let bpcer = wrong(&|r| r.is_bona_fide(), Verdict::Attack);
        let kinds = attack_kinds(responses).into_iter();
        let apcer: Vec<KindRate> = kinds
            .filter_map(|kind| {
                let apcer = wrong(&|r| r.kind == kind, Verdict::BonaFide)?;
                Some(KindRate { kind: kind.to_owned(), apcer })
            })
            .collect();
        let apcer_max = apcer.iter().max_by(|a, b| a.apcer.rate.total_cmp(&b.apcer.rate)).cloned();
        let acer = apcer_max.as_ref().zip(bpcer).map(|(max, bpcer)| Acer::of(max.apcer, bpcer));
        Self { judge, bpcer, apcer, apcer_max, acer }
    }
}

impl Acer {
    fn of(apcer: Proportion, bpcer: Proportion) -> Self {
        let mean = |of: fn(&Proportion) -> f64| (of(&apcer) + of(&bpcer)) / 2.0;
        Self { rate: mean(|p| p.rate), lower: mean(|p| p.lower), upper: mean(|p| p.upper) }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A film of thirty frames with such suspicions, all else in order.
    pub fn film(readings: &[(Cue, f32)]) -> Measured {
        let readings = readings.iter().map(|(cue, s)| (cue.word().to_owned(), Some(*s))).collect();
        Measured { frames: 30, faces: 30, usable: 30, readings, ..Measured::default() }
    }

    pub fn response<'a>(name: &'a str, measured: &'a Measured) -> Response<'a> {
        Response { name, kind: name.split('/').next().unwrap_or_default(), measured }
    }

    #[test]
    fn each_judge_has_its_own_rates() {
        let good = Measured { asked: 1, answered: 1, ..film(&[]) };
        let cut = Measured { failure: Some("jump-cut".into()), ..good.clone() };
        let idle = Measured { answered: 0, ..good.clone() };
        let picture = Measured { frames: 1, asked: 0, answered: 0, ..good.clone() };
        let all = [
            response("bona-fide/1", &good),
            response("bona-fide/2", &good),
            response("bona-fide/3", &idle),
            response("print/1", &picture),
            response("print/2", &idle),
            response("replay/1", &cut),
            response("replay/2", &good),
        ];
        let rates = |judge| Rates::of(judge, &all);
        let counts = |rate: Option<Proportion>| rate.map(|p| (p.events, p.trials));
        let apcer = |rates: &Rates| -> Vec<(String, u64, u64)> {
            rates.apcer.iter().map(|k| (k.kind.clone(), k.apcer.events, k.apcer.trials)).collect()
        };
        let kind = |name: &str, events, trials| (name.to_owned(), events, trials);
        // The picture's film and script are not judged.
        let continuity = rates(Judge::Continuity);
        assert_eq!(counts(continuity.bpcer), Some((0, 3)));
        assert_eq!(apcer(&continuity), [kind("print", 1, 1), kind("replay", 1, 2)]);
        let actions = rates(Judge::Actions);
        assert_eq!(counts(actions.bpcer), Some((1, 3)));
        assert_eq!(apcer(&actions), [kind("print", 0, 1), kind("replay", 2, 2)]);
        let together = rates(Judge::Together);
        assert_eq!(counts(together.bpcer), Some((1, 3)));
        assert_eq!(apcer(&together), [kind("print", 1, 2), kind("replay", 1, 2)]);
    }

    #[test]
    fn acer_is_of_the_worst_kind() {
        let (good, cut) = (film(&[]), Measured { failure: Some("frozen".into()), ..film(&[]) });
        let all = [
            response("bona-fide/1", &good),
            response("bona-fide/2", &cut),
            response("a/1", &cut),
            response("b/1", &good),
            response("c/1", &cut),
        ];
        let rates = Rates::of(Judge::Continuity, &all);
        assert_eq!(rates.apcer_max.map(|max| max.kind), Some("b".into()));
        let acer = rates.acer.unwrap();
        assert_eq!(acer.rate, 0.75);
        let (bpcer, apcer) = (Proportion::of(1, 2).unwrap(), Proportion::of(1, 1).unwrap());
        assert_eq!((acer.lower, acer.upper), ((bpcer.lower + apcer.lower) / 2.0, (bpcer.upper + 1.0) / 2.0));
        assert_eq!(Rates::of(Judge::Continuity, &all[..2]).acer, None);
    }

    #[test]
    fn what_is_no_number_is_beyond_the_products_bounds() {
        let (number, none) = (film(&[(Cue::Moire, 1e30)]), film(&[(Cue::Moire, f32::MAX)]));
        let all = [response("print/1", &number), response("print/2", &none)];
        for judge in [Judge::Cue(Cue::Moire), Judge::Cues] {
            assert!(Rates::of(judge, &all).apcer[0].apcer.events <= 1);
            assert_eq!(judge.verdict(&none), Some(Verdict::Attack));
        }
        assert_eq!(Judge::Cue(Cue::Focus).verdict(&none), Some(Verdict::BonaFide));
    }

    #[test]
    fn who_showed_no_face_got_no_response() {
        let none = Measured { usable: 0, ..film(&[]) };
        assert!(!none.responded() && film(&[]).responded());
    }
}
