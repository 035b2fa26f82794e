//! One ceremony at a terminal: claim the camera, start, show guidance and what is to be agreed to, and wait
//! for the end. It judges nothing: what comes of it is the vault's word.

use serde_json::json;
use tokio::sync::oneshot;
use vultus_cli::bus::CameraProxy;
use vultus_protocol::api::Advice;
use zbus::export::ordered_stream::OrderedStreamExt;

use crate::commands::{default_camera, manager};
use crate::https::{HttpsError, Problem};
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
    Signed(Vec<u8>),
    /// Nothing was signed: a stable word of the bus.
    Unsigned(String),
}

/// The word of a transaction that the person did not agree to.
const NOT_CONFIRMED: &str = "not-confirmed";

pub async fn run(order: Order<'_>, consent: Consent) -> Result<Ending, Error> {
    let (bus, manager) = manager().await?;
    let camera = default_camera(&bus, &manager).await?;
    let mut guidance = camera.receive_guidance().await?;
    let mut transactions = camera.receive_transaction().await?;
    let mut status = camera.receive_ceremony_status().await?;
    camera.claim("").await?;
    start(&camera, order).await?;
    let mut answer = None;
    let ending = loop {
        tokio::select! {
            Some(signal) = guidance.next() => eprintln!("{}", signal.args()?.sentence),
            Some(signal) = transactions.next() => {
                eprintln!("The server asks you to agree to this:\n\n{}\n", signal.args()?.text);
                answer = Some(ask(consent));
            }
            agreed = answered(&mut answer), if answer.is_some() => {
                answer = None;
                if !agreed {
                    // It may have ended by itself: nothing was signed, either way.
                    let _ = camera.ceremony_stop().await;
                    break Ending::Unsigned(NOT_CONFIRMED.to_owned());
                }
                // Where it comes too late, the status says what came of it.
                if let Err(e) = camera.confirm().await {
                    eprintln!("{e}");
                }
            }
            Some(signal) = status.next() => {
                let said = signal.args()?;
                if said.done {
                    break ending(said.result, &said.packet);
                }
            }
            else => return Err("the bus closed the connection".into()),
        }
    };
    camera.release().await?;
    Ok(ending)
}

async fn start(camera: &CameraProxy<'_>, order: Order<'_>) -> zbus::Result<()> {
    match order {
        Order::Register(packet) => camera.register_start(packet).await,
        Order::Authenticate(packet) => camera.authenticate_start(packet).await,
        Order::Deregister(packet) => camera.deregister_start(packet).await,
        Order::Assert { nonce, audience } => camera.verify_with_assertion_start(nonce, audience).await,
    }
}

fn ending(result: &str, packet: &[u8]) -> Ending {
    match result {
        "signed" => Ending::Signed(packet.to_vec()),
        word => Ending::Unsigned(word.to_owned()),
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
        "device-not-enrolled" => "enrol the device first: `vultus device enroll SERVER --url URL`.",
        "no-endorsement" => "this TPM has no certificate that a server could check.",
        "too-many-keys" => "the limit is reached: remove an account first, `vultus account remove`.",
        _ => "nothing was signed; the journal says more.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_is_a_signature() {
        assert!(matches!(ending("signed", &[1]), Ending::Signed(packet) if packet == [1]));
        for word in ["", "Signed", "verify-match", "something-new"] {
            assert!(matches!(ending(word, &[1]), Ending::Unsigned(said) if said == word));
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
        assert!(not_taken("the shop", HttpsError::Oversize, "").is_err());
    }
}
