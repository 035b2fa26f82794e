//! Whether one clip was put behind another: a head that is a little elsewhere from one frame to the next, and moved
//! neither before nor after as that would need. It looks only where frames come often, since at fewer than 22 a
//! second heads begin and end a movement within two frames.
//!
//! Between the second and the third of four frames the landmarks go where the mean of the steps before and after
//! lets one expect, since heads speed up and slow down. What is left over, in eye distances, is the noise of the mesh
//! for a head that moves, and the whole step for a splice.
//!
//! Bounds were set on simulated persons and spliced clips, 11 of each: persons left over at most 0.035 eye distances
//! and 1.12 times what is allowed for below, and where less than 0.02 was left over, 1.9 times. Of 10 first splices
//! 8 lay over the bounds. What that is worth: docs/liveness.md.

use crate::image::Point;
use crate::liveness::challenge::Failure;
use crate::liveness::glimpse::Glimpse;
use crate::liveness::motion_in_depth::REST;

/// Where frames are further apart than this, in µs, nothing is said.
const DENSE_US: u64 = 45_000;
/// What must be left over, in eye distances: more than blinks and the mesh's noise leave ...
const LEAST: f32 = 0.022;
/// ... and so many times the noise and the speed of the head beside it.
const TIMES: f32 = 1.4;
const NOISE: f32 = 0.006;
/// The same frame again, in eye distances: landmarks of a new one differ by the mesh's noise.
const DOUBLED: f32 = 1e-4;

/// The last frames: times, the landmarks that move with the skull, eye distances; newest last.
#[derive(Debug, Default)]
pub(super) struct Splices {
    recent: [Option<Stand>; 4],
}

#[derive(Clone, Debug)]
struct Stand {
    at_us: u64,
    points: [Point; REST.len()],
    eye_distance: f32,
}

impl Splices {
    pub fn look(&mut self, glimpse: &Glimpse) -> Option<Failure> {
        let stand = Stand {
            at_us: glimpse.at_us,
            points: REST.map(|i| glimpse.mesh.at(i)),
            eye_distance: glimpse.mesh.eye_distance().max(1.0),
        };
        // Cameras in poor light give a frame two or three times, which is no rest between two steps.
        if self.recent[3].as_ref().is_some_and(|last| apart(last, &stand) < DOUBLED) {
            return None;
        }
        self.recent.rotate_left(1);
        self.recent[3] = Some(stand);
        let [Some(a), Some(b), Some(c), Some(d)] = &self.recent else {
            return None;
        };
        is_spliced([a, b, c, d]).then_some(Failure::JumpCut)
    }
}

fn is_spliced(four: [&Stand; 4]) -> bool {
    let [a, b, c, d] = four;
    let dense = four.windows(2).all(|pair| pair[1].at_us.saturating_sub(pair[0].at_us) <= DENSE_US);
    // Landmarks that jump and come back are the mesh's.
    let left = left_over(four).min(apart(b, d)).min(apart(a, c));
    let speed = apart(a, b).max(apart(c, d));
    dense && left >= LEAST && left >= TIMES * (NOISE + speed)
}

/// Root mean square over the landmarks of what the step in the middle is off, in eye distances.
fn left_over([a, b, c, d]: [&Stand; 4]) -> f32 {
    let off = |i: usize| {
        let [a, b, c, d] = [a, b, c, d].map(|stand| stand.points[i]);
        let expected = Point::new((b.x - a.x + d.x - c.x) / 2.0, (b.y - a.y + d.y - c.y) / 2.0);
        (c.x - b.x - expected.x).powi(2) + (c.y - b.y - expected.y).powi(2)
    };
    root_mean(off) / b.eye_distance
}

fn apart(from: &Stand, to: &Stand) -> f32 {
    root_mean(|i| from.points[i].distance(to.points[i]).powi(2)) / from.eye_distance
}

fn root_mean(square: impl Fn(usize) -> f32) -> f32 {
    ((0..REST.len()).map(square).sum::<f32>() / REST.len() as f32).sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::Flow;
    use super::super::tests::watched;
    use super::*;
    use crate::liveness::actions::Action;
    use crate::liveness::synthetic::{Film, Head};

    /// A person whose pictures go on elsewhere from one second on.
    fn spliced(rate: f32, aside: f32) -> Flow {
        let film = Film { rate, ..Film::DEFAULT };
        watched(film.glimpses(2.5, |t| {
            let held = Head::sway(t);
            let at = if t < 1.0 { held.at } else { (held.at.0 + aside, held.at.1) };
            Head { at, ..held }
        }))
    }

    #[test]
    fn a_clip_that_goes_on_a_little_elsewhere_is_cut() {
        for aside in [0.04, 0.06, -0.07] {
            assert_eq!(spliced(30.0, aside), Flow::Broken(Failure::JumpCut), "{aside}");
        }
        assert_eq!(spliced(30.0, 0.0), Flow::Unbroken);
        assert_eq!(spliced(20.0, 0.06), Flow::Unbroken, "frames are too far apart to tell");
    }

    #[test]
    fn frames_that_come_twice_make_no_cut_of_a_nod() {
        let film = Film::DEFAULT.glimpses(5.0, |t| Head::sway(t).acting(Action::Nod, (t - 1.0) % 2.0));
        let doubled = |i: usize| Glimpse { at_us: film[i].at_us, ..film[i - i % 2].clone() };
        let mut splices = Splices::default();
        assert_eq!((0..film.len()).find_map(|i| splices.look(&doubled(i))), None);
    }

    #[test]
    fn heads_that_act_are_not() {
        for action in Action::ALL {
            for seed in 1..=6 {
                let film = Film { seed, ..Film::DEFAULT };
                let shown = film.glimpses(5.0, |t| Head::sway(t).acting(action, (t - 1.0) % 2.0));
                assert_eq!(watched(shown), Flow::Unbroken, "{action:?} {seed}");
            }
        }
    }
}
