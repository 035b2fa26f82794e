//! A print on paper: what a printer makes of a photograph, and what the light of a room makes of the
//! print. It does not move by itself.

use vultus_vision::image::Point;

use crate::simulation::capture;
use crate::simulation::light::{Light, Pixel, Sampled, luminance};
use crate::simulation::medium::gloss::{Gloss, Sheen};
use crate::simulation::medium::stencil::Stencil;
use crate::simulation::medium::surface::{self, Sheet};
use crate::simulation::medium::wave;
use crate::simulation::random::{Chance, grains};
use crate::simulation::scene::Moment;
use crate::sitter::{DISTANCE, FINE};
use crate::video::Picture;

/// The paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    Matte,
    Glossy,
}

/// What a printer and its ink do to colours.
struct Ink {
    /// What is left of the distance from grey.
    saturation: f32,
    /// Reflectance of full ink and of bare paper.
    black: f32,
    white: Pixel,
    /// Dots grow on paper: the exponent of the tones.
    gain: f32,
    /// Unevenness of dots and fibres, as a share.
    grain: f32,
}

/// Dots of the halftone: lines to the millimetre, and for each colour how many of them one crosses on a
/// millimetre along the lines' own axes.
struct Halftone {
    lines: f32,
    cosines: Pixel,
    sines: Pixel,
}

/// Contrast of the halftone below which it is not worth drawing.
const LEAST_CONTRAST: f32 = 0.002;

/// A print.
pub struct Print {
    /// Reflectance of what is printed.
    picture: Light,
    /// What of the picture is in the middle of the sheet, in frame pixels.
    middle: Point,
    /// Millimetres of paper for one frame pixel.
    magnified: f32,
    /// Millimetres across and down, and of the white margin.
    size: [f32; 2],
    margin: f32,
    white: Pixel,
    halftone: Halftone,
    gloss: Gloss,
    stencil: Stencil,
    /// Light that is left behind a hole.
    through: f32,
}

impl Print {
    /// Prints a photograph that has the view of a sitter's base, with that point of it in the middle of
    /// the sheet.
    pub fn new(photograph: &Picture, middle: Point, finish: Finish, seed: u64) -> Self {
        let mut chance = Chance::new(seed, "print");
        let ink = Ink::new(finish, &mut chance);
        // An A4 sheet or a larger one, with a face that is about as large as a living one.
        let size = chance.pick([[210.0, 297.0], [210.0, 297.0], [297.0, 420.0]]);
        Self {
            picture: ink.printed(photograph, &mut chance),
            middle,
            magnified: chance.between(0.85, 1.1),
            size,
            margin: chance.between(0.0, 7.0),
            white: ink.white,
            halftone: Halftone::new(&mut chance),
            gloss: finish.gloss(&mut chance),
            stencil: Stencil::whole(),
            through: 1.0,
        }
    }

    /// Cut to a stencil, through whose holes only so much of the light gets.
    pub fn cut(self, stencil: Stencil, through: f32) -> Self {
        Self { stencil, through, ..self }
    }

    /// With another size: millimetres across and down, and of paper for one frame pixel.
    pub fn sized(self, size: [f32; 2], magnified: f32) -> Self {
        Self { size, magnified, margin: 0.0, ..self }
    }

    pub fn size(&self) -> [f32; 2] {
        self.size
    }

    pub fn middle(&self) -> Point {
        self.middle
    }

    /// How far it must be held for what it shows to be seen so many times as large as life.
    pub fn distance(&self, apparent: f32) -> f32 {
        DISTANCE * self.magnified / apparent
    }

    pub fn draw(&self, onto: &mut Light, held: [Sheet; 2], moment: &Moment) {
        let pixel_mm = held[0].centre[2] / (DISTANCE * FINE as f32);
        let contrast = capture::seen(self.halftone.lines * pixel_mm, moment.blur);
        let contrast = Some(contrast).filter(|c| c.abs() > LEAST_CONTRAST);
        let picture = self.picture.sampled();
        surface::draw(onto, held, self.size, |stretch, pixels| {
            let sheen = Sheen::of(self.gloss, stretch, moment);
            for (i, pixel) in pixels.iter_mut().enumerate().filter(|(i, _)| stretch.shows(*i)) {
                let place = [stretch.across[i], stretch.down[i]];
                let Some(mut colour) = self.colour(place, picture) else {
                    *pixel = pixel.map(|p| p * self.through);
                    continue;
                };
                if let Some(contrast) = contrast {
                    colour = self.halftone.dotted(colour, place, contrast);
                }
                let (sent, mirrored) = (sheen.sent(i, colour), sheen.mirrored(i));
                *pixel = std::array::from_fn(|c| sent[c] + mirrored[c]);
            }
        });
    }

    /// Reflectance at a place of the paper; None where there is a hole.
    #[inline(always)]
    fn colour(&self, [across, down]: [f32; 2], picture: Sampled<'_>) -> Option<Pixel> {
        let fine = |middle: f32, mm: f32| (middle + mm / self.magnified + 0.5) * FINE as f32 - 0.5;
        let (x, y) = (fine(self.middle.x, across), fine(self.middle.y, down));
        if !self.stencil.is_there(x, y) {
            return None;
        }
        let [right, bottom] = self.size.map(|s| s / 2.0 - self.margin);
        let printed = across.abs() < right && down.abs() < bottom;
        Some(if printed { picture.at([x, y, 0.0, 0.0]) } else { self.white })
    }
}

impl Finish {
    fn gloss(self, chance: &mut Chance) -> Gloss {
        let (peak, width) = match self {
            Self::Matte => (chance.between(0.0, 0.06), chance.between(0.4, 0.7)),
            Self::Glossy => (chance.between(0.3, 1.2), chance.between(0.05, 0.14)),
        };
        Gloss { peak, width, haze: width }
    }
}

impl Ink {
    fn new(finish: Finish, chance: &mut Chance) -> Self {
        let (black, saturation) = match finish {
            Finish::Matte => (chance.between(0.035, 0.06), chance.between(0.66, 0.85)),
            Finish::Glossy => (chance.between(0.012, 0.025), chance.between(0.75, 0.92)),
        };
        // Paper is a little blue from brighteners, or a little yellow.
        let (white, warm) = (chance.between(0.78, 0.9), chance.between(-0.03, 0.03));
        Self {
            saturation,
            black,
            white: [white * (1.0 + warm), white, white * (1.0 - warm), 0.0],
            gain: chance.between(1.03, 1.2),
            grain: chance.between(0.006, 0.015),
        }
    }

    fn printed(&self, photograph: &Picture, chance: &mut Chance) -> Light {
        let mut picture = Light::of(photograph);
        for pixel in &mut picture.pixels {
            let grey = luminance(*pixel);
            let grain = grains(chance.bits());
            for i in 0..3 {
                let mixed = grey + (pixel[i] - grey) * self.saturation;
                let tone = mixed.clamp(0.0, 1.0).powf(self.gain);
                pixel[i] = (self.black + (self.white[i] - self.black) * tone) * (1.0 + self.grain * grain[i]);
            }
        }
        picture
    }
}

impl Halftone {
    /// Coarse as in a newspaper to fine as in a book.
    fn new(chance: &mut Chance) -> Self {
        let lines_per_inch: f32 = chance.pick([45.0, 60.0, 85.0, 106.0, 133.0, 150.0]);
        let lines = lines_per_inch / 25.4;
        // Cyan takes red away, magenta green, yellow blue.
        let angles = [15.0_f32, 75.0, 0.0, 0.0].map(f32::to_radians);
        Self { lines, cosines: angles.map(|a| lines * a.cos()), sines: angles.map(|a| lines * a.sin()) }
    }

    /// A colour with the first harmonic of its dots, of which so much contrast is seen. Half covered
    /// paper has the largest dots.
    #[inline(always)]
    fn dotted(&self, colour: Pixel, [across, down]: [f32; 2], contrast: f32) -> Pixel {
        std::array::from_fn(|i| {
            let along = wave(across * self.cosines[i] + down * self.sines[i]);
            let aside = wave(down * self.cosines[i] - across * self.sines[i]);
            let ink = 1.0 - colour[i].clamp(0.0, 1.0);
            colour[i] + 0.65 * contrast * ink * (1.0 - ink) * (along + aside)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::glow::Glow;
    use crate::simulation::scene::{self, Lamp};
    use crate::sitter::{HEIGHT, MIDDLE, Stance, WIDTH};

    fn red() -> Picture {
        let pixels = (WIDTH * HEIGHT * (FINE * FINE) as u32) as usize;
        let rgb = [230, 20, 20].into_iter().cycle().take(3 * pixels).collect();
        Picture { width: WIDTH * FINE as u32, height: HEIGHT * FINE as u32, rgb }
    }

    fn moment(lamp: &Lamp) -> Moment {
        let glow = Glow::default();
        Moment { at_s: 0.0, prompt: None, lamp: *lamp, readout_s: 0.02, exposure_s: 0.01, blur: 0.6, glow }
    }

    #[test]
    fn paper_is_neither_black_nor_as_colourful_as_life() {
        let print = Print::new(&red(), MIDDLE, Finish::Matte, 3);
        let (mut scene, lamp) = (scene::empty(), Lamp::new(1));
        let held = [Sheet::held(MIDDLE, DISTANCE, Stance::STRAIGHT); 2];
        print.draw(&mut scene, held, &moment(&lamp));
        let [r, g, ..] = scene.pixels[scene.width * scene.height / 2 + scene.width / 2];
        let live = Light::of(&red()).pixels[0];
        assert!(g > 0.03 && r / g < 0.7 * live[0] / live[1], "{r} {g}");
        assert_eq!(scene.pixels[0], [0.0; 4], "nothing beside the sheet");
    }

    #[test]
    fn glossy_paper_mirrors_the_lamp_when_it_is_held_so() {
        let lamp = Lamp::new(4);
        let brightest = |finish| {
            let print = Print::new(&red(), MIDDLE, finish, 5).sized([210.0, 297.0], 1.0);
            let turned = |yaw, pitch| {
                let mut scene = scene::empty();
                let held = Sheet::held(MIDDLE, DISTANCE, Stance { yaw, pitch, ..Stance::STRAIGHT });
                print.draw(&mut scene, [held; 2], &moment(&lamp));
                scene.pixels.iter().map(|p| p[1]).fold(0.0, f32::max)
            };
            let tilts = [(-12.0, 0.0), (0.0, 0.0), (12.0, 0.0), (0.0, 12.0), (-12.0, 12.0), (12.0, 12.0)];
            tilts.map(|(yaw, pitch)| turned(yaw, pitch)).into_iter().fold(0.0, f32::max)
        };
        assert!(brightest(Finish::Glossy) > brightest(Finish::Matte) + 0.1);
    }
}
