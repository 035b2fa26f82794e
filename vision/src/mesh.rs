//! 468 landmarks of one face in three dimensions, by MediaPipe's face mesh, and how sure it is that
//! there is a face.

use crate::VisionError;
use crate::detect::Detection;
use crate::engine::Network;
use crate::image::{Image, Normalisation, Point, Similarity};

/// The network's name in the manifest.
pub(crate) const MODEL: &str = "face-mesh";
const SIZE: usize = 192;
const INPUT: Normalisation = Normalisation { offset: 0.0, factor: 1.0 / 255.0 };
/// The crop's side, in sides of the detection's box.
const MARGIN: f32 = 1.5;
pub const LANDMARKS: usize = 468;

/// Numbers of landmarks in MediaPipe's order. Left and right are the picture's, not the person's.
pub mod index {
    pub const NOSE_TIP: usize = 1;
    pub const FOREHEAD: usize = 10;
    pub const CHIN: usize = 152;
    pub const LEFT_EYE_OUTER: usize = 33;
    pub const LEFT_EYE_INNER: usize = 133;
    pub const LEFT_EYE_TOP: usize = 159;
    pub const LEFT_EYE_BOTTOM: usize = 145;
    pub const RIGHT_EYE_OUTER: usize = 263;
    pub const RIGHT_EYE_INNER: usize = 362;
    pub const RIGHT_EYE_TOP: usize = 386;
    pub const RIGHT_EYE_BOTTOM: usize = 374;
    pub const MOUTH_LEFT: usize = 61;
    pub const MOUTH_RIGHT: usize = 291;
    pub const LIP_TOP: usize = 13;
    pub const LIP_BOTTOM: usize = 14;
    /// Around the face, from the forehead clockwise in the picture.
    pub const OUTLINE: [usize; 36] = [
        10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148,
        176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
    ];
}

/// A landmark in image pixels; `z` grows away from the camera, in the same unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Landmark {
    pub x: f32,
    pub y: f32,
    pub z: f32,
}

impl Landmark {
    pub fn flat(self) -> Point {
        Point::new(self.x, self.y)
    }
}

/// All landmarks of one face.
#[derive(Clone, Debug, PartialEq)]
pub struct Mesh {
    /// [`LANDMARKS`] of them.
    pub points: Vec<Landmark>,
    /// Probability that the crop shows a face.
    pub presence: f32,
}

impl Mesh {
    pub fn at(&self, index: usize) -> Point {
        self.points[index].flat()
    }

    /// The centre of the eye on the left of the picture, and of the one on the right.
    pub fn eye_centres(&self) -> [Point; 2] {
        use index::*;
        [
            self.mean(&[LEFT_EYE_OUTER, LEFT_EYE_INNER, LEFT_EYE_TOP, LEFT_EYE_BOTTOM]),
            self.mean(&[RIGHT_EYE_OUTER, RIGHT_EYE_INNER, RIGHT_EYE_TOP, RIGHT_EYE_BOTTOM]),
        ]
    }

    /// Image pixels between the centres of the eyes.
    pub fn eye_distance(&self) -> f32 {
        let [left, right] = self.eye_centres();
        left.distance(right)
    }

    pub fn mean(&self, indices: &[usize]) -> Point {
        let share = 1.0 / indices.len() as f32;
        indices.iter().fold(Point::default(), |sum, &i| {
            let p = self.at(i);
            Point::new(sum.x + p.x * share, sum.y + p.y * share)
        })
    }
}

pub struct Mesher {
    network: Network,
}

impl Mesher {
    pub fn load(model: &[u8]) -> Result<Self, VisionError> {
        Ok(Self { network: Network::load(MODEL, model, [1, 3, SIZE, SIZE])? })
    }

    /// The landmarks of a detected face.
    pub fn landmarks(&self, image: &Image, face: &Detection) -> Result<Mesh, VisionError> {
        let crop = square(face);
        let outputs = self.network.run(input(image, face))?;
        let [points, presence] = outputs.as_slice() else {
            return Err(VisionError::ModelFailed(MODEL.into(), "outputs".into()));
        };
        let scale = crop.scale();
        let points = points
            .chunks_exact(3)
            .map(|p| {
                let flat = crop.apply(Point::new(p[0] - 0.5, p[1] - 0.5));
                Landmark { x: flat.x, y: flat.y, z: p[2] * scale }
            })
            .collect::<Vec<_>>();
        let (Some(&logit), LANDMARKS) = (presence.first(), points.len()) else {
            return Err(VisionError::ModelFailed(MODEL.into(), "outputs".into()));
        };
        Ok(Mesh { points, presence: 1.0 / (1.0 + (-logit).exp()) })
    }
}

/// The square around a face, turned so that the eyes are level.
fn square(face: &Detection) -> Similarity {
    Similarity::square(face.centre, face.side() * MARGIN, face.roll(), SIZE)
}

/// What the network sees of a face: [`crate::reference`] measures it with the same numbers.
pub(crate) fn input(image: &Image, face: &Detection) -> Vec<f32> {
    image.crop(square(face), SIZE, INPUT)
}
