//! Records one camera to an uncompressed video file, with a file beside it that says what was asked when and
//! when each frame was taken: for people who measure with recordings of their own. It knows no vault, seals
//! nothing, and has nothing to do with logins.
//!
//! Frames go to the disk one by one, under a hidden name that is changed when all are there: what is visible
//! is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use vultus_frames::Mode;
use vultus_ipc::Deadline;
use vultus_ipc::camera::{CameraRefusal, Spectrum};

use crate::source::{RawFrame, Source, Stream};

/// How long a camera may take to its first frame, and from one to the next.
const FIRST_FRAME: Duration = Duration::from_secs(6);
const NEXT_FRAME: Duration = Duration::from_secs(2);
/// How often it is looked whether anybody still listens.
const GLANCE: Duration = Duration::from_millis(50);
/// The rate in the video's first line: what cameras are asked for. The true times stand in the file beside
/// it.
const RATE: u32 = 30;
/// The longest recording, in seconds: what readers take.
pub const MOST_SECONDS: u32 = 300;
/// The longest word for an action.
const LONGEST_WORD: usize = 32;

/// Why there is no recording. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Close what uses the camera, name another, or join the group `video`.
    #[error("{0}")]
    Camera(#[from] CameraRefusal),
    #[error("no camera is there, or none that this user may open")]
    NoCamera,
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    #[error("the disk: {0}")]
    Disk(#[from] io::Error),
    /// Whoever asked for it has gone.
    #[error("nobody listens any more")]
    Abandoned,
}

/// One action that is asked for, from and to so many ms after the first frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Small letters and hyphens.
    pub action: String,
    pub from_ms: u32,
    pub to_ms: u32,
}

impl Asked {
    /// Of `action:from-to`, as on the command line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let malformed = || format!("{text} is not of the form nod:2000-6000");
        let (action, times) = text.split_once(':').ok_or_else(malformed)?;
        let (from, to) = times.split_once('-').ok_or_else(malformed)?;
        let word = |c: char| c.is_ascii_lowercase() || c == '-';
        let from_ms: u32 = from.parse().map_err(|_| malformed())?;
        let to_ms: u32 = to.parse().map_err(|_| malformed())?;
        let sound = (1..=LONGEST_WORD).contains(&action.len()) && action.chars().all(word) && from_ms < to_ms;
        if sound { Ok(Self { action: action.to_owned(), from_ms, to_ms }) } else { Err(malformed()) }
    }
}

/// What to record.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The video; the file beside it ends in `.json`.
    pub output: PathBuf,
    /// From the first frame on.
    pub seconds: u32,
    /// In order, none within another.
    pub asked: Vec<Asked>,
}

/// What happens, as it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The first frame is there.
    Begun,
    /// This is to be done now.
    Ask(&'a str),
    /// Its time is over.
    Rest,
}

/// Whoever shows the person what to do.
pub trait Audience {
    fn hear(&mut self, event: Event<'_>) -> io::Result<()>;

    fn listens(&self) -> bool;
}

/// The first colour camera, or else the first: its identity.
pub fn pick(source: &impl Source) -> Result<String, RecordError> {
    let mut cameras = source.list();
    cameras.sort_by_key(|camera| camera.spectrum != Spectrum::Colour);
    cameras.into_iter().next().map(|camera| camera.id).ok_or(RecordError::NoCamera)
}

/// Records to the end of the plan: how many frames.
pub fn record(
    source: &impl Source,
    camera: &str,
    plan: &Plan,
    audience: &mut dyn Audience,
) -> Result<usize, RecordError> {
    if plan.output.exists() {
        return Err(RecordError::Exists(plan.output.clone()));
    }
    let mut stream = source.open(camera)?;
    let mut film = Film::begin(&plan.output, stream.mode())?;
    let mut cues = Cues { asked: &plan.asked, asking: false };
    let end_us = u64::from(plan.seconds.min(MOST_SECONDS)) * 1_000_000;
    stream.start()?;
    let mut due = Deadline::after(FIRST_FRAME);
    let mut first_us = None;
    loop {
        let frame = next(stream.as_mut(), due, audience)?;
        due = Deadline::after(NEXT_FRAME);
        if first_us.is_none() {
            tell(audience, Event::Begun)?;
        }
        let at_us = frame.captured_us.saturating_sub(*first_us.get_or_insert(frame.captured_us));
        if at_us >= end_us {
            break;
        }
        cues.give(at_us, audience)?;
        film.add(&frame.pixels, at_us)?;
    }
    // The light goes out before the disk is waited for.
    drop(stream);
    film.finish(&plan.asked)
}

/// Waits for a frame while somebody listens.
fn next(
    stream: &mut dyn Stream,
    due: Deadline,
    audience: &mut dyn Audience,
) -> Result<RawFrame, RecordError> {
    while audience.listens() {
        if let Some(frame) = stream.next(due.or_sooner(GLANCE))? {
            return Ok(frame);
        }
        if due.passed() {
            return Err(CameraRefusal::Gone.into());
        }
    }
    Err(RecordError::Abandoned)
}

fn tell(audience: &mut dyn Audience, event: Event<'_>) -> Result<(), RecordError> {
    audience.hear(event).map_err(|_| RecordError::Abandoned)
}

/// What is asked, as the frames' time goes on.
struct Cues<'a> {
    asked: &'a [Asked],
    asking: bool,
}

impl Cues<'_> {
    fn give(&mut self, at_us: u64, audience: &mut dyn Audience) -> Result<(), RecordError> {
        let at_ms = at_us / 1000;
        while let Some((now, later)) = self.asked.split_first() {
            if !self.asking && at_ms >= u64::from(now.from_ms) {
                self.asking = true;
                tell(audience, Event::Ask(&now.action))?;
            }
            if at_ms < u64::from(now.to_ms) {
                return Ok(());
            }
            (self.asked, self.asking) = (later, false);
            tell(audience, Event::Rest)?;
        }
        Ok(())
    }
}

/// A video in the making. Where it is not finished, nothing is left of it.
struct Film {
    file: BufWriter<File>,
    mode: Mode,
    output: PathBuf,
    times_us: Vec<u64>,
    planes: Vec<u8>,
}

impl Film {
    fn begin(output: &Path, mode: Mode) -> Result<Self, RecordError> {
        // Grey or colours: no video shows anything else.
        if ![1, 3].contains(&mode.format.bytes_per_pixel()) {
            return Err(CameraRefusal::NoFormat.into());
        }
        let file = BufWriter::new(create(&hidden(output))?);
        let (times_us, planes) = (Vec::new(), Vec::new());
        let mut film = Self { file, mode, output: output.to_owned(), times_us, planes };
        let Mode { width, height, .. } = mode;
        writeln!(film.file, "YUV4MPEG2 W{width} H{height} F{RATE}:1 Ip A1:1 C444 XCOLORRANGE=FULL")?;
        Ok(film)
    }

    /// One that is not newer than the last, or of another size, is left out.
    fn add(&mut self, pixels: &[u8], at_us: u64) -> io::Result<()> {
        let newer = self.times_us.last().is_none_or(|last| at_us > *last);
        if !newer || pixels.len() != self.mode.bytes() {
            return Ok(());
        }
        let plane = self.mode.width as usize * self.mode.height as usize;
        self.planes.resize(3 * plane, 0);
        let grey = self.mode.format.bytes_per_pixel() == 1;
        for i in 0..plane {
            let rgb = if grey { [pixels[i]; 3] } else { [0, 1, 2].map(|channel| pixels[3 * i + channel]) };
            let [y, u, v] = yuv(rgb);
            (self.planes[i], self.planes[plane + i], self.planes[2 * plane + i]) = (y, u, v);
        }
        self.times_us.push(at_us);
        self.file.write_all(b"FRAME\n")?;
        self.file.write_all(&self.planes)
    }

    /// First what stands beside it, then itself: whoever finds a video finds all of it.
    fn finish(mut self, asked: &[Asked]) -> Result<usize, RecordError> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        let beside = self.output.with_extension("json");
        let mut file = create(&hidden(&beside))?;
        file.write_all(about(asked, &self.times_us).as_bytes())?;
        file.sync_all()?;
        fs::rename(hidden(&beside), &beside)?;
        fs::rename(hidden(&self.output), &self.output)?;
        Ok(self.times_us.len())
    }
}

impl Drop for Film {
    fn drop(&mut self) {
        // After a whole film they have other names, and nothing is removed.
        let _ = fs::remove_file(hidden(&self.output));
        let _ = fs::remove_file(hidden(&self.output.with_extension("json")));
    }
}

/// `.NAME.part` beside it: no reader takes it for a recording.
fn hidden(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".part");
    path.with_file_name(hidden)
}

/// For the user alone, whatever else the folder allows. What an earlier recording left is written over.
fn create(path: &Path) -> io::Result<File> {
    if path.exists() {
        fs::remove_file(path)?;
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The form that `vultus evaluate liveness` reads.
fn about(asked: &[Asked], times_us: &[u64]) -> String {
    let seconds = |ms: u32| format!("{}.{:03}", ms / 1000, ms % 1000);
    let prompt = |a: &Asked| {
        let (from, to) = (seconds(a.from_ms), seconds(a.to_ms));
        format!("{{\"action\": \"{}\", \"from_s\": {from}, \"to_s\": {to}}}", a.action)
    };
    let prompts: Vec<String> = asked.iter().map(prompt).collect();
    let times: Vec<String> = times_us.iter().map(u64::to_string).collect();
    let (prompts, times) = (prompts.join(", "), times.join(", "));
    format!("{{\"simulated\": false, \"prompts\": [{prompts}], \"times_us\": [{times}]}}\n")
}

/// BT.601, full range.
fn yuv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let (r, g, b) = (f32::from(r), f32::from(g), f32::from(b));
    let y = 0.299 * r + 0.587 * g + 0.114 * b;
    let byte = |v: f32| v.round().clamp(0.0, 255.0) as u8;
    [byte(y), byte(128.0 + (b - y) / 1.772), byte(128.0 + (r - y) / 1.402)]
}

#[cfg(test)]
mod tests {
    use vultus_frames::Format;
    use vultus_ipc::camera::CameraRecord;

    use super::*;

    /// Frames of one grey at these times, after which it is gone.
    struct Scripted(Vec<u64>);

    struct Playing(std::vec::IntoIter<u64>);

    const MODE: Mode = Mode { width: 2, height: 1, format: Format::Rgb };

    impl Source for Scripted {
        fn list(&self) -> Vec<CameraRecord> {
            let camera = |id: &str, spectrum| CameraRecord { id: id.into(), label: "".into(), spectrum };
            vec![camera("infrared", Spectrum::Grey), camera("colour", Spectrum::Colour)]
        }

        fn open(&self, _: &str) -> Result<Box<dyn Stream>, CameraRefusal> {
            Ok(Box::new(Playing(self.0.clone().into_iter())))
        }
    }

    impl Stream for Playing {
        fn mode(&self) -> Mode {
            MODE
        }

        fn start(&mut self) -> Result<(), CameraRefusal> {
            Ok(())
        }

        fn next(&mut self, _: Deadline) -> Result<Option<RawFrame>, CameraRefusal> {
            let captured_us = self.0.next().ok_or(CameraRefusal::Gone)?;
            Ok(Some(RawFrame { pixels: vec![200; MODE.bytes()], sequence: 0, captured_us }))
        }
    }

    #[derive(Default)]
    struct Heard {
        events: Vec<String>,
        deaf: bool,
    }

    impl Audience for Heard {
        fn hear(&mut self, event: Event<'_>) -> io::Result<()> {
            self.events.push(format!("{event:?}"));
            Ok(())
        }

        fn listens(&self) -> bool {
            !self.deaf
        }
    }

    fn plan(folder: &Path, asked: &[&str]) -> Plan {
        let asked = asked.iter().map(|text| Asked::parse(text).unwrap()).collect();
        Plan { output: folder.join("a.y4m"), seconds: 2, asked }
    }

    fn files(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_recording_has_its_frames_and_their_times() {
        let folder = Folder::new("whole");
        let camera = Scripted(vec![5_000_000, 5_400_000, 5_400_000, 5_900_000, 6_990_000, 7_000_000]);
        let plan = plan(&folder.0, &["nod:300-800", "turn-left:900-1500"]);
        let mut heard = Heard::default();
        assert_eq!(record(&camera, "colour", &plan, &mut heard).unwrap(), 4);
        assert_eq!(heard.events, ["Begun", "Ask(\"nod\")", "Rest", "Ask(\"turn-left\")", "Rest"]);
        assert_eq!(files(&folder.0), ["a.json", "a.y4m"]);
        let video = fs::read(&plan.output).unwrap();
        let header = b"YUV4MPEG2 W2 H1 F30:1 Ip A1:1 C444 XCOLORRANGE=FULL\n";
        let frame = b"FRAME\n\xc8\xc8\x80\x80\x80\x80";
        assert_eq!(video, [header.as_slice(), &frame.repeat(4)].concat());
        let about = fs::read_to_string(folder.0.join("a.json")).unwrap();
        assert!(about.contains(r#"{"action": "nod", "from_s": 0.300, "to_s": 0.800}"#), "{about}");
        assert!(about.contains(r#""times_us": [0, 400000, 900000, 1990000]"#), "{about}");
        let again = record(&camera, "colour", &plan, &mut heard);
        assert!(matches!(again, Err(RecordError::Exists(_))));
    }

    #[test]
    fn what_is_not_whole_is_not_there() {
        let folder = Folder::new("broken");
        let plan = plan(&folder.0, &[]);
        let gone = record(&Scripted(vec![1, 2]), "colour", &plan, &mut Heard::default());
        assert!(matches!(gone, Err(RecordError::Camera(CameraRefusal::Gone))));
        let mut deaf = Heard { deaf: true, ..Heard::default() };
        let abandoned = record(&Scripted(vec![1, 2]), "colour", &plan, &mut deaf);
        assert!(matches!(abandoned, Err(RecordError::Abandoned)));
        assert!(files(&folder.0).is_empty());
    }

    #[test]
    fn a_colour_camera_is_picked_first() {
        assert_eq!(pick(&Scripted(Vec::new())).unwrap(), "colour");
    }

    #[test]
    fn what_is_asked_is_a_word_and_two_times() {
        let nod = Asked { action: "nod".into(), from_ms: 1, to_ms: 20 };
        assert_eq!(Asked::parse("nod:1-20"), Ok(nod));
        for text in ["nod", "nod:1", "nod:2-2", ":1-2", "no\"d:1-2", "Nod:1-2", "nod:-1-2", "nod:a-b"] {
            assert!(Asked::parse(text).is_err(), "{text}");
        }
    }

    /// A folder of one test, removed with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("vultus-record-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
