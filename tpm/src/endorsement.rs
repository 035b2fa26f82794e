//! What the TPM's maker says of it: its endorsement key, the certificate of that, its name and firmware.
//! Nothing here decides whether to believe the maker.

use tss_esapi::abstraction::ek::{create_ek_public_from_default_template_2, retrieve_ek_pubcert};
use tss_esapi::abstraction::{AsymmetricAlgorithmSelection, DefaultKey};
use tss_esapi::constants::response_code::Tss2ResponseCodeKind;
use tss_esapi::constants::{PropertyTag, SessionType};
use tss_esapi::handles::{AuthHandle, KeyHandle};
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::interface_types::key_bits::RsaKeyBits;
use tss_esapi::interface_types::resource_handles::Hierarchy;
use tss_esapi::interface_types::session_handles::{AuthSession, PolicySession};
use tss_esapi::structures::{CreatePrimaryKeyResult, Digest, Nonce};
use tss_esapi::traits::Marshall;
use tss_esapi::{Context, Error, Result as TssResult};

use crate::TpmError;
use crate::device::{Device, classify};

/// Which endorsement key: templates and indices are those of the TCG's EK credential profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endorsement {
    /// Template L-1, certificate at NV index 0x01c00002.
    Rsa2048,
    /// Template H-3, certificate at NV index 0x01c00016.
    P384,
}

impl Endorsement {
    fn algorithm(self) -> AsymmetricAlgorithmSelection {
        match self {
            Self::Rsa2048 => AsymmetricAlgorithmSelection::Rsa(RsaKeyBits::Rsa2048),
            Self::P384 => AsymmetricAlgorithmSelection::Ecc(EccCurve::NistP384),
        }
    }
}

/// An endorsement key and its certificate. That they belong together is for the registry to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndorsementKey {
    pub kind: Endorsement,
    /// DER, without what the maker filled the NV index up with.
    pub certificate: Vec<u8>,
    /// The key's public area, a marshalled `TPMT_PUBLIC`, as the TPM derived it from the template.
    pub public: Vec<u8>,
}

/// What a TPM says of itself, unsigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmDescription {
    /// The maker's name in the TCG's vendor registry, such as `IBM` or `INTC`.
    pub manufacturer: String,
    pub firmware: u64,
}

impl Device {
    pub fn describe(&mut self) -> Result<TpmDescription, TpmError> {
        let mut property = |tag: PropertyTag| -> Result<u32, TpmError> {
            self.context.get_tpm_property(tag).map_err(classify)?.ok_or(TpmError::Absent)
        };
        let name = property(PropertyTag::Manufacturer)?.to_be_bytes();
        let major = property(PropertyTag::FirmwareVersion1)?;
        let minor = property(PropertyTag::FirmwareVersion2)?;
        Ok(TpmDescription {
            // Four bytes, filled up with blanks or zeros.
            manufacturer: name.into_iter().filter(u8::is_ascii_graphic).map(char::from).collect(),
            firmware: (u64::from(major) << 32) | u64::from(minor),
        })
    }

    /// The first of the wanted endorsement keys, any where none is named, that has a certificate.
    pub fn endorsement_key(&mut self, wanted: Option<Endorsement>) -> Result<EndorsementKey, TpmError> {
        for kind in [Endorsement::Rsa2048, Endorsement::P384] {
            if wanted.is_some_and(|wanted| wanted != kind) {
                continue;
            }
            if let Some(certificate) = self.endorsement_certificate(kind)? {
                let created = self.create_endorsement_key(kind)?;
                let public = created.out_public.marshall().map_err(classify);
                let public = self.flush(created.key_handle, public)?;
                return Ok(EndorsementKey { kind, certificate, public });
            }
        }
        Err(TpmError::NoEndorsement)
    }

    /// Runs `work` with the endorsement key loaded, and flushes the key whatever comes of it.
    pub fn with_endorsement_key<T>(
        &mut self,
        kind: Endorsement,
        work: impl FnOnce(&mut Self, KeyHandle) -> Result<T, TpmError>,
    ) -> Result<T, TpmError> {
        let key = self.create_endorsement_key(kind)?.key_handle;
        let result = work(self, key);
        self.flush(key, result)
    }

    /// Runs one command that uses the endorsement key, under a session that the key's template accepts.
    /// A policy session is good for one command.
    pub fn with_endorsement_session<T>(
        &mut self,
        kind: Endorsement,
        work: impl FnOnce(&mut Context, AuthSession) -> TssResult<T>,
    ) -> Result<T, TpmError> {
        match kind {
            // The low templates are usable by policy only, which is the authority of the hierarchy.
            Endorsement::Rsa2048 => self.with_session(SessionType::Policy, |context, _, session| {
                let policy = PolicySession::try_from(session)?;
                let hierarchy = AuthHandle::Endorsement;
                let (nonce, reference) = (Nonce::default(), Nonce::default());
                context.execute_with_session(Some(AuthSession::Password), |context| {
                    context.policy_secret(policy, hierarchy, nonce, Digest::default(), reference, None)
                })?;
                work(context, session)
            }),
            // The high templates are usable with the key's own authorisation as well, which is empty.
            Endorsement::P384 => {
                self.with_session(SessionType::Hmac, |context, _, session| work(context, session))
            }
        }
    }

    /// Derives an endorsement key from its template, as its maker did. The caller flushes it.
    fn create_endorsement_key(&mut self, kind: Endorsement) -> Result<CreatePrimaryKeyResult, TpmError> {
        let template =
            create_ek_public_from_default_template_2(kind.algorithm(), DefaultKey).map_err(classify)?;
        let created = self.context.execute_with_session(Some(AuthSession::Password), |context| {
            context.create_primary(Hierarchy::Endorsement, template, None, None, None, None)
        });
        // A TPM that answers but refuses has no such keys, or keeps the hierarchy under a password.
        created.map_err(|e| match classify(e) {
            TpmError::Absent => TpmError::Absent,
            _ => TpmError::NoEndorsement,
        })
    }

    fn endorsement_certificate(&mut self, kind: Endorsement) -> Result<Option<Vec<u8>>, TpmError> {
        use Tss2ResponseCodeKind::{Handle, NvAuthorization, NvUninitialized};
        match retrieve_ek_pubcert(&mut self.context, kind.algorithm()) {
            Ok(index) => Ok(certificate(&index)),
            // No such index, nothing in it, or nothing that this crate may read.
            Err(Error::Tss2Error(code))
                if matches!(code.kind(), Some(Handle | NvUninitialized | NvAuthorization)) =>
            {
                Ok(None)
            }
            Err(error) => Err(classify(error)),
        }
    }
}

/// The certificate at the start of an NV index. It is always longer than 255 bytes and shorter than
/// 65536, so that DER writes its length in two.
fn certificate(index: &[u8]) -> Option<Vec<u8>> {
    let [0x30, 0x82, high, low, ..] = *index else {
        return None;
    };
    index.get(..4 + usize::from(u16::from_be_bytes([high, low]))).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::certificate;

    #[test]
    fn a_certificate_ends_where_its_sequence_ends() {
        let whole = [[0x30_u8, 0x82, 0x01, 0x00].as_slice(), &[7; 256]].concat();
        assert_eq!(certificate(&whole), Some(whole.clone()));
        for filling in [0x00, 0xff, 0x30] {
            assert_eq!(certificate(&[whole.as_slice(), &[filling; 9]].concat()), Some(whole.clone()));
        }
        for other in [&whole[..259], &whole[..3], &[], &[0; 300], &[0xff; 300]] {
            assert_eq!(certificate(other), None);
        }
    }
}
