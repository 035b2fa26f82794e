//! How a head is held, what its face does, and what light it gets for that. It moves nothing.

use crate::sitter::rotation::{Rotation, dot, unit};

/// How a head is held, what its face does, and how much light falls on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stance {
    /// Degrees, positive to the right of the picture.
    pub yaw: f32,
    /// Degrees, positive up.
    pub pitch: f32,
    /// Degrees, positive clockwise in the picture.
    pub roll: f32,
    /// Shift in pixels.
    pub shift: (f32, f32),
    /// How many times nearer than in the photograph.
    pub scale: f32,
    /// 0: as open as in the photograph; 1: closed.
    pub lids: f32,
    /// 0: as closed as in the photograph; 1: wide open.
    pub jaw: f32,
    /// Factor on all colours.
    pub light: f32,
    /// Where the light comes from: -1 left, 0 from the front, 1 right.
    pub side_light: f32,
}

impl Stance {
    pub const STRAIGHT: Self = Self {
        yaw: 0.0,
        pitch: 0.0,
        roll: 0.0,
        shift: (0.0, 0.0),
        scale: 1.0,
        lids: 0.0,
        jaw: 0.0,
        light: 1.0,
        side_light: 0.0,
    };

    /// Both at once: turns and shifts add up, lids and jaw go as far as either.
    pub fn with(self, other: Self) -> Self {
        Self {
            yaw: self.yaw + other.yaw,
            pitch: self.pitch + other.pitch,
            roll: self.roll + other.roll,
            shift: (self.shift.0 + other.shift.0, self.shift.1 + other.shift.1),
            scale: self.scale * other.scale,
            lids: self.lids.max(other.lids),
            jaw: self.jaw.max(other.jaw),
            light: self.light * other.light,
            side_light: self.side_light + other.side_light,
        }
    }

    pub fn rotation(self) -> Rotation {
        Rotation::of(self.yaw, self.pitch, self.roll)
    }
}

/// What of the light comes from everywhere; the rest comes from the lamp.
const AMBIENT: f32 = 0.5;

/// The way to a lamp in front and a little above: [0, -0.4, -1], one long.
const FRONT: [f32; 3] = [0.0, -0.371_390_68, -0.928_476_7];

/// How much light a surface gets that faces this way (a unit normal), over what it would get if it
/// faced the camera in frontal light.
pub fn lit(normal: [f32; 3], side_light: f32) -> f32 {
    let lamp = if side_light == 0.0 { FRONT } else { unit([0.9 * side_light, -0.4, -1.0]) };
    let frontal = AMBIENT - (1.0 - AMBIENT) * FRONT[2];
    (AMBIENT + (1.0 - AMBIENT) * dot(normal, lamp).max(0.0)) / frontal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_from_the_right_is_on_the_right() {
        let cheek = |x: f32| unit([x, 0.0, -1.0]);
        assert!(lit(cheek(0.8), 1.0) > 1.5 * lit(cheek(-0.8), 1.0));
        assert!((lit([0.0, 0.0, -1.0], 0.0) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn stances_add_up() {
        let both = Stance { yaw: 3.0, lids: 0.4, ..Stance::STRAIGHT }.with(Stance {
            yaw: -1.0,
            scale: 1.5,
            ..Stance::STRAIGHT
        });
        assert_eq!(both, Stance { yaw: 2.0, lids: 0.4, scale: 1.5, ..Stance::STRAIGHT });
    }
}
