//! The device's side of ceremonies: Alice at her machine, what an application does over the bus, and what
//! the `vultus` command says.

use std::error::Error;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Child;

use serde_json::Value;
use vultus_cli::bus::{CameraProxy, ManagerProxy, RemoteProxy};
use vultus_vision::Observer;
use zbus::export::ordered_stream::OrderedStreamExt;

use crate::actor;
use crate::client::{self, block_on};
use crate::films;
use crate::machine::{ALICE, Machine, PASSWORD};
use crate::pictures::Photograph;
use crate::process::{Finished, PATIENCE, system};
use crate::server::{SHOP, Server};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The films: Alice, who is person A, as she enrols and as she comes back, and somebody else.
pub const ENROLMENT: &str = "enrolment-of-a";
pub const HERSELF: &str = "third-of-a";
pub const STRANGER: &str = "person-b";
/// What the camera shows before anybody sits down: it comes with each machine.
pub const NOBODY: &str = "nothing";

/// A machine with a certified TPM, whose polkit agent answers, and on which Alice's face is enrolled. She
/// sits in front of the camera.
pub fn alices_machine() -> Result<Machine> {
    let observer = films::observer()?;
    let mut machine = Machine::start_certified()?;
    machine.start_agent()?;
    put_films(&machine, &observer)?;
    enrol_face(&machine)?;
    Ok(machine)
}

/// Puts the films into the camera.
pub fn put_films(machine: &Machine, observer: &Observer) -> Result<()> {
    machine.play_pictures(ENROLMENT, &films::enrolment(observer)?)?;
    for (name, which) in [(HERSELF, Photograph::ThirdOfA), (STRANGER, Photograph::PersonB)] {
        machine.play_pictures(name, &films::swaying(observer, which)?)?;
    }
    Ok(())
}

/// Enrols Alice's face, with her password; then she comes back.
pub fn enrol_face(machine: &Machine) -> Result<()> {
    machine.play(ENROLMENT)?;
    let input = format!("{PASSWORD}\n");
    let enrolled = machine.vultus(ALICE, &["--password-stdin", "enroll", "desk"], &input)?;
    machine.play(HERSELF)?;
    if enrolled.status == 0 { Ok(()) } else { Err(format!("the face was not enrolled: {enrolled:?}").into()) }
}

/// Pins a server and enrols the device with it, as root does: the device's identity there.
pub fn enrol_device(machine: &Machine, server: &Server) -> Result<String> {
    pin(machine, server)?;
    let enrolled = said(&to_server(machine, 0, server, "enroll")?, 0)?;
    Ok(enrolled["device"].as_str().ok_or("no device")?.to_owned())
}

pub fn pin(machine: &Machine, server: &Server) -> Result<()> {
    let file = text(&server.key_set_file()?)?;
    said(&machine.vultus(0, &["--json", "device", "pin", &file], "")?, 0)?;
    Ok(())
}

/// What `vultus device enroll` or `update-keys` says to a user.
pub fn to_server(machine: &Machine, uid: u32, server: &Server, action: &str) -> Result<Finished> {
    let (name, url, ca) = (&server.plan.name, server.api_url()?, text(&server.ca())?);
    let words = ["--json", "device", action, name, "--url", &url, "--ca", &ca];
    Ok(machine.vultus(uid, &words, "")?)
}

/// What `vultus account …` at the server's own shop says to Alice.
pub fn shop(machine: &Machine, server: &Server, action: &[&str], input: &str) -> Result<Finished> {
    let (name, url, ca) = (&server.plan.name, server.shop_url()?, text(&server.ca())?);
    let mut words = vec!["--json", "account"];
    words.extend(action);
    words.extend(["--server", name, "--service", SHOP, "--shop", &url, "--ca", &ca]);
    Ok(machine.vultus(ALICE, &words, input)?)
}

fn text(path: &Path) -> Result<String> {
    Ok(path.to_str().ok_or("a path is not text")?.to_owned())
}

/// The JSON of a command that ended with this status.
pub fn said(done: &Finished, status: i32) -> Result<Value> {
    if done.status != status {
        return Err(format!("expected status {status}: {done:?}").into());
    }
    Ok(serde_json::from_str(&done.out).map_err(|e| format!("{e}: {done:?}"))?)
}

/// What is asked of the device.
#[derive(Clone, Copy)]
pub enum Order<'a> {
    Register(&'a [u8]),
    Authenticate(&'a [u8]),
    Deregister(&'a [u8]),
    Assert { nonce: &'a [u8], audience: &'a str },
}

/// What came of it.
#[derive(Debug)]
pub struct Ending {
    /// `signed`, or why not; the name of the bus's error where it did not begin.
    pub word: String,
    /// What was signed: empty where nothing was.
    pub packet: Vec<u8>,
    /// What was asked for: server, service, account.
    pub asked: Vec<[String; 3]>,
    /// The transactions that were shown, each of which was agreed to.
    pub shown: Vec<String>,
}

impl Ending {
    /// The packet, where one was signed.
    pub fn signed(self) -> Result<Vec<u8>> {
        if self.word == "signed" { Ok(self.packet) } else { Err(format!("not signed: {self:?}").into()) }
    }
}

/// Performs a ceremony as an application on the bus does: for Alice as her own, for anybody else as root's.
pub fn perform(machine: &Machine, user: &str, order: Order<'_>) -> Result<Ending> {
    let uid = if user == "alice" { ALICE } else { 0 };
    perform_as(machine, uid, user, order, None)
}

/// The same as Alice, who is awaited while something else happens: between the request and her face.
pub fn perform_meanwhile(
    machine: &Machine,
    order: Order<'_>,
    meanwhile: impl FnOnce() -> Result<()>,
) -> Result<Ending> {
    on_a_bus_of(machine, ALICE, async |bus| {
        let camera = default_camera(&bus).await?;
        let mut requests = camera.receive_request().await?;
        let mut status = camera.receive_ceremony_status().await?;
        camera.claim("alice").await?;
        start(&camera, order).await?;
        requests.next().await.ok_or("the bus closed the connection")?;
        meanwhile()?;
        loop {
            let signal = status.next().await.ok_or("the bus closed the connection")?;
            let said = signal.args()?;
            if said.done {
                let (word, packet) = (said.result.to_owned(), said.packet.clone());
                return Ok(Ending { word, packet, asked: Vec::new(), shown: Vec::new() });
            }
        }
    })
}

/// The same by whomever. `confirmed`: the text that is agreed to, where it is not what was shown.
pub fn perform_as(
    machine: &Machine,
    uid: u32,
    user: &str,
    order: Order<'_>,
    confirmed: Option<&str>,
) -> Result<Ending> {
    let films = machine.path("films");
    actor::tell_nothing(&films);
    on_a_bus_of(machine, uid, async |bus| {
        run(&default_camera(&bus).await?, &films, user, order, confirmed).await
    })
}

/// Does something on a connection to the bus that is a user's.
fn on_a_bus_of(
    machine: &Machine,
    uid: u32,
    work: impl AsyncFnOnce(zbus::Connection) -> Result<Ending>,
) -> Result<Ending> {
    let (relay, stream) = Relay::start(machine, uid)?;
    let ending = block_on(async {
        let bus = zbus::connection::Builder::unix_stream(stream).user_id(uid).build().await?;
        let ended = tokio::time::timeout(PATIENCE * 2, work(bus)).await;
        ended.map_err(|_| "the ceremony does not end")?
    })?;
    drop(relay);
    ending
}

async fn default_camera(bus: &zbus::Connection) -> Result<CameraProxy<'_>> {
    let path = ManagerProxy::new(bus).await?.get_default_camera().await?;
    Ok(CameraProxy::builder(bus).path(path).build().await?)
}

/// A process of a user that passes on what a client of the bus writes: the bus, `vultusd` and polkit take the
/// client for that process.
struct Relay(Child);

/// Between its standard input, which is a socket, and the bus.
const RELAY: &str = "\
import select, socket, sys
near, far = socket.socket(fileno=0), socket.socket(socket.AF_UNIX)
far.connect(sys.argv[1])
other = {near: far, far: near}
while True:
    for ready in select.select([near, far], [], [])[0]:
        piece = ready.recv(65536)
        if not piece:
            sys.exit()
        other[ready].sendall(piece)
";

impl Relay {
    fn start(machine: &Machine, uid: u32) -> Result<(Self, UnixStream)> {
        let (own, its) = UnixStream::pair()?;
        let mut command = system("/usr/bin/python3");
        command.args(["-I", "-c", RELAY]).arg(machine.path("run/bus")).stdin(OwnedFd::from(its));
        if uid != 0 {
            command.uid(uid).gid(uid);
        }
        Ok((Self(command.spawn()?), own))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It ends by itself with the connection, and may have done so.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn run(
    camera: &CameraProxy<'_>,
    films: &Path,
    user: &str,
    order: Order<'_>,
    confirmed: Option<&str>,
) -> Result<Ending> {
    let mut requests = camera.receive_request().await?;
    let mut guidance = camera.receive_guidance().await?;
    let mut status = camera.receive_ceremony_status().await?;
    let (mut asked, mut shown) = (Vec::new(), Vec::new());
    if let Err(error) = camera.claim(user).await {
        return Ok(Ending { word: refusal(error)?, packet: Vec::new(), asked, shown });
    }
    if let Err(error) = start(camera, order).await {
        camera.release().await?;
        return Ok(Ending { word: refusal(error)?, packet: Vec::new(), asked, shown });
    }
    let (word, packet) = loop {
        tokio::select! {
            // What is asked for comes before its end.
            biased;
            Some(signal) = requests.next() => {
                let said = signal.args()?;
                asked.push([said.server, said.service, said.account].map(str::to_owned));
                if !said.transaction.is_empty() {
                    shown.push(said.transaction.to_owned());
                    camera.confirm(confirmed.unwrap_or(said.transaction)).await?;
                }
            }
            // Whoever is before the camera hears it.
            Some(signal) = guidance.next() => {
                if let Some(action) = actor::asked(signal.args()?.sentence) {
                    actor::tell(films, action)?;
                }
            }
            Some(signal) = status.next() => {
                let said = signal.args()?;
                if said.done {
                    break (said.result.to_owned(), said.packet.clone());
                }
            }
            else => return Err("the bus closed the connection".into()),
        }
    };
    camera.release().await?;
    Ok(Ending { word, packet, asked, shown })
}

/// What a client saw of a verification.
#[derive(Debug)]
pub struct Verification {
    /// The last word of its status.
    pub result: String,
    /// The words of all guidance.
    pub guidance: Vec<String>,
}

/// Verifies a user for a client that says that it shows colours, and that does where it is `honest`. Whoever is
/// before the camera hears and sees it.
pub fn verify_before_a_screen(machine: &Machine, user: &str, honest: bool) -> Result<Verification> {
    let (films, address) = (machine.path("films"), machine.bus_address());
    actor::tell_nothing(&films);
    block_on(async {
        let (_bus, _, camera) = client::camera(&address).await?;
        camera.claim(user).await?;
        camera.shows_colours(true).await?;
        let mut signals = camera.receive_guidance().await?;
        let mut status = camera.receive_verify_status().await?;
        camera.verify_start().await?;
        let mut guidance = Vec::new();
        let result = loop {
            tokio::select! {
                biased;
                Some(signal) = signals.next() => {
                    let said = signal.args()?;
                    guidance.push(said.word.to_owned());
                    if let Some(action) = actor::asked(said.sentence) {
                        actor::tell(&films, action)?;
                    }
                    if honest && said.word.starts_with("screen-") {
                        actor::shine(&films, said.word)?;
                    }
                }
                Some(signal) = status.next() => {
                    let said = signal.args()?;
                    if said.done {
                        break said.result.to_owned();
                    }
                }
                else => return Err("the bus closed the connection".into()),
            }
        };
        camera.release().await?;
        actor::tell_nothing(&films);
        Ok(Verification { result, guidance })
    })?
}

async fn start(camera: &CameraProxy<'_>, order: Order<'_>) -> zbus::Result<()> {
    match order {
        Order::Register(packet) => camera.register_start(packet).await,
        Order::Authenticate(packet) => camera.authenticate_start(packet).await,
        Order::Deregister(packet) => camera.deregister_start(packet).await,
        Order::Assert { nonce, audience } => camera.verify_with_assertion_start(nonce, audience).await,
    }
}

/// The name of `vultusd`'s error.
pub fn refusal(error: zbus::Error) -> Result<String> {
    let name = match &error {
        zbus::Error::MethodError(name, _, _) => name.as_str().strip_prefix("org.vultus.Vultus1.Error."),
        _ => None,
    };
    let name = name.map(str::to_owned);
    name.ok_or_else(|| error.into())
}

/// Asks what concerns servers and accounts, as root: the bus's own answer.
pub fn remote<T>(
    machine: &Machine,
    ask: impl AsyncFnOnce(&RemoteProxy<'_>) -> zbus::Result<T>,
) -> Result<zbus::Result<T>> {
    let address = machine.bus_address();
    block_on(async {
        let bus = zbus::connection::Builder::address(address.as_str()).build().await?;
        let remote = RemoteProxy::new(&bus).await?;
        Ok(ask(&remote).await)
    })?
}

/// What a service is told of this device, for the body of a request.
pub fn towards(machine: &Machine, server: &Server, service: &str) -> Result<String> {
    let words = ["--json", "device", "information", &server.plan.name, service];
    let told = said(&machine.vultus(ALICE, &words, "")?, 0)?;
    Ok(told["device"].as_str().ok_or("no device")?.to_owned())
}

/// Gives the device a server's receipt, as Alice: `member` is of the bus's interface for servers.
pub fn finish(machine: &Machine, member: &str, packet: &[u8]) -> Result<Finished> {
    let length = packet.len().to_string();
    let bytes: Vec<String> = packet.iter().map(u8::to_string).collect();
    let place = ["call", "org.vultus.Vultus1", "/org/vultus/Vultus1", "org.vultus.Vultus1.Remote"];
    let mut words = place.to_vec();
    words.extend([member, "ay", &length]);
    words.extend(bytes.iter().map(String::as_str));
    Ok(machine.busctl(ALICE, &words)?)
}

/// An account as the device has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Account {
    pub service: String,
    pub account: String,
    /// Whether the server's receipt has come.
    pub confirmed: bool,
}

/// The accounts that Alice has on this machine.
pub fn accounts(machine: &Machine) -> Result<Vec<Account>> {
    let listed = said(&machine.vultus(ALICE, &["--json", "account", "list"], "")?, 0)?;
    let rows = listed["accounts"].as_array().ok_or("no accounts")?;
    let row = |row: &Value| {
        let text = |field: &str| Some(row[field].as_str()?.to_owned());
        let confirmed = row["confirmed"].as_bool()?;
        Some(Account { service: text("service")?, account: text("account")?, confirmed })
    };
    Ok(rows.iter().map(row).collect::<Option<_>>().ok_or("an account of another form")?)
}
