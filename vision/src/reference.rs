//! The networks one by one, for measurement only: the very numbers that a picture becomes, and what a
//! network makes of them. Nothing that judges a face calls it.

use std::path::Path;

use crate::VisionError;
use crate::detect::{self, Detection, Detector};
use crate::embed::{self, Embedder};
use crate::engine::Network;
use crate::image::Image;
use crate::manifest::{Models, records};
use crate::mesh::{self, Mesher};

/// The names of the networks in the manifest, in the order in which a frame meets them.
pub const NETWORKS: [&str; 3] = [detect::MODEL, mesh::MODEL, embed::MODEL];

/// One network, loaded once to run many times.
pub struct Runner(Network);

impl Runner {
    /// By its name in the manifest, its bytes checked as everywhere.
    pub fn load(models: &Path, name: &str) -> Result<Self, VisionError> {
        let models = Models::read(models)?;
        let unknown = || VisionError::ModelFailed(name.into(), "not in the manifest".into());
        let (name, bytes) = match name {
            detect::MODEL => (detect::MODEL, &models.detector),
            mesh::MODEL => (mesh::MODEL, &models.mesh),
            embed::MODEL => (embed::MODEL, &models.embedder),
            _ => return Err(unknown()),
        };
        let record = records()?.into_iter().find(|r| r.name == name).ok_or_else(unknown)?;
        Ok(Self(Network::load(name, bytes, record.input)?))
    }

    /// The input's elements in order, the outputs' elements in order: the manifest has the shapes.
    pub fn run(&self, input: Vec<f32>) -> Result<Vec<Vec<f32>>, VisionError> {
        self.0.run(input)
    }
}

/// Loads a network and runs it once.
pub fn run(models: &Path, name: &str, input: Vec<f32>) -> Result<Vec<Vec<f32>>, VisionError> {
    Runner::load(models, name)?.run(input)
}

/// The stages of [`crate::Observer`], each to be called, and timed, by itself.
pub struct Stages {
    pub detector: Detector,
    pub mesher: Mesher,
    pub embedder: Embedder,
}

/// What each network is given: its name and the elements of its input.
pub type Inputs = [(&'static str, Vec<f32>); 3];

impl Stages {
    pub fn load(models: &Models) -> Result<Self, VisionError> {
        Ok(Self {
            detector: Detector::load(&models.detector)?,
            mesher: Mesher::load(&models.mesh)?,
            embedder: Embedder::load(&models.embedder)?,
        })
    }

    /// The largest face of a picture, if there is one.
    pub fn largest(&self, image: &Image) -> Result<Option<Detection>, VisionError> {
        Ok(self.detector.detect(image)?.into_iter().max_by(|a, b| a.side().total_cmp(&b.side())))
    }

    /// What each network is given for the largest face of a picture: name and elements, in the order
    /// of [`NETWORKS`]. None where there is no face.
    pub fn inputs(&self, image: &Image) -> Result<Option<Inputs>, VisionError> {
        let Some(face) = self.largest(image)? else {
            return Ok(None);
        };
        let landmarks = self.mesher.landmarks(image, &face)?;
        Ok(Some([
            (detect::MODEL, detect::input(image)),
            (mesh::MODEL, mesh::input(image, &face)),
            (embed::MODEL, embed::input(image, &landmarks)),
        ]))
    }
}
