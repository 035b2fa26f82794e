//! What infrared light and depth say in one attempt: whether a head is there, whether something else is, or
//! neither yet. It is told which camera sees infrared light, follows frames in their order, keeps no picture, and
//! does not know whose head it is.
//!
//! It denies by default. Too few looks, looks that differ, a cue that was asked and cannot tell: no head. An attack
//! stays one, whatever comes. Where both infrared light and depth were asked, both must say the same.
//!
//! All bounds are starting values. No infrared camera, no depth camera and no attack on either was to be had: they
//! follow from pictures made for the tests, and say nothing of people. docs/liveness.md has what gets past.

mod record;
#[cfg(test)]
mod scenes;

use crate::VisionError;
use crate::image::Image;
use crate::liveness::decision::{Assessment, Evidence, Reading};
use crate::liveness::depth::{self, Calibration, DepthMap};
use crate::liveness::infrared::{self, Emitter, EmitterFrame, Lamp, Light};
use crate::liveness::{Cue, Suspicion};
use crate::observe::FaceView;
use record::{Finding, Record};

/// The most suspicion of each cue that is let pass. Reflectance besides has to show all of a head; a nose stands out
/// of a sheet by 5.7 mm at least.
const MOST_REFLECTANCE: f32 = 0.75;
const MOST_RESPONSE: f32 = 0.4;
const MOST_DEPTH: f32 = 0.15;
/// So many lit frames, each with an unlit one after it, speak for a head; so many commanded frames; so many shapes.
const LEAST_PAIRS: usize = 5;
const LEAST_COMMANDED: usize = 16;
const LEAST_SHAPES: usize = 4;
/// The most commanded frames that are kept: the newest.
const MOST_COMMANDED: usize = 64;
/// Each shape is of so many depth maps, steadied over time, ...
const MAPS_FOR_SHAPE: usize = 3;
/// ... of which none is older than this before the next, in µs.
const MAPS_APART_US: u64 = 150_000;
/// How far around the middle between the eyes depth is looked at, in eye distances: all of the face.
const FACE_REACH: f32 = 2.0;
/// From the first face on, it is worth this long to wait for an answer, in µs.
const PATIENCE_US: u64 = 1_500_000;

/// What physical cues come to.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Physicality {
    /// No evidence: nothing was asked, too little was seen, or it does not fit together.
    None,
    /// This cue says that no head is there.
    Attack(Cue),
    /// A head is there now.
    Present,
}

impl Physicality {
    /// Together with what the other cues came to. An attack of either is one.
    pub fn joined(self, others: Assessment) -> Assessment {
        match (self, others) {
            (_, Assessment::Attack(_)) | (Self::None, _) => others,
            (Self::Attack(cue), _) => Assessment::Attack(cue),
            (Self::Present, _) => Assessment::Unsuspicious(Evidence::Physical),
        }
    }
}

/// The physical cues while an attempt lasts. Begin it anew with the first comparison: what was seen before was of
/// whoever sat there then.
pub struct Physical {
    lamp: Lamp,
    reflectance: Record,
    /// Commanded frames, oldest first.
    commanded: Vec<EmitterFrame>,
    /// The shapes of some maps in a row.
    maps: Vec<DepthMap>,
    depth: Record,
    asked: Asked,
    /// When the first face was seen; and the newest infrared frame and depth map.
    began_us: Option<u64>,
    infrared_us: Option<u64>,
    depth_us: Option<u64>,
    attack: Option<Cue>,
}

/// Which cues were asked at all.
#[derive(Default)]
struct Asked {
    /// Infrared light, with an emitter that flashes by itself, or is commanded.
    by_itself: bool,
    commanded: bool,
    depth: bool,
}

impl Default for Physical {
    fn default() -> Self {
        Self {
            lamp: Lamp::default(),
            reflectance: Record::new(Cue::InfraredReflectance, MOST_REFLECTANCE, LEAST_PAIRS),
            commanded: Vec::new(),
            maps: Vec::new(),
            depth: Record::new(Cue::Depth, MOST_DEPTH, LEAST_SHAPES),
            asked: Asked::default(),
            began_us: None,
            infrared_us: None,
            depth_us: None,
            attack: None,
        }
    }
}

impl std::fmt::Debug for Physical {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Physical(redacted)")
    }
}

impl Physical {
    /// Looks at the next frame of a camera that is known to see infrared light, in grey, with the one face that was
    /// found in it: in unlit frames often none. `at_us`: when the camera took it, by a clock that never goes back;
    /// a frame that is not newer than the last says nothing. The answer is what the frame itself shows: an unlit one
    /// is no picture for other eyes.
    pub fn look_infrared(
        &mut self,
        image: &Image,
        view: Option<&FaceView>,
        at_us: u64,
        emitter: Emitter,
    ) -> Light {
        if !is_next(&mut self.infrared_us, at_us) {
            return Light::Unclear;
        }
        self.note_face(view, at_us);
        let look = self.lamp.look(image, view, at_us);
        if let Some(returned) = look.returned {
            self.reflectance.push(at_us, Some(returned.suspicion()), returned.is_whole());
        }
        match emitter {
            Emitter::ByItself => self.asked.by_itself = true,
            Emitter::Commanded { lit } => self.note_commanded(image, lit),
        }
        self.settle();
        look.light
    }

    /// Looks at the next depth map, and at the face in the colour picture of the same moment, to which the map is
    /// registered here, and denoised. `at_us` as for infrared light. An error adds no evidence.
    pub fn look_depth(
        &mut self,
        map: &DepthMap,
        to: &Calibration,
        image: &Image,
        view: &FaceView,
        at_us: u64,
    ) -> Result<(), VisionError> {
        let before_us = self.depth_us;
        self.asked.depth = true;
        if !is_next(&mut self.depth_us, at_us) {
            return Ok(());
        }
        if before_us.is_some_and(|before| at_us - before > MAPS_APART_US) {
            self.maps.clear();
        }
        self.note_face(Some(view), at_us);
        let [left, right] = view.mesh.eye_centres();
        let reach = FACE_REACH * view.mesh.eye_distance();
        let seen = map.registered(to, image.width(), image.height())?;
        self.maps.push(seen.around(left.midway(right), reach).without_speckles());
        if self.maps.len() == MAPS_FOR_SHAPE {
            let steady = DepthMap::steadied(&self.maps);
            self.maps.clear();
            let suspicion = steady.and_then(|map| depth::measure(&map, to.colour, view));
            self.depth.push(at_us, suspicion, true);
            self.settle();
        }
        Ok(())
    }

    /// What each physical cue said so far.
    pub fn readings(&self) -> Vec<Reading> {
        let response = infrared::response(&self.commanded);
        vec![
            Reading { cue: Cue::InfraredReflectance, suspicion: self.reflectance.suspicion() },
            Reading { cue: Cue::InfraredResponse, suspicion: response },
            Reading { cue: Cue::Depth, suspicion: self.depth.suspicion() },
        ]
    }

    /// What they come to, as of the newest frame.
    pub fn verdict(&self) -> Physicality {
        if let Some(cue) = self.attack {
            return Physicality::Attack(cue);
        }
        let findings = self.findings();
        let mut asked = findings.iter().filter(|finding| **finding != Finding::Unasked).peekable();
        if asked.peek().is_some() && asked.all(|finding| *finding == Finding::Head) {
            Physicality::Present
        } else {
            Physicality::None
        }
    }

    /// Whether it is worth to wait for more frames: something was asked, not long ago, and is not answered.
    pub fn is_open(&self, now_us: u64) -> bool {
        let recent = self.began_us.is_some_and(|began| now_us.saturating_sub(began) <= PATIENCE_US);
        recent && self.verdict() == Physicality::None
    }

    /// Of reflectance, response and depth.
    fn findings(&self) -> [Finding; 3] {
        let now_us = self.infrared_us.max(self.depth_us).unwrap_or(0);
        let of = |asked: bool, record: &Record| if asked { record.finding(now_us) } else { Finding::Unasked };
        let infrared = self.asked.by_itself || self.asked.commanded;
        [of(infrared, &self.reflectance), self.response(), of(self.asked.depth, &self.depth)]
    }

    fn response(&self) -> Finding {
        match infrared::response(&self.commanded) {
            _ if !self.asked.commanded => Finding::Unasked,
            // A pattern with gaps is none.
            _ if self.asked.by_itself || self.commanded.len() < LEAST_COMMANDED => Finding::Open,
            None => Finding::Open,
            Some(Suspicion(suspicion)) if suspicion <= MOST_RESPONSE => Finding::Head,
            Some(_) => Finding::Attack(Cue::InfraredResponse),
        }
    }

    /// In an unlit frame, the face is where it was a moment ago.
    fn note_commanded(&mut self, image: &Image, lit: bool) {
        self.asked.commanded = true;
        let Some(frame) = self.lamp.mesh().and_then(|mesh| EmitterFrame::of(image, mesh, lit)) else {
            return;
        };
        if self.commanded.len() == MOST_COMMANDED {
            self.commanded.remove(0);
        }
        self.commanded.push(frame);
    }

    fn note_face(&mut self, view: Option<&FaceView>, at_us: u64) {
        if view.is_some() {
            self.began_us.get_or_insert(at_us);
        }
    }

    /// The first attack is final.
    fn settle(&mut self) {
        let attack = self.findings().into_iter().find_map(|finding| match finding {
            Finding::Attack(cue) => Some(cue),
            _ => None,
        });
        self.attack = self.attack.or(attack);
    }
}

/// Whether this time is later than the last, which it then becomes.
fn is_next(last_us: &mut Option<u64>, at_us: u64) -> bool {
    let later = last_us.is_none_or(|last| at_us > last);
    if later {
        *last_us = Some(at_us);
    }
    later
}

#[cfg(test)]
mod tests;
