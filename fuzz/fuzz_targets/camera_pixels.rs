//! Bytes as a device's frame of any format and size: what is converted has exactly the declared size.
#![no_main]

// The file itself, without the crate around it: the conversion needs the JPEG decoder and nothing of
// V4L2, whose bindings are generated anew for each build.
#[path = "../../camera/src/convert.rs"]
mod convert;

use convert::{Layout, Wire, convert};
use libfuzzer_sys::fuzz_target;

/// Format, width, height and row length, one byte each; the rest is what the device delivered.
fn run(data: &[u8]) {
    let [wire, width, height, stride, bytes @ ..] = data else {
        return;
    };
    let (wire, each) = match wire % 4 {
        0 => (Wire::Grey, 1),
        1 => (Wire::Rgb, 3),
        2 => (Wire::Yuyv, 3),
        _ => (Wire::Mjpg, 3),
    };
    let (width, height) = (usize::from(*width), usize::from(*height));
    // Small sizes, so that small inputs fill them; rows of up to four times their longest need.
    let layout = Layout { width, height, stride: usize::from(*stride) * 4 };
    if let Ok(pixels) = convert(wire, layout, bytes) {
        assert_eq!(pixels.len(), width * height * each, "{wire:?} of {layout:?}");
    }
}

fuzz_target!(|data: &[u8]| { run(data) });
