//! Judges one attempt frame by frame: whether the face is this user's, and whether the person does what is asked of
//! her. It has no camera, no clock and no store of its own, so that recorded and simulated attempts are judged as
//! real ones are.
//!
//! Threat model: M1, M2, M46.

use vultus_ipc::{Guidance, Reason};
use vultus_protocol::Liveness;
use vultus_vision::liveness::continuity::Sameness;
use vultus_vision::liveness::infrared::{Emitter, Light};
use vultus_vision::liveness::replay::Footage;
use vultus_vision::liveness::{
    Assessment, Baseline, Cue, Demand, Failure, Physical, Physicality, Progress, Rule, Sitting, Standing,
    Track,
};
use vultus_vision::{Embedding, FaceView, Observation, Observer};

use crate::VaultError;
use crate::liveness::{self, LivenessRules};
use crate::matching::{Decision, Matcher};
use crate::watch::{Seen, guidance};

/// From the second comparison on, the person gets this long to move before the next, in µs, whatever the
/// comparison said: time must not tell.
const PAUSE_US: u64 = 150_000;
/// While a challenge lasts, the face is compared again so often, in µs, ...
const SAME_EVERY_US: u64 = 400_000;
/// ... where it is held so straight, in degrees, that it can be.
const STRAIGHT: f32 = 15.0;
/// And the mouth no wider open than this beyond the enrolled: wide open, it makes another face.
const AJAR: f32 = 0.2;
/// So many of these comparisons must agree where something was asked for, the last among them.
const LEAST_SAME: u32 = 2;
/// So many lit frames in a row must show this person before infrared light speaks for her: one more than make its
/// evidence.
const LEAST_LIT: u32 = 6;

/// What is asked of the person besides the face.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    pub rules: &'a LivenessRules,
    pub rule: Rule,
    /// Whether the person looks at a screen that shows what it is told to.
    pub screen: bool,
    /// Whether the camera sees infrared light, and lights every other frame or so by itself.
    pub infrared: bool,
}

/// What an attempt came to.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Judged, and not this person.
    Other,
    /// This person's face, perhaps, but no evidence that she is there.
    NotLive(Failure),
    /// A passive cue was beyond its bound.
    Attack(Cue),
    /// The template at this place, and what was checked besides.
    Accepted(usize, Liveness),
}

impl Outcome {
    /// For the journal and for reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Other => "another-face",
            Self::NotLive(failure) => failure.word(),
            Self::Attack(cue) => cue.word(),
            Self::Accepted(..) => "accepted",
        }
    }

    /// What the person is told of it.
    pub fn guidance(self) -> Option<Guidance> {
        match self {
            Self::NotLive(failure) => Some(liveness::explanation(failure)),
            Self::Attack(_) => Some(Guidance::NotLive),
            Self::Other | Self::Accepted(..) => None,
        }
    }
}

/// How it stands after a frame.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// More is to be seen; and this is to be said, if anything.
    Open(Said),
    Over(Outcome),
}

/// What is to be told while an attempt lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// To the person.
    pub guidance: Option<Guidance>,
    /// To her screen: what it changes to at this very moment.
    pub screen: Option<Guidance>,
}

/// Where failures are counted, and what attempts showed is remembered.
pub trait Ledger {
    /// Counts a failure before anything is compared. Where it cannot be counted, nothing is compared.
    fn charge(&self) -> Result<(), VaultError>;
    /// Takes it back after a success.
    fn refund(&self);
    /// Whether this was shown in an earlier attempt; from now on it was. Where it cannot be kept, nobody is accepted.
    fn remember(&self, track: &Track) -> Result<Footage, VaultError>;
}

/// One attempt against the templates of one user.
pub struct Judgement<'a> {
    ledger: &'a dyn Ledger,
    observer: &'a Observer,
    uid: u32,
    asking: Asking<'a>,
    matcher: Matcher,
    baseline: Baseline,
    sitting: Sitting,
    physical: Physical,
    /// Lit frames in a row that showed this person, where infrared light may speak for her.
    same_lit: u32,
    /// Nothing is compared before, by the frames' clock.
    compare_from_us: u64,
    matched: Option<Matched>,
}

/// The template that was agreed on, and how and when the face was last compared with it.
#[derive(Clone, Copy)]
struct Matched {
    place: usize,
    last_us: u64,
    same: Sameness,
}

impl<'a> Judgement<'a> {
    pub fn new<'t>(
        ledger: &'a dyn Ledger,
        observer: &'a Observer,
        uid: u32,
        templates: impl Iterator<Item = (&'t Embedding, Baseline)> + Clone,
        asking: Asking<'a>,
    ) -> Result<Self, VaultError> {
        let resting: Vec<Baseline> = templates.clone().map(|(_, baseline)| baseline).collect();
        let baseline = Baseline::mean(&resting).ok_or(Reason::NotEnrolled)?;
        let matcher = Matcher::new(templates.map(|(mean, _)| mean));
        Ok(Self {
            ledger,
            observer,
            uid,
            asking,
            matcher,
            baseline,
            sitting: Sitting::new(baseline, None),
            physical: Physical::default(),
            same_lit: 0,
            compare_from_us: 0,
            matched: None,
        })
    }

    /// Takes the next frame.
    pub fn see(&mut self, seen: &Seen) -> Result<Step, VaultError> {
        match self.look(seen)? {
            Step::Over(outcome) => Ok(Step::Over(self.over(outcome)?)),
            open => Ok(open),
        }
    }

    fn look(&mut self, seen: &Seen) -> Result<Step, VaultError> {
        if let Some(step) = self.infrared(seen) {
            return Ok(step);
        }
        let said = match self.sitting.look(&seen.image, &seen.observation, seen.at_us) {
            // Before a face was compared, nothing was asked and there was nothing to fail: whoever comes begins
            // anew.
            Standing::Failed(_) if !self.matcher.begun() => {
                self.sitting = Sitting::new(self.baseline, None);
                shortfall(&seen.observation)
            }
            Standing::Failed(failure) => return Ok(Step::Over(Outcome::NotLive(failure))),
            Standing::Open(Progress::Prompt(action)) => Some(liveness::prompt(action)),
            _ => shortfall(&seen.observation),
        };
        let same_lit = std::mem::take(&mut self.same_lit);
        let outcome = match &seen.observation {
            Observation::Usable(view) => self.judge(seen, view, same_lit)?,
            Observation::Unusable(..) => None,
        };
        let screen = self.sitting.screen(seen.at_us).map(liveness::shown);
        Ok(outcome.map_or(Step::Open(Said { guidance: said, screen }), Step::Over))
    }

    /// Looks at what an infrared camera shows besides the face: an attack, or a frame that nothing lit and that is no
    /// picture for other eyes.
    fn infrared(&mut self, seen: &Seen) -> Option<Step> {
        if !self.asking.infrared {
            return None;
        }
        let view = match &seen.observation {
            Observation::Usable(view) | Observation::Unusable(_, Some(view)) => Some(view),
            Observation::Unusable(_, None) => None,
        };
        let light = self.physical.look_infrared(&seen.image, view, seen.at_us, Emitter::ByItself);
        match self.physical.verdict() {
            Physicality::Attack(cue) if self.matcher.begun() => Some(Step::Over(Outcome::Attack(cue))),
            // Before a face was compared, whoever comes begins anew.
            Physicality::Attack(_) => {
                self.physical = Physical::default();
                None
            }
            _ if light == Light::Unlit => Some(Step::Open(Said { guidance: None, screen: None })),
            _ => None,
        }
    }

    /// What the attempt comes to where time runs out; nothing where no face was compared.
    pub fn late(&self) -> Result<Option<Outcome>, VaultError> {
        let late = if self.matched.is_some() { Outcome::NotLive(Failure::TooLate) } else { Outcome::Other };
        self.matcher.begun().then(|| self.over(late)).transpose()
    }

    /// Remembers what was shown until whoever asked went away, or the camera did: else that would be the way to show
    /// it again.
    pub fn left(&self) -> Result<(), VaultError> {
        if self.matcher.begun() { self.footage().map(|_| ()) } else { Ok(()) }
    }

    /// What was shown is remembered before anybody is told what came of it. What was shown before is not accepted.
    fn over(&self, outcome: Outcome) -> Result<Outcome, VaultError> {
        match (outcome, self.footage()?) {
            (Outcome::Accepted(..), Footage::SeenBefore) => Ok(Outcome::NotLive(Failure::SeenBefore)),
            (Outcome::Accepted(..), Footage::New) => {
                self.ledger.refund();
                Ok(outcome)
            }
            _ => Ok(outcome),
        }
    }

    /// Where nothing was asked, resting alike is no sign of footage.
    fn footage(&self) -> Result<Footage, VaultError> {
        if self.sitting.asks() { self.ledger.remember(self.sitting.track()) } else { Ok(Footage::New) }
    }

    /// The liveness so far, for measurement.
    pub fn sitting(&self) -> &Sitting {
        &self.sitting
    }

    /// What one usable frame decides, if anything.
    fn judge(&mut self, seen: &Seen, view: &FaceView, same_lit: u32) -> Result<Option<Outcome>, VaultError> {
        if let Some(Matched { place, last_us, .. }) = self.matched {
            let over = self.sitting.standing(seen.at_us) == Standing::Answered;
            let due = over || seen.at_us.saturating_sub(last_us) >= SAME_EVERY_US;
            if !due || !self.is_at_rest(view) {
                return Ok(None);
            }
            let Some(probe) = self.observer.embed(&seen.image, view)? else {
                return Ok(None);
            };
            let same = self.matcher.same(place, &probe);
            self.sitting.identity(same, seen.at_us);
            self.matched = Some(Matched { place, last_us: seen.at_us, same });
            self.same_lit = if same == Sameness::Same { same_lit + 1 } else { 0 };
        } else if let Some(refused) = self.compare(seen, view)? {
            return Ok(Some(refused));
        }
        self.end(seen, view)
    }

    /// Straight enough to be recognised, and with the mouth nearly closed.
    fn is_at_rest(&self, view: &FaceView) -> bool {
        let straight = view.pose.yaw.abs() <= STRAIGHT && view.pose.pitch.abs() <= STRAIGHT;
        straight && Baseline::of(&view.mesh).mouth <= self.baseline.mouth + AJAR
    }

    /// One comparison towards the decision whose face it is. The failure is charged before the first.
    fn compare(&mut self, seen: &Seen, view: &FaceView) -> Result<Option<Outcome>, VaultError> {
        if seen.at_us < self.compare_from_us {
            return Ok(None);
        }
        let Some(probe) = self.observer.embed(&seen.image, view)? else {
            return Ok(None);
        };
        if !self.matcher.begun() {
            self.ledger.charge()?;
            // Not sooner: nobody sees for nothing what would be asked. It begins anew, since a disk takes time.
            self.sitting = self.begun()?;
            self.physical = Physical::default();
        }
        match self.matcher.compare(&probe) {
            Decision::Accepted(place) => {
                self.sitting.identity(Sameness::Same, seen.at_us);
                self.matched = Some(Matched { place, last_us: seen.at_us, same: Sameness::Same });
            }
            Decision::Refused => return Ok(Some(Outcome::Other)),
            Decision::Open if self.matcher.comparisons() == 1 => {}
            Decision::Open => self.compare_from_us = seen.at_us + PAUSE_US,
        }
        Ok(None)
    }

    /// What is asked of whoever is compared.
    fn begun(&self) -> Result<Sitting, VaultError> {
        let Asking { rules, rule, screen, infrared } = self.asking;
        Ok(match rule {
            // Infrared light may spare her an action.
            Rule::ByCamera if infrared => Sitting::new(self.baseline, None),
            Rule::Active | Rule::ByCamera => Sitting::new(self.baseline, Some(rules.challenge(self.uid)?))
                .with_flash(if screen { rules.flash()? } else { None }),
            Rule::Passive | Rule::Refuse => {
                Sitting::new(self.baseline, None).with_flash(if screen { rules.flash()? } else { None })
            }
        })
    }

    /// What physical cues say of this person: a head that was not compared in all of those frames may be another's.
    fn physicality(&self) -> Physicality {
        match self.physical.verdict() {
            Physicality::Present if self.same_lit < LEAST_LIT => Physicality::None,
            physicality => physicality,
        }
    }

    /// The end, where this very frame showed the person and nothing is left to be done.
    fn end(&mut self, seen: &Seen, view: &FaceView) -> Result<Option<Outcome>, VaultError> {
        let at_us = seen.at_us;
        let Some(Matched { place, last_us, same }) = self.matched else {
            return Ok(None);
        };
        match self.sitting.standing(at_us) {
            Standing::Failed(failure) => return Ok(Some(Outcome::NotLive(failure))),
            // One comparison that fails may be a bad frame; a second one is another person.
            Standing::Answered if last_us == at_us && same == Sameness::Same => {}
            _ => return Ok(None),
        }
        let asked = self.sitting.asks();
        let physicality = self.physicality();
        let waits = self.physical.is_open(at_us) || self.physical.verdict() != physicality;
        if self.asking.rule == Rule::ByCamera && !asked && waits {
            return Ok(None);
        }
        if !self.observer.seems_live(&seen.image, view)? {
            return Ok(Some(Outcome::Attack(Cue::Network)));
        }
        let evidence = match self.sitting.finish(if asked { LEAST_SAME } else { 1 }) {
            Err(failure) => return Ok(Some(Outcome::NotLive(failure))),
            Ok(others) => match physicality.joined(others) {
                Assessment::Attack(cue) => return Ok(Some(Outcome::Attack(cue))),
                Assessment::Unsuspicious(evidence) => evidence,
            },
        };
        // That no passive cue spoke against it, or that infrared light spoke for it by bounds that no real camera was
        // there to set, is nothing to sign.
        let liveness = if asked { Liveness::Active } else { Liveness::None };
        match self.asking.rule.demand(evidence, self.asking.rules.actions()) {
            Demand::Refuse => Ok(Some(Outcome::NotLive(Failure::Unsettled))),
            // What the cues could not see, the person is asked to show.
            Demand::Challenge(_) if !asked => {
                self.sitting.ask(self.asking.rules.challenge(self.uid)?);
                Ok(None)
            }
            Demand::Challenge(_) | Demand::Nothing => Ok(Some(Outcome::Accepted(place, liveness))),
        }
    }
}

/// What a frame that cannot be judged asks of the person.
fn shortfall(observation: &Observation) -> Option<Guidance> {
    match observation {
        Observation::Unusable(shortfall, _) => Some(guidance(*shortfall)),
        Observation::Usable(_) => None,
    }
}
