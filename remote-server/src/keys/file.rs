//! The file of the private keys: reads it where nobody else may, and replaces it whole. It never prints what
//! it holds, and leaves the old file or the new one, whenever it is interrupted.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use vultus_protocol::PublicKey;
use vultus_protocol::sealed::SealingKey;
use vultus_protocol::server_keys::TimedKey;
use vultus_tpm::{SealedKey, Tpm, TpmError};
use zeroize::Zeroizing;

use super::sets::FIRST;
use super::{KeyError, KeySource};

/// The end of a key that has none yet: the last second of the year 9999.
pub const NO_END: u64 = 253_402_300_799;
/// More than any key file has.
const LONGEST: u64 = 64 * 1024;
/// How long one command of the TPM may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The private keys.
pub struct Held {
    /// Of the set that they were made for.
    pub version: u64,
    pub signing: Vec<HeldKey>,
    pub sealing: Vec<HeldKey>,
}

/// A private key and its times. Both kinds are P-256 scalars; this type wipes them.
pub struct HeldKey {
    pub secret: SealingKey,
    pub public: PublicKey,
    pub not_before: u64,
    pub not_after: u64,
}

impl Held {
    /// One new key of each kind.
    pub fn fresh(not_before: u64) -> Result<Self, KeyError> {
        let key = || HeldKey::fresh(not_before);
        Ok(Self { version: FIRST, signing: vec![key()?], sealing: vec![key()?] })
    }
}

impl HeldKey {
    fn fresh(not_before: u64) -> Result<Self, KeyError> {
        let mut random = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *random).map_err(|_| KeyError::NoRandom)?;
        let secret = SealingKey::derive(&random);
        let public = secret.public().map_err(|_| KeyError::NoRandom)?;
        Ok(Self { secret, public, not_before, not_after: NO_END })
    }

    pub fn timed(&self) -> TimedKey {
        TimedKey { key: self.public, not_before: self.not_before, not_after: self.not_after }
    }
}

/// What the file says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    version: u64,
    signing: Vec<Entry>,
    sealing: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    not_before: u64,
    not_after: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scalar: Option<Hex>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<Sealed>,
}

/// A [`SealedKey`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    identity: Hex,
    public: Hex,
    private: Hex,
    registers: Hex,
}

/// Bytes that are written as hexadecimal digits, and wiped.
struct Hex(Zeroizing<Vec<u8>>);

impl Serialize for Hex {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = Zeroizing::new(String::with_capacity(2 * self.0.len()));
        for digit in self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
            text.push(char::from_digit(digit.into(), 16).unwrap_or_default());
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The error says nothing of the text: it may be most of a key.
        let wrong = || <D::Error as serde::de::Error>::custom("not hexadecimal digits");
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let digits = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()));
        let digits = Zeroizing::new(digits.collect::<Option<Vec<u8>>>().ok_or_else(wrong)?);
        if !digits.len().is_multiple_of(2) {
            return Err(wrong());
        }
        Ok(Self(Zeroizing::new(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())))
    }
}

/// The keys of the file, where there is one.
pub fn read(source: &KeySource) -> Result<Option<Held>, KeyError> {
    let path = source.path();
    let Some(text) = read_private(path)? else {
        return Ok(None);
    };
    // The parser's own error quotes the line.
    let file: KeyFile = toml::from_str(&text).map_err(|_| bad(path, "it is not a key file"))?;
    let tpm = tpm(source)?;
    let keys = |entries: Vec<Entry>| -> Result<Vec<HeldKey>, KeyError> {
        entries.into_iter().map(|entry| from_entry(entry, tpm.as_ref(), path)).collect()
    };
    Ok(Some(Held { version: file.version, signing: keys(file.signing)?, sealing: keys(file.sealing)? }))
}

/// Puts these keys in the place of those that the file held.
pub fn write(source: &KeySource, held: &Held) -> Result<(), KeyError> {
    put(source, held, Place::Over)
}

/// Writes these keys to a file that must not be there yet.
pub fn write_beside(source: &KeySource, held: &Held) -> Result<(), KeyError> {
    put(source, held, Place::Fresh)
}

/// Whether a file may be replaced.
#[derive(Clone, Copy)]
enum Place {
    Fresh,
    Over,
}

fn put(source: &KeySource, held: &Held, place: Place) -> Result<(), KeyError> {
    let tpm = tpm(source)?;
    let entries = |keys: &[HeldKey]| -> Result<Vec<Entry>, KeyError> {
        keys.iter().map(|key| Ok(to_entry(key, tpm.as_ref())?)).collect()
    };
    let file =
        KeyFile { version: held.version, signing: entries(&held.signing)?, sealing: entries(&held.sealing)? };
    let text = toml::to_string(&file).map(Zeroizing::new);
    replace(source.path(), &text.map_err(|_| bad(source.path(), "it cannot be written"))?, place)
}

pub fn remove(path: &Path) -> Result<(), KeyError> {
    fs::remove_file(path).map_err(|error| io(path, error))
}

/// Held while keys are made: two who do so at once would overwrite one another's. It is the folder that is
/// locked, because the file is replaced.
pub fn lock(path: &Path) -> Result<File, KeyError> {
    let folder = File::open(folder_of(path)).map_err(|error| io(path, error))?;
    folder.lock().map_err(|error| io(path, error))?;
    Ok(folder)
}

fn tpm(source: &KeySource) -> Result<Option<Tpm>, KeyError> {
    match source {
        KeySource::File(_) => Ok(None),
        KeySource::Tpm { tcti, file } => {
            Ok(Some(Tpm::start(tcti.clone(), PATIENCE).map_err(|error| io(file, error))?))
        }
    }
}

pub fn try_tpm(tcti: &str) -> Result<(), KeyError> {
    let tpm = Tpm::start(tcti.to_owned(), PATIENCE).map_err(|error| io(Path::new(tcti), error))?;
    let sealed = tpm.seal(&[0; 32], &[])?;
    tpm.unseal(&sealed)?;
    Ok(())
}

/// A scalar in the clear is not taken from a file of sealed ones, nor the other way round.
fn from_entry(entry: Entry, tpm: Option<&Tpm>, path: &Path) -> Result<HeldKey, KeyError> {
    let scalar = match (entry.scalar, entry.sealed, tpm) {
        (Some(scalar), None, None) => {
            let scalar: [u8; 32] =
                scalar.0.as_slice().try_into().map_err(|_| bad(path, "a key of another length"))?;
            Zeroizing::new(scalar)
        }
        (None, Some(sealed), Some(tpm)) => tpm.unseal(&SealedKey {
            identity: sealed.identity.0.to_vec(),
            public: sealed.public.0.to_vec(),
            private: sealed.private.0.to_vec(),
            registers: sealed.registers.0.to_vec(),
        })?,
        _ => return Err(bad(path, "it is a file of the other kind: sealed by a TPM, or not")),
    };
    let secret = SealingKey::from_bytes(*scalar).map_err(|_| bad(path, "what it holds is no key"))?;
    let public = secret.public().map_err(|_| bad(path, "what it holds is no key"))?;
    Ok(HeldKey { secret, public, not_before: entry.not_before, not_after: entry.not_after })
}

fn to_entry(key: &HeldKey, tpm: Option<&Tpm>) -> Result<Entry, TpmError> {
    let hex = |bytes: &[u8]| Hex(Zeroizing::new(bytes.to_vec()));
    let sealed = tpm.map(|tpm| tpm.seal(key.secret.as_bytes(), &[])).transpose()?;
    Ok(Entry {
        not_before: key.not_before,
        not_after: key.not_after,
        scalar: sealed.is_none().then(|| hex(key.secret.as_bytes())),
        sealed: sealed.map(|s| Sealed {
            identity: hex(&s.identity),
            public: hex(&s.public),
            private: hex(&s.private),
            registers: hex(&s.registers),
        }),
    })
}

/// The file's text, where it is a file of this user that nobody else may read.
fn read_private(path: &Path) -> Result<Option<Zeroizing<String>>, KeyError> {
    // Neither a link nor a pipe is followed or waited for.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(path, error)),
    };
    let metadata = file.metadata().map_err(|error| io(path, error))?;
    if !metadata.is_file() || metadata.len() > LONGEST {
        return Err(bad(path, "it is not a key file"));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(bad(path, "it belongs to another user"));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(bad(path, "others may read it: chmod 600"));
    }
    let mut text = Zeroizing::new(String::with_capacity(LONGEST as usize));
    file.take(LONGEST).read_to_string(&mut text).map_err(|error| io(path, error))?;
    Ok(Some(text))
}

fn replace(path: &Path, text: &str, place: Place) -> Result<(), KeyError> {
    let name = path.file_name().ok_or_else(|| bad(path, "it names no file"))?.to_string_lossy();
    let temporary = folder_of(path).join(format!(".{name}.{}", std::process::id()));
    let written = write_new(&temporary, text).and_then(|()| {
        match place {
            Place::Over => fs::rename(&temporary, path)?,
            // Unlike a renaming, it replaces nothing.
            Place::Fresh => fs::hard_link(&temporary, path).and_then(|()| fs::remove_file(&temporary))?,
        }
        File::open(folder_of(path))?.sync_all()
    });
    written.map_err(|error| {
        // What is left of it holds keys; where there is nothing left, there is nothing to remove.
        let _ = fs::remove_file(&temporary);
        match error.kind() {
            ErrorKind::AlreadyExists => KeyError::Occupied(path.to_owned()),
            _ => io(path, error),
        }
    })
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    // One that an earlier process of this number left behind.
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn io(path: &Path, error: std::io::Error) -> KeyError {
    KeyError::Io { path: path.to_owned(), error }
}

fn bad(path: &Path, why: &'static str) -> KeyError {
    KeyError::BadFile { path: path.to_owned(), why }
}
