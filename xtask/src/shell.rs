//! Running programs, and saying which one failed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;

/// The workspace's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub fn is_root() -> bool {
    // Whoever owns /proc/self is this process's effective user.
    std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
}

/// A command that runs as root: through sudo where this process is not.
pub fn as_root(program: &str) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.arg("-E").arg(program);
    command
}

/// Cargo, the one that runs this.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Runs a command to its end. Its output goes where this process's goes; an error names it.
pub fn run(mut command: impl std::borrow::BorrowMut<Command>) -> Result<()> {
    let command = command.borrow_mut();
    let status = command.status().map_err(|e| format!("{:?} cannot be run: {e}", command.get_program()))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed: {status}").into()) }
}

/// The same, with nothing on standard output: what is printed there belongs to the task itself.
pub fn run_quietly(mut command: Command) -> Result<()> {
    command.stdout(Stdio::null());
    run(command)
}

/// A command's standard output.
pub fn output(mut command: Command) -> Result<String> {
    let done = command.stderr(Stdio::inherit()).output()?;
    if done.status.success() {
        Ok(String::from_utf8(done.stdout)?)
    } else {
        Err(format!("{command:?} failed: {}", done.status).into())
    }
}

/// Whether a program of that name is on the path.
pub fn exists(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

pub fn host_triple() -> Result<String> {
    let mut rustc = Command::new("rustc");
    rustc.arg("-vV");
    let said = output(rustc)?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc does not name its host")?.to_owned())
}
