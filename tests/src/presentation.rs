//! One presentation: somebody, or something, before the judgement of the vault until its end, without a camera
//! between. Simulated is what all of it is.

use std::error::Error;

use serde::{Deserialize, Serialize};
use vultus_protocol::Liveness;
use vultus_vault::VaultError;
use vultus_vault::judgement::{Asking, Judgement, Ledger, Outcome, Step};
use vultus_vault::liveness::LivenessRules;
use vultus_vault::watch::Seen;
use vultus_vision::liveness::replay::Footage;
use vultus_vision::liveness::{Action, Baseline, Rule, Track};
use vultus_vision::{Embedding, Observation, Observer};

use crate::actor;
use crate::films;
use crate::pictures::{self, Photograph};
use crate::simulation::{self, AttackKind, Cast, Performance, Prompted};
use crate::sitter::{Sitter, Stance};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The longest attempt, in seconds.
const LONGEST_S: f32 = 25.0;
/// What presentations are called that are no attack.
pub const BONA_FIDE: &str = "bona-fide";

/// What is asked of whoever is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// One random action, as a login on a colour camera asks for.
    One,
    /// Two, one after the other.
    Two,
    /// One, while the machine's screen shows colours that the face is to follow.
    Screen,
}

impl Asked {
    pub const ALL: [Self; 3] = [Self::One, Self::Two, Self::Screen];

    /// In words, for reports.
    pub fn words(self) -> &'static str {
        match self {
            Self::One => "one random action",
            Self::Two => "two random actions",
            Self::Screen => "one random action, and random colours on the screen",
        }
    }

    fn actions(self) -> usize {
        match self {
            Self::One | Self::Screen => 1,
            Self::Two => 2,
        }
    }
}

/// Whose photographs are used: bounds are set on one part, and what they are worth is told of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Two photographs of person A, and seeds from [`TUNING_SEED`] on.
    Tuning,
    /// Another photograph of person A, and persons B and C.
    Report,
}

/// Added to the seeds of the part on which bounds are set.
const TUNING_SEED: u64 = 1_000_000;

impl Part {
    fn photographs(self) -> &'static [Photograph] {
        match self {
            Self::Tuning => &[Photograph::SecondOfA, Photograph::ThirdOfA],
            Self::Report => &[Photograph::FirstOfA, Photograph::PersonB, Photograph::PersonC],
        }
    }
}

/// What came of one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    pub part: Part,
    pub kind: String,
    pub seed: u64,
    pub asked: Asked,
    /// Frames a second.
    pub rate: u32,
    /// The actions that were asked for, one after the other.
    pub prompts: Vec<String>,
    /// The outcome's word.
    pub outcome: String,
    pub seconds: f32,
    /// What the cues said: none where one could not run.
    pub cues: Vec<(String, Option<f32>)>,
}

/// Who can be presented, enrolled as they are.
pub struct Company {
    observer: Observer,
    part: Part,
    people: Vec<(Sitter, Enrolled)>,
}

struct Enrolled {
    mean: Embedding,
    baseline: Baseline,
}

/// Failures of presentations cost nothing.
struct Free;

impl Ledger for Free {
    fn charge(&self) -> std::result::Result<(), VaultError> {
        Ok(())
    }

    fn refund(&self) {}

    fn remember(&self, _: &Track) -> std::result::Result<Footage, VaultError> {
        Ok(Footage::New)
    }
}

impl Company {
    pub fn new(part: Part) -> Result<Self> {
        let observer = films::observer()?;
        let people = part
            .photographs()
            .iter()
            .map(|which| {
                let sitter = films::sitter(&observer, *which)?;
                let enrolled = enrolled(&observer, &sitter)?;
                Ok((sitter, enrolled))
            })
            .collect::<Result<_>>()?;
        Ok(Self { observer, part, people })
    }

    /// Presents one, `rate` frames a second, where failures cost nothing.
    pub fn present(&self, kind: Option<AttackKind>, seed: u64, asked: Asked, rate: u32) -> Result<Record> {
        self.present_to(&Free, kind, seed, asked, rate)
    }

    /// The same before any ledger.
    pub fn present_to(
        &self,
        ledger: &dyn Ledger,
        kind: Option<AttackKind>,
        seed: u64,
        asked: Asked,
        rate: u32,
    ) -> Result<Record> {
        let place = seed as usize % self.people.len();
        let (victim, enrolled) = &self.people[place];
        let (attacker, _) = &self.people[(place + 1) % self.people.len()];
        let drawn = if self.part == Part::Tuning { seed + TUNING_SEED } else { seed };
        let mut performance = match kind {
            None => simulation::bona_fide(victim, drawn),
            Some(kind) => simulation::attack(kind, Cast { victim, attacker }, drawn),
        };
        let rules =
            LivenessRules::of_actions(asked.actions()).ok_or("so many actions cannot be asked for")?;
        let screen = asked == Asked::Screen;
        let asking = Asking { rules: &rules, rule: Rule::Active, screen, infrared: false };
        let templates = std::iter::once((&enrolled.mean, enrolled.baseline));
        let mut judgement = Judgement::new(ledger, &self.observer, 0, templates, asking)?;
        let mut prompts = Vec::new();
        let (outcome, seconds) = self.judged(&mut *performance, &mut judgement, rate, &mut prompts)?;
        let cues = judgement.sitting().readings().into_iter();
        Ok(Record {
            part: self.part,
            kind: kind.map_or(BONA_FIDE, AttackKind::name).to_owned(),
            seed,
            asked,
            rate,
            prompts: prompts.iter().map(|action: &Action| action.word().to_owned()).collect(),
            outcome: outcome.word().to_owned(),
            seconds,
            cues: cues.map(|r| (r.cue.word().to_owned(), r.suspicion.map(|s| s.0))).collect(),
        })
    }

    fn judged(
        &self,
        performance: &mut dyn Performance,
        judgement: &mut Judgement<'_>,
        rate: u32,
        prompts: &mut Vec<Action>,
    ) -> Result<(Outcome, f32)> {
        let mut prompted: Option<Prompted> = None;
        for frame in 0..LONGEST_S as u32 * rate {
            let at_s = frame as f32 / rate as f32;
            let image = pictures::image(&performance.frame(at_s, prompted))?;
            let observation = self.observer.observe(&image)?;
            let at_us = 1_000_000 + (f64::from(at_s) * 1e6) as u64;
            match judgement.see(&Seen { image, observation, at_us })? {
                Step::Over(outcome) => return Ok((outcome, at_s)),
                Step::Open(said) => {
                    if let Some(screen) = said.screen {
                        performance.shine(screen.colour());
                    }
                    let asked: Option<Action> =
                        said.guidance.and_then(|guidance| actor::asked(guidance.sentence()));
                    if let Some(action) = asked.filter(|a| prompted.is_none_or(|p| p.action != *a)) {
                        prompted = Some(Prompted { action, since_s: at_s });
                        prompts.push(action);
                    }
                }
            }
        }
        let late = judgement.late()?.unwrap_or(Outcome::Other);
        Ok((late, LONGEST_S))
    }
}

/// Whether it was taken for the living person.
pub fn is_accepted(record: &Record) -> bool {
    record.outcome == Outcome::Accepted(0, Liveness::Active).word()
}

/// By some straight and slightly turned frames, as an enrolment takes them.
fn enrolled(observer: &Observer, sitter: &Sitter) -> Result<Enrolled> {
    let (mut shots, mut resting) = (Vec::new(), Vec::new());
    for yaw in [0.0, 8.0, -8.0] {
        let image = pictures::image(&sitter.frame(Stance { yaw, ..Stance::STRAIGHT }))?;
        if let Observation::Usable(view) = observer.observe(&image)? {
            shots.extend(observer.embed(&image, &view)?);
            resting.extend((yaw == 0.0).then(|| Baseline::of(&view.mesh)));
        }
    }
    let mean = Embedding::mean(&shots).ok_or("nobody was seen")?;
    Ok(Enrolled { mean, baseline: Baseline::mean(&resting).ok_or("nobody was seen at rest")? })
}
