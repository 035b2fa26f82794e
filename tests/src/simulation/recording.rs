//! What an attacker took of the victim before: photographs, and clips of what the victim did. They pass
//! through a camera of the attacker's, and show nothing that was not before it.

use vultus_vision::liveness::Action;

use crate::simulation::capture::Camera;
use crate::simulation::glow::Glow;
use crate::simulation::light::Light;
use crate::simulation::person::Person;
use crate::simulation::random::Chance;
use crate::simulation::scene::Lamp;
use crate::sitter::{FINE, HEIGHT, Sitter, Stance, View, WIDTH};
use crate::video::Picture;

/// Pictures of a clip in a second.
const RATE: f32 = 30.0;

/// What of the view of a sitter's base is recorded, and how finely. All show its whole height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crop {
    /// All of it, as finely as a scene: a photograph to be printed.
    Photograph,
    /// All of it, for a screen that lies across.
    Landscape,
    /// The middle, for a screen that stands upright.
    Portrait,
}

impl Crop {
    pub fn view(self) -> View {
        match self {
            Self::Photograph => View::whole(FINE as f32),
            Self::Landscape => View::whole(1.25),
            Self::Portrait => View { scale: 1.5, left: 300.0, top: 0.0 },
        }
    }

    /// Room for what is recorded.
    pub fn blank(self) -> Light {
        let view = self.view();
        let across = (WIDTH as f32 * view.scale) - 2.0 * view.left;
        Light::new(across as usize, (HEIGHT as f32 * view.scale) as usize)
    }
}

/// One photograph of somebody in a stance.
pub fn photograph(sitter: &Sitter, stance: Stance, crop: Crop, seed: u64) -> Picture {
    let mut scene = crop.blank();
    sitter.appear([stance; 2], &mut scene, crop.view(), &Glow::default());
    Camera::recorder(seed).take(&scene, &Lamp::new(seed).steady(), 0.0)
}

/// A video of somebody, whose every picture is the same whenever it is played.
pub struct Clip<'a> {
    person: Person<'a>,
    camera: Camera,
    lamp: Lamp,
    crop: Crop,
    seed: u64,
    lasts_s: f32,
    scene: Light,
    frame: Option<usize>,
    picture: Picture,
}

impl<'a> Clip<'a> {
    /// Somebody who does such things at such times, in seconds, and at least so long.
    pub fn new(sitter: &'a Sitter, script: &[(Action, f32)], least_s: f32, crop: Crop, seed: u64) -> Self {
        // Nobody moves as whoever holds the screen does, whose seed it is.
        let mut person = Person::new(sitter, seed.wrapping_add(0x7ecd));
        let ends_s = script.iter().map(|&(action, at_s)| person.manner.perform(action, at_s) + 0.4);
        let lasts_s = ends_s.fold(least_s, f32::max);
        Self {
            person,
            camera: Camera::recorder(seed),
            lamp: Lamp::new(seed.wrapping_add(1)),
            crop,
            seed,
            lasts_s,
            scene: crop.blank(),
            frame: None,
            picture: Picture { width: 0, height: 0, rgb: Vec::new() },
        }
    }

    /// Somebody who does one thing every few seconds, and at least one, whatever comes to mind.
    pub fn of_anything(sitter: &'a Sitter, lasts_s: f32, crop: Crop, seed: u64) -> Self {
        let mut chance = Chance::new(seed, "script");
        let mut at_s = chance.between(0.4, 1.2);
        let mut script = vec![(chance.pick(Action::ALL), at_s)];
        while at_s < lasts_s - 5.0 {
            at_s += chance.between(2.6, 4.0);
            script.push((chance.pick(Action::ALL), at_s));
        }
        Self::new(sitter, &script, lasts_s, crop, seed)
    }

    pub fn lasts_s(&self) -> f32 {
        self.lasts_s
    }

    /// The picture at a time of the clip.
    pub fn at(&mut self, at_s: f32) -> &Picture {
        let frame = (at_s.max(0.0) * RATE + 0.01) as usize;
        if self.frame != Some(frame) {
            let at_s = frame as f32 / RATE;
            let held = self.person.held(at_s, self.camera.readout_s(), None);
            self.person.sitter.appear(held, &mut self.scene, self.crop.view(), &Glow::default());
            self.camera.reseed(self.seed.wrapping_mul(1_000_003).wrapping_add(frame as u64));
            self.picture = self.camera.take(&self.scene, &self.lamp, at_s);
            self.frame = Some(frame);
        }
        &self.picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::testing::sitters;

    #[test]
    fn crops_have_the_size_that_they_are_drawn_at() {
        let size = |crop: Crop| (crop.blank().width, crop.blank().height);
        assert_eq!(size(Crop::Photograph), (1280, 960));
        assert_eq!(size(Crop::Landscape), (800, 600));
        assert_eq!(size(Crop::Portrait), (360, 720));
    }

    #[test]
    fn a_clip_is_the_same_each_time_it_is_played() {
        let [victim, ..] = sitters();
        let mut clip = Clip::new(victim, &[(Action::Nod, 0.2)], 1.0, Crop::Portrait, 7);
        assert!(clip.lasts_s() > 1.0);
        let once: Vec<Picture> = (0..4).map(|i| clip.at(i as f32 / 30.0).clone()).collect();
        for (i, picture) in once.iter().enumerate() {
            assert!(clip.at(i as f32 / 30.0) == picture);
            assert_eq!((picture.width, picture.height), (360, 720));
        }
        assert!(once[0] != once[1]);
    }
}
