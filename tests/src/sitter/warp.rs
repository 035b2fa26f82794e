//! Triangles of one picture drawn into another, stretched and shaded. It neither knows what they show
//! nor which covers which.

use vultus_vision::image::Point;

use crate::simulation::glow::Glow;
use crate::simulation::light::{Light, Pixel};

/// Triangles with less area than this, in pixels, show nothing.
const LEAST_AREA: f32 = 1e-3;
/// How far outside of a triangle, in shares of it, a pixel still belongs to it: neighbours leave no
/// gap.
const SLACK: f32 = 1e-3;

/// Where a frame's pixels lie in a picture of it: so many times as large, without what is left of or
/// above it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    pub scale: f32,
    /// Pixels of the picture that are cut off.
    pub left: f32,
    pub top: f32,
}

impl View {
    /// The whole frame, so many times as large.
    pub fn whole(scale: f32) -> Self {
        Self { scale, left: 0.0, top: 0.0 }
    }

    /// A frame's pixel in the picture. Pixel centres are at whole numbers in both.
    pub fn apply(self, p: Point) -> Point {
        Point::new(self.along(p.x) - self.left, self.along(p.y) - self.top)
    }

    fn along(self, at: f32) -> f32 {
        (at + 0.5) * self.scale - 0.5
    }
}

/// One corner of a triangle: where it is drawn, what of the source it shows, how much light falls on
/// it, and how much of that of the machine's screen.
#[derive(Clone, Copy)]
pub struct Corner {
    pub to: Point,
    pub from: Point,
    pub shade: f32,
    pub shine: f32,
}

/// Draws what the source shows between the corners.
pub fn paint(onto: &mut Light, source: &Light, corners: [Corner; 3], glow: &Glow) {
    let source = source.sampled();
    each(onto, corners, |row, pixels, mut value, step| {
        let glow = glow.at(row);
        let mut far = value;
        let mut sum = 0.0;
        for _ in 0..pixels.len().div_ceil(4) {
            sum += source.touch(far, 2.5);
            far = std::array::from_fn(|i| far[i] + 4.0 * step[i]);
        }
        std::hint::black_box(sum);
        for pixel in pixels {
            *pixel = lit(source.at(value), value, glow);
            value = std::array::from_fn(|i| value[i] + step[i]);
        }
    });
}

/// Draws one colour between the corners.
pub fn fill(onto: &mut Light, colour: Pixel, corners: [Corner; 3], glow: &Glow) {
    each(onto, corners, |row, pixels, mut value, step| {
        let glow = glow.at(row);
        for pixel in pixels {
            *pixel = lit(colour, value, glow);
            value = std::array::from_fn(|i| value[i] + step[i]);
        }
    });
}

/// A colour in both lights: the machine's screen adds to the room's.
#[inline(always)]
fn lit(colour: Pixel, [_, _, shade, shine]: Pixel, glow: Pixel) -> Pixel {
    std::array::from_fn(|i| colour[i] * (shade + shine * glow[i]))
}

/// Visits every row of a triangle: its number, its pixels, and where the first of them is in the
/// source with its shade and its shine, and by how much these grow by pixel.
fn each(onto: &mut Light, corners: [Corner; 3], mut visit: impl FnMut(usize, &mut [Pixel], Pixel, Pixel)) {
    let [a, b, c] = corners.map(|k| k.to);
    let area = (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y);
    if area.abs() < LEAST_AREA {
        return;
    }
    // How the shares of the second and of the third corner grow by pixel, to the right and down.
    let (u_right, u_down) = ((c.y - a.y) / area, (a.x - c.x) / area);
    let (v_right, v_down) = ((a.y - b.y) / area, (b.x - a.x) / area);
    let [first, second, third] = corners.map(|k| [k.from.x, k.from.y, k.shade, k.shine]);
    let mix = |u: f32, v: f32| -> Pixel {
        std::array::from_fn(|i| u * (second[i] - first[i]) + v * (third[i] - first[i]))
    };
    let step = mix(u_right, v_right);
    let Some((top, bottom)) = whole(a.y.min(b.y).min(c.y), a.y.max(b.y).max(c.y), onto.height) else {
        return;
    };
    for row in top..=bottom {
        let y = row as f32;
        let (u, v) = (u_down * (y - a.y), v_down * (y - a.y));
        let limits = [(u, u_right), (v, v_right), (1.0 - u - v, -u_right - v_right)];
        if let Some((from, to)) = span(limits, a.x, onto.width) {
            let along = from as f32 - a.x;
            let start = mix(u + u_right * along, v + v_right * along);
            let start = std::array::from_fn(|i| first[i] + start[i]);
            visit(row, &mut onto.row_mut(row)[from..=to], start, step);
        }
    }
}

/// The columns of one row in which no share is negative. Each share is given at `origin`, with its
/// growth.
fn span(limits: [(f32, f32); 3], origin: f32, width: usize) -> Option<(usize, usize)> {
    let (mut low, mut high) = (f32::MIN, f32::MAX);
    for (at, slope) in limits {
        let bound = -(at + SLACK) / slope;
        if slope > 1e-9 {
            low = low.max(bound);
        } else if slope < -1e-9 {
            high = high.min(bound);
        } else if at < -SLACK {
            return None;
        }
    }
    whole(low + origin, high + origin, width)
}

/// The first and the last whole number from one place to another that is below a count.
fn whole(from: f32, to: f32, count: usize) -> Option<(usize, usize)> {
    if to < 0.0 || from > count as f32 {
        return None;
    }
    // Rounded by hand: without SSE 4.1, `ceil` and `floor` are calls.
    let from = from.max(0.0);
    let cut = from as usize;
    let first = if (cut as f32) < from { cut + 1 } else { cut };
    let last = (to as usize).min(count - 1);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corner(x: f32, y: f32) -> Corner {
        Corner { to: Point::new(x, y), from: Point::new(x, y), shade: 1.0, shine: 1.0 }
    }

    #[test]
    fn two_triangles_fill_a_square_without_a_gap() {
        let mut onto = Light::new(32, 32);
        let [a, b, c, d] = [corner(3.3, 2.9), corner(27.1, 4.2), corner(28.4, 27.7), corner(2.2, 25.1)];
        fill(&mut onto, [1.0; 4], [a, b, c], &Glow::default());
        fill(&mut onto, [1.0; 4], [a, c, d], &Glow::default());
        for y in 5..25 {
            for x in 4..27 {
                assert_eq!(onto.pixels[y * 32 + x], [1.0; 4], "{x}, {y}");
            }
        }
        assert_eq!(onto.pixels[0], [0.0; 4]);
    }

    #[test]
    fn an_unmoved_triangle_shows_the_source() {
        let mut source = Light::new(16, 16);
        for (i, pixel) in source.pixels.iter_mut().enumerate() {
            *pixel = [i as f32, (i % 16) as f32, 1.0, 0.0];
        }
        let mut onto = Light::new(16, 16);
        let corners = [corner(0.0, 0.0), corner(15.0, 0.0), corner(0.0, 15.0)];
        paint(&mut onto, &source, corners, &Glow::default());
        for (x, y) in [(0, 0), (3, 4), (7, 8), (10, 2)] {
            let (got, want) = (onto.pixels[y * 16 + x], source.pixels[y * 16 + x]);
            assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 0.05), "{x}, {y}: {got:?} {want:?}");
        }
    }

    #[test]
    fn pixel_centres_stay_centres() {
        let view = View { scale: 2.0, left: 10.0, top: 0.0 };
        assert_eq!(view.apply(Point::new(0.0, 0.0)), Point::new(-9.5, 0.5));
    }
}
