//! The requests about servers, accounts and assertions: one row for each, as in [`crate::server`].

use std::sync::MutexGuard;
use std::time::Duration;

use log::info;
use vultus_ipc::vault::{Action, Ceremony, RequestRecord, VaultReply, VaultRequest};
use vultus_ipc::{Connection, Deadline, Reason, Verdict};
use vultus_protocol::Liveness;
use vultus_protocol::challenge::Challenge;

use crate::VaultError;
use crate::attempt::{Judged, Question, Success, verify};
use crate::ceremony::authentication::Authentication;
use crate::ceremony::registration::{Deregistration, Registration, confirm, forget};
use crate::ceremony::{accounts, assertion, device, servers};
use crate::keys::OpenState;
use crate::liveness::Purpose;
use crate::server::{Caller, Role, Vault, checked_camera, deadline, waited};

/// Who is verified, with which camera, for how long at most, and whether with a screen at hand.
struct Sitting<'a> {
    uid: u32,
    camera: Option<&'a str>,
    wait_ms: u32,
    purpose: Purpose<'a>,
    screen: bool,
}

impl<'a> Sitting<'a> {
    /// The same, as a server asks for it.
    fn towards(&self, challenge: &Challenge) -> Sitting<'a> {
        Sitting { purpose: Purpose::Server(challenge.policy.liveness), ..*self }
    }
}

/// How long a person may take to read a transaction.
const READING_MS: u64 = 60_000;
/// How long one change of records waits for the one before it.
const CHANGE: Duration = Duration::from_secs(10);

impl Vault {
    /// One row for each request: who may ask it, and what is done.
    pub(crate) fn answer_ceremony(
        &self,
        request: VaultRequest,
        role: Role,
        connection: &mut Connection,
    ) -> Result<VaultReply, VaultError> {
        use VaultRequest as R;
        let tolerance = self.configuration.clock_tolerance_s;
        let tpm = &self.keys.tpm;
        match request {
            R::PinServer { packet } if role.root => self.changing(|state| servers::pin(state, &packet)),
            R::UnpinServer { server } if role.root => self.changing(|state| servers::unpin(state, &server)),
            R::UpdateServerKeys { packet } if role.daemon || role.root => {
                self.changing(|state| servers::update(state, &packet))
            }
            R::Servers if role.daemon || role.root => {
                Ok(VaultReply::Servers(servers::list(&self.keys.open()?)?))
            }
            R::BeginDeviceEnrolment { server, manufacturer, model } if role.daemon || role.root => {
                let _changing = self.change()?;
                let state = self.keys.open()?;
                packet(device::begin(&state, tpm, &server, (&manufacturer, &model))?)
            }
            R::AnswerDeviceChallenge { packet: challenge } if role.daemon || role.root => {
                let _changing = self.change()?;
                packet(device::answer(&self.keys.open()?, tpm, &challenge, tolerance)?)
            }
            R::FinishDeviceEnrolment { packet } if role.daemon || role.root => {
                self.changing(|state| device::finish(state, &packet))
            }
            R::DeviceInformation { server, service } if role.daemon => {
                Ok(VaultReply::Device(device::information(&self.keys.open()?, &server, &service)?))
            }
            R::Perform { uid, ceremony, packet, camera, wait_ms, screen } if role.daemon => {
                checked_camera(camera.as_deref())?;
                let purpose = Purpose::Server(Liveness::None);
                let sitting = Sitting { uid, camera: camera.as_deref(), wait_ms, purpose, screen };
                self.perform(&sitting, ceremony, &packet, connection)
            }
            R::Assert { uid, audience, nonce, camera, wait_ms, screen } if role.daemon => {
                checked_camera(camera.as_deref())?;
                let asked = assertion::Asked::new(&audience, &nonce)?;
                let purpose = Purpose::Application;
                let sitting = Sitting { uid, camera: camera.as_deref(), wait_ms, purpose, screen };
                self.sitting(&sitting, None, connection, |state, success| asked.sign(state, tpm, success))
            }
            R::AssertionKey { audience } if role.daemon => {
                Ok(VaultReply::Key(assertion::public_key(&self.keys.open()?, &audience)?.into()))
            }
            R::FinishCeremony { uid, ceremony, packet } if role.daemon => {
                self.changing(|state| match ceremony {
                    Ceremony::Registration => confirm(state, uid, &packet),
                    Ceremony::Deregistration => forget(state, uid, &packet),
                    Ceremony::Authentication => Err(Reason::BadRequest.into()),
                })
            }
            R::Accounts { uid } if role.daemon => {
                Ok(VaultReply::Accounts(accounts::list(&self.keys.open()?, uid)?))
            }
            R::RemoveAccount { uid, server, service, account, ticket } if role.daemon => {
                self.consume(uid, Action::Delete, &ticket)?;
                self.changing(|state| accounts::remove(state, uid, (&server, &service, &account)))
            }
            _ => Err(Reason::NotAllowed.into()),
        }
    }

    /// Checks the packet, has the person agree and verified, and only then has the TPM answer. What was
    /// checked first is checked once more then: a person takes time, and much can be revoked in it.
    fn perform(
        &self,
        sitting: &Sitting<'_>,
        ceremony: Ceremony,
        packet: &[u8],
        connection: &mut Connection,
    ) -> Result<VaultReply, VaultError> {
        let tolerance = self.configuration.clock_tolerance_s;
        let (tpm, uid) = (&self.keys.tpm, sitting.uid);
        match ceremony {
            Ceremony::Registration => {
                let open = Registration::open(&self.keys.open()?, uid, packet, tolerance)?;
                requested(connection, open.challenge(), sitting)?;
                let sitting = &sitting.towards(open.challenge());
                self.sitting(sitting, None, connection, |state, success| {
                    Registration::open(state, uid, packet, tolerance)?.sign(state, tpm, success)
                })
            }
            Ceremony::Deregistration => {
                let open = Deregistration::open(&self.keys.open()?, uid, packet, tolerance)?;
                requested(connection, open.challenge(), sitting)?;
                let sitting = &sitting.towards(open.challenge());
                self.sitting(sitting, Some(open.face), connection, |state, success| {
                    Deregistration::open(state, uid, packet, tolerance)?.sign(state, tpm, success)
                })
            }
            Ceremony::Authentication => {
                let open = Authentication::open(&self.keys.open()?, uid, packet, tolerance)?;
                requested(connection, open.challenge(), sitting)?;
                let sitting = &sitting.towards(open.challenge());
                self.sitting(sitting, Some(open.face), connection, |state, success| {
                    Authentication::open(state, uid, packet, tolerance)?.sign(state, tpm, success)
                })
            }
        }
    }

    /// Verifies the person; `sign` is called with the success, or not at all.
    fn sitting(
        &self,
        sitting: &Sitting<'_>,
        face: Option<u32>,
        connection: &mut Connection,
        sign: impl FnOnce(&OpenState<'_>, Success) -> Result<Vec<u8>, VaultError>,
    ) -> Result<VaultReply, VaultError> {
        let Sitting { uid, camera, wait_ms, purpose, screen } = *sitting;
        let deadline = deadline(wait_ms, self.configuration.longest_attempt_ms);
        let question = Question { uid, camera, face, deadline, purpose, screen };
        let look = || self.look_soon();
        let mut asker = Caller { connection };
        match verify(&self.keys, &self.configuration, &self.observer, &question, &look, &mut asker) {
            Judged::Accepted(success) => {
                let _changing = self.change()?;
                // Nothing is made or spent for somebody who has left.
                if connection.hung_up() {
                    return Err(Reason::Cancelled.into());
                }
                packet(sign(&self.keys.open()?, success)?)
            }
            Judged::Denied(Verdict::Accepted) => Err(Reason::Internal.into()),
            Judged::Denied(verdict) => Ok(VaultReply::Judged(verdict)),
        }
    }

    fn changing(
        &self,
        work: impl FnOnce(&OpenState<'_>) -> Result<(), VaultError>,
    ) -> Result<VaultReply, VaultError> {
        let _changing = self.change()?;
        work(&self.keys.open()?)?;
        Ok(VaultReply::Done)
    }

    /// Held while records that are found by looking through all of a kind are changed.
    pub(crate) fn change(&self) -> Result<MutexGuard<'_, ()>, VaultError> {
        waited(&self.changing_records, Deadline::after(CHANGE))
    }
}

/// Says what is asked for, and where there is a transaction waits until the person agreed to that very text.
/// Nothing is looked at before.
fn requested(
    connection: &mut Connection,
    challenge: &Challenge,
    sitting: &Sitting<'_>,
) -> Result<(), VaultError> {
    let asker = connection.peer()?.uid;
    let until = deadline(sitting.wait_ms, READING_MS);
    let transaction = challenge.transaction.as_ref().map(|text| text.to_string());
    let request = RequestRecord {
        server: challenge.server.to_string(),
        service: challenge.service.to_string(),
        account: challenge.account.to_string(),
        transaction: transaction.clone(),
    };
    connection.send(&VaultReply::Request(request), until)?;
    let Some(wanted) = transaction else {
        return Ok(());
    };
    match connection.receive_from(asker, until) {
        Ok(VaultRequest::Confirm { text }) if text == wanted => Ok(()),
        Ok(VaultRequest::Confirm { .. }) => Err(Reason::NotConfirmed.into()),
        Ok(_) => Err(Reason::BadRequest.into()),
        Err(e) => {
            info!("a transaction was not confirmed: {e}");
            Err(Reason::NotConfirmed.into())
        }
    }
}

fn packet(bytes: Vec<u8>) -> Result<VaultReply, VaultError> {
    Ok(VaultReply::Packet(bytes.into()))
}
