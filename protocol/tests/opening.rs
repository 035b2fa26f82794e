//! What a device believes: the keys that are pinned and those that follow them, and the packets that open a
//! ceremony.

mod samples;

use samples::{DEVICE, Key, LAST, NEW_SERVER, NOW, SERVER};
use vultus_protocol::challenge::{
    AuthenticationInfo, Challenge, DeregistrationInfo, RegistrationInfo, claimed_server, open,
};
use vultus_protocol::server_keys::{MOST_KEYS, TimedKey};
use vultus_protocol::{
    Message, PairwiseDevice, PairwiseSecret, PinnedServer, ProtocolError, PublicKey, ServerKeys, ServerName,
    ServiceName, VirtualAccount, Window,
};

const STRANGER: u8 = 0x77;
const EMPTY: ProtocolError = ProtocolError::Malformed("a set without keys, or with too many");

fn packet(signer: u8, keys: &ServerKeys) -> Vec<u8> {
    Key::new(signer).packet(keys)
}

fn first(keys: &ServerKeys) -> Result<PinnedServer, ProtocolError> {
    PinnedServer::first(&packet(SERVER, keys))
}

fn pinned() -> PinnedServer {
    first(&samples::first_keys()).unwrap()
}

fn point(signer: u8) -> PublicKey {
    Key::new(signer).public()
}

fn always(signer: u8) -> TimedKey {
    samples::timed(point(signer), 0, u64::MAX)
}

// Pinning.

#[test]
fn a_set_is_pinned_where_one_of_its_own_keys_signed_it() {
    let server = pinned();
    assert_eq!((server.name(), server.version()), (&samples::server(), 1));
    assert_eq!(server.signing_key(point(SERVER).id(), NOW), Some(&point(SERVER)));
    let by = |signer| PinnedServer::first(&packet(signer, &samples::first_keys())).err();
    assert_eq!(by(STRANGER), Some(ProtocolError::UnknownKey));
    // Root decides by the file, not by the clock: also a set whose keys have ended is one.
    let ended = ServerKeys { signing: vec![samples::timed(point(SERVER), 1, 2)], ..samples::first_keys() };
    let ended = first(&ended).unwrap();
    assert_eq!(ended.signing_key(point(SERVER).id(), NOW), None);
}

#[test]
fn a_set_has_some_keys_and_not_too_many() {
    let most = vec![always(SERVER); MOST_KEYS];
    let many = vec![always(SERVER); MOST_KEYS + 1];
    let with = |signing: &[TimedKey], sealing: &[TimedKey]| {
        let (signing, sealing) = (signing.to_vec(), sealing.to_vec());
        first(&ServerKeys { signing, sealing, ..samples::first_keys() }).err()
    };
    assert_eq!(with(&most, &most), None);
    assert_eq!(with(&most, &many), Some(EMPTY));
    assert_eq!(with(&many, &most), Some(EMPTY));
    assert_eq!(with(&most, &[]), Some(EMPTY));
    // Without a signing key there is none of its own that could have signed.
    assert_eq!(with(&[], &most), Some(ProtocolError::UnknownKey));
}

#[test]
fn keys_count_from_their_first_second_to_before_their_last() {
    let (begin, end) = (1_000, 2_000);
    let keys = ServerKeys {
        signing: vec![samples::timed(point(SERVER), begin, end)],
        sealing: vec![samples::timed(point(DEVICE), begin, end), samples::timed(point(STRANGER), 0, LAST)],
        ..samples::first_keys()
    };
    let server = first(&keys).unwrap();
    let id = point(SERVER).id();
    for (now, counts) in [(0, false), (999, false), (1_000, true), (1_999, true), (2_000, false)] {
        assert_eq!(server.signing_key(id, now).is_some(), counts, "{now}");
        // The first in the set that counts.
        let expected = if counts { point(DEVICE) } else { point(STRANGER) };
        assert_eq!(server.sealing_key(now), Some(&expected), "{now}");
    }
    assert_eq!(server.sealing_key(LAST), None);
    assert_eq!(server.signing_key(point(DEVICE).id(), begin), None, "a sealing key signs nothing");
}

#[test]
fn what_was_pinned_comes_back_from_the_state() {
    let server = pinned();
    let bytes = server.to_bytes().unwrap();
    assert_eq!(PinnedServer::from_bytes(&bytes), Ok(server));
    assert!(PinnedServer::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    assert!(PinnedServer::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
    let empty = ServerKeys { sealing: Vec::new(), ..samples::first_keys() };
    let empty = vultus_protocol::encoding::encode(&empty).unwrap();
    assert_eq!(PinnedServer::from_bytes(&empty), Err(EMPTY));
}

// Rotation.

#[test]
fn a_newer_set_counts_where_a_pinned_key_signed_it() {
    let second = packet(SERVER, &samples::second_keys());
    let server = pinned().rotate(&second, NOW).unwrap();
    assert_eq!(server.version(), 2);
    assert_eq!(server.signing_key(point(NEW_SERVER).id(), NOW), None, "it does not count yet");
    assert!(server.signing_key(point(NEW_SERVER).id(), NOW + 3_600).is_some());
    // A set that names the key that signed it can be pinned itself.
    assert!(PinnedServer::first(&second).is_ok());
    // The next one may be signed by either key, while it counts.
    let third = ServerKeys { version: 9, signing: vec![always(NEW_SERVER)], ..samples::second_keys() };
    let later = NOW + 3_600;
    assert_eq!(server.rotate(&packet(NEW_SERVER, &third), later).unwrap().version(), 9);
    assert_eq!(server.rotate(&packet(SERVER, &third), later).unwrap().version(), 9);
    let ended = later + 604_800;
    assert_eq!(server.rotate(&packet(SERVER, &third), ended), Err(ProtocolError::UnknownKey));
    assert!(server.rotate(&packet(NEW_SERVER, &third), ended).is_ok());
    // Not by whom only the third knows.
    assert_eq!(pinned().rotate(&packet(NEW_SERVER, &third), later), Err(ProtocolError::UnknownKey));
}

#[test]
fn what_is_not_newer_or_not_of_this_server_is_refused() {
    let server = pinned();
    let second = samples::second_keys;
    let rotated = |signer, keys: &ServerKeys, now| server.rotate(&packet(signer, keys), now).err();
    for version in [0, 1] {
        let old = ServerKeys { version, ..second() };
        assert_eq!(rotated(SERVER, &old, NOW), Some(ProtocolError::OldKeys), "{version}");
    }
    let other = ServerKeys { server: ServerName::new("auth.example.com").unwrap(), ..second() };
    assert_eq!(rotated(SERVER, &other, NOW), Some(ProtocolError::Misdirected("server")));
    assert_eq!(rotated(STRANGER, &second(), NOW), Some(ProtocolError::UnknownKey));
    // The key must count at that moment.
    assert_eq!(rotated(SERVER, &second(), NOW - 1), Some(ProtocolError::UnknownKey));
    assert_eq!(rotated(SERVER, &second(), LAST), Some(ProtocolError::UnknownKey));
    let empty = ServerKeys { sealing: Vec::new(), ..second() };
    assert_eq!(rotated(SERVER, &empty, NOW), Some(EMPTY));
    // A stranger's signature under the name of the pinned key.
    let forged = samples::raw::Raw::of::<ServerKeys>(
        Key::new(SERVER),
        vultus_protocol::encoding::encode(&second()).unwrap(),
    );
    let forged = samples::raw::Raw { signer: Key::new(STRANGER), ..forged };
    assert_eq!(server.rotate(&forged.bytes(), NOW), Err(ProtocolError::BadSignature));
    assert_eq!(PinnedServer::first(&forged.bytes()), Err(ProtocolError::BadSignature));
}

// The packets that open a ceremony.

const TOLERANCE: u64 = 120;

fn opened<M: Message + Into<Challenge>>(
    signer: u8,
    message: &M,
    now: u64,
) -> Result<Challenge, ProtocolError> {
    let secret = PairwiseSecret::new(samples::PAIRWISE_SECRET);
    let device_for = |service: &ServiceName| secret.device_for(&samples::server(), service);
    open::<M>(&Key::new(signer).packet(message), &pinned(), device_for, now, TOLERANCE)
}

#[test]
fn a_packet_of_the_pinned_server_for_this_device_is_opened_now() {
    let challenge = samples::challenge(None);
    assert_eq!(opened(SERVER, &RegistrationInfo(challenge.clone()), NOW), Ok(challenge.clone()));
    assert_eq!(opened(SERVER, &AuthenticationInfo(challenge.clone()), NOW), Ok(challenge.clone()));
    assert_eq!(opened(SERVER, &DeregistrationInfo(challenge.clone()), NOW), Ok(challenge));
}

#[test]
fn a_window_has_a_tolerance_on_both_sides() {
    let of = |challenge: Challenge, now| opened(SERVER, &AuthenticationInfo(challenge), now).err();
    // The pinned key counts from `NOW` on, so the window is moved instead of the clock.
    let now = NOW + 10_000;
    let at = |issued_at| {
        let window = Window::new(issued_at, 60);
        of(Challenge { window, ..samples::challenge(None) }, now)
    };
    assert_eq!(at(now), None);
    assert_eq!(at(now + TOLERANCE), None);
    assert_eq!(at(now + TOLERANCE + 1), Some(ProtocolError::NotYetValid));
    assert_eq!(at(now - 60 - TOLERANCE + 1), None);
    assert_eq!(at(now - 60 - TOLERANCE), Some(ProtocolError::Expired));
    for (issued_at, expires_at) in [(now, now), (now, now - 1), (u64::MAX, u64::MAX)] {
        let window = Window { issued_at, expires_at };
        let outcome = of(Challenge { window, ..samples::challenge(None) }, now);
        assert_eq!(outcome, Some(ProtocolError::Malformed("a window that never opens")));
    }
}

#[test]
fn what_is_meant_for_others_is_not_opened() {
    let of = |change: fn(&mut Challenge)| {
        let mut challenge = samples::challenge(None);
        change(&mut challenge);
        opened(SERVER, &AuthenticationInfo(challenge), NOW).err()
    };
    let server = Some(ProtocolError::Misdirected("server"));
    let device = Some(ProtocolError::Misdirected("device"));
    assert_eq!(of(|c| c.server = ServerName::new("other.example").unwrap()), server);
    assert_eq!(of(|c| c.device = PairwiseDevice::new([0; 16])), device);
    // The device has another name there.
    assert_eq!(of(|c| c.service = ServiceName::new("other.example").unwrap()), device);
    // The server calls accounts as it likes.
    assert_eq!(of(|c| c.virtual_account = VirtualAccount::new([0; 16])), None);
    // What is looked at first is told.
    let both = |c: &mut Challenge| {
        c.device = PairwiseDevice::new([0; 16]);
        c.window = Window::new(0, 1);
    };
    assert_eq!(of(both), device);
}

#[test]
fn another_key_or_another_kind_opens_nothing() {
    let challenge = samples::challenge(None);
    let info = AuthenticationInfo(challenge.clone());
    assert_eq!(opened(STRANGER, &info, NOW), Err(ProtocolError::UnknownKey));
    // The pinned key does not count yet.
    assert_eq!(opened(SERVER, &info, NOW - 1), Err(ProtocolError::UnknownKey));
    let packet = Key::new(SERVER).packet(&RegistrationInfo(challenge));
    let device_for = |_: &ServiceName| samples::device();
    let outcome = open::<AuthenticationInfo>(&packet, &pinned(), device_for, NOW, TOLERANCE);
    assert_eq!(outcome, Err(ProtocolError::BadSignature));
}

#[test]
fn the_claimed_server_is_read_from_whatever_parses() {
    let packet = Key::new(STRANGER).packet(&AuthenticationInfo(samples::challenge(None)));
    assert_eq!(claimed_server::<AuthenticationInfo>(&packet), Ok(samples::server()));
    assert!(claimed_server::<AuthenticationInfo>(&packet[1..]).is_err());
}

// What answers a challenge.

#[test]
fn an_answer_belongs_to_its_challenge() {
    let text = samples::transaction();
    let hash = vultus_protocol::TransactionHash::of(&text);
    let plain = samples::challenge(None);
    let with_text = samples::challenge(Some(text));
    assert_eq!(samples::registration_request().answers(&plain), Ok(()));
    assert_eq!(samples::deregistration_request().answers(&plain), Ok(()));
    assert_eq!(samples::authentication_request(None).answers(&plain), Ok(()));
    assert_eq!(samples::authentication_request(Some(hash)).answers(&with_text), Ok(()));
    let transaction = Err(ProtocolError::Misdirected("transaction"));
    assert_eq!(samples::authentication_request(None).answers(&with_text), transaction);
    assert_eq!(samples::authentication_request(Some(hash)).answers(&plain), transaction);
    let other = vultus_protocol::TransactionHash::new([0; 32]);
    assert_eq!(samples::authentication_request(Some(other)).answers(&with_text), transaction);
    type Change = (&'static str, fn(&mut Challenge));
    let changes: [Change; 5] = [
        ("ceremony", |c| c.ceremony = vultus_protocol::CeremonyId::new([0; 16])),
        ("server", |c| c.server = ServerName::new("other.example").unwrap()),
        ("service", |c| c.service = ServiceName::new("other.example").unwrap()),
        ("device", |c| c.device = PairwiseDevice::new([0; 16])),
        ("account", |c| c.virtual_account = VirtualAccount::new([0; 16])),
    ];
    for (field, change) in changes {
        let mut challenge = samples::challenge(None);
        change(&mut challenge);
        let expected = Err(ProtocolError::Misdirected(field));
        assert_eq!(samples::registration_request().answers(&challenge), expected);
        assert_eq!(samples::authentication_request(None).answers(&challenge), expected);
        assert_eq!(samples::deregistration_request().answers(&challenge), expected);
    }
    // The code is compared elsewhere, where it is used up.
    let mut challenge = samples::challenge(None);
    challenge.code = vultus_protocol::Code::new([0; 32]);
    assert_eq!(samples::authentication_request(None).answers(&challenge), Ok(()));
}
