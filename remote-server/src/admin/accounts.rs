//! Accounts of a service: shows their keys, and says which count. The audit log is told of them by their
//! virtual accounts alone.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use vultus_protocol::{AccountName, ServiceName, VirtualAccount};

use super::{Desk, Error, Outcome, account_name, service_name, table};
use crate::store::Event;
use crate::store::model::{KeyStatus, ServiceKey};

#[derive(Subcommand)]
pub enum Action {
    /// List the keys of all accounts of a service, the oldest first.
    List {
        #[arg(long, value_parser = service_name)]
        service: ServiceName,
        #[arg(long, default_value_t = 1000)]
        limit: u32,
        /// Begin after the key with this number.
        #[arg(long, default_value_t = 0)]
        after: i64,
    },
    /// Show the keys of one account, past ones too.
    Show(Account),
    /// Refuse an account until it is resumed.
    Suspend(Account),
    /// Let a suspended account in again.
    Resume(Account),
    /// Take every key of an account away for good.
    Revoke(Account),
}

#[derive(Args)]
pub struct Account {
    #[arg(long, value_parser = service_name)]
    service: ServiceName,
    #[arg(value_parser = account_name)]
    account: AccountName,
}

pub async fn carry_out(desk: &Desk, action: Action) -> Result<Outcome, Error> {
    match action {
        Action::List { service, limit, after } => {
            let keys = desk.store.keys_of_service(&service, after, limit.into()).await?;
            Ok(listed(&keys))
        }
        Action::Show(account) => show(desk, &account).await,
        Action::Suspend(account) => set(desk, &account, KeyStatus::Suspended, "account-suspended").await,
        Action::Resume(account) => set(desk, &account, KeyStatus::Active, "account-resumed").await,
        Action::Revoke(account) => set(desk, &account, KeyStatus::Revoked, "account-revoked").await,
    }
}

async fn show(desk: &Desk, of: &Account) -> Result<Outcome, Error> {
    let keys = desk.store.keys_of_account(&of.service, &of.account).await?;
    if keys.is_empty() { Ok(Outcome::refused("there is no such account")) } else { Ok(listed(&keys)) }
}

async fn set(desk: &Desk, of: &Account, status: KeyStatus, what: &'static str) -> Result<Outcome, Error> {
    let now = desk.clock.now();
    let secret = desk.store.account_secret().await?;
    let virtual_account = VirtualAccount::of(&secret, &of.service, &of.account);
    let event =
        Event { virtual_account: Some(virtual_account), ..desk.event(what, Some(of.service.clone())) };
    let changed = desk.store.set_account_status(&of.service, &of.account, status, now, event).await?;
    let keys = desk.store.keys_of_account(&of.service, &of.account).await?;
    if changed > 0 || keys.iter().any(|key| key.status == status) {
        return Ok(listed(&keys));
    }
    let why = if keys.is_empty() { "there is no such account" } else { "no key of this account is left" };
    Ok(Outcome::refused(why))
}

fn listed(keys: &[ServiceKey]) -> Outcome {
    let row = |key: &ServiceKey| {
        vec![
            key.id.to_string(),
            key.account.to_string(),
            key.virtual_account.to_text(),
            key.device.to_text(),
            key.status.to_string(),
            key.registered_at.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = keys.iter().map(row).collect();
    let text = table(&["number", "account", "virtual account", "device", "status", "registered at"], &rows);
    let objects: Vec<Value> = keys.iter().map(object).collect();
    Outcome::done(text, json!({ "ok": true, "keys": objects }))
}

fn object(key: &ServiceKey) -> Value {
    json!({
        "number": key.id,
        "account": key.account.as_str(),
        "virtual_account": key.virtual_account.to_text(),
        "device": key.device.to_text(),
        "status": key.status.word(),
        "registered_at": key.registered_at,
        "ended_at": key.ended_at,
    })
}
