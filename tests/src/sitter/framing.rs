//! Cuts the frame around a face out of a photograph, in bytes and, finer, in linear light. It finds no
//! face.

use vultus_vision::Image;
use vultus_vision::image::{Point, Similarity};

use crate::simulation::light::{self, Light};
use crate::simulation::random::Chance;
use crate::sitter::{FINE, HEIGHT, WIDTH};
use crate::video::Picture;

/// A frame around a point of the photograph; `scale` photograph pixels are one frame pixel. Beyond the
/// photograph's edge its border goes on.
pub fn frame(photograph: &Image, centre: Point, scale: f32) -> Picture {
    let rgb = framed(photograph, centre, scale, 1).flat_map(|c| c.map(|s| s.round() as u8)).collect();
    Picture { width: WIDTH, height: HEIGHT, rgb }
}

/// How soft every photograph is made, in fine pixels, and how grainy, before that: all that is shown
/// has the same detail, whatever camera took it.
const SOFTNESS: f32 = 0.8;
const GRAIN: f32 = 0.03;

/// The same frame in linear light, finer.
pub fn fine(photograph: &Image, centre: Point, scale: f32) -> Light {
    let mut chance = Chance::new(photograph.rgb().iter().map(|&b| u64::from(b)).sum(), "skin");
    let pixels = framed(photograph, centre, scale, FINE).map(|colour| {
        let grain = 1.0 + GRAIN * chance.normal();
        light::pixel(colour.map(|value| light::linear_between(value) * grain))
    });
    let (width, height) = (WIDTH as usize * FINE, HEIGHT as usize * FINE);
    Light { width, height, pixels: pixels.collect() }.blurred(SOFTNESS)
}

/// The pixels of a frame that is so many times as fine: red, green, blue from 0 to 255.
fn framed(photograph: &Image, centre: Point, scale: f32, fine: usize) -> impl Iterator<Item = [f32; 3]> + '_ {
    let offset = Point::new(
        centre.x - scale * (WIDTH as f32 - 1.0) / 2.0,
        centre.y - scale * (HEIGHT as f32 - 1.0) * 0.47,
    );
    let map = Similarity { a: scale, b: 0.0, tx: offset.x, ty: offset.y };
    let (right, bottom) = ((photograph.width() - 1) as f32, (photograph.height() - 1) as f32);
    let step = 1.0 / fine as f32;
    let of_frame = move |i: usize| (i as f32 + 0.5) * step - 0.5;
    let (width, height) = (WIDTH as usize * fine, HEIGHT as usize * fine);
    (0..width * height).map(move |i| {
        let (x, y) = (of_frame(i % width), of_frame(i / width));
        // A mean over a few samples where the photograph is finer than the frame.
        let mut sum = [0.0f32; 3];
        for (dx, dy) in [(-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25)] {
            let p = map.apply(Point::new(x + dx * step, y + dy * step));
            let clamped = Point::new(p.x.clamp(0.0, right), p.y.clamp(0.0, bottom));
            for (s, c) in sum.iter_mut().zip(photograph.sample(clamped)) {
                *s += c / 4.0;
            }
        }
        sum
    })
}
