//! What attackers show on a screen: clips, stills, a puppet; and how each answers what is asked, as
//! well as it can. The screen is another's matter.

use vultus_vision::liveness::Action;

use crate::simulation::Prompted;
use crate::simulation::medium::rendered_head::RenderedHead;
use crate::simulation::person::{Body, Manner};
use crate::simulation::random::Chance;
use crate::simulation::recording::{self, Clip, Crop};
use crate::sitter::{Sitter, Stance};
use crate::video::Picture;

/// From a prompt to the attacker's finger on the key, in seconds.
const REACTION_S: [f32; 2] = [0.3, 0.8];
/// How long an attacker waits before trying once more.
const PATIENCE_S: f32 = 1.0;

/// Pictures for a screen.
pub trait Footage {
    /// The picture at a time. Times never go back.
    fn picture(&mut self, at_s: f32, prompt: Option<Prompted>) -> &Picture;
}

/// A clip that plays, and begins again, whatever is asked.
pub struct Recorded<'a>(Clip<'a>);

impl<'a> Recorded<'a> {
    pub fn of_anything(victim: &'a Sitter, lasts_s: f32, crop: Crop, seed: u64) -> Self {
        Self(Clip::of_anything(victim, lasts_s, crop, seed))
    }
}

impl Footage for Recorded<'_> {
    fn picture(&mut self, at_s: f32, _: Option<Prompted>) -> &Picture {
        let lasts_s = self.0.lasts_s();
        self.0.at(at_s % lasts_s)
    }
}

/// An attacker at a keyboard: when each thing that is asked is to be shown.
struct Keys {
    chance: Chance,
    heard: Option<Prompted>,
    /// What was last chosen, and when it is, or was, begun.
    chosen: Option<(Action, f32)>,
}

impl Keys {
    fn new(seed: u64) -> Self {
        Self { chance: Chance::new(seed, "keys"), heard: None, chosen: None }
    }

    /// What is shown at a time and for how long already, where each thing lasts so long.
    fn pressed(
        &mut self,
        at_s: f32,
        prompt: Option<Prompted>,
        lasts_s: impl Fn(Action) -> f32,
    ) -> Option<(Action, f32)> {
        let over_s = self.chosen.map_or(f32::MIN, |(action, from_s)| from_s + lasts_s(action));
        if let Some(prompt) = prompt {
            let same = |h: Prompted| h.action == prompt.action && (h.since_s - prompt.since_s).abs() < 0.05;
            let known = self.heard.is_some_and(same);
            if !known || at_s > over_s + PATIENCE_S {
                let reaction_s = self.chance.between(REACTION_S[0], REACTION_S[1]);
                self.chosen = Some((prompt.action, at_s + reaction_s));
                self.heard = Some(prompt);
            }
        }
        let (action, from_s) = self.chosen?;
        (from_s..from_s + lasts_s(action)).contains(&at_s).then_some((action, at_s - from_s))
    }
}

/// A clip of each action, and one of nothing in particular in between.
pub struct Spliced<'a> {
    idle: Clip<'a>,
    /// In the order of `Action::ALL`.
    acts: Vec<Clip<'a>>,
    keys: Keys,
}

impl<'a> Spliced<'a> {
    pub fn new(victim: &'a Sitter, crop: Crop, seed: u64) -> Self {
        // Each was taken at another time.
        let other = |i: usize| seed.wrapping_mul(31).wrapping_add(i as u64 + 1);
        let act = |(i, action): (usize, Action)| Clip::new(victim, &[(action, 0.2)], 0.0, crop, other(i));
        Self {
            idle: Clip::new(victim, &[], 20.0, crop, seed),
            acts: Action::ALL.into_iter().enumerate().map(act).collect(),
            keys: Keys::new(seed),
        }
    }
}

impl Footage for Spliced<'_> {
    fn picture(&mut self, at_s: f32, prompt: Option<Prompted>) -> &Picture {
        let number = |action: Action| Action::ALL.iter().position(|&a| a == action).unwrap_or(0);
        let acts = &self.acts;
        let pressed = self.keys.pressed(at_s, prompt, |action| acts[number(action)].lasts_s());
        match pressed {
            Some((action, played_s)) => self.acts[number(action)].at(played_s),
            None => {
                let lasts_s = self.idle.lasts_s();
                self.idle.at(at_s % lasts_s)
            }
        }
    }
}

/// Photographs, one after the other.
pub struct Slides<'a> {
    victim: &'a Sitter,
    crop: Crop,
    seed: u64,
    keys: Keys,
    /// What the slide shows.
    stance: Stance,
    slide: Picture,
}

/// How long a slide is shown where there are two in turn, how long where there is one, and how long
/// closed eyes are.
const FLIP_S: f32 = 0.32;
const LOOK_S: f32 = 1.2;
const SHUT_S: f32 = 0.25;

impl<'a> Slides<'a> {
    pub fn new(victim: &'a Sitter, crop: Crop, seed: u64) -> Self {
        let stance = Stance::STRAIGHT;
        let slide = recording::photograph(victim, stance, crop, seed);
        Self { victim, crop, seed, keys: Keys::new(seed), stance, slide }
    }
}

/// For how long slides of an action are shown.
fn shown_s(action: Action) -> f32 {
    match action {
        Action::Nod | Action::Shake => 5.0 * FLIP_S,
        Action::Blink => SHUT_S,
        Action::OpenMouth | Action::TurnLeft | Action::TurnRight => LOOK_S,
    }
}

/// What the slide of an action shows so long after the first.
fn posed(action: Action, s: f32) -> Stance {
    let straight = Stance::STRAIGHT;
    let first = ((s / FLIP_S) as u32).is_multiple_of(2);
    match action {
        Action::Nod => Stance { pitch: if first { -14.0 } else { 4.0 }, ..straight },
        Action::Shake => Stance { yaw: if first { 15.0 } else { -15.0 }, ..straight },
        Action::Blink => Stance { lids: 1.0, ..straight },
        Action::OpenMouth => Stance { jaw: 0.85, ..straight },
        Action::TurnLeft => Stance { yaw: 20.0, ..straight },
        Action::TurnRight => Stance { yaw: -20.0, ..straight },
    }
}

impl Footage for Slides<'_> {
    fn picture(&mut self, at_s: f32, prompt: Option<Prompted>) -> &Picture {
        let pressed = self.keys.pressed(at_s, prompt, shown_s);
        let stance = pressed.map_or(Stance::STRAIGHT, |(action, s)| posed(action, s));
        if stance != self.stance {
            self.slide = recording::photograph(self.victim, stance, self.crop, self.seed);
            self.stance = stance;
        }
        &self.slide
    }
}

/// A rendered head that is moved as a person moves, but for what eyes do by themselves.
pub struct Puppet<'a> {
    head: RenderedHead<'a>,
    strings: Manner,
    picture: Picture,
}

impl<'a> Puppet<'a> {
    pub fn new(victim: &'a Sitter, seed: u64) -> Self {
        let mut head = RenderedHead::new(victim, seed);
        let picture = head.frame(Stance::STRAIGHT);
        Self { head, strings: Manner::new(Body::Head, seed).staring(), picture }
    }
}

impl Footage for Puppet<'_> {
    fn picture(&mut self, at_s: f32, prompt: Option<Prompted>) -> &Picture {
        self.strings.hear(at_s, prompt);
        // The studio's lamp does not move.
        let stance = Stance { side_light: 0.0, ..self.strings.stance(at_s) };
        self.picture = self.head.frame(stance);
        &self.picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::testing::sitters;

    fn nod(since_s: f32) -> Option<Prompted> {
        Some(Prompted { action: Action::Nod, since_s })
    }

    #[test]
    fn keys_are_pressed_a_moment_after_the_prompt_and_once_more_if_nothing_happens() {
        let mut keys = Keys::new(3);
        let mut shown = Vec::new();
        for i in 0..180 {
            let at_s = i as f32 / 30.0;
            let prompt = nod(1.0).filter(|_| at_s >= 1.0);
            if let Some((action, s)) = keys.pressed(at_s, prompt, |_| 1.0) {
                assert_eq!(action, Action::Nod);
                shown.push(at_s);
                assert!((0.0..1.0).contains(&s));
            }
        }
        assert!((1.29..1.85).contains(&shown[0]), "{}", shown[0]);
        assert!(shown.len() > 45, "twice");
    }

    #[test]
    fn slides_are_still_and_a_loop_repeats() {
        let [victim, ..] = sitters();
        let mut slides = Slides::new(victim, Crop::Portrait, 5);
        let first = slides.picture(0.0, None).clone();
        assert!(*slides.picture(0.5, None) == first);
        slides.picture(1.0, nod(1.0));
        assert!(*slides.picture(1.85, nod(1.0)) != first, "the nod's slide");
        let mut looped = Recorded::of_anything(victim, 3.0, Crop::Portrait, 5);
        let lasts_s = looped.0.lasts_s();
        let picture = looped.picture(0.5, None).clone();
        looped.picture(1.0, None);
        assert!(*looped.picture(lasts_s + 0.5, nod(1.0)) == picture);
    }
}
