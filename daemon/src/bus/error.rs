//! Errors as callers on the bus see them: a stable name each, and a sentence for people.

use vultus_ipc::Reason;

use crate::authorisation::Denied;
use crate::claims::ClaimError;

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.vultus.Vultus1.Error")]
pub enum Error {
    #[zbus(error)]
    Bus(zbus::Error),
    PermissionDenied(String),
    AlreadyInUse(String),
    ClaimDevice(String),
    NoActionInProgress(String),
    NoSuchDevice(String),
    NoEnrolledFaces(String),
    NoSuchServer(String),
    NoSuchAccount(String),
    DeviceNotEnrolled(String),
    PacketRejected(String),
    UnpinnedKey(String),
    PacketExpired(String),
    PacketMisdirected(String),
    PasswordNeeded(String),
    InvalidArgument(String),
    Unavailable(String),
    Internal(String),
}

impl Error {
    /// What a reason of the vault is called on the bus.
    pub fn of(reason: Reason) -> Self {
        let sentence = reason.to_string();
        match reason {
            Reason::NotAllowed => Self::PermissionDenied(sentence),
            Reason::Busy | Reason::CameraBusy => Self::AlreadyInUse(sentence),
            Reason::NotEnrolled | Reason::NoSuchFace => Self::NoEnrolledFaces(sentence),
            Reason::PasswordNeeded => Self::PasswordNeeded(sentence),
            Reason::ServerUnknown => Self::NoSuchServer(sentence),
            Reason::NotRegistered => Self::NoSuchAccount(sentence),
            Reason::DeviceNotEnrolled => Self::DeviceNotEnrolled(sentence),
            Reason::PacketRejected => Self::PacketRejected(sentence),
            Reason::UnpinnedKey => Self::UnpinnedKey(sentence),
            Reason::PacketExpired => Self::PacketExpired(sentence),
            Reason::PacketMisdirected => Self::PacketMisdirected(sentence),
            Reason::BadRequest | Reason::TooManyFaces | Reason::TooManyKeys => {
                Self::InvalidArgument(sentence)
            }
            Reason::CameraAbsent | Reason::CameraUnpaired | Reason::OtherCamera => {
                Self::NoSuchDevice(sentence)
            }
            Reason::Internal => Self::Internal(sentence),
            _ => Self::Unavailable(sentence),
        }
    }

    /// A reply of another kind than the request asks for.
    pub fn unexpected() -> Self {
        Self::of(Reason::Internal)
    }
}

impl From<Denied> for Error {
    fn from(Denied: Denied) -> Self {
        Self::PermissionDenied("the caller may not do this".into())
    }
}

impl From<Reason> for Error {
    fn from(reason: Reason) -> Self {
        Self::of(reason)
    }
}

impl From<ClaimError> for Error {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::Taken => Self::AlreadyInUse("another caller has claimed the camera".into()),
            ClaimError::NotClaimed => Self::ClaimDevice("claim the camera first".into()),
            ClaimError::Running => Self::AlreadyInUse("something runs already".into()),
            ClaimError::NotRunning => Self::NoActionInProgress("nothing of the kind runs".into()),
        }
    }
}
