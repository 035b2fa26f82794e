//! How a face throws back the emitter's light, and that alone: a frame that the emitter lit, less one that
//! it did not. A display sends out no such light and throws it back alike all over; paper is as bright
//! beside the face as on it, and most inks are not seen. On a living face pupils are dark, or bright where
//! the emitter is beside the lens, and the room behind lies in the dark.
//!
//! Unit: the geometric mean of two likenesses, 0 to 1: of the eyes and the skin, and of the background and
//! the skin. 1 is a blank sheet, and a face that throws nothing back.

use crate::image::{Image, Point};
use crate::liveness::Suspicion;
use crate::liveness::fit::{median, quantile};
use crate::liveness::light::disc;
use crate::mesh::Mesh;
use crate::observe::FaceView;

/// Skin on forehead and cheeks.
const SKIN: [usize; 8] = [151, 9, 108, 337, 50, 280, 101, 330];
/// Radius of a patch of skin, and of what is looked at of an eye: half of an iris is 0.09 (11.7 mm of 63).
const PATCH: f32 = 0.05;
const IRIS: f32 = 0.12;
/// The shares of an eye's pixels that are darker than the pupil's edge and lighter than all but the glint.
const DARKEST: f32 = 0.1;
const LIGHTEST: f32 = 0.98;
/// How far from the middle of the face the room begins, in eye distances, beyond ears and hair; and in how
/// many places beside and above the face it is looked at.
const ROOM: f32 = 2.0;
const PLACES: usize = 13;
const LEAST_PLACES: usize = 4;
/// Levels by which the emitter must light skin: less is what a display throws back, or nothing.
const LEAST_RETURN: f32 = 4.0;
/// Levels above which skin is burnt out, and ratios mean nothing.
const BURNT: f32 = 250.0;
/// Fewer pixels between the eyes: a pupil is a pixel. As for quality.
const LEAST_EYE_DISTANCE: f32 = 36.0;

/// Only the emitter's light: the difference of two grey frames. None where they are not of one size.
pub fn subtracted(lit: &Image, dark: &Image) -> Option<Image> {
    if (lit.width(), lit.height()) != (dark.width(), dark.height()) {
        return None;
    }
    let pixels = lit.rgb().iter().zip(dark.rgb()).map(|(l, d)| l.saturating_sub(*d)).collect();
    Image::from_rgb(lit.width(), lit.height(), pixels).ok()
}

/// Of a frame that the emitter lit and one, taken right before or after, that it did not. None where the
/// face is small or burnt out, or no room is seen around it.
pub fn reflectance(lit: &Image, dark: &Image, view: &FaceView) -> Option<Suspicion> {
    let mesh = &view.mesh;
    let unit = mesh.eye_distance();
    let brightness = |image: &Image| {
        let patches = SKIN.iter().flat_map(|&i| disc(image, mesh.at(i), PATCH * unit));
        median(patches.map(|c| c[0]).collect())
    };
    if unit < LEAST_EYE_DISTANCE || brightness(lit)? >= BURNT {
        return None;
    }
    let returned = subtracted(lit, dark)?;
    let skin = brightness(&returned)?;
    if skin < LEAST_RETURN {
        return Some(Suspicion(1.0));
    }
    let likeness = eyes(&returned, mesh, skin)? * room(&returned, mesh, skin)?;
    Some(Suspicion(likeness.sqrt()))
}

/// How like skin the eyes are: 1 alike, less where pupils are darker or lighter.
fn eyes(returned: &Image, mesh: &Mesh, skin: f32) -> Option<f32> {
    let unit = mesh.eye_distance();
    let eye = mesh.eye_centres().into_iter().flat_map(|eye| disc(returned, eye, IRIS * unit));
    let levels: Vec<f32> = eye.map(|c| c[0]).collect();
    let (dark, light) = (quantile(levels.clone(), DARKEST)?, quantile(levels, LIGHTEST)?);
    Some(likeness(dark, skin).min(likeness(light, skin)))
}

/// How like skin what lies around the face is: 1 alike or lighter.
fn room(returned: &Image, mesh: &Mesh, skin: f32) -> Option<f32> {
    let (unit, [left, right]) = (mesh.eye_distance(), mesh.eye_centres());
    let middle = left.midway(right);
    let place = |i: usize| {
        // From the left over the top to the right: below are neck and shoulders.
        let (sin, cos) = (std::f32::consts::PI * i as f32 / (PLACES - 1) as f32).sin_cos();
        Point::new(middle.x - ROOM * unit * cos, middle.y - ROOM * unit * sin)
    };
    let level = |at: Point| median(disc(returned, at, PATCH * unit).map(|c| c[0]).collect());
    let levels: Vec<f32> = (0..PLACES).filter_map(|i| level(place(i))).collect();
    if levels.len() < LEAST_PLACES {
        return None;
    }
    median(levels).map(|room| if room >= skin { 1.0 } else { likeness(room, skin) })
}

fn likeness(a: f32, b: f32) -> f32 {
    (a.min(b) + 1.0) / (a.max(b) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::fixtures::{facing, noise, picture};

    const EYES: Point = Point { x: 320.0, y: 220.0 };
    const DISTANCE: f32 = 60.0;

    /// Daylight everywhere, and the emitter's light by formula of the place in eye distances.
    fn suspicion(emitter: impl Fn(f32, f32) -> f32) -> Option<f32> {
        let frame = |lit: bool| {
            picture(640, 480, |x, y| {
                let (right, down) = ((x as f32 - EYES.x) / DISTANCE, (y as f32 - EYES.y) / DISTANCE);
                let more = if lit { emitter(right, down) } else { 0.0 };
                [40.0 + 2.0 * noise(x, y) + more; 3]
            })
        };
        reflectance(&frame(true), &frame(false), &facing(EYES, DISTANCE)).map(|s| s.0)
    }

    /// A head before a room: pupils as given.
    fn head(x: f32, y: f32, pupil: f32) -> f32 {
        match ((x.abs() - 0.5).hypot(y), (x / 1.2).hypot((y - 0.4) / 1.6)) {
            (eye, _) if eye < 0.07 => pupil,
            (_, face) if face < 1.0 => 120.0,
            _ => 12.0,
        }
    }

    #[test]
    fn a_head_is_bright_before_a_dark_room_and_has_pupils() {
        for pupil in [15.0, 205.0] {
            let living = suspicion(|x, y| head(x, y, pupil)).unwrap();
            assert!(living < 0.35, "{living}");
        }
    }

    #[test]
    fn a_sheet_is_bright_all_over() {
        assert!(suspicion(|_, _| 110.0).unwrap() > 0.9);
        // Ink that infrared light sees, on paper that reaches beyond the face.
        let print = suspicion(|x, y| head(x, y, 40.0).max(40.0) + if x.abs() > 1.2 { 75.0 } else { 0.0 });
        assert!(print.unwrap() > 0.5, "{print:?}");
    }

    #[test]
    fn a_display_throws_nothing_back() {
        assert_eq!(suspicion(|_, _| 1.0), Some(1.0));
    }

    #[test]
    fn a_burnt_out_face_is_not_judged() {
        assert_eq!(suspicion(|_, _| 230.0), None);
        let (small, large) = (picture(8, 8, |_, _| [0.0; 3]), picture(9, 8, |_, _| [0.0; 3]));
        assert!(subtracted(&small, &large).is_none());
    }
}
