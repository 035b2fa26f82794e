//! Bytes as a video file that somebody measures: each frame that is read has exactly the size of the first line.
#![no_main]

// The file itself, without the crate around it, which brings the inference engine and the bus.
#[path = "../../cli/src/evaluate/liveness/y4m.rs"]
mod y4m;

use libfuzzer_sys::fuzz_target;
use y4m::{Reader, Y4mError};

/// Pixels of the largest picture that is looked at: larger ones only take time.
const MOST_PIXELS: u64 = 1 << 16;

fn run(data: &[u8]) -> Result<(), Y4mError> {
    let mut reader = Reader::open(data)?;
    let header = reader.header();
    let pixels = u64::from(header.width) * u64::from(header.height);
    let mut frames = 0;
    while let Some(rgb) = reader.frame()? {
        assert_eq!(rgb.len() as u64, pixels * 3, "{header:?}");
        assert!(header.rate.at_us(frames) < header.rate.at_us(frames + 1), "{header:?}");
        frames += 1;
        if pixels > MOST_PIXELS {
            break;
        }
    }
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    let _ = run(data);
});
