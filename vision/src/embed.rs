//! What a face looks like, as 192 numbers, by MobileFaceNet. It compares nothing.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::VisionError;
use crate::align;
use crate::engine::Network;
use crate::image::{Image, Normalisation};
use crate::mesh::Mesh;

/// The network's name in the manifest.
pub(crate) const MODEL: &str = "mobilefacenet-192";
/// Numbers in an embedding.
pub const LENGTH: usize = 192;
const INPUT: Normalisation = Normalisation { offset: 127.5, factor: 1.0 / 128.0 };

/// A biometric sample's features, of Euclidean length 1. No copy, no `Debug` of its content, wiped
/// when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Embedding([f32; LENGTH]);

impl std::fmt::Debug for Embedding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Embedding(redacted)")
    }
}

impl Embedding {
    /// Scales to length 1. None where there is no direction: all zero, or not finite.
    pub fn normalised(mut numbers: [f32; LENGTH]) -> Option<Self> {
        let length = numbers.iter().map(|n| n * n).sum::<f32>().sqrt();
        if !length.is_finite() || length < 1e-6 {
            numbers.zeroize();
            return None;
        }
        for n in &mut numbers {
            *n /= length;
        }
        Some(Self(numbers))
    }

    /// The normalised mean of several, which stands for the person better than any one.
    pub fn mean(shots: &[Embedding]) -> Option<Self> {
        let mut sum = [0.0; LENGTH];
        for shot in shots {
            for (s, n) in sum.iter_mut().zip(&shot.0) {
                *s += n;
            }
        }
        Self::normalised(sum)
    }

    pub fn numbers(&self) -> &[f32; LENGTH] {
        &self.0
    }

    /// The cosine of the angle between two: 1 the same, 0 unrelated. For measurement only; the vault
    /// compares in constant time.
    pub fn cosine(&self, other: &Self) -> f32 {
        self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum()
    }
}

pub struct Embedder {
    network: Network,
}

impl Embedder {
    pub fn load(model: &[u8]) -> Result<Self, VisionError> {
        Ok(Self { network: Network::load(MODEL, model, [1, 3, align::SIZE, align::SIZE])? })
    }

    /// The embedding of the face with these landmarks. None where the network gives no direction.
    pub fn embed(&self, image: &Image, mesh: &Mesh) -> Result<Option<Embedding>, VisionError> {
        let mut outputs = self.network.run(input(image, mesh))?;
        let numbers: Option<[f32; LENGTH]> = outputs.first().and_then(|o| o.as_slice().try_into().ok());
        outputs.iter_mut().for_each(Zeroize::zeroize);
        let numbers = numbers.ok_or_else(|| VisionError::ModelFailed(MODEL.into(), "outputs".into()))?;
        Ok(Embedding::normalised(numbers))
    }
}

/// What the network sees of a face: [`crate::reference`] measures it with the same numbers.
pub(crate) fn input(image: &Image, mesh: &Mesh) -> Vec<f32> {
    image.crop(align::alignment(mesh), align::SIZE, INPUT)
}
