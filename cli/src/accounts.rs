//! Accounts of remote services: the application's part of every dance. It carries packets between the device
//! (D-Bus) and a shop (HTTPS), and believes neither: the vault and the server check what is signed.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Stdout, stdin};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};
use vultus_cli::bus::RemoteProxy;
use vultus_ipc::vault::Action;
use vultus_protocol::CeremonyId;
use vultus_protocol::api::{Opened, Packet, from_text, to_text};
use zeroize::Zeroizing;

use crate::ceremony::{self, Consent, Ending, Order, Payment, Wanted, not_taken, refusal};
use crate::commands::{self, Place, manager, remote};
use crate::device::fetch_keys;
use crate::foreign::{lines, plain, quoted};
use crate::https::Https;
use crate::screen::{Screen, ScreenChoice};
use crate::{Done, Outcome};

type Error = Box<dyn std::error::Error>;

/// The most bytes of a shop's session token.
const LONGEST_SESSION: u64 = 4096;

#[derive(Subcommand)]
pub enum AccountAction {
    /// Register this device and your face with an account of a shop.
    Register {
        account: String,
        #[command(flatten)]
        shop: Shop,
        #[command(flatten)]
        screen: ScreenChoice,
    },
    /// Log in at a shop by face.
    Authenticate {
        /// May be left out where this device has one account there.
        account: Option<String>,
        #[command(flatten)]
        shop: Shop,
        #[command(flatten)]
        screen: ScreenChoice,
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
        #[command(flatten)]
        screen: ScreenChoice,
        /// Agree without being asked, where the text names this amount and this receiver.
        #[arg(long)]
        yes: bool,
    },
    /// End the registration of an account, with the shop's consent.
    Deregister {
        account: String,
        #[command(flatten)]
        shop: Shop,
        #[command(flatten)]
        screen: ScreenChoice,
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
    /// A file with the token of a session at the shop, where it wants one; `-` for a line of standard input.
    /// Everybody on the machine could read a token on the command line.
    #[arg(long, value_name = "FILE")]
    session_file: Option<PathBuf>,
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
            Self::Register => {
                "This device keeps the new key as not confirmed, until it registers again. If the server has \
                 taken it, an older key of the account counts there no more."
            }
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
}

pub async fn manage(place: &Place, action: AccountAction) -> Result<Outcome, Error> {
    let given = |yes| if yes { Consent::Given } else { Consent::Asked };
    match action {
        AccountAction::Register { account, shop, screen } => {
            dance(Dance::Register, &shop, &Wish::of(&account), Consent::Asked, screen).await
        }
        AccountAction::Authenticate { account, shop, screen, yes } => {
            let wish = Wish { account: account.as_deref(), payment: None };
            dance(Dance::Authenticate, &shop, &wish, given(yes), screen).await
        }
        AccountAction::Pay { account, amount, to, shop, screen, yes } => {
            let payment = Some(Payment { amount: &amount, to: &to });
            dance(Dance::Pay, &shop, &Wish { payment, ..Wish::of(&account) }, given(yes), screen).await
        }
        AccountAction::Deregister { account, shop, screen } => {
            dance(Dance::Deregister, &shop, &Wish::of(&account), Consent::Asked, screen).await
        }
        AccountAction::List { user } => list(&user).await,
        AccountAction::Remove { server, service, account, user } => {
            remove(place, &user, (&server, &service, &account)).await
        }
    }
}

/// What the person typed, beside the shop.
#[derive(Clone, Copy)]
struct Wish<'a> {
    account: Option<&'a str>,
    payment: Option<Payment<'a>>,
}

impl<'a> Wish<'a> {
    fn of(account: &'a str) -> Self {
        Self { account: Some(account), payment: None }
    }

    /// The body of the first request to the shop.
    fn question(&self, device: &[u8]) -> Value {
        let mut question = json!({ "device": to_text(device) });
        if let Some(account) = self.account {
            question["account"] = account.into();
        }
        if let Some(Payment { amount, to }) = self.payment {
            question["amount"] = amount.into();
            question["to"] = to.into();
        }
        question
    }
}

/// The whole dance: device information, the shop's packet, the person, the device's answer, the receipt.
async fn dance(
    dance: Dance,
    shop: &Shop,
    wish: &Wish<'_>,
    consent: Consent,
    screen: ScreenChoice,
) -> Result<Outcome, Error> {
    // Refused before the shop is asked for anything.
    let mut screen = Screen::at_terminal(screen)?;
    let https = Https::new(&shop.shop, shop.ca.as_deref())?;
    let token = session(shop)?;
    let session = token.as_ref().map(|token| token.as_str());
    let (bus, _) = manager().await?;
    let remote = remote(&bus).await?;
    let (device, _, _) = remote.get_device_information(&shop.server, &shop.service).await?;
    let opened: Opened = match https.post(dance.path(), session, &wish.question(&device)).await {
        Ok(opened) => opened,
        Err(e) => return refusal("the shop", e.into()),
    };
    // It becomes part of a path: only what the protocol calls a name.
    let ceremony = CeremonyId::from_text(&opened.ceremony)?;
    let packet = from_text(&opened.packet)?;
    let order = dance.order(&packet);
    let (signed, agreed) = match signed(order, shop, wish, &remote, consent, &mut screen).await? {
        Ending::Signed { packet, agreed } => (packet, agreed),
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
    Ok(settled_outcome(dance, &settled, agreed.as_deref()))
}

/// The shop's token, from a line of a file or of standard input.
fn session(shop: &Shop) -> Result<Option<Zeroizing<String>>, Error> {
    let Some(path) = &shop.session_file else {
        return Ok(None);
    };
    let named = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut line = Zeroizing::new(String::new());
    if path.as_os_str() == "-" {
        // What follows the line is the person's answer.
        stdin().lock().take(LONGEST_SESSION).read_line(&mut line)?;
    } else {
        let file = File::open(path).map_err(named)?;
        BufReader::new(file.take(LONGEST_SESSION)).read_line(&mut line).map_err(named)?;
    }
    match line.trim() {
        "" => Err(format!("{} holds no session", path.display()).into()),
        token => Ok(Some(Zeroizing::new(token.to_owned()))),
    }
}

/// What comes of the ceremony on this device. Where the server signs with a key that is not pinned, its keys
/// are fetched once, if its address was given, and the ceremony is tried again.
async fn signed(
    order: Order<'_>,
    shop: &Shop,
    wish: &Wish<'_>,
    remote: &RemoteProxy<'_>,
    consent: Consent,
    screen: &mut Screen<Stdout>,
) -> Result<Ending, Error> {
    let Wish { account, payment } = *wish;
    let wanted = Wanted { server: &shop.server, service: &shop.service, account, payment };
    let ending = ceremony::run(order, Some(&wanted), consent, screen).await?;
    let (Ending::Unsigned(word), Some(url)) = (&ending, &shop.server_url) else {
        return Ok(ending);
    };
    if word != "unpinned-key" {
        return Ok(ending);
    }
    let https = Https::new(url, shop.ca.as_deref())?;
    let fetched = fetch_keys(remote, &shop.server, &https)
        .await
        .map_err(|e| format!("newer keys of {} could not be had: {e}", shop.server))?;
    let Some(version) = fetched.version else {
        return Ok(ending);
    };
    eprintln!("{} has keys of version {version} now", shop.server);
    ceremony::run(order, Some(&wanted), consent, screen).await
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

/// `agreed` is what this device showed and the vault signed: the shop's own word for it is not asked.
fn settled_outcome(dance: Dance, settled: &Settled, agreed: Option<&str>) -> Outcome {
    let account = plain(&settled.account);
    let session = settled.session.as_deref().map(plain);
    let agreed = agreed.map(lines);
    let mut text = format!("{} as {account}", dance.done());
    if let Some(session) = &session {
        text.push_str(&format!("\nsession: {session}"));
    }
    if let Some(agreed) = &agreed {
        text.push_str(&format!("\nagreed to:\n{}", quoted(agreed)));
    }
    let json = json!({
        "ok": true, "signed": true, "result": dance.done(), "account": account, "at": settled.at,
        "session": session, "agreed": agreed,
    });
    Outcome { json, text, done: Done::Yes }
}

async fn list(user: &str) -> Result<Outcome, Error> {
    let (bus, _) = manager().await?;
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    for (server, service, account, confirmed) in remote(&bus).await?.list_accounts(user).await? {
        let [server, service, account] = [server, service, account].map(|name| plain(&name));
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
        let outcome = settled_outcome(Dance::Authenticate, &settled, None);
        assert_eq!(outcome.text, "authenticated as a[1m\nsession: t");
        assert_eq!(outcome.json["session"], "t");
    }

    #[test]
    fn what_was_agreed_to_is_what_was_shown() {
        let answer = r#"{"packet":"","account":"alice","paid":"Pay 1.00 EUR to Bob"}"#;
        let settled: Settled = serde_json::from_str(answer).unwrap();
        let outcome = settled_outcome(Dance::Pay, &settled, Some("Pay 12.34 EUR\nto Bob"));
        assert_eq!(outcome.text, "paid as alice\nagreed to:\n| Pay 12.34 EUR\n| to Bob");
        assert_eq!(outcome.json["agreed"], "Pay 12.34 EUR\nto Bob");
    }

    #[test]
    fn a_shop_is_asked_what_was_typed() {
        assert_eq!(Wish { account: None, payment: None }.question(&[]), json!({ "device": "" }));
        let payment = Some(Payment { amount: "1.00", to: "Bob" });
        let asked = Wish { payment, ..Wish::of("alice") }.question(&[0]);
        assert_eq!(asked, json!({ "device": "AA", "account": "alice", "amount": "1.00", "to": "Bob" }));
    }
}
