//! What a TPM and its maker write, as bytes: public areas, statements about keys, an endorsement key with its
//! certificate, and the activation of a credential. No TPM is asked.

use aes::Aes256;
use cfb_mode::Decryptor;
use cfb_mode::cipher::KeyIvInit;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
};
use ring::{digest, hmac};
use vultus_protocol::PublicKey;

/// fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, sign.
pub const SIGNING: u32 = 0x0004_0472;
/// The same, restricted.
pub const ATTESTING: u32 = 0x0005_0472;
/// fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, adminWithPolicy, restricted, decrypt.
const STORAGE: u32 = 0x0003_00f2;

/// TPMT_PUBLIC of a P-256 key for ECDSA with SHA-256.
pub fn public_area(attributes: u32, key: &PublicKey) -> Vec<u8> {
    // ECC, name by SHA-256, attributes, no policy; no cipher, ECDSA, SHA-256, P-256, no key derivation.
    let head = [[0x00, 0x23, 0x00, 0x0b], attributes.to_be_bytes()].concat();
    let rest = [0x00, 0x00, 0x00, 0x10, 0x00, 0x18, 0x00, 0x0b, 0x00, 0x03, 0x00, 0x10];
    let (x, y) = key.as_bytes()[1..].split_at(32);
    [head, rest.to_vec(), buffer(x), buffer(y)].concat()
}

/// What a TPM calls the key of this public area.
pub fn name(public: &[u8]) -> Vec<u8> {
    [[0x00, 0x0b].as_slice(), digest::digest(&digest::SHA256, public).as_ref()].concat()
}

/// TPMS_ATTEST: a key of this name lives here.
pub fn statement(name: &[u8], qualifying: &[u8]) -> Vec<u8> {
    // TPM_GENERATED_VALUE and TPM_ST_ATTEST_CERTIFY.
    let head = vec![0xff, 0x54, 0x43, 0x47, 0x80, 0x17];
    // Clock, resets, restarts, whether the clock is safe, firmware.
    let clock = [vec![0; 8], vec![0, 0, 0, 1], vec![0, 0, 0, 2, 1], vec![0; 8]].concat();
    [head, buffer(&[5; 34]), buffer(qualifying), clock, buffer(name), buffer(&[6; 34])].concat()
}

/// A TPM2B.
fn buffer(bytes: &[u8]) -> Vec<u8> {
    [u16::try_from(bytes.len()).unwrap().to_be_bytes().as_slice(), bytes].concat()
}

/// A P-384 endorsement key, certified by a maker of its own.
pub struct Endorsement {
    secret: p384::SecretKey,
    point: Vec<u8>,
    /// DER.
    pub certificate: Vec<u8>,
    /// The maker's root, PEM.
    pub root: String,
}

impl Endorsement {
    pub fn new() -> Self {
        let maker = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let maker = CertifiedIssuer::self_signed(authority(), maker).unwrap();
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let mut leaf = CertificateParams::default();
        leaf.key_usages = vec![KeyUsagePurpose::KeyAgreement];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(vec![2, 23, 133, 8, 1])];
        leaf.custom_extensions = vec![make_of_tpm()];
        let certificate = leaf.signed_by(&key, &maker).unwrap();
        Self {
            secret: p384::SecretKey::from_slice(&scalar_of(&key.serialize_der())).unwrap(),
            point: key.public_key_raw()[1..].to_vec(),
            certificate: certificate.der().to_vec(),
            root: maker.pem(),
        }
    }

    /// TPMT_PUBLIC, by the TCG's template H-3.
    pub fn public(&self) -> Vec<u8> {
        let head = [[0x00, 0x23, 0x00, 0x0c], STORAGE.to_be_bytes()].concat();
        // AES-256 in CFB mode, no scheme, P-384, no key derivation.
        let rest = [0x00, 0x06, 0x01, 0x00, 0x00, 0x43, 0x00, 0x10, 0x00, 0x04, 0x00, 0x10];
        let (x, y) = self.point.split_at(48);
        [head, buffer(&[7; 48]), rest.to_vec(), buffer(x), buffer(y)].concat()
    }

    /// TPM2_ActivateCredential: the secret, for the key of this name.
    pub fn activate(&self, name: &[u8], id_object: &[u8], encrypted_secret: &[u8]) -> Vec<u8> {
        let (x, y) = (&encrypted_secret[2..50], &encrypted_secret[52..100]);
        let peer = p384::PublicKey::from_sec1_bytes(&[[4].as_slice(), x, y].concat()).unwrap();
        let shared = p384::ecdh::diffie_hellman(self.secret.to_nonzero_scalar(), peer.as_affine());
        let shared = shared.raw_secret_bytes().as_slice();
        let own_x = &self.point[..48];
        let seed = [[0, 0, 0, 1].as_slice(), shared, b"IDENTITY\0", x, own_x].concat();
        let seed = digest::digest(&digest::SHA384, &seed);
        let context = [[0, 0, 0, 1].as_slice(), b"STORAGE\0", name, &[0, 0, 1, 0]].concat();
        let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA384, seed.as_ref()), &context);
        // An HMAC of 48 bytes stands before what is encrypted.
        let mut identity = id_object[50..].to_vec();
        Decryptor::<Aes256>::new_from_slices(&key.as_ref()[..32], &[0; 16]).unwrap().decrypt(&mut identity);
        identity[2..].to_vec()
    }
}

/// The scalar in a PKCS #8 document: version 1 of an ECPrivateKey, then an OCTET STRING of 48 bytes.
fn scalar_of(document: &[u8]) -> Vec<u8> {
    let head = [0x02, 0x01, 0x01, 0x04, 0x30];
    let place = document.windows(head.len()).position(|window| window == head).unwrap() + head.len();
    document[place..place + 48].to_vec()
}

fn authority() -> CertificateParams {
    let mut authority = CertificateParams::default();
    authority.distinguished_name = DistinguishedName::new();
    authority.distinguished_name.push(DnType::CommonName, "a maker");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority
}

/// Subject alternative names: one directory name with manufacturer, model and version of the TPM.
fn make_of_tpm() -> CustomExtension {
    let attribute = |(number, value): (u8, &str)| {
        let kind = der(0x06, &[0x67, 0x81, 0x05, 0x02, number]);
        der(0x31, &der(0x30, &[kind, der(0x0c, value.as_bytes())].concat()))
    };
    let make = [(1, "id:00001014"), (2, "a model"), (3, "id:00010002")].map(attribute).concat();
    let names = der(0x30, &der(0xa4, &der(0x30, &make)));
    let mut names = CustomExtension::from_oid_content(&[2, 5, 29, 17], names);
    names.set_criticality(true);
    names
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    let head = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
    [head, content.to_vec()].concat()
}
