//! `vultus-scripted-camera`: plays pictures or a video as a camera, over the same socket and under the
//! same pairing as the kernel's. For demos and tests; never packaged.

use std::collections::HashMap;
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
use vultus_tests::actor::{Actor, ROLE};
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
    /// A video (.y4m), a picture, a folder of pictures of one size, or a role (.role) that is played live; or a link to one, which may be turned to
    /// another of the same size at any time. While there is nothing, there is no camera.
    #[arg(long)]
    play: PathBuf,
    /// Frames a second.
    #[arg(long, default_value_t = 30)]
    rate: u32,
    #[arg(long, default_value = "scripted:0")]
    id: String,
}

struct Scripted {
    shelf: Arc<Shelf>,
    rate: u32,
    id: String,
}

type Film = Arc<Vec<Picture>>;

/// The films that were played so far, by what the link pointed to.
struct Shelf {
    play: PathBuf,
    films: Mutex<HashMap<PathBuf, Film>>,
}

impl Shelf {
    /// What is to be played now. Whoever takes the link away has unplugged the camera.
    fn target(&self) -> Option<PathBuf> {
        std::fs::canonicalize(&self.play).ok()
    }

    fn film(&self, target: &Path) -> Result<Film, CameraRefusal> {
        let mut films = self.films.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(film) = films.get(target) {
            return Ok(Arc::clone(film));
        }
        let film = Arc::new(load(target).map_err(|_| CameraRefusal::NoSuchCamera)?);
        films.insert(target.to_owned(), Arc::clone(&film));
        Ok(film)
    }
}

impl Source for Scripted {
    fn list(&self) -> Vec<CameraRecord> {
        let record =
            CameraRecord { id: self.id.clone(), label: "Scripted camera".into(), spectrum: Spectrum::Colour };
        if self.shelf.target().is_some() { vec![record] } else { Vec::new() }
    }

    fn open(&self, _: &str) -> Result<Box<dyn Stream>, CameraRefusal> {
        let target = self.shelf.target().ok_or(CameraRefusal::NoSuchCamera)?;
        let mut show = Show::open(&self.shelf, &target)?;
        let first = show.next().ok_or(CameraRefusal::NoFormat)?;
        let mode = Mode { width: first.width, height: first.height, format: Format::Rgb };
        let period = Duration::from_secs(1) / self.rate.max(1);
        let next = Deadline::after(period);
        let shelf = Arc::clone(&self.shelf);
        Ok(Box::new(Playing { shelf, target, mode, show, period, next, count: 0 }))
    }
}

/// What is before the camera.
enum Show {
    /// Pictures one after the other, over and over, from this place on.
    Film(Film, usize),
    Live(Box<Actor>),
}

impl Show {
    fn open(shelf: &Shelf, target: &Path) -> Result<Self, CameraRefusal> {
        if target.extension().is_some_and(|ending| ending == ROLE) {
            let actor = Actor::new(target).map_err(|_| CameraRefusal::NoSuchCamera)?;
            return Ok(Self::Live(Box::new(actor)));
        }
        Ok(Self::Film(shelf.film(target)?, 0))
    }

    fn next(&mut self) -> Option<Picture> {
        match self {
            Self::Film(pictures, place) => {
                let picture = pictures.get(*place)?;
                *place = (*place + 1) % pictures.len();
                Some(picture.clone())
            }
            Self::Live(actor) => Some(actor.picture()),
        }
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

struct Playing {
    shelf: Arc<Shelf>,
    target: PathBuf,
    mode: Mode,
    show: Show,
    period: Duration,
    next: Deadline,
    count: u32,
}

impl Playing {
    /// Follows the link, if it was turned: the other show begins.
    fn follow(&mut self) -> Result<(), CameraRefusal> {
        let target = self.shelf.target().ok_or(CameraRefusal::Gone)?;
        if target != self.target {
            self.show = Show::open(&self.shelf, &target).map_err(|_| CameraRefusal::Gone)?;
            self.target = target;
        }
        Ok(())
    }
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
        self.follow()?;
        self.next = Deadline::after(self.period);
        let picture = self.show.next().ok_or(CameraRefusal::Gone)?;
        let captured_us = monotonic_us();
        if (picture.width, picture.height) != (self.mode.width, self.mode.height) {
            return Err(CameraRefusal::Gone);
        }
        let sequence = self.count;
        self.count = self.count.wrapping_add(1);
        Ok(Some(RawFrame { pixels: picture.rgb, sequence, captured_us }))
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
    let shelf = Arc::new(Shelf { play: arguments.play, films: Mutex::default() });
    let source = Scripted { shelf, rate: arguments.rate, id: arguments.id };
    Server::new(source, keyring, Uid(arguments.vault_uid), patience).serve(&listener)?;
    Ok(())
}
