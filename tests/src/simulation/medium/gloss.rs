//! What smooth surfaces mirror: the lamp, and the screen of the machine. It knows neither what they show
//! nor what else they mirror.

use crate::simulation::glow::Glow;
use crate::simulation::light::Pixel;
use crate::simulation::medium::surface::{Hit, STRETCH, Stretch};
use crate::simulation::scene::Moment;
use crate::sitter::lit;

/// How smooth a surface is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gloss {
    /// Light in the middle of the reflection, in whites of the room.
    pub peak: f32,
    /// How wide the reflection is, as the tangent of an angle.
    pub width: f32,
    /// The same for what has edges: how much they are softened.
    pub haze: f32,
}

impl Gloss {
    /// What is mirrored of a lamp in that direction.
    pub fn gleam(self, stretch: &Stretch, towards: [f32; 3]) -> [f32; STRETCH] {
        if self.peak <= 0.0 {
            return [0.0; STRETCH];
        }
        let [x, y] = [0, 1].map(|axis| stretch.evenly(|hit| tangent(hit, axis) - towards[axis]));
        let width = self.width * self.width;
        std::array::from_fn(|i| {
            let share = width / (width + x[i] * x[i] + y[i] * y[i]);
            self.peak * share * share
        })
    }

    /// What is mirrored of the machine's screen, over its light on a face.
    pub fn reflection(self, stretch: &Stretch, glow: &Glow) -> [f32; STRETCH] {
        if glow.is_dark() {
            return [0.0; STRETCH];
        }
        // Where mirrored rays come back to the plane of the lens.
        let [x, y] = [0, 1].map(|axis| stretch.evenly(|hit| hit.at[axis] + hit.at[2] * tangent(hit, axis)));
        let rough = stretch.evenly(|hit| self.haze * hit.at[2]);
        std::array::from_fn(|i| glow.mirrored([x[i], y[i]], rough[i]))
    }
}

/// How far a mirrored ray goes right (0) or down (1) on its way back by one.
pub fn tangent(hit: &Hit, axis: usize) -> f32 {
    hit.mirrored[axis] / (-hit.mirrored[2]).max(0.1)
}

/// The light on a stretch of a surface, and what it mirrors.
pub struct Sheen {
    light: [f32; STRETCH],
    pub shine: [f32; STRETCH],
    gleam: [f32; STRETCH],
    reflection: [f32; STRETCH],
    glow: Pixel,
}

impl Sheen {
    pub fn of(gloss: Gloss, stretch: &Stretch, moment: &Moment) -> Self {
        Self {
            light: stretch.evenly(|hit| lit(hit.normal, 0.0)),
            shine: stretch.shine(&moment.glow),
            gleam: gloss.gleam(stretch, moment.lamp.towards),
            reflection: gloss.reflection(stretch, &moment.glow),
            glow: moment.glow.at(stretch.row),
        }
    }

    /// What a pixel sends back that has this colour.
    #[inline(always)]
    pub fn sent(&self, pixel: usize, colour: Pixel) -> Pixel {
        let (light, shine) = (self.light[pixel], self.shine[pixel]);
        std::array::from_fn(|i| colour[i] * (light + shine * self.glow[i]))
    }

    /// What it mirrors, whatever its colour.
    #[inline(always)]
    pub fn mirrored(&self, pixel: usize) -> Pixel {
        self.glow.map(|glow| self.gleam[pixel] + self.reflection[pixel] * glow)
    }

    /// What a surface that reflects so much sends back of the machine's light alone.
    #[inline(always)]
    pub fn shone(&self, pixel: usize, reflectance: f32) -> Pixel {
        self.glow.map(|glow| reflectance * self.shine[pixel] * glow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sitter::{Rotation, dot};

    /// A stretch that is all one place, half a metre before the lens.
    fn stretch(yaw: f32) -> Stretch {
        let ray = [0.0, 0.0, 1.0];
        let normal = Rotation::of(yaw, 0.0, 0.0).apply([0.0, 0.0, -1.0]);
        let mirrored = std::array::from_fn(|i| ray[i] - 2.0 * dot(ray, normal) * normal[i]);
        let hit = Hit { across: 0.0, down: 0.0, at: ray.map(|r| 500.0 * r), normal, mirrored };
        Stretch { row: 0, across: [0.0; STRETCH], down: [0.0; STRETCH], ends: [hit; 2] }
    }

    #[test]
    fn a_mirror_that_turns_moves_the_lamp_twice_as_far() {
        let gloss = Gloss { peak: 1.0, width: 0.05, haze: 0.05 };
        let lamp = [20.0_f32.to_radians().tan(), 0.0, -1.0];
        let gleam = |yaw| gloss.gleam(&stretch(yaw), lamp)[7];
        assert!(gleam(10.0) > 0.99);
        assert!(gleam(0.0) < 0.01);
        assert!(gleam(20.0) < 0.02);
    }
}
