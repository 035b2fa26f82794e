//! Who is at the other end, as the kernel says: never as the message says.
//!
//! Threat model: M6.

use std::os::fd::AsFd;

use crate::IpcError;

/// A numeric user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(pub u32);

impl Uid {
    pub const ROOT: Uid = Uid(0);

    /// The effective user of this process.
    pub fn own() -> Self {
        Self(rustix::process::geteuid().as_raw())
    }

    pub fn is_root(self) -> bool {
        self == Self::ROOT
    }
}

impl std::fmt::Display for Uid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The process that connected, at the moment it connected.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub uid: Uid,
    /// For the journal and for logind's session record only: a pid may be reused.
    pub pid: u32,
}

impl Peer {
    /// `SO_PEERCRED` of a connected unix socket.
    pub fn of(socket: impl AsFd) -> Result<Self, IpcError> {
        let credentials = rustix::net::sockopt::socket_peercred(socket)?;
        Ok(Self { uid: Uid(credentials.uid.as_raw()), pid: credentials.pid.as_raw_nonzero().get() as u32 })
    }
}
