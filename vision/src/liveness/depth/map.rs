//! A depth picture in memory, how it comes from the bytes of a depth stream, and how single errors of a depth
//! camera are taken out of it. It knows no faces.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::VisionError;
use crate::image::Point;

/// The largest side that is taken, in pixels: as of a colour picture.
const LARGEST_SIDE: u32 = 8192;
/// A pixel keeps or gets a depth where at least so many of the 9 around it have one.
const LEAST_NEAR: usize = 5;
/// The most depths that one is the median of.
const MOST_TOGETHER: usize = 9;

/// How far one step of a depth stream is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DepthUnit {
    millimetres: f32,
}

impl DepthUnit {
    /// 0.001 m, as most cameras have it.
    pub const MILLIMETRE: Self = Self { millimetres: 1.0 };
    /// The finest and the coarsest that is taken, in metres.
    const METRES: std::ops::RangeInclusive<f32> = 1e-5..=0.01;

    /// As the camera states it, in metres a step. None of what no camera has, and of what is no number.
    pub fn of_metres(metres: f32) -> Option<Self> {
        Self::METRES.contains(&metres).then_some(Self { millimetres: 1000.0 * metres })
    }

    /// Whole millimetres; 0, a hole, of what is too far to be told.
    fn depth(self, steps: u16) -> u16 {
        let millimetres = (f32::from(steps) * self.millimetres).round();
        if millimetres <= f32::from(u16::MAX) { millimetres as u16 } else { 0 }
    }
}

impl Default for DepthUnit {
    fn default() -> Self {
        Self::MILLIMETRE
    }
}

/// Millimetres from the camera in rows from the top left, without padding; 0 where there is no depth. Wiped
/// when dropped: it is the shape of a face.
#[derive(PartialEq, Zeroize, ZeroizeOnDrop)]
pub struct DepthMap {
    width: u32,
    height: u32,
    millimetres: Vec<u16>,
}

impl std::fmt::Debug for DepthMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DepthMap({} x {}, depths redacted)", self.width, self.height)
    }
}

impl DepthMap {
    pub fn new(width: u32, height: u32, millimetres: Vec<u16>) -> Result<Self, VisionError> {
        Self::check(width, height, 2 * millimetres.len())?;
        Ok(Self { width, height, millimetres })
    }

    /// Of a Z16 frame: rows from the top left without padding, two bytes a pixel, the lower first; 0 is a hole.
    /// A size that is not the one that was declared, or too large, is an error, and nothing is allocated for it.
    pub fn from_z16(width: u32, height: u32, bytes: &[u8], unit: DepthUnit) -> Result<Self, VisionError> {
        Self::check(width, height, bytes.len())?;
        let depth = |pair: &[u8]| unit.depth(u16::from_le_bytes([pair[0], pair[1]]));
        Ok(Self { width, height, millimetres: bytes.chunks_exact(2).map(depth).collect() })
    }

    /// Whether so many bytes, two a pixel, are a map of this size.
    pub(super) fn check(width: u32, height: u32, bytes: usize) -> Result<(), VisionError> {
        let fits = |side: u32| (1..=LARGEST_SIDE).contains(&side);
        if fits(width) && fits(height) && bytes == 2 * width as usize * height as usize {
            Ok(())
        } else {
            Err(VisionError::BadImage { width, height, bytes })
        }
    }

    pub fn width(&self) -> u32 {
        self.width
    }

    pub fn height(&self) -> u32 {
        self.height
    }

    /// None where there is no depth, or no pixel.
    pub fn at(&self, x: i64, y: i64) -> Option<u16> {
        if x < 0 || y < 0 || x >= i64::from(self.width) || y >= i64::from(self.height) {
            return None;
        }
        Some(self.millimetres[y as usize * self.width as usize + x as usize]).filter(|&depth| depth > 0)
    }

    /// Each pixel the median of the nine around it.
    pub fn without_speckles(&self) -> Self {
        let row = i64::from(self.width);
        let settled = |at: i64| {
            let around = (-1..=1).flat_map(|y| (-1..=1).map(move |x| (at % row + x, at / row + y)));
            of_some(around.filter_map(|(x, y)| self.at(x, y)), LEAST_NEAR)
        };
        self.with((0..row * i64::from(self.height)).map(settled).collect())
    }

    /// The same without depth where a row or a column is further than `reach` pixels from the middle: of a face
    /// and what is right around it.
    pub fn around(&self, middle: Point, reach: f32) -> Self {
        let row = self.width as usize;
        let near = |at: usize| {
            let (x, y) = ((at % row) as f32, (at / row) as f32);
            (x - middle.x).abs() <= reach && (y - middle.y).abs() <= reach
        };
        let depths = self.millimetres.iter().enumerate();
        self.with(depths.map(|(at, &depth)| if near(at) { depth } else { 0 }).collect())
    }

    /// Each pixel the median over at most nine maps in a row, where at least half of them have a depth. None
    /// where there are none or more, or they are not of one size.
    pub fn steadied(maps: &[Self]) -> Option<Self> {
        let first = maps.first()?;
        let alike = maps.iter().all(|m| (m.width, m.height) == (first.width, first.height));
        if !alike || maps.len() > MOST_TOGETHER {
            return None;
        }
        let settled = |at: usize| {
            let depths = maps.iter().map(|m| m.millimetres[at]).filter(|&depth| depth > 0);
            of_some(depths, maps.len().div_ceil(2))
        };
        Some(first.with((0..first.millimetres.len()).map(settled).collect()))
    }

    fn with(&self, millimetres: Vec<u16>) -> Self {
        Self { width: self.width, height: self.height, millimetres }
    }
}

/// The median of some depths, at most nine. 0 where there are fewer than `least`.
fn of_some(depths: impl Iterator<Item = u16>, least: usize) -> u16 {
    let mut some = [0; MOST_TOGETHER];
    let count = depths.take(MOST_TOGETHER).fold(0usize, |count, depth| {
        some[count] = depth;
        count + 1
    });
    let some = &mut some[..count];
    some.sort_unstable();
    if count < least { 0 } else { some.get(count / 2).copied().unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked() {
        assert!(DepthMap::new(2, 2, vec![1; 4]).is_ok());
        for (width, height, pixels) in [(2, 2, 3), (0, 4, 0), (9000, 1, 9000)] {
            assert!(DepthMap::new(width, height, vec![1; pixels]).is_err());
        }
    }

    #[test]
    fn bytes_become_millimetres() {
        let unit = DepthUnit::of_metres(0.0001).unwrap();
        let map = DepthMap::from_z16(2, 1, &[0x10, 0x27, 0, 0], unit).unwrap();
        assert_eq!((map.at(0, 0), map.at(1, 0)), (Some(1000), None));
        let usual = DepthMap::from_z16(1, 2, &[0x10, 0x27, 1, 0], DepthUnit::default()).unwrap();
        assert_eq!((usual.at(0, 0), usual.at(0, 1)), (Some(10_000), Some(1)));
        // Beyond 65 m nothing is told, rather than something wrong.
        let far = DepthMap::from_z16(1, 1, &[0xff, 0xff], DepthUnit::of_metres(0.01).unwrap()).unwrap();
        assert_eq!(far.at(0, 0), None);
    }

    #[test]
    fn bytes_of_another_size_are_refused() {
        let of = |width, height, bytes: usize| {
            DepthMap::from_z16(width, height, &vec![1; bytes], DepthUnit::MILLIMETRE)
        };
        assert!(of(3, 2, 12).is_ok());
        for (width, height, bytes) in [(1, 1, 3), (2, 2, 6), (2, 2, 10), (0, 0, 0), (8193, 1, 16_386)] {
            let refused = of(width, height, bytes);
            assert!(matches!(refused, Err(VisionError::BadImage { .. })), "{width} x {height} in {bytes}");
        }
        // A size whose bytes cannot be counted.
        assert!(of(u32::MAX, u32::MAX, 2).is_err());
    }

    #[test]
    fn no_camera_has_such_a_unit() {
        for metres in [0.0, -0.001, 1.0, f32::NAN, f32::INFINITY] {
            assert_eq!(DepthUnit::of_metres(metres), None);
        }
    }

    #[test]
    fn what_is_far_from_the_face_goes() {
        let map = DepthMap::new(5, 5, vec![500; 25]).unwrap().around(Point::new(2.0, 3.0), 1.0);
        assert_eq!((map.at(1, 2), map.at(3, 4)), (Some(500), Some(500)));
        assert_eq!((map.at(0, 3), map.at(2, 1)), (None, None));
        let nowhere = DepthMap::new(1, 1, vec![500]).unwrap().around(Point::new(f32::NAN, 0.0), 9.0);
        assert_eq!(nowhere.at(0, 0), None);
    }

    #[test]
    fn single_errors_and_single_holes_go() {
        let mut depths = vec![500; 25];
        depths[12] = 900;
        depths[6] = 0;
        let map = DepthMap::new(5, 5, depths).unwrap().without_speckles();
        assert_eq!((map.at(2, 2), map.at(1, 1)), (Some(500), Some(500)));
        assert_eq!((map.at(0, 0), map.at(-1, 0), map.at(5, 0)), (None, None, None));
    }

    #[test]
    fn time_settles_what_a_single_frame_does_not() {
        let map = |depth: u16| DepthMap::new(1, 1, vec![depth]).unwrap();
        let settled = |depths: &[u16]| {
            DepthMap::steadied(&depths.iter().map(|&d| map(d)).collect::<Vec<_>>()).and_then(|m| m.at(0, 0))
        };
        assert_eq!(settled(&[500, 0, 510]), Some(510));
        assert_eq!(settled(&[500, 700, 505]), Some(505));
        assert_eq!(settled(&[500, 0, 0]), None);
        assert_eq!(settled(&[]), None);
        assert_eq!(settled(&[500; 10]), None);
        let other = DepthMap::new(2, 1, vec![1, 1]).unwrap();
        assert_eq!(DepthMap::steadied(&[map(1), other]), None);
    }
}
