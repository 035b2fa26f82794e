//! swtpm, the TPM in software: powered on over a folder that keeps its state, at a port and the next one.

use std::error::Error;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::process::{Process, run, system, wait_until};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How the TPM at a port of this machine is named to its users.
pub fn tcti(port: u16) -> String {
    format!("swtpm:host=127.0.0.1,port={port}")
}

/// Switches it on. It serves one client at a time, and ends with its handle.
pub fn power_on(state: &Path, port: u16, log: &Path) -> Result<Process> {
    let mut command = system("swtpm");
    command
        .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
        .arg("--tpmstate")
        .arg(format!("dir={}", state.display()))
        .arg("--server")
        .arg(format!("type=tcp,port={port}"))
        .arg("--ctrl")
        .arg(format!("type=tcp,port={}", port + 1));
    let process = Process::start(command, 0, log)?;
    wait_until("swtpm listens", || sockets(port).iter().any(|(state, _)| state == "0A"))?;
    Ok(process)
}

/// Unloads what a process that has ended left loaded, as the kernel's resource manager (/dev/tpmrm0) does; swtpm
/// has none.
pub fn flush(port: u16) -> Result<()> {
    for kind in ["--transient-object", "--loaded-session", "--saved-session"] {
        let mut flush = system("tpm2_flushcontext");
        flush.arg("--tcti").arg(tcti(port)).arg(kind).env("TSS2_LOG", "all+NONE");
        let flushed = run(flush, 0, "")?;
        if flushed.status != 0 {
            return Err(flushed.err.into());
        }
    }
    Ok(())
}

/// A port such that it and the next one are free.
pub fn free_ports() -> Result<u16> {
    for _ in 0..100 {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return Ok(port);
        }
    }
    Err("no two free ports".into())
}

/// The kernel's sockets at a port of this machine: state, and bytes that nobody has read, as it spells
/// them. Nothing connects to swtpm for that.
pub fn sockets(port: u16) -> Vec<(String, String)> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let own = format!(":{port:04X}");
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let unread = fields.get(4)?.split_once(':')?.1;
        fields.get(1)?.ends_with(&own).then(|| (fields[3].to_owned(), unread.to_owned()))
    };
    table.lines().filter_map(row).collect()
}
