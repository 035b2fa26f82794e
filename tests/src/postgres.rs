//! A private PostgreSQL for one test: its own folder and user, reached by a socket alone, gone with its
//! handle. It does not sync to the disk: what survives a power cut is not asked here.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::process::{Process, run, system, wait_until};

/// `nobody`: it refuses to run as root.
const USER: u32 = 65_534;
/// Whom everybody connects as.
const ROLE: &str = "vultus";
const FOLDERS: &str = "/usr/lib/postgresql";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub struct Postgres {
    process: Process,
    folder: PathBuf,
}

impl Postgres {
    /// Makes and starts one in a new folder, which `nobody` must be able to reach.
    pub fn start(folder: &Path) -> Result<Self> {
        let programs = programs()?;
        fs::create_dir(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        chown(folder, Some(USER), Some(USER))?;
        let data = folder.join("data");
        let mut make = system(programs.join("initdb"));
        make.args(["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "--username", ROLE]);
        make.arg("--pgdata").arg(&data).current_dir(folder);
        let made = run(make, USER, "")?;
        if made.status != 0 {
            return Err(format!("initdb: {}{}", made.out, made.err).into());
        }
        let mut command = system(programs.join("postgres"));
        command.current_dir(folder).arg("-D").arg(&data).args(["-c", "listen_addresses=", "-c", "fsync=off"]);
        command.arg("-c").arg(setting("unix_socket_directories", folder));
        let mut process = Process::start(command, USER, &folder.with_extension("log"))?;
        process.wait_for("ready to accept connections")?;
        Ok(Self { process, folder: folder.to_owned() })
    }

    /// What a server calls its database.
    pub fn url(&self) -> String {
        format!("postgres:///postgres?host={}&user={ROLE}", self.folder.display())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Asked first: what is killed leaves a segment of shared memory behind. Its handle ends it if not.
        let _ = self.process.signal(Signal::INT);
        let _ = wait_until("PostgreSQL ends", || !matches!(self.process.ended(), Ok(None)));
    }
}

fn setting(name: &str, value: &Path) -> OsString {
    let mut setting = OsString::from(format!("{name}="));
    setting.push(value);
    setting
}

/// Where initdb and postgres are: Debian keeps them out of the path, a folder for each version.
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
