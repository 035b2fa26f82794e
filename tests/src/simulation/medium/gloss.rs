//! What smooth surfaces mirror of the lamp. It knows neither what they show nor what else they mirror.

use crate::simulation::medium::surface::Hit;
use crate::sitter::dot;

/// How smooth a surface is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gloss {
    /// Light in the middle of the reflection, in whites of the room.
    pub peak: f32,
    /// How wide the reflection is, as the tangent of an angle.
    pub width: f32,
}

impl Gloss {
    /// What is mirrored of a lamp in that direction.
    pub fn gleam(self, hit: &Hit, towards: [f32; 3]) -> f32 {
        let mirrored = mirrored(hit);
        if self.peak <= 0.0 || mirrored[2] > -0.1 {
            return 0.0;
        }
        let (x, y) = (mirrored[0] / -mirrored[2] - towards[0], mirrored[1] / -mirrored[2] - towards[1]);
        let width = self.width * self.width;
        let share = width / (width + x * x + y * y);
        self.peak * share * share
    }
}

/// Which way a ray goes on from where it meets a surface.
pub fn mirrored(hit: &Hit) -> [f32; 3] {
    let depth = 2.0 * dot(hit.ray, hit.normal);
    std::array::from_fn(|i| hit.ray[i] - depth * hit.normal[i])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sitter::Rotation;

    fn hit(yaw: f32) -> Hit {
        let normal = Rotation::of(yaw, 0.0, 0.0).apply([0.0, 0.0, -1.0]);
        Hit { across: 0.0, down: 0.0, ray: [0.0, 0.0, 1.0], normal, row: 0 }
    }

    #[test]
    fn a_mirror_that_turns_moves_the_lamp_twice_as_far() {
        let gloss = Gloss { peak: 1.0, width: 0.05 };
        let lamp = [20.0_f32.to_radians().tan(), 0.0, -1.0];
        assert!(gloss.gleam(&hit(10.0), lamp) > 0.99);
        assert!(gloss.gleam(&hit(0.0), lamp) < 0.01);
        assert!(gloss.gleam(&hit(20.0), lamp) < 0.02);
    }
}
