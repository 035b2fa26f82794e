//! One attempt: frames come in, usable ones are compared with one user's templates, and a verdict
//! comes out. A failure is charged, and is on the disk, before the first comparison.
//!
//! Threat model: M2, M19, M34.

use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use log::{info, warn};
use subtle::ConstantTimeEq;
use vultus_frames::{Format, Frame};
use vultus_ipc::camera::Spectrum;
use vultus_ipc::{Deadline, Guidance, Reason, Verdict};
use vultus_vision::{FaceView, Image, Observation, Observer, Shortfall};
use zeroize::Zeroizing;

use crate::VaultError;
use crate::camera_link::CameraLink;
use crate::clock::{Moment, slept_ms};
use crate::configuration::Configuration;
use crate::keys::{Keys, OpenState};
use crate::lockout::Admission;
use crate::matching::{Decision, Matcher};
use crate::pairing::preferred;
use crate::records::{CameraPairing, Template};

/// Whoever waits for the result.
pub trait Asker {
    /// Tells the person something. A failure to do so is noticed by [`Self::gone`].
    fn guide(&mut self, guidance: Guidance);
    /// Whether the asker hung up: the operation is cancelled.
    fn gone(&self) -> bool;
}

/// How often the asker is looked at while no frame comes.
const GLANCE: Duration = Duration::from_millis(50);
/// The same guidance is not repeated sooner.
const REPEAT: Duration = Duration::from_secs(2);
/// From the second comparison on, the person gets this long to move before the next, whatever the
/// comparison said: time must not tell.
const PAUSE: Duration = Duration::from_millis(150);

/// The two clocks are read one after the other.
const SLEEP_MARGIN_MS: u64 = 250;

/// Who is to be verified, with what and until when.
pub struct Question<'a> {
    pub uid: u32,
    pub camera: Option<&'a str>,
    /// This face alone; any of the user's where none is named.
    pub face: Option<u32>,
    pub deadline: Deadline,
}

/// This user was verified in this very attempt, a moment ago. Only an attempt makes one, and whatever signs
/// for the user uses it up.
pub struct Success {
    uid: u32,
    token_key: Zeroizing<[u8; 32]>,
    spectrum: Spectrum,
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
    let matcher = Matcher::new(templates.iter().map(|t| &t.mean));
    let mut attempt = Attempt { state: &state, uid: question.uid, matcher };
    let decision = attempt.run(&link, observer, question.deadline, asker)?;
    // The machine may have slept over the last frame's comparison.
    if slept_ms() > begun_slept_ms.saturating_add(SLEEP_MARGIN_MS) {
        return Err(Reason::Cancelled.into());
    }
    let matched = decision.and_then(|place| templates.get(place));
    let verdict = if matched.is_some() { Verdict::Accepted } else { Verdict::Refused };
    info!(vultus_uid = question.uid, vultus_camera = camera.id.as_str(); "verdict {verdict:?}");
    Ok(match matched {
        Some(template) => Judged::Accepted(Success {
            uid: question.uid,
            token_key: template.token_key.clone(),
            spectrum: camera.spectrum,
            at: Instant::now(),
            slept_ms: begun_slept_ms,
        }),
        None => Judged::Denied(Verdict::Refused),
    })
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

struct Attempt<'a> {
    state: &'a OpenState<'a>,
    uid: u32,
    matcher: Matcher,
}

impl Attempt<'_> {
    /// The place of the template that was agreed on, or nothing where the person was refused.
    fn run(
        &mut self,
        link: &CameraLink,
        observer: &Observer,
        deadline: Deadline,
        asker: &mut dyn Asker,
    ) -> Result<Option<usize>, VaultError> {
        let mut watch = Watch::new(link, observer, deadline);
        loop {
            let (image, view) = match watch.next_usable(asker) {
                Ok(seen) => seen,
                // Seen, compared and not recognised in time is a refusal, not an absence.
                Err(VaultError::Refused(Reason::NoFace)) if self.matcher.begun() => {
                    return Ok(None);
                }
                Err(e) => return Err(e),
            };
            let Some(probe) = observer.embed(&image, &view)? else {
                continue;
            };
            if !self.matcher.begun() {
                self.charge()?;
            }
            match self.matcher.compare(&probe) {
                Decision::Accepted(place) => {
                    self.refund();
                    return Ok(Some(place));
                }
                Decision::Refused => return Ok(None),
                Decision::Open if self.matcher.comparisons() == 1 => {}
                Decision::Open => watch.pause(PAUSE),
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

/// Looks at one frame after the other and guides the person until one can be judged.
pub struct Watch<'a> {
    link: &'a CameraLink,
    observer: &'a Observer,
    deadline: Deadline,
    said: Option<(Guidance, Instant)>,
    not_before: Instant,
    /// How long the machine had slept when this began.
    slept_ms: u64,
}

impl<'a> Watch<'a> {
    pub fn new(link: &'a CameraLink, observer: &'a Observer, deadline: Deadline) -> Self {
        Self { link, observer, deadline, said: None, not_before: Instant::now(), slept_ms: slept_ms() }
    }

    /// Leaves out the frames of the next moment, so that the next look shows something new.
    pub fn pause(&mut self, span: Duration) {
        self.not_before = Instant::now() + span;
    }

    /// The next frame that can be judged.
    pub fn next_usable(&mut self, asker: &mut dyn Asker) -> Result<(Image, FaceView), VaultError> {
        loop {
            match self.next_look(asker)? {
                (image, Observation::Usable(view)) => return Ok((image, view)),
                (_, Observation::Unusable(shortfall, _)) => self.say(guidance(shortfall), asker),
            }
        }
    }

    /// The next frame, whatever it shows.
    pub fn next_look(&mut self, asker: &mut dyn Asker) -> Result<(Image, Observation), VaultError> {
        loop {
            if asker.gone() {
                return Err(Reason::Cancelled.into());
            }
            if self.deadline.passed() {
                return Err(Reason::NoFace.into());
            }
            // Deadlines and the ages of frames stand still while the machine sleeps. Whoever sat there
            // before is no evidence of who sits there now.
            if slept_ms() > self.slept_ms + SLEEP_MARGIN_MS {
                return Err(Reason::Cancelled.into());
            }
            let Some(frame) = self.link.next(GLANCE.min(self.deadline.remaining()))? else {
                continue;
            };
            if Instant::now() < self.not_before {
                continue;
            }
            let image = image_of(frame)?;
            let observation = self.observer.observe(&image)?;
            return Ok((image, observation));
        }
    }

    /// Tells the person something, once in a while.
    pub fn say(&mut self, guidance: Guidance, asker: &mut dyn Asker) {
        let now = Instant::now();
        let repeats = self.said.is_some_and(|(last, when)| last == guidance && now < when + REPEAT);
        if !repeats {
            self.said = Some((guidance, now));
            asker.guide(guidance);
        }
    }
}

fn image_of(mut frame: Frame) -> Result<Image, VaultError> {
    let (width, height) = (frame.mode.width, frame.mode.height);
    Ok(match frame.mode.format {
        Format::Rgb => Image::from_rgb(width, height, std::mem::take(&mut frame.pixels))?,
        Format::Grey => Image::from_grey(width, height, &frame.pixels)?,
    })
}

/// What a shortfall asks of the person.
pub fn guidance(shortfall: Shortfall) -> Guidance {
    match shortfall {
        Shortfall::NoFace => Guidance::NoFace,
        Shortfall::SeveralFaces => Guidance::OneFaceOnly,
        Shortfall::TooFar => Guidance::MoveCloser,
        Shortfall::TooNear => Guidance::MoveBack,
        Shortfall::TooDark => Guidance::TooDark,
        Shortfall::TooBright => Guidance::TooBright,
        Shortfall::Blurred => Guidance::HoldStill,
        Shortfall::Turned => Guidance::LookAtCamera,
        Shortfall::Covered => Guidance::UncoverFace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn success(at: Instant) -> Success {
        let token_key = Zeroizing::new([7; 32]);
        Success { uid: 7, token_key, spectrum: Spectrum::Colour, at, slept_ms: 1_000 }
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
            Template { label, camera, token_key, mean: embedding(), shots: vec![embedding()] }
        };
        let success = success(Instant::now());
        assert!(success.check_face(&[(0, face(6)), (1, face(7))]).is_ok());
        for left in [vec![], vec![(0, face(6))]] {
            assert!(matches!(success.check_face(&left), Err(VaultError::Refused(Reason::FaceChanged))));
        }
    }
}
