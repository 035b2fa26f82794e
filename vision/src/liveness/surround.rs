//! What holds a face up: four straight edges that close around it, as of a sheet or a device, and hands at
//! them. How complete such a quadrilateral is, 0 to 1. A door, a window or a picture on the wall behind a
//! person has no lower edge that runs on through neck and chest, so the weakest side decides. It knows no
//! objects, and sees nothing where the sheet's edges are outside of the picture.
//!
//! Unit: what the weakest of the four sides has more of than chance, as a share of what it could have; a
//! little more where skin lies right outside of it.
//!
//! Measured: docs/liveness.md

mod edges;
mod scene;

use edges::{Edges, Lines};
use scene::{CELLS, FACE, MIDDLE, Scene};

use crate::image::Image;
use crate::liveness::Suspicion;
use crate::liveness::light::{apart, chroma, luma};
use crate::observe::FaceView;

/// How far outside of the face's box a side may lie, in cells: two faces.
const REACH: usize = 2 * FACE;
/// The tilts of the quadrilateral against the face that are tried: cells aside a cell along, times 25.
const TILTS: std::ops::RangeInclusive<i32> = -4..=4;
/// The best lines of each side that are tried together.
const MOST_LINES: usize = 6;
/// How wide the strip outside is in which hands are looked for, in cells.
const STRIP: f32 = 3.0;
/// How far skin may be from the face's own, in log-chromaticity, and how many times lighter or darker.
const LIKE_SKIN: f32 = 0.12;
const AS_LIGHT: f32 = 1.7;

/// None where nearly nothing around the face is in the picture.
pub fn measure(image: &Image, view: &FaceView) -> Option<Suspicion> {
    let scene = Scene::around(image, &view.detection)?;
    let turned = scene.transposed();
    let (upright, level) = (Edges::of(&scene, &turned), Edges::of(&turned, &scene));
    let best = TILTS
        .filter_map(|tilt| Quadrilateral::best(&upright, &level, tilt as f32 / 25.0))
        .max_by(|a, b| a.complete.total_cmp(&b.complete));
    let suspicion = best.map_or(0.0, |q| q.complete * (1.0 + q.hands(&scene)));
    Some(Suspicion(suspicion.min(1.0)))
}

/// Four lines, two by two parallel, in cells; tilted by `tilt` cells a cell.
struct Quadrilateral {
    left: usize,
    right: usize,
    top: usize,
    bottom: usize,
    tilt: f32,
    complete: f32,
}

impl Quadrilateral {
    /// The most complete one of a tilt, from the upright edges and, columns for rows, the level ones.
    fn best(upright: &Edges, level: &Edges, tilt: f32) -> Option<Self> {
        let (upright, level) = (Lines::of(upright, tilt), Lines::of(level, -tilt));
        let (before, after) = (MIDDLE - FACE - REACH..=MIDDLE - FACE, MIDDLE + FACE..=MIDDLE + FACE + REACH);
        let [lefts, tops] = [&upright, &level].map(|lines| lines.best(before.clone(), MOST_LINES));
        let [rights, bottoms] = [&upright, &level].map(|lines| lines.best(after.clone(), MOST_LINES));
        let beside = pairs(&lefts, &rights);
        let above = pairs(&tops, &bottoms);
        let all = beside.flat_map(|(left, right)| above.clone().map(move |(t, b)| (left, right, t, b)));
        all.map(|(left, right, top, bottom)| {
            let sides = [
                upright.support(left, top, bottom),
                upright.support(right, top, bottom),
                level.support(top, left, right),
                level.support(bottom, left, right),
            ];
            let complete = sides.into_iter().fold(1.0, f32::min);
            Self { left, right, top, bottom, tilt, complete }
        })
        .max_by(|a, b| a.complete.total_cmp(&b.complete))
    }

    /// How far outside a cell lies, in cells; less than 0 inside.
    fn outside(&self, column: usize, row: usize) -> f32 {
        let (x, y) = (column as f32 - MIDDLE as f32, row as f32 - MIDDLE as f32);
        let (across, down) = (column as f32 - self.tilt * y, row as f32 + self.tilt * x);
        let beyond = [
            self.left as f32 - across,
            across - self.right as f32,
            self.top as f32 - down,
            down - self.bottom as f32,
        ];
        beyond.into_iter().fold(f32::MIN, f32::max)
    }

    /// The share of skin in the strip outside.
    fn hands(&self, scene: &Scene) -> f32 {
        let Some(skin) = scene.skin() else {
            return 0.0;
        };
        let cells = (0..CELLS * CELLS).map(|at| (at % CELLS, at / CELLS));
        let strip = cells.filter(|&(x, y)| (0.0..STRIP).contains(&self.outside(x, y)));
        let (all, like) = strip
            .filter_map(|(x, y)| scene.colour(x, y))
            .fold((0, 0), |(all, like), c| (all + 1, like + i32::from(is_like(c, skin))));
        like as f32 / all.max(1) as f32
    }
}

fn is_like(colour: [f32; 3], skin: [f32; 3]) -> bool {
    let lighter = (luma(colour) + 1.0) / (luma(skin) + 1.0);
    apart(chroma(colour), chroma(skin)) < LIKE_SKIN && (1.0 / AS_LIGHT..AS_LIGHT).contains(&lighter)
}

fn pairs(first: &[usize], second: &[usize]) -> impl Iterator<Item = (usize, usize)> + Clone {
    first.iter().flat_map(move |&a| second.iter().map(move |&b| (a, b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Point;
    use crate::liveness::fixtures::{facing, noise, picture};

    const EYES: Point = Point { x: 320.0, y: 200.0 };
    const DISTANCE: f32 = 50.0;

    /// A face in a room: the place is given in eye distances from the middle of the face, tilted by
    /// `degrees`.
    fn suspicion(degrees: f32, colour: impl Fn(f32, f32) -> [f32; 3]) -> f32 {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let image = picture(640, 480, |x, y| {
            let (x, y, grain) = (x as f32 - EYES.x, y as f32 - EYES.y - 0.6 * DISTANCE, noise(x, y));
            let (right, down) = ((x * cos + y * sin) / DISTANCE, (y * cos - x * sin) / DISTANCE);
            let face = (right / 1.1).hypot(down / 1.4) < 1.0;
            let seen = if face { [190.0, 140.0, 115.0] } else { colour(right, down) };
            seen.map(|c| c + 3.0 * grain)
        });
        measure(&image, &facing(EYES, DISTANCE)).unwrap().0
    }

    /// A wall with some texture.
    fn wall(x: f32, y: f32) -> [f32; 3] {
        [120.0 + 20.0 * (1.3 * x + y).sin(); 3]
    }

    fn within(x: f32, y: f32, half: (f32, f32)) -> bool {
        x.abs() < half.0 && y.abs() < half.1
    }

    #[test]
    fn a_sheet_around_the_face_is_seen() {
        for degrees in [0.0, 5.0, -7.0] {
            let held =
                suspicion(
                    degrees,
                    |x, y| {
                        if within(x, y, (1.9, 2.2)) { [70.0, 90.0, 120.0] } else { wall(x, y) }
                    },
                );
            assert!(held > 0.8, "{held} at {degrees} degrees");
        }
    }

    #[test]
    fn a_room_without_edges_is_not() {
        assert!(suspicion(0.0, wall) < 0.3);
    }

    #[test]
    fn nor_is_a_door_that_the_body_stands_before() {
        let door = suspicion(0.0, |x, y| {
            let body = y > 1.3 && x.abs() < 2.6 - 0.8 / (y - 0.9);
            match (body, within(x, y + 20.0, (2.0, 22.5))) {
                (true, _) => [60.0, 60.0, 65.0],
                (false, true) => [200.0, 190.0, 180.0],
                (false, false) => wall(x, y),
            }
        });
        assert!(door < 0.5, "{door}");
    }

    #[test]
    fn hands_at_the_edge_add_to_it() {
        // What holds it is of one lightness, so that its own edges are the same.
        let held = |by: [f32; 3]| {
            suspicion(0.0, |x, y| {
                let broken = y.abs() < 0.8 && x < 0.0;
                let fingers = (1.95..2.6).contains(&x) && (0.3..1.1).contains(&y.abs());
                match (within(x, y, (1.9, 2.2)), fingers) {
                    (true, _) => wall(x, y).map(|c| if broken { c } else { c - 45.0 }),
                    (false, true) => by,
                    _ => wall(x, y),
                }
            })
        };
        let (hands, clamps) = (held([185.0, 138.0, 113.0]), held([130.0, 158.0, 149.0]));
        assert!(hands > clamps + 0.01, "{hands} {clamps}");
    }
}
