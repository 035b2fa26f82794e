//! Hands that hold a sheet by its edge: fingers behind it and a thumb before it, in the colour of
//! whoever's they are. They are no anatomy, only skin where skin would be.

use crate::simulation::glow::Glow;
use crate::simulation::light::{Light, Pixel, mixed};
use crate::simulation::medium::surface::{self, Sheet};
use crate::simulation::random::Chance;

/// How far from the place where it holds a hand is seen, in millimetres: a wrist would go on.
const SPAN: f32 = 65.0;

/// Half the length of a thumb.
const THUMB: f32 = 27.0;

/// An egg of skin on a sheet, in millimetres from where the hand holds.
#[derive(Clone, Copy, Debug)]
struct Finger {
    across: f32,
    down: f32,
    length: f32,
    thickness: f32,
    /// Cosine and sine of how it leans.
    lean: [f32; 2],
}

/// One hand at the left (-1) or right (1) edge of a sheet.
#[derive(Clone, Debug)]
pub struct Hand {
    skin: Pixel,
    /// Where it holds, from the sheet's middle.
    across: f32,
    down: f32,
    behind: Vec<Finger>,
    thumb: Finger,
}

impl Hand {
    /// A hand at one side of a sheet of that size, somewhere in the lower half. Its thumb reaches so
    /// far over the edge, in millimetres.
    pub fn new(side: f32, size: [f32; 2], reach: f32, skin: Pixel, chance: &mut Chance) -> Self {
        let finger = |i: i32| Finger {
            across: side * (9.0 + 1.5 * (i as f32 - 1.5).abs()),
            down: -30.0 + 18.0 * i as f32,
            length: 24.0,
            thickness: 9.5,
            lean: [1.0, 0.0],
        };
        let palm = Finger { across: side * 46.0, down: 0.0, length: 34.0, thickness: 44.0, lean: [1.0, 0.0] };
        let lean = chance.between(-0.5, 0.1) * side;
        Self {
            skin,
            across: side * size[0] / 2.0,
            down: size[1] * chance.between(0.02, 0.36),
            behind: [palm].into_iter().chain((0..4).map(finger)).collect(),
            thumb: Finger {
                across: side * (THUMB - reach),
                down: -6.0,
                length: THUMB,
                thickness: 10.5,
                lean: [lean.cos(), lean.sin()],
            },
        }
    }

    /// What is seen beside the sheet: to be drawn before it.
    pub fn draw_fingers(&self, onto: &mut Light, held: [Sheet; 2], glow: &Glow) {
        self.draw(onto, held, (-4.0, &self.behind), glow);
    }

    /// What covers the sheet: to be drawn after it.
    pub fn draw_thumb(&self, onto: &mut Light, held: [Sheet; 2], glow: &Glow) {
        self.draw(onto, held, (4.0, &[self.thumb]), glow);
    }

    fn draw(&self, onto: &mut Light, held: [Sheet; 2], (nearer, fingers): (f32, &[Finger]), glow: &Glow) {
        // Only as much is looked at as has skin.
        let (middle, size) = around(fingers);
        let place = held.map(|sheet| sheet.part(self.across + middle[0], self.down + middle[1], nearer));
        surface::draw(onto, place, size, |stretch, pixels| {
            let (shine, glow) = (stretch.shine(glow), glow.at(stretch.row));
            for (i, pixel) in pixels.iter_mut().enumerate().filter(|(i, _)| stretch.shows(*i)) {
                let (across, down) = (stretch.across[i] + middle[0], stretch.down[i] + middle[1]);
                for (cover, light) in fingers.iter().filter_map(|finger| finger.at(across, down)) {
                    let skin = std::array::from_fn(|c| self.skin[c] * (light + shine[i] * glow[c]));
                    *pixel = mixed(*pixel, skin, cover);
                }
            }
        });
    }
}

/// The middle and the size of what some fingers take up.
fn around(fingers: &[Finger]) -> ([f32; 2], [f32; 2]) {
    let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
    for finger in fingers {
        let reach = finger.length.max(finger.thickness);
        for (axis, at) in [finger.across, finger.down].into_iter().enumerate() {
            low[axis] = low[axis].min(at - reach).max(-SPAN);
            high[axis] = high[axis].max(at + reach).min(SPAN);
        }
    }
    ([0, 1].map(|i| (low[i] + high[i]) / 2.0), [0, 1].map(|i| high[i] - low[i]))
}

impl Finger {
    /// How much of a point it covers, and how it is lit there: it is round, and light comes from above.
    fn at(&self, across: f32, down: f32) -> Option<(f32, f32)> {
        let (x, y) = (across - self.across, down - self.down);
        let [cosine, sine] = self.lean;
        let along = (x * cosine + y * sine) / self.length;
        let aside = (y * cosine - x * sine) / self.thickness;
        let height = 1.0 - along * along - aside * aside;
        (height > 0.0).then(|| ((5.0 * height).min(1.0), 0.45 + 0.55 * height.sqrt() - 0.18 * aside))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::scene;
    use crate::sitter::{DISTANCE, MIDDLE, Stance};

    #[test]
    fn hands_are_at_the_edge_they_hold() {
        let mut chance = Chance::new(1, "hand");
        let held = [Sheet::held(MIDDLE, DISTANCE, Stance::STRAIGHT); 2];
        for side in [-1.0, 1.0] {
            let hand = Hand::new(side, [200.0, 280.0], 30.0, [0.4, 0.25, 0.2, 0.0], &mut chance);
            let mut scene = scene::empty();
            hand.draw_fingers(&mut scene, held, &Glow::default());
            hand.draw_thumb(&mut scene, held, &Glow::default());
            let width = scene.width;
            let skin = scene.pixels.iter().enumerate().filter(|(_, p)| p[0] > 0.1).map(|(i, _)| i % width);
            let columns: Vec<usize> = skin.collect();
            assert!(columns.len() > 4000, "{}", columns.len());
            let mean = columns.iter().sum::<usize>() as f32 / columns.len() as f32 - width as f32 / 2.0;
            assert!(mean * side > 150.0, "{mean}");
        }
    }
}
