//! What one physical cue said in one attempt, one look after the other, and what it comes to: an attack, a head, or
//! neither yet. It measures nothing.

use std::collections::VecDeque;

use crate::liveness::fit::median;
use crate::liveness::{Cue, Suspicion};

/// The most looks that are kept: the newest.
const MOST: usize = 64;
/// So many times more looks decide against a head than for one: who blinks has no eyes in some of them.
const AGAINST: usize = 2;
/// The looks that speak for a head must lie this far apart, in µs, and the last of them no longer ago than this. Both
/// are starting values.
const SPAN_US: u64 = 250_000;
const FRESH_US: u64 = 300_000;

/// What a cue found so far.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// It was not asked.
    Unasked,
    /// It was asked, and says too little, or not always the same.
    Open,
    Attack(Cue),
    Head,
}

/// The looks of one cue, oldest first.
pub(super) struct Record {
    cue: Cue,
    /// The most suspicion that is let pass.
    most: f32,
    /// So many looks speak for a head: the newest.
    least: usize,
    looks: VecDeque<Look>,
}

#[derive(Clone, Copy)]
struct Look {
    at_us: u64,
    /// None where nothing could be measured.
    suspicion: Option<f32>,
    /// Whether it speaks for a head where it is within the bound.
    whole: bool,
}

impl Record {
    pub(super) fn new(cue: Cue, most: f32, least: usize) -> Self {
        Self { cue, most, least, looks: VecDeque::new() }
    }

    /// Adds a look. `whole`: whether it shows all that a head must show, rather than only nothing against it.
    pub(super) fn push(&mut self, at_us: u64, suspicion: Option<Suspicion>, whole: bool) {
        // What is no number is beyond any bound.
        let settled = |s: Suspicion| if s.0.is_nan() { f32::INFINITY } else { s.0 };
        if self.looks.len() == MOST {
            self.looks.pop_front();
        }
        self.looks.push_back(Look { at_us, suspicion: suspicion.map(settled), whole });
    }

    /// By the newest looks alone: most of twice as many beyond the bound are an attack; all of them within it, and
    /// whole, a head. One that differs keeps it open until it is old, so that nobody is shown for another.
    pub(super) fn finding(&self, now_us: u64) -> Finding {
        let many = AGAINST * self.least;
        let beyond = self.looks.iter().rev().take(many).filter(|look| self.is_beyond(look)).count();
        if 4 * beyond > 3 * many {
            Finding::Attack(self.cue)
        } else if self.shows_head(now_us) {
            Finding::Head
        } else {
            Finding::Open
        }
    }

    fn shows_head(&self, now_us: u64) -> bool {
        let newest: Vec<Look> = self.looks.iter().rev().take(self.least).copied().collect();
        let (Some(last), Some(first)) = (newest.first(), newest.last()) else {
            return false;
        };
        let spans = last.at_us.saturating_sub(first.at_us) >= SPAN_US;
        let fresh = now_us.saturating_sub(last.at_us) <= FRESH_US;
        let good = |look: &Look| look.whole && look.suspicion.is_some() && !self.is_beyond(look);
        newest.len() == self.least && spans && fresh && newest.iter().all(good)
    }

    /// The median of all that was measured.
    pub(super) fn suspicion(&self) -> Option<Suspicion> {
        median(self.looks.iter().filter_map(|look| look.suspicion).collect()).map(Suspicion)
    }

    fn is_beyond(&self, look: &Look) -> bool {
        look.suspicion.is_some_and(|suspicion| suspicion > self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP_US: u64 = 100_000;

    /// Five looks speak for a head, ten against one; each is 100 ms after the one before.
    fn finding(suspicions: &[Option<f32>]) -> Finding {
        let mut record = Record::new(Cue::Depth, 0.5, 5);
        for (i, suspicion) in suspicions.iter().enumerate() {
            record.push(STEP_US * i as u64, suspicion.map(Suspicion), true);
        }
        record.finding(STEP_US * suspicions.len() as u64)
    }

    #[test]
    fn many_looks_that_agree_decide() {
        assert_eq!(finding(&[Some(0.1); 5]), Finding::Head);
        assert_eq!(finding(&[Some(0.9); 10]), Finding::Attack(Cue::Depth));
        assert_eq!(finding(&[Some(f32::NAN); 10]), Finding::Attack(Cue::Depth));
        assert_eq!(finding(&[Some(0.9); 7]), Finding::Open);
        assert_eq!(finding(&[Some(0.1); 4]), Finding::Open);
        assert_eq!(finding(&[None; 9]), Finding::Open);
        assert_eq!(finding(&[]), Finding::Open);
    }

    #[test]
    fn who_blinks_is_no_attack() {
        let mut suspicions = vec![Some(0.1); 4];
        suspicions.extend([Some(0.9); 6]);
        assert_eq!(finding(&suspicions), Finding::Open);
        suspicions.extend([Some(0.1); 5]);
        assert_eq!(finding(&suspicions), Finding::Head);
    }

    #[test]
    fn one_that_differs_keeps_it_open_until_it_is_old() {
        for other in [Some(0.9), Some(f32::NAN), None] {
            let mut suspicions = vec![Some(0.1); 9];
            suspicions.push(other);
            assert_eq!(finding(&suspicions), Finding::Open);
            suspicions.extend([Some(0.1); 4]);
            assert_eq!(finding(&suspicions), Finding::Open);
            suspicions.push(Some(0.1));
            assert_eq!(finding(&suspicions), Finding::Head);
        }
    }

    #[test]
    fn a_head_is_one_of_now_that_was_seen_for_a_while() {
        let record = |step_us: u64, whole: bool| {
            let mut record = Record::new(Cue::Depth, 0.5, 5);
            (0..5).for_each(|i| record.push(i * step_us, Some(Suspicion(0.1)), whole));
            record
        };
        assert_eq!(record(SPAN_US / 4, true).finding(SPAN_US), Finding::Head);
        assert_eq!(record(SPAN_US / 4 - 1, true).finding(SPAN_US), Finding::Open, "at once");
        assert_eq!(record(SPAN_US / 4, false).finding(SPAN_US), Finding::Open, "nothing for it");
        let late_us = SPAN_US + FRESH_US;
        assert_eq!(record(SPAN_US / 4, true).finding(late_us), Finding::Head);
        assert_eq!(record(SPAN_US / 4, true).finding(late_us + 1), Finding::Open, "long ago");
    }

    #[test]
    fn only_the_newest_are_kept() {
        let mut record = Record::new(Cue::Depth, 0.5, 5);
        (0..1000).for_each(|i| record.push(i, Some(Suspicion(0.9)), true));
        assert_eq!(record.looks.len(), MOST);
        (0..MOST as u64).for_each(|i| record.push(1000 + i, Some(Suspicion(0.1)), true));
        assert_eq!(record.suspicion(), Some(Suspicion(0.1)));
    }
}
