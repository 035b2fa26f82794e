//! What the TPM's keys do, on a real swtpm. It has three places for objects and three for sessions and
//! nobody who makes room, so that whatever is not flushed soon stops the next command.

use std::error::Error;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use vultus_tpm::{AttestationKey, Endorsement, SigningKey, Tpm, TpmError, point};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Bounded, never judged: swtpm and its tools are slow on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
const BOTH: [Endorsement; 2] = [Endorsement::Rsa2048, Endorsement::P384];

/// A TPM in software, with what it keeps.
struct Chip {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Chip {
    /// One that nobody has certified.
    fn blank() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("state"))?;
        Self::power_on(folder)
    }

    /// One whose maker, made for it, has certified its endorsement keys.
    fn certified() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let state = folder.path().join("state");
        fs::create_dir(&state)?;
        let configuration = maker(folder.path())?;
        let mut setup = Command::new("swtpm_setup");
        setup.args(["--tpm2", "--create-ek-cert", "--create-platform-cert", "--lock-nvram"]);
        setup.arg("--config").arg(configuration).arg("--tpmstate").arg(state);
        run(setup)?;
        Self::power_on(folder)
    }

    fn power_on(folder: TempDir) -> Result<Self> {
        let port = free_ports()?;
        let process = Command::new("swtpm")
            .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
            .arg("--tpmstate")
            .arg(format!("dir={}", folder.path().join("state").display()))
            .arg("--server")
            .arg(format!("type=tcp,port={port}"))
            .arg("--ctrl")
            .arg(format!("type=tcp,port={}", port + 1))
            .stdin(Stdio::null())
            .spawn()?;
        let mut chip = Self { process, port, folder };
        let until = Instant::now() + PATIENCE;
        while !listens(port) {
            if let Some(status) = chip.process.try_wait()? {
                return Err(format!("swtpm ended: {status}").into());
            }
            if Instant::now() > until {
                return Err("swtpm does not listen".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(chip)
    }

    fn tpm(&self) -> Result<Tpm> {
        Ok(Tpm::start(format!("swtpm:host=127.0.0.1,port={}", self.port), PATIENCE)?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A credential for one endorsement and one attestation key, made by another implementation: what is
    /// inside of its identity object and of its encrypted secret.
    fn credential(
        &self,
        endorsement: &[u8],
        attestation: &[u8],
        secret: &[u8],
    ) -> Result<(Vec<u8>, Vec<u8>)> {
        let (key, plain, made) = (self.path("endorsement"), self.path("secret"), self.path("credential"));
        let length = u16::try_from(endorsement.len())?.to_be_bytes();
        fs::write(&key, [length.as_slice(), endorsement].concat())?;
        fs::write(&plain, secret)?;
        let mut tool = Command::new("tpm2_makecredential");
        tool.args(["--tcti=none", "--name", &hex(&name(attestation))]);
        tool.arg("--public").arg(&key).arg("--secret").arg(&plain);
        tool.arg("--credential-blob").arg(&made);
        run(tool)?;
        let made = fs::read(made)?;
        let (head, rest) = made.split_at_checked(8).ok_or("no head")?;
        assert_eq!(head, [0xba, 0xdc, 0xc0, 0xde, 0, 0, 0, 1]);
        let (object, rest) = sized(rest)?;
        let (seed, rest) = sized(rest)?;
        assert!(rest.is_empty());
        Ok((object.to_vec(), seed.to_vec()))
    }
}

impl Drop for Chip {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The files of a maker of TPMs in a folder, whose keys are made when they are first needed: the
/// configuration that leads to them.
fn maker(folder: &Path) -> Result<PathBuf> {
    let at = |name: &str| folder.join(name).display().to_string();
    fs::create_dir(at("maker"))?;
    fs::write(
        at("maker.conf"),
        format!(
            "statedir = {0}\nsigningkey = {0}/key.pem\nissuercert = {0}/issuer.pem\n\
             certserial = {0}/serial\n",
            at("maker")
        ),
    )?;
    fs::write(
        at("maker.options"),
        "--platform-manufacturer Vultus\n--platform-version 1\n--platform-model Test\n",
    )?;
    fs::write(
        at("setup.conf"),
        format!(
            "create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = {}\n\
             create_certs_tool_options = {}\nactive_pcr_banks = sha256\n",
            at("maker.conf"),
            at("maker.options")
        ),
    )?;
    Ok(folder.join("setup.conf"))
}

fn run(mut command: Command) -> Result {
    let done = command.stdin(Stdio::null()).output()?;
    if done.status.success() {
        return Ok(());
    }
    let said = [done.stdout, done.stderr].concat();
    Err(format!("{command:?}: {}: {}", done.status, String::from_utf8_lossy(&said)).into())
}

/// A port such that it and the next one are free.
fn free_ports() -> Result<u16> {
    for _ in 0..100 {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return Ok(port);
        }
    }
    Err("no two free ports".into())
}

/// Whether something listens at a port of this machine. Nothing connects to swtpm for that.
fn listens(port: u16) -> bool {
    let own = format!(":{port:04X}");
    let is_it = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.len() > 3 && fields[1].ends_with(&own) && fields[3] == "0A"
    };
    fs::read_to_string("/proc/net/tcp").is_ok_and(|table| table.lines().any(is_it))
}

/// The bytes of a `TPM2B`, and what comes after it.
fn sized(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>().ok_or("no length")?;
    Ok(rest.split_at_checked(u16::from_be_bytes(*length).into()).ok_or("too short")?)
}

fn hash(bytes: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The name of an object whose names are made with SHA-256.
fn name(public: &[u8]) -> Vec<u8> {
    let mut name = vec![0x00, 0x0b];
    name.extend_from_slice(&hash(public));
    name
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn verifies(point: &[u8; 65], digest: &[u8], signature: &[u8; 64]) -> Result<bool> {
    let key = VerifyingKey::from_sec1_bytes(point)?;
    Ok(key.verify_prehash(digest, &Signature::from_slice(signature)?).is_ok())
}

/// Bytes with one bit turned over.
fn turned(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

/// Needs all the places that the TPM has for objects.
fn certifies(tpm: &Tpm, attestation: &AttestationKey, key: &SigningKey) -> Result {
    let qualifying = hash(&key.public);
    let statement = tpm.certify(attestation, key, &qualifying)?;
    // TPM_GENERATED_VALUE and TPM_ST_ATTEST_CERTIFY.
    assert_eq!(statement.attest[..6], [0xff, b'T', b'C', b'G', 0x80, 0x17]);
    assert!(contains(&statement.attest, &qualifying));
    assert!(contains(&statement.attest, &name(&key.public)));
    let digest = hash(&statement.attest);
    assert!(verifies(&point(&attestation.public)?, &digest, &statement.signature)?);
    Ok(())
}

#[test]
fn signatures_verify_and_leave_nothing_behind() -> Result {
    let chip = Chip::blank()?;
    let tpm = chip.tpm()?;
    let (key, other) = (tpm.create_signing_key()?, tpm.create_signing_key()?);
    let (own, others) = (key.point()?, other.point()?);
    assert_ne!(own, others);
    for round in 0..20u8 {
        let digest = hash([round]);
        let signature = tpm.sign(&key, &digest)?;
        assert!(verifies(&own, &digest, &signature)?, "round {round}");
        assert!(!verifies(&others, &digest, &signature)?, "round {round}");
        assert!(!verifies(&own, &turned(&digest, 0), &signature)?, "round {round}");
    }
    let sealed = tpm.seal(&[7; 32], &[0, 7])?;
    assert_eq!(*tpm.unseal(&sealed)?, [7; 32]);
    // The key is the same for whoever opens the TPM later.
    drop(tpm);
    let digest = hash("later");
    assert!(verifies(&own, &digest, &chip.tpm()?.sign(&key, &digest)?)?);
    Ok(())
}

#[test]
fn a_key_of_another_tpm_is_foreign() -> Result {
    let (chip, other) = (Chip::blank()?, Chip::blank()?);
    let key = other.tpm()?.create_signing_key()?;
    let tpm = chip.tpm()?;
    assert_eq!(tpm.sign(&key, &[0; 32]), Err(TpmError::Foreign));
    // Whoever puts this TPM's name on it does not get further.
    let own = tpm.create_signing_key()?;
    let renamed = SigningKey { identity: own.identity.clone(), ..key };
    assert_eq!(tpm.sign(&renamed, &[0; 32]), Err(TpmError::Altered));
    // An attestation key carries no name of its TPM.
    let attestation = tpm.create_attestation_key(Endorsement::P384)?;
    let tpm_of_other = other.tpm()?;
    let key = tpm_of_other.create_signing_key()?;
    assert_eq!(tpm_of_other.certify(&attestation, &key, &[0; 32]), Err(TpmError::Altered));
    assert_eq!(tpm.certify(&attestation, &key, &[0; 32]), Err(TpmError::Foreign));
    certifies(&tpm, &attestation, &own)
}

#[test]
fn a_turned_bit_is_noticed() -> Result {
    let chip = Chip::blank()?;
    let tpm = chip.tpm()?;
    let key = tpm.create_signing_key()?;
    for at in (0..key.public.len()).step_by(9) {
        let altered = SigningKey { public: turned(&key.public, at), ..key.clone() };
        assert_eq!(tpm.sign(&altered, &[0; 32]), Err(TpmError::Altered), "public, byte {at}");
    }
    for at in (0..key.private.len()).step_by(9) {
        let altered = SigningKey { private: turned(&key.private, at), ..key.clone() };
        assert_eq!(tpm.sign(&altered, &[0; 32]), Err(TpmError::Altered), "private, byte {at}");
    }
    let longer = [key.public.as_slice(), &[0]].concat();
    for public in [Vec::new(), key.public[..20].to_vec(), longer] {
        let altered = SigningKey { public, ..key.clone() };
        assert_eq!(tpm.sign(&altered, &[0; 32]), Err(TpmError::Altered));
    }
    tpm.sign(&key, &[0; 32])?;
    Ok(())
}

#[test]
fn the_maker_is_named() -> Result {
    let chip = Chip::blank()?;
    let described = chip.tpm()?.describe()?;
    assert_eq!(described.manufacturer, "IBM");
    assert_ne!(described.firmware, 0);
    Ok(())
}

#[test]
fn endorsement_keys_are_those_of_the_certificates() -> Result {
    let chip = Chip::certified()?;
    let tpm = chip.tpm()?;
    assert_eq!(tpm.endorsement_key(None)?, tpm.endorsement_key(Some(Endorsement::Rsa2048))?);
    for kind in BOTH {
        let key = tpm.endorsement_key(Some(kind))?;
        assert_eq!(key.kind, kind);
        let length = u16::from_be_bytes([key.certificate[2], key.certificate[3]]);
        assert_eq!(key.certificate[..2], [0x30, 0x82]);
        assert_eq!(key.certificate.len(), 4 + usize::from(length));
        // In front of the key: type, name algorithm, attributes, policy and parameters.
        match kind {
            Endorsement::Rsa2048 => {
                let (modulus, rest) = sized(&key.public[56..])?;
                assert_eq!((modulus.len(), rest.len()), (256, 0));
                assert!(contains(&key.certificate, modulus));
            }
            Endorsement::P384 => {
                let (x, rest) = sized(&key.public[70..])?;
                let (y, rest) = sized(rest)?;
                assert!(rest.is_empty());
                assert!(contains(&key.certificate, x) && contains(&key.certificate, y));
            }
        }
    }
    Ok(())
}

#[test]
fn a_tpm_without_a_certificate_says_so() -> Result {
    let chip = Chip::blank()?;
    let tpm = chip.tpm()?;
    for wanted in [None, Some(Endorsement::Rsa2048), Some(Endorsement::P384)] {
        assert_eq!(tpm.endorsement_key(wanted), Err(TpmError::NoEndorsement));
    }
    Ok(())
}

#[test]
fn a_credential_opens_for_the_keys_that_it_was_made_for() -> Result {
    let chip = Chip::certified()?;
    let tpm = chip.tpm()?;
    let signing = tpm.create_signing_key()?;
    for kind in BOTH {
        let endorsement = tpm.endorsement_key(Some(kind))?.public;
        let key = tpm.create_attestation_key(kind)?;
        let other = tpm.create_attestation_key(kind)?;
        let (object, seed) = chip.credential(&endorsement, &key.public, &[7; 32])?;
        assert_eq!(*tpm.activate(&key, &object, &seed)?, [7; 32]);
        // Each refusal leaves the places free that the next command needs.
        for (object, seed) in [
            (turned(&object, 5), seed.clone()),
            (turned(&object, object.len() - 1), seed.clone()),
            (object.clone(), turned(&seed, seed.len() - 1)),
            (object.clone(), seed[..seed.len() - 1].to_vec()),
            (Vec::new(), seed.clone()),
            (object.clone(), Vec::new()),
            (vec![0; 5000], seed.clone()),
            (object.clone(), vec![0; 5000]),
        ] {
            assert_eq!(tpm.activate(&key, &object, &seed), Err(TpmError::Credential), "{kind:?}");
        }
        assert_eq!(tpm.activate(&other, &object, &seed), Err(TpmError::Credential), "{kind:?}");
        let altered = AttestationKey { private: turned(&key.private, 40), ..key.clone() };
        assert_eq!(tpm.activate(&altered, &object, &seed), Err(TpmError::Altered), "{kind:?}");
        assert_eq!(*tpm.activate(&key, &object, &seed)?, [7; 32]);
        certifies(&tpm, &key, &signing)?;
    }
    Ok(())
}

#[test]
fn a_key_is_vouched_for() -> Result {
    let chip = Chip::blank()?;
    let tpm = chip.tpm()?;
    let keys = [tpm.create_signing_key()?, tpm.create_signing_key()?];
    for kind in BOTH {
        let attestation = tpm.create_attestation_key(kind)?;
        for key in &keys {
            certifies(&tpm, &attestation, key)?;
        }
        let altered = SigningKey { private: turned(&keys[0].private, 40), ..keys[0].clone() };
        assert_eq!(tpm.certify(&attestation, &altered, &[0; 32]), Err(TpmError::Altered), "{kind:?}");
        // It is no child of the storage key, under which keys sign what they are handed.
        let own = SigningKey {
            identity: keys[0].identity.clone(),
            public: attestation.public.clone(),
            private: attestation.private.clone(),
        };
        assert_eq!(tpm.sign(&own, &[0; 32]), Err(TpmError::Altered), "{kind:?}");
        certifies(&tpm, &attestation, &keys[0])?;
    }
    let sealed = tpm.seal(&[7; 32], &[])?;
    assert_eq!(*tpm.unseal(&sealed)?, [7; 32]);
    Ok(())
}
