//! A picture in memory, and how squares of it are cut, turned and scaled for a network.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::VisionError;

/// The largest side that is taken, in pixels.
const LARGEST_SIDE: u32 = 8192;
/// The most samples along each side of one pixel of a crop.
const MOST_SAMPLES: usize = 8;

/// Rows of red, green, blue bytes from the top left, without padding. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Image {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({} x {}, pixels redacted)", self.width, self.height)
    }
}

/// A point in pixels: x to the right, y down, pixel centres at whole numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    pub x: f32,
    pub y: f32,
}

impl Point {
    pub fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }

    pub fn distance(self, other: Self) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }

    pub fn midway(self, other: Self) -> Self {
        Self::new((self.x + other.x) / 2.0, (self.y + other.y) / 2.0)
    }
}

/// x' = a·x - b·y + tx, y' = b·x + a·y + ty: scale, turn and shift, from a crop's pixels to the image's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    pub a: f32,
    pub b: f32,
    pub tx: f32,
    pub ty: f32,
}

impl Similarity {
    /// A square of `side` image pixels around `centre`, turned by `angle` radians, cut to `size` pixels.
    pub fn square(centre: Point, side: f32, angle: f32, size: usize) -> Self {
        let scale = side / size as f32;
        let (sin, cos) = angle.sin_cos();
        let (a, b) = (scale * cos, scale * sin);
        // The crop spans [-0.5, size - 0.5], so its centre is at (size - 1) / 2.
        let middle = (size as f32 - 1.0) / 2.0;
        Self { a, b, tx: centre.x - a * middle + b * middle, ty: centre.y - b * middle - a * middle }
    }

    pub fn apply(self, p: Point) -> Point {
        Point::new(self.a * p.x - self.b * p.y + self.tx, self.b * p.x + self.a * p.y + self.ty)
    }

    /// How many image pixels one crop pixel is long.
    pub fn scale(self) -> f32 {
        self.a.hypot(self.b)
    }
}

/// How bytes become a network's numbers: `(x - offset) * factor`.
#[derive(Clone, Copy, Debug)]
pub struct Normalisation {
    pub offset: f32,
    pub factor: f32,
}

impl Image {
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self, VisionError> {
        let bytes = rgb.len();
        let image = Self { width, height, rgb };
        let fits = |side: u32| (1..=LARGEST_SIDE).contains(&side);
        if fits(width) && fits(height) && bytes == width as usize * height as usize * 3 {
            Ok(image)
        } else {
            Err(VisionError::BadImage { width, height, bytes })
        }
    }

    /// A grey picture, its one channel taken for all three.
    pub fn from_grey(width: u32, height: u32, grey: &[u8]) -> Result<Self, VisionError> {
        Self::from_rgb(width, height, grey.iter().flat_map(|&g| [g, g, g]).collect())
    }

    pub fn width(&self) -> u32 {
        self.width
    }

    pub fn height(&self) -> u32 {
        self.height
    }

    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    pub fn contains(&self, p: Point) -> bool {
        p.x >= 0.0 && p.y >= 0.0 && p.x <= (self.width - 1) as f32 && p.y <= (self.height - 1) as f32
    }

    /// One pixel; black outside.
    pub fn pixel(&self, x: i64, y: i64) -> [u8; 3] {
        if x < 0 || y < 0 || x >= i64::from(self.width) || y >= i64::from(self.height) {
            return [0; 3];
        }
        let at = (y as usize * self.width as usize + x as usize) * 3;
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    /// The colour of the nearest pixel; black outside.
    fn nearest(&self, p: Point) -> [f32; 3] {
        self.pixel((p.x + 0.5).floor() as i64, (p.y + 0.5).floor() as i64).map(f32::from)
    }

    /// The colour between four pixels; black outside.
    pub fn sample(&self, p: Point) -> [f32; 3] {
        let (x, y) = (p.x.floor(), p.y.floor());
        let (fx, fy) = (p.x - x, p.y - y);
        let (x, y) = (x as i64, y as i64);
        let inside = x >= 0 && y >= 0 && x + 1 < i64::from(self.width) && y + 1 < i64::from(self.height);
        let [p00, p10, p01, p11] = if inside {
            let row = self.width as usize * 3;
            let at = y as usize * row + x as usize * 3;
            let here = |at: usize| [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]];
            [here(at), here(at + 3), here(at + row), here(at + row + 3)]
        } else {
            [self.pixel(x, y), self.pixel(x + 1, y), self.pixel(x, y + 1), self.pixel(x + 1, y + 1)]
        };
        let mix = |c: usize| {
            let top = f32::from(p00[c]) * (1.0 - fx) + f32::from(p10[c]) * fx;
            let bottom = f32::from(p01[c]) * (1.0 - fx) + f32::from(p11[c]) * fx;
            top * (1.0 - fy) + bottom * fy
        };
        [mix(0), mix(1), mix(2)]
    }

    /// A square crop as three planes of `size` x `size` numbers: red, green, blue.
    ///
    /// Where the crop is much smaller than what it shows, each of its pixels is the mean of a grid of
    /// samples, so that detail finer than the crop's own does not turn into noise.
    pub fn crop(&self, from: Similarity, size: usize, by: Normalisation) -> Vec<f32> {
        let mut planes = vec![0.0; 3 * size * size];
        let grid = (from.scale().round() as usize).clamp(1, MOST_SAMPLES);
        let step = 1.0 / grid as f32;
        let first = (step - 1.0) / 2.0;
        let share = 1.0 / (grid * grid) as f32;
        // With so many samples a pixel, the nearest is as good as a mixture of four.
        let sample = |p: Point| if grid > 2 { self.nearest(p) } else { self.sample(p) };
        for row in 0..size {
            for column in 0..size {
                let mut sum = [0.0f32; 3];
                for i in 0..grid {
                    for j in 0..grid {
                        let x = column as f32 + first + j as f32 * step;
                        let y = row as f32 + first + i as f32 * step;
                        for (s, c) in sum.iter_mut().zip(sample(from.apply(Point::new(x, y)))) {
                            *s += c;
                        }
                    }
                }
                for (channel, s) in sum.into_iter().enumerate() {
                    planes[(channel * size + row) * size + column] = (s * share - by.offset) * by.factor;
                }
            }
        }
        planes
    }
}
