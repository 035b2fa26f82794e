//! Whether frames came again: a picture that stands still, or a stretch of an attempt that is shown twice.
//! Two frames of a living face are never equal: the sensor's noise alone makes them differ. Footage that was
//! filmed from a screen has new noise, and is for `replay` to find.

use crate::liveness::challenge::Failure;
use crate::liveness::glimpse::{THUMBNAIL, Thumbnail, Track};

/// 1 - the product of two thumbnails that is nothing but rounding. A thumbnail's pixel is the mean of some 60
/// of the sensor's: noise of 2 to 4 levels leaves 0.3 to 0.5 of some 40 levels of contrast, which makes 5e-5
/// and more; unsteady landmarks add to it. A starting value, to be set from docs/liveness.md.
const EQUAL: f32 = 5e-6;
/// The shortest stretch that a picture may not stand still, in µs and in frames: cameras in poor light, and
/// drivers, give a frame two or three times.
const FROZEN_US: u64 = 400_000;
const FROZEN_FRAMES: u32 = 4;
/// What is shown again is at least this old, in µs, ...
const LAG_US: u64 = 500_000;
/// ... and as long, in µs and in frames that differ from one another. Single frames may be equal by chance
/// where a camera reduces noise by itself.
const AGAIN_US: u64 = 250_000;
const AGAIN_FRAMES: u32 = 6;
/// Between two frames of a stretch that is shown again, at most: some may be missing.
const STRIDE_US: u64 = 200_000;
/// Frames in a row that may match nothing within a stretch.
const MISSES: u32 = 2;

/// A stretch of earlier frames that seems to come again.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// The earlier frame that the newest equals.
    then_us: u64,
    /// When the repetition began.
    since_us: u64,
    frames: u32,
    misses: u32,
}

/// What came again in one attempt.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// Since when the picture stands still, and for how many frames.
    still: Option<(u64, u32)>,
    runs: Vec<Run>,
}

impl Repeats {
    /// Looks at the track's last frame.
    pub fn look(&mut self, track: &Track) -> Option<Failure> {
        let mut newest_first = track.iter().rev();
        let (now, before) = (newest_first.next()?, newest_first.next()?);
        if equal(&now.thumbnail, &before.thumbnail) {
            let (since_us, frames) = self.still.unwrap_or((before.at_us, 0));
            self.still = Some((since_us, frames + 1));
            let frozen = frames + 1 >= FROZEN_FRAMES && now.at_us.saturating_sub(since_us) >= FROZEN_US;
            return frozen.then_some(Failure::Frozen);
        }
        self.still = None;
        let old = track.iter().take_while(|then| then.at_us + LAG_US <= now.at_us);
        let again: Vec<u64> =
            old.filter(|then| equal(&then.thumbnail, &now.thumbnail)).map(|then| then.at_us).collect();
        self.runs = self.continued(&again, now.at_us);
        let repeated = |run: &Run| run.frames >= AGAIN_FRAMES && now.at_us - run.since_us >= AGAIN_US;
        self.runs.iter().any(repeated).then_some(Failure::Repeated)
    }

    /// Each match goes on with a run, forwards or backwards, or begins one.
    fn continued(&self, again: &[u64], now_us: u64) -> Vec<Run> {
        let begun = Run { then_us: 0, since_us: now_us, frames: 0, misses: 0 };
        let mut runs: Vec<Run> = again
            .iter()
            .map(|&then_us| {
                let near = |run: &&Run| (1..=STRIDE_US).contains(&run.then_us.abs_diff(then_us));
                let longest = self.runs.iter().filter(near).max_by_key(|run| run.frames);
                let run = longest.copied().unwrap_or(begun);
                Run { then_us, frames: run.frames + 1, misses: 0, ..run }
            })
            .collect();
        if again.is_empty() {
            let missed = self.runs.iter().map(|run| Run { misses: run.misses + 1, ..*run });
            runs.extend(missed.filter(|run| run.misses <= MISSES));
        }
        runs
    }
}

/// Whether two pictures differ by nothing but rounding. Most differ after a row or two.
fn equal(a: &Thumbnail, b: &Thumbnail) -> bool {
    let mut off = 0.0;
    for (row, other) in a.0.chunks_exact(THUMBNAIL).zip(b.0.chunks_exact(THUMBNAIL)) {
        off += row.iter().zip(other).map(|(x, y)| (x - y) * (x - y)).sum::<f32>();
        // Of unit vectors, half the squared distance is 1 - the product.
        if off > 2.0 * EQUAL {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::Flow;
    use super::super::tests::watched;
    use super::*;
    use crate::liveness::glimpse::Glimpse;
    use crate::liveness::synthetic::{Film, Head};

    /// The film's frames in another order, at the times of a film.
    fn shown(order: impl Iterator<Item = usize>) -> Vec<Glimpse> {
        let film = Film::DEFAULT.glimpses(8.0, Head::sway);
        order.zip(&film).map(|(place, now)| Glimpse { at_us: now.at_us, ..film[place].clone() }).collect()
    }

    #[test]
    fn a_picture_that_stands_still_is_frozen_but_two_equal_frames_are_not() {
        let frozen = shown((0..60).map(|i| i.min(20)));
        assert_eq!(watched(frozen), Flow::Broken(Failure::Frozen));
        assert_eq!(watched(shown((0..120).map(|i| i / 2))), Flow::Unbroken);
    }

    #[test]
    fn a_loop_is_found_forwards_backwards_and_with_frames_missing() {
        // Where a loop is put together, it may be seen sooner that it is.
        let found = |glimpses: Vec<Glimpse>| {
            let (mut repeats, mut track) = (Repeats::default(), Track::default());
            glimpses.into_iter().find_map(|glimpse| {
                track.push(glimpse);
                repeats.look(&track)
            })
        };
        let repeated = Some(Failure::Repeated);
        let sway = |i: usize| 30 + (i as i32 % 120 - 60).unsigned_abs() as usize;
        assert_eq!(found(shown((0..200).map(sway))), repeated);
        let forwards = |step: usize| shown((0..90).chain((30..200).step_by(step)));
        assert_eq!(found(forwards(1)), repeated);
        assert_eq!(found(forwards(2)), repeated);
    }
}
