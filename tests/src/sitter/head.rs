//! A face's landmarks as a solid head before a camera, with a ring of points around it and the frame's
//! edge behind it: where each of them is seen in a stance. It has no pictures.

use vultus_vision::image::Point;
use vultus_vision::mesh::{LANDMARKS, Landmark, index};

use crate::simulation::glow;
use crate::sitter::expression::{self, Expression, smooth};
use crate::sitter::{DISTANCE, FACE_HEIGHT, HEIGHT, MIDDLE, Rotation, Stance, WIDTH, lit};

/// A point of a sitter in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vertex {
    /// In frame pixels.
    pub at: Point,
    /// Larger is farther.
    pub depth: f32,
    /// How much light falls on it, over what falls on it in the photograph.
    pub shade: f32,
    /// How much falls on it of the light of the machine's screen, over what a face gets.
    pub shine: f32,
}

/// The points of one sitter.
pub struct Head {
    /// Landmarks in the base picture, then points around them.
    pub points: Vec<Landmark>,
    /// The same in space, from the middle of the head.
    solid: Vec<[f32; 3]>,
    expression: Expression,
    /// Where the head turns about.
    pub centre: Landmark,
}

impl Head {
    pub fn of(mut points: Vec<Landmark>) -> Self {
        expression::part_lips(&mut points);
        let share = 1.0 / points.len() as f32;
        let centre = points.iter().fold(Landmark::default(), |c, p| Landmark {
            x: c.x + p.x * share,
            y: c.y + p.y * share,
            z: c.z + p.z * share,
        });
        points.extend(surroundings(&points, centre));
        Self {
            solid: points.iter().map(|p| in_space(*p, centre)).collect(),
            expression: Expression::of(&points),
            points,
            centre,
        }
    }

    /// All points as seen while a frame is exposed, of which the head's stance is known at the first
    /// and at the last row.
    pub fn vertices(&self, held: [Stance; 2]) -> Vec<Vertex> {
        let rotations = held.map(Stance::rotation);
        let all = 0..self.points.len();
        all.map(|i| {
            let first = self.vertex(i, held[0], rotations[0]);
            if held[0] == held[1] {
                return first;
            }
            // The lower a row, the later it is exposed.
            let last = self.vertex(i, held[1], rotations[1]);
            let late = (first.at.y / HEIGHT as f32).clamp(0.0, 1.0);
            let at = Point::new(
                first.at.x + late * (last.at.x - first.at.x),
                first.at.y + late * (last.at.y - first.at.y),
            );
            Vertex { at, ..first }
        })
        .collect()
    }

    /// One point in a stance, whose rotation is given so that it is made once.
    pub fn vertex(&self, index: usize, stance: Stance, rotation: Rotation) -> Vertex {
        let (still, solid) = (self.points[index].flat(), self.solid[index]);
        let turned = rotation.apply(self.expression.moved(index, solid, stance));
        let middle = [self.centre.x - MIDDLE.x + stance.shift.0, self.centre.y - MIDDLE.y + stance.shift.1];
        let [right, down] = [0, 1].map(|axis| middle[axis] / stance.scale + turned[axis]);
        let depth = DISTANCE / stance.scale + turned[2];
        let follows = self.follows(index);
        let still_normal = normal(solid);
        let normal = rotation.apply(still_normal);
        let shine = glow::received([right, down, depth], normal);
        let behind = if follows < 1.0 { BEHIND } else { 0.0 };
        Vertex {
            at: Point::new(
                still.x + follows * (MIDDLE.x + DISTANCE * right / depth - still.x),
                still.y + follows * (MIDDLE.y + DISTANCE * down / depth - still.y),
            ),
            depth: turned[2] + behind,
            shade: 1.0 + follows * (lit(normal, stance.side_light) / lit(still_normal, 0.0) - 1.0),
            shine: if follows < 1.0 { beside(solid, shine) } else { shine },
        }
    }

    /// How much a point goes with the head: the face all the way, the frame's edge not at all.
    fn follows(&self, index: usize) -> f32 {
        if index < LANDMARKS {
            1.0
        } else if index < self.points.len() - EDGE {
            RING_FOLLOWS
        } else {
            0.0
        }
    }
}

/// A point of the base in space, from the middle of the head.
fn in_space(p: Landmark, centre: Landmark) -> [f32; 3] {
    let z = p.z - centre.z;
    let depth = (DISTANCE + z) / DISTANCE;
    [(p.x - MIDDLE.x) * depth - (centre.x - MIDDLE.x), (p.y - MIDDLE.y) * depth - (centre.y - MIDDLE.y), z]
}

/// Which way the head's surface faces at a point, roughly: that of an egg as large as the face.
fn normal(solid: [f32; 3]) -> [f32; 3] {
    let (x, y) = (solid[0] / (0.42 * FACE_HEIGHT), solid[1] / (0.6 * FACE_HEIGHT));
    let aside = x.hypot(y).max(1e-6);
    let least = aside.min(0.9) / aside;
    let (x, y) = (x * least, y * least);
    [x, y, -(1.0 - x * x - y * y).sqrt()]
}

/// The light of the machine's screen on what is around a face, where a head would get so much: neck and
/// chest are lit as it is, the room is far behind.
fn beside(solid: [f32; 3], shine: f32) -> f32 {
    let below = smooth(0.3 * FACE_HEIGHT, 0.6 * FACE_HEIGHT, solid[1]);
    let body = below * smooth(1.4 * FACE_HEIGHT, FACE_HEIGHT, solid[0].abs());
    glow::FAR_BEHIND + body * (shine - glow::FAR_BEHIND).max(0.0)
}

/// Fixed points around the frame, the last of all points.
const EDGE: usize = 16;
/// How much of the head's motion the ring around it follows: hair and neck go along, the room behind
/// does not.
const RING_FOLLOWS: f32 = 0.55;
/// How far the ring lies behind the middle of the face.
const RING_DEPTH: f32 = 40.0;
/// How far behind the head everything around it is drawn.
const BEHIND: f32 = 1000.0;

/// A ring around the head, and the frame's edge that does not move.
fn surroundings(face: &[Landmark], centre: Landmark) -> Vec<Landmark> {
    let ring = index::OUTLINE.iter().map(|&i| Landmark {
        x: centre.x + (face[i].x - centre.x) * 1.55,
        y: centre.y + (face[i].y - centre.y) * 1.45,
        z: centre.z + RING_DEPTH,
    });
    let inside =
        |p: &Landmark| p.x > 2.0 && p.y > 2.0 && p.x < WIDTH as f32 - 3.0 && p.y < HEIGHT as f32 - 3.0;
    // A pixel beyond the frame on each side, so that finer pictures of it are full, too.
    let (width, height) = (WIDTH as f32 + 1.0, HEIGHT as f32 + 1.0);
    let edge = (0..EDGE).map(|i| {
        let along = (i % 4) as f32 / 4.0;
        let (x, y) = match i / 4 {
            0 => (along * width, 0.0),
            1 => (width, along * height),
            2 => (width - along * width, height),
            _ => (0.0, height - along * height),
        };
        Landmark { x: x - 1.0, y: y - 1.0, z: centre.z }
    });
    ring.filter(inside).chain(edge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An egg of landmarks, in no order that means anything.
    fn head() -> Head {
        let point = |i: usize| {
            let (turn, height) = (i as f32 * 2.4, 2.0 * (i as f32 + 0.5) / LANDMARKS as f32 - 1.0);
            let radius = (1.0 - height * height).sqrt();
            Landmark {
                x: 320.0 + 70.0 * radius * turn.sin(),
                y: 230.0 + 95.0 * height,
                z: -60.0 * radius * turn.cos().abs(),
            }
        };
        Head::of((0..LANDMARKS).map(point).collect())
    }

    #[test]
    fn a_straight_head_is_where_the_photograph_has_it() {
        let head = head();
        for (vertex, point) in head.vertices([Stance::STRAIGHT; 2]).iter().zip(&head.points) {
            assert!(vertex.at.distance(point.flat()) < 1e-2 && (vertex.shade - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn what_is_near_moves_more_than_what_is_far() {
        let head = head();
        let turned = head.vertices([Stance { yaw: 15.0, ..Stance::STRAIGHT }; 2]);
        let (mut near, mut far) = (head.points[0], head.points[0]);
        let (mut near_at, mut far_at) = (turned[0].at, turned[0].at);
        for (point, vertex) in head.points[..LANDMARKS].iter().zip(&turned) {
            if point.z < near.z {
                (near, near_at) = (*point, vertex.at);
            }
            if point.z > far.z {
                (far, far_at) = (*point, vertex.at);
            }
        }
        assert!(near_at.x - near.x > far_at.x - far.x + 5.0, "a solid head has parallax");
    }

    #[test]
    fn the_edge_stays_and_late_rows_are_late() {
        let head = head();
        let moved = Stance { shift: (10.0, 0.0), ..Stance::STRAIGHT };
        let vertices = head.vertices([Stance::STRAIGHT, moved]);
        let edge = head.points.len() - EDGE;
        assert!(vertices[edge..].iter().zip(&head.points[edge..]).all(|(v, p)| v.at == p.flat()));
        let shift = |i: usize| vertices[i].at.x - head.points[i].x;
        let by_height = |want: fn(f32, f32) -> bool| {
            (0..LANDMARKS).reduce(|a, b| if want(head.points[a].y, head.points[b].y) { a } else { b })
        };
        let (Some(top), Some(bottom)) = (by_height(|a, b| a < b), by_height(|a, b| a > b)) else {
            panic!("no points");
        };
        assert!(shift(bottom) > shift(top) + 2.0);
    }
}
