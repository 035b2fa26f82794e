//! A picture in linear light: numbers proportional to what falls on a sensor, and how the bytes of sRGB
//! become them and are made of them. It knows nothing of cameras.

use std::sync::LazyLock;

use crate::video::Picture;

/// Red, green and blue, and a fourth number that means nothing: four are what a processor handles at once.
pub type Pixel = [f32; 4];

/// Rows of red, green, blue from the top left. 1 is the white of a photograph; nothing keeps light
/// below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Light {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<Pixel>,
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
    #[inline]
    pub fn byte(&self, light: f32) -> u8 {
        self.0[Self::step(light) as usize]
    }

    /// Where in the table a light is.
    #[inline(always)]
    pub fn step(light: f32) -> u16 {
        (between(light, 0.0, 1.0) * (STEPS - 1) as f32 + ROUNDING).to_bits() as u16 % STEPS as u16
    }

    /// The byte there.
    #[inline(always)]
    pub fn byte_at(&self, step: u16) -> u8 {
        self.0[usize::from(step) % STEPS]
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
#[inline]
pub fn luminance([r, g, b, _]: Pixel) -> f32 {
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

/// A colour as a pixel.
pub fn pixel([r, g, b]: [f32; 3]) -> Pixel {
    [r, g, b, 0.0]
}

/// From one pixel so far to another.
#[inline(always)]
pub fn mixed(from: Pixel, to: Pixel, share: f32) -> Pixel {
    std::array::from_fn(|i| from[i] + (to[i] - from[i]) * share)
}

/// Added to a number below two millions that is not negative, it leaves the nearest whole number in the
/// last bits. The processors for which this is built have no faster way.
pub const ROUNDING: f32 = 12_582_912.0;
const WHOLE: u32 = 0x003f_ffff;

/// `f32::clamp` in as few instructions as there can be; what is no number becomes `low`.
#[inline(always)]
fn between(value: f32, low: f32, high: f32) -> f32 {
    let value = if value > low { value } else { low };
    if value < high { value } else { high }
}

/// How near to the last pixel of a row one may come: so there is always a next.
const LAST: f32 = 1.001;

/// A picture to be looked up between its pixels.
#[derive(Clone, Copy)]
pub struct Sampled<'a> {
    pixels: &'a [Pixel],
    width: usize,
    last: Pixel,
}

impl Sampled<'_> {
    /// Fetches what will be looked up soon.
    #[inline(always)]
    pub fn touch(&self, place: Pixel, rows: f32) -> f32 {
        let (x, y) = (between(place[0], 0.0, self.last[0]), between(place[1] + rows, 0.0, self.last[1]));
        let at = ((y + ROUNDING).to_bits() & WHOLE) as usize;
        let at = at.wrapping_mul(self.width).wrapping_add(((x + ROUNDING).to_bits() & WHOLE) as usize);
        self.pixels[at][0]
    }

    /// The colour between four pixels, at an x and a y; beyond the edge the edge goes on.
    #[inline(always)]
    pub fn at(&self, place: Pixel) -> Pixel {
        // All four at once, though two are of no use: that is faster than each by itself.
        let place: Pixel = std::array::from_fn(|i| between(place[i], 0.0, self.last[i]));
        let whole = place.map(|at| at - 0.5 + ROUNDING);
        let part: Pixel = std::array::from_fn(|i| place[i] - (whole[i] - ROUNDING));
        let [left, top, ..] = whole.map(|at| (at.to_bits() & WHOLE) as usize);
        let at = top.wrapping_mul(self.width).wrapping_add(left);
        let (upper, lower) = (&self.pixels[at..][..2], &self.pixels[at.wrapping_add(self.width)..][..2]);
        mixed(mixed(upper[0], upper[1], part[0]), mixed(lower[0], lower[1], part[0]), part[1])
    }
}

impl Light {
    /// Darkness.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![[0.0; 4]; width * height] }
    }

    pub fn of(picture: &Picture) -> Self {
        Self::by(picture, |byte| LINEAR[usize::from(byte)])
    }

    /// The bytes themselves as numbers.
    pub fn numbers_of(picture: &Picture) -> Self {
        Self::by(picture, f32::from)
    }

    fn by(picture: &Picture, number: impl Fn(u8) -> f32) -> Self {
        let pixel = |p: &[u8]| [number(p[0]), number(p[1]), number(p[2]), 0.0];
        let pixels = picture.rgb.chunks_exact(3).map(pixel).collect();
        Self { width: picture.width as usize, height: picture.height as usize, pixels }
    }

    /// As sRGB, without a camera.
    pub fn picture(&self) -> Picture {
        let tone = Tone::srgb();
        let mut rgb = vec![0; 3 * self.pixels.len()];
        for (bytes, pixel) in rgb.chunks_exact_mut(3).zip(&self.pixels) {
            for (byte, light) in bytes.iter_mut().zip(pixel) {
                *byte = tone.byte(*light);
            }
        }
        Picture { width: self.width as u32, height: self.height as u32, rgb }
    }

    pub fn row(&self, y: usize) -> &[Pixel] {
        &self.pixels[y * self.width..(y + 1) * self.width]
    }

    pub fn row_mut(&mut self, y: usize) -> &mut [Pixel] {
        &mut self.pixels[y * self.width..(y + 1) * self.width]
    }

    /// To be looked up between its pixels. There must be two rows and two columns.
    #[inline]
    pub fn sampled(&self) -> Sampled<'_> {
        let last = [self.width, self.height, 2, 2].map(|count| count as f32 - LAST);
        Sampled { pixels: &self.pixels, width: self.width, last }
    }

    /// One such colour.
    pub fn sample(&self, x: f32, y: f32) -> Pixel {
        self.sampled().at([x, y, 0.0, 0.0])
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
                let mut sum = [0.0f32; 4];
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
    fn between_pixels_is_their_mix_and_beyond_the_edge_the_edge() {
        let value = |i: usize| [(i % 8) as f32, (i / 8) as f32, 1.0, 0.0];
        let light = Light { width: 8, height: 5, pixels: (0..40).map(value).collect() };
        for (x, y) in [(0.0, 0.0), (3.0, 2.0), (2.25, 1.5), (6.999, 3.001), (0.49, 0.51), (0.5, 3.5)] {
            let [across, down, ..] = light.sample(x, y);
            assert!((across - x).abs() < 1e-4 && (down - y).abs() < 1e-4, "{x}, {y}: {across}, {down}");
        }
        let ([left, top, ..], [right, bottom, ..]) = (light.sample(-9.0, f32::NAN), light.sample(9.0, 1e9));
        assert!(left == 0.0 && top == 0.0 && (right - 7.0).abs() < 0.01 && (bottom - 4.0).abs() < 0.01);
    }

    #[test]
    fn blur_keeps_the_light_and_takes_the_edge() {
        let mut light = Light::new(40, 40);
        light.pixels[20 * 40 + 20] = [1.0, 2.0, 3.0, 0.0];
        let blurred = light.blurred(1.5);
        let sum: f32 = blurred.pixels.iter().map(|p| p[1]).sum();
        assert!((sum - 2.0).abs() < 1e-3 && blurred.pixels[20 * 40 + 20][1] < 0.2, "{sum}");
        let small = light.shrunk(4);
        assert_eq!((small.width, small.height), (10, 10));
        assert!((small.pixels[5 * 10 + 5][2] - 3.0 / 16.0).abs() < 1e-6);
    }
}
