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

/// What rounding makes of 0 to 1, and of 1.
const ABOUT: std::ops::RangeInclusive<f32> = -0.001..=1.001;
const ABOUT_ONE: std::ops::RangeInclusive<f32> = 0.999..=1.001;
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
    /// The least confidence that is taken for a live face, 0 to 1.
    pub least: f32,
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
        if !outputs.iter().flatten().all(|output| output.is_finite()) {
            return None;
        }
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
            // What is no probability is none of a place.
            Self::FeatureMap if first.iter().any(|place| !ABOUT.contains(place)) => return None,
            Self::FeatureMap => first.iter().sum::<f32>() / first.len() as f32,
            Self::Tree => {
                let reached = outputs.get(1).filter(|reached| reached.len() == first.len())?;
                // One leaf is reached, no more and no less.
                if !ABOUT_ONE.contains(&reached.iter().sum::<f32>()) {
                    return None;
                }
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

    /// Whether it takes the face for a live one.
    pub fn is_live(&self, image: &Image, view: &FaceView) -> Result<bool, VisionError> {
        Ok(self.confidence(image, view)? >= self.description.least)
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
    use crate::image::Point;
    use crate::liveness::fixtures::{facing, picture};

    /// The models that set-up fetched.
    fn fetched() -> Models {
        Models::read(&folder()).expect("the models: cargo xtask models")
    }

    fn folder() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/models")
    }

    /// The same if the manifest had that one flag turned on. It is compiled in, so no file can turn it on.
    fn enabled() -> Models {
        #[derive(Deserialize)]
        struct Manifest {
            model: Vec<ModelRecord>,
        }
        let (text, off) = (include_str!("../../models.toml"), "\nenabled = false\n");
        assert_eq!(text.matches(off).count(), 1);
        let parsed: Manifest = toml::from_str(&text.replace(off, "\nenabled = true\n")).unwrap();
        let is_on = |record: &ModelRecord| record.liveness.is_some_and(|l| l.enabled);
        let record = parsed.model.into_iter().find(is_on).unwrap();
        let bytes = manifest::checked(&folder(), &record).unwrap();
        Models { liveness: Some((record, bytes)), ..fetched() }
    }

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
    fn what_is_no_number_or_has_no_end_is_no_confidence() {
        for bad in [f32::NAN, f32::INFINITY] {
            let softmax = Reading::Softmax { live: 0 };
            assert_eq!(softmax.confidence(&[vec![bad, 1.0]]), None, "{bad}");
            assert_eq!(softmax.confidence(&[vec![1.0, bad]]), None, "{bad}");
            assert_eq!(Reading::FeatureMap.confidence(&[vec![0.5, bad]]), None, "{bad}");
            // Nor where the leaf was not reached.
            for reached in [vec![1.0, 0.0], vec![0.0, 1.0]] {
                assert_eq!(Reading::Tree.confidence(&[vec![bad, 0.1], reached]), None, "{bad}");
            }
            assert_eq!(Reading::Tree.confidence(&[vec![0.1, 0.2], vec![0.0, bad]]), None, "{bad}");
        }
        let sigmoid = |large_is_live| Reading::Sigmoid { large_is_live }.confidence(&[vec![f32::NAN]]);
        assert_eq!((sigmoid(true), sigmoid(false)), (None, None));
        let endless = |large_is_live| Reading::Sigmoid { large_is_live }.confidence(&[vec![f32::INFINITY]]);
        assert_eq!((endless(true), endless(false)), (None, None));
        assert_eq!(Reading::FeatureMap.confidence(&[vec![0.5, 7.0]]), None);
        assert_eq!(Reading::Tree.confidence(&[vec![0.1, 0.2], vec![0.0, 0.0]]), None, "no leaf");
    }

    #[test]
    fn more_or_fewer_outputs_than_leaves_are_no_confidence() {
        for reached in [vec![1.0], vec![1.0, 0.0, 0.0], vec![0.0; 4096], Vec::new()] {
            let count = reached.len();
            assert_eq!(Reading::Tree.confidence(&[vec![0.1, 0.2], reached]), None, "{count}");
        }
        // A leaf that says far too much is an attack.
        assert_eq!(Reading::Tree.confidence(&[vec![1e30, 0.0], vec![1.0, 0.0]]), Some(0.0));
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
    fn as_the_manifest_is_no_network_runs() {
        assert!(matches!(LivenessNetwork::enabled(&fetched()), Ok(None)));
    }

    #[test]
    fn an_enabled_network_judges_and_a_threshold_makes_an_attack_of_it_or_not() {
        let network = LivenessNetwork::enabled(&enabled()).unwrap().expect("a network");
        let view = facing(Point::new(160.0, 90.0), 60.0);
        let said = |colour: fn(f32) -> [f32; 3]| {
            let image = picture(320, 240, |x, _| colour((x as f32 - 160.0) / 60.0));
            let suspicion = network.measure(&image, &view).unwrap();
            assert!((0.0..=1.0).contains(&suspicion.0), "{suspicion:?}");
            assert_eq!(network.measure(&image, &view).unwrap(), suspicion, "the same picture");
            suspicion
        };
        let round = said(|x| [190.0 - 30.0 * x * x, 140.0 - 20.0 * x * x, 115.0]);
        let grey = said(|_| [128.0; 3]);
        let live = |grey: bool| {
            let image = picture(320, 240, |x, _| match grey {
                true => [128.0; 3],
                false => [
                    190.0 - 0.0083 * (x as f32 - 160.0).powi(2),
                    140.0 - 0.0056 * (x as f32 - 160.0).powi(2),
                    115.0,
                ],
            });
            network.is_live(&image, &view).unwrap()
        };
        assert_eq!([live(false), live(true)], [true, false], "by the manifest's bound");
        // Neither is a face: this is the way of a figure, and says nothing of its worth.
        let attacks = |most: f32| [round, grey].map(|suspicion| suspicion > Suspicion(most));
        assert_eq!(attacks(0.2), [false, true], "as its author has it: {round:?} {grey:?}");
        assert_eq!(attacks(1.0), [false, false]);
        assert!(round != grey);
    }

    #[test]
    fn an_enabled_network_is_required() {
        let (record, _) = enabled().liveness.expect("a network");
        let elsewhere = manifest::checked(Path::new(env!("CARGO_MANIFEST_DIR")), &record);
        assert!(matches!(elsewhere, Err(VisionError::ModelMissing(..))));
    }

    #[test]
    fn only_a_liveness_network_is_taken() {
        let record = manifest::record("face-mesh").unwrap();
        assert!(matches!(LivenessNetwork::load(&[], &record), Err(VisionError::ModelFailed(..))));
    }
}
