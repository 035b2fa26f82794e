//! The camera that takes every picture of the simulation, of persons and of attacks alike: lens,
//! exposure, rows that are read one after the other, noise, colour, bytes. It does not know what it
//! looks at.

use std::f32::consts::{PI, TAU};

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageFormat};

use crate::simulation::light::{Light, Tone, luminance};
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

    /// One row of the scene, blurred down, with room at both ends.
    fn row(&self, scene: &Light, y: usize, into: &mut [[f32; 3]]) {
        let width = scene.width;
        let row = |k: isize| {
            let y = y.saturating_add_signed(k).min(scene.height - 1);
            &scene.row(y).as_flattened()[..3 * width]
        };
        let (a, b, c, d, e) = (row(-2), row(-1), row(0), row(1), row(2));
        let [middle, beside, next] = self.lens;
        let inner = &mut into[REACH..REACH + width].as_flattened_mut()[..3 * width];
        for (i, value) in inner.iter_mut().enumerate() {
            *value = middle * c[i] + beside * (b[i] + d[i]) + next * (a[i] + e[i]);
        }
        let (first, last) = (into[REACH], into[REACH + width - 1]);
        into[..REACH].fill(first);
        into[REACH + width..].fill(last);
    }

    /// What the photosites of one pixel get.
    fn pixel(&self, rows: &[Vec<[f32; 3]>; 2], column: usize) -> [f32; 3] {
        let [upper, lower] = rows;
        match self.sensor {
            Sensor::Quads => {
                let x = 2 * column;
                let green = self.site(upper, x + 1, 1) + self.site(lower, x, 1);
                [self.site(upper, x, 0), green / 2.0, self.site(lower, x + 1, 2)]
            }
            Sensor::Full => std::array::from_fn(|colour| self.site(upper, column, colour)),
        }
    }

    /// One colour of one photosite, blurred across.
    fn site(&self, row: &[[f32; 3]], x: usize, colour: usize) -> f32 {
        let [middle, beside, next] = self.lens;
        middle * row[x + 2][colour]
            + beside * (row[x + 1][colour] + row[x + 3][colour])
            + next * (row[x][colour] + row[x + 4][colour])
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
        let make = &self.make;
        let step = if make.sensor == Sensor::Quads { 2 } else { 1 };
        let (width, height) = (scene.width / step, scene.height / step);
        let (tone, tint) = (Tone::srgb(), make.tint_at(at_s));
        let darker = |along: usize, all: usize| {
            let x = 2.0 * along as f32 / all as f32 - 1.0;
            make.vignette * x * x / 2.0
        };
        let columns: Vec<f32> = (0..width).map(|x| darker(x, width)).collect();
        // What is amplified is amplified with its noise.
        let (shot, read) = (gain / make.electrons, (gain * make.read).powi(2));
        let row = || vec![[0.0; 3]; scene.width + 2 * REACH];
        let mut rows = [row(), row()];
        let mut rgb = Vec::with_capacity(3 * width * height);
        for y in 0..height {
            for (k, into) in rows.iter_mut().take(step).enumerate() {
                make.row(scene, y * step + k, into);
            }
            let light = gain * lamp.level(at_s + make.readout_s * y as f32 / height as f32);
            let middle = 1.0 - darker(y, height);
            for (x, corner) in columns.iter().enumerate() {
                let factor = light * (middle - corner);
                let noise = grains(self.noise.bits());
                let seen = make.pixel(&rows, x);
                let byte = |colour: usize| {
                    let value = seen[colour] * tint[colour] * factor;
                    tone.byte(value + (value * shot + read).sqrt() * noise[colour])
                };
                rgb.extend(std::array::from_fn::<u8, 3, _>(byte));
            }
        }
        let picture = Picture { width: width as u32, height: height as u32, rgb };
        match make.jpeg {
            Some(quality) => compressed(picture, quality),
            None => picture,
        }
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

/// There and back again through a codec. A picture that it cannot take stays as it is.
fn compressed(picture: Picture, quality: u8) -> Picture {
    let (width, height) = (picture.width, picture.height);
    let mut bytes = Vec::new();
    let written = JpegEncoder::new_with_quality(&mut bytes, quality).encode(
        &picture.rgb,
        width,
        height,
        ExtendedColorType::Rgb8,
    );
    match written.and_then(|()| image::load_from_memory_with_format(&bytes, ImageFormat::Jpeg)) {
        Ok(decoded) => Picture { width, height, rgb: decoded.into_rgb8().into_raw() },
        Err(_) => picture,
    }
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
        Light { width: 128, height: 96, pixels: vec![[level; 3]; 128 * 96] }
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
