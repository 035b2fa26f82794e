//! The key that vouches for other keys of this TPM, and the proof that it lives beside an endorsement
//! key. Nothing here judges a credential, a certificate or a statement.

use tss_esapi::Error;
use tss_esapi::constants::SessionType;
use tss_esapi::constants::response_code::Tss2ResponseCodeKind;
use tss_esapi::handles::KeyHandle;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{Data, EncryptedSecret, IdObject, SignatureScheme};
use tss_esapi::traits::Marshall;
use zeroize::Zeroizing;

use crate::TpmError;
use crate::device::{Device, classify};
use crate::endorsement::Endorsement;
use crate::signing::{SigningKey, key_template, not_loaded, parts, signature_bytes};

/// What the vault keeps of the key that vouches for others, and what a registry is told of it. None of
/// it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestationKey {
    /// The TPM's public area of it, a marshalled `TPMT_PUBLIC`.
    pub public: Vec<u8>,
    pub private: Vec<u8>,
    /// The endorsement key under which it was made.
    pub endorsement: Endorsement,
}

/// A statement that the attestation key signed about another key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certification {
    /// The `TPMS_ATTEST` exactly as signed.
    pub attest: Vec<u8>,
    /// ECDSA over its SHA-256: r ‖ s, each 32 bytes.
    pub signature: [u8; 64],
}

impl Device {
    /// Makes a key that signs only what the TPM itself says.
    pub fn create_attestation_key(&mut self, endorsement: Endorsement) -> Result<AttestationKey, TpmError> {
        let template = key_template(true).map_err(classify)?;
        let created = self.with_endorsement_key(endorsement, |device, parent| {
            device.with_endorsement_session(endorsement, |context, session| {
                context.execute_with_session(Some(session), |context| {
                    context.create(parent, template, None, None, None, None)
                })
            })
        })?;
        Ok(AttestationKey {
            public: created.out_public.marshall().map_err(classify)?,
            private: created.out_private.value().to_vec(),
            endorsement,
        })
    }

    /// Gives back the secret of a credential that was made for this endorsement and attestation key.
    pub fn activate(
        &mut self,
        key: &AttestationKey,
        id_object: &[u8],
        encrypted_secret: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, TpmError> {
        let blob = IdObject::try_from(id_object).map_err(|_| TpmError::Credential)?;
        let seed = EncryptedSecret::try_from(encrypted_secret).map_err(|_| TpmError::Credential)?;
        let secret = self.with_endorsement_key(key.endorsement, |device, endorsement_key| {
            let object = device.load_attestation_key(key, endorsement_key)?;
            let activated = device.with_endorsement_session(key.endorsement, |context, session| {
                // Only one session may encrypt; the attestation key's authorisation is empty.
                let sessions = (Some(AuthSession::Password), Some(session), None);
                Ok(context.execute_with_sessions(sessions, |context| {
                    context.activate_credential(object, endorsement_key, blob, seed)
                }))
            });
            device.flush(object, activated)?.map_err(not_activated)
        })?;
        Ok(Zeroizing::new(secret.value().to_vec()))
    }

    /// Has the attestation key sign what the TPM knows of a signing key.
    pub fn certify(
        &mut self,
        attestation: &AttestationKey,
        key: &SigningKey,
        qualifying: &[u8; 32],
    ) -> Result<Certification, TpmError> {
        // A TPM without a resource manager has room for three objects, of which the storage key is one.
        // What is loaded stays usable without its parent, which is flushed here.
        let vouching = self.with_endorsement_key(attestation.endorsement, |device, parent| {
            device.load_attestation_key(attestation, parent)
        })?;
        let certified = self.certify_with(vouching, key, qualifying);
        self.flush(vouching, certified)
    }

    fn certify_with(
        &mut self,
        vouching: KeyHandle,
        key: &SigningKey,
        qualifying: &[u8; 32],
    ) -> Result<Certification, TpmError> {
        let qualifying = Data::try_from(qualifying.as_slice()).map_err(classify)?;
        let object = self.load_signing_key(key)?;
        let certified = self.with_session(SessionType::Hmac, |context, _, session| {
            // Only one session may encrypt; the attestation key's authorisation is empty.
            let sessions = (Some(session), Some(AuthSession::Password), None);
            context.execute_with_sessions(sessions, |context| {
                context.certify(object.into(), vouching, qualifying, SignatureScheme::Null)
            })
        });
        let (attest, signature) = self.flush(object, certified)?;
        Ok(Certification {
            attest: attest.marshall().map_err(classify)?,
            signature: signature_bytes(&signature)?,
        })
    }

    /// Loads an attestation key below its endorsement key. The caller flushes it.
    fn load_attestation_key(
        &mut self,
        key: &AttestationKey,
        parent: KeyHandle,
    ) -> Result<KeyHandle, TpmError> {
        let (public, private) = parts(&key.public, &key.private)?;
        let loaded = self.with_endorsement_session(key.endorsement, |context, session| {
            context.execute_with_session(Some(session), |context| context.load(parent, private, public))
        });
        loaded.map_err(not_loaded)
    }
}

/// Both keys are loaded: what the TPM refuses now is the credential. libtpms takes one that RSA cannot
/// decrypt for a failure of its own; a TPM that has really failed flushes nothing any more.
fn not_activated(error: Error) -> TpmError {
    match error {
        Error::Tss2Error(code) if code.kind() == Some(Tss2ResponseCodeKind::Failure) => TpmError::Credential,
        error if classify(error) == TpmError::Absent => TpmError::Absent,
        _ => TpmError::Credential,
    }
}
