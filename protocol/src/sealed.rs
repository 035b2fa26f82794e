//! HPKE (RFC 9180: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, base mode) around a signed packet,
//! to a server's sealing key. It hides; it proves nothing of who sealed.

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::DhP256HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{CborLen, Decode, Encode};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{Context, KeyId, ProtocolError, PublicKey, encoding};

/// What goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(map)]
pub struct Sealed {
    /// The sealing key it is meant for.
    #[n(1)]
    pub key: KeyId,
    /// The encapsulated key: a P-256 point, SEC1 uncompressed.
    #[n(2)]
    pub encapsulated: ByteArray<65>,
    #[n(3)]
    pub ciphertext: ByteVec,
}

/// The most bytes of a sealed packet.
pub const CAP: usize = 12 * 1024;

/// A sealing key: the private scalar, 32 bytes, big-endian. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SealingKey([u8; 32]);

impl SealingKey {
    /// A key that follows from 32 random bytes, by the KEM's own derivation.
    pub fn derive(random: &[u8; 32]) -> Self {
        let (private, _) = DhP256HkdfSha256::derive_keypair(random);
        Self(private.to_bytes().into())
    }

    pub fn from_bytes(scalar: [u8; 32]) -> Result<Self, ProtocolError> {
        let known = <DhP256HkdfSha256 as Kem>::PrivateKey::from_bytes(&scalar);
        known.map_err(|_| ProtocolError::Malformed("not a sealing key"))?;
        Ok(Self(scalar))
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn public(&self) -> Result<PublicKey, ProtocolError> {
        let private = <DhP256HkdfSha256 as Kem>::PrivateKey::from_bytes(&self.0)
            .map_err(|_| ProtocolError::Malformed("not a sealing key"))?;
        PublicKey::from_slice(&DhP256HkdfSha256::sk_to_pk(&private).to_bytes())
    }

    /// Opens what was sealed to this key in this context.
    pub fn open(&self, sealed: &Sealed, context: Context) -> Result<Zeroizing<Vec<u8>>, ProtocolError> {
        let private = <DhP256HkdfSha256 as Kem>::PrivateKey::from_bytes(&self.0)
            .map_err(|_| ProtocolError::NotOpened)?;
        let encapsulated = <DhP256HkdfSha256 as Kem>::EncappedKey::from_bytes(&*sealed.encapsulated)
            .map_err(|_| ProtocolError::NotOpened)?;
        let opened = hpke::single_shot_open::<AesGcm256, HkdfSha256, DhP256HkdfSha256>(
            &OpModeR::Base,
            &private,
            &encapsulated,
            context.0.as_bytes(),
            &sealed.ciphertext,
            sealed.key.as_bytes(),
        );
        opened.map(Zeroizing::new).map_err(|_| ProtocolError::NotOpened)
    }
}

/// Seals a packet to a key, in the context of the message inside; `random` is used for this alone.
pub fn seal(
    packet: &[u8],
    to: &PublicKey,
    context: Context,
    random: &[u8; 32],
) -> Result<Vec<u8>, ProtocolError> {
    let recipient = <DhP256HkdfSha256 as Kem>::PublicKey::from_bytes(to.as_bytes())
        .map_err(|_| ProtocolError::Malformed("not a sealing key"))?;
    let (encapsulated, ciphertext) =
        hpke::single_shot_seal_with_rng::<AesGcm256, HkdfSha256, DhP256HkdfSha256>(
            &OpModeS::Base,
            &recipient,
            context.0.as_bytes(),
            packet,
            to.id().as_bytes(),
            &mut Given { seed: *random, taken: 0 },
        )
        .map_err(|_| ProtocolError::Malformed("cannot be sealed"))?;
    let point: [u8; 65] = encapsulated.to_bytes().into();
    encoding::encode(&Sealed { key: to.id(), encapsulated: point.into(), ciphertext: ciphertext.into() })
}

/// Parses the outer form; nothing is opened.
pub fn parse(bytes: &[u8]) -> Result<Sealed, ProtocolError> {
    encoding::decode(bytes, CAP)
}

/// Gives out bytes that follow from a seed that is used once.
struct Given {
    seed: [u8; 32],
    taken: u32,
}

impl Drop for Given {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

impl TryRng for Given {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Self::Error> {
        for piece in target.chunks_mut(32) {
            let mut hash = Sha256::new();
            hash.update(self.seed);
            hash.update(self.taken.to_be_bytes());
            self.taken += 1;
            piece.copy_from_slice(&hash.finalize()[..piece.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Given {}
