//! What attackers hold before the camera, one file each: paper, screens, masks, and the head that a
//! computer draws. Media show a picture that was taken before; none of them knows of prompts or of
//! time.

pub mod gloss;
pub mod hands;
pub mod mask;
pub mod print;
pub mod rendered_head;
pub mod screen;
pub mod stencil;
pub mod surface;

use crate::simulation::light::ROUNDING;

/// Sine of so many turns, fewer than a million, to a thousandth, without a library's precision and
/// time.
#[inline(always)]
pub fn wave(turns: f32) -> f32 {
    // Two parabolas, then their square's share: the error of the first step nearly cancels.
    let x = turns - (turns + ROUNDING - ROUNDING);
    let y = 8.0 * x * (1.0 - 2.0 * x.abs());
    y + 0.225 * (y * y.abs() - y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waves_are_sines() {
        for i in -300..300 {
            let turns = i as f32 / 97.0;
            assert!((wave(turns) - (std::f32::consts::TAU * turns).sin()).abs() < 2e-3, "{turns}");
        }
    }
}
