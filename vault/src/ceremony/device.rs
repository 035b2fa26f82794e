//! This device towards one server: its device key and attestation key, and their enrolment in the server's
//! registry by credential activation. An enrolment that is not finished changes nothing.

use log::info;
use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{CborLen, Decode, Encode};
use vultus_ipc::Reason;
use vultus_ipc::vault::DeviceRecord;
use vultus_protocol::enrolment::{EnrolmentChallenge, EnrolmentProof, EnrolmentReceipt, EnrolmentRequest};
use vultus_protocol::registration::KeyCertification;
use vultus_protocol::{
    CeremonyId, DeviceIdentity, Envelope, Label, Message, PairwiseSecret, PinnedServer, ProtocolError,
    PublicKey, ServerName, ServiceName, sealed,
};
use vultus_tpm::{AttestationKey, Endorsement, SigningKey, Tpm};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::ceremony::{Enrolled, KeyRecord, now, servers, sign};
use crate::keys::{OpenState, first_free};
use crate::records::{Kind, RowName};
use crate::{VaultError, random};

/// One set of keys for one server, so that two servers cannot tell that they know the same device by
/// anything but its endorsement key.
#[derive(Encode, Decode, CborLen)]
pub struct Device {
    #[n(0)]
    server: String,
    #[n(1)]
    key: KeyRecord,
    #[n(2)]
    attestation_public: ByteVec,
    #[n(3)]
    attestation_private: ByteVec,
    #[n(4)]
    endorsement: Kin,
    #[n(5)]
    pairwise_secret: Secret,
    #[n(6)]
    manufacturer: String,
    #[n(7)]
    model: String,
    /// The enrolment whose challenge was answered.
    #[n(8)]
    enrolment: Option<ByteArray<16>>,
}

/// Which endorsement key the attestation key belongs to.
#[derive(Clone, Copy, Encode, Decode, CborLen)]
#[cbor(index_only)]
enum Kin {
    #[n(0)]
    Rsa2048,
    #[n(1)]
    P384,
}

#[derive(Encode, Decode, CborLen)]
#[cbor(transparent)]
struct Secret(#[n(0)] ByteArray<32>);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for Secret {}

impl Device {
    pub fn key(&self) -> SigningKey {
        self.key.key()
    }

    pub fn public_key(&self) -> Result<PublicKey, VaultError> {
        Ok(PublicKey::new(self.key().point()?)?)
    }

    pub fn identity(&self) -> Result<DeviceIdentity, VaultError> {
        Ok(DeviceIdentity::of(&self.public_key()?))
    }

    pub fn pairwise_secret(&self) -> PairwiseSecret {
        PairwiseSecret::new(*self.pairwise_secret.0)
    }

    /// Has the TPM state that a key of its own is one.
    pub fn certify(
        &self,
        tpm: &Tpm,
        key: &SigningKey,
        qualifying: &[u8; 32],
    ) -> Result<KeyCertification, VaultError> {
        let statement = tpm.certify(&self.attestation_key(), key, qualifying)?;
        Ok(KeyCertification {
            public: key.public.clone().into(),
            attest: statement.attest.into(),
            signature: statement.signature.to_vec().into(),
        })
    }

    fn attestation_key(&self) -> AttestationKey {
        AttestationKey {
            public: self.attestation_public.to_vec(),
            private: self.attestation_private.to_vec(),
            endorsement: match self.endorsement {
                Kin::Rsa2048 => Endorsement::Rsa2048,
                Kin::P384 => Endorsement::P384,
            },
        }
    }
}

fn records(state: &OpenState<'_>, kind: Kind) -> Result<Vec<(u32, Device)>, VaultError> {
    state.records::<Device>(kind, 0)
}

fn find_kind(
    state: &OpenState<'_>,
    kind: Kind,
    server: &ServerName,
) -> Result<Option<(u32, Device)>, VaultError> {
    Ok(records(state, kind)?.into_iter().find(|(_, device)| device.server == server.as_str()))
}

/// Keeps a record in place of the one of the same kind and server.
fn keep(state: &OpenState<'_>, kind: Kind, device: &Device, delete: &[RowName]) -> Result<(), VaultError> {
    let known = records(state, kind)?;
    let own = known.iter().find(|(_, d)| d.server == device.server).map(|(item, _)| *item);
    let item = own.unwrap_or_else(|| first_free(known.iter().map(|(item, _)| *item)));
    state.replace(Some((RowName::new(kind, 0, item), device)), delete)
}

/// This device as it is enrolled with a server.
pub fn find(state: &OpenState<'_>, server: &ServerName) -> Result<Option<Device>, VaultError> {
    Ok(find_kind(state, Kind::Device, server)?.map(|(_, device)| device))
}

/// The server and the device, where both are known.
pub fn enrolled(state: &OpenState<'_>, server: &ServerName) -> Result<Enrolled, VaultError> {
    let pinned = servers::pinned(state, server)?;
    let device = find(state, server)?.ok_or(Reason::DeviceNotEnrolled)?;
    Ok(Enrolled { pinned, device })
}

/// What a service is told of this device (seed 000, step 210).
pub fn information(state: &OpenState<'_>, server: &str, service: &str) -> Result<DeviceRecord, VaultError> {
    let (server, service) = (ServerName::new(server)?, ServiceName::new(service)?);
    let Enrolled { device, .. } = enrolled(state, &server)?;
    let pairwise = device.pairwise_secret().device_for(&server, &service);
    Ok(DeviceRecord {
        device: super::bytes(pairwise.as_bytes()),
        manufacturer: device.manufacturer.clone(),
        model: device.model.clone(),
    })
}

/// Makes new keys, and the request that offers them.
pub fn begin(
    state: &OpenState<'_>,
    tpm: &Tpm,
    server: &str,
    (manufacturer, model): (&str, &str),
) -> Result<Vec<u8>, VaultError> {
    let server = ServerName::new(server)?;
    let (manufacturer, model) = (Label::new(manufacturer)?, Label::new(model)?);
    let pinned = servers::pinned(state, &server)?;
    let endorsement = tpm.endorsement_key(None)?;
    let attestation = tpm.create_attestation_key(endorsement.kind)?;
    let key = tpm.create_signing_key()?;
    let request = EnrolmentRequest {
        server: server.clone(),
        device_key: PublicKey::new(key.point()?)?,
        device_public: key.public.clone().into(),
        attestation_public: attestation.public.clone().into(),
        endorsement_public: endorsement.public.into(),
        endorsement_certificate: endorsement.certificate.into(),
        manufacturer: manufacturer.clone(),
        model: model.clone(),
        at: now()?,
    };
    let packet = sign_and_seal(tpm, &key, &pinned, &request)?;
    let device = Device {
        server: server.to_string(),
        key: KeyRecord::of(key),
        attestation_public: attestation.public.into(),
        attestation_private: attestation.private.into(),
        endorsement: match attestation.endorsement {
            Endorsement::Rsa2048 => Kin::Rsa2048,
            Endorsement::P384 => Kin::P384,
        },
        pairwise_secret: Secret(random::<32>()?.into()),
        manufacturer: manufacturer.to_string(),
        model: model.to_string(),
        enrolment: None,
    };
    keep(state, Kind::DeviceToBe, &device, &[])?;
    Ok(packet)
}

/// Answers the challenge of the enrolment that was begun last.
pub fn answer(
    state: &OpenState<'_>,
    tpm: &Tpm,
    packet: &[u8],
    tolerance: u64,
) -> Result<Vec<u8>, VaultError> {
    let envelope = Envelope::<EnrolmentChallenge>::parse(packet)?;
    let server = envelope.claimed().server.clone();
    let (pinned, mut device) = to_be(state, &server)?;
    let challenge = verify(envelope, &pinned)?;
    if challenge.server != server || challenge.device != device.identity()? {
        return Err(ProtocolError::Misdirected("device").into());
    }
    challenge.window.check(now()?, tolerance)?;
    let secret =
        tpm.activate(&device.attestation_key(), &challenge.id_object, &challenge.encrypted_secret)?;
    let proof = EnrolmentProof {
        enrolment: challenge.enrolment,
        server,
        device: challenge.device,
        secret: secret.to_vec().into(),
        certification: device.certify(tpm, &device.key(), &challenge.nonce)?,
        pairwise_secret: device.pairwise_secret(),
    };
    let answer = sign_and_seal(tpm, &device.key(), &pinned, &proof)?;
    device.enrolment = Some(super::bytes(challenge.enrolment.as_bytes()));
    keep(state, Kind::DeviceToBe, &device, &[])?;
    Ok(answer)
}

/// Takes the new keys into use, in place of older ones, once the server has taken them in.
pub fn finish(state: &OpenState<'_>, packet: &[u8]) -> Result<(), VaultError> {
    let envelope = Envelope::<EnrolmentReceipt>::parse(packet)?;
    let server = envelope.claimed().server.clone();
    let (pinned, device) = to_be(state, &server)?;
    let receipt = verify(envelope, &pinned)?;
    let answered = device.enrolment.as_ref().map(|id| CeremonyId::new(**id));
    if receipt.device != device.identity()? || answered != Some(receipt.enrolment) {
        return Err(ProtocolError::Misdirected("device").into());
    }
    let pending = find_kind(state, Kind::DeviceToBe, &server)?.map(|(item, _)| item);
    let done: Vec<RowName> =
        pending.into_iter().map(|item| RowName::new(Kind::DeviceToBe, 0, item)).collect();
    keep(state, Kind::Device, &device, &done)?;
    info!(vultus_server = server.as_str(); "device enrolled");
    Ok(())
}

fn to_be(state: &OpenState<'_>, server: &ServerName) -> Result<(PinnedServer, Device), VaultError> {
    let pinned = servers::pinned(state, server)?;
    let found = find_kind(state, Kind::DeviceToBe, server)?;
    Ok((pinned, found.ok_or(Reason::DeviceNotEnrolled)?.1))
}

fn verify<M: Message>(envelope: Envelope<M>, pinned: &PinnedServer) -> Result<M, VaultError> {
    let key = *pinned.signing_key(envelope.key(), now()?).ok_or(ProtocolError::UnknownKey)?;
    Ok(envelope.verify(&key)?)
}

/// Signed by the device key, and sealed so that the server alone reads it.
pub fn sign_and_seal<M: Message>(
    tpm: &Tpm,
    key: &SigningKey,
    pinned: &PinnedServer,
    message: &M,
) -> Result<Vec<u8>, VaultError> {
    let to = *pinned.sealing_key(now()?).ok_or(ProtocolError::UnknownKey)?;
    let packet = sign(tpm, key, message)?;
    Ok(sealed::seal(&packet, &to, M::CONTEXT, &random()?)?)
}
