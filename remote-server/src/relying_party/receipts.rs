//! Whether a receipt is the server's, and about this very ceremony: decided by the server's pinned keys, and
//! never by what the answer around the receipt says.

use std::sync::{Mutex, MutexGuard, PoisonError};

use vultus_protocol::api::Refusal;
use vultus_protocol::registration::{
    AuthenticationReceipt, DeregistrationReceipt, Receipt, RegistrationReceipt,
};
use vultus_protocol::{
    BiometricType, Envelope, KeyId, Message, PinnedServer, ProtocolError, PublicKey, ServerName, ServiceName,
    TransactionHash,
};

use super::api_client::ApiClient;
use super::ceremonies::{Ceremony, Kind};
use super::now;

/// The server's keys: the newest set at the start, then whatever a pinned key signs.
pub struct Keys {
    pinned: Mutex<PinnedServer>,
    /// One fetch at a time, however many receipts wait for it.
    fetching: tokio::sync::Mutex<()>,
}

impl Keys {
    /// Pins the newest set. It holds the key that signed it, which is one of the set before as well.
    pub async fn fetch(api: &ApiClient) -> Result<Self, Refusal> {
        let packets = api.keys().await?;
        let newest = packets.last().ok_or(Refusal::UnknownKey)?;
        let pinned = Mutex::new(PinnedServer::first(newest)?);
        Ok(Self { pinned, fetching: tokio::sync::Mutex::new(()) })
    }

    pub fn server(&self) -> ServerName {
        self.pinned().name().clone()
    }

    /// The receipt of this ceremony, where the packet is one.
    pub async fn receipt(
        &self,
        api: &ApiClient,
        service: &ServiceName,
        ceremony: &Ceremony,
        packet: &[u8],
    ) -> Result<Receipt, Refusal> {
        let receipt = match ceremony.wish.kind {
            Kind::Registration => self.verify::<RegistrationReceipt>(api, packet).await?.0,
            Kind::Authentication | Kind::Payment => {
                self.verify::<AuthenticationReceipt>(api, packet).await?.0
            }
            Kind::Deregistration => self.verify::<DeregistrationReceipt>(api, packet).await?.0,
        };
        check(&receipt, &self.server(), service, ceremony)?;
        Ok(receipt)
    }

    async fn verify<M: Message + Send>(&self, api: &ApiClient, packet: &[u8]) -> Result<M, Refusal> {
        let envelope = Envelope::<M>::parse(packet)?;
        let key = match self.known(envelope.key()) {
            Some(key) => key,
            None => self.fetch_for(api, envelope.key()).await?,
        };
        Ok(envelope.verify(&key)?)
    }

    async fn fetch_for(&self, api: &ApiClient, id: KeyId) -> Result<PublicKey, Refusal> {
        let _alone = self.fetching.lock().await;
        if let Some(key) = self.known(id) {
            return Ok(key);
        }
        self.refresh(api).await?;
        self.known(id).ok_or(Refusal::UnknownKey)
    }

    /// The server may have rotated its keys: its newer sets count where a pinned key signed them, while that
    /// one counts.
    pub async fn refresh(&self, api: &ApiClient) -> Result<(), Refusal> {
        api.keys().await?.iter().for_each(|packet| self.rotate(packet));
        Ok(())
    }

    fn rotate(&self, packet: &[u8]) {
        let mut pinned = self.pinned();
        match pinned.rotate(packet, now()) {
            Ok(newer) => {
                log::info!("the server's keys are now of version {}", newer.version());
                *pinned = newer;
            }
            // The list starts with sets that were pinned before.
            Err(ProtocolError::OldKeys | ProtocolError::UnknownKey) => {}
            Err(error) => log::warn!("a set of the server's keys is not to be believed: {error}"),
        }
    }

    fn known(&self, id: KeyId) -> Option<PublicKey> {
        self.pinned().signing_key(id, now()).copied()
    }

    fn pinned(&self) -> MutexGuard<'_, PinnedServer> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every field that the shop knows must be as the shop knows it.
fn check(r: &Receipt, server: &ServerName, service: &ServiceName, about: &Ceremony) -> Result<(), Refusal> {
    let wish = &about.wish;
    let transaction = wish.text.as_ref().map(TransactionHash::of);
    let as_known = r.ceremony == about.id
        && r.server == *server
        && r.service == *service
        && wish.account.as_ref().is_none_or(|account| r.account == *account)
        && r.device == wish.device
        && r.biometric == BiometricType::Face
        && r.transaction == transaction;
    if as_known { Ok(()) } else { Err(Refusal::Misdirected) }
}
