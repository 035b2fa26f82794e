//! How a person performs an action: a curve of stances over time, never twice the same. It does not
//! decide when.

use std::f32::consts::TAU;

use vultus_vision::liveness::Action;

use crate::simulation::random::Chance;
use crate::sitter::Stance;

/// One performance of one action.
#[derive(Clone, Copy, Debug)]
pub struct Gesture {
    pub action: Action,
    pub from_s: f32,
    curve: Curve,
    /// How far: degrees of the head, or a share for lids and jaw.
    reach: f32,
    /// How much of it goes the other way than meant: nobody nods straight.
    slip: f32,
}

#[derive(Clone, Copy, Debug)]
enum Curve {
    /// To and fro, so many beats of so many seconds.
    Swing { beat_s: f32, beats: f32 },
    /// There, a while, and back.
    Hold { rise_s: f32, hold_s: f32, fall_s: f32 },
}

impl Gesture {
    /// As one person might do it this time.
    pub fn begin(action: Action, from_s: f32, chance: &mut Chance) -> Self {
        let (curve, reach) = match action {
            Action::Nod => (swing(chance, 0.55, 0.9), chance.between(9.0, 15.0)),
            Action::Shake => (swing(chance, 0.5, 0.8), chance.sign() * chance.between(11.0, 19.0)),
            Action::Blink => (hold(chance, [0.09, 0.15], [0.06, 0.18]), chance.between(0.93, 1.0)),
            Action::OpenMouth => (hold(chance, [0.28, 0.5], [0.4, 1.0]), chance.between(0.55, 1.0)),
            Action::TurnLeft => (hold(chance, [0.4, 0.8], [0.4, 0.9]), chance.between(16.0, 24.0)),
            Action::TurnRight => (hold(chance, [0.4, 0.8], [0.4, 0.9]), -chance.between(16.0, 24.0)),
        };
        Self { action, from_s, curve, reach, slip: 0.12 * chance.normal() }
    }

    pub fn ends_s(&self) -> f32 {
        self.from_s + self.curve.lasts_s()
    }

    /// What it adds to how the person is held anyway.
    pub fn stance(&self, at_s: f32) -> Stance {
        let along = self.curve.at(at_s - self.from_s);
        let (there, aside) = (along * self.reach, along * self.reach * self.slip);
        let stance = Stance::STRAIGHT;
        match self.action {
            // Down is farther than up.
            Action::Nod => {
                Stance { pitch: if along > 0.0 { -there } else { -0.5 * there }, yaw: aside, ..stance }
            }
            Action::Shake => Stance { yaw: there, pitch: 0.5 * aside, roll: 0.5 * aside, ..stance },
            Action::Blink => Stance { lids: there, pitch: -along, ..stance },
            Action::OpenMouth => Stance { jaw: there, pitch: 2.5 * along, ..stance },
            Action::TurnLeft | Action::TurnRight => {
                Stance { yaw: there, pitch: 0.6 * aside, roll: aside, ..stance }
            }
        }
    }
}

/// One and a half to two and a half times to and fro.
fn swing(chance: &mut Chance, fast_s: f32, slow_s: f32) -> Curve {
    Curve::Swing { beat_s: chance.between(fast_s, slow_s), beats: chance.pick([1.5, 2.0, 2.5]) }
}

fn hold(chance: &mut Chance, rise_s: [f32; 2], hold_s: [f32; 2]) -> Curve {
    let rise = chance.between(rise_s[0], rise_s[1]);
    // Coming back takes longer, lids most of all.
    let fall_s = rise * chance.between(1.05, 1.6);
    Curve::Hold { rise_s: rise, hold_s: chance.between(hold_s[0], hold_s[1]), fall_s }
}

impl Curve {
    fn lasts_s(self) -> f32 {
        match self {
            Self::Swing { beat_s, beats } => beat_s * beats,
            Self::Hold { rise_s, hold_s, fall_s } => rise_s + hold_s + fall_s,
        }
    }

    /// From -1 to 1 so long after the begin; nothing before and after.
    fn at(self, s: f32) -> f32 {
        let left_s = self.lasts_s() - s;
        if s <= 0.0 || left_s <= 0.0 {
            return 0.0;
        }
        match self {
            Self::Swing { beat_s, .. } => {
                let quarter = beat_s / 4.0;
                (TAU * s / beat_s).sin() * eased(s / quarter) * eased(left_s / quarter)
            }
            Self::Hold { rise_s, fall_s, .. } => eased(s / rise_s) * eased(left_s / fall_s),
        }
    }
}

/// From 0 to 1 as limbs go: with the least jerk.
pub fn eased(share: f32) -> f32 {
    let x = share.clamp(0.0, 1.0);
    x * x * x * (10.0 - 15.0 * x + 6.0 * x * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stances of one gesture, every hundredth of a second.
    fn played(action: Action, seed: u64) -> (Gesture, Vec<Stance>) {
        let gesture = Gesture::begin(action, 1.0, &mut Chance::new(seed, "gesture"));
        (gesture, (0..600).map(|i| gesture.stance(i as f32 / 100.0)).collect())
    }

    fn most(stances: &[Stance], of: fn(&Stance) -> f32) -> f32 {
        stances.iter().map(of).fold(f32::MIN, f32::max)
    }

    #[test]
    fn each_action_does_what_it_is_called() {
        for seed in 0..20 {
            assert!(most(&played(Action::Nod, seed).1, |s| -s.pitch) > 8.0);
            assert!(most(&played(Action::Shake, seed).1, |s| s.yaw.abs()) > 10.0);
            assert!(most(&played(Action::Blink, seed).1, |s| s.lids) > 0.9);
            assert!(most(&played(Action::OpenMouth, seed).1, |s| s.jaw) > 0.5);
            assert!(most(&played(Action::TurnLeft, seed).1, |s| s.yaw) > 15.0, "nose to the picture's right");
            assert!(most(&played(Action::TurnRight, seed).1, |s| -s.yaw) > 15.0);
        }
    }

    #[test]
    fn it_begins_and_ends_straight_and_never_jumps() {
        for action in Action::ALL {
            let (gesture, stances) = played(action, 3);
            assert_eq!(stances[100], Stance::STRAIGHT, "{action:?}");
            assert_eq!(gesture.stance(gesture.ends_s() + 0.01), Stance::STRAIGHT, "{action:?}");
            let jump = |p: &[Stance]| (p[0].yaw - p[1].yaw).abs().max((p[0].pitch - p[1].pitch).abs());
            assert!(stances.windows(2).map(jump).fold(0.0, f32::max) < 4.0, "{action:?}");
        }
    }
}
