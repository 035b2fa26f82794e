//! A made-up head, sheets and pictures for the tests of the passive cues. They come from formulas, not from
//! people, and say nothing of how people measure.

use crate::detect::Detection;
use crate::image::{Image, Point};
use crate::liveness::glimpse::{self, Glimpse, THUMBNAIL, Thumbnail};
use crate::mesh::{LANDMARKS, Landmark, Mesh, index};
use crate::observe::FaceView;
use crate::pose::Pose;
use crate::quality::Quality;

/// Eye distances from the camera to the middle between the eyes.
const DISTANCE: f32 = 9.0;

/// Landmarks that come in pairs: the one on the left of the picture, the one on the right, and where the
/// latter lies from the middle between the eyes, in eye distances.
const PAIRS: &[(usize, usize, f32, f32)] = &[
    (33, 263, 0.72, 0.0),
    (133, 362, 0.28, 0.0),
    (159, 386, 0.5, -0.07),
    (145, 374, 0.5, 0.07),
    (130, 359, 0.75, 0.0),
    (243, 463, 0.24, 0.01),
    (69, 299, 0.47, -0.56),
    (108, 337, 0.25, -0.58),
    (104, 333, 0.7, -0.5),
    (111, 340, 0.91, 0.18),
    (117, 346, 0.85, 0.23),
    (118, 347, 0.72, 0.25),
    (119, 348, 0.53, 0.25),
    (101, 330, 0.57, 0.35),
    (50, 280, 0.83, 0.46),
    (36, 266, 0.53, 0.48),
    (116, 345, 1.0, 0.26),
    (205, 425, 0.7, 0.61),
    (45, 275, 0.1, 0.51),
    (44, 274, 0.09, 0.62),
    (51, 281, 0.09, 0.38),
    (3, 248, 0.08, 0.27),
    (61, 291, 0.4, 1.15),
    (78, 308, 0.36, 1.15),
    (72, 302, 0.08, 1.08),
    (38, 268, 0.08, 1.11),
    (86, 316, 0.08, 1.27),
    (85, 315, 0.08, 1.3),
];

/// Landmarks on the middle line, and how far below the eyes.
const MIDDLE: &[(usize, f32)] = &[
    (151, -0.58),
    (9, -0.28),
    (8, -0.15),
    (168, -0.07),
    (6, 0.05),
    (197, 0.15),
    (195, 0.25),
    (5, 0.37),
    (4, 0.51),
    (1, 0.62),
    (19, 0.68),
    (164, 0.95),
    (11, 1.08),
    (12, 1.11),
    (13, 1.15),
    (14, 1.17),
    (15, 1.24),
    (16, 1.27),
    (17, 1.32),
    (18, 1.4),
    (200, 1.5),
    (199, 1.55),
];

/// Where each landmark lies on the face that is seen from the front, in eye distances.
fn places() -> Vec<(f32, f32)> {
    // Those that no cue names are spread over the face.
    let spread = |i: usize| {
        let (angle, reach) = (i as f32 * 2.4, 0.8 * (i as f32 / LANDMARKS as f32).sqrt());
        (reach * angle.cos(), 0.45 + 1.2 * reach * angle.sin())
    };
    let mut places: Vec<(f32, f32)> = (0..LANDMARKS).map(spread).collect();
    for &(left, right, x, y) in PAIRS {
        places[left] = (-x, y);
        places[right] = (x, y);
    }
    for &(landmark, y) in MIDDLE {
        places[landmark] = (0.0, y);
    }
    for (step, &landmark) in index::OUTLINE.iter().enumerate() {
        let (sin, cos) = (step as f32 * 10.0).to_radians().sin_cos();
        places[landmark] = (1.1 * sin, 0.45 - 1.35 * cos);
    }
    places
}

/// How far away the face is at a place: an ellipsoid with a nose.
pub fn surface(x: f32, y: f32) -> f32 {
    let round = 1.0 - (x / 1.25).powi(2) - ((y - 0.35) / 1.75).powi(2);
    let nose = (-(x / 0.16).powi(2) - ((y - 0.55) / 0.3).powi(2)).exp();
    0.95 - 1.1 * round.max(0.0).sqrt() - 0.5 * nose
}

/// A head that looks into the camera, in eye distances from the middle between its eyes.
pub fn head() -> Vec<Landmark> {
    places().into_iter().map(|(x, y)| Landmark { x, y, z: surface(x, y) }).collect()
}

/// The same face on paper: flat where `bend` is 0, else a parabola across the direction of `angle` degrees.
pub fn sheet(bend: f32, angle: f32) -> Vec<Landmark> {
    let (sin, cos) = angle.to_radians().sin_cos();
    places().into_iter().map(|(x, y)| Landmark { x, y, z: bend * (x * cos + y * sin).powi(2) }).collect()
}

/// Turned by degrees, as [`Pose`] counts them, and seen by a pinhole camera.
pub fn turned(points: &[Landmark], yaw: f32, pitch: f32) -> Vec<Landmark> {
    let ((sy, cy), (sp, cp)) = (yaw.to_radians().sin_cos(), pitch.to_radians().sin_cos());
    let turn = |p: &Landmark| {
        let (x, z) = (cy * p.x - sy * p.z, sy * p.x + cy * p.z);
        let (y, z) = (cp * p.y + sp * z, cp * z - sp * p.y);
        let near = DISTANCE / (DISTANCE + z);
        Landmark { x: x * near, y: y * near, z }
    };
    points.iter().map(turn).collect()
}

/// In a picture: the middle between the eyes, and the pixels between them.
pub fn mesh(points: &[Landmark], eyes: Point, eye_distance: f32) -> Mesh {
    let place = |p: &Landmark| Landmark {
        x: eyes.x + p.x * eye_distance,
        y: eyes.y + p.y * eye_distance,
        z: p.z * eye_distance,
    };
    Mesh { points: points.iter().map(place).collect(), presence: 1.0 }
}

/// What an observer would say of a face with these landmarks.
pub fn view(mesh: Mesh) -> FaceView {
    let (eyes, distance) = (mesh.eye_centres(), mesh.eye_distance());
    let between = eyes[0].midway(eyes[1]);
    let detection = Detection {
        score: 1.0,
        centre: Point::new(between.x, between.y + 0.6 * distance),
        width: 2.6 * distance,
        height: 2.6 * distance,
        eyes,
    };
    let quality = Quality {
        eye_distance: distance,
        face_share: 0.5,
        luma: 128.0,
        burnt: 0.0,
        sharpness: 0.1,
        outside: 0.0,
        cover: 0.1,
    };
    FaceView { detection, pose: Pose::of(&mesh), mesh, quality }
}

/// The front view of [`head`].
pub fn facing(eyes: Point, eye_distance: f32) -> FaceView {
    view(mesh(&head(), eyes, eye_distance))
}

/// What a track keeps of a face with these landmarks.
pub fn seen(at_us: u64, mesh: Mesh) -> Glimpse {
    Glimpse {
        at_us,
        pose: Pose::of(&mesh),
        eyes: glimpse::eyes(&mesh),
        mouth: glimpse::mouth(&mesh),
        luma: 128.0,
        thumbnail: Thumbnail(Box::new([0.0; THUMBNAIL * THUMBNAIL])),
        suspicions: Vec::new(),
        mesh,
    }
}

/// A picture by formula, in levels.
pub fn picture(width: u32, height: u32, colour: impl Fn(usize, usize) -> [f32; 3]) -> Image {
    let (columns, rows) = (width as usize, height as usize);
    let pixels = (0..columns * rows).flat_map(|at| colour(at % columns, at / columns));
    let rgb = pixels.map(|level| level.round().clamp(0.0, 255.0) as u8).collect();
    Image::from_rgb(width, height, rgb).unwrap()
}

/// Numbers from -1 to 1 that follow no pattern, but are the same for the same place.
pub fn noise(x: usize, y: usize) -> f32 {
    let mut bits = (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77);
    for factor in [0x2c1b_3c6d_u32, 0x297a_2d39] {
        bits = (bits ^ (bits >> 15)).wrapping_mul(factor);
    }
    (bits ^ (bits >> 15)) as f32 / (u32::MAX / 2) as f32 - 1.0
}
