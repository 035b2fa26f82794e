//! The rotation of a head, or of a sheet that is held like one. It turns points and directions about
//! the origin and moves nothing.

/// Rows of a rotation matrix. x is to the right, y down, z away from the camera.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotation([[f32; 3]; 3]);

impl Rotation {
    /// Degrees, with the signs of `vultus_vision::pose::Pose`. The yaw comes first, the roll last.
    pub fn of(yaw: f32, pitch: f32, roll: f32) -> Self {
        let (sy, cy) = yaw.to_radians().sin_cos();
        let (sp, cp) = pitch.to_radians().sin_cos();
        let (sr, cr) = roll.to_radians().sin_cos();
        // Positive yaw brings the nose, which has a smaller z, to the right; positive pitch brings it
        // up.
        let level = [[cy, 0.0, -sy], [sy * sp, cp, cy * sp], [sy * cp, -sp, cy * cp]];
        let mix = |a: f32, b: f32| std::array::from_fn(|i| a * level[0][i] + b * level[1][i]);
        Self([mix(cr, -sr), mix(sr, cr), level[2]])
    }

    pub fn apply(self, p: [f32; 3]) -> [f32; 3] {
        self.0.map(|row| dot(row, p))
    }

    /// The rotation backwards.
    pub fn undo(self, p: [f32; 3]) -> [f32; 3] {
        let Self([a, b, c]) = self;
        std::array::from_fn(|i| a[i] * p[0] + b[i] * p[1] + c[i] * p[2])
    }
}

pub fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The same direction, one long. Nothing has no direction and stays nothing.
pub fn unit(p: [f32; 3]) -> [f32; 3] {
    let length = dot(p, p).sqrt().max(1e-9);
    p.map(|v| v / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: [f32; 3], b: [f32; 3]) -> bool {
        a.iter().zip(b).all(|(x, y)| (x - y).abs() < 1e-5)
    }

    #[test]
    fn signs_are_those_of_a_pose() {
        let nose = [0.0, 0.0, -1.0];
        assert!(Rotation::of(20.0, 0.0, 0.0).apply(nose)[0] > 0.3, "positive yaw: to the right");
        assert!(Rotation::of(0.0, 20.0, 0.0).apply(nose)[1] < -0.3, "positive pitch: up");
        assert!(Rotation::of(0.0, 0.0, 20.0).apply([1.0, 0.0, 0.0])[1] > 0.3, "positive roll: clockwise");
    }

    #[test]
    fn it_can_be_undone() {
        let rotation = Rotation::of(17.0, -9.0, 5.0);
        let p = [0.3, -2.0, 1.1];
        assert!(near(rotation.undo(rotation.apply(p)), p));
        assert!((dot(rotation.apply(p), rotation.apply(p)) - dot(p, p)).abs() < 1e-4);
    }
}
