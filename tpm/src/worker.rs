//! The thread that talks to the TPM, and the handle through which others ask it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::device::Device;
use crate::{SealedKey, TpmError};

enum Command {
    Seal { secret: Zeroizing<[u8; 32]>, registers: Vec<u8>, reply: SyncSender<Result<SealedKey, TpmError>> },
    Unseal { sealed: SealedKey, reply: SyncSender<Result<Zeroizing<[u8; 32]>, TpmError>> },
}

/// A TPM that is asked from any thread. It is opened when it is first needed, and anew after it failed.
pub struct Tpm {
    commands: SyncSender<Command>,
    patience: Duration,
}

impl Tpm {
    /// `tcti` names the TPM; no answer is waited for longer than `patience`.
    pub fn start(tcti: String, patience: Duration) -> std::io::Result<Self> {
        // One command may wait while one runs: more askers than that are told that it is silent.
        let (commands, queue) = sync_channel(1);
        std::thread::Builder::new().name("tpm".into()).spawn(move || serve(&tcti, &queue))?;
        Ok(Self { commands, patience })
    }

    /// Seals 32 bytes under the present values of the registers.
    pub fn seal(&self, secret: &[u8; 32], registers: &[u8]) -> Result<SealedKey, TpmError> {
        self.ask(|reply| Command::Seal {
            secret: Zeroizing::new(*secret),
            registers: registers.to_vec(),
            reply,
        })
    }

    /// Gives back what was sealed.
    pub fn unseal(&self, sealed: &SealedKey) -> Result<Zeroizing<[u8; 32]>, TpmError> {
        self.ask(|reply| Command::Unseal { sealed: sealed.clone(), reply })
    }

    fn ask<T>(
        &self,
        command: impl FnOnce(SyncSender<Result<T, TpmError>>) -> Command,
    ) -> Result<T, TpmError> {
        let (reply, answer) = sync_channel(1);
        self.commands.try_send(command(reply)).map_err(|_| TpmError::Silent)?;
        answer.recv_timeout(self.patience).unwrap_or_else(|e| {
            Err(match e {
                RecvTimeoutError::Timeout => TpmError::Silent,
                RecvTimeoutError::Disconnected => TpmError::Absent,
            })
        })
    }
}

fn serve(tcti: &str, queue: &Receiver<Command>) {
    let mut device = None;
    while let Ok(command) = queue.recv() {
        // Who asked may have stopped waiting: an answer that nobody takes is wiped when dropped.
        match command {
            Command::Seal { secret, registers, reply } => {
                let _ = reply.send(with(tcti, &mut device, |d| d.seal(&secret, &registers)));
            }
            Command::Unseal { sealed, reply } => {
                let _ = reply.send(with(tcti, &mut device, |d| d.unseal(&sealed)));
            }
        }
    }
}

/// Runs one command on the open TPM. After a failure it is opened once more and asked again: it may have
/// been restarted or cleared in between, which only a fresh look at its storage key tells.
fn with<T>(
    tcti: &str,
    device: &mut Option<Device>,
    mut work: impl FnMut(&mut Device) -> Result<T, TpmError>,
) -> Result<T, TpmError> {
    if let Some(open) = device {
        match work(open) {
            Err(TpmError::Absent | TpmError::Altered | TpmError::Foreign) => *device = None,
            done => return done,
        }
    }
    let open = device.insert(Device::open(tcti)?);
    work(open).inspect_err(|e| {
        if *e == TpmError::Absent {
            *device = None;
        }
    })
}
