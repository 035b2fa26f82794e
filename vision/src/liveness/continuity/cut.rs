//! Whether a head could get from one frame to the next: no faster than heads move, not without the way
//! between, and not into another face. Where frames come often, `splice` looks closer. It knows no one.

use crate::image::Point;
use crate::liveness::challenge::Failure;
use crate::liveness::glimpse::{Glimpse, Thumbnail};
use crate::pose::Pose;

/// The fastest turn: degrees a second, and the mesh's noise. Wide shakes at two a second get to 320; the
/// fastest that heads can do is about 600, in looking round, not before a camera.
const TURN_SPEED: f32 = 500.0;
const TURN_NOISE: f32 = 8.0;
/// The fastest shift: eye distances a second (1.3 m/s), and the mesh's noise.
const SHIFT_SPEED: f32 = 20.0;
const SHIFT_NOISE: f32 = 0.3;
/// The fastest growth: natural logarithm of the eye distance a second (1.2 m/s at 40 cm). The noise holds
/// what a turn takes from it.
const GROWTH_SPEED: f32 = 3.0;
const GROWTH_NOISE: f32 = 0.2;
/// The most that the aligned face changes in one frame while the head stays: 1 - the thumbnails' product,
/// and degrees. Lids, lips and light change some of it, another face most of it.
const CHANGE: f32 = 0.3;
const STAYS: f32 = 5.0;
/// Beyond this many seconds anything could have happened: only the person can be compared again.
const TELLING: f32 = 0.2;
/// Single frames whose landmarks jump and come back, in one attempt: the mesh errs now and then.
const GLITCHES: u32 = 6;

/// A step without a way: so many degrees from one frame to the next, ...
const STEP: f32 = 10.0;
/// ... with less than this share of it before and after. A head speeds up and slows down: a turn of 10
/// degrees within 100 ms has a third of its fastest frame in the frames beside it.
const STILL: f32 = 0.25;
/// Where frames are further apart, in µs, heads step too.
const DENSE_US: u64 = 70_000;
/// The first may be the mesh's; the second makes a slide show.
const STEPS: u32 = 2;

/// What of a frame is compared with the next.
#[derive(Clone, Debug)]
struct Stand {
    at_us: u64,
    pose: Pose,
    centre: Point,
    eye_distance: f32,
    thumbnail: Thumbnail,
}

impl Stand {
    fn of(glimpse: &Glimpse) -> Self {
        let [left, right] = glimpse.mesh.eye_centres();
        Self {
            at_us: glimpse.at_us,
            pose: glimpse.pose,
            centre: left.midway(right),
            eye_distance: left.distance(right).max(1.0),
            thumbnail: glimpse.thumbnail.clone(),
        }
    }

    fn seconds_to(&self, later: &Self) -> f32 {
        (later.at_us.saturating_sub(self.at_us) as f32 / 1e6).min(TELLING)
    }

    /// Whether a head can get there within so many seconds.
    fn reaches(&self, there: &Self, seconds: f32) -> bool {
        let turn = degrees(self.pose, there.pose);
        let shift = self.centre.distance(there.centre) / self.eye_distance.min(there.eye_distance);
        let growth = (there.eye_distance / self.eye_distance).ln().abs();
        let change = 1.0 - product(&self.thumbnail, &there.thumbnail);
        turn <= TURN_NOISE + TURN_SPEED * seconds
            && shift <= SHIFT_NOISE + SHIFT_SPEED * seconds
            && growth <= GROWTH_NOISE + GROWTH_SPEED * seconds
            && (change <= CHANGE || turn > STAYS)
    }
}

/// The most that one angle differs.
fn degrees(a: Pose, b: Pose) -> f32 {
    (a.yaw - b.yaw).abs().max((a.pitch - b.pitch).abs()).max((a.roll - b.roll).abs())
}

fn product(a: &Thumbnail, b: &Thumbnail) -> f32 {
    a.0.iter().zip(b.0.iter()).map(|(x, y)| x * y).sum()
}

/// The cuts and steps of one attempt.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    /// The last frame that followed from what was before.
    anchor: Option<Stand>,
    /// How long after the anchor a frame came that does not follow from it.
    suspect: Option<f32>,
    glitches: u32,
    /// The last frames' times and poses, newest last.
    recent: [Option<(u64, Pose)>; 4],
    steps: u32,
}

impl Cuts {
    pub fn look(&mut self, glimpse: &Glimpse) -> Option<Failure> {
        self.cut(Stand::of(glimpse)).or_else(|| self.step(glimpse.at_us, glimpse.pose))
    }

    /// One frame of bad landmarks is followed by one that is near the frame before it; a cut is not.
    fn cut(&mut self, stand: Stand) -> Option<Failure> {
        let Some(anchor) = &self.anchor else {
            self.anchor = Some(stand);
            return None;
        };
        let seconds = self.suspect.unwrap_or_else(|| anchor.seconds_to(&stand));
        if anchor.reaches(&stand, seconds) {
            (self.anchor, self.suspect) = (Some(stand), None);
            return None;
        }
        self.glitches += 1;
        let again = self.suspect.replace(seconds).is_some();
        (again || self.glitches > GLITCHES).then_some(Failure::JumpCut)
    }

    /// Stands, is elsewhere in the next frame, and stands there.
    fn step(&mut self, at_us: u64, pose: Pose) -> Option<Failure> {
        self.recent.rotate_left(1);
        self.recent[3] = Some((at_us, pose));
        let [Some(a), Some(b), Some(c), Some(d)] = self.recent else {
            return None;
        };
        let step = degrees(b.1, c.1);
        let still = degrees(a.1, b.1).max(degrees(c.1, d.1)) < STILL * step;
        let dense = c.0.saturating_sub(b.0) <= DENSE_US && d.0.saturating_sub(a.0) <= 3 * DENSE_US;
        if step >= STEP && still && dense {
            self.steps += 1;
        }
        (self.steps >= STEPS).then_some(Failure::SlideShow)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Flow;
    use super::super::tests::watched;
    use super::*;
    use crate::liveness::synthetic::{Film, Head, plateau};

    #[test]
    fn a_cut_to_another_pose_place_size_or_face_is_one() {
        let other = [
            Head { yaw: 35.0, ..Head::REST },
            Head { at: (1.5, 0.0), ..Head::REST },
            Head { size: 110.0, ..Head::REST },
            Head { who: 3, ..Head::REST },
        ];
        for there in other {
            let cut = |t: f32| if t < 1.5 { Head::REST } else { there };
            let shown = Film::DEFAULT.glimpses(3.0, cut);
            assert_eq!(watched(shown), Flow::Broken(Failure::JumpCut), "{there:?}");
        }
    }

    #[test]
    fn a_frame_of_bad_landmarks_is_no_cut_but_many_are() {
        let glitch = |every: usize| {
            let mut shown = Film::DEFAULT.glimpses(4.0, Head::sway);
            let bad = shown.iter_mut().enumerate().filter(|(i, _)| i % every == every - 1);
            bad.for_each(|(_, glimpse)| glimpse.pose.yaw += 40.0);
            watched(shown)
        };
        assert_eq!(glitch(50), Flow::Unbroken);
        assert_eq!(glitch(10), Flow::Broken(Failure::JumpCut));
    }

    #[test]
    fn slides_step_where_heads_turn() {
        let slides = |t: f32| Head { yaw: if t % 1.6 < 0.8 { 0.0 } else { 14.0 }, ..Head::REST };
        let film = Film { noise: 0.2, ..Film::DEFAULT };
        let mut cuts = Cuts::default();
        let found = film.glimpses(4.0, slides).iter().find_map(|glimpse| cuts.look(glimpse));
        assert_eq!(found, Some(Failure::SlideShow));
        let quick = |t: f32| Head { yaw: 20.0 * plateau(t % 1.2, 0.2, 0.2, 0.2), ..Head::REST };
        assert_eq!(watched(film.glimpses(4.0, quick)), Flow::Unbroken);
    }
}
