//! A simulated sitter: one photograph of a person, warped by its own landmarks as if a solid head
//! turned, came near, closed its eyes and opened its mouth in changing light. Simulated is what it is:
//! everything shown with it says so.

mod expression;
mod framing;
mod head;
mod rotation;
mod stance;
mod warp;

use std::error::Error;

use vultus_vision::image::Point;
use vultus_vision::mesh::{LANDMARKS, Landmark, Mesh, index};
use vultus_vision::{Observation, Observer};

use crate::pictures;
use crate::simulation::glow::Glow;
use crate::simulation::light::{Light, Pixel};
use crate::video::Picture;

pub use expression::smooth;
use head::Head;
pub use head::Vertex;
pub use rotation::{Rotation, dot, unit};
pub use stance::{Stance, lit};
pub use warp::View;

/// The size of the frames.
pub const WIDTH: u32 = 640;
pub const HEIGHT: u32 = 480;
/// Height of the face, forehead to chin, in the frames.
const FACE_HEIGHT: f32 = 190.0;
/// From the lens to the middle of the head, in frame pixels at the head: a lens of 60 degrees. One
/// pixel there is about a millimetre.
pub const DISTANCE: f32 = 554.0;
/// What the lens points at, in frame pixels.
pub const MIDDLE: Point = Point { x: (WIDTH - 1) as f32 / 2.0, y: (HEIGHT - 1) as f32 / 2.0 };
/// Pixels of the fine picture, and of a scene, along one pixel of a frame.
pub const FINE: usize = 2;

/// One person, from one photograph.
pub struct Sitter {
    base: Picture,
    /// The base's bytes as numbers.
    plain: Light,
    /// The same view in linear light, finer, as soft and as grainy for every photograph.
    fine: Light,
    head: Head,
    triangles: Vec<Triangle>,
}

struct Triangle {
    corners: [usize; 3],
    /// Between the lips.
    in_mouth: bool,
}

/// A sitter in one stance, not yet drawn.
pub struct Figure {
    pub vertices: Vec<Vertex>,
    /// The same with the jaw up, where it is down: upper teeth stay with the skull.
    raised: Option<Vec<Vertex>>,
    light: f32,
}

impl Figure {
    /// Gives every vertex another shade.
    pub fn shaded(mut self, shade: impl Fn(usize, &Vertex) -> f32) -> Self {
        for vertices in std::iter::once(&mut self.vertices).chain(&mut self.raised) {
            for (i, vertex) in vertices.iter_mut().enumerate() {
                vertex.shade = shade(i, vertex);
            }
        }
        self
    }
}

/// What a figure is painted with: a picture of the base's view, and what is seen in an open mouth.
pub struct Paint<'a> {
    pub picture: &'a Light,
    pub mouth: Pixel,
}

/// Dark and red, in linear light and in bytes.
pub const MOUTH: Pixel = [0.018, 0.005, 0.005, 0.0];
const MOUTH_BYTES: Pixel = [36.0, 15.0, 15.0, 0.0];

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
        let first = framing::frame(&image, largest.centre, largest.side() * 1.35 / FACE_HEIGHT);
        let mesh = only_face(observer, &first)?;
        let height = mesh.at(index::CHIN).distance(mesh.at(index::FOREHEAD));
        let scale = largest.side() * 1.35 / FACE_HEIGHT * height / FACE_HEIGHT;
        let base = framing::frame(&image, largest.centre, scale);
        let mesh = only_face(observer, &base)?;
        let fine = framing::fine(&image, largest.centre, scale);
        Ok(Self::of_base(base, fine, mesh.points))
    }

    fn of_base(base: Picture, fine: Light, points: Vec<Landmark>) -> Self {
        let head = Head::of(points);
        let flat = |p: &Landmark| delaunator::Point { x: p.x.into(), y: p.y.into() };
        let flat: Vec<delaunator::Point> = head.points.iter().map(flat).collect();
        let corners = delaunator::triangulate(&flat).triangles;
        let triangle = |t: &[usize]| {
            let corners = [t[0], t[1], t[2]];
            Triangle { corners, in_mouth: expression::in_mouth(corners) }
        };
        let triangles = corners.chunks_exact(3).map(triangle).collect();
        Self { plain: Light::numbers_of(&base), base, fine, head, triangles }
    }

    /// The frame as the photograph has it.
    pub fn base(&self) -> &Picture {
        &self.base
    }

    /// The same view in linear light, `FINE` times as fine.
    pub fn fine(&self) -> &Light {
        &self.fine
    }

    /// Where the middle of the head is in the base, in frame pixels.
    pub fn middle(&self) -> Point {
        self.head.centre.flat()
    }

    /// Landmarks of the base, in frame pixels.
    pub fn marks(&self, indices: &[usize]) -> Vec<Point> {
        indices.iter().map(|&i| self.head.points[i].flat()).collect()
    }

    /// Around each eye along the edges of the lids, in the base.
    pub fn eye_outlines(&self) -> [Vec<Point>; 2] {
        std::array::from_fn(|eye| {
            let [outer, inner] = expression::EYE_CORNERS[eye];
            let upper = expression::UPPER_LID[eye].iter().copied();
            let lower = expression::LOWER_LID[eye].iter().rev().copied();
            let around: Vec<usize> = [outer].into_iter().chain(upper).chain([inner]).chain(lower).collect();
            self.marks(&around)
        })
    }

    /// The colour of the cheeks in linear light.
    pub fn skin(&self) -> Pixel {
        let cheeks = self.marks(&[50, 280, 205, 425]);
        let view = View::whole(FINE as f32);
        let seen = cheeks.iter().map(|&p| view.apply(p)).map(|p| self.fine.sample(p.x, p.y));
        seen.fold([0.0; 4], |sum: Pixel, c| std::array::from_fn(|i| sum[i] + c[i] / 4.0))
    }

    /// One frame of the person in a stance, without a camera.
    pub fn frame(&self, stance: Stance) -> Picture {
        let mut frame = Light::new(WIDTH as usize, HEIGHT as usize);
        // Shades are of light, and these numbers are bytes.
        let figure = self.figure([stance; 2]).shaded(|_, vertex| vertex.shade.powf(1.0 / 2.2));
        let paint = Paint { picture: &self.plain, mouth: MOUTH_BYTES };
        self.draw(&figure, &paint, &mut frame, View::whole(1.0), &Glow::default());
        let byte = |value: &f32| (value + 0.5) as u8;
        let rgb = frame.pixels.iter().flat_map(|p| p[..3].iter().map(byte)).collect();
        Picture { width: WIDTH, height: HEIGHT, rgb }
    }

    /// Draws the person in linear light, as held when the first and when the last row is exposed, and in
    /// the light of the machine's screen.
    pub fn appear(&self, held: [Stance; 2], onto: &mut Light, view: View, glow: &Glow) {
        let paint = Paint { picture: &self.fine, mouth: MOUTH };
        self.draw(&self.figure(held), &paint, onto, view, glow);
    }

    /// The person as held when the first and when the last row of a frame is exposed.
    pub fn figure(&self, held: [Stance; 2]) -> Figure {
        let lowered = held.iter().any(|s| s.jaw > 0.0);
        let raised = held.map(|s| Stance { jaw: 0.0, ..s });
        Figure {
            vertices: self.head.vertices(held),
            raised: lowered.then(|| self.head.vertices(raised)),
            light: held[0].light,
        }
    }

    /// Draws a figure of this person with any picture that has the view of the base.
    pub fn draw(&self, figure: &Figure, paint: &Paint<'_>, onto: &mut Light, view: View, glow: &Glow) {
        let source = View::whole(paint.picture.width as f32 / WIDTH as f32);
        let corners = |t: &Triangle, vertices: &[Vertex]| {
            t.corners.map(|i| warp::Corner {
                to: view.apply(vertices[i].at),
                from: source.apply(self.head.points[i].flat()),
                shade: figure.light * vertices[i].shade,
                shine: vertices[i].shine,
            })
        };
        // Far triangles first, so that what is nearer covers them.
        let depth = |t: &Triangle| t.corners.iter().map(|&i| figure.vertices[i].depth).sum::<f32>();
        let mut order: Vec<(f32, &Triangle)> = self.triangles.iter().map(|t| (depth(t), t)).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (_, t) in order {
            match figure.raised.as_ref().filter(|_| t.in_mouth) {
                None => warp::paint(onto, paint.picture, corners(t, &figure.vertices), glow),
                Some(raised) => {
                    warp::fill(onto, paint.mouth, corners(t, &figure.vertices), glow);
                    warp::paint(onto, paint.picture, corners(t, raised), glow);
                }
            }
        }
    }

    /// The triangles of the face itself, as numbers of vertices.
    pub fn faces(&self) -> impl Iterator<Item = [usize; 3]> + '_ {
        let corners = self.triangles.iter().map(|t| t.corners);
        corners.filter(|corners| corners.iter().all(|&i| i < LANDMARKS))
    }

    /// Where both eyes are in a stance, in frame pixels: left and right of the picture.
    pub fn eyes(&self, stance: Stance) -> [Point; 2] {
        let rotation = stance.rotation();
        expression::EYE_CORNERS.map(|corners| {
            let [a, b] = corners.map(|i| self.head.vertex(i, stance, rotation).at);
            a.midway(b)
        })
    }

    /// A clip of small turns and light changes, about so many seconds at 30 frames each.
    pub fn clip(&self, seconds: f32, reach: f32) -> Vec<Picture> {
        (0..(seconds * 30.0) as usize).map(|i| self.swaying(i, reach)).collect()
    }

    /// One frame of such a clip.
    pub fn swaying(&self, frame: usize, reach: f32) -> Picture {
        self.frame(sway(frame as f32 / 30.0, reach))
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
        ..Stance::STRAIGHT
    }
}

fn only_face(observer: &Observer, picture: &Picture) -> Result<Mesh, Box<dyn Error>> {
    let image = pictures::image(picture)?;
    let face = observer
        .detections(&image)?
        .into_iter()
        .max_by(|a, b| a.side().total_cmp(&b.side()))
        .ok_or("no face in the frame")?;
    match observer.view(&image, face)? {
        Observation::Usable(view) | Observation::Unusable(_, Some(view)) => Ok(view.mesh),
        Observation::Unusable(..) => Err("no landmarks in the frame".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::films;
    use crate::simulation::testing::sitters;
    use vultus_vision::FaceView;
    use vultus_vision::liveness::glimpse;

    fn view(observer: &Observer, picture: &Picture) -> FaceView {
        let image = pictures::image(picture).expect("a picture");
        match observer.observe(&image).expect("an observation") {
            Observation::Usable(view) | Observation::Unusable(_, Some(view)) => view,
            Observation::Unusable(reason, None) => panic!("{reason:?}"),
        }
    }

    #[test]
    fn eyes_close_the_mouth_opens_and_the_head_turns_before_the_network_too() {
        let observer = films::observer().expect("the models");
        for sitter in sitters() {
            let straight = view(&observer, &sitter.frame(Stance::STRAIGHT));
            let open: f32 = glimpse::eyes(&straight.mesh).iter().sum();
            let shut = view(&observer, &sitter.frame(Stance { lids: 1.0, ..Stance::STRAIGHT }));
            let closed: f32 = glimpse::eyes(&shut.mesh).iter().sum();
            // The drawn lids meet; the network follows them a part of the way.
            assert!(closed < 0.9 * open, "{closed} {open}");
            let wide = view(&observer, &sitter.frame(Stance { jaw: 0.9, ..Stance::STRAIGHT }));
            let (before, after) = (glimpse::mouth(&straight.mesh), glimpse::mouth(&wide.mesh));
            assert!(after > before + 0.2, "{before} {after}");
            let turned = view(&observer, &sitter.frame(Stance { yaw: 15.0, ..Stance::STRAIGHT }));
            assert!(turned.pose.yaw > straight.pose.yaw + 8.0, "{:?}", turned.pose);
        }
    }

    #[test]
    fn a_straight_sitter_is_the_photograph() {
        for sitter in sitters() {
            let frame = sitter.frame(Stance::STRAIGHT);
            let apart = frame.rgb.iter().zip(&sitter.base().rgb).filter(|(a, b)| a.abs_diff(**b) > 2);
            let apart = apart.count() as f32 / frame.rgb.len() as f32;
            assert!(apart < 0.01, "{apart}");
        }
    }
}
