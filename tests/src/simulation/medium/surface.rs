//! A sheet held before the camera: where the ray through a pixel meets it. Flat ones, and ones bent
//! about an upright axis as one bends a photograph. It has no colours.

#![expect(clippy::needless_range_loop, reason = "several rows are read by the same number")]

use vultus_vision::image::Point;

use crate::simulation::glow::{self, Glow};
use crate::simulation::light::{Light, Pixel};
use crate::sitter::{DISTANCE, FINE, MIDDLE, Rotation, Stance, dot};

/// How a sheet is held. Lengths are in millimetres: a frame's pixel at the distance of a head is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sheet {
    /// Its middle as seen from the lens: right, down, away.
    pub centre: [f32; 3],
    /// Degrees, as of a head.
    pub yaw: f32,
    pub pitch: f32,
    pub roll: f32,
    /// One over the radius that it is bent to, its middle nearest; 0: flat.
    pub bend: f32,
}

/// Where a ray meets a sheet.
#[derive(Clone, Copy, Debug)]
pub struct Hit {
    /// Millimetres from the sheet's middle, along the sheet.
    pub across: f32,
    pub down: f32,
    /// Millimetres from the lens.
    pub at: [f32; 3],
    /// Which way the sheet faces there (one long), and which way a mirror would send the ray.
    pub normal: [f32; 3],
    pub mirrored: [f32; 3],
}

/// So many pixels are handled at once.
pub const STRETCH: usize = 16;

/// Neighbouring pixels of one row of a scene, and what of a sheet they show.
pub struct Stretch {
    /// The row of the scene.
    pub row: usize,
    /// Millimetres from the sheet's middle, along the sheet; infinite where the sheet is not seen.
    pub across: [f32; STRETCH],
    pub down: [f32; STRETCH],
    /// What the first pixel meets, and what the pixel after the last would meet.
    pub ends: [Hit; 2],
}

impl Stretch {
    pub fn shows(&self, pixel: usize) -> bool {
        self.across[pixel] < f32::INFINITY
    }

    /// Whether all of it lies in the middle of the sheet, within that size.
    pub fn is_within(&self, [across, down]: [f32; 2]) -> bool {
        let inside = |i: usize| (2.0 * self.across[i].abs() <= across) & (2.0 * self.down[i].abs() <= down);
        (0..STRETCH).fold(true, |all, i| all & inside(i))
    }

    /// What changes little from one end to the other, for each pixel.
    #[inline]
    pub fn evenly(&self, of: impl Fn(&Hit) -> f32) -> [f32; STRETCH] {
        let [first, last] = [of(&self.ends[0]), of(&self.ends[1])];
        std::array::from_fn(|i| first + (last - first) * along(i))
    }

    /// How much falls on it of the light of the machine's screen.
    pub fn shine(&self, glow: &Glow) -> [f32; STRETCH] {
        if glow.is_dark() {
            return [0.0; STRETCH];
        }
        self.evenly(|hit| glow::received(hit.at, hit.normal))
    }
}

/// How far a pixel is from the first end of a stretch to the last.
#[inline(always)]
pub fn along(pixel: usize) -> f32 {
    pixel as i32 as f32 / STRETCH as f32
}

impl Sheet {
    /// A flat sheet whose middle is seen at a point of the frame, at a distance, before the stance
    /// moves it.
    pub fn held(at: Point, distance: f32, stance: Stance) -> Self {
        let away = distance / stance.scale;
        let seen = [at.x - MIDDLE.x + stance.shift.0, at.y - MIDDLE.y + stance.shift.1];
        let [right, down] = seen.map(|pixels| pixels * away / DISTANCE);
        let Stance { yaw, pitch, roll, .. } = stance;
        Self { centre: [right, down, away], yaw, pitch, roll, bend: 0.0 }
    }

    pub fn bent(self, bend: f32) -> Self {
        Self { bend, ..self }
    }

    /// A flat part of it with its middle elsewhere on it, nearer to the camera by so much.
    pub fn part(self, across: f32, down: f32, nearer: f32) -> Self {
        let [x, y, z] = self.flat(across, down);
        let offset = self.rotation().apply([x, y, z - nearer]);
        Self { centre: std::array::from_fn(|i| self.centre[i] + offset[i]), bend: 0.0, ..self }
    }

    /// A point of it in space, before it is turned and moved.
    fn flat(&self, across: f32, down: f32) -> [f32; 3] {
        if self.bend == 0.0 {
            return [across, down, 0.0];
        }
        let turn = across * self.bend;
        [turn.sin() / self.bend, down, (1.0 - turn.cos()) / self.bend]
    }

    pub fn rotation(&self) -> Rotation {
        Rotation::of(self.yaw, self.pitch, self.roll)
    }

    /// Where a point of it is seen, in frame pixels.
    pub fn seen(&self, across: f32, down: f32) -> Point {
        let turned = self.rotation().apply(self.flat(across, down));
        let [x, y, z]: [f32; 3] = std::array::from_fn(|i| self.centre[i] + turned[i]);
        Point::new(MIDDLE.x + DISTANCE * x / z, MIDDLE.y + DISTANCE * y / z)
    }

    /// Between two ways to hold it.
    fn towards(&self, other: &Self, share: f32) -> Self {
        let mix = |a: f32, b: f32| a + (b - a) * share;
        Self {
            centre: std::array::from_fn(|i| mix(self.centre[i], other.centre[i])),
            yaw: mix(self.yaw, other.yaw),
            pitch: mix(self.pitch, other.pitch),
            roll: mix(self.roll, other.roll),
            bend: mix(self.bend, other.bend),
        }
    }
}

/// Visits every pixel of a scene that shows a sheet of that size (across, down), which is held in one
/// way when the first row is exposed and in another when the last is. A stretch may have fewer pixels
/// at the end of a row.
pub fn draw(
    onto: &mut Light,
    held: [Sheet; 2],
    size: [f32; 2],
    mut paint: impl FnMut(&Stretch, &mut [Pixel]),
) {
    let half = size.map(|s| s / 2.0);
    let Some([left, top, right, bottom]) = bounds(onto, &held, half) else { return };
    for row in top..=bottom {
        let exposed = Exposed::of(&held[0].towards(&held[1], row as f32 / onto.height as f32));
        let stretches = onto.row_mut(row)[left..=right].chunks_mut(STRETCH);
        let mut met = (left, exposed.meet(ray(left, row)));
        for (pixels, column) in stretches.zip((left..).step_by(STRETCH)) {
            let Some([across, down]) = exposed.places(column, row, half) else { continue };
            let first = if met.0 == column { met.1 } else { exposed.meet(ray(column, row)) };
            met = (column + STRETCH, exposed.meet(ray(column + STRETCH, row)));
            let Some((first, last)) = first.or(met.1).zip(met.1.or(first)) else { continue };
            paint(&Stretch { row, across, down, ends: [first, last] }, pixels);
        }
    }
}

/// The way from the lens through a pixel of a scene.
fn ray(column: usize, row: usize) -> [f32; 3] {
    let along = |i: usize, middle: f32| ((i as f32 + 0.5) / FINE as f32 - 0.5 - middle) / DISTANCE;
    [along(column, MIDDLE.x), along(row, MIDDLE.y), 1.0]
}

/// The columns and rows between which a sheet is seen: left, top, right, bottom. None: it is out of
/// sight.
fn bounds(onto: &Light, held: &[Sheet; 2], half: [f32; 2]) -> Option<[usize; 4]> {
    let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
    for sheet in held {
        for i in -2..=2 {
            for side in [-1.0, 1.0] {
                let p = sheet.seen(half[0] * i as f32 / 2.0, half[1] * side);
                for (axis, value) in [p.x, p.y].into_iter().enumerate() {
                    low[axis] = low[axis].min(value * FINE as f32 - 2.0);
                    high[axis] = high[axis].max(value * FINE as f32 + 3.0);
                }
            }
        }
    }
    let last = [onto.width as f32 - 1.0, onto.height as f32 - 1.0];
    let seen = (0..2).all(|axis| high[axis] >= 0.0 && low[axis] <= last[axis]);
    let inside = |value: f32, axis: usize| value.clamp(0.0, last[axis]) as usize;
    seen.then(|| [inside(low[0], 0), inside(low[1], 1), inside(high[0], 0), inside(high[1], 1)])
}

/// A sheet while one row is exposed.
struct Exposed {
    rotation: Rotation,
    /// The lens as seen from the sheet.
    lens: [f32; 3],
    bend: f32,
}

/// Where a ray meets a sheet: across and down, and how many rays away. Nowhere where it passes, or
/// meets the back.
type Place = [f32; 3];
const NOWHERE: Place = [f32::INFINITY; 3];

impl Exposed {
    fn of(sheet: &Sheet) -> Self {
        let rotation = sheet.rotation();
        Self { rotation, lens: rotation.undo(sheet.centre.map(|c| -c)), bend: sheet.bend }
    }

    /// Where a stretch of pixels that begins at a column meets what is within half a size. None: no
    /// pixel does.
    fn places(&self, column: usize, row: usize, half: [f32; 2]) -> Option<[[f32; STRETCH]; 2]> {
        let (first, next) = (self.rotation.undo(ray(column, row)), self.rotation.undo(ray(column + 1, row)));
        let step: [f32; 3] = std::array::from_fn(|i| next[i] - first[i]);
        let way = |i: usize| -> [f32; 3] { std::array::from_fn(|k| first[k] + i as i32 as f32 * step[k]) };
        let mut places = [[0.0; STRETCH]; 2];
        // Decided once, so that each loop is a plain one.
        if self.bend == 0.0 {
            for i in 0..STRETCH {
                [places[0][i], places[1][i], _] = self.meet_flat(way(i));
            }
        } else {
            for i in 0..STRETCH {
                [places[0][i], places[1][i], _] = self.meet_bent(way(i), 1.0 / self.bend);
            }
        }
        let [mut across, down] = places;
        for (across, down) in across.iter_mut().zip(&down) {
            let inside = (across.abs() <= half[0]) & (down.abs() <= half[1]);
            *across = if inside { *across } else { f32::INFINITY };
        }
        across.iter().any(|a| *a < f32::INFINITY).then_some([across, down])
    }

    fn meet(&self, ray: [f32; 3]) -> Option<Hit> {
        let way = self.rotation.undo(ray);
        let flat = self.bend == 0.0;
        let met = if flat { self.meet_flat(way) } else { self.meet_bent(way, 1.0 / self.bend) };
        let [across, down, far] = met;
        // A bent sheet faces away from its axis.
        let (sine, cosine) = (across * self.bend).sin_cos();
        let normal = self.rotation.apply([sine, 0.0, -cosine]);
        let depth = 2.0 * dot(ray, normal);
        let mirrored = std::array::from_fn(|i| ray[i] - depth * normal[i]);
        let hit = Hit { across, down, at: ray.map(|r| r * far), normal, mirrored };
        (across < f32::INFINITY).then_some(hit)
    }

    #[inline(always)]
    fn meet_flat(&self, way: [f32; 3]) -> Place {
        let far = -self.lens[2] / way[2];
        let front = (way[2] > 1e-6) & (far > 0.0);
        if front { [self.lens[0] + far * way[0], self.lens[1] + far * way[1], far] } else { NOWHERE }
    }

    /// The sheet is part of a cylinder, whose axis lies a radius behind the sheet's middle.
    #[inline(always)]
    fn meet_bent(&self, way: [f32; 3], radius: f32) -> Place {
        let (x, z) = (self.lens[0], self.lens[2] - radius);
        let a = way[0] * way[0] + way[2] * way[2];
        let b = x * way[0] + z * way[2];
        let c = x * x + z * z - radius * radius;
        let root = b * b - a * c;
        let far = (-b - root.max(0.0).sqrt()) / a;
        let sine = (x + far * way[0]) / radius;
        let front = (root >= 0.0) & (far > 0.0) & ((z + far * way[2]) / radius < 0.0);
        if front { [radius * arcsine(sine), self.lens[1] + far * way[1], far] } else { NOWHERE }
    }
}

/// Good to a hundredth up to 55 degrees, which is more than anybody bends a photograph.
fn arcsine(x: f32) -> f32 {
    let square = x * x;
    x * (1.0 + square * (1.0 / 6.0 + square * (3.0 / 40.0 + square * 15.0 / 336.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::scene;

    fn tilted() -> Stance {
        Stance { yaw: 23.0, pitch: -11.0, roll: 4.0, shift: (20.0, -10.0), ..Stance::STRAIGHT }
    }

    /// What the pixels of one row see across a sheet.
    fn across(sheet: Sheet, row: usize) -> Vec<(usize, f32)> {
        let exposed = Exposed::of(&sheet);
        let pixel = |column: usize| {
            let ray = [(column as f32 / 2.0 - 320.0) / DISTANCE, (row as f32 / 2.0 - 240.0) / DISTANCE, 1.0];
            exposed.meet(ray).map(|hit| (column, hit.across))
        };
        (540..760).filter_map(pixel).collect()
    }

    fn cross_ratio([a, b, c, d]: [f32; 4]) -> f32 {
        ((c - a) * (d - b)) / ((c - b) * (d - a))
    }

    #[test]
    fn a_tilted_plane_is_seen_by_a_homography() {
        // Of four points on a line, a homography keeps the cross ratio, and a curved sheet does not.
        let sheet = Sheet::held(MIDDLE, 500.0, tilted());
        let ratios = |seen: &[(usize, f32)]| {
            let four = [10, 60, 120, 200].map(|i| seen[i]);
            (cross_ratio(four.map(|(column, _)| column as f32)), cross_ratio(four.map(|(_, s)| s)))
        };
        for row in [300, 480, 700] {
            let (seen, held) = ratios(&across(sheet, row));
            assert!((seen - held).abs() < 1e-3, "{seen} {held}");
            let (seen, held) = ratios(&across(sheet.bent(1.0 / 120.0), row));
            assert!((seen - held).abs() > 8e-3, "{seen} {held}");
        }
    }

    #[test]
    fn rays_meet_what_is_seen_there() {
        for sheet in [Sheet::held(MIDDLE, 520.0, tilted()), Sheet::held(MIDDLE, 520.0, tilted()).bent(0.006)]
        {
            for (across, down) in [(0.0, 0.0), (60.0, -80.0), (-70.0, 50.0)] {
                let p = sheet.seen(across, down);
                let ray = [(p.x - MIDDLE.x) / DISTANCE, (p.y - MIDDLE.y) / DISTANCE, 1.0];
                let hit = Exposed::of(&sheet).meet(ray).expect("a hit");
                assert!((hit.across - across).abs() < 0.3 && (hit.down - down).abs() < 0.3, "{hit:?}");
            }
        }
    }

    #[test]
    fn a_sheet_covers_what_it_should() {
        let mut scene = scene::empty();
        let sheet = Sheet::held(MIDDLE, DISTANCE, Stance::STRAIGHT);
        draw(&mut scene, [sheet; 2], [100.0, 60.0], |stretch, pixels| {
            let shown = pixels.iter_mut().enumerate().filter(|(i, _)| stretch.shows(*i));
            shown.for_each(|(_, pixel)| *pixel = [1.0; 4]);
        });
        let lit = scene.pixels.iter().filter(|p| p[0] > 0.0).count();
        assert!(lit.abs_diff(200 * 120) < 700, "{lit}");
        draw(&mut scene, [sheet.part(2000.0, 0.0, 0.0); 2], [9.0; 2], |_, _| panic!("out of sight"));
    }
}
