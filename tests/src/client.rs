//! Clients of the bus that the `vultus` command is too well behaved to be.

use std::error::Error;
use std::process::{Child, Stdio};

use vultus_cli::bus::{CameraProxy, ManagerProxy};
use zbus::Connection;
use zbus::export::ordered_stream::OrderedStreamExt;

use crate::machine::Machine;
use crate::process::wait_until;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Runs one client to its end.
pub fn block_on<T>(work: impl Future<Output = T>) -> std::io::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work))
}

/// The first camera, on a connection of its own.
pub async fn camera(address: &str) -> Result<(Connection, ManagerProxy<'static>, CameraProxy<'static>)> {
    let bus = zbus::connection::Builder::address(address).build().await?;
    let manager = ManagerProxy::new(&bus).await?;
    let path = manager.get_default_camera().await?;
    let camera = CameraProxy::builder(&bus).path(path).build().await?;
    Ok((bus, manager, camera))
}

/// Tries to enrol with a ticket that was asked for, but that no password redeemed; gives the result.
pub fn enroll_without_password(address: &str, user: &str) -> Result<String> {
    block_on(async {
        let (_bus, manager, camera) = camera(address).await?;
        let mut status = camera.receive_enroll_status().await?;
        let nonce = manager.request_ticket(user, "enroll").await?;
        camera.claim(user).await?;
        camera.enroll_start("forged", nonce).await?;
        let signal = status.next().await.ok_or("the bus closed the connection")?;
        let result = signal.args()?.result.to_owned();
        camera.release().await?;
        Ok(result)
    })?
}

/// An enrolment by the `vultus` command that is under way.
pub struct Enrolling {
    child: Child,
    seen: std::path::PathBuf,
}

impl Enrolling {
    pub fn start(machine: &Machine, uid: u32, password: &str) -> Result<Self> {
        use std::io::Write;
        use std::os::unix::process::CommandExt;
        let mut command = machine.vultus_command(&["--password-stdin", "enroll", "again"])?;
        let seen = machine.log("enrolling");
        let log = std::fs::File::create(&seen)?;
        command.uid(uid).gid(uid).stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(format!("{password}\n").as_bytes())?;
        }
        Ok(Self { child, seen })
    }

    /// Waits until the first shot was captured.
    pub fn wait_for_a_shot(&mut self) -> Result<()> {
        let seen = self.seen.clone();
        Ok(wait_until("a shot is captured", || {
            std::fs::read_to_string(&seen).is_ok_and(|said| said.contains("1 of 5"))
        })?)
    }
}

impl Drop for Enrolling {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Demands that `vultusd` refused by this error.
pub fn refused(what: &str, answer: zbus::Result<()>, name: &str) {
    let expected = format!("org.vultus.Vultus1.Error.{name}");
    match answer {
        Err(zbus::Error::MethodError(error, _, _)) if error.as_str() == expected => {}
        other => panic!("{what}: {other:?} in place of {expected}"),
    }
}
