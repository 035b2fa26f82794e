//! What a relying party's backend may see of its accounts, and their revocation. It shows no account of
//! another service, and no key itself.

use log::error;
use vultus_protocol::AccountName;
use vultus_protocol::api::{AccountView, KeyView, Refusal};

use super::Core;
use super::trail::{Ended, REVOCATION, Trail};
use crate::store::model::{KeyStatus, Service};

impl Core {
    /// An account with its keys, the old ones too. Nothing is decided, so nothing is written down.
    pub async fn account(&self, service: &Service, account: &str) -> Result<AccountView, Refusal> {
        let account = AccountName::new(account)?;
        let keys = self.store.keys_of_account(&service.name, &account).await.map_err(|e| {
            error!(vultus_service = service.name.as_str(); "an account could not be looked up: {e}");
            Refusal::Unavailable
        })?;
        if keys.is_empty() {
            return Err(Refusal::NotFound);
        }
        let keys = keys.into_iter().map(|key| KeyView {
            device: key.device.to_text(),
            status: key.status.word().to_owned(),
            registered_at: key.registered_at,
        });
        Ok(AccountView {
            account: account.as_str().to_owned(),
            virtual_account: self.virtual_account(service, &account).to_text(),
            keys: keys.collect(),
        })
    }

    /// Ends every key of an account. A device may be registered anew afterwards: the relying party asks.
    pub async fn revoke_account(&self, service: &Service, account: &str) -> Result<(), Refusal> {
        let mut trail = Trail::of_service(&REVOCATION, service);
        let outcome = self.decide_revocation(service, account, &mut trail).await;
        self.settle(trail, outcome).await
    }

    async fn decide_revocation(
        &self,
        service: &Service,
        account: &str,
        trail: &mut Trail,
    ) -> Result<(), Ended> {
        let account = AccountName::new(account)?;
        trail.virtual_account = Some(self.virtual_account(service, &account));
        if self.store.keys_of_account(&service.name, &account).await?.is_empty() {
            return Err(Refusal::NotFound.into());
        }
        let (now, status) = (self.clock.now(), KeyStatus::Revoked);
        let event = trail.accepted(now);
        let rows = self.store.set_account_status(&service.name, &account, status, now, event).await?;
        if rows == 0 {
            // All its keys had ended: whoever asks twice gets the same answer.
            self.store.note(trail.accepted(now)).await?;
        }
        Ok(())
    }
}
