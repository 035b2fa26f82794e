//! A depth picture in memory, and how single errors of a depth camera are taken out of it. It knows no
//! faces.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::VisionError;
use crate::liveness::fit::median;

/// The largest side that is taken, in pixels: as of a colour picture.
const LARGEST_SIDE: u32 = 8192;
/// A pixel keeps or gets a depth where at least so many of the 9 around it have one.
const LEAST_NEAR: usize = 5;

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
        let pixels = millimetres.len();
        let map = Self { width, height, millimetres };
        let fits = |side: u32| (1..=LARGEST_SIDE).contains(&side);
        if fits(width) && fits(height) && pixels == width as usize * height as usize {
            Ok(map)
        } else {
            Err(VisionError::BadImage { width, height, bytes: 2 * pixels })
        }
    }

    /// Of a Z16 frame: two bytes a pixel, the lower first, in units of `unit` millimetres.
    pub fn from_z16(width: u32, height: u32, bytes: &[u8], unit: f32) -> Result<Self, VisionError> {
        if !bytes.len().is_multiple_of(2) {
            return Err(VisionError::BadImage { width, height, bytes: bytes.len() });
        }
        let depth = |pair: &[u8]| (f32::from(u16::from_le_bytes([pair[0], pair[1]])) * unit).round() as u16;
        Self::new(width, height, bytes.chunks_exact(2).map(depth).collect())
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

    /// Each pixel the median over some maps in a row, where at least half of them have a depth. None where
    /// there are none, or they are not of one size.
    pub fn steadied(maps: &[Self]) -> Option<Self> {
        let first = maps.first()?;
        if maps.iter().any(|m| (m.width, m.height) != (first.width, first.height)) {
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

/// The median of some depths. 0 where there are fewer than `least`.
fn of_some(depths: impl Iterator<Item = u16>, least: usize) -> u16 {
    let depths: Vec<f32> = depths.map(f32::from).collect();
    if depths.len() < least { 0 } else { median(depths).unwrap_or(0.0) as u16 }
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
        assert!(DepthMap::from_z16(1, 1, &[1, 2, 3], 1.0).is_err());
        assert_eq!(DepthMap::from_z16(1, 1, &[0x10, 0x27], 0.1).unwrap().at(0, 0), Some(1000));
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
        let other = DepthMap::new(2, 1, vec![1, 1]).unwrap();
        assert_eq!(DepthMap::steadied(&[map(1), other]), None);
    }
}
