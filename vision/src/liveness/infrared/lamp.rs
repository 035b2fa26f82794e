//! Tells the frames that an emitter lit from those that it did not, by what changes from one to the next, and
//! takes each unlit frame from the lit one before it. It switches no emitter, and takes nobody's word for when it
//! was lit.

use std::cmp::Ordering;

use crate::image::Image;
use crate::liveness::infrared::reflectance::LEAST_RETURN;
use crate::liveness::infrared::{Levels, Return, reflectance};
use crate::mesh::Mesh;
use crate::observe::FaceView;

/// The longest time between two frames that are compared, in µs: later, a head is elsewhere. Every other frame of
/// 15 a second comes within it.
const APART_US: u64 = 150_000;
/// The most that the eyes may move between them, in eye distances.
const MOST_SHIFT: f32 = 0.2;
/// Levels by which the mean of the whole picture changes with the emitter, although the face does not. A starting
/// value: a hand and a shoulder are a tenth of a picture.
const LEAST_SCENE: f32 = 4.0;

/// What is known of the emitter in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emitter {
    /// It flashes by itself, as those of Windows Hello do on every other frame.
    ByItself,
    /// It was told to be on or off in this frame, by a random pattern.
    Commanded { lit: bool },
}

/// What a frame itself shows of the emitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Light {
    Lit,
    /// Fit to be taken from a lit frame, and for nothing else.
    Unlit,
    /// Nothing to compare it with, or no change since.
    Unclear,
}

/// What one frame adds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    pub light: Light,
    /// Where this is the first unlit frame after a lit one, and can be judged.
    pub returned: Option<Return>,
    /// Whether the light changed since the frame that it was compared with.
    changed: bool,
}

/// What is kept from frame to frame: levels and landmarks, no picture.
#[derive(Default)]
pub struct Lamp {
    anchor: Option<Anchor>,
}

/// The newest frame in which the face was found.
struct Anchor {
    at_us: u64,
    mesh: Mesh,
    levels: Levels,
    light: Light,
    /// When the light was last seen to change.
    told_us: u64,
    /// Whether an unlit frame was taken from it.
    used: bool,
}

impl Lamp {
    /// Looks at the next frame. In an unlit one no face may be found: then those landmarks count that were found
    /// a moment ago.
    pub fn look(&mut self, image: &Image, view: Option<&FaceView>, at_us: u64) -> Look {
        let recent = |anchor: &Anchor| at_us.saturating_sub(anchor.at_us) <= APART_US;
        let mut kept = self.anchor.take().filter(recent);
        let look = kept.as_mut().map_or(Look::UNCLEAR, |anchor| anchor.compare(image, view));
        let found = view.and_then(|view| Some((view.mesh.clone(), Levels::of(image, &view.mesh)?)));
        // What nothing changed is not known for longer than a moment.
        kept.iter_mut().filter(|_| look.changed).for_each(|anchor| anchor.told_us = at_us);
        let told_us = kept.as_ref().map_or(at_us, |anchor| anchor.told_us);
        let light = if at_us.saturating_sub(told_us) <= APART_US { look.light } else { Light::Unclear };
        let look = Look { light, ..look };
        let here = found.map(|(mesh, levels)| Anchor { at_us, mesh, levels, light, told_us, used: false });
        self.anchor = here.or(kept);
        look
    }

    /// Where the face is, or was a moment ago.
    pub fn mesh(&self) -> Option<&Mesh> {
        self.anchor.as_ref().map(|anchor| &anchor.mesh)
    }
}

impl Look {
    const UNCLEAR: Self = Self { light: Light::Unclear, returned: None, changed: false };
}

impl Anchor {
    fn compare(&mut self, image: &Image, view: Option<&FaceView>) -> Look {
        if view.is_some_and(|view| self.is_far_from(&view.mesh)) {
            return Look::UNCLEAR;
        }
        let Some(now) = Levels::of(image, &self.mesh) else {
            return Look::UNCLEAR;
        };
        match change(&self.levels, &now) {
            Some(Ordering::Less) => {
                self.light = Light::Lit;
                let returned = if self.used { None } else { reflectance(&self.levels, &now) };
                self.used = true;
                Look { light: Light::Unlit, returned, changed: true }
            }
            Some(Ordering::Greater) => Look { light: Light::Lit, returned: None, changed: true },
            Some(Ordering::Equal) => Look { light: self.light, returned: None, changed: false },
            None => Look::UNCLEAR,
        }
    }

    fn is_far_from(&self, mesh: &Mesh) -> bool {
        let most = MOST_SHIFT * self.mesh.eye_distance();
        let eyes = self.mesh.eye_centres().into_iter().zip(mesh.eye_centres());
        // What is no number is nowhere near.
        !eyes.map(|(before, now)| before.distance(now)).all(|shift| shift <= most)
    }
}

/// Whether it became darker or lighter. None where face and picture contradict each other.
fn change(before: &Levels, now: &Levels) -> Option<Ordering> {
    let skin = beyond(now.skin()? - before.skin()?, LEAST_RETURN);
    // A display does not answer, but the hand that holds it does.
    let scene = beyond(now.scene() - before.scene(), LEAST_SCENE);
    match (skin, scene) {
        (Ordering::Equal, change) | (change, Ordering::Equal) => Some(change),
        (skin, scene) => (skin == scene).then_some(skin),
    }
}

fn beyond(change: f32, least: f32) -> Ordering {
    match change {
        change if change >= least => Ordering::Greater,
        change if change <= -least => Ordering::Less,
        _ => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Point;
    use crate::liveness::fixtures::{facing, picture};

    const EYES: Point = Point { x: 320.0, y: 220.0 };

    /// A face of one level before a room of another.
    fn frame(face: f32, room: f32) -> Image {
        picture(640, 480, |x, y| {
            let (right, down) = ((x as f32 - EYES.x) / 60.0, (y as f32 - EYES.y) / 60.0);
            let inside = (right / 1.2).hypot((down - 0.4) / 1.6) < 1.0;
            [if inside { face } else { room }; 3]
        })
    }

    #[test]
    fn lit_frames_are_told_from_unlit_ones() {
        let (lit, dark, view) = (frame(150.0, 40.0), frame(40.0, 35.0), facing(EYES, 60.0));
        let mut lamp = Lamp::default();
        let mut look = |image: &Image, found: bool, at_ms: u64| {
            lamp.look(image, found.then_some(&view), 1_000_000 + 1_000 * at_ms)
        };
        assert_eq!(look(&lit, true, 0), Look::UNCLEAR);
        let first = look(&dark, false, 33);
        assert!(first.light == Light::Unlit && first.returned.is_some_and(|r| r.skin == 110.0), "{first:?}");
        assert_eq!(
            look(&dark, false, 66),
            Look { light: Light::Unlit, returned: None, changed: true },
            "once for each"
        );
        assert_eq!(look(&lit, true, 99), Look { light: Light::Lit, returned: None, changed: false });
        // By daylight, the face is found in unlit frames, too.
        assert!(look(&dark, true, 132).returned.is_some());
        assert_eq!(look(&lit, true, 165), Look { light: Light::Lit, returned: None, changed: true });
        assert!(look(&dark, true, 198).returned.is_some());
        // An emitter that went out for good hides nothing from other eyes.
        let lights: Vec<Light> = (1..8).map(|i| look(&dark, true, 198 + 33 * i).light).collect();
        assert_eq!((lights[0], lights[6]), (Light::Unlit, Light::Unclear), "{lights:?}");
    }

    #[test]
    fn frames_that_are_apart_say_nothing() {
        let (lit, dark, view) = (frame(150.0, 40.0), frame(40.0, 35.0), facing(EYES, 60.0));
        let after = |found: Option<&FaceView>, at_us: u64| {
            let mut lamp = Lamp::default();
            assert_eq!(lamp.look(&lit, Some(&view), 0), Look::UNCLEAR);
            lamp.look(&dark, found, at_us).light
        };
        assert_eq!(after(None, APART_US), Light::Unlit);
        assert_eq!(after(None, APART_US + 1), Light::Unclear);
        let aside = facing(Point::new(EYES.x + 15.0, EYES.y), 60.0);
        assert_eq!(after(Some(&aside), 33_000), Light::Unclear);
        assert_eq!(after(Some(&facing(EYES, f32::NAN)), 33_000), Light::Unclear);
    }

    #[test]
    fn what_shines_by_itself_is_found_out_by_what_is_around_it() {
        let (lit, dark, view) = (frame(80.0, 60.0), frame(80.0, 10.0), facing(EYES, 60.0));
        let mut lamp = Lamp::default();
        assert_eq!(lamp.look(&lit, Some(&view), 0), Look::UNCLEAR);
        let look = lamp.look(&dark, Some(&view), 33_000);
        assert_eq!(look.returned.map(|r| r.suspicion().0), Some(1.0));
        // A face that gets darker while all else gets lighter follows no emitter.
        let (before, after) = (frame(80.0, 10.0), frame(40.0, 60.0));
        assert_eq!(lamp.look(&before, Some(&view), 1_000_000), Look::UNCLEAR);
        assert_eq!(lamp.look(&after, Some(&view), 1_033_000), Look::UNCLEAR);
    }
}
