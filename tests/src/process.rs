//! Processes of a machine: started with a user and a log file, ended by their own handle.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a part of the machine may take to come up. Bounded, never judged.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A process that ends with its handle.
pub struct Process {
    child: Child,
    pub log: PathBuf,
}

impl Process {
    /// Starts a command as a user, its output in a log file.
    pub fn start(mut command: Command, uid: u32, log: &Path) -> io::Result<Self> {
        let file = File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        if uid != 0 {
            command.uid(uid).gid(uid);
        }
        Ok(Self { child: command.spawn()?, log: log.to_owned() })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        std::fs::read(&self.log).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }

    /// Stops it in its tracks, or lets it go on.
    pub fn signal(&self, signal: rustix::process::Signal) -> io::Result<()> {
        let pid = rustix::process::Pid::from_raw(self.pid() as i32).ok_or(io::ErrorKind::NotFound)?;
        Ok(rustix::process::kill_process(pid, signal)?)
    }

    /// The status, where it has ended.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits until it has said something.
    pub fn wait_for(&mut self, words: &str) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        while !self.said().contains(words) {
            if let Some(status) = self.child.try_wait()? {
                let signal = status.signal();
                return Err(io::Error::other(format!(
                    "ended ({status}, signal {signal:?}): {}",
                    self.said()
                )));
            }
            if Instant::now() > until {
                return Err(io::Error::other(format!(
                    "no {words:?} from {}: {}",
                    self.log.display(),
                    self.said()
                )));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something holds, for as long as [`PATIENCE`].
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) -> io::Result<()> {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        if Instant::now() > until {
            return Err(io::Error::other(format!("waited in vain: {what}")));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// A finished command's output.
#[derive(Debug)]
pub struct Finished {
    pub status: i32,
    pub out: String,
    pub err: String,
}

/// Runs a command to its end as a user, with these lines on its standard input.
pub fn run(mut command: Command, uid: u32, input: &str) -> io::Result<Finished> {
    use std::io::Write;
    if uid != 0 {
        command.uid(uid).gid(uid);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that ends without reading its input has said what it had to say.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Finished {
        status: output.status.code().unwrap_or(-1),
        out: text(output.stdout),
        err: text(output.stderr),
    })
}

/// The command of a sibling binary of this one: built into the same folder.
pub fn sibling(name: &str) -> io::Result<Command> {
    let own = std::env::current_exe()?;
    let folder = own.parent().ok_or(io::ErrorKind::NotFound)?;
    // Test binaries live one folder deeper than programs.
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let path = folder.join(name);
    if !path.exists() {
        return Err(io::Error::other(format!("{} is not built", path.display())));
    }
    Ok(Command::new(path))
}

/// The command of a program of the system, found in its usual folders whatever this process's user is.
pub fn system(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command
}
