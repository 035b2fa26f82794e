//! What the vault keeps, as types and as the bytes that are sealed.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{CborLen, Decode, Encode};
use vultus_frames::{PublicKey, StaticKey};
use vultus_ipc::camera::Spectrum;
use vultus_ipc::vault::FaceRecord;
use vultus_vision::Embedding;
use vultus_vision::embed::LENGTH;
use vultus_vision::liveness::Baseline;
use vultus_vision::liveness::replay::Digest;
use zeroize::{Zeroize, Zeroizing};

use crate::VaultError;

/// Which kind of record a row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Template = 1,
    Counter = 2,
    Camera = 3,
    /// A pinned server.
    Server = 4,
    /// This device, as it is enrolled with a server; and as it is about to be.
    Device = 5,
    DeviceToBe = 6,
    /// A service key of a user.
    Account = 7,
    /// The key of an audience's assertions.
    Audience = 8,
    /// What a user's attempts showed.
    Past = 9,
}

/// Names one row. It is authenticated with the row's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, CborLen)]
pub struct RowName {
    #[n(0)]
    pub kind: i64,
    /// The owner; 0 for what belongs to the machine.
    #[n(1)]
    pub uid: i64,
    #[n(2)]
    pub item: i64,
}

impl RowName {
    pub fn new(kind: Kind, uid: u32, item: u32) -> Self {
        Self { kind: kind as i64, uid: uid.into(), item: item.into() }
    }
}

/// The format of a record's content: part of what is authenticated with it.
pub const VERSION: i64 = 4;

/// One enrolled face. Wiped when dropped; no copy.
pub struct Template {
    pub label: String,
    /// The camera it was enrolled with.
    pub camera: String,
    /// Random, made with the face: its feature tokens follow from it.
    pub token_key: Zeroizing<[u8; 32]>,
    /// The normalised mean of the shots, which is what is compared.
    pub mean: Embedding,
    pub shots: Vec<Embedding>,
    /// Eyes and mouth at rest, as enrolled.
    pub baseline: Baseline,
}

impl Template {
    pub fn record(&self, face: u32) -> FaceRecord {
        FaceRecord {
            face,
            label: self.label.clone(),
            camera: self.camera.clone(),
            shots: self.shots.len().min(u8::MAX.into()) as u8,
        }
    }

    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let mut shots = Zeroizing::new(Vec::with_capacity((self.shots.len() + 1) * LENGTH * 4));
        for embedding in std::iter::once(&self.mean).chain(&self.shots) {
            shots.extend(embedding.numbers().iter().flat_map(|n| n.to_le_bytes()));
        }
        let mut body = TemplateBody {
            label: self.label.clone(),
            camera: self.camera.clone(),
            embeddings: std::mem::take(&mut *shots).into(),
            token_key: (*self.token_key).into(),
            eyes: self.baseline.eyes,
            mouth: self.baseline.mouth,
        };
        let bytes = to_bytes(&body);
        body.embeddings.zeroize();
        body.token_key.zeroize();
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VaultError> {
        let mut body: TemplateBody = from_bytes(bytes)?;
        let embeddings = embeddings_of(&body.embeddings);
        body.embeddings.zeroize();
        let token_key = Zeroizing::new(*body.token_key);
        body.token_key.zeroize();
        let mut embeddings = embeddings.ok_or(VaultError::Altered)?;
        if embeddings.len() < 2 {
            return Err(VaultError::Altered);
        }
        let mean = embeddings.remove(0);
        let baseline = Baseline { eyes: body.eyes, mouth: body.mouth };
        if !baseline.eyes.is_finite() || !baseline.mouth.is_finite() {
            return Err(VaultError::Altered);
        }
        Ok(Self { label: body.label, camera: body.camera, token_key, mean, shots: embeddings, baseline })
    }
}

/// Embeddings from their bytes; nothing where those are not whole, or not of embeddings.
fn embeddings_of(bytes: &[u8]) -> Option<Vec<Embedding>> {
    let (chunks, rest) = bytes.as_chunks::<{ LENGTH * 4 }>();
    if !rest.is_empty() {
        return None;
    }
    chunks
        .iter()
        .map(|chunk| {
            let mut numbers = [0.0; LENGTH];
            for (n, b) in numbers.iter_mut().zip(chunk.as_chunks::<4>().0) {
                *n = f32::from_le_bytes(*b);
            }
            Embedding::normalised(numbers)
        })
        .collect()
}

#[derive(Encode, Decode, CborLen)]
struct TemplateBody {
    #[n(0)]
    label: String,
    #[n(1)]
    camera: String,
    /// The mean, then the shots: little-endian 32-bit floats.
    #[n(2)]
    embeddings: ByteVec,
    #[n(3)]
    token_key: ByteArray<32>,
    #[n(4)]
    eyes: f32,
    #[n(5)]
    mouth: f32,
}

/// A paired camera and both keys.
pub struct CameraPairing {
    pub id: String,
    pub label: String,
    pub spectrum: Spectrum,
    pub socket: String,
    pub camera_key: PublicKey,
    pub vault_key: StaticKey,
}

impl CameraPairing {
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let mut body = CameraBody {
            id: self.id.clone(),
            label: self.label.clone(),
            spectrum: self.spectrum,
            socket: self.socket.clone(),
            camera_key: self.camera_key.to_bytes().into(),
            vault_key: self.vault_key.to_bytes().to_vec().into(),
        };
        let bytes = to_bytes(&body);
        body.vault_key.zeroize();
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VaultError> {
        let mut body: CameraBody = from_bytes(bytes)?;
        let vault_key = StaticKey::from_bytes(&body.vault_key);
        body.vault_key.zeroize();
        Ok(Self {
            id: body.id,
            label: body.label,
            spectrum: body.spectrum,
            socket: body.socket,
            camera_key: PublicKey::from_bytes(&body.camera_key).map_err(|_| VaultError::Altered)?,
            vault_key: vault_key.map_err(|_| VaultError::Altered)?,
        })
    }
}

#[derive(Encode, Decode, CborLen)]
struct CameraBody {
    #[n(0)]
    id: String,
    #[n(1)]
    label: String,
    #[n(2)]
    spectrum: Spectrum,
    #[n(3)]
    socket: String,
    #[n(4)]
    camera_key: ByteVec,
    #[n(5)]
    vault_key: ByteVec,
}

/// The most attempts of a past, and the most digests of one: 14 seconds.
pub const MOST_ATTEMPTS: usize = 64;
pub const MOST_DIGESTS: usize = 64;
/// Bytes of a digest.
const DIGEST: usize = 32;

/// How faces moved in a user's newest attempts, under a key of hers that is nowhere else. Wiped when dropped.
pub struct Past {
    /// Random, made with the record.
    pub key: Zeroizing<[u8; 32]>,
    /// The digests of each attempt; the oldest attempt first, and of each the oldest digest.
    pub attempts: Vec<Vec<Digest>>,
}

impl Past {
    /// Of nobody so far.
    pub fn empty() -> Result<Self, VaultError> {
        Ok(Self { key: Zeroizing::new(crate::random()?), attempts: Vec::new() })
    }

    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let joined = |attempt: &Vec<Digest>| {
            let mut bytes = Vec::with_capacity(attempt.len() * DIGEST);
            attempt.iter().for_each(|digest| bytes.extend_from_slice(digest.as_bytes()));
            ByteVec::from(bytes)
        };
        let attempts = self.attempts.iter().map(joined).collect();
        let mut body = PastBody { key: (*self.key).into(), attempts };
        let bytes = to_bytes(&body);
        body.wipe();
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VaultError> {
        let mut body: PastBody = from_bytes(bytes)?;
        let key = Zeroizing::new(*body.key);
        let fits = body.attempts.len() <= MOST_ATTEMPTS;
        let attempts: Option<Vec<Vec<Digest>>> = body.attempts.iter().map(|a| digests_of(a)).collect();
        body.wipe();
        let attempts = attempts.filter(|_| fits).ok_or(VaultError::Altered)?;
        Ok(Self { key, attempts })
    }
}

/// The digests of one attempt; nothing where they are not whole, or too many.
fn digests_of(bytes: &[u8]) -> Option<Vec<Digest>> {
    let (digests, rest) = bytes.as_chunks::<DIGEST>();
    let fits = rest.is_empty() && digests.len() <= MOST_DIGESTS;
    fits.then(|| digests.iter().map(|digest| Digest::from_bytes(*digest)).collect())
}

#[derive(Encode, Decode, CborLen)]
struct PastBody {
    #[n(0)]
    key: ByteArray<32>,
    /// Of each attempt its digests, one after the other.
    #[n(1)]
    attempts: Vec<ByteVec>,
}

impl PastBody {
    fn wipe(&mut self) {
        self.key.zeroize();
        self.attempts.iter_mut().for_each(|attempt| attempt.zeroize());
    }
}

pub fn to_bytes<T: Encode<()> + CborLen<()>>(value: &T) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    // All of it at once: growing would leave pieces behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(minicbor::len(value)));
    minicbor::encode(value, &mut *bytes).map_err(|_| VaultError::Altered)?;
    Ok(bytes)
}

pub fn from_bytes<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, VaultError> {
    minicbor::decode(bytes).map_err(|_| VaultError::Altered)
}
