//! The bytes of every message: fixed for good, one spelling for each, and nothing else is taken.

use std::fmt::Debug;

use minicbor::bytes::ByteVec;
use proptest::prelude::*;
use vultus_ipc::camera::{CameraRecord, CameraRefusal, CameraReply, CameraRequest, Spectrum};
use vultus_ipc::login::{LoginQuestion, LoginReply, LoginRequest, SERVICE_LENGTH};
use vultus_ipc::password::{Echo, PasswordRefusal, PasswordReply, PasswordRequest};
use vultus_ipc::vault::{
    AccountRecord, Action, CAMERA_ID_LENGTH, Ceremony, Confirmed, DeviceRecord, FaceRecord, LABEL_LENGTH,
    PACKET_LENGTH, PairedCamera, Pairing, RequestRecord, ServerRecord, VaultReply, VaultRequest, VaultStatus,
};
use vultus_ipc::wire::{self, PREFIX};
use vultus_ipc::{Guidance, IpcError, Message, Reason, Verdict};

const NONCE: [u8; 32] = [0xab; 32];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Bytes from hexadecimal digits, where `N` stands for [`NONCE`] as it is encoded.
fn unhex(digits: &str) -> Vec<u8> {
    let nonce = format!("5820{}", "ab".repeat(32));
    let digits = digits.replace('N', &nonce).replace(' ', "");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// A small number as it is encoded.
fn number(n: usize) -> String {
    if n < 24 { format!("{n:02x}") } else { format!("18{n:02x}") }
}

fn bytes(bytes: &[u8]) -> ByteVec {
    bytes.to_vec().into()
}

fn refused<M: Message + Debug>(body: &[u8]) {
    match wire::decode::<M>(body) {
        Err(IpcError::Malformed(_)) => {}
        other => panic!("{} is {other:?}", hex(body)),
    }
}

/// The message has exactly these bytes behind its length, they are the message, and neither any part of
/// them nor anything longer is one.
fn fixed<M: Message + PartialEq + Debug>(message: M, digits: &str) {
    let framed = wire::encode(&message).unwrap();
    let (prefix, body) = framed.split_at(PREFIX);
    assert_eq!(hex(body), hex(&unhex(digits)), "{message:?}");
    assert_eq!(hex(prefix), hex(&(body.len() as u32).to_le_bytes()), "{message:?}");
    assert_eq!(wire::decode::<M>(body).unwrap(), message);
    for length in 0..body.len() {
        refused::<M>(&body[..length]);
    }
    for trailing in [0x00, 0x80, 0xf6, 0xff] {
        let mut longer = body.to_vec();
        longer.push(trailing);
        refused::<M>(&longer);
    }
}

fn question() -> LoginQuestion {
    LoginQuestion { nonce: NONCE.into(), uid: 1000, service: "su".to_owned(), wait_ms: 5000 }
}

fn face() -> FaceRecord {
    FaceRecord { face: 0, label: "l".to_owned(), camera: "c".to_owned(), shots: 5 }
}

// One row or more for each variant. A new variant gets a new number and a new row; a row that must be
// changed is a message that an installed part no longer understands.

#[test]
fn the_login_boundary() {
    fixed(LoginRequest::Ask(question()), "82 00 81 84 N 1903e8 627375 191388");
    refused::<LoginRequest>(&unhex("82 01 80"));

    fixed(LoginReply::Guide(Guidance::NoFace), "82 00 81 82 00 80");
    let answer = |verdict| LoginReply::Answer { question: question(), verdict };
    fixed(answer(Verdict::Refused), "82 01 82 84 N 1903e8 627375 191388 82 00 80");
    fixed(answer(Verdict::Accepted), "82 01 82 84 N 1903e8 627375 191388 82 01 80");
    refused::<LoginReply>(&unhex("82 02 80"));
}

#[test]
fn the_requests_to_the_vault() {
    let camera = || "c".to_owned();
    fixed(VaultRequest::Status, "82 00 80");
    fixed(VaultRequest::Cameras, "82 01 80");
    for (screen, digits) in [(false, "f4"), (true, "f5")] {
        fixed(
            VaultRequest::Verify { uid: 1000, camera: Some(camera()), wait_ms: 5000, screen },
            &format!("82 02 84 1903e8 6163 191388 {digits}"),
        );
    }
    fixed(
        VaultRequest::Verify { uid: 1000, camera: None, wait_ms: 5000, screen: false },
        "82 02 84 1903e8 f6 191388 f4",
    );
    fixed(VaultRequest::Login(question()), "82 03 81 84 N 1903e8 627375 191388");
    fixed(
        VaultRequest::Enroll {
            uid: 7,
            label: "l".to_owned(),
            camera: Some(camera()),
            ticket: NONCE.into(),
            wait_ms: 1,
        },
        "82 04 85 07 616c 6163 N 01",
    );
    fixed(
        VaultRequest::Enroll {
            uid: 7,
            label: "l".to_owned(),
            camera: None,
            ticket: NONCE.into(),
            wait_ms: 1,
        },
        "82 04 85 07 616c f6 N 01",
    );
    fixed(VaultRequest::ListFaces { uid: u32::MAX }, "82 05 81 1affffffff");
    fixed(VaultRequest::DeleteFaces { uid: 7, face: Some(2), ticket: NONCE.into() }, "82 06 83 07 02 N");
    fixed(VaultRequest::DeleteFaces { uid: 7, face: None, ticket: NONCE.into() }, "82 06 83 07 f6 N");
    fixed(VaultRequest::ClearLockout { uid: 7, ticket: NONCE.into() }, "82 07 82 07 N");
    fixed(VaultRequest::RequestTicket { uid: 7, action: Action::Delete }, "82 08 82 07 01");
    fixed(
        VaultRequest::GrantTicket {
            uid: 7,
            action: Action::ClearLockout,
            nonce: NONCE.into(),
            boot: "b".to_owned(),
        },
        "82 09 84 07 02 N 6162",
    );
    fixed(VaultRequest::PairCamera { camera: camera() }, "82 0a 81 6163");
    fixed(VaultRequest::UnpairCamera { camera: camera() }, "82 0b 81 6163");
    fixed(VaultRequest::DiscoverCameras, "82 0c 80");
    let packet = || bytes(&[0xd2, 0x84]);
    let text = |t: &str| t.to_owned();
    fixed(VaultRequest::PinServer { packet: packet() }, "82 0d 81 42d284");
    fixed(VaultRequest::UnpinServer { server: text("s") }, "82 0e 81 6173");
    fixed(VaultRequest::UpdateServerKeys { packet: packet() }, "82 0f 81 42d284");
    fixed(VaultRequest::Servers, "82 10 80");
    fixed(
        VaultRequest::BeginDeviceEnrolment { server: text("s"), manufacturer: text("a"), model: text("b") },
        "82 11 83 6173 6161 6162",
    );
    fixed(VaultRequest::AnswerDeviceChallenge { packet: packet() }, "82 12 81 42d284");
    fixed(VaultRequest::FinishDeviceEnrolment { packet: packet() }, "82 13 81 42d284");
    fixed(VaultRequest::DeviceInformation { server: text("s"), service: text("t") }, "82 14 82 6173 6174");
    for (n, ceremony) in
        [Ceremony::Registration, Ceremony::Authentication, Ceremony::Deregistration].into_iter().enumerate()
    {
        fixed(
            VaultRequest::Perform {
                uid: 7,
                ceremony,
                packet: packet(),
                camera: None,
                wait_ms: 5000,
                screen: true,
            },
            &format!("82 15 86 07 {} 42d284 f6 191388 f5", number(n)),
        );
        fixed(
            VaultRequest::FinishCeremony { uid: 7, ceremony, packet: packet() },
            &format!("82 1819 83 07 {} 42d284", number(n)),
        );
    }
    fixed(VaultRequest::Confirm { text: text("Pay") }, "82 16 81 63506179");
    fixed(
        VaultRequest::Assert {
            uid: 7,
            audience: text("a"),
            nonce: packet(),
            camera: Some(camera()),
            wait_ms: 5000,
            screen: true,
        },
        "82 17 86 07 6161 42d284 6163 191388 f5",
    );
    fixed(VaultRequest::AssertionKey { audience: text("a") }, "82 1818 81 6161");
    fixed(VaultRequest::Accounts { uid: 7 }, "82 181a 81 07");
    fixed(
        VaultRequest::RemoveAccount {
            uid: 7,
            server: text("s"),
            service: text("t"),
            account: text("a"),
            ticket: NONCE.into(),
        },
        "82 181b 85 07 6173 6174 6161 N",
    );
    refused::<VaultRequest>(&unhex("82 0d 80"));
}

#[test]
fn the_replies_of_the_vault() {
    fixed(VaultReply::Done, "82 00 80");
    fixed(VaultReply::Refused(Reason::NotAllowed), "82 01 81 10");
    fixed(VaultReply::Guide(Guidance::HoldStill), "82 02 81 82 06 80");
    fixed(VaultReply::Judged(Verdict::Accepted), "82 03 81 82 01 80");
    fixed(VaultReply::Faces(Vec::new()), "82 04 81 80");
    fixed(VaultReply::Faces(vec![face(), face()]), "82 04 81 82 84 00 616c 6163 05 84 00 616c 6163 05");
    let camera = PairedCamera {
        id: "c".to_owned(),
        label: "l".to_owned(),
        spectrum: Spectrum::Grey,
        paired: Pairing::Paired,
    };
    fixed(VaultReply::Cameras(vec![camera]), "82 05 81 81 84 6163 616c 01 01");
    fixed(VaultReply::Ticket(NONCE.into()), "82 06 81 N");
    fixed(VaultReply::Enrolled(face()), "82 07 81 84 00 616c 6163 05");
    let status = |tpm| VaultStatus { tpm, cameras: 1, version: "v".to_owned() };
    fixed(VaultReply::Status(status(None)), "82 08 81 83 f6 01 6176");
    fixed(VaultReply::Status(status(Some(Reason::TpmAbsent))), "82 08 81 83 0b 01 6176");
    fixed(VaultReply::Packet(bytes(&[0xd2])), "82 09 81 41d2");
    let request = |transaction| RequestRecord {
        server: "s".to_owned(),
        service: "t".to_owned(),
        account: "a".to_owned(),
        transaction,
    };
    fixed(VaultReply::Request(request(None)), "82 0a 81 83 6173 6174 6161");
    fixed(VaultReply::Request(request(Some("Pay".to_owned()))), "82 0a 81 84 6173 6174 6161 63506179");
    let server = |device| ServerRecord { server: "s".to_owned(), version: 3, device };
    fixed(VaultReply::Servers(vec![server(None)]), "82 0b 81 81 82 6173 03");
    let device = [0xcd; 16];
    let device_digits = format!("50{}", "cd".repeat(16));
    fixed(
        VaultReply::Servers(vec![server(Some(device.into()))]),
        &format!("82 0b 81 81 83 6173 03 {device_digits}"),
    );
    fixed(
        VaultReply::Device(DeviceRecord {
            device: device.into(),
            manufacturer: "a".to_owned(),
            model: "b".to_owned(),
        }),
        &format!("82 0c 81 83 {device_digits} 6161 6162"),
    );
    fixed(VaultReply::Key([4; 65].into()), &format!("82 0d 81 5841{}", "04".repeat(65)));
    let account = |confirmed| AccountRecord {
        server: "s".to_owned(),
        service: "t".to_owned(),
        account: "a".to_owned(),
        confirmed,
    };
    fixed(
        VaultReply::Accounts(vec![account(None), account(Some(Confirmed::ByReceipt))]),
        "82 0e 81 82 83 6173 6174 6161 84 6173 6174 6161 00",
    );
    refused::<VaultReply>(&unhex("82 09 80"));
}

#[test]
fn the_camera_boundary() {
    fixed(CameraRequest::List, "82 00 80");
    fixed(CameraRequest::Pair { camera: "c".to_owned(), vault_key: bytes(&[1, 2]) }, "82 01 82 6163 420102");
    fixed(CameraRequest::Open { camera: "c".to_owned(), offer: bytes(&[3]) }, "82 02 82 6163 4103");
    refused::<CameraRequest>(&unhex("82 03 80"));

    let camera = CameraRecord { id: "c".to_owned(), label: "l".to_owned(), spectrum: Spectrum::Colour };
    fixed(CameraReply::Cameras(Vec::new()), "82 00 81 80");
    fixed(CameraReply::Cameras(vec![camera]), "82 00 81 81 83 6163 616c 00");
    fixed(CameraReply::Paired { camera_key: bytes(&[1]) }, "82 01 81 4101");
    fixed(CameraReply::Opened { answer: bytes(&[2]) }, "82 02 81 4102");
    let frame = CameraReply::Frame { header: bytes(&[1]), ciphertext: bytes(&[2]), signature: bytes(&[3]) };
    fixed(frame, "82 03 83 4101 4102 4103");
    fixed(CameraReply::Refused(CameraRefusal::Busy), "82 04 81 01");
    refused::<CameraReply>(&unhex("82 05 80"));
}

#[test]
fn the_password_boundary() {
    fixed(PasswordRequest::Begin { uid: 7, action: Action::Enroll, nonce: NONCE.into() }, "82 00 83 07 00 N");
    fixed(PasswordRequest::Answer("p".to_owned()), "82 01 81 6170");
    refused::<PasswordRequest>(&unhex("82 02 80"));

    fixed(PasswordReply::Ask { text: "t".to_owned(), echo: Echo::Hidden }, "82 00 82 6174 00");
    fixed(PasswordReply::Tell("t".to_owned()), "82 01 81 6174");
    fixed(PasswordReply::Granted, "82 02 80");
    fixed(PasswordReply::Refused(PasswordRefusal::NotTaken), "82 03 81 02");
    refused::<PasswordReply>(&unhex("82 04 80"));
}

#[test]
fn every_reason_keeps_its_number() {
    let reasons = [
        Reason::Internal,
        Reason::NoFace,
        Reason::NotEnrolled,
        Reason::Cancelled,
        Reason::Busy,
        Reason::CameraAbsent,
        Reason::CameraBusy,
        Reason::CameraGone,
        Reason::CameraUnpaired,
        Reason::FrameRejected,
        Reason::OtherCamera,
        Reason::TpmAbsent,
        Reason::TpmForeign,
        Reason::TpmPolicy,
        Reason::StateTampered,
        Reason::StateUnavailable,
        Reason::NotAllowed,
        Reason::PasswordNeeded,
        Reason::RemoteSession,
        Reason::IntentNeeded,
        Reason::NoSuchFace,
        Reason::TooManyFaces,
        Reason::BadRequest,
        Reason::SessionUnknown,
        Reason::ServerUnknown,
        Reason::PacketRejected,
        Reason::UnpinnedKey,
        Reason::PacketExpired,
        Reason::PacketMisdirected,
        Reason::NotRegistered,
        Reason::FaceChanged,
        Reason::PolicyUnmet,
        Reason::NotConfirmed,
        Reason::DeviceNotEnrolled,
        Reason::NoEndorsement,
        Reason::TooManyKeys,
    ];
    for (n, reason) in reasons.into_iter().enumerate() {
        fixed(VaultReply::Refused(reason), &format!("82 01 81 {}", number(n)));
    }
    refused::<VaultReply>(&unhex(&format!("82 01 81 {}", number(reasons.len()))));
}

#[test]
fn every_verdict_keeps_its_number() {
    fixed(VaultReply::Judged(Verdict::Refused), "82 03 81 82 00 80");
    fixed(VaultReply::Judged(Verdict::Accepted), "82 03 81 82 01 80");
    fixed(VaultReply::Judged(Verdict::LockedOut { seconds: 30 }), "82 03 81 82 02 81 181e");
    fixed(VaultReply::Judged(Verdict::NotJudged(Reason::NoFace)), "82 03 81 82 03 81 01");
    refused::<VaultReply>(&unhex("82 03 81 82 04 80"));
}

/// Whatever a broken sender writes for a verdict, it is never read as acceptance.
#[test]
fn only_one_spelling_accepts() {
    for bytes in ["01", "81 01", "82 01 81 01", "82 01 81 80", "82 01 f6", "82 01 a0", "82 1801 80", "f5"] {
        refused::<VaultReply>(&unhex(&format!("82 03 81 {bytes}")));
    }
}

#[test]
fn every_guidance_keeps_its_number() {
    let plain = [
        Guidance::NoFace,
        Guidance::OneFaceOnly,
        Guidance::MoveCloser,
        Guidance::MoveBack,
        Guidance::TooDark,
        Guidance::TooBright,
        Guidance::HoldStill,
        Guidance::LookAtCamera,
        Guidance::UncoverFace,
        Guidance::TurnLeft,
        Guidance::TurnRight,
        Guidance::LookUp,
        Guidance::LookDown,
    ];
    for (n, guidance) in plain.into_iter().enumerate() {
        fixed(VaultReply::Guide(guidance), &format!("82 02 81 82 {} 80", number(n)));
    }
    fixed(VaultReply::Guide(Guidance::Captured { have: 1, need: 5 }), "82 02 81 82 0d 82 01 05");
    let of_liveness = [
        Guidance::NodNow,
        Guidance::ShakeNow,
        Guidance::BlinkNow,
        Guidance::OpenMouthNow,
        Guidance::TurnLeftNow,
        Guidance::TurnRightNow,
        Guidance::WrongAction,
        Guidance::TooEarly,
        Guidance::TooLate,
        Guidance::NotContinuous,
        Guidance::PersonChanged,
        Guidance::ShownBefore,
        Guidance::NotLive,
        Guidance::ScreenRed,
        Guidance::ScreenYellow,
        Guidance::ScreenGreen,
        Guidance::ScreenCyan,
        Guidance::ScreenBlue,
        Guidance::ScreenMagenta,
        Guidance::ScreenOff,
    ];
    for (n, guidance) in (14..).zip(of_liveness) {
        fixed(VaultReply::Guide(guidance), &format!("82 02 81 82 {} 80", number(n)));
    }
    refused::<VaultReply>(&unhex("82 02 81 82 18 22 80"));
}

#[test]
fn every_refusal_of_a_camera_keeps_its_number() {
    let refusals = [
        CameraRefusal::NoSuchCamera,
        CameraRefusal::Busy,
        CameraRefusal::Unpaired,
        CameraRefusal::NotAllowed,
        CameraRefusal::NoFormat,
        CameraRefusal::Gone,
        CameraRefusal::BadOffer,
        CameraRefusal::Internal,
    ];
    for (n, refusal) in refusals.into_iter().enumerate() {
        fixed(CameraReply::Refused(refusal), &format!("82 04 81 {}", number(n)));
    }
    refused::<CameraReply>(&unhex(&format!("82 04 81 {}", number(refusals.len()))));
}

#[test]
fn every_small_word_keeps_its_number() {
    for (n, refusal) in [
        PasswordRefusal::WrongPassword,
        PasswordRefusal::NotAllowed,
        PasswordRefusal::NotTaken,
        PasswordRefusal::Unavailable,
    ]
    .into_iter()
    .enumerate()
    {
        fixed(PasswordReply::Refused(refusal), &format!("82 03 81 {}", number(n)));
    }
    refused::<PasswordReply>(&unhex("82 03 81 04"));

    for (n, echo) in [Echo::Hidden, Echo::Shown].into_iter().enumerate() {
        fixed(PasswordReply::Ask { text: String::new(), echo }, &format!("82 00 82 60 {}", number(n)));
    }
    refused::<PasswordReply>(&unhex("82 00 82 60 02"));

    for (n, action) in [Action::Enroll, Action::Delete, Action::ClearLockout].into_iter().enumerate() {
        fixed(VaultRequest::RequestTicket { uid: 0, action }, &format!("82 08 82 00 {}", number(n)));
    }
    refused::<VaultRequest>(&unhex("82 08 82 00 03"));

    for (n, spectrum) in [Spectrum::Colour, Spectrum::Grey].into_iter().enumerate() {
        let camera = CameraRecord { id: String::new(), label: String::new(), spectrum };
        fixed(CameraReply::Cameras(vec![camera]), &format!("82 00 81 81 83 60 60 {}", number(n)));
    }
    refused::<CameraReply>(&unhex("82 00 81 81 83 60 60 02"));

    for (n, paired) in [Pairing::Unpaired, Pairing::Paired].into_iter().enumerate() {
        let camera =
            PairedCamera { id: String::new(), label: String::new(), spectrum: Spectrum::Colour, paired };
        fixed(VaultReply::Cameras(vec![camera]), &format!("82 05 81 81 84 60 60 00 {}", number(n)));
    }
    refused::<VaultReply>(&unhex("82 05 81 81 84 60 60 00 02"));
}

// Other spellings.

#[test]
fn a_request_has_one_spelling() {
    fixed(VaultRequest::ListFaces { uid: 1 }, "82 05 81 01");
    for other in [
        // The same number in more bytes than it needs.
        "82 05 81 1801",
        "82 05 81 190001",
        "82 05 81 1a00000001",
        "82 05 81 1b0000000000000001",
        "82 1805 81 01",
        // The same lengths in more bytes, or left open.
        "9802 05 81 01",
        "82 05 9801 01",
        "9f 05 81 01 ff",
        "82 05 9f 01 ff",
        // Too many fields and too few.
        "83 05 81 01 00",
        "82 05 82 01 00",
        "82 05 82 01 f6",
        "82 05 80",
        "81 05",
        "80",
        // Other kinds of value.
        "82 05 a1 00 01",
        "a1 05 81 01",
        "82 05 81 20",
        "82 05 81 f93c00",
        "82 05 81 c101",
        "82 05 81 6131",
        "82 05 81 4101",
        "82 05 81 f5",
        "82 05 81 f6",
        "82 05 01",
        // No user has this number.
        "82 05 81 1b0000000100000000",
        // No variant has these.
        "82 20 81 01",
        "82 3904ff 81 01",
        "82 1bffffffffffffffff 81 01",
    ] {
        refused::<VaultRequest>(&unhex(other));
    }
}

#[test]
fn a_word_without_fields_has_none() {
    fixed(VaultRequest::Status, "82 00 80");
    for other in ["82 00 81 01", "82 00 a0", "82 00 f6", "82 00 00", "82 00 9fff", "82 00 60", "81 00", "00"]
    {
        refused::<VaultRequest>(&unhex(other));
    }
}

#[test]
fn text_has_one_spelling() {
    fixed(VaultRequest::PairCamera { camera: "c".to_owned() }, "82 0a 81 6163");
    for other in ["780163", "7f6163ff", "4163", "61ff", "62c328", "f6", "7bffffffffffffffff63"] {
        refused::<VaultRequest>(&unhex(&format!("82 0a 81 {other}")));
    }
}

#[test]
fn a_nonce_has_thirty_two_bytes() {
    let of = |length: usize, head: &str| unhex(&format!("82 06 81 {head} {}", "ab".repeat(length)));
    assert_eq!(wire::decode::<VaultReply>(&of(32, "5820")).unwrap(), VaultReply::Ticket(NONCE.into()));
    for (length, head) in
        [(0, "40"), (1, "41"), (31, "581f"), (33, "5821"), (32, "590020"), (32, "7820"), (31, "5820")]
    {
        refused::<VaultReply>(&of(length, head));
    }
}

#[test]
fn nothing_at_all_is_refused_by_everyone() {
    let endless = [0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let bodies: [&[u8]; 4] = [&[], &[0xff], &endless, &[0x9f; 200]];
    for body in bodies {
        refused::<LoginRequest>(body);
        refused::<LoginReply>(body);
        refused::<VaultRequest>(body);
        refused::<VaultReply>(body);
        refused::<CameraRequest>(body);
        refused::<CameraReply>(body);
        refused::<PasswordRequest>(body);
        refused::<PasswordReply>(body);
    }
}

// Caps.

fn capped<M: Message>(cap: usize) {
    assert_eq!(M::CAP, cap);
    let announced = |length: u32| wire::announced::<M>(length.to_le_bytes());
    assert!(matches!(announced(0), Err(IpcError::Malformed(_))));
    for length in [1, cap] {
        assert_eq!(announced(length as u32).unwrap(), length);
    }
    for length in [cap + 1, u32::MAX as usize] {
        match announced(length as u32) {
            Err(IpcError::Oversize(over)) => assert_eq!(over, length),
            other => panic!("{length} of {cap} bytes: {other:?}"),
        }
    }
}

#[test]
fn every_boundary_has_its_cap() {
    capped::<LoginRequest>(256);
    capped::<LoginReply>(256);
    capped::<VaultRequest>(8 * 1024);
    capped::<VaultReply>(32 * 1024);
    capped::<CameraRequest>(2 * 1024);
    capped::<CameraReply>(11 * 1024 * 1024);
    capped::<PasswordRequest>(1024);
    capped::<PasswordReply>(1024);
}

#[test]
fn a_message_over_the_cap_is_not_sent() {
    let of = |length: usize| PasswordRequest::Answer("p".repeat(length));
    // Two arrays, the variant's number and a text head of three bytes.
    let overhead = 6;
    let most = PasswordRequest::CAP - overhead;
    assert_eq!(wire::encode(&of(most)).unwrap().len(), PREFIX + PasswordRequest::CAP);
    match wire::encode(&of(most + 1)) {
        Err(IpcError::Oversize(length)) => assert_eq!(length, PasswordRequest::CAP + 1),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_longest_honest_messages_fit() {
    let camera = || "c".repeat(CAMERA_ID_LENGTH);
    let label = || "l".repeat(LABEL_LENGTH);
    let question = || LoginQuestion {
        nonce: NONCE.into(),
        uid: u32::MAX,
        service: "s".repeat(SERVICE_LENGTH),
        wait_ms: u32::MAX,
    };
    fits(&LoginRequest::Ask(question()));
    fits(&LoginReply::Answer { question: question(), verdict: Verdict::LockedOut { seconds: u32::MAX } });
    fits(&VaultRequest::Login(question()));
    fits(&VaultRequest::Enroll {
        uid: u32::MAX,
        label: label(),
        camera: Some(camera()),
        ticket: NONCE.into(),
        wait_ms: u32::MAX,
    });
    fits(&VaultRequest::Perform {
        uid: u32::MAX,
        ceremony: Ceremony::Registration,
        packet: vec![0xff; PACKET_LENGTH].into(),
        camera: Some("c".repeat(CAMERA_ID_LENGTH)),
        wait_ms: u32::MAX,
        screen: true,
    });
    fits(&VaultRequest::GrantTicket {
        uid: u32::MAX,
        action: Action::ClearLockout,
        nonce: NONCE.into(),
        boot: "b".repeat(36),
    });
    let face = |face| FaceRecord { face, label: label(), camera: camera(), shots: u8::MAX };
    fits(&VaultReply::Faces((0..8).map(face).collect()));
    fits(&CameraRequest::Open { camera: camera(), offer: bytes(&[0; 512]) });
    fits(&CameraReply::Frame {
        header: bytes(&[0; 64 + CAMERA_ID_LENGTH]),
        ciphertext: bytes(&vec![0; 1920 * 1080 * 3 + 16]),
        signature: bytes(&[0; 64]),
    });
}

fn fits<M: Message>(message: &M) {
    assert!(wire::encode(message).is_ok(), "{}", std::any::type_name::<M>());
}

// What no list of examples covers.

/// Whatever is taken is written again in the same bytes.
fn canonical<M: Message>(body: &[u8]) {
    if let Ok(message) = wire::decode::<M>(body) {
        let framed = wire::encode(&message).unwrap();
        assert_eq!(hex(&framed[PREFIX..]), hex(body), "{}", std::any::type_name::<M>());
    }
}

fn canonical_for_everyone(body: &[u8]) {
    canonical::<LoginRequest>(body);
    canonical::<LoginReply>(body);
    canonical::<VaultRequest>(body);
    canonical::<VaultReply>(body);
    canonical::<CameraRequest>(body);
    canonical::<CameraReply>(body);
    canonical::<PasswordRequest>(body);
    canonical::<PasswordReply>(body);
}

/// Good messages to be spoilt.
fn good() -> Vec<Vec<u8>> {
    [
        "82 00 80",
        "82 00 81 82 00 80",
        "82 00 81 84 N 1903e8 627375 191388",
        "82 01 82 84 N 1903e8 627375 191388 82 02 81 181e",
        "82 02 84 1903e8 f6 191388 f4",
        "82 04 85 07 616c 6163 N 01",
        "82 06 83 07 f6 N",
        "82 09 84 07 02 N 6162",
        "82 02 81 82 0d 82 01 05",
        "82 04 81 82 84 00 616c 6163 05 84 00 616c 6163 05",
        "82 05 81 81 84 6163 616c 01 01",
        "82 08 81 83 0b 01 6176",
        "82 03 83 4101 4102 4103",
        "82 01 82 6163 420102",
        "82 00 83 07 00 N",
        "82 00 82 6174 00",
    ]
    .into_iter()
    .map(unhex)
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_are_refused_or_canonical(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        canonical_for_everyone(&body);
    }

    #[test]
    fn spoilt_messages_are_refused_or_canonical(
        which in any::<proptest::sample::Index>(),
        changes in proptest::collection::vec(
            (any::<proptest::sample::Index>(), 0u8..4, any::<u8>()), 1..4),
    ) {
        let messages = good();
        let mut body = messages[which.index(messages.len())].clone();
        for (at, kind, byte) in changes {
            let at = at.index(body.len());
            match kind {
                0 => body[at] = byte,
                1 => body[at] ^= 1 << (byte % 8),
                2 => body.insert(at, byte),
                // Never the last one: an index needs something to point at.
                _ if body.len() > 1 => {
                    body.remove(at);
                }
                _ => {}
            }
        }
        canonical_for_everyone(&body);
    }
}

proptest! {
    #[test]
    fn any_question_comes_back(
        nonce in any::<[u8; 32]>(), uid in any::<u32>(), wait_ms in any::<u32>(),
        service in proptest::collection::vec(any::<char>(), 0..16),
    ) {
        let service: String = service.into_iter().collect();
        let sent = LoginRequest::Ask(LoginQuestion { nonce: nonce.into(), uid, service, wait_ms });
        let framed = wire::encode(&sent).unwrap();
        prop_assert_eq!(wire::decode::<LoginRequest>(&framed[PREFIX..]).unwrap(), sent);
    }

    #[test]
    fn any_frame_comes_back(
        header in proptest::collection::vec(any::<u8>(), 0..100),
        ciphertext in proptest::collection::vec(any::<u8>(), 0..70_000),
        signature in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let sent = CameraReply::Frame {
            header: header.into(),
            ciphertext: ciphertext.into(),
            signature: signature.into(),
        };
        let framed = wire::encode(&sent).unwrap();
        let length = wire::announced::<CameraReply>(framed[..PREFIX].try_into().unwrap()).unwrap();
        prop_assert_eq!(length, framed.len() - PREFIX);
        // Not `_eq`: nobody wants to read 70,000 bytes.
        prop_assert!(wire::decode::<CameraReply>(&framed[PREFIX..]).unwrap() == sent);
    }
}
