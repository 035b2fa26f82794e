//! One ceremony at a terminal: claim the camera, start, show guidance and what is to be agreed to, and wait
//! for the end. What comes of it is the vault's word; that it was what the person typed is seen to here.

use std::io::Stdout;

use serde_json::json;
use tokio::sync::oneshot;
use vultus_cli::bus::CameraProxy;
use vultus_protocol::api::Advice;
use zbus::export::ordered_stream::OrderedStreamExt;

use crate::commands::{default_camera, manager};
use crate::foreign::{lines, plain, quoted};
use crate::https::{HttpsError, Problem};
use crate::screen::Screen;
use crate::{Done, Outcome};

type Error = Box<dyn std::error::Error>;

/// What the vault is to sign, once the person was verified.
#[derive(Clone, Copy)]
pub enum Order<'a> {
    Register(&'a [u8]),
    Authenticate(&'a [u8]),
    Deregister(&'a [u8]),
    Assert { nonce: &'a [u8], audience: &'a str },
}

/// What the person typed. A packet of the server that asks for anything else is not answered.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub server: &'a str,
    pub service: &'a str,
    /// Nothing where the device is to find it.
    pub account: Option<&'a str>,
    pub payment: Option<Payment<'a>>,
}

/// A payment that must be shown, and agreed to.
#[derive(Clone, Copy)]
pub struct Payment<'a> {
    pub amount: &'a str,
    pub to: &'a str,
}

/// What a server's packet asks for, by the vault's word.
struct Request {
    server: String,
    service: String,
    account: String,
    /// Empty where there is nothing to agree to.
    transaction: String,
}

/// How the person agrees to a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// By an answer at the terminal.
    Asked,
    /// On the command line, before it was shown.
    Given,
}

/// What a ceremony came to on this device.
#[must_use]
pub enum Ending {
    Signed {
        packet: Vec<u8>,
        /// What was shown, and agreed to.
        agreed: Option<String>,
    },
    /// Nothing was signed: a stable word of the bus, or one of the two below.
    Unsigned(String),
}

/// The word of a transaction that the person did not agree to.
const NOT_CONFIRMED: &str = "not-confirmed";
/// The packet does not ask for what the person typed. No word of the bus.
const ANOTHER_REQUEST: &str = "another-request";
/// A payment without a text to agree to. No word of the bus.
const NO_TRANSACTION: &str = "no-transaction";

/// `wanted` is nothing where no server asks for anything: an assertion.
pub async fn run(
    order: Order<'_>,
    wanted: Option<&Wanted<'_>>,
    consent: Consent,
    screen: &mut Screen<Stdout>,
) -> Result<Ending, Error> {
    let (bus, manager) = manager().await?;
    let camera = default_camera(&bus, &manager).await?;
    let mut guidance = camera.receive_guidance().await?;
    let mut requests = camera.receive_request().await?;
    let mut status = camera.receive_ceremony_status().await?;
    camera.claim("").await?;
    if screen.shows() {
        camera.shows_colours(true).await?;
    }
    start(&camera, order).await?;
    let mut sitting = Sitting { wanted, consent, met: wanted.is_none(), shown: None, answer: None };
    let ending = loop {
        tokio::select! {
            // What is asked for comes before its end, whatever else has come.
            biased;
            Some(signal) = requests.next() => {
                let said = signal.args()?;
                let request = Request {
                    server: said.server.to_owned(),
                    service: said.service.to_owned(),
                    account: said.account.to_owned(),
                    transaction: said.transaction.to_owned(),
                };
                if let Err(word) = sitting.meet(&request) {
                    break stopped(&camera, word).await;
                }
            }
            agreed = answered(&mut sitting.answer), if sitting.answer.is_some() => {
                sitting.answer = None;
                if !agreed {
                    break stopped(&camera, NOT_CONFIRMED).await;
                }
                // Where it comes too late, the status says what came of it.
                if let Err(e) = camera.confirm(sitting.shown.as_deref().unwrap_or("")).await {
                    eprintln!("{}", lines(&e.to_string()));
                }
            }
            Some(signal) = guidance.next() => {
                let said = signal.args()?;
                screen.guide(said.word, said.sentence);
            }
            Some(signal) = status.next() => {
                let said = signal.args()?;
                if said.done {
                    break sitting.end(said.result, &said.packet);
                }
            }
            else => return Err("the bus closed the connection".into()),
        }
    };
    screen.over();
    camera.release().await?;
    Ok(ending)
}

/// Ends the ceremony from this side.
async fn stopped(camera: &CameraProxy<'_>, word: &str) -> Ending {
    // It may have ended by itself: what it signed goes nowhere from here, either way.
    let _ = camera.ceremony_stop().await;
    Ending::Unsigned(word.to_owned())
}

/// What one ceremony has come to so far.
struct Sitting<'a> {
    wanted: Option<&'a Wanted<'a>>,
    consent: Consent,
    /// Whether the request is known to be what was wanted, or none is expected.
    met: bool,
    /// The transaction as the person sees it: that, and nothing else, is confirmed.
    shown: Option<String>,
    answer: Option<oneshot::Receiver<bool>>,
}

impl Sitting<'_> {
    /// Compares the request with what was typed, shows it, and asks for consent where it needs any. The error
    /// is the word of a ceremony that must not go on.
    fn meet(&mut self, request: &Request) -> Result<(), &'static str> {
        let [service, server, account] =
            [&request.service, &request.server, &request.account].map(|name| plain(name));
        eprintln!("For {service} ({server}), account {account}");
        // One for each packet: nothing takes its place once it was met.
        let wanted = self.wanted.filter(|_| !self.met).ok_or(ANOTHER_REQUEST)?;
        wanted.compare(request, self.consent)?;
        self.met = true;
        if !request.transaction.is_empty() {
            let shown = lines(&request.transaction);
            eprintln!("The server asks you to agree to this:\n\n{}\n", quoted(&shown));
            self.shown = Some(shown);
            self.answer = Some(ask(self.consent));
        }
        Ok(())
    }

    fn end(self, result: &str, packet: &[u8]) -> Ending {
        match result {
            "signed" if self.met => Ending::Signed { packet: packet.to_vec(), agreed: self.shown },
            // Nobody has seen what that signature is for.
            "signed" => Ending::Unsigned(ANOTHER_REQUEST.to_owned()),
            word => Ending::Unsigned(plain(word)),
        }
    }
}

impl Wanted<'_> {
    /// Whether a request is what was typed. Consent that was given beforehand is for the amount and the
    /// receiver that were typed with it, and the text must name both.
    fn compare(&self, request: &Request, consent: Consent) -> Result<(), &'static str> {
        let named = self.server == request.server && self.service == request.service;
        if !named || self.account.is_some_and(|account| account != request.account) {
            return Err(ANOTHER_REQUEST);
        }
        let Some(Payment { amount, to }) = self.payment else {
            return Ok(());
        };
        let text = &request.transaction;
        if text.is_empty() {
            return Err(NO_TRANSACTION);
        }
        let unread = consent == Consent::Given;
        if unread && !(holds(text, amount) && holds(text, to)) { Err(ANOTHER_REQUEST) } else { Ok(()) }
    }
}

/// Whether a text holds this part by itself: not "12.34" in "112.34", nor "Bob" in "Bobby".
fn holds(text: &str, part: &str) -> bool {
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | ',' | '-'));
    let alone = |at: usize| {
        let (before, after) = (&text[..at], &text[at + part.len()..]);
        !joins(before.chars().next_back()) && !joins(after.chars().next())
    };
    !part.is_empty() && text.match_indices(part).any(|(at, _)| alone(at))
}

async fn start(camera: &CameraProxy<'_>, order: Order<'_>) -> zbus::Result<()> {
    match order {
        Order::Register(packet) => camera.register_start(packet).await,
        Order::Authenticate(packet) => camera.authenticate_start(packet).await,
        Order::Deregister(packet) => camera.deregister_start(packet).await,
        Order::Assert { nonce, audience } => camera.verify_with_assertion_start(nonce, audience).await,
    }
}

/// Asks for the person's consent, on a thread of its own: a line that is being read cannot be taken back, and
/// the ceremony may end before the person answers.
fn ask(consent: Consent) -> oneshot::Receiver<bool> {
    let (say, answer) = oneshot::channel();
    std::thread::spawn(move || {
        let agreed = consent == Consent::Given || asked();
        // Where the ceremony has ended, nobody listens.
        let _ = say.send(agreed);
    });
    answer
}

/// Anything but a clear yes is a no.
fn asked() -> bool {
    eprint!("Agree? [y/N] ");
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    read.is_ok() && matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
}

async fn answered(answer: &mut Option<oneshot::Receiver<bool>>) -> bool {
    match answer {
        Some(answer) => answer.await.unwrap_or(false),
        None => std::future::pending().await,
    }
}

/// Nothing was signed: what the person can do.
pub fn unsigned(word: &str) -> Outcome {
    let advice = advice(word);
    let json = json!({ "ok": false, "signed": false, "result": word, "advice": advice });
    Outcome { json, text: format!("{word}: {advice}"), done: Done::No }
}

/// The other side refused before anything was signed.
fn refused(who: &str, problem: &Problem) -> Outcome {
    let (word, advice) = spoken(problem.advice);
    let json = json!({
        "ok": false, "signed": false, "result": word, "advice": advice, "message": problem.message,
    });
    Outcome { json, text: format!("{who} refused: {}. {advice}", problem.message), done: Done::No }
}

/// A refusal of the other side is an outcome; everything else stays an error.
pub fn refusal(who: &str, error: Error) -> Result<Outcome, Error> {
    match *error.downcast::<HttpsError>()? {
        HttpsError::Refused(problem) => Ok(refused(who, &problem)),
        other => Err(other.into()),
    }
}

/// The device has signed, and the other side did not take it, or did not say so. `meaning` says what that
/// leaves behind.
pub fn not_taken(who: &str, error: HttpsError, meaning: &str) -> Result<Outcome, Error> {
    let HttpsError::Refused(problem) = error else {
        let text =
            format!("the device has signed, but whether {who} took it is not known: {error}. {meaning}");
        return Err(text.into());
    };
    let (word, advice) = spoken(problem.advice);
    let json = json!({
        "ok": false, "signed": true, "result": word, "advice": advice, "message": problem.message,
        "meaning": meaning,
    });
    let text = format!("the device has signed, but {who} refused: {}. {advice} {meaning}", problem.message);
    Ok(Outcome { json, text, done: Done::No })
}

/// The word and the sentence of a server's advice.
fn spoken(advice: Advice) -> (&'static str, &'static str) {
    match advice {
        Advice::Refused => ("refused", "It will not do with this device or account."),
        Advice::StartAgain => ("start-again", "Start again."),
        Advice::Later => ("later", "Try again later."),
    }
}

/// What to do about a ceremony that ended without a signature.
fn advice(word: &str) -> &'static str {
    match word {
        "verify-no-match" => "the face was not recognised.",
        "verify-locked-out" => "too many failures: wait, or use `vultus clear-lockout`.",
        "no-face" => "no usable face was seen in time: look at the camera and try again.",
        "not-enrolled" => "enrol a face first: `vultus enroll`.",
        "cancelled" => "try again.",
        "busy" => "the camera is in use: try again.",
        "camera-gone" | "camera-unpaired" | "frame-rejected" => "see `vultus doctor`.",
        "other-camera" => "the face was enrolled with another camera.",
        "tpm-refused" | "state-refused" => {
            "the TPM or the stored state stands against it: see `vultus doctor`."
        }
        "server-unknown" => "root pins the server first: `vultus device pin FILE`.",
        "packet-rejected" => "the packet is none of that server's: start again.",
        "unpinned-key" => {
            "the server has changed its keys: `vultus device update-keys SERVER --url URL`; where that does \
             not help, root unpins the server and pins it anew."
        }
        "packet-expired" => {
            "start again; where that does not help, see whether this machine's clock is right."
        }
        "packet-misdirected" => "the packet is for another device, account or ceremony: start again.",
        "not-registered" => "register the account first: `vultus account register`.",
        "face-changed" => "the face was enrolled anew: register the account again.",
        "policy-unmet" => "the server asks for more than this device can check.",
        NOT_CONFIRMED => "the transaction was not agreed to; nothing was signed.",
        ANOTHER_REQUEST => "the server's packet asks for something else than was typed; nothing was sent.",
        NO_TRANSACTION => "the server's packet holds no text to agree to: nothing would be paid for.",
        "device-not-enrolled" => "enrol the device first: `vultus device enroll SERVER --url URL`.",
        "no-endorsement" => "this TPM has no certificate that a server could check.",
        "too-many-keys" => "the limit is reached: remove an account first, `vultus account remove`.",
        _ => "nothing was signed; the journal says more.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sitting<'a>(wanted: Option<&'a Wanted<'static>>) -> Sitting<'a> {
        Sitting { wanted, consent: Consent::Given, met: wanted.is_none(), shown: None, answer: None }
    }

    const ACCOUNT: Wanted<'static> =
        Wanted { server: "auth.example", service: "shop.example", account: Some("alice"), payment: None };

    fn request(server: &str, service: &str, account: &str, transaction: &str) -> Request {
        let [server, service, account, transaction] =
            [server, service, account, transaction].map(str::to_owned);
        Request { server, service, account, transaction }
    }

    #[test]
    fn one_word_is_a_signature() {
        let ended = sitting(None).end("signed", &[1]);
        assert!(matches!(ended, Ending::Signed { packet, agreed: None } if packet == [1]));
        for word in ["", "Signed", "verify-match", "something-new"] {
            let ended = sitting(None).end(word, &[1]);
            assert!(matches!(ended, Ending::Unsigned(said) if said == word));
        }
    }

    #[test]
    fn what_nobody_saw_is_not_sent() {
        let ended = sitting(Some(&ACCOUNT)).end("signed", &[1]);
        assert!(matches!(ended, Ending::Unsigned(word) if word == ANOTHER_REQUEST));
        let mut seen = sitting(Some(&ACCOUNT));
        let asked = request("auth.example", "shop.example", "alice", "");
        assert_eq!(seen.meet(&asked), Ok(()));
        assert_eq!(seen.meet(&asked), Err(ANOTHER_REQUEST), "one request for one packet");
        assert!(matches!(seen.end("signed", &[1]), Ending::Signed { agreed: None, .. }));
        assert_eq!(sitting(None).meet(&asked), Err(ANOTHER_REQUEST), "an assertion has none");
    }

    #[test]
    fn another_request_is_not_met() {
        for (server, service, account) in [
            ("other.example", "shop.example", "alice"),
            ("auth.example", "other.example", "alice"),
            ("auth.example", "shop.example", "bob"),
            ("auth.example", "shop.example", ""),
        ] {
            let compared = ACCOUNT.compare(&request(server, service, account, ""), Consent::Asked);
            assert_eq!(compared, Err(ANOTHER_REQUEST), "{server} {service} {account}");
        }
        let anybody = Wanted { account: None, ..ACCOUNT };
        let found = request("auth.example", "shop.example", "bob", "");
        assert_eq!(anybody.compare(&found, Consent::Asked), Ok(()));
    }

    #[test]
    fn a_payment_is_what_was_typed() {
        let payment = Some(Payment { amount: "12.34", to: "Bob's Books" });
        let wanted = Wanted { payment, ..ACCOUNT };
        let compare =
            |text, consent| wanted.compare(&request("auth.example", "shop.example", "alice", text), consent);
        assert_eq!(compare("", Consent::Asked), Err(NO_TRANSACTION));
        assert_eq!(compare("", Consent::Given), Err(NO_TRANSACTION));
        assert_eq!(compare("Pay 12.34 EUR to Bob's Books", Consent::Given), Ok(()));
        for text in [
            "Pay 112.34 EUR to Bob's Books",
            "Pay 12.345 EUR to Bob's Books",
            "Pay 1,12.34 EUR to Bob's Books",
            "Pay 12.34 EUR to Bob's Bookshelf",
            "Pay 12.34 EUR to Mallory",
        ] {
            assert_eq!(compare(text, Consent::Given), Err(ANOTHER_REQUEST), "{text}");
            // The person reads it.
            assert_eq!(compare(text, Consent::Asked), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_was_signed_is_said() {
        let problem = || Problem { advice: Advice::Later, message: "too many requests".into() };
        let refused = refused("the shop", &problem());
        assert_eq!(refused.json["signed"], false);
        let taken = not_taken("the shop", HttpsError::Refused(problem()), "Nothing is registered.").unwrap();
        assert_eq!((&taken.json["signed"], &taken.json["result"]), (&json!(true), &json!("later")));
        assert!(taken.text.contains("has signed"), "{}", taken.text);
        assert!(not_taken("the shop", HttpsError::Oversize(1), "").is_err());
    }
}
