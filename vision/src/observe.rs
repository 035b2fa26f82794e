//! One frame from end to end: exactly one face, its landmarks, its pose, and whether it can be judged.
//!
//! Threat model: M5.

use crate::VisionError;
use crate::detect::{Detection, Detector};
use crate::embed::{Embedder, Embedding};
use crate::image::Image;
use crate::liveness::network::LivenessNetwork;
use crate::manifest::Models;
use crate::mesh::{Mesh, Mesher};
use crate::pose::Pose;
use crate::quality::{self, Quality, Shortfall};

/// A second face smaller than this share of the first is background, not company.
const COMPANY: f32 = 0.33;

/// What one frame shows.
#[derive(Debug)]
pub enum Observation {
    /// One face that can be judged.
    Usable(FaceView),
    /// Why nothing can be judged, with what was seen of the face, if one was.
    Unusable(Shortfall, Option<FaceView>),
}

/// One face in one frame.
#[derive(Debug)]
pub struct FaceView {
    pub detection: Detection,
    pub mesh: Mesh,
    pub pose: Pose,
    pub quality: Quality,
}

/// The networks, loaded.
pub struct Observer {
    detector: Detector,
    mesher: Mesher,
    embedder: Embedder,
    liveness: Option<LivenessNetwork>,
}

impl Observer {
    pub fn load(models: &Models) -> Result<Self, VisionError> {
        Ok(Self {
            detector: Detector::load(&models.detector)?,
            mesher: Mesher::load(&models.mesh)?,
            embedder: Embedder::load(&models.embedder)?,
            liveness: LivenessNetwork::enabled(models)?,
        })
    }

    /// Looks at one frame.
    pub fn observe(&self, image: &Image) -> Result<Observation, VisionError> {
        let faces = self.detector.detect(image)?;
        let Some(largest) = faces.iter().copied().max_by(|a, b| a.side().total_cmp(&b.side())) else {
            return Ok(Observation::Unusable(quality::without_face(image), None));
        };
        if faces.iter().filter(|f| f.side() >= largest.side() * COMPANY).count() > 1 {
            return Ok(Observation::Unusable(Shortfall::SeveralFaces, None));
        }
        self.view(image, largest)
    }

    /// Judges one detected face, whatever else is in the picture.
    pub fn view(&self, image: &Image, detection: Detection) -> Result<Observation, VisionError> {
        let mesh = self.mesher.landmarks(image, &detection)?;
        let pose = Pose::of(&mesh);
        let quality = Quality::measure(image, &mesh);
        let shortfall = quality.shortfall(image, &mesh, pose);
        let view = FaceView { detection, mesh, pose, quality };
        Ok(match shortfall {
            None => Observation::Usable(view),
            Some(reason) => Observation::Unusable(reason, Some(view)),
        })
    }

    /// Whether the network that the manifest enables takes the face for a live one; of none, nothing is said against
    /// it.
    pub fn seems_live(&self, image: &Image, view: &FaceView) -> Result<bool, VisionError> {
        self.liveness.as_ref().map_or(Ok(true), |network| network.is_live(image, view))
    }

    /// All faces of a picture, most certain first, for measurement.
    pub fn detections(&self, image: &Image) -> Result<Vec<Detection>, VisionError> {
        self.detector.detect(image)
    }

    /// The embedding of a face that was seen in this image.
    pub fn embed(&self, image: &Image, view: &FaceView) -> Result<Option<Embedding>, VisionError> {
        self.embedder.embed(image, &view.mesh)
    }
}
