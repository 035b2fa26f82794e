//! A network's confidence that a face is live, for any network that the manifest describes: it feeds the
//! network as it was trained to be fed, and reads what it gives. It sets no threshold, and is off unless the
//! manifest enables a network: none that could be had was found to be worth trusting by itself.
//!
//! Unit: 1 less the confidence, 0 to 1. Each network has a scale of its own.
//!
//! Measured: docs/liveness.md

use std::path::Path;

use serde::Deserialize;

use crate::VisionError;
use crate::engine::Network;
use crate::image::{Image, Normalisation, Similarity};
use crate::liveness::Suspicion;
use crate::manifest::{self, ModelRecord, Models};
use crate::observe::FaceView;

/// What an error calls it; the manifest's own name for it is in the record.
const MODEL: &str = "liveness network";

/// How a network is fed and read.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Description {
    /// Whether the product uses it. One that is not can still be measured by its name.
    pub enabled: bool,
    /// The crop's side, in sides of the face's box; upright, black where it leaves the picture.
    pub crop: f32,
    pub channels: Channels,
    /// Bytes become `(x - offset) * factor`.
    pub offset: f32,
    pub factor: f32,
    pub reading: Reading,
}

/// The order of the input's planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    Rgb,
    Bgr,
}

/// How outputs become the confidence that the face is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Reading {
    /// The first output is a logit for each class, of which one is `live`.
    Softmax { live: usize },
    /// The first output is one logit, which is large where the face is live, or where it is not.
    Sigmoid { large_is_live: bool },
    /// The first output is a feature map: of each place the probability that it is live. Their mean counts.
    FeatureMap,
    /// Of a tree of networks the first output has what each leaf says, near 0 where live, and the second
    /// which leaf was reached.
    Tree,
}

impl Reading {
    /// None where the outputs are of another kind.
    fn confidence(self, outputs: &[Vec<f32>]) -> Option<f32> {
        let first = outputs.first()?.as_slice();
        let confidence = match self {
            Self::Softmax { live } => {
                let most = first.iter().copied().fold(f32::MIN, f32::max);
                let powers: Vec<f32> = first.iter().map(|logit| (logit - most).exp()).collect();
                powers.get(live)? / powers.iter().sum::<f32>()
            }
            Self::Sigmoid { large_is_live } => {
                let logit = if large_is_live { *first.first()? } else { -*first.first()? };
                1.0 / (1.0 + (-logit).exp())
            }
            Self::FeatureMap => first.iter().sum::<f32>() / first.len() as f32,
            Self::Tree => {
                let reached = outputs.get(1).filter(|reached| reached.len() == first.len())?;
                1.0 - first.iter().zip(reached).map(|(leaf, reached)| leaf.abs() * reached).sum::<f32>()
            }
        };
        confidence.is_finite().then_some(confidence.clamp(0.0, 1.0))
    }
}

pub struct LivenessNetwork {
    network: Network,
    description: Description,
    side: usize,
}

impl LivenessNetwork {
    /// Loads bytes whose hash has been checked.
    pub fn load(model: &[u8], record: &ModelRecord) -> Result<Self, VisionError> {
        let failed = |why: &str| VisionError::ModelFailed(record.name.clone(), why.into());
        let description = record.liveness.ok_or_else(|| failed("does not judge liveness"))?;
        let [1, 3, side, width] = record.input else {
            return Err(failed("takes no colour picture"));
        };
        if side != width || side == 0 {
            return Err(failed("takes no square"));
        }
        Ok(Self { network: Network::load(MODEL, model, record.input)?, description, side })
    }

    /// The one that the manifest enables.
    pub fn enabled(models: &Models) -> Result<Option<Self>, VisionError> {
        models.liveness.as_ref().map(|(record, model)| Self::load(model, record)).transpose()
    }

    /// By its name in the manifest, enabled or not: for measurement.
    pub fn named(folder: &Path, name: &str) -> Result<Self, VisionError> {
        let record = manifest::record(name)?;
        Self::load(&manifest::checked(folder, &record)?, &record)
    }

    /// 0 to 1, on the network's own scale.
    pub fn confidence(&self, image: &Image, view: &FaceView) -> Result<f32, VisionError> {
        let outputs = self.network.run(self.input(image, view))?;
        let unread = || VisionError::ModelFailed(MODEL.into(), "outputs".into());
        self.description.reading.confidence(&outputs).ok_or_else(unread)
    }

    pub fn measure(&self, image: &Image, view: &FaceView) -> Result<Suspicion, VisionError> {
        self.confidence(image, view).map(|confidence| Suspicion(1.0 - confidence))
    }

    fn input(&self, image: &Image, view: &FaceView) -> Vec<f32> {
        let Description { crop, channels, offset, factor, .. } = self.description;
        let face = &view.detection;
        let square = Similarity::square(face.centre, crop * face.side(), 0.0, self.side);
        ordered(image.crop(square, self.side, Normalisation { offset, factor }), channels)
    }
}

/// Planes of red, green and blue in the order that a network takes them.
fn ordered(mut planes: Vec<f32>, channels: Channels) -> Vec<f32> {
    if channels == Channels::Bgr {
        let plane = planes.len() / 3;
        let (red, others) = planes.split_at_mut(plane);
        red.swap_with_slice(&mut others[plane..]);
    }
    planes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(confidence: Option<f32>, expected: f32) -> bool {
        confidence.is_some_and(|c| (c - expected).abs() < 1e-5)
    }

    #[test]
    fn outputs_become_a_confidence() {
        let three = [vec![2.0, 1.0, 1000.0]];
        assert!(near(Reading::Softmax { live: 2 }.confidence(&three), 1.0));
        assert!(near(Reading::Softmax { live: 0 }.confidence(&[vec![0.0, 0.0]]), 0.5));
        let logit = [vec![2.0]];
        let sigmoid = |large_is_live| Reading::Sigmoid { large_is_live }.confidence(&logit);
        assert!(near(sigmoid(true), 0.880_797) && near(sigmoid(false), 0.119_203));
        assert!(near(Reading::FeatureMap.confidence(&[vec![0.2, 0.4, 0.9]]), 0.5));
        // As its author adds them up: the leaf that was reached says 0.25, so the face is live by 0.75.
        let tree = [vec![0.9, -0.25, 0.1], vec![0.0, 1.0, 0.0]];
        assert!(near(Reading::Tree.confidence(&tree), 0.75));
    }

    #[test]
    fn outputs_of_another_kind_are_no_confidence() {
        assert_eq!(Reading::Softmax { live: 3 }.confidence(&[vec![1.0, 2.0]]), None);
        assert_eq!(Reading::Sigmoid { large_is_live: true }.confidence(&[vec![]]), None);
        assert_eq!(Reading::FeatureMap.confidence(&[vec![]]), None);
        assert_eq!(Reading::Tree.confidence(&[vec![0.1, 0.2], vec![1.0]]), None);
        assert_eq!(Reading::Tree.confidence(&[vec![0.1]]), None);
        assert_eq!(Reading::FeatureMap.confidence(&[vec![f32::NAN]]), None);
        assert_eq!(Reading::FeatureMap.confidence(&[]), None);
    }

    #[test]
    fn planes_are_put_in_order() {
        let planes: Vec<f32> = (0..6).map(|n| n as f32).collect();
        assert_eq!(ordered(planes.clone(), Channels::Bgr), [4.0, 5.0, 2.0, 3.0, 0.0, 1.0]);
        assert_eq!(ordered(planes.clone(), Channels::Rgb), planes);
    }

    #[test]
    fn the_manifest_describes_one_and_enables_none() {
        let records = manifest::records().unwrap();
        let described: Vec<Description> = records.iter().filter_map(|r| r.liveness).collect();
        assert_eq!(described.len(), 1);
        assert!(described.iter().all(|d| !d.enabled));
        assert_eq!((described[0].channels, described[0].reading), (Channels::Rgb, Reading::Tree));
    }

    #[test]
    fn only_a_liveness_network_is_taken() {
        let record = manifest::record("face-mesh").unwrap();
        assert!(matches!(LivenessNetwork::load(&[], &record), Err(VisionError::ModelFailed(..))));
    }
}
