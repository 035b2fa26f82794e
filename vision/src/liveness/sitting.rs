//! The liveness of one attempt, from its first frame to its end: what is kept of each frame, what the person is
//! to be told, and whether all of it is evidence of a living person. Who she is, it is told.

use crate::image::Image;
use crate::liveness::continuity::{Continuity, Flow, Sameness, Sight};
use crate::liveness::decision::{self, Assessment, Reading};
use crate::liveness::glimpse::{Baseline, Cues, Glimpse, Track};
use crate::liveness::{Challenge, Failure, Progress};
use crate::observe::Observation;
use crate::quality::Shortfall;

/// On so many frames the cues of one frame are asked; their median counts.
const CUE_FRAMES: usize = 5;
/// Between two of them, in µs: neighbouring frames say the same.
const CUE_GAP_US: u64 = 200_000;

/// Liveness while an attempt lasts. The first failure is final.
#[derive(Debug)]
pub struct Sitting {
    baseline: Baseline,
    challenge: Option<Challenge>,
    track: Track,
    continuity: Continuity,
    cue_frames: usize,
    last_cue_us: Option<u64>,
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
            track: Track::default(),
            continuity: Continuity::default(),
            cue_frames: 0,
            last_cue_us: None,
            failed: None,
        }
    }

    /// Looks at the next frame. `at_us`: when the camera took it, by a clock that never goes back.
    pub fn look(&mut self, image: &Image, observation: &Observation, at_us: u64) -> Standing {
        let sight = match observation {
            Observation::Usable(view) => {
                let cues = self.cues(at_us);
                self.track.push(Glimpse::of(image, view, at_us, cues));
                Sight::Face(&self.track)
            }
            // A face that is turned away or moves can be followed, though nobody could be recognised by it.
            Observation::Unusable(_, Some(view)) => {
                self.track.push(Glimpse::of(image, view, at_us, Cues::Spared));
                Sight::Face(&self.track)
            }
            Observation::Unusable(Shortfall::SeveralFaces, None) => Sight::SeveralFaces(at_us),
            Observation::Unusable(_, None) => Sight::NoFace(at_us),
        };
        let flow = self.continuity.look(sight);
        self.note(flow);
        self.standing(at_us)
    }

    /// Asks for more, after all. Where something was asked for already, that stays.
    pub fn ask(&mut self, challenge: Challenge) {
        self.challenge.get_or_insert(challenge);
    }

    /// Whether anything is, or was, asked for.
    pub fn asks(&self) -> bool {
        self.challenge.is_some()
    }

    /// Takes the result of a comparison with whom the attempt is about.
    pub fn identity(&mut self, same: Sameness) {
        let flow = self.continuity.identity(same);
        self.note(flow);
    }

    /// How it stands at this time of the frames' clock: to be asked while no frame comes, too.
    pub fn standing(&mut self, now_us: u64) -> Standing {
        if let (None, Some(challenge)) = (self.failed, &mut self.challenge) {
            match challenge.look(&self.track, self.baseline, now_us) {
                Progress::Failed(failure) => self.failed = Some(failure),
                Progress::Passed => {}
                progress => return Standing::Open(progress),
            }
        }
        self.failed.map_or(Standing::Answered, Standing::Failed)
    }

    /// The end: unbroken, of one person by so many comparisons, and what the cues of it come to.
    pub fn finish(&mut self, least_same: u32) -> Result<Assessment, Failure> {
        let flow = self.continuity.finish(least_same);
        self.note(flow);
        let answered = self.challenge.as_ref().is_none_or(|c| c.answers().len() == c.steps().len());
        match self.failed {
            Some(failure) => Err(failure),
            None if !answered => Err(Failure::TooLate),
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
