use super::*;
use crate::liveness::synthetic::{BASELINE, Film, Head, bump, plateau, track};

const NONCE: [u8; 32] = [7; 32];

/// A challenge with these steps and the same rest before each.
fn challenge(actions: &[Action]) -> Challenge {
    let drawn = Challenge::draw(&NONCE, 1, ActionSet::ALL).expect("a challenge");
    let steps = actions.iter().map(|&action| Step { action, delay_us: 500_000 }).collect();
    Challenge { steps, ..drawn }
}

/// Runs a challenge on a head that knows which prompt stands since how many seconds. Ends with the film.
fn run(
    challenge: &mut Challenge,
    seconds: f32,
    head: impl Fn(f32, Option<(Action, f32)>) -> Head,
) -> Progress {
    let mut seen = Track::default();
    let (mut progress, mut prompted) = (Progress::Wait, None::<(Action, f32)>);
    let frames = (seconds * 30.0) as usize;
    for i in 0..frames {
        let t = i as f32 / 30.0;
        let since = prompted.map(|(action, at)| (action, t - at));
        let film = Film { seed: i as u64 + 1, ..Film::DEFAULT };
        let mut glimpse = film.glimpses(0.04, |_| head(t, since)).remove(0);
        glimpse.at_us += i as u64 * 33_333;
        let now_us = glimpse.at_us;
        seen.push(glimpse);
        progress = challenge.look(&seen, BASELINE, now_us);
        prompted = match progress {
            Progress::Prompt(action) => Some(prompted.filter(|p| p.0 == action).unwrap_or((action, t))),
            _ => None,
        };
    }
    progress
}

/// Does what it is told, half a second after the prompt.
fn obedient(t: f32, prompt: Option<(Action, f32)>) -> Head {
    prompt.map_or(Head::sway(t), |(action, since)| Head::sway(t).acting(action, since - 0.5))
}

/// Does this, whatever the prompt, so many seconds after it.
fn stubborn(action: Action, delay: f32) -> impl Fn(f32, Option<(Action, f32)>) -> Head {
    move |t, prompt| prompt.map_or(Head::sway(t), |(_, since)| Head::sway(t).acting(action, since - delay))
}

#[test]
fn who_does_what_is_asked_passes() {
    for nonce in 1..=6 {
        let mut drawn = Challenge::draw(&[nonce; 32], 4, ActionSet::ALL).expect("a challenge");
        assert_eq!(run(&mut drawn, 22.0, obedient), Progress::Passed, "{:?}", drawn.steps());
        let done: Vec<Action> = drawn.answers().iter().map(|answer| answer.movement.action).collect();
        assert_eq!(done, drawn.steps().iter().map(|step| step.action).collect::<Vec<_>>());
    }
}

#[test]
fn a_result_stands() {
    let mut failed = challenge(&[Action::Nod]);
    assert_eq!(run(&mut failed, 6.0, stubborn(Action::Shake, 0.5)), Progress::Failed(Failure::WrongAction));
    assert_eq!(run(&mut failed, 6.0, obedient), Progress::Failed(Failure::WrongAction));
    let mut passed = challenge(&[Action::Nod]);
    assert_eq!(run(&mut passed, 6.0, obedient), Progress::Passed);
    assert_eq!(passed.look(&Track::default(), BASELINE, 0), Progress::Passed);
}

#[test]
fn another_action_is_wrong_unless_it_is_a_blink() {
    for asked in Action::ALL {
        for done in Action::ALL.into_iter().filter(|done| *done != asked) {
            let expected = match done {
                Action::Blink => Failure::TooLate,
                _ => Failure::WrongAction,
            };
            let progress = run(&mut challenge(&[asked]), 9.0, stubborn(done, 0.5));
            assert_eq!(progress, Progress::Failed(expected), "{asked:?} {done:?}");
        }
    }
}

#[test]
fn natural_blinks_and_a_small_smile_disturb_no_nod() {
    let lively = |t: f32, prompt| {
        let blinks = bump(t, 0.4, 0.25) + bump(t, 1.2, 0.25) + bump(t, 3.0, 0.25);
        Head { lids: 1.0 - 0.9 * blinks, jaw: 0.2 * plateau(t, 0.9, 0.2, 1.0), ..obedient(t, prompt) }
    };
    assert_eq!(run(&mut challenge(&[Action::Nod]), 6.0, lively), Progress::Passed);
}

#[test]
fn blinking_all_the_time_is_no_answer() {
    let flutter = |t: f32, _| Head { lids: 1.0 - 0.9 * bump(t % 0.5, 0.0, 0.25), ..Head::REST };
    let progress = run(&mut challenge(&[Action::Nod]), 8.0, flutter);
    assert_eq!(progress, Progress::Failed(Failure::WrongAction));
}

#[test]
fn what_begins_before_the_prompt_is_too_early() {
    let early = run(&mut challenge(&[Action::Nod]), 5.0, stubborn(Action::Nod, -0.1));
    assert_eq!(early, Progress::Failed(Failure::TooEarly));
}

#[test]
fn what_is_done_late_or_not_at_all_is_too_late() {
    let late = Progress::Failed(Failure::TooLate);
    let mut hurried = challenge(&[Action::Nod]).with_limit(2_000_000);
    assert_eq!(run(&mut hurried, 6.0, stubborn(Action::Nod, 1.6)), late);
    let mut hurried = challenge(&[Action::Nod]).with_limit(2_000_000);
    assert_eq!(run(&mut hurried, 6.0, |t, _| Head::sway(t)), late);
}

#[test]
fn who_never_rests_is_asked_nothing() {
    let restless = |t: f32, _| Head { yaw: 14.0 * (4.0 * t).sin(), ..Head::REST };
    assert_eq!(run(&mut challenge(&[Action::Nod]), 8.0, restless), Progress::Failed(Failure::Unsettled));
}

#[test]
fn time_runs_out_without_frames() {
    let mut waiting = challenge(&[Action::Nod]);
    assert_eq!(waiting.look(&Track::default(), BASELINE, 0), Progress::Wait);
    let late = waiting.look(&Track::default(), BASELINE, LIMIT_US + 600_000);
    assert_eq!(late, Progress::Failed(Failure::Unsettled));
}

/// The nod of one film and the rest of another: no action without frames before the prompt.
#[test]
fn the_rest_must_be_of_now() {
    let mut asked = challenge(&[Action::Nod]);
    let old = track(Film::DEFAULT.glimpses(2.0, Head::sway));
    let last_us = old.last().expect("a frame").at_us;
    assert_eq!(asked.look(&old, BASELINE, last_us + 400_000), Progress::Wait);
    assert_eq!(asked.look(&old, BASELINE, last_us + 1_000_000), Progress::Wait);
}

#[test]
fn a_print_passes_nothing() {
    let waved = |t: f32, prompt| {
        let Head { yaw, pitch, .. } = obedient(t, prompt);
        Head { yaw: 1.8 * yaw, pitch: 1.8 * pitch, flat: true, ..Head::REST }
    };
    for action in Action::ALL {
        let progress = run(&mut challenge(&[action]), 9.0, waved);
        assert_eq!(progress, Progress::Failed(Failure::TooLate), "{action:?}");
    }
}

fn drawn(seed: u32, steps: usize, able: ActionSet) -> Vec<Step> {
    let mut nonce = [0; 32];
    nonce[..4].copy_from_slice(&seed.to_be_bytes());
    Challenge::draw(&nonce, steps, able).expect("a challenge").steps().to_vec()
}

#[test]
fn all_sequences_are_as_likely_and_none_repeats_at_once() {
    let mut pairs = std::collections::HashMap::new();
    for seed in 0..6000 {
        let steps = drawn(seed, 4, ActionSet::ALL);
        assert!(steps.windows(2).all(|pair| pair[0].action != pair[1].action), "{steps:?}");
        assert!(steps.iter().all(|step| (300_000..=1_200_000).contains(&step.delay_us)));
        *pairs.entry((steps[0].action, steps[3].action)).or_insert(0.0f32) += 1.0;
    }
    // The last of four is the first again with chance 20/125, and each other one with 21/125.
    let square = |((first, last), count): (&(Action, Action), &f32)| {
        let expected: f32 = 1000.0 * if first == last { 20.0 / 125.0 } else { 21.0 / 125.0 };
        (*count - expected).powi(2) / expected
    };
    // Chi-squared with 35 degrees of freedom: mean 35, deviation 8.4.
    let chi: f32 = pairs.iter().map(square).sum();
    assert!(pairs.len() == 36 && chi < 75.0, "{chi}");
}

#[test]
fn only_what_the_person_can_do_is_asked() {
    let able = ActionSet::ALL.without(Action::Nod).without(Action::TurnLeft).without(Action::Shake);
    for seed in 0..200 {
        assert!(drawn(seed, 5, able).iter().all(|step| able.contains(step.action)));
        assert_ne!(drawn(seed, 1, able)[0].action, Action::Blink);
    }
    assert!(Challenge::draw(&NONCE, 3, able.without(Action::Blink)).is_none());
    assert!(Challenge::draw(&NONCE, 0, able).is_none());
    assert!(Challenge::draw(&NONCE, MOST_STEPS + 1, able).is_none());
}

#[test]
fn failures_have_words_of_their_own() {
    let words: std::collections::HashSet<_> = Failure::ALL.iter().map(|failure| failure.word()).collect();
    assert_eq!(words.len(), Failure::ALL.len());
}
