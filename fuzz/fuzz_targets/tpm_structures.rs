//! Bytes as what a device says of its TPM: nothing that the fuzzer can write is certified, a key is taken only
//! under its own name, and what a maker's certificate calls a TPM can be printed.
#![no_main]

// The folder itself, without the crate around it: the server brings a TPM library, a web server and two
// databases.
#[allow(dead_code)]
#[path = "../../remote-server/src/attestation/mod.rs"]
mod attestation;

use std::slice;
use std::sync::LazyLock;

use attestation::ek_certificate::Roots;
use attestation::public_area::{Cipher, EccPublic, EndorsementPublic, NAME, NameHash, Protection};
use attestation::{AttestationError, certification, credential, ek_certificate};
use libfuzzer_sys::fuzz_target;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use sha2::{Digest, Sha256};

/// In November 2026.
const NOW: u64 = 1_795_000_000;
const EK: EndorsementPublic = EndorsementPublic::P384 {
    x: [1; 48],
    y: [2; 48],
    protection: Protection { hash: NameHash::Sha384, cipher: Cipher::Aes256 },
};

/// An authority of no TPM maker, and its key.
const ROOT: &str = "
-----BEGIN CERTIFICATE-----
MIIBhjCCAS2gAwIBAgIUYT0w5LtwsAJc5noXdhdyC1BQxG4wCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGbm9ib2R5MB4XDTI2MTEyMzAzMjExMFoXDTM2MTEyMDAzMjEx
MFowETEPMA0GA1UEAwwGbm9ib2R5MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
ZDgVVuB7Mgtx2Hj/q05dECEXmOc9bD1G85dGJ2YvK6OqsMorgj6EgjES56lC6Oxf
v4ulXzhhlDXXCl817+JvVaNjMGEwHQYDVR0OBBYEFA5h6HXatDxPucxBJb1sB0fB
rXc2MB8GA1UdIwQYMBaAFA5h6HXatDxPucxBJb1sB0fBrXc2MA8GA1UdEwEB/wQF
MAMBAf8wDgYDVR0PAQH/BAQDAgIEMAoGCCqGSM49BAMCA0cAMEQCICgGxFazZGPb
sck/4y+FZIGmWyv0pFPJynZhn5j6SzQMAiBhCeq912WQFNDlV3G37AwL0GjTt5SG
S8AJlvryS0kVHQ==
-----END CERTIFICATE-----
";
const PRIVATE: [u8; 32] = [
    0x05, 0xf8, 0x9c, 0x69, 0x8f, 0x07, 0x31, 0x92, 0xf5, 0x4d, 0xd1, 0x5f, 0x7d, 0x38, 0xe2, 0xd9, 0xb1,
    0xac, 0xe9, 0xb1, 0x11, 0xec, 0x1b, 0x87, 0x98, 0x3c, 0x9c, 0xcf, 0x0a, 0x63, 0x47, 0x5e,
];
const PUBLIC: [u8; 65] = [
    0x04, 0x64, 0x38, 0x15, 0x56, 0xe0, 0x7b, 0x32, 0x0b, 0x71, 0xd8, 0x78, 0xff, 0xab, 0x4e, 0x5d, 0x10,
    0x21, 0x17, 0x98, 0xe7, 0x3d, 0x6c, 0x3d, 0x46, 0xf3, 0x97, 0x46, 0x27, 0x66, 0x2f, 0x2b, 0xa3, 0xaa,
    0xb0, 0xca, 0x2b, 0x82, 0x3e, 0x84, 0x82, 0x31, 0x12, 0xe7, 0xa9, 0x42, 0xe8, 0xec, 0x5f, 0xbf, 0x8b,
    0xa5, 0x5f, 0x38, 0x61, 0x94, 0x35, 0xd7, 0x0a, 0x5f, 0x35, 0xef, 0xe2, 0x6f, 0x55,
];
static ROOTS: LazyLock<Roots> = LazyLock::new(|| Roots::from_pem(ROOT).expect("a root"));
static KEY: LazyLock<EcdsaKeyPair> = LazyLock::new(|| {
    let (algorithm, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
    EcdsaKeyPair::from_private_key_and_public_key(algorithm, &PRIVATE, &PUBLIC, &random).expect("a key")
});

/// The first byte chooses who reads, the rest is what is read.
fn run(data: &[u8]) {
    let Some((&which, bytes)) = data.split_first() else {
        return;
    };
    match which % 7 {
        0 => key(EccPublic::signing_key(bytes), bytes),
        1 => key(EccPublic::attestation_key(bytes), bytes),
        2 => endorsement_key(bytes),
        3 => statement(bytes),
        4 => certificate(bytes),
        5 => certified(bytes),
        _ => roots(bytes),
    }
}

fn key(read: Result<EccPublic, AttestationError>, bytes: &[u8]) {
    if let Ok(key) = read {
        assert_eq!(key.name[..2], [0x00, 0x0b]);
        assert_eq!(key.name[2..], Sha256::digest(bytes)[..]);
    }
}

/// To any RSA key that is taken something can be encrypted, and to any point of the curve.
fn endorsement_key(bytes: &[u8]) {
    let Ok(key) = EndorsementPublic::parse(bytes) else {
        return;
    };
    let length = match credential::make(&key, &[1; NAME], &[2; 32]) {
        Ok(made) => Some(made.encrypted_secret.len()),
        Err(AttestationError::Malformed(_)) => None,
        Err(error) => panic!("{error}"),
    };
    match key {
        EndorsementPublic::Rsa2048 { .. } => assert_eq!(length, Some(256)),
        EndorsementPublic::P384 { .. } => assert!(length.is_none_or(|l| l == 100)),
    }
}

/// The first 64 bytes are the signature of the rest.
fn statement(bytes: &[u8]) {
    let Some((signature, attest)) = bytes.split_first_chunk() else {
        return;
    };
    let by = EccPublic { attributes: 0, name: vec![0; NAME], point: PUBLIC, restricted: true };
    let certified = certification::check(attest, signature, &by, &[1; NAME], &[2; 32]);
    assert!(certified.is_err(), "a statement that was never signed");
}

/// A certificate that the authority did not sign, nor itself.
fn certificate(bytes: &[u8]) {
    if let Ok(key) = EndorsementPublic::parse(bytes) {
        let _ = (key.kind(), key.fingerprint());
    }
    let checked = ek_certificate::check(bytes, slice::from_ref(&bytes.to_vec()), &ROOTS, NOW, &EK);
    assert!(checked.is_err(), "a certificate that was never signed");
}

/// A careless authority signs what it likes: the first byte says which extensions, the rest is what stands in
/// the alternative names.
fn certified(bytes: &[u8]) {
    let Some((&flags, names)) = bytes.split_first() else {
        return;
    };
    let is = |bit: u8| flags & 1 << bit != 0;
    let mut extensions = extension(17, is(0), names);
    if is(1) {
        extensions.extend(extension(15, true, &[0x03, 0x02, 0x03, 0x08]));
    }
    if is(2) {
        let usage = der(0x06, &[0x67, 0x81, 0x05, 0x08, 0x01]);
        extensions.extend(extension(37, false, &der(0x30, &usage)));
    }
    let certificate = sign(is(3), &extensions);
    let checked = ek_certificate::check(&certificate, &[], &ROOTS, NOW, &EK);
    if let Ok(vendor) = checked {
        assert!(is(1) && is(2) && (is(0) || is(3)), "{vendor:?}");
        assert_eq!(vendor.manufacturer.len(), 11);
        for text in [vendor.manufacturer, vendor.model, vendor.version] {
            assert!(text.len() <= 64 && !text.chars().any(char::is_control), "{text:?}");
        }
    }
}

fn roots(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = Roots::from_pem(text);
    }
}

/// An extension 2.5.29.`number`.
fn extension(number: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
    der(0x30, &[der(0x06, &[0x55, 0x1d, number]).as_slice(), critical, &der(0x04, value)].concat())
}

/// A certificate of the endorsement key with these extensions.
fn sign(named: bool, extensions: &[u8]) -> Vec<u8> {
    let algorithm = der(0x30, &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]);
    let common_name = der(0x30, &[&[0x06, 0x03, 0x55, 0x04, 0x03][..], &der(0x0c, b"nobody")].concat());
    let name = der(0x30, &der(0x31, &common_name));
    let subject = if named { name.clone() } else { der(0x30, &[]) };
    let validity = [der(0x17, b"200101000000Z"), der(0x17, b"491231235959Z")].concat();
    let curve =
        [der(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]), der(0x06, &[0x2b, 0x81, 0x04, 0x00, 0x22])];
    let curve = der(0x30, &curve.concat());
    let point = der(0x03, &[[0_u8, 4].as_slice(), &[1; 48], &[2; 48]].concat());
    let content = [
        der(0xa0, &[0x02, 0x01, 0x02]),
        der(0x02, &[1]),
        algorithm.clone(),
        name,
        der(0x30, &validity),
        subject,
        der(0x30, &[curve, point].concat()),
        der(0xa3, &der(0x30, extensions)),
    ];
    let content = der(0x30, &content.concat());
    let signature = KEY.sign(&SystemRandom::new(), &content).expect("a signature");
    let signature = der(0x03, &[[0_u8].as_slice(), signature.as_ref()].concat());
    der(0x30, &[content, algorithm, signature].concat())
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    let head = match (high, low) {
        (0, 0..0x80) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head.as_slice(), content].concat()
}

fuzz_target!(|data: &[u8]| { run(data) });
