//! Made-up faces for the tests of liveness: a rough solid head, or a flat print of one, before a pinhole
//! camera, with seeded noise. They show that the arithmetic does what it says, and nothing about people.

use std::f32::consts::TAU;

use crate::image::Point;
use crate::liveness::actions::Action;
use crate::liveness::glimpse::{self, Baseline, Glimpse, THUMBNAIL, Thumbnail, Track};
use crate::mesh::{LANDMARKS, Landmark, Mesh, index};
use crate::pose::Pose;

/// When films begin.
pub const START_US: u64 = 1_000_000;
/// What enrolment would have measured of [`Head::REST`].
pub const BASELINE: Baseline = Baseline { eyes: 0.29, mouth: 0.02 };

/// Eye distances between the eyes and the camera.
pub const DISTANCE: f32 = 8.0;
/// What a head turns about, and what a print is tilted about.
const NECK: [f32; 3] = [0.0, 0.9, 1.2];
const MIDDLE: [f32; 3] = [0.0, 0.5, 0.0];
/// Landmarks that are measured, from the middle between the eyes, in eye distances.
const NAMED: [(usize, [f32; 3]); 17] = [
    (index::LEFT_EYE_OUTER, [-0.70, 0.0, 0.06]),
    (index::LEFT_EYE_INNER, [-0.30, 0.0, -0.04]),
    (index::LEFT_EYE_TOP, [-0.50, -0.058, -0.03]),
    (index::LEFT_EYE_BOTTOM, [-0.50, 0.058, -0.03]),
    (index::RIGHT_EYE_INNER, [0.30, 0.0, -0.04]),
    (index::RIGHT_EYE_OUTER, [0.70, 0.0, 0.06]),
    (index::RIGHT_EYE_TOP, [0.50, -0.058, -0.03]),
    (index::RIGHT_EYE_BOTTOM, [0.50, 0.058, -0.03]),
    (index::NOSE_TIP, [0.0, 0.60, -0.62]),
    (index::FOREHEAD, [0.0, -0.95, -0.12]),
    (index::CHIN, [0.0, 1.85, -0.10]),
    (index::MOUTH_LEFT, [-0.39, 1.10, -0.12]),
    (index::MOUTH_RIGHT, [0.39, 1.10, -0.12]),
    (78, [-0.33, 1.10, -0.14]),
    (308, [0.33, 1.10, -0.14]),
    (index::LIP_TOP, [0.0, 1.08, -0.30]),
    (index::LIP_BOTTOM, [0.0, 1.0932, -0.30]),
];

/// How a head is held, and whose it is.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// Degrees, as in [`Pose`].
    pub yaw: f32,
    pub pitch: f32,
    pub roll: f32,
    /// 1 open, 0 shut.
    pub lids: f32,
    /// 0 shut, 1 wide open.
    pub jaw: f32,
    /// Shift in eye distances.
    pub at: (f32, f32),
    /// Pixels between the eyes.
    pub size: f32,
    /// A print: the mesh's depth claims a face's relief and the tilt of the print all the same.
    pub flat: bool,
    pub who: u8,
}

impl Head {
    pub const REST: Self = Self {
        yaw: 0.0,
        pitch: 0.0,
        roll: 0.0,
        lids: 1.0,
        jaw: 0.0,
        at: (0.0, 0.0),
        size: 70.0,
        flat: false,
        who: 1,
    };

    /// How nobody can help moving.
    pub fn sway(t: f32) -> Self {
        let wave = |period: f32, reach: f32| reach * (TAU * t / period).sin();
        let at = (wave(3.7, 0.03), wave(2.9, 0.02));
        Self { yaw: wave(4.1, 1.2), pitch: wave(3.3, 1.0), roll: wave(5.2, 0.8), at, ..Self::REST }
    }

    /// The same, so many seconds after an action has begun.
    pub fn acting(self, action: Action, t: f32) -> Self {
        let side = 22.0 * plateau(t, 0.0, 0.35, 0.4);
        let shake = if (0.0..1.1).contains(&t) { 18.0 * (TAU * t / 1.1).sin() } else { 0.0 };
        match action {
            Action::Nod => Self { pitch: self.pitch - 15.0 * bump(t, 0.0, 0.9), ..self },
            Action::Shake => Self { yaw: self.yaw + shake, ..self },
            Action::Blink => Self { lids: self.lids - 0.9 * bump(t, 0.0, 0.32), ..self },
            Action::OpenMouth => Self { jaw: self.jaw + 0.9 * plateau(t, 0.0, 0.3, 0.3), ..self },
            Action::TurnLeft => Self { yaw: self.yaw + side, ..self },
            Action::TurnRight => Self { yaw: self.yaw - side, ..self },
        }
    }

    fn mesh(&self, dice: &mut Dice, noise: f32) -> Mesh {
        let points = (0..LANDMARKS).map(|i| self.seen(self.solid(i), dice, noise)).collect();
        Mesh { points, presence: 0.99 }
    }

    /// Where a landmark is on the head that is held straight.
    fn solid(&self, landmark: usize) -> [f32; 3] {
        use index::*;
        let named = NAMED.iter().find(|(i, _)| *i == landmark).map(|(_, place)| *place);
        let [x, y, z] = named.unwrap_or_else(|| ellipsoid(landmark));
        match landmark {
            LEFT_EYE_TOP | RIGHT_EYE_TOP => [x, 0.058 - 0.116 * self.lids.clamp(0.05, 1.0), z],
            LIP_BOTTOM => [x, y + 0.46 * self.jaw, z],
            CHIN => [x, y + 0.35 * self.jaw, z + 0.15 * self.jaw],
            MOUTH_LEFT | MOUTH_RIGHT | 78 | 308 => [x, y + 0.05 * self.jaw, z],
            _ => [x, y, z],
        }
    }

    fn seen(&self, solid: [f32; 3], dice: &mut Dice, noise: f32) -> Landmark {
        let [x, y, relief] = solid;
        let (z, about) = if self.flat { (0.0, MIDDLE) } else { (relief, NECK) };
        let turned = self.turned([x - about[0], y - about[1], z - about[2]]);
        let [x, y, z] = [turned[0] + about[0], turned[1] + about[1], turned[2] + about[2]];
        let near = self.size * DISTANCE / (DISTANCE + z);
        let claimed = if self.flat { z + relief } else { z };
        Landmark {
            x: 320.0 + x * near + self.at.0 * self.size + noise * dice.normal(),
            y: 200.0 + y * near + self.at.1 * self.size + noise * dice.normal(),
            z: claimed * self.size + 3.0 * noise * dice.normal(),
        }
    }

    fn turned(&self, [x, y, z]: [f32; 3]) -> [f32; 3] {
        let (sy, cy) = self.yaw.to_radians().sin_cos();
        let (sp, cp) = self.pitch.to_radians().sin_cos();
        let (sr, cr) = self.roll.to_radians().sin_cos();
        let (x, z) = (x * cy - z * sy, x * sy + z * cy);
        let (y, z) = (y * cp + z * sp, -y * sp + z * cp);
        [x * cr - y * sr, x * sr + y * cr, z]
    }

    /// Waves that differ from person to person and move with the head's angles, eyes and a mouth.
    fn thumbnail(&self, dice: &mut Dice, noise: f32) -> Thumbnail {
        let mut picture = Box::new([0.0f32; THUMBNAIL * THUMBNAIL]);
        for (i, pixel) in picture.iter_mut().enumerate() {
            let x = (i % THUMBNAIL) as f32 / 12.0 - 0.96;
            let y = (i / THUMBNAIL) as f32 / 12.0 - 0.96;
            *pixel = self.shade(Point::new(x, y)) + 0.06 * noise * dice.normal();
        }
        let mean = picture.iter().sum::<f32>() / picture.len() as f32;
        let length = picture.iter().map(|p| (p - mean) * (p - mean)).sum::<f32>().sqrt();
        picture.iter_mut().for_each(|p| *p = (*p - mean) / length);
        Thumbnail(picture)
    }

    fn shade(&self, p: Point) -> f32 {
        let relief = if self.flat { 0.0 } else { 0.02 * (1.0 - 0.5 * p.x * p.x - 0.5 * p.y * p.y) };
        let (x, y) = (p.x + self.yaw * relief, p.y - self.pitch * relief);
        let who = f32::from(self.who);
        let wave = |k: f32| ((1.0 + k) * x + (3.0 - k) * y + who * (2.3 + 1.7 * k)).sin();
        let eyes = (1.0 - self.lids) * (-((y + 0.3) / 0.15).powi(2)).exp();
        let mouth = self.jaw * (-(x * x + (y - 0.55) * (y - 0.55)) / 0.05).exp();
        wave(0.0) + wave(1.0) + wave(2.0) + wave(4.0) + eyes - mouth
    }
}

/// A landmark without a name: on the front of an ellipsoid.
fn ellipsoid(landmark: usize) -> [f32; 3] {
    let share = landmark as f32 / LANDMARKS as f32;
    let (sin, cos) = (landmark as f32 * 2.4).sin_cos();
    let radius = share.sqrt();
    [1.05 * radius * cos, 0.45 + 1.4 * radius * sin, 0.3 - 0.45 * (1.0 - share).sqrt()]
}

/// How a head is filmed.
#[derive(Clone, Copy, Debug)]
pub struct Film {
    /// Frames a second.
    pub rate: f32,
    pub seed: u64,
    /// Pixels that landmarks are off by in the picture, and a third of what they are off by in depth.
    pub noise: f32,
}

impl Film {
    pub const DEFAULT: Self = Self { rate: 30.0, seed: 1, noise: 0.5 };
    pub const QUIET: Self = Self { noise: 0.0, ..Self::DEFAULT };

    /// So many seconds of a head that is a function of the time.
    pub fn glimpses(self, seconds: f32, head: impl Fn(f32) -> Head) -> Vec<Glimpse> {
        let mut dice = Dice::new(self.seed);
        let frames = (seconds * self.rate) as usize;
        (0..frames).map(|i| self.glimpse(head(i as f32 / self.rate), i, &mut dice)).collect()
    }

    pub fn track(self, seconds: f32, head: impl Fn(f32) -> Head) -> Track {
        track(self.glimpses(seconds, head))
    }

    fn glimpse(self, head: Head, frame: usize, dice: &mut Dice) -> Glimpse {
        let mesh = head.mesh(dice, self.noise);
        Glimpse {
            at_us: START_US + (frame as f64 / f64::from(self.rate) * 1e6) as u64,
            pose: Pose::of(&mesh),
            eyes: glimpse::eyes(&mesh),
            mouth: glimpse::mouth(&mesh),
            luma: 120.0,
            thumbnail: head.thumbnail(dice, self.noise),
            suspicions: Vec::new(),
            mesh,
        }
    }
}

pub fn track(glimpses: impl IntoIterator<Item = Glimpse>) -> Track {
    let mut track = Track::default();
    glimpses.into_iter().for_each(|glimpse| track.push(glimpse));
    track
}

/// From 0 to 1 and back within so many seconds.
pub fn bump(t: f32, at: f32, width: f32) -> f32 {
    let along = (t - at) / width;
    if (0.0..1.0).contains(&along) { 0.5 - 0.5 * (TAU * along).cos() } else { 0.0 }
}

/// From 0 to 1 in `rise` seconds, held there, and back.
pub fn plateau(t: f32, at: f32, rise: f32, hold: f32) -> f32 {
    let along = (t - at).min(2.0 * rise + hold - (t - at)) / rise;
    0.5 - 0.5 * (TAU / 2.0 * along.clamp(0.0, 1.0)).cos()
}

/// Seeded noise.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Evenly from 0 to 1.
    pub fn even(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Mean 0, deviation 1, nearly normal.
    pub fn normal(&mut self) -> f32 {
        let sum: f32 = (0..4).map(|_| self.even()).sum();
        (sum - 2.0) * 1.732
    }
}
