//! Focus and noise: detail that a picture of a picture has lost twice. How steeply the spectrum of the face
//! falls above the noise, against the spectra of what is around the face in the same frame. It does not
//! grade sharpness: a soft camera is soft everywhere, and is not blamed for it.
//!
//! Unit: decibels an octave by which the face's power falls faster than its surroundings'. Where face and
//! surroundings are on the same sheet both have lost the same, and the cue sees nothing; a room that is out
//! of focus makes a sheet look sharp. It is evidence against a picture that is held up, and none for a
//! person.
//!
//! Measured: docs/liveness.md

use std::f32::consts::LN_2;

use crate::image::{Image, Point};
use crate::liveness::Suspicion;
use crate::liveness::fit::median;
use crate::liveness::light::luma;
use crate::liveness::spectrum::{Spectrum, Square, middle};
use crate::observe::FaceView;

/// Side of the squares that are compared, in pixels.
const SIDE: usize = 64;
/// Fewer pixels between the eyes: a square is more than the face.
const LEAST_EYE_DISTANCE: f32 = 32.0;
/// Fewer squares with detail around the face are no surroundings.
const LEAST_AROUND: usize = 4;
/// Half of the part of the picture that is face and hair, in eye distances: across and down.
const FACE: (f32, f32) = (1.3, 1.8);
/// Detail is what exceeds the noise by so many times in the lowest octave: 15 dB.
const LEAST_DETAIL: f32 = 31.6;
/// The least that is left of an octave when the noise is taken off, in noises.
const LEAST_LEFT: f32 = 0.1;

/// None where the face is too small, or nothing around it has detail.
pub fn measure(image: &Image, view: &FaceView) -> Option<Suspicion> {
    let distance = view.mesh.eye_distance();
    if distance < LEAST_EYE_DISTANCE {
        return None;
    }
    let centre = middle(&view.mesh);
    // Four squares that overlap where the face is small and reach its edges where it is not.
    let apart = 0.6 * (distance - SIDE as f32 / 2.0);
    let corners = [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)];
    let face = corners.map(|(x, y)| Point::new(centre.x + x * apart, centre.y + y * apart));
    let face = median(face.into_iter().filter_map(|at| steepness(image, at)).collect())?;
    let around: Vec<f32> = around(image, centre, distance).filter_map(|at| steepness(image, at)).collect();
    if around.len() < LEAST_AROUND {
        return None;
    }
    Some(Suspicion(face - median(around)?))
}

/// The centres of squares that show no part of the face.
fn around(image: &Image, face: Point, distance: f32) -> impl Iterator<Item = Point> {
    let (columns, rows) = (image.width() as usize / SIDE, image.height() as usize / SIDE);
    let half = SIDE as f32 / 2.0;
    let (across, down) = (FACE.0 * distance + half, FACE.1 * distance + half);
    let centre = move |at: usize| {
        Point::new(((at % columns) * SIDE) as f32 + half, ((at / columns) * SIDE) as f32 + half)
    };
    (0..columns * rows)
        .map(centre)
        .filter(move |at| (at.x - face.x).abs() > across || (at.y - face.y).abs() > down)
}

/// Decibels by which power falls from the octave below 1/8 cycle a pixel to the one above, both without
/// noise. None where there is little but noise.
fn steepness(image: &Image, centre: Point) -> Option<f32> {
    let spectrum = Spectrum::of(image, Square::around(image, centre, SIDE)?, luma);
    // Power of noise is distributed exponentially, its mean the median over ln 2. Next to nothing of a
    // picture is left at the highest frequencies.
    let noise = median(spectrum.ring(0.42, 0.5))? / LN_2;
    let octave = |from: f32| {
        let powers = spectrum.ring(from, 2.0 * from);
        powers.iter().sum::<f32>() / powers.len().max(1) as f32 - noise
    };
    if octave(1.0 / 32.0) < LEAST_DETAIL * noise.max(f32::EPSILON) {
        return None;
    }
    let [lower, upper] = [1.0 / 16.0, 1.0 / 8.0].map(|from| octave(from).max(LEAST_LEFT * noise));
    (lower > 0.0 && upper > 0.0).then(|| 10.0 * (lower / upper).log10())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::fixtures::{facing, noise, picture};

    /// Detail of all sizes by formula: white noise, averaged over squares of so many pixels.
    fn detail(x: usize, y: usize, blur: usize) -> f32 {
        let places = (0..blur * blur).map(|at| noise(x + at % blur, y + at / blur));
        40.0 * places.sum::<f32>() / blur as f32
    }

    /// A face that was blurred so, in surroundings that were blurred otherwise, through one camera.
    fn suspicion(eye_distance: f32, face: usize, around: usize) -> Option<f32> {
        let centre = Point::new(320.0, 200.0 + 0.575 * eye_distance);
        let image = picture(640, 480, |x, y| {
            let (across, down) = ((x as f32 - centre.x).abs(), (y as f32 - centre.y).abs());
            let inside = across < 1.2 * eye_distance && down < 1.7 * eye_distance;
            let shade = 128.0 + 30.0 * (x as f32 / 9.0).sin() * (y as f32 / 11.0).cos();
            [shade + detail(x, y, if inside { face } else { around }) + noise(y, x); 3]
        });
        measure(&image, &facing(Point::new(320.0, 200.0), eye_distance)).map(|s| s.0)
    }

    #[test]
    fn what_is_as_sharp_as_its_surroundings_is_not_suspect() {
        for blur in [2, 4] {
            let live = suspicion(60.0, blur, blur).unwrap();
            assert!(live.abs() < 3.0, "{live} dB an octave");
        }
    }

    #[test]
    fn a_face_that_lost_more_than_its_surroundings_is() {
        let held_up = suspicion(60.0, 5, 2).unwrap();
        assert!(held_up > 4.0, "{held_up} dB an octave");
        let live = suspicion(60.0, 2, 5).unwrap();
        assert!(live < -4.0, "{live} dB an octave");
    }

    #[test]
    fn a_face_before_a_bare_wall_is_not_judged() {
        let image = picture(640, 480, |x, y| [128.0 + 2.0 * noise(x, y); 3]);
        assert_eq!(measure(&image, &facing(Point::new(320.0, 200.0), 60.0)), None);
        assert_eq!(suspicion(25.0, 2, 2), None);
    }
}
