//! The thread that talks to the TPM, and the handle through which others ask it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::device::Device;
use crate::{
    AttestationKey, Certification, Endorsement, EndorsementKey, SealedKey, SigningKey, TpmDescription,
    TpmError,
};

/// Something to do with the TPM, which sends its own answer.
type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// How often a place is looked for.
const GLANCE: Duration = Duration::from_millis(2);

/// A TPM that is asked from any thread. It is opened when it is first needed, and anew after it failed.
pub struct Tpm {
    jobs: SyncSender<Job>,
    patience: Duration,
}

impl Tpm {
    /// `tcti` names the TPM; no answer is waited for longer than `patience`.
    pub fn start(tcti: String, patience: Duration) -> std::io::Result<Self> {
        // One job waits while one runs; others wait for that place, no longer than their patience.
        let (jobs, queue) = sync_channel(1);
        std::thread::Builder::new().name("tpm".into()).spawn(move || serve(tcti, &queue))?;
        Ok(Self { jobs, patience })
    }

    /// Seals 32 bytes under the present values of the registers.
    pub fn seal(&self, secret: &[u8; 32], registers: &[u8]) -> Result<SealedKey, TpmError> {
        let (secret, registers) = (Zeroizing::new(*secret), registers.to_vec());
        self.ask(move |device| device.seal(&secret, &registers))
    }

    /// Gives back what was sealed.
    pub fn unseal(&self, sealed: &SealedKey) -> Result<Zeroizing<[u8; 32]>, TpmError> {
        let sealed = sealed.clone();
        self.ask(move |device| device.unseal(&sealed))
    }

    /// Makes a key that signs any digest it is given.
    pub fn create_signing_key(&self) -> Result<SigningKey, TpmError> {
        self.ask(Device::create_signing_key)
    }

    /// Signs a SHA-256 digest with ECDSA P-256: r ‖ s, each 32 bytes.
    pub fn sign(&self, key: &SigningKey, digest: &[u8; 32]) -> Result<[u8; 64], TpmError> {
        let (key, digest) = (key.clone(), *digest);
        self.ask(move |device| device.sign(&key, &digest))
    }

    /// Who made the TPM, as it says itself.
    pub fn describe(&self) -> Result<TpmDescription, TpmError> {
        self.ask(Device::describe)
    }

    /// The endorsement key that has a certificate in the TPM: of both kinds, RSA-2048 goes first.
    /// [`TpmError::NoEndorsement`] where none has.
    pub fn endorsement_key(&self, wanted: Option<Endorsement>) -> Result<EndorsementKey, TpmError> {
        self.ask(move |device| device.endorsement_key(wanted))
    }

    /// Makes a key below the endorsement key that signs only what the TPM itself says.
    pub fn create_attestation_key(&self, endorsement: Endorsement) -> Result<AttestationKey, TpmError> {
        self.ask(move |device| device.create_attestation_key(endorsement))
    }

    /// `TPM2_ActivateCredential`: the secret that only the TPM with this endorsement and this attestation
    /// key gives back. Both arguments are what is inside `TPM2B_ID_OBJECT` and `TPM2B_ENCRYPTED_SECRET`,
    /// without the length in front.
    pub fn activate(
        &self,
        key: &AttestationKey,
        id_object: &[u8],
        encrypted_secret: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, TpmError> {
        let (key, id_object, encrypted_secret) = (key.clone(), id_object.to_vec(), encrypted_secret.to_vec());
        self.ask(move |device| device.activate(&key, &id_object, &encrypted_secret))
    }

    /// `TPM2_Certify` of a signing key by the attestation key. The qualifying data are part of what is
    /// signed.
    pub fn certify(
        &self,
        attestation: &AttestationKey,
        key: &SigningKey,
        qualifying: &[u8; 32],
    ) -> Result<Certification, TpmError> {
        let (attestation, key, qualifying) = (attestation.clone(), key.clone(), *qualifying);
        self.ask(move |device| device.certify(&attestation, &key, &qualifying))
    }

    /// Has the thread do `work`, which may be done twice: see [`Connection::run`].
    fn ask<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Device) -> Result<T, TpmError> + Send + 'static,
    ) -> Result<T, TpmError> {
        let (reply, answer) = sync_channel(1);
        let job: Job = Box::new(move |connection: &mut Connection| {
            // Who asked may have stopped waiting: an answer that nobody takes is wiped when dropped.
            let _ = reply.send(connection.run(&work));
        });
        let until = Instant::now() + self.patience;
        self.hand_over(job, until)?;
        answer.recv_timeout(until.saturating_duration_since(Instant::now())).unwrap_or_else(|e| {
            Err(match e {
                RecvTimeoutError::Timeout => TpmError::Silent,
                RecvTimeoutError::Disconnected => TpmError::Absent,
            })
        })
    }
}

impl Tpm {
    /// Waits for a place: others' work is short, and nobody is turned away for being second.
    fn hand_over(&self, mut job: Job, until: Instant) -> Result<(), TpmError> {
        loop {
            job = match self.jobs.try_send(job) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(_)) => return Err(TpmError::Absent),
                Err(TrySendError::Full(_)) if Instant::now() >= until => return Err(TpmError::Silent),
                Err(TrySendError::Full(job)) => job,
            };
            std::thread::sleep(GLANCE);
        }
    }
}

fn serve(tcti: String, queue: &Receiver<Job>) {
    let mut connection = Connection { tcti, device: None };
    while let Ok(job) = queue.recv() {
        job(&mut connection);
    }
}

/// A TPM by its name, open where it is.
struct Connection {
    tcti: String,
    device: Option<Device>,
}

impl Connection {
    /// Runs one command on the open TPM. After a failure it is opened once more and asked again: it may
    /// have been restarted or cleared in between, which only a fresh look at its storage key tells.
    fn run<T>(&mut self, work: impl Fn(&mut Device) -> Result<T, TpmError>) -> Result<T, TpmError> {
        if let Some(open) = &mut self.device {
            match work(open) {
                Err(TpmError::Absent | TpmError::Altered | TpmError::Foreign) => self.device = None,
                done => return done,
            }
        }
        let open = self.device.insert(Device::open(&self.tcti)?);
        let done = work(open);
        if matches!(done, Err(TpmError::Absent)) {
            self.device = None;
        }
        done
    }
}
