//! `vultus-scripted-camera`: plays pictures or a video as a camera, over the same socket and under the
//! same pairing as the kernel's. For demos and tests; never packaged.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Parser;
use vultus_camera::keyring::Keyring;
use vultus_camera::server::{Patience, Server};
use vultus_camera::source::{RawFrame, Source, Stream, monotonic_us};
use vultus_frames::{Format, Mode};
use vultus_ipc::camera::{CameraRecord, CameraRefusal, Spectrum};
use vultus_ipc::{Deadline, Listener, Uid};
use vultus_tests::pictures;
use vultus_tests::video::{self, Picture};

#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    socket: PathBuf,
    #[arg(long)]
    state: PathBuf,
    #[arg(long)]
    vault_uid: u32,
    /// A video (.y4m), a picture, or a folder of pictures of one size. It is opened anew for each
    /// session: while there is nothing, there is no camera.
    #[arg(long)]
    play: PathBuf,
    /// Frames a second.
    #[arg(long, default_value_t = 30)]
    rate: u32,
    #[arg(long, default_value = "scripted:0")]
    id: String,
}

struct Scripted {
    play: PathBuf,
    rate: u32,
    id: String,
    /// The last film, which is often played again.
    film: Mutex<Option<(PathBuf, Film)>>,
}

type Film = Arc<Vec<Picture>>;

impl Scripted {
    fn film(&self) -> Result<Film, CameraRefusal> {
        let target = std::fs::canonicalize(&self.play).map_err(|_| CameraRefusal::NoSuchCamera)?;
        let mut last = self.film.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, film)) = last.as_ref().filter(|(path, _)| *path == target) {
            return Ok(Arc::clone(film));
        }
        let film = Arc::new(load(&target).map_err(|_| CameraRefusal::NoSuchCamera)?);
        *last = Some((target, Arc::clone(&film)));
        Ok(film)
    }
}

impl Source for Scripted {
    fn list(&self) -> Vec<CameraRecord> {
        let record =
            CameraRecord { id: self.id.clone(), label: "Scripted camera".into(), spectrum: Spectrum::Colour };
        if self.play.exists() { vec![record] } else { Vec::new() }
    }

    fn open(&self, _: &str) -> Result<Box<dyn Stream>, CameraRefusal> {
        let pictures = self.film()?;
        let first = pictures.first().ok_or(CameraRefusal::NoFormat)?;
        let mode = Mode { width: first.width, height: first.height, format: Format::Rgb };
        let period = Duration::from_secs(1) / self.rate.max(1);
        let play = self.play.clone();
        Ok(Box::new(Playing { play, mode, pictures, period, next: Deadline::after(period), count: 0 }))
    }
}

fn load(path: &Path) -> Result<Vec<Picture>, Box<dyn std::error::Error>> {
    if path.is_dir() {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(path)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
        files.sort();
        return files.iter().map(|f| pictures::open(f)).collect();
    }
    let target = std::fs::canonicalize(path)?;
    match target.extension().and_then(|e| e.to_str()) {
        Some("y4m") => Ok(video::read(&target)?.1),
        _ => Ok(vec![pictures::open(&target)?]),
    }
}

/// Pictures one after the other, over and over.
struct Playing {
    play: PathBuf,
    mode: Mode,
    pictures: Film,
    period: Duration,
    next: Deadline,
    count: u32,
}

impl Stream for Playing {
    fn mode(&self) -> Mode {
        self.mode
    }

    fn start(&mut self) -> Result<(), CameraRefusal> {
        self.next = Deadline::after(self.period);
        Ok(())
    }

    fn next(&mut self, deadline: Deadline) -> Result<Option<RawFrame>, CameraRefusal> {
        std::thread::sleep(self.next.remaining().min(deadline.remaining()));
        if !self.next.passed() {
            return Ok(None);
        }
        // Whoever takes the film away has unplugged the camera.
        if !self.play.exists() {
            return Err(CameraRefusal::Gone);
        }
        self.next = Deadline::after(self.period);
        let picture = &self.pictures[self.count as usize % self.pictures.len()];
        let sequence = self.count;
        self.count = self.count.wrapping_add(1);
        Ok(Some(RawFrame { pixels: picture.rgb.clone(), sequence, captured_us: monotonic_us() }))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    vultus_journal::start("vultus-scripted-camera");
    let keyring = Keyring::open(&arguments.state)?;
    let patience = Patience {
        first_frame: Duration::from_secs(30),
        next_frame: Duration::from_secs(30),
        message: Duration::from_secs(30),
    };
    let listener = Listener::bind(&arguments.socket, 0o666)?;
    let source =
        Scripted { play: arguments.play, rate: arguments.rate, id: arguments.id, film: Mutex::default() };
    Server::new(source, keyring, Uid(arguments.vault_uid), patience).serve(&listener)?;
    Ok(())
}
