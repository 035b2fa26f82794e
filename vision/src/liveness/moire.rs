//! Interference between a display's or a print's grid and the sensor's: narrow peaks in the spectrum of the
//! face, where skin has none. It sees no grid that lens or distance have blurred away, and says nothing of
//! where the picture comes from.
//!
//! Unit: decibels of the strongest peak over the median power near it. Noise alone has peaks too: the
//! largest of some thousand bins of white noise lies about 11 dB over their median (the logarithm of their
//! number over that of two). Only the middle of the face is looked at, at the picture's own resolution.
//!
//! Measured: docs/liveness.md

use crate::image::Image;
use crate::liveness::Suspicion;
use crate::liveness::fit::median;
use crate::liveness::light::luma;
use crate::liveness::spectrum::{Spectrum, Square, middle};
use crate::observe::FaceView;

/// Sides of the square, each with the pixels between the eyes from which on all of it shows face.
const SIDES: [(usize, f32); 2] = [(128, 56.0), (64, 28.0)];
/// Cycles a pixel. Below, a face has structure of its own; above, only the corners of the spectrum are left.
const FREQUENCIES: std::ops::RangeInclusive<f32> = 0.1..=0.5;
/// Side of the cells whose medians stand for the power nearby, in bins.
const CELL: usize = 8;
/// Side of the blocks in which MJPEG compresses, in pixels, and the bins on either side of their frequencies
/// that are theirs: a peak of the fading window is as wide.
const BLOCK: usize = 8;
const WIDTH: usize = 2;
/// Whitened power below that of a picture's rounding to whole levels.
const FLOOR: f32 = 1.0;

/// None where the face is too small for a square.
pub fn measure(image: &Image, view: &FaceView) -> Option<Suspicion> {
    let distance = view.mesh.eye_distance();
    let (side, _) = SIDES.into_iter().find(|&(_, least)| distance >= least)?;
    let square = Square::around(image, middle(&view.mesh), side)?;
    // Colour stripes of a display interfere in colour first.
    let numbers: [fn([f32; 3]) -> f32; 3] = [luma, |[r, g, _]| r - g, |[_, g, b]| b - g];
    let peaks = numbers.map(|number| peak(&Spectrum::of(image, square, number)));
    Some(Suspicion(peaks.into_iter().fold(0.0, f32::max)))
}

/// The strongest bin over the median around it, in decibels.
fn peak(spectrum: &Spectrum) -> f32 {
    let (rows, columns) = (spectrum.side() / CELL, spectrum.side() / 2 / CELL);
    let cells: Vec<Option<Cell>> =
        (0..rows * columns).map(|at| Cell::of(spectrum, at % columns, at / columns)).collect();
    let near = |column: usize, row: usize| {
        // Frequencies down the picture wrap around; those across end at half of the spectrum.
        let rows_near = [row + rows - 1, row, row + 1].map(|r| r % rows);
        let columns_near = column.saturating_sub(1)..=(column + 1).min(columns - 1);
        let medians = rows_near.into_iter().flat_map(|r| columns_near.clone().map(move |c| (c, r)));
        median(medians.filter_map(|(c, r)| cells[r * columns + c].as_ref()).map(|c| c.median).collect())
    };
    let ratio = |at: usize| {
        let cell = cells[at].as_ref()?;
        let around = near(at % columns, at / columns)?;
        Some(10.0 * ((cell.most + FLOOR) / (around + FLOOR)).log10())
    };
    (0..rows * columns).filter_map(ratio).fold(0.0, f32::max)
}

/// A small part of the spectrum, whitened: natural pictures fall by the square of the frequency.
struct Cell {
    median: f32,
    most: f32,
}

impl Cell {
    /// None where too few of its bins count.
    fn of(spectrum: &Spectrum, column: usize, row: usize) -> Option<Self> {
        let bins = (0..CELL * CELL).map(|at| (column * CELL + at % CELL, row * CELL + at / CELL));
        let counted = bins.filter(|&(across, down)| counts(spectrum, across, down));
        let powers: Vec<f32> = counted
            .map(|(across, down)| spectrum.power(across, down) * spectrum.radius(across, down).powi(2))
            .collect();
        let most = powers.iter().copied().fold(0.0, f32::max);
        (powers.len() >= CELL).then_some(powers).and_then(median).map(|median| Self { median, most })
    }
}

/// Whether a bin may hold a peak of a grid. Compression leaves peaks of its own, on both axes at multiples
/// of one cycle a block: a grid that lies exactly there is not seen.
fn counts(spectrum: &Spectrum, across: usize, down: usize) -> bool {
    let near = |cycles: usize, step: usize| (cycles % step).min(step - cycles % step) <= WIDTH;
    let (side, step) = (spectrum.side(), spectrum.side() / BLOCK);
    let compression = near(across, step) && near(down, side) || near(across, side) && near(down, step);
    FREQUENCIES.contains(&spectrum.radius(across, down)) && !compression
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Point;
    use crate::liveness::fixtures::{facing, noise, picture};

    /// Skin by formula: shading and noise, and something on top.
    fn suspicion(eye_distance: f32, more: impl Fn(f32, f32) -> [f32; 3]) -> Option<f32> {
        let image = picture(320, 240, |x, y| {
            let shade = 130.0 + 40.0 * (x as f32 / 40.0).sin() + 20.0 * (y as f32 / 25.0).cos();
            let top = more(x as f32, y as f32);
            [0, 1, 2].map(|c| shade + 4.0 * noise(3 * x + c, y) + top[c])
        });
        measure(&image, &facing(Point::new(160.0, 90.0), eye_distance)).map(|s| s.0)
    }

    fn grid(x: f32, y: f32) -> f32 {
        8.0 * ((x + 0.1 * y) * std::f32::consts::TAU / 3.7).cos()
    }

    #[test]
    fn noise_and_shading_have_no_narrow_peak() {
        for eye_distance in [40.0, 60.0] {
            let plain = suspicion(eye_distance, |_, _| [0.0; 3]).unwrap();
            assert!((5.0..20.0).contains(&plain), "{plain} dB");
        }
    }

    #[test]
    fn a_fine_grid_stands_out() {
        for eye_distance in [40.0, 60.0] {
            let screen = suspicion(eye_distance, |x, y| [grid(x, y); 3]).unwrap();
            assert!(screen > 25.0, "{screen} dB");
        }
    }

    #[test]
    fn so_does_one_that_is_in_the_colour_only() {
        // The same luma: 0.299 of red against 0.587 of green.
        let stripes = |x: f32, y: f32| [1.963 * grid(x, y), -grid(x, y), 0.0];
        assert!(suspicion(60.0, stripes).unwrap() > 25.0);
    }

    #[test]
    fn the_blocks_of_compression_do_not() {
        let block = |x: f32, y: f32| [if x % 8.0 == 0.0 || y % 8.0 == 0.0 { 6.0 } else { 0.0 }; 3];
        let sum = |x: f32, y: f32| {
            let lines = [x, y].map(|along| if along % 8.0 == 0.0 { 6.0 } else { 0.0 });
            [lines[0] + lines[1]; 3]
        };
        assert!(suspicion(60.0, sum).unwrap() < 20.0);
        // Where lines cross, a little more is left than on the axes: it must not look like a grid either.
        assert!(suspicion(60.0, block).unwrap() < 25.0);
    }

    #[test]
    fn a_small_face_is_not_judged() {
        assert_eq!(suspicion(20.0, |_, _| [0.0; 3]), None);
    }
}
