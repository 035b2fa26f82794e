//! How a face throws back the emitter's light, and that alone: a frame that the emitter lit, less one that
//! it did not. A display sends out no such light and throws it back alike all over; paper is as bright
//! beside the face as on it, and most inks are not seen. On a living face pupils are dark, or bright where
//! the emitter is beside the lens, its corneas mirror the emitter as a point lighter than any skin, and the
//! room behind lies in the dark.
//!
//! Unit of the suspicion: the likeness of the eyes and the skin, 0 to 1, or where the background is more like
//! the skin than the eyes are, the geometric mean of both. 1 is a blank sheet, and a face that throws nothing
//! back. What it cannot tell from a head: a mask with living eyes behind it, and a print in ink that absorbs
//! infrared light, cut out along the face, whose paper is bare where the corneas shine.

use crate::liveness::Suspicion;
use crate::liveness::fit::quantile;
use crate::liveness::infrared::Levels;

/// The shares of an eye's pixels that are darker than the pupil's edge and lighter than all but the glint.
const DARKEST: f32 = 0.05;
const LIGHTEST: f32 = 0.98;
/// Levels by which the emitter must light skin: less is what a display throws back, or nothing.
pub(super) const LEAST_RETURN: f32 = 8.0;
/// Levels above which skin is burnt out, and ratios mean nothing.
const BURNT: f32 = 250.0;
/// How much lighter than skin the lightest of an eye is at least where its cornea mirrors the emitter. Bare paper
/// is lighter than printed skin, but seldom by so much. A starting value.
const GLINT: f32 = 1.5;
/// What is clearly lighter than skin may be so much of an eye, as a share: a point, or a bright pupil, but not
/// an eye of bare paper. A starting value.
const LIGHTER: f32 = 1.25;
const MOST_LIGHTER: f32 = 0.3;
/// The most that the room behind a head is like skin: light falls off with the square of the distance. A starting
/// value.
const ROOM_BEHIND: f32 = 0.5;

/// What a face throws back of the emitter's light. Likenesses are 0 to 1; 1 is alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Return {
    /// Levels, 0 to 255: the median of the skin.
    pub skin: f32,
    /// How like skin the darkest or the lightest of the eyes are, whichever is less.
    pub eyes: f32,
    /// How like skin what lies around the head is; 1 where it is lighter.
    pub room: f32,
    /// Whether both eyes mirror the emitter. That they do not is no sign of an attack: lids and glasses hide it.
    pub glints: bool,
}

impl Return {
    const NOTHING: Self = Self { skin: 0.0, eyes: 1.0, room: 1.0, glints: false };

    pub fn suspicion(self) -> Suspicion {
        Suspicion((self.eyes * self.eyes.max(self.room)).sqrt())
    }

    /// Whether all is there that a head shows, rather than only nothing against it.
    pub fn is_whole(self) -> bool {
        self.glints && self.room <= ROOM_BEHIND
    }
}

/// Of a frame that the emitter lit and one, taken right before or after, that it did not, looked at in the same
/// places. None where skin is burnt out, or no room is seen around the head.
pub fn reflectance(lit: &Levels, dark: &Levels) -> Option<Return> {
    if lit.skin()? >= BURNT {
        return None;
    }
    let returned = lit.less(dark)?;
    let skin = returned.skin()?;
    if skin < LEAST_RETURN {
        return Some(Return { skin, ..Return::NOTHING });
    }
    let (eyes, room) = (eyes(&returned, skin)?, room(&returned, skin)?);
    let glints = returned.eyes().iter().all(|eye| has_glint(eye, skin));
    Some(Return { skin, eyes, room, glints })
}

/// How like skin the eyes are: 1 alike, less where pupils are darker or lighter. What is lighter counts twice, since
/// levels end not far above skin.
fn eyes(returned: &Levels, skin: f32) -> Option<f32> {
    let levels = returned.eyes().concat();
    let (dark, light) = (quantile(levels.clone(), DARKEST)?, quantile(levels, LIGHTEST)?);
    Some(likeness(dark, skin).min(likeness(light, skin).powi(2)))
}

/// How like skin what lies around the face is: 1 alike or lighter.
fn room(returned: &Levels, skin: f32) -> Option<f32> {
    returned.room().map(|room| if room >= skin { 1.0 } else { likeness(room, skin) })
}

fn has_glint(eye: &[f32], skin: f32) -> bool {
    let lightest = eye.iter().copied().fold(0.0, f32::max);
    let lighter = eye.iter().filter(|&&level| level > LIGHTER * skin).count();
    lightest >= GLINT * skin && lighter as f32 <= MOST_LIGHTER * eye.len() as f32
}

fn likeness(a: f32, b: f32) -> f32 {
    (a.min(b) + 1.0) / (a.max(b) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Point;
    use crate::liveness::fixtures::{facing, noise, picture};

    const EYES: Point = Point { x: 320.0, y: 220.0 };
    const DISTANCE: f32 = 60.0;

    /// Daylight everywhere, and the emitter's light by formula of the place in eye distances.
    fn returned(emitter: impl Fn(f32, f32) -> f32) -> Option<Return> {
        let mesh = facing(EYES, DISTANCE).mesh;
        let frame = |lit: bool| {
            let image = picture(640, 480, |x, y| {
                let (right, down) = ((x as f32 - EYES.x) / DISTANCE, (y as f32 - EYES.y) / DISTANCE);
                let more = if lit { emitter(right, down) } else { 0.0 };
                [40.0 + 2.0 * noise(x, y) + more; 3]
            });
            Levels::of(&image, &mesh)
        };
        reflectance(&frame(true)?, &frame(false)?)
    }

    fn suspicion(emitter: impl Fn(f32, f32) -> f32) -> Option<f32> {
        returned(emitter).map(|r| r.suspicion().0)
    }

    /// How far a place is from the middle of the nearer eye.
    fn from_eye(x: f32, y: f32) -> f32 {
        (x.abs() - 0.5).hypot(y)
    }

    /// A head before a room: pupils as given.
    fn head(x: f32, y: f32, pupil: f32) -> f32 {
        match (from_eye(x, y), (x / 1.2).hypot((y - 0.4) / 1.6)) {
            (eye, _) if eye < 0.07 => pupil,
            (_, face) if face < 1.0 => 120.0,
            _ => 12.0,
        }
    }

    #[test]
    fn a_head_is_bright_before_a_dark_room_and_has_pupils() {
        for pupil in [15.0, 205.0] {
            let living = suspicion(|x, y| head(x, y, pupil)).unwrap();
            assert!(living < 0.4, "{living}");
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
    fn a_sheet_that_is_cut_out_still_has_no_eyes() {
        let cut_out = |x, y| if head(x, y, 120.0) > 100.0 { 110.0 } else { 8.0 };
        assert!(suspicion(cut_out).unwrap() > 0.9);
    }

    #[test]
    fn a_display_throws_nothing_back() {
        let display = returned(|_, _| 1.0).unwrap();
        assert_eq!((display.suspicion(), display.is_whole()), (Suspicion(1.0), false));
    }

    #[test]
    fn a_cornea_mirrors_the_emitter_and_paper_does_not() {
        let with_eyes = |radius: f32, level: f32| {
            let glints = returned(move |x, y| if from_eye(x, y) < radius { level } else { head(x, y, 15.0) });
            glints.unwrap().glints
        };
        assert!(with_eyes(0.02, 210.0), "a point");
        assert!(with_eyes(0.05, 200.0), "a bright pupil");
        assert!(!with_eyes(0.02, 160.0), "bare paper");
        assert!(!with_eyes(0.12, 210.0), "an eye that is light all over");
        assert!(!with_eyes(0.0, 0.0), "none");
    }

    #[test]
    fn a_glint_before_a_room_as_light_as_skin_is_not_the_whole_of_a_head() {
        let eyes = |x, y| if from_eye(x, y) < 0.02 { 210.0 } else { head(x, y, 15.0) };
        assert!(returned(eyes).unwrap().is_whole());
        assert!(!returned(|x, y| eyes(x, y).max(90.0)).unwrap().is_whole());
    }

    #[test]
    fn a_burnt_out_face_is_not_judged() {
        assert_eq!(suspicion(|_, _| 230.0), None);
    }
}
