//! Colours and contrast that paper and displays cannot give back: how unlike lips and cheeks are in colour,
//! and how far apart the lightest and the darkest places of the face are. It compares the face with itself
//! only, so that neither white balance nor exposure counts; it does not know what colour skin ought to have.
//!
//! Unit: the natural logarithm of how much is missing: minus those of the distance in log-chromaticity
//! between lips and cheeks, and of the natural logarithm of light over dark. Ink, and light that a display
//! or gloss adds to all of a picture, shrink both. A vivid display can be as rich as skin; pale lips, a
//! beard and flat light are like a print: one sign among others.
//!
//! Measured: docs/liveness.md

use crate::image::Image;
use crate::liveness::Suspicion;
use crate::liveness::fit::{median, quantile};
use crate::liveness::light::{apart, chroma, luma, mean};
use crate::mesh::{LANDMARKS, Mesh, index};
use crate::observe::FaceView;

/// The red of the lips, between their contours.
const LIPS: [usize; 12] = [11, 72, 302, 12, 38, 268, 15, 16, 86, 85, 316, 315];
const CHEEKS: [usize; 10] = [50, 280, 101, 330, 36, 266, 205, 425, 117, 346];
/// Radius of the discs whose mean colour is taken, in eye distances: less than half a lip.
const RADIUS: f32 = 0.04;
/// Fewer pixels between the eyes: lips are a few pixels high. As for quality.
const LEAST_EYE_DISTANCE: f32 = 36.0;
/// Mean luma of a face that is too dark for its colours to be told. As for quality.
const LEAST_LUMA: f32 = 45.0;
/// Levels by which red, green and blue differ in a picture that has colours at all.
const LEAST_COLOUR: f32 = 2.0;
/// The shares of landmarks that are darker than dark and lighter than light.
const DARK: f32 = 0.02;
const LIGHT: f32 = 0.98;
/// The least of either distance that is told from none.
const LEAST: f32 = 1e-3;

/// None where the face is small or dark, or the picture has no colours.
pub fn measure(image: &Image, view: &FaceView) -> Option<Suspicion> {
    let mesh = &view.mesh;
    let colours = colours(image, mesh);
    if mesh.eye_distance() < LEAST_EYE_DISTANCE || grey(&colours) {
        return None;
    }
    let lumas: Vec<f32> = colours.into_iter().map(luma).collect();
    if median(lumas.clone())? < LEAST_LUMA {
        return None;
    }
    let colour = apart(typical(image, mesh, &LIPS)?, typical(image, mesh, &CHEEKS)?);
    let contrast = ((quantile(lumas.clone(), LIGHT)? + 1.0) / (quantile(lumas, DARK)? + 1.0)).ln();
    Some(Suspicion(-colour.max(LEAST).ln() - contrast.max(LEAST).ln()))
}

/// The picture's colours at all landmarks but those of the outline, behind which the room may begin. They
/// are on skin, eyes, brows, nostrils and lips alike.
fn colours(image: &Image, mesh: &Mesh) -> Vec<[f32; 3]> {
    let within = (0..LANDMARKS).filter(|i| !index::OUTLINE.contains(i)).map(|i| mesh.at(i));
    within.filter(|&p| image.contains(p)).map(|p| image.sample(p)).collect()
}

fn grey(colours: &[[f32; 3]]) -> bool {
    let sum: f32 = colours.iter().map(|[r, g, b]| ((r - g).abs() + (b - g).abs()) / 2.0).sum();
    sum < LEAST_COLOUR * colours.len() as f32
}

/// The median log-chromaticity of some landmarks.
fn typical(image: &Image, mesh: &Mesh, landmarks: &[usize]) -> Option<[f32; 2]> {
    let radius = (RADIUS * mesh.eye_distance()).max(1.0);
    let colours: Vec<[f32; 2]> =
        landmarks.iter().filter_map(|&i| mean(image, mesh.at(i), radius)).map(chroma).collect();
    let middle = |axis: usize| median(colours.iter().map(|c| c[axis]).collect());
    Some([middle(0)?, middle(1)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Point;
    use crate::liveness::fixtures::{facing, picture};

    const EYES: Point = Point { x: 160.0, y: 90.0 };
    const DISTANCE: f32 = 60.0;

    /// Skin, lips and dark eyes by formula, as a camera, a print or a display passes them on.
    fn suspicion(pass: impl Fn([f32; 3]) -> [f32; 3]) -> Option<f32> {
        let image = picture(320, 240, |x, y| {
            let (right, down) = ((x as f32 - EYES.x) / DISTANCE, (y as f32 - EYES.y) / DISTANCE);
            let eye = (right.abs() - 0.5).hypot(down) < 0.3;
            let mouth = (right / 0.45).hypot((down - 1.18) / 0.2) < 1.0;
            let light = 1.0 - 0.25 * right;
            let colour = if eye {
                [30.0, 22.0, 18.0]
            } else if mouth {
                [170.0, 95.0, 95.0]
            } else {
                [190.0, 140.0, 115.0]
            };
            pass(colour.map(|c| c * light))
        });
        measure(&image, &facing(EYES, DISTANCE)).map(|s| s.0)
    }

    fn print([r, g, b]: [f32; 3]) -> [f32; 3] {
        let grey = (r + g + b) / 3.0;
        [r, g, b].map(|c| 40.0 + 0.7 * (grey + 0.6 * (c - grey)))
    }

    #[test]
    fn ink_and_glow_take_something_away() {
        let skin = suspicion(|c| c).unwrap();
        let printed = suspicion(print).unwrap();
        let glowing = suspicion(|c| c.map(|level| 40.0 + 0.84 * level)).unwrap();
        assert!(printed > skin + 0.7, "{printed} {skin}");
        assert!(glowing > skin + 0.4, "{glowing} {skin}");
    }

    #[test]
    fn white_balance_and_exposure_do_not() {
        let skin = suspicion(|c| c).unwrap();
        let warm = suspicion(|[r, g, b]| [1.15 * r, g, 0.8 * b]).unwrap();
        let dim = suspicion(|c| c.map(|level| 0.6 * level)).unwrap();
        assert!((warm - skin).abs() < 0.1 && (dim - skin).abs() < 0.15, "{skin} {warm} {dim}");
    }

    #[test]
    fn a_grey_or_dark_picture_is_not_judged() {
        assert_eq!(suspicion(|c| [c[1]; 3]), None);
        assert_eq!(suspicion(|c| c.map(|level| 0.2 * level)), None);
    }
}
