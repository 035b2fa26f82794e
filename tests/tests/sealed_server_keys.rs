//! Server keys that a TPM seals: made so by `init`, sealed from a plain file, rotated, and refused without
//! the TPM that they belong to.

use std::error::Error;
use std::fs;
use std::path::Path;

use vultus_tests::backend::{Https, published_sets};
use vultus_tests::process::{Process, wait_until};
use vultus_tests::server::{Plan, Server, accepted};
use vultus_tests::swtpm::{flush, free_ports, power_on, tcti};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const ROTATE: [&str; 6] = ["keys", "rotate", "--overlap-hours", "0", "--lead-minutes", "0"];

/// A TPM of its own, which no vault uses.
struct Chip {
    process: Option<Process>,
    port: u16,
    state: tempfile::TempDir,
}

impl Chip {
    fn new() -> Result<Self> {
        let mut chip = Self { process: None, port: free_ports()?, state: tempfile::tempdir()? };
        chip.power_on()?;
        Ok(chip)
    }

    fn power_on(&mut self) -> Result {
        self.process = Some(power_on(self.state.path(), self.port, &self.state.path().join("log"))?);
        Ok(())
    }

    fn power_off(&mut self) -> Result {
        self.process.take().ok_or("it is off")?.kill()?;
        Ok(())
    }
}

/// A folder that the server's user may enter.
fn place() -> Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::Builder::new().prefix("vultus-").tempdir()?;
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755))?;
    Ok(place)
}

fn key_file(place: &Path, name: &str) -> Result<String> {
    Ok(fs::read_to_string(place.join("server").join(name))?)
}

fn is_sealed(text: &str) -> bool {
    text.contains("sealed") && !text.contains("scalar")
}

/// Every published set, as devices fetch them.
fn published(server: &Server) -> Result<serde_json::Value> {
    let answer = Https::new(&server.ca())?.get(&format!("{}/v1/keys", server.api_url()?))?;
    Ok(answer.accepted()?.body["packets"].clone())
}

fn rotated(server: &Server, sets: usize) -> Result {
    accepted(&server.admin(&ROTATE)?)?;
    server.reload()?;
    Ok(wait_until("the new set is published", || published_sets(server).is_ok_and(|n| n == sets))?)
}

/// The keys of the newest set alone count after [`ROTATE`]: an end in order signs a checkpoint by them.
fn signs(server: &mut Server, chip: &Chip) -> Result {
    assert!(server.stop()?.success());
    // It may have ended while it read its keys again.
    flush(chip.port)?;
    server.run()?;
    accepted(&server.verify_audit()?)
}

/// It ends by itself, and says why.
fn does_not_start(server: &mut Server, why: &str) -> Result {
    let error = server.run().err().ok_or("it started")?.to_string();
    assert!(error.contains(why), "{error}");
    Ok(())
}

#[test]
fn keys_that_were_made_sealed() -> Result {
    let (place, mut chip) = (place()?, Chip::new()?);
    let plan = Plan { tpm: Some(tcti(chip.port)), ..Plan::new("auth.example", Vec::new()) };
    let mut server = Server::start(place.path().join("server"), plan)?;
    assert!(is_sealed(&key_file(place.path(), "keys.toml")?));
    // What the sealed keys signed is believed: each set is checked by the one before when it is loaded.
    rotated(&server, 2)?;
    assert!(is_sealed(&key_file(place.path(), "keys.toml")?));
    signs(&mut server, &chip)?;
    let sets = published(&server)?;
    server.stop()?;

    chip.power_off()?;
    does_not_start(&mut server, "no TPM answers")?;
    let another = Chip::new()?;
    server.reconfigure(|plan| plan.tpm = Some(tcti(another.port)))?;
    does_not_start(&mut server, "not the TPM that")?;
    // A file of sealed keys is not taken for one in the clear.
    server.reconfigure(|plan| plan.tpm = None)?;
    does_not_start(&mut server, "of the other kind")?;

    chip.power_on()?;
    server.reconfigure(|plan| plan.tpm = Some(tcti(chip.port)))?;
    server.run()?;
    assert_eq!(published(&server)?, sets);
    Ok(())
}

#[test]
fn keys_that_are_sealed_afterwards() -> Result {
    let (place, chip) = (place()?, Chip::new()?);
    let mut server = Server::start(place.path().join("server"), Plan::new("auth.example", Vec::new()))?;
    let (sets, plain) = (published(&server)?, key_file(place.path(), "keys.toml")?);
    assert!(plain.contains("scalar") && !plain.contains("sealed"));

    let folder = place.path().join("server");
    let out = folder.join("sealed.toml");
    let out = out.to_str().ok_or("a path is not text")?;
    let (tpm, seal) = (tcti(chip.port), ["keys", "seal", "--tpm"]);
    accepted(&server.admin(&[&seal[..], &[&tpm, "--out", out]].concat())?)?;
    assert!(is_sealed(&key_file(place.path(), "sealed.toml")?));
    assert_eq!(key_file(place.path(), "keys.toml")?, plain, "the file of now stays");
    // Nothing is written over keys.
    let before = key_file(place.path(), "sealed.toml")?;
    let again = server.admin(&[&seal[..], &[&tpm, "--out", out]].concat())?;
    assert_eq!((again.status, key_file(place.path(), "sealed.toml")?), (2, before), "{again:?}");
    assert!(again.err.contains("sealed.toml exists"), "{again:?}");

    server.restart(|plan| (plan.tpm, plan.keys) = (Some(tcti(chip.port)), "sealed.toml".to_owned()))?;
    fs::remove_file(folder.join("keys.toml"))?;
    assert_eq!(published(&server)?, sets);
    rotated(&server, 2)?;
    signs(&mut server, &chip)?;
    assert_eq!(published_sets(&server)?, 2);
    Ok(())
}
