//! The camera process's keys on the disk: one key of its own for each paired camera, and the vault key
//! that is pinned for it. One small file a camera, written whole or not at all.
//!
//! Threat model: M24.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use vultus_frames::{FrameError, PublicKey, StaticKey};
use zeroize::Zeroizing;

/// A paired camera's keys.
pub struct Pairing {
    pub own: StaticKey,
    pub vault: PublicKey,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    #[error("the camera is not paired")]
    Unpaired,
    #[error("the pairing file is damaged")]
    Damaged,
    #[error("the pairing cannot be stored or read: {0}")]
    Storage(#[from] std::io::Error),
    #[error(transparent)]
    Key(#[from] FrameError),
}

/// A folder that only this process's user may enter.
pub struct Keyring {
    folder: PathBuf,
}

/// Own secret key, then the vault's public key.
const LENGTH: usize = 32 + 33;

impl Keyring {
    /// Opens the folder, making it where it is missing. One that others may enter is refused.
    pub fn open(folder: &Path) -> Result<Self, KeyringError> {
        match std::fs::DirBuilder::new().create(folder) {
            Ok(()) => std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?,
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e.into()),
        }
        let metadata = std::fs::symlink_metadata(folder)?;
        if !metadata.is_dir() || metadata.permissions().mode() & 0o077 != 0 {
            return Err(std::io::Error::other("the folder is open to others, or is none").into());
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// Makes a new key for a camera, pins the vault's, and gives the public part.
    pub fn pair(&self, camera: &str, vault: PublicKey) -> Result<PublicKey, KeyringError> {
        let own = StaticKey::generate()?;
        let mut content = Zeroizing::new(Vec::with_capacity(LENGTH));
        content.extend_from_slice(&*own.to_bytes());
        content.extend_from_slice(&vault.to_bytes());
        let path = self.file(camera);
        let temporary = path.with_extension("new");
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
            .open(&temporary)?;
        file.write_all(&content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, &path)?;
        std::fs::File::open(&self.folder)?.sync_all()?;
        Ok(own.public())
    }

    pub fn pairing(&self, camera: &str) -> Result<Pairing, KeyringError> {
        let content = match std::fs::read(self.file(camera)) {
            Ok(content) => Zeroizing::new(content),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(KeyringError::Unpaired),
            Err(e) => return Err(e.into()),
        };
        if content.len() != LENGTH {
            return Err(KeyringError::Damaged);
        }
        let (own, vault) = content.split_at(32);
        Ok(Pairing { own: StaticKey::from_bytes(own)?, vault: PublicKey::from_bytes(vault)? })
    }

    /// A name that no identity can lead astray: its SHA-256.
    fn file(&self, camera: &str) -> PathBuf {
        let name: String = Sha256::digest(camera).iter().map(|b| format!("{b:02x}")).collect();
        self.folder.join(format!("{name}.pairing"))
    }
}
