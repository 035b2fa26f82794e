//! What infrared light tells where the camera gives it: how skin, eyes and room throw back the emitter's
//! light, and whether they follow it when it is switched in a pattern that nobody could foresee. It switches
//! no emitter and finds no face.
//!
//! ```text
//! Image, landmarks → Levels ─→ Lamp: lit or unlit? ─→ a lit frame less the unlit one after it → Return
//!                  └→ EmitterFrame, with the pattern → response
//! ```
//!
//! No infrared camera was to be had. All here follows from what is published about skin and light, and was
//! tried on numbers made for it; no bound on either figure has been measured.
//!
//! Measured: docs/liveness.md (nothing yet)

mod lamp;
mod levels;
mod reflectance;
mod response;

pub use lamp::{Emitter, Lamp, Light, Look};
pub use levels::Levels;
pub use reflectance::{Return, reflectance};
pub use response::{EmitterFrame, response};
