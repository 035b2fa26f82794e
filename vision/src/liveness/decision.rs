//! What the cues of one attempt come to together, and what a rule then demands. A cue that could not run speaks
//! for nobody: what is missing never makes a demand smaller.
//!
//! Each cue has a bound. One cue beyond its bound is an attack, whatever the others say: cues see different
//! attacks, and are blind to the rest. So the share of bona fide attempts that are refused is at most the sum of
//! their shares. The operating point and what it was measured on: docs/liveness.md.

use crate::image::Image;
use crate::liveness::fit::median;
use crate::liveness::glimpse::Track;
use crate::liveness::{Cue, Suspicion, focus, gamut, moire, motion_in_depth, specular, surround};
use crate::observe::FaceView;

/// The cues that run on any colour camera, with the most suspicion that is let pass.
pub const BOUNDS: [(Cue, f32); 6] = [
    (Cue::Moire, 20.0),
    (Cue::Surround, 0.65),
    (Cue::Gamut, 2.1),
    (Cue::Specular, 0.1),
    (Cue::Focus, 15.0),
    (Cue::MotionInDepth, 0.95),
];

/// What one cue said of a whole attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    pub cue: Cue,
    /// None where it could not run.
    pub suspicion: Option<Suspicion>,
}

/// What the passive cues of one attempt come to.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assessment {
    /// This cue is beyond its bound.
    Attack(Cue),
    Unsuspicious(Evidence),
}

/// What speaks for a living face, where nothing speaks against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// Some cue of a colour camera could not run.
    Incomplete,
    /// All cues of a colour camera ran.
    Colour,
    /// Infrared light or depth, besides.
    Physical,
}

/// What is asked for where a face is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// No face is taken.
    Refuse,
    /// The person must act, whatever the camera sees.
    Active,
    /// The person must act, unless infrared light or depth speaks for her.
    ByCamera,
    /// The passive cues alone. A photograph that none of them finds is taken: not for what matters.
    Passive,
}

/// What a rule demands of one attempt.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    Refuse,
    /// So many random actions.
    Challenge(usize),
    Nothing,
}

impl Rule {
    /// `steps`: how many actions a challenge has.
    pub fn demand(self, evidence: Evidence, steps: usize) -> Demand {
        match (self, evidence) {
            (Self::Refuse, _) => Demand::Refuse,
            (Self::Active, _) | (Self::ByCamera, Evidence::Incomplete | Evidence::Colour) => {
                Demand::Challenge(steps)
            }
            (Self::Passive, Evidence::Incomplete) => Demand::Challenge(steps),
            (Self::ByCamera, Evidence::Physical) | (Self::Passive, _) => Demand::Nothing,
        }
    }
}

/// The cues of one frame, those that can run on it.
pub fn of_frame(image: &Image, view: &FaceView) -> Vec<(Cue, Suspicion)> {
    type Measure = fn(&Image, &FaceView) -> Option<Suspicion>;
    let cues: [(Cue, Measure); 5] = [
        (Cue::Moire, moire::measure),
        (Cue::Surround, surround::measure),
        (Cue::Gamut, gamut::measure),
        (Cue::Specular, specular::measure),
        (Cue::Focus, focus::measure),
    ];
    cues.into_iter().filter_map(|(cue, measure)| Some((cue, measure(image, view)?))).collect()
}

/// What each cue of a colour camera said: of frames the median.
pub fn readings(track: &Track) -> Vec<Reading> {
    let reading = |cue| {
        let suspicion = match cue {
            Cue::MotionInDepth => motion_in_depth::measure(track),
            _ => {
                let all = track.iter().flat_map(|glimpse| &glimpse.suspicions);
                median(all.filter(|(c, _)| *c == cue).map(|(_, s)| s.0).collect()).map(Suspicion)
            }
        };
        Reading { cue, suspicion }
    };
    BOUNDS.iter().map(|(cue, _)| reading(*cue)).collect()
}

/// Holds readings against the bounds. Motion in depth needs a head that turns: that it could not run is no
/// lack, since whoever is asked to act turns it or does something else that a plane cannot.
pub fn assess(readings: &[Reading]) -> Assessment {
    let of = |cue| readings.iter().find(|r| r.cue == cue).and_then(|r| r.suspicion);
    // What is no number is beyond any bound.
    let beyond = |(cue, most): &&(Cue, f32)| of(*cue).is_some_and(|s| s.0.is_nan() || s.0 > *most);
    if let Some((cue, _)) = BOUNDS.iter().find(beyond) {
        return Assessment::Attack(*cue);
    }
    let ran = BOUNDS.iter().all(|(cue, _)| *cue == Cue::MotionInDepth || of(*cue).is_some());
    Assessment::Unsuspicious(if ran { Evidence::Colour } else { Evidence::Incomplete })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(suspicion: f32) -> Vec<Reading> {
        BOUNDS.iter().map(|&(cue, _)| Reading { cue, suspicion: Some(Suspicion(suspicion)) }).collect()
    }

    #[test]
    fn what_is_no_number_is_an_attack() {
        assert_eq!(assess(&all(f32::NAN)), Assessment::Attack(Cue::Moire));
    }

    #[test]
    fn what_is_missing_makes_no_demand_smaller() {
        assert_eq!(assess(&[]), Assessment::Unsuspicious(Evidence::Incomplete));
        let rising = [Evidence::Incomplete, Evidence::Colour, Evidence::Physical];
        let weight = |demand| match demand {
            Demand::Nothing => 0,
            Demand::Challenge(steps) => steps,
            Demand::Refuse => usize::MAX,
        };
        for rule in [Rule::Refuse, Rule::Active, Rule::ByCamera, Rule::Passive] {
            let demands = rising.map(|evidence| weight(rule.demand(evidence, 2)));
            assert!(demands.is_sorted_by(|more, less| more >= less), "{rule:?} {demands:?}");
        }
    }

    #[test]
    fn a_colour_camera_alone_spares_nobody_the_challenge() {
        assert_eq!(Rule::ByCamera.demand(Evidence::Colour, 1), Demand::Challenge(1));
        assert_eq!(Rule::ByCamera.demand(Evidence::Physical, 1), Demand::Nothing);
        assert_eq!(Rule::Active.demand(Evidence::Physical, 3), Demand::Challenge(3));
    }
}
