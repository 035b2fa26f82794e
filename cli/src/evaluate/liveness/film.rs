//! Opens one presentation as pictures with their times, whatever it is stored as. One picture is in memory;
//! none is copied anywhere, and none is judged.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use vultus_vision::Image;

use super::ffmpeg::Decoder;
use super::folder::Source;
use super::sidecar::Sidecar;
use super::y4m::{Rate, Reader, Y4mError};
use crate::evaluate::extract::decode;

/// Where films begin, in µs: what is measured before a prompt must not come before zero.
pub const START_US: u64 = 1_000_000;

/// One picture, and when it was taken.
pub struct Shot {
    pub image: Image,
    /// µs, the first at [`START_US`].
    pub at_us: u64,
}

/// The pictures of one presentation in order. After an error nothing of it is believed.
pub type Shots = Box<dyn Iterator<Item = Result<Shot, FilmError>>>;

/// Why a presentation cannot be measured. It is counted and named.
#[derive(Debug, thiserror::Error)]
pub enum FilmError {
    #[error("the video: {0}")]
    Video(#[from] Y4mError),
    #[error("ffmpeg cannot read it")]
    Ffmpeg,
    #[error("a picture is none, or too large")]
    Picture,
    #[error("there is no picture in it")]
    Empty,
    #[error("the file beside it: {0}")]
    Sidecar(&'static str),
    #[error("the file beside it has times for fewer frames")]
    Times,
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// When each picture was taken.
enum Clock {
    Steady(Rate),
    Written(Vec<u64>),
}

impl Clock {
    fn new(sidecar: &Sidecar, rate: Rate) -> Self {
        sidecar.times_us.clone().map_or(Self::Steady(rate), Self::Written)
    }

    fn at_us(&self, frame: usize) -> Result<u64, FilmError> {
        let from_first = match self {
            Self::Steady(rate) => rate.at_us(frame as u64),
            Self::Written(times) => *times.get(frame).ok_or(FilmError::Times)?,
        };
        Ok(START_US + from_first)
    }
}

/// `rate`: frames a second of pictures in a folder whose sidecar does not say.
pub fn open(source: &Source, sidecar: &Sidecar, rate: u32) -> Result<Shots, FilmError> {
    match source {
        Source::Video(path) => {
            let mut reader = Reader::open(BufReader::new(File::open(path)?))?;
            let header = reader.header();
            let frames = std::iter::from_fn(move || reader.frame().map_err(FilmError::from).transpose());
            let images = frames.map(move |rgb| rgb.and_then(|rgb| image(header.width, header.height, rgb)));
            Ok(timed(images, Clock::new(sidecar, header.rate)))
        }
        Source::Container(path) => {
            let mut decoder = Decoder::open(path)?;
            let header = decoder.header();
            let frames = std::iter::from_fn(move || decoder.frame().transpose());
            let images = frames.map(move |rgb| rgb.and_then(|rgb| image(header.width, header.height, rgb)));
            Ok(timed(images, Clock::new(sidecar, header.rate)))
        }
        Source::Pictures(paths) => Ok(pictures(paths.clone(), sidecar, rate)),
        Source::Picture(path) => Ok(pictures(vec![path.clone()], sidecar, rate)),
    }
}

fn pictures(paths: Vec<PathBuf>, sidecar: &Sidecar, rate: u32) -> Shots {
    let rate = Rate { frames: sidecar.rate.unwrap_or(rate).max(1), seconds: 1 };
    let images = paths.into_iter().map(|path: PathBuf| picture(&path));
    timed(images, Clock::new(sidecar, rate))
}

fn picture(path: &Path) -> Result<Image, FilmError> {
    decode(path).ok_or(FilmError::Picture)
}

fn image(width: u32, height: u32, rgb: Vec<u8>) -> Result<Image, FilmError> {
    Image::from_rgb(width, height, rgb).map_err(|_| FilmError::Picture)
}

fn timed(images: impl Iterator<Item = Result<Image, FilmError>> + 'static, clock: Clock) -> Shots {
    let shot = move |(frame, image): (usize, Result<Image, FilmError>)| -> Result<Shot, FilmError> {
        Ok(Shot { image: image?, at_us: clock.at_us(frame)? })
    };
    Box::new(images.enumerate().map(shot))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(shots: Shots) -> Vec<(u64, [u8; 3])> {
        shots.map(|shot| shot.unwrap()).map(|shot| (shot.at_us, shot.image.pixel(0, 0))).collect()
    }

    fn video(folder: &Path) -> Source {
        let path = folder.join("a.y4m");
        let frames = b"FRAME\n\x10\x80\x80FRAME\n\xeb\x80\x80";
        std::fs::write(&path, [b"YUV4MPEG2 W1 H1 F25:1 C444\n".as_slice(), frames].concat()).unwrap();
        Source::Video(path)
    }

    #[test]
    fn a_videos_rate_is_its_clock_unless_times_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let source = video(folder.path());
        let (black, white) = ([0u8; 3], [255u8; 3]);
        let steady = open(&source, &Sidecar::default(), 30).unwrap();
        assert_eq!(seen(steady), [(START_US, black), (START_US + 40_000, white)]);
        let times = |times_us| Sidecar { times_us: Some(times_us), ..Sidecar::default() };
        let written = open(&source, &times(vec![0, 70_000]), 30).unwrap();
        assert_eq!(seen(written)[1].0, START_US + 70_000);
        let mut short = open(&source, &times(vec![0]), 30).unwrap();
        assert!(short.next().is_some_and(|shot| shot.is_ok()));
        assert!(matches!(short.next(), Some(Err(FilmError::Times))));
    }

    #[test]
    fn pictures_follow_at_the_rate_that_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..2u8)
            .map(|n| {
                let path = folder.path().join(format!("{n}.png"));
                image::RgbImage::from_pixel(1, 1, image::Rgb([n, 0, 0])).save(&path).unwrap();
                path
            })
            .collect();
        let source = Source::Pictures(paths);
        let of_option = open(&source, &Sidecar::default(), 10).unwrap();
        assert_eq!(seen(of_option), [(START_US, [0; 3]), (START_US + 100_000, [1, 0, 0])]);
        let said = Sidecar { rate: Some(5), ..Sidecar::default() };
        assert_eq!(seen(open(&source, &said, 10).unwrap())[1].0, START_US + 200_000);
        let missing = Source::Picture(folder.path().join("none.png"));
        let mut shots = open(&missing, &Sidecar::default(), 30).unwrap();
        assert!(matches!(shots.next(), Some(Err(FilmError::Picture))));
    }
}
