//! One attempt: frames come in, usable ones are compared with one user's templates, the person is asked to act,
//! and a verdict comes out. A failure is charged, and is on the disk, before the first comparison.
//!
//! Threat model: M2, M19, M34, M46.

use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use log::{info, warn};
use subtle::ConstantTimeEq;
use vultus_ipc::camera::Spectrum;
use vultus_ipc::{Deadline, Guidance, Reason, Verdict};
use vultus_protocol::Liveness;
use vultus_vision::liveness::continuity::Sameness;
use vultus_vision::liveness::{
    Assessment, Baseline, Cue, Demand, Failure, Progress, Rule, Sitting, Standing,
};
use vultus_vision::{FaceView, Observation, Observer};
use zeroize::Zeroizing;

use crate::VaultError;
use crate::camera_link::CameraLink;
use crate::clock::{Moment, SLEEP_MARGIN_MS, slept_ms};
use crate::configuration::Configuration;
use crate::keys::{Keys, OpenState};
use crate::liveness::{self, LivenessRules, Purpose};
use crate::lockout::Admission;
use crate::matching::{Decision, Matcher};
use crate::pairing::preferred;
use crate::records::{CameraPairing, Template};
use crate::watch::{Seen, Watch, guidance};

/// Whoever waits for the result.
pub trait Asker {
    /// Tells the person something. A failure to do so is noticed by [`Self::gone`].
    fn guide(&mut self, guidance: Guidance);
    /// Whether the asker hung up: the operation is cancelled.
    fn gone(&self) -> bool;
}

/// From the second comparison on, the person gets this long to move before the next, whatever the
/// comparison said: time must not tell.
const PAUSE: Duration = Duration::from_millis(150);
/// While a challenge lasts, the face is compared again so often, in µs, ...
const SAME_EVERY_US: u64 = 400_000;
/// ... where it is held so straight, in degrees, that it can be.
const STRAIGHT: f32 = 15.0;
/// So many of these comparisons must agree where something was asked for, the last among them.
const LEAST_SAME: u32 = 2;

/// Who is to be verified, with what and until when.
pub struct Question<'a> {
    pub uid: u32,
    pub camera: Option<&'a str>,
    /// This face alone; any of the user's where none is named.
    pub face: Option<u32>,
    pub deadline: Deadline,
    /// What the face is to open.
    pub purpose: Purpose<'a>,
}

/// This user was verified in this very attempt, a moment ago. Only an attempt makes one, and whatever signs
/// for the user uses it up.
pub struct Success {
    uid: u32,
    token_key: Zeroizing<[u8; 32]>,
    spectrum: Spectrum,
    liveness: Liveness,
    at: Instant,
    slept_ms: u64,
}

/// How long a success counts: what follows it is the TPM's work alone.
const MOMENT: Duration = Duration::from_secs(5);

impl Success {
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Refuses what is no longer of this moment, or of a face that was deleted meanwhile.
    pub fn check(&self, state: &OpenState<'_>) -> Result<(), VaultError> {
        self.check_moment(Instant::now(), slept_ms())?;
        self.check_face(&state.templates(self.uid)?)
    }

    fn check_face(&self, enrolled: &[(u32, Template)]) -> Result<(), VaultError> {
        let same = |other: &[u8; 32]| bool::from(other.ct_eq(&*self.token_key));
        let found = enrolled.iter().any(|(_, template)| same(&template.token_key));
        if found { Ok(()) } else { Err(Reason::FaceChanged.into()) }
    }

    fn check_moment(&self, now: Instant, slept_ms: u64) -> Result<(), VaultError> {
        let stale =
            now.duration_since(self.at) > MOMENT || slept_ms > self.slept_ms.saturating_add(SLEEP_MARGIN_MS);
        if stale { Err(Reason::Cancelled.into()) } else { Ok(()) }
    }

    /// From which the feature tokens of the face that matched follow.
    pub fn token_key(&self) -> &[u8; 32] {
        &self.token_key
    }

    pub fn spectrum(&self) -> Spectrum {
        self.spectrum
    }

    /// What was checked of it.
    pub fn liveness(&self) -> Liveness {
        self.liveness
    }
}

/// What an attempt came to.
#[must_use]
pub enum Judged {
    Accepted(Success),
    /// Anything but [`Verdict::Accepted`].
    Denied(Verdict),
}

/// Gives the right to look through a camera, which one attempt has at a time.
pub type Look<'a> = dyn Fn() -> Result<MutexGuard<'a, ()>, VaultError> + 'a;

/// Verifies one person. Every error becomes a verdict that denies.
pub fn verify(
    keys: &Keys,
    configuration: &Configuration,
    observer: &Observer,
    question: &Question<'_>,
    look: &Look<'_>,
    asker: &mut dyn Asker,
) -> Judged {
    judge(keys, configuration, observer, question, look, asker).unwrap_or_else(|e| {
        warn!(vultus_uid = question.uid; "not judged: {e}");
        Judged::Denied(Verdict::NotJudged(e.reason()))
    })
}

fn judge(
    keys: &Keys,
    configuration: &Configuration,
    observer: &Observer,
    question: &Question<'_>,
    look: &Look<'_>,
    asker: &mut dyn Asker,
) -> Result<Judged, VaultError> {
    let begun_slept_ms = slept_ms();
    let state = keys.open()?;
    // Who has no face keeps nobody waiting.
    if state.templates(question.uid)?.is_empty() {
        return Err(Reason::NotEnrolled.into());
    }
    let rule = configuration.liveness.rule(question.purpose);
    if rule == Rule::Refuse {
        return Err(Reason::NotAllowed.into());
    }
    let _looking = look()?;
    if let Some(seconds) = locked_out(&state, question.uid)? {
        return Ok(Judged::Denied(Verdict::LockedOut { seconds }));
    }
    let mut templates = state.templates(question.uid)?;
    templates.retain(|(face, _)| question.face.is_none_or(|wanted| wanted == *face));
    if templates.is_empty() {
        return Err(Reason::NotEnrolled.into());
    }
    let enrolled = |c: &CameraPairing| templates.iter().any(|(_, t)| t.camera == c.id);
    let cameras = preferred(&state, &configuration.cameras, question.camera)?;
    let camera = cameras.into_iter().find(enrolled).ok_or(Reason::OtherCamera)?;
    let templates: Vec<&Template> =
        templates.iter().map(|(_, t)| t).filter(|t| t.camera == camera.id).collect();
    let link = CameraLink::open(&camera, configuration, question.deadline)?;
    let mut attempt =
        Attempt::new(&state, question.uid, &templates, Asking { rules: &configuration.liveness, rule })?;
    let mut watch = Watch::new(&link, observer, question.deadline);
    let outcome = attempt.run(&mut watch, observer, asker)?;
    // The machine may have slept over the last frame's comparison.
    if slept_ms() > begun_slept_ms.saturating_add(SLEEP_MARGIN_MS) {
        return Err(Reason::Cancelled.into());
    }
    info!(vultus_uid = question.uid, vultus_camera = camera.id.as_str(); "{}", outcome.word());
    let Outcome::Accepted(place, liveness) = outcome else {
        return Ok(Judged::Denied(Verdict::Refused));
    };
    let template = templates.get(place).ok_or(Reason::Internal)?;
    Ok(Judged::Accepted(Success {
        uid: question.uid,
        token_key: template.token_key.clone(),
        spectrum: camera.spectrum,
        liveness,
        at: Instant::now(),
        slept_ms: begun_slept_ms,
    }))
}

/// The seconds that this user still has to wait, if any.
fn locked_out(state: &OpenState<'_>, uid: u32) -> Result<Option<u32>, VaultError> {
    match state.counter(uid)?.admission(&Moment::now()?) {
        Admission::Open => Ok(None),
        Admission::Wait { ms, store } => {
            if let Some(counter) = store {
                state.put_counter(uid, &counter)?;
            }
            Ok(Some(ms.div_ceil(1000).try_into().unwrap_or(u32::MAX)))
        }
    }
}

/// What is asked of the person besides the face.
#[derive(Clone, Copy)]
struct Asking<'a> {
    rules: &'a LivenessRules,
    rule: Rule,
}

/// What an attempt came to.
#[must_use]
#[derive(Clone, Copy, Debug)]
enum Outcome {
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
    /// For the journal.
    fn word(self) -> &'static str {
        match self {
            Self::Other => "refused: another face",
            Self::NotLive(failure) => failure.word(),
            Self::Attack(cue) => cue.word(),
            Self::Accepted(..) => "accepted",
        }
    }
}

struct Attempt<'a> {
    state: &'a OpenState<'a>,
    uid: u32,
    asking: Asking<'a>,
    matcher: Matcher,
    baseline: Baseline,
    sitting: Sitting,
    /// Nothing is compared before.
    compare_from: Instant,
    /// The template that was agreed on, and when the face was last compared with it.
    matched: Option<(usize, u64)>,
}

impl<'a> Attempt<'a> {
    fn new(
        state: &'a OpenState<'a>,
        uid: u32,
        templates: &[&Template],
        asking: Asking<'a>,
    ) -> Result<Self, VaultError> {
        let resting: Vec<Baseline> = templates.iter().map(|t| t.baseline).collect();
        let baseline = Baseline::mean(&resting).ok_or(Reason::NotEnrolled)?;
        let matcher = Matcher::new(templates.iter().map(|t| &t.mean));
        let sitting = sitting(uid, asking, baseline)?;
        let compare_from = Instant::now();
        Ok(Self { state, uid, asking, matcher, baseline, sitting, compare_from, matched: None })
    }

    fn run(
        &mut self,
        watch: &mut Watch<'_>,
        observer: &Observer,
        asker: &mut dyn Asker,
    ) -> Result<Outcome, VaultError> {
        loop {
            let look = match watch.next_look(asker) {
                Ok(look) => look,
                Err(VaultError::Refused(Reason::NoFace)) if self.matcher.begun() => return Ok(self.late()),
                Err(e) => return Err(e),
            };
            match self.sitting.look(&look.image, &look.observation, look.at_us) {
                // Before a face was compared, there was nothing to fail: whoever comes begins anew.
                Standing::Failed(_) if !self.matcher.begun() => {
                    self.sitting = sitting(self.uid, self.asking, self.baseline)?;
                    guide(&look.observation, watch, asker);
                }
                Standing::Failed(failure) => return Ok(not_live(failure, watch, asker)),
                Standing::Open(Progress::Prompt(action)) => watch.say(liveness::prompt(action), asker),
                _ => guide(&look.observation, watch, asker),
            }
            if let Observation::Usable(view) = &look.observation {
                match self.judge(&look, view, observer)? {
                    None => {}
                    Some(Outcome::NotLive(failure)) => return Ok(not_live(failure, watch, asker)),
                    Some(Outcome::Attack(cue)) => {
                        watch.say(Guidance::NotLive, asker);
                        return Ok(Outcome::Attack(cue));
                    }
                    Some(outcome) => return Ok(outcome),
                }
            }
        }
    }

    /// Time ran out after a face was compared: not recognised, or not live, but no absence.
    fn late(&self) -> Outcome {
        if self.matched.is_some() { Outcome::NotLive(Failure::TooLate) } else { Outcome::Other }
    }

    /// What one usable frame decides, if anything.
    fn judge(
        &mut self,
        look: &Seen,
        view: &FaceView,
        observer: &Observer,
    ) -> Result<Option<Outcome>, VaultError> {
        if let Some((place, last_us)) = self.matched {
            let straight = view.pose.yaw.abs() <= STRAIGHT && view.pose.pitch.abs() <= STRAIGHT;
            let over = self.sitting.standing(look.at_us) == Standing::Answered;
            if !straight || (!over && look.at_us.saturating_sub(last_us) < SAME_EVERY_US) {
                return Ok(None);
            }
            let Some(probe) = observer.embed(&look.image, view)? else {
                return Ok(None);
            };
            self.sitting.identity(self.matcher.same(place, &probe));
            self.matched = Some((place, look.at_us));
        } else if let Some(refused) = self.compare(look, view, observer)? {
            return Ok(Some(refused));
        }
        self.end(look.at_us)
    }

    /// One comparison towards the decision whose face it is. The failure is charged before the first.
    fn compare(
        &mut self,
        look: &Seen,
        view: &FaceView,
        observer: &Observer,
    ) -> Result<Option<Outcome>, VaultError> {
        if Instant::now() < self.compare_from {
            return Ok(None);
        }
        let Some(probe) = observer.embed(&look.image, view)? else {
            return Ok(None);
        };
        if !self.matcher.begun() {
            self.charge()?;
        }
        match self.matcher.compare(&probe) {
            Decision::Accepted(place) => {
                self.sitting.identity(Sameness::Same);
                self.matched = Some((place, look.at_us));
            }
            Decision::Refused => return Ok(Some(Outcome::Other)),
            Decision::Open if self.matcher.comparisons() == 1 => {}
            Decision::Open => self.compare_from = Instant::now() + PAUSE,
        }
        Ok(None)
    }

    /// The end, where this very frame showed the person and nothing is left to be done.
    fn end(&mut self, at_us: u64) -> Result<Option<Outcome>, VaultError> {
        let Some((place, last_us)) = self.matched else {
            return Ok(None);
        };
        match self.sitting.standing(at_us) {
            Standing::Failed(failure) => return Ok(Some(Outcome::NotLive(failure))),
            Standing::Answered if last_us == at_us => {}
            _ => return Ok(None),
        }
        let asked = self.sitting.asks();
        let evidence = match self.sitting.finish(if asked { LEAST_SAME } else { 1 }) {
            Err(failure) => return Ok(Some(Outcome::NotLive(failure))),
            Ok(Assessment::Attack(cue)) => return Ok(Some(Outcome::Attack(cue))),
            Ok(Assessment::Unsuspicious(evidence)) => evidence,
        };
        let liveness = if asked { Liveness::Active } else { Liveness::Passive };
        match self.asking.rule.demand(evidence, self.asking.rules.actions()) {
            Demand::Refuse => Ok(Some(Outcome::NotLive(Failure::Unsettled))),
            // What the cues could not see, the person is asked to show.
            Demand::Challenge(_) if !asked => {
                self.sitting.ask(self.asking.rules.challenge(self.uid)?);
                Ok(None)
            }
            Demand::Challenge(_) | Demand::Nothing => {
                self.refund();
                Ok(Some(Outcome::Accepted(place, liveness)))
            }
        }
    }

    /// Counts a failure, on the disk, before anything is compared. Where it cannot be written, nothing
    /// is compared.
    fn charge(&self) -> Result<(), VaultError> {
        let charged = self.state.counter(self.uid)?.charged(&Moment::now()?);
        self.state.put_counter(self.uid, &charged)
    }

    /// Takes the charge back after a success. Where that fails the person is let in all the same, and
    /// keeps one failure too many.
    fn refund(&self) {
        let refunded = self
            .state
            .counter(self.uid)
            .and_then(|counter| self.state.put_counter(self.uid, &counter.refunded()));
        if let Err(e) = refunded {
            warn!(vultus_uid = self.uid; "a charge could not be refunded: {e}");
        }
    }
}

/// A new beginning. What is sure to be asked for is asked for from the first frame on.
fn sitting(uid: u32, asking: Asking<'_>, baseline: Baseline) -> Result<Sitting, VaultError> {
    let challenge = match asking.rule {
        Rule::Active | Rule::ByCamera => Some(asking.rules.challenge(uid)?),
        Rule::Passive | Rule::Refuse => None,
    };
    Ok(Sitting::new(baseline, challenge))
}

fn not_live(failure: Failure, watch: &mut Watch<'_>, asker: &mut dyn Asker) -> Outcome {
    watch.say(liveness::explanation(failure), asker);
    Outcome::NotLive(failure)
}

fn guide(observation: &Observation, watch: &mut Watch<'_>, asker: &mut dyn Asker) {
    if let Observation::Unusable(shortfall, _) = observation {
        watch.say(guidance(*shortfall), asker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn success(at: Instant) -> Success {
        let token_key = Zeroizing::new([7; 32]);
        Success {
            uid: 7,
            token_key,
            spectrum: Spectrum::Colour,
            liveness: Liveness::Passive,
            at,
            slept_ms: 1_000,
        }
    }

    #[test]
    fn a_success_is_of_one_moment_and_of_one_waking() {
        let at = Instant::now();
        let good = |later, slept_ms| success(at).check_moment(at + later, slept_ms).is_ok();
        assert!(good(Duration::ZERO, 1_000) && good(MOMENT, 1_000 + SLEEP_MARGIN_MS));
        assert!(!good(MOMENT + Duration::from_millis(1), 1_000));
        assert!(!good(Duration::ZERO, 1_001 + SLEEP_MARGIN_MS));
    }

    #[test]
    fn a_success_ends_with_its_face() {
        let face = |key: u8| {
            let embedding = || vultus_vision::Embedding::normalised([1.0; 192]).unwrap();
            let (label, camera, token_key) = (String::new(), String::new(), Zeroizing::new([key; 32]));
            let baseline = Baseline { eyes: 0.3, mouth: 0.0 };
            Template { label, camera, token_key, mean: embedding(), shots: vec![embedding()], baseline }
        };
        let success = success(Instant::now());
        assert!(success.check_face(&[(0, face(6)), (1, face(7))]).is_ok());
        for left in [vec![], vec![(0, face(6))]] {
            assert!(matches!(success.check_face(&left), Err(VaultError::Refused(Reason::FaceChanged))));
        }
    }
}
