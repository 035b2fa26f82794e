//! Which part of a sheet is there: cut out along landmarks, with holes. It has no colours.

use vultus_vision::image::Point;

use crate::sitter::{FINE, HEIGHT, View, WIDTH};

/// For every pixel of a sitter's fine picture whether there is paper.
pub struct Stencil {
    there: Vec<bool>,
}

const ACROSS: usize = WIDTH as usize * FINE;
const DOWN: usize = HEIGHT as usize * FINE;

impl Stencil {
    /// Everything.
    pub fn whole() -> Self {
        Self { there: vec![true; ACROSS * DOWN] }
    }

    /// Only what lies within an outline, in frame pixels.
    pub fn within(outline: &[Point]) -> Self {
        let mut stencil = Self { there: vec![false; ACROSS * DOWN] };
        stencil.cut(outline, true);
        stencil
    }

    /// With a hole.
    pub fn without(mut self, hole: &[Point]) -> Self {
        self.cut(hole, false);
        self
    }

    /// Whether there is paper at a point, in fine pixels. Nothing is beyond the picture.
    pub fn is_there(&self, x: f32, y: f32) -> bool {
        let inside = x > -0.5 && y > -0.5 && x < ACROSS as f32 - 0.5 && y < DOWN as f32 - 0.5;
        inside && self.there[(y + 0.5) as usize * ACROSS + (x + 0.5) as usize]
    }

    fn cut(&mut self, outline: &[Point], there: bool) {
        let outline: Vec<Point> = outline.iter().map(|&p| View::whole(FINE as f32).apply(p)).collect();
        for y in 0..DOWN {
            let mut crossings = crossings(&outline, y as f32);
            crossings.sort_by(f32::total_cmp);
            for pair in crossings.chunks_exact(2) {
                let first = pair[0].ceil().max(0.0) as usize;
                let end = (pair[1].floor() + 1.0).clamp(0.0, ACROSS as f32) as usize;
                if first < end {
                    self.there[y * ACROSS + first..y * ACROSS + end].fill(there);
                }
            }
        }
    }
}

/// Where a closed outline crosses a row.
fn crossings(outline: &[Point], y: f32) -> Vec<f32> {
    let next = outline.iter().cycle().skip(1);
    let edges = outline.iter().zip(next).filter(|(a, b)| (a.y <= y) != (b.y <= y));
    edges.map(|(a, b)| a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x)).collect()
}

/// An outline so many times as large about its own middle.
pub fn grown(outline: &[Point], by: f32) -> Vec<Point> {
    let share = 1.0 / outline.len().max(1) as f32;
    let middle =
        outline.iter().fold(Point::default(), |m, p| Point::new(m.x + p.x * share, m.y + p.y * share));
    let away = |p: &Point| Point::new(middle.x + (p.x - middle.x) * by, middle.y + (p.y - middle.y) * by);
    outline.iter().map(away).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f32, y: f32, side: f32) -> [Point; 4] {
        [(0.0, 0.0), (side, 0.0), (side, side), (0.0, side)].map(|(dx, dy)| Point::new(x + dx, y + dy))
    }

    #[test]
    fn what_is_cut_out_is_there_but_for_the_hole() {
        let stencil = Stencil::within(&square(100.0, 100.0, 80.0)).without(&square(120.0, 120.0, 10.0));
        assert!(stencil.is_there(210.0, 210.0) && stencil.is_there(350.0, 350.0));
        assert!(!stencil.is_there(190.0, 210.0) && !stencil.is_there(250.0, 250.0));
        assert!(!stencil.is_there(-3.0, 20.0));
        assert!(Stencil::whole().is_there(3.0, 3.0));
    }

    #[test]
    fn outlines_grow_about_their_middle() {
        assert_eq!(grown(&square(0.0, 0.0, 2.0), 2.0)[0], Point::new(-1.0, -1.0));
    }
}
