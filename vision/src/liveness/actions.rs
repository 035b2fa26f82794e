//! The actions that a person can be asked for, and which of them a track shows. It says what was done and
//! when, never whether that was wanted: the challenge does.
//!
//! ```text
//! Track → bearing (how the head was held, frame by frame) ─┬→ head: nod, shake, turn ─┬→ Movements
//!                                                          └→ face: blink, open mouth ─┘
//! ```

pub(crate) mod bearing;
mod excursion;
mod face;
mod head;

use crate::liveness::glimpse::{Baseline, Track};
use bearing::Course;

/// What a person can be asked to do. Left and right are the person's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    Nod,
    Shake,
    Blink,
    OpenMouth,
    TurnLeft,
    TurnRight,
}

impl Action {
    pub const ALL: [Self; 6] =
        [Self::Nod, Self::Shake, Self::Blink, Self::OpenMouth, Self::TurnLeft, Self::TurnRight];

    /// The stable word, in settings and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nod => "nod",
            Self::Shake => "shake",
            Self::Blink => "blink",
            Self::OpenMouth => "open-mouth",
            Self::TurnLeft => "turn-left",
            Self::TurnRight => "turn-right",
        }
    }

    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }

    /// Whether the head moves as a whole, so that its angles can be judged.
    pub(crate) fn moves_head(self) -> bool {
        !matches!(self, Self::Blink | Self::OpenMouth)
    }

    fn bit(self) -> u8 {
        1u8 << (self as u8)
    }
}

/// Some of the actions: those that one person can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ActionSet(u8);

impl ActionSet {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self((1u8 << Action::ALL.len()) - 1);
    /// What anybody is asked for who has said nothing else. Not to blink: the landmark network follows lids so
    /// little that blinks were not told from noise (docs/liveness.md).
    pub const USUAL: Self = Self(Self::ALL.0 & !(1u8 << Action::Blink as u8));

    pub fn with(self, action: Action) -> Self {
        Self(self.0 | action.bit())
    }

    pub fn without(self, action: Action) -> Self {
        Self(self.0 & !action.bit())
    }

    pub fn contains(self, action: Action) -> bool {
        self.0 & action.bit() != 0
    }

    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.into_iter().filter(move |action| self.contains(*action))
    }

    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// None where a word names no action.
    pub fn of_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        words.into_iter().try_fold(Self::NONE, |set, word| Some(set.with(Action::of_word(word)?)))
    }
}

/// One action that was carried through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    pub action: Action,
    /// When it left the rest, and when it was over (or a turn had been held long enough). The clock of
    /// [`crate::liveness::Glimpse::at_us`].
    pub began_us: u64,
    pub ended_us: u64,
}

/// All actions that ended after `from_us`, in the order in which they ended.
///
/// They are measured against how the face was held just before `from_us`. Where it was not seen then, nothing
/// can be measured, and nothing was performed. A turn is known only some time after its end: see
/// [`DECIDED_US`].
pub fn performed(track: &Track, from_us: u64, baseline: Baseline) -> Vec<Movement> {
    let Some(course) = Course::since(track, from_us) else {
        return Vec::new();
    };
    let mut movements = head::movements(&course);
    movements.extend(face::movements(&course, baseline));
    movements.retain(|movement| movement.ended_us > from_us);
    movements.sort_by_key(|movement| movement.ended_us);
    movements
}

/// How long after its end, in µs, every movement is known: until then a turn may become a shake.
pub const DECIDED_US: u64 = head::GAP_US + 200_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::synthetic::{BASELINE, Film, Head, START_US, bump};

    /// The prompt of these tests: a second after the film's beginning.
    const PROMPT_US: u64 = START_US + 1_000_000;

    fn seen(film: Film, head: impl Fn(f32) -> Head) -> Vec<Action> {
        let track = film.track(4.5, head);
        performed(&track, PROMPT_US, BASELINE).into_iter().map(|movement| movement.action).collect()
    }

    #[test]
    fn each_action_is_seen_and_taken_for_no_other() {
        for action in Action::ALL {
            for seed in 1..=6 {
                for rate in [15.0, 24.0, 30.0] {
                    let film = Film { rate, seed, ..Film::DEFAULT };
                    assert_eq!(
                        seen(film, |t| Head::sway(t).acting(action, t - 1.6)),
                        [action],
                        "{seed} {rate}"
                    );
                }
            }
        }
    }

    #[test]
    fn sway_is_no_action_and_blinks_are_blinks() {
        for seed in 1..=6 {
            let film = Film { seed, ..Film::DEFAULT };
            assert!(seen(film, Head::sway).is_empty());
            let blinking = |t| Head::sway(t).acting(Action::Blink, t - 1.5).acting(Action::Blink, t - 3.0);
            assert_eq!(seen(film, blinking), [Action::Blink; 2]);
        }
    }

    /// The mesh's depth claims what the print is tilted by: the worst that a network could say.
    #[test]
    fn a_print_does_nothing_however_it_is_tilted() {
        for action in Action::ALL.into_iter().filter(|a| a.moves_head()) {
            for seed in 1..=6 {
                let film = Film { seed, ..Film::DEFAULT };
                let print = |t: f32| {
                    let Head { yaw, pitch, .. } = Head::REST.acting(action, t - 1.6);
                    Head { yaw: 1.8 * yaw, pitch: 1.8 * pitch, flat: true, ..Head::REST }
                };
                assert!(seen(film, print).is_empty(), "{action:?} {seed}");
            }
        }
    }

    #[test]
    fn a_print_that_is_tipped_for_a_moment_does_not_blink() {
        let print = |t: f32| Head { pitch: -55.0 * bump(t, 1.6, 0.6), flat: true, ..Head::REST };
        assert!(!seen(Film::DEFAULT, print).contains(&Action::Blink));
    }

    #[test]
    fn what_was_not_seen_at_rest_was_not_performed() {
        let track = Film::DEFAULT.track(3.0, |t| Head::sway(t).acting(Action::Nod, t - 0.5));
        assert!(performed(&track, START_US - 10, BASELINE).is_empty());
        assert!(performed(&Track::default(), PROMPT_US, BASELINE).is_empty());
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        let set = ActionSet::ALL.without(Action::Nod).without(Action::Shake);
        assert_eq!((set.len(), set.contains(Action::Nod)), (4, false));
        assert_eq!(ActionSet::of_words(set.iter().map(Action::word)), Some(set));
        assert_eq!(ActionSet::of_words(["nod", "wink"]), None);
        assert!(ActionSet::NONE.is_empty());
    }
}
