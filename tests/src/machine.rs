//! A whole machine in a temporary folder: swtpm, a private bus with the real polkitd, the real PAM
//! library under pam_wrapper, our own processes each with a user of its own, and a scripted camera.
//!
//! Doubles stand in at three edges of hardware and system: the TPM is swtpm, logind is a double (bus:
//! python-dbusmock; polkitd: a preloaded session table), and the user database is nss_wrapper's.

use std::error::Error;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use vultus_vision::liveness::Action;

use crate::actor::{self, ROLE, Role};
use crate::process::{Finished, PATIENCE, Process, run, sibling, system};
use crate::swtpm::{flush, free_ports, power_on, tcti};
use crate::{endorsement, pictures, video};

/// The users of the machine.
pub const ALICE: u32 = 60_101;
pub const BOB: u32 = 60_102;
pub const DAEMON: u32 = 60_001;
pub const VAULT: u32 = 60_002;
pub const CAMERA: u32 = 60_003;
/// Alice's password, and Bob's.
pub const PASSWORD: &str = "correct horse";
pub const BOBS_PASSWORD: &str = "battery staple";
/// The scripted camera's identity.
pub const CAMERA_ID: &str = "scripted:0";
/// Alice's session, active at the seat.
pub const SESSION: &str = "c1";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The running machine. Parts end in the order of the fields.
pub struct Machine {
    pub daemon: Option<Process>,
    pub password: Option<Process>,
    pub vault: Option<Process>,
    pub camera: Option<Process>,
    pub agent: Option<Process>,
    _logind: Process,
    pub polkit: Option<Process>,
    pub bus: Option<Process>,
    pub tpm: Option<Process>,
    tpm_port: u16,
    /// The rules of liveness, as they are written.
    liveness: &'static str,
    folder: tempfile::TempDir,
}

/// The rules that a vault has by itself.
pub const BY_ITSELF: &str = "{}";
/// For what is not about liveness: the people of films do not hear what is asked of them.
pub const PASSIVE: &str = r#"{ login = "passive", application = "passive", server = "passive" }"#;

impl Machine {
    /// Starts everything but a film in the camera, and pairs the camera as root.
    pub fn start() -> Result<Self> {
        Self::start_with(|_| Ok(()))
    }

    /// The same with a TPM whose endorsement keys are certified, as those of bought machines are.
    pub fn start_certified() -> Result<Self> {
        Self::start_with(|machine| {
            endorsement::manufacture(&machine.path("tpm-maker"), &machine.path("tpm-state"))
        })
    }

    /// The certificates of the maker of a certified machine's TPM.
    pub fn endorsement_roots(&self) -> PathBuf {
        endorsement::roots(&self.path("tpm-maker"))
    }

    /// `manufacture` fills the folder of the TPM's state.
    fn start_with(manufacture: impl FnOnce(&Self) -> Result<()>) -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Err("this needs root: each process gets a user of its own".into());
        }
        // The vault locks its memory where it may; its unit file allows it that, some sandboxes do not.
        let unlimited = rustix::process::Rlimit { current: None, maximum: None };
        let _ = rustix::process::setrlimit(rustix::process::Resource::Memlock, unlimited);
        let folder = tempfile::Builder::new().prefix("vultus-").tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let mut machine = Self::empty(folder)?;
        machine.write_files()?;
        manufacture(&machine)?;
        machine.start_tpm()?;
        machine.start_bus()?;
        machine.start_camera()?;
        machine.start_vault()?;
        machine.start_password()?;
        machine.start_daemon()?;
        // The pairing needs a camera that is there: any picture will do.
        let grey = video::Picture { width: 640, height: 480, rgb: vec![90; 640 * 480 * 3] };
        machine.play_pictures("nothing", &[grey])?;
        let paired = machine.vultus(0, &["cameras", "pair", CAMERA_ID], "")?;
        if paired.status != 0 {
            return Err(format!("the camera could not be paired: {paired:?}").into());
        }
        Ok(machine)
    }

    /// A machine without processes: the bus's place is taken by a process that only sleeps.
    fn empty(folder: tempfile::TempDir) -> Result<Self> {
        let sleeper = || {
            let mut command = system("sleep");
            command.arg("infinity");
            Process::start(command, 0, Path::new("/dev/null"))
        };
        Ok(Self {
            daemon: None,
            password: None,
            vault: None,
            camera: None,
            agent: None,
            _logind: sleeper()?,
            polkit: None,
            bus: None,
            tpm: None,
            tpm_port: free_ports()?,
            liveness: PASSIVE,
            folder,
        })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Keeps the folder for anyone to look at.
    pub fn log(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}.log"))
    }

    fn write_files(&self) -> Result<()> {
        for (name, uid, mode) in [
            ("run", 0, 0o1777),
            ("pam", 0, 0o755),
            ("films", 0, 0o755),
            ("vault-state", VAULT, 0o700),
            ("camera-state", CAMERA, 0o700),
            ("tpm-state", 0, 0o700),
            ("actions", 0, 0o755),
        ] {
            let path = self.path(name);
            fs::create_dir(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            std::os::unix::fs::chown(&path, Some(uid), Some(uid))?;
        }
        let users = [
            ("alice", ALICE),
            ("bob", BOB),
            ("vultusd", DAEMON),
            ("vultus-vault", VAULT),
            ("vultus-camera", CAMERA),
        ];
        let mut passwd = fs::read_to_string("/etc/passwd")?;
        let mut group = fs::read_to_string("/etc/group")?;
        for (name, uid) in users {
            passwd.push_str(&format!("{name}:x:{uid}:{uid}:{name}:/nonexistent:/bin/sh\n"));
            group.push_str(&format!("{name}:x:{uid}:\n"));
        }
        fs::write(self.path("passwd"), passwd)?;
        fs::write(self.path("group"), group)?;
        fs::write(self.path("sessions"), format!("{ALICE} {SESSION} 1 seat0\n{BOB} c2 0 -\n"))?;
        fs::write(self.path("remote"), "")?;
        fs::write(self.path("passdb"), self.passdb())?;
        self.write_pam_services()?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        fs::copy(root.join("dbus/org.vultus.Vultus1.policy"), self.path("actions/org.vultus.policy"))?;
        fs::write(self.path("bus.conf"), self.bus_configuration(&root))?;
        fs::write(self.path("vault.toml"), self.vault_configuration(""))?;
        fs::write(
            self.path("vultusd.toml"),
            format!(
                "vault_socket = {:?}\nvault_uid = {VAULT}\nlogin_socket = {:?}\nverify_ms = 60000\nenrol_ms = 120000\nceremony_ms = 60000\n",
                self.path("run/vault.sock"),
                self.path("run/login.sock")
            ),
        )?;
        Ok(())
    }

    fn passdb(&self) -> String {
        ["vultus-password", "login"]
            .iter()
            .map(|service| format!("alice:{PASSWORD}:{service}\nbob:{BOBS_PASSWORD}:{service}\n"))
            .collect()
    }

    fn write_pam_services(&self) -> Result<()> {
        // Built by itself: a build of the whole workspace would give it features that others need.
        let module = sibling("../pam/debug/libpam_vultus.so")?.get_program().to_owned();
        let module =
            self.path("pam_vultus.so").to_str().map(str::to_owned).zip(module.to_str().map(str::to_owned));
        let (module, built) = module.ok_or("a path is not text")?;
        fs::copy(built, &module)?;
        let matrix = format!("/usr/lib/{}-linux-gnu/pam_wrapper/pam_matrix.so", std::env::consts::ARCH);
        let passdb = self.path("passdb");
        let passdb = passdb.display();
        let face =
            format!("{module} socket={} vault_uid={VAULT} timeout=60", self.path("run/login.sock").display());
        let account = format!("account required {matrix} passdb={passdb}\n");
        let password = format!("auth required {matrix} passdb={passdb}\n");
        let services = [
            ("vultus-password".to_owned(), format!("{password}{account}")),
            ("login".to_owned(), format!("auth sufficient {face}\n{password}{account}")),
            (
                "face-only".to_owned(),
                format!(
                    "auth required {face}\naccount required {face}\nsession required {face}\npassword required {face}\n"
                ),
            ),
        ];
        // The same stack under the names that need intent.
        let intent = ["sudo", "su", "polkit-1"].map(|name| (name.to_owned(), services[2].1.clone()));
        for (name, content) in services.iter().chain(&intent) {
            fs::write(self.path("pam").join(name), content)?;
        }
        Ok(())
    }

    fn bus_configuration(&self, root: &Path) -> String {
        format!(
            r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.login1"/>
    <allow send_destination="org.freedesktop.PolicyKit1"/>
    <allow send_interface="org.freedesktop.PolicyKit1.AuthenticationAgent"/>
  </policy>
  <policy user="root">
    <allow own="org.freedesktop.login1"/>
    <allow own="org.freedesktop.PolicyKit1"/>
  </policy>
  <policy user="polkitd">
    <allow own="org.freedesktop.PolicyKit1"/>
  </policy>
  <include>{}</include>
</busconfig>
"#,
            self.path("run/bus").display(),
            root.join("dbus/org.vultus.Vultus1.conf").display()
        )
    }

    /// The vault's configuration with more lines.
    pub fn vault_configuration(&self, more: &str) -> String {
        format!(
            "socket = {:?}\nstate = {:?}\nmodels = {:?}\ntpm = {:?}\n\
             daemon_uid = {DAEMON}\nservices = [\"face-only\", \"short\", \"default\", \"wrong\", \"odd\", \"own\"]\noldest_frame_ms = 10000\ncamera_opening_ms = 30000\nlongest_attempt_ms = 60000\nlongest_enrolment_ms = 120000\ntpm_patience_ms = 30000\nliveness = {}\n{more}\n\
             [[cameras]]\nsocket = {:?}\nuid = {CAMERA}\n",
            self.path("run/vault.sock"),
            self.path("vault-state"),
            pictures::models(),
            tcti(self.tpm_port),
            self.liveness,
            self.path("run/camera.sock")
        )
    }

    /// A command with the machine's bus and users around it.
    fn inside(&self, mut command: Command) -> Command {
        command
            .env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", self.path("run/bus").display()))
            .env("NSS_WRAPPER_PASSWD", self.path("passwd"))
            .env("NSS_WRAPPER_GROUP", self.path("group"))
            .env("LD_PRELOAD", "libnss_wrapper.so")
            .env("TSS2_LOG", "all+NONE");
        command
    }

    /// The same, with PAM's services in the machine's folder.
    pub fn with_pam(&self, command: Command) -> Command {
        let mut command = self.inside(command);
        command
            .env("LD_PRELOAD", "libpam_wrapper.so:libnss_wrapper.so")
            .env("PAM_WRAPPER", "1")
            .env("PAM_WRAPPER_SERVICE_DIR", self.path("pam"));
        command
    }

    pub fn start_tpm(&mut self) -> Result<()> {
        self.tpm = Some(power_on(&self.path("tpm-state"), self.tpm_port, &self.log("swtpm"))?);
        Ok(())
    }

    fn start_bus(&mut self) -> Result<()> {
        let mut command = self.inside(system("dbus-daemon"));
        command.arg("--nofork").arg("--config-file").arg(self.path("bus.conf"));
        self.bus = Some(Process::start(command, 0, &self.log("bus"))?);
        let socket = self.path("run/bus");
        crate::process::wait_until("the bus listens", || socket.exists())?;
        let doubles = Path::new(env!("CARGO_MANIFEST_DIR")).join("doubles");
        let mut logind = self.inside(system("/usr/bin/python3"));
        logind.arg(doubles.join("logind.py")).arg(self.path("remote"));
        self._logind = Process::start(logind, 0, &self.log("logind"))?;
        self._logind.wait_for("ready")?;
        self.start_polkit()
    }

    /// polkitd with our actions beside the system's, which only it sees.
    pub fn start_polkit(&mut self) -> Result<()> {
        let preload = self.path("sessions.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("preload/sessions.c");
        let mut compiler = system("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&preload).arg(source);
        let compiled = run(compiler, 0, "")?;
        if compiled.status != 0 {
            return Err(compiled.err.into());
        }
        let mut command = self.inside(system("unshare"));
        command
            .env("LD_PRELOAD", format!("{}:libnss_wrapper.so", preload.display()))
            .env("PRELOAD_SESSIONS", self.path("sessions"))
            .args(["--mount", "sh", "-c"])
            .arg("cp /usr/share/polkit-1/actions/*.policy \"$0\" && mount --bind \"$0\" /usr/share/polkit-1/actions && exec /usr/lib/polkit-1/polkitd --no-debug")
            .arg(self.path("actions"));
        self.polkit = Some(Process::start(command, 0, &self.log("polkit"))?);
        let address = format!("unix:path={}", self.path("run/bus").display());
        crate::process::wait_until("polkitd is on the bus", || {
            let mut ask = system("busctl");
            ask.env("DBUS_SYSTEM_BUS_ADDRESS", &address).args([
                "--system",
                "status",
                "org.freedesktop.PolicyKit1",
            ]);
            run(ask, 0, "").is_ok_and(|done| done.status == 0)
        })?;
        Ok(())
    }

    /// An agent in Alice's session, which answers polkit as a right password would.
    pub fn start_agent(&mut self) -> Result<()> {
        let mut command = self.inside(system("/usr/bin/python3"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("doubles/agent.py");
        command.arg(script).arg(ALICE.to_string()).arg(SESSION);
        let mut agent = Process::start(command, 0, &self.log("agent"))?;
        agent.wait_for("ready")?;
        self.agent = Some(agent);
        Ok(())
    }

    pub fn start_camera(&mut self) -> Result<()> {
        let mut command = sibling("vultus-scripted-camera")?;
        command
            .arg("--socket")
            .arg(self.path("run/camera.sock"))
            .arg("--state")
            .arg(self.path("camera-state"))
            .arg("--vault-uid")
            .arg(VAULT.to_string())
            .arg("--play")
            .arg(self.path("now-playing"))
            .arg("--id")
            .arg(CAMERA_ID);
        let socket = self.path("run/camera.sock");
        // A camera that was killed has left its name behind.
        let _ = fs::remove_file(&socket);
        self.camera = Some(Process::start(command, CAMERA, &self.log("camera"))?);
        crate::process::wait_until("the camera listens", || socket.exists())?;
        Ok(())
    }

    pub fn start_vault(&mut self) -> Result<()> {
        let mut command = self.inside(sibling("vultus-vault")?);
        command.arg("--config").arg(self.path("vault.toml"));
        let mut vault = Process::start(command, VAULT, &self.log("vault"))?;
        vault.wait_for("\"ready\"")?;
        self.vault = Some(vault);
        Ok(())
    }

    /// Ends the vault as a crash would. What it had loaded into the TPM is flushed, as the kernel's
    /// resource manager (/dev/tpmrm0) does for a process that dies; swtpm has none.
    pub fn kill_vault(&mut self) -> Result<()> {
        self.vault.as_mut().ok_or("no vault runs")?.kill()?;
        self.vault = None;
        flush(self.tpm_port)
    }

    pub fn start_password(&mut self) -> Result<()> {
        let mut command = self.with_pam(sibling("vultus-password")?);
        command
            .arg("--socket")
            .arg(self.path("run/password.sock"))
            .arg("--vault")
            .arg(self.path("run/vault.sock"))
            .arg("--vault-uid")
            .arg(VAULT.to_string());
        let mut password = Process::start(command, 0, &self.log("password"))?;
        password.wait_for("\"ready\"")?;
        self.password = Some(password);
        Ok(())
    }

    pub fn start_daemon(&mut self) -> Result<()> {
        let mut command = self.inside(sibling("vultusd")?);
        command.arg("--config").arg(self.path("vultusd.toml"));
        let mut daemon = Process::start(command, DAEMON, &self.log("daemon"))?;
        daemon.wait_for("\"ready\"")?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Puts a film into the camera, which plays it from now on.
    pub fn play_pictures(&self, name: &str, film: &[video::Picture]) -> Result<()> {
        let path = self.path("films").join(format!("{name}.y4m"));
        if !path.exists() {
            video::write(&path, 30, film)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
        }
        self.play(name)
    }

    /// Plays a film that was put in before.
    pub fn play(&self, name: &str) -> Result<()> {
        self.turn_to(&format!("{name}.y4m"))
    }

    /// Puts somebody before the camera who does what is asked: see [`Self::relaying`].
    pub fn act(&self, role: &Role) -> Result<()> {
        let name = format!("{}-{}.{ROLE}", role.attack.as_deref().unwrap_or("bona-fide"), role.seed);
        fs::write(self.path("films").join(&name), toml::to_string(role)?)?;
        self.turn_to(&name)
    }

    fn turn_to(&self, file: &str) -> Result<()> {
        let (link, next) = (self.path("now-playing"), self.path("next-playing"));
        std::os::unix::fs::symlink(self.path("films").join(file), &next)?;
        Ok(fs::rename(next, link)?)
    }

    /// Runs a command that tells a person what to do, and tells whoever is before the camera: as asked, or what
    /// `hears` makes of it.
    pub fn relaying(
        &self,
        mut command: Command,
        uid: u32,
        hears: impl Fn(Action) -> Option<Action>,
    ) -> Result<Finished> {
        let (log, films) = (self.log("relayed"), self.path("films"));
        actor::tell_nothing(&films);
        command.stdin(Stdio::null());
        let mut process = Process::start(command, uid, &log)?;
        let mut told = 0;
        let status = loop {
            let ended = process.ended()?;
            let said = process.said();
            for action in said.lines().skip(told).filter_map(|line| actor::asked(line.trim())) {
                if let Some(action) = hears(action) {
                    actor::tell(&films, action)?;
                }
            }
            told = said.lines().count();
            if let Some(status) = ended {
                break status;
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        actor::tell_nothing(&films);
        Ok(Finished { status: status.code().unwrap_or(-1), out: process.said(), err: String::new() })
    }

    /// Lets the vault begin anew with other rules of liveness.
    pub fn rule_liveness(&mut self, rules: &'static str) -> Result<()> {
        self.liveness = rules;
        fs::write(self.path("vault.toml"), self.vault_configuration(""))?;
        self.kill_vault()?;
        self.start_vault()
    }

    /// Takes the film away, which is how this camera is unplugged.
    pub fn unplug_camera(&self) -> io::Result<()> {
        fs::remove_file(self.path("now-playing"))
    }

    /// Runs the `vultus` command as a user, with lines on its standard input.
    pub fn vultus(&self, uid: u32, arguments: &[&str], input: &str) -> io::Result<Finished> {
        run(self.vultus_command(arguments)?, uid, input)
    }

    /// The `vultus` command, to be run by the caller.
    pub fn vultus_command(&self, arguments: &[&str]) -> io::Result<Command> {
        let mut command = self.inside(sibling("vultus")?);
        command
            .arg("--runtime")
            .arg(self.path("run"))
            .arg("--models")
            .arg(pictures::models())
            .args(arguments);
        Ok(command)
    }

    /// Runs pamtester as root: `service user operations…`, with lines for its prompts.
    pub fn pamtester(&self, arguments: &[&str], input: &str) -> io::Result<Finished> {
        run(self.pamtester_command(arguments), 0, input)
    }

    /// The same, to be run by the caller, who reads each line as it is said.
    pub fn pamtester_command(&self, arguments: &[&str]) -> Command {
        // `stdbuf` would set the library's variable anew.
        let libraries = "libpam_wrapper.so:libnss_wrapper.so:/usr/libexec/coreutils/libstdbuf.so";
        let mut command = self.with_pam(system("pamtester"));
        command.args(arguments).env("LD_PRELOAD", libraries).env("_STDBUF_O", "L");
        command
    }

    /// A `busctl` call on the machine's bus as a user.
    pub fn busctl(&self, uid: u32, arguments: &[&str]) -> io::Result<Finished> {
        let mut command = self.inside(system("busctl"));
        command.arg("--system").arg(format!("--timeout={}", PATIENCE.as_secs())).args(arguments);
        run(command, uid, "")
    }

    /// The bus's address, for clients of the test itself.
    pub fn bus_address(&self) -> String {
        format!("unix:path={}", self.path("run/bus").display())
    }
}
