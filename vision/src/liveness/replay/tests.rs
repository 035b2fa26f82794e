use std::f32::consts::TAU;

use super::*;
use crate::liveness::actions::Action;
use crate::liveness::synthetic::{Dice, Film, Head, bump};

const KEY: [u8; 32] = [3; 32];

/// One performance: the same actions, and small movements that are never the same again.
struct Performance {
    /// Period in seconds, phase, and reach for each of what sways.
    waves: [(f32, f32, f32); 6],
    blinks: Vec<f32>,
    actions: Vec<(Action, f32)>,
}

impl Performance {
    fn new(seed: u64, actions: &[Action]) -> Self {
        let mut dice = Dice::new(seed);
        let waves =
            std::array::from_fn(|_| (1.3 + 5.0 * dice.even(), TAU * dice.even(), 0.5 + 0.5 * dice.even()));
        let blinks = (0..4).map(|i| 2.5 * i as f32 + 2.0 * dice.even()).collect();
        let begins = |(i, action): (usize, &Action)| (*action, 1.3 + 2.8 * i as f32 + 0.8 * dice.even());
        let actions = actions.iter().enumerate().map(begins).collect();
        Self { waves, blinks, actions }
    }

    fn head(&self, t: f32) -> Head {
        let [yaw, pitch, roll, x, y, size] =
            self.waves.map(|(period, phase, reach)| reach * (TAU * t / period + phase).sin());
        let blinks: f32 = self.blinks.iter().map(|at| bump(t, *at, 0.25)).sum();
        let swaying = Head {
            yaw: 1.5 * yaw,
            pitch: 1.2 * pitch,
            roll,
            at: (0.03 * x, 0.02 * y),
            size: 70.0 * (1.0 + 0.01 * size),
            lids: 1.0 - 0.9 * blinks,
            ..Head::REST
        };
        self.actions.iter().fold(swaying, |head, (action, at)| head.acting(*action, t - at))
    }
}

fn shown(performance: &Performance, film: Film) -> Track {
    film.track(9.0, |t| performance.head(t))
}

const ACTIONS: [Action; 3] = [Action::Nod, Action::OpenMouth, Action::TurnLeft];

#[test]
fn footage_is_known_again_from_another_start_place_size_and_camera() {
    for seed in 1..=6 {
        let footage = Performance::new(seed, &ACTIONS);
        let past = kept(&digests(&shown(&footage, Film::DEFAULT), &KEY));
        let again = Film { seed: 99, rate: 25.0, ..Film::DEFAULT };
        let elsewhere = again.track(8.0, |t| {
            let head = footage.head(t + 0.63);
            Head { at: (head.at.0 + 0.8, head.at.1 - 0.4), size: 1.2 * head.size, ..head }
        });
        assert_eq!(seen_before(&digests(&elsewhere, &KEY), &past), Footage::SeenBefore, "{seed}");
    }
}

#[test]
fn the_same_actions_performed_again_are_new() {
    for seed in 1..=10 {
        let past = kept(&digests(&shown(&Performance::new(seed, &ACTIONS), Film::DEFAULT), &KEY));
        let again = Performance::new(seed + 50, &ACTIONS);
        let now = digests(&shown(&again, Film { seed: 7, ..Film::DEFAULT }), &KEY);
        assert_eq!(seen_before(&now, &past), Footage::New, "{seed}");
    }
}

#[test]
fn another_key_knows_nothing() {
    let footage = shown(&Performance::new(1, &ACTIONS), Film::DEFAULT);
    let past = kept(&digests(&footage, &KEY));
    assert_eq!(seen_before(&digests(&footage, &[4; 32]), &past), Footage::New);
    assert_eq!(seen_before(&digests(&footage, &KEY), &past), Footage::SeenBefore);
}

#[test]
fn stillness_is_nothing_that_could_come_again() {
    let still = Film::DEFAULT.track(6.0, |_| Head::REST);
    let past = digests(&still, &KEY);
    assert!(past.iter().all(|digest| *digest == Digest::STILL) && past.len() > 50);
    assert_eq!(seen_before(&past, &kept(&past)), Footage::New);
    assert!(digests(&Film::DEFAULT.track(2.0, Head::sway), &KEY).is_empty());
    assert!(digests(&Track::default(), &KEY).is_empty());
    assert_eq!(seen_before(&[], &[]), Footage::New);
}

#[test]
fn a_digest_survives_its_bytes() {
    let digest = digests(&shown(&Performance::new(1, &ACTIONS), Film::DEFAULT), &KEY).remove(20);
    assert_eq!(Digest::from_bytes(*digest.as_bytes()), digest);
    assert_eq!(format!("{digest:?}"), "Digest(redacted)");
}
