//! Whether a face follows the emitter's random pattern, and follows it more than the room does. A recording,
//! or a camera that only claims to be one, cannot know the pattern; a sheet before the lens brightens all
//! over.
//!
//! Unit: 1 less the correlation of the face's brightness with the pattern, times what the room does not
//! share of it: 0 a face that follows before a room that does not, 1 one that does not follow.

use crate::image::{Image, Point};
use crate::liveness::Suspicion;
use crate::liveness::fit::median;
use crate::liveness::light::{luma, mean};
use crate::mesh::Mesh;

/// Fewer frames prove nothing: noise correlates with 8 of them by 0.35 (one over the root of their number).
const LEAST_FRAMES: usize = 8;
/// Of either kind.
const LEAST_OF_EACH: usize = 3;
/// Frames by which light may come later than was asked for.
const MOST_LAG: usize = 1;
/// Skin on forehead and cheeks, and the radius of a patch, in eye distances.
const SKIN: [usize; 4] = [151, 9, 50, 280];
const PATCH: f32 = 0.15;
/// Where the room is looked at, in eye distances from the middle between the eyes: beside and above the
/// head.
const ROOM: [(f32, f32); 5] = [(-2.2, 0.0), (2.2, 0.0), (-2.0, -1.0), (2.0, -1.0), (0.0, -2.2)];

/// What one frame of the pattern shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EmitterFrame {
    /// Whether the emitter was asked to be on.
    pub lit: bool,
    /// Mean luma of the face, 0 to 255.
    pub face_luma: f32,
    /// Mean luma of what is around it.
    pub background_luma: f32,
}

impl EmitterFrame {
    /// At these landmarks: in an unlit frame no face may be found, and those of the frame before it serve. None
    /// where the face, or all around it, is outside of the picture.
    pub fn of(image: &Image, mesh: &Mesh, lit: bool) -> Option<Self> {
        let (unit, [left, right]) = (mesh.eye_distance(), mesh.eye_centres());
        let middle = left.midway(right);
        let brightness = |at: Point| mean(image, at, PATCH * unit).map(luma);
        let skin = SKIN.iter().filter_map(|&i| brightness(mesh.at(i))).collect();
        let beside = |(x, y): (f32, f32)| Point::new(middle.x + x * unit, middle.y + y * unit);
        let room = ROOM.into_iter().filter_map(|place| brightness(beside(place))).collect();
        Some(Self { lit, face_luma: median(skin)?, background_luma: median(room)? })
    }
}

/// Of frames in the order in which they were taken. None where there are too few of either kind.
pub fn response(frames: &[EmitterFrame]) -> Option<Suspicion> {
    let lit = frames.iter().filter(|f| f.lit).count();
    if frames.len() < LEAST_FRAMES || lit.min(frames.len() - lit) < LEAST_OF_EACH {
        return None;
    }
    let follows = (0..=MOST_LAG).map(|lag| following(frames, lag)).fold(0.0, f32::max);
    Some(Suspicion(1.0 - follows))
}

/// How far the face alone follows the pattern, `lag` frames later: 0 to 1.
fn following(frames: &[EmitterFrame], lag: usize) -> f32 {
    let pattern = || frames.iter().map(|f| if f.lit { 1.0 } else { 0.0 });
    let face = Together::of(pattern().zip(frames.iter().skip(lag).map(|f| f.face_luma)));
    let room = Together::of(pattern().zip(frames.iter().skip(lag).map(|f| f.background_luma)));
    let shared = if face.slope > 0.0 { (room.slope / face.slope).clamp(0.0, 1.0) } else { 1.0 };
    face.correlation.max(0.0) * (1.0 - shared)
}

/// How two series go together.
struct Together {
    /// By how much the second grows with the first.
    slope: f32,
    /// -1 to 1; 0 where either never changes.
    correlation: f32,
}

impl Together {
    fn of(pairs: impl Iterator<Item = (f32, f32)>) -> Self {
        let pairs: Vec<(f32, f32)> = pairs.collect();
        let share = 1.0 / pairs.len().max(1) as f32;
        let (x, y) = pairs.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x * share, b + y * share));
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for (a, b) in pairs {
            xx += (a - x) * (a - x);
            xy += (a - x) * (b - y);
            yy += (b - y) * (b - y);
        }
        let (slope, scale) = (xy / xx, (xx * yy).sqrt());
        let settled = |n: f32| if n.is_finite() { n } else { 0.0 };
        Self { slope: settled(slope), correlation: settled(xy / scale) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::fixtures::{self, facing, noise};

    const PATTERN: [bool; 12] =
        [true, false, false, true, true, false, true, false, true, true, false, false];

    /// Frames in which face and room gain so many levels from the emitter, so many frames late.
    fn suspicion(face: f32, room: f32, lag: usize) -> Option<f32> {
        let light = |i: usize| if i >= lag && PATTERN[i - lag] { 1.0 } else { 0.0 };
        let frames: Vec<EmitterFrame> = (0..PATTERN.len())
            .map(|i| EmitterFrame {
                lit: PATTERN[i],
                face_luma: 60.0 + face * light(i) + 2.0 * noise(i, 0),
                background_luma: 50.0 + room * light(i) + 2.0 * noise(i, 1),
            })
            .collect();
        response(&frames).map(|s| s.0)
    }

    #[test]
    fn a_face_that_follows_before_a_room_that_does_not() {
        for lag in [0, 1] {
            let living = suspicion(60.0, 6.0, lag).unwrap();
            assert!(living < 0.25, "{living} at a lag of {lag}");
        }
    }

    #[test]
    fn a_recording_does_not_follow_and_a_sheet_follows_all_over() {
        assert!(suspicion(0.0, 0.0, 0).unwrap() > 0.5);
        assert!(suspicion(60.0, 57.0, 0).unwrap() > 0.9);
        assert!(suspicion(60.0, 6.0, 4).unwrap() > 0.5);
        assert!(suspicion(-40.0, 0.0, 0).unwrap() > 0.5);
    }

    #[test]
    fn few_frames_or_one_state_are_not_judged() {
        let frame = |lit: bool| EmitterFrame { lit, face_luma: 90.0, background_luma: 20.0 };
        assert_eq!(response(&[frame(true), frame(false)]), None);
        assert_eq!(response(&[frame(true); 20]), None);
        let still: Vec<EmitterFrame> = PATTERN.iter().map(|&lit| frame(lit)).collect();
        assert_eq!(response(&still), Some(Suspicion(1.0)));
    }

    #[test]
    fn a_frame_is_measured_on_skin_and_beside_it() {
        let eyes = Point::new(320.0, 200.0);
        let image = fixtures::picture(640, 480, |x, y| {
            let face = ((x as f32 - eyes.x) / 70.0).hypot((y as f32 - eyes.y - 25.0) / 95.0) < 1.0;
            [if face { 150.0 } else { 30.0 }; 3]
        });
        let frame = EmitterFrame::of(&image, &facing(eyes, 60.0).mesh, true).unwrap();
        assert!((frame.face_luma - 150.0).abs() < 1.0 && (frame.background_luma - 30.0).abs() < 1.0);
    }
}
