//! What lids and jaw do to the landmarks of a face. It moves points of the head that is held straight;
//! the head's own turn comes after it.

use vultus_vision::image::Point;
use vultus_vision::mesh::{Landmark, index};

use crate::sitter::Stance;

// Landmarks in MediaPipe's order, each row of an eye from the outer to the inner corner: first the eye
// on the left of the picture.

/// Edge of the upper lid.
pub const UPPER_LID: [[usize; 7]; 2] =
    [[246, 161, 160, 159, 158, 157, 173], [466, 388, 387, 386, 385, 384, 398]];
/// Edge of the lower lid, each below its counterpart.
pub const LOWER_LID: [[usize; 7]; 2] =
    [[7, 163, 144, 145, 153, 154, 155], [249, 390, 373, 374, 380, 381, 382]];
/// The fold of the upper lid.
const LID_FOLD: [[usize; 7]; 2] = [[247, 30, 29, 27, 28, 56, 190], [467, 260, 259, 257, 258, 286, 414]];
/// Between the fold and the brow.
const BELOW_BROW: [[usize; 7]; 2] =
    [[113, 225, 224, 223, 222, 221, 189], [342, 445, 444, 443, 442, 441, 413]];
/// Corners of the eye: outer, inner.
pub const EYE_CORNERS: [[usize; 2]; 2] =
    [[index::LEFT_EYE_OUTER, index::LEFT_EYE_INNER], [index::RIGHT_EYE_OUTER, index::RIGHT_EYE_INNER]];

/// Rows of the lips from the left of the picture to the right, without the corners: inner edge first.
const UPPER_LIP: [[usize; 9]; 4] = [
    [191, 80, 81, 82, 13, 312, 311, 310, 415],
    [183, 42, 41, 38, 12, 268, 271, 272, 407],
    [184, 74, 73, 72, 11, 302, 303, 304, 408],
    [185, 40, 39, 37, 0, 267, 269, 270, 409],
];
const LOWER_LIP: [[usize; 9]; 4] = [
    [95, 88, 178, 87, 14, 317, 402, 318, 324],
    [96, 89, 179, 86, 15, 316, 403, 319, 325],
    [77, 90, 180, 85, 16, 315, 404, 320, 307],
    [146, 91, 181, 84, 17, 314, 405, 321, 375],
];
/// Where the lips meet: left and right, inner edge first.
const LIP_CORNERS: [[usize; 2]; 4] = [[78, 308], [62, 292], [76, 306], [61, 291]];

/// How much of the gap between the lids each row closes. A little stays: the line of the lashes.
const LID_CLOSES: f32 = 0.88;
const LOWER_LID_RISES: f32 = 0.08;
const FOLD_FOLLOWS: f32 = 0.42;
const BROW_FOLLOWS: f32 = 0.12;
/// How far a wide open mouth lowers the chin, in distances between mouth and chin.
const JAW_DROP: f32 = 0.62;
/// How far it goes back with that, in drops.
const JAW_RETREAT: f32 = 0.2;
/// How much of the drop the corners of the mouth take part in.
const CORNERS_FOLLOW: f32 = 0.22;
/// Lips that touch are drawn apart by so many pixels, so that they can part.
const LEAST_GAP: f32 = 0.6;

/// How far each point goes when lids are closed and when the mouth is wide open, in pixels.
pub struct Expression {
    lids: Vec<[f32; 3]>,
    jaw: Vec<[f32; 3]>,
}

impl Expression {
    /// For landmarks and whatever points follow them, which have no expression.
    pub fn of(points: &[Landmark]) -> Self {
        Self { lids: closing(points), jaw: opening(points) }
    }

    /// Where one point of the straight head is.
    pub fn moved(&self, point: usize, at: [f32; 3], stance: Stance) -> [f32; 3] {
        let (lids, jaw) = (self.lids[point], self.jaw[point]);
        std::array::from_fn(|i| at[i] + stance.lids * lids[i] + stance.jaw * jaw[i])
    }
}

/// Whether a triangle lies in the mouth: between the inner edges of the lips.
pub fn in_mouth(triangle: [usize; 3]) -> bool {
    let corner = |i: &usize| LIP_CORNERS[0].contains(i);
    let (upper, lower) = (|i: &usize| UPPER_LIP[0].contains(i), |i: &usize| LOWER_LIP[0].contains(i));
    triangle.iter().all(|i| corner(i) || upper(i) || lower(i))
        && triangle.iter().any(upper)
        && triangle.iter().any(lower)
}

/// Draws touching lips apart by as little as lets them be told apart.
pub fn part_lips(points: &mut [Landmark]) {
    let down = Mouth::of(points).down;
    for (&upper, &lower) in UPPER_LIP[0].iter().zip(&LOWER_LIP[0]) {
        let (u, l) = (points[upper], points[lower]);
        let lacking = LEAST_GAP - ((l.x - u.x) * down.x + (l.y - u.y) * down.y);
        if lacking > 0.0 {
            for (point, share) in [(upper, -0.5), (lower, 0.5)] {
                points[point].x += share * lacking * down.x;
                points[point].y += share * lacking * down.y;
            }
        }
    }
}

fn closing(points: &[Landmark]) -> Vec<[f32; 3]> {
    let mut moves = vec![[0.0; 3]; points.len()];
    for (eye, lid) in UPPER_LID.iter().enumerate() {
        for (i, &edge) in lid.iter().enumerate() {
            let (upper, lower) = (points[edge], points[LOWER_LID[eye][i]]);
            let gap = [lower.x - upper.x, lower.y - upper.y, lower.z - upper.z];
            let rows = [
                (UPPER_LID, LID_CLOSES),
                (LOWER_LID, -LOWER_LID_RISES),
                (LID_FOLD, FOLD_FOLLOWS),
                (BELOW_BROW, BROW_FOLLOWS),
            ];
            for (row, share) in rows {
                moves[row[eye][i]] = gap.map(|g| g * share);
            }
        }
    }
    moves
}

fn opening(points: &[Landmark]) -> Vec<[f32; 3]> {
    let mouth = Mouth::of(points);
    let drop = JAW_DROP * mouth.height;
    let mut shares: Vec<f32> = points.iter().map(|p| mouth.follows(p.flat())).collect();
    // What is not face has no jaw.
    shares[vultus_vision::mesh::LANDMARKS..].fill(0.0);
    for row in UPPER_LIP {
        row.iter().for_each(|&i| shares[i] = 0.0);
    }
    for row in LOWER_LIP {
        for (place, &i) in row.iter().enumerate() {
            // The lip hangs between its corners like a bow.
            let bow = (std::f32::consts::PI * (place as f32 + 1.0) / 10.0).sin().sqrt();
            shares[i] = CORNERS_FOLLOW + (1.0 - CORNERS_FOLLOW) * bow;
        }
    }
    LIP_CORNERS.iter().flatten().for_each(|&i| shares[i] = CORNERS_FOLLOW);
    let moved = |s: f32| [s * drop * mouth.down.x, s * drop * mouth.down.y, s * drop * JAW_RETREAT];
    shares.into_iter().map(moved).collect()
}

/// The lower face's own axes.
struct Mouth {
    middle: Point,
    across: Point,
    down: Point,
    /// Half the distance of the corners.
    width: f32,
    /// From the middle to the chin.
    height: f32,
}

impl Mouth {
    fn of(points: &[Landmark]) -> Self {
        let (left, right) = (points[index::MOUTH_LEFT].flat(), points[index::MOUTH_RIGHT].flat());
        let middle = left.midway(right);
        let width = (left.distance(right) / 2.0).max(1.0);
        let across = Point::new((right.x - left.x) / (2.0 * width), (right.y - left.y) / (2.0 * width));
        let down = Point::new(-across.y, across.x);
        let chin = points[index::CHIN].flat();
        let height = ((chin.x - middle.x) * down.x + (chin.y - middle.y) * down.y).max(1.0);
        Self { middle, across, down, width, height }
    }

    /// How much a point follows the jaw: nothing above the mouth, all on the chin, less to the sides
    /// where the jaw hangs from the skull.
    fn follows(&self, p: Point) -> f32 {
        let (x, y) = (p.x - self.middle.x, p.y - self.middle.y);
        let aside = ((x * self.across.x + y * self.across.y) / self.width).abs();
        let below = (x * self.down.x + y * self.down.y) / self.height;
        smooth(0.0, 0.25 + 0.55 * smooth(0.6, 2.0, aside), below)
    }
}

/// From 0 to 1 between two bounds, without an edge.
pub fn smooth(from: f32, to: f32, at: f32) -> f32 {
    let x = ((at - from) / (to - from)).clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vultus_vision::mesh::LANDMARKS;

    /// A flat grid with a mouth, a chin and open eyes in roughly the right places.
    fn face() -> Vec<Landmark> {
        let mut points = vec![Landmark { x: 100.0, y: 40.0, z: 0.0 }; LANDMARKS];
        let mut put = |i: usize, x: f32, y: f32| points[i] = Landmark { x, y, z: 0.0 };
        for (row, (upper, lower)) in UPPER_LIP.iter().zip(&LOWER_LIP).enumerate() {
            for (i, (&u, &l)) in upper.iter().zip(lower).enumerate() {
                let x = 80.0 + 4.0 * (i as f32 + 1.0);
                put(u, x, 150.0 - 2.0 * row as f32);
                put(l, x, 150.0 + 2.0 * row as f32);
            }
            put(LIP_CORNERS[row][0], 80.0, 150.0);
            put(LIP_CORNERS[row][1], 120.0, 150.0);
        }
        put(index::CHIN, 100.0, 195.0);
        for (eye, (upper, lower)) in UPPER_LID.iter().zip(&LOWER_LID).enumerate() {
            for (i, (&u, &l)) in upper.iter().zip(lower).enumerate() {
                let x = 60.0 + 60.0 * eye as f32 + 3.0 * i as f32;
                put(u, x, 80.0);
                put(l, x, 90.0);
            }
        }
        points
    }

    fn at(points: &[Landmark], expression: &Expression, i: usize, stance: Stance) -> [f32; 3] {
        expression.moved(i, [points[i].x, points[i].y, points[i].z], stance)
    }

    #[test]
    fn closed_lids_nearly_meet_and_an_open_mouth_opens() {
        let mut points = face();
        part_lips(&mut points);
        let expression = Expression::of(&points);
        let shut = Stance { lids: 1.0, ..Stance::STRAIGHT };
        let gap = at(&points, &expression, 145, shut)[1] - at(&points, &expression, 159, shut)[1];
        assert!((0.0..1.0).contains(&gap), "{gap}");
        let wide = Stance { jaw: 1.0, ..Stance::STRAIGHT };
        let lips = at(&points, &expression, 14, wide)[1] - at(&points, &expression, 13, wide)[1];
        assert!(lips > 20.0, "{lips}");
        assert_eq!(at(&points, &expression, 14, Stance::STRAIGHT)[1], points[14].y);
    }

    #[test]
    fn touching_lips_are_parted() {
        let mut points = face();
        assert_eq!(points[13].y, points[14].y);
        part_lips(&mut points);
        assert!(points[14].y - points[13].y > 0.5);
        assert!(in_mouth([13, 14, 312]) && in_mouth([78, 191, 95]));
        assert!(!in_mouth([80, 81, 82]) && !in_mouth([13, 14, 17]));
    }
}
