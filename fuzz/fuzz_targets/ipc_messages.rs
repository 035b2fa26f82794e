//! Bytes as a message of each local boundary: what is taken is written again in the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vultus_ipc::camera::{CameraReply, CameraRequest};
use vultus_ipc::login::{LoginReply, LoginRequest};
use vultus_ipc::password::{PasswordReply, PasswordRequest};
use vultus_ipc::vault::{VaultReply, VaultRequest};
use vultus_ipc::wire::{self, Message, PREFIX};

/// The first byte chooses the type, the rest is the body.
fn run(data: &[u8]) {
    let Some((&which, body)) = data.split_first() else {
        return;
    };
    match which % 8 {
        0 => check::<LoginRequest>(body),
        1 => check::<LoginReply>(body),
        2 => check::<VaultRequest>(body),
        3 => check::<VaultReply>(body),
        4 => check::<CameraRequest>(body),
        5 => check::<CameraReply>(body),
        6 => check::<PasswordRequest>(body),
        _ => check::<PasswordReply>(body),
    }
}

fn check<M: Message>(body: &[u8]) {
    // A connection reads no more than it let the prefix announce.
    if wire::announced::<M>((body.len() as u32).to_le_bytes()).is_err() {
        return;
    }
    if let Ok(message) = wire::decode::<M>(body) {
        let framed = wire::encode(&message).expect("what was read can be written");
        assert_eq!(&framed[PREFIX..], body, "a message with two spellings");
    }
}

fuzz_target!(|data: &[u8]| { run(data) });
