//! Whether the angle of the face to the camera changed through an action as a solid head's does: check 2 of
//! X.1279, Appendix III. It looks at landmarks alone: whether the surroundings turn with the face, as with a
//! print that is tilted, is for a cue of the picture (`surround`) to say.
//!
//! Three things must agree: how far the mesh's depth says that the head turned, how far the nose moved against
//! eyes and mouth, and how much shorter the face got in the direction in which it turned.
//!
//! All bounds are starting values, to be set from docs/liveness.md. They are wide: the nose's length differs
//! between people, and the mesh's depth is made up by a network.

use crate::liveness::actions::bearing::{Course, Moment, Turned, median};
use crate::liveness::glimpse::Track;
use crate::pose::Pose;

/// What the angles of a stretch of a track say.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Angles {
    Inconsistent,
    /// The head turned too little, or was not seen before: nothing can be said, and nothing is shown.
    TooLittle,
    Consistent,
}

/// Degrees from which an angle is judged: twice the noise that is left in it.
pub(crate) const LEAST_TURN: f32 = 7.0;
/// The angle by the nose over the angle by the mesh.
const LEAST_SLOPE: f32 = 0.4;
const MOST_SLOPE: f32 = 2.5;
/// What a straight line between the two leaves over: degrees, and a share of the furthest.
const RESIDUE: f32 = 2.0;
const RESIDUE_SHARE: f32 = 0.3;
/// The most that the face's height over its width may differ from what the pose makes it.
const MOST_STRETCH: f32 = 0.15;
/// A way is the part of a turn between these shares of its furthest. Where frames come more often than this,
/// in µs, at least one must show it: a turn of 15 degrees in 50 ms would be at 300 degrees a second.
const WAY: std::ops::Range<f32> = 0.2..0.8;
const DENSE_US: u64 = 50_000;

/// Judges what was seen between two times, against the rest just before.
pub fn judge(track: &Track, from_us: u64, to_us: u64) -> Angles {
    let Some(mut course) = Course::since(track, from_us) else {
        return Angles::TooLittle;
    };
    course.moments.retain(|moment| (from_us..=to_us).contains(&moment.at_us));
    let across = furthest(&course.moments, yaw) >= furthest(&course.moments, pitch);
    let main: Axis = if across { yaw } else { pitch };
    match axis(&course.moments, main) {
        Angles::Consistent if !foreshortened(&course) => Angles::Inconsistent,
        angles => angles,
    }
}

type Axis = fn(&Moment) -> Turned;

fn yaw(moment: &Moment) -> Turned {
    moment.yaw
}

fn pitch(moment: &Moment) -> Turned {
    moment.pitch
}

fn furthest(moments: &[Moment], of: Axis) -> f32 {
    moments.iter().map(|moment| of(moment).most()).fold(0.0, f32::max)
}

/// Whether mesh and nose agree about the angle that changed more, and whether it went its way. The other one
/// is mostly noise.
fn axis(moments: &[Moment], of: Axis) -> Angles {
    let turned: Vec<Turned> = moments.iter().map(of).collect();
    let furthest = furthest(moments, of);
    if furthest < LEAST_TURN {
        return Angles::TooLittle;
    }
    let squares: f32 = turned.iter().map(|t| t.by_mesh * t.by_mesh).sum();
    let products: f32 = turned.iter().map(|t| t.by_mesh * t.by_nose).sum();
    // Of zero squares the slope is no number, and out of bounds.
    let slope = products / squares;
    let left: f32 = turned.iter().map(|t| (t.by_nose - slope * t.by_mesh).powi(2)).sum();
    let residue = (left / turned.len() as f32).sqrt();
    let agree = (LEAST_SLOPE..=MOST_SLOPE).contains(&slope) && residue <= RESIDUE + RESIDUE_SHARE * furthest;
    let went = interval_us(moments) > DENSE_US || turned.iter().any(|t| WAY.contains(&(t.most() / furthest)));
    if agree && went { Angles::Consistent } else { Angles::Inconsistent }
}

/// The usual time between two frames.
fn interval_us(moments: &[Moment]) -> u64 {
    median(moments.windows(2).map(|pair| (pair[1].at_us - pair[0].at_us) as f32)) as u64
}

/// Whether height over width is, where the head is turned, what the cosines of the pose make it.
fn foreshortened(course: &Course) -> bool {
    let cosines = |yaw: f32, pitch: f32| pitch.to_radians().cos() / yaw.to_radians().cos().max(0.1);
    let Pose { yaw, pitch, .. } = course.rest.pose;
    let off = |m: &Moment| {
        let expected = cosines(yaw + m.yaw.by_mesh, pitch + m.pitch.by_mesh) / cosines(yaw, pitch);
        (m.stretch / expected - 1.0).abs()
    };
    let turned = course.moments.iter().filter(|m| m.yaw.most().max(m.pitch.most()) >= LEAST_TURN);
    median(turned.map(off)) <= MOST_STRETCH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::actions::Action;
    use crate::liveness::synthetic::{Film, Head, START_US};

    const FROM_US: u64 = START_US + 1_000_000;

    fn judged(film: Film, head: impl Fn(f32) -> Head) -> Angles {
        judge(&film.track(3.5, head), FROM_US, FROM_US + 2_400_000)
    }

    #[test]
    fn heads_that_turn_are_consistent() {
        for action in Action::ALL.into_iter().filter(|a| a.moves_head()) {
            for seed in 1..=6 {
                for rate in [15.0, 30.0] {
                    let film = Film { rate, seed, ..Film::DEFAULT };
                    let head = |t| Head::sway(t).acting(action, t - 1.4);
                    assert_eq!(judged(film, head), Angles::Consistent, "{action:?} {seed} {rate}");
                }
            }
        }
    }

    #[test]
    fn a_print_that_is_tilted_is_not() {
        for seed in 1..=6 {
            let film = Film { seed, ..Film::DEFAULT };
            for action in [Action::Nod, Action::TurnLeft] {
                let print = |t| Head { flat: true, ..Head::REST.acting(action, t - 1.4) };
                assert_eq!(judged(film, print), Angles::Inconsistent, "{action:?} {seed}");
            }
        }
    }

    #[test]
    fn a_pose_without_the_way_to_it_is_not() {
        let slides = |t: f32| Head { yaw: if (1.4..2.4).contains(&t) { 20.0 } else { 0.0 }, ..Head::REST };
        assert_eq!(judged(Film::DEFAULT, slides), Angles::Inconsistent);
    }

    #[test]
    fn a_face_that_narrows_more_than_it_turned_is_not() {
        let mut glimpses = Film::DEFAULT.glimpses(3.5, |t| Head::REST.acting(Action::TurnLeft, t - 1.4));
        for glimpse in &mut glimpses {
            // The mesh and the nose say that it turned; the width of the face says that it did more than that.
            let wide = 1.0 - 0.012 * glimpse.pose.yaw.max(0.0);
            glimpse.mesh.points.iter_mut().for_each(|p| p.x = 320.0 + (p.x - 320.0) * wide);
        }
        let track = crate::liveness::synthetic::track(glimpses);
        assert_eq!(judge(&track, FROM_US, FROM_US + 2_400_000), Angles::Inconsistent);
    }

    #[test]
    fn little_says_nothing() {
        assert_eq!(judged(Film::DEFAULT, Head::sway), Angles::TooLittle);
        assert_eq!(judge(&Track::default(), FROM_US, FROM_US), Angles::TooLittle);
    }
}
