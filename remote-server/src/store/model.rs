//! The rows of the database as the rest of the server sees them, and the numbers by which they are stored.
//! They decide nothing; names and keys in them are within their bounds.

use std::fmt;

use serde::{Deserialize, Serialize};
use vultus_protocol::challenge::Challenge;
use vultus_protocol::{
    AccountName, BiometricType, CeremonyId, DeviceIdentity, FeatureToken, Label, Liveness, PairwiseDevice,
    PairwiseSecret, PublicKey, ServiceName, VirtualAccount, Window,
};

use super::StoreError;

/// A kind or status: its number in the database, and its word for people and JSON.
macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$about:meta])* $variant:ident = $number:literal $word:literal,)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name {
            $($(#[$about])* $variant,)+
        }

        impl $name {
            /// The stable word.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            pub(super) fn number(self) -> i64 {
                match self {
                    $(Self::$variant => $number,)+
                }
            }

            pub(super) fn from_number(number: i64) -> Result<Self, StoreError> {
                match number {
                    $($number => Ok(Self::$variant),)+
                    _ => Err(StoreError::Corrupt(concat!("an unknown ", stringify!($name)))),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

numbered! {
    CeremonyKind {
        Registration = 1 "registration",
        Authentication = 2 "authentication",
        Deregistration = 3 "deregistration",
    }
}
numbered! {
    /// Whether a registered key counts. All but the first two are final.
    KeyStatus {
        Active = 1 "active",
        Suspended = 2 "suspended",
        /// The relying party or an administrator took it away.
        Revoked = 3 "revoked",
        /// The same device registered the same account again.
        Superseded = 4 "superseded",
        /// The device gave it back.
        Deregistered = 5 "deregistered",
    }
}
numbered! {
    /// Whether a device counts. Revoked and superseded are final.
    DeviceStatus {
        Active = 1 "active",
        Suspended = 2 "suspended",
        Revoked = 3 "revoked",
        /// The same TPM was enrolled with another device key.
        Superseded = 4 "superseded",
    }
}
numbered! {
    ServiceStatus {
        Active = 1 "active",
        Suspended = 2 "suspended",
    }
}

/// A relying party's service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub name: ServiceName,
    pub status: ServiceStatus,
    /// SHA-256 of the API key. Two services never have the same.
    pub api_key_hash: Option<[u8; 32]>,
    /// SHA-256 of the TLS client certificate. Two services never have the same.
    pub certificate: Option<[u8; 32]>,
    /// The least liveness that will do.
    pub policy_liveness: Liveness,
    pub created_at: u64,
}

/// A ceremony that was opened, under the name in its challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceremony {
    pub kind: CeremonyKind,
    pub challenge: Challenge,
    /// The service key it is about; a registration has none.
    pub account_key: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CeremonyState {
    pub ceremony: Ceremony,
    pub consumed: bool,
}

/// One registered account on one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceKey {
    pub id: i64,
    pub service: ServiceName,
    pub account: AccountName,
    pub virtual_account: VirtualAccount,
    pub device: PairwiseDevice,
    pub device_identity: DeviceIdentity,
    pub biometric: BiometricType,
    pub feature_token: FeatureToken,
    pub public_key: PublicKey,
    pub status: KeyStatus,
    pub registered_at: u64,
    pub ended_at: Option<u64>,
}

/// A key that is about to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewServiceKey {
    pub service: ServiceName,
    pub account: AccountName,
    pub virtual_account: VirtualAccount,
    pub device: PairwiseDevice,
    pub device_identity: DeviceIdentity,
    pub biometric: BiometricType,
    pub feature_token: FeatureToken,
    pub public_key: PublicKey,
}

/// A device of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub identity: DeviceIdentity,
    pub public_key: PublicKey,
    /// The attestation key's point: SEC1, uncompressed.
    pub attestation_point: [u8; 65],
    pub pairwise_secret: PairwiseSecret,
    /// Self-asserted, like the model.
    pub manufacturer: Label,
    pub model: Label,
    /// By its endorsement certificate.
    pub tpm_vendor: String,
    /// SHA-256 by which the TPM is known again.
    pub endorsement: [u8; 32],
    pub status: DeviceStatus,
    pub enrolled_at: u64,
}

/// An enrolment that waits for its proof.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrolment {
    pub id: CeremonyId,
    pub device_identity: DeviceIdentity,
    pub device_key: PublicKey,
    /// `TPMT_PUBLIC` of the device key.
    pub device_public: Vec<u8>,
    /// `TPMT_PUBLIC` of the attestation key.
    pub attestation_public: Vec<u8>,
    /// SHA-256 of what credential activation must give.
    pub secret_hash: [u8; 32],
    pub nonce: [u8; 32],
    pub endorsement: [u8; 32],
    pub vendor: String,
    pub manufacturer: Label,
    pub model: Label,
    pub window: Window,
}

/// How an enrolment was used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    pub at: u64,
    /// SHA-256 of the proof that was accepted; none where it was refused for good.
    pub proof: Option<[u8; 32]>,
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrolment")
            .field("id", &self.id)
            .field("device_identity", &self.device_identity)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}
