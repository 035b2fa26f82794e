use std::f32::consts::TAU;

use super::*;
use crate::liveness::actions::{Action, ActionSet};
use crate::liveness::synthetic::{Dice, Film, Head, bump};

const KEY: [u8; 32] = [3; 32];
/// Landmarks as steady as a good camera's.
const STEADY: Film = Film { noise: 0.05, ..Film::DEFAULT };

/// One performance: actions, and small movements that are never the same again.
struct Performance {
    /// Period in seconds, phase, and reach for each of what sways.
    waves: [(f32, f32, f32); 6],
    blinks: Vec<f32>,
    /// Each with when it begins, and how slowly it is done.
    actions: Vec<(Action, f32, f32)>,
}

impl Performance {
    fn new(seed: u64, actions: &[Action]) -> Self {
        let mut dice = Dice::new(seed);
        let waves =
            std::array::from_fn(|_| (1.3 + 5.0 * dice.even(), TAU * dice.even(), 0.5 + 0.5 * dice.even()));
        let blinks = (0..4).map(|i| 2.5 * i as f32 + 2.0 * dice.even()).collect();
        let begins = |(i, action): (usize, &Action)| (*action, 1.3 + 2.8 * i as f32 + 0.8 * dice.even(), 1.0);
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
        self.actions.iter().fold(swaying, |head, (action, at, slow)| head.acting(*action, (t - at) / slow))
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
        let past = kept(&digests(&shown(&footage, STEADY), &KEY));
        let again = Film { seed: 99, rate: 25.0, ..STEADY };
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
        let past = kept(&digests(&shown(&Performance::new(seed, &ACTIONS), STEADY), &KEY));
        let again = Performance::new(seed + 50, &ACTIONS);
        let now = digests(&shown(&again, Film { seed: 7, ..STEADY }), &KEY);
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
    assert_eq!(seen_before(&[], &[]), Footage::New);
}

#[test]
fn what_is_too_short_to_be_known_again_is_not_kept() {
    let kept_of = |seconds: f32| kept(&digests(&Film::DEFAULT.track(seconds, Head::sway), &KEY)).len();
    assert!(digests(&Film::DEFAULT.track(1.4, Head::sway), &KEY).is_empty());
    assert!(digests(&Track::default(), &KEY).is_empty());
    assert_eq!((kept_of(2.0), kept_of(2.4)), (0, RUN));
}

#[test]
fn a_digest_survives_its_bytes() {
    let digest = digests(&shown(&Performance::new(1, &ACTIONS), Film::DEFAULT), &KEY).remove(20);
    assert_eq!(Digest::from_bytes(*digest.as_bytes()), digest);
    assert_eq!(format!("{digest:?}"), "Digest(redacted)");
}

/// One line of the table: how people sway and are filmed, and how many actions they are asked for.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// Pixels that landmarks are off by, of 70 between the eyes.
    noise: f32,
    /// Of 1.5 degrees of yaw, and of all else.
    sway: f32,
    /// Frames a second.
    rate: f32,
    actions: usize,
}

/// Attempts of one person that are remembered.
const PAST: usize = 64;
/// When the first action of a performance begins, and how long after it the next one does.
const FIRST_S: f32 = 3.0;
const APART_S: f32 = 2.7;

/// Attempts as one line says.
struct Attempts {
    line: Line,
    dice: Dice,
    seed: u64,
}

impl Attempts {
    fn new(line: Line) -> Self {
        Self { line, dice: Dice::new(11), seed: 1000 }
    }

    /// Actions by chance, done a little faster or slower, and sway as never before.
    fn performance(&mut self) -> Performance {
        self.seed += 1;
        let mut performance = Performance::new(self.seed, &[]);
        performance.waves.iter_mut().for_each(|(_, _, reach)| *reach *= self.line.sway);
        for i in 0..self.line.actions {
            let asked = (self.dice.even() * ActionSet::USUAL.len() as f32) as usize;
            let action = ActionSet::USUAL.iter().nth(asked).expect("one of the usual actions");
            let slow = 0.9 + 0.2 * self.dice.even();
            performance.actions.push((action, FIRST_S + APART_S * i as f32, slow));
        }
        performance
    }

    /// What is seen of a performance: from some rest before the first action until the last is surely over.
    /// `held` is what happens to the head on its way to the camera.
    fn digests(&mut self, performance: &Performance, held: fn(Head, f32) -> Head) -> Vec<Digest> {
        let before = 0.8 + 0.9 * self.dice.even() + 0.55 * self.dice.even();
        let after = 1.7 + 0.5 * self.dice.even() + APART_S * (self.line.actions - 1) as f32;
        let seed = (self.dice.even() * 1e6) as u64;
        let film = Film { rate: self.line.rate, seed, noise: self.line.noise };
        let track = film.track(before + after, |t| {
            let t = t + FIRST_S - before;
            held(performance.head(t), t)
        });
        digests(&track, &KEY)
    }

    /// The nearest of all remembered attempts, for so many performances that are none of them.
    fn done_again(&mut self, tries: usize) -> Vec<Option<u32>> {
        let past: Vec<Vec<Digest>> = (0..PAST)
            .map(|_| {
                let performance = self.performance();
                kept(&self.digests(&performance, as_it_is))
            })
            .collect();
        (0..tries)
            .map(|_| {
                let performance = self.performance();
                let now = self.digests(&performance, as_it_is);
                past.iter().filter_map(|past| nearest(&now, past)).min()
            })
            .collect()
    }

    /// The nearest digests where the same performance comes again.
    fn footage(&mut self, tries: usize, held: fn(Head, f32) -> Head) -> Vec<Option<u32>> {
        (0..tries)
            .map(|_| {
                let performance = self.performance();
                let past = kept(&self.digests(&performance, as_it_is));
                nearest(&self.digests(&performance, held), &past)
            })
            .collect()
    }
}

fn as_it_is(head: Head, _: f32) -> Head {
    head
}

/// On a screen that a hand holds.
fn in_a_hand(head: Head, t: f32) -> Head {
    let wave = |period: f32, reach: f32| reach * (TAU * t / period).sin();
    let at = (head.at.0 + wave(1.9, 0.015), head.at.1 + wave(2.7, 0.015));
    Head { at, roll: head.roll + wave(1.4, 0.4), size: head.size * (1.0 + wave(2.3, 0.004)), ..head }
}

fn under_the_bound(nearest: &[Option<u32>]) -> usize {
    nearest.iter().flatten().filter(|signs| **signs <= MOST_DIFFERENT * RUN as u32).count()
}

/// Signs of 256 that differ: the least, the median and the most; and how many are under the bound.
fn summed_up(nearest: &[Option<u32>]) -> String {
    let mut signs: Vec<u32> = nearest.iter().map(|n| n.map_or(UNRELATED, |sum| sum / RUN as u32)).collect();
    signs.sort_unstable();
    let [least, median, most] = [0, signs.len() / 2, signs.len() - 1].map(|place| signs[place]);
    format!("{least:>3} {median:>3} {most:>3}  {} of {}", under_the_bound(nearest), signs.len())
}

/// Prints a line of the table: the same footage that was found, and new performances that were taken for old
/// ones.
fn counted(line: Line, same: usize, fresh: usize) -> (usize, usize) {
    let mut attempts = Attempts::new(line);
    let found = attempts.footage(same, as_it_is);
    let filmed_again = attempts.footage(same, in_a_hand);
    let done_again = attempts.done_again(fresh);
    println!(
        "{line:?}: same footage {} | in a hand {} | done again, nearest of {PAST} {}",
        summed_up(&found),
        summed_up(&filmed_again),
        summed_up(&done_again)
    );
    (under_the_bound(&found), under_the_bound(&done_again))
}

/// Few of each, so that it is quick: the whole table is below.
#[test]
fn in_attempts_of_default_length_footage_is_found_and_people_are_not_taken_for_it() {
    let steady = Line { noise: 0.075, sway: 1.0, rate: 30.0, actions: 1 };
    let still = Line { noise: 0.15, sway: 0.2, ..steady };
    let slow = Line { noise: 0.3, rate: 10.0, ..steady };
    let (found, mistaken) = counted(steady, 20, 40);
    assert!(found >= 12 && mistaken == 0, "{found} of 20 were found, {mistaken} of 40 mistaken");
    for line in [still, slow] {
        assert_eq!(counted(line, 20, 40).1, 0, "{line:?}");
    }
}

#[test]
#[ignore = "it takes minutes, and prints the table of docs/liveness.md"]
fn how_often_footage_is_found_and_people_are_taken_for_it() {
    let (mut mistaken, mut fresh) = (0, 0);
    for (rate, actions, tries) in [(30.0, 1, 200), (10.0, 1, 200), (30.0, 3, 100)] {
        for noise in [0.075, 0.15, 0.3, 0.5] {
            for sway in [1.0, 0.5, 0.2] {
                mistaken += counted(Line { noise, sway, rate, actions }, 100, tries).1;
                fresh += tries;
            }
        }
    }
    println!("{mistaken} of {fresh} performances were taken for earlier ones");
    assert!(mistaken * 200 < fresh, "more than one in 200");
}
