//! Has the program `ffmpeg` decode what is no uncompressed video. It runs as a child without a shell, may
//! open files and nothing else, and its pictures come through a pipe: nothing is stored.
//!
//! They come as uncompressed video with a first line of its own, not as bare pixels: so the size and the rate
//! are those of what comes, also where a telephone was held upright and the picture is turned.

use std::ffi::OsString;
use std::io::BufReader;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::film::FilmError;
use super::y4m::{Header, Reader, Y4mError};

const PROGRAM: &str = "ffmpeg";
/// Before the name of the file.
const READING: [&str; 10] = [
    "-nostdin",
    "-hide_banner",
    "-loglevel",
    "quiet",
    "-threads",
    "1",
    "-protocol_whitelist",
    "file,pipe",
    // A list of other files, or one without an end, is no video.
    "-format_whitelist",
    "mov,matroska,avi",
];
/// After it: the first video stream, as pixels in the one way that the reader takes for granted, at a steady
/// rate.
const WRITING: [&str; 9] = [
    "-map",
    "0:v:0",
    "-an",
    "-sn",
    "-dn",
    "-vf",
    "scale=out_color_matrix=bt601:out_range=tv,format=yuv444p",
    "-f",
    "yuv4mpegpipe",
];

/// Whether the program is there.
pub fn is_installed() -> bool {
    let mut command = Command::new(PROGRAM);
    command.arg("-version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A file while it is decoded. The child ends with it.
pub struct Decoder {
    child: Child,
    reader: Reader<BufReader<ChildStdout>>,
}

impl Decoder {
    pub fn open(path: &Path) -> Result<Self, FilmError> {
        let mut command = Command::new(PROGRAM);
        command.args(READING).arg("-i").arg(named(path)).args(WRITING).arg("pipe:1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let opened = match child.stdout.take() {
            Some(pipe) => Reader::open(BufReader::new(pipe)),
            None => Err(Y4mError::NotY4m),
        };
        match opened {
            Ok(reader) => Ok(Self { child, reader }),
            Err(error) => {
                end(&mut child);
                // It writes nothing where it can read nothing.
                Err(if matches!(error, Y4mError::NotY4m) { FilmError::Ffmpeg } else { error.into() })
            }
        }
    }

    pub fn header(&self) -> Header {
        self.reader.header()
    }

    /// The next frame as rows of red, green, blue; nothing at the end.
    pub fn frame(&mut self) -> Result<Option<Vec<u8>>, FilmError> {
        if let Some(rgb) = self.reader.frame()? {
            return Ok(Some(rgb));
        }
        let status = self.child.wait()?;
        if status.success() { Ok(None) } else { Err(FilmError::Ffmpeg) }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A child that has ended already needs no ending.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// As a file, whatever its name looks like: neither an option nor an address.
fn named(path: &Path) -> OsString {
    let mut name = OsString::from("file:");
    name.push(path);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_file_whatever_it_looks_like() {
        assert_eq!(named(Path::new("-y")), "file:-y");
        assert_eq!(named(Path::new("http://a/b.mp4")), "file:http://a/b.mp4");
    }

    #[test]
    fn what_is_no_video_is_refused() {
        if !is_installed() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        std::fs::write(&path, "no video").unwrap();
        assert!(matches!(Decoder::open(&path), Err(FilmError::Ffmpeg)));
    }
}
