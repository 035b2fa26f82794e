//! Every way in which a session or a sealed frame can be wrong, and the error that each one gets.

mod rogue;

use std::time::Duration;

use minicbor::bytes::ByteArray;
use p256::elliptic_curve::sec1::ToSec1Point;
use proptest::prelude::*;
use rogue::{AnswerBody, Header, OfferBody, RogueCamera, Signed, answer_of, offer_of, taken_apart};
use vultus_frames::{
    Format, Frame, FrameClock, FrameError, Mode, Offer, Opener, Opening, PublicKey, SealedFrame, Sealer,
    StaticKey, accept,
};

const VAULT: [u8; 32] = [1; 32];
const CAMERA: [u8; 32] = [2; 32];
const STRANGER: [u8; 32] = [3; 32];
const ID: &str = "usb:1-2:046d:085e:7";
const MODE: Mode = Mode { width: 96, height: 96, format: Format::Grey };
const OLDEST_US: u64 = 500_000;
const CLOCK: FrameClock = FrameClock { oldest: Duration::from_micros(OLDEST_US) };
/// The tag that AES-GCM puts behind the ciphertext.
const TAG: usize = 16;
/// The order of P-256: the first number that is no private key.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

fn key(secret: [u8; 32]) -> StaticKey {
    StaticKey::from_bytes(&secret).unwrap()
}

fn public(secret: [u8; 32]) -> PublicKey {
    key(secret).public()
}

fn offer() -> (Opening, Offer) {
    Opening::offer(&key(VAULT), ID, public(CAMERA), [9; 32]).unwrap()
}

/// An honest camera's answer to these bytes.
fn answer(offer: &[u8]) -> Result<(Vec<u8>, Sealer), FrameError> {
    accept(key(CAMERA), public(VAULT), ID, MODE, offer)
}

fn session() -> (Sealer, Opener) {
    let (opening, offer) = offer();
    let (answer, sealer) = answer(offer.as_bytes()).unwrap();
    (sealer, opening.finish(&answer, CLOCK).unwrap())
}

fn rogue_session() -> (RogueCamera, Opener) {
    let (opening, offer) = offer();
    let (answer, camera) = RogueCamera::answer(CAMERA, offer.as_bytes(), MODE);
    (camera, opening.finish(&answer, CLOCK).unwrap())
}

fn pixels() -> Vec<u8> {
    vec![200; MODE.bytes()]
}

/// When frame `n` was captured, in microseconds. All tests keep this clock: none reads a real one.
fn captured(n: u64) -> u64 {
    1_000_000 + n * 33_000
}

fn seal(sealer: &mut Sealer, n: u64) -> SealedFrame {
    sealer.seal(pixels(), n as u32, captured(n)).unwrap()
}

fn three(sealer: &mut Sealer) -> Vec<SealedFrame> {
    (0..3).map(|n| seal(sealer, n)).collect()
}

fn honest_header() -> Header {
    Header { counter: 0, mode: MODE, sequence: 0, captured_us: captured(0), camera: ID.to_owned() }
}

fn part(sealed: &mut SealedFrame, which: usize) -> &mut Vec<u8> {
    match which {
        0 => &mut sealed.header,
        1 => &mut sealed.ciphertext,
        _ => &mut sealed.signature,
    }
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

// What is right.

#[test]
fn frames_arrive_as_they_were() {
    let (mut sealer, mut opener) = session();
    assert_eq!((sealer.mode(), opener.mode()), (MODE, MODE));
    for n in 0..5 {
        let sent: Vec<u8> = (0..MODE.bytes()).map(|at| (at as u64 * 7 + n) as u8).collect();
        let sealed = sealer.seal(sent.clone(), 100 + n as u32, captured(n)).unwrap();
        assert_eq!(sealed.ciphertext.len(), sent.len() + TAG);
        assert_ne!(sealed.ciphertext[..sent.len()], sent[..]);
        let frame = opener.open(sealed, captured(n) + 1_000).unwrap();
        assert_eq!((frame.mode, frame.counter, frame.captured_us), (MODE, n, captured(n)));
        assert_eq!(frame.pixels, sent);
    }
}

#[test]
fn equal_pictures_never_look_equal() {
    let (mut first, _) = session();
    let (mut second, _) = session();
    let sealed = [seal(&mut first, 0), seal(&mut first, 0), seal(&mut second, 0)];
    // The tag alone would differ for another header: compare what hides the pixels.
    let hidden: Vec<&[u8]> = sealed.iter().map(|s| &s.ciphertext[..MODE.bytes()]).collect();
    assert_ne!(hidden[0], hidden[1]);
    assert_ne!(hidden[0], hidden[2]);
}

#[test]
fn the_smallest_and_the_largest_mode_work() {
    for mode in [
        Mode { width: 96, height: 1920, format: Format::Rgb },
        Mode { width: 1920, height: 96, format: Format::Grey },
    ] {
        let (opening, offer) = offer();
        let (answer, mut sealer) = accept(key(CAMERA), public(VAULT), ID, mode, offer.as_bytes()).unwrap();
        let mut opener = opening.finish(&answer, CLOCK).unwrap();
        let sealed = sealer.seal(vec![7; mode.bytes()], 0, captured(0)).unwrap();
        assert_eq!(opener.open(sealed, captured(0)).unwrap().pixels, vec![7; mode.bytes()]);
    }
}

/// Shows that the camera below lies only where it means to.
#[test]
fn a_second_camera_built_from_the_description_is_understood() {
    let (camera, mut opener) = rogue_session();
    let frame = opener.open(camera.seal(&honest_header(), pixels()), captured(0)).unwrap();
    assert_eq!(frame.pixels, pixels());
}

// Frames that are wrong on the way.

#[test]
fn an_altered_frame_is_not_the_cameras() {
    let change: [fn(&mut Vec<u8>); 6] = [
        |bytes| bytes[0] ^= 1,
        |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x80;
        },
        |bytes| {
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
        },
        |bytes| {
            bytes.pop();
        },
        |bytes| bytes.push(0),
        |bytes| bytes.clear(),
    ];
    for which in 0..3 {
        for (number, change) in change.iter().enumerate() {
            let (mut sealer, mut opener) = session();
            let mut sealed = seal(&mut sealer, 0);
            change(part(&mut sealed, which));
            let refused = opener.open(sealed, captured(0)).err();
            assert_eq!(refused, Some(FrameError::BadSignature), "part {which}, change {number}");
        }
    }
}

/// The signature is over each part with its length: the same bytes cut elsewhere are another frame.
#[test]
fn a_frame_cannot_be_cut_elsewhere() {
    let (mut sealer, mut opener) = session();
    let mut sealed = seal(&mut sealer, 0);
    let moved = sealed.header.pop().unwrap();
    sealed.ciphertext.insert(0, moved);
    assert_eq!(opener.open(sealed, captured(0)).err(), Some(FrameError::BadSignature));
}

#[test]
fn parts_of_two_frames_make_none() {
    for which in 0..3 {
        let (mut sealer, mut opener) = session();
        let mut frames = three(&mut sealer);
        let other = part(&mut frames[1], which).clone();
        *part(&mut frames[0], which) = other;
        let refused = opener.open(frames[0].clone(), captured(1)).err();
        assert_eq!(refused, Some(FrameError::BadSignature), "part {which}");
    }
}

#[test]
fn a_frame_of_another_session_is_refused() {
    let (mut other, _) = session();
    let (_, mut opener) = session();
    // The same keys, the same attempt nonce, the same counter: only the session differs.
    assert_eq!(opener.open(seal(&mut other, 0), captured(0)).err(), Some(FrameError::BadSignature));
}

#[test]
fn a_repeated_frame_is_refused() {
    let (mut sealer, mut opener) = session();
    let frames = three(&mut sealer);
    assert!(opener.open(frames[0].clone(), captured(0)).is_ok());
    assert_eq!(opener.open(frames[0].clone(), captured(0)).err(), Some(FrameError::Repeat));
}

#[test]
fn an_older_frame_after_a_newer_one_is_a_repeat() {
    let (mut sealer, mut opener) = session();
    let frames = three(&mut sealer);
    for (n, frame) in frames.iter().enumerate() {
        assert!(opener.open(frame.clone(), captured(n as u64)).is_ok());
    }
    assert_eq!(opener.open(frames[1].clone(), captured(2)).err(), Some(FrameError::Repeat));
}

#[test]
fn a_missing_frame_is_a_gap() {
    let (mut sealer, mut opener) = session();
    let frames = three(&mut sealer);
    assert_eq!(opener.open(frames[1].clone(), captured(1)).err(), Some(FrameError::Gap));

    let (mut sealer, mut opener) = session();
    let frames = three(&mut sealer);
    assert!(opener.open(frames[0].clone(), captured(0)).is_ok());
    assert_eq!(opener.open(frames[2].clone(), captured(2)).err(), Some(FrameError::Gap));
}

#[test]
fn a_frame_may_be_as_old_as_the_clock_allows_and_no_older() {
    let (mut sealer, mut opener) = session();
    let sealed = seal(&mut sealer, 0);
    assert!(opener.open(sealed, captured(0) + OLDEST_US).is_ok());

    let (mut sealer, mut opener) = session();
    let sealed = seal(&mut sealer, 0);
    assert_eq!(opener.open(sealed, captured(0) + OLDEST_US + 1).err(), Some(FrameError::Late));
}

#[test]
fn a_frame_from_the_future_is_refused() {
    let (mut sealer, mut opener) = session();
    let sealed = seal(&mut sealer, 0);
    assert_eq!(opener.open(sealed, captured(0) - 1).err(), Some(FrameError::OutOfTime));
}

#[test]
fn a_frame_must_be_captured_after_the_one_before() {
    for again in [captured(1), captured(1) - 1, 0] {
        let (mut sealer, mut opener) = session();
        let first = sealer.seal(pixels(), 0, captured(1)).unwrap();
        let second = sealer.seal(pixels(), 1, again).unwrap();
        assert!(opener.open(first, captured(1)).is_ok());
        assert_eq!(opener.open(second, captured(1)).err(), Some(FrameError::OutOfTime), "{again}");
    }
}

#[test]
fn the_first_error_ends_the_session() {
    for why in [
        FrameError::BadSignature,
        FrameError::Repeat,
        FrameError::Gap,
        FrameError::Late,
        FrameError::OutOfTime,
    ] {
        let (mut sealer, mut opener) = session();
        let frames = three(&mut sealer);
        assert!(opener.open(frames[0].clone(), captured(0)).is_ok());
        let (bad, now_us) = match why {
            FrameError::BadSignature => {
                let mut altered = frames[1].clone();
                altered.ciphertext[0] ^= 1;
                (altered, captured(1))
            }
            FrameError::Repeat => (frames[0].clone(), captured(1)),
            FrameError::Gap => (frames[2].clone(), captured(2)),
            FrameError::Late => (frames[1].clone(), captured(1) + OLDEST_US + 1),
            _ => (frames[1].clone(), captured(1) - 1),
        };
        assert_eq!(opener.open(bad, now_us).err(), Some(why));
        // Each of these would have been taken, had nothing gone wrong before.
        for n in [1, 2] {
            let later = opener.open(frames[n].clone(), captured(n as u64)).err();
            assert_eq!(later, Some(why), "frame {n}");
        }
    }
}

// Frames that a camera with the right keys signs, and that are wrong all the same. `StaticKey` signs
// nothing but what `Sealer::seal` has just encrypted, so the crate itself cannot be made to sign them.

/// What the vault says to one frame that is signed properly.
fn judged(lie: impl Fn(&RogueCamera) -> SealedFrame) -> Option<FrameError> {
    let (camera, mut opener) = rogue_session();
    let sealed = lie(&camera);
    opener.open(sealed, captured(0)).err()
}

#[test]
fn a_signed_frame_with_another_content_was_altered() {
    let header: Vec<u8> = minicbor::to_vec(honest_header()).unwrap();
    for at in [0, MODE.bytes() / 2, MODE.bytes(), MODE.bytes() + TAG - 1] {
        let refused = judged(|camera| {
            let mut sealed = camera.seal(&honest_header(), pixels());
            sealed.ciphertext[at] ^= 1;
            camera.sign(sealed.header, sealed.ciphertext)
        });
        assert_eq!(refused, Some(FrameError::Altered), "byte {at}");
    }
    for length in [0, 1, TAG - 1, TAG, MODE.bytes(), MODE.bytes() + TAG + 1] {
        let refused = judged(|camera| camera.sign(header.clone(), vec![0; length]));
        assert_eq!(refused, Some(FrameError::Altered), "{length} bytes");
    }
}

/// The header is authenticated with the pixels, not only signed beside them.
#[test]
fn a_signed_frame_under_another_header_was_altered() {
    let other = Header { sequence: 1, ..honest_header() };
    let other: Vec<u8> = minicbor::to_vec(&other).unwrap();
    let refused = judged(|camera| {
        let sealed = camera.seal(&honest_header(), pixels());
        camera.sign(other.clone(), sealed.ciphertext)
    });
    assert_eq!(refused, Some(FrameError::Altered));
}

/// The nonce is the counter: the same frame under another nonce does not open.
#[test]
fn a_signed_frame_under_another_nonce_was_altered() {
    let header: Vec<u8> = minicbor::to_vec(honest_header()).unwrap();
    let refused = judged(|camera| camera.sign(header.clone(), camera.encrypt(1, &header, pixels())));
    assert_eq!(refused, Some(FrameError::Altered));
}

#[test]
fn a_signed_frame_of_another_camera_is_refused() {
    for camera_id in ["", "usb:1-2:046d:085e:8", "usb:1-2:046d:085e:7 "] {
        let header = Header { camera: camera_id.to_owned(), ..honest_header() };
        let refused = judged(|camera| camera.seal(&header, pixels()));
        assert_eq!(refused, Some(FrameError::OtherCamera), "{camera_id:?}");
    }
}

#[test]
fn a_signed_frame_of_another_mode_is_refused() {
    let wider = Mode { width: 97, ..MODE };
    let higher = Mode { height: 97, ..MODE };
    let coloured = Mode { format: Format::Rgb, ..MODE };
    for mode in [wider, higher, coloured] {
        let header = Header { mode, ..honest_header() };
        let refused = judged(|camera| camera.seal(&header, vec![0; mode.bytes()]));
        assert_eq!(refused, Some(FrameError::OtherFormat), "{mode:?}");
    }
}

#[test]
fn a_signed_frame_with_too_few_or_too_many_pixels_is_refused() {
    for length in [0, MODE.bytes() - 1, MODE.bytes() + 1] {
        let refused = judged(|camera| camera.seal(&honest_header(), vec![0; length]));
        assert_eq!(refused, Some(FrameError::OtherFormat), "{length} bytes");
    }
}

#[test]
fn a_signed_header_that_is_not_one_is_malformed() {
    let good: Vec<u8> = minicbor::to_vec(honest_header()).unwrap();
    let mut bad: Vec<Vec<u8>> = (0..good.len()).map(|length| good[..length].to_vec()).collect();
    bad.push(joined(&[&good, &[0]]));
    // Five fields announced in a longer way than needed.
    bad.push(joined(&[&[0x98, 0x05], &good[1..]]));
    bad.push(vec![0xff; good.len()]);
    for header in bad {
        let refused = judged(|camera| {
            let ciphertext = camera.encrypt(0, &header, pixels());
            camera.sign(header.clone(), ciphertext)
        });
        assert_eq!(refused, Some(FrameError::Malformed), "{header:02x?}");
    }
}

#[test]
fn a_signed_counter_must_be_the_next_one() {
    for counter in [1, 2, u64::MAX] {
        let header = Header { counter, ..honest_header() };
        let refused = judged(|camera| camera.seal(&header, pixels()));
        assert_eq!(refused, Some(FrameError::Gap), "{counter}");
    }
}

// Sealing.

#[test]
fn pixels_of_another_size_are_not_sealed() {
    let (mut sealer, mut opener) = session();
    for length in [0, MODE.bytes() - 1, MODE.bytes() + 1, MODE.bytes() * 3] {
        let refused = sealer.seal(vec![0; length], 0, captured(0)).err();
        assert_eq!(refused, Some(FrameError::OtherFormat), "{length} bytes");
    }
    // Nothing was counted: the first good frame is the session's first.
    assert_eq!(opener.open(seal(&mut sealer, 0), captured(0)).unwrap().counter, 0);
}

// Modes.

#[test]
fn modes_out_of_bounds_are_refused_everywhere() {
    for side in [0, 95, 1921, u32::MAX] {
        for mode in [Mode { width: side, ..MODE }, Mode { height: side, ..MODE }] {
            assert_eq!(mode.checked(), Err(FrameError::OtherFormat), "{mode:?}");

            let (opening, offer) = offer();
            let refused = accept(key(CAMERA), public(VAULT), ID, mode, offer.as_bytes()).err();
            assert_eq!(refused, Some(FrameError::OtherFormat), "accept, {mode:?}");

            let (answer, _) = RogueCamera::answer(CAMERA, offer.as_bytes(), mode);
            let refused = opening.finish(&answer, CLOCK).err();
            assert_eq!(refused, Some(FrameError::OtherFormat), "finish, {mode:?}");
        }
    }
    for side in [96, 1920] {
        let mode = Mode { width: side, height: side, format: Format::Rgb };
        assert_eq!(mode.checked(), Ok(mode));
        assert_eq!(mode.bytes(), side as usize * side as usize * 3);
    }
}

// Offers and answers.

#[test]
fn an_offer_for_another_camera_is_refused() {
    let (_, offer) = offer();
    for other in ["", "usb:1-2:046d:085e:8", "usb:1-2:046d:085e:7#1"] {
        let refused = accept(key(CAMERA), public(VAULT), other, MODE, offer.as_bytes()).err();
        assert_eq!(refused, Some(FrameError::OtherCamera), "{other:?}");
    }
}

#[test]
fn an_offer_by_another_vault_is_refused() {
    let (_, offer) = Opening::offer(&key(STRANGER), ID, public(CAMERA), [9; 32]).unwrap();
    assert_eq!(answer(offer.as_bytes()).err(), Some(FrameError::BadSignature));
}

#[test]
fn an_answer_by_another_camera_is_refused() {
    let (opening, offer) = offer();
    let (answer, _) = accept(key(STRANGER), public(VAULT), ID, MODE, offer.as_bytes()).unwrap();
    assert_eq!(opening.finish(&answer, CLOCK).err(), Some(FrameError::BadSignature));
}

#[test]
fn an_answer_to_another_offer_is_refused() {
    let (_, other) = offer();
    let (opening, _) = offer();
    let (answer, _) = answer(other.as_bytes()).unwrap();
    assert_eq!(opening.finish(&answer, CLOCK).err(), Some(FrameError::BadSignature));
}

/// Each kind of message is signed in a domain of its own, so that none passes for another even where
/// both sides have the same key.
#[test]
fn an_offer_is_no_answer_and_an_answer_no_offer() {
    let (opening, offer) = Opening::offer(&key(CAMERA), ID, public(CAMERA), [9; 32]).unwrap();
    let (answer, _) = accept(key(CAMERA), public(CAMERA), ID, MODE, offer.as_bytes()).unwrap();
    let refused = accept(key(CAMERA), public(CAMERA), ID, MODE, &answer).err();
    assert_eq!(refused, Some(FrameError::BadSignature));
    assert_eq!(opening.finish(offer.as_bytes(), CLOCK).err(), Some(FrameError::BadSignature));
}

/// Bytes that are not a message at all, made from one that is.
fn not_messages(good: &[u8]) -> Vec<Vec<u8>> {
    let mut bad: Vec<Vec<u8>> = (0..good.len()).map(|length| good[..length].to_vec()).collect();
    bad.push(joined(&[good, &[0]]));
    bad.push(joined(&[good, good]));
    // Two fields announced in a longer way than needed, and without a count.
    bad.push(joined(&[&[0x98, 0x02], &good[1..]]));
    bad.push(joined(&[&[0x9f], &good[1..], &[0xff]]));
    bad.push(vec![0xff; good.len()]);
    // More fields, and a longer body, than there are bytes in the world.
    bad.push(joined(&[&[0x9b], &[0xff; 8]]));
    bad.push(joined(&[&[0x82, 0x5b], &[0xff; 8]]));
    bad
}

#[test]
fn what_is_not_an_offer_is_malformed() {
    let (_, good) = offer();
    for bad in not_messages(good.as_bytes()) {
        assert_eq!(answer(&bad).err(), Some(FrameError::Malformed), "{bad:02x?}");
    }
}

#[test]
fn what_is_not_an_answer_is_malformed() {
    let (_, first) = offer();
    let (good, _) = answer(first.as_bytes()).unwrap();
    for bad in not_messages(&good) {
        let (opening, _) = offer();
        assert_eq!(opening.finish(&bad, CLOCK).err(), Some(FrameError::Malformed), "{bad:02x?}");
    }
}

#[test]
fn a_signature_of_nothing_or_of_zeros_is_refused() {
    let (opening, good) = offer();
    for signature in [[0u8; 64], [0xff; 64]] {
        let signed = Signed { signature: signature.into(), ..taken_apart(good.as_bytes()) };
        let bad: Vec<u8> = minicbor::to_vec(&signed).unwrap();
        assert_eq!(answer(&bad).err(), Some(FrameError::BadSignature));
    }
    let (answered, _) = answer(good.as_bytes()).unwrap();
    let signed = Signed { signature: [0u8; 64].into(), ..taken_apart(&answered) };
    let bad: Vec<u8> = minicbor::to_vec(&signed).unwrap();
    assert_eq!(opening.finish(&bad, CLOCK).err(), Some(FrameError::BadSignature));
}

/// A point with this tag and this number as its only coordinate.
fn point(tag: u8, x: u8) -> [u8; 33] {
    let mut bytes = [0u8; 33];
    bytes[0] = tag;
    bytes[32] = x;
    bytes
}

/// Neither 1 nor anything from the field's size on is the x of a point of P-256.
fn no_points() -> Vec<[u8; 33]> {
    let mut beyond = [0xffu8; 33];
    beyond[0] = 2;
    vec![[0; 33], point(2, 1), point(3, 1), beyond]
}

/// An offer's body as the honest vault writes it.
fn offer_body() -> OfferBody {
    let (_, offer) = offer();
    minicbor::decode(&taken_apart(offer.as_bytes()).body).unwrap()
}

#[test]
fn a_signed_offer_that_is_wrong_inside_is_refused() {
    let refusal = |body: &OfferBody| answer(&offer_of(&VAULT, &minicbor::to_vec(body).unwrap())).err();
    assert_eq!(refusal(&offer_body()), None);
    for version in [0, 2, 255] {
        let refused = refusal(&OfferBody { version, ..offer_body() });
        assert_eq!(refused, Some(FrameError::Malformed), "version {version}");
    }
    for bytes in no_points() {
        let refused = refusal(&OfferBody { vault_ephemeral: ByteArray::from(bytes), ..offer_body() });
        assert_eq!(refused, Some(FrameError::BadKey), "{bytes:02x?}");
    }
    let good: Vec<u8> = minicbor::to_vec(offer_body()).unwrap();
    for body in [good[..good.len() - 1].to_vec(), joined(&[&good, &[0]]), Vec::new()] {
        assert_eq!(answer(&offer_of(&VAULT, &body)).err(), Some(FrameError::Malformed), "{body:02x?}");
    }
}

#[test]
fn a_signed_answer_that_is_wrong_inside_is_refused() {
    let honest: Vec<u8> = {
        let (_, offer) = offer();
        let (answer, _) = answer(offer.as_bytes()).unwrap();
        taken_apart(&answer).body.to_vec()
    };
    let refusal = |body: &[u8]| {
        let (opening, offer) = offer();
        opening.finish(&answer_of(&CAMERA, offer.as_bytes(), body), CLOCK).err()
    };
    assert_eq!(refusal(&honest), None);
    for bytes in no_points() {
        let body = AnswerBody { camera_ephemeral: ByteArray::from(bytes), mode: MODE };
        let body: Vec<u8> = minicbor::to_vec(&body).unwrap();
        assert_eq!(refusal(&body), Some(FrameError::BadKey), "{bytes:02x?}");
    }
    for body in [honest[..honest.len() - 1].to_vec(), joined(&[&honest, &[0]]), Vec::new()] {
        assert_eq!(refusal(&body), Some(FrameError::Malformed), "{body:02x?}");
    }
}

// Keys.

#[test]
fn a_private_key_is_a_number_below_the_order() {
    let mut largest = ORDER;
    largest[31] -= 1;
    assert!(StaticKey::from_bytes(&largest).is_ok());
    for bad in [[0; 32], ORDER, [0xff; 32]] {
        assert_eq!(StaticKey::from_bytes(&bad).err(), Some(FrameError::BadKey), "{bad:02x?}");
    }
}

#[test]
fn a_private_key_has_thirty_two_bytes() {
    for length in (0..32).chain([33, 64]) {
        let bytes = vec![1; length];
        assert_eq!(StaticKey::from_bytes(&bytes).err(), Some(FrameError::BadKey), "{length} bytes");
    }
}

#[test]
fn a_private_key_comes_back_from_its_bytes() {
    let made = StaticKey::generate().unwrap();
    let again = StaticKey::from_bytes(&*made.to_bytes()).unwrap();
    assert_eq!(made.public(), again.public());
    assert_ne!(made.public(), StaticKey::generate().unwrap().public());
}

#[test]
fn a_public_key_is_a_point_in_thirty_three_bytes() {
    let good = public(CAMERA).to_bytes();
    assert_eq!(PublicKey::from_bytes(&good).unwrap(), public(CAMERA));
    for length in [0, 1, 32, 34, 65] {
        let bytes: Vec<u8> = good.iter().copied().chain(std::iter::repeat(0)).take(length).collect();
        assert_eq!(PublicKey::from_bytes(&bytes).err(), Some(FrameError::BadKey), "{length} bytes");
    }
    for bytes in no_points() {
        assert_eq!(PublicKey::from_bytes(&bytes).err(), Some(FrameError::BadKey), "{bytes:02x?}");
    }
}

/// The same point written in another way would be the same key under another name.
#[test]
fn a_public_key_has_one_spelling() {
    let good = public(CAMERA).to_bytes();
    let whole = p256::PublicKey::from_sec1_bytes(&good).unwrap().to_sec1_point(false);
    assert_eq!(PublicKey::from_bytes(whole.as_bytes()).err(), Some(FrameError::BadKey));
    for tag in (0..=255).filter(|tag| ![2, 3].contains(tag)) {
        let mut bytes = good.clone();
        bytes[0] = tag;
        assert_eq!(PublicKey::from_bytes(&bytes).err(), Some(FrameError::BadKey), "tag {tag}");
    }
}

#[test]
fn secrets_do_not_show_themselves() {
    assert_eq!(format!("{:?}", key(CAMERA)), "StaticKey(redacted)");
    let (mut sealer, mut opener) = session();
    let frame: Frame = opener.open(seal(&mut sealer, 0), captured(0)).unwrap();
    let shown = format!("{frame:?}");
    assert!(shown.contains("pixels redacted"), "{shown}");
    // Every pixel is 200.
    assert!(!shown.contains("200") && !shown.contains("c8"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_bytes_are_an_offer(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(answer(&bytes).is_err());
    }

    #[test]
    fn no_unsigned_body_is_an_offer(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        r in any::<[u8; 32]>(), s in any::<[u8; 32]>(),
    ) {
        let mut signature = [0u8; 64];
        signature[..32].copy_from_slice(&r);
        signature[32..].copy_from_slice(&s);
        let signed = Signed { body: body.into(), signature: signature.into() };
        let bytes: Vec<u8> = minicbor::to_vec(&signed).unwrap();
        prop_assert!(answer(&bytes).is_err());
    }

    #[test]
    fn no_signed_bytes_are_an_offer(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(answer(&offer_of(&VAULT, &body)).err(), Some(FrameError::Malformed));
    }

    #[test]
    fn no_bytes_are_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let (opening, _) = offer();
        prop_assert!(opening.finish(&bytes, CLOCK).is_err());
    }

    #[test]
    fn no_signed_bytes_are_an_answer(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (opening, offer) = offer();
        let answer = answer_of(&CAMERA, offer.as_bytes(), &body);
        prop_assert_eq!(opening.finish(&answer, CLOCK).err(), Some(FrameError::Malformed));
    }

    #[test]
    fn no_bytes_are_a_frame(
        header in proptest::collection::vec(any::<u8>(), 0..100),
        ciphertext in proptest::collection::vec(any::<u8>(), 0..200),
        signature in proptest::collection::vec(any::<u8>(), 0..70),
        now_us in any::<u64>(),
    ) {
        let (_, mut opener) = session();
        let sealed = SealedFrame { header, ciphertext, signature };
        prop_assert_eq!(opener.open(sealed, now_us).err(), Some(FrameError::BadSignature));
    }

    #[test]
    fn no_signed_bytes_are_a_frame(
        header in proptest::collection::vec(any::<u8>(), 0..100),
        ciphertext in proptest::collection::vec(any::<u8>(), 0..200),
        now_us in any::<u64>(),
    ) {
        let (camera, mut opener) = rogue_session();
        let sealed = camera.sign(header, ciphertext);
        prop_assert_eq!(opener.open(sealed, now_us).err(), Some(FrameError::Malformed));
    }

    #[test]
    fn one_flipped_bit_of_a_frame_is_noticed(
        which in 0usize..3, at in any::<proptest::sample::Index>(), bit in 0u32..8,
    ) {
        let (mut sealer, mut opener) = session();
        let mut sealed = seal(&mut sealer, 0);
        let bytes = part(&mut sealed, which);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(opener.open(sealed, captured(0)).err(), Some(FrameError::BadSignature));
    }

    #[test]
    fn one_flipped_bit_of_an_offer_is_noticed(at in any::<proptest::sample::Index>(), bit in 0u32..8) {
        let (_, offer) = offer();
        let mut bytes = offer.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(answer(&bytes).is_err());
    }

    #[test]
    fn one_flipped_bit_of_an_answer_is_noticed(at in any::<proptest::sample::Index>(), bit in 0u32..8) {
        let (opening, offer) = offer();
        let (mut bytes, _) = answer(offer.as_bytes()).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(opening.finish(&bytes, CLOCK).is_err());
    }

    /// A camera that signs and seals properly gets through with the one honest header, and no other.
    #[test]
    fn a_signed_frame_opens_only_with_an_honest_header(
        counter in 0u64..2, own in any::<bool>(), width in 96u32..98, rgb in any::<bool>(),
        age_us in -1_000i64..(OLDEST_US as i64 + 1_000), sequence in any::<u32>(),
    ) {
        let format = if rgb { Format::Rgb } else { Format::Grey };
        let mode = Mode { width, height: 96, format };
        let camera_id = if own { ID } else { "another" };
        let header =
            Header { counter, mode, sequence, captured_us: captured(0), camera: camera_id.to_owned() };
        let (camera, mut opener) = rogue_session();
        let now_us = captured(0).checked_add_signed(age_us).unwrap();
        let opened = opener.open(camera.seal(&header, vec![5; mode.bytes()]), now_us);
        let in_time = (0..=OLDEST_US as i64).contains(&age_us);
        prop_assert_eq!(opened.is_ok(), counter == 0 && own && mode == MODE && in_time);
    }
}
