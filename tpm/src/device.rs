//! One open TPM: its storage key, and sessions that are salted with it and encrypt their parameters.
//!
//! Threat model: M23.

use std::str::FromStr;

use tss_esapi::attributes::{ObjectAttributesBuilder, SessionAttributesBuilder};
use tss_esapi::constants::SessionType;
use tss_esapi::constants::response_code::{Tss2ResponseCode, Tss2ResponseCodeKind};
use tss_esapi::handles::{KeyHandle, ObjectHandle, SessionHandle};
use tss_esapi::interface_types::algorithm::{HashingAlgorithm, PublicAlgorithm};
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::interface_types::resource_handles::Hierarchy;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{
    EccPoint, EccScheme, KeyDerivationFunctionScheme, Public, PublicBuilder, PublicEccParametersBuilder,
    SymmetricDefinition, SymmetricDefinitionObject,
};
use tss_esapi::traits::Marshall;
use tss_esapi::{Context, Error, TctiNameConf};

use crate::TpmError;

/// A connection to the TPM with the storage key at hand.
pub struct Device {
    pub context: Context,
    pub storage_key: KeyHandle,
    /// The storage key's public area, as the TPM marshals it: names this TPM and its owner seed.
    pub identity: Vec<u8>,
}

impl Device {
    /// Opens the TPM at `tcti` (such as `device:/dev/tpmrm0`) and derives its storage key. The key
    /// follows from the TPM's owner seed: the same TPM gives the same key until it is cleared.
    pub fn open(tcti: &str) -> Result<Self, TpmError> {
        let name = TctiNameConf::from_str(tcti).map_err(|_| TpmError::Configuration)?;
        let mut context = Context::new(name).map_err(|_| TpmError::Absent)?;
        let template = storage_key_template().map_err(classify)?;
        let created = context
            .execute_with_session(Some(AuthSession::Password), |context| {
                context.create_primary(Hierarchy::Owner, template, None, None, None, None)
            })
            .map_err(classify)?;
        let identity = created.out_public.marshall().map_err(classify)?;
        Ok(Self { context, storage_key: created.key_handle, identity })
    }

    /// Runs `work` under a session salted with the storage key, whose first parameters are encrypted
    /// both ways. The session is flushed whatever comes of it.
    pub fn with_session<T>(
        &mut self,
        kind: SessionType,
        work: impl FnOnce(&mut Context, KeyHandle, AuthSession) -> tss_esapi::Result<T>,
    ) -> Result<T, TpmError> {
        let session = self
            .context
            .start_auth_session(
                Some(self.storage_key),
                None,
                None,
                kind,
                SymmetricDefinition::AES_128_CFB,
                HashingAlgorithm::Sha256,
            )
            .map_err(classify)?
            .ok_or(TpmError::Absent)?;
        let (attributes, mask) =
            SessionAttributesBuilder::new().with_decrypt(true).with_encrypt(true).build();
        let result = self
            .context
            .tr_sess_set_attributes(session, attributes, mask)
            .and_then(|()| work(&mut self.context, self.storage_key, session));
        let flushed = self.context.flush_context(SessionHandle::from(session).into());
        let value = result.map_err(classify)?;
        flushed.map_err(classify)?;
        Ok(value)
    }

    /// Gives an object's place in the TPM back, and passes on what came of the work with it. A TPM that
    /// does not take it back is opened anew: it has few places.
    pub fn flush<T>(&mut self, object: KeyHandle, result: Result<T, TpmError>) -> Result<T, TpmError> {
        match self.context.flush_context(ObjectHandle::from(object)) {
            Ok(()) => result,
            Err(_) => Err(TpmError::Absent),
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // A TPM that is gone has nothing left to flush.
        let _ = self.context.flush_context(ObjectHandle::from(self.storage_key));
    }
}

/// A restricted P-256 decryption key, as the TCG's storage root key template has it, without the
/// dictionary attack protection that an empty authorisation does not need.
fn storage_key_template() -> tss_esapi::Result<Public> {
    let attributes = ObjectAttributesBuilder::new()
        .with_fixed_tpm(true)
        .with_fixed_parent(true)
        .with_sensitive_data_origin(true)
        .with_user_with_auth(true)
        .with_no_da(true)
        .with_restricted(true)
        .with_decrypt(true)
        .build()?;
    let parameters = PublicEccParametersBuilder::new()
        .with_ecc_scheme(EccScheme::Null)
        .with_curve(EccCurve::NistP256)
        .with_is_signing_key(false)
        .with_is_decryption_key(true)
        .with_restricted(true)
        .with_symmetric(SymmetricDefinitionObject::AES_128_CFB)
        .with_key_derivation_function_scheme(KeyDerivationFunctionScheme::Null)
        .build()?;
    PublicBuilder::new()
        .with_public_algorithm(PublicAlgorithm::Ecc)
        .with_name_hashing_algorithm(HashingAlgorithm::Sha256)
        .with_object_attributes(attributes)
        .with_ecc_parameters(parameters)
        .with_ecc_unique_identifier(EccPoint::default())
        .build()
}

/// What an error of the library means here. A TPM that answers names what is wrong with a key or a
/// policy; everything else is a TPM that cannot be talked to.
pub fn classify(error: Error) -> TpmError {
    let Error::Tss2Error(code) = error else {
        return TpmError::Absent;
    };
    match (code, code.kind()) {
        (_, Some(Tss2ResponseCodeKind::PolicyFail | Tss2ResponseCodeKind::PcrChanged)) => TpmError::Policy,
        (Tss2ResponseCode::FormatOne(_), Some(Tss2ResponseCodeKind::Value)) => TpmError::Policy,
        (Tss2ResponseCode::FormatOne(_), _) => TpmError::Altered,
        _ => TpmError::Absent,
    }
}
