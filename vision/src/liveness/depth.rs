//! The shape that a depth stream shows where the landmarks are: whether the nose stands out of the plane, or
//! of the bent sheet, that runs through the rest of the face, whether that rest is round, and whether the face is
//! as large as a person's. It finds no face in the depth itself, and does not tell a mask from skin: a mask, and a
//! bent print with a nose put on it, have the shape that is looked for.
//!
//! Unit: 1 / (1 + millimetres that the nose stands out of a bent sheet); 1 where the size is no person's, or the
//! rest of the face is flat. No depth camera was to be had: tried on computed shapes only.
//!
//! Measured: docs/liveness.md

mod map;
mod registration;

pub use map::{DepthMap, DepthUnit};
pub use registration::{Calibration, Pinhole};

use crate::image::Point;
use crate::liveness::Suspicion;
use crate::liveness::fit::{least_squares, median};
use crate::liveness::motion_in_depth::{NOSE, REST};
use crate::mesh::{Mesh, index};
use crate::observe::FaceView;

/// The most landmarks without depth, as a share. Where more are missing the shape is not judged.
const MOST_HOLES: f32 = 0.25;
/// Millimetres between the pupils of nearly all adults (Dodgson 2004, Variation and extrema of human
/// interpupillary distance).
const PUPILS: std::ops::RangeInclusive<f32> = 50.0..=75.0;
/// Millimetres, root mean square, by which a face without its nose is off a plane at least. Computed: a head 7, a
/// plane with the noise of a camera 1.5. A starting value.
const LEAST_ROUND: f32 = 3.0;
/// What keeps the equations' numbers near one, in millimetres.
const UNIT: f32 = 50.0;

/// What the depth of one face shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Share of the landmarks that have no depth.
    pub holes: f32,
    /// Root mean square distance in depth of the face without the nose from the nearest plane, millimetres.
    pub plane: f32,
    /// The same from the nearest sheet that is bent about any axis.
    pub bent: f32,
    /// How far the nose stands out of that sheet towards the camera, millimetres.
    pub nose: f32,
    /// Millimetres between the centres of the eyes.
    pub pupils: f32,
}

/// Of a map that is registered to the colour picture. None where too much of the face has no depth.
pub fn measure(map: &DepthMap, colour: Pinhole, view: &FaceView) -> Option<Suspicion> {
    Shape::of(map, colour, &view.mesh).map(Shape::suspicion)
}

impl Shape {
    pub fn of(map: &DepthMap, colour: Pinhole, mesh: &Mesh) -> Option<Self> {
        let places = |of: &[usize]| -> Vec<[f32; 3]> {
            of.iter().filter_map(|&i| place(map, colour, mesh.at(i))).collect()
        };
        let (rest, nose) = (places(&REST), places(&NOSE));
        let holes = 1.0 - (rest.len() + nose.len()) as f32 / (REST.len() + NOSE.len()) as f32;
        if holes > MOST_HOLES || nose.is_empty() {
            return None;
        }
        let sheet = Sheet::through(&rest)?;
        Some(Self {
            holes,
            plane: root_mean_square(&rest, &Plane::through(&rest)?),
            bent: root_mean_square(&rest, &sheet),
            nose: nose.iter().map(|&p| sheet.depth(p) - p[2]).sum::<f32>() / nose.len() as f32,
            pupils: pupils(map, colour, mesh)?,
        })
    }

    pub fn suspicion(self) -> Suspicion {
        if !PUPILS.contains(&self.pupils) || self.plane < LEAST_ROUND {
            return Suspicion(1.0);
        }
        Suspicion(1.0 / (1.0 + self.nose.max(0.0)))
    }
}

/// Where a point of the picture is before the camera, in millimetres: right, down, away.
fn place(map: &DepthMap, colour: Pinhole, point: Point) -> Option<[f32; 3]> {
    let (column, row) = (point.x.round() as i64, point.y.round() as i64);
    let near = (-1..=1).flat_map(|y| (-1..=1).map(move |x| (column + x, row + y)));
    let depth = median(near.filter_map(|(x, y)| map.at(x, y)).map(f32::from).collect())?;
    Some(colour.place(point, depth))
}

/// Between the middles of the corners of either eye, whatever the pose.
fn pupils(map: &DepthMap, colour: Pinhole, mesh: &Mesh) -> Option<f32> {
    let eye = |outer: usize, inner: usize| {
        let (a, b) = (place(map, colour, mesh.at(outer))?, place(map, colour, mesh.at(inner))?);
        Some([0, 1, 2].map(|i| (a[i] + b[i]) / 2.0))
    };
    let left = eye(index::LEFT_EYE_OUTER, index::LEFT_EYE_INNER)?;
    let right = eye(index::RIGHT_EYE_OUTER, index::RIGHT_EYE_INNER)?;
    Some([0, 1, 2].map(|i| (left[i] - right[i]).powi(2)).iter().sum::<f32>().sqrt())
}

/// Depth as a function of the place before the camera: N terms of it.
struct Surface<const N: usize> {
    origin: [f32; 3],
    terms: fn(f64, f64) -> [f64; N],
    factors: [f64; N],
}

type Plane = Surface<3>;
type Sheet = Surface<6>;

impl Surface<3> {
    fn through(points: &[[f32; 3]]) -> Option<Self> {
        Self::fit(points, |x, y| [1.0, x, y])
    }
}

impl Surface<6> {
    fn through(points: &[[f32; 3]]) -> Option<Self> {
        Self::fit(points, |x, y| [1.0, x, y, x * x, x * y, y * y])
    }
}

impl<const N: usize> Surface<N> {
    fn fit(points: &[[f32; 3]], terms: fn(f64, f64) -> [f64; N]) -> Option<Self> {
        let &origin = points.first()?;
        let unfitted = Self { origin, terms, factors: [0.0; N] };
        let rows = points.iter().map(|&p| (unfitted.terms_at(p), f64::from((p[2] - origin[2]) / UNIT)));
        let factors = least_squares(rows)?;
        Some(Self { origin, terms, factors })
    }

    fn terms_at(&self, point: [f32; 3]) -> [f64; N] {
        let along = |i: usize| f64::from((point[i] - self.origin[i]) / UNIT);
        (self.terms)(along(0), along(1))
    }

    /// Millimetres from the camera where the point is.
    fn depth(&self, point: [f32; 3]) -> f32 {
        let sum: f64 = self.terms_at(point).iter().zip(&self.factors).map(|(t, f)| t * f).sum();
        self.origin[2] + UNIT * sum as f32
    }
}

fn root_mean_square<const N: usize>(points: &[[f32; 3]], surface: &Surface<N>) -> f32 {
    let squares: f32 = points.iter().map(|&p| (surface.depth(p) - p[2]).powi(2)).sum();
    (squares / points.len().max(1) as f32).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::fixtures::{self, facing, noise};

    const CAMERA: Pinhole = Pinhole { fx: 600.0, fy: 600.0, cx: 319.5, cy: 239.5 };
    /// Millimetres to the eyes; and pixels between eyes that are 63 mm apart there.
    const DISTANCE: f32 = 500.0;
    const EYES: f32 = 63.0 * 600.0 / 500.0;

    /// Depth by a formula of the place in eye distances from the middle between the eyes, with an error of
    /// up to so many millimetres.
    fn shape(error: f32, depth: impl Fn(f32, f32) -> f32) -> Option<Shape> {
        let eyes = Point::new(319.5, 200.0);
        let level = |x: usize, y: usize| {
            let (right, down) = ((x as f32 - eyes.x) / EYES, (y as f32 - eyes.y) / EYES);
            (depth(right, down) + error * noise(x, y)).max(0.0).round() as u16
        };
        let levels = (0..640 * 480).map(|at| level(at % 640, at / 640)).collect();
        let map = DepthMap::new(640, 480, levels).unwrap().without_speckles();
        Shape::of(&map, CAMERA, &facing(eyes, EYES).mesh)
    }

    #[test]
    fn the_nose_of_a_head_stands_out() {
        for error in [0.0, 4.0] {
            let head = shape(error, |x, y| DISTANCE + 63.0 * fixtures::surface(x, y)).unwrap();
            assert!(head.nose > 12.0 && PUPILS.contains(&head.pupils), "{head:?}");
            assert!(head.suspicion().0 < 0.08, "{head:?}");
        }
    }

    #[test]
    fn a_plane_has_none() {
        for error in [0.0, 4.0] {
            let plane = shape(error, |x, y| DISTANCE + 20.0 * x + 10.0 * y).unwrap();
            assert!(plane.nose.abs() < 1.5 && plane.plane < 3.0, "{plane:?}");
            assert!(plane.suspicion().0 > 0.4, "{plane:?}");
        }
    }

    #[test]
    fn nor_has_a_cylinder() {
        for (right, down) in [(1.0, 0.0), (0.0, 1.0), (0.6, 0.8)] {
            let bent = |x: f32, y: f32| DISTANCE + 25.0 * (x * right + y * down).powi(2);
            let cylinder = shape(0.0, bent).unwrap();
            assert!(cylinder.plane > 2.0 && cylinder.bent < 1.0, "{cylinder:?}");
            assert!(cylinder.suspicion().0 > 0.5, "{cylinder:?}");
        }
    }

    #[test]
    fn a_nose_upon_a_plane_makes_no_head() {
        let nose = |x: f32, y: f32| 31.0 * (-(x / 0.16).powi(2) - ((y - 0.55) / 0.3).powi(2)).exp();
        let paper = shape(2.0, |x, y| DISTANCE - nose(x, y)).unwrap();
        assert!(paper.nose > 12.0, "{paper:?}");
        assert_eq!(paper.suspicion(), Suspicion(1.0));
    }

    #[test]
    fn a_small_picture_of_a_head_is_no_head() {
        let statuette = shape(0.0, |x, y| 200.0 + 25.0 * fixtures::surface(x, y)).unwrap();
        assert!(statuette.pupils < 30.0);
        assert_eq!(statuette.suspicion(), Suspicion(1.0));
    }

    #[test]
    fn a_face_full_of_holes_is_not_judged() {
        assert_eq!(shape(0.0, |x, _| if x < 0.2 { 0.0 } else { DISTANCE }), None);
    }
}
