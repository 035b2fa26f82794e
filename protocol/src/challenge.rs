//! What the server answers to an information request of any ceremony: the signed packet that opens it
//! (seed 000: registration information response packet, authentication information response packet).

use minicbor::{CborLen, Decode, Encode};

use crate::identity::{
    AccountName, CeremonyId, Code, PairwiseDevice, Policy, ServerName, ServiceName, TransactionText,
    VirtualAccount,
};
use crate::{Context, Envelope, Message, PinnedServer, ProtocolError, Window};

/// The content is the same for every ceremony; the type that wraps it, and its context, are not.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(map)]
pub struct Challenge {
    #[n(1)]
    pub ceremony: CeremonyId,
    #[n(2)]
    pub server: ServerName,
    #[n(3)]
    pub service: ServiceName,
    #[n(4)]
    pub account: AccountName,
    #[n(5)]
    pub virtual_account: VirtualAccount,
    #[n(6)]
    pub device: PairwiseDevice,
    #[n(7)]
    pub code: Code,
    #[n(8)]
    pub window: Window,
    #[n(9)]
    pub policy: Policy,
    /// What the person must be shown before anything is signed. Authentication only.
    #[n(10)]
    pub transaction: Option<TransactionText>,
}

macro_rules! opening {
    ($(#[$doc:meta])* $name:ident, $context:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] pub Challenge);

        impl Message for $name {
            const CONTEXT: Context = Context($context);
            const CAP: usize = 2048;
        }

        impl From<$name> for Challenge {
            fn from(wrapped: $name) -> Self {
                wrapped.0
            }
        }
    };
}

opening! {
    /// Opens a registration.
    RegistrationInfo, "vultus/1 registration-info"
}
opening! {
    /// Opens an authentication.
    AuthenticationInfo, "vultus/1 authentication-info"
}
opening! {
    /// Opens a deregistration.
    DeregistrationInfo, "vultus/1 deregistration-info"
}

/// What the device does with such a packet: the pinned server's key, what may stand in it, its name, the device's own identity,
/// and the time are checked, in that order.
pub fn open<M: Message + Into<Challenge>>(
    packet: &[u8],
    pinned: &PinnedServer,
    device_for: impl FnOnce(&ServiceName) -> PairwiseDevice,
    now: u64,
    tolerance: u64,
) -> Result<Challenge, ProtocolError> {
    let envelope = Envelope::<M>::parse(packet)?;
    let key = *pinned.signing_key(envelope.key(), now).ok_or(ProtocolError::UnknownKey)?;
    let challenge: Challenge = envelope.verify(&key)?.into();
    if challenge.transaction.is_some() && M::CONTEXT != AuthenticationInfo::CONTEXT {
        return Err(ProtocolError::Malformed("a transaction where none is agreed to"));
    }
    if challenge.server != *pinned.name() {
        return Err(ProtocolError::Misdirected("server"));
    }
    if device_for(&challenge.service) != challenge.device {
        return Err(ProtocolError::Misdirected("device"));
    }
    challenge.window.check(now, tolerance)?;
    Ok(challenge)
}

/// The server that a packet says it comes from, for looking up what is pinned. Not to be believed.
pub fn claimed_server<M: Message + Into<Challenge> + Clone>(
    packet: &[u8],
) -> Result<ServerName, ProtocolError> {
    let challenge: Challenge = Envelope::<M>::parse(packet)?.claimed().clone().into();
    Ok(challenge.server)
}
