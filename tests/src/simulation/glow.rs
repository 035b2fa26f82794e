//! The screen of the machine as a lamp: what it shows, when that reaches a picture, and how much of it
//! falls on what is before the camera. It draws nothing, and the screens of attackers are others'
//! matter.
//!
//! The screen lies in the plane of the lens, below it. Its light is measured by what its white gives a
//! face at the distance of a head; 1 is the light of the room.

use crate::simulation::light::{self, Pixel};
use crate::simulation::random::Chance;
use crate::sitter::dot;

/// Millimetres across and down.
const SIZE: [f32; 2] = [300.0, 180.0];
/// How far its middle is below the lens, in millimetres: as machines have it, and where one is taken
/// for all.
const BELOW: [f32; 2] = [130.0, 160.0];
const USUAL: f32 = 145.0;
/// Light of its white on a face, of dark rooms and dim screens, and the other way round. 250 to 350
/// cd/m² give about 70 lux at half a metre, and rooms have 100 to 800.
const STRENGTH: [f32; 2] = [0.08, 0.6];
/// From what the machine shows to what the camera sees, in seconds, and how long a screen takes to
/// change.
const LATENCY_S: [f32; 2] = [0.03, 0.12];
const CHANGES_S: f32 = 0.015;
/// After so many seconds a change is over for every row of every picture.
const OVER_S: f32 = 0.5;
/// What comes round a corner, since the screen is large and walls are light.
const AROUND: f32 = 0.15;
/// What smooth surfaces mirror of what stands before them.
const MIRRORED: f32 = 0.04;
/// How bright the screen looks beside white paper, over its light on a face: 250 cd/m² beside paper in
/// 300 lux, to which the screen adds 70.
const LOOKS: f32 = (250.0 / 95.0) / (70.0 / 300.0);

/// The screen of one machine.
#[derive(Clone, Debug)]
pub struct Display {
    strength: f32,
    latency_s: f32,
    below: f32,
    /// When the last picture was begun.
    now_s: f32,
    /// What it showed before all changes, and since when it showed what, in linear light.
    before: Pixel,
    changes: Vec<(f32, Pixel)>,
}

/// Its light while one picture is taken.
#[derive(Clone, Debug, Default)]
pub struct Glow {
    /// For each row of the scene; none where there is no such light.
    rows: Vec<Pixel>,
    below: f32,
}

impl Display {
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed, "display");
        let [least, most] = STRENGTH.map(f32::ln);
        Self {
            strength: chance.between(least, most).exp(),
            latency_s: chance.between(LATENCY_S[0], LATENCY_S[1]),
            below: chance.between(BELOW[0], BELOW[1]),
            now_s: 0.0,
            before: [0.0; 4],
            changes: Vec::new(),
        }
    }

    /// Shows a colour (sRGB) from the time of the last picture on. None: what it always shows, which is
    /// part of the room's light.
    pub fn show(&mut self, colour: Option<[u8; 3]>) {
        let colour = colour.map_or([0.0; 3], |bytes| bytes.map(|b| light::linear()[usize::from(b)]));
        let colour = light::pixel(colour);
        if colour != self.changes.last().map_or(self.before, |&(_, last)| last) {
            self.changes.push((self.now_s, colour));
        }
    }

    /// The light in a picture whose first row is exposed from `at_s` on, and whose last row so much
    /// later. Times never go back.
    pub fn glow(&mut self, at_s: f32, readout_s: f32, exposure_s: f32, rows: usize) -> Glow {
        self.now_s = at_s;
        while let Some(&(_, colour)) = self.changes.first().filter(|(from_s, _)| from_s + OVER_S < at_s) {
            self.before = colour;
            self.changes.remove(0);
        }
        if self.changes.is_empty() && self.before == [0.0; 4] {
            return Glow::default();
        }
        let time = |row: usize| at_s + readout_s * row as f32 / rows as f32;
        Glow { rows: (0..rows).map(|row| self.seen(time(row), exposure_s)).collect(), below: self.below }
    }

    /// The mean light of one exposure.
    fn seen(&self, at_s: f32, exposure_s: f32) -> Pixel {
        let (mut light, mut last) = (self.before, self.before);
        for &(from_s, colour) in &self.changes {
            let since_s = at_s - from_s - self.latency_s;
            let share = (ramped(since_s + exposure_s) - ramped(since_s)) / exposure_s;
            light = std::array::from_fn(|i| light[i] + share * (colour[i] - last[i]));
            last = colour;
        }
        light.map(|l| self.strength * l)
    }
}

/// Seconds of full light until then, of a change that begins at 0.
fn ramped(s: f32) -> f32 {
    let rising = s.clamp(0.0, CHANGES_S);
    rising * rising / (2.0 * CHANGES_S) + (s - CHANGES_S).max(0.0)
}

impl Glow {
    pub fn is_dark(&self) -> bool {
        self.rows.is_empty()
    }

    /// The light on a face that looks at the lens from the distance of a head, in one row of the scene.
    #[inline]
    pub fn at(&self, row: usize) -> Pixel {
        self.rows.get(row).copied().unwrap_or_default()
    }

    /// What a smooth surface mirrors of the screen, over what [`Glow::at`] gives, where the middle of
    /// what it mirrors is in the plane of the lens (right and down of the lens), and how far around
    /// that its roughness mixes. Millimetres.
    #[inline(always)]
    pub fn mirrored(&self, [across, down]: [f32; 2], rough: f32) -> f32 {
        let share = |at: f32, half: f32| (slope((half - at) / rough) + slope((half + at) / rough)) / 2.0;
        MIRRORED * LOOKS * share(across, SIZE[0] / 2.0) * share(down - self.below, SIZE[1] / 2.0)
    }
}

/// From -1 to 1, steep at 0.
#[inline(always)]
fn slope(x: f32) -> f32 {
    x / (1.0 + x * x).sqrt()
}

/// What [`received`] gives before it is made 1 for a face.
const OF_A_FACE: f32 = 2.866_2e-6;

/// How much of the screen's light falls on a surface, over what falls on a face that looks at the lens
/// from the distance of a head: `at` is from the lens, in millimetres, the normal one long.
pub fn received(at: [f32; 3], normal: [f32; 3]) -> f32 {
    let way = [-at[0], USUAL - at[1], -at[2]];
    let square = dot(way, way).max(1.0);
    let far = square.sqrt();
    let facing = (dot(normal, way) / far + AROUND).max(0.0) / (1.0 + AROUND);
    facing * (at[2] / far) / square / OF_A_FACE
}

/// What is far behind a head gets of it.
pub const FAR_BEHIND: f32 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sitter::{DISTANCE, unit};

    const WHITE: Option<[u8; 3]> = Some([255; 3]);

    /// The light of the first and the last row of a picture.
    fn ends(display: &mut Display, at_s: f32) -> [f32; 2] {
        let glow = display.glow(at_s, 0.02, 0.01, 960);
        [glow.at(0)[1], glow.at(959)[1]]
    }

    #[test]
    fn a_colour_comes_late_row_by_row_and_goes_again() {
        for seed in 0..40 {
            let mut display = Display::new(seed);
            assert!(display.glow(0.9, 0.02, 0.01, 960).is_dark());
            display.show(WHITE);
            let (full, latency_s) = (display.strength, display.latency_s);
            assert!((0.08..=0.6).contains(&full));
            assert!(ends(&mut display, 0.9)[1] == 0.0, "nothing at once");
            let [first, last] = ends(&mut display, 0.9 + latency_s - 0.008);
            assert!(first < last && last < full, "{first} {last} {full}");
            assert!(ends(&mut display, 1.1).iter().all(|l| (l - full).abs() < 1e-4));
            display.show(None);
            assert!(ends(&mut display, 1.11)[0] > 0.99 * full);
            assert!(ends(&mut display, 1.3).iter().all(|l| l.abs() < 1e-4));
            assert!(display.glow(2.0, 0.02, 0.01, 960).is_dark());
        }
    }

    #[test]
    fn colours_are_linear_and_a_seed_is_a_screen() {
        let shown = |seed| {
            let mut display = Display::new(seed);
            display.show(Some([255, 128, 0]));
            let [r, g, b, _] = display.glow(1.0, 0.02, 0.01, 960).at(400);
            assert!((g / r - 0.2159).abs() < 1e-3 && b.abs() < 1e-6, "{g} {r} {b}");
            r
        };
        assert!(shown(3) == shown(3) && shown(3) != shown(4));
    }

    #[test]
    fn what_faces_the_screen_gets_more_and_what_is_far_less() {
        let front = [0.0, 0.0, -1.0];
        let face = received([0.0, 0.0, DISTANCE], front);
        assert!((face - 1.0).abs() < 2e-3, "{face}");
        let (chin, forehead) = (unit([0.0, 0.5, -1.0]), unit([0.0, -0.5, -1.0]));
        let side = unit([1.0, 0.0, -0.5]);
        let at = |y| [0.0, y, DISTANCE];
        assert!(received(at(90.0), chin) > 1.1 * received(at(-90.0), forehead));
        assert!(received([70.0, 0.0, DISTANCE], side) < 0.6);
        let near = received([0.0, 0.0, DISTANCE / 1.2], front);
        assert!((1.3..1.45).contains(&near), "{near}");
    }

    #[test]
    fn a_mirror_shows_the_screen_where_it_is_and_roughness_spreads_it() {
        let glow = Glow { rows: Vec::new(), below: 150.0 };
        let all = MIRRORED * LOOKS;
        assert!(glow.mirrored([0.0, 150.0], 4.0) > 0.99 * all);
        assert!(
            glow.mirrored([0.0, 0.0], 4.0) < 0.01 * all && glow.mirrored([200.0, 150.0], 4.0) < 0.01 * all
        );
        let spread = glow.mirrored([0.0, 150.0], 250.0);
        assert!(spread < 0.3 * all && glow.mirrored([0.0, 0.0], 250.0) > 0.4 * spread);
    }
}
