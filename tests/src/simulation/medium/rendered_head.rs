//! A head that a computer draws: the landmarks of a photograph as a mesh, its skin smooth, its light
//! that of a studio, its eyes painted on. It moves as a puppet is moved.

use vultus_vision::image::Point;
use vultus_vision::mesh::{LANDMARKS, index};

use crate::simulation::glow::Glow;
use crate::simulation::light::{Light, mixed, pixel};
use crate::simulation::random::Chance;
use crate::simulation::recording::Crop;
use crate::sitter::{FINE, Figure, MOUTH, Paint, Sitter, Stance, View, dot, smooth, unit};
use crate::video::Picture;

/// How far the skin is smoothed, in fine pixels, and how much of it.
const SMOOTHING: f32 = 2.5;
const SMOOTH: f32 = 0.75;
/// Light from everywhere, and from the lamp.
const AMBIENT: f32 = 0.45;
const LAMP: f32 = 0.7;
/// The studio around the head.
const STUDIO: f32 = 0.75;
/// The computer's picture of it.
const VIEW: Crop = Crop::Landscape;

/// A puppet of one person.
pub struct RenderedHead<'a> {
    sitter: &'a Sitter,
    skin: Light,
    /// The way to the lamp, one long.
    lamp: [f32; 3],
    /// What it was last drawn into.
    frame: Light,
}

impl<'a> RenderedHead<'a> {
    pub fn new(sitter: &'a Sitter, seed: u64) -> Self {
        let mut chance = Chance::new(seed, "studio");
        let lamp = unit([chance.between(-0.8, 0.8), -0.7, -1.0]);
        Self { sitter, skin: skin(sitter, &mut chance), lamp, frame: VIEW.blank() }
    }

    /// The head in a stance, as the computer puts it on a screen.
    pub fn frame(&mut self, stance: Stance) -> Picture {
        let figure = self.sitter.figure([stance; 2]);
        let normals = self.normals(&figure);
        let figure = figure.shaded(|i, _| match normals.get(i) {
            Some(normal) => AMBIENT + LAMP * dot(*normal, self.lamp).max(0.0),
            None => STUDIO,
        });
        let paint = Paint { picture: &self.skin, mouth: MOUTH };
        // A puppet is lit where it is drawn, not where it is shown.
        self.sitter.draw(&figure, &paint, &mut self.frame, VIEW.view(), &Glow::default());
        self.frame.picture()
    }

    /// Which way the mesh faces at each landmark: the mean of the triangles around it.
    fn normals(&self, figure: &Figure) -> Vec<[f32; 3]> {
        let mut normals = vec![[0.0f32; 3]; LANDMARKS];
        for face in self.sitter.faces() {
            let [a, b, c] = face.map(|i| {
                let vertex = figure.vertices[i];
                [vertex.at.x, vertex.at.y, vertex.depth]
            });
            let (u, v) = (minus(b, a), minus(c, a));
            let across = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
            // All of them face the camera, however their corners are ordered.
            let sign = if across[2] > 0.0 { -1.0 } else { 1.0 };
            for i in face {
                for (sum, part) in normals[i].iter_mut().zip(across) {
                    *sum += sign * part;
                }
            }
        }
        normals.into_iter().map(unit).collect()
    }
}

fn minus(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    std::array::from_fn(|i| a[i] - b[i])
}

/// The photograph smoothed, before a plain backdrop.
fn skin(sitter: &Sitter, chance: &mut Chance) -> Light {
    let (fine, soft) = (sitter.fine(), sitter.fine().blurred(SMOOTHING));
    let backdrop = pixel([(); 3].map(|()| chance.between(0.05, 0.4)));
    let view = View::whole(FINE as f32);
    let [middle, chin, temple] = [
        view.apply(sitter.middle()),
        view.apply(sitter.marks(&[index::CHIN])[0]),
        view.apply(sitter.marks(&[index::OUTLINE[8]])[0]),
    ];
    let (width, height) = (1.45 * (temple.x - middle.x).abs(), 1.4 * (chin.y - middle.y).abs());
    let mut skin = Light::new(fine.width, fine.height);
    for (i, painted) in skin.pixels.iter_mut().enumerate() {
        let at = Point::new((i % fine.width) as f32, (i / fine.width) as f32);
        let (x, y) = ((at.x - middle.x) / width, (at.y - middle.y) / height);
        // The head is an egg, the neck and the shoulders below it widen.
        let head = x.hypot(y);
        let shoulders = if y > 0.5 { x.abs() / (0.6 + 1.6 * (y - 0.5)) } else { 2.0 };
        let behind = smooth(0.95, 1.05, head.min(shoulders));
        *painted = mixed(mixed(fine.pixels[i], soft.pixels[i], SMOOTH), backdrop, behind);
    }
    skin
}
