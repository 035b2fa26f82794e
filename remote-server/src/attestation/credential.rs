//! TPM2_MakeCredential in software (TPM 2.0 Library, Part 1, credential protection): locks a secret so that
//! only one TPM opens it, and only while the named key lives in it. It never sees a private key, and does
//! not judge whose the endorsement key is.

use aes::{Aes128, Aes256};
use cfb_mode::Encryptor;
use cfb_mode::cipher::KeyIvInit;
use ring::agreement::{ECDH_P384, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::rand::SystemRandom;
use ring::{digest, hmac};
use rsa::rand_core::{CryptoRng, Error as RandError, RngCore};
use rsa::{BigUint, Oaep, RsaPublicKey};
use zeroize::Zeroizing;

use super::AttestationError::{self, Malformed, NoRandom};
use super::public_area::{Cipher, EXPONENT, EndorsementPublic, NAME, NameHash, Protection};

// The labels of what is derived. Each is followed by a zero byte, which is part of it.
const IDENTITY: &str = "IDENTITY\0";
const STORAGE: &str = "STORAGE\0";
const INTEGRITY: &str = "INTEGRITY\0";

/// A secret under lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// TPMS_ID_OBJECT: a TPM2B_DIGEST with the HMAC, then the encrypted secret. TPM2_ActivateCredential takes
    /// it inside a TPM2B_ID_OBJECT, whose size in front is not part of this.
    pub id_object: Vec<u8>,
    /// What a TPM2B_ENCRYPTED_SECRET contains, without its size in front: an RSA ciphertext, or a
    /// TPMS_ECC_POINT (two TPM2B, x and y).
    pub encrypted_secret: Vec<u8>,
}

/// Locks the secret to the TPM with this endorsement key, while the key of this name lives in it.
pub fn make(ek: &EndorsementPublic, name: &[u8], secret: &[u8; 32]) -> Result<Credential, AttestationError> {
    if name.len() != NAME {
        return Err(Malformed("name"));
    }
    let (protection, seed, encrypted_secret) = match ek {
        EndorsementPublic::Rsa2048 { modulus, protection } => {
            let mut seed = Zeroizing::new(vec![0; protection.hash.length()]);
            getrandom::fill(&mut seed).map_err(|_| NoRandom)?;
            let wrapped = wrap(modulus, protection.hash, &seed)?;
            (protection, seed, wrapped)
        }
        EndorsementPublic::P384 { x, y, protection } => {
            let (seed, point) = agree(x, y, protection.hash)?;
            (protection, seed, point)
        }
    };
    Ok(Credential { id_object: lock(*protection, &seed, name, secret)?, encrypted_secret })
}

/// The seed under RSA-OAEP.
fn wrap(modulus: &[u8; 256], hash: NameHash, seed: &[u8]) -> Result<Vec<u8>, AttestationError> {
    let refused = |_| Malformed("modulus");
    let key = RsaPublicKey::new(BigUint::from_bytes_be(modulus), BigUint::from(EXPONENT)).map_err(refused)?;
    let padding = match hash {
        NameHash::Sha256 => Oaep::new_with_label::<rsa::sha2::Sha256, _>(IDENTITY),
        NameHash::Sha384 => Oaep::new_with_label::<rsa::sha2::Sha384, _>(IDENTITY),
    };
    let mut source = Source { failed: false };
    let wrapped = key.encrypt(&mut source, padding, seed);
    if source.failed {
        return Err(NoRandom);
    }
    wrapped.map_err(refused)
}

/// A seed that follows from an ephemeral key and the endorsement key, and the ephemeral point.
fn agree(
    x: &[u8; 48],
    y: &[u8; 48],
    hash: NameHash,
) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), AttestationError> {
    let ephemeral = EphemeralPrivateKey::generate(&ECDH_P384, &SystemRandom::new()).map_err(|_| NoRandom)?;
    let point = ephemeral.compute_public_key().map_err(|_| NoRandom)?;
    // SEC1, uncompressed: a byte that says so, x and y.
    let coordinates = point.as_ref().get(1..).and_then(|both| both.split_at_checked(48));
    let (own_x, own_y) = coordinates.ok_or(NoRandom)?;
    let peer = UnparsedPublicKey::new(&ECDH_P384, [[4_u8].as_slice(), x, y].concat());
    // The agreement refuses a point that is not on the curve.
    let seed = agree_ephemeral(ephemeral, &peer, |shared| seed_of(hash, shared, own_x, x))
        .map_err(|_| Malformed("the endorsement key is no point of its curve"))?;
    Ok((seed, [sized(own_x)?, sized(own_y)?].concat()))
}

/// The TPMS_ID_OBJECT: the secret encrypted under one key from the seed, and authenticated together with the
/// name under another.
fn lock(
    Protection { hash, cipher }: Protection,
    seed: &[u8],
    name: &[u8],
    secret: &[u8; 32],
) -> Result<Vec<u8>, AttestationError> {
    let mut identity = Zeroizing::new(sized(secret)?);
    let key = derive(hash, seed, STORAGE, name, cipher.bits());
    // The key is fresh for each secret, so the initial value may always be the same.
    let refused = |_| Malformed("key size");
    match cipher {
        Cipher::Aes128 => {
            Encryptor::<Aes128>::new_from_slices(&key, &[0; 16]).map_err(refused)?.encrypt(&mut identity);
        }
        Cipher::Aes256 => {
            Encryptor::<Aes256>::new_from_slices(&key, &[0; 16]).map_err(refused)?.encrypt(&mut identity);
        }
    }
    let key = derive(hash, seed, INTEGRITY, &[], hash.bits());
    let mut integrity = hmac::Context::with_key(&hmac::Key::new(authentication(hash), &key));
    integrity.update(&identity);
    integrity.update(name);
    Ok([sized(integrity.sign().as_ref())?.as_slice(), &identity].concat())
}

/// KDFe: a seed as long as a digest, which is one round of the function.
fn seed_of(hash: NameHash, shared: &[u8], ephemeral_x: &[u8], ek_x: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut round = digest::Context::new(hash.algorithm());
    for part in [1_u32.to_be_bytes().as_slice(), shared, IDENTITY.as_bytes(), ephemeral_x, ek_x] {
        round.update(part);
    }
    Zeroizing::new(round.finish().as_ref().to_vec())
}

/// KDFa: a key of no more bits than a digest has, which is one round of the function.
fn derive(hash: NameHash, seed: &[u8], label: &str, context: &[u8], bits: u16) -> Zeroizing<Vec<u8>> {
    let mut round = hmac::Context::with_key(&hmac::Key::new(authentication(hash), seed));
    let length = u32::from(bits).to_be_bytes();
    for part in [1_u32.to_be_bytes().as_slice(), label.as_bytes(), context, &length] {
        round.update(part);
    }
    Zeroizing::new(round.sign().as_ref().iter().copied().take(usize::from(bits / 8)).collect())
}

fn authentication(hash: NameHash) -> hmac::Algorithm {
    match hash {
        NameHash::Sha256 => hmac::HMAC_SHA256,
        NameHash::Sha384 => hmac::HMAC_SHA384,
    }
}

/// A TPM2B.
fn sized(bytes: &[u8]) -> Result<Vec<u8>, AttestationError> {
    let length = u16::try_from(bytes.len()).map_err(|_| Malformed("too long"))?;
    Ok([length.to_be_bytes().as_slice(), bytes].concat())
}

/// The system's random numbers for a library that expects them never to fail: it fails afterwards.
struct Source {
    failed: bool,
}

impl RngCore for Source {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.failed |= getrandom::fill(bytes).is_err();
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), RandError> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Source {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attestation::fixtures::*;

    const SHA256_AES128: Protection = Protection { hash: NameHash::Sha256, cipher: Cipher::Aes128 };
    const SHA384_AES256: Protection = Protection { hash: NameHash::Sha384, cipher: Cipher::Aes256 };
    /// Of the key and secret that tpm2_makecredential 5.4 (`-T none`) was given for what is below.
    const TOOL_NAME: &str = "000b8fa3aab2faa9b79e0a0398da5b5abd0780142442a5be80b9a64608d718cb1fcd";
    const TOOL_RSA: &str = "\
        6aabcaa7fe68063980fdf133508a630a91d371702ae8f884d91ebada28495c39f48033cd03ac5ce223052d4ad3c16fee\
        5e9988bdc731cb357e1b9212ebab586e0af72d5963260e7d1061e83cedb5398466402350203018e50dd0f1d43089e213\
        1bfb35f8788f83aa76925801db9babe486ea0a9ee4a43ceffce999f4901f3af75dc18d11872238484e45f77bb7972952\
        ec9a11aaf1e16e9810fdc9bf2ba26d981d65094ba57d5c8ef6372d3823d886361ff5cc198f77b0d104d9059e5eb1a8bd\
        b47a74a7d837d2281b6024f94e9892cb22126d5444c3c2548a9b8a9428ab0940da4b6610d461165b2cb433917758ccd6\
        8e27cd043b880e523632adcccb329449";
    const TOOL_RSA_OBJECT: &str = "\
        0020ea75e80e424ed35a62eec8708bce3c25e6655f7c39f716126e09a36b4847e78924a05d5f282070bbbb62fb7ad070\
        cc4ca6f08a7ce45f7a668b9e1b549eb8c3779ace";
    const TOOL_ECC: &str = "\
        0030bc273adb92b06d4b8751a7c15381f1c21007025c4056b0a3186c51df844ba4755fa2473fdff71b150e9aaeabb1e6\
        08cf00302fcfcc152b89e8fd3d112d7def6a54869636c27dbecbd5187c029a617da2669e5bc0e4204fca000ba72d2b10\
        85f25075";
    const TOOL_ECC_OBJECT: &str = "\
        0030e69066128e653ee574490c71b3ac2f377345c0f8713be241dae22b42b08aa2188b85951b31e08eeaf9413d01c251\
        82a5af7dc2f3e73edeb8189353a5dfd6509c1771b5da0db617f95e4a364a93465aef56dd";

    fn tool_secret() -> [u8; 32] {
        std::array::from_fn(|i| i as u8)
    }

    /// The seed, as the TPM with the private half finds it.
    fn unwrap_rsa(hash: NameHash, ciphertext: &[u8]) -> Vec<u8> {
        let padding = match hash {
            NameHash::Sha256 => Oaep::new_with_label::<rsa::sha2::Sha256, _>("IDENTITY\0"),
            NameHash::Sha384 => Oaep::new_with_label::<rsa::sha2::Sha384, _>("IDENTITY\0"),
        };
        rsa_private().decrypt(padding, ciphertext).unwrap()
    }

    /// The same with P-384, from a marshalled point.
    fn unwrap_ecc(hash: NameHash, point: &[u8]) -> Vec<u8> {
        assert_eq!((point.len(), &point[..2], &point[50..52]), (100, &[0, 48][..], &[0, 48][..]));
        let (x, y) = (&point[2..50], &point[52..]);
        let secret = p384::SecretKey::from_slice(&hex(ECC_SECRET)).unwrap();
        let own = ecc_area(ECC_STORAGE);
        let peer = p384::PublicKey::from_sec1_bytes(&[[4_u8].as_slice(), x, y].concat()).unwrap();
        let shared = p384::ecdh::diffie_hellman(secret.to_nonzero_scalar(), peer.as_affine());
        seed_of(hash, shared.raw_secret_bytes(), x, &own[72..120]).to_vec()
    }

    #[test]
    fn what_tpm2_makecredential_locked_is_locked_alike() {
        let seed = unwrap_rsa(NameHash::Sha256, &hex(TOOL_RSA));
        let object = lock(SHA256_AES128, &seed, &hex(TOOL_NAME), &tool_secret()).unwrap();
        assert_eq!(object, hex(TOOL_RSA_OBJECT));
        let seed = unwrap_ecc(NameHash::Sha384, &hex(TOOL_ECC));
        let object = lock(SHA384_AES256, &seed, &hex(TOOL_NAME), &tool_secret()).unwrap();
        assert_eq!(object, hex(TOOL_ECC_OBJECT));
    }

    #[test]
    fn the_holder_of_the_endorsement_key_finds_the_seed() {
        let EndorsementPublic::Rsa2048 { modulus, .. } = rsa_public() else {
            panic!("it is RSA");
        };
        let EndorsementPublic::P384 { x, y, .. } = ecc_public() else {
            panic!("it is P-384");
        };
        for protection in [SHA256_AES128, SHA384_AES256] {
            let rsa = EndorsementPublic::Rsa2048 { modulus, protection };
            let made = make(&rsa, &[9; NAME], &[3; 32]).unwrap();
            let seed = unwrap_rsa(protection.hash, &made.encrypted_secret);
            assert_eq!(made.id_object, lock(protection, &seed, &[9; NAME], &[3; 32]).unwrap());
            let ecc = EndorsementPublic::P384 { x, y, protection };
            let made = make(&ecc, &[9; NAME], &[3; 32]).unwrap();
            let seed = unwrap_ecc(protection.hash, &made.encrypted_secret);
            assert_eq!(made.id_object, lock(protection, &seed, &[9; NAME], &[3; 32]).unwrap());
        }
    }

    #[test]
    fn no_two_credentials_are_alike() {
        for ek in [rsa_public(), ecc_public()] {
            let [one, other] = [(); 2].map(|()| make(&ek, &[9; NAME], &[3; 32]).unwrap());
            assert_ne!(one.id_object, other.id_object);
            assert_ne!(one.encrypted_secret, other.encrypted_secret);
        }
    }

    #[test]
    fn name_seed_and_secret_all_decide() {
        let made = lock(SHA256_AES128, &[1; 32], &[9; NAME], &[3; 32]).unwrap();
        assert_ne!(lock(SHA256_AES128, &[2; 32], &[9; NAME], &[3; 32]).unwrap(), made);
        assert_ne!(lock(SHA256_AES128, &[1; 32], &[8; NAME], &[3; 32]).unwrap(), made);
        assert_ne!(lock(SHA256_AES128, &[1; 32], &[9; NAME], &[4; 32]).unwrap(), made);
        assert_eq!(made.len(), 2 + 32 + 2 + 32);
    }

    #[test]
    fn an_odd_name_or_key_is_refused() {
        for length in [0, NAME - 1, NAME + 1] {
            assert_eq!(make(&rsa_public(), &vec![9; length], &[3; 32]), Err(Malformed("name")));
        }
        let protection = SHA384_AES256;
        for (x, y) in [([0; 48], [0; 48]), ([1; 48], [1; 48]), ([0xff; 48], [0xff; 48])] {
            let off_the_curve = EndorsementPublic::P384 { x, y, protection };
            assert!(matches!(make(&off_the_curve, &[9; NAME], &[3; 32]), Err(Malformed(_))));
        }
        for modulus in [[0; 256], [0xfe; 256]] {
            let even = EndorsementPublic::Rsa2048 { modulus, protection };
            assert_eq!(make(&even, &[9; NAME], &[3; 32]), Err(Malformed("modulus")));
        }
    }
}
