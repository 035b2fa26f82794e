//! What relying parties and applications exchange with the server as JSON over HTTPS: the unsigned parts of
//! every dance, and the reasons of its refusals. Binary values are base64url without padding.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ProtocolError;

/// Opens a registration: `POST /v1/registrations`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenRegistration {
    /// The account as the relying party calls it: 1 to 128 bytes without control characters.
    pub account: String,
    /// The pairwise device identity that the application got from the device: 16 bytes.
    pub device: String,
}

/// Opens an authentication: `POST /v1/authentications`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenAuthentication {
    pub device: String,
    /// May be left out where this device has exactly one account of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What the person is to agree to: 1 to 512 bytes, shown before anything is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
}

/// Opens a deregistration: `POST /v1/deregistrations`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenDeregistration {
    pub device: String,
    pub account: String,
}

/// The packet that opens a ceremony, for the device.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Opened {
    /// 16 bytes; names the ceremony in the next request.
    pub ceremony: String,
    /// A signed `*-info` packet.
    pub packet: String,
    /// Seconds since 1970.
    pub expires_at: u64,
}

/// A packet of the device: `POST /v1/{registrations|authentications|deregistrations}/{ceremony}`, and
/// `POST /v1/devices`, `POST /v1/devices/{enrolment}`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Packet {
    pub packet: String,
}

/// What a ceremony came to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Completed {
    pub ceremony: String,
    /// A signed receipt, for the relying party to keep and for the device.
    pub packet: String,
    pub account: String,
    /// 16 bytes.
    pub virtual_account: String,
    /// The pairwise device identity, 16 bytes.
    pub device: String,
    /// `face`.
    pub biometric: String,
    /// Seconds since 1970.
    pub at: u64,
    /// What the device says was checked: `none`, `passive` or `active`. Self-asserted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_self_asserted: Option<String>,
}

/// One registered account of a service: `GET /v1/accounts/{account}`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AccountView {
    pub account: String,
    pub virtual_account: String,
    pub keys: Vec<KeyView>,
}

/// One service key of an account; old ones are kept.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KeyView {
    pub device: String,
    /// `active`, `suspended`, `revoked`, `superseded` or `deregistered`.
    pub status: String,
    /// Seconds since 1970.
    pub registered_at: u64,
}

/// The answer to whatever is refused.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    pub reason: Refusal,
    /// What the application may be told.
    pub advice: Advice,
    /// A sentence for people.
    pub message: String,
}

/// What an application is told: no more than what it should do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Advice {
    /// Not with this packet, device or account.
    Refused,
    /// Open a new ceremony.
    StartAgain,
    /// The same later.
    Later,
}

/// Why the server refused, for the relying party's backend and the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    #[error("the request or packet is malformed")]
    Malformed,
    #[error("the request or packet is too large")]
    Oversize,
    #[error("the caller is not known, or may not do this")]
    Unauthorised,
    #[error("too many requests")]
    RateLimited,
    #[error("the server cannot decide now")]
    Unavailable,
    #[error("no such thing")]
    NotFound,
    #[error("no such ceremony of this service and kind")]
    UnknownCeremony,
    #[error("the window has passed")]
    Expired,
    #[error("issued in the future: a clock is wrong")]
    NotYetValid,
    #[error("the code was used already")]
    CodeUsed,
    #[error("the code is not that of this ceremony")]
    CodeWrong,
    #[error("the packet belongs to another ceremony, service, device, account or transaction")]
    Misdirected,
    #[error("the signature does not verify")]
    BadSignature,
    #[error("signed by a key that is not registered")]
    UnknownKey,
    #[error("the packet is not sealed to a key of this server, or was altered")]
    NotOpened,
    #[error("the device is not in the registry")]
    UnknownDevice,
    #[error("the device is suspended")]
    DeviceSuspended,
    #[error("the device is revoked")]
    DeviceRevoked,
    #[error("the device was enrolled anew, and this identity of it counts no more")]
    DeviceSuperseded,
    #[error("no such account is registered with this device")]
    UnknownAccount,
    #[error("the device has several accounts of this service: name one")]
    AmbiguousAccount,
    #[error("the account is suspended")]
    AccountSuspended,
    #[error("the account is revoked")]
    AccountRevoked,
    #[error("the face was enrolled anew: register again")]
    FeatureTokenChanged,
    #[error("the local verification was weaker than the policy asks")]
    PolicyUnmet,
    #[error("the TPM's statement does not cover this key")]
    KeyNotCertified,
    #[error("the endorsement certificate chains to no trusted root, or is not one")]
    UntrustedEndorsement,
    #[error("the credential was not activated by the TPM that it was made for")]
    ActivationFailed,
    #[error("the device registry does not answer")]
    RegistryUnavailable,
}

impl Refusal {
    /// The stable word.
    pub fn word(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }

    pub fn advice(self) -> Advice {
        match self {
            Self::RateLimited | Self::Unavailable | Self::RegistryUnavailable => Advice::Later,
            Self::Expired | Self::NotYetValid | Self::CodeUsed | Self::UnknownCeremony => Advice::StartAgain,
            _ => Advice::Refused,
        }
    }

    /// The HTTP status it is answered with.
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Unauthorised => 401,
            Self::NotFound | Self::UnknownCeremony => 404,
            Self::AmbiguousAccount | Self::CodeUsed => 409,
            Self::Expired => 410,
            Self::Oversize => 413,
            Self::RateLimited => 429,
            Self::Unavailable | Self::RegistryUnavailable => 503,
            _ => 403,
        }
    }
}

impl From<ProtocolError> for Refusal {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::Malformed(_) | ProtocolError::OldKeys => Self::Malformed,
            ProtocolError::Oversize(_) => Self::Oversize,
            ProtocolError::BadSignature => Self::BadSignature,
            ProtocolError::UnknownKey => Self::UnknownKey,
            ProtocolError::NotOpened => Self::NotOpened,
            ProtocolError::Expired => Self::Expired,
            ProtocolError::NotYetValid => Self::NotYetValid,
            ProtocolError::Misdirected(_) => Self::Misdirected,
        }
    }
}

impl From<Refusal> for Problem {
    fn from(reason: Refusal) -> Self {
        Self { reason, advice: reason.advice(), message: reason.to_string() }
    }
}

pub fn to_text(bytes: &[u8]) -> String {
    use base64ct::Encoding;
    base64ct::Base64UrlUnpadded::encode_string(bytes)
}

pub fn from_text(text: &str) -> Result<Vec<u8>, ProtocolError> {
    use base64ct::Encoding;
    base64ct::Base64UrlUnpadded::decode_vec(text)
        .map_err(|_| ProtocolError::Malformed("not base64url without padding"))
}
