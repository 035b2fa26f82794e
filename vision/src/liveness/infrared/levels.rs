//! The grey levels of one frame where a face tells of infrared light: skin, eyes, and the room around the head.
//! Another frame can be looked at in the same places, so that one can be taken from the other pixel by pixel. It
//! finds no face and judges nothing.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::image::{Image, Point};
use crate::liveness::fit::median;
use crate::liveness::light::disc;
use crate::mesh::Mesh;

/// Skin on forehead and cheeks.
const SKIN: [usize; 8] = [151, 9, 108, 337, 50, 280, 101, 330];
/// Radius of a patch of skin, and of what is looked at of an eye, in eye distances: half of an iris is 0.09
/// (11.7 mm of 63).
const PATCH: f32 = 0.05;
const IRIS: f32 = 0.12;
/// How far from the middle of the face the room begins, in eye distances, beyond ears and hair; and in how
/// many places beside and above the face it is looked at.
const ROOM: f32 = 2.0;
const PLACES: usize = 13;
const LEAST_PLACES: usize = 4;
/// Pixels between the eyes. With fewer, a pupil is a pixel, as for quality; no picture has room for more.
const EYE_DISTANCES: std::ops::RangeInclusive<f32> = 36.0..=4096.0;
/// About so many pixels stand for the whole picture.
const SCENE_PIXELS: usize = 4096;

/// Levels, 0 to 255, in the order of the places. Wiped when dropped: they are of a face.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Levels {
    /// Width and height of the picture.
    size: [u32; 2],
    skin: Vec<f32>,
    /// Of the eye on the left of the picture, and of the one on the right.
    eyes: [Vec<f32>; 2],
    /// Of each place that lies in the picture.
    room: Vec<Vec<f32>>,
    /// The mean of the picture.
    scene: f32,
}

impl Levels {
    /// Where these landmarks are. None where the face is too small.
    pub fn of(image: &Image, mesh: &Mesh) -> Option<Self> {
        let unit = mesh.eye_distance();
        if !EYE_DISTANCES.contains(&unit) {
            return None;
        }
        let patch =
            |at: Point, radius: f32| -> Vec<f32> { disc(image, at, radius * unit).map(|c| c[0]).collect() };
        let eyes = mesh.eye_centres();
        let middle = eyes[0].midway(eyes[1]);
        let room = (0..PLACES).map(|i| patch(beside(middle, unit, i), PATCH));
        Some(Self {
            size: [image.width(), image.height()],
            skin: SKIN.iter().flat_map(|&i| patch(mesh.at(i), PATCH)).collect(),
            eyes: eyes.map(|eye| patch(eye, IRIS)),
            room: room.filter(|levels| !levels.is_empty()).collect(),
            scene: scene(image),
        })
    }

    /// What this frame has more than another one: only the emitter's light, where it lit this frame alone. None
    /// where they were not looked at in the same places of pictures of one size.
    pub fn less(&self, dark: &Self) -> Option<Self> {
        if self.size != dark.size || self.room.len() != dark.room.len() {
            return None;
        }
        let ([left, right], [dark_left, dark_right]) = (&self.eyes, &dark.eyes);
        let room = self.room.iter().zip(&dark.room).map(|(lit, dark)| difference(lit, dark));
        Some(Self {
            size: self.size,
            skin: difference(&self.skin, &dark.skin)?,
            eyes: [difference(left, dark_left)?, difference(right, dark_right)?],
            room: room.collect::<Option<Vec<_>>>()?,
            scene: (self.scene - dark.scene).max(0.0),
        })
    }

    /// The median of the skin. None where it lies outside of the picture.
    pub fn skin(&self) -> Option<f32> {
        median(self.skin.clone())
    }

    /// The pixels of either eye.
    pub fn eyes(&self) -> &[Vec<f32>; 2] {
        &self.eyes
    }

    /// The median of the places around the head. None where too few of them lie in the picture.
    pub fn room(&self) -> Option<f32> {
        if self.room.len() < LEAST_PLACES {
            return None;
        }
        median(self.room.iter().filter_map(|levels| median(levels.clone())).collect())
    }

    /// The mean of the whole picture.
    pub fn scene(&self) -> f32 {
        self.scene
    }
}

/// One of the places around the head, from the left over the top to the right: below are neck and shoulders.
fn beside(middle: Point, unit: f32, place: usize) -> Point {
    let (sin, cos) = (std::f32::consts::PI * place as f32 / (PLACES - 1) as f32).sin_cos();
    Point::new(middle.x - ROOM * unit * cos, middle.y - ROOM * unit * sin)
}

fn difference(lit: &[f32], dark: &[f32]) -> Option<Vec<f32>> {
    let more = || lit.iter().zip(dark).map(|(l, d)| (l - d).max(0.0)).collect();
    (lit.len() == dark.len()).then(more)
}

fn scene(image: &Image) -> f32 {
    let pixels = image.rgb();
    let step = (pixels.len() / 3 / SCENE_PIXELS).max(1);
    let levels = pixels.chunks_exact(3).step_by(step).map(|p| f32::from(p[0]));
    let (count, sum) = levels.fold((0u32, 0.0), |(n, s), level| (n + 1, s + level));
    sum / count.max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::fixtures::{facing, picture};

    const EYES: Point = Point { x: 320.0, y: 220.0 };

    fn levels(width: u32, level: f32, eye_distance: f32) -> Option<Levels> {
        Levels::of(&picture(width, 480, |_, _| [level; 3]), &facing(EYES, eye_distance).mesh)
    }

    #[test]
    fn one_frame_is_taken_from_another_place_by_place() {
        let (lit, dark) = (levels(640, 150.0, 60.0).unwrap(), levels(640, 40.0, 60.0).unwrap());
        let more = lit.less(&dark).unwrap();
        assert_eq!((more.skin(), more.room(), more.scene()), (Some(110.0), Some(110.0), 110.0));
        assert_eq!(dark.less(&lit).unwrap().skin(), Some(0.0), "no light is less than none");
    }

    #[test]
    fn frames_of_other_sizes_and_faces_are_not_compared() {
        let lit = levels(640, 150.0, 60.0).unwrap();
        assert!(lit.less(&levels(641, 40.0, 60.0).unwrap()).is_none());
        assert!(lit.less(&levels(640, 40.0, 90.0).unwrap()).is_none());
    }

    #[test]
    fn a_face_that_is_small_or_nowhere_has_no_levels() {
        assert!(levels(640, 100.0, 30.0).is_none());
        assert!(levels(640, 100.0, f32::NAN).is_none());
        // So near that the room is outside of the picture.
        assert_eq!(levels(640, 100.0, 240.0).unwrap().room(), None);
    }
}
