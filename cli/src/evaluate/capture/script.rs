//! Draws what is asked in one recording, and when: random actions with rest between, as a login asks for
//! them. It shows nothing.

use vultus_vision::liveness::{Action, ActionSet};

/// Before the first action, in ms: the camera finds its light, and the face rests.
const FIRST_MS: u32 = 2000;
/// For one action, and at least between two.
const WINDOW_MS: u32 = 4000;
const REST_MS: u32 = 1000;
/// Up to so much longer, at random.
const LONGER_MS: u32 = 900;

/// One action that is asked for, from and to so many ms after the first frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    pub action: Action,
    pub from_ms: u32,
    pub to_ms: u32,
}

/// As many as have room in so many seconds, none twice in a row. Two bytes are used up for each: that some
/// are a little more likely than others does not matter here.
pub fn draw(seconds: u32, random: &[u8; 64]) -> Vec<Asked> {
    let able: Vec<Action> = ActionSet::USUAL.iter().collect();
    let mut asked: Vec<Asked> = Vec::new();
    let mut from_ms = FIRST_MS;
    for pair in random.chunks_exact(2) {
        from_ms += u32::from(pair[0]) * LONGER_MS / 255;
        let to_ms = from_ms + WINDOW_MS;
        if to_ms > seconds * 1000 {
            break;
        }
        let last = asked.last().map(|last| last.action);
        let left: Vec<Action> = able.iter().copied().filter(|action| Some(*action) != last).collect();
        asked.push(Asked { action: left[usize::from(pair[1]) % left.len()], from_ms, to_ms });
        from_ms = to_ms + REST_MS;
    }
    asked
}

/// What a person is told to do.
pub fn sentence(action: Action) -> &'static str {
    match action {
        Action::Nod => "NOD",
        Action::Shake => "SHAKE YOUR HEAD",
        Action::Blink => "BLINK",
        Action::OpenMouth => "OPEN YOUR MOUTH WIDE, AND CLOSE IT",
        Action::TurnLeft => "TURN YOUR HEAD TO YOUR LEFT, AND BACK",
        Action::TurnRight => "TURN YOUR HEAD TO YOUR RIGHT, AND BACK",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_have_their_time_and_their_rest() {
        for byte in [0, 77, 255] {
            let mut random = [byte; 64];
            random[1] = 3;
            let asked = draw(60, &random);
            assert!(asked.len() >= 9, "{asked:?}");
            assert!(asked[0].from_ms >= FIRST_MS && asked[asked.len() - 1].to_ms <= 60_000);
            for pair in asked.windows(2) {
                assert!(pair[1].from_ms >= pair[0].to_ms + REST_MS);
                assert_ne!(pair[0].action, pair[1].action);
            }
            assert!(asked.iter().all(|one| one.to_ms - one.from_ms == WINDOW_MS));
            assert!(asked.iter().all(|one| one.action != Action::Blink));
        }
    }

    #[test]
    fn thirteen_seconds_hold_two_and_seven_one() {
        for random in [[0; 64], [255; 64]] {
            assert_eq!((draw(13, &random).len(), draw(7, &random).len()), (2, 1));
        }
        assert!(draw(5, &[0; 64]).is_empty());
    }

    #[test]
    fn other_bytes_ask_for_other_things() {
        let of = |byte: u8| draw(8, &[byte; 64])[0].action;
        let all: Vec<Action> = (0..5).map(of).collect();
        assert!(ActionSet::USUAL.iter().all(|action| all.contains(&action)), "{all:?}");
    }
}
