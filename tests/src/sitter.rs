//! A simulated sitter: one photograph of a person, warped by its own landmarks as if a solid head made
//! small turns in changing light. Simulated is what it is: everything shown with it says so.

use std::error::Error;

use vultus_vision::image::{Point, Similarity};
use vultus_vision::mesh::Landmark;
use vultus_vision::{Image, Observer};

use crate::pictures;
use crate::video::Picture;

/// The size of the frames.
pub const WIDTH: u32 = 640;
pub const HEIGHT: u32 = 480;
/// Height of the face, forehead to chin, in the frames.
const FACE_HEIGHT: f32 = 190.0;

/// How a head is held, and how much light falls on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stance {
    /// Degrees, positive to the right of the picture.
    pub yaw: f32,
    /// Degrees, positive up.
    pub pitch: f32,
    /// Shift in pixels.
    pub shift: (f32, f32),
    /// Factor on all colours.
    pub light: f32,
}

impl Stance {
    pub const STRAIGHT: Self = Self { yaw: 0.0, pitch: 0.0, shift: (0.0, 0.0), light: 1.0 };
}

/// One person, from one photograph.
pub struct Sitter {
    base: Picture,
    /// Landmarks in the base picture, then fixed points around it.
    points: Vec<Landmark>,
    triangles: Vec<[usize; 3]>,
    /// Where the head turns about.
    centre: Landmark,
}

impl Sitter {
    /// Finds the largest face of a photograph and puts it in the middle of a frame. Whoever else is in
    /// the photograph stays out of the frame, or is blurred away with the background.
    pub fn new(observer: &Observer, photograph: &Picture) -> Result<Self, Box<dyn Error>> {
        let image = pictures::image(photograph)?;
        let faces = observer.detections(&image)?;
        let largest = faces
            .into_iter()
            .max_by(|a, b| a.side().total_cmp(&b.side()))
            .ok_or("no face in the photograph")?;
        // The framing follows from the detection: first about right, then by the landmarks found there.
        let first = frame(&image, largest.centre, largest.side() * 1.35 / FACE_HEIGHT);
        let (_, mesh) = only_face(observer, &first)?;
        let height =
            mesh.at(vultus_vision::mesh::index::CHIN).distance(mesh.at(vultus_vision::mesh::index::FOREHEAD));
        let scale = largest.side() * 1.35 / FACE_HEIGHT * height / FACE_HEIGHT;
        let base = frame(&image, largest.centre, scale);
        let (_, mesh) = only_face(observer, &base)?;
        Ok(Self::of_base(base, mesh.points))
    }

    fn of_base(base: Picture, mut points: Vec<Landmark>) -> Self {
        let share = 1.0 / points.len() as f32;
        let centre = points.iter().fold(Landmark::default(), |c, p| Landmark {
            x: c.x + p.x * share,
            y: c.y + p.y * share,
            z: c.z + p.z * share,
        });
        points.extend(surroundings(&points, centre));
        let flat: Vec<delaunator::Point> =
            points.iter().map(|p| delaunator::Point { x: p.x.into(), y: p.y.into() }).collect();
        let triangles = delaunator::triangulate(&flat).triangles;
        let triangles = triangles.chunks_exact(3).map(|t| [t[0], t[1], t[2]]).collect();
        Self { base, points, triangles, centre }
    }

    /// The frame as the photograph has it.
    pub fn base(&self) -> &Picture {
        &self.base
    }

    /// One frame of the person in a stance.
    pub fn frame(&self, stance: Stance) -> Picture {
        let turned: Vec<Landmark> = (0..self.points.len()).map(|i| self.turned(i, stance)).collect();
        let moved: Vec<Point> = turned.iter().enumerate().map(|(i, p)| self.moved(i, *p, stance)).collect();
        let mut rgb = vec![0; self.base.rgb.len()];
        // Far triangles first, so that what is nearer covers them.
        let depth = |t: &[usize; 3]| t.iter().map(|&i| turned[i].z).sum::<f32>();
        let mut order: Vec<(f32, &[usize; 3])> = self.triangles.iter().map(|t| (depth(t), t)).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (_, t) in order {
            let from = t.map(|i| Point::new(self.points[i].x, self.points[i].y));
            let to = t.map(|i| moved[i]);
            self.paint(&mut rgb, from, to, stance.light);
        }
        Picture { width: WIDTH, height: HEIGHT, rgb }
    }

    /// A clip of small turns and light changes, about so many seconds at 30 frames each.
    pub fn clip(&self, seconds: f32, reach: f32) -> Vec<Picture> {
        (0..(seconds * 30.0) as usize).map(|i| self.swaying(i, reach)).collect()
    }

    /// One frame of such a clip.
    pub fn swaying(&self, frame: usize, reach: f32) -> Picture {
        self.frame(sway(frame as f32 / 30.0, reach))
    }

    /// Landmarks turn with the head; the surroundings stay.
    fn turned(&self, index: usize, stance: Stance) -> Landmark {
        let p = self.points[index];
        if index >= vultus_vision::mesh::LANDMARKS {
            // The background lies far behind.
            return Landmark { z: p.z + 1000.0, ..p };
        }
        let (sy, cy) = stance.yaw.to_radians().sin_cos();
        let (sp, cp) = stance.pitch.to_radians().sin_cos();
        let (x, y, z) = (p.x - self.centre.x, p.y - self.centre.y, p.z - self.centre.z);
        // Positive yaw brings the nose, which has a smaller z, to the right.
        let (x, z) = (x * cy - z * sy, x * sy + z * cy);
        // Positive pitch brings it up.
        let (y, z) = (y * cp + z * sp, -y * sp + z * cp);
        Landmark { x: x + self.centre.x, y: y + self.centre.y, z }
    }

    /// Where a turned point stands in the frame: the frame's edge stays where it is.
    fn moved(&self, index: usize, turned: Landmark, stance: Stance) -> Point {
        if index >= self.points.len() - EDGE {
            return Point::new(turned.x, turned.y);
        }
        Point::new(turned.x + stance.shift.0, turned.y + stance.shift.1)
    }

    /// Fills one triangle of the frame from one triangle of the base.
    fn paint(&self, rgb: &mut [u8], from: [Point; 3], to: [Point; 3], light: f32) {
        let [a, b, c] = to;
        let area = (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y);
        if area.abs() < 1e-3 {
            return;
        }
        let bound = |values: [f32; 3], most: u32| {
            let low = values.iter().copied().fold(f32::MAX, f32::min).floor().max(0.0) as u32;
            let high =
                values.iter().copied().fold(f32::MIN, f32::max).ceil().clamp(0.0, (most - 1) as f32) as u32;
            low..=high
        };
        for y in bound(to.map(|p| p.y), HEIGHT) {
            for x in bound(to.map(|p| p.x), WIDTH) {
                let (px, py) = (x as f32, y as f32);
                let u = ((px - a.x) * (c.y - a.y) - (c.x - a.x) * (py - a.y)) / area;
                let v = ((b.x - a.x) * (py - a.y) - (px - a.x) * (b.y - a.y)) / area;
                let slack = -1e-4;
                if u < slack || v < slack || u + v > 1.0 - slack {
                    continue;
                }
                let w = 1.0 - u - v;
                let sx = w * from[0].x + u * from[1].x + v * from[2].x;
                let sy = w * from[0].y + u * from[1].y + v * from[2].y;
                let at = ((y * WIDTH + x) * 3) as usize;
                for (channel, value) in sample(&self.base, sx, sy).into_iter().enumerate() {
                    rgb[at + channel] = (value * light).round().clamp(0.0, 255.0) as u8;
                }
            }
        }
    }
}

/// A slow sway: straight, to one side, straight, to the other, with a little nod and flicker.
fn sway(time: f32, reach: f32) -> Stance {
    let turn = std::f32::consts::TAU;
    Stance {
        yaw: reach * (turn * time / 4.0).sin(),
        pitch: 0.3 * reach * (turn * time / 3.1).sin(),
        shift: (2.0 * (turn * time / 2.3).sin(), 1.5 * (turn * time / 1.7).cos()),
        light: 1.0 + 0.06 * (turn * time / 5.0).sin(),
    }
}

/// Fixed points at the frame's edge, the last of all points.
const EDGE: usize = 16;

/// A ring around the head that moves with its middle, and the frame's edge that does not move.
fn surroundings(face: &[Landmark], centre: Landmark) -> Vec<Landmark> {
    let ring = vultus_vision::mesh::index::OUTLINE.iter().map(|&i| Landmark {
        x: centre.x + (face[i].x - centre.x) * 1.55,
        y: centre.y + (face[i].y - centre.y) * 1.45,
        z: 0.0,
    });
    let inside =
        |p: &Landmark| p.x > 2.0 && p.y > 2.0 && p.x < WIDTH as f32 - 3.0 && p.y < HEIGHT as f32 - 3.0;
    let (right, bottom) = ((WIDTH - 1) as f32, (HEIGHT - 1) as f32);
    let edge = (0..EDGE).map(|i| {
        let along = (i % 4) as f32 / 4.0;
        let (x, y) = match i / 4 {
            0 => (along * right, 0.0),
            1 => (right, along * bottom),
            2 => (right - along * right, bottom),
            _ => (0.0, bottom - along * bottom),
        };
        Landmark { x, y, z: 0.0 }
    });
    ring.filter(inside).chain(edge).collect()
}

/// A frame around a point of the photograph; `scale` photograph pixels are one frame pixel. Beyond the
/// photograph's edge its border goes on.
fn frame(photograph: &Image, centre: Point, scale: f32) -> Picture {
    let offset = Point::new(
        centre.x - scale * (WIDTH as f32 - 1.0) / 2.0,
        centre.y - scale * (HEIGHT as f32 - 1.0) * 0.47,
    );
    let map = Similarity { a: scale, b: 0.0, tx: offset.x, ty: offset.y };
    let (right, bottom) = ((photograph.width() - 1) as f32, (photograph.height() - 1) as f32);
    let mut rgb = Vec::with_capacity((WIDTH * HEIGHT * 3) as usize);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            // A mean over a few samples where the photograph is finer than the frame.
            let mut sum = [0.0f32; 3];
            for (dx, dy) in [(-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25)] {
                let p = map.apply(Point::new(x as f32 + dx, y as f32 + dy));
                let clamped = Point::new(p.x.clamp(0.0, right), p.y.clamp(0.0, bottom));
                for (s, c) in sum.iter_mut().zip(photograph.sample(clamped)) {
                    *s += c / 4.0;
                }
            }
            rgb.extend(sum.map(|s| s.round().clamp(0.0, 255.0) as u8));
        }
    }
    Picture { width: WIDTH, height: HEIGHT, rgb }
}

fn only_face(
    observer: &Observer,
    picture: &Picture,
) -> Result<(Image, vultus_vision::mesh::Mesh), Box<dyn Error>> {
    use vultus_vision::Observation;
    let image = pictures::image(picture)?;
    let face = observer
        .detections(&image)?
        .into_iter()
        .max_by(|a, b| a.side().total_cmp(&b.side()))
        .ok_or("no face in the frame")?;
    match observer.view(&image, face)? {
        Observation::Usable(view) | Observation::Unusable(_, Some(view)) => Ok((image, view.mesh)),
        Observation::Unusable(..) => Err("no landmarks in the frame".into()),
    }
}

fn sample(picture: &Picture, x: f32, y: f32) -> [f32; 3] {
    let (x, y) = (x.clamp(0.0, (WIDTH - 1) as f32), y.clamp(0.0, (HEIGHT - 1) as f32));
    let (x0, y0) = (x.floor() as usize, y.floor() as usize);
    let (x1, y1) = ((x0 + 1).min(WIDTH as usize - 1), (y0 + 1).min(HEIGHT as usize - 1));
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let at = |x: usize, y: usize, c: usize| f32::from(picture.rgb[(y * WIDTH as usize + x) * 3 + c]);
    std::array::from_fn(|c| {
        let top = at(x0, y0, c) * (1.0 - fx) + at(x1, y0, c) * fx;
        let bottom = at(x0, y1, c) * (1.0 - fx) + at(x1, y1, c) * fx;
        top * (1.0 - fy) + bottom * fy
    })
}
