//! The raw pixel formats that may cross to the vault, and how many bytes each takes.
//!
//! Threat model: M16.

use minicbor::{Decode, Encode};

use crate::FrameError;

/// The largest side of a frame, in pixels.
pub const LARGEST_SIDE: u32 = 1920;
/// The smallest side in which a face can be judged at all, in pixels.
pub const SMALLEST_SIDE: u32 = 96;

/// How pixels are laid out: rows from the top, without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Format {
    /// One byte a pixel.
    #[n(0)]
    Grey,
    /// Three bytes a pixel: red, green, blue.
    #[n(1)]
    Rgb,
}

impl Format {
    pub fn bytes_per_pixel(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
        }
    }
}

/// What a camera declares for a whole session: every frame has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Mode {
    /// Pixels.
    #[n(0)]
    pub width: u32,
    /// Pixels.
    #[n(1)]
    pub height: u32,
    #[n(2)]
    pub format: Format,
}

impl Mode {
    /// A mode within bounds.
    pub fn checked(self) -> Result<Self, FrameError> {
        let fits = |side: u32| (SMALLEST_SIDE..=LARGEST_SIDE).contains(&side);
        if fits(self.width) && fits(self.height) { Ok(self) } else { Err(FrameError::OtherFormat) }
    }

    /// The size of one frame in bytes.
    pub fn bytes(self) -> usize {
        self.width as usize * self.height as usize * self.format.bytes_per_pixel()
    }
}
