//! Statements about many rows at once: makes their texts, one for each of a few sizes, so that each is
//! prepared once, and cuts any number of rows into those sizes. It never holds a value.

use std::fmt::Write;
use std::ops::Range;
use std::sync::OnceLock;

/// How many rows one statement may be about. Every number is a sum of few of them.
const SIZES: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

/// `head`, then so many rows `($1, $2, …), ($n, …)`, then `tail`.
pub(super) struct Repeated {
    head: &'static str,
    columns: usize,
    tail: &'static str,
    texts: [OnceLock<String>; SIZES.len()],
}

impl Repeated {
    pub(super) const fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        Self { head, columns, tail, texts: [const { OnceLock::new() }; SIZES.len()] }
    }

    /// Which rows go into which statement.
    pub(super) fn pieces(&'static self, rows: usize) -> Vec<(Range<usize>, &'static str)> {
        let mut pieces = Vec::new();
        let mut start = 0;
        for (size, text) in SIZES.iter().zip(&self.texts) {
            while rows - start >= *size {
                let text = text.get_or_init(|| self.render(*size));
                pieces.push((start..start + size, text.as_str()));
                start += size;
            }
        }
        pieces
    }

    fn render(&self, rows: usize) -> String {
        let mut text = String::from(self.head);
        for row in 0..rows {
            text.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..self.columns {
                let comma = if column == 0 { "" } else { ", " };
                // Writing to a string does not fail.
                let _ = write!(text, "{comma}${}", row * self.columns + column + 1);
            }
            text.push(')');
        }
        text.push_str(self.tail);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static PAIRS: Repeated = Repeated::new("INSERT INTO t VALUES ", 2, ";");

    #[test]
    fn the_text_numbers_its_placeholders() {
        assert_eq!(PAIRS.render(1), "INSERT INTO t VALUES ($1, $2);");
        assert_eq!(PAIRS.render(2), "INSERT INTO t VALUES ($1, $2), ($3, $4);");
    }

    #[test]
    fn the_pieces_cover_every_row_once_and_in_order() {
        for rows in 0..300 {
            let mut next = 0;
            for (range, text) in PAIRS.pieces(rows) {
                assert_eq!(range.start, next);
                assert_eq!(text, PAIRS.render(range.len()));
                next = range.end;
            }
            assert_eq!(next, rows);
        }
        assert!(PAIRS.pieces(256).len() <= 4 && PAIRS.pieces(255).len() <= 9);
    }
}
