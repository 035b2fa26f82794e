//! How a device gets into the registry: decides whether a TPM whose maker is trusted holds its keys. What the
//! device says of itself beyond that is kept as its own word.

use log::info;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;
use vultus_protocol::api::{Packet, Refusal, from_text, to_text};
use vultus_protocol::enrolment::{EnrolmentChallenge, EnrolmentProof, EnrolmentReceipt, EnrolmentRequest};
use vultus_protocol::{CeremonyId, DeviceIdentity, ServerName, Window, encoding};
use zeroize::Zeroizing;

use super::{admitted, of_endorsement, of_key};
use crate::attestation::ek_certificate::{self, Vendor};
use crate::attestation::public_area::{EccPublic, EndorsementPublic};
use crate::attestation::{AttestationError, certification, credential};
use crate::ceremonies::{Core, ENROLMENT, Ended, Trail, consumed, random};
use crate::store::Consumed;
use crate::store::model::{Device, DeviceStatus, Enrolment, Spent};

/// The answer to the first packet of a device.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EnrolmentOpened {
    /// 16 bytes; names the enrolment in the next request.
    pub enrolment: String,
    /// A signed enrolment challenge.
    pub packet: String,
}

/// The keys that a device offers, each of the kind that it should be.
struct Offer {
    device: DeviceIdentity,
    attestation: EccPublic,
    endorsement: EndorsementPublic,
    vendor: Vendor,
    /// By which the TPM is known again.
    fingerprint: [u8; 32],
}

impl Core {
    /// Takes what a device says of its TPM, and locks a secret to that TPM.
    pub async fn begin_enrolment(&self, packet: Packet) -> Result<EnrolmentOpened, Refusal> {
        let mut trail = Trail::of_stranger(&ENROLMENT, "device");
        let outcome = self.challenge_device(&packet, &mut trail).await;
        self.settle(trail, outcome).await
    }

    /// Takes the device into the registry, where its TPM gave the secret back.
    pub async fn finish_enrolment(&self, enrolment: &str, packet: Packet) -> Result<Packet, Refusal> {
        let mut trail = Trail::of_stranger(&ENROLMENT, "device");
        let outcome = self.admit_device(enrolment, &packet, &mut trail).await;
        self.settle(trail, outcome).await
    }

    async fn challenge_device(&self, packet: &Packet, trail: &mut Trail) -> Result<EnrolmentOpened, Ended> {
        self.must_be_the_registry()?;
        let envelope = self.keys.open::<EnrolmentRequest>(&from_text(&packet.packet)?)?;
        // Whoever offers a device key must hold it. What it is worth, its TPM says.
        let key = envelope.claimed().device_key;
        let now = self.clock.now();
        self.check_request(envelope.claimed(), now)?;
        let request = envelope.verify(&key)?;
        trail.verified();
        trail.device = Some(DeviceIdentity::of(&key).to_text());
        let offer = self.offered(&request, now)?;
        self.check_known(&offer.device, &offer.fingerprint).await?;

        let secret = Zeroizing::new(random::<32>()?);
        let locked = credential::make(&offer.endorsement, &offer.attestation.name, &secret)
            .map_err(|e| logged(&e, of_endorsement(&e)))?;
        let challenge = EnrolmentChallenge {
            enrolment: CeremonyId::new(random()?),
            server: self.name.clone(),
            device: offer.device,
            id_object: locked.id_object.into(),
            encrypted_secret: locked.encrypted_secret.into(),
            nonce: random::<32>()?.into(),
            window: Window::new(now, self.settings.enrolment_window_s),
        };
        trail.ceremony = Some(challenge.enrolment);
        let packet = self.keys.sign(&challenge)?;
        self.store.open_enrolment(row(request, &offer, &challenge, &secret), trail.opened(now)).await?;
        Ok(EnrolmentOpened { enrolment: challenge.enrolment.to_text(), packet: to_text(&packet) })
    }

    async fn admit_device(
        &self,
        enrolment: &str,
        packet: &Packet,
        trail: &mut Trail,
    ) -> Result<Packet, Ended> {
        self.must_be_the_registry()?;
        let envelope = self.keys.open::<EnrolmentProof>(&from_text(&packet.packet)?)?;
        let id = CeremonyId::from_text(enrolment).map_err(|_| Refusal::UnknownCeremony)?;
        trail.ceremony = Some(id);
        let (row, spent) = self.store.enrolment(&id).await?.ok_or(Refusal::UnknownCeremony)?;
        trail.device = Some(row.device_identity.to_text());
        if self.clock.now() >= row.window.expires_at {
            return Err(Refusal::Expired.into());
        }
        belongs(envelope.claimed(), &row, &self.name)?;
        let proof = envelope.verify(&row.device_key)?;
        trail.verified();
        if let Some(spent) = spent {
            return self.admitted_before(&row, spent, &proof, trail).await;
        }
        check_proof(&proof, &row)?;
        // Its TPM may have been suspended or revoked since the enrolment began.
        self.check_known(&row.device_identity, &row.endorsement).await?;

        let now = self.clock.now();
        let receipt = self.receipt_of(&row, now)?;
        let device = device_of(&row, &proof, now)?;
        let result = self.store.enrol(&id, now, device, &hash_of(&proof)?, trail.accepted(now)).await?;
        match result {
            // It happened since the check above, which now says which status it is.
            Consumed::DeviceNotActive => self.check_known(&row.device_identity, &row.endorsement).await?,
            // By the same packet, perhaps, which came twice at the same time.
            Consumed::Used => {
                let spent = self.store.enrolment(&id).await?.and_then(|(_, spent)| spent);
                return self.admitted_before(&row, spent.ok_or(Refusal::CodeUsed)?, &proof, trail).await;
            }
            _ => {}
        }
        consumed(result)?;
        Ok(receipt)
    }

    /// The receipt once more, for the proof that was accepted before: the first one may have been lost. It
    /// changes nothing, and the device must still be what that proof made it.
    async fn admitted_before(
        &self,
        row: &Enrolment,
        spent: Spent,
        proof: &EnrolmentProof,
        trail: &Trail,
    ) -> Result<Packet, Ended> {
        if spent.proof != Some(hash_of(proof)?) {
            return Err(Refusal::CodeUsed.into());
        }
        let device = self.store.device(&row.device_identity).await?.ok_or(Refusal::CodeUsed)?;
        admitted(device.status)?;
        let same = device.public_key == row.device_key && device.pairwise_secret.same(&proof.pairwise_secret);
        if !same {
            return Err(Refusal::CodeUsed.into());
        }
        let receipt = self.receipt_of(row, spent.at)?;
        self.store.note(trail.accepted(self.clock.now())).await?;
        Ok(receipt)
    }

    fn receipt_of(&self, row: &Enrolment, at: u64) -> Result<Packet, Ended> {
        let (enrolment, server, device) = (row.id, self.name.clone(), row.device_identity);
        let packet = self.keys.sign(&EnrolmentReceipt { enrolment, server, device, at })?;
        Ok(Packet { packet: to_text(&packet) })
    }

    /// Where the registry is elsewhere, devices are enrolled there.
    fn must_be_the_registry(&self) -> Result<(), Refusal> {
        if self.registry.is_local() { Ok(()) } else { Err(Refusal::NotFound) }
    }

    /// Whether the request is meant for this server, and made just now.
    fn check_request(&self, request: &EnrolmentRequest, now: u64) -> Result<(), Refusal> {
        let tolerance = self.settings.device_clock_tolerance_s;
        if request.server != self.name {
            return Err(Refusal::Misdirected);
        }
        if request.at > now.saturating_add(tolerance) {
            return Err(Refusal::NotYetValid);
        }
        if request.at.saturating_add(tolerance) < now {
            return Err(Refusal::Expired);
        }
        Ok(())
    }

    /// The keys of the request, where the endorsement key is one that a trusted maker certified.
    fn offered(&self, request: &EnrolmentRequest, now: u64) -> Result<Offer, Refusal> {
        let device = EccPublic::signing_key(&request.device_public).map_err(|e| logged(&e, of_key(&e)))?;
        if device.point != *request.device_key.as_bytes() {
            return Err(Refusal::KeyNotCertified);
        }
        let attestation =
            EccPublic::attestation_key(&request.attestation_public).map_err(|e| logged(&e, of_key(&e)))?;
        let endorsement = EndorsementPublic::parse(&request.endorsement_public)
            .map_err(|e| logged(&e, of_endorsement(&e)))?;
        if !self.settings.endorsement_kinds.contains(&endorsement.kind()) {
            info!("an enrolment's TPM is not trusted: its endorsement key is {:?}", endorsement.kind());
            return Err(Refusal::UntrustedEndorsement);
        }
        let roots = self.endorsement_roots.get().ok_or(Refusal::UntrustedEndorsement)?;
        let certificate = &request.endorsement_certificate;
        let vendor = ek_certificate::check(certificate, &[], &roots, now, &endorsement)
            .map_err(|e| logged(&e, of_endorsement(&e)))?;
        let (device, fingerprint) = (DeviceIdentity::of(&request.device_key), endorsement.fingerprint());
        Ok(Offer { device, attestation, endorsement, vendor, fingerprint })
    }

    /// A TPM that was suspended or revoked does not come back with new keys, nor does a device key that
    /// counts no more, or that came with another TPM.
    async fn check_known(&self, device: &DeviceIdentity, endorsement: &[u8; 32]) -> Result<(), Ended> {
        if let Some(status) = self.store.tpm_status(endorsement).await? {
            admitted(status)?;
        }
        if let Some(known) = self.store.device(device).await? {
            admitted(known.status)?;
            if known.endorsement != *endorsement {
                return Err(Refusal::KeyNotCertified.into());
            }
        }
        Ok(())
    }
}

/// Whether the proof answers that challenge.
fn belongs(proof: &EnrolmentProof, row: &Enrolment, server: &ServerName) -> Result<(), Refusal> {
    let same = proof.enrolment == row.id && proof.server == *server && proof.device == row.device_identity;
    if same { Ok(()) } else { Err(Refusal::Misdirected) }
}

/// The secret came back, and the attestation key, for which it came back, vouches for the device key.
fn check_proof(proof: &EnrolmentProof, row: &Enrolment) -> Result<(), Refusal> {
    let secret_hash: [u8; 32] = Sha256::digest(proof.secret.as_slice()).into();
    if !bool::from(secret_hash.as_slice().ct_eq(&row.secret_hash)) {
        return Err(Refusal::ActivationFailed);
    }
    let certified = &proof.certification;
    if certified.public.as_slice() != row.device_public.as_slice() {
        return Err(Refusal::KeyNotCertified);
    }
    let refused = |e: AttestationError| logged(&e, Refusal::KeyNotCertified);
    let device = EccPublic::signing_key(&row.device_public).map_err(refused)?;
    let attestation = EccPublic::attestation_key(&row.attestation_public).map_err(refused)?;
    let signature: &[u8; 64] =
        certified.signature.as_slice().try_into().map_err(|_| Refusal::KeyNotCertified)?;
    certification::check(&certified.attest, signature, &attestation, &device.name, &row.nonce)
        .map(|_| ())
        .map_err(refused)
}

/// SHA-256 of a proof, whoever signed or sealed it how often.
fn hash_of(proof: &EnrolmentProof) -> Result<[u8; 32], Refusal> {
    // What was decoded can be encoded.
    let bytes = Zeroizing::new(encoding::encode(proof).map_err(|_| Refusal::Malformed)?);
    Ok(Sha256::digest(bytes.as_slice()).into())
}

/// What is kept until the device answers. Of the secret only its hash: whoever reads the database must not be
/// able to answer.
fn row(
    request: EnrolmentRequest,
    offer: &Offer,
    challenge: &EnrolmentChallenge,
    secret: &[u8; 32],
) -> Enrolment {
    let Vendor { manufacturer, model, version } = &offer.vendor;
    Enrolment {
        id: challenge.enrolment,
        device_identity: offer.device,
        device_key: request.device_key,
        device_public: request.device_public.into(),
        attestation_public: request.attestation_public.into(),
        secret_hash: Sha256::digest(secret).into(),
        nonce: *challenge.nonce,
        endorsement: offer.fingerprint,
        vendor: format!("{manufacturer} {model} {version}"),
        manufacturer: request.manufacturer,
        model: request.model,
        window: challenge.window,
    }
}

/// What is kept of the device for good.
fn device_of(row: &Enrolment, proof: &EnrolmentProof, now: u64) -> Result<Device, Refusal> {
    let attestation = EccPublic::attestation_key(&row.attestation_public);
    Ok(Device {
        identity: row.device_identity,
        public_key: row.device_key,
        attestation_point: attestation.map_err(|e| logged(&e, Refusal::KeyNotCertified))?.point,
        pairwise_secret: proof.pairwise_secret,
        manufacturer: row.manufacturer.clone(),
        model: row.model.clone(),
        tpm_vendor: row.vendor.clone(),
        endorsement: row.endorsement,
        status: DeviceStatus::Active,
        enrolled_at: now,
    })
}

/// The administrator may be missing a root, or the device may be of a kind that is not known: the log says
/// which, the refusal does not.
fn logged(error: &AttestationError, refusal: Refusal) -> Refusal {
    info!("an enrolment's TPM is not trusted: {error}");
    refusal
}
