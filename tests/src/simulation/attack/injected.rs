//! An attacker who has no camera but feeds in what one saw of the victim: the same frame, or the same
//! few frames, bit by bit, for ever.

use crate::simulation::bona_fide::BonaFide;
use crate::simulation::random::Chance;
use crate::simulation::{Performance, Prompted};
use crate::sitter::Sitter;
use crate::video::Picture;

/// The most frames that are repeated.
const MOST: f32 = 45.0;
const LEAST: f32 = 12.0;

pub struct Injected<'a> {
    /// What was before the camera while it was one.
    victim: BonaFide<'a>,
    frames: Vec<Picture>,
    count: usize,
    next: usize,
}

impl<'a> Injected<'a> {
    pub fn new(victim: &'a Sitter, seed: u64) -> Self {
        let mut chance = Chance::new(seed, "injected");
        let count = if chance.happens(0.5) { 1 } else { chance.between(LEAST, MOST) as usize };
        Self { victim: BonaFide::new(victim, seed), frames: Vec::new(), count, next: 0 }
    }
}

impl Performance for Injected<'_> {
    fn frame(&mut self, at_s: f32, _: Option<Prompted>) -> Picture {
        if self.frames.len() < self.count {
            self.frames.push(self.victim.frame(at_s, None));
        }
        let frame = self.frames[self.next % self.frames.len()].clone();
        self.next = (self.next + 1) % self.count;
        frame
    }

    /// What is fed in was taken before another screen, or before this one at another time.
    fn shine(&mut self, _: Option<[u8; 3]>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::testing::sitters;

    #[test]
    fn frames_repeat_bit_by_bit() {
        let [victim, ..] = sitters();
        for count in [1, 3] {
            let mut injected = Injected { count, ..Injected::new(victim, 2) };
            let frames: Vec<Picture> = (0..7).map(|i| injected.frame(i as f32 / 30.0, None)).collect();
            assert!(frames.iter().skip(count).zip(&frames).all(|(late, early)| late == early), "{count}");
            assert!(count == 1 || frames[0] != frames[1]);
        }
    }
}
