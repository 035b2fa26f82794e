//! Whether a process belongs to a remote session, by logind's record of it.

use vultus_ipc::Reason;
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
}

/// What logind calls a process that is in no session, as `login` and greeters are.
const NO_SESSION: &str = "org.freedesktop.login1.NoSessionForPID";

/// Refuses a process whose session is remote, or whose session cannot be looked up.
pub async fn refuse_remote(bus: &Connection, pid: u32) -> Result<(), Reason> {
    match session_is_remote(bus, pid).await {
        Ok(Some(false) | None) => Ok(()),
        Ok(Some(true)) => Err(Reason::RemoteSession),
        Err(e) => {
            log::warn!("logind does not say whether a session is remote: {e}");
            Err(Reason::SessionUnknown)
        }
    }
}

async fn session_is_remote(bus: &Connection, pid: u32) -> zbus::Result<Option<bool>> {
    let manager = ManagerProxy::new(bus).await?;
    let path = match manager.get_session_by_pid(pid).await {
        Ok(path) => path,
        Err(zbus::Error::MethodError(name, _, _)) if name.as_str() == NO_SESSION => return Ok(None),
        Err(e) => return Err(e),
    };
    let session = SessionProxy::builder(bus).path(path).build().await?;
    session.remote().await.map(Some)
}
