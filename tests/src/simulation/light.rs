//! A picture in linear light: numbers proportional to what falls on a sensor, and how the bytes of sRGB
//! become them and are made of them. It knows nothing of cameras.

use std::sync::LazyLock;

use crate::video::Picture;

/// Rows of red, green, blue from the top left. 1 is the white of a photograph; nothing keeps light
/// below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Light {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<[f32; 3]>,
}

/// Steps between black and white in the table from light to bytes.
const STEPS: usize = 4096;

static LINEAR: LazyLock<[f32; 256]> = LazyLock::new(|| std::array::from_fn(|i| decoded(i as f32 / 255.0)));
static BYTES: LazyLock<Tone> = LazyLock::new(|| {
    let byte = |i: usize| (encoded(i as f32 / (STEPS - 1) as f32) * 255.0).round() as u8;
    Tone(std::array::from_fn(byte))
});

/// The table from light to bytes. Whoever converts many pixels holds on to it.
pub struct Tone([u8; STEPS]);

impl Tone {
    pub fn srgb() -> &'static Self {
        &BYTES
    }

    /// What is brighter than white is white.
    pub fn byte(&self, light: f32) -> u8 {
        self.0[(light.clamp(0.0, 1.0) * (STEPS - 1) as f32 + 0.5) as usize]
    }
}

/// The light of each byte of sRGB.
pub fn linear() -> &'static [f32; 256] {
    &LINEAR
}

/// The light of a value between bytes, 0 to 255.
pub fn linear_between(value: f32) -> f32 {
    let value = value.clamp(0.0, 255.0);
    let below = value as usize;
    let above = (below + 1).min(255);
    LINEAR[below] + (LINEAR[above] - LINEAR[below]) * (value - below as f32)
}

fn decoded(v: f32) -> f32 {
    if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

fn encoded(v: f32) -> f32 {
    if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 }
}

/// How bright a colour in linear light looks.
pub fn luminance([r, g, b]: [f32; 3]) -> f32 {
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

impl Light {
    /// Darkness.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![[0.0; 3]; width * height] }
    }

    pub fn of(picture: &Picture) -> Self {
        Self::by(picture, |byte| LINEAR[usize::from(byte)])
    }

    /// The bytes themselves as numbers.
    pub fn numbers_of(picture: &Picture) -> Self {
        Self::by(picture, f32::from)
    }

    fn by(picture: &Picture, number: impl Fn(u8) -> f32) -> Self {
        let pixels =
            picture.rgb.chunks_exact(3).map(|p| [number(p[0]), number(p[1]), number(p[2])]).collect();
        Self { width: picture.width as usize, height: picture.height as usize, pixels }
    }

    /// As sRGB, without a camera.
    pub fn picture(&self) -> Picture {
        let tone = Tone::srgb();
        let rgb = self.pixels.iter().flat_map(|p| p.map(|v| tone.byte(v))).collect();
        Picture { width: self.width as u32, height: self.height as u32, rgb }
    }

    pub fn row(&self, y: usize) -> &[[f32; 3]] {
        &self.pixels[y * self.width..(y + 1) * self.width]
    }

    pub fn row_mut(&mut self, y: usize) -> &mut [[f32; 3]] {
        &mut self.pixels[y * self.width..(y + 1) * self.width]
    }

    /// The colour between four pixels; beyond the edge the edge goes on.
    pub fn sample(&self, x: f32, y: f32) -> [f32; 3] {
        let (right, bottom) = (self.width - 1, self.height - 1);
        let (x, y) = (x.clamp(0.0, right as f32), y.clamp(0.0, bottom as f32));
        let (left, top) = (x as usize, y as usize);
        let (fx, fy) = (x - left as f32, y - top as f32);
        let upper = top * self.width;
        let lower = (top + 1).min(bottom) * self.width;
        let beside = (left + 1).min(right);
        let [a, b] = [self.pixels[upper + left], self.pixels[upper + beside]];
        let [c, d] = [self.pixels[lower + left], self.pixels[lower + beside]];
        std::array::from_fn(|i| {
            let above = a[i] + (b[i] - a[i]) * fx;
            let below = c[i] + (d[i] - c[i]) * fx;
            above + (below - above) * fy
        })
    }

    /// Blurred by a Gaussian of that deviation in pixels. Slow: for what is made once.
    pub fn blurred(&self, deviation: f32) -> Self {
        let reach = (3.0 * deviation).ceil().max(1.0) as isize;
        let weights: Vec<f32> =
            (-reach..=reach).map(|k| (-0.5 * (k as f32 / deviation).powi(2)).exp()).collect();
        let all: f32 = weights.iter().sum();
        let weights: Vec<f32> = weights.into_iter().map(|w| w / all).collect();
        self.weighted(&weights, reach, true).weighted(&weights, reach, false)
    }

    /// Each pixel as a weighted mean of its neighbours along one axis.
    fn weighted(&self, weights: &[f32], reach: isize, across: bool) -> Self {
        let mut pixels = Vec::with_capacity(self.pixels.len());
        let (right, bottom) = (self.width - 1, self.height - 1);
        for y in 0..self.height {
            for x in 0..self.width {
                let mut sum = [0.0f32; 3];
                for (weight, k) in weights.iter().zip(-reach..) {
                    let from = match across {
                        true => y * self.width + x.saturating_add_signed(k).min(right),
                        false => y.saturating_add_signed(k).min(bottom) * self.width + x,
                    };
                    for (s, v) in sum.iter_mut().zip(self.pixels[from]) {
                        *s += weight * v;
                    }
                }
                pixels.push(sum);
            }
        }
        Self { pixels, ..*self }
    }

    /// So many times as small: each pixel the mean of a square.
    pub fn shrunk(&self, by: usize) -> Self {
        let (width, height) = (self.width / by, self.height / by);
        let mut small = Self::new(width, height);
        let share = 1.0 / (by * by) as f32;
        for y in 0..height * by {
            for x in 0..width * by {
                let into = &mut small.pixels[(y / by) * width + x / by];
                for (s, v) in into.iter_mut().zip(self.pixels[y * self.width + x]) {
                    *s += v * share;
                }
            }
        }
        small
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_light_and_come_back() {
        let picture = Picture { width: 16, height: 16, rgb: (0..768).map(|i| (i % 256) as u8).collect() };
        let back = Light::of(&picture).picture();
        // The table is coarse only where the eye and the camera's noise are coarser.
        assert!(picture.rgb.iter().zip(&back.rgb).all(|(a, b)| a.abs_diff(*b) <= 1));
        assert!((linear_between(100.5) - (LINEAR[100] + LINEAR[101]) / 2.0).abs() < 1e-6);
    }

    #[test]
    fn blur_keeps_the_light_and_takes_the_edge() {
        let mut light = Light::new(40, 40);
        light.pixels[20 * 40 + 20] = [1.0, 2.0, 3.0];
        let blurred = light.blurred(1.5);
        let sum: f32 = blurred.pixels.iter().map(|p| p[1]).sum();
        assert!((sum - 2.0).abs() < 1e-3 && blurred.pixels[20 * 40 + 20][1] < 0.2, "{sum}");
        let small = light.shrunk(4);
        assert_eq!((small.width, small.height), (10, 10));
        assert!((small.pixels[5 * 10 + 5][2] - 3.0 / 16.0).abs() < 1e-6);
    }
}
