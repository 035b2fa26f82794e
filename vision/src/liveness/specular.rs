//! Highlights: whether the face shines where skin does, or glares as glass, paper and plastic do. Skin
//! throws light back softly from forehead, nose, cheekbones and chin, and the eyes in points; a sheet glares
//! anywhere, in patches with straight edges. It follows no highlight from frame to frame.
//!
//! Unit: the share of the face that glares as skin does not, 0 to 1. Glasses glare too: this cue alone says
//! nothing about one who wears them.
//!
//! Measured: docs/liveness.md

use crate::image::{Image, Point};
use crate::liveness::Suspicion;
use crate::liveness::fit::median;
use crate::liveness::light::luma;
use crate::mesh::{Mesh, index};
use crate::observe::FaceView;

/// The face is looked at in so many cells a side.
const CELLS: usize = 64;
/// Fewer pixels between the eyes: cells are smaller than pixels, and a highlight is one of them.
const LEAST_EYE_DISTANCE: f32 = 28.0;
/// A highlight is lighter than the face's median luma by this factor and by so many levels, and less
/// saturated by this factor than the face's median.
const LIGHTER: f32 = 1.3;
const LEVELS: f32 = 40.0;
const PALER: f32 = 0.7;
/// Where skin shines: forehead, ridge and tip of the nose, cheekbones, chin. Teeth shine too.
const SHINING: [usize; 30] = [
    151, 9, 8, 108, 337, 69, 299, 6, 197, 195, 5, 4, 1, 50, 280, 101, 330, 117, 346, 36, 266, 199, 200, 17,
    18, 164, 13, 14, 78, 308,
];
/// How far around, in eye distances; and around the middle of an eye, for its white and its glint.
const SHINE: f32 = 0.25;
const GLINT: f32 = 0.2;
/// A patch with straight edges fills so much of its bounding box (an ellipse fills 0.79), and is so large a
/// share of the face. It counts wherever it is.
const STRAIGHT: f32 = 0.9;
const LARGE: f32 = 0.02;

/// None where the face is too small.
pub fn measure(image: &Image, view: &FaceView) -> Option<Suspicion> {
    if view.mesh.eye_distance() < LEAST_EYE_DISTANCE {
        return None;
    }
    let face = Cells::of(image, &view.mesh);
    let highlights = face.highlights()?;
    let all = face.colours.iter().flatten().count();
    let mut glaring = 0;
    for patch in patches(highlights) {
        let strange = patch.iter().filter(|&&at| !shines(&view.mesh, face.centre(at))).count();
        let large = patch.len() as f32 >= LARGE * all as f32;
        glaring += if large && filling(&patch) >= STRAIGHT { patch.len() } else { strange };
    }
    Some(Suspicion(glaring as f32 / all as f32))
}

/// The face in a grid of cells: of each the colour in its middle, where that is face.
struct Cells {
    corner: Point,
    step: f32,
    colours: Vec<Option<[f32; 3]>>,
}

impl Cells {
    fn of(image: &Image, mesh: &Mesh) -> Self {
        let outline = index::OUTLINE.map(|i| mesh.at(i));
        let least = outline.iter().fold(outline[0], |m, p| Point::new(m.x.min(p.x), m.y.min(p.y)));
        let most = outline.iter().fold(outline[0], |m, p| Point::new(m.x.max(p.x), m.y.max(p.y)));
        let step = (most.x - least.x).max(most.y - least.y) / CELLS as f32;
        let mut cells = Self { corner: least, step, colours: Vec::new() };
        let face = |p: Point| (image.contains(p) && within(&outline, p)).then(|| image.sample(p));
        cells.colours = (0..CELLS * CELLS).map(|at| face(cells.centre(at))).collect();
        cells
    }

    fn centre(&self, at: usize) -> Point {
        let along = |cell: usize| (cell as f32 + 0.5) * self.step;
        Point::new(self.corner.x + along(at % CELLS), self.corner.y + along(at / CELLS))
    }

    /// Which cells are lighter and paler than the face. None where there is no face.
    fn highlights(&self) -> Option<Vec<bool>> {
        let face = || self.colours.iter().flatten().copied();
        let light = median(face().map(luma).collect())?;
        let colourful = median(face().map(saturation).collect())?;
        // Where there are no colours, none can be pale.
        if colourful < GREY {
            return None;
        }
        let least = (LIGHTER * light).max(light + LEVELS);
        let highlight = |c: [f32; 3]| luma(c) >= least && saturation(c) <= PALER * colourful;
        Some(self.colours.iter().map(|c| c.is_some_and(highlight)).collect())
    }
}

/// Faces less colourful than this are of a grey camera: skin has 0.2 and more.
const GREY: f32 = 0.02;

/// 0 grey to 1.
fn saturation([r, g, b]: [f32; 3]) -> f32 {
    let (least, most) = (r.min(g).min(b), r.max(g).max(b));
    (most - least) / (most + 1.0)
}

/// Whether a point lies within a polygon: a ray from it crosses the border an odd number of times.
fn within(polygon: &[Point], p: Point) -> bool {
    let sides = polygon.iter().zip(polygon.iter().cycle().skip(1));
    let crossed = sides
        .filter(|(a, b)| (a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x);
    crossed.count() % 2 == 1
}

/// Whether skin, teeth or an eye are expected to shine there.
fn shines(mesh: &Mesh, p: Point) -> bool {
    let unit = mesh.eye_distance();
    SHINING.iter().any(|&i| mesh.at(i).distance(p) < SHINE * unit)
        || mesh.eye_centres().iter().any(|eye| eye.distance(p) < GLINT * unit)
}

/// Cells that hang together by their sides.
fn patches(mut left: Vec<bool>) -> Vec<Vec<usize>> {
    let mut patches = Vec::new();
    while let Some(first) = left.iter().position(|&there| there) {
        left[first] = false;
        let mut patch = vec![first];
        let mut next = 0;
        while let Some(&at) = patch.get(next) {
            next += 1;
            for near in beside(at) {
                if std::mem::take(&mut left[near]) {
                    patch.push(near);
                }
            }
        }
        patches.push(patch);
    }
    patches
}

fn beside(at: usize) -> impl Iterator<Item = usize> {
    let (column, row) = (at % CELLS, at / CELLS);
    let sides = [
        (column > 0).then(|| at - 1),
        (column + 1 < CELLS).then_some(at + 1),
        (row > 0).then(|| at - CELLS),
        (row + 1 < CELLS).then_some(at + CELLS),
    ];
    sides.into_iter().flatten()
}

/// Share of its bounding box that a patch fills.
fn filling(patch: &[usize]) -> f32 {
    let extent = |of: fn(usize) -> usize| {
        let all = || patch.iter().map(|&at| of(at));
        all().max().unwrap_or(0) - all().min().unwrap_or(0) + 1
    };
    patch.len() as f32 / (extent(|at| at % CELLS) * extent(|at| at / CELLS)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::fixtures::{facing, picture};

    const EYES: Point = Point { x: 160.0, y: 90.0 };
    const DISTANCE: f32 = 60.0;

    /// Skin with white light on it, where `glare` says so of the place in eye distances.
    fn suspicion(glare: impl Fn(f32, f32) -> bool) -> f32 {
        let image = picture(320, 240, |x, y| {
            let (right, down) = ((x as f32 - EYES.x) / DISTANCE, (y as f32 - EYES.y) / DISTANCE);
            if glare(right, down) { [250.0, 248.0, 240.0] } else { [150.0, 110.0, 90.0] }
        });
        measure(&image, &facing(EYES, DISTANCE)).unwrap().0
    }

    #[test]
    fn skin_shines_on_forehead_and_nose_and_eyes_glint() {
        let forehead = |x: f32, y: f32| x.hypot(y + 0.5) < 0.2;
        let nose = |x: f32, y: f32| x.hypot(y - 0.5) < 0.1;
        let glint = |x: f32, y: f32| (x.abs() - 0.5).hypot(y) < 0.05;
        assert_eq!(suspicion(|_, _| false), 0.0);
        assert!(suspicion(|x, y| forehead(x, y) || nose(x, y) || glint(x, y)) < 0.002);
    }

    #[test]
    fn glass_glares_on_the_jaw_and_in_straight_patches() {
        assert!(suspicion(|x, y| (x + 0.65).hypot(y - 1.1) < 0.22) > 0.01);
        let window = |x: f32, y: f32| x.abs() < 0.35 && (y + 0.4).abs() < 0.25;
        assert!(suspicion(window) > 0.05);
    }

    #[test]
    fn what_lies_beside_the_face_does_not_count() {
        assert_eq!(suspicion(|x, _| x.abs() > 1.2), 0.0);
    }

    #[test]
    fn a_polygon_knows_its_inside() {
        let square = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0)].map(|(x, y)| Point::new(x, y));
        assert!(within(&square, Point::new(1.0, 3.0)));
        assert!(!within(&square, Point::new(5.0, 3.0)) && !within(&square, Point::new(1.0, -1.0)));
    }
}
