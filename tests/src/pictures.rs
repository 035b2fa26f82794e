//! The photographs and the clip that `cargo xtask models` fetched, and what is cut out of them. They are of
//! public persons, from registry packages, and never committed.

use std::path::{Path, PathBuf};
use std::process::Command;

use vultus_vision::Image;

use crate::video::Picture;

/// A photograph by what it is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Photograph {
    /// Person A, three different photographs.
    FirstOfA,
    SecondOfA,
    /// With somebody behind, who is cropped away.
    ThirdOfA,
    PersonB,
    PersonC,
}

impl Photograph {
    pub const ALL: [Self; 5] =
        [Self::FirstOfA, Self::SecondOfA, Self::ThirdOfA, Self::PersonB, Self::PersonC];

    pub fn file(self) -> &'static str {
        match self {
            Self::FirstOfA => "obama.jpg",
            Self::SecondOfA => "obama2.jpg",
            Self::ThirdOfA => "obama3.jpg",
            Self::PersonB => "biden.jpg",
            Self::PersonC => "astronaut.png",
        }
    }
}

/// The folder that set-up fills: `.cache` in the workspace.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache")
}

/// The folder of the converted models.
pub fn models() -> PathBuf {
    cache().join("models")
}

/// A photograph as it came.
pub fn photograph(which: Photograph) -> Result<Picture, Box<dyn std::error::Error>> {
    open(&cache().join("pictures").join(which.file()))
}

/// Microseconds from one picture of the clip to the next.
pub const CLIP_STEP_US: u64 = 33_367;
/// The clip's file, and its size in pixels, which are 12/11 as wide as they are high.
const CLIP: &str = "carphone.mp4";
const CLIP_SIZE: (u32, u32) = (176, 144);

/// The pictures of a real man who talks in a moving car, as they were coded. The program `ffmpeg` decodes
/// them.
pub fn clip() -> Result<Vec<Picture>, Box<dyn std::error::Error>> {
    let mut decode = Command::new("ffmpeg");
    decode.args(["-nostdin", "-v", "error", "-i"]).arg(cache().join("pictures").join(CLIP));
    decode.args(["-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]);
    let done = decode.output().map_err(|e| format!("ffmpeg cannot be run: {e}: cargo xtask setup"))?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into());
    }
    let (width, height) = CLIP_SIZE;
    let bytes = width as usize * height as usize * 3;
    let pictures = done.stdout.chunks_exact(bytes).map(|rgb| Picture { width, height, rgb: rgb.to_vec() });
    Ok(pictures.collect())
}

/// Any picture file as RGB.
pub fn open(path: &Path) -> Result<Picture, Box<dyn std::error::Error>> {
    let decoded = image::open(path).map_err(|e| format!("{}: {e}", path.display()))?.to_rgb8();
    Ok(Picture { width: decoded.width(), height: decoded.height(), rgb: decoded.into_raw() })
}

/// A picture as the vision crate takes it.
pub fn image(picture: &Picture) -> Result<Image, vultus_vision::VisionError> {
    Image::from_rgb(picture.width, picture.height, picture.rgb.clone())
}
