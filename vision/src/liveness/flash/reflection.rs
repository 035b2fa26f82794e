//! Whether the colours of a face follow those that a screen showed, and as skin does: multiplied with what is
//! there, about evenly all over the face. It looks at no picture and knows no one.
//!
//! Everything is done with logarithms of one colour over another, of which a second light that is multiplied
//! adds the same to every patch, dark or bright, and a change of brightness nothing. Glass before a picture adds a
//! light of its own to what is behind: relatively more where the picture is dark, and only where the screen is
//! mirrored.
//!
//! All bounds are starting values; docs/liveness.md says what they were tried on.

use crate::liveness::fit::median;
use crate::liveness::flash::{FaceColours, Flash};

/// From the word to the camera's frame, in µs: what is searched, and how finely.
const MOST_LATENCY_US: u64 = 400_000;
const LATENCY_STEP_US: u64 = 25_000;
/// What changes over more than so many µs on either side is the camera's white balance, or the day.
const DRIFT_US: u64 = 1_000_000;
/// The least correlation of the skin's tint with the screen's. Sequences of ten colours that have nothing to do
/// with each other reach it in less than 1 of 100 computed trials.
const LEAST_CORRELATION: f32 = 0.7;
/// How much light the screen's white must add at least, over what is there: matte screens reflect up to 0.02 of
/// what skin does.
const LEAST_GAIN: f32 = 0.04;
/// The gain of each patch of skin over that of all: the screen lights chin and forehead unevenly, but both.
const EVEN: std::ops::RangeInclusive<f32> = 0.35..=2.5;
/// What is darker than skin by this factor, brows or eyes, tells a light that is added from one that is multiplied: its
/// gain would be larger by all of that factor. Where nothing is so dark, nothing can be told. So much of the way is
/// too much; eyes that mirror the screen themselves go a little of it.
const DARKER: f32 = 1.4;
const ADDED: f32 = 0.4;
/// The fewest frames, for each colour.
const LEAST_FRAMES: usize = 2;
/// A patch that is too bright for the camera in more than this share of the frames is left out; so many of skin, and
/// one dark one, must be left.
const LOST: f32 = 0.1;
const LEAST_SKIN: usize = 3;
/// What a camera makes of light: bytes grow with its 2.2nd root, and end at both ends.
const GAMMA: f32 = 2.2;
const USABLE: std::ops::RangeInclusive<f32> = 3.0..=250.0;

/// Whether a face follows the colours.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reflection {
    Unrelated,
    /// Too few frames, or light that drowns the screen's: nothing is shown.
    TooFaint,
    /// Something follows, but as glass does.
    Mirrored,
    Follows,
}

/// Judges the frames of a face.
pub(super) fn judge(flash: &Flash, faces: &[FaceColours]) -> Reflection {
    let latencies = (0..=MOST_LATENCY_US / LATENCY_STEP_US).map(|step| step * LATENCY_STEP_US);
    let best = latencies
        .filter_map(|latency_us| Series::of(flash, faces, latency_us))
        .max_by(|a, b| a.correlation.total_cmp(&b.correlation));
    match best {
        None => Reflection::TooFaint,
        // What is no number is no correlation.
        Some(series) if series.correlation.is_nan() || series.correlation < LEAST_CORRELATION => {
            if series.length < LEAST_GAIN / 2.0 { Reflection::TooFaint } else { Reflection::Unrelated }
        }
        Some(series) if series.gain < LEAST_GAIN => Reflection::TooFaint,
        Some(series) if series.is_multiplied() => Reflection::Follows,
        Some(_) => Reflection::Mirrored,
    }
}

/// The tint of the face through the frames, against what was shown a latency before.
struct Series {
    correlation: f32,
    /// Light that the screen's white adds, over what is there: of the whole skin, its patches, the dark ones.
    gain: f32,
    skin: Vec<f32>,
    dark: Vec<f32>,
    /// How many times darker than the skin each dark patch is, in light.
    darker: Vec<f32>,
    /// Root mean square of the skin's tint.
    length: f32,
}

impl Series {
    fn of(flash: &Flash, faces: &[FaceColours], latency_us: u64) -> Option<Self> {
        let (skin, dark) = (usable(faces, |face| &face.skin), usable(faces, |face| &face.dark));
        if skin.len() < LEAST_SKIN || dark.is_empty() {
            return None;
        }
        let patches = |face: &FaceColours| {
            let skin = skin.iter().map(|&i| tint(face.skin[i]));
            skin.chain(dark.iter().map(|&i| tint(face.dark[i]))).collect::<Option<Vec<_>>>()
        };
        let (mut at_us, mut shown, mut seen, mut darker) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for face in faces {
            let colour = face.at_us.checked_sub(latency_us).and_then(|then_us| flash.shown(then_us));
            let (Some(colour), Some(tints)) = (colour, patches(face)) else { continue };
            at_us.push(face.at_us);
            shown.push(screen_tint(colour));
            seen.push(tints);
            darker.push(dark.iter().map(|&patch| times_darker(face, &skin, patch)).collect::<Vec<f32>>());
        }
        if at_us.len() < flash.sequence.colours().len() * LEAST_FRAMES {
            return None;
        }
        let near = Near::of(&at_us);
        let shown = near.centred(shown);
        let follow = |of: &dyn Fn(&Vec<[f32; 2]>) -> [f32; 2]| {
            Following::of(&near.centred(seen.iter().map(of).collect()), &shown)
        };
        let whole = follow(&|tints| mean(&tints[..skin.len()]));
        let gains: Vec<f32> = (0..skin.len() + dark.len()).map(|i| follow(&|tints| tints[i]).gain).collect();
        let (of_skin, of_dark) = gains.split_at(skin.len());
        let darker = (0..dark.len()).map(|i| median(darker.iter().map(|all| all[i]).collect()));
        Some(Self {
            correlation: whole.correlation,
            gain: whole.gain,
            skin: of_skin.to_vec(),
            dark: of_dark.to_vec(),
            darker: darker.collect::<Option<_>>()?,
            length: whole.length,
        })
    }

    /// As skin reflects, not as glass mirrors.
    fn is_multiplied(&self) -> bool {
        let even = self.skin.iter().all(|gain| EVEN.contains(&(gain / self.gain)));
        // How far the gains of dark patches go from that of skin towards that of added light, by least squares.
        let told = self.dark.iter().zip(&self.darker).filter(|(_, darker)| **darker >= DARKER);
        let (mut products, mut squares) = (0.0, 0.0);
        for (gain, darker) in told {
            products += (gain / self.gain - 1.0) * (darker - 1.0);
            squares += (darker - 1.0) * (darker - 1.0);
        }
        even && squares > 0.0 && products / squares <= ADDED
    }
}

/// The patches whose tint could be told in nearly all frames.
fn usable<const N: usize>(faces: &[FaceColours], of: fn(&FaceColours) -> &[[f32; 3]; N]) -> Vec<usize> {
    let lost = |i: &usize| faces.iter().filter(|face| tint(of(face)[*i]).is_none()).count() as f32;
    (0..N).filter(|i| lost(i) <= LOST * faces.len() as f32).collect()
}

/// How many times more light the skin gives than a dark patch.
fn times_darker(face: &FaceColours, skin: &[usize], patch: usize) -> f32 {
    let light = |colour: &[f32; 3]| (colour.iter().sum::<f32>() / 3.0).max(1.0).powf(GAMMA);
    let all = skin.iter().map(|&i| light(&face.skin[i])).sum::<f32>() / skin.len().max(1) as f32;
    all / light(&face.dark[patch])
}

/// Red over green, and both over blue, as logarithms of light. None where the camera was at its end.
fn tint(colour: [f32; 3]) -> Option<[f32; 2]> {
    let [r, g, b] = colour.map(|c| GAMMA * c.ln());
    colour.iter().all(|c| USABLE.contains(c)).then_some([r - g, (r + g) / 2.0 - b])
}

fn mean(tints: &[[f32; 2]]) -> [f32; 2] {
    let share = 1.0 / tints.len().max(1) as f32;
    tints.iter().fold([0.0; 2], |sum, tint| [sum[0] + share * tint[0], sum[1] + share * tint[1]])
}

/// What a little of a colour adds to such logarithms, for each share of white.
fn screen_tint([r, g, b]: [f32; 3]) -> [f32; 2] {
    [r - g, (r + g) / 2.0 - b]
}

/// For each frame, those near it in time.
struct Near(Vec<std::ops::Range<usize>>);

impl Near {
    fn of(at_us: &[u64]) -> Self {
        let range = |at: &u64| {
            at_us.partition_point(|t| t + DRIFT_US < *at)..at_us.partition_point(|t| *t <= at + DRIFT_US)
        };
        Self(at_us.iter().map(range).collect())
    }

    /// Without what drifts slowly.
    fn centred(&self, series: Vec<[f32; 2]>) -> Vec<[f32; 2]> {
        let mean = |range: &std::ops::Range<usize>, c: usize| {
            let near = series.get(range.clone()).unwrap_or_default();
            near.iter().map(|v| v[c]).sum::<f32>() / near.len() as f32
        };
        self.0.iter().zip(&series).map(|(range, value)| [0, 1].map(|c| value[c] - mean(range, c))).collect()
    }
}

/// How one series follows another.
struct Following {
    correlation: f32,
    gain: f32,
    length: f32,
}

impl Following {
    fn of(seen: &[[f32; 2]], shown: &[[f32; 2]]) -> Self {
        let product = |a: &[[f32; 2]], b: &[[f32; 2]]| {
            a.iter().flatten().zip(b.iter().flatten()).map(|(x, y)| x * y).sum::<f32>()
        };
        let (squares, of_shown, both) = (product(seen, seen), product(shown, shown), product(seen, shown));
        Self {
            correlation: both / (squares * of_shown).sqrt().max(f32::MIN_POSITIVE),
            gain: both / of_shown.max(f32::MIN_POSITIVE),
            length: (squares / seen.len().max(1) as f32).sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::flash::{FlashSequence, SPAN_US};
    use crate::liveness::synthetic::Dice;

    const BEGAN_US: u64 = 5_000_000;
    /// Light of a patch of skin and of a brow in the room's light, in shares of white.
    const SKIN: [f32; 3] = [0.35, 0.22, 0.16];
    const BROW: [f32; 3] = [0.08, 0.06, 0.05];

    fn shown(first: u8) -> Flash {
        let mut flash = Flash::new(FlashSequence::draw(&[first; 32]));
        let mut at_us = BEGAN_US;
        while !flash.is_over() {
            let _ = flash.turn(at_us);
            at_us += SPAN_US;
        }
        flash
    }

    /// What a camera makes of patches on which the screen's light falls so, with noise, at so many frames a second.
    fn seen(
        flash: &Flash,
        rate: u64,
        latency_us: u64,
        lit: impl Fn([f32; 3], [f32; 3], usize) -> [f32; 3],
    ) -> Vec<FaceColours> {
        let mut dice = Dice::new(latency_us + rate);
        let frames = 4_200_000 * rate / 1_000_000;
        (0..frames)
            .map(|i| {
                let at_us = BEGAN_US + i * 1_000_000 / rate;
                let light = flash.shown(at_us.saturating_sub(latency_us)).unwrap_or([0.0; 3]);
                // It gets warmer.
                let warm = [1.0 + 0.0008 * i as f32, 1.0, 1.0 - 0.0005 * i as f32];
                let mut patch = |base: [f32; 3], place: usize, noise: f32| {
                    let light = lit(base, light, place);
                    std::array::from_fn(|c| {
                        255.0 * (light[c] * warm[c]).powf(1.0 / GAMMA) + noise * dice.normal()
                    })
                };
                let skin = std::array::from_fn(|place| patch(SKIN, place, 0.15));
                let dark = std::array::from_fn(|place| patch(BROW, 5 + place, 0.5));
                FaceColours { at_us, skin, dark }
            })
            .collect()
    }

    fn face(gain: f32) -> impl Fn([f32; 3], [f32; 3], usize) -> [f32; 3] {
        // The chin gets more than the forehead.
        let share = [0.8, 1.0, 0.9, 1.1, 1.3, 0.8, 0.9, 1.0, 1.1];
        move |base, light, place| std::array::from_fn(|c| base[c] * (1.0 + gain * share[place] * light[c]))
    }

    #[test]
    fn a_face_before_the_screen_follows_at_any_latency_and_rate() {
        for first in 1..=8 {
            let flash = shown(first);
            for latency_us in [0, 90_000, 250_000, 380_000] {
                for (rate, gain) in [(10, 0.1), (15, 0.3), (30, 0.07), (30, 0.6)] {
                    let faces = seen(&flash, rate, latency_us, face(gain));
                    let found = judge(&flash, &faces);
                    assert_eq!(found, Reflection::Follows, "{first} {latency_us} {rate} {gain}");
                }
            }
        }
    }

    #[test]
    fn a_face_before_another_screen_does_not() {
        let followed = (1..=60u8)
            .filter(|&first| {
                let faces = seen(&shown(first), 30, 100_000, face(0.3));
                judge(&shown(first + 100), &faces) == Reflection::Follows
            })
            .count();
        assert!(followed <= 1, "{followed}");
    }

    #[test]
    fn what_cannot_be_seen_shows_nothing() {
        let flash = shown(1);
        assert_eq!(judge(&flash, &seen(&flash, 30, 0, face(0.0))), Reflection::TooFaint);
        assert_eq!(judge(&flash, &seen(&flash, 30, 0, face(0.02))), Reflection::TooFaint);
        assert_eq!(judge(&flash, &seen(&flash, 30, 0, face(0.3))[..15]), Reflection::TooFaint);
        assert_eq!(judge(&flash, &[]), Reflection::TooFaint);
        // A camera at its end, and what is no number. A forehead that is too bright is left out.
        let bright = |base: [f32; 3], light: [f32; 3], place: usize| {
            if place == 0 { [1.2; 3] } else { face(0.3)(base, light, place) }
        };
        assert_eq!(judge(&flash, &seen(&flash, 30, 0, bright)), Reflection::Follows);
        let white = |_: [f32; 3], _: [f32; 3], _: usize| [1.2; 3];
        assert_eq!(judge(&flash, &seen(&flash, 30, 0, white)), Reflection::TooFaint);
        let nothing = |_: [f32; 3], _: [f32; 3], _: usize| [f32::NAN; 3];
        assert_eq!(judge(&flash, &seen(&flash, 30, 0, nothing)), Reflection::TooFaint);
    }

    #[test]
    fn glass_before_a_picture_does_not_follow_as_skin_does() {
        for first in 1..=8 {
            let flash = shown(first);
            let everywhere = |base: [f32; 3], light: [f32; 3], _: usize| {
                std::array::from_fn(|c| base[c] + 0.05 * light[c])
            };
            let below = |base: [f32; 3], light: [f32; 3], place: usize| {
                let mirrors = if [1, 2, 3, 4].contains(&place) { 0.1 } else { 0.0 };
                std::array::from_fn(|c| base[c] + mirrors * light[c])
            };
            let matte = |base: [f32; 3], light: [f32; 3], _: usize| {
                std::array::from_fn(|c| base[c] + 0.004 * light[c])
            };
            assert_eq!(judge(&flash, &seen(&flash, 30, 90_000, everywhere)), Reflection::Mirrored);
            assert_eq!(judge(&flash, &seen(&flash, 30, 90_000, below)), Reflection::Mirrored);
            assert_eq!(judge(&flash, &seen(&flash, 30, 90_000, matte)), Reflection::TooFaint);
        }
    }
}
