//! What a registry says of a device: to this server itself, or to another that asks. It gives no device's
//! identity towards a service that was not asked for, and never the secret that they follow from.

use log::error;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vultus_protocol::api::{Refusal, from_text, to_text};
use vultus_protocol::{
    DeviceIdentity, Label, PairwiseDevice, ProtocolError, PublicKey, ServerName, ServiceName,
};

use super::admitted;
use crate::ceremonies::{Core, Ended, RESOLUTION, Trail};
use crate::store::model::{Device, DeviceStatus};

/// A device as one service of one server knows it. As JSON it is a [`DeviceAnswer`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "DeviceAnswer", into = "DeviceAnswer")]
pub struct ResolvedDevice {
    pub public_key: PublicKey,
    /// Of the key that certifies its other keys: a P-256 point, SEC1 uncompressed.
    pub attestation_point: [u8; 65],
    pub pairwise: PairwiseDevice,
    pub status: DeviceStatus,
    pub manufacturer: Label,
    pub model: Label,
}

/// `POST /registry/v1/resolve`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveQuestion {
    /// The authentication server that asks, which bears the registry's own name: devices are called otherwise
    /// towards each name.
    pub server: String,
    pub service: String,
    pub device_identity: String,
}

/// Its answer. Binary values are base64url without padding.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceAnswer {
    /// 65 bytes.
    pub public_key: String,
    /// 65 bytes.
    pub attestation_point: String,
    /// 16 bytes.
    pub pairwise: String,
    /// `active`.
    #[schema(value_type = String)]
    pub status: DeviceStatus,
    /// Self-asserted.
    pub manufacturer: String,
    /// Self-asserted.
    pub model: String,
}

/// `POST /registry/v1/status`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusQuestion {
    pub device_identity: String,
}

/// Its answer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusAnswer {
    /// `active`, `suspended`, `revoked` or `superseded`.
    #[schema(value_type = String)]
    pub status: DeviceStatus,
}

impl From<ResolvedDevice> for DeviceAnswer {
    fn from(device: ResolvedDevice) -> Self {
        Self {
            public_key: to_text(device.public_key.as_bytes()),
            attestation_point: to_text(&device.attestation_point),
            pairwise: device.pairwise.to_text(),
            status: device.status,
            manufacturer: device.manufacturer.as_str().to_owned(),
            model: device.model.as_str().to_owned(),
        }
    }
}

impl TryFrom<DeviceAnswer> for ResolvedDevice {
    type Error = ProtocolError;

    fn try_from(answer: DeviceAnswer) -> Result<Self, ProtocolError> {
        let point = PublicKey::from_slice(&from_text(&answer.attestation_point)?)?;
        Ok(Self {
            public_key: PublicKey::from_slice(&from_text(&answer.public_key)?)?,
            attestation_point: *point.as_bytes(),
            pairwise: PairwiseDevice::from_text(&answer.pairwise)?,
            status: answer.status,
            manufacturer: Label::new(answer.manufacturer)?,
            model: Label::new(answer.model)?,
        })
    }
}

impl Core {
    /// Answers another authentication server. That it may ask was seen by whoever took the question.
    pub async fn answer_resolve(&self, question: ResolveQuestion) -> Result<ResolvedDevice, Refusal> {
        let mut trail = Trail::new(&RESOLUTION, "registry");
        let outcome = self.resolve_for_another(question, &mut trail).await;
        self.settle(trail, outcome).await
    }

    async fn resolve_for_another(
        &self,
        question: ResolveQuestion,
        trail: &mut Trail,
    ) -> Result<ResolvedDevice, Ended> {
        let identity = DeviceIdentity::from_text(&question.device_identity)?;
        trail.device = Some(identity.to_text());
        let (server, service) = (ServerName::new(question.server)?, ServiceName::new(question.service)?);
        trail.service = Some(service.clone());
        if !self.registry.is_local() {
            return Err(Refusal::NotFound.into());
        }
        // What devices are called towards another server is not this registry's to tell.
        if server != self.name {
            return Err(Refusal::Misdirected.into());
        }
        let device = resolved(self, &identity, &server, &service).await?;
        self.store.note(trail.accepted(self.clock.now())).await?;
        Ok(device)
    }

    /// The same for a status alone. It is asked for with every authentication there, and recorded there.
    pub async fn answer_status(&self, question: StatusQuestion) -> Result<StatusAnswer, Refusal> {
        if !self.registry.is_local() {
            return Err(Refusal::NotFound);
        }
        let identity = DeviceIdentity::from_text(&question.device_identity)?;
        Ok(StatusAnswer { status: known(self, &identity).await?.status })
    }
}

/// A device of this database as one service of one server knows it, while it is active.
pub async fn resolved(
    core: &Core,
    identity: &DeviceIdentity,
    server: &ServerName,
    service: &ServiceName,
) -> Result<ResolvedDevice, Refusal> {
    let device = known(core, identity).await?;
    admitted(device.status)?;
    Ok(ResolvedDevice {
        public_key: device.public_key,
        attestation_point: device.attestation_point,
        pairwise: device.pairwise_secret.device_for(server, service),
        status: device.status,
        manufacturer: device.manufacturer,
        model: device.model,
    })
}

/// A device of this database, whatever its status.
pub async fn known(core: &Core, identity: &DeviceIdentity) -> Result<Device, Refusal> {
    match core.store.device(identity).await {
        Ok(device) => device.ok_or(Refusal::UnknownDevice),
        Err(e) => {
            error!("a device could not be looked up: {e}");
            Err(Refusal::Unavailable)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> ResolvedDevice {
        ResolvedDevice {
            public_key: PublicKey::new([4; 65]).unwrap(),
            attestation_point: [4; 65],
            pairwise: PairwiseDevice::new([1; 16]),
            status: DeviceStatus::Active,
            manufacturer: Label::new("maker").unwrap(),
            model: Label::new("model").unwrap(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let text = serde_json::to_string(&device()).unwrap();
        assert_eq!(serde_json::from_str::<ResolvedDevice>(&text).unwrap(), device());
        assert!(text.contains(r#""status":"active""#));
        assert!(serde_json::from_str::<ResolvedDevice>(&text.replace("active", "good")).is_err());
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        let answer = DeviceAnswer::from(device());
        let spoilt = [
            DeviceAnswer { public_key: to_text(&[4; 64]), ..answer.clone() },
            DeviceAnswer { attestation_point: to_text(&[3; 65]), ..answer.clone() },
            DeviceAnswer { pairwise: "!".to_owned(), ..answer.clone() },
            DeviceAnswer { model: "\u{7}".to_owned(), ..answer },
        ];
        for answer in spoilt {
            assert!(ResolvedDevice::try_from(answer.clone()).is_err(), "{answer:?}");
        }
    }
}
