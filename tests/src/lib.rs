//! What the demo, the tests and the benchmarks stand on: a whole machine in a temporary folder, made of
//! real parts, and a simulated person in front of a scripted camera.

pub mod actor;
pub mod annotate;
pub mod backend;
pub mod browser;
pub mod client;
pub mod device;
pub mod endorsement;
pub mod films;
pub mod load;
pub mod machine;
pub mod measure;
pub mod pictures;
pub mod postgres;
pub mod presentation;
pub mod process;
pub mod real_people;
pub mod remote_demo;
pub mod results;
pub mod server;
pub mod simulation;
pub mod sitter;
pub mod soft_device;
pub mod swtpm;
pub mod tls_client;
pub mod video;
