//! Draws the detection error trade-off of one cue: for each kind of attack, which BPCER goes with which
//! APCER, over all bounds. Axes are normal deviates, on which two normal distributions make a straight line.

use statrs::distribution::{ContinuousCDF, Normal};

use super::Series;
use super::svg::{Drawing, FIELD};

/// The least rate that is drawn; 1 - it is the largest. What is beyond lies on the edge.
const LEAST: f64 = 0.001;
const TICKS: [f64; 9] = [0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999];

pub fn draw(cue: &str, bona_fide: &Series, attacks: &[Series]) -> String {
    let said = format!(
        "Detection error trade-off of the cue {cue} on {} bona fide presentations, a line for each kind of \
         attack. Lower left is better.",
        bona_fide.scores.len()
    );
    let axes = ("APCER, in % (normal deviates)", "BPCER, in % (normal deviates)");
    let mut drawing = Drawing::new(&format!("DET: {cue}"), &said, axes);
    for rate in TICKS {
        let label = format!("{}", (rate * 1000.0).round() / 10.0);
        drawing.tick_across(share(rate), &label);
        drawing.tick_up(share(rate), &label);
    }
    for kind in attacks {
        let curve = curve(&bona_fide.scores, &kind.scores);
        let points: Vec<(f64, f64)> =
            curve.iter().map(|(apcer, bpcer)| FIELD.at(share(*apcer), share(*bpcer))).collect();
        drawing.line(&points, &format!("{} ({})", kind.name, kind.scores.len()));
    }
    drawing.finish()
}

/// Where a rate lies on an axis, as a share of it.
fn share(rate: f64) -> f64 {
    let deviate = |rate: f64| Normal::standard().inverse_cdf(rate);
    (deviate(rate.clamp(LEAST, 1.0 - LEAST)) - deviate(LEAST)) / (deviate(1.0 - LEAST) - deviate(LEAST))
}

/// APCER and BPCER at each bound that changes one of them, from the strictest on. Both least first; nothing
/// where one has none.
fn curve(bona_fide: &[f64], attacks: &[f64]) -> Vec<(f64, f64)> {
    if bona_fide.is_empty() || attacks.is_empty() {
        return Vec::new();
    }
    let mut bounds = vec![f64::NEG_INFINITY];
    bounds.extend(bona_fide.iter().chain(attacks));
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    let let_pass =
        |scores: &[f64], bound: f64| scores.partition_point(|s| *s <= bound) as f64 / scores.len() as f64;
    bounds.iter().map(|bound| (let_pass(attacks, *bound), 1.0 - let_pass(bona_fide, *bound))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_trade_off() {
        let curve = curve(&[1.0, 2.0], &[2.0, 3.0]);
        assert_eq!(curve, [(0.0, 1.0), (0.0, 0.5), (0.5, 0.0), (1.0, 0.0)]);
        let silent = super::curve(&[f64::NEG_INFINITY, 1.0], &[f64::NEG_INFINITY, f64::INFINITY]);
        assert_eq!(silent, [(0.5, 0.5), (0.5, 0.0), (1.0, 0.0)]);
        assert!(super::curve(&[], &[1.0]).is_empty() && super::curve(&[1.0], &[]).is_empty());
    }

    #[test]
    fn the_axis_is_that_of_normal_deviates() {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(share(0.5), 0.5) && near(share(LEAST), 0.0) && near(share(1.0), 1.0));
        // The deviates of 0.001 and 0.01 are -3.0902 and -2.3263.
        assert!((share(0.01) - (3.0902 - 2.3263) / (2.0 * 3.0902)).abs() < 1e-4);
        assert_eq!(share(0.0), share(LEAST));
    }
}
