//! Sealed packets: what was sealed is opened by the right key in the right context alone.

mod samples;

use proptest::prelude::*;
use proptest::test_runner::Config;
use samples::{Key, NEW_SEALING, SEALING, hex};
use vultus_protocol::registration::RegistrationRequest;
use vultus_protocol::sealed::{CAP, Sealed, SealingKey, parse, seal};
use vultus_protocol::{Context, Message, ProtocolError, PublicKey, encoding};

const CONTEXT: Context = RegistrationRequest::CONTEXT;

fn key() -> SealingKey {
    SealingKey::derive(&SEALING)
}

fn sealed(packet: &[u8], random: u8) -> Sealed {
    parse(&seal(packet, &key().public().unwrap(), CONTEXT, &[random; 32]).unwrap()).unwrap()
}

fn opened(sealed: &Sealed) -> Result<Vec<u8>, ProtocolError> {
    key().open(sealed, CONTEXT).map(|packet| packet.to_vec())
}

#[test]
fn what_is_sealed_is_opened() {
    for packet in [&b""[..], b"p", &[7; 8_000]] {
        let sealed = sealed(packet, 1);
        assert_eq!(sealed.key, key().public().unwrap().id());
        assert_eq!(sealed.ciphertext.len(), packet.len() + 16);
        assert_eq!(opened(&sealed), Ok(packet.to_vec()));
    }
}

#[test]
fn another_key_and_another_context_open_nothing() {
    let sealed = sealed(b"packet", 1);
    let other = SealingKey::derive(&NEW_SEALING);
    assert_eq!(other.open(&sealed, CONTEXT).err(), Some(ProtocolError::NotOpened));
    for context in ["", "vultus/1", "vultus/1 enrolment-proof", "vultus/1 registration-request "] {
        assert_eq!(key().open(&sealed, Context(context)).err(), Some(ProtocolError::NotOpened), "{context}");
    }
    // The name of the key is bound as well.
    let renamed = Sealed { key: other.public().unwrap().id(), ..sealed };
    assert_eq!(opened(&renamed), Err(ProtocolError::NotOpened));
}

#[test]
fn other_random_bytes_seal_otherwise() {
    let (one, again, two) = (sealed(b"packet", 1), sealed(b"packet", 1), sealed(b"packet", 2));
    assert_eq!(one, again);
    assert_ne!(one.encapsulated, two.encapsulated);
    assert_ne!(one.ciphertext, two.ciphertext);
}

#[test]
fn no_bit_of_a_sealed_packet_can_be_flipped() {
    let packet = Key::new(samples::DEVICE).packet(&samples::deregistration_request());
    let bytes = seal(&packet, &key().public().unwrap(), CONTEXT, &[1; 32]).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let outcome = parse(&flipped).and_then(|sealed| opened(&sealed));
        assert!(outcome.is_err(), "bit {bit} of {}", hex(&bytes));
    }
    for length in 0..bytes.len() {
        assert!(parse(&bytes[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn a_sealed_packet_has_a_cap() {
    let of = |length: usize| {
        let whole = Sealed { ciphertext: vec![0; length].into(), ..sealed(b"", 1) };
        encoding::encode(&whole).unwrap()
    };
    let frame = of(1_000).len() - 1_000;
    assert!(parse(&of(CAP - frame)).is_ok());
    assert_eq!(parse(&of(CAP - frame + 1)), Err(ProtocolError::Oversize(CAP + 1)));
}

/// The longest packet that is sealed fits in.
#[test]
fn the_longest_packet_fits() {
    let packet = vec![0; vultus_protocol::enrolment::EnrolmentRequest::CAP + 128];
    assert_eq!(opened(&sealed(&packet, 1)), Ok(packet));
}

#[test]
fn a_sealing_key_is_a_scalar_in_range() {
    assert!(SealingKey::from_bytes([0; 32]).is_err());
    assert!(SealingKey::from_bytes([0xff; 32]).is_err());
    let again = SealingKey::from_bytes(*key().as_bytes()).unwrap();
    assert_eq!(again.public(), key().public());
    assert_eq!(key().public(), SealingKey::derive(&SEALING).public());
    assert_ne!(key().public(), SealingKey::derive(&NEW_SEALING).public());
}

#[test]
fn nothing_is_sealed_to_what_is_no_key() {
    let off_the_curve = PublicKey::new([4; 65]).unwrap();
    let outcome = seal(b"packet", &off_the_curve, CONTEXT, &[1; 32]);
    assert_eq!(outcome, Err(ProtocolError::Malformed("not a sealing key")));
}

proptest! {
    #![proptest_config(Config::with_cases(64))]

    #[test]
    fn arbitrary_packets_go_round(
        packet in prop::collection::vec(any::<u8>(), 0..2_000),
        random in any::<[u8; 32]>(),
        at in any::<prop::sample::Index>(),
        by in 1..=u8::MAX,
    ) {
        let bytes = seal(&packet, &key().public().unwrap(), CONTEXT, &random).unwrap();
        let mut sealed = parse(&bytes).unwrap();
        prop_assert_eq!(opened(&sealed), Ok(packet));
        let length = sealed.ciphertext.len();
        sealed.ciphertext[at.index(length)] ^= by;
        prop_assert_eq!(opened(&sealed), Err(ProtocolError::NotOpened));
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(sealed) = parse(&bytes) {
            prop_assert_eq!(hex(&encoding::encode(&sealed).unwrap()), hex(&bytes));
            prop_assert!(opened(&sealed).is_err());
        }
    }
}
