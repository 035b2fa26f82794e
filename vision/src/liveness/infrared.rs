//! What infrared light tells where the camera gives it: how skin, eyes and room throw back the emitter's
//! light, and whether they follow it when it is switched in a pattern that nobody could foresee. It switches
//! no emitter and finds no face.
//!
//! No infrared camera was to be had. All here follows from what is published about skin and light, and was
//! tried on numbers made for it; no bound on either figure has been measured.
//!
//! Measured: docs/liveness.md (nothing yet)

mod reflectance;
mod response;

pub use reflectance::{reflectance, subtracted};
pub use response::{EmitterFrame, response};
