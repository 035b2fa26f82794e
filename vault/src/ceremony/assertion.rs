//! Assertions for applications on this machine: one TPM key for each audience, the verified user's uid inside.

use log::info;
use minicbor::{CborLen, Decode, Encode};
use vultus_ipc::Reason;
use vultus_protocol::assertion::{Assertion, LONGEST_NONCE, SHORTEST_NONCE};
use vultus_protocol::{Audience, BiometricType};
use vultus_tpm::{SigningKey, Tpm};

use crate::VaultError;
use crate::attempt::Success;
use crate::ceremony::{KeyRecord, evidence, now, sign};
use crate::keys::{OpenState, first_free};
use crate::records::{Kind, RowName};

/// The most audiences in all, and of those that one user's programs have brought.
const MOST_AUDIENCES: usize = 256;
const MOST_OF_ONE: usize = 16;

#[derive(Encode, Decode, CborLen)]
struct Record {
    #[n(0)]
    audience: String,
    #[n(1)]
    key: KeyRecord,
    /// Whose program asked first.
    #[n(2)]
    brought_by: u32,
}

/// An assertion that waits for the person.
pub struct Asked {
    audience: Audience,
    nonce: Vec<u8>,
}

impl Asked {
    pub fn new(audience: &str, nonce: &[u8]) -> Result<Self, VaultError> {
        let fits = (SHORTEST_NONCE..=LONGEST_NONCE).contains(&nonce.len());
        match Audience::new(audience) {
            Ok(audience) if fits => Ok(Self { audience, nonce: nonce.to_vec() }),
            _ => Err(Reason::BadRequest.into()),
        }
    }

    pub fn sign(self, state: &OpenState<'_>, tpm: &Tpm, success: Success) -> Result<Vec<u8>, VaultError> {
        success.check(state)?;
        let key = key(state, tpm, success.uid(), &self.audience)?;
        let assertion = Assertion {
            audience: self.audience,
            nonce: self.nonce.into(),
            uid: success.uid(),
            biometric: BiometricType::Face,
            at: now()?,
            evidence: evidence(&success)?,
        };
        let packet = sign(tpm, &key, &assertion)?;
        info!(vultus_uid = success.uid(), vultus_audience = assertion.audience.as_str(); "assertion signed");
        Ok(packet)
    }
}

/// The public key of an audience's assertions: a point, SEC1 uncompressed. There is one once something was
/// signed, which takes a face: programs that only ask use no places up.
pub fn public_key(state: &OpenState<'_>, audience: &str) -> Result<[u8; 65], VaultError> {
    let audience = Audience::new(audience).map_err(|_| Reason::BadRequest)?;
    let known = state.records::<Record>(Kind::Audience, 0)?;
    let found = known.iter().find(|(_, r)| r.audience == audience.as_str());
    Ok(found.ok_or(Reason::NotRegistered)?.1.key.key().point()?)
}

/// The key of an audience, made where there is none.
fn key(state: &OpenState<'_>, tpm: &Tpm, uid: u32, audience: &Audience) -> Result<SigningKey, VaultError> {
    let known = state.records::<Record>(Kind::Audience, 0)?;
    if let Some((_, record)) = known.iter().find(|(_, r)| r.audience == audience.as_str()) {
        return Ok(record.key.key());
    }
    let own = known.iter().filter(|(_, r)| r.brought_by == uid).count();
    if known.len() >= MOST_AUDIENCES || own >= MOST_OF_ONE {
        return Err(Reason::TooManyKeys.into());
    }
    let key = tpm.create_signing_key()?;
    let record = Record { audience: audience.to_string(), key: KeyRecord::of(key.clone()), brought_by: uid };
    let item = first_free(known.iter().map(|(item, _)| *item));
    state.replace(Some((RowName::new(Kind::Audience, 0, item), &record)), &[])?;
    Ok(key)
}
