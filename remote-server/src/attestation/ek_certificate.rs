//! Endorsement key certificates (TCG EK Credential Profile): decides whether a TPM's maker, under a root that
//! the administrator trusts, certified this endorsement key. It fetches nothing, and does not ask whether the
//! certificate was revoked.

use x509_parser::asn1_rs::Tag;
use x509_parser::certificate::X509Certificate;

use super::AttestationError::{self, KeyMismatch, Malformed, WrongUse};
pub use super::chain::Roots;
use super::chain::{self, EK_USAGE, parse};
use super::public_area::EndorsementPublic;
pub use super::vendor::Vendor;

// Algorithms and the curve, in DER.
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// Some makers say that way that the key only decrypts.
const RSAES_OAEP: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const SECP384R1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];

// An RSAPublicKey in DER but for its modulus, where that has 2048 bits and the exponent is 65537.
const RSA_BEFORE: &[u8] = &[0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00];
const RSA_AFTER: &[u8] = &[0x02, 0x03, 0x01, 0x00, 0x01];

/// Checks the certificate of this endorsement key at this time (seconds since 1970), by way of any of the
/// intermediate certificates, and says what make of TPM it is.
pub fn check(
    certificate: &[u8],
    intermediates: &[Vec<u8>],
    roots: &Roots,
    now_unix: u64,
    ek: &EndorsementPublic,
) -> Result<Vendor, AttestationError> {
    chain::check(certificate, intermediates, roots, now_unix)?;
    let leaf = parse(certificate)?;
    if !certifies(&leaf, ek) {
        return Err(KeyMismatch);
    }
    check_usage(&leaf, ek)?;
    Vendor::read(&leaf)
}

/// Whether the certificate's key is this one. DER has one spelling for a key, so bytes are compared.
fn certifies(certificate: &X509Certificate<'_>, ek: &EndorsementPublic) -> bool {
    let key = certificate.public_key();
    let algorithm = key.algorithm.algorithm.as_bytes();
    let (fits, expected) = match ek {
        EndorsementPublic::Rsa2048 { modulus, .. } => {
            let fits = algorithm == RSA_ENCRYPTION || algorithm == RSAES_OAEP;
            (fits, [RSA_BEFORE, modulus, RSA_AFTER].concat())
        }
        EndorsementPublic::P384 { x, y, .. } => {
            let curve = key.algorithm.parameters.as_ref();
            let fits = curve.is_some_and(|c| c.tag() == Tag::Oid && c.data == SECP384R1);
            (fits && algorithm == EC_PUBLIC_KEY, [[4_u8].as_slice(), x, y].concat())
        }
    };
    fits && key.subject_public_key.unused_bits == 0 && key.subject_public_key.data[..] == expected[..]
}

/// An endorsement key decrypts (RSA) or agrees on keys (elliptic), and never signs a certificate.
fn check_usage(certificate: &X509Certificate<'_>, ek: &EndorsementPublic) -> Result<(), AttestationError> {
    let purposes = certificate.extended_key_usage().map_err(|_| Malformed("extended key usage"))?;
    if !purposes.is_some_and(|p| p.value.other.iter().any(|purpose| purpose.as_bytes() == EK_USAGE)) {
        return Err(WrongUse);
    }
    let usage = certificate.key_usage().map_err(|_| Malformed("key usage"))?.ok_or(WrongUse)?.value;
    let encrypts = match ek {
        EndorsementPublic::Rsa2048 { .. } => usage.key_encipherment(),
        EndorsementPublic::P384 { .. } => usage.key_agreement(),
    };
    if encrypts && !usage.key_cert_sign() { Ok(()) } else { Err(WrongUse) }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};

    use super::*;
    use crate::attestation::fixtures::{ecc_public, rsa_public};
    use crate::attestation::maker::{Case, MAKE, NOW, with};

    #[test]
    fn a_certified_key_is_taken_and_its_make_is_told() {
        let vendor = Case::new().check().unwrap();
        assert_eq!(
            [vendor.manufacturer, vendor.model, vendor.version],
            MAKE.map(|(_, value)| value.to_owned())
        );
    }

    #[test]
    fn a_certificate_for_another_use_is_refused() {
        type Change = fn(&mut Case);
        let changes: [Change; 8] = [
            |c| c.leaf.extended_key_usages.clear(),
            |c| c.leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(vec![2, 23, 133, 8, 2])],
            |c| c.leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any],
            |c| c.leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            |c| c.leaf.key_usages.clear(),
            |c| c.leaf.key_usages = vec![KeyUsagePurpose::KeyEncipherment],
            |c| c.leaf.key_usages.push(KeyUsagePurpose::KeyCertSign),
            |c| c.leaf.custom_extensions.clear(),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            assert_eq!(with(change), Err(WrongUse), "change {number}");
        }
        assert!(with(|c| c.leaf.is_ca = IsCa::ExplicitNoCa).is_ok());
    }

    #[test]
    fn the_certificate_of_another_key_is_refused() {
        assert_eq!(with(|c| c.ek = ecc_public()), Err(KeyMismatch));
        assert_eq!(with(|c| c.ek = rsa_public()), Err(KeyMismatch));
    }

    #[test]
    fn a_part_of_a_certificate_or_more_than_one_is_refused() {
        let case = Case::new();
        let (root, middle, leaf) = case.issue();
        let roots = Roots::from_pem(&root).unwrap();
        let taken = |leaf: &[u8]| check(leaf, slice::from_ref(&middle), &roots, NOW, &case.ek).is_ok();
        assert!(taken(&leaf));
        for length in 0..leaf.len() {
            assert!(!taken(&leaf[..length]), "{length} bytes");
        }
        for more in [vec![0], leaf.clone(), vec![0; 9000]] {
            assert!(!taken(&[leaf.as_slice(), &more].concat()));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600),
            text in ".{0,200}",
        ) {
            let case = Case::new();
            let roots = Roots::from_pem(&case.issue().0).unwrap();
            proptest::prop_assert!(check(&bytes, slice::from_ref(&bytes), &roots, NOW, &case.ek).is_err());
            proptest::prop_assert!(Roots::from_pem(&text).is_err());
        }
    }
}
