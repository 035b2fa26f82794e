//! Bytes as a sealed packet, and as a packet to be sealed: what is parsed has one spelling, nothing opens that
//! was not sealed to the key, and what was sealed comes back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vultus_protocol::encoding;
use vultus_protocol::enrolment::{EnrolmentProof, EnrolmentRequest};
use vultus_protocol::registration::RegistrationRequest;
use vultus_protocol::sealed::{self, SealingKey};
use vultus_protocol::{Context, Message, ProtocolError};

const CONTEXTS: [Context; 3] =
    [EnrolmentRequest::CONTEXT, EnrolmentProof::CONTEXT, RegistrationRequest::CONTEXT];

/// The first byte chooses the way and the context, the rest is what is read.
fn run(data: &[u8]) {
    let Some((&which, bytes)) = data.split_first() else {
        return;
    };
    let context = CONTEXTS[usize::from(which >> 1) % CONTEXTS.len()];
    if which & 1 == 0 { opened(bytes, context) } else { sealed_and_opened(bytes, context) }
}

fn key() -> SealingKey {
    SealingKey::derive(&[9; 32])
}

fn opened(bytes: &[u8], context: Context) {
    if let Ok(sealed) = sealed::parse(bytes) {
        assert_eq!(encoding::encode(&sealed).expect("what was read can be written"), bytes);
        assert_eq!(key().open(&sealed, context).err(), Some(ProtocolError::NotOpened));
    }
}

/// The first three bytes say which byte of the sealed packet is altered, and how.
fn sealed_and_opened(bytes: &[u8], context: Context) {
    let [high, low, by, packet @ ..] = bytes else {
        return;
    };
    let key = key();
    let public = key.public().expect("a derived key is a key");
    let mut bytes = sealed::seal(packet, &public, context, &[7; 32]).expect("a packet can be sealed");
    if bytes.len() > sealed::CAP {
        assert_eq!(sealed::parse(&bytes), Err(ProtocolError::Oversize(bytes.len())));
        return;
    }
    let sealed = sealed::parse(&bytes).expect("what was written can be read");
    let opened = key.open(&sealed, context).expect("what was sealed can be opened");
    assert_eq!(opened.as_slice(), packet);
    let at = usize::from(u16::from_be_bytes([*high, *low])) % bytes.len();
    bytes[at] ^= by;
    let altered = sealed::parse(&bytes).and_then(|sealed| key.open(&sealed, context));
    assert_eq!(altered.is_ok(), *by == 0, "byte {at}");
}

fuzz_target!(|data: &[u8]| { run(data) });
