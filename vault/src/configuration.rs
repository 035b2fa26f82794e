//! The vault's root-owned configuration file. Unknown keys are refused: a mistyped limit must not be
//! a missing one.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::camera_kind::CameraKinds;
use crate::liveness::LivenessRules;

/// All of `vault.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// The socket to listen on.
    pub socket: PathBuf,
    /// The folder of the state, mode 0700.
    pub state: PathBuf,
    /// The folder of the model files.
    pub models: PathBuf,
    /// The TPM, such as `device:/dev/tpmrm0`.
    pub tpm: String,
    /// The SHA-256 platform configuration registers that the state key's policy names.
    #[serde(default)]
    pub registers: Vec<u8>,
    /// The numeric user of `vultusd`.
    pub daemon_uid: u32,
    /// PAM services that a face may answer besides the known logins and lockers. Those that need intent
    /// stay refused.
    #[serde(default)]
    pub services: Vec<String>,
    /// What is asked of a person besides the face.
    #[serde(default)]
    pub liveness: LivenessRules,
    /// Where cameras are, in order of preference.
    #[serde(default)]
    pub cameras: Vec<CameraPlace>,
    /// What is stated of single cameras: which of the grey ones see infrared light.
    #[serde(default)]
    pub camera_kinds: CameraKinds,
    /// The longest that an attempt may last, whatever its asker allows, in milliseconds.
    #[serde(default = "longest_attempt_ms")]
    pub longest_attempt_ms: u64,
    #[serde(default = "longest_enrolment_ms")]
    pub longest_enrolment_ms: u64,
    /// How long a camera may take to open its device, in milliseconds.
    #[serde(default = "camera_opening_ms")]
    pub camera_opening_ms: u64,
    /// The oldest frame that is judged, in milliseconds.
    #[serde(default = "oldest_frame_ms")]
    pub oldest_frame_ms: u64,
    /// How wrong this machine's clock may be against a server's, in seconds.
    #[serde(default = "clock_tolerance_s")]
    pub clock_tolerance_s: u64,
    /// How long the TPM may take for one command, in milliseconds.
    #[serde(default = "tpm_patience_ms")]
    pub tpm_patience_ms: u64,
}

/// A camera process.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraPlace {
    pub socket: PathBuf,
    /// The numeric user that the process must have.
    pub uid: u32,
}

fn longest_attempt_ms() -> u64 {
    25_000
}

fn longest_enrolment_ms() -> u64 {
    90_000
}

fn camera_opening_ms() -> u64 {
    5_000
}

fn oldest_frame_ms() -> u64 {
    1_000
}

fn clock_tolerance_s() -> u64 {
    120
}

fn tpm_patience_ms() -> u64 {
    10_000
}

impl Configuration {
    pub fn read(path: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(toml::from_str(&std::fs::read_to_string(path)?)?)
    }
}
