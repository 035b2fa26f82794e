//! Pixels in, numbers out: where a face is, whether it can be judged, and what it looks like as 192
//! numbers. It opens no device, keeps no template and decides nothing about identity.
//!
//! ```text
//! Image → detect (exactly one face?) → mesh (468 landmarks) → pose, quality → align → embed
//! ```
#![forbid(unsafe_code)]

pub mod align;
pub mod detect;
pub mod embed;
mod engine;
pub mod image;
pub mod liveness;
pub mod manifest;
pub mod mesh;
pub mod observe;
pub mod pose;
pub mod quality;
pub mod reference;

pub use embed::Embedding;
pub use image::Image;
pub use manifest::Models;
pub use observe::{FaceView, Observation, Observer};
pub use pose::Pose;
pub use quality::Shortfall;

/// Why a model could not be had or run, or a picture not be taken.
#[derive(Debug, thiserror::Error)]
pub enum VisionError {
    /// Set the models up again: `cargo xtask models`, or reinstall the package.
    #[error("the model file {0} cannot be read: {1}")]
    ModelMissing(String, std::io::Error),
    /// Set the models up again; never run this file.
    #[error("the model file {0} is not the one that this version was made for")]
    ModelAltered(String),
    /// A defect of this program or of its build.
    #[error("the model {0} cannot be run: {1}")]
    ModelFailed(String, String),
    /// Refuse the picture.
    #[error("a picture of {width} x {height} pixels in {bytes} bytes cannot be taken")]
    BadImage { width: u32, height: u32, bytes: usize },
}
