//! What a relying party's backend may see of its accounts, and their revocation. It shows no account of
//! another service, and no key itself.

use log::error;
use vultus_protocol::AccountName;
use vultus_protocol::api::{AccountView, KeyView, Refusal};

use super::Core;
use super::trail::{Ended, REVOCATION, Trail};
use crate::store::model::{KeyStatus, Service, ServiceKey};

impl Core {
    /// An account with its newest keys, those that ended too. Nothing is decided, so nothing is written down.
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

    /// Ends every active key of an account, and its open registrations. A device may be registered anew
    /// afterwards: the relying party asks. What an administrator suspended, only an administrator lets go.
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
        let now = self.clock.now();
        let ended = self.store.end_active_keys(&service.name, &account, now, trail.accepted(now)).await?;
        if ended == 0 {
            without_change(&self.store.keys_of_account(&service.name, &account).await?)?;
            self.store.note(trail.accepted(now)).await?;
        }
        Ok(())
    }
}

/// What is answered where there was nothing to end. Whoever asks twice gets the same answer; but keys that
/// would count again when they are resumed are not said to be gone.
fn without_change(keys: &[ServiceKey]) -> Result<(), Refusal> {
    if keys.is_empty() {
        return Err(Refusal::NotFound);
    }
    let suspended = keys.iter().any(|key| key.status == KeyStatus::Suspended);
    if suspended { Err(Refusal::AccountSuspended) } else { Ok(()) }
}
