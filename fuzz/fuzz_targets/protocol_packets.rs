//! Bytes as a packet from the network, as a payload that is properly signed, and as JSON of the HTTP API:
//! what is taken has one spelling, and no signature verifies that the key did not make.
#![no_main]

use libfuzzer_sys::fuzz_target;
use minicbor::Encoder;
use minicbor::data::Tag;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::{Signature, SigningKey};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use vultus_protocol::assertion::Assertion;
use vultus_protocol::authentication::AuthenticationRequest;
use vultus_protocol::challenge::{AuthenticationInfo, DeregistrationInfo, RegistrationInfo};
use vultus_protocol::deregistration::DeregistrationRequest;
use vultus_protocol::enrolment::{EnrolmentChallenge, EnrolmentProof, EnrolmentReceipt, EnrolmentRequest};
use vultus_protocol::registration::{
    AuthenticationReceipt, DeregistrationReceipt, RegistrationReceipt, RegistrationRequest,
};
use vultus_protocol::{Draft, Envelope, Message, PinnedServer, PublicKey, ServerKeys, api, encoding};

/// The first byte chooses the type and how it is read, the rest is what is read.
fn run(data: &[u8]) {
    let Some((&which, bytes)) = data.split_first() else {
        return;
    };
    let read = Way { signed: which & 0x80 != 0, bytes };
    match which & 0x1f {
        0 => read.message::<ServerKeys>(),
        1 => read.message::<EnrolmentRequest>(),
        2 => read.message::<EnrolmentChallenge>(),
        3 => read.message::<EnrolmentProof>(),
        4 => read.message::<EnrolmentReceipt>(),
        5 => read.message::<RegistrationInfo>(),
        6 => read.message::<RegistrationRequest>(),
        7 => read.message::<RegistrationReceipt>(),
        8 => read.message::<AuthenticationInfo>(),
        9 => read.message::<AuthenticationRequest>(),
        10 => read.message::<AuthenticationReceipt>(),
        11 => read.message::<DeregistrationInfo>(),
        12 => read.message::<DeregistrationRequest>(),
        13 => read.message::<DeregistrationReceipt>(),
        14 => read.message::<Assertion>(),
        15 => server_keys(bytes),
        16 => json::<api::OpenRegistration>(bytes),
        17 => json::<api::OpenAuthentication>(bytes),
        18 => json::<api::OpenDeregistration>(bytes),
        19 => json::<api::Packet>(bytes),
        20 => json::<api::Opened>(bytes),
        21 => json::<api::Completed>(bytes),
        22 => json::<api::AccountView>(bytes),
        23 => json::<api::Problem>(bytes),
        _ => text(bytes),
    }
}

struct Way<'a> {
    /// Whether the bytes are a payload that is signed, or a whole packet.
    signed: bool,
    bytes: &'a [u8],
}

impl Way<'_> {
    fn message<M: Message>(&self) {
        if self.signed { payload::<M>(self.bytes) } else { packet::<M>(self.bytes) }
    }
}

fn key() -> SigningKey {
    SigningKey::from_slice(&[9; 32]).expect("a fixed key is a key")
}

fn public() -> PublicKey {
    let point = key().verifying_key().to_sec1_point(false);
    PublicKey::from_slice(point.as_bytes()).expect("a point is a key")
}

/// Somebody on the way, who holds no key.
fn packet<M: Message>(bytes: &[u8]) {
    let Ok(envelope) = Envelope::<M>::parse(bytes) else {
        return;
    };
    assert_eq!(written(&envelope, &bytes[bytes.len() - 64..]), bytes, "a packet with two spellings");
    assert!(envelope.verify(&public()).is_err(), "a signature that the key did not make");
}

/// Somebody who holds the key, and signs whatever it likes.
fn payload<M: Message>(payload: &[u8]) {
    let protected = [&[0xa2, 0x01, 0x26, 0x04, 0x48][..], public().id().as_bytes()].concat();
    let mut signed = Encoder::new(Vec::new());
    let context = M::CONTEXT.0.as_bytes();
    let parts = signed.array(4).and_then(|e| e.str("Signature1")).and_then(|e| e.bytes(&protected));
    parts.and_then(|e| e.bytes(context)).and_then(|e| e.bytes(payload)).expect("memory can be written");
    let digest: [u8; 32] = Sha256::digest(signed.into_writer()).into();
    let signature: Signature = key().sign_prehash(&digest).expect("a key can sign");
    let signature: [u8; 64] = signature.to_bytes().into();
    let mut packet = Encoder::new(Vec::new());
    let parts = packet.tag(Tag::new(18)).and_then(|e| e.array(4)).and_then(|e| e.bytes(&protected));
    let parts = parts.and_then(|e| e.map(0)).and_then(|e| e.bytes(payload));
    parts.and_then(|e| e.bytes(&signature)).expect("memory can be written");
    let packet = packet.into_writer();
    let Ok(envelope) = Envelope::<M>::parse(&packet) else {
        return;
    };
    assert_eq!(written(&envelope, &signature), packet, "a packet with two spellings");
    let message = envelope.verify(&public()).expect("what was signed verifies");
    let again = encoding::encode(&message).expect("what was read can be written");
    assert_eq!(again, payload, "a payload with two spellings");
}

/// What our own code makes of the same message and signature.
fn written<M: Message>(envelope: &Envelope<M>, signature: &[u8]) -> Vec<u8> {
    let draft = Draft::new(envelope.claimed(), envelope.key()).expect("what was read can be written");
    draft.finish(signature.try_into().expect("64 bytes")).expect("what was read can be written")
}

/// A set of keys: as a packet to be pinned, and as it lies in the vault's state.
fn server_keys(bytes: &[u8]) {
    let _ = PinnedServer::first(bytes).is_ok();
    if let Ok(pinned) = PinnedServer::from_bytes(bytes) {
        assert_eq!(pinned.to_bytes().expect("what was read can be written"), bytes);
        for now in [0, 1_800_000_000, u64::MAX] {
            let _ = pinned.sealing_key(now);
            assert!(pinned.rotate(bytes, now).is_err(), "a set without a signature");
        }
    }
}

/// Spaces and the order of fields are free; what was read is read again from what is written.
fn json<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(bytes) else {
        return;
    };
    let written = serde_json::to_vec(&read).expect("what was read can be written");
    let again: T = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(serde_json::to_vec(&again).expect("what was read can be written"), written);
}

fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(read) = api::from_text(text) {
        assert_eq!(api::to_text(&read), text, "bytes with two spellings");
    }
}

fuzz_target!(|data: &[u8]| { run(data) });
