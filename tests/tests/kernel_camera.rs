//! The real `vultus-camera` on a V4L2 device that `preload/camera.c` emulates, with the vault's part
//! played here: what arrives, what is refused, and that every ending releases the device.
//!
//! Waits are for events and bounded; how long anything takes decides nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use tempfile::TempDir;
use vultus_camera::source::monotonic_us;
use vultus_frames::{
    Format, Frame, FrameClock, Mode, Offer, Opener, Opening, PublicKey, SealedFrame, StaticKey,
};
use vultus_ipc::camera::{CameraRecord, CameraRefusal, CameraReply, CameraRequest, Spectrum};
use vultus_ipc::{Connection, Deadline, Uid};

/// How long any event may take before it counts as missing.
const PATIENCE: Duration = Duration::from_secs(10);
const BUS: &str = "usb-0000:00:14.0-3";
const NAME: &str = "Some Name";
const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;
/// A device that works: one format, one size.
const PLAIN: &str = "format YUYV\nsize 640x480\n";

/// A running camera process with its device.
struct Camera {
    process: Child,
    folder: TempDir,
}

/// The vault's half of a pairing.
struct Vault {
    key: StaticKey,
    camera: String,
    camera_key: PublicKey,
}

/// A session as the vault has it.
struct Stream {
    connection: Connection,
    opener: Opener,
}

impl Camera {
    /// A device of these configuration lines that plays `pictures`, served to this test's own user.
    fn start(device: &str, pictures: &[u8]) -> Self {
        Self::start_for(Uid::own(), device, pictures, pictures)
    }

    fn start_for(vault: Uid, device: &str, pictures: &[u8], later: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, content: &[u8]| fs::write(path(name), content).expect("a file");
        write("pictures", pictures);
        write("pictures2", later);
        write("journal", b"");
        let files = ["pictures", "pictures2", "journal"].map(|f| format!("{f} {}\n", path(f).display()));
        let device = format!("node /dev/video42\nbus {BUS}\ncard {NAME}\n{}{device}", files.concat());
        write("device", device.as_bytes());
        let configuration = format!(
            "socket = {:?}\nstate = {:?}\nvault_uid = {}\ndevices = [\"/dev/video42\"]\n\
             first_frame_ms = 5000\nnext_frame_ms = 2000\n",
            path("socket"),
            path("state"),
            vault.0
        );
        write("camera.toml", configuration.as_bytes());
        let process = Command::new(binary())
            .arg("--config")
            .arg(path("camera.toml"))
            .env("LD_PRELOAD", library())
            .env("PRELOAD_CAMERA", path("device"))
            .stderr(fs::File::create(path("log")).map(Stdio::from).expect("a log"))
            .spawn()
            .expect("the camera process starts");
        let camera = Self { process, folder };
        let socket = camera.path("socket");
        until("the socket", || Connection::connect(&socket, Deadline::after(PATIENCE)).is_ok());
        camera
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Asks on a connection of its own, which stays open for what follows.
    fn ask(&self, request: &CameraRequest) -> (Connection, CameraReply) {
        let deadline = Deadline::after(PATIENCE);
        let mut connection = Connection::connect(&self.path("socket"), deadline).expect("a connection");
        connection.send(request, deadline).expect("the request is taken");
        let reply = connection.receive(deadline).expect("an answer");
        (connection, reply)
    }

    fn list(&self) -> Vec<CameraRecord> {
        let CameraReply::Cameras(cameras) = self.ask(&CameraRequest::List).1 else { panic!("no list") };
        cameras
    }

    fn pair(&self) -> Vault {
        let key = StaticKey::generate().expect("a key");
        let camera = self.list()[0].id.clone();
        let request =
            CameraRequest::Pair { camera: camera.clone(), vault_key: key.public().to_bytes().into() };
        let CameraReply::Paired { camera_key } = self.ask(&request).1 else { panic!("not paired") };
        Vault { key, camera, camera_key: PublicKey::from_bytes(&camera_key).expect("a public key") }
    }

    /// Opens a session with an honest offer.
    fn open(&self, vault: &Vault) -> Result<Stream, CameraRefusal> {
        let (opening, offer) = vault.offer(&vault.camera);
        let (connection, reply) = self.ask(&open_request(&vault.camera, offer.as_bytes()));
        match reply {
            CameraReply::Opened { answer } => {
                let opener = opening.finish(&answer, FrameClock { oldest: PATIENCE }).expect("a true answer");
                Ok(Stream { connection, opener })
            }
            CameraReply::Refused(refusal) => Err(refusal),
            other => panic!("neither opened nor refused but {other:?}"),
        }
    }

    /// Pairs and opens a device that works.
    fn stream(&self) -> Stream {
        self.open(&self.pair()).expect("a stream")
    }

    fn journal(&self) -> String {
        fs::read_to_string(self.path("journal")).expect("the device's journal")
    }

    /// Waits until nothing holds the device, and gives its journal.
    fn released(&self) -> String {
        let count = |event: &str| self.journal().lines().filter(|l| *l == event).count();
        until("the device's release", || count("opened") == count("closed"));
        self.journal()
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        // A process that has ended by itself needs no ending.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("camera process:\n{}", fs::read_to_string(self.path("log")).unwrap_or_default());
            eprintln!("device:\n{}", fs::read_to_string(self.path("journal")).unwrap_or_default());
        }
    }
}

impl Vault {
    fn offer(&self, camera: &str) -> (Opening, Offer) {
        let mut attempt = [0; 32];
        getrandom::fill(&mut attempt).expect("random bytes");
        Opening::offer(&self.key, camera, self.camera_key, attempt).expect("an offer")
    }
}

impl Stream {
    /// The next frame, which must be in order and genuine; or how the stream ended.
    fn next(&mut self) -> Result<Frame, CameraRefusal> {
        let reply: CameraReply =
            self.connection.receive(Deadline::after(PATIENCE)).expect("a frame or an ending");
        match reply {
            CameraReply::Frame { header, ciphertext, signature } => {
                let sealed = SealedFrame {
                    header: header.into(),
                    ciphertext: ciphertext.into(),
                    signature: signature.into(),
                };
                Ok(self.opener.open(sealed, monotonic_us()).expect("the next frame, genuine"))
            }
            CameraReply::Refused(refusal) => Err(refusal),
            _ => panic!("neither a frame nor an ending"),
        }
    }

    /// Reads on until the stream ends.
    fn ending(mut self) -> CameraRefusal {
        let deadline = Deadline::after(PATIENCE);
        while !deadline.passed() {
            if let Err(refusal) = self.next() {
                return refusal;
            }
        }
        panic!("frames still come");
    }
}

fn open_request(camera: &str, offer: &[u8]) -> CameraRequest {
    CameraRequest::Open { camera: camera.to_owned(), offer: offer.to_vec().into() }
}

fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Deadline::after(PATIENCE);
    while !happened() {
        assert!(!deadline.passed(), "still waiting for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The product, beside the folder that this test was built into.
fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let folder = test.parent().and_then(Path::parent).expect("the folder of the binaries");
    let binary = folder.join("vultus-camera");
    assert!(binary.is_file(), "{} is missing: cargo build -p vultus-camera", binary.display());
    binary
}

/// The emulated device, compiled once for all tests of this file.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("preload/camera.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libpreloadcamera.so");
        // Another run may be loading the old one: it is replaced, never written to.
        let fresh = library.with_extension(std::process::id().to_string());
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-o"])
            .arg(&fresh)
            .arg(source)
            .arg("-ldl")
            .status()
            .expect("a C compiler");
        assert!(compiled.success(), "the emulated device does not compile");
        fs::rename(&fresh, &library).expect("the library in its place");
        library
    })
}

/// The test picture: a slope of its own in each channel, so that no swap or shift goes unseen.
fn colour(x: u32, y: u32) -> [u8; 3] {
    let across = (x * 255 / (WIDTH - 1)) as u8;
    [across, (y * 255 / (HEIGHT - 1)) as u8, 255 - across]
}

fn rgb(width: u32, height: u32) -> Vec<u8> {
    (0..height).flat_map(|y| (0..width).flat_map(move |x| colour(x, y))).collect()
}

fn grey() -> Vec<u8> {
    (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x + 3 * y) as u8)).collect()
}

/// BT.601 in limited range, from the standard's own numbers and not from the product's.
fn yuv(rgb: &[u8]) -> [f64; 3] {
    let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(|c| f64::from(c) / 255.0);
    [
        16.0 + 65.481 * r + 128.553 * g + 24.966 * b,
        128.0 - 37.797 * r - 74.203 * g + 112.0 * b,
        128.0 + 112.0 * r - 93.786 * g - 18.214 * b,
    ]
}

fn yuyv() -> Vec<u8> {
    let pair = |two: &[u8]| {
        let ([y0, u0, v0], [y1, u1, v1]) = (yuv(&two[..3]), yuv(&two[3..]));
        [y0, (u0 + u1) / 2.0, y1, (v0 + v1) / 2.0].map(|value| value.round() as u8)
    };
    rgb(WIDTH, HEIGHT).chunks_exact(6).flat_map(pair).collect()
}

/// A JPEG picture with its length before it, as the emulated device reads them.
fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let mut picture = Vec::new();
    JpegEncoder::new_with_quality(&mut picture, 95)
        .encode(&rgb(width, height), width, height, ExtendedColorType::Rgb8)
        .expect("a JPEG picture");
    [&(picture.len() as u32).to_le_bytes()[..], &picture[..]].concat()
}

#[test]
fn every_format_arrives_with_its_pixels() {
    // Eight bits of luma and halved chroma lose a little, JPEG a little more; the others nothing.
    let formats = [
        ("YUYV", yuyv(), Format::Rgb, rgb(WIDTH, HEIGHT), 4),
        ("MJPG", jpeg(WIDTH, HEIGHT), Format::Rgb, rgb(WIDTH, HEIGHT), 12),
        ("RGB3", rgb(WIDTH, HEIGHT), Format::Rgb, rgb(WIDTH, HEIGHT), 0),
        ("GREY", grey(), Format::Grey, grey(), 0),
    ];
    for (name, pictures, format, expected, tolerance) in formats {
        let camera = Camera::start(&format!("format {name}\nsize 640x480\n"), &pictures);
        let spectrum = if format == Format::Grey { Spectrum::Grey } else { Spectrum::Colour };
        assert_eq!(camera.list()[0].spectrum, spectrum, "{name}");
        let mut stream = camera.stream();
        assert_eq!(stream.opener.mode(), Mode { width: WIDTH, height: HEIGHT, format }, "{name}");
        for _ in 0..3 {
            let frame = stream.next().expect("a frame");
            assert_eq!(frame.pixels.len(), expected.len(), "{name}");
            let worst = frame.pixels.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst <= Some(tolerance), "{name}: a channel is off by {worst:?}");
        }
    }
}

#[test]
fn of_several_sizes_and_formats_vga_that_needs_no_decoding_is_taken() {
    let device = "format MJPG\nformat YUYV\nsize 1280x720\nsize 320x240\nsize 640x480\nsize 1920x1080\n";
    let camera = Camera::start(device, &yuyv());
    let mut stream = camera.stream();
    assert_eq!(stream.opener.mode(), Mode { width: WIDTH, height: HEIGHT, format: Format::Rgb });
    // Only a device that was set to YUYV can play these pictures at all.
    stream.next().expect("a frame");
}

#[test]
fn the_identity_is_the_bus_path_and_never_the_name() {
    let camera = Camera::start(PLAIN, &yuyv());
    let cameras = camera.list();
    assert_eq!(cameras.len(), 1);
    assert!(cameras[0].id.contains(BUS), "{}", cameras[0].id);
    assert!(!cameras[0].id.contains(NAME), "{}", cameras[0].id);
    assert_eq!(cameras[0].label, NAME);
}

#[test]
fn a_name_that_is_no_text_harms_nothing() {
    let camera = Camera::start(&format!("{PLAIN}fault bad-name\n"), &yuyv());
    let label = camera.list()[0].label.clone();
    assert!(label.contains("camera") && !label.contains(char::is_control), "{label:?}");
    camera.stream().next().expect("a frame");
}

#[test]
fn a_camera_without_pairing_is_refused_and_stays_dark() {
    let camera = Camera::start(PLAIN, &yuyv());
    let key = StaticKey::generate().expect("a key");
    let stranger = Vault { camera: camera.list()[0].id.clone(), camera_key: key.public(), key };
    assert_eq!(camera.open(&stranger).err(), Some(CameraRefusal::Unpaired));
    assert!(!camera.released().contains("on\n"), "the device was started");
}

#[test]
fn cameras_that_are_not_there_are_refused() {
    let camera = Camera::start(PLAIN, &yuyv());
    let mut vault = camera.pair();
    vault.camera.push('0');
    // A camera that was never paired is refused before any device is looked at.
    assert_eq!(camera.open(&vault).err(), Some(CameraRefusal::Unpaired));
    let vault_key = vault.key.public().to_bytes();
    let pair = CameraRequest::Pair { camera: vault.camera, vault_key: vault_key.into() };
    assert_eq!(camera.ask(&pair).1, CameraReply::Refused(CameraRefusal::NoSuchCamera));
}

#[test]
fn a_second_stream_is_refused_until_the_first_has_ended() {
    let camera = Camera::start(PLAIN, &yuyv());
    let vault = camera.pair();
    let mut first = camera.open(&vault).expect("a stream");
    first.next().expect("a frame");
    assert_eq!(camera.open(&vault).err(), Some(CameraRefusal::Busy));
    first.next().expect("the first stream is not disturbed");
    drop(first);
    until("the camera to be free", || camera.open(&vault).is_ok());
}

#[test]
fn a_device_in_other_hands_is_busy() {
    let camera = Camera::start(&format!("{PLAIN}fault busy\n"), &yuyv());
    assert_eq!(camera.open(&camera.pair()).err(), Some(CameraRefusal::Busy));
    camera.released();
}

#[test]
fn another_user_than_the_vaults_may_neither_pair_nor_stream() {
    let stranger = Uid(Uid::own().0 + 1);
    let camera = Camera::start_for(stranger, PLAIN, &yuyv(), &yuyv());
    let refused = CameraReply::Refused(CameraRefusal::NotAllowed);
    let id = format!("bus:{BUS}");
    let vault_key = StaticKey::generate().expect("a key").public().to_bytes();
    let pair = CameraRequest::Pair { camera: id.clone(), vault_key: vault_key.into() };
    assert_eq!(camera.ask(&pair).1, refused);
    assert_eq!(camera.ask(&open_request(&id, b"offer")).1, refused);
    // Only root may look at the list as well.
    let listed = camera.ask(&CameraRequest::List).1;
    assert_eq!(listed == refused, !Uid::own().is_root(), "{listed:?}");
    assert!(!camera.journal().contains("on\n"), "the device was started");
}

#[test]
fn offers_that_are_not_the_paired_vaults_are_refused() {
    let camera = Camera::start(PLAIN, &yuyv());
    let replaced = camera.pair();
    let vault = camera.pair();
    let honest = vault.offer(&vault.camera).1;
    let honest = honest.as_bytes();
    let offers = [
        ("of a key that is no longer paired", replaced.offer(&vault.camera).1.as_bytes().to_vec()),
        ("for another camera", vault.offer("bus:elsewhere").1.as_bytes().to_vec()),
        ("that ends early", honest[..honest.len() - 1].to_vec()),
        ("that goes on too long", [honest, b"\0"].concat()),
        ("that is garbage", vec![0xa5; honest.len()]),
        ("that is empty", Vec::new()),
    ];
    for (what, offer) in offers {
        let reply = camera.ask(&open_request(&vault.camera, &offer)).1;
        let refused = CameraReply::Refused(CameraRefusal::Unpaired);
        let not_understood = CameraReply::Refused(CameraRefusal::BadOffer);
        assert!(reply == refused || reply == not_understood, "an offer {what}: {reply:?}");
        camera.released();
    }
    camera.open(&vault).expect("an honest offer is still taken").next().expect("a frame");
}

#[test]
fn every_fault_ends_the_stream_and_releases_the_device() {
    // What the device does, and whether it can still be told to stop.
    let faults = [
        ("stall-after", "on\noff\nclosed\n"),
        ("short-after", "on\noff\nclosed\n"),
        ("error-flag-after", "on\noff\nclosed\n"),
        ("gone-after", "on\nclosed\n"),
    ];
    for (fault, ending) in faults {
        let camera = Camera::start(&format!("{PLAIN}fault {fault} 5\n"), &yuyv());
        assert_eq!(camera.stream().ending(), CameraRefusal::Gone, "{fault}");
        let journal = camera.released();
        assert!(journal.ends_with(ending), "{fault}: {journal}");
        let left = usize::from(fault != "gone-after");
        assert_eq!(camera.list().len(), left, "{fault}: cameras that are left");
    }
}

#[test]
fn pictures_of_another_size_end_the_stream() {
    for (width, height) in [(320, 240), (800, 600)] {
        let device = "format MJPG\nsize 640x480\nfault resize-after 5\n";
        let later = jpeg(width, height);
        let camera = Camera::start_for(Uid::own(), device, &jpeg(WIDTH, HEIGHT), &later);
        assert_eq!(camera.stream().ending(), CameraRefusal::Gone, "{width} × {height}");
        assert!(camera.released().ends_with("on\noff\nclosed\n"));
    }
}

#[test]
fn half_a_jpeg_picture_is_no_frame() {
    let device = "format MJPG\nsize 640x480\nfault short-after 5\n";
    let camera = Camera::start(device, &jpeg(WIDTH, HEIGHT));
    assert_eq!(camera.stream().ending(), CameraRefusal::Gone);
    camera.released();
}

#[test]
fn hanging_up_turns_the_camera_off() {
    let camera = Camera::start(PLAIN, &yuyv());
    let mut stream = camera.stream();
    stream.next().expect("a frame");
    assert!(camera.journal().ends_with("on\n"));
    drop(stream);
    assert!(camera.released().ends_with("on\noff\nclosed\n"));
}

#[test]
fn a_flood_of_frames_waits_in_the_device_and_not_on_the_way() {
    let camera = Camera::start(&format!("{PLAIN}fault flood\n"), &yuyv());
    let mut stream = camera.stream();
    for _ in 0..5 {
        stream.next().expect("a frame");
    }
    // Time in which a camera process that queues would queue many frames: it decides nothing else.
    std::thread::sleep(Duration::from_millis(300));
    let resumed = monotonic_us();
    // One frame was on its way, and one is the newest that the driver held: what follows is new.
    let frames = [(); 3].map(|()| stream.next().expect("a frame"));
    assert_eq!(frames.each_ref().map(|f| f.counter), [5, 6, 7]);
    assert!(frames[2].captured_us >= resumed, "the third frame after a pause is from before its end");
    drop(stream);
    camera.released();
}
