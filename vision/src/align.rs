//! Puts a face where the embedding network expects it: five points onto ArcFace's template.

use crate::image::{Point, Similarity};
use crate::mesh::{Mesh, index};

/// The aligned crop's side in pixels.
pub const SIZE: usize = 112;

/// Where the five points belong: eye, eye, nose, mouth corner, mouth corner; left to right.
const TEMPLATE: [Point; 5] = [
    Point { x: 38.2946, y: 51.6963 },
    Point { x: 73.5318, y: 51.5014 },
    Point { x: 56.0252, y: 71.7366 },
    Point { x: 41.5493, y: 92.3655 },
    Point { x: 70.7299, y: 92.2041 },
];

/// The five points of a face.
pub fn five_points(mesh: &Mesh) -> [Point; 5] {
    let [left, right] = mesh.eye_centres();
    [left, right, mesh.at(index::NOSE_TIP), mesh.at(index::MOUTH_LEFT), mesh.at(index::MOUTH_RIGHT)]
}

/// The least-squares similarity (no reflection) from the aligned crop to the image.
pub fn alignment(mesh: &Mesh) -> Similarity {
    fit(&TEMPLATE, &five_points(mesh))
}

/// The similarity that brings `from` nearest to `to`, in the plane in closed form.
fn fit(from: &[Point; 5], to: &[Point; 5]) -> Similarity {
    let (f, t) = (centroid(from), centroid(to));
    let (mut along, mut across, mut spread) = (0.0, 0.0, 0.0);
    for (p, q) in from.iter().zip(to) {
        let (px, py, qx, qy) = (p.x - f.x, p.y - f.y, q.x - t.x, q.y - t.y);
        along += px * qx + py * qy;
        across += px * qy - py * qx;
        spread += px * px + py * py;
    }
    let (a, b) = (along / spread, across / spread);
    Similarity { a, b, tx: t.x - a * f.x + b * f.y, ty: t.y - b * f.x - a * f.y }
}

fn centroid(points: &[Point; 5]) -> Point {
    let sum = points.iter().fold(Point::default(), |s, p| Point::new(s.x + p.x, s.y + p.y));
    Point::new(sum.x / 5.0, sum.y / 5.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_similarity_is_found_again() {
        let known = Similarity { a: 1.7, b: -0.4, tx: 31.0, ty: 12.5 };
        let moved = TEMPLATE.map(|p| known.apply(p));
        let found = fit(&TEMPLATE, &moved);
        for (k, f) in [(known.a, found.a), (known.b, found.b), (known.tx, found.tx), (known.ty, found.ty)] {
            assert!((k - f).abs() < 1e-3, "{known:?} {found:?}");
        }
    }
}
