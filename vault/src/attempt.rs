//! One attempt: opens the state and the camera, shows its frames to a judgement, and gives a verdict. A failure
//! is charged, and is on the disk, before the first comparison.
//!
//! Threat model: M2, M19, M34, M47.

use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use log::{info, warn};
use subtle::ConstantTimeEq;
use vultus_ipc::camera::Spectrum;
use vultus_ipc::{Deadline, Guidance, Reason, Verdict};
use vultus_protocol::Liveness;
use vultus_vision::Observer;
use vultus_vision::liveness::replay::Footage;
use vultus_vision::liveness::{Rule, Track};
use zeroize::Zeroizing;

use crate::VaultError;
use crate::camera_kind::CameraKind;
use crate::camera_link::CameraLink;
use crate::clock::{Moment, SLEEP_MARGIN_MS, slept_ms};
use crate::configuration::Configuration;
use crate::judgement::{Asking, Judgement, Ledger, Outcome, Step};
use crate::keys::{Keys, OpenState};
use crate::liveness::Purpose;
use crate::lockout::Admission;
use crate::pairing::preferred;
use crate::past;
use crate::records::{CameraPairing, Template};
use crate::watch::Watch;

/// Whoever waits for the result.
pub trait Asker {
    /// Tells the person something. A failure to do so is noticed by [`Self::gone`].
    fn guide(&mut self, guidance: Guidance);
    /// Whether the asker hung up: the operation is cancelled.
    fn gone(&self) -> bool;
}

/// Who is to be verified, with what and until when.
pub struct Question<'a> {
    pub uid: u32,
    pub camera: Option<&'a str>,
    /// This face alone; any of the user's where none is named.
    pub face: Option<u32>,
    pub deadline: Deadline,
    /// What the face is to open.
    pub purpose: Purpose<'a>,
    /// Whether the asker shows the colours of guidance, by its own word.
    pub screen: bool,
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
    if rule == Rule::Refuse || !configuration.liveness.takes(question.screen) {
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
    let counter = Counter { state: &state, uid: question.uid };
    let infrared = configuration.camera_kinds.kind(&camera.id, camera.spectrum) == CameraKind::Infrared;
    // A camera that sees no colours sees none that a screen shows.
    let screen = question.screen && camera.spectrum == Spectrum::Colour;
    if !configuration.liveness.takes(screen) {
        return Err(Reason::NotAllowed.into());
    }
    let asking = Asking { rules: &configuration.liveness, rule, screen, infrared };
    let enrolled = templates.iter().map(|t| (&t.mean, t.baseline));
    let judgement = Judgement::new(&counter, observer, question.uid, enrolled, asking)?;
    let outcome = attend(judgement, Watch::new(&link, observer, question.deadline), asker)?;
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

/// Follows an attempt to its end, and says what came of it. Whatever the end is, no colour outlives it.
fn attend(
    judgement: Judgement<'_>,
    mut watch: Watch<'_>,
    asker: &mut dyn Asker,
) -> Result<Outcome, VaultError> {
    let outcome = follow(judgement, &mut watch, &mut Screen::of(asker))?;
    outcome.guidance().into_iter().for_each(|guidance| watch.say(guidance, asker));
    Ok(outcome)
}

/// Shows one frame after the other to the judgement, and the person what it says.
fn follow(
    mut judgement: Judgement<'_>,
    watch: &mut Watch<'_>,
    asker: &mut Screen<'_>,
) -> Result<Outcome, VaultError> {
    loop {
        let step = match watch.next_look(asker) {
            Ok(seen) => match judgement.see(&seen) {
                Ok(step) => step,
                Err(e) => {
                    judgement.left()?;
                    return Err(e);
                }
            },
            // Seen, compared and not recognised in time is a refusal, not an absence.
            Err(VaultError::Refused(Reason::NoFace)) => Step::Over(judgement.late()?.ok_or(Reason::NoFace)?),
            Err(e) => {
                judgement.left()?;
                return Err(e);
            }
        };
        match step {
            Step::Open(said) => {
                // Past the watch: a colour has its time, and may come again at once.
                said.screen.into_iter().for_each(|colour| asker.guide(colour));
                said.guidance.into_iter().for_each(|guidance| watch.say(guidance, asker));
            }
            Step::Over(outcome) => return Ok(outcome),
        }
    }
}

/// Tells an asker that the colours are over which it was told to show: when this is dropped, at the latest.
struct Screen<'a> {
    asker: &'a mut dyn Asker,
    coloured: bool,
}

impl<'a> Screen<'a> {
    fn of(asker: &'a mut dyn Asker) -> Self {
        Self { asker, coloured: false }
    }
}

impl Asker for Screen<'_> {
    fn guide(&mut self, guidance: Guidance) {
        if guidance.is_for_screen() {
            self.coloured = guidance != Guidance::ScreenOff;
        }
        self.asker.guide(guidance);
    }

    fn gone(&self) -> bool {
        self.asker.gone()
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        if self.coloured {
            self.asker.guide(Guidance::ScreenOff);
        }
    }
}

/// The failures of one user, and what her attempts showed, on the disk.
struct Counter<'a> {
    state: &'a OpenState<'a>,
    uid: u32,
}

impl Ledger for Counter<'_> {
    fn charge(&self) -> Result<(), VaultError> {
        let charged = self.state.counter(self.uid)?.charged(&Moment::now()?);
        self.state.put_counter(self.uid, &charged)
    }

    /// Where this fails the person is let in all the same, and keeps one failure too many.
    fn refund(&self) {
        let refunded = self
            .state
            .counter(self.uid)
            .and_then(|counter| self.state.put_counter(self.uid, &counter.refunded()));
        if let Err(e) = refunded {
            warn!(vultus_uid = self.uid; "a charge could not be refunded: {e}");
        }
    }

    fn remember(&self, track: &Track) -> Result<Footage, VaultError> {
        past::remember(self.state, self.uid, track)
    }
}

#[cfg(test)]
mod tests {
    use vultus_vision::liveness::Baseline;

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

    /// An asker that only remembers.
    #[derive(Default)]
    struct Heard(Vec<Guidance>);

    impl Asker for Heard {
        fn guide(&mut self, guidance: Guidance) {
            self.0.push(guidance);
        }

        fn gone(&self) -> bool {
            false
        }
    }

    /// What is heard where this is told, and then the attempt ends, by whatever.
    fn heard(told: &[Guidance]) -> Vec<Guidance> {
        let mut asker = Heard::default();
        let mut screen = Screen::of(&mut asker);
        told.iter().for_each(|guidance| screen.guide(*guidance));
        drop(screen);
        asker.0
    }

    #[test]
    fn no_colour_outlives_its_attempt() {
        use Guidance::{NodNow, ScreenBlue, ScreenOff, ScreenRed};
        assert_eq!(heard(&[ScreenRed]), [ScreenRed, ScreenOff]);
        assert_eq!(heard(&[ScreenRed, NodNow, ScreenBlue]), [ScreenRed, NodNow, ScreenBlue, ScreenOff]);
        assert_eq!(heard(&[ScreenRed, ScreenOff, ScreenBlue]).last(), Some(&ScreenOff));
        // Once is enough, and who was shown none hears of none.
        for told in [&[ScreenRed, ScreenOff, NodNow][..], &[NodNow], &[]] {
            assert_eq!(heard(told), told);
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
