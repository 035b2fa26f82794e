//! A private PostgreSQL that can be stopped and started again, commits durably where that is measured, and
//! runs on one core where that counts. It is reached by a socket alone, and gone with its handle.

use std::error::Error;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use super::cores;
use crate::process::{Process, run, system, wait_until};

/// `nobody`: it refuses to run as root.
const USER: u32 = 65_534;
/// Whom everybody connects as.
const ROLE: &str = "vultus";
/// Debian keeps its programs out of the path, in a folder for each version.
const FOLDERS: &str = "/usr/lib/postgresql";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Whether a commit waits for the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Commits {
    Durable,
    /// A power cut would lose some. The end of a process does not.
    Quick,
}

pub struct Cluster {
    folder: PathBuf,
    commits: Commits,
    core: Option<usize>,
    /// Nothing while it is stopped.
    process: Option<Process>,
}

impl Cluster {
    /// Makes and starts one in a new folder, which `nobody` must be able to reach.
    pub fn make(folder: &Path, commits: Commits, core: Option<usize>) -> Result<Self> {
        fs::create_dir(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        chown(folder, Some(USER), Some(USER))?;
        let mut make = system(programs()?.join("initdb"));
        make.args(["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "--username", ROLE]);
        make.arg("--pgdata").arg(folder.join("data")).current_dir(folder);
        let made = run(make, USER, "")?;
        if made.status != 0 {
            return Err(format!("initdb: {}{}", made.out, made.err).into());
        }
        let mut cluster = Self { folder: folder.to_owned(), commits, core, process: None };
        cluster.start()?;
        Ok(cluster)
    }

    /// Starts it, and waits until it takes connections.
    pub fn start(&mut self) -> Result<()> {
        let mut program = Command::new(programs()?.join("postgres"));
        program.arg("-D").arg(self.folder.join("data")).args(["-c", "listen_addresses="]);
        program.arg("-c").arg(format!("unix_socket_directories={}", self.folder.display()));
        if self.commits == Commits::Quick {
            program.args(["-c", "fsync=off"]);
        }
        let mut command = cores::on(self.core, &program);
        command.current_dir(&self.folder);
        let mut process = Process::start(command, USER, &self.folder.with_extension("log"))?;
        process.wait_for("ready to accept connections")?;
        self.process = Some(process);
        Ok(())
    }

    /// Stops it as `pg_ctl stop` does: whoever is connected is thrown out.
    pub fn stop(&mut self) -> io::Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.signal(Signal::INT)?;
        wait_until("PostgreSQL ends", || !matches!(process.ended(), Ok(None)))
    }

    /// What a server calls its database.
    pub fn url(&self) -> String {
        format!("postgres:///postgres?host={}&user={ROLE}", self.folder.display())
    }

    /// CPU seconds that it and all of its backends have used so far.
    pub fn cpu_seconds(&self) -> io::Result<f64> {
        let process = self.process.as_ref().ok_or(io::ErrorKind::NotFound)?;
        cores::cpu_seconds_with_children(process.pid())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Asked first: what is killed leaves a segment of shared memory behind. Its handle ends it if not.
        let _ = self.stop();
    }
}

/// Where initdb and postgres are.
fn programs() -> Result<PathBuf> {
    let entries = fs::read_dir(FOLDERS).into_iter().flatten().filter_map(io::Result::ok);
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let of_path = ["/usr/local/bin", "/usr/bin"].map(PathBuf::from);
    let mut folders = versions.into_iter().rev().map(|(_, folder)| folder).chain(of_path);
    let has_both = |folder: &PathBuf| ["initdb", "postgres"].iter().all(|name| folder.join(name).exists());
    Ok(folders.find(has_both).ok_or("PostgreSQL is not installed: apt-get install postgresql")?)
}
