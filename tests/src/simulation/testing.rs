//! What the tests of the simulation share: three sitters, and how much a picture ripples.

use std::sync::LazyLock;

use crate::films;
use crate::pictures::Photograph;
use crate::sitter::Sitter;
use crate::video::Picture;

static SITTERS: LazyLock<[Sitter; 3]> = LazyLock::new(|| {
    let observer = films::observer().expect("the models, which set-up fetches");
    [Photograph::FirstOfA, Photograph::PersonB, Photograph::PersonC]
        .map(|which| films::sitter(&observer, which).expect("a face in the photograph"))
});

pub fn sitters() -> &'static [Sitter; 3] {
    &SITTERS
}

/// Columns of the middle of a picture whose spectrum is looked at, and the rows.
const COLUMNS: usize = 256;
const ROWS: usize = 128;

/// The highest peak of the horizontal spectrum of a picture's middle over the median of what is around
/// it. A regular grid makes a peak; faces and noise make none.
pub fn ripple(picture: &Picture) -> f32 {
    let power = power(picture);
    let around = 8;
    let over = |k: usize| {
        let mut near = power[k - around..=k + around].to_vec();
        near.sort_by(f32::total_cmp);
        power[k] / near[around].max(1e-9)
    };
    (20..COLUMNS / 2 - around - 1).map(over).fold(0.0, f32::max)
}

/// Mean power of the red of some rows by frequency, in waves a window. Red has the fewest photosites.
fn power(picture: &Picture) -> Vec<f32> {
    let tau = std::f32::consts::TAU;
    let (left, top) = ((picture.width as usize - COLUMNS) / 2, (picture.height as usize - ROWS) / 2);
    // Without an edge at the window's ends.
    let window = |x: usize| 0.5 - 0.5 * (tau * x as f32 / COLUMNS as f32).cos();
    let turns: Vec<(f32, f32)> = (0..COLUMNS).map(|i| (tau * i as f32 / COLUMNS as f32).sin_cos()).collect();
    let mut power = vec![0.0f32; COLUMNS / 2];
    for y in top..top + ROWS {
        let at = |x: usize| f32::from(picture.rgb[(y * picture.width as usize + left + x) * 3]);
        let mean = (0..COLUMNS).map(at).sum::<f32>() / COLUMNS as f32;
        let row: Vec<f32> = (0..COLUMNS).map(|x| (at(x) - mean) * window(x)).collect();
        for (k, sum) in power.iter_mut().enumerate() {
            let (mut sine, mut cosine) = (0.0, 0.0);
            for (x, value) in row.iter().enumerate() {
                let (s, c) = turns[k * x % COLUMNS];
                sine += value * s;
                cosine += value * c;
            }
            *sum += sine * sine + cosine * cosine;
        }
    }
    power
}
