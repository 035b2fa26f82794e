//! Every message: what is written is read back, whatever else comes is refused or fails its signature, and no
//! message passes for another.

mod samples;

use std::collections::BTreeSet;
use std::fmt::Debug;

use minicbor::bytes::ByteVec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};
use samples::arbitrary;
use samples::described::Described;
use samples::raw::Raw;
use samples::{Each, Key, LAST, NOW, Sample, hex};
use vultus_protocol::assertion::{Assertion, LONGEST_NONCE};
use vultus_protocol::authentication::AuthenticationRequest;
use vultus_protocol::challenge::{AuthenticationInfo, Challenge, DeregistrationInfo, RegistrationInfo};
use vultus_protocol::deregistration::DeregistrationRequest;
use vultus_protocol::enrolment::{EnrolmentChallenge, EnrolmentProof, EnrolmentReceipt, EnrolmentRequest};
use vultus_protocol::registration::{
    AuthenticationReceipt, DeregistrationReceipt, KeyCertification, Receipt, RegistrationReceipt,
    RegistrationRequest,
};
use vultus_protocol::server_keys::MOST_KEYS;
use vultus_protocol::{
    AccountName, Audience, Draft, Envelope, Evidence, Label, Liveness, Message, ProtocolError, ServerKeys,
    ServerName, ServiceName, Spectrum, TransactionText, encoding,
};

/// What every sample has, without its type.
struct Facts {
    name: &'static str,
    context: &'static str,
    packet: Vec<u8>,
    key: Key,
}

struct Collect(Vec<Facts>);

impl Each for Collect {
    fn each<M: Message + Described + Clone + PartialEq + Debug>(&mut self, sample: Sample<M>) {
        let packet = sample.packet();
        self.0.push(Facts { name: sample.name, context: M::CONTEXT.0, packet, key: sample.key });
    }
}

fn facts() -> Vec<Facts> {
    let mut collect = Collect(Vec::new());
    samples::every(&mut collect);
    collect.0
}

fn contexts() -> BTreeSet<&'static str> {
    facts().iter().map(|f| f.context).collect()
}

/// Whether bytes parse as a message of this type, and whether they then verify.
fn read<M: Message>(bytes: &[u8], key: &Key) -> Result<M, ProtocolError> {
    Envelope::<M>::parse(bytes)?.verify(&key.public())
}

#[test]
fn every_kind_has_a_sample_and_a_context_of_its_own() {
    assert_eq!(contexts().len(), samples::KINDS);
    assert!(contexts().iter().all(|c| c.starts_with(samples::PREFIX)));
}

/// What is done to the packet of each sample.
struct Damage;

impl Each for Damage {
    fn each<M: Message + Described + Clone + PartialEq + Debug>(&mut self, sample: Sample<M>) {
        let packet = sample.packet();
        assert_eq!(read::<M>(&packet, &sample.key).as_ref(), Ok(&sample.message), "{}", sample.name);
        for bit in 0..packet.len() * 8 {
            let mut flipped = packet.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let outcome = read::<M>(&flipped, &sample.key);
            assert!(outcome.is_err(), "{}: bit {bit} of {}", sample.name, hex(&packet));
        }
        for length in 0..packet.len() {
            assert!(Envelope::<M>::parse(&packet[..length]).is_err(), "{}: {length} bytes", sample.name);
        }
        for trailing in [0x00, 0x80, 0xf6, 0xff] {
            let longer = [&packet[..], &[trailing]].concat();
            assert!(Envelope::<M>::parse(&longer).is_err(), "{}: and {trailing:#04x}", sample.name);
        }
    }
}

#[test]
fn no_bit_can_be_flipped_and_no_byte_cut_or_added() {
    samples::every(&mut Damage);
}

/// Reads one packet as every kind of message.
struct ReadAs {
    facts: Facts,
    /// As how many kinds it parsed.
    parsed: usize,
    verified: Vec<&'static str>,
}

impl Each for ReadAs {
    fn each<M: Message + Described + Clone + PartialEq + Debug>(&mut self, sample: Sample<M>) {
        if let Ok(envelope) = Envelope::<M>::parse(&self.facts.packet) {
            self.parsed += 1;
            match envelope.verify(&self.facts.key.public()) {
                Ok(_) => self.verified.push(M::CONTEXT.0),
                Err(e) => assert_eq!(e, ProtocolError::BadSignature, "{}", sample.name),
            }
        }
    }
}

#[test]
fn a_packet_is_a_message_of_its_own_kind_alone() {
    let mut passed = 0;
    for facts in facts() {
        let (name, context) = (facts.name, facts.context);
        let mut as_all = ReadAs { facts, parsed: 0, verified: Vec::new() };
        samples::every(&mut as_all);
        assert!(!as_all.verified.is_empty(), "{name}");
        assert!(as_all.verified.iter().all(|&c| c == context), "{name} passes for {:?}", as_all.verified);
        passed += as_all.parsed - as_all.verified.len();
    }
    // Some have the same form as others: for those it is the signature alone that tells.
    assert!(passed > 0);
}

/// Signs the payload of each sample in the context of each other kind.
struct InContexts(Vec<&'static str>);

impl Each for InContexts {
    fn each<M: Message + Described + Clone + PartialEq + Debug>(&mut self, sample: Sample<M>) {
        for &context in &self.0 {
            let packet = Raw { context, ..Raw::like(&sample) }.bytes();
            let outcome = read::<M>(&packet, &sample.key);
            if context == M::CONTEXT.0 {
                assert_eq!(outcome.as_ref(), Ok(&sample.message), "{}", sample.name);
            } else {
                assert_eq!(outcome, Err(ProtocolError::BadSignature), "{} in {context}", sample.name);
            }
        }
    }
}

#[test]
fn no_message_verifies_in_the_context_of_another() {
    let near = ["", "vultus/1", "vultus/1 ", "vultus/2 registration-info"];
    samples::every(&mut InContexts(contexts().into_iter().chain(near).collect()));
}

#[test]
fn another_key_verifies_nothing() {
    struct Another;
    impl Each for Another {
        fn each<M: Message + Described + Clone + PartialEq + Debug>(&mut self, sample: Sample<M>) {
            let stranger = Key::new(0x77);
            assert_eq!(read::<M>(&sample.packet(), &stranger), Err(ProtocolError::UnknownKey));
            // Signed by a stranger under the name of the key that is known.
            let forged = Raw { signer: stranger, ..Raw::like(&sample) }.bytes();
            assert_eq!(read::<M>(&forged, &sample.key), Err(ProtocolError::BadSignature));
        }
    }
    samples::every(&mut Another);
}

// Caps.

#[test]
fn a_message_over_its_cap_is_neither_written_nor_read() {
    type M = EnrolmentRequest;
    let key = Key::new(samples::DEVICE);
    let mut request = samples::enrolment_request();
    let rest = encoding::encode(&request).unwrap().len() - request.endorsement_certificate.len();
    // The length of the certificate takes one byte more than that of the sample's.
    let most = M::CAP - rest - 1;
    request.endorsement_certificate = vec![0; most].into();
    assert_eq!(encoding::encode(&request).unwrap().len(), M::CAP);
    assert_eq!(read::<M>(&key.packet(&request), &key).as_ref(), Ok(&request));
    request.endorsement_certificate = vec![0; most + 1].into();
    let over = ProtocolError::Oversize(M::CAP + 1);
    assert_eq!(Draft::new(&request, key.public().id()).err(), Some(over));
    let packet = Raw::of::<M>(key, encoding::encode(&request).unwrap()).bytes();
    assert_eq!(Envelope::<M>::parse(&packet).err(), Some(over));
}

/// The longest message that its fields allow is within its cap.
#[test]
fn the_longest_honest_messages_fit() {
    fn fits<M: Message>(message: &M) {
        let packet = Key::new(samples::SERVER).packet(message);
        assert!(Envelope::<M>::parse(&packet).is_ok(), "{}", M::CONTEXT.0);
    }
    let server = ServerName::new("s".repeat(ServerName::MOST)).unwrap();
    let service = ServiceName::new("s".repeat(ServiceName::MOST)).unwrap();
    let account = AccountName::new("a".repeat(AccountName::MOST)).unwrap();
    let label = Label::new("l".repeat(Label::MOST)).unwrap();
    let text = TransactionText::new("t".repeat(TransactionText::MOST)).unwrap();
    let evidence =
        Evidence { software: label.clone(), ..samples::evidence(Liveness::Active, Spectrum::Grey) };
    let keys = vec![samples::timed(Key::new(1).public(), u64::MAX, u64::MAX); MOST_KEYS];
    let bytes = |length: usize| ByteVec::from(vec![0xff; length]);
    fits(&ServerKeys { server: server.clone(), version: u64::MAX, signing: keys.clone(), sealing: keys });
    let challenge = Challenge {
        server: server.clone(),
        service: service.clone(),
        account: account.clone(),
        window: vultus_protocol::Window { issued_at: u64::MAX, expires_at: u64::MAX },
        ..samples::challenge(Some(text))
    };
    fits(&RegistrationInfo(challenge.clone()));
    fits(&AuthenticationInfo(challenge.clone()));
    fits(&DeregistrationInfo(challenge));
    let hash = vultus_protocol::TransactionHash::new([0xff; 32]);
    let (to, of) = (server.clone(), service.clone());
    let receipt = Receipt { server: to, service: of, account, at: u64::MAX, ..samples::receipt(Some(hash)) };
    fits(&RegistrationReceipt(receipt.clone()));
    fits(&AuthenticationReceipt(receipt.clone()));
    fits(&DeregistrationReceipt(receipt));
    // A TPM's names and extra data have at most 66 bytes, and the qualifying data here are 32.
    let certification = KeyCertification { public: bytes(200), attest: bytes(300), signature: bytes(64) };
    fits(&RegistrationRequest {
        server: server.clone(),
        service: service.clone(),
        certification: certification.clone(),
        evidence: evidence.clone(),
        ..samples::registration_request()
    });
    fits(&AuthenticationRequest {
        server: server.clone(),
        service: service.clone(),
        evidence: evidence.clone(),
        ..samples::authentication_request(Some(hash))
    });
    let (to, of) = (server.clone(), service);
    fits(&DeregistrationRequest { server: to, service: of, ..samples::deregistration_request() });
    // Makers' certificates have 1 to 2 KiB.
    fits(&EnrolmentRequest {
        server: server.clone(),
        attestation_public: bytes(400),
        endorsement_public: bytes(600),
        endorsement_certificate: bytes(4_096),
        manufacturer: label.clone(),
        model: label,
        at: u64::MAX,
        ..samples::enrolment_request()
    });
    fits(&EnrolmentChallenge {
        server: server.clone(),
        id_object: bytes(136),
        encrypted_secret: bytes(512),
        ..samples::enrolment_challenge()
    });
    let secret = bytes(64);
    fits(&EnrolmentProof { server: server.clone(), secret, certification, ..samples::enrolment_proof() });
    fits(&EnrolmentReceipt { server, at: u64::MAX, ..samples::enrolment_receipt() });
    fits(&Assertion {
        audience: Audience::new("a".repeat(Audience::MOST)).unwrap(),
        nonce: bytes(LONGEST_NONCE),
        uid: u32::MAX,
        at: u64::MAX,
        evidence,
        ..samples::assertion()
    });
}

#[test]
fn numbers_of_every_length_go_round() {
    let key = Key::new(samples::SERVER);
    let mut keys = samples::first_keys();
    for version in [0, 23, 24, 255, 256, 65_535, 65_536, u64::from(u32::MAX), NOW, LAST, u64::MAX] {
        keys.version = version;
        assert_eq!(read::<ServerKeys>(&key.packet(&keys), &key).unwrap().version, version);
    }
}

// What no list of examples covers.

fn round_trip<M: Message + Clone + PartialEq + Debug>(message: M) -> Result<(), TestCaseError> {
    let key = Key::new(samples::DEVICE);
    let packet = key.packet(&message);
    let envelope = Envelope::<M>::parse(&packet).map_err(|e| TestCaseError::fail(e.to_string()))?;
    prop_assert_eq!(envelope.key(), key.public().id());
    prop_assert_eq!(envelope.claimed(), &message);
    prop_assert_eq!(envelope.verify(&key.public()), Ok(message));
    Ok(())
}

proptest! {
    #![proptest_config(Config::with_cases(64))]

    #[test]
    fn what_is_written_is_read_back(
        keys in arbitrary::server_keys(),
        challenge in arbitrary::challenge(),
        receipt in arbitrary::receipt(),
        registration in arbitrary::registration_request(),
        authentication in arbitrary::authentication_request(),
        deregistration in arbitrary::deregistration_request(),
        request in arbitrary::enrolment_request(),
        question in arbitrary::enrolment_challenge(),
        proof in arbitrary::enrolment_proof(),
        enrolled in arbitrary::enrolment_receipt(),
        assertion in arbitrary::assertion(),
    ) {
        round_trip(keys)?;
        round_trip(RegistrationInfo(challenge.clone()))?;
        round_trip(AuthenticationInfo(challenge.clone()))?;
        round_trip(DeregistrationInfo(challenge))?;
        round_trip(RegistrationReceipt(receipt.clone()))?;
        round_trip(AuthenticationReceipt(receipt.clone()))?;
        round_trip(DeregistrationReceipt(receipt))?;
        round_trip(registration)?;
        round_trip(authentication)?;
        round_trip(deregistration)?;
        round_trip(request)?;
        round_trip(question)?;
        round_trip(proof)?;
        round_trip(enrolled)?;
        round_trip(assertion)?;
    }
}

/// Reads bytes as every kind of message: what is taken has one spelling.
struct Hostile<'a> {
    bytes: &'a [u8],
    taken: usize,
}

impl Each for Hostile<'_> {
    fn each<M: Message + Described + Clone + PartialEq + Debug>(&mut self, _: Sample<M>) {
        if let Ok(message) = encoding::decode::<M>(self.bytes, M::CAP) {
            assert_eq!(hex(&encoding::encode(&message).unwrap()), hex(self.bytes));
        }
        // As a packet, and as the payload of one that is properly signed.
        let _ = Envelope::<M>::parse(self.bytes).is_ok();
        let key = Key::new(samples::SERVER);
        let packet = Raw::of::<M>(key.clone(), self.bytes.to_vec()).bytes();
        if let Ok(message) = read::<M>(&packet, &key) {
            self.taken += 1;
            assert_eq!(hex(&key.packet(&message)), hex(&packet));
        }
    }
}

fn hostile(bytes: &[u8]) -> usize {
    let mut hostile = Hostile { bytes, taken: 0 };
    samples::every(&mut hostile);
    hostile.taken
}

#[test]
fn honest_payloads_are_taken_by_the_same_measure() {
    let payload = encoding::encode(&samples::deregistration_request()).unwrap();
    assert_eq!(hostile(&payload), 1);
}

/// One of the payloads and packets there are.
fn honest() -> impl Strategy<Value = Vec<u8>> {
    struct Payloads(Vec<Vec<u8>>);
    impl Each for Payloads {
        fn each<M: Message + Described + Clone + PartialEq + Debug>(&mut self, sample: Sample<M>) {
            self.0.push(encoding::encode(&sample.message).unwrap());
            self.0.push(sample.packet());
        }
    }
    let mut payloads = Payloads(Vec::new());
    samples::every(&mut payloads);
    prop::sample::select(payloads.0)
}

proptest! {
    #![proptest_config(Config::with_cases(64))]

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        hostile(&bytes);
    }

    #[test]
    fn altered_messages_do_no_harm(
        mut bytes in honest(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        from in any::<prop::sample::Index>(),
        moved in any::<prop::sample::Index>(),
    ) {
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        // A piece of it a second time, in another place.
        let piece = bytes[from.index(bytes.len())..].to_vec();
        let longer = [&bytes[..moved.index(bytes.len())], &piece].concat();
        hostile(&bytes);
        hostile(&longer);
    }
}
