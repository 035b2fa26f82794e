//! The daemon's root-owned configuration file. Unknown keys are refused.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// All of `vultusd.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// Where the vault listens.
    pub vault_socket: PathBuf,
    /// The numeric user of the vault.
    pub vault_uid: u32,
    /// Where the PAM module asks.
    pub login_socket: PathBuf,
    /// How long an application's verification may take, in milliseconds.
    #[serde(default = "verify_ms")]
    pub verify_ms: u32,
    /// How long an enrolment may take, in milliseconds.
    #[serde(default = "enrol_ms")]
    pub enrol_ms: u32,
    /// How long a ceremony may take, in milliseconds: the person reads a transaction and agrees to it, and
    /// is verified.
    #[serde(default = "ceremony_ms")]
    pub ceremony_ms: u32,
}

fn verify_ms() -> u32 {
    20_000
}

fn enrol_ms() -> u32 {
    60_000
}

fn ceremony_ms() -> u32 {
    60_000
}

impl Configuration {
    pub fn read(path: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(toml::from_str(&std::fs::read_to_string(path)?)?)
    }
}
