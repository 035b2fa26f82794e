//! Servers, this device towards them, and the accounts registered there. Applications carry the packets
//! between servers and here: this process has no network.

use base64ct::{Base64UrlUnpadded, Encoding};
use log::info;
use vultus_ipc::Reason;
use vultus_ipc::vault::{Ceremony, ServerRecord, VaultReply, VaultRequest};
use zbus::message::Header;
use zbus::{Connection, interface};

use crate::bus::Shared;
use crate::bus::ceremonies::{checked_audience, checked_names, checked_packet};
use crate::bus::error::Error;
use crate::bus::manager::ticket_nonce;
use crate::hardware::Hardware;

pub struct Remote {
    pub shared: Shared,
}

#[interface(name = "org.vultus.Vultus1.Remote")]
impl Remote {
    /// The pinned servers: name, version of the keys, this device's identity (empty where it is not
    /// enrolled).
    async fn list_servers(
        &self,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<(String, u64, String)>, Error> {
        self.shared.caller(bus, &header).await?;
        let VaultReply::Servers(servers) = self.shared.vault.ask(VaultRequest::Servers).await? else {
            return Err(Error::unexpected());
        };
        let text = |identity: &[u8; 16]| Base64UrlUnpadded::encode_string(identity);
        let row = |s: ServerRecord| {
            (s.server, s.version, s.device.map_or_else(String::new, |identity| text(&identity)))
        };
        Ok(servers.into_iter().map(row).collect())
    }

    /// Takes over a newer set of a server's keys, where a pinned key signed it.
    async fn update_server_keys(
        &self,
        packet: Vec<u8>,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        self.shared.caller(bus, &header).await?;
        let packet = checked_packet(packet)?.into();
        self.done(VaultRequest::UpdateServerKeys { packet }).await
    }

    /// What a service is told of this device: its identity towards that service alone, manufacturer, model.
    async fn get_device_information(
        &self,
        server: String,
        service: String,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(Vec<u8>, String, String), Error> {
        self.shared.caller(bus, &header).await?;
        checked_names(&[&server, &service])?;
        match self.shared.vault.ask(VaultRequest::DeviceInformation { server, service }).await? {
            VaultReply::Device(device) => Ok((device.device.to_vec(), device.manufacturer, device.model)),
            _ => Err(Error::unexpected()),
        }
    }

    /// Begins to enrol this device with a pinned server: the packet to be carried there.
    async fn begin_device_enrolment(
        &self,
        server: String,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<u8>, Error> {
        let caller = self.shared.caller(bus, &header).await?;
        checked_names(&[&server])?;
        let Hardware { manufacturer, model } = Hardware::read();
        info!(vultus_uid = caller.uid.0, vultus_server = server.as_str(); "device enrolment begins");
        self.packet(VaultRequest::BeginDeviceEnrolment { server, manufacturer, model }).await
    }

    /// Answers the server's challenge by the TPM: the packet to be carried back.
    async fn answer_device_challenge(
        &self,
        packet: Vec<u8>,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<u8>, Error> {
        self.shared.caller(bus, &header).await?;
        let packet = checked_packet(packet)?.into();
        self.packet(VaultRequest::AnswerDeviceChallenge { packet }).await
    }

    /// Takes the new device keys into use, by the server's receipt.
    async fn finish_device_enrolment(
        &self,
        packet: Vec<u8>,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        self.shared.caller(bus, &header).await?;
        let packet = checked_packet(packet)?.into();
        self.done(VaultRequest::FinishDeviceEnrolment { packet }).await
    }

    /// The registered accounts of a user: server, service, account, and whether the server's receipt has
    /// come.
    async fn list_accounts(
        &self,
        username: &str,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<(String, String, String, bool)>, Error> {
        let caller = self.shared.caller(bus, &header).await?;
        let uid = self.shared.user(bus, &header, &caller, username).await?;
        match self.shared.vault.ask(VaultRequest::Accounts { uid }).await? {
            VaultReply::Accounts(accounts) => Ok(accounts
                .into_iter()
                .map(|a| (a.server, a.service, a.account, a.confirmed.is_some()))
                .collect()),
            _ => Err(Error::unexpected()),
        }
    }

    /// Wipes the keys of an account, whatever its server thinks of it, with a ticket for `delete`.
    #[allow(clippy::too_many_arguments)] // Two of them are the bus.
    async fn remove_account(
        &self,
        username: &str,
        server: String,
        service: String,
        account: String,
        ticket: Vec<u8>,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        let caller = self.shared.caller(bus, &header).await?;
        let uid = self.shared.user(bus, &header, &caller, username).await?;
        checked_names(&[&server, &service, &account])?;
        let ticket = ticket_nonce(&ticket)?;
        self.done(VaultRequest::RemoveAccount { uid, server, service, account, ticket }).await
    }

    /// Takes in the server's receipt for a registration of the caller's own user.
    async fn finish_registration(
        &self,
        packet: Vec<u8>,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        self.finish(Ceremony::Registration, packet, bus, &header).await
    }

    /// Takes in the server's receipt for a deregistration of the caller's own user: the keys are wiped.
    async fn finish_deregistration(
        &self,
        packet: Vec<u8>,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        self.finish(Ceremony::Deregistration, packet, bus, &header).await
    }

    /// The public key of an audience's assertions, once one was signed: a P-256 point, uncompressed.
    async fn get_assertion_key(
        &self,
        audience: String,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<u8>, Error> {
        self.shared.caller(bus, &header).await?;
        checked_audience(&audience)?;
        match self.shared.vault.ask(VaultRequest::AssertionKey { audience }).await {
            Ok(VaultReply::Key(key)) => Ok(key.to_vec()),
            Ok(_) => Err(Error::unexpected()),
            // The vault's own sentence speaks of accounts.
            Err(Reason::NotRegistered) => {
                Err(Error::NoSuchAccount("no assertion was signed for this audience yet".into()))
            }
            Err(reason) => Err(reason.into()),
        }
    }
}

impl Remote {
    async fn finish(
        &self,
        ceremony: Ceremony,
        packet: Vec<u8>,
        bus: &Connection,
        header: &Header<'_>,
    ) -> Result<(), Error> {
        let caller = self.shared.caller(bus, header).await?;
        let packet = checked_packet(packet)?.into();
        self.done(VaultRequest::FinishCeremony { uid: caller.uid.0, ceremony, packet }).await
    }

    async fn done(&self, request: VaultRequest) -> Result<(), Error> {
        match self.shared.vault.ask(request).await? {
            VaultReply::Done => Ok(()),
            _ => Err(Error::unexpected()),
        }
    }

    async fn packet(&self, request: VaultRequest) -> Result<Vec<u8>, Error> {
        match self.shared.vault.ask(request).await? {
            VaultReply::Packet(packet) => Ok(packet.into()),
            _ => Err(Error::unexpected()),
        }
    }
}
