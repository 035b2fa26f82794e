//! One presentation: somebody, or something, before the judgement of the vault until its end, without a camera
//! between. Simulated is what all of it is.

use std::error::Error;

use serde::{Deserialize, Serialize};
use vultus_protocol::Liveness;
use vultus_vault::VaultError;
use vultus_vault::judgement::{Asking, Judgement, Ledger, Outcome, Step};
use vultus_vault::liveness::LivenessRules;
use vultus_vault::watch::Seen;
use vultus_vision::liveness::{Action, Baseline, Rule};
use vultus_vision::{Embedding, Observation, Observer};

use crate::actor;
use crate::films;
use crate::pictures::{self, Photograph};
use crate::simulation::{self, AttackKind, Cast, Performance, Prompted};
use crate::sitter::{Sitter, Stance};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Frames a second that are judged: what a camera of 30 leaves to a slow machine.
const RATE: f32 = 10.0;
/// The longest attempt, in seconds.
const LONGEST_S: f32 = 25.0;
/// What presentations are called that are no attack.
pub const BONA_FIDE: &str = "bona-fide";

/// What came of one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    pub kind: String,
    pub seed: u64,
    pub actions: usize,
    /// The outcome's word.
    pub outcome: String,
    pub seconds: f32,
    /// What the cues said: none where one could not run.
    pub cues: Vec<(String, Option<f32>)>,
}

/// Who can be presented, enrolled as they are.
pub struct Company {
    observer: Observer,
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
}

impl Company {
    /// Three persons, of one photograph each.
    pub fn new() -> Result<Self> {
        let observer = films::observer()?;
        let three = [Photograph::FirstOfA, Photograph::PersonB, Photograph::PersonC];
        let people = three
            .into_iter()
            .map(|which| {
                let sitter = films::sitter(&observer, which)?;
                let enrolled = enrolled(&observer, &sitter)?;
                Ok((sitter, enrolled))
            })
            .collect::<Result<_>>()?;
        Ok(Self { observer, people })
    }

    /// Presents one, with so many actions asked for.
    pub fn present(&self, kind: Option<AttackKind>, seed: u64, actions: usize) -> Result<Record> {
        let place = seed as usize % self.people.len();
        let (victim, enrolled) = &self.people[place];
        let (attacker, _) = &self.people[(place + 1) % self.people.len()];
        let mut performance = match kind {
            None => simulation::bona_fide(victim, seed),
            Some(kind) => simulation::attack(kind, Cast { victim, attacker }, seed),
        };
        let rules = LivenessRules::of_actions(actions).ok_or("so many actions cannot be asked for")?;
        let asking = Asking { rules: &rules, rule: Rule::Active };
        let templates = std::iter::once((&enrolled.mean, enrolled.baseline));
        let mut judgement = Judgement::new(&Free, &self.observer, 0, templates, asking)?;
        let (outcome, seconds) = self.judged(&mut *performance, &mut judgement)?;
        let cues = judgement.sitting().readings().into_iter();
        Ok(Record {
            kind: kind.map_or(BONA_FIDE, AttackKind::name).to_owned(),
            seed,
            actions,
            outcome: outcome.word().to_owned(),
            seconds,
            cues: cues.map(|r| (r.cue.word().to_owned(), r.suspicion.map(|s| s.0))).collect(),
        })
    }

    fn judged(
        &self,
        performance: &mut dyn Performance,
        judgement: &mut Judgement<'_>,
    ) -> Result<(Outcome, f32)> {
        let mut prompted: Option<Prompted> = None;
        for frame in 0..(LONGEST_S * RATE) as u32 {
            let at_s = frame as f32 / RATE;
            let image = pictures::image(&performance.frame(at_s, prompted))?;
            let observation = self.observer.observe(&image)?;
            let at_us = 1_000_000 + (f64::from(at_s) * 1e6) as u64;
            match judgement.see(&Seen { image, observation, at_us })? {
                Step::Over(outcome) => return Ok((outcome, at_s)),
                Step::Open(said) => {
                    let asked: Option<Action> = said.and_then(|guidance| actor::asked(guidance.sentence()));
                    if let Some(action) = asked.filter(|a| prompted.is_none_or(|p| p.action != *a)) {
                        prompted = Some(Prompted { action, since_s: at_s });
                    }
                }
            }
        }
        let late = judgement.late().unwrap_or(Outcome::Other);
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
