//! What the demo, the tests and the benchmarks stand on: a whole machine in a temporary folder, made of
//! real parts, and a simulated person in front of a scripted camera.

pub mod annotate;
pub mod client;
pub mod films;
pub mod machine;
pub mod measure;
pub mod pictures;
pub mod process;
pub mod sitter;
pub mod video;
