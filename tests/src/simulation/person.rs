//! How somebody moves in front of a camera: never still, blinking now and then, and doing what is asked
//! a while after it is asked. It draws nothing.

use std::f32::consts::TAU;

use vultus_vision::liveness::Action;

use crate::simulation::Prompted;
use crate::simulation::action::Gesture;
use crate::simulation::random::Chance;
use crate::sitter::{Sitter, Stance};

/// From a prompt to the action, in seconds.
const LATENCY_S: [f32; 2] = [0.35, 1.2];
/// How long somebody waits for a sign before doing it once more.
const PATIENCE_S: f32 = 1.4;
/// Natural blinks: how often on average, the least pause between two, and how long one lasts.
const BLINK_EVERY_S: f32 = 4.5;
const BLINK_PAUSE_S: f32 = 0.9;
const BLINK_LASTS_S: [f32; 2] = [0.11, 0.2];
/// For how long blinks are laid out in advance.
const LONGEST_S: f32 = 180.0;
/// A head turns about the neck, which lies behind the face: pixels that it goes aside and down by that.
const NECK: [f32; 2] = [42.0, 26.0];

/// What moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// A living head.
    Head,
    /// Hands that hold something up, and turn and tilt it in place of a head.
    Hands,
    /// Something that stands on a table.
    Table,
}

impl Body {
    /// How far it sways: yaw, pitch, roll in degrees, right and down in pixels, nearness as a share.
    fn sway(self) -> [f32; 6] {
        match self {
            Self::Head => [1.3, 0.9, 0.9, 2.5, 1.8, 0.006],
            // What is held up is brought nearer and taken back, too.
            Self::Hands => [2.0, 2.0, 1.2, 5.0, 4.0, 0.035],
            Self::Table => [0.0; 6],
        }
    }

    /// How fast the smaller half of the sway is, in hertz.
    fn tremor(self) -> [f32; 2] {
        match self {
            Self::Head | Self::Table => [0.3, 0.9],
            Self::Hands => [0.8, 3.0],
        }
    }
}

/// One body's way of moving, and what it is about to do.
#[derive(Clone, Debug)]
pub struct Manner {
    body: Body,
    chance: Chance,
    /// For each of the six ways to sway a slow wave and a quick one.
    sway: [[Wave; 2]; 6],
    /// When natural blinks begin, and how long they last.
    blinks: Vec<(f32, f32)>,
    gestures: Vec<Gesture>,
    heard: Option<Prompted>,
    side_light: Wave,
}

#[derive(Clone, Copy, Debug)]
struct Wave {
    reach: f32,
    hertz: f32,
    phase: f32,
}

impl Wave {
    fn new(reach: f32, hertz: [f32; 2], chance: &mut Chance) -> Self {
        let reach = reach * chance.between(0.5, 1.3);
        Self { reach, hertz: chance.between(hertz[0], hertz[1]), phase: chance.between(0.0, 1.0) }
    }

    fn at(self, at_s: f32) -> f32 {
        self.reach * (TAU * (self.hertz * at_s + self.phase)).sin()
    }
}

impl Manner {
    pub fn new(body: Body, seed: u64) -> Self {
        let mut chance = Chance::new(seed, "manner");
        let sway = body.sway().map(|reach| {
            let slow = Wave::new(0.75 * reach, [0.07, 0.22], &mut chance);
            [slow, Wave::new(0.25 * reach, body.tremor(), &mut chance)]
        });
        let side_light = Wave::new(0.25, [0.02, 0.06], &mut chance);
        let blinks = if body == Body::Head { blinks(&mut chance) } else { Vec::new() };
        Self { body, chance, sway, blinks, gestures: Vec::new(), heard: None, side_light }
    }

    /// Without what eyes do by themselves.
    pub fn staring(mut self) -> Self {
        self.blinks.clear();
        self
    }

    /// Learns what is asked at a time. What was begun is finished, whatever is asked next.
    pub fn hear(&mut self, at_s: f32, prompt: Option<Prompted>) {
        let Some(prompt) = prompt else { return };
        let ended_s = self.gestures.last().map(Gesture::ends_s);
        let same = |h: Prompted| h.action == prompt.action && (h.since_s - prompt.since_s).abs() < 0.05;
        let known = self.heard.is_some_and(same);
        let wanted_s = if !known {
            prompt.since_s.max(at_s - 0.1) + self.chance.between(LATENCY_S[0], LATENCY_S[1])
        } else if ended_s.is_some_and(|end| at_s > end + PATIENCE_S) {
            at_s + self.chance.between(0.0, 0.4)
        } else {
            return;
        };
        self.heard = Some(prompt);
        // What is long over is forgotten.
        self.gestures.retain(|g| g.ends_s() > at_s - 5.0);
        self.perform(prompt.action, wanted_s.max(ended_s.map_or(0.0, |end| end - 0.15)));
    }

    /// Does something at a time, asked or not. Gives the time at which it will be done.
    pub fn perform(&mut self, action: Action, from_s: f32) -> f32 {
        let gesture = Gesture::begin(action, from_s, &mut self.chance);
        self.gestures.push(gesture);
        gesture.ends_s()
    }

    /// Whether something that was asked for is going on or about to.
    pub fn is_busy(&self, at_s: f32) -> bool {
        self.gestures.last().is_some_and(|g| at_s < g.ends_s())
    }

    pub fn stance(&self, at_s: f32) -> Stance {
        let [yaw, pitch, roll, right, down, nearer] =
            self.sway.map(|waves| waves.iter().map(|w| w.at(at_s)).sum::<f32>());
        let side_light = if self.body == Body::Head { self.side_light.at(at_s) } else { 0.0 };
        let sway = Stance {
            yaw,
            pitch,
            roll,
            shift: (right, down),
            scale: 1.0 + nearer,
            lids: self.blinking(at_s),
            side_light,
            ..Stance::STRAIGHT
        };
        let gestures = self.gestures.iter().map(|g| g.stance(at_s));
        let stance = gestures.fold(sway, Stance::with);
        match self.body {
            Body::Head => with_neck(stance),
            Body::Hands => as_sheet(stance),
            Body::Table => stance,
        }
    }

    fn blinking(&self, at_s: f32) -> f32 {
        let now = self.blinks.iter().find(|(from, lasts)| (*from..from + lasts).contains(&at_s));
        // Lids fall in a third of the time and rise in the rest.
        now.map_or(0.0, |(from, lasts)| {
            let share = (at_s - from) / lasts;
            (3.2 * share).min(1.6 * (1.0 - share)).clamp(0.0, 1.0)
        })
    }
}

fn blinks(chance: &mut Chance) -> Vec<(f32, f32)> {
    let mut blinks = Vec::new();
    let mut at_s = chance.between(0.3, BLINK_EVERY_S);
    while at_s < LONGEST_S {
        blinks.push((at_s, chance.between(BLINK_LASTS_S[0], BLINK_LASTS_S[1])));
        at_s += BLINK_PAUSE_S + chance.wait(BLINK_EVERY_S - BLINK_PAUSE_S);
    }
    blinks
}

/// The face goes where the neck takes it, and the lids go down with the eyes.
fn with_neck(stance: Stance) -> Stance {
    let (right, down) = stance.shift;
    let (yaw, pitch) = (stance.yaw.to_radians(), stance.pitch.to_radians());
    let lowered = (-stance.pitch / 90.0).clamp(0.0, 0.2);
    Stance {
        shift: (right + NECK[0] * yaw.sin(), down - NECK[1] * pitch.sin()),
        lids: stance.lids.max(lowered),
        ..stance
    }
}

/// What hands make of an action with something that has no lids and no jaw: the sheet is turned farther
/// than a head, and what it cannot do is hinted at by a quick tilt, which brings lids together and lips
/// apart a little.
fn as_sheet(stance: Stance) -> Stance {
    Stance {
        yaw: 1.2 * stance.yaw,
        pitch: 1.2 * stance.pitch - 20.0 * stance.lids + 14.0 * stance.jaw,
        scale: stance.scale * (1.0 + 0.05 * stance.jaw),
        lids: 0.0,
        jaw: 0.0,
        ..stance
    }
}

/// A living person: what is seen, and how it moves.
pub struct Person<'a> {
    pub sitter: &'a Sitter,
    pub manner: Manner,
}

impl<'a> Person<'a> {
    pub fn new(sitter: &'a Sitter, seed: u64) -> Self {
        Self { sitter, manner: Manner::new(Body::Head, seed) }
    }

    /// How the person is held at a time, and what she or he makes of a prompt. Times never go back.
    pub fn stance(&mut self, at_s: f32, prompt: Option<Prompted>) -> Stance {
        self.manner.hear(at_s, prompt);
        self.manner.stance(at_s)
    }

    /// The same for the first and the last row of a frame.
    pub fn held(&mut self, at_s: f32, readout_s: f32, prompt: Option<Prompted>) -> [Stance; 2] {
        [self.stance(at_s, prompt), self.manner.stance(at_s + readout_s)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten seconds of stances, prompted from one second on.
    fn ten_seconds(seed: u64, body: Body, action: Option<Action>) -> Vec<Stance> {
        let mut manner = Manner::new(body, seed);
        let at = |i: usize| i as f32 / 30.0;
        let prompt = |at_s: f32| {
            action.filter(|_| (1.0..2.0).contains(&at_s)).map(|action| Prompted { action, since_s: 1.0 })
        };
        let mut stances = Vec::new();
        for i in 0..300 {
            manner.hear(at(i), prompt(at(i)));
            stances.push(manner.stance(at(i)));
        }
        stances
    }

    #[test]
    fn a_seed_is_a_person() {
        assert_eq!(
            ten_seconds(5, Body::Head, Some(Action::Nod)),
            ten_seconds(5, Body::Head, Some(Action::Nod))
        );
        assert_ne!(ten_seconds(5, Body::Head, None), ten_seconds(6, Body::Head, None));
    }

    #[test]
    fn an_action_comes_late_and_is_finished_though_the_prompt_is_gone() {
        for seed in 0..30 {
            let stances = ten_seconds(seed, Body::Head, Some(Action::TurnLeft));
            let turned = |s: &Stance| s.yaw > 13.0;
            let first = stances.iter().position(turned).expect("a turn") as f32 / 30.0;
            assert!((1.45..3.2).contains(&first), "{first}");
            assert!(!turned(&stances[210]), "back again");
        }
    }

    #[test]
    fn people_blink_by_themselves_but_rarely() {
        let shut: usize = (0..20)
            .map(|seed| ten_seconds(seed, Body::Head, None).iter().filter(|s| s.lids > 0.5).count())
            .sum();
        // About one blink of three frames in 4.5 s.
        assert!((40..400).contains(&shut), "{shut}");
        assert!(ten_seconds(1, Body::Hands, Some(Action::Blink)).iter().all(|s| s.lids == 0.0));
    }
}
