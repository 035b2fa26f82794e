//! A random sequence of actions that follows from an attempt's nonce, and whether a track answers it, prompt
//! by prompt. It decides nothing about who answers, nor whether a plane could: continuity and the cues do.
//!
//! ```text
//! draw → [ rest for a random time → prompt → the action, begun after it, in time ] x steps → Passed
//! ```

pub(crate) mod chance;
mod failure;

pub use failure::Failure;

use crate::liveness::actions::bearing::{Rest, rest};
use crate::liveness::actions::{Action, ActionSet, DECIDED_US, Movement, performed};
use crate::liveness::angle::{self, Angles};
use crate::liveness::glimpse::{Baseline, Track};
use chance::Chance;

/// Under it, numbers are drawn.
const CONTEXT: &str = "vultus liveness challenge 1";
/// The most actions that are asked for.
pub const MOST_STEPS: usize = 8;
/// Who can do fewer is asked nothing: a recording would have too good a chance.
pub const LEAST_ABLE: usize = 3;
/// How long the face rests before a prompt, in ms: random, so that a recording cannot be timed.
const LEAST_DELAY_MS: u32 = 300;
const MOST_DELAY_MS: u32 = 1200;
/// How long a person has for one action, in µs. A starting value, to be set from docs/liveness.md.
pub const LIMIT_US: u64 = 6_000_000;
/// What begins sooner after a prompt, in µs, is no answer to it: people need 150 ms to see a light and press
/// a key, and longer to read a word.
const REACTION_US: u64 = 150_000;
/// Frames older than this, in µs, show no rest.
const FRESH_US: u64 = 300_000;
/// More blinks than this during one step are an attempt to have one in time. At rest people blink 15 to 30
/// times a minute.
const MOST_BLINKS: usize = 8;

/// What a challenge has come to.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Show nothing new; the face is to look straight at the camera.
    Wait,
    /// Show this now. Said again with every look while it is wanted.
    Prompt(Action),
    Passed,
    /// For good: a new attempt needs a new nonce.
    Failed(Failure),
}

/// One action of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub action: Action,
    /// How long the face rests before the prompt.
    pub delay_us: u64,
}

/// How one step was answered: what evidence shows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub prompted_us: u64,
    pub movement: Movement,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Since when the challenge waits, and since when the face rests.
    Settling {
        since_us: Option<u64>,
        resting_us: Option<u64>,
    },
    Asking {
        prompted_us: u64,
    },
    Over(Progress),
}

const SETTLING: Phase = Phase::Settling { since_us: None, resting_us: None };

/// One challenge of one attempt.
#[derive(Debug)]
pub struct Challenge {
    steps: Vec<Step>,
    answers: Vec<Answer>,
    phase: Phase,
    limit_us: u64,
}

impl Challenge {
    /// The sequence that follows from a nonce, of actions that the person is able to do, none twice in a row.
    /// None where there are too few of them, or no step or too many. A single step is never a blink: everyone
    /// blinks in time without being asked.
    pub fn draw(nonce: &[u8; 32], steps: usize, able: ActionSet) -> Option<Self> {
        if !(1..=MOST_STEPS).contains(&steps) || able.len() < LEAST_ABLE {
            return None;
        }
        let able = if steps == 1 { able.without(Action::Blink) } else { able };
        let mut chance = Chance::new(CONTEXT, nonce);
        let mut drawn: Vec<Step> = Vec::with_capacity(steps);
        for _ in 0..steps {
            let left = drawn.last().map_or(able, |last| able.without(last.action));
            drawn.push(step(&mut chance, left)?);
        }
        Some(Self { steps: drawn, answers: Vec::new(), phase: SETTLING, limit_us: LIMIT_US })
    }

    /// Another time for each action, in µs.
    pub fn with_limit(self, limit_us: u64) -> Self {
        Self { limit_us, ..self }
    }

    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How the steps so far were answered.
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }

    /// Whether something is asked for now.
    pub fn is_asking(&self) -> bool {
        matches!(self.phase, Phase::Asking { .. })
    }

    /// Looks at the track after each frame, and now and then while none comes, so that time runs out.
    /// `now_us` is of the clock of the frames, and is when a prompt is shown.
    pub fn look(&mut self, track: &Track, baseline: Baseline, now_us: u64) -> Progress {
        let Some(&step) = self.steps.get(self.answers.len()) else {
            return self.end(Progress::Passed);
        };
        match self.phase {
            Phase::Over(progress) => progress,
            Phase::Settling { since_us, resting_us } => {
                let resting_us = match is_resting(track, baseline, now_us) {
                    Rest::Still => Some(resting_us.unwrap_or(now_us)),
                    Rest::Moving => None,
                };
                self.settle(step, since_us.unwrap_or(now_us), resting_us, now_us)
            }
            Phase::Asking { prompted_us } => {
                let movements = performed(track, prompted_us, baseline);
                self.ask(step.action, prompted_us, &movements, track, now_us)
            }
        }
    }

    fn settle(&mut self, step: Step, since_us: u64, resting_us: Option<u64>, now_us: u64) -> Progress {
        if resting_us.is_some_and(|from_us| now_us.saturating_sub(from_us) >= step.delay_us) {
            self.phase = Phase::Asking { prompted_us: now_us };
            return Progress::Prompt(step.action);
        }
        if now_us.saturating_sub(since_us) > self.limit_us + step.delay_us {
            return self.end(Progress::Failed(Failure::Unsettled));
        }
        self.phase = Phase::Settling { since_us: Some(since_us), resting_us };
        Progress::Wait
    }

    fn ask(
        &mut self,
        wanted: Action,
        prompted_us: u64,
        movements: &[Movement],
        track: &Track,
        now_us: u64,
    ) -> Progress {
        let latest_us = prompted_us + self.limit_us;
        match judge(movements, wanted, prompted_us, latest_us) {
            Judgement::Open if now_us > latest_us + DECIDED_US => {
                self.end(Progress::Failed(Failure::TooLate))
            }
            Judgement::Open => Progress::Prompt(wanted),
            Judgement::Wrong(failure) => self.end(Progress::Failed(failure)),
            Judgement::Done(movement) if wanted.moves_head() => {
                match angle::judge(track, prompted_us, movement.ended_us) {
                    Angles::Consistent => self.answered(Answer { prompted_us, movement }),
                    // What is wide enough to be an action is wide enough to be judged.
                    Angles::Inconsistent | Angles::TooLittle => {
                        self.end(Progress::Failed(Failure::AngleInconsistent))
                    }
                }
            }
            Judgement::Done(movement) => self.answered(Answer { prompted_us, movement }),
        }
    }

    fn answered(&mut self, answer: Answer) -> Progress {
        self.answers.push(answer);
        self.phase = SETTLING;
        if self.answers.len() == self.steps.len() { self.end(Progress::Passed) } else { Progress::Wait }
    }

    fn end(&mut self, progress: Progress) -> Progress {
        self.phase = Phase::Over(progress);
        progress
    }
}

/// One action of those left, and the rest before it.
fn step(chance: &mut Chance, left: ActionSet) -> Option<Step> {
    let place = chance.below(left.len() as u32) as usize;
    let delay_ms = LEAST_DELAY_MS + chance.below(MOST_DELAY_MS - LEAST_DELAY_MS + 1);
    left.iter().nth(place).map(|action| Step { action, delay_us: u64::from(delay_ms) * 1000 })
}

/// The end of the track, if it is of now.
fn is_resting(track: &Track, baseline: Baseline, now_us: u64) -> Rest {
    let fresh = track.last().is_some_and(|last| now_us.saturating_sub(last.at_us) <= FRESH_US);
    if fresh { rest(track, baseline) } else { Rest::Moving }
}

enum Judgement {
    Open,
    Done(Movement),
    Wrong(Failure),
}

/// The first thing that was done after a prompt decides. Blinks are never wrong, since nobody can help them;
/// neither is what is too small to be an action.
fn judge(movements: &[Movement], wanted: Action, prompted_us: u64, latest_us: u64) -> Judgement {
    let mut blinks = 0;
    for movement in movements {
        let early = movement.began_us < prompted_us + REACTION_US;
        let late = movement.ended_us > latest_us;
        match movement.action {
            Action::Blink if wanted == Action::Blink && !early && !late => return Judgement::Done(*movement),
            Action::Blink => blinks += 1,
            action if action != wanted => return Judgement::Wrong(Failure::WrongAction),
            _ if early => return Judgement::Wrong(Failure::TooEarly),
            _ if late => return Judgement::Wrong(Failure::TooLate),
            _ => return Judgement::Done(*movement),
        }
        if blinks > MOST_BLINKS {
            return Judgement::Wrong(Failure::WrongAction);
        }
    }
    Judgement::Open
}

#[cfg(test)]
mod tests;
