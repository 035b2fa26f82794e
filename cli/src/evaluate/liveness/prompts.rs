//! Whether what was asked was done, and in its time: the sidecar's prompts against the actions that a track
//! shows. It asks for nothing itself; the judgement is the challenge's, as far as a recording allows.

use vultus_vision::liveness::actions::{DECIDED_US, Movement, performed};
use vultus_vision::liveness::angle::{self, Angles};
use vultus_vision::liveness::{Action, Baseline, Track};

use super::film::START_US;
use super::sidecar::Prompt;

/// What begins sooner after a prompt, in µs, is no answer to it: the challenge's `REACTION_US`.
const REACTION_US: u64 = 150_000;
/// The measures at rest are the mean of so many of the first frames.
const RESTING_FRAMES: usize = 10;

/// The prompts of one presentation, while it is watched. The track forgets what is old, so each is judged
/// when its time is over.
pub struct Prompts<'a> {
    open: &'a [Prompt],
    resting: Vec<Baseline>,
    seen: u32,
}

impl<'a> Prompts<'a> {
    pub fn new(prompts: &'a [Prompt]) -> Self {
        Self { open: prompts, resting: Vec::new(), seen: 0 }
    }

    /// Takes how a face that can be judged was in one frame.
    pub fn rest(&mut self, baseline: Baseline) {
        if self.resting.len() < RESTING_FRAMES {
            self.resting.push(baseline);
        }
    }

    /// Judges what is over at this time.
    pub fn look(&mut self, track: &Track, now_us: u64) {
        while let Some((prompt, later)) = self.open.split_first() {
            if now_us <= START_US + prompt.to_us + DECIDED_US {
                return;
            }
            self.judge(prompt, track);
            self.open = later;
        }
    }

    /// The end: how many were answered.
    pub fn finish(mut self, track: &Track) -> u32 {
        let open = std::mem::take(&mut self.open);
        open.iter().for_each(|prompt| self.judge(prompt, track));
        self.seen
    }

    fn judge(&mut self, prompt: &Prompt, track: &Track) {
        let answered = Baseline::mean(&self.resting).is_some_and(|rest| is_answered(prompt, track, rest));
        self.seen += u32::from(answered);
    }
}

/// The first thing that was done decides; blinks that were not asked for are nothing.
fn is_answered(prompt: &Prompt, track: &Track, rest: Baseline) -> bool {
    let (from_us, to_us) = (START_US + prompt.from_us, START_US + prompt.to_us);
    let movements = performed(track, from_us, rest);
    let counts = |m: &&Movement| m.action != Action::Blink || prompt.action == Action::Blink;
    movements.iter().find(counts).is_some_and(|movement| {
        let in_time = movement.began_us >= from_us + REACTION_US && movement.ended_us <= to_us;
        movement.action == prompt.action && in_time && is_solid(track, from_us, movement)
    })
}

/// Of an action that moves the head: whether its angles are those of a solid one.
fn is_solid(track: &Track, from_us: u64, movement: &Movement) -> bool {
    match movement.action {
        Action::Blink | Action::OpenMouth => true,
        _ => angle::judge(track, from_us, movement.ended_us) == Angles::Consistent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOD: Prompt = Prompt { action: Action::Nod, from_us: 1_000_000, to_us: 3_000_000 };

    #[test]
    fn a_prompt_is_judged_when_its_time_is_over_and_not_before() {
        let asked = [NOD, Prompt { from_us: 4_000_000, to_us: 6_000_000, ..NOD }];
        let mut prompts = Prompts::new(&asked);
        let track = Track::default();
        prompts.look(&track, START_US + NOD.to_us + DECIDED_US);
        assert_eq!(prompts.open.len(), 2);
        prompts.look(&track, START_US + NOD.to_us + DECIDED_US + 1);
        assert_eq!(prompts.open.len(), 1);
        assert_eq!(prompts.finish(&track), 0);
    }

    #[test]
    fn nothing_is_answered_by_nobody() {
        let asked = [NOD];
        let mut prompts = Prompts::new(&asked);
        for _ in 0..20 {
            prompts.rest(Baseline { eyes: 0.3, mouth: 0.0 });
        }
        assert_eq!(prompts.resting.len(), RESTING_FRAMES);
        assert_eq!(prompts.finish(&Track::default()), 0);
    }
}
