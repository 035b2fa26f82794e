//! A screen that shows pictures: its light, its grid of dots, its glass and its frame, as a camera
//! meets them. It does not decide what it shows.

use std::f32::consts::PI;

use vultus_vision::image::Point;

use crate::simulation::capture;
use crate::simulation::light::{Light, luminance};
use crate::simulation::medium::gloss::{self, Gloss};
use crate::simulation::medium::surface::{self, Hit, Sheet};
use crate::simulation::medium::wave;
use crate::simulation::random::Chance;
use crate::simulation::scene::Moment;
use crate::sitter::{DISTANCE, FINE, HEIGHT, lit};
use crate::video::Picture;

/// Contrast of the grid below which it is not worth drawing.
const LEAST_CONTRAST: f32 = 0.002;
/// Share of a dot's width that each of its three colours takes, and of its height.
const STRIPE: f32 = 0.27;
const STRIPE_HEIGHT: f32 = 0.88;
/// Where the colours' middles are, in dots.
const STRIPES: [f32; 3] = [1.0 / 6.0, 0.5, 5.0 / 6.0];
/// Seconds for which a screen shows one picture of a video.
const PERIOD_S: f32 = 1.0 / 30.0;

/// How a screen's light comes and goes.
struct Backlight {
    hertz: f32,
    /// Share of the time that it is on, and how much darker it is in the rest.
    duty: f32,
    depth: f32,
}

/// A screen.
pub struct Screen {
    /// Millimetres across and down, of what shines.
    size: [f32; 2],
    /// What does not shine around it, its colour, and the radius of its corners.
    bezel: f32,
    bezel_colour: [f32; 3],
    corner: f32,
    /// Millimetres from dot to dot.
    pitch: f32,
    /// Millimetres from the top to the bottom of what is shown.
    shown_mm: f32,
    /// Light of each byte.
    tone: Vec<f32>,
    /// Colour of white, and how much more or less colourful than sRGB it is.
    white: [f32; 3],
    saturation: f32,
    /// Light of black.
    black: f32,
    backlight: Backlight,
    gloss: Gloss,
    /// The room before the screen, blurred, and how much of it the glass mirrors.
    room: Light,
    mirrors: f32,
    /// How the screen's pictures and the camera's drift apart, in pictures a second, and where they
    /// begin.
    beat: f32,
    phase: f32,
    shown: Option<Picture>,
    content: Light,
}

impl Screen {
    /// A telephone that is held upright. It mirrors that room.
    pub fn phone(room: &Light, seed: u64) -> Self {
        let mut chance = Chance::new(seed, "phone");
        let height = chance.between(138.0, 160.0);
        let inch = chance.between(300.0, 460.0);
        // Some switch their light as fast as the eye needs, some much faster than a camera sees.
        let backlight = Backlight {
            hertz: chance.pick([240.0, 480.0, 1920.0]),
            duty: chance.between(0.3, 0.9),
            depth: chance.pick([0.0, 0.4, 0.9]),
        };
        Self {
            size: [height * 0.46, height],
            bezel: chance.between(2.0, 5.0),
            bezel_colour: [0.012; 3],
            corner: 9.0,
            pitch: 25.4 / inch,
            shown_mm: height,
            gloss: Gloss { peak: chance.between(0.15, 0.7), width: chance.between(0.02, 0.05) },
            mirrors: chance.between(0.02, 0.045),
            ..Self::new(room, backlight, &mut chance)
        }
    }

    /// A monitor or a television on a table.
    pub fn monitor(room: &Light, seed: u64) -> Self {
        let mut chance = Chance::new(seed, "monitor");
        // Millimetres from dot to dot, and across and down: 22 to 43 inches.
        let (pitch, size) = chance.pick([
            (0.248, [476.0, 268.0]),
            (0.277, [531.0, 299.0]),
            (0.233, [597.0, 336.0]),
            (0.311, [597.0, 336.0]),
            (0.369, [708.0, 398.0]),
            (0.496, [952.0, 536.0]),
        ]);
        let backlight = Backlight {
            hertz: chance.pick([180.0, 240.0, 1000.0]),
            duty: 0.7,
            depth: chance.pick([0.0, 0.0, 0.3]),
        };
        // Most are matte.
        let glass = chance.happens(0.3);
        let gloss = match glass {
            true => Gloss { peak: chance.between(0.15, 0.6), width: chance.between(0.02, 0.05) },
            false => Gloss { peak: chance.between(0.01, 0.06), width: chance.between(0.12, 0.3) },
        };
        let grey = chance.between(0.01, 0.05);
        Self {
            size,
            bezel: chance.between(6.0, 16.0),
            bezel_colour: [grey; 3],
            corner: 2.0,
            pitch,
            shown_mm: size[1].min(310.0),
            gloss,
            mirrors: if glass { chance.between(0.02, 0.04) } else { 0.0 },
            ..Self::new(room, backlight, &mut chance)
        }
    }

    /// What all screens have. Sizes are for those above to set.
    fn new(room: &Light, backlight: Backlight, chance: &mut Chance) -> Self {
        let gamma = chance.between(2.1, 2.35);
        let brightness = chance.between(0.75, 1.5);
        let cold = chance.between(-0.01, 0.09);
        Self {
            size: [0.0; 2],
            bezel: 0.0,
            bezel_colour: [0.0; 3],
            corner: 0.0,
            pitch: 1.0,
            shown_mm: 1.0,
            tone: (0..256).map(|byte| (byte as f32 / 255.0).powf(gamma)).collect(),
            white: [1.0 - cold, 1.0, 1.0 + cold].map(|share| share * brightness),
            saturation: chance.between(0.92, 1.15),
            black: brightness * chance.between(0.0008, 0.006),
            backlight,
            gloss: Gloss { peak: 0.0, width: 1.0 },
            room: room.shrunk(8).blurred(1.5),
            mirrors: 0.0,
            beat: chance.sign() * chance.between(0.02, 0.3),
            phase: chance.between(0.0, 1.0),
            shown: None,
            content: Light::new(1, 1),
        }
    }

    /// How far it must be for what it shows to be seen so many times as large as life, where it shows
    /// the height of a whole frame.
    pub fn distance(&self, apparent: f32) -> f32 {
        DISTANCE * self.shown_mm / HEIGHT as f32 / apparent
    }

    /// With its frame.
    pub fn outer(&self) -> [f32; 2] {
        self.size.map(|s| s + 2.0 * self.bezel)
    }

    /// The next picture of the video that it shows. The camera's exposure may begin while the last one
    /// is still there.
    pub fn show(&mut self, picture: &Picture, moment: &Moment) {
        let since = (self.phase + self.beat * moment.at_s).rem_euclid(1.0);
        let exposed = moment.exposure_s / PERIOD_S;
        let stale = ((exposed - since) / exposed).clamp(0.0, 1.0);
        let last = self.shown.replace(picture.clone());
        let last = last.filter(|last| last.rgb.len() == picture.rgb.len() && stale > 0.0);
        let before = last.as_ref().map_or(picture, |last| last);
        self.content.width = picture.width as usize;
        self.content.height = picture.height as usize;
        let light = |bytes: &[u8]| -> [f32; 3] { std::array::from_fn(|i| self.tone[usize::from(bytes[i])]) };
        let pixels = picture.rgb.chunks_exact(3).zip(before.rgb.chunks_exact(3)).map(|(new, old)| {
            let (new, old) = (light(new), light(old));
            let mixed: [f32; 3] = std::array::from_fn(|i| new[i] + stale * (old[i] - new[i]));
            let grey = luminance(mixed);
            std::array::from_fn(|i| self.white[i] * (grey + (mixed[i] - grey) * self.saturation).max(0.0))
        });
        self.content.pixels = pixels.collect();
    }

    pub fn draw(&self, onto: &mut Light, held: [Sheet; 2], moment: &Moment) {
        let pixel_mm = held[0].centre[2] / (DISTANCE * FINE as f32);
        let grid = Grid::of(pixel_mm / self.pitch, moment.blur);
        let height = onto.height as f32;
        let time = |row: usize| moment.at_s + moment.readout_s * row as f32 / height;
        let levels: Vec<f32> =
            (0..onto.height).map(|row| self.backlight.level(time(row), moment.exposure_s)).collect();
        surface::draw(onto, held, self.outer(), |hit, pixel| {
            if !self.is_there(hit) {
                return;
            }
            let gleam = self.gloss.gleam(hit, moment.lamp.towards);
            let [x, y] = [hit.across.abs() * 2.0 - self.size[0], hit.down.abs() * 2.0 - self.size[1]];
            if x > 0.0 || y > 0.0 {
                *pixel = self.bezel_colour.map(|c| c * lit(hit.normal, 0.0) + 0.3 * gleam);
                return;
            }
            let mut light = self.content_at(hit);
            if let Some(grid) = &grid {
                light = grid.through(light, hit.across / self.pitch, hit.down / self.pitch);
            }
            let mirrored = self.mirrored(hit);
            *pixel = std::array::from_fn(|i| {
                (self.black + light[i]) * levels[hit.row] + gleam + self.mirrors * mirrored[i]
            });
        });
    }

    /// Corners are round.
    fn is_there(&self, hit: &Hit) -> bool {
        let [x, y] = self.outer().map(|s| s / 2.0 - self.corner);
        let (x, y) = ((hit.across.abs() - x).max(0.0), (hit.down.abs() - y).max(0.0));
        x * x + y * y <= self.corner * self.corner
    }

    /// What it shows there; beside a picture that does not fill it, nothing.
    fn content_at(&self, hit: &Hit) -> [f32; 3] {
        let scale = self.content.height as f32 / self.shown_mm;
        let (width, height) = (self.content.width as f32, self.content.height as f32);
        let p = Point::new(hit.across * scale + (width - 1.0) / 2.0, hit.down * scale + (height - 1.0) / 2.0);
        let inside = p.x > -0.5 && p.y > -0.5 && p.x < width - 0.5 && p.y < height - 0.5;
        if inside { self.content.sample(p.x, p.y) } else { [0.0; 3] }
    }

    /// The room in the glass, left and right as in a mirror.
    fn mirrored(&self, hit: &Hit) -> [f32; 3] {
        if self.mirrors == 0.0 {
            return [0.0; 3];
        }
        let [x, y, z] = gloss::mirrored(hit);
        let (width, height) = (self.room.width as f32, self.room.height as f32);
        self.room.sample(width * (0.5 + 0.8 * x / z), height * (0.5 - 0.8 * y / z))
    }
}

impl Backlight {
    /// The mean light of an exposure that begins at a time, over the mean of all time.
    fn level(&self, at_s: f32, exposure_s: f32) -> f32 {
        if self.depth == 0.0 {
            return 1.0;
        }
        let on = |turns: f32| turns.floor() * self.duty + (turns - turns.floor()).min(self.duty);
        let (from, lasts) = (at_s * self.hertz, exposure_s * self.hertz);
        let share = (on(from + lasts) - on(from)) / (lasts * self.duty);
        1.0 + self.depth * (share - 1.0)
    }
}

/// What a camera sees of a screen's dots.
struct Grid {
    /// Contrast of the stripes' first and second harmonic, and of the rows.
    stripes: [f32; 2],
    rows: f32,
}

impl Grid {
    /// For so many dots on a scene pixel; None where nothing is seen of them.
    fn of(dots: f32, blur: f32) -> Option<Self> {
        let pulse = |share: f32| 2.0 * (PI * share).sin() / (PI * share);
        let seen = |harmonic: f32, share: f32| pulse(harmonic * share) * capture::seen(harmonic * dots, blur);
        let grid = Self { stripes: [seen(1.0, STRIPE), seen(2.0, STRIPE)], rows: seen(1.0, STRIPE_HEIGHT) };
        let contrasts = [grid.stripes[0], grid.stripes[1], grid.rows];
        contrasts.iter().any(|c| c.abs() > LEAST_CONTRAST).then_some(grid)
    }

    /// Light through the grid, at a place in dots.
    fn through(&self, light: [f32; 3], across: f32, down: f32) -> [f32; 3] {
        let cosine = |turns: f32| wave(turns + 0.25);
        let row = 1.0 + self.rows * cosine(down + 0.5);
        std::array::from_fn(|i| {
            let x = across - STRIPES[i];
            let stripe = 1.0 + self.stripes[0] * cosine(x) + self.stripes[1] * cosine(2.0 * x);
            light[i] * (row * stripe).max(0.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::capture::{Camera, sharpest};
    use crate::simulation::scene::{self, Lamp};
    use crate::simulation::testing::ripple;
    use crate::sitter::{MIDDLE, Stance};

    fn grey(level: u8) -> Picture {
        Picture { width: 80, height: 60, rgb: vec![level; 80 * 60 * 3] }
    }

    fn moment(lamp: &Lamp, at_s: f32) -> Moment {
        Moment { at_s, prompt: None, lamp: *lamp, readout_s: 0.02, exposure_s: 0.01, blur: 0.45 }
    }

    /// A grey screen without glass, of which a scene pixel shows so many dots.
    fn taken(dots: f32, camera: &mut Camera) -> Picture {
        let lamp = Lamp::new(1).steady();
        let mut screen = Screen::monitor(&scene::empty(), 3);
        (screen.mirrors, screen.gloss.peak, screen.shown_mm) = (0.0, 0.0, 2000.0);
        screen.size = [900.0, 700.0];
        screen.pitch = 0.5 / dots;
        screen.show(&grey(140), &moment(&lamp, 0.0));
        let stance = Stance { roll: 0.8, yaw: 0.3, ..Stance::STRAIGHT };
        let mut scene = scene::empty();
        screen.draw(&mut scene, [Sheet::held(MIDDLE, DISTANCE, stance); 2], &moment(&lamp, 0.0));
        camera.take(&scene, &lamp, 0.0)
    }

    #[test]
    fn a_coarse_screen_ripples_and_a_fine_one_does_not() {
        let coarse = ripple(&taken(0.62, &mut sharpest(2)));
        let fine = ripple(&taken(2.7, &mut sharpest(2)));
        assert!(coarse > 30.0 && fine < 6.0, "{coarse} {fine}");
    }

    #[test]
    fn stripes_are_as_bright_as_without_them() {
        let grid = Grid::of(0.6, 0.45).expect("a grid");
        let places = (0..1000).map(|i| grid.through([1.0; 3], i as f32 * 0.37, i as f32 * 0.011)[1]);
        let mean = places.sum::<f32>() / 1000.0;
        assert!((mean - 1.0).abs() < 0.06, "{mean}");
        assert!(Grid::of(2.7, 0.6).is_none());
    }

    #[test]
    fn a_switched_light_makes_bands_and_a_long_exposure_evens_them_out() {
        let light = Backlight { hertz: 240.0, duty: 0.5, depth: 0.9 };
        let spread = |exposure_s: f32| {
            let levels: Vec<f32> = (0..200).map(|i| light.level(i as f32 * 1e-4, exposure_s)).collect();
            levels.iter().copied().fold(f32::MIN, f32::max) - levels.iter().copied().fold(f32::MAX, f32::min)
        };
        assert!(spread(0.001) > 0.5 && spread(0.02) < 0.25);
    }

    #[test]
    fn a_new_picture_is_mixed_with_the_last_where_the_exposure_began_early() {
        let lamp = Lamp::new(1);
        let mut screen = Screen::phone(&scene::empty(), 2);
        (screen.beat, screen.phase) = (0.0, 0.0);
        screen.show(&grey(0), &moment(&lamp, 0.0));
        screen.show(&grey(255), &moment(&lamp, 0.03));
        assert!(screen.content.pixels[0][1] < 0.01, "still the last");
        screen.phase = 0.15;
        screen.show(&grey(0), &moment(&lamp, 0.06));
        let mixed = screen.content.pixels[0][1] / screen.white[1];
        assert!((0.2..0.8).contains(&mixed), "{mixed}");
        screen.phase = 0.9;
        screen.show(&grey(255), &moment(&lamp, 0.1));
        assert!((screen.content.pixels[0][1] / screen.white[1] - 1.0).abs() < 0.01);
    }
}
