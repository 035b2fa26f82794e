//! The camera that takes every picture of the simulation, of persons and of attacks alike: lens,
//! exposure, rows that are read one after the other, noise, colour, bytes. It does not know what it
//! looks at.

use std::f32::consts::{PI, TAU};

use crate::simulation::codec::Codec;
use crate::simulation::light::{Light, Pixel, Tone, luminance};
use crate::simulation::random::{Chance, grains};
use crate::simulation::scene::Lamp;
use crate::video::Picture;

/// Scene pixels that the lens's blur reaches to each side.
const REACH: usize = 2;
/// Every so many scene pixels the exposure is measured.
const METER_STEP: usize = 8;

/// How scene pixels become pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sensor {
    /// Each square of four photosites, red, green, green and blue, becomes one pixel.
    Quads,
    /// A camera much finer than its pictures: each scene pixel becomes one pixel.
    Full,
}

/// What one camera is like for as long as it is used.
#[derive(Clone, Debug)]
struct Make {
    sensor: Sensor,
    /// Deviation of the lens's blur, in scene pixels.
    blur: f32,
    /// The blur's weights: in the middle, beside it, next to that.
    lens: [f32; 3],
    readout_s: f32,
    exposure_s: f32,
    /// The mean brightness that it aims at, and how much of the way it goes.
    target: f32,
    authority: f32,
    /// How much of what lacks it makes up for in one frame.
    haste: f32,
    /// Electrons of a white pixel: the fewer, the noisier.
    electrons: f32,
    /// Noise of the darkest pixel, as a share of white.
    read: f32,
    /// Balance of the colours, and how far it wanders.
    tint: [f32; 3],
    wander: f32,
    phase: f32,
    /// How much darker the corners are.
    vignette: f32,
    /// Quality, where pictures are compressed on their way.
    jpeg: Option<u8>,
}

impl Make {
    fn new(sensor: Sensor, chance: &mut Chance) -> Self {
        let (fine, jpeg) = match sensor {
            Sensor::Quads => (1.0, [78.0, 95.0]),
            // Who records carries the better camera.
            Sensor::Full => (2.0, [80.0, 95.0]),
        };
        let blur = chance.between(0.45, 0.95);
        let compressed = chance.happens(0.5);
        Self {
            sensor,
            blur,
            lens: weights(blur),
            readout_s: chance.between(0.008, 0.026),
            exposure_s: chance.between(0.006, 0.022),
            target: chance.between(0.16, 0.24),
            authority: chance.between(0.4, 0.8),
            haste: chance.between(0.05, 0.25),
            electrons: fine * chance.between(1500.0, 6000.0),
            read: chance.between(0.002, 0.006) / fine,
            tint: [chance.between(0.95, 1.06), 1.0, chance.between(0.94, 1.06)],
            wander: chance.between(0.0, 0.015),
            phase: chance.between(0.0, 1.0),
            vignette: chance.between(0.05, 0.22),
            jpeg: compressed.then(|| chance.between(jpeg[0], jpeg[1]) as u8),
        }
    }

    /// The balance of the colours at a time.
    fn tint_at(&self, at_s: f32) -> [f32; 3] {
        let warmth = self.wander * (TAU * (0.07 * at_s + self.phase)).sin();
        [self.tint[0] * (1.0 + warmth), self.tint[1], self.tint[2] * (1.0 - warmth)]
    }

    /// Scene rows and columns for one pixel.
    fn step(&self) -> usize {
        if self.sensor == Sensor::Quads { 2 } else { 1 }
    }

    /// How much darker the corners make it at each of so many places along a side.
    fn darker(&self, places: usize) -> impl Iterator<Item = f32> {
        let vignette = self.vignette;
        (0..places).map(move |along| {
            let x = 2.0 * along as f32 / places as f32 - 1.0;
            vignette * x * x / 2.0
        })
    }

    /// One row of the scene, blurred down.
    fn down(&self, scene: &Light, y: usize, into: &mut [Pixel]) {
        let row = |k: isize| scene.row(y.saturating_add_signed(k).min(scene.height - 1)).as_flattened();
        blurred(self.lens, [row(-2), row(-1), row(0), row(1), row(2)], into.as_flattened_mut());
    }

    /// What the photosites get of one row of the picture.
    fn sites(&self, scene: &Light, y: usize, row: &mut Row) {
        let (first, width) = (y * self.step(), scene.width);
        self.down(scene, first, &mut row.down[REACH..REACH + width]);
        if self.sensor == Sensor::Quads {
            // Upper red and green, lower green and blue are all that is needed.
            self.down(scene, first + 1, &mut row.lower);
            for (upper, lower) in row.down[REACH..].iter_mut().zip(&row.lower) {
                *upper = [upper[0], upper[1], lower[1], lower[2]];
            }
        }
        let (first, last) = (row.down[REACH], row.down[REACH + width - 1]);
        row.down[..REACH].fill(first);
        row.down[REACH + width..].fill(last);
        let taps = [0, 1, 2, 3, 4].map(|k| row.down[k..k + width].as_flattened());
        blurred(self.lens, taps, row.across.as_flattened_mut());
        match self.sensor {
            Sensor::Full => row.seen.copy_from_slice(&row.across),
            Sensor::Quads => {
                for (seen, quad) in row.seen.iter_mut().zip(row.across.chunks_exact(2)) {
                    let ([red, _, lower, _], [_, upper, _, blue]) = (quad[0], quad[1]);
                    *seen = [red, (upper + lower) / 2.0, blue, 0.0];
                }
            }
        }
    }
}

/// Five rows of numbers as one.
fn blurred([middle, beside, next]: [f32; 3], [a, b, c, d, e]: [&[f32]; 5], into: &mut [f32]) {
    let near = b.iter().zip(d);
    let far = a.iter().zip(e);
    for (((value, c), (b, d)), (a, e)) in into.iter_mut().zip(c).zip(near).zip(far) {
        *value = middle * c + beside * (b + d) + next * (a + e);
    }
}

/// Room for the work on one row of a picture: each step goes through all of it, so that many numbers
/// are handled at once.
struct Row {
    /// Of the scene, blurred down, with room at both ends.
    down: Vec<Pixel>,
    lower: Vec<Pixel>,
    /// Blurred across as well.
    across: Vec<Pixel>,
    /// Of the picture: what is seen, its noise, and where in the table of bytes it is.
    seen: Vec<Pixel>,
    noise: Vec<Pixel>,
    steps: Vec<[u16; 4]>,
    /// The balance of colours in the middle, and how much less there is of them aside.
    tints: Vec<Pixel>,
    corners: Vec<Pixel>,
}

impl Row {
    fn new(make: &Make, scene: &Light, at_s: f32) -> Self {
        let [red, green, blue] = make.tint_at(at_s);
        let (tint, width) = ([red, green, blue, 0.0], scene.width / make.step());
        Self {
            down: vec![[0.0; 4]; scene.width + 2 * REACH],
            lower: vec![[0.0; 4]; scene.width],
            across: vec![[0.0; 4]; scene.width],
            seen: vec![[0.0; 4]; width],
            noise: vec![[0.0; 4]; width],
            steps: vec![[0; 4]; width],
            tints: vec![tint; width],
            corners: make.darker(width).map(|corner| tint.map(|t| t * corner)).collect(),
        }
    }

    /// The picture's numbers in so much light, less the vignette of the row, with shot and read noise.
    fn develop(&mut self, light: f32, middle: f32, [shot, read]: [f32; 2]) {
        let weights = self.tints.as_flattened().iter().zip(self.corners.as_flattened());
        let numbers = self.seen.as_flattened().iter().zip(self.noise.as_flattened()).zip(weights);
        for (step, ((seen, noise), (tint, corner))) in self.steps.as_flattened_mut().iter_mut().zip(numbers) {
            let value = seen * light * (middle * tint - corner);
            *step = Tone::step(value + (value * shot + read).sqrt() * noise);
        }
    }
}

/// A camera in use.
#[derive(Clone, Debug)]
pub struct Camera {
    make: Make,
    noise: Chance,
    /// How much the light is multiplied. Nothing before the first picture.
    gain: Option<f32>,
}

impl Camera {
    /// The camera before which a person or an attacker stands.
    pub fn webcam(seed: u64) -> Self {
        let make = Make::new(Sensor::Quads, &mut Chance::new(seed, "webcam"));
        Self { make, noise: Chance::new(seed, "webcam noise"), gain: None }
    }

    /// The camera with which an attacker takes or records the victim. It locks its exposure, as one
    /// does who records.
    pub fn recorder(seed: u64) -> Self {
        let make = Make::new(Sensor::Full, &mut Chance::new(seed, "recorder"));
        Self { make: Make { haste: 0.0, ..make }, noise: Chance::new(seed, "recorder noise"), gain: None }
    }

    pub fn readout_s(&self) -> f32 {
        self.make.readout_s
    }

    pub fn exposure_s(&self) -> f32 {
        self.make.exposure_s
    }

    /// Deviation of the lens's blur, in scene pixels.
    pub fn blur(&self) -> f32 {
        self.make.blur
    }

    /// Makes the noise of what follows that of this number: a recording is noisy in the same way each
    /// time.
    pub fn reseed(&mut self, number: u64) {
        self.noise = Chance::new(number, "recorded noise");
    }

    /// Takes a picture of a scene that stands in the light of a lamp. Its first row is read at `at_s`.
    pub fn take(&mut self, scene: &Light, lamp: &Lamp, at_s: f32) -> Picture {
        let gain = self.exposed(scene);
        let step = self.make.step();
        let (width, height) = (scene.width / step, scene.height / step);
        let mut row = Row::new(&self.make, scene, at_s);
        // What is amplified is amplified with its noise.
        let noise = [gain / self.make.electrons, (gain * self.make.read).powi(2)];
        let darker: Vec<f32> = self.make.darker(height).collect();
        let tone = Tone::srgb();
        let mut rgb = vec![0; 3 * width * height];
        for (y, bytes) in rgb.chunks_exact_mut(3 * width).enumerate() {
            self.make.sites(scene, y, &mut row);
            row.noise.iter_mut().for_each(|noise| *noise = grains(self.noise.bits()));
            let light = gain * lamp.level(at_s + self.make.readout_s * y as f32 / height as f32);
            row.develop(light, 1.0 - darker[y], noise);
            for (bytes, steps) in bytes.chunks_exact_mut(3).zip(&row.steps) {
                bytes.iter_mut().zip(steps).for_each(|(byte, step)| *byte = tone.byte_at(*step));
            }
        }
        let mut picture = Picture { width: width as u32, height: height as u32, rgb };
        if let Some(quality) = self.make.jpeg {
            Codec::new(quality).pass(&mut picture);
        }
        picture
    }

    /// The gain for this scene: at once for the first, then by and by.
    fn exposed(&mut self, scene: &Light) -> f32 {
        let wanted = (self.make.target / metered(scene).max(1e-3)).powf(self.make.authority).clamp(0.4, 2.5);
        let gain = self.gain.map_or(wanted, |gain| gain + self.make.haste * (wanted - gain));
        self.gain = Some(gain);
        gain
    }
}

/// The brightness of the middle of a scene.
fn metered(scene: &Light) -> f32 {
    let (mut sum, mut count) = (0.0, 0u32);
    for y in (scene.height / 5..scene.height * 4 / 5).step_by(METER_STEP) {
        let row = scene.row(y);
        for pixel in row[scene.width / 5..scene.width * 4 / 5].iter().step_by(METER_STEP) {
            // A sensor does not see more than white.
            sum += luminance(*pixel).min(1.0);
            count += 1;
        }
    }
    sum / count.max(1) as f32
}

/// Five taps of a Gaussian: in the middle, beside it, next to that.
fn weights(deviation: f32) -> [f32; 3] {
    let weight = |k: f32| (-0.5 * (k / deviation).powi(2)).exp();
    let all = 1.0 + 2.0 * weight(1.0) + 2.0 * weight(2.0);
    [1.0 / all, weight(1.0) / all, weight(2.0) / all]
}

/// What is left of the contrast of a fine grid when it is drawn into a scene. The grid has so many
/// lines per scene pixel. A photosite evens out what is finer than itself; and the lens blurs the grid
/// before the photosites alias it, while the camera above blurs what has become of it: the difference
/// is made up for here.
pub fn seen(lines: f32, blur: f32) -> f32 {
    let aperture = if lines.abs() < 1e-4 { 1.0 } else { (PI * lines).sin() / (PI * lines) };
    let alias = lines - lines.round();
    let lens = (-2.0 * PI * PI * blur * blur * (lines * lines - alias * alias)).exp();
    aperture * lens
}

/// A webcam as sharp as any and without a codec, for tests of what is fine.
#[cfg(test)]
pub fn sharpest(seed: u64) -> Camera {
    let mut camera = Camera::webcam(seed);
    camera.make.blur = 0.45;
    camera.make.lens = weights(0.45);
    camera.make.jpeg = None;
    camera
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(level: f32) -> Light {
        Light { width: 128, height: 96, pixels: vec![[level; 4]; 128 * 96] }
    }

    #[test]
    fn pictures_have_half_the_scenes_size_and_recordings_all_of_it() {
        let (scene, lamp) = (grey(0.2), Lamp::new(1));
        let picture = Camera::webcam(1).take(&scene, &lamp, 0.0);
        assert_eq!((picture.width, picture.height, picture.rgb.len()), (64, 48, 64 * 48 * 3));
        let picture = Camera::recorder(1).take(&scene, &lamp, 0.0);
        assert_eq!((picture.width, picture.height), (128, 96));
    }

    #[test]
    fn a_seed_is_a_camera_and_no_picture_is_like_the_next() {
        let (scene, lamp) = (grey(0.2), Lamp::new(1));
        let (mut one, mut other) = (Camera::webcam(9), Camera::webcam(9));
        let first = one.take(&scene, &lamp, 0.0);
        assert!(first == other.take(&scene, &lamp, 0.0));
        assert!(first != one.take(&scene, &lamp, 0.0));
        let (mut tape, mut again) = (Camera::recorder(4), Camera::recorder(4));
        let of = |camera: &mut Camera| {
            camera.reseed(77);
            camera.take(&grey(0.2), &lamp, 0.0)
        };
        let taped = of(&mut tape);
        assert!(taped == of(&mut tape) && taped == of(&mut again));
    }

    #[test]
    fn bright_pixels_are_noisier_than_dark_ones_in_light() {
        let lamp = Lamp::new(1).steady();
        let spread = |level: f32| {
            let mut camera = sharpest(2);
            (camera.gain, camera.make.haste) = (Some(1.0), 0.0);
            let light = Light::of(&camera.take(&grey(level), &lamp, 0.0));
            let middle = |y: usize| light.row(y)[24..40].iter().map(|p| p[1]);
            let values: Vec<f32> = (16..32).flat_map(middle).collect();
            let mean = values.iter().sum::<f32>() / values.len() as f32;
            values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / values.len() as f32
        };
        assert!(spread(0.5) > 2.0 * spread(0.05));
    }

    #[test]
    fn exposure_goes_towards_its_target() {
        let (mut dark, mut bright) = (Camera::webcam(3), Camera::webcam(3));
        assert!(dark.exposed(&grey(0.05)) > 1.2 && bright.exposed(&grey(0.7)) < 0.8);
    }

    #[test]
    fn a_coarse_grid_is_seen_and_a_fine_one_is_not() {
        assert!(seen(0.1, 0.5) > 0.9);
        assert!(seen(0.7, 0.45).abs() > 0.05);
        assert!(seen(2.6, 0.6).abs() < 1e-6);
    }
}
