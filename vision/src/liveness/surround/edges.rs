//! Upright edges of a scene, and how much of each nearly upright line they cover. It knows nothing of faces.

use std::ops::RangeInclusive;

use super::scene::{CELLS, FACE, MIDDLE, Scene};

/// Cells on either side of an edge that are compared: what is thinner than that is no edge of a sheet.
const SIDE: usize = 2;
/// The least step, in levels of one channel.
const LEAST_STEP: f32 = 8.0;
/// By how many times the step across an edge must exceed the one along it.
const LEANING: f32 = 1.3;

/// Steps between the cells on the left and on the right of each cell's left border. None where not all of
/// them are in the picture.
struct Steps(Vec<Option<f32>>);

impl Steps {
    fn of(scene: &Scene) -> Self {
        let step = |at: usize| {
            let (column, row) = (at % CELLS, at / CELLS);
            if column < SIDE || column + SIDE > CELLS {
                return None;
            }
            let mut difference = [0.0; 3];
            for i in 0..SIDE {
                let (left, right) = (scene.colour(column - 1 - i, row)?, scene.colour(column + i, row)?);
                for (d, (l, r)) in difference.iter_mut().zip(left.into_iter().zip(right)) {
                    *d += (r - l) / SIDE as f32;
                }
            }
            Some(difference.map(f32::abs).into_iter().fold(0.0, f32::max))
        };
        Self((0..CELLS * CELLS).map(step).collect())
    }

    fn at(&self, column: usize, row: usize) -> Option<f32> {
        self.0[row * CELLS + column]
    }

    fn size(&self, column: usize, row: usize) -> f32 {
        self.at(column, row).unwrap_or(0.0)
    }

    /// Whether an upright edge is there: a step that is the largest of its row nearby and larger than the
    /// one along it.
    fn is_edge(&self, along: &Self, column: usize, row: usize) -> bool {
        let step = self.size(column, row);
        let (first, last) = (column.saturating_sub(SIDE), (column + SIDE).min(CELLS - 1));
        step >= LEAST_STEP
            && step >= LEANING * along.size(row, column)
            && (first..=last).all(|near| self.size(near, row) <= step)
    }
}

/// Of each cell, whether an upright edge is at its left border. None where that cannot be seen.
pub(super) struct Edges(Vec<Option<bool>>);

impl Edges {
    /// Of a scene, which is given with columns for rows too.
    pub(super) fn of(scene: &Scene, transposed: &Scene) -> Self {
        let (steps, along) = (Steps::of(scene), Steps::of(transposed));
        let edge = |at: usize| {
            let (column, row) = (at % CELLS, at / CELLS);
            steps.at(column, row).map(|_| steps.is_edge(&along, column, row))
        };
        Self((0..CELLS * CELLS).map(edge).collect())
    }

    fn at(&self, column: usize, row: usize) -> Option<bool> {
        self.0[row * CELLS + column]
    }
}

/// All lines of one tilt. A line is known by the column in which it crosses the middle row.
pub(super) struct Lines {
    /// Of each line, how many of its cells above each row hold an edge.
    hits: Vec<[u16; CELLS + 1]>,
    /// The share of all cells on lines that hold an edge.
    chance: f32,
}

impl Lines {
    /// Of upright lines that go `tilt` cells to the right for each cell down.
    pub(super) fn of(edges: &Edges, tilt: f32) -> Self {
        let (mut seen, mut held) = (0u32, 0u32);
        let mut hits = Vec::with_capacity(CELLS);
        for line in 0..CELLS {
            let mut sums = [0u16; CELLS + 1];
            for row in 0..CELLS {
                let column = crossing(line, row, tilt);
                let visible = column.is_some_and(|x| edges.at(x, row).is_some());
                // A cell aside is still on the line: no edge is as straight as a formula.
                let hit = column.is_some_and(|x| (x - 1..=x + 1).any(|x| edges.at(x, row) == Some(true)));
                seen += u32::from(visible);
                held += u32::from(visible && hit);
                sums[row + 1] = sums[row] + u16::from(hit);
            }
            hits.push(sums);
        }
        Self { hits, chance: held as f32 / seen.max(1) as f32 }
    }

    /// How much more of a line than chance has edges between two rows, as a share of what it could have.
    pub(super) fn support(&self, line: usize, from: usize, to: usize) -> f32 {
        let share = self.share(line, from, to);
        ((share - self.chance) / (1.0 - self.chance).max(f32::EPSILON)).max(0.0)
    }

    fn share(&self, line: usize, from: usize, to: usize) -> f32 {
        f32::from(self.hits[line][to] - self.hits[line][from]) / (to - from).max(1) as f32
    }

    /// Of some lines the few that have most edges beside the face.
    pub(super) fn best(&self, of: RangeInclusive<usize>, most: usize) -> Vec<usize> {
        let beside = |line: usize| self.share(line, MIDDLE - FACE, MIDDLE + FACE);
        let mut lines: Vec<usize> = of.collect();
        lines.sort_by(|&a, &b| beside(b).total_cmp(&beside(a)));
        lines.truncate(most);
        lines
    }
}

/// The column in which a line crosses a row. None at the border of the grid.
fn crossing(line: usize, row: usize, tilt: f32) -> Option<usize> {
    let column = (line as f32 + tilt * (row as f32 - MIDDLE as f32)).round();
    (1.0..(CELLS - 1) as f32).contains(&column).then_some(column as usize)
}
