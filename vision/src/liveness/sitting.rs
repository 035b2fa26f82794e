//! The liveness of one attempt, from its first frame to its end: what is kept of each frame, what the person is
//! to be told, and whether all of it is evidence of a living person. Who she is, it is told.

use crate::image::Image;
use crate::liveness::continuity::{Continuity, Flow, Sameness, Sight};
use crate::liveness::decision::{self, Assessment, Reading};
use crate::liveness::flash::{Flash, FlashSequence, Reflection, Screen};
use crate::liveness::glimpse::{Baseline, Cues, Glimpse, Track};
use crate::liveness::{Challenge, Failure, Progress};
use crate::observe::Observation;
use crate::quality::Shortfall;

/// On so many frames the cues of one frame are asked; their median counts.
const CUE_FRAMES: usize = 5;
/// Between two of them, in µs: neighbouring frames say the same.
const CUE_GAP_US: u64 = 200_000;

/// Something is asked for only of a face that was recognised so lately, in µs: comparisons come every 400 ms.
const FRESH_US: u64 = 800_000;
/// While a challenge lasts, so long may pass, in µs, without the face being recognised: a turn and the way back.
const UNSEEN_US: u64 = 2_500_000;
/// And so long without any face. Nobody changes places sooner.
const ABSENT_US: u64 = 300_000;

/// Liveness while an attempt lasts. The first failure is final.
#[derive(Debug)]
pub struct Sitting {
    baseline: Baseline,
    challenge: Option<Challenge>,
    flash: Option<Flash>,
    /// Once the flash is over.
    reflection: Option<Reflection>,
    track: Track,
    continuity: Continuity,
    cue_frames: usize,
    last_cue_us: Option<u64>,
    /// When a face was last seen, and last recognised.
    face_us: Option<u64>,
    same_us: Option<u64>,
    failed: Option<Failure>,
}

/// How an attempt stands.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is no evidence of a living person, whatever comes.
    Failed(Failure),
    /// What the challenge says: to be shown.
    Open(Progress),
    /// The challenge was answered, or there was none.
    Answered,
}

impl Sitting {
    /// `baseline`: the person's own measures at rest. Without a challenge nothing is asked of her.
    pub fn new(baseline: Baseline, challenge: Option<Challenge>) -> Self {
        Self {
            baseline,
            challenge,
            flash: None,
            reflection: None,
            track: Track::default(),
            continuity: Continuity::default(),
            cue_frames: 0,
            last_cue_us: None,
            face_us: None,
            same_us: None,
            failed: None,
        }
    }

    /// With colours on the screen before the face, which is to follow them.
    pub fn with_flash(self, sequence: Option<FlashSequence>) -> Self {
        Self { flash: sequence.map(Flash::new), ..self }
    }

    /// Looks at the next frame. `at_us`: when the camera took it, by a clock that never goes back.
    pub fn look(&mut self, image: &Image, observation: &Observation, at_us: u64) -> Standing {
        let sight = match observation {
            Observation::Usable(view) => {
                let cues = self.cues(at_us);
                self.flash.iter_mut().for_each(|flash| flash.see(image, view, at_us));
                self.track.push(Glimpse::of(image, view, at_us, cues));
                Sight::Face(&self.track)
            }
            // A face that is turned away or moves can be followed, though nobody could be recognised by it. One that
            // is dark, far or covered is none: whoever acts is to be seen.
            Observation::Unusable(Shortfall::Turned | Shortfall::Blurred, Some(view)) => {
                self.track.push(Glimpse::of(image, view, at_us, Cues::Spared));
                Sight::Face(&self.track)
            }
            Observation::Unusable(Shortfall::SeveralFaces, None) => Sight::SeveralFaces(at_us),
            Observation::Unusable(..) => Sight::NoFace(at_us),
        };
        if matches!(sight, Sight::Face(_)) {
            self.face_us = Some(at_us);
        }
        let flow = self.continuity.look(sight);
        self.note(flow);
        self.standing(at_us)
    }

    /// Asks for more, after all. Where something was asked for already, that stays.
    pub fn ask(&mut self, challenge: Challenge) {
        self.challenge.get_or_insert(challenge);
    }

    /// What the screen changes to now, if it does. Colours begin once the face was recognised.
    pub fn screen(&mut self, now_us: u64) -> Option<Screen> {
        if self.failed.is_some() || self.same_us.is_none() {
            return None;
        }
        self.flash.as_mut()?.turn(now_us)
    }

    /// Whether anything is, or was, asked for.
    pub fn asks(&self) -> bool {
        self.challenge.is_some()
    }

    /// Takes the result of a comparison with whom the attempt is about, of the frame of this time.
    pub fn identity(&mut self, same: Sameness, at_us: u64) {
        if same == Sameness::Same {
            self.same_us = Some(at_us);
        }
        let flow = self.continuity.identity(same);
        self.note(flow);
    }

    /// How it stands at this time of the frames' clock: to be asked while no frame comes, too.
    pub fn standing(&mut self, now_us: u64) -> Standing {
        self.reflect();
        let since = |then: Option<u64>| then.map_or(u64::MAX, |then| now_us.saturating_sub(then));
        if let (None, Some(challenge)) = (self.failed, &mut self.challenge) {
            // Before the first recognition nothing was asked, and it may never come.
            if self.same_us.is_some() && since(self.same_us) > UNSEEN_US {
                self.failed = Some(Failure::PersonUnclear);
                return Standing::Failed(Failure::PersonUnclear);
            }
            if self.same_us.is_some() && since(self.face_us) > ABSENT_US {
                self.failed = Some(Failure::FaceLost);
                return Standing::Failed(Failure::FaceLost);
            }
            let over = challenge.answers().len() == challenge.steps().len();
            if !over && !challenge.is_asking() && since(self.same_us) > FRESH_US {
                return Standing::Open(Progress::Wait);
            }
            match challenge.look(&self.track, self.baseline, now_us) {
                Progress::Failed(failure) => self.failed = Some(failure),
                Progress::Passed => {}
                progress => return Standing::Open(progress),
            }
        }
        match self.failed {
            Some(failure) => Standing::Failed(failure),
            None if !self.is_reflected() => Standing::Open(Progress::Wait),
            None => Standing::Answered,
        }
    }

    /// Judges the flash once, when it is over.
    fn reflect(&mut self) {
        let over = self.flash.as_ref().filter(|flash| flash.is_over() && self.reflection.is_none());
        if let Some(reflection) = over.map(Flash::judge) {
            self.reflection = Some(reflection);
            let follows = reflection == Reflection::Follows;
            self.failed = self.failed.or((!follows).then_some(Failure::NoReflection));
        }
    }

    /// Whether the face followed the colours, where there were any.
    fn is_reflected(&self) -> bool {
        self.flash.is_none() || self.reflection == Some(Reflection::Follows)
    }

    /// The end: unbroken, of one person by so many comparisons, and what the cues of it come to.
    pub fn finish(&mut self, least_same: u32) -> Result<Assessment, Failure> {
        let flow = self.continuity.finish(least_same);
        self.note(flow);
        let answered = self.challenge.as_ref().is_none_or(|c| c.answers().len() == c.steps().len());
        match self.failed {
            Some(failure) => Err(failure),
            None if !answered || !self.is_reflected() => Err(Failure::TooLate),
            None => Ok(decision::assess(&self.readings())),
        }
    }

    /// What each cue said so far.
    pub fn readings(&self) -> Vec<Reading> {
        decision::readings(&self.track)
    }

    pub fn track(&self) -> &Track {
        &self.track
    }

    fn note(&mut self, flow: Flow) {
        if let Flow::Broken(failure) = flow {
            self.failed = self.failed.or(Some(failure));
        }
    }

    fn cues(&mut self, at_us: u64) -> Cues {
        let due = self.last_cue_us.is_none_or(|last| at_us.saturating_sub(last) >= CUE_GAP_US);
        if self.cue_frames >= CUE_FRAMES || !due {
            return Cues::Spared;
        }
        (self.cue_frames, self.last_cue_us) = (self.cue_frames + 1, Some(at_us));
        Cues::Asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::ActionSet;
    use crate::liveness::synthetic::{BASELINE, Film, Head};

    /// A face at rest for so many seconds, recognised where `recognised` says so: how it stands in the end.
    fn rested(seconds: f32, recognised: impl Fn(u64) -> bool) -> Standing {
        let challenge = Challenge::draw(&[7; 32], 1, ActionSet::USUAL);
        let mut sitting = Sitting::new(BASELINE, challenge);
        let mut standing = Standing::Answered;
        for (frame, glimpse) in (0..).zip(Film::DEFAULT.glimpses(seconds, Head::sway)) {
            let at_us = glimpse.at_us;
            sitting.face_us = Some(at_us);
            sitting.track.push(glimpse);
            if recognised(frame) {
                sitting.identity(Sameness::Same, at_us);
            }
            standing = sitting.standing(at_us);
        }
        standing
    }

    #[test]
    fn who_is_not_recognised_is_asked_nothing() {
        assert!(matches!(rested(2.4, |frame| frame % 10 == 0), Standing::Open(Progress::Prompt(_))));
        assert_eq!(rested(2.4, |_| false), Standing::Open(Progress::Wait));
        // Recognised once, and then another face, of whom nothing is known.
        assert_eq!(rested(1.4, |frame| frame == 0), Standing::Open(Progress::Wait));
        assert_eq!(rested(3.4, |frame| frame == 0), Standing::Failed(Failure::PersonUnclear));
    }

    #[test]
    fn without_a_reflection_nothing_is_answered() {
        let flash = || Some(FlashSequence::draw(&[5; 32]));
        let mut sitting = Sitting::new(BASELINE, None).with_flash(flash());
        assert_eq!(sitting.screen(1_000_000), None, "nobody was recognised");
        sitting.identity(Sameness::Same, 1_000_000);
        assert!(sitting.screen(1_000_000).is_some());
        assert_eq!(sitting.standing(1_000_000), Standing::Open(Progress::Wait));
        assert!(sitting.finish(1).is_err());
        let mut at_us = 1_000_000;
        while sitting.screen(at_us) != Some(Screen::Off) {
            at_us += 33_000;
        }
        assert_eq!(sitting.standing(at_us), Standing::Failed(Failure::NoReflection), "no face was seen");
        assert_eq!(sitting.screen(at_us), None);
    }

    #[test]
    fn nobody_changes_places_unseen() {
        let challenge = Challenge::draw(&[7; 32], 1, ActionSet::USUAL);
        let mut sitting = Sitting::new(BASELINE, challenge);
        (sitting.face_us, sitting.same_us) = (Some(1_000_000), Some(1_000_000));
        assert_eq!(sitting.standing(1_000_000 + ABSENT_US), Standing::Open(Progress::Wait));
        let lost = sitting.standing(1_000_001 + ABSENT_US);
        assert_eq!(lost, Standing::Failed(Failure::FaceLost));
        assert_eq!(sitting.standing(1_000_002), lost, "it is final");
    }
}
