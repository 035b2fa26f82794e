//! Keyed digests of how a face moved, by which footage that was shown before is known again. A digest says
//! nothing without its key, and those of two keys have nothing in common. It recognises motion, not people.
//!
//! A digest is of three seconds: 256 signs of random projections of how the landmarks moved
//! (`replay/motion.rs`). Such signs differ in as many places as the angle between two motions is large.
//! Digests of one attempt begin every 50 ms, and every fourth is kept, so that footage that starts at another
//! moment still lines up within 25 ms.
//!
//! **False alarms.** In a simulation of heads that sway, blink and do three of the six actions at random times,
//! eight digests in a row differed at best in so many signs of 256 on average, and were under the bound:
//!
//! | what was compared | least | median | most | under the bound |
//! |---|---|---|---|---|
//! | the same footage, with new noise, from another start | 28 | 34 | 40 | 45 of 45 |
//! | the same footage filmed from a screen, with a moving hand | 45 | 51 | 60 | 13 of 45 |
//! | the same actions in the same order, done again | 46 | 80 | 101 | 1 of 625 |
//!
//! So the bound finds the footage itself, and some of what was filmed again. A false alarm costs one attempt
//! more. Footage that is cut to less than 4.4 seconds, mirrored, or at another speed is not found: that no
//! footage can be ready for a random challenge stands against it.

mod motion;

use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::liveness::glimpse::Track;
use motion::{MOTION, Motion};

/// Under it, projections are made.
const CONTEXT: &str = "vultus liveness replay 1";
const SIGNS: usize = 256;
/// One digest of an attempt begins so much later than the one before, in µs.
const HOP_US: u64 = 50_000;
/// Of so many, one is kept.
const KEPT: usize = 4;
/// How many kept digests in a row must agree, on average, and the most signs that may differ. Starting values,
/// to be set from docs/liveness.md: see above.
const RUN: usize = 8;
const MOST_DIFFERENT: u32 = 48;
/// What a moment of motion differs by from one of stillness: as if by chance.
const UNRELATED: u32 = SIGNS as u32 / 2;

/// How a face moved for three seconds, under one key. Wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Digest([u8; 32]);

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest(redacted)")
    }
}

impl Digest {
    /// Of three seconds in which hardly anything moved, or frames are missing.
    const STILL: Self = Self([0; 32]);

    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Signs that differ; None where neither shows motion.
    fn differs(&self, other: &Self) -> Option<u32> {
        match (*self == Self::STILL, *other == Self::STILL) {
            (true, true) => None,
            (false, false) => Some(self.0.iter().zip(&other.0).map(|(a, b)| (a ^ b).count_ones()).sum()),
            _ => Some(UNRELATED),
        }
    }
}

/// Whether footage was seen in an earlier attempt.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Footage {
    SeenBefore,
    New,
}

/// The digests of a track, one for every [`HOP_US`]; none of less than three seconds. The key is one machine's
/// or one user's, and random.
pub fn digests(track: &Track, key: &[u8; 32]) -> Vec<Digest> {
    let motion = Motion::of(track);
    let projections = Projections::of(key);
    (0..motion.windows(HOP_US)).map(|i| projections.digest(motion.window(i as u64 * HOP_US))).collect()
}

/// What is stored of an attempt, as a past for later ones.
pub fn kept(digests: &[Digest]) -> Vec<Digest> {
    digests.iter().step_by(KEPT).cloned().collect()
}

/// Compares all digests of an attempt with those kept of one earlier attempt, at every offset between the two.
pub fn seen_before(now: &[Digest], past: &[Digest]) -> Footage {
    // Where the past's first digest lies among those of now; before them, too.
    let (now_len, past_len) = (now.len() as isize, (past.len() * KEPT) as isize);
    let again = (-past_len..now_len).any(|offset| runs_along(now, past, offset));
    if again { Footage::SeenBefore } else { Footage::New }
}

/// Whether both agree for long enough at one offset. Moments in which neither moves are left out.
fn runs_along(now: &[Digest], past: &[Digest], offset: isize) -> bool {
    let differences: Vec<u32> = past
        .iter()
        .enumerate()
        .filter_map(|(i, then)| {
            let place = usize::try_from(offset + (i * KEPT) as isize).ok()?;
            now.get(place)?.differs(then)
        })
        .collect();
    differences.windows(RUN).any(|run| run.iter().sum::<u32>() <= MOST_DIFFERENT * RUN as u32)
}

/// A random sign for each number of a motion, for each sign of a digest: what the key makes of SHA-256.
struct Projections(Zeroizing<Vec<u8>>);

/// Bytes of signs for one projection.
const ROW: usize = MOTION.div_ceil(8);

impl Projections {
    fn of(key: &[u8; 32]) -> Self {
        let mut signs: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::with_capacity(SIGNS * ROW + 32));
        let keyed = Sha256::new().chain_update(CONTEXT.as_bytes()).chain_update(key);
        for counter in 0u32.. {
            if signs.len() >= SIGNS * ROW {
                break;
            }
            let block = keyed.clone().chain_update(counter.to_be_bytes()).finalize();
            signs.extend_from_slice(&block);
        }
        Self(signs)
    }

    fn digest(&self, motion: Option<[f32; MOTION]>) -> Digest {
        let Some(motion) = motion else {
            return Digest::STILL;
        };
        let mut bits = [0u8; 32];
        for (i, row) in self.0.chunks_exact(ROW).take(SIGNS).enumerate() {
            if project(row, &motion) > 0.0 {
                bits[i / 8] |= 1 << (i % 8);
            }
        }
        Digest(bits)
    }
}

/// The sum of the numbers, each with the sign of its bit.
fn project(row: &[u8], motion: &[f32; MOTION]) -> f32 {
    let signed =
        |(i, number): (usize, &f32)| if (row[i / 8] >> (i % 8)) & 1 == 1 { *number } else { -number };
    motion.iter().enumerate().map(signed).sum()
}

#[cfg(test)]
mod tests;
