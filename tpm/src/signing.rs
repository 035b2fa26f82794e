//! Signing keys that the TPM makes and alone can use: P-256, ECDSA over SHA-256. Nothing is verified here,
//! and no key leaves the TPM readable.

use tss_esapi::Result as TssResult;
use tss_esapi::attributes::ObjectAttributesBuilder;
use tss_esapi::constants::SessionType;
use tss_esapi::constants::tss::{TPM2_RH_NULL, TPM2_ST_HASHCHECK};
use tss_esapi::handles::KeyHandle;
use tss_esapi::interface_types::algorithm::{HashingAlgorithm, PublicAlgorithm};
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::structures::{
    Digest, EccPoint, EccScheme, HashScheme, HashcheckTicket, KeyDerivationFunctionScheme, Private, Public,
    PublicBuilder, PublicEccParametersBuilder, Signature, SignatureScheme,
};
use tss_esapi::traits::{Marshall, UnMarshall};
use tss_esapi::tss2_esys::TPMT_TK_HASHCHECK;

use crate::TpmError;
use crate::device::{Device, classify};

/// A signing key that the TPM made and alone can use: what is stored of it. None of it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// The storage key under which it was made: `Device::identity`.
    pub identity: Vec<u8>,
    /// The TPM's public area of it, a marshalled `TPMT_PUBLIC`.
    pub public: Vec<u8>,
    pub private: Vec<u8>,
}

impl SigningKey {
    /// The public point, SEC1 uncompressed.
    pub fn point(&self) -> Result<[u8; 65], TpmError> {
        point(&self.public)
    }
}

impl Device {
    /// Makes a key that signs any digest it is given.
    pub fn create_signing_key(&mut self) -> Result<SigningKey, TpmError> {
        let template = key_template(false).map_err(classify)?;
        let created = self.with_session(SessionType::Hmac, |context, parent, session| {
            context.execute_with_session(Some(session), |context| {
                context.create(parent, template, None, None, None, None)
            })
        })?;
        Ok(SigningKey {
            identity: self.identity.clone(),
            public: created.out_public.marshall().map_err(classify)?,
            private: created.out_private.value().to_vec(),
        })
    }

    /// Signs a SHA-256 digest: r ‖ s.
    pub fn sign(&mut self, key: &SigningKey, digest: &[u8; 32]) -> Result<[u8; 64], TpmError> {
        let digest = Digest::try_from(digest.as_slice()).map_err(classify)?;
        let ticket = no_ticket().map_err(classify)?;
        let object = self.load_signing_key(key)?;
        let signed = self.with_session(SessionType::Hmac, |context, _, session| {
            context.execute_with_session(Some(session), |context| {
                context.sign(object, digest, SignatureScheme::Null, ticket)
            })
        });
        signature_bytes(&self.flush(object, signed)?)
    }

    /// Loads a key, which the caller flushes.
    pub fn load_signing_key(&mut self, key: &SigningKey) -> Result<KeyHandle, TpmError> {
        if key.identity != self.identity {
            return Err(TpmError::Foreign);
        }
        let (public, private) = parts(&key.public, &key.private)?;
        let loaded = self.with_session(SessionType::Hmac, |context, parent, session| {
            context.execute_with_session(Some(session), |context| context.load(parent, private, public))
        });
        loaded.map_err(not_loaded)
    }
}

/// The public point of a P-256 key's public area (`TPMT_PUBLIC`), SEC1 uncompressed.
pub fn point(public: &[u8]) -> Result<[u8; 65], TpmError> {
    let Ok(Public::Ecc { parameters, unique, .. }) = Public::unmarshall(public) else {
        return Err(TpmError::Altered);
    };
    if parameters.ecc_curve() != EccCurve::NistP256 {
        return Err(TpmError::Altered);
    }
    let mut point = [0; 65];
    point[0] = 4;
    let (x, y) = point[1..].split_at_mut(32);
    pad(x, unique.x().value())?;
    pad(y, unique.y().value())?;
    Ok(point)
}

/// An ECDSA signature as r ‖ s.
pub fn signature_bytes(signature: &Signature) -> Result<[u8; 64], TpmError> {
    let Signature::EcDsa(signature) = signature else {
        return Err(TpmError::Altered);
    };
    let mut bytes = [0; 64];
    let (r, s) = bytes.split_at_mut(32);
    pad(r, signature.signature_r().value())?;
    pad(s, signature.signature_s().value())?;
    Ok(bytes)
}

/// What was stored of a key, as the TPM wants it back. A public area that does not come out again as it
/// went in was not written here, and the library would fail at it later as if there were no TPM.
pub fn parts(public: &[u8], private: &[u8]) -> Result<(Public, Private), TpmError> {
    let area = Public::unmarshall(public).map_err(|_| TpmError::Altered)?;
    if !area.marshall().is_ok_and(|again| again == public) {
        return Err(TpmError::Altered);
    }
    let private = Private::try_from(private).map_err(|_| TpmError::Altered)?;
    Ok((area, private))
}

/// No policy is asked of who loads a key: a value that the TPM does not take was altered.
pub fn not_loaded(error: TpmError) -> TpmError {
    if error == TpmError::Policy { TpmError::Altered } else { error }
}

/// A P-256 key for ECDSA over SHA-256, usable with an empty authorisation. A restricted one signs only
/// what the TPM itself says.
pub fn key_template(restricted: bool) -> TssResult<Public> {
    let attributes = ObjectAttributesBuilder::new()
        .with_fixed_tpm(true)
        .with_fixed_parent(true)
        .with_sensitive_data_origin(true)
        .with_user_with_auth(true)
        .with_no_da(true)
        .with_restricted(restricted)
        .with_sign_encrypt(true)
        .build()?;
    let parameters = PublicEccParametersBuilder::new()
        .with_ecc_scheme(EccScheme::EcDsa(HashScheme::new(HashingAlgorithm::Sha256)))
        .with_curve(EccCurve::NistP256)
        .with_is_signing_key(true)
        .with_is_decryption_key(false)
        .with_restricted(restricted)
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

/// The ticket of a digest that the TPM did not compute itself.
fn no_ticket() -> TssResult<HashcheckTicket> {
    HashcheckTicket::try_from(TPMT_TK_HASHCHECK {
        tag: TPM2_ST_HASHCHECK,
        hierarchy: TPM2_RH_NULL,
        digest: Default::default(),
    })
}

/// Writes a number that the TPM may have given without its leading zeros.
fn pad(whole: &mut [u8], number: &[u8]) -> Result<(), TpmError> {
    let start = whole.len().checked_sub(number.len()).ok_or(TpmError::Altered)?;
    whole[start..].copy_from_slice(number);
    Ok(())
}
