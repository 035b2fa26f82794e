//! Which model files there are and what they must hash to: `models.toml`, compiled in, so that no file
//! on the disk can say otherwise.
//!
//! Threat model: M27.

use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::VisionError;
use crate::liveness::network::Description;

const MANIFEST: &str = include_str!("../models.toml");

#[derive(Debug, Deserialize)]
struct Manifest {
    model: Vec<ModelRecord>,
}

/// What the manifest says of one model. Lengths are in elements, hashes in lower-case hexadecimal.
#[derive(Debug, Deserialize)]
pub struct ModelRecord {
    pub name: String,
    pub file: String,
    pub sha256: String,
    pub decides: String,
    pub licence: String,
    pub origin: String,
    pub input: [usize; 4],
    pub preprocessing: String,
    pub outputs: Vec<String>,
    pub source: ModelSource,
    /// Of a network that judges liveness: how it is fed and read. All others are required.
    pub liveness: Option<Description>,
}

/// The registry package that a model comes from.
#[derive(Debug, Deserialize)]
pub struct ModelSource {
    pub registry: String,
    pub package: String,
    pub version: String,
    pub archive: String,
    pub archive_sha256: String,
    pub member: String,
    pub member_sha256: String,
}

/// All that the manifest names, in its order.
pub fn records() -> Result<Vec<ModelRecord>, VisionError> {
    let manifest: Manifest = toml::from_str(MANIFEST)
        .map_err(|e| VisionError::ModelFailed("models.toml".into(), e.to_string()))?;
    Ok(manifest.model)
}

/// What the manifest says of the model of that name.
pub fn record(name: &str) -> Result<ModelRecord, VisionError> {
    let unknown = || VisionError::ModelFailed(name.into(), "not in the manifest".into());
    records()?.into_iter().find(|r| r.name == name).ok_or_else(unknown)
}

/// The bytes of a model. One that is missing or altered is an error.
pub fn checked(folder: &Path, record: &ModelRecord) -> Result<Vec<u8>, VisionError> {
    let bytes = std::fs::read(folder.join(&record.file))
        .map_err(|e| VisionError::ModelMissing(record.file.clone(), e))?;
    if hex(&Sha256::digest(&bytes)) != record.sha256 {
        return Err(VisionError::ModelAltered(record.file.clone()));
    }
    Ok(bytes)
}

/// The bytes of the models, read once and checked against the manifest.
pub struct Models {
    pub(crate) detector: Vec<u8>,
    pub(crate) mesh: Vec<u8>,
    pub(crate) embedder: Vec<u8>,
    /// What the manifest says of it, and its bytes.
    pub(crate) liveness: Option<(ModelRecord, Vec<u8>)>,
}

impl Models {
    /// Reads the models from a folder. One that is missing or altered is an error: nothing runs without. A
    /// liveness network is read if the manifest enables it, and then is no less required.
    pub fn read(folder: &Path) -> Result<Self, VisionError> {
        let read = |name: &str| checked(folder, &record(name)?);
        let enabled = records()?.into_iter().find(|r| r.liveness.is_some_and(|l| l.enabled));
        let liveness = enabled.map(|record| checked(folder, &record).map(|bytes| (record, bytes)));
        Ok(Self {
            detector: read("blazeface-short-range")?,
            mesh: read("face-mesh")?,
            embedder: read("mobilefacenet-192")?,
            liveness: liveness.transpose()?,
        })
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
