//! Guided enrolment of one face: several poses, every shot of the same person, nothing stored before
//! all of it is good.

use std::time::Duration;

use log::info;
use vultus_ipc::vault::FaceRecord;
use vultus_ipc::{Deadline, Guidance, Reason};
use vultus_vision::liveness::Baseline;
use vultus_vision::{Embedding, Observer, Pose};

use crate::VaultError;
use crate::attempt::Asker;
use crate::camera_link::CameraLink;
use crate::configuration::Configuration;
use crate::keys::{Keys, first_free};
use crate::pairing::preferred;
use crate::records::Template;
use crate::watch::Watch;

/// The most faces of one user.
pub const MOST_FACES: usize = 8;
/// Good shots that are wanted, and without which nothing is stored.
const WANTED_SHOTS: usize = 5;
const LEAST_SHOTS: usize = 3;
/// Between two shots, so that they differ.
const APART: Duration = Duration::from_millis(300);
/// A pose that is not taken in this time is left out: not everybody can turn.
const POSE_PATIENCE: Duration = Duration::from_secs(6);
/// Every shot must be at least this near to the mean of those before: the same person throughout.
const SAME_PERSON: f32 = 0.45;
/// Degrees of yaw that count as turned, and as straight.
const TURNED: f32 = 6.0;
const STRAIGHT: f32 = 12.0;

/// What a shot must show.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wanted {
    Straight,
    /// To the person's own left: the right of the picture.
    Left,
    Right,
}

/// The order of the poses.
const POSES: [Wanted; WANTED_SHOTS] =
    [Wanted::Straight, Wanted::Left, Wanted::Right, Wanted::Straight, Wanted::Straight];

impl Wanted {
    fn shown_by(self, pose: Pose) -> bool {
        match self {
            Self::Straight => pose.yaw.abs() <= STRAIGHT,
            Self::Left => pose.yaw >= TURNED,
            Self::Right => pose.yaw <= -TURNED,
        }
    }

    fn guidance(self) -> Guidance {
        match self {
            Self::Straight => Guidance::LookAtCamera,
            Self::Left => Guidance::TurnLeft,
            Self::Right => Guidance::TurnRight,
        }
    }
}

/// Whose face is enrolled, under which name, with what and until when.
pub struct Order<'a> {
    pub uid: u32,
    pub label: &'a str,
    pub camera: Option<&'a str>,
    pub deadline: Deadline,
}

/// Enrols one face. The ticket was consumed by the caller.
pub fn enrol(
    keys: &Keys,
    configuration: &Configuration,
    observer: &Observer,
    order: &Order<'_>,
    asker: &mut dyn Asker,
) -> Result<FaceRecord, VaultError> {
    let state = keys.open()?;
    let known = state.templates(order.uid)?;
    if known.len() >= MOST_FACES {
        return Err(Reason::TooManyFaces.into());
    }
    // Never empty: see `preferred`.
    let camera = preferred(&state, &configuration.cameras, order.camera)?.remove(0);
    let link = CameraLink::open(&camera, configuration, order.deadline)?;
    let shots = take_shots(&mut Watch::new(&link, observer, order.deadline), observer, asker)?;
    drop(link);
    let Shots { embeddings: shots, baseline } = shots;
    let mean = Embedding::mean(&shots).ok_or(Reason::NoFace)?;
    let token_key = zeroize::Zeroizing::new(crate::random()?);
    let template =
        Template { label: order.label.to_owned(), camera: camera.id, token_key, mean, shots, baseline };
    let face = first_free(known.iter().map(|(face, _)| *face));
    // Whoever cancelled at the last moment has cancelled.
    if asker.gone() {
        return Err(Reason::Cancelled.into());
    }
    state.put_template(order.uid, face, &template)?;
    info!(vultus_uid = order.uid, vultus_face = face; "enrolled");
    Ok(template.record(face))
}

/// What an enrolment has gathered.
struct Shots {
    embeddings: Vec<Embedding>,
    baseline: Baseline,
}

fn take_shots(
    watch: &mut Watch<'_>,
    observer: &Observer,
    asker: &mut dyn Asker,
) -> Result<Shots, VaultError> {
    let mut shots: Vec<Embedding> = Vec::new();
    // Of the straight shots: a turned face looks as if it were more or less open than it is.
    let mut resting: Vec<Baseline> = Vec::new();
    for wanted in POSES {
        if let Some((shot, baseline)) = take_shot(watch, observer, wanted, &shots, asker)? {
            shots.push(shot);
            resting.extend((wanted == Wanted::Straight).then_some(baseline));
            let have = shots.len() as u8;
            asker.guide(Guidance::Captured { have, need: WANTED_SHOTS as u8 });
            watch.pause(APART);
        }
    }
    if shots.len() < LEAST_SHOTS {
        return Err(Reason::NoFace.into());
    }
    let baseline = Baseline::mean(&resting).ok_or(Reason::NoFace)?;
    Ok(Shots { embeddings: shots, baseline })
}

/// One good shot in the wanted pose; nothing where the pose was not taken in time.
fn take_shot(
    watch: &mut Watch<'_>,
    observer: &Observer,
    wanted: Wanted,
    before: &[Embedding],
    asker: &mut dyn Asker,
) -> Result<Option<(Embedding, Baseline)>, VaultError> {
    // The clock of a pose runs only while a face can be judged: an empty chair leaves no pose out.
    let mut patience: Option<Deadline> = None;
    loop {
        let (image, view) = watch.next_usable(asker)?;
        if patience.get_or_insert_with(|| Deadline::after(POSE_PATIENCE)).passed() {
            return Ok(None);
        }
        if !wanted.shown_by(view.pose) {
            watch.say(wanted.guidance(), asker);
            continue;
        }
        let Some(shot) = observer.embed(&image, &view)? else {
            continue;
        };
        match Embedding::mean(before) {
            Some(mean) if mean.cosine(&shot) < SAME_PERSON => watch.say(Guidance::OneFaceOnly, asker),
            _ => return Ok(Some((shot, Baseline::of(&view.mesh)))),
        }
    }
}
