//! Numbers that stand for many, although some of the many are wrong: what lies at a share of their order,
//! and the least-squares fit of a model. It knows nothing of what they measure.

/// Equations whose pivot is smaller do not settle their unknowns. Those who call keep their numbers near
/// one.
const SINGULAR: f64 = 1e-9;

/// The number that such a share of all does not exceed (nearest rank). None of none.
pub(super) fn quantile(mut numbers: Vec<f32>, share: f32) -> Option<f32> {
    let last = numbers.len().checked_sub(1)?;
    let at = (share.clamp(0.0, 1.0) * last as f32).round() as usize;
    Some(*numbers.select_nth_unstable_by(at, f32::total_cmp).1)
}

pub(super) fn median(numbers: Vec<f32>) -> Option<f32> {
    quantile(numbers, 0.5)
}

/// The unknowns x for which `coefficients · x = value` fits best, each row one equation. None where the rows
/// do not settle them.
pub(super) fn least_squares<const N: usize>(
    rows: impl IntoIterator<Item = ([f64; N], f64)>,
) -> Option<[f64; N]> {
    let (mut matrix, mut right) = ([[0.0; N]; N], [0.0; N]);
    for (coefficients, value) in rows {
        for ((line, sum), a) in matrix.iter_mut().zip(&mut right).zip(coefficients) {
            *sum += a * value;
            for (element, b) in line.iter_mut().zip(coefficients) {
                *element += a * b;
            }
        }
    }
    solve(matrix, right)
}

/// Gaussian elimination with the largest pivot of each column.
fn solve<const N: usize>(mut matrix: [[f64; N]; N], mut right: [f64; N]) -> Option<[f64; N]> {
    for column in 0..N {
        let size = |row: &usize| matrix[*row][column].abs();
        let pivot = (column..N).max_by(|a, b| size(a).total_cmp(&size(b)))?;
        if size(&pivot) < SINGULAR {
            return None;
        }
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        let (line, value) = (matrix[column], right[column]);
        for (below, other) in matrix.iter_mut().zip(&mut right).skip(column + 1) {
            let factor = below[column] / line[column];
            for (element, above) in below.iter_mut().zip(line) {
                *element -= factor * above;
            }
            *other -= factor * value;
        }
    }
    let mut unknowns = [0.0; N];
    for row in (0..N).rev() {
        let known: f64 = matrix[row].iter().zip(&unknowns).skip(row + 1).map(|(m, x)| m * x).sum();
        unknowns[row] = (right[row] - known) / matrix[row][row];
    }
    unknowns.iter().all(|x| x.is_finite()).then_some(unknowns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_found_whatever_the_order() {
        assert_eq!(median(vec![9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(quantile((0..=100).rev().map(|n| n as f32).collect(), 0.9), Some(90.0));
        assert_eq!(median(vec![]), None);
    }

    #[test]
    fn a_known_parabola_is_found_again() {
        let rows = (-5..=5).map(f64::from).map(|x| ([1.0, x, x * x], 3.0 - 2.0 * x + 0.5 * x * x));
        let [a, b, c] = least_squares(rows).unwrap();
        assert!((a - 3.0).abs() < 1e-9 && (b + 2.0).abs() < 1e-9 && (c - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_first_equation_without_the_first_unknown_is_no_obstacle() {
        let found = least_squares([([0.0, 1.0], 2.0), ([1.0, 0.0], 5.0)]);
        assert_eq!(found, Some([5.0, 2.0]));
    }

    #[test]
    fn what_does_not_settle_its_unknowns_gives_none() {
        let rows = (1..9).map(|n| ([f64::from(n), 2.0 * f64::from(n)], 1.0));
        assert_eq!(least_squares(rows), None);
        assert_eq!(least_squares([([f64::NAN, 1.0], 1.0)]), None);
    }
}
