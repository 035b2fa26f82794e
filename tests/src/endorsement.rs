//! A maker of TPMs in a folder: certifies the endorsement keys of a software TPM before it is first powered
//! on, so that a registry that trusts this maker takes the device in.

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::process::{run, system};

/// The maker's certificates, within its folder: what a registry is to trust.
const ROOTS: &str = "roots.pem";

/// Where the certificates of the maker in this folder are.
pub fn roots(maker: &Path) -> PathBuf {
    maker.join(ROOTS)
}

/// Makes the state of a TPM, whose maker comes into being with its first TPM.
pub fn manufacture(maker: &Path, state: &Path) -> Result<(), Box<dyn Error>> {
    let configuration = open_shop(maker)?;
    let mut setup = system("swtpm_setup");
    setup.args(["--tpm2", "--create-ek-cert", "--create-platform-cert", "--lock-nvram"]);
    setup.arg("--config").arg(configuration).arg("--tpmstate").arg(state);
    let done = run(setup, 0, "").map_err(|e| format!("swtpm_setup: {e}; install swtpm-tools"))?;
    if done.status != 0 {
        return Err(format!("swtpm_setup: {}{}", done.out, done.err).into());
    }
    // The endorsement certificates carry no certificate of their issuer.
    let chain = ["issuer.pem", "swtpm-localca-rootca-cert.pem"].map(|name| fs::read(maker.join(name)));
    let [issuer, root] = chain;
    Ok(fs::write(roots(maker), [issuer?, root?].concat())?)
}

/// The files that tell swtpm's tools where their maker's keys are; it makes them where there are none.
fn open_shop(maker: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(maker)?;
    let at = |name: &str| maker.join(name).display().to_string();
    let authority = format!(
        "statedir = {}\nsigningkey = {}\nissuercert = {}\ncertserial = {}\n",
        maker.display(),
        at("key.pem"),
        at("issuer.pem"),
        at("serial")
    );
    let options = "--platform-manufacturer Vultus\n--platform-version 1\n--platform-model Test\n";
    let setup = format!(
        "create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = {}\n\
         create_certs_tool_options = {}\nactive_pcr_banks = sha256\n",
        at("maker.conf"),
        at("maker.options")
    );
    fs::write(at("maker.conf"), authority)?;
    fs::write(at("maker.options"), options)?;
    fs::write(at("setup.conf"), setup)?;
    Ok(maker.join("setup.conf"))
}
