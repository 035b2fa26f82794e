//! A real browser without a window: what a page looks like, and what it says once its scripts have run.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64ct::{Base64, Encoding};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use crate::pictures;
use crate::process::{Finished, PATIENCE, run, system};

/// The size of the picture, in pixels.
pub const WIDTH: u32 = 1280;
pub const HEIGHT: u32 = 800;
/// How long the page's clock runs, which waits for answers: enough for it to ask and to draw.
const PAGE_MS: u32 = 4000;
const PROGRAM: &str = "/usr/bin/chromium";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A browser that believes one server's key beside the usual authorities.
pub struct Browser {
    profile: PathBuf,
    key: String,
}

impl Browser {
    /// Its profile goes into a new folder. The server shows this certificate, in PEM.
    pub fn new(profile: PathBuf, certificate: &Path) -> Result<Self> {
        if !Path::new(PROGRAM).exists() {
            return Err(format!("{PROGRAM} is missing: apt-get install chromium").into());
        }
        fs::create_dir_all(&profile)?;
        let digest: [u8; 32] = Sha256::digest(public_key(certificate)?).into();
        Ok(Self { profile, key: Base64::encode_string(&digest) })
    }

    /// The page in a picture, as a PNG file.
    pub fn picture(&self, url: &str, file: &Path) -> Result<()> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        // An older picture must not pass for this one.
        if file.exists() {
            fs::remove_file(file)?;
        }
        let mut command = self.command();
        command.arg(format!("--window-size={WIDTH},{HEIGHT}")).arg("--hide-scrollbars");
        command.arg(format!("--screenshot={}", std::path::absolute(file)?.display())).arg(url);
        let done = finish(command)?;
        if !file.exists() {
            return Err(format!("no picture: {done:?}").into());
        }
        shows_something(file)
    }

    /// The page's elements as its scripts have left them, without the scripts.
    pub fn document(&self, url: &str) -> Result<String> {
        let mut command = self.command();
        command.arg("--dump-dom").arg(url);
        Ok(without_scripts(&finish(command)?.out))
    }

    fn command(&self) -> Command {
        // It is ended by its keeper where it does not end by itself.
        let mut command = system("timeout");
        command.arg("--kill-after=5").arg(PATIENCE.as_secs().to_string()).arg(PROGRAM);
        // Root has no sandbox, and this page is our own.
        command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"]);
        command.arg(format!("--user-data-dir={}", self.profile.display()));
        command.arg(format!("--ignore-certificate-errors-spki-list={}", self.key));
        command.arg(format!("--virtual-time-budget={PAGE_MS}"));
        command
    }
}

fn finish(command: Command) -> Result<Finished> {
    let done = run(command, 0, "")?;
    if done.status == 0 { Ok(done) } else { Err(format!("the browser: {done:?}").into()) }
}

/// A script's own words are nothing that the page says.
fn without_scripts(document: &str) -> String {
    let mut pieces = document.split("<script");
    let first = pieces.next().unwrap_or("").to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once("</script>").map_or("", |(_, after)| after))
}

/// A certificate's public key as certificates have it: SubjectPublicKeyInfo, DER.
fn public_key(certificate: &Path) -> Result<Vec<u8>> {
    let certificate = CertificateDer::from_pem_file(certificate)?;
    let parsed = webpki::EndEntityCert::try_from(&certificate)?;
    Ok(parsed.subject_public_key_info().as_ref().to_vec())
}

/// A picture of the right size that is not of one colour alone.
fn shows_something(file: &Path) -> Result<()> {
    let picture = pictures::open(file)?;
    if (picture.width, picture.height) != (WIDTH, HEIGHT) {
        return Err(format!("a picture of {} by {}", picture.width, picture.height).into());
    }
    let first = &picture.rgb[..3];
    if picture.rgb.chunks_exact(3).all(|pixel| pixel == first) {
        return Err("a picture of one colour".into());
    }
    Ok(())
}
