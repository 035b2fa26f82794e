//! The PAM module's boundary: one question about one user, one verdict bound to that question.
//!
//! The module connects to `vultusd`, which may refuse, or hands the connection on to the vault. The
//! vault answers by itself, so that a verdict counts only when its bytes came from the vault's user,
//! and repeats the question, so that it cannot be the answer to another.
//!
//! Threat model: M11, M15.

use minicbor::bytes::ByteArray;
use minicbor::{CborLen, Decode, Encode};

use crate::wire::Message;
use crate::{Guidance, Reason, Verdict};

/// The longest PAM service name that is taken, in bytes.
pub const SERVICE_LENGTH: usize = 64;

/// "Is the person in front of the camera this user?"
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct LoginQuestion {
    /// Fresh for each question: a verdict repeats it.
    #[n(0)]
    pub nonce: ByteArray<32>,
    #[n(1)]
    pub uid: u32,
    /// The PAM service that asks, such as `login`.
    #[n(2)]
    pub service: String,
    /// How long the asker waits, in milliseconds.
    #[n(3)]
    pub wait_ms: u32,
}

/// What the module sends.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum LoginRequest {
    #[n(0)]
    Ask(#[n(0)] LoginQuestion),
}

/// What comes back: any number of `Guide`, then one `Answer`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum LoginReply {
    #[n(0)]
    Guide(#[n(0)] Guidance),
    #[n(1)]
    Answer {
        /// The question that was judged, word for word.
        #[n(0)]
        question: LoginQuestion,
        #[n(1)]
        verdict: Verdict,
    },
}

impl Message for LoginRequest {
    const CAP: usize = 256;
}

impl Message for LoginReply {
    const CAP: usize = 256;
}

/// Services that a face may answer: a person logs in or unlocks the screen she sits at. For all others a
/// face alone is not enough, since nothing shows that she means that service.
const LOGINS: [&str; 15] = [
    "login",
    "greetd",
    "gdm-password",
    "gdm-face",
    "sddm",
    "lightdm",
    "lxdm",
    "cosmic-greeter",
    "kde",
    "swaylock",
    "hyprlock",
    "i3lock",
    "xscreensaver",
    "cinnamon-screensaver",
    "mate-screensaver",
];
/// Services that need the person's intent, which cannot be asked yet: no configuration changes that.
const NEEDS_INTENT: [&str; 7] = ["sudo", "sudo-i", "su", "su-l", "polkit-1", "pkexec", "doas"];
/// The password helper's own service: a face must not stand in for the password that authorises a face,
/// whatever stack a missing file makes the PAM library fall back to.
const PASSWORD_ONLY: [&str; 2] = ["vultus-password", "other"];

/// Why this PAM service is never answered by a face, if it is not. `more` are services that root has
/// added to the logins.
pub fn refused_service(service: &str, more: &[String]) -> Option<Reason> {
    if service.len() > SERVICE_LENGTH {
        Some(Reason::BadRequest)
    } else if PASSWORD_ONLY.contains(&service) {
        Some(Reason::NotAllowed)
    } else if NEEDS_INTENT.contains(&service)
        || !(LOGINS.contains(&service) || more.iter().any(|m| m == service))
    {
        Some(Reason::IntentNeeded)
    } else {
        None
    }
}

/// Whether the module need not even ask: no configuration of the vault could allow this service.
pub fn never_by_face(service: &str) -> bool {
    service.len() > SERVICE_LENGTH || PASSWORD_ONLY.contains(&service) || NEEDS_INTENT.contains(&service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_logins_are_answered_by_a_face() {
        assert_eq!(refused_service("login", &[]), None);
        assert_eq!(refused_service("chsh", &[]), Some(Reason::IntentNeeded));
        assert_eq!(refused_service("mylock", &["mylock".into()]), None);
    }

    #[test]
    fn no_configuration_adds_what_needs_intent_or_a_password() {
        for service in NEEDS_INTENT.iter().chain(&PASSWORD_ONLY) {
            assert!(refused_service(service, &[service.to_string()]).is_some(), "{service}");
            assert!(never_by_face(service));
        }
    }
}
