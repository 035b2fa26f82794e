//! Whether a process belongs to a remote session, by logind's record of it.
//!
//! Threat model: M14.

use vultus_ipc::{Peer, Reason};
use zbus::Connection;

#[zbus::proxy(
    interface = "org.freedesktop.login1.Manager",
    default_service = "org.freedesktop.login1",
    default_path = "/org/freedesktop/login1"
)]
trait Manager {
    #[zbus(name = "GetSessionByPID")]
    fn get_session_by_pid(&self, pid: u32) -> zbus::Result<zbus::OwnedObjectPath>;
}

#[zbus::proxy(interface = "org.freedesktop.login1.Session", default_service = "org.freedesktop.login1")]
trait Session {
    #[zbus(property)]
    fn remote(&self) -> zbus::Result<bool>;
    #[zbus(property)]
    fn active(&self) -> zbus::Result<bool>;
    #[zbus(property)]
    fn seat(&self) -> zbus::Result<(String, zbus::OwnedObjectPath)>;
}

/// What logind calls a process that is in no session, as `login` and greeters are.
const NO_SESSION: &str = "org.freedesktop.login1.NoSessionForPID";

/// Refuses a process whose session is remote, or cannot be looked up. Root's programs may be in no
/// session at all, as `login` and greeters are; a person's own program must be in one that is active.
pub async fn refuse_remote(bus: &Connection, peer: Peer) -> Result<(), Reason> {
    match session_of(bus, peer.pid).await {
        Ok(Some(session)) if session.remote => Err(Reason::RemoteSession),
        Ok(Some(session)) if session.active || peer.uid.is_root() => Ok(()),
        Ok(None) if peer.uid.is_root() => Ok(()),
        Ok(_) => Err(Reason::SessionUnknown),
        Err(e) => {
            log::warn!("logind does not say whose session this is: {e}");
            Err(Reason::SessionUnknown)
        }
    }
}

/// What counts of a session.
struct Record {
    remote: bool,
    /// In the foreground of a seat.
    active: bool,
}

async fn session_of(bus: &Connection, pid: u32) -> zbus::Result<Option<Record>> {
    let manager = ManagerProxy::new(bus).await?;
    let path = match manager.get_session_by_pid(pid).await {
        Ok(path) => path,
        Err(zbus::Error::MethodError(name, _, _)) if name.as_str() == NO_SESSION => return Ok(None),
        Err(e) => return Err(e),
    };
    let session = SessionProxy::builder(bus).path(path).build().await?;
    let at_seat = !session.seat().await?.0.is_empty();
    Ok(Some(Record { remote: session.remote().await?, active: session.active().await? && at_seat }))
}
