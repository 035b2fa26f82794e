//! Bytes as offer, answer and frame, unsigned and properly signed: nothing that the fuzzer can write
//! becomes a session or a frame unless it is the one that is due.
#![no_main]

#[allow(dead_code)]
#[path = "../../frames/tests/rogue/mod.rs"]
mod rogue;

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use rogue::{AnswerBody, OfferBody, RogueCamera};
use vultus_frames::{Format, FrameClock, FrameError, Mode, Offer, Opening, SealedFrame, StaticKey, accept};

const VAULT: [u8; 32] = [1; 32];
const CAMERA: [u8; 32] = [2; 32];
const ID: &str = "c";
const MODE: Mode = Mode { width: 96, height: 96, format: Format::Grey };
const CLOCK: FrameClock = FrameClock { oldest: Duration::from_secs(1) };
const NOW_US: u64 = 1_000_000;

/// The first byte chooses who reads, the rest is what is read.
fn run(data: &[u8]) {
    let Some((&which, bytes)) = data.split_first() else {
        return;
    };
    match which % 6 {
        0 => assert!(answered(bytes).is_err(), "an offer that the vault did not sign"),
        1 => signed_offer(bytes),
        2 => assert!(offered().0.finish(bytes, CLOCK).is_err(), "an answer that the camera did not sign"),
        3 => signed_answer(bytes),
        4 => frame(bytes),
        _ => signed_frame(bytes),
    }
}

fn key(secret: [u8; 32]) -> StaticKey {
    StaticKey::from_bytes(&secret).expect("a fixed key is a key")
}

fn offered() -> (Opening, Offer) {
    Opening::offer(&key(VAULT), ID, key(CAMERA).public(), [9; 32]).expect("an offer can be made")
}

fn answered(offer: &[u8]) -> Result<Vec<u8>, FrameError> {
    accept(key(CAMERA), key(VAULT).public(), ID, MODE, offer).map(|(answer, _)| answer)
}

/// A vault that was taken over signs what it likes.
fn signed_offer(body: &[u8]) {
    if answered(&rogue::offer_of(&VAULT, body)).is_ok() {
        let read: OfferBody = minicbor::decode(body).expect("an accepted offer has its form");
        assert_eq!((read.version, read.camera.as_str()), (1, ID));
        assert_eq!(minicbor::to_vec(&read).expect("what was read can be written"), body);
    }
}

/// A camera process that was taken over signs what it likes.
fn signed_answer(body: &[u8]) {
    let (opening, offer) = offered();
    if let Ok(opener) = opening.finish(&rogue::answer_of(&CAMERA, offer.as_bytes(), body), CLOCK) {
        let read: AnswerBody = minicbor::decode(body).expect("an accepted answer has its form");
        assert_eq!(read.mode, opener.mode());
        assert!(read.mode.checked().is_ok(), "a mode out of bounds");
        assert_eq!(minicbor::to_vec(&read).expect("what was read can be written"), body);
    }
}

/// The first two bytes say where to cut the rest in three.
fn frame(bytes: &[u8]) {
    let [first, second, rest @ ..] = bytes else {
        return;
    };
    let (header, rest) = rest.split_at(usize::from(*first).min(rest.len()));
    let (signature, ciphertext) = rest.split_at(usize::from(*second).min(rest.len()));
    let (opening, offer) = offered();
    let (answer, _) = RogueCamera::answer(CAMERA, offer.as_bytes(), MODE);
    let mut opener = opening.finish(&answer, CLOCK).expect("an honest answer is taken");
    let sealed = SealedFrame {
        header: header.to_vec(),
        ciphertext: ciphertext.to_vec(),
        signature: signature.to_vec(),
    };
    assert_eq!(opener.open(sealed, NOW_US).err(), Some(FrameError::BadSignature));
}

/// The first byte is the length of the header; the rest is ciphertext that no session key made.
fn signed_frame(bytes: &[u8]) {
    let Some((&length, rest)) = bytes.split_first() else {
        return;
    };
    let (header, ciphertext) = rest.split_at(usize::from(length).min(rest.len()));
    let (opening, offer) = offered();
    let (answer, camera) = RogueCamera::answer(CAMERA, offer.as_bytes(), MODE);
    let mut opener = opening.finish(&answer, CLOCK).expect("an honest answer is taken");
    let opened = opener.open(camera.sign(header.to_vec(), ciphertext.to_vec()), NOW_US);
    assert!(opened.is_err(), "a frame that was never sealed");
}

fuzz_target!(|data: &[u8]| { run(data) });
