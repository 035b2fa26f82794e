//! Compares embeddings with templates, and decides an attempt of a few comparisons. The arithmetic
//! takes the same steps whatever the numbers are, and no score leaves this file.
//!
//! Threat model: M1, M4.

use subtle::{Choice, ConditionallySelectable, ConstantTimeGreater};
use vultus_vision::Embedding;
use vultus_vision::embed::LENGTH;
use vultus_vision::liveness::continuity::Sameness;

/// The cosine from which a comparison agrees, in 1/1000: see `docs/decisions.md` for what it was
/// measured to mean.
pub const THRESHOLD_PERMILLE: i64 = 600;
/// The most comparisons of one attempt.
pub const MOST_COMPARISONS: u32 = 5;
/// So many of them must agree on the same face.
pub const NEEDED_AGREEMENTS: u32 = 2;

/// Fixed point: 1.0 is 2¹⁴, so that products and their sum are exact in 64 bits.
const ONE: i64 = 1 << 14;

/// An embedding in fixed point. Wiped when dropped.
#[derive(zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
struct Fixed([i16; LENGTH]);

impl Fixed {
    fn of(embedding: &Embedding) -> Self {
        // Of length 1, no number is over 1: the product fits.
        Self(embedding.numbers().map(|n| (n * ONE as f32) as i16))
    }

    fn dot(&self, other: &Self) -> i64 {
        self.0.iter().zip(&other.0).map(|(&a, &b)| i64::from(a) * i64::from(b)).sum()
    }
}

/// Whether two embeddings are of one person, without a branch on their content.
fn agrees(a: &Fixed, b: &Fixed) -> Choice {
    // Negative sums must not wrap into large ones.
    let least = THRESHOLD_PERMILLE * ONE * ONE / 1000;
    let shift = LENGTH as i64 * ONE * ONE * 4;
    let sum = (a.dot(b) + shift) as u64;
    !((least + shift) as u64).ct_gt(&sum)
}

/// What an attempt has come to.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// All comparisons were made, and too few agreed.
    Refused,
    /// This face, by its place in the list of templates.
    Accepted(usize),
    /// Another comparison is needed.
    Open,
}

/// One attempt against the templates of one user.
pub struct Matcher {
    templates: Vec<Fixed>,
    agreements: Vec<u32>,
    comparisons: u32,
}

impl Matcher {
    pub fn new<'a>(templates: impl Iterator<Item = &'a Embedding>) -> Self {
        let templates: Vec<Fixed> = templates.map(Fixed::of).collect();
        let agreements = vec![0; templates.len()];
        Self { templates, agreements, comparisons: 0 }
    }

    /// Whether anything was compared yet.
    pub fn begun(&self) -> bool {
        self.comparisons > 0
    }

    /// How many comparisons were made.
    pub fn comparisons(&self) -> u32 {
        self.comparisons
    }

    /// Compares one probe with every template. Once an attempt is decided, it compares no more.
    pub fn compare(&mut self, probe: &Embedding) -> Decision {
        if self.decision() != Decision::Open {
            return self.decision();
        }
        let probe = Fixed::of(probe);
        self.comparisons += 1;
        for (template, count) in self.templates.iter().zip(&mut self.agreements) {
            let more = *count + 1;
            count.conditional_assign(&more, agrees(template, &probe));
        }
        self.decision()
    }

    /// Whether a probe is of the face at this place: asked after an attempt was decided, and able to deny alone.
    pub fn same(&self, place: usize, probe: &Embedding) -> Sameness {
        let probe = Fixed::of(probe);
        let same = self.templates.get(place).is_some_and(|t| bool::from(agrees(t, &probe)));
        if same { Sameness::Same } else { Sameness::Different }
    }

    pub fn decision(&self) -> Decision {
        if let Some(face) = self.agreements.iter().position(|&a| a >= NEEDED_AGREEMENTS) {
            return Decision::Accepted(face);
        }
        let best = self.agreements.iter().copied().max().unwrap_or(0);
        let left = MOST_COMPARISONS.saturating_sub(self.comparisons);
        if self.templates.is_empty() || best + left < NEEDED_AGREEMENTS {
            Decision::Refused
        } else {
            Decision::Open
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two embeddings with a given cosine between them.
    fn pair(cosine: f32) -> (Embedding, Embedding) {
        let mut a = [0.0; LENGTH];
        let mut b = [0.0; LENGTH];
        a[0] = 1.0;
        b[0] = cosine;
        b[1] = (1.0 - cosine * cosine).sqrt();
        (Embedding::normalised(a).unwrap(), Embedding::normalised(b).unwrap())
    }

    fn decide(cosines: &[f32]) -> Decision {
        let (template, _) = pair(1.0);
        let mut matcher = Matcher::new(std::iter::once(&template));
        let mut decision = matcher.decision();
        for &cosine in cosines {
            decision = matcher.compare(&pair(cosine).1);
        }
        decision
    }

    #[test]
    fn the_threshold_is_where_it_says() {
        assert_eq!(decide(&[0.61, 0.61]), Decision::Accepted(0));
        assert_eq!(decide(&[0.59, 0.59, 0.59, 0.59, 0.59]), Decision::Refused);
        assert_eq!(decide(&[-1.0, -0.9, -1.0, -1.0, -1.0]), Decision::Refused);
    }

    #[test]
    fn one_agreement_is_not_enough() {
        assert_eq!(decide(&[0.9]), Decision::Open);
        assert_eq!(decide(&[0.9, 0.1, 0.1, 0.1, 0.1]), Decision::Refused);
        assert_eq!(decide(&[0.1, 0.1, 0.1, 0.9, 0.9]), Decision::Accepted(0));
    }

    #[test]
    fn a_decided_attempt_compares_no_more() {
        assert_eq!(decide(&[0.1, 0.1, 0.1, 0.1, 0.1, 0.9, 0.9]), Decision::Refused);
    }

    #[test]
    fn agreements_with_two_faces_do_not_add_up() {
        let (first, second) = pair(0.0);
        let mut matcher = Matcher::new([&first, &second].into_iter());
        assert_eq!(matcher.compare(&first), Decision::Open);
        assert_eq!(matcher.compare(&second), Decision::Open);
        assert_eq!(matcher.compare(&second), Decision::Accepted(1));
    }

    #[test]
    fn without_templates_there_is_nothing_to_accept() {
        assert_eq!(Matcher::new(std::iter::empty()).decision(), Decision::Refused);
    }

    proptest::proptest! {
        #[test]
        fn fixed_point_agrees_with_floats_away_from_the_threshold(cosine in -1.0f32..1.0) {
            proptest::prop_assume!((cosine - 0.6).abs() > 0.002);
            let (a, b) = pair(cosine);
            let agreed = bool::from(agrees(&Fixed::of(&a), &Fixed::of(&b)));
            proptest::prop_assert_eq!(agreed, cosine > 0.6);
        }
    }
}
