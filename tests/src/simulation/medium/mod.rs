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

/// Sine of so many turns, to a thousandth, without a library's precision and time.
pub fn wave(turns: f32) -> f32 {
    // Two parabolas, then their square's share: the error of the first step nearly cancels.
    let shifted = turns + 0.5;
    // Rounded by hand: without SSE 4.1, `floor` is a call.
    let cut = shifted as i32 as f32;
    let x = turns - if cut > shifted { cut - 1.0 } else { cut };
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
