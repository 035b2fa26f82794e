//! Real material beside what is simulated: five photographs and a clip of real people, and what the cues say of them.
//! It judges nothing. They are few, and public persons.
//!
//! The clip has 176 x 144 pixels, of which 20 lie between the eyes: too few for an observer. So it is scaled
//! up to 576 x 432 before anything looks at it. What reads single pixels then reads the scaling: moiré does,
//! and is left out of the clip's readings. Photographs are looked at as they came, and as a camera would show
//! them.

use std::error::Error;

use vultus_vision::image::{Normalisation, Point, Similarity};
use vultus_vision::liveness::continuity::{Continuity, Flow, Sight};
use vultus_vision::liveness::decision::{self, Reading};
use vultus_vision::liveness::{Cue, Cues, Glimpse, Track};
use vultus_vision::{FaceView, Image, Observation, Observer};

use crate::pictures::{self, CLIP_STEP_US, Photograph};
use crate::video::Picture;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Pictures of the clip: four seconds.
pub const PICTURES: usize = 120;
/// Its size when it is looked at: three times as high, and as wide as the man was.
const ENLARGED: (u32, u32) = (576, 432);
/// Pixels between the eyes of a photograph that is shown as by a camera: as in the simulation's frames.
const EYES: f32 = 70.0;

/// One presentation, and what the cues said of it.
pub struct Shown {
    pub name: String,
    pub readings: Vec<Reading>,
}

impl Shown {
    pub fn of(name: &str, glimpses: impl IntoIterator<Item = Glimpse>) -> Self {
        let mut track = Track::default();
        glimpses.into_iter().for_each(|glimpse| track.push(glimpse));
        Self { name: name.to_owned(), readings: decision::readings(&track) }
    }

    /// Without what a cue said that could not run.
    fn without(mut self, cue: Cue) -> Self {
        self.readings.iter_mut().filter(|r| r.cue == cue).for_each(|r| r.suspicion = None);
        self
    }

    pub fn said(&self, cue: Cue) -> Option<f32> {
        self.readings.iter().find(|r| r.cue == cue)?.suspicion.map(|s| s.0)
    }
}

/// The clip's pictures, enlarged.
pub fn clip() -> Result<Vec<Image>> {
    pictures::clip()?.iter().map(enlarged).collect()
}

/// What there is to keep of the clip. The cues of a frame are asked five times a second, as in an attempt.
pub fn glimpses(observer: &Observer) -> Result<Vec<Glimpse>> {
    let glimpse = |(i, image): (usize, Image)| {
        let cues = if i % 6 == 0 { Cues::Asked } else { Cues::Spared };
        Ok(Glimpse::of(&image, &view(observer, &image)?, i as u64 * CLIP_STEP_US, cues))
    };
    clip()?.into_iter().enumerate().map(glimpse).collect()
}

/// The photographs, and the clip as two presentations of two seconds.
pub fn real(observer: &Observer) -> Result<Vec<Shown>> {
    let mut all = Vec::new();
    for which in Photograph::ALL {
        let (name, image) = (which.file(), pictures::image(&pictures::photograph(which)?)?);
        all.push(still(observer, name, &image)?);
        all.push(still(observer, &format!("{name}, framed"), &framed(observer, &image)?)?);
    }
    let clip = glimpses(observer)?;
    for (half, name) in clip.chunks(PICTURES / 2).zip(["clip, first half", "clip, second half"]) {
        all.push(Shown::of(name, half.to_vec()).without(Cue::Moire));
    }
    Ok(all)
}

/// What continuity says of glimpses in the end, `apart` pictures of the clip between two.
pub fn flow<'a>(shown: impl Iterator<Item = &'a Glimpse>, apart: u64) -> Flow {
    let (mut continuity, mut track) = (Continuity::default(), Track::default());
    let mut flow = Flow::Unbroken;
    for (glimpse, count) in shown.zip(1u64..) {
        track.push(Glimpse { at_us: count * apart * CLIP_STEP_US, ..glimpse.clone() });
        flow = continuity.look(Sight::Face(&track));
    }
    flow
}

/// The largest face, whether or not it could be compared.
pub fn view(observer: &Observer, image: &Image) -> Result<FaceView> {
    let faces = observer.detections(image)?;
    let largest = faces.into_iter().max_by(|a, b| a.side().total_cmp(&b.side())).ok_or("no face")?;
    match observer.view(image, largest)? {
        Observation::Usable(view) | Observation::Unusable(_, Some(view)) => Ok(view),
        Observation::Unusable(reason, None) => Err(format!("no landmarks: {reason:?}").into()),
    }
}

fn still(observer: &Observer, name: &str, image: &Image) -> Result<Shown> {
    Ok(Shown::of(name, [Glimpse::of(image, &view(observer, image)?, 0, Cues::Asked)]))
}

/// Between four pixels each.
fn enlarged(picture: &Picture) -> Result<Image> {
    let small = pictures::image(picture)?;
    let (width, height) = ENLARGED;
    let along = |at: u32, from: u32, to: u32| {
        ((at as f32 + 0.5) * from as f32 / to as f32 - 0.5).clamp(0.0, (from - 1) as f32)
    };
    let pixel = |at: u32| {
        let x = along(at % width, small.width(), width);
        let y = along(at / width, small.height(), height);
        small.sample(Point::new(x, y)).map(|level| level.round() as u8)
    };
    Ok(Image::from_rgb(width, height, (0..width * height).flat_map(pixel).collect())?)
}

/// A square of a photograph around the face, no finer than a camera's frame.
fn framed(observer: &Observer, photograph: &Image) -> Result<Image> {
    let mesh = view(observer, photograph)?.mesh;
    let scale = (mesh.eye_distance() / EYES).max(1.0);
    let (width, height) = (photograph.width() as f32, photograph.height() as f32);
    let size = (width.min(height) / scale) as usize - 1;
    let side = size as f32 * scale;
    let [left, right] = mesh.eye_centres();
    let (eyes, half) = (left.midway(right), side / 2.0);
    let centre = Point::new(eyes.x.clamp(half, width - half), eyes.y.clamp(half, height - half));
    let square = Similarity::square(centre, side, 0.0, size);
    let planes = photograph.crop(square, size, Normalisation { offset: 0.0, factor: 1.0 });
    let plane = size * size;
    let rgb = (0..plane).flat_map(|at| [0, 1, 2].map(|c| planes[c * plane + at].round() as u8)).collect();
    Ok(Image::from_rgb(size as u32, size as u32, rgb)?)
}
