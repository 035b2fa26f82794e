//! Thirty-two bytes that the TPM gives back only under its policy.
//!
//! Threat model: M20, M21.

use tss_esapi::attributes::ObjectAttributesBuilder;
use tss_esapi::constants::{CommandCode, SessionType};
use tss_esapi::interface_types::algorithm::{HashingAlgorithm, PublicAlgorithm};
use tss_esapi::interface_types::session_handles::{AuthSession, PolicySession};
use tss_esapi::structures::{
    Digest, KeyedHashScheme, PcrSelectionList, PcrSelectionListBuilder, PcrSlot, Private, Public,
    PublicBuilder, PublicKeyedHashParameters, SensitiveData,
};
use tss_esapi::traits::{Marshall, UnMarshall};
use tss_esapi::{Context, Result as TssResult};
use zeroize::Zeroizing;

use crate::TpmError;
use crate::device::{Device, classify};

/// What is stored of a sealed key. None of it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedKey {
    /// The storage key under which it was sealed: `Device::identity`.
    pub identity: Vec<u8>,
    pub public: Vec<u8>,
    pub private: Vec<u8>,
    /// The SHA-256 platform configuration registers that the policy names, 0 to 23.
    pub registers: Vec<u8>,
}

impl Device {
    /// Seals 32 bytes under the present values of the registers. It is usable by policy only: there is
    /// no authorisation value to guess.
    pub fn seal(&mut self, secret: &[u8; 32], registers: &[u8]) -> Result<SealedKey, TpmError> {
        let selection = selection(registers)?;
        let policy = self.with_session(SessionType::Trial, |context, _, session| {
            apply_policy(context, session, &selection)?;
            context.policy_get_digest(PolicySession::try_from(session)?)
        })?;
        let template = sealed_template(policy).map_err(classify)?;
        let data = SensitiveData::try_from(secret.to_vec()).map_err(classify)?;
        let created = self.with_session(SessionType::Hmac, |context, parent, session| {
            context.execute_with_session(Some(session), |context| {
                context.create(parent, template, None, Some(data), None, None)
            })
        })?;
        Ok(SealedKey {
            identity: self.identity.clone(),
            public: created.out_public.marshall().map_err(classify)?,
            private: created.out_private.value().to_vec(),
            registers: registers.to_vec(),
        })
    }

    /// Gives back what was sealed, where this is the TPM that sealed it and its policy holds.
    pub fn unseal(&mut self, sealed: &SealedKey) -> Result<Zeroizing<[u8; 32]>, TpmError> {
        if sealed.identity != self.identity {
            return Err(TpmError::Foreign);
        }
        let selection = selection(&sealed.registers)?;
        let public = Public::unmarshall(&sealed.public).map_err(|_| TpmError::Altered)?;
        let private = Private::try_from(sealed.private.clone()).map_err(|_| TpmError::Altered)?;
        // A key is refused before it is loaded where it is not of the kind that this crate makes.
        let object = self.with_session(SessionType::Hmac, |context, parent, session| {
            context.execute_with_session(Some(session), |context| context.load(parent, private, public))
        });
        let object = object.map_err(|e| if e == TpmError::Policy { TpmError::Altered } else { e })?;
        let unsealed = self.with_session(SessionType::Policy, |context, _, session| {
            apply_policy(context, session, &selection)?;
            context.execute_with_session(Some(session), |context| context.unseal(object.into()))
        });
        let data = self.flush(object, unsealed)?;
        let bytes: [u8; 32] = data.as_slice().try_into().map_err(|_| TpmError::Altered)?;
        Ok(Zeroizing::new(bytes))
    }
}

/// Only `TPM2_Unseal`, and only while the registers are as they were.
fn apply_policy(context: &mut Context, session: AuthSession, selection: &PcrSelectionList) -> TssResult<()> {
    let policy = PolicySession::try_from(session)?;
    context.execute_without_session(|context| {
        context.policy_command_code(policy, CommandCode::Unseal)?;
        if !selection.is_empty() {
            context.policy_pcr(policy, Digest::default(), selection.clone())?;
        }
        Ok(())
    })
}

fn selection(registers: &[u8]) -> Result<PcrSelectionList, TpmError> {
    let slots = registers
        .iter()
        .map(|&r| 1u32.checked_shl(r.into()).and_then(|bit| PcrSlot::try_from(bit).ok()))
        .collect::<Option<Vec<_>>>()
        .ok_or(TpmError::Configuration)?;
    let builder = PcrSelectionListBuilder::new();
    let builder =
        if slots.is_empty() { builder } else { builder.with_selection(HashingAlgorithm::Sha256, &slots) };
    builder.build().map_err(|_| TpmError::Configuration)
}

fn sealed_template(policy: Digest) -> TssResult<Public> {
    let attributes = ObjectAttributesBuilder::new()
        .with_fixed_tpm(true)
        .with_fixed_parent(true)
        .with_no_da(true)
        .with_admin_with_policy(true)
        .build()?;
    PublicBuilder::new()
        .with_public_algorithm(PublicAlgorithm::KeyedHash)
        .with_name_hashing_algorithm(HashingAlgorithm::Sha256)
        .with_object_attributes(attributes)
        .with_auth_policy(policy)
        .with_keyed_hash_parameters(PublicKeyedHashParameters::new(KeyedHashScheme::Null))
        .with_keyed_hash_unique_identifier(Digest::default())
        .build()
}
