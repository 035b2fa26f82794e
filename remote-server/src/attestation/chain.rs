//! The chain above an endorsement certificate: decides whether it leads to an authority that the administrator
//! trusts, and whether all of it is valid now. What the certificate is for, it does not decide, nor whether it
//! was revoked.

use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};
use x509_parser::certificate::X509Certificate;

use super::AttestationError::{self, Expired, Malformed, Unsupported, Untrusted, WrongUse};

/// tcg-kp-EKCertificate (2.23.133.8.1), in DER.
pub const EK_USAGE: &[u8] = &[0x67, 0x81, 0x05, 0x08, 0x01];

/// Makers' certificates have 1 to 2 KiB.
const LONGEST: usize = 8 * 1024;
const MOST_INTERMEDIATES: usize = 8;

/// The certificate authorities in which the administrator trusts. Their own validity is not looked at, nor
/// who certified them: what is configured is trusted.
#[derive(Debug, Clone)]
pub struct Roots(Vec<TrustAnchor<'static>>);

impl Roots {
    /// One or more certificates in PEM. Text between them is skipped. Makers publish intermediate authorities
    /// as well as roots: both serve.
    pub fn from_pem(text: &str) -> Result<Self, AttestationError> {
        let mut anchors = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
            let certificate = certificate.map_err(|_| Malformed("root certificate"))?;
            if !parse(&certificate)?.is_ca() {
                return Err(WrongUse);
            }
            let anchor = webpki::anchor_from_trusted_cert(&certificate).map_err(refusal)?;
            anchors.push(anchor.to_owned());
        }
        if anchors.is_empty() { Err(Malformed("no root certificate")) } else { Ok(Self(anchors)) }
    }
}

/// Checks signatures, validity, constraints and critical extensions, from the certificate up to a root.
pub fn check(
    certificate: &[u8],
    intermediates: &[Vec<u8>],
    roots: &Roots,
    now_unix: u64,
) -> Result<(), AttestationError> {
    let longest = intermediates.iter().map(Vec::len).fold(certificate.len(), usize::max);
    if longest > LONGEST || intermediates.len() > MOST_INTERMEDIATES {
        return Err(Malformed("too long a chain"));
    }
    let certificate = CertificateDer::from(certificate);
    let leaf = EndEntityCert::try_from(&certificate).map_err(refusal)?;
    let intermediates: Vec<CertificateDer<'_>> =
        intermediates.iter().map(|c| CertificateDer::from(c.as_slice())).collect();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now_unix));
    // Were the usage demanded, authorities would have to name it as well, which most do not.
    let usage = KeyUsage::required_if_present(EK_USAGE);
    // None of them is with SHA-1, or with RSA keys of less than 2048 bits.
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    leaf.verify_for_usage(algorithms, &roots.0, &intermediates, now, usage, None, Some(&only_signers))
        .map_err(refusal)?;
    Ok(())
}

/// The verifier asks whether issuers are authorities, but not whether they may sign certificates (RFC 5280,
/// 6.1.4 n).
fn only_signers(path: &VerifiedPath<'_>) -> Result<(), webpki::Error> {
    for issuer in path.intermediate_certificates() {
        let der = issuer.der();
        let issuer = parse(&der).map_err(|_| webpki::Error::BadDer)?;
        let usage = issuer.key_usage().map_err(|_| webpki::Error::BadDer)?;
        if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
            return Err(webpki::Error::EndEntityUsedAsCa);
        }
    }
    Ok(())
}

/// Exactly one certificate.
pub fn parse(der: &[u8]) -> Result<X509Certificate<'_>, AttestationError> {
    if der.len() > LONGEST {
        return Err(Malformed("too long a certificate"));
    }
    match x509_parser::parse_x509_certificate(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(Malformed("certificate")),
    }
}

/// What an error of the verifier, in the certificate or in one above it, means here.
fn refusal(error: webpki::Error) -> AttestationError {
    use webpki::Error;
    match error {
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } => Expired,
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension | Error::CaUsedAsEndEntity => {
            WrongUse
        }
        Error::UnsupportedCriticalExtension => Unsupported("a critical extension"),
        Error::UnsupportedCertVersion => Unsupported("a certificate of another version than 3"),
        Error::BadDer | Error::BadDerTime | Error::TrailingData(_) | Error::ExtensionValueInvalid => {
            Malformed("certificate")
        }
        other => Untrusted(other),
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use rcgen::{CustomExtension, IsCa, KeyUsagePurpose, date_time_ymd};

    use super::*;
    use crate::attestation::maker::{Case, NOW, der, with};

    #[test]
    fn a_chain_is_needed_to_a_root_that_is_configured() {
        let case = Case::new();
        let (root, middle, leaf) = case.issue();
        let roots = Roots::from_pem(&root).unwrap();
        let unknown = Err(Untrusted(webpki::Error::UnknownIssuer));
        assert_eq!(check(&leaf, &[], &roots, NOW), unknown);
        // Others of the same names have other keys.
        let (other_root, other_middle, _) = case.issue();
        let forged = Err(Untrusted(webpki::Error::InvalidSignatureForPublicKey));
        assert_eq!(check(&leaf, slice::from_ref(&other_middle), &roots, NOW), forged);
        let stranger = Roots::from_pem(&other_root).unwrap();
        assert_eq!(check(&leaf, slice::from_ref(&middle), &stranger, NOW), forged);
        let both = Roots::from_pem(&format!("{other_root}\nsome text\n{root}")).unwrap();
        assert!(check(&leaf, &[other_middle, middle.clone()], &both, NOW).is_ok());
        assert!(check(&leaf, &vec![middle; MOST_INTERMEDIATES + 1], &both, NOW).is_err());
    }

    #[test]
    fn an_intermediate_may_be_configured_as_root() {
        let case = Case::new();
        let (_, middle, leaf) = case.issue();
        let anchor = webpki::anchor_from_trusted_cert(&CertificateDer::from(middle)).unwrap().to_owned();
        assert!(check(&leaf, &[], &Roots(vec![anchor]), NOW).is_ok());
    }

    #[test]
    fn only_authorities_are_roots() {
        let case = Case::new();
        let end = case.leaf.self_signed(&case.key).unwrap();
        assert_eq!(Roots::from_pem(&end.pem()).unwrap_err(), WrongUse);
        let (root, _, _) = case.issue();
        for text in ["", "no certificate", &root[..root.len() / 2], &root.replace("MII", "AAA")] {
            assert!(matches!(Roots::from_pem(text), Err(Malformed(_))), "{text}");
        }
    }

    #[test]
    fn a_critical_extension_that_nobody_knows_is_refused() {
        for critical in [true, false] {
            let mut unknown = CustomExtension::from_oid_content(&[1, 2, 3, 4], der(0x04, &[1]));
            unknown.set_criticality(critical);
            assert_eq!(with(|c| c.leaf.custom_extensions.push(unknown)).is_err(), critical);
        }
    }

    #[test]
    fn the_whole_chain_is_valid_now() {
        assert_eq!(with(|c| c.leaf.not_before = date_time_ymd(2027, 1, 1)), Err(Expired));
        assert_eq!(with(|c| c.leaf.not_after = date_time_ymd(2026, 1, 1)), Err(Expired));
        assert_eq!(with(|c| c.authority.not_before = date_time_ymd(2027, 1, 1)), Err(Expired));
        assert_eq!(with(|c| c.authority.not_after = date_time_ymd(2026, 1, 1)), Err(Expired));
    }

    #[test]
    fn only_an_authority_that_signs_certificates_certifies() {
        let refused = Err(Untrusted(webpki::Error::EndEntityUsedAsCa));
        assert_eq!(with(|c| c.authority.is_ca = IsCa::NoCa), refused);
        assert_eq!(with(|c| c.authority.key_usages = vec![KeyUsagePurpose::CrlSign]), refused);
        assert!(with(|c| c.authority.key_usages.clear()).is_ok());
    }
}
