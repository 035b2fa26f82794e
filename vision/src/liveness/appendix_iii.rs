//! The six checks of X.1279, Appendix III, by name, and which of them a failure or a cue belongs to, so that a
//! report can say what refused. It checks nothing.
//!
//! | check | what does it here |
//! |---|---|
//! | 1 prescribed action | `challenge`, `actions` |
//! | 2 angle of face and camera | `angle`, and the nose against eyes and mouth in `actions` |
//! | 3 continuity, no slide show, no change of person | `continuity` |
//! | 4 replayed video | `continuity` within an attempt, `replay` between attempts, the randomness of `challenge` |
//! | 5 picture | cues of a frame: moiré, surround, gamut, specular, focus, a network; of motion: a plane |
//! | 6 rendered 3-D model | what a screen cannot answer: the emitter's pattern, depth, `flash` |

use crate::liveness::Cue;
use crate::liveness::challenge::Failure;

/// One of the six.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Check {
    /// 1: the user does what is prompted, and it can be seen.
    PrescribedAction,
    /// 2: the angle between face and camera changes as a living head's does.
    Angle,
    /// 3: the motion is continuous, no slides are shown, the person stays the same.
    Continuity,
    /// 4: the motion is no video that is played again.
    VideoReplay,
    /// 5: the face is no picture.
    Picture,
    /// 6: the face is no three-dimensional model made by computer graphics.
    RenderedModel,
}

impl Check {
    pub const ALL: [Self; 6] = [
        Self::PrescribedAction,
        Self::Angle,
        Self::Continuity,
        Self::VideoReplay,
        Self::Picture,
        Self::RenderedModel,
    ];

    /// The stable word, in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::PrescribedAction => "prescribed-action",
            Self::Angle => "angle",
            Self::Continuity => "continuity",
            Self::VideoReplay => "video-replay",
            Self::Picture => "picture",
            Self::RenderedModel => "rendered-model",
        }
    }

    /// Its number in the appendix.
    pub fn number(self) -> u8 {
        self as u8 + 1
    }

    /// The check that a failure belongs to.
    pub fn of(failure: Failure) -> Self {
        match failure {
            Failure::WrongAction | Failure::TooEarly | Failure::TooLate | Failure::Unsettled => {
                Self::PrescribedAction
            }
            Failure::AngleInconsistent => Self::Angle,
            Failure::SeveralFaces
            | Failure::FaceLost
            | Failure::StreamBroken
            | Failure::JumpCut
            | Failure::SlideShow
            | Failure::Frozen
            | Failure::PersonChanged
            | Failure::PersonUnclear => Self::Continuity,
            Failure::Repeated | Failure::SeenBefore => Self::VideoReplay,
            Failure::NoReflection => Self::RenderedModel,
        }
    }

    /// The check that a cue serves first. A model on a screen is a picture to most of them; it moves in depth
    /// as a head does, so that its flatness and what it does not answer give it away.
    pub fn of_cue(cue: Cue) -> Self {
        match cue {
            Cue::Network
            | Cue::Moire
            | Cue::Surround
            | Cue::Gamut
            | Cue::Specular
            | Cue::Focus
            | Cue::MotionInDepth
            | Cue::InfraredReflectance => Self::Picture,
            Cue::InfraredResponse | Cue::Depth => Self::RenderedModel,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_a_word_a_number_and_something_that_does_it() {
        const CUES: [Cue; 10] = [
            Cue::Network,
            Cue::Moire,
            Cue::Surround,
            Cue::Gamut,
            Cue::Specular,
            Cue::Focus,
            Cue::MotionInDepth,
            Cue::InfraredReflectance,
            Cue::InfraredResponse,
            Cue::Depth,
        ];
        let failures = Failure::ALL.into_iter().map(Check::of);
        let done: Vec<Check> = failures.chain(CUES.into_iter().map(Check::of_cue)).collect();
        for (i, check) in Check::ALL.into_iter().enumerate() {
            assert!(done.contains(&check), "{check:?}");
            assert_eq!(usize::from(check.number()), i + 1);
            assert_eq!(Check::ALL.into_iter().filter(|other| other.word() == check.word()).count(), 1);
        }
    }
}
