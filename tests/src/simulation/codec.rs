//! What JPEG leaves of a picture, without writing one: its squares of eight as waves, rounded as the
//! standard's tables say for a quality. What a codec does without loss is left out, since only time
//! would come of it.

#![expect(clippy::needless_range_loop, reason = "several rows are read by the same number")]

use crate::simulation::light::ROUNDING;
use crate::video::Picture;

/// Eight numbers beside each other, and eight such rows.
type Row = [f32; 8];
type Square = [Row; 8];

/// The standard's tables K.1 and K.2: how coarsely the waves of brightness are rounded, and those of
/// colour.
const LUMA: [[u32; 8]; 8] = [
    [16, 11, 10, 16, 24, 40, 51, 61],
    [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77],
    [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101],
    [72, 92, 95, 98, 112, 100, 103, 99],
];
const CHROMA: [[u32; 8]; 8] = [
    [17, 18, 24, 47, 99, 99, 99, 99],
    [18, 21, 26, 66, 99, 99, 99, 99],
    [24, 26, 56, 99, 99, 99, 99, 99],
    [47, 66, 99, 99, 99, 99, 99, 99],
    [99; 8],
    [99; 8],
    [99; 8],
    [99; 8],
];

/// Half the cosine of so many sixteenths of half a turn.
const C: [f32; 8] =
    [0.5, 0.490_392_64, 0.461_939_77, 0.415_734_8, 0.353_553_4, 0.277_785_12, 0.191_341_72, 0.097_545_16];

/// A codec of one quality.
pub struct Codec {
    luma: Square,
    chroma: Square,
}

impl Codec {
    /// From 1 to 100.
    pub fn new(quality: u8) -> Self {
        let quality = u32::from(quality.clamp(1, 100));
        let scale = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
        let step = |of: u32| ((of * scale + 50) / 100).clamp(1, 255) as f32;
        let table = |of: [[u32; 8]; 8]| transposed(&of.map(|row| row.map(step)));
        Self { luma: table(LUMA), chroma: table(CHROMA) }
    }

    /// There and back again.
    pub fn pass(&self, picture: &mut Picture) {
        let (width, height) = (picture.width as usize, picture.height as usize);
        for top in (0..height).step_by(8) {
            for left in (0..width).step_by(8) {
                let mut planes = taken(picture, left, top);
                for (plane, steps) in planes.iter_mut().zip([&self.luma, &self.chroma, &self.chroma]) {
                    round(plane, steps);
                }
                put(picture, left, top, &planes);
            }
        }
    }
}

/// One square of a picture as brightness and two differences of colour; beyond the edge the edge goes
/// on.
fn taken(picture: &Picture, left: usize, top: usize) -> [Square; 3] {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let mut planes = [[[0.0; 8]; 8]; 3];
    for y in 0..8 {
        let row = (top + y).min(height - 1) * width;
        let mut rgb = [[0.0; 8]; 3];
        for x in 0..8 {
            let at = 3 * (row + (left + x).min(width - 1));
            let bytes = &picture.rgb[at..][..3];
            for (plane, byte) in rgb.iter_mut().zip(bytes) {
                plane[x] = f32::from(*byte);
            }
        }
        for x in 0..8 {
            let [r, g, b] = [rgb[0][x], rgb[1][x], rgb[2][x]];
            planes[0][y][x] = whole(0.299 * r + 0.587 * g + 0.114 * b) - 128.0;
            planes[1][y][x] = whole(0.5 * b - 0.168_74 * r - 0.331_26 * g);
            planes[2][y][x] = whole(0.5 * r - 0.418_69 * g - 0.081_31 * b);
        }
    }
    planes
}

/// Puts such a square back, as far as there is a picture.
fn put(picture: &mut Picture, left: usize, top: usize, planes: &[Square; 3]) {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let many = (width - left).min(8);
    for y in 0..(height - top).min(8) {
        let mut rgb = [[0; 8]; 3];
        for x in 0..8 {
            let light = whole(planes[0][y][x] + 128.0).clamp(0.0, 255.0);
            let [blue, red] = [planes[1][y][x], planes[2][y][x]].map(|c| whole(c).clamp(-128.0, 127.0));
            rgb[0][x] = (light + 1.402 * red + 0.5) as u8;
            rgb[1][x] = (light - 0.344_136 * blue - 0.714_136 * red + 0.5) as u8;
            rgb[2][x] = (light + 1.772 * blue + 0.5) as u8;
        }
        let at = 3 * ((top + y) * width + left);
        for (x, pixel) in picture.rgb[at..][..3 * many].chunks_exact_mut(3).enumerate() {
            pixel.copy_from_slice(&[rgb[0][x], rgb[1][x], rgb[2][x]]);
        }
    }
}

/// The nearest whole number, of fewer than a million.
#[inline(always)]
fn whole(x: f32) -> f32 {
    x + ROUNDING - ROUNDING
}

/// Rounds the waves of a square by such steps, whose rows go down.
fn round(square: &mut Square, steps: &Square) {
    to_waves(square);
    *square = transposed(square);
    to_waves(square);
    for (row, steps) in square.iter_mut().zip(steps) {
        for (wave, step) in row.iter_mut().zip(steps) {
            // Codecs cut before they divide, and halves, which that makes often, go away from nothing.
            let shares = *wave as i32 as f32 / step;
            *wave = (shares + 0.5_f32.copysign(shares)) as i32 as f32 * step;
        }
    }
    from_waves(square);
    *square = transposed(square);
    from_waves(square);
}

fn transposed(square: &Square) -> Square {
    std::array::from_fn(|y| std::array::from_fn(|x| square[x][y]))
}

/// Each column as the waves of the cosine transform, from the longest to the shortest.
fn to_waves(square: &mut Square) {
    for i in 0..8 {
        let at = |k: usize| square[k][i];
        let [s0, s1, s2, s3] = [at(0) + at(7), at(1) + at(6), at(2) + at(5), at(3) + at(4)];
        let [d0, d1, d2, d3] = [at(0) - at(7), at(1) - at(6), at(2) - at(5), at(3) - at(4)];
        square[0][i] = C[4] * (s0 + s3 + (s1 + s2));
        square[4][i] = C[4] * (s0 + s3 - (s1 + s2));
        square[2][i] = C[2] * (s0 - s3) + C[6] * (s1 - s2);
        square[6][i] = C[6] * (s0 - s3) - C[2] * (s1 - s2);
        square[1][i] = C[1] * d0 + C[3] * d1 + C[5] * d2 + C[7] * d3;
        square[3][i] = C[3] * d0 - C[7] * d1 - C[1] * d2 - C[5] * d3;
        square[5][i] = C[5] * d0 - C[1] * d1 + C[7] * d2 + C[3] * d3;
        square[7][i] = C[7] * d0 - C[5] * d1 + C[3] * d2 - C[1] * d3;
    }
}

/// The way back.
fn from_waves(square: &mut Square) {
    for i in 0..8 {
        let [w0, w1, w2, w3, w4, w5, w6, w7]: [f32; 8] = std::array::from_fn(|k| square[k][i]);
        let (sum, less) = (C[4] * (w0 + w4), C[4] * (w0 - w4));
        let (outer, inner) = (C[2] * w2 + C[6] * w6, C[6] * w2 - C[2] * w6);
        let even = [sum + outer, less + inner, less - inner, sum - outer];
        let odd = [
            C[1] * w1 + C[3] * w3 + C[5] * w5 + C[7] * w7,
            C[3] * w1 - C[7] * w3 - C[1] * w5 - C[5] * w7,
            C[5] * w1 - C[1] * w3 + C[7] * w5 + C[3] * w7,
            C[7] * w1 - C[5] * w3 + C[3] * w5 - C[1] * w7,
        ];
        for k in 0..4 {
            square[k][i] = even[k] + odd[k];
            square[7 - k][i] = even[k] - odd[k];
        }
    }
}

#[cfg(test)]
mod tests {
    use image::codecs::jpeg::JpegEncoder;
    use image::{ExtendedColorType, ImageFormat};

    use super::*;
    use crate::simulation::random::Chance;

    /// Something with edges, slopes and noise.
    fn picture(width: u32, height: u32) -> Picture {
        let mut chance = Chance::new(1, "codec");
        let pixel = |i: u32| {
            let (x, y) = (i % width, i / width);
            let square = if (x / 20 + y / 13) % 2 == 0 { 60.0 } else { 0.0 };
            [40.0 + x as f32 + square, 200.0 - y as f32, 90.0 + square]
                .map(|v| (v + 6.0 * chance.normal()).clamp(0.0, 255.0) as u8)
        };
        Picture { width, height, rgb: (0..width * height).flat_map(pixel).collect() }
    }

    #[test]
    fn it_loses_what_a_real_codec_loses() {
        for (quality, width, height) in [(80, 96, 64), (93, 96, 64), (85, 61, 43)] {
            let before = picture(width, height);
            let mut bytes = Vec::new();
            let mut encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
            encoder.encode(&before.rgb, width, height, ExtendedColorType::Rgb8).unwrap();
            let real = image::load_from_memory_with_format(&bytes, ImageFormat::Jpeg).unwrap();
            let real = real.into_rgb8().into_raw();
            let mut own = before.clone();
            Codec::new(quality).pass(&mut own);
            let apart = |other: &[u8]| {
                let all = real.iter().zip(other).map(|(a, b)| f32::from(a.abs_diff(*b)));
                all.sum::<f32>() / real.len() as f32
            };
            let (own, before) = (apart(&own.rgb), apart(&before.rgb));
            assert!(own < 0.25 * before, "{quality}: {own} {before}");
        }
    }
}
