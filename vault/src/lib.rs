//! The safe area: it holds templates and keys, judges sealed frames and answers a short list of typed
//! requests. It has no network, no D-Bus and no camera, and takes nobody's word for who asks.
//!
//! ```text
//! SealedFrame → Frame → Observation → Decision → Verdict
//!   camera_link   observe (vision)   matching    attempt
//! ```

pub mod attempt;
pub mod camera_kind;
pub mod camera_link;
pub mod ceremony;
pub mod clock;
pub mod configuration;
pub mod enrolment;
pub mod judgement;
pub mod keys;
pub mod liveness;
pub mod lockout;
pub mod matching;
pub mod pairing;
pub mod past;
pub mod records;
pub mod server;
pub mod store;
pub mod ticket;
pub mod watch;

use vultus_ipc::Reason;

/// Why an operation ended without a result. [`VaultError::reason`] is all that leaves the process.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Tell the caller this reason; nothing is broken here.
    #[error("refused: {0}")]
    Refused(Reason),
    #[error(transparent)]
    Tpm(#[from] vultus_tpm::TpmError),
    /// The database cannot be read or written: refuse, keep everything.
    #[error("the state cannot be read or written: {0}")]
    Store(#[from] sqlx::Error),
    #[error("the state cannot be brought to this version: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A record is not what this vault wrote.
    #[error("a stored record was altered")]
    Altered,
    #[error(transparent)]
    Vision(#[from] vultus_vision::VisionError),
    #[error(transparent)]
    Ipc(#[from] vultus_ipc::IpcError),
    #[error("a frame or a session was refused: {0}")]
    Frame(#[from] vultus_frames::FrameError),
    /// A server's packet is not one to act upon.
    #[error(transparent)]
    Packet(#[from] vultus_protocol::ProtocolError),
    #[error("the random generator of the system failed")]
    NoRandom,
    #[error("{0}")]
    System(#[from] std::io::Error),
}

impl VaultError {
    pub fn reason(&self) -> Reason {
        use vultus_tpm::TpmError;
        match self {
            Self::Refused(reason) => *reason,
            Self::Tpm(TpmError::Absent | TpmError::Silent | TpmError::Configuration) => Reason::TpmAbsent,
            Self::Tpm(TpmError::Foreign) => Reason::TpmForeign,
            Self::Tpm(TpmError::Policy) => Reason::TpmPolicy,
            Self::Tpm(TpmError::Altered) | Self::Altered => Reason::StateTampered,
            Self::Tpm(TpmError::NoEndorsement) => Reason::NoEndorsement,
            Self::Tpm(TpmError::Credential) => Reason::PacketRejected,
            Self::Packet(e) => packet_reason(*e),
            Self::Store(_) | Self::Migration(_) => Reason::StateUnavailable,
            Self::Frame(_) => Reason::FrameRejected,
            Self::Vision(_) | Self::Ipc(_) | Self::NoRandom | Self::System(_) => Reason::Internal,
        }
    }
}

fn packet_reason(error: vultus_protocol::ProtocolError) -> Reason {
    use vultus_protocol::ProtocolError as E;
    match error {
        E::UnknownKey => Reason::UnpinnedKey,
        E::Expired | E::NotYetValid => Reason::PacketExpired,
        E::Misdirected(_) => Reason::PacketMisdirected,
        E::Malformed(_) | E::Oversize(_) | E::BadSignature | E::NotOpened | E::OldKeys => {
            Reason::PacketRejected
        }
    }
}

impl From<Reason> for VaultError {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

/// Fresh random bytes from the kernel.
pub fn random<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| VaultError::NoRandom)?;
    Ok(bytes)
}
