//! The system packages of Debian 12 and 13, installed where they are missing.

use std::process::Command;

use crate::{Result, shell};

/// For building.
const BUILD: [&str; 6] = ["libtss2-dev", "libpam0g-dev", "libclang-dev", "clang", "pkg-config", "gcc"];
/// For the demo, the tests and the benchmarks.
const RUN: [&str; 18] = [
    "swtpm",
    "swtpm-tools",
    "tpm2-tools",
    "pamtester",
    "libpam-wrapper",
    "libnss-wrapper",
    "dbus",
    "polkitd",
    "pkexec",
    "python3-dbusmock",
    "python3-venv",
    "python3-gi",
    "systemd",
    "libc6-dev",
    "postgresql",
    "chromium",
    "openssl",
    // Decodes the clip of the tests, and videos that `vultus evaluate` is given. Nothing that takes part in a
    // login runs it.
    "ffmpeg",
];
/// In a package of its own since Debian 13; part of another before.
const SWTPM_TCTI: &str = "libtss2-tcti-swtpm0";

/// Installs whatever is missing; does nothing where nothing is.
pub fn packages() -> Result<()> {
    let mut missing: Vec<&str> = BUILD.iter().chain(&RUN).copied().filter(|p| !installed(p)).collect();
    if !installed(SWTPM_TCTI) && !installed("libtss2-tcti-swtpm0t64") {
        missing.push(SWTPM_TCTI);
    }
    if !shell::exists("npm") {
        missing.push("npm");
    }
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("xtask: installing {}", missing.join(" "));
    let mut update = shell::as_root("apt-get");
    update.args(["update", "-q"]);
    shell::run_quietly(update)?;
    let mut install = shell::as_root("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    install.args(["install", "-y", "-q", "--no-install-recommends"]).args(missing);
    shell::run_quietly(install)
}

fn installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status}", package]).stderr(std::process::Stdio::null());
    query.output().is_ok_and(|done| done.stdout == b"installed")
}
