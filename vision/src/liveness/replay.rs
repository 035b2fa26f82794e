//! Keyed digests of how a face moved, by which footage that was shown before is known again. A digest says
//! nothing without its key, and those of two keys have nothing in common. It recognises motion, not people.
//!
//! A digest is of a second and a half: 256 signs of random projections of how the landmarks moved
//! (`replay/motion.rs`). Such signs differ in as many places as the angle between two motions is large.
//! Digests of one attempt begin every 50 ms, and every fourth is kept, so that footage that starts at another
//! moment still lines up within 25 ms. Five in a row must agree: 2.3 s, which an attempt of one action has.
//!
//! **How often.** Two attempts that both show a nod resemble each other, and the more so, the stiller the head
//! is beside it. The bound is set so that what a person does again is not taken for what she did before, and
//! finds the same footage only where landmarks are steady against the sway. Simulated attempts of 2.4 to 4.5
//! seconds with one random action, against 64 earlier ones of the same person; 30 frames a second, 70 px
//! between the eyes:
//!
//! | noise of landmarks | sway of heads | same footage found | done again, taken for it |
//! |---|---|---|---|
//! | 0.08 px | 1.5, 0.75, 0.3 degrees | 93 %, 90 %, 43 % | 0 of 600 |
//! | 0.15 px | the same | 78 %, 57 %, 17 % | 0 of 600 |
//! | 0.3 px | the same | 38 %, 0 %, 2 % | 0 of 600 |
//! | 0.5 px | the same | 2 %, 3 %, 0 % | 0 of 600 |
//!
//! A false alarm costs an attempt. **What is not found**: footage that is mirrored, at another speed, or cut so
//! that less than 2.3 seconds come again as they were; most of what is filmed again from a screen in a hand;
//! footage that no earlier attempt showed. That none can be ready for a random challenge stands against it.

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
const RUN: usize = 5;
const MOST_DIFFERENT: u32 = 16;
/// What a moment of motion differs by from one of stillness: as if by chance.
const UNRELATED: u32 = SIGNS as u32 / 2;

/// How a face moved for a second and a half, under one key. Wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Digest([u8; 32]);

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest(redacted)")
    }
}

impl Digest {
    /// Of a time in which hardly anything moved, or frames are missing.
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

/// The digests of a track, one for every [`HOP_US`]; none of one that is shorter than a digest. The key is one
/// machine's or one user's, and random.
pub fn digests(track: &Track, key: &[u8; 32]) -> Vec<Digest> {
    let motion = Motion::of(track);
    let projections = Projections::of(key);
    (0..motion.windows(HOP_US)).map(|i| projections.digest(motion.window(i as u64 * HOP_US))).collect()
}

/// What is stored of an attempt, as a past for later ones, oldest first. Nothing of one that is too short to be
/// known again.
pub fn kept(digests: &[Digest]) -> Vec<Digest> {
    let kept: Vec<Digest> = digests.iter().step_by(KEPT).cloned().collect();
    if kept.len() < RUN { Vec::new() } else { kept }
}

/// Compares all digests of an attempt with those kept of one earlier attempt, at every offset between the two.
pub fn seen_before(now: &[Digest], past: &[Digest]) -> Footage {
    match nearest(now, past) {
        Some(signs) if signs <= MOST_DIFFERENT * RUN as u32 => Footage::SeenBefore,
        _ => Footage::New,
    }
}

/// The signs that differ, summed over the run of digests in which both agree best. None without such a run.
fn nearest(now: &[Digest], past: &[Digest]) -> Option<u32> {
    // Where the past's first digest lies among those of now; before them, too.
    let (now_len, past_len) = (now.len() as isize, (past.len() * KEPT) as isize);
    (-past_len..now_len).filter_map(|offset| nearest_at(now, past, offset)).min()
}

/// The same at one offset. Moments in which neither moves are left out.
fn nearest_at(now: &[Digest], past: &[Digest], offset: isize) -> Option<u32> {
    let differences: Vec<u32> = past
        .iter()
        .enumerate()
        .filter_map(|(i, then)| {
            let place = usize::try_from(offset + (i * KEPT) as isize).ok()?;
            now.get(place)?.differs(then)
        })
        .collect();
    differences.windows(RUN).map(|run| run.iter().sum::<u32>()).min()
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
