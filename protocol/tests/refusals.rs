//! The words of the HTTP API: fixed for good, and all of them in docs/protocol.md.

use std::fs;
use std::path::Path;

use vultus_protocol::ProtocolError;
use vultus_protocol::api::{Advice, Problem, Refusal};

/// Every refusal, its word, its status and what an application is told.
const ALL: [(Refusal, &str, u16, &str); 29] = [
    (Refusal::Malformed, "malformed", 400, "refused"),
    (Refusal::Oversize, "oversize", 413, "refused"),
    (Refusal::Unauthorised, "unauthorised", 401, "refused"),
    (Refusal::RateLimited, "rate-limited", 429, "later"),
    (Refusal::Unavailable, "unavailable", 503, "later"),
    (Refusal::NotFound, "not-found", 404, "refused"),
    (Refusal::UnknownCeremony, "unknown-ceremony", 404, "start-again"),
    (Refusal::Expired, "expired", 410, "start-again"),
    (Refusal::NotYetValid, "not-yet-valid", 403, "start-again"),
    (Refusal::CodeUsed, "code-used", 409, "start-again"),
    (Refusal::CodeWrong, "code-wrong", 403, "refused"),
    (Refusal::Misdirected, "misdirected", 403, "refused"),
    (Refusal::BadSignature, "bad-signature", 403, "refused"),
    (Refusal::UnknownKey, "unknown-key", 403, "refused"),
    (Refusal::NotOpened, "not-opened", 403, "refused"),
    (Refusal::UnknownDevice, "unknown-device", 403, "refused"),
    (Refusal::DeviceSuspended, "device-suspended", 403, "refused"),
    (Refusal::DeviceRevoked, "device-revoked", 403, "refused"),
    (Refusal::DeviceSuperseded, "device-superseded", 403, "refused"),
    (Refusal::UnknownAccount, "unknown-account", 403, "refused"),
    (Refusal::AmbiguousAccount, "ambiguous-account", 409, "refused"),
    (Refusal::AccountSuspended, "account-suspended", 403, "refused"),
    (Refusal::AccountRevoked, "account-revoked", 403, "refused"),
    (Refusal::FeatureTokenChanged, "feature-token-changed", 403, "refused"),
    (Refusal::PolicyUnmet, "policy-unmet", 403, "refused"),
    (Refusal::KeyNotCertified, "key-not-certified", 403, "refused"),
    (Refusal::UntrustedEndorsement, "untrusted-endorsement", 403, "refused"),
    (Refusal::ActivationFailed, "activation-failed", 403, "refused"),
    (Refusal::RegistryUnavailable, "registry-unavailable", 503, "later"),
];

#[test]
fn every_refusal_keeps_its_word_status_and_advice() {
    for (refusal, word, status, advice) in ALL {
        assert_eq!((refusal.word().as_str(), refusal.status()), (word, status));
        let problem = serde_json::to_value(Problem::from(refusal)).unwrap();
        let expected = serde_json::json!({
            "reason": word,
            "advice": advice,
            "message": refusal.to_string(),
        });
        assert_eq!(problem, expected);
        assert_eq!(serde_json::from_value::<Refusal>(word.into()).unwrap(), refusal);
    }
    // The list above has all of them: a new one is a new row there.
    let beyond = ALL.len();
    assert_eq!(ALL.map(|(refusal, ..)| refusal as usize), std::array::from_fn(|n| n));
    assert_eq!(Refusal::RegistryUnavailable as usize + 1, beyond);
}

#[test]
fn every_refusal_is_in_the_specification() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    let text = fs::read_to_string(path).unwrap();
    for (_, word, status, advice) in ALL {
        let row = format!("| `{word}` | {status} | `{advice}` |");
        assert!(text.contains(&row), "no row that begins with {row}");
    }
}

#[test]
fn what_is_wrong_with_a_packet_has_a_refusal() {
    for (error, refusal) in [
        (ProtocolError::Malformed(""), Refusal::Malformed),
        (ProtocolError::OldKeys, Refusal::Malformed),
        (ProtocolError::Oversize(1), Refusal::Oversize),
        (ProtocolError::BadSignature, Refusal::BadSignature),
        (ProtocolError::UnknownKey, Refusal::UnknownKey),
        (ProtocolError::NotOpened, Refusal::NotOpened),
        (ProtocolError::Expired, Refusal::Expired),
        (ProtocolError::NotYetValid, Refusal::NotYetValid),
        (ProtocolError::Misdirected(""), Refusal::Misdirected),
    ] {
        assert_eq!(Refusal::from(error), refusal);
    }
    assert_eq!(Refusal::Expired.advice(), Advice::StartAgain);
}
