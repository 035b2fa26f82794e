//! How a face moved for a second and a half, as numbers that do not depend on where it was, how large, how
//! bright, or at how many frames a second. It keeps no face: what does not change within that time is taken
//! away.
//!
//! Ten measures, at 16 moments each. Every measure is divided by how much it moves, or by its noise where it
//! hardly moves: so a nod, which all nods resemble, counts as one measure among many, and the small movements
//! beside it, which nobody repeats, count as the others. The noise is the track's own: with a fixed one, a
//! good camera would show little but the nod. The face's light is left out: it follows the same few angles, so
//! that it would only count them twice.

use crate::liveness::actions::bearing::{Bearing, median};
use crate::liveness::glimpse::{Glimpse, Track};
use crate::mesh::index;

const MEASURES: usize = 10;
/// The places of two of them, which are pixels until they are levelled.
const PLACES: std::ops::Range<usize> = 3..5;
const MOMENTS: usize = 16;
/// Numbers of one motion.
pub(super) const MOTION: usize = MEASURES * MOMENTS;
/// How long it lasts, in µs, and the longest time between two of its frames.
const SPAN_US: u64 = 1_500_000;
const GAP_US: u64 = 250_000;
/// Frames so near in time are averaged, in µs: 13 at 30 a second, 5 at 10. What nobody repeats is slow.
const NEAR_US: u64 = 210_000;
/// So many times its noise, a measure counts by half. A starting value, to be set from docs/liveness.md.
const ABOVE_NOISE: f32 = 4.0;
/// Where noise seems to be less, it is rounding, or a driver that gives frames twice. Angles by the nose and
/// lean in degrees, place in eye distances, the logarithm of the size, openness of eyes and mouth, the mouth's
/// width in eye distances.
const LEAST: [f32; MEASURES] = [0.09, 0.096, 0.036, 0.0009, 0.0009, 0.0006, 0.003, 0.003, 0.0018, 0.0012];
/// Twice how far the middle of three numbers lies off the other two, where all have noise of deviation one: the
/// median.
const BEND: f32 = 1.652;
/// How many measures must move, in all, for a motion to say anything.
const LEAST_MOVING: f32 = 2.0;

/// The measures of a track's frames.
pub(super) struct Motion {
    frames: Vec<Frame>,
    noise: [f32; MEASURES],
}

struct Frame {
    at_us: u64,
    eye_distance: f32,
    measures: [f32; MEASURES],
}

impl Motion {
    pub fn of(track: &Track) -> Self {
        let frames: Vec<Frame> = track.iter().filter_map(Frame::of).collect();
        Self { noise: noise(&frames), frames: smoothed(&frames) }
    }

    /// How many windows begin, one every `hop_us`.
    pub fn windows(&self, hop_us: u64) -> usize {
        let (Some(first), Some(last)) = (self.frames.first(), self.frames.last()) else {
            return 0;
        };
        match last.at_us.saturating_sub(first.at_us).checked_sub(SPAN_US) {
            Some(spare_us) => (spare_us / hop_us.max(1)) as usize + 1,
            None => 0,
        }
    }

    /// The motion that begins so long after the first frame. None where hardly anything moves, or frames are
    /// missing.
    pub fn window(&self, offset_us: u64) -> Option<[f32; MOTION]> {
        let from_us = self.frames.first()?.at_us + offset_us;
        let mut at = self.frames.partition_point(|frame| frame.at_us <= from_us).checked_sub(1)?;
        let mut motion = [0.0; MOTION];
        let mut size = 0.0;
        for moment in 0..MOMENTS {
            let at_us = from_us + SPAN_US * moment as u64 / MOMENTS as u64;
            while self.frames.get(at + 1)?.at_us < at_us {
                at += 1;
            }
            let (measures, eye_distance) = between(&self.frames[at], &self.frames[at + 1], at_us)?;
            size += eye_distance / MOMENTS as f32;
            for (measure, number) in measures.into_iter().enumerate() {
                motion[measure * MOMENTS + moment] = number;
            }
        }
        (levelled(&mut motion, &self.noise, size) >= LEAST_MOVING).then_some(motion)
    }
}

impl Frame {
    fn of(glimpse: &Glimpse) -> Option<Self> {
        let bearing = Bearing::of(glimpse)?;
        let mesh = &glimpse.mesh;
        let [left, right] = mesh.eye_centres();
        let (centre, eye_distance) = (left.midway(right), left.distance(right).max(1.0));
        let width = mesh.at(index::MOUTH_LEFT).distance(mesh.at(index::MOUTH_RIGHT)) / eye_distance;
        let measures = [
            bearing.nose_yaw,
            bearing.nose_pitch,
            bearing.pose.roll,
            centre.x,
            centre.y,
            eye_distance.ln(),
            bearing.eyes[0],
            bearing.eyes[1],
            bearing.mouth,
            width,
        ];
        measures.iter().all(|m| m.is_finite()).then_some(Self {
            at_us: glimpse.at_us,
            eye_distance,
            measures,
        })
    }
}

/// Each frame's mean with those near it.
fn smoothed(frames: &[Frame]) -> Vec<Frame> {
    let mean = |frame: &Frame| {
        let near = near(frames, frame.at_us);
        let share = 1.0 / near.len() as f32;
        let measures = std::array::from_fn(|m| near.iter().map(|f| f.measures[m] * share).sum());
        Frame { measures, ..*frame }
    };
    frames.iter().map(mean).collect()
}

/// The frames that are averaged with one of this time.
fn near(frames: &[Frame], at_us: u64) -> &[Frame] {
    let first = frames.partition_point(|frame| frame.at_us.saturating_add(NEAR_US) < at_us);
    let last = frames.partition_point(|frame| frame.at_us <= at_us.saturating_add(NEAR_US));
    frames.get(first..last).unwrap_or_default()
}

/// The noise of each measure once it is averaged: by how far frames lie off the line through their neighbours,
/// since motion moves few of them off it.
fn noise(frames: &[Frame]) -> [f32; MEASURES] {
    let averaged: usize = frames.iter().map(|frame| near(frames, frame.at_us).len()).sum();
    let averaged = (averaged as f32 / frames.len().max(1) as f32).max(1.0);
    std::array::from_fn(|m| {
        let bends =
            frames.windows(3).map(|f| (f[0].measures[m] - 2.0 * f[1].measures[m] + f[2].measures[m]).abs());
        median(bends) / BEND / averaged.sqrt()
    })
}

/// The measures and the eye distance at a time between two frames.
fn between(before: &Frame, after: &Frame, at_us: u64) -> Option<([f32; MEASURES], f32)> {
    let gap_us = after.at_us.checked_sub(before.at_us)?;
    if gap_us == 0 || gap_us > GAP_US {
        return None;
    }
    let share = at_us.saturating_sub(before.at_us) as f32 / gap_us as f32;
    let mix = |a: f32, b: f32| a + (b - a) * share;
    let measures = std::array::from_fn(|m| mix(before.measures[m], after.measures[m]));
    Some((measures, mix(before.eye_distance, after.eye_distance)))
}

/// Takes the mean from each measure and divides by how much it moves. How many measures move.
fn levelled(motion: &mut [f32; MOTION], noise: &[f32; MEASURES], eye_distance: f32) -> f32 {
    let mut moving = 0.0;
    for (measure, row) in motion.chunks_exact_mut(MOMENTS).enumerate() {
        let unit = if PLACES.contains(&measure) { eye_distance.max(1.0) } else { 1.0 };
        let still = (ABOVE_NOISE * noise[measure] / unit).max(LEAST[measure]);
        let mean = row.iter().sum::<f32>() / MOMENTS as f32;
        row.iter_mut().for_each(|number| *number = (*number - mean) / unit);
        let square = row.iter().map(|number| number * number).sum::<f32>() / MOMENTS as f32;
        let scale = (square + still * still).sqrt();
        row.iter_mut().for_each(|number| *number /= scale);
        moving += square / (scale * scale);
    }
    moving
}
