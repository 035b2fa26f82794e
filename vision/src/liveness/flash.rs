//! A random sequence of colours that a screen shows, and whether the face in front of it follows them: light
//! that a recording, a print or a rendering elsewhere cannot have foreseen. It shows nothing and looks at no
//! picture: it is given the face's mean colour in each frame. A screen that is held before the camera reflects
//! colours too, so that this is one sign among others.
//!
//! Colours change twice a second, since more than three flashes a second can harm people (WCAG 2.3.1). Nobody
//! is shown them without having chosen so.

use crate::liveness::challenge::chance::Chance;

/// Under it, colours are drawn.
const CONTEXT: &str = "vultus liveness flash 1";
/// How many colours: with fewer, a face may seem to follow by chance.
pub const LEAST_COLOURS: usize = 8;
pub const MOST_COLOURS: usize = 24;
/// How long each is shown, in µs.
pub const SPAN_US: u64 = 500_000;
/// From the screen to the camera's frame, in µs: what is searched, and how finely.
const MOST_LATENCY_US: u64 = 400_000;
const LATENCY_STEP_US: u64 = 33_000;
/// What changes over more than so many µs on either side is the camera's white balance, or the day.
const DRIFT_US: u64 = 1_000_000;
/// The least correlation of the face's tint with the screen's. A starting value, to be set from
/// docs/liveness.md: in a simulation, sequences of eight colours that had nothing to do with each other
/// reached it in 3 of 400 trials, of twelve in none of 300, and faces that followed in all.
const LEAST_CORRELATION: f32 = 0.7;
/// The least tint that counts, as a share of the face's brightness: root mean square. A starting value; the
/// mean over a face has noise of less than a thousandth.
const LEAST_TINT: f32 = 0.002;
/// The fewest frames for each colour.
const LEAST_FRAMES: usize = 4;

/// What a screen can show. All are saturated: the tint is what is looked for, not the brightness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Colour {
    Red,
    Yellow,
    Green,
    Cyan,
    Blue,
    Magenta,
}

impl Colour {
    pub const ALL: [Self; 6] = [Self::Red, Self::Yellow, Self::Green, Self::Cyan, Self::Blue, Self::Magenta];

    /// What the screen shows, all over.
    pub fn rgb(self) -> [u8; 3] {
        match self {
            Self::Red => [255, 0, 0],
            Self::Yellow => [255, 255, 0],
            Self::Green => [0, 255, 0],
            Self::Cyan => [0, 255, 255],
            Self::Blue => [0, 0, 255],
            Self::Magenta => [255, 0, 255],
        }
    }
}

/// The mean colour of the face in one frame, 0 to 255 each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaceColour {
    pub at_us: u64,
    pub rgb: [f32; 3],
}

/// Whether a face follows the colours.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reflection {
    Unrelated,
    /// Too few frames, or light that drowns the screen's: nothing is shown.
    TooFaint,
    Follows,
}

/// Colours in the order in which they are shown, none twice in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlashSequence(Vec<Colour>);

impl FlashSequence {
    /// The sequence that follows from a nonce; None of too few or too many.
    pub fn draw(nonce: &[u8; 32], colours: usize) -> Option<Self> {
        if !(LEAST_COLOURS..=MOST_COLOURS).contains(&colours) {
            return None;
        }
        let mut chance = Chance::new(CONTEXT, nonce);
        let mut drawn: Vec<Colour> = Vec::with_capacity(colours);
        for _ in 0..colours {
            let left: Vec<Colour> = Colour::ALL.into_iter().filter(|c| drawn.last() != Some(c)).collect();
            drawn.push(*left.get(chance.below(left.len() as u32) as usize)?);
        }
        Some(Self(drawn))
    }

    pub fn colours(&self) -> &[Colour] {
        &self.0
    }

    /// Judges the frames of the face, if the first colour was shown at `began_us` of the frames' clock.
    pub fn judge(&self, began_us: u64, faces: &[FaceColour]) -> Reflection {
        let best = (0..=MOST_LATENCY_US / LATENCY_STEP_US)
            .filter_map(|step| self.compare(began_us + step * LATENCY_STEP_US, faces))
            .max_by(|a, b| a.correlation.total_cmp(&b.correlation));
        match best {
            Some(best) if best.tint < LEAST_TINT => Reflection::TooFaint,
            Some(best) if best.correlation >= LEAST_CORRELATION => Reflection::Follows,
            Some(_) => Reflection::Unrelated,
            None => Reflection::TooFaint,
        }
    }

    /// Compares what was seen with what was shown, if it reached the frames from `began_us` on.
    fn compare(&self, began_us: u64, faces: &[FaceColour]) -> Option<Comparison> {
        let pairs: Vec<Tinted> = faces
            .iter()
            .filter_map(|face| {
                let place = face.at_us.checked_sub(began_us)? / SPAN_US;
                let shown = self.0.get(usize::try_from(place).ok()?)?.rgb().map(f32::from);
                Some(Tinted { at_us: face.at_us, seen: tint(face.rgb)?, shown: tint(shown)? })
            })
            .collect();
        if pairs.len() < self.0.len() * LEAST_FRAMES {
            return None;
        }
        Comparison::of(&pairs)
    }
}

/// Red against green, and both against blue, over the brightness. None of black, or of what is no number.
fn tint([r, g, b]: [f32; 3]) -> Option<[f32; 2]> {
    let sum = r + g + b;
    let tint = [(r - g) / sum, ((r + g) / 2.0 - b) / sum];
    (sum.is_finite() && sum > 1.0).then_some(tint)
}

/// The tint of the face in one frame, and of the screen.
struct Tinted {
    at_us: u64,
    seen: [f32; 2],
    shown: [f32; 2],
}

struct Comparison {
    correlation: f32,
    /// Root mean square of the face's.
    tint: f32,
}

impl Comparison {
    /// Of both after what drifts slowly was taken away.
    fn of(pairs: &[Tinted]) -> Option<Self> {
        let (mut seen, mut shown, mut both) = (0.0, 0.0, 0.0);
        for pair in pairs {
            let near: Vec<&Tinted> =
                pairs.iter().filter(|p| p.at_us.abs_diff(pair.at_us) <= DRIFT_US).collect();
            let mean = |of: fn(&Tinted) -> [f32; 2], c: usize| {
                near.iter().map(|p| of(p)[c]).sum::<f32>() / near.len() as f32
            };
            for c in [0, 1] {
                let (a, b) = (pair.seen[c] - mean(|p| p.seen, c), pair.shown[c] - mean(|p| p.shown, c));
                seen += a * a;
                shown += b * b;
                both += a * b;
            }
        }
        let length = (seen * shown).sqrt();
        let tint = (seen / pairs.len() as f32).sqrt();
        let comparison = Self { correlation: both / length.max(f32::MIN_POSITIVE), tint };
        (length.is_finite() && shown > 0.0).then_some(comparison)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::synthetic::Dice;

    const BEGAN_US: u64 = 5_000_000;

    fn sequence(first: u8) -> FlashSequence {
        FlashSequence::draw(&[first; 32], 10).expect("a sequence")
    }

    /// A face that reflects so much of a screen after so many µs, in light that gets warmer, with noise.
    fn face(shown: &FlashSequence, gain: f32, latency_us: u64, seed: u64) -> Vec<FaceColour> {
        let mut dice = Dice::new(seed);
        (0..165u64)
            .map(|i| {
                let at_us = BEGAN_US + i * 33_333;
                let place = at_us.saturating_sub(BEGAN_US + latency_us) / SPAN_US;
                let light = shown.colours().get(place as usize).map_or([0.0; 3], |c| c.rgb().map(f32::from));
                let skin = [140.0 + 0.05 * i as f32, 105.0, 90.0 - 0.03 * i as f32];
                let rgb =
                    std::array::from_fn(|c| skin[c] * (1.0 + gain * light[c] / 255.0) + 0.1 * dice.normal());
                FaceColour { at_us, rgb }
            })
            .collect()
    }

    #[test]
    fn a_face_before_the_screen_follows_at_any_latency() {
        for seed in 1..=8 {
            let shown = sequence(seed as u8);
            for latency_us in [0, 90_000, 250_000, 380_000] {
                let seen = face(&shown, 0.03, latency_us, seed);
                assert_eq!(shown.judge(BEGAN_US, &seen), Reflection::Follows, "{seed} {latency_us}");
            }
        }
    }

    #[test]
    fn a_face_before_another_screen_does_not() {
        let followed = (1..=40u8)
            .filter(|&seed| {
                let seen = face(&sequence(seed), 0.03, 100_000, seed.into());
                sequence(seed + 100).judge(BEGAN_US, &seen) == Reflection::Follows
            })
            .count();
        assert!(followed <= 1, "{followed}");
    }

    #[test]
    fn what_cannot_be_seen_shows_nothing() {
        let shown = sequence(1);
        assert_eq!(shown.judge(BEGAN_US, &face(&shown, 0.0, 0, 1)), Reflection::TooFaint);
        assert_eq!(shown.judge(BEGAN_US, &face(&shown, 0.03, 0, 1)[..30]), Reflection::TooFaint);
        assert_eq!(shown.judge(BEGAN_US, &[]), Reflection::TooFaint);
    }

    #[test]
    fn no_colour_comes_twice_in_a_row() {
        for first in 0..=255 {
            let drawn = FlashSequence::draw(&[first; 32], MOST_COLOURS).expect("a sequence");
            assert!(drawn.colours().windows(2).all(|pair| pair[0] != pair[1]));
        }
        assert_eq!(FlashSequence::draw(&[0; 32], LEAST_COLOURS - 1), None);
        assert_eq!(FlashSequence::draw(&[0; 32], MOST_COLOURS + 1), None);
    }
}
