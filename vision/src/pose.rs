//! Where a head points, from its landmarks.

use crate::mesh::{Landmark, Mesh, index};

/// Degrees. A head that looks straight into the camera is near zero in all three.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pose {
    /// Positive when the nose points to the right of the picture: the person's own left.
    pub yaw: f32,
    /// Positive when the nose points up.
    pub pitch: f32,
    /// Positive when the head leans clockwise in the picture.
    pub roll: f32,
}

impl Pose {
    /// From the line through the outer eye corners and the line from forehead to chin.
    pub fn of(mesh: &Mesh) -> Self {
        let across = between(mesh, index::LEFT_EYE_OUTER, index::RIGHT_EYE_OUTER);
        let down = between(mesh, index::FOREHEAD, index::CHIN);
        let roll = across.y.atan2(across.x);
        // Turned back by the roll, so that yaw and pitch do not mix.
        let (sin, cos) = (-roll).sin_cos();
        let level = across.x * cos - across.y * sin;
        let upright = down.x * sin + down.y * cos;
        Self {
            yaw: across.z.atan2(level).to_degrees(),
            pitch: -down.z.atan2(upright).to_degrees(),
            roll: roll.to_degrees(),
        }
    }
}

fn between(mesh: &Mesh, from: usize, to: usize) -> Landmark {
    let (a, b) = (mesh.points[from], mesh.points[to]);
    Landmark { x: b.x - a.x, y: b.y - a.y, z: b.z - a.z }
}
