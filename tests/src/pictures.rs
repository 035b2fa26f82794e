//! The photographs that `cargo xtask models` fetched, and what is cut out of them. They are of public
//! persons, from registry packages, and never committed.

use std::path::{Path, PathBuf};

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

/// Any picture file as RGB.
pub fn open(path: &Path) -> Result<Picture, Box<dyn std::error::Error>> {
    let decoded = image::open(path).map_err(|e| format!("{}: {e}", path.display()))?.to_rgb8();
    Ok(Picture { width: decoded.width(), height: decoded.height(), rgb: decoded.into_raw() })
}

/// A picture as the vision crate takes it.
pub fn image(picture: &Picture) -> Result<Image, vultus_vision::VisionError> {
    Image::from_rgb(picture.width, picture.height, picture.rgb.clone())
}
