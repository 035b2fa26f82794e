//! Whether one attempt shows one face of one person without a break: check 3 of X.1279, Appendix III, and the
//! part of check 4 that one attempt can show by itself. It asks for nothing and measures no likeness: whoever
//! compares embeddings tells it the result, not the score.
//!
//! All bounds are starting values, to be set from docs/liveness.md.

mod cut;
mod repeats;
mod splice;

use crate::liveness::challenge::Failure;
use crate::liveness::glimpse::Track;
use cut::Cuts;
use repeats::Repeats;
use splice::Splices;

/// The longest time between two frames, in µs: a camera in poor light gives seven a second, and comparing a
/// face takes its time too.
const GAP_US: u64 = 700_000;
/// The longest time without a face, or with more than one, in µs. A single frame in which the detector errs
/// is none of either.
const LOST_US: u64 = 700_000;
const COMPANY_US: u64 = 300_000;
/// So many comparisons in a row that say "another" are a change of person; one may be a bad frame.
const OTHERS: u32 = 2;

/// What one frame shows.
#[derive(Clone, Copy, Debug)]
pub enum Sight<'a> {
    /// One face: the track's last glimpse.
    Face(&'a Track),
    /// No face, at this time.
    NoFace(u64),
    /// More than one, at this time.
    SeveralFaces(u64),
}

/// What a comparison with the face of the same attempt, or with the template that it matched, came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sameness {
    Different,
    /// Turned, blurred or not compared: says nothing.
    Unclear,
    Same,
}

/// How the attempt went so far.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// For good: the first break that was seen.
    Broken(Failure),
    Unbroken,
}

/// All that one attempt showed.
#[derive(Debug, Default)]
pub struct Continuity {
    last_us: Option<u64>,
    last_face_us: Option<u64>,
    company_us: Option<u64>,
    cuts: Cuts,
    repeats: Repeats,
    splices: Splices,
    same: u32,
    /// Comparisons that said "another" since the last that said "the same".
    others: u32,
    broken: Option<Failure>,
}

impl Continuity {
    /// Looks at one frame, in the order in which they come.
    pub fn look(&mut self, sight: Sight<'_>) -> Flow {
        let at_us = match sight {
            Sight::Face(track) => track.last().map(|glimpse| glimpse.at_us),
            Sight::NoFace(at_us) | Sight::SeveralFaces(at_us) => Some(at_us),
        };
        // A sight of a face without a glimpse is a mistake of the caller, and no evidence.
        let found = at_us.map_or(Some(Failure::StreamBroken), |at_us| {
            self.time(at_us).or_else(|| self.presence(sight, at_us)).or_else(|| self.picture(sight))
        });
        self.note(found)
    }

    /// Takes the result of one comparison.
    pub fn identity(&mut self, same: Sameness) -> Flow {
        match same {
            Sameness::Same => (self.same, self.others) = (self.same + 1, 0),
            Sameness::Different => self.others += 1,
            Sameness::Unclear => {}
        }
        let changed = self.others >= OTHERS;
        self.note(changed.then_some(Failure::PersonChanged))
    }

    /// The end of the attempt: unbroken only if so many comparisons said "the same", among them the last.
    pub fn finish(&mut self, least_same: u32) -> Flow {
        let unclear = self.same < least_same.max(1) || self.others > 0;
        self.note(unclear.then_some(Failure::PersonUnclear))
    }

    fn note(&mut self, found: Option<Failure>) -> Flow {
        self.broken = self.broken.or(found);
        self.broken.map_or(Flow::Unbroken, Flow::Broken)
    }

    fn time(&mut self, at_us: u64) -> Option<Failure> {
        let last_us = self.last_us.replace(at_us)?;
        let follows = at_us > last_us && at_us - last_us <= GAP_US;
        (!follows).then_some(Failure::StreamBroken)
    }

    fn presence(&mut self, sight: Sight<'_>, at_us: u64) -> Option<Failure> {
        match sight {
            Sight::SeveralFaces(_) => {
                let since_us = *self.company_us.get_or_insert(at_us);
                (at_us - since_us >= COMPANY_US).then_some(Failure::SeveralFaces)
            }
            Sight::Face(_) => {
                (self.last_face_us, self.company_us) = (Some(at_us), None);
                None
            }
            Sight::NoFace(_) => {
                self.company_us = None;
                // Before the first face, nothing is lost.
                let last_us = self.last_face_us?;
                (at_us - last_us > LOST_US).then_some(Failure::FaceLost)
            }
        }
    }

    fn picture(&mut self, sight: Sight<'_>) -> Option<Failure> {
        let Sight::Face(track) = sight else {
            return None;
        };
        let glimpse = track.last()?;
        let cut = self.cuts.look(glimpse).or_else(|| self.splices.look(glimpse));
        cut.or_else(|| self.repeats.look(track))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::actions::Action;
    use crate::liveness::glimpse::Glimpse;
    use crate::liveness::synthetic::{Film, Head, START_US};

    /// Shows frame after frame; the first break, if there is one.
    pub(super) fn watched(glimpses: Vec<Glimpse>) -> Flow {
        let (mut continuity, mut track) = (Continuity::default(), Track::default());
        let mut flow = Flow::Unbroken;
        for glimpse in glimpses {
            track.push(glimpse);
            flow = continuity.look(Sight::Face(&track));
        }
        flow
    }

    #[test]
    fn people_are_unbroken_whatever_they_do() {
        for action in Action::ALL {
            for seed in 1..=4 {
                for rate in [10.0, 15.0, 30.0] {
                    let film = Film { rate, seed, ..Film::DEFAULT };
                    let shown = film.glimpses(6.0, |t| Head::sway(t).acting(action, (t - 1.0) % 2.5));
                    assert_eq!(watched(shown), Flow::Unbroken, "{action:?} {seed} {rate}");
                }
            }
        }
    }

    #[test]
    fn frames_that_are_missing_or_go_back_break_it() {
        let broken = Flow::Broken(Failure::StreamBroken);
        let film = Film::DEFAULT.glimpses(3.0, Head::sway);
        let missing = film.iter().enumerate().filter(|(i, _)| !(30..55).contains(i));
        assert_eq!(watched(missing.map(|(_, glimpse)| glimpse.clone()).collect()), broken);
        let mut back = film;
        back.swap(40, 41);
        assert_eq!(watched(back), broken);
        assert_eq!(Continuity::default().look(Sight::Face(&Track::default())), broken);
    }

    #[test]
    fn a_face_may_be_lost_for_a_moment_only() {
        let track = Film::DEFAULT.track(1.0, Head::sway);
        let last_us = track.last().expect("a frame").at_us;
        let mut continuity = Continuity::default();
        assert_eq!(continuity.look(Sight::NoFace(START_US)), Flow::Unbroken);
        assert_eq!(continuity.look(Sight::NoFace(START_US + 500_000)), Flow::Unbroken);
        assert_eq!(continuity.look(Sight::Face(&track)), Flow::Unbroken);
        assert_eq!(continuity.look(Sight::NoFace(last_us + 600_000)), Flow::Unbroken);
        let lost = continuity.look(Sight::NoFace(last_us + 800_000));
        assert_eq!(lost, Flow::Broken(Failure::FaceLost));
        assert_eq!(continuity.identity(Sameness::Same), lost);
    }

    #[test]
    fn company_that_stays_breaks_it() {
        let mut continuity = Continuity::default();
        let company = |ms: u64| Sight::SeveralFaces(START_US + ms * 1000);
        assert_eq!(continuity.look(company(0)), Flow::Unbroken);
        assert_eq!(continuity.look(Sight::NoFace(START_US + 100_000)), Flow::Unbroken);
        assert_eq!(continuity.look(company(300)), Flow::Unbroken);
        assert_eq!(continuity.look(company(620)), Flow::Broken(Failure::SeveralFaces));
    }

    #[test]
    fn the_person_must_be_the_same_to_the_end() {
        let told = |sames: &[Sameness]| {
            let mut continuity = Continuity::default();
            for same in sames {
                let _ = continuity.identity(*same);
            }
            continuity.finish(2)
        };
        use Sameness::*;
        assert_eq!(told(&[Same, Unclear, Different, Same]), Flow::Unbroken);
        assert_eq!(told(&[Same, Different, Unclear, Different]), Flow::Broken(Failure::PersonChanged));
        assert_eq!(told(&[Same, Same, Different]), Flow::Broken(Failure::PersonUnclear));
        assert_eq!(told(&[Same, Unclear]), Flow::Broken(Failure::PersonUnclear));
        assert_eq!(told(&[]), Flow::Broken(Failure::PersonUnclear));
    }
}
