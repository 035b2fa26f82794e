//! Bytes as the vault's records after their seal was opened: what is taken comes back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vultus_vault::clock::Moment;
use vultus_vault::lockout::Counter;
use vultus_vault::records::{CameraPairing, Past, Template, from_bytes, to_bytes};

/// The first byte chooses the record, the rest is its content.
fn run(data: &[u8]) {
    let Some((&which, content)) = data.split_first() else {
        return;
    };
    match which % 4 {
        0 => template(content),
        1 => pairing(content),
        2 => past(content),
        _ => counter(content),
    }
}

/// Numbers are scaled to length 1 whenever they are read, so they come back but for rounding.
fn template(content: &[u8]) {
    let Ok(read) = Template::from_bytes(content) else {
        return;
    };
    let written = read.to_bytes().expect("what was read can be written");
    let again = Template::from_bytes(&written).expect("what was written can be read");
    assert!(read.label == again.label && read.camera == again.camera);
    assert_eq!(read.shots.len(), again.shots.len());
    let pairs = std::iter::once((&read.mean, &again.mean)).chain(read.shots.iter().zip(&again.shots));
    for (one, other) in pairs {
        let apart = one.numbers().iter().zip(other.numbers()).map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f32::max) < 1e-5, "numbers changed on the way");
    }
}

/// The content may be spelled otherwise than the vault spells it: its own spelling is the last.
fn pairing(content: &[u8]) {
    let Ok(read) = CameraPairing::from_bytes(content) else {
        return;
    };
    let written = read.to_bytes().expect("what was read can be written");
    let again = CameraPairing::from_bytes(&written).expect("what was written can be read");
    let rewritten = again.to_bytes().expect("what was read can be written");
    assert!(*written == *rewritten, "a pairing changed on the way");
}

/// Digests come back bit for bit.
fn past(content: &[u8]) {
    let Ok(read) = Past::from_bytes(content) else {
        return;
    };
    let written = read.to_bytes().expect("what was read can be written");
    let again = Past::from_bytes(&written).expect("what was written can be read");
    assert!(read.key == again.key && read.attempts == again.attempts, "a past changed on the way");
}

/// Any counter can be judged, charged and refunded, at any moment.
fn counter(content: &[u8]) {
    let Ok(read) = from_bytes::<Counter>(content) else {
        return;
    };
    let written = to_bytes(&read).expect("what was read can be written");
    let again: Counter = from_bytes(&written).expect("what was written can be read");
    assert_eq!(read, again);
    for (boot, since_boot_ms) in [(read.boot.as_str(), 0), (read.boot.as_str(), u64::MAX), ("another", 1)] {
        let now = Moment { boot: boot.to_owned(), since_boot_ms };
        let _ = read.admission(&now);
        assert!(read.charged(&now).refunded().in_a_row == 0);
    }
}

fuzz_target!(|data: &[u8]| { run(data) });
