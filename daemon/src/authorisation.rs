//! Who may call what: one table with a row for each method, asked of polkit. A method without a row is
//! refused, and so is everything where polkit does not answer.
//!
//! Threat model: M9.

use std::collections::HashMap;

use log::warn;
use vultus_ipc::Uid;
use zbus::Connection;
use zbus::message::Header;
use zbus_polkit::policykit1::{AuthorityProxy, CheckAuthorizationFlags, Subject};

/// What a method needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it tells what anybody may know, or only ends or confirms what the caller began.
    Nothing,
    /// A polkit action.
    Action(&'static str),
}

pub const VERIFY: &str = "org.vultus.verify";
pub const ENROLL: &str = "org.vultus.enroll";
pub const DELETE: &str = "org.vultus.delete";
/// To act for another user.
pub const SET_USERNAME: &str = "org.vultus.setusername";
/// To register and deregister accounts of remote services.
pub const REMOTE: &str = "org.vultus.remote";
/// To enrol this device with a server, and to learn what that server calls it.
pub const ADMIN: &str = "org.vultus.admin";

pub const MANAGER: &str = "org.vultus.Vultus1.Manager";
pub const CAMERA: &str = "org.vultus.Vultus1.Camera";
pub const REMOTE_INTERFACE: &str = "org.vultus.Vultus1.Remote";

/// The table: interface, method, need. `RequestTicket`, `DeleteEnrolledFace` and `RemoveAccount` change
/// nothing without a password, packets change nothing without a pinned server's signature, and nothing is
/// signed without a face: the vault checks each by itself. `ListServers` names the device as no service
/// knows it, which programs could compare.
pub const TABLE: [(&str, &str, Need); 32] = [
    (MANAGER, "GetCameras", Need::Nothing),
    (MANAGER, "GetDefaultCamera", Need::Nothing),
    (MANAGER, "GetStatus", Need::Nothing),
    (MANAGER, "RequestTicket", Need::Action(VERIFY)),
    (MANAGER, "ClearLockout", Need::Action(DELETE)),
    (CAMERA, "Claim", Need::Action(VERIFY)),
    (CAMERA, "Release", Need::Nothing),
    (CAMERA, "ShowsColours", Need::Action(VERIFY)),
    (CAMERA, "VerifyStart", Need::Action(VERIFY)),
    (CAMERA, "VerifyStop", Need::Nothing),
    (CAMERA, "EnrollStart", Need::Action(ENROLL)),
    (CAMERA, "EnrollStop", Need::Nothing),
    (CAMERA, "ListEnrolledFaces", Need::Action(VERIFY)),
    (CAMERA, "DeleteEnrolledFace", Need::Action(DELETE)),
    (CAMERA, "DeleteEnrolledFaces", Need::Action(DELETE)),
    (CAMERA, "RegisterStart", Need::Action(REMOTE)),
    (CAMERA, "AuthenticateStart", Need::Action(VERIFY)),
    (CAMERA, "DeregisterStart", Need::Action(REMOTE)),
    (CAMERA, "VerifyWithAssertionStart", Need::Action(VERIFY)),
    (CAMERA, "Confirm", Need::Nothing),
    (CAMERA, "CeremonyStop", Need::Nothing),
    (REMOTE_INTERFACE, "ListServers", Need::Action(ADMIN)),
    (REMOTE_INTERFACE, "UpdateServerKeys", Need::Action(VERIFY)),
    (REMOTE_INTERFACE, "GetDeviceInformation", Need::Action(VERIFY)),
    (REMOTE_INTERFACE, "BeginDeviceEnrolment", Need::Action(ADMIN)),
    (REMOTE_INTERFACE, "AnswerDeviceChallenge", Need::Action(ADMIN)),
    (REMOTE_INTERFACE, "FinishDeviceEnrolment", Need::Action(ADMIN)),
    (REMOTE_INTERFACE, "ListAccounts", Need::Action(VERIFY)),
    (REMOTE_INTERFACE, "RemoveAccount", Need::Action(REMOTE)),
    (REMOTE_INTERFACE, "FinishRegistration", Need::Action(VERIFY)),
    (REMOTE_INTERFACE, "FinishDeregistration", Need::Action(VERIFY)),
    (REMOTE_INTERFACE, "GetAssertionKey", Need::Action(VERIFY)),
];

/// The caller was not allowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied;

/// The row of a method.
pub fn need(interface: &str, member: &str) -> Option<Need> {
    TABLE.iter().find(|(i, m, _)| *i == interface && *m == member).map(|(_, _, need)| *need)
}

/// A caller that may call what it called.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Its unique name on the bus.
    pub name: String,
    pub uid: Uid,
}

/// Checks the message against its row of the table.
pub async fn authorise(bus: &Connection, header: &Header<'_>) -> Result<Caller, Denied> {
    let (interface, member) = header.interface().zip(header.member()).ok_or(Denied)?;
    match need(interface.as_str(), member.as_str()) {
        None => return Err(Denied),
        Some(Need::Nothing) => {}
        Some(Need::Action(action)) => check(bus, header, action).await?,
    }
    caller(bus, header).await
}

/// Checks one polkit action for the sender of a message, by its unique name: a process number can be
/// taken over by another process in between.
pub async fn check(bus: &Connection, header: &Header<'_>, action: &str) -> Result<(), Denied> {
    match asked(bus, header, action).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Denied),
        Err(e) => {
            warn!(vultus_action = action; "polkit does not answer: {e}");
            Err(Denied)
        }
    }
}

async fn asked(
    bus: &Connection,
    header: &Header<'_>,
    action: &str,
) -> Result<bool, Box<dyn std::error::Error>> {
    let subject = Subject::new_for_message_header(header)?;
    let authority = AuthorityProxy::new(bus).await?;
    let flags = CheckAuthorizationFlags::ALLOW_USER_INTERACTION;
    let result = authority.check_authorization(&subject, action, &HashMap::new(), flags, "").await?;
    Ok(result.is_authorized)
}

async fn caller(bus: &Connection, header: &Header<'_>) -> Result<Caller, Denied> {
    let name = header.sender().ok_or(Denied)?.to_owned();
    let daemon = zbus::fdo::DBusProxy::new(bus).await.map_err(|_| Denied)?;
    let uid = daemon.get_connection_unix_user(name.clone().into()).await.map_err(|_| Denied)?;
    Ok(Caller { name: name.to_string(), uid: Uid(uid) })
}
