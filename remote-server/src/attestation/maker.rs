//! A TPM maker of the tests: a root, an authority below it, and a certificate of one endorsement key. Each
//! test spoils one thing of it.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
};

use super::AttestationError;
use super::ek_certificate::{Roots, Vendor, check};
use super::public_area::{Cipher, EndorsementPublic, NameHash, Protection};

/// In November 2026.
pub const NOW: u64 = 1_795_000_000;
pub const MAKE: [(u8, &str); 3] = [(1, "id:00001014"), (2, "a model"), (3, "id:00010002")];

/// A maker's authority, and what it says of one endorsement key.
pub struct Case {
    pub leaf: CertificateParams,
    pub authority: CertificateParams,
    pub key: KeyPair,
    pub ek: EndorsementPublic,
}

impl Case {
    pub fn new() -> Self {
        let mut leaf = CertificateParams::default();
        leaf.key_usages = vec![KeyUsagePurpose::KeyAgreement];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(vec![2, 23, 133, 8, 1])];
        leaf.custom_extensions = vec![alternative_names(&MAKE, true)];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let (x, y) = key.public_key_raw()[1..].split_at(48);
        let (x, y) = (x.try_into().unwrap(), y.try_into().unwrap());
        let protection = Protection { hash: NameHash::Sha384, cipher: Cipher::Aes256 };
        let ek = EndorsementPublic::P384 { x, y, protection };
        Self { leaf, authority: authority("a maker"), key, ek }
    }

    /// The root in PEM, the authority below it, and the certificate.
    pub fn issue(&self) -> (String, Vec<u8>, Vec<u8>) {
        let [root, middle] = [(); 2].map(|()| KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap());
        let root = CertifiedIssuer::self_signed(authority("a root"), root).unwrap();
        let middle = CertifiedIssuer::signed_by(self.authority.clone(), middle, &root).unwrap();
        let leaf = self.leaf.signed_by(&self.key, &middle).unwrap();
        (root.pem(), middle.der().to_vec(), leaf.der().to_vec())
    }

    pub fn check(&self) -> Result<Vendor, AttestationError> {
        let (root, middle, leaf) = self.issue();
        check(&leaf, &[middle], &Roots::from_pem(&root).unwrap(), NOW, &self.ek)
    }
}

/// What becomes of a case with this change.
pub fn with(change: impl FnOnce(&mut Case)) -> Result<Vendor, AttestationError> {
    let mut case = Case::new();
    change(&mut case);
    case.check()
}

fn authority(name: &str) -> CertificateParams {
    let mut authority = CertificateParams::default();
    authority.distinguished_name = DistinguishedName::new();
    authority.distinguished_name.push(DnType::CommonName, name);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority
}

/// Subject alternative names: one directory name with these attributes below 2.23.133.2.
pub fn alternative_names(attributes: &[(u8, &str)], critical: bool) -> CustomExtension {
    let attribute = |(number, value): &(u8, &str)| {
        let kind = der(0x06, &[0x67, 0x81, 0x05, 0x02, *number]);
        der(0x31, &der(0x30, &[kind, der(0x0c, value.as_bytes())].concat()))
    };
    let name = der(0x30, &attributes.iter().flat_map(attribute).collect::<Vec<u8>>());
    let mut names = CustomExtension::from_oid_content(&[2, 5, 29, 17], der(0x30, &der(0xa4, &name)));
    names.set_criticality(critical);
    names
}

pub fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    let head = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
    [head.as_slice(), content].concat()
}
