//! Nods, shakes and turns: what a head did, by its angles against the rest. It looks at no eye and no mouth.
//!
//! All bounds are starting values, to be set from docs/liveness.md. Comfortable nods and shakes go 10 to 25
//! degrees to a side at one to two a second; the mesh's noise is a few degrees.

use std::ops::RangeInclusive;

use super::bearing::{Course, Moment};
use super::excursion::{Bounds, Excursion, excursions};
use super::{Action, Movement};
use crate::liveness::angle::LEAST_TURN;

/// Degrees.
const NOD: Bounds = Bounds { release: 3.5, reach: 7.0 };
/// What is wide enough to be an action is wide enough to be judged.
const _: () = assert!(NOD.reach >= LEAST_TURN && SWING.reach >= LEAST_TURN);
const SWING: Bounds = Bounds { release: 4.0, reach: 8.0 };
/// From the rest and back: a jerk of the landmarks is shorter, a look at the keyboard longer.
const NOD_US: RangeInclusive<u64> = 150_000..=2_000_000;
/// A swing to the other side that begins so soon after the first makes a shake.
pub(super) const GAP_US: u64 = 500_000;
/// The lesser swing of a shake is this share of the greater: who comes back from a turn swings over a little.
const EVEN: f32 = 0.5;
/// From the rest to the end of the second swing.
const SHAKE_US: u64 = 3_000_000;
/// Degrees: what a turn reaches, and what counts as holding it.
const TURN: f32 = 12.0;
const HELD: f32 = 9.5;
/// A turn that is held so long is one, whatever follows. Longer than the slow half of a wide shake.
const HOLD_US: u64 = 600_000;
/// The most that the head's other angle moves, over this one.
const BESIDE: f32 = 0.7;
/// Degrees that it may lean.
const ROLL: f32 = 15.0;

pub(super) fn movements(course: &Course) -> Vec<Movement> {
    let mut movements = nods(course);
    movements.extend(swings(course));
    movements
}

fn yaw(moment: &Moment) -> f32 {
    moment.yaw.agreed()
}

fn pitch(moment: &Moment) -> f32 {
    moment.pitch.agreed()
}

/// Whether the head did little else.
fn alone(course: &Course, e: &Excursion, other: fn(&Moment) -> f32) -> bool {
    e.most(course, other) <= BESIDE * e.peak && e.most(course, |m| m.roll) <= ROLL
}

/// Down and back.
fn nods(course: &Course) -> Vec<Movement> {
    let nod = |e: Excursion| {
        let ended_us = e.ended_us?;
        let fits = e.side < 0.0 && NOD_US.contains(&(ended_us - e.began_us)) && alone(course, &e, yaw);
        fits.then_some(Movement { action: Action::Nod, began_us: e.began_us, ended_us })
    };
    excursions(course, pitch, NOD).into_iter().filter_map(nod).collect()
}

/// Shakes and turns, which begin alike.
fn swings(course: &Course) -> Vec<Movement> {
    let mut swings = excursions(course, yaw, SWING);
    swings.retain(|e| alone(course, e, pitch));
    swings.chunk_by(answers).filter_map(|series| swing(course, series)).collect()
}

/// Whether the second swing goes on where the first ended, to the other side and about as far.
fn answers(first: &Excursion, second: &Excursion) -> bool {
    let soon = first.ended_us.is_some_and(|ended| second.began_us <= ended + GAP_US);
    let even = first.peak.min(second.peak) >= EVEN * first.peak.max(second.peak);
    soon && even && first.side != second.side
}

/// What a series of swings from side to side is, once it can be known.
fn swing(course: &Course, series: &[Excursion]) -> Option<Movement> {
    let first = series.first()?;
    if let Some(held_us) = held_until(course, first) {
        return Some(turn(first, held_us));
    }
    let ended_us = first.ended_us?;
    match series.get(1) {
        Some(second) => shake(first, second),
        None => {
            let decided = course.moments.last().is_some_and(|now| now.at_us > ended_us + GAP_US);
            (decided && first.peak >= TURN).then(|| turn(first, ended_us))
        }
    }
}

fn shake(first: &Excursion, second: &Excursion) -> Option<Movement> {
    let (began_us, ended_us) = (first.began_us, second.ended_us?);
    (ended_us - began_us <= SHAKE_US).then_some(Movement { action: Action::Shake, began_us, ended_us })
}

fn turn(swing: &Excursion, ended_us: u64) -> Movement {
    let action = if swing.side > 0.0 { Action::TurnLeft } else { Action::TurnRight };
    Movement { action, began_us: swing.began_us, ended_us }
}

/// When a turn had been held long enough.
fn held_until(course: &Course, swing: &Excursion) -> Option<u64> {
    if swing.peak < TURN {
        return None;
    }
    let mut since_us = None;
    for moment in swing.moments(course) {
        if yaw(moment) * swing.side < HELD {
            since_us = None;
        } else if moment.at_us - *since_us.get_or_insert(moment.at_us) >= HOLD_US {
            return Some(moment.at_us);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::synthetic::{Film, Head, START_US, bump, plateau};

    fn moved(head: impl Fn(f32) -> Head) -> Vec<Action> {
        let track = Film::DEFAULT.track(5.0, head);
        let course = Course::since(&track, START_US + 1_000_000).expect("a rest");
        movements(&course).into_iter().map(|movement| movement.action).collect()
    }

    #[test]
    fn a_turn_that_is_held_is_one_even_if_the_other_side_follows() {
        let yaw = |t| 22.0 * plateau(t, 1.5, 0.4, 1.0) - 22.0 * plateau(t, 3.4, 0.3, 0.1);
        assert_eq!(moved(|t| Head { yaw: yaw(t), ..Head::REST }), [Action::TurnLeft]);
    }

    #[test]
    fn one_shake_of_many_swings_is_one() {
        let yaw = |t: f32| if (1.5..3.5).contains(&t) { 18.0 * (9.42 * (t - 1.5)).sin() } else { 0.0 };
        assert_eq!(moved(|t| Head { yaw: yaw(t), ..Head::REST }), [Action::Shake]);
    }

    #[test]
    fn a_look_down_up_or_askew_is_no_nod() {
        assert!(moved(|t| Head { pitch: -15.0 * plateau(t, 1.4, 0.3, 2.5), ..Head::REST }).is_empty());
        assert!(moved(|t| Head { pitch: 15.0 * bump(t, 1.5, 0.8), ..Head::REST }).is_empty());
        let askew =
            |t| Head { pitch: -14.0 * bump(t, 1.5, 0.8), yaw: 12.0 * bump(t, 1.5, 0.8), ..Head::REST };
        assert!(moved(askew).is_empty());
    }

    #[test]
    fn a_small_glance_aside_is_nothing() {
        assert!(moved(|t| Head { yaw: 7.0 * bump(t, 1.5, 0.9), ..Head::REST }).is_empty());
    }
}
