//! The power spectrum of a square of a picture at the picture's own resolution. It resamples nothing, since
//! what is looked for is in the pixels as the sensor gave them, and it judges nothing.

use std::f32::consts::TAU;

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use crate::image::{Image, Point};
use crate::mesh::{Mesh, index};

/// A square within a picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Square {
    left: usize,
    top: usize,
    side: usize,
}

impl Square {
    /// The square around a point, moved so that it lies in the picture. None where the picture is smaller.
    pub(super) fn around(image: &Image, centre: Point, side: usize) -> Option<Self> {
        let across = (image.width() as usize).checked_sub(side)?;
        let down = (image.height() as usize).checked_sub(side)?;
        let first =
            |middle: f32, most: usize| (middle - side as f32 / 2.0).round().clamp(0.0, most as f32) as usize;
        Some(Self { left: first(centre.x, across), top: first(centre.y, down), side })
    }

    /// One number a pixel, in rows.
    fn numbers(self, image: &Image, of: impl Fn([f32; 3]) -> f32) -> Vec<f32> {
        let pixel = |at: usize| {
            let (x, y) = (self.left + at % self.side, self.top + at / self.side);
            of(image.pixel(x as i64, y as i64).map(f32::from))
        };
        (0..self.side * self.side).map(pixel).collect()
    }
}

/// The middle of a face: half-way from the middle between the eyes to the middle of the mouth.
pub(super) fn middle(mesh: &Mesh) -> Point {
    let [left, right] = mesh.eye_centres();
    let mouth = mesh.at(index::MOUTH_LEFT).midway(mesh.at(index::MOUTH_RIGHT));
    left.midway(right).midway(mouth)
}

/// Power by whole cycles across and down the square; counts above half of the side are negative frequencies.
pub(super) struct Spectrum {
    side: usize,
    power: Vec<f32>,
}

impl Spectrum {
    /// Of one number a pixel. The mean is taken off, and the square fades out to its border (Hann), which
    /// would be an edge otherwise.
    pub(super) fn of(image: &Image, square: Square, number: impl Fn([f32; 3]) -> f32) -> Self {
        let side = square.side;
        let numbers = square.numbers(image, number);
        let mean = numbers.iter().sum::<f32>() / numbers.len().max(1) as f32;
        let fade: Vec<f32> =
            (0..side).map(|i| 0.5 - 0.5 * (TAU * (i as f32 + 0.5) / side as f32).cos()).collect();
        let faded =
            |(at, n): (usize, &f32)| Complex::new((n - mean) * fade[at % side] * fade[at / side], 0.0);
        let plane: Vec<Complex<f32>> = numbers.iter().enumerate().map(faded).collect();
        let power = transformed(plane, side).iter().map(|c| c.norm_sqr()).collect();
        Self { side, power }
    }

    pub(super) fn side(&self) -> usize {
        self.side
    }

    pub(super) fn power(&self, across: usize, down: usize) -> f32 {
        self.power[down * self.side + across]
    }

    /// Cycles a pixel along one axis, 0 to 0.5.
    pub(super) fn frequency(&self, cycles: usize) -> f32 {
        cycles.min(self.side - cycles) as f32 / self.side as f32
    }

    /// Cycles a pixel, whatever the direction.
    pub(super) fn radius(&self, across: usize, down: usize) -> f32 {
        self.frequency(across).hypot(self.frequency(down))
    }

    /// The power at all frequencies in a ring, `from` and below `to`, in cycles a pixel.
    pub(super) fn ring(&self, from: f32, to: f32) -> Vec<f32> {
        let square = |cycles: usize| self.frequency(cycles).powi(2);
        let within =
            |at: &usize| (from * from..to * to).contains(&(square(at % self.side) + square(at / self.side)));
        (0..self.side * self.side).filter(within).map(|at| self.power[at]).collect()
    }
}

/// The Fourier transform in two dimensions: of the rows, then of the columns.
fn transformed(mut plane: Vec<Complex<f32>>, side: usize) -> Vec<Complex<f32>> {
    let transform = FftPlanner::<f32>::new().plan_fft_forward(side);
    transform.process(&mut plane);
    let mut columns = transposed(&plane, side);
    transform.process(&mut columns);
    transposed(&columns, side)
}

fn transposed(plane: &[Complex<f32>], side: usize) -> Vec<Complex<f32>> {
    (0..side * side).map(|at| plane[at % side * side + at / side]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::fixtures;
    use crate::liveness::light::luma;

    #[test]
    fn a_wave_has_its_power_at_its_own_frequency() {
        let wave = |x: usize, y: usize| [128.0 + 50.0 * (TAU * (5 * x + 9 * y) as f32 / 64.0).cos(); 3];
        let image = fixtures::picture(64, 64, wave);
        let square = Square::around(&image, Point::new(32.0, 32.0), 64).unwrap();
        let spectrum = Spectrum::of(&image, square, luma);
        let strongest = (0..64 * 33)
            .map(|at| (at % 33, at / 33))
            .max_by(|a, b| spectrum.power(a.0, a.1).total_cmp(&spectrum.power(b.0, b.1)));
        assert_eq!(strongest, Some((5, 9)));
        assert!((spectrum.radius(5, 9) - 5f32.hypot(9.0) / 64.0).abs() < 1e-6);
        assert_eq!(spectrum.frequency(63), 1.0 / 64.0);
    }

    #[test]
    fn a_square_is_moved_into_the_picture() {
        let image = fixtures::picture(100, 80, |_, _| [0.0; 3]);
        let around = |x: f32, y: f32| Square::around(&image, Point::new(x, y), 64);
        assert_eq!(around(0.0, 79.0), Some(Square { left: 0, top: 16, side: 64 }));
        assert_eq!(around(50.0, 40.0), Some(Square { left: 18, top: 8, side: 64 }));
        assert_eq!(Square::around(&image, Point::new(50.0, 40.0), 96), None);
    }
}
