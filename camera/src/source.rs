//! What the server needs of cameras: a list, and a stream of raw frames from one of them.

use vultus_frames::Mode;
use vultus_ipc::Deadline;
use vultus_ipc::camera::{CameraRecord, CameraRefusal};

/// All cameras of one kind.
pub trait Source: Send + Sync + 'static {
    fn list(&self) -> Vec<CameraRecord>;

    /// Opens one camera in a mode of its choice, dark until it is started. Dropping the stream releases
    /// the device and its light.
    fn open(&self, camera: &str) -> Result<Box<dyn Stream>, CameraRefusal>;
}

/// An open camera.
pub trait Stream {
    fn mode(&self) -> Mode;

    /// Starts to capture: the light goes on.
    fn start(&mut self) -> Result<(), CameraRefusal>;

    /// The newest frame, or nothing where none came by the deadline. An error ends the stream.
    fn next(&mut self, deadline: Deadline) -> Result<Option<RawFrame>, CameraRefusal>;
}

/// Pixels in the stream's mode.
pub struct RawFrame {
    pub pixels: Vec<u8>,
    /// The device's count of frames.
    pub sequence: u32,
    /// Microseconds of the monotonic clock.
    pub captured_us: u64,
}

/// The monotonic clock in microseconds: the same for all processes of the machine.
pub fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}
