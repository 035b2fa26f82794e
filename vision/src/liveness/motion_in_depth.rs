//! Whether the face moves as a solid body or as a sheet: how far the nose shifts against the rest of the
//! face between two poses, beyond all that a plane or a bent sheet can make. It follows no pixels and asks
//! for no motion.
//!
//! Between two frames the rigid part of the face, without the nose, is fitted by a homography, which a
//! tilted plane follows exactly, and by second powers of the place, which a sheet that is bent, or bends,
//! adds. What the nose is then off, in eye distances over the sine of the turn, is how far it stands out of
//! the sheet.
//!
//! Only turns about the upright axis count: in a nod the nose goes along the line about which a face is
//! foreshortened anyway, and simulated heads that nodded looked flat.
//!
//! Unit: the share of a head's relief that is missing: 1 a sheet, 0 a head. The pose alone must not say how
//! far a face turned: the landmark network knows faces, and gives a tilted print little turn and just as
//! little relief. So foreshortening counts as a turn too. What that leaves open: the network may bend a
//! print's landmarks towards those of a head, a mask has a nose, and a video that was taken of a moving head
//! shows its motion. This cue convicts a sheet that is tilted; a still one gives None.
//!
//! Measured: docs/liveness.md

use crate::image::Point;
use crate::liveness::Suspicion;
use crate::liveness::fit::{least_squares, median};
use crate::liveness::glimpse::{Glimpse, Track};
use crate::pose::Pose;

/// What does not move when a face does: forehead, corners of the eyes, cheekbones; no outline, whose
/// landmarks slide over the skin when the head turns.
pub(super) const REST: [usize; 36] = [
    151, 9, 8, 69, 299, 108, 337, 104, 333, 33, 133, 263, 362, 130, 359, 243, 463, 168, 111, 340, 117, 346,
    118, 347, 119, 348, 101, 330, 50, 280, 36, 266, 116, 345, 205, 425,
];
/// The ridge and the tip of the nose, with what is beside them.
pub(super) const NOSE: [usize; 13] = [1, 4, 5, 195, 45, 275, 44, 274, 51, 281, 3, 248, 19];

/// The most frames that are compared, each with each.
const MOST_FRAMES: usize = 20;
/// Degrees from which on a change of pose is a turn: at 10, a head's nose shifts by about 0.07 eye
/// distances.
const LEAST_TURN: f32 = 10.0;
/// Degrees from which on foreshortening is a turn. Its cosine hardly falls at first: landmarks that err by a
/// hundredth of the eye distance feign up to 14 (computed).
const LEAST_TILT: f32 = 15.0;
/// A jaw that opens takes cheeks along, which looks like a tilt: frames whose mouths differ by more than this, by
/// [`crate::liveness::Glimpse::mouth`], are not compared.
const MOST_JAW: f32 = 0.05;
/// Degrees of pitch between two frames from which on foreshortening is no turn.
const MOST_NOD: f32 = 5.0;
/// Fewer turned pairs prove nothing.
const LEAST_PAIRS: usize = 3;
/// What a head shows, in eye distances: the landmarks of two portraits of the demo, turned as solid bodies
/// by 12 to 20 degrees, give 0.28 to 0.42 (computed).
const HEAD: f32 = 0.4;

/// None where the pose changed by less than 10 degrees, and nothing was foreshortened by as much as 15
/// would.
pub fn measure(track: &Track) -> Option<Suspicion> {
    let step = track.len().div_ceil(MOST_FRAMES).max(1);
    let faces: Vec<Face> = track.iter().step_by(step).filter_map(Face::of).collect();
    let pairs = faces.iter().enumerate().flat_map(|(i, a)| faces[i + 1..].iter().map(move |b| (a, b)));
    let reliefs: Vec<f32> = pairs.filter_map(|(from, to)| relief(from, to)).collect();
    if reliefs.len() < LEAST_PAIRS {
        return None;
    }
    Some(Suspicion((1.0 - median(reliefs)? / HEAD).clamp(0.0, 1.0)))
}

/// How far the nose stands out of the rest, in eye distances. None where the face did not turn enough.
fn relief(from: &Face, to: &Face) -> Option<f32> {
    if (from.mouth - to.mouth).abs() > MOST_JAW {
        return None;
    }
    let sheet = Sheet::fit(&from.rest, &to.rest)?;
    let turn = turn(from, to, &sheet)?;
    let shifts = from.nose.iter().zip(&to.nose).map(|(&before, after)| {
        let expected = sheet.apply(before);
        [after[0] - expected[0], after[1] - expected[1]]
    });
    let sum = shifts.fold([0.0; 2], |sum, shift| [sum[0] + shift[0], sum[1] + shift[1]]);
    let shift = sum[0].hypot(sum[1]) / NOSE.len() as f64;
    Some(shift as f32 / turn.to_radians().sin())
}

/// Degrees by which the face turned, as the pose has it or as foreshortening has it.
fn turn(from: &Face, to: &Face, sheet: &Sheet) -> Option<f32> {
    let turn = (to.pose.yaw - from.pose.yaw).abs();
    // Foreshortening is for what the pose does not tell. A nod changes the face's height, and is told.
    let nods = (to.pose.pitch - from.pose.pitch).abs() > MOST_NOD;
    let tilt = if nods { 0.0 } else { sheet.tilt() };
    let turns = [(turn, LEAST_TURN), (tilt, LEAST_TILT)];
    turns.into_iter().filter(|(degrees, least)| degrees >= least).map(|(degrees, _)| degrees).reduce(f32::max)
}

/// Landmarks of one frame, level, in eye distances from the middle between the eyes: near one, as the
/// equations need.
struct Face {
    rest: Vec<[f64; 2]>,
    nose: Vec<[f64; 2]>,
    pose: Pose,
    mouth: f32,
}

impl Face {
    fn of(glimpse: &Glimpse) -> Option<Self> {
        let mesh = &glimpse.mesh;
        let distance = mesh.eye_distance();
        let [left, right] = mesh.eye_centres();
        let origin = left.midway(right);
        let (sin, cos) = (-glimpse.pose.roll).to_radians().sin_cos();
        let level = |p: Point| {
            let (x, y) = ((p.x - origin.x) / distance, (p.y - origin.y) / distance);
            [f64::from(x * cos - y * sin), f64::from(x * sin + y * cos)]
        };
        let all = |of: &[usize]| of.iter().map(|&i| level(mesh.at(i))).collect();
        (distance >= 1.0).then(|| Self {
            rest: all(&REST),
            nose: all(&NOSE),
            pose: glimpse.pose,
            mouth: glimpse.mouth,
        })
    }
}

/// Where the points of a sheet go when it is tilted and bent:
/// x' = (a · [x, y, 1, x², xy, y²]) / (c · [x, y] + 1), and so y' with b.
struct Sheet {
    a: [f64; 6],
    b: [f64; 6],
    c: [f64; 2],
}

impl Sheet {
    /// The least-squares fit of the equations multiplied out (DLT).
    fn fit(from: &[[f64; 2]], to: &[[f64; 2]]) -> Option<Self> {
        let rows = from.iter().zip(to).flat_map(|(&point, after)| {
            let powers = powers(point);
            [0, 1].map(|axis| {
                let mut row = [0.0; 14];
                row[6 * axis..6 * axis + 6].copy_from_slice(&powers);
                row[12] = -after[axis] * point[0];
                row[13] = -after[axis] * point[1];
                (row, after[axis])
            })
        });
        let [a @ .., b0, b1, b2, b3, b4, b5, c0, c1] = least_squares::<14>(rows)?;
        Some(Self { a, b: [b0, b1, b2, b3, b4, b5], c: [c0, c1] })
    }

    fn apply(&self, point: [f64; 2]) -> [f64; 2] {
        let powers = powers(point);
        let depth = self.c[0] * point[0] + self.c[1] * point[1] + 1.0;
        [&self.a, &self.b].map(|k| k.iter().zip(powers).map(|(k, p)| k * p).sum::<f64>() / depth)
    }

    /// Degrees of tilt about the upright axis that would foreshorten as the middle between the eyes is: the arc
    /// cosine of how much narrower it got over how much lower.
    fn tilt(&self) -> f32 {
        let [[xx, xy], [yx, yy]] =
            [&self.a, &self.b].map(|k| [k[0] - k[2] * self.c[0], k[1] - k[2] * self.c[1]]);
        let ratio = xx.hypot(yx) / xy.hypot(yy).max(f64::EPSILON);
        ratio.clamp(0.0, 1.0).acos().to_degrees() as f32
    }
}

fn powers([x, y]: [f64; 2]) -> [f64; 6] {
    [x, y, 1.0, x * x, x * y, y * y]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::fixtures::{self, head, noise, seen, sheet, turned};
    use crate::mesh::Landmark;

    const TURNS: [(f32, f32); 7] =
        [(0.0, 0.0), (2.0, 1.0), (14.0, 2.0), (20.0, -3.0), (-16.0, 0.0), (3.0, 15.0), (1.0, -15.0)];

    /// A track of `body` turned so, its landmarks off by up to `error` eye distances.
    fn suspicion(turns: &[(f32, f32)], error: f32, body: impl Fn(usize) -> Vec<Landmark>) -> Option<f32> {
        let mut track = Track::default();
        for (frame, &(yaw, pitch)) in turns.iter().enumerate() {
            let mut points = turned(&body(frame), yaw, pitch);
            for (i, point) in points.iter_mut().enumerate() {
                point.x += error * noise(i, 2 * frame);
                point.y += error * noise(i, 2 * frame + 1);
            }
            let mesh = fixtures::mesh(&points, Point::new(320.0, 200.0), 60.0);
            track.push(seen(frame as u64 * 33_333, mesh));
        }
        measure(&track).map(|s| s.0)
    }

    #[test]
    fn a_head_that_turns_shows_its_nose() {
        let exact = suspicion(&TURNS, 0.0, |_| head()).unwrap();
        assert!(exact < 0.4, "{exact}");
        let rough = suspicion(&TURNS, 0.01, |_| head()).unwrap();
        assert!(rough < 0.45, "{rough}");
    }

    #[test]
    fn a_plane_does_not() {
        let exact = suspicion(&TURNS, 0.0, |_| sheet(0.0, 0.0)).unwrap();
        assert!(exact > 0.99, "{exact}");
        let rough = suspicion(&TURNS, 0.01, |_| sheet(0.0, 0.0)).unwrap();
        assert!(rough > 0.8, "{rough}");
    }

    #[test]
    fn a_bent_print_does_not_whatever_it_is_bent_about() {
        for angle in [0.0, 30.0, 90.0, 120.0] {
            let bent = suspicion(&TURNS, 0.0, |_| sheet(0.3, angle)).unwrap();
            assert!(bent > 0.9, "{bent} at {angle} degrees");
            let bending = suspicion(&TURNS, 0.0, |frame| sheet(0.06 * frame as f32, angle)).unwrap();
            assert!(bending > 0.75, "{bending} at {angle} degrees");
        }
    }

    #[test]
    fn a_print_that_the_pose_does_not_follow_is_still_seen() {
        // As the landmark network has it: the places of a tilted sheet, without depth.
        let tilts = [(0.0, 0.0), (20.0, 0.0), (25.0, 0.0), (0.0, 22.0), (-24.0, 0.0)];
        let frames = tilts.map(|(yaw, pitch)| turned(&sheet(0.0, 0.0), yaw, pitch));
        let still = [(0.0, 0.0); 5];
        let print = suspicion(&still, 0.0, |frame| {
            let flat = |p: &Landmark| Landmark { z: 0.0, ..*p };
            frames[frame].iter().map(flat).collect()
        });
        assert!(print.unwrap() > 0.95, "{print:?}");
    }

    #[test]
    fn a_mouth_that_opens_is_no_tilt() {
        let mut track = Track::default();
        for frame in 0..6u64 {
            // A tilt by all that the landmarks show, and by the pose none.
            let points = turned(&sheet(0.0, 0.0), if frame % 2 == 0 { 0.0 } else { 25.0 }, 0.0);
            let flat: Vec<Landmark> = points.iter().map(|p| Landmark { z: 0.0, ..*p }).collect();
            let glimpse = seen(frame * 33_333, fixtures::mesh(&flat, Point::new(320.0, 200.0), 60.0));
            let mouth = if frame % 2 == 0 { 0.02 } else { 0.5 };
            track.push(Glimpse { mouth, ..glimpse });
        }
        assert_eq!(measure(&track), None);
    }

    #[test]
    fn a_face_that_keeps_still_is_not_judged() {
        let still = [(0.0, 0.0), (1.0, 0.0), (0.0, 2.0), (-2.0, 1.0), (3.0, 0.0)];
        assert_eq!(suspicion(&still, 0.005, |_| head()), None);
        assert_eq!(measure(&Track::default()), None);
    }
}
