//! What the server checks about a TPM, against a TPM's own words: swtpm, with endorsement keys that an
//! authority of the test certified, asked through the product's own `vultus-tpm`.

use std::error::Error;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use vultus_remote_server::attestation::AttestationError::{
    Expired, KeyMismatch, Malformed, NotCertified, Untrusted, WrongAttributes, WrongUse,
};
use vultus_remote_server::attestation::ek_certificate::{Roots, Vendor};
use vultus_remote_server::attestation::public_area::{EccPublic, EndorsementPublic};
use vultus_remote_server::attestation::{certification, credential, ek_certificate};
use vultus_tpm::{Endorsement, EndorsementKey, Tpm};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// A loaded machine is slow, and never this slow.
const PATIENCE: Duration = Duration::from_secs(60);
const KINDS: [Endorsement; 2] = [Endorsement::Rsa2048, Endorsement::P384];
/// swtpm's certificates are valid to the last second of the year 9999.
const YEAR_10000: u64 = 253_402_300_800;

/// swtpm with certificates, and the authority that issued them.
struct Emulator {
    process: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Emulator {
    fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("vultus-attestation-").tempdir()?;
        let path = |name: &str| folder.path().join(name).display().to_string();
        for name in ["state", "ca"] {
            fs::create_dir(path(name))?;
        }
        let authority = format!(
            "statedir = {0}\nsigningkey = {0}/signkey.pem\nissuercert = {0}/issuercert.pem\n\
             certserial = {0}/certserial\n",
            path("ca")
        );
        fs::write(path("ca.conf"), authority)?;
        let options = "--platform-manufacturer id:00001014\n--platform-version 2.1\n--platform-model test\n";
        fs::write(path("ca.options"), options)?;
        let setup = format!(
            "create_certs_tool = swtpm_localca\ncreate_certs_tool_config = {}\n\
             create_certs_tool_options = {}\nactive_pcr_banks = sha256\n",
            path("ca.conf"),
            path("ca.options")
        );
        fs::write(path("setup.conf"), setup)?;
        run(Command::new("swtpm_setup")
            .args(["--tpm2", "--create-ek-cert", "--create-platform-cert"])
            .args([
                "--tpmstate",
                &path("state"),
                "--config",
                &path("setup.conf"),
                "--logfile",
                &path("log"),
            ]))?;
        let port = free_ports()?;
        let mut swtpm = Command::new("swtpm");
        swtpm
            .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
            .args(["--tpmstate", &format!("dir={}", path("state"))])
            .args(["--server", &format!("type=tcp,port={port}")])
            .args(["--ctrl", &format!("type=tcp,port={}", port + 1)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = swtpm.spawn()?;
        let emulator = Self { process, port, folder };
        let start = Instant::now();
        while !listens(port) {
            if start.elapsed() > PATIENCE {
                return Err("swtpm does not listen".into());
            }
            sleep(Duration::from_millis(10));
        }
        Ok(emulator)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn address(&self) -> String {
        format!("swtpm:host=127.0.0.1,port={}", self.port)
    }

    /// The TPM, which from the first command on talks to nobody else.
    fn tpm(&self) -> Result<Tpm> {
        Ok(Tpm::start(self.address(), PATIENCE)?)
    }

    fn roots(&self) -> Result<Roots> {
        Ok(Roots::from_pem(&fs::read_to_string(self.path("ca/swtpm-localca-rootca-cert.pem"))?)?)
    }

    /// The authority below the root, which issued the certificates, in PEM.
    fn issuer(&self) -> Result<String> {
        Ok(fs::read_to_string(self.path("ca/issuercert.pem"))?)
    }

    fn intermediates(&self) -> Result<Vec<Vec<u8>>> {
        Ok(vec![CertificateDer::from_pem_slice(self.issuer()?.as_bytes())?.to_vec()])
    }

    /// The certificate of the platform that the TPM is part of, which is about the RSA endorsement key.
    fn platform_certificate(&self) -> Result<Vec<u8>> {
        let file = self.path("platform.der");
        let mut read = Command::new("tpm2_nvread");
        read.args(["-T", &self.address(), "-C", "o", "0x01c08000", "-o"]).arg(&file);
        run(read.env("TSS2_LOG", "all+NONE"))?;
        Ok(fs::read(file)?)
    }

    /// A certificate of the same key from the same authority, signed with another hash.
    fn reissued(&self, certificate: &[u8], hash: &str) -> Result<Vec<u8>> {
        fs::write(self.path("old.der"), certificate)?;
        fs::write(self.path("profile"), PROFILE)?;
        run(Command::new("sh").args(["-ec", REISSUE, "sh", hash]).current_dir(self.folder.path()))?;
        Ok(fs::read(self.path("new.der"))?)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An endorsement certificate, as OpenSSL wants it described.
const PROFILE: &str = "[ek]
basicConstraints = critical,CA:FALSE
keyUsage = critical,keyEncipherment
extendedKeyUsage = 2.23.133.8.1
subjectAltName = critical,dirName:make
[make]
a.2.23.133.2.1 = id:00001014
a.2.23.133.2.2 = swtpm
a.2.23.133.2.3 = id:20191023
";
/// A request needs a key to sign it: a passing one, whose place the endorsement key then takes.
const REISSUE: &str = "openssl x509 -inform der -in old.der -noout -pubkey >ek.pem
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out passing.pem
openssl req -new -key passing.pem -subj /CN=unknown -out request.pem
openssl x509 -req -in request.pem -force_pubkey ek.pem -CA ca/issuercert.pem -CAkey ca/signkey.pem \
    -set_serial 99 \"-$1\" -days 9 -extfile profile -extensions ek -outform der -out new.der";

fn run(command: &mut Command) -> Result {
    let done = command.stdin(Stdio::null()).output()?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    Err(format!("{command:?}: {said}").into())
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

/// Whether something listens at a port, without connecting to it: swtpm serves one client at a time.
fn listens(port: u16) -> bool {
    let own = format!(":{port:04X}");
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    table.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(1).is_some_and(|local| local.ends_with(&own)) && fields.get(3) == Some(&"0A")
    })
}

fn now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// Both endorsement keys of a TPM, with what the server reads of them.
fn endorsements(tpm: &Tpm) -> Result<Vec<(EndorsementKey, EndorsementPublic)>> {
    let mut both = Vec::new();
    for kind in KINDS {
        let key = tpm.endorsement_key(Some(kind))?;
        let public = EndorsementPublic::parse(&key.public)?;
        both.push((key, public));
    }
    Ok(both)
}

#[test]
fn certificates_of_a_tpm_lead_to_its_maker_and_nothing_else_does() -> Result {
    let emulator = Emulator::start()?;
    let platform = emulator.platform_certificate()?;
    let (roots, intermediates, now) = (emulator.roots()?, emulator.intermediates()?, now()?);
    let issuer = Roots::from_pem(&emulator.issuer()?)?;
    let tpm = emulator.tpm()?;
    let both = endorsements(&tpm)?;
    assert!(matches!(both[0].1, EndorsementPublic::Rsa2048 { .. }));
    assert!(matches!(both[1].1, EndorsementPublic::P384 { .. }));
    for (number, (key, public)) in both.iter().enumerate() {
        let certificate = &key.certificate;
        let vendor = ek_certificate::check(certificate, &intermediates, &roots, now, public)?;
        let make = ["id:00001014", "swtpm", "id:20191023"].map(str::to_owned);
        let [manufacturer, model, version] = make;
        assert_eq!(vendor, Vendor { manufacturer, model, version });
        assert!(ek_certificate::check(certificate, &[], &issuer, now, public).is_ok());

        let missing = ek_certificate::check(certificate, &[], &roots, now, public);
        assert!(matches!(missing, Err(Untrusted(_))), "{missing:?}");
        let stranger = ek_certificate::check(certificate, &intermediates, &stranger()?, now, public);
        assert!(matches!(stranger, Err(Untrusted(_))), "{stranger:?}");
        let late = ek_certificate::check(certificate, &intermediates, &roots, YEAR_10000, public);
        assert_eq!(late, Err(Expired));
        let early = ek_certificate::check(certificate, &intermediates, &roots, now - 86_400, public);
        assert_eq!(early, Err(Expired));
        let of_platform = ek_certificate::check(&platform, &intermediates, &roots, now, public);
        assert_eq!(of_platform, Err(WrongUse));
        let of_other = &both[1 - number].0.certificate;
        let other = ek_certificate::check(of_other, &intermediates, &roots, now, public);
        assert_eq!(other, Err(KeyMismatch));
        for place in 0..certificate.len() {
            let mut tampered = certificate.clone();
            tampered[place] ^= 0x04;
            let checked = ek_certificate::check(&tampered, &intermediates, &roots, now, public);
            assert!(checked.is_err(), "byte {place} of {:?}", key.kind);
        }
    }
    assert!(matches!(Roots::from_pem(""), Err(Malformed(_))));
    // The TPM keeps its keys, and is known again by either.
    let again = endorsements(&tpm)?;
    for ((_, one), (_, same)) in both.iter().zip(&again) {
        assert_eq!(one.fingerprint(), same.fingerprint());
    }
    assert_ne!(both[0].1.fingerprint(), both[1].1.fingerprint());
    Ok(())
}

/// An authority that certified nothing.
fn stranger() -> Result<Roots> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(Roots::from_pem(&authority.self_signed(&KeyPair::generate()?)?.pem())?)
}

#[test]
fn a_certificate_signed_over_sha1_is_refused() -> Result {
    let emulator = Emulator::start()?;
    let (roots, intermediates) = (emulator.roots()?, emulator.intermediates()?);
    let tpm = emulator.tpm()?;
    let key = tpm.endorsement_key(Some(Endorsement::Rsa2048))?;
    let public = EndorsementPublic::parse(&key.public)?;
    let check = |hash| -> Result<_> {
        let certificate = emulator.reissued(&key.certificate, hash)?;
        Ok(ek_certificate::check(&certificate, &intermediates, &roots, now()?, &public))
    };
    assert!(check("sha256")?.is_ok());
    let refused = check("sha1")?;
    assert!(matches!(refused, Err(Untrusted(_))), "{refused:?}");
    Ok(())
}

#[test]
fn a_credential_opens_in_the_tpm_that_it_was_made_for() -> Result {
    let emulator = Emulator::start()?;
    let tpm = emulator.tpm()?;
    let both = endorsements(&tpm)?;
    for (number, (key, public)) in both.iter().enumerate() {
        let attestation = tpm.create_attestation_key(key.kind)?;
        let name = EccPublic::attestation_key(&attestation.public)?.name;
        let secret = [0x5e; 32];
        let made = credential::make(public, &name, &secret)?;
        let opened = tpm.activate(&attestation, &made.id_object, &made.encrypted_secret)?;
        assert_eq!(opened.as_slice(), secret);

        // Another attestation key of the same TPM, another endorsement key, another byte.
        let other = tpm.create_attestation_key(key.kind)?;
        assert!(tpm.activate(&other, &made.id_object, &made.encrypted_secret).is_err());
        let foreign = credential::make(&both[1 - number].1, &name, &secret)?;
        assert!(tpm.activate(&attestation, &foreign.id_object, &foreign.encrypted_secret).is_err());
        let mut spoilt = made.clone();
        *spoilt.id_object.last_mut().ok_or("empty")? ^= 1;
        assert!(tpm.activate(&attestation, &spoilt.id_object, &spoilt.encrypted_secret).is_err());

        let again = tpm.activate(&attestation, &made.id_object, &made.encrypted_secret)?;
        assert_eq!(again.as_slice(), secret);
    }
    Ok(())
}

#[test]
fn an_attestation_key_vouches_for_the_keys_of_its_tpm() -> Result {
    let emulator = Emulator::start()?;
    let tpm = emulator.tpm()?;
    for kind in KINDS {
        let attestation = tpm.create_attestation_key(kind)?;
        let vouching = EccPublic::attestation_key(&attestation.public)?;
        assert_eq!(EccPublic::signing_key(&attestation.public), Err(WrongAttributes));
        let key = tpm.create_signing_key()?;
        let certified = EccPublic::signing_key(&key.public)?;
        assert_eq!(EccPublic::attestation_key(&key.public), Err(WrongAttributes));
        assert_eq!(certified.point, key.point()?);

        let challenge = [0xc4; 32];
        let said = tpm.certify(&attestation, &key, &challenge)?;
        let check = |by: &EccPublic, name: &[u8], challenge: &[u8; 32]| {
            certification::check(&said.attest, &said.signature, by, name, challenge)
        };
        check(&vouching, &certified.name, &challenge)?;

        let other = EccPublic::attestation_key(&tpm.create_attestation_key(kind)?.public)?;
        assert_eq!(check(&other, &certified.name, &challenge), Err(NotCertified));
        assert_eq!(check(&vouching, &certified.name, &[0xc5; 32]), Err(NotCertified));
        let uncertified = EccPublic::signing_key(&tpm.create_signing_key()?.public)?;
        assert_eq!(check(&vouching, &uncertified.name, &challenge), Err(NotCertified));
        assert_eq!(check(&vouching, &vouching.name, &challenge), Err(NotCertified));
        assert_eq!(check(&certified, &certified.name, &challenge), Err(WrongAttributes));
    }
    Ok(())
}
