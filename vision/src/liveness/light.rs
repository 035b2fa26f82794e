//! How bright and of which colour a picture is at a place: what the cues compare. It compares nothing
//! itself.

use crate::image::{Image, Point};

/// Rec. 601 luma.
pub(super) fn luma([r, g, b]: [f32; 3]) -> f32 {
    0.299 * r + 0.587 * g + 0.114 * b
}

/// Logarithms of red and of blue over green. Another white balance moves all of a picture's colours alike,
/// and more light none of them; one level is added, so that black has a colour too.
pub(super) fn chroma([r, g, b]: [f32; 3]) -> [f32; 2] {
    [((r + 1.0) / (g + 1.0)).ln(), ((b + 1.0) / (g + 1.0)).ln()]
}

/// How far two such colours are apart.
pub(super) fn apart(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// The colours of the pixels within `radius` of a point, as far as they lie in the picture.
pub(super) fn disc(image: &Image, centre: Point, radius: f32) -> impl Iterator<Item = [f32; 3]> {
    let reach = radius.max(0.0).ceil() as i64;
    let (column, row) = (centre.x.round() as i64, centre.y.round() as i64);
    let rows = row - reach..=row + reach;
    rows.flat_map(move |y| (column - reach..=column + reach).map(move |x| (x, y)))
        .filter(move |&(x, y)| {
            let pixel = Point::new(x as f32, y as f32);
            image.contains(pixel) && pixel.distance(centre) <= radius.max(0.5)
        })
        .map(move |(x, y)| image.pixel(x, y).map(f32::from))
}

/// The mean colour of a disc. None where it lies outside of the picture.
pub(super) fn mean(image: &Image, centre: Point, radius: f32) -> Option<[f32; 3]> {
    let mut sum = [0.0; 3];
    let mut count = 0.0;
    for colour in disc(image, centre, radius) {
        count += 1.0;
        for (s, c) in sum.iter_mut().zip(colour) {
            *s += c;
        }
    }
    (count > 0.0).then(|| sum.map(|s| s / count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::fixtures;

    #[test]
    fn a_disc_stays_in_the_picture() {
        let image = fixtures::picture(8, 8, |x, _| [x as f32, 0.0, 0.0]);
        assert_eq!(disc(&image, Point::new(4.0, 4.0), 1.0).count(), 5);
        assert_eq!(disc(&image, Point::new(0.0, 0.0), 1.0).count(), 3);
        assert_eq!(mean(&image, Point::new(4.0, 4.0), 1.0), Some([4.0, 0.0, 0.0]));
        assert_eq!(mean(&image, Point::new(-9.0, 4.0), 1.0), None);
    }

    #[test]
    fn white_balance_moves_all_colours_alike() {
        let warm = |[r, g, b]: [f32; 3]| chroma([r * 1.3, g, b * 0.8]);
        let (skin, lips) = ([180.0, 130.0, 110.0], [170.0, 90.0, 90.0]);
        let before = apart(chroma(skin), chroma(lips));
        assert!((before - apart(warm(skin), warm(lips))).abs() < 0.01);
    }
}
