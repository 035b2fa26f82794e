//! Looks at what a camera streams, frame by frame, and guides the person until there is something to judge. It
//! judges nobody.
//!
//! Threat model: M34.

use std::time::{Duration, Instant};

use vultus_frames::{Format, Frame};
use vultus_ipc::{Deadline, Guidance, Reason};
use vultus_vision::{FaceView, Image, Observation, Observer, Shortfall};

use crate::VaultError;
use crate::attempt::Asker;
use crate::camera_link::CameraLink;
use crate::clock::{SLEEP_MARGIN_MS, slept_ms};

/// How often the asker is looked at while no frame comes.
const GLANCE: Duration = Duration::from_millis(50);
/// The same guidance is not repeated sooner.
const REPEAT: Duration = Duration::from_secs(2);

/// One frame, and what it shows.
pub struct Seen {
    pub image: Image,
    pub observation: Observation,
    /// When the camera took it: microseconds of the monotonic clock.
    pub at_us: u64,
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
                Seen { image, observation: Observation::Usable(view), .. } => return Ok((image, view)),
                Seen { observation: Observation::Unusable(shortfall, _), .. } => {
                    self.say(guidance(shortfall), asker);
                }
            }
        }
    }

    /// The next frame, whatever it shows.
    pub fn next_look(&mut self, asker: &mut dyn Asker) -> Result<Seen, VaultError> {
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
            let at_us = frame.captured_us;
            let image = image_of(frame)?;
            let observation = self.observer.observe(&image)?;
            return Ok(Seen { image, observation, at_us });
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
