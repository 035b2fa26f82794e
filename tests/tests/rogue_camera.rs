//! A camera process that holds the right key and breaks the rules all the same: whatever it does, the
//! vault's end of the session says so with a typed reason, and nothing after it is taken.

use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use vultus_camera::source::monotonic_us;
use vultus_frames::{Format, Mode, SealedFrame, Sealer, StaticKey, accept};
use vultus_ipc::camera::{CameraRefusal, CameraReply, CameraRequest, Spectrum};
use vultus_ipc::{Connection, Deadline, Listener, Reason, Uid};
use vultus_vault::camera_link::CameraLink;
use vultus_vault::configuration::{CameraPlace, Configuration};
use vultus_vault::liveness::LivenessRules;
use vultus_vault::records::CameraPairing;

const CAMERA: &str = "rogue:0";
const MODE: Mode = Mode { width: 128, height: 96, format: Format::Grey };

fn patience() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

/// What the rogue does once the session is open.
type Play = fn(&mut Connection, &mut Sealer);

/// A vault's end of a session with a rogue that plays this.
struct Scene {
    link: Option<CameraLink>,
    rogue: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

fn configuration(socket: &Path, uid: Uid) -> Configuration {
    Configuration {
        liveness: LivenessRules::default(),
        clock_tolerance_s: 120,
        socket: "/nonexistent".into(),
        state: "/nonexistent".into(),
        models: "/nonexistent".into(),
        tpm: String::new(),
        registers: Vec::new(),
        daemon_uid: 0,
        services: Vec::new(),
        cameras: vec![CameraPlace { socket: socket.to_owned(), uid: uid.0 }],
        camera_kinds: Default::default(),
        longest_attempt_ms: 20_000,
        longest_enrolment_ms: 20_000,
        camera_opening_ms: 20_000,
        oldest_frame_ms: 10_000,
        tpm_patience_ms: 1_000,
    }
}

impl Scene {
    fn play(play: Play) -> Self {
        let (scene, opened) = Self::with_uid(play, Uid::own());
        assert!(opened.is_none(), "the session did not open: {opened:?}");
        scene
    }

    /// Opens a session with a camera process that is expected to have this user.
    fn with_uid(play: Play, uid: Uid) -> (Self, Option<Reason>) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("camera.sock");
        let (camera_key, vault_key) = (StaticKey::generate().unwrap(), StaticKey::generate().unwrap());
        let pairing = CameraPairing {
            id: CAMERA.into(),
            label: "rogue".into(),
            spectrum: Spectrum::Grey,
            socket: socket.to_str().unwrap().into(),
            camera_key: camera_key.public(),
            vault_key: StaticKey::from_bytes(&*vault_key.to_bytes()).unwrap(),
        };
        let listener = Listener::bind(&socket, 0o600).unwrap();
        let rogue = std::thread::spawn(move || {
            let mut connection = listener.accept().unwrap();
            let Ok(CameraRequest::Open { offer, .. }) = connection.receive(patience()) else {
                panic!("no offer");
            };
            let (answer, mut sealer) = accept(camera_key, vault_key.public(), CAMERA, MODE, &offer).unwrap();
            let opened = CameraReply::Opened { answer: answer.into() };
            // A vault that refuses this camera has hung up already.
            if connection.send(&opened, patience()).is_ok() {
                play(&mut connection, &mut sealer);
                wait_for_hang_up(&connection);
            }
        });
        let opened = CameraLink::open(&pairing, &configuration(&socket, uid), patience());
        let reason = opened.as_ref().err().map(|e| e.reason());
        (Self { link: opened.ok(), rogue, _folder: folder }, reason)
    }

    /// Takes frames until the stream ends, and gives the reason.
    fn ending(mut self) -> Reason {
        let link = self.link.take().expect("an open session");
        let until = patience();
        let reason = loop {
            assert!(!until.passed(), "the stream did not end");
            match link.next(Duration::from_millis(100)) {
                Ok(_) => {}
                Err(reason) => break reason,
            }
        };
        assert_eq!(link.next(Duration::ZERO).err(), Some(reason), "an ended stream stays ended");
        drop(link);
        self.rogue.join().unwrap();
        reason
    }
}

/// The vault's end closes once the link is dropped: the rogue's thread ends with it.
fn wait_for_hang_up(connection: &Connection) {
    let until = patience();
    while !connection.hung_up() && !until.passed() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn sealed(sealer: &mut Sealer) -> SealedFrame {
    sealer.seal(vec![90; MODE.bytes()], 0, monotonic_us()).unwrap()
}

fn send(connection: &mut Connection, frame: SealedFrame) {
    let SealedFrame { header, ciphertext, signature } = frame;
    let reply = CameraReply::Frame {
        header: header.into(),
        ciphertext: ciphertext.into(),
        signature: signature.into(),
    };
    // The vault may have hung up on the frame before.
    let _ = connection.send(&reply, patience());
}

#[test]
fn an_honest_camera_is_seen() {
    let mut scene = Scene::play(|connection, sealer| {
        for _ in 0..3 {
            let frame = sealed(sealer);
            send(connection, frame);
        }
    });
    let link = scene.link.take().unwrap();
    let frame = link.next(Duration::from_secs(20)).unwrap().expect("a frame");
    assert_eq!((frame.mode, frame.pixels.len()), (MODE, MODE.bytes()));
    drop(link);
    scene.rogue.join().unwrap();
}

#[test]
fn frames_that_break_a_rule_end_the_stream() {
    let plays: [(&str, Play); 6] = [
        ("altered", |c, s| {
            let mut frame = sealed(s);
            frame.ciphertext[0] ^= 1;
            send(c, frame);
        }),
        ("a gap", |c, s| {
            let first = sealed(s);
            send(c, first);
            let _ = sealed(s);
            let third = sealed(s);
            send(c, third);
        }),
        ("a repeat", |c, s| {
            let frame = sealed(s);
            send(c, frame.clone());
            send(c, frame);
        }),
        ("too old", |c, s| {
            let old = monotonic_us().saturating_sub(11_000_000);
            let frame = s.seal(vec![90; MODE.bytes()], 0, old).unwrap();
            send(c, frame);
        }),
        ("from the future", |c, s| {
            let frame = s.seal(vec![90; MODE.bytes()], 0, monotonic_us() + 60_000_000).unwrap();
            send(c, frame);
        }),
        ("another message", |c, _| {
            let _ = c.send(&CameraReply::Cameras(Vec::new()), patience());
        }),
    ];
    for (what, play) in plays {
        assert_eq!(Scene::play(play).ending(), Reason::FrameRejected, "{what}");
    }
}

#[test]
fn a_camera_that_ends_says_why_or_is_gone() {
    let busy = Scene::play(|connection, _| {
        let _ = connection.send(&CameraReply::Refused(CameraRefusal::Busy), patience());
    });
    assert_eq!(busy.ending(), Reason::CameraBusy);
    let closed = Scene::play(|connection, sealer| {
        let frame = sealed(sealer);
        send(connection, frame);
        connection.close();
    });
    assert_eq!(closed.ending(), Reason::CameraGone);
}

#[test]
fn a_flood_leaves_one_frame_waiting_and_nothing_grows() {
    let mut scene = Scene::play(|connection, sealer| {
        for _ in 0..500 {
            let frame = sealed(sealer);
            send(connection, frame);
        }
        connection.close();
    });
    let link = scene.link.take().unwrap();
    // All 500 were opened in order, and the end was seen: none of them is kept behind it.
    let until = patience();
    while link.next(Duration::from_millis(50)).is_ok() {
        assert!(!until.passed(), "the stream did not end");
    }
    assert_eq!(link.next(Duration::ZERO).err(), Some(Reason::CameraGone));
    drop(link);
    scene.rogue.join().unwrap();
}

#[test]
fn a_silent_camera_holds_nobody() {
    let mut scene = Scene::play(|_, _| {});
    let link = scene.link.take().unwrap();
    assert!(matches!(link.next(Duration::from_millis(20)), Ok(None)));
    // Dropping the link ends the reading thread, though no frame ever came.
    drop(link);
    scene.rogue.join().unwrap();
}

#[test]
fn a_camera_process_of_another_user_is_refused() {
    let (scene, refused) = Scene::with_uid(|_, _| {}, Uid(Uid::own().0 + 1));
    assert_eq!(refused, Some(Reason::FrameRejected));
    scene.rogue.join().unwrap();
}
