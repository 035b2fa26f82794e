//! Chance that a seed decides. It is for simulation only, never for anything secret.

use crate::simulation::light::Pixel;

/// A stream of random numbers, the same for the same seed and purpose.
#[derive(Clone, Debug)]
pub struct Chance(fastrand::Rng);

impl Chance {
    /// Two purposes of one seed have nothing to do with each other.
    pub fn new(seed: u64, purpose: &str) -> Self {
        // FNV-1a of the purpose, mixed with the seed times the golden ratio.
        let label = purpose
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        Self(fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ label))
    }

    /// Any number from `low` to just below `high`, all alike.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.0.f32()
    }

    /// Something that happens with this probability.
    pub fn happens(&mut self, probability: f32) -> bool {
        self.0.f32() < probability
    }

    /// Mean 0, deviation 1.
    pub fn normal(&mut self) -> f32 {
        let (u, v) = (1.0 - self.0.f32(), self.0.f32());
        (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
    }

    /// How long one waits for what comes every so often, by chance.
    pub fn wait(&mut self, mean: f32) -> f32 {
        -mean * (1.0 - self.0.f32()).ln()
    }

    pub fn pick<T: Copy, const N: usize>(&mut self, from: [T; N]) -> T {
        from[self.0.usize(..N)]
    }

    /// 1 or -1.
    pub fn sign(&mut self) -> f32 {
        if self.0.bool() { 1.0 } else { -1.0 }
    }

    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0.u64(..)
    }
}

/// Three numbers of mean 0 and deviation 1 from 63 random bits: each the sum of three even ones, which
/// is close enough to normal for the noise of a sensor, and fast.
#[inline]
pub fn grains(bits: u64) -> Pixel {
    let parts = [bits as i32, (bits >> 21) as i32, (bits >> 42) as i32, 0];
    parts.map(|part| {
        let sum = (part & 127) + ((part >> 7) & 127) + ((part >> 14) & 127);
        (sum as f32 - 190.5) / 64.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_is_the_same_and_another_is_not() {
        let numbers = |seed, purpose| {
            let mut chance = Chance::new(seed, purpose);
            (0..4).map(|_| chance.bits()).collect::<Vec<_>>()
        };
        assert_eq!(numbers(7, "a"), numbers(7, "a"));
        assert_ne!(numbers(7, "a"), numbers(8, "a"));
        assert_ne!(numbers(7, "a"), numbers(7, "b"));
    }

    #[test]
    fn noise_has_no_mean_and_a_deviation_of_one() {
        let mut chance = Chance::new(1, "noise");
        let of = |values: &[f32]| {
            let mean = values.iter().sum::<f32>() / values.len() as f32;
            let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / values.len() as f32;
            (mean, square.sqrt())
        };
        let fast: Vec<f32> = (0..20_000).flat_map(|_| grains(chance.bits()).into_iter().take(3)).collect();
        let slow: Vec<f32> = (0..20_000).map(|_| chance.normal()).collect();
        for (mean, deviation) in [of(&fast), of(&slow)] {
            assert!(mean.abs() < 0.03 && (deviation - 1.0).abs() < 0.03, "{mean} {deviation}");
        }
    }
}
