//! How a head was held from frame to frame, against how it was held at rest. Each angle is measured twice: by
//! the mesh's depth, which a network makes up for any picture, and by where the nose stands between eyes and
//! mouth, which no tilt of a flat picture moves. Only the lesser of the two counts. It names no action.

use crate::image::Point;
use crate::liveness::glimpse::{Baseline, Glimpse, Track};
use crate::mesh::index;
use crate::pose::Pose;

/// How long before a prompt a rest is measured, in µs: some ten frames at 30 a second, four at 10.
pub(crate) const REST_US: u64 = 400_000;
/// The fewest frames that show a rest.
const REST_FRAMES: usize = 3;
/// Frames so near in time are filtered together, in µs: five at 30 a second, three at 15.
const FILTER_US: u64 = 70_000;
/// A rest may be so far from straight, in degrees: wide, since a camera may stand above, below or beside the
/// screen. Starting values, to be set from docs/liveness.md.
const REST_YAW: f32 = 15.0;
const REST_PITCH: f32 = 20.0;
const REST_ROLL: f32 = 20.0;
/// The most that a resting head's angles differ, in degrees: the mesh's noise after the filter, and sway.
/// A starting value, to be set from docs/liveness.md.
const REST_SPREAD: f32 = 5.0;
/// A resting mouth may be so much more open than at enrolment. A starting value; smiles on photographs reach
/// 0.24.
const REST_MOUTH: f32 = 0.25;
/// How far the nose's tip goes across, in eye distances, over the tangent of the yaw: it stands about 0.6
/// eye distances before the eyes. It differs between people, so that angles by the nose are rough.
const NOSE_ACROSS: f32 = 0.6;
/// How much of the way from eyes to mouth the nose's tip goes down with one degree of pitch, likewise.
const NOSE_ALONG: f32 = 0.01;

/// How the head was held in one frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bearing {
    pub at_us: u64,
    /// By the mesh.
    pub pose: Pose,
    /// By the nose's place, in degrees with the pose's signs. The pitch counts from each person's own zero.
    pub nose_yaw: f32,
    pub nose_pitch: f32,
    /// From the eyes to the mouth, in eye distances.
    pub stretch: f32,
    pub eyes: [f32; 2],
    pub mouth: f32,
}

impl Bearing {
    /// None where landmarks lie so that nothing can be measured.
    pub fn of(glimpse: &Glimpse) -> Option<Self> {
        use index::*;
        let between = |a, b| glimpse.mesh.at(a).midway(glimpse.mesh.at(b));
        // Corners only: lids move.
        let left = between(LEFT_EYE_OUTER, LEFT_EYE_INNER);
        let right = between(RIGHT_EYE_INNER, RIGHT_EYE_OUTER);
        let eyes = left.midway(right);
        let across = from_to(left, right);
        let down = from_to(eyes, between(MOUTH_LEFT, MOUTH_RIGHT));
        let nose = from_to(eyes, glimpse.mesh.at(NOSE_TIP));
        // nose = a * across + b * down: an affine map, as of a plane that is tilted, leaves a and b alone.
        let area = cross(across, down);
        let bearing = Self {
            at_us: glimpse.at_us,
            pose: glimpse.pose,
            nose_yaw: (cross(nose, down) / area / NOSE_ACROSS).atan().to_degrees(),
            nose_pitch: -cross(across, nose) / area / NOSE_ALONG,
            stretch: down.x.hypot(down.y) / across.x.hypot(across.y),
            eyes: glimpse.eyes,
            mouth: glimpse.mouth,
        };
        bearing.is_finite().then_some(bearing)
    }

    fn is_finite(&self) -> bool {
        let angles = [self.pose.yaw, self.pose.pitch, self.pose.roll, self.nose_yaw, self.nose_pitch];
        let others = [self.stretch, self.eyes[0], self.eyes[1], self.mouth];
        angles.iter().chain(&others).all(|number| number.is_finite())
    }

    /// The median of each measure.
    fn middle(window: &[Self], at_us: u64) -> Self {
        let mid = |of: fn(&Self) -> f32| median(window.iter().map(of));
        Self {
            at_us,
            pose: Pose { yaw: mid(|b| b.pose.yaw), pitch: mid(|b| b.pose.pitch), roll: mid(|b| b.pose.roll) },
            nose_yaw: mid(|b| b.nose_yaw),
            nose_pitch: mid(|b| b.nose_pitch),
            stretch: mid(|b| b.stretch),
            eyes: [mid(|b| b.eyes[0]), mid(|b| b.eyes[1])],
            mouth: mid(|b| b.mouth),
        }
    }
}

/// One angle from the rest, measured twice, in degrees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turned {
    pub by_mesh: f32,
    pub by_nose: f32,
}

impl Turned {
    /// The lesser, where both agree on the side.
    pub fn agreed(self) -> f32 {
        if self.by_mesh * self.by_nose <= 0.0 {
            return 0.0;
        }
        self.by_mesh.signum() * self.by_mesh.abs().min(self.by_nose.abs())
    }

    /// The greater of the two, whatever the side.
    pub fn most(self) -> f32 {
        self.by_mesh.abs().max(self.by_nose.abs())
    }
}

/// One frame, filtered, against the rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub at_us: u64,
    pub yaw: Turned,
    pub pitch: Turned,
    pub roll: f32,
    /// Over that at rest.
    pub stretch: f32,
    /// As measured, not filtered: a blink is short.
    pub eyes: [f32; 2],
    /// Openness beyond that at rest.
    pub mouth: f32,
}

impl Moment {
    fn of(held: &Bearing, eyes: [f32; 2], rest: &Bearing) -> Self {
        Self {
            at_us: held.at_us,
            yaw: Turned { by_mesh: held.pose.yaw - rest.pose.yaw, by_nose: held.nose_yaw - rest.nose_yaw },
            pitch: Turned {
                by_mesh: held.pose.pitch - rest.pose.pitch,
                by_nose: held.nose_pitch - rest.nose_pitch,
            },
            roll: held.pose.roll - rest.pose.roll,
            stretch: held.stretch / rest.stretch.max(f32::EPSILON),
            eyes,
            mouth: held.mouth - rest.mouth,
        }
    }
}

/// What a head did from a little before a moment until now.
#[derive(Debug)]
pub(crate) struct Course {
    /// The medians of the last [`REST_US`] before that moment.
    pub rest: Bearing,
    /// Oldest first, from the beginning of the rest.
    pub moments: Vec<Moment>,
}

impl Course {
    /// None where the face was not seen often enough just before.
    pub fn since(track: &Track, from_us: u64) -> Option<Self> {
        let bearings = bearings(track, from_us.saturating_sub(REST_US));
        let before: Vec<Bearing> = bearings.iter().copied().take_while(|b| b.at_us <= from_us).collect();
        if before.len() < REST_FRAMES {
            return None;
        }
        let rest = Bearing::middle(&before, from_us);
        let held = filtered(&bearings);
        let moments = held.iter().zip(&bearings).map(|(b, raw)| Moment::of(b, raw.eyes, &rest)).collect();
        Some(Self { rest, moments })
    }
}

/// Whether a head is held still and frontal enough to begin from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    Moving,
    Still,
}

/// Judges the end of a track. Eyes may blink.
pub(crate) fn rest(track: &Track, baseline: Baseline) -> Rest {
    let Some(last) = track.last() else {
        return Rest::Moving;
    };
    let held = filtered(&bearings(track, last.at_us.saturating_sub(REST_US)));
    let frontal = |b: &Bearing| {
        let Pose { yaw, pitch, roll } = b.pose;
        let straight = yaw.abs() <= REST_YAW && pitch.abs() <= REST_PITCH && roll.abs() <= REST_ROLL;
        straight && b.mouth <= baseline.mouth + REST_MOUTH
    };
    let steady =
        spread(&held, |b| b.pose.yaw) <= REST_SPREAD && spread(&held, |b| b.pose.pitch) <= REST_SPREAD;
    if held.len() >= REST_FRAMES && steady && held.iter().all(frontal) { Rest::Still } else { Rest::Moving }
}

fn spread(held: &[Bearing], of: fn(&Bearing) -> f32) -> f32 {
    let (low, high) =
        held.iter().map(of).fold((f32::MAX, f32::MIN), |(low, high), x| (low.min(x), high.max(x)));
    high - low
}

/// Oldest first, from `from_us` on.
fn bearings(track: &Track, from_us: u64) -> Vec<Bearing> {
    let recent = track.iter().rev().take_while(|glimpse| glimpse.at_us >= from_us);
    let mut bearings: Vec<Bearing> = recent.filter_map(Bearing::of).collect();
    bearings.reverse();
    bearings
}

/// Each frame's median with those near it.
fn filtered(bearings: &[Bearing]) -> Vec<Bearing> {
    let around = |at_us: u64| {
        let near = |b: &&Bearing| b.at_us.abs_diff(at_us) <= FILTER_US;
        let window: Vec<Bearing> = bearings.iter().filter(near).copied().collect();
        Bearing::middle(&window, at_us)
    };
    bearings.iter().map(|b| around(b.at_us)).collect()
}

/// The middle one in order; 0 of none.
pub(crate) fn median(values: impl Iterator<Item = f32>) -> f32 {
    let mut sorted: Vec<f32> = values.collect();
    sorted.sort_by(f32::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

fn from_to(a: Point, b: Point) -> Point {
    Point::new(b.x - a.x, b.y - a.y)
}

fn cross(a: Point, b: Point) -> f32 {
    a.x * b.y - a.y * b.x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::synthetic::{DISTANCE, Film, Head};

    fn held(head: Head) -> Bearing {
        let track = Film::QUIET.track(0.1, |_| head);
        Bearing::of(track.last().expect("a frame")).expect("a bearing")
    }

    #[test]
    fn a_head_turns_by_both_measures_and_a_plane_by_one() {
        let (rest, flat) = (held(Head::REST), held(Head { flat: true, ..Head::REST }));
        for (yaw, pitch) in [(20.0, 0.0), (-20.0, 0.0), (0.0, -15.0), (0.0, 15.0)] {
            let turned = held(Head { yaw, pitch, ..Head::REST });
            assert!((turned.nose_yaw - rest.nose_yaw - yaw).abs() < 8.0, "{turned:?}");
            assert!((turned.nose_pitch - rest.nose_pitch - pitch).abs() < 5.0, "{turned:?}");
            let tilted = held(Head { yaw, pitch, flat: true, ..Head::REST });
            assert!((tilted.nose_yaw - flat.nose_yaw).abs() < 3.0, "{tilted:?}");
            assert!((tilted.nose_pitch - flat.nose_pitch).abs() < 3.0, "{tilted:?}");
        }
    }

    #[test]
    fn place_size_and_lean_change_no_angle() {
        let rest = held(Head::REST);
        let moved = held(Head { at: (1.0, -0.5), size: 110.0, roll: 12.0, ..Head::REST });
        // Beside the lens's axis a head is seen from the side, by the angle to it.
        let aside = (1.0f32 / DISTANCE).atan().to_degrees() + 1.0;
        assert!((moved.nose_yaw - rest.nose_yaw).abs() < aside, "{moved:?} {rest:?}");
        assert!((moved.nose_pitch - rest.nose_pitch).abs() < aside, "{moved:?} {rest:?}");
    }

    #[test]
    fn angles_that_disagree_count_for_nothing() {
        assert_eq!(Turned { by_mesh: 20.0, by_nose: -3.0 }.agreed(), 0.0);
        assert_eq!(Turned { by_mesh: -20.0, by_nose: -12.0 }.agreed(), -12.0);
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median([3.0, 9.0, 1.0].into_iter()), 3.0);
        assert_eq!(median(std::iter::empty()), 0.0);
    }
}
