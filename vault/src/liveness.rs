//! What is asked of a person besides the face, by what the face is to open: the administrator's rules, and what a
//! server asks for. It looks at nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use vultus_ipc::Guidance;
use vultus_protocol::Liveness;
use vultus_vision::liveness::challenge::LEAST_ABLE;
use vultus_vision::liveness::flash::{Colour, FlashSequence, Screen};
use vultus_vision::liveness::{Action, ActionSet, Challenge, Failure, Rule};

use crate::{VaultError, random};

/// The most actions: more than these cannot be done within an attempt.
const MOST_ACTIONS: usize = 4;

/// The table `liveness` of `vault.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LivenessRules {
    /// Logins and screen lockers.
    login: Word,
    /// Single PAM services, in place of `login`.
    services: BTreeMap<String, Word>,
    /// Applications on this machine.
    application: Word,
    /// Ceremonies with servers, which may ask for more.
    server: Word,
    /// How many actions a challenge has.
    #[serde(deserialize_with = "actions")]
    actions: usize,
    /// Whether a screen that says that it can is asked to show colours.
    flash: FlashWord,
    /// Actions that a user, by number, cannot do. The others must be enough to choose from.
    #[serde(deserialize_with = "unable")]
    unable: BTreeMap<u32, ActionSet>,
}

impl Default for LivenessRules {
    fn default() -> Self {
        let by_camera = Word::ByCamera;
        Self {
            login: by_camera,
            services: BTreeMap::new(),
            application: by_camera,
            server: by_camera,
            actions: 1,
            flash: FlashWord::WhereShown,
            unable: BTreeMap::new(),
        }
    }
}

/// A rule, as it is written.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Refuse,
    Active,
    ByCamera,
    Passive,
}

/// When colours are shown, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FlashWord {
    Never,
    /// To whoever looks at a screen that shows them.
    WhereShown,
    /// And nobody else is taken.
    Always,
}

/// What a face is to open.
#[derive(Clone, Copy, Debug)]
pub enum Purpose<'a> {
    /// A login by this PAM service.
    Login(&'a str),
    Application,
    /// A server that asks for so much.
    Server(Liveness),
}

impl LivenessRules {
    pub fn rule(&self, purpose: Purpose<'_>) -> Rule {
        let word = match purpose {
            Purpose::Login(service) => *self.services.get(service).unwrap_or(&self.login),
            Purpose::Application => self.application,
            Purpose::Server(_) => self.server,
        };
        match (word, purpose) {
            (Word::Refuse, _) => Rule::Refuse,
            // Passive cues alone are nothing that a server could rest on.
            (Word::Active, _) | (_, Purpose::Server(Liveness::Active | Liveness::Passive)) => Rule::Active,
            (Word::ByCamera, _) => Rule::ByCamera,
            (Word::Passive, _) => Rule::Passive,
        }
    }

    /// A challenge that nobody knew before.
    pub fn challenge(&self, uid: u32) -> Result<Challenge, VaultError> {
        let able = self.unable.get(&uid).copied().unwrap_or(ActionSet::USUAL);
        let drawn = Challenge::draw(&random()?, self.actions, able);
        // Both are checked when the configuration is read.
        drawn.ok_or(VaultError::NoRandom)
    }

    /// Colours that nobody knew before, where any are to be shown.
    pub fn flash(&self) -> Result<Option<FlashSequence>, VaultError> {
        match self.flash {
            FlashWord::Never => Ok(None),
            FlashWord::WhereShown | FlashWord::Always => Ok(Some(FlashSequence::draw(&random()?))),
        }
    }

    /// Whether a face is taken of whom no screen lights.
    pub fn takes(&self, screen: bool) -> bool {
        screen || self.flash != FlashWord::Always
    }

    /// The rules of a vault without configuration, with so many actions; none where those are out of bounds.
    pub fn of_actions(actions: usize) -> Option<Self> {
        (1..=MOST_ACTIONS).contains(&actions).then(|| Self { actions, ..Self::default() })
    }

    pub fn actions(&self) -> usize {
        self.actions
    }
}

fn actions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let actions = usize::deserialize(deserializer)?;
    let why = || <D::Error as serde::de::Error>::custom(format!("actions: 1 to {MOST_ACTIONS}"));
    if (1..=MOST_ACTIONS).contains(&actions) { Ok(actions) } else { Err(why()) }
}

/// From what somebody cannot do to what is left.
fn unable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<u32, ActionSet>, D::Error> {
    let told = BTreeMap::<String, Vec<String>>::deserialize(deserializer)?;
    let why = |what: String| <D::Error as serde::de::Error>::custom(what);
    let mut able = BTreeMap::new();
    for (user, words) in told {
        let uid = user.parse().map_err(|_| why(format!("unable: {user} is no user's number")))?;
        let lacking = ActionSet::of_words(words.iter().map(String::as_str));
        let lacking = lacking.ok_or_else(|| why(format!("unable: not all of {words:?} are actions")))?;
        let left = lacking.iter().fold(ActionSet::USUAL, ActionSet::without);
        if left.len() < LEAST_ABLE {
            return Err(why(format!("unable: fewer than {LEAST_ABLE} actions are left for {user}")));
        }
        able.insert(uid, left);
    }
    Ok(able)
}

/// What the person is told to do.
pub fn prompt(action: Action) -> Guidance {
    match action {
        Action::Nod => Guidance::NodNow,
        Action::Shake => Guidance::ShakeNow,
        Action::Blink => Guidance::BlinkNow,
        Action::OpenMouth => Guidance::OpenMouthNow,
        Action::TurnLeft => Guidance::TurnLeftNow,
        Action::TurnRight => Guidance::TurnRightNow,
    }
}

/// What her screen is told.
pub fn shown(screen: Screen) -> Guidance {
    match screen {
        Screen::Off => Guidance::ScreenOff,
        Screen::Shows(Colour::Red) => Guidance::ScreenRed,
        Screen::Shows(Colour::Yellow) => Guidance::ScreenYellow,
        Screen::Shows(Colour::Green) => Guidance::ScreenGreen,
        Screen::Shows(Colour::Cyan) => Guidance::ScreenCyan,
        Screen::Shows(Colour::Blue) => Guidance::ScreenBlue,
        Screen::Shows(Colour::Magenta) => Guidance::ScreenMagenta,
    }
}

/// What the person is told of a failure.
pub fn explanation(failure: Failure) -> Guidance {
    match failure {
        Failure::WrongAction => Guidance::WrongAction,
        Failure::TooEarly => Guidance::TooEarly,
        Failure::TooLate | Failure::Unsettled => Guidance::TooLate,
        Failure::SeveralFaces => Guidance::OneFaceOnly,
        Failure::FaceLost => Guidance::NoFace,
        Failure::StreamBroken
        | Failure::JumpCut
        | Failure::SlideShow
        | Failure::Frozen
        | Failure::Repeated => Guidance::NotContinuous,
        Failure::PersonChanged | Failure::PersonUnclear => Guidance::PersonChanged,
        Failure::SeenBefore => Guidance::ShownBefore,
        Failure::AngleInconsistent | Failure::NoReflection => Guidance::NotLive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LivenessRules, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn nothing_that_is_written_wrong_is_a_rule() {
        for wrong in [
            "login = 'none'",
            "logins = 'passive'",
            "actions = 0",
            "actions = 5",
            "flash = 'sometimes'",
            "unable = { 7 = ['wink'] }",
            "unable = { alice = ['nod'] }",
            "unable = { 7 = ['nod', 'shake', 'open-mouth'] }",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_server_may_ask_for_more_and_never_for_less() {
        let rules = read("server = 'passive'\nlogin = 'active'\nservices = { xlock = 'passive' }").unwrap();
        assert_eq!(rules.rule(Purpose::Server(Liveness::None)), Rule::Passive);
        assert_eq!(rules.rule(Purpose::Server(Liveness::Passive)), Rule::Active);
        assert_eq!(rules.rule(Purpose::Server(Liveness::Active)), Rule::Active);
        assert_eq!(rules.rule(Purpose::Login("login")), Rule::Active);
        assert_eq!(rules.rule(Purpose::Login("xlock")), Rule::Passive);
        assert_eq!(rules.rule(Purpose::Application), Rule::ByCamera);
        let refusing = read("server = 'refuse'").unwrap();
        assert_eq!(refusing.rule(Purpose::Server(Liveness::Active)), Rule::Refuse);
    }

    #[test]
    fn colours_are_those_that_guidance_names() {
        for colour in Colour::ALL {
            assert_eq!(shown(Screen::Shows(colour)).colour(), Some(colour.rgb()));
        }
        let rules = |flash: &str| read(&format!("flash = '{flash}'")).unwrap();
        assert!(rules("never").flash().unwrap().is_none() && rules("never").takes(false));
        assert!(rules("where-shown").flash().unwrap().is_some() && rules("where-shown").takes(false));
        assert!(rules("always").takes(true) && !rules("always").takes(false));
    }

    #[test]
    fn nobody_is_asked_for_what_they_cannot_do() {
        let rules = read("unable = { 7 = ['nod', 'shake'] }\nactions = 4").unwrap();
        for _ in 0..50 {
            let asked = rules.challenge(7).unwrap();
            assert_eq!(asked.steps().len(), 4);
            assert!(asked.steps().iter().all(|s| !matches!(s.action, Action::Nod | Action::Shake)));
        }
    }
}
