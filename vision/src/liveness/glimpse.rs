//! What liveness keeps of one frame: when it was, where the face's landmarks were, how far eyes and mouth were
//! open, and what the cues of one frame said. No pixels.

use std::collections::VecDeque;

use crate::align;
use crate::image::{Image, Normalisation, Similarity};
use crate::liveness::{Cue, Suspicion};
use crate::mesh::{Mesh, index};
use crate::observe::FaceView;
use crate::pose::Pose;

/// The most frames of one attempt that are kept: 60 s at 30 a second.
const MOST: usize = 1800;

/// One look at one face.
#[derive(Clone, Debug)]
pub struct Glimpse {
    /// When the camera took it: microseconds of its clock, which never goes back.
    pub at_us: u64,
    pub mesh: Mesh,
    pub pose: Pose,
    /// Openness of the eye on the left of the picture and of the one on the right: distance of the lids over
    /// distance of the corners.
    pub eyes: [f32; 2],
    /// Distance of the inner lips over the distance of the mouth's corners.
    pub mouth: f32,
    /// Mean luma of the face, 0 to 255.
    pub luma: f32,
    /// A small grey picture of the aligned face, zero mean and unit length: what two frames are compared by.
    pub thumbnail: Thumbnail,
    /// What the cues of one frame said of it, where they could run.
    pub suspicions: Vec<(Cue, Suspicion)>,
}

impl Glimpse {
    /// What there is to keep of a face that was seen at this time. The cues of one frame are asked where
    /// `cues` says so: they cost more than all the rest.
    pub fn of(image: &Image, view: &FaceView, at_us: u64, cues: Cues) -> Self {
        let suspicions = match cues {
            Cues::Asked => super::decision::of_frame(image, view),
            Cues::Spared => Vec::new(),
        };
        Self {
            at_us,
            mesh: view.mesh.clone(),
            pose: view.pose,
            eyes: eyes(&view.mesh),
            mouth: mouth(&view.mesh),
            luma: view.quality.luma,
            thumbnail: Thumbnail::of(image, &view.mesh),
            suspicions,
        }
    }
}

/// Whether the cues of one frame are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cues {
    Spared,
    Asked,
}

/// Side of a thumbnail.
pub const THUMBNAIL: usize = 24;

/// 24 x 24 numbers in rows, zero mean, Euclidean length 1.
#[derive(Clone, PartialEq)]
pub struct Thumbnail(pub Box<[f32; THUMBNAIL * THUMBNAIL]>);

impl Thumbnail {
    /// Of the aligned face. All zero where it has no contrast.
    fn of(image: &Image, mesh: &Mesh) -> Self {
        let aligned = align::alignment(mesh);
        // The same square in fewer pixels, its middles where those of the larger one's are.
        let scale = align::SIZE as f32 / THUMBNAIL as f32;
        let shift = (scale - 1.0) / 2.0;
        let origin = aligned.apply(crate::image::Point::new(shift, shift));
        let map = Similarity { a: aligned.a * scale, b: aligned.b * scale, tx: origin.x, ty: origin.y };
        let planes = image.crop(map, THUMBNAIL, Normalisation { offset: 0.0, factor: 1.0 });
        let plane = THUMBNAIL * THUMBNAIL;
        let mut grey = Box::new([0.0; THUMBNAIL * THUMBNAIL]);
        for (i, g) in grey.iter_mut().enumerate() {
            *g = (planes[i] + planes[plane + i] + planes[2 * plane + i]) / 3.0;
        }
        let mean = grey.iter().sum::<f32>() / plane as f32;
        let length = grey.iter().map(|g| (g - mean) * (g - mean)).sum::<f32>().sqrt();
        grey.iter_mut().for_each(|g| *g = if length > 0.0 { (*g - mean) / length } else { 0.0 });
        Self(grey)
    }
}

impl std::fmt::Debug for Thumbnail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Thumbnail(redacted)")
    }
}

/// A person's own measures when at rest, from the enrolment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    /// Openness of open eyes, the mean of both.
    pub eyes: f32,
    /// Openness of the closed mouth.
    pub mouth: f32,
}

impl Baseline {
    /// As one face is, which is thought to rest.
    pub fn of(mesh: &Mesh) -> Self {
        let [one, other] = eyes(mesh);
        Self { eyes: (one + other) / 2.0, mouth: mouth(mesh) }
    }

    /// None of none.
    pub fn mean(all: &[Self]) -> Option<Self> {
        let share = 1.0 / all.len() as f32;
        let sum = |of: fn(&Self) -> f32| all.iter().map(of).sum::<f32>() * share;
        (!all.is_empty()).then(|| Self { eyes: sum(|b| b.eyes), mouth: sum(|b| b.mouth) })
    }
}

/// All that was seen in one attempt, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Track {
    glimpses: VecDeque<Glimpse>,
}

impl Track {
    /// Adds a frame; the oldest is forgotten where there are too many.
    pub fn push(&mut self, glimpse: Glimpse) {
        if self.glimpses.len() == MOST {
            self.glimpses.pop_front();
        }
        self.glimpses.push_back(glimpse);
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Glimpse> + ExactSizeIterator {
        self.glimpses.iter()
    }

    pub fn last(&self) -> Option<&Glimpse> {
        self.glimpses.back()
    }

    pub fn len(&self) -> usize {
        self.glimpses.len()
    }

    pub fn is_empty(&self) -> bool {
        self.glimpses.is_empty()
    }
}

/// Openness of both eyes, left and right of the picture.
pub fn eyes(mesh: &Mesh) -> [f32; 2] {
    use index::*;
    let open = |top, bottom, outer, inner| {
        mesh.at(top).distance(mesh.at(bottom)) / mesh.at(outer).distance(mesh.at(inner)).max(1.0)
    };
    [
        open(LEFT_EYE_TOP, LEFT_EYE_BOTTOM, LEFT_EYE_OUTER, LEFT_EYE_INNER),
        open(RIGHT_EYE_TOP, RIGHT_EYE_BOTTOM, RIGHT_EYE_OUTER, RIGHT_EYE_INNER),
    ]
}

/// Openness of the mouth. Its inner corners are used, which a smile moves less than the outer ones.
pub fn mouth(mesh: &Mesh) -> f32 {
    const INNER_LEFT: usize = 78;
    const INNER_RIGHT: usize = 308;
    let width = mesh.at(INNER_LEFT).distance(mesh.at(INNER_RIGHT));
    mesh.at(index::LIP_TOP).distance(mesh.at(index::LIP_BOTTOM)) / width.max(1.0)
}
