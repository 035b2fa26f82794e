//! What the tests of this folder share: public areas as a TPM marshals them, and keys whose private half
//! is known.

use rsa::traits::PublicKeyParts;
use rsa::{BigUint, RsaPrivateKey};

use super::public_area::EndorsementPublic;

/// fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, sign.
pub const SIGNING: u32 = 0x0004_0472;
/// The same, restricted.
pub const ATTESTING: u32 = 0x0005_0472;
/// The TCG's template L-1: fixedTPM, fixedParent, sensitiveDataOrigin, adminWithPolicy, restricted, decrypt.
pub const RSA_STORAGE: u32 = 0x0003_00b2;
/// The TCG's template H-3: the same and userWithAuth.
pub const ECC_STORAGE: u32 = 0x0003_00f2;

/// The private scalar of [`ecc_public`], and its coordinates.
pub const ECC_SECRET: &str = "6620b228f98513d2704ce5c4fa39c20cd00d999dec9bfa7bdde3f795a9e196808963eee4acbf73ae\
    1407bc979dea7fa2";
const ECC_X: &str = "23ca9951a95e67cc75369536072405fc6579a5c187bd03bb2d8a3394229e53148fcf1d620dbd6917\
    080f9ceeca1a6ec8";
const ECC_Y: &str = "4f92d6f8bb8c9e2e3fedbe90763cac77019596c918d0b2dffd5bd7deb111e561149f58f63ab5b483\
    ac30e7a41c08aee4";

/// The primes of [`rsa_public`].
const RSA_P: &str = "\
    d9f398e0e03d454b3c36d6cb47a08f84e7f14b51ca860f0f789520058717a77302b666c0468e58b4cee454f20583616e\
    09d0c60b173bebd18e73bc641fdeff8e8fda5270df43664fd736bf23ebf01fdb95de7fb6972fc69ba3141802a7824635\
    a3b845685b65cac4140052a21fbedf630071100f4033a99d9bbd8d0fdd87f661";
const RSA_Q: &str = "\
    d5ec71a6c82f40aef8ed09c51b65d4361ec0d5af180c39d3c4d8679c50363b9b76937afb680ed7d4e556f5d3567fc5e4\
    58df8dcd4314845d4cf73eff5c1ffc90e65a7cc86b64855fcb246660072fcc218abe33dc32f0f163f0c931db8b774ca0\
    c093ef2d61033881ee7e418415093dd05cdc79cb7f2b63843b5d8248ce1dbab5";

pub fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

pub fn sized(bytes: &[u8]) -> Vec<u8> {
    [u16::try_from(bytes.len()).unwrap().to_be_bytes().as_slice(), bytes].concat()
}

/// The TPMT_PUBLIC of a P-256 key for ECDSA with SHA-256.
pub fn p256_area(attributes: u32) -> Vec<u8> {
    let parameters = hex("000000100018000b00030010");
    [head([0x00, 0x23, 0x00, 0x0b], attributes), parameters, sized(&[0x11; 32]), sized(&[0x22; 32])].concat()
}

/// The TPMT_PUBLIC of an RSA-2048 endorsement key, by the template L-1.
pub fn rsa_area(attributes: u32) -> Vec<u8> {
    let parameters = hex("0006008000430010080000000000");
    let modulus = rsa_private().n().to_bytes_be();
    [head([0x00, 0x01, 0x00, 0x0b], attributes), sized(&[7; 32]), parameters, sized(&modulus)].concat()
}

/// The TPMT_PUBLIC of a P-384 endorsement key, by the template H-3.
pub fn ecc_area(attributes: u32) -> Vec<u8> {
    let parameters = hex("000601000043001000040010");
    let point = [sized(&hex(ECC_X)), sized(&hex(ECC_Y))].concat();
    [head([0x00, 0x23, 0x00, 0x0c], attributes), sized(&[7; 48]), parameters, point].concat()
}

/// Type, name algorithm and attributes.
fn head(kind: [u8; 4], attributes: u32) -> Vec<u8> {
    [kind, attributes.to_be_bytes()].concat()
}

pub fn rsa_public() -> EndorsementPublic {
    EndorsementPublic::parse(&rsa_area(RSA_STORAGE)).unwrap()
}

pub fn ecc_public() -> EndorsementPublic {
    EndorsementPublic::parse(&ecc_area(ECC_STORAGE)).unwrap()
}

/// The private half of [`rsa_public`].
pub fn rsa_private() -> RsaPrivateKey {
    let number = |text| BigUint::from_bytes_be(&hex(text));
    RsaPrivateKey::from_p_q(number(RSA_P), number(RSA_Q), BigUint::from(65_537_u32)).unwrap()
}
