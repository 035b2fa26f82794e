//! A screen that shows pictures: its light, its grid of dots, its glass and its frame, as a camera
//! meets them. It does not decide what it shows.

use std::f32::consts::PI;

use crate::simulation::capture;
use crate::simulation::light::{Light, Pixel, Sampled, luminance, mixed};
use crate::simulation::medium::gloss::{self, Gloss, Sheen};
use crate::simulation::medium::surface::{self, Sheet, Stretch};
use crate::simulation::medium::wave;
use crate::simulation::random::Chance;
use crate::simulation::scene::Moment;
use crate::sitter::{DISTANCE, FINE, HEIGHT};
use crate::video::Picture;

/// Contrast of the grid below which it is not worth drawing.
const LEAST_CONTRAST: f32 = 0.002;
/// Share of a dot's width that each of its three colours takes, and of its height.
const STRIPE: f32 = 0.27;
const STRIPE_HEIGHT: f32 = 0.88;
/// Where the colours' middles are, in dots.
const STRIPES: [f32; 3] = [1.0 / 6.0, 0.5, 5.0 / 6.0];
/// How much of the light from outside a panel reflects on all sides: glass the less, matte ones the
/// more.
const PANEL: [f32; 3] = [0.005, 0.0125, 0.02];
/// How much the edges of what glass mirrors are softened, and how much wider a matte screen spreads
/// what has edges, over the width of a lamp in it.
const SHARP: f32 = 0.25;
const HAZY: f32 = 2.0;
/// Seconds for which a screen shows one picture of a video.
const PERIOD_S: f32 = 1.0 / 30.0;

/// How a screen's light comes and goes.
struct Backlight {
    hertz: f32,
    /// Share of the time that it is on, and how much darker it is in the rest.
    duty: f32,
    depth: f32,
}

/// How bytes become light.
struct Panel {
    /// Light of each byte.
    tone: [f32; 256],
    /// Colour of white, and how much more or less colourful than sRGB it is.
    white: Pixel,
    saturation: f32,
    /// Light of black.
    black: f32,
}

/// A screen.
pub struct Screen {
    /// Millimetres across and down, of what shines.
    size: [f32; 2],
    /// What does not shine around it, its colour, and the radius of its corners.
    bezel: f32,
    bezel_colour: Pixel,
    corner: f32,
    /// Millimetres from dot to dot.
    pitch: f32,
    /// Millimetres from the top to the bottom of what is shown.
    shown_mm: f32,
    panel: Panel,
    /// Reflectance of the panel, where it shows nothing.
    reflectance: f32,
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
    /// Whether the content is all of what is shown, and nothing of what was.
    settled: bool,
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
            bezel_colour: [0.012; 4],
            corner: 9.0,
            pitch: 25.4 / inch,
            shown_mm: height,
            gloss: glass(chance.between(0.15, 0.7), chance.between(0.02, 0.05)),
            mirrors: chance.between(0.02, 0.045),
            reflectance: Chance::new(seed, "panel").between(PANEL[0], PANEL[1]),
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
        let is_glass = chance.happens(0.3);
        let gloss = if is_glass {
            glass(chance.between(0.15, 0.6), chance.between(0.02, 0.05))
        } else {
            let (peak, width) = (chance.between(0.01, 0.06), chance.between(0.12, 0.3));
            Gloss { peak, width, haze: HAZY * width }
        };
        let [least, most] = if is_glass { [PANEL[0], PANEL[1]] } else { [PANEL[1], PANEL[2]] };
        let grey = chance.between(0.01, 0.05);
        Self {
            size,
            bezel: chance.between(6.0, 16.0),
            bezel_colour: [grey; 4],
            corner: 2.0,
            pitch,
            shown_mm: size[1].min(310.0),
            gloss,
            mirrors: if is_glass { chance.between(0.02, 0.04) } else { 0.0 },
            reflectance: Chance::new(seed, "panel").between(least, most),
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
            bezel_colour: [0.0; 4],
            corner: 0.0,
            pitch: 1.0,
            shown_mm: 1.0,
            panel: Panel {
                tone: std::array::from_fn(|byte| (byte as f32 / 255.0).powf(gamma)),
                white: [1.0 - cold, 1.0, 1.0 + cold, 0.0].map(|share| share * brightness),
                saturation: chance.between(0.92, 1.15),
                black: brightness * chance.between(0.0008, 0.006),
            },
            reflectance: 0.0,
            backlight,
            gloss: Gloss { peak: 0.0, width: 1.0, haze: 1.0 },
            room: room.shrunk(8).blurred(1.5),
            mirrors: 0.0,
            beat: chance.sign() * chance.between(0.02, 0.3),
            phase: chance.between(0.0, 1.0),
            shown: None,
            content: Light::new(2, 2),
            settled: false,
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
        let same = self.shown.as_ref() == Some(picture);
        if same && self.settled {
            return;
        }
        let since = (self.phase + self.beat * moment.at_s).rem_euclid(1.0);
        let exposed = moment.exposure_s / PERIOD_S;
        let stale = ((exposed - since) / exposed).clamp(0.0, 1.0);
        let last = self.shown.take().filter(|last| last.rgb.len() == picture.rgb.len());
        self.content.width = picture.width as usize;
        self.content.height = picture.height as usize;
        self.content.pixels.resize(self.content.width * self.content.height, [0.0; 4]);
        self.settled = same || last.is_none() || stale == 0.0;
        let panel = &self.panel;
        let old = last.as_ref().filter(|_| !self.settled).map_or(&picture.rgb, |last| &last.rgb);
        let bytes = picture.rgb.chunks_exact(3).zip(old.chunks_exact(3));
        for (pixel, (new, old)) in self.content.pixels.iter_mut().zip(bytes) {
            let new = panel.light(new);
            *pixel = panel.coloured(if self.settled { new } else { mixed(new, panel.light(old), stale) });
        }
        self.shown = Some(picture.clone());
    }

    pub fn draw(&self, onto: &mut Light, held: [Sheet; 2], moment: &Moment) {
        let pixel_mm = held[0].centre[2] / (DISTANCE * FINE as f32);
        let grid = Grid::of(pixel_mm / self.pitch, moment.blur);
        let height = onto.height as f32;
        let content = self.content.sampled();
        let time = |row: usize| moment.at_s + moment.readout_s * row as f32 / height;
        surface::draw(onto, held, self.outer(), |stretch, pixels| {
            let sheen = Sheen::of(self.gloss, stretch, moment);
            let level = self.backlight.level(time(stretch.row), moment.exposure_s);
            let room = self.mirrored(stretch);
            let shines = stretch.is_within(self.size);
            for (i, pixel) in pixels.iter_mut().enumerate() {
                let place = [stretch.across[i], stretch.down[i]];
                if shines || self.shines(place) {
                    let (light, seen) = (self.light(place, content, grid.as_ref()), sheen.mirrored(i));
                    let (room, shone) =
                        (mixed(room[0], room[1], surface::along(i)), sheen.shone(i, self.reflectance));
                    *pixel = std::array::from_fn(|c| {
                        (self.panel.black + light[c]) * level + seen[c] + self.mirrors * room[c] + shone[c]
                    });
                } else if self.is_there(place) {
                    let (sent, seen) = (sheen.sent(i, self.bezel_colour), sheen.mirrored(i));
                    *pixel = std::array::from_fn(|c| sent[c] + 0.3 * seen[c]);
                }
            }
        });
    }

    /// Corners are round.
    fn is_there(&self, [across, down]: [f32; 2]) -> bool {
        let [x, y] = self.outer().map(|s| s / 2.0 - self.corner);
        let (x, y) = ((across.abs() - x).max(0.0), (down.abs() - y).max(0.0));
        x * x + y * y <= self.corner * self.corner
    }

    /// Whether it is no frame there.
    fn shines(&self, place: [f32; 2]) -> bool {
        2.0 * place[0].abs() <= self.size[0] && 2.0 * place[1].abs() <= self.size[1] && self.is_there(place)
    }

    /// What it shows there through its grid; beside a picture that does not fill it, nothing.
    #[inline(always)]
    fn light(&self, [across, down]: [f32; 2], content: Sampled<'_>, grid: Option<&Grid>) -> Pixel {
        let scale = self.content.height as f32 / self.shown_mm;
        let (width, height) = (self.content.width as f32, self.content.height as f32);
        let (x, y) = (across * scale + (width - 1.0) / 2.0, down * scale + (height - 1.0) / 2.0);
        let inside = (x > -0.5) & (y > -0.5) & (x < width - 0.5) & (y < height - 0.5);
        let light = if inside { content.at([x, y, 0.0, 0.0]) } else { [0.0; 4] };
        grid.map_or(light, |grid| grid.through(light, across / self.pitch, down / self.pitch))
    }

    /// The room in the glass at both ends of a stretch, left and right as in a mirror.
    fn mirrored(&self, stretch: &Stretch) -> [Pixel; 2] {
        if self.mirrors == 0.0 {
            return [[0.0; 4]; 2];
        }
        let (width, height) = (self.room.width as f32, self.room.height as f32);
        stretch.ends.map(|hit| {
            let [right, down] = [0, 1].map(|axis| 0.8 * gloss::tangent(&hit, axis));
            self.room.sample(width * (0.5 - right), height * (0.5 + down))
        })
    }
}

fn glass(peak: f32, width: f32) -> Gloss {
    Gloss { peak, width, haze: SHARP * width }
}

impl Panel {
    /// The light of a pixel's bytes.
    #[inline(always)]
    fn light(&self, bytes: &[u8]) -> Pixel {
        let tone = |i: usize| self.tone[usize::from(bytes[i])];
        [tone(0), tone(1), tone(2), 0.0]
    }

    /// That light in the colours of the panel.
    #[inline(always)]
    fn coloured(&self, light: Pixel) -> Pixel {
        let grey = luminance(light);
        std::array::from_fn(|i| self.white[i] * (grey + (light[i] - grey) * self.saturation).max(0.0))
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
    #[inline(always)]
    fn through(&self, light: Pixel, across: f32, down: f32) -> Pixel {
        // The row's wave has the lane that the colours leave.
        let [red, green, blue] = STRIPES.map(|stripe| across - stripe);
        let first = [red, green, blue, down + 0.5].map(|turns| wave(turns + 0.25));
        let second = [red, green, blue, 0.0].map(|turns| wave(2.0 * turns + 0.25));
        let row = 1.0 + self.rows * first[3];
        std::array::from_fn(|i| {
            let stripe = 1.0 + self.stripes[0] * first[i] + self.stripes[1] * second[i];
            light[i] * (row * stripe).max(0.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::capture::{Camera, sharpest};
    use crate::simulation::glow::Glow;
    use crate::simulation::scene::{self, Lamp};
    use crate::simulation::testing::ripple;
    use crate::sitter::{MIDDLE, Stance};

    fn grey(level: u8) -> Picture {
        Picture { width: 80, height: 60, rgb: vec![level; 80 * 60 * 3] }
    }

    fn moment(lamp: &Lamp, at_s: f32) -> Moment {
        let glow = Glow::default();
        Moment { at_s, prompt: None, lamp: *lamp, readout_s: 0.02, exposure_s: 0.01, blur: 0.45, glow }
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
        let places = (0..1000).map(|i| grid.through([1.0; 4], i as f32 * 0.37, i as f32 * 0.011)[1]);
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
        let mixed = screen.content.pixels[0][1] / screen.panel.white[1];
        assert!((0.2..0.8).contains(&mixed), "{mixed}");
        screen.phase = 0.9;
        screen.show(&grey(255), &moment(&lamp, 0.1));
        assert!((screen.content.pixels[0][1] / screen.panel.white[1] - 1.0).abs() < 0.01);
    }
}
