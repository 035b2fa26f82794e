//! Whether a face can be judged, and if not, the first thing that the person could change.
//!
//! The figures are in units that do not depend on the camera. Each bound was set on the photographs of
//! the demo, warped, dimmed, blurred and covered (`tests/tests/quality.rs` has both sides of each).
//!
//! Threat model: M5.

use crate::align;
use crate::image::{Image, Normalisation};
use crate::mesh::{LANDMARKS, Mesh, index};
use crate::pose::Pose;

/// Why a frame cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shortfall {
    NoFace,
    SeveralFaces,
    TooFar,
    TooNear,
    TooDark,
    TooBright,
    Blurred,
    Turned,
    Covered,
}

/// Fewer pixels between the eyes: too far.
const LEAST_EYE_DISTANCE: f32 = 36.0;
/// A larger share of the picture's shorter side between forehead and chin: too near.
const MOST_FACE_SHARE: f32 = 0.92;
/// Of the picture as a whole, where no face is found: mean luma 0 to 255.
const DARK_PICTURE: f32 = 28.0;
const BRIGHT_PICTURE: f32 = 232.0;
/// Of the face: mean luma 0 to 255, and the most of it that may be burnt out.
const DARK_FACE: f32 = 45.0;
const BRIGHT_FACE: f32 = 215.0;
const MOST_BURNT: f32 = 0.35;
/// Edge energy of the aligned crop over its contrast: see [`Quality::sharpness`].
const LEAST_SHARPNESS: f32 = 0.018;
/// Degrees.
const MOST_YAW: f32 = 25.0;
const MOST_PITCH: f32 = 22.0;
const MOST_ROLL: f32 = 30.0;
/// Probability of the landmark network that this is a face.
const LEAST_PRESENCE: f32 = 0.5;
/// The most landmarks that may lie outside of the picture.
const MOST_OUTSIDE: f32 = 0.03;
/// The most that the colour of one part of the face may differ from the rest: see [`Quality::cover`].
const MOST_COVER: f32 = 1.0;

/// What was measured of one face.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// Image pixels between the eyes.
    pub eye_distance: f32,
    /// Height of the face over the picture's shorter side.
    pub face_share: f32,
    /// Mean luma of the face, 0 to 255.
    pub luma: f32,
    /// Share of the face's pixels whose luma is 250 or more.
    pub burnt: f32,
    /// Mean absolute Laplacian of the aligned crop's luma over twice its standard deviation: a blurred
    /// face has contrast but no edges.
    pub sharpness: f32,
    /// Share of landmarks outside of the picture.
    pub outside: f32,
    /// How unlike the upper and the lower half of the face are, in units of their own spread.
    pub cover: f32,
}

impl Quality {
    pub fn measure(image: &Image, mesh: &Mesh) -> Self {
        let crop = AlignedLuma::of(image, mesh);
        let (luma, spread) = crop.mean_and_deviation();
        let chin = mesh.at(index::CHIN).distance(mesh.at(index::FOREHEAD));
        let outside = mesh.points.iter().filter(|p| !image.contains(p.flat())).count();
        Self {
            eye_distance: mesh.eye_distance(),
            face_share: chin / image.width().min(image.height()) as f32,
            luma,
            burnt: crop.burnt(),
            sharpness: crop.laplacian() / (2.0 * spread).max(1.0),
            outside: outside as f32 / LANDMARKS as f32,
            cover: cover(image, mesh),
        }
    }

    /// The first reason that stands against judging this face, in the order in which a person can
    /// mend them.
    pub fn shortfall(&self, image: &Image, mesh: &Mesh, pose: Pose) -> Option<Shortfall> {
        if mesh.presence < LEAST_PRESENCE {
            return Some(match without_face(image) {
                Shortfall::NoFace => Shortfall::Covered,
                light => light,
            });
        }
        let checks = [
            (self.face_share > MOST_FACE_SHARE, Shortfall::TooNear),
            (self.eye_distance < LEAST_EYE_DISTANCE && pose.yaw.abs() < MOST_YAW, Shortfall::TooFar),
            (self.luma < DARK_FACE, Shortfall::TooDark),
            (self.luma > BRIGHT_FACE || self.burnt > MOST_BURNT, Shortfall::TooBright),
            (
                pose.yaw.abs() > MOST_YAW || pose.pitch.abs() > MOST_PITCH || pose.roll.abs() > MOST_ROLL,
                Shortfall::Turned,
            ),
            (self.outside > MOST_OUTSIDE, Shortfall::Covered),
            (self.sharpness < LEAST_SHARPNESS, Shortfall::Blurred),
            (self.cover > MOST_COVER, Shortfall::Covered),
        ];
        checks.into_iter().find_map(|(fails, reason)| fails.then_some(reason))
    }
}

/// What to say of a picture in which no face was found.
pub fn without_face(image: &Image) -> Shortfall {
    let pixels = image.rgb();
    let step = (pixels.len() / 3 / 4096).max(1);
    let lumas = pixels.chunks_exact(3).step_by(step).map(|p| luma([p[0].into(), p[1].into(), p[2].into()]));
    let (count, sum) = lumas.fold((0u32, 0.0), |(n, s), l| (n + 1, s + l));
    match sum / count.max(1) as f32 {
        mean if mean < DARK_PICTURE => Shortfall::TooDark,
        mean if mean > BRIGHT_PICTURE => Shortfall::TooBright,
        _ => Shortfall::NoFace,
    }
}

/// Rec. 601 luma.
fn luma([r, g, b]: [f32; 3]) -> f32 {
    0.299 * r + 0.587 * g + 0.114 * b
}

/// The face as the embedder will see it, in grey.
struct AlignedLuma(Vec<f32>);

impl AlignedLuma {
    fn of(image: &Image, mesh: &Mesh) -> Self {
        let raw = Normalisation { offset: 0.0, factor: 1.0 };
        let planes = image.crop(align::alignment(mesh), align::SIZE, raw);
        let plane = align::SIZE * align::SIZE;
        Self((0..plane).map(|i| luma([planes[i], planes[plane + i], planes[2 * plane + i]])).collect())
    }

    /// The middle of the crop: all face, no background.
    fn inner(&self) -> impl Iterator<Item = f32> + '_ {
        let (from, to) = (align::SIZE / 5, align::SIZE * 4 / 5);
        (from..to).flat_map(move |row| (from..to).map(move |column| self.0[row * align::SIZE + column]))
    }

    fn mean_and_deviation(&self) -> (f32, f32) {
        mean_and_deviation(self.inner())
    }

    fn burnt(&self) -> f32 {
        let (all, burnt) = self.inner().fold((0u32, 0u32), |(n, b), l| (n + 1, b + u32::from(l >= 250.0)));
        burnt as f32 / all as f32
    }

    fn laplacian(&self) -> f32 {
        let at = |row: usize, column: usize| self.0[row * align::SIZE + column];
        let (from, to) = (align::SIZE / 5, align::SIZE * 4 / 5);
        let mut sum = 0.0;
        for row in from..to {
            for column in from..to {
                let around =
                    at(row - 1, column) + at(row + 1, column) + at(row, column - 1) + at(row, column + 1);
                sum += (4.0 * at(row, column) - around).abs();
            }
        }
        sum / ((to - from) * (to - from)) as f32 / 4.0
    }
}

fn mean_and_deviation(values: impl Iterator<Item = f32>) -> (f32, f32) {
    let (mut count, mut sum, mut squares) = (0u32, 0.0f32, 0.0f32);
    for value in values {
        count += 1;
        sum += value;
        squares += value * value;
    }
    let mean = sum / count.max(1) as f32;
    (mean, (squares / count.max(1) as f32 - mean * mean).max(0.0).sqrt())
}

/// Landmarks on bare skin above and below: forehead and upper cheeks against lower cheeks, upper lip
/// and chin.
const UPPER: [usize; 10] = [151, 9, 108, 337, 69, 299, 101, 330, 50, 280];
const LOWER: [usize; 10] = [164, 18, 200, 199, 57, 287, 212, 432, 205, 425];

/// How far apart the mean colours of the upper and the lower face are, over the spread that skin has
/// within each (at least 16 levels).
fn cover(image: &Image, mesh: &Mesh) -> f32 {
    let colours =
        |indices: &[usize]| -> Vec<[f32; 3]> { indices.iter().map(|&i| image.sample(mesh.at(i))).collect() };
    let (upper, lower) = (colours(&UPPER), colours(&LOWER));
    let channel = |points: &[[f32; 3]], c: usize| mean_and_deviation(points.iter().map(|p| p[c]));
    (0..3)
        .map(|c| {
            let ((above, spread_above), (below, spread_below)) = (channel(&upper, c), channel(&lower, c));
            (above - below).abs() / (spread_above + spread_below + 32.0)
        })
        .fold(0.0, f32::max)
}
