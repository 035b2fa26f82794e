//! One session for one attempt: the vault offers, the camera answers, and both hold a key that nobody
//! else can derive. Both messages are signed by the pinned keys, and the key is bound to both.
//!
//! offer  = version, attempt nonce, camera identity, vault's ephemeral key; signed by the vault
//! answer = camera's ephemeral key, mode; signed by the camera over the offer and the answer
//!
//! Threat model: M17.

use hkdf::Hkdf;
use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};
use p256::ecdh::EphemeralSecret;
use p256::elliptic_curve::Generate;
use p256::elliptic_curve::sec1::ToSec1Point;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::key::digest;
use crate::seal::{FrameClock, Opener, Sealer};
use crate::{FrameError, Mode, PublicKey, StaticKey};

const VERSION: u8 = 1;
const OFFER: &str = "vultus camera session offer 1";
const ANSWER: &str = "vultus camera session answer 1";
const SESSION: &str = "vultus camera session 1";
const FRAME_KEY: &[u8] = b"vultus frames 1, camera to vault";

#[derive(Encode, Decode)]
struct OfferBody {
    #[n(0)]
    version: u8,
    #[n(1)]
    attempt: ByteArray<32>,
    #[n(2)]
    camera: String,
    #[n(3)]
    vault_ephemeral: ByteArray<33>,
}

#[derive(Encode, Decode)]
struct AnswerBody {
    #[n(0)]
    camera_ephemeral: ByteArray<33>,
    #[n(1)]
    mode: Mode,
}

/// A body and its signature, as they travel.
#[derive(Encode, Decode)]
struct Signed {
    #[n(0)]
    body: ByteVec,
    #[n(1)]
    signature: ByteArray<64>,
}

/// What the vault sends to open a session.
pub struct Offer(Vec<u8>);

impl Offer {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The vault's side between offer and answer.
pub struct Opening {
    secret: EphemeralSecret,
    offer: Vec<u8>,
    camera: String,
    camera_key: PublicKey,
}

impl Opening {
    /// Offers a session to one paired camera. `attempt` is the attempt's nonce, never used twice.
    pub fn offer(
        vault: &StaticKey,
        camera: &str,
        camera_key: PublicKey,
        attempt: [u8; 32],
    ) -> Result<(Self, Offer), FrameError> {
        let secret = EphemeralSecret::try_generate().map_err(|_| FrameError::NoRandom)?;
        let body = to_bytes(&OfferBody {
            version: VERSION,
            attempt: attempt.into(),
            camera: camera.to_owned(),
            vault_ephemeral: compressed(&secret.public_key())?,
        })?;
        let signature = vault.sign(&digest(OFFER, &[&body]))?;
        let signed = to_bytes(&Signed { body: body.clone().into(), signature: signature.into() })?;
        Ok((Self { secret, offer: body, camera: camera.to_owned(), camera_key }, Offer(signed)))
    }

    /// Takes the camera's answer: signature first, then its content.
    pub fn finish(self, answer: &[u8], clock: FrameClock) -> Result<Opener, FrameError> {
        let signed: Signed = from_bytes(answer)?;
        self.camera_key.verify(&digest(ANSWER, &[&self.offer, &signed.body]), &signed.signature[..])?;
        let body: AnswerBody = from_bytes(&signed.body)?;
        let mode = body.mode.checked()?;
        let (session, key) = derive(&self.secret, &body.camera_ephemeral[..], &self.offer, &signed.body)?;
        Ok(Opener::new(session, &key, self.camera, self.camera_key, mode, clock))
    }
}

/// The camera's side: checks an offer against the pinned vault key and answers it. `camera` is the
/// identity of the device that the camera process is about to open.
pub fn accept(
    key: StaticKey,
    vault_key: PublicKey,
    camera: &str,
    mode: Mode,
    offer: &[u8],
) -> Result<(Vec<u8>, Sealer), FrameError> {
    let signed: Signed = from_bytes(offer)?;
    vault_key.verify(&digest(OFFER, &[&signed.body]), &signed.signature[..])?;
    let body: OfferBody = from_bytes(&signed.body)?;
    if body.version != VERSION {
        return Err(FrameError::Malformed);
    }
    if body.camera != camera {
        return Err(FrameError::OtherCamera);
    }
    let secret = EphemeralSecret::try_generate().map_err(|_| FrameError::NoRandom)?;
    let answer =
        to_bytes(&AnswerBody { camera_ephemeral: compressed(&secret.public_key())?, mode: mode.checked()? })?;
    let signature = key.sign(&digest(ANSWER, &[&signed.body, &answer]))?;
    let (session, frame_key) = derive(&secret, &body.vault_ephemeral[..], &signed.body, &answer)?;
    let sealer = Sealer::new(session, &frame_key, camera.to_owned(), key, mode);
    Ok((to_bytes(&Signed { body: answer.into(), signature: signature.into() })?, sealer))
}

/// The session's name and its frame key, the same on both sides.
fn derive(
    secret: &EphemeralSecret,
    theirs: &[u8],
    offer: &[u8],
    answer: &[u8],
) -> Result<([u8; 32], Zeroizing<[u8; 32]>), FrameError> {
    let theirs = p256::PublicKey::from_sec1_bytes(theirs).map_err(|_| FrameError::BadKey)?;
    let shared = secret.diffie_hellman(&theirs);
    let session = digest(SESSION, &[offer, answer]);
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(&session), shared.raw_secret_bytes())
        .expand(FRAME_KEY, &mut *key)
        .map_err(|_| FrameError::BadKey)?;
    Ok((session, key))
}

fn compressed(key: &p256::PublicKey) -> Result<ByteArray<33>, FrameError> {
    let bytes: [u8; 33] = key.to_sec1_point(true).as_bytes().try_into().map_err(|_| FrameError::BadKey)?;
    Ok(bytes.into())
}

pub(crate) fn to_bytes<T: Encode<()>>(value: &T) -> Result<Vec<u8>, FrameError> {
    minicbor::to_vec(value).map_err(|_| FrameError::Malformed)
}

/// Takes only the bytes that [`to_bytes`] writes for the value.
pub(crate) fn from_bytes<T: Encode<()> + for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Result<T, FrameError> {
    let value: T = minicbor::decode(bytes).map_err(|_| FrameError::Malformed)?;
    if to_bytes(&value)? == bytes { Ok(value) } else { Err(FrameError::Malformed) }
}
