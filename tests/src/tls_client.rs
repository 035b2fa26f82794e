//! A client of servers that ask for certificates, and the authority that signed for it: made with OpenSSL as
//! docs/server.md says.

use std::error::Error;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use vultus_vision::manifest::hex;

use crate::process::{run, system};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

pub struct TlsClient(PathBuf);

impl TlsClient {
    /// Makes both in a new folder. This user alone may read the client's key.
    pub fn make(folder: &Path, user: u32) -> Result<Self> {
        fs::create_dir(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        fs::write(folder.join("client.ext"), "extendedKeyUsage=clientAuth\n")?;
        let authority = [
            ["req", "-x509", "-days", "30", "-subj", "/CN=Clients of a test"].as_slice(),
            &["-addext", "keyUsage=critical,keyCertSign", "-keyout", "authority-key.pem", "-out", "ca.pem"],
        ];
        let request = ["req", "-subj", "/CN=auth-1", "-keyout", "key.pem", "-out", "request.pem"];
        let sign = ["x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "authority-key.pem"];
        let more = ["-CAcreateserial", "-days", "30", "-extfile", "client.ext", "-out", "certificate.pem"];
        openssl(folder, &[&authority.concat()[..], &KEY].concat())?;
        openssl(folder, &[&request[..], &KEY].concat())?;
        openssl(folder, &[&sign[..], &more].concat())?;
        let client = Self(folder.to_owned());
        chown(client.key(), Some(user), Some(user))?;
        fs::set_permissions(client.key(), fs::Permissions::from_mode(0o600))?;
        Ok(client)
    }

    /// Who signed its certificate.
    pub fn ca(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    pub fn certificate(&self) -> PathBuf {
        self.0.join("certificate.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.0.join("key.pem")
    }

    /// As a server's list of clients has it.
    pub fn fingerprint(&self) -> Result<String> {
        let certificate = CertificateDer::from_pem_file(self.certificate())?;
        Ok(format!("sha256:{}", hex(&Sha256::digest(&certificate))))
    }
}

fn openssl(folder: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = system("openssl");
    command.args(arguments).current_dir(folder);
    let done = run(command, 0, "")?;
    if done.status == 0 { Ok(()) } else { Err(format!("openssl {arguments:?}: {done:?}").into()) }
}
