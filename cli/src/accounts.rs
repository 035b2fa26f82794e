//! Accounts of remote services: the application's part of every dance. It carries packets between the device
//! (D-Bus) and a shop (HTTPS), and believes neither: the vault and the server check what is signed.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};
use vultus_cli::bus::RemoteProxy;
use vultus_ipc::vault::Action;
use vultus_protocol::CeremonyId;
use vultus_protocol::api::{Opened, Packet, from_text, to_text};

use crate::ceremony::{self, Consent, Ending, Order, not_taken, refusal};
use crate::commands::{self, Place, manager, remote};
use crate::device::fetch_keys;
use crate::https::{Https, plain};
use crate::{Done, Outcome};

type Error = Box<dyn std::error::Error>;

#[derive(Subcommand)]
pub enum AccountAction {
    /// Register this device and your face with an account of a shop.
    Register {
        account: String,
        #[command(flatten)]
        shop: Shop,
    },
    /// Log in at a shop by face.
    Authenticate {
        /// May be left out where this device has one account there.
        account: Option<String>,
        #[command(flatten)]
        shop: Shop,
        /// Agree to whatever transaction the shop shows.
        #[arg(long)]
        yes: bool,
    },
    /// Pay at a shop by face.
    Pay {
        account: String,
        /// Such as 12.34.
        #[arg(long)]
        amount: String,
        /// Who is paid.
        #[arg(long)]
        to: String,
        #[command(flatten)]
        shop: Shop,
        /// Agree to whatever transaction the shop shows.
        #[arg(long)]
        yes: bool,
    },
    /// End the registration of an account, with the shop's consent.
    Deregister {
        account: String,
        #[command(flatten)]
        shop: Shop,
    },
    /// List registered accounts.
    List {
        #[arg(long, default_value = "")]
        user: String,
    },
    /// Wipe the keys of an account, without asking its shop; asks for your password.
    Remove {
        server: String,
        service: String,
        account: String,
        #[arg(long, default_value = "")]
        user: String,
    },
}

/// A relying party, and how to reach it.
#[derive(Args)]
pub struct Shop {
    /// The pinned server that the shop uses.
    #[arg(long)]
    server: String,
    /// What the shop is called there.
    #[arg(long)]
    service: String,
    /// Where the shop answers: https://host:port.
    #[arg(long)]
    shop: String,
    /// Trust these root certificates (PEM), and no others.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// A session at the shop, where it wants one.
    #[arg(long)]
    session: Option<String>,
    /// Where the server answers, to fetch its keys should it have changed them.
    #[arg(long)]
    server_url: Option<String>,
}

/// What is to come about at the shop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dance {
    Register,
    Authenticate,
    Pay,
    Deregister,
}

impl Dance {
    /// The shop's path.
    fn path(self) -> &'static str {
        match self {
            Self::Register => "/api/register",
            Self::Authenticate => "/api/login",
            Self::Pay => "/api/pay",
            Self::Deregister => "/api/deregister",
        }
    }

    fn order(self, packet: &[u8]) -> Order<'_> {
        match self {
            Self::Register => Order::Register(packet),
            Self::Authenticate | Self::Pay => Order::Authenticate(packet),
            Self::Deregister => Order::Deregister(packet),
        }
    }

    /// What a signature that the shop did not take leaves behind.
    fn leaves(self) -> &'static str {
        match self {
            Self::Register => "This device keeps the new key as not confirmed, until it registers again.",
            Self::Authenticate => "A code is good for one answer: an attempt to log in again is a new one.",
            Self::Pay => "See at the shop whether you have paid before you pay again.",
            Self::Deregister => "This device keeps its key; `vultus account remove` wipes it.",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Register => "registered",
            Self::Authenticate => "authenticated",
            Self::Pay => "paid",
            Self::Deregister => "deregistered",
        }
    }
}

/// What the shop answers at the end.
#[derive(Deserialize)]
struct Settled {
    /// The server's receipt.
    packet: String,
    account: String,
    /// When the server decided, in seconds since 1970: of a registration or deregistration.
    #[serde(default)]
    at: Option<u64>,
    /// Of a login.
    #[serde(default)]
    session: Option<String>,
    /// Of a payment: what was agreed to.
    #[serde(default)]
    paid: Option<String>,
}

pub async fn manage(place: &Place, action: AccountAction) -> Result<Outcome, Error> {
    let given = |yes| if yes { Consent::Given } else { Consent::Asked };
    match action {
        AccountAction::Register { account, shop } => {
            dance(Dance::Register, &shop, json!({ "account": account }), Consent::Asked).await
        }
        AccountAction::Authenticate { account, shop, yes } => {
            let question = account.map_or(json!({}), |account| json!({ "account": account }));
            dance(Dance::Authenticate, &shop, question, given(yes)).await
        }
        AccountAction::Pay { account, amount, to, shop, yes } => {
            let question = json!({ "account": account, "amount": amount, "to": to });
            dance(Dance::Pay, &shop, question, given(yes)).await
        }
        AccountAction::Deregister { account, shop } => {
            dance(Dance::Deregister, &shop, json!({ "account": account }), Consent::Asked).await
        }
        AccountAction::List { user } => list(&user).await,
        AccountAction::Remove { server, service, account, user } => {
            remove(place, &user, (&server, &service, &account)).await
        }
    }
}

/// The whole dance: device information, the shop's packet, the person, the device's answer, the receipt.
async fn dance(dance: Dance, shop: &Shop, mut question: Value, consent: Consent) -> Result<Outcome, Error> {
    let https = Https::new(&shop.shop, shop.ca.as_deref())?;
    let (bus, _) = manager().await?;
    let remote = remote(&bus).await?;
    let (device, _, _) = remote.get_device_information(&shop.server, &shop.service).await?;
    question["device"] = to_text(&device).into();
    let session = shop.session.as_deref();
    let opened: Opened = match https.post(dance.path(), session, &question).await {
        Ok(opened) => opened,
        Err(e) => return refusal("the shop", e.into()),
    };
    // It becomes part of a path: only what the protocol calls a name.
    let ceremony = CeremonyId::from_text(&opened.ceremony)?;
    let packet = from_text(&opened.packet)?;
    let signed = match signed(dance.order(&packet), shop, &remote, consent).await? {
        Ending::Signed(signed) => signed,
        Ending::Unsigned(word) => return Ok(ceremony::unsigned(&word)),
    };
    let (path, body) = (format!("{}/{ceremony}", dance.path()), Packet { packet: to_text(&signed) });
    let settled: Settled = match https.post(&path, session, &body).await {
        Ok(settled) => settled,
        Err(e) => return not_taken("the shop", e, dance.leaves()),
    };
    finish(dance, &remote, &settled).await.map_err(|e| {
        format!("the shop has {} the account, but this device did not take its receipt: {e}", dance.done())
    })?;
    Ok(settled_outcome(dance, &settled))
}

/// What comes of the ceremony on this device. Where the server signs with a key that is not pinned, its keys
/// are fetched once, if its address was given, and the ceremony is tried again.
async fn signed(
    order: Order<'_>,
    shop: &Shop,
    remote: &RemoteProxy<'_>,
    consent: Consent,
) -> Result<Ending, Error> {
    let ending = ceremony::run(order, consent).await?;
    let (Ending::Unsigned(word), Some(url)) = (&ending, &shop.server_url) else {
        return Ok(ending);
    };
    if word != "unpinned-key" {
        return Ok(ending);
    }
    let https = Https::new(url, shop.ca.as_deref())?;
    let (version, _) = fetch_keys(remote, &shop.server, &https)
        .await
        .map_err(|e| format!("newer keys of {} could not be had: {e}", shop.server))?;
    eprintln!("{} has keys of version {version} now", shop.server);
    ceremony::run(order, consent).await
}

/// Gives the device the receipt that concerns it.
async fn finish(dance: Dance, remote: &RemoteProxy<'_>, settled: &Settled) -> Result<(), Error> {
    match dance {
        Dance::Register => remote.finish_registration(&from_text(&settled.packet)?).await?,
        Dance::Deregister => remote.finish_deregistration(&from_text(&settled.packet)?).await?,
        // That receipt is the shop's to keep.
        Dance::Authenticate | Dance::Pay => {}
    }
    Ok(())
}

fn settled_outcome(dance: Dance, settled: &Settled) -> Outcome {
    let account = plain(&settled.account);
    let session = settled.session.as_deref().map(plain);
    let paid = settled.paid.as_deref().map(plain);
    let mut text = format!("{} as {account}", dance.done());
    for (name, value) in [("session", &session), ("agreed to", &paid)] {
        if let Some(value) = value {
            text.push_str(&format!("\n{name}: {value}"));
        }
    }
    let json = json!({
        "ok": true, "signed": true, "result": dance.done(), "account": account, "at": settled.at,
        "session": session, "paid": paid,
    });
    Outcome { json, text, done: Done::Yes }
}

async fn list(user: &str) -> Result<Outcome, Error> {
    let (bus, _) = manager().await?;
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    for (server, service, account, confirmed) in remote(&bus).await?.list_accounts(user).await? {
        let state = if confirmed { "confirmed" } else { "not confirmed" };
        lines.push(format!("{account}  ({service} by {server}, {state})"));
        rows.push(json!({
            "server": server, "service": service, "account": account, "confirmed": confirmed,
        }));
    }
    if lines.is_empty() {
        lines.push("no account is registered".into());
    }
    Ok(Outcome { json: json!({ "accounts": rows }), text: lines.join("\n"), done: Done::Yes })
}

async fn remove(
    place: &Place,
    user: &str,
    (server, service, account): (&str, &str, &str),
) -> Result<Outcome, Error> {
    let (bus, manager) = manager().await?;
    let ticket = commands::ticket(place, &manager, user, Action::Delete).await?;
    remote(&bus).await?.remove_account(user, server, service, account, ticket).await?;
    let text = "removed; the shop has not heard of it".to_owned();
    Ok(Outcome { json: json!({ "ok": true }), text, done: Done::Yes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shop_says_is_shown_plainly() {
        let answer = r#"{"packet":"","account":"a\u001b[1m","session":"t","more":[]}"#;
        let settled: Settled = serde_json::from_str(answer).unwrap();
        let outcome = settled_outcome(Dance::Authenticate, &settled);
        assert_eq!(outcome.text, "authenticated as a[1m\nsession: t");
        assert_eq!(outcome.json["session"], "t");
    }
}
