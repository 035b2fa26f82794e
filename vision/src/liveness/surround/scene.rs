//! The surroundings of a face as a coarse grid of colours that is level with the face. It looks for nothing.

use crate::detect::Detection;
use crate::image::{Image, Normalisation, Point, Similarity};

/// Cells a side, and the sides of the face's box that they span.
pub(super) const CELLS: usize = 100;
const SPAN: f32 = 5.0;
/// The cell in the middle of the face, and half of its box in cells.
pub(super) const MIDDLE: usize = CELLS / 2;
pub(super) const FACE: usize = 10;
/// Of the cells, the least share that must be in the picture.
const LEAST_SEEN: f32 = 0.25;

pub(super) struct Scene {
    cells: Vec<Option<[f32; 3]>>,
}

impl Scene {
    /// None where most of it is outside of the picture.
    pub(super) fn around(image: &Image, face: &Detection) -> Option<Self> {
        let grid = Similarity::square(face.centre, SPAN * face.side(), face.roll(), CELLS);
        let planes = image.crop(grid, CELLS, Normalisation { offset: 0.0, factor: 1.0 });
        let plane = CELLS * CELLS;
        // Half of a cell may reach over the picture's border, where a crop is black.
        let whole = |at: usize| {
            let (x, y) = ((at % CELLS) as f32, (at / CELLS) as f32);
            let corners = [(-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)];
            corners.iter().all(|(right, down)| image.contains(grid.apply(Point::new(x + right, y + down))))
        };
        let cell = |at: usize| whole(at).then(|| [0, 1, 2].map(|c| planes[c * plane + at]));
        let cells: Vec<Option<[f32; 3]>> = (0..plane).map(cell).collect();
        let seen = cells.iter().flatten().count();
        (seen as f32 >= LEAST_SEEN * plane as f32).then_some(Self { cells })
    }

    /// None outside of the picture.
    pub(super) fn colour(&self, column: usize, row: usize) -> Option<[f32; 3]> {
        self.cells[row * CELLS + column]
    }

    /// Columns for rows.
    pub(super) fn transposed(&self) -> Self {
        Self { cells: (0..CELLS * CELLS).map(|at| self.colour(at / CELLS, at % CELLS)).collect() }
    }

    /// The mean colour in the middle of the face.
    pub(super) fn skin(&self) -> Option<[f32; 3]> {
        let span = MIDDLE - FACE / 2..MIDDLE + FACE / 2;
        let cells = span.clone().flat_map(|y| span.clone().map(move |x| (x, y)));
        let colours: Vec<[f32; 3]> = cells.filter_map(|(x, y)| self.colour(x, y)).collect();
        let mean = |c: usize| colours.iter().map(|colour| colour[c]).sum::<f32>() / colours.len() as f32;
        (!colours.is_empty()).then(|| [0, 1, 2].map(mean))
    }
}
