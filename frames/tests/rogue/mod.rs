//! Both sides of a session written a second time, from the protocol's description alone, so that they
//! can lie: they hold the pinned keys and send what an honest side never would.
//!
//! The crate signs only what it has itself made: no use of its interface gives a properly signed frame
//! with another content. A camera process that was taken over holds the key, though, and is bound by
//! no interface. This is that process. (The fuzz targets use it as well.)

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};
use p256::ecdh::EphemeralSecret;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::Generate;
use p256::elliptic_curve::sec1::ToSec1Point;
use sha2::{Digest, Sha256};
use vultus_frames::{Mode, SealedFrame};

pub const OFFER: &str = "vultus camera session offer 1";
pub const ANSWER: &str = "vultus camera session answer 1";
const SESSION: &str = "vultus camera session 1";
const FRAME: &str = "vultus frame 1";
const FRAME_KEY: &[u8] = b"vultus frames 1, camera to vault";

/// A body and its signature, as they travel.
#[derive(Encode, Decode)]
pub struct Signed {
    #[n(0)]
    pub body: ByteVec,
    #[n(1)]
    pub signature: ByteArray<64>,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct OfferBody {
    #[n(0)]
    pub version: u8,
    #[n(1)]
    pub attempt: ByteArray<32>,
    #[n(2)]
    pub camera: String,
    #[n(3)]
    pub vault_ephemeral: ByteArray<33>,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct AnswerBody {
    #[n(0)]
    pub camera_ephemeral: ByteArray<33>,
    #[n(1)]
    pub mode: Mode,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Header {
    #[n(0)]
    pub counter: u64,
    #[n(1)]
    pub mode: Mode,
    #[n(2)]
    pub sequence: u32,
    #[n(3)]
    pub captured_us: u64,
    #[n(4)]
    pub camera: String,
}

/// SHA-256 over the domain and the parts, each with its length before it.
fn digest(domain: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((domain.len() as u64).to_be_bytes());
    hash.update(domain.as_bytes());
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

fn sign(secret: &[u8; 32], domain: &str, parts: &[&[u8]]) -> [u8; 64] {
    let key = SigningKey::from_slice(secret).unwrap();
    let signature: Signature = key.sign_prehash(&digest(domain, parts)).unwrap();
    signature.to_bytes().into()
}

/// The bytes of a message as it travels, taken apart.
pub fn taken_apart(message: &[u8]) -> Signed {
    minicbor::decode(message).unwrap()
}

/// An offer with any body, signed as a vault with this secret would.
pub fn offer_of(secret: &[u8; 32], body: &[u8]) -> Vec<u8> {
    let signature = sign(secret, OFFER, &[body]);
    minicbor::to_vec(Signed { body: body.to_vec().into(), signature: signature.into() }).unwrap()
}

/// An answer with any body to an offer, signed as a camera with this secret would.
pub fn answer_of(secret: &[u8; 32], offer: &[u8], body: &[u8]) -> Vec<u8> {
    let offer = taken_apart(offer);
    let signature = sign(secret, ANSWER, &[&offer.body, body]);
    minicbor::to_vec(Signed { body: body.to_vec().into(), signature: signature.into() }).unwrap()
}

/// A camera's end of a session, with its keys laid open.
pub struct RogueCamera {
    secret: [u8; 32],
    session: [u8; 32],
    frame_key: [u8; 32],
}

impl RogueCamera {
    /// Answers an offer as an honest camera would.
    pub fn answer(secret: [u8; 32], offer: &[u8], mode: Mode) -> (Vec<u8>, Self) {
        let signed = taken_apart(offer);
        let offered: OfferBody = minicbor::decode(&signed.body).unwrap();
        let ephemeral = EphemeralSecret::try_generate().unwrap();
        let camera_ephemeral: [u8; 33] =
            ephemeral.public_key().to_sec1_point(true).as_bytes().try_into().unwrap();
        let body = AnswerBody { camera_ephemeral: camera_ephemeral.into(), mode };
        let body: Vec<u8> = minicbor::to_vec(&body).unwrap();
        let theirs = p256::PublicKey::from_sec1_bytes(&offered.vault_ephemeral[..]).unwrap();
        let shared = ephemeral.diffie_hellman(&theirs);
        let session = digest(SESSION, &[&signed.body, &body]);
        let mut frame_key = [0; 32];
        Hkdf::<Sha256>::new(Some(&session), shared.raw_secret_bytes())
            .expand(FRAME_KEY, &mut frame_key)
            .unwrap();
        (answer_of(&secret, offer, &body), Self { secret, session, frame_key })
    }

    /// A frame with any header, sealed and signed properly.
    pub fn seal(&self, header: &Header, pixels: Vec<u8>) -> SealedFrame {
        let bytes: Vec<u8> = minicbor::to_vec(header).unwrap();
        let ciphertext = self.encrypt(header.counter, &bytes, pixels);
        self.sign(bytes, ciphertext)
    }

    /// The ciphertext of pixels under any counter and header.
    pub fn encrypt(&self, counter: u64, header: &[u8], mut pixels: Vec<u8>) -> Vec<u8> {
        let mut bytes = [0; 12];
        bytes[4..].copy_from_slice(&counter.to_be_bytes());
        let nonce: Nonce<aes_gcm::aead::consts::U12> = bytes.into();
        Aes256Gcm::new((&self.frame_key).into()).encrypt_in_place(&nonce, header, &mut pixels).unwrap();
        pixels
    }

    /// Any header and any ciphertext, signed properly.
    pub fn sign(&self, header: Vec<u8>, ciphertext: Vec<u8>) -> SealedFrame {
        let signature = sign(&self.secret, FRAME, &[&self.session, &header, &ciphertext]);
        SealedFrame { header, ciphertext, signature: signature.to_vec() }
    }
}
