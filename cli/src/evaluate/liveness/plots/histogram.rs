//! Draws how often one cue found presentations how suspicious: bona fide ones and each kind of attack.

use super::Series;
use super::svg::{Drawing, FIELD};

const BINS: usize = 24;
const TICKS: usize = 4;

pub fn draw(cue: &str, bona_fide: &Series, attacks: &[Series]) -> String {
    let all = || std::iter::once(bona_fide).chain(attacks);
    let span = Span::of(all().flat_map(|series| series.scores.iter().copied()));
    let shares: Vec<Vec<f64>> = all().map(|series| span.shares(&series.scores)).collect();
    let most = shares.iter().flatten().copied().fold(0.0, f64::max);
    let most = if most > 0.0 { most } else { 1.0 };
    let said = format!(
        "Histogram of the suspicion of the cue {cue}: the share of bona fide presentations and of each kind \
         of attack in {BINS} equal ranges from {:.3} to {:.3}. Those on which it could not run are left \
         out.",
        span.least, span.most
    );
    let axes = ("suspicion, in the cue's own unit", "share of presentations, in %");
    let mut drawing = Drawing::new(&format!("Suspicion: {cue}"), &said, axes);
    for tick in 0..=TICKS {
        let share = tick as f64 / TICKS as f64;
        drawing.tick_across(share, &format!("{:.3}", span.least + share * (span.most - span.least)));
        drawing.tick_up(share, &format!("{:.0}", share * most * 100.0));
    }
    for (series, shares) in all().zip(&shares) {
        let ran = series.scores.iter().filter(|score| score.is_finite()).count();
        drawing.line(&outline(shares, most), &format!("{} ({ran} of {})", series.name, series.scores.len()));
    }
    drawing.finish()
}

/// From the least to the largest number that any cue said.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Span {
    least: f64,
    most: f64,
}

impl Span {
    /// 0 to 1 of none; a little around where all are one.
    fn of(scores: impl Iterator<Item = f64>) -> Self {
        let finite = scores.filter(|score| score.is_finite());
        let (least, most) = finite.fold((f64::MAX, f64::MIN), |(least, most), s| (least.min(s), most.max(s)));
        if least > most {
            return Self { least: 0.0, most: 1.0 };
        }
        let around = if least < most { 0.0 } else { 0.5 };
        Self { least: least - around, most: most + around }
    }

    /// The share of scores in each range, of all that are numbers.
    fn shares(self, scores: &[f64]) -> Vec<f64> {
        let mut bins = vec![0.0; BINS];
        let finite = || scores.iter().filter(|score| score.is_finite());
        let each = 1.0 / finite().count().max(1) as f64;
        for score in finite() {
            let place = (score - self.least) / (self.most - self.least) * BINS as f64;
            bins[(place as usize).min(BINS - 1)] += each;
        }
        bins
    }
}

/// The steps over the ranges, from the axis and back to it.
fn outline(shares: &[f64], most: f64) -> Vec<(f64, f64)> {
    let across = |edge: usize| edge as f64 / shares.len() as f64;
    let mut points = vec![FIELD.at(0.0, 0.0)];
    for (place, share) in shares.iter().enumerate() {
        points.push(FIELD.at(across(place), share / most));
        points.push(FIELD.at(across(place + 1), share / most));
    }
    points.push(FIELD.at(1.0, 0.0));
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_in_one_range() {
        let span = Span::of([0.0, 24.0, f64::INFINITY, f64::NEG_INFINITY].into_iter());
        assert_eq!(span, Span { least: 0.0, most: 24.0 });
        let shares = span.shares(&[f64::NEG_INFINITY, 0.0, 0.5, 12.0, 24.0]);
        let full: Vec<(usize, f64)> = shares.into_iter().enumerate().filter(|(_, s)| *s > 0.0).collect();
        assert_eq!(full, [(0, 0.5), (12, 0.25), (23, 0.25)]);
    }

    #[test]
    fn one_number_and_none_have_a_span() {
        assert_eq!(Span::of([3.0].into_iter()), Span { least: 2.5, most: 3.5 });
        assert_eq!(Span::of(std::iter::empty()), Span { least: 0.0, most: 1.0 });
    }
}
