//! Brings a depth picture to where the colour camera would have seen it. It measures no camera: the figures
//! come from the maker or from a calibration.

use super::map::DepthMap;
use crate::VisionError;
use crate::image::Point;

/// A camera without distortion: focal lengths and the centre, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pinhole {
    pub fx: f32,
    pub fy: f32,
    pub cx: f32,
    pub cy: f32,
}

impl Pinhole {
    /// Where a pixel of that depth is before the camera, in millimetres: right, down, away.
    pub fn place(self, pixel: Point, depth: f32) -> [f32; 3] {
        [(pixel.x - self.cx) / self.fx * depth, (pixel.y - self.cy) / self.fy * depth, depth]
    }

    /// The pixel that shows a place. None behind the camera.
    pub fn pixel(self, [x, y, z]: [f32; 3]) -> Option<Point> {
        (z > 0.0).then(|| Point::new(x / z * self.fx + self.cx, y / z * self.fy + self.cy))
    }
}

/// Two cameras, and how the one stands to the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    pub depth: Pinhole,
    pub colour: Pinhole,
    /// Rows of the rotation from the depth camera's axes to the colour camera's.
    pub rotation: [[f32; 3]; 3],
    /// Where the colour camera's axes have the depth camera, in millimetres.
    pub translation: [f32; 3],
}

impl Calibration {
    /// From the depth camera's axes to the colour camera's.
    fn moved(&self, place: [f32; 3]) -> [f32; 3] {
        let along = |i: usize| self.rotation[i].iter().zip(place).map(|(r, p)| r * p).sum::<f32>();
        [0, 1, 2].map(|i| along(i) + self.translation[i])
    }
}

impl DepthMap {
    /// The depth of each pixel of a colour picture of this size; of two surfaces, the nearer.
    pub fn registered(&self, to: &Calibration, width: u32, height: u32) -> Result<Self, VisionError> {
        let pixels = (width as usize).saturating_mul(height as usize);
        Self::check(width, height, pixels.saturating_mul(2))?;
        // A depth pixel covers as many colour pixels as its camera is coarser, or holes would be left.
        let finer = (to.colour.fx / to.depth.fx).max(1.0);
        let reach = (finer / 2.0 + 0.5).ceil().min(8.0) as i64;
        let mut millimetres = vec![0u16; pixels];
        for (seen, depth) in self.seen_by(to) {
            let (column, row) = (seen.x.round() as i64, seen.y.round() as i64);
            for y in (row - reach + 1).max(0)..(row + reach).min(i64::from(height)) {
                for x in (column - reach + 1).max(0)..(column + reach).min(i64::from(width)) {
                    let pixel = &mut millimetres[y as usize * width as usize + x as usize];
                    *pixel = if *pixel == 0 { depth } else { depth.min(*pixel) };
                }
            }
        }
        Self::new(width, height, millimetres)
    }

    /// Where the colour camera sees each depth, and how far away from itself.
    fn seen_by(&self, to: &Calibration) -> impl Iterator<Item = (Point, u16)> {
        let (columns, rows) = (i64::from(self.width()), i64::from(self.height()));
        (0..columns * rows).filter_map(move |at| {
            let (x, y) = (at % columns, at / columns);
            let depth = f32::from(self.at(x, y)?);
            let place = to.moved(to.depth.place(Point::new(x as f32, y as f32), depth));
            let seen = to.colour.pixel(place).filter(|seen| is_near(*seen))?;
            Some((seen, place[2].round() as u16))
        })
    }
}

/// Near enough to a picture that its place can be counted: what grazes the colour camera's plane is seen anywhere.
fn is_near(seen: Point) -> bool {
    const FAR: f32 = 1e6;
    seen.x.abs() < FAR && seen.y.abs() < FAR
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRAIGHT: [[f32; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

    fn cameras(finer: f32, baseline: f32) -> Calibration {
        let depth = Pinhole { fx: 100.0, fy: 100.0, cx: 15.5, cy: 15.5 };
        let edge = (finer - 1.0) / 2.0;
        let centre = 15.5 * finer + edge;
        let colour = Pinhole { fx: 100.0 * finer, fy: 100.0 * finer, cx: centre, cy: centre };
        Calibration { depth, colour, rotation: STRAIGHT, translation: [baseline, 0.0, 0.0] }
    }

    /// A wall, and something before it in the middle.
    fn scene() -> DepthMap {
        let depth = |x: usize, y: usize| if x.abs_diff(16) < 4 && y.abs_diff(16) < 4 { 500 } else { 1000 };
        DepthMap::new(32, 32, (0..1024).map(|at| depth(at % 32, at / 32)).collect()).unwrap()
    }

    #[test]
    fn the_same_camera_sees_the_same() {
        assert_eq!(scene().registered(&cameras(1.0, 0.0), 32, 32).unwrap(), scene());
    }

    #[test]
    fn what_is_near_moves_more() {
        // 50 mm aside: 5 pixels at a metre, 10 at half of it.
        let aside = scene().registered(&cameras(1.0, 50.0), 48, 32).unwrap();
        assert_eq!(aside.at(26, 16), Some(500));
        assert_eq!(aside.at(16, 16), Some(1000));
        assert_eq!(aside.at(2, 16), None);
    }

    #[test]
    fn a_finer_camera_gets_no_holes() {
        let fine = scene().registered(&cameras(3.0, 0.0), 96, 96).unwrap();
        let holes = (0..96 * 96).filter(|at| fine.at(at % 96, at / 96).is_none()).count();
        assert_eq!(holes, 0);
        assert_eq!((fine.at(49, 49), fine.at(4, 4)), (Some(500), Some(1000)));
    }

    #[test]
    fn nothing_is_seen_from_behind() {
        let mut turned = cameras(1.0, 0.0);
        turned.rotation = [[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]];
        let map = scene().registered(&turned, 32, 32).unwrap();
        assert!((0..32).all(|x| map.at(x, 16).is_none()));
    }

    #[test]
    fn a_calibration_beyond_measure_shows_nothing() {
        for far in [1e30, f32::INFINITY, f32::NAN] {
            let map = scene().registered(&cameras(1.0, far), 32, 32).unwrap();
            assert!((0..32).all(|x| map.at(x, 16).is_none()));
        }
        assert!(scene().registered(&cameras(1.0, 0.0), u32::MAX, u32::MAX).is_err());
    }
}
