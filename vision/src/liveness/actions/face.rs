//! Blinks and the opening of the mouth, while the head is steady. It takes no eye for shut that only looks so
//! because the face, or a print of one, is tilted.
//!
//! All bounds are starting values, to be set from docs/liveness.md: openness is noisy (0.11 to 0.44 within one
//! clip of big turns), so that it counts only in a steady face, against the person's own.

use std::ops::RangeInclusive;

use super::bearing::{Course, Moment, median};
use super::excursion::{Bounds, Excursion, excursions};
use super::{Action, Movement};
use crate::liveness::glimpse::Baseline;

/// Of the person's own openness: both eyes are shut below the first, and open again from the second.
const SHUT: f32 = 0.62;
const OPEN: f32 = 0.82;
/// Between the open eyes before and after: spontaneous blinks take 100 to 300 ms, prompted ones longer. One
/// frame of noise at 30 a second is shorter.
const BLINK_US: RangeInclusive<u64> = 80_000..=800_000;
/// Eyes that are less open than this share of the enrolment's cannot be seen to blink: looking down, dark
/// glasses, another person.
const AWAKE: f32 = 0.6;
/// While it blinks, a head is held within so many degrees, by either measure, ...
const STEADY: f32 = 12.0;
/// ... and the face's height over its width within this share: a flat picture whose eyes get narrower by a
/// third has been tilted by 50 degrees, and got lower by as much.
const STRETCH: f32 = 0.07;

/// Openness beyond that at rest. Laughs reach 0.24 on photographs and may count, since no plane laughs; a wider bound
/// missed simulated people who smile at rest.
const MOUTH: Bounds = Bounds { release: 0.09, reach: 0.22 };
const MOUTH_US: RangeInclusive<u64> = 150_000..=4_000_000;

pub(super) fn movements(course: &Course, baseline: Baseline) -> Vec<Movement> {
    let mut movements = blinks(course, baseline);
    movements.extend(mouth(course));
    movements
}

fn blinks(course: &Course, baseline: Baseline) -> Vec<Movement> {
    let own = [0, 1].map(|eye| median(course.moments.iter().map(|moment| moment.eyes[eye])));
    if own[0].min(own[1]) < AWAKE * baseline.eyes || own[0].min(own[1]) <= 0.0 {
        return Vec::new();
    }
    let mut found = Vec::new();
    let (mut open_us, mut shut) = (None, false);
    for moment in &course.moments {
        let [one, other] = [moment.eyes[0] / own[0], moment.eyes[1] / own[1]];
        // A wink is no blink: both must be shut, and both open again.
        shut |= one.max(other) < SHUT;
        if one.min(other) >= OPEN {
            found.extend(open_us.filter(|_| shut).and_then(|began_us| blink(course, began_us, moment.at_us)));
            (open_us, shut) = (Some(moment.at_us), false);
        }
    }
    found
}

fn blink(course: &Course, began_us: u64, ended_us: u64) -> Option<Movement> {
    let meanwhile = Excursion { side: -1.0, peak: 1.0, began_us, ended_us: Some(ended_us) };
    let steady = meanwhile.moments(course).all(is_steady);
    let fits = BLINK_US.contains(&(ended_us - began_us)) && steady;
    fits.then_some(Movement { action: Action::Blink, began_us, ended_us })
}

fn is_steady(moment: &Moment) -> bool {
    moment.yaw.most() <= STEADY && moment.pitch.most() <= STEADY && (moment.stretch - 1.0).abs() <= STRETCH
}

/// Wide open and closed again.
fn mouth(course: &Course) -> Vec<Movement> {
    let opening = |e: Excursion| {
        let ended_us = e.ended_us?;
        let turned = e.most(course, |m| m.yaw.agreed()).max(e.most(course, |m| m.pitch.agreed()));
        let fits = e.side > 0.0 && MOUTH_US.contains(&(ended_us - e.began_us)) && turned <= STEADY;
        fits.then_some(Movement { action: Action::OpenMouth, began_us: e.began_us, ended_us })
    };
    excursions(course, |m| m.mouth, MOUTH).into_iter().filter_map(opening).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::synthetic::{BASELINE, Film, Head, START_US, bump, plateau};

    fn seen(head: impl Fn(f32) -> Head, baseline: Baseline) -> Vec<Action> {
        let track = Film::DEFAULT.track(4.5, head);
        let course = Course::since(&track, START_US + 1_000_000).expect("a rest");
        movements(&course, baseline).into_iter().map(|movement| movement.action).collect()
    }

    fn blinking(t: f32) -> Head {
        Head { lids: 1.0 - 0.9 * bump(t, 1.6, 0.3), ..Head::REST }
    }

    #[test]
    fn eyes_that_stay_shut_or_half_open_do_not_blink() {
        assert_eq!(seen(blinking, BASELINE), [Action::Blink]);
        let shut = |t| Head { lids: 1.0 - 0.9 * plateau(t, 1.6, 0.1, 1.2), ..Head::REST };
        assert!(seen(shut, BASELINE).is_empty());
        let drooping = |t| Head { lids: 1.0 - 0.22 * bump(t, 1.6, 0.3), ..Head::REST };
        assert!(seen(drooping, BASELINE).is_empty());
    }

    #[test]
    fn eyes_unlike_the_enrolled_ones_are_not_believed() {
        assert!(seen(blinking, Baseline { eyes: 0.6, ..BASELINE }).is_empty());
    }

    #[test]
    fn eyes_that_shut_in_a_turn_do_not_count() {
        let turning = |t| Head { yaw: 24.0 * plateau(t, 1.3, 0.3, 0.4), ..blinking(t) };
        assert!(!seen(turning, BASELINE).contains(&Action::Blink));
    }

    #[test]
    fn talk_is_no_open_mouth() {
        let talk = |t: f32| Head { jaw: 0.15 + 0.15 * (25.0 * t).sin(), ..Head::REST };
        let talking = |t: f32| if (1.4..3.0).contains(&t) { talk(t) } else { Head::REST };
        assert!(!seen(talking, BASELINE).contains(&Action::OpenMouth));
    }
}
