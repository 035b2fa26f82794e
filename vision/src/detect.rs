//! Finds faces: boxes with six points each, by BlazeFace (short range). It says where faces may be,
//! not whether they can be judged.

use crate::VisionError;
use crate::engine::Network;
use crate::image::{Image, Normalisation, Point, Similarity};

/// The network's name in the manifest.
pub(crate) const MODEL: &str = "blazeface-short-range";
const SIZE: usize = 128;
const INPUT: Normalisation = Normalisation { offset: 127.5, factor: 1.0 / 127.5 };
/// Faces below this probability are not reported.
const LEAST_SCORE: f32 = 0.5;
/// Two boxes that overlap more than this (intersection over union) are one face.
const SAME_FACE: f32 = 0.3;
/// Feature maps: cells a side, anchors a cell.
const MAPS: [(usize, usize); 2] = [(16, 2), (8, 6)];
const ANCHORS: usize = 16 * 16 * 2 + 8 * 8 * 6;
/// Numbers of one anchor: centre, size, six points.
const ROW: usize = 16;

/// One face, in image pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Probability, 0.5 to 1.
    pub score: f32,
    pub centre: Point,
    pub width: f32,
    pub height: f32,
    /// The eye on the left of the picture, and the one on the right.
    pub eyes: [Point; 2],
}

impl Detection {
    /// The longer side of the box.
    pub fn side(&self) -> f32 {
        self.width.max(self.height)
    }

    /// How far the line between the eyes is turned, in radians, clockwise in the picture.
    pub fn roll(&self) -> f32 {
        let [left, right] = self.eyes;
        (right.y - left.y).atan2(right.x - left.x)
    }

    fn overlap(&self, other: &Self) -> f32 {
        let shared = |c1: f32, s1: f32, c2: f32, s2: f32| {
            ((c1 + s1 / 2.0).min(c2 + s2 / 2.0) - (c1 - s1 / 2.0).max(c2 - s2 / 2.0)).max(0.0)
        };
        let both = shared(self.centre.x, self.width, other.centre.x, other.width)
            * shared(self.centre.y, self.height, other.centre.y, other.height);
        both / (self.width * self.height + other.width * other.height - both).max(f32::EPSILON)
    }
}

pub struct Detector {
    network: Network,
    anchors: Vec<Point>,
}

impl Detector {
    pub fn load(model: &[u8]) -> Result<Self, VisionError> {
        let network = Network::load(MODEL, model, [1, 3, SIZE, SIZE])?;
        Ok(Self { network, anchors: anchors() })
    }

    /// The faces in a picture, most certain first.
    pub fn detect(&self, image: &Image) -> Result<Vec<Detection>, VisionError> {
        let letterbox = letterbox(image);
        let outputs = self.network.run(input(image))?;
        let [boxes, scores] = outputs.as_slice() else {
            return Err(VisionError::ModelFailed(MODEL.into(), "outputs".into()));
        };
        let mut found: Vec<Detection> = scores
            .iter()
            .zip(boxes.chunks_exact(ROW))
            .zip(&self.anchors)
            .filter_map(|((&logit, row), &anchor)| {
                let score = 1.0 / (1.0 + (-logit.clamp(-100.0, 100.0)).exp());
                (score >= LEAST_SCORE).then(|| decode(score, row, anchor, letterbox))
            })
            .filter(|d| d.width > 0.0 && d.height > 0.0)
            .collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(distinct(found))
    }
}

/// What the network sees of a picture: [`crate::reference`] measures it with the same numbers.
pub(crate) fn input(image: &Image) -> Vec<f32> {
    image.crop(letterbox(image), SIZE, INPUT)
}

/// The whole picture in the middle of a square, black beside it.
fn letterbox(image: &Image) -> Similarity {
    let (width, height) = (image.width() as f32, image.height() as f32);
    let centre = Point::new((width - 1.0) / 2.0, (height - 1.0) / 2.0);
    Similarity::square(centre, width.max(height), 0.0, SIZE)
}

fn anchors() -> Vec<Point> {
    let mut anchors = Vec::with_capacity(ANCHORS);
    for (cells, each) in MAPS {
        let step = SIZE as f32 / cells as f32;
        for row in 0..cells {
            for column in 0..cells {
                let centre = Point::new((column as f32 + 0.5) * step, (row as f32 + 0.5) * step);
                anchors.extend(std::iter::repeat_n(centre, each));
            }
        }
    }
    anchors
}

fn decode(score: f32, row: &[f32], anchor: Point, letterbox: Similarity) -> Detection {
    // The network's pixel edges are our pixel centres plus a half.
    let point = |x: f32, y: f32| letterbox.apply(Point::new(x + anchor.x - 0.5, y + anchor.y - 0.5));
    let scale = letterbox.scale();
    Detection {
        score,
        centre: point(row[0], row[1]),
        width: row[2] * scale,
        height: row[3] * scale,
        eyes: [point(row[4], row[5]), point(row[6], row[7])],
    }
}

/// Keeps the most certain of boxes that show the same face.
fn distinct(found: Vec<Detection>) -> Vec<Detection> {
    let mut kept: Vec<Detection> = Vec::new();
    for candidate in found {
        if kept.iter().all(|k| k.overlap(&candidate) < SAME_FACE) {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_as_many_as_the_network_has_rows() {
        let anchors = anchors();
        assert_eq!(anchors.len(), ANCHORS);
        assert_eq!(anchors[0], Point::new(4.0, 4.0));
        assert_eq!(anchors[512], Point::new(8.0, 8.0));
        assert_eq!(anchors[ANCHORS - 1], Point::new(120.0, 120.0));
    }

    #[test]
    fn overlapping_boxes_are_one_face() {
        let at = |x: f32, score: f32| Detection {
            score,
            centre: Point::new(x, 50.0),
            width: 40.0,
            height: 40.0,
            eyes: [Point::default(); 2],
        };
        let kept = distinct(vec![at(50.0, 0.9), at(55.0, 0.8), at(120.0, 0.7)]);
        assert_eq!(kept.iter().map(|d| d.score).collect::<Vec<_>>(), [0.9, 0.7]);
    }
}
