//! One question on one connection, and the answer that counts: the vault's own, to this very question.
//!
//! Threat model: M11, M47.

use std::time::Duration;

use vultus_ipc::login::{LoginQuestion, LoginReply, LoginRequest};
use vultus_ipc::{Connection, Deadline, Guidance, IpcError, Verdict};

use crate::arguments::Arguments;

/// What the module makes of it all.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Accepted,
    Refused,
    TooMany,
    Unavailable,
}

/// The answer is waited for a little longer than the vault may take.
const MARGIN: Duration = Duration::from_millis(500);

/// Asks whether the person in front of the camera is this user.
pub fn ask(arguments: &Arguments, uid: u32, service: String, tell: impl Fn(&str)) -> Answer {
    // Whatever went wrong on the way, nobody was judged.
    converse(arguments, uid, service, tell).unwrap_or(Answer::Unavailable)
}

fn converse(
    arguments: &Arguments,
    uid: u32,
    service: String,
    tell: impl Fn(&str),
) -> Result<Answer, IpcError> {
    let deadline = Deadline::after(arguments.wait);
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(|_| IpcError::Malformed("no random bytes"))?;
    let wait_ms = arguments.wait.saturating_sub(MARGIN).as_millis() as u32;
    let question = LoginQuestion { nonce: nonce.into(), uid, service, wait_ms };
    let mut connection = Connection::connect(&arguments.socket, deadline)?;
    connection.send(&LoginRequest::Ask(question.clone()), deadline)?;
    loop {
        let received = connection.receive_all(deadline)?;
        if received.sender != arguments.vault {
            // `vultusd` may say that there is nothing to be had; it is never believed more than that.
            return Ok(Answer::Unavailable);
        }
        match received.message {
            LoginReply::Guide(guidance) => told(guidance).into_iter().for_each(&tell),
            LoginReply::Answer { question: answered, verdict } if answered == question => {
                return Ok(answer(verdict));
            }
            LoginReply::Answer { .. } => return Ok(Answer::Unavailable),
        }
    }
}

/// What the person is told of a guidance: nothing of colours, since there is no screen here to show them.
fn told(guidance: Guidance) -> Option<&'static str> {
    (!guidance.is_for_screen()).then(|| guidance.sentence())
}

fn answer(verdict: Verdict) -> Answer {
    match verdict {
        Verdict::Accepted => Answer::Accepted,
        Verdict::Refused => Answer::Refused,
        Verdict::LockedOut { .. } => Answer::TooMany,
        Verdict::NotJudged(_) => Answer::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_of_colours() {
        for guidance in Guidance::COLOURS.into_iter().chain([Guidance::ScreenOff]) {
            assert_eq!(told(guidance), None, "{guidance:?}");
        }
        for guidance in [Guidance::NoFace, Guidance::NodNow, Guidance::NotLive] {
            assert_eq!(told(guidance), Some(guidance.sentence()));
        }
    }
}
