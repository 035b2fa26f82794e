//! The room in which somebody, or something, is before the camera: its lamp, and what a performance
//! needs of it at one moment. It takes no pictures.

use std::f32::consts::TAU;

use crate::simulation::Prompted;
use crate::simulation::capture::Camera;
use crate::simulation::glow::{Display, Glow};
use crate::simulation::light::Light;
use crate::simulation::random::Chance;
use crate::sitter::{FINE, HEIGHT, WIDTH};
use crate::video::Picture;

/// What lights a room.
#[derive(Clone, Copy, Debug)]
pub struct Lamp {
    /// Towards the lamp or window that glass and glossy paper mirror, from whatever is before the
    /// camera.
    pub towards: [f32; 3],
    /// How often a second it flickers: twice the mains' frequency.
    hertz: f32,
    /// By how much, after the exposure has evened it out.
    flicker: f32,
    /// How much brighter and darker the day makes it, and how often a second.
    drift: f32,
    drift_hertz: f32,
    phase: f32,
}

impl Lamp {
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed, "lamp");
        // Daylight and good lamps do not flicker.
        let flicker = if chance.happens(0.35) { chance.between(0.01, 0.05) } else { 0.0 };
        Self {
            towards: [chance.between(-0.45, 0.45), chance.between(-0.7, -0.1), -1.0],
            hertz: chance.pick([100.0, 120.0]),
            flicker,
            drift: chance.between(0.0, 0.05),
            drift_hertz: chance.between(0.02, 0.2),
            phase: chance.between(0.0, 1.0),
        }
    }

    /// How bright it is at a time, about 1.
    pub fn level(&self, at_s: f32) -> f32 {
        let wave = |hertz: f32| (TAU * (hertz * at_s + self.phase)).sin();
        let flicker = if self.flicker > 0.0 { self.flicker * wave(self.hertz) } else { 0.0 };
        1.0 + flicker + self.drift * wave(self.drift_hertz)
    }

    /// Light that does not change: that of a screen, which is its own lamp.
    pub fn steady(&self) -> Self {
        Self { flicker: 0.0, drift: 0.0, ..*self }
    }
}

/// One moment of a performance, as whatever is held up needs it.
#[derive(Clone, Debug)]
pub struct Moment {
    pub at_s: f32,
    pub prompt: Option<Prompted>,
    pub lamp: Lamp,
    /// From the first to the last row.
    pub readout_s: f32,
    /// How long each row is exposed.
    pub exposure_s: f32,
    /// Deviation of the lens's blur in scene pixels: see [`crate::simulation::capture::seen`].
    pub blur: f32,
    /// The light of the machine's screen.
    pub glow: Glow,
}

/// A room and the camera in it.
pub struct Room {
    /// What is before the lens, `FINE` times as fine as the camera's pictures. Whoever performs draws
    /// all of it.
    pub scene: Light,
    pub camera: Camera,
    pub lamp: Lamp,
    display: Display,
}

impl Room {
    /// With a camera of its own: every seed another one.
    pub fn new(seed: u64) -> Self {
        let (camera, lamp) = (Camera::webcam(seed), Lamp::new(seed));
        Self { scene: empty(), camera, lamp, display: Display::new(seed) }
    }

    /// What the screen of the machine shows from the last moment on.
    pub fn shine(&mut self, screen: Option<[u8; 3]>) {
        self.display.show(screen);
    }

    pub fn moment(&mut self, at_s: f32, prompt: Option<Prompted>) -> Moment {
        let (readout_s, exposure_s) = (self.camera.readout_s(), self.camera.exposure_s());
        let glow = self.display.glow(at_s, readout_s, exposure_s, self.scene.height);
        Moment { at_s, prompt, lamp: self.lamp, readout_s, exposure_s, blur: self.camera.blur(), glow }
    }

    /// The same room where all light comes from a screen.
    pub fn dark(self) -> Self {
        Self { lamp: self.lamp.steady(), ..self }
    }

    /// The picture of what was drawn, in the light of the room.
    pub fn taken(&mut self, at_s: f32) -> Picture {
        self.camera.take(&self.scene, &self.lamp, at_s)
    }
}

/// A scene with nothing in it.
pub fn empty() -> Light {
    Light::new(WIDTH as usize * FINE, HEIGHT as usize * FINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lamps_stay_near_their_level_and_steady_light_on_it() {
        for seed in 0..50 {
            let lamp = Lamp::new(seed);
            let mut levels = (0..300).map(|i| lamp.level(i as f32 / 123.0));
            assert!(levels.all(|l| (0.85..1.15).contains(&l)));
            assert_eq!(lamp.steady().level(3.3), 1.0);
        }
    }
}
