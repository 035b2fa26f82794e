//! Whether the face in front of the camera belongs to a living person who is there now. Cues, each in a file
//! of its own, measure how much what was seen looks like an attack; a challenge asks for actions that a
//! recording cannot foresee; the checks of X.1279, Appendix III, hold what was seen together. It says nothing
//! about who the person is, and keeps no picture.
//!
//! ```text
//! Image, FaceView → Glimpse ─┬→ cues of one frame   ─┐
//!                            ├→ cues of many frames ─┼→ decision: Assessment
//!                            └→ challenge, continuity ┘
//! ```

pub mod actions;
pub mod angle;
pub mod appendix_iii;
pub mod challenge;
pub mod continuity;
pub mod decision;
pub mod depth;
mod fit;
#[cfg(test)]
mod fixtures;
pub mod flash;
pub mod focus;
pub mod gamut;
pub mod glimpse;
pub mod infrared;
mod light;
pub mod moire;
pub mod motion_in_depth;
pub mod network;
pub mod physical;
pub mod replay;
pub mod sitting;
mod spectrum;
pub mod specular;
pub mod surround;
#[cfg(test)]
mod synthetic;

pub use actions::{Action, ActionSet};
pub use challenge::{Challenge, Failure, Progress};
pub use decision::{Assessment, Demand, Evidence, Reading, Rule};
pub use glimpse::{Baseline, Cues, Glimpse, Track};
pub use physical::{Physical, Physicality};
pub use sitting::{Sitting, Standing};

/// What a cue looks at. Each has a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cue {
    /// A network's confidence that the face is not live. Off unless the manifest names a network.
    Network,
    /// Interference between a screen's or a print's grid and the sensor's.
    Moire,
    /// Straight edges and hands around a face that is held up.
    Surround,
    /// Colours that a print or a screen cannot show, or shows where skin does not.
    Gamut,
    /// Highlights: of skin, or of glass, paper and plastic.
    Specular,
    /// Focus and noise: a picture that was taken twice.
    Focus,
    /// Landmark motion that a plane, or a plane that is bent, cannot make.
    MotionInDepth,
    /// How skin and eyes reflect infrared light.
    InfraredReflectance,
    /// Whether the face follows the emitter's random pattern.
    InfraredResponse,
    /// The shape that a depth stream shows.
    Depth,
}

impl Cue {
    pub const ALL: [Self; 10] = [
        Self::Network,
        Self::Moire,
        Self::Surround,
        Self::Gamut,
        Self::Specular,
        Self::Focus,
        Self::MotionInDepth,
        Self::InfraredReflectance,
        Self::InfraredResponse,
        Self::Depth,
    ];

    /// The stable word, in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Moire => "moire",
            Self::Surround => "surround",
            Self::Gamut => "gamut",
            Self::Specular => "specular",
            Self::Focus => "focus",
            Self::MotionInDepth => "motion-in-depth",
            Self::InfraredReflectance => "infrared-reflectance",
            Self::InfraredResponse => "infrared-response",
            Self::Depth => "depth",
        }
    }

    /// Whether it needs a camera that sees more than colours, and so speaks for a living face by itself.
    pub fn is_physical(self) -> bool {
        matches!(self, Self::InfraredReflectance | Self::InfraredResponse | Self::Depth)
    }
}

/// How much something looks like an attack, by one cue: the larger, the more. Units are the cue's own, and
/// stand in its file; only the decision compares it with a bound.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Suspicion(pub f32);
