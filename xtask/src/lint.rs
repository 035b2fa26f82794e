//! The rules that a reader cannot be asked to check: formatting, lints, licences, advisories, and which
//! crate may depend on which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::{Result, shell};

/// All of it. The tools that are not part of the toolchain are installed where they are missing.
pub fn all(advisories: Option<&Path>) -> Result<()> {
    crate::setup::packages()?;
    shell::run(shell::cargo(&["fmt", "--all", "--check"]))?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
    shell::run(shell::cargo(&clippy))?;
    graph()?;
    for tool in ["cargo-deny", "cargo-audit"] {
        if !shell::exists(tool) {
            shell::run(shell::cargo(&["install", "--debug", "--locked", tool]))?;
        }
    }
    // The graph names packages of other systems, too, which no build here has fetched.
    shell::run(shell::cargo(&["fetch", "--locked"]))?;
    shell::run(shell::cargo(&["deny", "--offline", "check", "licenses", "bans", "sources"]))?;
    let mut audit = shell::cargo(&["audit"]);
    if let Some(copy) = advisories {
        // A machine that cannot fetch the advisories has a copy of them.
        audit.args(["--no-fetch", "--stale", "--db"]).arg(copy);
    }
    shell::run(&mut audit)
}

/// Which of our crates each may use: dependencies point one way (docs/architecture.md).
const MAY_USE: [(&str, &[&str]); 15] = [
    ("vultus-ipc", &[]),
    ("vultus-frames", &[]),
    ("vultus-vision", &[]),
    ("vultus-tpm", &[]),
    ("vultus-journal", &[]),
    ("vultus-protocol", &[]),
    ("vultus-remote-server", &["vultus-journal", "vultus-protocol", "vultus-tpm"]),
    ("pam_vultus", &["vultus-ipc"]),
    ("vultus-camera", &["vultus-frames", "vultus-ipc", "vultus-journal"]),
    ("vultus-password", &["vultus-ipc", "vultus-journal"]),
    ("vultus-daemon", &["vultus-ipc", "vultus-journal"]),
    (
        "vultus-vault",
        &["vultus-frames", "vultus-ipc", "vultus-journal", "vultus-protocol", "vultus-tpm", "vultus-vision"],
    ),
    ("vultus-cli", &["vultus-ipc", "vultus-protocol", "vultus-vision"]),
    ("xtask", &[]),
    // The tests may use everything.
    ("vultus-tests", &["*"]),
];

/// Packages that one of our crates alone may name.
const OWNED: [(&str, &str); 5] = [
    ("tss-esapi", "vultus-tpm"),
    ("tract-onnx", "vultus-vision"),
    ("v4l", "vultus-camera"),
    ("zbus_polkit", "vultus-daemon"),
    ("pam-bindings", "pam_vultus"),
];

/// The most packages that the PAM module may bring into a login program.
const PAM_CEILING: usize = 40;

/// Checks the rules of the dependency graph.
pub fn graph() -> Result<()> {
    let metadata: Value = serde_json::from_str(&shell::output(shell::cargo(&[
        "metadata",
        "--format-version=1",
        "--locked",
        "--no-deps",
    ]))?)?;
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in metadata["packages"].as_array().ok_or("no packages")? {
        let name = package["name"].as_str().ok_or("a package without a name")?;
        let dependencies = package["dependencies"].as_array().ok_or("no dependencies")?;
        let normal = dependencies.iter().filter(|d| d["kind"].is_null()).filter_map(|d| d["name"].as_str());
        uses.insert(name.to_owned(), normal.map(str::to_owned).collect());
    }
    let mut broken = Vec::new();
    for (name, used) in &uses {
        let Some((_, allowed)) = MAY_USE.iter().find(|(n, _)| n == name) else {
            broken.push(format!("{name} has no row in xtask/src/lint.rs"));
            continue;
        };
        for dependency in used.iter().filter(|d| uses.contains_key(*d)) {
            if !allowed.contains(&"*") && !allowed.contains(&dependency.as_str()) {
                broken.push(format!("{name} must not use {dependency}"));
            }
        }
        for (package, owner) in OWNED {
            if used.contains(package) && name != owner {
                broken.push(format!("{name} must not name {package}: {owner} does"));
            }
        }
    }
    let mut tree = shell::cargo(&[
        "tree",
        "--package",
        "pam_vultus",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--locked",
    ]);
    tree.stderr(std::process::Stdio::null());
    let listed = shell::output(tree)?;
    let packages: BTreeSet<&str> =
        listed.lines().map(|l| l.trim_end_matches(" (*)")).filter(|l| !l.is_empty()).collect();
    if packages.len() > PAM_CEILING {
        broken.push(format!("the PAM module brings {} packages, over {PAM_CEILING}", packages.len()));
    }
    if broken.is_empty() { Ok(()) } else { Err(broken.join("; ").into()) }
}

/// Runs each fuzz target for a short while, where cargo-fuzz is at hand or can be installed.
pub fn fuzz_briefly() -> Result<()> {
    if !shell::exists("cargo-fuzz") {
        shell::run(shell::cargo(&["install", "--debug", "--locked", "cargo-fuzz"]))?;
    }
    for target in [
        "ipc_messages",
        "frame_session",
        "camera_pixels",
        "protocol_packets",
        "protocol_sealed",
        "tpm_structures",
        "video_file",
    ] {
        let mut fuzz = Command::new("cargo");
        // The sanitizer's flags are unstable; the toolchain ships what they need.
        fuzz.env("RUSTC_BOOTSTRAP", "1");
        fuzz.args(["fuzz", "run", target, "--", "-max_total_time=15", "-rss_limit_mb=2048", "-verbosity=0"]);
        shell::run(&mut fuzz)?;
    }
    Ok(())
}
