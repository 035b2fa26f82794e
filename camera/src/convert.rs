//! What devices deliver, turned into rows of grey or RGB without padding. Input of a wrong size or
//! form is an error, never a guess.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// How a device lays out its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Two pixels in four bytes: Y U Y V, BT.601 limited range.
    Yuyv,
    /// A JPEG picture for each frame.
    Mjpg,
    /// Red, green, blue.
    Rgb,
    /// One byte a pixel.
    Grey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    #[error("fewer bytes than the declared size needs")]
    Short,
    #[error("not a JPEG picture of the declared size")]
    BadJpeg,
}

/// Width and height in pixels, and the bytes from one row to the next (0 where rows have no padding).
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub width: usize,
    pub height: usize,
    pub stride: usize,
}

impl Layout {
    /// The rows without their padding.
    fn rows<'a>(
        &self,
        bytes: &'a [u8],
        row_bytes: usize,
    ) -> Result<impl Iterator<Item = &'a [u8]> + use<'a>, ConvertError> {
        let stride = self.stride.max(row_bytes);
        let last = stride.checked_mul(self.height.saturating_sub(1)).ok_or(ConvertError::Short)?;
        if bytes.len() < last + row_bytes {
            return Err(ConvertError::Short);
        }
        Ok(bytes.chunks(stride).take(self.height).map(move |row| &row[..row_bytes]))
    }
}

/// One frame's bytes as grey or RGB.
pub fn convert(wire: Wire, layout: Layout, bytes: &[u8]) -> Result<Vec<u8>, ConvertError> {
    if layout.width == 0 || layout.height == 0 {
        return Err(ConvertError::Short);
    }
    match wire {
        Wire::Grey => Ok(layout.rows(bytes, layout.width)?.flatten().copied().collect()),
        Wire::Rgb => Ok(layout.rows(bytes, layout.width * 3)?.flatten().copied().collect()),
        Wire::Yuyv => yuyv(layout, bytes),
        Wire::Mjpg => jpeg(layout, bytes),
    }
}

fn yuyv(layout: Layout, bytes: &[u8]) -> Result<Vec<u8>, ConvertError> {
    let mut rgb = Vec::with_capacity(layout.width * layout.height * 3);
    // An odd width still ends on a whole pair.
    let row_bytes = layout.width.div_ceil(2) * 4;
    for row in layout.rows(bytes, row_bytes)? {
        let pixels = row.chunks_exact(4).flat_map(|p| [(p[0], p[1], p[3]), (p[2], p[1], p[3])]);
        for (y, u, v) in pixels.take(layout.width) {
            rgb.extend(rgb_of(y, u, v));
        }
    }
    Ok(rgb)
}

/// BT.601, limited range, in fixed point with 16 bits of fraction.
fn rgb_of(y: u8, u: u8, v: u8) -> [u8; 3] {
    let y = 76_309 * (i32::from(y) - 16) + (1 << 15);
    let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
    let channel = |value: i32| (value >> 16).clamp(0, 255) as u8;
    [channel(y + 104_597 * v), channel(y - 25_675 * u - 53_279 * v), channel(y + 132_201 * u)]
}

/// The last two bytes of a whole picture. Devices may pad it with zeros.
const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];

fn jpeg(layout: Layout, bytes: &[u8]) -> Result<Vec<u8>, ConvertError> {
    // The decoder would fill in what is missing from a picture that was cut off.
    let end = bytes.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    if !bytes[..end].ends_with(&END_OF_IMAGE) {
        return Err(ConvertError::BadJpeg);
    }
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .set_max_width(layout.width)
        .set_max_height(layout.height);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|_| ConvertError::BadJpeg)?;
    let info = decoder.info().ok_or(ConvertError::BadJpeg)?;
    if (usize::from(info.width), usize::from(info.height)) != (layout.width, layout.height) {
        return Err(ConvertError::BadJpeg);
    }
    let rgb = decoder.decode().map_err(|_| ConvertError::BadJpeg)?;
    if rgb.len() == layout.width * layout.height * 3 { Ok(rgb) } else { Err(ConvertError::BadJpeg) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(width: usize, height: usize, stride: usize) -> Layout {
        Layout { width, height, stride }
    }

    #[test]
    fn yuyv_black_white_and_red() {
        let bytes = [16, 128, 235, 128, 81, 90, 81, 240];
        let rgb = convert(Wire::Yuyv, layout(4, 1, 0), &bytes).unwrap();
        assert_eq!(rgb[..6], [0, 0, 0, 255, 255, 255]);
        assert!(rgb[6] >= 253 && rgb[7] <= 2 && rgb[8] <= 2, "{rgb:?}");
    }

    #[test]
    fn padding_is_left_out() {
        let bytes = [1, 2, 99, 3, 4, 99];
        assert_eq!(convert(Wire::Grey, layout(2, 2, 3), &bytes).unwrap(), [1, 2, 3, 4]);
        let rgb = [1, 2, 3, 99, 4, 5, 6, 99];
        assert_eq!(convert(Wire::Rgb, layout(1, 2, 4), &rgb).unwrap(), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn short_frames_are_errors() {
        for wire in [Wire::Grey, Wire::Rgb, Wire::Yuyv] {
            assert_eq!(convert(wire, layout(8, 8, 0), &[0; 63]), Err(ConvertError::Short), "{wire:?}");
        }
        assert_eq!(convert(Wire::Mjpg, layout(8, 8, 0), &[0xff, 0xd8, 0xff]), Err(ConvertError::BadJpeg));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            wire in proptest::sample::select(vec![Wire::Grey, Wire::Rgb, Wire::Yuyv, Wire::Mjpg]),
            width in 0usize..40, height in 0usize..40, stride in 0usize..200,
            bytes in proptest::collection::vec(0u8.., 0..4000),
        ) {
            let layout = Layout { width, height, stride };
            if let Ok(pixels) = convert(wire, layout, &bytes) {
                let each = if wire == Wire::Grey { 1 } else { 3 };
                proptest::prop_assert_eq!(pixels.len(), width * height * each);
            }
        }
    }
}
