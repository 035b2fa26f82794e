//! Triangles of one picture drawn into another, stretched and shaded. It neither knows what they show
//! nor which covers which.

use vultus_vision::image::Point;

use crate::simulation::light::Light;

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

/// One corner of a triangle: where it is drawn, what of the source it shows, and how much light falls
/// on it.
#[derive(Clone, Copy)]
pub struct Corner {
    pub to: Point,
    pub from: Point,
    pub shade: f32,
}

/// Draws what the source shows between the corners.
pub fn paint(onto: &mut Light, source: &Light, corners: [Corner; 3]) {
    each(onto, corners, |pixel, [x, y, shade]| *pixel = source.sample(x, y).map(|c| c * shade));
}

/// Draws one colour between the corners.
pub fn fill(onto: &mut Light, colour: [f32; 3], corners: [Corner; 3]) {
    each(onto, corners, |pixel, [_, _, shade]| *pixel = colour.map(|c| c * shade));
}

/// Visits every pixel of a triangle with where it is in the source, and its shade.
fn each(onto: &mut Light, corners: [Corner; 3], mut visit: impl FnMut(&mut [f32; 3], [f32; 3])) {
    let [a, b, c] = corners.map(|k| k.to);
    let area = (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y);
    if area.abs() < LEAST_AREA {
        return;
    }
    // How the shares of the second and of the third corner grow by pixel, to the right and down.
    let (u_right, u_down) = ((c.y - a.y) / area, (a.x - c.x) / area);
    let (v_right, v_down) = ((a.y - b.y) / area, (b.x - a.x) / area);
    let [first, second, third] = corners.map(|k| [k.from.x, k.from.y, k.shade]);
    let mix = |u: f32, v: f32| -> [f32; 3] {
        std::array::from_fn(|i| u * (second[i] - first[i]) + v * (third[i] - first[i]))
    };
    let step = mix(u_right, v_right);
    let top = a.y.min(b.y).min(c.y).ceil().max(0.0);
    let bottom = a.y.max(b.y).max(c.y).floor().min(onto.height as f32 - 1.0);
    let mut y = top;
    while y <= bottom {
        let (u, v) = (u_down * (y - a.y), v_down * (y - a.y));
        let limits = [(u, u_right), (v, v_right), (1.0 - u - v, -u_right - v_right)];
        if let Some((from, to)) = span(limits, a.x, onto.width) {
            let along = from as f32 - a.x;
            let start = mix(u + u_right * along, v + v_right * along);
            let mut value: [f32; 3] = std::array::from_fn(|i| first[i] + start[i]);
            for pixel in &mut onto.row_mut(y as usize)[from..=to] {
                visit(pixel, value);
                for (v, s) in value.iter_mut().zip(step) {
                    *v += s;
                }
            }
        }
        y += 1.0;
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
    let first = (low + origin).ceil().max(0.0);
    let last = (high + origin).floor().min(width as f32 - 1.0);
    (first <= last).then_some((first as usize, last as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corner(x: f32, y: f32) -> Corner {
        Corner { to: Point::new(x, y), from: Point::new(x, y), shade: 1.0 }
    }

    #[test]
    fn two_triangles_fill_a_square_without_a_gap() {
        let mut onto = Light::new(32, 32);
        let [a, b, c, d] = [corner(3.3, 2.9), corner(27.1, 4.2), corner(28.4, 27.7), corner(2.2, 25.1)];
        fill(&mut onto, [1.0; 3], [a, b, c]);
        fill(&mut onto, [1.0; 3], [a, c, d]);
        for y in 5..25 {
            for x in 4..27 {
                assert_eq!(onto.pixels[y * 32 + x], [1.0; 3], "{x}, {y}");
            }
        }
        assert_eq!(onto.pixels[0], [0.0; 3]);
    }

    #[test]
    fn an_unmoved_triangle_shows_the_source() {
        let mut source = Light::new(16, 16);
        for (i, pixel) in source.pixels.iter_mut().enumerate() {
            *pixel = [i as f32, (i % 16) as f32, 1.0];
        }
        let mut onto = Light::new(16, 16);
        paint(&mut onto, &source, [corner(0.0, 0.0), corner(15.0, 0.0), corner(0.0, 15.0)]);
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
