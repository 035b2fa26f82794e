//! Follows what runs on a camera, and tells its caller: guidance, what is asked for, and the stable word of
//! the end. Only one word lets anybody in, and only one comes with a packet.

use log::warn;
use tokio::sync::mpsc;
use vultus_ipc::vault::{RequestRecord, VaultReply, VaultRequest};
use vultus_ipc::{Guidance, Reason, Verdict};
use zbus::Connection;
use zbus::object_server::SignalEmitter;

use crate::bus::Shared;
use crate::bus::camera::Camera;
use crate::bus::error::Error;
use crate::claims::Operation;
use crate::vault_client::Event;

impl Camera {
    /// Has the vault begin, for a caller that has claimed this camera.
    pub(super) async fn start(
        &self,
        bus: &Connection,
        caller: &str,
        operation: Operation,
        request: VaultRequest,
        wait_ms: u32,
    ) -> Result<(), Error> {
        let (running, events) = self.shared.vault.start(request, wait_ms).await?;
        // The caller may have gone, or started something else, in the meantime: then this is dropped.
        let run = self.shared.claims().started(&self.record.id, caller, operation, running)?;
        let destination = zbus::names::BusName::try_from(caller.to_owned())?;
        let emitter = SignalEmitter::new(bus, self.path.clone())?.set_destination(destination).into_owned();
        let progress =
            Progress { shared: self.shared.clone(), camera: self.record.id.clone(), run, operation };
        tokio::spawn(progress.tell(events, emitter));
        Ok(())
    }
}

/// One run, whose events go to its caller for as long as it is the one that runs.
struct Progress {
    shared: Shared,
    camera: String,
    run: u64,
    operation: Operation,
}

impl Progress {
    async fn tell(self, mut events: mpsc::Receiver<Event>, emitter: SignalEmitter<'static>) {
        while let Some(event) = events.recv().await {
            if self.shared.claims().current(&self.camera, self.run).is_none() {
                return;
            }
            let told = match event {
                Event::Guide(guidance) => guide(&emitter, guidance).await,
                Event::Request(request) => self.asked(&emitter, &request).await,
                Event::End(result) => {
                    self.shared.claims().ended(&self.camera, self.run);
                    self.end(&emitter, result).await
                }
            };
            if let Err(e) = told {
                warn!("a signal could not be sent: {e}");
            }
        }
    }

    async fn asked(&self, emitter: &SignalEmitter<'_>, request: &RequestRecord) -> zbus::Result<()> {
        if request.transaction.is_some() {
            // Before the caller hears of it: it may agree at once.
            self.shared.claims().asks(&self.camera, self.run);
        }
        let transaction = request.transaction.as_deref().unwrap_or("");
        Camera::request(emitter, &request.server, &request.service, &request.account, transaction).await
    }

    async fn end(&self, emitter: &SignalEmitter<'_>, result: Result<VaultReply, Reason>) -> zbus::Result<()> {
        match self.operation {
            Operation::Verify => Camera::verify_status(emitter, verify_word(&result), true).await,
            Operation::Enrol => Camera::enroll_status(emitter, enrol_word(&result), true).await,
            Operation::Ceremony => {
                let (word, packet) = ceremony_end(&result);
                Camera::ceremony_status(emitter, word, true, packet).await
            }
        }
    }
}

async fn guide(emitter: &SignalEmitter<'_>, guidance: Guidance) -> zbus::Result<()> {
    let (have, need) = match guidance {
        Guidance::Captured { have, need } => (have, need),
        _ => (0, 0),
    };
    Camera::guidance(emitter, guidance.word(), guidance.sentence(), have, need).await
}

/// The stable word of a verification's end. Only one of them lets anybody in.
fn verify_word(result: &Result<VaultReply, Reason>) -> &'static str {
    match result {
        Ok(VaultReply::Judged(Verdict::Accepted)) => "verify-match",
        Ok(VaultReply::Judged(verdict)) => denied_word(*verdict),
        Err(reason) => reason_word(*reason, "verify-unavailable"),
        Ok(_) => "verify-unavailable",
    }
}

/// The stable word of a ceremony's end, and what was signed. A verdict alone signs nothing.
fn ceremony_end(result: &Result<VaultReply, Reason>) -> (&'static str, &[u8]) {
    match result {
        Ok(VaultReply::Packet(packet)) => ("signed", packet.as_slice()),
        Ok(VaultReply::Judged(verdict)) => (denied_word(*verdict), &[]),
        Err(reason) => (reason_word(*reason, "verify-unavailable"), &[]),
        Ok(_) => ("verify-unavailable", &[]),
    }
}

fn denied_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Refused => "verify-no-match",
        Verdict::LockedOut { .. } => "verify-locked-out",
        Verdict::NotJudged(reason) => reason_word(reason, "verify-unavailable"),
        // Where it is not the end that was asked for.
        Verdict::Accepted => "verify-unavailable",
    }
}

fn enrol_word(result: &Result<VaultReply, Reason>) -> &'static str {
    match result {
        Ok(VaultReply::Enrolled(_)) => "enroll-completed",
        Err(Reason::PasswordNeeded) => "enroll-password-needed",
        Err(Reason::TooManyFaces) => "enroll-too-many-faces",
        Err(reason) => reason_word(*reason, "enroll-failed"),
        Ok(_) => "enroll-failed",
    }
}

/// Reasons that a program can do something about have a word of their own.
fn reason_word(reason: Reason, otherwise: &'static str) -> &'static str {
    match reason {
        Reason::NoFace => "no-face",
        Reason::NotEnrolled => "not-enrolled",
        Reason::Cancelled => "cancelled",
        Reason::Busy | Reason::CameraBusy => "busy",
        Reason::CameraAbsent | Reason::CameraGone => "camera-gone",
        Reason::CameraUnpaired => "camera-unpaired",
        Reason::OtherCamera => "other-camera",
        Reason::FrameRejected => "frame-rejected",
        Reason::TpmAbsent | Reason::TpmForeign | Reason::TpmPolicy => "tpm-refused",
        Reason::StateTampered | Reason::StateUnavailable => "state-refused",
        Reason::ServerUnknown => "server-unknown",
        Reason::PacketRejected => "packet-rejected",
        Reason::UnpinnedKey => "unpinned-key",
        Reason::PacketExpired => "packet-expired",
        Reason::PacketMisdirected => "packet-misdirected",
        Reason::NotRegistered => "not-registered",
        Reason::FaceChanged => "face-changed",
        Reason::PolicyUnmet => "policy-unmet",
        Reason::NotConfirmed => "not-confirmed",
        Reason::DeviceNotEnrolled => "device-not-enrolled",
        Reason::NoEndorsement => "no-endorsement",
        Reason::TooManyKeys => "too-many-keys",
        _ => otherwise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_packet_is_signed() {
        let packet = Ok(VaultReply::Packet(vec![1, 2].into()));
        assert_eq!(ceremony_end(&packet), ("signed", &[1u8, 2][..]));
        let others = [
            (Ok(VaultReply::Judged(Verdict::Accepted)), "verify-unavailable"),
            (Ok(VaultReply::Judged(Verdict::Refused)), "verify-no-match"),
            (Ok(VaultReply::Judged(Verdict::LockedOut { seconds: 1 })), "verify-locked-out"),
            (Ok(VaultReply::Judged(Verdict::NotJudged(Reason::NoFace))), "no-face"),
            (Ok(VaultReply::Done), "verify-unavailable"),
            (Err(Reason::NotConfirmed), "not-confirmed"),
            (Err(Reason::Internal), "verify-unavailable"),
        ];
        for (result, word) in others {
            assert_eq!(ceremony_end(&result), (word, &[] as &[u8]), "{result:?}");
        }
    }

    #[test]
    fn one_word_lets_somebody_in() {
        assert_eq!(verify_word(&Ok(VaultReply::Judged(Verdict::Accepted))), "verify-match");
        let others = [
            Ok(VaultReply::Judged(Verdict::Refused)),
            Ok(VaultReply::Packet(vec![1].into())),
            Ok(VaultReply::Done),
            Err(Reason::Internal),
        ];
        for result in others {
            assert_ne!(verify_word(&result), "verify-match", "{result:?}");
        }
    }
}
